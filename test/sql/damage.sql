-- What somebody else wrote into the tables ends no server: whoever reads such a row raises XX001 and names it.
BEGIN;
SELECT no_plan();

SELECT learnsync.define_resource_type('shelf', '{"key": ["k"], "stale": "discard",
    "fields": {"taps": {"merge": "counter"}, "tags": {"merge": "union"}, "prefs": {"merge": "map_latest"}}}');
CREATE FUNCTION pg_temp.item(id text, type text, hour int, data jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', type,
        'clientTimestamp', format('2026-01-08T%s:00:00Z', hour), 'data', data) $$;
CREATE FUNCTION pg_temp.push(VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push('ada', jsonb_build_object('deviceId', 'd', 'items', to_jsonb(items)))::jsonb $$;
CREATE FUNCTION pg_temp.statement(id int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', format('00000000-0000-4000-8000-00000000000%s', id),
        'actor', '{"mbox": "mailto:a@example.org"}'::jsonb, 'verb', '{"id": "http://example.org/v"}'::jsonb,
        'object', '{"id": "http://example.org/o"}'::jsonb) $$;
CREATE FUNCTION pg_temp.event(id text, type text, payload jsonb, hour int DEFAULT 10) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('eventId', id, 'clientId', 'c', 'type', type,
        'occurredAt', format('2026-01-08T%s:00:00Z', hour), 'payload', payload) $$;
CREATE FUNCTION pg_temp.put(VARIADIC events jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.progress_put('ada', jsonb_build_object('events', to_jsonb(events)))::jsonb $$;
CREATE FUNCTION pg_temp.content(interaction text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('contentId', 'q', 'status', 'completed', 'score', 50,
        'interaction', jsonb_build_object('interactionId', interaction, 'state', '{"a": 1}'::jsonb)) $$;

SELECT pg_temp.push(
    pg_temp.item('1', 'shelf', 12, '{"k": "s", "n": 1, "taps": 7, "tags": ["a"], "prefs": {"x": 1}}'),
    pg_temp.item('2', 'shelf', 11, '{"k": "s", "n": 2}'),
    pg_temp.item('3', 'shelf', 13, '{"k": "s", "prefs": {"x": null}}'),
    pg_temp.item('4', 'lesson_progress', 12, '{"lessonId": "l", "timeSpent": 5}'),
    pg_temp.item('5', 'xapi_statement', 12, pg_temp.statement(1)));
SELECT pg_temp.put(
    pg_temp.event('e1', 'content.progressed', pg_temp.content('i')),
    pg_temp.event('e2', 'onboarding.completed', '{"pathId": "p", "relatedPaths": ["r"]}'));
SELECT is(
    (SELECT count(*) FROM learnsync_data.conflict WHERE closed_at IS NULL) +
        (SELECT count(*) FROM learnsync_data.resource) + (SELECT count(*) FROM learnsync_data.progress_interaction),
    5::bigint,
    'there is one of each');

-- What a call answers while something is damaged: fine, or SQLSTATE and detail. The damage is undone.
CREATE FUNCTION pg_temp.after(damage text, call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text := 'fine'; detail text;
BEGIN
    EXECUTE damage;
    BEGIN
        EXECUTE call;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
        answer := concat_ws(' ', SQLSTATE, detail);
    END;
    RAISE EXCEPTION USING ERRCODE = 'XUNDO', MESSAGE = answer;
EXCEPTION WHEN SQLSTATE 'XUNDO' THEN
    RETURN SQLERRM;
END $$;

SET LOCAL learnsync.learner_id = 'ada';
CREATE TEMP TABLE call (name text, call text);
INSERT INTO call VALUES
    ('pull', $$SELECT learnsync.sync_pull('ada', '{"deviceId": "e", "lastSyncVersion": 1}')$$),
    ('scoped pull', $$SELECT learnsync.sync_pull('ada', '{"deviceId": "e", "lastSyncVersion": 1,
                          "scope": {"k": ["s"]}}')$$),
    ('status', $$SELECT learnsync.sync_status('ada')$$),
    ('push', $$SELECT pg_temp.push(pg_temp.item('6', 'shelf', 14, '{"k": "s", "taps": 8, "tags": ["b"]}'))$$),
    ('retry', $$SELECT pg_temp.push(pg_temp.item('2', 'shelf', 11, '{"k": "s", "n": 2}'))$$),
    ('resolve', $$SELECT learnsync.sync_resolve('ada', jsonb_build_object('force', true, 'resolution', 'use_client',
                      'conflictId', conflict_id))
                  FROM learnsync_data.conflict$$),
    ('lesson', $$SELECT pg_temp.push(pg_temp.item('7', 'lesson_progress', 14, '{"lessonId": "l", "timeSpent": 5}'))$$),
    ('statement', $$SELECT pg_temp.push(pg_temp.item('8', 'xapi_statement', 14, pg_temp.statement(1)))$$),
    ('export', $$SELECT learnsync.xapi_export('ada')$$),
    ('get', $$SELECT learnsync.progress_get('ada')$$),
    ('streak', $$SELECT learnsync.progress_get('ada')$$),
    ('statistics', 'SELECT current_streak FROM learnsync_api.learner_stats'),
    ('set', $$SELECT learnsync.set_learner('ada', '{}')$$),
    ('put', $$SELECT pg_temp.put(pg_temp.event('e3', 'content.progressed', pg_temp.content('i'), 11))$$),
    ('put again', $$SELECT pg_temp.put(pg_temp.event('e1', 'content.progressed', pg_temp.content('i')))$$),
    ('reset', $$SELECT pg_temp.put(pg_temp.event('e4', 'progress.reset', '{}', 12))$$);
SELECT is(pg_temp.after('', call), 'fine', name || ' works where nothing is damaged') FROM call
WHERE name <> 'resolve' OR true;

CREATE TEMP TABLE damage (name text, damage text, calls text[], detail text);
-- Documents and notes that are no objects, as a trigger makes them that encodes JSON twice, and what only a packed
-- state has.
INSERT INTO damage
SELECT column_name || ' ' || value,
    format('UPDATE learnsync_data.resource SET %I = %L WHERE resource_type = ''shelf''', column_name, value),
    '{pull,scoped pull,status,push,retry,resolve}',
    format('Column %s of learnsync_data.resource must be an object%s, in the row with the key ("ada", "shelf", "s").',
        column_name, CASE WHEN value LIKE '{%' THEN ' without the member "_learnsync"' ELSE '' END)
FROM (VALUES
    ('data', '"{}"'),
    ('data', '1'),
    ('data', 'null'),
    ('data', '[]'),
    ('data', '[{"k": "s"}]'),
    ('data', '{"k": "s", "_learnsync": {"at": "9999-12-31T00:00:00Z"}}'),
    ('book', '"{}"'),
    ('book', '7'),
    ('book', 'null'),
    ('book', '[]')) v (column_name, value);
INSERT INTO damage
SELECT type || ' ' || value,
    format('UPDATE learnsync_data.resource SET data = %L WHERE resource_type = %L', value, type), calls,
    format('Column data of learnsync_data.resource must be an object, in the row with the key ("ada", "%s", "%s").',
        type, id)
FROM (VALUES
    ('lesson_progress', 'l', '{pull,lesson}'::text[]),
    ('xapi_statement', '00000000-0000-4000-8000-000000000001', '{pull,statement,export}')) v (type, id, calls),
    unnest('{"\"{}\"",true,[]}'::text[]) value;
-- What a counter keeps of its devices.
INSERT INTO damage VALUES ('total', $$UPDATE learnsync_data.member SET value = '"7"' WHERE field = 'taps'$$, '{push}',
    'Column value of learnsync_data.member must be a number, in the row with the key ("ada", "shelf", "s", "taps", '
    '"d").'),
    ('sum', $$UPDATE learnsync_data.resource SET data = data || '{"taps": "7"}' WHERE resource_type = 'shelf'$$,
        '{push}',
        'Column data of learnsync_data.resource must be an object with a number as "taps", in the row with the key '
        '("ada", "shelf", "s").');
INSERT INTO damage
SELECT 'conflict ' || value, format('UPDATE learnsync_data.conflict SET client_data = %L', value), '{resolve}',
    format('Column client_data of learnsync_data.conflict must be an object, in the row with the key ("ada", "%s").',
        conflict_id)
    FROM learnsync_data.conflict, unnest('{"\"{}\"",1,"null",[]}'::text[]) value;
-- The event log, and what is derived from it.
INSERT INTO damage
SELECT 'event ' || value,
    format('UPDATE learnsync_data.event SET event = %L WHERE learner_id = ''ada'' AND event_id = ''e1''', value),
    '{get,put again,reset}',
    'Column event of learnsync_data.event must be an object, in the row with the key ("ada", "e1").'
    FROM unnest('{"\"{}\"",1,"null",[]}'::text[]) value;
INSERT INTO damage
SELECT 'event ' || value,
    format('UPDATE learnsync_data.event SET event = event || %L WHERE learner_id = ''ada'' AND event_id = ''e1''',
        value),
    '{reset}',
    format('Column event of learnsync_data.event must be an event that can be taken (%s), in the row with the key '
           '("ada", "e1").',
        why)
FROM (VALUES
    ('{"payload": 1}', 'payload must be an object'),
    ('{"type": "x"}', 'unknown event type'),
    ('{"eventId": null}', 'eventId must be a string of 1 to 200 characters')) v (value, why);
INSERT INTO damage
SELECT columns || ' ' || value,
    format('UPDATE learnsync_data.progress SET %I = %L WHERE learner_id = ''ada''', columns, value),
    '{get,put,reset}',
    format('Column %s of learnsync_data.progress must be %s, in the row with the key ("ada").', columns, must)
FROM (VALUES
    ('onboarding', '"{}"', 'an object'),
    ('onboarding', '[]', 'an object'),
    ('onboarding', 'null', 'an object'),
    ('onboarding_sent', repeat('1', 70000), 'an RFC 3339 time'),
    ('onboarding_at', 'infinity', 'a time that clients can have'),
    ('onboarding_id', '', 'of 1 to 200 characters'),
    ('onboarding_id', repeat('x', 70000), 'of 1 to 200 characters'),
    ('active_path', '', 'of 1 to 200 characters'),
    ('last_sent', 'yesterday', 'an RFC 3339 time')) v (columns, value, must);
-- What was said of the learner's days.
INSERT INTO damage
SELECT 'days ' || value, format('UPDATE learnsync_data.learner SET days = %L WHERE learner_id = ''ada''', value),
    '{streak,statistics,set}',
    'Column days of learnsync_data.learner must be an array of [time, time zone, minutes], by time, in the row with '
    'the key ("ada").'
FROM unnest('{"{}",1,"null","[1]","[[1, 2, 3]]","[[\"2026-01-01T00:00:00Z\", \"UTC\", 1440]]"}'::text[]) value;
INSERT INTO damage
SELECT columns || ' ' || value, format('UPDATE learnsync_data.progress_content SET %I = %L', columns, value),
    '{get,put}',
    format('Column %s of learnsync_data.progress_content must be %s, in the row with the key ("ada", "q").', columns,
        must)
FROM (VALUES
    ('status', 'done', 'a status'),
    ('score', 'NaN', 'between 0 and 100'),
    ('score', '101', 'between 0 and 100'),
    ('last_id', repeat('x', 40000), 'of 1 to 200 characters'),
    ('last_at', '-infinity', 'a time that clients can have'),
    ('completed_sent', '2026-01-08T10:00:00.' || repeat('1', 70000) || 'Z', 'an RFC 3339 time'),
    ('content_version', '', 'of 1 to 200 characters')) v (columns, value, must);
INSERT INTO damage
SELECT columns || ' ' || value, format('UPDATE learnsync_data.progress_interaction SET %I = %L', columns, value),
    '{get,put}',
    format('Column %s of learnsync_data.progress_interaction must be %s, in the row with the key ("ada", "q", "i").',
        columns, must)
FROM (VALUES
    ('state', '"{}"', 'an object'),
    ('state', '1', 'an object'),
    ('state', 'null', 'an object'),
    ('state', '[]', 'an object'),
    ('event_id', '', 'of 1 to 200 characters'),
    ('at', 'infinity', 'a time that clients can have')) v (columns, value, must);

SELECT is(pg_temp.after(damage, call.call), 'XX001 ' || detail, concat_ws(' ', left(damage.name, 60), call.name))
FROM damage JOIN call ON call.name = ANY (calls) ORDER BY damage.name, call.name;

-- progress_verify goes on and names the row; progress_rebuild mends what can be derived, and leaves what cannot with a
-- warning.
SELECT pg_temp.put(pg_temp.event('e1', 'content.progressed', pg_temp.content('i')));
SELECT learnsync.progress_put('zoe', jsonb_build_object(
    'events', jsonb_build_array(pg_temp.event('e1', 'activePath.set', '{"pathId": "p"}'))));
UPDATE learnsync_data.progress SET active_path = 'other' WHERE learner_id = 'zoe';
CREATE FUNCTION pg_temp.verified()
    RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', learner_id, COALESCE(damage, 'differs')), '; ' ORDER BY learner_id)
    FROM learnsync.progress_verify() $$;
CREATE FUNCTION pg_temp.verified_after(damage text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
    EXECUTE damage;
    answer := pg_temp.verified();
    PERFORM learnsync_internal.progress_rebuild_next('', 0, -1);
    RAISE EXCEPTION USING ERRCODE = 'XUNDO', MESSAGE = answer || ' | ' || pg_temp.verified();
EXCEPTION WHEN SQLSTATE 'XUNDO' THEN
    RETURN SQLERRM;
END $$;
SELECT is(pg_temp.verified(), 'zoe differs', 'verify names who differs');
SET LOCAL client_min_messages = error;
SELECT is(
    pg_temp.verified_after(damage),
    concat('ada ', detail, '; zoe differs | ',
        CASE WHEN name LIKE 'event %' AND detail NOT LIKE '%progress%' THEN 'ada ' || detail || '; ' END,
        'zoe differs'),
    left(name, 60) || ' is named')
FROM damage WHERE calls && '{get,put,reset}';

SELECT * FROM finish();
ROLLBACK;
