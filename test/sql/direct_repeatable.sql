-- Where a transaction sees one state throughout, every call writes by SQL.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT no_plan();
SET LOCAL learnsync.direct = on;
SELECT is(learnsync_internal.direct_tables(), '{}', 'everything is written by SQL under REPEATABLE READ');
SELECT * FROM finish();
ROLLBACK;
