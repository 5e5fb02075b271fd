-- The states of interactions in a learner's snapshot are bounded together, as a document is: at the door, one by one.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.event(id text, content text, interaction text, state jsonb, at text DEFAULT '10:00:00Z')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('eventId', id, 'clientId', 'c', 'type', 'content.progressed',
        'occurredAt', '2026-01-08T' || at, 'payload', jsonb_build_object('contentId', content, 'status', 'completed',
            'interaction', jsonb_build_object('interactionId', interaction, 'state', state))) $$;
CREATE FUNCTION pg_temp.reset(id text, at text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('eventId', id, 'clientId', 'c', 'type', 'progress.reset',
        'occurredAt', '2026-01-08T' || at) $$;
CREATE FUNCTION pg_temp.big(bytes int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('t', repeat('x', bytes)) $$;
-- The ids of the events that failed, and why.
CREATE FUNCTION pg_temp.put(learner text, VARIADIC events jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT COALESCE(string_agg(f ->> 'eventId' || ' ' || (f ->> 'code'), ', ' ORDER BY f ->> 'eventId'), 'all taken')
    FROM jsonb_array_elements(
        learnsync.progress_put(learner, jsonb_build_object('events', events)) #> '{data,failedEvents}') f $$;
CREATE FUNCTION pg_temp.shown(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(c.key || '/' || i.key, ' ' ORDER BY c.key, i.key)
    FROM jsonb_each(learnsync.progress_get(learner)::jsonb #> '{data,snapshot,content}') c,
        jsonb_each(c.value -> 'interactions') i $$;
-- What stands in the learner's row, and what the stored states come to.
CREATE FUNCTION pg_temp.bytes(learner text) RETURNS bigint LANGUAGE sql AS $$
    SELECT state_bytes FROM learnsync_data.progress WHERE learner_id = learner $$;

SET LOCAL learnsync.max_document_bytes = 10000;
SELECT is(
    pg_temp.put('ada', pg_temp.event('1', 'a', 'i', pg_temp.big(3000)), pg_temp.event('2', 'a', 'j', pg_temp.big(3000)),
        pg_temp.event('3', 'b', 'i', pg_temp.big(3000)), pg_temp.event('4', 'b', 'j', pg_temp.big(3000)),
        pg_temp.event('5', 'b', 'k', '{}')),
    '4 too_large',
    'an event that would make the states too large fails, the others are taken');
SELECT is(pg_temp.shown('ada'), 'a/i a/j b/i b/k', 'and are shown');
SELECT is(
    learnsync.progress_put('ada', jsonb_build_object('events',
        jsonb_build_array(pg_temp.event('4', 'b', 'j', pg_temp.big(3000))))) #>> '{data,failedEvents,0,message}',
    'the interaction states of this learner would be larger than 10000 bytes',
    'it is told why');
SELECT is(
    (SELECT code || ' ' || retry_count FROM learnsync_data.failed WHERE learner_id = 'ada'),
    'too_large 1',
    'and recorded, as every event that fails');
SELECT is(pg_temp.put('ada', pg_temp.event('6', 'b', 'j', pg_temp.big(870))), 'all taken', 'what fits is taken');
SELECT is(pg_temp.put('ada', pg_temp.event('7', 'b', 'l', '{"a": 1}')), '7 too_large', 'until nothing does');
SELECT is(
    pg_temp.put('ada', jsonb_set(pg_temp.event('8', 'z', 'z', 'null'), '{payload}',
        '{"contentId": "z", "status": "passed"}')),
    'all taken',
    'events without a state always do');
SELECT is(
    pg_temp.put('ada', pg_temp.event('9', 'a', 'i', pg_temp.big(9000), '09:00:00Z')),
    'all taken',
    'and so does one that comes too late for its state to be shown');
SELECT is(
    pg_temp.put('ada', pg_temp.event('10', 'a', 'i', pg_temp.big(3000), '11:00:00Z')),
    'all taken',
    'and a state in the place of one as large');
SELECT is(
    pg_temp.put('ada', pg_temp.event('11', 'a', 'i', pg_temp.big(5000), '12:00:00Z'),
        pg_temp.event('12', 'a', 'j', 'null', '12:00:00Z'),
        pg_temp.event('13', 'a', 'i', pg_temp.big(5000), '13:00:00Z')),
    '11 too_large',
    'a state that was taken away makes room for those that follow');
SELECT is(pg_temp.put('ada', pg_temp.event('4', 'b', 'j', pg_temp.big(3000))), 'all taken',
    'an event that failed may be sent again, and comes too late to be shown');
SELECT is(pg_temp.shown('ada'), 'a/i b/i b/j b/k', 'the snapshot shows the last ones');
SELECT cmp_ok(pg_temp.bytes('ada'), '<=', 10000::bigint, 'they stay small enough');
SELECT is_empty('SELECT * FROM learnsync.progress_verify()', 'and their size is what the log says');

-- Resets make room.
SELECT is(
    pg_temp.put('ada', pg_temp.event('14', 'c', 'x', pg_temp.big(9000), '15:00:00Z'), pg_temp.reset('15', '14:00:00Z'),
        pg_temp.event('16', 'c', 'x', pg_temp.big(9000), '15:00:00Z'),
        pg_temp.event('17', 'a', 'i', pg_temp.big(9000), '13:30:00Z'),
        pg_temp.event('18', 'c', 'y', pg_temp.big(900), '15:00:00Z'),
        pg_temp.event('19', 'c', 'z', pg_temp.big(900), '15:00:00Z')),
    '14 too_large, 19 too_large',
    'after a reset of the same put there is room for what it leaves');
SELECT is(pg_temp.shown('ada'), 'c/x c/y', 'and no more is shown than that');
SELECT is_empty('SELECT * FROM learnsync.progress_verify()', 'nor counted');
SELECT is(
    pg_temp.put('ada', pg_temp.reset('20', '14:30:00Z'), pg_temp.event('21', 'c', 'z', pg_temp.big(900), '15:00:00Z')),
    '21 too_large',
    'a reset that leaves all makes no room');
SELECT is(
    pg_temp.put('ada', pg_temp.reset('20', '14:30:00Z'), pg_temp.event('21', 'c', 'z', pg_temp.big(900), '15:00:00Z')),
    '21 too_large',
    'nor does one that was known');
SELECT is(pg_temp.put('ada', pg_temp.reset('22', '16:00:00Z')), 'all taken', 'a reset alone');
SELECT is(pg_temp.bytes('ada'), 0::bigint, 'leaves nothing');

-- What was taken away takes no room.
SELECT is(
    pg_temp.put('nulls', pg_temp.event('1', 'a', 'i', '{"t": 1}'), pg_temp.event('2', 'a', 'i', 'null', '11:00:00Z'),
        pg_temp.event('3', 'a', 'j', 'null')) || pg_temp.bytes('nulls'),
    'all taken0',
    'states that were taken away count nothing');

-- A full snapshot, and a put of resets that leave all of it, each with a state for which there is no room after it.
SELECT pg_temp.put('often', VARIADIC array_agg(pg_temp.event(n::text, 'c', 'i' || n, pg_temp.big(50), '20:00:00Z')))
FROM generate_series(1, 100) n;
CREATE FUNCTION pg_temp.read() RETURNS bigint LANGUAGE sql AS $$
    SELECT (COALESCE(idx_tup_fetch, 0) + seq_tup_read)::bigint FROM pg_stat_xact_user_tables
    WHERE relid = 'learnsync_data.progress_interaction'::regclass $$;
CREATE TEMP TABLE read AS SELECT pg_temp.read() AS before;
SELECT is(
    pg_temp.put('often', VARIADIC array_agg(e ORDER BY n)),
    (SELECT string_agg('big' || n || ' too_large', ', ' ORDER BY 'big' || n) FROM generate_series(1, 20) n),
    'resets that leave all make no room')
FROM (SELECT n, pg_temp.reset('reset' || n, '10:00:' || (10 + n) || 'Z') AS e FROM generate_series(1, 20) n
      UNION ALL SELECT n + 0.5, pg_temp.event('big' || n, 'd', 'i' || n, pg_temp.big(9000), '21:00:00Z')
      FROM generate_series(1, 20) n) x;
SELECT cmp_ok(pg_temp.read() - before, '<=', 200::bigint, 'and what is stored is read once to count it, and once to '
    'write it')
FROM read;

-- A put that is decided again, as a trigger of a team refuses one of its events, counts anew.
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
CREATE TRIGGER refuse AFTER INSERT ON learnsync_data.event FOR EACH ROW WHEN (NEW.event_id = 'bad')
    EXECUTE FUNCTION pg_temp.refuse();
SELECT pg_temp.put('again', pg_temp.event('1', 'a', 'i', pg_temp.big(3000), '15:00:00Z'),
    pg_temp.event('2', 'a', 'j', pg_temp.big(3000), '15:00:00Z'), pg_temp.event('3', 'a', 'k', pg_temp.big(3000)));
SELECT is(
    pg_temp.put('again', pg_temp.event('bad', 'b', 'i', '{}'), pg_temp.reset('4', '14:00:00Z'),
        pg_temp.event('5', 'b', 'j', pg_temp.big(3000), '16:00:00Z'),
        pg_temp.event('6', 'b', 'k', pg_temp.big(3000), '16:00:00Z')),
    '6 too_large, bad error',
    'where one event is refused by a trigger the others find the room that there is');
SELECT is_empty('SELECT * FROM learnsync.progress_verify()', 'which is counted as it is');
DROP TRIGGER refuse ON learnsync_data.event;

-- At once or one by one: the same are taken. Whatever was taken, the states fit, and the snapshot is that of the set.
CREATE TEMP TABLE story AS
SELECT seed, array_agg(CASE
        WHEN random < 0.03 THEN pg_temp.reset(n::text, to_char(at, 'HH24:MI:SS"Z"'))
        WHEN random < 0.15 THEN pg_temp.event(n::text, 'c' || n % 3, 'i' || n % 7, 'null', to_char(at, 'HH24:MI:SS"Z"'))
        ELSE pg_temp.event(n::text, 'c' || n % 3, 'i' || n % 7, pg_temp.big((random * 2500)::int),
            to_char(at, 'HH24:MI:SS"Z"'))
    END ORDER BY n) AS events
FROM (SELECT seed, n, ('x' || substr(md5(seed || '-' || n), 1, 7))::bit(28)::int / 268435456.0 AS random,
          time '08:00'
              + (n * 60 + ('x' || substr(md5(seed || '-' || n), 8, 4))::bit(16)::int % 3600) * interval '1s' AS at
      FROM generate_series(1, 20) seed, generate_series(1, 120) n) s
GROUP BY seed;
CREATE FUNCTION pg_temp.one_by_one(learner text, events jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT COALESCE(string_agg(answer, ', ' ORDER BY split_part(answer, ' ', 1)), 'all taken')
    FROM (SELECT pg_temp.put(learner, e) AS answer FROM unnest(events) WITH ORDINALITY x (e, n) ORDER BY n OFFSET 0) a
    WHERE answer <> 'all taken' $$;
SELECT is(pg_temp.put('at once ' || seed, VARIADIC events), pg_temp.one_by_one('one by one ' || seed, events),
    'story ' || seed || ': at once or one by one')
FROM story;
SELECT cmp_ok(pg_temp.bytes('at once ' || seed), '<=', 10000::bigint, 'story ' || seed || ': small enough') FROM story;
SELECT is(
    learnsync.progress_get('at once ' || seed)::jsonb #> '{data,snapshot}',
    learnsync.progress_get('one by one ' || seed)::jsonb #> '{data,snapshot}',
    'story ' || seed || ': the same snapshot')
FROM story;
SELECT cmp_ok(
    (SELECT count(*) FROM learnsync_data.failed WHERE learner_id LIKE 'at once %' AND code = 'too_large'),
    '>',
    20::bigint,
    'in which many failed');
SELECT is_empty('SELECT * FROM learnsync.progress_verify()', 'all stories are what their logs say');

-- What is larger already, since the limit was another.
SET LOCAL learnsync.max_document_bytes = 1024;
SELECT is(pg_temp.put('large', pg_temp.event('1', 'a', 'i', pg_temp.big(900))), 'all taken', 'as large as may be');
RESET learnsync.max_document_bytes;
SELECT is(
    pg_temp.put('large', pg_temp.event('2', 'a', 'j', pg_temp.big(200000)),
        pg_temp.event('3', 'a', 'k', pg_temp.big(200000))),
    'all taken',
    'larger by another limit');
SET LOCAL learnsync.max_document_bytes = 10000;
SELECT is(pg_temp.shown('large'), 'a/i a/j a/k', 'is read');
SELECT is(
    pg_temp.put('large', pg_temp.event('4', 'a', 'l', '{}'),
        pg_temp.event('5', 'a', 'j', pg_temp.big(100000), '11:00:00Z'),
        pg_temp.event('6', 'a', 'j', pg_temp.big(100001), '12:00:00Z')),
    '4 too_large, 6 too_large',
    'and may shrink');
SELECT is_empty('SELECT * FROM learnsync.progress_verify()', 'and is what its log says');
UPDATE learnsync_data.progress SET state_bytes = 5 WHERE learner_id = 'large';
SELECT is(
    (SELECT learner_id FROM learnsync.progress_verify()),
    'large',
    'a size that somebody changed is told');

SELECT finish();
ROLLBACK;
