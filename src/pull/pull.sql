-- sync_pull, sync_verify
CREATE OR REPLACE FUNCTION learnsync.sync_pull(learner_id text, request jsonb) RETURNS json
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_sync_pull';
COMMENT ON FUNCTION learnsync.sync_pull(text, jsonb) IS
    'What changed after a cursor, in version order, a page at a time. request: {deviceId, cursor?, resourceTypes?, '
    'scope?, limit? (500), count?, learnerId?}; cursor is the one of the last answer, opaque. Answer: {changes: '
    '[{resourceType, resourceId, operation: create|update|delete, version, serverTimestamp, delta?, left?, data}], '
    'syncVersion, epoch, cursor, hasMore, reset, behind?, lists?: {type: {field: {id, members?}}}, count?}; '
    'lists names the list fields of the types that the page shows. A client that counts versions sends '
    '{lastSyncVersion, from?, epoch?} instead of cursor; from is the version at which the device last finished a run '
    'of pages; its pages end by bytes alone where it sends no limit (learnsync.max_answer_bytes). Errors: 22023 '
    'malformed request, 54000 too many types or values of a scope, or more than 64 MB below the horizon of deletes, '
    'PT403 deactivated device.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_pull(jsonb) RETURNS json
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_api_sync_pull';
COMMENT ON FUNCTION learnsync_api.sync_pull(jsonb) IS
    'Pull what changed. Body: {deviceId, cursor?, resourceTypes?, scope?, limit? (500), count?, learnerId?}. Answer: '
    '{changes: [{resourceType, resourceId, operation: create|update|delete, version, serverTimestamp, delta?, left?, '
    'data}], syncVersion, epoch, cursor, hasMore, reset, behind?, lists?: {type: {field: {id, members?}}}, '
    'count?}; '
    'by lists a delta is joined to what you have. Store cursor with each page and send it '
    'with the next call, at once while hasMore; with reset, drop what was pulled before. {lastSyncVersion, from?, '
    'epoch?} instead of cursor counts versions.';

CREATE OR REPLACE FUNCTION learnsync.sync_verify(learner_id text, request jsonb) RETURNS json
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_sync_verify';
COMMENT ON FUNCTION learnsync.sync_verify(text, jsonb) IS
    'Whether a client holds every document of its selection at its version, with all members of its lists. request: '
    '{cursor, count, sum, buckets?, resourceTypes?, scope?, deviceId?, learnerId?}; cursor is that of the last page of '
    'a run. count: how many documents the client holds; sum: modulo 2^32 that of the FNV-1a-32 of "type \n id \n '
    'version \n members" of each, members being how many its union fields hold together; buckets: the same for each '
    'of 64, a document being in the one of the FNV-1a-32 of "type \n id" modulo 64. Answer: {equal: true}, '
    '{behind: true} where the client is to pull first, or {equal: false, count, sum, buckets}, with the buckets of the '
    'client also {differing, resources: [{resourceType, resourceId, version, members}], hasMore}: all that the '
    'differing buckets hold; hasMore where others differ, too. Errors: 22023 malformed request, 54000 too many types '
    'or values of a scope, PT403 deactivated device.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_verify(jsonb) RETURNS json
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_api_sync_verify';
COMMENT ON FUNCTION learnsync_api.sync_verify(jsonb) IS
    'Whether I hold every document of my selection at its version, with all members of its lists. Body: {cursor, '
    'count, sum, buckets?, resourceTypes?, scope?, deviceId?, learnerId?}. count and sum are of what the client holds: '
    'sum modulo 2^32 of the FNV-1a-32 of "type \n id \n version \n members" of each document. Answer: {equal: true}, '
    '{behind: true}: pull first, or {equal: false, count, sum, buckets}; asked again with buckets, the same sums for '
    'each FNV-1a-32 of "type \n id" modulo 64, also {differing, resources: [{resourceType, resourceId, version, '
    'members}], hasMore}: what is in the buckets that differ.';
