-- Who may call what. Nothing is granted to PUBLIC.
CREATE OR REPLACE FUNCTION learnsync.grant_access(role text, kind text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    signature text;
BEGIN
    IF kind NOT IN ('learner', 'service', 'admin') OR kind IS NULL THEN
        RAISE EXCEPTION 'unknown kind of access: %', quote_nullable(kind)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It is learner, service or admin.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
        RAISE EXCEPTION 'role "%" does not exist', role USING ERRCODE = 'undefined_object';
    END IF;
    FOR signature IN
        SELECT f.signature FROM (VALUES
            ('learner', 'learnsync_api.sync_push(jsonb)'),
            ('learner', 'learnsync_api.sync_pull(jsonb)'),
            ('learner', 'learnsync_api.sync_devices()'),
            ('learner', 'learnsync_api.sync_resolve(jsonb)'),
            ('learner', 'learnsync_api.sync_status(text, text, integer)'),
            ('learner', 'learnsync_api.sync_deactivate_device(jsonb)'),
            ('learner', 'learnsync_api.sync_activate_device(jsonb)'),
            ('learner', 'learnsync_api.xapi_export(timestamptz)'),
            ('learner', 'learnsync_api.progress_put(jsonb)'),
            ('learner', 'learnsync_api.progress_get(text, integer)'),
            ('service', 'learnsync.sync_push(text, jsonb)'),
            ('service', 'learnsync.sync_pull(text, jsonb)'),
            ('service', 'learnsync.sync_devices(text)'),
            ('service', 'learnsync.sync_resolve(text, jsonb)'),
            ('service', 'learnsync.sync_status(text, text, text, integer)'),
            ('service', 'learnsync.sync_deactivate_device(text, jsonb)'),
            ('service', 'learnsync.sync_activate_device(text, jsonb)'),
            ('service', 'learnsync.xapi_export(text, timestamptz)'),
            ('service', 'learnsync.current_learner()'),
            ('service', 'learnsync.xapi_validate(jsonb, text)'),
            ('service', 'learnsync.xapi_equal(jsonb, jsonb)'),
            ('service', 'learnsync.progress_put(text, jsonb)'),
            ('service', 'learnsync.progress_get(text, text, integer)'),
            ('service', 'learnsync.progress_agg(text, anyelement, text, jsonb)'),
            ('service', 'learnsync.progress_concat(learnsync.progress, learnsync.progress)'),
            ('service', 'learnsync.progress_eq(learnsync.progress, learnsync.progress)'),
            ('service', 'learnsync.progress_ne(learnsync.progress, learnsync.progress)'),
            ('service', 'learnsync.progress_to_jsonb(learnsync.progress)'),
            ('service', 'learnsync.progress_send(learnsync.progress)'),
            ('service', 'learnsync.progress_from_bytea(bytea)'),
            ('admin', 'learnsync.progress_verify()'),
            ('admin', 'learnsync.progress_rebuild()'),
            ('admin', 'learnsync.progress_rebuild_next(text, bigint, bigint)'),
            ('admin', 'learnsync.define_resource_type(text, jsonb)'),
            ('admin', 'learnsync.drop_resource_type(text)'),
            ('admin', 'learnsync.reset_resource_type(text)'),
            ('admin', 'learnsync.builtin_resource_types()'),
            ('admin', 'learnsync.merge_strategies()'),
            ('service', 'learnsync.merge_rule(jsonb)'),
            ('service', 'learnsync.merge(learnsync.merge_rule, jsonb, jsonb, timestamptz, text)'),
            ('service', 'learnsync.merge_states(learnsync.merge_rule, jsonb, jsonb)'),
            ('service', 'learnsync.document(learnsync.merge_rule, jsonb)'),
            ('service', 'learnsync.merge_agg(learnsync.merge_rule, jsonb, timestamptz, text)'),
            ('admin', 'learnsync_api.sync_cleanup(jsonb)'),
            ('admin', 'learnsync.maintain(integer)'),
            ('admin', 'learnsync.maintain_step(integer, jsonb)'),
            ('admin', 'learnsync.retry_failed()'),
            ('admin', 'learnsync.next_to_retry(text)'),
            ('admin', 'learnsync.retry_learner(text)'),
            ('admin', 'learnsync.postpone_retry(text)'),
            ('admin', 'learnsync.unseen_devices(integer, integer)'),
            ('admin', 'learnsync.drop_devices(integer)'),
            ('admin', 'learnsync.forget_learner(text)'),
            ('admin', 'learnsync.remember_learner(text)'),
            ('admin', 'learnsync.new_epoch()'),
            ('admin', 'learnsync.digest(jsonb)')) AS f (wanted, signature)
        WHERE f.wanted = kind OR (kind = 'admin' AND f.wanted = 'service')
    LOOP
        EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %I', signature, role);
    END LOOP;
    IF kind <> 'learner' THEN
        EXECUTE format('GRANT USAGE ON TYPE learnsync.progress TO %I', role);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I',
                   CASE kind WHEN 'learner' THEN 'learnsync_api' WHEN 'service' THEN 'learnsync'
                   ELSE 'learnsync, learnsync_api' END, role);
END
$$;
COMMENT ON FUNCTION learnsync.grant_access(text, text) IS
    'Lets a role use learnsync. kind: learner (the functions of learnsync_api, for itself), service (the functions of learnsync, for any learner, and the type progress), admin (as service, and resource types, cleanup, retries, devices of all, erasure, epochs). Can be repeated.';

DO $$
DECLARE
    member record;
BEGIN
    FOR member IN
        SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
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
