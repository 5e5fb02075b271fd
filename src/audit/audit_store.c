/*
 * audit_store.c
 *		The one writer of the audit: a row for each thing that was done, in the transaction that does it.
 */
#include "postgres.h"

#include "audit/audit.h"
#include "miscadmin.h"
#include "store/statement.h"

/* The columns of an entry, counted from 0. */
enum
{
	LEARNER,
	ERASED,
	DONE_AT,
	ACTION,
	ROLE,
	BY,
	REASON,
	TYPE,
	RESOURCE,
	DETAILS,
	NAUDIT
};

static LsStatement add_entry = {
	"INSERT INTO learnsync_data.audit (learner_id, at, action, role, by, reason, resource_type,"
	" resource_id, details) VALUES (CASE WHEN $2 THEN learnsync_internal.erased_name_as_owner($1) ELSE COALESCE($1, '') END,"
	" $3, $4, $5, $6, $7, $8, $9, $10)",
	{"pg_catalog.text", "pg_catalog.bool", "pg_catalog.timestamptz", "pg_catalog.text", "pg_catalog.text",
	 "pg_catalog.text", "pg_catalog.text", "pg_catalog.text", "pg_catalog.text", "pg_catalog.jsonb", NULL}};

/* Notes what was done. */
void
ls_store_audit(const LsAudit *done)
{
	Datum values[NAUDIT];
	bool isnull[NAUDIT];
	char nulls[NAUDIT + 1] = "";

	ls_store_put_text(values, isnull, LEARNER, done->learner);
	ls_store_put(values, isnull, ERASED, true, BoolGetDatum(done->erased));
	ls_store_put(values, isnull, DONE_AT, true, TimestampTzGetDatum(done->at));
	ls_store_put_text(values, isnull, ACTION, ls_text(done->action));
	ls_store_put_text(values, isnull, ROLE, ls_text(GetUserNameFromId(done->role, false)));
	ls_store_put_text(values, isnull, BY, done->by);
	ls_store_put_text(values, isnull, REASON, done->reason);
	ls_store_put_text(values, isnull, TYPE, done->type);
	ls_store_put_text(values, isnull, RESOURCE, done->resource_id);
	ls_store_put_json(values, isnull, DETAILS, &done->details);
	ls_store_mark_nulls(nulls, isnull, NAUDIT);
	ls_store_run(&add_entry, values, nulls);
}
