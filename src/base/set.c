/*
 * set.c
 *		Sets of JSON values, such as a request lists: whether one is there takes the same time however many there are.
 */
#include "postgres.h"

#include "base/base.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"

typedef struct Slot
{
	bool used;
	uint32 hash;
	JsonbValue value;
} Slot;

StaticAssertDecl(JB_CMASK < PG_UINT32_MAX / 4, "twice the elements of an array must have a power of two above them");

struct LsSet
{
	uint32 mask; /* the number of slots, a power of two, less one */
	Slot *slots;
};

/* Equal values have equal hashes; 1 and 1.0 are equal. */
static uint32
hash_of(const JsonbValue *value)
{
	LsDigest digest;
	pg_uuid_t uuid;

	if (value->type == jbvString)
		return ls_digest_hash(ls_text_of(value));
	ls_digest_start(&digest);
	ls_digest_json(&digest, value, NULL);
	uuid = ls_digest_end(&digest);
	return ls_digest_hash((LsText){(char *) uuid.data, UUID_LEN});
}

/* The slot of a value, or the free one where it would go; half of all are free. */
static Slot *
find_slot(const LsSet *set, const JsonbValue *value, uint32 hash)
{
	uint32 place = hash & set->mask;

	while (set->slots[place].used &&
		   (set->slots[place].hash != hash || ls_json_compare(&set->slots[place].value, value) != 0))
		place = (place + 1) & set->mask;
	return &set->slots[place];
}

/* The elements of an array, each once. They point into its jsonb. */
LsSet *
ls_set_of(const JsonbValue *array)
{
	uint32 size = pg_nextpower2_32(Max(ls_json_count(array), 1) * 2);
	LsSet *set = palloc(sizeof(LsSet));
	LsJsonWalk walk;
	LsText no_key;
	JsonbValue value;

	set->mask = size - 1;
	set->slots = ls_memory_zeroed(size, sizeof(Slot));
	ls_json_walk(&walk, array);
	while (ls_json_walk_next(&walk, &no_key, &value))
	{
		uint32 hash = hash_of(&value);

		CHECK_FOR_INTERRUPTS();
		*find_slot(set, &value, hash) = (Slot){true, hash, value};
	}
	return set;
}

bool
ls_set_has(const LsSet *set, const JsonbValue *value)
{
	return find_slot(set, value, hash_of(value))->used;
}
