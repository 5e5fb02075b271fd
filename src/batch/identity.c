/*
 * identity.c
 *		What an item is known by, and what it says beside that.
 *
 * An id that is a UUID is the item's wherever it comes from, so a queue that is restored on another phone, or moves to
 * another learner, is the same items. Any other id is counted or invented by a device: it means something only with the
 * learner and, where the channel has one, the device that sent it.
 */
#include "postgres.h"

#include "batch/batch.h"

#define UUID_CHARS 36

/* What an id is if it is a UUID that was made at random or from the time, so that nobody else has the same: in lower case. */
typedef struct Uuid
{
	char text[UUID_CHARS];
} Uuid;

/* Hexadecimal digits in lower case, by character. */
static const char lower_hex[256] = {
	['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7',
	['8'] = '8', ['9'] = '9', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f',
	['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f'};

static bool
read_unique(LsText id, Uuid *uuid)
{
	static const int starts[] = {0, 9, 14, 19, 24, UUID_CHARS + 1};

	if (id.length != UUID_CHARS)
		return false;
	for (int group = 0; group < 5; group++)
	{
		int end = starts[group + 1] - 1;

		for (int i = starts[group]; i < end; i++)
		{
			if ((uuid->text[i] = lower_hex[(unsigned char) id.data[i]]) == 0)
				return false;
		}
		if (end < UUID_CHARS && (uuid->text[end] = id.data[end]) != '-')
			return false;
	}
	/* Version and variant. */
	return (uuid->text[14] == '4' || uuid->text[14] == '7') && strchr("89ab", uuid->text[19]) != NULL;
}

/* An id in the form in which it is compared. */
LsText
ls_identity_id(LsText id)
{
	Uuid uuid;

	return read_unique(id, &uuid) ? (LsText){pnstrdup(uuid.text, UUID_CHARS), UUID_CHARS} : id;
}

/* An id for an item that came without: the digest of what it says, so that the same bytes are the same item. */
static LsText
id_of_content(const JsonbValue *raw)
{
	static const char *const members[] = {"operation", "resourceType", "resourceId", "data", "clientTimestamp"};
	LsDigest digest;
	JsonbValue value;
	pg_uuid_t uuid;

	ls_digest_start(&digest);
	for (int i = 0; i < lengthof(members); i++)
	{
		if (!ls_json_is_object(raw))
			value = *raw;
		else if (!ls_json_get(raw, members[i], &value))
			value = ls_json_null();
		ls_digest_json(&digest, &value, NULL);
	}
	uuid = ls_digest_end(&digest);
	return ls_digest_uuid_text(&uuid);
}

/* The id as sent, or derived where that is enough; without data where there is none that is one. */
static LsText
read_id(const LsChannel *channel, const JsonbValue *raw)
{
	JsonbValue value;

	if (!ls_json_is_object(raw) || !ls_json_get(raw, channel->id, &value) || value.type == jbvNull)
		return channel->is_flat ? (LsText){NULL, 0} : id_of_content(raw);
	return ls_json_name(&value);
}

static void
start_identities(LsBatch *batch)
{
	LsIdentity *identity = &batch->identity;

	ls_digest_start(&identity->of_uuid);
	ls_digest_text(&identity->of_uuid, ls_text(batch->channel->name));
	ls_digest_start(&identity->of_other);
	ls_digest_text(&identity->of_other, batch->learner.id);
	ls_digest_text(&identity->of_other, ls_text(batch->channel->name));
	if (batch->channel->by_device)
		ls_digest_text(&identity->of_other, batch->device.id);
	identity->known = true;
}

/* The digest of the identity; what has no id is known by its content. */
static pg_uuid_t
key_of(LsBatch *batch, const LsItem *item, const LsText *apart)
{
	Uuid uuid;
	LsDigest digest;

	if (!batch->identity.known)
		start_identities(batch);
	if (item->id.data != NULL && read_unique(item->id, &uuid))
	{
		digest = batch->identity.of_uuid;
		ls_digest_text(&digest, (LsText){uuid.text, UUID_CHARS});
		return ls_digest_end(&digest);
	}
	digest = batch->identity.of_other;
	if (item->id.data == NULL && batch->channel->is_flat)
		ls_digest_json(&digest, &item->raw, apart);
	else
		ls_digest_text(&digest, item->id.data != NULL ? item->id : id_of_content(&item->raw));
	return ls_digest_end(&digest);
}

/*
 * Finds an item's id, its key and the fingerprint of its payload: of all it says but who sent it, and what the sender had
 * seen. Answers what the walk tells besides.
 */
LsExtent
ls_batch_identify(LsBatch *batch, LsItem *item)
{
	const LsText apart[] = {ls_text(batch->channel->id), ls_text("deviceId"),
							ls_text("sentAt"),           ls_text("seen"),
							ls_text("ancestor"),         {NULL, 0}};
	LsDigest digest;
	pg_uuid_t payload;
	LsExtent extent;

	item->id = read_id(batch->channel, &item->raw);
	item->key = key_of(batch, item, apart);
	ls_digest_start(&digest);
	extent = ls_digest_json(&digest, &item->raw, apart);
	payload = ls_digest_end(&digest);
	item->fingerprint = ls_digest_fingerprint(&payload);
	return extent;
}
