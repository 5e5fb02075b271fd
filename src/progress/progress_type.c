/*
 * progress_type.c
 *		The type learnsync.progress: the reduced state of any set of events of one learner.
 *
 * Its text is the snapshot with one member more, "state": the binary form in hexadecimal. The snapshot alone does not
 * say which event stood for what, and a dump has to keep that.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "progress/progress.h"
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
	JsonbValue snapshot = ls_progress_snapshot(unpack(packed), NULL);

	return ls_json_encode(&snapshot);
}

/* The text form as JSON. */
static Jsonb *
text_of(const bytea *packed)
{
	LsProgress *progress = unpack(packed);
	JsonbValue json = ls_progress_snapshot(progress, NULL);
	bytea *portable = ls_progress_pack(progress, true);
	int length = VARSIZE(portable) - VARHDRSZ;
	char *hex = palloc_extended((Size) length * 2 + 1, MCXT_ALLOC_HUGE);

	ls_json_put(&json, "state", ls_json_text((LsText){hex, (int) hex_encode(VARDATA(portable), length, hex)}));
	return ls_json_encode(&json);
}

/* A value from its portable form, whoever wrote that. */
static bytea *
from_portable(const char *data, int length)
{
	LsProgress *progress = ls_progress_new(CurrentMemoryContext);
	bytea *portable = palloc(VARHDRSZ + length);

	SET_VARSIZE(portable, VARHDRSZ + length);
	ls_memory_copy(VARDATA(portable), data, length);
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

static void
refuse_text(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), errmsg("invalid input syntax for type learnsync.progress"),
			 errdetail("%s", detail), errhint("Reduce the events with learnsync.progress_agg.")));
}

/* The member "state" decides; a text that was edited elsewhere is refused, as nobody would see that it is ignored. */
Datum
learnsync_progress_in(PG_FUNCTION_ARGS)
{
	Jsonb *json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, PG_GETARG_DATUM(0)));
	JsonbValue sent;
	JsonbValue shown;
	JsonbValue state;
	bytea *portable;
	bytea *packed;

	ls_json_root(json, &sent);
	if (!ls_json_is_object(&sent) || !ls_json_get(&sent, "state", &state) || state.type != jbvString)
		refuse_text("A snapshot without its \"state\" does not say in which order its events were.");
	portable = DatumGetByteaP(
		DirectFunctionCall2(binary_decode, ls_text_to_datum(ls_text_of(&state)), CStringGetTextDatum("hex")));
	packed = from_portable(VARDATA(portable), VARSIZE(portable) - VARHDRSZ);
	ls_json_root(text_of(packed), &shown);
	if (ls_json_compare(&sent, &shown) != 0)
		refuse_text("The snapshot is not the one of its \"state\".");
	PG_RETURN_BYTEA_P(packed);
}

Datum
learnsync_progress_out(PG_FUNCTION_ARGS)
{
	Jsonb *text = text_of(PG_GETARG_BYTEA_P(0));

	PG_RETURN_CSTRING(JsonbToCString(NULL, &text->root, VARSIZE(text)));
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
