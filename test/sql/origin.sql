-- Where a call came from: the trace that it is part of and the version of its app, kept with the push and with what
-- failed of it, found by those who support; and the server's document as a conflict was answered with it.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.lesson(id text, seconds text DEFAULT '5') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'lesson_progress',
        'clientTimestamp', '2026-01-08T10:00:00Z',
        'data', jsonb_build_object('lessonId', 'l', 'timeSpent', seconds::int)) $$;
CREATE FUNCTION pg_temp.push(more jsonb, VARIADIC items jsonb[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    RETURN learnsync.sync_push('ada',
        '{"deviceId": "d"}' || more || jsonb_build_object('items', items)) -> 'ignored';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, hint);
END $$;
CREATE FUNCTION pg_temp.newest() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', version, channel, device_id, COALESCE(app_version, '-'), COALESCE(traceparent, '-'), items)
    FROM learnsync.pushes('ada') LIMIT 1 $$;
CREATE FUNCTION pg_temp.trace(n int) RETURNS text IMMUTABLE LANGUAGE sql AS $$
    SELECT format('00-%s-00f067aa0ba902b7-01', lpad(to_hex(n), 32, '0')) $$;

-- What a push says of itself.
SELECT pg_temp.push('{}', pg_temp.lesson('1'));
SELECT is(pg_temp.newest(), '2 sync_push d - - 1', 'a push that says nothing of itself has nothing');
SELECT is(
    pg_temp.push(
        jsonb_build_object('traceparent', pg_temp.trace(1), 'metadata', '{"appVersion": "2.1.0 (77)"}'::jsonb),
        pg_temp.lesson('2'), pg_temp.lesson('bad', '-1')),
    NULL,
    'traceparent is a member of the envelope');
SELECT is(
    pg_temp.newest(), format('3 sync_push d 2.1.0 (77) %s 1', pg_temp.trace(1)), 'both are kept with the push');
SELECT is(
    (SELECT concat_ws(' ', app_version, traceparent) FROM learnsync.failed_items() WHERE learner_id = 'ada'),
    '2.1.0 (77) ' || pg_temp.trace(1),
    'and with what failed of it');
CREATE TEMP TABLE before AS SELECT sum(hashtext(p::text)) AS hash FROM learnsync_data.push p;
SELECT pg_temp.push(jsonb_build_object('traceparent', pg_temp.trace(2), 'metadata', '{"appVersion": "3"}'::jsonb),
    pg_temp.lesson('2'));
SELECT is((SELECT sum(hashtext(p::text)) FROM learnsync_data.push p), (SELECT hash FROM before), 'a retry leaves them');
SELECT pg_temp.push('{"dryRun": true, "metadata": {"appVersion": "3"}}', pg_temp.lesson('9'));
SELECT is((SELECT sum(hashtext(p::text)) FROM learnsync_data.push p), (SELECT hash FROM before), 'as does a dry run');
SELECT pg_temp.push(jsonb_build_object('traceparent', pg_temp.trace(2)), pg_temp.lesson('bad', '-1'));
SELECT is(
    (SELECT concat_ws(' ', retry_count, COALESCE(app_version, '-'), traceparent) FROM learnsync.failed_items()
     WHERE learner_id = 'ada'),
    '1 - ' || pg_temp.trace(2),
    'what failed once more has those of the newest copy');
SELECT learnsync_internal.retry_learner('ada', 'out_of_range', false);
SELECT is(
    (SELECT concat_ws(' ', retry_count, traceparent) FROM learnsync.failed_items() WHERE learner_id = 'ada'),
    '2 ' || pg_temp.trace(2),
    'a second try of the server''s is no copy');

-- In the headers, as PostgREST hands them over. What was said in the body goes first.
SELECT set_config('request.headers', jsonb_build_object('traceparent', pg_temp.trace(5))::text, true);
SELECT pg_temp.push('{}', pg_temp.lesson('3'));
SELECT is(pg_temp.newest(), format('4 sync_push d - %s 1', pg_temp.trace(5)), 'the header counts');
SELECT pg_temp.push(jsonb_build_object('traceparent', pg_temp.trace(6)), pg_temp.lesson('4'));
SELECT is(pg_temp.newest(), format('5 sync_push d - %s 1', pg_temp.trace(6)), 'after the body');
SELECT learnsync_internal.retry_learner('ada', 'out_of_range', false);
SELECT is(
    (SELECT concat_ws(' ', retry_count, traceparent) FROM learnsync.failed_items() WHERE learner_id = 'ada'),
    '3 ' || pg_temp.trace(2),
    'the headers of whoever has the server try again are not the item''s');
SELECT learnsync.register_content('{"contents": [{"contentId": "m", "kind": "module"}]}');
SELECT learnsync.sync_progress('ada', '{"events": [{"idempotencyKey": "p", "deviceId": "t", "moduleId": "m",
    "progressPercent": 5, "clientTimestamp": "2026-01-08T10:00:00Z", "syncVersion": 1}]}');
SELECT is(pg_temp.newest(), format('6 sync_progress t - %s 1', pg_temp.trace(5)), 'in every channel');
SELECT learnsync.progress_batch('ada', '{"profile_id": "ada", "items": [{"idempotency_key": "a",
    "activity_type": "quiz", "content_id": "l", "score": 90}]}');
SELECT is(pg_temp.newest(), format('7 progress_batch  - %s 1', pg_temp.trace(5)), 'whatever it is called with');

-- Only what is one: a header may come from anywhere, and never keeps a push from being taken.
CREATE TEMP TABLE odd (sent text, is_one boolean);
INSERT INTO odd VALUES
    (pg_temp.trace(0), false),
    ('00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01', false),
    ('00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01', false),
    ('ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', false),
    ('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more', false),
    ('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0', false),
    ('00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', false),
    ('', false), (repeat('0', 55), false), (E'00-\n''; DROP', false), (repeat('00-', 100000), false),
    ('cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', true),
    ('cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-is-new', true),
    ('cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' || repeat('-x', 50), true),
    ('cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.no', false);
CREATE FUNCTION pg_temp.by_header(sent text, id text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.headers', jsonb_build_object('traceparent', sent)::text, true);
    PERFORM pg_temp.push('{}', pg_temp.lesson(id));
    RETURN split_part(pg_temp.newest(), ' ', 5);
END $$;
SELECT is(
    pg_temp.by_header(sent, left(md5(sent), 8)),
    CASE WHEN is_one THEN left(sent, 55) ELSE '-' END,
    'header ' || quote_literal(left(sent, 80)))
FROM odd;
CREATE FUNCTION pg_temp.with_headers(headers text) RETURNS text LANGUAGE sql AS $$
    SELECT set_config('request.headers', headers, true);
    SELECT pg_temp.push('{}', pg_temp.lesson(headers)) $$;
SELECT is(pg_temp.with_headers(headers), NULL, 'headers that are none are passed over: ' || headers)
FROM unnest(ARRAY['', '[]', 'no json', '{"traceparent": 5}']) headers;
SELECT set_config('request.headers', '', true);
SELECT matches(
    pg_temp.push(jsonb_build_object('traceparent', sent), pg_temp.lesson('body' || md5(sent))),
    CASE WHEN length(sent) BETWEEN 1 AND 200 THEN '^22023 \| traceparent must be as W3C Trace Context has it'
        ELSE '^22023 \| traceparent must be a string of 1 to 200 characters' END,
    'in the body it is refused: ' || quote_literal(left(sent, 80)))
FROM odd WHERE NOT is_one;
SELECT matches(pg_temp.push('{"traceparent": 5}', pg_temp.lesson('x')), '^22023', 'as is what is no text');
SELECT pg_temp.push(jsonb_build_object('metadata', jsonb_build_object('appVersion', version)), pg_temp.lesson('v' || n))
FROM (VALUES (1, to_jsonb(repeat('9', 64))), (2, to_jsonb(repeat('9', 65))), (3, '""'), (4, '7'), (5, 'null'),
    (6, '{"a": 1}')) v (n, version);
SELECT is(
    (SELECT string_agg(COALESCE(app_version, '-'), ' ' ORDER BY version) FROM learnsync.pushes('ada')
     WHERE version > (SELECT max(version) - 6 FROM learnsync.pushes('ada'))),
    repeat('9', 64) || ' - - - - -',
    'a version is a text of 1 to 64 bytes');

-- Who reads it.
CREATE ROLE test_learner;
CREATE ROLE test_service;
CREATE ROLE test_report;
SELECT learnsync.grant_access('test_' || kind, kind) FROM unnest('{learner,service,report}'::text[]) kind;
SELECT learnsync.sync_push('bob', jsonb_build_object('deviceId', 'b', 'traceparent', pg_temp.trace(7),
    'metadata', '{"appVersion": "1"}'::jsonb, 'items', jsonb_build_array(pg_temp.lesson('1'),
        pg_temp.lesson('bad', '-1'))));
SELECT set_config('learnsync.learner_id', 'bob', true);
SET LOCAL ROLE test_learner;
SELECT is(
    (SELECT string_agg(concat_ws(' ', learner_id, app_version, traceparent), ', ')
     FROM (SELECT learner_id, app_version, traceparent FROM learnsync_api.item
           UNION ALL SELECT learner_id, app_version, traceparent FROM learnsync_api.failed) x),
    concat_ws(', ', 'bob 1 ' || pg_temp.trace(7), 'bob 1 ' || pg_temp.trace(7)),
    'a learner reads their own');
SELECT throws_ok('SELECT * FROM learnsync.pushes(''ada'')', '42501', NULL, 'and nobody else''s');
SET LOCAL ROLE test_report;
SELECT is(
    (SELECT count(DISTINCT learner_id) FROM learnsync_report.item WHERE traceparent IS NOT NULL), 2::bigint,
    'a report those of all');
SELECT throws_ok('SELECT * FROM learnsync.pushes(''ada'')', '42501', NULL, 'by its views');
SET LOCAL ROLE test_service;
SELECT is(
    (SELECT version FROM learnsync.pushes('ada') WHERE traceparent = pg_temp.trace(1)), 3::bigint,
    'support finds a call by its trace');
SELECT is(
    (SELECT count(*) FROM learnsync.pushes('ada', now() + interval '1 hour')), 0::bigint, 'since a time');
SELECT throws_ok('SELECT * FROM learnsync.pushes('''')', '22023', NULL, 'of a learner');
SELECT is((SELECT count(*) FROM learnsync.pushes('nobody')), 0::bigint, 'who may not be there');
RESET ROLE;

-- The document that a conflict was answered with.
CREATE FUNCTION pg_temp.conflicts(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(COALESCE(server_data::text, 'nothing'), '; ' ORDER BY item_id) FROM learnsync_data.conflict
    WHERE learner_id = learner $$;
CREATE FUNCTION pg_temp.send(learner text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', items))::jsonb $$;
CREATE FUNCTION pg_temp.note(id text, tags jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'listed',
        'clientTimestamp', '2026-01-08T10:00:00Z', 'data', jsonb_build_object('k', 'x', 'text', id, 'tags', tags)) $$;
CREATE FUNCTION pg_temp.attempt(id text, score int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'create', 'resourceType', 'quiz_attempt',
        'clientTimestamp', '2026-01-08T10:00:00Z',
        'data', jsonb_build_object('quizId', 'q', 'attemptNumber', 1, 'score', score)) $$;
SELECT learnsync.define_resource_type('listed', '{"key": ["k"], "policy": "manual",
    "fields": {"tags": {"merge": "union"}}}');
CREATE TEMP TABLE answer AS
SELECT pg_temp.send('cleo', pg_temp.attempt('1', 5)), pg_temp.send('cleo', pg_temp.attempt('2', 7)) AS second;
SELECT is(pg_temp.conflicts('cleo'), '{"score": 5, "quizId": "q", "attemptNumber": 1}', 'it is kept with the conflict');
SELECT is(
    (SELECT server_data FROM learnsync_data.conflict WHERE learner_id = 'cleo'),
    (SELECT second #> '{conflicts,0,serverData}' FROM answer),
    'the one that the device was shown');
SELECT learnsync.sync_resolve('cleo', jsonb_build_object('conflictId', second #>> '{conflicts,0,conflictId}',
    'resolution', 'use_client')) FROM answer;
SELECT is(
    pg_temp.conflicts('cleo'),
    '{"score": 5, "quizId": "q", "attemptNumber": 1}',
    'and stays once the resource moves on');
SELECT pg_temp.send('cleo', pg_temp.attempt('3', 8), pg_temp.attempt('4', 9));
CREATE FUNCTION pg_temp.status() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', c #> '{serverData,score}', c #> '{serverDataThen,score}'), ', ')
    FROM jsonb_array_elements(learnsync.sync_status('cleo') -> 'conflicts') c $$;
SELECT is(pg_temp.status(), '7, 7', 'sync_status has the document of now');
SELECT learnsync.sync_resolve('cleo', jsonb_build_object('conflictId', conflict_id, 'resolution', 'use_client'))
FROM learnsync_data.conflict WHERE learner_id = 'cleo' AND item_id = '3';
SELECT is(pg_temp.status(), '8 7', 'and where it has moved on the one of then');
SET LOCAL ROLE test_learner;
SELECT set_config('learnsync.learner_id', 'cleo', true);
SELECT is(
    (SELECT server_data ->> 'score' FROM learnsync_api.conflict WHERE is_open), '7', 'the learner''s view has it, too');
RESET ROLE;
SELECT pg_temp.send('listener', pg_temp.note(id, '["a", "b"]')) FROM unnest('{1,2}'::text[]) id;
SELECT is(
    pg_temp.conflicts('listener'), '{"k": "x", "tags": ["a", "b"], "text": "1"}', 'with its lists');
SELECT pg_temp.send('big', pg_temp.note(id,
    (SELECT jsonb_agg(repeat(n::text, 1000)) FROM generate_series(1000, 1020) n)))
FROM unnest('{1,2}'::text[]) id;
SET LOCAL learnsync.max_document_bytes = '80kB';
SELECT pg_temp.send('big', pg_temp.note('3', '[]'));
SELECT is(
    (SELECT string_agg((length(server_data::text) > 80000)::text, ' ' ORDER BY item_id) || ' ' || count(*)
     FROM learnsync_data.conflict WHERE learner_id = 'big'),
    'true 2',
    'one that is larger than a document may be is not');
SELECT learnsync.forget_learner('big');
SELECT is(pg_temp.conflicts('big'), NULL, 'it goes with the learner');

SELECT * FROM finish();
ROLLBACK;
