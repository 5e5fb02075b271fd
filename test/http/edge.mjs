// What the nginx files add to PostgREST: preflights, errors of nginx itself, compression, caching, buffers; and that
// they leave alone whatever else the server serves.
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, readdirSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import net from 'node:net';
import { gunzipSync } from 'node:zlib';
import { ROOT, TMP, is, learner, ok, psql, request, run, startEcho, startNginx, startPostgrest, token } from './parts.mjs';

const ANN = learner('edge');
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const PATHS = [['/api/sync/push', 'POST'], ['/api/sync/pull', 'POST'], ['/api/sync/status', 'GET, HEAD'], ['/api/sync/devices', 'GET, HEAD'], ['/api/sync/conflicts/c/resolve', 'POST'], ['/api/sync/devices/d', 'DELETE'],
  ['/api/v1/learning/progress', 'GET, HEAD, PUT'], ['/api/v1/sync/progress', 'POST'], ['/api/v1/sync/completions', 'POST'], ['/api/v1/progress/batch', 'POST']];
const CORS = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'Content-Range, ETag, Retry-After', server: 'nginx' };
const PAUSE = /^[1-5]$/;

/** An error of nginx itself, whole. */
const refused = (status, message, pause = null) => [status, { code: `${status}`, message, details: null, retryable: pause !== null, retryAfter: pause === null ? null : n => PAUSE.test(n) },
  { ...CORS, 'content-type': 'application/json', 'cache-control': 'no-store', ...(pause === null ? {} : { 'retry-after': PAUSE }) }];

/** What the server says to bytes that are no request. */
const raw = (port, text) => new Promise((resolve, reject) => {
  let all = '';
  net.connect(port, '127.0.0.1', function () { this.write(text); }).on('data', data => { all += data; }).on('error', reject).on('close', () => {
    const [head, body] = all.split('\r\n\r\n');
    const [first, ...lines] = head.split('\r\n');
    resolve({ status: Number(first.split(' ')[1]), headers: Object.fromEntries(lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)])), text: body, body: JSON.parse(body) });
  });
});

async function preflights(port) {
  for (const [path, allow] of [...PATHS, ['/learnsync/rpc/sync_push', 'GET, HEAD, POST'], ['/learnsync/lesson_progress?order=version', 'GET, HEAD, POST'], ['/learnsync/', 'GET, HEAD, POST']]) {
    for (const method of allow.split(', '))
      await run(port, [[`preflight of ${method} ${path}`, { method: 'OPTIONS', path, headers: { Origin: 'https://app.example', 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': 'authorization,content-type,x-mine' } }, 204, null,
        { ...CORS, 'access-control-allow-methods': `${allow}, OPTIONS`, 'access-control-allow-headers': 'authorization,content-type,x-mine', 'access-control-max-age': '7200', allow: `${allow}, OPTIONS` }]]);
    if (path.startsWith('/api'))
      for (const method of METHODS.filter(m => m !== 'OPTIONS' && !allow.split(', ').includes(m))) {
        const answer = refused(405, 'method not allowed');
        await run(port, [[`no ${method} ${path}`, { method, path, as: ANN, body: method === 'GET' ? undefined : '{}' }, 405, method === 'HEAD' ? null : answer[1], { ...answer[2], allow: `${allow}, OPTIONS` }]]);
      }
  }
  const { headers } = await request(port, { method: 'GET', path: '/api/sync/devices', as: ANN, headers: { Origin: 'https://app.example' } });
  is(headers, { ...CORS, allow: undefined, 'access-control-allow-methods': undefined, 'access-control-allow-credentials': undefined, 'retry-after': undefined }, 'an answer says who may read it, once, and no more');
}

async function errors() {
  const echo = await startEcho();
  const { port } = await startNginx(echo.port);
  const push = { method: 'POST', path: '/api/sync/push', as: ANN };
  await run(port, [
    ['a path that is none', { path: '/api/sync/conflicts/a', as: ANN }, ...refused(404, 'there is no such path')],
    ['its ending makes no other type', { path: '/api/sync/devices/a/b.html', as: ANN }, ...refused(404, 'there is no such path')],
    ['a compressed body', { ...push, body: 'x', headers: { 'Content-Encoding': 'gzip' } }, ...refused(415, 'the body is compressed')],
    ['a body that says it is not', { ...push, body: '{}', headers: { 'Content-Encoding': 'identity' } }, 200],
    ['a header of 9 kB', { path: '/api/sync/devices', as: ANN, headers: { 'X-Long': 'x'.repeat(9000) } }, ...refused(400, 'bad request')],
    ['a path of 9 kB', { path: `/learnsync/${'x'.repeat(9000)}`, as: ANN }, ...refused(414, 'the request line is too long')],
    ['a body in pieces that are none', { ...push, headers: { 'Transfer-Encoding': 'gzip, chunked' } }, status => status === 400 || status === 501],
  ]);
  for (const path of PATHS.filter(([, allow]) => /POST|PUT|DELETE/.test(allow)).concat([['/learnsync/rpc/sync_push', 'POST']])) {
    const answer = await request(port, { method: path[1].split(', ').at(-1), path: path[0], as: ANN, body: 'x'.repeat(9e6) }).catch(() => null);
    const [status, body, headers] = refused(413, 'the request is too large');
    ok(answer === null || is(answer, { status, body, headers }, `${path[0]}: a body of 9 MB`), `${path[0]}: a body of 9 MB is cut off or refused`);
  }
  for (const [what, text] of [['no request', 'rubbish\r\n\r\n'], ['no host', 'GET /api/sync/devices HTTP/1.1\r\n\r\n'], ['broken chunks', 'POST /api/sync/push HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nrubbish\r\n']]) {
    const [status, body, headers] = refused(400, 'bad request');
    is(await raw(port, text), { status, body: { ...body, hint: null }, headers }, what);
  }
  const held = [1, 2].map(() => request(port, { path: '/learnsync/hold', as: ANN }));
  while (echo.holds < 2) await new Promise(next => setTimeout(next, 10));
  const [header, payload, signature] = ANN.split('.');
  is(await request(port, { path: '/learnsync/device', as: learner('another') }), { status: 200, body: { tokens: 1, host: '127.0.0.1', proto: 'http', connection: undefined } }, 'another token is not concerned');
  is(await raw(port, `GET /learnsync/device HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${learner('another')}\r\nAuthorization: Bearer ${ANN}\r\n\r\n`), { status: s => s === 400 || s === 200, body: body => body.code === '400' || body.tokens === 1 }, 'of two tokens one counts and goes on');
  await run(port, [['a third call of one token at a time', { path: '/learnsync/device', as: ANN }, ...refused(429, 'too many calls at a time', true)],
    ...[`bearer ${ANN}`, `  Bearer   ${ANN}`, `Bearer ${ANN}=`, `Bearer ${header}.${payload}.${signature.slice(0, -1)}x`].map(text => [`the same token as "${text.slice(0, 9)}…${text.slice(-3)}"`, { path: '/learnsync/device', headers: { Authorization: text } }, 429]),
    ...PATHS.map(([path, allow]) => [`${path} as well`, { path, method: allow.split(', ').at(-1), as: ANN, body: /GET/.test(allow) ? undefined : '{}' }, 429]),
    ['a preflight is none', { method: 'OPTIONS', path: '/learnsync/device' }, 204]]);
  echo.release();
  is((await Promise.all(held)).map(answer => answer.status), [200, 200], 'the two get their answers');
  await run(port, [['and the next is taken', { path: '/learnsync/device', as: ANN }, 200]]);

  const gone = await startNginx(9);
  await run(gone.port, [['nobody behind it', push, ...refused(502, 'the API cannot be reached', true)], ['nobody, for a preflight', { method: 'OPTIONS', path: '/api/sync/push' }, 204]]);
  const mute = await startEcho();
  const slow = await startNginx(mute.port, { edit: text => text.replace('proxy_read_timeout 30s', 'proxy_read_timeout 1s') });
  await run(slow.port, [['no answer in time', { path: '/learnsync/hold', as: ANN }, ...refused(504, 'the API did not answer in time', true)]]);
  mute.release();
  const many = await Promise.all(Array.from({ length: 40 }, () => request(gone.port, { path: '/api/sync/devices', as: ANN })));
  ok(new Set(many.map(answer => answer.headers['retry-after'])).size > 1, 'who was turned away together does not come back together');
}

/** Queries that make much of little, and such as look like it. */
async function queries() {
  const { port } = await startNginx((await startEcho()).port);
  const list = (n, column) => Array.from({ length: n }, (_, i) => column.replaceAll('#', i)).join(',');
  const view = query => ({ path: `/learnsync/lesson_progress?${query}`, as: ANN });
  const much = refused(400, 'bad request');
  much[1].hint = /at most four times/;
  const GOOD = [`select=${list(4, 'data')}`, 'select=id,data->a,data->b,data->c,data->>d', `select=${list(12, 'a#:score')}`, `lesson_id=in.(${list(300, 'data-#')})`, `lesson_id=in.(${list(300, 'metadata_#')})`, 'lesson_id=like.*a*b*c*d*e*', 'select=*,a:data', 'lesson_id=eq.%C3%A9%20%22%5B%5D%5Fx%2C', 'lesson_id=eq.100%2561'];
  const BAD = [list(270, 'a#:data'), list(5, 'data'), list(5, 'a#:data->x'), list(5, 'a#:data-%3Ex'), list(5, 'data::text'), list(5, '%22data%22'), list(5, ' data'.replace(' ', '%20')), list(3, 'data,client_data'), list(5, 'meta_data'), list(13, 'score'), list(13, 'a#:statement'), list(5, '*'), list(1, 'd%61ta'), list(1, '%64ata')].map(select => `select=${select}`)
    .concat([`s%65lect=${list(1, 'x')}`, `select=data,data,data&order=data,data`, `or=(${list(5, 'data->>a.eq.1')})`, list(5, 'data->>a=eq.1').replaceAll(',', '&')]);
  await run(port, GOOD.map(query => [`a query: ${query.slice(0, 50)}`, view(query), 200, { url: `/lesson_progress?${query}` }])
    .concat(BAD.map(query => [`much of little: ${query.slice(0, 50)}`, view(query), ...much])));
  const started = performance.now();
  for (const word of ['data-1,', 'data', ',dat', '%20data', ',data-', '*', 'select=', '&select=*', 'score-', '%41'.slice(0, 2)])
    await request(port, view(`x=in.(${word.repeat(7800 / word.length)})`));
  await request(port, { path: '/api/sync/push', method: 'A'.repeat(7000) }).catch(() => null);
  await request(port, { path: '/api/sync/push', headers: { Authorization: `Bearer ${'a.'.repeat(3500)}` } });
  ok(performance.now() - started < 2000, 'long queries are looked through in no time', `${performance.now() - started} ms`);
  is(await request(port, view(`select=lesson_id&lesson_id=in.(${list(1000, 'l#')})`)), { status: 200 }, 'a thousand ids at once');
}

async function buffers() {
  const { port, folder, output } = await startNginx((await startEcho()).port);
  is(await request(port, { method: 'POST', path: '/api/sync/push', body: 'x'.repeat(1e6) }), { status: 200 }, 'a push of 1 MB');
  is([readdirSync(`${folder}/client_body`), /temporary file/.test(output())], [[], false], 'goes through no file');
  const fetched = await request(port, { path: '/learnsync/page', headers: { 'Accept-Encoding': 'gzip' }, encoding: 'latin1' });
  is(fetched.headers, { 'content-encoding': 'gzip', vary: /Accept-Encoding/ }, 'an answer is compressed for who takes that');
  const page = gunzipSync(Buffer.from(fetched.text, 'latin1')).toString();
  ok(page.length > 100000 && fetched.text.length < page.length / 20 && JSON.parse(page).url === '/page', 'and is the same', `${page.length}, ${fetched.text.length}`);
  const proxied = await request(port, { path: '/learnsync/page', headers: { 'Accept-Encoding': 'gzip', Via: '1.1 school' } });
  is(proxied.headers['content-encoding'], 'gzip', 'behind a proxy, too');
  is((await request(port, { path: '/learnsync/page' })).headers['content-encoding'], undefined, 'for others it is not');
  is((await request(port, { path: '/learnsync/x', headers: { 'Accept-Encoding': 'gzip' } })).headers['content-encoding'], undefined, 'nor is a small one');
}

/** A server that serves something else, with settings of its own in every block: the same with our file and without. */
async function beside() {
  const folder = `${TMP}/beside`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/page.txt`, 'a page '.repeat(500));
  const theirs = await startEcho();
  const blocks = ours => ({
    beside: `proxy_cache_path "${folder}/cache" keys_zone=theirs:1m; error_page 404 /page.txt; gzip_types text/css; map $host $theirs { default 1; }`,
    server: `client_max_body_size 1k; proxy_http_version 1.0; proxy_method GET; proxy_set_header X-Theirs 1; proxy_cache theirs; proxy_cache_valid any 1m; proxy_intercept_errors on; proxy_read_timeout 2s; gzip off; add_header X-Theirs 1; etag off; root "${folder}";
      ${ours ? `include "${ROOT}/http/learnsync.conf";` : ''}
      location = /four { return 400; } location = /five { return 405; } location /theirs/ { proxy_pass http://127.0.0.1:${theirs.port}; } location /api/ { proxy_pass http://127.0.0.1:${theirs.port}; }`,
  });
  const echo = await startEcho();
  const [without, within] = [await startNginx(echo.port, blocks(false)), await startNginx(echo.port, blocks(true))];
  const asked = [{ path: '/page.txt' }, { path: '/page.txt', headers: { 'Accept-Encoding': 'gzip' } }, { path: '/none' }, { path: '/four' }, { path: '/five' }, { path: '/theirs/a?select=data,data,data,data,data' }, { path: '/theirs/b', method: 'POST', body: '{}' }, { path: '/theirs/c', method: 'OPTIONS' }, { path: '/api/other' },
    { path: '/api/sync/cleanup' }, { path: '/api/sync/push/' }, { path: '/api/v1/sync' }, { path: '/theirs/d', method: 'POST', body: 'x'.repeat(2000) }, { path: `/${'x'.repeat(9000)}` }];
  const seen = async ({ port }, call) => { const { status, headers, text } = await request(port, { ...call, as: ANN }); return { status, headers: { ...headers, date: '', 'last-modified': '' }, text }; };
  for (const call of asked) {
    const [a, b] = [await seen(without, call), await seen(within, call)];
    is(b, a, `${call.method ?? 'GET'} ${call.path.slice(0, 50)} is theirs`);
  }
  const own = headers => Object.fromEntries(Object.entries(headers).filter(([name]) => !['date', 'content-length', 'retry-after'].includes(name)));
  const alone = await startNginx(echo.port);
  for (const [path, allow] of [...PATHS, ...['/learnsync/page', '/learnsync/status409', '/learnsync/status404', '/learnsync/status503'].map(path => [path, 'GET'])]) {
    const call = { path, method: allow.split(', ').at(-1), as: ANN, body: /GET$|HEAD/.test(allow) ? undefined : `"${'x'.repeat(5000)}"`, headers: { 'Accept-Encoding': 'gzip' }, encoding: 'latin1' };
    const [a, b] = [await request(alone.port, call), await request(within.port, call)];
    is([b.status, own(b.headers)], [a.status, own(a.headers)], `${call.method} ${path} is ours`);
    if (!a.headers['content-encoding']) is({ ...b.body, host: '' }, { ...a.body, host: '' }, `and so is its answer`);
  }
  for (const n of [1, 2]) is(await request(within.port, { path: '/learnsync/device', as: learner(`pupil ${n}`) }), { body: { authorization: `Bearer ${learner(`pupil ${n}`)}` } }, 'no answer of ours is in their cache');
}

/** PostgREST's settings as the docs have them, but for the database and the secret. */
function documented() {
  const block = readFileSync(`${ROOT}/docs/http.md`, 'utf8').match(/```ini\n([^]*?)\n```/)[1];
  const all = Object.fromEntries(block.split('\n').map(line => line.match(/^([\w-]+) = (.*)$/).slice(1)).map(([name, value]) => [name, JSON.parse(value)]));
  return Object.fromEntries(Object.entries(all).filter(([name]) => name !== 'db-uri' && name !== 'jwt-secret'));
}

/** Through PostgREST: the snapshot's tag, answers that nobody keeps, long filters, errors that say when to come again. */
async function real({ port }) {
  const settings = documented(), proxied = await startPostgrest(settings);
  const nginx = await startNginx(port), described = await startNginx(proxied.port);
  const ask = (path, headers, as = ANN) => request(nginx.port, { path, as, headers });
  const event = n => ({ eventId: `e${n}`, occurredAt: '2026-01-08T10:00:00Z', clientId: 'c', type: 'activePath.set', payload: { pathId: `p${n}` } });
  const put = n => request(nginx.port, { method: 'PUT', path: '/api/v1/learning/progress', as: ANN, body: { events: [event(n)] } });
  is(await put(1), { status: 200, headers: { 'cache-control': 'no-store', etag: undefined } }, 'a put is nobody\'s to keep');
  for (const path of ['/api/v1/learning/progress', '/learnsync/rpc/progress_get']) {
    const first = await ask(path);
    is(first, { status: 200, headers: { ...CORS, etag: /^"[0-9a-f-]{36}"$/, 'cache-control': 'private, no-cache', vary: /Authorization/ }, body: { data: { events: list => list.length > 0 } } }, `${path} has a tag`);
    is(await ask(path, { 'If-None-Match': first.headers.etag }), { status: 304, text: '', headers: { ...CORS, etag: first.headers.etag } }, 'who has it gets 304');
    const packed = await ask(path, { 'Accept-Encoding': 'gzip' });
    is(await ask(path, { 'If-None-Match': packed.headers.etag, 'Accept-Encoding': 'gzip' }), { status: 304 }, 'compressed, too');
    is(await ask(path, { 'If-None-Match': first.headers.etag }, learner('somebody')), { status: 200 }, 'another learner has another answer');
    await put(path.length);
    is(await ask(path, { 'If-None-Match': first.headers.etag }), { status: 200, headers: { etag: tag => tag !== first.headers.etag } }, 'after another event it is sent');
  }
  for (const path of ['/api/sync/devices', '/api/sync/status', '/learnsync/lesson_progress', '/learnsync/', '/learnsync/nope'])
    is(await ask(path), { headers: { ...CORS, 'cache-control': 'no-store', etag: undefined } }, `${path} is nobody's to keep`);

  const items = Array.from({ length: 500 }, (_, n) => ({ id: `${n}`, operation: 'update', resourceType: 'lesson_progress', clientTimestamp: '2026-01-08T10:00:00Z', data: { lessonId: `lesson ${n}`, courseId: 'c', completionPercentage: n % 101, timeSpent: n * 1000 } }));
  is(await request(nginx.port, { method: 'POST', path: '/api/sync/push', as: ANN, body: { deviceId: 'd', items } }), { status: 200, body: { syncedItems: list => list.length === 500 } }, '500 lessons');
  const pull = headers => request(nginx.port, { method: 'POST', path: '/api/sync/pull', as: ANN, body: { deviceId: 'e' }, headers, encoding: 'latin1' });
  const [plain, packed] = [await pull({}), await pull({ 'Accept-Encoding': 'gzip' })];
  ok(packed.text.length < plain.text.length / 8, 'a pull of them, compressed, is an eighth', `${packed.text.length} of ${plain.text.length}`);
  console.log(`a pull of 500 lessons: ${plain.text.length} bytes, ${packed.text.length} compressed`);
  const ids = Array.from({ length: 300 }, (_, n) => `%22lesson%20${n}%22`).join(',');
  is(await ask(`/learnsync/lesson_progress?select=lesson_id&lesson_id=in.(${ids})`), { status: 200, body: list => list.length === 300, headers: CORS }, `a filter of ${ids.length} bytes`);
  const { text } = await request(described.port, { path: '/learnsync/', as: ANN });
  is(JSON.parse(text), { host: 'api.example.org:443', basePath: '/learnsync', schemes: ['https'] }, 'the description names the address that the docs have PostgREST told');
  ok(!text.includes('127.0.0.1'), 'and no other');
  const more = Array.from({ length: 600 }, (_, n) => ({ ...items[0], id: `more ${n}`, data: { lessonId: `more ${n}` } }));
  is(await request(nginx.port, { method: 'POST', path: '/api/sync/push', as: ANN, body: { deviceId: 'd', items: more } }), { status: 200 }, 'more lessons than a page has rows');
  is(await request(described.port, { path: '/learnsync/lesson_progress?select=version', as: ANN }), { status: 200, body: list => list.length === settings['db-max-rows'] }, 'rows of a page are bounded');
  for (const [aud, status] of [[settings['jwt-aud'], 200], ['another service', 401]])
    is(await request(described.port, { path: '/learnsync/device', as: token({ role: 'authenticated', sub: 'edge', aud }) }), { status }, `a token for ${aud}`);

  psql(`ALTER ROLE authenticator SET learnsync.enabled = off`);
  try {
    const rest = await startPostgrest({ 'db-pool': 1, 'log-level': 'info' }), paused = await startNginx(rest.port), before = rest.output().length;
    for (const path of ['/api/sync/devices', '/learnsync/lesson_progress', '/api/v1/learning/progress'])
      is(await request(paused.port, { path, as: ANN }), { status: 429, body: { code: 'PT503', message: 'learnsync is paused', hint: /^Try again in \d+ seconds/ }, headers: { ...CORS, 'retry-after': /^([1-5]\d|60)$/ } }, `paused: ${path}`);
    await new Promise(next => setTimeout(next, 500));
    ok(!/Attempting|Schema cache/.test(rest.output().slice(before)), 'PostgREST does not take that for a lost database', rest.output().slice(before));
  } finally {
    psql('ALTER ROLE authenticator RESET ALL');
  }
}

/** What these tests are made with is not there: they say so, instead of failing later. */
function installing() {
  const folder = `${TMP}/install`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(`${folder}/test/http`, { recursive: true });
  for (const file of ['install', 'package.json']) copyFileSync(`${ROOT}/test/http/${file}`, `${folder}/test/http/${file}`);
  const run = npm => {
    writeFileSync(`${folder}/npm`, `#!/bin/sh\n${npm}\n`, { mode: 0o755 });
    const { status, stdout, stderr } = spawnSync(`${folder}/test/http/install`, { env: { ...process.env, PATH: `${folder}:${process.env.PATH}` }, encoding: 'utf8' });
    return `${status} ${stdout}${stderr}`;
  };
  is(run('echo no network; exit 1'), /^1 [^]*no network[^]*npm failed/, 'npm that fails is heard');
  is(run('exit 0'), /^1 [^]*there is no .*postgrest that runs here/, 'npm that brings nothing is found out');
  rmSync(folder, { recursive: true });
}

export async function test(rest) {
  installing();
  const nginx = await startNginx(rest.port);
  await preflights(nginx.port);
  await errors();
  await queries();
  await buffers();
  await beside();
  await real(rest);
}
