-- What can be called stands in learnsync and learnsync_api, described, and nothing else does.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.called() RETURNS SETOF pg_proc LANGUAGE sql AS $$
    SELECT * FROM pg_proc
    WHERE pronamespace IN ('learnsync'::regnamespace, 'learnsync_api'::regnamespace) $$;
SELECT is_empty(
    'SELECT oid::regprocedure FROM pg_temp.called() WHERE COALESCE(obj_description(oid, ''pg_proc''), '''') = ''''',
    'every function of learnsync and learnsync_api is described');
SELECT set_eq(
    $$ SELECT oid FROM pg_temp.called() WHERE oid NOT IN (SELECT routine::regprocedure
                                                         FROM learnsync_internal.access_list()) $$,
    $$ SELECT unnest('{learnsync.setup,learnsync.grant_access,learnsync.revoke_access,
           learnsync.shard_seed,learnsync.router_sql}'::regproc[])::oid $$,
    'and is granted to somebody, but for those of the superuser');
SELECT is_empty(
    $$ SELECT p.oid::regprocedure FROM pg_temp.called() p
       WHERE EXISTS (SELECT FROM pg_type t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend))
           OR EXISTS (SELECT FROM pg_aggregate a
                      WHERE p.oid IN (a.aggtransfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggfinalfn))
           OR EXISTS (SELECT FROM pg_operator o WHERE o.oprcode = p.oid)
           OR EXISTS (SELECT FROM pg_amproc m WHERE m.amproc = p.oid)
           OR EXISTS (SELECT FROM pg_cast c WHERE c.castfunc = p.oid)
           OR p.proname LIKE '%\_as\_owner' OR obj_description(p.oid, 'pg_proc') ~* 'internal|part of setup' $$,
    'none is a part of a type, a cast, an operator or an aggregate, or runs as the owner of the tables');
SELECT set_eq(
    $$ SELECT typname FROM pg_type t WHERE typnamespace = 'learnsync'::regnamespace AND typcategory <> 'A'
           AND NOT EXISTS (SELECT FROM pg_class v WHERE v.oid = t.typrelid AND v.relkind = 'v') $$,
    $$ VALUES ('merge_rule'::name), ('progress') $$,
    'learnsync has no types but those that one may use');
SELECT ok(obj_description(oid, 'pg_namespace') <> '', nspname || ' is described')
FROM pg_namespace WHERE nspname IN ('learnsync', 'learnsync_api', 'learnsync_internal') ORDER BY nspname;

-- Labels, by the rule that CONTRIBUTING.md tells. What is called is found in the text of functions, but not in strings.
CREATE TEMP TABLE labelled AS
SELECT f.oid, f.pronamespace::regnamespace AS schema, f.proname, f.provolatile, f.proparallel, f.proisstrict,
    strpos('isv', f.provolatile::text) AS changes, f.prorettype = 'trigger'::regtype AS fires,
    f.prosrc AS body,
    CASE WHEN l.lanname NOT IN ('c', 'internal')
        THEN regexp_replace(regexp_replace(COALESCE(pg_get_function_sqlbody(f.oid), f.prosrc),
            '\$(sql|wrapper|body)\$.*?\$\1\$', '', 'g'), '''[^'']*''|--[^\n]*', '', 'g')
        ELSE '' END AS code
FROM pg_proc f JOIN pg_language l ON l.oid = f.prolang WHERE f.pronamespace::regnamespace::text LIKE 'learnsync%';
CREATE FUNCTION pg_temp.writes(code text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$
    SELECT code ~ '\y(INSERT INTO|UPDATE [a-z_.%I]+|DELETE FROM|TRUNCATE|LOCK TABLE|FOR (NO KEY )?UPDATE'
        '|FOR (KEY )?SHARE|CREATE|ALTER|DROP|GRANT|REVOKE|COMMIT|SET TRANSACTION|set_config)\y' $$;
SELECT is_empty(
    $$ SELECT oid::regprocedure FROM labelled WHERE (provolatile = 'i') <> (proparallel = 's') $$,
    'what answers from its arguments alone is IMMUTABLE and PARALLEL SAFE, what does not is neither');
SELECT is_empty(
    $$ SELECT l.oid::regprocedure, c.call FROM labelled l,
           LATERAL (SELECT x[1] AS call
                    FROM regexp_matches(l.code, '(?<![.\w])(?:pg_catalog\.)?([a-z_0-9]+)\(', 'g') x) c,
           LATERAL (SELECT min(strpos('isv', p.provolatile::text)) AS changes FROM pg_proc p
                    WHERE p.proname = c.call AND p.pronamespace = 'pg_catalog'::regnamespace) p
       WHERE p.changes > l.changes
           AND NOT (c.call IN ('clock_timestamp', 'pg_relation_size') AND l.provolatile = 's') $$,
    'none calls one of the server that may change more than it says of itself, but for the clock and a table''s size');
SELECT is_empty(
    $$ SELECT oid::regprocedure FROM labelled WHERE provolatile <> 'v'
           AND (pg_temp.writes(code) OR code ~ '\yEXECUTE\y' AND pg_temp.writes(body) AND proname <> 'shard_seed') $$,
    'what writes or locks is VOLATILE, and not only prints statements that do, as shard_seed() does');
SELECT is_empty(
    $$ SELECT l.oid::regprocedure FROM labelled l
       WHERE l.provolatile = 'v' AND l.code <> '' AND NOT l.fires
           AND NOT pg_temp.writes(l.code) AND l.code !~ '\yEXECUTE\y'
           AND NOT EXISTS (SELECT FROM labelled b
                           WHERE b.provolatile = 'v' AND l.code ~ (b.schema || '\.' || b.proname || '\(')) $$,
    'what only reads is not');
SELECT is_empty(
    $$ SELECT a.oid::regprocedure FROM labelled a JOIN labelled b ON b.proname = a.proname || '_as_owner'
       WHERE a.provolatile <> b.provolatile $$,
    'a function has the label of what it has done as the owner of the tables');
SELECT set_eq(
    $$ SELECT oid FROM labelled WHERE proparallel = 'r' $$,
    $$ SELECT l.oid FROM labelled l JOIN pg_depend d ON d.refobjid = l.oid AND d.refclassid = 'pg_proc'::regclass
       WHERE l.provolatile <> 'i' AND d.classid IN ('pg_policy'::regclass, 'pg_rewrite'::regclass) $$,
    'PARALLEL RESTRICTED is what policies and views call of what is not IMMUTABLE');
SELECT is_empty(
    $$ SELECT oid::regprocedure FROM labelled
       WHERE schema IN ('learnsync'::regnamespace, 'learnsync_api'::regnamespace)
           AND proisstrict AND provolatile <> 'i' $$,
    'what is called for what it does, or for what is stored, is not STRICT: it says what it thinks of NULL');
SELECT throws_ok('SELECT learnsync.define_resource_type(NULL, ''{}'')', '22023', NULL, 'a type needs a name');
SELECT throws_ok('SELECT learnsync.define_resource_type(''strict'', NULL)', '22023', NULL, 'a type needs a rule');
SELECT throws_ok('SELECT learnsync.drop_resource_type(NULL)', '42704', NULL, 'there is no type NULL');
SELECT is_empty(
    $$ SELECT a.proname FROM pg_proc a JOIN pg_proc b USING (proname)
       WHERE a.pronamespace = 'learnsync'::regnamespace AND b.pronamespace = 'learnsync_api'::regnamespace
           AND (a.provolatile, a.proparallel, a.proisstrict, a.prorettype, a.proretset)
               <> (b.provolatile, b.proparallel, b.proisstrict, b.prorettype, b.proretset) $$,
    'a function has the same labels and the same result for backends and for apps');
SELECT is_empty(
    $$ SELECT a.oid::regprocedure, b.oid::regprocedure
       FROM labelled a JOIN labelled b ON a.code ~ (b.schema || '\.' || b.proname || '\(')
       WHERE a.changes < b.changes $$,
    'none calls another that may change more than it says of itself');

-- Administrators only, whose procedures call their steps by name, get into learnsync_internal, and there to those steps
-- and to what they call by a type, a cast or an operator.
CREATE ROLE test_learner;
CREATE ROLE test_service;
CREATE ROLE test_admin;
CREATE ROLE test_nobody;
SELECT learnsync.grant_access('test_' || kind, kind) FROM unnest('{learner,service,admin}'::text[]) kind;
SELECT is(
    has_schema_privilege('test_' || kind, 'learnsync_internal', 'USAGE'),
    kind = 'admin',
    'who gets into learnsync_internal: ' || kind)
FROM unnest('{learner,service,admin,nobody}'::text[]) kind;
SELECT is(has_schema_privilege('learnsync_owner', 'learnsync_internal', 'USAGE'), true, 'the owner does, too');
SELECT bag_eq(
    $$ SELECT p.proname FROM pg_proc p
       WHERE p.pronamespace = 'learnsync_internal'::regnamespace
           AND has_function_privilege('test_admin', p.oid, 'EXECUTE')
           AND NOT EXISTS (SELECT FROM pg_type t WHERE p.oid = t.typsend)
           AND NOT EXISTS (SELECT FROM pg_operator o WHERE o.oprcode = p.oid)
           AND NOT EXISTS (SELECT FROM pg_cast c WHERE c.castfunc = p.oid) $$,
    $$ VALUES ('maintain_step'::name), ('progress_rebuild_next'), ('next_to_retry'), ('retry_learner'), ('retry'),
           ('postpone_retry'), ('shard_enter'), ('shard_rows'), ('shard_change_begin'),
           ('shard_change_end'), ('shard_change_run'), ('next_to_rebase'), ('rebase_learner'),
           ('end_rebase'), ('rebase_list'), ('alert_list'), ('app_day_list'),
           ('verify_piece'), ('verify_some'), ('tell') $$,
    'an administrator has the steps of the procedures there, and nothing else by name');
CREATE FUNCTION pg_temp.ask(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    EXECUTE 'SET LOCAL ROLE ' || quote_ident(role);
    EXECUTE statement INTO answer;
    SET LOCAL ROLE NONE;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT is(pg_temp.ask('test_service', statement), answer, 'a service: ' || statement)
FROM (VALUES
    ('SELECT ''{"key": ["a"]}''::jsonb::learnsync.merge_rule::jsonb ->> ''policy'' IS NULL', 'true'),
    ('SELECT (p OPERATOR(learnsync.||) p) OPERATOR(learnsync.=) p::bytea::learnsync.progress AND p::jsonb ? ''streak'' '
     'FROM (SELECT learnsync.progress_agg(''e'', now(), ''progress.reset'', ''{}'') AS p) x', 'true'),
    ('SELECT learnsync_internal.progress_to_jsonb(NULL)', '42501'),
    ('SELECT NULL::learnsync_internal.ledger_row', '42501')) v (statement, answer);

SELECT * FROM finish();
ROLLBACK;
