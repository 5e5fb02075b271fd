-- Items of a type that is not defined, or of content that is not registered, wait for it and are taken up then, in
-- order, in every channel. Procedures that commit cannot run in one transaction with the tests, so this file has a
-- database of its own.
SELECT current_database() AS home \gset
SET client_min_messages = warning;
DROP DATABASE IF EXISTS learnsync_waiting;
CREATE DATABASE learnsync_waiting TEMPLATE template0;
\connect learnsync_waiting
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION learnsync;
SELECT learnsync.setup();
SELECT no_plan();

CREATE FUNCTION pg_temp.item(id text, type text, data jsonb DEFAULT '{}', resource text DEFAULT 'r')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', type, 'resourceId', resource,
        'clientTimestamp', '2026-01-08T10:00:00Z', 'data', data) $$;
CREATE FUNCTION pg_temp.answer(learner text, more jsonb, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', to_jsonb(items)) || more)::jsonb
    $$;
CREATE FUNCTION pg_temp.told(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', r ->> 'id', r ->> 'status',
            CASE WHEN (r ->> 'duplicate')::boolean THEN 'again' END, f ->> 'code',
            CASE f ->> 'waiting' WHEN 'true' THEN 'waiting' END), ', ' ORDER BY n)
    FROM jsonb_array_elements(answer -> 'results') WITH ORDINALITY x (r, n)
        LEFT JOIN LATERAL (SELECT e AS f FROM jsonb_array_elements(answer -> 'failedItems') e
                           WHERE e ->> 'id' = r ->> 'id' LIMIT 1) y ON r ->> 'status' = 'failed' $$;
CREATE FUNCTION pg_temp.push(learner text, more jsonb, VARIADIC items jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.told(pg_temp.answer(learner, more, VARIADIC items)) $$;
CREATE FUNCTION pg_temp.failed(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', item_id, code, waits_for, retry_count), ', '
        ORDER BY first_failed_at, "position")
    FROM learnsync_data.failed WHERE learner_id = learner $$;
CREATE FUNCTION pg_temp.stored(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(resource_type || ' ' || resource_id || ' ' || data, ', ' ORDER BY resource_type, resource_id)
    FROM learnsync_data.resource WHERE learner_id = learner AND resource_type <> 'mastery' $$;
CREATE FUNCTION pg_temp.age(learner text, days int) RETURNS void LANGUAGE sql AS $$
    UPDATE learnsync_data.failed SET failed_at = failed_at - days * interval '1 day',
        first_failed_at = first_failed_at - days * interval '1 day' WHERE learner_id = learner $$;

-- What is told, and what is kept.
SELECT is(
    pg_temp.push('ann', '{}', pg_temp.item('1', 'badge', '{"n": 1}'), pg_temp.item('2', 'mastery'),
        pg_temp.item('3', 'mastery') - 'operation'),
    '1 failed unknown_type waiting, 2 synced, 3 failed invalid',
    'an item of a type that there is not waits; one that is wrong in itself does not');
SELECT is(
    pg_temp.answer('ann', '{}', pg_temp.item('1', 'badge', '{"n": 1}')) -> 'failedItems',
    '[{"id": "1", "code": "unknown_type", "path": "resourceType", "error": "unknown resource type", "waiting": true,
       "retryable": false}]',
    'and is told so, however often it comes, as it is not to be sent again at once');
SELECT is(
    pg_temp.push('ann', '{"dryRun": true}', pg_temp.item('9', 'badge')),
    '9 failed unknown_type waiting',
    'a dry run says what would be');
SELECT is(pg_temp.failed('ann'), '1 unknown_type badge 1, 3 invalid 0', 'and keeps nothing');
SELECT is(
    pg_temp.push('ann', '{}', pg_temp.item('x', repeat('x', 300))),
    'x failed unknown_type',
    'what no type can be called is waited for in vain, and said so');
SELECT is(
    pg_temp.push('ann', '{}', pg_temp.item('4', 'badge'), pg_temp.item('4', 'badge'), pg_temp.item('5', 'badge'),
        pg_temp.item('5', 'mastery')),
    '4 failed unknown_type waiting, 4 failed unknown_type waiting, 5 failed unknown_type, 5 synced',
    'copies wait together; not where another copy is taken');
SELECT is(
    pg_temp.push('ann', '{"atomic": true}', pg_temp.item('6', 'badge'), pg_temp.item('7', 'mastery')),
    '6 failed unknown_type waiting, 7 failed aborted',
    'so it is in an atomic push');

-- Taken up by the learner's next push, before its own items, under the names that they had.
CREATE FUNCTION pg_temp.both(device text, n int) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.push('bob', jsonb_build_object('deviceId', device),
        pg_temp.item('1', 'once', jsonb_build_object('by', device)),
        pg_temp.item('2', 'badge', jsonb_build_object('n', n))) $$;
SELECT pg_temp.both('d1', 1);
SELECT pg_temp.both('d0', 2);
UPDATE learnsync_data.device SET last_sync_at = '2026-01-01Z' WHERE learner_id = 'bob';
SELECT is(
    pg_temp.push('bob', '{"deviceId": "d2"}', pg_temp.item('0', 'mastery')),
    '0 synced',
    'while there is no such type, other items come and go');
SELECT is(
    pg_temp.failed('bob'),
    '1 unknown_type once 0, 2 unknown_type badge 0, 1 unknown_type once 0, 2 unknown_type badge 0',
    'and these wait');
SELECT learnsync.define_resource_type('once', '{"key": [], "policy": "insert_only"}');
SELECT learnsync.define_resource_type('badge', '{"policy": "merge", "fields": {"n": {"merge": "sum"}}}');
SELECT is(
    pg_temp.both('d2', 4),
    '1 conflict, 2 synced',
    'once there is, the next push takes them up before its own');
SELECT is(
    pg_temp.stored('bob'),
    'badge r {"n": 7}, once r {"by": "d1"}',
    'in the order in which they came: the first stands');
SELECT is(pg_temp.failed('bob'), NULL, 'none is left');
SELECT is(
    (SELECT string_agg(device_id || (last_sync_at = '2026-01-01Z')::text, ' ' ORDER BY device_id)
     FROM learnsync_data.device WHERE learner_id = 'bob'),
    'd0true d1true d2false',
    'their devices were not here');
SELECT is(
    pg_temp.both('d0', 2),
    '1 conflict again, 2 synced again',
    'nothing counts twice where the device sends them as well');
SELECT pg_temp.push('cat', '{}', pg_temp.item('1', 'later', '{"n": 1}'));
SELECT learnsync.define_resource_type('later', '{"policy": "merge", "fields": {"n": {"merge": "sum"}}}');
SELECT is(
    pg_temp.push('cat', '{"lastSyncVersion": 1}', pg_temp.item('1', 'later', '{"n": 5}'),
        pg_temp.item('2', 'later', '{"n": 1}')),
    '1 synced, 2 synced',
    'of what the push itself brings again, its own copy counts, which may be corrected');
SELECT is(pg_temp.stored('cat'), 'later r {"n": 6}', 'and no other');
SELECT is(pg_temp.failed('cat'), NULL, 'the one that waited is dropped');
SELECT pg_temp.push('cat', '{}', pg_temp.item('3', 'much later', '{"n": 1}'));
SELECT is(
    pg_temp.answer('cat', '{"lastSyncVersion": 2}', pg_temp.item('4', 'later', '{"n": 1}')) ->> 'syncVersion',
    '3',
    'while nothing is taken up, the cursor moves on with the device''s own');

-- The cursor that a push answers skips nothing of what was taken up.
SELECT pg_temp.push('dan', '{}', pg_temp.item('1', 'soon', '{"n": 1}'));
SELECT learnsync.define_resource_type('soon', '{"policy": "latest"}');
SELECT is(
    pg_temp.answer('dan', '{"lastSyncVersion": 1}', pg_temp.item('2', 'mastery')) ->> 'syncVersion',
    '1',
    'a cursor does not pass what was taken up');
SELECT pg_temp.push('dot', '{}', pg_temp.item('1', 'sooner', '{"n": 1}'));
SELECT learnsync.define_resource_type('sooner', '{"policy": "latest"}');
SELECT is(
    pg_temp.answer('dot', '{"lastSyncVersion": 2}', pg_temp.item('2', 'mastery')) ->> 'reset',
    'true',
    'one that was ahead of the learner stays so');

-- Every channel, by retry_failed: content that is registered later, types that were dropped, and the event log.
SELECT learnsync.drop_resource_type('activity');
CREATE FUNCTION pg_temp.complete(learner text, key text, module text, score int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_completions(learner, jsonb_build_object('events', jsonb_build_array(jsonb_build_object(
        'idempotencyKey', key, 'deviceId', 'tab', 'moduleId', module, 'score', score,
        'clientTimestamp', '2026-01-08T10:00:00Z')))) #> '{data,results,0}' $$;
CREATE FUNCTION pg_temp.act(learner text, key text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.progress_batch(learner, jsonb_build_object('items', jsonb_build_array(jsonb_build_object(
        'idempotency_key', key, 'activity_type', 'quiz', 'content_id', 'c')))) #> '{results,0}' $$;
CREATE FUNCTION pg_temp.put(learner text, id text, type text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.progress_put(learner, jsonb_build_object('deviceId', 'tab', 'events', jsonb_build_array(
        jsonb_build_object('eventId', id, 'type', type, 'clientId', 'tab',
            'occurredAt', '2026-01-08T10:00:00Z')))) -> 'data' $$;
SELECT is(
    pg_temp.complete('eve', 'k1', 'm1', 70),
    '{"status": "rejected", "reason": "moduleId is not in the content catalog", "waiting": true,
      "idempotencyKey": "k1"}',
    'a completion waits for its module');
SELECT is(
    pg_temp.act('eve', 'a1'),
    '{"status": "error", "error": "resource type activity was dropped", "waiting": true, "idempotency_key": "a1"}',
    'an activity for its type');
SELECT is(
    pg_temp.put('eve', 'e1', 'progress.resumed') -> 'failedEvents',
    '[{"code": "unknown_type", "eventId": "e1", "message": "unknown event type", "waiting": true}]',
    'an event for a release that knows its type');
CALL learnsync.retry_failed();
SELECT is(
    pg_temp.failed('eve'),
    'k1 unknown_content m1 0, a1 unknown_type activity 0, e1 unknown_type progress.resumed 0',
    'all of them wait, and trying again counts nothing');
SELECT learnsync.register_content('{"contents": [{"contentId": "m1"}]}');
SELECT learnsync.reset_resource_type('activity');
UPDATE learnsync_data.failed SET waits_for = 'progress.reset', item = jsonb_set(item, '{type}', '"progress.reset"')
WHERE learner_id = 'eve' AND channel = 'progress_put';
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('eve'), NULL, 'all are taken up once it is there');
SELECT is(
    (SELECT string_agg(concat_ws(' ', resource_type, resource_id, data ->> 'score'), ', ' ORDER BY resource_type)
     FROM learnsync_data.resource WHERE learner_id = 'eve')
        || (SELECT string_agg(', ' || event_id, '') FROM learnsync_data.event WHERE learner_id = 'eve'),
    'activity a1, module_completion m1 70, e1',
    'each in its own channel');
SELECT is(
    pg_temp.complete('eve', 'k1', 'm1', 70) ->> 'reason',
    'duplicate idempotencyKey',
    'the app''s own copy is a duplicate');
SELECT is(pg_temp.act('eve', 'a1') ->> 'status', 'duplicate', 'of an activity, too');

-- An item may wait for one thing after the other; what is wrong with it comes out when it can be judged.
SELECT pg_temp.push('fay', '{}', pg_temp.item('1', 'course_note', '{"courseId": "k"}', 'k'),
    pg_temp.item('2', 'course_note', '{"courseId": "k", "n": "x"}', 'k'));
SELECT learnsync.define_resource_type('course_note',
    '{"key": ["courseId"], "requireContent": true, "fields": {"n": {"merge": "sum"}}}');
CALL learnsync.retry_failed('fay');
SELECT is(
    pg_temp.failed('fay'),
    '1 unknown_content k 0, 2 invalid 0',
    'first for its type, then for its content; or it is wrong');
SELECT learnsync.register_content('{"contents": [{"contentId": "k"}]}');
UPDATE learnsync_data.instance SET swept_at = NULL;
CALL learnsync.maintain();
SELECT is(pg_temp.failed('fay'), '2 invalid 0', 'maintain() takes it up');

-- A device that is turned away keeps its items, and no push fails for it.
SELECT pg_temp.push('gil', '{"deviceId": "lost"}', pg_temp.item('1', 'gone', '{"n": 1}'));
SELECT pg_temp.push('gil', '{"deviceId": "kept"}', pg_temp.item('1', 'gone', '{"n": 2}'));
SELECT learnsync.sync_deactivate_device('gil', '{"deviceId": "lost"}');
SELECT learnsync.define_resource_type('gone', '{"fields": {"n": {"merge": "sum"}}}');
SELECT is(pg_temp.push('gil', '{"deviceId": "kept"}', pg_temp.item('2', 'mastery')), '2 synced', 'the push goes on');
CALL learnsync.retry_failed();
SELECT is(pg_temp.stored('gil'), 'gone r {"n": 2}', 'without what the lost device had sent');
SELECT learnsync.sync_activate_device('gil', '{"deviceId": "lost"}');
CALL learnsync.retry_failed();
SELECT is(pg_temp.stored('gil'), 'gone r {"n": 3}', 'which is taken when it is let in again');

-- A device that was forgotten meanwhile does not come back, nor does it push another out.
SELECT pg_temp.push('hal', '{"deviceId": "old"}', pg_temp.item('1', 'gone2', '{"n": 1}'));
DELETE FROM learnsync_data.device WHERE learner_id = 'hal';
SELECT learnsync.define_resource_type('gone2', '{"fields": {"n": {"merge": "sum"}}}');
SELECT pg_temp.push('hal', '{"deviceId": "new"}', pg_temp.item('2', 'mastery'));
SELECT is(
    pg_temp.stored('hal')
        || (SELECT string_agg(', ' || device_id, '') FROM learnsync_data.device WHERE learner_id = 'hal'),
    'gone2 r {"n": 1}, new',
    'its items are taken all the same');

-- Neither age nor number drops what waits; no more than a thousand do.
CREATE FUNCTION pg_temp.many(start int, stop int, more text[], name text, type text)
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT pg_temp.answer('ida', '{}',
        VARIADIC ARRAY(SELECT pg_temp.item(name || n, type) - more FROM generate_series(start, stop) n)) $$;
SELECT pg_temp.many(1, 600, '{}', 'w', 'never') IS NULL;
SELECT pg_temp.many(1, 1000, '{operation}', 'bad', 'mastery') IS NULL;
SELECT pg_temp.many(1001, 1100, '{operation}', 'bad', 'mastery') IS NULL;
SELECT is(
    (SELECT count(waits_for) || ' of ' || count(*) FROM learnsync_data.failed WHERE learner_id = 'ida'),
    '600 of 1600',
    'those that wait are kept beside the newest thousand of the others');
SELECT is(
    (SELECT count(*) FILTER (WHERE f -> 'waiting' = 'true') || ' of ' || count(*)
     FROM jsonb_array_elements(pg_temp.many(501, 1200, '{}', 'w', 'never') -> 'failedItems') f),
    '500 of 700',
    'the thousandth is the last that is told to wait; who waits already keeps waiting');
SELECT is(
    (SELECT count(waits_for) || ' of ' || count(*) FROM learnsync_data.failed WHERE learner_id = 'ida'),
    '1000 of 2000',
    'the others are the newest of those that do not');
SELECT pg_temp.age('ida', 400);
UPDATE learnsync_data.instance SET swept_at = NULL;
CALL learnsync.maintain();
SELECT is(
    (SELECT count(waits_for) || ' of ' || count(*) FROM learnsync_data.failed WHERE learner_id = 'ida'),
    '1000 of 1000',
    'after a year those that wait are still there');

-- Whether a device was turned away is asked for what has arrived, not for all that waits.
BEGIN;
CREATE TEMP TABLE before AS SELECT idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'device';
SELECT pg_temp.push('ida', '{}', pg_temp.item('m', 'mastery'));
SELECT cmp_ok(
    s.idx_scan - b.idx_scan, '<', 100::bigint,
    'a push does not look up the devices of a thousand items that wait on')
FROM pg_stat_xact_user_tables s, before b WHERE s.relname = 'device';
COMMIT;

-- Receipts may be gone by then: what has waited is known to be new, and what was too old when it came does not wait.
CREATE FUNCTION pg_temp.old(id text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT pg_temp.item(id, 'year', '{"n": 1}')
        || jsonb_build_object('clientTimestamp', now() - interval '9 days') $$;
SELECT pg_temp.push('joe', '{}', pg_temp.old('1'));
UPDATE learnsync_data.learner SET receipt_horizon = now() - interval '8 days' WHERE learner_id = 'joe';
SELECT is(
    pg_temp.push('joe', '{}', pg_temp.old('1'), pg_temp.old('2')),
    '1 failed unknown_type waiting, 2 failed expired',
    'an item whose receipt may be gone does not begin to wait');
SELECT learnsync.define_resource_type('year', '{"fields": {"n": {"merge": "sum"}}}');
CALL learnsync.retry_failed();
SELECT is(pg_temp.stored('joe'), 'year r {"n": 1}', 'one that waited before the receipts went is taken');

-- An item that fails for another reason than it waited for begins its tries anew.
SELECT pg_temp.push('kim', '{}', pg_temp.item('1', 'tried', '{"n": 1}')) FROM generate_series(1, 9);
ALTER TABLE learnsync_data.resource ADD CONSTRAINT team CHECK (resource_type <> 'tried');
SELECT learnsync.define_resource_type('tried', '{"fields": {"n": {"merge": "sum"}}}');
SELECT is(
    pg_temp.push('kim', '{}', pg_temp.item('2', 'mastery')),
    '2 synced',
    'what is taken up and refused leaves the push alone');
SELECT is(pg_temp.failed('kim'), '1 error 0', 'the tries of the time before do not count');
ALTER TABLE learnsync_data.resource DROP CONSTRAINT team;
SELECT pg_temp.age('kim', 1);
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('kim'), NULL, 'so it is tried');

-- A row that somebody damaged keeps what waits for it, not the learner.
SELECT pg_temp.push('lea', '{}', pg_temp.item('1', 'harmed', '{"n": 1}'));
SELECT learnsync.define_resource_type('harmed', '{"fields": {"n": {"merge": "sum"}}}');
INSERT INTO learnsync_data.resource VALUES ('lea', 'harmed', 'r', 1, 1, now(), NULL, now(), '[]');
SELECT is(pg_temp.push('lea', '{}', pg_temp.item('2', 'mastery')), '2 synced', 'her push goes on');
SELECT is(pg_temp.failed('lea'), '1 unknown_type harmed 0', 'and what waits goes on waiting');
DELETE FROM learnsync_data.resource WHERE learner_id = 'lea' AND resource_type = 'harmed';
SELECT is(pg_temp.push('lea', '{}', pg_temp.item('3', 'mastery')), '3 synced', 'until it is mended');
SELECT is(pg_temp.failed('lea'), NULL, 'then it is taken');

-- Others that write take them up as well, and a learner whose calls are limited is not charged for it.
SELECT pg_temp.push('mia', '{}', pg_temp.item('1', 'any', '{"n": 1}'));
SELECT learnsync.define_resource_type('any', '{"fields": {"n": {"merge": "sum"}}}');
SELECT is(
    pg_temp.push('mia', '{"dryRun": true}', pg_temp.item('2', 'mastery')) || COALESCE(pg_temp.stored('mia'), ''),
    '2 synced',
    'a dry run takes up nothing');
SET learnsync.rate_limit = 1;
SELECT pg_temp.put('mia', 'e1', 'progress.reset');
SELECT is(pg_temp.stored('mia'), 'any r {"n": 1}', 'a put to the event log takes them up, within its one call');
SELECT throws_ok($$ SELECT pg_temp.put('mia', 'e2', 'progress.reset') $$, 'PT429', NULL, 'which is charged');
RESET learnsync.rate_limit;

SELECT * FROM finish();
\connect :home
DROP DATABASE learnsync_waiting WITH (FORCE);
