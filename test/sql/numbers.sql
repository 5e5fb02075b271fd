-- Numbers as apps make them: rounded before anything else, and capped, which the answer tells.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.push(learner text, type text, VARIADIC data jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd',
        'items', (SELECT jsonb_agg(jsonb_build_object('id', n || md5(d::text), 'operation', 'update',
                      'resourceType', type, 'resourceId', 'r',
                      'clientTimestamp', '2026-01-08T10:00:0' || n || 'Z', 'data', d) ORDER BY n)
                  FROM unnest(data) WITH ORDINALITY u (d, n))))::jsonb $$;
CREATE FUNCTION pg_temp.document(learner text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN learnsync.sync_pull(learner, '{"deviceId": "d"}')::jsonb #> '{changes,0,data}';
END $$;

-- What is shipped.
SELECT is(
    pg_temp.push('floats', 'lesson_progress', '{"completionPercentage": 99.99999999999999}') -> 'failedItems',
    '[]',
    'a percentage as floats make it');
SELECT is(
    pg_temp.document('floats') - '{startedAt,lastAccessedAt,lessonId}'::text[],
    '{"completionPercentage": 100, "status": "completed", "completedAt": "2026-01-08T10:00:01.000Z"}',
    'completes the lesson');
SELECT is(
    pg_temp.push('more', 'lesson_progress', '{"completionPercentage": 100.00000000000001}',
        '{"completionPercentage": -0.0000000001}', '{"timeSpent": 61234.60000002384}') -> 'failedItems',
    '[]',
    'what is out of range or no integer by a hair');
SELECT is(
    pg_temp.document('more') -> 'completionPercentage' || (pg_temp.document('more') -> 'timeSpent'),
    '[100, 61235]',
    'is the number that was meant');
SELECT is(
    pg_temp.push('still', 'lesson_progress', '{"completionPercentage": 100.001}', '{"timeSpent": -0.6}',
        '{"completionPercentage": "40"}') #>> '{failedItems}' ~ 'out_of_range.*out_of_range.*invalid',
    true,
    'what is out of range by more still is');
SELECT is(
    pg_temp.push('almost', 'lesson_progress', '{"completionPercentage": 99.999}') #>> '{results,0,status}'
        || (pg_temp.document('almost') ->> 'status'),
    'syncedin-progress',
    'almost done is not done');
CREATE TEMP TABLE answer AS
SELECT pg_temp.push('day', 'lesson_progress', '{"timeSpent": 86400000}', '{"timeSpent": 86400000.4}',
    '{"timeSpent": 86400001}', '{"timeSpent": 1e15, "completionPercentage": 5}') AS a;
SELECT is(
    (SELECT string_agg(coalesce(r ->> 'capped', 'all'), ' ' ORDER BY n)
     FROM answer, jsonb_array_elements(a -> 'results') WITH ORDINALITY u (r, n)),
    'all all ["timeSpent"] ["timeSpent"]',
    'what one item says beyond a day does not count, and the answer tells');
SELECT is(
    pg_temp.document('day') -> 'timeSpent' || (pg_temp.document('day') -> 'completionPercentage'),
    '[345600000, 5]',
    'the rest of it counts');
SELECT is(
    (SELECT jsonb_agg(r - 'duplicate' ORDER BY n) FROM jsonb_array_elements(pg_temp.push('day', 'lesson_progress',
         '{"timeSpent": 86400000}', '{"timeSpent": 86400000.4}', '{"timeSpent": 86400001}',
         '{"timeSpent": 1e15, "completionPercentage": 5}') -> 'results') WITH ORDINALITY u (r, n)),
    (SELECT jsonb_agg(r - 'duplicate' ORDER BY n)
     FROM answer, jsonb_array_elements(a -> 'results') WITH ORDINALITY u (r, n)),
    'a retry tells the same');
SELECT learnsync.register_content('{"contents": [{"contentId": "m", "kind": "module"}]}');
CREATE FUNCTION pg_temp.event(key text, data jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('idempotencyKey', key, 'deviceId', 'd', 'moduleId', 'm',
        'clientTimestamp', '2026-01-08T10:00:00Z') || data $$;
SELECT is(
    learnsync.sync_progress('events', jsonb_build_object('events', jsonb_build_array(
        pg_temp.event('p', '{"progressPercent": 100.00000000000001, "syncVersion": 1}'))))::jsonb
        #>> '{data,results,0,status}',
    'applied',
    'the percentage of a module');
SELECT is(
    (SELECT string_agg(r ->> 'status', ' ' ORDER BY n) FROM jsonb_array_elements(
         learnsync.sync_completions('events', jsonb_build_object('events', jsonb_build_array(
             pg_temp.event('c1', '{"score": 70}'), pg_temp.event('c2', '{"score": 70.00000000000001}'),
             pg_temp.event('c3', '{"score": 70.01}'))))::jsonb #> '{data,results}') WITH ORDINALITY u (r, n)),
    'applied skipped applied',
    'the score of a module is not higher by a hair');

-- Conditions, computed fields, and documents that are taken as a whole.
SELECT learnsync.define_resource_type('gauge', '{"key": ["k"], "stale": "ignore", "fields": {
    "peak": {"merge": "max", "type": "number", "round": 1, "cap": 20},
    "full": {"merge": "first_time", "when": {"peak": {"from": 20}}},
    "is": {"derive": "peak", "steps": [{"value": "low"}, {"value": "high", "from": 20}]},
    "n": {"merge": "rank", "type": "integer", "round": 0, "values": [1, 2, 3]},
    "total": {"merge": "counter", "type": "integer", "cap": 9, "max": 10}}}');
SELECT is(
    pg_temp.push('gauge', 'gauge', '{"peak": 19.94, "n": 1.6, "total": 10}', '{"peak": 19.95, "n": 1.4}',
        '{"peak": 30}') #>> '{results,0,capped}' || (pg_temp.document('gauge') - 'k')::text,
    '["total"]{"n": 2, "is": "high", "full": "2026-01-08T10:00:02.000Z", "peak": 20, "total": 9}',
    'all see the number that counts');
SELECT learnsync.define_resource_type('whole', '{"key": ["k"], "policy": "latest",
    "fields": {"a": {"type": "number", "round": 2, "cap": 5}}}');
SELECT is(
    (pg_temp.push('whole', 'whole', '{"a": 1.005, "b": 1.005}') #>> '{results,0,status}')
        || (pg_temp.document('whole') - 'k')::text,
    'synced{"a": 1.01, "b": 1.005}',
    'fields of a document that is taken as a whole, and no others');

-- A person's document is not one item.
SELECT pg_temp.push('person', 'lesson_progress', '{"timeSpent": 1000}');
SELECT learnsync.sync_push('person', '{"deviceId": "e", "items": [{"id": "del", "operation": "delete",
    "resourceType": "lesson_progress", "resourceId": "r", "clientTimestamp": "2026-01-01T10:00:00Z"}]}');
SELECT learnsync.sync_resolve('person', jsonb_build_object('resolution', 'use_merged',
    'conflictId', (SELECT conflict_id FROM learnsync_data.conflict WHERE learner_id = 'person'),
    'mergedData', '{"lessonId": "r", "timeSpent": 900000000, "completionPercentage": 99.99999999999999}'::jsonb));
SELECT is(
    pg_temp.document('person') -> 'timeSpent' || (pg_temp.document('person') -> 'completionPercentage'),
    '[900000000, 100]',
    'it is rounded, and not capped');

-- The functions over anyone's documents.
SELECT is(
    learnsync.document(r, learnsync.merge(r, NULL, '{"a": 7.06}', '2026-01-08', 'd')) || learnsync.document(r,
        (SELECT learnsync.merge_agg(r, d, '2026-01-08', 'd')
         FROM unnest('{"{\"b\": 1.25}", "{\"b\": 1e9}"}'::jsonb[]) d)),
    '{"a": 5, "b": 6.3}',
    'merge and merge_agg go by the same numbers')
FROM learnsync.merge_rule('{"fields": {"a": {"merge": "max", "type": "number", "round": 1, "cap": 5},
    "b": {"merge": "sum", "type": "number", "round": 1, "cap": 5}}}') r;

-- Small numbers compare in a way of their own.
CREATE TEMP TABLE compared AS
SELECT v::numeric
FROM unnest('{0, 0.0, 1, 1.0, -1, 0.5, 0.50, 0.1, 0.10000000001, 0.00000001, 0.000000010, 0.000000009, -0.00000001,
    -0.000000009, 7, 70, 700, 7000, 99.99999999, 99.999999991, 100, 100.00, 9999, 9999.99999999, 9999.999999991,
    10000, 10000.00000001, 12345678.9, 99990000, 100000000, -9999, -9999.99999999, -10000, -10000.5, 1e15, 1e16,
    1e300, -1e300, 1e-300}'::text[]) v;
SELECT is(
    array_agg(format('%s %s: %s', a.v, b.v, greatest)),
    NULL,
    'the greater of two numbers is that of numeric, whatever their digits')
FROM learnsync.merge_rule('{"fields": {"a": {"merge": "max", "type": "number"}}}') r, compared a, compared b,
    LATERAL (SELECT (learnsync.document(r, learnsync.merge_agg(r, jsonb_build_object('a', n), '2026-01-08', 'd'))
                     ->> 'a')::numeric AS greatest
             FROM (VALUES (a.v), (b.v)) AS x (n)) m
WHERE greatest IS DISTINCT FROM greatest(a.v, b.v);
SELECT is(
    array_agg(format('%s %s: %s', a.v, b.v, score)),
    NULL,
    'as is the greater of two scores, however late the other')
FROM compared a, compared b,
    LATERAL (SELECT (learnsync.progress_agg(n::text, '2026-01-08'::timestamptz + n * interval '1 s',
                         'content.progressed',
                         jsonb_build_object('contentId', 'c', 'status', 'passed', 'score', v))::jsonb
                     #>> '{content,c,score}')::numeric AS score
             FROM (VALUES (1, a.v), (2, b.v)) AS x (n, v)) m
WHERE a.v BETWEEN 0 AND 100 AND b.v BETWEEN 0 AND 100 AND score IS DISTINCT FROM greatest(a.v, b.v);
SELECT throws_ok(
    format($$SELECT learnsync.progress_agg('e', '2026-01-08'::timestamptz, 'content.progressed',
                 '{"contentId": "c", "status": "passed", "score": %s}')$$, v),
    '22023',
    NULL,
    format('%s is no score', v))
FROM compared
WHERE v NOT BETWEEN 0 AND 100;

SELECT * FROM finish();
ROLLBACK;
