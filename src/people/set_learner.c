/*
 * set_learner.c
 *		set_learner: by which clocks a learner's days begin, from a day on. What is over stays as it was.
 */
#include "postgres.h"

#include "people/people.h"
#include "utils/timestamp.h"

#define MAX_RULES 1000
#define FURTHEST_DAYS 366 /* from today */
#define FIRST_DAY "1900-01-01" /* zones are not much older */

/* One call. */
typedef struct Setting
{
	LsBatch batch; /* without items */
	JsonbValue zone; /* as sent; jbvNull where it is to stay */
	JsonbValue starts;
	JsonbValue from;
	LsDays days;
	LsDayRule rule; /* what is to hold */
} Setting;

static void
read_request(Setting *setting, Jsonb *json)
{
	JsonbValue request;
	bool says_something = true;

	ls_request_open(json, &request);
	if (!ls_json_get(&request, "timeZone", &setting->zone))
		setting->zone = ls_json_null();
	if (!ls_json_get(&request, "dayStarts", &setting->starts))
		setting->starts = ls_json_null();
	if (!ls_json_get(&request, "from", &setting->from))
		setting->from = ls_json_null();
	says_something = setting->zone.type != jbvNull || setting->starts.type != jbvNull;
	if (!says_something && setting->from.type != jbvNull)
		ls_request_refuse("from", "goes with timeZone or dayStarts");
	setting->batch.dry_run = !says_something; /* it only reads */
}

static void
take_zone(Setting *setting)
{
	const JsonbValue *zone = &setting->zone;

	if (zone->type == jbvString)
		setting->rule.name = ls_text_of(zone);
	if (zone->type == jbvNull || zone->type == jbvString)
		setting->rule.zone = ls_day_zone(setting->rule.name);
	else
		setting->rule.zone = NULL;
	if (setting->rule.zone == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("timeZone must be the name of a time zone"),
						errdetail("The request is malformed at \"timeZone\"."),
						errhint("It is like Europe/Berlin: abbreviations and offsets do not say when clocks change. "
								"pg_timezone_names has the names that the server knows.")));
	setting->rule.name = ls_text(pg_get_timezone_name(setting->rule.zone));
}

/* A part of a time that its pattern leaves open, as the rest of the pattern's time. */
static bool
read_part(const JsonbValue *value, int length, const char *pattern, TimestampTz *at)
{
	return value->type == jbvString && value->val.string.len == length &&
		   ls_stamp_parse(ls_text(psprintf(pattern, length, value->val.string.val)), at);
}

/* How long after midnight. */
static void
take_starts(Setting *setting)
{
	if (setting->starts.type != jbvNull &&
		!read_part(&setting->starts, 5, "2000-01-01T%.*s:00Z", &setting->rule.starts))
		ls_request_refuse("dayStarts", "must be a time from 00:00 to 23:59");
}

/*
 * When it begins to hold: now, or with the start of the day that was named. By the clocks that held so far, as what
 * belongs to an earlier day by them stays there. An app changes nothing that is over.
 */
static void
take_from(Setting *setting)
{
	TimestampTz now = setting->batch.now;
	bool of_app = setting->batch.of_app;
	LsDays only = {&setting->rule, 1};
	TimestampTz midnight = 0;
	int64 today;
	const char *first;
	const char *last;

	setting->rule.since = now;
	if (setting->from.type == jbvNull)
		return;
	setting->rule.least = PG_INT32_MIN;
	today = ls_day_of(&only, now);
	last = ls_text_string(ls_day_text(today + FURTHEST_DAYS));
	first = of_app ? ls_text_string(ls_day_text(Min(today, ls_day_of(&setting->days, now)))) : FIRST_DAY;
	if (!read_part(&setting->from, 10, "%.*sT00:00:00Z", &midnight) ||
		ls_text_compare(ls_text_of(&setting->from), ls_text(first)) < 0 ||
		ls_text_compare(ls_text_of(&setting->from), ls_text(last)) > 0)
		ls_request_refuse("from", "must be a date from %s to %s", first, last);
	setting->rule.since = ls_day_start(&setting->days, midnight / USECS_PER_DAY);
	if (of_app)
		setting->rule.since = Max(setting->rule.since, now);
}

static bool
is_same(const LsDayRule *a, const LsDayRule *b)
{
	return a->starts == b->starts && ls_text_equal(a->name, b->name);
}

/* What holds at a time; at first, UTC. */
static LsDayRule
rule_at(const LsDays *days, TimestampTz at)
{
	int begun = ls_day_rules_until(days, at);

	return begun == 0 ? (LsDayRule){.name = ls_text("UTC")} : days->rules[begun - 1];
}

/* Puts the new rule in the place of all that was to hold from then on; whether that changes anything. */
static bool
change_days(LsDays *days, const LsDayRule *rule)
{
	int before = days->count;
	LsDayRule present = rule_at(days, rule->since - 1);

	days->count = ls_day_rules_until(days, rule->since - 1);
	if (is_same(&present, rule))
		return days->count < before;
	if (days->count >= MAX_RULES)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the learner's days have changed too often"),
						errdetail("%d changes are kept.", MAX_RULES)));
	ls_day_add(days, *rule);
	return true;
}

/* Notes that a backend changed the days of a learner: what learners say of their own is no news. */
static void
note_change(const Setting *setting, const LsCall *call, JsonbValue answer)
{
	LsAudit done = ls_call_audit(call, "set_learner", NULL);

	if (setting->batch.of_app)
		return;
	done.details = answer;
	ls_store_audit(&done);
}

/* Whether that changed anything. */
static bool
write_setting(Setting *setting)
{
	take_zone(setting);
	take_starts(setting);
	take_from(setting);
	if (!change_days(&setting->days, &setting->rule))
		return false;
	ls_store_write_days(setting->batch.learner.id, &setting->days);
	return true;
}

/* What holds then, and the first day of that. */
static JsonbValue
answer_setting(const LsDays *days, TimestampTz at)
{
	JsonbValue answer = ls_json_object();
	LsDayRule rule = rule_at(days, at);
	int minutes = (int) (rule.starts / USECS_PER_MINUTE);

	ls_json_put(&answer, "timeZone", ls_json_text(rule.name));
	ls_json_put(&answer, "dayStarts", ls_json_string(psprintf("%02d:%02d", minutes / 60, minutes % 60)));
	ls_json_put(&answer, "from",
				ls_day_rules_until(days, at) == 0 ? ls_json_null()
												  : ls_json_text(ls_day_text(ls_day_of(days, rule.since))));
	return answer;
}

static Datum
set_work(LsCall *call)
{
	Setting setting = {.rule = {0}};
	JsonbValue answer;
	bool changed;

	ls_batch_open(&setting.batch, call, NULL);
	read_request(&setting, call->request);
	ls_batch_begin(&setting.batch);
	ls_batch_note_charge(&setting.batch);
	ls_store_read_days(call->learner, &setting.days, LS_SEES_OWN);
	setting.rule = rule_at(&setting.days, setting.batch.now);
	setting.rule.since = setting.batch.now;
	changed = !setting.batch.dry_run && write_setting(&setting);
	answer = answer_setting(&setting.days, setting.rule.since);
	if (changed)
		note_change(&setting, call, answer);
	return JsonbPGetDatum(ls_json_encode(&answer));
}

static const LsService service = {
	.work = set_work, .members = LS_MEMBERS("timeZone", "dayStarts", "from"), .writes = true};

PG_FUNCTION_INFO_V1(learnsync_set_learner);
PG_FUNCTION_INFO_V1(learnsync_api_set_learner);

Datum
learnsync_set_learner(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &service);
}

Datum
learnsync_api_set_learner(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &service);
}
