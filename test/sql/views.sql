-- The views of learnsync_api: what they show, to whom, and that nobody writes through them; revoke_access takes all
-- back.
BEGIN;
SELECT no_plan();

SELECT is_empty(
    $$ SELECT v.relname, a.attname FROM pg_class v JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0
      WHERE v.relnamespace = 'learnsync_api'::regnamespace AND v.relkind = 'v'
          AND col_description(v.oid, a.attnum) IS NULL $$,
    'every column of every view is described');
SELECT set_eq(
    'SELECT code FROM learnsync.item_codes() WHERE retryable',
    $$ VALUES ('aborted'), ('error') $$,
    'items may succeed later that others kept out or that a team''s own code refused');
SELECT set_eq(
    'SELECT code FROM learnsync.item_codes() WHERE waiting',
    $$ VALUES ('unknown_type'), ('unknown_content') $$,
    'or once the server knows their type or content');
SELECT is_empty(
    $$ SELECT code FROM learnsync.item_codes() WHERE retryable AND waiting OR sqlstate !~ '^[0-9A-Z]{5}$' $$,
    'none of these for both reasons, and every code has an SQLSTATE');

CREATE ROLE test_learner;
CREATE ROLE test_service;
CREATE ROLE test_admin;
CREATE ROLE "odd ""role'; DROP";
CREATE ROLE test_bypass BYPASSRLS;
CREATE ROLE test_member;
GRANT learnsync_owner TO test_member;

-- What a statement gives a role that acts for a learner: its first value, or the SQLSTATE.
CREATE FUNCTION pg_temp.ask(statement text, learner text DEFAULT 'ann', role text DEFAULT 'test_learner')
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
    RETURN SQLSTATE;
END $$;
CREATE FUNCTION pg_temp.refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION pg_temp.item(type text, data jsonb, id text DEFAULT NULL, at text DEFAULT '2026-01-08T10:00:00Z',
    operation text DEFAULT 'update')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('operation', operation, 'resourceType', type, 'resourceId', id, 'clientTimestamp', at,
        'data', data) $$;
CREATE FUNCTION pg_temp.push(learner text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'tab', 'deviceName', 'Tablet',
        'items', to_jsonb(items)))::jsonb $$;

-- Kinds of access, again and again.
SELECT lives_ok(
    'SELECT learnsync.grant_access(''test_learner'', ''learner''), learnsync.grant_access(''test_service'', '
    '''service''), learnsync.grant_access(''test_admin'', ''admin''), learnsync.grant_access(''odd "role''''; '
    'DROP'', ''learner'')',
    'grant_access ' || n)
FROM generate_series(1, 2) n;
SELECT is(pg_temp.refusal(statement), expected, statement) FROM (VALUES
    ('SELECT learnsync.grant_access(''test_missing'', ''learner'')', '42704 role "test_missing" does not exist'),
    ('SELECT learnsync.grant_access(''PUBLIC'', ''learner'')', '42704 role "PUBLIC" does not exist'),
    ('SELECT learnsync.grant_access(''public'', ''learner'')', '42704 role "public" does not exist'),
    ('SELECT learnsync.grant_access(NULL, ''learner'')', '42704 role NULL does not exist'),
    ('SELECT learnsync.grant_access(''test_learner'', ''king'')', '22023 unknown kind of access: ''king'''),
    ('SELECT learnsync.grant_access(''test_learner'', NULL)', '22023 unknown kind of access: NULL'),
    ('SELECT learnsync.grant_access(''test_bypass'', ''learner'')',
        '22023 role "test_bypass" would read the rows of all learners'),
    ('SELECT learnsync.grant_access(''test_member'', ''learner'')',
        '22023 role "test_member" would read the rows of all learners'),
    (format('SELECT learnsync.grant_access(%L, ''learner'')', current_user), format(
            '22023 role "%s" would read the rows of all learners',
        current_user)),
    ('SELECT learnsync.grant_access(''learnsync_owner'', ''service'')', '22023 role "learnsync_owner" owns the tables'),
    ('SELECT learnsync.revoke_access(''learnsync_owner'')', '22023 role "learnsync_owner" owns the tables'),
    ('SELECT learnsync.revoke_access(''test_missing'')', '42704 role "test_missing" does not exist'),
    ('SELECT learnsync.revoke_access(NULL)', '42704 role NULL does not exist')) v (statement, expected);
SELECT lives_ok(
    'SELECT learnsync.grant_access(''test_bypass'', ''service'')',
    'a service may bypass row security: it names its learners anyway');

-- A learner's statements end: where no timeout is set the role gets one, and grant_access says so. PostgREST looks for
-- it in rolconfig.
CREATE ROLE test_timed;
CREATE ROLE test_untimed;
ALTER ROLE test_timed SET statement_timeout = '300ms';
ALTER ROLE test_untimed SET statement_timeout = 0;
CREATE FUNCTION pg_temp.timeout(role text)
    RETURNS text LANGUAGE sql AS $$ SELECT array_to_string(rolconfig, ' ') FROM pg_roles WHERE rolname = role $$;
SELECT is(pg_temp.timeout('test_learner'), 'statement_timeout=5s', 'a learner without a timeout has one now');
SELECT is(pg_temp.timeout('test_service'), NULL, 'a service has none');
SELECT is(
    learnsync.grant_access('test_learner', 'learner'),
    'role test_learner has access as learner; its statement_timeout stays 5s',
    'granting again says that it stays');
SELECT is(
    learnsync.grant_access('test_timed', 'learner'),
    'role test_timed has access as learner; its statement_timeout stays 300ms',
    'one that is there stays');
SELECT is(
    learnsync.grant_access('test_untimed', 'learner'),
    'role test_untimed has access as learner; its statement_timeout stays 0',
    'as does 0, which somebody meant');
SELECT is(
    pg_temp.timeout('test_timed') || ' ' || pg_temp.timeout('test_untimed'),
    'statement_timeout=300ms statement_timeout=0',
    'and nothing is set');
CREATE ROLE test_new;
SAVEPOINT timeout;
SELECT is(
    learnsync.grant_access('test_new', 'learner'),
    'role test_new has access as learner; its statement_timeout is 5s from its next session on, as it had none',
    'a new timeout is said');
ROLLBACK TO timeout;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = ''1s''', current_database()); END $$;
SELECT is(
    learnsync.grant_access('test_new', 'learner'),
    'role test_new has access as learner; its statement_timeout stays 1s',
    'the database''s is not loosened');
ROLLBACK TO timeout;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = 0', current_database()); END $$;
ALTER ROLE ALL SET statement_timeout = '2s';
SELECT is(
    learnsync.grant_access('test_new', 'learner'),
    'role test_new has access as learner; its statement_timeout stays 2s',
    'nor that of all roles');
ROLLBACK TO timeout;
SELECT is(learnsync.grant_access('test_new', 'service'), 'role test_new has access as service', 'other kinds get none');
SELECT is(
    learnsync.revoke_access('test_new'),
    'role test_new has no access of its own',
    'revoke_access says what it did');

-- Everything that grant_access can name exists; an admin has all that a service has; nobody has what is not listed.
SELECT is(
    (SELECT count(*) FROM learnsync_internal.access_list()
     WHERE to_regprocedure(routine) IS NULL AND to_regproc(split_part(routine, '(', 1)) IS NULL),
    0::bigint,
    'every routine of the list exists');
SELECT is(
    (SELECT count(*) FROM learnsync_internal.access_list() WHERE kind NOT IN ('learner', 'service', 'admin', 'report')),
    0::bigint,
    'for a kind that exists');
SELECT set_eq(
    $$SELECT p.oid FROM pg_proc p
      WHERE pronamespace::regnamespace::text LIKE 'learnsync%'
          AND has_function_privilege('test_admin', oid, 'EXECUTE') $$,
    $$ SELECT routine::regprocedure::oid FROM learnsync_internal.access_list() WHERE kind IN ('service', 'admin') $$,
    'an admin has the lists of admins and services');
SELECT set_eq(
    format('SELECT p.oid FROM pg_proc p WHERE pronamespace::regnamespace::text LIKE ''learnsync%%'' '
           'AND has_function_privilege(%L, oid, ''EXECUTE'')',
        'test_' || kind),
    format('SELECT routine::regprocedure::oid FROM learnsync_internal.access_list() WHERE kind = %L', kind),
    'a ' || kind || ' has its list')
FROM unnest('{learner,service}'::text[]) kind;
SELECT is_empty(
    $$SELECT p.oid::regprocedure FROM pg_proc p
      WHERE pronamespace::regnamespace::text LIKE 'learnsync%'
          AND has_function_privilege('public', oid, 'EXECUTE') $$,
    'nobody else has any function');
SELECT is_empty(
    $$SELECT c.oid::regclass FROM pg_class c, aclexplode(relacl) a
      WHERE relnamespace::regnamespace::text LIKE 'learnsync%' AND a.grantee = 0 $$,
    'nor any table or view');
SELECT is_empty(
    $$SELECT p.oid::regprocedure FROM pg_proc p
      WHERE pronamespace = 'learnsync_api'::regnamespace
          AND oid NOT IN (SELECT routine::regprocedure FROM learnsync_internal.access_list()
                          WHERE kind IN ('learner', 'service', 'admin')) $$,
    'every function of learnsync_api is for somebody');

-- What the views show.
SELECT pg_temp.push('ann',
    pg_temp.item('lesson_progress', '{"lessonId": "l1", "courseId": "c1", "completionPercentage": 100, "timeSpent": 5,
        "note": "n"}'),
    pg_temp.item('lesson_progress',
        '{"lessonId": "l2", "courseId": "c1", "completionPercentage": 33.5, "timeSpent": 2.0}',
        at => '2026-01-08T11:00:00.5Z'),
    pg_temp.item('lesson_progress', '{"lessonId": "l3"}'),
        pg_temp.item('lesson_progress', '{"lessonId": "l4", "completionPercentage": null, "timeSpent": null}'),
    pg_temp.item('quiz_attempt', '{"quizId": "q", "attemptNumber": 1.0, "score": {"raw": 7}, "responses": [1]}'),
        pg_temp.item('quiz_attempt', '{"quizId": "q", "attemptNumber": 1, "score": {"raw": 8}}'),
    pg_temp.item('mastery', '{"level": "high"}', 'm'), pg_temp.item('mastery', '{"level": "low"}', 'gone'),
        pg_temp.item('mastery', NULL, 'gone', '2026-01-09T10:00:00Z', 'delete'),
    pg_temp.item('conversation', '{"title": "t", "messages": [{"id": "1"}]}', 'conv'));
SELECT pg_temp.push('bob',
    pg_temp.item('lesson_progress', '{"lessonId": "b1"}'),
    pg_temp.item('quiz_attempt', '{"quizId": "q", "attemptNumber": 1}'),
    pg_temp.item('quiz_attempt', '{"quizId": "q", "attemptNumber": 1, "score": 2}'),
    pg_temp.item('mastery', '{}', 'm'),
    pg_temp.item('conversation', '{}', 'conv'));
SELECT is(pg_temp.ask(statement), expected, statement)
FROM (VALUES
    ('SELECT string_agg(concat_ws('' '', lesson_id, course_id, completion_percentage, time_spent, status), '', '' '
     'ORDER BY lesson_id) FROM learnsync_api.lesson_progress',
        'l1 c1 100 5 completed, l2 c1 33.5 2.0 in-progress, l3 not-started, l4 not-started'),
    ('SELECT concat_ws('' '', started_at = ''2026-01-08T10:00:00Z'', completed_at = ''2026-01-08T10:00:00Z'', '
     'last_accessed_at = started_at, data ->> ''note'', version) FROM learnsync_api.lesson_progress WHERE lesson_id '
     '= ''l1''',
        't t t n 2'),
    ('SELECT string_agg(lesson_id, '','' ORDER BY last_accessed_at DESC, lesson_id) FROM '
     'learnsync_api.lesson_progress WHERE course_id = ''c1''',
        'l2,l1'),
    ('SELECT concat_ws('' '', quiz_id, attempt_number, score, responses) FROM learnsync_api.quiz_attempt',
        'q 1 {"raw": 7} [1]'),
    ('SELECT string_agg(concat_ws('' '', competency_id, level), '', '') FROM learnsync_api.mastery', 'm "high"'),
    ('SELECT concat_ws('' '', conversation_id, data) FROM learnsync_api.conversation', 'conv {"title": "t"}'),
    ('SELECT concat_ws('' '', learner_id, device_id, device_name, is_active) FROM learnsync_api.device',
        'ann tab Tablet t'),
    ('SELECT concat_ws('' '', resource_type, resource_id, operation, resolution, is_open, client_data #>> '
     '''{score,raw}'') FROM learnsync_api.conflict',
        'quiz_attempt ["q",1] update manual_required t 8')) v (statement, expected);
-- The view computes what the server's documents say.
SELECT is(
    pg_temp.ask('SELECT string_agg(status, '','' ORDER BY lesson_id) FROM learnsync_api.lesson_progress'),
    (SELECT string_agg(c #>> '{data,status}', ',' ORDER BY c ->> 'resourceId')
     FROM jsonb_array_elements(learnsync.sync_pull('ann', '{"deviceId": "x",
         "resourceTypes": ["lesson_progress"]}')::jsonb -> 'changes') c),
    'status is the one of sync_pull');

-- To whom: the learner. Not to others, not to those who are nobody, not to other kinds of roles.
CREATE TEMP TABLE view AS
SELECT c.oid::regclass AS name FROM pg_class c WHERE relnamespace = 'learnsync_api'::regnamespace AND relkind = 'v'
    AND c.relname <> 'audit'; -- which is for services
SELECT cmp_ok((SELECT count(*) FROM view), '>=', 9::bigint, 'there are views');
SELECT is_empty(
    'SELECT name FROM view JOIN pg_class c ON c.oid = name WHERE ''security_invoker=true'' <> ALL '
    '(COALESCE(reloptions, ''{}''))',
    'all read with the rights of who asks');
SELECT is_empty('SELECT name FROM view WHERE obj_description(name) IS NULL', 'all are described');
SELECT is_empty(
    'SELECT name FROM view WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = name AND attname = '
    '''learner_id'' AND attnum = 1)',
    'the learner is the first column of all');
SELECT is(
    pg_temp.ask(format('SELECT count(*) FROM %s WHERE learner_id <> ''ann''', name)),
    '0',
    'ann sees her own only: ' || name)
FROM view;
SELECT is(pg_temp.ask(format('SELECT count(*) FROM %s', name), NULL), '0', 'nobody sees nothing: ' || name) FROM view;
SELECT is(pg_temp.ask(format('SELECT count(*) FROM %s', name), '"ann'''), '0', 'an odd name sees nothing: ' || name)
FROM view WHERE name::text NOT LIKE '%\_stats';
SELECT is(
    pg_temp.ask(format('SELECT count(*) FROM %s WHERE learner_id = ''"ann"''', name), '"ann"'),
    '1',
    'a row of zeros for whoever has done nothing: ' || name)
FROM view WHERE name::text LIKE '%\_stats';
SELECT is(pg_temp.ask(format('SELECT count(*) FROM %s', name), 'ann', role), '42501', role || ' and ' || name)
FROM view, unnest('{test_service,test_admin}'::text[]) role;
SELECT is(
    pg_temp.ask('SELECT count(*) FROM learnsync_api.device', 'bob', 'odd "role''; DROP'),
    '1',
    'a role with an odd name reads');
-- Read only.
SELECT matches(pg_temp.ask(format(statement, name)), '42501|0A000|55000', format(statement, name))
FROM view,
    (VALUES
        ('INSERT INTO %s (learner_id) VALUES (''ann'') RETURNING 1'),
        ('INSERT INTO %s DEFAULT VALUES RETURNING 1'),
        ('UPDATE %s SET learner_id = ''bob'' RETURNING 1'),
        ('DELETE FROM %s RETURNING 1')) v (statement);
SELECT is(pg_temp.ask(statement), '42501', statement)
FROM (VALUES
    ('SELECT count(*) FROM learnsync_data.resource'),
    ('SELECT count(*) FROM learnsync_api.audit'),
    ('TRUNCATE learnsync_data.device'),
    ('CREATE VIEW learnsync_api.mine AS SELECT 1'),
    ('SELECT learnsync.current_learner()')) v (statement);
-- By index: a learner's rows are found by the learner.
CREATE FUNCTION pg_temp.plan(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    PERFORM set_config('request.jwt.claims', '{"sub": "ann"}', true);
    SET LOCAL ROLE test_learner;
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = off;
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || statement LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RESET ROLE;
    RETURN plan;
END $$;
SELECT matches(
    pg_temp.plan(format('SELECT * FROM %s', name)),
    'Index Cond: \(\(?(learner_id|owner) = ',
    'by index: ' || name)
FROM view WHERE name <> 'learnsync_api.content'::regclass;

-- Granted again after setup() made the views anew; the tables' owner has nothing to do with it.
SELECT lives_ok('SELECT learnsync.setup(allow => true)', 'setup again');
SELECT is(pg_temp.ask('SELECT count(*) FROM learnsync_api.device'), '1', 'setup() keeps the grants');
DROP VIEW learnsync_api.device;
SELECT learnsync.setup(allow => true);
SELECT is(
    pg_temp.ask('SELECT count(*) FROM learnsync_api.device'),
    '42501',
    'a view that was dropped comes back without');
SELECT learnsync.grant_access('test_learner', 'learner');
SELECT is(pg_temp.ask('SELECT count(*) FROM learnsync_api.device'), '1', 'until it is granted');

-- Views of a team's own are not given away, nor the tables below them.
CREATE VIEW learnsync_api.everybody AS SELECT learner_id FROM learnsync_data.learner;
CREATE VIEW learnsync_api.numbers WITH (security_invoker = true) AS SELECT count(*) FROM learnsync_data.ledger;
SELECT learnsync.grant_access('test_learner', 'learner');
SELECT is(pg_temp.ask('SELECT 1 FROM ' || name), '42501', name)
FROM unnest('{learnsync_api.everybody,learnsync_api.numbers}'::text[]) name;
SELECT ok(
    NOT has_table_privilege('test_learner', 'learnsync_data.' || name, 'SELECT'),
    'a learner has nothing of ' || name)
FROM unnest('{learner,ledger,instance}'::text[]) name;
DROP VIEW learnsync_api.everybody, learnsync_api.numbers;

-- Taken back.
SELECT lives_ok(format('SELECT learnsync.revoke_access(%L)', role), 'revoke_access ' || role || n)
FROM (VALUES ('test_learner'), ('test_service'), ('test_admin'), ('odd "role''; DROP'), ('test_bypass')) v (role),
    generate_series(1, 2) n;
SELECT is_empty(
    $$SELECT r.rolname, x.object
      FROM pg_roles r,
          LATERAL (SELECT p.oid::regprocedure::text FROM pg_proc p
                   WHERE pronamespace::regnamespace::text LIKE 'learnsync%'
                       AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
                   UNION ALL SELECT c.oid::regclass::text FROM pg_class c
                   WHERE relkind IN ('r', 'v', 'p')
                       AND relnamespace IN ('learnsync_data'::regnamespace, 'learnsync_api'::regnamespace)
                       AND has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE')
                   UNION ALL SELECT n.nspname FROM pg_namespace n
                   WHERE nspname LIKE 'learnsync%'
                       AND has_schema_privilege(r.oid, n.oid, 'USAGE, CREATE')) AS x (object)
      WHERE r.rolname IN ('test_learner', 'test_service', 'test_admin', 'odd "role''; DROP', 'test_bypass') $$,
    'nothing is left');
SELECT lives_ok(
    'DROP ROLE test_learner, test_service, test_admin, "odd ""role''; DROP"',
    'so the roles can be dropped');

SELECT * FROM finish();
ROLLBACK;
