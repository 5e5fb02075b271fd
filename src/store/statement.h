/*
 * statement.h
 *		What the store files of all rooms share: kept statements and rows as composite arrays. Nobody else runs SQL.
 *
 * Statements qualify every name, operators included, so that no search_path changes what they mean; $1 is the learner.
 * unnest with several arguments is the exception: it is syntax, which stands for pg_catalog.unnest and must not be qualified.
 */
#ifndef LEARNSYNC_STATEMENT_H
#define LEARNSYNC_STATEMENT_H

#include "executor/spi.h"
#include "store/store.h"

#define LS_MAX_ARGUMENTS 28
#define LS_MEMBER_PORTION 1000 /* members in one statement: a bound on the memory that it takes */
#define EQ " OPERATOR(pg_catalog.=) "
#define GT " OPERATOR(pg_catalog.>) "
#define NE " OPERATOR(pg_catalog.<>) "

/* A statement whose plan is kept for the life of the session. */
typedef struct LsStatement
{
	const char *sql;
	const char *arguments[LS_MAX_ARGUMENTS]; /* type names, ends with NULL */
	bool writes; /* to be said of one that is to see the latest */
	SPIPlanPtr plan;
	bool planned; /* the kept plan exists */
	struct LsStatement *next; /* among the prepared ones */
} LsStatement;

/* A composite type of the extension in which rows travel to a statement as one array. */
typedef struct LsRowType
{
	const char *name;
	TupleDesc desc;
	struct LsRowType *next; /* among those looked up */
} LsRowType;

/* owner.c */
extern void ls_store_fix_search_path(void);

/* statement.c */
extern uint64 ls_store_see(LsStatement *statement, const Datum *values, const char *nulls, LsSnapshot snapshot);
extern Portal ls_store_cursor(LsStatement *statement, const Datum *values, const char *nulls, LsSnapshot snapshot);
extern void ls_store_answer_rows(FunctionCallInfo fcinfo, LsStatement *statement, const Datum *values,
								 const char *nulls);
extern Datum ls_store_value(uint64 row, int column, bool *isnull);
extern int64 ls_store_int(uint64 row, int column);
extern TimestampTz ls_store_time(uint64 row, int column);
extern LsText ls_store_text(uint64 row, int column);
extern void ls_store_put(Datum *values, bool *nulls, int column, bool present, Datum value);
extern void ls_store_put_text(Datum *values, bool *nulls, int column, LsText text);
extern void ls_store_mark_nulls(char *nulls, const bool *isnull, int count);
extern void ls_store_put_json(Datum *values, bool *nulls, int column, const JsonbValue *json);
extern Datum ls_store_row(LsRowType *type, Datum *values, bool *nulls);
extern Datum ls_store_array(LsRowType *type, Datum *rows, int nrows);

/* A time of a row that was taken apart; LS_NO_TIME for NULL. */
static inline TimestampTz
ls_store_time_of(const Datum *values, const bool *nulls, int column)
{
	return nulls[column] ? LS_NO_TIME : DatumGetTimestampTz(values[column]);
}

static inline uint64
ls_store_run(LsStatement *statement, const Datum *values, const char *nulls)
{
	return ls_store_see(statement, values, nulls, LS_SEES_OWN);
}

static inline uint64
ls_store_read(LsStatement *statement, const Datum *values, const char *nulls)
{
	return ls_store_see(statement, values, nulls, LS_SEES_CALLERS);
}

static inline uint64
ls_store_latest(LsStatement *statement, const Datum *values)
{
	return ls_store_see(statement, values, NULL, LS_SEES_LATEST);
}

#endif
