-- What an item is known by: a UUID wherever it comes from, any other id only as its device's.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.minutes(id text, spent int, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'lesson_progress',
        'clientTimestamp', '2026-01-08T10:00:00Z',
        'data', jsonb_build_object('lessonId', 'l1', 'timeSpent', spent)) || more $$;
CREATE FUNCTION pg_temp.push(learner text, device text, item jsonb, more jsonb DEFAULT '{}')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', device, 'items', jsonb_build_array(item))
        || more)::jsonb $$;
-- The verdict of the only item in short.
CREATE FUNCTION pg_temp.verdict(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', answer #>> '{results,0,status}', answer #>> '{failedItems,0,code}',
        CASE WHEN (answer #>> '{results,0,duplicate}')::boolean THEN 'again' END) $$;
CREATE FUNCTION pg_temp.spent(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT data ->> 'timeSpent' FROM learnsync_data.resource WHERE learner_id = learner AND resource_id = 'l1' $$;

-- A queue that a backup restored on another phone.
CREATE TEMP TABLE id (what text, id text, again text, is_unique boolean);
INSERT INTO id VALUES
    ('a version 4', '0f8fad5b-d9cb-469f-a165-70867728950e', '0f8fad5b-d9cb-469f-a165-70867728950e', true),
    ('a version 7', '018f3e7c-9a3b-7c4d-8e5f-0123456789ab', '018f3e7c-9a3b-7c4d-8e5f-0123456789ab', true),
    ('one in upper case', '0F8FAD5B-D9CB-469F-A165-70867728950E', '0f8fad5b-d9cb-469f-a165-70867728950e', true),
    ('one in mixed case', '018f3E7c-9a3b-7c4d-8e5f-0123456789aB', '018F3e7c-9A3b-7c4d-8e5f-0123456789AB', true),
    ('a version 1', 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6', 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6', false),
    ('a version 5', 'f81d4fae-7dec-51d0-a765-00a0c91e6bf6', 'f81d4fae-7dec-51d0-a765-00a0c91e6bf6', false),
    ('another variant', '0f8fad5b-d9cb-469f-c165-70867728950e', '0f8fad5b-d9cb-469f-c165-70867728950e', false),
    ('one without dashes', '0f8fad5bd9cb469fa16570867728950e', '0f8fad5bd9cb469fa16570867728950e', false),
    ('dashes elsewhere', '0f8fad5bd-9cb-469f-a165-70867728950e', '0f8fad5bd-9cb-469f-a165-70867728950e', false),
    ('one with other signs for dashes', '0f8fad5b_d9cb_469f_a165_70867728950e', '0f8fad5b_d9cb_469f_a165_70867728950e',
        false),
    ('one with a letter that is no digit', '0f8fad5b-d9cb-469f-a165-7086772g950e',
        '0f8fad5b-d9cb-469f-a165-7086772g950e', false),
    ('one with something after it', '0f8fad5b-d9cb-469f-a165-70867728950e.', '0f8fad5b-d9cb-469f-a165-70867728950e.',
        false),
    ('a counted id', 'local-1', 'local-1', false);
SELECT is(
    pg_temp.verdict(pg_temp.push('ann-' || what, 'old phone', pg_temp.minutes(id, 5))) || ', '
        || pg_temp.verdict(pg_temp.push('ann-' || what, 'new phone', pg_temp.minutes(again, 5))) || ', '
        || pg_temp.spent('ann-' || what),
    CASE WHEN is_unique THEN 'synced, synced again, 5' ELSE 'synced, synced, 10' END,
    what || CASE WHEN is_unique THEN ' is the same item from another phone'
                 ELSE ' is another item from another phone' END)
FROM id ORDER BY what;

-- The channel remains part of it, and the learner has rows of their own.
SELECT is(
    pg_temp.verdict(pg_temp.push('bob', 'd', pg_temp.minutes('0f8fad5b-d9cb-469f-a165-70867728950e', 5))),
    'synced',
    'the same UUID of another learner is another item');
SELECT is(
    learnsync.sync_progress('bob', '{"events": [{"idempotencyKey": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "deviceId": "d", "moduleId": "m", "progressPercent": 10, "syncVersion": 1,
        "clientTimestamp": "2026-01-08T10:00:00Z"}]}')::jsonb #>> '{data,results,0,status}',
    'applied',
    'and so it is in another channel');
SELECT pg_temp.push('carl', 'old phone', pg_temp.minutes('local-1', 5)) AS carls \gset
SELECT is(
    (SELECT count(DISTINCT l.key) FROM learnsync_data.ledger l
     WHERE l.learner_id IN ('bob', 'ann-a version 4') AND l.version = 2),
    1::bigint,
    'a receipt of a UUID says nothing of the learner, so that it can move');
SELECT is(
    (SELECT count(DISTINCT l.key) FROM learnsync_data.ledger l
     WHERE l.learner_id IN ('carl', 'ann-a counted id') AND l.version = 2),
    2::bigint,
    'a receipt of a counted id does');

-- What an item says is not who sent it.
SELECT is(
    pg_temp.verdict(pg_temp.push('dan', 'd', pg_temp.minutes('i', 5, more))) || ', '
        || pg_temp.verdict(pg_temp.push('dan', 'd', pg_temp.minutes('i', 5, other))),
    CASE WHEN n = 1 THEN 'synced' ELSE 'synced again' END || ', synced again',
    what || ' is no part of the payload')
FROM (VALUES
    (1, 'deviceId', '{"deviceId": "d"}'::jsonb, '{"deviceId": "e"}'::jsonb),
    (2, 'seen', '{"seen": 7}', '{"seen": "a cursor"}'),
    (3, 'ancestor', '{"ancestor": {"timeSpent": 1}}', '{"ancestor": null}')) x (n, what, more, other)
ORDER BY n;
SELECT is(
    pg_temp.push('dan', 'd', pg_temp.minutes('deep', 5, jsonb_build_object('ancestor',
        (repeat('[', 100) || repeat(']', 100))::jsonb))) #>> '{failedItems,0,code}',
    'too_large',
    'but what is deeper than we read is refused there, too');
SELECT is(
    pg_temp.push('dan', 'd', pg_temp.minutes('wide', 5, '{"ancestor": {"n": 1e1000}}')) #>> '{failedItems,0,code}',
    'out_of_range',
    'and so is a number that is no finite one');

-- Tablets imaged from one: both count their ids from 1.
SELECT pg_temp.push('eve', 'tablet', pg_temp.minutes('local-1', 5)) AS first \gset
SELECT is(
    pg_temp.push('eve', 'tablet', pg_temp.minutes('local-1', 7)) -> 'failedItems',
    jsonb_build_array(jsonb_build_object('id', 'local-1', 'code', 'id_reused', 'path', 'id', 'retryable', false,
        'error', 'this id was already accepted with other content',
        'first', jsonb_build_object('status', 'synced', 'version', 2))),
    'a clone is told what became of the id');
SELECT is(
    pg_temp.push('eve', 'tablet', pg_temp.minutes('local-2', 5), jsonb_build_object('items',
        jsonb_build_array(pg_temp.minutes('x', 1), pg_temp.minutes('x', 2)))) #> '{failedItems,0,first}',
    '{"status": "synced", "version": 3}',
    'also where the first copy is of the same push');
SELECT is(
    (SELECT f.item #>> '{data,timeSpent}' FROM learnsync_data.failed f
     WHERE f.learner_id = 'eve' AND f.item_id = 'local-1'),
    '7',
    'what it sent is recorded');
SELECT is(
    pg_temp.verdict(pg_temp.push('eve', 'tablet', pg_temp.minutes('9b2f3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d', 7)))
        || ' ' || pg_temp.spent('eve'),
    'synced 13',
    'under a new id it counts');
SELECT ok(
    NOT pg_temp.push('eve', 'tablet', pg_temp.minutes('y', -1)) #> '{failedItems,0}' ? 'first',
    'what failed for another reason has no first copy');

-- What was accepted is not judged anew; and what is sent back for want of room is not a reused id.
SELECT learnsync.define_resource_type('book', '{"key": ["bookId"], "policy": "insert_only"}');
CREATE FUNCTION pg_temp.book(id text, text text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'create', 'resourceType', 'book', 'clientTimestamp',
        '2026-01-08T10:00:00Z', 'data', jsonb_build_object('bookId', 'b', 'text', text)) $$;
SELECT pg_temp.push('gil', 'd', pg_temp.book('1', repeat('x', 2000)));
SET LOCAL learnsync.max_item_bytes = '1kB';
SELECT is(pg_temp.verdict(pg_temp.push('gil', 'd', pg_temp.book('1', repeat('x', 2000)))), 'synced again',
    'an item that was accepted is a duplicate, though it would be too large by now');
SELECT is(pg_temp.verdict(pg_temp.push('gil', 'd', pg_temp.book('2', repeat('x', 2000)))), 'failed too_large',
    'as a new one is');
RESET learnsync.max_item_bytes;
SET LOCAL learnsync.max_answer_bytes = '1kB';
SELECT is(
    pg_temp.push('gil', 'd', '{}', jsonb_build_object('items', jsonb_build_array(
        pg_temp.book('3', 'other'), pg_temp.book('4', 'another'), pg_temp.book('1', repeat('x', 2000)))))
        #> '{failedItems,1}',
    '{"id": "1", "code": "aborted", "path": "", "error": "the answer has no room for it; send it again",
      "retryable": true}',
    'a known item that an answer has no room for is not told what became of it');
RESET learnsync.max_answer_bytes;

-- Events.
CREATE FUNCTION pg_temp.put(event jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.progress_put('fay', jsonb_build_object('events', jsonb_build_array(event)))::jsonb -> 'data' $$;
CREATE FUNCTION pg_temp.event(id text, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('eventId', id, 'occurredAt', '2026-01-08T10:00:00Z', 'clientId', 'app',
        'type', 'content.progressed', 'payload', '{"contentId": "c", "status": "passed"}'::jsonb) || more $$;
SELECT is(
    (pg_temp.put(pg_temp.event('0F8FAD5B-D9CB-469F-A165-70867728950E')) ->> 'accepted')
        || (pg_temp.put(pg_temp.event('0f8fad5b-d9cb-469f-a165-70867728950e')) ->> 'duplicates'),
    '11',
    'an event of the same UUID in another case is the same');
SELECT is(
    learnsync.progress_get('fay')::jsonb #>> '{data,events,0,eventId}',
    '0F8FAD5B-D9CB-469F-A165-70867728950E',
    'it comes back as sent');
SELECT is(
    pg_temp.put(pg_temp.event('0f8fad5b-d9cb-469f-a165-70867728950e',
        '{"payload": {"contentId": "c", "status": "completed"}}')) #> '{failedEvents,0}',
    '{"code": "id_reused", "eventId": "0f8fad5b-d9cb-469f-a165-70867728950e",
      "message": "this id was already accepted with other content", "first": {"status": "synced", "version": 2}}',
    'with other content it is told what became of the first');
SELECT is(
    pg_temp.put(pg_temp.event('0f8fad5b-d9cb-469f-a165-70867728950e', '{"payload": 7}'))
        #>> '{failedEvents,0,code}',
    'id_reused',
    'also where that would be refused by itself');
SELECT is((SELECT count(*) FROM learnsync.progress_verify()), 0::bigint, 'the snapshot is that of the log');

SELECT * FROM finish();
ROLLBACK;
