/*
 * admin_store.c
 *		Front doors of what administrators call: each runs its *_as_owner function with the rights of the tables' owner.
 */
#include "postgres.h"

#include "batch/batch.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "store/statement.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

/* Runs a statement that answers one value, which outlives the store. */
static Datum
answer_of(LsStatement *statement, const Datum *values, const char *nulls, bool *isnull)
{
	LsStoreCall call;
	Datum value;
	int16 length;
	bool by_value;

	ls_store_open(&call);
	ls_store_run(statement, values, nulls);
	value = ls_store_value(0, 1, isnull);
	get_typlenbyval(SPI_gettypeid(SPI_tuptable->tupdesc, 1), &length, &by_value);
	if (!*isnull)
		value = datumCopy(value, by_value, length);
	ls_store_close(&call);
	return value;
}

/* The same for the arguments of a call. */
static Datum
answer_call(FunctionCallInfo fcinfo, LsStatement *statement)
{
	Datum values[LS_MAX_ARGUMENTS];
	char nulls[LS_MAX_ARGUMENTS];
	Datum value;

	for (int i = 0; i < PG_NARGS(); i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	value = answer_of(statement, values, nulls, &fcinfo->isnull);
	return fcinfo->isnull ? (Datum) 0 : value;
}

static LsStatement maintain_step = {"SELECT learnsync_internal.maintain_as_owner($1, $2)",
									{"pg_catalog.int4", "pg_catalog.jsonb", NULL}};
static LsStatement cleanup = {"SELECT learnsync_internal.cleanup_as_owner($1)", {"pg_catalog.int4", NULL}};
static LsStatement rebase_list = {"SELECT learnsync_internal.rebase_list_as_owner()", {NULL}};
static LsStatement unseen_devices = {"SELECT learnsync_internal.unseen_devices_as_owner($1, $2)",
									 {"pg_catalog.int4", "pg_catalog.int4", NULL}};
static LsStatement drop_devices = {"SELECT learnsync_internal.drop_devices_as_owner($1)", {"pg_catalog.int4", NULL}};
static LsStatement deactivate_device = {"SELECT learnsync_internal.deactivate_device_as_owner($1, $2)",
										{"pg_catalog.text", "pg_catalog.bool", NULL}};
static LsStatement forget_learner = {"SELECT learnsync_internal.forget_as_owner($1)", {"pg_catalog.text", NULL}};
static LsStatement remember_learner = {"SELECT learnsync_internal.remember_as_owner($1)", {"pg_catalog.text", NULL}};
static LsStatement register_content = {"SELECT learnsync_internal.register_content_as_owner($1)",
									   {"pg_catalog.jsonb", NULL}};
static LsStatement validate_content = {"SELECT learnsync_internal.validate_content_as_owner($1)",
									   {"pg_catalog.jsonb", NULL}};
static LsStatement add_profile = {"SELECT learnsync_internal.add_profile_as_owner($1, $2)",
								  {"pg_catalog.text", "pg_catalog.text", NULL}};
static LsStatement remove_profile = {"SELECT learnsync_internal.remove_profile_as_owner($1)",
									 {"pg_catalog.text", NULL}};
static LsStatement metrics = {"SELECT learnsync_internal.metrics_as_owner()", {NULL}};
static LsStatement alert_list = {"SELECT learnsync_internal.alert_list_as_owner()", {NULL}};
static LsStatement app_day_list = {"SELECT learnsync_internal.app_day_list_as_owner($1)", {"pg_catalog.date", NULL}};
static LsStatement dashboard = {"SELECT learnsync_internal.dashboard_as_owner()", {NULL}};
static LsStatement json_schema = {"SELECT learnsync_internal.json_schema_as_owner($1, $2)",
								  {"pg_catalog.text", "pg_catalog.text", NULL}};
static LsStatement openapi = {"SELECT learnsync_internal.openapi_as_owner()", {NULL}};
static LsStatement typescript = {"SELECT learnsync_internal.typescript_as_owner()", {NULL}};
static LsStatement verify_piece = {"SELECT learnsync_internal.verify_piece_as_owner($1)", {"pg_catalog.int4", NULL}};
static LsStatement close_anomaly = {
	"SELECT learnsync_internal.close_anomaly_as_owner($1, $2, $3, $4)",
	{"pg_catalog.text", "pg_catalog.text", "pg_catalog.text", "pg_catalog.text", NULL}};
static LsStatement new_epoch = {"SELECT learnsync_internal.new_epoch_as_owner()", {NULL}};
static LsStatement shard_parts = {"SELECT learnsync_internal.shard_parts_as_owner()", {NULL}};
static LsStatement shard_state = {"SELECT learnsync_internal.shard_state_as_owner()", {NULL}};
static LsStatement shard_change_begin = {"SELECT learnsync_internal.shard_change_begin_as_owner($1)",
										 {"pg_catalog.jsonb", NULL}};
static LsStatement shard_change_end = {"SELECT learnsync_internal.shard_change_end_as_owner($1)",
									   {"pg_catalog.bool", NULL}};
static LsStatement part_hold = {"SELECT learnsync_internal.part_hold_as_owner($1, $2, $3)",
								{"pg_catalog.int4", "pg_catalog.int4", "pg_catalog.int4", NULL}};
static LsStatement part_fence = {"SELECT learnsync_internal.part_fence_as_owner($1)", {"pg_catalog.int4", NULL}};
static LsStatement part_accept = {"SELECT learnsync_internal.part_accept_as_owner($1, $2)",
								  {"pg_catalog.int4", "pg_catalog.jsonb", NULL}};
static LsStatement part_verify = {"SELECT learnsync_internal.part_verify_as_owner($1)", {"pg_catalog.int4", NULL}};
static LsStatement part_publication = {"SELECT $1, learnsync_internal.part_publication_as_owner($1)",
									   {"pg_catalog.int4", NULL}};
static LsStatement part_purge = {"SELECT learnsync_internal.part_purge_as_owner($1, $2)",
								 {"pg_catalog.int4", "pg_catalog.int4", NULL}};
static LsStatement outbox_add = {"SELECT learnsync_internal.outbox_add_as_owner($1, $2)",
								 {"pg_catalog.text", "pg_catalog.jsonb", NULL}};
static LsStatement outbox_drop = {"SELECT learnsync_internal.outbox_drop_as_owner($1)", {"pg_catalog.text", NULL}};

/* Notes what an administrator did, whatever was answered; details are an object that is being built, or nothing. */
static void
note(LsAudit done)
{
	LsStoreCall call;

	ls_store_open(&call);
	if (done.at == 0)
		done.at = GetCurrentTimestamp();
	done.role = call.caller;
	ls_store_audit(&done);
	ls_store_close(&call);
}

PG_FUNCTION_INFO_V1(learnsync_maintain_step);
PG_FUNCTION_INFO_V1(learnsync_api_sync_cleanup);
PG_FUNCTION_INFO_V1(learnsync_rebase_list);
PG_FUNCTION_INFO_V1(learnsync_unseen_devices);
PG_FUNCTION_INFO_V1(learnsync_metrics);
PG_FUNCTION_INFO_V1(learnsync_dashboard);
PG_FUNCTION_INFO_V1(learnsync_alert_list);
PG_FUNCTION_INFO_V1(learnsync_app_day_list);
PG_FUNCTION_INFO_V1(learnsync_json_schema);
PG_FUNCTION_INFO_V1(learnsync_openapi);
PG_FUNCTION_INFO_V1(learnsync_typescript);
PG_FUNCTION_INFO_V1(learnsync_drop_devices);
PG_FUNCTION_INFO_V1(learnsync_deactivate_device);
PG_FUNCTION_INFO_V1(learnsync_forget_learner);
PG_FUNCTION_INFO_V1(learnsync_remember_learner);
PG_FUNCTION_INFO_V1(learnsync_new_epoch);
PG_FUNCTION_INFO_V1(learnsync_note_access);
PG_FUNCTION_INFO_V1(learnsync_verify_piece);
PG_FUNCTION_INFO_V1(learnsync_close_anomaly);
PG_FUNCTION_INFO_V1(learnsync_shard_parts);
PG_FUNCTION_INFO_V1(learnsync_shard_state);
PG_FUNCTION_INFO_V1(learnsync_shard_change_begin);
PG_FUNCTION_INFO_V1(learnsync_shard_change_end);
PG_FUNCTION_INFO_V1(learnsync_part_hold);
PG_FUNCTION_INFO_V1(learnsync_part_fence);
PG_FUNCTION_INFO_V1(learnsync_part_accept);
PG_FUNCTION_INFO_V1(learnsync_part_verify);
PG_FUNCTION_INFO_V1(learnsync_part_purge);
PG_FUNCTION_INFO_V1(learnsync_part_publication_sql);
PG_FUNCTION_INFO_V1(learnsync_outbox_add);
PG_FUNCTION_INFO_V1(learnsync_outbox_drop);
PG_FUNCTION_INFO_V1(learnsync_register_content);
PG_FUNCTION_INFO_V1(learnsync_validate_content);
PG_FUNCTION_INFO_V1(learnsync_add_profile);
PG_FUNCTION_INFO_V1(learnsync_remove_profile);

/* Every session reads the instance anew once this transaction has committed, and this one at once. */
static void
tell_sessions(void)
{
	CacheInvalidateRelcacheByRelid(get_relname_relid("instance", get_namespace_oid("learnsync_data", false)));
}

/* Whether the work that a maintain() begins with goes through all tables; then it says from when on receipts may be gone. */
static bool
is_sweep(Jsonb *work)
{
	JsonbValue plan;
	JsonbValue swept;

	ls_json_root(work, &plan);
	return ls_json_get(&plan, "swept", &swept) && swept.type == jbvBool && swept.val.boolean;
}

Datum
learnsync_maintain_step(PG_FUNCTION_ARGS)
{
	Datum work = answer_call(fcinfo, &maintain_step);

	if (PG_ARGISNULL(1) && !fcinfo->isnull && is_sweep(DatumGetJsonbP(work)))
		tell_sessions();
	return work;
}

Datum
learnsync_rebase_list(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &rebase_list);
}

Datum
learnsync_unseen_devices(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &unseen_devices);
}

Datum
learnsync_metrics(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &metrics);
}

Datum
learnsync_alert_list(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &alert_list);
}

Datum
learnsync_app_day_list(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &app_day_list);
}

Datum
learnsync_dashboard(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &dashboard);
}

Datum
learnsync_json_schema(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &json_schema);
}

Datum
learnsync_openapi(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &openapi);
}

Datum
learnsync_typescript(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &typescript);
}

Datum
learnsync_drop_devices(PG_FUNCTION_ARGS)
{
	Datum dropped = answer_call(fcinfo, &drop_devices);
	JsonbValue details = ls_json_object();

	ls_json_put(&details, "days", ls_json_int(PG_GETARG_INT32(0)));
	ls_json_put(&details, "count", ls_json_int(DatumGetInt64(dropped)));
	note((LsAudit){.action = "drop_devices", .details = details});
	return dropped;
}

/* A row for each learner who used it: what is noted of one goes with that one. */
Datum
learnsync_deactivate_device(PG_FUNCTION_ARGS)
{
	Datum answer = answer_call(fcinfo, &deactivate_device);
	JsonbValue details = ls_json_object();
	JsonbValue whole;
	JsonbValue learners;
	JsonbValue learner;
	LsJsonWalk walk;

	ls_json_put(&details, "deviceId", ls_json_text(ls_text_datum(PG_GETARG_DATUM(0))));
	if (PG_GETARG_BOOL(1))
		ls_json_put(&details, "wipe", ls_json_bool(true));
	ls_json_root(DatumGetJsonbP(answer), &whole);
	(void) ls_json_get(&whole, "learners", &learners);
	ls_json_walk(&walk, &learners);
	while (ls_json_walk_next(&walk, NULL, &learner))
	{
		CHECK_FOR_INTERRUPTS();
		note((LsAudit){.action = "deactivate_device", .learner = ls_text_of(&learner), .details = details});
	}
	return answer;
}

Datum
learnsync_forget_learner(PG_FUNCTION_ARGS)
{
	LsText learner = ls_learner_argument(fcinfo, 0);
	Datum removed = answer_call(fcinfo, &forget_learner);

	note((LsAudit){.action = "forget_learner", .learner = learner, .erased = true});
	return removed;
}

/* Nothing is noted where there was nobody to remember. */
Datum
learnsync_remember_learner(PG_FUNCTION_ARGS)
{
	LsText learner = ls_learner_argument(fcinfo, 0);
	Datum remembered = answer_call(fcinfo, &remember_learner);

	if (DatumGetBool(remembered))
		note((LsAudit){.action = "remember_learner", .learner = learner});
	return remembered;
}

Datum
learnsync_verify_piece(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &verify_piece);
}

Datum
learnsync_close_anomaly(PG_FUNCTION_ARGS)
{
	LsText learner = ls_learner_argument(fcinfo, 0);
	Datum closed = answer_call(fcinfo, &close_anomaly);
	JsonbValue details;

	ls_json_root(DatumGetJsonbP(closed), &details);
	note((LsAudit){.action = "close_anomaly",
				   .learner = learner,
				   .by = ls_text_datum(PG_GETARG_DATUM(2)),
				   .reason = ls_text_datum(PG_GETARG_DATUM(3)),
				   .details = details});
	return closed;
}

/* learnsync_internal.note_access(action, role, kind) */
Datum
learnsync_note_access(PG_FUNCTION_ARGS)
{
	JsonbValue details = ls_json_object();

	ls_json_put(&details, "role", ls_json_text(ls_text_datum(PG_GETARG_DATUM(1))));
	if (!PG_ARGISNULL(2))
		ls_json_put(&details, "kind", ls_json_text(ls_text_datum(PG_GETARG_DATUM(2))));
	note((LsAudit){.action = text_to_cstring(PG_GETARG_TEXT_PP(0)), .details = details});
	PG_RETURN_VOID();
}

/* A call for a catalog, which is read many times: once for all from where it is stored. */
static Datum
answer_catalog(FunctionCallInfo fcinfo, LsStatement *statement)
{
	if (!PG_ARGISNULL(0))
		fcinfo->args[0].value = JsonbPGetDatum(PG_GETARG_JSONB_P(0));
	return answer_call(fcinfo, statement);
}

/* What was not stored before is noted, with the ids of the first of it. */
Datum
learnsync_register_content(PG_FUNCTION_ARGS)
{
	Datum done = answer_catalog(fcinfo, &register_content);
	JsonbValue whole;
	JsonbValue answer;
	JsonbValue changes;

	ls_json_root(DatumGetJsonbP(done), &whole);
	(void) ls_json_get(&whole, "answer", &answer);
	if (ls_json_get(&whole, "changes", &changes) && changes.type != jbvNull)
		note((LsAudit){.action = "register_content", .details = changes});
	return JsonbPGetDatum(ls_json_encode(&answer));
}

Datum
learnsync_validate_content(PG_FUNCTION_ARGS)
{
	return answer_catalog(fcinfo, &validate_content);
}

/* Notes who may act for whom, or may no more: a row for each, of one moment, so that what is noted of one goes with that one. */
static void
note_profile(const char *action, LsText profile, LsText owner)
{
	TimestampTz now = GetCurrentTimestamp();
	JsonbValue of_profile = ls_json_object();
	JsonbValue of_owner = ls_json_object();

	ls_json_put(&of_profile, "as", ls_json_string("profile"));
	ls_json_put(&of_owner, "as", ls_json_string("owner"));
	note((LsAudit){.action = action, .at = now, .learner = profile, .details = of_profile});
	note((LsAudit){.action = action, .at = now, .learner = owner, .details = of_owner});
}

/* Who was erased is refused when the rows are locked, so that no erasure can come in between. */
Datum
learnsync_add_profile(PG_FUNCTION_ARGS)
{
	Datum added = answer_call(fcinfo, &add_profile);
	LsStoreCall call;

	ls_store_open(&call);
	for (int i = 0; i < PG_NARGS(); i++)
		ls_store_refuse_forgotten(ls_text_datum(PG_GETARG_DATUM(i)));
	ls_store_close(&call);
	if (DatumGetBool(added))
		note_profile("add_profile", ls_text_datum(PG_GETARG_DATUM(0)), ls_text_datum(PG_GETARG_DATUM(1)));
	return added;
}

Datum
learnsync_remove_profile(PG_FUNCTION_ARGS)
{
	Datum owner = answer_call(fcinfo, &remove_profile);
	bool existed = !fcinfo->isnull;

	fcinfo->isnull = false;
	if (existed)
		note_profile("remove_profile", ls_text_datum(PG_GETARG_DATUM(0)), ls_text_datum(owner));
	PG_RETURN_BOOL(existed);
}

static Datum
change_instance(FunctionCallInfo fcinfo, LsStatement *statement, LsAudit done)
{
	Datum answer = answer_call(fcinfo, statement);

	note(done);
	tell_sessions();
	return answer;
}

Datum
learnsync_new_epoch(PG_FUNCTION_ARGS)
{
	return change_instance(fcinfo, &new_epoch, (LsAudit){.action = "new_epoch"});
}

/* Of an outbox its name and what else was said. */
static LsAudit
outbox_audit(FunctionCallInfo fcinfo, const char *action)
{
	LsAudit done = {.action = action, .details = ls_json_object()};
	JsonbValue options;

	if (!PG_ARGISNULL(0))
		ls_json_put(&done.details, "outbox", ls_json_text(ls_text_datum(PG_GETARG_DATUM(0))));
	if (PG_NARGS() > 1 && !PG_ARGISNULL(1))
	{
		ls_json_root(PG_GETARG_JSONB_P(1), &options);
		ls_json_put(&done.details, "options", options);
	}
	return done;
}

Datum
learnsync_outbox_add(PG_FUNCTION_ARGS)
{
	return change_instance(fcinfo, &outbox_add, outbox_audit(fcinfo, "outbox_add"));
}

Datum
learnsync_outbox_drop(PG_FUNCTION_ARGS)
{
	return change_instance(fcinfo, &outbox_drop, outbox_audit(fcinfo, "outbox_drop"));
}

/* What was done with a part, and where it is somebody else's to do something about it, what was answered. */
static LsAudit
part_audit(FunctionCallInfo fcinfo, const char *action)
{
	LsAudit done = {.action = action, .details = ls_json_object()};

	if (!PG_ARGISNULL(0))
		ls_json_put(&done.details, "part", ls_json_int(PG_GETARG_INT32(0)));
	return done;
}

Datum
learnsync_shard_parts(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &shard_parts);
}

Datum
learnsync_shard_state(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &shard_state);
}

Datum
learnsync_shard_change_begin(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &shard_change_begin);
}

Datum
learnsync_shard_change_end(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &shard_change_end);
}

Datum
learnsync_part_hold(PG_FUNCTION_ARGS)
{
	return change_instance(fcinfo, &part_hold, part_audit(fcinfo, "part_hold"));
}

Datum
learnsync_part_fence(PG_FUNCTION_ARGS)
{
	return change_instance(fcinfo, &part_fence, part_audit(fcinfo, "part_fence"));
}

Datum
learnsync_part_accept(PG_FUNCTION_ARGS)
{
	return change_instance(fcinfo, &part_accept, part_audit(fcinfo, "part_accept"));
}

Datum
learnsync_part_verify(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &part_verify);
}

Datum
learnsync_part_purge(PG_FUNCTION_ARGS)
{
	return answer_call(fcinfo, &part_purge);
}

Datum
learnsync_part_publication_sql(PG_FUNCTION_ARGS)
{
	Datum values[] = {PG_GETARG_DATUM(0)};

	ls_store_answer_rows(fcinfo, &part_publication, values, PG_ARGISNULL(0) ? "n" : NULL);
	return (Datum) 0;
}

/* The days of a request to clean up. */
static int
days_old(Jsonb *json)
{
	JsonbValue request;
	JsonbValue value;
	int64 days = 30;

	ls_request_open(json, &request);
	if (ls_json_get(&request, "daysOld", &value) && value.type != jbvNull &&
		(!ls_json_integer(&value, &days) || days < 0 || days > 36500))
		ls_request_refuse("daysOld", "must be an integer from 0 to 36500");
	return (int) days;
}

/* What was removed was nobody's in particular. */
static void
note_cleanup(const LsCall *call, int days, int64 deleted)
{
	LsAudit done = ls_call_audit(call, "cleanup", NULL);

	done.learner = (LsText){NULL, 0};
	done.details = ls_json_object();
	ls_json_put(&done.details, "count", ls_json_int(deleted));
	ls_json_put(&done.details, "daysOld", ls_json_int(days));
	ls_store_audit(&done);
}

static Datum
cleanup_work(LsCall *call)
{
	Datum days = Int32GetDatum(days_old(call->request));
	JsonbValue answer = ls_json_object();
	bool isnull;
	int64 deleted = DatumGetInt64(answer_of(&cleanup, &days, NULL, &isnull));

	note_cleanup(call, DatumGetInt32(days), deleted);
	ls_json_put(&answer, "message", ls_json_string("Cleanup completed successfully"));
	ls_json_put(&answer, "deletedCount", ls_json_int(deleted));
	return JsonbPGetDatum(ls_json_encode(&answer));
}

static const LsService cleanup_service = {.work = cleanup_work, .members = LS_MEMBERS("daysOld"), .writes = true};

/* For all learners, whoever asks. */
Datum
learnsync_api_sync_cleanup(PG_FUNCTION_ARGS)
{
	return ls_call((LsCall){.request = ls_request_argument(fcinfo, 0), .service = &cleanup_service});
}
