-- Outboxes: every change is handed on to whoever takes it, at least once and in order.
CREATE OR REPLACE FUNCTION learnsync_internal.see_to_outbox_as_owner() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
BEGIN
    CREATE TABLE IF NOT EXISTS learnsync_data.outbox (
        name text COLLATE "C" PRIMARY KEY,
        resource_types text[],
        changed_from timestamptz NOT NULL,
        filled_to text COLLATE "C",
        is_anew boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp());
    PERFORM learnsync_internal.see_to_comment_as_owner('outbox',
        'Who is handed changes: of which types (NULL: of all), and of what was changed since when. filled_to: up to '
        'this learner all that is there already is marked; NULL once it is of all. is_anew: receivers are told to '
        'drop what they hold of a learner, as that is of an earlier epoch.');
    CREATE TABLE IF NOT EXISTS learnsync_data.outbox_mark (
        learner_id text COLLATE "C" NOT NULL,
        outbox text COLLATE "C" NOT NULL,
        life bigint NOT NULL,
        since bigint NOT NULL,
        after_version bigint NOT NULL,
        version bigint NOT NULL,
        is_anew boolean NOT NULL DEFAULT false,
        is_erased boolean NOT NULL DEFAULT false,
        marked_at timestamptz NOT NULL,
        due_at timestamptz NOT NULL,
        lease uuid,
        taken_version bigint,
        horizon bigint NOT NULL DEFAULT 0,
        taken_horizon bigint NOT NULL DEFAULT 0,
        tries integer NOT NULL DEFAULT 0,
        failures integer NOT NULL DEFAULT 0,
        error text,
        PRIMARY KEY (learner_id, outbox, life, since));
    PERFORM learnsync_internal.see_to_comment_as_owner('outbox_mark',
        'Learners of whom something is to be handed on: what came after after_version, up to version. A row for each '
        'outbox; a second one where changes came while the first was taken. since: the version that made it. '
        'marked_at: since when it waits; due_at: not before; lease and taken_version: who has it until due_at, and '
        'up to which version; tries: how often it was taken in vain or is taken, failures: how often whoever took it '
        'said that it could not be handed on. horizon: of deletes that were forgotten when what is handed on began, '
        'taken_horizon the same of the lease. is_erased: the learner was, which is still to be told.');
    PERFORM learnsync_internal.see_to_index_as_owner('outbox_mark_due', 'outbox_mark (outbox, due_at)');
    PERFORM learnsync_internal.see_to_index_as_owner('outbox_mark_lease',
        'outbox_mark (lease) WHERE lease IS NOT NULL');
    CREATE TABLE IF NOT EXISTS learnsync_data.outbox_dead (
        learner_id text COLLATE "C" NOT NULL,
        outbox text COLLATE "C" NOT NULL,
        resource_type text COLLATE "C" NOT NULL,
        resource_id text COLLATE "C" NOT NULL,
        life bigint NOT NULL,
        version bigint NOT NULL,
        error text,
        failed_at timestamptz NOT NULL,
        PRIMARY KEY (learner_id, outbox, resource_type, resource_id));
    PERFORM learnsync_internal.see_to_comment_as_owner('outbox_dead',
        'Dead letters: changes that a receiver refused for good, until outbox_retry puts them back.');
END
$$;
COMMENT ON FUNCTION learnsync_internal.see_to_outbox_as_owner() IS 'Makes the tables of outboxes. Part of setup().';

-- A life is numbered by the clock: greater than every earlier one, also of a server that was restored from a backup.
CREATE OR REPLACE FUNCTION learnsync_internal.new_life_as_owner() RETURNS bigint
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT greatest(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, i.life + 1)
            FROM learnsync_data.instance i);
END
$$;
COMMENT ON FUNCTION learnsync_internal.new_life_as_owner() IS 'The number of a life that begins now.';

-- Pushes that are open do not know what is about to change, so their end is waited for.
CREATE OR REPLACE FUNCTION learnsync_internal.wait_for_pushes_as_owner() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM learnsync_internal.run_patiently('LOCK TABLE learnsync_data.learner IN EXCLUSIVE MODE');
END
$$;
COMMENT ON FUNCTION learnsync_internal.wait_for_pushes_as_owner() IS
    'Waits until no call that writes is open, and holds new ones up until the transaction ends.';

CREATE OR REPLACE FUNCTION learnsync_internal.outbox_types_as_owner(options jsonb) RETURNS text[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF COALESCE(jsonb_typeof(options -> 'resourceTypes'), 'null') = 'null' THEN
        RETURN NULL;
    END IF;
    IF jsonb_typeof(options -> 'resourceTypes') <> 'array' OR options -> 'resourceTypes' = '[]'
        OR jsonb_path_exists(options, 'strict $.resourceTypes[*] ? (@.type() != "string")') THEN
        RAISE EXCEPTION 'resourceTypes must be an array of names' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN ARRAY(SELECT DISTINCT t.name FROM jsonb_array_elements_text(options -> 'resourceTypes') t (name) ORDER BY 1);
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_types_as_owner(jsonb) IS 'The types that an outbox is for; NULL: all.';

CREATE OR REPLACE FUNCTION learnsync_internal.outbox_from_as_owner(options jsonb) RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted CONSTANT text := COALESCE(options ->> 'from', 'now');
BEGIN
    IF wanted = 'now' THEN
        RETURN clock_timestamp();
    ELSIF wanted = 'beginning' THEN
        RETURN '-infinity';
    ELSIF wanted ~ '^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d(:?\d\d)?)$' THEN
        RETURN wanted::timestamptz;
    END IF;
    RAISE EXCEPTION 'from must be "now", "beginning" or a time' USING ERRCODE = 'invalid_parameter_value',
        DETAIL = format('It is %s.', options -> 'from'), HINT = 'Times look like 2026-01-08T10:00:00Z.';
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_from_as_owner(jsonb) IS 'From when on an outbox hands on changes.';

CREATE OR REPLACE FUNCTION learnsync_internal.outbox_add_as_owner(name text, options jsonb) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    types CONSTANT text[] := learnsync_internal.outbox_types_as_owner(options);
    strange CONSTANT text := (SELECT string_agg(quote_ident(k), ', ') FROM jsonb_object_keys(
        CASE WHEN jsonb_typeof(options) = 'object' THEN options ELSE '{}' END) k
        WHERE k NOT IN ('resourceTypes', 'from'));
    changed_from timestamptz;
BEGIN
    IF name IS NULL OR name !~ '^[a-z_][a-z0-9_]{0,62}$' THEN
        RAISE EXCEPTION 'invalid name of an outbox: %', quote_nullable(name)
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'It has 1 to 63 lower-case letters, digits and underscores.';
    ELSIF options IS NOT NULL AND jsonb_typeof(options) <> 'object' OR strange IS NOT NULL THEN
        RAISE EXCEPTION 'the options of an outbox are an object with resourceTypes and from'
            USING ERRCODE = 'invalid_parameter_value', DETAIL = COALESCE('It has ' || strange || '.', '');
    ELSIF EXISTS (SELECT FROM learnsync_data.outbox o WHERE o.name = outbox_add_as_owner.name) THEN
        RAISE EXCEPTION 'outbox "%" exists', name USING ERRCODE = 'duplicate_object',
            HINT = 'learnsync.outbox_drop() ends it.';
    END IF;
    PERFORM learnsync_internal.outbox_from_as_owner(options);
    PERFORM learnsync_internal.wait_for_pushes_as_owner();
    changed_from := learnsync_internal.outbox_from_as_owner(options);
    INSERT INTO learnsync_data.outbox (name, resource_types, changed_from, filled_to)
    VALUES (name, types, changed_from, CASE WHEN COALESCE(options ->> 'from', 'now') <> 'now' THEN '' END);
    UPDATE learnsync_data.instance SET has_outbox = true;
    RETURN format('outbox "%s" is added', name);
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_add_as_owner(text, jsonb) IS
    'What outbox_add does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_internal.outbox_drop_as_owner(name text) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM learnsync_internal.outbox_known_as_owner(name);
    PERFORM learnsync_internal.wait_for_pushes_as_owner();
    DELETE FROM learnsync_data.outbox o WHERE o.name = outbox_drop_as_owner.name;
    DELETE FROM learnsync_data.outbox_mark m WHERE m.outbox = name;
    DELETE FROM learnsync_data.outbox_dead d WHERE d.outbox = name;
    UPDATE learnsync_data.instance SET has_outbox = EXISTS (SELECT FROM learnsync_data.outbox);
    RETURN format('outbox "%s" is dropped', name);
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_drop_as_owner(text) IS
    'What outbox_drop does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_internal.outbox_known_as_owner(name text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF name IS NULL OR NOT EXISTS (SELECT FROM learnsync_data.outbox o WHERE o.name = outbox_known_as_owner.name) THEN
        RAISE EXCEPTION 'outbox % does not exist', COALESCE('"' || name || '"', 'NULL')
            USING ERRCODE = 'undefined_object', HINT = 'learnsync.outboxes() lists them.';
    END IF;
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_known_as_owner(text) IS
    'Refuses the name of an outbox that there is not.';

-- Marks those learners of whom there is something already, so many at a time. Who pushes meanwhile is marked as one of
-- whom all is wanted. Rows of this kind have 0 for since, so nobody else makes one of the same key and waits for us.
CREATE OR REPLACE FUNCTION learnsync_internal.outbox_fill_as_owner(name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    portion CONSTANT integer := 10000;
    place text;
    anew boolean;
    last text;
    count integer;
BEGIN
    SELECT o.filled_to, o.is_anew INTO place, anew FROM learnsync_data.outbox o
    WHERE o.name = outbox_fill_as_owner.name AND o.filled_to IS NOT NULL FOR UPDATE SKIP LOCKED;
    IF place IS NULL THEN
        RETURN;
    END IF;
    WITH next AS (
        SELECT l.learner_id, l.version, greatest(l.life, i.life) AS life
        FROM learnsync_data.learner l CROSS JOIN learnsync_data.instance i
        WHERE l.learner_id > place ORDER BY l.learner_id LIMIT portion
    ), marked AS (
        INSERT INTO learnsync_data.outbox_mark (learner_id, outbox, life, since, after_version, version, is_anew,
            marked_at, due_at)
        SELECT n.learner_id, name, n.life, 0, 1, n.version, anew, clock_timestamp(), clock_timestamp() FROM next n
        WHERE n.version > 1 OR anew ON CONFLICT DO NOTHING)
    SELECT max(n.learner_id), count(*) INTO last, count FROM next n;
    UPDATE learnsync_data.outbox o SET filled_to = CASE WHEN count = portion THEN last END
    WHERE o.name = outbox_fill_as_owner.name;
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_fill_as_owner(text) IS
    'Marks the next learners of whom an outbox is to hand on what was there before it.';

-- What a taker had is over; what it had not reached, or what came since, stays to be taken. Whoever took it more than
-- once was handed less each time, and from here on more again.
CREATE OR REPLACE FUNCTION learnsync_internal.outbox_settle_as_owner(name text, lease uuid) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    learners bigint;
BEGIN
    WITH mine AS (
        DELETE FROM learnsync_data.outbox_mark m
        WHERE m.lease = outbox_settle_as_owner.lease AND m.outbox = name RETURNING m.*
    ), rest AS (
        INSERT INTO learnsync_data.outbox_mark (learner_id, outbox, life, since, after_version, version, horizon,
            marked_at, due_at, tries)
        SELECT m.learner_id, m.outbox, m.life, min(m.since), max(m.taken_version), max(m.version),
            max(m.taken_horizon), min(m.marked_at), clock_timestamp(), greatest(max(m.tries) - 2, 0)
        FROM mine m WHERE m.version > m.taken_version GROUP BY 1, 2, 3)
    SELECT count(DISTINCT m.learner_id) INTO learners FROM mine m;
    RETURN learners;
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_settle_as_owner(text, uuid) IS
    'Ends a lease whose changes were handed on; of how many learners.';

CREATE OR REPLACE FUNCTION learnsync_internal.outbox_lease_as_owner(name text, lease text) RETURNS uuid
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM learnsync_internal.outbox_known_as_owner(name);
    IF lease IS NULL OR lease !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        RAISE EXCEPTION 'lease must be what outbox_take answered as such' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN lease::uuid;
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_lease_as_owner(text, text) IS 'Reads the name and lease of a taker.';

CREATE OR REPLACE FUNCTION learnsync_internal.outbox_done_as_owner(name text, lease text) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN learnsync_internal.outbox_settle_as_owner(name, learnsync_internal.outbox_lease_as_owner(name, lease));
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_done_as_owner(text, text) IS
    'What outbox_done does, as the owner of the tables.';

-- What is named and was not taken under this lease is left out. A notice can only come again: nobody would hear of an
-- erasure that died.
CREATE OR REPLACE FUNCTION learnsync_internal.outbox_named_as_owner(name text, lease uuid, refused jsonb,
    OUT learner_id text, OUT life bigint, OUT resource_type text, OUT resource_id text, OUT version bigint,
    OUT error text, OUT again boolean)
    RETURNS SETOF record LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF jsonb_typeof(refused) <> 'array' OR jsonb_path_exists(refused, 'strict $[*] ? (@.type() != "object")') THEN
        RAISE EXCEPTION 'refused must be an array of changes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY
        WITH mine AS MATERIALIZED (
            SELECT m.learner_id, to_jsonb(m.life) AS life, max(m.taken_version) AS taken
            FROM learnsync_data.outbox_mark m
            WHERE m.lease = outbox_named_as_owner.lease AND m.outbox = name GROUP BY 1, 2
        ), named AS MATERIALIZED (
            SELECT c.value AS change, c.value ->> 'learnerId' AS learner_id, c.value -> 'life' AS life,
                COALESCE(c.value ->> 'operation' IN ('forget', 'reset') AND NOT c.value ? 'resourceType', false)
                    AS is_notice,
                CASE WHEN c.value ->> 'version' ~ '^[1-9][0-9]{0,17}$' THEN (c.value ->> 'version')::bigint END
                    AS version
            FROM jsonb_array_elements(refused) c)
        SELECT n.learner_id, m.life::bigint, n.change ->> 'resourceType', n.change ->> 'resourceId',
            CASE WHEN n.is_notice THEN 0 ELSE n.version END, n.change ->> 'error',
            n.is_notice OR COALESCE(n.change -> 'retryable' = 'true', false)
        FROM named n JOIN mine m ON m.learner_id = n.learner_id AND m.life = n.life
        WHERE n.is_notice OR n.change ->> 'resourceType' <> '' AND n.change ->> 'resourceId' <> ''
            AND n.version <= m.taken;
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_named_as_owner(text, uuid, jsonb) IS
    'The changes of a lease that were refused; again: not for good.';

-- A learner's changes come again from the first one on that did not arrive, each time after twice as long; where none
-- is named, all do.
CREATE OR REPLACE FUNCTION learnsync_internal.outbox_failed_as_owner(name text, lease text, error text, refused jsonb)
    RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    taken CONSTANT uuid := learnsync_internal.outbox_lease_as_owner(name, lease);
    put_off bigint;
BEGIN
    WITH named AS MATERIALIZED (
        SELECT n.*, left(COALESCE(n.error, outbox_failed_as_owner.error), 1000) AS why
        FROM learnsync_internal.outbox_named_as_owner(name, taken, refused) n WHERE refused IS NOT NULL
    ), late AS MATERIALIZED (
        SELECT n.learner_id, min(n.version) AS version, min(n.why) AS why FROM named n WHERE n.again GROUP BY 1
        UNION ALL
        SELECT DISTINCT m.learner_id, 0, left(outbox_failed_as_owner.error, 1000) FROM learnsync_data.outbox_mark m
        WHERE refused IS NULL AND m.lease = taken AND m.outbox = name
    ), died AS (
        INSERT INTO learnsync_data.outbox_dead (learner_id, outbox, resource_type, resource_id, life, version, error,
            failed_at)
        SELECT DISTINCT ON (1, 3, 4) n.learner_id, name, n.resource_type, n.resource_id, n.life, n.version, n.why,
            clock_timestamp()
        FROM named n LEFT JOIN late l ON l.learner_id = n.learner_id
        WHERE NOT n.again AND n.version < COALESCE(l.version, n.version + 1)
        ON CONFLICT ON CONSTRAINT outbox_dead_pkey DO UPDATE SET life = EXCLUDED.life, version = EXCLUDED.version,
            error = EXCLUDED.error, failed_at = EXCLUDED.failed_at
    ), gone AS (
        DELETE FROM learnsync_data.outbox_mark m USING late l
        WHERE m.lease = taken AND m.outbox = name AND m.learner_id = l.learner_id
            AND l.version > 0 AND (m.is_erased OR m.version < l.version)
    ), stay AS (
        UPDATE learnsync_data.outbox_mark m SET lease = NULL, taken_version = NULL, failures = m.failures + 1,
            due_at = clock_timestamp() + power(2, least(m.failures, 9)) * interval '1 second', error = l.why,
            after_version = greatest(m.after_version, l.version - 1), is_anew = m.is_anew AND l.version = 0,
            horizon = CASE l.version WHEN 0 THEN m.horizon ELSE m.taken_horizon END
        FROM late l
        WHERE m.lease = taken AND m.outbox = name AND m.learner_id = l.learner_id
            AND (l.version = 0 OR NOT m.is_erased AND m.version >= l.version))
    SELECT count(*) INTO put_off FROM late l;
    RETURN put_off + learnsync_internal.outbox_settle_as_owner(name, taken);
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_failed_as_owner(text, text, text, jsonb) IS
    'What outbox_failed does, as the owner of the tables.';

-- What was refused comes again in its newest state, and with it what changed since. Its mark, which is numbered by the
-- clock, is nobody else's: that of a taker stays the taker's.
CREATE OR REPLACE FUNCTION learnsync_internal.outbox_retry_as_owner(name text, learner_id text) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    letters bigint;
BEGIN
    PERFORM learnsync_internal.outbox_known_as_owner(name);
    WITH dead AS (
        DELETE FROM learnsync_data.outbox_dead d
        WHERE d.outbox = name AND (outbox_retry_as_owner.learner_id IS NULL
            OR d.learner_id = outbox_retry_as_owner.learner_id)
        RETURNING d.*
    ), again AS (
        INSERT INTO learnsync_data.outbox_mark (learner_id, outbox, life, since, after_version, version, marked_at,
            due_at)
        SELECT d.learner_id, name, d.life, -floor(extract(epoch FROM clock_timestamp()) * 1000000),
            min(d.version) - 1, max(d.version), clock_timestamp(), clock_timestamp()
        FROM dead d GROUP BY d.learner_id, d.life)
    SELECT count(*) INTO letters FROM dead d;
    RETURN letters;
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_retry_as_owner(text, text) IS
    'What outbox_retry does, as the owner of the tables.';

-- Whoever takes something of the learner now may hold it until the lease ends: it is told after that, and where an
-- earlier erasure still waits for leases, after these.
CREATE OR REPLACE FUNCTION learnsync_internal.outbox_leases_as_owner(learner_id text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT jsonb_object_agg(o.name, greatest(clock_timestamp(), m.until))
            FROM learnsync_data.outbox o LEFT JOIN (
                SELECT x.outbox, max(x.due_at) AS until FROM learnsync_data.outbox_mark x
                WHERE x.learner_id = outbox_leases_as_owner.learner_id AND (x.lease IS NOT NULL OR x.is_erased)
                GROUP BY 1) m
                ON m.outbox = o.name);
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_leases_as_owner(text) IS
    'For each outbox when nobody has changes of a learner any more; NULL where there is no outbox.';

CREATE OR REPLACE FUNCTION learnsync_internal.outbox_erase_as_owner(learner_id text, life bigint, version bigint,
    leases jsonb)
    RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO learnsync_data.outbox_mark (learner_id, outbox, life, since, after_version, version, is_erased,
        marked_at, due_at)
    SELECT outbox_erase_as_owner.learner_id, o.key, outbox_erase_as_owner.life, outbox_erase_as_owner.version + 1,
        outbox_erase_as_owner.version, outbox_erase_as_owner.version + 1, true, clock_timestamp(), o.value::timestamptz
    FROM jsonb_each_text(leases) o;
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_erase_as_owner(text, bigint, bigint, jsonb) IS
    'Notes that receivers are to be told of an erasure.';

CREATE OR REPLACE FUNCTION learnsync_internal.outbox_renew_as_owner(new_life bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE learnsync_data.instance SET life = new_life;
    IF EXISTS (SELECT FROM learnsync_data.outbox) THEN
        DELETE FROM learnsync_data.outbox_mark m WHERE NOT m.is_erased;
        DELETE FROM learnsync_data.outbox_dead;
        UPDATE learnsync_data.outbox SET filled_to = '', is_anew = true;
    END IF;
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_renew_as_owner(bigint) IS
    'Begins a new life of all learners, of whom everything is handed on anew. Part of new_epoch().';

CREATE OR REPLACE FUNCTION learnsync.outbox_add(name text, options jsonb DEFAULT '{}') RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_outbox_add';
COMMENT ON FUNCTION learnsync.outbox_add(text, jsonb) IS
    'Adds an outbox, from which outbox_take hands on changes. options: {resourceTypes? (default: all; progress_event '
    'for the events of the event log), from? ("now", '
    'the default, "beginning" or a time: what was changed last before then is not handed on)}. Waits until no push is '
    'open, at most 8 seconds. Errors: 22023 such options or name, 42710 it exists, 55P03 open transactions.';

CREATE OR REPLACE FUNCTION learnsync.outbox_drop(name text) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_outbox_drop';
COMMENT ON FUNCTION learnsync.outbox_drop(text) IS
    'Ends an outbox with all that waits in it. Errors: 42704 no such outbox, 55P03 open transactions.';

CREATE OR REPLACE FUNCTION learnsync.outbox_take(name text, "limit" integer DEFAULT 100, lease integer DEFAULT 60)
    RETURNS json LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_outbox_take';
COMMENT ON FUNCTION learnsync.outbox_take(text, integer, integer) IS
    'Takes changes for as many seconds as lease says (1 to 86400); limit: at most so many. Answer: {changes: '
    '[{learnerId, life, resourceType, resourceId, operation, version, serverTimestamp, data}], lease (NULL where there '
    'are none), hasMore}: the newest state of what changed, of a learner in the order of versions and for one taker '
    'at a time. operation is create, update or delete, or, without a resource, forget (the learner was erased) or '
    'reset (of this learner drop what does not come from here on). An event of the event log is a progress_event that '
    'is created: resourceId is its id, data itself. Say outbox_done or outbox_failed before the lease '
    'ends: else they come again. A receiver that drops what has a lower (life, version) than it holds has each once. '
    'Errors: 42704 no such outbox, 22023 such numbers.';

CREATE OR REPLACE FUNCTION learnsync.outbox_done(name text, lease text) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_outbox_done';
COMMENT ON FUNCTION learnsync.outbox_done(text, text) IS
    'What was taken with this lease is handed on, and does not come again; of how many learners: 0 where others have '
    'taken it since the lease ended. Errors: 42704 no such outbox, 22023 no lease.';

CREATE OR REPLACE FUNCTION learnsync.outbox_failed(name text, lease text, error text DEFAULT NULL,
    refused jsonb DEFAULT NULL)
    RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_outbox_failed';
COMMENT ON FUNCTION learnsync.outbox_failed(text, text, text, jsonb) IS
    'What was taken with this lease could not be handed on: it comes again after 1 second, 2, 4, 8 and so on up to '
    'nearly 9 minutes, in order. With refused, changes of this lease as they came, each with an error of its own if '
    'you like: only these were refused, and the rest is done. Those with "retryable": true come again, and with them '
    'what comes after them of the same learner; the others were refused for good and become dead letters. forget and '
    'reset always come again. Answers of how many learners. Errors: 42704 no such outbox, 22023 no lease or list.';

CREATE OR REPLACE FUNCTION learnsync.outbox_retry(name text, learner_id text DEFAULT NULL) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_outbox_retry';
COMMENT ON FUNCTION learnsync.outbox_retry(text, text) IS
    'Puts the dead letters of a learner (default: of all) back into the outbox, in the newest state of their '
    'resources; how many. Other changes of these learners may come once more. Errors: 42704 no such outbox.';

CREATE OR REPLACE FUNCTION learnsync.outboxes(OUT name text, OUT resource_types text[], OUT changed_from timestamptz,
    OUT filling boolean, OUT waiting bigint, OUT taken bigint, OUT failing bigint, OUT dead bigint,
    OUT oldest_at timestamptz, OUT last_error text, OUT created_at timestamptz)
    RETURNS SETOF record LANGUAGE c STABLE ROWS 10 AS 'MODULE_PATHNAME', 'learnsync_outboxes';
COMMENT ON FUNCTION learnsync.outboxes() IS
    'The outboxes and how far they are behind: waiting: of how many learners there is something to hand on, taken: of '
    'these under a lease, failing: of whom something failed, or a lease ran out; oldest_at: since when the first '
    'one waits, NULL where none does; '
    'last_error of one that failed; dead: letters that outbox_retry puts back. filling: what was there before the '
    'outbox is still being marked, so waiting grows.';

CREATE OR REPLACE FUNCTION learnsync.outbox_dead(INOUT name text, OUT learner_id text, OUT resource_type text,
    OUT resource_id text, OUT life bigint, OUT version bigint, OUT error text, OUT failed_at timestamptz)
    RETURNS SETOF record LANGUAGE c STABLE ROWS 100 AS 'MODULE_PATHNAME', 'learnsync_outbox_dead';
COMMENT ON FUNCTION learnsync.outbox_dead(text) IS
    'Dead letters of an outbox, the newest first: changes that its receiver refused for good.';
