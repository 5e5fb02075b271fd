-- What somebody would try who wants another learner's rows, or more than his role may do. Zero rows, zero hints.
BEGIN;
SELECT no_plan();

CREATE ROLE test_learner;
CREATE ROLE test_anon;
CREATE ROLE test_reporter;
SELECT learnsync.grant_access('test_learner', 'learner');
-- A role for reports, as the README allows it: the tables themselves, under row security.
GRANT USAGE ON SCHEMA learnsync, learnsync_data TO test_reporter;
GRANT SELECT ON ALL TABLES IN SCHEMA learnsync_data TO test_reporter;
GRANT EXECUTE ON FUNCTION learnsync.current_learner(), learnsync.current_learners() TO test_reporter;

-- What a statement gives a role that is signed in as a learner: its first value, or the SQLSTATE and message.
CREATE FUNCTION pg_temp.ask(statement text, learner text DEFAULT 'bob', role text DEFAULT 'test_learner')
    RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM set_config('request.jwt.claims', jsonb_build_object('sub', learner)::text, true);
    EXECUTE format('SET LOCAL ROLE %I', role);
    EXECUTE statement INTO result;
    RESET ROLE;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION pg_temp.item(id text, type text, resource text, data jsonb, at text DEFAULT '2026-01-08T10:00:00Z')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'create', 'resourceType', type, 'resourceId', resource,
        'data', data, 'clientTimestamp', at) $$;
-- Everything that a learner has.
CREATE FUNCTION pg_temp.trace(learner text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    relation regclass;
    rows text;
    trace text := '';
BEGIN
    FOR relation IN SELECT oid FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'learner_id'
        WHERE relnamespace = 'learnsync_data'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        ORDER BY relname LOOP
        EXECUTE format('SELECT string_agg(t::text, E''\n'' ORDER BY t::text) FROM %s t WHERE learner_id = $1',
            relation) INTO rows USING learner;
        trace := concat_ws(E'\n', trace, relation, rows);
    END LOOP;
    RETURN trace;
END $$;

-- What ann has: of everything something, and a word in it that nobody else may ever see.
CREATE FUNCTION pg_temp.make_ann() RETURNS void LANGUAGE sql AS $$
    SELECT learnsync.sync_push('ann', jsonb_build_object('deviceId', 'anns-device', 'deviceName', 'secret',
        'metadata', '{"os": "secret"}'::jsonb,
        'items', jsonb_build_array(pg_temp.item('a1', 'lesson_progress', 'lesson',
                '{"note": "secret", "courseId": "secret", "completionPercentage": 50, "timeSpent": 5}'),
            pg_temp.item('a2', 'mastery', 'skill', '{"level": "secret"}'),
            pg_temp.item('a3', 'quiz_attempt', NULL, '{"quizId": "q", "attemptNumber": 1, "score": "secret"}'),
            pg_temp.item('a4', 'quiz_attempt', NULL, '{"quizId": "q", "attemptNumber": 1, "score": "also secret"}'),
            pg_temp.item('a5', 'conversation', 'talk', '{"title": "secret",
                "messages": [{"id": "m", "text": "secret"}]}'),
            pg_temp.item('a6', 'lesson_progress', 'bad', '{"completionPercentage": 1000, "note": "secret"}'))))::jsonb
    $$;

-- What bob tries. Everything is said to the ids of ann's that he might have guessed.
CREATE TEMP TABLE attempt (n int GENERATED ALWAYS AS IDENTITY, call text);
GRANT SELECT ON attempt TO PUBLIC;
INSERT INTO attempt (call)
SELECT format('learnsync_api.sync_push(%L)', request)
FROM (VALUES
    ('{"deviceId": "anns-device", "items": []}'::jsonb),
    ('{"deviceId": "anns-device", "items": [], "lastSyncVersion": 99}'),
    ('{"deviceId": "anns-device", "deviceName": "mine now", "metadata": {"userId": "ann"}, "items": []}'),
    ('{"deviceId": "d", "learner_id": "ann", "learnerId": "ann", "userId": "ann", "sub": "ann", "items": []}'),
    (jsonb_build_object('deviceId', 'anns-device',
        'items', jsonb_build_array(pg_temp.item('a1', 'lesson_progress', 'lesson',
            '{"note": "mine", "timeSpent": 1}')))),
    (jsonb_build_object('deviceId', 'd',
        'items', jsonb_build_array(pg_temp.item('x1', 'lesson_progress', 'lesson',
            '{"learner_id": "ann", "learnerId": "ann", "userId": "ann", "timeSpent": 7}')))),
    (jsonb_build_object('deviceId', 'd', 'learner_id', 'ann',
        'items', jsonb_build_array(pg_temp.item('x2', 'lesson_progress', 'ann/lesson', '{}')
            || '{"learner_id": "ann", "userId": "ann", "deviceId": "anns-device", "version": 1}'))),
    (jsonb_build_object('deviceId', 'd',
        'items', jsonb_build_array(pg_temp.item('a3', 'quiz_attempt', NULL, '{"quizId": "q", "attemptNumber": 1}'),
            pg_temp.item('a4', 'quiz_attempt', NULL, '{"quizId": "q", "attemptNumber": 1, "score": 1}')))),
    (jsonb_build_object('deviceId', 'd',
        'items', jsonb_build_array(pg_temp.item('a2', 'mastery', 'skill', '{}', '2020-01-01T00:00:00Z')))),
    (jsonb_build_object('deviceId', 'd',
        'items', jsonb_build_array(pg_temp.item('a5', 'conversation', 'talk', '{"messages": [{"id": "m",
                "text": "x"}]}'),
            pg_temp.item('a5', 'conversation', NULL, '{}')))),
    (jsonb_build_object('deviceId', 'd',
        'items', jsonb_build_array(pg_temp.item('a7', 'mastery', 'skill', NULL) || '{"operation": "delete"}'))),
    (jsonb_build_object('deviceId', 'd', 'dryRun', true,
        'items', jsonb_build_array(pg_temp.item('a9', 'mastery', 'skill', '{}')))),
    (jsonb_build_object('deviceId', 'anns-device',
        'items', jsonb_build_array(pg_temp.item('a6', 'lesson_progress', 'bad', '{"completionPercentage": 1000}')))),
    (jsonb_build_object('deviceId', 'd',
        'items', jsonb_build_array(pg_temp.item(
            '''; DROP TABLE learnsync_data.resource; --',
            'mastery',
            '$1 OR true',
            '{"x": "%s"}'))))) v (request);
INSERT INTO attempt (call)
SELECT format('learnsync_api.sync_pull(%L)', request)
FROM unnest(ARRAY['{"deviceId": "anns-device"}', '{"deviceId": "anns-device", "lastSyncVersion": 3, "from": 2}',
    '{"deviceId": "d", "learner_id": "ann", "userId": "ann"}',
    '{"deviceId": "d", "scope": {"courseId": ["secret"], "learner_id": ["ann"]}}',
    '{"deviceId": "d", "resourceTypes": ["mastery", "x'' OR true --"]}',
    '{"deviceId": "d", "limit": 1000, "lastSyncVersion": 0}']) request;
INSERT INTO attempt (call) VALUES
    ('learnsync_api.sync_status()'),
    ('learnsync_api.sync_status(''anns-device'')'),
    ('learnsync_api.sync_status(''%'')'),
    ('learnsync_api.sync_status('''''' OR true --'')'),
    ('learnsync_api.sync_devices()');
INSERT INTO attempt (call)
SELECT format('(SELECT jsonb_agg(t ORDER BY t::text) FROM %s t%s)', c.oid::regclass, filter)
FROM pg_class c,
    unnest(ARRAY['', ' WHERE learner_id = ''ann''', ' WHERE learner_id <> ''bob''',
        ' WHERE learner_id IS NULL OR true']) filter
    WHERE relnamespace = 'learnsync_api'::regnamespace AND relkind = 'v' AND relname <> 'audit' ORDER BY c.oid, filter;

-- All of bob's answers, without what differs from one moment to the next, and then nothing has happened.
CREATE FUNCTION pg_temp.bobs_answers(with_ann boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    a attempt;
    answers jsonb := '{}';
    before text;
BEGIN
    IF with_ann THEN
        PERFORM pg_temp.make_ann();
        before := pg_temp.trace('ann');
    END IF;
    FOR a IN SELECT * FROM attempt ORDER BY n LOOP
        answers := answers || jsonb_build_object(a.n || ' ' || a.call, regexp_replace(
                pg_temp.ask('SELECT ' || a.call),
                '\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d+(Z|\+00:00)?',
                'NOW',
                'g'));
    END LOOP;
    answers := answers || jsonb_build_object(
        'unharmed', before IS NOT DISTINCT FROM CASE WHEN with_ann THEN pg_temp.trace('ann') END);
    RAISE EXCEPTION USING ERRCODE = 'LS000', MESSAGE = answers;
EXCEPTION WHEN SQLSTATE 'LS000' THEN
    RETURN SQLERRM;
END $$;
CREATE TEMP TABLE alone AS SELECT key, value FROM jsonb_each_text(pg_temp.bobs_answers(false));
CREATE TEMP TABLE beside AS SELECT key, value FROM jsonb_each_text(pg_temp.bobs_answers(true));
SELECT is(beside.value, alone.value, 'as if ann were not there: ' || left(key, 100)) FROM alone
JOIN beside USING (key) ORDER BY length(key), key;
SELECT is((SELECT value FROM beside WHERE key = 'unharmed'), 'true', 'and ann has what she had');
SELECT is(
    (SELECT count(*) FROM beside WHERE value ~ 'secret' AND key !~ 'secret'),
    0::bigint,
    'no answer has her word in it');
SELECT cmp_ok(
    (SELECT count(*) FROM beside WHERE value ~ '"status": ?"'),
    '>',
    5::bigint,
    'the attempts do get answers');

SELECT pg_temp.make_ann();
SELECT learnsync.sync_push('bob', jsonb_build_object('deviceId', 'bobs-device',
    'items', jsonb_build_array(pg_temp.item('b1', 'lesson_progress', 'lesson', '{"note": "bob"}'))));

-- A function that is run on every row it can get hold of sees one learner's rows only.
CREATE TEMP TABLE overheard (what text);
GRANT INSERT ON overheard TO PUBLIC;
CREATE FUNCTION pg_temp.listen(what text)
    RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
    BEGIN INSERT INTO overheard VALUES (what); RETURN true; END $$;
SELECT is(
    pg_temp.ask('SELECT count(*) FROM learnsync_api.lesson_progress t WHERE pg_temp.listen(t::text)'),
    '1',
    'a cheap function in a filter');
SELECT is(
    pg_temp.ask('SELECT count(*) FROM learnsync_api.device t WHERE pg_temp.listen(t::text) AND learner_id = ''ann'''),
    '0',
    'before another filter');
SELECT is(
    pg_temp.ask(
        'SELECT count(*) FROM learnsync_data.resource t WHERE pg_temp.listen(t::text)',
        role => 'test_reporter'),
    '1',
    'on a table itself');
SELECT is(
    pg_temp.ask(
        'SELECT count(*) FROM learnsync_data.resource t JOIN learnsync_data.device d ON pg_temp.listen(t::text || '
        'd::text)',
        role => 'test_reporter'),
    '1',
    'in a join');
SELECT is((SELECT count(*) FROM overheard WHERE what ~ 'secret|ann'), 0::bigint, 'heard nothing of ann');
SELECT cmp_ok((SELECT count(*) FROM overheard), '>', 2::bigint, 'but of bob');
-- An error in a filter does not tell what it met.
SELECT is(pg_temp.ask(statement, role => role), expected, statement)
FROM (VALUES
    ('SELECT count(*) FROM learnsync_api.lesson_progress WHERE 1 / (learner_id <> ''ann'')::int = 1', 'test_learner',
        '1'),
    ('SELECT count(*) FROM learnsync_api.mastery WHERE (data ->> ''level'')::int = 1', 'test_learner', '0'),
    ('SELECT count(*) FROM learnsync_data.resource WHERE 1 / (learner_id <> ''ann'')::int = 1', 'test_reporter', '1'),
    ('SELECT count(*) FROM learnsync_data.failed WHERE (item_id)::int = 1', 'test_reporter',
        '0')) v (statement, role, expected);

-- Row security cannot be switched off, nor gone round.
SELECT is(left(pg_temp.ask(statement, role => role), 5), '42501', role || ': ' || statement)
FROM (VALUES ('test_learner'), ('test_reporter'), ('test_anon')) r (role),
    (VALUES
        ('COPY learnsync_data.resource TO ''/dev/null'''),
        ('COPY (SELECT 1) TO PROGRAM ''true'''),
        ('ALTER TABLE learnsync_data.resource DISABLE ROW LEVEL SECURITY'),
        ('DROP POLICY own_rows ON learnsync_data.resource'),
        ('CREATE POLICY all_rows ON learnsync_data.resource USING (true)'),
        ('ALTER TABLE learnsync_data.resource OWNER TO test_learner'),
        ('CREATE TABLE learnsync_data.mine (x int)'),
        ('CREATE TABLE learnsync_api.mine (x int)'),
        ('CREATE FUNCTION learnsync_api.mine() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
        ('CREATE FUNCTION learnsync.mine() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
        ('CREATE OR REPLACE FUNCTION learnsync.current_learner() RETURNS text LANGUAGE sql AS ''SELECT '
         '''''ann'''''''),
        ('ALTER FUNCTION learnsync.current_learner() SECURITY DEFINER'),
        ('CREATE OR REPLACE VIEW learnsync_api.device AS SELECT 1'),
        ('ALTER VIEW learnsync_api.device SET (security_invoker = false)'),
        ('DROP EXTENSION learnsync CASCADE'),
        ('ALTER ROLE test_learner BYPASSRLS'),
        ('LOCK learnsync_data.learner IN ACCESS EXCLUSIVE MODE'),
        ('INSERT INTO learnsync_data.learner (learner_id) VALUES (''x'')'),
        ('UPDATE learnsync_data.resource SET learner_id = ''bob'''),
        ('DELETE FROM learnsync_data.ledger'),
        ('TRUNCATE learnsync_data.push'),
        ('CREATE TRIGGER mine BEFORE INSERT ON learnsync_data.resource FOR EACH ROW EXECUTE FUNCTION '
         'suppress_redundant_updates_trigger()'),
        ('CREATE RULE mine AS ON INSERT TO learnsync_data.resource DO ALSO NOTHING'),
        ('CREATE INDEX ON learnsync_data.resource ((1))'),
        ('SELECT learnsync.setup()'),
        ('SELECT learnsync.grant_access(''test_learner'', ''admin'')'),
        ('SELECT learnsync.revoke_access(''test_learner'')'),
        ('SELECT learnsync.define_resource_type(''x'', ''{}'')'),
        ('SELECT learnsync.sync_pull(''ann'', ''{"deviceId": "d"}'')'),
        ('SELECT learnsync_internal.setup_views()'),
        ('SELECT set_config(''learnsync.max_batch_items'', ''100000'', false)'),
        ('SET learnsync.max_item_bytes = 100000000'),
        ('SET learnsync.max_clock_skew = 0'),
        ('SET learnsync.min_client_time = ''0001-01-01'''),
        ('SET learnsync.max_pull_limit = 1000'),
        ('SET learnsync.max_depth = 1000'),
        ('SET learnsync.jwt_claim = ''email'''),
        ('ALTER ROLE test_learner SET learnsync.max_depth = 1000'),
        ('SET session_replication_role = replica')) v (statement);
SELECT is(left(pg_temp.ask('SET learnsync.anything = 1'), 5), '42602', 'settings that are not ours have another name');
SELECT matches(
    pg_temp.ask(statement, role => role),
    '^42501 query would be affected',
    role || ' without row security: ' || statement)
    FROM (VALUES
        ('test_learner', 'SELECT count(*) FROM learnsync_api.device'),
        ('test_learner', 'SELECT count(*) FROM learnsync_api.lesson_progress'),
        ('test_reporter', 'SELECT count(*) FROM learnsync_data.resource'),
        ('test_reporter', 'SELECT count(*) FROM learnsync_data.push_0')) v (role, statement),
        (SELECT set_config('row_security', 'off', true)) off;
SELECT is(
    pg_temp.ask('SELECT learnsync_api.sync_pull(''{"deviceId": "d"}'') #>> ''{changes,0,data,note}'''),
    'bob',
    'functions need none');
SET LOCAL row_security = on;

-- A stranger may nothing at all.
SELECT is(left(pg_temp.ask('SELECT ' || call, role => 'test_anon'), 5), '42501', 'nobody: ' || left(call, 60))
FROM attempt;
SELECT is(
    left(pg_temp.ask(format('SELECT count(*) FROM %s', oid::regclass), role => 'test_anon'), 5),
    '42501',
    'nobody: ' || oid::regclass)
FROM pg_class
WHERE relnamespace IN ('learnsync_data'::regnamespace, 'learnsync_internal'::regnamespace)
    AND relkind IN ('r', 'p', 'c');
SELECT is(
    left(pg_temp.ask(format('SELECT count(*) FROM learnsync_data.%s', name)), 5),
    '42501',
    'a learner: ' || name)
FROM unnest('{instance,ledger,failed,learner,push,resource_type}'::text[]) name;
SELECT is(left(pg_temp.ask('SELECT ''{}''::learnsync.merge_rule'), 5), '42501', 'nor the types');

-- Statistics tell nothing of rows that cannot be seen, nor do the planner's estimates, which PostgREST hands out as
-- counts.
SELECT learnsync.sync_push('hannah', (SELECT jsonb_build_object('deviceId', 'd',
                                          'items', jsonb_agg(pg_temp.item(n::text || t, t, t || n, '{}')))
                                      FROM generate_series(1, 200) n,
                                          unnest('{lesson_progress,mastery,conversation}'::text[]) t));
ANALYZE learnsync_data.resource, learnsync_data.device, learnsync_data.conflict;
SELECT is(
    pg_temp.ask('SELECT count(*) FROM pg_stats WHERE schemaname = ''learnsync_data''', role => role),
    '0',
    'statistics: ' || role)
FROM unnest('{test_learner,test_reporter,test_anon}'::text[]) role;
CREATE FUNCTION pg_temp.estimate(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    PERFORM set_config('request.jwt.claims', '{"sub": "bob"}', true);
    SET LOCAL ROLE test_learner;
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || statement INTO plan;
    RESET ROLE;
    RETURN plan #>> '{0,Plan,Plan Rows}';
END $$;
SELECT is(
    pg_temp.estimate(format('SELECT 1 FROM %s WHERE learner_id %s ''hannah''', v.oid::regclass, o)),
    pg_temp.estimate(format('SELECT 1 FROM %s WHERE learner_id %s ''nobody''', v.oid::regclass, o)),
    format('estimates: %s %s', v.oid::regclass, o))
    FROM pg_class v, unnest('{=,<>,<,>,LIKE}'::text[]) o
    WHERE relnamespace = 'learnsync_api'::regnamespace AND relkind = 'v' AND relname <> 'audit';

-- One prepared statement, and one function's kept plans, under alternating learners and roles.
CREATE FUNCTION pg_temp.kept() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    SELECT string_agg(DISTINCT learner_id, ',') INTO found FROM learnsync_api.device;
    RETURN concat_ws('+', found,
        (SELECT jsonb_path_query_array(learnsync_api.sync_devices(), '$.devices[*].userId') ->> 0));
END $$;
PREPARE seen AS SELECT string_agg(DISTINCT learner_id, ',') FROM learnsync_api.lesson_progress;
CREATE FUNCTION pg_temp.alternate(mode text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    learner text;
    seen text := '';
BEGIN
    PERFORM set_config('plan_cache_mode', mode, true);
    FOREACH learner IN ARRAY '{ann,bob,nobody,ann,bob}'::text[] LOOP
        seen := concat_ws(' ', seen, COALESCE(pg_temp.ask(statement, learner), 'none'));
    END LOOP;
    RETURN seen;
END $$;
SELECT is(pg_temp.alternate(mode, statement), expected, mode || ': ' || statement)
FROM unnest('{auto,force_generic_plan,force_custom_plan}'::text[]) mode,
    (VALUES
        ('EXECUTE seen', ' ann bob none ann bob'),
        ('SELECT pg_temp.kept()', ' ann+ann bob+bob  ann+ann bob+bob')) v (statement, expected);
SELECT is(
    left(pg_temp.ask('EXECUTE seen', 'ann', 'test_anon'), 5),
    '42501',
    'a prepared statement gives a stranger nothing');
SELECT matches(pg_temp.ask('EXECUTE seen', 'ann', 'test_learner'), '^ann$', 'and the learner what it gave before');
-- In parallel workers too.
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SELECT CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'force_parallel_mode'
    ELSE 'debug_parallel_query' END AS parallel \gset
SET LOCAL :parallel = on;
SELECT is(
    pg_temp.ask(
        'SELECT string_agg(DISTINCT learner_id, '','') FROM learnsync_data.resource',
        learner,
        'test_reporter'),
    learner,
    'in a parallel worker: ' || learner)
FROM unnest('{ann,bob}'::text[]) learner;
RESET :parallel;

-- Operators and functions of the caller's do not find their way into views and policies.
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.yes(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION evil.current_learner() RETURNS text LANGUAGE sql AS $$ SELECT 'ann' $$;
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
CREATE TEMP TABLE evils AS
SELECT call, expected, ''::text AS got
FROM (VALUES
    ('SELECT count(*) FROM learnsync_api.lesson_progress', '1'),
    ('SELECT count(*) FROM learnsync_api.device', '1'),
    ('SELECT pg_catalog.jsonb_path_query(learnsync_api.sync_devices(), ''$.devices[*].userId'')',
        '"bob"')) v (call, expected);
SET LOCAL search_path = evil, pg_catalog, public;
UPDATE evils SET got = pg_temp.ask(call);
SET LOCAL search_path = pg_catalog, public;
SELECT is(got, expected, 'under a hostile search_path: ' || call) FROM evils;

SELECT * FROM finish();
ROLLBACK;
