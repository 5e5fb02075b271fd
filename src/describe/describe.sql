-- What documents and calls look like, for other tools: JSON Schema, OpenAPI, TypeScript. Rules and shapes of calls
-- become schemas, and TypeScript is printed from schemas, so nothing is said twice.

CREATE OR REPLACE FUNCTION learnsync_internal.shape_schema_as_owner(shape jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts jsonb;
BEGIN
    IF jsonb_typeof(shape) = 'array' THEN
        RETURN jsonb_build_object('type', 'array', 'items', learnsync_internal.shape_schema_as_owner(shape -> 0));
    ELSIF jsonb_typeof(shape) = 'object' AND shape ? '*' THEN
        RETURN jsonb_build_object('type', 'object', 'additionalProperties',
            learnsync_internal.shape_schema_as_owner(shape -> '*'));
    ELSIF jsonb_typeof(shape) = 'object' THEN
        RETURN (SELECT jsonb_build_object('type', 'object',
                    'properties', COALESCE(jsonb_object_agg(rtrim(m.key, '?'),
                        learnsync_internal.shape_schema_as_owner(m.value)), '{}'),
                    'required', COALESCE(jsonb_agg(m.key ORDER BY m.key) FILTER (WHERE m.key NOT LIKE '%?'), '[]'))
                FROM jsonb_each(shape) m);
    END IF;
    SELECT jsonb_agg(CASE
            WHEN w.word LIKE '''%' THEN jsonb_build_object('const', btrim(w.word, ''''))
            WHEN w.word = 'any' THEN '{}'
            WHEN w.word = 'time' THEN '{"type": "string", "format": "date-time"}'
            WHEN w.word ~ '^[A-Z]' THEN jsonb_build_object('$ref', '#/components/schemas/' || w.word)
            ELSE jsonb_build_object('type', w.word) END ORDER BY w.place)
    INTO parts FROM regexp_split_to_table(shape #>> '{}', '\|') WITH ORDINALITY w (word, place);
    RETURN CASE jsonb_array_length(parts) WHEN 1 THEN parts -> 0 ELSE jsonb_build_object('anyOf', parts) END;
END
$$;
COMMENT ON FUNCTION learnsync_internal.shape_schema_as_owner(jsonb) IS
    'The JSON Schema of a shape: the name of a type or of another shape, several with |, literals in quotes; [X] is an '
    'array of X, {"*": X} a map; members whose name ends in ? may be absent.';

CREATE OR REPLACE FUNCTION learnsync_internal.shapes_as_owner() RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN $shapes${
"Problem": {"code": "string", "message": "string", "details?": "any", "hint?": "string|null",
    "retryable?": "boolean", "retryAfter?": "any"},
"First": {"status": "'synced'|'conflict'", "version": "integer"},
"PushRequest": {"deviceId": "string", "items": ["Item"], "sentAt?": "time|null", "deviceName?": "string|null",
    "metadata?": "object|null", "cursor?": "string|null", "dryRun?": "boolean|null", "atomic?": "boolean|null",
    "traceparent?": "string|null", "lastSyncVersion?": "integer|null", "epoch?": "string|null",
    "learnerId?": "string|null"},
"Result": {"id": "string|null", "status": "'synced'|'conflict'|'failed'", "duplicate": "boolean",
    "resourceType": "string|null", "resourceId": "string|null", "version": "integer|null", "serverVersion?": "integer",
    "capped?": ["string"]},
"Conflict": {"id": "string", "conflictId": "string", "clientData": "any", "serverData": "object|null",
    "serverVersion": "integer", "resolution": "'server_wins'|'client_wins'|'manual_required'"},
"Failure": {"id": "string|null", "code": "string", "path": "string|null", "error": "string", "retryable": "boolean",
    "waiting?": "boolean", "first?": "First"},
"PushAnswer": {"results": ["Result"], "conflicts": ["Conflict"], "failedItems": ["Failure"],
    "syncedItems": ["string"], "syncVersion": "integer", "epoch": "string", "cursor?": "string", "reset?": "boolean",
    "serverTimestamp": "time"},
"PullRequest": {"deviceId": "string", "cursor?": "string|null", "resourceTypes?": ["string"],
    "scope?": {"*": ["any"]}, "limit?": "integer|null", "count?": "boolean|null", "lastSyncVersion?": "integer|null",
    "from?": "integer|null", "epoch?": "string|null", "learnerId?": "string|null"},
"List": {"id": ["string"], "members?": "'latest'"},
"PullAnswer": {"changes": ["Change"], "syncVersion": "integer", "epoch": "string", "cursor?": "string",
    "hasMore": "boolean", "reset": "boolean", "behind?": "boolean", "lists?": {"*": {"*": "List"}},
    "count?": "integer"},
"Held": {"resourceType": "string", "resourceId": "string", "version": "integer", "members": "integer"},
"VerifyRequest": {"cursor": "string", "count": "integer", "sum": "integer", "buckets?": ["integer"],
    "resourceTypes?": ["string"], "scope?": {"*": ["any"]}, "deviceId?": "string", "learnerId?": "string"},
"VerifyAnswer": {"equal?": "boolean", "behind?": "boolean", "count?": "integer", "sum?": "integer",
    "buckets?": ["integer"], "differing?": ["integer"], "resources?": ["Held"], "hasMore?": "boolean"},
"Device": {"userId": "string", "deviceId": "string", "deviceName": "string|null", "isActive": "boolean",
    "metadata": "object|null", "lastSyncAt": "time|null", "lastSyncVersion": "integer", "clockSkew": "integer|null",
    "syncedResources": {"*": "time"}, "failedCount": "integer", "pendingCount": "integer",
    "conflictCount": "integer", "wipe?": {"askedAt?": "time", "doneAt?": "time|null"}},
"DevicesAnswer": {"devices": ["Device"]},
"Warning": {"code": "string", "count": "integer", "limit": "integer", "message": "string"},
"OpenConflict": {"id": "string", "deviceId": "string", "resourceType": "string", "resourceId": "string",
    "operation": "string", "clientData": "any", "createdAt": "time", "serverVersion": "integer|null",
    "serverData": "object|null", "serverDataThen?": "object|null"},
"StatusAnswer": {"devices": ["Device"], "conflicts": ["OpenConflict"], "hasMore": "boolean", "warnings": ["Warning"],
    "failedCount": "integer", "pendingCount": "integer", "conflictCount": "integer"},
"ResolveRequest": {"conflictId": "string", "resolution": "'use_server'|'use_client'|'use_merged'|'keep_both'",
    "mergedData?": "object", "force?": "boolean", "reason?": "string|null", "by?": "string|null",
    "learnerId?": "string|null"},
"ResolveAnswer": {"message": "string", "version": "integer", "resourceType": "string", "resourceId": "string"},
"DeviceRequest": {"deviceId": "string", "wipe?": "boolean|null", "wiped?": "boolean|null",
    "learnerId?": "string|null"},
"Message": {"message": "string"},
"WhyRequest": {"resourceType": "string", "resourceId": "string", "field?": "string|null",
    "learnerId?": "string|null"},
"WhyAnswer": {"resourceType": "string", "resourceId": "string", "version": "integer", "data": "object|null",
    "fields": {"*": "object"}, "since": "time|null", "complete": "boolean", "corrections?": ["object"]},
"Event": {"eventId": "string", "occurredAt": "time", "clientId": "string", "type": "string", "payload?": "any"},
"PutRequest": {"events": ["Event"], "since?": "string|null", "sentAt?": "time|null", "deviceId?": "string|null",
    "clientUpdatedAt?": "any", "learnerId?": "string|null"},
"EventFailure": {"eventId": "string|null", "code": "string", "message": "string", "waiting?": "boolean",
    "first?": "any"},
"PutAnswer": {"ok": "boolean", "data": {"accepted": "integer", "duplicates": "integer", "cursor": "string",
    "failedEvents": ["EventFailure"]}},
"ContentProgress": {"contentId": "string", "status": "'not_started'|'in_progress'|'completed'|'passed'",
    "score?": "number", "lastAttemptAt?": "string", "completedAt?": "string", "contentVersion": "string",
    "interactions?": {"*": "object"}},
"Snapshot": {"version": "integer", "content": {"*": "ContentProgress"}, "activePathId": "string|null",
    "onboarding": {"pathId": "string|null", "relatedPaths": ["string"], "completedAt": "string|null"},
    "streak": {"currentStreak": "integer", "longestStreak": "integer", "lastActivityDate": "string|null"},
    "lastUpdated": "string|null"},
"GetAnswer": {"ok": "boolean", "data": {"snapshot": "Snapshot", "events": ["object"], "cursor": "string",
    "hasMore": "boolean", "orderedAt?": {"*": "time"}}},
"ModuleEvent": {"idempotencyKey": "string", "deviceId?": "string", "moduleId": "string", "clientTimestamp": "time",
    "progressPercent?": "number", "syncVersion?": "integer", "score?": "number"},
"ModuleRequest": {"events": ["ModuleEvent"], "sentAt?": "time|null", "learnerId?": "string|null"},
"ModuleResult": {"idempotencyKey": "string|null", "status": "'applied'|'skipped'|'rejected'", "reason?": "string",
    "waiting?": "boolean"},
"ModuleAnswer": {"success": "boolean", "data": {"results": ["ModuleResult"]}},
"BatchItem": {"idempotency_key": "string", "activity_type": "string", "content_id": "string", "score?": "number|null",
    "duration_seconds?": "number|null", "meta_data?": "object|null", "timestamp?": "time|null",
    "completed?": "boolean|null"},
"BatchRequest": {"profile_id": "string", "items": ["BatchItem"], "sentAt?": "time|null", "learnerId?": "string|null"},
"BatchResult": {"idempotency_key": "string|null", "status": "'ok'|'duplicate'|'error'", "server_id?": "string",
    "error?": "string", "waiting?": "boolean"},
"BatchAnswer": {"results": ["BatchResult"]},
"LearnerRequest": {"timeZone?": "string|null", "dayStarts?": "string|null", "from?": "string|null",
    "learnerId?": "string|null"},
"LearnerAnswer": {"timeZone": "string", "dayStarts": "string", "from": "string|null"},
"CleanupRequest": {"daysOld?": "integer|null"},
"CleanupAnswer": {"message": "string", "deletedCount": "integer"}
}$shapes$::jsonb;
END
$$;
COMMENT ON FUNCTION learnsync_internal.shapes_as_owner() IS
    'What goes to and comes from the functions of learnsync_api, as shapes by name.';

CREATE OR REPLACE FUNCTION learnsync_internal.api_calls_as_owner()
    RETURNS TABLE (name text, request jsonb, answer jsonb, is_read boolean)
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY VALUES
        ('sync_push', jsonb '"PushRequest"', jsonb '"PushAnswer"', false),
        ('sync_pull', '"PullRequest"', '"PullAnswer"', false),
        ('sync_verify', '"VerifyRequest"', '"VerifyAnswer"', false),
        ('sync_why', '"WhyRequest"', '"WhyAnswer"', false),
        ('sync_resolve', '"ResolveRequest"', '"ResolveAnswer"', false),
        ('sync_deactivate_device', '"DeviceRequest"', '"Message"', false),
        ('sync_activate_device', '"DeviceRequest"', '"Message"', false),
        ('progress_put', '"PutRequest"', '"PutAnswer"', false),
        ('sync_progress', '"ModuleRequest"', '"ModuleAnswer"', false),
        ('sync_completions', '"ModuleRequest"', '"ModuleAnswer"', false),
        ('progress_batch', '"BatchRequest"', '"BatchAnswer"', false),
        ('set_learner', '"LearnerRequest"', '"LearnerAnswer"', false),
        ('sync_cleanup', '"CleanupRequest"', '"CleanupAnswer"', false),
        ('sync_status', '{"deviceId?": "string|null", "after?": "string|null", "limit?": "integer"}',
            '"StatusAnswer"', true),
        ('sync_devices', '{}', '"DevicesAnswer"', true),
        ('progress_get', '{"since?": "string|null", "limit?": "integer|null"}', '"GetAnswer"', true),
        ('xapi_export', '{"since?": "time|null"}', '["object"]', true),
        ('openapi', '{}', '"object"', true);
END
$$;
COMMENT ON FUNCTION learnsync_internal.api_calls_as_owner() IS
    'The calls that openapi() describes: names, shapes of what goes in and comes out, whether GET may call them.';

CREATE OR REPLACE FUNCTION learnsync_internal.field_schema_as_owner(field jsonb, is_document boolean,
    may_be_null boolean)
    RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    strategy CONSTANT text := COALESCE(field ->> 'merge', 'latest');
    kind text := COALESCE(NULLIF(field ->> 'type', 'any'), CASE
        WHEN strategy IN ('sum', 'counter') THEN 'number' WHEN strategy IN ('any', 'all') THEN 'boolean'
        WHEN strategy = 'union' THEN 'array' WHEN strategy = 'map_latest' THEN 'object' END);
    is_total CONSTANT boolean := is_document AND strategy IN ('sum', 'counter');
    schema jsonb;
BEGIN
    IF field ? 'derive' THEN
        RETURN jsonb_build_object('readOnly', true, 'enum',
            (SELECT jsonb_agg(DISTINCT s -> 'value') FROM jsonb_array_elements(field -> 'steps') s));
    ELSIF strategy IN ('first_time', 'last_time') THEN
        RETURN '{"type": "string", "format": "date-time", "readOnly": true}';
    END IF;
    kind := CASE WHEN kind = 'integer' AND field ? 'round' AND NOT is_document THEN 'number' ELSE kind END;
    schema := CASE WHEN strategy = 'rank' THEN jsonb_build_object('enum', field -> 'values')
        WHEN kind IS NULL AND strategy IN ('max', 'min') THEN '{"type": ["number", "string"]}'
        WHEN kind IS NULL THEN '{}' ELSE jsonb_build_object('type', kind) END
        || CASE WHEN strategy = 'union' THEN jsonb_build_object('items',
            CASE WHEN jsonb_array_length(jsonb_path_query_array(field, '$.id[*]')) > 0 THEN
                '{"type": "object", "additionalProperties": true}'::jsonb ELSE '{}' END) ELSE '{}' END
        || CASE WHEN field ? 'maxLength' THEN jsonb_build_object('maxLength', field -> 'maxLength') ELSE '{}' END
        || CASE WHEN field ? 'min' AND NOT is_total AND jsonb_typeof(field -> 'min') = 'number'
            THEN jsonb_build_object('minimum', field -> 'min') ELSE '{}' END
        || CASE WHEN field ? 'max' AND NOT is_total AND (is_document OR NOT field ? 'cap')
                AND jsonb_typeof(field -> 'max') = 'number'
            THEN jsonb_build_object('maximum', field -> 'max') ELSE '{}' END;
    RETURN CASE WHEN schema = '{}' OR NOT may_be_null OR (field ->> 'required')::boolean THEN schema
        ELSE jsonb_build_object('anyOf', jsonb_build_array(schema, '{"type": "null"}'::jsonb)) END;
END
$$;
COMMENT ON FUNCTION learnsync_internal.field_schema_as_owner(jsonb, boolean, boolean) IS
    'The JSON Schema of a field by what a rule says of it: in a document, or in what an item brings.';

CREATE OR REPLACE FUNCTION learnsync_internal.rule_schema_as_owner(rule jsonb, is_document boolean) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keys CONSTANT text[] := ARRAY(SELECT k FROM jsonb_array_elements_text(COALESCE(rule -> 'key', '[]')) k);
    -- Apart, as a large rule comes compressed, and would be unpacked for each field.
    policy CONSTANT text := COALESCE(rule ->> 'policy', 'merge');
    fields CONSTANT jsonb := COALESCE(rule -> 'fields', '{}');
    schema jsonb;
BEGIN
    SELECT jsonb_build_object('type', 'object', 'additionalProperties', rule ->> 'other' IS DISTINCT FROM 'refuse',
        'properties', COALESCE(jsonb_object_agg(f.name, f.schema), '{}'),
        'required', COALESCE(jsonb_agg(f.name ORDER BY f.name) FILTER (WHERE f.is_required), '[]'))
    INTO schema
    FROM (SELECT k AS name, is_document AS is_required, CASE
              WHEN fields #>> ARRAY[k, 'type'] = 'integer' THEN
                  '{"type": "integer"}'::jsonb || CASE WHEN fields -> k ? 'min' THEN
                      jsonb_build_object('minimum', fields #> ARRAY[k, 'min']) ELSE '{}' END
              WHEN is_document THEN '{"type": "string"}' ELSE '{"type": ["string", "number"]}' END AS schema
          FROM unnest(keys) k
          UNION ALL
          SELECT m.key, COALESCE((m.value ->> 'required')::boolean, false),
              learnsync_internal.field_schema_as_owner(m.value, is_document,
                  NOT is_document OR policy <> 'merge'
                      OR COALESCE(m.value ->> 'merge', 'latest') = 'latest')
          FROM jsonb_each(fields) m WHERE m.key <> ALL (keys)
          UNION ALL
          SELECT m.key, true, m.value
          FROM jsonb_each('{"actor": {"type": "object", "additionalProperties": true},
              "verb": {"type": "object", "additionalProperties": true},
              "object": {"type": "object", "additionalProperties": true}}') m
          WHERE rule ->> 'format' = 'xapi') f;
    RETURN schema;
END
$$;
COMMENT ON FUNCTION learnsync_internal.rule_schema_as_owner(jsonb, boolean) IS
    'The JSON Schema of the documents of a rule, or of the data of its items.';

CREATE OR REPLACE FUNCTION learnsync_internal.json_schema_as_owner(type text, kind text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rule jsonb;
BEGIN
    IF kind IS NULL OR kind NOT IN ('item', 'document') THEN
        RAISE EXCEPTION 'there is no schema of that kind' USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'kind must be item or document.';
    END IF;
    SELECT t.rule INTO rule FROM learnsync_data.resource_type t WHERE t.name = type;
    IF rule IS NULL THEN
        RAISE EXCEPTION 'there is no such resource type' USING ERRCODE = 'undefined_object',
            DETAIL = format('It is %s.', COALESCE('"' || type || '"', 'NULL'));
    END IF;
    RETURN jsonb_build_object('$schema', 'https://json-schema.org/draft/2020-12/schema', 'title', type || ' ' || kind)
        || learnsync_internal.rule_schema_as_owner(rule, kind = 'document');
END
$$;
COMMENT ON FUNCTION learnsync_internal.json_schema_as_owner(text, text) IS 'What json_schema() answers.';

CREATE OR REPLACE FUNCTION learnsync.json_schema(type text, kind text DEFAULT 'document') RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_json_schema';
COMMENT ON FUNCTION learnsync.json_schema(text, text) IS
    'The JSON Schema (2020-12) of a resource type, made from its rule. kind: document, what a pull shows, or item, the '
    'data of an item. Computed fields are readOnly. Errors: 42704 no such type, 22023 another kind.';

CREATE OR REPLACE FUNCTION learnsync_internal.typed_shape_as_owner(shape jsonb, kind text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    conditions jsonb;
BEGIN
    SELECT jsonb_agg(jsonb_build_object(
        'if', jsonb_build_object('properties', jsonb_build_object(
            'resourceType', jsonb_build_object('const', t.name), 'operation', '{"enum": ["create", "update"]}'::jsonb)),
        'then', jsonb_build_object('properties', jsonb_build_object('data', jsonb_build_object(
            '$ref', '#/components/schemas/' || t.name || '_' || kind)))) ORDER BY t.name)
    INTO conditions FROM learnsync_data.resource_type t;
    RETURN learnsync_internal.shape_schema_as_owner(shape)
        || CASE WHEN conditions IS NULL THEN '{}' ELSE jsonb_build_object('allOf', conditions) END;
END
$$;
COMMENT ON FUNCTION learnsync_internal.typed_shape_as_owner(jsonb, text) IS
    'The JSON Schema of a shape whose data is of the type that its resourceType says.';

-- Answers to requests with members that nobody knows say so.
CREATE OR REPLACE FUNCTION learnsync_internal.openapi_schemas_as_owner() RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT COALESCE(jsonb_object_agg(t.name || '_' || k.kind,
                learnsync_internal.rule_schema_as_owner(t.rule, k.kind = 'document')), '{}')
            FROM learnsync_data.resource_type t CROSS JOIN (VALUES ('document'), ('item')) k (kind))
        || (SELECT jsonb_object_agg(s.key, learnsync_internal.shape_schema_as_owner(s.value
                || CASE WHEN s.key ~ 'Answer$' THEN '{"ignored?": ["string"], "meant?": {"*": "string"}}'::jsonb
                    ELSE '{}' END)) FROM jsonb_each(learnsync_internal.shapes_as_owner()) s)
        || jsonb_build_object(
            'Change', learnsync_internal.typed_shape_as_owner('{"resourceType": "string", "resourceId": "string",
                "version": "integer", "operation": "''create''|''update''|''delete''", "serverTimestamp": "time",
                "delta?": "boolean", "left?": "boolean", "data": "object"}', 'document'),
            'Item', learnsync_internal.typed_shape_as_owner('{"id?": "string", "resourceType": "string",
                "resourceId?": "string|number|null", "operation": "''create''|''update''|''delete''",
                "data?": "object|null", "clientTimestamp": "time", "seen?": "string|integer|null",
                "ancestor?": "object|null"}', 'item'));
END
$$;
COMMENT ON FUNCTION learnsync_internal.openapi_schemas_as_owner() IS 'The schemas of openapi().';

CREATE OR REPLACE FUNCTION learnsync_internal.openapi_as_owner() RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem CONSTANT jsonb := '{"description": "what was refused: code is the SQLSTATE, or that of the proxy",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}';
BEGIN
    RETURN jsonb_build_object(
        'openapi', '3.1.0',
        'info', jsonb_build_object('title', 'learnsync', 'version',
            (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'learnsync'),
            'description', 'The functions that apps call. The views are described at /.'),
        'security', '[{"bearer": []}]'::jsonb,
        'paths', (SELECT jsonb_object_agg('/rpc/' || c.name, CASE WHEN c.is_read THEN jsonb_build_object('get',
                call.operation || jsonb_build_object('operationId', 'get_' || c.name, 'parameters', (
                    SELECT COALESCE(jsonb_agg(jsonb_build_object('in', 'query', 'name', rtrim(p.key, '?'), 'schema',
                        learnsync_internal.shape_schema_as_owner(p.value))), '[]') FROM jsonb_each(c.request) p)))
                ELSE '{}' END
                || jsonb_build_object('post', call.operation || jsonb_build_object('operationId', c.name,
                    'requestBody', jsonb_build_object('required', true, 'content', jsonb_build_object(
                        'application/json', jsonb_build_object('schema',
                            learnsync_internal.shape_schema_as_owner(c.request)))))))
            FROM learnsync_internal.api_calls_as_owner() c, LATERAL (SELECT jsonb_build_object(
                'description', (SELECT obj_description(p.oid) FROM pg_proc p
                    WHERE p.proname = c.name AND p.pronamespace = 'learnsync_api'::regnamespace),
                'responses', jsonb_build_object('default', problem, '200', jsonb_build_object('description', 'done',
                    'content', jsonb_build_object('application/json', jsonb_build_object('schema',
                        learnsync_internal.shape_schema_as_owner(c.answer)))))) AS operation) call),
        'components', jsonb_build_object(
            'securitySchemes', '{"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}'::jsonb,
            'schemas', learnsync_internal.openapi_schemas_as_owner()));
END
$$;
COMMENT ON FUNCTION learnsync_internal.openapi_as_owner() IS 'What openapi() answers.';

CREATE OR REPLACE FUNCTION learnsync.openapi() RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_openapi';
COMMENT ON FUNCTION learnsync.openapi() IS
    'OpenAPI 3.1 of the functions of learnsync_api with their bodies and answers, and of the documents of all resource '
    'types, made from their rules.';

CREATE OR REPLACE FUNCTION learnsync_api.openapi() RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_openapi';
COMMENT ON FUNCTION learnsync_api.openapi() IS
    'OpenAPI 3.1 of the functions here with their bodies and answers, and of the documents of all resource types.';

-- How a JSON Schema made here reads in TypeScript. What servers compute nobody sends.
CREATE OR REPLACE FUNCTION learnsync_internal.typescript_of_as_owner(schema jsonb, is_sent boolean) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    required CONSTANT jsonb := COALESCE((SELECT jsonb_object_agg(r, true)
        FROM jsonb_array_elements_text(schema -> 'required') r), '{}');
    others CONSTANT jsonb := schema -> 'additionalProperties';
BEGIN
    IF schema ? '$ref' THEN
        RETURN regexp_replace(schema ->> '$ref', '^.*/', '');
    ELSIF schema ? 'const' THEN
        RETURN schema -> 'const';
    ELSIF schema ? 'enum' OR schema ? 'anyOf' OR jsonb_typeof(schema -> 'type') = 'array' THEN
        RETURN (SELECT string_agg(w.word, ' | ' ORDER BY w.place)
                FROM (SELECT DISTINCT ON (p.word) p.word, p.place
                      FROM (SELECT CASE WHEN schema ? 'enum' THEN e.value::text
                                WHEN schema ? 'anyOf' THEN
                                    learnsync_internal.typescript_of_as_owner(e.value, is_sent)
                                ELSE learnsync_internal.typescript_of_as_owner(
                                    jsonb_build_object('type', e.value), is_sent) END AS word, e.place
                            FROM jsonb_array_elements(COALESCE(schema -> 'enum', schema -> 'anyOf', schema -> 'type'))
                                WITH ORDINALITY e (value, place)) p
                      ORDER BY p.word, p.place) w);
    ELSIF schema ->> 'type' = 'array' THEN
        RETURN 'Array<' || learnsync_internal.typescript_of_as_owner(schema -> 'items', is_sent) || '>';
    ELSIF schema ->> 'type' <> 'object' THEN
        RETURN CASE schema ->> 'type' WHEN 'integer' THEN 'number' ELSE schema ->> 'type' END;
    ELSIF schema = '{}' OR schema IS NULL THEN
        RETURN 'any';
    END IF;
    RETURN '{' || COALESCE((
            SELECT string_agg(format(' %s%s: %s;',
                    CASE WHEN m.key ~ '^[A-Za-z_][A-Za-z0-9_]*$' THEN m.key ELSE to_json(m.key)::text END,
                    CASE WHEN required ? m.key THEN '' ELSE '?' END,
                    learnsync_internal.typescript_of_as_owner(m.value, is_sent)), ''
                    ORDER BY NOT required ? m.key, m.key)
            FROM jsonb_each(COALESCE(schema -> 'properties', '{}')) m
            WHERE NOT (is_sent AND COALESCE((m.value ->> 'readOnly')::boolean, false))), '')
        || CASE WHEN jsonb_typeof(others) = 'object' THEN
                ' [name: string]: ' || learnsync_internal.typescript_of_as_owner(others, is_sent) || ';'
            WHEN others = 'true' OR NOT schema ? 'properties' THEN ' [name: string]: any;' ELSE '' END || ' }';
END
$$;
COMMENT ON FUNCTION learnsync_internal.typescript_of_as_owner(jsonb, boolean) IS 'A JSON Schema as a type.';

-- Types whose rule names fields have these and no others here: a name that is misspelt is found by the compiler.
CREATE OR REPLACE FUNCTION learnsync_internal.typescript_as_owner() RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    types text;
BEGIN
    SELECT string_agg(format(E'export interface %s {\n%s\n}\n', k.name, k.members), E'\n' ORDER BY k.name DESC)
    INTO types
    FROM (SELECT k.name, string_agg(format('  %s: %s;', t.name, learnsync_internal.typescript_of_as_owner(
                  s.schema || jsonb_build_object('additionalProperties', t.rule ->> 'format' = 'xapi'
                      OR NOT EXISTS (SELECT FROM jsonb_object_keys(COALESCE(t.rule -> 'fields', '{}')) f
                                     WHERE NOT COALESCE(t.rule -> 'key', '[]') ? f),
                      'required', s.schema -> 'required' || CASE
                          WHEN (t.rule ->> 'generateKey')::boolean THEN '[]' ELSE COALESCE(t.rule -> 'key', '[]') END),
                  NOT k.is_document)), E'\n' ORDER BY t.name) AS members
          FROM learnsync_data.resource_type t
          CROSS JOIN (VALUES ('Items', false), ('Documents', true)) k (name, is_document),
              LATERAL (SELECT learnsync_internal.rule_schema_as_owner(t.rule, k.is_document)) s (schema)
          GROUP BY k.name) k;
    RETURN E'// Made by learnsync.typescript() from the rules of resource types. Make it anew when these change.\n\n'
        || COALESCE(types, E'export interface Items {}\n\nexport interface Documents {}\n')
        || (SELECT string_agg(format(E'\nexport type %s = %s;\n', s.key,
                learnsync_internal.typescript_of_as_owner(s.value, false)), '' ORDER BY s.key)
            FROM jsonb_each(learnsync_internal.openapi_schemas_as_owner()) s WHERE s.key ~ '^[A-Z]');
END
$$;
COMMENT ON FUNCTION learnsync_internal.typescript_as_owner() IS 'What typescript() answers.';

CREATE OR REPLACE FUNCTION learnsync.typescript() RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_typescript';
COMMENT ON FUNCTION learnsync.typescript() IS
    'TypeScript of the resource types, made from their rules: Items, the data of items by type, Documents, what a pull '
    'shows, and the bodies and answers of the functions of learnsync_api. Clients of clients/js take the first two: '
    'open<Items, Documents>(...).';
