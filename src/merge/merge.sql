-- Merging over anyone's documents, without setup().
CREATE OR REPLACE FUNCTION learnsync.merge(
    rule learnsync.merge_rule, state jsonb, data jsonb, at timestamptz, device_id text DEFAULT NULL) RETURNS jsonb
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_merge';
COMMENT ON FUNCTION learnsync.merge(learnsync.merge_rule, jsonb, jsonb, timestamptz, text) IS
    'The state after an item, as a push would leave it. state: what an earlier call returned, a bare document, or '
    'NULL for none; data: the item''s object, NULL says nothing; at: its order instant; device_id: whose running '
    'total a counter takes. Keys may be absent. The state is the whole document and, under "_learnsync", what '
    'merging needs to remember. Errors: 22023 data that the rule refuses or that is deeper than learnsync.max_depth, '
    '22003 a number out of its range, or one in data or state beyond what a double can hold or of more than 400 '
    'digits, 0A000 policy custom.';

CREATE OR REPLACE FUNCTION learnsync.merge_states(rule learnsync.merge_rule, a jsonb, b jsonb) RETURNS jsonb
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_merge_states';
COMMENT ON FUNCTION learnsync.merge_states(learnsync.merge_rule, jsonb, jsonb) IS
    'What two states come to that grew apart, as if their items had come in the order of their instants. NULL is no '
    'state. Errors: as learnsync.merge.';

CREATE OR REPLACE FUNCTION learnsync.document(rule learnsync.merge_rule, state jsonb) RETURNS jsonb
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_document';
COMMENT ON FUNCTION learnsync.document(learnsync.merge_rule, jsonb) IS
    'The document that a state shows, computed fields included; NULL for NULL. Errors: 22023 a state that is no '
    'object, 22003 a number in it beyond what a double can hold or of more than 400 digits.';

CREATE OR REPLACE FUNCTION learnsync_internal.merge_agg_step(internal, learnsync.merge_rule, jsonb, timestamptz, text)
    RETURNS internal LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_merge_agg_step';
CREATE OR REPLACE FUNCTION learnsync_internal.merge_agg_combine(internal, internal)
    RETURNS internal LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_merge_agg_combine';
CREATE OR REPLACE FUNCTION learnsync_internal.merge_agg_serialize(internal)
    RETURNS bytea LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_merge_agg_serialize';
CREATE OR REPLACE FUNCTION learnsync_internal.merge_agg_deserialize(bytea, internal)
    RETURNS internal LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_merge_agg_deserialize';
CREATE OR REPLACE FUNCTION learnsync_internal.merge_agg_final(internal)
    RETURNS jsonb LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_merge_agg_final';

CREATE OR REPLACE AGGREGATE learnsync.merge_agg(
    rule learnsync.merge_rule, data jsonb, at timestamptz, device_id text) (
    SFUNC = learnsync_internal.merge_agg_step, STYPE = internal, FINALFUNC = learnsync_internal.merge_agg_final,
    COMBINEFUNC = learnsync_internal.merge_agg_combine, SERIALFUNC = learnsync_internal.merge_agg_serialize,
    DESERIALFUNC = learnsync_internal.merge_agg_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE learnsync.merge_agg(learnsync.merge_rule, jsonb, timestamptz, text) IS
    'The state of a group of items, whatever their order: as if they had been merged in the order of their instants, '
    'nothing being stale. Show it with learnsync.document. Rows whose data is NULL say nothing; NULL where no row '
    'says anything. Errors: as learnsync.merge; 22023 where rule differs within a group.';
