-- What somebody would try with corrections, the audit and anomalies: others' ids, forged names, hostile operators.
BEGIN;
SELECT no_plan();

CREATE ROLE test_forger_learner;
CREATE ROLE test_forger_service;
CREATE ROLE test_forger_admin;
CREATE ROLE test_forger_reporter;
SELECT learnsync.grant_access('test_forger_' || kind, kind) FROM unnest('{learner,service,admin}'::text[]) kind;
GRANT USAGE ON SCHEMA learnsync, learnsync_data TO test_forger_reporter;
GRANT SELECT ON ALL TABLES IN SCHEMA learnsync, learnsync_data, learnsync_api TO test_forger_reporter;
GRANT EXECUTE ON FUNCTION learnsync.current_learner(), learnsync.current_learners() TO test_forger_reporter;

-- What a statement gives a role that is signed in as bob: its first value, or the SQLSTATE and message.
CREATE FUNCTION pg_temp.ask(kind text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    PERFORM set_config('request.jwt.claims', '{"sub": "bob"}', true);
    EXECUTE format('SET LOCAL ROLE %I', 'test_forger_' || kind);
    EXECUTE statement INTO result;
    RESET ROLE;
    RETURN result;
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION pg_temp.work(learner text, id text, score int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(
        jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'quiz_attempt', 'clientTimestamp',
            '2026-01-08T10:00:00Z', 'data', jsonb_build_object('quizId', 'q', 'attemptNumber', 1, 'score', score)),
        jsonb_build_object('id', 'l' || id, 'operation', 'update', 'resourceType', 'lesson_progress',
            'clientTimestamp', '2026-01-08T10:00:00Z',
            'data', jsonb_build_object('lessonId', 'l', 'completionPercentage', score, 'timeSpent', 1000)))))::jsonb $$;
-- Everything of ann's that a call could have changed.
CREATE FUNCTION pg_temp.trace() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws('|', (SELECT string_agg(t::text, '' ORDER BY t::text) FROM learnsync_data.resource t
                           WHERE learner_id = 'ann'),
        (SELECT string_agg(t::text, '' ORDER BY t::text) FROM learnsync_data.conflict t WHERE learner_id = 'ann'),
        (SELECT string_agg(t::text, '' ORDER BY t::text) FROM learnsync_data.anomaly t WHERE learner_id = 'ann'),
        (SELECT string_agg(t::text, '' ORDER BY t::text) FROM learnsync_data.audit t WHERE learner_id = 'ann'),
        (SELECT version FROM learnsync_data.learner WHERE learner_id = 'ann')) $$;

SELECT pg_temp.work(who, 'a', 10), pg_temp.work(who, 'b', 20) FROM unnest('{ann,bob}'::text[]) who;
SELECT learnsync.sync_correct('ann', '{"resourceType": "lesson_progress", "resourceId": "l", "by": "ms.k",
    "reason": "secret", "data": {"completionPercentage": 1}}') ->> 'correctionId' AS correction \gset
SELECT conflict_id AS conflict FROM learnsync_data.conflict WHERE learner_id = 'ann' \gset
SELECT learnsync_internal.note_anomalies_as_owner('ann',
    ARRAY[(md5('x'), 'same_work', 1, '{"said": "secret"}')::learnsync_internal.odd_row]);
SELECT anomaly_id AS anomaly FROM learnsync_data.anomaly WHERE learner_id = 'ann' \gset
SELECT pg_temp.trace() AS before \gset

-- A learner corrects nobody, and what is another's is not found.
SELECT is(pg_temp.ask('learner', query), wanted, 'a learner: ' || left(query, 60))
FROM (VALUES
    ('SELECT learnsync.sync_correct(''bob'', ''{}'')', '42501 permission denied for schema learnsync'),
    ('SELECT learnsync.sync_uncorrect(''ann'', ''{}'')', '42501 permission denied for schema learnsync'),
    ('SELECT learnsync.close_anomaly(''ann'', ''x'', ''b'', ''r'')', '42501 permission denied for schema learnsync'),
    ('SELECT count(*) FROM learnsync.anomaly', '42501 permission denied for schema learnsync'),
    ('SELECT learnsync_api.sync_why(''{"resourceType": "lesson_progress", "resourceId": "l", "learnerId": "ann"}'')',
        '42501 the request is another learner''s'),
    (format('SELECT learnsync_api.sync_resolve(''{"conflictId": %s, "resolution": "use_server"}'')',
        to_json(:'conflict'::text)), 'PT404 conflict not found')) v (query, wanted);
SELECT is(
    pg_temp.ask('learner', 'SELECT learnsync_api.sync_why(''{"resourceType": "lesson_progress", "resourceId": "l"}'')')
        ~ 'secret|ms\.k',
    false,
    'one''s own document tells nothing of another''s correction');

-- A service that names the wrong learner hits nobody.
SELECT is(pg_temp.ask('service', query), wanted, 'a service: ' || left(query, 60))
FROM (VALUES
    (format('SELECT learnsync.sync_correct(''bob'', ''{"resourceType": "quiz_attempt", "resourceId": "[\"q\",1]", '
        '"conflictId": %s, "by": "b", "reason": "r", "data": {"quizId": "q", "attemptNumber": 1, "score": 9}}'')',
        to_json(:'conflict'::text)), 'PT404 conflict not found'),
    (format('SELECT learnsync.sync_uncorrect(''bob'', ''{"resourceType": "lesson_progress", "resourceId": "l", '
        '"correctionId": %s, "by": "b", "reason": "r"}'')', to_json(:'correction'::text)),
        'PT404 no correction stands on this resource'),
    (format('SELECT learnsync.sync_uncorrect(''bob'', ''{"resourceType": "lesson_progress", "resourceId": "l", '
        '"by": "b", "reason": "r"}'')'), 'PT404 no correction stands on this resource'),
    (format('SELECT learnsync.close_anomaly(''ann'', %L, ''b'', ''r'')', :'anomaly'),
        '42501 permission denied for function close_anomaly'),
    ('SELECT count(*) FROM learnsync.anomaly', '42501 permission denied for view anomaly')) v (query, wanted);
SELECT is(
    pg_temp.ask('admin', format('SELECT learnsync.close_anomaly(''bob'', %L, ''b'', ''r'')', :'anomaly')),
    'PT404 anomaly not found',
    'an administrator who names the wrong learner closes nothing');

-- Who reads tables by a right of his own sees no row that services or administrators see.
SELECT is(pg_temp.ask('reporter', query), wanted, 'a reporter: ' || query)
FROM (VALUES ('SELECT count(*) FROM learnsync_data.audit'), ('SELECT count(*) FROM learnsync_data.anomaly'),
    ('SELECT count(*) FROM learnsync_data.verify_round'), ('SELECT count(*) FROM learnsync.anomaly')) v (query),
    (VALUES ('0')) w (wanted);
SELECT is(pg_temp.trace(), :'before', 'nothing of ann''s has changed, and nothing is noted of her');

-- Names and words that are none, or too long, change nothing and are not noted.
SELECT is(
    pg_temp.ask('service', format('SELECT learnsync.sync_correct(''ann'', %L)',
        '{"resourceType": "lesson_progress", "resourceId": "l", "data": {"completionPercentage": 2},
          "by": "b", "reason": "r"}'::jsonb || bad)),
    wanted,
    'refused: ' || left(bad::text, 40))
FROM (VALUES ('{"by": ""}'::jsonb, '22023 by must be a string of 1 to 200 characters'),
    ('{"by": null}', '22023 by is missing'), ('{"reason": null}', '22023 reason is missing'),
    ('{"by": {"sub": "ms.k"}}', '22023 by must be a string of 1 to 200 characters'),
    (jsonb_build_object('by', repeat('ü', 201)), '22023 by must be a string of 1 to 200 characters'),
    (jsonb_build_object('reason', repeat('ü', 2001)), '22023 reason must be a string of 1 to 2000 characters'))
    v (bad, wanted);
SELECT is(pg_temp.trace(), :'before', 'nothing of ann''s has changed then either');
SELECT is(
    pg_temp.ask('service', format('SELECT learnsync.sync_correct(''ann'', %L) ->> ''resourceId''',
        jsonb_build_object('resourceType', 'lesson_progress', 'resourceId', 'l', 'by', repeat('ü', 200),
            'reason', '''; DROP TABLE learnsync_data.audit; --' || repeat('ü', 1900),
            'data', '{"completionPercentage": 2}'::jsonb))),
    'l',
    'the longest are taken, whatever they say');

-- Operators and functions of the caller's do not find their way in.
CREATE SCHEMA trap;
CREATE FUNCTION trap.spring() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a function of the caller was called';
END $$;
CREATE FUNCTION trap.eq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT trap.spring()';
CREATE FUNCTION trap.md5(text) RETURNS text LANGUAGE sql AS 'SELECT trap.spring()::text';
CREATE FUNCTION trap.lower(text) RETURNS text LANGUAGE sql AS 'SELECT trap.spring()::text';
CREATE FUNCTION trap.gt(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT trap.spring()';
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.eq);
CREATE OPERATOR trap.> (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.gt);
CREATE TABLE trap.audit (x text);
CREATE TABLE trap.anomaly (x text);
GRANT USAGE ON SCHEMA trap TO PUBLIC;
SET LOCAL search_path = trap, pg_catalog;
SELECT pg_temp.ask('service', $$SELECT learnsync.sync_correct('bob', '{"resourceType": "lesson_progress",
    "resourceId": "l", "by": "b", "reason": "r", "data": {"completionPercentage": 2}}') ->> 'resourceId'$$) AS correct,
    pg_temp.ask('service', $$SELECT learnsync.sync_uncorrect('bob', '{"resourceType":
    "lesson_progress", "resourceId": "l", "by": "b", "reason": "r"}') ->> 'resourceId'$$) AS uncorrect,
    pg_temp.ask('admin', 'SELECT learnsync_internal.verify_piece(1000)') AS looked,
    pg_temp.ask('admin', format('SELECT learnsync.close_anomaly(''ann'', %L, ''b'', ''r'') ->> ''kind''',
        :'anomaly')) AS closed,
    pg_temp.ask('admin', $$SELECT by FROM learnsync_api.audit WHERE action OPERATOR(pg_catalog.=) 'close_anomaly'$$)
        AS noted,
    learnsync.grant_access('test_forger_reporter', 'service') AS granted \gset
RESET search_path;
SELECT is(
    concat_ws(', ', :'correct', :'uncorrect', :'closed', :'noted', :'granted'),
    'l, l, same_work, b, role test_forger_reporter has access as service',
    'corrections, anomalies, the audit and grants under a hostile search_path');
SELECT is(:'looked', (SELECT count(*)::text FROM learnsync_data.learner), 'and a round, which sees every learner');
SELECT is((SELECT failed FROM learnsync_data.verify_round), 0::bigint, 'whole');

SELECT * FROM finish();
ROLLBACK;
