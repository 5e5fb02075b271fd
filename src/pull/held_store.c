/*
 * held_store.c
 *		What a client who is up to date holds: the documents of its selection, and how many members their lists have.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pull/pull.h"
#include "store/statement.h"
#include "utils/memutils.h"

#define ROWS_AT_A_TIME 1000

/* Two forms, as one that also serves all types would read all of them for some. */
#define DOCUMENTS                                                                                                    \
	"SELECT s.resource_type, s.resource_id, s.version, s.data, s.at,"                                                \
	" CASE WHEN s.book OPERATOR(pg_catalog.?) '_learnsync' THEN s.book END FROM learnsync_data.resource s"           \
	" WHERE s.learner_id" EQ "$1 AND s.data IS NOT NULL"
#define MEMBERS(condition)                                                                                           \
	"SELECT m.resource_type, m.resource_id, m.field, pg_catalog.count(*),"                                           \
	" pg_catalog.count(*) FILTER (WHERE (m.value OPERATOR(pg_catalog.->) 'deleted')" EQ "'true'::pg_catalog.jsonb)"  \
	" FROM learnsync_data.member m WHERE m.learner_id" EQ "$1 AND m.version" GT "0" condition                        \
	" GROUP BY m.resource_type, m.resource_id, m.field"
#define OF_TYPES(alias) " AND " alias ".resource_type" EQ "ANY ($2)"

static LsStatement read_all = {DOCUMENTS, {"pg_catalog.text", NULL}};
static LsStatement read_some = {DOCUMENTS OF_TYPES("s"), {"pg_catalog.text", "pg_catalog.text[]", NULL}};
static LsStatement count_all = {MEMBERS(""), {"pg_catalog.text", NULL}};
static LsStatement count_some = {MEMBERS(OF_TYPES("m")), {"pg_catalog.text", "pg_catalog.text[]", NULL}};

/* How many rows there are of a list. */
typedef struct ListRows
{
	pg_uuid_t list; /* the key */
	int64 rows;
	int64 removals; /* among these, where the rule knows such */
} ListRows;

static pg_uuid_t
list_key(LsText type, LsText id, LsText field)
{
	LsDigest digest;

	ls_digest_start(&digest);
	ls_digest_text(&digest, type);
	ls_digest_text(&digest, id);
	ls_digest_text(&digest, field);
	return ls_digest_end(&digest);
}

/* Hands on what a statement finds, some rows at a time; what that allocates is gone afterwards. */
static void
read_rows(LsStatement *statement, LsText learner, const LsSelection *selection,
		  void (*take)(void *argument, uint64 row), void *argument)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext portion = AllocSetContextCreate(caller, "learnsync held", ALLOCSET_DEFAULT_SIZES);
	Datum values[] = {ls_text_to_datum(learner), selection->type_array};
	Portal portal = ls_store_cursor(statement, values, NULL, LS_SEES_CALLERS);
	uint64 count;

	do
	{
		SPITupleTable *rows;

		SPI_cursor_fetch(portal, true, ROWS_AT_A_TIME);
		rows = SPI_tuptable;
		count = SPI_processed;
		MemoryContextSwitchTo(portion);
		for (uint64 row = 0; row < count; row++)
		{
			CHECK_FOR_INTERRUPTS();
			take(argument, row);
			SPI_tuptable = rows; /* a type that is looked up has others */
		}
		MemoryContextSwitchTo(caller);
		MemoryContextReset(portion);
		SPI_freetuptable(rows);
	} while (count > 0);
	SPI_cursor_close(portal);
	MemoryContextDelete(portion);
}

static void
take_list(void *argument, uint64 row)
{
	HTAB *lists = argument;
	pg_uuid_t key = list_key(ls_store_text(row, 1), ls_store_text(row, 2), ls_store_text(row, 3));
	ListRows *list = hash_search(lists, &key, HASH_ENTER, NULL);

	list->rows = ls_store_int(row, 4);
	list->removals = ls_store_int(row, 5);
}

/* Documents on their way to who takes them. */
typedef struct Reading
{
	LsText learner;
	const LsSelection *selection;
	HTAB *lists;
	char last_name[LS_MAX_TYPE_NAME_BYTES]; /* of the type of the document before, as most are of the same */
	const LsType *last_type;
	LsTakeHeld take;
	void *argument;
} Reading;

static const LsType *
type_of(Reading *reading, LsText name)
{
	if (!ls_text_equal(name, ls_text(reading->last_name)))
	{
		reading->last_type = ls_store_type_of(reading->learner, name);
		memcpy(reading->last_name, name.data, name.length);
		reading->last_name[name.length] = '\0';
	}
	return reading->last_type;
}

/* Members that stand in the document itself, as they do in one from before its field became a list. */
static int64
count_inline(const LsRuleField *field, const JsonbValue *list)
{
	int64 count = ls_json_count(list);
	JsonbValue member;
	LsJsonWalk walk;

	ls_json_walk(&walk, list);
	while (field->members_latest && ls_json_walk_next(&walk, NULL, &member))
	{
		CHECK_FOR_INTERRUPTS();
		count -= ls_member_is_removed(field, &member);
	}
	return count;
}

static int64
count_members(const Reading *reading, const LsHeld *held, const LsRule *rule, Jsonb *data)
{
	int64 count = 0;
	JsonbValue document;
	JsonbValue list;

	ls_json_root(data, &document);
	for (int i = 0; i < rule->nfields; i++)
	{
		const LsRuleField *field = &rule->fields[i];
		const ListRows *rows;
		pg_uuid_t key;

		if (field->shape != LS_SHAPE_LIST || !ls_json_get_text(&document, field->name, &list) ||
			!ls_json_is_array(&list))
			continue;
		key = list_key(held->type, held->id, field->name);
		rows = hash_search(reading->lists, &key, HASH_FIND, NULL);
		count += count_inline(field, &list);
		if (rows != NULL)
			count += rows->rows - (field->members_latest ? rows->removals : 0);
	}
	return count;
}

/* The members of lists that a person has corrected: of such documents all are read. */
static int64
count_corrected(const Reading *reading, const LsHeld *held, const LsRule *rule, LsState *state)
{
	LsListed listed = {held->type, held->id, 0, state};
	LsListRoom room = {.members = PG_INT64_MAX, .bytes = PG_INT64_MAX};
	JsonbValue whole;
	int64 count = 0;

	(void) ls_store_complete_lists(reading->learner, &listed, 1, room, LS_SEES_CALLERS);
	whole = ls_state_whole(state, false);
	for (int i = 0; i < whole.val.object.nPairs; i++)
	{
		const JsonbPair *pair = &whole.val.object.pairs[i];
		const LsRuleField *field = ls_rule_field(rule, ls_text_of(&pair->key));

		CHECK_FOR_INTERRUPTS();
		if (field != NULL && field->shape == LS_SHAPE_LIST && pair->value.type == jbvArray)
			count += pair->value.val.array.nElems;
	}
	return count;
}

/* How many members the lists of a document have. */
static int64
members_of(const Reading *reading, const LsHeld *held, const LsRule *rule, Jsonb *data, Jsonb *book, TimestampTz at)
{
	LsState state = {.exists = true, .at = at, .deleted_at = LS_NO_TIME};

	if (book != NULL)
		ls_state_load(rule, &state, data, book);
	return state.overlay == NULL ? count_members(reading, held, rule, data)
								 : count_corrected(reading, held, rule, &state);
}

static void
take_document(void *argument, uint64 row)
{
	Reading *reading = argument;
	LsHeld held = {.type = ls_store_text(row, 1), .id = ls_store_text(row, 2), .version = ls_store_int(row, 3)};
	LsRowKey key = {"resource", {reading->learner, held.type, held.id}};
	bool isnull;
	Datum data = ls_store_value(row, 4, &isnull);
	TimestampTz at = ls_store_time(row, 5);
	Datum book = ls_store_value(row, 6, &isnull);
	const LsType *type = type_of(reading, held.type);
	bool has_lists = type != NULL && type->rule->has_lists;

	if (reading->selection->scoped || has_lists)
	{
		Jsonb *document = ls_store_document(&key, data);

		if (!ls_selection_has(reading->selection, document))
			return;
		if (has_lists)
			held.nmembers = members_of(reading, &held, type->rule, document,
									   isnull ? NULL : ls_store_object(&key, "book", book), at);
	}
	reading->take(reading->argument, &held);
}

/* Hands on the documents that a selection shows of a learner, in no order. */
void
ls_store_read_held(LsText learner, const LsSelection *selection, LsTakeHeld take, void *argument)
{
	Reading reading = {.learner = learner, .selection = selection, .take = take, .argument = argument};

	reading.lists = ls_digest_table("lists", sizeof(pg_uuid_t), sizeof(ListRows));
	read_rows(selection->by_type ? &count_some : &count_all, learner, selection, take_list, reading.lists);
	read_rows(selection->by_type ? &read_some : &read_all, learner, selection, take_document, &reading);
	hash_destroy(reading.lists);
}
