/*
 * learnsync.h
 *		What every room knows: limits, settings, the SQLSTATEs of HTTP statuses.
 *
 * Each room has a header of its own, named after it, and includes those of rooms below it only; ARCHITECTURE.md draws them.
 * Store files include statement.h of the room store as well: they hold the statements of their room.
 */
#ifndef LEARNSYNC_LEARNSYNC_H
#define LEARNSYNC_LEARNSYNC_H

#include "compat.h"
#include "fmgr.h"
#include "utils/timestamp.h"

#define LS_SCHEMA_VERSION 1 /* layout of the tables that setup() makes */
#define LS_MAX_ID_CHARS 200
#define LS_MAX_RESOURCE_ID_BYTES 800 /* what an index row has room for, beside the learner's id and a member's */
#define LS_MAX_LIST_NAME_BYTES 64
#define LS_MAX_TYPE_NAME_BYTES 64 /* with the zero at its end */
#define LS_MAX_KEYS 8
#define LS_MAX_STAMP_BYTES 35 /* 2026-01-08T10:46:00.123456789+00:00 */
#define LS_FIRST_VERSION INT64CONST(1) /* a learner's version when nothing was seen */
#define LS_MAX_NUMBER_DIGITS 400 /* of a client's number, as text */
#define LS_MAX_CURSOR (INT64CONST(1) << 53)
#define LS_NO_TIME DT_NOBEGIN
#define LS_PACKED_MEMBER "_learnsync" /* where a state in one object keeps what its document does not say */

/* SQLSTATEs that PostgREST answers with the HTTP status that they name */
#define LS_TURNED_AWAY MAKE_SQLSTATE('P', 'T', '4', '0', '3') /* the device */
#define LS_NOT_FOUND MAKE_SQLSTATE('P', 'T', '4', '0', '4')
#define LS_MOVED_ON MAKE_SQLSTATE('P', 'T', '4', '0', '9') /* the resource has changed since the conflict */
#define LS_ERASED MAKE_SQLSTATE('P', 'T', '4', '1', '0')

/* settings.c */
extern int learnsync_max_batch_items;
extern int learnsync_max_item_bytes;
extern int learnsync_max_depth;
extern int learnsync_max_clock_skew;
extern TimestampTz learnsync_min_client_time;
extern int learnsync_max_pull_limit;
extern int learnsync_max_learner_events;
extern int learnsync_max_document_bytes;
extern int learnsync_max_metadata_bytes;
extern int learnsync_max_answer_bytes;
extern int learnsync_max_list;
extern int learnsync_max_devices;
extern int learnsync_rate_limit;
extern int learnsync_device_rate_limit;
extern int learnsync_max_wait;
extern bool learnsync_enabled;
extern bool learnsync_direct;
extern bool learnsync_keep_payloads;
extern int learnsync_receipt_days;
extern int learnsync_tombstone_days;
extern int learnsync_verify_learners;
extern char *learnsync_jwt_claim;
extern char *learnsync_device_claim;
extern char *learnsync_learner_id;

#endif
