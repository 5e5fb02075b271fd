-- Runs of pages with the opaque cursor: the client stores it with each page and sends it back; nothing else.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.item(id text, type text, resource text, data jsonb, hour int DEFAULT 10,
    operation text DEFAULT 'update')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', operation, 'resourceType', type, 'resourceId', resource,
        'data', data,
        'clientTimestamp', to_char(
            timestamp '2026-01-08' + make_interval(hours => hour),
            'YYYY-MM-DD"T"HH24:MI:SS"Z"')) $$;
CREATE FUNCTION pg_temp.push(learner text, more jsonb, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner,
        jsonb_build_object('deviceId', 'phone', 'items', to_jsonb(items)) || more)::jsonb $$;
-- A page in short: operation, id and version of each change and the messages that it brings, then the version, + where
-- there is more, ! for a reset, ~ for a server that lags behind. The cursor is kept under a name.
CREATE TEMP TABLE kept (name text PRIMARY KEY, cursor text);
CREATE FUNCTION pg_temp.show(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ',
        string_agg(concat(left(c ->> 'operation', 1), CASE WHEN c ? 'left' THEN 'eft' END, ':', c ->> 'resourceId',
                '@', c ->> 'version', CASE WHEN c ? 'delta' THEN '+' END,
                '(' || (SELECT string_agg(m ->> 'id', ',') FROM jsonb_array_elements(c #> '{data,messages}') m)
                    || ')'),
            ' ' ORDER BY n),
        concat('=', answer ->> 'syncVersion', CASE WHEN answer -> 'hasMore' = 'true' THEN '+' END,
            CASE WHEN answer -> 'reset' = 'true' THEN '!' END, CASE WHEN answer -> 'behind' = 'true' THEN '~' END,
            ' of ' || (answer ->> 'count')))
    FROM jsonb_array_elements(answer -> 'changes') WITH ORDINALITY x (c, n) $$;
CREATE FUNCTION pg_temp.pull(learner text, name text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb := learnsync.sync_pull(learner,
        jsonb_build_object('deviceId', 'tablet', 'cursor', (SELECT cursor FROM kept k WHERE k.name = pull.name))
            || more);
BEGIN
    INSERT INTO kept VALUES (name, answer ->> 'cursor')
    ON CONFLICT ON CONSTRAINT kept_pkey DO UPDATE SET cursor = EXCLUDED.cursor;
    RETURN pg_temp.show(answer);
END $$;
CREATE FUNCTION pg_temp.run(learner text, name text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    pages text[];
BEGIN
    LOOP
        pages := pages || pg_temp.pull(learner, name, more);
        EXIT WHEN pages[cardinality(pages)] !~ '\+[!~]*( of \d+)?$' OR cardinality(pages) = 20;
    END LOOP;
    RETURN array_to_string(pages, ' | ');
END $$;
CREATE FUNCTION pg_temp.copy(source text, target text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO kept
    SELECT target, cursor FROM kept WHERE name = source ON CONFLICT (name) DO UPDATE SET cursor = EXCLUDED.cursor $$;
CREATE FUNCTION pg_temp.forget_tombstones(learner text) RETURNS void LANGUAGE sql AS $$
    UPDATE learnsync_data.resource SET updated_at = updated_at - interval '200 days'
    WHERE learner_id = learner AND data IS NULL;
    SELECT learnsync_internal.clean_pages_as_owner('resource', 0, 4294967295,
        clock_timestamp() - interval '180 days') $$;
CREATE FUNCTION pg_temp.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '00000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;

-- A run, and the next one.
SELECT pg_temp.push('ann', '{}', pg_temp.item('1', 'mastery', 'a', '{}'), pg_temp.item('2', 'mastery', 'b', '{}'),
    pg_temp.item('3', 'mastery', 'c', '{}'));
SELECT is(pg_temp.run('ann', 't', '{"limit": 2}'), 'c:a@2 c:b@3 =3+ | c:c@4 =4', 'a first run');
SELECT is(pg_temp.run('ann', 't'), '=4', 'nothing new');
SELECT pg_temp.push('ann', '{}',
    pg_temp.item('4', 'mastery', 'b', '{"n": 1}', 11),
    pg_temp.item('5', 'mastery', 'd', '{}'),
    pg_temp.item('6', 'mastery', 'a', NULL, 12, 'delete'));
SELECT is(pg_temp.run('ann', 't', '{"limit": 1}'), 'u:b@5 =5+ | c:d@6 =6+ | d:a@7 =7', 'the next run');
SELECT is(pg_temp.run('nobody', 'n'), '=1', 'a learner whom nobody knows');
SELECT is(pg_temp.run('nobody', 'n'), '=1', 'and again');
-- What moves on during a run comes late, with whole lists; nothing is skipped.
SELECT pg_temp.push('talk', '{}',
    pg_temp.item('1', 'conversation', 'x', '{"messages": [{"id": "m1"}]}'),
    pg_temp.item('2', 'mastery', 'y', '{}'),
    pg_temp.item('3', 'mastery', 'z', '{}'));
SELECT is(pg_temp.pull('talk', 'tt', '{"limit": 2}'), 'c:x@2(m1) c:y@3 =3+', 'the first page of a first run');
SELECT pg_temp.push('talk', '{}', pg_temp.item('4', 'conversation', 'x', '{"messages": [{"id": "m2"}]}', 11));
SELECT is(
    pg_temp.run('talk', 'tt', '{"limit": 1}'),
    'c:z@4 =4+ | c:x@5(m1,m2) =5',
    'what was not there when the run began comes whole');
SELECT pg_temp.push('talk', '{}',
    pg_temp.item('5', 'mastery', 'y', '{"n": 1}', 11),
    pg_temp.item('6', 'conversation', 'x', '{"messages": [{"id": "m3"}]}', 12));
SELECT is(pg_temp.pull('talk', 'tt', '{"limit": 1}'), 'u:y@6 =6+', 'a later run');
SELECT pg_temp.push('talk', '{}', pg_temp.item('7', 'conversation', 'x', '{"messages": [{"id": "m4"}]}', 13));
SELECT is(pg_temp.pull('talk', 'tt'), 'u:x@8+(m3,m4) =8', 'brings what is new since it began');
SELECT is(
    pg_temp.run('talk', 'fresh', '{"limit": 1}'),
    'c:z@4 =4+ | c:y@6 =6+ | c:x@8(m1,m2,m3,m4) =8',
    'a device that holds nothing gets lists whole');
SELECT is(pg_temp.run('talk', 'scoped', '{"scope": {}}'), 'c:z@4 c:y@6 c:x@8(m1,m2,m3,m4) =8', 'with a scope');
SELECT pg_temp.push('talk', '{}', pg_temp.item('8', 'conversation', 'x', '{"messages": [{"id": "m5"}]}', 14));
SELECT is(pg_temp.run('talk', 'scoped', '{"scope": {}}'), 'u:x@9(m1,m2,m3,m4,m5) =9', 'they always come whole');

-- Pages of 500 where the client does not say, of as many as it asks for, and the first by bytes alone.
SELECT pg_temp.push('big', '{}', VARIADIC array_agg(pg_temp.item(n::text, 'mastery', 'm' || n, '{}')))
FROM generate_series(1, 600) n;
SELECT is(
    jsonb_array_length(learnsync.sync_pull('big', '{"deviceId": "d"}')::jsonb -> 'changes'),
    600,
    'the first page');
SELECT learnsync.sync_pull('big', '{"deviceId": "d", "limit": 10}') ->> 'cursor' AS ten \gset
SELECT is(
    jsonb_array_length(learnsync.sync_pull('big',
        jsonb_build_object('deviceId', 'd', 'cursor', :'ten') || more)::jsonb -> 'changes'),
    n,
    'a later one: ' || more::text)
FROM (VALUES ('{}'::jsonb, 500), ('{"limit": 7}', 7), ('{"limit": 100000}', 590)) v (more, n);
-- How many changes the run will bring, on its first page.
SELECT is(pg_temp.pull('ann', 'count', '{"count": true, "limit": 1}'), 'c:c@4 =4+ of 4', 'a first run says how many');
SELECT is(pg_temp.pull('ann', 'count', '{"count": true, "limit": 1}'), 'c:b@5 =5+', 'its other pages do not');
SELECT is(pg_temp.run('ann', 'count'), 'c:d@6 d:a@7 =7', 'it goes on');
SELECT is(pg_temp.pull('ann', 'count', '{"count": true}'), '=7 of 0', 'nothing new');
SELECT is(pg_temp.pull('ann', 'typed', '{"count": true, "resourceTypes": ["conversation"]}'), '=7 of 0', 'of one type');
SELECT is(
    pg_temp.pull('talk', 'typed2', '{"count": true, "resourceTypes": ["mastery", "mastery"], "limit": 1}'),
    'c:z@4 =4+ of 2',
    'of another');
SELECT is(
    pg_temp.pull('talk', 'scoped2', '{"count": true, "scope": {"n": [1]}, "limit": 1}'),
    'c:y@6 =9 of 1',
    'of a scope');

-- Another selection starts anew; the same one in other words does not.
SELECT is(
    pg_temp.run('talk', 's', '{"resourceTypes": ["mastery", "activity"], "scope": {"n": [1, 2], "f": ["a"]}}'),
    '=9',
    'a selection');
SELECT is(pg_temp.run('talk', 's', request), expected, 'then ' || request::text)
FROM (VALUES
    ('{"resourceTypes": ["activity", "mastery", "activity"], "scope": {"f": ["a", "a"], "n": [2.0, 1]}}'::jsonb, '=9'),
    ('{"resourceTypes": ["mastery", "activity"], "scope": {"n": [1, 2]}}', 'c:y@6 =9!'),
    ('{"resourceTypes": ["mastery", "activity"], "scope": {"n": [1, 2]}}', '=9'),
    ('{"resourceTypes": ["mastery"], "scope": {"n": [1, 2]}}', 'c:y@6 =9!'),
    ('{"scope": {"n": [1, 2]}}', 'c:y@6 =9!'),
    ('{"scope": {"n": [1]}}', 'c:y@6 =9!'),
    ('{"scope": {}}', 'c:z@4 c:y@6 c:x@9(m1,m2,m3,m4,m5) =9!'),
    ('{}', 'c:z@4 c:y@6 c:x@9(m1,m2,m3,m4,m5) =9!'),
    ('{"resourceTypes": []}', '=9!'),
    ('{"scope": null, "resourceTypes": null}', 'c:z@4 c:y@6 c:x@9(m1,m2,m3,m4,m5) =9!'),
    ('{}', '=9')) v (request, expected);

-- What leaves a scope is told to have left, however it left.
SELECT pg_temp.push('scope', '{}', VARIADIC array_agg(pg_temp.item(id, 'mastery', id, '{"c": 1}')))
FROM unnest('{stays,moves,again,gone,other}'::text[]) id;
SELECT pg_temp.push('scope', '{}', pg_temp.item('c1', 'conversation', 'talk', '{"c": 1, "messages": [{"id": "m"}]}'));
SELECT is(
    pg_temp.run('scope', 'sc', '{"scope": {"c": [1]}}'),
    'c:stays@2 c:moves@3 c:again@4 c:gone@5 c:other@6 c:talk@7(m) =7',
    'what is in the scope');
SELECT pg_temp.push('scope', '{}',
    pg_temp.item('m1', 'mastery', 'moves', '{"c": 2}', 11),
    pg_temp.item('s1', 'mastery', 'stays', '{"c": 1, "n": 1}', 11),
    pg_temp.item('a1', 'mastery', 'again', NULL, 11, 'delete'),
    pg_temp.item('g1', 'mastery', 'gone', NULL, 11, 'delete'),
    pg_temp.item('n1', 'mastery', 'new', '{"c": 2}'));
SELECT pg_temp.push('scope', '{}',
    pg_temp.item('a2', 'mastery', 'again', '{"c": 2}', 12),
    pg_temp.item('t1', 'conversation', 'talk', '{"c": 2}', 12));
SELECT is(
    pg_temp.run('scope', 'sc', '{"scope": {"c": [1]}, "limit": 2}'),
    'deft:moves@8 u:stays@9 =9+ | d:gone@11 deft:again@13 =13+ | deft:talk@14 =14',
    'and what was, but not what never was');
SELECT is(
    pg_temp.run('scope', 'scfresh', '{"scope": {"c": [1]}}'),
    'c:other@6 c:stays@9 d:gone@11 =14',
    'a device that holds nothing is told of nothing that left');
SELECT is(
    pg_temp.pull('scope', 'mid', '{"scope": {"c": [1]}, "limit": 1}'),
    'c:other@6 =6+',
    'in the midst of a first run');
SELECT pg_temp.push('scope', '{}', pg_temp.item('o1', 'mastery', 'other', '{"c": 2}', 11));
SELECT is(
    pg_temp.run('scope', 'mid', '{"scope": {"c": [1]}}'),
    'deft:moves@8 c:stays@9 d:gone@11 deft:again@13 deft:talk@14 deft:other@15 =15',
    'what a page has brought may leave before the run is over');

-- Deletes that are forgotten: a run that began before starts anew, wherever it stands; one that began since goes on.
CREATE FUNCTION pg_temp.life(learner text) RETURNS void LANGUAGE sql AS $$
    SELECT pg_temp.push(learner, '{}', pg_temp.item('1', 'mastery', 'a', '{}'),
        pg_temp.item('2', 'mastery', 'b', '{}'), pg_temp.item('3', 'mastery', 'c', '{}')) $$;
SELECT pg_temp.life('h');
SELECT is(pg_temp.pull('h', 'run', '{"limit": 1}'), 'c:a@2 =2+', 'a first run');
SELECT is(pg_temp.pull('h', 'done'), 'c:a@2 c:b@3 c:c@4 =4', 'one that is over');
SELECT pg_temp.push('h', '{}', pg_temp.item('4', 'mastery', 'a', NULL, 12, 'delete'));
SELECT pg_temp.push('h', '{}', pg_temp.item('5', 'mastery', 'd', '{}'));
SELECT is(pg_temp.run('h', 'later'), 'c:b@3 c:c@4 d:a@5 c:d@6 =6', 'and one of a device that has seen the delete');
SELECT pg_temp.forget_tombstones('h');
SELECT is(
    pg_temp.run('h', 'run', '{"limit": 2}'),
    'c:b@3 c:c@4 =4+! | c:d@6 =6',
    'an interrupted first run starts anew');
SELECT is(pg_temp.run('h', 'done', '{"limit": 2}'), 'c:b@3 c:c@4 =4+! | c:d@6 =6', 'a device that was away, too');
SELECT is(pg_temp.run('h', 'later'), '=6', 'who has seen the delete goes on');
SELECT is(
    pg_temp.run('h', 'new', '{"limit": 1}'),
    'c:b@3 =3+ | c:c@4 =4+ | c:d@6 =6',
    'a device that holds nothing has pages below the horizon as well, and no reset');
-- It passes in the midst of the run of a device that held what was deleted.
SELECT pg_temp.life('m');
SELECT pg_temp.run('m', 'mt');
SELECT pg_temp.push('m', '{}',
    pg_temp.item('4', 'mastery', 'd', '{}'),
    pg_temp.item('5', 'mastery', 'a', NULL, 12, 'delete'),
    pg_temp.item('6', 'mastery', 'e', '{}'));
SELECT is(pg_temp.pull('m', 'mt', '{"limit": 1}'), 'c:d@5 =5+', 'the page before the delete');
SELECT pg_temp.copy('mt', 'early'), pg_temp.pull('m', 'mt', '{"limit": 1}');
SELECT pg_temp.forget_tombstones('m');
SELECT is(
    pg_temp.run('m', 'early', '{"limit": 1}'),
    'c:b@3 =3+! | c:c@4 =4+ | c:d@5 =5+ | c:e@7 =7',
    'has to start anew');
SELECT is(pg_temp.run('m', 'mt', '{"limit": 1}'), 'c:e@7 =7', 'the page with it goes on');
-- A first cursor, which says nothing of what its device holds.
SELECT learnsync.sync_push('m', '{"deviceId": "p", "items": [], "cursor": "1-2-0-0-0-0-0"}') ->> 'cursor' AS first \gset
INSERT INTO kept VALUES ('first', :'first');
SELECT alike(pg_temp.run('m', 'first'), '%!', 'the first cursor of a life starts anew below the horizon');

-- Another learner, another life, another epoch, another history: everything anew, and a push says so as well.
SELECT pg_temp.life('one'), pg_temp.life('two');
SELECT pg_temp.run('one', 'c');
SELECT pg_temp.copy('c', 'other');
SELECT is(pg_temp.run('two', 'other'), 'c:a@2 c:b@3 c:c@4 =4!', 'a cursor of another learner');
SELECT is(answer ->> 'syncVersion' || (answer ->> 'reset'), '1true', 'a push with it, be it empty')
FROM (SELECT learnsync.sync_push('two',
          jsonb_build_object('deviceId', 'p', 'items', '[]'::jsonb, 'cursor', cursor))::jsonb
      FROM kept WHERE name = 'c') x (answer);
SELECT pg_temp.copy('c', 'ahead');
UPDATE kept SET cursor = regexp_replace(cursor, '^1-4', '1-5') WHERE name = 'ahead';
SELECT is(pg_temp.run('one', 'ahead'), 'c:a@2 c:b@3 c:c@4 =4!', 'one that is ahead');
SELECT pg_temp.pull('one', 'open', '{"limit": 1}');
SELECT pg_temp.copy('c', 'old'), pg_temp.copy('open', 'oldrun');
SELECT learnsync.forget_learner('one'), learnsync.remember_learner('one');
SELECT pg_temp.life('one');
SELECT is(pg_temp.run('one', 'old'), 'c:a@2 c:b@3 c:c@4 =4!', 'one of a life before');
SELECT is(pg_temp.run('one', 'oldrun'), 'c:a@2 c:b@3 c:c@4 =4!', 'one in the midst of a run, too');
SELECT is(pg_temp.run('one', 'old'), '=4', 'once');
SELECT is(
    pg_temp.run('one', 'c', jsonb_build_object('cursor', (learnsync.sync_push('one',
            jsonb_build_object('deviceId', 'p', 'items', '[]'::jsonb, 'cursor', k.cursor)) ->> 'cursor'))),
    'c:a@2 c:b@3 c:c@4 =4',
    'a push with it gives the first cursor of this one')
FROM kept k WHERE name = 'c';
SELECT learnsync.new_epoch();
SELECT is(pg_temp.run('one', 'old'), 'c:a@2 c:b@3 c:c@4 =4!', 'another epoch');

SELECT is(
    pg_temp.show(learnsync.sync_pull('one', jsonb_build_object('deviceId', 'p',
        'cursor', learnsync.sync_push('one', jsonb_build_object('deviceId', 'p', 'items', '[]'::jsonb,
            'cursor', regexp_replace(cursor, '^1-4', '1-1'))) ->> 'cursor'))::jsonb),
    'c:a@2 c:b@3 c:c@4 =4',
    'what a push answers to a first cursor of another life is one of this life')
FROM kept WHERE name = 'c';

-- A push moves the cursor past itself where its device is in no run and has seen all before.
SELECT pg_temp.life('p');
SELECT pg_temp.run('p', 'all'), pg_temp.pull('p', 'open', '{"limit": 1}'),
    pg_temp.run('p', 'typed', '{"resourceTypes": ["mastery"]}');
CREATE FUNCTION pg_temp.send(name text, id text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb := pg_temp.push('p',
        jsonb_build_object('cursor', (SELECT cursor FROM kept k WHERE k.name = send.name)) || more,
        pg_temp.item(id, 'mastery', id, '{}'));
BEGIN
    UPDATE kept k SET cursor = answer ->> 'cursor' WHERE k.name = send.name;
    RETURN concat_ws(' ', answer ->> 'syncVersion', answer ->> 'reset');
END $$;
SELECT is(pg_temp.send('all', 'dry', '{"dryRun": true}'), '4', 'a dry run leaves it');
SELECT is(pg_temp.send('all', 'x'), '5', 'a push past itself');
SELECT is(pg_temp.run('p', 'all'), '=5', 'which then is not pulled');
SELECT is(pg_temp.send('typed', 'y'), '4', 'one that has not seen all stays');
SELECT is(pg_temp.run('p', 'typed', '{"resourceTypes": ["mastery"]}'), 'c:x@5 c:y@6 =6', 'and keeps its selection');
SELECT is(pg_temp.send('typed', 'y2'), '7', 'over a push that moves it as well');
SELECT is(pg_temp.run('p', 'typed', '{"resourceTypes": ["mastery"]}'), '=7', 'so that nothing starts anew');
SELECT is(pg_temp.send('open', 'z'), '2', 'in a run it is left as it is');
SELECT is(pg_temp.run('p', 'open', '{"limit": 3}'), 'c:b@3 c:c@4 c:x@5 =5+ | c:y@6 c:y2@7 c:z@8 =8', 'which goes on');
-- A run that has come as far as the pushes, and is not over as a page of it came from a server with newer events.
SELECT pg_temp.run('p', 'edge');
UPDATE kept SET cursor = regexp_replace(cursor, '^1-8-0-0-0-', '1-8-9-1-1-') WHERE name = 'edge';
SELECT pg_temp.push('p', '{}', pg_temp.item('event', 'mastery', 'event', '{}'));
UPDATE learnsync_data.learner SET log_version = 8 WHERE learner_id = 'p';
SELECT is(pg_temp.send('edge', 'e'), '8', 'it is left as it is, too');
SELECT is(
    pg_temp.push('p', '{}', pg_temp.item('q', 'mastery', 'q', '{}')) -> 'cursor',
    NULL,
    'who sends none is given none');

-- Forged and malformed ones.
SELECT is(
    pg_temp.sqlstate_of(format('SELECT learnsync.%s(%L, %L)', f, 'p',
        jsonb_build_object('deviceId', 'd', 'items', '[]'::jsonb, 'cursor', cursor))),
    '22023',
    concat_ws(' ', f, cursor))
FROM unnest('{sync_pull,sync_push}'::text[]) f,
    (VALUES
        ('""'::jsonb),
        ('"x"'),
        ('5'),
        ('{}'),
        ('[]'),
        ('true'),
        ('"1"'),
        ('"1-"'),
        ('"1-1-0-0-0-0"'),
        ('"1-1-0-0-0-0-0-0"'),
        ('"1-0-0-0-0-0-0"'),
        ('"2-1-0-0-0-0-0"'),
        ('"1-20000000000000-0-0-0-0-0"'),
        ('"1-1-0-0-0-11111111111111111-0"'),
        ('"1-1-0-0-0-0-A"'),
        ('"1-+1-0-0-0-0-0"'),
        ('"1--1-0-0-0-0-0"'),
        ('" 1-1-0-0-0-0-0"'),
        (to_jsonb(repeat('1-', 100000)))) v (cursor);
SELECT is(
    pg_temp.sqlstate_of(format('SELECT learnsync.sync_pull(%L, %L)', 'p', '{"deviceId": "d", "count": 1}')),
    '22023',
    'count is true or false');
SELECT is(
    pg_temp.run('talk', 'forged', '{"cursor": "1-7-0-0-0-0-0"}'),
    'c:z@4 c:y@6 c:x@9(m1,m2,m3,m4,m5) =9!',
    'a forged one starts anew');
-- A client that counts versions gets no cursor, one that does neither gets both.
SELECT is(
    learnsync.sync_pull('p', ('{"deviceId": "d"}'::jsonb || request)) -> 'cursor' IS NOT NULL,
    given,
    'a cursor for ' || request::text)
FROM (VALUES
    ('{}'::jsonb, true),
    ('{"cursor": null}', true),
    ('{"lastSyncVersion": 1}', false),
    ('{"from": 1}', false),
    ('{"epoch": "x"}', false),
    ('{"lastSyncVersion": 1, "cursor": null}', false)) v (request, given);
SELECT is(
    learnsync.sync_pull('p', jsonb_build_object('deviceId', 'd', 'cursor', cursor, 'lastSyncVersion', 1,
        'from', 1)) ->> 'syncVersion',
    '11',
    'a cursor counts before a version')
FROM kept WHERE name = 'all';

SELECT * FROM finish();
ROLLBACK;
