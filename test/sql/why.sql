-- sync_why names the items that make a value; resource_verify names the documents that no items make.
BEGIN;
SELECT no_plan();

-- One item; what it says and when, in minutes.
CREATE FUNCTION pg_temp.item(id text, minute int, data jsonb, type text DEFAULT 'lesson_progress') RETURNS jsonb
    LANGUAGE sql RETURN jsonb_build_object('id', id, 'operation', 'update', 'resourceType', type, 'data', data,
    'clientTimestamp', to_jsonb(timestamptz '2026-01-08 10:00:00+00' + minute * interval '1 minute'));
CREATE FUNCTION pg_temp.push(learner text, device text, VARIADIC items jsonb[]) RETURNS jsonb
    LANGUAGE sql RETURN learnsync.sync_push(learner,
    jsonb_build_object('deviceId', device, 'items', to_jsonb(items)))::jsonb;
CREATE FUNCTION pg_temp.why(learner text, id text, type text DEFAULT 'lesson_progress') RETURNS jsonb
    LANGUAGE sql RETURN learnsync.sync_why(learner, jsonb_build_object('resourceType', type, 'resourceId', id));
-- The ids that a part of a field's answer names.
CREATE FUNCTION pg_temp.ids(why jsonb, field text, part text DEFAULT 'decided') RETURNS text
    LANGUAGE sql RETURN (SELECT string_agg(x ->> 'id', ' ' ORDER BY x ->> 'id')
                         FROM jsonb_array_elements(why -> 'fields' -> field -> part) x);

SELECT pg_temp.push('ada', 'phone',
    pg_temp.item('p1', 1, '{"lessonId": "l", "completionPercentage": 50, "timeSpent": 100, "courseId": "c1"}'),
    pg_temp.item('p2', 5, '{"lessonId": "l", "completionPercentage": 75, "timeSpent": 50}')) \g /dev/null
SELECT pg_temp.push('ada', 'tablet',
    pg_temp.item('t1', 3, '{"lessonId": "l", "completionPercentage": 60, "timeSpent": 7, "courseId": "c2"}'))
    \g /dev/null
SELECT pg_temp.why('ada', 'l') AS why \gset

SELECT is(:'why'::jsonb #> '{fields,completionPercentage,value}', '75', 'the value is the one that is shown');
SELECT is(pg_temp.ids(:'why', 'completionPercentage'), 'p2', 'the item with the greatest number decided it');
SELECT is(pg_temp.ids(:'why', 'completionPercentage', 'lost'), 'p1 t1', 'and the others lost');
SELECT is((:'why'::jsonb #> '{fields,completionPercentage,decided,0}') - 'receivedAt'::text,
    jsonb '{"id": "p2", "value": 75, "deviceId": "phone", "orderedAt": "2026-01-08T10:05:00.000Z", '
    '"clientTimestamp": "2026-01-08T10:05:00.000Z"}', 'with device, times and what it said');
SELECT is(pg_temp.ids(:'why', 'timeSpent'), 'p1 p2 t1', 'a sum is made by all');
SELECT is(:'why'::jsonb #> '{fields,timeSpent,devices}', '{"phone": 150, "tablet": 7}',
    'and says what each device added');
SELECT is(pg_temp.ids(:'why', 'courseId'), 't1', 'the latest is the one of the later instant');
SELECT is(:'why'::jsonb #>> '{fields,status,source}', 'completionPercentage', 'a computed field names its source');
SELECT is(:'why'::jsonb -> 'complete', 'true', 'all is known');
SELECT is(:'why'::jsonb -> 'since', 'null', 'from the beginning');
SELECT is(learnsync.sync_why('ada', '{"resourceType": "lesson_progress", "resourceId": "l", "field": "courseId"}')
    #> '{fields}', jsonb_build_object('courseId', :'why'::jsonb #> '{fields,courseId}'),
    'one field is what it is among all');
SELECT throws_ok($$ SELECT pg_temp.why('ada', 'none') $$, 'PT404', NULL, 'what there is not is not found');
SELECT throws_ok($$ SELECT learnsync.sync_why('ada', '{"resourceId": "l"}') $$, '22023', NULL, 'nor what is not said');
SELECT throws_ok($$ SELECT pg_temp.why('bob', 'l') $$, 'PT404', NULL, 'nor anything of another learner');

-- What deletes and decisions leave.
SELECT pg_temp.push('del', 'phone', pg_temp.item('a', 1, '{"lessonId": "l", "timeSpent": 1}'),
    pg_temp.item('d', 2, '{"lessonId": "l"}') || '{"operation": "delete"}',
    pg_temp.item('b', 3, '{"lessonId": "l", "timeSpent": 2}')) \g /dev/null
SELECT is(pg_temp.ids(pg_temp.why('del', 'l'), 'timeSpent'), 'b', 'what was deleted makes nothing');
SELECT is(pg_temp.ids(pg_temp.why('del', 'l'), 'timeSpent', 'lost'), 'a', 'and is named as lost');
SELECT pg_temp.push('dec', 'phone',
    pg_temp.item('q1', 1, '{"quizId": "q", "attemptNumber": 1, "score": 1}', 'quiz_attempt')) \g /dev/null
SELECT pg_temp.push('dec', 'tablet',
    pg_temp.item('q2', 2, '{"quizId": "q", "attemptNumber": 1, "score": 9}', 'quiz_attempt'))
    #>> '{conflicts,0,conflictId}' AS conflict \gset
SELECT is(pg_temp.ids(pg_temp.why('dec', '["q",1]', 'quiz_attempt'), 'score'), 'q1', 'the first attempt stands');
SELECT learnsync.sync_resolve('dec',
    jsonb_build_object('conflictId', :'conflict', 'resolution', 'use_client')) \g /dev/null
SELECT is(pg_temp.why('dec', '["q",1]', 'quiz_attempt') #>> '{fields,score,decided,0,resolution}', 'use_client',
    'then a person decided');

-- Every strategy, on random lives: what is named, folded, is the value.
SELECT learnsync.define_resource_type('every', '{"key": ["k"], "stale": "ignore", "fields": {
    "max": {"merge": "max"}, "min": {"merge": "min"}, "sum": {"merge": "sum"}, "counter": {"merge": "counter"},
    "latest": {"merge": "latest"}, "first": {"merge": "first"}, "rank": {"merge": "rank", "values": ["a", "b", "c"]},
    "union": {"merge": "union", "id": "id"}, "tags": {"merge": "union"}, "moved": {"merge": "union", "id": "id",
    "members": "latest"}, "map": {"merge": "map_latest"}, "first_time": {"merge": "first_time"},
    "last_time": {"merge": "last_time"}, "any": {"merge": "any"}, "all": {"merge": "all"}}}') \g /dev/null
CREATE TEMP TABLE sent AS
SELECT l AS learner, n, 'd' || (n % 3) AS device, (random() * 500)::int AS minute, jsonb_strip_nulls(jsonb_build_object(
    'k', 'r', 'max', (random() * 20)::int, 'min', (random() * 20)::int, 'sum', (random() * 9)::int,
    'counter', n + (random() * 30)::int, 'latest', CASE WHEN random() < .7 THEN (random() * 9)::int END,
    'first', CASE WHEN random() < .7 THEN (random() * 9)::int END, 'rank', substr('abc', 1 + (random() * 2)::int, 1),
    'union', jsonb_build_array(jsonb_build_object('id', (random() * 5)::int::text, 'v', (random() * 9)::int)),
    'tags', jsonb_build_array((random() * 9)::int::text),
    'moved', jsonb_build_array(jsonb_build_object('id', (random() * 5)::int::text, 'v', (random() * 9)::int)),
    'map', jsonb_build_object((random() * 4)::int::text, CASE WHEN random() < .8 THEN (random() * 9)::int END),
    'first_time', true, 'last_time', true,
    'any', random() < .2, 'all', random() < .8, 'note', (random() * 9)::int)) AS data
FROM generate_series(1, 20) l, generate_series(1, 25) n;
SELECT count(pg_temp.push('life' || learner, device, pg_temp.item('i' || n, minute, data, 'every')))
FROM (SELECT * FROM sent ORDER BY learner, random()) s \g /dev/null
CREATE FUNCTION pg_temp.rule() RETURNS learnsync.merge_rule LANGUAGE sql
    RETURN (SELECT rule::learnsync.merge_rule FROM learnsync_data.resource_type WHERE name = 'every');
CREATE TEMP TABLE said AS
SELECT learner, f.key AS field, f.value #> '{value}' AS value, f.value -> 'decided' AS decided
FROM generate_series(1, 20) learner, jsonb_each(pg_temp.why('life' || learner, 'r', 'every') -> 'fields') f;
SELECT is((SELECT count(DISTINCT field) FROM said), 17::bigint, 'every field of them is explained');
SELECT is_empty($$
    SELECT s.learner, s.field, s.value, folded.document -> s.field FROM said s
    CROSS JOIN LATERAL (SELECT learnsync.document(pg_temp.rule(), learnsync.merge_agg(r.rule, i.data,
            (d ->> 'orderedAt')::timestamptz, i.device)) AS document
        FROM jsonb_array_elements(s.decided) d
        JOIN sent i ON i.learner = s.learner AND 'i' || i.n = d ->> 'id'
        CROSS JOIN pg_temp.rule() r (rule)) folded
    WHERE folded.document -> s.field IS DISTINCT FROM s.value $$, 'folding what is named gives the value');

SELECT pg_temp.push('map', 'phone', pg_temp.item('m1', 1, '{"k": "r", "map": {"a": 1}}', 'every'),
    pg_temp.item('m2', 2, '{"k": "r", "map": {"b": 1}}', 'every'),
    pg_temp.item('m3', 3, '{"k": "r", "map": {"a": 2}}', 'every')) \g /dev/null
SELECT is(pg_temp.ids(pg_temp.why('map', 'r', 'every'), 'map'), 'm2 m3', 'of a map those that said what it has');
SELECT is(pg_temp.ids(pg_temp.why('map', 'r', 'every'), 'map', 'lost'), 'm1', 'what it has no more lost');

-- Nothing is off, until somebody writes the tables.
SELECT is_empty('SELECT * FROM learnsync.resource_verify()', 'all documents are what their items make them');
SELECT set_config('role', 'learnsync_owner', true) \g /dev/null
UPDATE learnsync_data.resource SET data = data || '{"timeSpent": 158}' WHERE learner_id = 'ada';
UPDATE learnsync_data.resource SET deleted_at = at WHERE learner_id = 'del';
UPDATE learnsync_data.member SET value = '{"id": "9", "v": 99}' WHERE (learner_id, member_id) IN (
    SELECT 'life1', min(member_id) FROM learnsync_data.member WHERE learner_id = 'life1' AND field = 'union')
    AND field = 'union';
INSERT INTO learnsync_data.resource SELECT 'dec', 'mastery', 'm', 99, 99, now(), NULL, now(), '{"competencyId": "m"}';
UPDATE learnsync_data.resource SET data = '5' WHERE learner_id = 'life2';
SELECT set_config('role', 'none', true) \g /dev/null
SELECT results_eq(
    $$ SELECT learner_id || ' ' || COALESCE(resource_id, '') FROM learnsync.resource_verify() ORDER BY 1 $$,
    ARRAY['ada l', 'dec m', 'del l', 'life1 r', 'life2 '], 'each planted one is named, and nothing else');
SELECT is((SELECT damage FROM learnsync.resource_verify('ada')), 'timeSpent is 158, its items make it 157',
    'with what is wrong');
SELECT is((SELECT damage FROM learnsync.resource_verify('dec')), 'no item made it', 'or that nothing made it');
SELECT ok((SELECT damage FROM learnsync.resource_verify('life2')) LIKE '%life2%', 'or the row that cannot be read');
SELECT is_empty($$ SELECT * FROM learnsync.resource_verify('life3') $$, 'of one learner nothing but that learner''s');

-- Where items are gone, that is said.
SELECT pg_temp.push('old', 'phone', pg_temp.item('o1', 1, '{"lessonId": "l", "timeSpent": 5}')) \g /dev/null
SELECT set_config('role', 'learnsync_owner', true) \g /dev/null
DELETE FROM learnsync_data.push WHERE learner_id = 'old';
SELECT set_config('role', 'none', true) \g /dev/null
SELECT is(pg_temp.why('old', 'l') - '{data,version}'::text[], '{"fields": {}, "since": null, "complete": false,
    "resourceId": "l", "resourceType": "lesson_progress"}', 'nothing is made up of what is gone');
SELECT is_empty($$ SELECT * FROM learnsync.resource_verify('old') $$, 'where nothing is kept, nothing is accused');
SELECT pg_temp.push('old', 'phone', pg_temp.item('o2', 2, '{"lessonId": "l", "timeSpent": 2}')) \g /dev/null
SELECT is(pg_temp.why('old', 'l') #>> '{fields,timeSpent,value}', '7', 'the value is the one that is shown');
SELECT is(pg_temp.ids(pg_temp.why('old', 'l'), 'timeSpent'), 'o2', 'what is kept is named');
SELECT is(pg_temp.why('old', 'l') -> 'complete', 'false', 'as not all of it');
SELECT isnt(pg_temp.why('old', 'l') -> 'since', 'null', 'but since then');
SELECT is_empty($$ SELECT * FROM learnsync.resource_verify('old') $$, 'what cannot be judged is not accused');
SELECT pg_temp.push('old', 'phone', pg_temp.item('o3', 2, '{"lessonId": "new", "timeSpent": 2}')) \g /dev/null
SELECT is(pg_temp.why('old', 'new') -> 'complete', 'true', 'what began later is known whole');
SELECT set_config('role', 'learnsync_owner', true) \g /dev/null
UPDATE learnsync_data.resource SET data = data || '{"timeSpent": 1}' WHERE learner_id = 'old';
SELECT set_config('role', 'none', true) \g /dev/null
SELECT results_eq($$ SELECT resource_id FROM learnsync.resource_verify('old') $$, ARRAY['new'], 'and judged');

-- A delete that is neither kept nor in the row any more: it kept out what is, until an item made the document anew.
SELECT pg_temp.push('gone', 'phone', pg_temp.item('g1', 1, '{"lessonId": "l", "timeSpent": 5}')) \g /dev/null
SELECT pg_temp.push('gone', 'phone',
    pg_temp.item('g2', 10, '{"lessonId": "l"}') || '{"operation": "delete"}') \g /dev/null
SELECT pg_temp.push('gone', 'tablet', pg_temp.item('g3', 5, '{"lessonId": "l", "timeSpent": 3}')) \g /dev/null
SELECT set_config('role', 'learnsync_owner', true) \g /dev/null
DELETE FROM learnsync_data.push WHERE learner_id = 'gone' AND items @? '$[*] ? (@.id != "g3")';
DELETE FROM learnsync_data.resource WHERE learner_id = 'gone';
SELECT set_config('role', 'none', true) \g /dev/null
SELECT pg_temp.push('gone', 'phone', pg_temp.item('g4', 20, '{"lessonId": "l", "timeSpent": 2}')) \g /dev/null
SELECT is_empty($$ SELECT * FROM learnsync.resource_verify('gone') $$, 'what a delete kept out is held against nobody');
SELECT is(pg_temp.why('gone', 'l') #> '{complete}', 'false', 'nor is it known whole');

-- A clock that is ahead: the items are folded by the instants that they were given.
SELECT pg_temp.push('clock', 'phone',
    pg_temp.item('c1', 5 * 365 * 24 * 60, '{"lessonId": "l", "courseId": "future"}')) \g /dev/null
SELECT pg_temp.push('clock', 'tablet', pg_temp.item('c2', 0, '{"lessonId": "l", "courseId": "past"}')) \g /dev/null
SELECT is(pg_temp.ids(pg_temp.why('clock', 'l'), 'courseId'), 'c1', 'the item of unknown time came later');
SELECT ok((pg_temp.why('clock', 'l') #>> '{fields,courseId,decided,0,orderedAt}')::timestamptz
    <= now() + interval '1 minute',
    'at its order instant');
SELECT is_empty($$ SELECT * FROM learnsync.resource_verify('clock') $$, 'and so its document is made');

-- Rules change: what came by another one is not judged.
SELECT learnsync.define_resource_type('tally', '{"key": ["k"], "fields": {"n": {"merge": "max"}}}') \g /dev/null
SELECT pg_temp.push('rule', 'phone', pg_temp.item('r1', 1, '{"k": "x", "n": 5}', 'tally'),
    pg_temp.item('r2', 2, '{"k": "x", "n": 3}', 'tally')) \g /dev/null
SELECT learnsync.define_resource_type('tally',
    '{"key": ["k"], "fields": {"n": {"merge": "max"}, "m": {"merge": "max"}}}') \g /dev/null
SELECT is_empty($$ SELECT * FROM learnsync.resource_verify('rule') $$, 'not what the old rule made');
SELECT is(pg_temp.why('rule', 'x', 'tally') -> 'complete', 'false', 'which is not known whole');

-- The other channels' items are read as they came.
SELECT learnsync.sync_progress('mod', '{"events": [{"idempotencyKey": "k1", "deviceId": "d", "moduleId": "m",
    "progressPercent": 50, "syncVersion": 1, "clientTimestamp": "2026-01-08T10:00:00Z"}]}') \g /dev/null
SELECT learnsync.progress_batch('mod', '{"items": [{"idempotency_key": "a1", "activity_type": "game", "content_id": "x",
    "score": 1}]}') \g /dev/null
SELECT is(pg_temp.ids(pg_temp.why('mod', 'm', 'module_progress'), 'progressPercent'), 'k1', 'of modules');
SELECT is(pg_temp.ids(pg_temp.why('mod', 'a1', 'activity'), 'score'), 'a1', 'and activities');
SELECT is_empty($$ SELECT * FROM learnsync.resource_verify('mod') $$, 'which make what is stored');

SELECT * FROM finish();
ROLLBACK;
