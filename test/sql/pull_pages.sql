-- Pages of a pull: they end by bytes, runs of them end whatever the client does, and what a client lists are sets.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.lesson(id text, lesson text, day int, more jsonb DEFAULT '{}', operation text DEFAULT 'update')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', operation, 'resourceType', 'lesson_progress',
        'data', jsonb_build_object('lessonId', lesson) || more,
        'clientTimestamp', format('2026-01-%sT10:00:00Z', lpad(day::text, 2, '0'))) $$;
CREATE FUNCTION pg_temp.push(learner text, VARIADIC items jsonb[]) RETURNS bigint LANGUAGE sql AS $$
    SELECT (learnsync.sync_push(learner, jsonb_build_object('deviceId', 'phone',
        'items', to_jsonb(items))) ->> 'syncVersion')::bigint $$;
CREATE FUNCTION pg_temp.pull(learner text, request jsonb) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
    RETURN learnsync.sync_pull(learner, '{"deviceId": "tablet"}' || request);
END $$;
-- A page in short: how many changes, the new cursor, + where there is more, ! for a reset.
CREATE FUNCTION pg_temp.page(answer json) RETURNS text LANGUAGE sql AS $$
    SELECT json_array_length(answer -> 'changes') || ' =' || (answer ->> 'syncVersion')
        || CASE WHEN (answer ->> 'hasMore')::boolean THEN '+' ELSE '' END
            || CASE WHEN (answer ->> 'reset')::boolean THEN '!' ELSE '' END $$;
-- The pages of a run, of a client that keeps its limit and, where told so, its from; no more than ten.
CREATE FUNCTION pg_temp.run(learner text, request jsonb) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    pages text[];
    answer json;
BEGIN
    LOOP
        answer := pg_temp.pull(learner, request);
        pages := pages || pg_temp.page(answer);
        EXIT WHEN NOT (answer ->> 'hasMore')::boolean OR cardinality(pages) = 10;
        request := request || jsonb_build_object('lastSyncVersion', answer -> 'syncVersion');
    END LOOP;
    RETURN pages;
END $$;
CREATE FUNCTION pg_temp.forget_tombstones(learner text) RETURNS void LANGUAGE sql AS $$
    UPDATE learnsync_data.resource SET updated_at = updated_at - interval '200 days'
    WHERE learner_id = learner AND data IS NULL;
    SELECT learnsync_internal.clean_pages_as_owner('resource', 0, 4294967295,
        clock_timestamp() - interval '180 days') $$;
CREATE FUNCTION pg_temp.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(hint, ''));
END $$;

-- Versions 2 to 501 below a horizon of 503, one change above it.
SELECT pg_temp.push('horizon', VARIADIC array_agg(pg_temp.lesson('i' || n, 'l' || n, 5)))
FROM generate_series(1, 500) n;
SELECT pg_temp.push('horizon', pg_temp.lesson('x1', 'gone', 5));
SELECT pg_temp.push('horizon', pg_temp.lesson('x2', 'gone', 6, operation => 'delete'));
SELECT pg_temp.push('horizon', pg_temp.lesson('x3', 'late', 7), pg_temp.lesson('x4', 'later', 7),
    pg_temp.lesson('x5', 'last', 7));
SELECT pg_temp.forget_tombstones('horizon');
SELECT is(
    (SELECT tombstone_version FROM learnsync_data.learner WHERE learner_id = 'horizon'),
    503::bigint,
    'the horizon');
SELECT is(pg_temp.run('horizon', request), pages, 'the run of a client that sends ' || request::text)
FROM (VALUES
    ('{}'::jsonb, '{"503 =506"}'::text[]),
    ('{"lastSyncVersion": 0}', '{"503 =506!"}'),
    ('{"lastSyncVersion": 1}', '{"503 =506!"}'),
    ('{"lastSyncVersion": 501}', '{"503 =506!"}'),
    ('{"lastSyncVersion": 501, "from": 501}', '{"503 =506!"}'),
    ('{"lastSyncVersion": 501, "from": 1}', '{"503 =506!"}'),
    ('{"lastSyncVersion": 5, "from": 5, "limit": 10}', '{"503 =506!"}'),
    ('{"lastSyncVersion": 5, "limit": 3}', '{"503 =506!"}'),
    ('{"lastSyncVersion": 5, "from": 5, "limit": 2}', '{"502 =505+!","1 =506"}'),
    ('{"lastSyncVersion": 1, "limit": 1}', '{"501 =504+!","1 =505+","1 =506"}'),
    ('{"lastSyncVersion": 503, "limit": 1}', '{"1 =504+","1 =505+","1 =506"}'),
    ('{"lastSyncVersion": 7, "resourceTypes": ["mastery"]}', '{"0 =506!"}'),
    ('{"lastSyncVersion": 7, "scope": {"lessonId": ["l5", "last"]}, "limit": 1}', '{"2 =506!"}'),
    ('{"lastSyncVersion": 7, "scope": {"lessonId": ["l5", "late", "last"]}, "limit": 1}', '{"2 =504+!","1 =506"}'),
    ('{"lastSyncVersion": 7, "scope": {"lessonId": ["late", "last"]}, "limit": 1}',
        '{"1 =504+!","1 =506"}')) v (request, pages);
SELECT is(pg_temp.pull('horizon', '{"lastSyncVersion": 504, "from": 5}') #>> '{changes,0,operation}', 'create',
    'who went on from below the horizon was reset meanwhile, and holds nothing from before');
-- A page that would be cut right at the horizon reaches it: its cursor is no reset again.
SELECT pg_temp.push('edge', pg_temp.lesson('1', 'a', 5), pg_temp.lesson('2', 'b', 5));
SELECT pg_temp.push('edge', pg_temp.lesson('3', 'b', 6, operation => 'delete'));
SELECT pg_temp.push('edge', pg_temp.lesson('4', 'c', 7), pg_temp.lesson('5', 'd', 7));
SELECT pg_temp.forget_tombstones('edge');
SELECT is(pg_temp.run('edge', '{"lastSyncVersion": 2, "limit": 1}'), '{"2 =5+!","1 =6"}', 'at the edge of the horizon');

-- What comes next may be larger than a page.
SELECT pg_temp.push('wide', pg_temp.lesson('1', 'a', 5), pg_temp.lesson('2', 'b', 5));
SELECT pg_temp.push('wide', pg_temp.lesson('3', 'b', 6, operation => 'delete'));
SELECT pg_temp.push('wide', pg_temp.lesson('4', 'c', 7, jsonb_build_object('note', repeat('x', 5000))));
SELECT pg_temp.forget_tombstones('wide');
SET LOCAL learnsync.max_answer_bytes = 2048;
SELECT is(
    pg_temp.run('wide', '{"lastSyncVersion": 3}'),
    '{"1 =4+!","1 =5"}',
    'with a change beyond the horizon that has no room');
RESET learnsync.max_answer_bytes;

-- A first run that was interrupted for months: what it brought may be deleted and forgotten.
SELECT pg_temp.push('pause', pg_temp.lesson('1', 'x', 5), pg_temp.lesson('2', 'y', 5));
SELECT is(
    pg_temp.pull('pause', '{"lastSyncVersion": 1, "from": 1, "limit": 1}') #>> '{changes,0,resourceId}',
    'x',
    'its first page');
SELECT pg_temp.push('pause', pg_temp.lesson('3', 'x', 6, operation => 'delete'));
SELECT pg_temp.forget_tombstones('pause');
SELECT is(
    pg_temp.page(pg_temp.pull('pause', '{"lastSyncVersion": 2, "from": 1, "limit": 1}')),
    '1 =4!',
    'starts anew half a year later');

-- Pages end by bytes; one change at least, whatever its size.
SELECT pg_temp.push('bytes', pg_temp.lesson('s' || n, 'l' || n, 5, jsonb_build_object('note', repeat('x', 20000))))
FROM generate_series(1, 12) n;
SELECT pg_temp.push('bytes', pg_temp.lesson('s1', 'l1', 5));
SELECT pg_temp.push('bytes', pg_temp.lesson('large', 'large', 5, jsonb_build_object('note', repeat('y', 100000))));
SELECT pg_temp.push('bytes', pg_temp.lesson('end', 'end', 5));
SET LOCAL learnsync.max_answer_bytes = 65536;
SELECT is(pg_temp.run('bytes', request), pages, 'pages of 64 kB: ' || request::text)
FROM (VALUES ('{}'::jsonb, '{"3 =4+","3 =7+","3 =10+","3 =13+","1 =14+","1 =15"}'::text[]),
    ('{"limit": 2}', '{"2 =3+","2 =5+","2 =7+","2 =9+","2 =11+","2 =13+","1 =14+","1 =15"}'),
    ('{"lastSyncVersion": 13}', '{"1 =14+","1 =15"}'),
    ('{"resourceTypes": ["lesson_progress"]}', '{"3 =4+","3 =7+","3 =10+","3 =13+","1 =14+","1 =15"}'),
    ('{"scope": {"lessonId": ["l1", "l2", "l3", "l4", "l12"]}}', '{"3 =4+","2 =15"}')) v (request, pages);
SELECT cmp_ok(
    max(octet_length(pg_temp.pull('bytes', jsonb_build_object('lastSyncVersion', n))::text)),
    '<=',
    65536,
    'no page of several changes is larger')
FROM generate_series(1, 12) n;
-- Below the horizon bytes do not count; what does not fit an answer at all is refused.
UPDATE learnsync_data.learner SET tombstone_version = 8 WHERE learner_id = 'bytes';
SELECT is(
    pg_temp.run('bytes', '{"lastSyncVersion": 1}'),
    '{"10 =11+!","2 =13+","1 =14+","1 =15"}',
    'bytes count from the horizon on');
RESET learnsync.max_answer_bytes;
INSERT INTO learnsync_data.resource (learner_id, resource_type, resource_id, version, created_version, at, updated_at,
    data)
SELECT 'vast', 'lesson_progress', 'l' || n, n + 1, n + 1, now(), now(),
    jsonb_build_object('lessonId', 'l' || n, 'note', repeat('z', 1000000))
FROM generate_series(1, 70) n;
INSERT INTO learnsync_data.learner (learner_id, version, log_version, tombstone_version) VALUES ('vast', 71, 71, 71);
SELECT is(pg_temp.error_of($$SELECT learnsync.sync_pull('vast', '{"deviceId": "d", "lastSyncVersion": 5}')$$),
    '54000 | what was deleted is forgotten up to a version, and all up to it is too much for one answer'
    ' | Pull with a "cursor" instead of a version: it is given out in pages.', 'more than 64 MB below the horizon');
UPDATE learnsync_data.learner SET tombstone_version = 60 WHERE learner_id = 'vast';
SELECT is(pg_temp.run('vast', '{"lastSyncVersion": 1}'), '{"63 =64+!","4 =68+","3 =71"}', 'less than that');

-- Long lists: a page carries 10 000 members, and no more bytes than any other page.
SELECT learnsync.sync_push('lists', jsonb_build_object('deviceId', 'd',
    'items', jsonb_agg(jsonb_build_object('id', c || '-' || n, 'operation', 'update', 'resourceType', 'conversation',
        'resourceId', 'c' || c, 'clientTimestamp', '2026-01-05T10:00:00Z',
        'data', jsonb_build_object(
            'messages', jsonb_build_array(jsonb_build_object('id', n, 'text', repeat('m', 20000))))))))::jsonb
FROM generate_series(1, 4) c, generate_series(1, 20) n;
SELECT learnsync.sync_push('lists', jsonb_build_object('deviceId', 'd',
    'items', jsonb_build_array(pg_temp.lesson('1', 'l', 5))));
SET LOCAL learnsync.max_answer_bytes = '1MB';
SELECT is(pg_temp.run('lists', '{}'), '{"2 =3+","3 =6"}', 'two lists of 400 kB fill a page of 1 MB');
SET LOCAL learnsync.max_answer_bytes = '100kB';
SELECT is(
    pg_temp.run('lists', '{}'),
    '{"1 =2+","1 =3+","1 =4+","1 =5+","1 =6"}',
    'one that is larger than a page comes alone');
RESET learnsync.max_answer_bytes;

-- What a client lists is a set, of at most 1000.
CREATE FUNCTION pg_temp.list(n int)
    RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_agg('t' || i) FROM generate_series(1, n) i $$;
SELECT is(
    pg_temp.error_of(format('SELECT learnsync.sync_pull(%L, %L)', 'bytes', '{"deviceId": "d"}' || request)),
    error,
    what)
FROM (VALUES
    ('1000 types', jsonb_build_object('resourceTypes', pg_temp.list(1000)), 'none'),
    ('1001 types', jsonb_build_object('resourceTypes', pg_temp.list(1001)),
        '54000 | resourceTypes has too many elements | At most 1000 are taken; learnsync.max_list is the limit.'),
    ('1000 values', jsonb_build_object('scope', jsonb_build_object('a', pg_temp.list(400), 'b', pg_temp.list(600))),
        'none'),
    ('1001 values', jsonb_build_object('scope', jsonb_build_object('a', pg_temp.list(401), 'b', pg_temp.list(600))),
        '54000 | scope has too many elements | At most 1000 are taken; learnsync.max_list is the limit.'),
    ('1001 fields',
        jsonb_build_object('scope', (SELECT jsonb_object_agg('f' || n, '[]'::jsonb) FROM generate_series(1, 1001) n)),
        '54000 | scope has too many elements | At most 1000 are taken; '
        'learnsync.max_list is the limit.')) v (what, request, error);
SELECT is(
    pg_temp.page(pg_temp.pull('bytes', request)),
    '14 =15',
    'equal values are one, and order means nothing: ' || request::text)
FROM (VALUES
    ('{"resourceTypes": ["lesson_progress", "lesson_progress"]}'::jsonb),
    ('{"resourceTypes": ["mastery", "lesson_progress", "activity"]}')) v (request);
SELECT pg_temp.push('values', pg_temp.lesson(n::text, 'l' || n, 5, data))
FROM (VALUES
    (1, '{"f": 1}'::jsonb),
    (2, '{"f": "1"}'),
    (3, '{"f": [1, {"a": "x", "b": null}]}'),
    (4, '{"f": null}'),
    (5, '{"f": true}'),
    (6, '{}'),
    (7, '{"f": 1e2}')) v (n, data);
SELECT is(
    (SELECT string_agg(c ->> 'resourceId', ' ')
     FROM json_array_elements(pg_temp.pull('values', jsonb_build_object(
         'scope', jsonb_build_object('f', list))) -> 'changes') c),
    found,
    'scope ' || list::text)
FROM (VALUES
    ('[1.0]'::jsonb, 'l1'),
    ('["1"]', 'l2'),
    ('[[1.00, {"b": null, "a": "x"}]]', 'l3'),
    ('[null]', 'l4'),
    ('[true, false]', 'l5'),
    ('[100]', 'l7'),
    ('[]', NULL),
    ('[1, "1", true, 100, null, [1, {"a": "x", "b": null}]]', 'l1 l2 l3 l4 l5 l7')) v (list, found);

-- The text is JSON, whatever the documents hold.
SELECT pg_temp.push('text', pg_temp.lesson('1', E'quo"te \\ back', 5, jsonb_build_object(
    E'k\t"\\/', E'\b\f\n\r\t\x01\x1f\x7f é 🎓',
    'deep', '[[], {}, [{"a": [1e300, -0.0, 1.50, true, false, null]}]]'::jsonb)));
SELECT is(
    (pg_temp.pull('text', '{}')::jsonb #> '{changes,0,data}') - '{status,startedAt,lastAccessedAt}'::text[],
    (SELECT data - '{startedAt,lastAccessedAt}'::text[] FROM learnsync_data.resource WHERE learner_id = 'text'),
    'what is printed is what is stored');

SELECT * FROM finish();
ROLLBACK;
