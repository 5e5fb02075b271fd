-- failed_items: what failed, of all learners.
CREATE OR REPLACE FUNCTION learnsync.failed_items(INOUT code text DEFAULT NULL, since timestamptz DEFAULT NULL,
    OUT learner_id text, OUT channel text, OUT device_id text, OUT item_id text, OUT path text, OUT message text,
    OUT retryable boolean, OUT waits_for text, OUT retry_count integer, OUT first_failed_at timestamptz,
    OUT failed_at timestamptz, OUT item jsonb, OUT item_bytes integer)
    RETURNS SETOF record LANGUAGE c STABLE ROWS 1000 AS 'MODULE_PATHNAME', 'learnsync_failed_items';
COMMENT ON FUNCTION learnsync.failed_items(text, timestamptz) IS
    'The recorded failed items of all learners, newest first: of one code, of those that failed last since then. '
    'channel: the function that an item came through; device_id is empty where none sent it. waits_for: the type or '
    'content that it waits for. retry_count: how often it failed again. item as it was sent, NULL where it was too '
    'large, item_bytes its size.';
