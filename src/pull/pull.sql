-- sync_pull
CREATE OR REPLACE FUNCTION learnsync.sync_pull(learner_id text, request jsonb) RETURNS json
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_sync_pull';
COMMENT ON FUNCTION learnsync.sync_pull(text, jsonb) IS
    'What changed after a cursor, in version order, a page at a time. request: {deviceId, cursor?, resourceTypes?, '
    'scope?, limit? (500), count?, learnerId?}; cursor is the one of the last answer, opaque. Answer: {changes: '
    '[{resourceType, resourceId, operation: create|update|delete, version, serverTimestamp, delta?, left?, data}], '
    'syncVersion, epoch, cursor, hasMore, reset, behind?, count?}. A client that counts versions sends '
    '{lastSyncVersion, from?, epoch?} instead of cursor; from is the version at which the device last finished a run '
    'of pages; its pages end by bytes alone where it sends no limit (learnsync.max_answer_bytes). Errors: 22023 '
    'malformed request, 54000 too many types or values of a scope, or more than 64 MB below the horizon of deletes, '
    'PT403 deactivated device.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_pull(jsonb) RETURNS json
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_api_sync_pull';
COMMENT ON FUNCTION learnsync_api.sync_pull(jsonb) IS
    'Pull what changed. Body: {deviceId, cursor?, resourceTypes?, scope?, limit? (500), count?, learnerId?}. Answer: '
    '{changes: [{resourceType, resourceId, operation: create|update|delete, version, serverTimestamp, delta?, left?, '
    'data}], syncVersion, epoch, cursor, hasMore, reset, behind?, count?}. Store cursor with each page and send it '
    'with the next call, at once while hasMore; with reset, drop what was pulled before. {lastSyncVersion, from?, '
    'epoch?} instead of cursor counts versions.';
