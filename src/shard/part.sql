-- Learners spread over several servers by parts: which of them this server has, and how one is given to another.
-- Only what is built in and immutable: the filters of publications take nothing else. decode() reads backslashes.
CREATE OR REPLACE FUNCTION learnsync.part_of(learner_id text, parts integer DEFAULT 256) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (get_byte(sha256(decode(replace(learner_id, '\', '\\'), 'escape')), 0) * 256
        + get_byte(sha256(decode(replace(learner_id, '\', '\\'), 'escape')), 1)) % parts;
COMMENT ON FUNCTION learnsync.part_of(text, integer) IS
    'In which of so many parts (a power of two up to 65536) a learner is, from 0: the first two bytes of the SHA-256 '
    'of the id in UTF-8, as a big-endian number, modulo parts. The same in every release.';

CREATE OR REPLACE FUNCTION learnsync_internal.see_to_parts_as_owner() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
BEGIN
    CREATE TABLE IF NOT EXISTS learnsync_data.part (
        part integer PRIMARY KEY,
        state text NOT NULL,
        since timestamptz NOT NULL);
    PERFORM learnsync_internal.see_to_comment_as_owner('part',
        'The parts of all learners that this server has, where they are spread over several. state: here, fenced '
        '(about to be given away, nothing is taken), or leaving (its rows are being removed). What has no row is '
        'elsewhere.');

    CREATE TABLE IF NOT EXISTS learnsync_data.shard_change (
        singleton boolean PRIMARY KEY DEFAULT true,
        change jsonb NOT NULL,
        begun_at timestamptz NOT NULL);
    PERFORM learnsync_internal.see_to_comment_as_owner('shard_change',
        'The change of rules or catalog that a router has begun and that may not be on all servers yet: {routine, '
        'arguments, subject}; no row where there is none. On the first server only.');
END
$$;
COMMENT ON FUNCTION learnsync_internal.see_to_parts_as_owner() IS
    'Makes the tables of parts, and of what routers do to all servers. Part of setup().';

-- Held until the transaction ends, as by a push of a learner without a row.
CREATE OR REPLACE FUNCTION learnsync_internal.part_is_here_as_owner(learner_id text) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM learnsync_data.part p CROSS JOIN learnsync_data.instance i
    WHERE p.state = 'here' AND p.part = learnsync.part_of(part_is_here_as_owner.learner_id, i.parts) FOR SHARE OF p;
    RETURN FOUND OR EXISTS (SELECT FROM learnsync_data.instance i WHERE i.parts IS NULL);
END
$$;
COMMENT ON FUNCTION learnsync_internal.part_is_here_as_owner(text) IS
    'Whether this server has the part of a learner; it is not given away before the transaction ends.';

CREATE OR REPLACE FUNCTION learnsync_internal.shard_parts_as_owner() RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT jsonb_build_object('parts', i.parts, 'here', COALESCE(p.here, '[]'), 'fenced',
        COALESCE(p.fenced, '[]'), 'leaving', COALESCE(p.leaving, '[]'))
        FROM learnsync_data.instance i CROSS JOIN (
            SELECT jsonb_agg(x.part ORDER BY x.part) FILTER (WHERE x.state = 'here') AS here,
                jsonb_agg(x.part ORDER BY x.part) FILTER (WHERE x.state = 'fenced') AS fenced,
                jsonb_agg(x.part ORDER BY x.part) FILTER (WHERE x.state = 'leaving') AS leaving
            FROM learnsync_data.part x) p);
END
$$;
COMMENT ON FUNCTION learnsync_internal.shard_parts_as_owner() IS 'What shard_parts reads, as the owner of the tables.';

-- A learner of another part would be refused once the row is gone, and be nobody's to move.
CREATE OR REPLACE FUNCTION learnsync_internal.part_hold_as_owner(first integer, last integer, parts integer)
    RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present integer;
    stranger text;
BEGIN
    IF parts IS NULL OR parts NOT BETWEEN 1 AND 65536 OR parts & (parts - 1) <> 0 THEN
        RAISE EXCEPTION 'parts must be a power of two from 1 to 65536' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF first IS NULL OR last IS NULL OR first < 0 OR last >= parts OR first > last THEN
        RAISE EXCEPTION 'first and last must be parts, from 0 to %', parts - 1
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    LOCK TABLE learnsync_data.part IN SHARE ROW EXCLUSIVE MODE;
    UPDATE learnsync_data.instance i SET parts = part_hold_as_owner.parts
    WHERE i.parts IS NULL OR i.parts = part_hold_as_owner.parts;
    IF NOT FOUND THEN
        SELECT i.parts INTO present FROM learnsync_data.instance i;
        RAISE EXCEPTION 'learners are divided into % parts', present
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Their number cannot be changed any more.';
    END IF;
    INSERT INTO learnsync_data.part (part, state, since)
    SELECT p, 'here', clock_timestamp() FROM generate_series(first, last) p ON CONFLICT DO NOTHING;
    SELECT l.learner_id INTO stranger FROM learnsync_data.learner l
    WHERE learnsync.part_of(l.learner_id, part_hold_as_owner.parts) NOT IN (SELECT p.part FROM learnsync_data.part p)
    LIMIT 1;
    IF stranger IS NOT NULL THEN
        RAISE EXCEPTION 'this server has learners of other parts'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                DETAIL = format('One of them is %s.', to_json(stranger)),
                HINT = 'A server that has learners holds all parts first; then give some to others.';
    END IF;
    RETURN (SELECT format('this server has %s of %s parts', count(*), part_hold_as_owner.parts)
            FROM learnsync_data.part p WHERE p.state = 'here');
END
$$;
COMMENT ON FUNCTION learnsync_internal.part_hold_as_owner(integer, integer, integer) IS
    'What part_hold does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_internal.part_learners_as_owner(part integer) RETURNS SETOF text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT l.learner_id FROM learnsync_data.learner l
        WHERE learnsync.part_of(l.learner_id, (SELECT i.parts FROM learnsync_data.instance i))
            = part_learners_as_owner.part;
END
$$;
COMMENT ON FUNCTION learnsync_internal.part_learners_as_owner(integer) IS
    'The learners of a part that have a row here.';

-- Whoever makes a learner's row holds the row of the part until the end, so once that is changed all learners are seen.
-- Their rows are locked in the order in which others lock several.
-- While a rule changes with its data each server knows only of its own learners who goes by which.
CREATE OR REPLACE FUNCTION learnsync_internal.rules_stand_as_owner() RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := (SELECT t.name FROM learnsync_data.resource_type t WHERE t.old_rule IS NOT NULL LIMIT 1);
BEGIN
    IF name IS NOT NULL THEN
        RAISE EXCEPTION 'the rule of resource type "%" is being changed, or was within the hour', name
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'CALL learnsync.rebase(), and again after an hour, or wait for maintain().';
    END IF;
END
$$;
COMMENT ON FUNCTION learnsync_internal.rules_stand_as_owner() IS
    'Refuses where learners may go by a rule that was (55000). Part of part_fence() and part_accept().';

CREATE OR REPLACE FUNCTION learnsync_internal.part_fence_as_owner(part integer) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    learners text[];
BEGIN
    PERFORM learnsync_internal.rules_stand_as_owner();
    UPDATE learnsync_data.part p SET state = 'fenced', since = clock_timestamp()
    WHERE p.part = part_fence_as_owner.part AND p.state IN ('here', 'fenced');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'part % is not here', COALESCE(part::text, 'NULL')
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'learnsync.shard_parts() says what is.';
    END IF;
    learners := ARRAY(SELECT learnsync_internal.part_learners_as_owner(part_fence_as_owner.part));
    UPDATE learnsync_data.learner l SET moved_at = clock_timestamp(),
        receipt_horizon = (SELECT NULLIF(greatest(l.receipt_horizon, i.receipts_from), '-infinity')
                           FROM learnsync_data.instance i)
    WHERE l.learner_id IN (SELECT unnest(learners)) AND l.moved_at IS NULL;
    RETURN (SELECT jsonb_build_object('learners', cardinality(learners), 'epoch', i.epoch, 'life', i.life)
            FROM learnsync_data.instance i);
END
$$;
COMMENT ON FUNCTION learnsync_internal.part_fence_as_owner(integer) IS
    'What part_fence does, as the owner of the tables.';

-- By its default moved_at is set in rows that come by replication, so nothing is taken of these learners before.
-- Of who was erased meanwhile something may have come along.
CREATE OR REPLACE FUNCTION learnsync_internal.forget_again_as_owner(part integer) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    secret CONSTANT bytea := (SELECT i.secret FROM learnsync_data.instance i);
    erased text;
    count bigint := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM learnsync_data.forgotten) THEN
        RETURN 0;
    END IF;
    FOR erased IN SELECT l FROM learnsync_internal.part_learners_as_owner(part) l
        WHERE sha256(secret || sha256(secret || convert_to(l, 'UTF8')))
            IN (SELECT f.learner_hash FROM learnsync_data.forgotten f) LOOP
        PERFORM learnsync_internal.forget_as_owner(erased);
        count := count + 1;
    END LOOP;
    RETURN count;
END
$$;
COMMENT ON FUNCTION learnsync_internal.forget_again_as_owner(integer) IS
    'Erases those learners of a part who were erased, and have rows again; how many.';

CREATE OR REPLACE FUNCTION learnsync_internal.part_accept_as_owner(part integer, source jsonb) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own record;
    forgotten bigint;
BEGIN
    SELECT i.epoch, i.life, i.parts INTO own FROM learnsync_data.instance i;
    IF own.parts IS NULL OR part IS NULL OR part NOT BETWEEN 0 AND own.parts - 1 THEN
        RAISE EXCEPTION 'there is no part %', COALESCE(part::text, 'NULL')
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'learnsync.shard_parts() says how many there are.';
    END IF;
    IF EXISTS (SELECT FROM learnsync_data.part p WHERE p.part = part_accept_as_owner.part AND p.state = 'leaving') THEN
        RAISE EXCEPTION 'part % was given away and is being removed', part
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Call learnsync.part_purge() to its end first.';
    END IF;
    -- Those who come were carried over where they were, under the numbers that rules have there.
    IF NOT EXISTS (SELECT FROM learnsync_data.part p WHERE p.part = part_accept_as_owner.part) THEN
        PERFORM learnsync_internal.rules_stand_as_owner();
        DELETE FROM learnsync_data.rebased r
        WHERE r.learner_id IN (SELECT learnsync_internal.part_learners_as_owner(part_accept_as_owner.part));
    END IF;
    forgotten := learnsync_internal.forget_again_as_owner(part);
    UPDATE learnsync_data.learner l SET moved_at = NULL,
        epoch = COALESCE(l.epoch, NULLIF((source ->> 'epoch')::uuid, own.epoch)),
        life = COALESCE(l.life, NULLIF((source ->> 'life')::bigint, own.life))
    WHERE l.learner_id IN (SELECT learnsync_internal.part_learners_as_owner(part_accept_as_owner.part))
        AND (l.moved_at IS NOT NULL OR l.epoch IS NULL AND (source ->> 'epoch')::uuid <> own.epoch
            OR l.life IS NULL AND (source ->> 'life')::bigint <> own.life);
    INSERT INTO learnsync_data.part (part, state, since) VALUES (part_accept_as_owner.part, 'here', clock_timestamp())
    ON CONFLICT ON CONSTRAINT part_pkey DO UPDATE SET state = EXCLUDED.state, since = EXCLUDED.since;
    RETURN format('part %s is here', part) || CASE WHEN forgotten > 0
        THEN format('; of %s learners who were erased meanwhile nothing is left', forgotten) ELSE '' END;
END
$$;
COMMENT ON FUNCTION learnsync_internal.part_accept_as_owner(integer, jsonb) IS
    'What part_accept does, as the owner of the tables.';

-- The tables that have rows of learners, the learner's own last.
CREATE OR REPLACE FUNCTION learnsync_internal.learner_tables() RETURNS SETOF text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'learnsync_data'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND a.attname = 'learner_id' AND NOT a.attisdropped
ORDER BY c.relname = 'learner', c.relname
$$;
COMMENT ON FUNCTION learnsync_internal.learner_tables() IS 'The tables with rows of learners.';

-- What differs between servers is left out: where a move has come to, and payloads, which maintain() may have removed.
CREATE OR REPLACE FUNCTION learnsync_internal.part_verify_as_owner(part integer) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO'
    SET bytea_output = hex SET extra_float_digits = 1 SET "IntervalStyle" = postgres AS $$
DECLARE
    own_epoch CONSTANT uuid := (SELECT i.epoch FROM learnsync_data.instance i);
    learners CONSTANT text[] := ARRAY(SELECT learnsync_internal.part_learners_as_owner(part));
    name text;
    counted jsonb;
    answer jsonb := '{}';
BEGIN
    FOR name IN SELECT learnsync_internal.learner_tables() LOOP
        CONTINUE WHEN name = 'push';
        EXECUTE format($query$
            SELECT jsonb_build_object('rows', count(*), 'sum', COALESCE(sum(hashtextextended(
                (to_jsonb(t) - '{moved_at,life,epoch}'::text[])::text, 0)), 0)::text)
            FROM unnest($1) l
            CROSS JOIN LATERAL (SELECT * FROM learnsync_data.%I x WHERE x.learner_id = l OFFSET 0) t $query$, name)
        INTO counted USING learners;
        answer := answer || jsonb_build_object(name, counted);
    END LOOP;
    RETURN answer || jsonb_build_object('epochs', (
        SELECT jsonb_build_object('rows', count(*), 'sum',
            COALESCE(sum(hashtextextended(COALESCE(x.epoch, own_epoch)::text, 0)), 0)::text)
        FROM unnest(learners) l
        CROSS JOIN LATERAL (SELECT y.epoch FROM learnsync_data.learner y WHERE y.learner_id = l OFFSET 0) x));
END
$$;
COMMENT ON FUNCTION learnsync_internal.part_verify_as_owner(integer) IS
    'What part_verify reads, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_internal.part_purge_as_owner(part integer, learners integer) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ids text[];
    name text;
BEGIN
    IF learners IS NULL OR learners < 1 THEN
        RAISE EXCEPTION 'learners must be a positive number' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (SELECT FROM learnsync_data.instance i WHERE part_purge_as_owner.part BETWEEN 0 AND i.parts - 1) THEN
        INSERT INTO learnsync_data.part AS p (part, state, since)
        VALUES (part_purge_as_owner.part, 'leaving', clock_timestamp())
        ON CONFLICT ON CONSTRAINT part_pkey DO UPDATE SET state = EXCLUDED.state, since = EXCLUDED.since
        WHERE p.state <> 'here';
    END IF;
    IF NOT EXISTS (SELECT FROM learnsync_data.part p
                   WHERE p.part = part_purge_as_owner.part AND p.state = 'leaving') THEN
        RAISE EXCEPTION 'part % is not given away', COALESCE(part::text, 'NULL')
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Call learnsync.part_fence() first.';
    END IF;
    ids := ARRAY(SELECT l FROM learnsync_internal.part_learners_as_owner(part_purge_as_owner.part) l
                 ORDER BY l COLLATE "C" LIMIT part_purge_as_owner.learners);
    FOR name IN SELECT learnsync_internal.learner_tables() LOOP
        EXECUTE format('DELETE FROM learnsync_data.%I x USING unnest($1) l WHERE x.learner_id = l', name) USING ids;
    END LOOP;
    IF cardinality(ids) < part_purge_as_owner.learners THEN
        DELETE FROM learnsync_data.part p WHERE p.part = part_purge_as_owner.part;
    END IF;
    RETURN cardinality(ids);
END
$$;
COMMENT ON FUNCTION learnsync_internal.part_purge_as_owner(integer, integer) IS
    'What part_purge does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync.shard_parts() RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_shard_parts';
COMMENT ON FUNCTION learnsync.shard_parts() IS
    'Which parts of all learners this server has: {parts, here, fenced, leaving}; parts is null where learners are not '
    'spread over servers, and all are here.';

CREATE OR REPLACE FUNCTION learnsync.part_hold(first integer, last integer, parts integer DEFAULT 256) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_part_hold';
COMMENT ON FUNCTION learnsync.part_hold(integer, integer, integer) IS
    'From now on this server has these parts of all learners, and beside what it had no others; to be called once, as '
    'servers are set up. Whoever is of another part is refused (PT503). Errors: 22023 such parts, 55000 another number '
    'of parts, or learners of other parts are here.';

CREATE OR REPLACE FUNCTION learnsync.part_fence(part integer) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_part_fence';
COMMENT ON FUNCTION learnsync.part_fence(integer) IS
    'From now on nothing is taken and read of the learners of a part, which is about to be given to another server: '
    'PT503. Waits for open calls of these learners. Answers {learners, epoch, life}, for part_accept, which also '
    'takes it back here. Errors: 55000 the part is not here, or a rule is being changed with its data.';

CREATE OR REPLACE FUNCTION learnsync.part_accept(part integer, source jsonb DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_part_accept';
COMMENT ON FUNCTION learnsync.part_accept(integer, jsonb) IS
    'From now on this server has a part, of which the rows have come, or which was to be given away and stays. source: '
    'what part_fence answered: cursors stay good that learners had there. Whoever was erased meanwhile is so here. '
    'Errors: 55000 no such part, it is being removed, or a rule is being changed with its data.';

CREATE OR REPLACE FUNCTION learnsync.part_verify(part integer) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_part_verify';
COMMENT ON FUNCTION learnsync.part_verify(integer) IS
    'What this server holds of a part: {table: {rows, sum}}; equal answers of two servers of the same release mean '
    'equal rows, and under epochs that cursors are good on both. Payloads are not among it.';

CREATE OR REPLACE FUNCTION learnsync.part_purge(part integer, learners integer DEFAULT 1000) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_part_purge';
COMMENT ON FUNCTION learnsync.part_purge(integer, integer) IS
    'Removes the rows of so many learners of a part that was fenced and that another server has by now, or that did '
    'not come here whole; how many. To be called until it answers 0. Errors: 55000 the part is here, 22023 such a '
    'number.';

-- A move takes rows as they are: no table is published whole, and how far the move is stays here.
CREATE OR REPLACE FUNCTION learnsync_internal.part_publication_as_owner(part integer) RETURNS SETOF text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts CONSTANT integer := (SELECT i.parts FROM learnsync_data.instance i);
    name CONSTANT text := format('learnsync_part_%s', part);
    bytes CONSTANT text := $s$sha256(decode(replace(learner_id, '\', '\\'), 'escape'))$s$;
BEGIN
    IF parts IS NULL OR part IS NULL OR part NOT BETWEEN 0 AND parts - 1 THEN
        RAISE EXCEPTION 'there is no part %', COALESCE(part::text, 'NULL')
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'learnsync.part_hold() divides learners into parts.';
    END IF;
    RETURN NEXT format('DROP PUBLICATION IF EXISTS %I', name);
    RETURN QUERY SELECT format('CREATE PUBLICATION %I FOR TABLE ', name) || string_agg(
        format('learnsync_data.%I (%s) WHERE ((get_byte(%s, 0) * 256 + get_byte(%3$s, 1)) %% %s = %s)',
            t.relname, t.columns, bytes, parts, part), ', ')
        || ' WITH (publish = ''insert, update, delete'', publish_via_partition_root = true)'
    FROM (SELECT n AS relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS columns
          FROM learnsync_internal.learner_tables() n
          JOIN pg_attribute a ON a.attrelid = format('learnsync_data.%I', n)::regclass AND a.attnum > 0
              AND NOT a.attisdropped AND a.attgenerated = '' AND NOT (n = 'learner' AND a.attname = 'moved_at')
          GROUP BY n) t;
END
$$;
COMMENT ON FUNCTION learnsync_internal.part_publication_as_owner(integer) IS
    'What part_publication_sql answers, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync.part_publication_sql(INOUT part integer, OUT statement text)
    RETURNS SETOF record LANGUAGE c STABLE ROWS 2 AS 'MODULE_PATHNAME', 'learnsync_part_publication_sql';
COMMENT ON FUNCTION learnsync.part_publication_sql(integer) IS
    'The statements that publish the rows of a part as learnsync_part_N, for a superuser to run: inserts, updates and '
    'deletes. Errors: 55000 no such part.';

-- What servers among which learners are spread must have in common, table by table; columns that say when and how far a
-- server came are left out.
CREATE OR REPLACE FUNCTION learnsync_internal.shard_tables_as_owner() RETURNS TABLE (name text, own_columns text[])
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
VALUES ('forgotten', '{forgotten_at}'::text[]),
    ('resource_type', '{rebase_learners,rebased_at,ruled_from,generation,old_rule}'),
    ('content', '{}'), ('placement', '{}'), ('replacement', '{}'), ('interaction', '{}')
$$;
COMMENT ON FUNCTION learnsync_internal.shard_tables_as_owner() IS
    'The tables that are the same on all servers among which learners are spread.';

CREATE OR REPLACE FUNCTION learnsync_internal.shard_state_as_owner() RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO'
    SET bytea_output = hex SET extra_float_digits = 1 AS $$
DECLARE
    each record;
    counted jsonb;
    answer jsonb;
BEGIN
    SELECT jsonb_build_object('release', i.release, 'schema', i.schema_version, 'parts', i.parts,
        'secret', left(encode(sha256(i.secret || convert_to('shard_state', 'UTF8')), 'hex'), 16),
        'settings', (SELECT jsonb_object_agg(s.name, s.reset_val) FROM pg_settings s
                     WHERE s.name LIKE 'learnsync.%' AND s.name <> 'learnsync.learner_id'),
        'change', (SELECT jsonb_build_object('routine', c.change -> 'routine', 'subject', c.change -> 'subject',
            'begunAt', c.begun_at) FROM learnsync_data.shard_change c))
    INTO answer FROM learnsync_data.instance i;
    FOR each IN SELECT * FROM learnsync_internal.shard_tables_as_owner() LOOP
        EXECUTE format($query$
            SELECT jsonb_build_object('rows', count(*),
                'sum', COALESCE(sum(hashtextextended((to_jsonb(t) - $1)::text, 0)), 0)::text)
            FROM learnsync_data.%I t $query$, each.name)
        INTO counted USING each.own_columns;
        answer := answer || jsonb_build_object(each.name, counted);
    END LOOP;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION learnsync_internal.shard_state_as_owner() IS 'What shard_state reads, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync.shard_state() RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_shard_state';
COMMENT ON FUNCTION learnsync.shard_state() IS
    'What must be equal on all servers among which learners are spread: {release, schema, parts, secret (a digest), '
    'settings: {name: value}, and of erased learners, rules and the content catalog {table: {rows, sum}}}; and change, '
    'which the first of them has where a router has begun one that is not on all servers yet: {routine, subject, '
    'begunAt}.';

-- Reads the secret, so it is for superusers only: it is granted to nobody and reads as the caller.
CREATE OR REPLACE FUNCTION learnsync.shard_seed() RETURNS SETOF text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO'
    SET bytea_output = hex SET extra_float_digits = 1 AS $$
DECLARE
    name text;
BEGIN
    RETURN QUERY SELECT format('DO $do$ BEGIN IF NOT EXISTS (SELECT FROM learnsync_data.instance i '
            'WHERE i.release = %L AND i.schema_version = %s) THEN RAISE EXCEPTION ''this server has another release'' '
            'USING ERRCODE = ''object_not_in_prerequisite_state''; END IF; '
            'IF EXISTS (SELECT FROM learnsync_data.learner) THEN RAISE EXCEPTION ''this server has learners already'' '
            'USING ERRCODE = ''object_not_in_prerequisite_state''; END IF; END $do$;', i.release, i.schema_version)
        FROM learnsync_data.instance i;
    RETURN QUERY SELECT format('UPDATE learnsync_data.instance SET secret = %L, parts = %L;', i.secret, i.parts)
        FROM learnsync_data.instance i;
    FOR name IN SELECT t.name FROM learnsync_internal.shard_tables_as_owner() t LOOP
        RETURN NEXT format('DELETE FROM learnsync_data.%I;', name);
        RETURN QUERY EXECUTE format($query$
            SELECT format('INSERT INTO learnsync_data.%%I SELECT * FROM '
                'jsonb_populate_recordset(NULL::learnsync_data.%%1$I, %%L);', %L, jsonb_agg(x.row))
            FROM (SELECT to_jsonb(t) AS row, row_number() OVER () / 1000 AS piece FROM learnsync_data.%1$I t) x
            GROUP BY x.piece $query$, name);
    END LOOP;
    RETURN QUERY SELECT format('DO $do$ BEGIN EXECUTE format(''ALTER DATABASE %%I SET %s = %%L'', '
            'current_database(), %L); END $do$;', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1))
        FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) o
        WHERE s.setrole = 0 AND s.setdatabase = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
            AND o LIKE 'learnsync.%';
    RETURN NEXT 'SELECT learnsync.new_epoch();';
END
$$;
COMMENT ON FUNCTION learnsync.shard_seed() IS
    'The statements that make another server, where setup() has just run, one of those among which learners are '
    'spread: with the secret of this one, its erased learners, number of parts, rules, content catalog, and what '
    'ALTER DATABASE set of learnsync. Run what it prints in one transaction there, as a superuser; functions that '
    'rules name must be there before. It prints a secret. For superusers, on both servers.';
