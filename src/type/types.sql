-- The built-in resource types: rows, not code.
CREATE OR REPLACE FUNCTION learnsync.builtin_resource_types() RETURNS TABLE (name text, rule jsonb)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $types$
VALUES
    ('lesson_progress', '{
        "key": ["lessonId"], "policy": "merge", "stale": "merge", "other": "latest",
        "fields": {
            "courseId":        {"merge": "latest", "type": "string", "maxLength": 200},
            "completionPercentage": {"merge": "max", "type": "number", "round": 6, "min": 0, "max": 100},
            "timeSpent":       {"merge": "sum", "type": "integer", "round": 0, "min": 0, "cap": 86400000},
            "status":          {"derive": "completionPercentage", "steps": [
                                   {"value": "not-started"},
                                   {"value": "in-progress", "above": 0},
                                   {"value": "completed", "from": 100}]},
            "startedAt":       {"merge": "first_time"},
            "completedAt":     {"merge": "first_time", "when": {"completionPercentage": {"from": 100}}},
            "lastAccessedAt":  {"merge": "last_time"}}}'::jsonb),
    ('quiz_attempt', '{
        "key": ["quizId", "attemptNumber"], "policy": "insert_only",
        "fields": {"attemptNumber": {"type": "integer", "min": 1}}}'),
    ('mastery', '{"key": ["competencyId"], "policy": "latest"}'),
    ('conversation', '{
        "generateKey": true, "policy": "merge", "stale": "ignore",
        "fields": {"messages": {"merge": "union", "id": ["id", "_id"]}}}'),
    ('xapi_statement', '{"key": ["id"], "generateKey": true, "policy": "immutable", "format": "xapi"}'),
    ('module_progress', '{
        "key": ["moduleId"], "policy": "latest", "clock": "syncVersion",
        "fields": {
            "progressPercent": {"type": "number", "round": 6, "min": 0, "max": 100, "required": true},
            "syncVersion":     {"type": "integer", "min": 0, "required": true}}}'),
    ('module_completion', '{
        "key": ["moduleId"], "policy": "merge", "stale": "ignore", "requireContent": true,
        "fields": {
            "score":       {"merge": "max", "type": "number", "round": 6, "min": 0, "max": 100, "required": true},
            "completedAt": {"merge": "first_time"}}}'),
    ('activity', '{
        "key": ["idempotency_key"], "generateKey": true, "policy": "immutable",
        "fields": {
            "activity_type":    {"type": "string", "maxLength": 200, "required": true},
            "content_id":       {"type": "string", "maxLength": 200, "required": true},
            "score":            {"type": "number"},
            "duration_seconds": {"type": "number", "min": 0},
            "meta_data":        {"type": "object"},
            "completed":        {"type": "boolean"}}}')
$types$;
COMMENT ON FUNCTION learnsync.builtin_resource_types() IS
    'The resource types that learnsync ships and their merge rules; setup() adds those that are missing.';

CREATE OR REPLACE FUNCTION learnsync.reset_resource_type(name text) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    shipped jsonb;
BEGIN
    SELECT t.rule INTO shipped FROM learnsync.builtin_resource_types() t WHERE t.name = reset_resource_type.name;
    IF shipped IS NULL THEN
        RAISE EXCEPTION '% is not a built-in resource type', coalesce(quote_ident(name), 'NULL')
            USING ERRCODE = 'undefined_object';
    END IF;
    RETURN learnsync.define_resource_type(name, shipped);
END
$$;
COMMENT ON FUNCTION learnsync.reset_resource_type(text) IS
    'Gives a built-in resource type its shipped rule again, or adds it where it was dropped, and answers what came '
    'of it. Errors: as learnsync.define_resource_type; 42704 where it is not a built-in one.';
