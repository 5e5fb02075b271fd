-- Calls that mean nothing, by whoever writes SQL or an app: each is refused with its code, and told what is wanted.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.refusal(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE call;
    RETURN 'nothing was refused';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;

CREATE TEMP TABLE rule AS SELECT
    '{"key": ["id"], "fields": {"n": {"merge": "sum", "max": 10}}}'::learnsync.merge_rule AS sums,
    '{"policy": "custom", "function": "app.merge_note"}'::learnsync.merge_rule AS custom;

SELECT learnsync.outbox_add('box');
SELECT is(pg_temp.refusal(call), refusal, call)
FROM (VALUES
    ('SELECT learnsync.merge(NULL, NULL, ''{}'', now())',
     '22023 | rule must be a merge rule, not NULL'),
    ('SELECT learnsync.merge(custom, NULL, ''{}'', now()) FROM rule',
     '0A000 | policy custom merges in a push only | Call its function itself.'),
    ('SELECT learnsync.merge(sums, NULL, ''{"id": "r"}'', NULL) FROM rule',
     '22023 | at must be a time of the years 1 to 9999'),
    ('SELECT learnsync.merge(sums, NULL, ''{"id": "r"}'', ''infinity'') FROM rule',
     '22023 | at must be a time of the years 1 to 9999'),
    ('SELECT learnsync.merge(sums, NULL, ''[]'', now()) FROM rule',
     '22023 | data must be an object without the member "_learnsync"'),
    ('SELECT learnsync.merge(sums, NULL, ''{"id": "r", "_learnsync": 1}'', now()) FROM rule',
     '22023 | data must be an object without the member "_learnsync"'),
    ('SELECT learnsync.merge(sums, NULL, ''{"id": "r", "n": 1e400}'', now()) FROM rule',
     '22003 | the number is beyond what a double can hold, or longer than 400 digits | It is wrong at "data.n".'),
    ('SELECT learnsync.merge(sums, NULL, ''{"id": "r", "n": 11}'', now()) FROM rule',
     '22003 | n must be at most 10 | It is wrong at "data.n".'),
    ('SELECT learnsync.merge(sums, ''[]'', ''{"id": "r"}'', now()) FROM rule',
     '22023 | state must be an object'),
    ('SELECT learnsync.merge(sums, ''{"id": "r"}'', ''{"id": "s"}'', now()) FROM rule',
     '22023 | id differs from that of the state | It is wrong at "data.id".'),
    ('SELECT learnsync.merge_states(sums, ''{"id": "r"}'', ''{"id": "s"}'') FROM rule',
     '22023 | id differs from that of the state | It is wrong at "data.id".'),
    ('SELECT learnsync.merge_agg(r::learnsync.merge_rule, ''{}'', now(), ''d'')
      FROM (VALUES (''{"other": "latest"}''), (''{"other": "ignore"}'')) v (r)',
     '22023 | rule must be the same in all of a group'),
    ('SELECT ''{"policy": "custom"}''::learnsync.merge_rule',
     '22023 | invalid merge rule | function: is needed by policy custom, and goes with no other.'),
    ('SELECT learnsync.sync_verify(''ada'', jsonb_build_object(''deviceId'', ''d'', ''count'', 0,
        ''cursor'', learnsync.sync_pull(''ada'', ''{"deviceId": "d"}'')::jsonb -> ''cursor''))',
     '22023 | sum is missing | The request is malformed at "sum".'),
    ('SELECT learnsync.sync_pull(''ada'', ''{"deviceId": "d", "scope": {"courseId": {}}}'')',
     '22023 | scope must give an array of values for each field | The request is malformed at "scope".'),
    ('SELECT learnsync.outbox_add(NULL)',
     '22023 | invalid name of an outbox: NULL | It has 1 to 63 lower-case letters, digits and underscores.'),
    ('SELECT learnsync.outbox_add(''b'', ''[]'')',
     '22023 | the options of an outbox are an object with resourceTypes and from'),
    ('SELECT learnsync.outbox_add(''b'', ''{"type": ["a"]}'')',
     '22023 | the options of an outbox are an object with resourceTypes and from | It has type.'),
    ('SELECT learnsync.outbox_add(''b'', ''{"resourceTypes": []}'')',
     '22023 | resourceTypes must be an array of names'),
    ('SELECT learnsync.outbox_add(''b'', ''{"from": "yesterday"}'')',
     '22023 | from must be "now", "beginning" or a time | It is "yesterday". | Times look like 2026-01-08T10:00:00Z.'),
    ('SELECT learnsync.outbox_done(''box'', ''x'')',
     '22023 | lease must be what outbox_take answered as such'),
    ('SELECT learnsync.outbox_failed(''box'', gen_random_uuid()::text, NULL, ''{}'')',
     '22023 | refused must be an array of changes'),
    ('SELECT learnsync.unseen_devices(-1)',
     '22023 | the number of days must be an integer from 0 to 36500'),
    ('SELECT learnsync.drop_devices(NULL)',
     '22023 | the number of days must be an integer from 0 to 36500'),
    ('SELECT learnsync_internal.maintain_step(30, ''{"tasks": [["all", 0]]}'')',
     '22023 | this is no work of maintain()'),
    ('SELECT learnsync_internal.run_patiently(''DO $do$ BEGIN RAISE lock_not_available; END $do$'')',
     '55P03 | open transactions keep the tables of learnsync from being changed '
     '| Try again when they have ended; pg_locks shows them.')
) v (call, refusal);

SELECT learnsync.define_resource_type('long', '{"key": ["a", "b", "c", "d"]}');
SELECT is(
    (SELECT learnsync.sync_push('ada', jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(
        jsonb_build_object('id', 1, 'operation', 'update', 'resourceType', 'long',
            'data', jsonb_object_agg(key, repeat('😀', 200)),
            'clientTimestamp', '2026-01-08T10:00:00Z'))))::jsonb #>> '{failedItems,0,error}'
     FROM unnest('{a,b,c,d}'::text[]) key),
    'the key is longer than 800 bytes',
    'a key that is too long is an item that failed');

SELECT is(
    (SELECT count(*) FROM (SELECT learnsync.merge(sums, NULL, NULL, now()) m FROM rule) s WHERE m IS NULL),
    1::bigint,
    'no state and no item are no state');

SELECT * FROM finish();
ROLLBACK;
