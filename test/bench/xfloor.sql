-- The floor with what any server that devices pull from writes as well: versions in the ledger with an index that finds
-- what came after one, and when the device was there.
\set peer xfloor
\set more_ledger 'ADD version bigint NOT NULL'
\set more_columns ', version'
\set more_values ', (SELECT version FROM learner)'
\set more_writes ', device AS (INSERT INTO xfloor.device AS device (learner_id, device_id, name, last_seen) '
\set more_writes :more_writes 'VALUES ($1, $2 ->> \'deviceId\', $2 ->> \'deviceName\', now()) '
\set more_writes :more_writes 'ON CONFLICT (learner_id, device_id) DO UPDATE SET name = excluded.name, '
\set more_writes :more_writes 'last_seen = excluded.last_seen)'

CREATE SCHEMA xfloor;

CREATE TABLE xfloor.device (
	learner_id text,
	device_id text,
	name text,
	last_seen timestamptz NOT NULL,
	PRIMARY KEY (learner_id, device_id)
) WITH (fillfactor = 70);

\ir floor.sql
