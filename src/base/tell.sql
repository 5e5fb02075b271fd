-- How far something is that takes long.
CREATE OR REPLACE FUNCTION learnsync_internal.tell(task text, done bigint, total bigint) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'learnsync_tell';
COMMENT ON FUNCTION learnsync_internal.tell(text, bigint, bigint) IS
    'A notice of how much of a task is done, once a second; total: -1 where it is not known. A task begins with 0.';

CREATE OR REPLACE FUNCTION learnsync_internal.tell_as_owner(task text, done bigint, total bigint) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'learnsync_tell';
COMMENT ON FUNCTION learnsync_internal.tell_as_owner(text, bigint, bigint) IS
    'The same, for what runs as the owner of the tables.';
