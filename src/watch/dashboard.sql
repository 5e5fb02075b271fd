-- The page that administrators keep open.

CREATE DOMAIN learnsync_api."text/html" AS text;
COMMENT ON DOMAIN learnsync_api."text/html" IS 'A page that PostgREST sends as such.';

CREATE OR REPLACE FUNCTION learnsync_internal.dashboard_style_as_owner() RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN $css$
:root{color-scheme:light dark;--bg:#f4f5f7;--panel:#fff;--ink:#1b2027;--soft:#57606c;--line:#d9dde3;--rest:#eceef2;
--good:#15803d;--same:#8a94a3;--warn:#b45309;--bad:#c02b45;--plain:#2563c9;--badbg:#fdeef0}
@media (prefers-color-scheme:dark){:root{--bg:#0e1216;--panel:#171c22;--ink:#e7eaee;--soft:#a3adb9;--line:#2d353e;
--rest:#242b33;--good:#4cc38a;--same:#7c8795;--warn:#f0a044;--bad:#ff7b8e;--plain:#6ea8fe;--badbg:#33191f}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
header,main,footer{max-width:1240px;margin:0 auto;padding:16px}
header{display:flex;flex-wrap:wrap;gap:4px 16px;align-items:baseline}
main{padding-top:0}main>section:first-child h2{margin-top:8px}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:28px 0 10px}h3{font-size:1rem;margin:0 0 10px}
header p,footer,.none,dd span,caption,figcaption,summary{color:var(--soft);font-size:.875rem}
header p{margin:0}a{color:var(--plain)}
.cards,.grid2{display:grid;gap:12px;margin:0}
.cards{grid-template-columns:repeat(auto-fit,minmax(min(45%,210px),1fr))}
.grid2{grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));align-items:start}
.charts{grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr))}
.card,.panel,.alerts li,.well{overflow-wrap:anywhere;background:var(--panel);border:1px solid var(--line);padding:14px;
border-radius:10px}
.card dt{font-size:.875rem;color:var(--soft)}.card dd{margin:2px 0 0}
.card b{display:block;font-size:1.6rem;line-height:1.2;font-weight:650;font-variant-numeric:tabular-nums}
.card.bad{border-color:var(--bad);border-left-width:5px;padding-left:10px}.card.bad b{color:var(--bad)}
.alerts{list-style:none;margin:0;padding:0;display:grid;gap:8px}
.alerts li{background:var(--badbg);border-color:var(--bad);border-left-width:5px}
.alerts b{margin-right:6px}.well{border-left:5px solid var(--good);margin:0}
table{border-collapse:collapse;width:100%;font-size:.9rem}caption{text-align:left;padding-bottom:6px}
th,td{padding:5px 8px 5px 0;border-top:1px solid var(--line);text-align:left;font-weight:400;vertical-align:middle}
thead th,thead td{border-top:0;color:var(--soft);font-size:.8rem}
th[scope=row]{overflow-wrap:anywhere;min-width:6em}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.bar{width:38%;padding-right:0}td.bar svg{display:block;width:100%;height:10px;border-radius:3px}
.wide{overflow-x:auto}.wide table{min-width:460px}
figure{margin:0}figure svg{display:block;width:100%;height:auto}
svg text{fill:var(--soft);font-size:14px}@media (min-width:700px){svg text{font-size:10px}}svg .grid{stroke:var(--line)}
rect{fill:var(--plain)}rect.rest{fill:var(--rest)}
rect.good,.good rect{fill:var(--good)}rect.same{fill:var(--same)}rect.warn,.warn rect{fill:var(--warn)}
rect.bad,.bad rect{fill:var(--bad)}svg.warn rect.rest,svg.bad rect.rest{fill:var(--rest)}
polyline{fill:none;stroke-width:2;stroke:var(--good)}polyline.warn{stroke:var(--warn)}circle{fill:var(--good)}
circle.warn{fill:var(--warn)}
figcaption{display:flex;flex-wrap:wrap;gap:4px 14px;margin-top:6px}
figcaption i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:6px;background:var(--plain)}
i.good{background:var(--good)}i.same{background:var(--same)}i.warn{background:var(--warn)}i.bad{background:var(--bad)}
details{margin-top:8px}summary{cursor:pointer}summary:focus-visible,a:focus-visible{outline:2px solid var(--plain)}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media print{body{background:#fff}.card,.panel{break-inside:avoid}}
$css$;
END
$$;
COMMENT ON FUNCTION learnsync_internal.dashboard_style_as_owner() IS 'The style sheet of the dashboard.';

CREATE OR REPLACE FUNCTION learnsync_internal.dashboard_alerts_as_owner(alerts jsonb) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    shown CONSTANT integer := 12;
    more CONSTANT integer := jsonb_array_length(alerts) - shown;
BEGIN
    RETURN '<section aria-labelledby="alerts"><h2 id="alerts">Alerts</h2>' || CASE WHEN alerts = '[]'
        THEN '<p class="well">Nothing needs attention.</p>'
        ELSE '<ul class="alerts">' || (
            SELECT string_agg(format('<li><b>%s%s</b>%s</li>', replace(a.a ->> 'alert', '_', ' '),
                    ': <bdi>' || NULLIF(learnsync_internal.html_text_as_owner(a.a ->> 'subject'), '') || '</bdi>',
                    learnsync_internal.html_text_as_owner(a.a ->> 'message')), '' ORDER BY a.n)
            FROM jsonb_array_elements(alerts) WITH ORDINALITY a (a, n) WHERE a.n <= shown)
            || CASE WHEN more > 0 THEN format('<li>And %s more: SELECT * FROM learnsync.alerts();</li>', more)
                ELSE '' END
            || '</ul>' END || '</section>';
END
$$;
COMMENT ON FUNCTION learnsync_internal.dashboard_alerts_as_owner(jsonb) IS 'What alerts() says, on the dashboard.';

CREATE OR REPLACE FUNCTION learnsync_internal.dashboard_cards_as_owner(figure jsonb, alerts jsonb, week jsonb)
    RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fired CONSTANT text[] := ARRAY(SELECT a ->> 'alert' FROM jsonb_array_elements(alerts) a);
    new_items CONSTANT numeric := NULLIF((week ->> 'items')::numeric - (week ->> 'duplicates')::numeric, 0);
    cleaned CONSTANT timestamptz := to_timestamp((figure #>> '{cleaned_at,""}')::float8);
BEGIN
    RETURN '<section aria-labelledby="now"><h2 id="now">At a glance</h2><dl class="cards">'
        || learnsync_internal.html_card_as_owner('Success rate', learnsync_internal.html_number_as_owner(
               100 * (week ->> 'synced')::numeric / new_items, ' %'), 'of new items, 7 days')
        || learnsync_internal.html_card_as_owner('Conflict rate', learnsync_internal.html_number_as_owner(
               100 * (week ->> 'conflicts')::numeric / new_items, ' %'), 'of new items, 7 days',
               'conflict_rate' = ANY (fired))
        || learnsync_internal.html_card_as_owner('Average push', learnsync_internal.html_number_as_owner(
               (week ->> 'milliseconds')::numeric / NULLIF((week ->> 'pushes')::numeric, 0), ' ms'),
               'sync_push, 7 days')
        || learnsync_internal.html_card_as_owner('Queue depth', learnsync_internal.html_number_as_owner(
               (figure #>> '{pending,""}')::numeric), format('pending items of %s learners, at most %s of one',
                   learnsync_internal.html_number_as_owner((figure #>> '{pending_learners,""}')::numeric),
                   learnsync_internal.html_number_as_owner((figure #>> '{deepest,""}')::numeric)),
               'queue_depth' = ANY (fired))
        || learnsync_internal.html_card_as_owner('Open conflicts', learnsync_internal.html_number_as_owner(
               (figure #>> '{open_conflicts,""}')::numeric), 'wait for a person')
        || learnsync_internal.html_card_as_owner('Learners', learnsync_internal.html_number_as_owner(
               (figure #>> '{learners,""}')::numeric), 'have sent something')
        || learnsync_internal.html_card_as_owner('Devices', learnsync_internal.html_number_as_owner(
               COALESCE((figure #>> '{active,true}')::numeric, 0)), format('active, %s turned away',
                   learnsync_internal.html_number_as_owner(COALESCE((figure #>> '{active,false}')::numeric, 0))),
               'device_unseen' = ANY (fired))
        || learnsync_internal.html_card_as_owner('Cleaned', COALESCE(learnsync_internal.html_age_as_owner(
               clock_timestamp() - cleaned), 'never'), format('by maintain(); %s items so far',
                   learnsync_internal.html_number_as_owner((figure #>> '{cleaned_items,""}')::numeric)),
               'cleaning' = ANY (fired))
        || learnsync_internal.html_card_as_owner('Fullest event log', learnsync_internal.html_number_as_owner(
               100 * (figure #>> '{log,""}')::numeric, ' %'), 'of what it may hold', 'event_log' = ANY (fired))
        || '</dl></section>';
END
$$;
COMMENT ON FUNCTION learnsync_internal.dashboard_cards_as_owner(jsonb, jsonb, jsonb) IS
    'The most important figures, on the dashboard.';

-- days: [{day, calls, items, synced, ...}, ...], each day of two weeks.
CREATE OR REPLACE FUNCTION learnsync_internal.dashboard_charts_as_owner(days jsonb) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    axis CONSTANT date[] := ARRAY(SELECT (d ->> 'day')::date FROM jsonb_array_elements(days) d);
    part record;
BEGIN
    SELECT jsonb_agg(d -> 'synced') AS synced, jsonb_agg(d -> 'duplicates') AS duplicates,
        jsonb_agg(d -> 'conflicts') AS conflicts, jsonb_agg(d -> 'failed') AS failed, jsonb_agg(d -> 'calls') AS calls,
        jsonb_agg(round(100 * (d ->> 'synced')::numeric / n.new_items, 1)) AS success,
        jsonb_agg(round(100 * (d ->> 'conflicts')::numeric / n.new_items, 1)) AS clashes,
        jsonb_agg(round((d ->> 'milliseconds')::numeric / NULLIF((d ->> 'pushes')::numeric, 0), 1)) AS time
    INTO part
    FROM jsonb_array_elements(days) d,
        LATERAL (SELECT NULLIF((d ->> 'items')::numeric - (d ->> 'duplicates')::numeric, 0) AS new_items) n;
    RETURN '<section aria-labelledby="days"><h2 id="days">Two weeks</h2><div class="grid2 charts">'
        || learnsync_internal.html_chart_as_owner('Items a day', '', axis, jsonb_build_array(
            jsonb_build_object('name', 'synced', 'tone', 'good', 'values', part.synced),
            jsonb_build_object('name', 'duplicates', 'tone', 'same', 'values', part.duplicates),
            jsonb_build_object('name', 'conflicts', 'tone', 'warn', 'values', part.conflicts),
            jsonb_build_object('name', 'failed', 'tone', 'bad', 'values', part.failed)), true)
        || learnsync_internal.html_chart_as_owner('Success and conflict rate', ' %', axis, jsonb_build_array(
            jsonb_build_object('name', 'success', 'tone', 'good', 'values', part.success),
            jsonb_build_object('name', 'conflicts', 'tone', 'warn', 'values', part.clashes)), false, 100)
        || learnsync_internal.html_chart_as_owner('Average time of a push', ' ms', axis, jsonb_build_array(
            jsonb_build_object('name', 'sync_push', 'tone', 'plain', 'values', part.time)), true)
        || learnsync_internal.html_chart_as_owner('Calls a day', '', axis, jsonb_build_array(
            jsonb_build_object('name', 'calls with items', 'tone', 'plain', 'values', part.calls)), true)
        || '</div></section>';
END
$$;
COMMENT ON FUNCTION learnsync_internal.dashboard_charts_as_owner(jsonb) IS 'The charts of the dashboard.';

-- Of one figure the entries in a given order, as html_bars_as_owner takes them; those that are not named by number.
CREATE OR REPLACE FUNCTION learnsync_internal.dashboard_entries_as_owner(figure jsonb, names text[], shown text[])
    RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT COALESCE(jsonb_agg(jsonb_build_array(COALESCE(shown[array_position(names, f.key)], f.key), f.value)
                ORDER BY array_position(names, f.key), f.value::numeric DESC, f.key), '[]')
            FROM jsonb_each(figure) f);
END
$$;
COMMENT ON FUNCTION learnsync_internal.dashboard_entries_as_owner(jsonb, text[], text[]) IS
    'A figure of several labels, for a table of the dashboard.';

CREATE OR REPLACE FUNCTION learnsync_internal.dashboard_tables_as_owner(figure jsonb) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN '<section aria-labelledby="items"><h2 id="items">What went wrong</h2><div class="grid2">'
        || learnsync_internal.html_bars_as_owner('Failed by code', 'Kept for 90 days, or until a copy is taken', 'Code',
            learnsync_internal.dashboard_entries_as_owner(figure -> 'failed', '{}', '{}'), 'bad')
        || learnsync_internal.html_bars_as_owner('Retry depth', 'Pending items, by how often they were tried again',
            'Tries', learnsync_internal.dashboard_entries_as_owner(figure -> 'tries', '{0,1,2,3,4}',
                '{none yet,once,twice,three times,four times or more}'), 'warn')
        || learnsync_internal.html_bars_as_owner('Anomalies', 'Open ones, by kind; the view learnsync.anomaly has them',
            'Kind', learnsync_internal.dashboard_entries_as_owner(figure -> 'anomalies', '{}', '{}'), 'warn')
        || learnsync_internal.html_bars_as_owner('Failed by version', 'Items of pushes of 7 days, by app',
            'Version', learnsync_internal.dashboard_entries_as_owner(figure -> 'refused_of_version', '{}', '{}'), 'bad')
        || learnsync_internal.html_bars_as_owner('Conflicts by version', 'Items of pushes of 7 days', 'Version',
            learnsync_internal.dashboard_entries_as_owner(figure -> 'conflicts_of_version', '{}', '{}'), 'warn')
        || '</div></section><section aria-labelledby="devices"><h2 id="devices">Active devices</h2>'
           '<div class="grid2">'
        || learnsync_internal.html_bars_as_owner('Version of the app', 'By metadata.appVersion of their pushes',
            'Version', learnsync_internal.dashboard_entries_as_owner(figure -> 'version', '{}', '{}'))
        || learnsync_internal.html_bars_as_owner('Pushes by version', 'Those of 7 days that say of what app they are',
            'Version', learnsync_internal.dashboard_entries_as_owner(figure -> 'calls_of_version', '{}', '{}'))
        || learnsync_internal.html_bars_as_owner('Last sync', 'By how long ago they were last seen', 'Within',
            learnsync_internal.dashboard_entries_as_owner(figure -> 'seen', '{day,week,month,quarter,longer}',
                '{a day,7 days,30 days,90 days,longer ago}'))
        || learnsync_internal.html_bars_as_owner('Clock skew', 'By how far their clocks are off', 'Up to',
            learnsync_internal.dashboard_entries_as_owner(figure -> 'skew', '{5s,5min,1h,1day,more}',
                '{5 seconds,5 minutes,an hour,a day,more}'))
        || '</div></section>';
END
$$;
COMMENT ON FUNCTION learnsync_internal.dashboard_tables_as_owner(jsonb) IS
    'Failed items and devices, on the dashboard.';

CREATE OR REPLACE FUNCTION learnsync_internal.dashboard_channels_as_owner(counts jsonb) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN '<section aria-labelledby="channels"><h2 id="channels">Channels</h2><div class="panel wide" tabindex="0" '
        'role="group" aria-labelledby="channels"><table>'
        '<caption>What came through each function within 7 days</caption><thead><tr><th scope="col">Function</th>'
        || (SELECT string_agg(format('<th scope="col" class="n">%s</th>', h), '') FROM unnest(
            '{Calls,Items,Synced,Conflicts,Duplicates,Failed,Average,Size of an item}'::text[]) h)
        || '</tr></thead><tbody>' || COALESCE((
            SELECT string_agg(format('<tr><th scope="row">%s</th>', learnsync_internal.html_text_as_owner(c.channel))
                    || (SELECT string_agg(format('<td class="n">%s</td>', v), '' ORDER BY n) FROM unnest(ARRAY[
                        learnsync_internal.html_number_as_owner(c.calls),
                        learnsync_internal.html_number_as_owner(c.items),
                        learnsync_internal.html_number_as_owner(c.synced),
                        learnsync_internal.html_number_as_owner(c.conflicts),
                        learnsync_internal.html_number_as_owner(c.duplicates),
                        learnsync_internal.html_number_as_owner(c.failed),
                        learnsync_internal.html_number_as_owner(c.microseconds / 1000 / NULLIF(c.calls, 0), ' ms'),
                        learnsync_internal.html_number_as_owner(round(c.bytes / NULLIF(c.items, 0)), ' B')])
                        WITH ORDINALITY x (v, n)) || '</tr>', '' ORDER BY c.channel)
            FROM (SELECT x.channel, sum(x.calls) AS calls, sum(x.items) AS items, sum(x.synced) AS synced,
                      sum(x.conflicts) AS conflicts, sum(x.duplicates) AS duplicates, sum(x.failed) AS failed,
                      sum(x.microseconds) AS microseconds, sum(x.bytes) AS bytes
                  FROM jsonb_to_recordset(counts) AS x (day date, channel text, calls numeric, items numeric,
                      synced numeric, duplicates numeric, conflicts numeric, failed numeric, bytes numeric,
                      microseconds numeric)
                  WHERE x.day > timezone('UTC', clock_timestamp())::date - 7 GROUP BY x.channel) c),
            '<tr><td colspan="9" class="none">Nothing yet.</td></tr>') || '</tbody></table></div></section>';
END
$$;
COMMENT ON FUNCTION learnsync_internal.dashboard_channels_as_owner(jsonb) IS 'The channels, on the dashboard.';

-- Each day of two weeks, though nothing came on it, with the time of sync_push alone.
CREATE OR REPLACE FUNCTION learnsync_internal.dashboard_days_as_owner(counts jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT jsonb_agg(jsonb_build_object('day', s.day, 'calls', s.calls, 'items', s.items, 'synced', s.synced,
            'duplicates', s.duplicates, 'conflicts', s.conflicts, 'failed', s.failed, 'pushes', s.pushes,
            'milliseconds', s.milliseconds) ORDER BY s.day)
        FROM (SELECT timezone('UTC', clock_timestamp())::date - ago AS day, COALESCE(sum(c.calls), 0) AS calls,
                  COALESCE(sum(c.items), 0) AS items, COALESCE(sum(c.synced), 0) AS synced,
                  COALESCE(sum(c.duplicates), 0) AS duplicates, COALESCE(sum(c.conflicts), 0) AS conflicts,
                  COALESCE(sum(c.failed), 0) AS failed,
                  COALESCE(sum(c.calls) FILTER (WHERE c.channel = 'sync_push'), 0) AS pushes,
                  COALESCE(sum(c.microseconds) FILTER (WHERE c.channel = 'sync_push'), 0) / 1000 AS milliseconds
              FROM generate_series(0, 13) ago
              LEFT JOIN jsonb_to_recordset(counts) AS c (day date, channel text, calls numeric, items numeric,
                  synced numeric, duplicates numeric, conflicts numeric, failed numeric, microseconds numeric)
                  ON c.day = timezone('UTC', clock_timestamp())::date - ago
              GROUP BY ago) s);
END
$$;
COMMENT ON FUNCTION learnsync_internal.dashboard_days_as_owner(jsonb) IS 'The last two weeks, day by day.';

CREATE OR REPLACE FUNCTION learnsync_internal.dashboard_as_owner() RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = on SET enable_bitmapscan = on SET enable_hashjoin = on SET enable_mergejoin = on
    SET enable_memoize = on SET jit = off AS $$
DECLARE
    alerts CONSTANT jsonb := COALESCE(learnsync_internal.alert_list_as_owner(), '[]');
    held CONSTANT bytea := learnsync_internal.held_counts_as_owner();
    counts CONSTANT jsonb := COALESCE((SELECT jsonb_agg(c) FROM learnsync_internal.day_counts_as_owner(held) c
                                       WHERE c.day > timezone('UTC', clock_timestamp())::date - 14), '[]');
    days CONSTANT jsonb := learnsync_internal.dashboard_days_as_owner(counts);
    figure jsonb;
    week jsonb;
BEGIN
    SELECT jsonb_object_agg(f.name, f.labels) INTO figure
    FROM (SELECT x.name, jsonb_object_agg(x.label, x.value) AS labels
          FROM (SELECT * FROM learnsync_internal.figures_as_owner()
                UNION ALL
                SELECT * FROM learnsync_internal.device_figures_as_owner()
                UNION ALL
                SELECT * FROM learnsync_internal.client_figures_as_owner(held)) x
          GROUP BY x.name) f;
    SELECT jsonb_object_agg(s.key, s.value) INTO week
    FROM (SELECT v.key, sum(v.value::numeric) AS value
          FROM jsonb_array_elements(days) d, jsonb_each_text(d - 'day') v
          WHERE (d ->> 'day')::date > timezone('UTC', clock_timestamp())::date - 7 GROUP BY v.key) s;
    RETURN '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src ''none''; style-src ''unsafe-inline''">'
        '<title>learnsync</title><style>' || learnsync_internal.dashboard_style_as_owner() || '</style></head><body>'
        || format('<header><h1>learnsync</h1><p>database <bdi>%s</bdi>, %s UTC, release %s</p></header><main>',
            learnsync_internal.html_text_as_owner(current_database()),
            to_char(timezone('UTC', clock_timestamp()), 'YYYY-MM-DD HH24:MI'),
            (SELECT i.release FROM learnsync_data.instance i))
        || learnsync_internal.dashboard_alerts_as_owner(alerts)
        || learnsync_internal.dashboard_cards_as_owner(figure, alerts, week)
        || learnsync_internal.dashboard_charts_as_owner(days)
        || learnsync_internal.dashboard_tables_as_owner(figure)
        || learnsync_internal.dashboard_channels_as_owner(counts)
        || '</main><footer>Days and times are UTC. Rates are of items that were no duplicates; times end before the '
           'commit.</footer></body></html>';
END
$$;
COMMENT ON FUNCTION learnsync_internal.dashboard_as_owner() IS 'What dashboard() answers, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_api.dashboard() RETURNS learnsync_api."text/html"
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_dashboard';
COMMENT ON FUNCTION learnsync_api.dashboard() IS
    'For administrators: one page with the figures of the whole installation, for a browser; PostgREST sends it as '
    'text/html. It needs no scripts and no other files.';
