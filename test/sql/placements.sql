-- Contents that stand in several courses, contents that replace others, and what courses count of them.
BEGIN;
SELECT no_plan();

CREATE ROLE test_learner;
SELECT learnsync.grant_access('test_learner', 'learner');
CREATE FUNCTION pg_temp.register(VARIADIC contents jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(value::text, ' ' ORDER BY key = 'contents' DESC, key)
    FROM jsonb_each(learnsync.register_content(jsonb_build_object('contents', to_jsonb(contents)))) $$;
CREATE FUNCTION pg_temp.problems(VARIADIC contents jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', p ->> 'path', p ->> 'code'), ', ' ORDER BY n)
    FROM jsonb_array_elements(learnsync.validate_content(jsonb_build_object('contents', to_jsonb(contents)))
        -> 'problems') WITH ORDINALITY x (p, n) $$;
CREATE FUNCTION pg_temp.stored() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', content_id || '@' || course_id, parent_id, "position"), ', '
        ORDER BY content_id, course_id)
    FROM learnsync_data.placement $$;
CREATE FUNCTION pg_temp.ask(learner text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM set_config('request.jwt.claims', jsonb_build_object('sub', learner)::text, true);
    SET LOCAL ROLE test_learner;
    EXECUTE statement INTO result;
    RESET ROLE;
    RETURN result;
END $$;
CREATE FUNCTION pg_temp.courses(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.ask(learner, 'SELECT string_agg(concat_ws('' '', course_id, lessons_completed || ''/'' '
        '|| COALESCE(lessons::text, ''-''), time_spent), '', '' ORDER BY course_id) '
        'FROM learnsync_api.course_progress') $$;
CREATE FUNCTION pg_temp.study(learner text, lesson text, percent int, course text DEFAULT NULL)
    RETURNS void LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(
        jsonb_build_object('id', lesson || percent, 'operation', 'update', 'resourceType', 'lesson_progress',
            'clientTimestamp', '2026-01-01T10:00:00Z', 'data', jsonb_strip_nulls(jsonb_build_object(
                'lessonId', lesson, 'completionPercentage', percent, 'timeSpent', 10, 'courseId', course))))))::jsonb
    $$;

-- placements say all of it; courseId, parentId and position are the short form of one.
SELECT is(
    pg_temp.register(
        '{"contentId": "u", "placements": [{"courseId": "a"}, {"courseId": "b", "position": 1}], "kind": "unit"}',
        '{"contentId": "l", "placements": [{"courseId": "a", "parentId": "u", "position": 2.5}, {"courseId": "b"}]}',
        '{"contentId": "m", "courseId": "a", "parentId": "u", "position": 1}', '{"contentId": "n", "parentId": "u"}'),
    '4 4 0', 'contents in several courses');
SELECT is(pg_temp.stored(), 'l@a u 2.5, l@b, m@a u 1, n@ u, u@a, u@b 1', 'stored');
CREATE FUNCTION pg_temp.row_versions() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' / ', (SELECT string_agg(c.ctid::text, ' ') FROM learnsync_data.content c),
        (SELECT string_agg(p.ctid::text, ' ') FROM learnsync_data.placement p),
        (SELECT string_agg(r.ctid::text, ' ') FROM learnsync_data.replacement r)) $$;
CREATE TEMP TABLE before AS SELECT pg_temp.row_versions() AS versions;
SELECT is(
    pg_temp.register(
        '{"contentId": "l", "placements": [{"courseId": "b"}, {"courseId": "a", "parentId": "u", "position": 2.50}]}',
        '{"contentId": "m", "placements": [{"courseId": "a", "parentId": "u", "position": 1}]}',
        '{"contentId": "u"}', '{"contentId": "n", "position": null}'),
    '4 0 0', 'the same in other words changes nothing');
SELECT is(pg_temp.row_versions(), (SELECT versions FROM before), 'and writes nothing');
SELECT is(
    pg_temp.register('{"contentId": "m", "placements": [{"courseId": "a"}, {"courseId": "c", "position": 7}]}',
        '{"contentId": "n", "courseId": "b"}', '{"contentId": "u", "placements": [{"courseId": "a"},
            {"courseId": "b"}]}'),
    '3 0 3', 'further courses');
SELECT is(pg_temp.stored(), 'l@a u 2.5, l@b, m@a, m@c 7, n@b u, u@a, u@b',
    'placements replace all there were, the short form what it mentions');
SELECT is(pg_temp.problems('{"contentId": "m", "placements": [{"courseId": "c"}]}'),
    'contents[0].placements duplicate_content', 'leaving a course for others must be meant');
SELECT is(pg_temp.problems('{"contentId": "l", "courseId": "a"}'), 'contents[0].courseId duplicate_content',
    'in the short form, too');
SELECT is(pg_temp.problems('{"contentId": "l", "parentId": null}', '{"contentId": "l2", "parentId": "l"}'),
    'contents[0] invalid', 'the short form does not say in which of several courses');
SELECT is(
    learnsync.register_content('{"contents": [{"contentId": "l", "courseId": "a"}], "move": true}'),
    '{"added": 0, "changed": 1, "contents": 1}', 'move says that it is meant');
SELECT is(pg_temp.register('{"contentId": "m", "placements": null}', '{"contentId": "u", "placements": []}'), '2 0 2',
    'null and [] take all away');
SELECT is(pg_temp.stored(), 'l@a u 2.5, n@b u', 'as said');

-- What cannot be is listed.
SELECT is(
    pg_temp.problems(
        '{"contentId": "x", "placements": 1, "replaces": {}, "position": "first"}',
        '{"contentId": "y", "placements": [1, {}, {"courseId": "", "parentId": 1, "position": []}, {"courseId": "a",
            "x": 1}, {"courseId": "a"}], "replaces": ["l", "", 1, null, "l", "y", "nope"]}',
        '{"contentId": "z", "placements": [{"courseId": "a", "parentId": "nope"}, {"courseId": "b",
            "parentId": "z"}]}'),
    'contents[0].placements invalid, contents[0].placements invalid, contents[0].position invalid, '
    'contents[0].replaces invalid, contents[1].placements[0] invalid, contents[1].placements[1].courseId invalid, '
    'contents[1].replaces[1] invalid, contents[1].placements[2].courseId invalid, '
    'contents[1].placements[2].parentId invalid, contents[1].placements[2].position invalid, '
    'contents[1].replaces[2] invalid, contents[1].placements[3] invalid, contents[1].replaces[3] invalid, '
    'contents[1].placements[4].courseId invalid, contents[1].replaces[4] invalid, contents[1].replaces[5] invalid, '
    'contents[1].replaces[6] unknown_content, contents[2].placements[0].parentId unknown_content, '
    'contents[2].placements[1].parentId invalid',
    'all problems');
SELECT is(
    pg_temp.problems('{"contentId": "p", "courseId": "k", "parentId": "q"}',
        '{"contentId": "q", "courseId": "k", "parentId": "r"}', '{"contentId": "r", "courseId": "k", "parentId": "p"}',
        '{"contentId": "s", "courseId": "k", "parentId": "p"}'),
    'contents[0].parentId invalid, contents[1].parentId invalid, contents[2].parentId invalid',
    'a circle of parents is refused where it is, and not what hangs on it');
SELECT is(
    pg_temp.problems('{"contentId": "p", "courseId": "k", "parentId": "q"}',
        '{"contentId": "q", "courseId": "other", "parentId": "p"}'),
    NULL, 'in another course it is another tree');
SELECT pg_temp.register('{"contentId": "p", "courseId": "k"}', '{"contentId": "q", "courseId": "k", "parentId": "p"}',
    '{"contentId": "r", "courseId": "k", "parentId": "q", "replaces": ["q"]}');
SELECT is(pg_temp.problems('{"contentId": "p", "parentId": "r"}'), 'contents[0].parentId invalid',
    'a circle with what is stored');
SELECT is(pg_temp.problems('{"contentId": "p", "parentId": "r"}', '{"contentId": "q", "parentId": null}'), NULL,
    'that the same call opens is none');
SELECT is(pg_temp.problems('{"contentId": "p", "replaces": ["r"]}', '{"contentId": "q", "replaces": ["p"]}'),
    'contents[0].replaces[0] invalid, contents[1].replaces[0] invalid', 'a circle of replacements');
SELECT is(pg_temp.problems('{"contentId": "q", "replaces": ["r"]}', '{"contentId": "r", "replaces": null}'), NULL,
    'what replaced may be replaced in turn');

-- Content that is shared counts in each course.
SELECT pg_temp.register('{"contentId": "s1", "placements": [{"courseId": "ca"}, {"courseId": "cb"}]}',
    '{"contentId": "s2", "courseId": "ca"}', '{"contentId": "s3", "courseId": "cb"}');
SELECT pg_temp.study('ann', 's1', 100, 'elsewhere'), pg_temp.study('ann', 's2', 50), pg_temp.study('ann', 'free', 100,
    'club');
SELECT is(pg_temp.courses('ann'), 'ca 1/2 20, cb 1/2 10, club 1/- 10', 'a shared lesson counts in each course');

-- Progress of what was replaced counts for what replaces it: once, and the better of the two.
SELECT pg_temp.register('{"contentId": "v1", "courseId": "c"}', '{"contentId": "w", "courseId": "c"}');
SELECT pg_temp.study('old', 'v1', 100), pg_temp.study('both', 'v1', 100), pg_temp.study('new', 'w', 100);
SELECT is(pg_temp.courses('old'), 'c 1/2 10', 'before');
SELECT pg_temp.register('{"contentId": "v1", "retired": true}', '{"contentId": "v2", "courseId": "c",
    "replaces": ["v1"]}');
SELECT is(pg_temp.courses('old'), 'c 1/2 10', 'a lesson that was published anew stays completed');
SELECT pg_temp.study('both', 'v2', 30);
SELECT is(pg_temp.courses('both'), 'c 1/2 20', 'one is completed, time was spent on both');
SELECT pg_temp.study('both', 'v2', 100);
SELECT is(pg_temp.courses('both'), 'c 1/2 30', 'completed twice it counts once');
SELECT pg_temp.register('{"contentId": "v2", "retired": true}', '{"contentId": "v3", "replaces": ["v2"],
    "placements": [{"courseId": "c"}, {"courseId": "d"}]}');
SELECT is(pg_temp.courses('old'), 'c 1/2 10, d 1/1 10', 'through any number of editions, in each of their courses');
SELECT is(pg_temp.courses('new'), 'c 1/2 10', 'who did the other lesson has that');
SELECT pg_temp.register('{"contentId": "e1", "courseId": "e"}', '{"contentId": "e2", "courseId": "e"}',
    '{"contentId": "e", "courseId": "f", "replaces": ["e1", "e2"]}',
    '{"contentId": "e3", "courseId": "f", "replaces": ["e1"]}');
SELECT pg_temp.study('joined', 'e1', 100), pg_temp.study('joined', 'e2', 100);
SELECT is(pg_temp.courses('joined'), 'e 2/2 20, f 2/2 20',
    'two that became one count once, one that became two for both');
SELECT pg_temp.study('loose', 'never', 100, 'doc');
SELECT pg_temp.register('{"contentId": "never"}', '{"contentId": "never2", "courseId": "g", "replaces": ["never"]}');
SELECT is(pg_temp.courses('loose'), 'g 1/1 10', 'the catalog says the course, where it says one');

-- The catalog for apps.
SELECT is(
    pg_temp.ask('old', 'SELECT string_agg(concat_ws('' '', course_id, content_id, parent_id, position, kind, retired, '
        'replaces, data), '', '' ORDER BY content_id, course_id) FROM learnsync_api.content '
        'WHERE course_id IN (''c'', ''d'', ''a'')'),
    'a l u 2.5 lesson f {} {}, c v1 lesson t {} {}, c v2 lesson t {v1} {}, c v3 lesson f {v2} {}, '
    'd v3 lesson f {v2} {}, c w lesson f {} {}',
    'learnsync_api.content');
SELECT is(
    pg_temp.ask('old', 'SELECT string_agg(concat_ws('' '', content_id, kind, learner_id), '', '' ORDER BY content_id) '
        'FROM learnsync_api.content WHERE course_id IS NULL'),
    'm lesson old, never lesson old, u unit old', 'contents in no course have a row, too');
SELECT is(pg_temp.ask('', 'SELECT count(*) FROM learnsync_api.content'), '0', 'nobody sees none');

-- 100 000 contents: nothing is read of them but what a learner has to do with.
INSERT INTO learnsync_data.content SELECT 'big' || n, 'lesson', false, '{}' FROM generate_series(1, 100000) n;
INSERT INTO learnsync_data.placement (content_id, course_id, listed)
SELECT 'big' || n, 'bc' || (n + k) / 100, true FROM generate_series(1, 100000) n, generate_series(0, 100, 100) k;
INSERT INTO learnsync_data.replacement SELECT 'big' || n, 'big' || n - 1 FROM generate_series(2, 100000) n
WHERE n % 5 <> 0;
SELECT learnsync.sync_push('big', jsonb_build_object('deviceId', 'd', 'items', jsonb_agg(jsonb_build_object('id',
    n::text, 'operation', 'update', 'resourceType', 'lesson_progress', 'clientTimestamp', '2026-01-01T10:00:00Z',
    'data', jsonb_build_object('lessonId', 'big' || n, 'completionPercentage', 100)))))::jsonb -> 'syncVersion'
FROM generate_series(1, 2000, 10) n;
-- What the planner expects of a learner is what learners have on average.
INSERT INTO learnsync_data.resource
SELECT (jsonb_populate_record(r, jsonb_build_object('learner_id', 'big' || k))).*
FROM learnsync_data.resource r, generate_series(1, 20) k WHERE r.learner_id = 'big';
ANALYZE learnsync_data.content, learnsync_data.placement, learnsync_data.replacement, learnsync_data.resource;
-- Pages that a statement reads. That there is a way by indexes is our part; where another costs about the same, the
-- planner's sample decides.
CREATE FUNCTION pg_temp.pages(statement text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    SET LOCAL enable_seqscan = off;
    plan := pg_temp.ask('big', 'EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ' || statement);
    RESET enable_seqscan;
    RETURN (plan #>> '{0,Plan,Shared Hit Blocks}')::int + (plan #>> '{0,Plan,Shared Read Blocks}')::int;
END $$;
CREATE FUNCTION pg_temp.cost(statement text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    SET LOCAL ROLE test_learner;
    EXECUTE 'EXPLAIN (FORMAT json) ' || statement INTO plan;
    RESET ROLE;
    RETURN plan #>> '{0,Plan,Total Cost}';
END $$;
SELECT cmp_ok(pg_temp.pages('SELECT * FROM learnsync_api.course_progress'), '<', 10000,
    'course_progress reads little of the catalog');
SELECT cmp_ok(
    pg_temp.cost('SELECT * FROM learnsync_api.course_progress'), '<', current_setting('jit_above_cost')::numeric,
    'nor does it cost so much that the server would compile it');
SELECT cmp_ok(pg_temp.pages('SELECT * FROM learnsync_api.content WHERE course_id = ''bc7'''), '<', 4000,
    'so does a course of the catalog');
SELECT cmp_ok(
    pg_temp.pages('SELECT * FROM learnsync_api.content WHERE course_id = ''none'''), '<', 100,
    'which is found at once');
SELECT cmp_ok(pg_temp.pages('SELECT * FROM learnsync_api.content WHERE content_id = ''big7'''), '<', 100,
    'and a content');
SELECT is(
    pg_temp.ask('big', 'SELECT concat_ws('' '', count(*), sum(lessons_completed)) FROM learnsync_api.course_progress'),
    '21 1600', 'and all of it counts: 200 lessons with three later editions each, in two courses');

SELECT * FROM finish();
ROLLBACK;
