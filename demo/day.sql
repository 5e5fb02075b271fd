-- A day of two devices of one learner. Each step shows what the app sends and what it gets back.
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on

-- Who is signed in. Behind PostgREST the token says it; a trusted backend sets it for its connection.
SET learnsync.learner_id = 'ada';

-- The apps' own storage: the cursors of each device, and the documents that it holds.
CREATE TEMP TABLE device (device text PRIMARY KEY, cursor bigint NOT NULL, since bigint NOT NULL, epoch text);
CREATE TEMP TABLE held (device text, type text, id text, document jsonb NOT NULL, PRIMARY KEY (device, type, id));
INSERT INTO device VALUES ('phone', 1, 1, NULL), ('tablet', 1, 1, NULL);
\set page 100
\set brief off

\echo '=== Morning. Ada starts a lesson on her phone. It is online and pushes at once.'
SELECT '{
  "deviceId": "phone", "deviceName": "Ada''s phone", "metadata": {"platform": "ios", "appVersion": "1.0.0"},
  "items": [
    {"id": "p-1", "operation": "create", "resourceType": "lesson_progress",
     "data": {"lessonId": "fractions", "courseId": "math", "completionPercentage": 30, "timeSpent": 600000},
     "clientTimestamp": "2024-01-08T08:00:00.000Z"}]}' AS request \gset
\ir push.psql

\echo
\echo '=== Her tablet pulls. It has seen nothing yet, so its cursor is 1.'
\set device tablet
\ir pull.psql

\echo
\echo '=== Both go offline. On the bus she goes on with the lesson on the phone, takes a quiz and asks the tutor.'
\echo '=== At home she uses the tablet: more of the lesson, the same quiz, another question.'
\echo '=== The tablet comes back first and says up to where it has seen everything (lastSyncVersion). Nothing came in'
\echo '=== between, so the syncVersion that it gets covers its own push too.'
SELECT '{
  "deviceId": "tablet", "deviceName": "Ada''s tablet", "lastSyncVersion": 2,
  "items": [
    {"id": "t-1", "operation": "update", "resourceType": "lesson_progress",
     "data": {"lessonId": "fractions", "completionPercentage": 80, "timeSpent": 900000},
     "clientTimestamp": "2024-01-08T16:00:00.000Z"},
    {"id": "t-2", "operation": "create", "resourceType": "quiz_attempt",
     "data": {"quizId": "fractions-quiz", "attemptNumber": 1, "responses": ["a", "c"], "score": {"raw": 2, "max": 2}},
     "clientTimestamp": "2024-01-08T16:20:00.000Z"},
    {"id": "t-3", "operation": "update", "resourceType": "conversation", "resourceId": "tutor",
     "data": {"messages": [{"id": "m2", "text": "And how do I divide them?"}]},
     "clientTimestamp": "2024-01-08T16:30:00.000Z"}]}' AS request \gset
\ir push.psql

\echo
\echo '=== The phone comes back. Its part of the lesson (p-2) is older than what the server has: it is merged all the same,'
\echo '=== and answered as a conflict that the server has settled, with the document to take over. Its quiz attempt (p-3) is a'
\echo '=== second attempt 1: a person has to decide, the copy is kept. One item (p-4) is bad; it fails alone.'
SELECT '{
  "deviceId": "phone",
  "items": [
    {"id": "p-2", "operation": "update", "resourceType": "lesson_progress",
     "data": {"lessonId": "fractions", "completionPercentage": 50, "timeSpent": 300000},
     "clientTimestamp": "2024-01-08T12:00:00.000Z"},
    {"id": "p-3", "operation": "create", "resourceType": "quiz_attempt",
     "data": {"quizId": "fractions-quiz", "attemptNumber": 1, "responses": ["a", "b"], "score": {"raw": 1, "max": 2}},
     "clientTimestamp": "2024-01-08T12:20:00.000Z"},
    {"id": "p-4", "operation": "update", "resourceType": "lesson_progress",
     "data": {"lessonId": "decimals", "completionPercentage": 130, "timeSpent": 120000},
     "clientTimestamp": "2024-01-08T12:40:00.000Z"},
    {"id": "p-5", "operation": "update", "resourceType": "conversation", "resourceId": "tutor",
     "data": {"messages": [{"id": "m1", "text": "How do I add fractions?"}]},
     "clientTimestamp": "2024-01-08T12:50:00.000Z"}]}' AS request \gset
\ir push.psql
SELECT :'answer' AS first_answer \gset

\echo
\echo '=== That answer is lost in a tunnel. The phone does not know, and sends the same bytes again. It gets the same'
\echo '=== verdicts, versions and conflict ids, marked as duplicates, and nothing is counted a second time.'
\ir push.psql
SELECT (SELECT jsonb_agg(r - 'duplicate') FROM jsonb_array_elements(:'first_answer'::jsonb -> 'results') r) =
       (SELECT jsonb_agg(r - 'duplicate') FROM jsonb_array_elements(:'answer'::jsonb -> 'results') r)
   AND :'first_answer'::jsonb -> 'conflicts' = :'answer'::jsonb -> 'conflicts' AS same_answer \gset

\echo
\echo '=== A failed item does not use up its id. The app corrects p-4 and sends it again.'
SELECT '{
  "deviceId": "phone",
  "items": [
    {"id": "p-4", "operation": "update", "resourceType": "lesson_progress",
     "data": {"lessonId": "decimals", "completionPercentage": 13, "timeSpent": 120000},
     "clientTimestamp": "2024-01-08T12:40:00.000Z"}]}' AS request \gset
\ir push.psql

\echo
\echo '=== An id that was accepted cannot come back with other content: p-1 stands as it is.'
SELECT '{
  "deviceId": "phone",
  "items": [
    {"id": "p-1", "operation": "update", "resourceType": "lesson_progress",
     "data": {"lessonId": "fractions", "completionPercentage": 99, "timeSpent": 600000},
     "clientTimestamp": "2024-01-08T08:00:00.000Z"}]}' AS request \gset
\ir push.psql

\echo
\echo '=== The phone pulls, two changes to a page. "from" stays the same while there is more.'
\set device phone
\set page 2
\ir pull.psql
\ir pull.psql
\set page 100

\set brief on
\echo
\echo '=== Evening: three conflicts, each in both orders of arrival. From here on answers are shown in short.'
\echo '=== 1. Stale progress: 50 % on day 1 on the phone, 75 % on day 2 on the tablet. "late": the 50 % arrive last.'
\echo '===    "early": they arrive first. Only the late ones meet newer data; both lessons end up the same.'
SELECT '{
  "deviceId": "tablet",
  "items": [
    {"id": "t-10", "operation": "update", "resourceType": "lesson_progress",
     "data": {"lessonId": "stale-late", "completionPercentage": 75, "timeSpent": 1000},
     "clientTimestamp": "2024-01-09T10:00:00.000Z"}]}' AS request \gset
\ir push.psql
SELECT '{
  "deviceId": "phone",
  "items": [
    {"id": "p-10", "operation": "update", "resourceType": "lesson_progress",
     "data": {"lessonId": "stale-late", "completionPercentage": 50, "timeSpent": 2000},
     "clientTimestamp": "2024-01-08T10:00:00.000Z"},
    {"id": "p-11", "operation": "update", "resourceType": "lesson_progress",
     "data": {"lessonId": "stale-early", "completionPercentage": 50, "timeSpent": 2000},
     "clientTimestamp": "2024-01-08T10:00:00.000Z"}]}' AS request \gset
\ir push.psql
SELECT '{
  "deviceId": "tablet",
  "items": [
    {"id": "t-11", "operation": "update", "resourceType": "lesson_progress",
     "data": {"lessonId": "stale-early", "completionPercentage": 75, "timeSpent": 1000},
     "clientTimestamp": "2024-01-09T10:00:00.000Z"}]}' AS request \gset
\ir push.psql

\echo
\echo '=== 2. A quiz attempt sent twice. Under its own id (p-20) it is the same item. A client bug gives the copy a new id:'
\echo '===    the attempt is there already, so the server''s stands. For quiz "b" the copy with the later time arrives first.'
SELECT '{
  "deviceId": "phone",
  "items": [
    {"id": "p-20", "operation": "create", "resourceType": "quiz_attempt",
     "data": {"quizId": "a", "attemptNumber": 1, "responses": ["x"]}, "clientTimestamp": "2024-01-09T11:00:00.000Z"},
    {"id": "p-21", "operation": "create", "resourceType": "quiz_attempt",
     "data": {"quizId": "b", "attemptNumber": 1, "responses": ["x"]}, "clientTimestamp": "2024-01-09T11:05:00.000Z"}]}'
AS request \gset
\ir push.psql
SELECT '{
  "deviceId": "phone",
  "items": [
    {"id": "p-20", "operation": "create", "resourceType": "quiz_attempt",
     "data": {"quizId": "a", "attemptNumber": 1, "responses": ["x"]}, "clientTimestamp": "2024-01-09T11:00:00.000Z"},
    {"id": "p-22", "operation": "create", "resourceType": "quiz_attempt",
     "data": {"quizId": "a", "attemptNumber": 1, "responses": ["x"]}, "clientTimestamp": "2024-01-09T11:05:00.000Z"},
    {"id": "p-23", "operation": "create", "resourceType": "quiz_attempt",
     "data": {"quizId": "b", "attemptNumber": 1, "responses": ["x"]}, "clientTimestamp": "2024-01-09T11:00:00.000Z"}]}'
AS request \gset
\ir push.psql

\echo
\echo '=== 3. Concurrent progress: 40 % on the phone, a minute later 60 % on the tablet. In both orders 60 % and all of the'
\echo '===    time remain. Where the older item comes second, the answer brings the merged document.'
SELECT '{
  "deviceId": "phone",
  "items": [
    {"id": "p-30", "operation": "update", "resourceType": "lesson_progress",
     "data": {"lessonId": "phone-first", "completionPercentage": 40, "timeSpent": 4000},
     "clientTimestamp": "2024-01-09T12:00:00.000Z"}]}' AS request \gset
\ir push.psql
SELECT '{
  "deviceId": "tablet",
  "items": [
    {"id": "t-30", "operation": "update", "resourceType": "lesson_progress",
     "data": {"lessonId": "phone-first", "completionPercentage": 60, "timeSpent": 6000},
     "clientTimestamp": "2024-01-09T12:01:00.000Z"},
    {"id": "t-31", "operation": "update", "resourceType": "lesson_progress",
     "data": {"lessonId": "tablet-first", "completionPercentage": 60, "timeSpent": 6000},
     "clientTimestamp": "2024-01-09T12:01:00.000Z"}]}' AS request \gset
\ir push.psql
SELECT '{
  "deviceId": "phone",
  "items": [
    {"id": "p-31", "operation": "update", "resourceType": "lesson_progress",
     "data": {"lessonId": "tablet-first", "completionPercentage": 40, "timeSpent": 4000},
     "clientTimestamp": "2024-01-09T12:00:00.000Z"}]}' AS request \gset
\ir push.psql

\echo
\echo '=== A delete. The tablet removes the lesson "decimals" at 18:00. The phone''s edit of 17:00 arrives later and is gone'
\echo '=== with it (serverData null); its edit of 19:00 starts the lesson anew.'
SELECT '{
  "deviceId": "tablet",
  "items": [
    {"id": "t-40", "operation": "delete", "resourceType": "lesson_progress", "resourceId": "decimals",
     "clientTimestamp": "2024-01-09T18:00:00.000Z"}]}' AS request \gset
\ir push.psql
SELECT '{
  "deviceId": "phone",
  "items": [
    {"id": "p-40", "operation": "update", "resourceType": "lesson_progress", "resourceId": "decimals",
     "data": {"completionPercentage": 90, "timeSpent": 7000}, "clientTimestamp": "2024-01-09T17:00:00.000Z"}]}'
AS request \gset
\ir push.psql
SELECT '{
  "deviceId": "phone",
  "items": [
    {"id": "p-41", "operation": "update", "resourceType": "lesson_progress", "resourceId": "decimals",
     "data": {"completionPercentage": 5, "timeSpent": 8000}, "clientTimestamp": "2024-01-09T19:00:00.000Z"},
    {"id": "p-42", "operation": "delete", "resourceType": "lesson_progress", "resourceId": "phone-first",
     "clientTimestamp": "2024-01-09T20:00:00.000Z"}]}' AS request \gset
\ir push.psql

\echo
\echo '=== The team adds a resource type of its own: a name and a merge rule.'
SELECT '{
  "key": ["cardId"], "policy": "merge", "other": "refuse",
  "fields": {
    "reviews": {"merge": "sum", "type": "integer", "min": 0},
    "best":    {"merge": "max", "type": "number", "min": 0, "max": 5},
    "level":   {"merge": "rank", "values": ["new", "learning", "known"]},
    "tags":    {"merge": "union"},
    "note":    {"merge": "latest", "type": "string", "maxLength": 500}}}' AS rule \gset
\echo
\echo '-> define_resource_type flashcard' :rule
SELECT learnsync.define_resource_type('flashcard', :'rule') \g /dev/null
SELECT '{
  "deviceId": "tablet",
  "items": [
    {"id": "t-50", "operation": "update", "resourceType": "flashcard",
     "data": {"cardId": "c1", "reviews": 2, "best": 4, "level": "known", "tags": ["verbs"], "note": "easy now"},
     "clientTimestamp": "2024-01-09T20:10:00.000Z"}]}' AS request \gset
\ir push.psql
SELECT '{
  "deviceId": "phone",
  "items": [
    {"id": "p-50", "operation": "update", "resourceType": "flashcard",
     "data": {"cardId": "c1", "reviews": 3, "best": 3, "level": "learning", "tags": ["hard"], "note": "tricky"},
     "clientTimestamp": "2024-01-09T20:05:00.000Z"},
    {"id": "p-51", "operation": "update", "resourceType": "flashcard",
     "data": {"cardId": "c1", "colour": "red"}, "clientTimestamp": "2024-01-09T20:06:00.000Z"}]}' AS request \gset
\ir push.psql

\echo
\echo '=== Another way to sync: the app records what Ada does as events. The phone puts two and, as the answer got lost,'
\echo '=== puts them again with one more; the tablet reduces nothing itself, it gets events and the snapshot.'
SELECT '{"eventId": "ev-1", "occurredAt": "2024-01-09T20:20:00.000Z", "clientId": "phone-app", "type": "content.progressed",
     "payload": {"contentId": "fractions", "status": "completed", "score": 70}}' AS first,
    '{"eventId": "ev-2", "occurredAt": "2024-01-09T20:30:00.000Z", "clientId": "phone-app", "type": "content.progressed",
     "payload": {"contentId": "fractions", "status": "in_progress", "score": 90,
                 "interaction": {"interactionId": "quiz", "state": {"selected": "b"}}}}' AS second,
    '{"eventId": "ev-3", "occurredAt": "2024-01-09T20:10:00.000Z", "clientId": "phone-app", "type": "onboarding.completed",
     "payload": {"pathId": "math"}}' AS third \gset
SELECT format('{"events": [%s, %s]}', :'first', :'second') AS request \gset
\echo
\echo '-> progress_put' :request
SELECT learnsync_api.progress_put(:'request') AS answer \gset
\echo '<-' :answer
SELECT format('{"events": [%s, %s, %s]}', :'first', :'second', :'third') AS request \gset
\echo '-> progress_put, the same two and' :third
SELECT learnsync_api.progress_put(:'request') AS answer \gset
\echo '<-' :answer
\echo
\echo '-> progress_get'
SELECT learnsync_api.progress_get() AS log \gset
\echo '<-'
SELECT jsonb_pretty(:'log'::jsonb #> '{data,snapshot}');
SELECT 'events: ' || jsonb_array_length(:'log'::jsonb #> '{data,events}');

\echo
\echo '=== Two more ways, over the same engine. The content catalog says which modules there are. An app that reports modules'
\echo '=== learns of each event what became of it; what it changed is pulled below like anything else.'
SELECT '{"contents": [{"contentId": "unit-1", "courseId": "math", "kind": "module"},
              {"contentId": "fractions", "courseId": "math", "parentId": "unit-1"}, {"contentId": "decimals", "courseId": "math"}]}' AS request \gset
\echo
\echo '-> register_content' :request
SELECT learnsync.register_content(:'request') AS answer \gset
\echo '<-' :answer
SELECT '{"events": [
    {"idempotencyKey": "k-1", "deviceId": "phone", "moduleId": "unit-1", "score": 80, "clientTimestamp": "2024-01-09T21:00:00.000Z"},
    {"idempotencyKey": "k-2", "deviceId": "phone", "moduleId": "unit-1", "score": 70, "clientTimestamp": "2024-01-09T21:05:00.000Z"},
    {"idempotencyKey": "k-3", "deviceId": "phone", "moduleId": "unit-9", "score": 90, "clientTimestamp": "2024-01-09T21:10:00.000Z"}]}' AS request \gset
\echo
\echo '-> sync_completions' :request
SELECT learnsync_api.sync_completions(:'request') AS answer \gset
\echo '<-'
SELECT value FROM jsonb_array_elements(:'answer'::jsonb #> '{data,results}');
\echo
\echo '=== Ada sends activities of her little brother, whose profile a service gave her.'
SELECT learnsync.add_profile('ben', 'ada') \g /dev/null
SELECT '{"profile_id": "ben", "items": [
    {"idempotency_key": "b-1", "activity_type": "letters", "content_id": "A", "score": 90, "duration_seconds": 40, "timestamp": "2024-01-09T21:30:00.000Z"},
    {"idempotency_key": "b-2", "activity_type": "letters"}]}' AS request \gset
\echo
\echo '-> progress_batch' :request
SELECT learnsync_api.progress_batch(:'request') AS answer \gset
\echo '<-'
SELECT value FROM jsonb_array_elements(:'answer'::jsonb -> 'results');
\echo
\echo '<- course_progress, profile_stats of ben'
SELECT jsonb_pretty(to_jsonb(c)) FROM learnsync_api.course_progress c;
SELECT jsonb_pretty(to_jsonb(p)) FROM learnsync_api.profile_stats p WHERE learner_id = 'ben';

\echo
\echo '=== Night. Both devices pull what they have not seen yet.'
\set device tablet
\ir pull.psql
\set device phone
\ir pull.psql

\echo
\echo '=== What is left to do: failed items, and the conflicts that wait for a person.'
\echo
\echo '-> sync_status'
SELECT jsonb_pretty(learnsync_api.sync_status());

-- The check: what Ada did, added up by hand, against what each device holds now.
CREATE TEMP TABLE expected (type text, id text, document jsonb);
INSERT INTO expected VALUES
    ('lesson_progress', 'fractions',
     '{"completionPercentage": 80, "timeSpent": 1800000, "status": "in-progress", "courseId": "math"}'),
    ('lesson_progress', 'decimals', '{"completionPercentage": 5, "timeSpent": 8000}'),
    ('lesson_progress', 'stale-late', '{"completionPercentage": 75, "timeSpent": 3000}'),
    ('lesson_progress', 'stale-early', '{"completionPercentage": 75, "timeSpent": 3000}'),
    ('lesson_progress', 'tablet-first', '{"completionPercentage": 60, "timeSpent": 10000}'),
    ('quiz_attempt', '["fractions-quiz",1]', '{"responses": ["a", "c"], "score": {"raw": 2, "max": 2}}'),
    ('quiz_attempt', '["a",1]', '{"responses": ["x"]}'),
    ('quiz_attempt', '["b",1]', '{"responses": ["x"]}'),
    ('conversation', 'tutor',
     '{"messages": [{"id": "m1", "text": "How do I add fractions?"}, {"id": "m2", "text": "And how do I divide them?"}]}'),
    ('module_completion', 'unit-1', '{"score": 80, "completedAt": "2024-01-09T21:00:00.000Z"}'),
    ('flashcard', 'c1', '{"reviews": 5, "best": 4, "level": "known", "tags": ["hard", "verbs"], "note": "easy now"}');

SET learnsync_demo.same_answer = :'same_answer';
SET learnsync_demo.log = :'log';
DO $$
DECLARE
    wrong text;
BEGIN
    SELECT string_agg(format('%s: %s %s is %s, not %s', d.device, e.type, e.id, h.document, e.document), E'\n') INTO wrong
    FROM device d CROSS JOIN expected e
    LEFT JOIN held h ON h.device = d.device AND h.type = e.type AND h.id = e.id
    WHERE h.document IS NULL OR NOT h.document @> e.document;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'the devices do not hold what was done' USING DETAIL = wrong;
    END IF;
    IF (SELECT count(*) FROM held) <> 2 * (SELECT count(*) FROM expected) THEN
        RAISE EXCEPTION 'a device holds something that should not be there';
    END IF;
    IF EXISTS (SELECT FROM held a FULL JOIN held b ON a.type = b.type AND a.id = b.id AND a.document = b.document
               AND b.device = 'tablet' WHERE a.device = 'phone' AND b.device IS NULL) THEN
        RAISE EXCEPTION 'the devices hold different documents';
    END IF;
    IF NOT current_setting('learnsync_demo.log')::jsonb #> '{data,snapshot}' @> '{"activePathId": "math",
        "content": {"fractions": {"status": "completed", "score": 90, "interactions": {"quiz": {"selected": "b"}}}}}'
        OR jsonb_array_length(current_setting('learnsync_demo.log')::jsonb #> '{data,events}') <> 3 THEN
        RAISE EXCEPTION 'the snapshot is not what the events say';
    END IF;
    IF current_setting('learnsync_demo.same_answer') <> 't' THEN
        RAISE EXCEPTION 'the retry was not answered as the first copy';
    END IF;
    IF learnsync_api.sync_status() -> 'conflictCount' <> '1' OR learnsync_api.sync_status() -> 'failedCount' <> '3' THEN
        RAISE EXCEPTION 'the status counts wrong: %', learnsync_api.sync_status();
    END IF;
END
$$;
SELECT format(E'\n=== Both devices hold the same %s documents with exactly %s ms of study time: '
              'nothing lost, nothing counted twice.',
              count(*), sum((document ->> 'timeSpent')::bigint)) FROM held WHERE device = 'phone';
