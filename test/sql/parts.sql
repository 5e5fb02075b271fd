-- Learners spread over servers by parts: who is here, and how a part is given away.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.push(learner text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN learnsync.sync_push(learner, '{"deviceId": "d", "items": [
        {"id": "1", "operation": "update", "resourceType": "lesson_progress",
            "clientTimestamp": "2026-01-08T10:00:00Z", "data": {"lessonId": "a", "timeSpent": 1}}]}' || more)::jsonb
        #>> '{results,0,status}';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    EXECUTE statement INTO answer;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
-- Every reader of one learner, and what it answers where the learner is elsewhere.
CREATE TEMP TABLE reader (call text);
INSERT INTO reader VALUES ('learnsync.sync_pull(%L, ''{"deviceId": "d", "lastSyncVersion": 1}'')'),
    ('learnsync.sync_status(%L)'), ('learnsync.sync_devices(%L)'), ('learnsync.progress_get(%L)'),
    ('learnsync.sync_verify(%L, ''{"cursor": "x", "count": 0, "sum": 0}'')'),
    ('learnsync.sync_why(%L, ''{"resourceType": "lesson_progress", "resourceId": "a"}'')'),
    ('(SELECT count(*) FROM learnsync.xapi_export(%L))');
CREATE FUNCTION pg_temp.refused(learner text) RETURNS bigint LANGUAGE sql AS $$
SELECT count(*) FROM reader
WHERE pg_temp.try('SELECT ' || format(call, learner)) = 'PT503 the learner is on another server'
$$;

SELECT is(
    ARRAY(SELECT learnsync.part_of(l) FROM unnest(ARRAY['ada', 'grace', 'a\b', '\\', 'ünïcode 日本', 'x']) l),
    ARRAY[238, 16, 32, 27, 186, 113],
    'which part a learner is in never changes');
SELECT is(
    (SELECT count(*) FROM generate_series(1, 300) i, LATERAL (SELECT i || E'\\' || chr(i) AS id) x
     WHERE learnsync.part_of(id, 65536) <>
        ('x' || left(encode(sha256(convert_to(id, 'UTF8')), 'hex'), 4))::bit(16)::integer),
    0::bigint,
    'it is the first two bytes of the SHA-256 of the id, backslashes and all');
SELECT is(
    (SELECT count(DISTINCT learnsync.part_of(i::text)) FROM generate_series(1, 5000) i), 256::bigint,
    'learners are spread over all parts');

SELECT is(learnsync.shard_parts(), '{"parts": null, "here": [], "fenced": [], "leaving": []}', 'alone at first');
SELECT is(pg_temp.push('ada'), 'synced', 'ada is here');
SELECT is(pg_temp.push('grace'), 'synced', 'grace is');
SELECT throws_ok('SELECT learnsync.part_fence(238)', '55000', NULL, 'without parts there is none to fence');
SELECT throws_ok('SELECT learnsync.part_accept(238)', '55000', NULL, 'to accept');
SELECT throws_ok('SELECT learnsync.part_purge(238)', '55000', NULL, 'to purge');
SELECT throws_ok('SELECT learnsync.part_publication_sql(238)', '55000', NULL, 'or to publish');
SELECT throws_ok(format('SELECT learnsync.part_hold(0, 0, %s)', parts), '22023',
    'parts must be a power of two from 1 to 65536', 'their number is a power of two: ' || parts)
FROM unnest('{100,0,131072,-1,"NULL"}'::text[]) parts;
SELECT throws_ok('SELECT learnsync.part_hold(0, 256)', '22023', 'first and last must be parts, from 0 to 255',
    'and greater than each');
SELECT throws_ok(format('SELECT learnsync.part_hold(%s)', range), '22023',
    'first and last must be parts, from 0 to 255', 'no range without both ends: ' || range)
FROM unnest('{"NULL, 15","3, NULL"}'::text[]) range;
SELECT throws_ok('SELECT learnsync.part_hold(0, 15)', '55000', 'this server has learners of other parts',
    'no learner may be left out');
SELECT is(learnsync.part_hold(0, 255), 'this server has 256 of 256 parts', 'one server has all');
SELECT is(learnsync.part_hold(3, 5), 'this server has 256 of 256 parts', 'again: as before');
SELECT throws_ok('SELECT learnsync.part_hold(0, 127, 128)', '55000', 'learners are divided into 256 parts',
    'another number of parts');
SELECT is(pg_temp.push('newcomer'), 'synced', 'who is new is taken');
SELECT is(pg_temp.refused('ada'), 0::bigint, 'who is here reads');
SELECT is(pg_temp.refused('nobody'), 0::bigint, 'who is not known yet too');

SELECT learnsync.sync_pull('ada', '{"deviceId": "d"}') ->> 'cursor' AS cursor \gset
SELECT learnsync.part_verify(238) AS held \gset
SELECT learnsync.part_fence(238) AS source \gset
SELECT is(:'source'::jsonb ->> 'learners', '1', 'a part is fenced');
SELECT is((learnsync.part_fence(238) - 'life')::text, (:'source'::jsonb - 'life')::text, 'twice is once');
SELECT is(learnsync.part_verify(238), :'held', 'nothing else changes by that');
SELECT is(learnsync.shard_parts() -> 'fenced', '[238]', 'which shows');
SELECT is(pg_temp.push('ada'), 'PT503 the learner is on another server', 'a push is refused');
SELECT is(pg_temp.push('ada', '{"dryRun": true}'), 'PT503 the learner is on another server', 'a dry one');
SELECT is(pg_temp.push('ada', '{"items": []}'), 'PT503 the learner is on another server', 'an empty one');
SELECT is(
    pg_temp.try($$SELECT learnsync.sync_deactivate_device('ada', '{"deviceId": "d"}')$$),
    'PT503 the learner is on another server',
    'no device is deactivated on the wrong side');
SELECT is(pg_temp.refused('ada'), (SELECT count(*) FROM reader), 'no reader answers');
SELECT is(pg_temp.push('grace'), 'synced', 'others are not concerned');
SELECT is(
    (SELECT id FROM generate_series(1, 5000) i, LATERAL (SELECT 'n' || i AS id) x
     WHERE learnsync.part_of(id) = 238 AND pg_temp.push(id) <> 'PT503 the learner is on another server' LIMIT 1),
    NULL,
    'who is new in that part is refused');
SELECT is((SELECT count(*) FROM learnsync_data.learner WHERE learnsync.part_of(learner_id) = 238), 1::bigint,
    'and leaves nothing');

SELECT is(learnsync.part_accept(238, :'source'), 'part 238 is here', 'it stays after all');
SELECT is(pg_temp.push('ada'), 'synced', 'and goes on');
SELECT is(
    learnsync.sync_pull('ada', jsonb_build_object('deviceId', 'd', 'cursor', :'cursor')) ->> 'reset', 'false',
    'with its cursor');
SELECT throws_ok('SELECT learnsync.part_purge(238)', '55000', NULL, 'what is here is not purged');

-- As a server does that gets rows of another one, which has another epoch.
SELECT learnsync.part_fence(238) AS source \gset
SELECT learnsync.new_epoch();
SELECT is(learnsync.part_accept(238, :'source'), 'part 238 is here', 'a part comes from a server of another epoch');
SELECT is(
    learnsync.sync_pull('ada', jsonb_build_object('deviceId', 'd', 'cursor', :'cursor')) ->> 'reset', 'false',
    'no device of it starts anew');
SELECT isnt(
    (SELECT l.epoch FROM learnsync_data.learner l WHERE l.learner_id = 'ada'),
    (SELECT i.epoch FROM learnsync_data.instance i),
    'as the learner keeps the epoch of before');
SELECT learnsync.new_epoch();
SELECT is(
    learnsync.sync_pull('ada', jsonb_build_object('deviceId', 'd', 'cursor', :'cursor')) ->> 'reset', 'true',
    'until there is a new one');

-- Who was erased while the rows were on their way.
INSERT INTO learnsync_data.forgotten SELECT learnsync_internal.forgotten_hash_as_owner('ada'), now();
SELECT matches(
    learnsync.part_accept(238), 'of 1 learners who were erased', 'who was erased meanwhile does not come back');
SELECT is(
    (SELECT count(*) FROM learnsync_data.resource WHERE learner_id = 'ada')
        + (SELECT count(*) FROM learnsync_data.learner WHERE learner_id = 'ada'),
    0::bigint,
    'nothing of that learner');
SELECT is(pg_temp.push('ada'), 'PT410 this learner was erased', 'is here');

SET client_min_messages = error;
CREATE FUNCTION pg_temp.publish(part integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    statement text;
BEGIN
    FOR statement IN SELECT p.statement FROM learnsync.part_publication_sql(publish.part) p LOOP
        EXECUTE statement;
    END LOOP;
    RETURN (SELECT count(*) FROM pg_publication_tables WHERE pubname = 'learnsync_part_' || part);
END $$;
SELECT is(
    pg_temp.publish(16), (SELECT count(*) FROM learnsync_internal.learner_tables()),
    'every table with rows of learners is published, in a form that PostgreSQL takes');
SELECT is(pg_temp.publish(16), (SELECT count(*) FROM learnsync_internal.learner_tables()), 'again');

-- Given away.
SELECT learnsync.sync_correct('grace', '{"resourceType": "lesson_progress", "resourceId": "a", "by": "tutor",
    "reason": "told me", "data": {"timeSpent": 7}}') IS NOT NULL AS corrected;
SELECT throws_ok($$DELETE FROM learnsync_data.audit WHERE learner_id = 'grace'$$, '42501', NULL, 'the audit stays');
SELECT learnsync.part_fence(16);
SELECT is(learnsync.part_purge(16), 1::bigint, 'a part that was given away is removed');
SELECT is(learnsync.part_purge(16), 0::bigint, 'to its end');
SELECT is(
    (SELECT string_agg(t, ', ') FROM learnsync_internal.learner_tables() t
     WHERE pg_temp.try(format('SELECT count(*) FROM learnsync_data.%I WHERE learner_id = %L', t, 'grace')) <> '0'),
    NULL,
    'with all of its rows, those of the audit too');
SELECT is(
    pg_temp.push('grace'), 'PT503 the learner is on another server', 'a push that comes all the same is refused');
SELECT is(pg_temp.refused('grace'), (SELECT count(*) FROM reader), 'so is every reader');
SELECT is(learnsync.forget_learner('grace'), 0::bigint, 'erasing works on every server');
SELECT is(learnsync.remember_learner('grace'), true, 'so does the way back');
SELECT is((SELECT count(*) FROM learnsync_data.learner WHERE learner_id = 'grace'), 0::bigint,
    'but the learner is not made here');
SELECT is(
    pg_temp.try($$SELECT learnsync.add_profile('grace', 'ada')$$), 'PT503 the learner is on another server',
    'nor is a profile made where its part is not');
SELECT is(learnsync.part_accept(16), 'part 16 is here', 'the part may come back');
SELECT is(pg_temp.push('grace'), 'synced', 'with new learners');

-- What a new server is told, and what two must have in common.
SELECT learnsync.shard_state() AS state \gset
SELECT is(
    ARRAY(SELECT jsonb_object_keys(:'state'::jsonb) EXCEPT SELECT unnest('{release,schema,parts,secret,settings,'
        'forgotten,resource_type,content,placement,replacement,interaction,change}'::text[])),
    '{}',
    'what servers have in common');
SELECT unalike(:'state'::text, '%' || (SELECT encode(secret, 'hex') FROM learnsync_data.instance) || '%',
    'which tells no secret');
SELECT learnsync.register_content('{"contents": [{"contentId": "new", "kind": "lesson"}]}') IS NOT NULL AS registered;
SELECT is(
    ARRAY(SELECT e.key FROM jsonb_each(learnsync.shard_state()) e WHERE :'state'::jsonb -> e.key <> e.value ORDER BY 1),
    '{content}',
    'a change of the catalog is seen');
-- What a router has begun and not ended stays put down, and is answered to the next, whatever it is that one wants.
SELECT throws_ok($$SELECT learnsync_internal.shard_change_begin('{"routine": "x"}')$$, '22023',
    'change must have a routine and its arguments', 'a change has a routine and arguments');
SELECT throws_ok('SELECT learnsync_internal.shard_change_begin(NULL)', '22023', NULL, 'and is not nothing');
SELECT throws_ok('SELECT learnsync_internal.shard_change_end(true)', '55000', 'this change was not begun here',
    'only what was begun can end');
SELECT is(learnsync_internal.shard_change_end(NULL), false, 'and nothing is let go that was not taken');
SELECT is(
    learnsync_internal.shard_change_begin('{"routine": "drop_resource_type", "arguments": ["a"], "subject": "a"}'),
    NULL, 'a change begins');
SELECT is(learnsync_internal.shard_change_end(false), true, 'its router goes');
SELECT is(learnsync.shard_state() -> 'change' ->> 'subject', 'a', 'it is still seen');
SELECT is(
    learnsync_internal.shard_change_begin('{"routine": "x", "arguments": [], "subject": "b"}') ->> 'routine',
    'drop_resource_type', 'who changes something else has to complete it first');
SELECT is(
    learnsync_internal.shard_change_begin('{"routine": "y", "arguments": [], "subject": "a"}'), NULL,
    'who changes the same takes its place');
SELECT is(learnsync.shard_state() -> 'change' ->> 'routine', 'y', 'and is put down then');
SELECT is(
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), 1::bigint,
    'however often it is begun, it is held once');
SELECT is(learnsync_internal.shard_change_end(true), true, 'it ends');
SELECT is(learnsync.shard_state() -> 'change', 'null', 'and is gone');
SELECT is(
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), 0::bigint,
    'others may go on');

CREATE TEMP TABLE seed AS SELECT * FROM learnsync.shard_seed() WITH ORDINALITY s (statement, n);
SELECT is(
    (SELECT count(*) FROM seed s CROSS JOIN learnsync_data.instance i
     WHERE strpos(s.statement, encode(i.secret, 'hex')) > 0),
    1::bigint, 'a seed has the secret');
SELECT matches(
    pg_temp.try((SELECT statement FROM seed WHERE n = 1)), 'this server has learners already',
    'and is for nobody who has learners');
SELECT release FROM learnsync_data.instance \gset
UPDATE learnsync_data.instance SET release = 'another';
SELECT matches(
    pg_temp.try((SELECT statement FROM seed WHERE n = 1)), 'this server has another release',
    'nor for another release');
UPDATE learnsync_data.instance SET release = :'release';
SELECT throws_ok(format('SELECT learnsync.router_sql(%s)', c.call), '22023',
    'shards must be 1 to 100 connection strings, parts a power of two up to 65536', 'no router of ' || c.call)
FROM (VALUES ('NULL'), ('''{}'''), ('''{dbname=a,NULL}'''), ('array_fill(''dbname=a''::text, ''{101}'')'),
    ('''{dbname=a}'', NULL'), ('''{dbname=a}'', 0'), ('''{dbname=a}'', 100'), ('''{dbname=a}'', 131072')) c (call);
SELECT throws_ok($$SELECT learnsync.router_sql('{dbname=a,dbname=b PASSWORD=x}')$$, '22023',
    'shards must have no passwords', 'who reads a router''s functions reads no password');
SELECT is(
    pg_temp.try((SELECT substr(s, strpos(s, 'DO $do$')) FROM learnsync.router_sql('{dbname=a}') s LIMIT 1)),
    '55000 this database has learnsync', 'a router is a database of its own');
CREATE ROLE test_parts_admin;
SELECT learnsync.grant_access('test_parts_admin', 'admin');
SET ROLE test_parts_admin;
SELECT throws_ok('SELECT learnsync.shard_seed()', '42501', NULL, 'administrators do not get it');
RESET ROLE;

-- A part that was to come, and did not come whole.
SELECT learnsync.part_fence(16);
SELECT is(learnsync.part_purge(16, 1), 1::bigint, 'a part is being removed');
SELECT throws_ok('SELECT learnsync.part_accept(16)', '55000', NULL, 'which does not end half-way');
SELECT throws_ok('SELECT learnsync.part_purge(16, 0)', '22023', 'learners must be a positive number',
    'by none at a time it would never end');
SELECT throws_ok(format('SELECT learnsync.%s', c.call), '55000', c.message, c.call)
FROM (VALUES ('part_fence(256)', 'part 256 is not here'), ('part_accept(NULL)', 'there is no part NULL'),
    ('part_publication_sql(256)', 'there is no part 256'), ('part_publication_sql(-1)', 'there is no part -1'))
    c (call, message);
SELECT is(learnsync.part_purge(16), 0::bigint, 'it is gone');
SET session_replication_role = replica;
INSERT INTO learnsync_data.learner (learner_id) VALUES ('grace');
INSERT INTO learnsync_data.audit (learner_id, at, action, role) VALUES ('grace', now(), 'x', 'x');
RESET session_replication_role;
SELECT is(pg_temp.push('grace'), 'PT503 the learner is on another server', 'who came by replication is not here yet');
SELECT is(learnsync.part_purge(16), 1::bigint, 'and can be removed again');
SELECT is((SELECT count(*) FROM learnsync_data.audit WHERE learner_id = 'grace'), 0::bigint, 'with the audit');
SELECT is(learnsync.shard_parts() -> 'leaving', '[]', 'nothing stays of it');

-- While a rule changes with its data nobody comes or goes: which rule they go by is each server's own to know.
SELECT learnsync.define_resource_type('moved', '{"key": ["k"], "fields": {"n": {"merge": "latest"}}}');
SELECT learnsync.sync_push('x', '{"deviceId": "d", "items": [{"id": "m", "operation": "update",
    "resourceType": "moved", "clientTimestamp": "2026-01-08T10:00:00Z", "data": {"k": "a", "n": 1}}]}');
SELECT learnsync.define_resource_type('moved', '{"key": ["k"], "fields": {"n": {"merge": "max"}}}', rebase => true);
SELECT throws_ok('SELECT learnsync.part_fence(113)', '55000',
    'the rule of resource type "moved" is being changed, or was within the hour', 'no part goes');
SELECT throws_ok('SELECT learnsync.part_accept(16)', '55000',
    'the rule of resource type "moved" is being changed, or was within the hour', 'and none comes');
SELECT is(learnsync.part_accept(113), 'part 113 is here', 'what was to go can stay');
SELECT learnsync_internal.rebase_learner('moved', 'x'), learnsync_internal.end_rebase('moved');
SELECT throws_ok('SELECT learnsync.part_fence(113)', '55000', NULL, 'nor as long as a push may go by the old rule');
UPDATE learnsync_data.resource_type SET rebased_at = rebased_at - interval '2 hours' WHERE name = 'moved';
SELECT learnsync_internal.end_rebase('moved');
SELECT is(
    learnsync.part_fence(113) ->> 'learners',
    (SELECT count(*)::text FROM learnsync_internal.part_learners_as_owner(113)), 'then it goes');
SET session_replication_role = replica;
INSERT INTO learnsync_data.learner (learner_id) VALUES ('grace');
INSERT INTO learnsync_data.rebased VALUES ('grace', 'moved', 7);
RESET session_replication_role;
SELECT is(learnsync.part_accept(16), 'part 16 is here', 'and another comes');
SELECT is(
    ARRAY(SELECT learner_id FROM learnsync_data.rebased WHERE resource_type = 'moved'), '{x}',
    'without the numbers of another server, by which later changes would pass them by');

SELECT * FROM finish();
ROLLBACK;
