-- retry_failed: the server tries again what failed for reasons that may have passed.
CREATE OR REPLACE FUNCTION learnsync_internal.try_again_as_owner(learner_id text, channel text, device_id text,
    keys uuid[])
    RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'learnsync_try_again_as_owner';
COMMENT ON FUNCTION learnsync_internal.try_again_as_owner(text, text, text, uuid[]) IS
    'Sends failed items of one learner once more, through the function that they came through and as their device.';

CREATE OR REPLACE FUNCTION learnsync_internal.next_to_retry(after text, code text, waiting boolean) RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_next_to_retry';
COMMENT ON FUNCTION learnsync_internal.next_to_retry(text, text, boolean) IS
    'The first learner after the given one who has failed items that are to be tried again; NULL where there is none. '
    'Of one code, or those that are due, or of these only the ones that have waited for a type or content.';

CREATE OR REPLACE FUNCTION learnsync_internal.retry_learner(learner_id text, code text, waiting boolean)
    RETURNS integer[] LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_retry_learner';
COMMENT ON FUNCTION learnsync_internal.retry_learner(text, text, boolean) IS
    'Tries the failed items of one learner again: how many there were, and how many of them failed.';

CREATE OR REPLACE FUNCTION learnsync_internal.postpone_retry(learner_id text, code text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_postpone_retry';
COMMENT ON FUNCTION learnsync_internal.postpone_retry(text, text) IS
    'Counts a retry that did not come to an answer.';

CREATE OR REPLACE PROCEDURE learnsync_internal.retry(learner text, code text, waiting boolean)
    LANGUAGE plpgsql AS $$
DECLARE
    each pg_catalog.text;
    tried pg_catalog.int4[];
    seen pg_catalog.int8 := 0;
    learners pg_catalog.int8 := 0;
    items pg_catalog.int8 := 0;
    failed pg_catalog.int8 := 0;
BEGIN
    PERFORM learnsync_internal.tell('', 0, 0);
    LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        EXIT WHEN learner IS NOT NULL AND each IS NOT NULL;
        each := COALESCE(learner, learnsync_internal.next_to_retry(each, code, waiting));
        EXIT WHEN each IS NULL;
        BEGIN
            tried := learnsync_internal.retry_learner(each, code, waiting);
            IF tried[1] OPERATOR(pg_catalog.>) 0 THEN
                learners := learners OPERATOR(pg_catalog.+) 1;
                items := items OPERATOR(pg_catalog.+) tried[1];
                failed := failed OPERATOR(pg_catalog.+) tried[2];
            END IF;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'the failed items of a learner could not be tried again: %', SQLERRM;
            PERFORM learnsync_internal.postpone_retry(each, code);
        END;
        seen := seen OPERATOR(pg_catalog.+) 1;
        PERFORM learnsync_internal.tell('second tries, learners', seen, -1);
    END LOOP;
    IF items OPERATOR(pg_catalog.>) 0 THEN
        RAISE NOTICE 'tried again: % failed items, of learners: %, failed once more: %', items, learners, failed;
    END IF;
END
$$;
COMMENT ON PROCEDURE learnsync_internal.retry(text, text, boolean) IS
    'What retry_failed does, of one learner or all and of one code or all; or only for what has waited for a type or '
    'content.';

CREATE OR REPLACE PROCEDURE learnsync.retry_failed(learner text DEFAULT NULL, code text DEFAULT NULL)
    LANGUAGE plpgsql AS $$
BEGIN
    IF code IS NOT NULL
        AND NOT EXISTS (SELECT FROM learnsync.item_codes() c WHERE c.code OPERATOR(pg_catalog.=) retry_failed.code)
    THEN
        RAISE EXCEPTION 'unknown item code: %', pg_catalog.quote_literal(code)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'learnsync.item_codes() lists them.';
    END IF;
    CALL learnsync_internal.retry(learner, code, false);
END
$$;
COMMENT ON PROCEDURE learnsync.retry_failed(text, text) IS
    'Tries again the failed items of a learner (default: of all) that are retryable, 1, 5, 15 and 60 seconds after '
    'they failed last, at most 4 times; and those that have waited for a type or content which is there now. With a '
    'code, by hand: all failed items of that code, at once and however often, whether retryable or not. One learner '
    'per transaction; one who is busy is left for the next time. Each item goes through the function that it came '
    'through, under its own id; those of deactivated devices stay. Call it from cron. A notice says how many were '
    'tried. Errors: 22023 no such code, 2D000 it cannot run inside a transaction block.';
