-- sync_resolve
CREATE OR REPLACE FUNCTION learnsync.sync_resolve(learner_id text, request jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_sync_resolve';
COMMENT ON FUNCTION learnsync.sync_resolve(text, jsonb) IS
    'Closes an open conflict. request: {conflictId, resolution: use_server|use_client|use_merged|keep_both, '
    'mergedData?, force?, by?, reason?, learnerId?}; by and reason, who decides and why, are kept with the conflict '
    'and in the audit. Answer: {message, resourceType, resourceId, version}. Errors: 22023 malformed request or a '
    'document that the rule refuses, PT404 no such open conflict of the learner, PT409 the resource has changed since '
    'the conflict (not for use_server and keep_both; force overrides).';

CREATE OR REPLACE FUNCTION learnsync_api.sync_resolve(jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_api_sync_resolve';
COMMENT ON FUNCTION learnsync_api.sync_resolve(jsonb) IS
    'Decide one of my open conflicts. Body: {conflictId, resolution: use_server (keep what is stored)|use_client '
    '(take what the device sent)|use_merged (take mergedData)|keep_both (give it the next free number), mergedData?, '
    'force? (although the resource has changed since), reason? (kept with my name), learnerId?}. Answer: {message, '
    'resourceType, resourceId, version}.';
