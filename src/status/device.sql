-- sync_devices, sync_status, sync_deactivate_device, sync_activate_device; devices that nobody uses any more
CREATE OR REPLACE FUNCTION learnsync.sync_devices(learner_id text) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_sync_devices';
COMMENT ON FUNCTION learnsync.sync_devices(text) IS
    'The learner''s devices, last seen first: {devices: [{userId, deviceId, deviceName, lastSyncAt, lastSyncVersion, '
    'pendingCount, failedCount, conflictCount, metadata, isActive, syncedResources: {resourceType: time}, clockSkew '
    '(ms that the clock was last ahead by sentAt, behind where negative; without sentAt, that the newest item was), '
    'wipe? ({askedAt, doneAt})}]}.';

CREATE OR REPLACE FUNCTION learnsync.sync_status(learner_id text, "deviceId" text DEFAULT NULL,
    "after" text DEFAULT NULL, "limit" integer DEFAULT 100) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_sync_status';
COMMENT ON FUNCTION learnsync.sync_status(text, text, text, integer) IS
    'Devices, counts and open conflicts of a learner, or of one device: {devices, pendingCount (failed items that '
    'can be retried), failedCount, conflictCount, conflicts: [{id, deviceId, resourceType, resourceId, operation, '
    'clientData, serverData, serverDataThen?, serverVersion, createdAt}], hasMore, warnings: [{code: '
    'event_log_filling|event_log_full, count, limit, message}]}. Conflicts are listed oldest first, limit of them and '
    'as many as learnsync.max_answer_bytes has room for; all are counted. after: the id of the last one seen. '
    'Errors: 22023 bad limit, PT404 no such conflict.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_devices() RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_api_sync_devices';
COMMENT ON FUNCTION learnsync_api.sync_devices() IS
    'My devices, last seen first: {devices: [{userId, deviceId, deviceName, lastSyncAt, lastSyncVersion, '
    'pendingCount, failedCount, conflictCount, metadata, isActive, syncedResources: {resourceType: time}, clockSkew '
    '(ms that the clock was last ahead by sentAt, behind where negative; without sentAt, that the newest item was), '
    'wipe? ({askedAt, doneAt})}]}.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_status("deviceId" text DEFAULT NULL, "after" text DEFAULT NULL,
    "limit" integer DEFAULT 100) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_api_sync_status';
COMMENT ON FUNCTION learnsync_api.sync_status(text, text, integer) IS
    'My devices, counts and open conflicts, of all devices or one: {devices, pendingCount (failed items that can be '
    'retried), failedCount, conflictCount, conflicts: [{id, deviceId, resourceType, resourceId, operation, '
    'clientData, serverData, serverDataThen?, serverVersion, createdAt}], hasMore, warnings: [{code: '
    'event_log_filling|event_log_full, count, limit, message}]}. after: the id of the last conflict seen, for the '
    'next page. Through nginx the arguments may stand in the query.';

CREATE OR REPLACE FUNCTION learnsync.sync_deactivate_device(learner_id text, request jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_sync_deactivate_device';
COMMENT ON FUNCTION learnsync.sync_deactivate_device(text, jsonb) IS
    'Turns away a device of the learner: {deviceId, wipe?, wiped?, learnerId?}. Its calls are refused (PT403) from '
    'the next statement on; with wipe: true the detail of that error is {"wipe": true}. wiped: true deactivates '
    'nothing, and notes that the device has wiped itself. Answer: {message}. Errors: 22023 malformed request, PT404 '
    'no such device.';

CREATE OR REPLACE FUNCTION learnsync.sync_activate_device(learner_id text, request jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_sync_activate_device';
COMMENT ON FUNCTION learnsync.sync_activate_device(text, jsonb) IS
    'Lets in a device of the learner that was turned away: {deviceId, learnerId?}. Answer: {message}. Errors: 22023 '
    'malformed request, PT404 no such device.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_deactivate_device(jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_api_sync_deactivate_device';
COMMENT ON FUNCTION learnsync_api.sync_deactivate_device(jsonb) IS
    'Turn away one of my devices. Body: {deviceId, wipe?, wiped?, learnerId?}. Its calls are refused (PT403) from the '
    'next statement on; with wipe: true the details of that error are {"wipe": true}, and the device answers with '
    'wiped: true once it has wiped itself. Answer: {message}. Errors: 22023 malformed request, PT404 no such device.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_activate_device(jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_api_sync_activate_device';
COMMENT ON FUNCTION learnsync_api.sync_activate_device(jsonb) IS
    'For services and administrators: lets in a device of the learner who is signed in that was turned away: '
    '{deviceId, learnerId?}. Answer: {message}. Errors: 22023 malformed request, PT404 no such device.';

CREATE OR REPLACE FUNCTION learnsync_internal.unseen_devices_as_owner(days integer, max_devices integer) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    cutoff CONSTANT timestamptz := learnsync_internal.days_ago_as_owner(days);
BEGIN
    RETURN (SELECT jsonb_build_object('count', count(*), 'devices', COALESCE(jsonb_agg(jsonb_build_object(
            'userId', d.learner_id, 'deviceId', d.device_id, 'deviceName', d.device_name, 'isActive', d.is_active,
            'lastSyncAt', to_char(d.last_sync_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
            ORDER BY d.last_sync_at, d.learner_id, d.device_id) FILTER (WHERE d.place <= max_devices), '[]'))
        FROM (SELECT *, row_number() OVER (ORDER BY x.last_sync_at, x.learner_id, x.device_id) AS place
              FROM learnsync_data.device x WHERE x.last_sync_at < cutoff) d);
END
$$;
COMMENT ON FUNCTION learnsync_internal.unseen_devices_as_owner(integer, integer) IS
    'What unseen_devices reads, as the owner of the tables.';

-- Devices that were turned away stay: gone from the table they would be let in again.
CREATE OR REPLACE FUNCTION learnsync_internal.drop_devices_as_owner(days integer) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    cutoff CONSTANT timestamptz := learnsync_internal.days_ago_as_owner(days);
    learners text[];
    dropped bigint;
    counts bytea;
BEGIN
    learners := learnsync_internal.lock_learners_as_owner(ARRAY(
        SELECT DISTINCT d.learner_id FROM learnsync_data.device d WHERE d.last_sync_at < cutoff AND d.is_active));
    WITH gone AS (
        DELETE FROM learnsync_data.device d
        WHERE d.last_sync_at < cutoff AND d.is_active AND d.learner_id IN (SELECT unnest(learners))
        RETURNING d.learner_id, d.device_id, d.counts)
    SELECT count(*), learnsync_internal.counts_as_owner(g.learner_id, g.device_id, g.counts) INTO dropped, counts
    FROM gone g;
    PERFORM learnsync_internal.keep_counts_as_owner(counts);
    RETURN dropped;
END
$$;
COMMENT ON FUNCTION learnsync_internal.drop_devices_as_owner(integer) IS
    'What drop_devices does, as the owner of the tables.';

-- In the learners' order, so that two such calls cannot wait for each other.
CREATE OR REPLACE FUNCTION learnsync_internal.deactivate_device_as_owner(device_id text, wipe boolean) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id CONSTANT text := device_id;
    asked_at CONSTANT timestamptz := CASE WHEN wipe THEN clock_timestamp() END;
    learners text[];
BEGIN
    learners := ARRAY(SELECT d.learner_id FROM learnsync_data.device d WHERE d.device_id = id
                      ORDER BY d.learner_id FOR NO KEY UPDATE);
    IF learners = '{}' THEN
        RAISE EXCEPTION 'device not found'
            USING ERRCODE = 'PT404', DETAIL = format('No learner has a device %s.', to_json(id));
    END IF;
    UPDATE learnsync_data.device d SET is_active = false, wipe_at = COALESCE(d.wipe_at, asked_at)
    WHERE d.device_id = id AND d.learner_id = ANY (learners);
    RETURN (SELECT jsonb_build_object('count', count(*), 'learners', jsonb_agg(l)) FROM unnest(learners) l);
END
$$;
COMMENT ON FUNCTION learnsync_internal.deactivate_device_as_owner(text, boolean) IS
    'What deactivate_device does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync.deactivate_device(device_id text, wipe boolean DEFAULT false) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_deactivate_device';
COMMENT ON FUNCTION learnsync.deactivate_device(text, boolean) IS
    'Turns away a device, such as a lost tablet that several share, for all learners who have used it, and names '
    'them: {count, learners}. wipe: it is told to wipe what it holds. Errors: PT404 no such device.';

CREATE OR REPLACE FUNCTION learnsync.unseen_devices(days integer DEFAULT 365, max_devices integer DEFAULT 1000)
    RETURNS jsonb LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_unseen_devices';
COMMENT ON FUNCTION learnsync.unseen_devices(integer, integer) IS
    'Devices of all learners that have not pushed for so many days, longest unseen first: {count, devices: [{userId, '
    'deviceId, deviceName, lastSyncAt, isActive}]}, listing max_devices of them. Errors: 22023 days out of range.';

CREATE OR REPLACE FUNCTION learnsync.drop_devices(days integer DEFAULT 365) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_drop_devices';
COMMENT ON FUNCTION learnsync.drop_devices(integer) IS
    'Forgets devices that have not pushed for so many days, and answers how many. Their receipts stay: one that '
    'comes back is known anew and counts nothing twice. Deactivated devices stay turned away. Errors: 22023 days out '
    'of range.';
