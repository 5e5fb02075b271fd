-- progress_batch and profiles: the cases that their first system lists, who owns what, and what an owner reads.
BEGIN;
SELECT no_plan();

\ir ask.psql
CREATE ROLE test_service;
SELECT learnsync.grant_access('test_service', 'service');
CREATE FUNCTION pg_temp.item(key text, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('idempotency_key', key, 'activity_type', 'letters', 'content_id', 'A',
        'timestamp', '2026-01-29T10:00:00Z') || more $$;
CREATE FUNCTION pg_temp.shown(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', r ->> 'idempotency_key', r ->> 'status', '(' || (r ->> 'error') || ')'),
        ', ' ORDER BY n)
    FROM jsonb_array_elements(answer -> 'results') WITH ORDINALITY x (r, n) $$;
CREATE FUNCTION pg_temp.batch(profile text, VARIADIC items jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.shown(learnsync.progress_batch(profile, jsonb_build_object('profile_id', profile,
        'items', to_jsonb(items)))) $$;
CREATE FUNCTION pg_temp.send(learner text, profile text, VARIADIC items jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.ask(learner, format('SELECT pg_temp.shown(learnsync_api.progress_batch(%L))',
        jsonb_build_object('profile_id', profile, 'items', to_jsonb(items)))) $$;
CREATE FUNCTION pg_temp.refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- Backend receives batch and dedupes.
SELECT is(learnsync.add_profile('kid', 'mum'), true, 'a new profile');
SELECT is(pg_temp.batch('kid', pg_temp.item('a', '{"score": 90}'), pg_temp.item('b')), 'a ok, b ok', 'a batch');
SELECT is(
    pg_temp.batch('kid', pg_temp.item('a', '{"score": 90}'), pg_temp.item('b')),
    'a duplicate, b duplicate',
    'the same batch again: duplicate detection');
SELECT is(
    pg_temp.batch('kid', pg_temp.item('a', '{"score": 90}'), pg_temp.item('c'), pg_temp.item('c'),
        pg_temp.item('d', '{"content_id": null}'), pg_temp.item('a', '{"score": 91}'), pg_temp.item('e')),
    'a duplicate, c ok, c duplicate, d error (content_id is missing), a error (this id was already accepted with '
    'other content), e ok',
    'a mixed batch');
SELECT is(
    pg_temp.batch('kid', pg_temp.item('a', '{"score": 90}'), pg_temp.item('d'), pg_temp.item('e')),
    'a duplicate, d ok, e duplicate',
    'partial failure: the corrected one goes in, the others are known');
SELECT is(
    (SELECT count(*) FROM learnsync_data.failed WHERE learner_id = 'kid' AND item_id = 'd'),
    0::bigint,
    'nothing is left of the failure');
CREATE TEMP TABLE first AS
SELECT learnsync.progress_batch('kid', jsonb_build_object(
    'items', jsonb_build_array(pg_temp.item('s')))) #> '{results,0}' AS answer;
SELECT is(
    (SELECT answer ->> 'status' FROM first),
    'ok',
    'profile_id may be left out where a backend names the learner');
SELECT is(
    learnsync.progress_batch('kid', jsonb_build_object(
        'items', jsonb_build_array(pg_temp.item('s'), pg_temp.item('t')))) #> '{results,0}',
    (SELECT answer || '{"status": "duplicate"}' FROM first),
    'a duplicate carries the server_id of the first');
SELECT isnt(
    learnsync.progress_batch('kid', jsonb_build_object(
        'items', jsonb_build_array(pg_temp.item('t')))) #>> '{results,0,server_id}',
    (SELECT answer ->> 'server_id' FROM first),
    'another one another');
SELECT is(pg_temp.batch('sis', pg_temp.item('a')), 'a ok', 'the same key of another profile');
SELECT is(
    learnsync.progress_batch('none', request),
    '{"results": []}',
    'nothing to send, no results: ' || request::text)
FROM (VALUES
    ('{"profile_id": "none", "items": []}'::jsonb),
    ('{"profile_id": "none", "items": null}'),
    ('{"profile_id": "none"}')) v (request);
SELECT is((SELECT count(*) FROM learnsync_data.learner WHERE learner_id = 'none'), 0::bigint, 'which makes no learner');

-- The whole record is kept, at its time; without one it is from now, and a retry is still the same.
SELECT is(
    pg_temp.batch('rec',
        pg_temp.item('full', '{"score": 12.5, "duration_seconds": 7, "meta_data": {"hand": "left"}, "completed": true,
            "more": [1]}'),
        pg_temp.item('now') - 'timestamp',
        pg_temp.item('null', '{"timestamp": null}')),
    'full ok, now ok, null ok',
    'all members');
SELECT is(
    pg_temp.batch('rec', pg_temp.item('now') - 'timestamp', pg_temp.item('null', '{"timestamp": null}')),
    'now duplicate, null duplicate',
    'again without a time');
SELECT is(
    (SELECT data FROM learnsync_data.resource WHERE learner_id = 'rec' AND resource_id = 'full'),
    pg_temp.item('full', '{"score": 12.5, "duration_seconds": 7, "meta_data": {"hand": "left"}, "completed": true,
        "more": [1]}'),
    'nothing is lost');
SELECT is(
    pg_temp.batch('res', pg_temp.item('r', '{"resourceId": "x", "operation": "delete"}')),
    'r ok',
    'members that mean something to sync_push are members like any other');
SELECT is(
    (SELECT data ->> 'resourceId' FROM learnsync_data.resource WHERE learner_id = 'res' AND resource_id = 'r'),
    'x',
    'and kept');
SELECT is(
    (SELECT string_agg(resource_id || ' ' || (at = '2026-01-29T10:00:00Z') || ' '
             || (at > now() - interval '1 minute'),
         ', ' ORDER BY resource_id)
     FROM learnsync_data.resource WHERE learner_id = 'rec'),
    'full true false, now false true, null false true',
    'times');

-- One engine: sync_pull sees the activities, progress_batch those of sync_push.
SELECT is(
    (SELECT c -> 'data' ->> 'score'
     FROM jsonb_array_elements(learnsync.sync_pull('rec', '{"deviceId": "d"}')::jsonb -> 'changes') c
     WHERE c ->> 'resourceId' = 'full'),
    '12.5',
    'sync_pull sees it');
SELECT is(
    learnsync.sync_push('rec', '{"deviceId": "d", "items": [{"id": "1", "operation": "create",
        "resourceType": "activity", "data": {"idempotency_key": "pushed", "activity_type": "x", "content_id": "y"},
        "clientTimestamp": "2026-01-08T10:00:00Z"}]}') #>> '{results,0,status}',
    'synced',
    'pushed');
SELECT is(
    pg_temp.batch('rec',
        '{"idempotency_key": "pushed", "activity_type": "x", "content_id": "y"}',
        '{"idempotency_key": "pushed2", "activity_type": "x", "content_id": "y"}'),
    'pushed duplicate, pushed2 ok',
    'what sync_push brought is a duplicate');
SELECT is(
    learnsync.sync_push('rec', '{"deviceId": "d", "items": [{"id": "2", "operation": "create",
        "resourceType": "activity", "data": {"idempotency_key": "other", "activity_type": "x", "content_id": "y"},
        "clientTimestamp": "2026-01-08T10:00:00Z"}]}') #>> '{results,0,status}',
    'synced',
    'pushed');
SELECT is(
    pg_temp.batch('rec', '{"idempotency_key": "other", "activity_type": "x", "content_id": "z"}'),
    'other error (idempotency_key is that of another activity)',
    'unless it was another activity');
SELECT is(
    (SELECT count(*) FROM learnsync_data.conflict WHERE learner_id = 'rec' AND closed_at IS NULL),
    1::bigint,
    'which a person can see');

-- Each field wrong in each way it can be.
SELECT is(pg_temp.batch('bad', pg_temp.item('x', more)), 'x error (' || error || ')', more::text)
FROM (VALUES
    ('{"activity_type": null}'::jsonb, 'activity_type is missing'),
    ('{"activity_type": 1}', 'activity_type must be a string'),
    ('{"content_id": {}}', 'content_id must be a string'),
    ('{"score": "high"}', 'score must be a number'),
    ('{"duration_seconds": -1}', 'duration_seconds must be at least 0'),
    ('{"duration_seconds": "1"}', 'duration_seconds must be a number'),
    ('{"meta_data": []}', 'meta_data must be an object'),
    ('{"completed": 1}', 'completed must be true or false'),
    ('{"timestamp": "2026-01-29"}',
        'timestamp must be an RFC 3339 time with offset, such as 2026-01-08T10:30:00.000Z'),
    ('{"timestamp": 5}',
        'timestamp must be an RFC 3339 time with offset, such as 2026-01-08T10:30:00.000Z')) v (more, error);
SELECT is(
    learnsync.progress_batch('bad', jsonb_build_object('items', jsonb_build_array(item))) #> '{results,0}',
    jsonb_build_object('idempotency_key', NULL, 'status', 'error', 'error', error),
    item::text)
FROM (VALUES
    ('7'::jsonb, 'an item must be an object'),
    ('{}', 'idempotency_key must be a string of 1 to 200 characters'),
    ('{"idempotency_key": true}', 'idempotency_key must be a string of 1 to 200 characters')) v (item, error);
SELECT is(pg_temp.refusal(format('SELECT learnsync.progress_batch(''bad'', %L)', request)), refusal, request)
FROM (VALUES
    ('{"items": {}}', '22023 items must be an array'),
    ('{"items": 1}', '22023 items must be an array'),
    ('[]', '22023 request must be a JSON object'),
    ('{"profile_id": "other", "items": []}', '22023 profile_id must be the learner'),
    ('{"profile_id": 5, "items": []}',
        '22023 profile_id must be a string of 1 to 200 characters')) v (request, refusal);

-- Whose profile it is.
SELECT is(learnsync.add_profile('kid', 'mum'), false, 'added already');
SELECT is(pg_temp.send('mum', 'kid', pg_temp.item('m')), 'm ok', 'the owner sends');
SELECT is(pg_temp.send('mum', 'mum', pg_temp.item('m')), 'm ok', 'and for herself');
SELECT is(pg_temp.send(learner, profile, pg_temp.item('m')), 'PT404 profile not found', learner || ' for ' || profile)
FROM (VALUES
    ('dad', 'kid'),
    ('kid', 'mum'),
    ('mum', 'sis'),
    ('mum', 'nobody'),
    ('mum', 'KID'),
    ('mu', 'kid'),
    ('mum', 'kid ')) v (learner, profile);
SELECT is(pg_temp.send('kid', 'kid', pg_temp.item('own')), 'own ok', 'a profile that signs in is itself');
SELECT is(
    pg_temp.ask('mum', 'SELECT learnsync_api.progress_batch(''{"items": []}'')'),
    '22023 profile_id is missing',
    'the API wants the profile named');
SELECT is(
    pg_temp.ask('', 'SELECT learnsync_api.progress_batch(''{"profile_id": "kid", "items": []}'')'),
    '28000 no learner is signed in',
    'nobody');
SELECT is(pg_temp.ask('mum', statement), '42501 permission denied for schema learnsync', statement)
FROM unnest(ARRAY['SELECT learnsync.add_profile(''x'', ''mum'')', 'SELECT learnsync.remove_profile(''kid'')',
    'SELECT learnsync.progress_batch(''sis'', ''{"items": []}'')']) statement;
SELECT is(
    pg_temp.refusal(format('SELECT learnsync.add_profile(%L, %L)', profile, owner)),
    refusal,
    format('%L for %L', profile, owner))
FROM (VALUES
    ('kid', 'dad', '23505 profile is somebody else''s already'),
    ('mum', 'dad', '23505 profile is somebody else''s already'),
    ('sis', 'mum', '23505 profile is somebody else''s already'),
    ('x', 'x', '22023 profile_id and owner must be two ids of 1 to 200 characters'),
    ('', 'mum', '22023 profile_id and owner must be two ids of 1 to 200 characters'),
    (NULL, 'mum', '22023 profile_id and owner must be two ids of 1 to 200 characters'),
    ('x', NULL, '22023 profile_id and owner must be two ids of 1 to 200 characters'),
    (repeat('x', 201), 'mum',
        '22023 profile_id and owner must be two ids of 1 to 200 characters')) v (profile, owner, refusal);

-- What an owner reads: the activities of the profiles, newest first, and what they sum up to; nothing else of theirs.
SELECT learnsync.add_profile('boy', 'mum'),
    pg_temp.batch('boy',
        pg_temp.item('1', '{"score": 80, "duration_seconds": 10, "content_id": "A"}'),
        pg_temp.item('2', '{"score": 100, "duration_seconds": 2.5, "content_id": "A",
            "timestamp": "2026-01-29T12:00:00+01:00"}'),
        pg_temp.item('3', '{"score": 79.9, "content_id": "B", "timestamp": "2026-01-30T10:00:00Z"}'),
        pg_temp.item('4', '{"content_id": "C", "timestamp": "2026-01-28T10:00:00Z", "completed": true}'));
SELECT learnsync.sync_push('boy', '{"deviceId": "d", "items": [{"id": "l", "operation": "update",
    "resourceType": "lesson_progress", "data": {"lessonId": "l"}, "clientTimestamp": "2026-01-08T10:00:00Z"}]}');
SELECT is(
    pg_temp.ask('mum',
        'SELECT string_agg(idempotency_key, '','') FROM (SELECT idempotency_key FROM learnsync_api.activity WHERE '
        'learner_id = ''boy'') a'),
    '3,2,1,4',
    'newest first');
SELECT is(
    pg_temp.ask('mum',
        'SELECT string_agg(DISTINCT learner_id, '','' ORDER BY learner_id) FROM learnsync_api.activity'),
    'boy,kid,mum',
    'of all her profiles and herself');
SELECT is(
    pg_temp.ask(learner, 'SELECT count(*) FROM learnsync_api.activity WHERE learner_id IN (''boy'', ''kid'')'),
    seen,
    learner || ' sees ' || seen)
FROM (VALUES ('dad', '0'), ('sis', '0'), ('boy', '4'), ('', '0')) v (learner, seen);
SELECT is(
    pg_temp.ask('mum',
        'SELECT concat_ws('' '', activities, total_score, round(average_score, 2), duration_seconds, '
        'completed_contents, last_activity_at = ''2026-01-30T10:00:00Z'') FROM learnsync_api.profile_stats WHERE '
        'learner_id = ''boy'''),
    '4 259.9 86.63 12.5 1 t',
    'profile_stats');
SELECT learnsync.add_profile('baby', 'mum');
SELECT is(
    pg_temp.ask('mum',
        'SELECT string_agg(learner_id || activities, '','' ORDER BY learner_id) FROM learnsync_api.profile_stats'),
    'baby0,boy4,kid9,mum1',
    'one row each, also of who has done nothing');
SELECT is(
    pg_temp.ask('dad', 'SELECT string_agg(learner_id || activities, '','') FROM learnsync_api.profile_stats'),
    'dad0',
    'nobody else''s');
SELECT is(
    pg_temp.ask('mum', 'SELECT string_agg(learner_id, '','' ORDER BY learner_id) FROM learnsync_api.profile'),
    'baby,boy,kid',
    'the profiles themselves');
SELECT is(
    pg_temp.ask('mum', 'SELECT count(*) FROM learnsync_api.lesson_progress'),
    '0',
    'lessons stay their learner''s');
SELECT is(pg_temp.ask('boy', 'SELECT count(*) FROM learnsync_api.lesson_progress'), '1', 'who sees them');
SELECT is(
    jsonb_array_length(learnsync.sync_pull('mum', '{"deviceId": "d"}')::jsonb -> 'changes'),
    1,
    'and what she pulls is her own');
SELECT pg_temp.batch('huge',
    pg_temp.item('a', '{"score": 1.7e308, "duration_seconds": 1.7e308}'),
    pg_temp.item('b', '{"score": 1.7e308, "duration_seconds": 1.7e308}'),
    pg_temp.item('c', '{"score": 85, "duration_seconds": 1e-399}'));
SELECT is(
    pg_temp.ask('huge',
        'SELECT concat_ws('' '', activities, total_score, round(average_score), completed_contents, duration_seconds '
        '< 1) FROM learnsync_api.profile_stats'),
    '3 85 85 1 t',
    'numbers beyond all measure are no sums');
SAVEPOINT loose;
DELETE FROM learnsync_data.resource WHERE resource_type = 'activity';
SELECT learnsync.define_resource_type('activity', '{"key": ["idempotency_key"], "generateKey": true,
    "policy": "immutable"}');
SELECT is(
    pg_temp.batch('loose',
        pg_temp.item('a', '{"score": "high", "duration_seconds": {}}'),
        pg_temp.item('b', '{"score": 7}')),
    'a ok, b ok',
    'a rule that takes anything');
SELECT is(
    pg_temp.ask('loose',
        'SELECT string_agg(concat_ws('' '', idempotency_key, score, duration_seconds, data ->> ''score''), '', '' '
        'ORDER BY idempotency_key) FROM learnsync_api.activity'),
    'a high, b 7 7',
    'what is no number is not shown as one');
SELECT is(
    pg_temp.ask('loose',
        'SELECT concat_ws('' '', activities, total_score, duration_seconds) FROM learnsync_api.profile_stats'),
    '2 7 0',
    'nor counted');
ROLLBACK TO loose;

-- A batch that is older than the receipts which are kept.
UPDATE learnsync_data.learner SET receipt_horizon = '2026-01-30' WHERE learner_id = 'kid';
SELECT is(
    left(
        pg_temp.batch('kid', pg_temp.item('old'), pg_temp.item('a', '{"score": 90}'),
            pg_temp.item('young') - 'timestamp'),
        80),
    left(
        'old error (items this old are not taken any more, as it is not known whether they were taken before), a '
        'duplicate',
        80),
    'items that old are refused, those with a receipt known');
SELECT is(
    (SELECT code || ' ' || path FROM learnsync_data.failed WHERE learner_id = 'kid' AND item_id = 'old'),
    'expired timestamp',
    'by the member that says so');
UPDATE learnsync_data.learner SET receipt_horizon = NULL WHERE learner_id = 'kid';

-- Taken away, given to another; erased.
SELECT is(learnsync.remove_profile('boy'), true, 'removed');
SELECT is(learnsync.remove_profile('boy'), false, 'once');
SELECT is(pg_temp.send('mum', 'boy', pg_temp.item('z')), 'PT404 profile not found', 'she sends no more');
SELECT is(
    pg_temp.ask('mum', 'SELECT count(*) FROM learnsync_api.activity WHERE learner_id = ''boy'''),
    '0',
    'and reads no more');
SELECT is((SELECT count(*) FROM learnsync_data.resource WHERE learner_id = 'boy'), 5::bigint, 'nothing is lost');
SELECT is(learnsync.add_profile('boy', 'dad'), true, 'another owner');
SELECT is(pg_temp.ask('dad', 'SELECT count(*) FROM learnsync_api.activity'), '4', 'who reads it');
SELECT learnsync.forget_learner('kid'), learnsync.forget_learner('dad');
SELECT is(pg_temp.send('mum', 'kid', pg_temp.item('z')), 'PT404 profile not found', 'an erased profile is no profile');
SELECT is(
    pg_temp.refusal($$SELECT learnsync.add_profile('kid', 'mum')$$),
    'PT410 this learner was erased',
    'and cannot come back');
SELECT is(
    (SELECT concat_ws(' ', learner_id, owner) FROM learnsync_data.profile WHERE learner_id = 'boy'),
    'boy',
    'of an erased owner nothing is left');
SELECT is(
    pg_temp.refusal(format('SELECT learnsync.add_profile(%L, ''dad'')', profile)),
    'PT410 this learner was erased',
    'who gets no profile, ' || profile)
FROM unnest('{boy,brandnew}'::text[]) profile;
SELECT is(
    (SELECT count(*) FROM learnsync_data.learner WHERE learner_id IN ('brandnew', 'dad')),
    0::bigint,
    'nor comes back by it');
SELECT is(learnsync.add_profile('first', 'parent'), true, 'an owner who never pushed');
SELECT is(
    (SELECT string_agg(learner_id, ',') FROM learnsync_data.learner WHERE learner_id IN ('first', 'parent')),
    'first',
    'is no learner by that');
SELECT is(learnsync.add_profile('parent', 'grandma'), true, 'and can be a profile');
SELECT is((SELECT count(*) FROM learnsync_data.resource WHERE learner_id = 'boy'), 5::bigint, 'the profile stays');

SELECT * FROM finish();
ROLLBACK;
