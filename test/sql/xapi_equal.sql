-- Are two statements the same by xAPI Data 2.3.1? Each case is one change away from a statement.
BEGIN;
SELECT no_plan();

CREATE TEMP TABLE base AS
SELECT '{"id": "fd41c918-b88b-4b20-a0a5-a4c32391aaa0", "actor": {"objectType": "Group", "name": "Blue",
        "mbox": "mailto:Team@Example.org", "member": [
            {"name": "Ada", "mbox": "mailto:Ada@example.org"},
            {"objectType": "Agent", "mbox_sha1sum": "cd9b00a5611f94eaa7b1661edab976068e364975"},
            {"account": {"homePage": "http://example.org", "name": "x"}}]},
    "verb": {"id": "http://example.org/v", "display": {"en": "did"}},
    "object": {"objectType": "Activity", "id": "http://example.org/a", "definition": {"name": {"en": "A"}}},
    "result": {"score": {"scaled": 0.5, "raw": 5}, "duration": "PT1M30.25S", "response": "a", "success": true,
        "extensions": {"urn:x": {"n": 1}}},
    "context": {"registration": "ec531277-b57b-4c15-8d91-d292c5b2b8f7",
        "instructor": {"mbox": "mailto:tutor@example.org"}, "team": {"objectType": "Group",
            "member": [{"mbox": "mailto:a@example.org"}, {"mbox": "mailto:b@example.org"}]},
        "contextActivities": {"parent": [{"id": "urn:p", "definition": {}}], "grouping": {"id": "urn:g"},
            "other": [{"id": "urn:1"}, {"id": "urn:2"}]},
        "language": "en-GB",
        "statement": {"objectType": "StatementRef", "id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee"}, "platform": "app",
        "contextAgents": [{"objectType": "contextAgent", "agent": {"mbox": "mailto:c@example.org"}}],
        "contextGroups": [{"objectType": "contextGroup",
            "group": {"objectType": "Group", "member": [{"openid": "http://a"}, {"openid": "http://b"}]}}]},
    "timestamp": "2026-01-08T10:30:00.125+01:00", "stored": "2026-01-08T09:31:00Z", "version": "1.0.0",
    "authority": {"mbox": "mailto:lrs@example.org"}, "attachments": [
        {"usageType": "urn:u", "display": {"en": "Essay"}, "contentType": "text/plain", "length": 27,
            "sha2": "495395e777cd98da653df9615d09c0fd6bb2f8d4788394cd53c56a3bfdcd848a"},
        {"usageType": "urn:w"}]}'::jsonb AS statement;
CREATE TEMP TABLE change (n int GENERATED ALWAYS AS IDENTITY, same boolean, path text[], value jsonb);
INSERT INTO change (same, path, value) VALUES
    -- what an LRS sets
    (true, '{id}', NULL),
    (true, '{id}', '"FD41C918-B88B-4B20-A0A5-A4C32391AAA0"'),
    (false, '{id}', '"ad41c918-b88b-4b20-a0a5-a4c32391aaa0"'),
    (true, '{stored}', NULL),
    (true, '{stored}', '"2027-01-01T00:00:00Z"'),
    (true, '{version}', NULL),
    (true, '{version}', '"1.0.3"'),
    (true, '{authority}', NULL),
    (true, '{authority}', '{"mbox": "mailto:other@example.org"}'),
    (true, '{timestamp}', NULL),
    (false, '{timestamp}', '"2026-01-08T10:30:00.126+01:00"'),
    -- times are instants, by millisecond
    (true, '{timestamp}', '"2026-01-08T09:30:00.125Z"'),
    (true, '{timestamp}', '"2026-01-08T09:30:00.1259Z"'),
    (true, '{timestamp}', '"2026-01-08T04:00:00.125-05:30"'),
    (true, '{timestamp}', '"20260108T093000,125Z"'),
    (true, '{timestamp}', '"2026-008T09:30:00.125"'),
    (true, '{timestamp}', '"2026-W02-4T09:30:00.125Z"'),
    (false, '{timestamp}', '"2026-01-08T09:30:00Z"'),
    (false, '{timestamp}', '"2026-01-08T10:30:00.125Z"'),
    (false, '{timestamp}', '"soon"'),
    (false, '{timestamp}', '1'),
    (false, '{timestamp}', 'null'),
    -- definitions and display are not the statement
    (true, '{verb,display}', NULL),
    (true, '{verb,display,de}', '"tat"'),
    (false, '{verb,id}', '"http://example.org/V"'),
    (false, '{verb,id}', '"HTTP://example.org/v"'),
    (true, '{object,definition}', NULL),
    (true, '{object,definition,type}', '"urn:t"'),
    (false, '{object,id}', '"http://example.org/a/"'),
    (true, '{object,objectType}', NULL),
    (false, '{object}', '{"objectType": "Agent", "id": "http://example.org/a"}'),
    (false, '{object}', '{"objectType": 1, "id": "http://example.org/a"}'),
    (false, '{object}', '"http://example.org/a"'),
    (false, '{object,more}', '1'),
    (false, '{verb,more}', '1'),
    -- actors: members have no order, the case of mail domains and hashes does not matter
    (true, '{actor,member}', '[
        {"account": {"name": "x", "homePage": "http://example.org"}},
        {"mbox": "mailto:Ada@EXAMPLE.ORG", "objectType": "Agent", "name": "Ada"},
        {"mbox_sha1sum": "CD9B00A5611F94EAA7B1661EDAB976068E364975"}]'),
    (true, '{actor,mbox}', '"mailto:Team@example.org"'),
    (false, '{actor,mbox}', '"mailto:team@example.org"'),
    (false, '{actor,mbox}', '"mailto:Team@example.com"'),
    (false, '{actor,name}', NULL),
    (false, '{actor,name}', '"blue"'),
    (false, '{actor,objectType}', NULL),
    (false, '{actor,member}', NULL),
    (false, '{actor,member,0,name}', '"Bob"'),
    (false, '{actor,member,3}', '{"mbox": "mailto:Ada@example.org", "name": "Ada"}'),
    (false, '{actor,member,2}', '{"mbox": "mailto:Ada@example.org", "name": "Ada"}'),
    (false, '{actor,member,2,account,homePage}', '"http://Example.org"'),
    (true, '{actor,member,1,objectType}', NULL),
    (true, '{actor,member,2,objectType}', '"Agent"'),
    (false, '{actor,member,2,objectType}', '"Group"'),
    (false, '{actor,member}', '{}'),
    (false, '{context,contextGroups,0,group,member,0}', '{"name": "http://a"}'),
    -- results: numbers by value, durations as texts to a hundredth of a second, extensions as JSON
    (true, '{result,score,scaled}', '0.50'),
    (true, '{result,score,raw}', '5.0'),
    (false, '{result,score,raw}', '5.0000001'),
    (false, '{result,score}', NULL),
    (false, '{result,success}', 'false'),
    (false, '{result,success}', NULL),
    (false, '{result,response}', '"A"'),
    (true, '{result,duration}', '"PT1M30.2599S"'),
    (true, '{result,duration}', '"PT1M30.250S"'),
    (false, '{result,duration}', '"PT1M30.26S"'),
    (false, '{result,duration}', '"PT1M30.2S"'),
    (false, '{result,duration}', '"PT90.25S"'),
    (false, '{result,duration}', '"PT1M30S"'),
    (false, '{result,duration}', 'null'),
    (true, '{result,extensions,urn:x}', '{"n": 1.0}'),
    (false, '{result,extensions,urn:x}', '{"n": "1"}'),
    (false, '{result,extensions,urn:y}', 'null'),
    (false, '{result,extensions}', NULL),
    -- context
    (true, '{context,registration}', '"EC531277-B57B-4C15-8D91-D292C5B2B8F7"'),
    (false, '{context,registration}', NULL),
    (true, '{context,instructor,objectType}', '"Agent"'),
    (false, '{context,instructor,name}', '"T"'),
    (true, '{context,instructor,mbox}', '"mailto:tutor@EXAMPLE.org"'),
    (true, '{context,team,member}', '[{"mbox": "mailto:b@example.org"}, {"mbox": "mailto:a@example.org"}]'),
    (false, '{context,team,member}', '[{"mbox": "mailto:a@example.org"}, {"mbox": "mailto:a@example.org"}]'),
    (true, '{context,language}', '"en-gb"'),
    (false, '{context,language}', '"en"'),
    (false, '{context,platform}', '"App"'),
    (true, '{context,statement,id}', '"6690E6C9-3EF0-4ED3-8B37-7F3964730BEE"'),
    (false, '{context,statement,objectType}', NULL),
    (true, '{context,contextActivities,parent}', '{"id": "urn:p"}'),
    (true, '{context,contextActivities,grouping}', '[{"id": "urn:g", "objectType": "Activity"}]'),
    (false, '{context,contextActivities,grouping}', '[{"id": "urn:g"}, {"id": "urn:g"}]'),
    (false, '{context,contextActivities,grouping}', '[]'),
    (false, '{context,contextActivities,grouping}', NULL),
    (false, '{context,contextActivities,category}', '[]'),
    (false, '{context,contextActivities,other}', '[{"id": "urn:2"}, {"id": "urn:1"}]'),
    (false, '{context,contextActivities,other}', '[{"id": "urn:1"}, {"id": "urn:3"}]'),
    (true, '{context,contextActivities,other,1,definition}', '{"name": {}}'),
    (true, '{context,contextAgents,0,agent,objectType}', '"Agent"'),
    (false, '{context,contextAgents,0,relevantTypes}', '["urn:t"]'),
    (true, '{context,contextGroups,0,group,member}', '[{"openid": "http://b"}, {"openid": "http://a"}]'),
    (false, '{context,contextGroups}', '{}'),
    (false, '{context,extensions}', '{}'),
    -- attachments are ordered, and described by all their properties
    (true, '{attachments,0,length}', '27.0'),
    (true, '{attachments,0,sha2}', '"495395E777CD98DA653DF9615D09C0FD6BB2F8D4788394CD53C56A3BFDCD848A"'),
    (false, '{attachments,0,sha2}', '"0"'),
    (false, '{attachments,0,display,en}', '"Text"'),
    (false, '{attachments,0,fileUrl}', '"http://example.org"'),
    (false, '{attachments,1}', NULL),
    (false, '{attachments}', NULL),
    -- anything else
    (false, '{note}', '1'),
    (false, '{result}', '[]'),
    (false, '{context}', 'null'),
    (false, '{actor}', '{}'),
    (false, '{actor}', NULL),
    (false, '{verb}', NULL),
    (false, '{object}', NULL);
CREATE TEMP TABLE pair AS
SELECT n, same, path, value, statement AS a,
    CASE WHEN value IS NULL THEN statement #- path ELSE jsonb_set(statement, path, value) END AS b
FROM base, change;
SELECT ok(a <> b, 'differs as JSON: ' || concat_ws(' ', path, value)) FROM pair
WHERE a = b AND value::text !~ '\d\.\d*0';
SELECT is(learnsync.xapi_equal(a, b), same, concat_ws(' ', path, COALESCE(value::text, 'without'))) FROM pair
ORDER BY n;
SELECT is(
    learnsync.xapi_equal(b, a),
    same,
    concat_ws(' ', 'the other way round', path, COALESCE(value::text, 'without')))
FROM pair ORDER BY n;
SELECT ok(learnsync.xapi_equal(b, b), concat_ws(' ', 'itself', path, value)) FROM pair ORDER BY n;
-- A sub-statement is compared as a statement, but no LRS gives it a timestamp, so that one counts.
SELECT is(
    learnsync.xapi_equal(
        jsonb_build_object('object', a - 'id' || '{"objectType": "SubStatement"}'),
        jsonb_build_object('object', b - 'id' || '{"objectType": "SubStatement"}')),
    CASE WHEN path[1] = 'timestamp' AND value IS NULL OR path[1] IN ('version', 'authority', 'stored') THEN false
        ELSE same OR path[1] = 'id' END,
    concat_ws(' ', 'in a SubStatement', path, COALESCE(value::text, 'without')))
FROM pair ORDER BY n;

-- Other objects.
SELECT is(learnsync.xapi_equal(a::jsonb, b::jsonb), same, a || ' and ' || b)
FROM (VALUES
    ('{"object": {"objectType": "StatementRef", "id": "8f87ccde-bb56-4c2e-ab83-44982ef22df0"}}',
        '{"object": {"objectType": "StatementRef", "id": "8F87CCDE-BB56-4C2E-AB83-44982EF22DF0"}}', true),
    ('{"object": {"objectType": "StatementRef", "id": "a"}}', '{"object": {"objectType": "StatementRef", "id": "b"}}',
        false),
    ('{"object": {"objectType": "Agent", "mbox": "mailto:a@B"}}',
        '{"object": {"objectType": "Agent", "mbox": "mailto:a@b"}}', true),
    ('{"object": {"objectType": "Agent", "mbox": "mailto:a@b"}}',
        '{"object": {"objectType": "Group", "mbox": "mailto:a@b"}}', false),
    ('{"object": {"objectType": "Agent", "mbox": "mailto:a@b"}}', '{"object": {"mbox": "mailto:a@b"}}', false),
    ('{"object": {"id": "a"}}', '{"object": {"id": "a", "objectType": "Activity"}}', true),
    ('{"object": {"id": "a"}}', '{"object": {"id": "a", "objectType": "StatementRef"}}', false),
    ('{"actor": {"mbox": "AB"}}', '{"actor": {"mbox": "ab"}}', true),
    ('{"timestamp": "b"}', '{"timestamp": "a"}', false),
    ('{"timestamp": "a"}', '{"timestamp": "a"}', true),
    ('{"result": {"duration": "PT1.001S"}}', '{"result": {"duration": "PT1S"}}', true),
    ('{"result": {"duration": "PT1,5S"}}', '{"result": {"duration": "PT1.5S"}}', false),
    ('{"result": {"duration": "S"}}', '{"result": {"duration": ""}}', false),
    ('{"result": {"duration": "PT10S"}}', '{"result": {"duration": "PT1S"}}', false),
    ('{"result": {"duration": "PT0.125M"}}', '{"result": {"duration": "PT0.12M"}}', false),
    ('1', '1.0', true),
    ('1', '2', false),
    ('null', '{}', false),
    ('[]', '{}', false),
    ('{}', '{}', true),
    ('[1]', '[1]', true),
    ('{}', '{"stored": 1}', true),
    ('{}', '{"id": 1, "timestamp": 1}', true),
    ('{"id": 1}', '{"id": 1.0}', true)) v (a, b, same);
SELECT is(learnsync.xapi_equal(NULL, '{}'), NULL, 'nothing compares with nothing');

-- The order of members is a total one, however odd they are: any two shuffles are the same.
CREATE TEMP TABLE odd AS
SELECT array_agg(m) AS members
FROM jsonb_array_elements('[null, 1, "x", [], [1], {}, {"mbox": 1}, {"mbox": "b@B"}, {"mbox": "b@b"}, {"mbox": "B@b"},
    {"name": "a"}, {"objectType": "Agent"}, {"objectType": "Group"}, {"member": [{"name": "b"}, {"name": "a"}]},
    {"member": [{"name": "a"}, {"name": "b"}]}, {"member": {}}, {"mbox_sha1sum": "AF"}, {"mbox_sha1sum": "af"},
    {"mbox": "a", "name": "z"}]') m;
SELECT setseed(0.5);
SELECT ok(
    bool_and(learnsync.xapi_equal(
        jsonb_build_object('actor', jsonb_build_object('member', to_jsonb(members))),
        jsonb_build_object('actor', jsonb_build_object(
                'member', (SELECT jsonb_agg(m ORDER BY random() * i) FROM unnest(members) m))))),
    '200 shuffles')
FROM odd, generate_series(1, 200) i;
SELECT ok(
    NOT bool_or(learnsync.xapi_equal(
        jsonb_build_object('actor', jsonb_build_object('member', to_jsonb(members))),
        jsonb_build_object('actor', jsonb_build_object(
                'member', to_jsonb(members[:i] || '{"name": "other"}'::jsonb || members[i + 2:]))))),
    'each of them counts')
FROM odd, generate_series(0, cardinality(members) - 1) i;

-- Recursion is bounded by the server's stack: the depth that jsonb itself can have.
CREATE FUNCTION pg_temp.outcome(statement text)
    RETURNS text LANGUAGE plpgsql AS $$
    DECLARE answer boolean;
    BEGIN EXECUTE statement INTO answer;
    RETURN answer;
    EXCEPTION WHEN statement_too_complex THEN RETURN true;
    END $$;
SELECT is(
    pg_temp.outcome(format('SELECT learnsync.xapi_equal(%1$L, %1$L)',
        repeat(opening, 3000) || '1' || repeat(closing, 3000))),
    'true',
    'deep: ' || opening)
FROM (VALUES
    ('[', ']'),
    ('{"object": ', '}'),
    ('{"objectType": "SubStatement", "object": ', '}'),
    ('{"actor": {"member": [', ']}}')) v (opening, closing);

-- Groups in groups: 30 levels of them, each beside a chain of as many.
CREATE FUNCTION pg_temp.groups(levels int, beside boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    member jsonb := '{"mbox": "mailto:a@b"}';
    made jsonb := member;
BEGIN
    FOR level IN 1..levels LOOP
        made := jsonb_build_object('objectType', 'Group', 'member', jsonb_build_array(
            made, CASE WHEN beside THEN pg_temp.groups(level, false) ELSE member END));
    END LOOP;
    RETURN made;
END
$$;
CREATE TEMP TABLE nested AS SELECT jsonb_build_object('actor', pg_temp.groups(30, true)) AS statement;
SET LOCAL statement_timeout = '5s';
SELECT ok(learnsync.xapi_equal(statement, statement), 'groups in groups take no longer than their size') FROM nested;
SELECT finish();
ROLLBACK;
