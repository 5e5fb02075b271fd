-- Devices whose clocks are wrong: what is believed, what arrival stands for, and that their order is kept.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.lesson(at text, data jsonb DEFAULT '{"completionPercentage": 100}', id text DEFAULT '1')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'lesson_progress',
        'data', '{"lessonId": "l"}' || data, 'clientTimestamp', at) $$;
CREATE FUNCTION pg_temp.push(learner text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 't', 'items', to_jsonb(items)))::jsonb $$;
CREATE FUNCTION pg_temp.document(learner text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT data FROM learnsync_data.resource WHERE learner_id = learner AND resource_type = 'lesson_progress' $$;

-- An empty clock battery.
SELECT is(pg_temp.push('east', pg_temp.lesson('1970-01-01T00:03:00+05:30')) -> 'syncedItems', '["1"]',
    'a clock at 1970 east of Greenwich is a clock');
SELECT is(pg_temp.push('west', pg_temp.lesson('1970-01-01T00:03:00Z')) -> 'syncedItems', '["1"]',
    'and so is one west of it');
SELECT is(
    (pg_temp.document(learner) ->> 'completedAt')::timestamptz BETWEEN now() - interval '1 day' AND clock_timestamp(),
    true,
    'what was completed ' || learner || ' of it was completed when it arrived')
FROM unnest(ARRAY['east', 'west']) learner;

-- The setting.
SET LOCAL learnsync.min_client_time = '1960-01-01';
SELECT pg_temp.push('believed', pg_temp.lesson('1970-01-01T00:03:00Z'));
SELECT is(pg_temp.document('believed') ->> 'completedAt', '1970-01-01T00:03:00.000Z',
    'a time after min_client_time is believed');
SET LOCAL learnsync.min_client_time = '2020-01-01';
SELECT pg_temp.push('not believed', pg_temp.lesson('2019-12-31T23:59:59.999999Z'));
SELECT is(pg_temp.document('not believed') ->> 'completedAt' > '2020', true, 'and one before it is not');
RESET learnsync.min_client_time;
SELECT throws_ok(
    format('SET learnsync.min_client_time = %L', value),
    '22023',
    'invalid value for parameter "learnsync.min_client_time": "' || value || '"',
    'min_client_time cannot be ' || value)
FROM unnest(ARRAY['', 'now', '2000', '2000-1-1', '2000-02-30', '2001-02-29', '0000-01-01', '2000-01-01T00:00:00Z',
    '2000-01-0', '2000--1-01', '+200-01-01']) value;
SELECT lives_ok(format('SET LOCAL learnsync.min_client_time = %L', value), 'min_client_time can be ' || value)
FROM unnest(ARRAY['0001-01-01', '2000-02-29', '9999-12-31']) value;
RESET learnsync.min_client_time;

-- Each learner of these has a device that is wrong by so much; times are told from now, as it would date it.
CREATE FUNCTION pg_temp.at(wrong interval, since interval) RETURNS text LANGUAGE sql AS $$
    SELECT to_char((clock_timestamp() + wrong - since) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;
CREATE FUNCTION pg_temp.item(id text, type text, at text, data jsonb, operation text DEFAULT 'update')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', operation, 'resourceType', type, 'data', data,
        'clientTimestamp', at) $$;
CREATE FUNCTION pg_temp.send(learner text, sent text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner,
        jsonb_build_object('deviceId', 't', 'sentAt', sent, 'items', to_jsonb(items)))::jsonb
        ::jsonb $$;
SELECT learnsync.define_resource_type('reading', '{"key": ["bookId"], "stale": "ignore", "fields": {
    "page": {"merge": "latest", "type": "integer"}, "bookmarks": {"merge": "map_latest"},
    "chosen": {"merge": "first"}, "seenAt": {"merge": "last_time"}}}');
CREATE FUNCTION pg_temp.page(id text, at text, page int, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT pg_temp.item(id, 'reading', at, '{"bookId": "b"}' || jsonb_build_object('page', page) || more) $$;
CREATE FUNCTION pg_temp.reading(learner text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT data FROM learnsync_data.resource WHERE learner_id = learner AND resource_type = 'reading' $$;
-- How long ago that was.
CREATE FUNCTION pg_temp.ago(at text) RETURNS interval LANGUAGE sql AS $$ SELECT clock_timestamp() - at::timestamptz $$;

-- Times that arrival replaces keep their order.
SELECT pg_temp.push('ahead',
    pg_temp.page('1', '2099-06-01T10:00:00Z', 90, '{"chosen": "red", "bookmarks": {"p9": "here"}}'),
    pg_temp.page('2', '2099-06-01T10:05:00Z', 12, '{"chosen": "blue", "bookmarks": {"p9": null}}'));
SELECT is(
    pg_temp.reading('ahead') - 'seenAt',
    '{"bookId": "b", "page": 12, "chosen": "red", "bookmarks": {}}',
    'of two changes by a clock a year ahead, in one push, the later one stands');
SELECT pg_temp.push('anew',
    pg_temp.item('1', 'lesson_progress', '2099-06-01T10:00:00Z', '{"lessonId": "l", "completionPercentage": 80}'),
    pg_temp.item('2', 'lesson_progress', '2099-06-01T10:01:00Z', '{"lessonId": "l"}', 'delete'),
    pg_temp.item('3', 'lesson_progress', '2099-06-01T10:05:00Z', '{"lessonId": "l", "completionPercentage": 10}',
        'create'));
SELECT is(pg_temp.document('anew') ->> 'completionPercentage', '10',
    'what a clock ahead deleted and started anew is not lost');
SELECT pg_temp.push('position', pg_temp.page('1', '2099-01-01T00:00:00Z', 9),
    pg_temp.page('2', '2099-01-01T00:00:00Z', 1));
SELECT is(pg_temp.reading('position') ->> 'page', '1', 'of equal times that are replaced the later position is later');
SELECT pg_temp.push('input', pg_temp.page('2', '2099-01-02T00:00:00Z', 2),
    pg_temp.page('1', '2099-01-01T00:00:00Z', 1));
SELECT is(pg_temp.reading('input') ->> 'page', '2', 'client times come before positions');
SELECT pg_temp.push('split', pg_temp.page('1', '2099-01-01T00:00:00Z', 9));
SELECT pg_temp.push('split', pg_temp.page('2', '2099-01-01T00:01:00Z', 1));
SELECT is(pg_temp.reading('split') ->> 'page', '1', 'a push later they come later');
SELECT pg_temp.push('battery', pg_temp.page('1', '1970-01-01T00:03:00Z', 9));
SELECT pg_temp.push('battery', pg_temp.page('2', pg_temp.at('0', '1 hour'), 1));
SELECT is(pg_temp.reading('battery') ->> 'page', '1',
    'what was made once the clock was set comes after what was made before, though that arrived later than it says');
SELECT pg_temp.push('old', pg_temp.page('1', pg_temp.at('0', '1 hour'), 9));
SELECT pg_temp.push('old', pg_temp.page('2', pg_temp.at('0', '1 year'), 1));
SELECT is(pg_temp.reading('old') ->> 'page', '9', 'old is welcome, and old');

-- A device that says when it sends.
SELECT pg_temp.send(learner, pg_temp.at(wrong, '0'), pg_temp.page('1', pg_temp.at(wrong, '2 hours'), 1))
FROM (VALUES ('+1y', interval '1 year'), ('-50y', '-50 years'), ('+1h', '1 hour')) v (learner, wrong);
SELECT is(
    pg_temp.ago(pg_temp.reading(learner) ->> 'seenAt') BETWEEN '2 hours' AND '2 hours 1 minute',
    true,
    'a clock that is wrong by ' || learner || ' and says when it sends is corrected')
FROM unnest(ARRAY['+1y', '-50y', '+1h']) learner;
SELECT pg_temp.send('waited', pg_temp.at('-3 hours', '0'), pg_temp.page('1', pg_temp.at('-3 hours', '2 hours'), 1));
SELECT is(pg_temp.ago(pg_temp.reading('waited') ->> 'seenAt') > '5 hours', true,
    'a clock that is behind may be right, and the request have waited');
SELECT pg_temp.send('minutes', pg_temp.at('4 minutes', '0'), pg_temp.page('1', pg_temp.at('4 minutes', '0'), 1));
SELECT is(pg_temp.ago(pg_temp.reading('minutes') ->> 'seenAt') < '0', true, 'less than max_clock_skew is nothing');
SELECT pg_temp.send('delayed', pg_temp.at('1 year', '3 hours'), pg_temp.page('1', pg_temp.at('1 year', '4 hours'), 9));
SELECT pg_temp.send('delayed', pg_temp.at('1 year', '0'),
    pg_temp.page('2', pg_temp.at('1 year', '3 hours 30 minutes'), 1));
SELECT is(pg_temp.reading('delayed') ->> 'page', '1',
    'a request that waited for hours does not put what was made later before what was made earlier');
SELECT pg_temp.send('set back', pg_temp.at('1 year', '0'), pg_temp.page('1', pg_temp.at('1 year', '1 hour'), 9));
SELECT pg_temp.send('set back', pg_temp.at('0', '0'), pg_temp.page('2', pg_temp.at('0', '10 minutes'), 1));
SELECT is(pg_temp.reading('set back') ->> 'page', '1', 'a clock that is set back is believed again');
SELECT is(
    pg_temp.send('forged', sent, pg_temp.page('1', made, 1)) -> 'results' -> 0 ->> 'status',
    'synced',
    'sentAt ' || sent || ' is taken')
    FROM (VALUES ('0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z')) v (sent, made);
SELECT is(pg_temp.ago(pg_temp.reading('forged') ->> 'seenAt') BETWEEN '0' AND '1 minute', true,
    'and wins nothing that a wrong clock would not');
SELECT throws_ok(
    format('SELECT learnsync.sync_push(%L, %L)', 'a',
        jsonb_build_object('deviceId', 'd', 'items', '[]'::jsonb, 'sentAt', sent)),
    '22023',
    'sentAt must be an RFC 3339 time with offset',
    'sentAt cannot be ' || sent::text)
FROM unnest(ARRAY['5', '"now"', '"2026-01-08"', '{}']::jsonb[]) sent;

-- Failed items.
SELECT pg_temp.push('corrected', pg_temp.page('1', '2099-01-01T00:00:00Z', 1, '{"page": "one"}'),
    pg_temp.page('2', '2099-01-01T00:01:00Z', 2));
SELECT pg_temp.push('corrected', pg_temp.page('1', '2099-01-01T00:00:00Z', 1));
SELECT is(pg_temp.reading('corrected') ->> 'page', '2', 'a failed item happened when it first arrived');
SELECT pg_temp.push('redated', pg_temp.page('1', '2099-01-01T00:00:00Z', 1, '{"page": "one"}'));
SELECT pg_temp.push('redated', pg_temp.page('1', pg_temp.at('0', '1 hour'), 1));
SELECT is(pg_temp.ago(pg_temp.reading('redated') ->> 'seenAt') > '59 minutes', true,
    'a copy with another time happened then');

-- Old receipts.
SELECT pg_temp.push('receipts', pg_temp.page('1', pg_temp.at('0', '1 hour'), 1));
UPDATE learnsync_data.learner SET receipt_horizon = now() - interval '1 day' WHERE learner_id = 'receipts';
SELECT is(
    pg_temp.push('receipts', pg_temp.page('2', at, 1)) #>> '{failedItems,0,code}',
    code,
    'of ' || at || ' is ' || COALESCE(code, 'never expired, as nobody knows how old it is'))
FROM (VALUES ('2001-01-01T00:00:00Z', 'expired'), ('1970-01-01T00:00:00Z', NULL)) v (at, code);

-- sentAt is no part of a payload.
SELECT is(
    learnsync.sync_push('payload', jsonb_build_object('deviceId', 'd', 'items',
        jsonb_build_array(pg_temp.page('1', '2026-01-08T10:00:00Z', 1) || more))) #>> '{results,0,duplicate}',
    duplicate,
    'an item with ' || more::text || ' is the same')
FROM (VALUES (1, '{}'::jsonb, 'false'), (2, '{"sentAt": "2026-01-08T10:00:00Z"}', 'true'),
    (3, '{"seen": "c", "ancestor": {}}', 'true')) v (n, more, duplicate);

-- Every channel.
SELECT learnsync.register_content('{"contents": [{"contentId": "m", "kind": "module"}]}');
SELECT learnsync.sync_completions('module', jsonb_build_object('sentAt', pg_temp.at('1 year', '0'), 'events',
    jsonb_build_array(jsonb_build_object('idempotencyKey', 'k', 'deviceId', 'd', 'moduleId', 'm', 'score', 50,
        'clientTimestamp', pg_temp.at('1 year', '2 hours')))));
SELECT is(
    clock_timestamp() - at BETWEEN '2 hours' AND '2 hours 1 minute',
    true,
    'modules are dated by the device that their event names')
    FROM learnsync_data.resource WHERE learner_id = 'module';
SELECT learnsync.progress_batch('profile', jsonb_build_object('sentAt', pg_temp.at('1 year', '0'), 'items',
    jsonb_build_array(
        jsonb_build_object('idempotency_key', 'k', 'activity_type', 'a', 'content_id', 'c',
            'timestamp', pg_temp.at('1 year', '2 hours')),
        jsonb_build_object('idempotency_key', 'l', 'activity_type', 'a', 'content_id', 'c'))));
SELECT results_eq(
    $$ SELECT resource_id::text COLLATE "default", clock_timestamp() - at BETWEEN '2 hours' AND '2 hours 1 minute',
           clock_timestamp() - at < '1 minute'
       FROM learnsync_data.resource WHERE learner_id = 'profile' ORDER BY resource_id $$,
    $$ VALUES ('k', true, false), ('l', false, true) $$,
    'activities are dated by the channel, those without a time by arrival');
SELECT is((SELECT clocks ? '/progress_batch' FROM learnsync_data.learner WHERE learner_id = 'profile'), true,
    'a channel stands for the device that it has not');

-- The event log.
CREATE FUNCTION pg_temp.event(id text, at text, client text DEFAULT 'c', content text DEFAULT 'l')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('eventId', id, 'clientId', client, 'type', 'content.progressed', 'occurredAt', at,
        'payload', jsonb_build_object('contentId', content, 'status', 'completed', 'contentVersion', id)) $$;
CREATE FUNCTION pg_temp.put(learner text, sent text, VARIADIC events jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.progress_put(learner, jsonb_build_object('sentAt', sent, 'events', to_jsonb(events)))::jsonb $$;
CREATE FUNCTION pg_temp.got(learner text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.progress_get(learner)::jsonb -> 'data' $$;
SELECT pg_temp.put('log', NULL, pg_temp.event('z', '2099-01-01T00:00:00Z'), pg_temp.event('a', '2099-01-01T00:01:00Z'),
    pg_temp.event('right', '2026-01-08T10:00:00+01:00', 'd', 'r'));
SELECT is(pg_temp.got('log') #>> '{snapshot,content,l,contentVersion}', 'a',
    'events by a clock ahead keep their order');
SELECT is(
    pg_temp.got('log') #>> '{snapshot,content,r,completedAt}',
    '2026-01-08T10:00:00+01:00',
    'a time that is believed is shown as sent');
SELECT is(
    pg_temp.ago(pg_temp.got('log') #>> path) BETWEEN '0' AND '1 minute',
    true,
    array_to_string(path, ' ') || ' is the order instant where that is another time')
    FROM (VALUES ('{snapshot,lastUpdated}'::text[]), ('{snapshot,content,l,lastAttemptAt}'),
        ('{snapshot,content,l,completedAt}'), ('{orderedAt,z}'), ('{orderedAt,a}')) v (path);
SELECT is(pg_temp.got('log') #>> '{snapshot,streak,lastActivityDate}',
    to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'streaks count the days of order instants');
SELECT is(pg_temp.got('log') -> 'orderedAt' ? 'right', false, 'orderedAt names only the others');
SELECT is(pg_temp.got('log') #>> '{events,0,occurredAt}', '2099-01-01T00:00:00Z', 'events come back as sent');
SELECT pg_temp.put('plain', NULL, pg_temp.event('right', '2026-01-08T10:00:00Z'));
SELECT is(pg_temp.got('plain') ? 'orderedAt', false, 'where there are none it is left out');
SELECT pg_temp.put('clients', pg_temp.at('1 year', '0'), pg_temp.event('a', pg_temp.at('1 year', '2 hours'), 'one'),
    pg_temp.event('b', pg_temp.at('1 year', '3 hours'), 'two'));
SELECT results_eq(
    $$ SELECT event_id::text COLLATE "default", date_trunc('hour', clock_timestamp() - at + interval '1 minute')
       FROM learnsync_data.event WHERE learner_id = 'clients' ORDER BY event_id $$,
    $$ VALUES ('a', interval '2 hours'), ('b', '3 hours') $$,
    'events are dated by their clients');
SELECT is((SELECT array_agg(d ORDER BY d) FROM learnsync_data.learner, jsonb_object_keys(clocks) d
    WHERE learner_id = 'clients'), ARRAY['one', 'two'], 'whose clocks are kept');
-- A request that says it was sent before its token was issued comes from a clock that is behind.
CREATE FUNCTION pg_temp.dated_with(learner text, issued interval) RETURNS interval LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.jwt.claims', jsonb_strip_nulls(jsonb_build_object('sub', learner,
        'iat', extract(epoch FROM clock_timestamp() - issued)::bigint))::text, true);
    PERFORM learnsync_api.sync_push(jsonb_build_object('deviceId', 't', 'sentAt', pg_temp.at('-1 year', '0'),
        'items', jsonb_build_array(pg_temp.lesson(pg_temp.at('-1 year', '2 hours')))));
    PERFORM set_config('request.jwt.claims', '', true);
    RETURN pg_temp.ago(pg_temp.document(learner) ->> 'completedAt');
END $$;
SELECT is(pg_temp.dated_with('issued later', '1 hour') < '3 hours', true, 'what it was sent with is dated right');
SELECT is(pg_temp.dated_with('issued before', '800 days') > '300 days', true,
    'one that was issued before may have waited on its way');
SELECT is(pg_temp.dated_with('not issued', NULL) > '300 days', true, 'and so may one of which that is not known');
-- An event that a full log has no room for happened when it first arrived.
SET LOCAL learnsync.max_learner_events = 1;
SELECT pg_temp.put('full', NULL, pg_temp.event('z', '2026-01-08T10:00:00Z'));
SELECT is(pg_temp.put('full', NULL, pg_temp.event('later', '2099-01-01T00:00:00Z')) #>> '{data,failedEvents,0,code}',
    'too_many', 'a full log takes no event');
RESET learnsync.max_learner_events;
SELECT pg_sleep(0.01);
SELECT pg_temp.put('full', NULL, pg_temp.event('newest', pg_temp.at('0', '0')));
SELECT pg_temp.put('full', NULL, pg_temp.event('later', '2099-01-01T00:00:00Z'));
SELECT is(pg_temp.got('full') #>> '{snapshot,content,l,contentVersion}', 'newest',
    'an event that the log had no room for stands before what was made after it first came');
SELECT is((SELECT count(*) FROM learnsync.progress_verify()), 0::bigint, 'what is stored is what the log says');
SELECT is((SELECT clocks FROM learnsync_data.learner WHERE learner_id = 'plain'), NULL,
    'of a clock that is right nothing is kept');

-- Items that were sent back with an atomic push happened when they first arrived.
CREATE FUNCTION pg_temp.all_or_nothing(learner text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner,
        jsonb_build_object('deviceId', 't', 'atomic', true, 'items', to_jsonb(items)))::jsonb $$;
SELECT is(
    pg_temp.all_or_nothing('sent back', pg_temp.page('1', '2099-06-01T10:00:00Z', 5),
        pg_temp.page('2', 'soon', 3), pg_temp.page('3', pg_temp.at('0', '1 day'), 4)) #>> '{failedItems,0,code}',
    'aborted',
    'an item of an atomic push of which another fails is aborted');
SELECT is(
    jsonb_build_object(
        'failed', (SELECT count(*) FROM learnsync_data.failed f WHERE f.learner_id = 'sent back'),
        'instants', (SELECT count(*) FROM learnsync_data.instant t WHERE t.learner_id = 'sent back')),
    '{"failed": 1, "instants": 1}',
    'of aborted items nothing is recorded but an instant that arrival gave');
SELECT pg_sleep(0.01);
SELECT pg_temp.push('sent back', pg_temp.page('9', pg_temp.at('0', '0'), 77));
SELECT is(pg_temp.push('sent back', pg_temp.page('1', '2099-06-01T10:00:00Z', 5)) #>> '{syncedItems,0}', '1',
    'an aborted item is taken when it comes again');
SELECT is(pg_temp.reading('sent back') ->> 'page', '77',
    'an aborted item keeps the instant it was given first: what was made after it stands');
SELECT is((SELECT count(*) FROM learnsync_data.instant t WHERE t.learner_id = 'sent back'), 0::bigint,
    'and its instant is not needed any more');

SET LOCAL learnsync.max_batch_items = 3000;
SELECT pg_temp.all_or_nothing('many', VARIADIC pg_temp.page('0', 'soon', 3)
    || array_agg(pg_temp.page(n::text, '2099-06-01T10:00:00Z', 5))) IS NULL FROM generate_series(1, 1500) n;
RESET learnsync.max_batch_items;
SELECT is(
    (SELECT n_tup_ins || ' ' || n_tup_del FROM pg_stat_xact_user_tables WHERE relname = 'instant'), '1001 1',
    'of more instants than are kept those are written that are');

-- And so do those that an answer had no room for.
CREATE FUNCTION pg_temp.text(letter text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('text', repeat(letter, 900)) $$;
SELECT learnsync.define_resource_type('book', '{"key": ["bookId"], "policy": "insert_only"}');
SELECT pg_temp.push('crowded', pg_temp.item('0', 'book', '2026-01-08T10:00:00Z', '{"bookId": "b"}'));
SET LOCAL learnsync.max_answer_bytes = '1kB';
SELECT is(
    (SELECT array_agg(result ->> 'status' || COALESCE(' ' || (SELECT f ->> 'code'
            FROM jsonb_array_elements(answer -> 'failedItems') f WHERE f -> 'id' = result -> 'id'), ''))
     FROM pg_temp.push('crowded',
            pg_temp.item('1', 'book', '2026-01-08T10:00:00Z', '{"bookId": "b"}' || pg_temp.text('x')),
            pg_temp.item('2', 'book', '2026-01-08T10:00:00Z', '{"bookId": "b"}' || pg_temp.text('y')),
            pg_temp.page('3', '2099-06-01T10:00:00Z', 5), pg_temp.page('4', '2026-01-08T10:00:00Z', 6)) answer,
          jsonb_array_elements(answer -> 'results') result),
    '{conflict,failed aborted,failed aborted,failed aborted}',
    'an answer that is full sends back the items after it');
RESET learnsync.max_answer_bytes;
SELECT is((SELECT count(*) FROM learnsync_data.instant t WHERE t.learner_id = 'crowded'), 1::bigint,
    'the instant of the one whose own time says nothing is kept');
SELECT pg_sleep(0.01);
SELECT pg_temp.push('crowded', pg_temp.page('9', pg_temp.at('0', '0'), 77));
SELECT pg_temp.push('crowded', pg_temp.page('3', '2099-06-01T10:00:00Z', 5));
SELECT is(pg_temp.reading('crowded') ->> 'page', '77',
    'an item that an answer had no room for happened when it first arrived');
SELECT is((SELECT count(*) FROM learnsync_data.instant t WHERE t.learner_id = 'crowded'), 0::bigint,
    'once it is taken its instant is not needed any more');

SELECT pg_temp.all_or_nothing('with another time', pg_temp.page('1', '2099-06-01T10:00:00Z', 5),
    pg_temp.page('2', 'soon', 6));
SELECT pg_sleep(0.01);
SELECT pg_temp.push('with another time', pg_temp.page('9', pg_temp.at('0', '0'), 77));
SELECT pg_temp.push('with another time', pg_temp.page('1', '2099-06-01T10:00:01Z', 5));
SELECT is(pg_temp.reading('with another time') ->> 'page', '5',
    'an aborted item that is sent with another time is dated anew');

SELECT finish();
ROLLBACK;
