// The gateway that wakes apps: who is told of what, how soon, and who is turned away.
import http from 'node:http';
import net from 'node:net';
import { DATABASE, ROOT, is, learner, ok, psql, request, start, token, until } from './parts.mjs';

const STREAMS = 300, LEARNERS = 60;

async function startGateway(rest, port = 0) {
  const env = { PGHOST: process.env.PGHOST, PGPORT: process.env.PGPORT, PGUSER: 'postgres', PGDATABASE: DATABASE, PGOPTIONS: '-c role=service' };
  const gateway = start('python3', [`${ROOT}/clients/outbox/wake.py`, 'wake', `http://127.0.0.1:${rest.port}`, '--port', String(port), '--most', String(STREAMS + 10)], 'the gateway', env);
  await until('the gateway listens', () => /listening on/.test(gateway.output()));
  return { process: gateway, port: Number(/listening on (\d+)/.exec(gateway.output())[1]) };
}

/** A stream of an app; heard: of whom it was told, and when. */
function listen(port, { path = '/', as } = {}) {
  const app = { heard: [], open: false, status: 0, ended: false };
  app.call = http.get({ host: '127.0.0.1', port, path, agent: false, headers: as ? { Authorization: `Bearer ${as}` } : {} }, answer => {
    app.status = answer.statusCode;
    app.type = answer.headers['content-type'];
    let text = '';
    answer.setEncoding('utf8');
    answer.on('data', data => {
      const events = (text += data).split('\n\n');
      text = events.pop();
      for (const event of events) {
        app.open ||= event.endsWith(': open');
        if (event.startsWith('event: changed\ndata: ')) app.heard.push({ of: JSON.parse(event.slice(21)).learnerId, at: Date.now() });
      }
    });
    answer.on('error', () => {});
    answer.on('close', () => { app.ended = true; });
  });
  app.call.on('error', () => { app.ended = true; });
  return app;
}

const heard = app => app.heard.map(news => news.of).join();

let items = 0;
function push(rest, who) {
  const item = { id: `wake-${items++}`, operation: 'update', resourceType: 'mastery', clientTimestamp: '2026-01-08T10:00:00Z', data: { competencyId: `c${items}` } };
  return request(rest.port, { method: 'POST', path: '/rpc/sync_push', as: learner(who), body: { deviceId: 'phone', items: [item] } });
}

async function refused(gateway) {
  const status = async options => {
    const app = listen(gateway.port, options);
    await until('it is answered', () => app.status > 0);
    app.call.destroy();
    return app.status;
  };
  is(await status({}), 401, 'without a token nobody listens');
  is(await status({ as: 'nonsense' }), 401, 'nor with something else');
  is(await status({ as: token({ role: 'authenticated', sub: 'ada' }, { secret: 'another secret, that is long enough too' }) }), 401, 'nor with one of somebody else\'s making');
  is(await status({ as: token({ role: 'authenticated', sub: 'ada', exp: 1 }) }), 401, 'nor with one that is over');
  is(await status({ path: '/?token=a%0d%0aX-Y:%20z' }), 401, 'nor with one that would be a header');
  is(await status({ as: token({ role: 'authenticated' }) }), 401, 'nor with one of nobody');
  is((await request(gateway.port, { method: 'POST', path: '/', as: learner('ada'), body: {} })).status, 405, 'only GET opens a stream');
  is((await request(gateway.port, { method: 'OPTIONS', path: '/' })).status, 204, 'a browser asks before');
}

/** What is no HTTP. */
async function garbage(gateway) {
  const sent = ['\r\n\r\n', 'GET\r\n\r\n', `GET /${'x'.repeat(200000)}`, 'GET / HTTP/1.1\r\n', '\0\xff\r\n\r\n'].map(text => {
    const socket = net.connect(gateway.port, '127.0.0.1', () => socket.write(text, 'latin1'));
    return socket.on('error', () => {});
  });
  await new Promise(next => setTimeout(next, 200));
  for (const socket of sent) socket.destroy();
}

async function wakes(rest, gateway) {
  const ada = listen(gateway.port, { as: learner('ada') }), browser = listen(gateway.port, { path: `/?token=${learner('ada')}` });
  const bob = listen(gateway.port, { as: learner('bob') }), owner = listen(gateway.port, { as: learner('owner') });
  await until('all are open', () => [ada, browser, bob, owner].every(app => app.open));
  is({ status: ada.status, type: ada.type }, { status: 200, type: 'text/event-stream' }, 'a learner\'s token opens a stream');
  const waits = [];
  for (let turn = 1; turn <= 5; turn++) {
    const began = Date.now();
    await push(rest, 'ada');
    await until('it is told', () => ada.heard.length >= turn && browser.heard.length >= turn);
    const pulled = await request(rest.port, { method: 'POST', path: '/rpc/sync_pull', as: learner('ada'), body: { deviceId: 'tablet', lastSyncVersion: turn } });
    ok(pulled.body.changes.length === 1, `what is told is there to be pulled, the ${turn}. time`, pulled.text);
    waits.push(Date.now() - began);
  }
  ok(Math.min(...waits) < 2000, `another device has it within two seconds (${waits.join(', ')} ms)`);
  is([ada, browser, bob].map(heard), ['ada,ada,ada,ada,ada', 'ada,ada,ada,ada,ada', ''], 'each time it is told, and to nobody else');
  await push(rest, 'child');
  await until('it is told', () => owner.heard.length === 1);
  is(heard(owner), 'child', 'who owns a profile is told of whom');
  for (const app of [ada, browser, bob, owner]) app.call.destroy();
}

async function many(rest, gateway) {
  const apps = Array.from({ length: STREAMS }, (_, n) => Object.assign(listen(gateway.port, { as: learner(`many${n % LEARNERS}`) }), { who: n % LEARNERS }));
  await until('all are open', () => apps.every(app => app.open), 60);
  const busy = Array.from({ length: LEARNERS / 2 }, (_, n) => n * 2);
  await Promise.all(busy.map(n => push(rest, `many${n}`)));
  await until('all are told', () => apps.every(app => app.who % 2 || app.heard.length), 60);
  ok(apps.every(app => app.heard.every(news => news.of === `many${app.who}`) && (app.heard.length > 0) === (app.who % 2 === 0)), `of ${STREAMS} streams those of learners who changed something are told`);
  const more = Array.from({ length: 30 }, () => listen(gateway.port, { as: learner('more') }));
  await until('all are answered', () => more.every(app => app.status), 60);
  ok(more.some(app => app.status === 503) && more.some(app => app.status === 200), 'over the most that it serves others are turned away');
  for (const app of [...apps, ...more]) app.call.destroy();
}

async function outlives(rest, gateway) {
  let app;
  await until('there is room again', async () => {
    app = listen(gateway.port, { as: learner('ada') });
    await until('it is answered', () => app.status > 0);
    return app.open || app.status === 200;
  }, 60);
  psql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%outbox_take%' AND pid <> pg_backend_pid()`);
  await push(rest, 'ada');
  await until('it is told', () => app.heard.length > 0);
  ok(true, 'a lost session of the database is replaced');
  gateway.process.ending = true;
  gateway.process.kill('SIGKILL');
  await until('the stream ends', () => app.ended);
  await push(rest, 'ada');
  const next = await startGateway(rest, gateway.port);
  const again = listen(next.port, { as: learner('ada') });
  await until('it is open', () => again.open);
  await until('nothing waits any more', () => psql(`SELECT waiting FROM learnsync.outboxes()`) === '0', 60);
  await push(rest, 'ada');
  await until('it is told', () => again.heard.length > 0);
  ok(true, 'a gateway that was killed goes on when it is started again');
  again.call.destroy();
}

export async function test(rest) {
  psql(`SELECT learnsync.outbox_add('wake'); SELECT learnsync.add_profile('child', 'owner')`);
  const gateway = await startGateway(rest);
  await refused(gateway);
  await garbage(gateway);
  await wakes(rest, gateway);
  await many(rest, gateway);
  await outlives(rest, gateway);
  psql(`SELECT learnsync.outbox_drop('wake')`);
}
