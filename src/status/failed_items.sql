-- failed_items: what failed, of all learners; pushes: what one learner sent.
CREATE OR REPLACE FUNCTION learnsync.failed_items(INOUT code text DEFAULT NULL, since timestamptz DEFAULT NULL,
    OUT learner_id text, OUT channel text, OUT device_id text, OUT item_id text, OUT path text, OUT message text,
    OUT retryable boolean, OUT waits_for text, OUT retry_count integer, OUT first_failed_at timestamptz,
    OUT failed_at timestamptz, OUT item jsonb, OUT item_bytes integer, OUT app_version text,
    OUT traceparent text)
    RETURNS SETOF record LANGUAGE c STABLE ROWS 1000 AS 'MODULE_PATHNAME', 'learnsync_failed_items';
COMMENT ON FUNCTION learnsync.failed_items(text, timestamptz) IS
    'The recorded failed items of all learners, newest first: of one code, of those that failed last since then. '
    'channel: the function that an item came through; device_id is empty where none sent it. waits_for: the type or '
    'content that it waits for. retry_count: how often it failed again. item as it was sent, NULL where it was too '
    'large, item_bytes its size. app_version and traceparent: of the push that sent it last.';

CREATE OR REPLACE FUNCTION learnsync.pushes(learner_id text, since timestamptz DEFAULT NULL, OUT version bigint,
    OUT pushed_at timestamptz, OUT channel text, OUT device_id text, OUT app_version text, OUT traceparent text,
    OUT items integer)
    RETURNS SETOF record LANGUAGE c STABLE ROWS 100 AS 'MODULE_PATHNAME', 'learnsync_pushes';
COMMENT ON FUNCTION learnsync.pushes(text, timestamptz) IS
    'The calls of a learner of which items were accepted and that maintain() keeps, newest first; since: those from '
    'then on. version: the learner''s after it; channel: the function; device_id is empty where none sent it; '
    'app_version: metadata.appVersion of a push; traceparent: the trace that the call was part of, by which it is '
    'found in the logs of apps and servers; items: how many were accepted. Errors: 22023 learner_id malformed.';
