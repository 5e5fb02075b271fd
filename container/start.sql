-- Run at each start, so every statement may find its work done: the extension and its tables at this release, the
-- roles, and cleaning every minute.
SET client_min_messages = warning;
\getenv authenticator_password AUTHENTICATOR_PASSWORD
\getenv backend_password BACKEND_PASSWORD

CREATE EXTENSION IF NOT EXISTS learnsync;
ALTER EXTENSION learnsync UPDATE;
SELECT learnsync.setup();

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['anon', 'app_learner', 'authenticator', 'backend']) AS name
WHERE to_regrole(name) IS NULL
\gexec
ALTER ROLE authenticator LOGIN NOINHERIT PASSWORD :'authenticator_password';
GRANT anon, app_learner TO authenticator;
SELECT learnsync.grant_access('app_learner', 'learner');
SELECT learnsync.grant_access('backend', 'service');
SELECT :'backend_password' <> '' AS has_backend
\gset
\if :has_backend
ALTER ROLE backend LOGIN PASSWORD :'backend_password';
\else
ALTER ROLE backend NOLOGIN PASSWORD NULL;
\endif

CREATE EXTENSION IF NOT EXISTS pg_cron;
SELECT cron.schedule('learnsync maintain', '* * * * *', 'CALL learnsync.maintain()');
SELECT cron.schedule('learnsync retry', '* * * * *', 'CALL learnsync.retry_failed()');
