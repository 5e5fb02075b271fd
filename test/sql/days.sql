-- The learner's day: time zones and when days begin, from a day on; streaks that go by them in the snapshot and in
-- learner_stats alike.
BEGIN;
SELECT no_plan();

CREATE ROLE test_learner;
SELECT learnsync.grant_access('test_learner', 'learner');
CREATE FUNCTION pg_temp.ask(learner text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM set_config('request.jwt.claims', jsonb_build_object('sub', learner)::text, true);
    SET LOCAL ROLE test_learner;
    EXECUTE statement INTO result;
    RESET ROLE;
    RETURN result;
END $$;
CREATE FUNCTION pg_temp.says(learner text, request jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', a ->> 'timeZone', a ->> 'dayStarts', a ->> 'from')
    FROM (SELECT learnsync.set_learner(learner, request) AS a) x $$;
CREATE FUNCTION pg_temp.app_says(learner text, request jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', a ->> 'timeZone', a ->> 'dayStarts', a ->> 'from')
    FROM (SELECT pg_temp.ask(learner, format('SELECT learnsync_api.set_learner(%L)', request))::jsonb AS a) x $$;
CREATE FUNCTION pg_temp.completes(learner text, VARIADIC times text[]) RETURNS void LANGUAGE sql AS $$
    SELECT learnsync.progress_put(learner, jsonb_build_object('events', (
        SELECT jsonb_agg(jsonb_build_object('eventId', t, 'occurredAt', t, 'clientId', 'c',
            'type', 'content.progressed', 'payload', jsonb_build_object('contentId', t, 'status', 'completed')))
        FROM unnest(times) t))) $$;
CREATE FUNCTION pg_temp.snapshot(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', s -> 'currentStreak', s -> 'longestStreak', s ->> 'lastActivityDate')
    FROM (SELECT learnsync.progress_get(learner) #> '{data,snapshot,streak}' AS s) x $$;
CREATE FUNCTION pg_temp.stats(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.ask(learner, 'SELECT concat_ws('' '', current_streak, longest_streak, last_activity_date) '
        'FROM learnsync_api.learner_stats') $$;
-- What both say, where they say the same.
CREATE FUNCTION pg_temp.streak(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN s = t THEN s ELSE format('snapshot %s, statistics %s', s, t) END
    FROM (SELECT pg_temp.snapshot(learner) AS s, pg_temp.stats(learner) AS t) x $$;
CREATE FUNCTION pg_temp.days(learner text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT l.days FROM learnsync_data.learner l WHERE l.learner_id = learner $$;
CREATE FUNCTION pg_temp.today(zone text) RETURNS date LANGUAGE sql AS $$
    SELECT (clock_timestamp() AT TIME ZONE zone)::date $$;

-- Who says nothing lives by UTC.
SELECT pg_temp.completes('utc', '2026-01-05T23:30:00Z', '2026-01-06T23:30:00-01:00');
SELECT is(pg_temp.streak('utc'), '1 1 2026-01-07', 'days are those of UTC for whoever says nothing');
SELECT is(pg_temp.days('utc'), NULL, 'and nothing is kept of them');
SELECT is(pg_temp.says('utc', '{}'), 'UTC 00:00', 'a call that says nothing tells what holds');
SELECT is(pg_temp.says('nobody', '{}'), 'UTC 00:00', 'to whoever is no learner yet, too');
SELECT is_empty($$SELECT FROM learnsync_data.learner WHERE learner_id = 'nobody'$$, 'and makes no learner');
SELECT is(pg_temp.says('utc', '{"timeZone": "UTC", "from": "2026-01-01"}'), 'UTC 00:00', 'saying so is saying nothing');

-- Five evenings in New York are five days.
SELECT pg_temp.completes('ny', '2026-01-05T17:00:00-05:00', '2026-01-06T20:30:00-05:00',
    '2026-01-07T20:00:00-05:00', '2026-01-08T17:00:00-05:00', '2026-01-09T17:00:00-05:00');
SELECT is(pg_temp.streak('ny'), '3 3 2026-01-09', 'in UTC an evening belongs to the next day');
SELECT is(pg_temp.says('ny', '{"timeZone": "america/new_york", "from": "2026-01-01"}'),
    'America/New_York 00:00 2026-01-01', 'a zone is spelt as the database of time zones has it');
SELECT is(pg_temp.streak('ny'), '5 5 2026-01-09', 'in New York these are five days on end');
SELECT is(pg_temp.says('ny', '{"timeZone": "UTC", "from": "2026-01-08"}'), 'UTC 00:00 2026-01-08', 'back to UTC');
SELECT is(pg_temp.streak('ny'), '5 5 2026-01-09', 'days before from stay as they were');
SELECT is(pg_temp.says('ny', '{"timeZone": "UTC", "from": "2026-01-07"}'), 'UTC 00:00 2026-01-07', 'a day earlier');
SELECT is(pg_temp.streak('ny'), '2 2 2026-01-09', 'those from then on do not: the evening of the 7th is the 8th');
SELECT is(pg_temp.says('ny', '{"timeZone": "America/New_York", "from": "2026-01-03"}'),
    'America/New_York 00:00 2026-01-01', 'what holds already goes on; what was to change later does not');
SELECT is(pg_temp.days('ny'), '[["2026-01-01T00:00:00.000000Z", "America/New_York", 0]]', 'it is kept once');
CREATE TEMP TABLE before AS SELECT l.ctid::text AS place FROM learnsync_data.learner l WHERE learner_id = 'ny';
SELECT pg_temp.says('ny', '{"timeZone": "America/New_York"}');
SELECT results_eq($$SELECT l.ctid::text FROM learnsync_data.learner l WHERE learner_id = 'ny'$$, 'TABLE before',
    'saying the same again writes nothing');

-- Days that begin at night.
SELECT pg_temp.completes('owl', '2026-01-05T23:00:00Z', '2026-01-07T02:00:00Z', '2026-01-08T03:59:59Z');
SELECT is(pg_temp.streak('owl'), '2 2 2026-01-08', 'after midnight is the next day');
SELECT is(pg_temp.says('owl', '{"dayStarts": "04:00", "from": "2026-01-01"}'), 'UTC 04:00 2026-01-01', 'or not yet');
SELECT is(pg_temp.streak('owl'), '3 3 2026-01-07', 'where days begin at four');
SELECT pg_temp.completes('owl', '2026-01-08T04:00:00Z');
SELECT is(pg_temp.streak('owl'), '4 4 2026-01-08', 'at four the day begins');
SELECT is(pg_temp.says('owl', '{"timeZone": "Europe/Berlin", "from": "2026-02-01"}'),
    'Europe/Berlin 04:00 2026-02-01', 'what is not said stays');
SELECT is(pg_temp.days('owl'),
    '[["2026-01-01T00:00:00.000000Z", "UTC", 240], ["2026-02-01T04:00:00.000000Z", "Europe/Berlin", 240]]',
    'each from its day on');

-- What arrives late.
SELECT pg_temp.says('late', '{"timeZone": "America/New_York", "from": "2026-01-01"}');
SELECT pg_temp.completes('late', '2026-01-05T21:00:00-05:00', '2026-01-07T21:00:00-05:00');
SELECT is(pg_temp.streak('late'), '1 1 2026-01-07', 'a day is missing');
SELECT pg_temp.completes('late', '2026-01-06T23:59:59.999999-05:00');
SELECT is(pg_temp.streak('late'), '3 3 2026-01-07', 'until what was done on it arrives');

-- Days of 23 and of 25 hours. On clocks that are set forward at midnight the day begins at one.
SELECT pg_temp.says('dst', '{"timeZone": "Europe/Berlin", "from": "2025-01-01"}');
SELECT pg_temp.completes('dst', '2025-03-29T22:59:59Z', '2025-03-30T21:59:59Z', '2025-03-30T22:00:00Z');
SELECT is(pg_temp.streak('dst'), '3 3 2025-03-31', 'a day of 23 hours');
SELECT pg_temp.completes('dst', '2025-10-25T21:59:59Z', '2025-10-26T22:59:59Z', '2025-10-26T23:00:00Z');
SELECT is(pg_temp.streak('dst'), '3 3 2025-10-27', 'a day of 25 hours');
SELECT pg_temp.says('cairo', '{"timeZone": "Africa/Cairo", "from": "2014-01-01"}');
SELECT is(pg_temp.says('cairo', '{"dayStarts": "04:00", "from": "2014-05-16"}'),
    'Africa/Cairo 04:00 2014-05-16', 'a day whose midnight is left out');
SELECT is(pg_temp.days('cairo') #>> '{1,0}', '2014-05-15T22:00:00.000000Z', 'begins when clocks are set forward');

-- A day that no clock showed.
SELECT pg_temp.completes('apia', '2011-12-28T20:00:00-10:00', '2011-12-29T20:00:00-10:00',
    '2011-12-31T20:00:00+14:00', '2012-01-01T20:00:00+14:00');
SELECT pg_temp.says('apia', '{"timeZone": "Pacific/Apia", "from": "2011-01-01"}');
SELECT is(pg_temp.streak('apia'), '4 4 2012-01-01', 'in Apia 2011-12-31 follows 2011-12-29');
SELECT pg_temp.says('apia', '{"dayStarts": "04:00", "from": "2011-06-01"}');
SELECT is(pg_temp.streak('apia'), '4 4 2012-01-01', 'whenever days begin');
SELECT is(pg_temp.says('apia', '{"dayStarts": "00:00", "from": "2011-12-30"}'),
    'Pacific/Apia 00:00 2011-12-31', 'another rule from the day that is not there on holds from the next');
SELECT is(pg_temp.days('apia') #>> '{2,0}', '2011-12-30T14:00:00.000000Z', 'as that begins');
SELECT is((SELECT array_agg(s.last_activity_date || ' ' || s.current_streak ORDER BY night)
        FROM unnest(ARRAY['2011-12-31 00:00+14', '2011-12-31 03:59:59.999999+14', '2011-12-31 04:00+14',
                '2012-01-01 03:59+14']::timestamptz[]) night,
            learnsync.streak(ARRAY[timestamptz '2011-12-29 20:00-10', night],
                '[["2011-01-01T00:00:00Z", "Pacific/Apia", 240]]') s),
    '{2011-12-29 1,2011-12-29 1,2011-12-31 2,2011-12-31 2}',
    'the night after it is the end of the day before it');
SELECT is((SELECT array_agg(DISTINCT s.current_streak) FROM generate_series(0, 1439) minute, learnsync.streak(
        ARRAY(SELECT d FROM unnest('{2011-12-28 20:00-10,2011-12-29 20:00-10,2011-12-31 20:00+14,2012-01-01 20:00+14}'
            ::timestamptz[]) d),
            jsonb_build_array(jsonb_build_array('2011-01-01T00:00:00Z', 'Pacific/Apia', minute))) s),
    '{4}', 'no minute at which days begin makes a day of it');
SELECT pg_temp.completes('pago', '2011-12-29T20:00:00-11:00', '2011-12-31T20:00:00-11:00');
SELECT pg_temp.says('pago', '{"timeZone": "Pacific/Pago_Pago", "from": "2011-01-01"}');
SELECT is(pg_temp.streak('pago'), '1 1 2011-12-31', 'in Pago Pago it does not');

-- Travels. Over the date line to the west a day is long, to the east one may be missing; days never go backwards.
SELECT pg_temp.says('west', '{"timeZone": "Asia/Tokyo", "from": "2026-01-01"}');
SELECT pg_temp.completes('west', '2026-01-09T23:00:00Z', '2026-01-10T13:00:00Z', '2026-01-11T13:00:00Z');
SELECT is(pg_temp.streak('west'), '2 2 2026-01-11', 'Tokyo: the 10th twice and the 11th');
UPDATE learnsync_data.learner
SET days = days || '[["2026-01-10T01:00:00Z", "America/Los_Angeles", 0]]' WHERE learner_id = 'west';
SELECT is(pg_temp.streak('west'), '2 2 2026-01-11', 'who flies to Los Angeles on the 10th has a long 10th');
SELECT is(learnsync.streak('{2026-01-10 01:00Z,2026-01-10 13:00Z,2026-01-11 07:59Z,2026-01-11 08:00Z}',
        pg_temp.days('west'))::text, '(2,2,2026-01-11)', 'up to midnight there');
SELECT is(learnsync.streak('{2026-01-08 12:00Z,2026-01-10 01:00Z}',
        '[["2026-01-01T00:00:00Z", "Pacific/Pago_Pago", 0], ["2026-01-09T10:30:00Z", "Pacific/Kiritimati", 0]]')::text,
    '(2,2,2026-01-10)', 'who flies east in the evening goes on the morning after the next');
SELECT is(learnsync.streak('{2026-01-08 12:00Z,2026-01-10 12:00Z}',
        '[["2026-01-01T00:00:00Z", "Pacific/Pago_Pago", 0], ["2026-01-09T10:30:00Z", "Pacific/Kiritimati", 0]]')::text,
    '(1,1,2026-01-11)', 'and may miss a day as anybody');

-- From now on: what is over stays, whatever the zone.
SELECT pg_temp.completes('mover', to_char(clock_timestamp() AT TIME ZONE 'UTC' - interval '1 hour',
    'YYYY-MM-DD"T"HH24:MI:SS"Z"'), to_char(clock_timestamp() AT TIME ZONE 'UTC' - interval '25 hours',
    'YYYY-MM-DD"T"HH24:MI:SS"Z"'));
CREATE TEMP TABLE streak AS SELECT pg_temp.streak('mover') AS streak;
SELECT is(left(streak, 3), '2 2', 'yesterday and today') FROM streak;
SELECT pg_temp.app_says('mover', jsonb_build_object('timeZone', z))
FROM unnest('{Pacific/Kiritimati,Pacific/Pago_Pago,Asia/Tokyo,Pacific/Pago_Pago}'::text[]) z;
SELECT is(pg_temp.streak('mover'), streak, 'nothing that was done moves to another day when a learner moves')
FROM streak;
SELECT pg_temp.app_says('mover', jsonb_build_object('timeZone', z, 'from', pg_temp.today(z)))
FROM unnest('{Pacific/Kiritimati,Pacific/Pago_Pago}'::text[]) z;
SELECT is(pg_temp.streak('mover'), streak, 'nor where the app says from today on') FROM streak;
SELECT pg_temp.says('islander', '{"timeZone": "Pacific/Pago_Pago", "from": "2020-01-01"}');
SELECT pg_temp.completes('islander', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));
TRUNCATE streak;
INSERT INTO streak SELECT pg_temp.streak('islander');
SELECT pg_temp.app_says('islander', jsonb_build_object('timeZone', 'Pacific/Kiritimati',
    'from', pg_temp.today('Pacific/Pago_Pago')));
SELECT is(pg_temp.streak('islander'), streak, 'not even where it is tomorrow there') FROM streak;
SELECT throws_ok(format($$SELECT pg_temp.app_says('mover', '{"timeZone": "Asia/Tokyo", "from": "%s"}')$$,
        pg_temp.today('Pacific/Pago_Pago') - 1), '22023', NULL,
    'an app may not change days that are over');
SELECT is(pg_temp.app_says('mover', jsonb_build_object('timeZone', 'Asia/Tokyo', 'from',
        pg_temp.today('Asia/Tokyo') + 366)), 'Asia/Tokyo 00:00 ' || pg_temp.today('Asia/Tokyo') + 366,
    'a change may be said ahead');
SELECT is(pg_temp.app_says('mover', '{}') ~ '^Pacific/Pago_Pago 00:00 ', true, 'until then all stays as it is');

-- What is refused.
SELECT throws_ok(format($$SELECT learnsync.set_learner('bad', '{"timeZone": %s}')$$, to_json(z)), '22023',
    'timeZone must be the name of a time zone', format('no zone: %s', z))
FROM unnest('{CEST,PST,FOO5,"EST5EDT,M3.2.0,M11.1.0",+05:00,"",:UTC,localtime,posixrules,Factory,Nowhere,'
    '../../../etc/passwd,Europe,zone.tab,posix/Europe/Berlin,right/UTC}'::text[]) z;
SELECT throws_ok($$SELECT learnsync.set_learner('bad', '{"timeZone": 1}')$$, '22023',
    'timeZone must be the name of a time zone', 'no zone: a number');
SELECT throws_ok(format($$SELECT learnsync.set_learner('bad', '{"dayStarts": %s}')$$, v), '22023',
    'dayStarts must be a time from 00:00 to 23:59', format('no start of days: %s', v))
FROM unnest('{"\"24:00\"","\"4:00\"","\"04:60\"","\"04:00Z\"","\"\"",4,[],"\" 4:00\"","\"+4:00\""}'::text[]) v;
SELECT throws_ok(format($$SELECT learnsync.set_learner('bad', '{"timeZone": "UTC", "from": %s}')$$, v), '22023',
    format('from must be a date from 1900-01-01 to %s', pg_temp.today('UTC') + 366), format('no first day: %s', v))
FROM unnest('{"\"2026-02-30\"","\"1899-12-31\"","\"2026-1-1\"","\"today\"",20260101,true,"\"2026-01-01T00:00:00Z\""}'
    ::text[] || to_json(pg_temp.today('UTC') + 367)::text) v;
SELECT throws_ok($$SELECT learnsync.set_learner('bad', '{"from": "2026-01-01"}')$$, '22023',
    'from goes with timeZone or dayStarts', 'a day from which on nothing is said');
SELECT throws_ok($$SELECT learnsync.set_learner('bad', '[]')$$, '22023', 'request must be a JSON object', 'no object');
SELECT is(learnsync.set_learner('odd', '{"timezone": "Asia/Tokyo"}') -> 'meant', '{"timezone": "timeZone"}',
    'a member that is misspelt is named');
SELECT is_empty($$SELECT FROM learnsync_data.learner WHERE learner_id IN ('bad', 'odd')$$,
    'none of these is a learner');
UPDATE learnsync_data.learner SET days = (
    SELECT jsonb_agg(jsonb_build_array(to_char(timestamp '2020-01-01' + n * interval '1 h', 'YYYY-MM-DD"T"HH24:MI:SSZ'),
        'UTC', n % 2 + 1) ORDER BY n) FROM generate_series(1, 1000) n) WHERE learner_id = 'owl';
SELECT throws_ok($$SELECT pg_temp.says('owl', '{"timeZone": "Asia/Tokyo"}')$$, '54000',
    'the learner''s days have changed too often', 'a thousand changes are kept');
SELECT is(pg_temp.says('owl', '{"timeZone": "Asia/Tokyo", "from": "2020-01-01"}'), 'Asia/Tokyo 00:01 2020-01-01',
    'fewer may be said again');

-- For whom.
SELECT learnsync.add_profile('kid', 'parent');
SELECT is(pg_temp.app_says('parent', '{"timeZone": "Asia/Tokyo", "learnerId": "kid"}') ~ '^Asia/Tokyo', true,
    'for a profile its owner may say it');
SELECT is(pg_temp.days('kid') #>> '{0,1}' || COALESCE(pg_temp.days('parent')::text, ''), 'Asia/Tokyo',
    'and says it for the profile alone');
SELECT throws_ok($$SELECT pg_temp.app_says('parent', '{"timeZone": "Asia/Tokyo", "learnerId": "ny"}')$$, '42501',
    'the request is another learner''s', 'for others not');
SELECT learnsync.forget_learner('ny');
SELECT throws_ok($$SELECT learnsync.set_learner('ny', '{"timeZone": "UTC"}')$$, 'PT410', NULL, 'nor for the erased');
SELECT throws_ok($$SELECT learnsync.set_learner('ny', '{}')$$, 'PT410', NULL, 'of whom nothing is told either');

-- Charged like other calls that write; to ask is free.
SET LOCAL learnsync.rate_limit = 1;
SELECT pg_temp.says('calls', '{"timeZone": "Asia/Tokyo"}');
SELECT throws_ok($$SELECT pg_temp.says('calls', '{"timeZone": "UTC"}')$$, 'PT429', NULL, 'changes are charged');
SELECT is(pg_temp.says('calls', '{}') ~ '^Asia/Tokyo', true, 'and the refused one changed nothing');
RESET learnsync.rate_limit;

-- What only another server's database of time zones knows.
SET LOCAL client_min_messages = error;
SELECT is(learnsync.streak('{2026-01-05 23:30Z,2026-01-06 00:30Z}',
        '[["2026-01-01T00:00:00Z", "Mars/Base", 120]]')::text,
    '(1,1,2026-01-05)', 'a zone that this server does not know counts as UTC');
UPDATE learnsync_data.learner SET days = '[["2026-01-01T00:00:00Z", "Mars/Base", 120]]' WHERE learner_id = 'utc';
SELECT is(pg_temp.streak('utc'), '2 2 2026-01-06', 'and stops no reader');
SELECT throws_ok($$SELECT pg_temp.says('utc', '{"dayStarts": "05:00"}')$$, '22023',
    'timeZone must be the name of a time zone', 'but nobody who would go on with it');
SELECT is(learnsync.streak('{2026-01-05 23:30Z}', '[["2026-01-01T00:00:00Z", "FOO-5", 0]]')::text,
    '(1,1,2026-01-05)', 'it makes no zone of letters and offsets');
RESET client_min_messages;

-- learnsync.streak over anything.
SELECT is(learnsync.streak(NULL)::text, '(0,0,)', 'of nothing');
SELECT is(learnsync.streak('{}', '[]')::text, '(0,0,)', 'of no moments');
SELECT is(learnsync.streak('{NULL,infinity,-infinity,2026-01-05 12:00Z,2026-01-04 12:00Z}')::text,
    '(2,2,2026-01-05)', 'what is no moment does not count');
SELECT is(learnsync.streak('{9999-12-31 23:00Z,294276-12-31 23:59:59Z,4713-01-01 00:00Z BC}',
        '[["0001-01-01T00:00:00Z", "Pacific/Kiritimati", 0]]')::text, '(1,1,9999-12-31)', 'there is no year 10000');
SELECT throws_ok(format('SELECT learnsync.streak(''{}'', %L)', days), '22023', 'the days cannot be read',
    format('no days: %s', days))
FROM unnest('{"{}","1","null","[1]","[[]]","[[\"2026-01-01T00:00:00Z\", \"UTC\"]]",'
    '"[[\"2026-01-01T00:00:00Z\", \"UTC\", 1440]]","[[\"2026-01-01T00:00:00Z\", \"UTC\", -1]]",'
    '"[[\"2026-01-01T00:00:00Z\", \"UTC\", 0.5]]","[[\"2026-01-01\", \"UTC\", 0]]","[[1, \"UTC\", 0]]",'
    '"[[\"2026-01-01T00:00:00Z\", 1, 0]]","[[\"2026-01-01T00:00:00Z\", \"UTC\", \"0\"]]",'
    '"[[\"2026-01-01T00:00:00Z\", \"UTC\", 0], [\"2026-01-01T00:00:00Z\", \"UTC\", 60]]"}'::text[]) days;

-- The stored snapshot does not depend on days.
SELECT is_empty('SELECT * FROM learnsync.progress_verify()', 'progress_verify finds nothing, however days changed');

SELECT * FROM finish();
ROLLBACK;
