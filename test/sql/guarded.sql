-- A team's triggers and constraints: they may refuse an item, they see each new version once, and what is the server's
-- stays the server's.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.item(id text, n int, lesson text DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'lesson_progress',
        'clientTimestamp', '2026-01-08T10:00:00Z',
        'data', jsonb_build_object('lessonId', COALESCE(lesson, id), 'timeSpent', n)) $$;
CREATE FUNCTION pg_temp.push(learner text, more jsonb, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', to_jsonb(items)) || more)::jsonb
    $$;
CREATE FUNCTION pg_temp.verdicts(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg((r ->> 'id') || ':' || left(r ->> 'status', 1)
            || CASE WHEN (r ->> 'duplicate')::boolean THEN '*' ELSE '' END,
        ' ' ORDER BY n)
        || COALESCE((SELECT string_agg(' '
                             || concat_ws('/', f ->> 'id', f ->> 'code', f ->> 'error', f ->> 'retryable'),
                         '')
                     FROM jsonb_array_elements(answer -> 'failedItems') f),
            '')
    FROM jsonb_array_elements(answer -> 'results') WITH ORDINALITY AS x (r, n) $$;
CREATE FUNCTION pg_temp.resources(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(resource_id || '=' || (data ->> 'timeSpent'), ' ' ORDER BY resource_id)
    FROM learnsync_data.resource WHERE learner_id = learner $$;
CREATE FUNCTION pg_temp.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '00000';
EXCEPTION WHEN query_canceled OR assert_failure OR OTHERS THEN
    RETURN SQLSTATE;
END $$;
-- Everything that a learner has.
CREATE FUNCTION pg_temp.trace(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(x, E'\n' ORDER BY x)
    FROM (SELECT l::text FROM learnsync_data.learner l WHERE learner_id = learner
          UNION ALL SELECT r::text FROM learnsync_data.resource r WHERE learner_id = learner
          UNION ALL SELECT l::text FROM learnsync_data.ledger l WHERE learner_id = learner
          UNION ALL SELECT p::text FROM learnsync_data.push p WHERE learner_id = learner
          UNION ALL SELECT c::text FROM learnsync_data.conflict c WHERE learner_id = learner
          UNION ALL SELECT f::text FROM learnsync_data.failed f WHERE learner_id = learner
          UNION ALL SELECT d::text FROM learnsync_data.device d WHERE learner_id = learner) AS t (x) $$;

-- Only what a team adds makes a push use a subtransaction, whose rows have an xid of their own.
SELECT pg_temp.push('plain', '{}', pg_temp.item('a', 1));
SELECT is(
    (SELECT xmin::text FROM learnsync_data.resource WHERE learner_id = 'plain'),
    pg_current_xact_id()::xid::text,
    'the tables of setup() need no subtransaction');
SAVEPOINT guarded;
ALTER TABLE learnsync_data.ledger ADD CHECK (version > 0);
SELECT pg_temp.push('plain', '{}', pg_temp.item('b', 1));
SELECT isnt(
    (SELECT xmin::text FROM learnsync_data.resource WHERE learner_id = 'plain' AND resource_id = 'b'),
    pg_current_xact_id()::xid::text,
    'those that a team gave a constraint do');
ROLLBACK TO guarded;

-- A trigger of the team's that notes each new version.
CREATE SCHEMA team;
CREATE TABLE team.seen (learner_id text, operation text, resource_id text, version bigint, by name, path text,
    plans text);
GRANT USAGE ON SCHEMA team TO learnsync_owner;
GRANT INSERT ON team.seen TO learnsync_owner;
CREATE FUNCTION team.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO team.seen
    VALUES (NEW.learner_id, TG_OP, NEW.resource_id, NEW.version, current_user, current_setting('search_path'),
        current_setting('enable_seqscan'));
    RETURN NULL;
END $$;
CREATE TRIGGER see AFTER INSERT OR UPDATE ON learnsync_data.resource FOR EACH ROW EXECUTE FUNCTION team.see();
CREATE FUNCTION pg_temp.seen(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(left(operation, 1) || ' ' || resource_id || ' ' || version, ', ' ORDER BY version, operation)
    FROM team.seen WHERE learner_id = learner $$;

CREATE FUNCTION pg_temp.path_after_push(learner text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.push(learner, '{}', pg_temp.item('a', 1));
    RETURN current_setting('search_path');
END $$;

SELECT pg_temp.push('ann', '{}', pg_temp.item('a', 1), pg_temp.item('b', 1), pg_temp.item('a2', 1, 'a'));
SELECT is(pg_temp.seen('ann'), 'I a 2, I b 3', 'one insert per new resource, however many items');
SELECT pg_temp.push('ann', '{}', pg_temp.item('a', 1), pg_temp.item('b', 1), pg_temp.item('a2', 1, 'a'));
SELECT pg_temp.push('ann', '{"dryRun": true}', pg_temp.item('c', 1));
SELECT pg_temp.push('ann', '{"atomic": true}', pg_temp.item('c', 1), pg_temp.item('d', -1));
SELECT is(pg_temp.seen('ann'), 'I a 2, I b 3', 'none for retries, dry runs and what was aborted');
SELECT pg_temp.push('ann', '{}', pg_temp.item('a3', 1, 'a'), pg_temp.item('c', 1), pg_temp.item('a4', 1, 'a'),
    pg_temp.item('b', 1));
SELECT is(pg_temp.seen('ann'), 'I a 2, I b 3, U a 4, I c 5', 'one update per new version of an old one');
SELECT is(
    (SELECT string_agg(DISTINCT concat_ws(' | ', by, path, plans), ',') FROM team.seen),
    'learnsync_owner | pg_catalog, pg_temp | on',
    'as the owner of the tables, by no path of the caller''s, and planned as the session plans');
SELECT is(current_setting('search_path'), pg_temp.path_after_push('ann'), 'the caller''s path is back after a push');

-- A constraint refuses one item: it fails, retryable; the others are applied, and the trigger still counts each version
-- once.
ALTER TABLE learnsync_data.resource ADD CONSTRAINT team_limit CHECK ((data ->> 'timeSpent')::numeric < 1000);
SELECT is(
    pg_temp.verdicts(pg_temp.push('bob', '{}', pg_temp.item('a', 1), pg_temp.item('b', 1000), pg_temp.item('c', 3))),
    'a:s b:f c:s b/error/new row for relation "resource" violates check constraint "team_limit"/true',
    'only the culprit fails');
SELECT is(pg_temp.resources('bob'), 'a=1 c=3', 'the others are applied');
SELECT is(pg_temp.seen('bob'), 'I a 2, I c 3', 'and seen once, without a gap');
SELECT is(
    (SELECT f.code || f.retryable || f.item_id FROM learnsync_data.failed f WHERE learner_id = 'bob'),
    'errortrueb',
    'the culprit is recorded as retryable');
SELECT is(
    (SELECT string_agg(item_count || ': ' || resource_ids::text, ',') FROM learnsync_data.push
     WHERE learner_id = 'bob'),
    '2: {a,c}',
    'and is not in the log');
SELECT is(pg_temp.verdicts(pg_temp.push('bob', '{}', pg_temp.item('b', 999))), 'b:s', 'corrected, it is taken');
SELECT is((SELECT count(*) FROM learnsync_data.failed WHERE learner_id = 'bob'), 0::bigint, 'and forgotten as failed');

-- Several culprits, at every place; and items that are bad in themselves, duplicates and reused ids among them.
SELECT is(
    pg_temp.verdicts(pg_temp.push('cul' || n, '{}', pg_temp.item('a', (ok & 1) * 1000),
        pg_temp.item('b', (ok & 2) / 2 * 1000), pg_temp.item('c', (ok & 4) / 4 * 1000),
        pg_temp.item('d', (ok & 8) / 8 * 1000))) ~ format('^a:%s b:%s c:%s d:%s',
        CASE ok & 1 WHEN 0 THEN 's' ELSE 'f' END, CASE ok & 2 WHEN 0 THEN 's' ELSE 'f' END,
        CASE ok & 4 WHEN 0 THEN 's' ELSE 'f' END, CASE ok & 8 WHEN 0 THEN 's' ELSE 'f' END),
    true,
    'culprits ' || ok::bit(4)::text)
FROM (SELECT ok, ok AS n FROM generate_series(0, 15) ok) v;
SELECT is(
    (SELECT count(*) FROM team.seen s WHERE learner_id LIKE 'cul%'),
    (SELECT count(*) FROM learnsync_data.resource WHERE learner_id LIKE 'cul%'),
    'one sight per resource');
SELECT is(
    split_part(
        pg_temp.verdicts(pg_temp.push('bob', '{}', pg_temp.item('a', 1), pg_temp.item('x', -1),
            pg_temp.item('e', 2000), pg_temp.item('a', 2), pg_temp.item('f', 1), pg_temp.item('f', 1))),
        ' x/',
        1),
    'a:s* x:f e:f a:f f:s f:s*',
    'with duplicates and bad ones around');
SELECT is(
    split_part(pg_temp.verdicts(pg_temp.push('copy', '{}', pg_temp.item('w', 2000), pg_temp.item('w', 2000),
        pg_temp.item('v', 1))), ' w/', 1),
    'w:f w:f v:s',
    'no copy of the culprit is told to be a duplicate');
-- The sum of two items is too much: the second is the culprit, and a third that still fits is taken.
SELECT is(
    split_part(
        pg_temp.verdicts(pg_temp.push('bob', '{}', pg_temp.item('g1', 600, 'g'), pg_temp.item('g2', 600, 'g'),
            pg_temp.item('g3', 300, 'g'))),
        ' g2/',
        1),
    'g1:s g2:f g3:s',
    'the item that makes it too much');
SELECT is(pg_temp.resources('bob'), 'a=1 b=999 c=3 f=1 g=900', 'all else is applied');
SELECT is(
    (SELECT count(*)
     FROM (SELECT version, count(*) FROM team.seen WHERE learner_id = 'bob' GROUP BY 1 HAVING count(*) > 1) v),
    0::bigint,
    'no version was seen twice');

-- Atomic, and the dry run, which asks no trigger.
SELECT is(
    split_part(
        pg_temp.verdicts(pg_temp.push('cat', '{"atomic": true}', pg_temp.item('a', 1), pg_temp.item('b', 1000))),
        ' a/',
        1),
    'a:f b:f',
    'atomic: the culprit takes the others with it');
SELECT is(pg_temp.resources('cat'), NULL, 'nothing is applied');
SELECT is(
    (SELECT string_agg(item_id || ' ' || code, ',') FROM learnsync_data.failed WHERE learner_id = 'cat'),
    'b error',
    'the culprit alone is recorded');
SELECT is(
    pg_temp.verdicts(pg_temp.push('cat', '{"dryRun": true}', pg_temp.item('b', 1000))),
    'b:s',
    'a dry run writes nothing, so nothing refuses it');

-- A thousand items with a handful of culprits.
SELECT is(
    (SELECT string_agg(f ->> 'id', ' ' ORDER BY (f ->> 'id')::int)
     FROM pg_temp.push('many', '{}', VARIADIC (
         SELECT array_agg(pg_temp.item(n::text, CASE WHEN n IN (1, 500, 501, 777, 1000) THEN 1000 ELSE 1 END))
         FROM generate_series(1, 1000) n)) answer,
         jsonb_array_elements(answer -> 'failedItems') f),
    '1 500 501 777 1000',
    'five culprits of a thousand');
SELECT is(
    (SELECT count(*) || ' ' || count(DISTINCT version) FROM team.seen WHERE learner_id = 'many'),
    '995 995',
    'and 995 versions seen');
ALTER TABLE learnsync_data.resource DROP CONSTRAINT team_limit;

-- A unique index of the team's.
CREATE UNIQUE INDEX team_name ON learnsync_data.resource (learner_id, (data ->> 'timeSpent')) WHERE learner_id = 'dan';
SELECT is(
    split_part(
        pg_temp.verdicts(pg_temp.push('dan', '{}', pg_temp.item('a', 1), pg_temp.item('b', 1), pg_temp.item('c', 2))),
        ' b/',
        1),
    'a:s b:f c:s',
    'a unique index refuses the second');
DROP INDEX learnsync_data.team_name;

-- A trigger that refuses, one that skips rows, one on another table.
CREATE FUNCTION team.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.data ->> 'timeSpent' = TG_ARGV[0] THEN
        IF TG_ARGV[1] = 'skip' THEN
            RETURN NULL;
        END IF;
        RAISE EXCEPTION USING ERRCODE = TG_ARGV[1], MESSAGE = 'the team says no';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT
    OR UPDATE ON learnsync_data.resource FOR EACH ROW EXECUTE FUNCTION team.refuse('13', 'P0001');
SELECT is(
    pg_temp.verdicts(pg_temp.push('eve', '{}', pg_temp.item('a', 1), pg_temp.item('b', 13), pg_temp.item('c', 2))),
    'a:s b:f c:s b/error/the team says no/true',
    'a trigger refuses one');
DROP TRIGGER refuse ON learnsync_data.resource;
CREATE TRIGGER refuse BEFORE INSERT
    OR UPDATE ON learnsync_data.resource FOR EACH ROW EXECUTE FUNCTION team.refuse('14', 'skip');
SELECT is(
    split_part(pg_temp.verdicts(pg_temp.push('eve', '{}', pg_temp.item('d', 3), pg_temp.item('e', 14))), ' e/', 1),
    'd:s e:f',
    'what a trigger skipped is not answered as synced');
DROP TRIGGER refuse ON learnsync_data.resource;
CREATE FUNCTION team.refuse_receipt()
    RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no conflicts here'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON learnsync_data.conflict FOR EACH ROW EXECUTE FUNCTION team.refuse_receipt();
SELECT is(
    pg_temp.verdicts(pg_temp.push('eve', '{}', pg_temp.item('f', 1),
        pg_temp.item('f2', 1, 'f') || '{"clientTimestamp": "2026-01-07T00:00:00Z"}',
        pg_temp.item('h', 1))),
    'f:s f2:f h:s f2/error/no conflicts here/true',
    'a trigger on conflicts refuses the conflict');
DROP TRIGGER refuse ON learnsync_data.conflict;
CREATE TRIGGER refuse BEFORE UPDATE ON learnsync_data.device FOR EACH ROW EXECUTE FUNCTION team.refuse_receipt();
SELECT pg_temp.trace('eve') AS before \gset
SELECT is(
    pg_temp.sqlstate_of($$ SELECT pg_temp.push('eve', '{}', pg_temp.item('i', 1)) $$),
    'P0001',
    'where it is no item that is refused, the push fails');
SELECT is(pg_temp.trace('eve'), :'before', 'as a whole');
DROP TRIGGER refuse ON learnsync_data.device;

-- Errors of the server are never taken for an item's.
SELECT pg_temp.push('fay', '{}', pg_temp.item('0', 1));
SELECT pg_temp.trace('fay') AS before \gset
CREATE FUNCTION pg_temp.raised(code text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON learnsync_data.resource FOR EACH ROW EXECUTE '
                   'FUNCTION team.refuse(%L, %L)',
        '13', code);
    result := pg_temp.sqlstate_of($q$SELECT pg_temp.push('fay', '{}', pg_temp.item('a', 1), pg_temp.item('b', 13),
                                         pg_temp.item('c', 2)) $q$);
    DROP TRIGGER refuse ON learnsync_data.resource;
    RETURN result;
END $$;
SELECT is(pg_temp.raised(code), code, 'the push ends with ' || code || ', ' || what)
FROM (VALUES
    ('40001', 'serialization failure'),
    ('40P01', 'deadlock'),
    ('55P03', 'lock not available'),
    ('57014', 'canceled'),
    ('57P01', 'shutdown'),
    ('53000', 'resources'),
    ('53100', 'disk full'),
    ('53200', 'out of memory'),
    ('53300', 'too many connections'),
    ('54001', 'too complex'),
    ('58030', 'I/O'),
    ('XX000', 'internal'),
    ('XX001', 'corrupted')) v (code, what);
SELECT is(pg_temp.trace('fay'), :'before', 'and leaves nothing');
SELECT is(pg_temp.raised(code), '00000', 'but not with ' || code || ', ' || what)
FROM (VALUES
    ('23514', 'check'),
    ('23505', 'unique'),
    ('22012', 'division by zero'),
    ('P0001', 'raised'),
    ('42501', 'not allowed'),
    ('42P01', 'no table')) v (code, what);

-- The same in earnest: a statement that takes too long, and a lock.
CREATE FUNCTION team.sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(10); RETURN NEW; END $$;
CREATE TRIGGER sleep BEFORE INSERT OR UPDATE ON learnsync_data.resource FOR EACH ROW EXECUTE FUNCTION team.sleep();
SET LOCAL statement_timeout = '200ms';
SELECT is(
    pg_temp.sqlstate_of($$ SELECT pg_temp.push('gus', '{}', pg_temp.item('a', 1), pg_temp.item('b', 1)) $$),
    '57014',
    'a statement timeout ends the push');
RESET statement_timeout;
DROP TRIGGER sleep ON learnsync_data.resource;
SELECT is(pg_temp.resources('gus'), NULL, 'nothing is written');

-- A trigger that calls learnsync again: for another learner it may, for the same one it does no harm.
CREATE FUNCTION team.push_again() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM learnsync.sync_push(TG_ARGV[0], '{"deviceId": "team", "items": [{"id": "inner", "operation": "update",
        "resourceType": "mastery", "resourceId": "inner", "data": {}, "clientTimestamp": "2026-01-08T10:00:00Z"}]}');
    RETURN NULL;
END $$;
CREATE TRIGGER again AFTER INSERT ON learnsync_data.resource FOR EACH ROW WHEN (
    NEW.resource_id = 'outer') EXECUTE FUNCTION team.push_again('jil');
SELECT is(
    pg_temp.verdicts(pg_temp.push('jim', '{}', pg_temp.item('outer', 1), pg_temp.item('b', 1))),
    'outer:s b:s',
    'a push for another learner from a trigger');
SELECT is(
    (SELECT string_agg(learner_id || ' ' || version, ',' ORDER BY learner_id) FROM learnsync_data.learner
     WHERE learner_id IN ('jil', 'jim')),
    'jil 2,jim 3',
    'both are there');
DROP TRIGGER again ON learnsync_data.resource;
CREATE TRIGGER again AFTER INSERT ON learnsync_data.resource FOR EACH ROW WHEN (
    NEW.resource_id = 'outer') EXECUTE FUNCTION team.push_again('joe');
SELECT isnt(
    pg_temp.sqlstate_of($q$DO $$
            BEGIN ASSERT pg_temp.push('joe', '{}', pg_temp.item('outer', 1), pg_temp.item('b',
                1)) #>> '{results,0,status}' <> 'synced',
                'taken';
            END $$ $q$),
    'P0004',
    'a push for the same learner is not taken');
SELECT is(
    (SELECT count(*) FROM learnsync_data.learner l
     WHERE learner_id = 'joe'
         AND version <> (SELECT max(version) FROM learnsync_data.resource r WHERE r.learner_id = l.learner_id)),
    0::bigint,
    'and the versions are in order');
DROP TRIGGER again ON learnsync_data.resource;

-- The same where rules are read anew within: the outer push goes on with those it began with.
CREATE OR REPLACE FUNCTION team.push_again() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    ALTER TABLE learnsync_data.resource_type RESET (fillfactor); -- which sessions hear of
    PERFORM learnsync.sync_push('jed', jsonb_build_object('deviceId', 'team',
        'items', (SELECT jsonb_agg(jsonb_build_object('id', t, 'operation', 'update', 'resourceType', t,
                      'resourceId', 'inner', 'data', '{"f": 1}'::jsonb, 'clientTimestamp', '2026-01-08T10:00:00Z'))
                  FROM unnest('{mastery,conversation,nested}'::text[]) t)));
    RETURN NULL;
END $$;
SELECT learnsync.define_resource_type('nested', '{"key": ["k"], "policy": "client_wins",
    "fields": {"f": {}, "s": {"derive": "f", "steps": [{"value": "none"}, {"value": "some", "from": 1}]}}}');
CREATE TRIGGER again AFTER INSERT ON learnsync_data.resource FOR EACH ROW WHEN (
    NEW.resource_id = 'outer') EXECUTE FUNCTION team.push_again();
SELECT is(
    pg_temp.push('jon', '{}', pg_temp.item('outer', 1),
        pg_temp.item('early', 2, 'outer')
            || '{"clientTimestamp": "2026-01-08T09:00:00Z"}') #> '{conflicts,0,serverData}',
    '{"lessonId": "outer", "timeSpent": 3, "status": "not-started", "startedAt": "2026-01-08T09:00:00.000Z",
        "lastAccessedAt": "2026-01-08T10:00:00.000Z"}',
    'a push within a push that has to read the rules anew');
DROP TRIGGER again ON learnsync_data.resource;

-- Whether something guards the tables is seen at once, whichever table it is on.
SELECT pg_temp.push('hal', '{}', pg_temp.item('a', 1));
ALTER TABLE learnsync_data.ledger ADD CONSTRAINT team_check CHECK (verdict <> 's') NOT VALID;
SELECT is(
    split_part(pg_temp.verdicts(pg_temp.push('hal', '{}', pg_temp.item('b', 1), pg_temp.item('c', 1))), ' b/', 1),
    'b:f c:f',
    'a constraint on the ledger refuses items');
ALTER TABLE learnsync_data.ledger DROP CONSTRAINT team_check;
ALTER TABLE learnsync_data.resource ADD COLUMN team text NOT NULL DEFAULT 'x',
    ADD COLUMN doubled numeric GENERATED ALWAYS AS ((data ->> 'timeSpent')::numeric * 2) STORED;
SELECT is(
    pg_temp.verdicts(pg_temp.push('hal', '{}', pg_temp.item('b', 1), pg_temp.item('a2', 1, 'a'))),
    'b:s a2:s',
    'columns of the team''s are left alone');
SELECT is(
    (SELECT string_agg(resource_id || team || doubled, ' ' ORDER BY resource_id) FROM learnsync_data.resource
     WHERE learner_id = 'hal'),
    'ax4 bx2',
    'and filled by their defaults');

-- The learner's row may be gone again before it is locked, where others erase the learner: it is added once more.
CREATE SEQUENCE team.tries;
GRANT USAGE ON SEQUENCE team.tries TO learnsync_owner;
CREATE FUNCTION team.lose()
    RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RETURN CASE WHEN nextval('team.tries') > TG_ARGV[0]::int THEN NEW END; END $$;
CREATE TRIGGER lose BEFORE INSERT ON learnsync_data.learner FOR EACH ROW EXECUTE FUNCTION team.lose(3);
SELECT is(
    pg_temp.verdicts(pg_temp.push('ivy', '{}', pg_temp.item('a', 1))),
    'a:s',
    'a learner whose row is gone as soon as it is there is added again');
SELECT is(last_value, 4::bigint, 'as often as it takes') FROM team.tries;
DROP TRIGGER lose ON learnsync_data.learner;
CREATE TRIGGER lose BEFORE INSERT ON learnsync_data.learner FOR EACH ROW EXECUTE FUNCTION team.lose(1000000);
SELECT is(
    pg_temp.sqlstate_of($q$ SELECT pg_temp.push('ike', '{}', pg_temp.item('a', 1)) $q$),
    '55006',
    'though not where a trigger never lets it in');
DROP TRIGGER lose ON learnsync_data.learner;

SELECT * FROM finish();
ROLLBACK;
