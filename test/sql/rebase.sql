-- Rules that change with data: checked first, then carried out learner by learner, and never two rules for one of them.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.push(learner text, device text, t text, data jsonb, op text DEFAULT 'update') RETURNS text
    LANGUAGE plpgsql AS $$
BEGIN
    RETURN learnsync.sync_push(learner, jsonb_build_object('deviceId', device,
        'items', jsonb_build_array(jsonb_build_object('id', md5(concat_ws('/', device, t, data, op)), 'operation', op,
            'resourceType', 'deck', 'resourceId', coalesce(data ->> 'id', 'r'),
            'clientTimestamp', '2026-01-08T' || t || ':00Z', 'data', data - 'id')))) #>> '{results,0,status}';
END $$;
CREATE FUNCTION pg_temp.document(learner text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN jsonb_path_query_first(learnsync.sync_pull(learner, '{"deviceId": "x"}')::jsonb,
        '$.changes[*] ? (@.resourceId == "r").data') - 'k';
END $$;
CREATE FUNCTION pg_temp.rule(fields jsonb, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT '{"key": ["k"], "stale": "ignore"}' || jsonb_build_object('fields', fields) || more $$;
CREATE FUNCTION pg_temp.define(fields jsonb, more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN learnsync.define_resource_type('deck', pg_temp.rule(fields, more), rebase => true);
END $$;
CREATE FUNCTION pg_temp.carry_all() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    learner text := '';
    names text := '';
BEGIN
    LOOP
        learner := learnsync_internal.next_to_rebase('deck', learner);
        EXIT WHEN learner IS NULL;
        names := concat_ws(' ', nullif(names, ''), learner,
            nullif(learnsync_internal.rebase_learner('deck', learner), true));
    END LOOP;
    PERFORM learnsync_internal.end_rebase('deck');
    RETURN names;
END $$;
CREATE FUNCTION pg_temp.refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE statement;
    RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, detail);
END $$;
CREATE FUNCTION pg_temp.new_life() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM learnsync_data.resource WHERE resource_type = 'deck';
    DELETE FROM learnsync_data.member WHERE resource_type = 'deck';
    DELETE FROM learnsync_data.rebased;
    DELETE FROM learnsync_data.resource_type WHERE name = 'deck';
    PERFORM learnsync.drop_resource_type('deck') FROM learnsync_data.resource_type WHERE name = 'deck';
END $$;

-- What does not fit is listed, and then nothing is changed.
SELECT learnsync.define_resource_type('deck', pg_temp.rule('{"n": {"merge": "latest"}}'));
SELECT pg_temp.push('ann', 'd', '10:00', '{"n": 5, "id": "a1"}'),
    pg_temp.push('ann', 'd', '10:01', '{"n": "x", "id": "a2"}'),
    pg_temp.push('bob', 'd', '10:00', '{"n": -1}'), pg_temp.push('cid', 'd', '10:00', '{"n": 2}');
SELECT is(
    pg_temp.refusal($$SELECT learnsync.define_resource_type('deck',
        pg_temp.rule('{"n": {"merge": "sum", "min": 0}}'))$$),
    '55006 | resource type "deck" has data | fields.n: must keep its strategy.',
    'without rebase such a change is refused');
SELECT is(
    pg_temp.refusal($$SELECT pg_temp.define('{"n": {"merge": "sum", "min": 0}}')$$),
    '55006 | 2 documents of resource type "deck" do not fit the rule | a2 of ann: n must be a number'
        || E'\nr of bob: n must be at least 0',
    'documents that do not fit are listed');
SELECT is(
    (SELECT rule #>> '{fields,n,merge}' || generation FROM learnsync_data.resource_type WHERE name = 'deck'),
    'latest0',
    'and then nothing is changed');
SELECT is(
    learnsync.define_resource_type('deck', pg_temp.rule('{"n": {"merge": "latest"}, "m": {"merge": "max"}}'),
        dry_run => true),
    'resource type "deck" would be changed',
    'a dry run says what would be taken');
SELECT is(
    learnsync.define_resource_type('deck', pg_temp.rule('{"n": {"merge": "first"}}'), true, true),
    'resource type "deck" would be changed, and 4 documents of 3 learners carried over',
    'and what it would mean');
SELECT is(
    pg_temp.refusal($$SELECT learnsync.define_resource_type('deck', pg_temp.rule('{"n": {"merge": "first"}}'),
        dry_run => true)$$),
    '55006 | resource type "deck" has data | fields.n: must keep its strategy.',
    'or why not');
SELECT is(
    learnsync.define_resource_type('other', '{}', dry_run => true),
    'resource type "other" would be defined',
    'of a new type, too');
SELECT is(
    (SELECT count(*) FROM learnsync_data.resource_type WHERE name = 'other' OR generation > 0),
    0::bigint,
    'a dry run changes nothing');
SELECT is(
    pg_temp.refusal(format('SELECT pg_temp.define(%L, %L)', fields, more)),
    '55006 | resource type "deck" has data | ' || problem,
    problem)
FROM (VALUES
    ('{"n": {"merge": "counter"}}', '{}', 'fields.n: must not change from or to counter.'),
    ('{"new": {"merge": "max"}}', '{"key": ["l"]}', 'key: must not change.'),
    ('{"k": {"type": "integer"}}', '{}', 'fields.k: must keep its type.')) v (fields, more, problem);

-- Carried out learner by learner; whoever pushes comes first.
SELECT is(
    pg_temp.define('{"n": {"merge": "first"}}'),
    'resource type "deck" is changed; CALL learnsync.rebase() carries its documents over',
    'a change that fits is noted');
SELECT is(
    pg_temp.refusal($$SELECT pg_temp.define('{"n": {"merge": "max"}}')$$),
    '55006 | the last change of resource type "deck" is still being carried out | ',
    'and no other one until it is carried out');
SELECT is(
    (SELECT concat_ws(' ', name, generation, learners, done, percent, rebased_at) FROM learnsync.rebases()),
    'deck 1 3 0 0',
    'how far that is can be asked');
SELECT is(pg_temp.push('cid', 'd', '09:00', '{"n": 3}'), 'synced', 'a push by the new rule');
SELECT is(pg_temp.document('cid'), '{"n": 3}', 'the earlier value stands for whoever pushed');
SELECT is(
    pg_temp.refusal($$SELECT learnsync.sync_push('bob', '{"deviceId": "d", "dryRun": true, "items": [{"id": "1",
        "operation": "update", "resourceType": "deck", "resourceId": "r", "data": {},
        "clientTimestamp": "2026-01-08T10:00:00Z"}]}')::jsonb$$) LIKE 'PT503%being changed%',
    true,
    'a dry run of whoever is not carried over is for later');
SELECT is(pg_temp.carry_all(), 'ann bob', 'the others are carried over, and nobody twice');
SELECT is(
    (SELECT concat_ws(' ', name, generation, learners, done, percent, rebased_at IS NOT NULL) FROM learnsync.rebases()),
    'deck 1 3 3 100 t',
    'that is all of them');
SELECT is(pg_temp.push('new', 'd', '10:00', '{"n": 1}'), 'synced', 'a new learner');
UPDATE learnsync_data.resource_type SET rebased_at = rebased_at - interval '2 hours' WHERE name = 'deck';
SELECT learnsync_internal.end_rebase('deck');
SELECT is(
    (SELECT old_rule FROM learnsync_data.resource_type WHERE name = 'deck'),
    NULL,
    'the old rule is forgotten after a while');
SELECT is(
    pg_temp.push('bob', 'd', '08:00', '{"n": 9}') || (pg_temp.document('bob') ->> 'n'),
    'synced9',
    'and nothing needs it');

-- Reading before and after.
SELECT pg_temp.new_life();
SELECT learnsync.define_resource_type('deck', pg_temp.rule('{
    "list": {"merge": "union", "id": "id"}, "same": {"merge": "union", "id": "id"}, "late": {"merge": "latest"},
    "sum": {"merge": "sum"}, "total": {"merge": "counter"}, "map": {"merge": "map_latest"}, "best": {"merge": "max"},
    "since": {"merge": "first_time"},
    "grade": {"derive": "best", "steps": [{"value": "low"}, {"value": "high", "from": 5}]},
    "keyed": {"merge": "union", "id": "a"}, "todo": {"merge": "union", "id": "id", "members": "latest"}}'));
SELECT pg_temp.push('eve', 'a', '10:00', '{"list": [{"id": 1, "v": 1}], "same": [{"id": 1}], "late": 1, "sum": 1,
    "total": 5, "map": {"x": 1, "y": 1}, "best": 7, "keyed": [{"a": 1, "b": "p"}], "todo": [{"id": 1}, {"id": 2}]}');
SELECT pg_temp.push('eve', 'b', '11:00', '{"list": [{"id": 2}], "same": [{"id": 2}], "sum": 2, "total": 3,
    "map": {"x": null}, "best": 3, "keyed": [{"a": 2, "b": "q"}], "todo": [{"id": 1, "deleted": true}], "other": 1}');
CREATE TEMP TABLE before AS SELECT pg_temp.document('eve') AS d;
CREATE TEMP TABLE changed AS SELECT '{
    "list": {"type": "array"}, "same": {"merge": "union", "id": "id", "members": "latest"}, "late": {"merge": "max"},
    "sum": {"merge": "sum", "min": 0}, "total": {"merge": "counter"}, "map": {"merge": "map_latest"},
    "best": {"merge": "sum"}, "since": {"merge": "first_time"}, "grade": {"merge": "first"},
    "keyed": {"merge": "union", "id": "b"}, "todo": {"merge": "union", "id": "id"},
    "other": {"merge": "max"}}'::jsonb AS r;
SELECT is(
    pg_temp.refusal(format('SELECT pg_temp.define(%L)', r || '{"late": {"merge": "union"}, "since": {"merge": "max"},
        "other": {"merge": "first_time"}}')),
    '55006 | 1 documents of resource type "deck" do not fit the rule | r of eve: late must be an array',
    'what is no list does not become one')
FROM changed;
SELECT is(
    pg_temp.refusal(format('SELECT pg_temp.define(%L)', r || '{"other": {"merge": "first_time"}}')),
    '55006 | 1 documents of resource type "deck" do not fit the rule | r of eve: other must be a time',
    'what is no time does not become one')
FROM changed;
SELECT is(
    pg_temp.define(r),
    'resource type "deck" is changed; CALL learnsync.rebase() carries its documents over',
    'every strategy')
FROM changed;
SELECT is(pg_temp.document('eve'), d, 'until a learner is carried over the document is shown by the rule that was')
FROM before;
SELECT is(pg_temp.carry_all(), 'eve', 'a learner with everything');
SELECT is(pg_temp.document('eve'), d, 'is shown the same afterwards') FROM before;
SELECT is(
    (SELECT string_agg(concat_ws(' ', field, member_id, to_char(at AT TIME ZONE 'UTC', 'HH24')), ', '
         ORDER BY field, member_id)
     FROM learnsync_data.member WHERE learner_id = 'eve'),
    'keyed p 10, keyed q 11, same 1 10, same 2 11, todo 2 10, total a 10, total b 11',
    'members and totals keep their instants, under the ids that they have now');
SELECT is(pg_temp.push('eve', 'c', t, data), status, what)
FROM (VALUES
    (1, '09:00', '{"map": {"x": 5}}'::jsonb, 'synced', 'what was removed from a map'),
    (2, '09:00', '{"total": 1}', 'synced', 'totals of devices'),
    (3, '09:30', '{"same": [{"id": 1, "z": 1}]}', 'conflict', 'a member from before'),
    (4, '10:30', '{"same": [{"id": 1, "z": 2}]}', 'synced', 'one from after'),
    (5, '09:00', '{"best": 1}', 'synced', 'what was the greatest'),
    (6, '10:59', '{"list": []}', 'synced', 'what was a list, at the resource''s own instant'),
    (7, '08:00', '{}', 'synced', 'the first time'),
    (8, '12:00', '{"keyed": [{"a": 9, "b": "p"}, {"a": 1, "b": "r"}]}', 'conflict', 'other ids'),
    (9, '10:58', '{"grade": "mine"}', 'synced', 'what was computed'),
    (10, '09:00', '{"todo": [{"id": 1, "v": "back"}]}', 'synced', 'what was removed from a list')
    ) v (n, t, data, status, what) ORDER BY n;
SELECT is(pg_temp.push('eve', 'a', '09:00', '{"total": 6}'), 'synced', 'and of one from before');
SELECT is(
    pg_temp.document('eve'),
    d || '{"total": 10, "best": 8, "since": "2026-01-08T08:00:00.000Z", "grade": "mine",
        "same": [{"id": 1, "z": 2}, {"id": 2}], "keyed": [{"a": 1, "b": "p"}, {"a": 2, "b": "q"}, {"a": 1, "b": "r"}],
        "todo": [{"id": 1, "v": "back"}, {"id": 2}]}',
    'goes on from what was there')
FROM before;

-- There and back again, with another policy in between.
CREATE TEMP TABLE eve AS SELECT pg_temp.document('eve') AS d;
SELECT is(
    pg_temp.refusal($$SELECT learnsync.define_resource_type('deck', '{"key": ["k"], "policy": "latest"}', true)$$),
    '55006 | resource type "deck" has data | fields.total: must not change from or to counter.',
    'a policy without counters is one without totals');
SELECT pg_temp.new_life();
SELECT learnsync.define_resource_type('deck',
    pg_temp.rule('{"list": {"merge": "union", "id": "id"}, "n": {"merge": "max"}}'));
SELECT pg_temp.push('fay', 'a', '10:00', '{"list": [{"id": 1}, {"id": 2}], "n": 1}'),
    pg_temp.push('fay', 'a', '11:00', '{"id": "gone", "n": 1}'),
    pg_temp.push('fay', 'a', '12:00', '{"id": "gone"}', 'delete');
SELECT learnsync.define_resource_type('deck', '{"key": ["k"], "policy": "latest"}', true);
SELECT is(pg_temp.push('fay', 'a', '09:00', '{"n": 7}'), 'conflict', 'a push carries its own learner over first');
SELECT is(
    pg_temp.document('fay') || to_jsonb((SELECT count(*) FROM learnsync_data.member WHERE learner_id = 'fay')),
    '[{"n": 1, "list": [{"id": 1}, {"id": 2}]}, 0]',
    'whole documents have their lists in them');
SELECT is(pg_temp.carry_all(), '', 'and nobody is left');
SELECT learnsync.define_resource_type('deck',
    pg_temp.rule('{"list": {"merge": "union", "id": "id"}, "n": {"merge": "sum"}}'), true);
SELECT is(pg_temp.carry_all(), 'fay', 'and back');
SELECT is(
    pg_temp.document('fay') || to_jsonb((SELECT count(*) FROM learnsync_data.member WHERE learner_id = 'fay')),
    '[{"n": 1, "list": [{"id": 1}, {"id": 2}]}, 2]',
    'documents of fields have them beside them');
SELECT is(
    pg_temp.push('fay', 'a', '13:00', '{"list": [{"id": 3}], "n": 1}') || (pg_temp.document('fay') ->> 'list'),
    'synced[{"id": 1}, {"id": 2}, {"id": 3}]',
    'and go on');

-- A person's decision, too, is by the new rule.
SELECT pg_temp.new_life();
SELECT learnsync.define_resource_type('deck', '{"key": ["k"], "policy": "manual"}');
SELECT pg_temp.push('hal', 'a', '10:00', '{"n": 1}'), pg_temp.push('hal', 'a', '11:00', '{"n": 2}');
SELECT pg_temp.define('{"n": {"merge": "sum"}}');
SELECT is(
    learnsync.sync_status('hal')::jsonb #> '{conflicts,0,serverData}',
    '{"k": "r", "n": 1}',
    'conflicts are shown by the rule that was');
SELECT learnsync.sync_resolve('hal', jsonb_build_object('resolution', 'use_client',
    'conflictId', (SELECT conflict_id FROM learnsync_data.conflict WHERE learner_id = 'hal')));
SELECT is(
    pg_temp.document('hal') || to_jsonb(pg_temp.carry_all()),
    '[{"n": 3}, ""]',
    'the learner was carried over first');

-- Versions tell of what is shown differently, and of nothing else.
SELECT pg_temp.new_life();
SELECT learnsync.define_resource_type('deck', pg_temp.rule('{"n": {"merge": "max"},
    "d": {"derive": "n", "steps": [{"value": 1}]}}'));
SELECT pg_temp.push('gus', 'a', '10:00', '{"n": 1.26}'), pg_temp.push('gus', 'a', '10:01', '{"id": "s", "n": 2}');
SELECT pg_temp.define('{"n": {"merge": "max", "max": 5}, "d": {"derive": "n", "steps": [{"value": 1}]}}');
SELECT is(pg_temp.carry_all(), 'gus', 'where validation is all that changes');
SELECT is((SELECT version FROM learnsync_data.learner WHERE learner_id = 'gus'), 3::bigint, 'there is no new version');
SELECT pg_temp.define('{"n": {"merge": "max", "type": "number", "round": 1, "max": 5},
    "d": {"derive": "n", "steps": [{"value": 1}, {"value": 2, "from": 2}]}}');
SELECT is(pg_temp.carry_all(), 'gus', 'where documents show something else');
SELECT is(
    (SELECT jsonb_agg(c -> 'data' ORDER BY c -> 'version') FROM jsonb_array_elements(
         learnsync.sync_pull('gus', '{"deviceId": "a", "lastSyncVersion": 3, "from": 3}')::jsonb -> 'changes') c),
    '[{"d": 1, "k": "r", "n": 1.3}, {"d": 2, "k": "s", "n": 2}]',
    'every device is told');

-- Whoever is erased has no mark left, and damage is told.
SELECT learnsync.forget_learner('gus');
SELECT is(
    (SELECT count(*) FROM learnsync_data.rebased WHERE learner_id = 'gus'),
    0::bigint,
    'no mark of whoever is erased');
SELECT is(learnsync_internal.rebase_learner('deck', 'nobody'), false, 'nobody is nobody');
SELECT is(learnsync_internal.next_to_rebase('nosuch', ''), NULL, 'nor is there anybody of no type');

-- What was a member like others is a removal under a rule by which members change: devices are told.
SELECT pg_temp.new_life();
SELECT learnsync.define_resource_type('deck', pg_temp.rule('{"l": {"merge": "union", "id": "id"}}'));
SELECT pg_temp.push('teller', 'd', '10:00', '{"l": [{"id": "a"}, {"id": "b", "deleted": true}]}');
SELECT is(pg_temp.document('teller'), '{"l": [{"id": "a"}, {"id": "b", "deleted": true}]}', 'two members');
SELECT pg_temp.define('{"l": {"merge": "union", "id": "id", "members": "latest"}}'), pg_temp.carry_all();
SELECT is(
    jsonb_path_query_array(learnsync.sync_pull('teller', '{"deviceId": "x", "lastSyncVersion": 2}')::jsonb,
        '$.changes[*].data.l'),
    '[[{"id": "a"}]]', 'of which one is no more, as who pulls what is new hears');

-- What a rule says already it can say again.
SELECT learnsync.define_resource_type('again',
    pg_temp.rule('{"n": {"merge": "sum", "min": 0}, "l": {"merge": "max"}}'));
CREATE TEMP TABLE before_again AS
SELECT t.ctid::text AS place, (SELECT count(*) FROM learnsync_data.audit) AS noted
FROM learnsync_data.resource_type t WHERE name = 'again';
SELECT is(
    learnsync.define_resource_type('again',
        pg_temp.rule('{"l": {"merge": "max"}, "n": {"min": 0.0, "merge": "sum"}}'), rebase => true),
    'resource type "again" stays as it is', 'the same rule in other words');
SELECT results_eq($$SELECT t.ctid::text, (SELECT count(*) FROM learnsync_data.audit)
    FROM learnsync_data.resource_type t WHERE name = 'again'$$, 'TABLE before_again',
    'writes nothing, nor does the audit');

-- A type that goes takes with it who was carried over: another of its name counts from the beginning.
SELECT learnsync.define_resource_type('brief', pg_temp.rule('{"n": {"merge": "latest"}}'));
INSERT INTO learnsync_data.rebased VALUES ('teller', 'brief', 3);
SELECT learnsync.drop_resource_type('brief');
SELECT is(
    (SELECT count(*) FROM learnsync_data.rebased WHERE resource_type = 'brief'), 0::bigint,
    'no mark of a type that is gone');

SELECT * FROM finish();
ROLLBACK;
