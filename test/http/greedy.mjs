// One learner who wants everything: through nginx and PostgREST the calm ones beside get most of their pushes, as
// compared to when they are alone.
import http from 'node:http';
import { is, learner, ok, psql, request, startNginx, startPostgrest } from './parts.mjs';

const CALM = 6, PAUSE = 40, SECONDS = 6;
const GREEDY = learner('greedy');
const item = (id, data) => ({ id, operation: 'update', resourceType: 'lesson_progress', clientTimestamp: '2026-01-08T10:00:00Z', data });
const sleep = ms => new Promise(next => setTimeout(next, ms));
let number = 0;

/** What one calm learner gets in a while: pushes that were taken, and how long the slowest of them took. */
async function calm(port, name, until) {
  const got = { taken: 0, slowest: 0, refused: {} };
  while (Date.now() < until) {
    const started = performance.now();
    const answer = await request(port, { method: 'POST', path: '/api/sync/push', as: learner(name), body: { deviceId: 'd', items: [item(`${++number}`, { lessonId: 'l', timeSpent: 1 })] } });
    if (answer.status === 200) got.taken++;
    else got.refused[answer.status] = (got.refused[answer.status] ?? 0) + 1;
    got.slowest = Math.max(got.slowest, performance.now() - started);
    await sleep(PAUSE);
  }
  return got;
}

async function beside(port, attack) {
  const until = Date.now() + SECONDS * 1000, stopped = { now: false };
  const greedy = attack ? attack(port, stopped) : null;
  const each = await Promise.all(Array.from({ length: CALM }, (_, n) => calm(port, `calm ${n}`, until)));
  stopped.now = true;
  return { taken: each.reduce((sum, one) => sum + one.taken, 0), least: Math.min(...each.map(one => one.taken)), slowest: Math.max(...each.map(one => one.slowest)), refused: each.map(one => JSON.stringify(one.refused)).join(' '), greedy: await greedy };
}

/** So many at once, each again as soon as it is answered; answers how often each status came. */
const flood = (connections, call, { hangUp } = {}) => async (port, stopped) => {
  const statuses = {}, agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  await Promise.all(Array.from({ length: connections }, async () => {
    while (!stopped.now) {
      const answer = hangUp ? await abandoned(port, call(), hangUp) : await request(port, { ...call(), agent }).catch(() => ({ status: 'cut off' }));
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      if (answer.status !== 200) await sleep(20); // else it is this process that has no time for the calm ones
    }
  }));
  agent.destroy();
  return statuses;
};

/** A request whose client hangs up before the answer. */
const abandoned = (port, { method = 'GET', path, as }, after) => new Promise(done => {
  const call = http.request({ host: '127.0.0.1', port, method, path, headers: { Authorization: `Bearer ${as}` }, agent: false }, answer => { answer.resume(); answer.on('end', () => done({ status: answer.statusCode })); });
  call.on('error', () => done({ status: 'hung up' }));
  call.end();
  setTimeout(() => call.destroy(), after);
});

const REGEX = { path: `/learnsync/lesson_progress?select=lesson_id&data->>note=match.${encodeURIComponent('^(a+)(a+)(a+)\\3\\2\\1x$')}`, as: GREEDY };
const AMPLIFIED = { path: `/learnsync/lesson_progress?select=${Array.from({ length: 270 }, (_, n) => `a${n}:data`).join(',')}`, as: GREEDY };
const PUSH = () => ({ method: 'POST', path: '/api/sync/push', as: GREEDY, body: { deviceId: 'd', items: Array.from({ length: 20 }, () => item(`${++number}`, { lessonId: `${number % 50}`, timeSpent: 1 })) } });
const ATTACKS = [
  ['60 connections that push', flood(60, PUSH)],
  ['10 views filtered by regular expressions that do not end', flood(10, () => REGEX)],
  ['the same, hung up on after 100 ms', flood(10, () => REGEX, { hangUp: 100 })],
  ['a document 270 times over', flood(10, () => AMPLIFIED)],
];

export async function test({ port }) {
  const before = psql("SELECT COALESCE(array_to_string(rolconfig, ' '), '') FROM pg_roles WHERE rolname = 'authenticated'");
  if (!before.includes('statement_timeout')) psql("ALTER ROLE authenticated SET statement_timeout = '5s'");
  const rest = await startPostgrest(), { port: front } = await startNginx(rest.port);
  const stored = await request(port, { method: 'POST', path: '/rpc/sync_push', as: GREEDY, body: { deviceId: 'd', items: [item('note', { lessonId: 'note', note: `${'a'.repeat(1001)}x` }), item('large', { lessonId: 'large', text: 'x'.repeat(200000) })] } });
  is(stored, { status: 200, body: { syncedItems: ['note', 'large'] } }, 'what is attacked with');
  is(await request(front, { ...REGEX }), { status: 500, body: { code: '57014' } }, 'such a view is ended after the role\'s statement_timeout');
  is(await request(front, { ...AMPLIFIED }), { status: 400, body: { code: '400', retryable: false } }, 'a document 270 times over is refused');
  for (const [what, attack] of ATTACKS) {
    let alone, within, most = false;
    // A machine that has other things to do for some seconds is no greedy learner: that one takes every round.
    for (let round = 0; round < 3 && !most; round++) {
      [alone, within] = [await beside(front), await beside(front, attack)];
      most = within.taken > alone.taken / 2 && within.least > alone.least / 3;
      await sleep(5000); // what was hung up on may still run
    }
    console.log(`${what}: ${within.taken} pushes of calm learners (least ${within.least}, slowest ${within.slowest.toFixed(0)} ms), ${alone.taken} alone (slowest ${alone.slowest.toFixed(0)} ms); the greedy one got ${JSON.stringify(within.greedy)}`);
    ok(most, `the calm ones get most of their pushes beside ${what}`, `${within.taken} of ${alone.taken}, least ${within.least} of ${alone.least}`);
    ok(within.refused.replaceAll('{}', '').trim() === '', `none of these is refused`, within.refused);
  }
}
