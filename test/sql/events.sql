-- The event log: what a put answers, what a get hands out, and the scenarios that the format's authors list for its
-- reducer.
BEGIN;
SELECT no_plan();

-- Events in short: an object over a content.progressed of content c by client app at 10:00.
CREATE FUNCTION pg_temp.event(id text, more jsonb DEFAULT '{}', payload jsonb DEFAULT '{}')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('eventId', id, 'occurredAt', '2026-01-08T10:00:00.000Z', 'clientId', 'app',
        'type', 'content.progressed',
        'payload', jsonb_build_object('contentId', 'c', 'status', 'in_progress') || payload) || more $$;
CREATE FUNCTION pg_temp.at(id text, t text, payload jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT pg_temp.event(id, jsonb_build_object('occurredAt', '2026-01-08T' || t || ':00.000Z'), payload) $$;
CREATE FUNCTION pg_temp.put(learner text, VARIADIC events jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.progress_put(learner, jsonb_build_object('events', to_jsonb(events))) -> 'data' $$;
-- Accepted, duplicates, and id/code of the failed ones.
CREATE FUNCTION pg_temp.verdicts(data jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', data ->> 'accepted', data ->> 'duplicates',
        (SELECT string_agg(concat_ws('/', COALESCE(f ->> 'eventId', '-'), f ->> 'code'), ' ' ORDER BY n)
         FROM jsonb_array_elements(data -> 'failedEvents') WITH ORDINALITY AS x (f, n))) $$;
CREATE FUNCTION pg_temp.get(learner text, since text DEFAULT NULL, page int DEFAULT NULL)
    RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN learnsync.progress_get(learner, since, page) -> 'data';
END $$;
CREATE FUNCTION pg_temp.snapshot(learner text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN pg_temp.get(learner) -> 'snapshot';
END $$;
CREATE FUNCTION pg_temp.ids(data jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT COALESCE(string_agg(e ->> 'eventId', ' ' ORDER BY n), '')
    FROM jsonb_array_elements(data -> 'events') WITH ORDINALITY AS x (e, n) $$;
CREATE FUNCTION pg_temp.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '00000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
CREATE FUNCTION pg_temp.trace(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(x, E'\n' ORDER BY x)
    FROM (SELECT (to_jsonb(l) - 'counts')::text FROM learnsync_data.learner l WHERE learner_id = learner
          UNION ALL SELECT e::text FROM learnsync_data.event e WHERE learner_id = learner
          UNION ALL SELECT p::text FROM learnsync_data.progress p WHERE learner_id = learner
          UNION ALL SELECT c::text FROM learnsync_data.progress_content c WHERE learner_id = learner
          UNION ALL SELECT i::text FROM learnsync_data.progress_interaction i WHERE learner_id = learner
          UNION ALL SELECT f::text FROM learnsync_data.failed f WHERE learner_id = learner) AS t (x) $$;

-- A time is shown as it was sent, however few or many digits its second has.
SELECT is(pg_temp.snapshot('spelt') #>> '{content,c,lastAttemptAt}', t, 'a time as it was sent: ' || t)
FROM (SELECT t, pg_temp.put('spelt', pg_temp.event(t, jsonb_build_object('occurredAt', t)))
      FROM unnest('{2026-01-08T10:00:00.5Z,2026-01-08T10:00:01.000000Z,2026-01-08T10:00:02.25Z}'::text[]) t
      OFFSET 0) x (t, p);

-- A name that is no part of the format is passed over, however alike.
SELECT is(pg_temp.verdicts(pg_temp.put('names', pg_temp.event('1', '{}', '{"contentIx": "x", "statux": "passed",
    "scorx": 7, "interactiox": 8, "contentVersiox": 9, "contentIdx": "y"}'))), '1 0', 'names that are alike are taken');
SELECT is(pg_temp.snapshot('names') -> 'content', '{"c": {"status": "in_progress", "contentId": "c",
    "lastAttemptAt": "2026-01-08T10:00:00.000Z", "contentVersion": "v1"}}', 'and mean nothing');

-- The example of the format, unchanged.
SELECT is(
    learnsync.progress_put('seed', '{"clientUpdatedAt": "2025-12-22T20:36:50.595Z",
        "events": [{"eventId": "event-1", "occurredAt": "2025-12-22T20:36:50.595Z", "clientId": "client-123",
            "type": "content.progressed", "payload": {"contentId": "promises-vs-reality", "status": "passed",
                "score": 100, "contentVersion": "v1", "interaction": {"interactionId": "pattern-recognition-quiz",
                    "state": {"kind": "quiz", "selectedOptionId": "c"}}}}]}') #- '{data,cursor}',
    '{"ok": true, "data": {"accepted": 1, "duplicates": 0, "failedEvents": []}}',
    'the answer of a put');
SELECT is(
    pg_temp.snapshot('seed'),
    '{"version": 1, "onboarding": {"pathId": null, "relatedPaths": [], "completedAt": null}, "activePathId": null,
        "content": {"promises-vs-reality": {"contentId": "promises-vs-reality", "status": "passed", "score": 100,
            "contentVersion": "v1", "lastAttemptAt": "2025-12-22T20:36:50.595Z",
            "completedAt": "2025-12-22T20:36:50.595Z",
            "interactions": {"pattern-recognition-quiz": {"kind": "quiz", "selectedOptionId": "c"}}}},
        "streak": {"currentStreak": 1, "longestStreak": 1, "lastActivityDate": "2025-12-22"},
        "lastUpdated": "2025-12-22T20:36:50.595Z"}',
    'its snapshot');
SELECT is(
    pg_temp.get('nobody') - 'cursor',
    '{"events": [], "hasMore": false, "snapshot": {"version": 1,
        "onboarding": {"pathId": null, "relatedPaths": [], "completedAt": null}, "activePathId": null, "content": {},
        "streak": {"currentStreak": 0, "longestStreak": 0, "lastActivityDate": null}, "lastUpdated": null}}',
    'a learner without events');
SELECT is(
    pg_temp.verdicts(learnsync.progress_put('nobody', '{"events": []}') -> 'data'),
    '0 0',
    'a put without events is a success');
SELECT is((SELECT count(*) FROM learnsync_data.learner WHERE learner_id = 'nobody'), 0::bigint, 'and writes nothing');

-- progress-event-reducer: reduces event logs deterministically with status precedence.
SELECT pg_temp.put('precedence',
    pg_temp.at('e3', '12:00', '{"status": "in_progress", "score": 20}'),
    pg_temp.at('e1', '10:00', '{"status": "completed", "score": 80.5}'));
SELECT is(
    pg_temp.snapshot('precedence') #> '{content,c}',
    '{"contentId": "c", "status": "completed", "score": 80.5, "contentVersion": "v1",
        "lastAttemptAt": "2026-01-08T12:00:00.000Z", "completedAt": "2026-01-08T10:00:00.000Z"}',
    'a later lower status does not take the higher one away');
SELECT pg_temp.put('precedence', pg_temp.at('e2', '11:00', '{"status": "passed", "score": 5}'));
SELECT is(
    (pg_temp.snapshot('precedence') #> '{content,c}') - 'contentVersion',
    '{"contentId": "c", "status": "passed", "score": 80.5, "lastAttemptAt": "2026-01-08T12:00:00.000Z",
        "completedAt": "2026-01-08T10:00:00.000Z"}',
    'a higher one wins, and the score is the greatest');
SELECT pg_temp.put('losing score',
    pg_temp.at('e1', '10:00', '{"status": "passed"}'),
    pg_temp.at('e2', '11:00', '{"status": "not_started", "score": 100}'));
SELECT is(pg_temp.snapshot('losing score') #> '{content,c,score}', '100', 'a score counts though its status loses');

-- progress-event-reducer: handles interaction removal (state: null) for quiz reset.
SELECT pg_temp.put('removal',
    pg_temp.at('e1', '10:00', '{"interaction": {"interactionId": "q",
        "state": {"kind": "quiz", "selectedOptionId": "a"}}}'),
    pg_temp.at('e2', '11:00', '{"interaction": {"interactionId": "q", "state": null}}'));
SELECT is(
    pg_temp.snapshot('removal') #> '{content,c}' ? 'interactions',
    false,
    'null removes the interaction, and without any there is no map');
SELECT pg_temp.put('removal', pg_temp.at('e0', '10:30', '{"interaction": {"interactionId": "q",
    "state": {"kind": "quiz", "selectedOptionId": "b"}}}'));
SELECT is(
    pg_temp.snapshot('removal') #> '{content,c}' ? 'interactions',
    false,
    'a state from before the removal does not bring it back');
SELECT pg_temp.put('removal', pg_temp.at('e9', '11:30', '{"interaction": {"interactionId": "q",
    "state": {"any": {"thing": [1, null]}}}}'));
SELECT is(
    pg_temp.snapshot('removal') #> '{content,c,interactions}',
    '{"q": {"any": {"thing": [1, null]}}}',
    'a later one does, whole, whatever it is');

-- progress-event-reducer: produces stable lastAttemptAt and completedAt when events are ordered by occurredAt.
SELECT pg_temp.put('stable',
    pg_temp.at('b', '12:00', '{"status": "passed"}'),
    pg_temp.at('a', '12:00', '{"status": "completed"}'));
SELECT pg_temp.put('stable', pg_temp.at('z', '09:00'), pg_temp.at('y', '11:00', '{"status": "completed"}'));
SELECT is(
    (pg_temp.snapshot('stable') #> '{content,c}') - '{contentId,contentVersion,status}'::text[],
    '{"lastAttemptAt": "2026-01-08T12:00:00.000Z", "completedAt": "2026-01-08T11:00:00.000Z"}',
    'by occurredAt, whatever arrives when');
SELECT pg_temp.put('tie',
    pg_temp.at('b', '12:00', '{"contentVersion": "v3"}'),
    pg_temp.at('B', '12:00', '{"contentVersion": "v2"}'),
    pg_temp.at('a', '12:00', '{"contentVersion": "v9"}'));
SELECT is(pg_temp.snapshot('tie') #>> '{content,c,contentVersion}', 'v3', 'ties go by the bytes of the id');

-- Onboarding and active path.
SELECT pg_temp.put('path', pg_temp.event('e1', '{"type": "onboarding.completed",
    "occurredAt": "2026-01-08T10:00:00+01:00", "payload": {"pathId": "p1", "relatedPaths": ["p2"]}}'));
SELECT is(
    pg_temp.snapshot('path') - '{version,content,streak}'::text[],
    '{"onboarding": {"pathId": "p1", "relatedPaths": ["p2"], "completedAt": "2026-01-08T10:00:00+01:00"},
        "activePathId": "p1", "lastUpdated": "2026-01-08T10:00:00+01:00"}',
    'onboarding.completed sets path, related paths and the active path; times as sent');
SELECT pg_temp.put('path', pg_temp.event('e2', '{"type": "activePath.set", "occurredAt": "2026-01-08T11:00:00Z",
    "payload": {"pathId": "p3"}}'));
SELECT is(pg_temp.snapshot('path') ->> 'activePathId', 'p3', 'activePath.set sets it');
SELECT pg_temp.put('path', pg_temp.event('e3', '{"type": "activePath.set", "occurredAt": "2026-01-08T12:00:00Z",
    "payload": {"pathId": null}}'));
SELECT is(pg_temp.snapshot('path') -> 'activePathId', 'null', 'null clears it');
SELECT pg_temp.put('path',
    pg_temp.event('e4', '{"type": "onboarding.completed", "occurredAt": "2026-01-08T13:00:00Z",
        "payload": {"pathId": "p4"}}'),
    pg_temp.event('e5', '{"type": "onboarding.reset", "occurredAt": "2026-01-08T14:00:00Z"}') - 'payload');
SELECT is(
    pg_temp.snapshot('path') - '{version,content,streak}'::text[],
    '{"onboarding": {"pathId": null, "relatedPaths": [], "completedAt": null}, "activePathId": null,
        "lastUpdated": "2026-01-08T14:00:00Z"}',
    'onboarding.reset clears all of it');
SELECT pg_temp.put('path', pg_temp.event('e6', '{"type": "onboarding.completed", "occurredAt": "2026-01-08T09:30:00Z",
    "payload": {"pathId": "guest"}}'));
SELECT is(
    pg_temp.snapshot('path') #> '{onboarding,pathId}',
    'null',
    'a guest''s earlier onboarding that is merged in later changes nothing');

-- Reset: of what is ordered before it, late arrivals included; no event is deleted.
SELECT pg_temp.put('reset',
    pg_temp.at('e1', '10:00', '{"status": "passed"}'),
    pg_temp.at('e2', '12:00', '{"contentId": "d", "status": "completed"}'),
    pg_temp.event('r1', '{"type": "progress.reset", "occurredAt": "2026-01-08T11:00:00Z"}'));
SELECT is((pg_temp.snapshot('reset') #> '{content}') - 'd', '{}', 'a reset wipes what is before it');
SELECT is(
    (SELECT string_agg(k, ',') FROM jsonb_object_keys(pg_temp.snapshot('reset') -> 'content') k),
    'd',
    'and keeps what is after it');
SELECT pg_temp.put('reset',
    pg_temp.at('e0', '10:30', '{"contentId": "late"}'),
    pg_temp.event('r0', '{"type": "progress.reset", "occurredAt": "2026-01-08T09:00:00Z"}'));
SELECT is(
    (SELECT string_agg(k, ',') FROM jsonb_object_keys(pg_temp.snapshot('reset') -> 'content') k),
    'd',
    'late arrivals from before it stay wiped');
SELECT pg_temp.put('reset', pg_temp.event('r2', '{"type": "progress.reset", "occurredAt": "2026-01-08T13:00:00Z"}'));
SELECT is(
    pg_temp.snapshot('reset') - 'lastUpdated',
    pg_temp.snapshot('nobody') - 'lastUpdated',
    'a later reset leaves an empty snapshot');
SELECT is(
    pg_temp.snapshot('reset') ->> 'lastUpdated',
    '2026-01-08T13:00:00Z',
    'lastUpdated is the greatest occurredAt all the same');
SELECT is(pg_temp.ids(pg_temp.get('reset')), 'e1 e2 r1 e0 r0 r2', 'all events are there, in order of arrival');
SELECT pg_temp.put('reset', pg_temp.at('e5', '13:00'), pg_temp.at('s5', '13:00', '{"contentId": "s"}'));
SELECT is(
    (SELECT string_agg(k, ',') FROM jsonb_object_keys(pg_temp.snapshot('reset') -> 'content') k),
    's',
    'at the same instant the id decides what is before');

-- Streak: distinct UTC days of completedAt, by the calendar.
SELECT learnsync.progress_put('streak', jsonb_build_object('events', (
        SELECT jsonb_agg(pg_temp.event('e' || n,
            jsonb_build_object('occurredAt', t),
            jsonb_build_object('contentId', 'c' || n, 'status', s)))
        FROM (VALUES
            (1, '2024-02-28T23:30:00Z', 'completed'),
            (2, '2024-02-28T23:30:00-01:00', 'passed'),
            (3, '2024-03-01T00:00:00Z', 'completed'),
            (4, '2024-03-02T12:00:00Z', 'in_progress'),
            (5, '2024-12-31T12:00:00Z', 'passed'),
            (6, '2025-01-01T12:00:00Z', 'passed')) AS v (n, t, s))));
SELECT is(
    pg_temp.snapshot('streak') -> 'streak',
    '{"currentStreak": 2, "longestStreak": 3, "lastActivityDate": "2025-01-01"}',
    'days are UTC, leap days and years are days like others, it does not decay');

-- Dedupe.
SELECT is(
    pg_temp.verdicts(pg_temp.put('once', pg_temp.event('e1'), pg_temp.event('e1'),
        pg_temp.event('e2', '{"note": {"kept": 1.50}}'))),
    '2 1',
    'the same event twice in a put counts once');
CREATE TEMP TABLE before AS SELECT pg_temp.trace('once') AS trace;
SELECT is(
    pg_temp.verdicts(pg_temp.put('once', pg_temp.event('e2', '{"note": {"kept": 1.5}}'), pg_temp.event('e1'))),
    '0 2',
    'a retry is a duplicate; values are compared as JSON');
SELECT is(pg_temp.trace('once'), (SELECT trace FROM before), 'and changes nothing but counts');
SELECT is(
    pg_temp.verdicts(pg_temp.put('once',
        pg_temp.event('e1', '{"clientId": "other"}'),
        pg_temp.event('e3'),
        pg_temp.event('e3', '{"x": 1}'),
        pg_temp.event('e4', '{"type": 5}'),
        pg_temp.event('e4'))),
    '2 0 e1/id_reused e3/id_reused e4/invalid',
    'another payload under an id is refused, the first copy stands; a failed one does not occupy its id');
SELECT is(
    (SELECT e ->> 'clientId' FROM jsonb_array_elements(pg_temp.get('once') -> 'events') e
     WHERE e ->> 'eventId' = 'e1'),
    'app',
    'the first copy stands');
SELECT is(
    pg_temp.get('once') #> '{events,1}',
    pg_temp.event('e2', '{"note": {"kept": 1.50}}'),
    'unknown keys are kept');
SELECT is(
    pg_temp.verdicts(pg_temp.put('another', pg_temp.event('e1', '{"clientId": "other"}'))),
    '1 0',
    'ids are per learner');
SELECT is(
    (SELECT string_agg(concat_ws('/', item_id, code, path, retry_count, channel), ' ' ORDER BY item_id)
     FROM learnsync_data.failed WHERE learner_id = 'once'),
    'e1/id_reused/eventId/0/progress_put e3/id_reused/eventId/0/progress_put',
    'failed events are recorded');
SELECT pg_temp.put('once', pg_temp.event('bad', '{"clientId": 1}')),
    pg_temp.put('once', pg_temp.event('bad', '{"clientId": 1}'));
SELECT is(
    (SELECT retry_count FROM learnsync_data.failed WHERE learner_id = 'once' AND item_id = 'bad'),
    1,
    'and counted');
SELECT pg_temp.put('once', pg_temp.event('bad'));
SELECT is(
    (SELECT count(*) FROM learnsync_data.failed WHERE learner_id = 'once' AND item_id = 'bad'),
    0::bigint,
    'until a copy is accepted');
SELECT is((learnsync.sync_status('once') -> 'failedCount')::int, 2, 'sync_status counts them');

-- Clocks.
SELECT pg_temp.put('ahead', pg_temp.event('e1',
    '{"occurredAt": "2999-01-01T00:00:00.000Z"}',
    '{"contentVersion": "future"}'));
SELECT is(
    (SELECT at = received_at AND at <= clock_timestamp() FROM learnsync_data.event WHERE learner_id = 'ahead'),
    true,
    'an event from the future is ordered by the server''s time');
SELECT pg_temp.put('ahead', pg_temp.event('e2',
    jsonb_build_object('occurredAt', to_char(
            clock_timestamp() AT TIME ZONE 'UTC' + interval '1 minute',
            'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
    '{"contentVersion": "now"}'));
SELECT is(pg_temp.snapshot('ahead') #>> '{content,c,contentVersion}', 'now', 'so a later one by a right clock wins');
SELECT is(pg_temp.snapshot('ahead') ->> 'lastUpdated' < '2999', true, 'its time is shown as it is ordered');
SELECT pg_temp.put('ahead', pg_temp.event('e3', '{"occurredAt": "2000-01-01T00:00:00Z"}', '{"contentId": "old"}'));
SELECT is(pg_temp.snapshot('ahead') #>> '{content,old,lastAttemptAt}', '2000-01-01T00:00:00Z', 'old is welcome');

-- Limits.
SET LOCAL learnsync.max_learner_events = 3;
SELECT is(
    pg_temp.verdicts(pg_temp.put('full', pg_temp.event('e1'), pg_temp.event('e2'), pg_temp.event('e2'),
        pg_temp.event('e3'), pg_temp.event('e4'))),
    '3 1 e4/too_many',
    'a log holds so many events');
SELECT is(
    pg_temp.verdicts(pg_temp.put('full', pg_temp.event('e3'), pg_temp.event('e5'))),
    '0 1 e5/too_many',
    'what it holds is known all the same');
CREATE FUNCTION pg_temp.reset(id text, type text DEFAULT 'progress.reset') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('eventId', id, 'clientId', 'web', 'type', type, 'occurredAt', '2026-01-09T00:00:00Z',
        'payload', '{}'::jsonb) $$;
SELECT is(
    pg_temp.verdicts(pg_temp.put('full', pg_temp.reset('r1'), pg_temp.reset('r2', 'onboarding.reset'),
        pg_temp.event('e6'), pg_temp.reset('r1'))),
    '2 1 e6/too_many',
    'a full log still takes resets');
SELECT is(pg_temp.snapshot('full') -> 'content', '{}', 'which do what they say');
SELECT is(
    (SELECT sum((learnsync.progress_put('full', jsonb_build_object('events', (
             SELECT jsonb_agg(pg_temp.reset('x' || n))
             FROM generate_series(100 * p, 100 * p + 99) n))) #>> '{data,accepted}')::int)
     FROM generate_series(1, 3) p),
    98::bigint,
    'though not for ever: a hundred more than it holds, or a hundredth of it');
SELECT is(
    pg_temp.put('full', pg_temp.reset('r1'), pg_temp.reset('x100'))->> 'duplicates',
    '2',
    'what it took is known');

-- Who looks is warned in time.
SET LOCAL learnsync.max_learner_events = 5;
SELECT pg_temp.put('near', VARIADIC ARRAY(SELECT pg_temp.event('e' || n) FROM generate_series(1, 3) n));
SELECT is(
    learnsync.sync_status('near') -> 'warnings',
    '[]',
    'below 80 % of what a log may hold, sync_status warns of nothing');
SELECT is(learnsync.sync_status('nobody') -> 'warnings', '[]', 'nor for a learner without events');
SELECT pg_temp.put('near', pg_temp.event('e4'));
SELECT is(
    learnsync.sync_status('near') -> 'warnings',
    '[{"code": "event_log_filling", "count": 4, "limit": 5, "message": "the event log holds 4 of 5 events"}]',
    'from 80 % on it warns');
SELECT is(learnsync.sync_status('near', 'some device') #> '{warnings,0,count}', '4', 'whatever device it is asked for');
SELECT pg_temp.put('near', pg_temp.event('e5'));
SELECT is(
    learnsync.sync_status('near') -> 'warnings',
    '[{"code": "event_log_full", "count": 5, "limit": 5,
        "message": "the event log holds 5 of 5 events: it is full, and takes resets only"}]',
    'and says so when it is full');
RESET learnsync.max_learner_events;
SET LOCAL learnsync.max_item_bytes = 2048;
SET LOCAL learnsync.max_depth = 6;
SELECT is(
    pg_temp.verdicts(pg_temp.put('large',
        pg_temp.event('e1', jsonb_build_object('x', repeat('x', 3000))),
        pg_temp.event('e2', '{"x": [[[[[["deep"]]]]]]}'),
        pg_temp.event('e3', '{"x": [[[["deep"]]]]}'))),
    '1 0 e1/too_large e2/too_large',
    'an event may have so many bytes and be nested so deeply');
SELECT is(
    (SELECT string_agg(concat_ws('/', item_id, item IS NULL), ' ' ORDER BY item_id) FROM learnsync_data.failed
     WHERE learner_id = 'large'),
    'e1/t e2/t',
    'the payload of one that is too large is not kept');
RESET learnsync.max_item_bytes;
RESET learnsync.max_depth;

-- Cursors.
CREATE TEMP TABLE cursor (name text, value text);
INSERT INTO cursor SELECT 'phone', pg_temp.put('cursor', pg_temp.event('p1'), pg_temp.event('p2')) ->> 'cursor';
SELECT is(pg_temp.ids(pg_temp.get('cursor', (SELECT value FROM cursor))), 'p1 p2',
    'who puts without a cursor may hold nothing: the client''s name proves nothing');
UPDATE cursor SET value = pg_temp.get('cursor', value) ->> 'cursor';
INSERT INTO cursor SELECT 'tablet', pg_temp.put('cursor', pg_temp.event('t1', '{"clientId": "tablet"}')) ->> 'cursor';
SELECT is(
    pg_temp.ids(pg_temp.get('cursor', (SELECT value FROM cursor WHERE name = 'tablet'))),
    'p1 p2 t1',
    'the cursor of a put never skips what others did');
SELECT is(
    pg_temp.ids(pg_temp.get('cursor', (SELECT value FROM cursor WHERE name = 'phone'))),
    't1',
    'a cursor gets what arrived after it');
UPDATE cursor SET value = pg_temp.get('cursor') ->> 'cursor' WHERE name = 'tablet';
UPDATE cursor
    SET value = learnsync.progress_put('cursor', jsonb_build_object('since', value,
        'events', jsonb_build_array(pg_temp.event('t2', '{"clientId": "tablet"}')))) #>> '{data,cursor}'
WHERE name = 'tablet';
SELECT is(
    pg_temp.ids(pg_temp.get('cursor', (SELECT value FROM cursor WHERE name = 'tablet'))),
    '',
    'with since, a put that follows on moves the cursor past itself');
SELECT is(
    learnsync.progress_put('cursor', jsonb_build_object('since', (SELECT value FROM cursor WHERE name = 'phone'),
        'events', jsonb_build_array(pg_temp.event('p3')))) #>> '{data,cursor}',
    (SELECT value FROM cursor WHERE name = 'phone'),
    'one that does not leaves it');
SELECT is(
    pg_temp.ids(pg_temp.get('cursor', since, NULL)),
    'p1 p2 t1 t2 p3',
    'everything for since ' || COALESCE(quote_literal(since), 'NULL'))
    FROM (VALUES
        (NULL),
        (''),
        ('1'),
        ('nonsense'),
        ('00000000-0000-0000-0000-000000000000:3'),
        ((SELECT value FROM cursor WHERE name = 'phone') || '0'),
        ((SELECT value FROM cursor WHERE name = 'phone') || '000000000000000000'),
        ((SELECT regexp_replace(value, ':.*', ':-1') FROM cursor WHERE name = 'phone')),
        ((SELECT regexp_replace(value, ':.*', ':') FROM cursor WHERE name = 'phone'))) AS v (since);
SELECT is(pg_temp.ids(page) || ' ' || (page ->> 'hasMore'), expected, 'page of ' || n)
FROM (VALUES
    (1, 'p1 true'),
    (4, 'p1 p2 t1 t2 true'),
    (5, 'p1 p2 t1 t2 p3 false'),
    (6, 'p1 p2 t1 t2 p3 false')) AS v (n, expected),
    pg_temp.get('cursor', '', n) page;
SET LOCAL learnsync.max_pull_limit = 2;
SELECT is(pg_temp.ids(pg_temp.get('cursor', '', 4)), 'p1 p2', 'pages are as long as max_pull_limit allows');
SELECT is(pg_temp.ids(pg_temp.get('cursor')), 'p1 p2 t1 t2 p3', 'without a limit everything comes');
RESET learnsync.max_pull_limit;
SELECT is(pg_temp.sqlstate_of($$SELECT learnsync.progress_get('cursor', '', 0)$$), '22023', 'limit 0');

-- Envelopes.
SELECT is(
    pg_temp.sqlstate_of(format('SELECT learnsync.progress_put(%L, %L)', 'envelope', request)),
    state,
    'envelope ' || COALESCE(request, 'NULL'))
FROM (VALUES
    (NULL, '22023'),
    ('5', '22023'),
    ('[]', '22023'),
    ('{}', '22023'),
    ('{"events": null}', '22023'),
    ('{"events": {}}', '22023'),
    ('{"events": [], "clientUpdatedAt": "yesterday"}', '22023'),
    ('{"events": [], "clientUpdatedAt": 5}', '22023'),
    ('{"events": [], "clientUpdatedAt": null, "since": null, "deviceId": null}', '00000'),
    ('{"events": [], "since": 5}', '22023'),
    ('{"events": [], "deviceId": ""}', '22023'),
    ('{"events": [], "deviceId": 5}', '22023'),
    ('{"events": [], "since": "nonsense"}', '00000')) AS v (request, state);
SELECT is(
    pg_temp.sqlstate_of(format('SELECT learnsync.progress_put(%L, %L)', learner, '{"events": []}')),
    '22023',
    'learner ' || COALESCE(left(learner, 5), 'NULL'))
FROM (VALUES (NULL), (''), (repeat('x', 201))) AS v (learner);
SELECT is(
    pg_temp.sqlstate_of(format('SELECT learnsync.progress_put(%L, %L)', 'envelope',
        jsonb_build_object('events', (SELECT jsonb_agg(n) FROM generate_series(1, 1001) n)))),
    '54000',
    '1001 events');

-- Devices.
SELECT learnsync.progress_put('device', jsonb_build_object('deviceId', 'd',
    'events', jsonb_build_array(pg_temp.event('e1'))));
SELECT is(
    (SELECT concat_ws(' ', device_id, is_active, version) FROM learnsync_data.device WHERE learner_id = 'device'),
    'd t 1',
    'a device that is named was seen');
UPDATE learnsync_data.device SET is_active = false WHERE learner_id = 'device';
SELECT is(
    pg_temp.sqlstate_of($$SELECT learnsync.progress_put('device', jsonb_build_object('deviceId', 'd',
                              'events', jsonb_build_array(pg_temp.event('e2'))))$$),
    'PT403',
    'a deactivated device is refused');
SELECT is(
    pg_temp.verdicts(pg_temp.put('device', pg_temp.event('e2'))),
    '1 0',
    'puts without a device are not concerned');

-- Versions are shared with pushes, and neither API stumbles over the other's.
CREATE FUNCTION pg_temp.push(learner text, id text, since int DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_strip_nulls(jsonb_build_object('deviceId', 'd',
        'lastSyncVersion', since,
        'items', jsonb_build_array(jsonb_build_object('id', id, 'operation', 'update',
            'resourceType', 'lesson_progress', 'clientTimestamp', '2026-01-08T10:00:00Z',
            'data', jsonb_build_object('lessonId', id))))))::jsonb $$;
CREATE FUNCTION pg_temp.pull(learner text, since int, page int DEFAULT 100) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb := learnsync.sync_pull(learner, jsonb_build_object('deviceId', 'd', 'lastSyncVersion', since,
        'limit', page))::jsonb;
BEGIN
    RETURN concat_ws(' ',
        (SELECT string_agg((c ->> 'resourceId') || '=' || (c ->> 'version'), ' ' ORDER BY n)
         FROM jsonb_array_elements(answer -> 'changes') WITH ORDINALITY AS x (c, n)),
        '->', answer ->> 'syncVersion', answer ->> 'hasMore', answer ->> 'reset');
END $$;
SELECT pg_temp.put('both', pg_temp.event('e1'), pg_temp.event('e2'));
SELECT is(pg_temp.pull('both', 1), '-> 3 false false', 'events are nothing to pull');
SELECT is(
    pg_temp.push('both', 'l1', 1) ->> 'syncVersion',
    '4',
    'a push after events: its cursor covers them, as nothing was to be pulled');
SELECT pg_temp.put('both', pg_temp.event('e3'));
SELECT pg_temp.push('both', 'l2');
SELECT pg_temp.put('both', pg_temp.event('e4'));
SELECT is(pg_temp.pull('both', since), expected, 'pull from ' || since)
FROM (VALUES
    (1, 'l1=4 l2=6 -> 7 false false'),
    (2, 'l1=4 l2=6 -> 7 false false'),
    (3, 'l1=4 l2=6 -> 7 false false'),
    (4, 'l2=6 -> 7 false false'),
    (5, 'l2=6 -> 7 false false'),
    (6, '-> 7 false false'),
    (7, '-> 7 false false'),
    (8, 'l1=4 l2=6 -> 7 false true')) AS v (since, expected);
SELECT is(pg_temp.pull('both', 1, 1), 'l1=4 -> 4 true false', 'page 1');
SELECT is(pg_temp.pull('both', 4, 1), 'l2=6 -> 7 false false', 'page 2: no empty page after it');
SELECT is(pg_temp.push('both', 'l3', 7) ->> 'syncVersion', '8', 'a push of a device that pulled everything');
SELECT is(pg_temp.push('both', 'l4', 5) ->> 'syncVersion', '5', 'a push of a device that did not');
SELECT is(pg_temp.ids(pg_temp.get('both')), 'e1 e2 e3 e4', 'pushes are nothing to get');
SELECT is(
    (SELECT string_agg(version::text, ' ' ORDER BY version)
     FROM (SELECT version FROM learnsync_data.event WHERE learner_id = 'both'
           UNION ALL SELECT version FROM learnsync_data.resource WHERE learner_id = 'both') v),
    '2 3 4 5 6 7 8 9',
    'the counter has no gaps');

-- Who is asking.
SELECT is(pg_temp.sqlstate_of($$SELECT learnsync_api.progress_put('{"events": []}')$$), '28000', 'nobody puts');
SELECT is(pg_temp.sqlstate_of($$SELECT learnsync_api.progress_get()$$), '28000', 'nobody gets');
SET LOCAL request.jwt.claims = '{"sub": "once"}';
SELECT is(
    learnsync_api.progress_get() #> '{data,events}',
    pg_temp.get('once') -> 'events',
    'the claims say whose log it is');
SELECT is(
    pg_temp.verdicts(learnsync_api.progress_put(jsonb_build_object(
        'events', jsonb_build_array(pg_temp.event('e1')))) -> 'data'),
    '0 1',
    'of a put too');
SELECT is(learnsync_api.progress_get("limit" => 1, "since" => '') #>> '{data,hasMore}', 'true', 'arguments by name');
CREATE ROLE events_learner;
SELECT learnsync.grant_access('events_learner', 'learner');
GRANT USAGE ON SCHEMA learnsync, learnsync_data TO events_learner;
GRANT SELECT ON learnsync_data.event, learnsync_data.progress, learnsync_data.progress_content,
    learnsync_data.progress_interaction TO events_learner;
GRANT EXECUTE ON FUNCTION learnsync.current_learner() TO events_learner;
SET LOCAL ROLE events_learner;
SELECT set_config('test.rows',
    concat_ws(' ', (SELECT string_agg(DISTINCT learner_id, ',') FROM learnsync_data.event),
        (SELECT string_agg(DISTINCT learner_id, ',') FROM learnsync_data.progress),
        (SELECT string_agg(DISTINCT learner_id, ',') FROM learnsync_data.progress_content),
        (SELECT count(*) FROM learnsync_data.progress_interaction),
        learnsync_api.progress_get() #>> '{data,hasMore}'),
    true);
RESET ROLE;
SELECT is(current_setting('test.rows'), 'once once once 0 false', 'row security shows a learner its own rows');
RESET request.jwt.claims;

-- Verify and rebuild.
SELECT is((SELECT count(*) FROM learnsync.progress_verify()), 0::bigint, 'every stored snapshot is what the log says');
UPDATE learnsync_data.progress_content SET score = 1 WHERE learner_id = 'precedence';
DELETE FROM learnsync_data.progress_interaction WHERE learner_id = 'removal';
UPDATE learnsync_data.progress SET active_path = 'x', active_id = 'x', active_at = now() WHERE learner_id = 'tie';
DELETE FROM learnsync_data.event WHERE learner_id = 'once' AND event_id = 'e1';
INSERT INTO learnsync_data.progress_content (learner_id, content_id, status, last_at, last_id)
    VALUES ('both', 'ghost', 'passed', now(), 'x');
SELECT is(
    (SELECT string_agg(learner_id, ' ' ORDER BY learner_id) FROM learnsync.progress_verify()),
    'both once precedence removal tie',
    'verify names the learners that differ');
SELECT * FROM finish();
ROLLBACK;
