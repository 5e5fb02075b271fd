-- What an administrator would try who wants more: the rights of a superuser, of the tables' owner, or of anybody else.
-- And what the owner of the tables would try, when a superuser works on them. Procedures that commit need a database of
-- their own.
SELECT current_database() AS home \gset
SET client_min_messages = error;
DROP DATABASE IF EXISTS learnsync_attack WITH (FORCE);
DROP ROLE IF EXISTS attack_admin, attack_lib, attack_other, attack_super, attack_service, attack_reporter,
    attack_login, attack_gone;
CREATE DATABASE learnsync_attack TEMPLATE template0;
\connect learnsync_attack
SET client_min_messages = error;
CREATE EXTENSION pgtap;
CREATE EXTENSION learnsync;
SELECT learnsync.setup();
SELECT no_plan();

CREATE ROLE attack_admin;
CREATE ROLE attack_lib;
CREATE ROLE attack_other;
CREATE ROLE attack_super SUPERUSER;
CREATE ROLE attack_service;
CREATE ROLE attack_reporter;
CREATE ROLE attack_login LOGIN;
SELECT learnsync.grant_access('attack_admin', 'admin'), learnsync.grant_access('attack_service', 'service');
CREATE SCHEMA team;
GRANT ALL ON SCHEMA team TO PUBLIC;
GRANT CREATE ON DATABASE learnsync_attack TO attack_admin;
-- What was done with more rights than anybody here should have.
CREATE TABLE team.loot (what text);

-- What a statement gives a role: its first value, or the SQLSTATE and message.
CREATE FUNCTION team.ask(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    EXECUTE statement INTO result;
    RESET ROLE;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
-- A merge function that says whom it ran as.
CREATE FUNCTION team.make(name text, owner text,
    body text DEFAULT 'BEGIN RETURN jsonb_build_object(''as'', current_user); END')
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION team.%I(jsonb, jsonb, timestamptz, timestamptz) RETURNS jsonb '
                   'LANGUAGE plpgsql AS %L',
        name, body);
    EXECUTE format('ALTER FUNCTION team.%I(jsonb, jsonb, timestamptz, timestamptz) OWNER TO %I', name, owner);
END $$;
CREATE FUNCTION team.define(role text, type text, function text) RETURNS text LANGUAGE sql AS $$
    SELECT team.ask(role, format('SELECT learnsync.define_resource_type(%L, %L)', type,
        jsonb_build_object('key', '["k"]'::jsonb, 'policy', 'custom', 'function', function))) $$;
-- Two items of one resource, the second of which meets the first; what came of it.
CREATE FUNCTION team.push(learner text, type text, start int DEFAULT 0) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', (SELECT string_agg(r ->> 'status', ' ') FROM jsonb_array_elements(a -> 'results') r),
        a #>> '{failedItems,0,error}')
    FROM CAST(learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd',
        'items', (SELECT jsonb_agg(jsonb_build_object('id', type || n, 'operation', 'update', 'resourceType', type,
                      'clientTimestamp', '2026-01-08T10:00:0' || n || 'Z',
                      'data', jsonb_build_object('k', 'r', 'n', n)))
                  FROM generate_series(start, 1) n))) AS jsonb) a $$;
CREATE FUNCTION team.ran_as(learner text, type text) RETURNS text LANGUAGE sql AS $$
    SELECT data ->> 'as' FROM learnsync_data.resource WHERE learner_id = learner AND resource_type = type $$;

-- Naming functions of others.
SELECT team.make('of_super', 'postgres'), team.make('of_super2', 'attack_super'),
    team.make('of_owner', 'learnsync_owner'), team.make('of_other', 'attack_other'),
    team.make('of_lib', 'attack_lib'), team.make('of_admin', 'attack_admin');
SELECT is(
    team.define('attack_admin', 'a_' || name, 'team.' || name),
    '42501 merge function team.' || name || ' ' || problem,
    'an admin names a function: ' || name)
FROM (VALUES
    ('of_super', 'belongs to a superuser'),
    ('of_super2', 'belongs to a superuser'),
    ('of_owner', 'belongs to the owner of learnsync''s tables'),
    ('of_other', 'belongs to a role of which whoever defined the type is not a member'),
    ('of_lib', 'belongs to a role of which whoever defined the type is not a member')) v (name, problem);
SELECT is(
    team.define(current_user, 's_' || name, 'team.' || name),
    '42501 merge function team.' || name || ' ' || problem,
    'nor may a superuser name it: ' || name)
FROM (VALUES
    ('of_super', 'belongs to a superuser'),
    ('of_super2', 'belongs to a superuser'),
    ('of_owner', 'belongs to the owner of learnsync''s tables')) v (name, problem);
SELECT is(
    (SELECT count(*) FROM learnsync_data.resource_type WHERE rule ->> 'policy' = 'custom'),
    0::bigint,
    'nothing of it is defined');
SELECT is(
    team.define('attack_admin', 'mine', 'team.of_admin'),
    'resource type "mine" is defined',
    'its own may be named');
SELECT is(team.push('ann', 'mine'), 'synced synced', 'and is called');
SELECT is(team.ran_as('ann', 'mine'), 'attack_admin', 'as its owner, though a superuser pushes');

-- The signed-in role counts, not the one that the session began with; a role that is set counts as that role.
SET SESSION AUTHORIZATION attack_admin;
SELECT throws_ok(
    $$SELECT learnsync.define_resource_type('a',
          '{"key": ["k"], "policy": "custom", "function": "team.of_other"}') $$,
    '42501',
    NULL,
    'by a session of the admin''s own');
SELECT lives_ok(
    $$SELECT learnsync.define_resource_type('own', '{"key": ["k"], "policy": "custom",
          "function": "team.of_admin"}') $$,
    'where its own functions work');
RESET SESSION AUTHORIZATION;
SELECT is(
    (SELECT string_agg(DISTINCT defined_by, ' ') FROM learnsync_data.resource_type WHERE name IN ('own', 'mine')),
    'attack_admin',
    'who defined it is remembered');

-- After the definition: another owner, another body, another function, no membership.
SELECT team.make('moved', 'attack_admin');
SELECT team.define('attack_admin', 'moved', 'team.moved');
CREATE FUNCTION team.push_after(owner text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER FUNCTION team.moved OWNER TO %I', owner);
    RETURN team.push('moved to ' || owner, 'moved')
        || COALESCE(' as ' || team.ran_as('moved to ' || owner, 'moved'), '');
END $$;
SELECT is(team.push_after(owner), expected, 'after ALTER FUNCTION ... OWNER TO ' || owner)
FROM (VALUES
    ('attack_super', 'synced failed merge function team.moved belongs to a superuser'),
    ('postgres', 'synced failed merge function team.moved belongs to a superuser'),
    ('learnsync_owner', 'synced failed merge function team.moved belongs to the owner of learnsync''s tables'),
    ('attack_other',
        'synced failed merge function team.moved belongs to a role of which whoever defined the type is not a '
        'member'),
    ('attack_admin', 'synced synced as attack_admin')) v (owner, expected);
SET ROLE attack_admin;
CREATE OR REPLACE FUNCTION team.moved(jsonb, jsonb, timestamptz, timestamptz)
    RETURNS jsonb LANGUAGE sql SECURITY DEFINER SET search_path
        = team AS $$ SELECT jsonb_build_object('as', current_user || '!') $$;
RESET ROLE;
SELECT is(
    team.push('replaced', 'moved') || ' as ' || team.ran_as('replaced', 'moved'),
    'synced synced as attack_admin!',
    'after CREATE OR REPLACE');
DROP FUNCTION team.moved;
SELECT is(
    team.push('dropped', 'moved'),
    'synced failed there is no merge function team.moved(jsonb, jsonb, timestamptz, timestamptz)',
    'after DROP FUNCTION');
SELECT team.make('moved', 'attack_other');
SELECT is(
    team.push('anew', 'moved'),
    'synced failed merge function team.moved belongs to a role of which whoever defined the type is not a member',
    'when another role made one of the same name');
SELECT is(
    team.define('attack_admin', 'moved', 'team.moved'),
    '42501 merge function team.moved belongs to a role of which whoever defined the type is not a member',
    'nor can the old definition be said again');
SELECT is(
    team.define(current_user, 'moved', 'team.moved'),
    'resource type "moved" is changed',
    'but by somebody who may');
SELECT is(team.push('anew', 'moved', 1), 'synced', 'who answers for it from then on');

GRANT attack_lib TO attack_admin;
SELECT is(
    team.define('attack_admin', 'lib', 'team.of_lib'),
    'resource type "lib" is defined',
    'a member names a function of the group''s');
SELECT is(
    team.push('member', 'lib') || ' as ' || team.ran_as('member', 'lib'),
    'synced synced as attack_lib',
    'which runs as the group');
REVOKE attack_lib FROM attack_admin;
SELECT is(
    team.push('no member', 'lib'),
    'synced failed merge function team.of_lib belongs to a role of which whoever defined the type is not a member',
    'no longer once membership is revoked');
GRANT attack_lib TO attack_admin;
SELECT is(team.push('no member', 'lib', 1), 'synced', 'and again once it is granted');
CREATE ROLE attack_gone;
SELECT learnsync.grant_access('attack_gone', 'admin');
GRANT attack_lib TO attack_gone;
SELECT team.define('attack_gone', 'gone', 'team.of_lib');
SELECT learnsync.revoke_access('attack_gone');
DROP ROLE attack_gone;
SELECT is(
    team.push('gone', 'gone'),
    'synced failed merge function team.of_lib belongs to a role of which whoever defined the type is not a member',
    'nor for a role that is gone');
SELECT is(
    team.define('attack_super', 'was_super', 'team.of_other'),
    'resource type "was_super" is defined',
    'a superuser names a function of somebody''s');
ALTER ROLE attack_super NOSUPERUSER;
SELECT is(
    team.push('was super', 'was_super'),
    'synced failed merge function team.of_other belongs to a role of which whoever defined the type is not a member',
    'which is barred once there is no such superuser');
ALTER ROLE attack_super SUPERUSER;
SELECT is(
    team.push('was super', 'was_super', 1) || ' as ' || team.ran_as('was super', 'was_super'),
    'synced as attack_other',
    'and runs as its owner while there is');
ALTER ROLE attack_other SUPERUSER;
SELECT is(
    team.push('made super', 'was_super'),
    'synced failed merge function team.of_other belongs to a superuser',
    'but not once its owner is one');
ALTER ROLE attack_other NOSUPERUSER;

-- Tricks with names.
CREATE FUNCTION pg_temp.mine(jsonb, jsonb, timestamptz, timestamptz)
    RETURNS jsonb LANGUAGE sql AS 'SELECT jsonb_build_object(''as'', current_user)';
ALTER FUNCTION pg_temp.mine OWNER TO attack_other;
SELECT nspname AS temp FROM pg_namespace WHERE oid = pg_my_temp_schema() \gset
CREATE SCHEMA attack_evil;
GRANT ALL ON SCHEMA attack_evil TO PUBLIC;
CREATE FUNCTION attack_evil.of_admin(jsonb, jsonb, timestamptz, timestamptz)
    RETURNS jsonb LANGUAGE sql AS 'SELECT ''{"as": "evil"}''::jsonb';
SELECT is(left(team.define('attack_admin', 'n' || n, function), 5), '22023', 'a name like ' || function)
FROM (VALUES
    (1, 'of_super'),
    (2, '"team.of_super"'),
    (3, 'learnsync_attack.team.of_super'),
    (4, 'team.of_super; SELECT 1'),
    (5, 'team.'),
    (6, '.of_super')) v (n, function);
SELECT is(
    team.define('attack_admin', 'n1' || n, function),
    '42501 merge function ' || function || ' belongs to a superuser',
    'as well as ' || function)
FROM (VALUES (1, 'TEAM.OF_SUPER'), (2, '"team"."of_super"'), (3, ' team . of_super ')) v (n, function);
SELECT is(
    team.define('attack_admin', 'n2' || n, function),
    format('resource type "n2%s" is defined', n),
    'it is nothing yet: ' || function)
FROM (VALUES
    (1, 'pg_temp.mine'),
    (2, :'temp' || '.mine'),
    (3, 'pg_catalog.now'),
    (4, 'information_schema._pg_truetypid'),
    (5, 'learnsync_internal.forget_as_owner'),
    (6, '"TEAM".of_super'),
    (7, 'team.of_super(jsonb)'),
    (8, '$user.of_super')) v (n, function);
SELECT is(
    team.push('n2' || n, 'n2' || n),
    'synced failed there is no merge function ' || function || '(jsonb, jsonb, timestamptz, timestamptz)',
    'and nothing when it is called: ' || function)
FROM (VALUES (1, 'pg_temp.mine'), (2, :'temp' || '.mine'), (3, 'pg_catalog.now')) v (n, function);
SET search_path = attack_evil, public, pg_catalog;
SELECT team.push('path', 'mine') || ' as ' || team.ran_as('path', 'mine') AS got \gset
RESET search_path;
SELECT is(:'got'::text, 'synced synced as attack_admin', 'under a path that has another of the same name');

-- What a function may not do: a superuser retries what failed, as cron would, when it has become something else.
CREATE TABLE team.attempt (n int GENERATED ALWAYS AS IDENTITY, statement text);
GRANT SELECT ON team.attempt TO PUBLIC;
INSERT INTO team.attempt (statement) VALUES
    ('SET ROLE postgres'),
    ('SET LOCAL ROLE attack_super'),
    ('RESET ROLE'),
    ('SET ROLE NONE'),
    ('SELECT set_config(''role'', ''none'', false)'),
    ('SELECT set_config(''role'', ''learnsync_owner'', true)'),
    ('SET SESSION AUTHORIZATION DEFAULT'),
    ('RESET SESSION AUTHORIZATION'),
    ('SELECT set_config(''session_authorization'', ''postgres'', false)'),
    ('ALTER ROLE attack_admin SUPERUSER'),
    ('GRANT postgres TO attack_admin'),
    ('CREATE ROLE attack_new SUPERUSER'),
    ('COPY team.attempt TO PROGRAM ''cat'''),
    ('COPY team.attempt TO ''/tmp/attack'''),
    ('SELECT pg_read_file(''/etc/passwd'')'),
    ('SELECT secret FROM learnsync_data.instance'),
    ('SELECT data FROM learnsync_data.resource'),
    ('UPDATE learnsync_data.resource_type SET defined_by = ''postgres'''),
    ('SELECT learnsync_internal.forgotten_hash_as_owner(''ann'')'),
    ('SELECT learnsync.setup()'),
    ('SELECT learnsync.grant_access(''attack_admin'', ''admin'')'),
    ('SELECT learnsync.define_resource_type(''x'', ''{}'')'),
    ('CALL learnsync.maintain()'),
    ('CREATE TEMP TABLE kept (x int)'),
    ('LISTEN loot'),
    ('PREPARE kept AS SELECT 1'),
    ('DECLARE kept CURSOR WITH HOLD FOR SELECT 1'),
    ('DISCARD ALL'),
    ('COMMIT'),
    ('ROLLBACK'),
    ('SET learnsync.jwt_claim = ''email'''),
    ('SET session_replication_role = replica'),
    ('CREATE EXTENSION dblink'),
    ('CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION team.none()'),
    ('INSERT INTO team.loot VALUES (current_user)'),
    ('ALTER FUNCTION team.tries OWNER TO postgres');
SELECT team.make('tries', 'attack_admin', 'BEGIN RAISE EXCEPTION ''not yet''; END');
SELECT team.define('attack_admin', 'tries', 'team.tries');
CREATE FUNCTION team.try(learner text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd',
        'items', jsonb_agg(jsonb_build_object('id', n || '.' || i, 'operation', 'update', 'resourceType', 'tries',
            'clientTimestamp', '2026-01-08T10:00:0' || i || 'Z', 'data', jsonb_build_object('k', n::text, 'i', i))
        ORDER BY i)))::jsonb
    FROM team.attempt, generate_series(0, 1) i $$;
SELECT is(
    jsonb_array_length(team.try('cron') -> 'failedItems'),
    (SELECT count(*)::int FROM team.attempt),
    'functions that fail for now');
SET ROLE attack_admin;
CREATE OR REPLACE FUNCTION team.tries(jsonb, jsonb, timestamptz, timestamptz)
    RETURNS jsonb LANGUAGE plpgsql AS $$
    BEGIN EXECUTE (SELECT a.statement FROM team.attempt a WHERE a.n = ($1 ->> 'k')::int);
    RETURN '{"as": "done"}';
    END $$;
RESET ROLE;
UPDATE learnsync_data.failed SET failed_at = failed_at - interval '1 hour';
CALL learnsync.retry_failed();
CALL learnsync.maintain();
CREATE FUNCTION team.refused(who text, attempt team.attempt) RETURNS text LANGUAGE sql AS $$
    SELECT matches(
        COALESCE(f.message, 'it was done'),
        '^(permission denied|cannot |must be (owner|superuser|member|able to SET ROLE)|only roles with '
        '|invalid transaction termination|a merge function must not call learnsync'
        '|[a-z ]+ cannot be executed from a function|EXECUTE of transaction commands is not implemented'
        '|.*security-restricted|.*parameter "(role|session_authorization)")',
        who || ': ' || attempt.statement)
    FROM (VALUES (1)) one LEFT JOIN learnsync_data.failed f ON f.learner_id = who AND f.item_id = attempt.n || '.1' $$;
SELECT team.refused('cron', a) FROM team.attempt a;
SELECT is(
    (SELECT string_agg(DISTINCT retry_count::text, ' ') FROM learnsync_data.failed WHERE learner_id = 'cron'),
    '1',
    'a superuser''s retry called them');
SELECT team.try('pushed') IS NULL AS tried;
SELECT team.refused('pushed', a) FROM team.attempt a;
SET SESSION AUTHORIZATION attack_service;
SELECT learnsync.sync_push('served', jsonb_build_object('deviceId', 'd',
    'items', jsonb_agg(jsonb_build_object('id', n || '.' || i, 'operation', 'update', 'resourceType', 'tries',
        'clientTimestamp', '2026-01-08T10:00:0' || i || 'Z', 'data', jsonb_build_object('k', n::text, 'i', i))
    ORDER BY i))) IS NULL AS tried
FROM team.attempt, generate_series(0, 1) i;
RESET SESSION AUTHORIZATION;
SELECT team.refused('served', a) FROM team.attempt a;
SELECT is_empty('SELECT * FROM team.loot', 'nothing was taken');
SELECT is(
    (SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolsuper AND rolname LIKE 'attack%'),
    'attack_super',
    'nobody became a superuser');

-- maintain_step takes what is left to do from an administrator, who cannot make it do more than maintain() would.
SELECT learnsync.sync_push('kept', '{"deviceId": "d", "items": [
    {"id": "1", "operation": "update", "resourceType": "mastery", "resourceId": "m", "data": {},
        "clientTimestamp": "2026-01-08T10:00:00Z"},
    {"id": "2", "operation": "delete", "resourceType": "mastery", "resourceId": "m",
        "clientTimestamp": "2026-01-08T11:00:00Z"},
    {"id": "3"}]}') IS NULL AS pushed;
CREATE FUNCTION team.everything()
    RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', (SELECT count(*) FROM learnsync_data.ledger),
        (SELECT count(*) FROM learnsync_data.resource), (SELECT count(*) FROM learnsync_data.failed),
        (SELECT count(*) FROM learnsync_data.push), (SELECT payloads_from FROM learnsync_data.instance)) $$;
SELECT team.everything() AS before \gset
SELECT is(
    left(
        team.ask('attack_admin', format('SELECT learnsync_internal.maintain_step(30, %L)',
            jsonb_build_object('tasks', jsonb_build_array(jsonb_build_array(task, 0, 'infinity')), 'items', 0,
                'swept', false))),
        5),
    expected,
    'work that an admin made up: ' || task)
FROM (VALUES
    ('ledger', '22023'),
    ('resource', '{"ite'),
    ('failed', '{"ite'),
    ('conflict', '{"ite'),
    ('learner', '{"ite'),
    ('push', '22023'),
    ('push_0', '{"ite'),
    ('push_8', '22023'),
    ('profile', '22023'),
    ('instance', '22023'),
    ('resource_type', '22023'),
    ('push_0 p WHERE true --', '22023')) v (task, expected);
SELECT is(
    left(
        team.ask('attack_admin', format('SELECT learnsync_internal.maintain_step(30, %L)',
            jsonb_build_object('tasks', jsonb_build_array(jsonb_build_array('empty', slot, 'infinity')),
                'items', 0))),
        5),
    '{"ite',
    'to empty slot ' || slot)
FROM generate_series(0, 7) slot;
SELECT is(
    team.ask('attack_admin', $$SELECT learnsync_internal.maintain_step(30, '{"tasks": [], "items": 5,
                                   "payloadsFrom": "infinity", "swept": true}') $$),
    NULL,
    'and to have removed all payloads');
SELECT is(team.everything(), :'before'::text, 'removes nothing that is kept');

-- The instance holds the secret of erasure: no grant opens it.
GRANT USAGE ON SCHEMA learnsync_data TO attack_reporter;
GRANT SELECT ON ALL TABLES IN SCHEMA learnsync_data TO attack_reporter;
SELECT is(
    team.ask('attack_reporter', 'SELECT count(*) FROM learnsync_data.instance'),
    '0',
    'who may read all tables of the schema reads no instance');
REVOKE ALL ON ALL TABLES IN SCHEMA learnsync_data FROM attack_reporter;
GRANT pg_read_all_data TO attack_reporter;
SELECT is(
    team.ask('attack_reporter', 'SELECT string_agg(secret::text, '''') FROM learnsync_data.instance'),
    NULL,
    'nor who may read all data');
SELECT is(left(team.ask(role, 'SELECT secret FROM learnsync_data.instance'), 5), '42501', 'nor ' || role)
FROM unnest('{attack_admin,attack_service}'::text[]) role;

-- Triggers run as the tables' owner, under no path of the caller's, and do not get further: not when a superuser
-- pushes, nor when it commits.
GRANT USAGE ON SCHEMA team TO learnsync_owner;
CREATE TABLE team.seen (learner_id text, by text);
GRANT INSERT ON team.seen TO learnsync_owner;
CREATE TABLE attack_evil.heard (by text);
GRANT ALL ON attack_evil.heard TO PUBLIC;
CREATE FUNCTION attack_evil.lower(text)
    RETURNS text LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO attack_evil.heard VALUES (current_user); RETURN 'evil'; END $$;
CREATE FUNCTION attack_evil.same(text, text)
    RETURNS boolean LANGUAGE sql AS $$ INSERT INTO attack_evil.heard VALUES (current_user); SELECT true $$;
CREATE OPERATOR attack_evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = attack_evil.same);
CREATE FUNCTION team.trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF lower(NEW.resource_id) = 'refused' THEN
        RAISE EXCEPTION 'refused by the team';
    END IF;
    EXECUTE COALESCE(NEW.data ->> 'execute', 'SELECT 1');
    INSERT INTO team.seen VALUES (NEW.learner_id, current_user);
    RETURN NULL;
END $$;
CREATE FUNCTION team.master(learner text, VARIADIC ids text[]) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ',
        (SELECT pg_catalog.string_agg(r ->> 'status', ' ') FROM pg_catalog.jsonb_array_elements(a -> 'results') r),
        a #>> '{failedItems,0,error}')
    FROM CAST(learnsync.sync_push(learner, pg_catalog.jsonb_build_object('deviceId', 'd',
        'items', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', id, 'operation', 'update',
                      'resourceType', 'mastery', 'resourceId', id, 'clientTimestamp', '2026-01-08T10:00:00Z',
                      'data', CASE WHEN id ~ ' ' THEN pg_catalog.jsonb_build_object('execute', id)
                          ELSE '{}'::pg_catalog.jsonb END))
                  FROM pg_catalog.unnest(ids) id))) AS jsonb) a $$;
CREATE TRIGGER team AFTER INSERT OR UPDATE ON learnsync_data.resource FOR EACH ROW EXECUTE FUNCTION team.trigger();
SET SESSION AUTHORIZATION attack_service;
SET search_path = attack_evil, public, pg_catalog;
SELECT team.master('path', 'a', 'refused', 'b') AS got \gset
RESET search_path;
RESET SESSION AUTHORIZATION;
SELECT is(
    :'got'::text,
    'synced failed synced refused by the team',
    'a trigger that names things without their schema means the server''s');
SELECT is_empty(
    'SELECT * FROM attack_evil.heard WHERE by <> ''attack_service''',
    'and nothing that the caller put in its way');
SELECT is(
    team.master('super', id),
    'failed cannot set parameter "' || parameter || '" within security-definer function',
    'a trigger gets back to nobody: ' || id)
FROM (VALUES
    ('RESET ROLE', 'role'),
    ('SET ROLE NONE', 'role'),
    ('SET SESSION AUTHORIZATION DEFAULT', 'session_authorization'),
    ('SET LOCAL ROLE postgres', 'role')) v (id, parameter);
DROP TRIGGER team ON learnsync_data.resource;
CREATE CONSTRAINT TRIGGER "a team's" AFTER INSERT
    OR UPDATE ON learnsync_data.resource DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION team.trigger();
TRUNCATE team.seen;
SELECT is(
    team.master('late', 'a', 'refused', 'b'),
    'synced failed synced refused by the team',
    'one that is deferred refuses the culprit only');
SET SESSION AUTHORIZATION attack_service;
SELECT is(team.master('later', 'a'), 'synced', 'and takes what is good, for a caller without rights to its tables');
RESET SESSION AUTHORIZATION;
SELECT is(
    (SELECT string_agg(learner_id || ' ' || by, ', ') FROM team.seen),
    'late learnsync_owner, late learnsync_owner, later learnsync_owner',
    'as the tables'' owner, too');
DROP TRIGGER "a team's" ON learnsync_data.resource;

-- setup() is a superuser's, and what the tables' owner put there runs in it.
CREATE FUNCTION team.climb()
    RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RESET ROLE; ALTER ROLE attack_other SUPERUSER; RETURN NEW; END $$;
CREATE FUNCTION team.climb_late()
    RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ALTER ROLE attack_other SUPERUSER; RETURN NULL; END $$;
CREATE TRIGGER climb BEFORE UPDATE ON learnsync_data.instance FOR EACH ROW EXECUTE FUNCTION team.climb();
SELECT throws_ok('SELECT learnsync.setup()', '42501', NULL, 'a trigger that resets the role ends setup()');
DROP TRIGGER climb ON learnsync_data.instance;
CREATE CONSTRAINT TRIGGER climb AFTER UPDATE ON learnsync_data.instance DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION team.climb_late();
SELECT throws_ok('SELECT learnsync.setup()', '42501', NULL, 'as does one that waits for the superuser to commit');
DROP TRIGGER climb ON learnsync_data.instance;
SELECT is((SELECT rolsuper FROM pg_roles WHERE rolname = 'attack_other'), false, 'nobody was raised');
SELECT is(learnsync.setup(), 'tables of learnsync_owner are up to date', 'without them it works');

-- Settings: a session that has not loaded the library yet takes what anybody says, and drops it when it has.
SELECT learnsync.grant_access('attack_login', 'service');
\set claims '''{"sub": "ann", "email": "bob"}'''
\set ask 'SELECT set_config(''request.jwt.claims'', ' :claims ', false); SELECT learnsync.current_learner()'
\setenv ASK :ask
\set as 'psql -qXAt -U attack_login -d learnsync_attack'
\set first `:as -c "SET learnsync.jwt_claim = 'email'" -c "$ASK" 2>/dev/null | tail -1`
\set option `PGOPTIONS="-c learnsync.jwt_claim=email" :as -c "$ASK" 2>/dev/null | tail -1`
\set altered `:as -c "ALTER ROLE attack_login SET learnsync.jwt_claim = 'email'" 2>&1 | tail -1`
SELECT is(:'first'::text, 'ann', 'a setting of a superuser''s that was set before the library was there');
SELECT is(:'option'::text, 'ann', 'or with the connection');
SELECT matches(:'altered'::text, 'permission denied', 'or for the role');
SELECT set_eq(
    $$ SELECT name FROM pg_settings WHERE name LIKE 'learnsync.%' AND context <> 'superuser' $$,
    ARRAY['learnsync.learner_id'],
    'one setting is everybody''s: who a trusted backend is asking for');

SELECT * FROM finish();
\connect :home
SET client_min_messages = error;
DROP DATABASE learnsync_attack WITH (FORCE);
DROP ROLE attack_admin, attack_lib, attack_other, attack_super, attack_service, attack_reporter, attack_login;
