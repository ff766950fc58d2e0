/* SPDX-License-Identifier: MIT */
#include "rpc/statement.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "pg/packed.h"
#include "pg/text.h"
#include "rpc/rpc-internal.h"

enum {
	TYPES_MAX = 65535, /* the protocol counts parameters in 16 bits */
	SETS_MAX = 1000000,
};

static bool fail(struct request *r, size_t index, enum sidepool_error_code code, const char *reason)
{
	r->failure.statement_index = (uint32_t)index;
	if (r->n_statements_asked > 1)
		request_fail(r, code, "statement %zu: %s", index, reason);
	else
		request_fail(r, code, "%s", reason);
	return false;
}

const char *statement_sql(struct request *r, const ProtobufCBinaryData *sql, const char *what)
{
	char *copy;

	if (sql->len == 0) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "%s is empty", what);
		return NULL;
	}
	if (memchr(sql->data, 0, sql->len)) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "%s has a zero byte in it", what);
		return NULL;
	}
	copy = arena_strndup(&r->arena, (const char *)sql->data, sql->len);
	if (!copy)
		request_fail(r, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
	return copy;
}

static bool find_text(struct request *r, const Sidepool__V1__Statement *m, size_t index)
{
	struct pg_texts *texts = r->rpc->texts;
	int err;

	if (m->statement_id != 0) {
		r->texts[index] = pg_texts_by_id(texts, m->statement_id);
		return r->texts[index] || fail(r, index, SIDEPOOL_E_UNKNOWN_STATEMENT,
					       "the daemon does not keep that statement id");
	}
	if (m->sql.len == 0)
		return fail(r, index, SIDEPOOL_E_INVALID_ARGUMENT,
			    "sql and statement_id are both empty");
	if (memchr(m->sql.data, 0, m->sql.len))
		return fail(r, index, SIDEPOOL_E_INVALID_ARGUMENT, "sql has a zero byte in it");
	if (m->n_parameter_types > m->parameter_count)
		return fail(r, index, SIDEPOOL_E_INVALID_ARGUMENT,
			    "there are more parameter_types than parameters");
	err = pg_texts_get(texts, (const char *)m->sql.data, m->sql.len, m->parameter_types,
			   (uint32_t)m->n_parameter_types, &r->texts[index]);
	return err == 0 || fail(r, index, SIDEPOOL_E_OUT_OF_MEMORY,
				"the daemon has no memory for the statement");
}

static bool check_parameters(struct request *r, const Sidepool__V1__Statement *m, size_t index)
{
	struct pg_statement *s = &r->statements[index];
	int err;

	if (m->parameter_count > TYPES_MAX)
		return fail(r, index, SIDEPOOL_E_INVALID_ARGUMENT,
			    "parameter_count is above 65535");
	if (m->parameter_sets > SETS_MAX)
		return fail(r, index, SIDEPOOL_E_INVALID_ARGUMENT,
			    "parameter_sets is above 1000000");
	if (m->result_format > 1)
		return fail(r, index, SIDEPOOL_E_INVALID_ARGUMENT,
			    "result_format is neither 0 (text) nor 1 (binary)");
	for (size_t i = 0; i < m->n_parameter_formats; i++)
		if (m->parameter_formats[i] > 1)
			return fail(r, index, SIDEPOOL_E_INVALID_ARGUMENT,
				    "a parameter format is neither 0 (text) nor 1 (binary)");
	err = pg_params_check(s);
	if (err > 0)
		return fail(
			r, index, SIDEPOOL_E_INVALID_ARGUMENT,
			"parameters are not parameter_sets packed rows of parameter_count values, or a text value has a "
			"zero byte in it");
	return true;
}

static void fill(struct pg_statement *s, const Sidepool__V1__Statement *m, struct pg_text *text)
{
	*s = (struct pg_statement){
		.text = text,
		.n_params = m->parameter_count,
		.formats = m->parameter_formats,
		.n_formats = (uint32_t)m->n_parameter_formats,
		.params = m->parameters.data,
		.params_bytes = m->parameters.len,
		.n_sets = m->parameter_sets ? m->parameter_sets : 1,
		.result_format = (int)m->result_format,
	};
}

static bool check_place(struct request *r, size_t index, enum statement_place place)
{
	const struct pg_class *class = &r->texts[index]->class;
	char reason[128], word[64];
	size_t n = 0;

	if (class->copy)
		return fail(r, index, SIDEPOOL_E_INVALID_ARGUMENT,
			    "COPY from STDIN or to STDOUT goes by CopyIn or CopyOut");
	if (place == STATEMENT_LEASED || !class->session_word)
		return true;
	for (const char *c = class->session_word; *c && n < sizeof(word) - 1; c++)
		word[n++] =
			strchr(class->session_word, '(') ? *c : (char)toupper((unsigned char)*c);
	word[n] = '\0';
	(void)snprintf(reason, sizeof(reason),
		       "%s changes the session and would leak to the next client", word);
	return fail(r, index, SIDEPOOL_E_SESSION_REQUIRED, reason);
}

static bool take_one(struct request *r, const Sidepool__V1__Statement *m, size_t index,
		     enum statement_place place)
{
	if (!find_text(r, m, index))
		return false;
	fill(&r->statements[index], m, r->texts[index]);
	return check_parameters(r, m, index) && check_place(r, index, place);
}

bool statements_take(struct request *r, Sidepool__V1__Statement *const *messages, size_t n,
		     enum statement_place place)
{
	r->n_statements_asked = n;
	r->messages = messages;
	r->texts = arena_alloc(&r->arena, n * sizeof(struct pg_text *));
	r->statements = arena_alloc(&r->arena, n * sizeof(*r->statements));
	if (!r->texts || !r->statements) {
		request_fail(r, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
		return false;
	}
	memset(r->texts, 0, n * sizeof(struct pg_text *));
	r->n_texts = n;
	for (size_t i = 0; i < n; i++)
		if (!take_one(r, messages[i], i, place))
			return false;
	return true;
}
