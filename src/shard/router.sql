-- A router for learners who are spread over servers, as statements for PL/Proxy; and what the servers have for it.

-- The caller of the router is the caller here, until the end of this transaction, which is one statement.
CREATE OR REPLACE FUNCTION learnsync_internal.shard_enter(claims text, headers text, method text, learner text)
    RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('request.jwt.claims', COALESCE(claims, ''), true),
        set_config('request.headers', COALESCE(headers, ''), true),
        set_config('request.method', COALESCE(method, ''), true),
        set_config('learnsync.learner_id', COALESCE(learner, ''), true);
    RETURN true;
END
$$;
COMMENT ON FUNCTION learnsync_internal.shard_enter(text, text, text, text) IS
    'Makes the request of a router that of this transaction.';

-- While a part moves its rows are on two servers: each is asked for those that are its own.
CREATE OR REPLACE FUNCTION learnsync_internal.shard_rows(claims text, headers text, method text, learner text,
    relation text, filter text) RETURNS SETOF record
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held CONSTANT jsonb := learnsync.shard_parts();
BEGIN
    PERFORM learnsync_internal.shard_enter(claims, headers, method, learner);
    IF held ->> 'parts' IS NULL OR filter = '' THEN
        RETURN QUERY EXECUTE format('SELECT * FROM %s', relation::regclass);
        RETURN;
    END IF;
    IF filter = 'caller' AND NOT held -> 'here' @> to_jsonb(learnsync.part_of(learnsync.current_learner(),
        (held ->> 'parts')::integer)) THEN
        RAISE EXCEPTION 'the learner is on another server' USING ERRCODE = 'PT503',
            DETAIL = 'The part of this learner was given away, or was never here.', HINT = 'Try again in 1 seconds.';
    END IF;
    RETURN QUERY EXECUTE format('SELECT v.* FROM %s v WHERE $1 @> to_jsonb(learnsync.part_of(v.%I, $2))',
        relation::regclass, CASE WHEN filter = 'caller' THEN 'learner_id' ELSE filter END)
        USING held -> 'here', (held ->> 'parts')::integer;
END
$$;
COMMENT ON FUNCTION learnsync_internal.shard_rows(text, text, text, text, text, text) IS
    'The rows of a view for a caller of a router; filter: the column that names the learner, where only those whose '
    'part is here are wanted, or caller, where that one must be here.';

-- The lock is the session's, so it goes with the connection of a router that dies, and only then may another go on.
CREATE OR REPLACE FUNCTION learnsync_internal.holds_change_as_owner() RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.granted
        AND (l.classid::bigint << 32) + l.objid::bigint = 7813573408257 AND l.objsubid = 1
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()));
END
$$;
COMMENT ON FUNCTION learnsync_internal.holds_change_as_owner() IS
    'Whether this session is the one that may change what all servers share.';

CREATE OR REPLACE FUNCTION learnsync_internal.shard_change_begin_as_owner(change jsonb) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present jsonb;
BEGIN
    IF jsonb_typeof(change -> 'routine') IS DISTINCT FROM 'string'
        OR jsonb_typeof(change -> 'arguments') IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION 'change must have a routine and its arguments' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT learnsync_internal.holds_change_as_owner() THEN
        PERFORM pg_advisory_lock(7813573408257);
    END IF;
    SELECT c.change INTO present FROM learnsync_data.shard_change c;
    IF present -> 'subject' <> change -> 'subject' OR jsonb_typeof(present -> 'subject') = 'null' THEN
        RETURN present;
    END IF;
    INSERT INTO learnsync_data.shard_change (change, begun_at)
    VALUES (shard_change_begin_as_owner.change, clock_timestamp())
    ON CONFLICT ON CONSTRAINT shard_change_pkey DO UPDATE SET change = EXCLUDED.change, begun_at = EXCLUDED.begun_at;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION learnsync_internal.shard_change_begin_as_owner(jsonb) IS
    'What shard_change_begin does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_internal.shard_change_end_as_owner(done boolean) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT learnsync_internal.holds_change_as_owner() THEN
        IF done IS TRUE THEN
            RAISE EXCEPTION 'this change was not begun here' USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'The connection was lost meanwhile; say the same again.';
        END IF;
        RETURN false;
    END IF;
    IF done IS TRUE THEN
        DELETE FROM learnsync_data.shard_change;
    END IF;
    RETURN pg_advisory_unlock(7813573408257);
END
$$;
COMMENT ON FUNCTION learnsync_internal.shard_change_end_as_owner(boolean) IS
    'What shard_change_end does, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_internal.shard_change_begin(change jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_shard_change_begin';
COMMENT ON FUNCTION learnsync_internal.shard_change_begin(jsonb) IS
    'Puts down what a router is about to do to all servers, and keeps other routers waiting until this session ends or '
    'shard_change_end is called. Where another change was begun, of another subject, it answers that, which is to be '
    'completed first; one of the same subject is replaced.';

CREATE OR REPLACE FUNCTION learnsync_internal.shard_change_end(done boolean) RETURNS boolean
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_shard_change_end';
COMMENT ON FUNCTION learnsync_internal.shard_change_end(boolean) IS
    'Lets other routers go on; done: the change is on all servers, and no longer put down.';

-- What is refused is an answer: after an error a router gives up its connection, and the lock with it.
CREATE OR REPLACE FUNCTION learnsync_internal.shard_change_run(routine text, arguments jsonb) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    RETURN jsonb_build_object('answer', CASE routine
        WHEN 'define_resource_type' THEN to_jsonb(learnsync.define_resource_type(arguments ->> 0,
            NULLIF(arguments -> 1, 'null'), (arguments ->> 2)::boolean, (arguments ->> 3)::boolean))
        WHEN 'drop_resource_type' THEN to_jsonb(learnsync.drop_resource_type(arguments ->> 0))
        WHEN 'reset_resource_type' THEN to_jsonb(learnsync.reset_resource_type(arguments ->> 0))
        WHEN 'validate_content' THEN to_jsonb(learnsync.validate_content(NULLIF(arguments -> 0, 'null')))
        WHEN 'register_content' THEN learnsync.register_content(NULLIF(arguments -> 0, 'null')) END);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN jsonb_build_object('code', SQLSTATE, 'message', message, 'detail', detail, 'hint', hint);
END
$$;
COMMENT ON FUNCTION learnsync_internal.shard_change_run(text, jsonb) IS
    'Does here what a router does to all servers: {answer}, or {code, message, detail, hint} of why not.';

-- How a router runs each routine: by learner (the first argument), by the caller of learnsync_api, on all servers, of
-- which the answers are put together, the same as a change, which is put down before, or on any. What is not among it
-- belongs to one server.
CREATE OR REPLACE FUNCTION learnsync_internal.router_routines()
    RETURNS TABLE (id oid, kind text, mode text, ins text, outs text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT p.oid, a.kind, m.mode,
    (SELECT string_agg(format_type(t.type, NULL), ', ' ORDER BY t.n)
     FROM unnest(p.proargtypes) WITH ORDINALITY t (type, n)),
    (SELECT string_agg(format('%I %s', p.proargnames[t.n], format_type(t.type, NULL)), ', ' ORDER BY t.n)
     FROM unnest(p.proallargtypes) WITH ORDINALITY t (type, n) WHERE p.proargmodes[t.n] IN ('o', 'b', 't'))
FROM learnsync_internal.access_list() a
JOIN pg_proc p ON p.oid = a.routine::regprocedure::oid AND p.prokind = 'f'
CROSS JOIN LATERAL (SELECT CASE
    WHEN p.proname IN ('forget_learner', 'remember_learner', 'deactivate_device', 'drop_devices', 'unseen_devices',
            'failed_items', 'app_days', 'alerts', 'rebases', 'resource_verify', 'progress_verify', 'sync_cleanup',
            'metrics', 'new_epoch')
        THEN 'all'
    WHEN p.proname IN ('define_resource_type', 'drop_resource_type', 'reset_resource_type', 'register_content')
        THEN 'change'
    WHEN p.proname IN ('validate_content', 'xapi_validate', 'xapi_equal', 'digest', 'item_codes',
            'merge_strategies', 'builtin_resource_types') THEN 'any'
    WHEN p.pronamespace = 'learnsync'::regnamespace AND p.proargnames[1] IN ('learner_id', 'profile_id')
        AND p.proname <> 'part_of' THEN 'learner'
    WHEN p.pronamespace = 'learnsync_api'::regnamespace AND a.kind IN ('learner', 'service')
        OR p.proname = 'current_days' THEN 'caller' END AS mode) m
WHERE m.mode IS NOT NULL AND p.pronamespace IN ('learnsync'::regnamespace, 'learnsync_api'::regnamespace)
$$;
COMMENT ON FUNCTION learnsync_internal.router_routines() IS
    'What a router has: routines by kind of role, where each runs, the types of its arguments and of its columns.';

-- Errors of a server are raised as it raised them, and a server that does not answer is one to ask again later.
CREATE OR REPLACE FUNCTION learnsync_internal.router_wrapper(name text, arguments text, result text, volatility text,
    body text) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT format($wrapper$
 CREATE OR REPLACE FUNCTION %s(%s) RETURNS %s LANGUAGE plpgsql %s SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $body$
#variable_conflict use_column
DECLARE
    _state text; _message text; _detail text; _hint text; _missing text; _part record; _one record; _sum record;
BEGIN
%s
EXCEPTION WHEN OTHERS OR query_canceled THEN
    GET STACKED DIAGNOSTICS _state = RETURNED_SQLSTATE, _message = MESSAGE_TEXT, _detail = PG_EXCEPTION_DETAIL,
        _hint = PG_EXCEPTION_HINT;
    PERFORM learnsync_router.fail(_state, _message, _detail, _hint);
    RAISE;
END
$body$;
ALTER FUNCTION %1$s OWNER TO learnsync_router;
REVOKE ALL ON FUNCTION %1$s FROM PUBLIC;$wrapper$, name, arguments, result, volatility, body)
$$;
COMMENT ON FUNCTION learnsync_internal.router_wrapper(text, text, text, text, text) IS
    'The statements that make a function of a router.';

-- A call for a profile on another server first asks the caller's whether their device is let in. Of all servers one
-- after the other. A device may be unknown to some; it is refused where all refuse it.
-- Headers of an answer are those that the server would have sent.
CREATE OR REPLACE FUNCTION learnsync_internal.router_body(id oid, mode text, ins text, outs text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    routine CONSTANT pg_proc := (SELECT p FROM pg_proc p WHERE p.oid = id);
    given CONSTANT text := COALESCE((SELECT string_agg(', $' || n, '' ORDER BY n)
                                     FROM generate_series(1, routine.pronargs) n), '');
    inner_name CONSTANT text := format('learnsync_router.%I',
        routine.pronamespace::regnamespace || '_' || routine.proname);
    context CONSTANT text := 'learnsync_router.setting(''request.jwt.claims''), '
        'learnsync_router.setting(''request.headers''), learnsync_router.setting(''request.method''), '
        'learnsync_router.setting(''learnsync.learner_id'')';
    target CONSTANT text := CASE mode WHEN 'learner' THEN 'learnsync_router.shard_of($1)' WHEN 'any' THEN '0'
        WHEN 'caller' THEN format('learnsync_router.shard_of(%s)', CASE WHEN ins = 'jsonb'
            THEN format('learnsync_router.meant($1, %L)', routine.proname) ELSE 'learnsync_router.caller()' END)
        ELSE '_part.shard' END;
    call CONSTANT text := format('%s(%s, %s%s)', inner_name, target, context, given);
    answer CONSTANT text := format_type(routine.prorettype, NULL);
BEGIN
    IF mode <> 'all' THEN
        RETURN CASE WHEN mode = 'caller' AND ins = 'jsonb' THEN format(
            E'    IF learnsync_router.is_elsewhere($1, %L) THEN\n        PERFORM '
            'learnsync_router.learnsync_api_sync_pull(learnsync_router.shard_of(learnsync_router.caller()), %s, '
            'jsonb_build_object(''deviceId'', $1 -> ''deviceId'', ''limit'', 1));\n    END IF;\n',
            routine.proname, context) ELSE '' END
            || CASE WHEN routine.proretset THEN format('    RETURN QUERY SELECT * FROM %s;', call)
            WHEN mode = 'caller' AND outs IS NULL THEN format(
                E'    SELECT x.* INTO _one FROM %s x;\n'
                '    PERFORM learnsync_router.answer_with(_one.headers, _one.status);\n    RETURN _one.answer;', call)
            WHEN mode = 'change' THEN format('    RETURN learnsync_router.change(%L, jsonb_build_array(%s))%s;',
                routine.proname, substr(given, 3), CASE answer WHEN 'jsonb' THEN '' ELSE ' #>> ''{}''' END)
            ELSE format('    RETURN %s;', call) END;
    END IF;
    IF routine.proretset THEN
        RETURN format(E'    FOR _part IN SELECT s.shard FROM learnsync_router.shards() s LOOP\n'
                      '        RETURN QUERY SELECT * FROM %s;\n    END LOOP;', call);
    END IF;
    RETURN format($body$    SELECT NULL::%1$s AS answer INTO _sum;
    FOR _part IN SELECT s.shard FROM learnsync_router.shards() s LOOP
        BEGIN
            SELECT %2$s AS answer INTO _one;
            SELECT learnsync_router.both(_sum.answer, _one.answer) AS answer INTO _sum;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS _state = RETURNED_SQLSTATE, _message = MESSAGE_TEXT,
                _detail = PG_EXCEPTION_DETAIL, _hint = PG_EXCEPTION_HINT;
            IF _state <> 'PT404' THEN
                RAISE;
            END IF;
            _missing := _state;
        END;
    END LOOP;
    IF _sum.answer IS NULL AND _missing IS NOT NULL THEN
        PERFORM learnsync_router.fail(_state, _message, _detail, _hint);
    END IF;
    RETURN _sum.answer;$body$, answer, call);
END
$fn$;
COMMENT ON FUNCTION learnsync_internal.router_body(oid, text, text, text) IS 'What a function of a router does.';

-- What does not depend on the release.
CREATE OR REPLACE FUNCTION learnsync_internal.router_base(shards text[], parts integer) RETURNS SETOF text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    shard text;
    n integer := 0;
BEGIN
    RETURN NEXT $sql$
CREATE EXTENSION IF NOT EXISTS plproxy;
CREATE SCHEMA IF NOT EXISTS learnsync;
CREATE SCHEMA IF NOT EXISTS learnsync_api;
CREATE SCHEMA IF NOT EXISTS learnsync_report;
CREATE SCHEMA IF NOT EXISTS learnsync_router;
DO $do$ BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'learnsync') THEN
        RAISE EXCEPTION 'this database has learnsync' USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'A router is a database of its own, which holds nothing.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'learnsync_router') THEN
        CREATE ROLE learnsync_router NOLOGIN;
    END IF;
    IF to_regtype('learnsync_api."text/plain"') IS NULL THEN
        CREATE DOMAIN learnsync_api."text/plain" AS text;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'learnsync') THEN
        CREATE SERVER learnsync FOREIGN DATA WRAPPER plproxy OPTIONS (modular_mapping '1', p0 '');
    END IF;
    IF NOT EXISTS (SELECT FROM pg_user_mappings WHERE srvname = 'learnsync' AND usename = 'learnsync_router') THEN
        CREATE USER MAPPING FOR learnsync_router SERVER learnsync OPTIONS (user 'learnsync_router');
    END IF;
END $do$;
GRANT USAGE ON FOREIGN SERVER learnsync TO learnsync_router;
GRANT USAGE ON SCHEMA learnsync, learnsync_api, learnsync_router TO learnsync_router;
GRANT CREATE ON SCHEMA learnsync, learnsync_api, learnsync_report, learnsync_router TO learnsync_router;
CREATE TABLE IF NOT EXISTS learnsync_router.part (part integer PRIMARY KEY, shard integer NOT NULL);
CREATE TABLE IF NOT EXISTS learnsync_router.access (kind text, what text, PRIMARY KEY (kind, what));
TRUNCATE learnsync_router.access;
ALTER TABLE learnsync_router.part OWNER TO learnsync_router;
ALTER TABLE learnsync_router.access OWNER TO learnsync_router;$sql$;
    FOREACH shard IN ARRAY shards LOOP
        RETURN NEXT format('DO $do$ BEGIN EXECUTE format(''ALTER SERVER learnsync OPTIONS (%%s p%s %%L)'', '
            'CASE WHEN EXISTS (SELECT FROM pg_foreign_server s CROSS JOIN unnest(s.srvoptions) o '
            'WHERE s.srvname = ''learnsync'' AND o LIKE ''p%1$s=%%'') THEN ''SET'' ELSE ''ADD'' END, %L); END $do$;',
            n, shard);
        n := n + 1;
    END LOOP;
    RETURN NEXT format('INSERT INTO learnsync_router.part SELECT p, 0 FROM generate_series(0, %s) p '
        'ON CONFLICT DO NOTHING; DELETE FROM learnsync_router.part WHERE part >= %s;', parts - 1, parts);
    RETURN NEXT pg_get_functiondef('learnsync.part_of(text, integer)'::regprocedure) || ';';
    RETURN NEXT format($sql$
 CREATE OR REPLACE FUNCTION learnsync_router.shards() RETURNS TABLE (shard integer)
    LANGUAGE sql IMMUTABLE AS 'SELECT generate_series(0, %s)';
 CREATE OR REPLACE FUNCTION learnsync_router.shard_of(learner text) RETURNS integer LANGUAGE sql STABLE AS
    'SELECT COALESCE((SELECT p.shard FROM learnsync_router.part p WHERE p.part = learnsync.part_of(learner, %s)), 0)';
 CREATE OR REPLACE FUNCTION learnsync_router.setting(name text) RETURNS text LANGUAGE sql STABLE AS
    'SELECT NULLIF(pg_catalog.current_setting(name, true), '''')';$sql$, n - 1, parts);
    RETURN NEXT $sql$
 CREATE OR REPLACE FUNCTION learnsync_router.caller() RETURNS text LANGUAGE plpgsql STABLE AS $body$
DECLARE
    claims CONSTANT text := learnsync_router.setting('request.jwt.claims');
BEGIN
    IF claims IS NULL THEN
        RETURN learnsync_router.setting('learnsync.learner_id');
    END IF;
    RETURN claims::jsonb ->> COALESCE(learnsync_router.setting('learnsync.jwt_claim'), 'sub');
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $body$;
 CREATE OR REPLACE FUNCTION learnsync_router.answer_with(headers text, status text) RETURNS void
    LANGUAGE plpgsql AS $body$
BEGIN
    IF headers <> '' THEN
        PERFORM set_config('response.headers', headers, true);
    END IF;
    IF status <> '' THEN
        PERFORM set_config('response.status', status, true);
    END IF;
END $body$;
 CREATE OR REPLACE FUNCTION learnsync_router.meant(request jsonb, routine text) RETURNS text LANGUAGE sql STABLE AS
    $body$SELECT COALESCE(CASE WHEN routine = 'progress_batch' THEN request ->> 'profile_id' END,
        request ->> 'learnerId', learnsync_router.caller())$body$;
 CREATE OR REPLACE FUNCTION learnsync_router.is_elsewhere(request jsonb, routine text) RETURNS boolean
    LANGUAGE sql STABLE AS $body$SELECT jsonb_typeof(request) = 'object'
        AND learnsync_router.meant(request, routine) <> learnsync_router.caller()
        AND learnsync_router.shard_of(learnsync_router.meant(request, routine))
            <> learnsync_router.shard_of(learnsync_router.caller())
        AND (jsonb_typeof(request -> 'deviceId') = 'string' AND length(request ->> 'deviceId') BETWEEN 1 AND 200
            OR learnsync_router.setting('learnsync.device_claim') IS NOT NULL)$body$;
 CREATE OR REPLACE FUNCTION learnsync_router.both(a bigint, b bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    'SELECT COALESCE(a + b, a, b)';
 CREATE OR REPLACE FUNCTION learnsync_router.both(a boolean, b boolean) RETURNS boolean LANGUAGE sql IMMUTABLE AS
    'SELECT COALESCE(a OR b, a, b)';
 CREATE OR REPLACE FUNCTION learnsync_router.both(a text, b text) RETURNS text LANGUAGE sql IMMUTABLE AS
    'SELECT COALESCE(a, b)';
 CREATE OR REPLACE FUNCTION learnsync_router.both(a jsonb, b jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
    $body$SELECT COALESCE((SELECT jsonb_object_agg(k, CASE
            WHEN jsonb_typeof(a -> k) = 'number' AND jsonb_typeof(b -> k) = 'number'
                THEN to_jsonb((a ->> k)::numeric + (b ->> k)::numeric)
            WHEN jsonb_typeof(a -> k) = 'array' AND jsonb_typeof(b -> k) = 'array' THEN (a -> k) || (b -> k)
            ELSE COALESCE(a -> k, b -> k) END)
        FROM jsonb_object_keys(a || b) k), a, b)$body$;
 CREATE OR REPLACE FUNCTION learnsync_router.both(a learnsync_api."text/plain", b learnsync_api."text/plain")
    RETURNS learnsync_api."text/plain" LANGUAGE sql IMMUTABLE AS
    $body$SELECT string_agg(m.line, E'\n' ORDER BY m.n) || E'\n' FROM (
        SELECT min(x.n) AS n, x.name || COALESCE(' ' || CASE WHEN x.name ~ '_(ratio|seconds)($|\{)'
                AND x.name !~ '_total' THEN max(x.value) ELSE sum(x.value) END, '') AS line
        FROM (SELECT l.n, CASE WHEN l.line LIKE '#%' THEN l.line ELSE regexp_replace(l.line, ' [^ ]*$', '') END AS name,
                  CASE WHEN l.line NOT LIKE '#%' THEN substring(l.line FROM '[^ ]*$')::numeric END AS value
              FROM string_to_table(trim(BOTH E'\n' FROM COALESCE(a, '') || E'\n' || b), E'\n')
                  WITH ORDINALITY l (line, n) WHERE l.line <> '') x
        GROUP BY x.name) m$body$;
 CREATE OR REPLACE FUNCTION learnsync_router.fail(state text, message text, detail text, hint text) RETURNS void
    LANGUAGE plpgsql AS $body$
DECLARE
    seconds CONSTANT integer := 1 + floor(random() * 5);
BEGIN
    IF message LIKE 'PL/Proxy function%' AND state <> '57014' THEN
        RAISE WARNING '%', message;
        state := 'PT503';
        message := 'a server does not answer';
        detail := 'The one that has this learner.';
        hint := format('Try again in %s seconds.', seconds);
        IF learnsync_router.setting('request.method') IS NOT NULL THEN
            message := json_build_object('code', state, 'message', message, 'details', detail, 'hint', hint);
            detail := json_build_object('status', 429, 'headers', json_build_object('Retry-After', seconds::text));
            state := 'PGRST';
            hint := '';
        END IF;
    END IF;
    message := regexp_replace(message, '^\S+\(\d+\): \[[^]]*\] REMOTE \w+: ', '');
    detail := regexp_replace(detail, '^Remote detail: ', '');
    hint := regexp_replace(hint, '^Remote hint: ', '');
    IF detail <> '' AND hint <> '' THEN
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = detail, HINT = hint;
    ELSIF detail <> '' THEN
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = detail;
    ELSIF hint <> '' THEN
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, HINT = hint;
    END IF;
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message;
END $body$;
 CREATE OR REPLACE FUNCTION learnsync_router.parts_of(shard integer) RETURNS jsonb LANGUAGE plproxy AS
    $body$ CLUSTER 'learnsync'; RUN ON shard; SELECT learnsync.shard_parts(); $body$;
 CREATE OR REPLACE FUNCTION learnsync_router.state_of(shard integer) RETURNS jsonb LANGUAGE plproxy AS
    $body$ CLUSTER 'learnsync'; RUN ON shard; SELECT learnsync.shard_state(); $body$;
 CREATE OR REPLACE FUNCTION learnsync_router.begin_change(change jsonb) RETURNS jsonb LANGUAGE plproxy AS
    $body$ CLUSTER 'learnsync'; RUN ON 0; SELECT learnsync_internal.shard_change_begin(change); $body$;
 CREATE OR REPLACE FUNCTION learnsync_router.leave_change(done boolean) RETURNS boolean LANGUAGE plproxy AS
    $body$ CLUSTER 'learnsync'; RUN ON 0; SELECT learnsync_internal.shard_change_end(done); $body$;
 CREATE OR REPLACE FUNCTION learnsync_router.run_change(shard integer, routine text, arguments jsonb) RETURNS jsonb
    LANGUAGE plproxy AS $body$ CLUSTER 'learnsync'; RUN ON shard;
    SELECT learnsync_internal.shard_change_run(routine, arguments); $body$;
 CREATE OR REPLACE FUNCTION learnsync_router.refuse(failure jsonb) RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    IF failure ? 'code' THEN
        PERFORM learnsync_router.fail(failure ->> 'code', failure ->> 'message', failure ->> 'detail',
            failure ->> 'hint');
    END IF;
END $body$;
 CREATE OR REPLACE FUNCTION learnsync_router.enter_change(change jsonb) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
    older jsonb;
    failure jsonb;
BEGIN
    LOOP
        older := learnsync_router.begin_change(change);
        EXIT WHEN older IS NULL;
        SELECT x.answer INTO failure FROM (SELECT learnsync_router.run_change(s.shard, older ->> 'routine',
                  older -> 'arguments') AS answer FROM learnsync_router.shards() s OFFSET 0) x
        WHERE x.answer ? 'code' AND (older ->> 'routine' <> 'drop_resource_type' OR x.answer ->> 'code' <> '42704')
        LIMIT 1;
        IF failure IS NOT NULL THEN
            RAISE WARNING '%(%) was begun before and cannot be completed', older ->> 'routine', older ->> 'subject'
                USING HINT = 'Say what all servers shall have instead.';
            PERFORM learnsync_router.refuse(failure);
        END IF;
        RAISE NOTICE '%(%) was begun before, and is on all servers now', older ->> 'routine', older ->> 'subject';
        PERFORM learnsync_router.leave_change(true);
    END LOOP;
END $body$;
 CREATE OR REPLACE FUNCTION learnsync_router.change(routine text, arguments jsonb) RETURNS jsonb
    LANGUAGE plpgsql AS $body$
DECLARE
    part record;
    one jsonb;
    missing jsonb;
    answer jsonb;
    count integer := 0;
BEGIN
    FOR part IN SELECT s.shard FROM learnsync_router.shards() s
        WHERE routine = 'define_resource_type' OR routine = 'register_content' AND s.shard = 0 LOOP
        one := CASE routine WHEN 'register_content'
            THEN learnsync_router.run_change(part.shard, 'validate_content', arguments)
            ELSE learnsync_router.run_change(part.shard, routine, jsonb_set(arguments, '{3}', 'true')) END;
        PERFORM learnsync_router.refuse(one);
        answer := COALESCE(answer, one -> 'answer');
    END LOOP;
    IF arguments -> 3 = 'true' THEN
        RETURN answer;
    END IF;
    answer := NULL;
    PERFORM learnsync_router.enter_change(jsonb_build_object('routine', routine, 'arguments', arguments,
        'subject', CASE WHEN routine <> 'register_content' THEN arguments -> 0 END));
    FOR part IN SELECT s.shard FROM learnsync_router.shards() s LOOP
        one := learnsync_router.run_change(part.shard, routine, arguments);
        IF routine = 'drop_resource_type' AND one ->> 'code' = '42704' THEN
            missing := one;
            CONTINUE;
        ELSIF one ? 'code' AND count = 0 THEN
            PERFORM learnsync_router.leave_change(true);
        END IF;
        PERFORM learnsync_router.refuse(one);
        answer := COALESCE(answer, one -> 'answer');
        count := count + 1;
    END LOOP;
    PERFORM learnsync_router.leave_change(true);
    IF count = 0 THEN
        PERFORM learnsync_router.refuse(missing);
    END IF;
    RETURN answer;
EXCEPTION WHEN OTHERS OR query_canceled THEN
    BEGIN
        PERFORM learnsync_router.leave_change(false);
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING '%', SQLERRM;
    END;
    RAISE;
END $body$;
 CREATE OR REPLACE FUNCTION learnsync_router.learn() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    changed integer;
BEGIN
    UPDATE learnsync_router.part p SET shard = s.shard
    FROM learnsync_router.shards() s CROSS JOIN LATERAL jsonb_array_elements_text(
        learnsync_router.parts_of(s.shard) -> 'here') h (part)
    WHERE p.part = h.part::integer AND p.shard <> s.shard;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $body$;
COMMENT ON FUNCTION learnsync_router.learn() IS 'Asks all servers which parts they have; how many were elsewhere.';
 CREATE OR REPLACE FUNCTION learnsync.shards_check(OUT shard integer, OUT what text, OUT detail text)
    RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    first CONSTANT jsonb := learnsync_router.state_of(0);
BEGIN
    RETURN QUERY SELECT s.shard, e.key, format('%s, on server 0 %s', s.state -> e.key, e.value)
        FROM (SELECT x.shard, learnsync_router.state_of(x.shard) AS state FROM learnsync_router.shards() x
              WHERE x.shard > 0) s
        CROSS JOIN jsonb_each(first) e WHERE e.key <> 'change' AND s.state -> e.key IS DISTINCT FROM e.value
        ORDER BY s.shard, e.key;
    RETURN QUERY SELECT 0, 'change', format('%s(%s) was begun at %s; the next change completes it',
        first #>> '{change,routine}', first #>> '{change,subject}', first #>> '{change,begunAt}')
        WHERE jsonb_typeof(first -> 'change') = 'object';
    RETURN QUERY WITH held AS MATERIALIZED (
            SELECT s.shard, h.part::integer AS part FROM learnsync_router.shards() s
            CROSS JOIN LATERAL jsonb_array_elements_text(learnsync_router.parts_of(s.shard) -> 'here') h (part))
        SELECT p.shard, CASE WHEN count(h.part) = 0 THEN 'part nowhere' WHEN count(h.part) > 1 THEN 'part twice'
            ELSE 'router' END, format('part %s is on %s', p.part, COALESCE(string_agg(h.shard::text, ', '), 'none'))
        FROM learnsync_router.part p LEFT JOIN held h ON h.part = p.part
        GROUP BY p.part, p.shard HAVING count(h.part) <> 1 OR min(h.shard) <> p.shard ORDER BY p.part;
END $body$;
COMMENT ON FUNCTION learnsync.shards_check() IS
    'In what the servers differ that they must have in common, by what shard_state() says, a change that was begun and '
    'is not on all of them, parts that none or two of them have, and parts for which this router asks another; no row '
    'where all is well.';
 CREATE OR REPLACE FUNCTION learnsync.grant_access(role text, kind text) RETURNS text LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    granted text;
BEGIN
    IF kind IS NULL OR kind NOT IN ('learner', 'service', 'admin', 'report') THEN
        RAISE EXCEPTION 'unknown kind of access: %', quote_nullable(kind)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It is learner, service, admin or report.';
    END IF;
    FOR granted IN SELECT a.what FROM learnsync_router.access a
        WHERE a.kind = grant_access.kind OR (grant_access.kind = 'admin' AND a.kind = 'service') LOOP
        EXECUTE format('GRANT %s TO %I', granted, role);
    END LOOP;
    RETURN format('role %I has access as %s', role, kind);
END $body$;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA learnsync, learnsync_router FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA learnsync_router TO learnsync_router;
GRANT EXECUTE ON FUNCTION learnsync.part_of(text, integer) TO learnsync_router;
ALTER FUNCTION learnsync_router.learn() OWNER TO learnsync_router;
ALTER FUNCTION learnsync.shards_check() OWNER TO learnsync_router;
INSERT INTO learnsync_router.access VALUES ('admin', 'EXECUTE ON FUNCTION learnsync.shards_check()'),
    ('admin', 'EXECUTE ON FUNCTION learnsync_router.learn()'), ('admin', 'USAGE ON SCHEMA learnsync_router'),
    ('admin', 'USAGE ON SCHEMA learnsync'), ('service', 'USAGE ON SCHEMA learnsync'),
    ('admin', 'USAGE ON SCHEMA learnsync_api'), ('service', 'USAGE ON SCHEMA learnsync_api'),
    ('learner', 'USAGE ON SCHEMA learnsync_api'), ('report', 'USAGE ON SCHEMA learnsync_report');$sql$;
END
$fn$;
COMMENT ON FUNCTION learnsync_internal.router_base(text[], integer) IS
    'The statements that make a router, but for functions and views of this release.';

CREATE OR REPLACE FUNCTION learnsync.router_sql(shards text[], parts integer DEFAULT 256) RETURNS SETOF text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    each record;
    inner_name text;
    function text;
BEGIN
    IF shards IS NULL OR cardinality(shards) NOT BETWEEN 1 AND 100 OR array_position(shards, NULL) IS NOT NULL
        OR parts IS NULL OR parts NOT BETWEEN 1 AND 65536 OR parts & (parts - 1) <> 0 THEN
        RAISE EXCEPTION 'shards must be 1 to 100 connection strings, parts a power of two up to 65536'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF array_to_string(shards, ' ') ~* 'password' THEN
        RAISE EXCEPTION 'shards must have no passwords' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'They belong into the user mapping, or into a password file of the router''s server.';
    END IF;
    RETURN QUERY SELECT learnsync_internal.router_base(shards, parts);
    FOR each IN SELECT DISTINCT ON (r.id) r.*, p.*,
            format('%I.%I', p.pronamespace::regnamespace::text, p.proname) AS name
        FROM learnsync_internal.router_routines() r JOIN pg_proc p ON p.oid = r.id ORDER BY r.id, r.kind LOOP
        inner_name := format('learnsync_router.%I', each.pronamespace::regnamespace || '_' || each.proname);
        RETURN NEXT format($sql$
 CREATE OR REPLACE FUNCTION %s(integer, text, text, text, text%s) RETURNS %s%s
    LANGUAGE plproxy AS $body$ CLUSTER 'learnsync'; RUN ON $1; SELECT %s; $body$;
REVOKE ALL ON FUNCTION %1$s FROM PUBLIC;
GRANT EXECUTE ON FUNCTION %1$s TO learnsync_router;$sql$, inner_name, COALESCE(', ' || each.ins, ''),
            CASE WHEN each.proretset AND each.outs IS NULL THEN 'SETOF ' ELSE '' END,
            CASE WHEN each.outs IS NOT NULL THEN format('TABLE (%s)', each.outs)
                WHEN each.mode = 'caller' AND NOT each.proretset
                THEN format('TABLE (answer %s, headers text, status text)', format_type(each.prorettype, NULL))
                ELSE format_type(each.prorettype, NULL) END,
            CASE WHEN each.outs IS NOT NULL THEN format('* FROM %s(%s)', each.name, x.given)
                WHEN each.mode = 'caller' AND NOT each.proretset THEN format(
                    'a.answer, current_setting(''response.headers'', true) AS headers, '
                    'current_setting(''response.status'', true) AS status FROM (SELECT %s(%s) AS answer '
                    'FROM learnsync_internal.shard_enter($2, $3, $4, $5) entered OFFSET 0) a', each.name, x.given)
                ELSE format('%s(%s) FROM learnsync_internal.shard_enter($2, $3, $4, $5) entered', each.name, x.given)
            END)
        FROM (SELECT COALESCE(string_agg('$' || n + 5, ', ' ORDER BY n), '') AS given
              FROM generate_series(1, each.pronargs) n) x;
        RETURN NEXT learnsync_internal.router_wrapper(each.name, pg_get_function_arguments(each.id),
            pg_get_function_result(each.id), CASE each.provolatile WHEN 'v' THEN 'VOLATILE' ELSE 'STABLE' END,
            learnsync_internal.router_body(each.id, each.mode, each.ins, each.outs));
        RETURN NEXT format('COMMENT ON FUNCTION %s IS %L;', each.id::regprocedure, obj_description(each.id, 'pg_proc'));
    END LOOP;
    RETURN QUERY SELECT format('INSERT INTO learnsync_router.access VALUES (%L, %L);', r.kind,
        'EXECUTE ON FUNCTION ' || r.id::regprocedure) FROM learnsync_internal.router_routines() r;
    FOR each IN SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, n.nspname || '_' || c.relname AS flat,
            (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
             FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
            CASE WHEN n.nspname = 'learnsync_report' THEN 'report' WHEN c.relname = 'audit' THEN 'service'
                WHEN n.nspname = 'learnsync' THEN 'admin' ELSE 'learner' END AS kind,
            CASE WHEN c.relname = 'content' THEN 'one' WHEN n.nspname = 'learnsync_api' AND c.relname <> 'audit'
                AND strpos(pg_get_viewdef(c.oid), 'current_learners()') = 0 THEN 'caller' ELSE 'all' END AS mode,
            CASE WHEN c.relname IN ('audit', 'content', 'verify_round') THEN ''
                WHEN n.nspname = 'learnsync' THEN 'learner'
                WHEN n.nspname = 'learnsync_api' AND strpos(pg_get_viewdef(c.oid), 'current_learners()') = 0
                THEN 'caller' ELSE 'learner_id' END AS filter
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('learnsync_api', 'learnsync_report', 'learnsync') AND c.relkind = 'v' LOOP
        inner_name := format('learnsync_router.%I', 'rows_' || each.flat);
        function := format('learnsync_router.%I', 'view_' || each.flat);
        RETURN NEXT format($sql$
 CREATE OR REPLACE FUNCTION %s(integer, text, text, text, text) RETURNS TABLE (%4$s)
    LANGUAGE plproxy AS $body$ CLUSTER 'learnsync'; RUN ON $1;
    SELECT * FROM learnsync_internal.shard_rows($2, $3, $4, $5, '%2$s', '%3$s') AS t (%4$s); $body$;
REVOKE ALL ON FUNCTION %1$s FROM PUBLIC;
GRANT EXECUTE ON FUNCTION %1$s TO learnsync_router;$sql$, inner_name, each.name, each.filter, each.columns);
        RETURN NEXT learnsync_internal.router_wrapper(function, '', format('TABLE (%s)', each.columns), 'STABLE',
            CASE WHEN each.kind = 'learner' THEN
                E'    IF learnsync_router.caller() IS NULL THEN RETURN; END IF;\n' ELSE '' END
            || format('    FOR _part IN SELECT s.shard FROM learnsync_router.shards() s%s LOOP
        RETURN QUERY SELECT * FROM %s(_part.shard, learnsync_router.setting(''request.jwt.claims''),
            learnsync_router.setting(''request.headers''), learnsync_router.setting(''request.method''),
            learnsync_router.setting(''learnsync.learner_id''));
    END LOOP;', CASE each.mode WHEN 'all' THEN '' WHEN 'one' THEN ' WHERE s.shard = 0'
                ELSE ' WHERE s.shard = learnsync_router.shard_of(learnsync_router.caller())' END,
                inner_name));
        RETURN NEXT format('CREATE OR REPLACE VIEW %s AS SELECT * FROM %s();', each.name, function);
        RETURN NEXT format('COMMENT ON VIEW %s IS %L;', each.name, obj_description(each.oid, 'pg_class'));
        RETURN NEXT format('INSERT INTO learnsync_router.access VALUES (%1$L, %2$L), (%1$L, %3$L);', each.kind,
            'SELECT ON ' || each.name, format('EXECUTE ON FUNCTION %s()', function));
    END LOOP;
    RETURN NEXT 'SELECT learnsync_router.learn();';
END
$fn$;
COMMENT ON FUNCTION learnsync.router_sql(text[], integer) IS
    'The statements that make an empty database a router to these servers, connection strings without passwords, for '
    'PL/Proxy: the functions and views of this release, each sent to the server that has the learner, or to all. Run '
    'them in one transaction there, as a superuser; again where servers, their number or the release change. Each '
    'server needs a role learnsync_router with access as learner, admin and report. Errors: 22023 such servers or '
    'parts. For superusers.';
