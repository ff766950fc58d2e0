/* SPDX-License-Identifier: MIT */
#pragma once
/* What the files of Admin share. Whoever asks has been found to be an administrator. */

#include "sidepool/v1/admin.pb-c.h"

struct request;

/* Says in the log who did what. */
void admin_log(const struct request *r, const char *sentence);

/* The answer to the request. */
void admin_reply(struct request *r, const char *sentence);

void admin_config(struct request *r);
void admin_reload(struct request *r);
void admin_set(struct request *r, const Sidepool__V1__SetSetting *m);
void admin_unset(struct request *r, const Sidepool__V1__UnsetSetting *m);
