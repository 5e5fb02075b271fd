// The API over PostgREST: status codes and bodies, readers by GET, views, claims, Prefer headers, the description.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { DATABASE, SECRET, is, learner, ok, psql, request, run, startPostgrest, token } from './parts.mjs';

const ANN = learner('ann'), BOB = learner('bob');
const at = '2026-01-08T10:00:00.000Z';
export const item = (id, lessonId, more = {}, when = at) =>
  ({ id, operation: 'update', resourceType: 'lesson_progress', data: { lessonId, ...more }, clientTimestamp: when });
export const call = (name, body, as = ANN, headers) => ({ method: 'POST', path: `/rpc/${name}`, body, as, headers });
const push = (items, as = ANN, more = {}) => call('sync_push', { deviceId: 'phone', items, ...more }, as);
const get = (path, as = ANN, headers) => ({ path, as, headers });
const failure = code => ({ failedItems: [{ code }] });
const refused = (message, path) => ({ code: '22023', message, details: new RegExp(`"${path}"`) });
const DENIED = { code: '42501', message: /^permission denied for/ };
const NOBODY = { code: '28000', message: 'no learner is signed in', hint: /jwt_claim/ };

// Every function: a good request, then what section 10 says of bad ones. A new function adds its lines here.
const ANSWERS = [
  ['sync_push', push([item('1', 'l1', { courseId: 'c1', completionPercentage: 40, timeSpent: 60000 })]), 200,
    { syncedItems: ['1'], failedItems: [], conflicts: [], results: [{ id: '1', status: 'synced', duplicate: false, resourceType: 'lesson_progress', resourceId: 'l1', version: 2 }],
      syncVersion: v => v >= 1, epoch: /^[0-9a-f-]{36}$/, serverTimestamp: /^\d{4}-.*Z$/ }, { 'content-type': /^application\/json/ }],
  ['sync_push again', push([item('1', 'l1', { courseId: 'c1', completionPercentage: 40, timeSpent: 60000 })]), 200, { results: [{ status: 'synced', duplicate: true, version: 2 }] }],
  ['sync_push, id reused', push([item('1', 'l1', { timeSpent: 1 })]), 200, failure('id_reused')],
  ['sync_push, out of range', push([item('2', 'l1', { completionPercentage: 101 })]), 200, failure('out_of_range')],
  ['sync_push, unknown type', push([{ ...item('3', 'l1'), resourceType: 'nope' }]), 200, failure('unknown_type')],
  ['sync_push, bad time', push([item('4', 'l1', {}, '2026-01-08')]), 200, failure('bad_timestamp')],
  ['sync_push, too large', push([item('5', 'l1', { note: 'x'.repeat(300000) })]), 200, failure('too_large')],
  ['sync_push, stale', push([item('6', 'l1', { timeSpent: 1 }, '2026-01-07T10:00:00Z')]), 200, { conflicts: [{ id: '6', resolution: 'server_wins', serverData: { timeSpent: 60001 } }] }],
  ['sync_push, nothing', push([]), 200, { results: [] }],
  ['sync_push, dry', push([item('7', 'l9')], ANN, { dryRun: true }), 200, { results: [{ status: 'synced' }] }],
  ['sync_push, no device', call('sync_push', { items: [] }), 400, refused('deviceId is missing', 'deviceId')],
  ['sync_push, no items', call('sync_push', { deviceId: 'd' }), 400, refused(/^items/, 'items')],
  ['sync_push, items no array', call('sync_push', { deviceId: 'd', items: {} }), 400, refused(/^items/, 'items')],
  ['sync_push, an array', call('sync_push', []), 400, refused(/^request/, 'request')],
  ['sync_push, a string', call('sync_push', '"x"'), 400, refused(/^request/, 'request')],
  ['sync_push, null', call('sync_push', 'null'), 400],
  ['sync_push, no number', push([], ANN, { lastSyncVersion: 'x' }), 400, refused(/^lastSyncVersion/, 'lastSyncVersion')],
  ['sync_push, too many items', push(Array.from({ length: 1001 }, (_, n) => ({ id: `${n}` }))), 413, { code: '54000', hint: /1000/ }],
  ['sync_push, no JSON', call('sync_push', '{'), 400, { code: 'PGRST102' }],
  ['sync_push, nothing at all', call('sync_push', ''), 400],
  ['sync_push, a zero character', call('sync_push', '{"deviceId": "a\\u0000", "items": []}'), 400, { code: '22P05' }],
  ['sync_push, deeper than the stack', call('sync_push', '['.repeat(200000) + ']'.repeat(200000)), status => status >= 400],
  ['sync_push, not JSON by its type', call('sync_push', 'x=1', ANN, { 'Content-Type': 'application/x-www-form-urlencoded' }), status => status >= 400 && status < 500],
  ['sync_push by GET', get('/rpc/sync_push'), 404],
  ['sync_push by PUT', { ...push([]), method: 'PUT' }, 405],
  ['sync_push by DELETE', { ...push([]), method: 'DELETE' }, 405],

  ['sync_pull', call('sync_pull', { deviceId: 'phone', lastSyncVersion: 0 }), 200,
    { changes: [{ resourceType: 'lesson_progress', resourceId: 'l1', operation: 'create', data: { lessonId: 'l1', timeSpent: 60001, status: 'in-progress' } }], hasMore: false, reset: false }],
  ['sync_pull of another learner', call('sync_pull', { deviceId: 'phone' }, BOB), 200, { changes: [], syncVersion: 1 }],
  ['sync_pull, no device', call('sync_pull', {}), 400, refused('deviceId is missing', 'deviceId')],
  ...['x', 1.5, -1, 2 ** 53, [], true].map(cursor => [`sync_pull, cursor ${cursor}`, call('sync_pull', { deviceId: 'd', lastSyncVersion: cursor }), 400, refused(/^lastSyncVersion/, 'lastSyncVersion')]),
  ['sync_pull, bad limit', call('sync_pull', { deviceId: 'd', limit: 0 }), 400, refused(/^limit/, 'limit')],

  ['sync_status by GET', get('/rpc/sync_status'), 200, { devices: [{ userId: 'ann', deviceId: 'phone' }], conflicts: [], conflictCount: 0, failedCount: n => n > 0 }],
  ['sync_status of a device by GET', get('/rpc/sync_status?deviceId=phone'), 200, { devices: [{ deviceId: 'phone' }] }],
  ['sync_status of an unknown device', get('/rpc/sync_status?deviceId=nope'), 200, { devices: [], failedCount: 0 }],
  ['sync_status by POST', call('sync_status', { deviceId: 'phone' }), 200, { devices: [{ deviceId: 'phone' }] }],
  ['sync_status by HEAD', { ...get('/rpc/sync_status'), method: 'HEAD' }, 200, null],
  ['sync_status, unknown argument', get('/rpc/sync_status?device=x'), 404, { code: 'PGRST202' }],
  ['sync_devices by GET', get('/rpc/sync_devices'), 200, { devices: [{ userId: 'ann', deviceId: 'phone', isActive: true }] }],
  ['sync_devices of another learner', get('/rpc/sync_devices', BOB), 200, { devices: [] }],
  ['no such function', call('nope', {}), 404, { code: 'PGRST202' }],
];

// The views with PostgREST's filters, ordering and paging.
const VIEWS = [
  ['lessons', push([item('v1', 'l2', { courseId: 'c1', completionPercentage: 100 }, '2026-01-09T10:00:00Z'), item('v2', 'l3', { courseId: 'c2' }, '2026-01-10T10:00:00Z'),
    { id: 'v3', operation: 'create', resourceType: 'quiz_attempt', data: { quizId: 'q', attemptNumber: 1, score: { raw: 7 } }, clientTimestamp: at },
    { id: 'v4', operation: 'create', resourceType: 'quiz_attempt', data: { quizId: 'q', attemptNumber: 1, score: { raw: 8 } }, clientTimestamp: at }]), 200],
  ['filter and order', get('/lesson_progress?course_id=eq.c1&order=last_accessed_at.desc'), 200,
    [{ learner_id: 'ann', lesson_id: 'l2', course_id: 'c1', completion_percentage: 100, status: 'completed', completed_at: '2026-01-09T10:00:00+00:00' }, { lesson_id: 'l1', time_spent: 60001, status: 'in-progress', completed_at: null }]],
  ['columns', get('/lesson_progress?select=lesson_id,status&status=eq.not-started'), 200, [{ lesson_id: 'l3', status: 'not-started' }]],
  ['by a field of the document', get('/lesson_progress?select=lesson_id&data->>courseId=eq.c2'), 200, [{ lesson_id: 'l3' }]],
  ['paging', get('/lesson_progress?select=lesson_id&order=lesson_id&limit=1&offset=1'), 200, [{ lesson_id: 'l2' }]],
  ['counting', get('/lesson_progress?select=lesson_id&order=lesson_id&limit=2', ANN, { Prefer: 'count=exact' }), 206, [{ lesson_id: 'l1' }, { lesson_id: 'l2' }], { 'content-range': '0-1/3' }],
  ['a range', get('/lesson_progress?order=lesson_id', ANN, { Range: '2-2', 'Range-Unit': 'items' }), 200, [{ lesson_id: 'l3' }], { 'content-range': '2-2/*' }],
  ['as an object', get('/lesson_progress?lesson_id=eq.l1', ANN, { Accept: 'application/vnd.pgrst.object+json' }), 200, { lesson_id: 'l1' }],
  ['as CSV', get('/lesson_progress?select=lesson_id,status&lesson_id=eq.l1', ANN, { Accept: 'text/csv' }), 200, /^lesson_id,status\nl1,in-progress$/],
  ['attempts', get('/quiz_attempt?select=quiz_id,attempt_number,score->raw'), 200, [{ quiz_id: 'q', attempt_number: 1, raw: 7 }]],
  ['open conflicts', get('/conflict?is_open=is.true&select=resource_type,client_data'), 200, [{ resource_type: 'quiz_attempt', client_data: { score: { raw: 8 } } }]],
  ['devices', get('/device?select=device_id,is_active'), 200, [{ device_id: 'phone', is_active: true }]],
  ['another learner', get('/lesson_progress', BOB), 200, []],
  ['another learner by name', get('/lesson_progress?learner_id=eq.ann', BOB), 200, []],
  ['no such column', get('/lesson_progress?nope=eq.1'), 400, { code: '42703' }],
  ...['mastery', 'conversation', 'module_progress', 'module_completion', 'activity'].map(view => [view, get(`/${view}`), 200, []]),
  ...['POST', 'PATCH', 'PUT', 'DELETE'].flatMap(method => ['lesson_progress', 'device', 'conflict'].map(view =>
    [`${method} ${view}`, { method, path: `/${view}?learner_id=eq.ann`, as: ANN, body: { learner_id: 'ann' } }, status => [400, 403, 405].includes(status)])),
];

// Tokens: who is a learner, who is nobody.
const device = as => get('/rpc/sync_devices', as);
const CLAIMS = [
  ['none', device(null), 401, { code: '42501' }],
  // PostgREST itself refuses a sub that is no text; for all others we are asked.
  ['a role and no sub', device(token({ role: 'authenticated' })), 403, NOBODY],
  ...['', null, 42, true, ['ann'], { sub: 'ann' }, 'é'.repeat(201)].map(sub => [`sub ${JSON.stringify(sub).slice(0, 20)}`, device(token({ role: 'authenticated', sub })), typeof sub === 'string' || sub === null ? 403 : 401]),
  ['a sub with odd characters', device(learner('\'; DROP "é\n\\')), 200, { devices: [] }],
  ['Sub', device(token({ role: 'authenticated', Sub: 'ann' })), 403, NOBODY],
  ['two subs', device(token('{"role":"authenticated","sub":"ann","sub":"bob"}')), 200, { devices: list => !list.some(d => d.userId === 'ann') || !list.some(d => d.userId === 'bob') }],
  ['no claims but a role', device(token({ sub: 'ann' })), 401],
  ['a role of nobody', device(token({ role: 'anon', sub: 'ann' })), status => status === 401 || status === 403],
  ['a service is no learner', device(token({ role: 'service', sub: 'ann' })), 403, DENIED],
  ['an admin is no learner', device(token({ role: 'dba', sub: 'ann' })), 403, DENIED],
  ['the superuser', device(token({ role: 'postgres', sub: 'ann' })), status => status >= 400 && status < 500],
  ['the tables\' owner', device(token({ role: 'learnsync_owner', sub: 'ann' })), status => status >= 400 && status < 500],
  ['a role that is none', device(token({ role: 'authenticated"; RESET ROLE; --', sub: 'ann' })), status => status >= 400 && status < 500],
  ['another secret', device(token({ role: 'authenticated', sub: 'ann' }, { secret: `${SECRET}x` })), 401],
  ['no signature', device(token({ role: 'authenticated', sub: 'ann' }, { alg: 'none' })), 401],
  ['expired', device(token({ role: 'authenticated', sub: 'ann', exp: 1 })), 401],
  ['rubbish', device('rubbish'), 401],
  ['claims that are no object', device(token('["sub"]')), 401],
];

// Headers that a client may send: a push is a push.
const PREFER = ['return=minimal', 'return=headers-only', 'return=representation', 'tx=rollback', 'tx=commit', 'resolution=merge-duplicates', 'missing=default',
  'params=single-object', 'params=multiple-objects', 'count=exact', 'count=planned', 'count=estimated', 'timezone=America/Los_Angeles', 'handling=lenient, nonsense'];

async function preferences(port) {
  for (const [n, prefer] of PREFER.entries()) {
    const answer = await request(port, call('sync_push', { deviceId: 'phone', items: [item(`p${n}`, `p${n}`, { timeSpent: 1 })] }, learner('prefers'), { Prefer: prefer }));
    ok(answer.status < 300 && (!answer.body || answer.body.results[0].status === 'synced'), `Prefer: ${prefer}`, answer.text);
  }
  const strict = await request(port, call('sync_push', { deviceId: 'phone', items: [item('strict', 'strict')] }, learner('prefers'), { Prefer: 'handling=strict, nonsense' }));
  is([200, 400].includes(strict.status), true, 'a strict client is told, or served');
  const pulled = await request(port, call('sync_pull', { deviceId: 'other' }, learner('prefers')));
  is(pulled.body.changes.filter(change => change.data.timeSpent === 1).length, PREFER.length, 'each of these pushes counted once');
  ok(pulled.body.changes.every(change => change.data.startedAt === at), 'times are told in UTC whatever was preferred');
}

/** What an app's developer reads: the functions and views, with our comments. */
async function description(port) {
  const { body } = await request(port, { path: '/', as: ANN });
  const columns = row => [row.slice(0, row.indexOf('|')), row.slice(row.indexOf('|') + 1)];
  const routines = psql(`SELECT proname, obj_description(oid) FROM pg_proc WHERE pronamespace = 'learnsync_api'::regnamespace AND has_function_privilege('authenticated', oid, 'EXECUTE')`).split('\n').map(columns);
  const views = psql(`SELECT relname, obj_description(oid) FROM pg_class WHERE relnamespace = 'learnsync_api'::regnamespace AND relkind = 'v' AND has_table_privilege('authenticated', oid, 'SELECT')`).split('\n').map(columns);
  is(body.info.title, /^Offline sync/, 'the description has a title');
  for (const [name, comment] of routines) {
    const post = body.paths[`/rpc/${name}`]?.post;
    is([post?.summary, post?.description].filter(Boolean).join('\n'), comment, `${name} is described`);
  }
  for (const [name, comment] of views) is(body.definitions[name]?.description, comment, `${name} is described`);
  is(Object.keys(body.paths).filter(path => !routines.some(([name]) => path === `/rpc/${name}`) && !views.some(([name]) => path === `/${name}`)), ['/'], 'there is nothing else');
  is(Object.keys((await request(port, { path: '/' })).body.paths), ['/'], 'nobody is told of nothing');
}

/** A pool that carries settings of its own, as another user of the same connections would leave them. */
async function pool() {
  psql(`ALTER ROLE authenticator SET learnsync.learner_id = 'bob'; ALTER ROLE authenticator SET request.jwt.claims = '{"sub": "bob"}'; ALTER ROLE authenticator SET request.headers = '{"learnsync-id": "old"}'`);
  try {
    const { port } = await startPostgrest({ 'db-pool': 1 });
    const mine = as => request(port, get('/rpc/sync_devices', as)).then(answer => answer.body.devices?.map(d => d.userId) ?? answer.body.code);
    is(await request(port, push([], BOB)), { status: 200 }, 'bob has a device');
    const asked = [];
    for (const as of [ANN, BOB, null, token({ role: 'authenticated' }), ANN, null, BOB, token({ role: 'authenticated', sub: '' }), ANN])
      asked.push(String(await mine(as)));
    is(asked, ['ann', 'bob', '42501', '28000', 'ann', '42501', 'bob', '28000', 'ann'], 'one connection, its old settings, many users');
    is((await Promise.all(Array.from({ length: 60 }, (_, n) => mine([ANN, BOB, null][n % 3])))).map(String), Array.from({ length: 60 }, (_, n) => ['ann', 'bob', '42501'][n % 3]), 'and all at once');
    const errors = await Promise.all(Array.from({ length: 20 }, (_, n) => request(port, n % 2 ? call('sync_push', {}) : get('/lesson_progress?select=learner_id', BOB))));
    ok(errors.every((answer, n) => n % 2 ? answer.status === 400 : answer.status === 200 && answer.body.length === 0), 'an error leaves nothing behind');
  } finally {
    psql('ALTER ROLE authenticator RESET ALL');
  }
}

/** Rights without a name: where somebody lets strangers in, they are still nobody. */
async function nameless(port) {
  psql("SELECT learnsync.grant_access('anon', 'learner')");
  await run(port, [['a stranger with rights', device(null), 403, NOBODY], ['a stranger with rights pushes', push([], null), 403, NOBODY], ['and reads', get('/lesson_progress', null), 200, []], ['and reads devices', get('/device', null), 200, []]]);
  psql("SELECT learnsync.revoke_access('anon')");
  await run(port, [['until they are taken back', get('/device', null), 401, DENIED]]);
}

async function deactivated(port) {
  await request(port, call('sync_push', { deviceId: 'lost', items: [] }));
  psql(`UPDATE learnsync_data.device SET is_active = false WHERE learner_id = 'ann' AND device_id = 'lost'`);
  await run(port, [
    ['a deactivated device pushes', call('sync_push', { deviceId: 'lost', items: [] }), 403, { code: 'PT403' }],
    ['a deactivated device pulls', call('sync_pull', { deviceId: 'lost' }), 403, { code: 'PT403' }],
    ['the same id of another learner', call('sync_push', { deviceId: 'lost', items: [] }, BOB), 200],
  ]);
}

/** Too many pushes: 429, and when to come again. Reading goes on. */
async function limited() {
  psql('ALTER ROLE authenticator SET learnsync.rate_limit = 2');
  try {
    const { port } = await startPostgrest({ 'db-pool': 1 });
    const as = learner('hasty');
    for (const n of [1, 2]) is(await request(port, push([item(`${n}`, 'l')], as)), { status: 200 }, `push ${n} of 2 a minute`);
    const refused = await request(port, push([item('3', 'l')], as));
    is(refused, { status: 429, body: { code: 'PT429', message: 'too many calls', hint: /^Try again in \d+ seconds\.$/ } }, 'the third is refused');
    ok(Number(refused.headers['retry-after']) >= 1 && Number(refused.headers['retry-after']) <= 30, 'Retry-After in seconds', refused.headers['retry-after']);
    is(await request(port, device(as)), { status: 200 }, 'readers are not limited');
    is(await request(port, push([], learner('another'))), { status: 200 }, 'nor is another learner');
  } finally {
    psql('ALTER ROLE authenticator RESET ALL');
  }
}

/** A learner whose row somebody holds: the call gives its connection back after a second, others are not concerned. */
async function busy() {
  const { port, output } = await startPostgrest({ 'db-pool': 2, 'log-level': 'info' });
  const as = learner('busy');
  is(await request(port, push([], as)), { status: 200 }, 'somebody who will be busy');
  const holder = spawn('psql', ['-qAtX', '-d', DATABASE], { stdio: ['pipe', 'pipe', 'inherit'] });
  const held = once(holder.stdout, 'data');
  holder.stdin.write(`BEGIN; SELECT learner_id FROM learnsync_data.learner WHERE learner_id = 'busy' FOR UPDATE;\n`);
  await held;
  const before = output().length, started = performance.now();
  const [refused, other] = await Promise.all([request(port, push([item('1', 'l')], as)), request(port, push([item('1', 'l')], learner('not busy')))]);
  const waited = performance.now() - started;
  holder.stdin.end('COMMIT;\n');
  await once(holder, 'exit');
  is(refused, { status: 429, body: { code: 'PT503', message: 'the learner is busy', hint: /^Try again in [1-5] seconds\.$/ }, headers: { 'retry-after': /^[1-5]$/ } }, 'a busy learner is told to come again');
  ok(waited > 900 && waited < 4000, 'after a second', waited);
  is(other, { status: 200 }, 'another one is served meanwhile');
  await new Promise(next => setTimeout(next, 300));
  ok(!/Attempting|Schema cache/.test(output().slice(before)), 'PostgREST does not take that for a lost database', output().slice(before));
  is(await request(port, push([item('1', 'l')], as)), { status: 200, body: { results: [{ status: 'synced', duplicate: false }] } }, 'and taken then: the first call left nothing');
}

export async function test({ port }) {
  await run(port, ANSWERS);
  await run(port, VIEWS);
  await run(port, CLAIMS);
  await preferences(port);
  await description(port);
  await pool();
  await limited();
  await busy();
  await nameless(port);
  await deactivated(port);
}
