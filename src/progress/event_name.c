/*
 * event_name.c
 *		The names of types of events and of what is said of a content.
 */
#include "postgres.h"

#include "progress/progress.h"

#define NAME(literal)                                                                                                \
	{                                                                                                                \
		literal, sizeof(literal) - 1                                                                                 \
	}

static const LsText type_names[LS_EVENT_TYPES] = {NAME("content.progressed"), NAME("onboarding.completed"),
												  NAME("onboarding.reset"), NAME("activePath.set"),
												  NAME("progress.reset")};
static const LsText status_names[LS_STATUSES] = {NAME("not_started"), NAME("in_progress"), NAME("completed"),
												 NAME("passed")};

static bool
find_name(LsText name, const LsText *names, int count, int *found)
{
	for (int i = 0; i < count; i++)
	{
		if (ls_text_equal(name, names[i]))
		{
			*found = i;
			return true;
		}
	}
	return false;
}

LsText
ls_event_status_name(LsStatus status)
{
	return status_names[status];
}

bool
ls_event_status(LsText name, LsStatus *status)
{
	int found;

	if (!find_name(name, status_names, LS_STATUSES, &found))
		return false;
	*status = (LsStatus) found;
	return true;
}

LsText
ls_event_type_name(LsEventType type)
{
	return type_names[type];
}

bool
ls_event_type(LsText name, LsEventType *type)
{
	int found;

	if (!find_name(name, type_names, LS_EVENT_TYPES, &found))
		return false;
	*type = (LsEventType) found;
	return true;
}
