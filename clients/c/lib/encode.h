/* SPDX-License-Identifier: MIT */
#pragma once
/* Requests into protobuf. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes;
struct request;
struct settings;
struct sidepool_call;
struct sidepool_lease_options;
struct sidepool_params;

/* The Request's fields beside its kind; the deadline is written when it is sent. */
void encode_envelope(struct bytes *b, const struct settings *settings,
		     const struct sidepool_call *call);

/* TransactionOptions as `field`; nothing where all are the defaults. */
void encode_transaction(struct bytes *b, uint32_t field,
			const struct sidepool_lease_options *options);

/* LeaseOptions as `field`. */
void encode_lease_options(struct bytes *b, uint32_t field,
			  const struct sidepool_lease_options *options);

/* Parameter count, types and formats of a Statement. */
void encode_parameter_types(struct bytes *b, const struct sidepool_params *params);

/* One set of parameters as a Statement's field. Returns false where one is too long. */
bool encode_parameters(struct bytes *b, const struct sidepool_params *params);

/*
 * Request.query. The statement goes by its id if `q->by_id` is set, else as text. Returns false
 * where a parameter is too long.
 */
bool encode_query(struct request *q, const char *sql, const struct sidepool_params *params,
		  bool binary, bool simple);

/* Writes a query that was written before again, with the text, and without columns that it knows. Only with q->statement. */
void encode_query_again(struct request *q);
