/*
 * learner_store.c
 *		The learner's row: the lock of every call that writes, and its counters.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "batch/batch.h"
#include "direct/direct.h"
#include "miscadmin.h"
#include "shard/shard.h"
#include "store/statement.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#define MAX_TRIES 100 /* to lock a learner who is added and erased again and again */
/* All columns in their order, and the place. */
#define LEARNER_COLUMNS                                                                                              \
	"SELECT l.learner_id, l.tombstone_version, l.created_at, l.receipt_horizon, l.epoch, l.life, l.moved_at,"        \
	" l.has_failed, l.days, l.clocks, l.rate_at, l.counts, l.version, l.log_version, l.push_no, l.ctid"              \
	" FROM learnsync_data.learner l WHERE l.learner_id" EQ "$1"

#define PLACE (LS_LEARNER_PUSH_NO + 1)
#define NCOLUMNS (PLACE + 1)

static LsStatement read_learner = {LEARNER_COLUMNS, {"pg_catalog.text", NULL}};

static LsStatement read_learners = {"SELECT l.learner_id FROM learnsync_data.learner l WHERE l.learner_id" GT
									"$1 ORDER BY l.learner_id LIMIT $2",
									{"pg_catalog.text", "pg_catalog.int4", NULL}};

static LsStatement lock_learner = {LEARNER_COLUMNS " FOR NO KEY UPDATE", {"pg_catalog.text", NULL}};

static LsStatement count_learners = {
	"SELECT pg_catalog.count(*) FROM learnsync_data.learner l WHERE l.learner_id" GT "$1", {"pg_catalog.text", NULL}};

static LsStatement add_learner = {
	"INSERT INTO learnsync_data.learner (learner_id) VALUES ($1) ON CONFLICT (learner_id) DO NOTHING",
	{"pg_catalog.text", NULL}};

/* The number of calls is compared, too: a trigger that called for the same learner has left our versions behind. */
static LsStatement update_learner = {
	"UPDATE learnsync_data.learner l SET version = $2, log_version = $3, push_no = $9,"
	" has_failed = l.has_failed OR $5, rate_at = $6, clocks = COALESCE($8, l.clocks), counts = COALESCE($10, l.counts)"
	" WHERE l.learner_id" EQ "$1 AND l.ctid" EQ "$7 AND l.push_no" EQ "$4",
	{"pg_catalog.text", "pg_catalog.int8", "pg_catalog.int8", "pg_catalog.int8", "pg_catalog.bool",
	 "pg_catalog.timestamptz", "pg_catalog.tid", "pg_catalog.jsonb", "pg_catalog.int8", "pg_catalog.bytea", NULL}};

/*
 * Says to each outbox that wants one of these types, or that may, that the learner has moved on. A mark that somebody
 * takes at the moment is left alone and another one made: no push waits for a taker. It goes by what is committed by
 * now, whatever its transaction sees.
 */
static LsStatement mark_outboxes = {
	"WITH wanted AS (SELECT o.name, o.filled_to IS NOT NULL AS fills, o.is_anew FROM learnsync_data.outbox o"
	"  WHERE o.resource_types IS NULL OR $4 IS NULL OR o.resource_types OPERATOR(pg_catalog.&&) $4),"
	" free AS (SELECT m.outbox, m.life, m.since FROM learnsync_data.outbox_mark m"
	"  WHERE m.learner_id" EQ "$1 AND m.lease IS NULL AND NOT m.is_erased FOR UPDATE SKIP LOCKED),"
	" moved AS (UPDATE learnsync_data.outbox_mark m SET version = $3 FROM free f WHERE m.learner_id" EQ "$1"
	"  AND m.outbox" EQ "f.outbox AND m.life" EQ "f.life AND m.since" EQ "f.since"
	"  AND m.outbox" EQ "ANY (SELECT w.name FROM wanted w) RETURNING m.outbox)"
	" INSERT INTO learnsync_data.outbox_mark (learner_id, outbox, life, since, after_version, version, is_anew,"
	"  marked_at, due_at) SELECT $1, w.name, GREATEST(l.life, i.life), $3, CASE WHEN w.fills THEN 1 ELSE $2 END, $3,"
	"  w.fills AND w.is_anew, $5, $5 FROM wanted w CROSS JOIN learnsync_data.instance i"
	"  CROSS JOIN LATERAL (SELECT x.life FROM learnsync_data.learner x WHERE x.learner_id" EQ "$1 LIMIT 1) l"
	"  WHERE NOT EXISTS (SELECT FROM moved m WHERE m.outbox" EQ "w.name)",
	{"pg_catalog.text", "pg_catalog.int8", "pg_catalog.int8", "pg_catalog.text[]", "pg_catalog.timestamptz", NULL},
	.writes = true};

/* The epoch of a learner's cursors: their own where there is one, else the instance's. */
LsText
ls_learner_epoch(Datum own, bool isnull)
{
	return isnull ? ls_store_epoch() : ls_text(DatumGetCString(DirectFunctionCall1(uuid_out, own)));
}

/* Takes over a row, unless the learner has moved; what its columns point to stays. */
static void
take_row(LsLearner *learner, const Datum *values, const bool *nulls, const ItemPointerData *place)
{
	if (!nulls[LS_LEARNER_MOVED_AT])
		ls_shard_refuse();
	learner->version = DatumGetInt64(values[LS_LEARNER_VERSION]);
	learner->log_version = DatumGetInt64(values[LS_LEARNER_LOG_VERSION]);
	learner->push_no = DatumGetInt64(values[LS_LEARNER_PUSH_NO]);
	learner->has_failed = DatumGetBool(values[LS_LEARNER_HAS_FAILED]);
	learner->receipt_horizon = ls_store_time_of(values, nulls, LS_LEARNER_RECEIPT_HORIZON);
	learner->rate_at = ls_store_time_of(values, nulls, LS_LEARNER_RATE_AT);
	learner->place = *place;
	learner->epoch = ls_learner_epoch(values[LS_LEARNER_EPOCH], nulls[LS_LEARNER_EPOCH]);
	if (!nulls[LS_LEARNER_CLOCKS])
		ls_json_root(DatumGetJsonbP(values[LS_LEARNER_CLOCKS]), &learner->clocks);
	learner->counts = nulls[LS_LEARNER_COUNTS] ? NULL : DatumGetByteaPP(values[LS_LEARNER_COUNTS]);
}

static bool
take_learner(LsLearner *learner, LsStatement *statement)
{
	Datum key[] = {ls_text_to_datum(learner->id)};
	Datum values[NCOLUMNS];
	bool nulls[NCOLUMNS];

	if (ls_store_run(statement, key, NULL) == 0)
		return false;
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
	take_row(learner, values, nulls, (ItemPointer) DatumGetPointer(values[PLACE]));
	return true;
}

/* Locks and reads the row, if there is one. The table is locked as for the update that is to come. */
static bool
lock_row(LsLearner *learner)
{
	Datum key[] = {ls_text_to_datum(learner->id)};
	LsDirect direct;
	bool found;

	if (!ls_direct_open(&direct, LS_DIRECT_LEARNER, RowExclusiveLock))
		return take_learner(learner, &lock_learner);
	ls_direct_begin();
	found = ls_direct_lock(&direct, key);
	if (found)
	{
		ls_direct_keep(&direct);
		take_row(learner, direct.values, direct.nulls, &direct.place);
	}
	ls_direct_close(&direct);
	ls_direct_end();
	return found;
}

/* Reads the learner as it is, for a push that writes nothing. */
void
ls_store_read_learner(LsLearner *learner)
{
	if (take_learner(learner, &read_learner))
		return;
	ls_store_refuse_forgotten(learner->id);
	ls_shard_claim(learner->id, false);
	learner->version = learner->log_version = LS_FIRST_VERSION;
	learner->epoch = ls_store_epoch();
}

/*
 * Locks the learner's row, which is made where it is missing. Whoever waited reads it as it is after the wait. Another
 * session may add the row as we do and be erased before we lock it, which is tried again.
 */
void
ls_store_lock_learner(LsLearner *learner)
{
	Datum values[] = {ls_text_to_datum(learner->id)};
	int tries = 0;

	if (lock_row(learner))
		return;
	do
	{
		CHECK_FOR_INTERRUPTS();
		if (tries++ == MAX_TRIES)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
							errmsg("the learner's row was removed or refused outside learnsync"),
							errhint("Leave writing learnsync_data.learner to learnsync; a BEFORE trigger must not "
									"skip or rename rows.")));
		ls_store_run(&add_learner, values, NULL);
	} while (!lock_row(learner));
	ls_store_refuse_forgotten(learner->id);
	ls_shard_claim(learner->id, true);
}

/* What the row is to be, counted from 0: the arguments of update_learner. */
enum
{
	NEW_ID,
	NEW_VERSION,
	NEW_LOG_VERSION,
	OLD_PUSH_NO,
	FAILED,
	NEW_RATE_AT,
	OLD_PLACE,
	NEW_CLOCKS,
	NEW_PUSH_NO,
	NEW_COUNTS,
	NUPDATE
};

static bool
change_row(LsDirect *direct, const Datum *values, const char *nulls)
{
	Datum *row;

	if (!ls_direct_take(direct, (ItemPointer) DatumGetPointer(values[OLD_PLACE]), values))
		return false;
	row = direct->values;
	if (DatumGetInt64(row[LS_LEARNER_PUSH_NO]) != DatumGetInt64(values[OLD_PUSH_NO]))
		return false;
	row[LS_LEARNER_VERSION] = values[NEW_VERSION];
	row[LS_LEARNER_LOG_VERSION] = values[NEW_LOG_VERSION];
	row[LS_LEARNER_PUSH_NO] = values[NEW_PUSH_NO];
	if (DatumGetBool(values[FAILED]))
		row[LS_LEARNER_HAS_FAILED] = BoolGetDatum(true);
	row[LS_LEARNER_RATE_AT] = values[NEW_RATE_AT];
	direct->nulls[LS_LEARNER_RATE_AT] = nulls[NEW_RATE_AT] == 'n';
	if (nulls[NEW_CLOCKS] != 'n')
		ls_direct_put(row, direct->nulls, LS_LEARNER_CLOCKS, values[NEW_CLOCKS]);
	if (nulls[NEW_COUNTS] != 'n')
		ls_direct_put(row, direct->nulls, LS_LEARNER_COUNTS, values[NEW_COUNTS]);
	return ls_direct_change(direct);
}

/* Whether the row was where it had been, and as it had been. */
static bool
update_row(const Datum *values, const char *nulls)
{
	LsDirect direct;
	bool changed;

	if (!ls_direct_open(&direct, LS_DIRECT_LEARNER, RowExclusiveLock))
		return ls_store_run(&update_learner, values, nulls) == 1;
	ls_direct_begin();
	changed = change_row(&direct, values, nulls);
	ls_direct_close(&direct);
	ls_direct_end();
	return changed;
}

/* The types of the items, of which events have that of all; none are not all that changed. How many there are. */
static int
changed_types(const LsBatch *batch, Datum *array)
{
	Datum *types = palloc(sizeof(Datum) * Max(batch->nitems, 1));
	const LsType *last = NULL;
	int count = 0;

	for (int i = 0; i < batch->nitems; i++)
	{
		const LsItem *item = &batch->items[i];

		CHECK_FOR_INTERRUPTS();
		if (item->failure.code != NULL || (count > 0 && item->type == last))
			continue;
		last = item->type;
		types[count++] = ls_text_to_datum(last == NULL ? ls_text(LS_EVENT_TYPE) : last->name);
	}
	*array = ls_text_array(types, count);
	return count;
}

/* Notes for whoever is handed changes that there are some. */
static void
mark(const LsBatch *batch)
{
	Datum types;
	int count = changed_types(batch, &types);
	Datum values[] = {ls_text_to_datum(batch->learner.id), Int64GetDatum(batch->learner.version),
					  Int64GetDatum(batch->version), types, TimestampTzGetDatum(batch->now)};

	(void) ls_store_see(&mark_outboxes, values, count == 0 ? "   n " : NULL, LS_SEES_LATEST);
}

/*
 * The learner's row last and outside any subtransaction, which would turn its lock into a multixact. Each call that took
 * something counts: a trigger that calls learnsync for the same learner is found out by that number.
 */
void
ls_store_update_learner(const LsBatch *batch, bool logged, bool failed)
{
	const LsLearner *learner = &batch->learner;
	bool counts = logged || batch->naccepted > 0;
	char nulls[NUPDATE + 1] = "          ";
	Datum values[NUPDATE] = {[NEW_ID] = ls_text_to_datum(learner->id),
							 [NEW_VERSION] = Int64GetDatum(batch->version),
							 [NEW_LOG_VERSION] = Int64GetDatum(logged ? batch->version : learner->log_version),
							 [OLD_PUSH_NO] = Int64GetDatum(learner->push_no),
							 [FAILED] = BoolGetDatum(failed),
							 [NEW_RATE_AT] = TimestampTzGetDatum(learner->rate_at),
							 [OLD_PLACE] = PointerGetDatum(&learner->place),
							 [NEW_CLOCKS] = PointerGetDatum(batch->clocks),
							 [NEW_PUSH_NO] = Int64GetDatum(learner->push_no + (counts ? 1 : 0)),
							 [NEW_COUNTS] = PointerGetDatum(batch->counts)};

	if (batch->version > learner->version && ls_store_has_outbox())
		mark(batch);
	nulls[NEW_RATE_AT] = learner->rate_at == LS_NO_TIME ? 'n' : ' ';
	nulls[NEW_CLOCKS] = batch->clocks == NULL ? 'n' : ' ';
	nulls[NEW_COUNTS] = batch->counts == NULL ? 'n' : ' ';
	if (!update_row(values, nulls))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a call was made within a call for the same learner"),
				 errhint("A trigger on the tables of learnsync must not call learnsync for the same learner.")));
}

/* The next learners by id, for those who look at all of them. */
int
ls_store_read_learners(LsText after, int limit, LsText **learners)
{
	Datum values[] = {ls_text_to_datum(after), Int32GetDatum(limit)};
	int count = (int) ls_store_read(&read_learners, values, NULL);

	*learners = palloc(sizeof(LsText) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*learners)[i] = ls_text(ls_text_string(ls_store_text(i, 1)));
	SPI_freetuptable(SPI_tuptable);
	return count;
}

int64
ls_store_count_learners(void)
{
	Datum values[] = {CStringGetTextDatum("")};

	ls_store_read(&count_learners, values, NULL);
	return ls_store_int(0, 1);
}
