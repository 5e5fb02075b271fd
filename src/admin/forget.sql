-- Erasing a learner, and a new epoch.
CREATE OR REPLACE FUNCTION learnsync_internal.forgotten_hash_as_owner(learner_id text) RETURNS bytea
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT sha256(i.secret || sha256(i.secret || convert_to(learner_id, 'UTF8')))
            FROM learnsync_data.instance i);
END
$$;
COMMENT ON FUNCTION learnsync_internal.forgotten_hash_as_owner(text) IS
    'What is kept of an erased learner: a hash that tells nothing without the secret of this installation.';

-- The learner's row is made where it is missing, and locked: whoever pushes comes before, and is erased with the rest,
-- or after, and is refused.
CREATE OR REPLACE FUNCTION learnsync_internal.forget_as_owner(learner_id text) RETURNS bigint
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
    removed bigint;
    total bigint;
    last_life bigint;
    last_version bigint;
    leases jsonb;
BEGIN
    INSERT INTO learnsync_data.learner (learner_id) VALUES (forget_as_owner.learner_id) ON CONFLICT DO NOTHING;
    -- Who was erased already stays so: what outboxes are to tell of that is of a life that nothing else knows any more.
    IF FOUND AND EXISTS (SELECT FROM learnsync_data.forgotten f
        WHERE f.learner_hash = learnsync_internal.forgotten_hash_as_owner(learner_id)) THEN
        DELETE FROM learnsync_data.learner l WHERE l.learner_id = forget_as_owner.learner_id;
        RETURN 0;
    END IF;
    PERFORM learnsync_internal.tell_as_owner('', 0, 0);
    SELECT l.life, l.version INTO last_life, last_version FROM learnsync_data.learner l
    WHERE l.learner_id = forget_as_owner.learner_id FOR UPDATE;
    SELECT greatest(last_life, i.life) INTO last_life FROM learnsync_data.instance i;
    leases := learnsync_internal.outbox_leases_as_owner(learner_id);
    INSERT INTO learnsync_data.forgotten (learner_hash, forgotten_at)
    VALUES (learnsync_internal.forgotten_hash_as_owner(learner_id), clock_timestamp()) ON CONFLICT DO NOTHING;
    UPDATE learnsync_data.profile p SET owner = NULL WHERE p.owner = forget_as_owner.learner_id;
    PERFORM learnsync_internal.erase_audit_as_owner(learner_id);
    PERFORM learnsync_internal.keep_counts_as_owner((
        SELECT learnsync_internal.counts_as_owner(c.learner_id, c.device_id, c.counts) FROM (
            SELECT l.learner_id, NULL::text AS device_id, l.counts FROM learnsync_data.learner l
            WHERE l.learner_id = forget_as_owner.learner_id
            UNION ALL
            SELECT d.learner_id, d.device_id, d.counts FROM learnsync_data.device d
            WHERE d.learner_id = forget_as_owner.learner_id) c));
    -- In the order in which they lie, as clean-up removes receipts that are old: it has no lock of the learner.
    DELETE FROM learnsync_data.ledger g WHERE g.ctid = ANY (ARRAY(
        SELECT x.ctid FROM learnsync_data.ledger x WHERE x.learner_id = forget_as_owner.learner_id));
    GET DIAGNOSTICS total = ROW_COUNT;
    FOR name IN SELECT learnsync_internal.learner_tables() LOOP
        CONTINUE WHEN name IN ('audit', 'ledger');
        EXECUTE format('DELETE FROM learnsync_data.%I WHERE learner_id = $1', name) USING learner_id;
        GET DIAGNOSTICS removed = ROW_COUNT;
        total := total + removed;
        PERFORM learnsync_internal.tell_as_owner('forget_learner, rows removed', total, -1);
    END LOOP;
    IF leases IS NOT NULL THEN
        PERFORM learnsync_internal.outbox_erase_as_owner(learner_id, last_life, last_version, leases);
    END IF;
    RETURN total - 1;
END
$$;
COMMENT ON FUNCTION learnsync_internal.forget_as_owner(text) IS
    'What forget_learner does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_internal.remember_as_owner(learner_id text) RETURNS boolean
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM learnsync_data.forgotten f
                   WHERE f.learner_hash = learnsync_internal.forgotten_hash_as_owner(learner_id)) THEN
        RETURN false;
    END IF;
    -- The learner's row before the hash, as in forget_as_owner, so that the two cannot deadlock. On a server that has
    -- not the learner's part the hash goes alone.
    INSERT INTO learnsync_data.learner (learner_id, epoch, life)
    SELECT remember_as_owner.learner_id, gen_random_uuid(), learnsync_internal.new_life_as_owner()
    WHERE learnsync_internal.part_is_here_as_owner(learner_id)
    ON CONFLICT ON CONSTRAINT learner_pkey DO UPDATE SET epoch = EXCLUDED.epoch, life = EXCLUDED.life;
    DELETE FROM learnsync_data.forgotten f
    WHERE f.learner_hash = learnsync_internal.forgotten_hash_as_owner(learner_id);
    RETURN true;
END
$$;
COMMENT ON FUNCTION learnsync_internal.remember_as_owner(text) IS
    'What remember_learner does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_internal.new_epoch_as_owner() RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_epoch uuid;
    new_life bigint := learnsync_internal.new_life_as_owner();
BEGIN
    IF EXISTS (SELECT FROM learnsync_data.outbox) THEN
        PERFORM learnsync_internal.wait_for_pushes_as_owner();
    END IF;
    UPDATE learnsync_data.instance SET epoch = gen_random_uuid() RETURNING epoch INTO STRICT new_epoch;
    SELECT greatest(new_life, max(l.life) + 1) INTO new_life FROM learnsync_data.learner l WHERE l.life IS NOT NULL;
    UPDATE learnsync_data.learner SET epoch = NULL, life = NULL WHERE epoch IS NOT NULL;
    PERFORM learnsync_internal.outbox_renew_as_owner(new_life);
    RETURN new_epoch;
END
$$;
COMMENT ON FUNCTION learnsync_internal.new_epoch_as_owner() IS 'What new_epoch does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync.forget_learner(learner_id text) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_forget_learner';
COMMENT ON FUNCTION learnsync.forget_learner(text) IS
    'Erases a learner: every row of theirs in learnsync_data goes, in this transaction. A keyed hash stays, so that '
    'a late push is refused (PT410). Answers how many rows went, not counting the learner''s own, with a notice a '
    'second on the way; 0 where the learner was erased before. Errors: 22023 no learner id.';

CREATE OR REPLACE FUNCTION learnsync.remember_learner(learner_id text) RETURNS boolean
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_remember_learner';
COMMENT ON FUNCTION learnsync.remember_learner(text) IS
    'Lets an erased learner start anew, with nothing; whether that learner had been erased. The new life has an '
    'epoch of its own, so that cursors of the old one reset. Devices that still hold old items push them as new ones '
    'then.';

CREATE OR REPLACE FUNCTION learnsync.new_epoch() RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_new_epoch';
COMMENT ON FUNCTION learnsync.new_epoch() IS
    'Starts a new epoch and answers it: every device drops what it pulled and starts anew at its next pull. Call it '
    'after the database went back to an earlier state, before apps connect. All sessions use it once this '
    'transaction has committed.';
