/*
 * progress_agg.c
 *		The aggregate learnsync.progress_agg: reduces the events of anyone's table, in any order and by several workers.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "progress/progress.h"
#include "progress/table.h"
#include "utils/builtins.h"

#define MOST_WAITING 16
#define ROOM_FOR_TEXTS 96 /* more than ids and times mostly take */
#define ROOM_FOR_PAYLOAD 512
#define ROW_BYTES 256 /* of a table of events, about */

#define NEAR_ENTRIES 6 /* from the place on where a content's belongs */
#define CONTENT_BYTES (sizeof(LsContent) + 2 * LS_LINE_BYTES) /* with its id and what was told first */
#define INTERACTION_BYTES (sizeof(LsInteraction) + 16) /* with its id */

StaticAssertDecl(ROOM_FOR_PAYLOAD >= VARHDRSZ + VARATT_SHORT_MAX, "a payload with a short header must fit");

/* An event on its way into a state. */
typedef struct Addition
{
	LsProgress *progress;
	LsEvent event;
	uint32 hash; /* of the content's id */
	LsContent *content; /* probably the event's; NULL: not found yet */
	const LsInteraction *interaction; /* of the content's, one that was not looked at */
} Addition;

/* Where what an event says stays once its row is gone. */
typedef struct Copy
{
	char texts[ROOM_FOR_TEXTS];
	union
	{
		Jsonb json;
		char bytes[ROOM_FOR_PAYLOAD];
	} payload;
} Copy;

/*
 * What all rows of one call of the aggregate share. Where the states of many groups take turns, none is in the processor's
 * caches: their events wait until there are some, whose memory is then asked for at once.
 */
typedef struct AggCall
{
	Oid time_type; /* of occurred_at */
	MemoryContext context; /* of the states whose events may wait; NULL: none yet */
	MemoryContextCallback forget;
	const LsProgress *last; /* state that the row before was added to */
	int waiting;
	Addition additions[MOST_WAITING];
	char copies[MOST_WAITING][sizeof(Copy)];
} AggCall;

/* A state under construction, or the bytes of one that another worker built. */
typedef struct AggState
{
	LsProgress progress;
	AggCall *call; /* in which events of this state may wait; NULL: none do */
	bytea *packed;
} AggState;

/* The states are gone, with what was to be added to them. */
static void
forget_waiting(void *argument)
{
	AggCall *call = argument;

	call->context = NULL;
	call->last = NULL;
	call->waiting = 0;
}

static AggCall *
open_call(FmgrInfo *function)
{
	AggCall *call = MemoryContextAlloc(function->fn_mcxt, sizeof(AggCall));

	call->time_type = get_fn_expr_argtype(function, 2);
	call->forget = (MemoryContextCallback){forget_waiting, call};
	forget_waiting(call);
	return function->fn_extra = call;
}

static MemoryContext
context_of(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "aggregate function called in non-aggregate context");
	return context;
}

/* Events wait for states of one context only: of grouping sets one has them, and only while it lives. */
static AggState *
make_state(MemoryContext context, AggCall *call)
{
	AggState *state = MemoryContextAlloc(context, sizeof(AggState));

	if (call != NULL && call->context == NULL)
	{
		MemoryContextRegisterResetCallback(context, &call->forget);
		call->context = context;
	}
	ls_progress_begin(&state->progress, context);
	state->call = call != NULL && call->context == context ? call : NULL;
	state->packed = NULL;
	return state;
}

/* Of nothing it asks for nothing. */
static void
ask_for_all(const void *memory, Size bytes)
{
	for (Size offset = 0; memory != NULL && offset < bytes; offset += LS_LINE_BYTES)
		ls_memory_ask((const char *) memory + offset);
}

static bool
has_contents(const Addition *addition)
{
	return addition->event.type == LS_EVENT_CONTENT && addition->progress->contents != NULL;
}

static void
ask_for_table(Addition *addition)
{
	addition->content = NULL;
	addition->interaction = NULL;
	ls_memory_ask(addition->progress->chunk.free);
	if (!has_contents(addition))
		return;
	addition->hash = ls_digest_hash(addition->event.content_id);
	ls_memory_ask(addition->progress->contents);
}

static const ContentEntry *
near_entry(const Addition *addition, uint32 distance)
{
	const content_hash *table = addition->progress->contents;

	return &table->data[(addition->hash + distance) & table->sizemask];
}

static void
ask_for_entries(Addition *addition)
{
	if (has_contents(addition))
		ask_for_all(near_entry(addition, 0), NEAR_ENTRIES * sizeof(ContentEntry));
}

/* Of a content whose entry is further away nothing is asked for. The id, which lies with the content, is looked at later. */
static void
ask_for_content(Addition *addition)
{
	for (uint32 i = 0; has_contents(addition) && addition->content == NULL && i < NEAR_ENTRIES; i++)
	{
		const ContentEntry *entry = near_entry(addition, i);

		if (entry->status == content_SH_IN_USE && entry->hash == addition->hash)
			addition->content = entry->content;
	}
	if (addition->content != NULL)
		ask_for_all(addition->content, CONTENT_BYTES);
}

static void
ask_for_status(const LsContent *content, LsStatus status)
{
	const LsTrail *trail;

	if (status < LS_COMPLETED)
	{
		ls_memory_ask(content->latest[status].block);
		return;
	}
	trail = &content->trails[status - LS_COMPLETED];
	if (trail->nmarks > 0)
		ask_for_all(&trail->marks[trail->nmarks - 1], 2 * sizeof(LsMark));
}

static void
ask_for_values(Addition *addition)
{
	const LsContent *content = addition->content;

	if (content == NULL)
		return;
	ask_for_status(content, addition->event.status);
	ls_memory_ask(content->chunk.free);
	ls_memory_ask(content->version.block);
	ls_memory_ask(content->scores);
	if (addition->event.interaction_id.data == NULL)
		return;
	addition->interaction = content->interactions;
	ask_for_all(addition->interaction, INTERACTION_BYTES);
}

static void
ask_for_interaction(Addition *addition)
{
	if (addition->interaction == NULL)
		return;
	ls_memory_ask(addition->interaction->state.block);
	addition->interaction = addition->interaction->next;
	ask_for_all(addition->interaction, INTERACTION_BYTES);
}

/*
 * Adds all events that wait, each to its state. What an event touches is found from one place to the next, so all take each
 * step together: while the memory of one is waited for, that of the others comes.
 */
static void
add_waiting(AggCall *call)
{
	static void (*const steps[])(Addition *) = {ask_for_table,      ask_for_entries,     ask_for_content,
												ask_for_values,     ask_for_interaction, ask_for_interaction,
												ask_for_interaction};
	int waiting = call->waiting;

	call->waiting = 0;
	for (int step = 0; step < lengthof(steps); step++)
	{
		for (int i = 0; i < waiting; i++)
			steps[step](&call->additions[i]);
	}
	for (int i = 0; i < waiting; i++)
	{
		const LsEvent *event = &call->additions[i].event;
		LsContent *content = call->additions[i].content;

		if (content != NULL && !ls_text_equal(content->id, event->content_id))
			content = NULL;
		ls_progress_add(call->additions[i].progress, content, event);
	}
}

/* The state with all its events. */
static LsProgress *
progress_of(AggState *state)
{
	if (state->call != NULL)
		add_waiting(state->call);
	return &state->progress;
}

static void
refuse_event(LsText id, int sqlstate, const char *message)
{
	ereport(ERROR, (errcode(sqlstate), errmsg("event \"%s\" cannot be reduced", ls_text_string(id)),
					errdetail("%s.", message)));
}

static bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID;
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
	if (!is_text(type))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("occurred_at cannot be of type %s", format_type_be(type)),
				 errhint("Cast it to text or timestamp with time zone.")));
	if (!ls_stamp_parse(ls_text_datum(time), &event->occurred_at))
		refuse_event(event->point.id, ERRCODE_INVALID_DATETIME_FORMAT,
					 "occurred_at must be an RFC 3339 time with offset, of the years 1 to 9999");
	ls_event_set_time(event, event->occurred_at, ls_text_datum(time));
}

/*
 * Rows lie on their page from its end to its beginning: those that come next before this one. The scan alone has them come
 * by themselves, but not between so much else.
 */
static void
ask_for_rows(const char *row)
{
	for (int i = 1; i <= 2 * ROW_BYTES / LS_LINE_BYTES; i++)
		ls_memory_ask(row - ROW_BYTES - i * LS_LINE_BYTES);
}

/* The payload. As rows have small ones it is moved, which takes no memory of its own; so is one that has to stay. */
static Jsonb *
read_payload(Copy *copy, bool stays, Datum payload)
{
	struct varlena *packed = PG_DETOAST_DATUM_PACKED(payload);

	ask_for_rows((const char *) packed);
	if (!VARATT_IS_SHORT(packed) && !stays)
		return (Jsonb *) packed;
	SET_VARSIZE(copy->payload.bytes, VARSIZE_ANY_EXHDR(packed) + VARHDRSZ);
	memcpy(VARDATA(copy->payload.bytes), VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed));
	return &copy->payload.json;
}

/* Reads the columns of an event; unlike a put's, a bad one has nobody to be answered to. */
static void
read_event(FunctionCallInfo fcinfo, Oid time_type, Copy *copy, bool stays, LsEvent *event)
{
	LsFailure failure = {NULL};
	LsFailure numbers = {NULL};
	JsonbValue payload;
	bool is_good;
	LsText type = ls_text_datum(PG_GETARG_DATUM(3));

	event->point.id = ls_text_datum(PG_GETARG_DATUM(1));
	if (!ls_text_is_id(event->point.id))
		refuse_event(event->point.id, ERRCODE_INVALID_PARAMETER_VALUE, "event_id must have 1 to 200 characters");
	read_time(event, time_type, PG_GETARG_DATUM(2));
	if (!ls_event_type(type, &event->type))
		refuse_event(event->point.id, ERRCODE_INVALID_PARAMETER_VALUE,
					 psprintf("The type \"%s\" is unknown", ls_text_string(type)));
	if (!PG_ARGISNULL(4))
		ls_json_root(read_payload(copy, stays, PG_GETARG_DATUM(4)), &payload);
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

static Size
size_of(FunctionCallInfo fcinfo, int column)
{
	return PG_ARGISNULL(column) ? 0 : toast_raw_datum_size(PG_GETARG_DATUM(column));
}

/* Whether a copy has room for what the columns of an event say. */
static bool
fits(FunctionCallInfo fcinfo, Oid time_type)
{
	return size_of(fcinfo, 4) <= ROOM_FOR_PAYLOAD &&
		   size_of(fcinfo, 1) + (is_text(time_type) ? size_of(fcinfo, 2) : 0) <= ROOM_FOR_TEXTS;
}

/* Copies the id, and the time as sent. */
static void
copy_texts(Copy *copy, LsPoint *point)
{
	char *time = copy->texts + point->id.length;

	point->id.data = memcpy(copy->texts, point->id.data, point->id.length);
	if (point->time.data != NULL)
		point->time.data = memcpy(time, point->time.data, point->time.length);
}

/* Adds an event at once, or lets it wait where its state was not just at hand. In which order they come does not matter. */
static void
take_event(FunctionCallInfo fcinfo, AggCall *call, MemoryContext context, LsProgress *progress)
{
	Addition *addition = &call->additions[call->waiting];
	Copy *copy = (Copy *) call->copies[call->waiting];
	bool waits = call->context == context && call->last != progress && fits(fcinfo, call->time_type);

	call->last = progress;
	read_event(fcinfo, call->time_type, copy, waits, &addition->event);
	if (!waits)
	{
		ls_progress_add(progress, NULL, &addition->event);
		return;
	}
	copy_texts(copy, &addition->event.point);
	addition->progress = progress;
	ask_for_all(progress, sizeof(LsProgress));
	if (++call->waiting == MOST_WAITING)
		add_waiting(call);
}

/* Takes a row in; one without event_id, occurred_at or type is no event. */
Datum
learnsync_progress_agg_add(PG_FUNCTION_ARGS)
{
	AggState *state = PG_ARGISNULL(0) ? NULL : (AggState *) PG_GETARG_POINTER(0);
	AggCall *call = fcinfo->flinfo->fn_extra;
	MemoryContext context;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	context = context_of(fcinfo);
	if (call == NULL)
		call = open_call(fcinfo->flinfo);
	if (state == NULL)
		state = make_state(context, call);
	take_event(fcinfo, call, context, &state->progress);
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
		state = make_state(context_of(fcinfo), NULL);
	if (other != NULL)
		ls_progress_unpack(&state->progress,
						   other->packed != NULL ? other->packed : ls_progress_pack(progress_of(other), false),
						   false);
	PG_RETURN_POINTER(state);
}

Datum
learnsync_progress_agg_serialize(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(ls_progress_pack(progress_of((AggState *) PG_GETARG_POINTER(0)), false));
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
	PG_RETURN_BYTEA_P(ls_progress_pack(progress_of((AggState *) PG_GETARG_POINTER(0)), false));
}
