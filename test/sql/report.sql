-- Reports: learnsync_report has the views of learnsync_api with the rows of all learners for roles with report, of
-- themselves and their profiles for learners, and of nobody for anybody else. It is read, and nothing else.
BEGIN;
SELECT no_plan();

CREATE ROLE test_learner;
CREATE ROLE test_report;
CREATE ROLE "odd ""report'; DROP";
CREATE ROLE test_both;
CREATE ROLE test_service;
CREATE ROLE test_bystander;
SELECT learnsync.grant_access('test_learner', 'learner'), learnsync.grant_access('test_report', 'report'),
    learnsync.grant_access('odd "report''; DROP', 'report'), learnsync.grant_access('test_both', 'learner'),
    learnsync.grant_access('test_both', 'report'), learnsync.grant_access('test_service', 'service');
SELECT is(
    learnsync.grant_access('test_report', 'report'),
    'role test_report has access as report',
    'granting again says the same, and gives reports no statement_timeout');

-- What a statement gives a role: its first value, or the SQLSTATE.
CREATE FUNCTION pg_temp.ask(statement text, role text, learner text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM set_config('request.jwt.claims', COALESCE(jsonb_build_object('sub', learner)::text, ''), true);
    EXECUTE format('SET LOCAL ROLE %I', role);
    EXECUTE statement INTO result;
    RESET ROLE;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
CREATE FUNCTION pg_temp.item(type text, id text, data jsonb, at text DEFAULT '2026-01-08T10:00:00Z')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', type || id || at, 'operation', 'update', 'resourceType', type, 'resourceId', id,
        'clientTimestamp', at, 'data', data) $$;

-- Three learners with a row in each view; kid is a profile of ann's.
SELECT learnsync.register_content('{"contents": [{"contentId": "m", "kind": "module"}, {"contentId": "l",
    "kind": "lesson", "courseId": "c"}]}');
SELECT learnsync.add_profile('kid', 'ann');
SELECT learnsync.sync_push(who, jsonb_build_object('deviceId', who || '-phone', 'items', jsonb_build_array(
    pg_temp.item('lesson_progress', 'l', jsonb_build_object('lessonId', 'l', 'completionPercentage', 100, 'note', who)),
    pg_temp.item('quiz_attempt', '["q",1]', '{"quizId": "q", "attemptNumber": 1, "score": 7}'),
    pg_temp.item('quiz_attempt', '["q",1]', '{"quizId": "q", "attemptNumber": 1, "score": 9}', '2026-01-09T10:00:00Z'),
    pg_temp.item('mastery', 'm', '{"level": 1}'),
    pg_temp.item('conversation', 'c', '{"messages": [{"id": "1", "text": "hello"}]}'),
    pg_temp.item('xapi_statement', '12345678-1234-4234-8234-123456789012', '{"actor": {"mbox": "mailto:a@example.com"},
        "verb": {"id": "http://example.com/did"}, "object": {"id": "http://example.com/it"}}'),
    pg_temp.item('unheard_of', 'x', '{}'))))::jsonb,
    learnsync.sync_progress(who, '{"events": [{"idempotencyKey": "p", "deviceId": "d", "moduleId": "m",
        "progressPercent": 5, "clientTimestamp": "2026-01-08T10:00:00Z", "syncVersion": 1}]}'),
    learnsync.sync_completions(who, '{"events": [{"idempotencyKey": "c", "deviceId": "d", "moduleId": "m", "score": 5,
        "clientTimestamp": "2026-01-08T10:00:00Z"}]}'),
    learnsync.progress_batch(who, jsonb_build_object('profile_id', who, 'items', jsonb_build_array(jsonb_build_object(
        'idempotency_key', 'a', 'activity_type', 'quiz', 'content_id', 'l', 'score', 90)))),
    learnsync.progress_put(who, '{"events": [{"eventId": "e", "type": "content.progressed",
        "occurredAt": "2026-01-07T10:00:00Z", "payload": {"contentId": "l", "status": "completed"}}]}')
FROM unnest('{ann,bob,kid}'::text[]) who;
SELECT learnsync.set_learner('bob', '{"timeZone": "Asia/Tokyo", "dayStarts": "04:00", "from": "2026-01-01"}') IS NULL;
SELECT learnsync.add_profile('bobs', 'bob');

CREATE TEMP TABLE view AS
SELECT v.relname AS name, format('learnsync_api.%I', v.relname) AS of_learner,
    format('learnsync_report.%I', v.relname) AS of_all,
    (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
     WHERE a.attrelid = v.oid AND a.attnum > 0) AS columns
FROM pg_class v WHERE v.relnamespace = 'learnsync_report'::regnamespace AND v.relkind = 'v';
GRANT SELECT ON view TO PUBLIC;
SELECT set_eq(
    $$ SELECT v.relname FROM pg_class v JOIN pg_attribute a ON a.attrelid = v.oid AND a.attname = 'learner_id'
       WHERE v.relnamespace = 'learnsync_api'::regnamespace AND v.relkind = 'v' $$,
    'SELECT name FROM view',
    'learnsync_report has the views of learnsync_api');
SELECT is_empty(
    $$ SELECT v.relname, a.attname FROM pg_class v JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0
       WHERE v.relnamespace = 'learnsync_report'::regnamespace
           AND (col_description(v.oid, a.attnum) IS NULL OR obj_description(v.oid, 'pg_class') IS NULL
               OR col_description(v.oid, a.attnum) ~ '\m(I|me|my)\M') $$,
    'they and their columns are described, and nobody is told that a row is theirs');
SELECT is_empty(
    $$ SELECT name FROM view WHERE pg_get_viewdef(of_all::regclass) ~ 'current_(learner|days)' $$,
    'none of them asks who is signed in');
SELECT is_empty(
    $$ SELECT name FROM view WHERE NOT EXISTS (
           SELECT FROM pg_class c
           WHERE c.oid = of_all::regclass AND 'security_invoker=true' = ANY (c.reloptions)) $$,
    'all read with the rights of who asks');

-- Whose rows. The learner's own view is the measure: of each learner the report has exactly that.
CREATE FUNCTION pg_temp.rows(relation text, columns text, who text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT format('SELECT string_agg(v::text, E''\n'' ORDER BY v::text) FROM (SELECT %s FROM %s %s) v',
        columns, relation,
        CASE WHEN columns LIKE 'learner_id%' THEN format('WHERE learner_id = %L', who) ELSE '' END) $$;
SELECT isnt(
    pg_temp.ask(pg_temp.rows(of_learner, columns, 'ann'), 'test_learner', 'ann'), NULL, name || ': there is a row')
FROM view WHERE name <> 'profile';
SELECT is(
    pg_temp.ask(pg_temp.rows(of_all, columns, who), role),
    pg_temp.ask(pg_temp.rows(of_learner, columns, who), 'test_learner', who),
    format('%s of %s, for %s', name, who, role))
FROM view, unnest('{ann,bob,kid}'::text[]) who, unnest('{test_report,test_both,"odd \"report''; DROP"}'::text[]) role
WHERE name <> 'profile';
SELECT is(
    pg_temp.ask('SELECT string_agg(owner || ''/'' || learner_id, '' '' ORDER BY owner) FROM learnsync_report.profile',
        role, who),
    seen,
    format('profiles for %s as %s', role, who))
FROM (VALUES ('test_report', NULL, 'ann/kid bob/bobs'), ('test_both', 'ann', 'ann/kid bob/bobs'),
    ('test_learner', 'ann', 'ann/kid'), ('test_learner', 'kid', NULL),
    ('test_learner', NULL, NULL)) v (role, who, seen);
SELECT is(
    pg_temp.ask(format('SELECT string_agg(DISTINCT learner_id, '' '' ORDER BY learner_id) FROM %s', of_all), role, who),
    seen,
    format('%s as %s sees in %s: %s', role, who, of_all, COALESCE(seen, 'nobody')))
FROM view, (VALUES ('test_learner', 'ann', 'ann kid'), ('test_learner', 'bob', 'bob'), ('test_learner', 'kid', 'kid'),
    ('test_learner', 'nobody', NULL), ('test_learner', NULL, NULL)) v (role, who, seen)
WHERE name NOT IN ('content', 'profile') AND NOT (name LIKE '%\_stats' AND who = 'bob');
SELECT is(
    pg_temp.ask(format('SELECT string_agg(DISTINCT learner_id, '' '' ORDER BY learner_id) FROM %s', of_learner),
        'test_both', 'bob'),
    CASE name WHEN 'profile' THEN 'bobs' WHEN 'profile_stats' THEN 'bob bobs' ELSE 'bob' END,
    'whoever reads all learners finds their own rows in ' || of_learner)
FROM view;
SELECT learnsync.remove_profile('kid');
SELECT is(
    pg_temp.ask('SELECT string_agg(DISTINCT learner_id, '' '') FROM learnsync_report.lesson_progress', 'test_learner',
        'ann'),
    'ann',
    'an owner who is none any more reads nothing more');

-- Nothing else.
SELECT is(pg_temp.ask(format('SELECT count(*) FROM %s', of_all), role, 'ann'), '42501', role || ' and ' || of_all)
FROM view, unnest('{test_service,test_bystander}'::text[]) role;
SELECT is(pg_temp.ask(statement, 'test_report', 'ann'), '42501', 'a report must not: ' || statement)
FROM (VALUES
    ('SELECT count(*) FROM learnsync_data.resource'), ('SELECT count(*) FROM learnsync_data.instance'),
    ('SELECT count(*) FROM learnsync_api.lesson_progress'), ('SELECT count(*) FROM learnsync_api.audit'),
    ('SELECT count(*) FROM learnsync.anomaly'),
    ('SELECT learnsync.sync_push(''ann'', ''{}'')'), ('SELECT learnsync_api.sync_pull(''{"deviceId": "d"}'')'),
    ('SELECT learnsync.failed_items()'), ('SELECT learnsync_api.metrics()'), ('CALL learnsync.maintain()'),
    ('SELECT learnsync.forget_learner(''ann'')'), ('CREATE VIEW learnsync_report.mine AS SELECT 1'),
    ('SELECT learnsync_internal.open_to_reports(''test_bystander'', true)'),
    ('SELECT learnsync.grant_access(''test_bystander'', ''report'')')) v (statement);
SELECT matches(
    pg_temp.ask(format(statement, of_all), role, 'ann'),
    '42501|0A000|55000',
    format(statement, of_all) || ' by ' || role)
FROM view, unnest('{test_report,test_learner}'::text[]) role,
    (VALUES ('INSERT INTO %s DEFAULT VALUES RETURNING 1'), ('UPDATE %s SET learner_id = ''bob'''),
        ('DELETE FROM %s RETURNING 1')) v (statement)
WHERE name <> 'content';
GRANT USAGE ON SCHEMA learnsync_data TO test_report;
SELECT is(
    pg_temp.ask('SELECT count(*) FROM learnsync_data.' || name, 'test_report'),
    '42501',
    'a report that gets into the schema of the tables does not read ' || name)
FROM unnest('{instance,audit,ledger,forgotten,event,anomaly}'::text[]) name;
SELECT is(pg_temp.ask('SELECT max(version) FROM learnsync_data.learner', 'test_report'), '42501', 'nor all of learner');
REVOKE USAGE ON SCHEMA learnsync_data FROM test_report;

-- Reports find whom they are about by index, as do owners of profiles.
CREATE TABLE roster (learner_id text COLLATE "C" PRIMARY KEY);
GRANT SELECT ON roster TO test_report;
CREATE FUNCTION pg_temp.plan(statement text, role text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    PERFORM set_config('request.jwt.claims', '{"sub": "ann"}', true);
    EXECUTE format('SET LOCAL ROLE %I', role);
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = off;
    SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off;
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || statement LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RESET ROLE;
    RETURN plan;
END $$;
SELECT matches(
    pg_temp.plan(format(statement, of_all), role),
    'Index Cond: \(\(?(learner_id|owner|\w\.learner_id) = ',
    format(statement, of_all) || ' by index for ' || role)
FROM view, (VALUES ('test_report', 'SELECT * FROM %s WHERE learner_id = ''ann'''),
    ('test_report', 'SELECT * FROM roster r JOIN %s v ON v.learner_id = r.learner_id'),
    ('test_learner', 'SELECT * FROM %s'),
    ('test_learner', 'SELECT * FROM %s WHERE learner_id = ''kid''')) v (role, statement)
WHERE name <> 'content';

-- Policies of reports are ours: they slow nothing down, setup() leaves them, and they go with the access.
SELECT is_empty(
    $$ SELECT p.polrelid::regclass FROM pg_policy p
       WHERE p.polname = 'rows_of_reports' AND (p.polcmd <> 'r' OR 0 = ANY (p.polroles)) $$,
    'they are for reading, and not for everybody');
SELECT learnsync.setup(allow => true);
SELECT is(
    pg_temp.ask('SELECT count(DISTINCT learner_id) FROM learnsync_report.lesson_progress', 'test_report'),
    '3',
    'setup() keeps the access of reports');
SELECT is(learnsync.revoke_access('test_report'), 'role test_report has no access of its own', 'revoke_access');
SELECT is(
    pg_temp.ask('SELECT count(*) FROM ' || of_all, 'test_report'), '42501', 'after that nobody reads ' || of_all)
FROM view;
SELECT is(
    pg_temp.ask('SELECT count(DISTINCT learner_id) FROM learnsync_report.lesson_progress', 'odd "report''; DROP'),
    '3',
    'another role keeps its own');
DROP TABLE roster;
SELECT lives_ok('DROP ROLE test_report', 'nothing of the role is left');
SELECT learnsync.revoke_access('odd "report''; DROP'), learnsync.revoke_access('test_both');
SELECT is_empty(
    $$ SELECT polrelid::regclass FROM pg_policy WHERE polname = 'rows_of_reports' $$,
    'the last takes the policies with it');
SELECT is(
    pg_temp.ask('SELECT count(*) FROM learnsync_report.lesson_progress', 'test_learner', 'ann'),
    '1',
    'learners have theirs');

SELECT * FROM finish();
ROLLBACK;
