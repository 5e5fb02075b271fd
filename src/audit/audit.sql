-- The audit: nobody changes what stands there, and an erased learner stands there as a hash.
CREATE OR REPLACE FUNCTION learnsync_internal.erased_name_as_owner(learner_id text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN encode(learnsync_internal.forgotten_hash_as_owner(learner_id), 'hex');
END
$$;
COMMENT ON FUNCTION learnsync_internal.erased_name_as_owner(text) IS 'What an erased learner is called in the audit.';

-- Whoever has the rights of the owner can do away with this trigger; it keeps triggers and people from mistakes.
CREATE OR REPLACE FUNCTION learnsync_internal.keep_audit_as_owner() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (OLD.audit_id, OLD.at, OLD.action, OLD.role, COALESCE(OLD.resource_type, ''))
            = (NEW.audit_id, NEW.at, NEW.action, NEW.role, COALESCE(NEW.resource_type, ''))
            AND EXISTS (SELECT FROM learnsync_data.forgotten f
                        WHERE encode(f.learner_hash, 'hex') IN (NEW.learner_id, NEW."by")) THEN
            RETURN NEW;
        END IF;
    END IF;
    IF TG_OP = 'DELETE' AND EXISTS (
        SELECT FROM learnsync_data.part p CROSS JOIN learnsync_data.instance i
        WHERE p.state = 'leaving' AND p.part = learnsync.part_of(OLD.learner_id, i.parts)) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit is only added to' USING ERRCODE = 'insufficient_privilege',
        HINT = 'learnsync.forget_learner() takes the names and words out that concern a learner.';
END
$$;
COMMENT ON FUNCTION learnsync_internal.keep_audit_as_owner() IS
    'Refuses to change the audit, but for an erasure, and for learners who have moved. A trigger.';

CREATE OR REPLACE FUNCTION learnsync_internal.see_to_audit_as_owner() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN VALUES ('learnsync_keep_rows', 'BEFORE UPDATE OR DELETE ON learnsync_data.audit FOR EACH ROW'),
        ('learnsync_keep_table', 'BEFORE TRUNCATE ON learnsync_data.audit FOR EACH STATEMENT') LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_trigger t
                              WHERE t.tgrelid = 'learnsync_data.audit'::regclass AND t.tgname = wanted.column1);
        EXECUTE format('CREATE TRIGGER %I %s EXECUTE FUNCTION learnsync_internal.keep_audit_as_owner()',
            wanted.column1, wanted.column2);
    END LOOP;
END
$$;
COMMENT ON FUNCTION learnsync_internal.see_to_audit_as_owner() IS
    'Sees to it that the audit is only added to. Part of setup().';

-- Of an erased learner there stays who did what and when; words that may be about the learner go.
CREATE OR REPLACE FUNCTION learnsync_internal.erase_audit_as_owner(learner_id text) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id CONSTANT text := learner_id;
    hash CONSTANT text := learnsync_internal.erased_name_as_owner(id);
BEGIN
    UPDATE learnsync_data.audit a SET learner_id = hash, by = CASE WHEN a.by = id THEN hash ELSE a.by END,
        reason = NULL, resource_id = NULL, details = NULL
    WHERE a.learner_id = id;
    UPDATE learnsync_data.audit a SET by = hash WHERE a.by = id;
END
$$;
COMMENT ON FUNCTION learnsync_internal.erase_audit_as_owner(text) IS
    'Takes an erased learner out of the audit. Part of forget_learner().';

CREATE OR REPLACE FUNCTION learnsync_internal.note_access(action text, role text, kind text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_note_access';
COMMENT ON FUNCTION learnsync_internal.note_access(text, text, text) IS
    'Notes in the audit that a role was given or lost access. Part of grant_access() and revoke_access().';
