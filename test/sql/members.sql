-- Lists: members one row each, so that adding costs what is added; deltas, deletes, and whole lists wherever a document
-- is shown.
BEGIN;
SELECT no_plan();

-- Items in short: {"i": id, "o": operation, "t": hour, "r": resource, "m": messages, …more fields}.
CREATE FUNCTION pg_temp.push(learner text, more jsonb, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner,
        jsonb_build_object('deviceId', 'd',
            'items', (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('id', i ->> 'i',
                          'operation', COALESCE(i ->> 'o', 'update'),
                          'resourceType', COALESCE(i ->> 'y', 'conversation'), 'resourceId', COALESCE(i ->> 'r', 'c'),
                          'clientTimestamp', '2026-01-08T' || COALESCE(i ->> 't', '10') || ':00:00Z'))
                          || jsonb_build_object('data', CASE WHEN i ? 'm'
                                      THEN jsonb_build_object('messages', i -> 'm')
                                  ELSE '{}' END
                                  || (i - '{i,o,y,r,t,m}'::text[]))
                      ORDER BY n)
                      FROM unnest(items) WITH ORDINALITY AS x (i, n))) || more)::jsonb $$;
CREATE FUNCTION pg_temp.messages(first int, last int, text text DEFAULT '') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(jsonb_build_object('id', 'm' || n, 'text', text)) FROM generate_series(first, last) n $$;
CREATE FUNCTION pg_temp.pull(learner text, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN learnsync.sync_pull(learner, '{"deviceId": "p"}' || more)::jsonb;
END $$;
-- A change in short: operation, delta, ids of the messages.
CREATE FUNCTION pg_temp.change(answer jsonb, n int DEFAULT 0) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', c ->> 'operation', CASE c ->> 'delta' WHEN 'true' THEN 'delta' END,
        (SELECT string_agg(COALESCE(m ->> 'id', m #>> '{}'), ',' ORDER BY o)
         FROM jsonb_array_elements(c #> '{data,messages}') WITH ORDINALITY AS x (m, o)))
    FROM (SELECT answer #> ARRAY['changes', n::text]) x (c) $$;
CREATE FUNCTION pg_temp.rows(learner text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT string_agg(member_id || '@' || version, ' ' ORDER BY version, member_id) FROM learnsync_data.member
    WHERE learner_id = learner $$;
-- What the transaction did to a table so far: rows inserted, updated, deleted, rows read through an index, scans of the
-- whole.
CREATE FUNCTION pg_temp.work(name text) RETURNS int[] LANGUAGE sql AS $$
    SELECT ARRAY[n_tup_ins, n_tup_upd, n_tup_del, idx_tup_fetch, seq_scan] FROM pg_stat_xact_user_tables
    WHERE schemaname = 'learnsync_data' AND relname = name $$;
CREATE FUNCTION pg_temp.since(name text, before int[])
    RETURNS int[] LANGUAGE sql AS $$
    SELECT array_agg(a - b ORDER BY n) FROM unnest(pg_temp.work(name), before) WITH ORDINALITY AS x (a, b, n) $$;

-- Adding costs what is added.
SELECT count(pg_temp.push('big', '{}', jsonb_build_object('i', n,
    'm', pg_temp.messages(n * 1000 + 1, n * 1000 + 1000))))
FROM generate_series(0, 9) n;
SELECT is((SELECT count(*) FROM learnsync_data.member WHERE learner_id = 'big'), 10000::bigint, 'ten thousand members');
SELECT is(
    (SELECT data FROM learnsync_data.resource WHERE learner_id = 'big'),
    '{"messages": []}',
    'beside a document that stays small');
SELECT pg_temp.work('member') AS member, pg_temp.work('resource') AS resource \gset before_
SELECT pg_temp.push('big', '{}', jsonb_build_object('i', 'three', 't', '11', 'm', pg_temp.messages(10001, 10003)));
SELECT is(
    pg_temp.since('member', :'before_member'),
    '{3,0,0,0,0}',
    'three members more are three rows more, and nothing is read');
SELECT is(pg_temp.since('resource', :'before_resource'), '{0,1,0,1,0}', 'and one document');
SELECT pg_temp.work('member') AS member \gset before_
SELECT pg_temp.push('big', '{}', jsonb_build_object('i', 'again', 't', '12', 'm', pg_temp.messages(9999, 10005)));
SELECT is(
    pg_temp.since('member', :'before_member'),
    '{2,0,0,5,0}',
    'members that come again are looked up, one by one');
SELECT pg_temp.work('member') AS member \gset before_
SELECT pg_temp.push('big', '{}', jsonb_build_object('i', 'earlier', 't', '09', 'm', pg_temp.messages(5, 6, 'x')));
SELECT is(pg_temp.since('member', :'before_member'), '{0,2,0,2,0}', 'other content from an earlier instant replaces');
SELECT pg_temp.work('member') AS member \gset before_
SELECT is(
    pg_temp.push('big', '{}', jsonb_build_object('i', 'later', 't', '13',
        'm', pg_temp.messages(5, 6, 'y'))) #>> '{results,0,status}',
    'conflict',
    'other content from a later instant is a conflict');
SELECT is(
    (SELECT count(*) FROM learnsync_data.member WHERE learner_id = 'big' AND value ->> 'text' = 'y'),
    0::bigint,
    'and is not taken');
SELECT pg_temp.work('member') AS member \gset before_
SELECT pg_temp.push('big', '{}', '{"i": "topic", "t": "14", "topic": "x"}');
SELECT is(pg_temp.since('member', :'before_member'), '{0,0,0,0,0}', 'a change of another field leaves them alone');
SELECT pg_temp.work('member') AS member \gset before_
SELECT is(pg_temp.change(pg_temp.pull('big', '{"lastSyncVersion": 13, "from": 13}')), 'update delta m5,m6', 'a delta');
SELECT is(pg_temp.since('member', :'before_member'), '{0,0,0,2,0}', 'reads what it gives');
SELECT is(jsonb_array_length(pg_temp.pull('big', '{}') #> '{changes,0,data,messages}'), 10005, 'the whole');

-- A member's version is that of the push that brought its content.
SELECT pg_temp.push('v', '{}', '{"i": "1", "t": "10", "m": [{"id": "b", "n": 1}, {"id": "a", "n": 1}]}');
SELECT pg_temp.push('v', '{}', '{"i": "2", "t": "11", "m": [{"id": "c"}, {"id": "a", "n": 0}]}');
SELECT pg_temp.push('v', '{}',
    '{"i": "3", "t": "09", "m": [{"id": "a", "n": 2}, {"id": "d"}]}',
    '{"i": "4", "t": "12", "m": [{"id": "e"}]}');
SELECT is(pg_temp.rows('v'), 'b@2 c@3 a@4 d@4 e@4', 'versions of members');
SELECT is(
    pg_temp.pull('v') #> '{changes,0,data,messages}',
    '[{"id": "a", "n": 2}, {"id": "d"}, {"id": "b", "n": 1}, {"id": "c"}, {"id": "e"}]',
    'by order instant, then id');
SELECT is(pg_temp.change(pg_temp.pull('v', more)), change, 'pull with ' || more::text)
FROM (VALUES
    ('{}'::jsonb, 'create a,d,b,c,e'),
    ('{"lastSyncVersion": 2}', 'update a,d,b,c,e'),
    ('{"lastSyncVersion": 2, "from": 2}', 'update delta a,d,c,e'),
    ('{"lastSyncVersion": 3, "from": 3}', 'update delta a,d,e'),
    ('{"lastSyncVersion": 3, "from": 2}', 'update delta a,d,c,e'),
    ('{"lastSyncVersion": 3, "from": 1}', 'create a,d,b,c,e'),
    ('{"lastSyncVersion": 3, "from": 0}', 'create a,d,b,c,e'),
    ('{"lastSyncVersion": 3, "from": 4}', 'create a,d,b,c,e'),
    ('{"lastSyncVersion": 3, "from": 3, "scope": {}}', 'update a,d,b,c,e'),
    ('{"lastSyncVersion": 3, "from": 3, "resourceTypes": ["conversation"]}', 'update delta a,d,e'),
    ('{"lastSyncVersion": 3, "from": 3, "epoch": "other"}', 'create a,d,b,c,e'),
    ('{"lastSyncVersion": 99, "from": 3}', 'create a,d,b,c,e'),
    ('{"lastSyncVersion": 4, "from": 4}', '')) v (more, change);
SELECT ok(NOT pg_temp.pull('v') #> '{changes,0}' ? 'delta', 'what is whole says nothing of delta');
SELECT pg_temp.push('v', '{}', '{"i": "5", "y": "mastery", "r": "m", "t": "09"}');
SELECT ok(
    NOT jsonb_path_exists(pg_temp.pull('v', '{"lastSyncVersion": 4, "from": 4}'), '$.changes[*].delta'),
    'nor do types without lists');

-- Deletes, and what comes after.
SELECT pg_temp.push('del', '{}',
    '{"i": "1", "t": "10", "m": [{"id": "a"}, {"id": "b"}]}',
    '{"i": "2", "t": "10", "r": "other", "m": [{"id": "a"}]}');
SELECT is(
    pg_temp.push('del', '{}', '{"i": "3", "t": "09", "o": "delete"}') #> '{conflicts,0,serverData}',
    '{"messages": [{"id": "a"}, {"id": "b"}]}',
    'a delete that came too late leaves the members, and is shown them');
SELECT pg_temp.push('del', '{}', '{"i": "4", "t": "11", "o": "delete"}');
SELECT is(pg_temp.rows('del'), 'a@3', 'a delete takes the members of its resource');
SELECT is(
    pg_temp.change(pg_temp.pull('del', '{"lastSyncVersion": 3, "from": 3}')),
    'delete',
    'and is told without a delta');
SELECT pg_temp.push('del', '{}',
    '{"i": "5", "t": "10", "m": [{"id": "late"}]}',
    '{"i": "6", "t": "12", "m": [{"id": "b"}]}');
SELECT is(pg_temp.rows('del'), 'a@3 b@5', 'what comes later starts anew');
SELECT is(pg_temp.change(pg_temp.pull('del', more)), change, 'pull after that with ' || more::text)
FROM (VALUES
    ('{"lastSyncVersion": 3, "from": 3}'::jsonb, 'create b'),
    ('{"lastSyncVersion": 4, "from": 4}', 'create b'),
    ('{"lastSyncVersion": 4}', 'create b')) v (more, change);
SELECT pg_temp.push('del', '{}', '{"i": "7", "t": "13", "m": [{"id": "c"}]}');
SELECT is(
    pg_temp.change(pg_temp.pull('del', '{"lastSyncVersion": 5, "from": 5}')),
    'update delta c',
    'deltas go on from there');
SELECT is(
    pg_temp.change(pg_temp.pull('del', '{"lastSyncVersion": 5, "from": 4}')),
    'create b,c',
    'but not for whom it was deleted');
-- In one push, with the same ids: what was there before must not come back.
SELECT pg_temp.push('one', '{}', '{"i": "1", "t": "10", "m": [{"id": "a", "n": 1}, {"id": "b"}], "topic": "x"}');
SELECT pg_temp.push('one', '{}',
    '{"i": "2", "t": "11", "m": [{"id": "c"}]}',
    '{"i": "3", "t": "12", "o": "delete"}',
    '{"i": "4", "t": "13", "m": [{"id": "a", "n": 2}]}',
    '{"i": "5", "t": "12", "m": [{"id": "d"}]}');
SELECT is(pg_temp.rows('one'), 'a@3', 'deleted and made anew in one push');
SELECT is(
    pg_temp.pull('one', '{"lastSyncVersion": 2, "from": 2}') #- '{changes,0,serverTimestamp}' -> 'changes',
    '[{"data": {"messages": [{"id": "a", "n": 2}]}, "version": 3, "operation": "create", "resourceId": "c",
        "resourceType": "conversation"}]',
    'is a creation, and whole');
SELECT pg_temp.push('one', '{}', '{"i": "6", "t": "14", "o": "delete"}', '{"i": "7", "t": "15", "m": [{"id": "e"}]}',
    '{"i": "8", "t": "16", "o": "delete"}');
SELECT is(pg_temp.rows('one'), NULL, 'made and deleted again');
SELECT pg_temp.push('one', '{}', '{"i": "9", "t": "17", "o": "delete"}', '{"i": "10", "t": "18"}',
    '{"i": "11", "t": "19", "m": []}');
SELECT is(pg_temp.pull('one') #> '{changes,0,data}', '{"messages": []}', 'an empty list is a list');

-- Conflicts and sync_status show whole lists, whatever the push looked up.
SELECT learnsync.define_resource_type('board', '{"key": ["k"],
    "fields": {"tags": {"merge": "union"}, "cards": {"merge": "union", "id": "id"}, "n": {"merge": "max"}}}');
SELECT learnsync.define_resource_type('strict', '{"key": ["k"], "stale": "discard",
    "fields": {"tags": {"merge": "union"}}}');
SELECT pg_temp.push('c', '{}',
    '{"i": "1", "y": "board", "tags": ["a", "b"], "cards": [{"id": "x"}, {"id": "y"}], "n": 1}',
    '{"i": "2", "y": "strict", "tags": ["a", "b"]}');
SELECT is(
    (SELECT string_agg(concat_ws(' ', c -> 'id', c #> '{serverData,n}', jsonb_array_length(c #> '{serverData,tags}'),
             c #> '{serverData,cards}'),
         '; ' ORDER BY c ->> 'id')
     FROM jsonb_array_elements(pg_temp.push('c', dry,
         '{"i": "3", "y": "board", "t": "09", "tags": ["c", "a"], "n": 2}',
         '{"i": "4", "y": "strict", "t": "09", "tags": ["c"]}',
         '{"i": "5", "y": "board", "t": "08", "cards": [{"id": "z"}]}') -> 'conflicts') c),
    '"3" 2 3 [{"id": "z"}, {"id": "x"}, {"id": "y"}]; "4" 2; "5" 2 3 [{"id": "z"}, {"id": "x"}, {"id": "y"}]',
    'conflicts show whole lists ' || dry::text)
FROM unnest('{"{\"dryRun\": true}","{}","{}"}'::jsonb[]) dry;
SELECT is(
    (SELECT count(*) FROM learnsync_data.member WHERE learner_id = 'c' AND resource_type = 'board'),
    6::bigint,
    'the dry run wrote nothing, the retry neither');
SELECT is(jsonb_array_length(learnsync.sync_status('c') #> '{conflicts,0,serverData,tags}'), 2, 'sync_status too');
SELECT pg_temp.push('dry', '{}', '{"i": "1", "t": "10", "m": [{"id": "a"}]}');
SELECT pg_temp.rows('dry') AS before \gset
SELECT is(
    pg_temp.push('dry', '{"dryRun": true}', '{"i": "2", "t": "11", "m": [{"id": "b"}]}',
        '{"i": "3", "t": "12", "o": "delete"}', '{"i": "4", "t": "13", "m": [{"id": "c"}]}',
        '{"i": "5", "t": "12"}') #> '{conflicts,0,serverData}',
    '{"messages": [{"id": "c"}]}',
    'a dry run of a delete shows what would be left');
SELECT is(pg_temp.rows('dry'), :'before', 'and leaves the members');
SELECT pg_temp.push('dry', '{"atomic": true}', '{"i": "2", "t": "11", "m": [{"id": "b"}]}',
    '{"i": "3", "t": "12", "o": "delete"}', '{"i": "4", "y": "nosuch"}');
SELECT is(pg_temp.rows('dry'), :'before', 'as does an atomic push that fails');

-- Ids: the first of the rule's names that is a string or a number; what is too long or absent is known by its digest.
SELECT learnsync.define_resource_type('ids', '{"key": ["k"], "stale": "ignore",
    "fields": {"f": {"merge": "union", "id": ["id", "_id", "n"]}}}');
CREATE TEMP TABLE member_id (n int GENERATED ALWAYS AS IDENTITY, a jsonb, b jsonb, same boolean);
INSERT INTO member_id (a, b, same) VALUES
    ('{"id": "a", "x": 1}', '{"id": "a", "x": 2}', true),
    ('{"id": "a"}', '{"_id": "a", "x": 2}', true),
    ('{"id": "", "_id": "a"}', '{"id": null, "_id": "a"}', true),
    ('{"id": 1}', '{"id": 1.0, "x": 2}', true),
    ('{"id": 1}', '{"id": "1"}', true),
    ('{"id": [1], "n": 7}', '{"id": true, "n": "7"}', true),
    ('{"id": "a", "_id": "b"}', '{"id": "c", "_id": "b"}', false),
    ('{"id": "a"}', '{"id": "A"}', false),
    ('{"id": "\u00e9"}', '{"id": "e\u0301"}', false),
    ('{"x": 1}', '{"x": 1.0}', true),
    ('{"x": 1}', '{"x": 2}', false),
    ('"a"', '{"id": "a"}', false),
    ('1', '1.00', true),
    ('null', 'null', true),
    ('[]', '{}', false),
    ('{"id": ""}', '{"id": null}', false),
    ('{"id": 1e300}', '{"id": 1e300, "x": 1}', true),
    (jsonb_build_object('id', repeat('é', 200)), jsonb_build_object('id', repeat('é', 200), 'x', 1), true),
    (jsonb_build_object('id', repeat('x', 201)), jsonb_build_object('id', repeat('x', 201), 'x', 1), true),
    (jsonb_build_object('id', repeat('x', 201)), jsonb_build_object('id', repeat('x', 202)), false),
    (jsonb_build_object('id', repeat('x', 100000)), jsonb_build_object('_id', repeat('x', 100000)), true);
SELECT pg_temp.push('ids' || n, '{}', jsonb_build_object('i', '1', 'y', 'ids', 'f', jsonb_build_array(a))),
    pg_temp.push('ids' || n, '{}', jsonb_build_object('i', '2', 'y', 'ids', 't', '11', 'f', jsonb_build_array(b, b))),
    pg_temp.push('both' || n, '{}', jsonb_build_object('i', '1', 'y', 'ids', 'f', jsonb_build_array(a, b)))
FROM member_id;
SELECT is(
    (SELECT count(*) FROM learnsync_data.member WHERE learner_id = who || n),
    CASE WHEN same THEN 1 ELSE 2 END::bigint,
    concat_ws(' ', who, left(a::text, 50), left(b::text, 50)))
FROM member_id, unnest('{ids,both}'::text[]) who ORDER BY n;
SELECT is(
    (SELECT max(octet_length(member_id)) FROM learnsync_data.member WHERE learner_id ~ '^ids'),
    400,
    'ids fit into an index');

-- A page ends where lists get too long; a change with more comes alone.
SELECT count(pg_temp.push('page', '{}', jsonb_build_object('i', r || n, 'r', r,
    'm', pg_temp.messages(n * 1000 + 1, n * 1000 + 1000))))
FROM (SELECT r, n FROM (VALUES ('a', 5), ('b', 5), ('d', 12)) v (r, size), generate_series(0, size - 1) n
      ORDER BY r, n) x;
SELECT pg_temp.push('page', '{}', '{"i": "e", "y": "mastery", "r": "e"}', '{"i": "f", "r": "f", "m": [{"id": "f"}]}',
    '{"i": "g", "y": "mastery", "r": "g"}');
CREATE FUNCTION pg_temp.pages(learner text, more jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    answer jsonb;
    cursor_ bigint := COALESCE((more ->> 'lastSyncVersion')::bigint, 1);
    said text;
BEGIN
    LOOP
        answer := pg_temp.pull(learner, more || jsonb_build_object('lastSyncVersion', cursor_));
        said := concat_ws(' | ', said,
            (SELECT string_agg((c ->> 'resourceId') || COALESCE(jsonb_array_length(c #> '{data,messages}')::text, ''),
                 ' ' ORDER BY n)
             FROM jsonb_array_elements(answer -> 'changes') WITH ORDINALITY AS x (c, n)));
        EXIT WHEN NOT (answer ->> 'hasMore')::boolean OR cursor_ >= (answer ->> 'syncVersion')::bigint;
        cursor_ := (answer ->> 'syncVersion')::bigint;
    END LOOP;
    RETURN said;
END $$;
SELECT is(pg_temp.pages('page', '{}'), 'a5000 b5000 | d12000 e | f1 g', 'pages end where lists get too long');
SELECT is(pg_temp.pages('page', '{"limit": 1}'), 'a5000 | b5000 | d12000 | e | f1 | g', 'or at the limit');
SELECT pg_temp.push('page', '{}', '{"i": "h", "t": "11", "r": "b", "m": [{"id": "h"}]}');
SELECT is(pg_temp.pages('page', '{}'), 'a5000 | d12000 e | f1 g b5001', 'one member more makes one page more');
SELECT is(
    pg_temp.pages('page', '{"lastSyncVersion": 20, "from": 20}'),
    'd3000 e f1 g b1',
    'what counts is what the page carries');
SELECT is(
    (SELECT (data -> 'hasMore')::text FROM pg_temp.pull('big', '{"lastSyncVersion": 1, "limit": 1}') data),
    'false',
    'a change that is alone and the last has no more');

-- A rule that gets a list where documents had an array, or something else, under another strategy.
CREATE FUNCTION pg_temp.rule(name text, rule jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE learnsync_data.resource_type t SET rule = $2 WHERE t.name = $1;
    ALTER TABLE learnsync_data.resource_type RESET (fillfactor); -- which sessions hear of
END $$;
SELECT learnsync.define_resource_type('grown', '{"key": ["k"]}');
SELECT pg_temp.push('grown', '{}',
    '{"i": "1", "y": "grown", "r": "a", "t": "10", "f": [{"id": "b"}, {"id": "a"}, {"id": "b", "n": 1}]}',
    '{"i": "2", "y": "grown", "r": "b", "f": "text"}',
    '{"i": "3", "y": "grown", "r": "c", "t": "10", "f": ["x"]}',
    '{"i": "4", "y": "grown", "r": "c", "t": "11", "g": 1}');
SELECT pg_temp.rule('grown', '{"key": ["k"], "fields": {"f": {"merge": "union", "id": "id"}}}');
SELECT is(
    (SELECT jsonb_agg(c #> '{data,f}') FROM jsonb_array_elements(pg_temp.pull('grown') -> 'changes') c),
    '[[{"id": "a"}, {"id": "b"}], "text", ["x"]]',
    'old arrays are shown as lists');
SELECT pg_temp.push('grown', '{}',
    '{"i": "5", "y": "grown", "r": "a", "t": "11", "f": [{"id": "c"}, {"id": "a", "n": 5}]}',
    '{"i": "6", "y": "grown", "r": "b", "t": "11", "f": [{"id": "c"}]}',
    '{"i": "7", "y": "grown", "r": "c", "t": "12", "g": 2}');
SELECT is(
    (SELECT string_agg(resource_id || '/' || member_id || '@' || version, ' ' ORDER BY resource_id, member_id)
     FROM learnsync_data.member WHERE learner_id = 'grown' AND resource_id <> 'c'),
    'a/a@5 a/b@5 a/c@5 b/c@6',
    'the first item makes rows of them');
SELECT is(
    (SELECT jsonb_agg(c #> '{data,f}') FROM jsonb_array_elements(pg_temp.pull('grown') -> 'changes') c),
    '[[{"id": "a"}, {"id": "b"}, {"id": "c"}], [{"id": "c"}], ["x"]]',
    'nothing is lost, and what was no list gives way');
SELECT is(
    (SELECT string_agg(data ->> 'f', ' ') FROM learnsync_data.resource WHERE learner_id = 'grown'),
    '[] [] []',
    'documents hold them no more');
SELECT is(
    (SELECT at FROM learnsync_data.member WHERE learner_id = 'grown' AND resource_id = 'c'),
    '2026-01-08T10:00:00Z'::timestamptz,
    'with the instant that the array had');

-- What a team's trigger skips is not answered as synced.
CREATE FUNCTION pg_temp.skip()
    RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RETURN CASE WHEN NEW.value ->> 'id' = 'skip' THEN NULL ELSE NEW END; END $$;
SELECT pg_temp.push('skip', '{}', '{"i": "0", "r": "z", "t": "10", "m": [{"id": "skip", "n": 1}]}');
CREATE TRIGGER skip BEFORE INSERT OR UPDATE ON learnsync_data.member FOR EACH ROW EXECUTE FUNCTION pg_temp.skip();
SELECT is(
    (SELECT string_agg(r ->> 'status', ' ')
     FROM jsonb_array_elements(pg_temp.push('skip', '{}',
         '{"i": "1", "m": [{"id": "a"}]}',
         '{"i": "2", "m": [{"id": "b"}, {"id": "skip"}]}',
         '{"i": "3", "r": "z", "t": "09", "m": [{"id": "skip", "n": 2}]}',
         '{"i": "4", "m": [{"id": "c"}]}') -> 'results') r),
    'synced failed failed synced',
    'a trigger that skips members');
SELECT is(pg_temp.rows('skip'), 'skip@2 a@3 c@3', 'the others are written');
DROP TRIGGER skip ON learnsync_data.member;

-- However the members of two items stand: what the first said was taken in its time.
SELECT is(
    (SELECT string_agg(DISTINCT jsonb_path_query_array(
        pg_temp.push('order' || n, '{}',
            jsonb_build_object('i', '1', 't', '11', 'm', (
                SELECT jsonb_agg(jsonb_build_object('id', m::text) ORDER BY md5(n || ' ' || m))
                FROM generate_series(1, 12) m)),
            jsonb_build_object('i', '2', 't', '10', 'm', (
                SELECT jsonb_agg(jsonb_build_object('id', m::text, 'n', 1) ORDER BY md5(m || ' ' || n))
                FROM generate_series(1, 3) m))), '$.results[*].status')::text, ' ')
     FROM generate_series(1, 40) n),
    '["synced", "synced"]',
    'an item whose members give way later in the same push is synced');

-- A delete ends no verdict of what came before it in its push.
SELECT is(
    jsonb_path_query_array(
        pg_temp.push('all gone', '{}', '{"i": "1", "t": "10", "m": [{"id": "b"}]}',
            '{"i": "2", "t": "11", "m": [{"id": "a", "n": 1}]}', '{"i": "3", "t": "12", "m": [{"id": "a", "n": 2}]}',
            '{"i": "4", "t": "13", "o": "delete"}'),
        '$.results[*].status'),
    '["synced", "synced", "conflict", "synced"]',
    'a member that was not taken is a conflict, though all was deleted later');

-- Members that change: what was said last stands, and a removal is said in a delta.
SELECT learnsync.define_resource_type('todo', '{"key": ["todoId"], "stale": "ignore",
    "fields": {"messages": {"merge": "union", "id": "id", "members": "latest"}}}');
CREATE TEMP TABLE said (n int, t int, m jsonb);
INSERT INTO said VALUES (1, 10, '{"id": "m", "v": 1}'), (2, 11, '{"id": "m", "v": 2}'),
    (3, 12, '{"id": "m", "deleted": true}'), (4, 13, '{"id": "m", "v": 3}');
CREATE FUNCTION pg_temp.say(n int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('i', s.n::text, 'y', 'todo', 't', s.t::text, 'm', jsonb_build_array(s.m))
    FROM said s WHERE s.n = say.n $$;
CREATE TEMP TABLE permutation AS
WITH RECURSIVE grown (a) AS (SELECT ARRAY[n] FROM said UNION ALL SELECT a || n FROM grown JOIN said ON n <> ALL (a))
SELECT a FROM grown WHERE cardinality(a) = 4;
CREATE TEMP TABLE answered AS
SELECT a, o, n, pg_temp.push('s' || a::text, jsonb_build_object('deviceId', 'd' || o % 2), pg_temp.say(n))
    #>> '{results,0,status}' AS status
FROM permutation, unnest(a) WITH ORDINALITY u (n, o) ORDER BY a, o;
SELECT is(
    (SELECT count(DISTINCT value) || ' ' || count(*) || ' ' || min(value::text) FROM learnsync_data.member
     WHERE learner_id ~ '^s\{'),
    '1 24 {"v": 3, "id": "m"}',
    'add, edit, remove and add again of two devices end equal in all 24 orders');
SELECT is(
    (SELECT count(*) FROM answered x WHERE (status = 'synced') IS DISTINCT FROM
         (n = (SELECT max(y.n) FROM answered y WHERE y.a = x.a AND y.o <= x.o))),
    0::bigint,
    'what was not taken is a conflict, and what was is none');
SELECT is(
    (SELECT count(*) FROM permutation, LATERAL pg_temp.push('o' || a::text, '{}', VARIADIC
         ARRAY(SELECT pg_temp.say(n) FROM unnest(a) WITH ORDINALITY u (n, o) ORDER BY o)) answer
     WHERE (SELECT array_agg(r ->> 'status' ORDER BY o) FROM jsonb_array_elements(answer -> 'results')
                WITH ORDINALITY u (r, o))
         <> (SELECT array_agg(status ORDER BY o) FROM answered x WHERE x.a = permutation.a)),
    0::bigint,
    'one push of all answers as a push of each');
SELECT pg_temp.push('gone', '{}', pg_temp.say(1));
SELECT pg_temp.push('gone', '{}', pg_temp.say(3));
SELECT is(pg_temp.pull('gone') #> '{changes,0,data,messages}', '[]', 'a document does not show what was removed');
SELECT is(
    pg_temp.pull('gone', '{"lastSyncVersion": 2, "from": 2}') #> '{changes,0,data,messages}',
    '[{"id": "m", "deleted": true}]',
    'a delta says what was removed');
SELECT is(
    pg_temp.push('twice', '{}', '{"i": "1", "y": "todo", "m": [{"id": "m", "v": 1}, {"id": "m", "v": 2}]}')
        #>> '{results,0,status}',
    'conflict',
    'an item that says two things of one member is a conflict');

-- What an item says of a member is taken where it is what an item before it made of that, whatever was stored.
SELECT is(
    jsonb_path_query_array(
        pg_temp.push('same ' || type, '{}',
            jsonb_build_object('i', '2', 'y', type, 't', first, 'm', '[{"id": "m", "v": 2}, {"id": "n"}]'::jsonb),
            jsonb_build_object('i', '3', 'y', type, 't', second, 'm', '[{"id": "m", "v": 2}]'::jsonb),
            jsonb_build_object('i', '4', 'y', type, 't', second, 'm', '[{"id": "m", "v": 3}]'::jsonb)),
        '$.results[*].status'),
    '["synced", "synced", "conflict"]',
    'what another item has said before is synced, and nothing else: ' || type)
FROM (VALUES ('todo', '12', '10'), ('conversation', '10', '12')) v (type, first, second),
    LATERAL (SELECT pg_temp.push('same ' || type, '{}',
        jsonb_build_object('i', '1', 'y', type, 't', '11', 'm', '[{"id": "m", "v": 1}]'::jsonb)) OFFSET 0) stored
WHERE stored IS NOT NULL;

-- A stored member that gives way is no item's, wherever its row lies: here in blocks that have the items' numbers.
TRUNCATE learnsync_data.member;
CREATE FUNCTION pg_temp.some(seed text, content jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(jsonb_build_object('id', m::text) || content) FROM generate_series(10, 24) m
    WHERE md5(seed || m) < '8' $$;
SELECT count(pg_temp.push('way' || n, '{}',
    jsonb_build_object('i', 'late', 't', '11', 'm', pg_temp.some('a' || n, '{}'))))
FROM generate_series(1, 60) n;
SELECT cmp_ok(
    (SELECT (max(ctid)::text::point)[0]::int FROM learnsync_data.member), '<', 9, 'there are fewer blocks than items');
SELECT is(
    (SELECT string_agg(n || '/' || (r ->> 'id'), ' ')
     FROM generate_series(1, 60) n,
         LATERAL pg_temp.push('way' || n, '{}', VARIADIC (
             SELECT array_agg(jsonb_build_object('i', i, 'r', 'r' || i, 'm', '[{"id": "1"}]'::jsonb))
             FROM generate_series(1, 9) i) || jsonb_build_object('i', 'early', 't', '10',
                 'm', pg_temp.some('b' || n, '{"n": 1}'))) answer,
         jsonb_array_elements(answer -> 'results') r
     WHERE r ->> 'status' <> 'synced'),
    NULL,
    'an item before which stored members give way is synced, and the others of its push are');

SELECT * FROM finish();
ROLLBACK;
