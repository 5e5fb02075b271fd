-- Erasing a learner, and new epochs.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.push(learner text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN learnsync.sync_push(learner, '{"deviceId": "d", "items": [
        {"id": "1", "operation": "update", "resourceType": "lesson_progress",
            "clientTimestamp": "2026-01-08T10:00:00Z", "data": {"lessonId": "a", "timeSpent": 1}},
        {"id": "2", "operation": "update", "resourceType": "lesson_progress",
            "clientTimestamp": "2026-01-07T10:00:00Z", "data": {"lessonId": "a", "timeSpent": 1}},
        {"id": "bad"}]}' || more) #>> '{results,0,status}';
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
SELECT is(
    learnsync.forget_learner('erase me'),
    (SELECT sum(n) FROM (VALUES (2), (1), (4), (2), (2), (2)) v (n))::bigint,
    'devices, resources, receipts, pushes, conflicts, failed items');
SELECT is(pg_temp.traces('erase me'), 0::bigint, 'nothing is left');
SELECT is(pg_temp.traces('keep me'), :kept::bigint, 'nobody else is concerned');
SELECT is(
    (SELECT count(*) FROM learnsync_data.forgotten
     WHERE strpos(learner_hash::text, encode('erase me', 'hex')) = 0 AND length(learner_hash) = 32),
    1::bigint,
    'but a hash');
SELECT isnt((SELECT learner_hash FROM learnsync_data.forgotten), sha256('erase me'), 'that needs the key');
SELECT is(pg_temp.push('erase me'), 'PT410 this learner was erased', 'a late push is refused');
SELECT is(pg_temp.push('erase me', '{"items": []}'), 'PT410 this learner was erased', 'even an empty one');
SELECT is(pg_temp.push('erase me', '{"dryRun": true}'), 'PT410 this learner was erased', 'even a dry one');
SELECT is(pg_temp.traces('erase me'), 0::bigint, 'and leaves nothing');
SELECT is(
    learnsync.sync_pull('erase me', '{"deviceId": "d", "lastSyncVersion": 3}')::jsonb - 'epoch',
    '{"reset": true, "changes": [], "hasMore": false, "syncVersion": 1}',
    'a late pull empties the device');
SELECT is(learnsync.forget_learner('erase me'), 0::bigint, 'again: nothing to do');
SELECT is(learnsync.forget_learner('never seen'), 0::bigint, 'one who was never here');
SELECT is(pg_temp.push('never seen'), 'PT410 this learner was erased', 'cannot come any more');
SELECT is(learnsync.remember_learner('erase me'), true, 'the way back');
SELECT is(learnsync.remember_learner('erase me'), false, 'once');
SELECT is(pg_temp.push('erase me'), 'synced', 'starts with nothing');
SELECT is((SELECT version FROM learnsync_data.learner WHERE learner_id = 'erase me'), 2::bigint, 'anew');
SELECT throws_ok(
    format('SELECT learnsync.%s(%L)', f, learner),
    '22023',
    NULL,
    f || ' ' || COALESCE(left(learner, 3), 'NULL'))
FROM (VALUES ('forget_learner'), ('remember_learner')) c (f), (VALUES (NULL), (''), (repeat('x', 201))) v (learner);
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
SELECT is(
    learnsync.sync_pull('ann', jsonb_build_object('deviceId', 'd', 'lastSyncVersion', 2,
        'epoch', e))::jsonb - 'changes',
    jsonb_build_object('epoch', :'new', 'reset', reset, 'hasMore', false, 'syncVersion', 2),
    'pull with epoch ' || what)
FROM (VALUES (:'old', true, 'old'), (:'new', false, 'new')) v (e, reset, what);
SELECT is(learnsync.sync_push('ann', '{"deviceId": "d", "items": []}') ->> 'epoch', :'new', 'push answers it, too');

-- A life after the erasure is another one: cursors of the old life reset, on push, pull and put, though its versions
-- come again.
CREATE FUNCTION pg_temp.lesson(learner text, device text, more jsonb, VARIADIC lessons text[])
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner,
        jsonb_build_object('deviceId', device,
            'items', (SELECT jsonb_agg(jsonb_build_object('id', l, 'operation', 'update',
                          'resourceType', 'lesson_progress', 'data', jsonb_build_object('lessonId', l),
                          'clientTimestamp', '2026-01-05T10:00:00Z'))
                      FROM unnest(lessons) l)) || more)::jsonb $$;
CREATE FUNCTION pg_temp.event(learner text, id text, since text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT learnsync.progress_put(learner, jsonb_build_object('since', since,
        'events', jsonb_build_array(jsonb_build_object('eventId', id, 'occurredAt', '2026-01-05T10:00:00Z',
            'clientId', 'c', 'type', 'activePath.set', 'payload', '{"pathId": "p"}'::jsonb)))) #>> '{data,cursor}' $$;
CREATE FUNCTION pg_temp.held(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', (SELECT string_agg(c ->> 'resourceId', ',' ORDER BY n)
        FROM jsonb_array_elements(answer -> 'changes') WITH ORDINALITY x (c, n)),
        answer ->> 'syncVersion', CASE WHEN answer -> 'reset' = 'true' THEN 'reset' END) $$;
CREATE TEMP TABLE life (n int, cursor int, epoch text, since text);
SELECT pg_temp.lesson('twice', 'phone', '{}', 'old-a', 'old-b'), pg_temp.event('twice', 'e-old');
INSERT INTO life SELECT 1, 4, learnsync.sync_pull('twice', '{"deviceId": "tablet"}') ->> 'epoch',
    learnsync.progress_get('twice') #>> '{data,cursor}';
SELECT learnsync.forget_learner('twice'), learnsync.remember_learner('twice');
SELECT is(
    pg_temp.held(learnsync.sync_pull('twice', jsonb_build_object('deviceId', 'tablet', 'lastSyncVersion', 4,
        'from', 4, 'epoch', epoch))::jsonb),
    '1 reset',
    'an old cursor resets before anything was pushed')
FROM life;
SELECT pg_temp.lesson('twice', 'phone2', '{}', 'new-a', 'new-b'), pg_temp.event('twice', 'e-new');
SELECT is(
    (learnsync.sync_pull('twice', '{"deviceId": "x"}') ->> 'syncVersion')::int,
    cursor,
    'the versions come again')
FROM life;
SELECT is(
    pg_temp.held(learnsync.sync_pull('twice', jsonb_build_object('deviceId', 'tablet', 'lastSyncVersion', 4,
        'from', 4, 'epoch', epoch))::jsonb),
    'new-a,new-b 4 reset',
    'pull with a cursor of the old life')
FROM life;
SELECT is(
    pg_temp.held(learnsync.sync_push('twice', jsonb_build_object('deviceId', 'tablet', 'lastSyncVersion', 4,
        'epoch', epoch, 'items', '[]'::jsonb))::jsonb),
    '1 reset',
    'a push, be it empty')
FROM life;
SELECT is(
    pg_temp.held(pg_temp.lesson('twice', 'tablet', jsonb_build_object('lastSyncVersion', 4, 'epoch', epoch), 'mine')),
    '1 reset',
    'a push that brings something')
FROM life;
SELECT is(
    learnsync.progress_get('twice', since) #>> '{data,events,0,eventId}',
    'e-new',
    'an old cursor of the event log')
FROM life;
SELECT is(
    pg_temp.event('twice', 'e-late', since),
    (SELECT epoch FROM learnsync_data.learner WHERE learner_id = 'twice') || ':1',
    'and a put with it')
FROM life;
INSERT INTO life SELECT 2, 5, learnsync.sync_pull('twice', '{"deviceId": "tablet"}') ->> 'epoch',
    learnsync.progress_get('twice') #>> '{data,cursor}';
SELECT is(count(DISTINCT epoch), 2::bigint, 'each life has its epoch') FROM life;
SELECT is(
    pg_temp.held(learnsync.sync_pull('twice', jsonb_build_object('deviceId', 'tablet', 'lastSyncVersion', 5,
        'from', 5, 'epoch', epoch))::jsonb),
    '6',
    'the new life''s cursors go on')
FROM life WHERE n = 2;
SELECT is(
    pg_temp.held(pg_temp.lesson('twice', 'tablet', jsonb_build_object('lastSyncVersion', 6, 'epoch', epoch), 'more')),
    '7',
    'on push, too')
FROM life WHERE n = 2;
SELECT is(learnsync.progress_get('twice', since) #> '{data,events}', '[]', 'and in the event log') FROM life
WHERE n = 2;
SELECT is(
    (SELECT epoch FROM learnsync_data.learner WHERE learner_id = 'ann'),
    NULL,
    'who was never erased has no epoch of their own');
SELECT learnsync.new_epoch() AS new \gset
SELECT is((SELECT epoch FROM learnsync_data.learner WHERE learner_id = 'twice'), NULL, 'a new epoch is everybody''s');
SELECT is(
    pg_temp.held(learnsync.sync_pull('twice', jsonb_build_object('deviceId', 'tablet', 'lastSyncVersion', 7,
        'epoch', epoch))::jsonb),
    'new-a,new-b,mine,more 7 reset',
    'and resets the cursors of both lives')
FROM life;

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
SELECT is(
    pg_temp.ask(who, statement),
    CASE who WHEN 'test_admin' THEN '00000' ELSE '42501' END,
    who || ': ' || statement)
FROM (VALUES ('test_admin'), ('test_service')) w (who),
    (VALUES
        ('SELECT learnsync.forget_learner(''x'')'),
        ('SELECT learnsync.remember_learner(''x'')'),
        ('SELECT learnsync.new_epoch()'),
        ('SELECT learnsync.unseen_devices()'),
        ('SELECT learnsync.drop_devices()'),
        ('SELECT learnsync_internal.maintain_step(30, NULL)'),
        ('SELECT learnsync_api.sync_cleanup(''{}'')'),
        ('SELECT learnsync_internal.next_to_retry('''', NULL, false)'),
        ('SELECT learnsync_internal.retry_learner(''ann'', NULL, false)'),
        ('SELECT learnsync_internal.postpone_retry(''ann'', NULL)')) s (statement);
SELECT is(pg_temp.ask('test_admin', statement), '42501', 'not even an administrator: ' || statement)
FROM (VALUES
    ('SELECT learnsync_internal.forget_as_owner(''x'')'),
    ('SELECT learnsync_internal.cleanup_as_owner(0)'),
    ('DELETE FROM learnsync_data.forgotten'),
    ('SELECT FROM learnsync_data.forgotten')) s (statement);

SELECT * FROM finish();
ROLLBACK;
