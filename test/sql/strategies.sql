-- Merge rules: each strategy and policy, in both orders of arrival.
BEGIN;
SELECT no_plan();

-- Items in short: {"t": time of day, "d": data}, all for resource r.
CREATE FUNCTION pg_temp.push(learner text, type text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd',
        'items', (SELECT jsonb_agg(jsonb_build_object('id', md5(i::text), 'operation', 'update', 'resourceType', type,
                      'resourceId', 'r', 'clientTimestamp', '2026-01-08T' || (i ->> 't') || 'Z', 'data', i -> 'd')
                  ORDER BY n)
                  FROM unnest(items) WITH ORDINALITY AS x (i, n))))::jsonb $$;
CREATE FUNCTION pg_temp.document(learner text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN jsonb_path_query_first(learnsync.sync_pull(learner, '{"deviceId": "d"}')::jsonb, '$.changes[0].data') - 'k';
END $$;
-- The verdict on the last item: synced, the resolution of a conflict, or the code of a failure.
CREATE FUNCTION pg_temp.last(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT CASE answer #>> '{results,-1,status}'
        WHEN 'conflict' THEN answer #>> '{conflicts,-1,resolution}'
        WHEN 'failed' THEN answer #>> '{failedItems,-1,code}'
        ELSE 'synced' END $$;

-- Strategies: the rule of field f, two items (time, value) and the outcome, which is that of both orders.
CREATE TEMP TABLE strategy (n int GENERATED ALWAYS AS IDENTITY, rule jsonb, ta text, a jsonb, tb text, b jsonb,
    outcome jsonb);
INSERT INTO strategy (rule, ta, a, tb, b, outcome) VALUES
    ('{}',                                   '10:00:00', '1',        '11:00:00', '2',         '2'),
    ('{"merge": "latest"}',                  '10:00:00', '9',        '11:00:00', '"x"',       '"x"'),
    ('{"merge": "latest"}',                  '10:00:00', '9',        '11:00:00', 'null',      'null'),
    ('{"merge": "latest"}',                  '10:00:00', '1',        '10:00:00', '2',         '2'),
    ('{"merge": "latest"}',                  '10:00:00', '[9, 9]',   '10:00:00', '{"a": 1}',  '{"a": 1}'),
    ('{"merge": "latest"}',                  '10:00:00', '"B"',      '10:00:00', '"a"',       '"a"'),
    ('{"merge": "latest"}',                  '10:00:00', '"z"',      '10:00:00', '"é"',       '"é"'),
    ('{"merge": "latest"}',                  '10:00:00.000001', '1', '10:00:00.000002', '0',  '0'),
    ('{"merge": "latest"}',                  '10:00:00.0000011', '1', '10:00:00.0000019', '0', '1'),
    ('{"merge": "first"}',                   '10:00:00', '2',        '11:00:00', '1',         '2'),
    ('{"merge": "first"}',                   '10:00:00', '2',        '10:00:00', '1',         '1'),
    ('{"merge": "first"}',                   '10:00:00', 'null',     '11:00:00', '1',         '1'),
    ('{"merge": "first"}',                   '10:00:00', '{"a": []}', '11:00:00', '1',        '{"a": []}'),
    ('{"merge": "max"}',                     '10:00:00', '7',        '11:00:00', '3',         '7'),
    ('{"merge": "max"}',                     '10:00:00', '-7',       '11:00:00', '-3.5',      '-3.5'),
    ('{"merge": "max"}',                     '10:00:00', '"a"',      '11:00:00', '"B"',       '"a"'),
    ('{"merge": "max"}',                     '10:00:00', '7',        '11:00:00', '"9"',       '7'),
    ('{"merge": "max"}',                     '10:00:00', '7',        '11:00:00', 'null',      '7'),
    ('{"merge": "max"}',                     '10:00:00', '1e300',    '11:00:00', '2e299',     '1e300'),
    ('{"merge": "min"}',                     '10:00:00', '7',        '11:00:00', '3',         '3'),
    ('{"merge": "min"}',                     '10:00:00', '"Z"',      '11:00:00', '"a"',       '"Z"'),
    ('{"merge": "min"}',                     '10:00:00', 'null',     '11:00:00', '-1',        '-1'),
    ('{"merge": "sum"}',                     '10:00:00', '7',        '11:00:00', '3',         '10'),
    ('{"merge": "sum"}',                     '10:00:00', '0.1',      '11:00:00', '0.2',       '0.3'),
    ('{"merge": "sum"}',                     '10:00:00', '7',        '11:00:00', '-7',        '0'),
    ('{"merge": "sum"}',                     '10:00:00', '7',        '11:00:00', 'null',      '7'),
    ('{"merge": "sum"}',                     '10:00:00', '9223372036854775806', '11:00:00', '1', '9223372036854775807'),
    ('{"merge": "sum"}',                     '10:00:00', '-9223372036854775807', '11:00:00', '-1',
        '-9223372036854775808'),
    ('{"merge": "counter"}',                 '10:00:00', '-9223372036854775808', '11:00:00', '-9223372036854775808',
        '-9223372036854775808'),
    ('{"merge": "rank", "values": ["low", "mid", "high"]}', '10:00:00', '"mid"', '11:00:00', '"low"', '"mid"'),
    ('{"merge": "rank", "values": ["low", "mid", "high"]}', '10:00:00', '"mid"', '11:00:00', '"high"', '"high"'),
    ('{"merge": "rank", "values": [3, 1, true]}', '10:00:00', '3',   '11:00:00', '1.0',       '1'),
    ('{"merge": "rank", "values": ["a"]}',   '10:00:00', 'null',     '11:00:00', '"a"',       '"a"'),
    ('{"merge": "counter"}',                 '10:00:00', '7',        '11:00:00', '5',         '7'),
    ('{"merge": "counter"}',                 '10:00:00', '-7',       '11:00:00', '-7.5',      '-7'),
    ('{"merge": "counter"}',                 '10:00:00', '7',        '10:00:00', 'null',      '7'),
    ('{"merge": "counter"}',                 '10:00:00', '9223372036854775807', '11:00:00', '1', '9223372036854775807'),
    ('{"merge": "any"}',                     '10:00:00', 'true',     '11:00:00', 'false',     'true'),
    ('{"merge": "any"}',                     '10:00:00', 'false',    '11:00:00', 'null',      'false'),
    ('{"merge": "all"}',                     '10:00:00', 'true',     '11:00:00', 'false',     'false'),
    ('{"merge": "all"}',                     '10:00:00', 'null',     '11:00:00', 'true',      'true'),
    ('{"merge": "map_latest"}',              '10:00:00', '{"a": 1, "b": 1}', '11:00:00', '{"b": 2, "c": 2}',
        '{"a": 1, "b": 2, "c": 2}'),
    ('{"merge": "map_latest"}',              '10:00:00', '{"a": 1, "b": 1}', '11:00:00', '{"a": null, "c": null}',
        '{"b": 1}'),
    ('{"merge": "map_latest"}',              '10:00:00', '{"a": null}', '11:00:00', '{"a": 0}', '{"a": 0}'),
    ('{"merge": "map_latest"}',              '10:00:00', '{"a": 1}', '10:00:00', '{"a": null, "": 1}',
        '{"": 1, "a": 1}'),
    ('{"merge": "map_latest"}',              '10:00:00', '{"a": 1}', '10:00:00.000001', '{"a": null}', '{}'),
    ('{"merge": "map_latest"}',              '10:00:00', '{"a": {"x": 1}}', '11:00:00', '{"a": {"y": 2}}',
        '{"a": {"y": 2}}'),
    ('{"merge": "map_latest"}',              '10:00:00', '{"a": 1}', '11:00:00', 'null',      '{"a": 1}'),
    ('{"merge": "map_latest"}',              '10:00:00', '{}',       '11:00:00', '{"_learnsync": {"at": 1}}',
        '{"_learnsync": {"at": 1}}'),
    ('{"merge": "first"}',                   '10:00:00.000001', '2', '10:00:00', '1',         '1'),
    ('{"merge": "first"}',                   '10:00:00', '"b"',      '10:00:00', '"B"',       '"B"'),
    ('{"merge": "rank", "values": ["low", null, "high"]}', '10:00:00', '"high"', '11:00:00', 'null', '"high"'),
    ('{"merge": "rank", "values": [[1], {"a": 1}]}', '10:00:00', '{"a": 1.0}', '11:00:00', '[1]', '{"a": 1.0}'),
    ('{"merge": "union"}',                   '10:00:00', '["b"]',    '11:00:00', '["a", "b"]', '["b", "a"]'),
    ('{"merge": "union"}',                   '10:00:00', '[1]',      '11:00:00', '["1", 1.0]', '[1, "1"]'),
    ('{"merge": "union"}',                   '10:00:00', '[]',       '11:00:00', '[null]',    '[null]'),
    ('{"merge": "union"}',                   '10:00:00', '[{"x": 1}]', '11:00:00', '[{"x": 2}, {"x": 1.0}]',
        '[{"x": 1}, {"x": 2}]'),
    ('{"merge": "union", "id": "id"}',       '10:00:00', '[{"id": "b"}, {"id": "a", "t": 1}]', '11:00:00',
        '[{"id": "a", "t": 0}, {"id": "A"}]', '[{"id": "a", "t": 1}, {"id": "b"}, {"id": "A"}]'),
    ('{"merge": "union", "id": "id"}',       '10:00:00', '[{"id": "a", "t": 2}]', '10:00:00', '[{"id": "a", "t": 1}]',
        '[{"id": "a", "t": 1}]'),
    ('{"merge": "union", "id": "id"}',       '10:00:00', '[{"id": 1}]', '11:00:00', '[{"id": "1"}]', '[{"id": 1}]'),
    ('{"merge": "union", "id": "id"}',       '10:00:00', '[{"t": 1}]', '11:00:00', '[{"t": 1}, {"t": 1}]',
        '[{"t": 1}]'),
    ('{"merge": "union", "id": ["id", "_id"]}', '10:00:00', '[{"_id": "a"}]', '11:00:00', '[{"id": "a", "_id": "b"}]',
        '[{"_id": "a"}]'),
    ('{"merge": "union", "id": "id", "members": "latest"}', '10:00:00', '[{"id": "b"}, {"id": "a", "t": 1}]',
        '11:00:00', '[{"id": "a", "t": 0}, {"id": "A"}]', '[{"id": "b"}, {"id": "A"}, {"id": "a", "t": 0}]'),
    ('{"merge": "union", "id": "id", "members": "latest"}', '10:00:00', '[{"id": "a", "t": 2}]',
        '10:00:00', '[{"id": "a", "t": 1}]', '[{"id": "a", "t": 2}]'),
    ('{"merge": "union", "id": "id", "members": "latest"}', '10:00:00', '[{"id": "a"}]',
        '11:00:00', '[{"id": "a", "deleted": true}]', '[]'),
    ('{"merge": "union", "id": "id", "members": "latest"}', '10:00:00', '[{"id": "a", "deleted": "true"}]',
        '11:00:00', '[]', '[{"id": "a", "deleted": "true"}]'),
    ('{"merge": "union", "id": "id", "members": "first"}', '10:00:00', '[{"id": "a", "deleted": true}]',
        '11:00:00', '[]', '[{"id": "a", "deleted": true}]'),
    ('{"merge": "first_time"}',              '10:00:00', '"sent"',   '11:00:00', 'null',
        '"2026-01-08T10:00:00.000Z"'),
    ('{"merge": "last_time"}',               '10:00:00', '1',        '11:00:00.1239', '{}',
        '"2026-01-08T11:00:00.123Z"'),
    ('{"derive": "n", "steps": [{"value": "none"}, {"value": "all", "from": 100}]}', '10:00:00', '"sent"', '11:00:00',
        '100', '"none"');

SELECT learnsync.define_resource_type('s' || n, jsonb_build_object('key', '["k"]'::jsonb, 'stale', 'ignore',
    'fields', jsonb_build_object('f', rule)))
FROM strategy;
CREATE TEMP VIEW items AS
SELECT n, jsonb_build_object('t', ta, 'd', jsonb_build_object('f', a), 'i', 'a') AS a,
    jsonb_build_object('t', tb, 'd', jsonb_build_object('f', b), 'i', 'b') AS b
FROM strategy;
SELECT pg_temp.push('ab' || n, 's' || n, a), pg_temp.push('ba' || n, 's' || n, b),
    pg_temp.push('ab in one' || n, 's' || n, a, b), pg_temp.push('ba in one' || n, 's' || n, b, a)
FROM items;
SELECT pg_temp.push('ab' || n, 's' || n, b), pg_temp.push('ba' || n, 's' || n, a) FROM items;
SELECT is(pg_temp.document(way || n) -> 'f', outcome, concat_ws(' ', rule, a, b, way))
FROM strategy, unnest('{ab,ba,ab in one,ba in one}'::text[]) way ORDER BY n, way;
SELECT is((SELECT count(*) FROM learnsync_data.failed), 0::bigint, 'none of these failed');
SELECT is(
    (SELECT string_agg(concat_ws(' ', way, rule ->> 'members', a, b), E'\n' ORDER BY n, way)
     FROM learnsync_data.conflict JOIN strategy ON resource_type = 's' || n, substring(learner_id, '^[^0-9]+') way
     WHERE closed_at IS NOT NULL AND resolution = 'server_wins'),
    'ab [{"id": "b"}, {"t": 1, "id": "a"}] [{"t": 0, "id": "a"}, {"id": "A"}]
ab in one [{"id": "b"}, {"t": 1, "id": "a"}] [{"t": 0, "id": "a"}, {"id": "A"}]
ba [{"t": 2, "id": "a"}] [{"t": 1, "id": "a"}]
ba in one [{"t": 2, "id": "a"}] [{"t": 1, "id": "a"}]
ab [{"id": 1}] [{"id": "1"}]
ab in one [{"id": 1}] [{"id": "1"}]
ab [{"_id": "a"}] [{"id": "a", "_id": "b"}]
ab in one [{"_id": "a"}] [{"id": "a", "_id": "b"}]
ba latest [{"id": "b"}, {"t": 1, "id": "a"}] [{"t": 0, "id": "a"}, {"id": "A"}]
ba in one latest [{"id": "b"}, {"t": 1, "id": "a"}] [{"t": 0, "id": "a"}, {"id": "A"}]
ab latest [{"t": 2, "id": "a"}] [{"t": 1, "id": "a"}]
ab in one latest [{"t": 2, "id": "a"}] [{"t": 1, "id": "a"}]
ba latest [{"id": "a"}] [{"id": "a", "deleted": true}]
ba in one latest [{"id": "a"}] [{"id": "a", "deleted": true}]',
    'closed conflicts are those items of which a list has a member with other content');
SELECT is((SELECT count(*) FROM learnsync_data.conflict), 14::bigint, 'and nothing else is one');
-- An absent field says nothing, in each strategy that reads a value.
SELECT pg_temp.push('ab' || n, 's' || n, '{"t": "12:00:00", "d": {}}') FROM strategy;
SELECT is(pg_temp.document('ab' || n) -> 'f', outcome, 'absent: ' || rule::text) FROM strategy
WHERE rule ->> 'merge' <> 'last_time';

-- Sums that do not fit fail; nothing of the item is merged.
SELECT learnsync.define_resource_type('total', '{"key": ["k"], "stale": "ignore",
    "fields": {"f": {"merge": "sum"}, "a": {"merge": "union"}}}');
CREATE TEMP TABLE total (n int, a numeric, b numeric);
INSERT INTO total VALUES
    (1, 9223372036854775807, 1),
    (2, -9223372036854775808, -1),
    (3, 5, 1e30),
    (4, 9223372036854775807, 0.5),
    (5, 5, -1e300);
SELECT is(
    pg_temp.last(pg_temp.push('total' || n, 'total',
        jsonb_build_object('t', '10:00:00', 'd', jsonb_build_object('f', a, 'a', '[0]'::jsonb)),
        jsonb_build_object('t', '11:00:00', 'd', jsonb_build_object('f', b, 'a', '[1]'::jsonb, 'g', 1)))),
    'out_of_range',
    'the sum of ' || a || ' and ' || b)
FROM total;
SELECT is(
    pg_temp.document('total' || n),
    jsonb_build_object('f', a, 'a', '[0]'::jsonb),
    'the first item stands alone')
FROM total;

-- Counters by device, and maps whose entries were removed, outlive what is stored in between; a delete starts them
-- anew.
CREATE FUNCTION pg_temp.push_from(learner text, device text, type text, t text, data jsonb,
    operation text DEFAULT 'update')
    RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.last(learnsync.sync_push(learner, jsonb_build_object('deviceId', device,
        'items', jsonb_build_array(jsonb_build_object('operation', operation, 'resourceType', type, 'resourceId', 'r',
            'clientTimestamp', '2026-01-08T' || t || 'Z', 'data', data))))::jsonb) $$;
SELECT learnsync.define_resource_type('kept', '{"key": ["k"], "stale": "ignore",
    "fields": {"c": {"merge": "counter"}, "m": {"merge": "map_latest"}, "x": {}}}');
SELECT is(pg_temp.push_from('kept', device, 'kept', t, data, op), verdict, concat_ws(' ', device, t, op, data))
    || E'\n' || is(pg_temp.document('kept'), document, concat_ws(' ', device, t, op, data, 'leaves'))
FROM (VALUES
    (1, 'a', '10:00:00', '{"c": 5}'::jsonb, 'update', 'synced', '{"c": 5}'::jsonb),
    (2, 'b', '09:00:00', '{"c": 3}', 'update', 'synced', '{"c": 8}'),
    (3, 'a', '08:00:00', '{"c": 4}', 'update', 'synced', '{"c": 8}'),
    (4, 'a', '11:00:00', '{"c": 7.5}', 'update', 'synced', '{"c": 10.5}'),
    (5, '', '11:00:00', '{"c": 1}', 'update', NULL, NULL),
    (6, 'ü"', '11:00:00', '{"c": -1}', 'update', 'synced', '{"c": 9.5}'),
    (7, 'b', '12:00:00', '{"x": 1}', 'update', 'synced', '{"c": 9.5, "x": 1}'),
    (8, 'b', '10:30:00', '{"c": 9223372036854775807}', 'update', 'out_of_range', '{"c": 9.5, "x": 1}'),
    (9, 'b', '12:00:00', '{"m": {"p": 1, "q": 1}}', 'update', 'synced', '{"c": 9.5, "x": 1, "m": {"p": 1, "q": 1}}'),
    (10, 'b', '13:00:00', '{"m": {"p": null}}', 'update', 'synced', '{"c": 9.5, "x": 1, "m": {"q": 1}}'),
    (11, 'a', '12:30:00', '{"m": {"p": 2, "q": 2}}', 'update', 'synced', '{"c": 9.5, "x": 1, "m": {"q": 2}}'),
    (12, 'a', '13:00:00', '{"m": {"p": null}}', 'update', 'synced', '{"c": 9.5, "x": 1, "m": {"q": 2}}'),
    (13, 'a', '13:00:00.000001', '{"m": {"p": 3}}', 'update', 'synced', '{"c": 9.5, "x": 1, "m": {"p": 3, "q": 2}}'),
    (14, 'a', '14:00:00', '{}', 'delete', 'synced', '{}'),
    (15, 'a', '13:30:00', '{"c": 100}', 'update', 'server_wins', '{}'),
    (16, 'a', '15:00:00', '{"c": 8, "m": {"z": null}}', 'create', 'synced', '{"c": 8, "m": {}}')) v (n, device, t,
    data, op, verdict, document)
WHERE device <> '' ORDER BY n;
SELECT is(
    (SELECT book FROM learnsync_data.resource WHERE learner_id = 'kept'),
    '{"m": {"z": null}}',
    'what a state remembers beside its document');
SELECT is(
    (SELECT string_agg(concat_ws(' ', field, member_id, version, value), ', ') FROM learnsync_data.member
     WHERE learner_id = 'kept'),
    'c a 0 8',
    'and of each device, since the delete');
-- Whatever is wrong with what it remembers, a state can be read.
UPDATE learnsync_data.resource
    SET book = '{"c": {"a": "x", "b": {}}, "m": {"z": {}, "y": 1, "x": false}, "nosuch": 1}'
WHERE learner_id = 'kept';
SELECT is(
    pg_temp.push_from('kept', 'a', 'kept', '16:00:00', '{"c": 9, "m": {"x": 1}}'),
    'synced',
    'notes that make no sense');
SELECT is(pg_temp.document('kept') -> 'c', '9', 'count as none');
UPDATE learnsync_data.resource SET book = '{"c": {}, "m": []}' WHERE learner_id = 'kept';
SELECT is(pg_temp.push_from('kept', 'a', 'kept', '17:00:00', '{"c": 1}'), 'synced', 'and empty ones');
-- However many devices count, a resource carries their sum alone; whenever one of them comes back, it goes on from what
-- it had told.
SELECT is(
    count(pg_temp.push_from('crowd', 'device ' || n, 'kept', '10:00:00', jsonb_build_object('c', n))),
    200::bigint,
    'two hundred devices')
FROM generate_series(1, 200) n;
SELECT is(
    (SELECT concat_ws(' ', data, book) FROM learnsync_data.resource WHERE learner_id = 'crowd'),
    '{"c": 20100, "k": "r"}',
    'leave one number');
SELECT is(
    pg_temp.push_from('crowd', 'device 1', 'kept', '11:00:00', '{"c": 3}')
        || pg_temp.push_from('crowd', 'device 200', 'kept', '11:00:00', '{"c": 150}')
        || pg_temp.push_from('crowd', 'new', 'kept', '11:00:00', '{"c": 0}'),
    'syncedsyncedsynced',
    'and go on');
SELECT is(pg_temp.document('crowd') -> 'c', '20102', 'by what each adds');
SELECT is(
    (SELECT count(*) FROM learnsync_data.member WHERE learner_id = 'crowd'),
    201::bigint,
    'each in a row of its own');
-- Several devices' totals, one push, and a delete between them.
SELECT is(
    pg_temp.push_from('again', 'a', 'kept', '10:00:00', '{"c": 5}')
        || pg_temp.push_from('again', 'b', 'kept', '10:00:00', '{"c": 7}'),
    'syncedsynced',
    'two devices');
SELECT is(
    (SELECT string_agg(r ->> 'status', ' ')
     FROM jsonb_array_elements(learnsync.sync_push('again', '{"deviceId": "a",
         "items": [
             {"id": "d", "operation": "delete", "resourceType": "kept", "resourceId": "r",
                 "clientTimestamp": "2026-01-08T11:00:00Z"},
             {"id": "u", "operation": "update", "resourceType": "kept", "resourceId": "r",
                 "clientTimestamp": "2026-01-08T12:00:00Z", "data": {"c": 6}}]}')::jsonb -> 'results') r),
    'synced synced',
    'a delete and what comes after');
SELECT is(pg_temp.document('again') -> 'c', '6', 'starts anew');
SELECT is(
    pg_temp.push_from('again', 'b', 'kept', '13:00:00', '{"c": 8}') || (pg_temp.document('again') ->> 'c'),
    'synced14',
    'for each device');
-- Whatever TimeZone and other settings say.
SET LOCAL TimeZone = 'Asia/Kathmandu';
SET LOCAL DateStyle = 'German';
SET LOCAL extra_float_digits = 0;
SELECT is(
    pg_temp.push_from('zone', 'a', 'kept', '10:00:00.000001', '{"x": 1, "m": {"a": 1}}')
        || pg_temp.push_from('zone', 'a', 'kept', '10:00:00.000002', '{"m": {"b": 1}}')
        || pg_temp.push_from('zone', 'a', 'kept', '10:00:00.000001', '{"m": {"b": 2, "a": 0}, "x": 0}'),
    'syncedsyncedsynced',
    'under another time zone');
SELECT is(pg_temp.document('zone'), '{"x": 1, "m": {"a": 1, "b": 1}}', 'nothing is different');
SELECT is(
    (SELECT book FROM learnsync_data.resource WHERE learner_id = 'zone'),
    '{"m": {"a": "2026-01-08T10:00:00.000001Z"}, "x": "2026-01-08T10:00:00.000001Z"}',
    'notes are in UTC, to the microsecond');
RESET TimeZone;
RESET DateStyle;
RESET extra_float_digits;

-- Computed fields.
SELECT learnsync.define_resource_type('computed', '{"key": ["k"], "fields": {"n": {"merge": "max", "type": "number"},
    "never": {"derive": "n", "steps": [{"value": 1, "from": 1000}]}, "s": {"derive": "n",
        "steps": [
            {"value": "none"},
            {"value": "some", "above": 0},
            {"value": "half", "from": 50, "to": 60},
            {"value": "all", "from": 100}]}}}');
SELECT pg_temp.push('computed' || n, 'computed', jsonb_build_object('t', '10:00:00',
    'd', jsonb_build_object('n', n, 's', 'sent')))
FROM unnest('{-1,0,0.1,49,50,60,60.5,99,100,101,1000}'::numeric[]) n;
SELECT is(pg_temp.document('computed' || n) - 'n', d, 'computed from ' || n)
FROM (VALUES
    (-1, '{"s": "none"}'::jsonb),
    (0, '{"s": "none"}'),
    (0.1, '{"s": "some"}'),
    (49, '{"s": "some"}'),
    (50, '{"s": "half"}'),
    (60, '{"s": "half"}'),
    (60.5, '{"s": "some"}'),
    (99, '{"s": "some"}'),
    (100, '{"s": "all"}'),
    (101, '{"s": "all"}'),
    (1000, '{"s": "all", "never": 1}')) v (n, d);
SELECT is(
    (SELECT count(*) FROM learnsync_data.resource WHERE resource_type = 'computed' AND data ? 's'),
    0::bigint,
    'and not stored');

-- Times under a condition on the item.
SELECT learnsync.define_resource_type('times', '{"key": ["k"], "stale": "ignore",
    "fields": {"first": {"merge": "first_time", "when": {"n": {"from": 10, "to": 20}}},
        "last": {"merge": "last_time", "when": {"n": {"above": 10}}}}}');
SELECT pg_temp.push('times', 'times', VARIADIC ARRAY[jsonb_build_object('t', t, 'd', jsonb_build_object('n', n))])
FROM (VALUES
    ('09:00:00', '"15"'::jsonb),
    ('12:00:00', '15'),
    ('11:00:00', '10'),
    ('10:00:00', '21'),
    ('13:00:00', '10'),
    ('14:00:00', 'null')) v (t, n);
SELECT is(
    pg_temp.document('times') - 'n',
    '{"first": "2026-01-08T11:00:00.000Z", "last": "2026-01-08T12:00:00.000Z"}',
    'times under a condition');

-- A rule that gets a field where documents have a value of it already: a value that the new strategy takes is where it
-- goes on from, any other stands until an item brings one.
CREATE FUNCTION pg_temp.rule(name text, rule jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE learnsync_data.resource_type t SET rule = $2 WHERE t.name = $1;
    ALTER TABLE learnsync_data.resource_type RESET (fillfactor); -- which sessions hear of
END $$;
CREATE TEMP TABLE leftover (n int GENERATED ALWAYS AS IDENTITY, rule jsonb, old jsonb, shown jsonb, new jsonb,
    outcome jsonb);
INSERT INTO leftover (rule, old, shown, new, outcome) VALUES
    ('{"merge": "max"}', '"x"', '"x"', '5', '5'),
    ('{"merge": "max"}', '7', '7', '5', '7'),
    ('{"merge": "max"}', '[7]', '[7]', '5', '5'),
    ('{"merge": "min", "type": "number"}', '"x"', '"x"', '5', '5'),
    ('{"merge": "max", "type": "string"}', '7', '7', '"x"', '"x"'),
    ('{"merge": "sum"}', '7', '7', '5', '12'),
    ('{"merge": "sum", "type": "integer"}', '7.5', '7.5', '5', '12.5'),
    ('{"merge": "sum"}', '"7"', '"7"', '5', '5'),
    ('{"merge": "sum"}', 'null', 'null', '5', '5'),
    ('{"merge": "sum"}', '1e30', '1e30', 'null', '1e30'),
    ('{"merge": "counter"}', '7', '7', '5', '12'), ('{"merge": "counter"}', '{"d": 7}', '{"d": 7}', '5', '5'),
    ('{"merge": "rank", "values": ["low", "high"]}', '"other"', '"other"', '"low"', '"low"'),
    ('{"merge": "rank", "values": ["low", "high"]}', '"high"', '"high"', '"low"', '"high"'),
    ('{"merge": "any"}', '1', '1', 'false', 'false'),
    ('{"merge": "any"}', 'true', 'true', 'false', 'true'),
    ('{"merge": "all"}', '"no"', '"no"', 'true', 'true'),
    ('{"merge": "all"}', 'false', 'false', 'true', 'false'),
    ('{"merge": "first", "type": "string"}', '7', '7', '"x"', '"x"'),
    ('{"merge": "first"}', '7', '7', '"x"', '7'),
    ('{"merge": "first"}', 'null', 'null', '"x"', '"x"'),
    ('{"merge": "latest", "type": "string"}', '7', '7', '"x"', '"x"'),
    ('{"merge": "map_latest"}', '{"a": 1, "b": 1}', '{"a": 1, "b": 1}', '{"a": 2, "c": 2}',
        '{"a": 2, "b": 1, "c": 2}'),
    ('{"merge": "map_latest"}', '[1]', '[1]', '{"a": null}', '{}'),
    ('{"merge": "map_latest"}', '{"a": null}', '{"a": null}', '{"b": 1}', '{"b": 1}'),
    ('{"merge": "union"}', '{"a": 1}', '{"a": 1}', '[1]', '[1]'),
    ('{"merge": "first_time"}', '"x"', '"x"', '1', '"2026-01-08T12:00:00.000Z"'),
    ('{"merge": "last_time"}', '"x"', '"x"', '1', '"2026-01-08T12:00:00.000Z"'),
    ('{"merge": "last_time"}', '7', '7', '1', '"2026-01-08T12:00:00.000Z"'),
    ('{"merge": "last_time"}', '"2099-01-01T00:00:00.000Z"', '"2099-01-01T00:00:00.000Z"', '1',
        '"2099-01-01T00:00:00.000Z"'),
    ('{"derive": "g", "steps": [{"value": 1, "from": 1}]}', '"x"', NULL, '"y"', NULL),
    ('{"derive": "g", "steps": [{"value": 1}]}', '"x"', '1', '"y"', '1');
SELECT learnsync.define_resource_type('l' || n, '{"key": ["k"]}') FROM leftover;
SELECT pg_temp.push('l' || n, 'l' || n,
    jsonb_build_object('t', '10:00:00', 'd', jsonb_build_object('f', old)),
    '{"t": "11:00:00", "d": {"g": 0}}')
FROM leftover;
SELECT pg_temp.rule('l' || n, jsonb_build_object('key', '["k"]'::jsonb, 'fields', jsonb_build_object('f', rule)))
FROM leftover;
SELECT is(pg_temp.document('l' || n) -> 'f', shown, concat_ws(' ', rule, 'over', old)) FROM leftover;
SELECT pg_temp.push('l' || n, 'l' || n, jsonb_build_object('t', '12:00:00', 'd', jsonb_build_object('f', new)))
FROM leftover;
SELECT is(pg_temp.document('l' || n) -> 'f', outcome, concat_ws(' ', rule, 'over', old, 'then', new)) FROM leftover;

-- Fields that the rule does not name.
SELECT learnsync.define_resource_type('other_' || o, jsonb_build_object('key', '["k"]'::jsonb, 'other', o,
    'fields', '{"f": {}}'::jsonb))
FROM unnest('{latest,ignore,refuse}'::text[]) o;
SELECT is(
    pg_temp.last(pg_temp.push('other_' || o, 'other_' || o, '{"t": "10:00:00", "d": {"f": 1, "g": 2}}')),
    v,
    'other: ' || o)
FROM (VALUES ('latest', 'synced'), ('ignore', 'synced'), ('refuse', 'invalid')) x (o, v);
SELECT is(pg_temp.document('other_' || o), d, 'other: ' || o)
FROM (VALUES ('latest', '{"f": 1, "g": 2}'::jsonb), ('ignore', '{"f": 1}'), ('refuse', NULL)) x (o, d);

-- Policies: a first, then b, and the other way round: the verdict on the second, and the document.
CREATE TEMP TABLE policy (n int GENERATED ALWAYS AS IDENTITY, rule jsonb, ta text, a jsonb, tb text, b jsonb, ab text,
    doc_ab jsonb, ba text, doc_ba jsonb);
INSERT INTO policy (rule, ta, a, tb, b, ab, doc_ab, ba, doc_ba) VALUES
    ('{"policy": "merge"}', '10:00:00', '{"x": 1}', '11:00:00', '{"y": 2}', 'synced', '{"x": 1, "y": 2}',
        'server_wins', '{"x": 1, "y": 2}'),
    ('{"policy": "merge", "stale": "merge"}', '10:00:00', '{"x": 1}', '11:00:00', '{"x": 2}', 'synced', '{"x": 2}',
        'server_wins', '{"x": 2}'),
    ('{"policy": "merge", "stale": "merge"}', '10:00:00', '{"x": 1}', '10:00:00', '{"x": 2}', 'synced', '{"x": 2}',
        'synced', '{"x": 2}'),
    ('{"policy": "merge", "stale": "ignore"}', '10:00:00', '{"x": 1}', '11:00:00', '{"y": 2}', 'synced',
        '{"x": 1, "y": 2}', 'synced', '{"x": 1, "y": 2}'),
    ('{"policy": "merge", "stale": "discard"}', '10:00:00', '{"x": 1}', '11:00:00', '{"y": 2}', 'synced',
        '{"x": 1, "y": 2}', 'manual_required', '{"y": 2}'),
    ('{"policy": "merge", "stale": "discard"}', '10:00:00', '{"x": 1}', '10:00:00', '{"y": 2}', 'synced',
        '{"x": 1, "y": 2}', 'synced', '{"x": 1, "y": 2}'),
    ('{"policy": "latest"}', '10:00:00', '{"x": 1, "z": 1}', '11:00:00', '{"y": 2}', 'synced', '{"y": 2}',
        'server_wins', '{"y": 2}'),
    ('{"policy": "latest"}', '10:00:00', '{"x": 1}', '10:00:00', '{"x": 2}', 'synced', '{"x": 2}', 'server_wins',
        '{"x": 2}'),
    ('{"policy": "latest"}', '10:00:00', '{"y": 1}', '10:00:00', '{"a": 0, "b": 0}', 'synced', '{"a": 0, "b": 0}',
        'server_wins', '{"a": 0, "b": 0}'),
    ('{"policy": "latest"}', '10:00:00', '{"x": 1}', '10:00:00', '{"x": 1.0}', 'synced', '{"x": 1}', 'synced',
        '{"x": 1}'),
    ('{"policy": "latest", "clock": "v"}', '11:00:00', '{"v": 1}', '10:00:00', '{"v": 2}', 'synced', '{"v": 2}',
        'server_wins', '{"v": 2}'),
    ('{"policy": "latest", "clock": "v"}', '10:00:00', '{"v": 2, "x": 9}', '11:00:00', '{"v": 2, "x": 1}', 'synced',
        '{"v": 2, "x": 1}', 'server_wins', '{"v": 2, "x": 1}'),
    ('{"policy": "latest", "clock": "v"}', '11:00:00', '{"x": 1}', '10:00:00', '{"v": 0}', 'synced', '{"v": 0}',
        'server_wins', '{"v": 0}'),
    ('{"policy": "latest", "clock": "v"}', '11:00:00', '{"v": 9223372036854775807}', '10:00:00',
        '{"v": 9223372036854775808}', 'synced', '{"v": 9223372036854775808}', 'server_wins',
        '{"v": 9223372036854775808}'),
    ('{"policy": "latest", "clock": "v"}', '11:00:00', '{"v": 1.5}', '10:00:00', '{"v": -1e30}', 'synced',
        '{"v": -1e30}', 'server_wins', '{"v": -1e30}'),
    ('{"policy": "latest", "clock": "v"}', '10:00:00', '{"v": "9"}', '11:00:00', '{"v": null}', 'synced',
        '{"v": null}', 'server_wins', '{"v": null}'),
    ('{"policy": "insert_only"}', '10:00:00', '{"x": 1}', '11:00:00', '{"x": 2}', 'manual_required', '{"x": 1}',
        'manual_required', '{"x": 2}'),
    ('{"policy": "insert_only"}', '10:00:00', '{"x": 1, "y": [1]}', '11:00:00', '{"y": [1.0], "x": 1}', 'server_wins',
        '{"x": 1, "y": [1]}', 'server_wins', '{"x": 1, "y": [1]}'),
    ('{"policy": "immutable"}', '10:00:00', '{"x": 1}', '11:00:00', '{"x": 2}', 'manual_required', '{"x": 1}',
        'manual_required', '{"x": 2}'),
    ('{"policy": "immutable"}', '10:00:00', '{"x": 1, "y": [1]}', '11:00:00', '{"y": [1.0], "x": 1}', 'synced',
        '{"x": 1, "y": [1]}', 'synced', '{"x": 1, "y": [1]}');

SELECT learnsync.define_resource_type('p' || n, rule || '{"key": ["k"]}') FROM policy;
SELECT pg_temp.push('first a' || n, 'p' || n, jsonb_build_object('t', ta, 'd', a, 'i', 'a')),
    pg_temp.push('first b' || n, 'p' || n, jsonb_build_object('t', tb, 'd', b, 'i', 'b'))
FROM policy;
SELECT is(
    pg_temp.last(pg_temp.push('first a' || n, 'p' || n, jsonb_build_object('t', tb, 'd', b, 'i', 'b'))),
    ab,
    concat_ws(' ', rule, a, ta, 'then', b, tb))
FROM policy;
SELECT is(
    pg_temp.last(pg_temp.push('first b' || n, 'p' || n, jsonb_build_object('t', ta, 'd', a, 'i', 'a'))),
    ba,
    concat_ws(' ', rule, b, tb, 'then', a, ta))
FROM policy;
SELECT is(pg_temp.document('first a' || n), doc_ab, concat_ws(' ', rule, 'a first')) FROM policy;
SELECT is(pg_temp.document('first b' || n), doc_ba, concat_ws(' ', rule, 'b first')) FROM policy;
-- The record of each conflict is open where a person must decide, and only there.
SELECT is(
    (SELECT count(*) FROM learnsync_data.conflict WHERE (closed_at IS NULL) <> (resolution = 'manual_required')),
    0::bigint,
    'open where a person must decide, closed where the rule did');
SELECT is(
    (SELECT count(*) FROM learnsync_data.conflict WHERE learner_id LIKE 'first %'),
    (SELECT count(*) FILTER (WHERE ab <> 'synced') + count(*) FILTER (WHERE ba <> 'synced') FROM policy),
    'one record for each');
-- Where nothing changed, there is no new version.
SELECT is(
    (SELECT version FROM learnsync_data.learner WHERE learner_id = 'first a' || n),
    2::bigint,
    'no new version: ' || rule::text)
FROM policy WHERE rule ->> 'policy' IN ('insert_only', 'immutable');
SELECT is(
    (SELECT version FROM learnsync_data.learner WHERE learner_id = 'first b' || n),
    2::bigint,
    'no new version: ' || rule::text)
FROM policy WHERE rule ->> 'policy' = 'latest' OR rule ->> 'stale' = 'discard' AND ba <> 'synced';

-- The client's clock counts, unless it runs ahead: then the server's does, fixed at first arrival.
SELECT is(
    pg_temp.last(learnsync.sync_push('ahead', jsonb_build_object('deviceId', 'd',
        'items', jsonb_build_array(jsonb_build_object('id', 'i' || n, 'operation', 'update',
            'resourceType', 'mastery', 'resourceId', 'm', 'data', jsonb_build_object('n', n),
            'clientTimestamp', to_char(
                clock_timestamp() AT TIME ZONE 'UTC' + ahead,
                'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))))::jsonb),
    verdict,
    what)
FROM (VALUES
    (1, interval '10 years', 'synced', 'a clock far ahead'),
    (2, interval '1 minute', 'synced', 'does not win for ever'),
    (3, interval '-1 hour', 'server_wins', 'a clock a little ahead is believed'),
    (4, interval '4 minutes', 'synced', 'up to five minutes')) v (n, ahead, verdict, what);
SELECT ok(
    at BETWEEN now() + interval '3 minutes' AND clock_timestamp() + interval '5 minutes',
    'the order instant is stored')
FROM learnsync_data.resource WHERE learner_id = 'ahead';

-- Three scenarios of the published system, in both orders.
CREATE FUNCTION pg_temp.lesson(learner text, device text, percent int, at text) RETURNS text LANGUAGE sql AS $$
    SELECT (answer #>> '{results,0,status}') || ' '
        || concat_ws(' ', answer #>> '{conflicts,0,resolution}',
            answer #>> '{conflicts,0,serverData,completionPercentage}')
    FROM CAST(learnsync.sync_push(learner, jsonb_build_object('deviceId', device,
        'items', jsonb_build_array(jsonb_build_object('id', 'i', 'operation', 'update',
            'resourceType', 'lesson_progress', 'clientTimestamp', at,
            'data', jsonb_build_object('lessonId', 'r', 'completionPercentage', percent,
                'timeSpent', 60000))))) AS jsonb) answer $$;
CREATE FUNCTION pg_temp.state(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', d ->> 'completionPercentage', d ->> 'status', d ->> 'timeSpent', d ->> 'startedAt',
        d ->> 'lastAccessedAt')
    FROM pg_temp.document(learner) d $$;
-- 1: 50 % on day 1 offline, 75 % on day 2 elsewhere; the first device syncs late: conflict, server wins, 75 %
-- preserved, no time lost.
SELECT is(
    pg_temp.lesson('stale', 'B', 75, '2026-01-02T10:00:00Z') || ', '
        || pg_temp.lesson('stale', 'A', 50, '2026-01-01T10:00:00Z'),
    'synced , conflict server_wins 75',
    'stale progress');
SELECT is(
    pg_temp.lesson('fresh', 'A', 50, '2026-01-01T10:00:00Z') || ', '
        || pg_temp.lesson('fresh', 'B', 75, '2026-01-02T10:00:00Z'),
    'synced , synced ',
    'the other order');
SELECT is(
    pg_temp.state(l),
    '75 in-progress 120000 2026-01-01T10:00:00.000Z 2026-01-02T10:00:00.000Z',
    'one outcome: ' || l)
FROM unnest('{stale,fresh}'::text[]) l;
-- 2: a quiz attempt is synced again under another id: conflict, server wins. Another attempt with the same number waits
-- for a person.
SELECT is(
    pg_temp.last(learnsync.sync_push('quiz', jsonb_build_object('deviceId', device,
        'items', jsonb_build_array(jsonb_build_object('id', id, 'operation', 'create', 'resourceType', 'quiz_attempt',
            'data', jsonb_build_object('quizId', 'q', 'attemptNumber', 1, 'score', score),
            'clientTimestamp', at))))::jsonb),
    verdict,
    what)
FROM (VALUES
    ('A', 'i', 80, '2026-01-01T10:00:00Z', 'synced', 'an attempt'),
    ('A', 'i', 80, '2026-01-01T10:00:00Z', 'synced', 'its retry'),
    ('A', 'j', 80, '2026-01-01T10:00:00Z', 'server_wins', 'the same attempt as another item'),
    ('B', 'i', 90, '2025-12-31T10:00:00Z', 'manual_required', 'another device''s attempt 1'),
    ('B', 'k', 80, '2025-12-31T10:00:00Z', 'server_wins', 'an equal one')) v (device, id, score, at, verdict, what);
SELECT is(pg_temp.document('quiz'), '{"quizId": "q", "attemptNumber": 1, "score": 80}', 'the first stands');
SELECT is(
    (SELECT client_data ->> 'score' FROM learnsync_data.conflict WHERE learner_id = 'quiz' AND closed_at IS NULL),
    '90',
    'the other one is kept in full');
-- 3: 40 % on device A and 60 % on device B: no conflict where A syncs first, one outcome in any case.
SELECT is(
    pg_temp.lesson('ab', 'A', 40, '2026-01-01T10:00:00Z') || ', '
        || pg_temp.lesson('ab', 'B', 60, '2026-01-01T11:00:00Z'),
    'synced , synced ',
    'concurrent progress');
SELECT is(
    pg_temp.lesson('ba', 'B', 60, '2026-01-01T11:00:00Z') || ', '
        || pg_temp.lesson('ba', 'A', 40, '2026-01-01T10:00:00Z'),
    'synced , conflict server_wins 60',
    'the other order');
SELECT is(
    pg_temp.state(l),
    '60 in-progress 120000 2026-01-01T10:00:00.000Z 2026-01-01T11:00:00.000Z',
    'one outcome: ' || l)
FROM unnest('{ab,ba}'::text[]) l;

SELECT * FROM finish();
ROLLBACK;
