-- Retention: sync_cleanup, for one call, and maintain, piece by piece. What is removed is found by going through the
-- tables in the order in which they lie: no index is needed for it, and a piece is a run of pages.

CREATE OR REPLACE FUNCTION learnsync_internal.slot_as_owner(at timestamptz) RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_slot';
COMMENT ON FUNCTION learnsync_internal.slot_as_owner(timestamptz) IS
    'The slot of push that takes what is written at a time: another each week, the same every 8 weeks.';

-- Which of the 8 slots of learnsync_data.push hold payloads from before cutoff, by the weeks that each was written in:
-- whole where none of its weeks reaches beyond. Slots from whose weeks all was removed before are left out.
CREATE OR REPLACE FUNCTION learnsync_internal.slots_as_owner(cutoff timestamptz)
    RETURNS TABLE (slot integer, whole boolean)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    week CONSTANT interval := '168 hours';
    start CONSTANT timestamptz := '2000-01-01 00:00:00+00';
    now CONSTANT timestamptz := clock_timestamp();
    this_week CONSTANT bigint := floor(extract(epoch FROM now - start) / 604800);
    this_slot CONSTANT integer := learnsync_internal.slot_as_owner(now);
    done_to timestamptz;
    newest bigint;
BEGIN
    SELECT i.payloads_from INTO STRICT done_to FROM learnsync_data.instance i;
    FOR each IN 0..7 LOOP
        slot := each;
        newest := this_week - (this_slot - slot + 8) % 8;
        whole := start + (newest + 1) * week <= cutoff;
        CONTINUE WHEN pg_relation_size(format('learnsync_data.push_%s', slot)) = 0;
        -- The last week of this slot that began before cutoff.
        WHILE start + newest * week >= cutoff LOOP
            newest := newest - 8;
        END LOOP;
        IF whole OR start + (newest + 1) * week > done_to THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION learnsync_internal.slots_as_owner(timestamptz) IS
    'Slots of push that hold payloads from before a time.';

-- Empties a slot of push and answers how many items it held; NULL where readers did not let go of it in time. Pulls
-- wait behind us no longer than lock_timeout; pushes write to another slot.
CREATE OR REPLACE FUNCTION learnsync_internal.empty_slot_as_owner(slot integer) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE
    items bigint;
BEGIN
    EXECUTE format('SELECT COALESCE(sum(item_count), 0) FROM learnsync_data.push_%s WHERE items IS NOT NULL', slot)
        INTO items;
    EXECUTE format('TRUNCATE learnsync_data.push_%s', slot);
    RETURN items;
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION learnsync_internal.empty_slot_as_owner(integer) IS
    'Truncates one slot of push; the items it held.';

-- Locks those of the learners who are not being pushed for, without waiting, so that no deadlock can come about.
CREATE OR REPLACE FUNCTION learnsync_internal.lock_learners_as_owner(learners text[]) RETURNS text[]
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN ARRAY(SELECT l.learner_id FROM learnsync_data.learner l WHERE l.learner_id IN (SELECT unnest(learners))
                     AND l.moved_at IS NULL FOR NO KEY UPDATE SKIP LOCKED);
END
$$;
COMMENT ON FUNCTION learnsync_internal.lock_learners_as_owner(text[]) IS 'Locks the learners that are free; those.';

-- Closes the open conflicts in a run of pages for which the rule of their type has waited long enough. Under the
-- learner's lock: a person who decides one at the same moment comes before, or finds it closed.
CREATE OR REPLACE FUNCTION learnsync_internal.resolve_pages_as_owner(low tid, high tid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rules CONSTANT jsonb := (SELECT jsonb_object_agg(t.name, t.rule -> 'autoResolve')
                             FROM learnsync_data.resource_type t WHERE t.rule ? 'autoResolve');
    due uuid[];
    learners text[];
    free text[];
BEGIN
    SELECT array_agg(c.conflict_id), array_agg(c.learner_id) INTO due, learners
    FROM learnsync_data.conflict c
    WHERE c.ctid >= low AND c.ctid < high AND c.closed_at IS NULL AND rules ? c.resource_type
        AND timezone('UTC', c.created_at)
            < timezone('UTC', clock_timestamp()) - (rules #>> ARRAY[c.resource_type, 'after'])::interval;
    free := learnsync_internal.lock_learners_as_owner(learners);
    WITH closed AS (
        UPDATE learnsync_data.conflict c SET closed_at = clock_timestamp(),
            closed_by = 'rule: ' || (rules #>> ARRAY[c.resource_type, 'resolution'])
        FROM unnest(learners, due) d (learner_id, conflict_id)
        WHERE d.learner_id IN (SELECT unnest(free)) AND c.learner_id = d.learner_id AND c.conflict_id = d.conflict_id
            AND c.closed_at IS NULL
        RETURNING c.*)
    INSERT INTO learnsync_data.audit (learner_id, at, action, role, resource_type, resource_id, details)
    SELECT c.learner_id, c.closed_at, 'auto_resolve', session_user, c.resource_type, c.resource_id,
        jsonb_build_object('conflictId', c.conflict_id,
            'resolution', rules #>> ARRAY[c.resource_type, 'resolution'])
    FROM closed c;
END
$$;
COMMENT ON FUNCTION learnsync_internal.resolve_pages_as_owner(tid, tid) IS
    'Closes the open conflicts in some pages that are as old as autoResolve of their rule says.';

-- Forgets the members of lists, in a run of pages, that were removed before cutoff, and answers how many. No row says
-- when that was; but versions grow, so it was before whatever came later and is that old itself.
CREATE OR REPLACE FUNCTION learnsync_internal.forget_members_as_owner(low tid, high tid, cutoff timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lists CONSTANT jsonb := (
        SELECT jsonb_object_agg(t.name, jsonb_path_query_array(t.rule,
            '$.fields.keyvalue() ? (@.value.members == "latest").key'))
        FROM learnsync_data.resource_type t WHERE t.old_rule IS NULL);
    learners text[];
    removed bigint;
BEGIN
    learners := learnsync_internal.lock_learners_as_owner(ARRAY(
        SELECT DISTINCT m.learner_id FROM learnsync_data.member m
        WHERE m.ctid >= low AND m.ctid < high AND m.at < cutoff AND lists -> m.resource_type ? m.field
            AND m.value @> '{"deleted": true}'));
    WITH old AS (
        SELECT l.learner_id, greatest(
            (SELECT max(g.version) FROM learnsync_data.ledger g WHERE g.learner_id = l.learner_id AND g.at < cutoff),
            (SELECT max(r.version) FROM learnsync_data.resource r
             WHERE r.learner_id = l.learner_id AND r.updated_at < cutoff)) AS version
        FROM unnest(learners) l (learner_id)),
    gone AS (
        DELETE FROM learnsync_data.member m USING old o
        WHERE m.ctid >= low AND m.ctid < high AND m.at < cutoff AND lists -> m.resource_type ? m.field
            AND m.value @> '{"deleted": true}' AND m.learner_id = o.learner_id AND m.version <= o.version
        RETURNING m.learner_id, m.version),
    horizon AS (
        UPDATE learnsync_data.learner l SET tombstone_version = greatest(l.tombstone_version, g.version)
        FROM (SELECT learner_id, max(version) AS version FROM gone GROUP BY 1) g
        WHERE l.learner_id = g.learner_id)
    SELECT count(*) INTO removed FROM gone;
    RETURN removed;
END
$$;
COMMENT ON FUNCTION learnsync_internal.forget_members_as_owner(tid, tid, timestamptz) IS
    'Forgets, in some pages, members of lists that were removed long ago.';

-- Takes counts from rows in a run of pages, and adds them to those of their days. Under the learners' locks no call
-- counts meanwhile; who is busy is left to the next time.
CREATE OR REPLACE FUNCTION learnsync_internal.take_counts_as_owner(source text, low tid, high tid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    learners text[];
    counts bytea;
BEGIN
    EXECUTE format('SELECT array_agg(DISTINCT x.learner_id) FROM learnsync_data.%I x'
            ' WHERE x.ctid >= $1 AND x.ctid < $2 AND x.counts IS NOT NULL', source)
    INTO learners USING low, high;
    learners := learnsync_internal.lock_learners_as_owner(learners);
    EXECUTE format('SELECT learnsync_internal.counts_as_owner(x.learner_id, %s, x.counts) FROM learnsync_data.%I x'
            ' WHERE x.learner_id IN (SELECT unnest($1))',
            CASE source WHEN 'device' THEN 'x.device_id' ELSE 'NULL' END, source)
    INTO counts USING learners;
    EXECUTE format('UPDATE learnsync_data.%I x SET counts = NULL'
            ' WHERE x.learner_id IN (SELECT unnest($1)) AND x.counts IS NOT NULL', source)
    USING learners;
    PERFORM learnsync_internal.keep_counts_as_owner(counts);
END
$$;
COMMENT ON FUNCTION learnsync_internal.take_counts_as_owner(text, tid, tid) IS
    'Adds what rows of learner or device in some pages hold in counts to those of their days.';

-- Receipts go without the lock of any learner: whoever does not find one any more must know from when on that can be.
-- So that was committed, and every session told, before. The learners of a part that is about to be given away took
-- along what is so here; until they are gone nothing more is removed.
CREATE OR REPLACE FUNCTION learnsync_internal.may_remove_receipts_as_owner() RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'receipts are removed in a transaction of their own'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'CALL learnsync.maintain(); does so.';
    END IF;
    IF (SELECT i.parts FROM learnsync_data.instance i) IS NULL THEN
        RETURN true;
    END IF;
    LOCK TABLE learnsync_data.part IN SHARE MODE;
    RETURN NOT EXISTS (SELECT FROM learnsync_data.part p WHERE p.state = 'fenced');
END
$$;
COMMENT ON FUNCTION learnsync_internal.may_remove_receipts_as_owner() IS
    'Whether receipts may be removed by this transaction, in which nothing was written yet.';

-- Removes what is older than cutoff from a run of pages, and answers how much: of push the items, else the rows.
-- Receipts go in the order in which they lie; for other rows that somebody has, who may be about to erase a learner,
-- nothing waits. What is known of a learner moves on with it, under the learner's lock, so that the next push and pull
-- know what is gone.
CREATE OR REPLACE FUNCTION learnsync_internal.clean_pages_as_owner(task text, from_page bigint, to_page bigint,
    cutoff timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    low CONSTANT tid := format('(%s,0)', from_page);
    high CONSTANT tid := format('(%s,0)', least(to_page, 4294967295));
    learners text[];
    removed bigint := 0;
BEGIN
    CASE task
    WHEN 'resolve' THEN
        PERFORM learnsync_internal.resolve_pages_as_owner(low, high);
    WHEN 'learner_counts', 'device_counts' THEN
        PERFORM learnsync_internal.take_counts_as_owner(split_part(task, '_', 1), low, high);
    WHEN 'member' THEN
        removed := learnsync_internal.forget_members_as_owner(low, high, cutoff);
    WHEN 'conflict' THEN
        DELETE FROM learnsync_data.conflict c WHERE c.ctid = ANY (ARRAY(
            SELECT x.ctid FROM learnsync_data.conflict x
            WHERE x.ctid >= low AND x.ctid < high AND x.closed_at < cutoff AND x.closed_by = 'rule'
                AND NOT EXISTS (SELECT FROM learnsync_data.learner l
                    WHERE l.learner_id = x.learner_id AND l.moved_at IS NOT NULL)
            FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS removed = ROW_COUNT;
        UPDATE learnsync_data.conflict c SET client_data = NULL, server_data = NULL WHERE c.ctid = ANY (ARRAY(
            SELECT x.ctid FROM learnsync_data.conflict x
            WHERE x.ctid >= low AND x.ctid < high AND x.closed_at < cutoff
                AND NOT EXISTS (SELECT FROM learnsync_data.learner l
                    WHERE l.learner_id = x.learner_id AND l.moved_at IS NOT NULL)
                AND (x.client_data IS NOT NULL OR x.server_data IS NOT NULL)
            FOR UPDATE SKIP LOCKED));
    WHEN 'failed' THEN
        -- A push that sends one of them again has its row: it is not waited for.
        DELETE FROM learnsync_data.failed f WHERE f.ctid = ANY (ARRAY(
            SELECT x.ctid FROM learnsync_data.failed x
            WHERE x.ctid >= low AND x.ctid < high AND x.failed_at < cutoff AND x.waits_for IS NULL
            AND NOT EXISTS (SELECT FROM learnsync_data.learner l
            WHERE l.learner_id = x.learner_id AND l.moved_at IS NOT NULL)
            FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS removed = ROW_COUNT;
    WHEN 'instant' THEN
        DELETE FROM learnsync_data.instant t WHERE t.ctid = ANY (ARRAY(
            SELECT x.ctid FROM learnsync_data.instant x
            WHERE x.ctid >= low AND x.ctid < high AND x.noted_at < cutoff
            AND NOT EXISTS (SELECT FROM learnsync_data.learner l
            WHERE l.learner_id = x.learner_id AND l.moved_at IS NOT NULL) FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS removed = ROW_COUNT;
    WHEN 'learner' THEN
        learners := learnsync_internal.lock_learners_as_owner(ARRAY(
            SELECT l.learner_id FROM learnsync_data.learner l WHERE l.ctid >= low AND l.ctid < high AND l.has_failed));
        UPDATE learnsync_data.learner l SET has_failed = false
        WHERE l.learner_id IN (SELECT unnest(learners))
            AND NOT EXISTS (SELECT FROM learnsync_data.failed f WHERE f.learner_id = l.learner_id)
            AND NOT EXISTS (SELECT FROM learnsync_data.instant t WHERE t.learner_id = l.learner_id);
        GET DIAGNOSTICS removed = ROW_COUNT;
    WHEN 'resource' THEN
        learners := learnsync_internal.lock_learners_as_owner(ARRAY(
            SELECT DISTINCT r.learner_id FROM learnsync_data.resource r
            WHERE r.ctid >= low AND r.ctid < high AND r.data IS NULL AND r.updated_at < cutoff));
        WITH gone AS (
            DELETE FROM learnsync_data.resource r
            WHERE r.ctid >= low AND r.ctid < high AND r.data IS NULL AND r.updated_at < cutoff
                AND r.learner_id IN (SELECT unnest(learners))
            RETURNING r.learner_id, r.version),
        horizon AS (
            UPDATE learnsync_data.learner l SET tombstone_version = greatest(l.tombstone_version, g.version)
            FROM (SELECT learner_id, max(version) AS version FROM gone GROUP BY 1) g
            WHERE l.learner_id = g.learner_id)
        SELECT count(*) INTO removed FROM gone;
    WHEN 'ledger' THEN
        IF learnsync_internal.may_remove_receipts_as_owner() THEN
            DELETE FROM learnsync_data.ledger g WHERE g.ctid >= low AND g.ctid < high AND g.at < cutoff;
            GET DIAGNOSTICS removed = ROW_COUNT;
        END IF;
    ELSE
        EXECUTE format('WITH gone AS (DELETE FROM learnsync_data.%1$I p WHERE p.ctid = ANY (ARRAY('
                'SELECT x.ctid FROM learnsync_data.%1$I x WHERE x.ctid >= $1 AND x.ctid < $2 AND x.pushed_at < $3'
                ' FOR UPDATE SKIP LOCKED)) RETURNING p.item_count, p.items IS NOT NULL AS kept)'
                ' SELECT COALESCE(sum(item_count), 0) FROM gone WHERE kept',
            task)
        INTO removed USING low, high, cutoff;
    END CASE;
    RETURN removed;
END
$$;
COMMENT ON FUNCTION learnsync_internal.clean_pages_as_owner(text, bigint, bigint, timestamptz) IS
    'Removes what is too old from some pages of one table.';

CREATE OR REPLACE FUNCTION learnsync_internal.days_ago_as_owner(days integer) RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF days IS NULL OR days NOT BETWEEN 0 AND 36500 THEN
        RAISE EXCEPTION 'the number of days must be an integer from 0 to 36500'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN clock_timestamp() - days * interval '24 hours';
END
$$;
COMMENT ON FUNCTION learnsync_internal.days_ago_as_owner(integer) IS 'The time so many days ago.';

-- In the caller's transaction. Emptying slots comes last: it keeps pulls waiting until the transaction ends.
CREATE OR REPLACE FUNCTION learnsync_internal.cleanup_as_owner(days_old integer) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    cutoff CONSTANT timestamptz := learnsync_internal.days_ago_as_owner(days_old);
    all_pages CONSTANT bigint := 4294967295;
    found record;
    items bigint := 0;
BEGIN
    PERFORM learnsync_internal.clean_pages_as_owner('conflict', 0, all_pages, cutoff);
    FOR found IN SELECT * FROM learnsync_internal.slots_as_owner(cutoff) ORDER BY whole LOOP
        items := items + COALESCE(CASE WHEN found.whole THEN learnsync_internal.empty_slot_as_owner(found.slot) END,
                                  learnsync_internal.clean_pages_as_owner('push_' || found.slot, 0, all_pages, cutoff));
    END LOOP;
    -- A push that is not committed yet may still bring a payload that is a little older than now.
    UPDATE learnsync_data.instance SET cleaned_at = clock_timestamp(), cleaned_items = cleaned_items + items,
        payloads_from = greatest(payloads_from, least(cutoff, clock_timestamp() - interval '24 hours'));
    RETURN items;
END
$$;
COMMENT ON FUNCTION learnsync_internal.cleanup_as_owner(integer) IS
    'What sync_cleanup does, as the owner of the tables.';

-- Before when a task may remove: what is left to do comes back from an administrator, who is not to have it otherwise.
CREATE OR REPLACE FUNCTION learnsync_internal.task_limit_as_owner(task text, days_old integer) RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keep CONSTANT integer := current_setting('learnsync.receipt_days');
BEGIN
    RETURN CASE WHEN task = 'conflict' THEN learnsync_internal.days_ago_as_owner(days_old)
        WHEN task = 'resolve' AND EXISTS (
            SELECT FROM learnsync_data.resource_type t WHERE t.rule ? 'autoResolve') THEN clock_timestamp()
        WHEN task IN ('failed', 'instant') THEN learnsync_internal.days_ago_as_owner(90)
        WHEN task IN ('learner', 'learner_counts', 'device_counts') THEN clock_timestamp()
        WHEN task = 'member' AND NOT EXISTS (
            SELECT FROM learnsync_data.resource_type t
            WHERE jsonb_path_exists(t.rule, '$.fields.*.members ? (@ == "latest")')) THEN NULL
        WHEN task IN ('resource', 'member')
            THEN learnsync_internal.days_ago_as_owner(current_setting('learnsync.tombstone_days')::integer)
        WHEN task = 'ledger' AND keep > 0
            THEN (SELECT i.receipts_from - interval '24 hours' FROM learnsync_data.instance i)
        WHEN task ~ '^(empty|push_[0-7])$'
            THEN date_bin('168 hours', learnsync_internal.days_ago_as_owner(days_old), '2000-01-01 00:00:00+00') END;
END
$$;
COMMENT ON FUNCTION learnsync_internal.task_limit_as_owner(text, integer) IS
    'What a task of maintain() removes is older than that; NULL for what is no task.';

CREATE OR REPLACE FUNCTION learnsync_internal.task_pages_as_owner(task text) RETURNS bigint
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN CASE WHEN task = 'empty' THEN 0 ELSE ceil(pg_relation_size(format('learnsync_data.%I',
        CASE task WHEN 'resolve' THEN 'conflict' ELSE replace(task, '_counts', '') END))
        / current_setting('block_size')::numeric) END;
END
$$;
COMMENT ON FUNCTION learnsync_internal.task_pages_as_owner(text) IS 'How many pages a task of maintain() goes through.';

CREATE OR REPLACE FUNCTION learnsync_internal.is_sweep_due_as_owner() RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT i.swept_at IS NULL OR i.swept_at < clock_timestamp() - interval '23 hours 30 minutes'
            FROM learnsync_data.instance i);
END
$$;
COMMENT ON FUNCTION learnsync_internal.is_sweep_due_as_owner() IS
    'Whether maintain() is to go through all tables, as once a day.';

-- The work of one maintain(): a list of [task, first page, end, cutoff]. Of payloads only whole weeks go, most of them
-- by emptying a slot; the other tables are gone through once a day.
CREATE OR REPLACE FUNCTION learnsync_internal.plan_as_owner(days_old integer) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    cutoff CONSTANT timestamptz := learnsync_internal.task_limit_as_owner('empty', days_old);
    tasks jsonb := '[]';
    sweep CONSTANT boolean := learnsync_internal.is_sweep_due_as_owner();
BEGIN
    SELECT COALESCE(jsonb_agg(jsonb_build_array(CASE WHEN whole THEN 'empty' ELSE 'push_' || slot END,
            CASE WHEN whole THEN slot ELSE 0 END, cutoff)),
        '[]')
    INTO tasks FROM learnsync_internal.slots_as_owner(cutoff);
    IF sweep THEN
        tasks := tasks || (
            SELECT jsonb_agg(jsonb_build_array(t.task, 0, learnsync_internal.task_limit_as_owner(t.task, days_old))
                ORDER BY t.n)
            FROM unnest('{learner_counts,device_counts,conflict,resolve,failed,instant,learner,resource,member,'
                        'ledger}'::text[]) WITH ORDINALITY t (task, n)
            WHERE learnsync_internal.task_limit_as_owner(t.task, days_old) IS NOT NULL);
    END IF;
    RETURN jsonb_build_object('tasks', tasks, 'items', 0, 'rows', 0, 'payloadsFrom', cutoff, 'swept', sweep, 'done', 0,
        'pages', (SELECT sum(learnsync_internal.task_pages_as_owner(t ->> 0)) FROM jsonb_array_elements(tasks) t));
END
$$;
COMMENT ON FUNCTION learnsync_internal.plan_as_owner(integer) IS 'What a maintain() has to do.';

CREATE OR REPLACE FUNCTION learnsync_internal.maintain_as_owner(days_old integer, work jsonb) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    task CONSTANT text := work #>> '{tasks,0,0}';
    -- Where learners are locked meanwhile, a piece takes some milliseconds; nobody waits for the other ones.
    piece CONSTANT bigint := CASE WHEN task LIKE 'push_%' OR task = 'ledger' THEN 2048 ELSE 256 END;
    pages bigint;
    place CONSTANT bigint := work #>> '{tasks,0,1}';
    limit_at CONSTANT timestamptz := learnsync_internal.task_limit_as_owner(COALESCE(task, 'empty'), days_old);
    keep CONSTANT integer := current_setting('learnsync.receipt_days');
    removed bigint;
BEGIN
    IF work IS NULL THEN
        -- From now on items this old are refused that have no receipt; a day later these go.
        UPDATE learnsync_data.instance
        SET receipts_from = greatest(receipts_from, learnsync_internal.days_ago_as_owner(keep))
        WHERE keep > 0 AND learnsync_internal.is_sweep_due_as_owner();
        RETURN learnsync_internal.plan_as_owner(days_old);
    ELSIF task IS NULL THEN
        UPDATE learnsync_data.instance SET cleaned_at = clock_timestamp(),
            cleaned_items = cleaned_items + (work ->> 'items')::bigint,
            payloads_from = CASE WHEN (work ->> 'payloadsFrom')::timestamptz > limit_at THEN payloads_from
                ELSE greatest(payloads_from, (work ->> 'payloadsFrom')::timestamptz) END,
            swept_at = CASE WHEN (work ->> 'swept')::boolean THEN clock_timestamp() ELSE swept_at END;
        RETURN NULL;
    ELSIF limit_at IS NULL THEN
        RAISE EXCEPTION 'this is no work of maintain()' USING ERRCODE = 'invalid_parameter_value';
    ELSIF task = 'empty' THEN
        IF EXISTS (SELECT FROM learnsync_internal.slots_as_owner(limit_at) s WHERE s.slot = place AND s.whole) THEN
            removed := learnsync_internal.empty_slot_as_owner(place::integer);
        END IF;
        IF removed IS NULL THEN
            work := work || '{"payloadsFrom": null}'; -- the next run tries again
        END IF;
        work := work #- '{tasks,0}';
    ELSE
        removed := learnsync_internal.clean_pages_as_owner(task, place, place + piece,
            least(limit_at, (work #>> '{tasks,0,2}')::timestamptz));
        -- What an administrator made up does not say how much is done.
        pages := learnsync_internal.task_pages_as_owner(task);
        work := jsonb_set(work, '{done}',
            to_jsonb(COALESCE((work ->> 'done')::bigint, 0) + least(piece, pages - place)), false);
        IF place + piece < pages THEN
            work := jsonb_set(work, '{tasks,0,1}', to_jsonb(place + piece));
        ELSE
            work := work #- '{tasks,0}';
        END IF;
        IF task NOT LIKE 'push_%' THEN
            work := jsonb_set(work, '{rows}', to_jsonb(COALESCE((work ->> 'rows')::bigint, 0)
                + CASE task WHEN 'learner' THEN 0 ELSE removed END), false);
            removed := 0;
        END IF;
    END IF;
    RETURN jsonb_set(work, '{items}', to_jsonb((work ->> 'items')::bigint + COALESCE(removed, 0)));
END
$$;
COMMENT ON FUNCTION learnsync_internal.maintain_as_owner(integer, jsonb) IS
    'What maintain_step does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_internal.maintain_step(days_old integer, work jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_maintain_step';
COMMENT ON FUNCTION learnsync_internal.maintain_step(integer, jsonb) IS
    'One piece of maintain(): takes and answers what is left to do, NULL at the beginning and at the end.';

CREATE OR REPLACE PROCEDURE learnsync.maintain(days_old integer DEFAULT 30)
    LANGUAGE plpgsql AS $$
DECLARE
    work pg_catalog.jsonb;
    left_over pg_catalog.jsonb;
BEGIN
    PERFORM learnsync_internal.tell('', 0, 0);
    LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        left_over := learnsync_internal.maintain_step(days_old, work);
        EXIT WHEN left_over IS NULL;
        work := left_over;
        PERFORM learnsync_internal.tell('maintain, pages gone through',
            (work OPERATOR(pg_catalog.->>) 'done')::pg_catalog.int8,
            (work OPERATOR(pg_catalog.->>) 'pages')::pg_catalog.int8);
    END LOOP;
    IF (work OPERATOR(pg_catalog.->>) 'items') OPERATOR(pg_catalog.<>) '0'
        OR (work OPERATOR(pg_catalog.->>) 'rows') OPERATOR(pg_catalog.<>) '0'
    THEN
        RAISE NOTICE 'maintain: removed the payloads of % items, and % rows besides',
            work OPERATOR(pg_catalog.->>) 'items', work OPERATOR(pg_catalog.->>) 'rows';
    END IF;
    CALL learnsync.rebase();
    CALL learnsync_internal.retry(NULL, NULL, true);
    CALL learnsync_internal.verify_some();
END
$$;
COMMENT ON PROCEDURE learnsync.maintain(integer) IS
    'Removes what is past its time, in short transactions; call it from cron, each minute if you like. days_old: '
    'payloads of accepted items and copies of closed conflicts older than that go (default 30; payloads by whole '
    'weeks). Once a day also failed items after 90 days, tombstones of resources and of members of lists after '
    'learnsync.tombstone_days, receipts after learnsync.receipt_days; and open conflicts are closed that are as old '
    'as autoResolve of their rule says. Changes of rules are carried out, as by learnsync.rebase(), and items are '
    'taken up that have waited for a type or content which is there now. And learnsync.verify_learners learners are '
    'looked at, for the view learnsync.anomaly. Cannot run inside a transaction block (2D000).';

CREATE OR REPLACE FUNCTION learnsync_api.sync_cleanup(jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_api_sync_cleanup';
COMMENT ON FUNCTION learnsync_api.sync_cleanup(jsonb) IS
    'For administrators: removes payloads of accepted items and copies of closed conflicts, of all learners. Body: '
    '{daysOld? (30, at least 0)}. Answer: {message, deletedCount (items)}. Failed items, open conflicts, receipts, '
    'resources and events stay. Errors: 22023 malformed request, 42501 no administrator.';
