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
           learnsync.shard_seed}'::regproc[])::oid $$,
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

-- Labels.
SELECT is_empty(
    $$ SELECT oid::regprocedure FROM pg_proc
       WHERE pronamespace::regnamespace::text LIKE 'learnsync%' AND (provolatile = 'i') <> (proparallel = 's') $$,
    'what touches no table is IMMUTABLE and PARALLEL SAFE, what does is neither');
SELECT is_empty(
    $$ SELECT a.proname FROM pg_proc a JOIN pg_proc b USING (proname)
       WHERE a.pronamespace = 'learnsync'::regnamespace AND b.pronamespace = 'learnsync_api'::regnamespace
           AND (a.provolatile, a.proparallel, a.proisstrict, a.prorettype, a.proretset)
               <> (b.provolatile, b.proparallel, b.proisstrict, b.prorettype, b.proretset) $$,
    'a function has the same labels and the same result for backends and for apps');
SELECT is_empty(
    $$ WITH ours AS (
           SELECT oid, provolatile, pronamespace::regnamespace || '\.' || proname || '\(' AS call,
               CASE WHEN prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')
                   THEN regexp_replace(prosrc, '''[^'']*''', '', 'g') ELSE '' END AS body
           FROM pg_proc WHERE pronamespace::regnamespace::text LIKE 'learnsync%')
       SELECT a.oid::regprocedure, b.oid::regprocedure FROM ours a JOIN ours b ON a.body ~ b.call
       WHERE strpos('isv', a.provolatile::text) < strpos('isv', b.provolatile::text) $$,
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
           ('postpone_retry'), ('next_to_rebase'), ('rebase_learner'), ('end_rebase'), ('rebase_list'),
           ('alert_list'), ('app_day_list'),
           ('verify_piece'), ('verify_some') $$,
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
