-- autoResolve: open conflicts that nobody decides are closed by the rule, once they are old enough.
BEGIN;
SELECT no_plan();

SELECT learnsync.define_resource_type('memo', '{"key": ["k"], "policy": "manual",
    "autoResolve": {"after": "30 days", "resolution": "use_server"}}');
SELECT learnsync.define_resource_type('quick', '{"key": ["k"], "policy": "manual",
    "autoResolve": {"after": "1 hour", "resolution": "use_server"}}');
SELECT learnsync.define_resource_type('letter', '{"key": ["k"], "policy": "manual"}');
CREATE FUNCTION pg_temp.push(learner text, id text, type text, text text, k text DEFAULT 'm')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(
        jsonb_build_object('id', id, 'operation', 'update', 'resourceType', type,
            'clientTimestamp', '2026-01-08T10:00:00Z', 'data', jsonb_build_object('k', k, 't', text)))))::jsonb $$;
-- A resource, and so many conflicts about it.
CREATE FUNCTION pg_temp.quarrel(learner text, type text, conflicts int DEFAULT 1) RETURNS void LANGUAGE sql AS $$
    SELECT pg_temp.push(learner, type || n, type, n::text) FROM generate_series(0, conflicts) n $$;
CREATE FUNCTION pg_temp.age(learner text, age interval) RETURNS void LANGUAGE sql AS $$
    UPDATE learnsync_data.conflict SET created_at = clock_timestamp() - age WHERE learner_id = learner $$;
CREATE FUNCTION pg_temp.maintain() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    work jsonb;
BEGIN
    UPDATE learnsync_data.instance SET swept_at = NULL;
    LOOP
        work := learnsync_internal.maintain_step(30, work);
        EXIT WHEN work IS NULL;
    END LOOP;
    RETURN 'done';
END $$;
CREATE FUNCTION pg_temp.state(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', resource_type, resolution, COALESCE(closed_by, 'open')), ', '
        ORDER BY resource_type, item_id)
    FROM learnsync_data.conflict WHERE learner_id = learner $$;

-- Each type waits as long as its rule says; one that says nothing waits for ever.
SELECT pg_temp.quarrel(learner, type)
FROM unnest('{young,old}'::text[]) learner, unnest('{memo,quick,letter}'::text[]) type;
SELECT pg_temp.age('young', '2 hours'), pg_temp.age('old', '31 days');
SELECT learnsync_api.sync_cleanup('{"daysOld": 0}');
SELECT is(
    pg_temp.state('old'),
    'letter manual_required open, memo manual_required open, quick manual_required open',
    'sync_cleanup keeps open conflicts open');
SELECT is(pg_temp.maintain(), 'done', 'maintain');
SELECT is(
    pg_temp.state('young'),
    'letter manual_required open, memo manual_required open, quick manual_required rule: use_server',
    'a conflict that is too young for its rule stays open');
SELECT is(
    pg_temp.state('old'),
    'letter manual_required open, memo manual_required rule: use_server, quick manual_required rule: use_server',
    'an old one is closed by the rule, one whose rule says nothing is not');
SELECT is(
    (SELECT array_agg(DISTINCT data ->> 't') FROM learnsync_data.resource WHERE learner_id IN ('young', 'old')),
    '{0}',
    'what was stored stands');
SELECT is(
    (SELECT array_agg(version ORDER BY learner_id) FROM learnsync_data.learner WHERE learner_id IN ('young', 'old')),
    '{4,4}',
    'so no device has anything to pull');
SELECT is(
    (SELECT count(*) FROM learnsync_data.conflict
     WHERE closed_by IS NOT NULL AND closed_at > clock_timestamp() - interval '1 hour'),
    3::bigint,
    'closed_at is when maintain came by');
SELECT is(
    (SELECT string_agg(concat_ws(' ', learner, role, by, resource_type, details ->> 'resolution'), ', '
         ORDER BY learner, resource_type)
     FROM learnsync_api.audit WHERE action = 'auto_resolve'),
    format('old %1$s memo use_server, old %1$s quick use_server, young %1$s quick use_server', session_user),
    'the audit says what rules have closed');
SELECT is(learnsync.sync_status('old') -> 'conflictCount', '1'::jsonb, 'sync_status lists what is still open');
SELECT throws_ok(
    $$SELECT learnsync.sync_resolve('old', jsonb_build_object('conflictId', conflict_id, 'resolution', 'use_client'))
      FROM learnsync_data.conflict WHERE learner_id = 'old' AND resource_type = 'memo'$$,
    'PT404',
    'conflict not found',
    'a person who comes later finds it closed');
SELECT is(
    pg_temp.push('old', 'memo1', 'memo', '1') #>> '{conflicts,0,resolution}',
    'manual_required',
    'a retry of its item gets the first answer');

-- The record outlives its copy, as that of a person's decision does.
UPDATE learnsync_data.conflict SET closed_at = clock_timestamp() - interval '31 days' WHERE closed_by IS NOT NULL;
SELECT pg_temp.maintain();
SELECT is(
    (SELECT string_agg(closed_by || ' ' || COALESCE(client_data::text, 'no copy'), ', ') FROM learnsync_data.conflict
     WHERE learner_id = 'old' AND closed_by IS NOT NULL),
    'rule: use_server no copy, rule: use_server no copy',
    'the record stays, its copy goes');

-- The resource moved on: what is newer stands.
SELECT pg_temp.quarrel('moved', 'memo');
SELECT learnsync.sync_resolve('moved', jsonb_build_object('conflictId', conflict_id, 'resolution', 'use_client'))
FROM learnsync_data.conflict WHERE learner_id = 'moved';
SELECT pg_temp.push('moved', 'again', 'memo', '2');
SELECT pg_temp.age('moved', '40 days'), pg_temp.maintain();
SELECT is(
    pg_temp.state('moved') || ' ' || (SELECT data ->> 't' FROM learnsync_data.resource WHERE learner_id = 'moved'),
    'memo manual_required rule: use_server, memo manual_required use_client 1',
    'what a person decided stays as it was decided, and the rest is closed upon it');

-- One id can name a conflict of each of two learners.
SELECT pg_temp.quarrel(learner, 'memo') FROM unnest('{twin1,twin2}'::text[]) learner;
UPDATE learnsync_data.conflict SET conflict_id = '00000000-0000-4000-8000-000000000001'
WHERE learner_id IN ('twin1', 'twin2');
SELECT pg_temp.quarrel('twin2', 'quick');
SELECT pg_temp.age('twin1', '31 days'), pg_temp.age('twin2', '2 hours');
SELECT pg_temp.maintain();
SELECT is(
    pg_temp.state('twin1') || '; ' || pg_temp.state('twin2'),
    'memo manual_required rule: use_server; memo manual_required open, quick manual_required rule: use_server',
    'the one of the other learner is looked at by itself');

-- A rule may begin to, wait longer, and cease to, with data.
SELECT pg_temp.quarrel('change', 'letter');
SELECT pg_temp.age('change', '10 days');
SELECT is(
    learnsync.define_resource_type('letter', '{"key": ["k"], "policy": "manual",
        "autoResolve": {"after": "2 weeks", "resolution": "use_server"}}'),
    'resource type "letter" is changed',
    'a type with data may begin to');
SELECT pg_temp.maintain();
SELECT is(pg_temp.state('change'), 'letter manual_required open', 'not yet');
SELECT learnsync.define_resource_type('letter', '{"key": ["k"], "policy": "manual",
    "autoResolve": {"after": "1 week", "resolution": "use_server"}}');
SELECT pg_temp.maintain();
SELECT is(pg_temp.state('change'), 'letter manual_required rule: use_server', 'and is waited for less from now on');

-- In pieces.
SELECT pg_temp.quarrel('many', 'quick');
INSERT INTO learnsync_data.conflict
SELECT (jsonb_populate_record(c, jsonb_build_object('conflict_id', gen_random_uuid(), 'client_data', (
    SELECT string_agg(md5((n * i)::text), '') FROM generate_series(1, 50) i)))).*
FROM learnsync_data.conflict c, generate_series(1, 1500) n WHERE c.learner_id = 'many';
SELECT pg_temp.age('many', '2 hours');
SELECT ok(
    pg_relation_size('learnsync_data.conflict') > 256 * current_setting('block_size')::int,
    'more than maintain() takes at a time');
SELECT pg_temp.maintain();
SELECT is(
    (SELECT count(*) FROM learnsync_data.conflict WHERE learner_id = 'many' AND closed_by = 'rule: use_server'),
    1501::bigint,
    'all of them are closed');

SELECT * FROM finish();
ROLLBACK;
