-- Digests of JSON values.
CREATE OR REPLACE FUNCTION learnsync.digest(value jsonb) RETURNS uuid
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_digest';
COMMENT ON FUNCTION learnsync.digest(jsonb) IS
    'Digest of a JSON value as a value: key order and spelling of numbers do not matter (1 = 1.0). The same for '
    'ever, on every server version.';
