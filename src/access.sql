-- Who may call what, and which rows they see. Nothing is granted to PUBLIC.
-- The one place that says it: each routine that one kind of role may call. An admin may call what a service may.
-- The views of learnsync_api need no line.
CREATE OR REPLACE FUNCTION learnsync_internal.access_list() RETURNS TABLE (kind text, routine text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
VALUES
            ('learner', 'learnsync_api.sync_push(jsonb)'),
            ('learner', 'learnsync_api.sync_pull(jsonb)'),
            ('learner', 'learnsync_api.sync_devices()'),
            ('learner', 'learnsync_api.sync_resolve(jsonb)'),
            ('learner', 'learnsync_api.sync_status(text, text, integer)'),
            ('learner', 'learnsync_api.sync_deactivate_device(jsonb)'),
            ('learner', 'learnsync_api.sync_verify(jsonb)'),
            ('learner', 'learnsync_api.sync_why(jsonb)'),
            ('learner', 'learnsync_api.xapi_export(timestamptz)'),
            ('learner', 'learnsync_api.progress_put(jsonb)'),
            ('learner', 'learnsync_api.progress_get(text, integer)'),
            ('learner', 'learnsync_api.sync_progress(jsonb)'),
            ('learner', 'learnsync_api.sync_completions(jsonb)'),
            ('learner', 'learnsync_api.progress_batch(jsonb)'),
            ('learner', 'learnsync_api.set_learner(jsonb)'),
            ('learner', 'learnsync_api.openapi()'),
            ('learner', 'learnsync.streak(timestamptz[], jsonb)'),
            ('learner', 'learnsync.current_days()'),
            ('learner', 'learnsync.current_learner()'),
            ('learner', 'learnsync.current_learners()'),
            ('report', 'learnsync.streak(timestamptz[], jsonb)'),
            ('service', 'learnsync.sync_push(text, jsonb)'),
            ('service', 'learnsync.sync_pull(text, jsonb)'),
            ('service', 'learnsync.sync_devices(text)'),
            ('service', 'learnsync.sync_resolve(text, jsonb)'),
            ('service', 'learnsync.sync_correct(text, jsonb)'),
            ('service', 'learnsync.sync_uncorrect(text, jsonb)'),
            ('service', 'learnsync.sync_status(text, text, text, integer)'),
            ('service', 'learnsync.sync_deactivate_device(text, jsonb)'),
            ('service', 'learnsync.sync_verify(text, jsonb)'),
            ('service', 'learnsync.sync_why(text, jsonb)'),
            ('service', 'learnsync.sync_activate_device(text, jsonb)'),
            ('service', 'learnsync_api.sync_activate_device(jsonb)'),
            ('service', 'learnsync.xapi_export(text, timestamptz)'),
            ('service', 'learnsync.sync_progress(text, jsonb)'),
            ('service', 'learnsync.sync_completions(text, jsonb)'),
            ('service', 'learnsync.progress_batch(text, jsonb)'),
            ('service', 'learnsync.set_learner(text, jsonb)'),
            ('service', 'learnsync.streak(timestamptz[], jsonb)'),
            ('service', 'learnsync.current_days()'),
            ('service', 'learnsync.add_profile(text, text)'),
            ('service', 'learnsync.remove_profile(text)'),
            ('service', 'learnsync.current_learner()'),
            ('service', 'learnsync.current_learners()'),
            ('service', 'learnsync.xapi_validate(jsonb, text)'),
            ('service', 'learnsync.xapi_equal(jsonb, jsonb)'),
            ('service', 'learnsync.item_codes()'),
            ('service', 'learnsync.json_schema(text, text)'),
            ('service', 'learnsync.openapi()'),
            ('service', 'learnsync.typescript()'),
            ('service', 'learnsync.failed_items(text, timestamptz)'),
            ('service', 'learnsync.pushes(text, timestamptz)'),
            ('service', 'learnsync.outbox_take(text, integer, integer)'),
            ('service', 'learnsync.outbox_done(text, text)'),
            ('service', 'learnsync.outbox_failed(text, text, text, jsonb)'),
            ('service', 'learnsync.outbox_retry(text, text)'),
            ('service', 'learnsync.outboxes()'),
            ('service', 'learnsync.outbox_dead(text)'),
            ('service', 'learnsync.progress_put(text, jsonb)'),
            ('service', 'learnsync.progress_get(text, text, integer)'),
            ('service', 'learnsync.progress_agg(text, anyelement, text, jsonb)'),
            ('service', 'learnsync_internal.progress_concat(learnsync.progress, learnsync.progress)'),
            ('service', 'learnsync_internal.progress_eq(learnsync.progress, learnsync.progress)'),
            ('service', 'learnsync_internal.progress_ne(learnsync.progress, learnsync.progress)'),
            ('service', 'learnsync_internal.progress_to_jsonb(learnsync.progress)'),
            ('service', 'learnsync_internal.progress_send(learnsync.progress)'),
            ('service', 'learnsync_internal.progress_from_bytea(bytea)'),
            ('admin', 'learnsync.resource_verify(text)'),
            ('admin', 'learnsync.progress_verify()'),
            ('admin', 'learnsync.progress_rebuild()'),
            ('admin', 'learnsync_internal.progress_rebuild_next(text, bigint, bigint)'),
            ('admin', 'learnsync.define_resource_type(text, jsonb, boolean, boolean)'),
            ('admin', 'learnsync.rebase(text)'),
            ('admin', 'learnsync.rebases()'),
            ('admin', 'learnsync_internal.next_to_rebase(text, text)'),
            ('admin', 'learnsync_internal.rebase_learner(text, text)'),
            ('admin', 'learnsync_internal.end_rebase(text)'),
            ('admin', 'learnsync_internal.rebase_list()'),
            ('admin', 'learnsync.drop_resource_type(text)'),
            ('admin', 'learnsync.reset_resource_type(text)'),
            ('admin', 'learnsync.builtin_resource_types()'),
            ('admin', 'learnsync.merge_strategies()'),
            ('service', 'learnsync_internal.merge_rule_from_jsonb(jsonb)'),
            ('service', 'learnsync.merge(learnsync.merge_rule, jsonb, jsonb, timestamptz, text)'),
            ('service', 'learnsync.merge_states(learnsync.merge_rule, jsonb, jsonb)'),
            ('service', 'learnsync.document(learnsync.merge_rule, jsonb)'),
            ('service', 'learnsync.merge_agg(learnsync.merge_rule, jsonb, timestamptz, text)'),
            ('admin', 'learnsync.register_content(jsonb)'),
            ('admin', 'learnsync.validate_content(jsonb)'),
            ('admin', 'learnsync_api.sync_cleanup(jsonb)'),
            ('admin', 'learnsync_api.metrics()'),
            ('admin', 'learnsync_api.dashboard()'),
            ('admin', 'learnsync.alerts()'),
            ('admin', 'learnsync.app_days(date)'),
            ('admin', 'learnsync_internal.app_day_list(date)'),
            ('admin', 'learnsync_internal.alert_list()'),
            ('admin', 'learnsync.maintain(integer)'),
            ('admin', 'learnsync_internal.maintain_step(integer, jsonb)'),
            ('admin', 'learnsync_internal.tell(text, bigint, bigint)'),
            ('admin', 'learnsync.retry_failed(text, text)'),
            ('admin', 'learnsync_internal.retry(text, text, boolean)'),
            ('admin', 'learnsync_internal.next_to_retry(text, text, boolean)'),
            ('admin', 'learnsync_internal.retry_learner(text, text, boolean)'),
            ('admin', 'learnsync_internal.postpone_retry(text, text)'),
            ('admin', 'learnsync.unseen_devices(integer, integer)'),
            ('admin', 'learnsync.drop_devices(integer)'),
            ('admin', 'learnsync.deactivate_device(text, boolean)'),
            ('admin', 'learnsync.forget_learner(text)'),
            ('admin', 'learnsync.remember_learner(text)'),
            ('admin', 'learnsync.new_epoch()'),
            ('admin', 'learnsync.close_anomaly(text, text, text, text)'),
            ('admin', 'learnsync_internal.verify_piece(integer)'),
            ('admin', 'learnsync_internal.verify_some()'),
            ('admin', 'learnsync.outbox_add(text, jsonb)'),
            ('admin', 'learnsync.outbox_drop(text)'),
            ('service', 'learnsync.part_of(text, integer)'),
            ('admin', 'learnsync.shard_parts()'),
            ('admin', 'learnsync.shard_state()'),
            ('admin', 'learnsync_internal.shard_enter(text, text, text, text)'),
            ('admin', 'learnsync_internal.shard_rows(text, text, text, text, text, text)'),
            ('admin', 'learnsync_internal.shard_change_begin(jsonb)'),
            ('admin', 'learnsync_internal.shard_change_end(boolean)'),
            ('admin', 'learnsync_internal.shard_change_run(text, jsonb)'),
            ('admin', 'learnsync.part_hold(integer, integer, integer)'),
            ('admin', 'learnsync.part_publication_sql(integer)'),
            ('admin', 'learnsync.part_fence(integer)'),
            ('admin', 'learnsync.part_accept(integer, jsonb)'),
            ('admin', 'learnsync.part_verify(integer)'),
            ('admin', 'learnsync.part_purge(integer, integer)'),
            ('admin', 'learnsync.digest(jsonb)')
$$;
COMMENT ON FUNCTION learnsync_internal.access_list() IS
    'What grant_access grants: routines by kind of role.';

-- Row security: which rows of which tables readers see. What stands in no policy is closed: a right to read all tables
-- of the schema does not open it.
CREATE OR REPLACE FUNCTION learnsync_internal.see_to_row_security_as_owner(name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT (SELECT c.relrowsecurity FROM pg_class c WHERE c.oid = format('learnsync_data.%I', name)::regclass) THEN
        PERFORM learnsync_internal.change_tables_as_owner(
            format('ALTER TABLE learnsync_data.%I ENABLE ROW LEVEL SECURITY', name));
    END IF;
END
$$;
COMMENT ON FUNCTION learnsync_internal.see_to_row_security_as_owner(text) IS 'Closes a table to all but its owner.';

-- The condition is compared with what the server prints of the one that is there: written otherwise, it would be made
-- anew each time.
CREATE OR REPLACE FUNCTION learnsync_internal.see_to_policy_as_owner(policy text, name text, condition text)
    RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation constant regclass := format('learnsync_data.%I', name);
BEGIN
    PERFORM learnsync_internal.see_to_row_security_as_owner(name);
    IF NOT EXISTS (SELECT FROM pg_policy p
                   WHERE p.polrelid = relation AND p.polname = policy AND p.polcmd = 'r' AND p.polpermissive
                       AND p.polroles = '{0}' AND pg_get_expr(p.polqual, p.polrelid) = condition) THEN
        PERFORM learnsync_internal.change_tables_as_owner(format('DROP POLICY IF EXISTS %I ON %s', policy, relation));
        EXECUTE format('CREATE POLICY %I ON %s FOR SELECT USING (%s)', policy, relation, condition);
    END IF;
END
$$;
COMMENT ON FUNCTION learnsync_internal.see_to_policy_as_owner(text, text, text) IS
    'Opens those rows of a table to readers for which a condition holds, and no others.';

CREATE OR REPLACE FUNCTION learnsync_internal.see_to_policies_as_owner() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['instance', 'forgotten', 'interaction', 'day_count', 'day_client', 'outbox',
        'outbox_mark', 'outbox_dead', 'part', 'shard_change'] LOOP
        PERFORM learnsync_internal.see_to_row_security_as_owner(name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['rebased', 'ledger', 'instant', 'event', 'progress', 'progress_interaction'] LOOP
        PERFORM learnsync_internal.see_to_policy_as_owner('own_rows', name,
            '(learner_id = ( SELECT learnsync.current_learner() AS current_learner))');
    END LOOP;
    -- What a view shows the owner of a profile, too.
    FOREACH name IN ARRAY ARRAY['learner', 'device', 'resource', 'member', 'xapi_statement', 'push', 'conflict',
        'failed', 'progress_content'] LOOP
        PERFORM learnsync_internal.see_to_policy_as_owner('own_rows', name,
            '(learner_id = ANY (( SELECT learnsync.current_learners() AS current_learners)::text[]))');
    END LOOP;
    PERFORM learnsync_internal.see_to_policy_as_owner('own_rows', 'profile',
        '(owner = ( SELECT learnsync.current_learner() AS current_learner))');
    FOREACH name IN ARRAY ARRAY['content', 'placement', 'replacement'] LOOP
        PERFORM learnsync_internal.see_to_policy_as_owner('all_rows', name, 'true');
    END LOOP;
    -- Of those only who may call what services may: a right to read all tables of a schema is soon given.
    PERFORM learnsync_internal.see_to_policy_as_owner('rows_of_services', 'audit',
        '( SELECT has_function_privilege(''learnsync.failed_items(text, timestamp with time zone)''::text, '
        '''EXECUTE''::text) AS has_function_privilege)');
    FOREACH name IN ARRAY ARRAY['anomaly', 'verify_round'] LOOP
        PERFORM learnsync_internal.see_to_policy_as_owner('rows_of_admins', name,
            '( SELECT has_function_privilege(''learnsync.close_anomaly(text, text, text, text)''::text, '
            '''EXECUTE''::text) AS has_function_privilege)');
    END LOOP;
END
$$;
COMMENT ON FUNCTION learnsync_internal.see_to_policies_as_owner() IS
    'Sees to it that readers find their own rows in the tables, and no others. Part of setup().';

-- The role of a call that grants or revokes, refused where it is none or where its rights are not ours to change.
CREATE OR REPLACE FUNCTION learnsync_internal.access_owner(role text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner text;
BEGIN
    SELECT pg_get_userbyid(c.relowner) INTO owner FROM pg_class c
    WHERE c.oid = to_regclass('learnsync_data.instance');
    IF owner IS NULL THEN
        RAISE EXCEPTION 'learnsync is not set up'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run SELECT learnsync.setup(); as a superuser.';
    END IF;
    IF role IS NULL OR NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
        RAISE EXCEPTION 'role % does not exist', COALESCE('"' || role || '"', 'NULL')
            USING ERRCODE = 'undefined_object';
    END IF;
    IF role = owner THEN
        RAISE EXCEPTION 'role "%" owns the tables', role
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'It has the rights that it needs; grant access to other roles.';
    END IF;
    RETURN owner;
END
$$;
COMMENT ON FUNCTION learnsync_internal.access_owner(text) IS
    'The owner of the tables, if access can be granted to this role.';

-- Who may read what. A learner: the views of learnsync_api and learnsync_report that stand on the rows of learners,
-- which excludes those that a team puts there for others, and the tables below them, since whoever reads such a view
-- reads its tables. Of learner no more columns than the views show.
CREATE OR REPLACE FUNCTION learnsync_internal.access_relations()
    RETURNS TABLE (kind text, relation regclass, columns text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
WITH views AS (
    SELECT v.oid, k.kind FROM pg_class v
    JOIN (VALUES ('learner', to_regnamespace('learnsync_api')), ('learner', to_regnamespace('learnsync_report')),
            ('report', to_regnamespace('learnsync_report'))) k (kind, schema) ON k.schema = v.relnamespace
    WHERE v.relkind = 'v' AND 'security_invoker=true' = ANY (v.reloptions)
        AND (v.oid = to_regclass('learnsync_report.content') OR EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = v.oid AND a.attname = 'learner_id'))
)
SELECT v.kind, v.oid::regclass, '' FROM views v
UNION
SELECT v.kind, t.oid::regclass,
    CASE WHEN t.oid = to_regclass('learnsync_data.learner') THEN ' (learner_id, days)' ELSE '' END
FROM views v
JOIN pg_rewrite r ON r.ev_class = v.oid
JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_class t ON t.oid = d.refobjid AND t.relnamespace = to_regnamespace('learnsync_data') AND t.relrowsecurity
UNION
SELECT 'service', r::regclass, '' FROM unnest('{learnsync_api.audit,learnsync_data.audit}'::text[]) r
UNION
SELECT 'admin', r::regclass, ''
FROM unnest('{learnsync.anomaly,learnsync_data.anomaly,learnsync.verify_round,learnsync_data.verify_round}'::text[]) r
$$;
COMMENT ON FUNCTION learnsync_internal.access_relations() IS
    'What grant_access lets a kind of role read: views and the tables below them, all columns where none are said.';

-- Reports read all rows by a policy for their roles. A condition that asks who reads would keep those who may read a
-- few rows from finding them by index.
CREATE OR REPLACE FUNCTION learnsync_internal.open_to_reports(role text, is_open boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    change text;
BEGIN
    SELECT 'LOCK TABLE ' || string_agg(t.name, ', ' ORDER BY t.name) || ' IN ACCESS EXCLUSIVE MODE; '
        || string_agg(t.change, '; ' ORDER BY t.name) INTO change
    FROM (SELECT o.polrelid::regclass::text AS name,
              CASE WHEN p.oid IS NULL
                  THEN format('CREATE POLICY rows_of_reports ON %s FOR SELECT TO %I USING (true)',
                      o.polrelid::regclass, role)
                  WHEN r.roles IS NULL THEN format('DROP POLICY rows_of_reports ON %s', o.polrelid::regclass)
                  ELSE format('ALTER POLICY rows_of_reports ON %s TO %s', o.polrelid::regclass, r.roles) END AS change
          FROM learnsync_internal.access_relations() a
          JOIN pg_policy o ON o.polrelid = a.relation AND o.polname = 'own_rows'
          LEFT JOIN pg_policy p ON p.polrelid = a.relation AND p.polname = 'rows_of_reports'
          CROSS JOIN LATERAL (SELECT string_agg(quote_ident(n.name), ', ') AS roles
                              FROM (SELECT x.rolname AS name FROM pg_roles x
                                    WHERE x.oid = ANY (p.polroles) AND x.rolname <> open_to_reports.role
                                    UNION ALL SELECT open_to_reports.role WHERE is_open) n) r
          WHERE a.kind = 'report' AND is_open <> EXISTS (
              SELECT FROM pg_roles x WHERE x.oid = ANY (p.polroles) AND x.rolname = open_to_reports.role)) t;
    IF change IS NOT NULL THEN
        PERFORM learnsync_internal.run_patiently(change);
    END IF;
END
$$;
COMMENT ON FUNCTION learnsync_internal.open_to_reports(text, boolean) IS
    'Lets a role read the rows of all learners by the views of learnsync_report, or no longer. Part of grant_access() '
    'and revoke_access().';

-- Readers filter with conditions of their own, over HTTP with regular expressions, which can be made to run for ever.
-- The limit goes to the role and not to one database of it, as PostgREST looks there. One that the role has, or that
-- holds for all roles here, stays.
CREATE OR REPLACE FUNCTION learnsync_internal.limit_statements(role text) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present text;
BEGIN
    SELECT split_part(o, '=', 2) INTO present
    FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) o
    WHERE o LIKE 'statement\_timeout=%'
        AND (s.setrole = (SELECT r.oid FROM pg_roles r WHERE r.rolname = role) AND s.setdatabase = 0
            OR s.setrole = 0
                AND s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
                AND split_part(o, '=', 2) <> '0')
    ORDER BY s.setrole DESC, s.setdatabase DESC LIMIT 1;
    IF present IS NULL THEN
        SELECT f.setting INTO present FROM pg_file_settings f
        WHERE f.name = 'statement_timeout' AND f.applied AND f.setting <> '0';
    END IF;
    IF present IS NOT NULL THEN
        RETURN format('its statement_timeout stays %s', present);
    END IF;
    EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', role, '5s');
    PERFORM pg_notify('pgrst', 'reload config');
    RETURN 'its statement_timeout is 5s from its next session on, as it had none';
END
$$;
COMMENT ON FUNCTION learnsync_internal.limit_statements(text) IS
    'Gives a role a statement_timeout where it has none, and says so. Part of grant_access().';

CREATE OR REPLACE FUNCTION learnsync.grant_access(role text, kind text) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner text := learnsync_internal.access_owner(role);
    granted record;
BEGIN
    IF kind NOT IN ('learner', 'service', 'admin', 'report') OR kind IS NULL THEN
        RAISE EXCEPTION 'unknown kind of access: %', quote_nullable(kind)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It is learner, service, admin or report.';
    END IF;
    IF kind = 'learner' AND EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role
                                    AND (r.rolsuper OR r.rolbypassrls OR pg_has_role(r.oid, owner, 'USAGE'))) THEN
        RAISE EXCEPTION 'role "%" would read the rows of all learners', role
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Row security does not hold for superusers, for roles with BYPASSRLS and for members of the '
                         'tables'' owner.';
    END IF;
    FOR granted IN
        SELECT 'EXECUTE ON ROUTINE ' || l.routine AS what FROM learnsync_internal.access_list() l
        WHERE l.kind = grant_access.kind OR (grant_access.kind = 'admin' AND l.kind = 'service')
        UNION ALL
        SELECT 'SELECT' || r.columns || ' ON ' || r.relation FROM learnsync_internal.access_relations() r
        WHERE r.kind = grant_access.kind OR (grant_access.kind = 'admin' AND r.kind = 'service')
        UNION ALL
        SELECT 'USAGE ON TYPE learnsync.progress' WHERE grant_access.kind IN ('service', 'admin')
        UNION ALL
        SELECT 'USAGE ON SCHEMA learnsync_report' WHERE grant_access.kind IN ('learner', 'report')
        UNION
        -- What a view, a cast or an operator calls is found already. A procedure's steps are called by their names.
        SELECT 'USAGE ON SCHEMA ' || split_part(l.routine, '.', 1) FROM learnsync_internal.access_list() l
        WHERE (l.kind = grant_access.kind OR (grant_access.kind = 'admin' AND l.kind = 'service'))
            AND (l.kind = 'admin' OR l.routine LIKE 'learnsync\_api.%'
                OR l.kind = 'service' AND l.routine LIKE 'learnsync.%')
    LOOP
        EXECUTE format('GRANT %s TO %I', granted.what, role);
    END LOOP;
    IF kind = 'report' THEN
        PERFORM learnsync_internal.open_to_reports(role, true);
    END IF;
    PERFORM learnsync_internal.note_access('grant_access', role, kind);
    RETURN format('role %I has access as %s', role, kind)
        || CASE kind WHEN 'learner' THEN '; ' || learnsync_internal.limit_statements(role) ELSE '' END;
END
$$;
COMMENT ON FUNCTION learnsync.grant_access(text, text) IS
    'Lets a role use learnsync. kind: learner (functions and views of learnsync_api, for itself, and the views of '
    'learnsync_report, for its profiles, too), service (the functions of learnsync, for any learner, the type progress '
    'and the audit), admin (as service, and resource types, cleanup, retries, devices of all, erasure, epochs), report '
    '(the views of learnsync_report, for all learners, and nothing else). Answers what it did. As learner a role for '
    'which no statement_timeout is set gets one of 5 seconds. Repeat it after an update. Errors: 42704 no such role, '
    '22023 another kind, or a role for whom row security does not hold as learner, 55000 before setup(), 55P03 as '
    'report: open transactions use the tables.';

CREATE OR REPLACE FUNCTION learnsync.revoke_access(role text) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation regclass;
BEGIN
    PERFORM learnsync_internal.access_owner(role);
    EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA learnsync, learnsync_api, learnsync_internal FROM %I', role);
    EXECUTE format('REVOKE ALL ON TYPE learnsync.progress FROM %I', role);
    EXECUTE format('REVOKE ALL ON SCHEMA learnsync, learnsync_api, learnsync_report, learnsync_internal FROM %I',
        role);
    FOR relation IN SELECT r.relation FROM learnsync_internal.access_relations() r LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %I', relation, role);
    END LOOP;
    PERFORM learnsync_internal.open_to_reports(role, false);
    PERFORM learnsync_internal.note_access('revoke_access', role, NULL);
    RETURN format('role %I has no access of its own', role);
END
$$;
COMMENT ON FUNCTION learnsync.revoke_access(text) IS
    'Takes back from a role all that grant_access gave it, of every kind. What it has as a member of other roles '
    'stays, and its statement_timeout. Errors: 42704 no such role, 55000 before setup(), 55P03 of a role with report: '
    'open transactions use the tables.';

DO $$
DECLARE
    member record;
BEGIN
    FOR member IN
        SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_extension e
            ON e.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
        WHERE e.extname = 'learnsync' AND d.deptype = 'e'
    LOOP
        IF member.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass THEN
            EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', member.objid::pg_catalog.regprocedure);
        ELSIF member.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
            AND (SELECT typcategory <> 'A' FROM pg_catalog.pg_type WHERE oid = member.objid) THEN
            EXECUTE pg_catalog.format('REVOKE ALL ON TYPE %s FROM PUBLIC', member.objid::pg_catalog.regtype);
        END IF;
    END LOOP;
END
$$;

-- A PostgREST that listens learns of the functions at once. The two-phase commit of Citus refuses that.
DO $$
BEGIN
    PERFORM pg_catalog.pg_notify('pgrst', 'reload schema')
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'citus');
END
$$;
