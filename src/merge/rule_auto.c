/*
 * rule_auto.c
 *		The option autoResolve of a merge rule: after how long open conflicts are closed without a person.
 */
#include "postgres.h"

#include "merge/merge.h"

#define LONGEST_DAYS 36500

/* The days in a number of units; 0 where there is no such unit. */
static int64
days_of(int64 number, LsText unit)
{
	static const struct
	{
		const char *name;
		int hours;
	} units[] = {{"hour", 1}, {"day", 24}, {"week", 168}, {"month", 720}, {"year", 8760}};

	for (int i = 0; i < lengthof(units); i++)
	{
		int length = (int) strlen(units[i].name);
		bool is_plural = unit.length == length + 1 && unit.data[length] == 's';

		if ((unit.length == length || is_plural) && memcmp(unit.data, units[i].name, length) == 0)
			return (number * units[i].hours + 23) / 24;
	}
	return 0;
}

/* Whether a text is a number of units that PostgreSQL reads as an interval under any setting. */
static bool
is_age(LsText text)
{
	int64 number = 0;
	int64 days;
	int i = 0;

	while (i < text.length && i < 6 && text.data[i] >= '0' && text.data[i] <= '9')
		number = number * 10 + (text.data[i++] - '0');
	if (i == 0 || i == text.length || text.data[i] != ' ')
		return false;
	days = days_of(number, (LsText){text.data + i + 1, text.length - i - 1});
	return days > 0 && days <= LONGEST_DAYS;
}

/*
 * Refuses what autoResolve cannot be. Of a person's resolutions only the one that leaves the document alone is left to
 * a rule: the others would write, into what has moved on for weeks, something that nobody has looked at.
 */
void
ls_rule_check_auto(const JsonbValue *json)
{
	static const char *const known[] = {"after", "resolution", NULL};
	JsonbValue option;
	JsonbValue value;

	if (!ls_json_get(json, "autoResolve", &option))
		return;
	if (!ls_json_is_object(&option))
		ls_rule_refuse("autoResolve",
					   "must be an object such as {\"after\": \"30 days\", \"resolution\": \"use_server\"}");
	ls_rule_options(&option, "autoResolve", known);
	if (!ls_json_get(&option, "after", &value) || value.type != jbvString || !is_age(ls_text_of(&value)))
		ls_rule_refuse(
			"autoResolve.after",
			"must be a positive number of hours, days, weeks, months or years, such as \"30 days\", of at most "
			"%d days",
			LONGEST_DAYS);
	if (!ls_json_get(&option, "resolution", &value) || value.type != jbvString ||
		!ls_text_equal(ls_text("use_server"), ls_text_of(&value)))
		ls_rule_refuse("autoResolve.resolution",
					   "must be \"use_server\": what else becomes of a document is for a person to decide");
}
