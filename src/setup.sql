-- setup(), which sees to the owner of the tables and then, as that role, to the tables.

-- What a role is or has that the owner of the tables should not: triggers run with its rights, and whoever has its
-- rights writes the tables. What else it owns matters where it is new to us; later it is what a team has made beside
-- the tables.
CREATE OR REPLACE FUNCTION learnsync_internal.owner_risks(owner text, is_new boolean) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT NULLIF(concat_ws(' ',
    'It has ' || NULLIF(
        concat_ws(', ', CASE WHEN r.rolcanlogin THEN 'LOGIN' END, CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
            CASE WHEN r.rolreplication THEN 'REPLICATION' END, CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END),
        '') || '.',
    'It has members: ' || (SELECT string_agg(quote_ident(m.rolname), ', ' ORDER BY m.rolname) FROM pg_roles m
        WHERE m.oid <> r.oid AND NOT m.rolsuper AND pg_has_role(m.oid, r.oid, 'MEMBER')) || '.',
    'It is a member of ' || (SELECT string_agg(quote_ident(m.rolname), ', ' ORDER BY m.rolname) FROM pg_roles m
        WHERE m.oid <> r.oid AND pg_has_role(r.oid, m.oid, 'MEMBER')) || '.',
    CASE WHEN EXISTS (SELECT FROM pg_default_acl d, aclexplode(d.defaclacl) a
                      WHERE d.defaclrole = r.oid AND d.defaclobjtype = 'r' AND a.grantee <> r.oid)
        THEN 'Its default privileges give its tables to others.' END,
    CASE WHEN is_new AND EXISTS (SELECT FROM pg_shdepend d
                                 WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o'
                                     AND d.dbid IN (0,
                                         (SELECT oid FROM pg_database WHERE datname = current_database())))
        THEN 'It owns other things.' END), '')
FROM pg_roles r WHERE r.rolname = owner
$$;
COMMENT ON FUNCTION learnsync_internal.owner_risks(text, boolean) IS
    'Why a role should not own the tables, in sentences; NULL where nothing speaks against it.';

-- Sees to the role that is to own the tables, and to its rights; whether the role was made.
CREATE OR REPLACE FUNCTION learnsync_internal.setup_owner(owner text, allow boolean) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present text;
    risks text;
    made boolean;
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
    made := NOT EXISTS (SELECT FROM pg_roles WHERE rolname = owner);
    IF made THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', owner);
    END IF;
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = owner) THEN
        RAISE EXCEPTION 'the tables cannot belong to superuser "%"', owner
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Triggers on the tables run with their owner''s rights; choose a role that has few.';
    END IF;
    risks := learnsync_internal.owner_risks(owner, present IS NULL);
    IF risks IS NOT NULL AND allow IS NOT TRUE THEN
        RAISE EXCEPTION 'role "%" is more than an owner of tables', owner
            USING ERRCODE = 'invalid_parameter_value', DETAIL = risks,
                  HINT = format('Triggers on the tables run with its rights, and whoever has these can write them. '
                                'Choose a role of its own, or run SELECT learnsync.setup(%L, allow => true);',
                      owner);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA learnsync, learnsync_internal TO %I', owner);
    EXECUTE format('GRANT EXECUTE ON FUNCTION learnsync.current_learner(), learnsync.current_learners(), '
                   'learnsync.builtin_resource_types(), learnsync.part_of(text, integer), '
                   'learnsync_internal.learner_tables(), learnsync_internal.run_patiently(text) TO %I',
        owner);
    FOR name IN SELECT p.oid::regprocedure FROM pg_proc p
        WHERE p.pronamespace = 'learnsync_internal'::regnamespace AND p.proname LIKE '%\_as\_owner' LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', name, owner);
    END LOOP;
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS learnsync_data AUTHORIZATION %I', owner);
    RETURN made;
END
$$;
COMMENT ON FUNCTION learnsync_internal.setup_owner(text, boolean) IS
    'Makes the owner of the tables where it is missing, or refuses it, and gives it what it needs. Part of setup().';

-- Runs a statement that waits for open calls: a tenth of a second at a time, so that nobody waits behind it for longer.
CREATE OR REPLACE FUNCTION learnsync_internal.run_patiently(statement text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
BEGIN
    FOR tries IN 1..50 LOOP
        BEGIN
            EXECUTE statement;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            IF tries = 50 THEN
                RAISE EXCEPTION 'open transactions keep the tables of learnsync from being changed'
                    USING ERRCODE = 'lock_not_available', HINT = 'Try again when they have ended; pg_locks shows them.';
            END IF;
        END;
        PERFORM pg_sleep(0.05);
    END LOOP;
END
$$;
COMMENT ON FUNCTION learnsync_internal.run_patiently(text) IS
    'Runs a statement again and again until it gets its locks within a tenth of a second; 55P03 after 8 seconds.';

-- All tables are locked before the first is changed: whoever holds one of them and wants another would wait for us, and
-- we for them.
CREATE OR REPLACE FUNCTION learnsync_internal.change_tables_as_owner(statement text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM learnsync_internal.run_patiently((
        SELECT format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE',
            string_agg(format('learnsync_data.%I', c.relname), ', ' ORDER BY c.relname))
        FROM pg_class c WHERE c.relnamespace = 'learnsync_data'::regnamespace AND c.relkind IN ('r', 'p')
            AND NOT c.relispartition AND c.relowner = current_user::regrole));
    EXECUTE statement;
END
$$;
COMMENT ON FUNCTION learnsync_internal.change_tables_as_owner(text) IS
    'Runs a statement that changes tables while no call is open.';

CREATE OR REPLACE FUNCTION learnsync_internal.see_to_index_as_owner(name text, definition text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF to_regclass(format('learnsync_data.%I', name)) IS NULL THEN
        PERFORM learnsync_internal.change_tables_as_owner(
            format('CREATE INDEX %I ON learnsync_data.%s', name, definition));
    END IF;
END
$$;
COMMENT ON FUNCTION learnsync_internal.see_to_index_as_owner(text, text) IS 'Makes an index where it is missing.';

-- COMMENT ON waits for VACUUM, and ANALYZE waits for the end of whoever has granted rights on the table: where the
-- comment is there already, nobody may wait.
CREATE OR REPLACE FUNCTION learnsync_internal.see_to_comment_as_owner(name text, comment text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF obj_description(format('learnsync_data.%I', name)::regclass, 'pg_class') IS DISTINCT FROM comment THEN
        EXECUTE format('COMMENT ON TABLE learnsync_data.%I IS %L', name, comment);
    END IF;
END
$$;
COMMENT ON FUNCTION learnsync_internal.see_to_comment_as_owner(text, text) IS 'Describes a table.';

CREATE OR REPLACE FUNCTION learnsync_internal.setup_tables(owner text) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'learnsync_setup_tables';
COMMENT ON FUNCTION learnsync_internal.setup_tables(text) IS
    'Runs setup_tables_as_owner() as a role, of whose own code nothing gets back to the caller''s rights.';

CREATE OR REPLACE FUNCTION learnsync.setup(owner text DEFAULT 'learnsync_owner', allow boolean DEFAULT false)
    RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
    release constant text := (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'learnsync');
    made boolean;
    before text;
BEGIN
    -- One at a time: two that grant the same rights at once would stop each other with an internal error.
    PERFORM FROM pg_extension e WHERE e.extname = 'learnsync' FOR NO KEY UPDATE;
    made := learnsync_internal.setup_owner(owner, allow);
    before := learnsync_internal.setup_tables(owner);
    PERFORM learnsync_internal.run_patiently('SELECT learnsync_internal.setup_views()');
    RETURN format(CASE WHEN made THEN 'role %I and its tables are made' WHEN before IS NULL THEN 'tables of %I are made'
                  WHEN before = release THEN 'tables of %I are up to date'
                  ELSE 'tables of %I are brought from release %s to %s' END, owner, before, release);
END
$$;
COMMENT ON FUNCTION learnsync.setup(text, boolean) IS
    'Makes the tables in schema learnsync_data for the role owner (made as NOLOGIN where missing), or brings those '
    'of an older release up to date, and answers what it did. Can be called again at any time: where nothing is '
    'missing, pushes do not wait for it; where something is, it waits for open transactions, at most 8 seconds. A '
    'superuser is refused as owner; so is, but for allow => true, a role that can log in, has CREATEROLE, '
    'REPLICATION or BYPASSRLS, has members or is one, owns other things at the first call, or gives its tables to '
    'others by default. Errors: 22023 such an owner, 42501 schema learnsync_data belongs to another role, 55P03 open '
    'transactions use the tables, 55000 the tables are of a newer release.';
