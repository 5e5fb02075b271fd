-- The laws that strategies declare, over random items and states: whatever learnsync.merge_strategies() lists is
-- tested.
BEGIN;
SELECT * FROM no_plan();
SELECT setseed(0.42);

CREATE FUNCTION pg_temp.one_of(VARIADIC jsonb[]) RETURNS jsonb LANGUAGE sql AS
$$ SELECT $1[1 + floor(random() * cardinality($1))::int] $$;

CREATE FUNCTION pg_temp.scalar() RETURNS jsonb LANGUAGE sql AS $$
SELECT pg_temp.one_of('null', 'true', 'false', '0', '1', '1.0', '-2.5', '1e3', '""', '"a"', '"B"', '"ä"', '"日本"',
    '[]', '{}', '[1]', '{"a": 1}')
$$;

CREATE FUNCTION pg_temp.list() RETURNS jsonb LANGUAGE sql AS $$
SELECT coalesce(jsonb_agg(CASE WHEN random() < 0.2 THEN pg_temp.scalar()
        ELSE jsonb_build_object('id', pg_temp.one_of('"m1"', '"m2"', '"m3"', '7', '""', 'null'),
            't', pg_temp.scalar())
            || CASE WHEN random() < 0.2 THEN '{"deleted": true}' ELSE '{}' END::jsonb END),
    '[]')
FROM generate_series(1, floor(random() * 4)::int)
$$;

CREATE FUNCTION pg_temp.map() RETURNS jsonb LANGUAGE sql AS $$
SELECT coalesce(jsonb_object_agg(pg_temp.one_of('"a"', '"b"', '"c"', '""', '"aa"') #>> '{}', pg_temp.scalar()), '{}')
FROM generate_series(1, floor(random() * 4)::int)
$$;

-- A value that a field of that type takes, or something else where it takes anything.
CREATE FUNCTION pg_temp.value(strategy text, type text) RETURNS jsonb LANGUAGE sql AS $$
SELECT CASE
    WHEN random() < 0.05 THEN 'null'
    WHEN strategy = 'rank' THEN pg_temp.one_of('"low"', '2', '"high"')
    WHEN type = 'fraction' THEN to_jsonb(floor(random() * 17) / 2 - 4)
    WHEN type = 'number' THEN to_jsonb(floor(random() * 7)::int - 3)
    WHEN type = 'number or string' THEN pg_temp.one_of('1', '1.0', '-3', '2.5', '"1"', '"b"', '"ä"')
    WHEN type = 'integer' THEN to_jsonb(floor(random() * 7)::int - 3)
    WHEN type = 'string' THEN pg_temp.one_of('""', '"a"', '"B"', '"b"', '"aa"', '"ä"', '"日本"')
    WHEN type = 'boolean' THEN to_jsonb(random() < 0.5)
    WHEN type = 'array' THEN pg_temp.list()
    WHEN type = 'object' THEN pg_temp.map()
    ELSE pg_temp.scalar() END
$$;

CREATE TEMP TABLE law AS
SELECT s.strategy AS name, s.value_type, s.commutative, s.associative, s.idempotent,
    jsonb_build_object('policy', 'merge',
        'fields', jsonb_build_object('f', jsonb_build_object('merge', s.strategy)
                || CASE s.strategy
                    WHEN 'rank' THEN '{"values": ["low", 2, "high"]}'
                    WHEN 'union' THEN '{"id": "id"}'
                    ELSE '{}' END::jsonb)) AS rule
FROM learnsync.merge_strategies() s
UNION ALL
SELECT 'union of the latest members', 'array', true, true, true,
    '{"policy": "merge", "fields": {"f": {"merge": "union", "id": "id", "members": "latest"}}}'
UNION ALL
SELECT 'policy ' || policy, 'any', true, true, true, jsonb_build_object('policy', policy)
FROM unnest(ARRAY['latest', 'insert_only', 'immutable', 'server_wins', 'client_wins', 'manual']) policy
UNION ALL
SELECT 'policy latest by clock', 'number', true, true, true, '{"policy": "latest", "clock": "f"}'
UNION ALL
SELECT name, type, true, true, idempotent, rule
FROM (VALUES
    ('union of what is in the arrays', 'array', true, '{"fields": {"f": {"merge": "union"}}}'::jsonb),
    ('union by one of several ids', 'array', true,
        '{"fields": {"f": {"merge": "union", "id": ["t", "id"], "members": "first", "type": "array"}}}'),
    ('max of what is rounded and capped', 'fraction', true,
        '{"fields": {"f": {"merge": "max", "type": "number", "round": 0, "cap": 2, "min": -4, "max": 4}}}'),
    ('sum of what is rounded and capped', 'fraction', false,
        '{"stale": "discard", "fields": {"f": {"merge": "sum", "type": "integer", "round": 0, "cap": 1}}}'),
    ('counter of what is capped', 'fraction', true,
        '{"fields": {"f": {"merge": "counter", "type": "number", "cap": 2}}}'),
    ('first_time in a range', 'fraction', true, '{"stale": "ignore", "fields": {"f": {"merge": "min"},
        "t": {"merge": "first_time", "when": {"f": {"above": -1, "to": 2}}}}}'),
    ('last_time from a value', 'fraction', true, '{"stale": "merge", "fields": {"f": {"merge": "max"},
        "t": {"merge": "last_time", "when": {"f": {"from": 1}}}}}'),
    ('latest of texts', 'string', true,
        '{"other": "ignore", "fields": {"f": {"type": "string", "maxLength": 2}, "other": {"type": "any"}}}'),
    ('policy latest of what is rounded', 'fraction', true,
        '{"policy": "latest", "format": "json", "fields": {"f": {"type": "number", "round": 0, "cap": 2}}}'))
    v (name, type, idempotent, rule);

CREATE TEMP TABLE item AS
SELECT name, n, floor(random() * 120)::int AS part, 'd' || floor(random() * 3) AS device,
    timestamptz '2026-01-08 10:00Z' + floor(random() * 12) * interval '1 microsecond' * 400 AS at,
    CASE WHEN random() < 0.1 THEN '{}' ELSE jsonb_build_object('f', pg_temp.value(name, value_type)) END
    || CASE WHEN random() < 0.3 THEN jsonb_build_object('other', pg_temp.scalar()) ELSE '{}' END AS data
FROM law, generate_series(1, 600) n;

-- A state per part, made by merging its items as they come.
CREATE FUNCTION pg_temp.fold(rule learnsync.merge_rule, items item[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE state jsonb; i item;
BEGIN
    FOREACH i IN ARRAY items LOOP
        state := learnsync.merge(rule, state, i.data, i.at, i.device);
    END LOOP;
    RETURN state;
END
$$;

CREATE TEMP TABLE state AS
SELECT i.name, i.part, l.rule::learnsync.merge_rule,
    learnsync.merge_agg(l.rule::learnsync.merge_rule, i.data, i.at, i.device) AS agg,
    pg_temp.fold(l.rule::learnsync.merge_rule, array_agg(i ORDER BY i.at,
        CASE WHEN l.name ~ '^policy (latest|client)' THEN i.data END, i.data)) AS folded
FROM item i JOIN law l USING (name) GROUP BY i.name, i.part, l.rule, l.name;

SELECT cmp_ok((SELECT count(*)::int FROM law), '>=', 20, 'strategies and policies');
SELECT cmp_ok(count(DISTINCT agg)::int, '>', 20, name || ': the states differ from each other') FROM state
GROUP BY name ORDER BY name;

CREATE TEMP TABLE triple AS
SELECT a.name, a.rule, a.agg AS a, b.agg AS b, c.agg AS c FROM state a JOIN state b USING (name)
JOIN state c USING (name)
WHERE b.part = (a.part * 7 + 3) % 120 AND c.part = (a.part * 11 + 5) % 120;

SELECT is(
    (SELECT count(*) FROM triple t
     WHERE t.name = law.name
         AND learnsync.merge_states(rule, a, b) IS DISTINCT FROM learnsync.merge_states(rule, b, a)),
    0::bigint,
    name || ' is commutative')
FROM law WHERE commutative ORDER BY name;
SELECT is(
    (SELECT count(*) FROM triple t
     WHERE t.name = law.name AND learnsync.merge_states(rule, learnsync.merge_states(rule, a, b), c)
         IS DISTINCT FROM learnsync.merge_states(rule, a, learnsync.merge_states(rule, b, c))),
    0::bigint,
    name || ' is associative')
FROM law WHERE associative ORDER BY name;
SELECT is(
    (SELECT count(*) FROM triple t WHERE t.name = law.name AND learnsync.merge_states(rule, a, a) IS DISTINCT FROM a),
    0::bigint,
    name || ' is idempotent')
FROM law WHERE idempotent ORDER BY name;
SELECT cmp_ok(
    (SELECT count(*)::int FROM triple t
     WHERE t.name = law.name AND learnsync.merge_states(rule, a, a) IS DISTINCT FROM a),
    '>',
    0,
    name || ' does not claim to be idempotent, and is not')
FROM law WHERE NOT idempotent ORDER BY name;

-- A state says all there is to say: it goes on from where it was, and an older item finds its place.
SELECT is(
    (SELECT count(*) FROM triple t
     WHERE t.name = law.name AND learnsync.merge_states(rule, NULL, a) IS DISTINCT FROM a),
    0::bigint,
    name || ': nothing and a state is the state')
FROM law ORDER BY name;

-- The aggregate: as if merged in the order of the instants, alone or in parallel, and in any order of rows.
SELECT is(
    (SELECT count(*) FROM state s WHERE s.name = law.name AND s.agg IS DISTINCT FROM s.folded),
    0::bigint,
    name || ': the aggregate is the fold')
FROM law ORDER BY name;
SELECT is(
    (SELECT count(*)
     FROM (SELECT learnsync.merge_agg(law.rule::learnsync.merge_rule, i.data, i.at,
               i.device ORDER BY i.n DESC) AS agg,
               i.part
           FROM item i WHERE i.name = law.name GROUP BY i.part) r
     JOIN state s ON s.name = law.name AND s.part = r.part WHERE r.agg <> s.agg),
    0::bigint,
    name || ': in any order')
FROM law ORDER BY name;

CREATE TABLE public.law_item AS
SELECT i.*, l.rule::learnsync.merge_rule FROM item i JOIN law l USING (name), generate_series(1, 20);
ANALYZE public.law_item;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
CREATE TEMP TABLE plan (line text);
DO $$
DECLARE line text;
BEGIN
    FOR line IN EXPLAIN (COSTS OFF)
    SELECT name, learnsync.merge_agg(rule, data, at, device) FROM public.law_item GROUP BY name LOOP
        INSERT INTO plan VALUES (line);
    END LOOP;
END
$$;
SELECT isnt_empty($$SELECT FROM plan WHERE line ~ 'Partial .*Aggregate'$$, 'the aggregate runs in parallel');
CREATE TEMP TABLE parallel_fold AS
SELECT name, learnsync.merge_agg(rule, data, at, device) AS agg FROM public.law_item GROUP BY name;
SET LOCAL max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE serial_fold AS
SELECT name, learnsync.merge_agg(rule, data, at, device) AS agg FROM public.law_item GROUP BY name;
SELECT is(p.agg, s.agg, p.name || ': parallel as serial') FROM parallel_fold p JOIN serial_fold s USING (name)
ORDER BY name;

SELECT * FROM finish();
ROLLBACK;
