-- sync_push: what goes in, what comes out.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS learnsync;
SELECT learnsync.setup('regress_learnsync_owner');
\pset format unaligned
\pset tuples_only on

-- The answer a line per member, without what changes from run to run.
CREATE FUNCTION pg_temp.push(request jsonb) RETURNS TABLE (member text, value jsonb) LANGUAGE sql AS $$
    WITH answer AS MATERIALIZED (
        SELECT learnsync.sync_push('ann', request)::jsonb - '{epoch,serverTimestamp}'::text[] AS answer)
    SELECT name, item FROM answer, unnest('{results,conflicts,failedItems}'::text[]) WITH ORDINALITY AS n (name, nn),
        jsonb_array_elements(answer -> name) WITH ORDINALITY AS i (item, ni)
    UNION ALL SELECT name, answer -> name FROM answer, unnest('{syncedItems,syncVersion}'::text[]) name $$;
SELECT jsonb_object_agg(key, jsonb_typeof(value))
FROM jsonb_each(learnsync.sync_push('ann', '{"deviceId": "phone", "items": []}')::jsonb);
SELECT answer ->> 'epoch' = (SELECT epoch::text FROM learnsync_data.instance),
    answer ->> 'serverTimestamp' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$'
FROM CAST(learnsync.sync_push('ann', '{"deviceId": "phone", "items": []}') AS jsonb) answer;

-- One of each: synced, without an id, conflict for a person, failed, duplicate, id reused.
SELECT '{"deviceId": "phone", "deviceName": "Ann''s phone", "lastSyncVersion": 1, "metadata": {"appVersion": "2.1"},
    "items": [
        {"id": "local-1", "operation": "update", "resourceType": "lesson_progress",
            "data": {"lessonId": "l1", "courseId": "c1", "completionPercentage": 75, "timeSpent": 600000},
            "clientTimestamp": "2026-01-08T10:30:00.000Z"},
        {"operation": "update", "resourceType": "lesson_progress", "resourceId": "l1", "data": {"timeSpent": 400},
            "clientTimestamp": "2026-01-08T11:31:00.5+01:00"},
        {"id": "local-3", "operation": "create", "resourceType": "quiz_attempt",
            "data": {"quizId": "q1", "attemptNumber": 1, "score": 80}, "clientTimestamp": "2026-01-08T10:32:00Z"},
        {"id": "local-4", "operation": "create", "resourceType": "quiz_attempt",
            "data": {"quizId": "q1", "attemptNumber": 1, "score": 90}, "clientTimestamp": "2026-01-08T10:33:00Z"},
        {"id": "local-5", "operation": "update", "resourceType": "lesson_progress",
            "data": {"lessonId": "l1", "completionPercentage": 140}, "clientTimestamp": "2026-01-08T10:34:00Z"},
        {"id": "local-1", "operation": "update", "resourceType": "lesson_progress",
            "data": {"lessonId": "l1", "courseId": "c1", "completionPercentage": 75.0, "timeSpent": 6e5},
            "clientTimestamp": "2026-01-08T10:30:00.000Z"},
        {"id": "local-1", "operation": "update", "resourceType": "lesson_progress", "data": {"lessonId": "l2"},
            "clientTimestamp": "2026-01-08T10:30:00.000Z"},
        {"id": "local-8", "operation": "delete", "resourceType": "mastery", "resourceId": "m1",
            "clientTimestamp": "2026-01-08T10:36:00Z"}]}' AS batch \gset
SELECT * FROM pg_temp.push(:'batch');
-- The same push again, a retry.
SELECT * FROM pg_temp.push(:'batch');
-- An older item of another device; what it adds is merged, and the client is told to take the whole.
SELECT *
FROM pg_temp.push('{"deviceId": "tablet", "items": [{"id": "t1", "operation": "update",
    "resourceType": "lesson_progress", "data": {"lessonId": "l1", "timeSpent": 100, "completionPercentage": 100},
    "clientTimestamp": "2026-01-07T10:00:00Z"}]}');
-- And now the first again: its resource has moved on.
SELECT *
FROM pg_temp.push(
    :'batch'::jsonb #-
        '{items,7}' #- '{items,6}' #- '{items,5}' #- '{items,4}' #- '{items,3}' #- '{items,2}' #- '{items,1}');

-- A dry run, and one that fails as a whole.
SELECT *
FROM pg_temp.push('{"deviceId": "tablet", "dryRun": true, "items": [{"id": "t2", "operation": "create",
    "resourceType": "mastery", "data": {"competencyId": "m1", "level": 3},
    "clientTimestamp": "2026-01-08T12:00:00Z"}]}');
SELECT *
FROM pg_temp.push('{"deviceId": "tablet", "atomic": true, "items": [
    {"id": "t3", "operation": "create", "resourceType": "mastery", "data": {"competencyId": "m1", "level": 3},
        "clientTimestamp": "2026-01-08T12:00:00Z"},
    {"id": "t4", "operation": "create", "resourceType": "mastery", "data": {"competencyId": "m2", "level": 3},
        "clientTimestamp": "yesterday"}]}');

-- What is stored.
\pset tuples_only off
SELECT version, log_version, tombstone_version, push_no FROM learnsync_data.learner;
SELECT device_id, device_name, metadata, version, is_active FROM learnsync_data.device ORDER BY device_id;
SELECT resource_type, resource_id, version, created_version AS created, at AT TIME ZONE 'UTC' AS at,
    deleted_at AT TIME ZONE 'UTC' AS deleted_at, data, book
FROM learnsync_data.resource ORDER BY version;
SELECT verdict, version FROM learnsync_data.ledger ORDER BY version, verdict;
SELECT version, push_no, prev_version, device_id, item_count, resource_types, resource_ids,
    jsonb_path_query_array(items, '$[*].id') AS ids
FROM learnsync_data.push ORDER BY version;
SELECT device_id, item_id, resource_type, resource_id, operation, client_data, resource_version, resolution,
    closed_at IS NOT NULL AS closed, closed_by
FROM learnsync_data.conflict ORDER BY item_id;
SELECT device_id, item_id, code, path, message, retryable, retry_count FROM learnsync_data.failed
ORDER BY device_id, item_id;

DROP EXTENSION learnsync CASCADE;
DROP SCHEMA learnsync, learnsync_data CASCADE;
DROP ROLE regress_learnsync_owner;
