-- alerts(): each has a planted case that fires, and a quiet one that does not.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.fired(name text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%s: %s > %s', a.subject, trim_scale(a.value), trim_scale(a.threshold)), ', '
        ORDER BY a.subject)
    FROM learnsync.alerts() a WHERE a.alert = name $$;
CREATE FUNCTION pg_temp.fail(learner text, count int, reason text, can_retry boolean, age interval DEFAULT '1 hour')
    RETURNS void LANGUAGE sql AS $$
    INSERT INTO learnsync_data.failed (learner_id, key, device_id, code, path, message, retryable, first_failed_at,
        failed_at, item_bytes, fingerprint)
    SELECT learner, gen_random_uuid(), 'd', reason, '', 'no room', can_retry, now() - age, now() - age, 1, 1
    FROM generate_series(1, count) $$;
CREATE FUNCTION pg_temp.counted(age int, items int, conflicts int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO learnsync_data.day_count AS c
    VALUES ((now() AT TIME ZONE 'UTC')::date - age, 'sync_push', 1, items + 1000, items - conflicts, 1000, conflicts,
        0, 0, 0)
    ON CONFLICT (day, channel) DO UPDATE SET items = c.items + EXCLUDED.items, synced = c.synced + EXCLUDED.synced,
        conflicts = c.conflicts + EXCLUDED.conflicts, duplicates = c.duplicates + EXCLUDED.duplicates $$;
CREATE FUNCTION pg_temp.today() RETURNS text LANGUAGE sql AS $$ SELECT ((now() AT TIME ZONE 'UTC')::date)::text $$;

DELETE FROM learnsync_data.failed;
UPDATE learnsync_data.instance SET cleaned_at = NULL;
SELECT is_empty('SELECT * FROM learnsync.alerts()', 'a system that nobody uses is quiet');

-- Queue depth.
SELECT pg_temp.fail('quiet', 100, 'error', true, '2 days');
SELECT pg_temp.fail('wrong', 101, 'invalid', false, '2 days');
SELECT is(pg_temp.fired('queue_depth'), NULL, 'a hundred pending items are none, nor are items that are wrong');
SELECT pg_temp.fail('ada', 101, 'error', true, '2 days');
UPDATE learnsync_data.failed SET waits_for = 'x', retryable = false
WHERE key IN (SELECT key FROM learnsync_data.failed WHERE learner_id = 'ada' LIMIT 50);
SELECT is(pg_temp.fired('queue_depth'), 'ada: 101 > 100', 'a hundred and one are, some of which wait');

-- Conflict rate: of new items, so that retries do not hide it.
SELECT pg_temp.counted(age, 1000, 20) FROM generate_series(1, 7) age;
SELECT pg_temp.counted(0, 1000, 60);
SELECT is(pg_temp.fired('conflict_rate'), NULL, 'three times the week''s rate is none');
SELECT pg_temp.counted(0, 10, 10);
SELECT is(pg_temp.fired('conflict_rate'), pg_temp.today() || ': 0.0693 > 0.06', 'more than three times is');
UPDATE learnsync_data.day_count SET items = 1010, synced = 2, conflicts = 8, duplicates = 1000
WHERE day = pg_temp.today()::date;
SELECT is(pg_temp.fired('conflict_rate'), NULL, 'a few conflicts of few items are none');
UPDATE learnsync_data.day_count SET conflicts = 0, synced = items - duplicates WHERE day < pg_temp.today()::date;
UPDATE learnsync_data.day_count SET items = 2000, synced = 980, conflicts = 20
WHERE day = pg_temp.today()::date;
SELECT is(pg_temp.fired('conflict_rate'), pg_temp.today() || ': 0.02 > 0.003', 'after a week without any twenty are');
DELETE FROM learnsync_data.day_count WHERE day < pg_temp.today()::date;
SELECT is(pg_temp.fired('conflict_rate'), NULL, 'without a week before there is nothing to compare with');

-- Failures of one code.
SELECT pg_temp.fail('ann', 70, 'out_of_range', false, '3 days');
SELECT pg_temp.fail('ann', 30, 'out_of_range', false);
SELECT pg_temp.fail('ann', 19, 'bad_timestamp', false);
SELECT is(pg_temp.fired('failures'), NULL, 'three times a day''s failures are none, nor are nineteen');
SELECT pg_temp.fail('ann', 1, 'out_of_range', false);
SELECT pg_temp.fail('ann', 1, 'bad_timestamp', false);
SELECT is(pg_temp.fired('failures'), 'bad_timestamp: 20 > 0, out_of_range: 31 > 30', 'more are, by code');

-- Cleaning.
INSERT INTO learnsync_data.learner (learner_id, created_at) VALUES ('bob', now() - interval '23 hours');
SELECT is(pg_temp.fired('cleaning'), NULL, 'on its first day an installation needs no cleaning');
UPDATE learnsync_data.learner SET created_at = now() - interval '30 hours';
SELECT is(pg_temp.fired('cleaning'), ': 30 > 24', 'later it does');
UPDATE learnsync_data.instance SET cleaned_at = now() - interval '23 hours';
SELECT is(pg_temp.fired('cleaning'), NULL, 'where it was cleaned within a day all is well');
UPDATE learnsync_data.instance SET cleaned_at = now() - interval '25 hours';
SELECT is(pg_temp.fired('cleaning'), ': 25 > 24', 'longer ago is too long');

-- Event logs.
SET learnsync.max_learner_events = 10;
INSERT INTO learnsync_data.progress (learner_id, events, version, state_bytes)
VALUES ('ann', 8, 1, 0), ('bob', 9, 1, 0);
SELECT is(pg_temp.fired('event_log'), 'bob: 9 > 8', 'an event log over 80 %, and none at 80 %');
RESET learnsync.max_learner_events;
SELECT is(pg_temp.fired('event_log'), NULL, 'of the limit that holds');

-- A trigger of the team's that refuses.
SELECT is(pg_temp.fired('refused'), NULL, 'what was refused two days ago is over');
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not on Sundays'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON learnsync_data.resource FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
SELECT learnsync.sync_push('cy', '{"deviceId": "d", "items": [{"id": "1", "operation": "update",
    "resourceType": "mastery", "resourceId": "r", "clientTimestamp": "2026-01-08T10:00:00Z", "data": {}}]}') IS NULL;
SELECT is(pg_temp.fired('refused'), 'not on Sundays: 1 > 0', 'a trigger that refuses is named by what it says');

-- Devices.
INSERT INTO learnsync_data.device (learner_id, device_id, created_at, last_sync_at, is_active) VALUES
    ('ann', 'a', now(), now() - interval '89 days', true), ('ann', 'b', now(), now() - interval '91 days', false);
SELECT is(pg_temp.fired('device_unseen'), NULL, 'a device that was seen, and one that is turned away');
INSERT INTO learnsync_data.device (learner_id, device_id, created_at, last_sync_at)
VALUES ('ann', 'c', now(), now() - interval '91 days');
SELECT is(pg_temp.fired('device_unseen'), ': 1 > 0', 'a device unseen for 90 days');

-- Outboxes.
SELECT learnsync.outbox_add('lms') IS NULL;
INSERT INTO learnsync_data.outbox_mark (learner_id, outbox, life, since, after_version, version, marked_at, due_at)
VALUES ('ann', 'lms', 1, 2, 1, 2, now() - interval '59 minutes', now());
SELECT is(
    concat(pg_temp.fired('outbox_late'), pg_temp.fired('outbox_dead')), '',
    'changes that have waited for less than an hour');
UPDATE learnsync_data.outbox_mark SET marked_at = clock_timestamp() - interval '2 hours';
SELECT is(pg_temp.fired('outbox_late'), 'lms: 7200 > 3600', 'changes that nobody takes for an hour');
INSERT INTO learnsync_data.outbox_dead (learner_id, outbox, resource_type, resource_id, life, version, failed_at)
VALUES ('ann', 'lms', 'mastery', 'm', 1, 2, now());
SELECT is(pg_temp.fired('outbox_dead'), 'lms: 1 > 0', 'a change that was refused for good');
SELECT alike(
    learnsync_api.metrics(),
    '%learnsync_outbox_learners{outbox="lms"} 1' || E'\n' || '%learnsync_outbox_dead_letters{outbox="lms"} 1%',
    'the metrics have them, too');

SELECT ok(bool_and(message ~ '^.*\.$' AND value > threshold), 'each says in words what is over its threshold')
FROM learnsync.alerts();

CREATE ROLE test_service;
CREATE ROLE test_admin;
SELECT learnsync.grant_access('test_' || kind, kind) FROM unnest('{service,admin}'::text[]) kind;
SET ROLE test_service;
SELECT throws_ok('SELECT * FROM learnsync.alerts()', '42501', NULL, 'a service does not read them');
SET ROLE test_admin;
SELECT isnt_empty('SELECT * FROM learnsync.alerts()', 'an administrator does');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
