-- sync_verify: a client learns in two calls at most whether, and in what, its copy is not the server's.
BEGIN;
SELECT no_plan();

-- An item; of a type without a key "is" names the resource.
CREATE FUNCTION pg_temp.item(id text, type text, data jsonb, hour int DEFAULT 10, operation text DEFAULT 'update')
    RETURNS jsonb LANGUAGE sql RETURN jsonb_build_object('id', id, 'operation', operation, 'resourceType', type,
    'resourceId', data ->> 'is', 'data', data - 'is',
    'clientTimestamp', to_jsonb(timestamptz '2026-01-08 00:00:00+00' + make_interval(hours => hour)));
CREATE FUNCTION pg_temp.push(learner text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql
    RETURN learnsync.sync_push(learner, jsonb_build_object('deviceId', 'phone', 'items', to_jsonb(items)))::jsonb;

-- The client's side: what the comment says, with what it holds in a table.
CREATE FUNCTION pg_temp.fnv(value text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    hash bigint := 2166136261;
    bytes bytea := convert_to(value, 'UTF8');
BEGIN
    FOR i IN 0 .. length(bytes) - 1 LOOP
        hash := ((hash # get_byte(bytes, i)) * 16777619) % 4294967296;
    END LOOP;
    RETURN hash;
END $$;
CREATE TEMP TABLE held (learner text, type text, id text, version bigint, members int);
CREATE TEMP TABLE cursors (learner text, cursor text);
CREATE FUNCTION pg_temp.bucket(type text, id text) RETURNS int LANGUAGE sql
    RETURN pg_temp.fnv(type || E'\n' || id) % 64;
-- Holds what a first run brings.
CREATE FUNCTION pg_temp.pull(name text, selection jsonb DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb := learnsync.sync_pull(name, '{"deviceId": "tablet"}' || selection);
BEGIN
    DELETE FROM held WHERE learner = name;
    DELETE FROM cursors WHERE learner = name;
    INSERT INTO cursors VALUES (name, answer ->> 'cursor');
    INSERT INTO held
    SELECT name, c ->> 'resourceType', c ->> 'resourceId', (c -> 'version')::bigint,
        coalesce(jsonb_array_length(c #> '{data,messages}'), 0)
            + (SELECT count(*) FROM jsonb_array_elements(coalesce(c #> '{data,tasks}', '[]')) t
               WHERE t -> 'deleted' IS DISTINCT FROM 'true')
    FROM jsonb_array_elements(answer -> 'changes') c WHERE c ->> 'operation' <> 'delete';
END $$;
CREATE FUNCTION pg_temp.request(name text, by_bucket boolean) RETURNS jsonb LANGUAGE sql AS $$
    WITH hashes AS (SELECT pg_temp.bucket(type, id) AS bucket,
        pg_temp.fnv(concat_ws(E'\n', type, id, version, members)) AS hash FROM held WHERE learner = name)
    SELECT jsonb_build_object('cursor', (SELECT cursor FROM cursors WHERE learner = name),
            'count', count(*), 'sum', coalesce(sum(hash), 0) % 4294967296)
        || CASE WHEN by_bucket THEN jsonb_build_object('buckets', (SELECT jsonb_agg(
            (SELECT coalesce(sum(hash), 0) % 4294967296 FROM hashes WHERE bucket = b) ORDER BY b)
            FROM generate_series(0, 63) b)) ELSE '{}' END
    FROM hashes $$;
-- Both calls: "equal", "behind", or what the server holds (+) and the client does not, and the other way round (-).
CREATE FUNCTION pg_temp.verify(name text, selection jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb := learnsync.sync_verify(name, pg_temp.request(name, false) || selection);
BEGIN
    IF answer IN ('{"equal": true}', '{"behind": true}') THEN
        RETURN (SELECT jsonb_object_keys(answer));
    END IF;
    answer := learnsync.sync_verify(name, pg_temp.request(name, true) || selection);
    RETURN (SELECT string_agg(sign || r, ' ' ORDER BY r, sign)
        FROM (SELECT COALESCE(l.id, s.id) AS id, format('%s@%s(%s)', s.id, s.version, s.members) AS r, '+' AS sign
              FROM jsonb_array_elements(answer -> 'resources') e,
                  LATERAL (SELECT e ->> 'resourceType' AS type, e ->> 'resourceId' AS id,
                      (e -> 'version')::bigint AS version, (e -> 'members')::int AS members) s
              LEFT JOIN held l ON l.learner = name
                  AND (l.type, l.id, l.version, l.members) = (s.type, s.id, s.version, s.members)
              WHERE l.id IS NULL
              UNION ALL
              SELECT h.id, format('%s@%s(%s)', h.id, h.version, h.members), '-' FROM held h
              WHERE h.learner = name AND answer -> 'differing' @> to_jsonb(pg_temp.bucket(h.type, h.id))
                  AND NOT answer -> 'resources' @> jsonb_build_array(jsonb_build_object('resourceType', h.type,
                      'resourceId', h.id, 'version', h.version, 'members', h.members))) x);
END $$;

SELECT is(to_hex(pg_temp.fnv('foobar')), 'bf9cf968', 'the client here hashes as FNV-1a does');

SELECT learnsync.define_resource_type('checklist', '{"key": ["listId"], "stale": "ignore",
    "fields": {"tasks": {"merge": "union", "id": "id", "members": "latest"}}}');
SELECT pg_temp.push('ada',
    pg_temp.item('1', 'lesson_progress', '{"lessonId": "größe", "completionPercentage": 5}'),
    pg_temp.item('2', 'lesson_progress', '{"lessonId": "a\nb", "completionPercentage": 5}'),
    pg_temp.item('3', 'mastery', '{"competencyId": "gone", "n": 5}'),
    pg_temp.item('4', 'mastery', '{"competencyId": "gone"}', 11, 'delete'),
    pg_temp.item('5', 'conversation',
        '{"is": "talk", "messages": [{"id": "m1"}, {"id": "m2", "deleted": true}]}'),
    pg_temp.item('6', 'checklist', '{"listId": "l", "tasks": [{"id": "t1"}, {"id": "t2"}, {"id": "t3"}]}'),
    pg_temp.item('7', 'checklist', '{"listId": "l", "tasks": [{"id": "t2", "deleted": true}]}', 11)) \g /dev/null
SELECT pg_temp.pull('ada');
SELECT is((SELECT string_agg(id || ':' || members, ' ' ORDER BY id) FROM held WHERE members > 0), 'l:2 talk:2',
    'the client knows how many members its lists have');
SELECT is(pg_temp.verify('ada'), 'equal', 'what was pulled is what there is');
SELECT is(learnsync.sync_verify('ada', pg_temp.request('ada', true))::jsonb, '{"equal": true}', 'by buckets, too');
SELECT pg_temp.pull('nobody');
SELECT is(pg_temp.verify('nobody'), 'equal', 'nothing is what a learner has whom nobody knows');

-- Planted differences; the copy is put right after each.
CREATE FUNCTION pg_temp.spoilt(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE change;
    found := pg_temp.verify('ada');
    PERFORM pg_temp.pull('ada');
    RETURN found;
END $$;
SELECT is(pg_temp.spoilt($$ UPDATE held SET version = version - 1 WHERE id = 'größe' $$),
    '-größe@1(0) +größe@2(0)', 'a document of an older version is found');
SELECT is(pg_temp.spoilt($$ DELETE FROM held WHERE id = E'a\nb' $$), E'+a\nb@3(0)', 'one that is missing');
SELECT is(pg_temp.spoilt($$ INSERT INTO held VALUES ('ada', 'mastery', 'gone', 2, 0) $$), '-gone@2(0)',
    'one that should not be there');
SELECT is(pg_temp.spoilt($$ UPDATE held SET members = 1 WHERE id = 'talk' $$), '-talk@5(1) +talk@5(2)',
    'a member that is missing');
SELECT is(pg_temp.spoilt($$ UPDATE held SET members = 3 WHERE id = 'l' $$), '+l@6(2) -l@6(3)',
    'one that was removed');
SELECT is(pg_temp.spoilt($$ UPDATE held SET version = 2, members = 0, id = id || 'x' WHERE learner = 'ada' $$),
    (SELECT string_agg(s, ' ' ORDER BY substr(s, 2), s)
     FROM (SELECT format('+%s@%s(%s)', id, version, members) FROM held WHERE learner = 'ada'
           UNION ALL SELECT format('-%sx@2(0)', id) FROM held WHERE learner = 'ada') x (s)), 'and everything at once');
SELECT is(pg_temp.verify('ada'), 'equal', 'put right it is equal again');
SELECT is(learnsync.sync_verify('ada', pg_temp.request('ada', true) || '{"count": 7}')::jsonb
    - '{buckets,sum}'::text[],
    '{"equal": false, "count": 4, "differing": [], "resources": [], "hasMore": false}',
    'a number of documents that its buckets do not have names none');
SELECT is(learnsync.sync_verify('ada', jsonb_set(pg_temp.request('ada', true), '{buckets,9}', '9'))::jsonb
    -> 'differing', '[9]', 'buckets are compared even where the whole is equal');
SELECT is(learnsync.sync_verify('ada', pg_temp.request('ada', false) || '{"sum": 0}')::jsonb -> 'buckets',
    pg_temp.request('ada', true) -> 'buckets', 'without buckets the answer has those of the server');

-- A listing ends by bytes, with whole buckets.
SELECT pg_temp.push('many', VARIADIC (SELECT array_agg(pg_temp.item(i::text, 'mastery',
    jsonb_build_object('competencyId', repeat('x', 100) || i))) FROM generate_series(1, 200) i)) \g /dev/null
SELECT pg_temp.pull('many');
UPDATE held SET version = 1 WHERE learner = 'many';
SET LOCAL learnsync.max_answer_bytes = '4kB';
SELECT learnsync.sync_verify('many', pg_temp.request('many', true))::jsonb AS cut \gset
SELECT ok(:'cut'::jsonb -> 'hasMore' = 'true' AND length(:'cut') BETWEEN 3000 AND 8000,
    'what has no room is not listed');
SELECT is((SELECT count(*) FROM jsonb_array_elements(:'cut'::jsonb -> 'resources')),
    (SELECT count(*) FROM held
     WHERE learner = 'many' AND :'cut'::jsonb -> 'differing' @> to_jsonb(pg_temp.bucket(type, id))),
    'the buckets that are named are whole');
RESET learnsync.max_answer_bytes;
SELECT is(jsonb_array_length(learnsync.sync_verify('many', pg_temp.request('many', true))::jsonb -> 'resources'), 200,
    'with room all are');

-- Selections.
SELECT pg_temp.push('sel', pg_temp.item('1', 'lesson_progress', '{"lessonId": "a", "courseId": "c1"}'),
    pg_temp.item('2', 'lesson_progress', '{"lessonId": "b", "courseId": "c2"}'),
    pg_temp.item('3', 'mastery', '{"competencyId": "m", "courseId": "c1"}'),
    pg_temp.item('4', 'conversation', '{"is": "k", "courseId": "c1", "messages": [{"id": "m1"}]}'))
    \g /dev/null
CREATE FUNCTION pg_temp.selected(selection jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.pull('sel', selection);
    RETURN (SELECT string_agg(id, ' ' ORDER BY id) FROM held WHERE learner = 'sel')
        || ' ' || pg_temp.verify('sel', selection);
END $$;
SELECT is(pg_temp.selected('{"resourceTypes": ["mastery", "conversation", "mastery"]}'), 'k m equal', 'some types');
SELECT is(pg_temp.selected('{"resourceTypes": []}'), NULL, 'no types: nothing is held');
SELECT is(pg_temp.verify('sel', '{"resourceTypes": []}'), 'equal', 'and that is right');
SELECT is(pg_temp.selected('{"scope": {"courseId": ["c1", "c9"]}}'), 'a k m equal', 'a scope');
SELECT is(pg_temp.selected('{"resourceTypes": ["lesson_progress"], "scope": {"courseId": ["c2"]}}'), 'b equal',
    'both');
SELECT is(pg_temp.verify('sel'), 'behind', 'a cursor of another selection says nothing of this one');
UPDATE held SET version = 1 WHERE learner = 'sel';
SELECT is(pg_temp.verify('sel', '{"resourceTypes": ["lesson_progress"], "scope": {"courseId": ["c2"]}}'),
    '-b@1(0) +b@3(0)', 'what is found is of the selection');

-- Lists of documents that are older than the rule which makes them lists.
SELECT learnsync.define_resource_type('sheet', '{"key": ["k"], "policy": "merge"}');
SELECT pg_temp.push('old', pg_temp.item('1', 'sheet', '{"k": "s", "messages": [{"id": "a"}, {"id": "b"}]}'))
    \g /dev/null
SELECT learnsync.define_resource_type('sheet', '{"key": ["k"], "policy": "merge",
    "fields": {"messages": {"merge": "union", "id": "id"}}}') \g /dev/null
SELECT pg_temp.pull('old');
SELECT is(pg_temp.verify('old'), 'equal', 'members that stand in the document count');
SELECT pg_temp.push('old', pg_temp.item('2', 'sheet', '{"k": "s", "messages": [{"id": "b"}, {"id": "c"}]}', 11))
    \g /dev/null
SELECT pg_temp.pull('old');
SELECT is((SELECT members FROM held WHERE learner = 'old') || pg_temp.verify('old'), '3equal', 'and once only later');

SELECT learnsync.define_resource_type('plan', '{"key": ["k"], "policy": "merge"}');
SELECT pg_temp.push('older', pg_temp.item('1', 'plan',
    '{"k": "p", "tasks": [{"id": "a"}, {"id": "b", "deleted": true}, {"id": "c"}]}')) \g /dev/null
SELECT learnsync.define_resource_type('plan', '{"key": ["k"], "policy": "merge",
    "fields": {"tasks": {"merge": "union", "id": "id", "members": "latest"}}}') \g /dev/null
SELECT pg_temp.pull('older');
SELECT is((SELECT members FROM held WHERE learner = 'older') || pg_temp.verify('older'), '2equal',
    'of these, too, no member counts that is removed');

-- Who has not pulled everything cannot be judged.
SELECT pg_temp.push('ada', pg_temp.item('8', 'mastery', '{"competencyId": "new"}')) \g /dev/null
SELECT is(pg_temp.verify('ada'), 'behind', 'a change that was not pulled');
UPDATE cursors SET cursor = learnsync.sync_pull('ada', '{"deviceId": "tablet", "limit": 2}') ->> 'cursor'
WHERE learner = 'ada';
SELECT is(pg_temp.verify('ada'), 'behind', 'in the midst of a run');
SELECT pg_temp.pull('ada');
SELECT is(pg_temp.verify('ada'), 'equal', 'after it');
UPDATE cursors SET cursor = regexp_replace(cursor, '^(1-[0-9a-f]+)-0', '\1-ff') WHERE learner = 'ada';
SELECT is(pg_temp.verify('ada'), 'behind', 'in a run that a newer server began');
SELECT pg_temp.push(learner, pg_temp.item('1', 'mastery', '{"competencyId": "m"}'))
FROM unnest('{twin,other}'::text[]) learner \g /dev/null
SELECT pg_temp.pull('twin'), pg_temp.pull('other') \g /dev/null
SELECT is(pg_temp.verify('twin'), 'equal', 'two learners with the same history');
UPDATE cursors SET cursor = (SELECT cursor FROM cursors WHERE learner = 'other') WHERE learner = 'twin';
SELECT is(pg_temp.verify('twin'), 'behind', 'the cursor of somebody else');
SELECT pg_temp.pull('ada');
SELECT learnsync.forget_learner('ada'), learnsync.remember_learner('ada') \g /dev/null
SELECT is(pg_temp.verify('ada'), 'behind', 'with one of an earlier life');

-- What is no request is refused, and tells where.
SELECT pg_temp.pull('many');
SELECT throws_ok(format('SELECT learnsync.sync_verify(%L, %L)', 'many', pg_temp.request('many', true) || more), '22023',
    message, what)
FROM (VALUES ('{"cursor": null}'::jsonb, 'cursor is missing', 'no cursor'),
    ('{"cursor": "1-2"}', 'cursor must be one that an answer gave', 'a made-up cursor'),
    ('{"count": -1}', 'count must be how many documents the client holds', 'a negative number'),
    ('{"count": 1.5}', 'count must be how many documents the client holds', 'half a document'),
    ('{"sum": 4294967296}', 'sum must be a sum, from 0 to 4294967295', 'a sum beyond 32 bits'),
    ('{"sum": -1}', 'sum must be a sum, from 0 to 4294967295', 'a signed sum'),
    ('{"sum": null}', 'sum must be a sum, from 0 to 4294967295', 'no sum'),
    ('{"buckets": [1, 2]}', 'buckets must be an array of 64 sums', 'two buckets'),
    ('{"buckets": {"0": 1}}', 'buckets must be an array of 64 sums', 'buckets that are no array'),
    ('{"resourceTypes": "mastery"}', 'resourceTypes must be an array of strings', 'types that are none'))
    v (more, message, what);
SELECT throws_ok(format('SELECT learnsync.sync_verify(%L, %L)', 'many',
    jsonb_set(pg_temp.request('many', true), '{buckets,7}', '"x"')), '22023',
    'buckets must be a sum, from 0 to 4294967295', 'a bucket that is no sum');
SELECT is(learnsync.sync_verify('many', pg_temp.request('many', false) || '{"bucket": []}')::jsonb -> 'ignored',
    '["bucket"]', 'a member that means nothing is named');

-- Over the API: for oneself, by devices that are let in.
SELECT learnsync.sync_push('many', '{"deviceId": "tablet", "items": []}')::jsonb,
    learnsync.sync_deactivate_device('many', '{"deviceId": "tablet"}') \g /dev/null
SELECT throws_ok(format('SELECT learnsync.sync_verify(%L, %L)', 'many',
    pg_temp.request('many', false) || '{"deviceId": "tablet"}'), 'PT403', NULL, 'a deactivated device is turned away');
SELECT set_config('request.jwt.claims', '{"sub": "many"}', true) \g /dev/null
SELECT is(learnsync_api.sync_verify(pg_temp.request('many', false))::jsonb, '{"equal": true}',
    'a learner verifies what is theirs');
SELECT is(learnsync_api.sync_verify(pg_temp.request('sel', false))::jsonb, '{"behind": true}', 'and nobody else''s');
SELECT throws_ok(format('SELECT learnsync_api.sync_verify(%L)',
    pg_temp.request('many', false) || '{"learnerId": "sel"}'), '42501', NULL, 'whoever asks for another is refused');

SELECT * FROM finish();
ROLLBACK;
