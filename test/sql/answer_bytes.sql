-- Answers end by their bytes: what has no room in the answer of a push is not taken, and comes with the next.
BEGIN;
SELECT no_plan();

SELECT learnsync.define_resource_type('book',
    '{"key": ["k"], "fields": {"pages": {"merge": "union", "id": "id"}}}');
SELECT learnsync.define_resource_type('tally', '{"key": ["k"], "stale": "discard", "fields": {"n": {"merge": "sum"}}}');
CREATE FUNCTION pg_temp.item(id text, type text, data jsonb, minute int DEFAULT 0, more jsonb DEFAULT '{}')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', type,
        'clientTimestamp', to_char(
            timestamp '2026-01-08 10:00' + minute * interval '1 minute',
            'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'data', data) || more $$;
CREATE FUNCTION pg_temp.push(learner text, items jsonb, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', items) || more)::jsonb $$;
-- Stale items about one document.
CREATE FUNCTION pg_temp.stale(type text, k text, first int, last int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(pg_temp.item(k || n, type, jsonb_build_object('k', k, 'left', n), -n) ORDER BY n)
    FROM generate_series(first, last) n $$;
-- How many items in a row have which status, or failed with which code.
CREATE FUNCTION pg_temp.statuses(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(n || ' ' || what, ', ' ORDER BY place) FROM (
        SELECT min(x.place) AS place, count(*) AS n, what FROM (
            SELECT r.place, what, r.place - row_number() OVER (PARTITION BY what ORDER BY r.place) AS run
            FROM jsonb_array_elements(answer -> 'results') WITH ORDINALITY r (result, place)
            CROSS JOIN LATERAL (
                SELECT COALESCE(
                    (SELECT f ->> 'code' FROM jsonb_array_elements(answer -> 'failedItems') f
                     WHERE f ->> 'id' = result ->> 'id' LIMIT 1),
                    CASE WHEN (result -> 'duplicate')::boolean THEN 'known ' ELSE '' END || (result ->> 'status'))
            ) w (what)) x
        GROUP BY run, what) y $$;
-- What a device does: it sends what was aborted again, until nothing is. What each answer said.
CREATE FUNCTION pg_temp.rounds(learner text, items jsonb) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
    room constant int := (SELECT setting FROM pg_settings WHERE name = 'learnsync.max_answer_bytes');
    said text[] := '{}';
BEGIN
    WHILE jsonb_array_length(items) > 0 AND cardinality(said) < 50 LOOP
        answer := pg_temp.push(learner, items);
        said := said || (pg_temp.statuses(answer)
            || CASE WHEN length(answer::text) > room + 400 * jsonb_array_length(items) THEN ' too large' ELSE '' END);
        items := (SELECT COALESCE(jsonb_agg(i ORDER BY n), '[]')
            FROM jsonb_array_elements(items) WITH ORDINALITY x (i, n)
            WHERE i ->> 'id' IN (SELECT f ->> 'id' FROM jsonb_array_elements(answer -> 'failedItems') f
                WHERE f ->> 'code' = 'aborted'));
    END LOOP;
    RETURN said;
END $$;
CREATE FUNCTION pg_temp.pulled(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg((c ->> 'resourceId') || ' ' || (c ->> 'data'), '; ' ORDER BY n)
    FROM jsonb_array_elements(learnsync.sync_pull(learner, '{"deviceId": "e"}')::jsonb -> 'changes')
        WITH ORDINALITY x (c, n) $$;

SELECT learnsync.sync_push('ann', '{"deviceId": "d", "items": []}');
SET LOCAL learnsync.max_answer_bytes = 100000;

-- A document of 30 kB, and ten items that are too old for it.
SELECT pg_temp.push(learner, jsonb_build_array(
        pg_temp.item('0', 'book', jsonb_build_object('k', 'a', 'text', repeat('x', 30000)), 10)))
FROM unnest('{ann,bea,cat,dan,eve}'::text[]) learner;
SELECT is(
    pg_temp.rounds('ann', pg_temp.stale('book', 'a', 1, 10)),
    '{"3 conflict, 7 aborted","3 conflict, 4 aborted","3 conflict, 1 aborted","1 conflict"}',
    'the first item without room ends the push; what was sent back is taken in its turn');
SELECT is(
    (SELECT count(*) || ' ' || count(DISTINCT conflict_id) FROM learnsync_data.conflict WHERE learner_id = 'ann'),
    '10 10',
    'each conflict is there once');
SELECT is(learnsync.sync_status('ann') -> 'failedCount', '0', 'what was sent back is not recorded');
SELECT is(
    pg_temp.rounds('ann', pg_temp.stale('book', 'a', 1, 4)),
    '{"3 known conflict, 1 aborted","1 known conflict"}',
    'known items show documents, too, and end a push as well');
SELECT is(
    pg_temp.push('ann', pg_temp.stale('book', 'a', 11, 14)) -> 'failedItems',
    '[{"id": "a14", "code": "aborted", "path": "", "error": "the answer has no room for it; send it again",
       "retryable": true}]',
    'a device is told so');

-- An item after the end does nothing, whatever it is.
SELECT is(
    pg_temp.rounds('bea', pg_temp.stale('book', 'a', 1, 4) || pg_temp.item('n1', 'tally', '{"k": "t", "n": 5}')
        || '{"id": "bad"}' || pg_temp.item('n2', 'tally', '{"k": "t", "n": 7}')
        || pg_temp.item('n1', 'tally', '{"k": "t", "n": 5}')),
    '{"3 conflict, 5 aborted","1 conflict, 1 synced, 1 invalid, 1 synced, 1 known synced"}',
    'what comes after waits, and is judged in its turn');
SELECT is(regexp_replace(pg_temp.pulled('bea'), '^.*; t ', 't '), 't {"k": "t", "n": 12}', 'and counts once');
SELECT is(
    (pg_temp.push('bea', pg_temp.item('n3', 'tally', '{"k": "t", "n": 1}') || pg_temp.stale('book', 'a', 21, 24),
        jsonb_build_object('lastSyncVersion', version)) ->> 'syncVersion')::bigint,
    version + 1,
    'what was taken is in the version that the device may store')
FROM learnsync_data.learner WHERE learner_id = 'bea';

-- One that is larger than any answer comes alone, so that each push gets further.
SET LOCAL learnsync.max_answer_bytes = 20000;
SELECT is(
    pg_temp.push('bea', pg_temp.stale('book', 'a', 31, 33)) -> 'results' @> '[{"status": "conflict"}]',
    true,
    'the first item is always taken');
SELECT is(
    pg_temp.statuses(pg_temp.push('bea', pg_temp.stale('book', 'a', 41, 43))),
    '1 conflict, 2 aborted',
    'and no other one');
SELECT is(
    pg_temp.statuses(pg_temp.push('bea', pg_temp.item('n4', 'tally', '{"k": "t", "n": 1}')
        || pg_temp.stale('book', 'a', 51, 52))),
    '1 synced, 2 aborted',
    'behind another one it waits');
SET LOCAL learnsync.max_answer_bytes = 100000;

-- All or nothing, and what would be.
SELECT throws_ok(
    $$ SELECT pg_temp.push('cat', pg_temp.item('n1', 'tally', '{"k": "t", "n": 5}') || pg_temp.stale('book', 'a', 1, 4),
        '{"atomic": true}') $$,
    '54000',
    'the documents that this atomic push is to be answered with are too large',
    'an atomic push is not cut');
SELECT is(
    pg_temp.statuses(pg_temp.push('cat', '{"id": "bad"}' || pg_temp.stale('book', 'a', 1, 4), '{"atomic": true}')),
    '1 invalid, 4 aborted',
    'one that fails shows no documents');
SELECT is(
    pg_temp.statuses(pg_temp.push('cat', pg_temp.stale('book', 'a', 1, 4), '{"dryRun": true}')),
    '3 conflict, 1 aborted',
    'a dry run says what would be taken');
SELECT is(
    (SELECT count(*) FROM learnsync_data.conflict WHERE learner_id = 'cat')
        + (SELECT count(*) FROM learnsync_data.ledger WHERE learner_id = 'cat'),
    1::bigint,
    'and neither writes anything');

-- What counts is the document as the push leaves it.
SELECT is(
    pg_temp.statuses(pg_temp.push('dan', pg_temp.stale('book', 'a', 1, 10)
        || pg_temp.item('gone', 'book', '{"k": "a"}', 20, '{"operation": "delete"}'))),
    '10 conflict, 1 synced',
    'one that is deleted in the end is not shown');
SELECT pg_temp.push('dan', jsonb_build_array(
        pg_temp.item('b', 'book', jsonb_build_object('k', 'b', 'text', repeat('x', 30000)), 30),
        pg_temp.item('c', 'book', jsonb_build_object('k', 'c', 'text', repeat('x', 30000)), 30)));
SELECT is(
    pg_temp.rounds('dan', pg_temp.stale('book', 'b', 1, 3) || pg_temp.stale('book', 'c', 1, 4)
        || pg_temp.item('gone b', 'book', '{"k": "b"}', 40, '{"operation": "delete"}')),
    '{"3 conflict, 5 aborted","3 conflict, 2 aborted","1 conflict, 1 synced"}',
    'where the delete is sent back it is');
-- Each character is one byte in the table and six in the answer.
SELECT pg_temp.push('dan', jsonb_build_array(
        pg_temp.item('d', 'book', jsonb_build_object('k', 'd', 'text', repeat(E'\x01', 10000)), 30)));
SELECT is(
    pg_temp.statuses(pg_temp.push('dan', pg_temp.stale('book', 'd', 1, 2))),
    '1 conflict, 1 aborted',
    'a document is as long as its text');
SELECT is(
    pg_temp.statuses(pg_temp.push('dan', (
        SELECT jsonb_agg(pg_temp.item('e' || n, 'book', jsonb_build_object('k', 'd', 'text', repeat('y', 30000)), -n))
        FROM generate_series(1, 3) n))),
    '1 conflict, 2 aborted',
    'the device''s own data are repeated, and count');

-- Lists count with all their members.
SELECT pg_temp.push('eve', (
    SELECT jsonb_agg(pg_temp.item('p' || n, 'book', jsonb_build_object('k', 'l',
        'pages', jsonb_build_array(jsonb_build_object('id', n, 'text', repeat('m', 4000)))), 50 + n) ORDER BY n)
    FROM generate_series(1, 10) n));
SELECT is(
    pg_temp.rounds('eve', pg_temp.stale('book', 'l', 1, 5)),
    '{"2 conflict, 3 aborted","2 conflict, 1 aborted","1 conflict"}',
    'a list of ten members');
SELECT is(
    (SELECT array_agg(DISTINCT jsonb_array_length(c -> 'serverData' -> 'pages'))
     FROM jsonb_array_elements(pg_temp.push('eve', pg_temp.stale('book', 'l', 1, 2)) -> 'conflicts') c),
    '{10}',
    'each shows all of them');
SELECT is(
    (SELECT array_agg(jsonb_array_length(c -> 'serverData' -> 'pages') || ' ' || (c ->> 'serverVersion'))
     FROM jsonb_array_elements(pg_temp.push('eve', pg_temp.stale('book', 'l', 11, 11)
         || pg_temp.item('p11', 'book', '{"k": "l", "pages": [{"id": 11, "text": "new"}, {"id": 3, "text": "other"}]}',
             99)) -> 'conflicts') c),
    '{"11 5","11 5"}',
    'and those that the same push adds; a member that was not taken is shown as it stays');

-- A push of which an item is refused by a trigger of the team's is cut at the same place.
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.data ->> 'n' = '13' THEN
        RAISE EXCEPTION 'bad luck';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON learnsync_data.resource
    FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
SELECT is(
    pg_temp.rounds('cat', jsonb_build_array(pg_temp.item('m1', 'tally', '{"k": "1", "n": 1}'),
            pg_temp.item('m13', 'tally', '{"k": "2", "n": 13}')) || pg_temp.stale('book', 'a', 1, 4)
        || pg_temp.item('m14', 'tally', '{"k": "3", "n": 13}') || pg_temp.item('m15', 'tally', '{"k": "4", "n": 15}')),
    '{"1 synced, 1 error, 3 conflict, 3 aborted","1 conflict, 1 error, 1 synced"}',
    'the item that the trigger refuses fails, and no other one');
DROP TRIGGER refuse ON learnsync_data.resource;

-- Open conflicts are read in pages that end by their bytes.
SELECT learnsync.define_resource_type('memo', '{"key": ["k"], "policy": "manual"}');
SELECT pg_temp.push('fay', jsonb_build_array(pg_temp.item('m', 'memo',
    jsonb_build_object('k', 'a', 'text', repeat('x', 30000)))));
SELECT pg_temp.rounds('fay', pg_temp.stale('memo', 'a', 1, 7));
CREATE FUNCTION pg_temp.pages(learner text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
    said text[] := '{}';
BEGIN
    LOOP
        answer := learnsync.sync_status(learner, NULL, answer #>> '{conflicts,-1,id}');
        said := said || (jsonb_array_length(answer -> 'conflicts') || ' ' || (answer ->> 'hasMore'));
        EXIT WHEN NOT (answer -> 'hasMore')::boolean OR cardinality(said) > 20;
    END LOOP;
    RETURN said;
END $$;
SELECT is(pg_temp.pages('fay'), '{"3 true","3 true","1 false"}', 'three documents have room in a page');
SET LOCAL learnsync.max_answer_bytes = 20000;
SELECT is(
    pg_temp.pages('fay'),
    '{"1 true","1 true","1 true","1 true","1 true","1 true","1 false"}',
    'one that is larger than a page comes alone');
SET LOCAL learnsync.max_answer_bytes = 100000;
SELECT pg_temp.push('eve', pg_temp.stale('memo', 'z', 1, 1));
SELECT is(pg_temp.pages('eve'), '{"0 false"}', 'none');

SELECT * FROM finish();
ROLLBACK;
