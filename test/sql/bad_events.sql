-- Bad events: each field of each type missing and wrong in each way; the others of the put commit.
BEGIN;
SELECT no_plan();

-- A good event of each type.
CREATE TEMP TABLE good (type text PRIMARY KEY, payload jsonb);
INSERT INTO good VALUES
    ('content.progressed', '{"contentId": "c", "status": "passed", "score": 50, "contentVersion": "v1",
        "interaction": {"interactionId": "i", "state": {"kind": "quiz"}}}'),
    ('onboarding.completed', '{"pathId": "p", "relatedPaths": ["q"]}'),
    ('onboarding.reset', NULL),
    ('activePath.set', '{"pathId": "p"}'),
    ('progress.reset', NULL);

-- What every kind of value is answered with; NULL where it is fine. A value that is NULL stands for a missing member.
CREATE TEMP TABLE kind (kind text, value jsonb, code text);
INSERT INTO kind
SELECT k, v, 'invalid'
FROM unnest(ARRAY['id', 'optional id', 'type', 'status', 'time', 'score', 'payload', 'interaction', 'state', 'ids',
    'nullable id']) k,
    unnest(ARRAY[NULL, 'null', 'true', '5', '""', '"x"', '[]', '{}', to_jsonb(repeat('x', 200)),
        to_jsonb(repeat('é', 200)), to_jsonb(repeat('x', 201))]::jsonb[]) v;
UPDATE kind SET code = NULL
WHERE kind IN ('id', 'optional id', 'nullable id') AND jsonb_typeof(value) = 'string' AND value <> '""'
    AND length(value #>> '{}') <= 200;
UPDATE kind SET code = NULL
WHERE kind IN ('optional id', 'score', 'interaction', 'ids') AND (value IS NULL OR value = 'null');
UPDATE kind SET code = NULL
WHERE kind = 'nullable id' AND value = 'null' OR kind = 'ids' AND value = '[]' OR kind = 'state'
    AND value IN ('null', '{}') OR kind = 'score' AND value = '5';
UPDATE kind SET code = 'unknown_type' WHERE kind = 'type' AND jsonb_typeof(value) = 'string';
UPDATE kind SET code = 'bad_timestamp' WHERE kind = 'time';
INSERT INTO kind
SELECT 'score', v,
    CASE WHEN v <@ '[0, 100]' OR v IN ('0.0', '100.000', '1e-300', '99.999999999999999999999') THEN NULL
        ELSE 'out_of_range' END
    FROM unnest(ARRAY['-0.1', '-1', '100.1', '101', '1e300', '0', '100', '0.0', '100.000', '1e-300',
        '99.999999999999999999999']::jsonb[]) v;
INSERT INTO kind VALUES
    ('score', '"50"', 'invalid'),
    ('status', '"Passed"', 'invalid'),
    ('status', '"not_started"', NULL),
    ('ids', '["a", "b"]', NULL),
    ('ids', '["a", null]', 'invalid'),
    ('ids', '[""]', 'invalid'),
    ('ids', '[["a"]]', 'invalid'),
    ('interaction', '{"interactionId": "i", "state": null}', NULL),
    ('interaction', '{"interactionId": "i"}', 'invalid'),
    ('interaction', '{"state": {}}', 'invalid'),
    ('interaction', '{"interactionId": null, "state": {}}', 'invalid');
INSERT INTO kind
SELECT 'time', to_jsonb(t), NULL
FROM unnest(ARRAY['2025-12-22T20:36:50Z', '2025-12-22t20:36:50.1z', '2025-12-22T20:36:50.123456+14:00',
    '2025-12-22T20:36:50.123456789-00:30', '1969-12-31T23:59:59Z', '2016-12-31T23:59:60Z',
    '0001-01-01T00:00:00+12:00',
    '9998-12-31T23:59:59.999999-12:00']) t;
INSERT INTO kind
SELECT 'time', to_jsonb(t), 'bad_timestamp'
FROM unnest(ARRAY['2025-12-22', '2025-12-22T20:36:50', '2025-12-22 20:36:50Z', '2025-12-22T20:36Z', 'now', 'infinity',
    '2025-02-29T00:00:00Z', '2025-12-22T24:00:00Z', '2025-12-22T20:36:50+24:00', '0000-12-31T23:59:59Z',
    '10000-01-01T00:00:00Z', '2025-12-22T20:36:50.Z', '2025-12-22T20:36:60Z', '2025-12-22T20:36:50.1234567890Z',
    '2025-12-22T20:36:50.' || repeat('1', 65540) || 'Z', '٢٠٢٥-12-22T20:36:50Z', ' 2025-12-22T20:36:50Z']) t;

-- Where which kind stands.
CREATE TEMP TABLE field (types text[], path text[], kind text);
INSERT INTO field
SELECT (SELECT array_agg(type) FROM good), path, kind
FROM (VALUES
    ('{eventId}'::text[], 'id'),
    ('{type}', 'type'),
    ('{occurredAt}', 'time'),
    ('{clientId}', 'id')) AS v (path, kind)
UNION ALL SELECT types, path, kind
FROM (VALUES
    ('{content.progressed,onboarding.completed,activePath.set}'::text[], '{payload}'::text[], 'payload'),
    ('{content.progressed}', '{payload,contentId}', 'id'),
    ('{content.progressed}', '{payload,status}', 'status'),
    ('{content.progressed}', '{payload,score}', 'score'),
    ('{content.progressed}', '{payload,contentVersion}', 'optional id'),
    ('{content.progressed}', '{payload,interaction}', 'interaction'),
    ('{content.progressed}', '{payload,interaction,interactionId}', 'id'),
    ('{content.progressed}', '{payload,interaction,state}', 'state'),
    ('{onboarding.completed}', '{payload,pathId}', 'id'),
    ('{onboarding.completed}', '{payload,relatedPaths}', 'ids'),
    ('{activePath.set}', '{payload,pathId}', 'nullable id')) AS v (types, path, kind);

CREATE TEMP TABLE bad AS
SELECT row_number() OVER () AS n, f.path, k.value, k.code,
    CASE WHEN k.value IS NULL THEN e.event #- f.path ELSE jsonb_set(e.event, f.path, k.value) END AS event
FROM field f JOIN kind k USING (kind), unnest(f.types) t (type), good g,
    LATERAL (SELECT jsonb_build_object('eventId', md5(random()::text), 'occurredAt', '2025-12-22T20:36:50.595Z',
                 'clientId', 'app', 'type', g.type)
                 || COALESCE(jsonb_build_object('payload', g.payload), '{}') AS event) e
WHERE g.type = t.type;

-- One put per event, between two good ones.
CREATE FUNCTION pg_temp.verdict(n bigint, event jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.progress_put('bad ' || n, jsonb_build_object('events', jsonb_build_array(jsonb_build_object(
                'eventId', 'before',
                'occurredAt', '2025-12-22T20:36:50.595Z', 'clientId', 'app', 'type', 'onboarding.reset'),
            event,
            jsonb_build_object('eventId', 'after', 'occurredAt', '2025-12-22T20:36:50.595Z', 'clientId', 'app',
                'type', 'onboarding.reset')))) -> 'data' $$;
CREATE TEMP TABLE verdict AS SELECT b.*, pg_temp.verdict(n, event) AS data FROM bad b;

SELECT cmp_ok((SELECT count(*) FROM verdict WHERE code IS NOT NULL), '>', 250::bigint, 'many ways to be wrong');
SELECT is(
    (SELECT count(*) FROM verdict WHERE data ->> 'accepted' <> CASE WHEN code IS NULL THEN '3' ELSE '2' END),
    0::bigint,
    'the others commit');
SELECT is(
    COALESCE((SELECT string_agg(concat_ws(' ', array_to_string(path, '.'), COALESCE(value::text, 'missing'),
                      COALESCE(code, 'fine'), 'but', data #>> '{failedEvents,0}'),
                  E'\n')
              FROM verdict WHERE code IS DISTINCT FROM data #>> '{failedEvents,0,code}'),
        ''),
    '',
    'each is answered with its code');
SELECT is(
    COALESCE((SELECT string_agg(concat_ws(' ', array_to_string(path, '.'), value::text,
                      data #>> '{failedEvents,0,message}'),
                  E'\n')
              FROM verdict
              WHERE code IS NOT NULL AND code <> 'unknown_type'
                  AND position(array_to_string(path, '.') IN data #>> '{failedEvents,0,message}') = 0),
        ''),
    '',
    'and a message that names the path');
SELECT is(
    (SELECT count(*) FROM verdict
     WHERE code IS NOT NULL AND data #> '{failedEvents,0,eventId}'
         IS DISTINCT FROM CASE jsonb_typeof(event -> 'eventId')
             WHEN 'string' THEN event -> 'eventId'
             ELSE 'null' END),
    0::bigint,
    'eventId as sent, null where it is no string');
SELECT is(
    (SELECT count(*) FROM verdict v
     WHERE code IS NOT NULL AND NOT EXISTS (SELECT FROM learnsync_data.failed f
                                            WHERE f.learner_id = 'bad ' || v.n AND f.item = v.event
                                                AND f.code = v.code
                                                AND f.message = data #>> '{failedEvents,0,message}')),
    0::bigint,
    'each is recorded with its payload');
SELECT is((SELECT count(*) FROM learnsync.progress_verify()), 0::bigint, 'no snapshot is off');

-- What is no event at all.
SELECT is(
    (pg_temp.verdict(-n, value) #> '{failedEvents,0}') - 'code',
    jsonb_build_object('eventId', NULL, 'message', message),
    'not an event: ' || value::text)
FROM (VALUES
    (1, '5'::jsonb, 'events[1] must be an object'),
    (2, 'null', 'events[1] must be an object'),
    (3, '[]', 'events[1] must be an object'),
    (4, '"x"', 'events[1] must be an object'),
    (5, '{}', 'events[1].eventId must be a string of 1 to 200 characters'),
    (6, '{"eventId": []}', 'events[1].eventId must be a string of 1 to 200 characters')) AS v (n, value, message);
SELECT is(
    jsonb_array_length(learnsync.progress_put('twice', '{"events": [5, 5, {}, {}, 5]}') #> '{data,failedEvents}'),
    5,
    'the same nonsense several times in a put');
SELECT is(
    (SELECT string_agg(concat_ws(' ', item::text, retry_count), ', ' ORDER BY item) FROM learnsync_data.failed
     WHERE learner_id = 'twice'),
    '5 2, {} 1',
    'is recorded once');

-- The aggregate has nobody to answer to: it refuses, and names the event.
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE statement;
    RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN SQLSTATE || ' ' || SQLERRM || ': ' || detail;
END $$;
SELECT is(
    pg_temp.refused(format('SELECT learnsync.progress_agg(%s)', arguments)),
    expected,
    'progress_agg(' || left(arguments, 60) || ')')
FROM (VALUES
    ($$'e', '2026-01-08T10:00:00Z'::text, 'content.progressed', '{"contentId": "c", "status": "x"}'::jsonb$$,
        '22023 event "e" cannot be reduced: payload.status must be not_started, in_progress, completed or passed.'),
    ($$'e', '2026-01-08'::text, 'progress.reset', NULL$$,
        '22007 event "e" cannot be reduced: occurred_at must be an RFC 3339 time with offset, of the years 1 to '
        '9999.'),
    ($$'e', '0001-12-31 BC'::timestamptz, 'progress.reset', NULL$$,
        '22008 event "e" cannot be reduced: occurred_at must be of the years 1 to 9999.'),
    ($$'e', 'infinity'::timestamptz, 'progress.reset', NULL$$,
        '22008 event "e" cannot be reduced: occurred_at must be of the years 1 to 9999.'),
    ($$'e', now(), 'progress.rest', NULL$$,
        '22023 event "e" cannot be reduced: The type "progress.rest" is unknown.'),
    ($$'e', now(), 'activePath.set', NULL$$, '22023 event "e" cannot be reduced: payload must be an object.'),
    ($$'', now(), 'progress.reset', NULL$$,
        '22023 event "" cannot be reduced: event_id must have 1 to 200 characters.'),
    ($$NULL, now(), 'nonsense', NULL$$, 'fine'),
    ($$'e', NULL::text, 'nonsense', NULL$$, 'fine'),
    ($$'e', now(), NULL, NULL$$, 'fine'),
    ($$'e', '2026-01-08T10:00:00Z'::varchar, 'progress.reset', '5'$$, 'fine')) AS v (arguments, expected);
SELECT throws_ok(
    $$SELECT learnsync.progress_agg('e', '2026-01-01T00:00:00.' || repeat('1', n) || 'Z', 'progress.reset', NULL)$$
        || format(' FROM (VALUES (%s)) v (n)', n),
    '22007')
FROM unnest('{10,40000,65536,70000}'::int[]) n;
SELECT throws_ok($$SELECT learnsync.progress_agg('e', 5, 'progress.reset', NULL)$$, '42804');
SELECT throws_ok($$SELECT learnsync.progress_agg('e', now()::timestamp, 'progress.reset', NULL)$$, '42804');
SELECT * FROM finish();
ROLLBACK;
