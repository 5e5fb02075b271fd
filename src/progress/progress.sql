-- The type progress and its aggregate.
CREATE TYPE learnsync.progress;

CREATE OR REPLACE FUNCTION learnsync_internal.progress_in(cstring) RETURNS learnsync.progress
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_progress_in';
CREATE OR REPLACE FUNCTION learnsync_internal.progress_out(learnsync.progress) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_progress_out';
CREATE OR REPLACE FUNCTION learnsync_internal.progress_recv(internal) RETURNS learnsync.progress
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_progress_recv';
CREATE OR REPLACE FUNCTION learnsync_internal.progress_send(learnsync.progress) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_progress_send';

CREATE TYPE learnsync.progress (
    INPUT = learnsync_internal.progress_in, OUTPUT = learnsync_internal.progress_out,
    RECEIVE = learnsync_internal.progress_recv, SEND = learnsync_internal.progress_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended);
COMMENT ON TYPE learnsync.progress IS
    'The reduced state of any set of events of one learner. Cast to jsonb it is the snapshot: {version, onboarding, '
    'activePathId, content, streak, lastUpdated}. Text is the snapshot with one member more, state: the binary form '
    'in hexadecimal, which it is read back from (22P02 where it is missing or the rest was edited).';

CREATE OR REPLACE FUNCTION learnsync_internal.progress_to_jsonb(learnsync.progress) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_progress_to_jsonb';
COMMENT ON FUNCTION learnsync_internal.progress_to_jsonb(learnsync.progress) IS 'The snapshot of a state.';
CREATE OR REPLACE FUNCTION learnsync_internal.progress_from_bytea(bytea) RETURNS learnsync.progress
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_progress_from_bytea';
COMMENT ON FUNCTION learnsync_internal.progress_from_bytea(bytea) IS
    'A state from its binary form, which progress_send gives. Other bytes are refused (22P03).';
CREATE CAST (learnsync.progress AS jsonb)
    WITH FUNCTION learnsync_internal.progress_to_jsonb(learnsync.progress) AS ASSIGNMENT;
CREATE CAST (learnsync.progress AS bytea) WITH FUNCTION learnsync_internal.progress_send(learnsync.progress);
CREATE CAST (bytea AS learnsync.progress) WITH FUNCTION learnsync_internal.progress_from_bytea(bytea);

CREATE OR REPLACE FUNCTION learnsync_internal.progress_concat(learnsync.progress, learnsync.progress)
    RETURNS learnsync.progress LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'learnsync_progress_concat';
COMMENT ON FUNCTION learnsync_internal.progress_concat(learnsync.progress, learnsync.progress) IS
    'The state of the events of both, which may overlap.';
CREATE OR REPLACE FUNCTION learnsync_internal.progress_eq(learnsync.progress, learnsync.progress) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'learnsync_progress_eq';
CREATE OR REPLACE FUNCTION learnsync_internal.progress_ne(learnsync.progress, learnsync.progress) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'learnsync_progress_ne';
CREATE OR REPLACE FUNCTION learnsync_internal.progress_hash(learnsync.progress) RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_progress_hash';

CREATE OPERATOR learnsync.|| (
    LEFTARG = learnsync.progress, RIGHTARG = learnsync.progress, FUNCTION = learnsync_internal.progress_concat,
    COMMUTATOR = OPERATOR(learnsync.||));
CREATE OPERATOR learnsync.= (
    LEFTARG = learnsync.progress, RIGHTARG = learnsync.progress, FUNCTION = learnsync_internal.progress_eq,
    COMMUTATOR = OPERATOR(learnsync.=),
    NEGATOR = OPERATOR(learnsync.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES);
CREATE OPERATOR learnsync.<> (
    LEFTARG = learnsync.progress, RIGHTARG = learnsync.progress, FUNCTION = learnsync_internal.progress_ne,
    COMMUTATOR = OPERATOR(learnsync.<>),
    NEGATOR = OPERATOR(learnsync.=), RESTRICT = neqsel, JOIN = neqjoinsel);
COMMENT ON OPERATOR learnsync.|| (learnsync.progress, learnsync.progress) IS
    'the state of the events of both, which may overlap';
COMMENT ON OPERATOR learnsync.= (learnsync.progress, learnsync.progress) IS
    'whether both keep the same of their events, so that whatever is added to them they stay equal';
COMMENT ON OPERATOR learnsync.<> (learnsync.progress, learnsync.progress) IS 'not equal';
CREATE OPERATOR CLASS learnsync.progress_ops DEFAULT FOR TYPE learnsync.progress USING hash AS
    OPERATOR 1 learnsync.= (learnsync.progress, learnsync.progress),
    FUNCTION 1 learnsync_internal.progress_hash(learnsync.progress);

CREATE OR REPLACE FUNCTION learnsync_internal.progress_agg_add(internal, text, anyelement, text, jsonb) RETURNS internal
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_progress_agg_add';
CREATE OR REPLACE FUNCTION learnsync_internal.progress_agg_combine(internal, internal) RETURNS internal
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_progress_agg_combine';
CREATE OR REPLACE FUNCTION learnsync_internal.progress_agg_serialize(internal) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_progress_agg_serialize';
CREATE OR REPLACE FUNCTION learnsync_internal.progress_agg_deserialize(bytea, internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_progress_agg_deserialize';
CREATE OR REPLACE FUNCTION learnsync_internal.progress_agg_final(internal) RETURNS learnsync.progress
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_progress_agg_final';

CREATE OR REPLACE AGGREGATE learnsync.progress_agg(event_id text, occurred_at anyelement, type text, payload jsonb) (
    SFUNC = learnsync_internal.progress_agg_add, STYPE = internal, FINALFUNC = learnsync_internal.progress_agg_final,
    COMBINEFUNC = learnsync_internal.progress_agg_combine, SERIALFUNC = learnsync_internal.progress_agg_serialize,
    DESERIALFUNC = learnsync_internal.progress_agg_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE learnsync.progress_agg(text, anyelement, text, jsonb) IS
    'Reduces events of one learner, in any order. occurred_at: text in RFC 3339 with offset, which the snapshot '
    'shows as sent, or timestamptz, shown in UTC. type: content.progressed, onboarding.completed, onboarding.reset, '
    'activePath.set, progress.reset. Rows without event_id, occurred_at or type are left out; another bad row is '
    'refused (22023, 22003, 22007, 22008) with its event_id.';
