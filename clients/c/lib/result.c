/* SPDX-License-Identifier: MIT */
/* The accessors of a result. Every index is checked: a caller's mistake reads as "not there", never
 * as other memory. */
#include "result.h"

#include "error.h"
#include "sidepool.h"

static const struct cell *cell_at(const struct sidepool_result *r, size_t row, size_t column)
{
	if (!r || !r->columns || row >= r->rows || column >= r->columns->count)
		return NULL;
	return &r->cells[row * r->columns->count + column];
}

static const struct column *column_at(const struct sidepool_result *r, size_t column)
{
	return r && r->columns && column < r->columns->count ? &r->columns->column[column] : NULL;
}

size_t sidepool_nrows(const struct sidepool_result *r)
{
	return r ? r->rows : 0;
}

size_t sidepool_nfields(const struct sidepool_result *r)
{
	return r && r->columns ? r->columns->count : 0;
}

const char *sidepool_fname(const struct sidepool_result *r, size_t column)
{
	const struct column *c = column_at(r, column);

	return c ? c->name : "";
}

uint32_t sidepool_ftype(const struct sidepool_result *r, size_t column)
{
	const struct column *c = column_at(r, column);

	return c ? c->type : 0;
}

int32_t sidepool_fmod(const struct sidepool_result *r, size_t column)
{
	const struct column *c = column_at(r, column);

	return c ? c->modifier : 0;
}

int32_t sidepool_fsize(const struct sidepool_result *r, size_t column)
{
	const struct column *c = column_at(r, column);

	return c ? c->size : 0;
}

uint32_t sidepool_ftable(const struct sidepool_result *r, size_t column)
{
	const struct column *c = column_at(r, column);

	return c ? c->table : 0;
}

uint32_t sidepool_fcolumn(const struct sidepool_result *r, size_t column)
{
	const struct column *c = column_at(r, column);

	return c ? c->number : 0;
}

int sidepool_fnumber(const struct sidepool_result *r, const char *name)
{
	for (size_t i = 0; i < sidepool_nfields(r); i++)
		if (strcmp(r->columns->column[i].name, name) == 0)
			return (int)i;
	return -1;
}

int sidepool_format(const struct sidepool_result *r)
{
	return r ? r->format : 0;
}

const char *sidepool_value(const struct sidepool_result *r, size_t row, size_t column)
{
	const struct cell *c = cell_at(r, row, column);

	return c && c->length >= 0 ? r->base + c->offset : NULL;
}

size_t sidepool_length(const struct sidepool_result *r, size_t row, size_t column)
{
	const struct cell *c = cell_at(r, row, column);

	return c && c->length > 0 ? (size_t)c->length : 0;
}

int sidepool_isnull(const struct sidepool_result *r, size_t row, size_t column)
{
	const struct cell *c = cell_at(r, row, column);

	return !c || c->length < 0;
}

const char *sidepool_command_tag(const struct sidepool_result *r)
{
	return r && r->tag ? r->tag : "";
}

uint64_t sidepool_affected_rows(const struct sidepool_result *r)
{
	return r ? r->affected : 0;
}

int sidepool_more(const struct sidepool_result *r)
{
	return r && r->more;
}

uint32_t sidepool_statement_index(const struct sidepool_result *r)
{
	return r ? r->statement_index : 0;
}

uint32_t sidepool_set_index(const struct sidepool_result *r)
{
	return r ? r->set_index : 0;
}

const struct sidepool_error *sidepool_result_error(const struct sidepool_result *r)
{
	return r ? r->error : NULL;
}

const struct sidepool_error *sidepool_notice(const struct sidepool_result *r, size_t index)
{
	const struct sidepool_error *notice = r ? r->notices : NULL;

	while (notice && index-- > 0)
		notice = notice->next;
	return notice;
}

void result_deinit(struct sidepool_result *r)
{
	columns_unref(r->columns);
	error_free(r->error);
	error_free(r->notices);
	*r = (struct sidepool_result){ .columns = NULL };
}
