-- Tables go without statements only while they are exactly as setup() made them, and the result is the same either way.
BEGIN;
SELECT no_plan();
SET LOCAL learnsync.direct = on;

CREATE FUNCTION pg_temp.direct() RETURNS text LANGUAGE sql AS $$
    SELECT array_to_string(learnsync_internal.direct_tables(), ' ') $$;
-- Whether something that a team may do to a table makes it one of SQL; it is undone.
CREATE FUNCTION pg_temp.leaves(name text, change text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    before text := pg_temp.direct();
    during text;
BEGIN
    BEGIN
        EXECUTE replace(replace(change, '%', 'learnsync_data.' || name), '@', name);
        during := pg_temp.direct();
        RAISE EXCEPTION USING ERRCODE = 'P0999';
    EXCEPTION WHEN SQLSTATE 'P0999' THEN
        NULL;
    END;
    RETURN before = pg_temp.direct() AND name = ANY (string_to_array(before, ' '))
        AND during IS NOT DISTINCT FROM array_to_string(array_remove(string_to_array(before, ' '), name), ' ');
END $$;
CREATE FUNCTION pg_temp.noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';

SELECT is(
    pg_temp.direct(),
    'learner device resource ledger xapi_statement conflict event progress_content progress_interaction '
        'push_0 push_1 push_2 push_3 push_4 push_5 push_6 push_7',
    'the tables of setup() go without statements');
CREATE TEMP TABLE before AS SELECT pg_temp.direct() AS tables;

SELECT ok(pg_temp.leaves(t, change), format('not %s %s', t, what))
FROM unnest(ARRAY['learner', 'device', 'resource', 'ledger', 'xapi_statement', 'conflict', 'event', 'progress_content',
    'progress_interaction', 'push_0', 'push_7']) t,
    (VALUES ('with a column more', 'ALTER TABLE % ADD team int'),
        ('with a default', 'ALTER TABLE % ALTER learner_id SET DEFAULT ''nobody'''),
        ('with a column that is renamed', 'ALTER TABLE % RENAME learner_id TO person'),
        ('with a trigger', 'CREATE TRIGGER t AFTER INSERT ON % FOR EACH ROW EXECUTE FUNCTION pg_temp.noted()'),
        ('with a rule', 'CREATE RULE r AS ON DELETE TO % DO ALSO NOTIFY someone'),
        ('with a check', 'ALTER TABLE % ADD CHECK (learner_id <> ''eve'')'),
        ('with an index', 'CREATE INDEX ON % (learner_id)'),
        ('with a unique index', 'CREATE UNIQUE INDEX ON % (learner_id) WHERE learner_id > ''eve'''),
        ('with a policy', 'CREATE POLICY team ON % USING (true)'),
        ('with a policy for the owner, too', 'ALTER TABLE % FORCE ROW LEVEL SECURITY'),
        ('with a child', 'CREATE TABLE child () INHERITS (%)'),
        ('with another identity for replication', 'ALTER TABLE % REPLICA IDENTITY FULL'),
        ('of another owner', 'ALTER TABLE % OWNER TO postgres'),
        ('whose owner may not write', 'REVOKE UPDATE ON % FROM learnsync_owner'),
        ('that is no heap of ours', 'ALTER TABLE % SET UNLOGGED'),
        ('under another name', 'ALTER TABLE % RENAME TO other'),
        ('without its primary key', 'ALTER TABLE % DROP CONSTRAINT @_pkey')) AS x (what, change)
WHERE NOT (t LIKE 'push%' AND what ~ 'column|child|without its primary key');
SELECT is(pg_temp.direct(), (SELECT tables FROM before), 'all of that was undone');
SELECT ok(pg_temp.leaves(t, 'DROP INDEX %_' || i || '; CREATE ' || change || ' INDEX @_' || i || ' ON % ' || columns),
    format('not %s with an index %s that is %s', t, i, what))
FROM (VALUES ('xapi_statement', 'stored', '', '(learner_id, "timestamp")', 'on another column'),
    ('xapi_statement', 'stored', '', '(learner_id, stored, verb)', 'on one more'),
    ('xapi_statement', 'stored', '', '(learner_id, stored) INCLUDE (verb)', 'with one beside'),
    ('xapi_statement', 'stored', '', '(learner_id, stored) WHERE verb IS NOT NULL', 'on some rows'),
    ('xapi_statement', 'stored', '', '(learner_id, lower(verb))', 'on an expression'),
    ('xapi_statement', 'stored', 'UNIQUE', '(learner_id, stored)', 'unique'),
    ('xapi_statement', 'voids', '', '(learner_id, voids)', 'on all rows'),
    ('xapi_statement', 'voids', '', '(learner_id, voids) WHERE voids IS NULL', 'on the others'),
    ('xapi_statement', 'voids', '', '(learner_id, voids) WHERE verb IS NOT NULL', 'on those of another column'),
    ('xapi_statement', 'voids', '', '(learner_id, voids) WHERE voids IS NOT NULL AND verb > ''a''', 'on fewer'),
    ('conflict', 'open', '', '(learner_id, created_at, conflict_id)', 'on all rows'),
    ('conflict', 'open', '', '(learner_id, created_at, conflict_id) WHERE closed_at IS NOT NULL', 'on the others'),
    ('conflict', 'open', '', '(learner_id, created_at, conflict_id) WHERE closed_by IS NULL', 'by another column'))
    AS x (t, i, change, columns, what);
SAVEPOINT bound;
DROP INDEX learnsync_data.xapi_statement_activity;
SELECT is(pg_temp.direct(), (SELECT tables FROM before), 'an index that is gone needs no entries');
ROLLBACK TO bound;
SAVEPOINT bound;
ALTER TABLE learnsync_data.resource ADD FOREIGN KEY (learner_id) REFERENCES learnsync_data.learner;
SELECT is(
    pg_temp.direct(),
    'device ledger xapi_statement conflict event progress_content progress_interaction '
        'push_0 push_1 push_2 push_3 push_4 push_5 push_6 push_7',
    'a foreign key makes both its tables ones of SQL');
ROLLBACK TO bound;

SAVEPOINT bound;
ALTER TABLE learnsync_data.push DETACH PARTITION learnsync_data.push_3;
SELECT unalike(pg_temp.direct(), '%push_3%', 'a slot that is detached goes by SQL');
ALTER TABLE learnsync_data.push ATTACH PARTITION learnsync_data.push_3 FOR VALUES IN (33);
SELECT unalike(pg_temp.direct(), '%push_3%', 'as does one that is attached for other values');
ALTER TABLE learnsync_data.push DETACH PARTITION learnsync_data.push_3;
ALTER TABLE learnsync_data.push ATTACH PARTITION learnsync_data.push_3 FOR VALUES IN (3);
SELECT is(pg_temp.direct(), (SELECT tables FROM before), 'until it is attached as before');
ROLLBACK TO bound;

-- And back.
CREATE TRIGGER t AFTER INSERT ON learnsync_data.ledger FOR EACH ROW EXECUTE FUNCTION pg_temp.noted();
ALTER TABLE learnsync_data.resource ADD team int;
CREATE POLICY team ON learnsync_data.device USING (true);
ALTER TABLE learnsync_data.push ADD team int;
SELECT is(pg_temp.direct(), 'learner xapi_statement conflict event progress_content progress_interaction',
    'what a team has changed goes by SQL');
DROP TRIGGER t ON learnsync_data.ledger;
ALTER TABLE learnsync_data.resource DROP team;
ALTER TABLE learnsync_data.push DROP team;
DROP POLICY team ON learnsync_data.device;
SELECT is(
    pg_temp.direct(),
    (SELECT tables FROM before),
    'and without statements again once trigger, column and policy are gone');
CREATE ROLE test_report;
SELECT learnsync.grant_access('test_report', 'report');
SELECT is(pg_temp.direct(), (SELECT tables FROM before), 'what opens them to reports does not count');
SELECT learnsync.revoke_access('test_report');

SET LOCAL learnsync.direct = off;
SELECT is(pg_temp.direct(), '', 'everything goes by SQL where learnsync.direct is off');

SELECT * FROM finish();
ROLLBACK;
