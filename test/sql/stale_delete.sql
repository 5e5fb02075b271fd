-- Deletes: tombstones, what comes before them and what comes after.
BEGIN;
SELECT no_plan();

-- A history in short: each step is (operation, hour, n); the verdicts of the steps and what is left.
CREATE FUNCTION pg_temp.item(step jsonb, type text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('id', step ->> -1, 'operation', step ->> 0, 'resourceType', type,
        'resourceId', 'r', 'clientTimestamp', '2026-01-08T' || (step ->> 1) || ':00:00Z',
        'data', CASE step ->> 0 WHEN 'delete' THEN NULL ELSE jsonb_build_object('n', step -> 2) END)) $$;
CREATE FUNCTION pg_temp.run(learner text, type text, steps jsonb, one_push boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
    said text := '';
    named jsonb := (SELECT jsonb_agg(s || to_jsonb(n::text) ORDER BY n)
                    FROM jsonb_array_elements(steps) WITH ORDINALITY AS x (s, n));
    batch jsonb;
BEGIN
    FOR batch IN
    SELECT jsonb_agg(pg_temp.item(s, type) ORDER BY n) FROM jsonb_array_elements(named) WITH ORDINALITY AS x (s, n)
    GROUP BY CASE WHEN one_push THEN 0 ELSE n END ORDER BY min(n) LOOP
        answer := learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', batch))::jsonb;
        said := said || (SELECT string_agg(' ' || CASE r ->> 'status'
                                 WHEN 'failed' THEN answer #>> '{failedItems,0,code}'
                                 WHEN 'conflict' THEN (SELECT c ->> 'resolution'
                                                       FROM jsonb_array_elements(answer -> 'conflicts') c
                                                       WHERE c -> 'id' = r -> 'id')
                                 ELSE 'synced' END,
                             '' ORDER BY n)
                         FROM jsonb_array_elements(answer -> 'results') WITH ORDINALITY AS x (r, n));
    END LOOP;
    RETURN substr(said, 2);
END $$;
CREATE FUNCTION pg_temp.document(learner text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT CASE c ->> 'operation' WHEN 'delete' THEN to_jsonb('deleted'::text) ELSE c #> '{data,n}' END
            FROM jsonb_path_query_first(learnsync.sync_pull(learner, '{"deviceId": "d"}')::jsonb, '$.changes[0]') c);
END $$;

SELECT learnsync.define_resource_type('adds', '{"key": ["k"], "fields": {"n": {"merge": "sum"}}}');
SELECT learnsync.define_resource_type('kept', '{"key": ["k"], "delete": false}');
CREATE TEMP TABLE history (type text, steps jsonb, verdicts text, outcome jsonb, version int);
INSERT INTO history VALUES
    ('adds', '[["update", 10, 1], ["delete", 11]]', 'synced synced', '"deleted"', 3),
    ('adds', '[["update", 10, 1], ["delete", 10]]', 'synced synced', '"deleted"', 3),
    ('adds', '[["delete", 11]]', 'synced', '"deleted"', 2),
    ('adds', '[["delete", 11], ["update", 10, 1]]', 'synced server_wins', '"deleted"', 2),
    ('adds', '[["delete", 11], ["update", 11, 1]]', 'synced server_wins', '"deleted"', 2),
    ('adds', '[["delete", 11], ["update", 12, 1]]', 'synced synced', '1', 3),
    ('adds', '[["update", 10, 1], ["delete", 11], ["update", 12, 2]]', 'synced synced synced', '2', 4),
    ('adds', '[["update", 10, 1], ["update", 12, 2], ["delete", 11]]', 'synced synced manual_required', '3', 3),
    ('adds', '[["update", 12, 2], ["delete", 11], ["update", 10, 1]]', 'synced manual_required server_wins', '3', 3),
    ('adds', '[["delete", 11], ["update", 13, 2], ["update", 10, 1], ["update", 12, 4]]',
        'synced synced server_wins server_wins', '6', 4),
    ('adds', '[["delete", 11], ["update", 12, 2], ["delete", 13], ["update", 12, 4], ["update", 14, 8]]',
        'synced synced synced server_wins synced', '8', 5),
    ('adds', '[["delete", 11], ["delete", 11], ["delete", 10]]', 'synced server_wins server_wins', '"deleted"', 2),
    ('adds', '[["delete", 11], ["delete", 12], ["update", 12, 1]]', 'synced synced server_wins', '"deleted"', 3),
    ('mastery', '[["create", 10, 1], ["delete", 11], ["create", 10, 2], ["create", 12, 3]]',
        'synced synced server_wins synced', '3', 4),
    ('mastery', '[["create", 12, 1], ["delete", 11]]', 'synced manual_required', '1', 2),
    ('conversation', '[["create", 10, 1], ["delete", 11], ["update", 10, 2], ["update", 12, 3]]',
        'synced synced server_wins synced', '3', 4),
    ('kept', '[["create", 10, 1], ["delete", 11]]', 'synced not_allowed', '1', 2),
    ('quiz_attempt', '[["delete", 11]]', 'not_allowed', NULL, 1),
    ('xapi_statement', '[["delete", 11]]', 'not_allowed', NULL, 1);
ALTER TABLE history ADD COLUMN n int GENERATED ALWAYS AS IDENTITY;
SELECT is(pg_temp.run('h' || n, type, steps, false), verdicts, concat_ws(' ', type, steps)) FROM history;
SELECT is(pg_temp.document('h' || n), outcome, 'leaves ' || steps::text) FROM history;
SELECT is(
    (SELECT version FROM learnsync_data.learner WHERE learner_id = 'h' || n),
    version::bigint,
    'versions of ' || steps::text)
FROM history;
SELECT is(pg_temp.run('one' || n, type, steps, true), verdicts, concat_ws(' ', 'in one push:', type, steps))
FROM history;
SELECT is(pg_temp.document('one' || n), outcome, 'in one push leaves ' || steps::text) FROM history;
SELECT is(
    (SELECT version FROM learnsync_data.learner WHERE learner_id = 'one' || n),
    LEAST(version, 2)::bigint,
    'one version for one push of ' || steps::text)
FROM history;

-- Of the conflicts, only the delete that came too late is open; the losers of a delete are closed, with nothing on the
-- server.
SELECT is(
    (SELECT count(*) FROM learnsync_data.conflict
     WHERE (closed_at IS NULL) <> (resolution = 'manual_required')
         OR (resolution = 'manual_required' AND operation <> 'delete')),
    0::bigint,
    'a stale delete is open, all else is closed');
SELECT pg_temp.run('null', 'adds', '[["delete", 11]]', false);
SELECT is(
    learnsync.sync_push('null', jsonb_build_object('deviceId', 'd',
        'items', jsonb_build_array(pg_temp.item('["update", 10, 1, "late"]',
            'adds'))))::jsonb #> '{conflicts,0}' || '{"conflictId": 0}',
    '{"id": "late", "conflictId": 0, "clientData": {"n": 1}, "serverData": null, "serverVersion": 2,
        "resolution": "server_wins"}',
    'serverData of what is deleted is null');
SELECT is(
    learnsync.sync_push('stale', jsonb_build_object('deviceId', 'd',
        'items', jsonb_build_array(pg_temp.item('["update", 12, 1, "u"]', 'adds'),
            pg_temp.item('["delete", 11, null, "d"]', 'adds'))))::jsonb #> '{conflicts,0}' || '{"conflictId": 0}',
    '{"id": "d", "conflictId": 0, "clientData": {}, "serverData": {"k": "r", "n": 1}, "serverVersion": 2,
        "resolution": "manual_required"}',
    'a stale delete leaves the document');

-- The tombstone: no data, its instant, its version; later creations are creations again.
SELECT is(
    (SELECT (data IS NULL, book IS NULL, at = deleted_at, version, created_version)::text FROM learnsync_data.resource
     WHERE learner_id = 'h1'),
    '(t,t,t,3,2)',
    'a tombstone');
SELECT is(
    (SELECT (version, created_version)::text FROM learnsync_data.resource WHERE learner_id = 'h7'),
    '(4,4)',
    'what comes after it is created anew');
SELECT is(
    jsonb_path_query_array(
        learnsync.sync_pull('h7', '{"deviceId": "x", "lastSyncVersion": 3}')::jsonb,
        '$.changes[*].operation'),
    '["create"]',
    'for a device that knew the tombstone');
SELECT is(
    jsonb_path_query_array(
        learnsync.sync_pull('h1', '{"deviceId": "x", "lastSyncVersion": 2}')::jsonb,
        '$.changes[*].operation'),
    '["delete"]',
    'the delete reaches a device that knew the document');

-- A delete needs no data; where it has some, the key in it counts.
SELECT is(
    learnsync.sync_push('key' || more::text, jsonb_build_object('deviceId', 'd',
        'items', jsonb_build_array('{"id": "1", "operation": "delete", "resourceType": "mastery",
            "clientTimestamp": "2026-01-08T10:00:00Z"}'::jsonb || more))) #>> '{results,0,status}',
    status,
    'delete with ' || more::text)
FROM (VALUES
    ('{"resourceId": "m"}'::jsonb, 'synced'),
    ('{"data": {"competencyId": "m2"}}', 'synced'),
    ('{"data": null, "resourceId": "m3"}', 'synced'),
    ('{"data": {}, "resourceId": "m4"}', 'synced'),
    ('{"data": {"competencyId": "m5"}, "resourceId": "m6"}', 'failed'),
    ('{}', 'failed'),
    ('{"data": "x", "resourceId": "m"}', 'failed')) v (more, status);

-- A person brings back what was deleted, and deletes it again: members of its list go, as they do in any delete.
SELECT learnsync.define_resource_type('listed', '{"key": ["k"], "stale": "discard", "fields": {
    "l": {"merge": "union", "id": "id"}, "n": {"merge": "max"}}}');
CREATE FUNCTION pg_temp.say(id text, hour text, more jsonb) RETURNS void LANGUAGE sql AS $$
    SELECT learnsync.sync_push('again', jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(
        jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'listed', 'resourceId', 'r',
            'clientTimestamp', '2026-01-08T' || hour || ':00:00Z') || more)))::jsonb $$;
CREATE FUNCTION pg_temp.use_client(item text) RETURNS text LANGUAGE sql AS $$
    SELECT learnsync.sync_resolve('again', jsonb_build_object('conflictId', conflict_id, 'force', true,
        'resolution', 'use_client')) ->> 'message'
    FROM learnsync_data.conflict WHERE learner_id = 'again' AND item_id = item $$;
SELECT pg_temp.say('1', '12', '{"data": {"n": 1}}'), pg_temp.say('2', '10', '{"data": {"l": [{"id": "a"}]}}'),
    pg_temp.say('3', '09', '{"operation": "delete"}'), pg_temp.say('4', '11', '{"data": {"l": [{"id": "a"}]}}'),
    pg_temp.say('5', '13', '{"operation": "delete"}'), pg_temp.use_client('2'), pg_temp.use_client('3');
SELECT is((SELECT count(*) FROM learnsync_data.member WHERE learner_id = 'again'), 0::bigint,
    'a person who deletes what a person brought back takes the members of its list along');
SELECT is(pg_temp.use_client('4'), 'Conflict resolved successfully', 'so that they can come back');

SELECT * FROM finish();
ROLLBACK;
