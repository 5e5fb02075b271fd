/*
 * call.h
 *		What every call of an app goes through: who asks, the request, its headers and cursor, the answer.
 */
#ifndef LEARNSYNC_CALL_H
#define LEARNSYNC_CALL_H

#include "audit/audit.h"
#include "storage/itemptr.h"
#include "store/store.h"

/* A device as the database knows it. */
typedef struct LsDevice
{
	LsText id; /* empty where no device is involved */
	bool exists;
	bool active;
	bool wipes; /* it is to do away with what it holds; known where it was read for itself */
	ItemPointerData place; /* where its row was when it was read */
	bool charged; /* a rate limit counts this call */
	TimestampTz rate_at; /* until when its calls, this one included, use up that limit, where charged */
} LsDevice;

/* A call of an app, while the store is open. */
typedef struct LsCall
{
	LsStoreCall store;
	LsText learner;
	LsText signed_in; /* who called learnsync_api; without data where a backend calls */
	LsText device; /* that makes it, as its token or else its envelope says; without data where neither does */
	Jsonb *request;
	bool of_app; /* it came through learnsync_api: its connection is not to be held for long */
	bool again; /* nobody calls: the server tries again what failed, of a device that was let in */
	MemoryContext outside; /* what lies there outlives the call */
	const struct LsService *service;
	JsonbValue ignored; /* names of members that the service does not know; jbvNull where there are none */
	JsonbValue meant; /* what some of them are called */
} LsCall;

/* What a call does: from its request to its answer, a varlena, in a context that is emptied afterwards, or in outside. */
typedef Datum (*LsWork)(LsCall *call);

/* What apps can call. */
typedef struct LsService
{
	LsWork work;
	const char *const *members; /* of its envelope, beside learnerId, ends with NULL; NULL where no app sends one */
	bool writes;
	bool prints; /* the answer is text of JSON, not jsonb */
	bool by_device; /* deviceId in its envelope is the device that calls */
	bool admits_all; /* whether the caller's device is let in is for the work to see */
} LsService;

#define LS_MAX_REASON_CHARS 2000 /* of the words with which a person says why */

#define LS_MEMBERS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What a client's cursor says. */
typedef struct LsCursor
{
	bool given;
	int64 position; /* everything up to here was delivered */
	int64 newest; /* the greatest version of a server that has brought a page of the open run; 0 where none is open */
	int64 from; /* everything up to here the client held as that run began */
	int64 horizon; /* of deletes that were forgotten by then */
	uint64 life; /* of the learner, in digest */
	uint64 selection; /* what the client wants to see, in digest */
} LsCursor;

/* call.c */
extern Datum ls_call(LsCall call);
extern LsAudit ls_call_audit(const LsCall *call, const char *action, const JsonbValue *request);

/* admit_store.c */
extern void ls_store_read_device(LsText learner, LsDevice *device);

/* cursor.c */
extern bool ls_cursor_parse(LsText text, LsCursor *cursor);
extern LsCursor ls_cursor_read(const JsonbValue *request);
extern LsText ls_cursor_print(const LsCursor *cursor);
extern uint64 ls_cursor_life(LsText learner, LsText epoch);
extern LsCursor ls_cursor_at(const LsCursor *cursor, int64 version, uint64 life);
extern bool ls_cursor_is_ahead(const LsCursor *cursor, int64 version);

/* profile_store.c */
extern bool ls_store_owns_profile(LsText profile, LsText owner);

/* learner.c */
extern bool ls_learner_admitted(char **name);
extern TimestampTz ls_call_issued_at(void);
extern LsText ls_learner_current(void);
extern LsText ls_learner_argument(FunctionCallInfo fcinfo, int argument);
extern Datum ls_learner_answer(FunctionCallInfo fcinfo, LsStoreCall *call, LsText id);
extern LsText ls_learner_served(FunctionCallInfo fcinfo, int argument);
extern void ls_device_check(LsText learner, const LsDevice *device);
extern void ls_device_admit(LsText learner, LsText id);
extern LsText ls_call_device(const LsCall *call);
extern Datum ls_call_for(FunctionCallInfo fcinfo, const LsService *service);
extern Datum ls_call_api(FunctionCallInfo fcinfo, const LsService *service);

/* header.c */
extern LsText ls_header_or_body_id(const JsonbValue *request, const char *key);
extern LsText ls_header_text(FunctionCallInfo fcinfo, int argument, const char *name, bool of_app);
extern int ls_header_limit(FunctionCallInfo fcinfo, int argument, bool of_app);
extern LsText ls_header_trace(const JsonbValue *request);
extern void ls_header_tag(LsText answer);

/* request.c */
pg_noreturn extern void ls_request_refuse(const char *path, const char *message, ...) pg_attribute_printf(2, 3);
pg_noreturn extern void ls_request_refuse_document(const LsFailure *failure) pg_attribute_nonnull(1);
extern Jsonb *ls_request_argument(FunctionCallInfo fcinfo, int argument);
extern void ls_request_open(Jsonb *json, JsonbValue *request);
extern LsText ls_request_text(const JsonbValue *request, const char *key, bool required);
extern bool ls_request_bool(const JsonbValue *request, const char *key);
extern int64 ls_request_cursor(const JsonbValue *request, const char *key);
extern void ls_request_count(int count, const char *path);
extern LsSet *ls_request_set(const JsonbValue *list, const char *path);
extern void ls_request_limit(const JsonbValue *value, int max_bytes, const char *setting, const char *path);

#endif
