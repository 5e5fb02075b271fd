-- Each item counts exactly once, and every retry gets the first answer.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.progress(id text, seconds numeric, lesson text DEFAULT 'l1') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'lesson_progress',
        'clientTimestamp', '2026-01-08T10:00:00Z',
        'data', jsonb_build_object('lessonId', lesson, 'timeSpent', seconds))) $$;
CREATE FUNCTION pg_temp.attempt(id text, score int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'create', 'resourceType', 'quiz_attempt',
        'clientTimestamp', '2026-01-08T10:00:00Z',
        'data', jsonb_build_object('quizId', 'q', 'attemptNumber', 1, 'score', score)) $$;
CREATE FUNCTION pg_temp.push(learner text, device text, more jsonb, VARIADIC items jsonb[])
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner,
        jsonb_build_object('deviceId', device, 'items', to_jsonb(items))
            || more)::jsonb - '{epoch,serverTimestamp}'::text[] $$;
-- The verdicts in short: status, code and whether it is a duplicate.
CREATE FUNCTION pg_temp.verdicts(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(CASE WHEN r ->> 'status' = 'failed' THEN f.code ELSE r ->> 'status' END
            || CASE WHEN (r ->> 'duplicate')::boolean THEN '*' ELSE '' END,
        ' ' ORDER BY n)
    FROM (SELECT r, n, count(*) FILTER (WHERE r ->> 'status' = 'failed') OVER (ORDER BY n) AS nf
          FROM jsonb_array_elements(answer -> 'results') WITH ORDINALITY AS x (r, n)) r
    LEFT JOIN LATERAL (SELECT answer #>> ARRAY['failedItems', (nf - 1)::text, 'code'] AS code) f ON true $$;
CREATE FUNCTION pg_temp.spent(learner text, lesson text DEFAULT 'l1') RETURNS text LANGUAGE sql AS $$
    SELECT data ->> 'timeSpent' FROM learnsync_data.resource WHERE learner_id = learner AND resource_id = lesson $$;
-- Every row of every table with its place, so that even a rewrite shows; of the devices only what is neither "last
-- seen" nor counts.
CREATE FUNCTION pg_temp.trace(with_devices boolean DEFAULT false) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(x, E'\n' ORDER BY x)
    FROM (SELECT 'learner' || ctid || l::text FROM learnsync_data.learner l
          UNION ALL SELECT 'resource' || ctid || r::text FROM learnsync_data.resource r
          UNION ALL SELECT 'ledger' || ctid || l::text FROM learnsync_data.ledger l
          UNION ALL SELECT 'push' || tableoid || ctid || p::text FROM learnsync_data.push p
          UNION ALL SELECT 'conflict' || ctid || c::text FROM learnsync_data.conflict c
          UNION ALL SELECT 'failed' || ctid || f::text FROM learnsync_data.failed f
          UNION ALL SELECT 'instance' || ctid || i::text FROM learnsync_data.instance i
          UNION ALL SELECT 'type' || ctid || t::text FROM learnsync_data.resource_type t
          UNION ALL SELECT 'device'
              || CASE WHEN with_devices THEN ctid || d::text ELSE (to_jsonb(d) - 'last_sync_at' - 'counts')::text END
          FROM learnsync_data.device d) AS t (x) $$;

-- One item, seen again and again.
SELECT is(pg_temp.verdicts(pg_temp.push('ann', 'd', '{}', pg_temp.progress('i', 5))), 'synced', 'an item is taken');
SELECT pg_temp.trace() AS before \gset
SELECT is(pg_temp.verdicts(pg_temp.push('ann', 'd', '{}', pg_temp.progress('i', 5))), 'synced*', 'again: a duplicate');
SELECT is(
    pg_temp.verdicts(pg_temp.push('ann', 'd', '{}', pg_temp.progress('i', 5), pg_temp.progress('i', 5))),
    'synced* synced*',
    'twice more');
SELECT is(pg_temp.trace(), :'before', 'retries change nothing but the last seen and counts');
SELECT is(pg_temp.spent('ann'), '5', 'it counted once');

-- Which payloads are the same, in a later push and within one.
CREATE TEMP TABLE payload (what text, same boolean, item jsonb);
INSERT INTO payload VALUES
    ('1.0 for 1', true, '{"id": "n", "operation": "update", "resourceType": "lesson_progress",
        "clientTimestamp": "2026-01-08T10:00:00Z",
        "data": {"lessonId": "p", "timeSpent": 5.0, "note": {"a": 1, "b": [1, 2]}}}'),
    ('another key order', true, '{"data": {"note": {"b": [1, 2], "a": 1e0}, "timeSpent": 5, "lessonId": "p"},
        "clientTimestamp": "2026-01-08T10:00:00Z", "resourceType": "lesson_progress", "operation": "update",
        "id": "n"}'),
    ('another value', false, '{"id": "n", "operation": "update", "resourceType": "lesson_progress",
        "clientTimestamp": "2026-01-08T10:00:00Z",
        "data": {"lessonId": "p", "timeSpent": 6, "note": {"a": 1, "b": [1, 2]}}}'),
    ('a string for a number', false, '{"id": "n", "operation": "update", "resourceType": "lesson_progress",
        "clientTimestamp": "2026-01-08T10:00:00Z",
        "data": {"lessonId": "p", "timeSpent": 5, "note": {"a": "1", "b": [1, 2]}}}'),
    ('another order of elements', false, '{"id": "n", "operation": "update", "resourceType": "lesson_progress",
        "clientTimestamp": "2026-01-08T10:00:00Z",
        "data": {"lessonId": "p", "timeSpent": 5, "note": {"a": 1, "b": [2, 1]}}}'),
    ('another time', false, '{"id": "n", "operation": "update", "resourceType": "lesson_progress",
        "clientTimestamp": "2026-01-08T10:00:01Z",
        "data": {"lessonId": "p", "timeSpent": 5, "note": {"a": 1, "b": [1, 2]}}}'),
    ('another operation', false, '{"id": "n", "operation": "create", "resourceType": "lesson_progress",
        "clientTimestamp": "2026-01-08T10:00:00Z",
        "data": {"lessonId": "p", "timeSpent": 5, "note": {"a": 1, "b": [1, 2]}}}'),
    ('an unknown member more', false, '{"id": "n", "x": 1, "operation": "update", "resourceType": "lesson_progress",
        "clientTimestamp": "2026-01-08T10:00:00Z",
        "data": {"lessonId": "p", "timeSpent": 5, "note": {"a": 1, "b": [1, 2]}}}'),
    ('an invalid one', false, '{"id": "n", "operation": "update", "resourceType": "lesson_progress",
        "clientTimestamp": "now", "data": {"lessonId": "p", "timeSpent": -5}}'),
    ('no object of data', false, '{"id": "n"}');
SELECT is(
    pg_temp.verdicts(pg_temp.push('ann', 'd', '{}', (SELECT item FROM payload WHERE what = '1.0 for 1'))),
    'synced',
    'the first copy');
SELECT is(
    pg_temp.verdicts(pg_temp.push('ann', 'd', '{}', item)),
    CASE WHEN same THEN 'synced*' ELSE 'id_reused' END,
    'a copy with ' || what)
FROM payload;
SELECT is(
    pg_temp.verdicts(pg_temp.push('pat' || n, 'd', '{}', (SELECT item FROM payload WHERE what = '1.0 for 1'), item)),
    CASE WHEN same THEN 'synced synced*' ELSE 'synced id_reused' END,
    'in one push: a copy with ' || what)
FROM (SELECT row_number() OVER () AS n, * FROM payload) p;
SELECT is(pg_temp.spent('ann', 'p'), '5.0', 'the first copy stands');
SELECT is(
    pg_temp.verdicts(pg_temp.push('ann', 'd', '{}', (SELECT item FROM payload WHERE what = '1.0 for 1'))),
    'synced*',
    'and is still known');

-- The device is part of the identity, and so is the learner.
SELECT is(
    pg_temp.verdicts(pg_temp.push('ann', 'other device', '{}', pg_temp.progress('i', 7))),
    'synced',
    'another device may use the same id');
SELECT is(pg_temp.verdicts(pg_temp.push('bob', 'd', '{}', pg_temp.progress('i', 9))), 'synced', 'and another learner');
SELECT is(pg_temp.spent('ann') || '/' || pg_temp.spent('bob'), '12/9', 'all of them count');
SELECT pg_temp.push(l, d, '{}', pg_temp.progress('c', 1)) FROM (VALUES ('x', 'yz'), ('xy', 'z')) v (l, d);
SELECT is(
    (SELECT count(DISTINCT key) FROM learnsync_data.ledger WHERE learner_id IN ('x', 'xy')),
    2::bigint,
    'learner and device are told apart');

-- Items without an id.
SELECT answer #>> '{results,0,id}' AS derived
FROM pg_temp.push('cat', 'd', '{}', pg_temp.progress(NULL, 5)) answer \gset
SELECT isnt(:'derived'::text, NULL, 'an item without an id gets one');
SELECT is(answer #>> '{results,0,id}', :'derived', 'the same one for ' || what)
FROM (VALUES
    ('the same bytes', pg_temp.progress(NULL, 5)),
    ('5.0', pg_temp.progress(NULL, 5.0)),
    ('a null id', pg_temp.progress(NULL, 5) || '{"id": null}'),
    ('members beside the content', pg_temp.progress(NULL, 5))) v (what, item),
    pg_temp.push('cat', 'd', '{}', item) answer;
SELECT is(pg_temp.spent('cat'), '5', 'and it counted once');
SELECT isnt(answer #>> '{results,0,id}', :'derived', 'another one for another ' || what)
FROM (VALUES
    ('amount', pg_temp.progress(NULL, 6)),
    ('time', pg_temp.progress(NULL, 5) || '{"clientTimestamp": "2026-01-08T10:00:01Z"}'),
    ('operation', pg_temp.progress(NULL, 5) || '{"operation": "create"}'),
    ('resourceId', pg_temp.progress(NULL, 5) || '{"resourceId": "l1"}'),
    ('type', pg_temp.progress(NULL, 5) || '{"resourceType": "mastery"}')) v (what, item),
    pg_temp.push('cat', 'd', '{}', item) answer;
SELECT is(
    pg_temp.verdicts(pg_temp.push('cas', 'd', '{}', pg_temp.progress(NULL, 70), pg_temp.progress(NULL, 70))),
    'synced synced*',
    'two equal ones in one push are one');

-- A conversation or statement without an id of its own gets one from the item's identity, so a retry finds it again.
SELECT is(count(DISTINCT answer #>> '{results,0,resourceId}'), 1::bigint, 'a derived resourceId repeats')
FROM generate_series(1, 3),
    pg_temp.push('cat', 'd', '{}', '{"id": "talk", "operation": "create", "resourceType": "conversation", "data": {},
        "clientTimestamp": "2026-01-08T10:00:00Z"}') answer;
SELECT is(count(*), 1::bigint, 'and there is one conversation') FROM learnsync_data.resource
WHERE learner_id = 'cat' AND resource_type = 'conversation';

-- A whole batch: its retry gets the same answer, marked duplicate. The failed one is judged anew.
CREATE TEMP TABLE batch AS
SELECT ARRAY[pg_temp.progress('a', 5), pg_temp.attempt('b', 1), pg_temp.attempt('c', 2), pg_temp.attempt('d', 1),
    pg_temp.progress('e', 3) || '{"clientTimestamp": "2026-01-07T10:00:00Z"}',
    '{"id": "f", "operation": "delete", "resourceType": "mastery", "resourceId": "m",
        "clientTimestamp": "2026-01-08T10:00:00Z"}'] AS items;
CREATE TEMP TABLE answer AS SELECT 1 AS n, pg_temp.push('dan', 'd', '{}', VARIADIC items) AS a FROM batch;
SELECT is(pg_temp.verdicts(a), 'synced synced conflict conflict conflict synced', 'a batch with every verdict')
FROM answer;
SELECT pg_temp.trace() AS before \gset
INSERT INTO answer SELECT 2, pg_temp.push('dan', 'd', '{}', VARIADIC items) FROM batch;
SELECT is(pg_temp.trace(), :'before', 'its retry changes nothing');
SELECT is(replace(two.a::text, '"duplicate": true', '"duplicate": false')::jsonb, one.a, 'and gets the same answer')
FROM answer one, answer two WHERE one.n = 1 AND two.n = 2;
SELECT is(count(*), 6::bigint, 'but for the mark on each item')
FROM answer, jsonb_path_query(a, '$.results[*].duplicate ? (@ == true)') WHERE n = 2;
SELECT pg_temp.push('dan', 'd2', '{}', pg_temp.progress('z', 100));
INSERT INTO answer SELECT 3, pg_temp.push('dan', 'd', '{}', VARIADIC items) FROM batch;
SELECT is(r3 - 'serverVersion', r2, 'once the resource has moved on, verdict and version stay')
FROM answer two, answer three,
    jsonb_path_query(two.a, '$.results[0]') r2, jsonb_path_query(three.a, '$.results[0]') r3
    WHERE two.n = 2 AND three.n = 3;
SELECT is(a #> '{results,0,serverVersion}', to_jsonb(version), 'serverVersion tells so')
FROM answer, learnsync_data.learner WHERE n = 3 AND learner_id = 'dan';
SELECT ok(NOT a #> '{results,1}' ? 'serverVersion', 'only there') FROM answer WHERE n = 3;
SELECT is(a #>> '{conflicts,2,serverData,timeSpent}', '108', 'serverData is the current document') FROM answer
WHERE n = 3;
SELECT is(count(DISTINCT ids), 1::bigint, 'conflict ids repeat')
FROM (SELECT jsonb_path_query_array(a, '$.conflicts[*].conflictId') AS ids FROM answer) c;

-- Receipts outlive the payloads.
DELETE FROM learnsync_data.push;
SELECT is(
    pg_temp.verdicts(pg_temp.push('dan', 'd', '{}', VARIADIC items)),
    'synced* synced* conflict* conflict* conflict* synced*',
    'a retry after the payloads went')
FROM batch;
SELECT is(
    pg_temp.verdicts(pg_temp.push('dan', 'd', '{}', pg_temp.progress('a', 6))),
    'id_reused',
    'and another payload under an old id');
DELETE FROM learnsync_data.failed WHERE learner_id = 'dan';
SELECT is(pg_temp.spent('dan'), '108', 'nothing counted twice');

-- Failed items.
SELECT is(
    pg_temp.verdicts(pg_temp.push('eve', 'd', '{}', pg_temp.progress('good', 1), pg_temp.progress('bad', -1),
        pg_temp.progress('good too', 1))),
    'synced out_of_range synced',
    'a bad item neither blocks the others');
SELECT is(
    (SELECT f.code || f.path || f.retry_count || (f.item = pg_temp.progress('bad', -1)) FROM learnsync_data.failed f
     WHERE learner_id = 'eve'),
    'out_of_rangedata.timeSpent0true',
    'nor vanishes: it is recorded with its payload');
SELECT pg_temp.push('eve', 'd', '{}', pg_temp.progress('bad', -1));
SELECT is((SELECT retry_count FROM learnsync_data.failed WHERE learner_id = 'eve'), 1, 'a retry is counted');
SELECT pg_temp.push('eve', 'd', '{}', pg_temp.progress('bad', -2), pg_temp.progress('bad', -3));
SELECT is(
    (SELECT retry_count || (item #>> '{data,timeSpent}') FROM learnsync_data.failed WHERE learner_id = 'eve'),
    '3-3',
    'each copy is, and the last one is kept');
SELECT pg_temp.push('eve', 'd', '{"dryRun": true}', pg_temp.progress('bad', -1));
SELECT is((SELECT retry_count FROM learnsync_data.failed WHERE learner_id = 'eve'), 3, 'a dry run is not');
SELECT is(
    pg_temp.verdicts(pg_temp.push('eve', 'd', '{}', pg_temp.progress('bad', 8))),
    'synced',
    'a failed item does not occupy its id');
SELECT is(
    (SELECT count(*) FROM learnsync_data.failed WHERE learner_id = 'eve'),
    0::bigint,
    'and is forgotten once it is accepted');
SELECT is(pg_temp.spent('eve'), '10', 'what was accepted counts');
SELECT is(
    pg_temp.verdicts(pg_temp.push('eve', 'd', '{}', pg_temp.progress('x', -1), pg_temp.progress('x', 2),
        pg_temp.progress('x', 2), pg_temp.progress('x', -1))),
    'out_of_range synced synced* id_reused',
    'bad, good, again and bad again in one push');
SELECT is(
    (SELECT string_agg(item_id || ' ' || code, ',') FROM learnsync_data.failed WHERE learner_id = 'eve'),
    'x id_reused',
    'what failed after the accepted copy is recorded');
SELECT is(
    pg_temp.verdicts(pg_temp.push('eve', 'd', '{}', pg_temp.progress('y', -1), pg_temp.progress('y', 2))),
    'out_of_range synced',
    'bad, then good in one push');
SELECT is(
    (SELECT count(*) FROM learnsync_data.failed WHERE learner_id = 'eve' AND item_id = 'y'),
    0::bigint,
    'leaves no failed copy');

-- At most 1000 failed items of a learner are kept, the newest.
SELECT pg_temp.push('fay', 'd', '{}', pg_temp.progress('oldest', -1));
SELECT pg_temp.push('fay', 'd', '{}', VARIADIC array_agg(pg_temp.progress('b' || n, -1)))
FROM generate_series(1, 999) n;
SELECT is(
    (SELECT count(*) FROM learnsync_data.failed WHERE learner_id = 'fay'),
    1000::bigint,
    '1000 failed items are kept');
SELECT pg_temp.push('fay', 'd', '{}', pg_temp.progress('newest', -1));
SELECT is(
    (SELECT count(*) || ' ' || count(*) FILTER (WHERE item_id = 'oldest') || ' '
         || count(*) FILTER (WHERE item_id = 'newest')
     FROM learnsync_data.failed WHERE learner_id = 'fay'),
    '1000 0 1',
    'then the oldest goes out');

-- Of more in one call only those are written that are kept, the last ones; what waited and fails for another reason
-- waits no longer. All are answered and counted.
SET LOCAL learnsync.max_batch_items = 5000;
SELECT pg_temp.push('max', 'd', '{}', pg_temp.progress('w', 1) || '{"resourceType": "later"}');
CREATE TEMP TABLE before AS SELECT pg_stat_get_xact_tuples_inserted('learnsync_data.failed'::regclass) AS written,
    (SELECT sum(c.failed) FROM learnsync_internal.day_counts_as_owner() c) AS failed;
SELECT is(
    jsonb_array_length(pg_temp.push('max', 'd', '{}', VARIADIC pg_temp.progress('w', -1)
        || array_agg(pg_temp.progress('b' || n, -1) ORDER BY n)) -> 'failedItems'),
    2501,
    'all of a call that failed are answered')
FROM generate_series(1, 2500) n;
SELECT is(
    pg_stat_get_xact_tuples_inserted('learnsync_data.failed'::regclass) - written,
    1000::bigint,
    'no more are written than are kept')
FROM before;
SELECT is(
    (SELECT concat_ws(' ', count(*), count(waits_for), count(*) FILTER (WHERE item_id IN ('b1', 'b1500')))
     FROM learnsync_data.failed WHERE learner_id = 'max'),
    '1000 0 0',
    'they are the last ones');
SELECT is(
    (SELECT sum(c.failed) FROM learnsync_internal.day_counts_as_owner() c) - failed,
    2501::numeric,
    'those that are not written are counted as well')
FROM before;
RESET learnsync.max_batch_items;

-- Atomic.
SELECT is(
    pg_temp.verdicts(pg_temp.push('gus', 'd', '{}', pg_temp.progress('known', 1))),
    'synced',
    'before an atomic push');
SELECT is(
    pg_temp.verdicts(answer) || jsonb_path_query_array(answer, '$.failedItems[*].retryable'),
    'synced* aborted aborted out_of_range[true, true, false]',
    'atomic: one fails, the innocent are sent back as retryable, the known stays known')
FROM pg_temp.push('gus', 'd', '{"atomic": true}', pg_temp.progress('known', 1), pg_temp.progress('a', 1),
    pg_temp.progress('a', 1), pg_temp.progress('b', -1)) answer;
SELECT is(
    (SELECT string_agg(item_id, ',') FROM learnsync_data.failed WHERE learner_id = 'gus'),
    'b',
    'only the culprit is recorded');
SELECT is(pg_temp.spent('gus'), '1', 'nothing is applied');
DELETE FROM learnsync_data.failed WHERE learner_id = 'gus';
SELECT is(
    (SELECT version || ' ' || push_no FROM learnsync_data.learner WHERE learner_id = 'gus'),
    '2 1',
    'no version is used up');
SELECT is(
    pg_temp.verdicts(pg_temp.push('gus', 'd', '{"atomic": true}', pg_temp.progress('a', 1), pg_temp.attempt('q', 1),
        pg_temp.attempt('r', 2))),
    'synced synced conflict',
    'conflicts do not break an atomic push');
SELECT is(
    pg_temp.verdicts(pg_temp.push('gus', 'd', '{"atomic": true}', pg_temp.progress('a', 2),
        pg_temp.progress('n', 2))),
    'id_reused aborted',
    'an id reused does');

-- A dry run says what would happen and leaves no trace.
CREATE TEMP TABLE dry AS
SELECT ARRAY[pg_temp.progress('a', 5), pg_temp.progress('a', 5), pg_temp.progress('a', 6), pg_temp.attempt('b', 1),
    pg_temp.attempt('c', 2), pg_temp.progress('bad', -1)] AS items;
SELECT pg_temp.push('hal', 'd', '{}', pg_temp.progress('0', 1), pg_temp.progress('bad', -1));
SELECT pg_temp.trace(true) AS before \gset
CREATE TEMP TABLE would AS
SELECT pg_temp.push(l, 'd', '{"dryRun": true}', VARIADIC items) AS a, l FROM dry, unnest('{hal,new}'::text[]) l;
SELECT is(pg_temp.trace(true), :'before', 'a dry run leaves no trace in any table, not of a new learner either');
SELECT is(
    a - 'syncVersion',
    pg_temp.push(l, 'd', '{}', VARIADIC items) - 'syncVersion',
    'and says what happens: ' || l)
FROM would, dry;
SELECT is(
    pg_temp.verdicts(pg_temp.push('hal', 'd', '{"dryRun": true}', VARIADIC items)),
    'synced* synced* id_reused synced* conflict* out_of_range',
    'a dry run of what is known')
FROM dry;
SELECT is(a -> 'syncVersion', '1', 'its syncVersion is one to store') FROM would;

-- One push is one transaction.
SELECT pg_temp.trace(true) AS before \gset
SAVEPOINT s;
SELECT pg_temp.push('ian', 'd', '{}', pg_temp.progress('a', 5), pg_temp.progress('b', -5));
ROLLBACK TO s;
SELECT is(pg_temp.trace(true), :'before', 'undone with its transaction, a push was never there');
SELECT is(
    pg_temp.verdicts(pg_temp.push('ian', 'd', '{}', pg_temp.progress('a', 5))),
    'synced',
    'and its items are new');

-- The counter has no gaps: versions are those of the resources and log rows, in order.
SELECT is(
    (SELECT count(*) FROM learnsync_data.learner l
     WHERE version <> (SELECT max(version) FROM learnsync_data.resource r WHERE r.learner_id = l.learner_id)),
    0::bigint,
    'no version without a resource');
SELECT is(
    (SELECT count(*)
     FROM (SELECT version, count(*) OVER (PARTITION BY learner_id, version) AS n FROM learnsync_data.resource) v
     WHERE n > 1),
    0::bigint,
    'no version twice');

SELECT * FROM finish();
ROLLBACK;
