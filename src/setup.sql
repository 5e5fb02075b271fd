-- setup(): the tables. They belong to an ordinary role and use built-in types only, so that pg_dump dumps them whole
-- and dropping the extension takes no row. Keys are ordered by bytes: faster, and no collation update breaks an index.
CREATE OR REPLACE FUNCTION learnsync.setup(owner text DEFAULT 'learnsync_owner') RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $setup$
DECLARE
    caller text := current_setting('role');
    present text;
    name text;
BEGIN
    IF owner IS NULL OR owner = '' THEN
        RAISE EXCEPTION 'owner must be the name of a role' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT pg_get_userbyid(nspowner) INTO present FROM pg_namespace WHERE nspname = 'learnsync_data';
    IF present <> owner THEN
        RAISE EXCEPTION 'schema learnsync_data belongs to "%"', present
            USING ERRCODE = 'insufficient_privilege',
                  HINT = format('Where that is right, run SELECT learnsync.setup(%L);', present);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = owner) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', owner);
    END IF;
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = owner) THEN
        RAISE EXCEPTION 'the tables cannot belong to superuser "%"', owner
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Triggers on the tables run with their owner''s rights; choose a role that has few.';
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA learnsync TO %I', owner);
    EXECUTE format('GRANT EXECUTE ON FUNCTION learnsync.current_learner(), learnsync.builtin_resource_types() TO %I', owner);
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS learnsync_data AUTHORIZATION %I', owner);
    EXECUTE format('SET LOCAL ROLE %I', owner);

    CREATE TABLE IF NOT EXISTS learnsync_data.instance (
        singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
        schema_version integer NOT NULL,
        epoch uuid NOT NULL DEFAULT gen_random_uuid(),
        secret bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    COMMENT ON TABLE learnsync_data.instance IS
        'One row: layout of the tables, epoch of the cursors (a new one makes every device start anew), secret for hashes.';

    CREATE TABLE IF NOT EXISTS learnsync_data.resource_type (
        name text COLLATE "C" PRIMARY KEY,
        rule jsonb NOT NULL);
    COMMENT ON TABLE learnsync_data.resource_type IS
        'Resource types and their merge rules. Change them with learnsync.define_resource_type, which tells every session.';

    CREATE TABLE IF NOT EXISTS learnsync_data.learner (
        learner_id text COLLATE "C" PRIMARY KEY,
        version bigint NOT NULL DEFAULT 1,
        log_version bigint NOT NULL DEFAULT 1,
        tombstone_version bigint NOT NULL DEFAULT 1,
        push_no bigint NOT NULL DEFAULT 0,
        has_failed boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp()
    ) WITH (fillfactor = 50);
    COMMENT ON TABLE learnsync_data.learner IS
        'The lock and the counters of each learner: version, version of the newest row of push, version up to which tombstones are gone, number of pushes, whether there may be failed items.';

    CREATE TABLE IF NOT EXISTS learnsync_data.device (
        learner_id text COLLATE "C" NOT NULL,
        device_id text COLLATE "C" NOT NULL,
        device_name text,
        metadata jsonb,
        version bigint NOT NULL DEFAULT 1,
        is_active boolean NOT NULL DEFAULT true,
        created_at timestamptz NOT NULL,
        last_sync_at timestamptz NOT NULL,
        PRIMARY KEY (learner_id, device_id)
    ) WITH (fillfactor = 70);
    COMMENT ON TABLE learnsync_data.device IS
        'Installations of the app; version is the one up to which the device is known to hold everything.';

    CREATE TABLE IF NOT EXISTS learnsync_data.resource (
        learner_id text COLLATE "C" NOT NULL,
        resource_type text COLLATE "C" NOT NULL,
        resource_id text COLLATE "C" NOT NULL,
        version bigint NOT NULL,
        created_version bigint NOT NULL,
        at timestamptz NOT NULL,
        deleted_at timestamptz,
        updated_at timestamptz NOT NULL,
        data jsonb,
        book jsonb,
        PRIMARY KEY (learner_id, resource_type, resource_id)
    ) WITH (fillfactor = 70);
    COMMENT ON TABLE learnsync_data.resource IS
        'The merged state of each thing. data is the document without computed fields, NULL once deleted; at its order instant, deleted_at the latest delete, updated_at the server''s time, book what merging needs to remember. One insert or update per new version: the place for AFTER triggers. No index on version: updates stay HOT, and pull reads the change log.';

    CREATE TABLE IF NOT EXISTS learnsync_data.ledger (
        learner_id text COLLATE "C" NOT NULL,
        key uuid NOT NULL,
        fingerprint bigint NOT NULL,
        version bigint NOT NULL,
        at timestamptz NOT NULL,
        verdict "char" NOT NULL,
        PRIMARY KEY (learner_id, key));
    COMMENT ON TABLE learnsync_data.ledger IS
        'Receipts: digest of the identity and of the payload of each accepted item, and its verdict: s synced, c conflict that the server won, w that the client won, m manual. at is the later of server and client time.';

    CREATE TABLE IF NOT EXISTS learnsync_data.push (
        learner_id text COLLATE "C" NOT NULL,
        version bigint NOT NULL,
        push_no bigint NOT NULL,
        slot smallint NOT NULL,
        prev_version bigint NOT NULL,
        device_id text COLLATE "C" NOT NULL,
        pushed_at timestamptz NOT NULL,
        item_count integer NOT NULL,
        resource_types text[] NOT NULL,
        resource_ids text[] NOT NULL,
        items jsonb,
        PRIMARY KEY (learner_id, version, push_no, slot)
    ) PARTITION BY LIST (slot);
    COMMENT ON TABLE learnsync_data.push IS
        'One row per push: its accepted items as sent, and the change log. The resources it changed have the versions up to version, in order; prev_version is the version of the learner''s row before it, so that pull sees a gap.';
    FOR slot IN 0..7 LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS learnsync_data.push_%s PARTITION OF learnsync_data.push FOR VALUES IN (%s)',
                       slot, slot);
        -- Without a policy: who reads a partition by its own name would go round the policy of the whole.
        EXECUTE format('ALTER TABLE learnsync_data.push_%s ENABLE ROW LEVEL SECURITY', slot);
        EXECUTE format('ALTER TABLE learnsync_data.push_%s SET (toast_tuple_target = 8000)', slot);
        IF (SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE pg_settings.name = 'default_toast_compression') THEN
            EXECUTE format('ALTER TABLE learnsync_data.push_%s ALTER COLUMN items SET COMPRESSION lz4, '
                           'ALTER COLUMN resource_types SET COMPRESSION lz4, '
                           'ALTER COLUMN resource_ids SET COMPRESSION lz4', slot);
        END IF;
    END LOOP;

    CREATE TABLE IF NOT EXISTS learnsync_data.conflict (
        learner_id text COLLATE "C" NOT NULL,
        conflict_id uuid NOT NULL,
        device_id text COLLATE "C" NOT NULL,
        item_id text NOT NULL,
        resource_type text COLLATE "C" NOT NULL,
        resource_id text COLLATE "C" NOT NULL,
        operation text NOT NULL,
        client_data jsonb,
        at timestamptz NOT NULL,
        resource_version bigint NOT NULL,
        resolution text NOT NULL,
        created_at timestamptz NOT NULL,
        closed_at timestamptz,
        closed_by text,
        PRIMARY KEY (learner_id, conflict_id));
    COMMENT ON TABLE learnsync_data.conflict IS
        'Items whose content did not become part of the state; open while closed_at is NULL. resource_version is the resource''s version that the item met.';
    CREATE INDEX IF NOT EXISTS conflict_open ON learnsync_data.conflict (learner_id, created_at, conflict_id)
        WHERE closed_at IS NULL;

    CREATE TABLE IF NOT EXISTS learnsync_data.failed (
        learner_id text COLLATE "C" NOT NULL,
        key uuid NOT NULL,
        device_id text COLLATE "C" NOT NULL,
        item_id text,
        code text NOT NULL,
        path text NOT NULL,
        message text NOT NULL,
        retryable boolean NOT NULL,
        retry_count integer NOT NULL DEFAULT 0,
        first_failed_at timestamptz NOT NULL,
        failed_at timestamptz NOT NULL,
        item jsonb,
        item_bytes integer NOT NULL,
        fingerprint bigint NOT NULL,
        PRIMARY KEY (learner_id, key));
    COMMENT ON TABLE learnsync_data.failed IS
        'Items that were refused, under the identity that a corrected copy will have; the newest 1000 of a learner. item is NULL where it was too large.';

    FOREACH name IN ARRAY ARRAY['learner', 'device', 'resource', 'ledger', 'push', 'conflict', 'failed'] LOOP
        EXECUTE format('ALTER TABLE learnsync_data.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('DROP POLICY IF EXISTS own_rows ON learnsync_data.%I', name);
        EXECUTE format('CREATE POLICY own_rows ON learnsync_data.%I FOR SELECT '
                       'USING (learner_id = (SELECT learnsync.current_learner()))', name);
    END LOOP;

    INSERT INTO learnsync_data.resource_type (name, rule)
    SELECT t.name, t.rule FROM learnsync.builtin_resource_types() t ON CONFLICT DO NOTHING;
    INSERT INTO learnsync_data.instance (schema_version) VALUES (1)
    ON CONFLICT (singleton) DO UPDATE SET schema_version = EXCLUDED.schema_version;
    PERFORM set_config('role', caller, true);
    PERFORM learnsync.setup_views();
END
$setup$;
COMMENT ON FUNCTION learnsync.setup(text) IS
    'Makes the tables in schema learnsync_data for the role owner (made as NOLOGIN where missing; a superuser is refused), or brings those of an older release up to date. Can be called again at any time.';
