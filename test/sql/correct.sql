-- sync_correct: a person's correction holds against devices that have not seen it, and can be taken back.
BEGIN;
SELECT no_plan();

CREATE ROLE test_correct_service;
CREATE ROLE test_correct_learner;
SELECT learnsync.grant_access('test_correct_' || kind, kind) FROM unnest('{service,learner}'::text[]) kind;
GRANT test_correct_service, test_correct_learner TO CURRENT_USER;

SELECT learnsync.define_resource_type('every', '{"key": ["k"], "fields": {
    "high": {"merge": "max"}, "low": {"merge": "min"}, "spent": {"merge": "sum"}, "total": {"merge": "counter"},
    "last": {"merge": "latest"}, "first": {"merge": "first"}, "any": {"merge": "any"}, "all": {"merge": "all"},
    "rank": {"merge": "rank", "values": ["a", "b", "c", "d"]}, "map": {"merge": "map_latest"},
    "began": {"merge": "first_time"}, "ended": {"merge": "last_time"},
    "tags": {"merge": "union"},
    "grade": {"derive": "high", "steps": [{"value": "low"}, {"value": "top", "from": 90}]}}}');
SELECT learnsync.define_resource_type('page', '{"key": ["k"], "policy": "latest"}');
SELECT learnsync.define_resource_type('note', '{"key": ["k"], "policy": "client_wins"}');
SELECT learnsync.define_resource_type('fixed', '{"key": ["k"], "policy": "server_wins"}');
SELECT learnsync.define_resource_type('hand', '{"key": ["k"], "policy": "manual"}');
SELECT learnsync.define_resource_type('grave', '{"key": ["k"], "policy": "immutable"}');
SELECT learnsync.define_resource_type('clocked', '{"key": ["k"], "policy": "latest", "clock": "n"}');

-- An item; minutes are from now, so that those greater than 0 are of after any correction.
CREATE SEQUENCE pg_temp.number;
CREATE FUNCTION pg_temp.item(type text, data jsonb, minute numeric DEFAULT -60, more jsonb DEFAULT '{}') RETURNS jsonb
    LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', nextval('pg_temp.number')::text, 'operation', 'update', 'resourceType', type,
        'resourceId', 'r', 'data', data, 'clientTimestamp',
        to_char(clock_timestamp() AT TIME ZONE 'UTC' + minute * interval '1 minute',
            'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) || more $$;
-- What a push answers, in short: statuses, with the resolutions of conflicts.
CREATE FUNCTION pg_temp.push(who text, items jsonb, more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb := learnsync.sync_push(who, jsonb_build_object('deviceId', 'd', 'items',
        CASE jsonb_typeof(items) WHEN 'array' THEN items ELSE jsonb_build_array(items) END) || more)::jsonb;
BEGIN
    RETURN (SELECT string_agg(COALESCE((SELECT c ->> 'resolution' FROM jsonb_array_elements(answer -> 'conflicts') c
                                        WHERE c -> 'id' = r -> 'id'),
                                       (SELECT f ->> 'code' FROM jsonb_array_elements(answer -> 'failedItems') f
                                        WHERE f -> 'id' = r -> 'id'), r ->> 'status'), ' ' ORDER BY n)
            FROM jsonb_array_elements(answer -> 'results') WITH ORDINALITY x (r, n));
END $$;
CREATE FUNCTION pg_temp.try(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
    hint text;
BEGIN
    EXECUTE query INTO answer;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(hint, ''));
END $$;
CREATE FUNCTION pg_temp.correct(who text, type text, data jsonb, more jsonb DEFAULT '{}') RETURNS text
    LANGUAGE sql AS $$
    SELECT pg_temp.try(format('SELECT learnsync.sync_correct(%L, %L) ->> ''version''', who, jsonb_build_object(
        'resourceType', type, 'resourceId', 'r', 'data', data, 'by', 'ms.k', 'reason', 'seen by me') || more)) $$;
CREATE FUNCTION pg_temp.uncorrect(who text, type text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.try(format('SELECT learnsync.sync_uncorrect(%L, %L) ->> ''version''', who, jsonb_build_object(
        'resourceType', type, 'resourceId', 'r', 'by', 'ms.k', 'reason', 'a mistake') || more)) $$;
-- The document as devices pull it, without its key, or those fields of it.
CREATE FUNCTION pg_temp.shown(who text, VARIADIC fields text[] DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT COALESCE(jsonb_object_agg(key, value), '{}') FROM (
        SELECT c FROM jsonb_array_elements(learnsync.sync_pull(who, '{"deviceId": "e"}')::jsonb -> 'changes') c
        ORDER BY c ->> 'version' DESC LIMIT 1) x, jsonb_each(c -> 'data')
    WHERE key <> 'k' AND (fields = '{}' OR key = ANY (fields)) $$;
CREATE FUNCTION pg_temp.seen(who text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('seen', version) FROM learnsync_data.learner WHERE learner_id = who $$;
-- Everything that is stored of a learner's documents, but for versions and when.
CREATE FUNCTION pg_temp.stored(who text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' | ', r.at, r.deleted_at, r.data, r.book,
            (SELECT string_agg(concat_ws(' ', m.field, m.member_id, m.at, m.value), ',' ORDER BY m.field, m.member_id)
             FROM learnsync_data.member m WHERE m.learner_id = who)), '; ' ORDER BY r.resource_type, r.resource_id)
    FROM learnsync_data.resource r WHERE r.learner_id = who $$;

-- A lesson wrongly at 100.
SELECT pg_temp.push('ann', pg_temp.item('lesson_progress', '{"completionPercentage": 100, "timeSpent": 500}'));
SELECT is(pg_temp.correct('ann', 'lesson_progress', '{"completionPercentage": 40, "completedAt": null}'), '3',
    'a correction is a version');
SELECT is(pg_temp.shown('ann') - 'startedAt' - 'lastAccessedAt' - 'lessonId',
    '{"completionPercentage": 40, "timeSpent": 500, "status": "in-progress"}', 'it is what everybody sees');
SELECT is(pg_temp.push('ann', pg_temp.item('lesson_progress', '{"completionPercentage": 100, "timeSpent": 20}', -30)),
    'server_wins', 'a phone that was offline says 100 once more');
SELECT is(pg_temp.shown('ann', 'completionPercentage', 'status', 'completedAt', 'timeSpent'),
    '{"completionPercentage": 40, "timeSpent": 520, "status": "in-progress"}', 'it stays 40');
SELECT is(pg_temp.push('ann', pg_temp.item('lesson_progress', '{"completionPercentage": 100}', 3)), 'server_wins',
    'also in an item of later, which has not seen it');
SELECT is(pg_temp.shown('ann', 'completionPercentage'), '{"completionPercentage": 40}', 'it still stays 40');
SELECT is(pg_temp.push('ann', pg_temp.item('lesson_progress', '{"completionPercentage": 60}', 4, pg_temp.seen('ann'))),
    'synced', 'the app has seen it');
SELECT is(pg_temp.shown('ann', 'completionPercentage'), '{"completionPercentage": 60}', 'and moves on');
SELECT is(pg_temp.push('ann', pg_temp.item('lesson_progress', '{"completionPercentage": 100}', 4.5,
    pg_temp.seen('ann'))), 'synced', 'up to the end');
SELECT is(pg_temp.shown('ann') -> 'completedAt' IS NOT NULL, true, 'which is then the time of completion');
SELECT is((SELECT concat_ws(' ', completion_percentage, status, data ->> 'timeSpent') FROM learnsync_data.resource r,
        LATERAL (SELECT (data ->> 'completionPercentage') AS completion_percentage, 'of the table' AS status) v
    WHERE learner_id = 'ann'), '100 of the table 520', 'the table holds what is shown');
SELECT is((SELECT string_agg(damage, ';') FROM learnsync.resource_verify('ann')), NULL, 'nothing is damaged');

-- Every strategy: what comes of an item of later that has not seen the correction, and of one that has.
CREATE TEMP TABLE strategy (field text, before jsonb, corrected jsonb, item jsonb, unseen jsonb, seen jsonb);
INSERT INTO strategy VALUES
    ('high', '9', '4', '8', '4', '8'), ('high', '9', '4', '3', '4', '4'), ('high', '9', 'null', '3', NULL, '3'),
    ('low', '1', '5', '2', '5', '2'), ('low', '1', '5', '7', '5', '5'),
    ('spent', '10', '7', '2', '9', '9'), ('spent', '10', 'null', '2', '2', '2'),
    ('total', '10', '7', '12', '9', '9'), ('total', '10', '7', '8', '7', '7'), ('total', '10', 'null', '12', '2', '2'),
    ('last', '"a"', '"b"', '"c"', '"b"', '"c"'), ('last', '"a"', 'null', '"c"', 'null', '"c"'),
    ('first', '"a"', '"b"', '"c"', '"b"', '"b"'), ('first', '"a"', 'null', '"c"', NULL, '"c"'),
    ('any', 'true', 'false', 'true', 'false', 'true'), ('any', 'true', 'false', 'false', 'false', 'false'),
    ('all', 'false', 'true', 'false', 'true', 'false'), ('all', 'false', 'true', 'true', 'true', 'true'),
    ('rank', '"d"', '"b"', '"c"', '"b"', '"c"'), ('rank', '"d"', '"b"', '"a"', '"b"', '"b"'),
    ('map', '{"x": 1, "y": 1}', '{"x": 2, "y": null}', '{"x": 3, "z": 3}', '{"x": 2, "z": 3}', '{"x": 3, "z": 3}'),
    ('map', '{"x": 1}', '{"y": 2}', '{"x": 3}', '{"x": 3, "y": 2}', '{"x": 3, "y": 2}');
CREATE FUNCTION pg_temp.outcome(s strategy, who text, sees boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.push(who, pg_temp.item('every', jsonb_build_object(s.field, s.before)));
    PERFORM pg_temp.correct(who, 'every', jsonb_build_object(s.field, s.corrected));
    PERFORM pg_temp.push(who, pg_temp.item('every', jsonb_build_object(s.field, s.item), 3,
        CASE WHEN sees THEN pg_temp.seen(who) ELSE '{}' END));
    RETURN pg_temp.shown(who) -> s.field;
END $$;
SELECT is(pg_temp.outcome(s, 'unseen' || n, false), unseen, format('%s, corrected to %s, and %s that has not seen it',
    field, corrected, item))
FROM (SELECT s, s.*, row_number() OVER () AS n FROM strategy s) x;
SELECT is(pg_temp.outcome(s, 'seen' || n, true), seen, format('%s, corrected to %s, and %s that has', field, corrected,
    item))
FROM (SELECT s, s.*, row_number() OVER () AS n FROM strategy s) x;
SELECT is((SELECT string_agg(concat_ws(' ', v.learner_id, damage), '; ') FROM learnsync_data.learner l,
    LATERAL learnsync.resource_verify(l.learner_id) v WHERE l.learner_id ~ 'seen\d'), NULL,
    'all of them are what items and corrections make them');
-- Times that the server takes.
SELECT pg_temp.push('times', pg_temp.item('every', '{"high": 1}', -60));
SELECT is(pg_temp.correct('times', 'every', '{"began": "2020-05-01T12:00:00+02:00", "ended": "2030-01-01T00:00:00Z"}'),
    '3', 'times are corrected');
SELECT pg_temp.push('times', pg_temp.item('every', '{"high": 2}', -90)),
    pg_temp.push('times', pg_temp.item('every', '{"high": 2}', 1));
SELECT is(pg_temp.shown('times', 'began', 'ended'),
    '{"began": "2020-05-01T10:00:00.000Z", "ended": "2030-01-01T00:00:00.000Z"}', 'times hold');
SELECT pg_temp.push('times', pg_temp.item('every', '{"high": 3}', 2, pg_temp.seen('times')));
SELECT is(pg_temp.shown('times', 'began') || jsonb_build_object('moved', pg_temp.shown('times') ->> 'ended' < '2030'),
    '{"began": "2020-05-01T10:00:00.000Z", "moved": true}', 'the last goes on once it was seen, the first does not');

-- Documents that are taken as a whole.
CREATE TEMP TABLE whole (type text, item jsonb, unseen jsonb, seen jsonb, said text);
INSERT INTO whole VALUES
    ('page', '{"a": 3, "b": 3}', '{"a": 2, "b": 3}', '{"a": 3, "b": 3}', 'server_wins synced'),
    ('page', '{"b": 3}', '{"a": 2, "b": 3}', '{"b": 3}', 'synced synced'),
    ('note', '{"a": 3, "b": 3}', '{"a": 2, "b": 3}', '{"a": 3, "b": 3}', 'server_wins synced'),
    ('fixed', '{"a": 3, "b": 3}', '{"a": 2, "b": 1}', '{"a": 2, "b": 1}', 'server_wins server_wins'),
    ('hand', '{"a": 3, "b": 3}', '{"a": 2, "b": 1}', '{"a": 2, "b": 1}', 'manual_required manual_required'),
    ('hand', '{"a": 2, "b": 1}', '{"a": 2, "b": 1}', '{"a": 2, "b": 1}', 'synced synced'),
    ('grave', '{"a": 3, "b": 3}', '{"a": 2}', '{"a": 2}', 'manual_required manual_required'),
    ('grave', '{"a": 2}', '{"a": 2}', '{"a": 2}', 'synced synced');
CREATE FUNCTION pg_temp.outcome(w whole, who text, sees boolean, OUT shown jsonb, OUT said text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.push(who, pg_temp.item(w.type, '{"a": 1, "b": 1}'));
    PERFORM pg_temp.correct(who, w.type, '{"a": 2}');
    said := pg_temp.push(who, pg_temp.item(w.type, w.item, 3, CASE WHEN sees THEN pg_temp.seen(who) ELSE '{}' END));
    shown := pg_temp.shown(who);
END $$;
CREATE TEMP TABLE came AS
SELECT w.*, a.shown AS of_unseen, b.shown AS of_seen, a.said || ' ' || b.said AS answered
FROM (SELECT w, w.*, row_number() OVER () AS n FROM whole w) w,
    LATERAL pg_temp.outcome(w.w, 'w-unseen' || n, false) a, LATERAL pg_temp.outcome(w.w, 'w-seen' || n, true) b;
SELECT is(of_unseen, unseen, format('%s: %s that has not seen it', type, item)) FROM came ORDER BY n;
SELECT is(of_seen, seen, format('%s: %s that has', type, item)) FROM came ORDER BY n;
SELECT is(answered, said, format('%s: what %s is answered', type, item)) FROM came ORDER BY n;
SELECT is((SELECT string_agg(concat_ws(' ', v.learner_id, damage), '; ') FROM learnsync_data.learner l,
    LATERAL learnsync.resource_verify(l.learner_id) v WHERE l.learner_id ~ '^w-'), NULL,
    'all of them are what items and corrections make them');
-- An attempt is corrected whole.
SELECT learnsync.sync_push('quiz', jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(
    jsonb_build_object('id', 'q', 'operation', 'create', 'resourceType', 'quiz_attempt', 'clientTimestamp',
        '2026-01-08T10:00:00Z', 'data', '{"quizId": "q", "attemptNumber": 1, "score": 9, "cheated": false}'::jsonb))));
SELECT is(pg_temp.correct('quiz', 'quiz_attempt', '{"score": 0}', '{"resourceId": "[\"q\",1]"}'), '3',
    'an attempt is corrected');
SELECT is(pg_temp.shown('quiz'), '{"score": 0, "quizId": "q", "attemptNumber": 1}', 'as a whole');

-- Uncorrected it is what it would be, to the byte.
SELECT pg_temp.push('back', pg_temp.item('every', '{"high": 1.50, "spent": 3, "total": 4, "last": 1, "first": 1,
    "any": true, "all": true, "rank": "b", "map": {"x": 1, "y": null}, "tags": ["t"], "more": [1]}'));
SELECT pg_temp.push('back', pg_temp.item('every', '{"last": 2, "map": {"x": 2}}', -70));
SELECT pg_temp.stored('back') AS before \gset
SELECT is(pg_temp.correct('back', 'every', '{"high": 1, "spent": null, "total": 1, "last": null, "first": 0,
    "any": false, "all": false, "rank": "a", "map": {"x": null, "z": 1}, "more": 7, "new": 8, "began": null}'), '4',
    'corrected');
SELECT is(pg_temp.shown('back') - 'ended', '{"high": 1, "total": 1, "last": null, "first": 0, "any": false,
    "all": false, "rank": "a", "map": {"z": 1}, "more": 7, "new": 8, "tags": ["t"], "grade": "low"}',
    'everything is another');
SELECT is(pg_temp.uncorrect('back', 'every'), '5', 'taken back');
SELECT is(pg_temp.stored('back'), :'before', 'to the byte');
-- With items meanwhile it is what these make without a correction.
SELECT pg_temp.correct('back', 'every', '{"high": 1, "spent": 0, "total": 0, "last": 9, "map": {"x": 9}}');
SELECT pg_temp.push(who, jsonb_agg(i)) FROM unnest('{back,never}'::text[]) who, (
    SELECT i || '{"clientTimestamp": "2026-05-01T10:00:00Z"}' FROM (VALUES
        (pg_temp.item('every', '{"high": 5, "spent": 5, "total": 9, "last": 5, "map": {"x": 5, "w": 5}}')),
        (pg_temp.item('every', '{"high": 6, "spent": 6, "total": 9, "last": 6, "tags": ["u"]}'))) v (i)) x (i)
GROUP BY who;
SELECT is(pg_temp.shown('back', 'high', 'spent', 'total', 'last', 'map'),
    '{"high": 1, "spent": 0, "total": 0, "last": 9, "map": {"x": 9, "w": 5}}', 'meanwhile');
SELECT is(pg_temp.uncorrect('back', 'every'), '8', 'taken back again');
SELECT is(pg_temp.shown('back', 'high', 'spent', 'total', 'tags'),
    '{"high": 6, "spent": 14, "total": 9, "tags": ["u", "t"]}', 'what came meanwhile is there');
SELECT is((SELECT string_agg(damage, ';') FROM learnsync.resource_verify('back')), NULL, 'nothing is damaged');

-- Corrections of corrections: the newest shows, and goes first.
SELECT pg_temp.push('stack', pg_temp.item('every', '{"high": 9, "low": 1}'));
SELECT pg_temp.correct('stack', 'every', '{"high": 4}'), pg_temp.correct('stack', 'every', '{"high": 2, "low": 3}');
SELECT is(pg_temp.shown('stack', 'high', 'low'), '{"high": 2, "low": 3}', 'the newest shows');
SELECT pg_temp.push('stack', pg_temp.item('every', '{"high": 5}', 1, '{"seen": 3}'));
SELECT is(pg_temp.shown('stack', 'high', 'low'), '{"high": 2, "low": 3}', 'to have seen the first is not enough');
SELECT pg_temp.uncorrect('stack', 'every');
SELECT is(pg_temp.shown('stack', 'high', 'low'), '{"high": 5, "low": 1}', 'but it has counted for the first');
SELECT pg_temp.uncorrect('stack', 'every');
SELECT is(pg_temp.shown('stack', 'high', 'low'), '{"high": 9, "low": 1}', 'and all are gone');
SELECT is(pg_temp.uncorrect('stack', 'every'), 'PT404 | no correction stands on this resource', 'then there is none');

-- What a device has seen: the item's word, as a version or a cursor of this life; else the push's, of later items only.
SELECT pg_temp.push('sight', pg_temp.item('every', '{"high": 9}'));
SELECT pg_temp.correct('sight', 'every', '{"high": 1}');
SELECT learnsync.sync_pull('sight', '{"deviceId": "d", "cursor": null}') ->> 'cursor' AS cursor \gset
SELECT pg_temp.push('other', pg_temp.item('every', jsonb_build_object('high', n))) FROM generate_series(1, 5) n;
SELECT regexp_replace(:'cursor', '^(1-[0-9a-f]+)-0-', '\1-9-') AS running \gset
SELECT learnsync.sync_pull('other', '{"deviceId": "d"}') ->> 'cursor' AS foreign \gset
CREATE FUNCTION pg_temp.sees(said jsonb, minute numeric, pushed jsonb, n int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.push('sight', pg_temp.item('every', jsonb_build_object('high', n), minute, said), pushed);
    RETURN pg_temp.shown('sight') -> 'high' = to_jsonb(n);
END $$;
SELECT is(pg_temp.sees(said, minute, pushed, (row_number() OVER ())::int + 1), wanted, format('seen: %s, %s, %s', said,
    minute, pushed))
FROM (VALUES ('{}'::jsonb, 1, '{}'::jsonb, false), ('{"seen": 2}', 1, '{}', false), ('{"seen": 3}', 1, '{}', true),
    ('{"seen": 3}', -100, '{}', true), ('{"seen": 99}', 1, '{}', false), ('{"seen": "3"}', 1, '{}', false),
    ('{"seen": -3}', 1, '{}', false), ('{"seen": {}}', 1, '{}', false),
    (jsonb_build_object('seen', :'cursor'), 1, '{}', true), (jsonb_build_object('seen', :'running'), 1, '{}', false),
    (jsonb_build_object('seen', :'foreign'), 1, '{}', false),
    ('{"seen": null}', 1, '{"lastSyncVersion": 3}', true), ('{}', 1, '{"lastSyncVersion": 3}', true),
    ('{}', 1, '{"lastSyncVersion": 2}', false), ('{}', -100, '{"lastSyncVersion": 3}', false),
    ('{}', 1, '{"lastSyncVersion": 3, "epoch": "another"}', false), ('{"seen": 2}', 1, '{"lastSyncVersion": 3}', false),
    ('{}', 1, jsonb_build_object('cursor', :'cursor'), true),
    ('{}', 1, jsonb_build_object('cursor', :'foreign'), false))
    v (said, minute, pushed, wanted);
SELECT is((SELECT string_agg(damage, ';') FROM learnsync.resource_verify('sight')), NULL, 'all that is remembered');

-- A delete that has not seen it waits for a person.
SELECT pg_temp.push('gone', pg_temp.item('every', '{"high": 9}'));
SELECT pg_temp.correct('gone', 'every', '{"high": 1}');
SELECT is(pg_temp.push('gone', pg_temp.item('every', NULL, 1, '{"operation": "delete"}')), 'manual_required',
    'a delete that has not seen the correction');
SELECT is(pg_temp.shown('gone', 'high'), '{"high": 1}', 'it stays');
SELECT is(pg_temp.push('gone', pg_temp.item('every', NULL, 2, '{"operation": "delete"}' || pg_temp.seen('gone'))),
    'synced',
    'one that has');
SELECT pg_temp.push('gone', pg_temp.item('every', '{"high": 7}', 3));
SELECT is(pg_temp.shown('gone', 'high'), '{"high": 7}', 'does away with the correction as well');
SELECT is(pg_temp.uncorrect('gone', 'every'), 'PT404 | no correction stands on this resource', 'so it does');

-- use_merged is a correction of the fields that differ, where fields are merged.
SELECT learnsync.define_resource_type('plain', '{"key": ["k"], "stale": "discard",
    "fields": {"high": {"merge": "max"}, "spent": {"merge": "sum"}, "began": {"merge": "first_time"},
        "map": {"merge": "map_latest"}, "gone": {"merge": "map_latest"}}}');
SELECT pg_temp.push('merged', pg_temp.item('plain',
        '{"high": 9, "spent": 4, "map": {"a": 1, "b": 1}, "gone": {"c": 1}}', -60)),
    pg_temp.push('merged', pg_temp.item('plain', '{"high": 8}', -70));
SELECT is(learnsync.sync_resolve('merged', jsonb_build_object('conflictId', conflict_id, 'resolution', 'use_merged',
    'mergedData', '{"high": 3, "spent": 4, "map": {"a": 1, "d": 2}}'::jsonb,
    'by', 'ms.k', 'reason', 'so it is')) ->> 'version', '3', 'use_merged')
FROM learnsync_data.conflict WHERE learner_id = 'merged';
SELECT is(pg_temp.shown('merged', 'high', 'spent', 'map', 'gone'),
    '{"high": 3, "spent": 4, "map": {"a": 1, "d": 2}, "gone": {}}', 'is what is shown');
SELECT is(jsonb_path_query_array(learnsync.sync_why('merged', '{"resourceType": "plain", "resourceId": "r"}'),
    '$.corrections[*].data'), '[{"high": 3, "map": {"b": null, "d": 2}, "gone": {"c": null}}]',
    'as a correction of what differs');
SELECT is(jsonb_path_query_first(learnsync.sync_why('merged', '{"resourceType": "plain", "resourceId": "r"}'),
    '$.corrections[0].keyvalue() ? (@.key == "by" || @.key == "reason").value ? (@ == "so it is")'), '"so it is"',
    'with its reason');
SELECT pg_temp.push('merged', pg_temp.item('plain', '{"high": 9, "spent": 2}', 1));
SELECT is(pg_temp.shown('merged', 'high', 'spent'), '{"high": 3, "spent": 6}', 'and holds');
SELECT is((SELECT string_agg(damage, ';') FROM learnsync.resource_verify('merged')), NULL, 'nothing is damaged');

-- Who and why: kept, told, noted.
SELECT is(jsonb_path_query_array(learnsync.sync_why('ann', '{"resourceType": "lesson_progress", "resourceId": "r"}'),
    '$.corrections[*]') #- '{0,at}' #- '{0,correctionId}',
    '[{"by": "ms.k", "data": {"completedAt": null, "completionPercentage": 40}, "reason": "seen by me", "version": 3}]',
    'sync_why tells');
SELECT is(learnsync.sync_why('ann', '{"resourceType": "lesson_progress", "resourceId": "r",
    "field": "completionPercentage"}') #> '{fields,completionPercentage,underneath}', '100', 'and what is underneath');
SELECT is((SELECT concat_ws(' ', action, by, reason, resource_type, resource_id, details -> 'data')
    FROM learnsync_data.audit
    WHERE learner_id = 'ann'),
    'correct ms.k seen by me lesson_progress r {"completedAt": null, "completionPercentage": 40}', 'the audit has it');
SELECT is((SELECT string_agg(action, ' ' ORDER BY at) FROM learnsync_data.audit WHERE learner_id = 'back'),
    'correct uncorrect correct uncorrect', 'and what was taken back');

-- A conflict that is settled by a correction.
SELECT pg_temp.push('settled', pg_temp.item('hand', '{"a": 1}'));
SELECT pg_temp.push('settled', pg_temp.item('hand', '{"a": 2}'));
SELECT is(pg_temp.correct('settled', 'hand', '{"a": 3}', jsonb_build_object('conflictId', conflict_id)), '3', 'settles')
FROM learnsync_data.conflict WHERE learner_id = 'settled';
SELECT is((SELECT concat_ws(' ', closed_by, decided_by, reason) FROM learnsync_data.conflict
    WHERE learner_id = 'settled'),
    'correct ms.k seen by me', 'a conflict');
SELECT is(pg_temp.correct('ann', 'lesson_progress', '{"timeSpent": 1}', jsonb_build_object('conflictId', conflict_id)),
    'PT404 | conflict not found | It may be closed already, or be about another resource.', 'of the same resource only')
FROM learnsync_data.conflict WHERE learner_id = 'settled';

-- Refused.
SELECT learnsync.define_resource_type('closed', '{"key": ["k"], "other": "ignore", "fields": {"n": {"merge": "max"}}}');
SET LOCAL client_min_messages = error; -- that there is no such function, which the first item does not need
SELECT learnsync.define_resource_type('made', '{"key": ["k"], "policy": "custom", "function": "team.newest"}');
RESET client_min_messages;
SELECT pg_temp.push('no', pg_temp.item('made', '{"a": 1}')),
    pg_temp.push('no', pg_temp.item('xapi_statement', '{"actor": {"mbox": "mailto:no@example.org"},
        "verb": {"id": "http://example.org/said"}, "object": {"id": "http://example.org/so"}}', more =>
        '{"resourceId": "6f0b4b4e-7e0e-4c8a-9d5c-2d6a5e0f3b11", "operation": "create"}'));
SELECT pg_temp.push('no', pg_temp.item('closed', '{"n": 1}'));
SELECT pg_temp.push('no', pg_temp.item('every', '{"high": 9, "tags": ["a"]}')),
    pg_temp.push('no', pg_temp.item('clocked', '{"n": 1}'));
SELECT is(pg_temp.correct('no', type, data, more), wanted, format('refused: %s %s %s', type, left(data::text, 50),
    left(more::text, 50)))
FROM (VALUES
    ('every', '{"grade": "top"}'::jsonb, '{}'::jsonb,
        '0A000 | computed field "grade" cannot be corrected | Correct the field that it is computed from.'),
    ('every', '{"tags": {"set": ["b"], "remove": ["b"]}}', '{}', '22023 | tags names a member twice'),
    ('every', '{"tags": {"put": ["b"]}}', '{}', '22023 | tags must be an array of members to set, or an object with '
        'the arrays set and remove'),
    ('every', '{"tags": {"set": {"a": 1}}}', '{}', '22023 | tags must be an array of members to set, or an object with '
        'the arrays set and remove'),
    ('every', '{"tags": null}', '{}', '22023 | tags must be an array of members to set, or an object with the arrays '
        'set and remove'),
    ('every', '{"tags": []}', '{}', '22023 | data must say what is to be corrected'),
    ('clocked', '{"a": 1}', '{}',
        '0A000 | a document with a clock of its own cannot be corrected | Send an item with a later clock.'),
    ('xapi_statement', '{"result": {}}', '{"resourceId": "6f0b4b4e-7e0e-4c8a-9d5c-2d6a5e0f3b11"}',
        '0A000 | an xAPI statement cannot be corrected | Send a statement that voids it.'),
    ('made', '{"a": 1}', '{}',
        '0A000 | a document that a function merges cannot be corrected | Send an item that the function takes.'),
    ('closed', '{"a": 1}', '{}', '22023 | a is no field of such documents'),
    ('every', '{"high": true}', '{}', '22023 | high must be a number or a string'),
    ('every', '{"spent": 1e30}', '{}', '22023 | spent does not fit into 64 bits'),
    ('every', '{"rank": "z"}', '{}', '22023 | rank is not one of the listed values'),
    ('every', '{"map": null}', '{}', '22023 | map must be an object of the keys that are corrected'),
    ('every', '{"began": "yesterday"}', '{}', '22023 | began must be an RFC 3339 time with offset, or null'),
    ('every', '{"_learnsync": {}}', '{}', '22023 | _learnsync is reserved'),
    ('every', '{}', '{}', '22023 | data must say what is to be corrected'),
    ('every', '{"k": "other", "high": 1}', '{}', '22023 | resourceId differs from the key in data'),
    ('every', '{"high": 1}', '{"by": null}', '22023 | by is missing'),
    ('every', '{"high": 1}', '{"reason": null}', '22023 | reason is missing'),
    ('every', '{"high": 1}', jsonb_build_object('by', repeat('x', 201)),
        '22023 | by must be a string of 1 to 200 characters'),
    ('every', '{"high": 1}', '{"reason": ""}', '22023 | reason must be a string of 1 to 2000 characters'),
    ('every', '{"high": 1}', jsonb_build_object('reason', repeat('x', 100000)),
        '22023 | reason must be a string of 1 to 2000 characters'),
    ('every', '{"high": 1}', '{"data": [1]}', '22023 | data must be an object'),
    ('every', '{"high": 1}', '{"resourceId": "other"}', 'PT404 | resource not found'),
    ('unheard', '{"high": 1}', '{}', '42704 | resource type "unheard" does not exist'),
    ('every', jsonb_build_object('x', repeat('x', 300000)), '{}',
        '54000 | data is larger than 262144 bytes | Limits are learnsync.max_item_bytes, learnsync.max_depth, and '
            'numbers of 400 digits that a double can hold.')) v (type, data, more, wanted);
-- What is required stays.
SELECT learnsync.define_resource_type('must', '{"key": ["k"], "fields": {
    "n": {"merge": "max", "required": true, "max": 5}, "t": {"merge": "sum", "max": 5}}}');
SELECT pg_temp.push('must', pg_temp.item('must', '{"n": 3, "t": 5}'));
SELECT pg_temp.push('must', pg_temp.item('must', '{"n": 3, "t": 4}'));
SELECT is(pg_temp.correct('must', 'must', data), wanted, 'required: ' || data::text)
FROM (VALUES ('{"n": null}'::jsonb, '22023 | n is missing'), ('{"n": 6}', '22023 | n must be at most 5'),
    ('{"n": 1}', '4'), ('{"t": 3}', '5')) v (data, wanted);

-- So many at a time.
SELECT is((SELECT string_agg(DISTINCT left(pg_temp.correct('no', 'every', jsonb_build_object('high', n)), 5), ' ')
    FROM generate_series(1, 20) n WHERE n > 0) IS NOT NULL, true, 'twenty stand');
SELECT is(pg_temp.correct('no', 'every', '{"high": 21}'),
    '54000 | too many corrections stand on this resource | Take some back with sync_uncorrect first.', 'and no more');

-- Who may: services, of the learner they name; not learners.
CREATE FUNCTION pg_temp.as_role(role text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
    PERFORM set_config('role', role, true);
    EXECUTE query INTO answer;
    RESET ROLE;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
SELECT is(pg_temp.as_role('test_correct_' || kind, format('SELECT learnsync.%s(''ann'', %L) ->> ''resourceId''', call,
    jsonb_build_object('resourceType', 'lesson_progress', 'resourceId', 'r', 'by', 'b', 'reason', 'r', 'data',
        '{"timeSpent": 5}'::jsonb))), wanted, kind || ' calls ' || call)
FROM (VALUES ('learner', '42501'), ('service', 'r')) k (kind, wanted),
    unnest('{sync_correct,sync_uncorrect}'::text[]) call;
SELECT is(pg_temp.correct('somebody', 'every', '{"high": 1}'), 'PT404 | resource not found', 'of nobody else');
SELECT is(pg_temp.uncorrect('ann', 'lesson_progress', '{"correctionId": "d3158cf6-175c-8a85-ac75-45494d37a038"}'),
    'PT409 | another correction is the newest', 'another one than was meant');

-- A rule does not change under a correction.
SELECT matches(pg_temp.try($$ SELECT learnsync.define_resource_type('must', '{"key": ["k"], "fields": {
    "n": {"merge": "min"}, "t": {"merge": "sum", "max": 5}}}', rebase => true) $$),
    '^55006 . 1 documents of resource type "must" do not fit the rule',
    'a change of the rule waits until it is taken back');

-- Laws: after two corrections any order of the same items ends the same, both while these stand and as they go; and
-- where all are gone it is what the items make alone. Items are of before and after, and have seen nothing or so much.
CREATE FUNCTION pg_temp.random_items(n int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(jsonb_build_object('id', n || '-' || i, 'operation', 'update', 'resourceType', 'every',
        'resourceId', 'r', 'clientTimestamp', to_char(clock_timestamp() AT TIME ZONE 'UTC' + CASE WHEN random() < 0.5
            THEN -random() * interval '2 hours' ELSE interval '3 minutes' + random() * interval '90 seconds' END,
            'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'seen', (ARRAY[NULL, 2, 3, 4])[1 + (random() * 3)::int],
        'data', (SELECT jsonb_object_agg(key, value) FROM jsonb_each(jsonb_build_object(
            'high', (random() * 9)::int, 'low', (random() * 9)::int, 'spent', (random() * 9)::int,
            'total', (random() * 99)::int, 'last', (random() * 9)::int, 'first', (random() * 9)::int,
            'any', random() < 0.5, 'all', random() < 0.5, 'rank', (ARRAY['a', 'b', 'c', 'd'])[1 + (random() * 3)::int],
            'map', jsonb_build_object('x', (random() * 9)::int, 'y', (ARRAY[NULL, 1, 2])[1 + (random() * 2)::int]),
            'tags', jsonb_build_array((random() * 5)::int::text))) WHERE random() < 0.5 OR key = 'high')))
    FROM generate_series(1, 12) i $$;
CREATE FUNCTION pg_temp.live(who text, items jsonb, corrects boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    item jsonb;
    said text := '';
BEGIN
    PERFORM learnsync.sync_push(who, jsonb_build_object('deviceId', 'first', 'items', jsonb_build_array(
        jsonb_build_object('id', 'first', 'operation', 'update', 'resourceType', 'every', 'resourceId', 'r',
            'clientTimestamp', '2026-01-08T10:00:00Z',
            'data', '{"high": 5, "low": 5, "spent": 5, "total": 50, "last": 5, "first": 5,
        "any": true, "all": true, "rank": "b", "map": {"x": 5}, "tags": ["t"]}'::jsonb))));
    IF corrects THEN
        PERFORM pg_temp.correct(who, 'every', '{"high": 3, "low": 6, "spent": 1, "total": 7, "last": 4, "first": 4,
            "any": false, "all": true, "rank": "b", "map": {"x": 4}, "began": null, "ended": null,
            "tags": {"set": ["7", "2"], "remove": ["1", "t"]}}');
        PERFORM pg_temp.correct(who, 'every', '{"high": 2, "spent": 2, "total": null, "map": {"x": null, "y": 7},
            "tags": {"set": ["1"], "remove": ["7", "3"]}}');
    END IF;
    FOR item IN SELECT i FROM jsonb_array_elements(items) i ORDER BY random() LOOP
        PERFORM learnsync.sync_push(who, jsonb_build_object('deviceId', 'd' || length(item ->> 'id') % 2, 'items',
            jsonb_build_array(item)));
    END LOOP;
    FOR n IN 1..2 LOOP
        EXIT WHEN NOT corrects;
        said := concat(said, pg_temp.shown(who), (SELECT string_agg(damage, ';') FROM learnsync.resource_verify(who)));
        PERFORM pg_temp.uncorrect(who, 'every');
    END LOOP;
    RETURN concat(said, pg_temp.shown(who));
END $$;
CREATE TEMP TABLE life AS SELECT n, pg_temp.random_items(n) AS items FROM generate_series(1, 40) n;
SELECT is(
    string_agg(concat_ws(E'\n', items, a, b), E'\n'),
    NULL,
    'any order of the same items')
FROM (SELECT items, pg_temp.live('a' || n, items, true) AS a, pg_temp.live('b' || n, items, true) AS b FROM life) x
WHERE a <> b OR a ~ 'make it';
SELECT is(
    count(*) FILTER (WHERE pg_temp.shown('a' || n) <> pg_temp.live('c' || n, items, false)::jsonb),
    0::bigint,
    'what is taken back has never been')
FROM life;

-- Tables that somebody wrote.
CREATE FUNCTION pg_temp.damaged(own jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE learnsync_data.resource SET book = jsonb_build_object('_learnsync', own) WHERE learner_id = 'must';
    RETURN pg_temp.push('must', pg_temp.item('must', '{"n": 2, "t": 1}', 2)) || ' '
        || pg_temp.uncorrect('must', 'must');
END $$;
SELECT matches(pg_temp.damaged(damage), '^(synced|server_wins) (\d+|PT404)',
    'crashes nobody: ' || left(damage::text, 60))
FROM (VALUES ('1'::jsonb), ('[]'), ('{}'), ('{"corrections": 1}'),
    ('{"under": {}, "corrections": [1, {}, {"pins": 3}]}'),
    ('{"under": {"t": "x"}, "corrections": [{"version": "x", "at": 7, "pins": [1, {}, {"field": "t"}]}]}'),
    ('{"under": {}, "corrections": [{"pins": [{"field": "t", "value": "x"}, {"field": "t", "top": true, "topAt": null},
        {"field": "k", "value": 1}, {"field": "n", "part": "x"}, {"field": "n", "value": {}, "topAt": 1}]}]}'))
    v (damage);

-- A correction is kept beside what it hides.
SELECT pg_temp.push('len', pg_temp.item('page', jsonb_build_object('t', repeat('x', 700))));
SET LOCAL learnsync.max_document_bytes = 2000;
SELECT is(pg_temp.correct('len', 'page', jsonb_build_object('t', repeat('y', 700))),
    '54000 | the document and its corrections would be larger than 2000 bytes', 'together they have to fit');
SELECT is(pg_temp.shown('len'), jsonb_build_object('t', repeat('x', 700)), 'else nothing is corrected');
RESET learnsync.max_document_bytes;
SELECT is(pg_temp.correct('len', 'page', jsonb_build_object('t', repeat('y', 700))), '3', 'where there is room it is');

SELECT * FROM finish();
ROLLBACK;
