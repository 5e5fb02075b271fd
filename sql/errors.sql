-- Every error that a request can meet: SQLSTATE | message | detail | hint.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS learnsync;
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_learnsync_learner;
CREATE ROLE regress_learnsync_nobody;

CREATE FUNCTION pg_temp.try(statement text, role text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    IF role IS NOT NULL THEN
        EXECUTE format('SET LOCAL ROLE %I', role);
    END IF;
    EXECUTE statement;
    RESET ROLE;
    RETURN 'answered';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, NULLIF(detail, ''), NULLIF(hint, ''));
END $$;

-- 55000: not set up.
SELECT pg_temp.try($$ SELECT learnsync.sync_push('ann', '{"deviceId": "d", "items": []}')::jsonb $$);
SELECT learnsync.setup('regress_learnsync_owner');
SELECT learnsync.grant_access('regress_learnsync_learner', 'learner');

-- 22023: malformed envelopes.
SELECT request || '  =>  ' || pg_temp.try(format('SELECT learnsync.sync_push(%L, %L)', 'ann', request)) FROM (VALUES
    ('null'), ('1'), ('"push"'), ('[]'), ('[{"deviceId": "d", "items": []}]'), ('{}'),
    ('{"deviceId": "d"}'),
    ('{"deviceId": "d", "items": null}'),
    ('{"deviceId": "d", "items": {}}'),
    ('{"deviceId": "d", "items": "[]"}'),
    ('{"deviceId": "d", "items": 1}'),
    ('{"items": []}'),
    ('{"deviceId": null, "items": []}'),
    ('{"deviceId": 7, "items": []}'),
    ('{"deviceId": "", "items": []}'),
    ('{"deviceId": ["d"], "items": []}'),
    ('{"deviceId": "d", "items": [], "deviceName": ""}'), ('{"deviceId": "d", "items": [], "deviceName": 1}'),
    ('{"deviceId": "d", "items": [], "metadata": []}'), ('{"deviceId": "d", "items": [], "metadata": "ios"}'),
    ('{"deviceId": "d", "items": [], "lastSyncVersion": -1}'),
    ('{"deviceId": "d", "items": [], "lastSyncVersion": 1.5}'),
    ('{"deviceId": "d", "items": [], "lastSyncVersion": "1"}'),
    ('{"deviceId": "d", "items": [], "lastSyncVersion": 9007199254740992}'),
    ('{"deviceId": "d", "items": [], "lastSyncVersion": 1e300}'),
    ('{"deviceId": "d", "items": [], "lastSyncVersion": true}'),
    ('{"deviceId": "d", "items": [], "dryRun": "yes"}'),
    ('{"deviceId": "d", "items": [], "dryRun": 1}'),
    ('{"deviceId": "d", "items": [], "atomic": []}'),
    ('{"deviceId": "d", "items": [], "deviceName": null, "metadata": null, "lastSyncVersion": null, "dryRun": null, '
        '"atomic": null}'),
    ('{"deviceId": "d", "items": [], "lastSyncVersion": 9007199254740991, "unknown": 1}')) AS v (request);
SELECT length(id) || '  =>  ' || pg_temp.try(format('SELECT learnsync.sync_push(%L, %L)', 'ann',
    jsonb_build_object('deviceId', id, 'items', '[]'::jsonb)))
FROM (VALUES (repeat('é', 200)), (repeat('é', 201))) AS v (id);
SELECT request || '  =>  ' || pg_temp.try(format('SELECT learnsync.sync_pull(%L, %L)', 'ann', request)) FROM (VALUES
    ('null'),
    ('[]'),
    ('{}'),
    ('{"deviceId": ""}'),
    ('{"deviceId": "d", "lastSyncVersion": "x"}'),
    ('{"deviceId": "d", "lastSyncVersion": -1}'),
    ('{"deviceId": "d", "lastSyncVersion": 9007199254740992}'),
    ('{"deviceId": "d", "from": -1}'), ('{"deviceId": "d", "from": "1"}'), ('{"deviceId": "d", "epoch": 1}'),
    ('{"deviceId": "d", "limit": 0}'),
    ('{"deviceId": "d", "limit": -1}'),
    ('{"deviceId": "d", "limit": 1.5}'),
    ('{"deviceId": "d", "limit": "10"}'),
    ('{"deviceId": "d", "resourceTypes": "mastery"}'),
    ('{"deviceId": "d", "resourceTypes": {}}'),
    ('{"deviceId": "d", "resourceTypes": [1]}'),
    ('{"deviceId": "d", "scope": []}'), ('{"deviceId": "d", "scope": {"courseId": "c1"}}'),
    ('{"deviceId": "d", "lastSyncVersion": null, "from": null, "epoch": null, "limit": null, "resourceTypes": null, '
        '"scope": null}'),
    ('{"deviceId": "d", "limit": 1000000000000}')) AS v (request);
SELECT statement || '  =>  ' || pg_temp.try('SELECT ' || statement)
FROM (VALUES
    ('learnsync.sync_push(''ann'', NULL)'),
    ('learnsync.sync_pull(''ann'', NULL)'),
    ('learnsync.sync_push(NULL, ''{"deviceId": "d", "items": []}'')'),
    ('learnsync.sync_push('''', ''{"deviceId": "d", "items": []}'')'),
    ('learnsync.sync_pull(NULL, ''{"deviceId": "d"}'')'),
    ('learnsync.sync_status(NULL)'),
    ('learnsync.sync_devices(repeat(''x'', 201))'),
    ('learnsync.sync_devices(repeat(''x'', 200))')) AS v (statement);

-- 54000: too many items.
SELECT pg_temp.try(format('SELECT learnsync.sync_push(%L, %L)', 'ann',
    jsonb_build_object('deviceId', 'd', 'items', jsonb_agg(n))))
FROM generate_series(1, 1001) n;

-- 28000: no learner.
SELECT pg_temp.try('SELECT learnsync_api.' || call)
FROM (VALUES
    ('sync_push(''{"deviceId": "d", "items": []}'')'),
    ('sync_pull(''{"deviceId": "d"}'')'),
    ('sync_status()'),
    ('sync_devices()')) AS v (call);

-- 42501: not allowed. PT403: a deactivated device.
SELECT statement || '  =>  ' || pg_temp.try(statement, 'regress_learnsync_learner')
FROM (VALUES
    ('SELECT learnsync.sync_devices(''bob'')'),
    ('SELECT learnsync.setup()'),
    ('SELECT learnsync.grant_access(''regress_learnsync_learner'', ''admin'')'),
    ('SELECT FROM learnsync_data.resource'),
    ('SET LOCAL learnsync.jwt_claim = ''email'''),
    ('SET LOCAL learnsync.max_batch_items = 9')) AS v (statement);
SELECT pg_temp.try('SELECT learnsync_api.sync_devices()', 'regress_learnsync_nobody');
SELECT learnsync.sync_push('ann', '{"deviceId": "old", "items": []}')::jsonb -> 'syncVersion';
UPDATE learnsync_data.device SET is_active = false WHERE device_id = 'old';
SELECT pg_temp.try($$ SELECT learnsync.sync_push('ann', '{"deviceId": "old", "items": []}')::jsonb $$);
SELECT pg_temp.try($$ SELECT learnsync.sync_push('ann', '{"deviceId": "old", "items": [], "dryRun": true}')::jsonb $$);
SELECT pg_temp.try($$ SELECT learnsync.sync_pull('ann', '{"deviceId": "old"}') $$);

-- What is not jsonb never reaches us; nor is a setting that does not exist taken for one of ours.
SELECT pg_temp.try($$ SELECT learnsync.sync_push('ann', '{"deviceId": "a\u0000b", "items": []}')::jsonb $$);
SELECT pg_temp.try($$ SELECT learnsync.sync_push('ann', '{"deviceId": "d", "items": [')::jsonb $$);
SELECT pg_temp.try('SET LOCAL learnsync.max_batch_itmes = 9');

-- Roles and kinds of access.
SELECT pg_temp.try($$ SELECT learnsync.grant_access('regress_learnsync_learner', 'king') $$);
SELECT pg_temp.try($$ SELECT learnsync.grant_access('regress_learnsync_learner', NULL) $$);
SELECT pg_temp.try($$ SELECT learnsync.grant_access('regress_learnsync_missing', 'learner') $$);
SELECT pg_temp.try($$ SELECT learnsync.grant_access(NULL, 'learner') $$);

-- Settings: unit and range, and whose they are.
SELECT name, unit, vartype, context, boot_val, min_val, max_val FROM pg_settings WHERE name LIKE 'learnsync.%'
ORDER BY name;
SELECT name FROM pg_settings WHERE name LIKE 'learnsync.%' AND short_desc = '';

DROP EXTENSION learnsync CASCADE;
DROP SCHEMA learnsync, learnsync_data CASCADE;
DROP ROLE regress_learnsync_owner, regress_learnsync_learner, regress_learnsync_nobody;
