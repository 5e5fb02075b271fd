-- The type merge_rule, define_resource_type, drop_resource_type.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS learnsync;
SELECT learnsync.setup('regress_learnsync_owner');
\pset format unaligned
\pset tuples_only on

-- What a statement raises: SQLSTATE, message, detail.
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE statement;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, NULLIF(detail, ''));
END $$;

-- Good rules are printed back as JSON.
SELECT rule::learnsync.merge_rule FROM (VALUES
    ('{}'),
    ('{"key": ["a"]}'),
    ('{"key": ["a", "b"], "fields": {"b": {"type": "integer", "min": 1}}}'),
    ('{"key": [], "generateKey": true}'),
    ('{"policy": "merge", "stale": "discard", "other": "refuse", "delete": false}'),
    ('{"policy": "latest", "clock": "n", "other": "ignore"}'),
    ('{"policy": "insert_only"}'),
    ('{"policy": "immutable", "format": "xapi", "key": ["id"], "generateKey": true}'),
    ('{"policy": "manual", "autoResolve": {"after": "30 days", "resolution": "use_server"}}'),
    ('{"autoResolve": {"after": "1 hour", "resolution": "use_server"}, "stale": "discard"}'),
    ('{"fields": {"f": {}}}'),
    ('{"fields": {"f": {"merge": "latest", "type": "boolean", "required": true}}}'),
    ('{"fields": {"f": {"merge": "first", "type": "object"}}}'),
    ('{"fields": {"f": {"merge": "max", "type": "number", "min": -1.5, "max": 1e3}}}'),
    ('{"fields": {"f": {"merge": "min", "type": "string", "maxLength": 10}}}'),
    ('{"fields": {"f": {"merge": "sum", "type": "integer"}}}'),
    ('{"fields": {"f": {"merge": "rank", "values": ["low", 2, null]}}}'),
    ('{"fields": {"f": {"merge": "union"}}}'),
    ('{"fields": {"f": {"merge": "union", "id": "id"}}}'),
    ('{"fields": {"f": {"merge": "union", "id": ["id", "_id"]}}}'),
    ('{"fields": {"f": {"merge": "first_time"}}}'),
    ('{"fields": {"f": {"merge": "last_time", "when": {"n": {"above": 0, "to": 9}}}}}'),
    ('{"fields": {"f": {"derive": "n", "steps": [{"value": null}, {"value": 1, "from": 5}]}}}')) AS v (rule);

-- Bad ones are refused with the path of the mistake.
SELECT rule || '  =>  ' || pg_temp.try(format('SELECT %L::learnsync.merge_rule', rule)) FROM (VALUES
    (''), ('x'), ('{"key": ['), ('1'), ('"merge"'), ('null'), ('[]'), ('[{}]'),
    ('{"polici": "merge"}'),
    ('{"policy": "newest"}'), ('{"policy": 1}'), ('{"policy": null}'), ('{"policy": ["merge"]}'),
    ('{"stale": "newest"}'),
    ('{"stale": true}'),
    ('{"other": "x"}'),
    ('{"other": {}}'),
    ('{"format": "xml"}'),
    ('{"format": 1}'),
    ('{"delete": "no"}'), ('{"delete": null}'), ('{"generateKey": 1}'),
    ('{"autoResolve": "30 days"}'), ('{"autoResolve": null}'), ('{"autoResolve": {}}'),
    ('{"autoResolve": {"after": "30 days"}}'), ('{"autoResolve": {"resolution": "use_server"}}'),
    ('{"autoResolve": {"after": 30, "resolution": "use_server"}}'),
    ('{"autoResolve": {"after": "0 days", "resolution": "use_server"}}'),
    ('{"autoResolve": {"after": "-1 days", "resolution": "use_server"}}'),
    ('{"autoResolve": {"after": "30 dayss", "resolution": "use_server"}}'),
    ('{"autoResolve": {"after": "30days", "resolution": "use_server"}}'),
    ('{"autoResolve": {"after": "30 ", "resolution": "use_server"}}'),
    ('{"autoResolve": {"after": "101 years", "resolution": "use_server"}}'),
    ('{"autoResolve": {"after": "9999999 days", "resolution": "use_server"}}'),
    ('{"autoResolve": {"after": "30 days", "resolution": "use_client"}}'),
    ('{"autoResolve": {"after": "30 days", "resolution": "use_server", "by": "me"}}'),
    ('{"key": "a"}'),
    ('{"key": null}'),
    ('{"key": {}}'),
    ('{"key": [1]}'),
    ('{"key": ["a", ""]}'),
    ('{"key": [["a"]]}'),
    ('{"key": ["a", "b", "a"]}'),
    ('{"key": ["1", "2", "3", "4", "5", "6", "7", "8", "9"]}'),
    ('{"key": ["a", "b"], "generateKey": true}'),
    ('{"policy": "latest", "stale": "merge"}'), ('{"policy": "insert_only", "stale": "discard"}'),
    ('{"clock": "n"}'), ('{"policy": "latest", "clock": 1}'), ('{"policy": "immutable", "clock": "n"}'),
    ('{"key": ["_learnsync"]}'), ('{"fields": {"_learnsync": {"merge": "first_time"}}}'),
    ('{"fields": {"": {"merge": "counter"}}}'), ('{"fields": {"": {"merge": "union"}}}'),
    ('{"fields": []}'), ('{"fields": null}'), ('{"fields": "f"}'),
    ('{"fields": {"f": "max"}}'), ('{"fields": {"f": null}}'), ('{"fields": {"f": []}}'),
    ('{"fields": {"f": {"mrege": "max"}}}'),
    ('{"fields": {"f": {"merge": "biggest"}}}'),
    ('{"fields": {"f": {"merge": 1}}}'),
    ('{"fields": {"f": {"merge": ""}}}'),
    ('{"fields": {"f": {"merge": "derive"}}}'),
    ('{"fields": {"f": {"type": "text"}}}'), ('{"fields": {"f": {"type": 1}}}'),
    ('{"fields": {"f": {"merge": "sum", "type": "string"}}}'),
    ('{"fields": {"f": {"merge": "max", "type": "boolean"}}}'),
    ('{"fields": {"f": {"merge": "min", "type": "array"}}}'),
    ('{"fields": {"f": {"merge": "union", "type": "object"}}}'),
    ('{"fields": {"f": {"min": "0"}}}'), ('{"fields": {"f": {"max": null}}}'),
    ('{"fields": {"f": {"maxLength": 0}}}'),
    ('{"fields": {"f": {"maxLength": 1.5}}}'),
    ('{"fields": {"f": {"maxLength": "9"}}}'),
    ('{"fields": {"f": {"maxLength": 3000000000}}}'),
    ('{"fields": {"f": {"required": "yes"}}}'),
    ('{"fields": {"f": {"merge": "max", "derive": "n", "steps": [{"value": 1}]}}}'),
    ('{"fields": {"f": {"derive": "n"}}}'),
    ('{"fields": {"f": {"derive": "n", "steps": []}}}'),
    ('{"fields": {"f": {"derive": "n", "steps": {}}}}'),
    ('{"fields": {"f": {"derive": 1, "steps": [{"value": 1}]}}}'),
    ('{"fields": {"f": {"derive": "n", "steps": [1]}}}'),
    ('{"fields": {"f": {"derive": "n", "steps": [{"value": 1}, {"from": 1}]}}}'),
    ('{"fields": {"f": {"derive": "n", "steps": [{"value": 1, "form": 1}]}}}'),
    ('{"fields": {"f": {"derive": "n", "steps": [{"value": 1, "from": "1"}]}}}'),
    ('{"fields": {"f": {"derive": "n", "steps": [{"value": 1, "from": 1, "above": 1}]}}}'),
    ('{"fields": {"f": {"merge": "rank"}}}'),
    ('{"fields": {"f": {"merge": "rank", "values": []}}}'),
    ('{"fields": {"f": {"merge": "rank", "values": "low"}}}'),
    ('{"fields": {"f": {"merge": "union", "id": 1}}}'),
    ('{"fields": {"f": {"merge": "union", "id": ["id", null]}}}'),
    ('{"fields": {"f": {"merge": "union", "id": {}}}}'),
    ('{"fields": {"f": {"merge": "first_time", "when": 1}}}'),
    ('{"fields": {"f": {"merge": "first_time", "when": {}}}}'),
    ('{"fields": {"f": {"merge": "first_time", "when": {"a": {}}}}}'),
    ('{"fields": {"f": {"merge": "first_time", "when": {"a": {}, "b": {}}}}}'),
    ('{"fields": {"f": {"merge": "first_time", "when": {"n": 100}}}}'),
    ('{"fields": {"f": {"merge": "first_time", "when": {"n": {"form": 1}}}}}'),
    ('{"fields": {"f": {"merge": "last_time", "when": {"n": {"to": "x"}}}}}'),
    -- Options that mean nothing to the strategy.
    ('{"fields": {"f": {"values": [1]}}}'),
    ('{"fields": {"f": {"merge": "max", "id": "id"}}}'),
    ('{"fields": {"f": {"merge": "sum", "when": {"n": {"from": 1}}}}}'),
    ('{"fields": {"f": {"merge": "union", "steps": [{"value": 1}]}}}'),
    ('{"fields": {"f": {"derive": "n", "steps": [{"value": 1}], "values": [1]}}}'),
    ('{"fields": {"f": {"merge": "max", "members": "latest"}}}'),
    ('{"fields": {"f": {"merge": "union", "id": "id", "members": "last"}}}'),
    ('{"fields": {"f": {"merge": "union", "members": "latest"}}}'),
    ('{"fields": {"f": {"merge": "max", "round": 2}}}'),
    ('{"fields": {"f": {"merge": "max", "type": "string", "cap": 2}}}'),
    ('{"fields": {"f": {"merge": "first_time", "type": "number", "round": 2}}}'),
    ('{"fields": {"f": {"type": "number", "round": 16}}}'),
    ('{"fields": {"f": {"type": "number", "round": 0.5}}}'),
    ('{"fields": {"f": {"type": "number", "cap": "5"}}}'),
    ('{"fields": {"f": {"type": "number", "max": 4, "cap": 5}}}'),
    ('{"fields": {"f": {"type": "integer", "cap": 5.5}}}'),
    ('{"fields": {"f": {"type": "number", "round": 1, "cap": 5.25}}}'),
    ('{"key": ["f"], "fields": {"f": {"type": "integer", "round": 0}}}')) AS v (rule);

-- As a type of columns and casts.
CREATE TEMP TABLE t (rule learnsync.merge_rule);
INSERT INTO t VALUES ('{"key": ["a"]}'), ('{"policy": "latest"}'::jsonb);
SELECT rule::jsonb -> 'key' FROM t;
SELECT pg_temp.try($$INSERT INTO t VALUES ('{"policy": 1}'::jsonb)$$);
SELECT '{"fields": {"b": {}, "a": {}}}'::jsonb::learnsync.merge_rule;
SELECT encode(learnsync_internal.merge_rule_send('{"key": ["a"]}'), 'escape');
SELECT n || '  =>  ' || pg_temp.try(format('SELECT %L::learnsync.merge_rule',
    jsonb_build_object('fields', jsonb_build_object(repeat('é', n), '{}'::jsonb))))
FROM unnest('{200,201}'::int[]) n;

-- Resource types.
SELECT name FROM learnsync_data.resource_type WHERE rule::learnsync.merge_rule IS NOT NULL ORDER BY name;
SELECT quote_nullable(name) || '  =>  '
    || pg_temp.try(format('SELECT learnsync.define_resource_type(%L, ''{}'')', name))
FROM (VALUES
    ('note'),
    ('n0te_2'),
    ('_x'),
    (''),
    ('Note'),
    ('no te'),
    ('no-te'),
    ('1note'),
    ('nöte'),
    (repeat('n', 63)),
    (repeat('n', 64))) AS v (name);
SELECT step || '  =>  ' || pg_temp.try(step) FROM unnest(ARRAY[
    'SELECT learnsync.define_resource_type(''note'', ''{"policy": "newest"}'')',
    'SELECT learnsync.define_resource_type(''note'', ''{"key": ["n"]}'')',
    'SELECT learnsync.define_resource_type(''note'', ''{"key": ["n"], "policy": "latest"}'')',
    'SELECT learnsync.sync_push(''ann'', ''{"deviceId": "d", "items": [{"id": "1", '
    '"operation": "create", "resourceType": "note",
        "data": {"n": "1"}, "clientTimestamp": "2026-01-08T10:00:00Z"}]}'')',
    'SELECT learnsync.define_resource_type(''note'', ''{"policy": "latest", "key": ["n"]}'')',
    'SELECT learnsync.define_resource_type(''note'', ''{"key": ["m"]}'')',
    'SELECT learnsync.define_resource_type(''note'', ''{"key": ["n"], "policy": "merge"}'')',
    'SELECT learnsync.drop_resource_type(''note'')',
    'SELECT learnsync.drop_resource_type(''n0te_2'')',
    'SELECT learnsync.drop_resource_type(''n0te_2'')']) AS step;
SELECT rule FROM learnsync_data.resource_type WHERE name = 'note';

-- A type with data takes further fields and looser validation, and nothing else.
CREATE TEMP TABLE change AS
SELECT row_number() OVER () AS n, c.*
FROM (VALUES
    ('', '{"key": ["l"]}'),
    ('', '{"policy": "latest"}'),
    ('', '{"stale": "discard"}'),
    ('', '{"delete": false}'),
    ('', '{"generateKey": true}'),
    ('{fields,a,merge}', '"min"'),
    ('{fields,a,max}', '9'),
    ('{fields,a,min}', '1'),
    ('{fields,r,values}', '["lo"]'),
    ('{fields,r,values}', '["hi", "lo"]'),
    ('{fields,s,type}', '"boolean"'),
    ('{fields,s,maxLength}', '4'),
    ('{fields,u,id}', '"_id"'),
    ('{fields,d,steps}', '[{"value": 2}]'),
    ('{fields,a,required}', 'true'),
    ('{fields,u}', ''),
    ('{fields,new}', '{"required": true}'),
    ('{fields,new}', '{"merge": "sum", "min": 0}'),
    ('{fields,a,type}', '"number"'),
    ('{fields,a,min}', '-1'),
    ('{fields,a,max}', ''),
    ('{fields,r,values}', '["lo", "mid", "hi", "top"]'),
    ('{fields,s,maxLength}', '6'),
    ('{fields,s,required}', 'false'),
    ('{fields,s,type}', ''),
    ('', '{"other": "latest"}'),
    ('{fields,u,members}', '"latest"'),
    ('{fields,q,round}', '3'),
    ('{fields,q,round}', ''),
    ('{fields,q}', '{"merge": "sum", "type": "number", "round": 2, "max": 9}'),
    ('{fields,a}', '{"merge": "max", "type": "number", "round": 0, "min": -0.5}'),
    ('{fields,q,round}', '1'),
    ('{fields,q,cap}', '4'),
    ('{fields,q,cap}', ''),
    ('{fields,a,round}', '0'),
    ('{fields,a,cap}', '9')) c (path, change);
SELECT learnsync.define_resource_type('used_' || n, '{"key": ["k"], "other": "refuse",
    "fields": {"a": {"merge": "max", "type": "integer", "min": 0, "max": 10},
        "r": {"merge": "rank", "values": ["lo", "hi"]}, "s": {"type": "string", "maxLength": 5, "required": true},
        "u": {"merge": "union", "id": "id"}, "q": {"merge": "sum", "type": "number", "round": 2, "cap": 5},
        "d": {"derive": "a", "steps": [{"value": 1}]}}}')
FROM change;
SELECT learnsync.sync_push('eve', jsonb_build_object('deviceId', 'd',
    'items', jsonb_agg(jsonb_build_object('id', n::text, 'operation', 'create', 'resourceType', 'used_' || n,
        'resourceId', '1', 'data', '{"s": "x", "a": 5}'::jsonb,
        'clientTimestamp', '2026-01-08T10:00:00Z'))))::jsonb ->> 'failedItems' AS failed
FROM change;
SELECT path || ' ' || change || '  =>  ' || pg_temp.try(format('SELECT learnsync.define_resource_type(%L, %L)', name,
    CASE WHEN path = '' THEN rule || change::jsonb
        WHEN change = '' THEN rule #- path::text[]
        ELSE jsonb_set(rule, path::text[], change::jsonb) END))
FROM change JOIN learnsync_data.resource_type ON name = 'used_' || n ORDER BY n;
DELETE FROM learnsync_data.resource;
SELECT learnsync.define_resource_type('used_1', '{"key": ["l"]}');
SELECT learnsync.define_resource_type('mastery', '{"policy": "merge"}');
SELECT learnsync.reset_resource_type('mastery');
SELECT rule = (SELECT b.rule FROM learnsync.builtin_resource_types() b WHERE b.name = 'mastery') AS reset
FROM learnsync_data.resource_type WHERE name = 'mastery';
SELECT pg_temp.try('SELECT learnsync.reset_resource_type(''used_1'')'),
    pg_temp.try('SELECT learnsync.reset_resource_type(NULL)');

DROP TABLE t;
DROP EXTENSION learnsync CASCADE;
DROP SCHEMA learnsync, learnsync_data CASCADE;
DROP ROLE regress_learnsync_owner;
