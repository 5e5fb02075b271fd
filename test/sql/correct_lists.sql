-- sync_correct of lists: member by member, it holds against devices that have not seen it, and can be taken back.
BEGIN;
SELECT no_plan();

SELECT learnsync.define_resource_type('chat', '{"key": ["k"], "stale": "ignore", "fields": {
    "first": {"merge": "union", "id": "id"}, "last": {"merge": "union", "id": "id", "members": "latest"},
    "tags": {"merge": "union"}, "n": {"merge": "sum"}}}');

-- An item; minutes are from now, so that those greater than 0 are of after any correction.
CREATE SEQUENCE pg_temp.number;
CREATE FUNCTION pg_temp.item(data jsonb, minute numeric DEFAULT -60, more jsonb DEFAULT '{}') RETURNS jsonb
    LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', nextval('pg_temp.number')::text, 'operation', 'update', 'resourceType', 'chat',
        'resourceId', 'r', 'data', data, 'clientTimestamp',
        to_char(clock_timestamp() AT TIME ZONE 'UTC' + minute * interval '1 minute',
            'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) || more $$;
-- What a push of one item answers, in short.
CREATE FUNCTION pg_temp.push(who text, item jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT COALESCE(answer #>> '{conflicts,0,resolution}', answer #>> '{failedItems,0,code}',
        answer #>> '{results,0,status}')
    FROM CAST(learnsync.sync_push(who, jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(item))) AS jsonb)
        answer $$;
CREATE FUNCTION pg_temp.try(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    EXECUTE query INTO answer;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN RETURN concat_ws(' | ', SQLSTATE, SQLERRM);
END $$;
CREATE FUNCTION pg_temp.correct(who text, data jsonb, type text DEFAULT 'chat', id text DEFAULT 'r') RETURNS text
    LANGUAGE sql AS $$
    SELECT pg_temp.try(format('SELECT learnsync.sync_correct(%L, %L) ->> ''version''', who, jsonb_build_object(
        'resourceType', type, 'resourceId', id, 'data', data, 'by', 'ms.k', 'reason', 'seen by me'))) $$;
CREATE FUNCTION pg_temp.uncorrect(who text, type text DEFAULT 'chat', id text DEFAULT 'r') RETURNS text
    LANGUAGE sql AS $$
    SELECT pg_temp.try(format('SELECT learnsync.sync_uncorrect(%L, %L) ->> ''version''', who, jsonb_build_object(
        'resourceType', type, 'resourceId', id, 'by', 'ms.k', 'reason', 'a mistake'))) $$;
-- The only change that a device pulls, from a version on or from the beginning.
CREATE FUNCTION pg_temp.pulled(who text, since bigint DEFAULT 1) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_pull(who, jsonb_build_object('deviceId', 'e', 'lastSyncVersion', since, 'from', since))::jsonb
        #> '{changes,0}' $$;
-- A list, in short: its members as they are, without quotes.
CREATE FUNCTION pg_temp.list(who text, field text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(CASE jsonb_typeof(m) WHEN 'object' THEN concat_ws(':', m ->> 'id', m ->> 't') ELSE m #>> '{}' END,
        ' ' ORDER BY n)
    FROM jsonb_array_elements(pg_temp.pulled(who) #> ARRAY['data', field]) WITH ORDINALITY x (m, n) $$;
CREATE FUNCTION pg_temp.seen(who text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('seen', version) FROM learnsync_data.learner WHERE learner_id = who $$;
CREATE FUNCTION pg_temp.damage(who text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(damage, ';') FROM learnsync.resource_verify(who) $$;
-- Everything that is stored of a learner's documents, but for versions.
CREATE FUNCTION pg_temp.stored(who text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' | ', r.at, r.data, nullif(r.book #- '{_learnsync,whole}', '{"_learnsync": {}}'),
            (SELECT string_agg(concat_ws(' ', m.field, m.member_id, m.at, m.value), ',' ORDER BY m.field, m.member_id)
             FROM learnsync_data.member m WHERE m.learner_id = who))
    FROM learnsync_data.resource r WHERE r.learner_id = who $$;

-- A member is set, edited and removed, in each kind of list.
SELECT pg_temp.push('ann', pg_temp.item('{"first": [{"id": "a", "t": 1}, {"id": "b", "t": 1}],
    "last": [{"id": "a", "t": 1}, {"id": "b", "t": 1}], "tags": ["x", "y"], "n": 5}'));
SELECT pg_temp.stored('ann') AS before \gset
SELECT is(pg_temp.correct('ann', '{"first": {"set": [{"id": "a", "t": 9}, {"id": "c", "t": 9}], "remove": ["b"]},
    "last": {"set": [{"id": "a", "t": 9}, {"id": "c", "t": 9}], "remove": [{"id": "b"}]},
    "tags": {"set": ["z"], "remove": ["y"]}}'), '3', 'lists are corrected');
SELECT is(pg_temp.list('ann', field), wanted, field || ': set, edited, removed')
FROM (VALUES ('first', 'a:9 c:9'), ('last', 'a:9 c:9'), ('tags', 'x z')) v (field, wanted);
SELECT is(pg_temp.pulled('ann') #> '{data,n}', '5', 'what was not corrected is not touched');
SELECT is(pg_temp.damage('ann'), NULL, 'it is what items and corrections make');

-- What has not seen it cannot beat it.
SELECT is(pg_temp.push('ann', pg_temp.item('{"first": [{"id": "a", "t": 1}, {"id": "b", "t": 1}],
    "last": [{"id": "a", "t": 2}, {"id": "b", "t": 2}], "tags": ["y", "w"], "n": 1}', 5)), 'server_wins',
    'an item that has not seen it');
SELECT is(pg_temp.list('ann', field), wanted, field || ': it holds')
FROM (VALUES ('first', 'a:9 c:9'), ('last', 'a:9 c:9'), ('tags', 'x z w')) v (field, wanted);
SELECT is(pg_temp.push('ann', pg_temp.item('{"last": [{"id": "c", "deleted": true}]}', 6)), 'server_wins',
    'a removal that has not seen it');
SELECT is(pg_temp.list('ann', 'last'), 'a:9 c:9', 'removes nothing');
SELECT is(pg_temp.push('ann', pg_temp.item('{"last": [{"id": "b", "deleted": true}], "n": 1}', 7)), 'synced',
    'to remove what is removed is no conflict');
-- What has seen it moves on.
SELECT pg_temp.push('ann', pg_temp.item('{"first": [{"id": "a", "t": 3}, {"id": "b", "t": 3}],
    "last": [{"id": "a", "t": 3}, {"id": "b", "t": 3}, {"id": "c", "deleted": true}], "tags": ["y"]}', 8,
    pg_temp.seen('ann')));
SELECT is(pg_temp.list('ann', field), wanted, field || ': what has seen it')
FROM (VALUES ('first', 'a:9 c:9 b:3'), ('last', 'a:3 b:3'), ('tags', 'x z w y')) v (field, wanted);
SELECT is(pg_temp.damage('ann'), NULL, 'it still is what items and corrections make');
SELECT pg_temp.uncorrect('ann');
SELECT is(pg_temp.list('ann', field), wanted, field || ': taken back, it is what items make')
FROM (VALUES ('first', 'a:1 b:1'), ('last', 'a:3 b:3'), ('tags', 'y x w')) v (field, wanted);
SELECT is(pg_temp.damage('ann'), NULL, 'so it is');
-- Without items meanwhile to the byte.
SELECT pg_temp.push('bob', pg_temp.item('{"first": [{"id": "a", "t": 1}, {"id": "b", "t": 1}], "tags": ["x"]}'));
SELECT pg_temp.stored('bob') AS before \gset
SELECT pg_temp.correct('bob', '{"first": {"set": [{"id": "a", "t": 2}], "remove": ["b"]}, "last": [{"id": "new"}]}');
SELECT isnt(pg_temp.stored('bob'), :'before', 'corrected');
SELECT is(pg_temp.list('bob', 'last'), 'new', 'a list that there was not');
SELECT pg_temp.uncorrect('bob');
SELECT is(pg_temp.stored('bob'), :'before', 'taken back to the byte');
-- Corrections of corrections.
SELECT pg_temp.correct('bob', '{"first": {"remove": ["a"]}}'),
    pg_temp.correct('bob', '{"first": [{"id": "a", "t": 7}]}');
SELECT is(pg_temp.list('bob', 'first'), 'a:7 b:1', 'the newest shows');
SELECT pg_temp.uncorrect('bob');
SELECT is(pg_temp.list('bob', 'first'), 'b:1', 'then the one before');

-- Devices hear of it: who holds the list gets it whole once a member may be gone, else what is new; sync_verify counts
-- what is shown.
SELECT pg_temp.push('eve', pg_temp.item('{"first": [{"id": "a"}, {"id": "b"}], "last": [{"id": "l"}]}'));
SELECT pg_temp.correct('eve', '{"first": {"set": [{"id": "c"}], "remove": ["a"]}}');
SELECT is(pg_temp.pulled('eve', 2) -> 'delta', NULL, 'the list comes whole to who has not seen the correction');
SELECT is(jsonb_path_query_array(pg_temp.pulled('eve', 2), '$.data.first[*].id'), '["b", "c"]', 'as it is shown');
SELECT pg_temp.push('eve', pg_temp.item('{"first": [{"id": "d"}]}', 5));
SELECT is(pg_temp.pulled('eve', 3) -> 'delta', 'true', 'who has seen it gets what is new');
SELECT is(jsonb_path_query_array(pg_temp.pulled('eve', 3), '$.data.first[*].id'), '["c", "d"]',
    'and what was corrected');
SELECT is(jsonb_path_query_array(pg_temp.pulled('eve', 2), '$.data.first[*].id'), '["b", "c", "d"]',
    'who has not seen it still gets it whole');
SELECT pg_temp.uncorrect('eve');
SELECT is(pg_temp.pulled('eve', 4) -> 'delta', NULL, 'so it does once that is taken back');
SELECT is(jsonb_path_query_array(pg_temp.pulled('eve', 4), '$.data.first[*].id'), '["a", "b", "d"]', 'as it is then');
SELECT pg_temp.correct('eve', '{"first": {"remove": ["a", "b"]}, "last": [{"id": "l", "deleted": true}, {"id": "m"}]}');
SELECT is(jsonb_path_query_array(pg_temp.pulled('eve'), '$.data.last[*].id'), '["m"]',
    'a correction may say that a member is deleted, as an item does');
CREATE FUNCTION pg_temp.fnv(text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE hash bigint := 2166136261;
BEGIN
    FOR i IN 0..octet_length(convert_to($1, 'UTF8')) - 1 LOOP
        hash := ((hash # get_byte(convert_to($1, 'UTF8'), i)) * 16777619) & 4294967295;
    END LOOP;
    RETURN hash;
END $$;
SELECT is(learnsync.sync_verify('eve', jsonb_build_object('deviceId', 'e', 'count', 1, 'cursor', cursor, 'sum',
    pg_temp.fnv(format(E'chat\nr\n%s\n%s', version, 2))))::text, '{"equal":true}', 'sync_verify counts what is shown')
FROM (SELECT learnsync.sync_pull('eve', '{"deviceId": "e", "cursor": null}')::jsonb AS page) p,
    LATERAL (SELECT page ->> 'cursor' AS cursor, page #> '{changes,0,version}' AS version) c;

-- The view of messages shows what is shown.
SELECT learnsync.sync_push('tom', jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(jsonb_build_object(
    'id', 'i', 'operation', 'create', 'resourceType', 'conversation', 'resourceId', 'chat', 'clientTimestamp',
    '2026-01-08T10:00:00Z', 'data', '{"messages": [{"id": "1", "text": "a"}, {"id": "2", "text": "rude"},
        {"id": "3", "text": "c"}]}'::jsonb))));
SELECT is(pg_temp.correct('tom', '{"messages": {"set": [{"id": "2", "text": "…"}, {"id": "4", "text": "new"}],
    "remove": ["3"]}}', 'conversation', 'chat'), '3', 'a message is corrected');
SET learnsync.learner_id = 'tom';
CREATE FUNCTION pg_temp.messages() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', message_id, data ->> 'text', at = '2026-01-08T10:00:00Z', version), ', '
        ORDER BY message_id) FROM learnsync_api.message $$;
SELECT is(pg_temp.messages(), '1 a t 2, 2 … t 3, 4 new f 3', 'the view shows what is shown, each in its place');
SELECT pg_temp.uncorrect('tom', 'conversation', 'chat');
SELECT is(pg_temp.messages(), '1 a t 2, 2 rude t 2, 3 c t 2', 'and what was');
RESET learnsync.learner_id;

-- Why, and what is on record.
SELECT is(learnsync.sync_why('eve', '{"resourceType": "chat", "resourceId": "r"}') #> '{corrections,0,data}',
    '{"first": {"remove": ["a", "b"]}, "last": {"set": [{"id": "l", "deleted": true}, {"id": "m"}]}}',
    'sync_why says which members');
SELECT is(jsonb_path_query_array(learnsync.sync_why('eve', '{"resourceType": "chat", "resourceId": "r"}'),
    '$.fields.first.underneath[*].id'), '["a", "b", "d"]', 'and what is underneath');
SELECT is((SELECT details -> 'data' FROM learnsync_data.audit WHERE learner_id = 'eve' ORDER BY at DESC LIMIT 1),
    '{"first": {"remove": ["a", "b"]}, "last": [{"id": "l", "deleted": true}, {"id": "m"}]}', 'so does the audit');

-- use_merged is a correction of the members that differ.
SELECT learnsync.define_resource_type('notes', '{"key": ["k"], "stale": "discard", "fields": {
    "list": {"merge": "union", "id": "id"}, "tags": {"merge": "union"}, "n": {"merge": "max"}}}');
CREATE FUNCTION pg_temp.note(who text, data jsonb, minute int) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.push(who, pg_temp.item(data, minute, '{"resourceType": "notes"}')) $$;
SELECT pg_temp.note('uma', '{"list": [{"id": "a", "t": 1}, {"id": "b", "t": 1}], "tags": ["x", "y"], "n": 5}', -10);
SELECT pg_temp.note('uma', '{"n": 1}', -20);
SELECT is(learnsync.sync_resolve('uma', jsonb_build_object('conflictId', conflict_id, 'resolution', 'use_merged',
    'mergedData', '{"list": [{"id": "a", "t": 2}, {"id": "c", "t": 2}], "tags": ["x", "z"], "n": 5}'::jsonb, 'by',
    'ms.k', 'reason', 'so it is')) ->> 'version', '3', 'use_merged')
FROM learnsync_data.conflict WHERE learner_id = 'uma';
SELECT is(pg_temp.list('uma', 'list') || ' ' || pg_temp.list('uma', 'tags'), 'a:2 c:2 x z', 'is what is shown');
SELECT is(learnsync.sync_why('uma', '{"resourceType": "notes", "resourceId": "r"}') #> '{corrections,0,data}',
    '{"list": {"set": [{"t": 2, "id": "a"}, {"t": 2, "id": "c"}], "remove": [{"t": 1, "id": "b"}]},
      "tags": {"set": ["z"], "remove": ["y"]}}', 'as a correction of the members that differ');
SELECT is(pg_temp.note('uma', '{"list": [{"id": "b", "t": 5}, {"id": "d", "t": 5}], "tags": ["y", "w"]}', 5),
    'server_wins', 'which has not seen it');
SELECT is(pg_temp.list('uma', 'list') || ' ' || pg_temp.list('uma', 'tags'), 'a:2 c:2 d:5 x z w', 'it holds');
SELECT is(pg_temp.damage('uma'), NULL, 'nothing is damaged');
SELECT pg_temp.uncorrect('uma', 'notes');
SELECT is(pg_temp.list('uma', 'list'), 'a:1 b:1 d:5', 'and can be taken back');
SELECT pg_temp.note('uma', '{"n": 1}', -20);
SELECT learnsync.sync_resolve('uma', jsonb_build_object('conflictId', conflict_id, 'resolution', 'use_merged',
    'mergedData', '{"n": 5}'::jsonb, 'by', 'ms.k', 'reason', 'so it is'))
FROM learnsync_data.conflict WHERE learner_id = 'uma' AND closed_at IS NULL;
SELECT is(pg_temp.pulled('uma') #> '{data,list}', '[]', 'a list that the document does not have has no members');

-- A delete, and what comes after it.
SELECT is(pg_temp.push('uma', pg_temp.item(NULL, 6, '{"resourceType": "notes", "operation": "delete"}'
    || pg_temp.seen('uma'))), 'synced', 'a delete that has seen it');
SELECT pg_temp.note('uma', '{"list": [{"id": "a", "t": 7}]}', 7);
SELECT is(pg_temp.list('uma', 'list'), 'a:7', 'does away with the correction');

-- Ids that are long or hostile are members like others.
SELECT pg_temp.push('ids', pg_temp.item(jsonb_build_object('first', jsonb_build_array(
    jsonb_build_object('id', repeat('x', 300)), '{"id": "\"; DROP"}'::jsonb, '{"id": 7}'::jsonb, '"text"'::jsonb))));
SELECT is(pg_temp.correct('ids', jsonb_build_object('first', jsonb_build_object('remove', jsonb_build_array(
    jsonb_build_object('id', repeat('x', 300)), '"\"; DROP"'::jsonb, '{"id": 7.0}'::jsonb)))), '3', 'of any id');
SELECT is(pg_temp.pulled('ids') #> '{data,first}', '["text"]', 'are removed');
SELECT * FROM finish();
ROLLBACK;
