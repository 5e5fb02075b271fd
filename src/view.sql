-- The read-only views of learnsync_api, and of learnsync_report for those who may read more than their own rows.
-- setup() makes them, as they stand on the tables. They read with the rights of whoever asks, so row security decides,
-- too. A document's fields are read without trusting what a team's own rule may have let in: numbers as numeric,
-- everything else as it is. Where any number is taken, sums leave out those from 1e15 on: one of 1e131071 would make
-- them overflow, for ever. In learnsync_api learner_id is an expression, so that a filter on it is not estimated from
-- statistics: a client may ask PostgREST for a planner's count, and statistics know how many rows each learner has. In
-- learnsync_report it is the column, by which a report finds those it is about.
CREATE OR REPLACE FUNCTION learnsync_internal.view_list()
    RETURNS TABLE (view text, sums_up boolean, definition text, comment text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $views$
VALUES
    ('lesson_progress', false, $$
SELECT r.learner_id || '' AS learner_id, r.resource_id AS lesson_id, r.data ->> 'courseId' AS course_id,
    (r.data ->> 'completionPercentage')::numeric AS completion_percentage,
    (r.data ->> 'timeSpent')::numeric AS time_spent,
    CASE WHEN (r.data ->> 'completionPercentage')::numeric >= 100 THEN 'completed'
         WHEN (r.data ->> 'completionPercentage')::numeric > 0 THEN 'in-progress'
         ELSE 'not-started' END AS status,
    (r.data ->> 'startedAt')::timestamptz AS started_at,
    (r.data ->> 'completedAt')::timestamptz AS completed_at,
    (r.data ->> 'lastAccessedAt')::timestamptz AS last_accessed_at,
    r.version, r.updated_at, r.data
FROM learnsync_data.resource r
WHERE r.learner_id = (SELECT learnsync.current_learner()) AND r.resource_type = 'lesson_progress'
    AND r.data IS NOT NULL
$$,
        'My lessons: completion_percentage 0 to 100, time_spent in ms, status not-started, in-progress or completed, '
        'the first and last client times, data the document without what is computed.'),
    ('quiz_attempt', false, $$
SELECT r.learner_id || '' AS learner_id, r.data ->> 'quizId' AS quiz_id,
    trim_scale((r.data ->> 'attemptNumber')::numeric) AS attempt_number,
    r.data -> 'score' AS score, r.data -> 'responses' AS responses,
    r.at, r.version, r.updated_at, r.data
FROM learnsync_data.resource r
WHERE r.learner_id = (SELECT learnsync.current_learner()) AND r.resource_type = 'quiz_attempt'
    AND r.data IS NOT NULL
$$,
        'My quiz attempts, at the client time at; score and responses as the app sent them, data the whole document.'),
    ('mastery', false, $$
SELECT r.learner_id || '' AS learner_id, r.resource_id AS competency_id, r.data -> 'level' AS level, r.at,
    r.version, r.updated_at, r.data
FROM learnsync_data.resource r
WHERE r.learner_id = (SELECT learnsync.current_learner()) AND r.resource_type = 'mastery' AND r.data IS NOT NULL
$$,
        'My competencies, at the client time of the latest document; level as the app sent it, data the whole '
        'document.'),
    ('conversation', false, $$
SELECT r.learner_id || '' AS learner_id, r.resource_id AS conversation_id, r.at, r.version, r.updated_at,
    r.data - 'messages' AS data
FROM learnsync_data.resource r
WHERE r.learner_id = (SELECT learnsync.current_learner()) AND r.resource_type = 'conversation'
    AND r.data IS NOT NULL
$$,
        'My conversations, at the client time of the latest change; data the document without its messages.'),
    ('message', false, $$
WITH corrected AS NOT MATERIALIZED (
    SELECT DISTINCT ON (r.learner_id, r.resource_id, p.pin ->> 'part') r.learner_id, r.resource_id,
        p.pin ->> 'part' AS member_id, (c.correction ->> 'at')::timestamptz AS at,
        (p.pin ->> 'topAt')::timestamptz AS top_at, r.version,
        COALESCE(p.pin -> 'top', p.pin -> 'value') AS value
    FROM learnsync_data.resource r
    CROSS JOIN LATERAL jsonb_path_query(r.book, '$._learnsync.corrections[*]') WITH ORDINALITY c (correction, n)
    CROSS JOIN LATERAL jsonb_path_query(c.correction, '$.pins[*]') p (pin)
    WHERE r.learner_id = (SELECT learnsync.current_learner()) AND r.resource_type = 'conversation'
        AND r.book ? '_learnsync' AND p.pin ->> 'field' = 'messages'
    ORDER BY r.learner_id, r.resource_id, p.pin ->> 'part', c.n DESC)
SELECT m.learner_id || '' AS learner_id, m.resource_id AS conversation_id, m.member_id AS message_id, m.at,
    m.version, m.value AS data
FROM learnsync_data.member m
WHERE m.learner_id = (SELECT learnsync.current_learner()) AND m.resource_type = 'conversation'
    AND m.field = 'messages' AND NOT EXISTS (SELECT FROM corrected c WHERE c.learner_id = m.learner_id
        AND c.resource_id = m.resource_id AND c.member_id = m.member_id)
UNION ALL
SELECT c.learner_id || '', c.resource_id, c.member_id, COALESCE(c.top_at, least(m.at, c.at)), c.version, c.value
FROM corrected c LEFT JOIN learnsync_data.member m ON m.learner_id = c.learner_id
    AND m.resource_type = 'conversation' AND m.resource_id = c.resource_id AND m.field = 'messages'
    AND m.member_id = c.member_id
WHERE c.value IS NOT NULL
$$,
        'The messages of my conversations, at the client time of the item that brought them as they are; data the '
        'message, {id, deleted: true} of one that was removed where the rule says that members change.'),
    ('xapi_statement', false, $$
SELECT x.learner_id || '' AS learner_id, x.resource_id AS id, x.verb, x.agent, x.activity, x.registration,
    x."timestamp", x.stored,
    x.voids IS NULL AND EXISTS (SELECT FROM learnsync_data.xapi_statement v
                                WHERE v.learner_id = x.learner_id AND v.voids = x.resource_id) AS voided,
    x.voids, r.data AS statement
FROM learnsync_data.xapi_statement x JOIN learnsync_data.resource r USING (learner_id, resource_type, resource_id)
WHERE x.learner_id = (SELECT learnsync.current_learner()) AND x.resource_type = 'xapi_statement'
    AND r.data IS NOT NULL
$$,
        'My xAPI statements. agent is the identifier of the actor (homePage|name of an account), activity the id of '
        'the object, timestamp the statement''s or else when it was stored; voided where another statement voids it, '
        'voids the id of the one that it voids.'),
    ('module_progress', false, $$
SELECT r.learner_id || '' AS learner_id, r.resource_id AS module_id,
    (r.data ->> 'progressPercent')::numeric AS progress_percent,
    trim_scale((r.data ->> 'syncVersion')::numeric) AS sync_version, r.at, r.version, r.updated_at, r.data
FROM learnsync_data.resource r
WHERE r.learner_id = (SELECT learnsync.current_learner()) AND r.resource_type = 'module_progress'
    AND r.data IS NOT NULL
$$,
        'My modules: progress_percent 0 to 100 as of sync_version, at the client time at.'),
    ('module_completion', false, $$
SELECT r.learner_id || '' AS learner_id, r.resource_id AS module_id, (r.data ->> 'score')::numeric AS score,
    (r.data ->> 'completedAt')::timestamptz AS completed_at, r.version, r.updated_at, r.data
FROM learnsync_data.resource r
WHERE r.learner_id = (SELECT learnsync.current_learner()) AND r.resource_type = 'module_completion'
    AND r.data IS NOT NULL
$$,
        'Modules that I completed: the best score, 0 to 100, and the first time.'),
    ('activity', false, $$
SELECT r.learner_id || '' AS learner_id, r.resource_id AS idempotency_key,
    r.data ->> 'activity_type' AS activity_type,
    r.data ->> 'content_id' AS content_id,
    jsonb_path_query_first(r.data, '$.score ? (@.type() == "number")')::numeric AS score,
    jsonb_path_query_first(r.data, '$.duration_seconds ? (@.type() == "number")')::numeric AS duration_seconds,
    r.data -> 'meta_data' AS meta_data,
    r.data -> 'completed' AS completed, r.at, r.version, r.updated_at, r.data
FROM learnsync_data.resource r
WHERE r.learner_id = ANY ((SELECT learnsync.current_learners())::text[]) AND r.resource_type = 'activity'
    AND r.data IS NOT NULL
ORDER BY r.at DESC, r.resource_id
$$,
        'My activities and those of my profiles (learner_id), newest first, at the client time at; data the whole '
        'record.'),
    ('profile', false, $$
SELECT p.learner_id || '' AS learner_id, p.owner, p.created_at
FROM learnsync_data.profile p
WHERE p.owner = (SELECT learnsync.current_learner())
$$,
        'My profiles: the learners for whom I send activities.'),
    ('profile_stats', true, $$
SELECT p.learner_id || '' AS learner_id, s.*
FROM unnest(learnsync.current_learners()) p (learner_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS activities, COALESCE(sum(a.score), 0) AS total_score, avg(a.score) AS average_score,
        COALESCE(sum(a.duration), 0) AS duration_seconds,
        count(DISTINCT a.content_id) FILTER (WHERE a.score >= 80) AS completed_contents,
        max(a.at) AS last_activity_at
    FROM (SELECT r.at, r.data ->> 'content_id' AS content_id,
              jsonb_path_query_first(r.data, '$.score ? (@ > -1e15 && @ < 1e15)')::numeric AS score,
              jsonb_path_query_first(r.data, '$.duration_seconds ? (@ > -1e15 && @ < 1e15)')::numeric AS duration
          FROM learnsync_data.resource r
          WHERE r.learner_id = p.learner_id AND r.resource_type = 'activity' AND r.data IS NOT NULL) a) s
$$,
        'What my activities and those of each of my profiles (learner_id) sum up to: total and average score, '
        'duration_seconds, completed_contents the number of different contents with a score of 80 or more. Scores '
        'and seconds from 1e15 on are left out of sums.'),
    ('learner_stats', true, $$
SELECT l.learner_id || '' AS learner_id, lesson.lessons_started, lesson.lessons_completed, lesson.time_spent,
    quiz.quizzes, quiz.quiz_attempts, quiz.average_score, streak.current_streak, streak.longest_streak,
    streak.last_activity_date
FROM (SELECT learnsync.current_learner() AS learner_id) l
CROSS JOIN LATERAL (
    SELECT count(*) AS lessons_started,
        count(*) FILTER (WHERE (r.data ->> 'completionPercentage')::numeric >= 100) AS lessons_completed,
        COALESCE(sum((r.data ->> 'timeSpent')::numeric), 0) AS time_spent
    FROM learnsync_data.resource r
    WHERE r.learner_id = l.learner_id AND r.resource_type = 'lesson_progress' AND r.data IS NOT NULL) lesson
CROSS JOIN LATERAL (SELECT count(DISTINCT a.quiz_id) AS quizzes, count(*) AS quiz_attempts,
                        avg(COALESCE(a.score, 100 * a.raw / a.max)) AS average_score
                    FROM (SELECT r.data ->> 'quizId' AS quiz_id,
                              jsonb_path_query_first(r.data,
                                  '$.score ? (@ > -1e15 && @ < 1e15)')::numeric AS score,
                              jsonb_path_query_first(r.data,
                                  '$.score.raw ? (@ > -1e15 && @ < 1e15)')::numeric AS raw,
                              jsonb_path_query_first(r.data,
                                  '$.score.max ? (@ > 1e-15 && @ < 1e15)')::numeric AS max
                          FROM learnsync_data.resource r
                          WHERE r.learner_id = l.learner_id AND r.resource_type = 'quiz_attempt'
                              AND r.data IS NOT NULL) a) quiz
CROSS JOIN LATERAL learnsync.streak(
    ARRAY(SELECT (r.data ->> 'completedAt')::timestamptz FROM learnsync_data.resource r
          WHERE r.learner_id = l.learner_id AND r.resource_type IN ('lesson_progress', 'module_completion')
          UNION ALL SELECT r.at FROM learnsync_data.resource r
          WHERE r.learner_id = l.learner_id AND r.resource_type = 'quiz_attempt' AND r.data IS NOT NULL
          UNION ALL SELECT c.completed_at FROM learnsync_data.progress_content c
          WHERE c.learner_id = l.learner_id),
    learnsync.current_days()) streak
WHERE l.learner_id IS NOT NULL
$$,
        'One row of what I did: lessons started and completed, time_spent on them in ms, quizzes, their attempts and '
        'the average score (a number as it is, {raw, max} in percent), and streaks: days on which a '
        'lesson, a module or a content of the event log was completed first or a quiz taken; the current one is the '
        'one that ends on last_activity_date.'),
    -- What the learner did is little beside the catalog. OFFSET 0 and the array tell the planner, who would read all of
    -- the catalog, or compile the query for longer than it runs.
    ('course_progress', true, $$
WITH RECURSIVE lesson AS MATERIALIZED (
    SELECT r.learner_id, r.resource_id AS lesson_id, r.data ->> 'courseId' AS course_id,
        COALESCE((r.data ->> 'completionPercentage')::numeric >= 100, false) AS completed,
        (r.data ->> 'timeSpent')::numeric AS time_spent,
        (r.data ->> 'lastAccessedAt')::timestamptz AS last_accessed_at
    FROM learnsync_data.resource r
    WHERE r.learner_id = (SELECT learnsync.current_learner()) AND r.resource_type = 'lesson_progress'
        AND r.data IS NOT NULL
), counts (lesson_id, content_id) AS (
    SELECT l.lesson_id, l.lesson_id FROM unnest(ARRAY(SELECT l.lesson_id FROM lesson l)) l (lesson_id)
    UNION
    SELECT c.lesson_id, n.content_id FROM counts c CROSS JOIN LATERAL (
        SELECT x.content_id FROM learnsync_data.replacement x WHERE x.replaced_id = c.content_id OFFSET 0) n
), placed AS MATERIALIZED (
    SELECT c.lesson_id, p.course_id, CASE WHEN p.listed THEN c.content_id END AS listed
    FROM counts c CROSS JOIN LATERAL (
        SELECT s.course_id, s.listed FROM learnsync_data.placement s
        WHERE s.content_id = c.content_id AND s.course_id <> '' OFFSET 0) p
), of_course AS (
    SELECT p.lesson_id, p.course_id FROM placed p
    UNION
    SELECT l.lesson_id, l.course_id FROM lesson l
    WHERE l.course_id IS NOT NULL AND l.lesson_id NOT IN (SELECT p.lesson_id FROM placed p)
), course AS MATERIALIZED (
    SELECT k.course_id, c.lessons FROM unnest(ARRAY(SELECT DISTINCT o.course_id FROM of_course o)) k (course_id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS lessons FROM learnsync_data.placement p WHERE p.course_id = k.course_id AND p.listed) c
)
SELECT t.learner_id || '' AS learner_id, t.course_id,
    CASE WHEN c.lessons > 0 THEN COALESCE(d.completed, 0) ELSE t.completed END AS lessons_completed,
    NULLIF(c.lessons, 0) AS lessons, t.time_spent, t.last_accessed_at
FROM (SELECT l.learner_id, o.course_id, count(*) FILTER (WHERE l.completed) AS completed,
          COALESCE(sum(l.time_spent), 0) AS time_spent, max(l.last_accessed_at) AS last_accessed_at
      FROM of_course o JOIN lesson l ON l.lesson_id = o.lesson_id
      GROUP BY l.learner_id, o.course_id) t
LEFT JOIN (SELECT p.course_id, count(DISTINCT p.listed) AS completed
           FROM placed p JOIN lesson l ON l.lesson_id = p.lesson_id AND l.completed
           GROUP BY p.course_id) d ON d.course_id = t.course_id
JOIN course c ON c.course_id = t.course_id
$$,
        'My courses: lessons_completed of the lessons that the content catalog has for the course and that are not '
        'retired (lessons is NULL where it has none; all that I completed count then), time_spent in ms, the last '
        'client time. A lesson is in the courses that the catalog says, else in that of its documents; it counts for '
        'the contents that replace it, too.'),
    ('device', false, $$
SELECT d.learner_id || '' AS learner_id, d.device_id, d.device_name, d.last_sync_at,
    d.version AS last_sync_version, d.is_active,
    d.created_at, d.metadata
FROM learnsync_data.device d
WHERE d.learner_id = (SELECT learnsync.current_learner())
$$,
        'My devices: last_sync_version is the version up to which a device is known to hold everything.'),
    ('conflict', false, $$
SELECT c.learner_id || '' AS learner_id, c.conflict_id, c.device_id, c.item_id, c.resource_type, c.resource_id,
    c.operation, c.client_data, c.at, c.resource_version, c.resolution, c.closed_at IS NULL AS is_open, c.created_at,
    c.closed_at, c.closed_by, c.decided_by, c.reason, c.server_data
FROM learnsync_data.conflict c
WHERE c.learner_id = (SELECT learnsync.current_learner())
$$,
        'My items whose content did not become part of the state; is_open where a person must decide. '
        'resource_version is the version that the item met, at its client time. decided_by and reason: who decided, '
        'and why.'),
    ('failed', false, $$
SELECT f.learner_id || '' AS learner_id, f.channel, f.device_id, f.item_id, f.code, f.path, f.message,
    f.retryable, f.waits_for IS NOT NULL AS waiting, f.waits_for, f.retry_count, f.first_failed_at, f.failed_at,
    f.item, f.app_version, f.traceparent
FROM learnsync_data.failed f
WHERE f.learner_id = (SELECT learnsync.current_learner())
$$,
        'My items that failed, as long as they are recorded; waiting where the server takes them up by itself, once '
        'there is the type or content of the name waits_for.'),
    ('item', false, $$
SELECT p.learner_id || '' AS learner_id, p.device_id, p.pushed_at, i.item, p.app_version, p.traceparent
FROM learnsync_data.push p CROSS JOIN LATERAL jsonb_array_elements(p.items) i (item)
WHERE p.learner_id = (SELECT learnsync.current_learner())
$$,
        'My items that were accepted, as they were sent, as long as maintain() keeps them, and none of what came while '
        'learnsync.keep_payloads was off; device_id is empty where none sent them. Events of the event log are not '
        'among them.')
$views$;
COMMENT ON FUNCTION learnsync_internal.view_list() IS
    'The views of a learner: what they are in learnsync_api, and whether they sum up rows. Part of setup().';

-- Row security says whom the caller may read, so views of rows do not ask. Where a row sums up many there is one for
-- each learner.
CREATE OR REPLACE FUNCTION learnsync_internal.report_definition(view text, sums_up boolean, definition text)
    RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT CASE WHEN sums_up THEN format(
        'SELECT w.learner_id, %s FROM learnsync_data.learner w CROSS JOIN LATERAL (%s) c',
        (SELECT string_agg(format('c.%I', a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
         WHERE a.attrelid = format('learnsync_api.%I', view)::regclass AND a.attnum > 1),
        replace(replace(replace(replace(definition, '(SELECT learnsync.current_learner())', 'w.learner_id'),
                    'learnsync.current_learner()', 'w.learner_id'),
                'learnsync.current_learners()', 'ARRAY[w.learner_id]'),
            'learnsync.current_days()', 'w.days'))
    ELSE regexp_replace(regexp_replace(replace(definition, E'\nORDER BY r.at DESC, r.resource_id', ''),
            '\w\.(learner_id|owner) = (ANY \()?\(SELECT learnsync\.current_learners?\(\)\)(::text\[\]\))?',
            'true', 'g'),
        '(\w\.learner_id) \|\| ''''', '\1', 'g') END
$$;
COMMENT ON FUNCTION learnsync_internal.report_definition(text, boolean, text) IS
    'What a view of learnsync_api is in learnsync_report. Part of setup().';

CREATE OR REPLACE FUNCTION learnsync_internal.setup_learner_views() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made record;
BEGIN
    FOR made IN SELECT * FROM learnsync_internal.view_list() LOOP
        EXECUTE format('CREATE OR REPLACE VIEW learnsync_api.%I WITH (security_invoker = true) AS %s', made.view,
            made.definition);
        EXECUTE format('COMMENT ON VIEW learnsync_api.%I IS %L', made.view, made.comment);
        EXECUTE format('CREATE OR REPLACE VIEW learnsync_report.%I WITH (security_invoker = true) AS %s', made.view,
            learnsync_internal.report_definition(made.view, made.sums_up, made.definition));
        EXECUTE format('COMMENT ON VIEW learnsync_report.%I IS %L', made.view,
            format('As learnsync_api.%s, of every learner whom the caller may read.', made.view));
    END LOOP;
END
$$;
COMMENT ON FUNCTION learnsync_internal.setup_learner_views() IS
    'Makes the views of a learner, and of those whom one may read. Part of setup().';

CREATE OR REPLACE FUNCTION learnsync_internal.setup_views() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $views$
BEGIN
    PERFORM learnsync_internal.setup_learner_views();

    CREATE OR REPLACE VIEW learnsync_report.content WITH (security_invoker = true) AS
    SELECT p.course_id, c.content_id, COALESCE(p.parent_id, f.parent_id) AS parent_id,
        COALESCE(p."position", f."position") AS "position", c.kind, c.retired,
        ARRAY(SELECT x.replaced_id FROM learnsync_data.replacement x WHERE x.content_id = c.content_id
              ORDER BY x.replaced_id) AS replaces,
        c.data
    FROM learnsync_data.content c
    LEFT JOIN learnsync_data.placement p ON p.content_id = c.content_id AND p.course_id <> ''
    LEFT JOIN learnsync_data.placement f ON f.content_id = c.content_id AND f.course_id = '';
    COMMENT ON VIEW learnsync_report.content IS
        'The content catalog, for reports: a row for each course in which a content stands, one without course_id for '
        'a content that is in none.';

    CREATE OR REPLACE VIEW learnsync_api.content WITH (security_invoker = true) AS
    SELECT l.learner_id || '' AS learner_id, c.*
    FROM (SELECT learnsync.current_learner() AS learner_id) l
    CROSS JOIN learnsync_report.content c
    WHERE l.learner_id IS NOT NULL;
    COMMENT ON VIEW learnsync_api.content IS
        'The content catalog, the same for every learner: a row for each course in which a content stands, one '
        'without course_id for a content that is in none.';

    -- Without a column learner_id: it is no learner's.
    CREATE OR REPLACE VIEW learnsync_api.audit WITH (security_invoker = true) AS
    SELECT a.at, a.action, a.role, NULLIF(a.learner_id, '') AS learner, a.by, a.reason,
        a.resource_type, a.resource_id, a.details
    FROM learnsync_data.audit a;
    COMMENT ON VIEW learnsync_api.audit IS
        'What people decided about learners and administrators changed: for services and administrators. Nobody '
        'changes it; of an erased learner it keeps what was done and a hash.';

    CREATE OR REPLACE VIEW learnsync.anomaly WITH (security_invoker = true) AS
    SELECT a.learner_id AS learner, a.anomaly_id, a.kind, a.evidence, a.found_at, a.closed_at IS NULL AS is_open,
        a.closed_at, a.closed_by, a.reason
    FROM learnsync_data.anomaly a;
    COMMENT ON VIEW learnsync.anomaly IS
        'What maintain() found odd about learners, for administrators: kind is study_time, same_work, shared_device, '
        'wrong_document or wrong_progress, with its evidence. learnsync.close_anomaly() closes one.';

    CREATE OR REPLACE VIEW learnsync.verify_round WITH (security_invoker = true) AS
    SELECT r.began_at, r.ended_at, r.learners, r.resources, r.unjudged, r.found, r.failed
    FROM learnsync_data.verify_round r;
    COMMENT ON VIEW learnsync.verify_round IS
        'How far maintain() has come in looking at all learners, for administrators: ended_at is NULL within a round. '
        'unjudged are the resources of which nothing can be said, as not all of their items are kept; failed the '
        'learners who could not be looked at.';
    PERFORM learnsync_internal.setup_column_comments();
    PERFORM pg_notify('pgrst', 'reload schema');
END
$views$;
COMMENT ON FUNCTION learnsync_internal.setup_views() IS
    'Makes the views of learnsync_api, learnsync_report and learnsync, and tells PostgREST. Part of setup().';
