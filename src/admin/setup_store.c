/*
 * setup_store.c
 *		Makes the tables as the role that they belong to.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "store/statement.h"
#include "utils/acl.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(learnsync_setup_tables);

/*
 * The tables may be there, with triggers that their owner made, and whoever calls is a superuser: SET ROLE would let such
 * a trigger set it back, and one that is deferred would run when we are the superuser again.
 */
Datum
learnsync_setup_tables(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	Oid owner = get_role_oid(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	LsStoreCall call;
	char *before;

	GetUserIdAndSecContext(&call.caller, &call.context);
	SPI_connect();
	SetUserIdAndSecContext(owner, call.context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	SPI_execute("SELECT learnsync_internal.setup_tables_as_owner()", false, 1);
	before = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	MemoryContextSwitchTo(context);
	before = before == NULL ? NULL : pstrdup(before);
	SPI_finish();
	SetUserIdAndSecContext(call.caller, call.context);
	if (before == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(before));
}
