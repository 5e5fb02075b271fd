-- Outboxes: every change is handed on at least once, a learner's changes in order, to one taker at a time.
BEGIN;
SELECT no_plan();

SELECT learnsync.define_resource_type('box_list', '{"key": ["k"], "stale": "ignore", "fields": {"tags": {"merge":
    "union"}}}');
SELECT learnsync.define_resource_type('box_note', '{"key": ["k"], "policy": "manual"}');
CREATE FUNCTION pg_temp.item(id text, data jsonb, type text DEFAULT 'box_list', operation text DEFAULT 'update')
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id || clock_timestamp(), 'operation', operation, 'resourceType', type, 'resourceId',
        id, 'clientTimestamp', '2026-01-08T10:00:00Z', 'data', data) $$;
CREATE FUNCTION pg_temp.push(learner text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', to_jsonb(items)))::jsonb $$;
-- Takes, remembers the lease, and says in short what came.
CREATE FUNCTION pg_temp.take(most int DEFAULT 100, outbox text DEFAULT 'box', seconds int DEFAULT 60) RETURNS text
    LANGUAGE plpgsql AS $$
DECLARE answer jsonb := learnsync.outbox_take(outbox, most, seconds);
BEGIN
    PERFORM set_config('box.lease', answer ->> 'lease', true), set_config('box.changes', answer ->> 'changes', true),
        set_config('box.more', answer ->> 'hasMore', true);
    RETURN (SELECT string_agg(concat_ws(' ', c ->> 'learnerId', c ->> 'operation', c ->> 'resourceId', c ->> 'version',
        NULLIF(c ->> 'data', '{}')), ', ' ORDER BY n)
        FROM jsonb_array_elements(answer -> 'changes') WITH ORDINALITY x (c, n));
END $$;
CREATE FUNCTION pg_temp.done(outbox text DEFAULT 'box') RETURNS bigint LANGUAGE sql AS $$
    SELECT learnsync.outbox_done(outbox, current_setting('box.lease')) $$;
CREATE FUNCTION pg_temp.now_due() RETURNS void LANGUAGE sql AS $$
    UPDATE learnsync_data.outbox_mark SET due_at = now() $$;
CREATE FUNCTION pg_temp.marks() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', outbox, learner_id, after_version, version,
        CASE WHEN lease IS NOT NULL THEN 'taken' END, CASE WHEN is_erased THEN 'erased' END), ', '
        ORDER BY outbox, learner_id, life, since)
    FROM learnsync_data.outbox_mark $$;

-- Where no outbox is, nothing is marked.
SELECT pg_temp.push('ann', pg_temp.item('early', '{"n": 1}'));
SELECT is(pg_temp.marks(), NULL, 'without an outbox a push leaves no mark');
SELECT is(learnsync.outbox_add('box'), 'outbox "box" is added', 'an outbox is added');
SELECT ok(learnsync_api.metrics() LIKE E'%\nlearnsync_outbox_lag_seconds{outbox="box"} 0\n%', 'in which nothing waits');
SELECT is(pg_temp.take(), NULL, 'what was there before it is not handed on, unless it says so');

-- What changed comes in its newest state, in the order of versions.
SELECT pg_temp.push('ann', pg_temp.item('a', '{"n": 1, "tags": ["x"]}'), pg_temp.item('b', '{"n": 1}'));
SELECT pg_temp.push('ann', pg_temp.item('a', '{"n": 2, "tags": ["y"]}'));
SELECT is(pg_temp.marks(), 'box ann 2 5', 'one row says that a learner moved on, however often');
SELECT is(
    pg_temp.take(),
    'ann create b 4 {"k": "b", "n": 1}, ann create a 5 {"k": "a", "n": 2, "tags": ["y", "x"]}',
    'the newest state of what changed, whole lists and all');
SELECT ok((current_setting('box.changes')::jsonb -> 0 ->> 'life')::bigint > 1e12, 'with the number of the life');
SELECT is(pg_temp.take(), NULL, 'who is taken is nobody else''s');
SELECT pg_temp.push('ann', pg_temp.item('c', '{"n": 1}'));
SELECT is(pg_temp.take(), NULL, 'nor is what changes meanwhile: it would come out of order');
SELECT is(
    (SELECT string_agg(concat_ws(' ', after_version, version, lease IS NOT NULL), ', ' ORDER BY since)
     FROM learnsync_data.outbox_mark),
    '2 5 t, 5 6 f',
    'that has a mark of its own');
SELECT set_config('box.lease', lease::text, true) FROM learnsync_data.outbox_mark WHERE lease IS NOT NULL;
SELECT is(pg_temp.done(), 1::bigint, 'done, of one learner');
SELECT is(pg_temp.take(), 'ann create c 6 {"k": "c", "n": 1}', 'what changed between take and done is not lost');
SELECT is(pg_temp.done(), 1::bigint, 'and is done');
SELECT is(pg_temp.done(), 0::bigint, 'once');
SELECT is(pg_temp.marks(), NULL, 'and nothing is left');

-- Pages.
SELECT pg_temp.push('ann', pg_temp.item('a', '{"n": 3}'), pg_temp.item('b', '{"n": 3}'), pg_temp.item('c', '{"n": 3}'));
SELECT matches(pg_temp.take(2), '^ann update a 7 .* ann update b 8 \{[^{]*\}$', 'as many as were asked for');
SELECT is(current_setting('box.more'), 'true', 'there is more');
SELECT is(pg_temp.done(), 1::bigint, 'these are done');
SELECT matches(pg_temp.take(2), '^ann update c 9 \{[^{]*\}$', 'the rest comes next');
SELECT pg_temp.done();

-- A lease ends.
SELECT pg_temp.push('ann', pg_temp.item('d', '{"n": 1}'));
SELECT matches(pg_temp.take(), '^ann create d 10', 'taken');
SELECT set_config('box.old', current_setting('box.lease'), true);
SELECT pg_temp.now_due();
SELECT matches(pg_temp.take(), '^ann create d 10', 'after the lease it comes again');
SELECT is(learnsync.outbox_done('box', current_setting('box.old')), 0::bigint, 'and the first taker is late');
SELECT is(pg_temp.done(), 1::bigint, 'the second is not');

-- Failures.
SELECT pg_temp.push('ann', pg_temp.item('d', '{"n": 2}'));
SELECT pg_temp.push('bob', pg_temp.item('d', '{"n": 2}'));
SELECT pg_temp.take();
SELECT is(learnsync.outbox_failed('box', current_setting('box.lease'), 'the receiver is down'), 2::bigint, 'put off');
SELECT ok(
    (SELECT bool_and(due_at > now() AND due_at - clock_timestamp() <= '1 s') FROM learnsync_data.outbox_mark),
    'a second at first');
UPDATE learnsync_data.outbox_mark SET due_at = due_at + interval '1 hour';
SELECT is(pg_temp.take(), NULL, 'until then nobody takes it');
SELECT is(
    (SELECT concat_ws(' ', waiting, taken, failing, dead, last_error, oldest_at IS NOT NULL) FROM learnsync.outboxes()),
    '2 0 2 0 the receiver is down t',
    'an administrator sees that');
DO $$ BEGIN
    FOR n IN 1..14 LOOP
        PERFORM pg_temp.now_due();
        PERFORM pg_temp.take();
        PERFORM learnsync.outbox_failed('box', current_setting('box.lease'), 'down');
        PERFORM pg_temp.take();
        PERFORM learnsync.outbox_failed('box', COALESCE(NULLIF(current_setting('box.lease'), ''),
            gen_random_uuid()::text), 'down');
    END LOOP;
END $$;
SELECT ok(
    (SELECT bool_and(due_at - clock_timestamp() BETWEEN '8 min' AND '9 min') FROM learnsync_data.outbox_mark),
    'nearly nine minutes at last, and for ever: nothing is given up');
SELECT pg_temp.now_due();
SELECT matches(pg_temp.take(), '^ann update d 11 \{[^{]*\}$', 'then it comes, but alone: whoever it is that fails');
SELECT pg_temp.done();
SELECT matches(pg_temp.take(), '^bob create d 2 \{[^{]*\}$', 'and so does the next');
SELECT pg_temp.done();
SELECT pg_temp.push('ann', pg_temp.item('d', '{"n": 3}'));
SELECT pg_temp.push('bob', pg_temp.item('d', '{"n": 3}'));
SELECT matches(pg_temp.take(), 'ann update d 12 .*bob update d 3', 'once handed on they come as before');

-- Refused for good: the others go on.
SELECT is(
    learnsync.outbox_failed('box', current_setting('box.lease'), 'no',
        jsonb_build_array(current_setting('box.changes')::jsonb -> 0 || '{"error": "is no lesson"}')),
    2::bigint,
    'one of them is refused');
SELECT is(pg_temp.marks(), NULL, 'the rest is done');
SELECT is(
    (SELECT concat_ws(' ', learner_id, resource_type, resource_id, version, error) FROM learnsync.outbox_dead('box')),
    'ann box_list d 12 is no lesson',
    'and that one stands among the dead letters');
SELECT is(learnsync.outbox_failed('box', current_setting('box.lease'), 'no', current_setting('box.changes')::jsonb),
    0::bigint, 'whose lease is over refuses nothing');
SELECT is((SELECT count(*) FROM learnsync.outbox_dead('box')), 1::bigint, 'nothing more is dead');
SELECT pg_temp.push('ann', pg_temp.item('d', '{"n": 4}'));
SELECT is(learnsync.outbox_retry('box', 'bob'), 0::bigint, 'another learner''s are not put back');
SELECT is(learnsync.outbox_retry('box'), 1::bigint, 'dead letters are put back');
SELECT is((SELECT count(*) FROM learnsync.outbox_dead('box')), 0::bigint, 'and stand there no more');
SELECT is(pg_temp.take(), 'ann update d 13 {"k": "d", "n": 4}', 'they come in their newest state');
SELECT is(learnsync.outbox_failed('box', current_setting('box.lease'), 'no', jsonb_build_array(
        current_setting('box.changes')::jsonb -> 0 || '{"learnerId": "bob"}',
        current_setting('box.changes')::jsonb -> 0 || '{"version": 14}',
        current_setting('box.changes')::jsonb -> 0 || '{"version": "x"}',
        current_setting('box.changes')::jsonb -> 0 || '{"life": 1}', '{}'::jsonb)),
    1::bigint, 'what was not taken is not refused');
SELECT is((SELECT count(*) FROM learnsync.outbox_dead('box')), 0::bigint, 'whatever the list says');

SELECT pg_temp.push('ann', pg_temp.item('d', '{"n": 5}'));
SELECT pg_temp.take();
SELECT learnsync.outbox_failed('box', current_setting('box.lease'), 'no', current_setting('box.changes')::jsonb);
SELECT pg_temp.push('ann', pg_temp.item('d', '{"n": 6}'));
SELECT pg_temp.take();
UPDATE learnsync_data.outbox_dead SET version = m.since FROM learnsync_data.outbox_mark m;
SELECT is(learnsync.outbox_retry('box'), 1::bigint, 'letters are put back while their learner is taken');
SELECT is(pg_temp.take(), NULL, 'who keeps them');
SELECT set_config('box.lease', lease::text, true) FROM learnsync_data.outbox_mark WHERE lease IS NOT NULL;
SELECT is(pg_temp.done(), 1::bigint, 'until they are done');
SELECT matches(pg_temp.take(), '^ann update d 15 ', 'then the letters come');
SELECT pg_temp.done();

-- A lease that runs out is no failure.
SELECT pg_temp.push('eve', VARIADIC (SELECT array_agg(pg_temp.item('i' || n, '{"n": 1}'))
    FROM generate_series(1, 16) n));
SELECT pg_temp.push('fay', pg_temp.item('i', '{"n": 1}'));
CREATE FUNCTION pg_temp.taken(most int) RETURNS int LANGUAGE sql AS $$
    SELECT pg_temp.take(most) IS NULL;
    SELECT jsonb_array_length(current_setting('box.changes')::jsonb) $$;
SELECT is(pg_temp.taken(17), 17, 'a taker has much');
SELECT pg_temp.now_due();
SELECT is(pg_temp.taken(17), 8, 'of what it did not say done to in time comes half as much');
SELECT is(
    (SELECT concat_ws(' ', waiting, failing, last_error) FROM learnsync.outboxes()),
    '2 1 the lease ran out',
    'which an administrator sees');
SELECT pg_temp.now_due();
UPDATE learnsync_data.outbox_mark SET due_at = now() - interval '1 s' WHERE learner_id = 'fay';
SELECT is(pg_temp.take(1), 'fay create i 2 {"k": "i", "n": 1}', 'others are not held up by it');
SELECT pg_temp.done();
SELECT is(pg_temp.taken(17), 4, 'half of that');
SELECT pg_temp.now_due();
SELECT is(pg_temp.taken(17), 2, 'and so on');
SELECT pg_temp.now_due();
SELECT is(pg_temp.taken(17), 1, 'to one change, at once, however often');
SELECT is(learnsync.outbox_failed('box', current_setting('box.lease'), 'down'), 1::bigint, 'now it fails');
SELECT ok(
    (SELECT due_at - clock_timestamp() BETWEEN '0.5 s' AND '1 s' FROM learnsync_data.outbox_mark),
    'which is the first failure: it comes again after a second');
SELECT pg_temp.now_due();
SELECT is(pg_temp.take(17), 'eve create i1 2 {"k": "i1", "n": 1}', 'in order');
SELECT pg_temp.done();
SELECT is(pg_temp.taken(64), 4, 'what is handed on lets more come');
SELECT pg_temp.done();
SELECT is(pg_temp.taken(64), 8, 'and more');
SELECT pg_temp.done();
SELECT is(pg_temp.taken(64), 3, 'until all is there');

-- What did not arrive comes again, the rest of the lease is done.
SELECT pg_temp.push('fay', pg_temp.item('i', '{"n": 2}'));
SELECT pg_temp.done();
SELECT pg_temp.push('eve', VARIADIC (SELECT array_agg(pg_temp.item('i' || n, '{"n": 2}'))
    FROM generate_series(1, 4) n));
SELECT pg_temp.taken(100);
CREATE FUNCTION pg_temp.named(learner text, id text, again jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(c || jsonb_build_object('retryable', again, 'error', 'slow'))
    FROM jsonb_array_elements(current_setting('box.changes')::jsonb) c
    WHERE c ->> 'learnerId' = learner AND c ->> 'resourceId' = id $$;
SELECT is(
    learnsync.outbox_failed('box', current_setting('box.lease'), 'no', pg_temp.named('eve', 'i2', 'false')
        || pg_temp.named('eve', 'i3', 'true') || pg_temp.named('eve', 'i4', 'false')),
    2::bigint,
    'of a lease of two learners some of one fails');
SELECT is(
    (SELECT string_agg(concat_ws(' ', learner_id, after_version, version, error), ', ')
     FROM learnsync_data.outbox_mark),
    'eve 19 21 slow',
    'only that learner is put off, and only from there on');
SELECT is(
    (SELECT string_agg(learner_id || ' ' || resource_id, ', ') FROM learnsync.outbox_dead('box')), 'eve i2',
    'what is refused for good before that is dead, what comes after it comes again');
SELECT pg_temp.now_due();
SELECT is(pg_temp.take(), 'eve update i3 20 {"k": "i3", "n": 2}, eve update i4 21 {"k": "i4", "n": 2}', 'in order');
SELECT is(learnsync.outbox_failed('box', current_setting('box.lease'), 'no',
    pg_temp.named('eve', 'i4', '"yes"') || pg_temp.named('eve', 'i4', 'null')), 1::bigint,
    'what is not said to be so is not');
SELECT is(pg_temp.marks(), NULL, 'put off');
DELETE FROM learnsync_data.outbox_dead;

-- Every channel that makes versions of resources.
CREATE TEMP TABLE channel (n int GENERATED ALWAYS AS IDENTITY, what text, call text);
INSERT INTO channel (what, call) VALUES
    ('sync_push', $$ pg_temp.push('ann', pg_temp.item('note', '{"n": 1}', 'box_note')) $$),
    ('an open conflict changes nothing', $$ pg_temp.push('ann', pg_temp.item('note', '{"n": 2}', 'box_note')) $$),
    ('sync_resolve', $$ learnsync.sync_resolve('ann', jsonb_build_object('resolution', 'use_client', 'conflictId',
        (SELECT conflict_id FROM learnsync_data.conflict WHERE resource_id = 'note' AND closed_at IS NULL))) $$),
    ('sync_correct', $$ learnsync.sync_correct('ann', '{"resourceType": "box_list", "resourceId": "a", "by": "t",
        "reason": "r", "data": {"n": 9}}') $$),
    ('sync_uncorrect', $$ learnsync.sync_uncorrect('ann', '{"resourceType": "box_list", "resourceId": "a", "by": "t",
        "reason": "r"}') $$),
    ('a delete', $$ pg_temp.push('ann', pg_temp.item('b', NULL, 'box_list', 'delete')) $$),
    ('sync_progress', $$ learnsync.sync_progress('ann', '{"events": [{"idempotencyKey": "k", "deviceId": "d",
        "moduleId": "m", "progressPercent": 50, "clientTimestamp": "2026-01-08T10:00:00Z", "syncVersion": 1}]}') $$),
    ('sync_completions', $$ learnsync.sync_completions('ann', '{"events": [{"idempotencyKey": "k", "deviceId": "d",
        "moduleId": "m", "score": 50, "clientTimestamp": "2026-01-08T10:00:00Z"}]}') $$),
    ('progress_batch', $$ learnsync.progress_batch('ann', '{"profile_id": "ann", "items": [{"idempotency_key": "k",
        "activity_type": "quiz", "content_id": "c"}]}') $$),
    ('a retry changes nothing', $$ learnsync.progress_batch('ann', '{"profile_id": "ann", "items": [{"idempotency_key":
        "k", "activity_type": "quiz", "content_id": "c"}]}') $$),
    ('progress_put', $$ learnsync.progress_put('ann', '{"events": [{"eventId": "e", "clientId": "c", "type":
        "onboarding.reset", "occurredAt": "2026-01-08T10:00:00Z", "payload": {}}]}') $$),
    ('the same events change nothing', $$ learnsync.progress_put('ann', '{"events": [{"eventId": "e", "clientId": "c",
        "type": "onboarding.reset", "occurredAt": "2026-01-08T10:00:00Z", "payload": {}}]}') $$),
    ('a dry run changes nothing', $$ learnsync.sync_push('ann', jsonb_build_object('deviceId', 'd', 'dryRun', true,
        'items', jsonb_build_array(pg_temp.item('dry', '{"n": 1}'))))::jsonb $$),
    ('a push without effect', $$ learnsync.sync_push('ann', '{"deviceId": "d", "items": []}')::jsonb $$);
SELECT learnsync.register_content('{"contents": [{"contentId": "m", "kind": "module"}]}');
CREATE FUNCTION pg_temp.channel_says(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE took text;
BEGIN
    EXECUTE 'SELECT ' || call;
    took := regexp_replace(pg_temp.take(), '(\w+ \w+ \w+).*', '\1');
    IF took IS NOT NULL THEN PERFORM pg_temp.done(); END IF;
    RETURN COALESCE(took, 'nothing');
END $$;
SELECT is(
    (SELECT string_agg(format('%s: %s', c.what, pg_temp.channel_says(c.call)), E'\n' ORDER BY c.n) FROM channel c),
    'sync_push: ann create note
an open conflict changes nothing: nothing
sync_resolve: ann create note
sync_correct: ann update a
sync_uncorrect: ann update a
a delete: ann delete b
sync_progress: ann create m
sync_completions: ann create m
progress_batch: ann create k
a retry changes nothing: nothing
progress_put: ann create e
the same events change nothing: nothing
a dry run changes nothing: nothing
a push without effect: nothing',
    'whatever makes a new version of a resource, or an event, is handed on');
SELECT pg_temp.push('ann', pg_temp.item('early2', '{"n": 1}', 'box_later'));
SELECT learnsync.define_resource_type('box_later', '{"key": ["k"], "fields": {"n": {"merge": "max"}}}');
SELECT learnsync.sync_push('ann', '{"deviceId": "d", "items": []}');
SELECT matches(pg_temp.take(), '^ann create early2', 'what waited and is taken up is, too');
SELECT pg_temp.done();
SELECT learnsync.define_resource_type('box_later', '{"key": ["k"], "fields": {"n": {"merge": "sum"}, "half":
    {"derive": "n", "steps": [{"value": "low"}]}}}', rebase => true);
SELECT learnsync_internal.rebase_learner('box_later', 'ann');
SELECT is(pg_temp.take(), 'ann update early2 ' || (SELECT version FROM learnsync_data.learner WHERE learner_id = 'ann')
    || ' {"k": "early2", "n": 1, "half": "low"}', 'and what a change of a rule changed');
SELECT pg_temp.done();
SAVEPOINT before;
SELECT pg_temp.push('ann', pg_temp.item('x', '{"n": 1}'));
ROLLBACK TO before;
SELECT is(pg_temp.marks(), NULL, 'a push that is undone leaves no mark');

-- Events of the event log come between resources, in the order of versions, as they were sent.
CREATE FUNCTION pg_temp.event(id text, payload jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('eventId', id, 'clientId', 'c', 'type', 'activePath.set', 'occurredAt',
        '2026-01-08T10:00:00Z', 'payload', payload || '{"pathId": "p"}') $$;
CREATE FUNCTION pg_temp.put(learner text, VARIADIC events jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.progress_put(learner, jsonb_build_object('events', to_jsonb(events))) $$;
SELECT pg_temp.put('leo', pg_temp.event('e1'), pg_temp.event('e2'));
SELECT pg_temp.push('leo', pg_temp.item('a', '{"n": 1}'), pg_temp.item('b', '{"n": 1}'));
SELECT pg_temp.put('leo', pg_temp.event('e3'));
SELECT pg_temp.push('leo', pg_temp.item('a', '{"n": 2}'));
SELECT pg_temp.put('leo', pg_temp.event('e4', '{"more": 1}'), pg_temp.event('e1'));
CREATE FUNCTION pg_temp.take_in_short(most int DEFAULT 100) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.take(most) IS NULL;
    SELECT string_agg(concat_ws(' ', c ->> 'resourceType', c ->> 'resourceId', c ->> 'version'), ', ' ORDER BY n)
    FROM jsonb_array_elements(current_setting('box.changes')::jsonb) WITH ORDINALITY x (c, n) $$;
SELECT is(
    pg_temp.take_in_short(3), 'progress_event e1 2, progress_event e2 3, box_list b 5', 'events come among resources');
SELECT pg_temp.done();
SELECT is(
    pg_temp.take_in_short(), 'progress_event e3 6, box_list a 7, progress_event e4 8', 'and so on where a page ended');
SELECT is(
    current_setting('box.changes')::jsonb -> 2 -> 'data', pg_temp.event('e4', '{"more": 1}'), 'as they were sent');
SELECT is(
    (current_setting('box.changes')::jsonb -> 2) - '{data,life,serverTimestamp}'::text[],
    '{"learnerId": "leo", "resourceType": "progress_event", "resourceId": "e4", "operation": "create", "version": 8}',
    'with what receivers go by');
SELECT is(
    learnsync.outbox_failed('box', current_setting('box.lease'), 'no', jsonb_build_array(
        current_setting('box.changes')::jsonb -> 0,
        current_setting('box.changes')::jsonb -> 1 || '{"retryable": true}')),
    1::bigint,
    'an event is refused, and what comes after it fails');
SELECT is(
    (SELECT concat_ws(' ', resource_type, resource_id, version) FROM learnsync.outbox_dead('box')),
    'progress_event e3 6',
    'it is a dead letter');
SELECT pg_temp.now_due();
SELECT is(pg_temp.take_in_short(), 'box_list a 7, progress_event e4 8', 'the rest comes again');
SELECT pg_temp.done();
SELECT is(learnsync.outbox_retry('box'), 1::bigint, 'it is put back');
SELECT matches(pg_temp.take_in_short(), '^progress_event e3 6', 'and comes');
SELECT pg_temp.done();
SELECT learnsync.outbox_add('log', '{"resourceTypes": ["progress_event"], "from": "beginning"}');
SELECT learnsync.outbox_add('lists', '{"resourceTypes": ["box_list"]}');
SELECT is(pg_temp.take(100, 'log') ~ '^ann create e \d+ .*leo create e1 2 .*leo create e4 8 ', true,
    'an outbox of events alone, from the beginning');
SELECT pg_temp.done('log');
SELECT pg_temp.put('leo', pg_temp.event('e5'));
SELECT pg_temp.push('leo', pg_temp.item('c', '{"n": 1}', 'box_note'));
SELECT is(pg_temp.marks(), 'box leo 8 10, log leo 8 9',
    'events mark no outbox of other types, nor others that of events');
SELECT is(pg_temp.take_in_short(), 'progress_event e5 9, box_note c 10', 'each outbox has its own');
SELECT pg_temp.done();
SELECT pg_temp.put('leo', VARIADIC (SELECT array_agg(pg_temp.event('many' || n)) FROM generate_series(1, 250) n));
SELECT pg_temp.push('leo', VARIADIC (SELECT array_agg(pg_temp.item('i' || n, '{"n": 1}'))
    FROM generate_series(1, 250) n));
SELECT pg_temp.put('leo', VARIADIC (SELECT array_agg(pg_temp.event('more' || n)) FROM generate_series(1, 250) n));
SELECT pg_temp.take(740) IS NOT NULL AS taken;
SELECT is(
    (SELECT array_agg((c ->> 'version')::int ORDER BY n)
     FROM jsonb_array_elements(current_setting('box.changes')::jsonb) WITH ORDINALITY x (c, n)),
    (SELECT array_agg(n) FROM generate_series(11, 750) n),
    'many, in one order');
SELECT pg_temp.done();
SELECT is(pg_temp.take_in_short(), (SELECT string_agg(format('progress_event more%s %s', n - 510, n), ', ')
    FROM generate_series(751, 760) n), 'and the rest');
SELECT pg_temp.done();
SELECT learnsync.outbox_drop('log');
SELECT learnsync.outbox_drop('lists');
SELECT throws_ok($$ SELECT learnsync.define_resource_type('progress_event', '{"key": ["k"]}') $$, '42939',
    'the name "progress_event" is reserved', 'no type of resources has the name of events');
SELECT learnsync.forget_learner('leo') > 0 AS erased;
SELECT is(pg_temp.take(), 'leo forget 761', 'erasing tells of events as of all else');
SELECT pg_temp.done();
SELECT learnsync.remember_learner('leo');
DELETE FROM learnsync_data.learner WHERE learner_id = 'leo';

-- Only some types, and from some time on.
SELECT learnsync.outbox_add('notes', '{"resourceTypes": ["box_note", "box_note"], "from": "beginning"}');
SELECT matches(pg_temp.take(100, 'notes'), '^ann create note \d+ \{[^{]*\}$', 'what was there before, of its types');
SELECT pg_temp.done('notes');
SELECT pg_temp.push('ann', pg_temp.item('f', '{"n": 1}'));
SELECT is(pg_temp.marks() ~ 'notes', false, 'a push of other types leaves no mark');
SELECT pg_temp.push('ann', pg_temp.item('f', '{"n": 2}'), pg_temp.item('note2', '{"n": 1}', 'box_note'));
SELECT matches(pg_temp.take(100, 'notes'), '^ann create note2 \d+ \{[^{]*\}$', 'of a mixed one only its types come');
SELECT matches(pg_temp.take(), '^ann create f \d+ \{[^{]*\}, ann create note2 \d+ \{[^{]*\}$',
    'each outbox has its own marks');
SELECT pg_temp.done();
SELECT learnsync.outbox_add('late', jsonb_build_object('from', clock_timestamp()));
SELECT pg_temp.push('ann', pg_temp.item('g', '{"n": 1}'));
SELECT matches(pg_temp.take(100, 'late'), '^ann create g \d+ \{[^{]*\}$', 'from a time on');
SELECT is(learnsync.outbox_drop('late'), 'outbox "late" is dropped', 'an outbox is dropped');
SELECT learnsync.outbox_drop('notes');
SELECT pg_temp.take();
SELECT pg_temp.done();

-- Deletes that are forgotten.
SELECT pg_temp.push('cat', pg_temp.item('a', '{"n": 1}'), pg_temp.item('b', '{"n": 1}'), pg_temp.item('c', '{"n": 1}'));
SELECT pg_temp.take();
SELECT pg_temp.done();
SELECT pg_temp.push('cat', pg_temp.item('a', '{"n": 2}'));
SELECT pg_temp.push('cat', pg_temp.item('b', NULL, 'box_list', 'delete'));
SELECT pg_temp.push('cat', pg_temp.item('c', '{"n": 3}'));
DELETE FROM learnsync_data.resource WHERE learner_id = 'cat' AND resource_id = 'b';
UPDATE learnsync_data.learner SET tombstone_version = 6 WHERE learner_id = 'cat';
SELECT is(pg_temp.take(2), 'cat reset 6, cat create a 5 {"k": "a", "n": 2}',
    'who is behind a delete that is forgotten is told to start anew');
SELECT is(learnsync.outbox_failed('box', current_setting('box.lease')), 1::bigint, 'that fails');
SELECT pg_temp.now_due();
SELECT is(pg_temp.take(4), 'cat reset 6, cat create a 5 {"k": "a", "n": 2}', 'and is told again');
SELECT is(learnsync.outbox_failed('box', current_setting('box.lease'), 'no', current_setting('box.changes')::jsonb),
    1::bigint, 'that is refused for good');
SELECT is((SELECT count(*) FROM learnsync.outbox_dead('box')), 0::bigint, 'a reset does not die, nor what comes after');
SELECT pg_temp.now_due();
SELECT is(pg_temp.take(8), 'cat reset 6, cat create a 5 {"k": "a", "n": 2}', 'it comes again');
SELECT is(learnsync.outbox_failed('box', current_setting('box.lease'), 'no', jsonb_build_array(
    current_setting('box.changes')::jsonb -> 1 || '{"retryable": true}')), 1::bigint, 'what comes after it fails');
SELECT pg_temp.now_due();
SELECT is(pg_temp.take(8), 'cat update a 5 {"k": "a", "n": 2}', 'that comes again alone');
SELECT pg_temp.done();
SELECT matches(pg_temp.take(2), '^cat (create|update) c 7 ', 'and once told goes on from there');
SELECT pg_temp.done();

-- Erasure, and another life.
SELECT pg_temp.push('dan', pg_temp.item('a', '{"n": 1}'));
SELECT pg_temp.take();
SELECT set_config('box.life', current_setting('box.changes')::jsonb -> 0 ->> 'life', true);
SELECT learnsync.forget_learner('dan');
SELECT is(pg_temp.marks(), 'box dan 2 3 erased', 'an erasure leaves a mark, and nothing else');
SELECT is(pg_temp.done(), 0::bigint, 'whoever has them is done with nothing');
SELECT is(pg_temp.take(), NULL, 'which comes when nobody has the learner''s changes any more');
SELECT is(learnsync.remember_learner('dan'), true, 'the learner is let in again');
SELECT pg_temp.push('dan', pg_temp.item('a', '{"n": 7}'));
SELECT is(pg_temp.take(), NULL, 'the new life waits for that, too');
SELECT pg_temp.now_due();
SELECT is(pg_temp.take(), 'dan forget 3, dan create a 2 {"k": "a", "n": 7}', 'the erasure, then the new life');
SELECT is(
    (SELECT string_agg(CASE (c ->> 'life')::bigint > current_setting('box.life')::bigint WHEN true THEN 'new'
        ELSE 'old' END, ' ' ORDER BY n) FROM jsonb_array_elements(current_setting('box.changes')::jsonb)
        WITH ORDINALITY x (c, n)),
    'old new',
    'whose number is greater');
SELECT learnsync.outbox_failed('box', current_setting('box.lease'), 'no', jsonb_build_array(
    current_setting('box.changes')::jsonb -> 0));
SELECT pg_temp.now_due();
SELECT is(pg_temp.take(), 'dan forget 3, dan create a 2 {"k": "a", "n": 7}', 'an erasure that is refused comes again');
SELECT learnsync.outbox_failed('box', current_setting('box.lease'), 'no', jsonb_build_array(
    current_setting('box.changes')::jsonb -> 1 || '{"retryable": true}'));
SELECT is(pg_temp.marks(), 'box dan 1 2', 'one that arrived does not, whatever comes of the new life');
SELECT pg_temp.now_due();
SELECT is(pg_temp.take(), 'dan create a 2 {"k": "a", "n": 7}', 'which comes again');
SELECT pg_temp.done();
SELECT is(pg_temp.marks(), NULL, 'once it was told nothing of the erased learner is left');

-- Whoever erases may do so again, as where the answer was lost.
SELECT pg_temp.push('dan', pg_temp.item('a', '{"n": 9}'));
SELECT pg_temp.take();
SELECT set_config('box.life', current_setting('box.changes')::jsonb -> 0 ->> 'life', true);
SELECT learnsync.forget_learner('dan') > 0 AS erased;
SELECT is(learnsync.forget_learner('dan'), 0::bigint, 'who is erased already is not erased again');
SELECT is(pg_temp.marks(), 'box dan 3 4 erased', 'nor is what is to be told of it forgotten');
SELECT is(pg_temp.take(), NULL, 'nor told while somebody has the learner''s changes');
SELECT learnsync.remember_learner('dan') AND learnsync.forget_learner('dan') = 0 AS erased_in_another_life;
SELECT is(pg_temp.take(), NULL, 'nor in another life');
SELECT pg_temp.now_due();
SELECT is(pg_temp.take(), 'dan forget 2', 'then it is');
SELECT cmp_ok((current_setting('box.changes')::jsonb -> 0 ->> 'life')::bigint, '>=',
    current_setting('box.life')::bigint, 'with a life that takes along all that receivers hold');
SELECT pg_temp.done();
SELECT learnsync.remember_learner('dan');

-- A server that was restored.
SELECT pg_temp.push('ann', pg_temp.item('a', '{"n": 8}'));
SELECT pg_temp.take();
SELECT learnsync.new_epoch();
SELECT is(pg_temp.done(), 0::bigint, 'what was taken in another epoch is not done in this one');
CREATE TEMP TABLE anew AS
SELECT c.* FROM jsonb_to_recordset(learnsync.outbox_take('box', 1000)::jsonb -> 'changes')
    AS c ("learnerId" text, life bigint, operation text, "resourceId" text);
SELECT is(
    (SELECT string_agg(format('%s %s', "learnerId", operation), ', ' ORDER BY "learnerId") FROM anew
     WHERE "resourceId" IS NULL),
    'ann reset, bob reset, cat reset, dan reset, eve reset, fay reset',
    'after new_epoch() every learner is handed on anew, and receivers are told so');
SELECT is((SELECT count(*) FROM anew WHERE life <= current_setting('box.life')::bigint), 0::bigint,
    'in a life with a greater number');
SELECT is(
    (SELECT count(*) FROM anew WHERE "resourceId" IS NOT NULL AND "resourceId" <> 'note'),
    (SELECT count(*) FROM learnsync_data.resource r, learnsync_data.outbox o
     WHERE r.resource_id <> 'note' AND r.updated_at >= o.changed_from) + (SELECT count(*) FROM learnsync_data.event),
    'all that is of the outbox''s time');
SELECT is((SELECT count(*) FROM anew WHERE "resourceId" = 'early'), 0::bigint, 'but nothing from before it');

-- Who may, and what is refused.
CREATE ROLE test_box_service;
CREATE ROLE test_box_learner;
CREATE ROLE test_box_admin;
CREATE ROLE test_box_report;
SELECT learnsync.grant_access('test_box_' || kind, kind) FROM unnest('{service,learner,admin,report}'::text[]) kind;
SET LOCAL ROLE test_box_service;
SELECT lives_ok($$ SELECT learnsync.outbox_take('box') $$, 'a service takes');
SELECT lives_ok($$ SELECT count(*) FROM learnsync.outboxes(), learnsync.outbox_dead('box') $$, 'and sees how it goes');
SELECT throws_ok($$ SELECT learnsync.outbox_add('mine') $$, '42501', NULL, 'but adds none');
SELECT throws_ok($$ SELECT learnsync.outbox_drop('box') $$, '42501', NULL, 'and drops none');
SELECT throws_ok('SELECT count(*) FROM learnsync_data.outbox_mark', '42501', NULL, 'nor reads the tables');
SET LOCAL ROLE test_box_learner;
SELECT throws_ok($$ SELECT learnsync.outbox_take('box') $$, '42501', NULL, 'a learner takes nothing');
SELECT throws_ok($$ SELECT learnsync.outboxes() $$, '42501', NULL, 'and hears of nothing');
SELECT throws_ok(format($$ SELECT learnsync.%s $$, call), '42501', NULL, 'nor does a learner call ' || call)
FROM unnest(ARRAY['outbox_done(''box'', NULL)', 'outbox_failed(''box'', NULL)', 'outbox_retry(''box'')',
    'outbox_dead(''box'')']) call;
SET LOCAL ROLE test_box_report;
SELECT throws_ok(format($$ SELECT learnsync.%s $$, call), '42501', NULL, 'who reports does not call ' || call)
FROM unnest(ARRAY['outbox_take(''box'')', 'outbox_done(''box'', NULL)', 'outbox_add(''b'')',
    'outbox_drop(''box'')']) call;
SET LOCAL ROLE test_box_admin;
SELECT lives_ok($$ SELECT learnsync.outbox_add('mine'), learnsync.outbox_drop('mine') $$, 'an administrator adds');
RESET ROLE;
SELECT is(
    (SELECT string_agg(action || ' ' || details, '; ' ORDER BY at)
     FROM (SELECT * FROM learnsync_data.audit WHERE action LIKE 'outbox%' ORDER BY at DESC LIMIT 2) a),
    'outbox_add {"outbox": "mine", "options": {}}; outbox_drop {"outbox": "mine"}',
    'which the audit says');
SELECT throws_ok(format('SELECT learnsync.%s', c.call), c.code, NULL, c.call)
FROM (VALUES ('outbox_take(''nobox'')', '42704'), ('outbox_take(NULL)', '42704'), ('outbox_drop(''nobox'')', '42704'),
    ('outbox_done(''nobox'', gen_random_uuid()::text)', '42704'), ('outbox_done(''box'', ''x'')', '22023'),
    ('outbox_done(''box'', NULL)', '22023'), ('outbox_failed(''box'', NULL)', '22023'),
    ('outbox_failed(''box'', gen_random_uuid()::text, NULL, ''{}'')', '22023'),
    ('outbox_failed(''box'', gen_random_uuid()::text, NULL, ''[1]'')', '22023'),
    ('outbox_retry(''nobox'')', '42704'), ('outbox_take(''box'', 0)', '22023'), ('outbox_take(''box'', NULL)', '22023'),
    ('outbox_take(''box'', 100000)', '22023'), ('outbox_take(''box'', 1, 86401)', '22023'),
    ('outbox_take(''box'', 2147483647, 2147483647)', '22023'), ('outbox_take(''box'', -1, -2147483648)', '22023'),
    ('outbox_take(''box'''' OR true --'')', '42704'), ('outbox_take(repeat(''b'', 1000000))', '42704'),
    ('outbox_done(''box'', ''%'')', '22023'), ('outbox_done(''box'', repeat(''0'', 1000000))', '22023'),
    ('outbox_failed(''box'', '''''' OR true --'')', '22023'),
    ('outbox_add(''b"; DROP TABLE learner'')', '22023'), ('outbox_add(''pg_catalog.b'')', '22023'),
    ('outbox_add(''b'', ''{"resourceTypes": [["a"]]}'')', '22023'),
    ('outbox_add(''b'', ''{"resourceTypes": "a"}'')', '22023'),
    ('outbox_add(''b'', ''{"from": {"now": 1}}'')', '22023'),
    ('outbox_add(''b'', ''{"from": "infinity"}'')', '22023'), ('outbox_take(''box'', 1, 0)', '22023'),
    ('outbox_add(''box'')', '42710'), ('outbox_add(''Box'')', '22023'), ('outbox_add(NULL)', '22023'),
    ('outbox_add(''b'', ''[]'')', '22023'), ('outbox_add(''b'', ''{"type": ["a"]}'')', '22023'),
    ('outbox_add(''b'', ''{"resourceTypes": [1]}'')', '22023'),
    ('outbox_add(''b'', ''{"resourceTypes": []}'')', '22023'),
    ('outbox_add(''b'', ''{"from": "yesterday"}'')', '22023'),
    ('outbox_add(''b'', ''{"from": "2026-01-08"}'')', '22023')
) c (call, code);
-- Names of types and learners are data, whatever they look like.
SELECT learnsync.outbox_add('odd', '{"resourceTypes": ["a'' OR true --", "%", "{box_list}", "box_list,box_note",
    "\"box_list\""]}');
SELECT pg_temp.push(E'x'' OR \'1\'=\'1"\\', pg_temp.item('a', '{"n": 1}'));
SELECT is(pg_temp.take(100, 'odd'), NULL, 'a type that is named oddly is no other');
SELECT pg_temp.take();
SELECT pg_temp.done();
SELECT pg_temp.push(E'x'' OR \'1\'=\'1"\\', pg_temp.item('b', '{"n": 1}'));
SELECT matches(pg_temp.take(), '^x'' OR ''1''=''1"\\ create b', 'nor is a learner');
SELECT is(
    learnsync.outbox_failed('box', current_setting('box.lease'), repeat('e', 100000), (
        SELECT jsonb_agg(current_setting('box.changes')::jsonb -> 0
            || jsonb_build_object('error', repeat('é', 100000)))
        FROM generate_series(1, 100))),
    1::bigint,
    'the same refusal a hundred times');
SELECT is((SELECT string_agg(length(error)::text, ' ') FROM learnsync.outbox_dead('box')), '1000',
    'is one letter, and what is said of it is cut');
CREATE SCHEMA test_box_hostile;
CREATE FUNCTION test_box_hostile.clock_timestamp() RETURNS timestamptz LANGUAGE sql
    AS $$ SELECT 'infinity'::timestamptz $$;
CREATE TABLE test_box_hostile.outbox_mark (learner_id text);
SET LOCAL search_path = test_box_hostile, pg_catalog, public;
SELECT public.lives_ok($$ SELECT learnsync.outbox_take('box'), learnsync.outbox_retry('box') $$,
    'a search_path changes nothing');
SET LOCAL search_path = public;
SELECT matches(pg_temp.take(), ' create b', 'of what comes');
SELECT * FROM finish();
ROLLBACK;
