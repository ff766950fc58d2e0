/* SPDX-License-Identifier: MIT */
#pragma once
/* The values of a configuration, section by section; settings.def says what each means. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/log.h"
#include "util/macro.h"

/* From weak to strong: a source gives way to those below it. */
enum config_source {
	CONFIG_SOURCE_DEFAULT,
	CONFIG_SOURCE_ALIAS, /* DATABASE_URL, DB_POOL_SIZE, ... */
	CONFIG_SOURCE_FILE,
	CONFIG_SOURCE_ENVIRONMENT,
	CONFIG_SOURCE_COMMAND_LINE,
	CONFIG_SOURCE_SET, /* by an administrator, while the daemon runs */
};

/* Where one value is from. */
struct config_origin {
	enum config_source source;
	/* a parameter of the URL that this source gave: weaker than a setting of the same source */
	bool in_url;
	char *where; /* owned: "FILE:LINE", the variable's name, the option; NULL for a default */
};

struct config_list {
	char **items; /* owned, as is each */
	size_t n;
};

/* Times of 0 to USEC_NEVER; USEC_NEVER is what `off` means. */
struct config_timeouts {
	usec acquire_us; /* in an application: CONFIG_INHERIT, see config_acquire_timeout() */
	usec statement_us;
	usec transaction_us;
	usec idle_transaction_us;
	usec lease_us;
	usec lease_idle_us;
	usec client_idle_us;
	usec fetch_us;
	usec request_us; /* the deadline of a request that brings none */
};

#define CONFIG_INHERIT (USEC_NEVER - 1)

/* One [pool NAME]. */
struct config_pool {
	char *name;          /* owned */
	char *url;           /* owned, secret: as it was given */
	char *conninfo;      /* owned, secret: for libpq; "": its PG* variables */
	char *password_file; /* owned: its first line is the password; "": none */
	uint32_t min_size;
	uint32_t max_size; /* where the file says 0: the budget */
	uint32_t max_overflow;
	usec idle_timeout_us;
	usec max_lifetime_us;
	usec keepalive_us;
	usec connect_timeout_us;
	usec backoff_min_us;
	usec backoff_max_us;
	uint32_t breaker_threshold;
	usec breaker_reset_us;
	bool trust_functions;
	bool pipeline;
	uint32_t pipeline_depth; /* 1 where `pipeline` is off */
	usec pipeline_budget_us;
	uint32_t max_prepared_statements;
	usec acquire_timeout_us;       /* [sidepool]'s where the pool has none */
	struct config_origin *origins; /* owned: one for each setting of the section */
};

/* One [application PATTERN]. */
struct config_application {
	char *pattern; /* owned */
	struct config_list match_unit;
	struct config_list match_user;
	struct config_list match_group;
	struct config_list match_executable;
	uint32_t *uids, *gids; /* owned: match_user and match_group, looked up */
	size_t n_uids, n_gids;
	uint32_t min;
	uint32_t max; /* 0: no limit of its own */
	uint32_t weight;
	int32_t priority;
	uint32_t queue_limit;     /* 0: only the daemon's */
	struct config_list pools; /* none: all */
	bool read_only;
	struct config_timeouts
		timeouts; /* all in force: what the section lacks is filled from [sidepool] */
	struct config_origin *origins; /* owned */
};

struct config {
	/* [sidepool] */
	char *socket; /* owned, as all strings here */
	uint32_t socket_mode;
	char *socket_owner; /* "": unchanged */
	char *socket_group;
	uint32_t socket_uid; /* socket_owner, looked up; UINT32_MAX: unchanged */
	uint32_t socket_gid;
	char *events_socket; /* a path, "auto" or "off" */
	uint32_t events_buffer;
	bool events_statements;
	char *http_socket; /* a path, "auto" or "off" */
	char *http_listen; /* ADDRESS:PORT; "": none */
	uint32_t budget;
	uint32_t queue_limit;
	uint32_t max_connecting;
	uint32_t max_clients;
	uint64_t max_message_bytes;
	uint64_t max_chunk_bytes;
	uint32_t max_requests_per_client;
	uint32_t max_leases_per_uid;
	uint32_t max_streams_per_uid;
	uint32_t max_listens_per_uid;
	uint64_t max_memory_per_uid_bytes;
	usec greeting_timeout_us;
	usec shutdown_timeout_us;
	usec cancel_timeout_us;
	usec busy_poll_us;
	usec idempotency_ttl_us;
	uint64_t idempotency_max_bytes;
	uint32_t submit_queue_size;
	uint64_t submit_queue_bytes;
	uint32_t submit_at_a_time;
	usec submit_timeout_us;
	char *submit_journal; /* a path; "": none */
	struct config_list admin_users;
	struct config_list admin_groups;
	uint32_t *admin_uids, *admin_gids; /* owned: the same, looked up */
	size_t n_admin_uids, n_admin_gids;
	enum log_level log_level;
	enum log_format log_format;
	bool log_statements;
	bool log_parameters;
	usec stats_interval_us;
	usec slow_query_us;
	bool slow_query_plan;
	double degraded_ratio;
	double unhealthy_ratio;
	usec degraded_wait_us;
	struct config_timeouts timeouts;

	struct config_pool *pools; /* owned: at least one; the first is the default */
	size_t n_pools;
	struct config_application
		*applications; /* owned: in the order of the file; the first match wins */
	size_t n_applications;
	struct config_application
		other;                 /* whoever matches none: pattern "*", no minimum, weight 1 */
	char *file;                    /* owned: that was read, NULL: none */
	char *file_text;               /* owned, secret: what was in it */
	struct config_origin *origins; /* owned */
};
