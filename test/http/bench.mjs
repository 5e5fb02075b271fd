// Through PostgREST: how long pushes of 1, 10 and 100 items take and a pull that finds nothing, one after the other from one learner after the
// other; and pushes of ten against a trivial function with the same body, over a few connections, interleaved.
import { appendFileSync } from 'node:fs';
import http from 'node:http';
import { learner, ok, psql, request, until } from './parts.mjs';

const BATCHES = 25, PER_BATCH = 80, CONNECTIONS = 4, CALLS = { 1: 1000, 10: 1000, 100: 300, pull: 1000 }, WARM = 50;
const TOKENS = Array.from({ length: 200 }, (_, n) => learner(`pupil ${n}`));
let number = 0, asked = 0;

const body = (size = 10) => ({ deviceId: 'phone', deviceName: 'Phone', lastSyncVersion: 1, items: Array.from({ length: size }, (_, n) => ({ id: `item ${++number}`, operation: 'update', resourceType: 'lesson_progress',
  data: { lessonId: `lesson ${(number * 7 + n) % 50}`, courseId: 'algebra', completionPercentage: number % 101, timeSpent: 60000 }, clientTimestamp: new Date(1767866400000 + number * 1000).toISOString() })) });

async function call(port, agent, name, as, body) {
  const answer = await request(port, { method: 'POST', path: `/rpc/${name}`, as, agent, body });
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.body;
}

/** A figure of this machine, printed at once and kept for the end of a whole run, as bench.py does. */
function figure(what, value, unit) {
  const text = `| ${what} | ${value >= 10 ? Math.round(value) : value.toPrecision(2)} ${unit} |\n`;
  process.stdout.write(text);
  if (process.env.BENCH_NUMBERS) appendFileSync(process.env.BENCH_NUMBERS, text);
}

/** Milliseconds from request to answer, of so many calls, one at a time. */
async function latencies(port, agent, count, make) {
  const times = [];
  for (let n = 0; n < count + WARM; n++) {
    const { name, as, body } = await make(n), started = performance.now();
    await call(port, agent, name, as, body);
    if (n >= WARM) times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b);
}

async function measureLatencies(port) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 }), token = n => TOKENS[n % TOKENS.length];
  const tell = (what, times) => [0.5, 0.99].forEach(part => figure(`${what} through PostgREST, p${part * 100}`, times[Math.floor(times.length * part)], 'ms'));
  for (const size of [1, 10, 100])
    tell(`push of ${size}`, await latencies(port, agent, CALLS[size], n => ({ name: 'sync_push', as: token(n), body: JSON.stringify(body(size)) })));
  const cursors = [];
  for (const as of TOKENS) cursors.push((await call(port, agent, 'sync_pull', as, '{"deviceId": "phone"}')).syncVersion);
  tell('a pull that finds nothing', await latencies(port, agent, CALLS.pull, n => ({ name: 'sync_pull', as: token(n), body: JSON.stringify({ deviceId: 'phone', lastSyncVersion: cursors[n % cursors.length] }) })));
  agent.destroy();
}

/** Seconds that a number of requests takes, over a few connections at once. */
async function time(port, agent, name) {
  const bodies = Array.from({ length: PER_BATCH }, () => JSON.stringify(body())), started = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    for (let next; (next = bodies.pop()) !== undefined;) await call(port, agent, name, TOKENS[asked++ % TOKENS.length], next);
  }));
  return (performance.now() - started) / 1000;
}

const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];

export async function test({ port }) {
  psql(`CREATE FUNCTION learnsync_api.trivial(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"ok": true}'::jsonb $$; GRANT EXECUTE ON FUNCTION learnsync_api.trivial(jsonb) TO authenticated; NOTIFY pgrst`);
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  await until('the trivial function is known', async () => (await request(port, { method: 'POST', path: '/rpc/trivial', as: learner('x'), body: {} })).status === 200);
  await measureLatencies(port);
  const names = ['trivial', 'sync_push'], seconds = { trivial: [], sync_push: [] };
  for (let n = 0; n < BATCHES + 2; n++)
    for (const name of n % 2 ? names : names.toReversed()) {
      const taken = await time(port, agent, name);
      if (n >= 2) seconds[name].push(taken); // the first ones warm up
    }
  agent.destroy();
  const rate = name => PER_BATCH / median(seconds[name]);
  const ratio = median(seconds.trivial) / median(seconds.sync_push);
  figure('pushes of 10 through PostgREST, four connections', rate('sync_push'), 'a second');
  const row = `| pushes of 10 through PostgREST / a trivial function, rate | ${ratio.toFixed(2)} | |\n`;
  process.stdout.write(row);
  if (process.env.BENCH_TABLE) appendFileSync(process.env.BENCH_TABLE, row);
  ok(Number.isFinite(ratio), 'both were measured');
}
