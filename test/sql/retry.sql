-- The server tries failed items again; hooks see each new version once, whatever happens. Procedures that commit cannot
-- run in one transaction with the tests, so this file has a database of its own instead.
SELECT current_database() AS home \gset
SET client_min_messages = warning;
DROP DATABASE IF EXISTS learnsync_retry;
CREATE DATABASE learnsync_retry TEMPLATE template0;
\connect learnsync_retry
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION learnsync;
SELECT learnsync.setup();
SELECT no_plan();

CREATE FUNCTION pg_temp.item(id text, n int, lesson text DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'lesson_progress',
        'clientTimestamp', '2026-01-08T10:00:00Z',
        'data', jsonb_build_object('lessonId', COALESCE(lesson, id), 'timeSpent', n)) $$;
CREATE FUNCTION pg_temp.push(learner text, more jsonb, VARIADIC items jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(r ->> 'status' || CASE WHEN (r ->> 'duplicate')::boolean THEN '*' ELSE '' END, ' ' ORDER BY n)
    FROM jsonb_array_elements(learnsync.sync_push(learner,
        jsonb_build_object('deviceId', 'd', 'items', to_jsonb(items))
            || more)::jsonb -> 'results') WITH ORDINALITY AS x (r, n) $$;
CREATE FUNCTION pg_temp.failed(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%s %s %s', item_id, code, retry_count), ', ' ORDER BY item_id)
    FROM learnsync_data.failed WHERE learner_id = learner $$;
CREATE PROCEDURE pg_temp.pass(learner text, seconds int) LANGUAGE sql AS $$
    UPDATE learnsync_data.failed SET failed_at = failed_at - seconds * interval '1 s' WHERE learner_id = learner $$;

-- The team counts each insert and update of a resource, and gives points for the first completion of a lesson, once.
CREATE SCHEMA retry_team;
CREATE TABLE retry_team.seen (learner_id text, resource_id text, version bigint);
CREATE TABLE retry_team.points (learner_id text, lesson_id text, points int, PRIMARY KEY (learner_id, lesson_id));
GRANT USAGE ON SCHEMA retry_team TO learnsync_owner;
GRANT ALL ON ALL TABLES IN SCHEMA retry_team TO learnsync_owner;
CREATE FUNCTION retry_team.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO retry_team.seen VALUES (NEW.learner_id, NEW.resource_id, NEW.version);
    IF NEW.resource_type = 'lesson_progress' AND NEW.data ? 'completedAt'
        AND (TG_OP = 'INSERT' OR NOT COALESCE(OLD.data ? 'completedAt', false)) THEN
        INSERT INTO retry_team.points VALUES (NEW.learner_id, NEW.resource_id, 10);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER retry_team AFTER INSERT
    OR UPDATE ON learnsync_data.resource FOR EACH ROW EXECUTE FUNCTION retry_team.see();
ALTER TABLE learnsync_data.resource ADD CONSTRAINT retry_team CHECK ((data ->> 'timeSpent')::int < 100);
CREATE FUNCTION pg_temp.seen(who text) RETURNS text LANGUAGE sql AS $$
    SELECT count(*) || CASE WHEN count(*) = count(DISTINCT version)
            AND count(*) = (SELECT version - 1 FROM learnsync_data.learner WHERE learner_id = who) THEN ' each once'
        ELSE ' not once' END
    FROM retry_team.seen WHERE learner_id = who $$;

-- Backoff: 1, 5, 15, 60 seconds after the last failure, four times.
SELECT is(
    pg_temp.push('ann', '{"deviceName": "Phone"}', pg_temp.item('a', 1), pg_temp.item('b', 100),
        pg_temp.item('bad', -1)),
    'synced failed failed',
    'one item is refused by the team, one by us');
UPDATE learnsync_data.device SET last_sync_at = '2026-01-01Z' WHERE learner_id = 'ann';
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('ann'), 'b error 0, bad out_of_range 0', 'not at once');
CALL pg_temp.pass('ann', 1);
CALL learnsync.retry_failed();
SELECT is(
    pg_temp.failed('ann'),
    'b error 1, bad out_of_range 0',
    'after a second; what is wrong for ever is never tried again');
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('ann'), 'b error 1, bad out_of_range 0', 'not at once again');
CALL pg_temp.pass('ann', 4);
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('ann'), 'b error 1, bad out_of_range 0', 'nor after 4 seconds');
CALL pg_temp.pass('ann', 1);
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('ann'), 'b error 2, bad out_of_range 0', 'after 5');
CALL pg_temp.pass('ann', 14);
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('ann'), 'b error 2, bad out_of_range 0', 'not after 14');
CALL pg_temp.pass('ann', 1);
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('ann'), 'b error 3, bad out_of_range 0', 'after 15');
CALL pg_temp.pass('ann', 59);
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('ann'), 'b error 3, bad out_of_range 0', 'not after 59');
CALL pg_temp.pass('ann', 1);
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('ann'), 'b error 4, bad out_of_range 0', 'after 60');
CALL pg_temp.pass('ann', 1000000);
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('ann'), 'b error 4, bad out_of_range 0', 'and no fifth time');
SELECT is(last_sync_at, '2026-01-01Z', 'the device was not here') FROM learnsync_data.device WHERE learner_id = 'ann';
SELECT is(pg_temp.seen('ann'), '1 each once', 'the hook saw what was accepted');

-- What has become possible is taken, under its own identity: the device's copy is a duplicate then.
SELECT is(
    pg_temp.push('bob', '{"deviceId": "d1"}', pg_temp.item('a', 1), pg_temp.item('b', 100), pg_temp.item('c', 200),
        pg_temp.item('c2', 1, 'c')),
    'synced failed failed synced',
    'two refused');
SELECT is(
    pg_temp.push('bob', '{"deviceId": "d2"}', pg_temp.item('b', 300), pg_temp.item('e', 5) - 'id'),
    'failed synced',
    'and one of another device');
SELECT is(pg_temp.push('bob', '{"deviceId": "d2"}', pg_temp.item('e', 400) - 'id'), 'failed', 'one without an id');
SELECT is(
    pg_temp.push('bob', '{"deviceId": "d3"}', pg_temp.item('z', 400)),
    'failed',
    'one of a device that is turned away');
SELECT learnsync.sync_deactivate_device('bob', '{"deviceId": "d3"}');
SELECT is(learnsync.sync_status('bob') -> 'pendingCount', '5'::jsonb, 'five are pending');
ALTER TABLE learnsync_data.resource DROP CONSTRAINT retry_team;
CALL pg_temp.pass('bob', 1);
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('bob'), 'z error 0', 'all are taken but that of the device');
SELECT is(
    (SELECT string_agg(resource_id || '=' || (data ->> 'timeSpent'), ' ' ORDER BY resource_id)
     FROM learnsync_data.resource WHERE learner_id = 'bob'),
    'a=1 b=400 c=201 e=405',
    'and merged');
SELECT is(
    pg_temp.push('bob', '{"deviceId": "d1"}', pg_temp.item('b', 100), pg_temp.item('c', 200)),
    'synced* synced*',
    'the device''s copies are duplicates');
SELECT is(
    pg_temp.push('bob', '{"deviceId": "d2"}', pg_temp.item('b', 300), pg_temp.item('e', 400) - 'id'),
    'synced* synced*',
    'the other''s too');
SELECT is(
    pg_temp.seen('bob'),
    (SELECT version - 1 FROM learnsync_data.learner WHERE learner_id = 'bob') || ' each once',
    'each version was seen once');
SELECT learnsync.sync_activate_device('bob', '{"deviceId": "d3"}');
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('bob'), NULL, 'let in again, its item is taken');
-- A corrected copy that came first stands.
ALTER TABLE learnsync_data.resource ADD CONSTRAINT retry_team CHECK ((data ->> 'timeSpent')::int < 100) NOT VALID;
SELECT pg_temp.push('cat', '{}', pg_temp.item('a', 100));
SELECT is(pg_temp.push('cat', '{}', pg_temp.item('a', 99)), 'synced', 'corrected');
ALTER TABLE learnsync_data.resource DROP CONSTRAINT retry_team;
CALL learnsync.retry_failed();
SELECT is(
    (SELECT string_agg(data ->> 'timeSpent', ' ') FROM learnsync_data.resource WHERE learner_id = 'cat')
        || COALESCE(pg_temp.failed('cat'), ''),
    '99',
    'it stands, and nothing is recorded');

-- A learner whose retry ends in an error of the server is put off, and holds up nobody.
ALTER TABLE learnsync_data.resource ADD CONSTRAINT retry_team CHECK (false) NOT VALID;
SELECT pg_temp.push('dan', '{}', pg_temp.item('a', 1)), pg_temp.push('eve', '{}', pg_temp.item('a', 1));
ALTER TABLE learnsync_data.resource DROP CONSTRAINT retry_team;
CREATE FUNCTION retry_team.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE deadlock_detected; END $$;
CREATE TRIGGER retry_fail BEFORE INSERT ON learnsync_data.resource FOR EACH ROW WHEN (
    NEW.learner_id = 'dan') EXECUTE FUNCTION retry_team.fail();
CALL pg_temp.pass('dan', 1);
CALL pg_temp.pass('eve', 1);
SET client_min_messages = error;
CALL learnsync.retry_failed();
SET client_min_messages = warning;
SELECT is(pg_temp.failed('dan'), 'a error 1', 'counted as a try');
SELECT is(pg_temp.failed('eve'), NULL, 'the next learner''s was taken');
DROP TRIGGER retry_fail ON learnsync_data.resource;

-- Hooks: duplicates, dry runs, what is aborted, and the fallback item by item.
ALTER TABLE learnsync_data.resource ADD CONSTRAINT retry_team CHECK ((data ->> 'timeSpent')::int < 100) NOT VALID;
CREATE FUNCTION pg_temp.done(id text, lesson text, n int DEFAULT 1)
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT pg_temp.item(id, n, lesson)
        || jsonb_build_object(
            'data', jsonb_build_object('lessonId', lesson, 'timeSpent', n, 'completionPercentage', 100)) $$;
SELECT is(pg_temp.push('fay', '{"dryRun": true}', pg_temp.done('1', 'x')), 'synced', 'a dry run');
SELECT is(
    pg_temp.push('fay', '{"atomic": true}', pg_temp.done('1', 'x'), pg_temp.item('bad', -1)),
    'failed failed',
    'an aborted one');
SELECT is(
    pg_temp.push('fay', '{}', pg_temp.item('0', 1, 'x'), pg_temp.done('1', 'x'), pg_temp.done('1', 'x'),
        pg_temp.done('2', 'y', 500), pg_temp.done('3', 'z'), pg_temp.done('4', 'w', 100)),
    'synced synced synced* failed synced failed',
    'with two culprits');
SELECT is(pg_temp.push('fay', '{}', pg_temp.done('1', 'x'), pg_temp.done('3', 'z')), 'synced* synced*', 'a retry');
SELECT is(pg_temp.push('fay', '{}', pg_temp.done('5', 'x')), 'synced', 'completed once more');
SELECT is(pg_temp.seen('fay'), '3 each once', 'every version once');
SELECT is(
    (SELECT string_agg(lesson_id || points, ' ' ORDER BY lesson_id) FROM retry_team.points WHERE learner_id = 'fay'),
    'x10 z10',
    'points for each first completion, once');
ALTER TABLE learnsync_data.resource DROP CONSTRAINT retry_team;
CALL pg_temp.pass('fay', 1);
CALL learnsync.retry_failed();
SELECT is(
    (SELECT string_agg(lesson_id || points, ' ' ORDER BY lesson_id) FROM retry_team.points WHERE learner_id = 'fay'),
    'w10 x10 y10 z10',
    'and for what the server tried again');
SELECT is(pg_temp.seen('fay'), '5 each once', 'still once');

-- By hand: all of one code, at once and however often, retryable or not, of one learner or of all.
ALTER TABLE learnsync_data.resource ADD CONSTRAINT retry_team CHECK ((data ->> 'timeSpent')::int < 100) NOT VALID;
SELECT is(
    string_agg(pg_temp.push(l, '{}', pg_temp.item('bad', -1), pg_temp.item('big', 100)), ', '),
    'failed failed, failed failed',
    'two learners, two codes')
FROM unnest('{gil,hal}'::text[]) l;
CALL learnsync.retry_failed();
SELECT is(pg_temp.failed('gil'), 'bad out_of_range 0, big error 0', 'neither is due, and one never is');
SELECT 'CALL learnsync.retry_failed(code => ''out_of_range'')' FROM generate_series(1, 6) \gexec
SELECT is(
    pg_temp.failed('gil') || '; ' || pg_temp.failed('hal'),
    'bad out_of_range 6, big error 0; bad out_of_range 6, big error 0',
    'those of the code are tried at once, more than four times, of all learners; the others are left alone');
CALL learnsync.retry_failed('gil', 'out_of_range');
CALL learnsync.retry_failed('gil', 'too_large');
SELECT is(
    pg_temp.failed('gil') || '; ' || pg_temp.failed('hal'),
    'bad out_of_range 7, big error 0; bad out_of_range 6, big error 0',
    'of one learner');
ALTER TABLE learnsync_data.resource DROP CONSTRAINT retry_team;
CALL learnsync.retry_failed('hal', 'error');
SELECT is(
    pg_temp.failed('gil') || '; ' || pg_temp.failed('hal'),
    'bad out_of_range 7, big error 0; bad out_of_range 6',
    'what can be taken by now is, before it is due');
SELECT learnsync.define_resource_type(name, jsonb_set(rule, '{fields,timeSpent,min}', '-10'))
FROM learnsync_data.resource_type WHERE name = 'lesson_progress';
SELECT learnsync.sync_deactivate_device('gil', '{"deviceId": "d"}');
CALL learnsync.retry_failed(code => 'out_of_range');
SELECT is(
    pg_temp.failed('gil') || COALESCE(pg_temp.failed('hal'), '; hal none'),
    'bad out_of_range 7, big error 0; hal none',
    'the rule was wrong: all of them are taken, but for those of a device that is turned away');
SELECT learnsync.sync_activate_device('gil', '{"deviceId": "d"}');
CALL learnsync.retry_failed(code => 'out_of_range');
CALL learnsync.retry_failed(code => 'error');
SELECT is(
    (SELECT string_agg(concat_ws(' ', learner_id, resource_id, data ->> 'timeSpent'), ', '
         ORDER BY learner_id, resource_id)
     FROM learnsync_data.resource WHERE learner_id IN ('gil', 'hal')) || COALESCE(pg_temp.failed('gil'), ''),
    'gil bad -1, gil big 100, hal bad -1, hal big 100',
    'until it is let in');
SELECT is(
    pg_temp.push('gil', '{}', pg_temp.item('bad', -1), pg_temp.item('big', 100)),
    'synced* synced*',
    'the device''s own copies are duplicates then');
SELECT is(pg_temp.seen(l), '2 each once', 'and every version was seen once') FROM unnest('{gil,hal}'::text[]) l;
SELECT throws_ok($$ CALL learnsync.retry_failed(code => 'no_code') $$, '22023', 'unknown item code: ''no_code''',
    'there is no such code');

-- maintain() at every isolation level, by an administrator.
CREATE ROLE retry_admin;
UPDATE learnsync_data.instance SET swept_at = NULL;
SELECT learnsync.grant_access('retry_admin', 'admin');
SET ROLE retry_admin;
SET default_transaction_isolation = 'serializable';
CALL learnsync.maintain();
CALL learnsync.retry_failed();
RESET default_transaction_isolation;
RESET ROLE;
SELECT ok(cleaned_at > now() - interval '1 minute', 'maintain() as administrator') FROM learnsync_data.instance;
SELECT throws_ok('CALL learnsync.retry_failed()', '2D000', NULL, 'not within a transaction block');

DROP OWNED BY retry_admin;
DROP ROLE retry_admin;
SELECT * FROM finish();
\connect :home
DROP DATABASE learnsync_retry WITH (FORCE);
