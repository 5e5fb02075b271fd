-- A row at least in every table, by the calls that make them.
CREATE ROLE release_learner;
CREATE ROLE release_service;
CREATE ROLE release_admin;
CREATE ROLE release_report;
SELECT learnsync.grant_access(name, kind)
FROM (VALUES ('release_learner', 'learner'), ('release_service', 'service'), ('release_admin', 'admin'),
    ('release_report', 'report')) r (name, kind);
SELECT learnsync.define_resource_type('note', '{"key": ["noteId"], "fields": {"text": {"type": "string"},
    "tags": {"merge": "union", "id": "tag"}, "opened": {"merge": "counter"}}}');
SELECT learnsync.register_content('{"contents": [
    {"contentId": "c1", "kind": "course"}, {"contentId": "m1", "kind": "module", "courseId": "c1"},
    {"contentId": "l1", "kind": "lesson", "courseId": "c1", "parentId": "m1", "position": 1, "interactionIds": ["i1"]},
    {"contentId": "l2", "kind": "lesson", "courseId": "c1", "replaces": ["l0"]},
    {"contentId": "l0", "kind": "lesson"}]}');
SELECT learnsync.outbox_add('reports');
SELECT learnsync.sync_push(learner, '{"deviceId": "phone", "metadata": {"appVersion": "3.1"}, "items": [
    {"id": "a", "operation": "update", "resourceType": "lesson_progress", "clientTimestamp": "2026-01-08T10:00:00Z",
     "data": {"lessonId": "l1", "courseId": "c1", "completionPercentage": 40, "timeSpent": 60000}},
    {"id": "b", "operation": "update", "resourceType": "note", "clientTimestamp": "2026-01-08T10:01:00Z",
     "data": {"noteId": "n", "text": "hello", "tags": [{"tag": "x"}, {"tag": "y"}], "opened": 2}},
    {"id": "c", "operation": "create", "resourceType": "xapi_statement", "clientTimestamp": "2026-01-08T10:02:00Z",
     "data": {"id": "7ccd3322-e1a5-411a-a67d-6a735c76f119", "timestamp": "2026-01-08T10:02:00Z",
              "actor": {"mbox": "mailto:ada@example.org"}, "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
              "object": {"id": "http://example.org/l1"}}},
    {"id": "d", "operation": "update", "resourceType": "lesson_progress", "clientTimestamp": "2026-01-08T10:03:00Z",
     "data": {"lessonId": "l2", "completionPercentage": 140}},
    {"id": "g", "operation": "update", "resourceType": "lesson_progress", "clientTimestamp": "2026-01-08T10:04:00Z",
     "data": {"lessonId": "l3", "timeSpent": 90000000}}]}')
FROM unnest('{ada,bob,carl}'::text[]) learner;
SELECT learnsync.sync_push('ada', '{"deviceId": "tablet", "items": [
    {"id": "e", "operation": "update", "resourceType": "note", "clientTimestamp": "2026-01-08T09:00:00Z", "version": 1,
     "data": {"noteId": "n", "text": "older"}},
    {"id": "f", "operation": "delete", "resourceType": "lesson_progress", "resourceId": "l1",
     "clientTimestamp": "2026-01-08T11:00:00Z"}]}');
SELECT learnsync.sync_push('ada', '{"deviceId": "tablet", "atomic": true, "items": [
    {"id": "h", "operation": "update", "resourceType": "lesson_progress", "clientTimestamp": "2126-01-08T09:00:00Z",
     "data": {"lessonId": "l4", "completionPercentage": 10}},
    {"id": "i", "operation": "update", "resourceType": "lesson_progress", "clientTimestamp": "2026-01-08T09:00:00Z",
     "data": {"lessonId": "l4", "completionPercentage": 1000}}]}');
SELECT learnsync.sync_correct('bob', '{"resourceType": "lesson_progress", "resourceId": "l1", "by": "ms.k",
    "reason": "a typing error", "data": {"completionPercentage": 4}}');
SELECT learnsync.progress_put('ada', '{"events": [
    {"eventId": "e1", "clientId": "c", "type": "content.progressed", "occurredAt": "2026-01-08T10:00:00Z",
     "payload": {"contentId": "l1", "status": "completed",
                 "interaction": {"interactionId": "i1", "state": {"x": 1}}}}]}');
SELECT learnsync.set_learner('ada', '{"timeZone": "Pacific/Apia", "dayStarts": "04:00"}');
SELECT learnsync.add_profile('kid', 'ada');
SELECT learnsync.forget_learner('carl');
SELECT learnsync.outbox_failed('reports', taken ->> 'lease', 'not wanted', (
    SELECT jsonb_agg(c || '{"error": "not wanted"}') FROM json_array_elements(taken -> 'changes') r, jsonb(r) c))
FROM learnsync.outbox_take('reports', 1, 600) taken;
SELECT learnsync.outbox_take('reports', 1, 600);
SELECT learnsync.part_hold(0, 255);
SELECT learnsync_internal.shard_change_begin('{"routine": "drop_resource_type", "arguments": ["a"], "subject": "a"}');
SELECT learnsync_internal.shard_change_end(false);
SELECT learnsync.define_resource_type('note', '{"key": ["noteId"], "fields": {"text": {"type": "string", "max": 100},
    "tags": {"merge": "union", "id": "tag"}, "opened": {"merge": "counter"}}}', rebase => true);
CALL learnsync.rebase('note');
CALL learnsync.maintain();
