-- A team's triggers and constraints on the event log: one call per new event, only the culprit fails, nesting is
-- refused.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.event(id text, type text DEFAULT 'content.progressed', t text DEFAULT '10:00')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('eventId', id, 'occurredAt', '2026-01-08T' || t || ':00Z', 'clientId', 'app',
        'type', type, 'payload', jsonb_build_object('contentId', id, 'status', 'passed')) $$;
CREATE FUNCTION pg_temp.put(learner text, VARIADIC events jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', data ->> 'accepted', data ->> 'duplicates',
        (SELECT string_agg(concat_ws('/', f ->> 'eventId', f ->> 'code', f ->> 'message'), ' ' ORDER BY n)
         FROM jsonb_array_elements(data -> 'failedEvents') WITH ORDINALITY AS x (f, n)))
    FROM (SELECT learnsync.progress_put(learner, jsonb_build_object(
              'events', to_jsonb(events))) -> 'data' AS data) x $$;
CREATE FUNCTION pg_temp.contents(learner text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT string_agg(k, ' ' ORDER BY k)
            FROM jsonb_object_keys(learnsync.progress_get(learner) #> '{data,snapshot,content}') k);
END $$;

CREATE SCHEMA team;
CREATE TABLE team.seen (event_id text, by name);
GRANT USAGE ON SCHEMA team TO learnsync_owner;
GRANT INSERT ON team.seen TO learnsync_owner;
GRANT EXECUTE ON FUNCTION learnsync.progress_put(text, jsonb) TO learnsync_owner;
CREATE FUNCTION team.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.event_id LIKE 'refused%' THEN
        RAISE EXCEPTION 'the team does not want %', NEW.event_id;
    ELSIF NEW.event_id LIKE 'deadlock%' THEN
        RAISE EXCEPTION 'deadlock' USING ERRCODE = 'deadlock_detected';
    ELSIF NEW.event_id LIKE 'nested%' THEN
        PERFORM learnsync.progress_put(NEW.learner_id, jsonb_build_object('events', jsonb_build_array(
                jsonb_build_object('eventId', 'inner', 'occurredAt', '2026-01-08T10:00:00Z', 'clientId', 'app',
                    'type', 'onboarding.reset'))));
    END IF;
    INSERT INTO team.seen VALUES (NEW.event_id, current_user);
    RETURN NULL;
END $$;
CREATE TRIGGER see AFTER INSERT ON learnsync_data.event FOR EACH ROW EXECUTE FUNCTION team.see();

SELECT is(pg_temp.put('l', pg_temp.event('e1'), pg_temp.event('e2'), pg_temp.event('e1')), '2 1', 'with a trigger');
SELECT is(pg_temp.put('l', pg_temp.event('e1'), pg_temp.event('e3')), '1 1', 'a retry and a new one');
SELECT is(
    (SELECT string_agg(event_id || ' ' || by, ',' ORDER BY event_id) FROM team.seen),
    'e1 learnsync_owner,e2 learnsync_owner,e3 learnsync_owner',
    'fires once per new event, as the owner');
SELECT is(
    pg_temp.put('l', pg_temp.event('e4'), pg_temp.event('refused1'), pg_temp.event('e5'), pg_temp.event('e2'),
        pg_temp.event('refused2'), pg_temp.event('e6')),
    '3 1 refused1/error/the team does not want refused1 refused2/error/the team does not want refused2',
    'only the culprits fail');
SELECT is(pg_temp.contents('l'), 'e1 e2 e3 e4 e5 e6', 'the others are part of the snapshot');
SELECT is(
    (SELECT string_agg(concat_ws(' ', item_id, retryable), ',' ORDER BY item_id) FROM learnsync_data.failed
     WHERE learner_id = 'l'),
    'refused1 t,refused2 t',
    'and they can be retried');
SELECT is(
    pg_temp.put('l', pg_temp.event('refused r', 'progress.reset', '11:00'), pg_temp.event('e7', t => '12:00')),
    '1 0 refused r/error/the team does not want refused r',
    'a reset that is refused');
SELECT is(pg_temp.contents('l'), 'e1 e2 e3 e4 e5 e6 e7', 'wipes nothing');
SELECT is(
    pg_temp.put('l',
        pg_temp.event('reset', 'progress.reset', '11:00'),
        pg_temp.event('refused3'),
        pg_temp.event('e8')),
    '2 0 refused3/error/the team does not want refused3',
    'a reset beside one that is refused');
SELECT is(pg_temp.contents('l'), 'e7', 'wipes');
SELECT is(
    pg_temp.put('l', pg_temp.event('refused1')),
    '0 0 refused1/error/the team does not want refused1',
    'a put of which nothing is left');
SELECT throws_ok(
    $$SELECT pg_temp.put('l', pg_temp.event('e9'), pg_temp.event('deadlock'))$$,
    '40P01',
    'deadlock',
    'what says nothing of an event ends the put');
SELECT throws_ok(
    $$SELECT pg_temp.put('l', pg_temp.event('nested'))$$,
    '55000',
    'a call was made within a call for the same learner',
    'a put within a put');
SELECT is(
    (SELECT string_agg(version::text, ' ' ORDER BY version) FROM learnsync_data.event WHERE learner_id = 'l'),
    '2 3 4 5 6 7 8 9 10',
    'no version is skipped');
SELECT is((SELECT count(*) FROM learnsync.progress_verify()), 0::bigint, 'no snapshot is off');

-- A put within a push of the same learner.
CREATE FUNCTION team.nest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM learnsync.progress_put(NEW.learner_id, jsonb_build_object('events', jsonb_build_array(
            jsonb_build_object('eventId', 'inner', 'occurredAt', '2026-01-08T10:00:00Z', 'clientId', 'app',
                'type', 'onboarding.reset'))));
    RETURN NULL;
END $$;
CREATE TRIGGER nest AFTER INSERT OR UPDATE ON learnsync_data.resource FOR EACH ROW EXECUTE FUNCTION team.nest();
SELECT throws_ok(
    $$SELECT learnsync.sync_push('l', '{"deviceId": "d", "items": [{"id": "i", "operation": "update", '
                                      '"resourceType": "mastery", "data": {"competencyId": "x"}, "clientTimestamp": '
                                      '"2026-01-08T10:00:00Z"}]}')::jsonb$$,
    '55000',
    NULL,
    'a put within a push');

-- A constraint.
DROP TRIGGER see ON learnsync_data.event;
ALTER TABLE learnsync_data.event ADD CONSTRAINT named CHECK (event_id <> 'forbidden');
SELECT matches(
    pg_temp.put('m', pg_temp.event('e1'), pg_temp.event('forbidden'), pg_temp.event('e2')),
    '^2 0 forbidden/error/new row .* violates check constraint',
    'a constraint of the team''s');
SELECT is(pg_temp.contents('m'), 'e1 e2', 'the others commit');

-- An event that is left out without a word would be a version that nobody gets.
CREATE FUNCTION team.skip() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN NEW.event_id LIKE 'skipped%' THEN NULL ELSE NEW END;
END $$;
CREATE TRIGGER skip BEFORE INSERT ON learnsync_data.event FOR EACH ROW EXECUTE FUNCTION team.skip();
SELECT is(
    pg_temp.put('n', pg_temp.event('e1'), pg_temp.event('skipped'), pg_temp.event('e2')),
    '2 0 skipped/error/an event was refused outside learnsync',
    'an event that a trigger skips has failed');
SELECT is(pg_temp.contents('n'), 'e1 e2', 'and no other');
SELECT * FROM finish();
ROLLBACK;
