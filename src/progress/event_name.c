/*
 * event_name.c
 *		The names of types of events and of what is said of a content.
 */
#include "postgres.h"

#include "progress/progress.h"

static const char *const type_names[LS_EVENT_TYPES] = {"content.progressed", "onboarding.completed",
													   "onboarding.reset", "activePath.set", "progress.reset"};
static const char *const status_names[LS_STATUSES] = {"not_started", "in_progress", "completed", "passed"};

static bool
find_name(LsText name, const char *const *names, int count, int *found)
{
	for (int i = 0; i < count; i++)
	{
		if (ls_text_equal(name, ls_text(names[i])))
		{
			*found = i;
			return true;
		}
	}
	return false;
}

const char *
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

const char *
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
