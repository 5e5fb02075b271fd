-- Ours: the product as an app's backend calls it.
CREATE EXTENSION learnsync;
SELECT learnsync.setup();

PREPARE push(text, jsonb) AS SELECT learnsync.sync_push($1, $2);

CREATE SCHEMA ours;

-- Every document, as a device that knows nothing would pull it.
CREATE FUNCTION ours.documents() RETURNS TABLE (learner_id text, resource_type text, resource_id text, data jsonb)
LANGUAGE plpgsql AS $$
DECLARE
	page jsonb;
BEGIN
	FOR learner_id IN SELECT learner.learner_id FROM learnsync_data.learner LOOP
		page := '{"syncVersion": 1}';
		LOOP
			page := learnsync.sync_pull(learner_id, jsonb_build_object('deviceId', 'checker', 'limit', 1000,
				'lastSyncVersion', page -> 'syncVersion'));
			RETURN QUERY
			SELECT documents.learner_id, change ->> 'resourceType', change ->> 'resourceId', change -> 'data'
			FROM jsonb_array_elements(page -> 'changes') AS change
			WHERE change ->> 'operation' <> 'delete';
			EXIT WHEN NOT (page -> 'hasMore')::boolean;
		END LOOP;
	END LOOP;
END;
$$;

CREATE VIEW ours.document AS SELECT * FROM ours.documents();
