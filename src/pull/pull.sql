-- sync_pull
CREATE OR REPLACE FUNCTION learnsync.sync_pull(learner_id text, request jsonb) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_sync_pull';
COMMENT ON FUNCTION learnsync.sync_pull(text, jsonb) IS
    'What changed after a cursor, in version order. request: {deviceId, lastSyncVersion?, from?, epoch?, resourceTypes?, scope?, limit? (500)}. Answer: {changes: [{resourceType, resourceId, operation: create|update|delete, data, version, serverTimestamp}], syncVersion, epoch, hasMore, reset}. Errors: 22023 malformed request, 42501 deactivated device.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_pull(jsonb) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_api_sync_pull';
COMMENT ON FUNCTION learnsync_api.sync_pull(jsonb) IS
    'Pull what changed after a cursor. Body: {deviceId, lastSyncVersion?, from?, epoch?, resourceTypes?, scope?, limit? (500)}. Answer: {changes: [{resourceType, resourceId, operation: create|update|delete, data, version, serverTimestamp}], syncVersion, epoch, hasMore, reset}. Store syncVersion and call again while hasMore.';
