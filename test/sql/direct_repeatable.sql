-- Where a transaction sees one state throughout, every call goes by SQL.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT no_plan();
SET LOCAL learnsync.direct = on;
SELECT is(learnsync_internal.direct_tables(), '{}', 'everything goes by SQL under REPEATABLE READ');
SELECT * FROM finish();
ROLLBACK;
