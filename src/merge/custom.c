/*
 * custom.c
 *		Calls a team's own merge function, with the rights of whoever pushes.
 *
 * The name is looked up at each call, so that the function can be replaced, dropped and restored like any other.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "sync.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

/* One call: what goes in, and what came back. */
typedef struct CustomCall
{
	const char *name;
	Jsonb *stored;
	Jsonb *incoming;
	TimestampTz stored_at;
	TimestampTz incoming_at;
	Jsonb *result; /* NULL for NULL */
} CustomCall;

static LsStoreCall caller; /* who pushes */
static bool is_running;

/* Whether we are inside a team's function. */
bool
ls_custom_is_running(void)
{
	return is_running;
}

/* Names the caller whose rights the functions have from now on. */
void
ls_custom_act_for(const LsStoreCall *call)
{
	caller = *call;
}

/* The parts of a function's name, as the parser gives them; none where it is not spelt as a name. */
List *
ls_custom_name(LsText function)
{
	List *parts;
	List *name = NIL;
	ListCell *part;

	if (!SplitIdentifierString(ls_text_string(function), '.', &parts))
		return NIL;
	foreach (part, parts)
		name = lappend(name, makeString(pstrdup(lfirst(part))));
	return name;
}

static Oid
find_function(const char *name)
{
	Oid types[] = {JSONBOID, JSONBOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Oid function = LookupFuncName(ls_custom_name(ls_text(name)), lengthof(types), types, false);

	if (get_func_rettype(function) != JSONBOID || get_func_retset(function))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION), errmsg("merge function %s must return jsonb", name)));
	if (!ls_compat_may_execute(function, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for merge function %s", name)));
	return function;
}

static void
call_function(void *argument)
{
	CustomCall *call = argument;
	FmgrInfo function;
	Datum result;

	LOCAL_FCINFO(fcinfo, 4);
	fmgr_info(find_function(call->name), &function);
	InitFunctionCallInfoData(*fcinfo, &function, 4, InvalidOid, NULL, NULL);
	fcinfo->args[0] = (NullableDatum){JsonbPGetDatum(call->stored), false};
	fcinfo->args[1] = (NullableDatum){JsonbPGetDatum(call->incoming), false};
	fcinfo->args[2] = (NullableDatum){TimestampTzGetDatum(call->stored_at), false};
	fcinfo->args[3] = (NullableDatum){TimestampTzGetDatum(call->incoming_at), false};
	result = FunctionCallInvoke(fcinfo);
	call->result = fcinfo->isnull ? NULL : DatumGetJsonbP(result);
}

static void
call_as_caller(void *argument)
{
	LsStoreCall owner;

	GetUserIdAndSecContext(&owner.caller, &owner.context);
	/* With a change of role barred: undoing one would leave us, too, with that role. */
	SetUserIdAndSecContext(caller.caller, caller.context | SECURITY_LOCAL_USERID_CHANGE);
	is_running = true;
	PG_TRY();
	{
		call_function(argument);
	}
	PG_FINALLY();
	{
		is_running = false;
	}
	PG_END_TRY();
	SetUserIdAndSecContext(owner.caller, owner.context);
}

/*
 * The document that the rule's function makes of two; NULL where it made none. False where it failed. Whatever else it
 * did is undone: it may be asked in a dry run, or again where a push is written item by item.
 */
bool
ls_custom_call(const LsRule *rule, const LsState *stored, const LsState *incoming, Jsonb **result, LsFailure *failure)
{
	CustomCall call = {ls_text_string(rule->function), ls_state_document(stored), ls_state_document(incoming),
					   stored->at, incoming->at};
	ErrorData *error = ls_try(call_as_caller, &call, false);

	*result = call.result;
	if (error != NULL)
		return ls_fail(failure, "error", "", "%s", error->message);
	if (call.result != NULL && !JB_ROOT_IS_OBJECT(call.result))
		return ls_fail(failure, "error", "", "merge function %s must return an object", call.name);
	return true;
}
