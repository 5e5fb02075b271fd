-- What a front server hands on in headers: the id in a path, the query; and what goes into the head of an answer.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.ask(headers jsonb, call text, method text DEFAULT 'GET') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    PERFORM set_config('learnsync.learner_id', 'ann', true), set_config('request.headers', headers::text, true),
        set_config('request.method', method, true),
        set_config('response.headers', '', true), set_config('response.status', '', true);
    EXECUTE 'SELECT ' || call INTO answer;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION pg_temp.devices(query text, schema text DEFAULT 'learnsync_api') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.ask(
        jsonb_build_object('learnsync-query', query),
        CASE schema WHEN 'learnsync' THEN 'learnsync.sync_status(''ann'')' ELSE 'learnsync_api.sync_status()' END
            || ' #>> ''{devices,0,deviceId}''') $$;
SELECT learnsync.sync_push('ann', jsonb_build_object('deviceId', d, 'items', '[]'::jsonb))::jsonb
FROM unnest('{in.co.school.tablet,a b,é&=,+,d}'::text[]) d;
SELECT learnsync.sync_push('ann', jsonb_build_object('deviceId', 'd',
    'items', (SELECT jsonb_agg(jsonb_build_object('id', n, 'operation', 'create', 'resourceType', 'quiz_attempt',
                  'clientTimestamp', '2026-01-08T10:00:00Z',
                  'data', jsonb_build_object('quizId', 'q', 'attemptNumber', 1, 'n', n)))
              FROM generate_series(1, 4) n)));

-- The query.
SELECT is(pg_temp.devices(query), device, 'sync_status?' || query)
FROM (VALUES
    ('deviceId=in.co.school.tablet', 'in.co.school.tablet'),
    ('x=1&deviceId=a+b', 'a b'),
    ('deviceId=a%20b&limit=3', 'a b'),
    ('deviceId=%C3%A9%26%3d', 'é&='),
    ('deviceId=%2B', '+'),
    ('deviceid=d', 'd'),
    ('deviceId=nobody', NULL),
    ('deviceId=', NULL),
    ('', 'd'),
    ('deviceId=%', '22023 deviceId must be percent-encoded UTF-8'),
    ('deviceId=%00', '22023 deviceId must be percent-encoded UTF-8'),
    ('deviceId=%ff', '22023 deviceId must be percent-encoded UTF-8'),
    ('limit=0', '22023 limit must be a positive integer'),
    ('limit=x', '22023 limit must be a positive integer'),
    ('limit=-1', '22023 limit must be a positive integer'),
    ('limit=', '22023 limit must be a positive integer'),
    ('limit=99999999999999999999', 'd')) v (query, device);
SELECT is(pg_temp.devices('deviceId=a+b', 'learnsync'), 'd', 'a backend''s call has nothing to do with it');
SELECT is(
    pg_temp.ask(
        '{"learnsync-query": "deviceId=d"}',
        'learnsync_api.sync_status(''a b'') #>> ''{devices,0,deviceId}'''),
    'a b',
    'an argument goes before');
SELECT is(
    pg_temp.ask('{"learnsync-query": "limit=2"}', 'jsonb_array_length(learnsync_api.sync_status() -> ''conflicts'')'),
    '2',
    'the limit of a page of conflicts');
SELECT is(
    pg_temp.ask(
        jsonb_build_object('learnsync-query', 'limit=2&after='
                || pg_temp.ask(
                    '{"learnsync-query": "limit=2"}',
                    'learnsync_api.sync_status() #>> ''{conflicts,1,id}''')),
        'jsonb_array_length(learnsync_api.sync_status() -> ''conflicts'')'),
    '1',
    'and the page after it');
SELECT learnsync.progress_put('ann', jsonb_build_object('events', (
        SELECT jsonb_agg(jsonb_build_object('eventId', n::text, 'clientId', 'c', 'type', 'progress.reset',
            'occurredAt', '2026-01-08T10:00:00Z', 'payload', '{}'::jsonb))
        FROM generate_series(1, 5) n)));
SELECT is(
    pg_temp.ask(
        jsonb_build_object('learnsync-query', 'limit=2'),
        'jsonb_array_length(learnsync_api.progress_get() #> ''{data,events}'')'),
    '2',
    'the limit of a page of events');
SELECT is(
    pg_temp.ask(
        jsonb_build_object('learnsync-query', 'since='
                || pg_temp.ask(
                    '{"learnsync-query": "limit=2"}',
                    'learnsync_api.progress_get() #>> ''{data,cursor}''')),
        'jsonb_array_length(learnsync_api.progress_get() #> ''{data,events}'')'),
    '3',
    'and what comes after it');

-- The id in a path.
CREATE FUNCTION pg_temp.let_in(id text, body text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.ask(
        jsonb_build_object('learnsync-id', id),
        format('learnsync_api.sync_activate_device(%L) ->> ''message''', body),
        'POST') $$;
SELECT is(pg_temp.let_in(id, body), answer, format('%s in the path, %s in the body', id, body))
FROM (VALUES
    ('d', '{}', 'Device activated successfully'),
    ('a%20b', '{"deviceId": null}', 'Device activated successfully'),
    ('+', '{}', 'Device activated successfully'),
    ('%C3%A9%26=', '{"deviceId": "é&="}', 'Device activated successfully'),
    ('d', '{"deviceId": "a b"}', '22023 deviceId differs from the id in the path'),
    ('d', '{"deviceId": 1}', '22023 deviceId must be a string of 1 to 200 characters'),
    ('nobody', '{}', 'PT404 device not found'),
    ('%', '{}', '22023 the id in the path must have 1 to 200 characters'),
    (NULL, '{}', '22023 deviceId is missing')) v (id, body, answer);
SELECT is(
    pg_temp.ask('{"learnsync-id": "x"}',
        'learnsync_api.sync_resolve(''{"conflictId": "y", "resolution": "use_server"}'')',
        'POST'),
    '22023 conflictId differs from the id in the path',
    'a conflict''s as well');

-- The name of an answer.
CREATE FUNCTION pg_temp.get(headers jsonb DEFAULT '{}', method text DEFAULT 'GET',
    call text DEFAULT 'learnsync_api.progress_get()')
    RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.ask(headers, call, method);
    RETURN concat_ws(' ', NULLIF(current_setting('response.status'), ''),
        NULLIF(current_setting('response.headers'), '')::jsonb #>> '{0,ETag}');
END $$;
SELECT matches(pg_temp.get(), '^"[0-9a-f-]{36}"$', 'a snapshot has a tag');
SELECT is(pg_temp.get(), pg_temp.get(), 'the same answer, the same tag');
CREATE TEMP TABLE before AS SELECT pg_temp.get() AS tag;
SELECT is(
    pg_temp.get(jsonb_build_object('if-none-match', format(known, tag))),
    '304 ' || tag,
    'who has it is not sent it again: ' || known)
FROM before, unnest(ARRAY['%s', 'W/%s', '"x", %s', '*']) known;
SELECT is(
    pg_temp.get(jsonb_build_object('if-none-match', format(known, trim('"' FROM tag)))),
    tag,
    'who has another is: ' || known)
FROM before, unnest(ARRAY['"x"', '', '%s', '"x%s"', '*x']) known;
SELECT learnsync.progress_put('ann', '{"events": [{"eventId": "6", "clientId": "c", "type": "progress.reset",
    "occurredAt": "2026-01-08T11:00:00Z", "payload": {}}]}');
SELECT isnt(pg_temp.get(), tag, 'another answer has another tag') FROM before;
SELECT is(pg_temp.get(jsonb_build_object('if-none-match', tag)), pg_temp.get(), 'and is sent') FROM before;
SELECT is(pg_temp.get('{}', method, call), '', format('no tag for %s %s', method, call))
FROM (VALUES
    ('POST', 'learnsync_api.progress_get()'),
    ('', 'learnsync_api.progress_get()'),
    ('GET', 'learnsync.progress_get(''ann'')'),
    ('GET', 'learnsync_api.sync_status()')) v (method, call);
SELECT is(
    pg_temp.ask('{}',
        'set_config(''response.headers'', ''[]'', true) || (learnsync_api.progress_get() ->> ''ok'') || '
        'current_setting(''response.headers'')'),
    '[]true[]',
    'a team''s own headers stay');

SELECT * FROM finish();
ROLLBACK;
