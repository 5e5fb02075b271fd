-- The formats of strings in a statement, the two versions, and what bounds a validation.
BEGIN;
SELECT no_plan();

CREATE TEMP TABLE plain AS
SELECT '{"actor": {"mbox": "mailto:ada@example.org"}, "verb": {"id": "http://example.org/v"},
    "object": {"id": "http://example.org/a"}}'::jsonb AS statement;
CREATE FUNCTION pg_temp.reported(statement jsonb, version text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT COALESCE(string_agg((v ->> 'path') || ' ' || (v ->> 'requirement'), ', ' ORDER BY i), '')
    FROM jsonb_array_elements(learnsync.xapi_validate(statement, version)) WITH ORDINALITY a (v, i) $$;
-- Whether a text is taken where a string of that format is wanted.
CREATE FUNCTION pg_temp.takes(format text, value text) RETURNS boolean LANGUAGE sql AS $$
    SELECT learnsync.xapi_validate(
        statement || CASE format
            WHEN 'iri' THEN jsonb_build_object('verb', jsonb_build_object('id', value))
            WHEN 'irl' THEN jsonb_build_object(
                'object', jsonb_build_object('id', 'urn:a', 'definition', jsonb_build_object('moreInfo', value)))
            WHEN 'uri' THEN jsonb_build_object('actor', jsonb_build_object('openid', value))
            WHEN 'language'
                THEN jsonb_build_object(
                    'verb', jsonb_build_object('id', 'urn:v', 'display', jsonb_build_object(value, 'x')))
            WHEN 'duration' THEN jsonb_build_object('result', jsonb_build_object('duration', value))
            WHEN 'media' THEN jsonb_build_object('attachments', jsonb_build_array(jsonb_build_object(
                    'usageType', 'urn:u',
                    'display', '{}'::jsonb, 'length', 1, 'sha2', repeat('0', 64), 'contentType', value)))
            ELSE jsonb_build_object('timestamp', value) END,
        CASE format WHEN 'time 2.0' THEN '2.0' END) = '[]'
    FROM plain $$;

CREATE TEMP TABLE sample (format text, good boolean, value text);
INSERT INTO sample
SELECT v.format, v.good, unnest(v.texts)
FROM (VALUES
    ('iri', true, ARRAY['http://example.org', 'HTTP://example.org', 'http://example.org/', 'http://example.org/?',
        'http://example.org/#', 'http://u:p@example.org:8080/a/b?c=d&e#f', 'http://[2001:db8::7]/c',
        'http://u@[::1]:80', 'urn:isbn:978', 'tag:x,2026:a', 'mailto:a@b', 'a:b', 'x+y-1.z:/',
        'http://example.org/%C3%A4', 'http://例え.jp/引き割り.html', 'http://example.org/a?q=é#é',
        'http://example.org/?' || U&'\E000', 'http://example.org/a;b=1,2', 'http://example.org/(a)''*!$',
        'file:///etc', 'data:text/plain,x', 'http://a/?a?b/c:d@e', 'http://a/#a?b', 'ab:' || repeat('x', 10000),
        'http://example.org/' || U&'\+020000']),
    ('iri', false, ARRAY['', ':', 'a', 'a:', '1a:b', '-a:b', '+:b', ':b', '/a', '//a/b', 'example.org',
        'example.org/a:b', ' http://a', 'http://a ', 'http://a b', 'http://a"', 'http://a<b>', 'http://a\b',
        'http://a^', 'http://a`', 'http://a{b}', 'http://a|b', 'http://a/%', 'http://a/%4', 'http://a/%zz',
        'http://a/#b#c', 'http://a/[b]', 'http://[::1', 'http://[]/', 'http://[x]/', 'http://a[::1]/', 'http://a]',
        E'http://a\n', E'a:\tb', 'ab=c://a', 'http://a/' || U&'\E000', 'http://a/' || U&'\FFFE',
        'http://a/' || U&'\0085', 'http://a/' || U&'\FDD0', 'http://a/' || U&'\+01FFFF', 'http://a/' || U&'\+0E0001',
        'http://a/?q#' || U&'\E000', 'ä:b', 'http://' || U&'\E000']),
    ('irl', true, ARRAY['http://example.org', 'https://müller.example/a', 'ftp://x/y', 'mailto:a@b',
        'http://[::1]/']),
    ('irl', false, ARRAY['http://', 'http:///a', 'http://?a', 'http://#', 'http://:80/', 'a', '/a', '']),
    ('uri', true, ARRAY['http://example.org/%C3%A4', 'xri:a']),
    ('uri', false, ARRAY['http://example.org/ä', 'example.org', '']),
    ('language', true, ARRAY['de', 'DE', 'cmn', 'en-US', 'de-CH-1996', 'sr-Latn-RS', 'zh-Hant', 'zh-min-nan',
        'zh-cmn-Hans-CN', 'es-419', 'sl-rozaj-biske-1994', 'en-a-bbb-x-a', 'de-x-phonebk', 'x-whatever', 'X-a',
        'i-klingon', 'I-Klingon', 'en-GB-oed', 'sgn-BE-FR', 'art-lojban', 'root', 'longlang', 'en-u-co-phonebk-t-de',
        'hy-Latn-IT-arevela', 'und', 'aaa-bbb-ccc-ddd-Abcd']),
    ('language', false, ARRAY['', '-', 'e', '1', 'a1', 'a12345', 'something', 'en_US', 'en-', '-en', 'en--US',
        'en US', 'englisch-', 'en-US-', 'en-x', 'en-a', 'en-a-b', 'x', 'x-', 'x-123456789', 'de-419-DE', 'ar-a-aaa-b',
        'en-123456789', 'i-other', 'en-GB-ode', 'ä', 'en-ä', 'abcd-efg', 'aaa-bbb-ccc-ddd-eee', 'en-1', 'en-12',
        'en-ab1']),
    ('duration', true, ARRAY['PT4H35M59.14S', 'PT16559.14S', 'P3Y1M29DT4H35M59.14S', 'P3Y', 'P4W', 'P1M', 'PT1M',
        'P0D', 'PT0S', 'P1DT12H36M0.12567S', 'PT0,5S', 'P0.5Y', 'P1Y0.5M', 'PT1.5H', 'P1.5W', 'P1DT1S', 'P00001Y',
        'PT' || repeat('1', 1000) || 'S']),
    ('duration', false, ARRAY['', 'P', 'PT', 'P1', 'PT1', 'P1YT', '1Y', 'p1y', 'P1y', 'P-1Y', '-P1Y', '+P1Y', 'P1M1Y',
        'PT1S1M', 'P1H', 'PT1Y', 'PT1D', 'P4W1D', 'P1Y4W', 'P1D4W', 'PT4W', 'P0.5Y1M', 'P0.5DT1H', 'PT1.5H1M',
        'PT.5S', 'PT1.S', 'PT1..5S', 'PT1.5.5S', 'P1Y1Y', 'PA1H0M0S', 'P 1Y', 'P1Y ', 'P0003-06-04T12:30:05',
        'PT1S/PT2S', 'P1YTT1S', 'P1D1D', 'PW', 'PTW', 'PS']),
    ('media', true, ARRAY['text/plain', 'text/plain; charset=ascii', 'text/plain;charset="a; b"',
        'application/vnd.ms-excel', 'image/svg+xml', 'a/b;c=d;e=f', 'A/B', 'a/b ; c=d', 'a/b;c="\""', 'a/b;c=""',
        'x-a/*']),
    ('media', false, ARRAY['', '/', 'a', 'a/', '/b', 'a/b/c', 'a b/c', 'a/b;', 'a/b;c', 'a/b;c=', 'a/b;=d', 'a/b c=d',
        'a/b;c="d', 'a/b;c=d;', 'ä/b', ' a/b', 'a/b,c/d', 'a/b;c="\', 'a/b;c = d']),
    ('time', true, ARRAY['2026-01-08T10:30:00Z', '2026-01-08T10:30:00.1Z', '2026-01-08T10:30:00.123456789012Z',
        '2026-01-08t10:30:00z', '2026-01-08T10:30:00+01:00', '2026-01-08T10:30:00-23:59', '2026-01-08T10:30:00+00:00',
        '1776-07-04T16:00:45.123Z', '0000-02-29T00:00:00Z', '9999-12-31T23:59:60Z', '2024-02-29T00:00:00Z',
        '2026-01-08T10:30:00', '2026-01-08T10:30Z', '2026-01-08T10Z', '2026-01-08T10', '20260108T103000Z',
        '20260108T1030Z', '20260108T103000.5+0100', '2026-01-08T10:30:00+01', '2026-01-08T10:30:00+0100',
        '2026-01-08T10:30:00,5Z', '2026-008T10:30:00Z', '2026008T10:30:00Z', '2024-366T00:00:00Z',
        '2026-W02-4T10:30:00Z', '2026W024T103000Z', '2020-W53-7T00:00:00Z', '2026-01-08T24:00:00Z',
        '2026-01-08T24:00Z']),
    ('time', false, ARRAY['', 'T', 'now', 'infinity', '2026-01-08', '10:30:00Z', '2026-01-08 10:30:00Z',
        '2026-01-08T', '2026-01-08TZ', '01/011/2015', '2026-13-01T00:00:00Z', '2026-00-01T00:00:00Z',
        '2026-01-00T00:00:00Z', '2026-02-29T00:00:00Z', '2100-02-29T00:00:00Z', '2026-04-31T00:00:00Z',
        '2026-000T00:00:00Z', '2026-366T00:00:00Z', '2026-W00-1T00:00:00Z', '2026-W54-1T00:00:00Z',
        '2021-W53-1T00:00:00Z', '2026-W02-0T00:00:00Z', '2026-W02-8T00:00:00Z', '2026-01-08T25:00:00Z',
        '2026-01-08T24:00:01Z', '2026-01-08T24:00:00.001Z', '2026-01-08T10:60:00Z', '2026-01-08T10:30:61Z',
        '2026-01-08T10:30:00.Z', '2026-01-08T10:30.5Z', '2026-01-08T10:30:00.1x', '2026-01-08T10:30:00.1.2Z',
        '2008-09-15T15:53:00.601-00', '2008-09-15T15:53:00.601-0000', '2008-09-15T15:53:00.601-00:00',
        '2026-01-08T10:30:00+24:00', '2026-01-08T10:30:00+00:60', '2026-01-08T10:30:00+1', '2026-01-08T10:30:00+',
        '2026-01-08T10:30:00ZZ', '2026-01-08T10:30:00Z ', ' 2026-01-08T10:30:00Z', '2026-1-8T10:30:00Z',
        '26-01-08T10:30:00Z', '+2026-01-08T10:30:00Z', '-2026-01-08T10:30:00Z', '12026-01-08T10:30:00Z',
        '2026-01-08T10:30:00 UTC', '２026-01-08T10:30:00Z', '2026-01-08T1:30:00Z', repeat('2', 100000)]),
    ('time 2.0', true, ARRAY['2026-01-08T10:30:00Z', '2026-01-08T10:30:00.123456789012Z', '2026-01-08t10:30:00z',
        '2026-01-08T10:30:00+01:00', '2008-09-15T15:53:00.601+00:00', '1776-07-04T16:00:45.123Z',
        '9999-12-31T23:59:60Z']),
    ('time 2.0', false, ARRAY['2026-01-08T10:30:00', '2026-01-08T10:30Z', '20260108T103000Z',
        '2026-01-08T10:30:00+01', '2026-01-08T10:30:00+0100', '2026-01-08T10:30:00,5Z', '2026-008T10:30:00Z',
        '2026-W02-4T10:30:00Z', '2026-01-08T24:00:00Z', '2026-01-08T10:30:00-00:00',
        '2026-02-30T10:30:00Z'])) v (format, good, texts);
SELECT is(pg_temp.takes(format, value), good, format || ' ' || left(value, 60)) FROM sample;

-- Versions: the argument's rules, else those of the statement's own version, else 1.0.3.
CREATE TEMP TABLE two AS
SELECT statement || '{"context": {"contextAgents": [{"objectType": "contextAgent",
        "agent": {"mbox": "mailto:ada@example.org"}, "relevantTypes": ["urn:player"]}],
    "contextGroups": [{"objectType": "contextGroup",
        "group": {"objectType": "Group", "mbox": "mailto:team@example.org"}}]}}' AS statement
FROM plain;
SELECT is(pg_temp.reported(statement || more, version), wanted, concat_ws(' ', 'contexts of 2.0', more, version))
FROM two,
    (VALUES
        ('{}'::jsonb, '2.0', ''),
        ('{}', '1.0.3', 'context.contextAgents XAPI-00010, context.contextGroups XAPI-00010'),
        ('{}', NULL, 'context.contextAgents XAPI-00010, context.contextGroups XAPI-00010'),
        ('{"version": "2.0.0"}', NULL, ''),
        ('{"version": "2.0.0"}', '2.0', ''),
        ('{"version": "1.0.3"}', NULL, 'context.contextAgents XAPI-00010, context.contextGroups XAPI-00010'),
        ('{"version": "1.0.3"}', '2.0', ''),
        ('{"version": "2.0.0"}', '1.0.3',
            'context.contextAgents XAPI-00010, context.contextGroups XAPI-00010, version XAPI-00101'),
        ('{"version": "2.0.1", "timestamp": "2026-01-08T10:30:00"}', NULL, 'timestamp XAPI-00123'),
        ('{"version": 2}', NULL,
            'context.contextAgents XAPI-00010, context.contextGroups XAPI-00010, version '
            'XAPI-00101')) v (more, version, wanted);
SELECT is(
    pg_temp.reported(
        CASE WHEN value IS NULL THEN statement #- path ELSE jsonb_set(statement, path, value) END,
        '2.0'),
    reported,
    concat_ws(' ', '2.0', path, COALESCE(value::text, 'without')))
FROM two,
    (VALUES
        ('{context,contextAgents}'::text[], '{}'::jsonb, 'context.contextAgents xAPI-2.0-4.2.2.5'),
        ('{context,contextAgents}', '[]', ''),
        ('{context,contextAgents,0}', '1', 'context.contextAgents[0] xAPI-2.0-4.2.2.5'),
        ('{context,contextAgents,0}', 'null', 'context.contextAgents[0] XAPI-00001'),
        ('{context,contextAgents,0,objectType}', NULL, 'context.contextAgents[0].objectType xAPI-2.0-4.2.2.5'),
        ('{context,contextAgents,0,objectType}', '"Agent"', 'context.contextAgents[0].objectType xAPI-2.0-4.2.2.5'),
        ('{context,contextAgents,0,objectType}', '"ContextAgent"', 'context.contextAgents[0].objectType XAPI-00009'),
        ('{context,contextAgents,0,agent}', NULL, 'context.contextAgents[0].agent xAPI-2.0-4.2.2.5'),
        ('{context,contextAgents,0,agent}', '{}', 'context.contextAgents[0].agent XAPI-00034'),
        ('{context,contextAgents,0,agent}', '{"objectType": "Group", "mbox": "mailto:t@example.org"}',
            'context.contextAgents[0].agent xAPI-2.0-4.2.2.5'),
        ('{context,contextAgents,0,relevantTypes}', '[]', 'context.contextAgents[0].relevantTypes xAPI-2.0-4.2.2.5'),
        ('{context,contextAgents,0,relevantTypes}', '"urn:player"',
            'context.contextAgents[0].relevantTypes xAPI-2.0-4.2.2.5'),
        ('{context,contextAgents,0,relevantTypes,0}', '"player"',
            'context.contextAgents[0].relevantTypes[0] xAPI-2.0-4.2.2.5'),
        ('{context,contextAgents,0,relevantTypes}', NULL, ''),
        ('{context,contextAgents,0,group}', '{}', 'context.contextAgents[0].group XAPI-00010'),
        ('{context,contextGroups}', '"x"', 'context.contextGroups xAPI-2.0-4.2.2.5'),
        ('{context,contextGroups,0,objectType}', '"contextAgent"',
            'context.contextGroups[0].objectType xAPI-2.0-4.2.2.5'),
        ('{context,contextGroups,0,group}', NULL, 'context.contextGroups[0].group xAPI-2.0-4.2.2.5'),
        ('{context,contextGroups,0,group}', '{"mbox": "mailto:t@example.org"}',
            'context.contextGroups[0].group xAPI-2.0-4.2.2.5'),
        ('{context,contextGroups,0,group,mbox}', NULL, 'context.contextGroups[0].group XAPI-00037'),
        ('{context,contextGroups,0,relevantTypes}', '["urn:team", 1]',
            'context.contextGroups[0].relevantTypes[1] xAPI-2.0-4.2.2.5'),
        ('{context,contextGroups,0,relevantTypes}', '["urn:team"]', '')) v (path, value, reported);
SELECT throws_ok(
    $$SELECT learnsync.xapi_validate('{}', '1.0')$$,
    '22023',
    'unknown xAPI version: "1.0"',
    'another version');
SELECT throws_ok($$SELECT learnsync.xapi_validate(NULL, 'x')$$, '22023');
SELECT is(learnsync.xapi_validate(NULL), NULL, 'no statement');

-- What is no statement at all.
SELECT is(pg_temp.reported(value), ' XAPI-00014', 'no statement: ' || value::text)
FROM jsonb_array_elements('[null, 1, "x", true, [], [{"actor": 1}]]') value;
SELECT is(pg_temp.reported('{}'), 'verb XAPI-00004, actor XAPI-00003, object XAPI-00005', 'an empty one');
SELECT is(
    learnsync.xapi_validate(statement || '{"id": "x", "actor": {"mbox": "x"}}'),
    '[
        {"path": "id", "message": "id must be a UUID", "requirement": "XAPI-00027"},
        {"path": "actor.mbox", "message": "actor.mbox must be mailto: and an email address",
            "requirement": "XAPI-00038"}]',
    'each violation has path, requirement and message')
FROM plain;
SELECT is(
    learnsync.xapi_validate('1'),
    '[{"path": "", "message": "the statement must be an object", "requirement": "XAPI-00014"}]');

-- Bounds: not more than 100 violations, no recursion along the data, cost in proportion to size.
SELECT is(
    jsonb_array_length(learnsync.xapi_validate(statement
        || jsonb_build_object('attachments', (SELECT jsonb_agg(i) FROM generate_series(1, n) i)))),
    LEAST(n, 100),
    n || ' violations')
FROM plain, unnest('{1,99,100,101,100000}'::int[]) n;
CREATE FUNCTION pg_temp.nested(opening text, depth int, inner_one text, closing text)
    RETURNS jsonb LANGUAGE sql AS $$ SELECT (repeat(opening, depth) || inner_one || repeat(closing, depth))::jsonb $$;
SELECT is(
    pg_temp.reported(statement || jsonb_build_object('object', jsonb_build_object('id', 'urn:a',
            'definition', jsonb_build_object(
                'extensions', jsonb_build_object('urn:x', pg_temp.nested('[', 5000, '1', ']')))))),
    '',
    'deep extensions are nobody''s business')
FROM plain;
SELECT is(
    pg_temp.reported(pg_temp.nested('{"objectType": "SubStatement", "object": ', 2000, '1',
        '}')) LIKE '%object.object XAPI-00071%',
    true,
    'SubStatements are entered once');
SELECT is(
    pg_temp.reported(statement
        || jsonb_build_object('actor', pg_temp.nested('{"objectType": "Group", "member": [', 2000, '', ']}'))),
    'actor.member[0] XAPI-00036',
    'groups are entered once')
FROM plain;
SELECT is(
    pg_temp.reported(statement || jsonb_build_object(key, pg_temp.nested('[', 5000, '1', ']'))) <> '',
    true,
    'deep ' || key)
FROM plain, unnest('{id,actor,verb,object,result,context,attachments,authority,version,timestamp,other}'::text[]) key;
CREATE TEMP TABLE wide AS
SELECT statement || jsonb_build_object('object', jsonb_build_object('id', 'urn:a',
        'definition', jsonb_build_object('interactionType', 'choice',
            'choices', (SELECT jsonb_agg(jsonb_build_object('id', 'c' || i)) FROM generate_series(1, 100000) i))),
    'actor', jsonb_build_object('objectType', 'Group',
        'member', (SELECT jsonb_agg(jsonb_build_object('mbox', 'mailto:m' || i || '@example.org'))
                   FROM generate_series(1, 100000) i))) AS statement
FROM plain;
SET LOCAL statement_timeout = '5s';
SELECT is(learnsync.xapi_validate(statement), '[]', '100 000 choices and members') FROM wide;
SELECT ok(learnsync.xapi_equal(statement, statement), 'and their comparison') FROM wide;
SELECT is(
    pg_temp.reported(jsonb_set(statement, '{object,definition,choices,99999,id}', '"c5"')),
    'object.definition.choices[99999].id XAPI-00058',
    'one of them twice')
FROM wide;
SELECT finish();
ROLLBACK;
