-- The built-in resource types: rows, not code.
CREATE OR REPLACE FUNCTION learnsync.builtin_resource_types() RETURNS TABLE (name text, rule jsonb)
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $types$
VALUES
    ('lesson_progress', '{
        "key": ["lessonId"], "policy": "merge", "stale": "merge", "other": "latest",
        "fields": {
            "courseId":        {"merge": "latest", "type": "string", "maxLength": 200},
            "completionPercentage": {"merge": "max", "type": "number", "min": 0, "max": 100},
            "timeSpent":       {"merge": "sum", "type": "integer", "min": 0},
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
    ('xapi_statement', '{"key": ["id"], "generateKey": true, "policy": "immutable", "format": "xapi"}')
$types$;
COMMENT ON FUNCTION learnsync.builtin_resource_types() IS
    'The resource types that learnsync ships and their merge rules; setup() adds those that are missing.';
