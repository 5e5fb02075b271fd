-- dashboard(): one page, whatever is stored; what it looks like is tested in a browser.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.page() RETURNS text LANGUAGE sql AS $$ SELECT learnsync_api.dashboard()::text $$;
SELECT ok(
    pg_temp.page() ~ '^<!DOCTYPE html>.*Nothing needs attention.*</html>$',
    'a system that nobody uses has a page');
SELECT is(
    pg_typeof(learnsync_api.dashboard())::text, 'learnsync_api."text/html"',
    'in a domain that PostgREST sends as a page');
SELECT unalike(pg_temp.page(), '%NaN%', 'without numbers that are none');

-- What clients and teams say is text.
INSERT INTO learnsync_data.learner (learner_id) VALUES ('ada');
INSERT INTO learnsync_data.device (learner_id, device_id, device_name, metadata, created_at, last_sync_at) VALUES
    ('ada', '<b>', '<b>', '{"appVersion": "<script>x</script> & \"quoted\" ''too''"}', now(), now()),
    ('ada', 'no object', NULL, '[1, "appVersion"]', now(), now()),
    ('ada', 'no text', NULL, '{"appVersion": {"a": "<b>"}}', now(), now());
INSERT INTO learnsync_data.anomaly (learner_id, anomaly_id, kind, weight, evidence, found_at, closed_at)
SELECT 'ada', gen_random_uuid(), kind, 1, '{}', now(), closed
FROM (VALUES ('wrong_document', NULL::timestamptz), ('shared_device', now())) a (kind, closed);
INSERT INTO learnsync_data.day_count
VALUES ((now() AT TIME ZONE 'UTC')::date, 'sync_push', 1, 2, 1, 0, 0, 1, 100, 1000);
INSERT INTO learnsync_data.failed (learner_id, key, device_id, code, path, message, retryable, first_failed_at,
    failed_at, item_bytes, fingerprint)
SELECT '<i>learner</i>', gen_random_uuid(), 'd', CASE n % 2 WHEN 0 THEN 'error' ELSE '<u>code</u>' END, '',
    '<img src=x>', true, now(), now(), 1, 1
FROM generate_series(1, 300) n;
SELECT ok(strpos(pg_temp.page(), shown) > 0, 'shown: ' || shown)
FROM unnest(ARRAY['&lt;script&gt;x&lt;/script&gt; &amp; &quot;quoted&quot; &#39;too&#39;', '&lt;i&gt;learner&lt;/i&gt;',
    '&lt;u&gt;code&lt;/u&gt;', '&lt;img src=x&gt;', '{&quot;a&quot;: &quot;&lt;b&gt;&quot;}']) shown;
SELECT is(
    (SELECT string_agg(DISTINCT m[1], ' ' ORDER BY m[1])
     FROM regexp_matches(pg_temp.page(), '<([a-zA-Z][a-zA-Z0-9]*)', 'g') m),
    'b bdi body caption circle dd details div dl dt figcaption figure footer h1 h2 h3 head header html i li line main '
    'meta p polyline rect section span style summary svg table tbody td text th thead title tr ul',
    'it has no elements but its own');
SELECT is(
    (SELECT count(*) FROM regexp_matches(pg_temp.page(), '<[^>]*\s(on[a-z]+|href|src|action|style)=', 'g')), 0::bigint,
    'and none that does something or asks for more');
SELECT is(
    count(*) FILTER (WHERE m[1] = '<'), count(*) FILTER (WHERE m[1] = '</'), 'what is opened is closed: ' || m[2])
FROM regexp_matches(pg_temp.page(), '(</?)(div|section|table|tr|td|th|svg|li|ul|dl|dt|dd|bdi|b|span)\M', 'g') m
GROUP BY m[2] ORDER BY m[2];

SELECT ok(
    pg_temp.page() LIKE '%<bdi>wrong_document</bdi></th><td class="n">1<%'
        AND pg_temp.page() NOT LIKE '%shared_device%',
    'it counts the anomalies that are open');
SELECT alike(
    learnsync_api.metrics(), '%learnsync_open_anomalies{kind="wrong_document"} 1%', 'as the metrics do');

-- What the page is made of.
SELECT alike(learnsync_internal.html_chart_as_owner('T', ' %', '{2026-01-01,2026-01-02}',
        '[{"name": "a", "tone": "good", "values": [50, null]}]', false, 100),
    '%points="145.5,85.0"%', 'a day without a value has no point');
SELECT is(array_agg(learnsync_internal.html_top_as_owner(n) ORDER BY n), '{1,1,2,5,10,10,20,1000000}', 'where axes end')
FROM unnest('{0,1,1.5,3,6,10,11,999999}'::numeric[]) n;
SELECT is(string_agg(learnsync_internal.html_age_as_owner(n), ', ' ORDER BY n),
    'just now, 5 min ago, 3 h ago, 4 days ago', 'ages') FROM unnest('{1 min,5 min,3 hours,100 hours}'::interval[]) n;
SELECT is(string_agg(learnsync_internal.html_number_as_owner(n, ' ms'), ', ' ORDER BY n),
    '0 ms, 0.3 ms, 1,234,567 ms, –', 'numbers') FROM unnest('{0,0.25,1234567,NULL}'::numeric[]) n;
SELECT is((learnsync_internal.dashboard_days_as_owner(jsonb_agg(jsonb_build_object('channel', channel, 'calls', 2,
    'microseconds', 3000, 'day', timezone('UTC', clock_timestamp())::date))) -> 13) - '{day,items,synced}'::text[],
    '{"calls": 4, "duplicates": 0, "conflicts": 0, "failed": 0, "pushes": 2, "milliseconds": 3}',
    'a day has all calls, and the milliseconds of pushes')
FROM unnest('{sync_push,progress_put}'::text[]) channel;
SELECT matches(learnsync_internal.html_bars_as_owner('t', 'c', 'h', '[["a", 4], ["b", 1]]'),
    'width="100.0".*width="25.0"', 'the bar of the most is whole');

CREATE TEMP TABLE read AS SELECT relname, seq_scan + COALESCE(idx_scan, 0) AS scans FROM pg_stat_xact_user_tables;
SELECT ok(length(pg_temp.page()) > 1000, 'it answers');
SELECT is_empty(
    $$ SELECT s.relname FROM pg_stat_xact_user_tables s JOIN read r USING (relname)
       WHERE s.schemaname = 'learnsync_data' AND s.seq_scan + COALESCE(s.idx_scan, 0) > r.scans
           AND s.relname !~ '^(learner|device|failed|conflict|anomaly|instance|progress|day_.*|outbox.*)$' $$,
    'and reads no resources, receipts, payloads or events');
CREATE ROLE test_service;
CREATE ROLE test_admin;
SELECT learnsync.grant_access('test_' || kind, kind) FROM unnest('{service,admin}'::text[]) kind;
SET ROLE test_service;
SELECT throws_ok('SELECT learnsync_api.dashboard()', '42501', NULL, 'a service does not see it');
SET ROLE test_admin;
SELECT lives_ok('SELECT learnsync_api.dashboard()', 'an administrator does');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
