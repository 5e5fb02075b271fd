-- Ids that came in a request's path.
CREATE OR REPLACE FUNCTION learnsync.path_id() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_path_id';
COMMENT ON FUNCTION learnsync.path_id() IS
    'The id in the path of the original HTTP request, which the front server hands on in the header Learnsync-Id, '
    'percent-encoded; NULL where there is none. Errors: 22023 where it is no id.';
