-- The rate limit: pushes per minute and learner, off by default.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.push(learner text, id text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
    detail text;
BEGIN
    RETURN learnsync.sync_push(learner, '{"deviceId": "d"}' || more || jsonb_build_object('items', jsonb_build_array(jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'mastery', 'resourceId', 'r',
        'clientTimestamp', '2026-01-08T10:00:00Z', 'data', '{}'::jsonb)))) #>> '{results,0,status}';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, detail, hint);
END $$;
CREATE FUNCTION pg_temp.burst(learner text, count int) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(left(pg_temp.push(learner, clock_timestamp()::text), 5), ' ') FROM generate_series(1, count) $$;
CREATE FUNCTION pg_temp.wait(who text, seconds numeric) RETURNS void LANGUAGE sql AS $$ UPDATE learnsync_data.learner SET rate_at = rate_at - seconds * interval '1 s' WHERE learner_id = who $$;

SELECT is(pg_temp.burst('ann', 5), 'synce synce synce synce synce', 'no limit');
SELECT is((SELECT rate_at FROM learnsync_data.learner WHERE learner_id = 'ann'), NULL, 'nothing is counted then');
SET learnsync.rate_limit = 3;
SELECT is(pg_temp.burst('ann', 5), 'synce synce synce PT429 PT429', 'three, then no more');
SELECT is(pg_temp.push('ann', 'x'), 'PT429 | too many pushes | learnsync.rate_limit allows 3 pushes per minute. | Try again in 20 seconds.', 'the error');
SELECT is(pg_temp.burst('bob', 1), 'synce', 'another learner is not concerned');
SELECT is((SELECT count(*) FROM learnsync_data.ledger WHERE learner_id = 'ann'), 8::bigint, 'what is refused leaves nothing');
SELECT ok(learnsync.sync_pull('ann', '{"deviceId": "d"}') ? 'changes' AND learnsync.sync_status('ann') ? 'devices', 'readers are not limited');
SELECT is(pg_temp.push('ann', 'x', '{"dryRun": true}'), 'synced', 'nor are dry runs');
SELECT pg_temp.wait('ann', 19.5);
SELECT is(pg_temp.push('ann', 'x') , 'PT429 | too many pushes | learnsync.rate_limit allows 3 pushes per minute. | Try again in 1 seconds.', 'a little early');
SELECT pg_temp.wait('ann', 1);
SELECT is(pg_temp.burst('ann', 2), 'synce PT429', 'a third of a minute gives one more');
SELECT pg_temp.wait('ann', 1000);
SELECT is(pg_temp.burst('ann', 4), 'synce synce synce PT429', 'more than a minute''s worth is not saved up');
UPDATE learnsync_data.learner SET rate_at = now() + interval '1 year' WHERE learner_id = 'ann';
SELECT is(right(pg_temp.push('ann', 'x'), 11), '20 seconds.', 'a clock that was set back locks nobody out');
-- Retries count, so that a client in a loop is stopped, too.
SELECT is(string_agg(left(pg_temp.push('cat', 'same'), 5), ' '), 'synce synce synce PT429', 'retries count') FROM generate_series(1, 4);
SELECT is(string_agg(left(pg_temp.push('dan', 'bad', '{"deviceName": "x"}'), 5), ' '), 'synce synce synce PT429', 'so does every push') FROM generate_series(1, 4);

-- Under PostgREST the error says how to answer.
SELECT set_config('request.method', 'POST', true);
SELECT is(array_to_string((string_to_array(pg_temp.push('dan', 'x'), ' | '))[:3], ' | '), 'PGRST | {"code": "PT429", "message": "too many pushes", "details": null, "hint": "Try again in 20 seconds."} | {"status": 429, "headers": {"Retry-After": "20"}}', 'over HTTP');
SELECT is((string_to_array(pg_temp.push('dan', 'x'), ' | '))[2]::jsonb ->> 'code' || ((string_to_array(pg_temp.push('dan', 'x'), ' | '))[3]::jsonb ->> 'status'), 'PT429429', 'in JSON');
SELECT set_config('request.method', '', true);
SELECT is(left(pg_temp.push('dan', 'x'), 5), 'PT429', 'a connection that carries an empty setting is no HTTP');

-- The server's own retries are not held up.
ALTER TABLE learnsync_data.resource ADD CONSTRAINT team CHECK (resource_id <> 'r' OR learner_id <> 'eve');
SELECT is(string_agg(left(pg_temp.push('eve', n::text), 5), ' '), 'faile faile faile PT429', 'failed pushes count') FROM generate_series(1, 4) n;
ALTER TABLE learnsync_data.resource DROP CONSTRAINT team;
UPDATE learnsync_data.failed SET failed_at = failed_at - interval '1 minute';
SELECT learnsync.retry_learner('eve');
SELECT is((SELECT string_agg(verdict::text, '' ORDER BY verdict DESC) FROM learnsync_data.ledger WHERE learner_id = 'eve'), 'sss', 'retries go through');
SELECT is(left(pg_temp.push('eve', '4'), 5), 'PT429', 'the learner still waits');
SET learnsync.rate_limit = 0;
SELECT is(pg_temp.burst('eve', 3), 'synce synce synce', 'off again');

SELECT * FROM finish();
ROLLBACK;
