-- sync_pull, sync_status, sync_devices: what comes out.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS learnsync;
SELECT learnsync.setup('regress_learnsync_owner');
\pset format unaligned
\pset tuples_only on

-- The answer a line per change, without what changes from run to run.
CREATE FUNCTION pg_temp.pull(request jsonb) RETURNS SETOF jsonb LANGUAGE sql STABLE AS $$
    WITH answer AS MATERIALIZED (SELECT learnsync.sync_pull('ann', request)::jsonb - '{cursor,epoch}'::text[] AS answer)
    SELECT change - 'serverTimestamp' FROM answer, jsonb_array_elements(answer -> 'changes') change
    UNION ALL SELECT answer - 'changes' FROM answer $$;

-- A learner whom nobody knows.
SELECT pg_temp.pull('{"deviceId": "phone"}');

SELECT learnsync.sync_push('ann', '{"deviceId": "phone", "deviceName": "Phone", "metadata": {"platform": "ios"},
    "items": [
        {"id": "1", "operation": "update", "resourceType": "lesson_progress",
            "data": {"lessonId": "l1", "courseId": "c1", "completionPercentage": 100, "timeSpent": 60},
            "clientTimestamp": "2026-01-08T10:00:00Z"},
        {"id": "2", "operation": "create", "resourceType": "quiz_attempt",
            "data": {"quizId": "q1", "attemptNumber": 1, "score": 80}, "clientTimestamp": "2026-01-08T10:01:00Z"},
        {"id": "3", "operation": "create", "resourceType": "mastery", "data": {"competencyId": "m1", "level": 1},
            "clientTimestamp": "2026-01-08T10:02:00Z"}]}')::jsonb -> 'syncVersion';
SELECT learnsync.sync_push('ann', '{"deviceId": "tablet", "items": [
    {"id": "1", "operation": "update", "resourceType": "lesson_progress", "data": {"lessonId": "l1", "timeSpent": 40},
        "clientTimestamp": "2026-01-09T10:00:00Z"},
    {"id": "2", "operation": "create", "resourceType": "conversation", "resourceId": "chat",
        "data": {"messages": [{"id": "a", "text": "Hi"}]}, "clientTimestamp": "2026-01-09T10:01:00Z"},
    {"id": "3", "operation": "delete", "resourceType": "mastery", "resourceId": "m1",
        "clientTimestamp": "2026-01-09T10:02:00Z"},
    {"id": "4", "operation": "create", "resourceType": "quiz_attempt",
        "data": {"quizId": "q1", "attemptNumber": 1, "score": 95}, "clientTimestamp": "2026-01-09T10:03:00Z"},
    {"id": "5", "operation": "create", "resourceType": "badge", "data": {},
        "clientTimestamp": "2026-01-09T10:04:00Z"}]}')::jsonb -> 'syncVersion';

-- Everything; what changed since a cursor; a page; nothing new.
SELECT pg_temp.pull('{"deviceId": "phone"}');
SELECT pg_temp.pull('{"deviceId": "phone", "lastSyncVersion": 4}');
SELECT pg_temp.pull('{"deviceId": "phone", "lastSyncVersion": 0, "from": 0, "limit": 2}');
SELECT pg_temp.pull('{"deviceId": "phone", "lastSyncVersion": 7}');
-- A selection.
SELECT pg_temp.pull('{"deviceId": "phone", "resourceTypes": ["quiz_attempt", "conversation"]}');
SELECT pg_temp.pull('{"deviceId": "phone", "scope": {"courseId": ["c1", "c2"]}}');
-- A cursor of another history.
SELECT pg_temp.pull('{"deviceId": "phone", "lastSyncVersion": 8, "limit": 1}');
SELECT pg_temp.pull('{"deviceId": "phone", "lastSyncVersion": 6, "epoch": "00000000-0000-0000-0000-000000000000",
    "limit": 1}');

SELECT answer ->> 'epoch' = (SELECT epoch::text FROM learnsync_data.instance),
    answer #>> '{changes,0,serverTimestamp}' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$'
FROM learnsync.sync_pull('ann', '{"deviceId": "phone"}') answer;

-- Status and devices.
CREATE FUNCTION pg_temp.status(answer jsonb) RETURNS SETOF jsonb LANGUAGE sql AS $$
    SELECT device - '{lastSyncAt,syncedResources}'::text[] FROM jsonb_array_elements(answer -> 'devices') device
    UNION ALL SELECT conflict - '{id,createdAt}'::text[] FROM jsonb_array_elements(answer -> 'conflicts') conflict
    UNION ALL SELECT answer - '{devices,conflicts}'::text[] $$;
SELECT pg_temp.status(learnsync.sync_status('ann'));
SELECT pg_temp.status(learnsync.sync_status('ann', 'phone'));
SELECT pg_temp.status(learnsync.sync_status('ann', "deviceId" => 'no such device'));
SELECT pg_temp.status(learnsync.sync_devices('ann'));
SELECT pg_temp.status(learnsync.sync_devices('nobody'));
SELECT learnsync.sync_status('ann') #>> '{conflicts,0,id}'
    = (SELECT conflict_id::text FROM learnsync_data.conflict WHERE closed_at IS NULL);

-- Readers write nothing.
BEGIN READ ONLY;
SELECT pg_temp.pull('{"deviceId": "phone", "lastSyncVersion": 6}');
SELECT learnsync.sync_status('ann') -> 'conflictCount', jsonb_array_length(learnsync.sync_devices('ann') -> 'devices');
COMMIT;
SELECT bool_and(device_id IN ('phone', 'tablet')) FROM learnsync_data.device;

DROP EXTENSION learnsync CASCADE;
DROP SCHEMA learnsync, learnsync_data CASCADE;
DROP ROLE regress_learnsync_owner;
