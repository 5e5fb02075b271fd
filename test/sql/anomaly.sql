-- What is odd about learners: maintain() goes round them all and names it, with its evidence; administrators close it.
BEGIN;
SELECT no_plan();

CREATE ROLE test_anomaly_admin;
CREATE ROLE test_anomaly_service;
SELECT learnsync.grant_access('test_anomaly_' || kind, kind) FROM unnest('{admin,service}'::text[]) kind;
GRANT test_anomaly_admin, test_anomaly_service TO CURRENT_USER;

-- One item; what it says and when, in minutes.
CREATE FUNCTION pg_temp.item(id text, minute int, data jsonb, type text DEFAULT 'lesson_progress') RETURNS jsonb
    LANGUAGE sql RETURN jsonb_build_object('id', id, 'operation', 'update', 'resourceType', type, 'data', data,
    'clientTimestamp', to_jsonb(timestamptz '2026-01-08 00:00:00+00' + minute * interval '1 minute'));
CREATE FUNCTION pg_temp.push(learner text, device text, VARIADIC items jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', r ->> 'id', r ->> 'status'), ', ')
    FROM jsonb_array_elements(learnsync.sync_push(learner,
        jsonb_build_object('deviceId', device, 'items', to_jsonb(items)))::jsonb -> 'results') r $$;
CREATE FUNCTION pg_temp.hours(id text, minute int, hours numeric) RETURNS jsonb LANGUAGE sql RETURN
    pg_temp.item(id, minute, jsonb_build_object('lessonId', id, 'timeSpent', (hours * 3600000)::bigint));
-- A whole round in this transaction, by an administrator; how many learners it looked at.
CREATE FUNCTION pg_temp.round() RETURNS int LANGUAGE plpgsql AS $$
DECLARE looked int; total int := 0;
BEGIN
    UPDATE learnsync_data.verify_round SET ended_at = '2000-01-01 00:00:00+00';
    SET LOCAL ROLE test_anomaly_admin;
    LOOP
        looked := learnsync_internal.verify_piece(2);
        EXIT WHEN looked = 0;
        total := total + looked;
    END LOOP;
    RESET ROLE;
    RETURN total;
END $$;
CREATE FUNCTION pg_temp.run_as(kind text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
    PERFORM set_config('role', 'test_anomaly_' || kind, true);
    EXECUTE query INTO answer;
    RESET ROLE;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN RETURN concat_ws(' ', SQLSTATE, SQLERRM);
END $$;
-- What is odd about a learner, in short.
CREATE FUNCTION pg_temp.odd(who text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(kind || CASE WHEN is_open THEN '' ELSE ' (closed)' END, ', ' ORDER BY kind, is_open DESC)
    FROM learnsync.anomaly WHERE learner = who $$;
CREATE FUNCTION pg_temp.evidence(who text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT evidence FROM learnsync.anomaly WHERE learner = who $$;
CREATE FUNCTION pg_temp.close(who text, by text DEFAULT 'ms.k', reason text DEFAULT 'a test') RETURNS text
    LANGUAGE sql AS $$
    SELECT pg_temp.run_as('admin', format('SELECT learnsync.close_anomaly(%L, %L, %L, %L) ->> ''kind''', who,
        (SELECT anomaly_id FROM learnsync.anomaly WHERE learner = who LIMIT 1), by, reason)) $$;

-- More than 24 hours in a day.
SELECT pg_temp.push('long', 'phone', pg_temp.hours('a', 60, 13), pg_temp.hours('b', 61, 2));
SELECT pg_temp.push('long', 'tablet', pg_temp.hours('c', 62, 9.5));
SELECT pg_temp.push('busy', 'phone', pg_temp.hours('a', 60, 14), pg_temp.hours('b', 61, 10),
    pg_temp.hours('c', 1500, 10));
SELECT learnsync.set_learner('west', '{"timeZone": "America/New_York", "from": "2026-01-01"}');
SELECT pg_temp.push('west', 'phone', pg_temp.hours('a', 60, 13), pg_temp.hours('b', 1380, 13));
SELECT learnsync.set_learner('east', '{"timeZone": "Asia/Tokyo", "from": "2026-01-01"}');
SELECT pg_temp.push('east', 'phone', pg_temp.hours('a', 1000, 13), pg_temp.hours('b', 1500, 13));
SELECT learnsync.progress_batch('sport', (SELECT jsonb_build_object('items', jsonb_agg(jsonb_build_object(
    'idempotency_key', n, 'activity_type', 'run', 'content_id', 'track', 'duration_seconds', 45000,
    'timestamp', '2026-01-08T10:00:00Z'))) FROM generate_series(1, 2) n));
SELECT learnsync.progress_batch('timeless', (SELECT jsonb_build_object('items', jsonb_agg(jsonb_build_object(
    'idempotency_key', n, 'activity_type', 'run', 'content_id', 'track', 'duration_seconds', 60)))
    FROM generate_series(1, 9) n));
SELECT is(pg_temp.round(), (SELECT count(*)::int FROM learnsync_data.learner), 'a round looks at every learner');
SELECT is(pg_temp.odd('long'), 'study_time', 'more than 24 hours in a day are named');
SELECT is(pg_temp.evidence('long'), '{"day": "2026-01-08", "items": 3, "timeSpent": 88200000,
    "devices": {"phone": 54000000, "tablet": 34200000}}', 'with the day and what each device said');
SELECT is(pg_temp.odd('busy'), NULL, '24 hours are not more, and another day is another');
SELECT is(pg_temp.odd('west'), NULL, 'the day is the learner''s: an evening that is tomorrow in UTC');
SELECT is(pg_temp.odd('east'), 'study_time', 'the day is the learner''s: a morning that is yesterday in UTC');
SELECT ok(pg_temp.odd('sport') LIKE '%study_time', 'activities count with their seconds');
SELECT is(pg_temp.odd('timeless'), NULL, 'what has no time may be done nine times');

-- The same work under new ids.
SELECT pg_temp.push('twice', 'phone', pg_temp.hours('a', 1, 1),
    pg_temp.hours('a', 1, 1) || '{"id": "z"}', pg_temp.hours('b', 2, 1));
SELECT pg_temp.push('two', 'phone', pg_temp.hours('a', 1, 1));
SELECT pg_temp.push('two', 'tablet', pg_temp.hours('a', 1, 1));
SELECT pg_temp.push('once', 'phone', pg_temp.hours('a', 1, 1), pg_temp.hours('a', 1, 1),
    pg_temp.hours('a', 2, 1) || '{"id": "later"}',
    pg_temp.item('m', 3, '{"lessonId": "a", "timeSpent": 1}'),
    pg_temp.item('n', 3, '{"lessonId": "b", "timeSpent": 1}'));
SELECT pg_temp.push('once', 'phone', pg_temp.hours('a', 1, 1));
SELECT pg_temp.push('once', 'tablet', pg_temp.item('d', 9, '{"lessonId": "a"}') || '{"operation": "delete"}',
    pg_temp.item('e', 9, '{"lessonId": "a"}') || '{"operation": "delete"}');
SELECT pg_temp.round() \g /dev/null
SELECT is(pg_temp.odd('twice'), 'same_work', 'the same work under another id is named');
SELECT is(
    (SELECT string_agg(concat_ws(' ', i ->> 'id', i ->> 'deviceId'), ', ' ORDER BY i ->> 'id')
     FROM jsonb_array_elements(pg_temp.evidence('twice') -> 'items') i),
    'a phone, z phone',
    'with the ids and devices');
SELECT is(pg_temp.evidence('twice') #>> '{said,data,lessonId}', 'a', 'and what they said');
SELECT is(pg_temp.odd('two'), 'same_work', 'and so is a queue that counts, on another device');
SELECT is(pg_temp.odd('once'), NULL, 'a retry, another moment, another resource and a second delete are not');

-- Two installations under one device name: the counted ids of one mean something else to the other.
CREATE FUNCTION pg_temp.count_up(learner text, most int, first_minute int) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.push(learner, 'ipad', VARIADIC ARRAY(
        SELECT pg_temp.hours(n::text, n + first_minute, 0.1) FROM generate_series(1, most) n)) $$;
SELECT pg_temp.count_up('class', 5, 0);
SELECT is(
    pg_temp.count_up('class', 3, 100),
    '1 failed, 2 failed, 3 failed',
    'ids that collide');
SELECT pg_temp.count_up('edit', 5, 0);
SELECT pg_temp.count_up('edit', 2, 9);
SELECT pg_temp.round() \g /dev/null
SELECT is(pg_temp.odd('class'), 'shared_device', 'two installations under one name are named');
SELECT is(pg_temp.evidence('class') - '{from,to}'::text[], '{"deviceId": "ipad", "ids": ["1", "2", "3"]}',
    'with the ids that collided');
SELECT is(pg_temp.odd('edit'), NULL, 'two ids may be two mistakes');

-- A wrong number is named within a round.
SELECT learnsync.define_resource_type('test_steps', '{"key": ["id"], "policy": "merge", "fields": {
    "steps": {"merge": "counter", "type": "integer"}}}');
SELECT pg_temp.push('steps', 'phone', pg_temp.item('a', 1, '{"id": "x", "steps": 10}', 'test_steps'));
SELECT pg_temp.push('steps', 'watch', pg_temp.item('a', 2, '{"id": "x", "steps": 5}', 'test_steps'));
SELECT pg_temp.push('wrong', 'phone', pg_temp.hours('a', 1, 1));
SELECT learnsync.progress_put('log', '{"events": [{"eventId": "e1", "clientId": "c", "type": "content.progressed",
    "occurredAt": "2026-01-05T17:00:00Z", "payload": {"contentId": "a", "status": "completed"}}]}');
SELECT pg_temp.push('old', 'phone', pg_temp.hours('a', 1, 1));
DELETE FROM learnsync_data.push WHERE learner_id = 'old';
SELECT pg_temp.round() \g /dev/null
SELECT is(concat_ws(' ', pg_temp.odd('steps'), pg_temp.odd('wrong'), pg_temp.odd('log')), '', 'what is right is right');
SELECT is((SELECT unjudged FROM learnsync.verify_round), 1::bigint,
    'the round says how many documents it cannot judge');
UPDATE learnsync_data.member SET value = CASE member_id WHEN 'phone' THEN '9' ELSE '6' END::jsonb
WHERE learner_id = 'steps';
UPDATE learnsync_data.resource SET data = data || '{"timeSpent": 7}' WHERE learner_id = 'wrong';
UPDATE learnsync_data.progress_content SET status = 'passed' WHERE learner_id = 'log';
UPDATE learnsync_data.resource SET data = '[]' WHERE learner_id = 'edit' AND resource_id = '1';
SELECT pg_temp.round() \g /dev/null
SELECT is(pg_temp.odd('wrong'), 'wrong_document', 'a wrong number is named');
SELECT is(pg_temp.evidence('wrong'), '{"resourceType": "lesson_progress", "resourceId": "a",
    "damage": "timeSpent is 7, its items make it 3600000"}', 'with what it should be');
SELECT ok(pg_temp.evidence('steps') ->> 'damage' LIKE 'the total of device "%" in steps is not that of its items',
    'so is a total of a device that the sum does not show');
SELECT is(pg_temp.odd('log'), 'wrong_progress', 'so is a snapshot that is not what its events make');
SELECT ok(pg_temp.evidence('edit') ->> 'damage' LIKE '%edit%', 'and a row that cannot be read');
SELECT ok((SELECT found >= 4 AND failed = 0 AND ended_at IS NOT NULL FROM learnsync.verify_round),
    'the round says how much it found');
DELETE FROM learnsync_data.member WHERE learner_id = 'steps' AND member_id = 'watch';
SELECT is((SELECT damage FROM learnsync.resource_verify('steps')),
    'the total of device "phone" in steps is not that of its items', 'resource_verify compares totals by device');
UPDATE learnsync_data.member SET value = '10' WHERE learner_id = 'steps';
SELECT is((SELECT damage FROM learnsync.resource_verify('steps')),
    'the total of device "watch" in steps is not that of its items', 'and misses one that is gone');

-- Closed with a name and a reason, it does not come back for the same.
SELECT is(pg_temp.close('long'), 'study_time', 'an administrator closes it');
SELECT is(
    (SELECT concat_ws(' ', action, learner, role, by, reason, details ->> 'kind')
     FROM learnsync_api.audit WHERE action = 'close_anomaly'),
    'close_anomaly long test_anomaly_admin ms.k a test study_time',
    'the audit keeps who and why');
SELECT is(pg_temp.close('long'), 'PT404 anomaly not found', 'what is closed is not closed again');
SELECT is(pg_temp.close('wrong'), 'wrong_document', 'and a wrong number');
SELECT pg_temp.round() \g /dev/null
SELECT is(pg_temp.odd('long'), 'study_time (closed)', 'the same evidence does not bring it back');
SELECT is(pg_temp.odd('wrong'), 'wrong_document (closed)', 'nor the same damage');

-- What was put right is closed by the next round, and open again where it goes wrong once more.
SELECT pg_temp.push(who, 'phone', pg_temp.hours('a', 1, 1)) FROM unnest('{fixed,half,unread}'::text[]) who;
SELECT learnsync.progress_put('rebuilt', '{"events": [{"eventId": "e1", "clientId": "c", "type": "content.progressed",
    "occurredAt": "2026-01-05T17:00:00Z", "payload": {"contentId": "a", "status": "completed"}}]}');
CREATE FUNCTION pg_temp.spoil(time_spent int, status text) RETURNS void LANGUAGE sql AS $$
    UPDATE learnsync_data.resource SET data = data || jsonb_build_object('timeSpent', time_spent)
    WHERE learner_id IN ('fixed', 'half', 'unread');
    UPDATE learnsync_data.progress_content SET status = spoil.status WHERE learner_id = 'rebuilt' $$;
SELECT pg_temp.spoil(7, 'passed');
SELECT pg_temp.round() \g /dev/null
SELECT pg_temp.round() \g /dev/null
SELECT is(pg_temp.odd(who), wanted, who || ': what is wrong stays open')
FROM (VALUES ('fixed', 'wrong_document'), ('half', 'wrong_document'), ('unread', 'wrong_document'),
    ('rebuilt', 'wrong_progress')) v (who, wanted);
SELECT pg_temp.spoil(3600000, 'completed');
DELETE FROM learnsync_data.push WHERE learner_id = 'half';
INSERT INTO learnsync_data.resource SELECT learner_id, resource_type, 'torn', version, created_version, at, deleted_at,
    updated_at, '[]', book FROM learnsync_data.resource WHERE learner_id = 'unread';
SELECT pg_temp.round() \g /dev/null
SELECT is(pg_temp.odd('fixed'), 'wrong_document (closed)', 'a document that was put right is closed');
SELECT is(pg_temp.odd('rebuilt'), 'wrong_progress (closed)', 'and a snapshot that was');
SELECT is(pg_temp.odd('half'), 'wrong_document', 'one that cannot be judged any more is not');
SELECT is(pg_temp.odd('unread'), 'wrong_document, wrong_document', 'nor one beside a row that cannot be read');
SELECT is((SELECT concat_ws(' ', closed_by, reason) FROM learnsync.anomaly WHERE learner = 'fixed'),
    'verify_round It is right again.', 'by the round');
SELECT is((SELECT concat_ws(' ', action, learner, by, reason, details #>> '{evidence,damage}') FROM learnsync_api.audit
    WHERE action = 'auto_close_anomaly' AND learner = 'fixed'),
    'auto_close_anomaly fixed It is right again. timeSpent is 7, its items make it 3600000', 'which the audit keeps');
SELECT pg_temp.spoil(7, 'passed');
SELECT pg_temp.round() \g /dev/null
SELECT is(pg_temp.odd('fixed') || ', ' || pg_temp.odd('rebuilt'), 'wrong_document, wrong_progress',
    'what goes wrong in the same way again is open again');
SELECT pg_temp.spoil(8, 'passed');
SELECT pg_temp.round() \g /dev/null
SELECT is(pg_temp.odd('fixed'), 'wrong_document, wrong_document (closed)',
    'what is wrong in another way by now is open as that only');

DELETE FROM learnsync_data.push WHERE learner_id = 'long' AND device_id = 'tablet';
SELECT pg_temp.round() \g /dev/null
SELECT is(pg_temp.odd('long'), 'study_time (closed)', 'nor do items that are not kept any more');
SELECT pg_temp.push('long', 'phone', pg_temp.hours('d', 65, 14));
UPDATE learnsync_data.resource SET data = data || '{"timeSpent": 8}' WHERE learner_id = 'wrong';
SELECT pg_temp.round() \g /dev/null
SELECT is(pg_temp.odd('long'), 'study_time', 'more of it does');
SELECT is(pg_temp.odd('wrong'), 'wrong_document, wrong_document (closed)', 'other damage is another');
SELECT is(pg_temp.close('class', bad.by, bad.reason), bad.wanted, 'refused: ' || bad.wanted)
FROM (VALUES (NULL, 'r', '22023 by must be a string of 1 to 200 characters'),
    ('', 'r', '22023 by must be a string of 1 to 200 characters'),
    (repeat('x', 201), 'r', '22023 by must be a string of 1 to 200 characters'),
    ('b', NULL, '22023 reason must be a string of 1 to 2000 characters'),
    ('b', repeat('x', 2001), '22023 reason must be a string of 1 to 2000 characters')) bad (by, reason, wanted);
SELECT is(pg_temp.run_as('admin', format('SELECT learnsync.close_anomaly(%L, %L, ''b'', ''r'')', 'busy',
    (SELECT anomaly_id FROM learnsync.anomaly WHERE learner = 'class'))), 'PT404 anomaly not found',
    'nobody''s anomaly is closed as another learner''s');
SELECT is(pg_temp.run_as('admin', $$SELECT learnsync.close_anomaly('class', 'no uuid', 'b', 'r')$$),
    'PT404 anomaly not found', 'nor what is no id');

-- Who may see it, and what stays of an erased learner.
SELECT is(pg_temp.run_as('admin', 'SELECT count(*) > 5 FROM learnsync.anomaly'), 'true', 'administrators see them');
SELECT is(pg_temp.run_as('service', query), '42501 permission denied for ' || what, 'a service does not: ' || query)
FROM (VALUES ('SELECT count(*) FROM learnsync.anomaly', 'view anomaly'),
    ('SELECT count(*) FROM learnsync.verify_round', 'view verify_round'),
    ('SELECT count(*) FROM learnsync_data.anomaly', 'schema learnsync_data'),
    ('SELECT learnsync.close_anomaly(''class'', ''x'', ''b'', ''r'')', 'function close_anomaly')) v (query, what);
SELECT learnsync.forget_learner('class');
SELECT is(pg_temp.odd('class'), NULL, 'with a learner goes what was odd');
SELECT is(learnsync_internal.note_anomalies_as_owner('class',
    ARRAY[(md5('x'), 'same_work', 1, '{}')::learnsync_internal.odd_row]), 0::bigint,
    'and nothing is noted of one who was erased meanwhile');

-- A round is done in pieces, remembers where it stands, and begins once a day.
UPDATE learnsync_data.verify_round SET ended_at = '2000-01-01 00:00:00+00';
SELECT is(learnsync_internal.verify_piece(1), 1, 'one learner');
SELECT is((SELECT place FROM learnsync_data.verify_round),
    (SELECT min(learner_id) FROM learnsync_data.learner), 'the first');
SELECT is(learnsync_internal.verify_piece(3), 3, 'three more');
SELECT is((SELECT place FROM learnsync_data.verify_round),
    (SELECT learner_id FROM learnsync_data.learner ORDER BY 1 OFFSET 3 LIMIT 1), 'the next ones');
SELECT is((SELECT concat_ws(' ', learners, ended_at) FROM learnsync.verify_round), '4', 'the round is not over');
SELECT ok(learnsync_internal.verify_piece(1000) > 0, 'the rest');
SELECT isnt((SELECT ended_at FROM learnsync.verify_round), NULL, 'then it is');
SELECT is(learnsync_internal.verify_piece(1000), 0, 'and none begins on the same day');

SELECT * FROM finish();
ROLLBACK;
