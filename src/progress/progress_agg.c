/*
 * progress_agg.c
 *		The aggregate learnsync.progress_agg: reduces the events of anyone's table, in any order and by several workers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "progress/progress.h"
#include "utils/builtins.h"

/* A state under construction, or the bytes of one that another worker built. */
typedef struct AggState
{
	LsProgress *progress;
	Oid time_type; /* of occurred_at */
	bytea *packed;
	union
	{
		Jsonb json;
		char bytes[VARHDRSZ + VARATT_SHORT_MAX];
	} payload; /* of the event at hand, where its row has it unaligned */
} AggState;

static AggState *
make_state(FunctionCallInfo fcinfo)
{
	MemoryContext context;
	AggState *state;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "aggregate function called in non-aggregate context");
	state = MemoryContextAllocZero(context, sizeof(AggState));
	state->progress = ls_progress_new(context);
	return state;
}

static void
refuse_event(LsText id, int sqlstate, const char *message)
{
	ereport(ERROR, (errcode(sqlstate), errmsg("event \"%s\" cannot be reduced", ls_text_string(id)),
					errdetail("%s.", message)));
}

/* A time comes as the client sent it, and is shown like that, or as the server keeps times. */
static void
read_time(LsEvent *event, Oid type, Datum time)
{
	if (type == TIMESTAMPTZOID)
	{
		event->point.at = event->occurred_at = DatumGetTimestampTz(time);
		event->point.time = (LsText){NULL, 0};
		if (!ls_stamp_is_valid(event->point.at))
			refuse_event(event->point.id, ERRCODE_DATETIME_FIELD_OVERFLOW,
						 "occurred_at must be of the years 1 to 9999");
		return;
	}
	if (type != TEXTOID && type != VARCHAROID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("occurred_at cannot be of type %s", format_type_be(type)),
				 errhint("Cast it to text or timestamp with time zone.")));
	if (!ls_stamp_parse(ls_text_datum(time), &event->occurred_at))
		refuse_event(event->point.id, ERRCODE_INVALID_DATETIME_FORMAT,
					 "occurred_at must be an RFC 3339 time with offset, of the years 1 to 9999");
	ls_event_set_time(event, event->occurred_at, ls_text_datum(time));
}

/* The payload as rows have small ones is moved only, which takes no memory of its own. */
static Jsonb *
read_payload(AggState *state, Datum payload)
{
	struct varlena *packed = PG_DETOAST_DATUM_PACKED(payload);

	if (!VARATT_IS_SHORT(packed))
		return (Jsonb *) packed;
	SET_VARSIZE(state->payload.bytes, VARSIZE_ANY_EXHDR(packed) + VARHDRSZ);
	memcpy(VARDATA(state->payload.bytes), VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed));
	return &state->payload.json;
}

/* Reads the columns of an event; unlike a put's, a bad one has nobody to be answered to. */
static void
read_event(FunctionCallInfo fcinfo, AggState *state, LsEvent *event)
{
	LsFailure failure = {NULL};
	LsFailure numbers = {NULL};
	JsonbValue payload;
	bool is_good;
	LsText type = ls_text_datum(PG_GETARG_DATUM(3));

	event->point.id = ls_text_datum(PG_GETARG_DATUM(1));
	if (!ls_text_is_id(event->point.id))
		refuse_event(event->point.id, ERRCODE_INVALID_PARAMETER_VALUE, "event_id must have 1 to 200 characters");
	read_time(event, state->time_type, PG_GETARG_DATUM(2));
	if (!ls_event_type(type, &event->type))
		refuse_event(event->point.id, ERRCODE_INVALID_PARAMETER_VALUE,
					 psprintf("The type \"%s\" is unknown", ls_text_string(type)));
	if (!PG_ARGISNULL(4))
		ls_json_root(read_payload(state, PG_GETARG_DATUM(4)), &payload);
	is_good = ls_event_read_payload(event, PG_ARGISNULL(4) ? NULL : &payload, &failure);
	if (is_good && event->type == LS_EVENT_CONTENT && !event->has_bad_number)
		return;
	if (!PG_ARGISNULL(4) && !ls_limit_check_numbers(&payload, "payload", &numbers))
		refuse_event(event->point.id, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, numbers.message);
	if (!is_good)
		refuse_event(event->point.id, ERRCODE_INVALID_PARAMETER_VALUE, failure.message);
}

PG_FUNCTION_INFO_V1(learnsync_progress_agg_add);
PG_FUNCTION_INFO_V1(learnsync_progress_agg_combine);
PG_FUNCTION_INFO_V1(learnsync_progress_agg_serialize);
PG_FUNCTION_INFO_V1(learnsync_progress_agg_deserialize);
PG_FUNCTION_INFO_V1(learnsync_progress_agg_final);

/* Takes a row in; one without event_id, occurred_at or type is no event. */
Datum
learnsync_progress_agg_add(PG_FUNCTION_ARGS)
{
	AggState *state = PG_ARGISNULL(0) ? NULL : (AggState *) PG_GETARG_POINTER(0);
	LsEvent event;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	if (state == NULL)
		state = make_state(fcinfo);
	if (!OidIsValid(state->time_type))
		state->time_type = get_fn_expr_argtype(fcinfo->flinfo, 2);
	read_event(fcinfo, state, &event);
	ls_progress_add(state->progress, &event);
	PG_RETURN_POINTER(state);
}

Datum
learnsync_progress_agg_combine(PG_FUNCTION_ARGS)
{
	AggState *state = PG_ARGISNULL(0) ? NULL : (AggState *) PG_GETARG_POINTER(0);
	AggState *other = PG_ARGISNULL(1) ? NULL : (AggState *) PG_GETARG_POINTER(1);

	if (state == NULL && other == NULL)
		PG_RETURN_NULL();
	if (state == NULL)
		state = make_state(fcinfo);
	if (other != NULL)
		ls_progress_unpack(state->progress,
						   other->packed != NULL ? other->packed : ls_progress_pack(other->progress, false), false);
	PG_RETURN_POINTER(state);
}

Datum
learnsync_progress_agg_serialize(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(ls_progress_pack(((AggState *) PG_GETARG_POINTER(0))->progress, false));
}

Datum
learnsync_progress_agg_deserialize(PG_FUNCTION_ARGS)
{
	AggState *state = palloc0(sizeof(AggState));

	state->packed = PG_GETARG_BYTEA_P(0);
	PG_RETURN_POINTER(state);
}

Datum
learnsync_progress_agg_final(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(ls_progress_pack(((AggState *) PG_GETARG_POINTER(0))->progress, false));
}
