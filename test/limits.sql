-- What comes from a client is bounded: numbers, sizes, depth, lists. The settings are what the limits are.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text; hint text;
BEGIN
    EXECUTE statement;
    RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;
CREATE FUNCTION pg_temp.item(id text, type text, data jsonb, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', type, 'clientTimestamp', '2026-01-08T10:00:00Z', 'data', data) || more $$;
CREATE FUNCTION pg_temp.push(learner text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', to_jsonb(items))) $$;
-- What became of the only item of a push.
CREATE FUNCTION pg_temp.verdict(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT COALESCE((answer #>> '{failedItems,0,code}') || ' ' || (answer #>> '{failedItems,0,path}'), answer #>> '{results,0,status}') $$;
CREATE FUNCTION pg_temp.deep(levels int) RETURNS jsonb LANGUAGE sql AS $$ SELECT (repeat('[', levels) || repeat(']', levels))::jsonb $$;

-- Numbers: what a double can hold, in at most 400 digits.
CREATE TEMP TABLE number AS SELECT * FROM (VALUES
    ('0', true), ('-0.5', true), ('1e307', true), ('1.7976931348623157e308', true), ('-1.7976931348623157e308', true), ('1.7976931348623159e308', false), ('-1.7976931348623159e308', false), ('1e309', false), ('1e400', false), ('1e131071', false), ('-1e131071', false),
    ('1e-399', true), ('1e-400', false), ('1e-16000', false), (repeat('9', 308), true), (repeat('9', 309), false), (repeat('9', 200) || '.' || repeat('9', 200), true), (repeat('9', 200) || '.' || repeat('9', 201), false),
    ('0.' || repeat('0', 399), true), ('0.' || repeat('0', 400), false), ('1.' || repeat('0', 399), true), ('1.' || repeat('0', 400), false), ('-1.' || repeat('0', 399), true)) v (n, fits);
SELECT is(pg_temp.verdict(pg_temp.push('number ' || md5(n), pg_temp.item('i', 'mastery', jsonb_build_object('competencyId', 'c', 'n', n::numeric)))), CASE WHEN fits THEN 'synced' ELSE 'out_of_range data.n' END, left(n, 40)) FROM number;
SELECT is(pg_temp.verdict(pg_temp.push('place', pg_temp.item(path, 'mastery', data || '{"competencyId": "c"}', more))), 'out_of_range ' || path, 'found at ' || path) FROM (VALUES
    ('data.a', '{"a": 1e999}'::jsonb, '{}'::jsonb), ('data.list[2]', '{"list": [1, "x", 1e999]}', '{}'), ('data.a.b[0][1].c', '{"a": {"a": 1, "b": [[null, {"c": 1e999}]]}}', '{}'), ('data.competencyId', '{}', '{"data": {"competencyId": 1e999}}'), ('note', '{}', '{"note": 1e999}'), ('resourceId', '{}', '{"resourceId": 1e999}')) v (path, data, more);
SELECT is(learnsync.sync_progress('number', jsonb_build_object('events', jsonb_build_array(jsonb_build_object('idempotencyKey', 'k', 'deviceId', 'd', 'moduleId', 'm', 'progressPercent', 1, 'syncVersion', 1, 'clientTimestamp', '2026-01-08T10:00:00Z', 'more', '1e131071'::numeric)))) #>> '{data,results,0,status}', 'rejected', 'of a module event');
SELECT is(learnsync.progress_batch('number', '{"items": [{"idempotency_key": "k", "activity_type": "game", "content_id": "c", "meta_data": {"n": 1e131071}}]}') #>> '{results,0,status}', 'error', 'of an activity');
SELECT is(learnsync.progress_put('number', jsonb_build_object('events', jsonb_build_array(jsonb_build_object('eventId', 'e', 'occurredAt', '2026-01-08T10:00:00Z', 'clientId', 'c', 'type', 'content.progressed', 'payload', jsonb_build_object('contentId', 'c', 'status', 'completed', 'interaction', jsonb_build_object('interactionId', 'i', 'state', jsonb_build_object('n', '1e131071'::numeric))))))) #>> '{data,failedEvents,0,code}', 'out_of_range', 'of an event');
-- Three hundred such numbers were 50 kB that came back as 39 MB.
SELECT is(pg_temp.verdict(pg_temp.push('poison', pg_temp.item('1', 'mastery', '{"competencyId": "c"}' || (SELECT jsonb_object_agg('k' || i, '1e131071'::numeric) FROM generate_series(1, 300) i)))), 'out_of_range data.k1', 'many of them');
SELECT cmp_ok(octet_length(learnsync.sync_pull('poison', '{"deviceId": "d"}')::jsonb::text), '<', 1000, 'reach no pull');
SELECT is((SELECT (item IS NULL)::text || (fingerprint IS NOT NULL) FROM learnsync_data.failed WHERE learner_id = 'poison'), 'truetrue', 'nor the record of failed items');
SELECT is(pg_temp.verdict(pg_temp.push('poison', pg_temp.item('2', 'mastery', '{}') || '{"id": 1e131071}')), 'invalid id', 'nor as an id');
SELECT is((SELECT count(*) FROM learnsync_data.failed WHERE learner_id = 'poison' AND item IS NULL), 2::bigint, 'nor its record');
SELECT is(pg_temp.verdict(pg_temp.push('again', pg_temp.item('1', 'mastery', '{"competencyId": "c", "n": 1}'))), 'synced', 'an item');
SELECT is(pg_temp.verdict(pg_temp.push('again', pg_temp.item('1', 'mastery', '{"competencyId": "c", "n": 1e999}'))), 'id_reused id', 'its id with such a number');
SELECT is(learnsync.digest(a::jsonb) = learnsync.digest(b::jsonb), same, left(a, 20) || ' and ' || left(b, 20)) FROM (VALUES
    ('1e131071', '10e131070', true), ('1e131071', '1e131070', false), ('1e131071', '-1e131071', false), ('1e131071', '11e131070', false), ('1e-16000', '10e-16001', true), ('1e-16000', '1e-16001', false), ('12e-9000', '120e-9001', true), ('0.' || repeat('0', 9000), '0', true), ('1.' || repeat('0', 9000), '1', true)) v (a, b, same);
SELECT is(octet_length(jsonb_object_agg(i, '1e131071'::numeric)::text) > 100000000 AND learnsync.digest(jsonb_object_agg(i, '1e131071'::numeric)) IS NOT NULL, true, 'a digest of many') FROM generate_series(1, 1000) i;

-- Metadata and merged data.
SELECT is(pg_temp.error_of(format('SELECT learnsync.sync_push(%L, %L)', 'meta', jsonb_build_object('deviceId', 'd', 'items', '[]'::jsonb, 'metadata', metadata))), answer, left(metadata::text, 30)) FROM (VALUES
    (jsonb_build_object('log', repeat('x', 8100)), 'taken'),
    (jsonb_build_object('log', repeat('x', 8200)), '54000 | metadata is larger than 8192 bytes | The request is wrong at "metadata". | Limits are learnsync.max_metadata_bytes, learnsync.max_depth, and numbers of 400 digits that a double can hold.'),
    (jsonb_build_object('x', pg_temp.deep(63)), 'taken'),
    (jsonb_build_object('x', pg_temp.deep(64)), '54000 | metadata is nested deeper than 64 | The request is wrong at "metadata". | Limits are learnsync.max_metadata_bytes, learnsync.max_depth, and numbers of 400 digits that a double can hold.'),
    ('{"battery": {"level": [1e131071]}}', '22023 | the number is beyond what a double can hold, or longer than 400 digits | The request is wrong at "metadata.battery.level[0]". | Limits are learnsync.max_metadata_bytes, learnsync.max_depth, and numbers of 400 digits that a double can hold.')) v (metadata, answer);
SELECT cmp_ok(length(learnsync.sync_devices('meta')::text), '<', 10000, 'so every status stays short');
SELECT learnsync.define_resource_type('limits_memo', '{"key": ["k"], "policy": "manual"}');
SELECT pg_temp.push('memo', pg_temp.item('1', 'limits_memo', '{"k": "m", "t": "a"}')), pg_temp.push('memo', pg_temp.item('2', 'limits_memo', '{"k": "m", "t": "b"}'));
SELECT is(pg_temp.error_of(format('SELECT learnsync.sync_resolve(%L, %L)', 'memo', jsonb_build_object('conflictId', conflict_id, 'resolution', 'use_merged', 'mergedData', merged))), answer, left(merged::text, 30)) FROM learnsync_data.conflict, (VALUES
    (jsonb_build_object('t', repeat('x', 262144)), '54000 | mergedData is larger than 262144 bytes | The request is wrong at "mergedData". | Limits are learnsync.max_item_bytes, learnsync.max_depth, and numbers of 400 digits that a double can hold.'),
    (jsonb_build_object('t', pg_temp.deep(64)), '54000 | mergedData is nested deeper than 64 | The request is wrong at "mergedData". | Limits are learnsync.max_item_bytes, learnsync.max_depth, and numbers of 400 digits that a double can hold.'),
    ('{"t": 1e131071}', '22023 | the number is beyond what a double can hold, or longer than 400 digits | The request is wrong at "mergedData.t". | Limits are learnsync.max_item_bytes, learnsync.max_depth, and numbers of 400 digits that a double can hold.')) v (merged, answer) WHERE learner_id = 'memo';

SELECT finish();
ROLLBACK;
