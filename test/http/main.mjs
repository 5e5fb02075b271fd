// All tests over HTTP: roles and parts are made here, each file has its own subject.
import { DATABASE, counts, is, ok, psql, request, startPostgrest, stop, learner, until } from './parts.mjs';

const ROLES = `
  DROP ROLE IF EXISTS authenticator, anon, authenticated, service, dba;
  CREATE ROLE authenticator LOGIN NOINHERIT;
  CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service; CREATE ROLE dba;
  GRANT anon, authenticated, service, dba TO authenticator;`;

/** A PostgREST that was there first learns of the extension, of its views and of another setup() by itself. */
async function install(rest) {
  const push = { method: 'POST', path: '/rpc/sync_push', as: learner('first'), body: { deviceId: 'd', items: [] } };
  is((await request(rest.port, push)).status, 404, 'before the extension there is nothing');
  psql('CREATE EXTENSION learnsync');
  await until('PostgREST knows the functions', async () => (await request(rest.port, push)).status !== 404);
  is((await request(rest.port, push)).status, 403, 'CREATE EXTENSION tells PostgREST; nobody was granted anything');
  psql(`GRANT USAGE ON SCHEMA learnsync_api TO authenticated; GRANT EXECUTE ON FUNCTION learnsync_api.sync_push(jsonb) TO authenticated`);
  is(await request(rest.port, push), { status: 500, body: { code: '55000', message: 'learnsync is not set up', hint: /setup\(\)/ } }, 'before setup()');
  psql(`SELECT learnsync.setup(); SELECT learnsync.grant_access('authenticated', 'learner'), learnsync.grant_access('service', 'service'), learnsync.grant_access('dba', 'admin')`);
  is((await request(rest.port, push)).status, 200, 'after setup()');
  await until('PostgREST knows the views', async () => (await request(rest.port, { path: '/device', as: learner('first') })).status === 200);
  ok(true, 'setup() tells PostgREST of the views');
  psql('DROP VIEW learnsync_api.device; NOTIFY pgrst');
  await until('PostgREST forgets a view', async () => (await request(rest.port, { path: '/device', as: learner('first') })).status === 404);
  psql(`SELECT learnsync.setup(); SELECT learnsync.grant_access('authenticated', 'learner')`);
  await until('PostgREST knows the view again', async () => (await request(rest.port, { path: '/device', as: learner('first') })).status === 200);
  ok(true, 'every setup() tells PostgREST');
}

async function main() {
  const only = process.argv.slice(2);
  psql(`DROP DATABASE IF EXISTS ${DATABASE} WITH (FORCE)`, 'postgres');
  psql(`CREATE DATABASE ${DATABASE} TEMPLATE template0`, 'postgres');
  psql(ROLES);
  const rest = await startPostgrest();
  await install(rest);
  for (const name of only.length ? only : ['api', 'paths', 'edge', 'greedy', 'attack', 'devices', 'watch', 'wake', 'lives', 'describe']) {
    console.log(`# ${name}`);
    await (await import(`./${name}.mjs`)).test(rest);
  }
}

try {
  await main();
} catch (error) {
  ok(false, 'the tests ran to their end', error.stack);
} finally {
  await stop();
  psql(`DROP DATABASE IF EXISTS ${DATABASE} WITH (FORCE); DROP ROLE IF EXISTS authenticator, anon, authenticated, service, dba`, 'postgres');
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed ? 1 : 0);                     // a library may have left a timer behind
