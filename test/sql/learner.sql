-- Who is asking, and what each kind of role may do.
BEGIN;
SELECT no_plan();

CREATE ROLE test_learner;
CREATE ROLE test_service;
CREATE ROLE test_admin;
CREATE ROLE test_nobody;
SELECT learnsync.grant_access('test_' || kind, kind) FROM unnest('{learner,service,admin}'::text[]) kind;
SELECT learnsync.grant_access('test_' || kind, kind) FROM unnest('{learner,service,admin}'::text[]) kind;

-- What a statement gives a role whose claims and setting are these: its first value, or the SQLSTATE.
CREATE FUNCTION pg_temp.ask(statement text, claims text DEFAULT NULL, setting text DEFAULT NULL,
    role text DEFAULT 'test_learner', claim text DEFAULT 'sub')
    RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM set_config('learnsync.jwt_claim', claim, true);
    PERFORM set_config('request.jwt.claims', claims, true), set_config('learnsync.learner_id', setting, true);
    EXECUTE format('SET LOCAL ROLE %I', role);
    EXECUTE statement INTO result;
    RESET ROLE;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;

SELECT learnsync.sync_push(l, jsonb_build_object('deviceId', left('device of ' || l, 20), 'items', '[]'::jsonb))::jsonb
FROM unnest(ARRAY['ann', 'bob', repeat('é', 200), 'a"b', '42']) l;

-- The learner that claims and setting name, NULL for none: then every function of learnsync_api answers 28000.
CREATE TEMP TABLE who (claims text, setting text, learner text, claim text DEFAULT 'sub');
INSERT INTO who VALUES
    (NULL, NULL, NULL),
    ('', '', NULL),
    (NULL, 'ann', 'ann'),
    ('', 'ann', 'ann'),
    (NULL, repeat('é', 200), repeat('é', 200)),
    (NULL, repeat('é', 201), NULL),
    ('{"sub": "ann"}', NULL, 'ann'),
    ('{"sub": "ann"}', 'bob', 'ann'),
    (' { "sub" : "ann" , "role" : "x" } ', NULL, 'ann'),
    ('{"role": "x", "aud": ["sub", {"sub": "bob"}], "sub": "ann"}', NULL, 'ann'),
    ('{"sub": "a\"b"}', NULL, 'a"b'),
    ('{"sub": "\u0061nn"}', NULL, 'ann'),
    ('{"\u0073ub": "ann"}', NULL, 'ann'),
    ('{"sub": "bob", "sub": "ann"}', NULL, 'ann'),
    ('{"a": {"sub": "bob"}, "sub": "ann", "b": {"sub": "bob"}}', NULL, 'ann'),
    -- Where claims are set they alone decide.
    ('{}', 'bob', NULL),
    ('{"role": "x"}', 'bob', NULL),
    ('{"sub": ""}', 'bob', NULL),
    ('{"sub": null}', 'bob', NULL),
    ('{"sub": 42}', 'bob', NULL),
    ('{"sub": true}', 'bob', NULL),
    ('{"sub": ["ann"]}', 'bob', NULL),
    ('{"sub": {"sub": "ann"}}', 'bob', NULL),
    ('{"Sub": "ann"}', 'bob', NULL),
    ('{"a": {"sub": "ann"}}', 'bob', NULL),
    ('[{"sub": "ann"}]', 'bob', NULL),
    ('["sub", "ann"]', 'bob', NULL),
    ('"sub"', 'bob', NULL),
    ('null', 'bob', NULL),
    (' ', 'bob', NULL),
    ('{', 'bob', NULL),
    ('{"sub": "ann"', 'bob', NULL),
    ('{"sub": "ann"} x', 'bob', NULL),
    ('sub=ann', 'bob', NULL),
    ('{"sub": "a\u0000"}', 'bob', NULL),
    ('{"sub": "ann", "sub": 42}', 'bob', NULL),
    (jsonb_build_object('sub', repeat('é', 200))::text, 'bob', repeat('é', 200)),
    (jsonb_build_object('sub', repeat('é', 201))::text, 'bob', NULL),
    (repeat('[', 100000), 'bob', NULL);
-- Another claim.
INSERT INTO who VALUES
    ('{"email": "ann", "sub": "bob"}', NULL, 'ann', 'email'),
    ('{"sub": "bob"}', 'bob', NULL, 'email'),
    ('{"https://x/learner": "ann"}', NULL, 'ann', 'https://x/learner');
SELECT is(
    pg_temp.ask('SELECT learnsync_api.sync_devices() #>> ''{devices,0,userId}''', claims, setting, claim => claim),
    COALESCE(learner, '28000'),
    left(concat_ws(' ', 'claims', claims, 'setting', setting, claim), 120))
FROM who WHERE COALESCE(length(claims), 0) < 100000;
SELECT is(
    pg_temp.ask(call, claims, setting, claim => claim),
    '28000',
    call || ': ' || left(COALESCE(claims, 'none'), 40))
FROM who,
    (VALUES
        ('SELECT learnsync_api.sync_push(''{"deviceId": "d", "items": []}'')'),
        ('SELECT learnsync_api.sync_pull(''{"deviceId": "d"}'')::jsonb'),
        ('SELECT learnsync_api.sync_status()')) c (call)
    WHERE learner IS NULL AND COALESCE(length(claims), 0) < 100000;
SELECT is(
    pg_temp.ask('SELECT COALESCE(learnsync.current_learner(), ''none'')', claims, setting, 'test_service', claim),
    COALESCE(learner, 'none'),
    'current_learner: ' || left(COALESCE(claims, 'none'), 40))
FROM who WHERE COALESCE(length(claims), 0) < 100000;
SELECT ok(
    pg_temp.ask('SELECT learnsync_api.sync_devices()', repeat('[', 100000), 'bob') IN ('28000', '54001'),
    'claims that are deeper than the stack are no crash');

-- One learner cannot see or touch another's.
SELECT is(
    pg_temp.ask(
        'SELECT learnsync_api.sync_push(''{"deviceId": "d", "items": [{"id": "i", "operation": "update", '
        '"resourceType": "mastery", "resourceId": "m", "data": {"of": "ann"}, "clientTimestamp": '
        '"2026-01-08T10:00:00Z"}]}'') #>> ''{results,0,status}''',
        '{"sub": "ann"}'),
    'synced',
    'ann pushes');
SELECT is(
    pg_temp.ask(
        'SELECT json_array_length(learnsync_api.sync_pull(''{"deviceId": "d"}'') -> ''changes'')',
        '{"sub": "ann"}'),
    '1',
    'ann sees it');
SELECT is(
    pg_temp.ask(
        'SELECT json_array_length(learnsync_api.sync_pull(''{"deviceId": "d"}'') -> ''changes'')',
        '{"sub": "bob"}'),
    '0',
    'bob does not');
SELECT is(
    pg_temp.ask(
        'SELECT learnsync_api.sync_push(''{"deviceId": "d", "items": [{"id": "i", "operation": "update", '
        '"resourceType": "mastery", "resourceId": "m", "data": {"of": "bob"}, "clientTimestamp": '
        '"2026-01-08T09:00:00Z"}]}'') #>> ''{results,0,version}''',
        '{"sub": "bob"}'),
    '2',
    'bob''s own has the same ids');
SELECT is(
    pg_temp.ask(
        'SELECT string_agg(d ->> ''deviceId'', '','' ORDER BY d ->> ''deviceId'') FROM '
        'jsonb_array_elements(learnsync_api.sync_status() -> ''devices'') d',
        '{"sub": "bob"}'),
    'd,device of bob',
    'nor ann''s devices');
SELECT is(
    pg_temp.ask('SELECT learnsync_api.sync_status(''device of ann'') ->> ''devices''', '{"sub": "bob"}'),
    '[]',
    'not by name either');
SELECT is(
    pg_temp.ask(
        'SELECT learnsync.sync_pull(''ann'', ''{"deviceId": "d"}'') #>> ''{changes,0,data,of}''',
        '{"sub": "bob"}',
        NULL,
        'test_service'),
    'ann',
    'a service acts for the learner it names, whatever the claims say');

-- Who may call what: learner, service, admin, nobody.
CREATE TEMP TABLE right_to (call text, learner boolean, service boolean, admin boolean);
INSERT INTO right_to VALUES
    ('learnsync_api.sync_push(''{"deviceId": "d", "items": []}'')', true, false, false),
    ('learnsync_api.sync_pull(''{"deviceId": "d"}'')', true, false, false),
    ('learnsync_api.sync_status()', true, false, false),
    ('learnsync_api.sync_devices()', true, false, false),
    ('(SELECT count(*) FROM learnsync_api.xapi_export()) x', true, false, false),
    ('(SELECT count(*) FROM learnsync.xapi_export(''ann'')) x', false, true, true),
    ('learnsync.sync_push(''ann'', ''{"deviceId": "d", "items": []}'')', false, true, true),
    ('learnsync.sync_pull(''ann'', ''{"deviceId": "d"}'')', false, true, true),
    ('learnsync.sync_status(''ann'')', false, true, true),
    ('learnsync.sync_devices(''ann'')', false, true, true),
    ('COALESCE(learnsync.current_learner(), '''')', false, true, true),
    ('learnsync.digest(''1'')', false, false, true),
    ('learnsync.define_resource_type(''t'', ''{}'')', false, false, true),
    ('learnsync.drop_resource_type(''t'')', false, false, true),
    ('learnsync.setup()', false, false, false),
    ('learnsync.grant_access(''test_nobody'', ''learner'')', false, false, false),
    ('learnsync.builtin_resource_types()', false, false, true),
    ('pg_typeof(''{}''::jsonb::learnsync.merge_rule)', false, true, true),
    ('learnsync.document(''{}''::jsonb::learnsync.merge_rule, ''{}'')', false, true, true),
    ('learnsync.merge_strategies()', false, false, true),
    ('learnsync.reset_resource_type(''mastery'')', false, false, true);
SELECT is(
    pg_temp.ask('SELECT 1 FROM ' || call, '{"sub": "ann"}', NULL, 'test_' || role),
    CASE WHEN allowed THEN '1' ELSE '42501' END,
    role || ' and ' || call)
FROM right_to,
    LATERAL (VALUES ('learner', learner), ('service', service), ('admin', admin), ('nobody', false)) v (role, allowed)
ORDER BY role = 'admin' DESC, call LIKE '%drop%';

-- The tables are nobody's but their owner's, and the limits nobody's to lift.
SELECT is(pg_temp.ask(statement, '{"sub": "ann"}', NULL, 'test_' || role), '42501', role || ': ' || statement)
FROM unnest('{learner,service,admin,nobody}'::text[]) role,
    (VALUES
        ('SELECT 1 FROM learnsync_data.resource'),
        ('SELECT 1 FROM learnsync_data.instance'),
        ('INSERT INTO learnsync_data.learner (learner_id) VALUES (''x'') RETURNING 1'),
        ('UPDATE learnsync_data.device SET is_active = true RETURNING 1'),
        ('DELETE FROM learnsync_data.ledger RETURNING 1'),
        ('SET learnsync.max_item_bytes = 100000'),
        ('SET learnsync.jwt_claim = ''x''')) v (statement);

-- Row security: somebody who was given the tables to read sees one learner's rows, and that in every table.
GRANT USAGE ON SCHEMA learnsync_data, learnsync TO test_nobody;
GRANT SELECT ON ALL TABLES IN SCHEMA learnsync_data TO test_nobody;
GRANT EXECUTE ON FUNCTION learnsync.current_learner(), learnsync.current_learners() TO test_nobody;
SELECT learnsync.sync_push('ann', '{"deviceId": "e", "items": [
    {"id": "late", "operation": "update", "resourceType": "mastery", "resourceId": "m", "data": {"of": "ann"},
        "clientTimestamp": "2026-01-07T10:00:00Z"},
    {"id": "bad"}]}');
SELECT learnsync.sync_push('bob', '{"deviceId": "e", "items": [
    {"id": "late", "operation": "update", "resourceType": "mastery", "resourceId": "m", "data": {"of": "bob"},
        "clientTimestamp": "2026-01-07T10:00:00Z"},
    {"id": "bad"}]}');
SELECT is(
    pg_temp.ask(
        format('SELECT string_agg(DISTINCT learner_id, '','') FROM learnsync_data.%I', t),
        '{"sub": "ann"}',
        'bob',
        'test_nobody'),
    'ann',
    'row security of ' || t)
FROM unnest('{learner,device,resource,ledger,push,conflict,failed}'::text[]) t;
SELECT is(
    pg_temp.ask(format('SELECT count(*) FROM learnsync_data.%I', t), '{"sub": 1}', 'bob', 'test_nobody'),
    '0',
    'nobody signed in: ' || t)
FROM unnest('{learner,device,resource,ledger,push,conflict,failed}'::text[]) t;
SELECT is(
    pg_temp.ask(format('SELECT count(*) FROM learnsync_data.push_%s', n), '{"sub": "ann"}', NULL, 'test_nobody'),
    '0',
    'a slot of the payloads by its own name: push_' || n)
FROM generate_series(0, 7) n;

-- An error gives the caller's rights back, and so does an answer.
SELECT is(
    pg_temp.ask(
        'SELECT learnsync.sync_push(''ann'', ''{"deviceId": "d", "items": []}'')::text || current_user',
        NULL,
        NULL,
        'test_service') LIKE '%test_service',
    true,
    'the caller is the caller again');
UPDATE learnsync_data.device SET is_active = false WHERE learner_id = 'ann' AND device_id = 'e';
CREATE FUNCTION pg_temp.after_error() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL ROLE test_service;
    BEGIN
        PERFORM learnsync.sync_push('ann', '{"deviceId": "e", "items": []}');
    EXCEPTION WHEN SQLSTATE 'PT403' THEN
        RETURN current_user || ' ' || has_schema_privilege('learnsync_data', 'USAGE');
    END;
END $$;
SELECT is(pg_temp.after_error(), 'test_service false', 'after an error too');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
