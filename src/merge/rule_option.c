/*
 * rule_option.c
 *		The options of a merge rule and of its fields: which there may be, and the refusal of what is wrong.
 */
#include "postgres.h"

#include "merge/merge.h"
#include "miscadmin.h"

/* Refuses the rule: the detail says where and what. */
void
ls_option_refuse(const char *path, const char *message, ...)
{
	char *detail;
	va_list arguments;

	va_start(arguments, message);
	detail = ls_fail_message(message, arguments);
	va_end(arguments);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid merge rule"),
					errdetail("%s: %s.", path, detail)));
}

/* Refuses members that are not among the known ones, so that a misspelt option is not silently without effect. */
void
ls_option_check_known(const JsonbValue *json, const char *path, const char *const *known)
{
	JsonbIterator *walk = JsonbIteratorInit(json->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue value;

	while ((token = JsonbIteratorNext(&walk, &value, true)) != WJB_DONE)
	{
		bool found = token != WJB_KEY;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; !found && known[i] != NULL; i++)
			found = ls_text_equal(ls_text(known[i]), ls_text_of(&value));
		if (!found)
			ls_option_refuse(path, "unknown option \"%s\"", ls_text_string(ls_text_of(&value)));
	}
}

/* A member that is true or false; the path is NULL for those of the rule itself. */
bool
ls_option_flag(const JsonbValue *json, const char *key, const char *path, bool absent)
{
	JsonbValue value;

	if (!ls_json_get(json, key, &value))
		return absent;
	if (value.type != jbvBool)
		ls_option_refuse(path == NULL ? key : psprintf("%s.%s", path, key), "must be true or false");
	return value.val.boolean;
}
