/*
 * audit.h
 *		What people decided and administrators changed, noted once and for all.
 */
#ifndef LEARNSYNC_AUDIT_H
#define LEARNSYNC_AUDIT_H

#include "store/store.h"

/* Something that was done. */
typedef struct LsAudit
{
	const char *action;
	TimestampTz at;
	Oid role; /* that called */
	LsText learner; /* whom it concerns; without data where that is nobody in particular */
	bool erased; /* the learner is gone: only a hash is to be noted */
	LsText by; /* the person, as far as known */
	LsText reason;
	LsText type; /* the resource type */
	LsText resource_id;
	JsonbValue details; /* jbvNull where there are none */
} LsAudit;

/* audit_store.c */
extern void ls_store_audit(const LsAudit *done);

#endif
