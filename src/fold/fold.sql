-- sync_why, resource_verify
CREATE OR REPLACE FUNCTION learnsync.sync_why(learner_id text, request jsonb) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_sync_why';
COMMENT ON FUNCTION learnsync.sync_why(text, jsonb) IS
    'Why a learner''s document is what it is. request: {resourceType, resourceId, field?, learnerId?}. Answer: '
    '{resourceType, resourceId, version, data, complete, since, fields: {name: {value, strategy, decided, lost, '
    'lostCount, devices?, source?}}}. decided names the items that make the value, each {id, deviceId, '
    'clientTimestamp, orderedAt, receivedAt, value, members?, resolution?}: folded with merge_agg they give it. lost: '
    'the newest 100 of the others. Only kept items are named; since says from when on all are, null where that is '
    'always (learnsync.keep_payloads, maintain()). Errors: 22023 malformed request, PT404 no such resource.';

CREATE OR REPLACE FUNCTION learnsync_api.sync_why(jsonb) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_api_sync_why';
COMMENT ON FUNCTION learnsync_api.sync_why(jsonb) IS
    'Why a document of mine is what it is. Body: {resourceType, resourceId, field?, learnerId?}. Answer: '
    '{resourceType, resourceId, version, data, complete, since, fields: {name: {value, strategy, decided, lost, '
    'lostCount, devices?, source?}}}; decided names the items that make the value, lost the newest 100 of the others. '
    'Errors: 22023 malformed request, PT404 no such resource.';

CREATE OR REPLACE FUNCTION learnsync.resource_verify(learner text DEFAULT NULL, OUT learner_id text,
    OUT resource_type text, OUT resource_id text, OUT damage text)
    RETURNS SETOF record
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_resource_verify';
COMMENT ON FUNCTION learnsync.resource_verify(text) IS
    'The resources, of one learner or of all, that are not what their items make them; damage says what is wrong, or '
    'which row cannot be read. None, unless somebody wrote the tables. Folds every kept item; a notice says how many '
    'resources cannot be judged, as items of theirs are not kept, came by another rule or through a merge function.';

CREATE OR REPLACE FUNCTION learnsync_internal.check_resources_as_owner(learner text, OUT learner_id text,
    OUT resource_type text, OUT resource_id text, OUT damage text, OUT looked_at bigint, OUT unknown bigint)
    RETURNS SETOF record
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'learnsync_check_resources_as_owner';
COMMENT ON FUNCTION learnsync_internal.check_resources_as_owner(text) IS
    'What resource_verify says of one learner, with those that cannot be judged, which have no damage; and in a row of '
    'its own how many resources were looked at, and how many of these cannot be judged. Part of maintain().';
