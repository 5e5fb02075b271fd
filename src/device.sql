-- sync_devices, sync_status
CREATE OR REPLACE FUNCTION learnsync.sync_devices(learner_id text) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_sync_devices';
COMMENT ON FUNCTION learnsync.sync_devices(text) IS
    'The learner''s devices, last seen first: {devices: [{userId, deviceId, deviceName, lastSyncAt, lastSyncVersion, pendingCount, failedCount, conflictCount, metadata, isActive}]}.';

CREATE OR REPLACE FUNCTION learnsync.sync_status(learner_id text, "deviceId" text DEFAULT NULL) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_sync_status';
COMMENT ON FUNCTION learnsync.sync_status(text, text) IS
    'Devices, counts and open conflicts of a learner, or of one device: {devices, pendingCount (failed items that can be retried), failedCount, conflictCount, conflicts: [{id, deviceId, resourceType, resourceId, operation, clientData, serverData, serverVersion, createdAt}]}. The oldest 100 conflicts are listed, all are counted.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_devices() RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_api_sync_devices';
COMMENT ON FUNCTION learnsync_api.sync_devices() IS
    'My devices, last seen first: {devices: [{userId, deviceId, deviceName, lastSyncAt, lastSyncVersion, pendingCount, failedCount, conflictCount, metadata, isActive}]}.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_status("deviceId" text DEFAULT NULL) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_api_sync_status';
COMMENT ON FUNCTION learnsync_api.sync_status(text) IS
    'My devices, counts and open conflicts, of all devices or one: {devices, pendingCount (failed items that can be retried), failedCount, conflictCount, conflicts: [{id, deviceId, resourceType, resourceId, operation, clientData, serverData, serverVersion, createdAt}]}.';
