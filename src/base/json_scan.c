/*
 * json_scan.c
 *		Reads small JSON texts that come from outside a request, without raising on bad ones.
 */
#include "postgres.h"

#include "base/base.h"
#include "mb/pg_wchar.h"

/* What a scan collects. */
typedef struct Scan
{
	const char *name; /* the member wanted of a top-level object; NULL to collect an array's elements */
	bool takes_numbers;
	int depth;
	bool wanted; /* the value that follows is the wanted member's */
	bool refused; /* something that is not a string or number stands where a value was wanted */
	int nvalues;
	char *values[LS_MAX_KEYS];
} Scan;

static LsJsonAction
enter(void *state)
{
	Scan *scan = state;

	if (scan->depth == 1 && (scan->name == NULL || scan->wanted))
		scan->refused = true;
	scan->depth++;
	LS_JSON_ACTION_DONE;
}

static LsJsonAction
leave(void *state)
{
	((Scan *) state)->depth--;
	LS_JSON_ACTION_DONE;
}

static LsJsonAction
start_member(void *state, char *name, bool isnull)
{
	Scan *scan = state;

	scan->wanted = scan->depth == 1 && scan->name != NULL && strcmp(name, scan->name) == 0;
	if (scan->wanted)
		scan->nvalues = 0; /* of duplicate keys the last counts, as in jsonb */
	LS_JSON_ACTION_DONE;
}

static LsJsonAction
take_scalar(void *state, char *token, JsonTokenType type)
{
	Scan *scan = state;
	bool is_value = type == JSON_TOKEN_STRING || (scan->takes_numbers && type == JSON_TOKEN_NUMBER);

	if (scan->depth != 1 || (scan->name != NULL && !scan->wanted))
		LS_JSON_ACTION_DONE;
	if (!is_value || scan->nvalues == LS_MAX_KEYS)
		scan->refused = true;
	else
		scan->values[scan->nvalues++] = token;
	LS_JSON_ACTION_DONE;
}

/* Scans a text; false where it is not JSON or a wanted value is of the wrong kind. */
static bool
scan_json(LsText text, Scan *scan)
{
	JsonLexContext *lexer = ls_compat_json_lexer(text.data, text.length, GetDatabaseEncoding());
	JsonSemAction actions = {
		.semstate = scan,
		.object_start = enter,
		.object_end = leave,
		.array_start = enter,
		.array_end = leave,
		.object_field_start = start_member,
		.scalar = take_scalar,
	};

	return pg_parse_json(lexer, &actions) == JSON_SUCCESS && !scan->refused;
}

/* The string member of a JSON object's top level; false where the text is no such object or lacks it. */
bool
ls_json_scan_member(const char *text, const char *name, char **value)
{
	Scan scan = {.name = name};

	if (!scan_json(ls_text(text), &scan) || scan.nvalues == 0)
		return false;
	*value = scan.values[0];
	return true;
}

/* The number that is a member of a JSON object; false where there is none. */
bool
ls_json_scan_number(const char *text, const char *name, double *value)
{
	Scan scan = {.name = name, .takes_numbers = true};
	char *end;

	if (!scan_json(ls_text(text), &scan) || scan.nvalues == 0)
		return false;
	*value = strtod(scan.values[0], &end);
	return end != scan.values[0] && *end == '\0';
}

/* The elements of a JSON array of strings and numbers, as texts; false where there are not nkeys of them. */
bool
ls_json_scan_keys(LsText text, int nkeys, LsText *keys)
{
	Scan scan = {.name = NULL, .takes_numbers = true};

	if (text.length == 0 || text.data[0] != '[' || !scan_json(text, &scan) || scan.nvalues != nkeys)
		return false;
	for (int i = 0; i < nkeys; i++)
		keys[i] = ls_text(scan.values[i]);
	return true;
}
