-- Which tables are read and written without statements: table.c has the conditions.
CREATE OR REPLACE FUNCTION learnsync_internal.direct_tables() RETURNS text[]
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_direct_tables';
COMMENT ON FUNCTION learnsync_internal.direct_tables() IS
    'Tables that the next call of this session writes without SQL statements: those that are exactly as '
    'setup() made them, in a READ COMMITTED transaction that may write, while learnsync.direct is on.';
