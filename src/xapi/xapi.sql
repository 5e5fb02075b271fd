-- xAPI statements: is one valid, are two the same.
CREATE OR REPLACE FUNCTION learnsync.xapi_validate(statement jsonb, version text DEFAULT NULL) RETURNS jsonb
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_xapi_validate';
COMMENT ON FUNCTION learnsync.xapi_validate(jsonb, text) IS
    'What an xAPI statement breaks of the specification, as [{"path": "actor.mbox", "requirement": "XAPI-00038", '
    '"message": "..."}]: empty for a valid one, at most 100. requirement is the number in ADL''s conformance '
    'requirements. version: 1.0.3 or 2.0, null for the statement''s own (1.0.3 where it has none); another one is '
    '22023. Works without setup().';

CREATE OR REPLACE FUNCTION learnsync.xapi_equal(a jsonb, b jsonb) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_xapi_equal';
COMMENT ON FUNCTION learnsync.xapi_equal(jsonb, jsonb) IS
    'Whether two xAPI statements are the same by xAPI Data 2.3.1. What makes no difference: stored, version, '
    'authority; an id or timestamp that one of them lacks; display of the verb, definitions of activities; the zone '
    'of a timestamp and what is finer than a millisecond; what is finer than 0.01 s in a duration; the order of a '
    'group''s members; a single context activity or a list of it; a stated or implied objectType; the case of UUIDs, '
    'hashes, language tags and mail domains. Works without setup().';

CREATE OR REPLACE FUNCTION learnsync.xapi_export(learner_id text, since timestamptz DEFAULT NULL) RETURNS SETOF jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_xapi_export';
COMMENT ON FUNCTION learnsync.xapi_export(text, timestamptz) IS
    'The learner''s xAPI statements that were stored after since (NULL: all), oldest first, as an LRS returns them: '
    'with stored, and with timestamp and version where the statement has none; voided ones and voiding ones too.';

CREATE OR REPLACE FUNCTION learnsync_api.xapi_export(since timestamptz DEFAULT NULL) RETURNS SETOF jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_api_xapi_export';
COMMENT ON FUNCTION learnsync_api.xapi_export(timestamptz) IS
    'My xAPI statements that were stored after since (absent: all), oldest first, as an LRS returns them.';
