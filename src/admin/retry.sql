-- retry_failed: the server tries again what failed for reasons that may have passed.
CREATE OR REPLACE FUNCTION learnsync_internal.next_to_retry(after text) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_next_to_retry';
COMMENT ON FUNCTION learnsync_internal.next_to_retry(text) IS
    'The first learner after the given one who has failed items that are due to be tried again; NULL where there is '
    'none.';

CREATE OR REPLACE FUNCTION learnsync_internal.retry_learner(learner_id text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_retry_learner';
COMMENT ON FUNCTION learnsync_internal.retry_learner(text) IS
    'Pushes the failed items of one learner that are due, as their devices would.';

CREATE OR REPLACE FUNCTION learnsync_internal.postpone_retry(learner_id text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_postpone_retry';
COMMENT ON FUNCTION learnsync_internal.postpone_retry(text) IS
    'Counts a retry that did not come to an answer.';

CREATE OR REPLACE PROCEDURE learnsync.retry_failed()
    LANGUAGE plpgsql AS $$
DECLARE
    learner pg_catalog.text;
BEGIN
    LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        learner := learnsync_internal.next_to_retry(learner);
        EXIT WHEN learner IS NULL;
        BEGIN
            PERFORM learnsync_internal.retry_learner(learner);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'the failed items of a learner could not be tried again: %', SQLERRM;
            PERFORM learnsync_internal.postpone_retry(learner);
        END;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE learnsync.retry_failed() IS
    'Tries again the failed items that are retryable: 1, 5, 15 and 60 seconds after they failed last, at most 4 '
    'times, one learner per transaction. Each goes through the ordinary push under its own id; those of deactivated '
    'devices wait. Call it from cron. Cannot run inside a transaction block (2D000).';
