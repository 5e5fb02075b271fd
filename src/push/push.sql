-- sync_push
CREATE OR REPLACE FUNCTION learnsync.sync_push(learner_id text, request jsonb) RETURNS json
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'learnsync_sync_push';
COMMENT ON FUNCTION learnsync.sync_push(text, jsonb) IS
    'Takes in a batch of one device, each item exactly once. request: {deviceId, deviceName?, items: [{id?, '
    'operation: create|update|delete, resourceType, resourceId?, data, clientTimestamp}], metadata?, cursor?, '
    'lastSyncVersion?, epoch?, dryRun?, atomic?, sentAt?, learnerId?}. An id that is a UUID of version 4 or 7 '
    'is the same item '
    'from any device. Answer: {results, syncedItems, failedItems: [{id, code, path, error, retryable, first?}], '
    'conflicts, syncVersion, epoch, serverTimestamp}; first is the verdict of an id_reused. Errors: 22023 malformed '
    'envelope, 54000 too many items, or conflicts of an atomic push that show more than learnsync.max_answer_bytes, '
    'PT403 deactivated device.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_push(jsonb) RETURNS json
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'learnsync_api_sync_push';
COMMENT ON FUNCTION learnsync_api.sync_push(jsonb) IS
    'Push what this device collected offline. Body: {deviceId, deviceName?, items: [{id?, operation: '
    'create|update|delete, resourceType, resourceId?, data, clientTimestamp}], metadata?, cursor?, lastSyncVersion?, '
    'epoch?, dryRun?, atomic?, sentAt?, learnerId?}. Answer: {results, syncedItems, failedItems, conflicts, '
    'syncVersion, '
    'epoch, serverTimestamp}. Repeating a push is safe and gets the same answer.';
