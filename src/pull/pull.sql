-- sync_pull
CREATE OR REPLACE FUNCTION learnsync.sync_pull(learner_id text, request jsonb) RETURNS json
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_sync_pull';
COMMENT ON FUNCTION learnsync.sync_pull(text, jsonb) IS
    'What changed after a cursor, in version order, a page at a time. request: {deviceId, lastSyncVersion?, from?, epoch?, resourceTypes?, scope?, limit?}; from is the cursor at which the device last finished a run of pages. Without limit a page ends by bytes alone (learnsync.max_answer_bytes). Answer: {changes: [{resourceType, resourceId, operation: create|update|delete, version, serverTimestamp, delta?, data}], syncVersion, epoch, hasMore, reset}. Errors: 22023 malformed request, 54000 too many types or values of a scope, or more than 64 MB below the horizon of deletes, 42501 deactivated device.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_pull(jsonb) RETURNS json
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_api_sync_pull';
COMMENT ON FUNCTION learnsync_api.sync_pull(jsonb) IS
    'Pull what changed after a cursor. Body: {deviceId, lastSyncVersion?, from?, epoch?, resourceTypes?, scope?, limit?}. Answer: {changes: [{resourceType, resourceId, operation: create|update|delete, version, serverTimestamp, delta?, data}], syncVersion, epoch, hasMore, reset}. Store syncVersion and call again while hasMore; with reset, drop what was pulled before.';
