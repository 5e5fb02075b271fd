-- The audit: who decided and who changed what. It is only added to, and names no learner who was erased.
BEGIN;
SELECT no_plan();

CREATE ROLE test_audit_admin;
CREATE ROLE test_audit_service;
CREATE ROLE test_audit_learner;
SELECT learnsync.grant_access('test_audit_' || kind, kind) FROM unnest('{admin,service,learner}'::text[]) kind;
GRANT test_audit_admin, test_audit_service, test_audit_learner TO CURRENT_USER;

-- What the audit says of the newest things, in short, oldest first.
CREATE FUNCTION pg_temp.newest(n int DEFAULT 1) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', action, nullif(learner_id, ''), role, 'by ' || by, reason, resource_type,
        resource_id, details), '; ' ORDER BY at, learner_id DESC)
    FROM (SELECT * FROM learnsync_data.audit ORDER BY at DESC LIMIT n) a $$;
CREATE FUNCTION pg_temp.attempt(learner text, n int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(
        jsonb_build_object('id', n::text, 'operation', 'update', 'resourceType', 'quiz_attempt', 'clientTimestamp',
            '2026-01-08T10:00:00Z', 'data', jsonb_build_object('quizId', 'q', 'attemptNumber', 1, 'score', n)))))::jsonb
    $$;
-- Runs a query that answers one value as another role; in short what came of it.
CREATE FUNCTION pg_temp.run_as(kind text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
    PERFORM set_config('role', 'test_audit_' || kind, true);
    EXECUTE query INTO answer;
    RESET ROLE;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN RETURN concat_ws(' ', SQLSTATE, SQLERRM);
END $$;
-- The conflict of a learner about the attempt of that score, as a decision of this kind.
CREATE FUNCTION pg_temp.decision(learner text, score int, how text, more jsonb DEFAULT '{}') RETURNS text
    LANGUAGE sql AS $$
    SELECT quote_literal(jsonb_build_object('conflictId', conflict_id, 'resolution', how) || more)
    FROM learnsync_data.conflict WHERE learner_id = learner AND client_data ->> 'score' = score::text $$;
CREATE FUNCTION pg_temp.without_ids(said text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(said, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'ID', 'g'),
        '\d{4}-\d\d-\d\d', 'TODAY', 'g') $$;

-- A backend says who decides; an app's call is decided by whoever is signed in, whatever it says.
SELECT pg_temp.attempt('ann', n) FROM generate_series(1, 4) n;
SELECT is(
    pg_temp.run_as('service', format('SELECT learnsync.sync_resolve(''ann'', %s) ->> ''message''',
        pg_temp.decision('ann', 2, 'use_server', '{"by": "ms.k", "reason": "the first counts"}'))),
    'Conflict resolved successfully',
    'a service decides');
SELECT is(
    pg_temp.without_ids(pg_temp.newest()),
    'resolve ann test_audit_service by ms.k the first counts quiz_attempt ["q",1] {"conflictId": "ID", '
        || '"resolution": "use_server"}',
    'the audit says who, for whom and why');
SET LOCAL learnsync.learner_id = 'ann';
SELECT is(
    pg_temp.run_as('learner', format('SELECT learnsync_api.sync_resolve(%s) ->> ''ignored''',
        pg_temp.decision('ann', 3, 'use_client', '{"by": "ms.k"}'))),
    '["by"]',
    'a learner decides as nobody else');
SELECT is(
    pg_temp.without_ids(pg_temp.newest()),
    'resolve ann test_audit_learner by ann quiz_attempt ["q",1] {"conflictId": "ID", "resolution": "use_client"}',
    'that is who was signed in');
SELECT is(
    (SELECT string_agg(concat_ws(' ', closed_by, decided_by, reason), '; ' ORDER BY client_data ->> 'score')
     FROM learnsync_api.conflict WHERE NOT is_open AND learner_id = 'ann'),
    'use_server ms.k the first counts; use_client ann',
    'the learner sees who decided, and why');

-- Who acts for a profile is who is signed in.
SELECT pg_temp.run_as('service', 'SELECT learnsync.add_profile(''kid'', ''ann'')');
SELECT pg_temp.attempt('kid', n) FROM generate_series(1, 2) n;
SELECT pg_temp.run_as('learner', format('SELECT learnsync_api.sync_resolve(%s)',
    pg_temp.decision('kid', 2, 'use_server', '{"learnerId": "kid"}')));
SELECT is(left(pg_temp.newest(), 44), 'resolve kid test_audit_learner by ann quiz_a', 'a parent decides for a child');

SELECT is(
    pg_temp.run_as('service', format('SELECT learnsync.sync_resolve(''ann'', %s)',
        pg_temp.decision('ann', 4, 'use_server', bad))),
    wanted,
    'refused: ' || left(bad::text, 40))
FROM (VALUES ('{"by": ""}'::jsonb, '22023 by must be a string of 1 to 200 characters'),
    ('{"by": 7}', '22023 by must be a string of 1 to 200 characters'),
    (jsonb_build_object('by', repeat('x', 201)), '22023 by must be a string of 1 to 200 characters'),
    ('{"reason": ""}', '22023 reason must be a string of 1 to 2000 characters'),
    ('{"reason": ["x"]}', '22023 reason must be a string of 1 to 2000 characters'),
    (jsonb_build_object('reason', repeat('x', 2001)), '22023 reason must be a string of 1 to 2000 characters'))
    v (bad, wanted);

-- What else is noted: devices that are let in or turned away, rules, erasures and new lives, epochs.
CREATE TEMP TABLE deed (n int GENERATED ALWAYS AS IDENTITY, kind text, query text, noted text);
INSERT INTO deed (kind, query, noted) VALUES
    ('service', 'SELECT learnsync.sync_deactivate_device(''ann'', ''{"deviceId": "d", "wipe": true}'')',
        'deactivate_device ann test_audit_service {"wipe": true, "deviceId": "d"}'),
    ('service', 'SELECT learnsync.sync_activate_device(''ann'', ''{"deviceId": "d"}'')',
        'activate_device ann test_audit_service {"deviceId": "d"}'),
    ('learner', 'SELECT learnsync_api.sync_deactivate_device(''{"deviceId": "d"}'')',
        'deactivate_device ann test_audit_learner by ann {"deviceId": "d"}'),
    ('admin', 'SELECT learnsync.deactivate_device(''d'')',
        'deactivate_device ann test_audit_admin {"deviceId": "d"}; '
            || 'deactivate_device kid test_audit_admin {"deviceId": "d"}'),
    ('admin', 'SELECT learnsync.drop_devices(700)', 'drop_devices test_audit_admin {"days": 700, "count": 0}'),
    ('admin', 'SELECT learnsync.define_resource_type(''noted'', ''{"key": ["k"]}'')',
        'define_resource_type test_audit_admin noted {"rule": {"key": ["k"]}}'),
    ('admin', 'SELECT learnsync.define_resource_type(''noted'', ''{"key": ["k"], "delete": true}'')',
        'define_resource_type test_audit_admin noted {"rule": {"key": ["k"], "delete": true}, '
            || '"before": {"key": ["k"]}}'),
    ('admin', 'SELECT learnsync.define_resource_type(''noted'', ''{"key": ["k"]}'', rebase => true)',
        'define_resource_type test_audit_admin noted {"rule": {"key": ["k"]}, "before": {"key": ["k"], '
            || '"delete": true}, "rebase": true}'),
    ('admin', 'SELECT learnsync.define_resource_type(''noted'', ''{"key": ["k"], "delete": true}'')',
        'define_resource_type test_audit_admin noted {"rule": {"key": ["k"], "delete": true}, '
            || '"before": {"key": ["k"]}}'),
    ('admin', 'SELECT learnsync.register_content(''{"contents": [{"contentId": "c1"}, {"contentId": "c2"}]}'')',
        'register_content test_audit_admin {"ids": ["c1", "c2"], "added": 2, "changed": 0}'),
    ('admin', 'SELECT learnsync.register_content(''{"contents": [{"contentId": "c1"}, {"contentId": "c2", '
        '"retired": true}]}'')',
        'register_content test_audit_admin {"ids": ["c2"], "added": 0, "changed": 1}'),
    ('service', 'SELECT learnsync.sync_correct(''ann'', ''{"resourceType": "quiz_attempt", "resourceId": '
        '"[\"q\",1]", "data": {"quizId": "q", "attemptNumber": 1, "score": 5}, "by": "ms.k", "reason": "misread"}'')',
        'correct ann test_audit_service by ms.k misread quiz_attempt ["q",1] {"data": {"score": 5, "quizId": "q", '
            || '"attemptNumber": 1}, "correctionId": "ID"}'),
    ('service', 'SELECT learnsync.sync_uncorrect(''ann'', ''{"resourceType": "quiz_attempt", "resourceId": '
        '"[\"q\",1]", "by": "ms.k", "reason": "not so"}'')',
        'uncorrect ann test_audit_service by ms.k not so quiz_attempt ["q",1] {"correctionId": "ID"}'),
    ('admin', 'SELECT learnsync.drop_resource_type(''noted'')',
        'drop_resource_type test_audit_admin noted {"before": {"key": ["k"], "delete": true}}'),
    ('service', 'SELECT learnsync.add_profile(''toddler'', ''ann'')',
        'add_profile toddler test_audit_service {"as": "profile"}; add_profile ann test_audit_service {"as": "owner"}'),
    ('service', 'SELECT learnsync.remove_profile(''toddler'')', 'remove_profile toddler test_audit_service '
        '{"as": "profile"}; remove_profile ann test_audit_service {"as": "owner"}'),
    ('service', 'SELECT learnsync.set_learner(''ann'', ''{"dayStarts": "03:00"}'')',
        'set_learner ann test_audit_service {"from": "TODAY", "timeZone": "UTC", "dayStarts": "03:00"}'),
    ('admin', 'SELECT learnsync_api.sync_cleanup(''{"daysOld": 500}'')',
        'cleanup test_audit_admin {"count": 0, "daysOld": 500}'),
    ('admin', 'SELECT learnsync.outbox_add(''noted'', ''{"resourceTypes": ["mastery"]}'')',
        'outbox_add test_audit_admin {"outbox": "noted", "options": {"resourceTypes": ["mastery"]}}'),
    ('admin', 'SELECT learnsync.outbox_drop(''noted'')', 'outbox_drop test_audit_admin {"outbox": "noted"}'),
    ('admin', 'SELECT learnsync.new_epoch()', 'new_epoch test_audit_admin');
CREATE FUNCTION pg_temp.noted_by(kind text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE before timestamptz := clock_timestamp();
BEGIN
    PERFORM pg_temp.run_as(kind, query);
    RETURN pg_temp.newest((SELECT count(*) FROM learnsync_data.audit WHERE at > before)::int);
END $$;
SELECT is(pg_temp.without_ids(pg_temp.noted_by(kind, query)), noted, 'noted: ' || query) FROM deed ORDER BY n;
SELECT is(pg_temp.noted_by(kind, query), NULL, 'not noted, as nothing was done: ' || query)
FROM (VALUES ('service', 'SELECT learnsync.sync_activate_device(''ann'', ''{"deviceId": "nobody''''s"}'')'),
    ('service', 'SELECT learnsync.sync_deactivate_device(''ann'', ''{"deviceId": "d", "wiped": true}'')'),
    ('admin', 'SELECT learnsync.define_resource_type(''dry'', ''{"key": ["k"]}'', dry_run => true)'),
    ('admin', 'SELECT learnsync.reset_resource_type(''mastery'')'),
    ('admin', 'SELECT learnsync.register_content(''{"contents": [{"contentId": "c1"}]}'')'),
    ('admin', 'SELECT learnsync.register_content(''{"contents": [{}]}'')'),
    ('service', 'SELECT learnsync.sync_correct(''ann'', ''{"resourceType": "quiz_attempt", "resourceId": "none", '
        '"data": {"score": 5}, "by": "ms.k", "reason": "misread"}'')'),
    ('service', 'SELECT learnsync.add_profile(''kid'', ''ann'')'),
    ('service', 'SELECT learnsync.remove_profile(''nobody'')'),
    ('service', 'SELECT learnsync.set_learner(''ann'', ''{"dayStarts": "03:00"}'')'),
    ('learner', 'SELECT learnsync_api.set_learner(''{"dayStarts": "04:00"}'')'),
    ('admin', 'SELECT learnsync.remember_learner(''never heard of'')')) v (kind, query);

-- Who gives and takes access is noted as well.
CREATE ROLE test_audit_other;
SELECT learnsync.grant_access('test_audit_other', 'service');
SELECT is(pg_temp.newest(), format('grant_access %s {"kind": "service", "role": "test_audit_other"}', current_user),
    'access that is given');
SELECT learnsync.revoke_access('test_audit_other');
SELECT is(pg_temp.newest(), format('revoke_access %s {"role": "test_audit_other"}', current_user),
    'access that is taken away');
SELECT is(pg_temp.run_as('admin', 'SELECT learnsync_internal.note_access(''x'', ''y'', ''z'')'),
    '42501 permission denied for function note_access', 'an administrator cannot say so himself');

-- All that services and administrators may call and that can change something: what it is called in the audit, or why
-- it is not there.
CREATE TEMP TABLE walk (name text, action text, why_not text);
INSERT INTO walk (name, action) SELECT a, a FROM unnest('{close_anomaly,deactivate_device,define_resource_type,'
    'drop_devices,drop_resource_type,forget_learner,register_content,remember_learner,new_epoch,outbox_add,outbox_drop,'
    'add_profile,remove_profile,set_learner}'::text[]) a
UNION ALL VALUES ('sync_activate_device', 'activate_device'), ('sync_deactivate_device', 'deactivate_device'),
    ('sync_resolve', 'resolve'), ('sync_correct', 'correct'), ('sync_uncorrect', 'uncorrect'),
    ('reset_resource_type', 'define_resource_type'), ('sync_cleanup', 'cleanup');
INSERT INTO walk (name, why_not)
SELECT p, 'what a learner says, with a receipt of its own' FROM unnest('{sync_push,sync_progress,sync_completions,'
    'progress_batch,progress_put}'::text[]) p
UNION ALL SELECT r, 'it only reads' FROM unnest('{sync_pull,sync_devices,sync_status,sync_verify,sync_why,xapi_export,'
    'progress_get,validate_content,failed_items,item_codes,outboxes,outbox_dead,metrics,dashboard,alerts,rebases,'
    'resource_verify,progress_verify,unseen_devices,pushes,app_days,part_of,shard_parts,shard_state,'
    'part_publication_sql,part_verify,json_schema,openapi,typescript}'::text[]) r
UNION ALL SELECT m, 'shard_parts() says what became of each part' FROM unnest('{part_hold,part_fence,part_accept,'
    'part_purge}'::text[]) m
UNION ALL SELECT o, 'it hands on what is there' FROM unnest('{outbox_take,outbox_done,outbox_failed,'
    'outbox_retry}'::text[]) o
UNION ALL VALUES ('rebase', 'it carries out a definition, which is there'),
    ('progress_rebuild', 'it makes anew what events say'), ('maintain', 'what settings say; what it decides is there'),
    ('retry_failed', 'it takes what learners have sent');
CREATE TEMP TABLE callable AS
SELECT DISTINCT p.proname::text AS name FROM learnsync_internal.access_list() a
JOIN pg_proc p ON p.oid = a.routine::regprocedure::oid
WHERE a.kind IN ('service', 'admin') AND p.provolatile = 'v'
    AND p.pronamespace IN ('learnsync'::regnamespace, 'learnsync_api'::regnamespace);
SELECT is((SELECT string_agg(name, ', ' ORDER BY name) FROM callable WHERE name NOT IN (SELECT name FROM walk)), NULL,
    'of all that services and administrators may call it is known whether the audit has it');
SELECT is((SELECT string_agg(DISTINCT w.action, ', ') FROM walk w WHERE w.action NOT IN (
        SELECT a.action FROM learnsync_data.audit a
        UNION SELECT unnest('{close_anomaly,forget_learner,remember_learner}'::text[]))), NULL,
    'what is to be in the audit was seen there; anomalies have a test of theirs, erasures follow');

-- Readers.
SELECT cmp_ok(
    pg_temp.run_as(kind, 'SELECT count(*) FROM learnsync_api.audit')::int, '>=', 12,
    kind || ': reads the audit')
FROM unnest('{service,admin}'::text[]) kind;
SELECT is(
    pg_temp.run_as('learner', 'SELECT count(*) FROM learnsync_api.audit'),
    '42501 permission denied for view audit',
    'a learner does not');
GRANT SELECT ON ALL TABLES IN SCHEMA learnsync_data, learnsync_api TO test_audit_learner;
GRANT USAGE ON SCHEMA learnsync_data TO test_audit_learner;
SELECT is(
    pg_temp.run_as('learner', 'SELECT count(*) FROM ' || relation),
    '42501 permission denied for schema learnsync',
    'a right to read everything opens nothing: ' || relation)
FROM unnest('{learnsync_api.audit,learnsync_data.audit}'::text[]) relation;
SELECT learnsync.revoke_access('test_audit_service');
SELECT is(
    has_table_privilege('test_audit_service', relation, 'SELECT'),
    false,
    'a service that is none any more does not: ' || relation)
FROM unnest('{learnsync_api.audit,learnsync_data.audit}'::text[]) relation;

-- It is only added to, even by the owner of the tables; and nobody else writes it.
GRANT learnsync_owner TO CURRENT_USER;
CREATE FUNCTION pg_temp.as_owner(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL ROLE learnsync_owner;
    EXECUTE query;
    RESET ROLE;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN RETURN concat_ws(' ', SQLSTATE, SQLERRM);
END $$;
SELECT is(pg_temp.as_owner(query), '42501 the audit is only added to', 'refused: ' || query)
FROM (VALUES ('DELETE FROM learnsync_data.audit'), ('TRUNCATE learnsync_data.audit'),
    ('UPDATE learnsync_data.audit SET by = ''somebody else'''),
    ('UPDATE learnsync_data.audit SET reason = NULL WHERE reason IS NOT NULL')) v (query);
GRANT USAGE ON SCHEMA learnsync_data TO test_audit_admin;
SELECT is(
    pg_temp.run_as('admin', format('%s learnsync_data.audit %s', verb, what)),
    '42501 permission denied for table audit',
    'an administrator cannot ' || verb)
FROM (VALUES ('INSERT INTO', '(learner_id, at, action, role) VALUES ('''', now(), ''x'', ''y'')'),
    ('UPDATE', 'SET at = now()'), ('DELETE FROM', '')) v (verb, what);

-- An erased learner stands there as a hash; what was done stays.
RESET learnsync.learner_id;
SELECT count(*) AS before FROM learnsync_data.audit \gset
SELECT pg_temp.run_as('admin', 'SELECT learnsync.forget_learner(''ann'')');
SELECT is((SELECT count(*) FROM learnsync_data.audit), :before::bigint + 1, 'an erasure takes no row, and is one');
SELECT is(
    (SELECT string_agg(a::text, ' | ') FROM learnsync_data.audit a
     WHERE a::text ~ '\mann\M|first counts' OR learner_id NOT IN ('', 'kid') AND a::text ~ '\mq\M|deviceId'),
    NULL,
    'nothing names the learner any more, nor what was said');
SELECT is(
    (SELECT string_agg(concat_ws(' ', action, role, by = learner_id, 'by ' || nullif(by, learner_id)), '; '
         ORDER BY at)
     FROM learnsync_data.audit a WHERE learner_id = learnsync_internal.erased_name_as_owner('ann')),
    'resolve test_audit_service f by ms.k; resolve test_audit_learner t; add_profile test_audit_service; '
        || 'deactivate_device test_audit_service; activate_device test_audit_service; '
        || 'deactivate_device test_audit_learner t; deactivate_device test_audit_admin; '
        || 'correct test_audit_service f by ms.k; uncorrect test_audit_service f by ms.k; '
        || 'add_profile test_audit_service; remove_profile test_audit_service; set_learner test_audit_service; '
        || 'forget_learner test_audit_admin',
    'who did what stays');
SELECT is(
    (SELECT by = learnsync_internal.erased_name_as_owner('ann') FROM learnsync_data.audit
     WHERE learner_id = 'kid' AND action = 'resolve'),
    true,
    'what the learner did for others, too');
SELECT is(
    pg_temp.noted_by('admin', 'SELECT learnsync.remember_learner(''ann'')'),
    'remember_learner ann test_audit_admin',
    'a new life is noted');
SELECT * FROM finish();
ROLLBACK;
