/*
 * resource_verify.c
 *		Finds resources that are not what their items make them, as far as these are kept.
 */
#include "postgres.h"

#include "fold/fold.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define LEARNERS_AT_A_TIME 1000
#define COLUMNS 6 /* of what a round asks for; an administrator gets the first four */

/* One call, and the learner who is looked at. */
typedef struct Verify
{
	ReturnSetInfo *result;
	LsText learner;
	const LsFold *fold;
	int64 looked_at;
	int64 unknown; /* of these, those that cannot be judged */
	bool names_unknown; /* who asks wants to know which */
} Verify;

/* Names a resource and what is wrong with it; damage is NULL where that cannot be known. */
static void
report(const Verify *verify, LsText type, LsText id, const char *damage)
{
	Datum values[COLUMNS] = {ls_text_to_datum(verify->learner)};
	bool nulls[COLUMNS] = {false, type.data == NULL, id.data == NULL, damage == NULL, true, true};

	values[1] = nulls[1] ? (Datum) 0 : ls_text_to_datum(type);
	values[2] = nulls[2] ? (Datum) 0 : ls_text_to_datum(id);
	values[3] = damage == NULL ? (Datum) 0 : CStringGetTextDatum(damage);
	tuplestore_putvalues(verify->result->setResult, verify->result->setDesc, values, nulls);
}

static const char *
print(const JsonbValue *value)
{
	StringInfoData text;

	initStringInfo(&text);
	ls_json_print(&text, value);
	return text.data;
}

/* The first member that two documents do not have in common, in words; NULL where they are equal. */
static const char *
difference(const JsonbValue *stored, const JsonbValue *folded)
{
	JsonbValue whole[2];
	JsonbValue value;
	JsonbValue other;
	LsJsonWalk walk;
	LsText name;

	ls_json_root(ls_json_encode(stored), &whole[0]);
	ls_json_root(ls_json_encode(folded), &whole[1]);
	for (int side = 0; side < 2; side++)
	{
		ls_json_walk(&walk, &whole[side]);
		while (ls_json_walk_next(&walk, &name, &value))
		{
			if (!ls_json_get_text(&whole[1 - side], name, &other))
				return psprintf("%s is %s", ls_text_string(name), side == 0 ? "not of an item" : "missing");
			if (ls_json_compare(&value, &other) != 0)
				return psprintf("%s is %s, its items make it %s", ls_text_string(name), print(&value), print(&other));
		}
	}
	return NULL;
}

/* What each device has told in all is no part of the document, which has the sum. */
static const char *
find_total(LsText learner, const LsStored *stored, const LsFolded *folded)
{
	for (int i = 0; i < folded->state.nfields; i++)
	{
		const LsField *field = &folded->state.fields[i];
		LsText device;

		if (field->rule->shape == LS_SHAPE_TOTALS && !ls_store_totals_are(learner, stored, field, &device))
			return psprintf("the total of device \"%s\" in %s is not that of its items", ls_text_string(device),
							ls_text_string(field->name));
	}
	return NULL;
}

/* What is wrong with a resource of which everything is known; NULL where nothing is. */
static const char *
find_damage(LsText learner, const LsStored *stored, const LsFolded *folded)
{
	const char *damage;
	JsonbValue shown;
	JsonbValue made;

	if (folded == NULL)
		return "no item made it";
	if (stored->state.exists != folded->state.exists)
		return stored->state.exists ? "its items leave no document" : "its items make a document";
	if (stored->state.deleted_at != folded->state.deleted_at)
		return "deleted_at is not that of its items";
	if (!stored->state.exists)
		return NULL;
	if (stored->state.at != folded->state.at)
		return psprintf("at is %s, its items make it %s", timestamptz_to_str(stored->state.at),
						pstrdup(timestamptz_to_str(folded->state.at)));
	shown = ls_state_show(folded->type->rule, &stored->state);
	made = ls_state_show(folded->type->rule, &folded->state);
	damage = difference(&shown, &made);
	return damage != NULL ? damage : find_total(learner, stored, folded);
}

static bool
is_known(const Verify *verify, const LsStored *stored, const LsFolded *folded)
{
	if (stored->type == NULL || !ls_fold_reaches_back(verify->fold, folded, stored))
		return false;
	if (folded == NULL)
		return stored->created_version > verify->fold->since_version &&
			   stored->type->rule->policy != LS_POLICY_CUSTOM;
	return folded->complete;
}

static void
judge(void *argument, LsStored *stored, int count)
{
	Verify *verify = argument;

	for (int i = 0; i < count; i++)
	{
		const LsFolded *folded = ls_fold_find(verify->fold, stored[i].type_name, stored[i].id);
		const char *damage;

		CHECK_FOR_INTERRUPTS();
		verify->looked_at++;
		if (!is_known(verify, &stored[i], folded))
		{
			verify->unknown++;
			if (verify->names_unknown)
				report(verify, stored[i].type_name, stored[i].id, NULL);
		}
		else if ((damage = find_damage(verify->learner, &stored[i], folded)) != NULL)
			report(verify, stored[i].type_name, stored[i].id, damage);
	}
}

static void
verify_learner(void *argument)
{
	Verify *verify = argument;
	LsText none = {NULL, 0};

	verify->fold = ls_fold(verify->learner, none, none);
	ls_store_read_stored(verify->learner, none, none, judge, verify);
}

/* A row that cannot be read is named instead. */
static void
try_learner(Verify *verify, LsText learner)
{
	ErrorData *error;

	verify->learner = learner;
	error = ls_try_read(verify_learner, verify);
	if (error != NULL)
		report(verify, (LsText){NULL, 0}, (LsText){NULL, 0}, error->detail != NULL ? error->detail : error->message);
}

/* The learners one after the other, each in memory that is given back. */
static void
verify_all(Verify *verify)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "learnsync verify", ALLOCSET_DEFAULT_SIZES);
	LsText after = ls_text("");
	int64 total = ls_store_count_learners();
	int64 done = 0;
	LsText *learners;
	int count;

	ls_tell("", 0, 0);
	while ((count = ls_store_read_learners(after, LEARNERS_AT_A_TIME, &learners)) > 0)
	{
		for (int i = 0; i < count; i++)
		{
			CHECK_FOR_INTERRUPTS();
			MemoryContextSwitchTo(context);
			try_learner(verify, learners[i]);
			MemoryContextSwitchTo(caller);
			MemoryContextReset(context);
			ls_tell("resource_verify, learners", ++done, total);
		}
		after = learners[count - 1];
	}
	MemoryContextDelete(context);
}

PG_FUNCTION_INFO_V1(learnsync_resource_verify);

/* learnsync.resource_verify(learner): NULL stands for all of them. */
Datum
learnsync_resource_verify(PG_FUNCTION_ARGS)
{
	Verify verify = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	LsStoreCall call;

	InitMaterializedSRF(fcinfo, 0);
	ls_store_open(&call);
	if (PG_ARGISNULL(0))
		verify_all(&verify);
	else
		try_learner(&verify, ls_learner_argument(fcinfo, 0));
	ls_store_close(&call);
	if (verify.unknown > 0)
		ereport(NOTICE, (errmsg("%lld of %lld resources cannot be judged", (long long) verify.unknown,
								(long long) verify.looked_at),
						 errdetail("Items of theirs are not kept, or came by another rule or through a "
								   "merge function.")));
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(learnsync_check_resources_as_owner);

/*
 * learnsync_internal.check_resources_as_owner(learner): the same of one learner, with what cannot be judged, and in a row of
 * its own how much was judged.
 */
Datum
learnsync_check_resources_as_owner(PG_FUNCTION_ARGS)
{
	Verify verify = {.result = (ReturnSetInfo *) fcinfo->resultinfo, .names_unknown = true};
	Datum values[COLUMNS] = {0};
	bool nulls[COLUMNS] = {true, true, true, true};
	LsStoreCall call;

	InitMaterializedSRF(fcinfo, 0);
	ls_store_open(&call);
	try_learner(&verify, ls_text_datum(PG_GETARG_DATUM(0)));
	ls_store_close(&call);
	values[COLUMNS - 2] = Int64GetDatum(verify.looked_at);
	values[COLUMNS - 1] = Int64GetDatum(verify.unknown);
	tuplestore_putvalues(verify.result->setResult, verify.result->setDesc, values, nulls);
	return (Datum) 0;
}
