-- What the extension and its tables are, a line an object: two databases that are alike print the same.
SET search_path = pg_catalog;
WITH schema (oid, name) AS (
    SELECT n.oid, n.nspname FROM pg_namespace n WHERE n.nspname LIKE 'learnsync%'),
part (class, objid) AS (
    SELECT 'pg_proc'::regclass, p.oid FROM pg_proc p JOIN schema s ON s.oid = p.pronamespace
    UNION ALL SELECT 'pg_class', c.oid FROM pg_class c JOIN schema s ON s.oid = c.relnamespace
    UNION ALL SELECT 'pg_type', t.oid FROM pg_type t JOIN schema s ON s.oid = t.typnamespace
    UNION ALL SELECT 'pg_operator', o.oid FROM pg_operator o JOIN schema s ON s.oid = o.oprnamespace
    UNION ALL SELECT 'pg_cast', d.objid FROM pg_depend d
        WHERE d.classid = 'pg_cast'::regclass AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
            AND d.refobjid = (SELECT e.oid FROM pg_extension e WHERE e.extname = 'learnsync')),
line AS (
    SELECT concat_ws(' ', 'member', pg_describe_object(d.classid, d.objid, 0)) AS text
    FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'learnsync'
    WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
    UNION ALL
    SELECT concat_ws(' ', 'object', pg_describe_object(p.class, p.objid, 0), quote_literal(obj_description(p.objid,
        p.class::regclass::name)))
    FROM part p
    UNION ALL
    SELECT concat_ws(' ', 'function', p.oid::regprocedure, pg_get_userbyid(p.proowner), p.proacl::text,
        CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END)
    FROM pg_proc p JOIN schema s ON s.oid = p.pronamespace
    UNION ALL
    SELECT concat_ws(' ', 'aggregate', row_to_json(a)) FROM (
        SELECT a.aggfnoid, a.aggkind, a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
            a.aggtranstype::regtype, a.agginitval, p.proparallel, p.proisstrict, p.provolatile
        FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid JOIN schema s ON s.oid = p.pronamespace) a
    UNION ALL
    SELECT concat_ws(' ', 'type', row_to_json(t)) FROM (
        SELECT t.oid::regtype, t.typtype, t.typlen, t.typbyval, t.typalign, t.typstorage, t.typinput, t.typoutput,
            t.typreceive, t.typsend, t.typnotnull, t.typbasetype::regtype, t.typdefault
        FROM pg_type t JOIN schema s ON s.oid = t.typnamespace) t
    UNION ALL
    SELECT concat_ws(' ', 'cast', pg_describe_object(p.class, p.objid, 0), c.castfunc::regprocedure, c.castcontext)
    FROM part p JOIN pg_cast c ON c.oid = p.objid WHERE p.class = 'pg_cast'::regclass
    UNION ALL
    SELECT concat_ws(' ', 'operator', o.oid::regoperator, o.oprcode, o.oprcom::regoperator, o.oprnegate::regoperator)
    FROM pg_operator o JOIN schema s ON s.oid = o.oprnamespace
    UNION ALL
    SELECT concat_ws(' ', 'relation', c.oid::regclass, c.relkind, pg_get_userbyid(c.relowner), c.relacl::text,
        c.reloptions::text, c.relrowsecurity, c.relforcerowsecurity,
        CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) WHEN 'i' THEN pg_get_indexdef(c.oid) END)
    FROM pg_class c JOIN schema s ON s.oid = c.relnamespace
    UNION ALL
    -- By order, not by number: a column that was added later has another one.
    SELECT concat_ws(' ', 'column', a.attrelid::regclass,
        row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum), a.attname, format_type(a.atttypid, a.atttypmod),
        a.attnotnull, a.attacl::text, a.attstorage, pg_get_expr(f.adbin, f.adrelid),
        (SELECT l.collname FROM pg_collation l WHERE l.oid = a.attcollation),
        quote_literal(col_description(a.attrelid, a.attnum)))
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN schema s ON s.oid = c.relnamespace
        LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT concat_ws(' ', 'constraint', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
    FROM pg_constraint c JOIN schema s ON s.oid = c.connamespace
    UNION ALL
    SELECT concat_ws(' ', 'policy', p.polrelid::regclass, p.polname, p.polcmd, p.polpermissive,
        (SELECT string_agg(r::regrole::text, ',' ORDER BY r::regrole::text) FROM unnest(p.polroles) r),
        pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN schema s ON s.oid = c.relnamespace
    UNION ALL
    SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid)) FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid JOIN schema s ON s.oid = c.relnamespace
    UNION ALL
    SELECT concat_ws(' ', 'schema', n.nspname, pg_get_userbyid(n.nspowner), n.nspacl::text)
    FROM pg_namespace n JOIN schema s ON s.oid = n.oid
    UNION ALL
    SELECT concat_ws(' ', 'layout', i.schema_version, i.release) FROM learnsync_data.instance i
    UNION ALL
    SELECT concat_ws(' ', 'extension', e.extversion, e.extrelocatable) FROM pg_extension e
    WHERE e.extname = 'learnsync')
SELECT replace(text, E'\n', ' ') FROM line ORDER BY text COLLATE "C";
