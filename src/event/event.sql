-- progress_put, progress_get, progress_verify, progress_rebuild
CREATE TYPE learnsync_internal.event_row AS (event_id text, version bigint, at timestamptz, event jsonb);
CREATE TYPE learnsync_internal.progress_row AS (
    events bigint, version bigint, reset_at timestamptz, reset_id text, last_at timestamptz, last_sent text,
    onboarding_at timestamptz, onboarding_id text, onboarding_sent text,
    onboarding jsonb, active_at timestamptz, active_id text, active_path text,
    state_bytes bigint);
CREATE TYPE learnsync_internal.content_row AS (
    content_id text, status text, score numeric, last_at timestamptz, last_id text, last_sent text,
    completed_at timestamptz, completed_id text, completed_sent text, content_version text, version_at timestamptz,
    version_id text);
CREATE TYPE learnsync_internal.interaction_row AS (
    content_id text, interaction_id text, at timestamptz, event_id text, state jsonb);

CREATE OR REPLACE FUNCTION learnsync.progress_put(learner_id text, request jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'learnsync_progress_put';
COMMENT ON FUNCTION learnsync.progress_put(text, jsonb) IS
    'Adds events to a learner''s log, each once by its eventId. request: {events: [{eventId, occurredAt, clientId, '
    'type, payload}], clientUpdatedAt?, since?, deviceId?, sentAt?, learnerId?}; type is content.progressed, '
    'onboarding.completed, onboarding.reset, activePath.set or progress.reset. Answer: {ok: true, data: {accepted, '
    'duplicates, failedEvents: [{eventId, code, message, first?}], cursor}}. Errors: 22023 malformed envelope, 54000 '
    'too many events, PT403 deactivated device.';

CREATE OR REPLACE FUNCTION learnsync_api.progress_put(jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'learnsync_api_progress_put';
COMMENT ON FUNCTION learnsync_api.progress_put(jsonb) IS
    'Add events to my log. Body: {events: [{eventId, occurredAt, clientId, type, payload}], clientUpdatedAt?, '
    'since?, deviceId?, sentAt?, learnerId?}; type is content.progressed, onboarding.completed, onboarding.reset, '
    'activePath.set or progress.reset. Answer: {ok: true, data: {accepted, duplicates, failedEvents: [{eventId, '
    'code, message, first?}], cursor}}. Repeating a put is safe. Store cursor if you sent yours as since.';

CREATE OR REPLACE FUNCTION learnsync.progress_get(learner_id text, "since" text DEFAULT NULL,
    "limit" integer DEFAULT NULL)
    RETURNS jsonb LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_progress_get';
COMMENT ON FUNCTION learnsync.progress_get(text, text, integer) IS
    'A learner''s snapshot, and the events that arrived after the cursor since, as they were sent; all of them '
    'without one or with one of another history. limit: events per page, at most learnsync.max_pull_limit; without '
    'it all come at once, up to 64 MB. Answer: {ok: true, data: {snapshot, events, orderedAt?: {eventId: instant}, '
    'cursor, hasMore}}; orderedAt where that is not the occurredAt. Errors: 22023 limit below 1.';

CREATE OR REPLACE FUNCTION learnsync_api.progress_get("since" text DEFAULT NULL, "limit" integer DEFAULT NULL)
    RETURNS jsonb LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_api_progress_get';
COMMENT ON FUNCTION learnsync_api.progress_get(text, integer) IS
    'My snapshot, and the events that arrived after the cursor since, as they were sent; all of them without one or '
    'with one of another history. limit: events per page. Answer: {ok: true, data: {snapshot: {version, onboarding, '
    'activePathId, content, streak, lastUpdated}, events, orderedAt?, cursor, hasMore}}. Store cursor and call again '
    'while hasMore. By GET the answer has an ETag; with that as If-None-Match it is 304 while nothing has changed.';

CREATE OR REPLACE FUNCTION learnsync.progress_verify(OUT learner_id text, OUT damage text) RETURNS SETOF record
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_progress_verify';
COMMENT ON FUNCTION learnsync.progress_verify() IS
    'The learners whose stored snapshot is not what their events reduce to; damage names the row that cannot be '
    'read, where that is why. None, unless somebody wrote the tables. Reads every event.';

CREATE OR REPLACE FUNCTION learnsync_internal.check_progress_as_owner(learner text) RETURNS text
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'learnsync_check_progress_as_owner';
COMMENT ON FUNCTION learnsync_internal.check_progress_as_owner(text) IS
    'What progress_verify says of one learner; NULL where nothing is wrong. Part of maintain().';

CREATE OR REPLACE FUNCTION learnsync_internal.progress_rebuild_next(
    INOUT after text, INOUT done bigint, INOUT total bigint)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'learnsync_progress_rebuild_next';
COMMENT ON FUNCTION learnsync_internal.progress_rebuild_next(text, bigint, bigint) IS
    'A step of progress_rebuild: looks at learners after a learner id, up to the first whose stored snapshot '
    'differs, and derives that one again.';

-- It commits, so it can have no SET clause; every name and operator is qualified instead.
CREATE OR REPLACE PROCEDURE learnsync.progress_rebuild() LANGUAGE plpgsql AS $$
DECLARE
    step record;
    before pg_catalog.int8 := -1;
BEGIN
    SELECT ''::pg_catalog.text AS after, 0::pg_catalog.int8 AS done, (-1)::pg_catalog.int8 AS total INTO step;
    PERFORM learnsync_internal.tell('', 0, 0);
    WHILE step.done OPERATOR(pg_catalog.<>) before LOOP
        before := step.done;
        SELECT s.after, s.done, s.total INTO step
        FROM learnsync_internal.progress_rebuild_next(step.after, step.done, step.total) s;
        COMMIT;
        PERFORM learnsync_internal.tell('progress_rebuild, learners looked at', step.done, step.total);
    END LOOP;
    RAISE NOTICE 'progress_rebuild: 100 %% of % learners looked at', step.done;
END
$$;
COMMENT ON PROCEDURE learnsync.progress_rebuild() IS
    'Derives stored snapshots again from the log where they differ from it, one learner per transaction, and reports '
    'a percentage each second. A learner whose log cannot be read is left, with a warning that '
    'names the event. Puts go on meanwhile; only the learner at hand waits.';
