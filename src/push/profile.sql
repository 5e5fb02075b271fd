-- progress_batch, and the profiles that it is for.
CREATE OR REPLACE FUNCTION learnsync.progress_batch(learner_id text, request jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'learnsync_progress_batch';
COMMENT ON FUNCTION learnsync.progress_batch(text, jsonb) IS
    'Takes in activities of a learner, who is the profile, each once by its idempotency_key. request: {profile_id?, '
    'items: [{idempotency_key, activity_type, content_id, score?, duration_seconds?, meta_data?, timestamp?, '
    'completed?}], sentAt?, learnerId?}. Answer: {results: [{idempotency_key, status: ok|duplicate|error, server_id?, '
    'error?}]}, in input order. Errors: 22023 malformed envelope, 54000 too many items.';

CREATE OR REPLACE FUNCTION learnsync_api.progress_batch(jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'learnsync_api_progress_batch';
COMMENT ON FUNCTION learnsync_api.progress_batch(jsonb) IS
    'Add activities of a profile that I own, or of mine. Body: {profile_id, items: [{idempotency_key, activity_type, '
    'content_id, score?, duration_seconds?, meta_data?, timestamp?, completed?}], sentAt?, learnerId?}. Answer: '
    '{results: [{idempotency_key, status: ok|duplicate|error, server_id?, error?}]}, in input order. Repeating a '
    'batch is safe; a duplicate carries the server_id of the first.';

-- Both learners' rows are locked, or made, in one order for all: nobody becomes a learner, and nobody is erased,
-- between the check and the write. An owner who is no learner yet does not become one by this.
CREATE OR REPLACE FUNCTION learnsync_internal.add_profile_as_owner(profile_id text, owner text) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id text;
    present text;
    made text[] := '{}';
BEGIN
    IF profile_id IS NULL OR char_length(profile_id) NOT BETWEEN 1 AND 200
        OR owner IS NULL OR char_length(owner) NOT BETWEEN 1 AND 200 OR owner = profile_id THEN
        RAISE EXCEPTION 'profile_id and owner must be two ids of 1 to 200 characters'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR id IN SELECT u FROM unnest(ARRAY[profile_id, owner]) u ORDER BY u COLLATE "C" LOOP
        LOOP
            PERFORM FROM learnsync_data.learner l
            WHERE l.learner_id = id AND (l.moved_at IS NULL OR id <> profile_id) FOR NO KEY UPDATE;
            EXIT WHEN FOUND;
            IF id = profile_id AND NOT learnsync_internal.part_is_here_as_owner(id) THEN
                RAISE EXCEPTION 'the learner is on another server' USING ERRCODE = 'PT503',
                    DETAIL = 'The part of this profile was given away, or was never here.';
            END IF;
            INSERT INTO learnsync_data.learner (learner_id) VALUES (id) ON CONFLICT (learner_id) DO NOTHING;
            IF FOUND THEN
                made := made || id;
            END IF;
        END LOOP;
    END LOOP;
    DELETE FROM learnsync_data.learner l WHERE l.learner_id = add_profile_as_owner.owner AND l.learner_id = ANY (made);
    SELECT p.owner INTO present FROM learnsync_data.profile p WHERE p.learner_id = profile_id;
    IF FOUND AND present IS NULL THEN
        UPDATE learnsync_data.profile p SET owner = add_profile_as_owner.owner WHERE p.learner_id = profile_id;
        RETURN true;
    END IF;
    IF present = add_profile_as_owner.owner THEN
        RETURN false;
    END IF;
    IF present IS NOT NULL OR profile_id <> ALL (made) THEN
        RAISE EXCEPTION 'profile is somebody else''s already' USING ERRCODE = 'unique_violation',
            DETAIL = CASE WHEN present IS NULL THEN format('%s is a learner of their own.', to_json(profile_id))
                     ELSE format('%s belongs to another owner.', to_json(profile_id)) END,
            HINT = 'Give each profile an id that nobody else has, and add it before its first activity.';
    END IF;
    INSERT INTO learnsync_data.profile (learner_id, owner, created_at) VALUES (profile_id, owner, clock_timestamp());
    RETURN true;
END
$$;
COMMENT ON FUNCTION learnsync_internal.add_profile_as_owner(text, text) IS
    'What add_profile does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_internal.remove_profile_as_owner(profile_id text) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    had text;
BEGIN
    SELECT p.owner INTO had FROM learnsync_data.profile p WHERE p.learner_id = profile_id FOR UPDATE;
    UPDATE learnsync_data.profile p SET owner = NULL WHERE p.learner_id = profile_id AND p.owner IS NOT NULL;
    RETURN had;
END
$$;
COMMENT ON FUNCTION learnsync_internal.remove_profile_as_owner(text) IS
    'What remove_profile does, as the owner of the tables: the owner that there was.';

CREATE OR REPLACE FUNCTION learnsync.add_profile(profile_id text, owner text) RETURNS boolean
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_add_profile';
COMMENT ON FUNCTION learnsync.add_profile(text, text) IS
    'Makes a profile, a learner for whom another one, the owner, sends activities and whose activities the owner may '
    'read; whether it is new to this owner. Errors: 22023 no two ids, 23505 the id is a learner''s or another '
    'owner''s profile, PT410 the profile or the owner was erased.';

CREATE OR REPLACE FUNCTION learnsync.remove_profile(profile_id text) RETURNS boolean
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_remove_profile';
COMMENT ON FUNCTION learnsync.remove_profile(text) IS
    'Takes a profile from its owner; whether there was one. What was recorded of the learner stays, until '
    'forget_learner, and add_profile can give it to another.';
