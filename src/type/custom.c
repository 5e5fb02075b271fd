/*
 * custom.c
 *		Calls a team's own merge function, with the rights of its owner.
 *
 * The name is looked up at each call, so that the function can be replaced, dropped and restored like any other. The rule
 * lends its owner's rights to all who push, so whoever defined it must have them, then and now; as nothing that can be
 * defined is to have those of a superuser or of the tables' owner, these have no merge functions.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "store/store.h"
#include "type/type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#define ARGUMENTS "(jsonb, jsonb, timestamptz, timestamptz)"
#define NARGUMENTS 5 /* with the ancestor, which a function need not take */

/* A merge function. */
typedef struct Function
{
	Oid oid; /* InvalidOid where there is none */
	Oid owner;
	bool takes_ancestor;
} Function;

/* One call: what goes in, and what came back. */
typedef struct CustomCall
{
	Oid function;
	Jsonb *stored;
	Jsonb *incoming;
	TimestampTz stored_at;
	TimestampTz incoming_at;
	Jsonb *ancestor; /* NULL where none is known */
	bool takes_ancestor;
	Jsonb *result; /* NULL for NULL */
} CustomCall;

/* The function of that name with so many of the arguments. */
static Function
find_with(const LsRule *rule, int nargs)
{
	Oid types[NARGUMENTS] = {JSONBOID, JSONBOID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID};
	List *name = ls_rule_function_name(rule->function);
	Oid schema = get_namespace_oid(strVal(linitial(name)), true);
	HeapTuple tuple = SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum(strVal(lsecond(name))),
									  PointerGetDatum(buildoidvector(types, nargs)), ObjectIdGetDatum(schema));
	Function function = {InvalidOid, InvalidOid};
	Form_pg_proc form;

	if (!HeapTupleIsValid(tuple))
		return function;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->prokind == PROKIND_FUNCTION && form->prorettype == JSONBOID && !form->proretset &&
		!isAnyTempNamespace(schema))
		function = (Function){form->oid, form->proowner, nargs == NARGUMENTS};
	ReleaseSysCache(tuple);
	return function;
}

/*
 * The function of a rule, the one that takes the ancestor first. Rights to its schema do not matter, as it is its owner
 * who calls it; temporary ones are of one session and so not what a rule can mean.
 */
static Function
find_function(const LsRule *rule)
{
	Function function = find_with(rule, NARGUMENTS);

	return OidIsValid(function.oid) ? function : find_with(rule, NARGUMENTS - 1);
}

/* What bars a function, as a verb's object, from types that this role defines; NULL where nothing does. */
static const char *
obstacle(const Function *function, Oid definer)
{
	if (superuser_arg(function->owner))
		return "belongs to a superuser";
	if (function->owner == GetUserId())
		return "belongs to the owner of learnsync's tables";
	if (!OidIsValid(definer) || !ls_compat_is_member(definer, function->owner))
		return "belongs to a role of which whoever defined the type is not a member";
	if (!ls_compat_may_execute(function->oid, function->owner))
		return "may not be called by its owner";
	return NULL;
}

/* Refuses a rule whose function this role must not make others call. The store is open. */
void
ls_custom_check(const LsRule *rule, Oid definer)
{
	const char *name = ls_text_string(rule->function);
	Function function = find_function(rule);
	const char *problem;

	if (!OidIsValid(function.oid))
	{
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_FUNCTION), errmsg("there is no merge function %s%s", name, ARGUMENTS),
				 errdetail("It must return jsonb, and may take the ancestor as a fifth argument, jsonb. Until it is "
						   "there, items that need it fail.")));
		return;
	}
	problem = obstacle(&function, definer);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("merge function %s %s", name, problem),
				 errhint("It runs with the rights of its owner. Give it one that has few, and of which you are "
						 "a member, with ALTER FUNCTION ... OWNER TO.")));
}

static void
call_function(void *argument)
{
	CustomCall *call = argument;
	FmgrInfo function;
	Datum result;

	LOCAL_FCINFO(fcinfo, NARGUMENTS);
	fmgr_info(call->function, &function);
	if (function.fn_strict && call->takes_ancestor && call->ancestor == NULL)
		return;
	InitFunctionCallInfoData(*fcinfo, &function, call->takes_ancestor ? NARGUMENTS : NARGUMENTS - 1, InvalidOid, NULL,
							 NULL);
	fcinfo->args[0] = (NullableDatum){JsonbPGetDatum(call->stored), false};
	fcinfo->args[1] = (NullableDatum){JsonbPGetDatum(call->incoming), false};
	fcinfo->args[2] = (NullableDatum){TimestampTzGetDatum(call->stored_at), false};
	fcinfo->args[3] = (NullableDatum){TimestampTzGetDatum(call->incoming_at), false};
	if (call->takes_ancestor)
		fcinfo->args[4] = (NullableDatum){JsonbPGetDatum(call->ancestor), call->ancestor == NULL};
	result = FunctionCallInvoke(fcinfo);
	call->result = fcinfo->isnull ? NULL : DatumGetJsonbP(result);
}

/* Calls the function as its owner; false where it must not be called, or failed. */
static bool
call_as_owner(const LsRule *rule, CustomCall *call, LsFailure *failure)
{
	const char *name = ls_text_string(rule->function);
	Function function = find_function(rule);
	Oid definer = rule->definer.data == NULL ? InvalidOid : get_role_oid(ls_text_string(rule->definer), true);
	const char *problem;
	ErrorData *error;

	if (!OidIsValid(function.oid))
		return ls_fail(failure, "error", "", "there is no merge function %s%s", name, ARGUMENTS);
	problem = obstacle(&function, definer);
	if (problem != NULL)
		return ls_fail(failure, "error", "", "merge function %s %s", name, problem);
	call->function = function.oid;
	call->takes_ancestor = function.takes_ancestor;
	error = ls_store_as(function.owner, call_function, call);
	return error == NULL || ls_fail(failure, "error", "", "%s", error->message);
}

/*
 * The document that the rule's function makes of two; NULL where it made none. False where it failed. Whatever else it
 * did is undone: it may be asked in a dry run, or again where a push is written item by item.
 */
bool
ls_custom_call(const LsRule *rule, const LsState *stored, const LsState *incoming, const JsonbValue *ancestor,
			   Jsonb **result, LsFailure *failure)
{
	CustomCall call = {.stored = ls_state_document(stored),
					   .incoming = ls_state_document(incoming),
					   .stored_at = stored->at,
					   .incoming_at = incoming->at,
					   .ancestor = ancestor->type == jbvNull ? NULL : ls_json_encode(ancestor)};

	if (!call_as_owner(rule, &call, failure))
		return false;
	*result = call.result;
	if (call.result != NULL && !JB_ROOT_IS_OBJECT(call.result))
		return ls_fail(failure, "error", "", "merge function %s must return an object",
					   ls_text_string(rule->function));
	return true;
}
