// Attacks over HTTP: learner against learner, learner against admin, anybody against everything. Zero rows, zero hints.
import { execFileSync } from 'node:child_process';
import { DATABASE, is, learner, ok, psql, request, run, startNginx, startPostgrest, token } from './parts.mjs';
import { call, item } from './api.mjs';

const WORD = 'zanzibar'; // in everything that the victim has, and in nothing that anybody else says
const VICTIM = learner('victim');
const ROLES = { anon: null, 'signed in without a name': token({ role: 'authenticated' }), service: token({ role: 'service', sub: 'victim' }), dba: token({ role: 'dba', sub: 'victim' }) };

async function makeVictim(port) {
  const quiz = (id, score) => ({ id, operation: 'create', resourceType: 'quiz_attempt', data: { quizId: 'q', attemptNumber: 1, score }, clientTimestamp: '2026-01-08T10:00:00Z' });
  const answer = await request(port, call('sync_push', { deviceId: 'victims-device', deviceName: WORD, metadata: { os: WORD }, items: [
    item('v1', 'lesson', { note: WORD, courseId: WORD, timeSpent: 5 }), quiz('v2', WORD), quiz('v3', `${WORD}!`), item('v4', 'bad', { timeSpent: -1, note: WORD }),
    { id: 'v5', operation: 'create', resourceType: 'conversation', resourceId: 'talk', data: { title: WORD, messages: [{ id: 'm', text: WORD }] }, clientTimestamp: '2026-01-08T10:00:00Z' }] }, VICTIM));
  is(answer, { status: 200, body: { conflicts: [{ resolution: 'manual_required' }] } }, 'the victim has something of everything');
  return { conflict: answer.body.conflicts[0].conflictId };
}

// The tables that hold something of learners.
const TABLES = `FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'learner_id' WHERE relnamespace = 'learnsync_data'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`;

const everywhere = statement => psql(`SET session_replication_role = replica; DO $do$ DECLARE t regclass; BEGIN FOR t IN SELECT pg_class.oid ${TABLES} LOOP EXECUTE format($$ ${statement} $$, t); END LOOP; END $do$; ANALYZE`);

const trace = () => psql(`SELECT relname, (xpath('/table/row/t/text()', query_to_xml(format('SELECT t::text AS t FROM learnsync_data.%I t WHERE learner_id = ''victim'' ORDER BY 1', relname), false, false, '')))::text
  ${TABLES} ORDER BY 1`);

// What an attacker asks, with the ids he was told or guessed. New functions and views add their lines here.
const requests = ({ conflict }) => {
  const post = (path, body, headers) => ({ method: 'POST', path, body, headers });
  const get = (path, headers) => ({ path, headers });
  const views = ['lesson_progress', 'quiz_attempt', 'mastery', 'conversation', 'module_progress', 'module_completion', 'activity', 'device', 'conflict'];
  return [
    ...[{}, { learner_id: 'victim', userId: 'victim', sub: 'victim' }].flatMap(more => [
      post('/rpc/sync_push', { deviceId: 'victims-device', items: [], ...more }), post('/rpc/sync_push', { deviceId: 'victims-device', lastSyncVersion: 99, items: [item('v1', 'lesson', { timeSpent: 9 })], ...more }),
      post('/rpc/sync_push', { deviceId: 'd', items: [{ ...item('v1', 'lesson', { learner_id: 'victim', userId: 'victim' }), ...more }], ...more }), post('/rpc/sync_pull', { deviceId: 'victims-device', ...more }), post('/rpc/sync_pull', { deviceId: 'victims-device', lastSyncVersion: 2, from: 1, ...more })]),
    post('/rpc/sync_push', { deviceId: 'd', items: [{ id: 'v2', operation: 'create', resourceType: 'quiz_attempt', data: { quizId: 'q', attemptNumber: 1 }, clientTimestamp: '2026-01-08T10:00:00Z' }] }),
    post('/rpc/sync_push', { deviceId: 'd', items: [{ id: 'v6', operation: 'delete', resourceType: 'conversation', resourceId: 'talk', clientTimestamp: '2026-01-08T10:00:00Z' }] }),
    post('/rpc/sync_pull', { deviceId: 'd', scope: { courseId: ['c'], learner_id: ['victim'] } }),
    get('/rpc/sync_status'), get('/rpc/sync_status?deviceId=victims-device'), get('/rpc/sync_status?deviceId=*'), get("/rpc/sync_status?deviceId=' OR true --"), get('/rpc/sync_devices'), get('/rpc/sync_devices?learner_id=victim'), get('/rpc/sync_status?learner_id=victim'),
    // Ids in a path's header, and headers that look like ours or PostgREST's.
    get('/rpc/sync_devices', { 'Learnsync-Id': 'victim', 'X-Learner-Id': 'victim', 'request.jwt.claims': '{"sub":"victim"}', Role: 'service', 'X-Forwarded-User': 'victim' }),
    post('/rpc/sync_resolve', { conflictId: conflict, resolution: 'use_server' }), post('/rpc/sync_resolve', { resolution: 'use_server' }, { 'Learnsync-Id': conflict }), post('/rpc/sync_deactivate_device', { deviceId: 'victims-device' }),
    // What is not for learners, by any name that PostgREST could find it under.
    ...['setup', 'grant_access', 'revoke_access', 'current_learner', 'define_resource_type', 'drop_resource_type', 'digest', 'access_list', 'setup_views', 'sync_push', 'sync_pull', 'sync_devices'].flatMap(name => ['learnsync', 'learnsync_internal', 'learnsync_data', 'pg_catalog', 'public'].flatMap(schema => [
      post(`/rpc/${name}`, { learner_id: 'victim', request: { deviceId: 'd' }, role: 'authenticated', kind: 'admin', name: 'x', rule: {}, owner: 'anon' }, { 'Content-Profile': schema }), get(`/rpc/${name}`, { 'Accept-Profile': schema })])),
    ...['resource', 'device', 'push', 'push_0', 'push_1', 'ledger', 'conflict', 'failed', 'learner', 'instance', 'resource_type'].flatMap(name => ['learnsync_data', 'learnsync_api'].map(schema => get(`/${name}?limit=5`, { 'Accept-Profile': schema }))),
    get('/pg_roles', { 'Accept-Profile': 'pg_catalog' }), get('/pg_stats', { 'Accept-Profile': 'pg_catalog' }), post('/rpc/pg_read_file', { filename: '/etc/passwd' }), post('/rpc/set_config', { setting_name: 'role', new_value: 'service', is_local: true }),
    // The views with everything that PostgREST's language can say.
    ...views.flatMap(view => [get(`/${view}`), get(`/${view}?learner_id=eq.victim`), get(`/${view}?learner_id=neq.x`), get(`/${view}?or=(learner_id.eq.victim,learner_id.not.is.null)`), get(`/${view}?learner_id=in.(victim,"x')--")`), get(`/${view}?select=*,resource(*)`),
      get(`/${view}?select=learner_id,victim:learner_id::text`), get(`/${view}?order=learner_id.desc&limit=1000000&offset=0`), get(`/${view}`, { Prefer: 'count=exact' }), get(`/${view}`, { Prefer: 'count=planned' }), get(`/${view}`, { Prefer: 'count=estimated' }), get(`/${view}`, { Accept: 'application/vnd.pgrst.plan+json; options=analyze|verbose' }),
      get(`/${view}?select=count()`), get(`/${view}?version=gt.0`, { Range: '0-1000' }),
      ...['POST', 'PATCH', 'DELETE', 'PUT'].map(method => ({ method, path: `/${view}?learner_id=eq.victim`, body: { learner_id: 'attacker' }, headers: { Prefer: 'return=representation,resolution=merge-duplicates' } }))]),
    get("/lesson_progress?select=data->>'note'"), get('/lesson_progress?data->>note=like.*a*'), get('/lesson_progress?note=eq.x'), get('/lesson_progress?lesson_id=eq.lesson'), get('/conversation?conversation_id=eq.talk'), get(`/conflict?conflict_id=eq.${conflict}`), get('/conflict?conflict_id=eq.x'),
    get('/device?device_id=eq.victims-device'), get('/device?is_active=eq.maybe'), get('/device?last_sync_version=eq.abc'), get('/'), get('/?learner_id=victim'),
  ];
};

const quiet = answer => `${answer.status} ${answer.headers['content-range'] ?? ''} ${answer.text}`.replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)/g, 'NOW').replace(/127\.0\.0\.1:\d+/g, 'HOST');

async function answers(port, as, asked) {
  const heard = [];
  for (const one of asked) heard.push(quiet(await request(port, { ...one, path: encodeURI(one.path), as })));
  return heard;
}

/** The same questions by the same learner, before and after there is a victim: every answer is the same. */
async function existence(port, known) {
  const asked = requests(known);
  const wipe = () => everywhere("DELETE FROM %s WHERE learner_id = 'attacker'");
  wipe();
  const before = trace(), beside = await answers(port, learner('attacker'), asked);
  is(trace(), before, 'the victim has what it had');
  wipe();
  const rename = (from, to) => everywhere(`UPDATE %s SET learner_id = '${to}' WHERE learner_id = '${from}'`);
  rename('victim', 'somebody else');
  const alone = await answers(port, learner('attacker'), asked);
  rename('somebody else', 'victim');
  asked.forEach((one, n) => ok(alone[n] === beside[n], `as if nobody were there: ${one.method ?? 'GET'} ${one.path}`, `${alone[n]}\n${beside[n]}`));
  beside.forEach((text, n) => ok(!text.includes(WORD), `says nothing: ${asked[n].path}`, text));
  ok(beside.filter(text => text.startsWith('2')).length > 50, 'the attacker is somebody who is answered');
}

/** Roles that are no learners get no row and no word from any of it. */
async function strangers(port, known) {
  const asked = requests(known);
  for (const [name, as] of Object.entries(ROLES)) {
    const before = trace(), heard = await answers(port, as, asked);
    ok(trace() === before, `${name} changes nothing`);
    heard.forEach((text, n) => ok(!text.includes(WORD) && (!text.startsWith('2') || /^20[06] \S* ?(\[\]|$|\{"swagger)/.test(text)), `${name}: ${asked[n].method ?? 'GET'} ${asked[n].path}`, text));
  }
}

/** Even where somebody exposed all our schemas, rights decide. */
async function exposed(known) {
  const { port } = await startPostgrest({ 'db-schemas': 'learnsync_api,learnsync,learnsync_data,pg_catalog' });
  const asked = requests(known), before = trace();
  for (const as of [learner('attacker'), null]) {
    const heard = await answers(port, as, asked);
    heard.forEach((text, n) => ok(!text.includes(WORD), `exposed: ${asked[n].path}`, text));
    asked.forEach((one, n) => one.headers?.['Content-Profile'] === 'learnsync' && ok(/^40[1345]/.test(heard[n]), `exposed, refused: ${one.path}`, heard[n]));
  }
  ok(trace() === before, 'exposed: the victim has what it had');
}

/** A login of a learner's, in sessions of its own: settings made before the library is loaded have no effect. */
function logins() {
  psql(`CREATE ROLE test_login LOGIN; GRANT CONNECT ON DATABASE ${DATABASE} TO test_login; SELECT learnsync.grant_access('test_login', 'learner')`);
  const ask = sql => {
    try {
      return execFileSync('psql', ['-qAtX', '-U', 'test_login', '-d', DATABASE], { input: sql, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] }).trim();
    } catch (error) {
      return `failed ${error.stderr}`;
    }
  };
  const two = `SELECT learnsync_api.sync_push('{"deviceId": "d", "items": [{"id": "1"}, {"id": "2"}]}') -> 'results' -> 1 ->> 'id';`;
  is(ask(`SET learnsync.learner_id = 'login'; SET learnsync.max_batch_items = 1; ${two}`), '2', 'a limit set before the library was there is not taken');
  is(ask(`SET learnsync.learner_id = 'login'; SET learnsync.jwt_claim = 'email'; SET request.jwt.claims = '{"sub": "login", "email": "victim"}'; SELECT learnsync_api.sync_devices() #>> '{devices,0,userId}'`), 'login', 'nor another claim');
  for (const sql of ['SET ROLE learnsync_owner', 'SET SESSION AUTHORIZATION learnsync_owner', 'SELECT 1 FROM learnsync_data.resource', 'ALTER ROLE test_login SET learnsync.max_depth = 1000', 'ALTER SYSTEM SET learnsync.max_depth = 1000',
    '\\copy learnsync_data.resource TO /dev/null', `COPY learnsync_api.device TO STDOUT`, 'SET row_security = off; SELECT * FROM learnsync_api.device', `LOAD 'learnsync'`, `CREATE FUNCTION public.mine(text, jsonb) RETURNS jsonb LANGUAGE c AS 'learnsync', 'learnsync_sync_push'`])
    is(ask(`\\set ON_ERROR_STOP 1\nSET request.jwt.claims = '{"sub": "login"}';\n${sql}`).replace(/^(?!.*(denied|must be|cannot|permission|affected|not allowed)).*$/gs, 'no refusal'), text => text !== 'no refusal', `a login: ${sql}`);
  psql(`SELECT learnsync.revoke_access('test_login'); REVOKE CONNECT ON DATABASE ${DATABASE} FROM test_login; DROP ROLE test_login`);
}

export async function test({ port }) {
  const known = await makeVictim(port);
  await existence(port, known);
  await strangers(port, known);
  await exposed(known);
  logins();
  const nginx = await startNginx(port);
  await run(nginx.port, [
    ['a conflict of another learner, by path', { method: 'POST', path: `/api/sync/conflicts/${known.conflict}/resolve`, as: learner('burglar'), body: { resolution: 'use_server' } }, 404],
    ['a device of another learner, by path', { method: 'DELETE', path: '/api/sync/devices/victims-device', as: learner('burglar') }, 404],
    ['cleaning up', { method: 'POST', path: '/api/sync/cleanup', as: learner('attacker'), body: { daysOld: 0 } }, 404],
    ['nginx does not tell what is behind it', { path: '/nginx_status' }, 404],
  ]);
}
