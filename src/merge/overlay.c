/*
 * overlay.c
 *		What a person has corrected of a document, over a state that goes on as if nothing had been: how it is shown, and
 *		how items come on top of it.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"

/* How items come on top of a field; under policies that take documents whole, these come in its place or not at all. */
static LsOnTop
kind_of(const LsRule *rule, const LsRuleField *field)
{
	if (rule->policy == LS_POLICY_LATEST || rule->policy == LS_POLICY_CLIENT_WINS)
		return LS_TOP_REPLACES;
	if (rule->policy != LS_POLICY_MERGE || field->strategy == NULL)
		return LS_TOP_STAYS;
	if (field->shape == LS_SHAPE_LIST)
		return field->members_latest ? LS_TOP_REPLACES : LS_TOP_STAYS;
	return field->strategy->on_top;
}

/* A pin that says that there is to be nothing, and on which nothing has come yet. */
LsPin
ls_overlay_pin(const LsRule *rule, LsText field, LsText part)
{
	LsPin pin = {.field = field, .part = part};

	pin.rule = field.data == NULL ? NULL : ls_rule_field(rule, field);
	if (pin.rule == NULL)
		pin.rule = &rule->rest;
	pin.on_top = kind_of(rule, pin.rule);
	pin.value = pin.top.json = pin.bases = ls_json_null();
	pin.top.at = LS_NO_TIME;
	return pin;
}

static JsonbValue
number_of(Numeric number)
{
	return (JsonbValue){.type = jbvNumeric, .val.numeric = number};
}

/*
 * Whether something counts on top. Of totals something must have been added: what a device had by the correction may be
 * heard of later, and must not make a difference.
 */
static bool
has_top(const LsPin *pin)
{
	JsonbValue none = ls_json_int(0);

	return pin->has_top && (pin->rule->shape != LS_SHAPE_TOTALS || ls_json_compare(&pin->top.json, &none) != 0);
}

/* What a pin shows; false where there is to be nothing. */
static bool
pin_shows(const LsPin *pin, JsonbValue *shown)
{
	LsValue value = {pin->value, LS_NO_TIME};
	bool takes_top = !pin->has_value;

	*shown = pin->value;
	if (!has_top(pin))
		return pin->has_value;
	if (pin->on_top == LS_TOP_REPLACES)
		takes_top = true;
	else if (pin->on_top == LS_TOP_JOINS)
		takes_top |= pin->rule->strategy->replaces(pin->rule, &value, &pin->top);
	if (takes_top)
		*shown = pin->top.json;
	else if (pin->on_top == LS_TOP_ADDS)
		*shown = number_of(ls_number_add(pin->value.val.numeric, pin->top.json.val.numeric));
	return !takes_top || !pin->top_is_gone;
}

static int
compare_pinned(const LsPin *a, const LsPin *b)
{
	int order = ls_text_compare_keys(a->field, b->field);

	if (order != 0 || (a->part.length == 0 && b->part.length == 0))
		return order;
	return ls_text_compare_keys(a->part, b->part);
}

/* By field and part, the newest first. */
static int
compare_shown(const void *a, const void *b)
{
	const LsShownPin *pa = a;
	const LsShownPin *pb = b;
	int order = compare_pinned(pa->pin, pb->pin);

	return order != 0 ? order : pb->correction - pa->correction;
}

/* The pins that show, in the order of their fields: of each field and key the newest. */
LsShownPin *
ls_overlay_shown(const LsOverlay *overlay, int *count)
{
	LsShownPin *pins;
	int total = 0;
	int kept = 0;

	for (int i = 0; i < overlay->count; i++)
		total += overlay->corrections[i].npins;
	pins = palloc_extended(sizeof(LsShownPin) * Max(total, 1), MCXT_ALLOC_HUGE);
	total = 0;
	for (int i = 0; i < overlay->count; i++)
	{
		for (int j = 0; j < overlay->corrections[i].npins; j++)
			pins[total++] = (LsShownPin){&overlay->corrections[i].pins[j], i, 1};
	}
	ls_sort(pins, total, sizeof(LsShownPin), compare_shown);
	for (int i = 0; i < total; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (kept == 0 || compare_pinned(pins[kept - 1].pin, pins[i].pin) != 0)
			pins[kept++] = pins[i];
	}
	for (int i = kept - 2; i >= 0; i--)
	{
		CHECK_FOR_INTERRUPTS();
		if (ls_text_equal(pins[i].pin->field, pins[i + 1].pin->field))
			pins[i].nparts = pins[i + 1].nparts + 1;
	}
	*count = kept;
	return pins;
}

/* A map with its pinned keys, from this one on: both are in key order. old is NULL where there is none underneath. */
static JsonbValue
show_map(const LsShownPin *pins, int count, const JsonbValue *old)
{
	JsonbValue shown = ls_json_object();
	JsonbValue map;
	JsonbValue part;
	LsJsonWalk walk;
	LsText key;
	int i = 0;

	if (old != NULL && old->type != jbvObject && !ls_json_is_object(old))
		old = NULL;
	ls_json_root(ls_json_encode(old != NULL ? old : &shown), &map);
	ls_json_walk(&walk, &map);
	while (ls_json_walk_next(&walk, &key, &part))
	{
		CHECK_FOR_INTERRUPTS();
		while (i < count && ls_text_compare_keys(pins[i].pin->part, key) < 0)
			i++;
		if (i == count || !ls_text_equal(pins[i].pin->part, key))
			ls_json_put_text(&shown, key, part);
	}
	for (i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (pin_shows(pins[i].pin, &part) && part.type != jbvNull)
			ls_json_put_text(&shown, pins[i].pin->part, part);
	}
	return shown;
}

/* Adds the members underneath that are not pinned: both are in the order of ids. */
static void
add_others(LsField *list, const LsField *old, const LsShownPin *pins)
{
	int i = 0;

	for (int j = 0; j < old->nmembers; j++)
	{
		const LsMember *member = &old->members[j];

		CHECK_FOR_INTERRUPTS();
		while (i < pins[0].nparts && ls_text_compare_keys(pins[i].pin->part, member->id) < 0)
			i++;
		if (i == pins[0].nparts || !ls_text_equal(pins[i].pin->part, member->id))
			ls_member_append(list, member->id, &member->value.json, member->value.at);
	}
}

/* Where a pinned member stands: from when it came on top, or was said last, which is now; else from when it was said first. */
static TimestampTz
pinned_at(const LsOverlay *overlay, const LsShownPin *shown, const LsField *old)
{
	const LsPin *pin = shown->pin;
	const LsMember *member = old == NULL || pin->rule->members_latest ? NULL : ls_member_find(old, pin->part);
	TimestampTz at = overlay->corrections[shown->correction].at;

	if (has_top(pin))
		return pin->top.at;
	return member == NULL ? at : Min(at, member->value.at);
}

/* A list with its pinned members, from this one on. */
static JsonbValue
show_list(const LsState *state, const LsShownPin *pins, LsLists lists)
{
	const LsField *old = ls_state_field(state, pins[0].pin->field);
	LsField list = {.name = pins[0].pin->field, .rule = pins[0].pin->rule};
	JsonbValue member;

	if (lists == LS_LISTS_APART)
		return ls_json_array();
	if (old != NULL && old->members == NULL)
		old = NULL;
	ls_member_start(&list, pins[0].nparts + (old == NULL ? 0 : old->nmembers));
	if (old != NULL)
		add_others(&list, old, pins);
	for (int i = 0; i < pins[0].nparts; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (pin_shows(pins[i].pin, &member))
			ls_member_append(&list, pins[i].pin->part, &member, pinned_at(state->overlay, &pins[i], old));
	}
	return ls_field_show(&list, lists == LS_LISTS_WITH_REMOVED);
}

/* What a field shows that is pinned, or of which parts are; false where it shows nothing. */
static bool
field_shows(const LsState *state, const LsShownPin *pins, const JsonbValue *old, LsLists lists, JsonbValue *shown)
{
	if (pins[0].pin->part.data == NULL)
		return pin_shows(pins[0].pin, shown);
	if (pins[0].pin->rule->shape == LS_SHAPE_LIST)
		*shown = show_list(state, pins, lists);
	else
		*shown = show_map(pins, pins[0].nparts, old);
	return true;
}

/* The document that is shown, made of the one underneath, which is being built with its fields in key order. */
JsonbValue
ls_overlay_show(const LsState *state, const JsonbValue *document, LsLists lists)
{
	JsonbValue shown = ls_json_object();
	int npairs = document->val.object.nPairs;
	int count;
	LsShownPin *pins = ls_overlay_shown(state->overlay, &count);
	int pair = 0;

	for (int i = 0; i < count || pair < npairs;)
	{
		JsonbPair *old = pair < npairs ? &document->val.object.pairs[pair] : NULL;
		int order = i == count    ? -1
					: old == NULL ? 1
								  : ls_text_compare_keys(ls_text_of(&old->key), pins[i].pin->field);
		JsonbValue value;

		CHECK_FOR_INTERRUPTS();
		pair += order <= 0;
		if (order < 0)
		{
			ls_json_put_text(&shown, ls_text_of(&old->key), old->value);
			continue;
		}
		if (field_shows(state, &pins[i], order == 0 ? &old->value : NULL, lists, &value))
			ls_json_put_text(&shown, pins[i].pin->field, value);
		i += pins[i].nparts;
	}
	pfree(pins);
	return shown;
}

/* Whether an item counts on top of a correction: it was made with that in sight or, of what is added, after it. */
static bool
counts(const LsCorrection *correction, LsOnTop kind, const LsChange *change)
{
	bool is_later = change->at > correction->at;

	if (change->seen >= correction->version || (kind == LS_TOP_ADDS && is_later))
		return true;
	return kind != LS_TOP_ADDS && is_later && -change->seen >= correction->version;
}

/* What an item says of what is pinned; false where it says nothing of it. */
static bool
find_said(const LsState *said, const LsPin *pin, LsValue *value)
{
	const LsField *field = ls_state_field(said, pin->field);
	const LsMember *member = NULL;

	if (field == NULL)
		return false;
	if (field->rule->shape >= LS_SHAPE_LIST && field->members == NULL)
		return false;
	if (pin->part.data != NULL)
		member = ls_member_find(field, pin->part);
	else if (field->rule->shape == LS_SHAPE_TOTALS)
		member = &field->members[0];
	if (field->rule->shape >= LS_SHAPE_LIST && member == NULL)
		return false;
	*value = member != NULL ? member->value : field->value;
	return true;
}

static bool
same_top(const LsPin *a, const LsPin *b)
{
	return a->has_top == b->has_top && a->top_is_gone == b->top_is_gone && a->top.at == b->top.at &&
		   (!a->has_top || a->top_is_gone || ls_json_compare(&a->top.json, &b->top.json) == 0);
}

/* The same object with one member set. */
static JsonbValue
with_member(const JsonbValue *object, LsText key, JsonbValue value)
{
	JsonbValue changed = ls_json_object();
	JsonbValue old;
	LsJsonWalk walk;
	LsText name;

	if (object->type != jbvNull)
	{
		ls_json_walk(&walk, object);
		while (ls_json_walk_next(&walk, &name, &old))
		{
			CHECK_FOR_INTERRUPTS();
			if (!ls_text_equal(name, key))
				ls_json_put_text(&changed, name, old);
		}
	}
	ls_json_put_text(&changed, key, value);
	ls_json_root(ls_json_encode(&changed), &changed);
	return changed;
}

static JsonbValue
greater(const JsonbValue *a, const JsonbValue *b)
{
	return a->type == jbvNull || (b->type != jbvNull && ls_json_compare(b, a) > 0) ? *b : *a;
}

/* What a device has added to its base; null stands for none. */
static Numeric
added(const JsonbValue *total, const JsonbValue *base)
{
	JsonbValue none = ls_json_int(0);

	return ls_number_subtract(total->type == jbvNull ? none.val.numeric : total->val.numeric,
							  base->type == jbvNull ? none.val.numeric : base->val.numeric);
}

/*
 * Takes a device's total: on top comes the greatest that it has told, less the greatest that does not count on top. What
 * it had by the correction is noted once it tells another.
 */
static void
take_total(LsPin *pin, const LsState *state, LsText device, const JsonbValue *total, bool counts)
{
	const LsField *field = ls_state_field(state, pin->field);
	const LsMember *member = field == NULL || field->members == NULL ? NULL : ls_member_find(field, device);
	JsonbValue before = member == NULL ? ls_json_null() : member->value.json;
	JsonbValue after = greater(&before, total);
	JsonbValue base = before;
	JsonbValue new_base;
	bool known = pin->bases.type != jbvNull && ls_json_get_text(&pin->bases, device, &base);
	Numeric sum;

	new_base = counts ? base : greater(&base, total);
	if (!known && greater(&before, total).type == before.type && ls_json_compare(&before, &after) == 0)
		return;
	sum = ls_number_subtract(added(&after, &new_base), added(&before, &base));
	pin->bases = with_member(&pin->bases, device, new_base);
	pin->top.json = number_of(pin->has_top ? ls_number_add(pin->top.json.val.numeric, sum) : sum);
	pin->top.at = LS_NO_TIME;
	pin->has_top = true;
}

/* Takes what an item says that counts on top. */
static void
take_value(LsPin *pin, const LsRule *rule, LsValue said, bool gone)
{
	if (pin->has_top && pin->on_top == LS_TOP_ADDS)
		said.json.val.numeric = ls_number_add(pin->top.json.val.numeric, said.json.val.numeric);
	else if (pin->has_top && rule->policy != LS_POLICY_CLIENT_WINS &&
			 !pin->rule->strategy->replaces(pin->rule, &pin->top, &said))
		return;
	if (pin->on_top == LS_TOP_ADDS)
		said.at = LS_NO_TIME;
	pin->has_top = true;
	pin->top = said;
	pin->top_is_gone = gone;
}

/* Takes an item; whether it changes the pin. */
static bool
take(LsPin *pin, const LsCorrection *correction, const LsRule *rule, const LsState *state, const LsState *said,
	 const LsChange *change)
{
	bool whole = rule->policy != LS_POLICY_MERGE;
	LsPin before = *pin;
	LsValue value = {ls_json_null(), change->at};
	bool says = find_said(said, pin, &value);
	bool on_top = counts(correction, pin->on_top, change);

	if (!says && !(whole && pin->on_top == LS_TOP_REPLACES))
		return false;
	if (pin->rule->shape == LS_SHAPE_TOTALS)
	{
		take_total(pin, state, change->device, &value.json, on_top);
		return pin->bases.type != before.bases.type || !same_top(pin, &before) ||
			   (pin->bases.type != jbvNull && ls_json_compare(&pin->bases, &before.bases) != 0);
	}
	if (!on_top || (pin->on_top == LS_TOP_STAYS && (whole || pin->has_value)))
		return false;
	take_value(pin, rule, value, !says);
	return !same_top(pin, &before);
}

static LsOverlay *
copy_overlay(const LsOverlay *overlay)
{
	LsOverlay *copy = palloc(sizeof(LsOverlay));

	copy->count = overlay->count;
	copy->corrections = palloc(sizeof(LsCorrection) * (overlay->count + 1));
	for (int i = 0; i < overlay->count; i++)
	{
		LsCorrection *correction = &copy->corrections[i];

		*correction = overlay->corrections[i];
		correction->pins = palloc_extended(sizeof(LsPin) * Max(correction->npins, 1), MCXT_ALLOC_HUGE);
		ls_memory_copy(correction->pins, overlay->corrections[i].pins, sizeof(LsPin) * correction->npins);
	}
	return copy;
}

/* Whether a pin shows what an item says of it; to say that a list's member is removed is to say that there is none. */
static bool
shows_said(const LsPin *pin, const JsonbValue *said)
{
	JsonbValue shown;

	if (!pin_shows(pin, &shown) || ls_member_is_removed(pin->rule, &shown))
		return ls_member_is_removed(pin->rule, said);
	return ls_json_compare(&shown, said) == 0;
}

/* Whether an item says of something that is pinned what is not shown, because it has not seen the correction. */
static bool
is_hidden(const LsOverlay *overlay, const LsState *said, const LsChange *change)
{
	int count;
	LsShownPin *pins = ls_overlay_shown(overlay, &count);
	bool hidden = false;

	for (int i = 0; i < count && !hidden; i++)
	{
		const LsPin *pin = pins[i].pin;
		LsValue value;

		CHECK_FOR_INTERRUPTS();
		if (pin->rule->strategy->ignores_value || !find_said(said, pin, &value) ||
			counts(&overlay->corrections[pins[i].correction], pin->on_top, change))
			continue;
		hidden = !shows_said(pin, &value.json);
	}
	pfree(pins);
	return hidden;
}

/*
 * Takes an item into each correction that it counts on top of. The state is what it was before the item; said is NULL for a
 * delete.
 */
LsOverlaid
ls_overlay_take(const LsRule *rule, const LsState *state, const LsState *said, const LsChange *change)
{
	LsOverlay *overlay = copy_overlay(state->overlay);
	LsOverlaid overlaid = {.overlay = overlay};

	overlaid.seen = counts(&overlay->corrections[overlay->count - 1], LS_TOP_REPLACES, change);
	if (said == NULL)
		return overlaid;
	for (int i = 0; i < overlay->count; i++)
	{
		LsCorrection *correction = &overlay->corrections[i];

		for (int j = 0; j < correction->npins; j++)
		{
			CHECK_FOR_INTERRUPTS();
			overlaid.changed |= take(&correction->pins[j], correction, rule, state, said, change);
		}
	}
	overlaid.hidden = is_hidden(overlay, said, change);
	return overlaid;
}
