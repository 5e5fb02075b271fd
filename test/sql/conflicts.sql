-- sync_resolve: what a person decides about a conflict that waits.
BEGIN;
SELECT no_plan();

SELECT learnsync.define_resource_type('memo', '{"key": ["k"], "policy": "manual"}');
SELECT learnsync.define_resource_type('tally', '{"key": ["k"], "stale": "discard",
    "fields": {"n": {"merge": "sum"}, "best": {"merge": "max"}, "total": {"merge": "counter"},
        "tags": {"merge": "union"}, "startedAt": {"merge": "first_time"}, "left": {"merge": "latest"}}}');
CREATE FUNCTION pg_temp.item(id text, type text, data jsonb, minute int DEFAULT 0, more jsonb DEFAULT '{}')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', type,
        'clientTimestamp', to_char(
            timestamp '2026-01-08 10:00' + minute * interval '1 minute',
            'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'data', data) || more $$;
CREATE FUNCTION pg_temp.push(learner text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', to_jsonb(items)))::jsonb $$;
CREATE FUNCTION pg_temp.open_conflict(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(conflict_id::text, ',') FROM learnsync_data.conflict
    WHERE learner_id = learner AND closed_at IS NULL $$;
-- Resolves the learner's only open conflict; in short the error or the version.
CREATE FUNCTION pg_temp.resolve(learner text, how text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE hint text; detail text;
BEGIN
    RETURN learnsync.sync_resolve(learner,
        jsonb_build_object('conflictId', pg_temp.open_conflict(learner), 'resolution', how) || more) ->> 'version';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''));
END $$;
CREATE FUNCTION pg_temp.pulled(learner text, cursor int DEFAULT 1) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg((c ->> 'resourceId') || ' ' || (c ->> 'operation')
            || CASE WHEN c ? 'delta' THEN ' delta' ELSE '' END || ' ' || (c ->> 'data'),
        '; ' ORDER BY n)
    FROM jsonb_array_elements(learnsync.sync_pull(learner, jsonb_build_object('deviceId', 'e',
        'lastSyncVersion', cursor, 'from', cursor))::jsonb -> 'changes') WITH ORDINALITY x (c, n) $$;

-- The four decisions about an attempt that two devices made.
CREATE TEMP TABLE decision (how text, more jsonb, version text, pulled text);
INSERT INTO decision VALUES
    ('use_server', '{}', '2', NULL),
    ('use_client', '{}', '3', '["q",1] create {"score": 9, "quizId": "q", "attemptNumber": 1}'),
    ('use_merged', '{"mergedData": {"score": 7, "by": "teacher"}}', '3',
        '["q",1] create {"by": "teacher", "score": 7, "quizId": "q", "attemptNumber": 1}'),
    ('keep_both', '{}', '3', '["q",2] create {"score": 9, "quizId": "q", "attemptNumber": 2}');
SELECT pg_temp.push(how, pg_temp.item('1', 'quiz_attempt', '{"quizId": "q", "attemptNumber": 1, "score": 5}')),
    pg_temp.push(how, pg_temp.item('2', 'quiz_attempt', '{"quizId": "q", "attemptNumber": 1, "score": 9}'))
FROM decision;
SELECT is(pg_temp.resolve(how, how, more), version, how) FROM decision;
SELECT is(pg_temp.pulled(how, 2), pulled, how || ' reaches every device') FROM decision;
SELECT is(
    (SELECT concat_ws(' ', resolution, closed_by, closed_at IS NOT NULL, client_data ->> 'score')
     FROM learnsync_data.conflict WHERE learner_id = how),
    'manual_required ' || how || ' t 9',
    how || ': the record stays, closed')
FROM decision;
SELECT is(learnsync.sync_status(how) -> 'conflictCount', '0', how || ': nothing is open any longer') FROM decision;
SELECT is(
    pg_temp.push(how, pg_temp.item('2', 'quiz_attempt', '{"quizId": "q", "attemptNumber": 1,
        "score": 9}')) #>> '{conflicts,0,resolution}',
    'manual_required',
    how || ': a retry gets its first answer')
FROM decision;
SELECT is(
    (SELECT version::text FROM learnsync_data.learner WHERE learner_id = how),
    version,
    how || ': and changes nothing')
FROM decision;

-- keep_both takes the next free number of that quiz, not of another one.
SELECT pg_temp.push('next', VARIADIC array_agg(pg_temp.item(quiz || n, 'quiz_attempt',
    jsonb_build_object('quizId', quiz, 'attemptNumber', n))))
FROM (VALUES ('q', 1), ('q', 2), ('q', 12), ('q2', 40), ('p', 50), ('q"', 60)) v (quiz, n);
SELECT pg_temp.push('next', pg_temp.item('again', 'quiz_attempt', '{"quizId": "q", "attemptNumber": 2, "score": 1}'));
SELECT is(pg_temp.resolve('next', 'keep_both'), '8', 'keep_both');
SELECT is(
    (SELECT resource_id FROM learnsync_data.resource WHERE learner_id = 'next' AND version = 8),
    '["q",13]',
    'the next free number');
-- Where there is none after the greatest it is the least that is free: no attempt is ever written over.
SELECT learnsync.define_resource_type('try', '{"key": ["quiz", "n"], "policy": "insert_only",
    "fields": {"n": {"type": "integer", "min": 3, "max": 5}}}'),
    learnsync.define_resource_type('from_zero', '{"key": ["quiz", "n"], "policy": "insert_only",
    "fields": {"n": {"type": "integer", "min": 0, "max": 5}}}');
CREATE FUNCTION pg_temp.keep_all(learner text, type text, VARIADIC data jsonb[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answers text;
BEGIN
    PERFORM pg_temp.push(learner, VARIADIC array_agg(pg_temp.item(n::text, type, d || jsonb_build_object('s', n))))
    FROM unnest(data) WITH ORDINALITY x (d, n);
    SELECT string_agg(pg_temp.resolve(learner, 'keep_both', jsonb_build_object('conflictId', conflict_id)), ', ')
    INTO answers
    FROM (SELECT conflict_id FROM learnsync_data.conflict
          WHERE learner_id = learner AND closed_at IS NULL ORDER BY (client_data -> 's')::int) c;
    RETURN answers || ': ' || (SELECT string_agg(resource_id || '=' || (r.data ->> 's'),
                                   ' ' ORDER BY (r.data ->> 's')::int)
                               FROM learnsync_data.resource r WHERE learner_id = learner);
END $$;
SELECT is(pg_temp.keep_all(learner, type, VARIADIC data), kept, learner)
FROM (VALUES
    ('the greatest number there is', 'quiz_attempt',
     ARRAY['{"quizId": "q", "attemptNumber": 9223372036854775807}'::jsonb,
         '{"quizId": "q", "attemptNumber": 9223372036854775807}', '{"quizId": "q", "attemptNumber": 2}',
         '{"quizId": "q", "attemptNumber": 9223372036854775807}'],
     '4, 5: ["q",9223372036854775807]=1 ["q",1]=2 ["q",2]=3 ["q",3]=4'),
    ('one beyond 64 bits', 'quiz_attempt',
     ARRAY['{"quizId": "q", "attemptNumber": 1e30}'::jsonb, '{"quizId": "q", "attemptNumber": 1e30}'],
     '3: ["q",1000000000000000000000000000000]=1 ["q",1]=2'),
    ('as the rule bounds it', 'try',
     ARRAY['{"quiz": "q", "n": 5}'::jsonb, '{"quiz": "q", "n": 5}', '{"quiz": "q", "n": 5}', '{"quiz": "q", "n": 5}'],
     '3, 4, 22023 | no number is free to keep both | The rule of "try" allows no other value of "n".: '
     '["q",5]=1 ["q",3]=2 ["q",4]=3'),
    ('but not 0', 'from_zero', ARRAY['{"quiz": "q", "n": 5}'::jsonb, '{"quiz": "q", "n": 5}'],
     '3: ["q",5]=1 ["q",1]=2')) v (learner, type, data, kept);

-- What does not work, and leaves the conflict open.
SELECT pg_temp.push('wrong', pg_temp.item('1', 'memo', '{"k": "m", "t": "a"}')),
    pg_temp.push('wrong', pg_temp.item('2', 'memo', '{"k": "m", "t": "b"}'));
SELECT is(pg_temp.resolve('wrong', how, more), answer, how || ' ' || more)
FROM (VALUES
    ('use_both', '{}'::jsonb,
        '22023 | resolution must be use_server, use_client, use_merged or keep_both | The request is malformed at '
        '"resolution".'),
    ('use_merged', '{}',
        '22023 | mergedData must be an object, and goes with use_merged only | The request is malformed at '
        '"mergedData".'),
    ('use_client', '{"mergedData": {}}',
        '22023 | mergedData must be an object, and goes with use_merged only | The request is malformed at '
        '"mergedData".'),
    ('use_merged', '{"mergedData": [1]}',
        '22023 | mergedData must be an object, and goes with use_merged only | The request is malformed at '
        '"mergedData".'),
    ('use_merged', '{"mergedData": {"k": "other"}}',
        '22023 | resourceId differs from the key in data | The document is wrong at "resourceId".'),
    ('use_server', '{"force": 1}', '22023 | force must be true or false | The request is malformed at "force".'),
    ('keep_both', '{}',
        '22023 | resolution may be keep_both for types of several keys of which the last is a number | The request '
        'is malformed at "resolution".'),
    ('use_server', '{"conflictId": null}',
        '22023 | conflictId must be a string of 1 to 200 characters | The request is malformed at '
        '"conflictId".')) v (how, more, answer);
SELECT is(
    pg_temp.resolve('wrong', 'use_client', jsonb_build_object('conflictId', id)),
    'PT404 | conflict not found',
    'no conflict: ' || id)
FROM unnest(ARRAY['x', '00000000-0000-4000-8000-000000000000', '00000000-0000-4000-8000-0000000000001',
    'use_client']) id;
SELECT is(
    pg_temp.resolve('nobody', 'use_client', jsonb_build_object('conflictId', pg_temp.open_conflict('wrong'))),
    'PT404 | conflict not found',
    'another learner''s conflict');
SELECT is(
    (SELECT count(*) FROM learnsync_data.learner WHERE learner_id = 'nobody'),
    0::bigint,
    'which makes no learner');
SELECT is(
    pg_temp.resolve('use_client', 'use_client', jsonb_build_object(
        'conflictId', (SELECT conflict_id FROM learnsync_data.conflict WHERE learner_id = 'use_client'))),
    'PT404 | conflict not found',
    'a closed one');
SELECT isnt(pg_temp.open_conflict('wrong'), NULL, 'still open');

-- A resource that moved on since is not overwritten unseen.
SELECT pg_temp.push('moved', pg_temp.item('1', 'tally', '{"k": "t", "n": 1}', 5)),
    pg_temp.push('moved', pg_temp.item('2', 'tally', '{"k": "t", "n": 10, "best": 3}', 1)),
    pg_temp.push('moved', pg_temp.item('3', 'tally', '{"k": "t", "n": 100}', 9));
SELECT is(
    pg_temp.resolve('moved', 'use_client'),
    'PT409 | the resource has changed since the conflict | It has version 3, the conflict is about version 2.',
    'moved on');
SELECT is(pg_temp.resolve('moved', 'use_client', '{"force": true}'), '4', 'force');
SELECT is(
    pg_temp.pulled('moved', 3),
    't update delta {"k": "t", "n": 111, "best": 3, "startedAt": "2026-01-08T10:01:00.000Z"}',
    'use_client merges as if it were not stale: deltas add once');
SELECT pg_temp.push('server', pg_temp.item('1', 'tally', '{"k": "t", "n": 1}', 5)),
    pg_temp.push('server', pg_temp.item('2', 'tally', '{"k": "t", "n": 10}', 1)),
    pg_temp.push('server', pg_temp.item('3', 'tally', '{"k": "t", "n": 100}', 9));
SELECT is(pg_temp.resolve('server', 'use_server'), '3', 'use_server overwrites nothing, so it needs no force');

-- use_merged: the whole document; its numbers are the base from which devices go on; computed times stay; lists are as
-- it says. Underneath stays what devices have said.
CREATE FUNCTION pg_temp.later(id text, data jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT pg_temp.item(id, 'tally', data, 6, jsonb_build_object('clientTimestamp',
        clock_timestamp() + interval '3 minutes')) $$;
SELECT pg_temp.push('merged', pg_temp.item('1', 'tally',
    '{"k": "t", "n": 5, "total": 30, "tags": ["a", "b"], "left": 1}',
    5)),
    pg_temp.push('merged', pg_temp.item('2', 'tally', '{"k": "t", "n": 10}', 1));
SELECT is(
    pg_temp.resolve('merged', 'use_merged', '{"mergedData": {"n": 7, "total": 40, "tags": ["b", "c"]}}'),
    '3',
    'use_merged');
SELECT is(
    pg_temp.pulled('merged', 2),
    't update {"k": "t", "n": 7, "left": null, "tags": ["b", "c"], "total": 40, "startedAt": '
    '"2026-01-08T10:05:00.000Z"}',
    'the document as decided, whole');
SELECT is(
    (SELECT string_agg(value #>> '{}', ' ' ORDER BY value) FROM learnsync_data.member
     WHERE learner_id = 'merged' AND version > 0),
    'a b',
    'underneath are the members that devices have said');
SELECT pg_temp.push('merged', pg_temp.later('3', '{"k": "t", "n": 1, "total": 35, "tags": ["d"]}'));
SELECT is(
    pg_temp.pulled('merged', 3),
    't update delta {"k": "t", "n": 8, "left": null, "tags": ["c", "d"], "total": 45, "startedAt": '
    '"2026-01-08T10:05:00.000Z"}',
    'sums and totals go on from there');

-- Numbers that are added to are base enough for more, or refused; the conflict stays open.
SELECT pg_temp.push('high', pg_temp.item('1', 'tally', '{"k": "t", "n": 1, "total": 1}', 5)),
    pg_temp.push('high', pg_temp.item('2', 'tally', '{"k": "t", "n": 1, "total": 1}', 1));
SELECT is(
    pg_temp.resolve('high', 'use_merged', jsonb_build_object('mergedData', more)),
    '22023 | ' || jsonb_object_keys(more)
        || ' does not fit into 64 bits | The document is wrong at "data.' || jsonb_object_keys(more) || '".',
    more::text)
FROM (VALUES
    ('{"n": 1e300}'::jsonb),
    ('{"total": 1e300}'),
    ('{"n": -9223372036854775809}'),
    ('{"total": 9223372036854775808}')) v (more);
SELECT is(
    pg_temp.resolve('high', 'use_merged', '{"mergedData": {"n": -9223372036854775808,
        "total": -9223372036854775808}}'),
    '3',
    'the least that fits');
SELECT is(
    pg_temp.push('high', pg_temp.later('3', '{"k": "t", "n": 1, "total": 2}')) #>> '{results,0,status}',
    'synced',
    'and devices go on');
SELECT is(
    pg_temp.pulled('high', 3),
    't update delta {"k": "t", "n": -9223372036854775807, "total": -9223372036854775807, "startedAt": '
    '"2026-01-08T10:05:00.000Z"}',
    'from there');
SELECT pg_temp.push('forged', pg_temp.item('1', 'memo', '{"k": "m", "t": "a"}')),
    pg_temp.push('forged', pg_temp.item('2', 'memo', '{"k": "m", "t": "b"}'));
SELECT is(
    pg_temp.resolve('forged', 'use_merged', '{"mergedData": {"_learnsync": {}}}'),
    '22023 | _learnsync is reserved | The document is wrong at "data._learnsync".',
    'nor what is reserved');

-- Deletes that came late, and documents that were deleted meanwhile.
SELECT pg_temp.push(l, pg_temp.item('1', 'memo', '{"k": "m", "t": "a"}', 5)),
    pg_temp.push(l, pg_temp.item('2', 'memo', '{"k": "m"}', 1, '{"operation": "delete"}'))
FROM unnest('{del,nodel}'::text[]) l;
SELECT is(pg_temp.resolve('del', 'use_client'), '3', 'the delete is carried out');
SELECT is(pg_temp.pulled('del', 2), 'm delete {}', 'for every device');
SELECT is(pg_temp.resolve('nodel', 'use_server'), '2', 'or not');
SELECT pg_temp.push('back', pg_temp.item('1', 'memo', '{"k": "m", "t": "a"}', 1)),
    pg_temp.push('back', pg_temp.item('2', 'memo', '{"k": "m", "t": "b"}', 2)),
    pg_temp.push('back', pg_temp.item('3', 'memo', '{"k": "m"}', 5, '{"operation": "delete"}'));
SELECT is(learnsync.sync_status('back') #> '{conflicts,0,serverData}', 'null', 'deleted meanwhile');
SELECT is(pg_temp.resolve('back', 'use_client', '{"force": true}'), '4', 'is brought back');
SELECT is(pg_temp.pulled('back', 3), 'm create {"k": "m", "t": "b"}', 'for every device');
SELECT pg_temp.push('back', pg_temp.item('4', 'memo', '{"k": "m", "t": "b"}', 6));
SELECT is(
    (SELECT count(*) FROM learnsync_data.conflict WHERE learner_id = 'back' AND closed_at IS NULL),
    0::bigint,
    'and lives on');

-- Statements keep their rows in step.
SELECT pg_temp.push('xapi', pg_temp.item(n::text, 'xapi_statement', jsonb_build_object(
    'id', '0A0A0A0A-0000-4000-8000-000000000001',
    'actor', '{"mbox": "mailto:a@example.org"}'::jsonb, 'verb', jsonb_build_object('id', 'http://example.org/' || n),
    'object', '{"id": "http://example.org/o"}'::jsonb)))
FROM (VALUES (1), (2)) v (n);
SELECT is(pg_temp.resolve('xapi', 'use_client'), '3', 'a statement');
SELECT is(
    (SELECT verb FROM learnsync_data.xapi_statement WHERE learner_id = 'xapi'),
    'http://example.org/2',
    'and its narrow row');

-- By the learner: her own.
SET LOCAL request.jwt.claims = '{"sub": "wrong"}';
SELECT is(
    learnsync_api.sync_resolve(jsonb_build_object('conflictId', upper(pg_temp.open_conflict('wrong')),
        'resolution', 'use_client')) - 'message',
    '{"version": 3, "resourceId": "m", "resourceType": "memo"}',
    'in the API');

SELECT * FROM finish();
ROLLBACK;
