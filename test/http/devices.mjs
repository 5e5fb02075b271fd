// Twenty devices of four learners, offline most of the time, over a network that loses requests and answers: in the end
// all hold the server's state, and every minute is counted once.
import { App } from './client.mjs';
import { PostgrestClient, is, learner, ok, psql } from './parts.mjs';

const LEARNERS = 4, DEVICES = 5, ROUNDS = 12;

/** Numbers that look random and are the same in every run. */
function dice(seed) {
  return () => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed / 2147483648;
  };
}

const network = { lost: 0, dropped: 0, repeated: 0, calls: 0, weak: false };

/** A fetch whose request may never arrive, whose answer may be lost, or which arrives twice. */
const weakFetch = random => async (url, options) => {
  network.calls++;
  if (!network.weak) return fetch(url, options);
  const luck = random();
  if (luck < 0.15) { network.lost++; throw new TypeError('no network'); }
  const answer = await fetch(url, options);
  if (luck < 0.4) { network.dropped++; await answer.text(); throw new TypeError('connection lost'); }
  if (luck < 0.5) { network.repeated++; await (await fetch(url, options)).text(); }
  return answer;
};

function use(app, random, truth, name) {
  const minutes = Math.floor(random() * 30), lessonId = `lesson ${Math.floor(random() * 6)}`;
  const data = { lessonId, timeSpent: minutes * 60000, completionPercentage: Math.floor(random() * 101) };
  const lesson = truth.lessons[lessonId] ??= { minutes: 0, percentage: 0 };
  lesson.minutes += minutes;
  lesson.percentage = Math.max(lesson.percentage, data.completionPercentage);
  app.record('lesson_progress', data);
  if (random() < 0.3) {
    const message = `${name} ${truth.messages.length}`;
    truth.messages.push(message);
    app.record('conversation', { messages: [{ id: message, text: message }] }, { resourceId: 'talk' });
  }
  if (random() < 0.4) {
    const id = `task ${Math.floor(random() * 4)}`;
    app.record('checklist', { tasks: [random() < 0.4 ? { id, deleted: true } : { id, text: `${name} ${random()}` }] }, { resourceId: 'list' });
  }
  if (random() < 0.1) {
    truth.bad++;
    app.record('lesson_progress', { lessonId, completionPercentage: 101, timeSpent: 60000 });
  }
}

export async function test({ port }) {
  psql(`SELECT learnsync.define_resource_type('checklist', '{"key": ["listId"], "stale": "ignore", "fields": {"tasks": {"merge": "union", "id": "id", "members": "latest"}}}')`);
  const random = dice(7), truths = [], apps = [];
  for (let l = 0; l < LEARNERS; l++) {
    truths.push({ lessons: {}, messages: [], bad: 0 });
    for (let d = 0; d < DEVICES; d++) {
      const api = new PostgrestClient(`http://127.0.0.1:${port}`, { fetch: weakFetch(random), headers: { Authorization: `Bearer ${learner(`pupil ${l}`)}` }, schema: 'learnsync_api' });
      apps.push({ app: new App(api, `device ${d}`), truth: truths[l], learner: l, name: `${l}.${d}` });
    }
  }
  network.weak = true;
  for (let round = 0; round < ROUNDS; round++)
    await Promise.all(apps.map(async ({ app, truth, name }) => {
      for (let n = 0; n < 1 + random() * 5; n++) use(app, random, truth, name);
      if (random() < 0.6) await app.syncPatiently(3, 1);
    }));
  network.weak = false;
  for (let twice = 0; twice < 2; twice++)
    for (const { app } of apps) await app.sync();

  ok(network.lost > 20 && network.dropped > 20 && network.repeated > 5, 'the network was as weak as it should be', JSON.stringify(network));
  // Lists as sets: a client that is sent only new members puts them in order by what they say themselves.
  const ordered = (key, value) => Array.isArray(value) && key ? [...value].sort((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1) : value;
  const sorted = app => JSON.stringify([...app.documents].sort(([a], [b]) => a < b ? -1 : 1).map(([key, value]) => ({ key, value })), ordered);
  for (const { app, truth, learner: l, name } of apps) {
    ok(app.document('checklist', 'list').tasks.every(task => !task.deleted), `${name} shows no task that was removed`);
    is(app.queue.length, 0, `${name} has nothing left to send`);
    ok(sorted(app) === sorted(apps[l * DEVICES].app), `${name} holds what the learner's other devices hold`, `${sorted(app)}\n${sorted(apps[l * DEVICES].app)}`);
    for (const [lesson, { minutes, percentage }] of Object.entries(truth.lessons))
      is(app.document('lesson_progress', lesson), { timeSpent: minutes * 60000, completionPercentage: percentage }, `${name}, ${lesson}: every minute once`);
    is((app.document('conversation', 'talk')?.messages ?? []).map(m => m.id).sort(), [...truth.messages].sort(), `${name} has every message once`);
  }
  for (let l = 0; l < LEARNERS; l++) {
    const mine = apps.filter(a => a.learner === l);
    is(mine.flatMap(({ app }) => app.failed).length, truths[l].bad, `pupil ${l}: every bad item was told once`);
    is(Number(psql(`SELECT sum((data ->> 'timeSpent')::bigint) / 60000 FROM learnsync_data.resource WHERE learner_id = 'pupil ${l}' AND resource_type = 'lesson_progress'`)),
      Object.values(truths[l].lessons).reduce((sum, lesson) => sum + lesson.minutes, 0), `pupil ${l}: the minutes in the database`);
    const late = new App(mine[0].app.api, 'a new device');
    await late.pull(7);
    ok(sorted(late) === sorted(mine[0].app), `pupil ${l}: a new device gets it all, in pages of seven`, `${sorted(late)}\n${sorted(mine[0].app)}`);
  }
}
