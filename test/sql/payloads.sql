-- learnsync.keep_payloads off: what devices sent is not kept, and nothing that an app is told changes by it. Whoever
-- reads kept items says from when on there are none missing.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.item(id text, lesson text, spent int, more jsonb DEFAULT '{}') RETURNS jsonb
    LANGUAGE sql RETURN jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'lesson_progress',
    'data', jsonb_build_object('lessonId', lesson, 'timeSpent', spent), 'clientTimestamp', '2026-01-08T10:00:00Z')
    || more;
CREATE FUNCTION pg_temp.attempt(id text, score int) RETURNS jsonb
    LANGUAGE sql RETURN jsonb_build_object('id', id, 'operation', 'create', 'resourceType', 'quiz_attempt', 'data',
    jsonb_build_object('quizId', 'q', 'attemptNumber', 1, 'score', score), 'clientTimestamp', '2026-01-08T10:00:00Z');
CREATE FUNCTION pg_temp.push(learner text, device text, VARIADIC items jsonb[]) RETURNS jsonb
    LANGUAGE sql RETURN learnsync.sync_push(learner,
    jsonb_build_object('deviceId', device, 'items', to_jsonb(items)))::jsonb;
CREATE FUNCTION pg_temp.why(learner text, id text) RETURNS jsonb
    LANGUAGE sql RETURN learnsync.sync_why(learner,
    jsonb_build_object('resourceType', 'lesson_progress', 'resourceId', id));
CREATE FUNCTION pg_temp.pulled(learner text, after bigint) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(c ->> 'resourceId' || ' ' || COALESCE(c #>> '{data,timeSpent}', c #>> '{data,score}'), ', ')
    FROM jsonb_array_elements((learnsync.sync_pull(learner,
        jsonb_build_object('deviceId', 'reader', 'lastSyncVersion', after))::jsonb) -> 'changes') c
$$;
-- What a learner's log holds, without times.
CREATE FUNCTION pg_temp.logged(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', p.version, p.prev_version, p.item_count, p.resource_ids::text, p.channel,
            CASE WHEN p.items IS NULL THEN 'no items' ELSE 'items' END, p.instants IS NOT NULL, p.app_version),
        E'\n' ORDER BY p.version, p.push_no)
    FROM learnsync_data.push p WHERE p.learner_id = learner
$$;
-- One story, with payloads or without: what everybody is told meanwhile.
CREATE FUNCTION pg_temp.story(learner text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    told text;
    answer jsonb;
BEGIN
    answer := pg_temp.push(learner, 'phone', pg_temp.item('a', 'l1', 100), pg_temp.item('b', 'l2', 5));
    told := answer -> 'results';
    told := told || (pg_temp.push(learner, 'phone', pg_temp.item('a', 'l1', 100)) -> 'results')::text;
    told := told || (pg_temp.push(learner, 'phone', pg_temp.item('a', 'l1', 7)) -> 'failedItems')::text;
    told := told || (pg_temp.push(learner, 'phone', pg_temp.item('c', 'l1', 11), pg_temp.attempt('q1', 3))
        -> 'results')::text;
    answer := pg_temp.push(learner, 'tablet', pg_temp.attempt('q2', 9));
    told := told || (answer -> 'conflicts')::text || pg_temp.pulled(learner, 1) || pg_temp.pulled(learner, 3);
    answer := learnsync.sync_resolve(learner, jsonb_build_object('conflictId', answer #>> '{conflicts,0,conflictId}',
        'resolution', 'use_client'));
    told := told || pg_temp.pulled(learner, 3) || (pg_temp.push(learner, 'phone',
            pg_temp.item('d', 'l1', 1, '{"clientTimestamp": "2036-01-01T00:00:00Z"}')) -> 'results')::text;
    RETURN regexp_replace(regexp_replace(told, '[0-9a-f]{8}-[0-9a-f-]{27}', 'uuid', 'g'),
        '20\d\d-\d\d-\d\dT[0-9:.]+Z', 'time', 'g');
END
$$;

SELECT pg_temp.story('with') AS told, pg_temp.logged('with') AS logged \gset
SET learnsync.keep_payloads = off;
SELECT is(pg_temp.story('without'), :'told', 'pushes, retries, pulls, conflicts and decisions are as with payloads');
SELECT is(pg_temp.logged('without'), replace(replace(replace(:'logged', ' items f', ' no items f'),
        ' items t', ' no items f'), 'sync_resolve no items f', 'sync_resolve items t'),
    'the log is, without items and what only belongs to them; what a person decided is kept');
SET learnsync.direct = off;
SELECT is(pg_temp.story('statements'), :'told', 'the same by statements');
SELECT is(pg_temp.logged('statements'), pg_temp.logged('without'), 'and in the log');
RESET learnsync.direct;
SELECT matches(pg_temp.logged('without'), '^3 1 2 \{l1,l2\} no items', 'so there is something to compare');

-- Whoever reads kept items.
SELECT set_config('learnsync.learner_id', 'without', true) \g /dev/null
SELECT is((SELECT count(*) FROM learnsync_api.item WHERE item ? 'clientTimestamp'), 0::bigint,
    'the items of a learner are not there to be read');
SELECT is(pg_temp.why('without', 'l1') -> 'complete', 'false', 'why a document is what it is cannot be known');
SELECT is((pg_temp.why('without', 'l1') ->> 'since')::timestamptz, date_trunc('milliseconds', max(p.pushed_at)),
    'and since says from when on: the last that was not kept')
FROM learnsync_data.push p WHERE p.learner_id = 'without' AND p.items IS NULL;
SELECT is(pg_temp.why('without', 'l1') -> 'fields', '{}', 'none is named, as none is known');
SELECT is_empty($$ SELECT * FROM learnsync.resource_verify('without') $$,
    'no document is called wrong because its items are missing');
SELECT is((SELECT (looked_at, unknown)::text FROM learnsync_internal.check_resources_as_owner('without')
           WHERE looked_at IS NOT NULL), '(3,3)', 'each is told as one that cannot be judged');

-- On again: what comes from then on is kept, and what began then is known.
RESET learnsync.keep_payloads;
SELECT pg_temp.push('without', 'phone', pg_temp.item('e', 'l1', 1000), pg_temp.item('f', 'l3', 2)) \g /dev/null
SELECT is(pg_temp.why('without', 'l3') ->> 'complete', 'true', 'a document that began since is known');
SELECT is(pg_temp.why('without', 'l3') -> 'since', 'null', 'from its beginning');
SELECT is(pg_temp.why('without', 'l1') ->> 'complete', 'false', 'one from before is not');
SELECT is(pg_temp.why('without', 'l1') #>> '{fields,timeSpent,decided,0,id}', 'e', 'but for what came since');
SELECT is((SELECT (looked_at, unknown)::text FROM learnsync_internal.check_resources_as_owner('without')
           WHERE looked_at IS NOT NULL), '(4,3)', 'and is judged by no part of its items');

-- Kept, not kept, kept: an item that changed nothing is missing, too.
SELECT pg_temp.push('gap', 'phone', pg_temp.item('a', 'l', 1)) \g /dev/null
SET learnsync.keep_payloads = off;
SELECT pg_temp.push('gap', 'phone', pg_temp.item('b', 'l', 0)) \g /dev/null
SELECT is(pg_temp.why('gap', 'l') ->> 'complete', 'false', 'the newest call is not kept, so not all is known');
RESET learnsync.keep_payloads;
SELECT pg_temp.push('gap', 'phone', pg_temp.item('c', 'l', 2)) \g /dev/null
SELECT is(pg_temp.why('gap', 'l') ->> 'complete', 'false', 'nor with a call in between that is not');
SELECT isnt(pg_temp.why('gap', 'l') -> 'since', 'null', 'as is told');

-- Clean-up counts the items that it removes.
SELECT count(*) FILTER (WHERE items IS NULL) AS bare, sum(item_count) FILTER (WHERE items IS NOT NULL) AS kept
FROM learnsync_data.push \gset
SELECT ok(:bare > 0, 'there are calls without items');
UPDATE learnsync_data.push SET pushed_at = pushed_at - interval '40 days' WHERE items IS NULL;
SELECT is(learnsync_internal.clean_pages_as_owner('push_' || learnsync_internal.slot_as_owner(now()), 0, 4294967295,
    now() - interval '30 days'), 0::bigint, 'rows of the log alone count none');
SELECT is((SELECT count(*) FROM learnsync_data.push WHERE items IS NULL), 0::bigint, 'and go');
SELECT is(learnsync_internal.empty_slot_as_owner(learnsync_internal.slot_as_owner(now())), :kept::bigint,
    'the others count theirs');

SELECT * FROM finish();
ROLLBACK;
