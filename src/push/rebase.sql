-- A rule that was changed while its type has data is carried out learner by learner.
CREATE OR REPLACE FUNCTION learnsync_internal.next_to_rebase(name text, after text) RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_next_to_rebase';
COMMENT ON FUNCTION learnsync_internal.next_to_rebase(text, text) IS
    'The first learner after the given one whose documents of the type are not carried over; NULL where there is none.';

CREATE OR REPLACE FUNCTION learnsync_internal.rebase_learner(name text, learner_id text) RETURNS boolean
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_rebase_learner';
COMMENT ON FUNCTION learnsync_internal.rebase_learner(text, text) IS
    'Carries over the documents that a learner has of a type; false where the learner is busy.';

CREATE OR REPLACE FUNCTION learnsync_internal.end_rebase(name text) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'learnsync_end_rebase';
COMMENT ON FUNCTION learnsync_internal.end_rebase(text) IS
    'Notes that all learners of a type are carried over, and later on forgets the rule that was.';

CREATE OR REPLACE FUNCTION learnsync_internal.rebase_list_as_owner() RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT COALESCE(jsonb_agg(jsonb_build_object('name', t.name, 'generation', t.generation,
                'learners', t.rebase_learners, 'done', d.done, 'rebased_at', t.rebased_at,
                'percent', CASE WHEN t.rebased_at IS NOT NULL THEN 100
                    ELSE least(99, d.done * 100 / greatest(t.rebase_learners, 1)) END) ORDER BY t.name), '[]')
            FROM learnsync_data.resource_type t
                CROSS JOIN LATERAL (SELECT count(*) AS done FROM learnsync_data.rebased r
                                    WHERE r.resource_type = t.name AND r.generation >= t.generation) d
            WHERE t.generation > 0);
END
$$;
COMMENT ON FUNCTION learnsync_internal.rebase_list_as_owner() IS
    'What rebases answers, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_internal.rebase_list() RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_rebase_list';
COMMENT ON FUNCTION learnsync_internal.rebase_list() IS 'What rebases answers, as JSON.';

CREATE OR REPLACE FUNCTION learnsync.rebases()
    RETURNS TABLE (name text, generation integer, learners bigint, done bigint, percent integer, rebased_at timestamptz)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.* FROM jsonb_to_recordset(learnsync_internal.rebase_list())
        AS r (name text, generation integer, learners bigint, done bigint, percent integer, rebased_at timestamptz)
$$;
COMMENT ON FUNCTION learnsync.rebases() IS
    'The resource types whose rule was changed with a rebase, and how far the newest change of each is carried out: '
    'learners who had data when it was made, how many are done, percent, and when all were.';

-- Whoever is busy, or cannot be carried over, is tried again, some times.
CREATE OR REPLACE PROCEDURE learnsync.rebase(name text DEFAULT NULL)
    LANGUAGE plpgsql AS $$
DECLARE
    each pg_catalog.record;
    learner pg_catalog.text;
    carried boolean;
    left_over pg_catalog.int8;
    seen pg_catalog.int8;
BEGIN
    FOR each IN
        SELECT r.* FROM learnsync.rebases() r WHERE COALESCE(r.name OPERATOR(pg_catalog.=) rebase.name, true)
    LOOP
        seen := each.done;
        PERFORM learnsync_internal.tell('', 0, 0);
        FOR round IN 1..10 LOOP
            EXIT WHEN each.rebased_at IS NOT NULL;
            learner := '';
            left_over := 0;
            LOOP
                COMMIT;
                SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
                learner := learnsync_internal.next_to_rebase(each.name, learner);
                EXIT WHEN learner IS NULL;
                BEGIN
                    carried := learnsync_internal.rebase_learner(each.name, learner);
                EXCEPTION WHEN OTHERS THEN
                    carried := false;
                    RAISE WARNING 'the documents of a learner could not be carried over: %', SQLERRM;
                END;
                IF carried THEN
                    seen := seen OPERATOR(pg_catalog.+) 1;
                ELSE
                    left_over := left_over OPERATOR(pg_catalog.+) 1;
                END IF;
                PERFORM learnsync_internal.tell(
                    pg_catalog.format('rebase, learners whose %s is carried over', each.name), seen, each.learners);
            END LOOP;
            EXIT WHEN left_over OPERATOR(pg_catalog.=) 0;
            PERFORM pg_catalog.pg_sleep(0.1);
        END LOOP;
        COMMIT;
        IF each.rebased_at IS NULL AND left_over OPERATOR(pg_catalog.>) 0 THEN
            RAISE WARNING 'learners of % are not carried over yet: %', each.name, left_over
                USING HINT = 'Call learnsync.rebase() again, or maintain(); a push of theirs does it as well.';
        ELSE
            IF each.rebased_at IS NULL THEN
                RAISE NOTICE '%: 100 %% of the learners are carried over', each.name;
            END IF;
            PERFORM learnsync_internal.end_rebase(each.name);
        END IF;
        COMMIT;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE learnsync.rebase(text) IS
    'Carries out the changes of rules that were defined with rebase, of one type or of all: learner by learner, each '
    'in a transaction of its own, with a notice a second of how far it is. Can be stopped and called again at any '
    'time; maintain() calls it as well. Cannot run inside a transaction block (2D000).';
