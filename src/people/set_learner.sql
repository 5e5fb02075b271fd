-- set_learner: by which clocks a learner's days begin; and the streaks that go by them
CREATE OR REPLACE FUNCTION learnsync.streak(moments timestamptz[], days jsonb DEFAULT NULL,
    OUT current_streak bigint, OUT longest_streak bigint, OUT last_activity_date date)
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_streak';
COMMENT ON FUNCTION learnsync.streak(timestamptz[], jsonb) IS
    'Runs of days over any moments, as the snapshot and learner_stats count them: the run that ends on '
    'last_activity_date, and the longest. days: [[since, time zone, minutes after midnight at which days begin], ...], '
    'the earliest first, as learnsync.current_days() has them; before the first, and where it is NULL, days are those '
    'of UTC. A day that no moment belongs to, as a zone left it out, ends no run. Errors: 22023 days of another form.';

CREATE OR REPLACE FUNCTION learnsync.current_days() RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'learnsync_current_days';
COMMENT ON FUNCTION learnsync.current_days() IS
    'By which clocks the days of current_learner() begin, in the form that learnsync.streak takes: [[since, time zone, '
    'minutes after midnight], ...]. NULL where set_learner said nothing, or nobody is signed in. Errors as '
    'current_learner(), XX001 somebody else wrote what cannot be read.';

CREATE OR REPLACE FUNCTION learnsync.set_learner(learner_id text, request jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_set_learner';
COMMENT ON FUNCTION learnsync.set_learner(text, jsonb) IS
    'Says by which clocks a learner''s days begin, which streaks count. request: {timeZone?, dayStarts?, from?, '
    'learnerId?}: the name of a time zone (Europe/Berlin), when on its clocks days begin (04:00), from which day on (a '
    'date, at most 366 days ahead; without it, from now on). What is not said stays; so do days before from. Answer: '
    '{timeZone, dayStarts, from}, from being the first day of what holds then. Errors: 22023 malformed request or '
    'unknown zone, 54000 more than 1000 changes.';

CREATE OR REPLACE FUNCTION learnsync_api.set_learner(jsonb) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'learnsync_api_set_learner';
COMMENT ON FUNCTION learnsync_api.set_learner(jsonb) IS
    'Say by which clocks my days begin, which my streaks count. Body: {timeZone?, dayStarts?, from?, learnerId?}: the '
    'name of a time zone (Europe/Berlin), when on its clocks days begin (04:00), from which day on (a date from today '
    'on; without it, from now on). What is not said stays, and so does what is over. Answer: {timeZone, dayStarts, '
    'from}, from being the first day of what holds then. An app may call it at each start: saying the same again '
    'changes nothing.';
