-- Who is asking.
CREATE OR REPLACE FUNCTION learnsync.current_learner() RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'learnsync_current_learner';
COMMENT ON FUNCTION learnsync.current_learner() IS
    'The learner of this request: the claim of request.jwt.claims that learnsync.jwt_claim names (default sub); where '
    'there are no claims, the setting learnsync.learner_id. NULL where nobody is signed in. Errors: where '
    'learnsync.device_claim is set, PT403 the device is deactivated, 28000 the token names none.';

CREATE OR REPLACE FUNCTION learnsync.current_learners() RETURNS text[]
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'learnsync_current_learners';
COMMENT ON FUNCTION learnsync.current_learners() IS
    'Whose rows this request may read: current_learner() and the profiles that this learner owns. NULL where nobody '
    'is signed in. Errors as current_learner().';
