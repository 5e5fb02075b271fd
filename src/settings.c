/*
 * settings.c
 *		The settings: unit, range, description, who may change them. They are declared as the library is loaded.
 */
#include "postgres.h"

#include <limits.h>

#include "learnsync.h"
#include "utils/datetime.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

int learnsync_max_batch_items;
int learnsync_max_item_bytes;
int learnsync_max_depth;
int learnsync_max_clock_skew;
TimestampTz learnsync_min_client_time;
int learnsync_max_pull_limit;
int learnsync_max_learner_events;
int learnsync_max_document_bytes;
int learnsync_max_metadata_bytes;
int learnsync_max_answer_bytes;
int learnsync_max_list;
int learnsync_max_devices;
int learnsync_rate_limit;
int learnsync_device_rate_limit;
int learnsync_max_wait;
bool learnsync_enabled;
bool learnsync_direct;
bool learnsync_keep_payloads;
int learnsync_receipt_days;
int learnsync_tombstone_days;
int learnsync_verify_learners;
char *learnsync_jwt_claim;
char *learnsync_device_claim;
char *learnsync_learner_id;

static char *min_client_time;

/* Reads a date of the years 0001 to 9999, such as 2000-01-01, as its midnight in UTC. */
static bool
read_date(const char *value, TimestampTz *at)
{
	int year, month, day, end;
	int same[3];

	if (strlen(value) != strlen("2000-01-01") || strspn(value, "0123456789-") != strlen(value) ||
		sscanf(value, "%4d-%2d-%2d%n", &year, &month, &day, &end) != 3 || value[end] != '\0' || year < 1)
		return false;
	j2date(date2j(year, month, day), &same[0], &same[1], &same[2]);
	*at = (TimestampTz) (date2j(year, month, day) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
	return same[0] == year && same[1] == month && same[2] == day;
}

static bool
check_min_client_time(char **value, void **extra, GucSource source)
{
	TimestampTz ignored;

	if (read_date(*value, &ignored))
		return true;
	GUC_check_errdetail("It must be a date such as 2000-01-01.");
	return false;
}

static void
assign_min_client_time(const char *value, void *extra)
{
	(void) read_date(value, &learnsync_min_client_time);
}

/* A limit: a superuser's to set, for a database, a role or a session. */
typedef struct Limit
{
	const char *name;
	const char *description;
	int *variable;
	int value;
	int min;
	int max;
	int unit; /* 0: a number of things */
} Limit;

static const Limit limits[] = {
	{"learnsync.max_batch_items", "Items or events that one request may carry.", &learnsync_max_batch_items, 1000, 1,
	 1000000, 0},
	{"learnsync.max_item_bytes",
	 "Size of one item or event as jsonb, and of mergedData; larger ones fail with too_large.",
	 &learnsync_max_item_bytes, 256 * 1024, 1024, 64 * 1024 * 1024, GUC_UNIT_BYTE},
	{"learnsync.max_depth",
	 "Nesting of one item or event, of mergedData and metadata; deeper ones fail with too_large.",
	 &learnsync_max_depth, 64, 4, 1000, 0},
	{"learnsync.max_clock_skew",
	 "How far ahead of the server a client time may be before the server's time counts instead.",
	 &learnsync_max_clock_skew, 300, 0, INT_MAX, GUC_UNIT_S},
	{"learnsync.max_pull_limit", "Changes that a page of a pull may be asked for, and events of progress_get.",
	 &learnsync_max_pull_limit, 10000, 1, 100000, 0},
	{"learnsync.max_learner_events",
	 "Events that the log of one learner may hold; more fail with too_many, but for resets.",
	 &learnsync_max_learner_events, 100000, 1, INT_MAX, 0},
	{"learnsync.max_document_bytes",
	 "Size of a document as jsonb, without the members of its lists and devices' totals of counters; what would make one "
	 "larger fails with too_large, larger ones that exist may shrink.",
	 &learnsync_max_document_bytes, 1024 * 1024, 1024, 64 * 1024 * 1024, GUC_UNIT_BYTE},
	{"learnsync.max_metadata_bytes", "Size of a device's metadata as jsonb; a request with more is refused.",
	 &learnsync_max_metadata_bytes, 8 * 1024, 64, 16 * 1024 * 1024, GUC_UNIT_BYTE},
	{"learnsync.max_answer_bytes",
	 "Size of one answer, by the documents in it: a page of a pull or of open conflicts, the conflicts of a push.",
	 &learnsync_max_answer_bytes, 4 * 1024 * 1024, 1024, 128 * 1024 * 1024, GUC_UNIT_BYTE},
	{"learnsync.max_list", "Elements of a list in a request other than its items: types, values of a scope.",
	 &learnsync_max_list, 1000, 1, 1000000, 0},
	{"learnsync.max_devices",
	 "Devices that are known of one learner; beyond, the longest unseen active one is forgotten.",
	 &learnsync_max_devices, 100, 1, 100000, 0},
	{"learnsync.rate_limit", "Calls per minute that write, of one learner; 0 means no limit.", &learnsync_rate_limit,
	 0, 0, 60000, 0},
	{"learnsync.device_rate_limit", "Calls per minute that write, of one device of a learner; 0 means no limit.",
	 &learnsync_device_rate_limit, 0, 0, 60000, 0},
	{"learnsync.max_wait",
	 "How long a call through learnsync_api waits for other calls for its learner, before it is refused "
	 "for now; 0 means no limit.",
	 &learnsync_max_wait, 1000, 0, INT_MAX, GUC_UNIT_MS},
	{"learnsync.receipt_days",
	 "Days after which receipts may go; items that old without one are refused then. 0 keeps them for ever.",
	 &learnsync_receipt_days, 0, 0, 36500, 0},
	{"learnsync.tombstone_days",
	 "Days after which it is forgotten what was deleted; devices that were away for longer start anew.",
	 &learnsync_tombstone_days, 180, 1, 36500, 0},
	{"learnsync.verify_learners",
	 "Learners whose documents and kept items one maintain() looks at, each once a day; 0 means none.",
	 &learnsync_verify_learners, 1000, 0, INT_MAX, 0},
};

/* Whether something is, or is done. */
typedef struct Switch
{
	const char *name;
	const char *description;
	bool *variable;
} Switch;

static const Switch switches[] = {
	{"learnsync.enabled", "Whether calls of apps are answered; while off they are PT503.", &learnsync_enabled},
	{"learnsync.direct",
	 "Whether tables that are exactly as setup() made them are read and written without SQL "
	 "statements of their own.",
	 &learnsync_direct},
	{"learnsync.keep_payloads",
	 "Whether accepted items are kept as they were sent, until maintain() removes them; while off "
	 "only what pulls read of them is.",
	 &learnsync_keep_payloads},
};

/* What has no number. */
typedef struct Word
{
	const char *name;
	const char *description;
	char **variable;
	const char *value;
	GucContext context; /* who may set it */
	GucStringCheckHook check;
	GucStringAssignHook assign;
} Word;

static const Word words[] = {
	{"learnsync.min_client_time",
	 "The day, in UTC, of the earliest client time that is believed; of an item from before "
	 "only its arrival is known.",
	 &min_client_time, "2000-01-01", PGC_SUSET, check_min_client_time, assign_min_client_time},
	{"learnsync.jwt_claim", "The claim of request.jwt.claims that names the learner.", &learnsync_jwt_claim, "sub",
	 PGC_SUSET},
	{"learnsync.device_claim", "The claim of request.jwt.claims that names the device; empty where none does.",
	 &learnsync_device_claim, "", PGC_SUSET},
	{"learnsync.learner_id", "The learner of a trusted backend's session, where request.jwt.claims is empty.",
	 &learnsync_learner_id, "", PGC_USERSET},
};

/* Goes on where it was if it ended for want of memory: the server calls it again, and takes no setting twice. */
void
_PG_init(void)
{
	static int nlimits = 0;
	static int nswitches = 0;
	static int nwords = 0;

	for (; nlimits < lengthof(limits); nlimits++)
	{
		const Limit *limit = &limits[nlimits];

		DefineCustomIntVariable(limit->name, limit->description, NULL, limit->variable, limit->value, limit->min,
								limit->max, PGC_SUSET, limit->unit, NULL, NULL, NULL);
	}
	for (; nswitches < lengthof(switches); nswitches++)
	{
		const Switch *one = &switches[nswitches];

		DefineCustomBoolVariable(one->name, one->description, NULL, one->variable, true, PGC_SUSET, 0, NULL, NULL,
								 NULL);
	}
	for (; nwords < lengthof(words); nwords++)
	{
		const Word *word = &words[nwords];

		DefineCustomStringVariable(word->name, word->description, NULL, word->variable, word->value, word->context, 0,
								   word->check, word->assign, NULL);
	}
	MarkGUCPrefixReserved("learnsync");
}
