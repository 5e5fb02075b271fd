-- xAPI statements that devices push: checked, kept to the letter, found and exported as an LRS does.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.statement(more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_object_agg(key, value)
    FROM jsonb_each('{"actor": {"mbox": "mailto:ada@example.org"}, "verb": {"id": "http://example.org/verbs/read"},
        "object": {"id": "http://example.org/books/1"}}' || more)
    WHERE value <> 'null' $$;
CREATE FUNCTION pg_temp.item(id text, statement jsonb, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'create', 'resourceType', 'xapi_statement',
        'clientTimestamp', '2026-01-08T10:00:00Z', 'data', statement) || more $$;
CREATE FUNCTION pg_temp.push(learner text, VARIADIC items jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd', 'items', to_jsonb(items)))::jsonb $$;
CREATE FUNCTION pg_temp.verdicts(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(CASE r ->> 'status'
            WHEN 'failed' THEN (SELECT f ->> 'code' || ' ' || (f ->> 'path')
                                FROM jsonb_array_elements(answer -> 'failedItems') f WHERE f -> 'id' = r -> 'id')
            WHEN 'conflict' THEN (SELECT c ->> 'resolution' FROM jsonb_array_elements(answer -> 'conflicts') c
                                  WHERE c -> 'id' = r -> 'id')
            ELSE r ->> 'status' END,
        ', ' ORDER BY n)
    FROM jsonb_array_elements(answer -> 'results') WITH ORDINALITY x (r, n) $$;
CREATE FUNCTION pg_temp.stored(learner text, id text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT data FROM learnsync_data.resource WHERE learner_id = learner AND resource_id = id $$;

-- Bad ones are failed items, with the path of what is wrong; the others are taken.
SELECT is(
    pg_temp.verdicts(pg_temp.push('bad', pg_temp.item(md5(more::text), pg_temp.statement(more)))),
    verdict,
    more::text)
FROM (VALUES
    ('{}'::jsonb, 'synced'),
    ('{"verb": null}', 'invalid_statement data.verb'),
    ('{"actor": {"mbox": "ada@example.org"}}', 'invalid_statement data.actor.mbox'),
    ('{"id": "s1"}', 'invalid_statement data.id'),
    ('{"colour": 1}', 'invalid_statement data.colour'),
    ('{"result": {"score": {"scaled": 1.1}}}', 'invalid_statement data.result.score.scaled'),
    ('{"verb": {"id": "http://example.org/v", "display": {"en_US": "x"}}}',
        'invalid_statement data.verb.display.en_US'),
    ('{"Timestamp": "2026-01-08T10:00:00Z"}', 'invalid_statement data.Timestamp'),
    ('{"version": "2.0.0", "context": {"contextAgents": [{"objectType": "contextAgent",
            "agent": {"mbox": "mailto:b@example.org"}}]}}',
        'synced'),
    ('{"context": {"contextAgents": [{"objectType": "contextAgent", "agent": {"mbox": "mailto:b@example.org"}}]}}',
        'invalid_statement data.context.contextAgents'),
    ('{"stored": "yesterday"}', 'invalid_statement data.stored')) v (more, verdict);
SELECT is(
    pg_temp.verdicts(pg_temp.push('mixed',
        pg_temp.item('1', pg_temp.statement()),
        pg_temp.item('2', '{}'),
        pg_temp.item('3', pg_temp.statement('{"id": "0a0a0a0a-0000-4000-8000-000000000003"}')))),
    'synced, invalid_statement data.verb, synced',
    'the good ones beside a bad one');
SELECT is(
    pg_temp.verdicts(pg_temp.push('key', pg_temp.item('1', pg_temp.statement(), '{"resourceId": "page-1"}'))),
    'invalid_statement resourceId',
    'a statement is known by a UUID');
SELECT is(
    pg_temp.verdicts(pg_temp.push('key', pg_temp.item('2', pg_temp.statement(),
        '{"resourceId": "0a0a0a0a-0000-4000-8000-00000000000F"}'))),
    'synced',
    'which may stand in resourceId');
SELECT is(
    pg_temp.stored('key', '0a0a0a0a-0000-4000-8000-00000000000f') ->> 'id',
    '0a0a0a0a-0000-4000-8000-00000000000F',
    'and stays as it was spelt');
SELECT is(
    pg_temp.verdicts(pg_temp.push('key', pg_temp.item('3', NULL, '{"operation": "delete",
        "resourceId": "0a0a0a0a-0000-4000-8000-00000000000f"}'))),
    'not_allowed operation',
    'statements are not deleted');

-- Kept to the letter; only stored is the server's.
SELECT pg_temp.push('letter', pg_temp.item('1', pg_temp.statement('{"id": "0A0A0A0A-0000-4000-8000-000000000001",
    "timestamp": "20260108T10+02", "stored": "2020-01-01T00:00:00Z",
    "result": {"score": {"raw": 1.50}, "duration": "PT1.50S", "extensions": {"http://e.org/x": null}}}')));
SELECT is(
    (pg_temp.stored('letter', '0a0a0a0a-0000-4000-8000-000000000001') - 'stored')::text,
    pg_temp.statement('{"id": "0A0A0A0A-0000-4000-8000-000000000001", "timestamp": "20260108T10+02",
        "result": {"score": {"raw": 1.50}, "duration": "PT1.50S", "extensions": {"http://e.org/x": null}}}')::text,
    'as it was sent');
SELECT is(
    (SELECT to_jsonb(date_trunc('milliseconds', updated_at)) FROM learnsync_data.resource
     WHERE learner_id = 'letter'),
    to_jsonb((pg_temp.stored('letter', '0a0a0a0a-0000-4000-8000-000000000001') ->> 'stored')::timestamptz),
    'stored when it was');
SELECT pg_temp.push('none', pg_temp.item('1', pg_temp.statement()));
SELECT ok(
    data ->> 'id' = resource_id AND learnsync.xapi_validate(data) = '[]',
    'an id is derived where there is none')
FROM learnsync_data.resource WHERE learner_id = 'none';

-- Immutable, by equality of statements: whatever an LRS may change makes no difference.
SELECT pg_temp.push('same', pg_temp.item('first', pg_temp.statement('{"id": "0a0a0a0a-0000-4000-8000-000000000001",
    "timestamp": "2026-01-08T10:00:00Z"}')));
SELECT is(
    pg_temp.verdicts(pg_temp.push('same', pg_temp.item(n::text, pg_temp.statement(
        '{"id": "0a0a0a0a-0000-4000-8000-000000000001", "timestamp": "2026-01-08T10:00:00Z"}' || more)))),
    verdict,
    more::text)
FROM (VALUES
    (1, '{}'::jsonb, 'synced'),
    (2, '{"timestamp": "2026-01-08T12:00:00.0+02:00"}', 'synced'),
    (3, '{"id": "0A0A0A0A-0000-4000-8000-000000000001"}', 'synced'),
    (4, '{"verb": {"id": "http://example.org/verbs/read", "display": {"en": "read"}}}', 'synced'),
    (5, '{"version": "1.0.3", "authority": {"mbox": "mailto:lrs@example.org"}}', 'synced'),
    (6, '{"actor": {"objectType": "Agent", "mbox": "mailto:ada@EXAMPLE.org"}}', 'synced'),
    (7, '{"object": {"id": "http://example.org/books/2"}}', 'manual_required'),
    (8, '{"timestamp": "2026-01-08T10:00:01Z"}', 'manual_required'),
    (9, '{"actor": {"mbox": "mailto:ada@example.org", "name": "Ada"}}', 'manual_required')) v (n, more, verdict);
SELECT is(
    (SELECT count(*) || ' ' || min(version) FROM learnsync_data.resource WHERE learner_id = 'same'),
    '1 2',
    'the first one stands');
SELECT is(
    (SELECT count(*) FROM learnsync_data.conflict WHERE learner_id = 'same' AND closed_at IS NULL),
    3::bigint,
    'the others wait for a person');
SELECT is(
    pg_temp.verdicts(pg_temp.push('two',
        pg_temp.item('1', pg_temp.statement('{"id": "0a0a0a0a-0000-4000-8000-000000000001"}')),
        pg_temp.item('2', pg_temp.statement('{"id": "0A0A0A0A-0000-4000-8000-000000000001"}')),
        pg_temp.item('3', pg_temp.statement('{"id": "0a0a0a0a-0000-4000-8000-000000000001",
            "result": {"success": true}}')))),
    'synced, synced, manual_required',
    'two in one push likewise');

-- What it is found by.
SELECT pg_temp.push('found', VARIADIC array_agg(pg_temp.item(n::text, pg_temp.statement(more)) ORDER BY n))
FROM (VALUES
    (1, '{"id": "0a0a0a0a-0000-4000-8000-000000000001", "timestamp": "2026-W02-4T10:00:00.123Z"}'::jsonb),
    (2, '{"id": "0a0a0a0a-0000-4000-8000-000000000002",
        "actor": {"account": {"homePage": "http://example.org", "name": "7"}},
        "context": {"registration": "0A0A0A0A-0000-4000-8000-0000000000AA"}}'),
    (3, '{"id": "0a0a0a0a-0000-4000-8000-000000000003",
        "actor": {"objectType": "Group", "member": [{"mbox": "mailto:a@example.org"}]},
        "object": {"objectType": "Agent", "openid": "http://example.org/o"}}'),
    (4, '{"id": "0a0a0a0a-0000-4000-8000-000000000004", "verb": {"id": "http://adlnet.gov/expapi/verbs/voided"},
        "object": {"objectType": "StatementRef", "id": "0A0A0A0A-0000-4000-8000-000000000001"}}'),
    (5, jsonb_build_object('id', '0a0a0a0a-0000-4000-8000-000000000005',
        'object', jsonb_build_object('id', 'http://example.org/' || repeat('x', 5000))))) v (n, more);
SELECT is(concat_ws(' ', x.agent, x.verb, x.activity, x.registration, x.voids), expected, 'found by: statement ' || n)
FROM (VALUES
    (1, 'mailto:ada@example.org http://example.org/verbs/read http://example.org/books/1'),
    (2,
        'http://example.org|7 http://example.org/verbs/read http://example.org/books/1 '
        '0a0a0a0a-0000-4000-8000-0000000000aa'),
    (3, 'http://example.org/verbs/read'),
    (4, 'mailto:ada@example.org http://adlnet.gov/expapi/verbs/voided 0a0a0a0a-0000-4000-8000-000000000001'),
    (5,
        'mailto:ada@example.org http://example.org/verbs/read urn:uuid:'
            || learnsync.digest(to_jsonb('http://example.org/' || repeat('x', 5000))))) v (n, expected)
LEFT JOIN learnsync_data.xapi_statement x ON x.learner_id = 'found'
    AND x.resource_id = '0a0a0a0a-0000-4000-8000-00000000000' || n;
SELECT is("timestamp", timestamptz '2026-01-08 10:00:00.123Z', 'a time in any form of ISO 8601')
FROM learnsync_data.xapi_statement WHERE learner_id = 'found' AND resource_id LIKE '%1';
SELECT ok("timestamp" = stored, 'stored where it has none') FROM learnsync_data.xapi_statement
WHERE learner_id = 'found' AND resource_id LIKE '%2';
SELECT is(
    (SELECT count(*) FROM learnsync_data.xapi_statement),
    (SELECT count(*) FROM learnsync_data.resource WHERE resource_type = 'xapi_statement'),
    'a row for each statement');
SELECT learnsync.sync_push('dry', jsonb_build_object('deviceId', 'd', 'dryRun', true,
    'items', jsonb_build_array(pg_temp.item('1', pg_temp.statement()))));
SELECT is(
    (SELECT count(*) FROM learnsync_data.xapi_statement WHERE learner_id = 'dry'),
    0::bigint,
    'a dry run writes none');

-- The export, as an LRS returns statements.
SELECT is(
    (SELECT count(*) FROM learnsync.xapi_export('found')),
    5::bigint,
    'all statements, the voided and the voiding too');
SELECT is(
    (SELECT string_agg(DISTINCT e ->> 'version', ' ') FROM learnsync.xapi_export('found') e),
    '1.0.0',
    'with the version');
SELECT is(
    (SELECT count(*) FROM learnsync.xapi_export('found') e
     WHERE learnsync.xapi_validate(e) = '[]' AND e ?& '{id,stored,timestamp,version}'),
    5::bigint,
    'all valid, with all that an LRS sets');
SELECT is(
    (SELECT count(*) FROM learnsync.xapi_export('found') e
     WHERE NOT learnsync.xapi_equal(e, pg_temp.stored('found', lower(e ->> 'id')))),
    0::bigint,
    'and the same statements');
UPDATE learnsync_data.xapi_statement SET stored = stored - right(resource_id, 1)::int * interval '1 hour'
WHERE learner_id = 'found';
SELECT is(
    (SELECT string_agg(right(e ->> 'id', 1), '' ORDER BY n)
     FROM learnsync.xapi_export('found') WITH ORDINALITY x (e, n)),
    '54321',
    'in the order of being stored');
SELECT is(
    (SELECT string_agg(right(e ->> 'id', 1), '' ORDER BY n)
     FROM learnsync.xapi_export('found', (SELECT stored FROM learnsync_data.xapi_statement
                                          WHERE learner_id = 'found'
                                              AND resource_id LIKE '%3')) WITH ORDINALITY x (e, n)),
    '21',
    'after since');
SELECT is((SELECT count(*) FROM learnsync.xapi_export('nobody')), 0::bigint, 'of nobody');
SELECT pg_temp.push('many', VARIADIC (SELECT array_agg(pg_temp.item(k || '-' || n, pg_temp.statement()))
                                      FROM generate_series(1, 900) n))
FROM generate_series(1, 3) k;
SELECT is((SELECT count(DISTINCT e ->> 'id') FROM learnsync.xapi_export('many') e), 2700::bigint, 'many');
SET LOCAL request.jwt.claims = '{"sub": "found"}';
SELECT is((SELECT count(*) FROM learnsync_api.xapi_export()), 5::bigint, 'by the learner: her own');

SELECT * FROM finish();
ROLLBACK;
