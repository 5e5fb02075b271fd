-- The type merge_rule.
CREATE TYPE learnsync.merge_rule;

CREATE OR REPLACE FUNCTION learnsync_internal.merge_rule_in(cstring) RETURNS learnsync.merge_rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_merge_rule_in';
CREATE OR REPLACE FUNCTION learnsync_internal.merge_rule_out(learnsync.merge_rule) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_merge_rule_out';
CREATE OR REPLACE FUNCTION learnsync_internal.merge_rule_recv(internal) RETURNS learnsync.merge_rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_merge_rule_recv';
CREATE OR REPLACE FUNCTION learnsync_internal.merge_rule_send(learnsync.merge_rule) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_merge_rule_send';

CREATE TYPE learnsync.merge_rule (
    INPUT = learnsync_internal.merge_rule_in, OUTPUT = learnsync_internal.merge_rule_out,
    RECEIVE = learnsync_internal.merge_rule_recv, SEND = learnsync_internal.merge_rule_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended);
COMMENT ON TYPE learnsync.merge_rule IS
    'How documents of one resource type are keyed, checked and merged, as JSON: {"key": [field], "policy": '
    '"merge|latest|insert_only|immutable|server_wins|client_wins|manual|custom", "stale": "merge|discard|ignore", '
    '"other": "latest|ignore|refuse", "fields": {field: {"merge": strategy, ...}}}. A bad rule is refused (22023) '
    'with the path of the mistake; so is a number beyond what a double can hold or of more than 400 digits.';

CREATE OR REPLACE FUNCTION learnsync_internal.merge_rule_from_jsonb(jsonb) RETURNS learnsync.merge_rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_merge_rule_from_jsonb';
COMMENT ON FUNCTION learnsync_internal.merge_rule_from_jsonb(jsonb) IS 'A merge rule from its JSON, checked.';
CREATE CAST (jsonb AS learnsync.merge_rule) WITH FUNCTION learnsync_internal.merge_rule_from_jsonb(jsonb) AS ASSIGNMENT;
CREATE CAST (learnsync.merge_rule AS jsonb) WITHOUT FUNCTION AS ASSIGNMENT;

CREATE OR REPLACE FUNCTION learnsync.define_resource_type(name text, rule jsonb, rebase boolean DEFAULT false,
    dry_run boolean DEFAULT false)
    RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_define_resource_type';
COMMENT ON FUNCTION learnsync.define_resource_type(text, jsonb, boolean, boolean) IS
    'Adds a resource type, or gives it another rule, and answers which. A type that has data may get further fields '
    'and looser validation; anything else is refused (55006), or, with rebase, noted for CALL learnsync.rebase() where '
    'all documents fit, else refused with those that do not. With dry_run nothing is changed: it answers what would '
    'be, or raises why not. name: lower-case letters, digits, underscores. Every session uses the new rule from its '
    'next call on. A merge function (policy custom) runs as its owner, of whom the caller must be a member, now and '
    'whenever it is called; one of a superuser or of the tables'' owner is refused (42501), one that does not exist '
    'is a warning.';

CREATE OR REPLACE FUNCTION learnsync.drop_resource_type(name text) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_drop_resource_type';
COMMENT ON FUNCTION learnsync.drop_resource_type(text) IS
    'Removes a resource type that has no data (55006 otherwise, 42704 where there is none).';

CREATE OR REPLACE FUNCTION learnsync.merge_strategies(
    OUT strategy text, OUT value_type text, OUT commutative boolean, OUT associative boolean, OUT idempotent boolean)
    RETURNS SETOF record LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_merge_strategies';
COMMENT ON FUNCTION learnsync.merge_strategies() IS
    'The field strategies that rules may name, what values they take (none: the item''s instant counts), and the '
    'laws their merging keeps, over values with their order instants.';
