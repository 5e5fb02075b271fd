/*
 * content.c
 *		What the content catalog asks of C: are its entries within the limits of what clients send?
 */
#include "postgres.h"

#include "base/base.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(learnsync_beyond_limits_as_owner);

/* learnsync_internal.beyond_limits_as_owner(value, place): path, code and message of the failure; NULL where there is none. */
Datum
learnsync_beyond_limits_as_owner(PG_FUNCTION_ARGS)
{
	char *place = text_to_cstring(PG_GETARG_TEXT_PP(1));
	LsFailure failure = {NULL};
	JsonbValue value;
	Datum problem[3];

	ls_json_root(PG_GETARG_JSONB_P(0), &value);
	if (ls_limit_check(&value, NULL, "the content", learnsync_max_item_bytes, place, &failure))
		PG_RETURN_NULL();
	problem[0] = CStringGetTextDatum(failure.path);
	problem[1] = CStringGetTextDatum(failure.code);
	problem[2] = CStringGetTextDatum(failure.message);
	PG_RETURN_DATUM(ls_text_array(problem, lengthof(problem)));
}
