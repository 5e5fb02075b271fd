/*
 * progress_type.c
 *		The type learnsync.progress: the reduced state of any set of events of one learner.
 *
 * Its text is the snapshot, which does not say which event stood for what; so text is not accepted as input, where a
 * dump would lose that without a word. The binary form and bytea keep everything.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "progress.h"
#include "utils/builtins.h"

static LsProgress *
unpack(const bytea *packed)
{
	LsProgress *progress = ls_progress_new(CurrentMemoryContext);

	ls_progress_unpack(progress, packed, false);
	return progress;
}

static Jsonb *
snapshot_of(const bytea *packed)
{
	JsonbValue snapshot = ls_progress_snapshot(unpack(packed));

	return ls_json_encode(&snapshot);
}

/* A value from its portable form, whoever wrote that. */
static bytea *
from_portable(const char *data, int length)
{
	LsProgress *progress = ls_progress_new(CurrentMemoryContext);
	bytea *portable = palloc(VARHDRSZ + length);

	SET_VARSIZE(portable, VARHDRSZ + length);
	memcpy(VARDATA(portable), data, length);
	ls_progress_unpack(progress, portable, true);
	return ls_progress_pack(progress, false);
}

PG_FUNCTION_INFO_V1(learnsync_progress_in);
PG_FUNCTION_INFO_V1(learnsync_progress_out);
PG_FUNCTION_INFO_V1(learnsync_progress_recv);
PG_FUNCTION_INFO_V1(learnsync_progress_send);
PG_FUNCTION_INFO_V1(learnsync_progress_to_jsonb);
PG_FUNCTION_INFO_V1(learnsync_progress_from_bytea);
PG_FUNCTION_INFO_V1(learnsync_progress_concat);
PG_FUNCTION_INFO_V1(learnsync_progress_eq);
PG_FUNCTION_INFO_V1(learnsync_progress_ne);
PG_FUNCTION_INFO_V1(learnsync_progress_hash);

Datum
learnsync_progress_in(PG_FUNCTION_ARGS)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("cannot accept a value of type learnsync.progress as text"),
					errdetail("A snapshot does not say in which order its events were."),
					errhint("Reduce the events with learnsync.progress_agg, or cast from bytea.")));
	PG_RETURN_VOID();
}

Datum
learnsync_progress_out(PG_FUNCTION_ARGS)
{
	Jsonb *snapshot = snapshot_of(PG_GETARG_BYTEA_P(0));

	PG_RETURN_CSTRING(JsonbToCString(NULL, &snapshot->root, VARSIZE(snapshot)));
}

Datum
learnsync_progress_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	int length = message->len - message->cursor;

	PG_RETURN_BYTEA_P(from_portable(pq_getmsgbytes(message, length), length));
}

/* Also the cast to bytea. */
Datum
learnsync_progress_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(ls_progress_pack(unpack(PG_GETARG_BYTEA_P(0)), true));
}

Datum
learnsync_progress_from_bytea(PG_FUNCTION_ARGS)
{
	bytea *portable = PG_GETARG_BYTEA_PP(0);

	PG_RETURN_BYTEA_P(from_portable(VARDATA_ANY(portable), VARSIZE_ANY_EXHDR(portable)));
}

Datum
learnsync_progress_to_jsonb(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(snapshot_of(PG_GETARG_BYTEA_P(0)));
}

/* The state of the events of both. */
Datum
learnsync_progress_concat(PG_FUNCTION_ARGS)
{
	LsProgress *progress = unpack(PG_GETARG_BYTEA_P(0));

	ls_progress_unpack(progress, PG_GETARG_BYTEA_P(1), false);
	PG_RETURN_BYTEA_P(ls_progress_pack(progress, false));
}

static bool
is_equal(FunctionCallInfo fcinfo)
{
	return ls_text_equal(ls_text_datum(PG_GETARG_DATUM(0)), ls_text_datum(PG_GETARG_DATUM(1)));
}

Datum
learnsync_progress_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_equal(fcinfo));
}

Datum
learnsync_progress_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!is_equal(fcinfo));
}

Datum
learnsync_progress_hash(PG_FUNCTION_ARGS)
{
	LsText bytes = ls_text_datum(PG_GETARG_DATUM(0));

	return hash_any((const unsigned char *) bytes.data, bytes.length);
}
