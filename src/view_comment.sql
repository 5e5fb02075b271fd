-- What the columns of the views are. A line without a view is for the columns of that name in all others.
CREATE OR REPLACE FUNCTION learnsync_internal.setup_column_comments() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    described record;
BEGIN
    FOR described IN
        WITH words (view, "column", comment) AS (VALUES
            (NULL, 'learner_id', 'Whose row it is: me.'),
            (NULL, 'version', 'The version of the last change, comparable within a learner; greater is later.'),
            (NULL, 'updated_at', 'When the server stored the last change.'),
            (NULL, 'created_at', 'When the server stored the row first.'),
            (NULL, 'at', 'The order instant of the last change: the client''s time, the server''s if that is ahead.'),
            (NULL, 'data', 'The whole document.'),
            ('lesson_progress', 'lesson_id', 'The lesson.'),
            ('lesson_progress', 'course_id', 'Its course, as the app said; NULL where it said none.'),
            ('lesson_progress', 'completion_percentage', 'The highest so far, 0 to 100.'),
            ('lesson_progress', 'time_spent', 'Milliseconds, all items added.'),
            ('lesson_progress', 'status', 'not-started, in-progress or completed, by completion_percentage.'),
            ('lesson_progress', 'started_at', 'The first client time.'),
            ('lesson_progress', 'completed_at', 'The first client time at 100 percent; NULL before.'),
            ('lesson_progress', 'last_accessed_at', 'The last client time.'),
            ('lesson_progress', 'data', 'The document, without what is computed: no status.'),
            ('quiz_attempt', 'quiz_id', 'The quiz.'),
            ('quiz_attempt', 'attempt_number', 'Which attempt, from 1.'),
            ('quiz_attempt', 'score', 'As the app sent it, as JSON.'),
            ('quiz_attempt', 'responses', 'As the app sent them, as JSON.'),
            ('quiz_attempt', 'at', 'When it was taken.'),
            ('mastery', 'competency_id', 'The competency.'),
            ('mastery', 'level', 'As the app sent it last, as JSON.'),
            ('conversation', 'conversation_id', 'The conversation.'),
            ('conversation', 'data', 'The document without its messages, which are in the view message.'),
            ('message', 'conversation_id', 'Its conversation.'),
            ('message', 'message_id', 'Its id, or the digest of a message without one; one conversation has it once.'),
            ('message', 'at', 'The order instant of the first item that brought it.'),
            ('message', 'version', 'The version of the change that brought it.'),
            ('message', 'data', 'The message as it was sent.'),
            ('xapi_statement', 'id', 'The statement''s UUID.'),
            ('xapi_statement', 'verb', 'The id of its verb, an IRI.'),
            ('xapi_statement', 'agent', 'The actor''s mbox, mbox_sha1sum or openid, or homePage|name of the account.'),
            ('xapi_statement', 'activity', 'The id of its object where that is an activity; else NULL.'),
            ('xapi_statement', 'registration', 'Its context''s registration, a UUID; or NULL.'),
            ('xapi_statement', 'timestamp', 'The statement''s own, or when it was stored.'),
            ('xapi_statement', 'stored', 'When the server stored it.'),
            ('xapi_statement', 'voided', 'Whether another statement voids it.'),
            ('xapi_statement', 'voids', 'The id of the statement that it voids; NULL where it voids none.'),
            ('xapi_statement', 'statement', 'The statement as it was sent, and stored.'),
            ('module_progress', 'module_id', 'The module.'),
            ('module_progress', 'progress_percent', '0 to 100, as of sync_version.'),
            ('module_progress', 'sync_version', 'The client''s own counter; the greatest wins.'),
            ('module_completion', 'module_id', 'The module.'),
            ('module_completion', 'score', 'The best, 0 to 100.'),
            ('module_completion', 'completed_at', 'The first client time.'),
            ('activity', 'learner_id', 'Whose it is: I, or one of my profiles.'),
            ('activity', 'idempotency_key', 'The app''s id of it.'),
            ('activity', 'activity_type', 'What kind, in the app''s words.'),
            ('activity', 'content_id', 'What it was about.'),
            ('activity', 'score', 'A number; NULL where the app sent none.'),
            ('activity', 'duration_seconds', 'Seconds; NULL where the app sent none.'),
            ('activity', 'meta_data', 'As the app sent it, as JSON.'),
            ('activity', 'completed', 'As the app sent it, as JSON.'),
            ('activity', 'at', 'When it happened.'),
            ('profile', 'learner_id', 'The profile, itself a learner.'),
            ('profile', 'owner', 'Who acts for it: me.'),
            ('profile_stats', 'learner_id', 'Whose sums these are: I, or one of my profiles.'),
            ('profile_stats', 'activities', 'How many.'),
            ('profile_stats', 'total_score', 'All scores added.'),
            ('profile_stats', 'average_score', 'Over the activities that have one; NULL where none has.'),
            ('profile_stats', 'duration_seconds', 'Seconds, all added.'),
            ('profile_stats', 'completed_contents', 'Different contents with a score of 80 or more.'),
            ('profile_stats', 'last_activity_at', 'When the last one happened; NULL where there is none.'),
            ('learner_stats', 'lessons_started', 'Lessons with any progress record.'),
            ('learner_stats', 'lessons_completed', 'Lessons at 100 percent.'),
            ('learner_stats', 'time_spent', 'Milliseconds on lessons.'),
            ('learner_stats', 'quizzes', 'Different quizzes with an attempt.'),
            ('learner_stats', 'quiz_attempts', 'All attempts.'),
            ('learner_stats', 'average_score', 'Over attempts: numbers as they are, {raw, max} in percent.'),
            ('learner_stats', 'current_streak', 'Days up to last_activity_date without a gap.'),
            ('learner_stats', 'longest_streak', 'The most days without a gap.'),
            ('learner_stats', 'last_activity_date', 'The last day on which something was completed or tried.'),
            ('course_progress', 'course_id', 'The course.'),
            ('course_progress', 'lessons_completed', 'Lessons at 100 percent, of those that lessons counts.'),
            ('course_progress', 'lessons', 'The course''s lessons in the catalog, but retired ones; NULL: not in it.'),
            ('course_progress', 'time_spent', 'Milliseconds on its lessons.'),
            ('course_progress', 'last_accessed_at', 'The last client time of its lessons.'),
            ('content', 'course_id', 'A course in which it stands; NULL: in none.'),
            ('content', 'content_id', 'The content: a lesson, a module.'),
            ('content', 'parent_id', 'The content of which it is a part in this course; NULL: of none.'),
            ('content', 'position', 'Where it stands among the others: the lower, the earlier.'),
            ('content', 'kind', 'lesson, or what else was registered.'),
            ('content', 'retired', 'true: no longer offered.'),
            ('content', 'replaces', 'The contents whose progress counts for it.'),
            ('content', 'data', 'Whatever else was registered, a JSON object.'),
            ('device', 'device_id', 'The id that the app gave itself.'),
            ('device', 'device_name', 'As the app said last; NULL where it said none.'),
            ('device', 'last_sync_at', 'When it last pushed or put something.'),
            ('device', 'last_sync_version', 'The version up to which it is known to hold everything.'),
            ('device', 'is_active', 'false: it was deactivated, and its calls are refused.'),
            ('device', 'metadata', 'As the app sent it last, a JSON object.'),
            ('conflict', 'conflict_id', 'What sync_resolve calls it.'),
            ('conflict', 'device_id', 'The device that sent the item.'),
            ('conflict', 'item_id', 'The item.'),
            ('conflict', 'resource_type', 'Its resource type.'),
            ('conflict', 'resource_id', 'Its resource.'),
            ('conflict', 'operation', 'create, update or delete.'),
            ('conflict', 'client_data', 'What the item said; NULL where that was removed.'),
            ('conflict', 'at', 'The item''s order instant.'),
            ('conflict', 'resource_version', 'The version of the resource that the item met.'),
            ('conflict', 'resolution', 'server_wins, client_wins or manual_required, as the item was answered.'),
            ('conflict', 'is_open', 'Whether a person must decide.'),
            ('conflict', 'closed_at', 'When it was closed; NULL while open.'),
            ('conflict', 'closed_by', 'rule where a rule decided at once; how a person decided: use_server, '
                'use_client, use_merged or keep_both; '
                'rule: use_server where autoResolve of the rule did, for its age.'))
        SELECT *
        FROM (SELECT DISTINCT ON (v.oid, a.attnum) v.oid, a.attnum, v.relname AS view, a.attname AS "column", w.comment
              FROM pg_class v
              JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0 AND NOT a.attisdropped
              JOIN words w ON w."column" = a.attname AND COALESCE(w.view = v.relname, true)
              WHERE v.relnamespace = 'learnsync_api'::regnamespace AND v.relkind = 'v'
                  AND v.relname IN (SELECT own.view FROM words own)
              ORDER BY v.oid, a.attnum, w.view) c
        WHERE col_description(c.oid, c.attnum) IS DISTINCT FROM c.comment
    LOOP
        EXECUTE format('COMMENT ON COLUMN learnsync_api.%I.%I IS %L', described.view, described."column",
                       described.comment);
    END LOOP;
END
$$;
COMMENT ON FUNCTION learnsync_internal.setup_column_comments() IS
    'Describes the columns of the views of learnsync_api. Part of setup().';
