/*
 * xapi_digest.c
 *		Digests actors, so that two that are the same by xAPI Data 2.3.1 have the same one.
 *
 * The members of a group have no order and may be groups. Comparing them in pairs to sort them would compare the
 * innermost ones again for each level above; a digest is made once of each and sorted instead.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "xapi/xapi.h"

static pg_uuid_t digest_actor(const JsonbValue *actor);

/* An address, split behind its last @: the domain's case does not matter, the mailbox's does. */
static void
take_mbox(LsDigest *digest, LsText text)
{
	LsText domain = {text.data + text.length, 0};

	while (domain.data > text.data && domain.data[-1] != '@')
	{
		domain.data--;
		domain.length++;
	}
	ls_digest_text(digest, (LsText){text.data, text.length - domain.length});
	ls_digest_text(digest, ls_xapi_lower_case(domain));
}

static int
compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

/* The digests of members in an order of their own, behind a null and their number: no JSON value is written so. */
static void
take_members(LsDigest *digest, const JsonbValue *list)
{
	int count = ls_json_count(list);
	pg_uuid_t *members = MemoryContextAllocHuge(CurrentMemoryContext, (Size) count * sizeof(pg_uuid_t));
	JsonbValue number = ls_json_int(count);
	JsonbValue member;
	LsJsonWalk walk;

	ls_json_walk(&walk, list);
	for (int i = 0; ls_json_walk_next(&walk, NULL, &member); i++)
		members[i] = digest_actor(&member);
	ls_sort(members, count, sizeof(pg_uuid_t), compare_digests);
	ls_digest_text(digest, (LsText){NULL, 0});
	ls_digest_json(digest, &number, NULL);
	for (int i = 0; i < count; i++)
		ls_digest_text(digest, (LsText){(const char *) members[i].data, UUID_LEN});
	pfree(members);
}

static void
take_property(LsDigest *digest, LsText key, const JsonbValue *value)
{
	bool is_text = value->type == jbvString;

	if (is_text && ls_text_equal(key, LS_XAPI_NAME("objectType")) &&
		ls_text_equal(ls_text_of(value), LS_XAPI_NAME("Agent")))
		return; /* as good as absent */
	ls_digest_text(digest, key);
	if (is_text && ls_text_equal(key, LS_XAPI_NAME("mbox")))
		take_mbox(digest, ls_text_of(value));
	else if (is_text && ls_text_equal(key, LS_XAPI_NAME("mbox_sha1sum")))
		ls_digest_text(digest, ls_xapi_lower_case(ls_text_of(value)));
	else if (ls_json_is_array(value) && ls_text_equal(key, LS_XAPI_NAME("member")))
		take_members(digest, value);
	else
		ls_digest_json(digest, value, NULL);
}

static pg_uuid_t
digest_actor(const JsonbValue *actor)
{
	bool is_object = ls_json_is_object(actor);
	LsDigest digest;
	LsJsonWalk walk;
	LsText key;
	JsonbValue value;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	ls_digest_start(&digest);
	ls_digest_text(&digest, is_object ? LS_XAPI_NAME("actor") : LS_XAPI_NAME("other"));
	if (!is_object)
		ls_digest_json(&digest, actor, NULL);
	else
	{
		ls_json_walk(&walk, actor);
		while (ls_json_walk_next(&walk, &key, &value))
			take_property(&digest, key, &value);
	}
	return ls_digest_end(&digest);
}

/* Agents and groups, with their members in any order. */
int
ls_xapi_order_actor(const JsonbValue *a, const JsonbValue *b, const LsXapiRule *rules)
{
	pg_uuid_t one;
	pg_uuid_t other;

	if (a == NULL || b == NULL)
		return ls_xapi_order_value(a, b, NULL);
	one = digest_actor(a);
	other = digest_actor(b);
	return memcmp(one.data, other.data, UUID_LEN);
}
