// The page of make demo-web over real PostgREST and nginx; as a program it stays up until it is stopped.
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { DATABASE, ROOT, TMP, learner, psql, startNginx, startPostgrest, stop, token } from '../../test/http/parts.mjs';

/** nginx with the page, the client and the API; the configuration of a run has what its storages are called, and tokens. */
export function serve(rest, port, who = 'ada') {
  mkdirSync(`${TMP}/demo`, { recursive: true });
  writeFileSync(`${TMP}/demo/config.json`, JSON.stringify({ run: randomUUID(), token: learner(who), admin: token({ role: 'dba' }) }));
  const types = 'types { text/html html; text/javascript mjs; application/json json; }';
  return startNginx(rest.port, { port, server: `include "${ROOT}/http/learnsync.conf"; limit_conn learnsync 20; ${types}
    location = / { return 302 /demo/; } location = /demo/config.json { alias "${TMP}/demo/config.json"; add_header Cache-Control no-store; }
    location /demo/ { alias "${ROOT}/demo/web/"; index index.html; } location /app/ { alias "${ROOT}/clients/js/"; }` });
}

async function main() {
  psql(`DROP DATABASE IF EXISTS ${DATABASE} WITH (FORCE)`, 'postgres');
  psql(`CREATE DATABASE ${DATABASE} TEMPLATE template0`, 'postgres');
  psql('CREATE EXTENSION learnsync; SELECT learnsync.setup()');
  psql(`CREATE ROLE authenticator LOGIN NOINHERIT; CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE dba; GRANT anon, authenticated, dba TO authenticator;
    SELECT learnsync.grant_access('authenticated', 'learner'), learnsync.grant_access('dba', 'admin')`);
  const { port } = await serve(await startPostgrest(), Number(process.env.DEMO_PORT ?? 8080));
  console.log(`http://127.0.0.1:${port}/   two phones and a server; Ctrl-C ends it`);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, async () => { await stop(); process.exit(0); });
}

if (import.meta.url === new URL(process.argv[1], 'file:').href) await main();
