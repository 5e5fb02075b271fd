-- sync_progress and sync_completions: the cases that their first system lists, and what may go wrong beside them.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.event(key text, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('idempotencyKey', key, 'deviceId', 'tab', 'moduleId', 'm1',
        'clientTimestamp', '2026-01-08T10:00:00Z') || more $$;
CREATE FUNCTION pg_temp.shown(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', r ->> 'idempotencyKey', r ->> 'status', '(' || (r ->> 'reason') || ')'),
        ', ' ORDER BY n)
    FROM jsonb_array_elements(answer #> '{data,results}') WITH ORDINALITY x (r, n) $$;
CREATE FUNCTION pg_temp.progress(learner text, VARIADIC events jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.shown(learnsync.sync_progress(learner, jsonb_build_object('events', to_jsonb(events)))) $$;
CREATE FUNCTION pg_temp.complete(learner text, VARIADIC events jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.shown(learnsync.sync_completions(learner, jsonb_build_object('events', to_jsonb(events)))) $$;
CREATE FUNCTION pg_temp.at(percent numeric, version int, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('progressPercent', percent, 'syncVersion', version) || more $$;
CREATE FUNCTION pg_temp.score(score numeric, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('score', score) || more $$;
CREATE FUNCTION pg_temp.document(learner text, type text, id text DEFAULT 'm1') RETURNS jsonb LANGUAGE sql AS $$
    SELECT c -> 'data'
    FROM jsonb_array_elements(learnsync.sync_pull(learner, '{"deviceId": "reader"}')::jsonb -> 'changes') c
    WHERE c ->> 'resourceType' = type AND c ->> 'resourceId' = id $$;
CREATE FUNCTION pg_temp.refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text;
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''));
END $$;
-- 500 bad events of two devices in turn.
CREATE FUNCTION pg_temp.bad_events(request int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_progress('many', jsonb_build_object('events', (
            SELECT jsonb_agg(pg_temp.event(request || '-' || n, jsonb_build_object('deviceId', 'd' || n % 2)))
            FROM generate_series(1, 500) n))) $$;
SELECT learnsync.register_content('{"contents": [
    {"contentId": "m1", "kind": "module"},
    {"contentId": "m2", "kind": "module"}]}');

-- How to test, as the seed has it.
SELECT is(pg_temp.progress('ann', pg_temp.event('k1', pg_temp.at(60, 1))), 'k1 applied', 'an event is applied');
SELECT is(
    pg_temp.progress('ann', pg_temp.event('k1', pg_temp.at(60, 1))),
    'k1 skipped (duplicate idempotencyKey)',
    'the same payload again is skipped');
SELECT is(pg_temp.progress('ann', pg_temp.event('k2', pg_temp.at(80, 3))), 'k2 applied', 'a later version is applied');
SELECT is(
    pg_temp.progress('ann', pg_temp.event('k3', pg_temp.at(90, 2))),
    'k3 skipped (stale syncVersion)',
    'a version lower than the stored one is skipped, stale');
SELECT is(
    pg_temp.document('ann', 'module_progress'),
    '{"moduleId": "m1", "syncVersion": 3, "progressPercent": 80}',
    'and leaves the module as it was');
SELECT is(
    pg_temp.complete('ann', pg_temp.event('c1', pg_temp.score(70))),
    'c1 applied',
    'a completion of a module that exists is applied');
SELECT is(pg_temp.complete('ann', pg_temp.event('c2', pg_temp.score(85))), 'c2 applied', 'a higher score is applied');
SELECT is(
    pg_temp.complete('ann', pg_temp.event('c3', pg_temp.score(80))),
    'c3 skipped (score is not higher than the stored one)',
    'a module already completed with a higher score is skipped');
SELECT is(
    pg_temp.complete('ann', pg_temp.event('c4', pg_temp.score(85))),
    'c4 skipped (score is not higher than the stored one)',
    'an equal score is skipped');
SELECT is(
    pg_temp.document('ann', 'module_completion'),
    '{"score": 85, "moduleId": "m1", "completedAt": "2026-01-08T10:00:00.000Z"}',
    'the best score stays');
SELECT is(
    pg_temp.complete('ann', pg_temp.event('c5', pg_temp.score(85, '{"moduleId": "m9"}'))),
    'c5 rejected (moduleId is not in the content catalog)',
    'a module that does not exist is rejected');

-- The rejected event may be sent again, once its module is there.
SELECT is(
    pg_temp.complete('ann', pg_temp.event('c5', pg_temp.score(85, '{"moduleId": "m9"}'))),
    'c5 rejected (moduleId is not in the content catalog)',
    'still rejected');
SELECT is(
    (SELECT concat_ws(' ', channel, device_id, code, path, retry_count) FROM learnsync_data.failed
     WHERE learner_id = 'ann'),
    'sync_completions tab unknown_content moduleId 1',
    'recorded once');
SELECT learnsync.register_content('{"contents": [{"contentId": "m9", "kind": "module"}]}');
SELECT is(
    pg_temp.complete('ann', pg_temp.event('c5', pg_temp.score(85, '{"moduleId": "m9"}'))),
    'c5 applied',
    'and applied once the module is in the catalog');
SELECT is(
    (SELECT count(*) FROM learnsync_data.failed WHERE learner_id = 'ann'),
    0::bigint,
    'nothing is left of the failure');
SELECT learnsync.register_content('{"contents": [{"contentId": "m9", "retired": true}]}');
SELECT is(
    pg_temp.complete('ann', pg_temp.event('c6', pg_temp.score(95, '{"moduleId": "m9"}'))),
    'c6 applied',
    'a retired module is still one: tablets come late');

-- A mixed batch, in input order; each verdict knows the ones before it.
SELECT is(
    pg_temp.complete('mix',
        pg_temp.event('a', pg_temp.score(50)),
        pg_temp.event('b', pg_temp.score(40)),
        pg_temp.event('a', pg_temp.score(50)),
        pg_temp.event('c', pg_temp.score(60)),
        pg_temp.event('d', pg_temp.score(101)),
        pg_temp.event('e', pg_temp.score(55)),
        pg_temp.event('a', pg_temp.score(51)),
        pg_temp.event('f', pg_temp.score(1, '{"moduleId": "m2"}')),
        pg_temp.event('g', pg_temp.score(1, '{"moduleId": "no"}'))),
    'a applied, b skipped (score is not higher than the stored one), a skipped (duplicate idempotencyKey), c '
    'applied, d rejected (score must be between 0 and 100), e skipped (score is not higher than the stored one), a '
    'rejected (this id was already accepted with other content), f applied, g rejected (moduleId is not in the '
    'content catalog)',
    'a mixed batch');
SELECT is(
    pg_temp.progress('mix', pg_temp.event('a', pg_temp.at(50, 5)), pg_temp.event('b', pg_temp.at(60, 4)),
        pg_temp.event('c', pg_temp.at(70, 6))),
    'a applied, b skipped (stale syncVersion), c applied',
    'versions out of order in one batch');
SELECT is(
    pg_temp.progress('tie',
        pg_temp.event('a', pg_temp.at(50, 1)),
        pg_temp.event('b', pg_temp.at(60, 1, '{"clientTimestamp": "2026-01-08T11:00:00Z"}')),
        pg_temp.event('c', pg_temp.at(70, 1))),
    'a applied, b applied, c skipped (stale syncVersion)',
    'equal versions: the later client time');

-- A retry of a batch of which parts were bad.
SELECT is(
    pg_temp.progress('retry', pg_temp.event('a', pg_temp.at(10, 1)), pg_temp.event('b', pg_temp.at(101, 2)),
        pg_temp.event('c', pg_temp.at(30, 3))),
    'a applied, b rejected (progressPercent must be between 0 and 100), c applied',
    'partly bad');
SELECT is(
    pg_temp.progress('retry', pg_temp.event('a', pg_temp.at(10, 1)), pg_temp.event('b', pg_temp.at(100, 4)),
        pg_temp.event('c', pg_temp.at(30, 3))),
    'a skipped (duplicate idempotencyKey), b applied, c skipped (duplicate idempotencyKey)',
    'the corrected one is applied, the others are known');
SELECT is(
    (SELECT version FROM learnsync_data.learner WHERE learner_id = 'retry'),
    3::bigint,
    'which changed the module twice: once per push');

-- Keys: per learner, not shared between the two functions, nor with sync_push.
SELECT is(
    pg_temp.progress('bob', pg_temp.event('k1', pg_temp.at(5, 1))),
    'k1 applied',
    'the same key of another learner');
SELECT is(
    pg_temp.complete('bob', pg_temp.event('k1', pg_temp.score(5))),
    'k1 applied',
    'the same key on the other endpoint');
SELECT is(
    learnsync.sync_push('bob', '{"deviceId": "tab", "items": [{"id": "k1", "operation": "update",
        "resourceType": "module_progress", "data": {"moduleId": "m1", "syncVersion": 2, "progressPercent": 50},
        "clientTimestamp": "2026-01-08T10:00:00Z"}]}') #>> '{results,0,status}',
    'synced',
    'the same key in sync_push');
SELECT is(
    pg_temp.progress('bob', pg_temp.event('k1', pg_temp.at(5, 1, '{"deviceId": "phone"}'))),
    'k1 skipped (duplicate idempotencyKey)',
    'the device is part neither of the key nor of what the event says');

-- One engine: what is pushed here is pulled there, and the other way round.
SELECT is(
    pg_temp.document('bob', 'module_progress'),
    '{"moduleId": "m1", "syncVersion": 2, "progressPercent": 50}',
    'sync_push wrote the module');
SELECT is(
    pg_temp.progress('bob', pg_temp.event('k2', pg_temp.at(60, 1))),
    'k2 skipped (stale syncVersion)',
    'which an older event does not change');
SELECT is(
    learnsync.sync_push('bob', '{"deviceId": "tab", "items": [{"id": "d", "operation": "delete",
        "resourceType": "module_completion", "resourceId": "m1",
        "clientTimestamp": "2026-01-09T10:00:00Z"}]}') #>> '{results,0,status}',
    'synced',
    'deleted');
SELECT is(
    pg_temp.complete('bob', pg_temp.event('late', pg_temp.score(99)), pg_temp.event('after',
        pg_temp.score(3, '{"clientTimestamp": "2026-01-10T10:00:00Z"}'))),
    'late skipped (module was deleted later), after applied',
    'a deletion goes by the client''s time');
SELECT is(pg_temp.document('bob', 'module_completion') ->> 'score', '3', 'and starts from nothing');
SELECT is(
    learnsync.sync_push('bob', '{"deviceId": "tab", "items": [{"id": "x", "operation": "update",
        "resourceType": "module_completion", "data": {"moduleId": "nowhere", "score": 1},
        "clientTimestamp": "2026-01-08T10:00:00Z"}]}')::jsonb #> '{failedItems,0}',
    '{"id": "x", "code": "unknown_content", "path": "data.moduleId", "waiting": true,
        "error": "moduleId is not in the content catalog", "retryable": false}',
    'sync_push asks the catalog, too');
SELECT is(
    pg_temp.progress('more', pg_temp.event('k', pg_temp.at(5, 1, '{"chapter": {"n": 2}, "note": null}'))),
    'k applied',
    'an event that says more');
SELECT is(
    pg_temp.document('more', 'module_progress'),
    '{"note": null, "chapter": {"n": 2}, "moduleId": "m1", "syncVersion": 1, "progressPercent": 5}',
    'of which nothing is lost');
SELECT is(
    pg_temp.progress('more', pg_temp.event('r', pg_temp.at(6, 2, '{"resourceId": "r1", "resourceType": 5,
        "operation": "delete", "data": []}'))),
    'r applied',
    'members that mean something to sync_push are members like any other');
SELECT is(
    pg_temp.document('more', 'module_progress'),
    '{"data": [], "moduleId": "m1", "operation": "delete", "resourceId": "r1", "syncVersion": 2, "resourceType": 5,
        "progressPercent": 6}',
    'and kept');
SELECT is(
    pg_temp.complete('more', pg_temp.event('r', pg_temp.score(5, '{"resourceId": "m1"}')) - 'moduleId'),
    'r rejected (moduleId is missing)',
    'none stands for the module');
SELECT is(
    pg_temp.progress('more', pg_temp.event('k', pg_temp.at(6, 1))),
    'k rejected (this id was already accepted with other content)',
    'an id reused');
SELECT is(
    (SELECT string_agg(code || ' ' || path, ', ' ORDER BY code) FROM learnsync_data.failed WHERE learner_id = 'more'),
    'id_reused idempotencyKey, invalid moduleId',
    'is recorded by the name that it goes by');

-- Devices: each event names its own; a batch of several devices is taken in its order.
SELECT is(
    pg_temp.progress('dev',
        pg_temp.event('1', pg_temp.at(1, 1)),
        pg_temp.event('2', pg_temp.at(2, 2, '{"deviceId": "phone"}')),
        pg_temp.event('2', pg_temp.at(2, 2, '{"deviceId": "phone"}')),
        pg_temp.event('3', pg_temp.at(3, 3, '{"deviceId": null}')),
        pg_temp.event('4', pg_temp.at(4, 1)),
        pg_temp.event('5', pg_temp.at(5, 5))),
    '1 applied, 2 applied, 2 skipped (duplicate idempotencyKey), 3 rejected (deviceId must be a string of 1 to 200 '
    'characters), 4 skipped (stale syncVersion), 5 applied',
    'several devices in one request');
SELECT is(
    (SELECT string_agg(device_id || ' ' || (synced_resources ? 'module_progress'), ', ' ORDER BY device_id)
     FROM learnsync_data.device WHERE learner_id = 'dev'),
    'phone true, tab true',
    'both are known now, nobody else');
SELECT is(
    (SELECT string_agg(device_id || ' ' || item_count, ', ' ORDER BY push_no) FROM learnsync_data.push
     WHERE learner_id = 'dev'),
    'tab 1, phone 1, tab 2',
    'each run of one device is a push; what is known or refused is not in it');
SELECT learnsync.sync_deactivate_device('dev', '{"deviceId": "phone"}');
SELECT is(
    pg_temp.refusal($$SELECT pg_temp.progress('dev',
                          pg_temp.event('6', pg_temp.at(6, 6)),
                          pg_temp.event('7', pg_temp.at(7, 7, '{"deviceId": "phone"}')))$$),
    'PT403 | this device is deactivated',
    'a deactivated device is refused');
SELECT is(pg_temp.progress('dev', pg_temp.event('6', pg_temp.at(6, 6))), '6 applied', 'with the whole request');

-- What is wrong with an event is said of that event; the others commit.
SELECT is(
    pg_temp.complete('bad', pg_temp.event('good', pg_temp.score(50)), pg_temp.event('bad')),
    'good applied, bad rejected (score is missing)',
    'one of two is good');
SELECT is(
    pg_temp.complete('bad', pg_temp.event('good', pg_temp.score(50)), pg_temp.event('bad',
        pg_temp.score(50) || more)),
    'good skipped (duplicate idempotencyKey), bad rejected (' || reason || ')',
    more::text || ': ' || reason)
FROM (VALUES
    ('{"moduleId": null}'::jsonb, 'moduleId is missing'),
    ('{"moduleId": ""}', 'moduleId must have 1 to 200 characters'),
    ('{"moduleId": true}', 'moduleId must be a string'),
    ('{"score": null}', 'score is missing'),
    ('{"score": "9"}', 'score must be a number'),
    ('{"score": -1}', 'score must be between 0 and 100'),
    ('{"score": 100.5}', 'score must be between 0 and 100'),
    ('{"deviceId": 5}', 'deviceId must be a string of 1 to 200 characters'),
    ('{"deviceId": ""}', 'deviceId must be a string of 1 to 200 characters'),
    ('{"clientTimestamp": "yesterday"}',
        'clientTimestamp must be an RFC 3339 time with offset, such as 2026-01-08T10:30:00.000Z'),
    ('{"clientTimestamp": null}',
        'clientTimestamp must be an RFC 3339 time with offset, such as 2026-01-08T10:30:00.000Z')) v (more, reason);
SELECT is(
    pg_temp.progress('bad', pg_temp.event('p', pg_temp.at(50, 1) || more)),
    'p rejected (' || reason || ')',
    more::text || ': ' || reason)
FROM (VALUES
    ('{"progressPercent": null}'::jsonb, 'progressPercent is missing'),
    ('{"progressPercent": [1]}', 'progressPercent must be a number'),
    ('{"progressPercent": 100.01}', 'progressPercent must be between 0 and 100'),
    ('{"syncVersion": null}', 'syncVersion is missing'),
    ('{"syncVersion": 1.5}', 'syncVersion must be an integer'),
    ('{"syncVersion": -1}', 'syncVersion must be at least 0')) v (more, reason);
SELECT is(
    learnsync.sync_progress('bad', jsonb_build_object('events', jsonb_build_array(event))) #> '{data,results,0}',
    jsonb_build_object('idempotencyKey', NULL, 'status', 'rejected', 'reason', reason),
    event::text)
FROM (VALUES
    ('7'::jsonb, 'an item must be an object'),
    ('[]', 'an item must be an object'),
    ('null', 'an item must be an object'),
    ('{}', 'idempotencyKey must be a string of 1 to 200 characters'),
    ('{"idempotencyKey": true}', 'idempotencyKey must be a string of 1 to 200 characters'),
    ('{"idempotencyKey": null}', 'idempotencyKey must be a string of 1 to 200 characters')) v (event, reason);
SELECT is(
    pg_temp.progress('bad', pg_temp.event(repeat('k', 201), pg_temp.at(1, 1))),
    repeat('k', 201) || ' rejected (idempotencyKey must be a string of 1 to 200 characters)',
    'a key too long');
SELECT is(
    pg_temp.refusal(format('SELECT learnsync.%s(''bad'', %L)', function, request)),
    refusal,
    function || ' ' || request)
FROM unnest('{sync_progress,sync_completions}'::text[]) function,
    (VALUES
        ('{}', '22023 | events must be an array | The request is malformed at "events".'),
        ('{"events": {}}', '22023 | events must be an array | The request is malformed at "events".'),
        ('{"events": []}', '22023 | events must not be empty | The request is malformed at "events".'),
        ('[]',
            '22023 | request must be a JSON object | The request is malformed at "request".')) v (request, refusal);
SELECT is(
    pg_temp.refusal($$SELECT learnsync.sync_progress('bad', jsonb_build_object(
                          'events', (SELECT jsonb_agg(n) FROM generate_series(1, 1001) n)))$$),
    '54000 | too many events in one request | events has 1001 elements.',
    'too many events');
SELECT is(
    pg_temp.refusal($$SELECT learnsync.sync_progress(NULL, '{"events": [1]}')$$),
    '22023 | learner_id must have 1 to 200 characters',
    'no learner');

-- A module type of the team's own making still has an answer.
SAVEPOINT own;
DELETE FROM learnsync_data.resource WHERE resource_type = 'module_progress';
SELECT learnsync.define_resource_type('module_progress', '{"key": ["moduleId"], "policy": "manual"}');
SELECT is(
    pg_temp.progress('own', pg_temp.event('a', pg_temp.at(1, 1)), pg_temp.event('b', pg_temp.at(2, 2))),
    'a applied, b skipped (conflict: a person must decide)',
    'another rule: a conflict');
DELETE FROM learnsync_data.resource WHERE resource_type = 'module_progress';
SELECT learnsync.drop_resource_type('module_progress');
SELECT is(
    pg_temp.progress('own', pg_temp.event('c', pg_temp.at(1, 1))),
    'c rejected (resource type module_progress was dropped)',
    'no type at all');
ROLLBACK TO own;

-- What another rule made of an event decides, not how old it is.
DELETE FROM learnsync_data.resource WHERE resource_type = 'module_progress';
SELECT learnsync.define_resource_type('module_progress', '{"key": ["moduleId"], "policy": "client_wins"}');
SELECT is(
    pg_temp.progress('own', pg_temp.event('a', pg_temp.at(1, 1)), pg_temp.event('b',
        pg_temp.at(2, 2, '{"clientTimestamp": "2026-01-01T10:00:00Z"}'))),
    'a applied, b applied',
    'client_wins: an older event is applied');
SELECT is(pg_temp.document('own', 'module_progress') ->> 'progressPercent', '2', 'as the document shows');
DELETE FROM learnsync_data.resource WHERE resource_type = 'module_progress';
SELECT learnsync.define_resource_type('module_progress', '{"key": ["moduleId"], "policy": "merge",
    "fields": {"progressPercent": {"merge": "max"}}}');
SELECT is(
    pg_temp.progress('max',
        pg_temp.event('a', pg_temp.at(10, 1)),
        pg_temp.event('b', pg_temp.at(20, 1, '{"clientTimestamp": "2026-01-01T10:00:00Z"}')),
        pg_temp.event('c', pg_temp.at(15, 1, '{"clientTimestamp": "2026-01-01T11:00:00Z"}'))),
    'a applied, b applied, c skipped (stale syncVersion)',
    'merge: an older one is, if it changed anything');
DELETE FROM learnsync_data.resource WHERE resource_type = 'module_progress';
DELETE FROM learnsync_data.resource WHERE resource_type = 'module_completion';
SELECT learnsync.define_resource_type('module_completion', '{"key": ["moduleId"],
    "fields": {"score": {"merge": "union"}}}');
SELECT is(
    pg_temp.complete('own', pg_temp.event('a', '{"score": [1, 2]}'), pg_temp.event('b', '{"score": [2, 3]}')),
    'a applied, b applied',
    'scores that are lists');
ROLLBACK TO own;

-- The newest 1000 failed events stay, however many devices a request names.
SELECT pg_temp.bad_events(n) FROM generate_series(1, 3) n;
SELECT is(
    (SELECT concat_ws(' ', count(*), count(DISTINCT device_id), count(*) FILTER (WHERE item_id LIKE '1-%'))
     FROM learnsync_data.failed WHERE learner_id = 'many'),
    '1000 2 0',
    'the oldest are dropped');

-- The rate limit counts requests, not their parts.
SET LOCAL learnsync.rate_limit = 2;
SELECT is(
    pg_temp.progress('fast',
        pg_temp.event('1', pg_temp.at(1, 1)),
        pg_temp.event('2', pg_temp.at(2, 2, '{"deviceId": "b"}')),
        pg_temp.event('3', pg_temp.at(3, 3))),
    '1 applied, 2 applied, 3 applied',
    'three devices are one request');
SELECT is(
    left(
        pg_temp.refusal($$SELECT pg_temp.progress('fast', pg_temp.event(n::text, pg_temp.at(1, 1)))
                          FROM generate_series(5, 9) n$$),
        22),
    'PT429 | too many calls',
    'too many requests are refused');

SELECT * FROM finish();
ROLLBACK;
