-- What the dashboard is looked at with: a busy system and, where trouble is true, a troubled one with hostile clients.
INSERT INTO learnsync_data.learner (learner_id) SELECT 'l' || n FROM generate_series(1, 1200) n;
INSERT INTO learnsync_data.device (learner_id, device_id, device_name, metadata, created_at, last_sync_at, skew_ms)
SELECT 'l' || n, 'd' || n, 'Phone',
    jsonb_build_object('appVersion', ('{2.4.1,2.4.1,2.4.1,2.4.0,2.3.7}'::text[])[1 + n % 5]),
    now() - interval '60 days', now() - n * interval '40 minutes', (n * 7919) % 9000 - 4000
FROM generate_series(1, 1200) n;
INSERT INTO learnsync_data.day_count
SELECT (now() AT TIME ZONE 'UTC')::date - d, c.channel, c.calls * (10 - d % 7), c.calls * (10 - d % 7) * 9,
    c.calls * (10 - d % 7) * 8 - 40, c.calls * (10 - d % 7), 30, 10, c.calls * (10 - d % 7) * 2600,
    c.calls * (10 - d % 7) * (4200 + 300 * (d % 4))
FROM generate_series(0, 13) d,
    (VALUES ('sync_push', 300), ('progress_put', 110), ('sync_completions', 24)) c (channel, calls);
UPDATE learnsync_data.instance SET cleaned_at = now() - interval '3 minutes', cleaned_items = 128400;
INSERT INTO learnsync_data.failed (learner_id, key, device_id, code, path, message, retryable, retry_count,
    first_failed_at, failed_at, item_bytes, fingerprint)
SELECT 'l' || n, gen_random_uuid(), 'd' || n, ('{out_of_range,invalid,error}'::text[])[1 + n % 3], '', 'x',
    n % 3 = 2, n % 4, now() - interval '3 days', now() - interval '3 days', 1, 1
FROM generate_series(1, 60) n;
\if :trouble
INSERT INTO learnsync_data.failed (learner_id, key, device_id, code, path, message, retryable, retry_count,
    first_failed_at, failed_at, item_bytes, fingerprint)
SELECT '<script>alert("learner")</script>', gen_random_uuid(), 'd',
    ('{error,error,bad_timestamp}'::text[])[1 + n % 3], '', '"><img src=x onerror=alert(1)> no Sundays',
    n % 3 < 2, n % 6, now(), now(), 1, 1
FROM generate_series(1, 400) n;
UPDATE learnsync_data.device SET skew_ms = 90000000, last_sync_at = now() - interval '120 days',
    metadata = jsonb_build_object('appVersion', '</title><script>alert(1)</script>&"''' || U&'\202E' || 'x')
WHERE learner_id LIKE 'l1%';
UPDATE learnsync_data.device SET is_active = false WHERE learner_id LIKE 'l2%';
UPDATE learnsync_data.day_count SET conflicts = conflicts + synced / 3, synced = synced - synced / 3
WHERE day = (now() AT TIME ZONE 'UTC')::date;
UPDATE learnsync_data.day_count
SET failed = failed + synced / 2, synced = synced - synced / 2, microseconds = microseconds * 6
WHERE day = (now() AT TIME ZONE 'UTC')::date;
UPDATE learnsync_data.instance SET cleaned_at = now() - interval '3 days';
INSERT INTO learnsync_data.progress (learner_id, events, version, state_bytes) VALUES ('l1', 95000, 1, 0);
INSERT INTO learnsync_data.conflict (learner_id, conflict_id, device_id, item_id, resource_type, resource_id, operation,
    at, resource_version, resolution, created_at)
SELECT 'l' || n, gen_random_uuid(), 'd', 'i', 'quiz_attempt', 'q', 'create', now(), 1, 'manual_required', now()
FROM generate_series(1, 340) n;
\endif
