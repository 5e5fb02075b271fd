-- A hostile search_path: whatever stands in front of pg_catalog, or in pg_temp, none of it is called or believed.
BEGIN;
SELECT no_plan();

CREATE ROLE test_owner_of_evil;
CREATE SCHEMA evil AUTHORIZATION test_owner_of_evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;

-- Functions and operators that our statements could mean, with the very same arguments. Those of any arguments cannot
-- raise; they answer nonsense.
DO $do$
DECLARE
    f record;
    body text := $$ LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''evil was called''; END' $$;
BEGIN
    FOR f IN
    SELECT p.proname,
        replace(
            replace(pg_get_function_identity_arguments(p.oid), 'ORDER BY', ','),
            CASE p.prokind WHEN 'a' THEN '"any"' ELSE 'none' END,
            'anyelement') AS arguments,
            CASE p.prokind WHEN 'a' THEN 'text' ELSE pg_get_function_result(p.oid) END AS result, p.prokind
        FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind IN ('f', 'a')
            AND NOT p.proargtypes::oid[] && ARRAY['cstring'::regtype, 'internal'::regtype]::oid[]
            AND p.proname IN ('unnest', 'jsonb_build_object', 'to_char', 'timezone', 'cardinality', 'clock_timestamp',
                'gen_random_uuid', 'uuid_send', 'format', 'current_setting', 'set_config', 'pg_get_userbyid', 'now',
                'text', 'int8', 'length', 'quote_nullable', 'generate_series', 'count', 'jsonb_agg', 'array_agg',
                'min', 'max')
    LOOP
        EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s %s', f.proname, f.arguments, f.result,
            CASE WHEN f.arguments NOT LIKE '%"any"%' THEN body
                WHEN f.result = 'jsonb' THEN 'LANGUAGE internal AS $$jsonb_build_array$$'
                ELSE 'LANGUAGE internal AS $$text_concat$$' END);
    END LOOP;
    FOR f IN
    SELECT o.oid, o.oprname, o.oprleft::regtype AS l, o.oprright::regtype AS r, o.oprresult::regtype AS result
    FROM pg_operator o WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprleft <> 0
            AND o.oprname IN ('=', '<>', '<', '>', '<=', '>=', '+', '-', '||', '->', '->>', '~')
                AND ARRAY[o.oprleft, o.oprright] <@ ARRAY['text', 'int8', 'int4', 'int2', 'uuid', 'jsonb',
                    'timestamptz', '"char"', 'bool', 'oid', 'name', 'tid', 'bytea', 'anyarray', 'anynonarray',
                    'anycompatible', 'anycompatiblearray']::regtype[]::oid[]
    LOOP
        EXECUTE format('CREATE FUNCTION evil.op_%s(%s, %s) RETURNS %s %s', f.oid, f.l, f.r, f.result, body);
        EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.op_%s)', f.oprname, f.l,
            f.r, f.oid);
    END LOOP;
END $do$;
SELECT cmp_ok(
    (SELECT count(*) FROM pg_operator WHERE oprnamespace = 'evil'::regnamespace),
    '>',
    50::bigint,
    'there are evil operators');
SELECT cmp_ok(
    (SELECT count(*) FROM pg_proc WHERE pronamespace = 'evil'::regnamespace),
    '>',
    80::bigint,
    'and functions');

-- Types and tables of the names that we use, in evil and in pg_temp.
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
CREATE DOMAIN evil.jsonb AS pg_catalog.jsonb CHECK (false);
CREATE DOMAIN evil.uuid AS pg_catalog.uuid CHECK (false);
CREATE TYPE evil.ledger_row AS (x int);
CREATE TYPE evil.merge_rule AS (x int);
CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (false);
CREATE DOMAIN pg_temp.int8 AS pg_catalog.int8 CHECK (false);
CREATE TYPE pg_temp.resource_row AS (x int);
CREATE FUNCTION pg_temp.unnest(anyarray)
    RETURNS SETOF anyelement LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'pg_temp.unnest was called'; END $$;
DO $$
DECLARE
    t pg_catalog.text;
BEGIN
    FOREACH t IN ARRAY ARRAY['learner', 'device', 'resource', 'ledger', 'push', 'conflict', 'failed', 'instance',
        'resource_type', 'pg_class', 'pg_namespace', 'pg_roles', 'pg_trigger', 'pg_proc', 'pg_type', 'pg_settings',
        'pg_constraint', 'pg_index'] LOOP
        EXECUTE format('CREATE TABLE evil.%I (x int)', t);
        EXECUTE format('CREATE TEMP TABLE %I (x int)', t);
        EXECUTE format('GRANT ALL ON evil.%I, pg_temp.%I TO PUBLIC', t, t);
    END LOOP;
END $$;

CREATE ROLE test_learner;
CREATE ROLE test_service;
CREATE ROLE test_admin;
SELECT learnsync.grant_access('test_learner', 'learner'), learnsync.grant_access('test_service', 'service'),
    learnsync.grant_access('test_admin', 'admin');

-- Everything that there is to call. A result is a pg_catalog.text, or the error's message.
CREATE TEMP TABLE step (n int GENERATED ALWAYS AS IDENTITY, role pg_catalog.text, call pg_catalog.text,
    expected pg_catalog.text);
INSERT INTO step (role, call, expected) VALUES
    (NULL, 'learnsync.setup()', 'tables of learnsync_owner are up to date'),
    (NULL, 'learnsync.grant_access(''test_service''::pg_catalog.text, ''service''::pg_catalog.text)',
        'role test_service has access as service'),
    (NULL,
        '(learnsync.define_resource_type(''evil_'' OPERATOR(pg_catalog.||) $1, ''{"key": ["k"], "fields": {"n": '
        '{"merge": "sum"}}}''::pg_catalog.jsonb) OPERATOR(pg_catalog.~) ''is defined'')',
        'true'),
    ('test_service',
        '(learnsync.sync_push($1, ''{"deviceId": "d", "lastSyncVersion": 1, "deviceName": "D", "metadata": {}, '
        '"items": [{"id": "1", "operation": "update", "resourceType": "mastery", "resourceId": "m", "data": {"n": '
        '1}, "clientTimestamp": "2026-01-08T10:00:00Z"}, {"id": "2", "operation": "create", "resourceType": '
        '"quiz_attempt", "data": {"quizId": "q", "attemptNumber": 1}, "clientTimestamp": "2026-01-08T10:00:00Z"}, '
        '{"id": "3", "operation": "create", "resourceType": "quiz_attempt", "data": {"quizId": "q", "attemptNumber": '
        '1, "x": 1}, "clientTimestamp": "2026-01-08T10:00:00Z"}, {"id": "4"}]}''::pg_catalog.jsonb) '
        'OPERATOR(pg_catalog.->) ''syncVersion'')',
        '3'),
    ('test_service',
        '(learnsync.sync_push($1, ''{"deviceId": "d", "items": [{"id": "1", "operation": "update", "resourceType": '
        '"mastery", "resourceId": "m", "data": {"n": 1}, "clientTimestamp": "2026-01-08T10:00:00Z"}, {"id": "4"}, '
        '{"id": "5", "operation": "update", "resourceType": "mastery", "resourceId": "m", "data": {"n": 2}, '
        '"clientTimestamp": "2026-01-08T11:00:00Z"}, {"id": "6", "operation": "delete", "resourceType": "mastery", '
        '"resourceId": "n", "clientTimestamp": "2026-01-08T11:00:00Z"}]}''::pg_catalog.jsonb) '
        'OPERATOR(pg_catalog.#>>) ''{results,2,version}'')',
        '4'),
    ('test_service',
        '(learnsync.sync_push($1, ''{"deviceId": "d", "dryRun": true, "items": [{"id": "9", "operation": "update", '
        '"resourceType": "mastery", "resourceId": "m", "data": {"n": 3}, "clientTimestamp": '
        '"2026-01-08T12:00:00Z"}]}''::pg_catalog.jsonb) OPERATOR(pg_catalog.#>>) ''{results,0,version}'')',
        '6'),
    ('test_learner',
        '(learnsync_api.sync_pull(''{"deviceId": "d", "resourceTypes": ["mastery"], "limit": 2}''::pg_catalog.jsonb) '
        'OPERATOR(pg_catalog.->) ''syncVersion'')',
        '5'),
    ('test_learner',
        '(learnsync_api.sync_pull(''{"deviceId": "d", "lastSyncVersion": 4}''::pg_catalog.jsonb) '
        'OPERATOR(pg_catalog.->) ''syncVersion'')',
        '5'),
    ('test_learner', '(learnsync_api.sync_status() OPERATOR(pg_catalog.->) ''failedCount'')', '1'),
    ('test_learner', '(learnsync_api.sync_status(''d''::pg_catalog.text) OPERATOR(pg_catalog.->) ''conflictCount'')',
        '1'),
    ('test_learner', '(learnsync_api.sync_devices() OPERATOR(pg_catalog.#>>) ''{devices,0,deviceId}'')', 'd'),
    ('test_learner',
        '(learnsync_api.sync_push(''{"deviceId": "e", "items": []}''::pg_catalog.jsonb) OPERATOR(pg_catalog.->) '
        '''syncVersion'')',
        '1'),
    (NULL,
        '(learnsync.drop_resource_type(''evil_'' OPERATOR(pg_catalog.||) $1) OPERATOR(pg_catalog.~) ''is dropped'')',
        'true'),
    ('test_learner',
        '(learnsync_api.sync_status(NULL, (learnsync_api.sync_status() OPERATOR(pg_catalog.#>>) '
        '''{conflicts,0,id}''), 1) OPERATOR(pg_catalog.->) ''hasMore'')',
        'false'),
    ('test_service',
        '(learnsync.sync_deactivate_device($1, ''{"deviceId": "e"}''::pg_catalog.jsonb) OPERATOR(pg_catalog.->>) '
        '''message'')',
        'Device deactivated successfully'),
    ('test_admin', '(learnsync_internal.retry_learner($1, ''error'', NULL))', '{0,0}'),
    ('test_admin', '(learnsync_internal.postpone_retry($1, NULL))', ''),
    ('test_admin', '(learnsync_internal.next_to_retry($1, NULL, NULL))', NULL),
    ('test_admin', '(learnsync.unseen_devices(0) IS NOT NULL)', 'true'),
    ('test_admin', '(learnsync.drop_devices(1))', '0'),
    ('test_admin', '(learnsync_internal.maintain_step(30, learnsync_internal.maintain_step(30, NULL)) IS NOT NULL)',
        'true'),
    ('test_admin',
        '(learnsync_api.sync_cleanup(''{"daysOld": 30}''::pg_catalog.jsonb) OPERATOR(pg_catalog.->) '
        '''deletedCount'')',
        '0'),
    ('test_admin', '(learnsync.new_epoch() IS NOT NULL)', 'true'),
    ('test_admin', '(learnsync.forget_learner($1))', '14'),
    ('test_service', '(learnsync.sync_push($1, ''{"deviceId": "e", "items": []}''::pg_catalog.jsonb))',
        'this learner was erased'),
    ('test_admin', '(learnsync.remember_learner($1))', 'true'),
    ('test_service',
        '(learnsync.sync_push($1, ''{"deviceId": "e", "items": []}''::pg_catalog.jsonb) OPERATOR(pg_catalog.->) '
        '''syncVersion'')',
        '1');

CREATE FUNCTION pg_temp.run(path pg_catalog.text, role pg_catalog.text, call pg_catalog.text, learner pg_catalog.text)
    RETURNS pg_catalog.text LANGUAGE plpgsql AS $$
DECLARE
    result pg_catalog.text;
BEGIN
    PERFORM pg_catalog.set_config('learnsync.learner_id', learner, true);
    IF role IS NOT NULL THEN
        EXECUTE pg_catalog.format('SET LOCAL ROLE %I', role);
    END IF;
    PERFORM pg_catalog.set_config('search_path', path, true);
    EXECUTE pg_catalog.concat('SELECT ', call, '::pg_catalog.text') INTO result USING learner;
    SET LOCAL search_path = pg_catalog, public;
    RESET ROLE;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;

-- Statements are prepared once for each session: under each path first, and again under the other ones.
CREATE TEMP TABLE path (n int, path pg_catalog.text);
INSERT INTO path VALUES
    (1, 'evil, pg_catalog, public'),
    (2, 'pg_catalog, public'),
    (3, 'pg_temp, evil, pg_catalog'),
    (4, ''),
    (5, 'learnsync_data, learnsync, evil, pg_catalog'),
    (6, 'evil, pg_temp, pg_catalog'),
    (7, 'no_such_schema');
CREATE TEMP TABLE outcome AS SELECT p.n AS path_n, s.n AS step_n, ''::pg_catalog.text AS got FROM path p, step s;
DO $$
DECLARE
    o record;
BEGIN
    FOR o IN SELECT p.path, s.role, s.call, p.n AS path_n, s.n AS step_n FROM path p, step s ORDER BY p.n, s.n LOOP
        UPDATE outcome SET got = pg_temp.run(o.path, o.role, o.call, 'l' || o.path_n)
        WHERE path_n = o.path_n AND step_n = o.step_n;
    END LOOP;
END $$;
-- The trap works: a statement without qualification does fall into it.
CREATE TEMP TABLE caught AS
SELECT call, pg_temp.run('evil, pg_catalog', NULL, call, 'x') AS got
FROM (VALUES
    ('(SELECT 1 FROM learnsync_data.learner l WHERE l.learner_id = $1)'::pg_catalog.text),
    ('(SELECT unnest(''{1}''::pg_catalog.int4[]))'),
    ('(SELECT clock_timestamp())')) v (call);
DO $$
DECLARE
    t pg_catalog.text;
BEGIN
    FOR t IN
    SELECT c.oid::pg_catalog.regclass FROM pg_catalog.pg_class c
    WHERE c.relnamespace = pg_catalog.pg_my_temp_schema() AND c.relkind = 'r'
        AND c.relname NOT IN ('path', 'step', 'outcome', 'caught') AND c.relname !~ '^__t' LOOP
        EXECUTE 'DROP TABLE ' || t;
    END LOOP;
END $$;
DROP DOMAIN pg_temp.text, pg_temp.int8;
SELECT is(got, expected, concat_ws(' ', 'path', path, left(call, 60))) FROM outcome JOIN path p ON p.n = path_n
JOIN step s ON s.n = step_n ORDER BY path_n, step_n;
SELECT is(got, 'evil was called', 'an unqualified statement is caught: ' || call) FROM caught;

SELECT * FROM finish();
ROLLBACK;
