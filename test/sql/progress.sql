-- The type progress and its aggregate, on anyone's table, without setup().
BEGIN;
SET LOCAL client_min_messages = warning;
DROP SCHEMA learnsync_data CASCADE;
SELECT no_plan();
SET LOCAL search_path = public, learnsync;

CREATE TEMP TABLE theirs (learner text, id text, sent text, at timestamptz, type text, payload jsonb);
INSERT INTO theirs
SELECT v.learner, v.id, v.sent, v.sent::timestamptz, v.type, v.payload::jsonb
FROM (VALUES
    ('a', 'e1', '2026-01-08T10:00:00.000Z', 'content.progressed', '{"contentId": "c", "status": "completed",
        "score": 7.50, "interaction": {"interactionId": "q", "state": {"n": 1}}}'),
    ('a', 'e2', '2026-01-08T11:00:00+01:00', 'content.progressed', '{"contentId": "c", "status": "passed"}'),
    ('a', 'e3', '2026-01-09T10:00:00.123456Z', 'content.progressed', '{"contentId": "d", "status": "passed",
        "contentVersion": "v2"}'),
    ('b', 'e1', '2026-01-08T10:00:00Z', 'onboarding.completed', '{"pathId": "p", "relatedPaths": ["q"]}'),
    ('b', 'e2', '2026-01-08T12:00:00Z', 'progress.reset', NULL),
    ('c', NULL, NULL, NULL, NULL)) AS v (learner, id, sent, type, payload);
CREATE TEMP TABLE reduced AS SELECT learner, progress_agg(id, sent, type, payload) AS p FROM theirs GROUP BY 1;

SELECT is(
    (SELECT p::jsonb FROM reduced WHERE learner = 'a'),
    '{"version": 1, "onboarding": {"pathId": null, "relatedPaths": [], "completedAt": null}, "activePathId": null,
        "content": {"c": {"contentId": "c", "status": "passed", "score": 7.5, "contentVersion": "v1",
                "interactions": {"q": {"n": 1}}, "completedAt": "2026-01-08T10:00:00.000Z",
                "lastAttemptAt": "2026-01-08T11:00:00+01:00"},
            "d": {"contentId": "d", "status": "passed", "contentVersion": "v2",
                "completedAt": "2026-01-09T10:00:00.123456Z", "lastAttemptAt": "2026-01-09T10:00:00.123456Z"}},
        "streak": {"currentStreak": 2, "longestStreak": 2, "lastActivityDate": "2026-01-09"},
        "lastUpdated": "2026-01-09T10:00:00.123456Z"}',
    'times that are text are shown as sent');
SELECT is(
    (SELECT progress_agg(id, at, type, payload)::jsonb #>> '{content,c,lastAttemptAt}' FROM theirs
     WHERE learner = 'a'),
    '2026-01-08T10:00:00.000Z',
    'timestamps are shown in UTC');
SELECT is(
    (SELECT progress_agg(id, at, type, payload)::jsonb #>> '{content,d,lastAttemptAt}' FROM theirs
     WHERE learner = 'a'),
    '2026-01-09T10:00:00.123456Z',
    'with microseconds where milliseconds do not do');
SET LOCAL timezone = 'Asia/Kathmandu';
SELECT is(
    (SELECT progress_agg(id, at, type, payload)::jsonb #>> '{content,c,lastAttemptAt}' FROM theirs
     WHERE learner = 'a'),
    '2026-01-08T10:00:00.000Z',
    'whatever TimeZone says');
SELECT is(
    (SELECT p::jsonb ->> 'lastUpdated' || (p::jsonb -> 'onboarding') FROM reduced WHERE learner = 'b'),
    '2026-01-08T12:00:00Z{"pathId": null, "completedAt": null, "relatedPaths": []}',
    'a reset');
SELECT is((SELECT p FROM reduced WHERE learner = 'c'), NULL, 'no events, no state');

-- Combining: any parts, which may overlap, in any order.
SELECT is(
    (SELECT count(*)
     FROM theirs x, theirs y,
         LATERAL (SELECT progress_agg(id, sent, type, payload) p FROM theirs
                  WHERE learner = 'a' AND id IN (x.id, y.id)) one,
         LATERAL (SELECT progress_agg(id, sent, type, payload) p FROM theirs WHERE learner = 'a' AND id <> x.id) two
     WHERE x.learner = 'a' AND y.learner = 'a'
         AND (one.p || two.p <> (SELECT p FROM reduced WHERE learner = 'a') OR one.p || two.p <> two.p || one.p)),
    0::bigint,
    '|| takes parts together');
SELECT is((SELECT p || p = p FROM reduced WHERE learner = 'a'), true, 'twice the same is the same');
SELECT is(
    (SELECT count(DISTINCT p::text) || ' ' || bool_or(x.p = y.p) FROM reduced x JOIN reduced y USING (learner, p)),
    '2 true',
    'equality, by hash too');
SELECT is(
    (SELECT bool_or(x.p = y.p) || ' ' || bool_and(x.p <> y.p) FROM reduced x, reduced y WHERE x.learner < y.learner),
    'false true',
    'and inequality');

-- Many events of one content, and of some or many interactions of it, each twice.
CREATE TEMP TABLE many AS
SELECT n, 'e' || n AS id, '2026-01-08'::timestamptz + n * interval '1 s' AS at,
    jsonb_build_object('contentId', 'c', 'status', CASE WHEN n % 3 = 0 THEN 'completed' ELSE 'passed' END,
        'score', n * 37 % 101,
        'interaction', jsonb_build_object('interactionId', 'i' || n % ids,
            'state', jsonb_build_object('n', n))) AS payload,
    ids
FROM generate_series(1, 200) n, (VALUES (8), (9), (40)) AS x (ids);
CREATE TEMP TABLE many_reduced AS
SELECT ids, way, progress_agg(id, at, 'content.progressed', payload ORDER BY place) AS p
FROM many, (VALUES (0), (1)) AS again (copy),
    LATERAL (VALUES ('in order', 2 * n + copy), ('first all of one, then all of the other', 1000 * copy + n),
        ('nearly in order', 2 * (n # 6) + copy), ('each again soon after', 2 * n + copy * 9), ('backwards', -n),
        ('in no order', hashtext(id || copy))) AS x (way, place)
GROUP BY ids, way;
SELECT is(
    (SELECT array_agg(format('%s interactions: %s', a.ids, a.way))
     FROM many_reduced a
     JOIN many_reduced b USING (ids)
     WHERE b.way = 'in order' AND (a.p <> b.p OR a.p::bytea <> b.p::bytea)),
    NULL,
    'many events come to the same bytes in whatever order, and twice');
SELECT is(
    (SELECT jsonb_object_agg(id, state)
     FROM (SELECT DISTINCT ON (1) payload #>> '{interaction,interactionId}' AS id,
               payload #> '{interaction,state}' AS state
           FROM many
           WHERE many.ids = r.ids
           ORDER BY 1, n DESC) last),
    p::jsonb #> '{content,c,interactions}',
    format('the last states of %s interactions stand', ids))
FROM many_reduced r
WHERE way = 'in no order';

-- In and out.
SELECT is(
    (SELECT count(*) FROM reduced
     WHERE p::text::progress = p AND p::bytea::progress = p AND (p::text)::jsonb - 'state' = p::jsonb),
    2::bigint,
    'text and bytea are read back');
\copy (SELECT learner, p FROM reduced) TO 'tmp/progress.copy' WITH (FORMAT binary)
CREATE TEMP TABLE copied (learner text, p progress);
\copy copied FROM 'tmp/progress.copy' WITH (FORMAT binary)
SELECT is((SELECT count(*) FROM copied JOIN reduced USING (learner, p)), 2::bigint, 'the binary form is read back');
CREATE FUNCTION pg_temp.refused(input text, type text DEFAULT 'progress') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF type = 'bytea' THEN PERFORM input::bytea::progress; ELSE PERFORM input::progress; END IF;
    RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT is(pg_temp.refused(input), state, 'text ' || left(input, 40))
FROM (SELECT *
      FROM (VALUES
          ('', '22P02'),
          ('{', '22P02'),
          ('5', '22P02'),
          ('{}', '22P02'),
          ('{"state": 5}', '22P02'),
          ('{"state": "xyz"}', '22023'),
          ('{"state": "00"}', '22P03')) AS v (input, state)
      UNION ALL SELECT (p::jsonb)::text, '22P02' FROM reduced WHERE learner = 'a'
      UNION ALL SELECT jsonb_set(p::text::jsonb, '{content,c,score}', '100')::text, '22P02' FROM reduced
      WHERE learner = 'a') v;

-- Rows of many learners take turns: each state is that of its learner alone, however the server groups.
CREATE TABLE turns (learner int, id text, sent text, type text, payload jsonb, part int) PARTITION BY LIST (part);
CREATE TABLE turns_0 PARTITION OF turns FOR VALUES IN (0);
CREATE TABLE turns_1 PARTITION OF turns FOR VALUES IN (1);
INSERT INTO turns
SELECT n % 60, n || CASE WHEN n % 11 = 0 THEN repeat('x', 120) ELSE '' END,
    to_char('2026-01-08'::timestamp + n * interval '7 s', 'YYYY-MM-DD"T"HH24:MI:SS')
        || CASE n % 2 WHEN 0 THEN 'Z' ELSE '+01:00' END,
    CASE WHEN n % 97 = 0 THEN 'activePath.set' WHEN n % 1501 = 0 THEN 'progress.reset' ELSE 'content.progressed' END,
    jsonb_build_object('pathId', 'p' || n, 'contentId', 'c' || n / 60 % 30,
        'status', (ARRAY['not_started', 'in_progress', 'completed', 'passed'])[1 + n / 60 % 7 % 4],
        'score', n * 37 % 101, 'contentVersion', 'v' || n % 5,
        'more', repeat('y', CASE WHEN n % 7 = 0 THEN 600 WHEN n % 501 = 0 THEN 100000 ELSE n % 300 END),
        'interaction', jsonb_build_object('interactionId', 'i' || n * n % 41, 'state', jsonb_build_object('n', n))),
    n % 3 % 2
FROM generate_series(1, 9000) n;
ANALYZE turns;
CREATE TEMP TABLE alone AS
SELECT learner, (SELECT progress_agg(id, sent, type, payload) FROM turns t WHERE t.learner = l.learner) AS p
FROM generate_series(0, 59) AS l (learner);
-- How a query is planned with some settings, and the learners of whom it says other than alone.
CREATE FUNCTION pg_temp.grouped(settings text, query text, OUT plan text, OUT wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
    setting text;
    line text;
BEGIN
    FOREACH setting IN ARRAY string_to_array(settings, ' ') LOOP
        PERFORM set_config(split_part(setting, '=', 1), split_part(setting, '=', 2), true);
    END LOOP;
    plan := '';
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF) ' || query LOOP
        plan := plan || line;
    END LOOP;
    EXECUTE format(
        'SELECT count(*) FROM (%s) q FULL JOIN alone USING (learner) WHERE q.p::bytea IS DISTINCT FROM alone.p::bytea',
        query) INTO wrong;
    FOREACH setting IN ARRAY string_to_array(settings, ' ') LOOP
        EXECUTE 'SET LOCAL ' || split_part(setting, '=', 1) || ' TO DEFAULT';
    END LOOP;
END
$$;
SELECT is((SELECT wrong || ' ' || (plan ~ planned) FROM pg_temp.grouped(settings, query)), '0 true',
    format('many learners in turn: %s', planned))
FROM (VALUES
    ('HashAggregate.*Batches: 1 ', 'max_parallel_workers_per_gather=0 enable_sort=off',
        'SELECT learner, progress_agg(id, sent, type, payload) AS p FROM turns GROUP BY learner'),
    ('HashAggregate.*Batches: [2-9]', 'max_parallel_workers_per_gather=0 enable_sort=off work_mem=64',
        'SELECT learner, progress_agg(id, sent, type, payload) AS p FROM turns GROUP BY learner'),
    ('GroupAggregate', 'max_parallel_workers_per_gather=0 enable_hashagg=off',
        'SELECT learner, progress_agg(id, sent, type, payload) AS p FROM turns GROUP BY learner'),
    ('HashAggregate.*Hash Key.*Hash Key', 'max_parallel_workers_per_gather=0 enable_sort=off',
        'SELECT learner, progress_agg(id, sent, type, payload) AS p FROM turns
         GROUP BY GROUPING SETS (learner, part) HAVING learner IS NOT NULL'),
    ('MixedAggregate', 'max_parallel_workers_per_gather=0',
        'SELECT learner, p
         FROM (SELECT learner, part, progress_agg(id, sent, type, payload) AS p FROM turns
               GROUP BY GROUPING SETS (learner, part, ())) x
         WHERE learner IS NOT NULL'),
    ('Finalize.*Partial HashAggregate.*Partial HashAggregate',
        'max_parallel_workers_per_gather=0 enable_partitionwise_aggregate=on enable_sort=off',
        'SELECT learner, progress_agg(id, sent, type, payload) AS p FROM turns GROUP BY learner'),
    ('Finalize.*Workers Launched: [1-9].*Partial HashAggregate',
        'min_parallel_table_scan_size=0 parallel_setup_cost=0 parallel_tuple_cost=0 enable_sort=off',
        'SELECT learner, progress_agg(id, sent, type, payload) AS p FROM turns GROUP BY learner'),
    ('Nested Loop.*HashAggregate', 'max_parallel_workers_per_gather=0 enable_sort=off enable_material=off',
        'SELECT y.learner, y.p
         FROM generate_series(0, 3) AS x,
             LATERAL (SELECT learner, progress_agg(id, sent, type, payload) AS p FROM turns
                      WHERE learner % 4 = x GROUP BY learner) y'),
    ('WindowAgg', 'max_parallel_workers_per_gather=0',
        'SELECT DISTINCT ON (learner) learner, p
         FROM (SELECT learner, n, progress_agg(id, sent, type, payload) OVER (PARTITION BY learner ORDER BY n) AS p
               FROM (SELECT *, row_number() OVER () AS n FROM turns) numbered) x
         ORDER BY learner, n DESC')) AS v (planned, settings, query);
-- A limit, an error and another call leave nothing behind that was waiting.
SELECT is((SELECT count(*) FROM (SELECT progress_agg(id, sent, type, payload) FROM turns GROUP BY learner LIMIT 1) x),
    1::bigint, 'whoever takes only one of many states gets one');
SELECT throws_ok(
    $$SELECT progress_agg(id, sent, CASE WHEN id = '8999' THEN 'unknown' ELSE type END, payload)
      FROM turns GROUP BY learner$$,
    '22023', NULL, 'a bad event among many that wait is refused');

-- Bytes that somebody changed make no state that events could not, and crash nothing.
SELECT is(
    (SELECT count(*)
     FROM (SELECT pg_temp.refused(
               set_byte(b, n % length(b), get_byte(b, n % length(b)) # (1 << (n * 7 % 8)))::text,
               'bytea') AS answer
           FROM (SELECT p::bytea AS b FROM reduced WHERE p IS NOT NULL) x, generate_series(0, 700) n
           UNION ALL SELECT pg_temp.refused(substr(b, 1, n)::text, 'bytea')
           FROM (SELECT p::bytea AS b FROM reduced WHERE p IS NOT NULL) x, generate_series(0, length(b) - 1) n) y
     WHERE answer NOT IN ('fine', '22P03', '22021', '22P02', '54000')),
    0::bigint,
    'changed and shortened bytes');
SELECT * FROM finish();
ROLLBACK;
