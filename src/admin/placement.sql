-- Where contents stand and whom they replace: what a catalog says of it, what is wrong with that, its writing.
CREATE OR REPLACE FUNCTION learnsync_internal.circles_as_owner(tails text[], heads text[]) RETURNS integer[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_circles_as_owner';
COMMENT ON FUNCTION learnsync_internal.circles_as_owner(text[], text[]) IS
    'Which edges, counted from 1, are part of a circle or lead from one to another.';

-- A short form says one placement; what it leaves out stays as it is stored. A content that is in no course has a
-- place, too.
CREATE OR REPLACE FUNCTION learnsync_internal.placements_as_owner(catalog jsonb)
    RETURNS TABLE (n bigint, place text, content_id text, course_id text, parent_id text, "position" jsonb)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH entry AS (
        SELECT e.n, format('contents[%s]', e.n - 1) AS place, e.value AS entry, e.value ->> 'contentId' AS content_id
        FROM jsonb_array_elements(catalog -> 'contents') WITH ORDINALITY e (value, n))
    SELECT e.n, format('%s.placements[%s]', e.place, p.i - 1), e.content_id, COALESCE(p.value ->> 'courseId', ''),
        CASE jsonb_typeof(p.value -> 'parentId') WHEN 'string' THEN p.value ->> 'parentId' END, p.value -> 'position'
    FROM entry e CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(e.entry -> 'placements')
        WHEN 'array' THEN e.entry -> 'placements' ELSE '[]' END) WITH ORDINALITY p (value, i)
    UNION ALL
    SELECT e.n, e.place, e.content_id,
        COALESCE(CASE WHEN e.entry ? 'courseId' THEN e.entry ->> 'courseId' ELSE s.course_id END, ''),
        CASE WHEN NOT e.entry ? 'parentId' THEN s.parent_id
            WHEN jsonb_typeof(e.entry -> 'parentId') = 'string' THEN e.entry ->> 'parentId' END,
        CASE WHEN e.entry ? 'position' THEN e.entry -> 'position' ELSE to_jsonb(s."position") END
    FROM entry e LEFT JOIN LATERAL (
        SELECT s.* FROM learnsync_data.placement s WHERE s.content_id = e.content_id
        ORDER BY s.course_id IS NOT DISTINCT FROM e.entry ->> 'courseId' DESC, s.course_id LIMIT 1) s ON true
    WHERE e.entry ?| '{courseId,parentId,position}' AND NOT e.entry ? 'placements';
END
$$;
COMMENT ON FUNCTION learnsync_internal.placements_as_owner(jsonb) IS
    'The placements that the entries of a catalog will have, of those that say something of them; course_id is empty '
    'where there is none.';

-- Of what is stored only that matters which can be reached from the entries: a circle needs a new edge.
CREATE OR REPLACE FUNCTION learnsync_internal.parent_circles_as_owner(catalog jsonb, touched text[])
    RETURNS TABLE (n bigint, place text, content_id text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE said AS MATERIALIZED (
        SELECT p.* FROM learnsync_internal.placements_as_owner(catalog) p
        WHERE p.parent_id IS NOT NULL AND p.parent_id <> p.content_id
    ), above (course_id, content_id, parent_id) AS (
        SELECT s.course_id COLLATE "C", s.content_id COLLATE "C", s.parent_id COLLATE "C" FROM said s
        UNION
        SELECT a.course_id, a.parent_id, o.parent_id FROM above a CROSS JOIN LATERAL (
            SELECT o.parent_id FROM learnsync_data.placement o
            WHERE o.content_id = a.parent_id AND o.course_id = a.course_id AND o.parent_id IS NOT NULL
                AND o.content_id NOT IN (SELECT unnest(touched)) OFFSET 0) o
    ), edge AS MATERIALIZED (
        SELECT a.*, row_number() OVER () AS i FROM above a
    ), circle AS (
        SELECT unnest(learnsync_internal.circles_as_owner(
            array_agg(jsonb_build_array(e.course_id, e.content_id)::text ORDER BY e.i),
            array_agg(jsonb_build_array(e.course_id, e.parent_id)::text ORDER BY e.i))) AS i
        FROM edge e)
    SELECT s.n, s.place, s.content_id
    FROM circle c JOIN edge e USING (i) JOIN said s USING (course_id, content_id, parent_id);
END
$$;
COMMENT ON FUNCTION learnsync_internal.parent_circles_as_owner(jsonb, text[]) IS
    'The placements of a catalog by which a content is a part of itself.';

CREATE OR REPLACE FUNCTION learnsync_internal.replaces_as_owner(catalog jsonb)
    RETURNS TABLE (n bigint, i bigint, place text, content_id text, value jsonb, replaced_id text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT e.n, r.i, format('contents[%s].replaces[%s]', e.n - 1, r.i - 1), e.value ->> 'contentId', r.value,
        r.value #>> '{}'
    FROM jsonb_array_elements(catalog -> 'contents') WITH ORDINALITY e (value, n)
    CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(e.value -> 'replaces')
        WHEN 'array' THEN e.value -> 'replaces' ELSE '[]' END) WITH ORDINALITY r (value, i);
END
$$;
COMMENT ON FUNCTION learnsync_internal.replaces_as_owner(jsonb) IS 'Whom the entries of a catalog replace.';

CREATE OR REPLACE FUNCTION learnsync_internal.replaces_circles_as_owner(catalog jsonb, touched text[])
    RETURNS TABLE (n bigint, i bigint, place text, content_id text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE said AS MATERIALIZED (
        SELECT r.* FROM learnsync_internal.replaces_as_owner(catalog) r WHERE r.replaced_id <> r.content_id
    ), older (content_id, replaced_id) AS (
        SELECT s.content_id COLLATE "C", s.replaced_id COLLATE "C" FROM said s
        UNION
        SELECT o.replaced_id, x.replaced_id FROM older o CROSS JOIN LATERAL (
            SELECT x.replaced_id FROM learnsync_data.replacement x
            WHERE x.content_id = o.replaced_id AND x.content_id NOT IN (SELECT unnest(touched)) OFFSET 0) x
    ), edge AS MATERIALIZED (
        SELECT o.*, row_number() OVER () AS e FROM older o
    ), circle AS (
        SELECT unnest(learnsync_internal.circles_as_owner(array_agg(e.content_id ORDER BY e.e),
            array_agg(e.replaced_id ORDER BY e.e))) AS e
        FROM edge e)
    SELECT s.n, s.i, s.place, s.content_id
    FROM circle c JOIN edge e USING (e) JOIN said s USING (content_id, replaced_id);
END
$$;
COMMENT ON FUNCTION learnsync_internal.replaces_circles_as_owner(jsonb, text[]) IS
    'Where a content of a catalog replaces itself by way of others.';

-- A content that leaves a course for another may be a second one of the same id: that must be meant.
CREATE OR REPLACE FUNCTION learnsync_internal.placement_problems_as_owner(catalog jsonb)
    RETURNS TABLE (n bigint, i bigint, path text, code text, id text, message text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    places constant text[] := '{placements,courseId,parentId,position}';
    touched constant text[] := ARRAY(SELECT e ->> 'contentId' FROM jsonb_array_elements(catalog -> 'contents') e
                                     WHERE e ?| places AND e ? 'contentId');
    renewed constant text[] := ARRAY(SELECT e ->> 'contentId' FROM jsonb_array_elements(catalog -> 'contents') e
                                     WHERE e ? 'replaces' AND e ? 'contentId');
BEGIN
    RETURN QUERY
    WITH entry AS MATERIALIZED (
        SELECT e.n, format('contents[%s]', e.n - 1) AS place, e.value AS entry, e.value ->> 'contentId' AS content_id
        FROM jsonb_array_elements(catalog -> 'contents') WITH ORDINALITY e (value, n)
        WHERE jsonb_typeof(e.value) = 'object'
    ), element AS MATERIALIZED (
        SELECT e.n, p.i, format('%s.placements[%s]', e.place, p.i - 1) AS place, p.value, e.content_id
        FROM entry e CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(e.entry -> 'placements')
            WHEN 'array' THEN e.entry -> 'placements' ELSE '[]' END) WITH ORDINALITY p (value, i)
    ), placed AS MATERIALIZED (
        SELECT p.* FROM learnsync_internal.placements_as_owner(catalog) p
    ), replaced AS MATERIALIZED (
        SELECT r.* FROM learnsync_internal.replaces_as_owner(catalog) r)
    SELECT e.n, 0::bigint, e.place || m.member, 'invalid', e.content_id, m.message
    FROM entry e CROSS JOIN LATERAL (VALUES
        ('.placements', jsonb_typeof(e.entry -> 'placements') IN ('array', 'null'),
            'placements must be an array of objects'),
        ('.placements', NOT (e.entry ? 'placements' AND e.entry ?| '{courseId,parentId,position}'),
            'placements go without courseId, parentId and position, which are their short form'),
        ('.position', jsonb_typeof(e.entry -> 'position') IN ('number', 'null'), 'position must be a number'),
        ('.replaces', jsonb_typeof(e.entry -> 'replaces') IN ('array', 'null'),
            'replaces must be an array of ids')) m (member, fine, message)
    WHERE NOT m.fine
    UNION ALL
    SELECT p.n, p.i, p.place || m.member, 'invalid', p.content_id, m.message
    FROM element p CROSS JOIN LATERAL (VALUES
        ('', jsonb_typeof(p.value) = 'object', 'a placement must be an object'),
        ('.courseId', COALESCE(learnsync_internal.is_id_as_owner(NULLIF(p.value -> 'courseId', 'null')), false),
            'courseId must be a string of 1 to 200 characters'),
        ('.parentId', learnsync_internal.is_id_as_owner(p.value -> 'parentId'),
            'parentId must be a string of 1 to 200 characters'),
        ('.position', jsonb_typeof(p.value -> 'position') IN ('number', 'null'), 'position must be a number'),
        ('', CASE jsonb_typeof(p.value) WHEN 'object' THEN p.value - '{courseId,parentId,position}'::text[] = '{}'
            ELSE true END,
            'a placement has courseId, parentId and position, and nothing else')) m (member, fine, message)
    WHERE NOT m.fine AND (m.member = '' OR jsonb_typeof(p.value) = 'object')
    UNION ALL
    SELECT d.n, d.i, d.place || '.courseId', 'invalid', d.content_id, 'the content has another placement in this course'
    FROM (SELECT p.*, row_number() OVER (PARTITION BY p.n, p.value -> 'courseId' ORDER BY p.i) AS copy FROM element p
          WHERE jsonb_typeof(p.value -> 'courseId') = 'string') d
    WHERE d.copy > 1
    UNION ALL
    SELECT e.n, 0, e.place, 'invalid', e.content_id,
        'the content stands in several courses: parentId and position go with courseId or in placements'
    FROM entry e
    WHERE e.entry ?| '{parentId,position}' AND NOT e.entry ?| '{courseId,placements}'
        AND (SELECT count(*) FROM learnsync_data.placement s WHERE s.content_id = e.content_id) > 1
    UNION ALL
    SELECT e.n, 0, e.place || CASE WHEN e.entry ? 'placements' THEN '.placements' ELSE '.courseId' END,
        'duplicate_content', e.content_id, format('contentId is in the catalog for course %s', to_json(s.course_id))
    FROM entry e CROSS JOIN LATERAL (
        SELECT o.course_id FROM learnsync_data.placement o WHERE o.content_id = e.content_id OFFSET 0) s
    WHERE (catalog -> 'move') IS DISTINCT FROM 'true' AND s.course_id <> '' AND e.entry ?| '{placements,courseId}'
        AND EXISTS (SELECT FROM placed p WHERE p.n = e.n AND p.course_id <> '')
        AND (e.n, s.course_id) NOT IN (SELECT p.n, p.course_id FROM placed p)
    UNION ALL
    SELECT p.n, 0, p.place || '.parentId', w.code, p.content_id, w.message
    FROM placed p CROSS JOIN LATERAL (SELECT
        CASE WHEN p.parent_id = p.content_id THEN 'invalid' ELSE 'unknown_content' END AS code,
        CASE WHEN p.parent_id = p.content_id THEN 'parentId is the content itself' ELSE format(
            'parentId is neither in the catalog nor among the contents: %s', to_json(p.parent_id)) END AS message) w
    WHERE p.parent_id = p.content_id
        OR p.parent_id NOT IN (SELECT o.content_id FROM entry o WHERE o.content_id IS NOT NULL)
            AND (SELECT c.content_id FROM learnsync_data.content c WHERE c.content_id = p.parent_id) IS NULL
    UNION ALL
    SELECT c.n, 0, c.place || '.parentId', 'invalid', c.content_id, 'by parentId the content is a part of itself'
    FROM learnsync_internal.parent_circles_as_owner(catalog, touched) c
    UNION ALL
    SELECT r.n, r.i, r.place, w.code, r.content_id, w.message
    FROM (SELECT x.*, row_number() OVER (PARTITION BY x.n, x.value ORDER BY x.i) AS copy FROM replaced x) r
    CROSS JOIN LATERAL (SELECT
        CASE WHEN jsonb_typeof(r.value) <> 'string' OR NOT learnsync_internal.is_id_as_owner(r.value) OR r.copy > 1
                OR r.replaced_id = r.content_id THEN 'invalid'
            WHEN r.replaced_id NOT IN (SELECT o.content_id FROM entry o WHERE o.content_id IS NOT NULL)
                AND (SELECT c.content_id FROM learnsync_data.content c WHERE c.content_id = r.replaced_id) IS NULL
                THEN 'unknown_content' END AS code,
        CASE WHEN jsonb_typeof(r.value) <> 'string' OR NOT learnsync_internal.is_id_as_owner(r.value)
            THEN 'what is replaced must be a string of 1 to 200 characters'
            WHEN r.copy > 1 THEN 'the id is in the list twice'
            WHEN r.replaced_id = r.content_id THEN 'a content cannot replace itself'
            ELSE format('replaces is neither in the catalog nor among the contents: %s', to_json(r.replaced_id))
            END AS message) w
    WHERE w.code IS NOT NULL
    UNION ALL
    SELECT c.n, c.i, c.place, 'invalid', c.content_id, 'by way of others the content replaces itself'
    FROM learnsync_internal.replaces_circles_as_owner(catalog, renewed) c;
END
$$;
COMMENT ON FUNCTION learnsync_internal.placement_problems_as_owner(jsonb) IS
    'What is wrong with placements and replaces of a catalog.';

-- What an entry says of its places is all of them. The contents are written already.
CREATE OR REPLACE FUNCTION learnsync_internal.write_placements_as_owner(catalog jsonb) RETURNS text[]
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    contents text[];
    courses text[];
    parents text[];
    positions numeric[];
    written text[];
    removed text[];
BEGIN
    SELECT array_agg(p.content_id), array_agg(p.course_id), array_agg(p.parent_id),
        array_agg((NULLIF(p."position", 'null') #>> '{}')::numeric)
    INTO contents, courses, parents, positions
    FROM learnsync_internal.placements_as_owner(catalog) p
    WHERE p.course_id <> '' OR p.parent_id IS NOT NULL OR NULLIF(p."position", 'null') IS NOT NULL;
    WITH gone AS (
        DELETE FROM learnsync_data.placement s WHERE s.ctid = ANY (ARRAY(
            SELECT o.place FROM jsonb_array_elements(catalog -> 'contents') e CROSS JOIN LATERAL (
                SELECT x.ctid AS place, x.content_id, x.course_id FROM learnsync_data.placement x
                WHERE x.content_id = e ->> 'contentId' OFFSET 0) o
            WHERE e ?| '{placements,courseId,parentId,position}'
                AND (o.content_id, o.course_id) NOT IN (SELECT p.c, p.k FROM unnest(contents, courses) p (c, k))))
        RETURNING s.content_id)
    SELECT array_agg(g.content_id) INTO removed FROM gone g;
    WITH put AS (
        INSERT INTO learnsync_data.placement AS s (content_id, course_id, parent_id, "position", listed)
        SELECT p.*, c.kind = 'lesson' AND NOT c.retired
        FROM unnest(contents, courses, parents, positions) p (content_id, course_id, parent_id, "position")
        CROSS JOIN LATERAL (
            SELECT x.kind, x.retired FROM learnsync_data.content x WHERE x.content_id = p.content_id OFFSET 0) c
        ON CONFLICT (content_id, course_id)
            DO UPDATE SET parent_id = EXCLUDED.parent_id, "position" = EXCLUDED."position"
        WHERE (s.parent_id, s."position") IS DISTINCT FROM (EXCLUDED.parent_id, EXCLUDED."position")
        RETURNING s.content_id)
    SELECT array_agg(p.content_id) INTO written FROM put p;
    UPDATE learnsync_data.placement s SET listed = NOT s.listed WHERE s.ctid = ANY (ARRAY(
        SELECT o.place FROM jsonb_array_elements(catalog -> 'contents') e CROSS JOIN LATERAL (
            SELECT x.kind = 'lesson' AND NOT x.retired AS is_listed FROM learnsync_data.content x
            WHERE x.content_id = e ->> 'contentId' OFFSET 0) c
        CROSS JOIN LATERAL (
            SELECT x.ctid AS place, x.listed FROM learnsync_data.placement x
            WHERE x.content_id = e ->> 'contentId' OFFSET 0) o
        WHERE o.listed <> c.is_listed));
    RETURN removed || written;
END
$$;
COMMENT ON FUNCTION learnsync_internal.write_placements_as_owner(jsonb) IS
    'Writes the placements that a catalog says; whose changed.';

CREATE OR REPLACE FUNCTION learnsync_internal.write_replaces_as_owner(catalog jsonb) RETURNS text[]
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    written text[];
    removed text[];
BEGIN
    WITH gone AS (
        DELETE FROM learnsync_data.replacement x WHERE x.ctid = ANY (ARRAY(
            SELECT o.place FROM jsonb_array_elements(catalog -> 'contents') e CROSS JOIN LATERAL (
                SELECT s.ctid AS place, s.replaced_id FROM learnsync_data.replacement s
                WHERE s.content_id = e ->> 'contentId' OFFSET 0) o
            WHERE e ? 'replaces' AND NOT COALESCE((e -> 'replaces') ? o.replaced_id, false)))
        RETURNING x.content_id)
    SELECT array_agg(g.content_id) INTO removed FROM gone g;
    WITH put AS (
        INSERT INTO learnsync_data.replacement AS x (content_id, replaced_id)
        SELECT r.content_id, r.replaced_id FROM learnsync_internal.replaces_as_owner(catalog) r
        ON CONFLICT (content_id, replaced_id) DO NOTHING RETURNING x.content_id)
    SELECT array_agg(p.content_id) INTO written FROM put p;
    RETURN removed || written;
END
$$;
COMMENT ON FUNCTION learnsync_internal.write_replaces_as_owner(jsonb) IS
    'Writes whom the contents of a catalog replace; whose changed.';
