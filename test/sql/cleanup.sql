-- Retention: what cleaning removes, what it keeps, and that nothing counts twice afterwards.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.item(id text, n int, at text DEFAULT '2026-01-08T10:00:00Z', lesson text DEFAULT NULL)
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'lesson_progress',
        'clientTimestamp', at, 'data', jsonb_build_object('lessonId', COALESCE(lesson, id), 'timeSpent', n)) $$;
CREATE FUNCTION pg_temp.push(learner text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', to_jsonb(items)))::jsonb $$;
CREATE FUNCTION pg_temp.verdicts(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg((r ->> 'id') || ':' || left(r ->> 'status', 1)
            || CASE WHEN (r ->> 'duplicate')::boolean THEN '*' ELSE '' END,
        ' ' ORDER BY n)
        || COALESCE((SELECT string_agg(' ' || (f ->> 'code'), '')
                     FROM jsonb_array_elements(answer -> 'failedItems') f),
            '')
    FROM jsonb_array_elements(answer -> 'results') WITH ORDINALITY AS x (r, n) $$;
CREATE FUNCTION pg_temp.resources(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(resource_id || COALESCE('=' || (data ->> 'timeSpent'), ''), ' ' ORDER BY resource_type,
        resource_id)
    FROM learnsync_data.resource WHERE learner_id = learner $$;
CREATE FUNCTION pg_temp.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '00000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
CREATE FUNCTION pg_temp.cleanup(request jsonb)
    RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN learnsync_api.sync_cleanup(request) -> 'deletedCount'; END $$;
-- A maintain() in this transaction.
CREATE FUNCTION pg_temp.maintain(days int DEFAULT 30) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    work jsonb;
    steps text := '';
BEGIN
    LOOP
        work := learnsync_internal.maintain_step(days, work);
        EXIT WHEN work IS NULL;
        steps := concat_ws(' ', steps,
            (SELECT string_agg(t ->> 0, ' ' ORDER BY n)
             FROM jsonb_array_elements(work -> 'tasks') WITH ORDINALITY AS x (t, n) WHERE steps = ''));
    END LOOP;
    RETURN ltrim(steps);
END $$;
CREATE FUNCTION pg_temp.weeks_ago(at timestamptz)
    RETURNS int LANGUAGE sql AS $$
    SELECT floor(extract(epoch FROM clock_timestamp() - '2000-01-01Z') / 604800)::int - floor(
        extract(epoch FROM at - '2000-01-01Z') / 604800)::int $$;
-- Makes a learner's pushes look as if they had been made so many days ago, in the slot where they would be then.
CREATE FUNCTION pg_temp.age(learner text, days int) RETURNS void LANGUAGE sql AS $$
    UPDATE learnsync_data.push SET pushed_at = clock_timestamp() - days * interval '24 hours',
        slot = (floor(extract(epoch
        FROM clock_timestamp() - days * interval '24 hours' - '2000-01-01Z') / 604800)::bigint % 8)
        WHERE learner_id = learner;
    UPDATE learnsync_data.conflict
        SET created_at = created_at - days * interval '24 hours', closed_at = closed_at - days * interval '24 hours'
    WHERE learner_id = learner;
    UPDATE learnsync_data.failed SET failed_at = failed_at - days * interval '24 hours' WHERE learner_id = learner;
    UPDATE learnsync_data.resource SET updated_at = updated_at - days * interval '24 hours' WHERE learner_id = learner;
    UPDATE learnsync_data.ledger SET at = at - days * interval '24 hours' WHERE learner_id = learner;
    UPDATE learnsync_data.instance SET payloads_from = '-infinity', swept_at = NULL $$;
CREATE FUNCTION pg_temp.kept(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT format('%s pushes, %s conflicts, %s copies, %s failed, %s receipts',
        (SELECT count(*) FROM learnsync_data.push WHERE learner_id = learner),
        (SELECT count(*) FROM learnsync_data.conflict WHERE learner_id = learner),
        (SELECT count(COALESCE(client_data, server_data)) FROM learnsync_data.conflict WHERE learner_id = learner),
        (SELECT count(*) FROM learnsync_data.failed WHERE learner_id = learner),
        (SELECT count(*) FROM learnsync_data.ledger WHERE learner_id = learner)) $$;

-- Slots are weeks since 2000, and before as after.
SELECT is(
    (SELECT string_agg(slot || ' on ' || at, ', ' ORDER BY at)
     FROM (SELECT at::text, learnsync_internal.slot_as_owner(at::timestamptz) slot
           FROM unnest(ARRAY['1999-12-24 23:59:59.999999Z', '1999-12-25Z', '1999-12-31 23:59:59.999999Z',
               '2000-01-01Z', '2000-01-07 23:59:59.999999Z', '2000-01-08Z']) at) s),
    '6 on 1999-12-24 23:59:59.999999Z, 7 on 1999-12-25Z, 7 on 1999-12-31 23:59:59.999999Z, '
    '0 on 2000-01-01Z, 0 on 2000-01-07 23:59:59.999999Z, 1 on 2000-01-08Z',
    'a slot is a week, before 2000 as after');
SELECT is(
    (SELECT count(*) FROM generate_series('1990-01-01Z'::timestamptz, '2010-01-01Z', '13 hours') at
     WHERE learnsync_internal.slot_as_owner(at)
        <> (floor(extract(epoch FROM at - '2000-01-01Z') / 604800)::int % 8 + 8) % 8),
    0::bigint, 'slots follow one another in a circle, before 2000 as after');

-- The request.
SELECT is(
    pg_temp.sqlstate_of(format('SELECT learnsync_api.sync_cleanup(%L)', request)),
    state,
    'cleanup ' || COALESCE(request, 'NULL'))
FROM (VALUES
    ('{}', '00000'),
    ('{"daysOld": 0}', '00000'),
    ('{"daysOld": null}', '00000'),
    ('{"daysOld": 30.0}', '00000'),
    ('{"daysOld": 36500}', '00000'),
    (NULL, '22023'),
    ('[]', '22023'),
    ('{"daysOld": -1}', '22023'),
    ('{"daysOld": 1.5}', '22023'),
    ('{"daysOld": "30"}', '22023'),
    ('{"daysOld": 36501}', '22023'),
    ('{"daysOld": 1e30}', '22023')) v (request, state);
SELECT is(
    learnsync_api.sync_cleanup('{}'),
    '{"message": "Cleanup completed successfully", "deletedCount": 0}',
    'the answer of the original');

-- What goes and what stays: 30 days are the default; failed items and open conflicts are kept, receipts and resources
-- too.
CREATE FUNCTION pg_temp.fill(learner text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.push(learner, pg_temp.item('a', 1), pg_temp.item('b', 2), pg_temp.item('bad', -1));
    PERFORM pg_temp.push(learner, pg_temp.item('late', 4, '2026-01-07T10:00:00Z', 'a'));
    PERFORM learnsync.sync_push(learner, '{"deviceId": "d", "items": [
        {"id": "q1", "operation": "create", "resourceType": "quiz_attempt", "clientTimestamp": "2026-01-08T10:00:00Z",
            "data": {"quizId": "q", "attemptNumber": 1}},
        {"id": "q2", "operation": "create", "resourceType": "quiz_attempt", "clientTimestamp": "2026-01-08T10:00:00Z",
            "data": {"quizId": "q", "attemptNumber": 1, "x": 1}}]}');
END $$;
SELECT pg_temp.fill('ann');
SELECT is(pg_temp.kept('ann'), '3 pushes, 2 conflicts, 2 copies, 1 failed, 5 receipts', 'before');
SELECT is(pg_temp.cleanup('{"daysOld": 1}'), 0::bigint, 'what is young stays');
SELECT is(pg_temp.kept('ann'), '3 pushes, 2 conflicts, 2 copies, 1 failed, 5 receipts', 'all of it');
SELECT pg_temp.age('ann', 29);
SELECT is(pg_temp.cleanup('{}'), 0::bigint, '29 days are not old');
SELECT pg_temp.fill('bob');
SELECT pg_temp.age('ann', 31);
SELECT is(pg_temp.cleanup('{}'), 5::bigint, 'items are counted, each once');
SELECT is(pg_temp.cleanup('{}'), 0::bigint, 'and go once');
SELECT is(
    pg_temp.kept('ann'),
    '0 pushes, 1 conflicts, 1 copies, 1 failed, 5 receipts',
    'payloads and closed conflicts are gone');
SELECT is(pg_temp.kept('bob'), '3 pushes, 2 conflicts, 2 copies, 1 failed, 5 receipts', 'those of another stay');
SELECT is(pg_temp.resources('ann'), 'a=5 b=2 ["q",1]', 'resources stay');
SELECT is(learnsync.sync_status('ann') -> 'conflictCount', '1'::jsonb, 'open conflicts stay');
SELECT is(pg_temp.cleanup('{"daysOld": 0}'), 5::bigint, 'with 0 days everything goes');
UPDATE learnsync_data.conflict SET closed_at = clock_timestamp() - interval '40 days', closed_by = 'use_server'
WHERE learner_id = 'ann';
SELECT pg_temp.cleanup('{}');
SELECT is(
    pg_temp.kept('ann'),
    '0 pushes, 1 conflicts, 0 copies, 1 failed, 5 receipts',
    'what a person decided stays as a record without the copy');

-- Pushing again counts nothing twice; pull answers as before.
SELECT learnsync.sync_pull('bob', '{"deviceId": "e"}')::jsonb AS before \gset
SELECT is(
    pg_temp.verdicts(pg_temp.push('bob', pg_temp.item('a', 1), pg_temp.item('b', 2),
        pg_temp.item('late', 4, '2026-01-07T10:00:00Z', 'a'))),
    'a:s* b:s* late:c*',
    'receipts answer retries');
SELECT is(pg_temp.verdicts(pg_temp.push('bob', pg_temp.item('a', 2))), 'a:f id_reused', 'and know another payload');
SELECT is(pg_temp.resources('bob'), 'a=5 b=2 ["q",1]', 'nothing counts twice');
SELECT is(learnsync.sync_pull('bob', '{"deviceId": "e"}')::jsonb, :'before'::jsonb, 'pull goes without the log');
SELECT is(
    jsonb_path_query_array(
        learnsync.sync_pull('bob', jsonb_build_object('deviceId', 'e', 'lastSyncVersion', v))::jsonb,
        '$.changes[*].version')::text
        || (learnsync.sync_pull('bob', jsonb_build_object('deviceId', 'e', 'lastSyncVersion', v)) ->> 'reset'),
    (SELECT COALESCE(jsonb_agg(version ORDER BY version), '[]')::text || 'false' FROM learnsync_data.resource
     WHERE learner_id = 'bob' AND version > v),
    'from any cursor: ' || v)
FROM generate_series(1, 5) v;
SELECT is(pg_temp.verdicts(pg_temp.push('bob', pg_temp.item('c', 1))), 'c:s', 'what comes then');
SELECT is(
    jsonb_path_query_array(
        learnsync.sync_pull('bob', jsonb_build_object('deviceId', 'e', 'lastSyncVersion', v))::jsonb,
        '$.changes[*].version')::text,
    (SELECT COALESCE(jsonb_agg(version ORDER BY version), '[]')::text FROM learnsync_data.resource
     WHERE learner_id = 'bob' AND version > v),
    'is pulled with the rest: ' || v)
FROM generate_series(1, 6) v;

-- Any hole in the log: whatever rows are missing, in whatever order they went, pull gives the same.
SELECT pg_temp.push('gap', pg_temp.item('l' || n % 4, 1, lesson => 'l' || n % 4) || jsonb_build_object('id', n))
FROM generate_series(1, 12) n;
CREATE TEMP TABLE saved AS SELECT * FROM learnsync_data.push WHERE learner_id = 'gap';
CREATE FUNCTION pg_temp.pulled(cursor int)
    RETURNS text LANGUAGE plpgsql AS $$
    BEGIN RETURN (learnsync.sync_pull('gap', jsonb_build_object('deviceId', 'e', 'lastSyncVersion', cursor,
        'limit', 2))::jsonb - 'epoch')::text;
    END $$;
CREATE TEMP TABLE truth AS SELECT c, pg_temp.pulled(c) AS answer FROM generate_series(1, 13) c;
CREATE FUNCTION pg_temp.differ(mask int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM learnsync_data.push WHERE learner_id = 'gap';
    INSERT INTO learnsync_data.push SELECT * FROM saved WHERE mask & (1 << (version - 2)::int) = 0;
    RETURN (SELECT count(*) FROM truth WHERE answer <> pg_temp.pulled(c));
END $$;
SELECT is(
    (SELECT sum(pg_temp.differ(m * 37 % 4096)) FROM generate_series(0, 300) m),
    0::numeric,
    'whatever is missing of the log');

-- What passes the limit between two cleanings, within one week, goes with the second.
SELECT pg_temp.cleanup('{"daysOld": 0}');
UPDATE learnsync_data.instance SET payloads_from = '-infinity';
SELECT pg_temp.push('pat', pg_temp.item('a', 1));
UPDATE learnsync_data.push
    SET pushed_at = now() - interval '815 hours',
        slot = floor(extract(epoch FROM now() - interval '815 hours' - '2000-01-01Z') / 604800)::bigint % 8
WHERE learner_id = 'pat';
SELECT is(pg_temp.cleanup('{"daysOld": 34}'), 0::bigint, 'an hour too young');
SELECT is(pg_temp.cleanup('{"daysOld": 33}'), 1::bigint, 'old enough');

-- maintain(): payloads by whole weeks, the rest once a day.
SELECT pg_temp.cleanup('{"daysOld": 0}');
SELECT pg_temp.fill('cat');
SELECT pg_temp.age('cat', 45);
UPDATE learnsync_data.instance SET payloads_from = now() - interval '48 days';
SELECT pg_temp.fill('dan');
SELECT is(pg_temp.maintain(), 'empty learner_counts device_counts conflict failed instant learner resource',
    'a slot, and a round through the tables');
SELECT is(
    pg_temp.kept('cat'),
    '0 pushes, 1 conflicts, 1 copies, 1 failed, 5 receipts',
    'payloads and closed conflicts went');
SELECT is(pg_temp.kept('dan'), '3 pushes, 2 conflicts, 2 copies, 1 failed, 5 receipts', 'the young ones did not');
SELECT is(pg_temp.maintain(), '', 'the next one has nothing to do');
SELECT is(
    (SELECT count(*) FROM learnsync_data.instance
     WHERE cleaned_at IS NOT NULL AND swept_at IS NOT NULL AND cleaned_items > 0),
    1::bigint,
    'when it ended is noted');
UPDATE learnsync_data.instance SET swept_at = clock_timestamp() - interval '1 day';
SELECT is(pg_temp.maintain(), 'learner_counts device_counts conflict failed instant learner resource', 'a day later');
-- Slots that were taken up again before anyone cleaned hold two ages.
SELECT pg_temp.age('cat', 0) , pg_temp.fill('old');
SELECT pg_temp.age('old', 56);
SELECT is(
    (SELECT count(DISTINCT slot) FROM learnsync_data.push WHERE learner_id IN ('old', 'dan')),
    1::bigint,
    'one slot');
SELECT is(
    pg_temp.maintain(),
    'push_' || (SELECT DISTINCT slot FROM learnsync_data.push WHERE learner_id = 'dan')
        || ' learner_counts device_counts conflict failed instant learner resource',
    'is gone through by rows');
SELECT is(
    pg_temp.kept('old') || '; ' || pg_temp.kept('dan'),
    '0 pushes, 1 conflicts, 1 copies, 1 failed, 5 receipts; 3 pushes, 2 conflicts, 2 copies, 1 failed, 5 receipts',
    'only the old ones go');
SELECT is(pg_temp.maintain(), '', 'once');
-- Every age, in days, against the rule.
CREATE FUNCTION pg_temp.ages(days_old int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.cleanup('{"daysOld": 0}');
    FOR age IN 0..120 LOOP
        PERFORM pg_temp.push('age ' || age, pg_temp.item(days_old::text, 1));
        PERFORM pg_temp.age('age ' || age, age);
    END LOOP;
    PERFORM pg_temp.maintain(days_old);
    RETURN (SELECT string_agg(learner_id, ',') FROM learnsync_data.push
            WHERE pushed_at
                < date_bin('168 hours', clock_timestamp() - days_old * interval '24 hours', '2000-01-01Z'))
        || (SELECT count(*) FROM generate_series(0, 120) a
            WHERE clock_timestamp() - a * interval '24 hours'
                > date_bin('168 hours', clock_timestamp() - days_old * interval '24 hours', '2000-01-01Z')) -
            (SELECT count(*) FROM learnsync_data.push);
END $$;
SELECT is(COALESCE(pg_temp.ages(d), '0'), '0', 'maintain keeps what is younger than ' || d || ' days, by weeks')
FROM (VALUES (0), (7), (30), (49), (56), (90)) v (d);
SELECT is(pg_temp.sqlstate_of('SELECT learnsync_internal.maintain_step(-1, NULL)'), '22023', 'days must be at least 0');
SELECT is(pg_temp.sqlstate_of('CALL learnsync.maintain()'), '2D000', 'not within a transaction block');

-- Failed items after 90 days; then nothing says any more that there are some.
SELECT pg_temp.push('eve', pg_temp.item('bad', -1)), pg_temp.push('fay', pg_temp.item('bad', -1));
SELECT pg_temp.age('eve', 91), pg_temp.age('fay', 89);
SELECT pg_temp.maintain();
SELECT is(
    (SELECT string_agg(learner_id || ' ' || has_failed, ', ' ORDER BY learner_id) FROM learnsync_data.learner
     WHERE learner_id IN ('eve', 'fay')),
    'eve false, fay true',
    'has_failed goes with the last one');
SELECT is(
    (SELECT string_agg(learner_id, ',') FROM learnsync_data.failed WHERE learner_id IN ('eve', 'fay')),
    'fay',
    '90 days');
SELECT is(
    pg_temp.verdicts(pg_temp.push('eve', pg_temp.item('bad', -1))),
    'bad:f out_of_range',
    'a copy is judged anew');
SELECT is(
    (SELECT retry_count::text || l.has_failed FROM learnsync_data.failed
     JOIN learnsync_data.learner l USING (learner_id) WHERE learner_id = 'eve'),
    '0true',
    'and recorded anew');

-- Tombstones: below the horizon a pull starts anew, above it nothing is lost.
SELECT pg_temp.push('tom', pg_temp.item('a', 1), pg_temp.item('b', 1));
SELECT pg_temp.push('tom', '{"id": "del", "operation": "delete", "resourceType": "lesson_progress", "resourceId": "a",
    "clientTimestamp": "2026-01-09T10:00:00Z"}');
SELECT pg_temp.push('tom', pg_temp.item('c', 1));
SELECT pg_temp.age('tom', 179);
SELECT pg_temp.maintain();
SELECT is(
    learnsync.sync_pull('tom', '{"deviceId": "e", "lastSyncVersion": 3}') #>> '{changes,0,operation}',
    'delete',
    '179 days: still told');
SELECT pg_temp.age('tom', 2);
SELECT pg_temp.maintain();
SELECT is(
    (SELECT string_agg(resource_id, '') FROM learnsync_data.resource WHERE learner_id = 'tom'),
    'bc',
    '181 days: forgotten');
SELECT is(format('%s %s', p -> 'reset', jsonb_path_query_array(p, '$.changes[*].resourceId')), wanted, 'cursor ' || c)
FROM (VALUES
    (1, 'true ["b", "c"]'),
    (2, 'true ["b", "c"]'),
    (3, 'true ["b", "c"]'),
    (4, 'false ["c"]'),
    (5, 'false []')) v (c, wanted),
    LATERAL (SELECT learnsync.sync_pull('tom', jsonb_build_object('deviceId', 'e', 'lastSyncVersion', c))::jsonb) x (p);
SELECT is(learnsync.sync_pull('tom', '{"deviceId": "e", "lastSyncVersion": 3, "from": 1}') ->> 'reset', 'true',
    'a first run that was interrupted for so long starts anew: it may have brought what is deleted now');
SELECT is(
    pg_temp.verdicts(pg_temp.push('tom', pg_temp.item('a', 1), pg_temp.item('a2', 5, lesson => 'a'))),
    'a:s* a2:s',
    'retries are known after the tombstone went');
SELECT is(pg_temp.resources('tom'), 'a=5 b=1 c=1', 'and nothing comes back');
SET learnsync.tombstone_days = 1;
SELECT pg_temp.push('tom', '{"id": "del2", "operation": "delete", "resourceType": "lesson_progress",
    "resourceId": "b", "clientTimestamp": "2026-01-09T10:00:00Z"}');
SELECT pg_temp.age('tom', 2);
SELECT pg_temp.maintain();
SELECT is(
    (SELECT tombstone_version FROM learnsync_data.learner WHERE learner_id = 'tom'),
    7::bigint,
    'the horizon moves on');
RESET learnsync.tombstone_days;

-- Members that were removed from lists are forgotten as late.
SELECT learnsync.define_resource_type('checklist', '{"key": ["listId"], "stale": "ignore", "fields": {
    "tasks": {"merge": "union", "id": "id", "members": "latest"}, "notes": {"merge": "union", "id": "id"}}}');
CREATE FUNCTION pg_temp.tasks(id text, at text, tasks jsonb, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'checklist', 'clientTimestamp', at,
        'data', jsonb_build_object('listId', 'exam', 'tasks', tasks) || more) $$;
CREATE FUNCTION pg_temp.listed(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(m.field || '.' || m.member_id || CASE WHEN m.value ? 'deleted' THEN '-' ELSE '' END, ' '
        ORDER BY m.field, m.member_id) FROM learnsync_data.member m WHERE m.learner_id = learner $$;
SELECT pg_temp.push('una', pg_temp.tasks('1', '2026-01-08T10:00:00Z', '[{"id": "pen"}, {"id": "ruler"}]'));
SELECT pg_temp.push('una', pg_temp.tasks('2', '2026-01-08T11:00:00Z', '[{"id": "ruler", "deleted": true}]',
    '{"notes": [{"id": "n", "deleted": true}]}'));
SELECT pg_temp.push('una', pg_temp.tasks('3', '2026-01-08T12:00:00Z', '[{"id": "ink"}]'));
SELECT pg_temp.age('una', 179);
SELECT pg_temp.maintain();
SELECT is(
    learnsync.sync_pull('una', '{"deviceId": "e", "lastSyncVersion": 2, "from": 2}')::jsonb
        #> '{changes,0,data,tasks}',
    '[{"id": "ruler", "deleted": true}, {"id": "ink"}]',
    '179 days: what was removed is still told');
SELECT pg_temp.push('una', pg_temp.tasks('4', '2026-01-09T11:00:00Z', '[{"id": "ink", "deleted": true}]'));
SELECT pg_temp.push('una', pg_temp.tasks('5', '2025-01-08T11:00:00Z', '[{"id": "late", "deleted": true}]'));
UPDATE learnsync_data.ledger SET at = at - interval '2 days' WHERE learner_id = 'una' AND version <= 4;
UPDATE learnsync_data.instance SET swept_at = NULL;
SELECT pg_temp.maintain();
SELECT is(pg_temp.listed('una'), 'notes.n- tasks.ink- tasks.late- tasks.pen',
    '181 days: forgotten; not what was removed since, however it is dated, nor what other lists hold');
SELECT is(format('%s %s', p -> 'reset', p #> '{changes,0,data,tasks}'), wanted, 'of a list, cursor ' || c)
FROM (VALUES
    (1, 'true [{"id": "pen"}]'),
    (2, 'true [{"id": "pen"}]'),
    (3, 'false [{"id": "late", "deleted": true}, {"id": "ink", "deleted": true}]'),
    (6, 'false ')) v (c, wanted),
    LATERAL (SELECT learnsync.sync_pull('una',
        jsonb_build_object('deviceId', 'e', 'lastSyncVersion', c, 'from', c))::jsonb) x (p);
SELECT pg_temp.push('una', pg_temp.tasks('6', '2026-01-08T10:30:00Z', '[{"id": "ruler"}, {"id": "ink"}]'));
SELECT is(pg_temp.listed('una'), 'notes.n- tasks.ink- tasks.late- tasks.pen tasks.ruler',
    'what was said before, and arrives only then, brings it back; what is remembered stays removed');
SELECT pg_temp.push('vic', pg_temp.tasks('1', '2026-01-08T11:00:00Z', '[{"id": "pen", "deleted": true}]'));
UPDATE learnsync_data.ledger SET at = at - interval '181 days' WHERE learner_id = 'vic';
UPDATE learnsync_data.instance SET swept_at = NULL;
SELECT pg_temp.maintain();
SELECT pg_temp.push('vic', pg_temp.tasks('2', '2026-01-08T10:00:00Z', '[{"id": "pen"}]'));
SELECT is(pg_temp.listed('vic'), 'tasks.pen', 'a list of which all was forgotten');
SELECT is((SELECT count(*) FROM learnsync.resource_verify('vic')), 0::bigint,
    'what came back so is no damage, though the items say otherwise');
SELECT pg_temp.age('una', 181);
UPDATE learnsync_data.ledger SET at = now() WHERE learner_id = 'una';
SELECT learnsync.define_resource_type('checklist', '{"key": ["listId"], "stale": "ignore", "fields": {
    "tasks": {"merge": "union", "id": "id", "members": "latest"}, "notes": {"merge": "latest"}}}', rebase => true);
SELECT pg_temp.maintain();
SELECT is(pg_temp.listed('una'), 'notes.n- tasks.ink- tasks.late- tasks.pen tasks.ruler',
    'while a rule changes nothing is forgotten');

SELECT * FROM finish();
ROLLBACK;
