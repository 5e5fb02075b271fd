-- The schemas. learnsync_data, with the tables, is made by setup(). learnsync is made by CREATE EXTENSION; where
-- somebody else had made it before, that somebody could replace our functions.
DO $$
BEGIN
    -- What devices send is Unicode. Other encodings cannot hold all of it; SQL_ASCII holds what no client can read
    -- again.
    IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'the encoding of this database is %, learnsync needs UTF8', pg_catalog.getdatabaseencoding()
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Make one with CREATE DATABASE name ENCODING ''UTF8'' TEMPLATE template0, with LOCALE '
                         '''C.UTF-8'' or ''C'' where the server''s own locale does not go with it.';
    END IF;
    IF (SELECT nspowner <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
        FROM pg_catalog.pg_namespace WHERE nspname = 'learnsync') THEN
        RAISE EXCEPTION 'schema learnsync belongs to another role'
            USING ERRCODE = 'insufficient_privilege', HINT = 'Drop the schema and create the extension again.';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
               WHERE n.nspname = 'learnsync' AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner) THEN
        RAISE EXCEPTION 'other roles may create objects in schema learnsync'
            USING ERRCODE = 'insufficient_privilege', HINT = 'Drop the schema and create the extension again.';
    END IF;
    -- Those that name a schema do not concern ours, and what PUBLIC gets of functions is taken back at the end.
    IF EXISTS (SELECT FROM pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) a
               WHERE d.defaclrole = current_user::pg_catalog.regrole AND d.defaclnamespace = 0
                   AND d.defaclobjtype IN ('f', 'n') AND a.grantee <> d.defaclrole
                   AND (d.defaclobjtype = 'n' OR a.grantee <> 0)) THEN
        RAISE EXCEPTION 'default privileges would give the functions or schemas of learnsync to other roles'
            USING ERRCODE = 'insufficient_privilege',
                  HINT = pg_catalog.format('Take them back with ALTER DEFAULT PRIVILEGES FOR ROLE %I REVOKE, or '
                                           'install as another superuser.',
                      current_user);
    END IF;
END
$$;

CREATE SCHEMA learnsync_api;
COMMENT ON SCHEMA learnsync_api IS
    'Offline sync for learning apps: push what a device collected, pull what other devices did. For apps; expose '
    'this one.';
CREATE SCHEMA learnsync_report;
COMMENT ON SCHEMA learnsync_report IS
    'Reports: the views of learnsync_api with the rows of every learner whom the caller may read.';
COMMENT ON SCHEMA learnsync IS
    'learnsync: functions with the learner as first argument, for backends and administrators. Never expose it over '
    'HTTP.';
CREATE SCHEMA learnsync_internal;
COMMENT ON SCHEMA learnsync_internal IS
    'What learnsync is made of: parts of its types, aggregates and procedures, and what runs as the owner of the '
    'tables. Nothing here is to be called by name; it changes from release to release.';

-- Rows on their way from C into a statement.
CREATE TYPE learnsync_internal.ledger_row AS (
    key uuid, fingerprint bigint, verdict "char", version bigint, at timestamptz);
CREATE TYPE learnsync_internal.known_row AS (
    item bigint, key uuid, resource_type text, resource_id text);
CREATE TYPE learnsync_internal.resource_row AS (
    resource_type text, resource_id text, version bigint, created_version bigint, at timestamptz,
    deleted_at timestamptz, data jsonb, book jsonb, place tid);
CREATE TYPE learnsync_internal.member_row AS (
    resource_type text, resource_id text, field text, member_id text, version bigint, at timestamptz, value jsonb,
    place tid);
CREATE TYPE learnsync_internal.xapi_row AS (
    resource_type text, resource_id text, at timestamptz, agent text, verb text, activity text, registration text,
    voids text);
CREATE TYPE learnsync_internal.conflict_row AS (
    conflict_id uuid, item_id text, resource_type text, resource_id text, operation text, client_data jsonb,
    server_data jsonb, at timestamptz, resource_version bigint, resolution text, is_open boolean);
CREATE TYPE learnsync_internal.instant_row AS (key uuid, client_at timestamptz, at timestamptz);
CREATE TYPE learnsync_internal.failed_row AS (
    key uuid, item_id text, code text, path text, message text, retryable boolean, item jsonb, item_bytes integer,
    fingerprint bigint, copies integer, client_at timestamptz, at timestamptz, waits_for text, position integer);
