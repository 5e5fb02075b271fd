-- CREATE EXTENSION, setup() and what they leave behind.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS learnsync CASCADE;
DROP SCHEMA IF EXISTS learnsync;
CREATE ROLE regress_learnsync_super SUPERUSER;
CREATE ROLE regress_learnsync_other;

-- What devices send is Unicode: no other encoding will do.
SELECT current_database() AS home \gset
CREATE DATABASE regress_learnsync_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C';
CREATE DATABASE regress_learnsync_latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C';
\connect regress_learnsync_ascii
CREATE EXTENSION learnsync;
\echo :SQLSTATE
\connect regress_learnsync_latin
CREATE EXTENSION learnsync;
\connect :home
SET client_min_messages = warning;
DROP DATABASE regress_learnsync_ascii;
DROP DATABASE regress_learnsync_latin;

-- Schemas that somebody else made are not adopted.
CREATE SCHEMA learnsync AUTHORIZATION regress_learnsync_other;
CREATE EXTENSION learnsync;
\echo :SQLSTATE
DROP SCHEMA learnsync;
CREATE SCHEMA learnsync_api AUTHORIZATION regress_learnsync_other;
CREATE EXTENSION learnsync;
\echo :SQLSTATE
DROP SCHEMA learnsync_api;

-- Nor are functions.
CREATE SCHEMA learnsync;
CREATE FUNCTION learnsync.digest(value jsonb) RETURNS uuid LANGUAGE sql RETURN gen_random_uuid();
CREATE EXTENSION learnsync;
\echo :SQLSTATE
DROP SCHEMA learnsync CASCADE;

CREATE EXTENSION learnsync;

-- Nothing works before setup(), and everything says so.
SELECT learnsync.sync_push('ann', '{"deviceId": "d1", "items": []}')::jsonb;
\echo :SQLSTATE
SET learnsync.learner_id = 'ann';
\set VERBOSITY terse
SELECT learnsync_api.sync_push('{"deviceId": "d1", "items": []}')::jsonb;
SELECT learnsync.sync_pull('ann', '{"deviceId": "d1"}');
SELECT learnsync_api.sync_pull('{"deviceId": "d1"}');
SELECT learnsync.sync_devices('ann');
SELECT learnsync_api.sync_devices();
SELECT learnsync.sync_status('ann');
SELECT learnsync_api.sync_status();
SELECT learnsync.sync_deactivate_device('ann', '{"deviceId": "d1"}');
SELECT learnsync_api.sync_cleanup('{}');
CALL learnsync.maintain();
CALL learnsync.retry_failed();
SELECT learnsync.forget_learner('ann');
SELECT learnsync.new_epoch();
SELECT learnsync.define_resource_type('note', '{}');
SELECT learnsync.drop_resource_type('mastery');
\set VERBOSITY default
RESET learnsync.learner_id;

-- The owner is an ordinary role.
SELECT learnsync.setup('regress_learnsync_super');
\echo :SQLSTATE
SELECT learnsync.setup(NULL);
\echo :SQLSTATE
SELECT count(*) FROM pg_namespace WHERE nspname = 'learnsync_data';

-- Without allow => true, one that has more than that is refused, and nothing is made.
CREATE ROLE regress_learnsync_rich LOGIN CREATEROLE BYPASSRLS REPLICATION;
GRANT regress_learnsync_rich TO regress_learnsync_super;
CREATE SCHEMA regress_learnsync_rich AUTHORIZATION regress_learnsync_rich;
SELECT learnsync.setup('regress_learnsync_rich');
\echo :SQLSTATE
ALTER ROLE regress_learnsync_rich NOLOGIN NOCREATEROLE NOBYPASSRLS NOREPLICATION;
CREATE ROLE regress_learnsync_group;
GRANT regress_learnsync_group TO regress_learnsync_rich;
GRANT regress_learnsync_rich TO regress_learnsync_other;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_learnsync_rich GRANT TRUNCATE ON TABLES TO regress_learnsync_other;
\set VERBOSITY terse
SELECT learnsync.setup('regress_learnsync_rich', NULL);
\set VERBOSITY default
SELECT learnsync_internal.owner_risks('regress_learnsync_rich', true);
DROP ROLE regress_learnsync_group;
REVOKE regress_learnsync_rich FROM regress_learnsync_other, regress_learnsync_super;
SELECT learnsync_internal.owner_risks('regress_learnsync_rich', false);
ALTER DEFAULT PRIVILEGES FOR ROLE regress_learnsync_rich REVOKE TRUNCATE ON TABLES FROM regress_learnsync_other;
SELECT learnsync_internal.owner_risks('regress_learnsync_rich', true);
SELECT count(*) FROM pg_namespace WHERE nspname = 'learnsync_data';
ALTER ROLE regress_learnsync_rich LOGIN;
SELECT learnsync.setup('regress_learnsync_rich', allow => true);
SELECT learnsync.setup('regress_learnsync_rich');
ALTER ROLE regress_learnsync_rich NOLOGIN;
SELECT learnsync.setup('regress_learnsync_rich');
DROP SCHEMA learnsync_data CASCADE;
DROP OWNED BY regress_learnsync_rich;
DROP ROLE regress_learnsync_rich;

SELECT learnsync.setup('regress_learnsync_owner');
SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'regress_learnsync_owner';
SELECT current_user = session_user AS still_me;

-- Again, at any time; another owner is refused.
SELECT epoch, secret FROM learnsync_data.instance \gset before_
DELETE FROM learnsync_data.resource_type WHERE name = 'mastery';
SELECT learnsync.setup('regress_learnsync_owner');
SELECT count(*) AS rows, bool_and(epoch = :'before_epoch' AND secret = :'before_secret') AS same
FROM learnsync_data.instance;
SELECT name FROM learnsync_data.resource_type ORDER BY name;
SELECT learnsync.setup('regress_learnsync_other');
\echo :SQLSTATE
SELECT learnsync.setup();
\echo :SQLSTATE

-- What there is.
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'learnsync%' ORDER BY 1;
SELECT relname, relkind, pg_get_userbyid(relowner) AS owner, relrowsecurity AS secured, relforcerowsecurity AS forced
FROM pg_class WHERE relnamespace = 'learnsync_data'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1;
\pset format unaligned
SELECT p.oid::regprocedure AS function, pg_get_function_result(p.oid) AS result, provolatile AS v, proparallel AS p
FROM pg_proc p WHERE pronamespace::regnamespace::text LIKE 'learnsync%'
ORDER BY p.oid::regprocedure::text COLLATE "C";
\pset format aligned

-- One function per name and schema; each one that is called by name and each table is described.
SELECT pronamespace::regnamespace, proname FROM pg_proc
WHERE pronamespace::regnamespace::text LIKE 'learnsync%' GROUP BY 1, 2 HAVING count(*) > 1;
SELECT oid::regprocedure FROM pg_proc
WHERE pronamespace::regnamespace::text LIKE 'learnsync%'
    AND proname !~ '_(in|out|recv|send|eq|ne|hash|from_jsonb|add|step|combine|serialize|deserialize|final)$'
        AND obj_description(oid, 'pg_proc') IS NULL;
SELECT relname FROM pg_class
WHERE relnamespace = 'learnsync_data'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND obj_description(oid, 'pg_class') IS NULL;

-- Nothing is granted to PUBLIC.
SELECT 'schema' AS kind, nspname::text AS name
FROM pg_namespace, aclexplode(COALESCE(nspacl, acldefault('n', nspowner)))
WHERE nspname LIKE 'learnsync%' AND grantee = 0
UNION ALL
SELECT 'function', p.oid::regprocedure::text FROM pg_proc p, aclexplode(COALESCE(proacl, acldefault('f', proowner)))
WHERE pronamespace::regnamespace::text LIKE 'learnsync%' AND grantee = 0
UNION ALL
SELECT 'type', t.oid::regtype::text FROM pg_type t, aclexplode(COALESCE(typacl, acldefault('T', typowner)))
WHERE typnamespace::regnamespace::text LIKE 'learnsync%' AND typcategory <> 'A' AND grantee = 0
    AND NOT EXISTS (SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind = 'v')
UNION ALL
SELECT 'table', c.oid::regclass::text FROM pg_class c, aclexplode(COALESCE(relacl, acldefault('r', relowner)))
WHERE relnamespace = 'learnsync_data'::regnamespace AND relkind IN ('r', 'p') AND grantee = 0;

-- Learner first in every key and in every unique index, but for what belongs to no learner; no sequences, no foreign
-- keys, no types of ours in the tables.
SELECT i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = 'learnsync_data'::regnamespace
    AND c.relname NOT IN ('instance', 'resource_type', 'forgotten', 'content', 'placement', 'replacement',
        'interaction', 'day_count', 'day_client', 'outbox', 'verify_round', 'part', 'shard_change')
    AND i.indisunique
        AND (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = i.indkey[0]) <> 'learner_id';
SELECT relname FROM pg_class WHERE relnamespace = 'learnsync_data'::regnamespace AND relkind = 'S';
SELECT conname FROM pg_constraint WHERE connamespace = 'learnsync_data'::regnamespace AND contype = 'f';
SELECT attrelid::regclass, attname, atttypid::regtype FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
JOIN pg_type t ON t.oid = atttypid
WHERE relnamespace = 'learnsync_data'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0
    AND (typnamespace <> 'pg_catalog'::regnamespace OR typname LIKE 'reg%');

-- Dropping the extension takes no row; row security stays closed until setup() opens it again.
SELECT learnsync.sync_push('ann', '{"deviceId": "d1", "items": [{"id": "i1", "operation": "update",
    "resourceType": "lesson_progress", "data": {"lessonId": "l1", "timeSpent": 7},
    "clientTimestamp": "2026-01-08T10:00:00Z"}]}')::jsonb -> 'syncedItems' AS synced;
GRANT USAGE ON SCHEMA learnsync_data, learnsync TO regress_learnsync_other;
GRANT SELECT ON learnsync_data.resource TO regress_learnsync_other;
SELECT learnsync.grant_access('regress_learnsync_other', 'service');
SET learnsync.learner_id = 'ann';
SET ROLE regress_learnsync_other;
SELECT data FROM learnsync_data.resource;
RESET ROLE;
DROP EXTENSION learnsync CASCADE;
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'learnsync%' ORDER BY 1;
SELECT count(*) FROM learnsync_data.resource;
SET ROLE regress_learnsync_other;
SELECT data FROM learnsync_data.resource;
RESET ROLE;
CREATE EXTENSION learnsync;
SELECT learnsync.sync_devices('ann');
\echo :SQLSTATE
SELECT learnsync.setup('regress_learnsync_owner');
SELECT learnsync.grant_access('regress_learnsync_other', 'service');
SET ROLE regress_learnsync_other;
SELECT data FROM learnsync_data.resource;
RESET ROLE;
SELECT epoch = :'before_epoch' AS same_epoch FROM learnsync_data.instance;
SELECT learnsync.sync_push('ann', '{"deviceId": "d1", "items": [{"id": "i1", "operation": "update",
    "resourceType": "lesson_progress", "data": {"lessonId": "l1", "timeSpent": 7},
    "clientTimestamp": "2026-01-08T10:00:00Z"}]}')::jsonb #> '{results,0,duplicate}' AS duplicate;

-- The layout of another release.
UPDATE learnsync_data.instance SET schema_version = 0, release = '0.5';
\c -
SELECT learnsync.sync_devices('ann');
\echo :SQLSTATE
SELECT regexp_replace(learnsync.setup('regress_learnsync_owner'), '\S+$', '(this one)');
SELECT release = extversion AS released FROM learnsync_data.instance, pg_extension WHERE extname = 'learnsync';
UPDATE learnsync_data.instance SET schema_version = 1000, release = '7.0';
\c -
SELECT learnsync.sync_devices('ann');
SELECT learnsync.setup('regress_learnsync_owner');
\echo :SQLSTATE
UPDATE learnsync_data.instance SET schema_version = 0;
SELECT regexp_replace(learnsync.setup('regress_learnsync_owner'), '\S+$', '(this one)');
SELECT jsonb_array_length(learnsync.sync_devices('ann') -> 'devices') AS devices;

SET client_min_messages = warning;
DROP EXTENSION learnsync CASCADE;
DROP SCHEMA learnsync, learnsync_data CASCADE;
DROP ROLE regress_learnsync_owner, regress_learnsync_other, regress_learnsync_super;
