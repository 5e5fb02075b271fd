-- The floor: one prepared set-based statement with the minimum of writes. No validation, no stale check, no conflicts,
-- no answer per item. It merges as the rules say where one SQL expression can.
-- xfloor.sql sets the variables to have it write more.
\if :{?peer}
\else
\set peer floor
\set more_columns ''
\set more_values ''
\set more_writes ''
\endif

CREATE SCHEMA IF NOT EXISTS :peer;

CREATE TABLE :peer.learner (
	learner_id text PRIMARY KEY,
	version bigint NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE :peer.ledger (
	learner_id text,
	device_id text,
	item_id text,
	resource_type text NOT NULL,
	payload jsonb NOT NULL,
	client_at timestamptz NOT NULL,
	PRIMARY KEY (learner_id, device_id, item_id)
);

\if :{?more_ledger}
ALTER TABLE :peer.ledger :more_ledger;
CREATE INDEX ON :peer.ledger (learner_id, version);
\endif

CREATE TABLE :peer.resource (
	learner_id text,
	resource_type text,
	resource_id text,
	version bigint NOT NULL,
	data jsonb NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (learner_id, resource_type, resource_id)
) WITH (fillfactor = 70);

CREATE VIEW :peer.document AS
SELECT learner_id, resource_type, resource_id, data FROM :peer.resource;

-- A custom plan would copy the whole request into the plan, each time.
SET plan_cache_mode = force_generic_plan;

PREPARE push(text, jsonb) AS
WITH learner AS (
	INSERT INTO :peer.learner AS learner VALUES ($1, 2)
	ON CONFLICT (learner_id) DO UPDATE SET version = learner.version + 1
	RETURNING version
), fresh AS (
	INSERT INTO :peer.ledger (learner_id, device_id, item_id, resource_type, payload, client_at:more_columns)
	SELECT $1, $2 ->> 'deviceId', id, "resourceType", data, "clientTimestamp":more_values
	FROM jsonb_to_recordset($2 -> 'items')
		AS item(id text, "resourceType" text, data jsonb, "clientTimestamp" timestamptz)
	ON CONFLICT DO NOTHING
	RETURNING resource_type, payload AS data, client_at AS at
), merged AS (
	SELECT 'lesson_progress' AS resource_type, data ->> 'lessonId' AS resource_id, max(at) AS at,
		jsonb_build_object('lessonId', data ->> 'lessonId', 'courseId', max(data ->> 'courseId'),
			'completionPercentage', max((data -> 'completionPercentage')::numeric),
			'timeSpent', sum((data -> 'timeSpent')::bigint)) AS data
	FROM fresh
	WHERE resource_type = 'lesson_progress'
	GROUP BY data ->> 'lessonId'
	UNION ALL
	(SELECT DISTINCT ON (data ->> 'competencyId') resource_type, data ->> 'competencyId', at, data
	FROM fresh
	WHERE resource_type = 'mastery'
	ORDER BY data ->> 'competencyId', at DESC)
	UNION ALL
	SELECT resource_type, data ->> 'id', at, data
	FROM fresh
	WHERE resource_type = 'xapi_statement'
	UNION ALL
	SELECT resource_type, format('["%s",%s]', data ->> 'quizId', data ->> 'attemptNumber'), at, data
	FROM fresh
	WHERE resource_type = 'quiz_attempt'
), written AS (
	INSERT INTO :peer.resource AS stored (learner_id, resource_type, resource_id, version, data, at)
	SELECT $1, resource_type, resource_id, learner.version, data, at
	FROM merged, learner
	ON CONFLICT (learner_id, resource_type, resource_id) DO UPDATE SET
		version = excluded.version,
		at = greatest(stored.at, excluded.at),
		data = CASE
			WHEN excluded.resource_type = 'lesson_progress' THEN stored.data || jsonb_build_object(
				'completionPercentage', greatest((stored.data -> 'completionPercentage')::numeric,
					(excluded.data -> 'completionPercentage')::numeric),
				'timeSpent', (stored.data -> 'timeSpent')::bigint + (excluded.data -> 'timeSpent')::bigint)
			WHEN excluded.resource_type = 'mastery' AND excluded.at >= stored.at THEN excluded.data
			ELSE stored.data
		END
) :more_writes
SELECT count(*) FROM fresh;
