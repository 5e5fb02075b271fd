-- Bad items are answered with a code and a path, never with an exception; bad envelopes are refused as a whole.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '00000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
CREATE FUNCTION pg_temp.push(learner text, VARIADIC items jsonb[])
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', to_jsonb(items)))::jsonb $$;
-- Code and path of an item among good ones, or what became of it.
CREATE FUNCTION pg_temp.verdict(item jsonb, learner text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT COALESCE((answer #>> '{failedItems,0,code}') || ' ' || (answer #>> '{failedItems,0,path}')
            || CASE WHEN (answer #>> '{failedItems,0,retryable}')::boolean THEN ' retryable' ELSE '' END,
        answer #>> '{results,0,status}')
        || CASE WHEN answer #>> '{results,1,status}' <> 'synced' THEN ' and took another with it' ELSE '' END
    FROM pg_temp.push(COALESCE(learner, md5(item::text)), item, '{"id": "good", "operation": "update",
        "resourceType": "mastery", "resourceId": "m", "data": {},
        "clientTimestamp": "2026-01-08T10:00:00Z"}') answer $$;

SELECT learnsync.define_resource_type('form', '{"key": ["k"], "fields": {"s": {"type": "string", "maxLength": 3},
    "n": {"type": "number", "min": 0, "max": 10}, "i": {"type": "integer", "min": 1}, "b": {"type": "boolean"},
    "o": {"type": "object"}, "a": {"merge": "union"}, "m": {"merge": "max", "max": 5}, "u": {"merge": "sum"},
    "r": {"merge": "rank", "values": ["low", 2]}, "t": {"merge": "first_time", "type": "integer"},
    "d": {"derive": "n", "steps": [{"value": 1}]}}}');
SELECT learnsync.define_resource_type('strict', '{"key": ["k"], "other": "refuse",
    "fields": {"must": {"required": true}}}');
SELECT learnsync.define_resource_type('pair', '{"key": ["a", "n"],
    "fields": {"n": {"type": "integer", "min": 1, "max": 100}}}');

-- What is wrong with the item, over an item that is good.
CREATE TEMP TABLE base AS
SELECT '{"id": "i", "operation": "update", "resourceType": "lesson_progress", "data": {"lessonId": "l"},
    "clientTimestamp": "2026-01-08T10:00:00Z"}'::jsonb AS item;
CREATE TEMP TABLE bad (item jsonb, verdict text);
INSERT INTO bad
SELECT item, verdict
FROM (VALUES
    -- no items at all
    ('null'::jsonb, 'invalid '),
    ('1', 'invalid '),
    ('"item"', 'invalid '),
    ('true', 'invalid '),
    ('[]', 'invalid '),
    ('[{"id": "i"}]', 'invalid '),
    ('{}', 'invalid operation')) v (item, verdict);
INSERT INTO bad
SELECT base.item || v.item, verdict
FROM base,
    (VALUES
        ('{}'::jsonb, 'synced'),
        ('{"id": ""}', 'invalid id'),
        ('{"id": 7}', 'synced'),
        ('{"id": -1.50}', 'synced'),
        ('{"id": 1e199}', 'synced'),
        ('{"id": 1e200}', 'invalid id'),
        ('{"id": 1e-201}', 'invalid id'),
        ('{"id": 1e131071}', 'invalid id'),
        ('{"id": 1e-16383}', 'invalid id'),
        ('{"id": true}', 'invalid id'),
        ('{"id": {}}', 'invalid id'),
        (jsonb_build_object('id', repeat('x', 201)), 'invalid id'),
        (jsonb_build_object('id', repeat('é', 200)), 'synced'),
        ('{"operation": null}', 'invalid operation'),
        ('{"operation": "upsert"}', 'invalid operation'),
        ('{"operation": "UPDATE"}', 'invalid operation'),
        ('{"operation": 1}', 'invalid operation'),
        ('{"operation": ["update"]}', 'invalid operation'),
        ('{"resourceType": null}', 'invalid resourceType'),
        ('{"resourceType": 1}', 'invalid resourceType'),
        ('{"resourceType": {}}', 'invalid resourceType'),
        ('{"resourceType": ""}', 'unknown_type resourceType'),
        ('{"resourceType": "badge"}', 'unknown_type resourceType'),
        ('{"resourceType": "Lesson_progress"}', 'unknown_type resourceType'),
        (jsonb_build_object('resourceType', repeat('x', 1000)), 'unknown_type resourceType'),
        ('{"data": null}', 'invalid data'),
        ('{"data": 1}', 'invalid data'),
        ('{"data": "{}"}', 'invalid data'),
        ('{"data": []}', 'invalid data'),
        ('{"data": [{"lessonId": "l"}]}', 'invalid data'),
        ('{"data": {}}', 'invalid data.lessonId'),
        ('{"resourceId": "other"}', 'invalid resourceId'),
        ('{"resourceId": ""}', 'invalid resourceId'),
        ('{"resourceId": []}', 'invalid resourceId'),
        ('{"resourceId": true}', 'invalid resourceId'),
        ('{"resourceId": "l"}', 'synced'),
        ('{"resourceId": null}', 'synced'),
        ('{"data": {}, "resourceId": "l"}', 'synced'),
        ('{"data": {}, "resourceId": 17}', 'synced'),
        (jsonb_build_object('data', '{}'::jsonb, 'resourceId', repeat('é', 200)), 'synced'),
        (jsonb_build_object('data', '{}'::jsonb, 'resourceId', repeat('é', 201)), 'invalid resourceId'),
        ('{"data": {"lessonId": null}}', 'invalid data.lessonId'),
        ('{"data": {"lessonId": ""}}', 'invalid data.lessonId'),
        ('{"data": {"lessonId": {}}}', 'invalid data.lessonId'),
        ('{"data": {"lessonId": true}}', 'invalid data.lessonId'),
        (jsonb_build_object('data', jsonb_build_object('lessonId', repeat('x', 201))), 'invalid data.lessonId'),
        ('{"data": {"lessonId": 17}}', 'synced'),
        -- several keys
        ('{"resourceType": "pair", "data": {"a": "x", "n": 1}}', 'synced'),
        ('{"resourceType": "pair", "data": {"a": "x", "n": 2.0}}', 'synced'),
        ('{"resourceType": "pair", "data": {"a": "x"}}', 'invalid data.n'),
        ('{"resourceType": "pair", "data": {"n": 1}}', 'invalid data.a'),
        ('{"resourceType": "pair", "data": {"a": "x", "n": 0}}', 'out_of_range data.n'),
        ('{"resourceType": "pair", "data": {"a": "x", "n": 101}}', 'out_of_range data.n'),
        ('{"resourceType": "pair", "data": {"a": "x", "n": 1.5}}', 'invalid data.n'),
        ('{"resourceType": "pair", "data": {"a": "x", "n": "1"}}', 'invalid data.n'),
        ('{"resourceType": "pair", "data": {"a": "x", "n": 1e400}}', 'out_of_range data.n'),
        ('{"resourceType": "pair", "data": {}, "resourceId": "[\"x\",1]"}', 'synced'),
        ('{"resourceType": "pair", "data": {"a": "x", "n": 2}, "resourceId": "[\"x\",2.0]"}', 'synced'),
        ('{"resourceType": "pair", "data": {"a": "x", "n": 2}, "resourceId": "[\"x\", 3.0]"}', 'invalid resourceId'),
        ('{"resourceType": "pair", "data": {}, "resourceId": "[\"x\",1e1]"}', 'synced'),
        ('{"resourceType": "pair", "data": {}, "resourceId": "[\"x\",2.5]"}', 'invalid resourceId'),
        ('{"resourceType": "pair", "data": {}, "resourceId": "[\"x\",\"inf\"]"}', 'invalid resourceId'),
        ('{"resourceType": "pair", "data": {}, "resourceId": "[\"x\",1e999]"}', 'invalid resourceId'),
        ('{"resourceType": "pair", "data": {}, "resourceId": "[\"x\",1e18]"}', 'invalid resourceId'),
        ('{"resourceType": "pair", "data": {}, "resourceId": "x"}', 'invalid resourceId'),
        ('{"resourceType": "pair", "data": {}, "resourceId": "[\"x\",1,2]"}', 'invalid resourceId'),
        ('{"resourceType": "pair", "data": {}, "resourceId": "[\"x\"]"}', 'invalid resourceId'),
        ('{"resourceType": "pair", "data": {}, "resourceId": "[\"x\",1"}', 'invalid resourceId'),
        ('{"resourceType": "pair", "data": {}, "resourceId": "[\"x\",{}]"}', 'invalid resourceId'),
        ('{"resourceType": "pair", "data": {}, "resourceId": "[\"x\",\"y\"]"}', 'invalid resourceId'),
        ('{"resourceType": "pair", "data": {"a": "x", "n": 2}, "resourceId": "[\"x\",1]"}', 'invalid resourceId'),
        -- times
        ('{"clientTimestamp": null}', 'bad_timestamp clientTimestamp'),
        ('{"clientTimestamp": 1767866400000}', 'bad_timestamp clientTimestamp'),
        ('{"clientTimestamp": ""}', 'bad_timestamp clientTimestamp'),
        ('{"clientTimestamp": {}}', 'bad_timestamp clientTimestamp')) v (item, verdict);
INSERT INTO bad
SELECT base.item || jsonb_build_object('clientTimestamp', at),
    CASE WHEN good THEN 'synced' ELSE 'bad_timestamp clientTimestamp' END
FROM base,
    (VALUES
        ('2026-01-08T10:00:00Z', true),
        ('2026-01-08T10:00:00.1Z', true),
        ('2026-01-08T10:00:00.123456789Z', true),
        ('2026-01-08T10:00:00.1234567890Z', false),
        ('2026-01-08T10:00:00.' || repeat('1', 65536) || 'Z', false),
        ('2026-01-08T10:00:00.123456789+14:00', true),
        ('2026-01-08t10:00:00z', true),
        ('2026-01-08T10:00:00+00:00', true),
        ('2026-01-08T10:00:00-23:59', true),
        ('2026-01-08T23:59:60Z', true),
        ('2024-02-29T00:00:00Z', true),
        ('2000-02-29T00:00:00Z', true),
        ('2026-01-08T23:59:60.5z', true),
        ('1970-01-01T00:00:00Z', true),
        ('1969-12-31T23:59:59Z', true),
        ('1970-01-01T00:03:00+05:30', true),
        ('0001-01-01T00:00:00Z', true),
        ('0001-01-01T00:00:00+00:01', true),
        ('9999-12-31T23:59:59.999999Z', true),
        ('9999-12-31T23:59:59-00:01', true),
        ('9999-12-31T23:59:60Z', true),
        ('infinity', false),
        ('-infinity', false),
        ('now', false),
        ('today', false),
        ('epoch', false),
        ('yesterday', false),
        ('2026-01-08', false),
        ('10:00:00Z', false),
        ('2026-01-08T10:00:00', false),
        ('2026-01-08T10:00Z', false),
        ('2026-01-08 10:00:00Z', false),
        ('20260108T100000Z', false),
        ('2026-01-08T10:00:00+01', false),
        ('2026-01-08T10:00:00+0100', false),
        ('2026-01-08T10:00:00 UTC', false),
        ('2026-01-08T10:00:00+24:00', false),
        ('2026-01-08T10:00:00+00:60', false),
        ('2026-01-08T10:00:00.Z', false),
        ('2026-01-08T10:00:00,5Z', false),
        ('2026-01-08T10:00:61Z', false),
        ('2026-01-08T24:00:00Z', false),
        ('2026-01-08T10:60:00Z', false),
        ('2026-13-01T00:00:00Z', false),
        ('2026-00-01T00:00:00Z', false),
        ('2026-01-00T00:00:00Z', false),
        ('2026-02-29T00:00:00Z', false),
        ('2100-02-29T00:00:00Z', false),
        ('2026-04-31T00:00:00Z', false),
        ('2026-01-08T10:00:60Z', false),
        ('2026-01-08T23:58:60Z', false),
        ('2026-01-08T22:59:60Z', false),
        ('2026-01-08T23:59:60+00:00', false),
        ('2026-01-08T18:59:60-05:00', false),
        ('0000-01-01T00:00:00Z', false),
        ('0000-12-31T23:59:59-00:01', false),
        ('10000-01-01T00:00:00Z', false),
        ('+2026-01-08T10:00:00Z', false),
        ('-2026-01-08T10:00:00Z', false),
        (' 2026-01-08T10:00:00Z', false),
        ('2026-01-08T10:00:00Z ', false),
        ('2026-01-08T10:00:00ZZ', false),
        ('２026-01-08T10:00:00Z', false),
        (repeat('2', 100000), false)) v (at, good);
INSERT INTO bad
SELECT base.item || jsonb_build_object('resourceType', type, 'data', v.data || '{"k": "r"}'), verdict
FROM base,
    (VALUES
        -- values
        ('form', '{}'::jsonb, 'synced'),
        ('form', '{"s": "abc"}', 'synced'),
        ('form', '{"s": "äöü"}', 'synced'),
        ('form', '{"s": "abcd"}', 'invalid data.s'),
        ('form', '{"s": 1}', 'invalid data.s'),
        ('form', '{"s": null}', 'synced'),
        ('form', '{"_learnsync": {"at": "9999-12-31T00:00:00Z"}}', 'invalid data._learnsync'),
        ('strict', '{"must": 1, "_learnsync": null}', 'invalid data._learnsync'),
        ('mastery', '{"competencyId": "c", "_learnsync": 1}', 'invalid data._learnsync'),
        ('form', '{"n": 0}', 'synced'),
        ('form', '{"n": 10.0}', 'synced'),
        ('form', '{"n": -0.01}', 'out_of_range data.n'),
        ('form', '{"n": 10.01}', 'out_of_range data.n'),
        ('form', '{"n": 1e400}', 'out_of_range data.n'),
        ('form', '{"n": -1e400}', 'out_of_range data.n'),
        ('form', '{"n": 1e-399}', 'synced'),
        ('form', '{"n": 1e-400}', 'out_of_range data.n'),
        ('form', '{"n": "5"}', 'invalid data.n'),
        ('form', '{"n": "NaN"}', 'invalid data.n'),
        ('form', '{"n": "Infinity"}', 'invalid data.n'),
        ('form', '{"n": true}', 'invalid data.n'),
        ('form', '{"n": [5]}', 'invalid data.n'),
        ('form', '{"i": 2.0}', 'synced'),
        ('form', '{"i": 1e3}', 'synced'),
        ('form', '{"i": 2.5}', 'invalid data.i'),
        ('form', '{"i": 0}', 'out_of_range data.i'),
        ('form', '{"i": "1"}', 'invalid data.i'),
        ('form', '{"i": 1e308}', 'synced'),
        ('form', '{"i": 1e400}', 'out_of_range data.i'),
        ('form', '{"i": 1e-399}', 'invalid data.i'),
        ('form', '{"b": false}', 'synced'),
        ('form', '{"b": 0}', 'invalid data.b'),
        ('form', '{"b": "true"}', 'invalid data.b'),
        ('form', '{"o": {}}', 'synced'),
        ('form', '{"o": []}', 'invalid data.o'),
        ('form', '{"o": "{}"}', 'invalid data.o'),
        ('form', '{"a": []}', 'synced'),
        ('form', '{"a": {}}', 'invalid data.a'),
        ('form', '{"a": 1}', 'invalid data.a'),
        ('form', '{"m": 5}', 'synced'),
        ('form', '{"m": "x"}', 'synced'),
        ('form', '{"m": 6}', 'out_of_range data.m'),
        ('form', '{"m": []}', 'invalid data.m'),
        ('form', '{"m": false}', 'invalid data.m'),
        ('form', '{"u": "1"}', 'invalid data.u'),
        ('form', '{"u": 9223372036854775807}', 'synced'),
        ('form', '{"u": 9223372036854775808}', 'out_of_range data.u'),
        ('form', '{"u": -1e19}', 'out_of_range data.u'),
        ('form', '{"u": 1e400}', 'out_of_range data.u'),
        ('form', '{"r": "low"}', 'synced'),
        ('form', '{"r": 2.0}', 'synced'),
        ('form', '{"r": "2"}', 'invalid data.r'),
        ('form', '{"r": "Low"}', 'invalid data.r'),
        ('form', '{"r": []}', 'invalid data.r'),
        ('form', '{"t": "ignored", "d": "ignored"}', 'synced'),
        ('form', '{"free": {"x": [1, "NaN", null]}}', 'synced'),
        ('strict', '{"must": 1}', 'synced'),
        ('strict', '{}', 'invalid data.must'),
        ('strict', '{"must": null}', 'invalid data.must'),
        ('strict', '{"must": false}', 'synced'),
        ('strict', '{"must": 1, "more": 1}', 'invalid data.more'),
        ('strict', '{"must": 1, "more": null}', 'invalid data.more'),
        -- duplicate keys: the last one counts, as in all of jsonb
        ('form', '{"n": 99, "n": 5}', 'synced'),
        ('form', '{"n": 5, "n": 99}', 'out_of_range data.n'),
        ('form', '{"s": "a", "s": 1}', 'invalid data.s')) v (type, data, verdict);
-- built-in types
INSERT INTO bad
SELECT base.item || jsonb_build_object('resourceType', type, 'data', v.data) || more, verdict
FROM base,
    (VALUES
        ('lesson_progress', '{"lessonId": "l", "completionPercentage": 101}'::jsonb, '{}'::jsonb,
            'out_of_range data.completionPercentage'),
        ('lesson_progress', '{"lessonId": "l", "completionPercentage": "NaN"}', '{}',
            'invalid data.completionPercentage'),
        ('lesson_progress', '{"lessonId": "l", "timeSpent": -1}', '{}', 'out_of_range data.timeSpent'),
        ('lesson_progress', '{"lessonId": "l", "timeSpent": "5"}', '{}', 'invalid data.timeSpent'),
        ('module_progress', '{"moduleId": "m", "progressPercent": 5, "syncVersion": 0.5}', '{}',
            'invalid data.syncVersion'),
        ('lesson_progress', '{"lessonId": "l", "courseId": 1}', '{}', 'invalid data.courseId'),
        ('lesson_progress', jsonb_build_object('lessonId', 'l', 'courseId', repeat('x', 201)), '{}',
            'invalid data.courseId'),
        ('quiz_attempt', '{"quizId": "q", "attemptNumber": 0}', '{}', 'out_of_range data.attemptNumber'),
        ('quiz_attempt', '{"quizId": "q"}', '{}', 'invalid data.attemptNumber'),
        ('quiz_attempt', '{"attemptNumber": 1}', '{}', 'invalid data.quizId'),
        ('quiz_attempt', '{"quizId": "q", "attemptNumber": "1"}', '{}', 'invalid data.attemptNumber'),
        ('mastery', '{}', '{}', 'invalid data.competencyId'),
        ('conversation', '{"messages": "hi"}', '{"resourceId": "c"}', 'invalid data.messages'),
        ('conversation', '{}', '{}', 'invalid resourceId'),
        ('conversation', '{}', '{"operation": "create"}', 'synced')) v (type, data, more, verdict);
ALTER TABLE bad ADD COLUMN n int GENERATED ALWAYS AS IDENTITY;
SELECT is(pg_temp.verdict(item, 'v' || n), verdict, left(item::text, 200)) FROM bad ORDER BY n;

-- All of them in one push, under ids and keys of their own: the same verdicts, in input order.
CREATE TEMP TABLE many AS
SELECT n, verdict, item || jsonb_build_object('id', n::text, 'data', jsonb_build_object('lessonId', n)) AS item
FROM bad
WHERE verdict LIKE 'bad_timestamp%' OR item -> 'data' = '{"lessonId": "l"}' AND NOT item ? 'resourceId'
    AND verdict = 'synced';
SELECT is(
    jsonb_path_query_array(
        learnsync.sync_push('many', jsonb_build_object('deviceId', 'd', 'items', jsonb_agg(item ORDER BY n)))::jsonb,
        '$.results[*].status'),
    jsonb_agg(CASE WHEN verdict = 'synced' THEN 'synced' ELSE 'failed' END ORDER BY n),
    count(*) || ' in one push, ' || count(*) FILTER (WHERE verdict = 'synced') || ' good ones')
FROM many;

-- Size and depth.
CREATE FUNCTION pg_temp.deep(levels int)
    RETURNS jsonb LANGUAGE sql AS $$ SELECT (repeat('[', levels) || repeat(']', levels))::jsonb $$;
SELECT is(pg_temp.verdict(jsonb_set(item, '{data,x}', pg_temp.deep(62)) || '{"id": "deep62"}'), 'synced', '64 levels')
FROM base;
SELECT is(
    pg_temp.verdict(jsonb_set(item, '{data,x}', pg_temp.deep(63)) || '{"id": "deep63"}'),
    'too_large ',
    '65 levels')
FROM base;
SELECT is(
    pg_temp.verdict(jsonb_set(item, '{data,x}', pg_temp.deep(2000)) || '{"id": "deep2000"}'),
    'too_large ',
    '2002 levels')
FROM base;
SELECT is(pg_temp.verdict(pg_temp.deep(2000)), 'invalid ', 'an item that is a deep array');
SELECT is(
    pg_temp.verdict(item || jsonb_build_object('other', pg_temp.deep(2000), 'id', 'other')),
    'too_large ',
    'depth beside the data')
FROM base;
SELECT is(pg_temp.verdict(item || jsonb_build_object('id', pg_temp.deep(2000))), 'invalid id', 'depth in the id')
FROM base;
SET LOCAL max_stack_depth = '7MB';
SELECT is(
    pg_temp.verdict(jsonb_set(item, '{data,x}', pg_temp.deep(10000)) || '{"id": "deep10000"}'),
    'too_large ',
    '10002 levels')
FROM base;
RESET max_stack_depth;
SELECT is(
    pg_temp.verdict(jsonb_set(item, '{data,x}', to_jsonb(repeat('x', 262144 - 200))) || '{"id": "fits"}'),
    'synced',
    'an item just below 256 kB')
FROM base;
SELECT is(
    pg_temp.verdict(jsonb_set(item, '{data,x}', to_jsonb(repeat('x', 262144))) || '{"id": "large"}'),
    'too_large ',
    'one above')
FROM base;
SELECT is(
    pg_temp.verdict(jsonb_set(item, '{data,x}', to_jsonb(repeat('x', 3000000))) || '{"id": "huge"}'),
    'too_large ',
    'one of 3 MB')
FROM base;
SELECT is(
    (SELECT (item IS NULL) || ' ' || (item_bytes > 3000000) || ' ' || (fingerprint IS NOT NULL)
     FROM learnsync_data.failed WHERE item_id = 'huge'),
    'true true true',
    'of what is too large only size and digest are kept');
SET LOCAL learnsync.max_item_bytes = 2000;
SET LOCAL learnsync.max_depth = 4;
SELECT is(pg_temp.verdict(jsonb_set(item, '{data,x}', v) || '{"id": "set"}'), 'too_large ', 'limits are settings')
FROM base, (VALUES (to_jsonb(repeat('x', 2000))), (pg_temp.deep(3))) x (v);
RESET learnsync.max_item_bytes;
RESET learnsync.max_depth;

-- Sums that overflow in the course of a push, or of time.
SELECT learnsync.define_resource_type('total', '{"key": ["k"], "fields": {"n": {"merge": "sum", "type": "integer"}}}');
SELECT is(
    jsonb_path_query_array(
        pg_temp.push('sum', VARIADIC ARRAY(SELECT base.item
                                               || jsonb_build_object('id', 'sum' || n, 'resourceType', 'total',
                                                   'data', jsonb_build_object('k', 'sum', 'n', t))
                                           FROM base, (VALUES (1, 9223372036854775800), (2, 8), (3, 7)) v (n, t))),
        '$.results[*].status'),
    '["synced", "failed", "synced"]',
    'the item that makes the sum too large fails, another one that fits does not');
SELECT is(
    pg_temp.verdict(item || '{"id": "sum4", "resourceType": "total", "data": {"k": "sum", "n": 1}}', 'sum'),
    'out_of_range data.n',
    'later too')
FROM base;
SELECT is(
    (SELECT data ->> 'n' FROM learnsync_data.resource WHERE resource_id = 'sum'),
    '9223372036854775807',
    'up to the very last');

-- Envelopes.
SELECT is(
    pg_temp.sqlstate_of(format('SELECT learnsync.sync_push(%L, %L)', 'bob', request)),
    state,
    left(request, 100))
FROM (VALUES
    ('[]', '22023'),
    ('null', '22023'),
    ('{}', '22023'),
    ('{"deviceId": "d"}', '22023'),
    ('{"deviceId": "d", "items": {}}', '22023'),
    ('{"items": []}', '22023'),
    ('{"deviceId": "", "items": []}', '22023'),
    ('{"deviceId": 1, "items": []}', '22023'),
    (jsonb_build_object('deviceId', repeat('x', 200), 'items', '[]'::jsonb)::text, '00000'),
    (jsonb_build_object('deviceId', repeat('x', 201), 'items', '[]'::jsonb)::text, '22023'),
    (jsonb_build_object('deviceId', 'd', 'deviceName', repeat('x', 201), 'items', '[]'::jsonb)::text, '22023'),
    ('{"deviceId": "d", "items": [], "lastSyncVersion": -1}', '22023'),
    ('{"deviceId": "d", "items": [], "lastSyncVersion": 0.5}', '22023'),
    ('{"deviceId": "d", "items": [], "lastSyncVersion": "1"}', '22023'),
    ('{"deviceId": "d", "items": [], "lastSyncVersion": 9007199254740992}', '22023'),
    ('{"deviceId": "d", "items": [], "lastSyncVersion": 9007199254740991}', '00000'),
    ('{"deviceId": "d", "items": [], "lastSyncVersion": 2.0}', '00000'),
    ('{"deviceId": "d", "items": [], "dryRun": "true"}', '22023'),
    ('{"deviceId": "d", "items": [], "atomic": 1}', '22023'),
    ('{"deviceId": "d", "items": [], "metadata": []}', '22023'),
    ('{"deviceId": "d", "deviceId": "", "items": []}', '22023'),
    ('{"deviceId": "\u0000", "items": []}', '22P05'),
    ('{"deviceId": "d", "items": [{"id": "a\u0000"}]}', '22P05'),
    ('{"deviceId": "d", "items": [{"id": "\ud800"}]}', '22P02'),
    ('{"deviceId": "d", "items": [}', '22P02'),
    (repeat('[', 100000), '54001')) v (request, state);
SELECT is(
    (SELECT count(*) FROM learnsync_data.learner WHERE learner_id = 'bob'),
    1::bigint,
    'what was refused left nothing behind');

-- Too many: refused before anything is looked at, and fast.
SELECT is(
    pg_temp.sqlstate_of(format('SELECT learnsync.sync_push(%L, %L)', 'cat',
        jsonb_build_object('deviceId', 'd', 'items', to_jsonb(array_fill('x'::text, ARRAY[n]))))),
    state,
    n || ' items')
FROM (VALUES (1000, '00000'), (1001, '54000')) v (n, state);
CREATE TEMP TABLE million AS
SELECT jsonb_build_object('deviceId', 'd', 'items', to_jsonb(array_fill('{"id": 1}'::jsonb, ARRAY[1000000]))) AS body;
CREATE FUNCTION pg_temp.milliseconds(statement text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
BEGIN
    PERFORM pg_temp.sqlstate_of(statement);
    RETURN extract(epoch FROM clock_timestamp() - started) * 1000;
END $$;
SELECT is(pg_temp.sqlstate_of($$ SELECT learnsync.sync_push('dan', body) FROM million $$), '54000', 'a million items');
SELECT cmp_ok(
    pg_temp.milliseconds($$ SELECT learnsync.sync_push('dan', body)::jsonb FROM million $$),
    '<',
    500::numeric,
    'are refused fast');
SET LOCAL learnsync.max_batch_items = 3;
SELECT is(
    pg_temp.sqlstate_of(format('SELECT learnsync.sync_push(%L, %L)', 'dan',
        jsonb_build_object('deviceId', 'd', 'items', to_jsonb(array_fill('x'::text, ARRAY[n]))))),
    state,
    'a limit of 3: ' || n || ' items')
FROM (VALUES (3, '00000'), (4, '54000')) v (n, state);
RESET learnsync.max_batch_items;
SELECT is(
    jsonb_path_query_array(
        learnsync.sync_push('eve', '{"deviceId": "d", "items": []}')::jsonb - '{epoch,serverTimestamp}'::text[],
        '$.*.type()'),
    '["array", "array", "array", "number", "array"]',
    'an empty push is answered');

SELECT is(
    pg_temp.sqlstate_of(format('SELECT %L::learnsync.merge_rule', rule)),
    '22023',
    'a rule leaves us our member: ' || rule)
FROM (VALUES ('{"key": ["_learnsync"]}'), ('{"fields": {"_learnsync": {"merge": "last_time"}}}')) v (rule);

SELECT * FROM finish();
ROLLBACK;
