-- Whatever somebody put in our way before CREATE EXTENSION and setup(): it is refused, or it has no effect.
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT no_plan();
CREATE ROLE test_mallory;

CREATE FUNCTION pg_temp.evil_schema() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    CREATE SCHEMA evil;
    GRANT USAGE ON SCHEMA evil TO PUBLIC;
    CREATE FUNCTION evil.caught() RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''evil was called''; END';
    FOREACH name IN ARRAY ARRAY['format(text, VARIADIC "any")|format(text, VARIADIC text[])', 'current_setting(text)',
        'pg_get_userbyid(oid)', 'set_config(text, text, boolean)', 'gen_random_uuid()', 'clock_timestamp()',
        'jsonb_build_object(VARIADIC text[])', 'pg_notify(text, text)', 'quote_nullable(text)', 'to_regclass(text)',
        'trim_scale(numeric)'] LOOP
        EXECUTE 'CREATE FUNCTION evil.' || split_part(reverse(split_part(reverse(name), '|', 1)), '|', 1)
            || ' RETURNS text LANGUAGE sql AS ''SELECT evil.caught()''';
    END LOOP;
    CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT evil.caught()::boolean';
    CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same);
    CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same);
    CREATE FUNCTION evil.same(name, name) RETURNS boolean LANGUAGE sql AS 'SELECT evil.caught()::boolean';
    CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.same);
    CREATE FUNCTION evil.field(jsonb, text) RETURNS text LANGUAGE sql AS 'SELECT evil.caught()';
    CREATE OPERATOR evil.->> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = evil.field);
    FOREACH name IN ARRAY ARRAY['pg_class', 'pg_namespace', 'pg_roles', 'pg_depend', 'pg_extension', 'pg_proc',
        'pg_type', 'pg_settings', 'instance', 'resource', 'resource_type', 'device'] LOOP
        EXECUTE format('CREATE TABLE evil.%I (x int)', name);
        EXECUTE format('CREATE TEMP TABLE %I (x int)', name);
    END LOOP;
END $$;

-- Runs what somebody prepared, then what we do; says what comes of it, and undoes everything.
CREATE FUNCTION pg_temp.after(prepared text, done text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL client_min_messages = error;
    DROP EXTENSION learnsync CASCADE;
    DROP SCHEMA learnsync, learnsync_data CASCADE;
    EXECUTE prepared;
    BEGIN
        EXECUTE done;
        RAISE EXCEPTION USING ERRCODE = 'LS000', MESSAGE = 'done';
    EXCEPTION WHEN OTHERS THEN
        SET LOCAL search_path = pg_catalog, public;
        RAISE EXCEPTION
            USING ERRCODE = 'LS001',
                MESSAGE = CASE SQLSTATE WHEN 'LS000' THEN SQLERRM ELSE concat_ws(' ', SQLSTATE, SQLERRM) END;
    END;
EXCEPTION WHEN SQLSTATE 'LS001' THEN
    RETURN SQLERRM;
END $$;
SELECT alike(pg_temp.after(prepared, done), expected, prepared)
FROM (VALUES
    ('', 'CREATE EXTENSION learnsync; SELECT learnsync.setup(); SELECT learnsync.setup()', 'done'),
    ('CREATE SCHEMA learnsync', 'CREATE EXTENSION learnsync; SELECT learnsync.setup()', 'done'),
    ('CREATE SCHEMA learnsync AUTHORIZATION test_mallory', 'CREATE EXTENSION learnsync',
        '42501 schema learnsync belongs to another role'),
    ('CREATE SCHEMA learnsync; GRANT CREATE ON SCHEMA learnsync TO test_mallory', 'CREATE EXTENSION learnsync',
        '42501 other roles may create objects in schema learnsync'),
    ('CREATE SCHEMA learnsync; GRANT ALL ON SCHEMA learnsync TO PUBLIC', 'CREATE EXTENSION learnsync',
        '42501 other roles may create objects in schema learnsync'),
    ('ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO test_mallory', 'CREATE EXTENSION learnsync',
        '42501 default privileges would give the functions or schemas of learnsync to other roles'),
    ('ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO PUBLIC', 'CREATE EXTENSION learnsync',
        '42501 default privileges would give the functions or schemas of learnsync to other roles'),
    ('ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO test_mallory; '
     'ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; '
     'ALTER DEFAULT PRIVILEGES FOR ROLE test_mallory GRANT EXECUTE ON FUNCTIONS TO learnsync_owner',
        'CREATE EXTENSION learnsync; SELECT learnsync.setup()', 'done'),
    ('CREATE SCHEMA learnsync_api', 'CREATE EXTENSION learnsync', '42P06%'),
    ('CREATE SCHEMA learnsync_internal', 'CREATE EXTENSION learnsync', '42P06%'),
    ('CREATE SCHEMA learnsync; CREATE FUNCTION learnsync.sync_push(text, jsonb) RETURNS jsonb LANGUAGE sql AS '
     '''SELECT $2''',
        'CREATE EXTENSION learnsync', '42723%already exists%'),
    ('CREATE SCHEMA learnsync; CREATE TYPE learnsync.progress AS (x int)', 'CREATE EXTENSION learnsync',
        '42710%already exists%'),
    ('CREATE SCHEMA learnsync; CREATE DOMAIN learnsync.merge_rule AS text', 'CREATE EXTENSION learnsync',
        '42710%already exists%'),
    ('CREATE SCHEMA learnsync_data AUTHORIZATION test_mallory',
        'CREATE EXTENSION learnsync; SELECT learnsync.setup()',
        '42501 schema learnsync_data belongs to "test_mallory"'),
    ('CREATE SCHEMA learnsync_data', 'CREATE EXTENSION learnsync; SELECT learnsync.setup()',
        '42501 schema learnsync_data belongs to %'),
    ('CREATE SCHEMA learnsync_data AUTHORIZATION learnsync_owner; CREATE TABLE learnsync_data.instance (x int); '
     'ALTER TABLE learnsync_data.instance OWNER TO test_mallory',
        'CREATE EXTENSION learnsync; SELECT learnsync.setup()', '42501 must be owner of table instance'),
    ('CREATE SCHEMA learnsync_data AUTHORIZATION learnsync_owner; CREATE TABLE learnsync_data.resource (x int); '
     'ALTER TABLE learnsync_data.resource OWNER TO test_mallory',
        'CREATE EXTENSION learnsync; SELECT learnsync.setup()', '42501 must be owner of table resource'),
    ('CREATE SCHEMA learnsync_data AUTHORIZATION learnsync_owner; CREATE TABLE learnsync_data.push (x int); '
     'ALTER TABLE learnsync_data.push OWNER TO test_mallory',
        'CREATE EXTENSION learnsync; SELECT learnsync.setup()', '42501 must be owner of table push'),
    ('CREATE SCHEMA learnsync_data AUTHORIZATION learnsync_owner; '
     'CREATE VIEW learnsync_data.learner AS SELECT 1 AS x; ALTER VIEW learnsync_data.learner OWNER TO test_mallory',
        'CREATE EXTENSION learnsync; SELECT learnsync.setup()', '42%'),
    ('SELECT pg_temp.evil_schema(); SET LOCAL search_path = evil, pg_catalog, public',
        'CREATE EXTENSION learnsync; SELECT learnsync.setup(); SELECT learnsync.setup(); '
        'SELECT learnsync.grant_access(''test_mallory''::pg_catalog.text, ''learner''); '
        'SELECT learnsync.revoke_access(''test_mallory''::pg_catalog.text)',
        'done'),
    ('SELECT pg_temp.evil_schema(); SET LOCAL search_path = pg_temp, evil, pg_catalog, public',
        'CREATE EXTENSION learnsync; SELECT learnsync.setup(); SELECT learnsync.setup(); '
        'SELECT learnsync.grant_access(''test_mallory''::pg_catalog.text, ''learner''); '
        'SELECT learnsync.revoke_access(''test_mallory''::pg_catalog.text)',
        'done'),
    ('SELECT pg_temp.evil_schema(); SET LOCAL search_path = evil, pg_catalog, public',
        'SELECT 1 FROM public.no_plan() WHERE ''a'' = ''b''::text', '%evil was called')) v (prepared, done, expected);

-- What setup() made stands on our own objects only, and nobody may put any beside them.
SELECT is_empty(
    $$SELECT p.oid::regprocedure FROM pg_proc p
      WHERE pronamespace::regnamespace::text LIKE 'learnsync%'
          AND (prosecdef OR (prokind = 'f' AND prosqlbody IS NULL
              AND prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')
              AND NOT COALESCE('search_path=pg_catalog, pg_temp' = ANY (proconfig), false))) $$,
    'no routine is SECURITY DEFINER, and functions not in C have their own search_path or are parsed already; '
    'a procedure that commits cannot');
SELECT is_empty(
    $$SELECT nspname FROM pg_namespace n, aclexplode(nspacl) a
      WHERE nspname LIKE 'learnsync%' AND nspname <> 'learnsync_data' AND privilege_type = 'CREATE'
          AND grantee <> nspowner $$,
    'nobody else creates in our schemas');

SELECT * FROM finish();
ROLLBACK;
