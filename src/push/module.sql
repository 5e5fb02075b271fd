-- sync_progress, sync_completions
CREATE OR REPLACE FUNCTION learnsync.sync_progress(learner_id text, request jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'learnsync_sync_progress';
COMMENT ON FUNCTION learnsync.sync_progress(text, jsonb) IS
    'Takes in progress of modules, each event once by its idempotencyKey; the greatest syncVersion of a module wins. '
    'request: {events: [{idempotencyKey, deviceId, moduleId, progressPercent, clientTimestamp, syncVersion}], '
    'sentAt?, learnerId?}. Answer: {success: true, data: {results: [{idempotencyKey, status: '
    'applied|skipped|rejected, reason?}]}}, in input order. Errors: 22023 malformed envelope or no events, 54000 too '
    'many, PT403 deactivated device.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_progress(jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'learnsync_api_sync_progress';
COMMENT ON FUNCTION learnsync_api.sync_progress(jsonb) IS
    'Report my progress of modules. Body: {events: [{idempotencyKey, deviceId, moduleId, progressPercent (0 to 100), '
    'clientTimestamp, syncVersion}], sentAt?, learnerId?}. Answer: {success: true, data: {results: [{idempotencyKey, '
    'status: applied|skipped|rejected, reason?}]}}, in input order. Repeating a request is safe.';

CREATE OR REPLACE FUNCTION learnsync.sync_completions(learner_id text, request jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'learnsync_sync_completions';
COMMENT ON FUNCTION learnsync.sync_completions(text, jsonb) IS
    'Takes in completions of modules that are in the content catalog, each event once by its idempotencyKey; the '
    'best score of a module stays. request: {events: [{idempotencyKey, deviceId, moduleId, score, clientTimestamp}], '
    'sentAt?, learnerId?}. Answer: {success: true, data: {results: [{idempotencyKey, status: '
    'applied|skipped|rejected, reason?}]}}, in input order. Errors: 22023 malformed envelope or no events, 54000 too '
    'many, PT403 deactivated device.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_completions(jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'learnsync_api_sync_completions';
COMMENT ON FUNCTION learnsync_api.sync_completions(jsonb) IS
    'Report modules that I completed. Body: {events: [{idempotencyKey, deviceId, moduleId, score (0 to 100), '
    'clientTimestamp}], sentAt?, learnerId?}. Answer: {success: true, data: {results: [{idempotencyKey, status: '
    'applied|skipped|rejected, reason?}]}}, in input order. Repeating a request is safe.';
