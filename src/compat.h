/*
 * compat.h
 *		Every difference between server versions, and nothing else has one.
 */
#ifndef LEARNSYNC_COMPAT_H
#define LEARNSYNC_COMPAT_H

#include "access/genam.h"
#include "access/tableam.h"
#include "catalog/pg_proc.h"
#include "common/jsonapi.h"
#include "utils/acl.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 160000
extern void _PG_init(void);
#endif

/* Says of a function that it does not return. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* Says which pointers, counted from 1, a function is never given as NULL. */
#ifndef pg_attribute_nonnull
#ifdef __GNUC__
#define pg_attribute_nonnull(...) __attribute__((nonnull(__VA_ARGS__)))
#else
#define pg_attribute_nonnull(...)
#endif
#endif

/* Whether a role has the rights of another, or may take them: from 16 on a member need not. */
static inline bool
ls_compat_is_member(Oid member, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return has_privs_of_role(member, role) || member_can_set_role(member, role);
#else
	return is_member_of_role(member, role);
#endif
}

/* Whether a role may call a function. */
static inline bool
ls_compat_may_execute(Oid function, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK;
#else
	return pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

/* A scan of an index that is not counted for EXPLAIN. */
static inline IndexScanDesc
ls_compat_index_beginscan(Relation table, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(table, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(table, index, snapshot, nkeys, 0);
#endif
}

/* UPDATE of a row by its place; whether it has a place now that an index does not lead to. */
static inline TM_Result
ls_compat_tuple_update(Relation table, ItemPointer place, TupleTableSlot *row, CommandId command, Snapshot snapshot,
					   bool *is_elsewhere)
{
	TM_FailureData failure;
	LockTupleMode mode;
	TM_Result result;
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes indexes;
#else
	bool indexes;
#endif

	result =
		table_tuple_update(table, place, row, command, snapshot, InvalidSnapshot, true, &failure, &mode, &indexes);
#if PG_VERSION_NUM >= 160000
	*is_elsewhere = result == TM_Ok && indexes == TU_All;
#else
	*is_elsewhere = result == TM_Ok && indexes;
#endif
	return result;
}

/* A lexer over a string that need not end in a zero byte; strings arrive with their escapes resolved. */
static inline JsonLexContext *
ls_compat_json_lexer(const char *text, int length, int encoding)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, text, length, encoding, true);
#else
	return makeJsonLexContextCstringLen((char *) text, length, encoding, true);
#endif
}

/* Callbacks of the JSON parser return a code from 16 on, nothing before. */
#if PG_VERSION_NUM >= 160000
typedef JsonParseErrorType LsJsonAction;
#define LS_JSON_ACTION_DONE return JSON_SUCCESS
#else
typedef void LsJsonAction;
#define LS_JSON_ACTION_DONE return
#endif

#endif
