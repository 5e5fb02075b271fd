/*
 * damage.c
 *		What stored JSON must be, checked where it is read; a row that something else damaged is named, never walked.
 */
#include "postgres.h"

#include "store/store.h"

/* The key as it is shown: ("ada", "lesson_progress", "l1"). */
static char *
key_text(const LsRowKey *key)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < LS_KEY_PARTS && key->parts[i].data != NULL; i++)
		appendStringInfo(&text, "%s\"%.*s\"", i == 0 ? "(" : ", ", key->parts[i].length, key->parts[i].data);
	appendStringInfoChar(&text, ')');
	return text.data;
}

void
ls_store_damaged(const LsRowKey *key, const char *column, const char *wanted)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a stored row is damaged"),
					errdetail("Column %s of learnsync_data.%s must be %s, in the row with the key %s.", column,
							  key->table, wanted, key_text(key)),
					key->repair == NULL ? 0 : errhint("%s", key->repair)));
}

/* An object that was stored in that column. */
Jsonb *
ls_store_object(const LsRowKey *key, const char *column, Datum value)
{
	Jsonb *json = DatumGetJsonbP(value);

	if (!JB_ROOT_IS_OBJECT(json))
		ls_store_damaged(key, column, "an object");
	return json;
}

/* A resource's document, in which nobody but a packed state may say what merging has to remember. */
Jsonb *
ls_store_document(const LsRowKey *key, Datum value)
{
	Jsonb *json = ls_store_object(key, "data", value);
	JsonbValue document;
	JsonbValue own;

	ls_json_root(json, &document);
	if (ls_json_get(&document, LS_PACKED_MEMBER, &own))
		ls_store_damaged(key, "data", "an object without the member \"" LS_PACKED_MEMBER "\"");
	return json;
}
