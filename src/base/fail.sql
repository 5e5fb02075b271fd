-- The codes of items that failed.
CREATE OR REPLACE FUNCTION learnsync.item_codes(
    OUT code text, OUT sqlstate text, OUT retryable boolean, OUT waiting boolean, OUT meaning text)
    RETURNS SETOF record LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_item_codes';
COMMENT ON FUNCTION learnsync.item_codes() IS
    'The codes that an item may fail with (failedItems of sync_push, failedEvents of progress_put), and what each '
    'means. sqlstate: of the error where a whole request is refused for it. retryable: the same item may succeed if '
    'it is sent again. waiting: it may once a type is defined or a content registered.';
