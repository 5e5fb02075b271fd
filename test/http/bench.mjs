// Pushes of ten items through PostgREST against a trivial function with the same body, interleaved.
import http from 'node:http';
import { learner, ok, psql, request, until } from './parts.mjs';

const BATCHES = 25, PER_BATCH = 80, CONNECTIONS = 4;
const TOKENS = Array.from({ length: 200 }, (_, n) => learner(`pupil ${n}`));
let number = 0, asked = 0;

const body = () => ({ deviceId: 'phone', deviceName: 'Phone', lastSyncVersion: 1, items: Array.from({ length: 10 }, (_, n) => ({ id: `item ${++number}`, operation: 'update', resourceType: 'lesson_progress',
  data: { lessonId: `lesson ${(number * 7 + n) % 50}`, courseId: 'algebra', completionPercentage: number % 101, timeSpent: 60000 }, clientTimestamp: new Date(1767866400000 + number * 1000).toISOString() })) });

/** Seconds that a number of requests takes, over a few connections at once. */
async function time(port, agent, name) {
  const bodies = Array.from({ length: PER_BATCH }, () => JSON.stringify(body())), started = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    for (let next; (next = bodies.pop()) !== undefined;) {
      const answer = await request(port, { method: 'POST', path: `/rpc/${name}`, as: TOKENS[asked++ % TOKENS.length], agent, body: next });
      if (answer.status !== 200) throw new Error(answer.text);
    }
  }));
  return (performance.now() - started) / 1000;
}

const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];

export async function test({ port }) {
  psql(`CREATE FUNCTION learnsync_api.trivial(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"ok": true}'::jsonb $$; GRANT EXECUTE ON FUNCTION learnsync_api.trivial(jsonb) TO authenticated; NOTIFY pgrst`);
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  await until('the trivial function is known', async () => (await request(port, { method: 'POST', path: '/rpc/trivial', as: learner('x'), body: {} })).status === 200);
  const names = ['trivial', 'sync_push'], seconds = { trivial: [], sync_push: [] };
  for (let n = 0; n < BATCHES + 2; n++)
    for (const name of n % 2 ? names : names.toReversed()) {
      const taken = await time(port, agent, name);
      if (n >= 2) seconds[name].push(taken); // the first ones warm up
    }
  agent.destroy();
  const rate = name => PER_BATCH / median(seconds[name]);
  const ratio = median(seconds.trivial) / median(seconds.sync_push);
  console.log(`pushes of 10: ${rate('sync_push').toFixed(0)} a second; trivial function: ${rate('trivial').toFixed(0)}; ratio ${ratio.toFixed(2)}, bar 0.8`);
  ok(Number.isFinite(ratio), 'both were measured');
}
