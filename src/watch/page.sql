-- Parts of the dashboard's page: text, tables and charts. What comes from clients goes through html_text_as_owner and
-- nothing else. No scripts, no assets; each chart's numbers stand in a table below it.

CREATE OR REPLACE FUNCTION learnsync_internal.html_text_as_owner(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN replace(replace(replace(replace(replace(value,
        '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;');
END
$$;
COMMENT ON FUNCTION learnsync_internal.html_text_as_owner(text) IS 'Text as it stands in HTML, attributes included.';

CREATE OR REPLACE FUNCTION learnsync_internal.html_number_as_owner(value numeric, unit text DEFAULT '') RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN COALESCE(CASE WHEN unit = '' OR value = trunc(value) THEN to_char(value, 'FM999,999,999,999,990')
                         ELSE to_char(value, 'FM999,999,999,990.0') END || unit, '–');
END
$$;
COMMENT ON FUNCTION learnsync_internal.html_number_as_owner(numeric, text) IS
    'A number as the dashboard shows it; a dash where there is none.';

CREATE OR REPLACE FUNCTION learnsync_internal.html_age_as_owner(age interval) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    minutes CONSTANT bigint := extract(epoch FROM age) / 60;
BEGIN
    RETURN CASE WHEN minutes < 2 THEN 'just now' WHEN minutes < 120 THEN minutes || ' min ago'
        WHEN minutes < 2880 THEN minutes / 60 || ' h ago' ELSE minutes / 1440 || ' days ago' END;
END
$$;
COMMENT ON FUNCTION learnsync_internal.html_age_as_owner(interval) IS 'How long ago something was, in words.';

CREATE OR REPLACE FUNCTION learnsync_internal.html_card_as_owner(label text, value text, note text,
    is_bad boolean DEFAULT false)
    RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN format('<div class="card%s"><dt>%s</dt><dd><b>%s</b><span>%s</span></dd></div>',
        CASE WHEN is_bad THEN ' bad' ELSE '' END, label, value, note);
END
$$;
COMMENT ON FUNCTION learnsync_internal.html_card_as_owner(text, text, text, boolean) IS
    'One figure, its name and what it is about; set off where it is bad.';

-- entries: [[name, number], ...] in the order in which they are shown.
CREATE OR REPLACE FUNCTION learnsync_internal.html_bars_as_owner(title text, caption text, head text, entries jsonb,
    tone text DEFAULT 'plain')
    RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most CONSTANT numeric := (SELECT max((e ->> 1)::numeric) FROM jsonb_array_elements(entries) e);
BEGIN
    RETURN format('<section class="panel"><h3>%s</h3>', title) || CASE WHEN most IS NULL
        THEN '<p class="none">None.</p>'
        ELSE format('<table><caption>%s</caption><thead><tr><th scope="col">%s</th>'
                    '<th scope="col" class="n">Number</th>'
                    '<td></td></tr></thead><tbody>', caption, head)
            || (SELECT string_agg(format('<tr><th scope="row"><bdi>%s</bdi></th><td class="n">%s</td><td class="bar">'
                    '<svg class="%s" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
                    '<rect class="rest" width="100" height="10"/><rect width="%s" height="10"/></svg></td></tr>',
                    learnsync_internal.html_text_as_owner(e.e ->> 0),
                    learnsync_internal.html_number_as_owner((e.e ->> 1)::numeric), tone,
                    round(100 * (e.e ->> 1)::numeric / greatest(most, 1), 1)), '' ORDER BY e.n)
                FROM jsonb_array_elements(entries) WITH ORDINALITY e (e, n))
            || '</tbody></table>' END || '</section>';
END
$$;
COMMENT ON FUNCTION learnsync_internal.html_bars_as_owner(text, text, text, jsonb, text) IS
    'A table of numbers by name, with a bar each.';

-- The least of 1, 2 and 5 times a power of ten that is not less.
CREATE OR REPLACE FUNCTION learnsync_internal.html_top_as_owner(most numeric) RETURNS numeric
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    power numeric;
BEGIN
    IF most IS NULL OR most <= 1 THEN
        RETURN 1;
    END IF;
    power := power(10::numeric, floor(log(most)));
    RETURN (SELECT min(f * power) FROM unnest('{1,2,5,10}'::numeric[]) f WHERE f * power >= most);
END
$$;
COMMENT ON FUNCTION learnsync_internal.html_top_as_owner(numeric) IS 'Where the axis of a chart ends.';

-- The frame of a chart of days: lines and numbers of the axis to the left, the first, middle and last day below.
CREATE OR REPLACE FUNCTION learnsync_internal.html_axes_as_owner(days date[], top numeric, unit text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT string_agg(format('<line class="grid" x1="54" x2="420" y1="%1$s" y2="%1$s"/>'
                '<text x="48" y="%2$s" text-anchor="end">%3$s</text>', 160 - 150 * s, 164 - 150 * s,
                CASE WHEN top >= 10000 THEN trim_scale(round(top * s / 1000, 1)) || ' k'
                    ELSE trim_scale(round(top * s, 1)) || unit END), '')
            FROM unnest('{0,0.5,1}'::numeric[]) s)
        || (SELECT string_agg(format('<text x="%s" y="180" text-anchor="%s">%s</text>',
                CASE p WHEN 1 THEN 54 WHEN array_length(days, 1) THEN 420
                    ELSE round(54 + 366.0 * (p - 0.5) / array_length(days, 1), 1) END,
                CASE p WHEN 1 THEN 'start' WHEN array_length(days, 1) THEN 'end' ELSE 'middle' END,
                to_char(days[p], 'FMDD Mon')), '')
            FROM unnest(ARRAY[1, (array_length(days, 1) + 1) / 2, array_length(days, 1)]) p);
END
$$;
COMMENT ON FUNCTION learnsync_internal.html_axes_as_owner(date[], numeric, text) IS 'The axes of a chart of days.';

-- series: [{"name", "tone", "values": [a number or null for each day]}, ...].
CREATE OR REPLACE FUNCTION learnsync_internal.html_columns_as_owner(days date[], series jsonb, top numeric) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    slot CONSTANT numeric := 366.0 / array_length(days, 1);
BEGIN
    RETURN COALESCE((
        SELECT string_agg(format('<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>', v.tone,
                round(54 + slot * (v.day - 1) + slot * 0.14, 1), round(160 - 150 * v.upto / top, 1),
                round(slot * 0.72, 1), round(150 * v.value / top, 1)), '' ORDER BY v.day, v.place)
        FROM (SELECT s.s ->> 'tone' AS tone, d.n AS day, s.n AS place, d.v::numeric AS value,
                  sum(COALESCE(d.v, '0')::numeric) OVER (PARTITION BY d.n ORDER BY s.n) AS upto
              FROM jsonb_array_elements(series) WITH ORDINALITY s (s, n),
                  jsonb_array_elements_text(s.s -> 'values') WITH ORDINALITY d (v, n)) v
        WHERE v.value > 0), '');
END
$$;
COMMENT ON FUNCTION learnsync_internal.html_columns_as_owner(date[], jsonb, numeric) IS
    'The columns of a chart of days, one series on top of the other.';

CREATE OR REPLACE FUNCTION learnsync_internal.html_lines_as_owner(days date[], series jsonb, top numeric) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    slot CONSTANT numeric := 366.0 / array_length(days, 1);
BEGIN
    RETURN COALESCE((
        SELECT string_agg(format('<polyline class="%s" points="%s"/>%s', p.tone, p.points, p.dots), '')
        FROM (SELECT v.tone, string_agg(v.x || ',' || v.y, ' ' ORDER BY v.x) AS points,
                  string_agg(format('<circle class="%s" cx="%s" cy="%s" r="3"/>', v.tone, v.x, v.y), '') AS dots
              FROM (SELECT s.s ->> 'tone' AS tone, s.n AS place, round(54 + slot * (d.n - 0.5), 1) AS x,
                        round(160 - 150 * d.v::numeric / top, 1) AS y
                    FROM jsonb_array_elements(series) WITH ORDINALITY s (s, n),
                        jsonb_array_elements_text(s.s -> 'values') WITH ORDINALITY d (v, n)
                    WHERE d.v IS NOT NULL) v
              GROUP BY v.tone, v.place ORDER BY v.place) p), '');
END
$$;
COMMENT ON FUNCTION learnsync_internal.html_lines_as_owner(date[], jsonb, numeric) IS
    'The lines of a chart of days, one for each series.';

-- The numbers that a chart shows, for whoever does not see it.
CREATE OR REPLACE FUNCTION learnsync_internal.html_numbers_as_owner(title text, unit text, days date[], series jsonb)
    RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN format('<details><summary>Numbers<span class="hidden"> of %1$s</span></summary>'
            '<div class="wide" tabindex="0" role="group" aria-label="%1$s">'
            '<table><caption class="hidden">%1$s</caption><thead><tr><th scope="col">Day (UTC)</th>', title)
        || (SELECT string_agg(format('<th scope="col" class="n">%s</th>', s.s ->> 'name'), '' ORDER BY s.n)
            FROM jsonb_array_elements(series) WITH ORDINALITY s (s, n)) || '</tr></thead><tbody>'
        || (SELECT string_agg(r.row, '' ORDER BY r.day DESC)
            FROM (SELECT d.n AS day, format('<tr><th scope="row">%s</th>', to_char(days[d.n], 'YYYY-MM-DD'))
                      || string_agg(format('<td class="n">%s</td>',
                          learnsync_internal.html_number_as_owner(d.v::numeric, unit)), '' ORDER BY s.n)
                      || '</tr>' AS row
                  FROM jsonb_array_elements(series) WITH ORDINALITY s (s, n),
                      jsonb_array_elements_text(s.s -> 'values') WITH ORDINALITY d (v, n)
                  GROUP BY d.n) r)
        || '</tbody></table></div></details>';
END
$$;
COMMENT ON FUNCTION learnsync_internal.html_numbers_as_owner(text, text, date[], jsonb) IS 'The table below a chart.';

CREATE OR REPLACE FUNCTION learnsync_internal.html_chart_as_owner(title text, unit text, days date[], series jsonb,
    stacked boolean, top numeric DEFAULT NULL)
    RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last CONSTANT integer := array_length(days, 1) - 1;
    said CONSTANT text := (
        SELECT string_agg(format('%s %s', s.s ->> 'name', learnsync_internal.html_number_as_owner(
                (s.s -> 'values' ->> last)::numeric, unit)), ', ' ORDER BY s.n)
        FROM jsonb_array_elements(series) WITH ORDINALITY s (s, n));
    ends CONSTANT numeric := COALESCE(top, learnsync_internal.html_top_as_owner((
        SELECT max(d.day) FROM (
            SELECT sum(v.v::numeric) AS day FROM jsonb_array_elements(series) s,
                jsonb_array_elements_text(s -> 'values') WITH ORDINALITY v (v, n)
            GROUP BY v.n) d)));
BEGIN
    RETURN format('<section class="panel"><h3>%1$s</h3><figure><svg viewBox="0 0 424 188" role="img" '
            'aria-label="%1$s, %2$s to %3$s. %3$s: %4$s.">', title, to_char(days[1], 'FMDD Mon'),
            to_char(days[last + 1], 'FMDD Mon'), said)
        || learnsync_internal.html_axes_as_owner(days, ends, unit)
        || CASE WHEN stacked THEN learnsync_internal.html_columns_as_owner(days, series, ends)
            ELSE learnsync_internal.html_lines_as_owner(days, series, ends) END
        || '</svg><figcaption>'
        || (SELECT string_agg(format('<span><i class="%s" aria-hidden="true"></i>%s</span>', s.s ->> 'tone',
                s.s ->> 'name'), '' ORDER BY s.n) FROM jsonb_array_elements(series) WITH ORDINALITY s (s, n))
        || '</figcaption></figure>' || learnsync_internal.html_numbers_as_owner(title, unit, days, series)
        || '</section>';
END
$$;
COMMENT ON FUNCTION learnsync_internal.html_chart_as_owner(text, text, date[], jsonb, boolean, numeric) IS
    'A chart of days, columns on top of each other or lines, with its legend and numbers.';
