-- The event log's peers. floor: the log alone, one statement per put, into the same columns and indexes as ours.
CREATE SCHEMA floor;

CREATE TABLE floor.event (
	learner_id text COLLATE "C" NOT NULL,
	event_id text COLLATE "C" NOT NULL,
	version bigint NOT NULL,
	at timestamptz NOT NULL,
	received_at timestamptz NOT NULL,
	event jsonb NOT NULL,
	PRIMARY KEY (learner_id, event_id)
);
CREATE INDEX ON floor.event (learner_id, version);

-- Anyone's table, for the reductions.
CREATE TABLE theirs (
	learner_id int NOT NULL,
	event_id text COLLATE "C" NOT NULL,
	occurred_at timestamptz NOT NULL,
	type text NOT NULL,
	payload jsonb
);

CREATE FUNCTION payload(n int) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN n % 500 = 499 THEN jsonb_build_object('pathId', 'path-' || n % 3)
  ELSE jsonb_strip_nulls(jsonb_build_object('contentId', 'lesson-' || n * 31 % 50,
      'status', (ARRAY['not_started', 'in_progress', 'in_progress', 'completed', 'passed'])[1 + n * 7 % 5],
      'score', CASE WHEN n % 2 = 0 THEN n * 13 % 101 END, 'contentVersion', CASE WHEN n % 4 < 3 THEN 'v' || n % 3 END,
      'interaction', CASE WHEN n % 5 < 3 THEN jsonb_build_object('interactionId', 'quiz-' || n % 3,
              'state', jsonb_build_object('kind', 'quiz', 'selectedOptionId', chr(97 + n % 4))) END))
	END
$$;

CREATE FUNCTION shown(at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- The best that one statement can do: aggregates that need no sort, and no look at a row twice but for interactions.
-- What is last is the greatest array of time, id and value: sorting in each group instead takes longer. It knows
-- neither onboarding nor resets, which the table does not have either.
CREATE VIEW statement AS
WITH content AS (
	SELECT learner_id, payload ->> 'contentId' AS id,
		max(array_position('{not_started,in_progress,completed,passed}'::text[], payload ->> 'status')) AS status,
		max((payload -> 'score')::numeric) AS score, max(occurred_at) AS last_at,
		min(occurred_at) FILTER (WHERE payload ->> 'status' IN ('completed', 'passed')) AS completed_at,
  max(ARRAY[occurred_at::text COLLATE "C", event_id, payload ->> 'contentVersion']) FILTER (
      WHERE payload ? 'contentVersion') AS version
	FROM theirs
	WHERE type = 'content.progressed'
	GROUP BY 1, 2
), interaction AS (
	SELECT learner_id, payload ->> 'contentId' AS id, payload #>> '{interaction,interactionId}' AS interaction_id,
		max(ARRAY[occurred_at::text COLLATE "C", event_id, payload #>> '{interaction,state}']) AS state
	FROM theirs
	WHERE type = 'content.progressed' AND payload ? 'interaction'
	GROUP BY 1, 2, 3
), interactions AS (
	SELECT learner_id, id, jsonb_object_agg(interaction_id, state[3]::jsonb) AS map
	FROM interaction
	WHERE state[3] IS NOT NULL
	GROUP BY 1, 2
), path AS (
	SELECT learner_id, max(ARRAY[occurred_at::text COLLATE "C", event_id, payload ->> 'pathId']) AS path
	FROM theirs
	WHERE type = 'activePath.set'
	GROUP BY 1
)
SELECT learner_id,
    jsonb_object_agg(id, jsonb_strip_nulls(jsonb_build_object('contentId', id,
        'status', (ARRAY['not_started', 'in_progress', 'completed', 'passed'])[status], 'score', score,
        'lastAttemptAt', shown(last_at), 'completedAt', shown(completed_at),
        'contentVersion', COALESCE(version[3], 'v1'), 'interactions', map))) AS content,
	max(path[3]) AS active
FROM content
LEFT JOIN interactions USING (learner_id, id)
LEFT JOIN path USING (learner_id)
GROUP BY 1;

-- What a team would write: events in order, one after the other, into a document.
CREATE FUNCTION loop(learner int) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
	ranks constant jsonb := '{"not_started": 0, "in_progress": 1, "completed": 2, "passed": 3}';
	contents jsonb := '{}';
	active text;
	entry jsonb;
	e record;
BEGIN
	FOR e IN SELECT * FROM theirs WHERE learner_id = learner ORDER BY occurred_at, event_id LOOP
		IF e.type = 'activePath.set' THEN
			active := e.payload ->> 'pathId';
			CONTINUE;
		END IF;
  entry := COALESCE(contents -> (e.payload ->> 'contentId'),
      jsonb_build_object('contentId', e.payload -> 'contentId', 'status', 'not_started', 'contentVersion', 'v1'));
		entry := jsonb_set(entry, '{lastAttemptAt}', to_jsonb(shown(e.occurred_at)));
		IF (ranks -> (e.payload ->> 'status'))::int > (ranks -> (entry ->> 'status'))::int THEN
			entry := jsonb_set(entry, '{status}', e.payload -> 'status');
		END IF;
		IF e.payload ->> 'status' IN ('completed', 'passed') AND NOT entry ? 'completedAt' THEN
			entry := jsonb_set(entry, '{completedAt}', to_jsonb(shown(e.occurred_at)));
		END IF;
		IF e.payload ? 'score' AND COALESCE((e.payload -> 'score')::numeric > (entry -> 'score')::numeric, true) THEN
			entry := jsonb_set(entry, '{score}', e.payload -> 'score');
		END IF;
		IF e.payload ? 'contentVersion' THEN
			entry := jsonb_set(entry, '{contentVersion}', e.payload -> 'contentVersion');
		END IF;
		IF e.payload ? 'interaction' THEN
   entry := jsonb_set(entry, '{interactions}',
       COALESCE(entry -> 'interactions', '{}')
           || jsonb_build_object(e.payload #>> '{interaction,interactionId}', e.payload #> '{interaction,state}'));
		END IF;
		contents := jsonb_set(contents, ARRAY[e.payload ->> 'contentId'], entry);
	END LOOP;
	RETURN jsonb_build_object('content', contents, 'activePathId', active);
END
$$;
