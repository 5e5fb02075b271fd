-- What is odd about learners: maintain() goes round them all, some at a time, and notes what it finds. Nothing of it is
-- looked at while a push runs. It travels in pieces: a value of any size is made, and taken apart, in one go, in which
-- no cancel is heard of.
CREATE TYPE learnsync_internal.odd_row AS (anomaly_id uuid, kind text, weight bigint, evidence jsonb);

-- What is kept of a learner's accepted items, each with its order instant.
CREATE OR REPLACE FUNCTION learnsync_internal.kept_items_as_owner(learner_id text, OUT type text, OUT device_id text,
    OUT pushed_at timestamptz, OUT at timestamptz, OUT item jsonb)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT CASE p.channel WHEN 'sync_progress' THEN 'module_progress' WHEN 'sync_completions' THEN 'module_completion'
            WHEN 'progress_batch' THEN 'activity' ELSE i.item ->> 'resourceType' END,
        COALESCE(NULLIF(p.device_id, ''), i.item ->> 'deviceId', ''), p.pushed_at,
        COALESCE(p.instants[i.n], (i.item ->> 'clientTimestamp')::timestamptz,
            (i.item ->> 'timestamp')::timestamptz, p.pushed_at),
        i.item
    FROM learnsync_data.push p CROSS JOIN LATERAL jsonb_array_elements(p.items) WITH ORDINALITY i (item, n)
    WHERE p.learner_id = kept_items_as_owner.learner_id AND jsonb_typeof(p.items) = 'array'
        AND (p.channel IS NULL OR p.channel IN ('sync_progress', 'sync_completions', 'progress_batch'));
END
$$;
COMMENT ON FUNCTION learnsync_internal.kept_items_as_owner(text) IS
    'The accepted items of a learner of which the payload is kept, decisions of people left out.';

-- The study that items report, in ms: fields named timeSpent that are added, and activities.
CREATE OR REPLACE FUNCTION learnsync_internal.study_as_owner(learner_id text, OUT at timestamptz, OUT device_id text,
    OUT ms numeric)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT k.at, k.device_id, least(COALESCE(t.cap, s.spent), s.spent)
    FROM learnsync_internal.kept_items_as_owner(study_as_owner.learner_id) k
    JOIN (SELECT r.name, (r.rule #>> '{fields,timeSpent,cap}')::numeric AS cap FROM learnsync_data.resource_type r
          WHERE r.rule #>> '{fields,timeSpent,merge}' = 'sum' OR r.name = 'activity') t ON t.name = k.type
    CROSS JOIN LATERAL (
        SELECT CASE k.type WHEN 'activity' THEN
            1000 * jsonb_path_query_first(k.item, '$.**.duration_seconds ? (@ > 0 && @ < 1e15)')::numeric
            ELSE jsonb_path_query_first(k.item, '$.data.timeSpent ? (@ > 0 && @ < 1e15)')::numeric END AS spent) s
    WHERE s.spent > 0;
END
$$;
COMMENT ON FUNCTION learnsync_internal.study_as_owner(text) IS
    'How long a learner has studied, as kept items report it.';

-- A day is one of the clocks that held when it was: two days that share a date by a change of clocks are two.
CREATE OR REPLACE FUNCTION learnsync_internal.long_days_as_owner(learner_id text, OUT kind text, OUT subject text,
    OUT weight bigint, OUT evidence jsonb)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    clocks CONSTANT jsonb := (SELECT l.days FROM learnsync_data.learner l
                              WHERE l.learner_id = long_days_as_owner.learner_id);
BEGIN
    RETURN QUERY
    WITH of_day AS (
        SELECT c.since, (s.at AT TIME ZONE c.zone - c.begins)::date AS day, s.device_id, s.ms
        FROM learnsync_internal.study_as_owner(long_days_as_owner.learner_id) s
        CROSS JOIN LATERAL (
            SELECT x.since, x.zone, x.begins FROM (
                SELECT (e ->> 0)::timestamptz AS since, e ->> 1 AS zone,
                    (e ->> 2)::integer * interval '1 minute' AS begins
                FROM jsonb_array_elements(COALESCE(clocks, '[]')) e
                UNION ALL SELECT '-infinity', 'UTC', interval '0') x
            WHERE x.since <= s.at ORDER BY x.since DESC LIMIT 1) c),
    of_device AS (
        SELECT d.since, d.day, d.device_id, count(*) AS items, sum(d.ms) AS ms FROM of_day d GROUP BY 1, 2, 3)
    SELECT 'study_time', concat_ws(' ', d.day, NULLIF(d.since, '-infinity')), sum(d.ms)::bigint,
        jsonb_build_object('day', d.day, 'timeSpent', sum(d.ms)::bigint, 'items', sum(d.items),
            'devices', jsonb_object_agg(d.device_id, d.ms))
    FROM of_device d GROUP BY d.since, d.day HAVING sum(d.ms) > 86400000;
END
$$;
COMMENT ON FUNCTION learnsync_internal.long_days_as_owner(text) IS
    'Days of a learner on which more than 24 hours were studied.';

-- Work that carries no time of its own may be done twice; and what is deleted twice is deleted once.
CREATE OR REPLACE FUNCTION learnsync_internal.same_work_as_owner(learner_id text, OUT kind text, OUT subject text,
    OUT weight bigint, OUT evidence jsonb)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH work AS (
        SELECT k.type, k.device_id, k.pushed_at,
            COALESCE(k.item ->> 'id', k.item ->> 'idempotencyKey', k.item ->> 'idempotency_key') AS id,
            k.item - '{id,idempotencyKey,idempotency_key,deviceId,seen,ancestor}'::text[] AS said
        FROM learnsync_internal.kept_items_as_owner(same_work_as_owner.learner_id) k
        WHERE k.item ?| '{clientTimestamp,timestamp}' AND k.item ->> 'operation' IS DISTINCT FROM 'delete'),
    numbered AS (
        SELECT w.*, row_number() OVER (PARTITION BY w.type, w.said ORDER BY w.pushed_at) AS n FROM work w
        WHERE w.id IS NOT NULL)
    SELECT 'same_work', md5(w.type || E'\n' || w.said), count(DISTINCT (w.id, w.device_id)),
        jsonb_build_object('resourceType', w.type, 'said', CASE WHEN length(w.said::text) <= 2000 THEN w.said END,
            'items', jsonb_agg(jsonb_build_object('id', w.id, 'deviceId', w.device_id, 'receivedAt', w.pushed_at)
                ORDER BY w.n) FILTER (WHERE w.n <= 20))
    FROM numbered w GROUP BY w.type, w.said HAVING count(DISTINCT (w.id, w.device_id)) > 1;
END
$$;
COMMENT ON FUNCTION learnsync_internal.same_work_as_owner(text) IS
    'Kept items of a learner that say the same of the same moment under different ids.';

-- Ids that are made at random do not collide: an item under such a one was changed after it was sent.
CREATE OR REPLACE FUNCTION learnsync_internal.shared_devices_as_owner(learner_id text, OUT kind text, OUT subject text,
    OUT weight bigint, OUT evidence jsonb)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT 'shared_device', f.device_id, count(DISTINCT f.item_id),
        jsonb_build_object('deviceId', f.device_id, 'ids', (array_agg(DISTINCT f.item_id))[1:20],
            'from', min(f.first_failed_at), 'to', max(f.failed_at))
    FROM learnsync_data.failed f
    WHERE f.learner_id = shared_devices_as_owner.learner_id AND f.code = 'id_reused' AND f.channel = 'sync_push'
        AND f.item_id !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
    GROUP BY f.device_id HAVING count(DISTINCT f.item_id) >= 3;
END
$$;
COMMENT ON FUNCTION learnsync_internal.shared_devices_as_owner(text) IS
    'Devices of a learner of which three or more counted ids came with something else than before.';

-- A learner who is erased meanwhile has no row any more, and nothing is noted of them. What was closed comes back only
-- where there is more of it.
CREATE OR REPLACE FUNCTION learnsync_internal.note_anomalies_as_owner(learner_id text,
    odd learnsync_internal.odd_row[])
    RETURNS bigint
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    noted bigint;
BEGIN
    PERFORM FROM learnsync_data.learner l WHERE l.learner_id = note_anomalies_as_owner.learner_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    INSERT INTO learnsync_data.anomaly AS a (learner_id, anomaly_id, kind, weight, evidence, found_at)
    SELECT note_anomalies_as_owner.learner_id, f.*, clock_timestamp()
    FROM unnest(odd) f
    ON CONFLICT ON CONSTRAINT anomaly_pkey DO UPDATE SET weight = EXCLUDED.weight, evidence = EXCLUDED.evidence,
        found_at = CASE WHEN a.closed_at IS NULL THEN a.found_at ELSE EXCLUDED.found_at END,
        closed_at = NULL, closed_by = NULL, reason = NULL
    WHERE EXCLUDED.weight > a.weight;
    GET DIAGNOSTICS noted = ROW_COUNT;
    RETURN noted;
END
$$;
COMMENT ON FUNCTION learnsync_internal.note_anomalies_as_owner(text, learnsync_internal.odd_row[]) IS
    'Notes what is odd about a learner; how much of that is new.';

-- Closes what was wrong and is right again. What cannot be judged any more stays open. Should it go wrong in the same
-- way once more, it is open again.
CREATE OR REPLACE FUNCTION learnsync_internal.end_anomalies_as_owner(learner_id text, wrong uuid[],
    unjudged_types text[], unjudged_ids text[])
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    id CONSTANT text := learner_id;
    gone uuid[];
BEGIN
    SELECT array_agg(a.anomaly_id) INTO gone FROM learnsync_data.anomaly a
    WHERE a.learner_id = id AND a.closed_at IS NULL AND a.kind IN ('wrong_document', 'wrong_progress')
        AND a.anomaly_id NOT IN (SELECT unnest(wrong))
        AND (a.evidence ->> 'resourceType', a.evidence ->> 'resourceId') IN (
            SELECT u.* FROM unnest(unjudged_types, unjudged_ids) u) IS NOT TRUE;
    IF gone IS NULL THEN
        RETURN;
    END IF;
    PERFORM FROM learnsync_data.learner l WHERE l.learner_id = id FOR NO KEY UPDATE;
    WITH closed AS (
        UPDATE learnsync_data.anomaly a SET closed_at = clock_timestamp(), closed_by = 'verify_round',
            reason = 'It is right again.', weight = 0
        WHERE a.learner_id = id AND a.anomaly_id = ANY (gone) AND a.closed_at IS NULL
        RETURNING a.*)
    INSERT INTO learnsync_data.audit (learner_id, at, action, role, reason, details)
    SELECT c.learner_id, c.closed_at, 'auto_close_anomaly', session_user, c.reason,
        jsonb_build_object('anomalyId', c.anomaly_id, 'kind', c.kind, 'evidence', c.evidence)
    FROM closed c;
END
$$;
COMMENT ON FUNCTION learnsync_internal.end_anomalies_as_owner(text, uuid[], text[], text[]) IS
    'Closes anomalies of a learner of which the cause was put right.';

-- Looks at one learner: how many documents there were, how many of these cannot be judged, how much is newly odd.
-- Nothing is closed of a learner of whom a row cannot be read.
CREATE OR REPLACE FUNCTION learnsync_internal.look_at_as_owner(learner_id text, OUT resources bigint,
    OUT unjudged bigint, OUT noted bigint)
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    part record;
BEGIN
    noted := 0;
    -- One statement: what is compared is of one moment. One row, without anything odd, is about all of it.
    FOR part IN
        WITH checked AS MATERIALIZED (
            SELECT * FROM learnsync_internal.check_resources_as_owner(look_at_as_owner.learner_id)),
        found AS (
            SELECT 'wrong_document' AS kind, jsonb_build_object('type', c.resource_type, 'id', c.resource_id,
                'damage', c.damage)::text AS subject, 1::bigint AS weight, jsonb_build_object('resourceType',
                c.resource_type, 'resourceId', c.resource_id, 'damage', left(c.damage, 2000)) AS evidence
            FROM checked c WHERE c.damage IS NOT NULL
            UNION ALL
            SELECT 'wrong_progress', p.damage, 1, jsonb_build_object('damage', p.damage)
            FROM learnsync_internal.check_progress_as_owner(look_at_as_owner.learner_id) p (damage)
            WHERE p.damage IS NOT NULL
            UNION ALL SELECT * FROM learnsync_internal.long_days_as_owner(look_at_as_owner.learner_id)
            UNION ALL SELECT * FROM learnsync_internal.same_work_as_owner(look_at_as_owner.learner_id)
            UNION ALL SELECT * FROM learnsync_internal.shared_devices_as_owner(look_at_as_owner.learner_id)),
        seen AS MATERIALIZED (
            SELECT (md5(f.kind || E'\n' || f.subject), f.kind, f.weight, f.evidence)::learnsync_internal.odd_row AS row,
                row_number() OVER () / 1000 AS piece
            FROM found f)
        SELECT array_agg(s.row) AS odd, NULL::bigint AS looked_at, NULL::bigint AS unknown, NULL::uuid[] AS wrong,
            NULL::text[] AS types, NULL::text[] AS ids, NULL::boolean AS readable
        FROM seen s GROUP BY s.piece
        UNION ALL
        SELECT NULL, max(c.looked_at), max(c.unknown),
            ARRAY(SELECT (s.row).anomaly_id FROM seen s WHERE (s.row).kind ~ '^wrong_'),
            array_agg(c.resource_type) FILTER (WHERE c.damage IS NULL AND c.resource_type IS NOT NULL),
            array_agg(c.resource_id) FILTER (WHERE c.damage IS NULL AND c.resource_type IS NOT NULL),
            COALESCE(bool_and(c.resource_type IS NOT NULL) FILTER (WHERE c.damage IS NOT NULL), true)
        FROM checked c
    LOOP
        IF part.odd IS NOT NULL THEN
            noted := noted + learnsync_internal.note_anomalies_as_owner(learner_id, part.odd);
            CONTINUE;
        END IF;
        resources := part.looked_at;
        unjudged := part.unknown;
        IF part.readable THEN
            PERFORM learnsync_internal.end_anomalies_as_owner(learner_id, part.wrong, part.types, part.ids);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION learnsync_internal.look_at_as_owner(text) IS 'Looks at all that is kept of a learner.';

-- The next learners of the round, which begins at most once a day; how many were looked at. Of two calls at once the
-- second does nothing.
CREATE OR REPLACE FUNCTION learnsync_internal.verify_piece_as_owner(most integer) RETURNS integer
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    round learnsync_data.verify_round;
    each text;
    seen record;
    looked integer := 0;
BEGIN
    INSERT INTO learnsync_data.verify_round (began_at) VALUES (clock_timestamp()) ON CONFLICT DO NOTHING;
    SELECT * INTO round FROM learnsync_data.verify_round r FOR UPDATE SKIP LOCKED;
    IF round.ended_at >= clock_timestamp() - interval '23 hours 30 minutes' OR round.began_at IS NULL THEN
        RETURN 0;
    ELSIF round.ended_at IS NOT NULL THEN
        round := (true, clock_timestamp(), NULL, '', 0, 0, 0, 0, 0);
    END IF;
    FOR each IN SELECT l.learner_id FROM learnsync_data.learner l WHERE l.learner_id > round.place
        ORDER BY l.learner_id LIMIT most LOOP
        looked := looked + 1;
        round.place := each;
        BEGIN
            SELECT * INTO seen FROM learnsync_internal.look_at_as_owner(each);
            round.resources := round.resources + seen.resources;
            round.unjudged := round.unjudged + seen.unjudged;
            round.found := round.found + seen.noted;
        EXCEPTION WHEN OTHERS THEN
            round.failed := round.failed + 1;
            RAISE WARNING 'a learner could not be looked at: %', SQLERRM USING ERRCODE = SQLSTATE;
        END;
    END LOOP;
    round.learners := round.learners + looked;
    UPDATE learnsync_data.verify_round SET began_at = round.began_at, place = round.place,
        ended_at = CASE WHEN looked < most AND round.learners > 0 THEN clock_timestamp() END, learners = round.learners,
        resources = round.resources, unjudged = round.unjudged, found = round.found, failed = round.failed;
    RETURN looked;
END
$$;
COMMENT ON FUNCTION learnsync_internal.verify_piece_as_owner(integer) IS
    'What verify_piece does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_internal.verify_piece(most integer) RETURNS integer
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'learnsync_verify_piece';
COMMENT ON FUNCTION learnsync_internal.verify_piece(integer) IS
    'Looks at the next learners, at most so many: how many there were, 0 at the end of a round. Part of maintain().';

CREATE OR REPLACE PROCEDURE learnsync_internal.verify_some()
    LANGUAGE plpgsql AS $$
DECLARE
    total CONSTANT pg_catalog.int4 := pg_catalog.current_setting('learnsync.verify_learners');
    remaining pg_catalog.int4 := total;
    looked pg_catalog.int4;
BEGIN
    PERFORM learnsync_internal.tell('', 0, 0);
    LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        EXIT WHEN remaining OPERATOR(pg_catalog.<=) 0;
        looked := learnsync_internal.verify_piece(least(remaining, 10));
        EXIT WHEN looked OPERATOR(pg_catalog.=) 0;
        remaining := remaining OPERATOR(pg_catalog.-) looked;
        PERFORM learnsync_internal.tell(
            'maintain, learners whose numbers are looked at', total OPERATOR(pg_catalog.-) remaining, total);
    END LOOP;
END
$$;
COMMENT ON PROCEDURE learnsync_internal.verify_some() IS
    'Looks at learnsync.verify_learners learners, or at those who are left of the round. Part of maintain().';

CREATE OR REPLACE FUNCTION learnsync_internal.close_anomaly_as_owner(learner_id text, anomaly_id text, by text,
    reason text)
    RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    closed jsonb;
BEGIN
    IF by IS NULL OR char_length(by) NOT BETWEEN 1 AND 200 THEN
        RAISE EXCEPTION 'by must be a string of 1 to 200 characters' USING ERRCODE = 'invalid_parameter_value';
    ELSIF reason IS NULL OR char_length(reason) NOT BETWEEN 1 AND 2000 THEN
        RAISE EXCEPTION 'reason must be a string of 1 to 2000 characters' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM FROM learnsync_data.learner l WHERE l.learner_id = close_anomaly_as_owner.learner_id FOR NO KEY UPDATE;
    UPDATE learnsync_data.anomaly a SET closed_at = clock_timestamp(), closed_by = by,
        reason = close_anomaly_as_owner.reason
    WHERE a.learner_id = close_anomaly_as_owner.learner_id AND a.closed_at IS NULL
        AND a.anomaly_id::text = lower(close_anomaly_as_owner.anomaly_id)
    RETURNING jsonb_build_object('anomalyId', a.anomaly_id, 'kind', a.kind, 'evidence', a.evidence) INTO closed;
    IF closed IS NULL THEN
        RAISE EXCEPTION 'anomaly not found' USING ERRCODE = 'PT404',
            DETAIL = 'There is no open anomaly of that id about this learner.';
    END IF;
    RETURN closed;
END
$$;
COMMENT ON FUNCTION learnsync_internal.close_anomaly_as_owner(text, text, text, text) IS
    'What close_anomaly does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync.close_anomaly(learner_id text, anomaly_id text, by text, reason text)
    RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_close_anomaly';
COMMENT ON FUNCTION learnsync.close_anomaly(text, text, text, text) IS
    'Closes an anomaly that was looked into, and answers it: {anomalyId, kind, evidence}. by: who did, reason: what '
    'came of it; the audit keeps both. It comes back only where there is more of the same. Errors: 22023 no by or '
    'reason, PT404 no such anomaly is open.';
