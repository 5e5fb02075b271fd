-- Erasing a learner, and new epochs.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.push(learner text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN learnsync.sync_push(learner, '{"deviceId": "d", "items": [{"id": "1", "operation": "update", "resourceType": "lesson_progress", "clientTimestamp": "2026-01-08T10:00:00Z", "data": {"lessonId": "a", "timeSpent": 1}},
        {"id": "2", "operation": "update", "resourceType": "lesson_progress", "clientTimestamp": "2026-01-07T10:00:00Z", "data": {"lessonId": "a", "timeSpent": 1}}, {"id": "bad"}]}' || more) #>> '{results,0,status}';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
-- All rows anywhere in which a text occurs.
CREATE FUNCTION pg_temp.traces(needle text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    name regclass;
    found bigint;
    total bigint := 0;
BEGIN
    FOR name IN SELECT oid FROM pg_class WHERE relnamespace = 'learnsync_data'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('SELECT count(*) FROM %s t WHERE strpos(t::text, $1) > 0', name) INTO found USING needle;
        total := total + found;
    END LOOP;
    RETURN total;
END $$;

SELECT pg_temp.push('erase me'), pg_temp.push('erase me', '{"deviceId": "e"}'), pg_temp.push('keep me');
SELECT pg_temp.traces('keep me') AS kept \gset
SELECT isnt(pg_temp.traces('erase me'), 0::bigint, 'there is much');
SELECT is(learnsync.forget_learner('erase me'), (SELECT sum(n) FROM (VALUES (2), (1), (4), (2), (2), (2)) v (n))::bigint, 'devices, resources, receipts, pushes, conflicts, failed items');
SELECT is(pg_temp.traces('erase me'), 0::bigint, 'nothing is left');
SELECT is(pg_temp.traces('keep me'), :kept::bigint, 'nobody else is concerned');
SELECT is((SELECT count(*) FROM learnsync_data.forgotten WHERE strpos(learner_hash::text, encode('erase me', 'hex')) = 0 AND length(learner_hash) = 32), 1::bigint, 'but a hash');
SELECT isnt((SELECT learner_hash FROM learnsync_data.forgotten), sha256('erase me'), 'that needs the key');
SELECT is(pg_temp.push('erase me'), 'PT410 this learner was erased', 'a late push is refused');
SELECT is(pg_temp.push('erase me', '{"items": []}'), 'PT410 this learner was erased', 'even an empty one');
SELECT is(pg_temp.push('erase me', '{"dryRun": true}'), 'PT410 this learner was erased', 'even a dry one');
SELECT is(pg_temp.traces('erase me'), 0::bigint, 'and leaves nothing');
SELECT is(learnsync.sync_pull('erase me', '{"deviceId": "d", "lastSyncVersion": 3}') - 'epoch', '{"reset": true, "changes": [], "hasMore": false, "syncVersion": 1}', 'a late pull empties the device');
SELECT is(learnsync.forget_learner('erase me'), 0::bigint, 'again: nothing to do');
SELECT is(learnsync.forget_learner('never seen'), 0::bigint, 'one who was never here');
SELECT is(pg_temp.push('never seen'), 'PT410 this learner was erased', 'cannot come any more');
SELECT is(learnsync.remember_learner('erase me'), true, 'the way back');
SELECT is(learnsync.remember_learner('erase me'), false, 'once');
SELECT is(pg_temp.push('erase me'), 'synced', 'starts with nothing');
SELECT is((SELECT version FROM learnsync_data.learner WHERE learner_id = 'erase me'), 2::bigint, 'anew');
SELECT throws_ok(format('SELECT learnsync.%s(%L)', f, learner), '22023', NULL, f || ' ' || COALESCE(left(learner, 3), 'NULL')) FROM (VALUES ('forget_learner'), ('remember_learner')) c (f), (VALUES (NULL), (''), (repeat('x', 201))) v (learner);
-- Tables of the team's in learnsync_data are emptied with ours.
CREATE TABLE learnsync_data.note (learner_id text, note text);
ALTER TABLE learnsync_data.note OWNER TO learnsync_owner;
INSERT INTO learnsync_data.note VALUES ('keep me', 'x');
SELECT is(learnsync.forget_learner('keep me'), 8::bigint, 'with a note');
SELECT is(pg_temp.traces('keep me'), 0::bigint, 'all of it');

-- A new epoch: the answers say so, and pulls start anew.
SELECT pg_temp.push('ann');
SELECT epoch AS old FROM learnsync_data.instance \gset
SELECT learnsync.sync_pull('ann', '{"deviceId": "d"}') ->> 'epoch' = :'old' AS known \gset
SELECT ok(:'known'::boolean, 'the session knows the epoch');
SELECT learnsync.new_epoch() AS new \gset
SELECT isnt(:'new'::text, :'old'::text, 'another one');
SELECT is(learnsync.sync_pull('ann', jsonb_build_object('deviceId', 'd', 'lastSyncVersion', 2, 'epoch', e)) - 'changes', jsonb_build_object('epoch', :'new', 'reset', reset, 'hasMore', false, 'syncVersion', 2), 'pull with epoch ' || what)
FROM (VALUES (:'old', true, 'old'), (:'new', false, 'new')) v (e, reset, what);
SELECT is(learnsync.sync_push('ann', '{"deviceId": "d", "items": []}') ->> 'epoch', :'new', 'push answers it, too');

-- Only administrators.
CREATE ROLE test_admin;
CREATE ROLE test_service;
SELECT learnsync.grant_access('test_admin', 'admin'), learnsync.grant_access('test_service', 'service');
CREATE FUNCTION pg_temp.ask(who text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('role', who, true);
    EXECUTE statement;
    PERFORM set_config('role', 'none', true);
    RETURN '00000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT is(pg_temp.ask(who, statement), CASE who WHEN 'test_admin' THEN '00000' ELSE '42501' END, who || ': ' || statement) FROM (VALUES ('test_admin'), ('test_service')) w (who),
    (VALUES ('SELECT learnsync.forget_learner(''x'')'), ('SELECT learnsync.remember_learner(''x'')'), ('SELECT learnsync.new_epoch()'), ('SELECT learnsync.unseen_devices()'), ('SELECT learnsync.drop_devices()'),
        ('SELECT learnsync.maintain_step(30, NULL)'), ('SELECT learnsync_api.sync_cleanup(''{}'')'), ('SELECT learnsync.next_to_retry('''')'), ('SELECT learnsync.retry_learner(''ann'')'), ('SELECT learnsync.postpone_retry(''ann'')')) s (statement);
SELECT is(pg_temp.ask('test_admin', statement), '42501', 'not even an administrator: ' || statement) FROM (VALUES ('SELECT learnsync.forget_as_owner(''x'')'), ('SELECT learnsync.cleanup_as_owner(0)'), ('DELETE FROM learnsync_data.forgotten'), ('SELECT FROM learnsync_data.forgotten')) s (statement);

SELECT * FROM finish();
ROLLBACK;
