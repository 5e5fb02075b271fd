-- Devices whose clocks are wrong: what is believed, what arrival stands for, and that their order is kept.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.lesson(at text, data jsonb DEFAULT '{"completionPercentage": 100}', id text DEFAULT '1')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'lesson_progress',
        'data', '{"lessonId": "l"}' || data, 'clientTimestamp', at) $$;
CREATE FUNCTION pg_temp.push(learner text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 't', 'items', to_jsonb(items)))::jsonb $$;
CREATE FUNCTION pg_temp.document(learner text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT data FROM learnsync_data.resource WHERE learner_id = learner AND resource_type = 'lesson_progress' $$;

-- An empty clock battery.
SELECT is(pg_temp.push('east', pg_temp.lesson('1970-01-01T00:03:00+05:30')) -> 'syncedItems', '["1"]',
    'a clock at 1970 east of Greenwich is a clock');
SELECT is(pg_temp.push('west', pg_temp.lesson('1970-01-01T00:03:00Z')) -> 'syncedItems', '["1"]',
    'and so is one west of it');
SELECT is(
    (pg_temp.document(learner) ->> 'completedAt')::timestamptz BETWEEN now() - interval '1 day' AND clock_timestamp(),
    true,
    'what was completed ' || learner || ' of it was completed when it arrived')
FROM unnest(ARRAY['east', 'west']) learner;

-- The setting.
SET LOCAL learnsync.min_client_time = '1960-01-01';
SELECT pg_temp.push('believed', pg_temp.lesson('1970-01-01T00:03:00Z'));
SELECT is(pg_temp.document('believed') ->> 'completedAt', '1970-01-01T00:03:00.000Z',
    'a time after min_client_time is believed');
SET LOCAL learnsync.min_client_time = '2020-01-01';
SELECT pg_temp.push('not believed', pg_temp.lesson('2019-12-31T23:59:59.999999Z'));
SELECT is(pg_temp.document('not believed') ->> 'completedAt' > '2020', true, 'and one before it is not');
RESET learnsync.min_client_time;
SELECT throws_ok(
    format('SET learnsync.min_client_time = %L', value),
    '22023',
    'invalid value for parameter "learnsync.min_client_time": "' || value || '"',
    'min_client_time cannot be ' || value)
FROM unnest(ARRAY['', 'now', '2000', '2000-1-1', '2000-02-30', '2001-02-29', '0000-01-01', '2000-01-01T00:00:00Z',
    '2000-01-0', '2000--1-01', '+200-01-01']) value;
SELECT lives_ok(format('SET LOCAL learnsync.min_client_time = %L', value), 'min_client_time can be ' || value)
FROM unnest(ARRAY['0001-01-01', '2000-02-29', '9999-12-31']) value;

SELECT finish();
ROLLBACK;
