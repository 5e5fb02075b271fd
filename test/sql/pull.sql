-- Pull: no change is skipped, whichever way it is found; and the cursors that pushes hand out.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.item(id text, type text, resource text, data jsonb, hour int DEFAULT 10,
    operation text DEFAULT 'update')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', operation, 'resourceType', type, 'resourceId', resource,
        'clientTimestamp', to_char(
            timestamp '2026-01-08' + make_interval(hours => hour),
            'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'data', data) $$;
CREATE FUNCTION pg_temp.push(learner text, device text, more jsonb, VARIADIC items jsonb[])
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', device, 'items', to_jsonb(items)) || more)::jsonb
    $$;
CREATE FUNCTION pg_temp.pull(learner text, request jsonb)
    RETURNS jsonb LANGUAGE plpgsql AS $$
    BEGIN RETURN learnsync.sync_pull(learner, '{"deviceId": "reader"}' || request)::jsonb - 'epoch'; END $$;
-- A page in short: operation, id and version of each change, then the new cursor, + where there is more, ! for a reset.
CREATE FUNCTION pg_temp.page(learner text, request jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ',
        string_agg(left(c ->> 'operation', 1) || ':' || (c ->> 'resourceId') || '@' || (c ->> 'version'),
            ' ' ORDER BY n),
        '=' || (answer ->> 'syncVersion') || CASE WHEN (answer ->> 'hasMore')::boolean THEN '+' ELSE '' END
            || CASE WHEN (answer ->> 'reset')::boolean THEN '!' ELSE '' END)
    FROM pg_temp.pull(learner, request) answer
    LEFT JOIN jsonb_array_elements(answer -> 'changes') WITH ORDINALITY AS x (c, n) ON true GROUP BY answer $$;
-- All pages from a cursor on.
CREATE FUNCTION pg_temp.pages(learner text, request jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    all_pages text;
    answer jsonb;
    page text;
BEGIN
    LOOP
        page := pg_temp.page(learner, request);
        answer := pg_temp.pull(learner, request);
        all_pages := concat_ws(' | ', all_pages, page);
        EXIT WHEN NOT (answer ->> 'hasMore')::boolean;
        request := request || jsonb_build_object('lastSyncVersion', answer -> 'syncVersion');
    END LOOP;
    RETURN all_pages;
END $$;

-- A learner with six pushes: versions 2-4, 5, 6-7, none (a stale duplicate of content), 8, 9-10.
SELECT pg_temp.push('ann', 'd', '{}',
    pg_temp.item('1', 'mastery', 'a', '{"n": 1}'),
    pg_temp.item('2', 'mastery', 'b', '{"n": 1}'),
    pg_temp.item('3', 'lesson_progress', 'l', '{"courseId": "c1", "timeSpent": 1}'));
SELECT pg_temp.push('ann', 'd', '{}', pg_temp.item('4', 'mastery', 'a', '{"n": 2}', 11));
SELECT pg_temp.push('ann', 'd', '{}',
    pg_temp.item('5', 'mastery', 'c', '{"n": 1}'),
    pg_temp.item('6', 'mastery', 'b', NULL, 12, 'delete'));
SELECT pg_temp.push('ann', 'd', '{}', pg_temp.item('7', 'mastery', 'c', '{"n": 1}'));
SELECT pg_temp.push('ann', 'd', '{}', pg_temp.item('8', 'lesson_progress', 'l2', '{"courseId": "c2"}'));
SELECT pg_temp.push('ann', 'd', '{}',
    pg_temp.item('9', 'mastery', 'd', '{"n": 1}'),
    pg_temp.item('10', 'mastery', 'd', NULL, 11, 'delete'),
    pg_temp.item('11', 'mastery', 'b', '{"n": 3}', 13),
    pg_temp.item('12', 'mastery', 'd', '{"n": 9}', 12));

CREATE TEMP TABLE page_case (request jsonb, expected text);
INSERT INTO page_case VALUES
    ('{}', 'c:l@4 c:a@5 c:c@6 c:l2@8 c:d@9 c:b@10 =10'),
    ('{"lastSyncVersion": 0}', 'c:l@4 c:a@5 c:c@6 c:l2@8 c:d@9 c:b@10 =10'),
    ('{"lastSyncVersion": 1}', 'c:l@4 c:a@5 c:c@6 c:l2@8 c:d@9 c:b@10 =10'),
    ('{"lastSyncVersion": 3}', 'c:l@4 u:a@5 c:c@6 c:l2@8 c:d@9 c:b@10 =10'),
    ('{"lastSyncVersion": 4}', 'u:a@5 c:c@6 c:l2@8 c:d@9 c:b@10 =10'),
    ('{"lastSyncVersion": 5}', 'c:c@6 c:l2@8 c:d@9 c:b@10 =10'),
    ('{"lastSyncVersion": 6}', 'c:l2@8 c:d@9 c:b@10 =10'),
    ('{"lastSyncVersion": 7}', 'c:l2@8 c:d@9 c:b@10 =10'),
    ('{"lastSyncVersion": 8}', 'c:d@9 c:b@10 =10'),
    ('{"lastSyncVersion": 9}', 'c:b@10 =10'),
    ('{"lastSyncVersion": 10}', '=10'),
    ('{"limit": 6}', 'c:l@4 c:a@5 c:c@6 c:l2@8 c:d@9 c:b@10 =10'),
    ('{"limit": 5}', 'c:l@4 c:a@5 c:c@6 c:l2@8 c:d@9 =9+'),
    ('{"limit": 1}', 'c:l@4 =4+'),
    ('{"lastSyncVersion": 9, "limit": 1}', 'c:b@10 =10'),
    ('{"lastSyncVersion": 8, "limit": 1}', 'c:d@9 =9+'),
    -- "from" tells what is a creation; nobody holds more than he has seen.
    ('{"lastSyncVersion": 5, "from": 1}', 'c:c@6 c:l2@8 c:d@9 c:b@10 =10'),
    ('{"lastSyncVersion": 8, "from": 5}', 'c:d@9 c:b@10 =10'),
    ('{"lastSyncVersion": 1, "from": 7}', 'c:l@4 c:a@5 c:c@6 c:l2@8 c:d@9 c:b@10 =10'),
    ('{"lastSyncVersion": 8, "from": 10}', 'c:d@9 c:b@10 =10'),
    -- Selections: the cursor moves over what was not wanted, and hasMore looks for what is.
    ('{"resourceTypes": ["lesson_progress"]}', 'c:l@4 c:l2@8 =10'),
    ('{"resourceTypes": ["lesson_progress"], "limit": 1}', 'c:l@4 =4+'),
    ('{"resourceTypes": ["lesson_progress"], "limit": 2}', 'c:l@4 c:l2@8 =10'),
    ('{"resourceTypes": ["lesson_progress"], "lastSyncVersion": 8}', '=10'),
    ('{"resourceTypes": ["lesson_progress", "mastery"], "lastSyncVersion": 8}', 'c:d@9 c:b@10 =10'),
    ('{"resourceTypes": []}', '=10'),
    ('{"resourceTypes": ["unknown"]}', '=10'),
    ('{"resourceTypes": null}', 'c:l@4 c:a@5 c:c@6 c:l2@8 c:d@9 c:b@10 =10'),
    ('{"scope": {"courseId": ["c1"]}}', 'c:l@4 =10'),
    ('{"scope": {"courseId": ["c1", "c2"]}, "limit": 1}', 'c:l@4 =4+'),
    ('{"scope": {"courseId": ["c1", "c2"], "timeSpent": [1.0]}}', 'c:l@4 =10'),
    ('{"scope": {"courseId": []}}', '=10'),
    ('{"scope": {}}', 'c:l@4 c:a@5 c:c@6 c:l2@8 c:d@9 c:b@10 =10'),
    ('{"scope": {"n": [3, 2]}}', 'c:a@5 c:b@10 =10'),
    ('{"scope": {"n": [3]}, "resourceTypes": ["lesson_progress"]}', '=10'),
    -- Another history.
    ('{"lastSyncVersion": 11}', 'c:l@4 c:a@5 c:c@6 c:l2@8 c:d@9 c:b@10 =10!'),
    ('{"lastSyncVersion": 9007199254740991, "limit": 2}', 'c:l@4 c:a@5 =5+!'),
    ('{"lastSyncVersion": 9, "epoch": "x"}', 'c:l@4 c:a@5 c:c@6 c:l2@8 c:d@9 c:b@10 =10!'),
    ('{"lastSyncVersion": 9, "from": 9, "epoch": "x", "limit": 1}', 'c:l@4 =4+!'),
    ('{"lastSyncVersion": 9, "epoch": null}', 'c:b@10 =10');
SELECT is(pg_temp.page('ann', request), expected, request::text) FROM page_case;
SELECT is(
    pg_temp.pages('ann', '{"limit": 1}'),
    'c:l@4 =4+ | u:a@5 =5+ | c:c@6 =6+ | c:l2@8 =8+ | c:d@9 =9+ | c:b@10 =10',
    'page by page');
SELECT is(
    pg_temp.pages('ann', '{"limit": 1, "from": 1}'),
    'c:l@4 =4+ | c:a@5 =5+ | c:c@6 =6+ | c:l2@8 =8+ | c:d@9 =9+ | c:b@10 =10',
    'page by page with from');
SELECT is(
    pg_temp.page('ann', jsonb_build_object('lastSyncVersion', 9, 'epoch', epoch)),
    'c:b@10 =10',
    'the epoch of this history')
FROM learnsync_data.instance;
SELECT is(pg_temp.page('nobody', '{}'), '=1', 'a learner whom nobody knows');
SELECT is(pg_temp.page('nobody', '{"lastSyncVersion": 7}'), '=1!', 'with a cursor of another history');
SELECT is(
    pg_temp.pull('ann', '{"lastSyncVersion": 3, "limit": 1}') #> '{changes,0,data}',
    '{"lessonId": "l", "courseId": "c1", "timeSpent": 1, "startedAt": "2026-01-08T10:00:00.000Z",
        "lastAccessedAt": "2026-01-08T10:00:00.000Z", "status": "not-started"}',
    'the whole document with key and computed fields');

-- Below the kept change log the answers are the same: whatever part of the log is gone.
CREATE TEMP TABLE with_log AS
SELECT from_version, more, pg_temp.pages('ann', jsonb_build_object('lastSyncVersion', from_version) || more) AS pages
    FROM generate_series(1, 11) from_version,
        (VALUES
            ('{}'::jsonb),
            ('{"limit": 1}'),
            ('{"limit": 2}'),
            ('{"limit": 3, "from": 1}'),
            ('{"resourceTypes": ["mastery"], "limit": 1}'),
            ('{"scope": {"courseId": ["c2"]}}')) v (more);
CREATE FUNCTION pg_temp.same_without(what text, gone bigint[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    differing text;
BEGIN
    DELETE FROM learnsync_data.push WHERE learner_id = 'ann' AND version = ANY (gone);
    differing := (SELECT string_agg(concat_ws(' ', from_version, more, 'have',
                          pg_temp.pages('ann', jsonb_build_object('lastSyncVersion', from_version) || more), 'want',
                          pages),
                      E'\n')
                  FROM with_log
                  WHERE pages <> pg_temp.pages('ann', jsonb_build_object('lastSyncVersion', from_version) || more));
    RAISE EXCEPTION USING ERRCODE = 'P0002', MESSAGE = COALESCE(differing, 'same');
EXCEPTION WHEN no_data_found THEN
    RETURN SQLERRM;
END $$;
-- The same for a learner with so many versions behind that the log is the shorter way: all of them are moved up by
-- 1000.
CREATE FUNCTION pg_temp.same_in_a_long_life(what text, gone bigint[], resource_types text[] DEFAULT NULL)
    RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    differing text;
BEGIN
    UPDATE learnsync_data.learner SET version = version + 1000, log_version = log_version + 1000
    WHERE learner_id = 'ann';
    UPDATE learnsync_data.resource SET version = version + 1000, created_version = created_version + 1000
    WHERE learner_id = 'ann';
    UPDATE learnsync_data.member SET version = version + 1000 WHERE learner_id = 'ann';
    UPDATE learnsync_data.push p
        SET version = version + 1000, prev_version = prev_version + 1000,
            resource_types = COALESCE(same_in_a_long_life.resource_types, p.resource_types)
    WHERE learner_id = 'ann';
    DELETE FROM learnsync_data.push WHERE learner_id = 'ann' AND version - 1000 = ANY (gone);
    differing := (SELECT string_agg(concat_ws(' ', from_version, more, 'have', have, 'want', pages), E'\n')
                  FROM with_log,
                      LATERAL regexp_replace(
                          pg_temp.pages('ann', jsonb_build_object('lastSyncVersion', from_version + 1000) || more),
                          '([@=])100?(\d+)',
                          '\1\2',
                          'g') have
                  WHERE pages <> have);
    RAISE EXCEPTION USING ERRCODE = 'P0002', MESSAGE = COALESCE(differing, 'same');
EXCEPTION WHEN no_data_found THEN
    RETURN SQLERRM;
END $$;
SELECT is(array_agg(version ORDER BY version, push_no), '{4,5,7,7,8,10}', 'the log') FROM learnsync_data.push
WHERE learner_id = 'ann';
SELECT is(pg_temp.same_without(what, gone), 'same', 'the log without ' || what)
FROM (VALUES
    ('nothing', '{}'::bigint[]),
    ('its beginning', '{4}'),
    ('half of it', '{4,5,7}'),
    ('its middle', '{5}'),
    ('two in the middle', '{5,8}'),
    ('its end', '{10}'),
    ('all but its end', '{4,5,7,8}'),
    ('all but its middle', '{4,5,8,10}'),
    ('all', '{4,5,7,8,10}')) v (what, gone);
SELECT is(pg_temp.same_in_a_long_life(what, gone), 'same', 'in a long life the log without ' || what)
FROM (VALUES
    ('nothing', '{}'::bigint[]),
    ('its beginning', '{4}'),
    ('half of it', '{4,5,7}'),
    ('its middle', '{5}'),
    ('two in the middle', '{5,8}'),
    ('its end', '{10}'),
    ('all but its end', '{4,5,7,8}'),
    ('all but its middle', '{4,5,8,10}'),
    ('all', '{4,5,7,8,10}')) v (what, gone);
SELECT isnt(pg_temp.same_in_a_long_life('a log that lies', '{}', '{}'), 'same', 'it is the log that answers there');
-- Part of a version's rows: one of the two pushes that end at version 7.
SELECT is(
    (SELECT count(*) FROM learnsync_data.push WHERE learner_id = 'ann' AND version = 7),
    2::bigint,
    'a push that changed no resource has the version of the one before');
SAVEPOINT s;
DELETE FROM learnsync_data.push WHERE learner_id = 'ann' AND version = 7 AND push_no = 3;
SELECT is(
    pg_temp.pages('ann', '{"lastSyncVersion": 5}'),
    'c:c@6 c:l2@8 c:d@9 c:b@10 =10',
    'the row with the changes is gone, the one without is there');
ROLLBACK TO s;
DELETE FROM learnsync_data.push WHERE learner_id = 'ann' AND version = 7 AND push_no = 4;
SELECT is(pg_temp.pages('ann', '{"lastSyncVersion": 5}'), 'c:c@6 c:l2@8 c:d@9 c:b@10 =10', 'the other way round');
-- A push after rows are gone links up with them.
DELETE FROM learnsync_data.push WHERE learner_id = 'ann';
SELECT pg_temp.push('ann', 'd', '{}', pg_temp.item('20', 'mastery', 'e', '{"n": 1}'));
SELECT is(pg_temp.page('ann', '{"lastSyncVersion": 9}'), 'c:b@10 c:e@11 =11', 'from below the gap');
SELECT is(pg_temp.page('ann', '{"lastSyncVersion": 10}'), 'c:e@11 =11', 'from its edge');

-- Where one resource changed many times the log is long, the answer is not.
SELECT pg_temp.push('many', 'd', '{}',
    pg_temp.item('a' || n, 'mastery', 'a', jsonb_build_object('n', n), n),
    pg_temp.item('b' || n, 'mastery', 'b' || n % 10, jsonb_build_object('n', n), n))
FROM generate_series(1, 100) n;
SELECT is(
    pg_temp.pages('many', '{"limit": 1, "from": 1}'),
    (SELECT string_agg('c:' || resource_id || '@' || version || ' =' || version
             || CASE WHEN version < 201 THEN '+' ELSE '' END,
         ' | ' ORDER BY version)
     FROM learnsync_data.resource WHERE learner_id = 'many'),
    'every resource once, in its newest state');
SELECT is(
    pg_temp.page('many', '{"limit": 11, "from": 1}'),
    pg_temp.page('many', '{"limit": 12, "from": 1}'),
    'the page that is just full');

-- A resource that moves on during a run of pages is delivered late, and nothing is skipped.
SELECT pg_temp.push('run', 'd', '{}',
    pg_temp.item('1', 'mastery', 'a', '{"n": 1}'),
    pg_temp.item('2', 'mastery', 'b', '{"n": 1}'),
    pg_temp.item('3', 'mastery', 'c', '{"n": 1}'));
SELECT is(pg_temp.page('run', '{"from": 1, "limit": 1}'), 'c:a@2 =2+', 'first page');
SELECT pg_temp.push('run', 'd', '{}',
    pg_temp.item('4', 'mastery', 'b', '{"n": 2}', 11),
    pg_temp.item('5', 'mastery', 'a', '{"n": 2}', 11));
SELECT is(
    pg_temp.pages('run', '{"from": 1, "lastSyncVersion": 2, "limit": 1}'),
    'c:c@4 =4+ | c:b@5 =5+ | c:a@6 =6',
    'the other pages');

-- Limits: of a request, and of the server. Without one a page ends by its bytes alone.
SELECT pg_temp.push('big', 'd', '{}', VARIADIC array_agg(pg_temp.item(n::text, 'mastery', 'm' || n, '{}')))
FROM generate_series(1, 600) n;
SELECT is(jsonb_array_length(pg_temp.pull('big', request) -> 'changes'), n, 'changes of a page: ' || request::text)
FROM (VALUES ('{}'::jsonb, 600), ('{"limit": 100000000000}', 600), ('{"limit": 599}', 599)) v (request, n);
SET LOCAL learnsync.max_pull_limit = 7;
SELECT is(
    jsonb_array_length(pg_temp.pull('big', request) -> 'changes'),
    n,
    'at most the server''s limit: ' || request::text)
FROM (VALUES ('{}'::jsonb, 600), ('{"limit": 8}', 7), ('{"limit": 6}', 6)) v (request, n);
RESET learnsync.max_pull_limit;

-- Below the horizon of tombstones a device starts anew, whatever it says of its version: 1 is also what a push answers
-- to who sends none. The page reaches the horizon at least; the limit is for what comes after that.
UPDATE learnsync_data.learner SET tombstone_version = 4 WHERE learner_id = 'run';
SELECT is(pg_temp.page('run', request), expected, 'horizon 4: ' || request::text)
FROM (VALUES
    ('{}'::jsonb, 'c:c@4 c:b@5 c:a@6 =6'),
    ('{"lastSyncVersion": 0}', 'c:c@4 c:b@5 c:a@6 =6!'),
    ('{"lastSyncVersion": 1}', 'c:c@4 c:b@5 c:a@6 =6!'),
    ('{"lastSyncVersion": 3}', 'c:c@4 c:b@5 c:a@6 =6!'), ('{"lastSyncVersion": 4}', 'u:b@5 u:a@6 =6'),
    ('{"lastSyncVersion": 3, "from": 1}', 'c:c@4 c:b@5 c:a@6 =6!'), ('{"lastSyncVersion": 5, "from": 2}', 'c:a@6 =6'),
    ('{"lastSyncVersion": 2, "from": 2, "limit": 1}', 'c:c@4 c:b@5 =5+!'),
    ('{"lastSyncVersion": 4, "from": 2, "limit": 1}', 'c:b@5 =5+'),
    ('{"lastSyncVersion": 2, "limit": 1}', 'c:c@4 c:b@5 =5+!'),
    ('{"lastSyncVersion": 6}', '=6')) v (request, expected);

-- What a push tells the device to store is always safe: nothing after it is skipped. A device's name proves nothing.
CREATE TEMP TABLE cursor_case (n int GENERATED ALWAYS AS IDENTITY, sent jsonb, device text, expected bigint, what text);
INSERT INTO cursor_case (sent, device, expected, what) VALUES
    ('{"lastSyncVersion": 3}', 'd', 4, 'had seen everything'),
    ('{"lastSyncVersion": 2}', 'd', 2, 'had not seen the last'),
    ('{"lastSyncVersion": 0}', 'd', 1, 'had seen nothing'),
    ('{"lastSyncVersion": 1}', 'new', 1, 'a new device that had seen nothing'),
    ('{"lastSyncVersion": 3}', 'new', 4, 'a new device that had seen everything'),
    ('{"lastSyncVersion": 99}', 'd', 1, 'a cursor of another history'),
    ('{"lastSyncVersion": 3, "epoch": "another"}', 'd', 1, 'a cursor of another epoch'),
    ('{}', 'new', 1, 'a new device that says nothing'),
    ('{}', 'd', 1, 'one that says nothing and never did'),
    ('{}', 'd2', 1, 'one that says nothing, under a name that held all: the app may be another'),
    ('{"lastSyncVersion": 3, "dryRun": true}', 'd', 3, 'a dry run'),
    ('{"lastSyncVersion": 3, "atomic": true}', 'd', 4, 'an atomic push');
SELECT pg_temp.push('c' || n, 'd', '{}', pg_temp.item('1', 'mastery', 'a', '{"n": 1}')),
    pg_temp.push('c' || n, 'd2', '{"lastSyncVersion": 2}', pg_temp.item('2', 'mastery', 'b', '{"n": 1}'))
    FROM cursor_case;
CREATE TEMP TABLE cursor_answer AS
    SELECT n, pg_temp.push('c' || n, device, sent, pg_temp.item('3', 'mastery', 'c', '{"n": 1}')) AS answer
    FROM cursor_case;
SELECT is((answer ->> 'syncVersion')::bigint, expected, what) FROM cursor_case JOIN cursor_answer USING (n);
SELECT is(
    string_agg(what, ', ' ORDER BY n),
    'a cursor of another history, a cursor of another epoch',
    'these are told to start anew')
FROM cursor_case JOIN cursor_answer USING (n) WHERE answer -> 'reset' = 'true';
SELECT is(
    (SELECT count(*) FROM learnsync_data.device d
     WHERE version > (SELECT version FROM learnsync_data.learner l WHERE l.learner_id = d.learner_id)),
    0::bigint,
    'no device is known to hold what there is not');
SELECT is(
    (pg_temp.push('c1', 'd', sent, pg_temp.item('1', 'mastery', 'a', '{"n": 1}')) ->> 'syncVersion')::bigint,
    expected,
    'a retry with ' || sent::text)
FROM (VALUES ('{"lastSyncVersion": 2}'::jsonb, 2::bigint), ('{}', 1), ('{"lastSyncVersion": 4}', 4)) v (sent, expected);

SELECT * FROM finish();
ROLLBACK;
