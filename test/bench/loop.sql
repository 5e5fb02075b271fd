-- The loop: what a good team would write instead, in PL/pgSQL, item by item: validation, the learner's lock, dedupe
-- with comparison of payloads, stale items and conflicts, a merge per type, versions, an answer per item, the device.
-- It knows the four resource types of the workload, neither dryRun nor atomic, and keeps no index that pull would need.
CREATE SCHEMA loop;

CREATE TABLE loop.learner (
	learner_id text PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 70);

CREATE TABLE loop.device (
	learner_id text,
	device_id text,
	name text,
	metadata jsonb,
	is_active boolean NOT NULL DEFAULT true,
	version bigint NOT NULL DEFAULT 1,
	last_seen timestamptz NOT NULL,
	PRIMARY KEY (learner_id, device_id)
) WITH (fillfactor = 70);

CREATE TABLE loop.ledger (
	learner_id text,
	device_id text,
	item_id text,
	resource_type text NOT NULL,
	resource_id text NOT NULL,
	payload jsonb NOT NULL,
	status text NOT NULL,
	version bigint NOT NULL,
	conflict_id uuid,
	client_at timestamptz NOT NULL,
	received_at timestamptz NOT NULL,
	PRIMARY KEY (learner_id, device_id, item_id)
);

CREATE TABLE loop.resource (
	learner_id text,
	resource_type text,
	resource_id text,
	version bigint NOT NULL,
	created_version bigint NOT NULL,
	data jsonb NOT NULL,
	at timestamptz NOT NULL,
	is_deleted boolean NOT NULL DEFAULT false,
	PRIMARY KEY (learner_id, resource_type, resource_id)
) WITH (fillfactor = 70);

CREATE TABLE loop.conflict (
	learner_id text,
	conflict_id uuid,
	device_id text NOT NULL,
	item_id text NOT NULL,
	resource_type text NOT NULL,
	resource_id text NOT NULL,
	client_data jsonb NOT NULL,
	server_data jsonb,
	server_version bigint NOT NULL,
	resolution text NOT NULL,
	is_open boolean NOT NULL,
	created_at timestamptz NOT NULL,
	PRIMARY KEY (learner_id, conflict_id)
);

CREATE TABLE loop.failure (
	learner_id text,
	device_id text,
	item_id text,
	code text NOT NULL,
	path text,
	message text NOT NULL,
	payload jsonb NOT NULL,
	retry_count int NOT NULL DEFAULT 0,
	failed_at timestamptz NOT NULL,
	PRIMARY KEY (learner_id, device_id, item_id)
);

CREATE VIEW loop.document AS
SELECT learner_id, resource_type, resource_id, data FROM loop.resource WHERE NOT is_deleted;

CREATE FUNCTION loop.stamp(at timestamptz) RETURNS text
LANGUAGE sql STABLE
RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

CREATE FUNCTION loop.push(p_learner text, p_request jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
	v_now timestamptz := clock_timestamp();
	v_device_id text := p_request ->> 'deviceId';
	v_device loop.device;
	v_start bigint;
	v_version bigint;
	v_cursor bigint := (p_request -> 'lastSyncVersion')::bigint;
	v_item jsonb;
	v_data jsonb;
	v_id text;
	v_type text;
	v_operation text;
	v_time text;
	v_at timestamptz;
	v_key text;
	v_code text;
	v_path text;
	v_error text;
	v_known loop.ledger;
	v_stored loop.resource;
	v_exists boolean;
	v_stale boolean;
	v_delete boolean;
	v_merged jsonb;
	v_resolution text;
	v_conflict_id uuid;
	v_changed boolean;
	v_item_version bigint;
	v_percentage numeric;
	v_stamp text;
	v_synced text[] := '{}';
	v_failed jsonb[] := '{}';
	v_conflicts jsonb[] := '{}';
	v_results jsonb[] := '{}';
	v_unchanging text[] := '{}';  -- ids of items that changed nothing
BEGIN
	IF v_device_id IS NULL OR length(v_device_id) NOT BETWEEN 1 AND 200 THEN
		RAISE EXCEPTION 'deviceId is required' USING ERRCODE = '22023';
	ELSIF jsonb_typeof(p_request -> 'items') IS DISTINCT FROM 'array' THEN
		RAISE EXCEPTION 'items must be an array' USING ERRCODE = '22023';
	ELSIF jsonb_array_length(p_request -> 'items') > 1000 THEN
		RAISE EXCEPTION 'too many items' USING ERRCODE = '54000';
	END IF;

	SELECT version INTO v_start FROM loop.learner WHERE learner_id = p_learner FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		INSERT INTO loop.learner (learner_id) VALUES (p_learner) ON CONFLICT DO NOTHING;
		SELECT version INTO v_start FROM loop.learner WHERE learner_id = p_learner FOR NO KEY UPDATE;
	END IF;
	v_version := v_start;

	SELECT * INTO v_device FROM loop.device WHERE learner_id = p_learner AND device_id = v_device_id;
	IF NOT v_device.is_active THEN
		RAISE EXCEPTION 'device is deactivated' USING ERRCODE = 'PT403';
	END IF;

	FOR v_item IN SELECT value FROM jsonb_array_elements(p_request -> 'items') LOOP
		v_code := NULL;
		v_id := coalesce(v_item ->> 'id', md5(v_item::text));
		v_type := v_item ->> 'resourceType';
		v_operation := v_item ->> 'operation';
		v_data := v_item -> 'data';
		v_time := v_item ->> 'clientTimestamp';
		v_delete := v_operation = 'delete';
		v_key := NULL;

		IF jsonb_typeof(v_item) <> 'object' THEN
			v_code := 'invalid'; v_path := ''; v_error := 'item must be an object';
		ELSIF length(v_id) NOT BETWEEN 1 AND 200 THEN
			v_code := 'invalid'; v_path := 'id'; v_error := 'id must have 1 to 200 characters';
		ELSIF v_operation IS NULL OR v_operation NOT IN ('create', 'update', 'delete') THEN
			v_code := 'invalid'; v_path := 'operation'; v_error := 'operation must be create, update or delete';
		ELSIF jsonb_typeof(v_data) IS DISTINCT FROM 'object' THEN
			v_code := 'invalid'; v_path := 'data'; v_error := 'data must be an object';
  ELSIF v_time IS NULL OR v_time !~ '^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.'
                                    '\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$'
			OR substr(v_time, 9, 2) > '28' AND substr(v_time, 9, 2)::int >
				extract(day FROM (substr(v_time, 1, 8) || '01')::date + interval '1 month' - interval '1 day') THEN
   v_code := 'bad_timestamp';
   v_path := 'clientTimestamp';
   v_error := 'clientTimestamp must be RFC 3339 with offset';
		ELSE
			v_at := v_time::timestamptz;
			IF v_at > v_now + interval '5 minutes' THEN
				v_at := v_now;
			END IF;
			IF v_type = 'lesson_progress' THEN
				v_key := v_data ->> 'lessonId';
				IF jsonb_typeof(v_data -> 'completionPercentage') NOT IN ('number', 'null') THEN
     v_code := 'invalid';
     v_path := 'data.completionPercentage';
     v_error := 'completionPercentage must be a number';
				ELSIF (v_data ->> 'completionPercentage')::numeric NOT BETWEEN 0 AND 100 THEN
     v_code := 'out_of_range';
     v_path := 'data.completionPercentage';
     v_error := 'completionPercentage must be between 0 and 100';
				ELSIF jsonb_typeof(v_data -> 'timeSpent') NOT IN ('number', 'null')
					OR (v_data ->> 'timeSpent')::numeric % 1 <> 0 THEN
					v_code := 'invalid'; v_path := 'data.timeSpent'; v_error := 'timeSpent must be an integer';
				ELSIF (v_data ->> 'timeSpent')::numeric NOT BETWEEN 0 AND 9007199254740991 THEN
					v_code := 'out_of_range'; v_path := 'data.timeSpent'; v_error := 'timeSpent must not be negative';
				END IF;
			ELSIF v_type = 'quiz_attempt' THEN
				IF jsonb_typeof(v_data -> 'attemptNumber') IS DISTINCT FROM 'number'
					OR (v_data ->> 'attemptNumber')::numeric % 1 <> 0 OR (v_data ->> 'attemptNumber')::numeric < 1 THEN
     v_code := 'invalid';
     v_path := 'data.attemptNumber';
     v_error := 'attemptNumber must be an integer from 1';
				ELSIF v_delete THEN
					v_code := 'not_allowed'; v_path := 'operation'; v_error := 'quiz_attempt cannot be deleted';
				ELSIF length(v_data ->> 'quizId') BETWEEN 1 AND 200 THEN
					v_key := format('["%s",%s]', v_data ->> 'quizId', v_data ->> 'attemptNumber');
				END IF;
			ELSIF v_type = 'mastery' THEN
				v_key := v_data ->> 'competencyId';
			ELSIF v_type = 'xapi_statement' THEN
				v_key := v_data ->> 'id';
    IF v_key IS NULL OR v_key !~ '^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$' THEN
					v_code := 'invalid_statement'; v_path := 'data.id'; v_error := 'id must be a UUID';
				ELSIF jsonb_typeof(v_data -> 'actor') IS DISTINCT FROM 'object'
					OR NOT v_data -> 'actor' ?| '{mbox,mbox_sha1sum,openid,account}'
					OR v_data #>> '{actor,mbox}' NOT LIKE 'mailto:%@%' THEN
					v_code := 'invalid_statement'; v_path := 'data.actor'; v_error := 'actor must be identified';
				ELSIF v_data #>> '{verb,id}' IS NULL OR v_data #>> '{verb,id}' NOT LIKE '%:%' THEN
					v_code := 'invalid_statement'; v_path := 'data.verb.id'; v_error := 'verb.id must be an IRI';
				ELSIF v_data #>> '{object,id}' IS NULL OR v_data #>> '{object,id}' NOT LIKE '%:%' THEN
					v_code := 'invalid_statement'; v_path := 'data.object.id'; v_error := 'object.id must be an IRI';
				ELSIF v_delete THEN
					v_code := 'not_allowed'; v_path := 'operation'; v_error := 'xapi_statement cannot be deleted';
				END IF;
			ELSE
				v_code := 'unknown_type'; v_path := 'resourceType'; v_error := 'unknown resource type';
			END IF;
			IF v_code IS NULL AND (v_key IS NULL OR length(v_key) NOT BETWEEN 1 AND 200) THEN
				v_code := 'invalid'; v_path := 'data'; v_error := 'the key of the resource is missing';
			ELSIF v_code IS NULL AND v_item ->> 'resourceId' <> v_key THEN
				v_code := 'invalid'; v_path := 'resourceId'; v_error := 'resourceId differs from data';
			END IF;
		END IF;

		IF v_code IS NULL THEN
			SELECT * INTO v_known FROM loop.ledger
			WHERE learner_id = p_learner AND device_id = v_device_id AND item_id = v_id;
			IF FOUND AND v_known.payload <> v_item THEN
				v_code := 'id_reused'; v_path := 'id'; v_error := 'id was used for another item';
			END IF;
		END IF;

		IF v_code IS NOT NULL THEN
   INSERT INTO loop.failure AS failure (learner_id, device_id, item_id, code, path, message, payload, failed_at)
			VALUES (p_learner, v_device_id, v_id, v_code, v_path, v_error, v_item, v_now)
			ON CONFLICT (learner_id, device_id, item_id) DO UPDATE SET
				code = excluded.code, path = excluded.path, message = excluded.message, payload = excluded.payload,
				retry_count = failure.retry_count + 1, failed_at = excluded.failed_at;
			v_failed := array_append(v_failed, jsonb_build_object('id', v_id, 'code', v_code, 'path', v_path,
				'error', v_error, 'retryable', false));
			v_results := array_append(v_results, jsonb_build_object('id', v_id, 'status', 'failed', 'duplicate', false,
				'resourceType', v_type, 'resourceId', v_key, 'version', NULL));
			CONTINUE;
		END IF;

		SELECT * INTO v_stored FROM loop.resource
		WHERE learner_id = p_learner AND resource_type = v_type AND resource_id = v_key;
		v_exists := FOUND;

		IF v_known.item_id IS NOT NULL THEN
			IF v_known.status = 'synced' THEN
				v_synced := array_append(v_synced, v_id);
			ELSE
				v_conflicts := array_append(v_conflicts, (
					SELECT jsonb_build_object('id', v_id, 'conflictId', conflict_id, 'clientData', client_data,
						'serverData', CASE WHEN NOT v_stored.is_deleted THEN v_stored.data END,
						'serverVersion', v_stored.version, 'resolution', resolution)
					FROM loop.conflict
					WHERE learner_id = p_learner AND conflict_id = v_known.conflict_id));
			END IF;
			v_merged := jsonb_build_object('id', v_id, 'status', v_known.status, 'duplicate', true,
				'resourceType', v_type, 'resourceId', v_key, 'version', v_known.version);
			IF v_stored.version > v_known.version THEN
				v_merged := v_merged || jsonb_build_object('serverVersion', v_stored.version);
			END IF;
			v_results := array_append(v_results, v_merged);
			CONTINUE;
		END IF;

		v_stale := v_exists AND v_at < v_stored.at;
		v_resolution := NULL;
		v_merged := v_stored.data;
		IF v_exists AND v_stored.is_deleted AND v_at <= v_stored.at THEN
			v_resolution := 'server_wins';
		ELSIF v_delete THEN
			IF v_stale THEN
				v_resolution := 'manual_required';
			ELSE
				v_merged := '{}';
			END IF;
		ELSIF v_type = 'lesson_progress' THEN
			v_stamp := loop.stamp(v_at);
   v_percentage := greatest(
       (v_merged ->> 'completionPercentage')::numeric,
       (v_data ->> 'completionPercentage')::numeric);
			v_merged := CASE WHEN v_stale THEN v_data || v_merged ELSE coalesce(v_merged, '{}') || v_data END
				|| jsonb_build_object(
					'completionPercentage', v_percentage,
     'timeSpent', coalesce((v_merged ->> 'timeSpent')::bigint, 0) + coalesce((v_data ->> 'timeSpent')::bigint, 0),
     'status',
     CASE WHEN v_percentage >= 100 THEN 'completed' WHEN v_percentage > 0 THEN 'in-progress' ELSE 'not-started' END,
					'startedAt', least(v_merged ->> 'startedAt', v_stamp),
					'lastAccessedAt', greatest(v_merged ->> 'lastAccessedAt', v_stamp));
			IF (v_data ->> 'completionPercentage')::numeric >= 100 THEN
    v_merged := v_merged || jsonb_build_object('completedAt', least(v_stored.data ->> 'completedAt', v_stamp));
			END IF;
			IF v_stale THEN
				v_resolution := 'server_wins';
			END IF;
		ELSIF v_type = 'mastery' THEN
			IF v_stale OR v_at = v_stored.at AND v_data < v_stored.data THEN
				v_resolution := 'server_wins';
			ELSE
				v_merged := v_data;
			END IF;
		ELSIF NOT v_exists THEN
			v_merged := v_data;
			IF v_type = 'xapi_statement' THEN
				v_merged := v_merged || jsonb_build_object('stored', loop.stamp(v_now));
			END IF;
		ELSIF v_type = 'quiz_attempt' THEN
			v_resolution := CASE WHEN v_data = v_stored.data THEN 'server_wins' ELSE 'manual_required' END;
		ELSIF v_data <> v_stored.data - 'stored' THEN
			v_resolution := 'manual_required';
		END IF;

		v_changed := v_merged IS DISTINCT FROM v_stored.data OR v_resolution IS NULL AND v_at > v_stored.at;
		v_item_version := v_stored.version;
		IF v_changed THEN
			IF v_item_version IS NULL OR v_item_version <= v_start THEN
				v_version := v_version + 1;
				v_item_version := v_version;
			END IF;
			IF v_exists THEN
				UPDATE loop.resource
				SET version = v_item_version, data = v_merged, at = greatest(at, v_at), is_deleted = v_delete
				WHERE learner_id = p_learner AND resource_type = v_type AND resource_id = v_key;
			ELSE
    INSERT INTO loop.resource (learner_id, resource_type, resource_id, version, created_version, data, at, is_deleted)
				VALUES (p_learner, v_type, v_key, v_item_version, v_item_version, v_merged, v_at, v_delete);
			END IF;
		ELSE
			v_unchanging := array_append(v_unchanging, v_id);
		END IF;

		v_conflict_id := NULL;
		IF v_resolution IS NULL THEN
			v_synced := array_append(v_synced, v_id);
		ELSE
			v_conflict_id := md5(concat_ws(E'\n', p_learner, v_device_id, v_id))::uuid;
			IF v_stored.is_deleted THEN
				v_merged := NULL;
			END IF;
   INSERT INTO loop.conflict (learner_id, conflict_id, device_id, item_id, resource_type, resource_id, client_data,
       server_data, server_version, resolution, is_open, created_at)
			VALUES (p_learner, v_conflict_id, v_device_id, v_id, v_type, v_key, v_data,
				v_merged, v_item_version, v_resolution, v_resolution = 'manual_required', v_now);
   v_conflicts := array_append(v_conflicts, jsonb_build_object('id', v_id, 'conflictId', v_conflict_id,
       'clientData', v_data, 'serverData', v_merged, 'serverVersion', v_item_version, 'resolution', v_resolution));
		END IF;
		INSERT INTO loop.ledger (learner_id, device_id, item_id, resource_type, resource_id, payload, status, version,
			conflict_id, client_at, received_at)
  VALUES (p_learner, v_device_id, v_id, v_type, v_key, v_item,
      CASE WHEN v_resolution IS NULL THEN 'synced' ELSE 'conflict' END, v_item_version, v_conflict_id, v_at, v_now);
		v_results := array_append(v_results, jsonb_build_object('id', v_id,
			'status', CASE WHEN v_resolution IS NULL THEN 'synced' ELSE 'conflict' END, 'duplicate', false,
			'resourceType', v_type, 'resourceId', v_key, 'version', v_item_version));
	END LOOP;

	-- All items of one push that touch one resource share its version: a later one may have changed it.
	IF v_version > v_start AND v_unchanging <> '{}' THEN
		UPDATE loop.ledger l SET version = r.version FROM loop.resource r
		WHERE l.learner_id = p_learner AND l.device_id = v_device_id AND l.item_id = ANY (v_unchanging)
			AND r.learner_id = p_learner AND r.resource_type = l.resource_type AND r.resource_id = l.resource_id
			AND r.version > l.version;
		v_results := ARRAY(
			SELECT result || coalesce((
				SELECT jsonb_build_object('version', version) FROM loop.ledger
				WHERE learner_id = p_learner AND device_id = v_device_id AND item_id = result ->> 'id'
					AND result ->> 'id' = ANY (v_unchanging) AND result ->> 'status' <> 'failed'), '{}')
			FROM unnest(v_results) WITH ORDINALITY AS r (result, n) ORDER BY n);
	END IF;

	v_cursor := CASE
		WHEN v_cursor IS NULL THEN coalesce(v_device.version, 1)
		WHEN v_cursor = v_start THEN v_version
		ELSE v_cursor
	END;
	IF v_version > v_start THEN
		UPDATE loop.learner SET version = v_version WHERE learner_id = p_learner;
	END IF;
	IF v_device.device_id IS NULL THEN
		INSERT INTO loop.device (learner_id, device_id, name, metadata, version, last_seen)
		VALUES (p_learner, v_device_id, p_request ->> 'deviceName', p_request -> 'metadata', v_cursor, v_now);
	ELSE
		UPDATE loop.device
		SET name = coalesce(p_request ->> 'deviceName', name), metadata = coalesce(p_request -> 'metadata', metadata),
			version = greatest(version, v_cursor), last_seen = v_now
		WHERE learner_id = p_learner AND device_id = v_device_id;
	END IF;

	RETURN jsonb_build_object('syncedItems', to_jsonb(v_synced), 'failedItems', to_jsonb(v_failed),
		'conflicts', to_jsonb(v_conflicts), 'results', to_jsonb(v_results),
		'syncVersion', v_cursor, 'epoch', 'loop', 'serverTimestamp', loop.stamp(v_now));
END;
$$;

PREPARE push(text, jsonb) AS SELECT loop.push($1, $2);
