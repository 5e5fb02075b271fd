/*
 * why.c
 *		sync_why: which items made each field of a document what it is, and which had no part in it.
 */
#include "postgres.h"

#include "fold/fold.h"
#include "miscadmin.h"

#define MAX_LOST 100 /* named of each field */

/* An item's part in one field. */
typedef struct Part
{
	const LsEntry *entry;
	LsState *said; /* what the item says, as a state of its own */
	const LsField *field; /* of that; NULL where it says nothing of the field */
	bool decides;
	JsonbValue members; /* of a list or map: those that it decides; jbvNull where there are none */
} Part;

/* One call. */
typedef struct Why
{
	LsText learner;
	LsText type;
	LsText id;
	LsText field; /* the only one that is asked for; without data where all are */
	const LsFold *fold;
	const LsFolded *folded; /* NULL where nothing is kept of it */
	int64 version;
	bool reaches_back;
	MemoryContext context; /* that lasts as long as the call */
	JsonbValue shown; /* the document; jbvNull where there is none */
	JsonbValue corrections; /* that stand, the newest first; jbvNull where none does */
	int nparts;
	Part *parts;
} Why;

static void
read_request(Why *why, Jsonb *json)
{
	JsonbValue request;

	ls_request_open(json, &request);
	why->type = ls_request_text(&request, "resourceType", true);
	why->id = ls_request_text(&request, "resourceId", true);
	why->field = ls_request_text(&request, "field", false);
}

/* Copies what the answer needs of the stored resource. */
static void
take_stored(void *argument, LsStored *stored, int count)
{
	Why *why = argument;
	MemoryContext caller;
	JsonbValue shown;
	Jsonb *document;

	if (count == 0)
		return;
	why->version = stored->version;
	why->reaches_back = ls_fold_reaches_back(why->fold, why->folded, stored);
	if (stored->type == NULL || !stored->state.exists)
		return;
	shown = ls_state_show(stored->type->rule, &stored->state);
	caller = MemoryContextSwitchTo(why->context);
	document = ls_json_encode(&shown);
	MemoryContextSwitchTo(caller);
	ls_json_root(document, &why->shown);
	if (stored->state.overlay != NULL)
	{
		JsonbValue corrections = ls_correction_tell(stored->state.overlay);

		caller = MemoryContextSwitchTo(why->context);
		document = ls_json_encode(&corrections);
		MemoryContextSwitchTo(caller);
		ls_json_root(document, &why->corrections);
	}
}

/* Takes apart what each item says that may have a part in the state. */
static void
lift_entries(Why *why)
{
	const LsFolded *folded = why->folded;

	why->parts = palloc0(sizeof(Part) * Max(folded->nentries, 1));
	for (int i = 0; i < folded->nentries; i++)
	{
		Part *part = &why->parts[why->nparts];

		CHECK_FOR_INTERRUPTS();
		if (folded->entries[i].change.is_delete || folded->entries[i].corrects)
			continue;
		part->entry = &folded->entries[i];
		part->said = palloc(sizeof(LsState));
		*part->said = ls_state_lift(folded->type->rule, &part->entry->change);
		ls_state_settle(part->said);
		why->nparts++;
	}
}

static bool
same_value(const LsValue *a, const LsValue *b, bool with_instant)
{
	return ls_json_compare(&a->json, &b->json) == 0 && (!with_instant || a->at == b->at);
}

/* The first item that says just what the field is. */
static void
find_decider(Why *why, const LsField *field)
{
	bool is_stamped = field->rule->shape == LS_SHAPE_STAMPED;

	for (int i = 0; i < why->nparts; i++)
	{
		Part *part = &why->parts[i];

		if (part->field == NULL || !part->entry->live || !same_value(&part->field->value, &field->value, is_stamped))
			continue;
		part->decides = true;
		return;
	}
}

static void
find_adders(Why *why)
{
	for (int i = 0; i < why->nparts; i++)
		why->parts[i].decides = why->parts[i].field != NULL && why->parts[i].entry->live;
}

/* The items that members, entries of a map or devices' totals are from: of each the first that brought it. */
static void
find_members(Why *why, const LsField *field)
{
	bool *found = palloc0(Max(field->nmembers, 1));

	for (int i = 0; i < why->nparts; i++)
	{
		Part *part = &why->parts[i];

		for (int j = 0; part->field != NULL && part->entry->live && j < part->field->nmembers; j++)
		{
			const LsMember *said = &part->field->members[j];
			const LsMember *member = ls_member_find(field, said->id);

			CHECK_FOR_INTERRUPTS();
			if (member == NULL || found[member - field->members] || !same_value(&said->value, &member->value, true))
				continue;
			found[member - field->members] = part->decides = true;
			if (part->members.type == jbvNull)
				part->members = ls_json_array();
			ls_json_add(&part->members, ls_json_text(member->id));
		}
	}
	pfree(found);
}

/* Under a policy that merges no fields, the last item that put its document in the place of the others. */
static void
find_document(Why *why)
{
	for (int i = why->nparts - 1; i >= 0; i--)
	{
		if (!why->parts[i].entry->live)
			continue;
		why->parts[i].decides = true;
		return;
	}
}

static void
find_parts(Why *why, const LsField *field)
{
	for (int i = 0; i < why->nparts; i++)
	{
		why->parts[i].field = ls_state_field(why->parts[i].said, field->name);
		why->parts[i].decides = false;
		why->parts[i].members = ls_json_null();
	}
	if (why->folded->type->rule->policy != LS_POLICY_MERGE)
		find_document(why);
	else if (field->rule->strategy != NULL && field->rule->strategy->adds)
		find_adders(why);
	else if (field->members != NULL)
		find_members(why, field);
	else
		find_decider(why, field);
}

static JsonbValue
instant(TimestampTz at)
{
	return at == LS_NO_TIME ? ls_json_null() : ls_json_stamp(at);
}

/* An item, and what it says of the field. */
static JsonbValue
item_json(const Part *part)
{
	const LsEntry *entry = part->entry;
	JsonbValue json = ls_json_object();

	ls_json_put(&json, "id", ls_json_text(entry->id));
	if (part->field != NULL)
		ls_json_put(&json, "value", ls_field_show(part->field, true));
	if (part->members.type != jbvNull)
		ls_json_put(&json, "members", part->members);
	ls_json_put(&json, "deviceId", ls_json_text(entry->change.device));
	ls_json_put(&json, "orderedAt", instant(entry->change.at));
	ls_json_put(&json, "receivedAt", instant(entry->change.received));
	if (entry->resolution.data != NULL)
		ls_json_put(&json, "resolution", ls_json_text(entry->resolution));
	ls_json_put(&json, "clientTimestamp", instant(entry->client_at));
	return json;
}

/* What a device has added. */
static JsonbValue
sum_of(const Why *why, LsText device)
{
	LsField sum = {.rule = NULL};

	for (int i = 0; i < why->nparts; i++)
	{
		const Part *part = &why->parts[i];

		CHECK_FOR_INTERRUPTS();
		if (!part->decides || !ls_text_equal(part->entry->change.device, device))
			continue;
		if (sum.rule == NULL)
			sum = *part->field;
		else
			(void) ls_field_join(&sum, part->field);
	}
	return ls_field_show(&sum, false);
}

/* What each device has added, or counts to. */
static JsonbValue
devices_json(const Why *why, const LsField *field)
{
	JsonbValue devices = ls_json_object();
	LsText device = {NULL, 0};

	for (int i = 0; i < field->nmembers; i++)
		ls_json_put_text(&devices, field->members[i].id, field->members[i].value.json);
	for (int i = 0; i < why->nparts && field->members == NULL; i++)
	{
		const Part *part = &why->parts[i];
		bool known = device.data != NULL && ls_text_equal(part->entry->change.device, device);

		for (int j = 0; j < devices.val.object.nPairs && !known; j++)
			known = ls_text_equal(ls_text_of(&devices.val.object.pairs[j].key), part->entry->change.device);
		device = part->entry->change.device;
		if (part->decides && !known)
			ls_json_put_text(&devices, device, sum_of(why, device));
	}
	return devices;
}

static void
put_items(Why *why, JsonbValue *json)
{
	JsonbValue decided = ls_json_array();
	JsonbValue lost = ls_json_array();
	int nlost = 0;

	for (int i = 0; i < why->nparts; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (why->parts[i].decides)
			ls_json_add(&decided, item_json(&why->parts[i]));
	}
	for (int i = why->nparts - 1; i >= 0; i--)
	{
		if (!why->parts[i].decides && why->parts[i].field != NULL && nlost++ < MAX_LOST)
			ls_json_add(&lost, item_json(&why->parts[i]));
	}
	ls_json_put(json, "lost", lost);
	ls_json_put(json, "decided", decided);
	ls_json_put(json, "lostCount", ls_json_int(nlost));
}

static JsonbValue
field_json(Why *why, const LsField *field)
{
	const LsStrategy *strategy = field->rule->strategy;
	bool merges = why->folded->type->rule->policy == LS_POLICY_MERGE;
	JsonbValue json = ls_json_object();
	JsonbValue value;

	find_parts(why, field);
	put_items(why, &json);
	if (!ls_json_is_object(&why->shown) || !ls_json_get_text(&why->shown, field->name, &value))
		value = ls_json_null();
	ls_json_put(&json, "value", value);
	if (why->corrections.type != jbvNull)
		ls_json_put(&json, "underneath", ls_field_show(field, false));
	if (merges && strategy != NULL && (strategy->adds || field->rule->shape == LS_SHAPE_TOTALS))
		ls_json_put(&json, "devices", devices_json(why, field));
	ls_json_put(&json, "strategy",
				strategy == NULL ? ls_json_string("key")
				: merges         ? ls_json_string(strategy->name)
								 : ls_json_string("document"));
	return json;
}

static void
put_derived(const Why *why, const LsRule *rule, JsonbValue *fields)
{
	for (int i = 0; i < rule->nfields; i++)
	{
		const LsRuleField *field = &rule->fields[i];
		JsonbValue json = ls_json_object();
		JsonbValue value;

		if (field->strategy != ls_strategy_derive || !ls_json_is_object(&why->shown) ||
			!ls_json_get_text(&why->shown, field->name, &value))
			continue;
		if (why->field.data != NULL && !ls_text_equal(why->field, field->name))
			continue;
		ls_json_put(&json, "value", value);
		ls_json_put(&json, "source", ls_json_text(field->source));
		ls_json_put(&json, "strategy", ls_json_string("derive"));
		ls_json_put_text(fields, field->name, json);
	}
}

static JsonbValue
fields_json(Why *why)
{
	JsonbValue fields = ls_json_object();

	if (why->folded == NULL)
		return fields;
	lift_entries(why);
	for (int i = 0; i < why->folded->state.nfields; i++)
	{
		const LsField *field = &why->folded->state.fields[i];

		if (why->field.data == NULL || ls_text_equal(why->field, field->name))
			ls_json_put_text(&fields, field->name, field_json(why, field));
	}
	put_derived(why, why->folded->type->rule, &fields);
	return fields;
}

static Datum
why_work(LsCall *call)
{
	Why why = {.learner = call->learner,
			   .context = CurrentMemoryContext,
			   .shown = ls_json_null(),
			   .corrections = ls_json_null()};
	JsonbValue answer = ls_json_object();

	read_request(&why, call->request);
	why.fold = ls_fold(why.learner, why.type, why.id);
	why.folded = ls_fold_find(why.fold, why.type, why.id);
	ls_store_read_stored(why.learner, why.type, why.id, take_stored, &why);
	if (why.version == 0)
		ereport(ERROR,
				(errcode(LS_NOT_FOUND), errmsg("resource not found"),
				 errdetail("The learner has no %s \"%s\".", ls_text_string(why.type), ls_text_string(why.id))));
	ls_json_put(&answer, "data", why.shown);
	ls_json_put(&answer, "since", why.reaches_back ? ls_json_null() : instant(why.fold->since));
	ls_json_put(&answer, "fields", fields_json(&why));
	ls_json_put(&answer, "version", ls_json_int(why.version));
	if (why.corrections.type != jbvNull)
		ls_json_put(&answer, "corrections", why.corrections);
	ls_json_put(&answer, "complete", ls_json_bool(why.folded != NULL && why.folded->complete && why.reaches_back));
	ls_json_put(&answer, "resourceId", ls_json_text(why.id));
	ls_json_put(&answer, "resourceType", ls_json_text(why.type));
	return JsonbPGetDatum(ls_json_encode(&answer));
}

static const LsService service = {.work = why_work, .members = LS_MEMBERS("resourceType", "resourceId", "field")};

PG_FUNCTION_INFO_V1(learnsync_sync_why);
PG_FUNCTION_INFO_V1(learnsync_api_sync_why);

Datum
learnsync_sync_why(PG_FUNCTION_ARGS)
{
	return ls_call_for(fcinfo, &service);
}

Datum
learnsync_api_sync_why(PG_FUNCTION_ARGS)
{
	return ls_call_api(fcinfo, &service);
}
