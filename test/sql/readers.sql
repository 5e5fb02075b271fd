-- Every record has its readers: which role reads which table, and through what.
BEGIN;
SELECT no_plan();

CREATE ROLE test_reader_learner;
CREATE ROLE test_reader_service;
CREATE ROLE test_reader_admin;
CREATE ROLE test_reader_report;
SELECT learnsync.grant_access('test_reader_' || kind, kind) FROM unnest('{learner,service,admin,report}'::text[]) kind;

-- The view by which learners read their own rows, what services and administrators call for those of anybody, and the
-- view in which reports have them. NULL where a kind has no need of it, or must not have it.
CREATE TEMP TABLE reader (record name PRIMARY KEY, learner text, service text, admin text, report text);
INSERT INTO reader VALUES
    ('resource', 'learnsync_api.lesson_progress', 'learnsync.sync_pull(text,jsonb)', 'learnsync.sync_pull(text,jsonb)',
        'learnsync_report.lesson_progress'),
    ('member', 'learnsync_api.message', 'learnsync.sync_pull(text,jsonb)', 'learnsync.sync_pull(text,jsonb)',
        'learnsync_report.message'),
    ('xapi_statement', 'learnsync_api.xapi_statement', 'learnsync.xapi_export(text,timestamptz)',
        'learnsync.xapi_export(text,timestamptz)', 'learnsync_report.xapi_statement'),
    ('push', 'learnsync_api.item', NULL, NULL, 'learnsync_report.item'),
    ('conflict', 'learnsync_api.conflict', 'learnsync.sync_status(text,text,text,int)',
        'learnsync.sync_status(text,text,text,int)', 'learnsync_report.conflict'),
    ('failed', 'learnsync_api.failed', 'learnsync.failed_items(text,timestamptz)',
        'learnsync.failed_items(text,timestamptz)', 'learnsync_report.failed'),
    ('device', 'learnsync_api.device', 'learnsync.sync_devices(text)', 'learnsync.unseen_devices(int,int)',
        'learnsync_report.device'),
    ('profile', 'learnsync_api.profile', NULL, NULL, 'learnsync_report.profile'),
    ('content', 'learnsync_api.content', NULL, NULL, 'learnsync_report.content'),
    ('placement', 'learnsync_api.content', NULL, NULL, 'learnsync_report.content'),
    ('replacement', 'learnsync_api.content', NULL, NULL, 'learnsync_report.content'),
    ('interaction', NULL, NULL, NULL, NULL), -- its ids are checked where the catalog is
    ('event', 'learnsync_api.progress_get(text,int)', 'learnsync.progress_get(text,text,int)',
        'learnsync.progress_get(text,text,int)', NULL),
    ('progress', 'learnsync_api.progress_get(text,int)', 'learnsync.progress_get(text,text,int)',
        'learnsync.progress_verify()', NULL),
    ('progress_content', 'learnsync_api.learner_stats', 'learnsync.progress_get(text,text,int)',
        'learnsync.progress_verify()', 'learnsync_report.learner_stats'),
    ('progress_interaction', 'learnsync_api.progress_get(text,int)', 'learnsync.progress_get(text,text,int)',
        'learnsync.progress_verify()', NULL),
    ('resource_type', NULL, NULL, 'learnsync.rebases()', NULL),
    ('rebased', NULL, NULL, 'learnsync.rebases()', NULL),
    ('learner', NULL, 'learnsync.sync_status(text,text,text,int)', 'learnsync.sync_status(text,text,text,int)',
        'learnsync_report.learner_stats'),
    ('instant', NULL, NULL, NULL, NULL), -- digests and times, for the next copy of what was aborted
    ('ledger', NULL, NULL, NULL, NULL), -- digests, which answer a retry and nothing else
    ('audit', NULL, 'learnsync_api.audit', 'learnsync_api.audit', NULL),
    ('anomaly', NULL, NULL, 'learnsync.anomaly', NULL),
    ('verify_round', NULL, NULL, 'learnsync.verify_round', NULL),
    ('outbox', NULL, 'learnsync.outboxes()', 'learnsync.outboxes()', NULL),
    ('outbox_mark', NULL, 'learnsync.outbox_take(text,int,int)', 'learnsync.outboxes()', NULL),
    ('outbox_dead', NULL, 'learnsync.outbox_dead(text)', 'learnsync.outbox_dead(text)', NULL),
    ('forgotten', NULL, NULL, NULL, NULL), -- of erased learners
    ('day_count', NULL, NULL, 'learnsync_api.metrics()', NULL),
    ('day_client', NULL, NULL, 'learnsync.app_days(date)', NULL),
    ('part', NULL, NULL, 'learnsync.shard_parts()', NULL),
    ('shard_change', NULL, NULL, 'learnsync.shard_state()', NULL),
    ('instance', NULL, NULL, NULL, NULL); -- holds the secret that erasure stands on

SELECT set_eq(
    $$ SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'learnsync_data'::regnamespace
           AND c.relkind IN ('r', 'p') AND NOT c.relispartition $$,
    'SELECT record FROM reader',
    'it is known of every table who reads it');
CREATE FUNCTION pg_temp.can_use(role text, reader text) RETURNS boolean LANGUAGE sql AS $$
    SELECT CASE WHEN reader LIKE '%(%'
        THEN has_schema_privilege(role, split_part(reader, '.', 1), 'USAGE')
            AND has_function_privilege(role, reader, 'EXECUTE')
        ELSE has_schema_privilege(role, split_part(reader, '.', 1), 'USAGE')
            AND has_table_privilege(role, reader, 'SELECT') END $$;
SELECT ok(pg_temp.can_use('test_reader_' || k.kind, k.reader), format('%s: %s by %s', k.kind, r.record, k.reader))
FROM reader r
    CROSS JOIN LATERAL (VALUES ('learner', r.learner), ('service', r.service), ('admin', r.admin), ('report', r.report))
        k (kind, reader)
WHERE k.reader IS NOT NULL;
SELECT is(
    (SELECT string_agg(DISTINCT concat_ws(' ', k.reader, r.record), ', ')
     FROM reader r CROSS JOIN LATERAL unnest(ARRAY[r.learner, r.service, r.admin, r.report]) k (reader)
     WHERE k.reader NOT LIKE '%(%' AND NOT EXISTS (
         WITH RECURSIVE below (relation) AS (
             SELECT k.reader::regclass::oid
             UNION
             SELECT d.refobjid FROM below b JOIN pg_rewrite w ON w.ev_class = b.relation
             JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
                 AND d.refclassid = 'pg_class'::regclass)
         SELECT FROM below WHERE relation = ('learnsync_data.' || r.record)::regclass)),
    NULL,
    'each view reads the table that it is named for');
SELECT is(
    (SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class c
     WHERE c.relnamespace = 'learnsync_data'::regnamespace
         AND has_any_column_privilege('test_reader_' || k.kind, c.oid, 'SELECT')),
    k.seen,
    'tables below its views that ' || k.kind || ' may read')
FROM (VALUES
    ('learner', 'conflict, content, device, failed, learner, member, placement, profile, progress_content, push, '
        'replacement, resource, xapi_statement'),
    ('report', 'conflict, content, device, failed, learner, member, placement, profile, progress_content, push, '
        'replacement, resource, xapi_statement'),
    ('service', 'audit'), ('admin', 'anomaly, audit, verify_round')) k (kind, seen);
SELECT is(
    (SELECT string_agg(a.attname, ', ') FROM pg_attribute a
     WHERE a.attrelid = 'learnsync_data.learner'::regclass AND a.attnum > 0
         AND has_column_privilege('test_reader_' || kind, 'learnsync_data.learner', a.attname, 'SELECT')),
    'learner_id, days',
    'of the row of counters a ' || kind || ' reads what the views show')
FROM unnest('{learner,report}'::text[]) kind;
SELECT is_empty(
    $$ SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'learnsync_data'::regnamespace
           AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT c.relrowsecurity
           AND c.relname <> 'resource_type' $$,
    'row security is on for every table but that of rules, which setup() hides no row of');

-- Whose rows they are.
SELECT learnsync.sync_push(who, jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(
    jsonb_build_object('id', 'good', 'operation', 'update', 'resourceType', 'mastery', 'resourceId', 'r',
        'data', '{}'::jsonb, 'clientTimestamp', '2026-01-08T10:00:00Z'),
    jsonb_build_object('id', 'bad', 'operation', 'update', 'resourceType', 'mastery'),
    jsonb_build_object('id', 'early', 'operation', 'update', 'resourceType', 'unheard_of'))))::jsonb
FROM unnest('{reader-ann,reader-bob}'::text[]) who;
UPDATE learnsync_data.failed SET failed_at = failed_at - interval '1 day' WHERE learner_id = 'reader-bob';
SET LOCAL learnsync.learner_id = 'reader-ann';
SET LOCAL ROLE test_reader_learner;
SELECT is(
    (SELECT string_agg(concat_ws(' ', learner_id, item_id, code, waiting, waits_for, item ->> 'id'), ', '
        ORDER BY item_id)
     FROM learnsync_api.failed),
    'reader-ann bad invalid f bad, reader-ann early unknown_type t unheard_of early',
    'a learner reads what failed of their own, and why');
SELECT is(
    (SELECT string_agg(concat_ws(' ', learner_id, device_id, item ->> 'id'), ', ') FROM learnsync_api.item),
    'reader-ann d good',
    'and what was accepted, as it was sent');
SELECT throws_ok('SELECT count(*) FROM learnsync.failed_items()', '42501', NULL, 'a learner reads nobody else''s');
SET LOCAL ROLE test_reader_service;
CREATE FUNCTION pg_temp.shown(code text, since timestamptz) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', f.learner_id, f.item_id, f.code, f.waits_for), ', ')
    FROM learnsync.failed_items(code, since) f WHERE f.learner_id LIKE 'reader-%' $$;
SELECT is(
    pg_temp.shown(NULL, NULL) ~ 'reader-ann .*reader-ann .*reader-bob .*reader-bob .*',
    true,
    'a service reads those of all learners, newest first');
SELECT is(
    pg_temp.shown('unknown_type', NULL),
    'reader-ann early unknown_type unheard_of, reader-bob early unknown_type unheard_of',
    'those of one code');
SELECT is(pg_temp.shown('invalid', now() - interval '1 hour'), 'reader-ann bad invalid', 'or since a time');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
