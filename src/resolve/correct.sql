-- sync_correct, sync_uncorrect
CREATE OR REPLACE FUNCTION learnsync.sync_correct(learner_id text, request jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_sync_correct';
COMMENT ON FUNCTION learnsync.sync_correct(text, jsonb) IS
    'A person''s correction of a learner''s document, which holds against devices that have not seen it. request: '
    '{resourceType, resourceId, data, by, reason, conflictId?, learnerId?}; data has the fields that are corrected, of '
    'lists the members to set, as an array, or {set, remove} with an array each; by and reason say who corrects and '
    'why, conflictId is an open conflict of the resource that this settles. Answer: {resourceType, resourceId, '
    'version, correctionId}. Errors: 22023 malformed request or data that the rule refuses, 42704 no such type, PT404 '
    'no such document or conflict, 0A000 what cannot be corrected (xAPI statements, types with a clock or a merge '
    'function, computed fields), 54000 20 corrections stand already or all would be larger than '
    'learnsync.max_document_bytes.';

CREATE OR REPLACE FUNCTION learnsync.sync_uncorrect(learner_id text, request jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_sync_uncorrect';
COMMENT ON FUNCTION learnsync.sync_uncorrect(text, jsonb) IS
    'Takes the newest correction of a document back: it is what it would be without. request: {resourceType, '
    'resourceId, by, reason, correctionId? (that it must be), learnerId?}. Answer: {resourceType, resourceId, version, '
    'correctionId}. Errors: 22023 malformed request, 42704 no such type, PT404 no such document or no correction, '
    'PT409 another correction is the newest.';
