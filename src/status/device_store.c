/*
 * device_store.c
 *		What sync_devices and sync_status read: devices with their counts, and the open conflicts.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "status/status.h"
#include "store/statement.h"

/* A time as answers show it. */
#define STAMP(expression)                                                                                            \
	"pg_catalog.to_char(pg_catalog.timezone('UTC', " expression "), 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

/* $2 is one device's id or NULL for all. */
static LsStatement read_devices = {
	"SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('userId', d.learner_id,"
	" 'deviceId', d.device_id, 'deviceName', d.device_name, 'lastSyncAt', " STAMP(
		"d.last_sync_at") ","
						  " 'lastSyncVersion', d.version, 'pendingCount', f.pending, 'failedCount', f.failed,"
						  " 'conflictCount', c.open, 'metadata', COALESCE(d.metadata, '{}'::pg_catalog.jsonb), 'isActive', d.is_active,"
						  " 'syncedResources', COALESCE(d.synced_resources, '{}'::pg_catalog.jsonb), 'clockSkew', COALESCE(d.skew_ms, 0)) OPERATOR(pg_catalog.||) CASE WHEN d.wipe_at IS NULL THEN '{}'::pg_catalog.jsonb"
						  " ELSE pg_catalog.jsonb_build_object('wipe', pg_catalog.jsonb_build_object('askedAt', " STAMP("d.wipe_at") ", 'doneAt', " STAMP(
							  "d.wiped_at") ")) END"
											" ORDER BY d.last_sync_at DESC, d.device_id), '[]'::pg_catalog.jsonb)"
											" FROM learnsync_data.device d"
											" CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS failed, pg_catalog.count(*) FILTER (WHERE x.retryable)"
											"  AS pending FROM learnsync_data.failed x WHERE x.learner_id" EQ
											"$1 AND x.device_id" EQ "d.device_id) f"
											" CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS open FROM learnsync_data.conflict x"
											"  WHERE x.learner_id" EQ "$1 AND x.device_id" EQ
											"d.device_id AND x.closed_at IS NULL) c"
											" WHERE d.learner_id" EQ "$1 AND ($2 IS NULL OR d.device_id" EQ "$2)",
	{"pg_catalog.text", "pg_catalog.text", NULL}};

static LsStatement read_conflicts = {
	"SELECT c.conflict_id::pg_catalog.text, c.device_id, c.resource_type, c.resource_id, c.operation, c.client_data,"
	" CASE WHEN r.version" EQ
	"c.resource_version THEN NULL ELSE c.server_data END, c.created_at, r.version, r.at, r.data, r.book"
	" FROM learnsync_data.conflict c LEFT JOIN learnsync_data.resource r ON r.learner_id" EQ "$1"
	" AND r.resource_type" EQ "c.resource_type AND r.resource_id" EQ "c.resource_id"
	" WHERE c.learner_id" EQ "$1 AND c.closed_at IS NULL AND ($2 IS NULL OR c.device_id" EQ "$2)"
	" AND ($3 IS NULL OR (c.created_at, c.conflict_id)" GT "(SELECT x.created_at, x.conflict_id"
	"  FROM learnsync_data.conflict x WHERE x.learner_id" EQ "$1 AND x.conflict_id" EQ "$3))"
	" ORDER BY c.created_at, c.conflict_id LIMIT $4",
	{"pg_catalog.text", "pg_catalog.text", "pg_catalog.uuid", "pg_catalog.int8", NULL}};

/* Its columns, counted from 1. */
enum
{
	CONFLICT_ID = 1,
	DEVICE_ID,
	RESOURCE_TYPE,
	RESOURCE_ID,
	OPERATION,
	CLIENT_DATA,
	SERVER_DATA,
	CREATED_AT,
	VERSION,
	AT,
	DATA,
	BOOK
};

static LsStatement find_conflict = {"SELECT FROM learnsync_data.conflict c WHERE c.learner_id" EQ
									"$1 AND c.conflict_id" EQ "$2",
									{"pg_catalog.text", "pg_catalog.uuid", NULL}};

/* A device that says it has wiped itself may be let in by then, and stays so. */
static LsStatement activate = {
	"UPDATE learnsync_data.device d SET is_active = CASE WHEN $5 THEN d.is_active ELSE $3 END,"
	" wipe_at = CASE WHEN $5 THEN d.wipe_at WHEN $3 THEN NULL WHEN $4 THEN COALESCE(d.wipe_at, $6) ELSE d.wipe_at END,"
	" wiped_at = CASE WHEN $5 AND d.wipe_at IS NOT NULL THEN COALESCE(d.wiped_at, $6) WHEN $3 THEN NULL"
	"  ELSE d.wiped_at END WHERE d.learner_id" EQ "$1 AND d.device_id" EQ "$2",
	{"pg_catalog.text", "pg_catalog.text", "pg_catalog.bool", "pg_catalog.bool", "pg_catalog.bool",
	 "pg_catalog.timestamptz", NULL}};

static LsStatement read_counts = {
	"SELECT (SELECT pg_catalog.count(*) FROM learnsync_data.failed f WHERE f.learner_id" EQ "$1 AND f.retryable"
	" AND ($2 IS NULL OR f.device_id" EQ "$2)),"
	" (SELECT pg_catalog.count(*) FROM learnsync_data.failed f WHERE f.learner_id" EQ "$1"
	" AND ($2 IS NULL OR f.device_id" EQ "$2)),"
	" (SELECT pg_catalog.count(*) FROM learnsync_data.conflict c WHERE c.learner_id" EQ "$1 AND c.closed_at IS NULL"
	" AND ($2 IS NULL OR c.device_id" EQ "$2)),"
	" (SELECT p.events FROM learnsync_data.progress p WHERE p.learner_id" EQ "$1)",
	{"pg_catalog.text", "pg_catalog.text", NULL}};

static uint64
query(LsStatement *statement, LsText learner, LsText device)
{
	Datum values[] = {ls_text_to_datum(learner), device.data == NULL ? (Datum) 0 : ls_text_to_datum(device)};

	return ls_store_read(statement, values, device.data == NULL ? " n" : NULL);
}

static JsonbValue
json_value(uint64 row, int column)
{
	JsonbValue json = ls_json_null();
	bool isnull;
	Datum value = ls_store_value(row, column, &isnull);

	if (!isnull)
		ls_json_root(DatumGetJsonbP(value), &json);
	return json;
}

/* The learner's devices, or the one of that id, as a JSON array. */
JsonbValue
ls_store_devices(LsText learner, LsText device)
{
	query(&read_devices, learner, device);
	return json_value(0, 1);
}

/* The stored state that a conflict is about, one that does not exist where there is none; answers its size. */
static int64
load_state(LsText learner, uint64 row, const LsType *type, LsState *state)
{
	LsRowKey key = {"resource", {learner, ls_store_text(row, RESOURCE_TYPE), ls_store_text(row, RESOURCE_ID)}};
	Jsonb *document;
	bool no_data;
	bool no_book;
	bool no_at;
	Datum data = ls_store_value(row, DATA, &no_data);
	Datum book = ls_store_value(row, BOOK, &no_book);

	*state = (LsState){.exists = !no_data && type != NULL, .deleted_at = LS_NO_TIME};
	if (!state->exists)
		return 0;
	state->at = DatumGetTimestampTz(ls_store_value(row, AT, &no_at));
	document = ls_store_document(&key, data);
	ls_state_load(type->rule, state, document, no_book ? NULL : ls_store_object(&key, "book", book));
	return VARSIZE(document);
}

/* The states that conflicts are about, with their lists. Answers of how many: for more the answer has no room. */
static int
load_states(LsText learner, int count, LsState *states)
{
	SPITupleTable *conflicts = SPI_tuptable;
	LsListed *listed = ls_memory_zeroed(count + 1, sizeof(LsListed));
	LsListRoom room = {.members = PG_INT64_MAX, .bytes = learnsync_max_answer_bytes, .at_least = 1};
	int64 bytes = 0;
	int loaded;

	for (loaded = 0; loaded < count && bytes <= learnsync_max_answer_bytes; loaded++)
	{
		const LsType *type = ls_store_type_of(learner, ls_store_text(loaded, RESOURCE_TYPE));

		CHECK_FOR_INTERRUPTS();
		bytes += load_state(learner, loaded, type, &states[loaded]);
		if (states[loaded].exists && type->rule->has_lists)
			listed[loaded] = (LsListed){type->name, ls_store_text(loaded, RESOURCE_ID), 0, &states[loaded]};
	}
	loaded = ls_store_complete_lists(learner, listed, loaded, room, LS_SEES_CALLERS);
	SPI_tuptable = conflicts;
	return loaded;
}

static JsonbValue
show_conflict(uint64 row, const JsonbValue *client, const JsonbValue *server, const JsonbValue *then)
{
	JsonbValue conflict = ls_json_object();
	bool isnull;

	ls_json_put(&conflict, "id", ls_json_text(ls_store_text(row, CONFLICT_ID)));
	ls_json_put(&conflict, "deviceId", ls_json_text(ls_store_text(row, DEVICE_ID)));
	ls_json_put(&conflict, "resourceType", ls_json_text(ls_store_text(row, RESOURCE_TYPE)));
	ls_json_put(&conflict, "resourceId", ls_json_text(ls_store_text(row, RESOURCE_ID)));
	ls_json_put(&conflict, "operation", ls_json_text(ls_store_text(row, OPERATION)));
	ls_json_put(&conflict, "clientData", *client);
	ls_json_put(&conflict, "createdAt", ls_json_stamp(DatumGetTimestampTz(ls_store_value(row, CREATED_AT, &isnull))));
	ls_json_put(&conflict, "serverVersion", ls_json_int(ls_store_int(row, VERSION)));
	ls_json_put(&conflict, "serverData", *server);
	if (then->type != jbvNull)
		ls_json_put(&conflict, "serverDataThen", *then);
	return conflict;
}

/* So many conflicts as there is room for; the first one in any case. */
static JsonbValue
show_conflicts(LsText learner, int count)
{
	LsState *states = palloc(sizeof(LsState) * (count + 1));
	int whole = load_states(learner, count, states);
	JsonbValue conflicts = ls_json_array();
	int64 bytes = 0;

	for (int i = 0; i < whole; i++)
	{
		const LsType *type = ls_store_type_of(learner, ls_store_text(i, RESOURCE_TYPE));
		JsonbValue server = states[i].exists ? ls_state_show(type->rule, &states[i]) : ls_json_null();
		JsonbValue client = json_value(i, CLIENT_DATA);
		JsonbValue then = json_value(i, SERVER_DATA);

		CHECK_FOR_INTERRUPTS();
		if (client.type == jbvNull)
			client = ls_json_object();
		bytes += ls_json_printed_bytes(&client) + ls_json_printed_bytes(&server) + ls_json_printed_bytes(&then);
		if (bytes > learnsync_max_answer_bytes && i > 0)
			break;
		ls_json_add(&conflicts, show_conflict(i, &client, &server, &then));
	}
	return conflicts;
}

/* The id of a conflict of this learner, open or not. */
static Datum
conflict_id(Datum learner, LsText id)
{
	pg_uuid_t *uuid = palloc(sizeof(pg_uuid_t));
	Datum values[] = {learner, UUIDPGetDatum(uuid)};

	if (!ls_digest_read_uuid(id, uuid) || ls_store_read(&find_conflict, values, NULL) == 0)
		ereport(ERROR, (errcode(LS_NOT_FOUND), errmsg("conflict not found"),
						errdetail("There is no conflict \"%s\".", ls_text_string(id))));
	return values[1];
}

/* The open conflicts, oldest first, at most so many and as there is room for, from behind a given one on. */
JsonbValue
ls_store_conflicts(LsText learner, LsText device, LsText after, int limit, bool *has_more)
{
	Datum values[4] = {ls_text_to_datum(learner)};
	char nulls[5] = "    ";
	JsonbValue conflicts;
	uint64 count;

	if (device.data == NULL)
		nulls[1] = 'n';
	else
		values[1] = ls_text_to_datum(device);
	if (after.data == NULL)
		nulls[2] = 'n';
	else
		values[2] = conflict_id(values[0], after);
	values[3] = Int64GetDatum((int64) limit + 1);
	count = ls_store_read(&read_conflicts, values, nulls);
	conflicts = show_conflicts(learner, (int) Min(count, limit));
	*has_more = conflicts.val.array.nElems < count;
	return conflicts;
}

void
ls_store_counts(LsText learner, LsText device, LsCounts *counts)
{
	query(&read_counts, learner, device);
	counts->pending = ls_store_int(0, 1);
	counts->failed = ls_store_int(0, 2);
	counts->conflicts = ls_store_int(0, 3);
	counts->events = ls_store_int(0, 4);
}

/* Lets a device in or turns it away; whether there is one. */
bool
ls_store_activate(LsText learner, LsText device, const LsActivation *activation)
{
	Datum values[] = {ls_text_to_datum(learner),        ls_text_to_datum(device),
					  BoolGetDatum(activation->active), BoolGetDatum(activation->wipe),
					  BoolGetDatum(activation->wiped),  TimestampTzGetDatum(activation->now)};

	return ls_store_run(&activate, values, NULL) > 0;
}
