-- Devices: what is known of them, how their counts come about, and the deactivated ones.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.push(learner text, device text, more jsonb DEFAULT '{}')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', device, 'items', '[]'::jsonb) || more)::jsonb $$;
CREATE FUNCTION pg_temp.items(VARIADIC items text[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('items', jsonb_agg('{"operation": "create", "resourceType": "quiz_attempt",
            "clientTimestamp": "2026-01-08T10:00:00Z"}'::jsonb
            || i::jsonb))
    FROM unnest(items) i $$;
CREATE FUNCTION pg_temp.device(learner text, device text)
    RETURNS jsonb LANGUAGE plpgsql AS $$
    BEGIN RETURN jsonb_path_query_first(learnsync.sync_status(learner, device), '$.devices[0]') - 'lastSyncAt';
    END $$;
CREATE FUNCTION pg_temp.counts(learner text, device text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    s jsonb := learnsync.sync_status(learner, device);
BEGIN
    RETURN format('%s failed, %s pending, %s conflicts, %s listed, %s devices', s -> 'failedCount',
        s -> 'pendingCount', s -> 'conflictCount', jsonb_array_length(s -> 'conflicts'),
        jsonb_array_length(s -> 'devices'));
END $$;
CREATE FUNCTION pg_temp.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '00000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;

-- Name and metadata: the last ones sent stand.
SELECT pg_temp.push('ann', 'd', '{"deviceName": "Phone", "metadata": {"platform": "ios"}, "lastSyncVersion": 0}');
SELECT is(
    pg_temp.device('ann', 'd'),
    '{"userId": "ann", "deviceId": "d", "deviceName": "Phone", "metadata": {"platform": "ios"}, "lastSyncVersion": 1,
        "isActive": true, "failedCount": 0, "pendingCount": 0, "conflictCount": 0, "syncedResources": {},
        "clockSkew": 0}',
    'a device');
SELECT is(d ->> 'deviceName' || (d ->> 'metadata'), 'Phone{"platform": "ios"}', 'what is not sent stays')
FROM pg_temp.device('ann', 'd') d;
SELECT pg_temp.push('ann', 'd', '{"deviceName": "Pad", "metadata": {"x": 1}}');
SELECT is(d ->> 'deviceName' || (d ->> 'metadata'), 'Pad{"x": 1}', 'what is sent replaces it')
FROM pg_temp.device('ann', 'd') d;
SELECT pg_temp.push('ann', 'e', pg_temp.items('{"id": "1", "data": {"quizId": "q", "attemptNumber": 1}}'));
SELECT pg_temp.push('ann', 'e', '{"deviceName": "Dry", "dryRun": true}');
SELECT is(pg_temp.device('ann', 'e') -> 'deviceName', 'null'::jsonb, 'a dry run changes nothing');

-- The version a device is known to hold never goes back.
SELECT is((pg_temp.push('ann', 'd', sent) ->> 'syncVersion')::int, answered, 'sent ' || sent::text)
FROM (VALUES
    ('{"lastSyncVersion": 2}'::jsonb, 2),
    ('{}', 1),
    ('{"lastSyncVersion": 1}', 1),
    ('{"lastSyncVersion": 50}', 1)) v (sent, answered);
SELECT is(pg_temp.device('ann', 'd') -> 'lastSyncVersion', '2'::jsonb, 'the greatest is known');

-- Last seen first; last seen moves with every push.
UPDATE learnsync_data.device SET last_sync_at = now() - interval '1 day' WHERE learner_id = 'ann';
SELECT pg_temp.push('ann', 'd');
SELECT is(
    jsonb_path_query_array(learnsync.sync_devices('ann'), '$.devices[*].deviceId'),
    '["d", "e"]',
    'last seen first');
SELECT pg_temp.push('ann', 'e', pg_temp.items('{"id": "1", "data": {"quizId": "q", "attemptNumber": 1}}'));
SELECT is(
    jsonb_path_query_array(learnsync.sync_devices('ann'), '$.devices[*].deviceId'),
    '["e", "d"]',
    'a retry is a sight too');
SELECT ok(
    (learnsync.sync_devices('ann') #>> '{devices,0,lastSyncAt}')::timestamptz BETWEEN now() AND clock_timestamp(),
    'with the server''s time');
SELECT learnsync.sync_pull('ann', '{"deviceId": "new"}');
SELECT is(pg_temp.device('ann', 'new'), NULL, 'a pull notes no device');

-- Counts: failed items, those that may be sent again, and open conflicts, per device and in all.
SELECT is(pg_temp.counts('cat'), '0 failed, 0 pending, 0 conflicts, 0 listed, 0 devices', 'nobody');
SELECT pg_temp.push('cat', 'd', pg_temp.items(
    '{"id": "1", "data": {"quizId": "q", "attemptNumber": 1}}',
    '{"id": "2", "data": {"quizId": "q", "attemptNumber": 1, "x": 1}}',
    '{"id": "3", "data": {"quizId": "q", "attemptNumber": 1}}',
    '{"id": "4"}',
    '{"id": "5", "data": {}}'));
SELECT pg_temp.push('cat', 'e', pg_temp.items(
    '{"id": "2", "data": {"quizId": "q", "attemptNumber": 1, "x": 2}}',
    '{"id": "3", "data": {"quizId": "q", "attemptNumber": 1, "x": 3}}'));
ALTER TABLE learnsync_data.resource ADD CONSTRAINT no_z CHECK (NOT data ? 'z');
SELECT pg_temp.push('cat', 'e', pg_temp.items(
    '{"id": "7", "data": {"quizId": "q", "attemptNumber": 2, "z": 3}}',
    '{"id": "8", "resourceType": "unknown"}'));
ALTER TABLE learnsync_data.resource DROP CONSTRAINT no_z;
SELECT is(pg_temp.counts('cat'), '4 failed, 1 pending, 3 conflicts, 3 listed, 2 devices', 'all devices');
SELECT is(pg_temp.counts('cat', 'd'), '2 failed, 0 pending, 1 conflicts, 1 listed, 1 devices', 'one device');
SELECT is(pg_temp.counts('cat', 'e'), '2 failed, 1 pending, 2 conflicts, 2 listed, 1 devices', 'the other');
SELECT is(
    pg_temp.counts('cat', 'x'),
    '0 failed, 0 pending, 0 conflicts, 0 listed, 0 devices',
    'a device that there is not');
SELECT is(
    jsonb_path_query_array(learnsync.sync_devices('cat'), '$.devices[*] ? (@.deviceId == "e").conflictCount'),
    '[2]',
    'as sync_devices says');
SELECT is(
    jsonb_path_query_first(learnsync.sync_status('cat', 'd'), '$.conflicts[0]') - '{id,createdAt}'::text[],
    '{"deviceId": "d", "operation": "create", "resourceType": "quiz_attempt", "resourceId": "[\"q\",1]",
        "clientData": {"quizId": "q", "attemptNumber": 1, "x": 1}, "serverData": {"quizId": "q", "attemptNumber": 1},
        "serverVersion": 2}',
    'a conflict in full');
SELECT pg_temp.push('cat', 'e', pg_temp.items('{"id": "7", "data": {"quizId": "q", "attemptNumber": 2}}'));
SELECT is(
    pg_temp.counts('cat'),
    '3 failed, 0 pending, 3 conflicts, 3 listed, 2 devices',
    'an item that is accepted is pending no more');
-- A hundred conflicts are listed, all are counted.
SELECT pg_temp.push('many', 'd', pg_temp.items(VARIADIC (
    SELECT array_agg(format('{"id": "%s", "data": {"quizId": "q", "attemptNumber": 1, "x": %s}}', n, n))
    FROM generate_series(0, 150) n)));
SELECT is(pg_temp.counts('many'), '0 failed, 0 pending, 150 conflicts, 100 listed, 1 devices', 'many conflicts');

-- Page by page, oldest first, each once; what is closed meanwhile does not hinder.
CREATE FUNCTION pg_temp.pages(learner text, page int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    status jsonb;
    last text;
    seen text[] := '{}';
BEGIN
    LOOP
        status := learnsync.sync_status(learner, 'd', last, page);
        seen := seen || ARRAY(SELECT c ->> 'id' FROM jsonb_array_elements(status -> 'conflicts') c);
        EXIT WHEN NOT (status -> 'hasMore')::boolean;
        last := seen[cardinality(seen)];
    END LOOP;
    RETURN cardinality(seen) || CASE WHEN seen = ARRAY(
            SELECT conflict_id::text FROM learnsync_data.conflict WHERE learner_id = learner AND closed_at IS NULL
            ORDER BY created_at, conflict_id) THEN ' in order'
        ELSE '' END;
END $$;
SELECT is(pg_temp.pages('many', page), '150 in order', 'pages of ' || page)
FROM (VALUES (1), (7), (50), (149), (150), (151), (1000), (5000)) v (page);
SELECT conflict_id AS seen FROM learnsync_data.conflict WHERE learner_id = 'many' ORDER BY created_at, conflict_id
OFFSET 9 LIMIT 1 \gset
UPDATE learnsync_data.conflict SET closed_at = now(), closed_by = 'use_server' WHERE conflict_id = :'seen';
SELECT is(
    jsonb_array_length(learnsync.sync_status('many', NULL, :'seen', 1000) -> 'conflicts'),
    140,
    'after one that is closed by now');
SELECT is(
    pg_temp.sqlstate_of(format('SELECT learnsync.sync_status(%L, NULL, %L, %s)', learner, after, page)),
    state,
    'after ' || after)
FROM (VALUES
    ('many', '00000000-0000-0000-0000-000000000000', '1', 'PT404'),
    ('cat', :'seen', '1', 'PT404'),
    ('many', 'x', '1', 'PT404'),
    ('many', :'seen', '0', '22023'),
    ('many', :'seen', '-1', '22023'),
    ('many', :'seen', 'NULL', '00000')) v (learner, after, page, state);

-- When what was synced, per type; and how far the device's clock is ahead.
SELECT is(
    (SELECT string_agg(key, ' ' ORDER BY key) FROM jsonb_each(pg_temp.device('ann', 'e') -> 'syncedResources')),
    'quiz_attempt',
    'one type');
SELECT pg_temp.push('ann', 'e', pg_temp.items(
    '{"id": "m", "resourceType": "mastery", "data": {"competencyId": "c"}}',
    '{"id": "n", "resourceType": "mastery", "data": {"competencyId": "d"}}',
    '{"id": "o", "resourceType": "conversation", "resourceId": "x", "data": 1}'));
SELECT is(
    (SELECT string_agg(key, ' ' ORDER BY value, key)
     FROM jsonb_each(pg_temp.device('ann', 'e') -> 'syncedResources')),
    'quiz_attempt mastery',
    'those of accepted items, the others stay');
SELECT ok(
    (pg_temp.device('ann', 'e') #>> '{syncedResources,mastery}')::timestamptz BETWEEN now() - interval '1 ms'
        AND clock_timestamp(),
    'the time of the push');
SELECT is(pg_temp.device('ann', 'e') -> 'clockSkew', '0'::jsonb, 'an old item says nothing of the clock');
SELECT pg_temp.push('ann', 'e', pg_temp.items(format('{"id": "f", "data": {"quizId": "f", "attemptNumber": 1},
        "clientTimestamp": "%s"}',
    to_char((clock_timestamp() + interval '1 hour') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))));
SELECT ok((pg_temp.device('ann', 'e') -> 'clockSkew')::int BETWEEN 3590000 AND 3600000, 'an hour ahead');
SELECT is(
    (SELECT string_agg(key, ' ' ORDER BY value, key)
     FROM jsonb_each(pg_temp.device('ann', 'e') -> 'syncedResources')),
    'mastery quiz_attempt',
    'a type that comes again has the time of that push, and the others theirs');
-- A device that sends at a time that is so far off an item that it made an hour before; the hours it is shown ahead.
CREATE FUNCTION pg_temp.skew(device text, off interval, min_time text DEFAULT '2000-01-01') RETURNS numeric
    LANGUAGE plpgsql AS $$
DECLARE
    sent CONSTANT timestamp := (clock_timestamp() + off) AT TIME ZONE 'UTC';
    form CONSTANT text := 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"';
BEGIN
    PERFORM set_config('learnsync.min_client_time', min_time, true);
    PERFORM pg_temp.push('sky', device, jsonb_build_object('sentAt', to_char(sent, form)) || pg_temp.items(
        format('{"id": "%s", "data": {"quizId": "%s", "attemptNumber": 1}, "clientTimestamp": "%s"}',
            off, device, to_char(sent - interval '1 hour', form))));
    PERFORM set_config('learnsync.min_client_time', '2000-01-01', true);
    RETURN round((pg_temp.device('sky', device) -> 'clockSkew')::numeric / 3600000, 1);
END $$;
SELECT is(pg_temp.skew('a', '3 hours'), 3.0, 'sentAt says how far a clock is ahead, whatever its items are dated');
SELECT is(pg_temp.skew('b', '0'), 0.0, 'a clock that is right is not ahead, though its item is of an hour ago');
SELECT is(pg_temp.skew('c', '-3 hours'), 0.0, 'one that is behind may be right, and the request have waited');
SELECT is(pg_temp.skew('d', '-72 hours', to_char(clock_timestamp() - interval '1 day', 'YYYY-MM-DD')), -72.0,
    'one that says what cannot be is behind');
SELECT is(pg_temp.skew('a', '-2 hours'), 0.0, 'a clock that was set shows what it is now');

-- A deactivated device is refused from the next statement on; the others are not.
CREATE FUNCTION pg_temp.turn(call text, learner text, device text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
BEGIN
    EXECUTE format('SELECT learnsync.%I($1, $2)', call) INTO answer USING learner,
        jsonb_build_object('deviceId', device);
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT is(
    pg_temp.turn('sync_deactivate_device', 'cat', 'd'),
    '{"message": "Device deactivated successfully"}',
    'deactivate');
SELECT is(
    pg_temp.turn('sync_deactivate_device', 'cat', 'd'),
    '{"message": "Device deactivated successfully"}',
    'again');
SELECT is(pg_temp.turn(call, learner, device), 'PT404 device not found', call || ' ' || device || ' of ' || learner)
FROM (VALUES ('sync_deactivate_device'), ('sync_activate_device')) c (call),
    (VALUES ('cat', 'x'), ('nobody', 'd'), ('cat', 'D')) v (learner, device);
SELECT is(
    pg_temp.sqlstate_of(format('SELECT learnsync.%I(%L, %L)', call, 'cat', request)),
    '22023',
    call || ' ' || COALESCE(request, 'NULL'))
FROM (VALUES ('sync_deactivate_device'), ('sync_activate_device')) c (call),
    (VALUES ('{}'), ('[]'), (NULL), ('{"deviceId": 1}'), ('{"deviceId": ""}'), ('{"deviceId": null}')) v (request);
SELECT is(pg_temp.sqlstate_of(format(call, device)), state, call || ' ' || device)
FROM (VALUES ('d', 'PT403'), ('e', '00000'), ('new', '00000')) v (device, state),
    (VALUES
        ('SELECT learnsync.sync_push(''cat'', ''{"deviceId": "%s", "items": []}'')'),
        ('SELECT learnsync.sync_push(''cat'', ''{"deviceId": "%s", "items": [], "dryRun": true}'')'),
        ('SELECT learnsync.sync_pull(''cat'', ''{"deviceId": "%s"}'')')) c (call);
SELECT is(
    pg_temp.sqlstate_of('SELECT learnsync.sync_push(''dan'', ''{"deviceId": "d", "items": []}'')'),
    '00000',
    'another learner''s device of the same name');
SELECT is(
    pg_temp.counts('cat', 'd'),
    '2 failed, 0 pending, 1 conflicts, 1 listed, 1 devices',
    'calls that carry no device are not covered');
SELECT is(pg_temp.device('cat', 'd') -> 'isActive', 'false'::jsonb, 'and show it');
SELECT is(
    (SELECT count(*) FROM learnsync_data.push WHERE learner_id = 'cat' AND device_id = 'd'),
    1::bigint,
    'nothing of it was written');
SELECT is(pg_temp.turn('sync_activate_device', 'cat', 'd'), '{"message": "Device activated successfully"}', 'activate');
SELECT is(
    pg_temp.sqlstate_of('SELECT learnsync.sync_push(''cat'', ''{"deviceId": "d", "items": []}'')'),
    '00000',
    'active again');

-- Devices that nobody uses any more, of all learners.
UPDATE learnsync_data.device
    SET last_sync_at = now() - CASE device_id WHEN 'd' THEN interval '366 days' ELSE interval '364 days' END
WHERE learner_id IN ('ann', 'cat');
UPDATE learnsync_data.device SET is_active = false, last_sync_at = now() - interval '400 days'
WHERE learner_id = 'cat' AND device_id = 'd';
SELECT is(
    format('%s %s', u -> 'count', jsonb_path_query_array(u, '$.devices[*].userId')),
    '2 ["cat", "ann"]',
    'unseen for a year')
FROM learnsync.unseen_devices() u;
SELECT is(
    learnsync.unseen_devices(365, 1) #- '{devices,0,lastSyncAt}',
    '{"count": 2, "devices": [{"userId": "cat", "deviceId": "d", "isActive": false, "deviceName": null}]}',
    'the longest unseen first');
SELECT is(learnsync.drop_devices(), 1::bigint, 'those that are active are dropped');
SELECT is(
    (SELECT string_agg(learner_id || device_id || is_active, ' ' ORDER BY learner_id, device_id)
     FROM learnsync_data.device WHERE learner_id IN ('ann', 'cat')),
    'annetrue catdfalse catetrue catnewtrue',
    'a deactivated one stays turned away');
SELECT is(
    pg_temp.sqlstate_of('SELECT learnsync.sync_push(''cat'', ''{"deviceId": "d", "items": []}'')'),
    'PT403',
    'after years');
SELECT is(
    jsonb_path_query_array(
        pg_temp.push('ann', 'd', pg_temp.items('{"id": "1", "data": {"quizId": "q", "attemptNumber": 1}}')),
        '$.results[*].duplicate'),
    '[false]',
    'a dropped one is known anew');
SELECT is(pg_temp.sqlstate_of(format('SELECT learnsync.%s', call)), '22023', call)
FROM (VALUES
    ('drop_devices(-1)'),
    ('drop_devices(NULL)'),
    ('unseen_devices(-1)'),
    ('unseen_devices(36501)')) v (call);

SELECT * FROM finish();
ROLLBACK;
