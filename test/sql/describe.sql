-- json_schema, openapi, typescript: they say of every type what its rule does, and of every call of apps what it is.
BEGIN;
SELECT no_plan();

SELECT learnsync.define_resource_type('badge', '{"key": ["badgeId", "n"], "other": "refuse", "fields": {
    "n": {"type": "integer", "min": 1}, "level": {"merge": "rank", "values": ["bronze", "gold"]},
    "points": {"merge": "sum", "type": "integer", "min": 0, "round": 0},
    "best": {"merge": "max", "type": "number", "max": 100, "required": true},
    "name": {"maxLength": 20, "type": "string"},
    "done": {"derive": "best", "steps": [{"value": false}, {"value": true, "from": 50}]},
    "first": {"merge": "first_time"}, "tags": {"merge": "union"}, "notes": {"merge": "union", "id": "id"},
    "more": {"merge": "map_latest"}, "is": {"merge": "any"}}}');

SELECT is(learnsync.json_schema('badge', 'item') #> ARRAY['properties', v.field], v.schema::jsonb,
    'of an item: ' || v.field)
FROM (VALUES
    ('badgeId', '{"type": ["string", "number"]}'),
    ('n', '{"type": "integer", "minimum": 1}'),
    ('level', '{"anyOf": [{"enum": ["bronze", "gold"]}, {"type": "null"}]}'),
    ('points', '{"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}]}'),
    ('best', '{"type": "number", "maximum": 100}'),
    ('name', '{"anyOf": [{"type": "string", "maxLength": 20}, {"type": "null"}]}'),
    ('done', '{"readOnly": true, "enum": [false, true]}'),
    ('first', '{"type": "string", "format": "date-time", "readOnly": true}'),
    ('tags', '{"anyOf": [{"type": "array", "items": {}}, {"type": "null"}]}'),
    ('notes', '{"anyOf": [{"type": "array", "items": {"type": "object", "additionalProperties": true}},
        {"type": "null"}]}'),
    ('more', '{"anyOf": [{"type": "object"}, {"type": "null"}]}'),
    ('is', '{"anyOf": [{"type": "boolean"}, {"type": "null"}]}')) v (field, schema);
SELECT is(learnsync.json_schema('badge') #> ARRAY['properties', v.field], v.schema::jsonb, 'of a document: ' || v.field)
FROM (VALUES
    ('badgeId', '{"type": "string"}'),
    ('points', '{"type": "integer"}'),
    ('best', '{"type": "number", "maximum": 100}'),
    ('name', '{"anyOf": [{"type": "string", "maxLength": 20}, {"type": "null"}]}')) v (field, schema);
SELECT is(learnsync.json_schema('badge', k.kind) - ARRAY['$schema', 'title', 'properties', 'type'], k.rest::jsonb,
    k.kind)
FROM (VALUES ('item', '{"required": ["best"], "additionalProperties": false}'),
    ('document', '{"required": ["badgeId", "best", "n"], "additionalProperties": false}')) k (kind, rest);

SELECT throws_ok($$ SELECT learnsync.json_schema('nothing') $$, '42704', 'there is no such resource type',
    'a type that is not there');
SELECT throws_ok($$ SELECT learnsync.json_schema(NULL) $$, '42704', NULL, 'none');
SELECT throws_ok($$ SELECT learnsync.json_schema('badge', 'items') $$, '22023', 'there is no schema of that kind',
    'another kind');

SELECT set_eq(
    $$ SELECT jsonb_object_keys(learnsync.openapi() -> 'paths') $$,
    $$ SELECT '/rpc/' || p.proname FROM pg_proc p WHERE p.pronamespace = 'learnsync_api'::regnamespace
       AND p.proname NOT IN ('metrics', 'dashboard') $$,
    'every call of apps is described');
SELECT is_empty(
    $$ SELECT r #>> '{}' FROM jsonb_path_query(learnsync.openapi(), 'strict $.**."$ref"') r
       WHERE learnsync.openapi() #> string_to_array(substr(r #>> '{}', 3), '/') IS NULL $$,
    'every name that a schema refers to is there');
SELECT is_empty(
    $$ SELECT t.name, k FROM learnsync_data.resource_type t, unnest('{item,document}'::text[]) k
       WHERE learnsync.openapi() #> ARRAY['components', 'schemas', t.name || '_' || k]
           IS DISTINCT FROM learnsync.json_schema(t.name, k) - ARRAY['$schema', 'title'] $$,
    'openapi() has the schema of every type');
SELECT ok(learnsync.typescript() ~
    E'\n  badge: \\{ badgeId: string \\| number; best: number; n: number; is\\?: boolean \\| null;',
    'typescript() has its fields');
SELECT ok(learnsync.typescript() ~ E'\nexport type PushAnswer = ',
    'and what calls answer');

DELETE FROM learnsync_data.resource_type;
SELECT matches(learnsync.typescript(), E'export interface Items {}', 'without types there are none')
FROM (SELECT 1) x WHERE learnsync.openapi() IS NOT NULL;

SELECT * FROM finish();
ROLLBACK;
