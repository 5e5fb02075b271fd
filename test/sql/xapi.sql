-- Every requirement on a statement, by statements that keep it and statements that break it, each one change away from a valid one.
BEGIN;
SELECT no_plan();

-- A statement with all there is, and one about each other kind of object.
CREATE TEMP TABLE base (name text, statement jsonb);
INSERT INTO base VALUES ('full', '{
    "id": "fd41c918-b88b-4b20-a0a5-a4c32391aaa0",
    "actor": {"objectType": "Agent", "name": "Ada", "mbox": "mailto:ada@example.org"},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/answered", "display": {"en-US": "answered", "de": "beantwortete"}},
    "object": {"objectType": "Activity", "id": "http://example.org/quiz/1/q/2", "definition": {
        "name": {"en": "Question 2"}, "description": {"en": "Which of them?"}, "type": "http://adlnet.gov/expapi/activities/cmi.interaction", "moreInfo": "http://example.org/quiz/1",
        "interactionType": "choice", "correctResponsesPattern": ["a[,]c"], "choices": [{"id": "a", "description": {"en": "one"}}, {"id": "b"}, {"id": "c"}],
        "extensions": {"http://example.org/x": {"deep": [null, {"": null}]}}}},
    "result": {"score": {"scaled": 0.8, "raw": 8, "min": 0, "max": 10}, "success": true, "completion": false, "response": "a[,]c", "duration": "PT1M30.25S", "extensions": {"http://example.org/hints": 2}},
    "context": {"registration": "ec531277-b57b-4c15-8d91-d292c5b2b8f7", "instructor": {"account": {"homePage": "https://example.org", "name": "17"}},
        "team": {"objectType": "Group", "name": "Blue", "member": [{"mbox": "mailto:ada@example.org"}, {"openid": "http://bob.example.org/"}]},
        "contextActivities": {"parent": [{"id": "http://example.org/quiz/1"}], "grouping": {"id": "http://example.org/course"}, "category": [], "other": [{"objectType": "Activity", "id": "urn:other"}]},
        "revision": "r7", "platform": "app", "language": "en-GB", "statement": {"objectType": "StatementRef", "id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee"}, "extensions": {"http://example.org/speed": null}},
    "timestamp": "2026-01-08T10:30:00.125+01:00", "stored": "2026-01-08T09:31:00Z", "version": "1.0.3",
    "authority": {"mbox": "mailto:lrs@example.org"},
    "attachments": [{"usageType": "http://example.org/essay", "display": {"en": "Essay"}, "description": {"en": "An essay"}, "contentType": "text/plain; charset=utf-8", "length": 27, "sha2": "495395e777cd98da653df9615d09c0fd6bb2f8d4788394cd53c56a3bfdcd848a", "fileUrl": "http://example.org/essay.txt"}]}');
INSERT INTO base VALUES ('plain', '{"actor": {"mbox": "mailto:ada@example.org"}, "verb": {"id": "http://example.org/v"}, "object": {"id": "http://example.org/a"}}');
INSERT INTO base SELECT v.name, statement || v.change FROM base, (VALUES
    ('about an agent', '{"object": {"objectType": "Agent", "mbox": "mailto:bob@example.org"}}'::jsonb),
    ('about a group', '{"object": {"objectType": "Group", "member": [{"mbox": "mailto:bob@example.org"}]}}'),
    ('about a statement', '{"object": {"objectType": "StatementRef", "id": "8f87ccde-bb56-4c2e-ab83-44982ef22df0"}}'),
    ('voiding', '{"verb": {"id": "http://adlnet.gov/expapi/verbs/voided"}, "object": {"objectType": "StatementRef", "id": "8f87ccde-bb56-4c2e-ab83-44982ef22df0"}}'),
    ('by a group', '{"actor": {"objectType": "Group", "mbox": "mailto:team@example.org", "member": [{"mbox": "mailto:ada@example.org"}, {"mbox": "mailto:bob@example.org"}]}}'),
    ('by a nameless group', '{"actor": {"objectType": "Group", "member": [{"mbox": "mailto:ada@example.org"}, {"mbox": "mailto:bob@example.org"}]}}'),
    ('by two', '{"authority": {"objectType": "Group", "member": [{"account": {"homePage": "http://example.org/token", "name": "app"}}, {"mbox": "mailto:ada@example.org"}]}}'),
    ('matching', '{"object": {"id": "http://example.org/a", "definition": {"interactionType": "matching", "source": [{"id": "1"}], "target": [{"id": "1"}]}}}'),
    ('likert', '{"object": {"id": "http://example.org/a", "definition": {"interactionType": "likert", "scale": [{"id": "1"}]}}}'),
    ('performance', '{"object": {"id": "http://example.org/a", "definition": {"interactionType": "performance", "steps": [{"id": "1"}]}}}'),
    ('in 2.0', '{"version": "2.0.0", "timestamp": "2026-01-08T10:30:00Z", "context": {
        "contextAgents": [{"objectType": "contextAgent", "agent": {"mbox": "mailto:ada@example.org"}, "relevantTypes": ["http://example.org/player"]}],
        "contextGroups": [{"objectType": "contextGroup", "group": {"objectType": "Group", "mbox": "mailto:team@example.org"}, "relevantTypes": ["http://example.org/team"]}]}}')) v (name, change)
    WHERE base.name = 'plain';
INSERT INTO base SELECT 'intending', base.statement || jsonb_build_object('object', inner_one.statement - '{id,stored,version,authority}'::text[] || '{"objectType": "SubStatement"}')
    FROM base, base inner_one WHERE base.name = 'plain' AND inner_one.name = 'full';
SELECT is(learnsync.xapi_validate(statement), '[]', 'valid: ' || name) FROM base;

-- What is changed: the value at a path, taken away where it is NULL; and what is then reported, '' for nothing. base is the last one given.
CREATE TEMP TABLE change (n int GENERATED ALWAYS AS IDENTITY, requirement text, base text, path text[], value jsonb, reported text);
INSERT INTO change (requirement, base, path, value, reported) VALUES
    -- 2.2 Formatting
    ('XAPI-00001', 'full', '{actor,name}', 'null', 'actor.name XAPI-00001'), ('XAPI-00001', 'full', '{verb}', 'null', 'verb XAPI-00001'), ('XAPI-00001', 'full', '{verb,display,de}', 'null', 'verb.display.de XAPI-00001'),
    ('XAPI-00001', 'full', '{id}', 'null', 'id XAPI-00001'), ('XAPI-00001', 'full', '{actor,objectType}', 'null', 'actor.objectType XAPI-00001'), ('XAPI-00001', 'full', '{object,objectType}', 'null', 'object.objectType XAPI-00001'),
    ('XAPI-00001', 'full', '{context,registration}', 'null', 'context.registration XAPI-00001'), ('XAPI-00001', 'full', '{context,contextActivities,parent,0}', 'null', 'context.contextActivities.parent[0] XAPI-00001'),
    ('XAPI-00001', 'full', '{context,contextActivities,other}', 'null', 'context.contextActivities.other XAPI-00001'), ('XAPI-00001', 'full', '{result,score,raw}', 'null', 'result.score.raw XAPI-00001'), ('XAPI-00001', 'full', '{attachments,0}', 'null', 'attachments[0] XAPI-00001'),
    ('XAPI-00001', 'full', '{object,definition,correctResponsesPattern,0}', 'null', 'object.definition.correctResponsesPattern[0] XAPI-00001'), ('XAPI-00001', 'full', '{object,definition,extensions}', 'null', 'object.definition.extensions XAPI-00001'),
    ('XAPI-00001', 'full', '{stored}', 'null', 'stored XAPI-00001'), ('XAPI-00001', 'full', '{version}', 'null', 'version XAPI-00001'), ('XAPI-00001', 'full', '{authority}', 'null', 'authority XAPI-00001'), ('XAPI-00001', 'full', '{timestamp}', 'null', 'timestamp XAPI-00001'),
    ('XAPI-00001', 'full', '{result,extensions,http://example.org/hints}', 'null', ''), ('XAPI-00001', 'full', '{object,definition,extensions,http://example.org/x}', '[null]', ''),
    ('XAPI-00001', 'full', '{context}', '{}', ''), ('XAPI-00001', 'full', '{object,definition}', '{}', ''), ('XAPI-00001', 'full', '{verb,display}', '{}', ''),
    ('XAPI-00002', 'full', '{result,score,scaled}', '0.12345678901234567890123456789', ''), ('XAPI-00002', 'full', '{result,score}', '{"raw": 1e300, "min": -1e300}', ''),
    ('XAPI-00003', 'full', '{actor}', NULL, 'actor XAPI-00003'), ('XAPI-00004', 'full', '{verb}', NULL, 'verb XAPI-00004'), ('XAPI-00005', 'full', '{object}', NULL, 'object XAPI-00005'),
    ('XAPI-00006', 'full', '{actor}', '"ada"', 'actor XAPI-00006'), ('XAPI-00006', 'full', '{actor}', '[]', 'actor XAPI-00006'), ('XAPI-00006', 'full', '{verb}', '"answered"', 'verb XAPI-00006'), ('XAPI-00006', 'full', '{object}', '1', 'object XAPI-00006'),
    ('XAPI-00006', 'full', '{object}', '[{"id": "http://example.org/a"}]', 'object XAPI-00006'), ('XAPI-00006', 'full', '{result}', '[]', 'result XAPI-00006'), ('XAPI-00006', 'full', '{context}', 'true', 'context XAPI-00006'),
    ('XAPI-00006', 'full', '{result,score,max}', '"100"', 'result.score.max XAPI-00080'), ('XAPI-00006', 'full', '{result,success}', '"true"', 'result.success XAPI-00074'),
    ('XAPI-00007', 'full', '{id}', '""', 'id XAPI-00027'), ('XAPI-00007', 'full', '{verb,id}', '""', 'verb.id XAPI-00044'), ('XAPI-00007', 'full', '{actor,mbox}', '""', 'actor.mbox XAPI-00038'), ('XAPI-00007', 'full', '{object,id}', '""', 'object.id XAPI-00047'),
    ('XAPI-00007', 'full', '{verb,display,""}', '"answered"', 'verb.display[""] XAPI-00121'), ('XAPI-00007', 'full', '{timestamp}', '""', 'timestamp XAPI-00123'), ('XAPI-00007', 'full', '{result,duration}', '""', 'result.duration XAPI-00124'), ('XAPI-00007', 'full', '{actor,name}', '""', ''),
    ('XAPI-00008', 'full', '{Actor}', '{}', 'Actor XAPI-00008'), ('XAPI-00008', 'full', '{ID}', '{}', 'ID XAPI-00008'), ('XAPI-00008', 'full', '{actor,MBox}', '"mailto:ada@example.org"', 'actor.MBox XAPI-00008'), ('XAPI-00008', 'full', '{timeStamp}', '1', 'timeStamp XAPI-00008'),
    ('XAPI-00008', 'full', '{result,score,Scaled}', '1', 'result.score.Scaled XAPI-00008'), ('XAPI-00008', 'full', '{attachments,0,fileURL}', '"http://example.org"', 'attachments[0].fileURL XAPI-00008'),
    ('XAPI-00009', 'full', '{object,definition,interactionType}', '"Choice"', 'object.definition.interactionType XAPI-00009'), ('XAPI-00009', 'full', '{actor,objectType}', '"agent"', 'actor.objectType XAPI-00009'),
    ('XAPI-00009', 'full', '{object,objectType}', '"activity"', 'object.objectType XAPI-00009'), ('XAPI-00009', 'about a statement', '{object,objectType}', '"statementRef"', 'object.objectType XAPI-00009'),
    ('XAPI-00010', 'full', '{note}', '1', 'note XAPI-00010'), ('XAPI-00010', 'full', '{actor,email}', '1', 'actor.email XAPI-00010'), ('XAPI-00010', 'full', '{verb,name}', '{}', 'verb.name XAPI-00010'), ('XAPI-00010', 'full', '{object,name}', '{}', 'object.name XAPI-00010'),
    ('XAPI-00010', 'full', '{object,definition,title}', '{}', 'object.definition.title XAPI-00010'), ('XAPI-00010', 'full', '{result,passed}', 'true', 'result.passed XAPI-00010'), ('XAPI-00010', 'full', '{result,score,percent}', '1', 'result.score.percent XAPI-00010'),
    ('XAPI-00010', 'full', '{context,device}', '1', 'context.device XAPI-00010'), ('XAPI-00010', 'full', '{attachments,0,size}', '1', 'attachments[0].size XAPI-00010'), ('XAPI-00010', 'full', '{context,instructor,account,id}', '1', 'context.instructor.account.id XAPI-00010'),
    ('XAPI-00010', 'full', '{context,statement,actor}', '{}', 'context.statement.actor XAPI-00010'), ('XAPI-00010', 'full', '{objectType}', '"Statement"', 'objectType XAPI-00010'), ('XAPI-00010', 'full', '{object,definition,choices,0,text}', '""', 'object.definition.choices[0].text XAPI-00010'),
    ('XAPI-00010', 'full', '{has space}', '1', '["has space"] XAPI-00010'), ('XAPI-00010', 'full', '{"q\"\\"}', '1', '["q\"\\"] XAPI-00010'), ('XAPI-00010', 'full', '{9}', '1', '["9"] XAPI-00010'), ('XAPI-00010', 'full', '{zzzzzzzzzzzzzzzzzzzz}', '1', 'zzzzzzzzzzzzzzzzzzzz XAPI-00010'),
    ('XAPI-00011', 'full', '{verb,id}', '"example.org/v"', 'verb.id XAPI-00044'), ('XAPI-00011', 'full', '{object,id}', '"//example.org/v"', 'object.id XAPI-00047'), ('XAPI-00011', 'full', '{context,instructor,account,homePage}', '"example.org"', 'context.instructor.account.homePage XAPI-00042'),
    ('XAPI-00011', 'full', '{context,team,member,1,openid}', '"bob.example.org"', 'context.team.member[1].openid XAPI-00040'), ('XAPI-00011', 'full', '{object,definition,moreInfo}', '"/quiz"', 'object.definition.moreInfo XAPI-00061'),
    ('XAPI-00013', 'full', '{verb,display,something}', '"x"', 'verb.display.something XAPI-00121'), ('XAPI-00013', 'full', '{verb,display,zh-Hant}', '"x"', ''),
    -- 2.3.2 Voiding
    ('XAPI-00017', 'voiding', '{object}', '{"id": "http://example.org/a"}', 'object XAPI-00017'), ('XAPI-00017', 'voiding', '{object}', '{"objectType": "Agent", "mbox": "mailto:bob@example.org"}', 'object XAPI-00017'),
    ('XAPI-00019', 'voiding', '{verb,display}', '{"en": "voided"}', ''), ('XAPI-00019', 'plain', '{verb,id}', '"http://example.org/avoided"', ''), ('XAPI-00019', 'plain', '{verb,id}', '"http://adlnet.gov/expapi/verbs/voided"', 'object XAPI-00017'), ('XAPI-00020', 'voiding', '{object,objectType}', NULL, 'object.id XAPI-00047, object XAPI-00017'),
    ('XAPI-00020', 'voiding', '{object,id}', '"6690e6c9-3ef0-4ed3-8b37-7f3964730bee"', ''),
    -- 2.4 Properties, 2.4.1 id
    ('XAPI-00022', 'full', '{timestamp}', '1767864600', 'timestamp XAPI-00022'), ('XAPI-00022', 'full', '{timestamp}', '{}', 'timestamp XAPI-00022'), ('XAPI-00022', 'full', '{timestamp}', '"2050-01-01T00:00:00Z"', ''), ('XAPI-00022', 'full', '{timestamp}', NULL, ''),
    ('XAPI-00023', 'full', '{stored}', '17', 'stored XAPI-00023'), ('XAPI-00023', 'full', '{stored}', '"yesterday"', 'stored XAPI-00123'), ('XAPI-00023', 'full', '{stored}', NULL, ''),
    ('XAPI-00024', 'full', '{authority}', '"lrs"', 'authority XAPI-00024'), ('XAPI-00024', 'full', '{authority}', '{}', 'authority XAPI-00034'), ('XAPI-00024', 'full', '{authority}', NULL, ''),
    ('XAPI-00025', 'full', '{attachments}', '{}', 'attachments XAPI-00025'), ('XAPI-00025', 'full', '{attachments,0}', '"essay"', 'attachments[0] XAPI-00025'), ('XAPI-00025', 'full', '{attachments}', '[]', ''),
    ('XAPI-00026', 'full', '{id}', NULL, ''),
    ('XAPI-00027', 'full', '{id}', '"aa97b177-9383-4934-8543-0f91a7a028368"', 'id XAPI-00027'), ('XAPI-00027', 'full', '{id}', '"ma97b177-9383-4934-8543-0f91a7a02836"', 'id XAPI-00027'), ('XAPI-00027', 'full', '{id}', '"AA97B177-9383-4934-8543-0F91A7A02836"', ''),
    ('XAPI-00028', 'full', '{id}', '12345', 'id XAPI-00027'), ('XAPI-00028', 'full', '{id}', '{"id": "x"}', 'id XAPI-00027'),
    ('XAPI-00029', 'full', '{id}', '"aa97b1779383493485430f91a7a02836"', 'id XAPI-00027'), ('XAPI-00029', 'full', '{id}', '"{aa97b177-9383-4934-8543-0f91a7a028}"', 'id XAPI-00027'), ('XAPI-00029', 'full', '{id}', '"aa97b177-9383-4934-85430-f91a7a02836"', 'id XAPI-00027'),
    ('XAPI-00030', 'full', '{id}', '"urn:uuid:aa97b177-9383-4934-8543-0f91a7a02836"', 'id XAPI-00027'), ('XAPI-00030', 'full', '{id}', '"12345678-1234-5678-1234-567812345678"', '');
INSERT INTO change (requirement, base, path, value, reported) VALUES
    -- 2.4.2 Actor
    ('XAPI-00031', 'full', '{actor,objectType}', '"Person"', 'actor.objectType XAPI-00031'), ('XAPI-00031', 'full', '{actor,objectType}', '"Activity"', 'actor.objectType XAPI-00031'), ('XAPI-00031', 'full', '{authority,objectType}', '"Agents"', 'authority.objectType XAPI-00031'),
    ('XAPI-00031', 'full', '{actor,objectType}', NULL, ''), ('XAPI-00031', 'full', '{actor,objectType}', '"Group"', ''),
    ('XAPI-00032', 'full', '{actor,objectType}', '123', 'actor.objectType XAPI-00032'), ('XAPI-00032', 'full', '{object,objectType}', '{}', 'object.objectType XAPI-00032'), ('XAPI-00032', 'plain', '{actor,objectType}', '"Agent"', ''),
    ('XAPI-00033', 'full', '{actor,name}', '123', 'actor.name XAPI-00033'), ('XAPI-00033', 'by a group', '{actor,name}', '["x"]', 'actor.name XAPI-00033'), ('XAPI-00033', 'full', '{actor,name}', NULL, ''),
    ('XAPI-00034', 'full', '{actor,mbox}', NULL, 'actor XAPI-00034'), ('XAPI-00034', 'full', '{actor,openid}', '"http://ada.example.org/"', 'actor XAPI-00034'), ('XAPI-00034', 'full', '{actor,account}', '{"homePage": "http://example.org", "name": "17"}', 'actor XAPI-00034'),
    ('XAPI-00034', 'full', '{actor,mbox_sha1sum}', '"cd9b00a5611f94eaa7b1661edab976068e364975"', 'actor XAPI-00034'), ('XAPI-00034', 'full', '{actor}', '{"openid": "http://ada.example.org/"}', ''), ('XAPI-00034', 'full', '{actor}', '{"account": {"homePage": "http://example.org", "name": ""}}', ''),
    ('XAPI-00034', 'full', '{actor}', '{"mbox_sha1sum": "cd9b00a5611f94eaa7b1661edab976068e364975"}', ''), ('XAPI-00034', 'about an agent', '{object,mbox}', NULL, 'object XAPI-00034'), ('XAPI-00034', 'full', '{context,instructor}', '{}', 'context.instructor XAPI-00034'),
    ('XAPI-00035', 'full', '{actor,member}', '[]', 'actor.member XAPI-00035'), ('XAPI-00035', 'by a group', '{actor,member}', '[{"openid": "http://bob.example.org/"}]', ''), ('XAPI-00035', 'full', '{actor}', '{"member": [{"mbox": "mailto:ada@example.org"}]}', 'actor.member XAPI-00035, actor XAPI-00034'),
    ('XAPI-00036', 'by a group', '{actor,member}', '{"mbox": "mailto:ada@example.org"}', 'actor.member XAPI-00036'), ('XAPI-00036', 'by a group', '{actor,member,1}', '{"objectType": "Group", "mbox": "mailto:bob@example.org"}', 'actor.member[1] XAPI-00036'),
    ('XAPI-00036', 'by a group', '{actor,member,0}', '"ada"', 'actor.member[0] XAPI-00036'), ('XAPI-00036', 'by a group', '{actor,member,0}', '{}', 'actor.member[0] XAPI-00034'), ('XAPI-00036', 'by a group', '{actor,member,1,mbox}', '"bob"', 'actor.member[1].mbox XAPI-00038'),
    ('XAPI-00036', 'by a nameless group', '{actor,member,0,objectType}', '"Agent"', ''), ('XAPI-00036', 'by a group', '{actor,member}', NULL, ''), ('XAPI-00036', 'by a group', '{actor,member}', '[]', ''),
    ('XAPI-00037', 'by a nameless group', '{actor,member}', NULL, 'actor XAPI-00037'), ('XAPI-00037', 'by a nameless group', '{actor,member}', '[]', 'actor XAPI-00037'), ('XAPI-00037', 'by a group', '{actor,openid}', '"http://team.example.org/"', 'actor XAPI-00037'),
    ('XAPI-00037', 'by a nameless group', '{actor,name}', '"Blue"', ''), ('XAPI-00037', 'about a group', '{object,member}', NULL, 'object XAPI-00037'), ('XAPI-00037', 'by a nameless group', '{actor,account}', '{"homePage": "http://example.org", "name": "g"}', ''),
    ('XAPI-00038', 'full', '{actor,mbox}', '"ada@example.org"', 'actor.mbox XAPI-00038'), ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:example.org"', 'actor.mbox XAPI-00038'), ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:@example.org"', 'actor.mbox XAPI-00038'),
    ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:ada@"', 'actor.mbox XAPI-00038'), ('XAPI-00038', 'full', '{actor,mbox}', '"http://ada@example.org"', 'actor.mbox XAPI-00038'), ('XAPI-00038', 'full', '{actor,mbox}', '1', 'actor.mbox XAPI-00038'),
    ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:ada b@example.org"', 'actor.mbox XAPI-00038'), ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:a@b@example.org"', 'actor.mbox XAPI-00038'), ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:ada@example..org"', 'actor.mbox XAPI-00038'),
    ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:ada@example.org?subject=x"', 'actor.mbox XAPI-00038'), ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:a@example.org,b@example.org"', 'actor.mbox XAPI-00038'), ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:ada@exa_mple.org"', 'actor.mbox XAPI-00038'),
    ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:ada@example.org."', 'actor.mbox XAPI-00038'), ('XAPI-00038', 'full', '{actor,mbox}', '"MAILTO:ada@example.org"', 'actor.mbox XAPI-00038'), ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:ada@example.org#x"', 'actor.mbox XAPI-00038'),
    ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:ada+x.y@mail-1.example.org"', ''), ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:jürgen@müller.example"', ''), ('XAPI-00038', 'full', '{actor,mbox}', '"mailto:a%40b@localhost"', ''),
    ('XAPI-00039', 'full', '{actor}', '{"mbox_sha1sum": "cd9b00a5611f94eaa7b1661edab976068e36497"}', 'actor.mbox_sha1sum XAPI-00039'), ('XAPI-00039', 'full', '{actor}', '{"mbox_sha1sum": "cd9b00a5611f94eaa7b1661edab976068e36497x"}', 'actor.mbox_sha1sum XAPI-00039'),
    ('XAPI-00039', 'full', '{actor}', '{"mbox_sha1sum": {}}', 'actor.mbox_sha1sum XAPI-00039'), ('XAPI-00039', 'full', '{actor}', '{"mbox_sha1sum": "CD9B00A5611F94EAA7B1661EDAB976068E364975"}', ''),
    ('XAPI-00040', 'full', '{actor}', '{"openid": "ab=c://example.org"}', 'actor.openid XAPI-00040'), ('XAPI-00040', 'full', '{actor}', '{"openid": 1}', 'actor.openid XAPI-00040'), ('XAPI-00040', 'full', '{actor}', '{"openid": "http://müller.example/"}', 'actor.openid XAPI-00040'),
    ('XAPI-00040', 'full', '{actor}', '{"openid": "https://id.example.org/?u=17#me"}', ''),
    ('XAPI-00041', 'full', '{actor}', '{"account": "17"}', 'actor.account XAPI-00041'), ('XAPI-00041', 'full', '{actor}', '{"account": []}', 'actor.account XAPI-00041'), ('XAPI-00041', 'full', '{actor}', '{"account": {"homePage": "http://example.org", "name": "17"}}', ''),
    ('XAPI-00042', 'full', '{actor}', '{"account": {"name": "17"}}', 'actor.account.homePage XAPI-00042'), ('XAPI-00042', 'full', '{actor}', '{"account": {"homePage": "ab=c://example.org", "name": "17"}}', 'actor.account.homePage XAPI-00042'),
    ('XAPI-00042', 'full', '{actor}', '{"account": {"homePage": "http://", "name": "17"}}', 'actor.account.homePage XAPI-00042'), ('XAPI-00042', 'full', '{actor}', '{"account": {"homePage": "http://müller.example/", "name": "17"}}', ''),
    ('XAPI-00043', 'full', '{actor}', '{"account": {"homePage": "http://example.org"}}', 'actor.account.name XAPI-00043'), ('XAPI-00043', 'full', '{actor}', '{"account": {"homePage": "http://example.org", "name": 17}}', 'actor.account.name XAPI-00043'),
    ('XAPI-00043', 'full', '{actor}', '{"account": {"homePage": "http://example.org", "name": "a b"}}', ''),
    -- 2.4.3 Verb
    ('XAPI-00044', 'full', '{verb,id}', NULL, 'verb.id XAPI-00044'), ('XAPI-00044', 'full', '{verb,id}', '"answered"', 'verb.id XAPI-00044'), ('XAPI-00044', 'full', '{verb,id}', '{}', 'verb.id XAPI-00044'), ('XAPI-00044', 'full', '{verb,id}', '"http://example.org/has space"', 'verb.id XAPI-00044'),
    ('XAPI-00044', 'full', '{verb,id}', '"http://example.org/فعل/خواندن"', ''), ('XAPI-00044', 'full', '{verb,id}', '"urn:verb:read"', ''),
    ('XAPI-00045', 'full', '{verb,display}', '"answered"', 'verb.display XAPI-00045'), ('XAPI-00045', 'full', '{verb,display}', '["answered"]', 'verb.display XAPI-00045'), ('XAPI-00045', 'full', '{verb,display,en-US}', '1', 'verb.display["en-US"] XAPI-00045'), ('XAPI-00045', 'full', '{verb,display}', NULL, '');
INSERT INTO change (requirement, base, path, value, reported) VALUES
    -- 2.4.4 Object
    ('XAPI-00046', 'full', '{object,objectType}', '"Statement"', 'object.objectType XAPI-00046'), ('XAPI-00046', 'full', '{object,objectType}', '""', 'object.objectType XAPI-00046'), ('XAPI-00046', 'full', '{object,objectType}', NULL, ''),
    ('XAPI-00046', 'full', '{context,contextActivities,other,0,objectType}', '"Agent"', 'context.contextActivities.other[0].objectType XAPI-00046'),
    ('XAPI-00047', 'full', '{object,id}', NULL, 'object.id XAPI-00047'), ('XAPI-00047', 'full', '{object,id}', '"ab=c://example.org"', 'object.id XAPI-00047'), ('XAPI-00047', 'full', '{object,id}', '1', 'object.id XAPI-00047'), ('XAPI-00047', 'full', '{object,id}', '"tag:example.org,2026:a"', ''),
    ('XAPI-00048', 'full', '{object,definition}', '"q"', 'object.definition XAPI-00048'), ('XAPI-00048', 'full', '{object,definition}', '[]', 'object.definition XAPI-00048'), ('XAPI-00048', 'full', '{object,definition}', NULL, ''),
    ('XAPI-00049', 'full', '{object,definition,interactionType}', '"chooses"', 'object.definition.interactionType XAPI-00049'), ('XAPI-00049', 'full', '{object,definition,interactionType}', '1', 'object.definition.interactionType XAPI-00049'),
    ('XAPI-00049', 'full', '{object,definition,interactionType}', '{}', 'object.definition.interactionType XAPI-00049'), ('XAPI-00049', 'full', '{object,definition,interactionType}', '"sequencing"', ''),
    ('XAPI-00050', 'full', '{object,definition,correctResponsesPattern}', '"a"', 'object.definition.correctResponsesPattern XAPI-00050'), ('XAPI-00050', 'full', '{object,definition,correctResponsesPattern,0}', '1', 'object.definition.correctResponsesPattern[0] XAPI-00050'),
    ('XAPI-00050', 'full', '{object,definition,correctResponsesPattern}', '[]', ''), ('XAPI-00050', 'full', '{object,definition,correctResponsesPattern}', '["not one of them", ""]', ''),
    ('XAPI-00051', 'performance', '{object,definition,steps}', '{"id": "1"}', 'object.definition.steps XAPI-00051'), ('XAPI-00051', 'performance', '{object,definition,steps}', '[]', ''),
    ('XAPI-00052', 'matching', '{object,definition,target}', '"1"', 'object.definition.target XAPI-00052'), ('XAPI-00052', 'matching', '{object,definition,target}', NULL, ''),
    ('XAPI-00053', 'matching', '{object,definition,source}', '1', 'object.definition.source XAPI-00053'), ('XAPI-00053', 'matching', '{object,definition,source}', NULL, ''),
    ('XAPI-00054', 'likert', '{object,definition,scale}', '{}', 'object.definition.scale XAPI-00054'), ('XAPI-00054', 'likert', '{object,definition,scale,0,description}', '{"en": "bad"}', ''),
    ('XAPI-00055', 'full', '{object,definition,choices}', 'true', 'object.definition.choices XAPI-00055'), ('XAPI-00055', 'full', '{object,definition,choices}', NULL, ''),
    ('XAPI-00056', 'full', '{object,definition,name}', '"q"', 'object.definition.name XAPI-00056'), ('XAPI-00056', 'full', '{object,definition,name,en}', '{}', 'object.definition.name.en XAPI-00056'), ('XAPI-00056', 'full', '{object,definition,name}', NULL, ''),
    ('XAPI-00057', 'full', '{object,definition,extensions}', '"x"', 'object.definition.extensions XAPI-00057'), ('XAPI-00057', 'full', '{object,definition,extensions}', '[]', 'object.definition.extensions XAPI-00057'), ('XAPI-00057', 'full', '{object,definition,extensions}', '{}', ''),
    ('XAPI-00058', 'full', '{object,definition,choices,1,id}', NULL, 'object.definition.choices[1].id XAPI-00058'), ('XAPI-00058', 'full', '{object,definition,choices,1,id}', '2', 'object.definition.choices[1].id XAPI-00058'), ('XAPI-00058', 'full', '{object,definition,choices,2,id}', '"a"', 'object.definition.choices[2].id XAPI-00058'),
    ('XAPI-00058', 'full', '{object,definition,choices}', '[{"id": "b"}, {"id": "a"}, {"id": "b"}, {"id": "b"}, {"id": "bb"}]', 'object.definition.choices[2].id XAPI-00058, object.definition.choices[3].id XAPI-00058'), ('XAPI-00058', 'full', '{object,definition,choices,1,id}', '"A"', ''),
    ('XAPI-00059', 'full', '{object,definition,description}', '1', 'object.definition.description XAPI-00059'), ('XAPI-00059', 'full', '{object,definition,description,en}', '["x"]', 'object.definition.description.en XAPI-00059'), ('XAPI-00059', 'full', '{object,definition,description,fr-CA}', '"x"', ''),
    ('XAPI-00060', 'full', '{object,definition,type}', '"quiz"', 'object.definition.type XAPI-00060'), ('XAPI-00060', 'full', '{object,definition,type}', '{}', 'object.definition.type XAPI-00060'), ('XAPI-00060', 'full', '{object,definition,type}', NULL, ''),
    ('XAPI-00061', 'full', '{object,definition,moreInfo}', '"more info"', 'object.definition.moreInfo XAPI-00061'), ('XAPI-00061', 'full', '{object,definition,moreInfo}', '1', 'object.definition.moreInfo XAPI-00061'), ('XAPI-00061', 'full', '{object,definition,moreInfo}', '"https://example.org:8080/a?b=c#d"', ''),
    ('XAPI-00062', 'full', '{object,definition,choices,0,description}', '"one"', 'object.definition.choices[0].description XAPI-00062'), ('XAPI-00062', 'full', '{object,definition,choices,0,description,en}', '1', 'object.definition.choices[0].description.en XAPI-00062'),
    ('XAPI-00062', 'full', '{object,definition,choices,0,description}', '{}', ''),
    ('XAPI-00063', 'full', '{object,definition,choices,0}', '"a"', 'object.definition.choices[0] XAPI-00063'), ('XAPI-00063', 'full', '{object,definition,choices,0}', '["a"]', 'object.definition.choices[0] XAPI-00063'), ('XAPI-00063', 'full', '{object,definition,choices,0}', '{"id": ""}', ''),
    ('XAPI-00064', 'full', '{object,definition,interactionType}', NULL, 'object.definition XAPI-00064'), ('XAPI-00064', 'plain', '{object,definition}', '{"correctResponsesPattern": ["true"]}', 'object.definition XAPI-00064'), ('XAPI-00064', 'likert', '{object,definition,interactionType}', NULL, 'object.definition XAPI-00064'),
    ('XAPI-00064', 'matching', '{object,definition,interactionType}', NULL, 'object.definition XAPI-00064'), ('XAPI-00064', 'performance', '{object,definition,interactionType}', NULL, 'object.definition XAPI-00064'), ('XAPI-00064', 'plain', '{object,definition}', '{"interactionType": "true-false", "correctResponsesPattern": ["true"]}', ''),
    ('2.4.4.1 lists', 'matching', '{object,definition,choices}', '[]', 'object.definition.choices XAPI-00010'), ('2.4.4.1 lists', 'likert', '{object,definition,steps}', '[]', 'object.definition.steps XAPI-00010'), ('2.4.4.1 lists', 'performance', '{object,definition,source}', '[]', 'object.definition.source XAPI-00010'),
    ('2.4.4.1 lists', 'full', '{object,definition,interactionType}', '"other"', 'object.definition.choices XAPI-00010'), ('2.4.4.1 lists', 'matching', '{object,definition,interactionType}', '"numeric"', 'object.definition.source XAPI-00010, object.definition.target XAPI-00010'),
    ('XAPI-00065', 'about an agent', '{object,objectType}', NULL, 'object XAPI-00065'), ('XAPI-00065', 'about a group', '{object,objectType}', NULL, 'object XAPI-00065'), ('XAPI-00065', 'about an agent', '{object,name}', '"Bob"', ''), ('XAPI-00065', 'about a group', '{object,name}', '"Blue"', ''),
    ('XAPI-00066', 'intending', '{object,actor}', NULL, 'object.actor XAPI-00066'), ('XAPI-00066', 'intending', '{object,verb}', NULL, 'object.verb XAPI-00066'), ('XAPI-00066', 'intending', '{object,object}', NULL, 'object.object XAPI-00066'), ('XAPI-00066', 'intending', '{object,verb,id}', '"x"', 'object.verb.id XAPI-00044'),
    ('XAPI-00066', 'intending', '{object,timestamp}', '"2099-01-01T00:00:00Z"', ''), ('XAPI-00066', 'intending', '{object,note}', '1', 'object.note XAPI-00010'),
    ('XAPI-00067', 'intending', '{object,authority}', '{"mbox": "mailto:lrs@example.org"}', 'object.authority XAPI-00067'), ('XAPI-00068', 'intending', '{object,version}', '"1.0.0"', 'object.version XAPI-00068'),
    ('XAPI-00069', 'intending', '{object,stored}', '"2026-01-08T09:31:00Z"', 'object.stored XAPI-00069'), ('XAPI-00070', 'intending', '{object,id}', '"fd41c918-b88b-4b20-a0a5-a4c32391aaa0"', 'object.id XAPI-00070'),
    ('XAPI-00067', 'intending', '{authority}', '{"mbox": "mailto:lrs@example.org"}', ''), ('XAPI-00068', 'intending', '{version}', '"1.0.0"', ''), ('XAPI-00069', 'intending', '{stored}', '"2026-01-08T09:31:00Z"', ''), ('XAPI-00070', 'intending', '{id}', '"fd41c918-b88b-4b20-a0a5-a4c32391aaa0"', ''),
    ('XAPI-00071', 'intending', '{object,object}', '{"objectType": "SubStatement", "actor": {}, "verb": {}, "object": {}}', 'object.object XAPI-00071, object.context.revision XAPI-00084, object.context.platform XAPI-00085'), ('XAPI-00071', 'intending', '{object,object}', '{"objectType": "Agent", "mbox": "mailto:bob@example.org"}', 'object.context.revision XAPI-00084, object.context.platform XAPI-00085'),
    ('XAPI-00071', 'intending', '{object,object,objectType}', NULL, ''),
    ('XAPI-00072', 'about a statement', '{object,id}', NULL, 'object.id XAPI-00072'), ('XAPI-00072', 'about a statement', '{object,id}', '"http://example.org/a"', 'object.id XAPI-00072'), ('XAPI-00072', 'about a statement', '{object,id}', '1', 'object.id XAPI-00072'),
    ('XAPI-00072', 'about a statement', '{object,definition}', '{}', 'object.definition XAPI-00010'), ('XAPI-00072', 'about a statement', '{object,id}', '"8F87CCDE-BB56-4C2E-AB83-44982EF22DF0"', ''),
    ('XAPI-00073', 'intending', '{object,objectType}', NULL, 'object XAPI-00073'), ('XAPI-00073', 'about a statement', '{object,objectType}', NULL, 'object.id XAPI-00047'), ('XAPI-00073', 'full', '{context,statement,objectType}', NULL, 'context.statement.objectType XAPI-00073'),
    ('XAPI-00073', 'about a statement', '{object,objectType}', '"StatementReference"', 'object.objectType XAPI-00046'), ('XAPI-00073', 'about a statement', '{object,objectType}', '"StatementRef"', ''),
    -- 2.4.5 Result
    ('XAPI-00074', 'full', '{result,success}', '1', 'result.success XAPI-00074'), ('XAPI-00074', 'full', '{result,success}', 'false', ''), ('XAPI-00075', 'full', '{result,completion}', '"yes"', 'result.completion XAPI-00075'), ('XAPI-00075', 'full', '{result,completion}', 'true', ''),
    ('XAPI-00076', 'full', '{result,response}', '1', 'result.response XAPI-00076'), ('XAPI-00076', 'full', '{result,response}', '["a"]', 'result.response XAPI-00076'), ('XAPI-00076', 'full', '{result,response}', '""', ''),
    ('XAPI-00077', 'full', '{result,duration}', '90', 'result.duration XAPI-00077'), ('XAPI-00077', 'full', '{result,duration}', '"90 s"', 'result.duration XAPI-00124'), ('XAPI-00077', 'full', '{result,duration}', '"PT90S"', ''),
    ('XAPI-00078', 'full', '{result,extensions}', '1', 'result.extensions XAPI-00078'), ('XAPI-00078', 'full', '{result,extensions}', '[]', 'result.extensions XAPI-00078'), ('XAPI-00078', 'full', '{result,extensions}', '{}', ''),
    ('XAPI-00079', 'full', '{result,score}', '8', 'result.score XAPI-00079'), ('XAPI-00079', 'full', '{result,score}', '[]', 'result.score XAPI-00079'), ('XAPI-00079', 'full', '{result,score}', '{}', ''),
    ('XAPI-00080', 'full', '{result,score,max}', '"10"', 'result.score.max XAPI-00080'), ('XAPI-00080', 'full', '{result,score,max}', '8', ''), ('XAPI-00080', 'full', '{result,score,max}', NULL, ''),
    ('XAPI-00081', 'full', '{result,score,min}', 'true', 'result.score.min XAPI-00081'), ('XAPI-00081', 'full', '{result,score}', '{"min": 10, "max": 10}', 'result.score.min XAPI-00081'), ('XAPI-00081', 'full', '{result,score}', '{"min": 10.5, "max": 10}', 'result.score.min XAPI-00081'),
    ('XAPI-00081', 'full', '{result,score}', '{"min": 9.9999999999999999999, "max": 10}', ''), ('XAPI-00081', 'full', '{result,score,min}', NULL, ''),
    ('XAPI-00082', 'full', '{result,score,raw}', '"8"', 'result.score.raw XAPI-00082'), ('XAPI-00082', 'full', '{result,score,raw}', '10.01', 'result.score.raw XAPI-00082'), ('XAPI-00082', 'full', '{result,score,raw}', '-0.01', 'result.score.raw XAPI-00082'),
    ('XAPI-00082', 'full', '{result,score,raw}', '10', ''), ('XAPI-00082', 'full', '{result,score,raw}', '0.0', ''), ('XAPI-00082', 'full', '{result,score}', '{"raw": -1e400}', ''), ('XAPI-00082', 'full', '{result,score}', '{"raw": 11, "max": 10}', 'result.score.raw XAPI-00082'), ('XAPI-00082', 'full', '{result,score}', '{"raw": -1, "min": 0}', 'result.score.raw XAPI-00082'),
    ('XAPI-00083', 'full', '{result,score,scaled}', '1.01', 'result.score.scaled XAPI-00083'), ('XAPI-00083', 'full', '{result,score,scaled}', '-1.0000000000000000001', 'result.score.scaled XAPI-00083'), ('XAPI-00083', 'full', '{result,score,scaled}', '"0.8"', 'result.score.scaled XAPI-00083'),
    ('XAPI-00083', 'full', '{result,score,scaled}', '1.0', ''), ('XAPI-00083', 'full', '{result,score,scaled}', '-1', '');
INSERT INTO change (requirement, base, path, value, reported) VALUES
    -- 2.4.6 Context
    ('XAPI-00084', 'about an agent', '{context}', '{"revision": "1"}', 'context.revision XAPI-00084'), ('XAPI-00084', 'about a group', '{context}', '{"revision": "1"}', 'context.revision XAPI-00084'), ('XAPI-00084', 'about a statement', '{context}', '{"revision": "1"}', 'context.revision XAPI-00084'),
    ('XAPI-00084', 'intending', '{context}', '{"revision": "1"}', 'context.revision XAPI-00084'), ('XAPI-00084', 'plain', '{context}', '{"revision": "1"}', ''),
    ('XAPI-00085', 'about an agent', '{context}', '{"platform": "app"}', 'context.platform XAPI-00085'), ('XAPI-00085', 'about a group', '{context}', '{"platform": "app"}', 'context.platform XAPI-00085'), ('XAPI-00085', 'about a statement', '{context}', '{"platform": "app"}', 'context.platform XAPI-00085'),
    ('XAPI-00085', 'intending', '{context}', '{"platform": "app"}', 'context.platform XAPI-00085'), ('XAPI-00085', 'plain', '{context}', '{"platform": "app"}', ''), ('XAPI-00085', 'about an agent', '{context}', '{"language": "en"}', ''),
    ('XAPI-00086', 'full', '{context,contextActivities}', '"x"', 'context.contextActivities XAPI-00086'), ('XAPI-00086', 'full', '{context,contextActivities}', '[]', 'context.contextActivities XAPI-00086'), ('XAPI-00086', 'full', '{context,contextActivities}', '{}', ''),
    ('XAPI-00087-1', 'full', '{context,registration}', '"x"', 'context.registration XAPI-00087-1'), ('XAPI-00087-1', 'full', '{context,registration}', '{}', 'context.registration XAPI-00087-1'), ('XAPI-00087-1', 'full', '{context,registration}', '"EC531277-B57B-4C15-8D91-D292C5B2B8F7"', ''),
    ('XAPI-00087-2', 'full', '{context,instructor}', '"x"', 'context.instructor XAPI-00087-2'), ('XAPI-00087-2', 'full', '{context,instructor}', '{"objectType": "Group"}', 'context.instructor XAPI-00037'),
    ('XAPI-00087-2', 'full', '{context,instructor}', '{"objectType": "Group", "mbox": "mailto:team@example.org"}', ''),
    ('XAPI-00088', 'full', '{context,team}', '{"mbox": "mailto:ada@example.org"}', 'context.team XAPI-00088'), ('XAPI-00088', 'full', '{context,team,objectType}', '"Agent"', 'context.team XAPI-00088'), ('XAPI-00088', 'full', '{context,team}', '[]', 'context.team XAPI-00088'),
    ('XAPI-00088', 'full', '{context,team}', '{"objectType": "Group", "mbox": "mailto:team@example.org"}', ''),
    ('XAPI-00089', 'full', '{context,revision}', '7', 'context.revision XAPI-00089'), ('XAPI-00089', 'full', '{context,revision}', '""', ''), ('XAPI-00090', 'full', '{context,platform}', '{}', 'context.platform XAPI-00090'), ('XAPI-00090', 'full', '{context,platform}', NULL, ''),
    ('XAPI-00091', 'full', '{context,language}', '1', 'context.language XAPI-00091'), ('XAPI-00091', 'full', '{context,language}', '"english language"', 'context.language XAPI-00091'), ('XAPI-00091', 'full', '{context,language}', '"tlh"', ''),
    ('XAPI-00092', 'full', '{context,statement}', '"x"', 'context.statement XAPI-00092'), ('XAPI-00092', 'full', '{context,statement,objectType}', '"Activity"', 'context.statement.objectType XAPI-00073'), ('XAPI-00092', 'full', '{context,statement,id}', '"x"', 'context.statement.id XAPI-00072'), ('XAPI-00092', 'full', '{context,statement}', NULL, ''),
    ('XAPI-00093', 'full', '{context,contextActivities,siblings}', '[]', 'context.contextActivities.siblings XAPI-00093'), ('XAPI-00093', 'full', '{context,contextActivities,Parent}', '[]', 'context.contextActivities.Parent XAPI-00008'), ('XAPI-00093', 'full', '{context,contextActivities,parent}', NULL, ''),
    ('XAPI-00094', 'full', '{context,contextActivities,parent}', '"x"', 'context.contextActivities.parent XAPI-00094'), ('XAPI-00094', 'full', '{context,contextActivities,parent,0}', '"x"', 'context.contextActivities.parent[0] XAPI-00094'), ('XAPI-00094', 'full', '{context,contextActivities,parent}', '{}', 'context.contextActivities.parent.id XAPI-00047'),
    ('XAPI-00094', 'full', '{context,contextActivities,other}', '[{"id": "urn:a"}, {"id": "a"}]', 'context.contextActivities.other[1].id XAPI-00047'), ('XAPI-00094', 'full', '{context,contextActivities,other}', '[{"id": "urn:a", "definition": {"type": "urn:t"}}, {"id": "urn:b"}]', ''),
    -- 2.4.7 to 2.4.10
    ('XAPI-00097', 'full', '{stored}', '"2030-01-01T00:00:00Z"', ''),
    ('XAPI-00098', 'by two', '{authority,member,1}', NULL, 'authority XAPI-00098'), ('XAPI-00098', 'by two', '{authority,member,2}', '{"mbox": "mailto:bob@example.org"}', 'authority XAPI-00098'), ('XAPI-00098', 'by two', '{authority,mbox}', '"mailto:team@example.org"', 'authority XAPI-00098'),
    ('XAPI-00098', 'by two', '{authority,member}', NULL, 'authority XAPI-00037, authority XAPI-00098'), ('XAPI-00098', 'by two', '{authority,name}', '"both"', ''),
    ('XAPI-00100', 'by two', '{authority,member,0}', '{"mbox": "mailto:bob@example.org"}', 'authority XAPI-00100'), ('XAPI-00100', 'by two', '{authority,member,1}', '{"account": {"homePage": "http://example.org", "name": "17"}}', ''),
    ('XAPI-00101', 'full', '{version}', '"0.9.9"', 'version XAPI-00101'), ('XAPI-00101', 'full', '{version}', '"1.1.0"', 'version XAPI-00101'), ('XAPI-00101', 'full', '{version}', '"1"', 'version XAPI-00101'), ('XAPI-00101', 'full', '{version}', '"1.0."', 'version XAPI-00101'), ('XAPI-00101', 'full', '{version}', '"1.0.x"', 'version XAPI-00101'),
    ('XAPI-00101', 'full', '{version}', '1.0', 'version XAPI-00101'), ('XAPI-00101', 'full', '{version}', '"1.0.3.1"', 'version XAPI-00101'), ('XAPI-00101', 'full', '{version}', '"1.03"', 'version XAPI-00101'), ('XAPI-00101', 'full', '{version}', '"1.0.3-"', 'version XAPI-00101'), ('XAPI-00101', 'full', '{version}', '""', 'version XAPI-00101'),
    ('XAPI-00101', 'full', '{version}', '"1.0"', ''), ('XAPI-00101', 'full', '{version}', '"1.0.0"', ''), ('XAPI-00101', 'full', '{version}', '"1.0.12"', ''), ('XAPI-00101', 'full', '{version}', '"1.0.0-beta"', ''), ('XAPI-00101', 'full', '{version}', NULL, ''),
    ('XAPI-00101', 'full', '{version}', '"2.0.0"', ''), ('XAPI-00101', 'full', '{version}', '"2.0"', ''), ('XAPI-00101', 'full', '{version}', '"2.1.0"', 'version XAPI-00101'), ('XAPI-00101', 'full', '{version}', '"2"', 'version XAPI-00101'),
    -- 2.4.11 Attachments
    ('XAPI-00102', 'full', '{attachments,0,length}', NULL, 'attachments[0].length XAPI-00102'), ('XAPI-00102', 'full', '{attachments,0,length}', '"27"', 'attachments[0].length XAPI-00102'), ('XAPI-00102', 'full', '{attachments,0,length}', '27.5', 'attachments[0].length XAPI-00102'),
    ('XAPI-00102', 'full', '{attachments,0,length}', '-1', 'attachments[0].length XAPI-00102'), ('XAPI-00102', 'full', '{attachments,0,length}', '0', ''), ('XAPI-00102', 'full', '{attachments,0,length}', '27.0', ''),
    ('XAPI-00103', 'full', '{attachments,0,sha2}', NULL, 'attachments[0].sha2 XAPI-00103'), ('XAPI-00103', 'full', '{attachments,0,sha2}', '12345', 'attachments[0].sha2 XAPI-00103'), ('XAPI-00103', 'full', '{attachments,0,sha2}', '"495395e7"', 'attachments[0].sha2 XAPI-00103'),
    ('XAPI-00103', 'full', '{attachments,0,sha2}', '"495395e777cd98da653df9615d09c0fd6bb2f8d4788394cd53c56a3bfdcd848g"', 'attachments[0].sha2 XAPI-00103'), ('XAPI-00103', 'full', '{attachments,0,sha2}', to_jsonb(repeat('0', 40)), 'attachments[0].sha2 XAPI-00103'), ('XAPI-00103', 'full', '{attachments,0,sha2}', to_jsonb(repeat('0', 56)), ''), ('XAPI-00103', 'full', '{attachments,0,sha2}', to_jsonb(repeat('aF', 64)), ''),
    ('XAPI-00104', 'full', '{attachments,0,fileUrl}', '"essay.txt"', 'attachments[0].fileUrl XAPI-00104'), ('XAPI-00104', 'full', '{attachments,0,fileUrl}', '1', 'attachments[0].fileUrl XAPI-00104'), ('XAPI-00104', 'full', '{attachments,0,fileUrl}', NULL, ''),
    ('XAPI-00105', 'full', '{attachments,0,contentType}', NULL, 'attachments[0].contentType XAPI-00105'), ('XAPI-00105', 'full', '{attachments,0,contentType}', '1', 'attachments[0].contentType XAPI-00105'), ('XAPI-00105', 'full', '{attachments,0,contentType}', '"text"', 'attachments[0].contentType XAPI-00105'),
    ('XAPI-00105', 'full', '{attachments,0,contentType}', '"image/svg+xml"', ''),
    ('XAPI-00106', 'full', '{attachments,0,display}', NULL, 'attachments[0].display XAPI-00106'), ('XAPI-00106', 'full', '{attachments,0,display}', '"Essay"', 'attachments[0].display XAPI-00106'), ('XAPI-00106', 'full', '{attachments,0,display,en}', '1', 'attachments[0].display.en XAPI-00106'), ('XAPI-00106', 'full', '{attachments,0,display,es}', '"Ensayo"', ''),
    ('XAPI-00107', 'full', '{attachments,0,usageType}', NULL, 'attachments[0].usageType XAPI-00107'), ('XAPI-00107', 'full', '{attachments,0,usageType}', '"essay"', 'attachments[0].usageType XAPI-00107'), ('XAPI-00107', 'full', '{attachments,0,usageType}', '"urn:essay"', ''),
    ('2.4.11 description', 'full', '{attachments,0,description}', '"An essay"', 'attachments[0].description XAPI-00121'), ('2.4.11 description', 'full', '{attachments,0,description}', NULL, ''),
    ('XAPI-00115', 'full', '{attachments,0,usageType}', '"http://adlnet.gov/expapi/attachments/signature"', 'attachments[0].contentType XAPI-00115'),
    ('XAPI-00115', 'full', '{attachments,0}', '{"usageType": "http://adlnet.gov/expapi/attachments/signature", "display": {}, "contentType": "application/octet-stream", "length": 1, "sha2": "495395e777cd98da653df9615d09c0fd6bb2f8d4788394cd53c56a3bfdcd848a"}', ''),
    -- 4.1 Extensions, 4.2 Language maps
    ('XAPI-00118', 'full', '{result,extensions,hints}', '1', 'result.extensions.hints XAPI-00118'), ('XAPI-00118', 'full', '{context,extensions,should fail}', '1', 'context.extensions["should fail"] XAPI-00118'), ('XAPI-00118', 'full', '{object,definition,extensions,""}', '1', 'object.definition.extensions[""] XAPI-00118'),
    ('XAPI-00118', 'full', '{result,extensions,urn:x:hints}', '1', ''),
    ('XAPI-00119', 'full', '{result,extensions,urn:x}', '""', ''), ('XAPI-00119', 'full', '{context,extensions,urn:x}', '{}', ''), ('XAPI-00119', 'full', '{object,definition,extensions,urn:x}', 'null', ''), ('XAPI-00119', 'full', '{context,extensions,urn:x}', '[[[[{"Actor": null}]]]]', ''),
    ('XAPI-00120', 'full', '{context,extensions}', '"x"', 'context.extensions XAPI-00120'), ('XAPI-00120', 'full', '{context,extensions}', '{}', '');

SELECT is((SELECT COALESCE(string_agg((v ->> 'path') || ' ' || (v ->> 'requirement'), ', ' ORDER BY i), '') FROM jsonb_array_elements(learnsync.xapi_validate(changed)) WITH ORDINALITY a (v, i)), reported,
    concat_ws(' ', requirement, base, path, COALESCE(left(value::text, 100), 'without')))
FROM (SELECT change.*, CASE WHEN value IS NULL THEN statement #- path ELSE jsonb_set(statement, path, value) END AS changed FROM change JOIN base ON base.name = change.base) c ORDER BY n;
SELECT is(count(*), 0::bigint, 'each change is one') FROM change JOIN base ON base.name = change.base WHERE value IS NOT NULL AND jsonb_set(statement, path, value) #> path IS DISTINCT FROM value OR value IS NULL AND statement #> path IS NULL;

-- Each requirement is broken by one and kept by another.
SELECT ok(bool_or(reported = '') AND (bool_or(reported <> '') OR requirement IN ('XAPI-00002', 'XAPI-00026', 'XAPI-00097', 'XAPI-00119')), requirement || ' has cases for both') FROM change
    WHERE requirement ~ 'XAPI' AND requirement NOT IN ('XAPI-00003', 'XAPI-00004', 'XAPI-00005', 'XAPI-00006', 'XAPI-00008', 'XAPI-00009', 'XAPI-00010', 'XAPI-00011', 'XAPI-00017', 'XAPI-00028', 'XAPI-00029') GROUP BY requirement ORDER BY requirement;

-- The same holds in a sub-statement: what is reported is reported below object.
SELECT is((SELECT COALESCE(string_agg((v ->> 'path') || ' ' || (v ->> 'requirement'), ', ' ORDER BY i), '') FROM jsonb_array_elements(learnsync.xapi_validate(plain.statement || jsonb_build_object('object', changed || '{"objectType": "SubStatement"}'))) WITH ORDINALITY a (v, i)),
    CASE WHEN reported = '' THEN '' ELSE regexp_replace(regexp_replace(regexp_replace(reported, '(^|, )(?!\[)', '\1object.', 'g'), '(^|, )\[', '\1object[', 'g'), 'XAPI-0000[345]', 'XAPI-00066', 'g') END, concat_ws(' ', 'in a SubStatement', requirement, base, path, COALESCE(left(value::text, 100), 'without')))
FROM (SELECT change.*, CASE WHEN value IS NULL THEN statement #- path ELSE jsonb_set(statement, path, value) END - '{id,stored,version,authority}'::text[] AS changed FROM change JOIN base ON base.name = change.base
        WHERE path[1] NOT IN ('id', 'stored', 'version', 'authority', 'objectType') AND base NOT IN ('intending', 'in 2.0')) c, base plain WHERE plain.name = 'plain' ORDER BY n;
SELECT finish();
ROLLBACK;
