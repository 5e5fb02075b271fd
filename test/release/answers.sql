-- What is told of the learners that fill.sql made: the same in a database that came to a newer release or server.
SET search_path = pg_catalog;
SELECT learner, learnsync.sync_pull(learner, '{"deviceId": "another", "count": true}'),
    learnsync.sync_status(learner), learnsync.sync_devices(learner), learnsync.progress_get(learner)
FROM unnest('{ada,bob,kid}'::text[]) learner ORDER BY learner;
SELECT learnsync.sync_why('bob', '{"resourceType": "lesson_progress", "resourceId": "l1"}');
SELECT learnsync.sync_verify('ada', jsonb_build_object('cursor', a -> 'cursor', 'count', 0, 'sum', 0))
FROM CAST(learnsync.sync_pull('ada', '{"deviceId": "another"}') AS jsonb) a;
SELECT learner, p FROM unnest('{ada,bob}'::text[]) learner, learnsync.pushes(learner) p ORDER BY learner, p.version;
SELECT learner, x FROM unnest('{ada,bob}'::text[]) learner, learnsync.xapi_export(learner) x ORDER BY learner, x::text;
SELECT f FROM learnsync.failed_items() f ORDER BY f.learner_id, f.item_id;
SELECT o FROM learnsync.outboxes() o;
SELECT d FROM learnsync.outbox_dead('reports') d ORDER BY d.learner_id, d.resource_id;
SELECT r FROM learnsync.resource_verify() r;
SELECT p FROM learnsync.progress_verify() p;
SELECT learnsync.shard_state() - '{release,schema,content}'::text[];
