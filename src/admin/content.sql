-- The content catalog: register_content, validate_content.
CREATE OR REPLACE FUNCTION learnsync_internal.is_id_as_owner(value jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
SELECT CASE jsonb_typeof(value) WHEN 'string' THEN char_length(value #>> '{}') BETWEEN 1 AND 200 ELSE value = 'null' END
$$;
COMMENT ON FUNCTION learnsync_internal.is_id_as_owner(jsonb) IS 'Whether a JSON value can be an optional id.';

CREATE OR REPLACE FUNCTION learnsync_internal.beyond_limits_as_owner(value jsonb, place text) RETURNS text[]
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'learnsync_beyond_limits_as_owner';
COMMENT ON FUNCTION learnsync_internal.beyond_limits_as_owner(jsonb, text) IS
    'What of a content is beyond the limits of size, depth and numbers: JSON path, code, message.';

-- Planned for any catalog: a plan for this one would hold copies of it, which are made in one go. What is stored is
-- looked up by index, whatever the planner believes of the number of entries; entries themselves are joined as sets.
CREATE OR REPLACE FUNCTION learnsync_internal.content_problems_as_owner(catalog jsonb)
    RETURNS TABLE (path text, code text, id text, message text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = on SET enable_mergejoin = on SET jit = off AS $$
BEGIN
    IF jsonb_typeof(catalog) IS DISTINCT FROM 'object' OR jsonb_typeof(catalog -> 'contents') IS DISTINCT FROM 'array'
        OR jsonb_typeof(COALESCE(catalog -> 'move', 'false')) <> 'boolean' THEN
        RAISE EXCEPTION 'malformed catalog' USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'It must be {"contents": [...], "move": true|false}, with move optional.';
    END IF;
    RETURN QUERY
    WITH entry AS MATERIALIZED (
        SELECT e.n, format('contents[%s]', e.n - 1) AS place, e.value AS entry, e.value ->> 'contentId' AS content_id
        FROM jsonb_array_elements(catalog -> 'contents') WITH ORDINALITY e (value, n)
    ), interaction AS MATERIALIZED (
        SELECT e.n, i.n AS i, format('%s.interactionIds[%s]', e.place, i.n - 1) AS place, i.value,
            i.value #>> '{}' AS interaction_id, e.content_id
        FROM entry e CROSS JOIN LATERAL jsonb_array_elements(
            CASE jsonb_typeof(e.entry -> 'interactionIds') WHEN 'array' THEN e.entry -> 'interactionIds' ELSE '[]' END)
            WITH ORDINALITY i (value, n)
    ), problem AS (
        SELECT e.n, 0::bigint AS i, e.place || m.member AS path, 'invalid' AS code, e.content_id AS id, m.message
        FROM entry e CROSS JOIN LATERAL (VALUES
            ('', jsonb_typeof(e.entry) = 'object', 'a content must be an object'),
            ('.contentId', COALESCE(jsonb_typeof(e.entry -> 'contentId') = 'string'
                AND learnsync_internal.is_id_as_owner(e.entry -> 'contentId'), false),
                'contentId must be a string of 1 to 200 characters'),
            ('.courseId', learnsync_internal.is_id_as_owner(e.entry -> 'courseId'),
                'courseId must be a string of 1 to 200 characters'),
            ('.parentId', learnsync_internal.is_id_as_owner(e.entry -> 'parentId'),
                'parentId must be a string of 1 to 200 characters'),
            ('.kind', learnsync_internal.is_id_as_owner(e.entry -> 'kind'),
                'kind must be a string of 1 to 200 characters'),
            ('.retired', jsonb_typeof(e.entry -> 'retired') IN ('boolean', 'null'), 'retired must be true or false'),
            ('.interactionIds', jsonb_typeof(e.entry -> 'interactionIds') IN ('array', 'null'),
                'interactionIds must be an array of strings')) m (member, fine, message)
        WHERE NOT m.fine AND (m.member = '' OR jsonb_typeof(e.entry) = 'object')
        UNION ALL
        SELECT e.n, 0, l.problem[1], l.problem[2], e.content_id, l.problem[3]
        FROM entry e CROSS JOIN LATERAL (SELECT learnsync_internal.beyond_limits_as_owner(e.entry, e.place)) l (problem)
        WHERE l.problem IS NOT NULL
        UNION ALL
        SELECT i.n, i.i, i.place, 'invalid', i.interaction_id,
            'an interaction id must be a string of 1 to 200 characters'
        FROM interaction i WHERE NOT learnsync_internal.is_id_as_owner(i.value) OR jsonb_typeof(i.value) = 'null'
        UNION ALL
        SELECT d.n, 0, d.place || '.contentId', 'duplicate_content', d.content_id,
            format('contentId is that of %s, too', d.first)
        FROM (SELECT e.*, first_value(e.place) OVER w AS first, row_number() OVER w AS copy FROM entry e
              WHERE e.content_id IS NOT NULL WINDOW w AS (PARTITION BY e.content_id ORDER BY e.n)) d
        WHERE d.copy > 1
        UNION ALL
        SELECT p.* FROM learnsync_internal.placement_problems_as_owner(catalog) p
        UNION ALL
        SELECT d.n, d.i, d.place, 'duplicate_interaction', d.interaction_id,
            format('the interaction id is that of %s, too', d.first)
        FROM (SELECT i.*, first_value(i.place) OVER w AS first, row_number() OVER w AS copy FROM interaction i
              WHERE i.interaction_id IS NOT NULL WINDOW w AS (PARTITION BY i.interaction_id ORDER BY i.n, i.i)) d
        WHERE d.copy > 1
        UNION ALL
        -- A content of the same call that gives its interactions anew may leave one to another.
        SELECT i.n, i.i, i.place, 'duplicate_interaction', i.interaction_id,
            format('the interaction id is in the catalog for content %s', to_json(s.content_id))
        FROM interaction i CROSS JOIN LATERAL (
            SELECT o.content_id FROM learnsync_data.interaction o WHERE o.interaction_id = i.interaction_id OFFSET 0) s
        WHERE s.content_id <> i.content_id AND s.content_id NOT IN (
            SELECT o.content_id FROM entry o
            WHERE o.content_id IS NOT NULL AND jsonb_typeof(o.entry -> 'interactionIds') = 'array'))
    SELECT p.path, p.code, p.id, p.message FROM problem p ORDER BY p.n, p.i, p.path, p.message;
END
$$;
COMMENT ON FUNCTION learnsync_internal.content_problems_as_owner(jsonb) IS
    'What is wrong with a catalog, in its order: JSON path, code, id, message.';

CREATE OR REPLACE FUNCTION learnsync_internal.validate_content_as_owner(catalog jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT jsonb_build_object('valid', count(*) = 0, 'problems', COALESCE(jsonb_agg(to_jsonb(p)), '[]'))
            FROM learnsync_internal.content_problems_as_owner(catalog) p);
END
$$;
COMMENT ON FUNCTION learnsync_internal.validate_content_as_owner(jsonb) IS
    'What validate_content does, as the owner of the tables.';

-- Those who write look up by index, too, each in its turn; nothing here joins entries with entries. What is stored is
-- found behind OFFSET 0 and written by its place, or by a list of ids: of a table that was empty when it was vacuumed,
-- the planner would go through all rows for each entry. The lock of register_content() keeps rows in their places.
CREATE OR REPLACE FUNCTION learnsync_internal.write_contents_as_owner(catalog jsonb,
    OUT added text[], OUT changed text[])
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    known constant text[] := '{contentId,courseId,parentId,position,placements,replaces,kind,retired,interactionIds}';
BEGIN
    WITH added AS (
        INSERT INTO learnsync_data.content AS c (content_id, kind, retired, data)
        SELECT e ->> 'contentId', COALESCE(e ->> 'kind', 'lesson'), COALESCE((e ->> 'retired')::boolean, false),
            e - known
        FROM jsonb_array_elements(catalog -> 'contents') e
        ON CONFLICT (content_id) DO NOTHING RETURNING c.content_id)
    SELECT array_agg(a.content_id) INTO added FROM added a;
    WITH changed AS (
        UPDATE learnsync_data.content c SET kind = n.kind, retired = n.retired, data = n.data
        FROM (SELECT s.place, COALESCE(e ->> 'kind', s.kind) AS kind,
                  COALESCE((e ->> 'retired')::boolean, s.retired) AS retired, s.data || (e - known) AS data
              FROM jsonb_array_elements(catalog -> 'contents') e CROSS JOIN LATERAL (
                  SELECT x.ctid AS place, x.kind, x.retired, x.data FROM learnsync_data.content x
                  WHERE x.content_id = e ->> 'contentId' OFFSET 0) s) n
        WHERE c.ctid = n.place
            AND (c.kind, c.retired, c.data) IS DISTINCT FROM (n.kind, n.retired, n.data)
        RETURNING c.content_id)
    SELECT array_agg(c.content_id) INTO changed FROM changed c;
END
$$;
COMMENT ON FUNCTION learnsync_internal.write_contents_as_owner(jsonb) IS
    'Writes the contents of a catalog, but for where they stand; which were added, and which changed.';

-- What an entry says of its interactions is all of them.
CREATE OR REPLACE FUNCTION learnsync_internal.write_interactions_as_owner(catalog jsonb) RETURNS text[]
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    written text[];
    removed text[];
BEGIN
    WITH gone AS (
        SELECT i.interaction_id, i.content_id
        FROM jsonb_array_elements(catalog -> 'contents') e CROSS JOIN LATERAL (
            SELECT x.interaction_id, x.content_id FROM learnsync_data.interaction x
            WHERE x.content_id = e ->> 'contentId' OFFSET 0) i
        WHERE jsonb_typeof(e -> 'interactionIds') = 'array'
        EXCEPT
        SELECT a.id COLLATE "C", (e ->> 'contentId') COLLATE "C"
        FROM jsonb_array_elements(catalog -> 'contents') e
            CROSS JOIN LATERAL jsonb_array_elements_text(COALESCE(NULLIF(e -> 'interactionIds', 'null'), '[]')) a (id)
    ), removed AS (
        DELETE FROM learnsync_data.interaction i
        WHERE i.interaction_id = ANY (ARRAY(SELECT g.interaction_id FROM gone g))
        RETURNING i.content_id)
    SELECT array_agg(r.content_id) INTO removed FROM removed r;
    WITH assigned AS (
        INSERT INTO learnsync_data.interaction AS i (interaction_id, content_id)
        SELECT a.id, e ->> 'contentId' FROM jsonb_array_elements(catalog -> 'contents') e
            CROSS JOIN LATERAL jsonb_array_elements_text(COALESCE(NULLIF(e -> 'interactionIds', 'null'), '[]')) a (id)
        ON CONFLICT (interaction_id) DO NOTHING RETURNING i.content_id)
    SELECT array_agg(a.content_id) INTO written FROM assigned a;
    RETURN removed || written;
END
$$;
COMMENT ON FUNCTION learnsync_internal.write_interactions_as_owner(jsonb) IS
    'Writes the interactions that a catalog says; whose changed.';

-- The lock keeps others from registering the same ids between the check and the write; readers go on.
CREATE OR REPLACE FUNCTION learnsync_internal.register_content_as_owner(catalog jsonb) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    problems text[];
    added text[];
    changed text[];
BEGIN
    LOCK TABLE learnsync_data.content IN SHARE ROW EXCLUSIVE MODE;
    SELECT array_agg(format('%s: %s', p.path, p.message)) INTO problems
    FROM learnsync_internal.content_problems_as_owner(catalog) p;
    IF problems IS NOT NULL THEN
        RAISE EXCEPTION 'the catalog is refused, as % of its entries or references are wrong', cardinality(problems)
            USING ERRCODE = 'invalid_parameter_value', DETAIL = array_to_string(problems[1:10], E'\n'),
                  HINT = 'validate_content lists all of them.';
    END IF;
    SELECT w.* INTO added, changed FROM learnsync_internal.write_contents_as_owner(catalog) w;
    changed := changed || learnsync_internal.write_placements_as_owner(catalog)
        || learnsync_internal.write_replaces_as_owner(catalog)
        || learnsync_internal.write_interactions_as_owner(catalog);
    changed := ARRAY(SELECT unnest(changed) EXCEPT SELECT unnest(added) ORDER BY 1);
    RETURN jsonb_build_object(
        'answer', jsonb_build_object('contents', jsonb_array_length(catalog -> 'contents'),
            'added', COALESCE(cardinality(added), 0), 'changed', cardinality(changed)),
        'changes', CASE WHEN COALESCE(cardinality(added || changed), 0) > 0 THEN
            jsonb_build_object('added', COALESCE(cardinality(added), 0), 'changed', cardinality(changed),
                'ids', to_jsonb((added || changed)[1:100])) END);
END
$$;
COMMENT ON FUNCTION learnsync_internal.register_content_as_owner(jsonb) IS
    'What register_content does, as the owner of the tables: its answer, and what the audit is to say.';

CREATE OR REPLACE FUNCTION learnsync.register_content(catalog jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_register_content';
COMMENT ON FUNCTION learnsync.register_content(jsonb) IS
    'Adds contents to the catalog, or changes those that it has. catalog: {contents: [{contentId, placements?: '
    '[{courseId, parentId?, position?}], courseId?, parentId?, position? (the short form of one placement), replaces? '
    '(ids of contents whose progress counts for it), kind? (default lesson), interactionIds?, retired?, ...}], '
    'move?}. A member that is absent stays as it is stored, other members are kept. Ids of contents and of '
    'interactions are unique in the whole catalog; a content leaves a course for another only with move: true. '
    'Answer: {contents, added, changed}: how many were given, were new, were not what was stored. Errors: 22023 '
    'something is wrong, then nothing is written.';

CREATE OR REPLACE FUNCTION learnsync.validate_content(catalog jsonb) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_validate_content';
COMMENT ON FUNCTION learnsync.validate_content(jsonb) IS
    'Checks a catalog as register_content would, writing nothing. Answer: {valid, problems: [{path, code: '
    'invalid|out_of_range|too_large|duplicate_content|duplicate_interaction|unknown_content, id, message}]}. A '
    'content has the limits of an item: learnsync.max_item_bytes, learnsync.max_depth, numbers that a double can hold. '
    'Errors: 22023 not a catalog.';
