-- New work on what fill.sql made: what is stored is read, merged into and written, and handed on.
SET search_path = pg_catalog;
SELECT r -> 'status', r -> 'version' > '1'
FROM CAST(learnsync.sync_push('bob', '{"deviceId": "phone", "items": [
    {"id": "more", "operation": "update", "resourceType": "note", "clientTimestamp": "2026-02-08T10:01:00Z",
     "data": {"noteId": "n", "tags": [{"tag": "z"}], "opened": 1}}]}') AS jsonb) a,
    jsonb_array_elements(a -> 'results') r;
SELECT c #>> '{data,opened}', jsonb_array_length(c #> '{data,tags}')
FROM CAST(learnsync.sync_pull('bob', '{"deviceId": "another", "resourceTypes": ["note"]}') AS jsonb) a,
    jsonb_array_elements(a -> 'changes') c;
SELECT learnsync.progress_put('ada', '{"events": [
    {"eventId": "e1", "clientId": "c", "type": "content.progressed", "occurredAt": "2026-01-08T10:00:00Z",
     "payload": {"contentId": "l1", "status": "completed"}},
    {"eventId": "e2", "clientId": "c", "type": "content.progressed", "occurredAt": "2026-01-09T10:00:00Z",
     "payload": {"contentId": "l2", "status": "completed"}}]}') #>> '{data,accepted}';
SELECT jsonb_object_agg(c.content_id, c.status ORDER BY c.content_id)
FROM jsonb_each(learnsync.progress_get('ada') #> '{data,snapshot,content}') s (content_id, state),
    LATERAL (SELECT s.content_id, s.state ->> 'status') c (content_id, status);
CALL learnsync.maintain();
SELECT jsonb_array_length(CAST(learnsync.outbox_take('reports') AS jsonb) -> 'changes') > 0;
