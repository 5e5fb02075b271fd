/*
 * notify.c
 *		Tells who listens that a push changed something.
 */
#include "postgres.h"

#include "commands/async.h"
#include "sync.h"

bool
ls_notify_check(char **channel, void **extra, GucSource source)
{
	if (strlen(*channel) < NAMEDATALEN)
		return true;
	GUC_check_errdetail("The name of a channel must be shorter than %d bytes.", NAMEDATALEN);
	return false;
}

/* One notification per push that gave new versions; it goes out when the transaction commits. */
void
ls_notify_push(const LsPush *push)
{
	JsonbValue payload;
	Jsonb *json;

	if (learnsync_notify[0] == '\0' || push->nchanged == 0)
		return;
	payload = ls_json_object();
	ls_json_put(&payload, "version", ls_json_int(push->version));
	ls_json_put(&payload, "learnerId", ls_json_text(push->learner.id));
	json = ls_json_encode(&payload);
	Async_Notify(learnsync_notify, JsonbToCString(NULL, &json->root, VARSIZE(json)));
}
