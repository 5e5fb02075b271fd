-- What comes from a client is bounded: numbers, sizes, depth, lists. The settings are what the limits are.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text; hint text;
BEGIN
    EXECUTE statement;
    RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;
CREATE FUNCTION pg_temp.item(id text, type text, data jsonb, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', type,
        'clientTimestamp', '2026-01-08T10:00:00Z', 'data', data) || more $$;
CREATE FUNCTION pg_temp.push(learner text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', to_jsonb(items)))::jsonb $$;
-- What became of the only item of a push.
CREATE FUNCTION pg_temp.verdict(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT COALESCE((answer #>> '{failedItems,0,code}') || ' ' || (answer #>> '{failedItems,0,path}'),
        answer #>> '{results,0,status}') $$;
CREATE FUNCTION pg_temp.deep(levels int)
    RETURNS jsonb LANGUAGE sql AS $$ SELECT (repeat('[', levels) || repeat(']', levels))::jsonb $$;

-- Numbers: what a double can hold, in at most 400 digits.
CREATE TEMP TABLE number AS
SELECT *
FROM (VALUES
    ('0', true),
    ('-0.5', true),
    ('1e307', true),
    ('1.7976931348623157e308', true),
    ('-1.7976931348623157e308', true),
    ('1.7976931348623159e308', false),
    ('-1.7976931348623159e308', false),
    ('1e309', false),
    ('1e400', false),
    ('1e131071', false),
    ('-1e131071', false),
    ('1e-399', true),
    ('1e-400', false),
    ('1e-16000', false),
    (repeat('9', 308), true),
    (repeat('9', 309), false),
    (repeat('9', 200) || '.' || repeat('9', 200), true),
    (repeat('9', 200) || '.' || repeat('9', 201), false),
    ('0.' || repeat('0', 399), true),
    ('0.' || repeat('0', 400), false),
    ('1.' || repeat('0', 399), true),
    ('1.' || repeat('0', 400), false),
    ('-1.' || repeat('0', 399), true)) v (n, fits);
SELECT is(
    pg_temp.verdict(pg_temp.push('number ' || md5(n), pg_temp.item('i', 'mastery',
        jsonb_build_object('competencyId', 'c', 'n', n::numeric)))),
    CASE WHEN fits THEN 'synced' ELSE 'out_of_range data.n' END,
    left(n, 40))
FROM number;
SELECT is(
    pg_temp.verdict(pg_temp.push('place', pg_temp.item(path, 'mastery', data || '{"competencyId": "c"}', more))),
    'out_of_range ' || path,
    'found at ' || path)
FROM (VALUES
    ('data.a', '{"a": 1e999}'::jsonb, '{}'::jsonb),
    ('data.list[2]', '{"list": [1, "x", 1e999]}', '{}'),
    ('data.a.b[0][1].c', '{"a": {"a": 1, "b": [[null, {"c": 1e999}]]}}', '{}'),
    ('data.competencyId', '{}', '{"data": {"competencyId": 1e999}}'),
    ('note', '{}', '{"note": 1e999}'),
    ('resourceId', '{}', '{"resourceId": 1e999}')) v (path, data, more);
SELECT is(
    learnsync.sync_progress('number', jsonb_build_object('events', jsonb_build_array(jsonb_build_object(
            'idempotencyKey', 'k',
            'deviceId', 'd', 'moduleId', 'm', 'progressPercent', 1, 'syncVersion', 1,
            'clientTimestamp', '2026-01-08T10:00:00Z', 'more', '1e131071'::numeric)))) #>> '{data,results,0,status}',
    'rejected',
    'of a module event');
SELECT is(
    learnsync.progress_batch('number', '{"items": [{"idempotency_key": "k", "activity_type": "game",
        "content_id": "c", "meta_data": {"n": 1e131071}}]}') #>> '{results,0,status}',
    'error',
    'of an activity');
SELECT is(
    learnsync.progress_put('number', jsonb_build_object('events', jsonb_build_array(jsonb_build_object('eventId', 'e',
            'occurredAt', '2026-01-08T10:00:00Z', 'clientId', 'c', 'type', 'content.progressed',
            'payload', jsonb_build_object('contentId', 'c', 'status', 'completed',
                'interaction', jsonb_build_object('interactionId', 'i',
                    'state', jsonb_build_object('n', '1e131071'::numeric))))))) #>> '{data,failedEvents,0,code}',
    'out_of_range',
    'of an event');
-- Three hundred such numbers were 50 kB that came back as 39 MB.
SELECT is(
    pg_temp.verdict(pg_temp.push('poison', pg_temp.item('1', 'mastery', '{"competencyId": "c"}'
        || (SELECT jsonb_object_agg('k' || i, '1e131071'::numeric) FROM generate_series(1, 300) i)))),
    'out_of_range data.k1',
    'many of them');
SELECT cmp_ok(
    octet_length(learnsync.sync_pull('poison', '{"deviceId": "d"}')::jsonb::text),
    '<',
    1000,
    'reach no pull');
SELECT throws_ok(format('SELECT learnsync.%s FROM (SELECT %L::jsonb) x (data)', call, data), code, message, call)
FROM (VALUES
    ('merge(''{}'', NULL, data, ''2026-01-08Z'')'),
    ('merge_agg(''{}'', data, ''2026-01-08Z'', ''d'')')) c (call)
CROSS JOIN (VALUES
    ('{"a": [1, 1e400]}', '22003', 'the number is beyond what a double can hold, or longer than 400 digits'),
    (format('{"a": %s%s}', repeat('[', 64), repeat(']', 64)), '22023', 'data is nested deeper than 64')) v
    (data, code, message);
-- The same numbers in whatever else takes JSON: refused at once where a client cannot read them, else taken.
CREATE FUNCTION pg_temp.event(id text, more jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('idempotencyKey', id, 'deviceId', 'd', 'moduleId', 'm', 'score', 1,
        'clientTimestamp', '2026-01-08T10:00:00Z') || more $$;
SELECT learnsync.register_content('{"contents": [{"contentId": "m", "kind": "module"}]}');
SELECT is(
    (SELECT string_agg(r ->> 'status', ' ' ORDER BY o)
     FROM jsonb_array_elements(learnsync.sync_completions('module ' || md5(n),
         jsonb_build_object('events', jsonb_build_array(
             pg_temp.event('score', jsonb_build_object('score', n::numeric)),
             pg_temp.event('beside', jsonb_build_object('more', jsonb_build_array(n::numeric))),
             pg_temp.event('plain', '{"score": 100}'))))::jsonb #> '{data,results}') WITH ORDINALITY x (r, o)),
    'rejected ' || CASE WHEN fits THEN 'applied' ELSE 'rejected' END || ' applied',
    'a completion with ' || left(n, 40))
FROM number WHERE NOT fits OR n::numeric NOT BETWEEN 0 AND 100;
CREATE FUNCTION pg_temp.state_of(statement text) RETURNS text LANGUAGE sql AS $$
    SELECT split_part(pg_temp.error_of(statement), ' | ', 1) $$;
SELECT is(
    pg_temp.state_of(format('SELECT length((%s)::text)', replace(call, '#', n))),
    CASE WHEN fits THEN 'taken' ELSE '22003' END,
    left(n, 40) || ' in ' || regexp_replace(call, '\s+', ' ', 'g'))
FROM number, unnest(ARRAY[
    $$learnsync.merge('{}', '{"a": [{"b": #}]}', '{"c": 1}', '2026-01-08Z')$$,
    $$learnsync.merge('{"fields": {"a": {"merge": "max"}}}', '{"a": #}', '{"a": 1}', '2026-01-08Z')$$,
    $$learnsync.merge('{}', '{"a": 1, "_learnsync": {"fields": {"a": #}}}', NULL, '2026-01-08Z')$$,
    $$learnsync.merge_states('{}', '{"a": #}', '{"c": 1}')$$,
    $$learnsync.merge_states('{}', '{"c": 1}', '{"a": #}')$$,
    $$learnsync.merge_states('{}', NULL, '{"a": #}')$$,
    $$learnsync.document('{}', '{"a": #}')$$,
    $$learnsync.progress_agg('e', timestamptz '2026-01-08Z', 'content.progressed', '{"contentId": "c",
        "status": "completed", "interaction": {"interactionId": "i", "state": {"a": [#]}}}')$$,
    $$learnsync.progress_agg('e', timestamptz '2026-01-08Z', 'onboarding.completed', '{"pathId": "p", "more": #}')$$
    ]) call;
SELECT is(
    pg_temp.error_of($$SELECT learnsync.merge_states('{}', '{"a": 1}', '{"b": {"c": [0, 1e400]}}')$$),
    '22003 | the number is beyond what a double can hold, or longer than 400 digits | It is wrong at "state.b.c[1]".',
    'where it stands is told');
SELECT is(
    pg_temp.state_of(format($$SELECT learnsync.progress_agg('e', timestamptz '2026-01-08Z', 'content.progressed',
        '{"contentId": "c", "status": "completed", "score": %s}')::text$$, n)),
    CASE WHEN NOT fits THEN '22003' WHEN n::numeric BETWEEN 0 AND 100 THEN 'taken' ELSE '22023' END,
    'a score of ' || left(n, 40))
FROM number;
-- A snapshot that somebody wrote: its numbers are changed in place, so that only they can be why it is refused.
SELECT is(
    pg_temp.state_of(format('SELECT %L::bytea::learnsync.progress::text',
        decode(replace(encode(b, 'hex'), encode(convert_to(was, 'UTF8'), 'hex'),
            encode(convert_to(rpad(becomes, length(was)), 'UTF8'), 'hex')), 'hex'))),
    answer,
    becomes || ' in a snapshot')
FROM (SELECT learnsync.progress_agg('e', timestamptz '2026-01-08Z', 'content.progressed', '{"contentId": "c",
          "status": "completed", "score": 1e-399,
          "interaction": {"interactionId": "i", "state": {"n": 1e-398}}}')::bytea AS b) w,
    (VALUES
        ((1e-399)::text, '1e-4', 'taken'),
        ((1e-399)::text, '1e-16000', '22P03'),
        ((1e-398)::text || '}', '1e308}', 'taken'),
        ((1e-398)::text || '}', '1e309}', '22P03'),
        ((1e-398)::text || '}', '1e131071}', '22P03')) v (was, becomes, answer);
-- A rule may have any number that can come.
SELECT is(
    pg_temp.error_of(format($$SELECT '{"fields": {"a": %s}}'::learnsync.merge_rule$$, replace(field, '#', n))),
    CASE WHEN NOT fits THEN '22023 | invalid merge rule | fields.a.' || at
        || ': the number is beyond what a double can hold, or longer than 400 digits.' ELSE 'taken' END,
    'a rule: ' || replace(field, '#', left(n, 40)))
FROM number, (VALUES
    ('{"merge": "max", "type": "number", "min": #}', 'min'),
    ('{"merge": "max", "type": "number", "max": #}', 'max'),
    ('{"merge": "sum", "type": "number", "cap": #}', 'cap'),
    ('{"merge": "rank", "values": [1, [{"b": #}]]}', 'values[1][0].b'),
    ('{"derive": "b", "steps": [{"value": [#]}]}', 'steps[0].value[0]'),
    ('{"derive": "b", "steps": [{"value": 1, "from": #}]}', 'steps[0].from'),
    ('{"derive": "b", "steps": [{"value": 1}, {"value": 2, "above": #}]}', 'steps[1].above'),
    ('{"merge": "first_time", "when": {"b": {"to": #}}}', 'when.b.to')) v (field, at);
SELECT is(
    pg_temp.state_of(format($$SELECT learnsync.define_resource_type('huge', '{"key": ["k"],
        "fields": {"a": {"type": "number", "merge": "max", "%s": 1e131071}}}')$$, option)),
    '22023',
    'a definition with a huge ' || option)
FROM unnest('{min,max,cap,round,maxLength}'::text[]) option;
SELECT is(
    (SELECT (item IS NULL)::text || (fingerprint IS NOT NULL) FROM learnsync_data.failed WHERE learner_id = 'poison'),
    'truetrue',
    'nor the record of failed items');
SELECT is(
    pg_temp.verdict(pg_temp.push('poison', pg_temp.item('2', 'mastery', '{}') || '{"id": 1e131071}')),
    'invalid id',
    'nor as an id');
SELECT is(
    (SELECT count(*) FROM learnsync_data.failed WHERE learner_id = 'poison' AND item IS NULL),
    2::bigint,
    'nor its record');
SELECT is(
    pg_temp.verdict(pg_temp.push('again', pg_temp.item('1', 'mastery', '{"competencyId": "c", "n": 1}'))),
    'synced',
    'an item');
SELECT is(
    pg_temp.verdict(pg_temp.push('again', pg_temp.item('1', 'mastery', '{"competencyId": "c", "n": 1e999}'))),
    'id_reused id',
    'its id with such a number');
SELECT is(learnsync.digest(a::jsonb) = learnsync.digest(b::jsonb), same, left(a, 20) || ' and ' || left(b, 20))
FROM (VALUES
    ('1e131071', '10e131070', true),
    ('1e131071', '1e131070', false),
    ('1e131071', '-1e131071', false),
    ('1e131071', '11e131070', false),
    ('1e-16000', '10e-16001', true),
    ('1e-16000', '1e-16001', false),
    ('12e-9000', '120e-9001', true),
    ('0.' || repeat('0', 9000), '0', true),
    ('1.' || repeat('0', 9000), '1', true)) v (a, b, same);
SELECT is(
    octet_length(jsonb_object_agg(i, '1e131071'::numeric)::text) > 100000000
        AND learnsync.digest(jsonb_object_agg(i, '1e131071'::numeric)) IS NOT NULL,
    true,
    'a digest of many')
FROM generate_series(1, 1000) i;

-- Metadata and merged data.
SELECT is(
    pg_temp.error_of(format('SELECT learnsync.sync_push(%L, %L)', 'meta',
        jsonb_build_object('deviceId', 'd', 'items', '[]'::jsonb, 'metadata', metadata))),
    answer,
    left(metadata::text, 30))
FROM (VALUES
    (jsonb_build_object('log', repeat('x', 8100)), 'taken'),
    (jsonb_build_object('log', repeat('x', 8200)),
        '54000 | metadata is larger than 8192 bytes | The request is wrong at "metadata". | Limits are '
        'learnsync.max_metadata_bytes, learnsync.max_depth, and numbers of 400 digits that a double can hold.'),
    (jsonb_build_object('x', pg_temp.deep(63)), 'taken'),
    (jsonb_build_object('x', pg_temp.deep(64)),
        '54000 | metadata is nested deeper than 64 | The request is wrong at "metadata". | Limits are '
        'learnsync.max_metadata_bytes, learnsync.max_depth, and numbers of 400 digits that a double can hold.'),
    ('{"battery": {"level": [1e131071]}}',
        '22023 | the number is beyond what a double can hold, or longer than 400 digits | The request is wrong at '
        '"metadata.battery.level[0]". | Limits are learnsync.max_metadata_bytes, learnsync.max_depth, and numbers of '
        '400 digits that a double can hold.')) v (metadata, answer);
SELECT cmp_ok(length(learnsync.sync_devices('meta')::text), '<', 10000, 'so every status stays short');
SELECT learnsync.define_resource_type('limits_memo', '{"key": ["k"], "policy": "manual"}');
SELECT pg_temp.push('memo', pg_temp.item('1', 'limits_memo', '{"k": "m", "t": "a"}')),
    pg_temp.push('memo', pg_temp.item('2', 'limits_memo', '{"k": "m", "t": "b"}'));
SELECT is(
    pg_temp.error_of(format('SELECT learnsync.sync_resolve(%L, %L)', 'memo',
        jsonb_build_object('conflictId', conflict_id, 'resolution', 'use_merged', 'mergedData', merged))),
    answer,
    left(merged::text, 30))
FROM learnsync_data.conflict,
    (VALUES
        (jsonb_build_object('t', repeat('x', 262144)),
            '54000 | mergedData is larger than 262144 bytes | The request is wrong at "mergedData". | Limits are '
            'learnsync.max_item_bytes, learnsync.max_depth, and numbers of 400 digits that a double can hold.'),
        (jsonb_build_object('t', pg_temp.deep(64)),
            '54000 | mergedData is nested deeper than 64 | The request is wrong at "mergedData". | Limits are '
            'learnsync.max_item_bytes, learnsync.max_depth, and numbers of 400 digits that a double can hold.'),
        ('{"t": 1e131071}',
            '22023 | the number is beyond what a double can hold, or longer than 400 digits | The request is wrong '
            'at "mergedData.t". | Limits are learnsync.max_item_bytes, learnsync.max_depth, and numbers of 400 '
            'digits that a double can hold.')) v (merged, answer)
WHERE learner_id = 'memo';

-- Documents.
CREATE FUNCTION pg_temp.size_of(learner text)
    RETURNS int LANGUAGE sql AS $$
    SELECT max(pg_column_size(data || '{}'))::int FROM learnsync_data.resource WHERE learner_id = learner $$;
CREATE FUNCTION pg_temp.verdicts(answer jsonb)
    RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(COALESCE((SELECT f ->> 'code' || ' ' || (f ->> 'path')
                                FROM jsonb_array_elements(answer -> 'failedItems') f WHERE f ->> 'id' = r ->> 'id'),
            r ->> 'status'),
        ', ' ORDER BY n)
    FROM jsonb_array_elements(answer -> 'results') WITH ORDINALITY x (r, n) $$;
SELECT learnsync.define_resource_type('limits_doc', '{"key": ["k"], "stale": "ignore",
    "fields": {"map": {"merge": "map_latest"}, "list": {"merge": "union", "id": "id"},
        "taps": {"merge": "counter"}}}');
SELECT learnsync.define_resource_type('limits_whole', '{"key": ["k"], "policy": "client_wins"}');
CREATE FUNCTION limits_twice(jsonb, jsonb, timestamptz, timestamptz)
    RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('k', $1 -> 'k', 't', repeat('x', ($2 ->> 'n')::int)) $$;
CREATE ROLE limits_team;
ALTER FUNCTION limits_twice OWNER TO limits_team;
SELECT learnsync.define_resource_type('limits_own', jsonb_build_object('key', '["k"]'::jsonb, 'policy', 'custom',
    'function', current_schema() || '.limits_twice'));
SET LOCAL learnsync.max_document_bytes = 10000;
SELECT is(
    pg_temp.verdicts(pg_temp.push('doc', VARIADIC ARRAY(
        SELECT pg_temp.item(n::text, 'limits_doc', jsonb_build_object('k', 'a', 'f' || n, repeat('x', 3000)))
        FROM generate_series(1, 5) n))),
    'synced, synced, synced, too_large data, too_large data',
    'what would make the document too large fails');
SELECT is(
    pg_temp.verdicts(pg_temp.push('doc',
        pg_temp.item('6', 'limits_doc', '{"k": "a", "f6": 6}'),
        pg_temp.item('7', 'limits_doc', jsonb_build_object('k', 'a', 'f7', repeat('x', 1000))),
        pg_temp.item('8', 'limits_doc', jsonb_build_object('k', 'b', 'f1', repeat('x', 9000))))),
    'synced, too_large data, synced',
    'what fits in it is taken, and so are other documents');
SELECT cmp_ok(pg_temp.size_of('doc'), '<=', 10000, 'it stays that small');
SELECT is(
    (SELECT string_agg(key, ',' ORDER BY key) FROM learnsync_data.resource, jsonb_object_keys(data) key
     WHERE learner_id = 'doc' AND resource_id = 'a'),
    'f1,f2,f3,f6,k',
    'and nothing of what failed is in it');
SELECT is(
    (SELECT count(*) FROM learnsync_data.failed WHERE learner_id = 'doc' AND code = 'too_large' AND item IS NOT NULL),
    3::bigint,
    'which is recorded');
SELECT is(
    pg_temp.verdicts(pg_temp.push('doc', pg_temp.item('9', 'limits_doc',
        jsonb_build_object('k', 'a', 'f1', repeat('y', 3000)),
        '{"clientTimestamp": "2026-01-08T11:00:00Z"}'))),
    'synced',
    'a value in the place of another');
-- Exactly as much as there is room for, one item at a time and all at once: a map, what it loses, devices' totals.
CREATE TEMP TABLE growth AS
SELECT name, array_agg(item ORDER BY n) AS items
FROM (SELECT 'map' AS name, n,
          pg_temp.item('m' || n, 'limits_doc', jsonb_build_object('k', 'a',
              'map', jsonb_build_object('big' || n % 40, repeat('x', n * 10), 'key' || n, n))) AS item
      FROM generate_series(1, 60) n
      UNION ALL SELECT 'lost', n,
          pg_temp.item('l' || n, 'limits_doc', jsonb_build_object('k', 'a',
              'map', (SELECT jsonb_object_agg('key' || i, NULL) FROM generate_series(n * 50, n * 50 + 70) i)))
      FROM generate_series(1, 20) n
      UNION ALL SELECT 'fields', n,
          pg_temp.item('f' || n, 'limits_doc', jsonb_build_object('k', 'a',
              'f' || n * 7919 % 997, repeat('x', n), 'g' || n % 5, n, 'map', jsonb_build_object('m' || n % 9, n),
              'taps', n, 'list', jsonb_build_array(jsonb_build_object('id', n)))
              || jsonb_build_object('h' || n * 31 % 101, n))
      FROM generate_series(1, 200) n
      UNION ALL SELECT 'whole', n,
          pg_temp.item('w' || n, 'limits_whole', jsonb_build_object('k', 'a', 'f', repeat('x', 900 * (12 - n))))
      FROM generate_series(0, 10) n) g
GROUP BY name;
CREATE FUNCTION pg_temp.one_by_one(learner text, items jsonb[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE each jsonb; said text[];
BEGIN
    FOREACH each IN ARRAY items LOOP
        said := said || pg_temp.verdicts(pg_temp.push(learner, each));
    END LOOP;
    RETURN array_to_string(said, ', ');
END $$;
CREATE TEMP TABLE grown AS
SELECT name, pg_temp.verdicts(pg_temp.push(name || ' at once', VARIADIC items)) AS at_once,
    pg_temp.one_by_one(name || ' one by one', items) AS one_by_one
FROM growth;
SELECT is(at_once, one_by_one, name || ': at once or one by one') FROM grown;
SELECT is(a.data::text || a.book::text, b.data::text || b.book::text, name || ': the same document') FROM grown
JOIN learnsync_data.resource a ON a.learner_id = name || ' at once'
JOIN learnsync_data.resource b ON b.learner_id = name || ' one by one';
SELECT ok(
    at_once LIKE '%synced, too_large data%' OR at_once LIKE 'too_large data, %synced',
    name || ': some fit and some do not')
FROM grown;
SELECT cmp_ok(pg_temp.size_of(name || ' at once'), '<=', 10000, name || ': small enough') FROM grown;
SELECT cmp_ok(
    (SELECT max(pg_column_size(book || '{}')) FROM learnsync_data.resource WHERE learner_id = 'lost at once'),
    '<=',
    40000,
    'what a map lost takes its place');
SELECT is(
    pg_temp.verdicts(pg_temp.push('list', VARIADIC ARRAY(
        SELECT pg_temp.item(n::text, 'limits_doc', jsonb_build_object('k', 'a',
            'list', jsonb_build_array(jsonb_build_object('id', n, 't', repeat('x', 5000)))))
        FROM generate_series(1, 5) n))),
    'synced, synced, synced, synced, synced',
    'members of lists do not count');
SELECT is(
    (SELECT string_agg(DISTINCT pg_temp.verdicts(learnsync.sync_push('device',
             jsonb_build_object('deviceId', repeat('x', 190) || n,
                 'items', jsonb_build_array(pg_temp.item('1', 'limits_doc', '{"k": "a", "taps": 1}'))))::jsonb),
         '; ')
     FROM generate_series(1, 60) n),
    'synced',
    'nor do the totals of devices');
-- Other ways to a large document.
SELECT pg_temp.push('own', pg_temp.item('1', 'limits_own', '{"k": "a"}'));
SELECT is(
    pg_temp.verdicts(pg_temp.push('own', VARIADIC ARRAY(
        SELECT pg_temp.item('n' || n, 'limits_own', jsonb_build_object('k', 'a', 'n', n))
        FROM unnest('{5000,12000,9000}'::int[]) n))),
    'synced, too_large data, synced',
    'a merge function');
SELECT pg_temp.push('merged', VARIADIC ARRAY(
    SELECT pg_temp.item(n::text, 'limits_memo', jsonb_build_object('k', 'm', 't', n)) FROM generate_series(1, 2) n));
SELECT is(
    pg_temp.error_of(format('SELECT learnsync.sync_resolve(%L, %L)', 'merged',
        jsonb_build_object('conflictId', conflict_id, 'resolution', 'use_merged',
            'mergedData', jsonb_build_object('t', repeat('x', 10000))))),
    '54000 | the document would be larger than 10000 bytes | The document is wrong at "data".',
    'use_merged')
FROM learnsync_data.conflict WHERE learner_id = 'merged';
SELECT is(
    learnsync.sync_progress('module', jsonb_build_object('events', jsonb_build_array(jsonb_build_object(
            'idempotencyKey', 'k',
            'deviceId', 'd', 'moduleId', 'm', 'progressPercent', 1, 'syncVersion', 1,
            'clientTimestamp', '2026-01-08T10:00:00Z', 'note', repeat('x', 10000))))) #>> '{data,results,0,reason}',
    'the document would be larger than 10000 bytes',
    'a module event');
SELECT is(
    learnsync.progress_batch('module', jsonb_build_object('items', jsonb_build_array(jsonb_build_object(
            'idempotency_key', 'k',
            'activity_type', 'game', 'content_id', 'c',
            'meta_data', jsonb_build_object('t', repeat('x', 10000)))))) #>> '{results,0,error}',
    'the document would be larger than 10000 bytes',
    'an activity');
-- One that is larger, since the limit was another, is read, and may shrink.
SET LOCAL learnsync.max_document_bytes = 5000;
SELECT is(
    octet_length(learnsync.sync_pull('doc', '{"deviceId": "z"}') #>> '{changes,1,data}') > 9000
        OR octet_length(learnsync.sync_pull('doc', '{"deviceId": "z"}') #>> '{changes,0,data}') > 9000,
    true,
    'a document that is larger already is pulled');
SELECT is(
    pg_temp.verdicts(pg_temp.push('doc',
        pg_temp.item('10', 'limits_doc', '{"k": "a", "more": 1}', '{"clientTimestamp": "2026-01-08T12:00:00Z"}'),
        pg_temp.item('11', 'limits_doc', '{"k": "a", "f1": "y"}', '{"clientTimestamp": "2026-01-08T12:00:00Z"}'),
        pg_temp.item('12', 'limits_doc', '{"k": "a", "more": 1}', '{"clientTimestamp": "2026-01-08T12:00:00Z"}'))),
    'too_large data, synced, too_large data',
    'and may shrink');
RESET learnsync.max_document_bytes;

SELECT finish();
ROLLBACK;
