-- Receipts: for ever, unless a number of days is set; then what is older and unknown is refused, never guessed at. They
-- go in transactions of their own, so this has a database of its own.
SELECT current_database() AS home \gset
SET client_min_messages = warning;
DROP DATABASE IF EXISTS learnsync_receipts;
CREATE DATABASE learnsync_receipts TEMPLATE template0;
\connect learnsync_receipts
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION learnsync;
SELECT learnsync.setup();
SELECT no_plan();

CREATE FUNCTION pg_temp.ago(what interval) RETURNS text LANGUAGE sql AS $$
    SELECT to_char((now() - what) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;
CREATE FUNCTION pg_temp.item(id text, n int, days int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'lesson_progress',
        'clientTimestamp', pg_temp.ago(days * interval '24 hours'),
        'data', jsonb_build_object('lessonId', id, 'timeSpent', n)) $$;
CREATE FUNCTION pg_temp.push(learner text, more jsonb, VARIADIC items jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', r ->> 'id', r ->> 'status', CASE WHEN r ->> 'duplicate' = 'true' THEN 'again' END,
            (SELECT f ->> 'code' FROM json_array_elements(answer -> 'failedItems') f WHERE f ->> 'id' = r ->> 'id')),
        ', ' ORDER BY n)
    FROM learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', to_jsonb(items)) || more) answer,
        json_array_elements(answer -> 'results') WITH ORDINALITY x (r, n) $$;
CREATE FUNCTION pg_temp.age(learner text, days int) RETURNS void LANGUAGE sql AS $$
    UPDATE learnsync_data.ledger SET at = at - days * interval '24 hours' WHERE learner_id = learner;
    UPDATE learnsync_data.instance SET swept_at = NULL $$;
CREATE FUNCTION pg_temp.receipts() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(learner_id || ' ' || count, ', ' ORDER BY learner_id)
    FROM (SELECT learner_id, count(*) FROM learnsync_data.ledger GROUP BY 1) l $$;
CREATE FUNCTION pg_temp.row_of(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', xmin, ctid, l) FROM learnsync_data.learner l WHERE learner_id = learner $$;

SELECT pg_temp.push('rex', '{}', pg_temp.item('old', 1, 400), pg_temp.item('new', 2, 10));
SELECT pg_temp.push('roy', '{}', pg_temp.item('young', 1, 1));
SELECT pg_temp.age('rex', 500);
CALL learnsync.maintain();
SELECT is(pg_temp.receipts(), 'rex 2, roy 1', 'receipts stay for ever');
SELECT is((SELECT receipts_from FROM learnsync_data.instance), '-infinity', 'and nothing is too old');

SET learnsync.receipt_days = 365;
SELECT is(pg_temp.push('rex', '{}', pg_temp.item('other', 1, 1000)), 'other synced',
    'while no receipt may be gone, old is welcome');
-- at is the later of server time and client time; a receipt goes only when both are old, by a day more than is refused.
UPDATE learnsync_data.instance SET swept_at = NULL;
UPDATE learnsync_data.ledger l
SET at = now() - CASE l.version WHEN 2 THEN interval '367 days' WHEN 3 THEN interval '365 days 12 hours' ELSE '0' END
WHERE learner_id = 'rex';
RESET learnsync.receipt_days; -- one that takes what is counted
CALL learnsync.maintain();
SET learnsync.receipt_days = 365;
SELECT pg_temp.row_of('rex') AS before \gset
UPDATE learnsync_data.instance SET swept_at = NULL;
CALL learnsync.maintain();
SELECT is(pg_temp.receipts(), 'rex 2, roy 1', 'one went');
SELECT is(pg_temp.row_of('rex'), :'before', 'and no learner was touched for it');
SELECT is(
    (SELECT receipts_from BETWEEN clock_timestamp() - interval '365 days 1 minute'
         AND clock_timestamp() - interval '365 days'
     FROM learnsync_data.instance),
    true,
    'from when on that is so is remembered, for all learners');
SELECT is(
    pg_temp.push('rex', '{}', pg_temp.item('old', 1, 400), pg_temp.item('new', 2, 10), pg_temp.item('other', 1, 1000),
        pg_temp.item('x', 1, 366), pg_temp.item('y', 1, 364)),
    'old failed expired, new failed id_reused, other failed id_reused, x failed expired, y synced',
    'old and unknown is refused, what has a receipt is not');
SELECT is(
    (SELECT string_agg(resource_id || '=' || (data ->> 'timeSpent'), ' ' ORDER BY resource_id)
     FROM learnsync_data.resource WHERE learner_id = 'rex'),
    'new=2 old=1 other=1 y=1',
    'nothing counts twice');
SELECT is(pg_temp.push('roy', '{}', pg_temp.item('late', 1, 4000)), 'late failed expired',
    'one rule for all, whoever''s receipts went');
SELECT is(pg_temp.push('new', '{"dryRun": true}', pg_temp.item('late', 1, 366)), 'late failed expired',
    'a dry run says so too, of a learner whom nobody knows');

-- To the microsecond.
SELECT is(
    pg_temp.push('rex', '{}', pg_temp.item('h' || i, 1, 0) || jsonb_build_object('clientTimestamp', to_char(
        (SELECT receipts_from + i * interval '1 microsecond' FROM learnsync_data.instance) AT TIME ZONE 'UTC',
        'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))),
    wanted,
    'horizon ' || i)
FROM (VALUES (-1, 'h-1 failed expired'), (0, 'h0 synced'), (1, 'h1 synced')) v (i, wanted);
SELECT is(
    (SELECT string_agg(item_id || code || retryable, ' ' ORDER BY item_id) FROM learnsync_data.failed
     WHERE learner_id = 'rex' AND code = 'expired'),
    'h-1expiredfalse oldexpiredfalse xexpiredfalse',
    'they are recorded');

-- It never goes back, and holds whatever is set later.
SELECT receipts_from AS before FROM learnsync_data.instance \gset
SET learnsync.receipt_days = 3000;
UPDATE learnsync_data.instance SET swept_at = NULL;
CALL learnsync.maintain();
SELECT is((SELECT receipts_from FROM learnsync_data.instance), :'before', 'more days do not bring back what is gone');
RESET learnsync.receipt_days;
UPDATE learnsync_data.instance SET swept_at = NULL;
CALL learnsync.maintain();
SELECT is(pg_temp.push('rex', '{}', pg_temp.item('old', 1, 400)), 'old failed expired', 'nor does no number of days');

-- A learner who came from a server where more was gone.
UPDATE learnsync_data.learner SET receipt_horizon = now() - interval '100 days' WHERE learner_id = 'roy';
SELECT is(pg_temp.push(who, '{}', pg_temp.item('moved', 1, 200)), wanted, who || ' has a horizon of ' || whose)
FROM (VALUES ('roy', 'moved failed expired', 'a server before'), ('rex', 'moved synced', 'this one'))
    v (who, wanted, whose);
SELECT is(learnsync.part_hold(0, 15, 16), 'this server has 16 of 16 parts', 'learners are divided');
SELECT learnsync.part_fence(learnsync.part_of('rex', 16)) IS NOT NULL AS fenced;
SELECT is((SELECT receipt_horizon::text FROM learnsync_data.learner WHERE learner_id = 'rex'), :'before',
    'who is given to another server takes along what is gone here');
SELECT pg_temp.age('rex', 5000);
SET learnsync.receipt_days = 10;
CALL learnsync.maintain();
SELECT is((SELECT count(*) > 3 FROM learnsync_data.ledger WHERE learner_id = 'rex'), true,
    'and until it is gone nothing more is removed');
SELECT learnsync.part_accept(learnsync.part_of('rex', 16));
UPDATE learnsync_data.instance SET swept_at = NULL;
CALL learnsync.maintain();
SELECT is((SELECT count(*) FROM learnsync_data.ledger WHERE learner_id = 'rex'), 0::bigint, 'afterwards it is');

-- Who would remove them together with what says so is stopped: others might see the one before they hear of the other.
CREATE FUNCTION pg_temp.maintain_at_once() RETURNS void LANGUAGE plpgsql AS $$
DECLARE work jsonb;
BEGIN
    LOOP
        work := learnsync_internal.maintain_step(30, work);
        EXIT WHEN work IS NULL;
    END LOOP;
END $$;
UPDATE learnsync_data.instance SET swept_at = NULL;
SELECT throws_ok('SELECT pg_temp.maintain_at_once()', '55000', 'receipts are removed in a transaction of their own');

SELECT * FROM finish();
\connect :home
DROP DATABASE learnsync_receipts WITH (FORCE);
