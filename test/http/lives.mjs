// Random lives of the shipped client, in Node: whatever network, server, storage and clock do, every device ends as the
// server has it, every minute counts once, and what is bad is set aside while the rest goes through. SEEDS says how many.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { memory, open, uuid } from '../../clients/js/learnsync.mjs';
import { is, learner, ok, psql, startNginx, startPostgrest, until } from './parts.mjs';

const LIVES = Number(process.env.SEEDS ?? 12), FIRST = Number(process.env.FIRST ?? 1);
const RULES = { task_list: { key: ['name'], fields: { tasks: { merge: 'union', id: 'id', members: 'latest' } } } };
const DAY = 86400e3;
export const seen = {};
const note = name => { seen[name] = (seen[name] ?? 0) + 1; };

/** mulberry32: small, seeded, good enough to choose. */
export function dice(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const json = (status, body, headers = {}) => new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } });

const EMPTY_CODE = () => json(400, { code: '', message: 'FATAL:  the database system is shutting down' });

/** What a request may meet on its way: null leaves it alone. The first word of each is how it is counted. */
const FAULTS = [
  ['request lost', () => { throw new TypeError('network'); }],
  ['answer lost', async go => { await go(); throw new TypeError('network'); }],
  ['half an answer', async go => { const answer = await go(), text = await answer.text(); return new Response(text.slice(0, text.length >> 1), answer); }],
  ['a portal', () => new Response('<html>Welcome</html>', { status: 200 })],
  ['401', () => json(401, { code: 'PGRST301', message: 'JWT expired' })],
  ['413', () => new Response('<html>413</html>', { status: 413 })],
  ['400 with an empty code', EMPTY_CODE],
  ['502', () => json(502, { code: '502', message: 'the API cannot be reached', retryable: true })],
  ['504 after the work', async go => { await go(); return json(504, { code: '504', message: 'the API did not answer in time' }); }],
  ['57014', () => json(500, { code: '57014', message: 'canceling statement due to statement timeout' })],
  ['moved', () => json(503, { code: 'PT503', message: 'the learner is on another server' }, { 'Retry-After': '2' })],
  ['429', () => json(429, { code: 'PGRST', message: 'too many calls' }, { 'Retry-After': '1' })],
  ['behind', async (go, body) => (body.cursor ? json(200, { changes: [], cursor: body.cursor, syncVersion: 1, hasMore: false, reset: false, behind: true }) : go())]
];

class Killed extends Error {}

/** A storage that fails as storages do: full, or the app dies before or after a write. */
function mortal(raw, weak, random) {
  let dead = false;
  const alive = () => { if (dead) throw new Killed('killed'); };
  return { ...raw, raw,
    async get(...call) { alive(); return raw.get(...call); },
    async list(...call) { alive(); return raw.list(...call); },
    async write(...call) {
      alive();
      const fate = weak.on ? random() : 1;
      if (fate < 0.02) { dead = true; note('killed before a write'); throw new Killed('killed'); }
      if (fate < 0.04) { note('quota'); throw Object.assign(new Error('full'), { name: 'QuotaExceededError' }); }
      const done = await raw.write(...call);
      if (fate > 0.98 && fate < 1) { dead = true; note('killed after a write'); throw new Killed('killed'); }
      return done;
    } };
}

class Device {
  constructor(life, name) {
    Object.assign(this, { life, name, raw: memory(), late: 0 });
    this.clock = [0, 0, 0, 3600e3, 400 * DAY, -30 * 365 * DAY][Math.floor(life.random() * 6)];
    if (this.clock) note('wrong clock');
  }

  async start() {
    const { life } = this;
    for (;;) {
      try {
        this.app = await open({ url: life.url, token: () => life.token, storage: mortal(this.raw, life.weak, life.random), rules: life.seed % 3 ? RULES : undefined, learnerId: life.learner,
          fetch: (url, call) => this.fetch(url, call), now: () => Date.now() + this.clock + this.late, page: 1 + Math.floor(life.random() * 20),
          batch: 1 + Math.floor(life.random() * 30) });
        return this;
      } catch (error) {
        if (!(error instanceof Killed) && error.name !== 'QuotaExceededError') throw error;
      }
    }
  }

  async fetch(url, call) {
    const go = () => fetch(url, call), { random, weak } = this.life, body = JSON.parse(call.body);
    if (this.life.failsOver && body.items?.length) return EMPTY_CODE();
    if (!weak.on || random() > 0.3) return go();
    const [name, fault] = FAULTS[Math.floor(random() * FAULTS.length)];
    if (name === 'behind' && !url.endsWith('sync_pull')) return go();
    if (name === '413' && !(body.items?.length > 1)) return go();
    note(name);
    return fault(go, body);
  }

  /** What the app was asked to do; after a death it starts again on what its storage has. Answers what came of it, if anything. */
  async live(work) {
    try {
      return await work(this.app);
    } catch (error) {
      if (!(error instanceof Killed) && error.name !== 'QuotaExceededError') throw error;
      if (error instanceof Killed) await this.start();
      return null;
    }
  }

  /** Records under an id that the test knows: whether it lasts is what the storage says. */
  async record(type, data, more = {}) {
    const id = uuid();
    await this.live(app => app.record(type, data, { id, ...more }));
    return Boolean(await this.raw.get('queue', id));
  }

  sync() { return this.live(app => app.sync()); }
}

class Life {
  constructor(seed, urls) {
    Object.assign(this, { seed, random: dice(seed), url: urls[seed % urls.length], learner: `life ${seed}`, weak: { on: true } });
    this.token = learner(this.learner);
    this.truth = { minutes: {}, percent: {}, messages: new Set(), bad: 0, removed: new Set(), unknown: 0 };
    this.devices = ['a', 'b', 'c'].slice(0, 2 + seed % 2).map(name => new Device(this, name));
  }

  pick(list) { return list[Math.floor(this.random() * list.length)]; }

  async use(device) {
    const { truth } = this, lesson = `lesson ${Math.floor(this.random() * 4)}`, what = this.random();
    if (what < 0.4) {
      const minutes = 1 + Math.floor(this.random() * 9), percent = Math.floor(this.random() * 101);
      if (!await device.record('lesson_progress', { lessonId: lesson, timeSpent: minutes * 60000, completionPercentage: percent })) return;
      truth.minutes[lesson] = (truth.minutes[lesson] ?? 0) + minutes;
      truth.percent[lesson] = Math.max(truth.percent[lesson] ?? 0, percent);
    } else if (what < 0.55) {
      const id = `m ${device.name} ${truth.messages.size} ${this.random()}`;
      if (await device.record('conversation', { messages: [{ id, text: 'hello' }] }, { resourceId: 'talk' })) truth.messages.add(id);
    } else if (what < 0.65) {
      await device.record('task_list', { name: 'list', tasks: [{ id: `t${Math.floor(this.random() * 5)}`, ...this.random() < 0.4 ? { deleted: true } : { text: String(this.random()) } }] });
    } else if (what < 0.75) {
      const isGone = this.random() < 0.3;
      await device.record('mastery', isGone ? undefined : { competencyId: 'c', level: Math.floor(this.random() * 9) }, { resourceId: 'c', operation: isGone ? 'delete' : 'update' });
    } else if (what < 0.85) {
      await device.record('quiz_attempt', { quizId: 'q', attemptNumber: 1 + Math.floor(this.random() * 2), score: this.random() });
    } else {
      const poison = this.pick(['a \u0000 in it', 'half \ud800 a pair']);
      const bad = this.pick([{ completionPercentage: 130 }, { note: poison }, { note: 'x'.repeat(300000) }]);
      if (await device.record('lesson_progress', { lessonId: lesson, timeSpent: 1, ...bad })) truth.bad++;
    }
  }

  async decide(device) {
    for (const { conflictId, decision } of await device.app.conflicts().catch(() => []))
      if (!decision) await device.live(app => app.decide(conflictId, this.pick(['use_server', 'use_client', 'keep_both']), { force: true }));
  }

  async run(rest) {
    for (const device of this.devices) await device.start();
    for (let round = 0; round < 6; round++) {
      await Promise.all(this.devices.map(async device => {
        for (let n = this.random() * 6; n > 0; n--) await this.use(device);
        if (this.random() < 0.7) await device.sync();
        await this.decide(device);
        device.late += this.random() * 7200e3;
      }));
      if (round === 3) await this.upset(rest);
    }
    this.weak.on = false;
    await this.settle();
  }

  /** In the middle of a life something happens to the server. */
  async upset(rest) {
    const what = this.seed % 10;
    if (what === 1) { psql('SELECT learnsync.new_epoch()'); note('reset'); }
    if (what === 2) { psql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'authenticator'`); note('connections ended'); }
    if (what === 3) await restartPostgrest(rest, this.devices);
    if (what === 4 && this.seed % 20 === 4) await restartDatabase(this.devices);
    if (what === 5) await this.deactivate(this.devices[0]);
    if (what === 6) await this.failOver();
    if (what === 7) await this.moveAway();
  }

  /** While the database fails over, all that carries items is answered 400 with an empty code: no item is at fault. */
  async failOver() {
    this.weak.on = false;
    this.failsOver = true;
    for (const device of this.devices) {
      while (!(await device.app.queue()).length) await this.use(device);
      const failed = (await device.app.failed()).length;
      await device.sync();
      is((await device.app.failed()).length, failed, `${this.learner}: ${device.name} sets nothing aside for a failover`);
    }
    this.failsOver = false;
    this.weak.on = true;
    note('failover');
  }

  /** The learner's part is about to be given to another server: for a while this one refuses all, and says when to ask again. */
  async moveAway() {
    const part = psql(`SELECT learnsync.part_of('${this.learner}', 256)`), handed = psql(`SELECT learnsync.part_fence(${part})`);
    this.weak.on = false;
    for (const device of this.devices) {
      const queued = (await device.app.queue()).length, outcome = await device.sync();
      is([outcome.state, outcome.wait >= 1000, (await device.app.queue()).length], ['later', true, queued], `${this.learner}: while it moves ${device.name} keeps what it has, and waits`);
    }
    psql(`SELECT learnsync.part_accept(${part}, '${handed}')`);
    this.weak.on = true;
    note('fenced');
  }

  async deactivate(device) {
    if (!psql(`SELECT 1 FROM learnsync_data.device WHERE learner_id = '${this.learner}' AND device_id = '${device.app.deviceId}'`)) return;
    this.weak.on = false;
    psql(`SELECT learnsync.sync_deactivate_device('${this.learner}', '{"deviceId": "${device.app.deviceId}"}')`);
    const queued = (await device.app.queue()).length;
    is((await device.sync()).state, 'deactivated', `${this.learner}: a deactivated device is told`);
    is((await device.app.queue()).length, queued, `${this.learner}: and keeps what it has`);
    psql(`SELECT learnsync.sync_activate_device('${this.learner}', '{"deviceId": "${device.app.deviceId}"}')`);
    this.weak.on = true;
    note('deactivated');
  }

  /** The network is good again, and time passes: until nobody has anything to send or to decide. */
  async settle() {
    for (let turn = 0; turn < 12; turn++) {
      const outcomes = [];
      for (const device of this.devices) {
        device.late += 7200e3;
        outcomes.push(await device.sync());
        await this.decide(device);
      }
      const left = await Promise.all(this.devices.map(async ({ app }) => (await app.queue()).length + (await app.conflicts()).length));
      if (turn > 1 && outcomes.every(({ state }) => state === 'ok') && left.every(count => count === 0)) break;
      if (outcomes.some(({ state }) => state !== 'ok')) await new Promise(next => setTimeout(next, 150));
    }
    for (const device of this.devices) is((await device.sync()).state, 'ok', `${this.learner}: ${device.name} syncs in the end`);
  }

  async check() {
    const { truth, learner: name } = this, fresh = await new Device(this, 'fresh').start();
    await fresh.sync();
    const documents = async ({ raw }) => JSON.stringify((await raw.list('documents')).map(([key, { version, data }]) => ({ key, version, data })),
      (key, value) => (Array.isArray(value) && (key === 'messages' || key === 'tasks') ? [...value].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : value));
    const server = await documents(fresh);
    for (const device of this.devices) {
      is({ queue: await device.app.queue(), conflicts: await device.app.conflicts(), sent: await device.raw.list('sent') }, { queue: [], conflicts: [], sent: [] }, `${name}: ${device.name} has nothing left`);
      const held = await documents(device);
      ok(held === server, `${name}: ${device.name} holds what a new device gets, document by document`, `${held}\n#   ${server}`);
      is(await device.app.verify(), [], `${name}: ${device.name} is as the server says, by sync_verify`);
    }
    for (const [lesson, minutes] of Object.entries(truth.minutes))
      is(await fresh.app.document('lesson_progress', lesson), { timeSpent: minutes * 60000, completionPercentage: truth.percent[lesson] }, `${name}: every minute of ${lesson} once`);
    is(((await fresh.app.document('conversation', 'talk'))?.messages ?? []).map(({ id }) => id).sort(), [...truth.messages].sort(), `${name}: every message once`);
    const failed = (await Promise.all(this.devices.map(({ app }) => app.failed()))).flat();
    is(failed.length, truth.bad, `${name}: every bad item is set aside, and nothing else`);
  }

  /** The last of it: one device is wiped, then the learner is erased, and comes back. */
  async end() {
    const [first, second] = this.devices, { learner: name } = this;
    psql(`SELECT learnsync.sync_deactivate_device('${name}', '{"deviceId": "${first.app.deviceId}", "wipe": true}')`);
    await first.record('lesson_progress', { lessonId: 'late', timeSpent: 1 });
    is((await first.sync()).state, 'wiped', `${name}: a device is wiped where it is asked for`);
    is(await holds(first), 0, `${name}: and holds nothing`);
    ok(psql(`SELECT learnsync.sync_devices('${name}')::jsonb #> '{devices}' @> '[{"deviceId": "${first.app.deviceId}", "wipe": {}}]' AND learnsync.sync_devices('${name}')::text ~ 'doneAt": *"2'`) === 't', `${name}: and says so`);
    psql(`SELECT learnsync.forget_learner('${name}')`);
    if (this.seed % 8) await second.record('lesson_progress', { lessonId: 'late', timeSpent: 1 });
    is((await second.sync()).state, 'erased', `${name}: an erased learner's device is told`);
    is(await holds(second), 0, `${name}: and holds nothing`);
    psql(`SELECT learnsync.remember_learner('${name}')`);
    await second.record('lesson_progress', { lessonId: 'anew', timeSpent: 5 });
    await second.sync();
    is(await second.sync(), { state: 'ok' }, `${name}: who is let in again starts anew`);
    is(await second.app.documents('lesson_progress'), all => all.size === 1 && all.get('anew').timeSpent === 5, `${name}: with what came since`);
    note('wiped');
    note('erased');
  }
}

const holds = async ({ raw }) => (await Promise.all(['queue', 'sent', 'documents', 'failed', 'conflicts'].map(table => raw.list(table)))).flat().length;

/** PostgREST goes away and comes back at the same port, while devices sync. */
async function restartPostgrest(rest, devices) {
  rest.child.ending = true;
  rest.child.kill('SIGKILL');
  await once(rest.child, 'exit');
  for (const device of devices) await device.sync();
  Object.assign(rest, { child: (await startPostgrest({ 'server-port': rest.port })).child });
  note('PostgREST restarted');
}

/** The database restarts under PostgREST, while devices sync. */
async function restartDatabase(devices) {
  const control = word => ['-D', `${process.env.LEARNSYNC_SCRATCH}/data`, '-m', 'fast', '-w', '-l', '/dev/null', word];
  const run = word => (process.getuid() === 0 ? execFileSync('runuser', ['-u', process.env.SCRATCH_USER, '--', 'pg_ctl', ...control(word)], { cwd: '/', stdio: 'ignore' })
    : execFileSync('pg_ctl', control(word), { cwd: '/', stdio: 'ignore' }));
  run('stop');
  for (const device of devices) await device.sync();
  run('start');
  for (const device of devices) await device.sync();
  await until('the database is back', () => psql('SELECT 1') === '1');
  note('database restarted');
}

export async function test(rest) {
  psql(`SELECT learnsync.define_resource_type('task_list', '{"key": ["name"], "fields": {"tasks": {"merge": "union", "id": "id", "members": "latest"}}}')`);
  psql('SELECT learnsync.part_hold(0, 255)');
  const nginx = await startNginx(rest.port);
  const urls = [`http://127.0.0.1:${nginx.port}/learnsync`, `http://127.0.0.1:${rest.port}`];
  for (let seed = FIRST; seed < FIRST + LIVES; seed++) {
    const life = new Life(seed, urls);
    try {
      await life.run(rest);
      await life.check();
      if (seed % 4 === 0) await life.end();
    } catch (error) {
      ok(false, `life ${seed} was lived to its end`, error.stack);
    }
    if ((seed - FIRST + 1) % 20 === 0) console.log(`# ${seed - FIRST + 1} lives`);
  }
  const wanted = LIVES < 12 ? [] : [...FAULTS.map(([name]) => name), 'killed before a write', 'killed after a write', 'quota', 'wrong clock', 'reset', 'PostgREST restarted', 'deactivated', 'failover', 'fenced', 'wiped', 'erased'];
  is(wanted.filter(name => !seen[name]), [], 'every fault was met');
  console.log(`# ${LIVES} lives: ${Object.entries(seen).map(([name, count]) => `${name} ${count}`).join(', ')}`);
}
