-- Policies that take or leave whole documents, and merge functions of a team.
BEGIN;
SELECT no_plan();

-- Items in short: {"i": id, "o": operation, "t": time of day, "r": resource, …fields}.
CREATE FUNCTION pg_temp.push(learner text, type text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN learnsync.sync_push(learner,
        jsonb_build_object('deviceId', 'd',
            'items', (SELECT jsonb_agg(jsonb_build_object('id', COALESCE(i ->> 'i', md5(i::text)),
                          'operation', COALESCE(i ->> 'o', 'update'), 'resourceType', type,
                          'resourceId', COALESCE(i ->> 'r', 'r'),
                          'clientTimestamp', '2026-01-08T' || (i ->> 't') || ':00Z', 'data', i - '{i,o,t,r}'::text[])
                      ORDER BY n)
                      FROM unnest(items) WITH ORDINALITY AS x (i, n))) || COALESCE(current_setting('test.more',
                true)::jsonb,
            '{}'))::jsonb;
END $$;
CREATE FUNCTION pg_temp.document(learner text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN jsonb_path_query_first(learnsync.sync_pull(learner, '{"deviceId": "d"}')::jsonb, '$.changes[0].data') - 'k';
END $$;
-- The verdicts: synced, the resolution of a conflict, the code, path and retryability of a failure.
CREATE FUNCTION pg_temp.verdicts(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(CASE r ->> 'status'
            WHEN 'conflict' THEN (SELECT c ->> 'resolution' FROM jsonb_array_elements(answer -> 'conflicts') c
                                  WHERE c -> 'id' = r -> 'id')
            WHEN 'failed' THEN (SELECT concat_ws('/', f ->> 'code', f ->> 'path', f ->> 'retryable')
                                FROM jsonb_array_elements(answer -> 'failedItems') f WHERE f -> 'id' = r -> 'id')
            ELSE 'synced' END,
        ' ' ORDER BY n)
    FROM jsonb_array_elements(answer -> 'results') WITH ORDINALITY AS x (r, n) $$;
CREATE FUNCTION pg_temp.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '00000';
EXCEPTION WHEN query_canceled OR assert_failure OR OTHERS THEN
    RETURN SQLSTATE;
END $$;

-- server_wins, client_wins and manual, over a first document {"x": 1} of 12:00.
CREATE TEMP TABLE policy (n int GENERATED ALWAYS AS IDENTITY, policy text, item jsonb, verdict text, document jsonb,
    changed boolean, at text);
INSERT INTO policy (policy, item, verdict, document, changed, at) VALUES
    ('server_wins', '{"t": "13:00", "x": 2}', 'server_wins', '{"x": 1}', false, '12:00'),
    ('server_wins', '{"t": "11:00", "x": 2}', 'server_wins', '{"x": 1}', false, '12:00'),
    ('server_wins', '{"t": "13:00", "x": 1.0}', 'synced', '{"x": 1}', false, '12:00'),
    ('server_wins', '{"t": "11:00", "x": 1}', 'synced', '{"x": 1}', false, '12:00'),
    ('server_wins', '{"t": "13:00"}', 'server_wins', '{"x": 1}', false, '12:00'),
    ('server_wins', '{"t": "13:00", "x": null}', 'server_wins', '{"x": 1}', false, '12:00'),
    ('server_wins', '{"t": "13:00", "o": "delete"}', 'synced', '{}', true, '13:00'),
    ('server_wins', '{"t": "11:00", "o": "delete"}', 'manual_required', '{"x": 1}', false, '12:00'),
    ('client_wins', '{"t": "13:00", "x": 2}', 'synced', '{"x": 2}', true, '13:00'),
    ('client_wins', '{"t": "12:00", "x": 2}', 'synced', '{"x": 2}', true, '12:00'),
    ('client_wins', '{"t": "11:00", "y": 2}', 'client_wins', '{"y": 2}', true, '12:00'),
    ('client_wins', '{"t": "11:00", "x": 1.0}', 'synced', '{"x": 1}', false, '12:00'),
    ('client_wins', '{"t": "12:00", "x": 1.0}', 'synced', '{"x": 1}', false, '12:00'),
    ('client_wins', '{"t": "13:00", "x": 1.0}', 'synced', '{"x": 1}', true, '13:00'),
    ('client_wins', '{"t": "13:00"}', 'synced', '{}', true, '13:00'),
    ('client_wins', '{"t": "13:00", "o": "delete"}', 'synced', '{}', true, '13:00'),
    ('manual', '{"t": "13:00", "x": 2}', 'manual_required', '{"x": 1}', false, '12:00'),
    ('manual', '{"t": "11:00", "x": 2}', 'manual_required', '{"x": 1}', false, '12:00'),
    ('manual', '{"t": "13:00", "x": 1.0}', 'synced', '{"x": 1}', false, '12:00'),
    ('manual', '{"t": "11:00", "x": 1}', 'synced', '{"x": 1}', false, '12:00'),
    ('manual', '{"t": "13:00", "o": "delete"}', 'synced', '{}', true, '13:00');
SELECT learnsync.define_resource_type(p, jsonb_build_object('key', '["k"]'::jsonb, 'policy', p))
FROM unnest('{server_wins,client_wins,manual}'::text[]) p;
SELECT pg_temp.push('p' || n, policy, '{"i": "0", "t": "12:00", "x": 1}') FROM policy;
SELECT is(
    pg_temp.verdicts(pg_temp.push('p' || n, policy, item || '{"i": "1"}')),
    verdict,
    concat_ws(' ', policy, item))
FROM policy;
SELECT is(pg_temp.document('p' || n), document, concat_ws(' ', policy, item, 'leaves')) FROM policy;
SELECT is(
    (version = 3)::text || to_char(r.at AT TIME ZONE 'UTC', ' HH24:MI'),
    changed::text || ' ' || policy.at,
    concat_ws(' ', policy, item, 'version and instant'))
FROM policy JOIN learnsync_data.resource r ON learner_id = 'p' || n;
SELECT is(
    (SELECT string_agg(DISTINCT resolution || ' ' || COALESCE(closed_by, 'open'), ', ') FROM learnsync_data.conflict),
    'client_wins rule, manual_required open, server_wins rule',
    'open where a person must decide');
SELECT is(
    (SELECT count(*) FROM learnsync_data.conflict),
    (SELECT count(*) FROM policy WHERE verdict <> 'synced'),
    'one record for each');
SELECT is(
    pg_temp.verdicts(pg_temp.push('p' || n, policy, item || '{"i": "1"}')),
    verdict,
    concat_ws(' ', policy, item, 'again'))
FROM policy;
SELECT is(
    pg_temp.push('p11', 'client_wins', '{"t": "11:00", "y": 2, "i": "1"}') #> '{conflicts,0}' || '{"conflictId": 0}',
    '{"id": "1", "clientData": {"y": 2}, "serverData": {"k": "r", "y": 2}, "serverVersion": 3, "conflictId": 0,
        "resolution": "client_wins"}',
    'what client_wins answers');

-- Functions of a team, which owns them. The learner's backend is a role of its own.
CREATE SCHEMA team;
CREATE TABLE team.log (said text);
CREATE ROLE team;
GRANT ALL ON SCHEMA team TO team;
GRANT ALL ON team.log TO team;
SELECT learnsync.grant_access('team', 'service');
CREATE ROLE backend;
GRANT USAGE ON SCHEMA team, learnsync TO backend;
GRANT EXECUTE ON FUNCTION learnsync.sync_push(text, jsonb), learnsync.sync_pull(text, jsonb) TO backend;
CREATE FUNCTION pg_temp.define(name text, body text, options text DEFAULT 'LANGUAGE plpgsql')
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION team.%I(stored jsonb, incoming jsonb, stored_at timestamptz, '
                   'incoming_at timestamptz) RETURNS jsonb %s AS %L',
        name, options, body);
    EXECUTE format('ALTER FUNCTION team.%I(jsonb, jsonb, timestamptz, timestamptz) OWNER TO team', name);
    PERFORM learnsync.define_resource_type('c_' || name, jsonb_build_object('key', '["k"]'::jsonb, 'policy', 'custom',
        'function', 'team.' || name,
        'fields', '{"n": {"type": "number"},
            "d": {"derive": "n", "steps": [{"value": "small"}, {"value": "big", "from": 10}]},
            "last": {"merge": "last_time"}}'::jsonb));
END $$;
-- A first item {"n": 1} of 12:00, then one that the function decides on.
CREATE TEMP TABLE custom (n int GENERATED ALWAYS AS IDENTITY, name text, body text,
    options text DEFAULT 'LANGUAGE plpgsql', item jsonb DEFAULT '{"t": "13:00", "n": 2}', verdict text,
    document jsonb, changed boolean);
INSERT INTO custom (name, body, verdict, document, changed) VALUES
    ('cursors',
        'DECLARE k text; c CURSOR FOR SELECT key FROM jsonb_each(incoming) ORDER BY key; o text := ''''; '
        'BEGIN OPEN c; LOOP FETCH c INTO k; EXIT WHEN NOT FOUND; o := o || k; END LOOP; CLOSE c; '
        'FOR k IN EXECUTE ''SELECT jsonb_object_keys($1)'' USING stored LOOP o := o || k; END LOOP; '
        'RETURN jsonb_build_object(''o'', o); END',
        'synced', '{"o": "knkn", "d": "small"}', true),
    ('both', 'BEGIN RETURN stored || incoming || ''{"by": "us"}''; END', 'synced',
        '{"n": 2, "d": "small", "by": "us"}', true),
    ('incoming', 'BEGIN RETURN incoming; END', 'synced', '{"n": 2, "d": "small"}', true),
    ('stored', 'BEGIN RETURN stored; END', 'server_wins', '{"n": 1, "d": "small"}', false),
    ('equal', 'BEGIN RETURN jsonb_build_object(''n'', 1.00); END', 'server_wins', '{"n": 1, "d": "small"}', false),
    ('nothing', 'BEGIN RETURN NULL; END', 'manual_required', '{"n": 1, "d": "small"}', false),
    ('empty', 'BEGIN RETURN ''{}''; END', 'synced', '{"d": "small"}', true),
    ('keys', 'BEGIN RETURN ''{"k": "other", "d": "fake", "last": "fake", "n": 20}''; END', 'synced',
        '{"n": 20, "d": "big"}', true),
    ('instants', 'BEGIN RETURN jsonb_build_object(''n'', extract(epoch FROM incoming_at - stored_at)); END', 'synced',
        '{"n": 3600, "d": "big"}', true),
    ('sees', 'BEGIN RETURN jsonb_build_object(''s'', stored, ''i'', incoming); END', 'synced',
        '{"d": "small", "s": {"k": "r", "n": 1}, "i": {"k": "r", "n": 2}}', true),
    ('list', 'BEGIN RETURN ''[1]''; END', 'error//true', '{"n": 1, "d": "small"}', false),
    ('scalar', 'BEGIN RETURN ''1''; END', 'error//true', '{"n": 1, "d": "small"}', false),
    ('json_null', 'BEGIN RETURN ''null''; END', 'error//true', '{"n": 1, "d": "small"}', false),
    ('wrong_type', 'BEGIN RETURN stored || ''{"n": "two"}''; END', 'error//true', '{"n": 1, "d": "small"}', false),
    ('forges', 'BEGIN RETURN stored || ''{"_learnsync": {"at": "9999-12-31T00:00:00Z"}}''; END', 'error//true',
        '{"n": 1, "d": "small"}', false),
    ('raises', 'BEGIN RAISE EXCEPTION ''no''; END', 'error//true', '{"n": 1, "d": "small"}', false),
    ('divides', 'BEGIN RETURN 1 / 0; END', 'error//true', '{"n": 1, "d": "small"}', false),
    ('asserts', 'BEGIN ASSERT false; END', 'error//true', '{"n": 1, "d": "small"}', false),
    ('catches', 'BEGIN BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END; RETURN incoming; END',
        'synced', '{"n": 2, "d": "small"}', true),
    ('calls', 'BEGIN PERFORM learnsync.sync_push(''x'', ''{"deviceId": "d", "items": []}''); RETURN incoming; END',
        'error//true', '{"n": 1, "d": "small"}', false),
    ('pulls', 'BEGIN RETURN learnsync.sync_pull(''x'', ''{"deviceId": "d"}'')::jsonb; END', 'error//true',
        '{"n": 1, "d": "small"}', false),
    ('calls_on',
        'BEGIN BEGIN PERFORM learnsync.sync_pull(''x'', ''{"deviceId": "d"}''); '
        'EXCEPTION WHEN object_not_in_prerequisite_state THEN RETURN ''{"n": 55000}''; END; RETURN incoming; END',
        'synced', '{"n": 55000, "d": "big"}', true);
INSERT INTO custom (name, body, options, verdict, document, changed) VALUES
    ('sets_of',
        'SELECT jsonb_object_agg(k, v) FROM (SELECT * FROM jsonb_each(stored) UNION ALL SELECT * FROM '
        'jsonb_each(incoming) OFFSET 0) e (k, v)',
        'LANGUAGE sql', 'synced', '{"n": 2, "d": "small"}', true),
    ('sql', 'SELECT stored || incoming', 'LANGUAGE sql', 'synced', '{"n": 2, "d": "small"}', true),
    ('strict', 'SELECT stored || incoming', 'LANGUAGE sql IMMUTABLE STRICT', 'synced', '{"n": 2, "d": "small"}',
        true),
    ('sql_null', 'SELECT NULL::jsonb', 'LANGUAGE sql STABLE', 'manual_required', '{"n": 1, "d": "small"}', false),
    ('path', 'SELECT jsonb_build_object(''path'', current_setting(''search_path''))',
        'LANGUAGE sql SET search_path = team', 'synced', '{"d": "small", "path": "team"}', true),
    ('definer', 'SELECT jsonb_build_object(''role'', current_user)', 'LANGUAGE sql SECURITY DEFINER', 'synced', NULL,
        true);
INSERT INTO custom (name, body, item, verdict, document, changed) VALUES
    ('same', 'BEGIN RETURN stored; END', '{"t": "13:00", "n": 1}', 'synced', '{"n": 1, "d": "small"}', true),
    ('same_old', 'BEGIN RETURN stored; END', '{"t": "11:00", "n": 1}', 'synced', '{"n": 1, "d": "small"}', false),
    ('old', 'BEGIN RETURN incoming; END', '{"t": "11:00", "n": 5}', 'synced', '{"n": 5, "d": "small"}', true);
SELECT pg_temp.define(name, body, options) FROM custom;
SELECT pg_temp.push('c' || n, 'c_' || name, '{"i": "0", "t": "12:00", "n": 1, "d": "fake", "last": "fake"}')
FROM custom;
SELECT is(
    pg_temp.verdicts(pg_temp.push('c' || n, 'c_' || name, item || '{"i": "1"}')),
    verdict,
    concat_ws(' ', name, item, options))
FROM custom;
SELECT is(pg_temp.document('c' || n), document, name || ' leaves') FROM custom WHERE document IS NOT NULL;
SELECT is(
    (SELECT version = 3 FROM learnsync_data.resource WHERE learner_id = 'c' || n),
    changed,
    name || ' and the version')
FROM custom;
SELECT is(
    (SELECT string_agg(DISTINCT to_char(at AT TIME ZONE 'UTC', 'HH24:MI'), ' ') FROM learnsync_data.resource
     JOIN custom ON learner_id = 'c' || n WHERE name = 'old'),
    '12:00',
    'the instant never falls back');
SELECT is(
    pg_temp.verdicts(pg_temp.push('c' || n, 'c_' || name, item || '{"i": "1"}')),
    verdict,
    'a retry of ' || name)
FROM custom WHERE verdict NOT LIKE 'error%';
SELECT is(
    (SELECT message FROM learnsync_data.failed JOIN custom ON learner_id = 'c' || n WHERE name = 'raises'),
    'no',
    'the error is told');
SELECT is(
    (SELECT message FROM learnsync_data.failed JOIN custom ON learner_id = 'c' || n WHERE name = 'wrong_type'),
    'merge function team.wrong_type made a document in which n must be a number',
    'so is what is wrong with a document');
-- Strategies count under policy merge alone: elsewhere a field that would be a sum is but a number.
SELECT learnsync.define_resource_type('armed_' || p,
    jsonb_build_object('key', '["k"]'::jsonb, 'policy', p,
        'fields', '{"n": {"merge": "sum"}, "c": {"merge": "counter"}, "l": {"merge": "union"},
            "m": {"merge": "map_latest"}}'::jsonb)
        || CASE p WHEN 'custom' THEN '{"function": "team.incoming"}' ELSE '{}' END::jsonb)
FROM unnest('{custom,latest,client_wins}'::text[]) p;
SELECT is(
    pg_temp.verdicts(pg_temp.push('armed ' || p, 'armed_' || p,
        '{"t": "12:00", "n": 1, "c": 1, "l": [1], "m": {"a": 1}}',
        '{"t": "13:00", "n": 1e30, "c": -1e30, "l": [2], "m": {"b": null}}')),
    'synced synced',
    'policy ' || p || ' adds nothing up')
FROM unnest('{custom,latest,client_wins}'::text[]) p;
SELECT is(
    (SELECT string_agg(DISTINCT (data - 'k')::text || COALESCE(book::text, ''), '; ') FROM learnsync_data.resource
     WHERE learner_id LIKE 'armed %'),
    '{"c": -1000000000000000000000000000000, "l": [2], "m": {"b": null}, "n": 1000000000000000000000000000000}',
    'and takes the document as it is');
SELECT is(
    pg_temp.verdicts(pg_temp.push('armed ' || p, 'armed_' || p, '{"t": "14:00", "n": "1"}')),
    'invalid/data.n/false',
    'but a number it must be')
FROM unnest('{custom,latest,client_wins}'::text[]) p;
SELECT is(
    (SELECT count(*) FROM learnsync_data.conflict JOIN custom ON learner_id = 'c' || n
     WHERE (closed_at IS NULL) <> (verdict = 'manual_required')),
    0::bigint,
    'NULL leaves it to a person');
SELECT is(
    pg_temp.verdicts(pg_temp.push('mixed', 'c_raises', '{"t": "12:00", "r": "a"}', '{"t": "12:00", "r": "b"}',
        '{"t": "13:00", "r": "a"}', '{"t": "14:00", "r": "c"}')),
    'synced synced error//true synced',
    'one that fails leaves the others');
SET LOCAL test.more = '{"atomic": true}';
SELECT is(
    pg_temp.verdicts(pg_temp.push('mixed', 'c_raises', '{"t": "15:00", "r": "d"}', '{"t": "15:00", "r": "a"}')),
    'aborted//true error//true',
    'but for an atomic push');
SET LOCAL test.more = '{}';

-- A corrected function takes the failed item, a missing one fails it; both are seen at once.
SELECT pg_temp.define('raises', 'BEGIN RETURN incoming; END');
SELECT is(
    pg_temp.verdicts(pg_temp.push(learner_id, 'c_raises', '{"i": "1", "t": "13:00", "n": 2}')),
    'synced',
    'a function that was replaced')
FROM learnsync_data.failed JOIN custom ON learner_id = 'c' || n WHERE name = 'raises';
DROP FUNCTION team.raises(jsonb, jsonb, timestamptz, timestamptz);
SELECT is(
    pg_temp.verdicts(pg_temp.push('gone', 'c_raises', '{"t": "12:00", "n": 1}', '{"t": "13:00", "n": 2}')),
    'synced error//true',
    'a function that is gone');
CREATE FUNCTION team.raises(jsonb, jsonb, timestamptz, timestamptz) RETURNS text LANGUAGE sql AS 'SELECT ''{}''';
SELECT is(
    pg_temp.verdicts(pg_temp.push('gone', 'c_raises', '{"t": "13:00", "n": 2}')),
    'error//true',
    'one that returns something else');
DROP FUNCTION team.raises(jsonb, jsonb, timestamptz, timestamptz);
CREATE FUNCTION team.raises(jsonb, jsonb, timestamptz, timestamptz) RETURNS SETOF jsonb LANGUAGE sql AS 'SELECT $1';
SELECT is(pg_temp.verdicts(pg_temp.push('gone', 'c_raises', '{"t": "13:00", "n": 2}')), 'error//true', 'or a set');
DROP FUNCTION team.raises(jsonb, jsonb, timestamptz, timestamptz);
CREATE PROCEDURE team.raises(jsonb, jsonb, timestamptz, timestamptz) LANGUAGE sql AS 'SELECT $1';
SELECT is(pg_temp.verdicts(pg_temp.push('gone', 'c_raises', '{"t": "13:00", "n": 2}')), 'error//true', 'a procedure');
DROP PROCEDURE team.raises(jsonb, jsonb, timestamptz, timestamptz);
CREATE FUNCTION team.agg(jsonb, jsonb, jsonb, timestamptz, timestamptz) RETURNS jsonb LANGUAGE sql AS 'SELECT $2';
CREATE AGGREGATE team.raises(jsonb, jsonb, timestamptz, timestamptz) (SFUNC = team.agg, STYPE = jsonb);
SELECT is(pg_temp.verdicts(pg_temp.push('gone', 'c_raises', '{"t": "13:00", "n": 2}')), 'error//true', 'an aggregate');
DROP AGGREGATE team.raises(jsonb, jsonb, timestamptz, timestamptz);
SELECT pg_temp.define('raises', 'SELECT $2', 'LANGUAGE sql');
SELECT is(pg_temp.verdicts(pg_temp.push('gone', 'c_raises', '{"t": "13:00", "n": 2}')), 'synced', 'and back again');

-- The rights are the owner's, whoever calls, who needs none; learnsync's are not lent.
SELECT pg_temp.define('who', 'SELECT jsonb_build_object(''who'', current_user)', 'LANGUAGE sql');
SELECT pg_temp.define('reads',
    'BEGIN RETURN jsonb_build_object(''n'', (SELECT count(*) FROM learnsync_data.resource)); END');
SELECT pg_temp.define('turns', 'BEGIN SET ROLE learnsync_owner; RETURN ''{}''; END');
SELECT pg_temp.define('keeps', 'BEGIN CREATE TEMP TABLE kept (x int); RETURN ''{}''; END');
CREATE FUNCTION pg_temp.pushed(type text, who text DEFAULT 'rights')
    RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.verdicts(pg_temp.push(who || ' ' || type, type, '{"t": "12:00", "n": 1}',
        '{"t": "13:00", "n": 2}')) $$;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA team FROM PUBLIC;
SET LOCAL ROLE backend;
SELECT is(pg_temp.pushed('c_who'), 'synced synced', 'a function that the caller may not call');
SELECT is(pg_temp.document('rights c_who') ->> 'who', 'team', 'runs as its owner');
SELECT is(pg_temp.pushed('c_reads'), 'synced error//true', 'with that one''s rights only');
SELECT is(pg_temp.pushed('c_turns'), 'synced error//true', 'and no way to more');
SELECT is(pg_temp.pushed('c_keeps'), 'synced error//true', 'nor to leave something behind');
SELECT is(current_user, 'backend', 'the caller is who it was');
RESET ROLE;
SELECT is(pg_temp.pushed('c_who', 'super'), 'synced synced', 'a superuser pushes');
SELECT is(pg_temp.document('super c_who') ->> 'who', 'team', 'and it runs as its owner');
SELECT is(pg_temp.pushed('c_reads', 'super'), 'synced error//true', 'with no rights of the superuser''s');
SELECT is(pg_temp.pushed('c_turns', 'super'), 'synced error//true', 'who cannot be turned back into');
REVOKE ALL ON FUNCTION team.who FROM team;
SELECT is(pg_temp.pushed('c_who', 'revoked'), 'synced error//true', 'an owner who may not call it');

-- The name is looked up in its own schema, whatever the path; inside, the path is fixed, and whatever is set there is
-- undone.
CREATE SCHEMA evil;
CREATE FUNCTION evil.who(jsonb, jsonb, timestamptz, timestamptz)
    RETURNS jsonb LANGUAGE sql AS 'SELECT ''{"evil": 1}''::jsonb';
CREATE FUNCTION evil.jsonb_concat(jsonb, jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT ''{"evil": 1}''::jsonb';
SELECT pg_temp.define('sets',
    'BEGIN SET search_path = evil; SET work_mem = ''64kB''; RETURN jsonb_build_object(''path'', 1); END');
SELECT pg_temp.define('path_of',
    'SELECT jsonb_build_object(''path'', current_setting(''search_path''))',
    'LANGUAGE sql');
SET LOCAL search_path = evil, public, pg_catalog;
SELECT public.is(pg_temp.pushed('c_path_of'), 'synced synced', 'under a path of the caller''s');
SELECT public.is(pg_temp.document('rights c_path_of') -> 'evil' IS NULL, true, 'nothing of another schema');
SELECT public.is(
    (SELECT data ->> 'path' FROM learnsync_data.resource WHERE resource_type = 'c_path_of'),
    'pg_catalog, pg_temp',
    'and the path is none of the caller''s');
SELECT public.is(pg_temp.pushed('c_sets'), 'synced synced', 'a function that changes settings');
SELECT public.is(
    current_setting('search_path') || ' ' || current_setting('role') || ' '
        || (current_setting('work_mem') <> '64kB')::text,
    'evil, public, pg_catalog none true',
    'changes none of the session''s');
RESET search_path;

-- What a function writes is undone: it may be asked more than once, and in a dry run.
SELECT pg_temp.define('writes',
    'BEGIN INSERT INTO team.log VALUES (incoming ->> ''n''); RETURN jsonb_build_object(''seen'', (SELECT count(*) '
    'FROM team.log)); END');
SELECT is(pg_temp.pushed('c_writes'), 'synced synced', 'a function that writes');
SELECT is(
    (SELECT data -> 'seen' FROM learnsync_data.resource WHERE resource_type = 'c_writes'),
    '1',
    'sees what it wrote');
SELECT is((SELECT count(*) FROM team.log), 0::bigint, 'but nobody else does');

-- Errors that say nothing of an item end the push, as they do elsewhere.
SELECT pg_temp.define('code',
    'BEGIN RAISE EXCEPTION USING ERRCODE = incoming ->> ''code'', MESSAGE = ''from the team''; END');
SELECT pg_temp.push('code', 'c_code', '{"t": "12:00"}');
SELECT is(
    pg_temp.sqlstate_of(format('SELECT pg_temp.push(''code'', ''c_code'', %L, %L)', '{"t": "13:00", "r": "other"}',
        jsonb_build_object('t', '13:00', 'code', code))),
    code,
    'the push ends with ' || code)
FROM unnest('{40001,40P01,55P03,57014,57P01,53000,53200,54001,58030,XX000}'::text[]) code;
SELECT is(
    pg_temp.sqlstate_of(format('SELECT pg_temp.push(''code'', ''c_code'', %L)',
        jsonb_build_object('t', '13:00', 'code', code))),
    '00000',
    'but not with ' || code)
FROM unnest('{P0001,22012,23505,42501,28000,55000,PT409,0A000}'::text[]) code;
SELECT is(
    (SELECT count(*) FROM learnsync_data.resource WHERE learner_id = 'code'),
    1::bigint,
    'and nothing of it stays');
SELECT pg_temp.define('deep', 'BEGIN RETURN team.deep(stored, incoming, stored_at, incoming_at); END');
SELECT pg_temp.push('deep', 'c_deep', '{"t": "12:00"}');
SELECT is(
    pg_temp.sqlstate_of($$ SELECT pg_temp.push('deep', 'c_deep', '{"t": "13:00"}') $$),
    '54001',
    'a recursion without end');
SELECT pg_temp.define('sleeps', 'BEGIN PERFORM pg_sleep(10); RETURN stored; END');
SELECT pg_temp.push('sleep', 'c_sleeps', '{"t": "12:00"}');
SET LOCAL statement_timeout = '200ms';
SELECT is(
    pg_temp.sqlstate_of($$ SELECT pg_temp.push('sleep', 'c_sleeps', '{"t": "13:00"}') $$),
    '57014',
    'a function that takes too long');
RESET statement_timeout;
-- After all of that, learnsync can be called.
SELECT is(
    pg_temp.verdicts(pg_temp.push('after', 'c_calls_on', '{"t": "12:00"}', '{"t": "13:00"}')),
    'synced synced',
    'the guard against calls from within is off');
SELECT is(
    pg_temp.sqlstate_of($$ SELECT learnsync.sync_pull('after', '{"deviceId": "d"}') $$),
    '00000',
    'after each call');

-- Under a team's trigger that makes the push be written item by item.
CREATE FUNCTION team.refuse()
    RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF NEW.data ? 'bad' THEN RAISE EXCEPTION 'bad'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON learnsync_data.resource FOR EACH ROW EXECUTE FUNCTION team.refuse();
SELECT pg_temp.define('adds',
    'SELECT stored || incoming || jsonb_build_object(''n'', (stored ->> ''n'')::int + (incoming ->> ''n'')::int)',
    'LANGUAGE sql');
SELECT is(
    pg_temp.verdicts(pg_temp.push('redo', 'c_adds', '{"t": "12:00", "n": 1}', '{"t": "13:00", "n": 2}',
        '{"t": "14:00", "n": 4, "bad": 1}', '{"t": "15:00", "n": 8}')),
    'synced synced error//true synced',
    'only the culprit fails');
SELECT is(pg_temp.document('redo'), '{"n": 11, "d": "big"}', 'and each of the others counts once');
DROP TRIGGER refuse ON learnsync_data.resource;

-- A trigger that pushes for somebody else changes nothing for the items that come after: each function runs as its
-- owner.
CREATE ROLE team_of_feeds;
GRANT ALL ON SCHEMA team TO team_of_feeds;
SELECT pg_temp.define(name, 'BEGIN RETURN incoming || jsonb_build_object(''by'', current_user); END')
FROM unnest('{feeds,whose}'::text[]) name;
ALTER FUNCTION team.feeds OWNER TO team_of_feeds;
GRANT USAGE ON SCHEMA team, learnsync TO learnsync_owner;
GRANT EXECUTE ON FUNCTION learnsync.sync_push(text, jsonb) TO learnsync_owner;
CREATE FUNCTION team.feed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.learner_id = 'nested' THEN
        PERFORM learnsync.sync_push('feed', jsonb_build_object('deviceId', 'f',
            'items', jsonb_build_array(jsonb_build_object('id', NEW.resource_id || NEW.version, 'operation', 'update',
                'resourceType', 'c_feeds', 'clientTimestamp', '2026-01-08T10:00:00Z',
                'data', jsonb_build_object('k', 'r', 'n', NEW.version)))));
    END IF;
    IF NEW.data ? 'bad' THEN RAISE EXCEPTION 'bad'; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER feed AFTER INSERT OR UPDATE ON learnsync_data.resource FOR EACH ROW EXECUTE FUNCTION team.feed();
SET LOCAL ROLE backend;
SELECT pg_temp.push('nested', 'c_whose', '{"t": "12:00", "n": 1}');
SELECT is(
    pg_temp.verdicts(pg_temp.push('nested', 'c_whose', '{"t": "13:00", "n": 2}',
        '{"t": "14:00", "n": 4, "r": "s", "bad": 1}',
        '{"t": "15:00", "n": 8}')),
    'synced error//true synced',
    'pushes within a push that is written item by item');
RESET ROLE;
SELECT is(pg_temp.document('nested') ->> 'by', 'team', 'the outer one''s function runs as its owner');
SELECT is(pg_temp.document('feed') ->> 'by', 'team_of_feeds', 'the inner one''s as its own');
DROP TRIGGER feed ON learnsync_data.resource;

-- The document that an item's was made from, for functions that take it.
CREATE FUNCTION team.three(stored jsonb, incoming jsonb, stored_at timestamptz, incoming_at timestamptz, ancestor jsonb)
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT stored || jsonb_build_object('was', ancestor, 'n', incoming -> 'n') $$;
CREATE FUNCTION team.three(stored jsonb, incoming jsonb, stored_at timestamptz, incoming_at timestamptz)
    RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"four": 4}'::jsonb $$;
CREATE FUNCTION team.strict(stored jsonb, incoming jsonb, stored_at timestamptz, incoming_at timestamptz,
    ancestor jsonb)
    RETURNS jsonb LANGUAGE sql STRICT AS $$ SELECT '{"strict": 1}'::jsonb $$;
ALTER FUNCTION team.three(jsonb, jsonb, timestamptz, timestamptz, jsonb) OWNER TO team;
ALTER FUNCTION team.three(jsonb, jsonb, timestamptz, timestamptz) OWNER TO team;
ALTER FUNCTION team.strict(jsonb, jsonb, timestamptz, timestamptz, jsonb) OWNER TO team;
SELECT learnsync.define_resource_type(name, jsonb_build_object('key', '["k"]'::jsonb, 'policy', 'custom',
    'function', 'team.' || name))
FROM unnest('{three,strict}'::text[]) name;
CREATE FUNCTION pg_temp.made_from(learner text, type text, ancestors jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', jsonb_agg(jsonb_strip_nulls(
        jsonb_build_object('id', n::text, 'operation', 'update', 'resourceType', type, 'ancestor', a,
            'clientTimestamp', '2026-01-08T10:00:0' || n || 'Z')) || jsonb_build_object(
        'data', jsonb_build_object('k', 'r', 'n', n)) ORDER BY n)))::jsonb
    FROM unnest(ancestors) WITH ORDINALITY u (a, n) $$;
SELECT is(
    pg_temp.verdicts(pg_temp.made_from('three', 'three', ARRAY[NULL, '{"n": 0, "x": [1]}'::jsonb])),
    'synced synced',
    'an item may say what its document was made from');
SELECT is(
    pg_temp.document('three'),
    '{"n": 2, "was": {"n": 0, "x": [1]}}',
    'the function that takes it gets it as it was sent, before one that does not');
SELECT pg_temp.made_from('none', 'three', ARRAY[NULL, NULL]::jsonb[]);
SELECT is(pg_temp.document('none'), '{"n": 2, "was": null}', 'or NULL where the item does not say');
SELECT is(
    pg_temp.verdicts(pg_temp.made_from('bad', 'three', '{"[1]","5","{}"}'::jsonb[])),
    'invalid/ancestor/false invalid/ancestor/false synced',
    'it is an object');
SELECT is(
    pg_temp.verdicts(pg_temp.made_from('strict', 'strict', ARRAY[NULL, NULL, '{"n": 0}'::jsonb])),
    'synced manual_required synced',
    'a strict function is not called without');
DROP FUNCTION team.three(jsonb, jsonb, timestamptz, timestamptz, jsonb);
SELECT pg_temp.made_from('four', 'three', ARRAY[NULL, '{"n": 0}'::jsonb]);
SELECT is(pg_temp.document('four'), '{"four": 4}', 'one that does not take it goes without');

SELECT * FROM finish();
ROLLBACK;
