/*
 * resolve_store.c
 *		What resolving a conflict reads and writes: the open conflict, numbers that are taken, its end.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "resolve/resolve.h"
#include "store/statement.h"
#include "utils/builtins.h"

static LsStatement read_conflict = {"SELECT c.resource_type, c.resource_id, c.device_id, c.operation" EQ
									"'delete', c.client_data, c.at,"
									" c.resource_version FROM learnsync_data.conflict c"
									" WHERE c.learner_id" EQ "$1 AND c.conflict_id" EQ "$2 AND c.closed_at IS NULL",
									{"pg_catalog.text", "pg_catalog.uuid", NULL}};

static LsStatement close_conflict = {
	"UPDATE learnsync_data.conflict c SET closed_at = $3, closed_by = $4, decided_by = $5, reason = $6"
	" WHERE c.learner_id" EQ "$1 AND c.conflict_id" EQ "$2",
	{"pg_catalog.text", "pg_catalog.uuid", "pg_catalog.timestamptz", "pg_catalog.text", "pg_catalog.text",
	 "pg_catalog.text", NULL}};

/* The ids between two, in the order of bytes, which is the key's. */
static LsStatement read_ids = {"SELECT r.resource_id FROM learnsync_data.resource r WHERE r.learner_id" EQ "$1"
							   " AND r.resource_type" EQ "$2 AND r.resource_id" GT "$3 AND r.resource_id"
							   " OPERATOR(pg_catalog.<) $4",
							   {"pg_catalog.text", "pg_catalog.text", "pg_catalog.text", "pg_catalog.text", NULL}};

/* Reads an open conflict of the learner; false where there is none of that id. */
bool
ls_store_read_conflict(LsText learner, LsText id, LsConflict *conflict)
{
	pg_uuid_t uuid;
	Datum values[] = {ls_text_to_datum(learner), UUIDPGetDatum(&uuid)};
	LsRowKey key = {"conflict", {learner, id}};
	bool isnull;
	Datum data;

	if (!ls_digest_read_uuid(id, &uuid) || ls_store_run(&read_conflict, values, NULL) == 0)
		return false;
	conflict->type = ls_store_text(0, 1);
	conflict->resource_id = ls_store_text(0, 2);
	conflict->device = ls_store_text(0, 3);
	conflict->is_delete = DatumGetBool(ls_store_value(0, 4, &isnull));
	data = ls_store_value(0, 5, &isnull);
	conflict->data = ls_json_null();
	if (!isnull)
		ls_json_root(ls_store_object(&key, "client_data", data), &conflict->data);
	conflict->at = DatumGetTimestampTz(ls_store_value(0, 6, &isnull));
	conflict->resource_version = ls_store_int(0, 7);
	return true;
}

/* Closes a conflict of the learner; what it was stays on record. */
void
ls_store_close_conflict(LsText id, const char *how, const LsAudit *done)
{
	pg_uuid_t uuid;
	Datum values[6] = {ls_text_to_datum(done->learner), UUIDPGetDatum(&uuid), TimestampTzGetDatum(done->at),
					   CStringGetTextDatum(how)};
	bool isnull[6] = {false};
	char nulls[7] = "";

	(void) ls_digest_read_uuid(id, &uuid);
	ls_store_put_text(values, isnull, 4, done->by);
	ls_store_put_text(values, isnull, 5, done->reason);
	ls_store_mark_nulls(nulls, isnull, 6);
	ls_store_run(&close_conflict, values, nulls);
}

/*
 * The last keys of the learner's resources that share the other keys, deleted ones included; those beyond 64 bits as the
 * nearest number. Answers how many.
 */
int
ls_store_read_numbers(LsText learner, LsText type, const LsRule *rule, const LsChange *change, int64 **numbers)
{
	LsChange open = *change;
	LsText keys[LS_MAX_KEYS];
	LsText id;
	Datum values[4] = {ls_text_to_datum(learner), ls_text_to_datum(type)};
	uint64 rows;
	int count = 0;

	open.keys[rule->nkeys - 1] = ls_text("");
	id = ls_check_resource_id(rule, &open); /* ends in ,] */
	values[2] = ls_text_to_datum((LsText){id.data, id.length - 1});
	values[3] = ls_text_to_datum(ls_text(psprintf("%.*s-", id.length - 2, id.data))); /* - comes after , */
	rows = ls_store_run(&read_ids, values, NULL);
	*numbers = palloc_extended(sizeof(int64) * Max(rows, 1), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < rows; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (ls_json_scan_keys(ls_store_text(i, 1), rule->nkeys, keys))
			(*numbers)[count++] = strtoll(ls_text_string(keys[rule->nkeys - 1]), NULL, 10);
	}
	return count;
}
