-- The codes of items that failed.
CREATE OR REPLACE FUNCTION learnsync.item_codes(OUT code text, OUT retryable boolean, OUT meaning text)
    RETURNS SETOF record LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_item_codes';
COMMENT ON FUNCTION learnsync.item_codes() IS
    'The codes that an item may fail with (failedItems of sync_push, failedEvents of progress_put), whether the same '
    'item may succeed later, and what each means.';
