// The adapters of clients/, each with the package from npm: two devices offline and online, requests and answers that are
// lost, a change that the server never takes; and every minute counts once, and both end as the server has it.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { pathToFileURL } from 'node:url';
import { dice } from './lives.mjs';
import { ROOT, TMP, is, learner, ok, psql } from './parts.mjs';

const FOLDER = `${TMP}/adapters`;
/** A library, as the adapters get it. */
const bring = name => import(pathToFileURL(`${FOLDER}/bring.mjs`).href).then(({ default: from }) => from(name));
const adapter = name => import(pathToFileURL(`${FOLDER}/clients/${name}.mjs`).href);
const pause = ms => new Promise(next => setTimeout(next, ms));
const LESSONS = ['fractions', 'decimals', 'powers'];

/** fetch through a network that loses requests and answers while it is weak, and is off where off is set. */
export function network(random) {
  const net = { weak: true, off: false, lost: 0 };
  net.fetch = async (...call) => {
    const fate = net.weak ? random() : 1;
    if (net.off || fate < 0.15) { net.lost++; throw new TypeError('network'); }
    const answer = await fetch(...call);
    if (fate < 0.3) { await answer.text(); net.lost++; throw new TypeError('network'); }
    return answer;
  };
  return net;
}

const stored = name => JSON.parse(psql(`SELECT COALESCE(json_object_agg(resource_id, data ->> 'timeSpent'), '{}') FROM learnsync_data.resource WHERE learner_id = '${name}' AND resource_type = 'lesson_progress' AND data IS NOT NULL`));
const sums = truth => Object.fromEntries(Object.entries(truth).map(([id, minutes]) => [id, String(minutes * 60000)]));

async function open(rest, name, net, pull = false) {
  const { open: start, memory } = await import(pathToFileURL(`${FOLDER}/clients/js/learnsync.mjs`).href), storage = memory();
  return { storage, client: await start({ url: `http://127.0.0.1:${rest.port}`, token: () => learner(name), storage, pull, fetch: net.fetch }) };
}

async function rxdb(rest) {
  const { createRxDatabase } = await bring('rxdb/plugins/core'), { getRxStorageMemory } = await bring('rxdb/plugins/storage-memory');
  const { replicateLearnsync } = await adapter('rxdb'), name = 'rxdb', random = dice(1), net = network(random), truth = {};
  const schema = { version: 0, primaryKey: 'lessonId', type: 'object', properties: { lessonId: { type: 'string', maxLength: 100 },
    timeSpent: { type: 'number' }, completionPercentage: { type: 'number' }, status: { type: 'string' }, lastAccessedAt: { type: 'string' } } };
  const devices = await Promise.all(['phone', 'tablet'].map(async device => {
    const database = await createRxDatabase({ name: `${device}${Date.now()}`, storage: getRxStorageMemory(), multiInstance: false });
    const { lessons } = await database.addCollections({ lessons: { schema } });
    const held = await open(rest, name, net);
    return { ...held, database, lessons, replication: replicateLearnsync({ collection: lessons, resourceType: 'lesson_progress', ...held, retryTime: 50 }) };
  }));
  const study = async ({ lessons }, minutes) => {
    const lessonId = LESSONS[Math.floor(random() * LESSONS.length)], row = await lessons.findOne(lessonId).exec();
    truth[lessonId] = (truth[lessonId] ?? 0) + minutes;
    if (row) await row.incrementalModify(data => ({ ...data, timeSpent: (data.timeSpent ?? 0) + minutes * 60000 }));
    else await lessons.insert({ lessonId, timeSpent: minutes * 60000 }).catch(() => study.again(lessons, lessonId, minutes));
  };
  study.again = async (lessons, id, minutes) => (await lessons.findOne(id).exec()).incrementalModify(data => ({ ...data, timeSpent: (data.timeSpent ?? 0) + minutes * 60000 }));
  for (let n = 0; n < 40; n++) {
    await study(devices[n % 2], 1 + Math.floor(random() * 9));
    net.off = random() < 0.3;
    if (n % 5 === 0) { devices.forEach(({ replication }) => replication.reSync()); await pause(30); }
  }
  await devices[0].lessons.insert({ lessonId: 'bad', completionPercentage: 400 });
  Object.assign(net, { off: false, weak: false });
  for (let turn = 0; turn < 40; turn++) {
    for (const { replication } of devices) { replication.reSync(); await replication.awaitInSync(); }
    await pause(50);
    const held = await Promise.all(devices.map(async ({ lessons }) => JSON.stringify(Object.fromEntries((await lessons.find().exec()).map(row => [row.lessonId, String(row.timeSpent)])))));
    if (turn > 2 && held.every(one => one === held[0]) && held[0] === JSON.stringify(sums(truth))) break;
  }
  is(stored(name), sums(truth), 'RxDB: every minute once on the server');
  for (const { lessons, client, database } of devices) {
    const rows = Object.fromEntries((await lessons.find().exec()).map(row => [row.lessonId, String(row.timeSpent)]));
    is(rows, sums(truth), 'RxDB: and on each device');
    ok(!('bad' in rows), 'RxDB: what the server never takes is not shown as if it had');
    ok((await lessons.find().exec()).every(row => row.lastAccessedAt), 'RxDB: with what the server computes');
    is((await client.queue()).length, 0, 'RxDB: nothing is left to send');
    await database.close();
  }
  is((await devices[0].client.failed()).map(({ failure }) => failure.code), ['out_of_range'], 'RxDB: the bad change is set aside, with its reason');
  ok(net.lost > 5, 'RxDB: the network lost some', net.lost);
}

/** A device of WatermelonDB, on LokiJS in memory. */
async function watermelon(name) {
  const { Database, Model, appSchema, tableSchema } = await bring('@nozbe/watermelondb'), { default: loki } = await bring('@nozbe/watermelondb/adapters/lokijs/index.js');
  const { field } = await bring('@nozbe/watermelondb/decorators/index.js');
  class Lesson extends (Model.default ?? Model) { static table = 'lessons'; }
  for (const [property, column] of [['timeSpent', 'timeSpent'], ['completionPercentage', 'completionPercentage'], ['lastAccessedAt', 'lastAccessedAt']])
    Object.defineProperty(Lesson.prototype, property, (field.default ?? field)(column)(Lesson.prototype, property, { initializer: null }));
  const schema = appSchema({ version: 1, tables: [tableSchema({ name: 'lessons', columns: [...['timeSpent', 'completionPercentage'].map(column => ({ name: column, type: 'number', isOptional: true })),
    ...['lastAccessedAt', 'learnsync_base'].map(column => ({ name: column, type: 'string', isOptional: true }))] })] });
  return new Database({ adapter: new (loki.default ?? loki)({ schema, dbName: name, useWebWorker: false, useIncrementalIndexedDB: true }), modelClasses: [Lesson] });
}

async function watermelondb(rest) {
  const { learnsyncTable } = await adapter('watermelondb'), name = 'watermelondb', random = dice(2), net = network(random), truth = {};
  const devices = await Promise.all(['phone', 'tablet'].map(async device => {
    const database = await watermelon(device), held = await open(rest, name, net);
    return { ...held, database, sync: learnsyncTable({ database, table: 'lessons', resourceType: 'lesson_progress', ...held }) };
  }));
  const study = ({ database }, minutes) => database.write(async () => {
    const id = LESSONS[Math.floor(random() * LESSONS.length)], lessons = database.get('lessons'), row = await lessons.find(id).catch(() => null);
    truth[id] = (truth[id] ?? 0) + minutes;
    if (row) await row.update(record => { record.timeSpent = (record.timeSpent ?? 0) + minutes * 60000; });
    else await lessons.create(record => { record._raw.id = id; record.timeSpent = minutes * 60000; });
  });
  for (let n = 0; n < 40; n++) {
    await study(devices[n % 2], 1 + Math.floor(random() * 9));
    net.off = random() < 0.3;
    if (random() < 0.5) await Promise.all([devices[n % 2].sync().catch(() => {}), random() < 0.3 && study(devices[n % 2], 1)]);
  }
  await devices[0].database.write(() => devices[0].database.get('lessons').create(record => { record._raw.id = 'bad'; record.completionPercentage = 400; }));
  Object.assign(net, { off: false, weak: false });
  for (let turn = 0; turn < 4; turn++) for (const { sync } of devices) await sync();
  is(stored(name), sums(truth), 'WatermelonDB: every minute once on the server');
  for (const { database, client } of devices) {
    const rows = await database.get('lessons').query().fetch();
    is(Object.fromEntries(rows.map(({ id, timeSpent }) => [id, String(timeSpent)])), sums(truth), 'WatermelonDB: and on each device');
    is(rows.map(({ id }) => id).sort(), Object.keys(truth).sort(), 'WatermelonDB: what the server never takes is not shown as if it had');
    ok(rows.every(({ lastAccessedAt }) => lastAccessedAt), 'WatermelonDB: with what the server computes');
    is((await client.queue()).length, 0, 'WatermelonDB: nothing is left to send');
  }
  is((await devices[0].client.failed()).map(({ failure }) => failure.code), ['out_of_range'], 'WatermelonDB: the bad change is set aside, with its reason');
  await devices[0].database.write(async () => { await (await devices[0].database.get('lessons').find(Object.keys(truth)[0])).markAsDeleted(); });
  for (const { sync } of [...devices, ...devices]) await sync();
  is(await devices[1].database.get('lessons').query().fetchCount(), Object.keys(truth).length - 1, 'WatermelonDB: what one device deletes is gone on the other');
  ok(net.lost > 5, 'WatermelonDB: the network lost some', net.lost);
}

async function powersync(rest) {
  const { PowerSyncDatabase } = await bring('@powersync/node'), { Schema, Table, column } = await bring('@powersync/common');
  const { uploadTo } = await adapter('powersync'), name = 'powersync', random = dice(3), net = network(random), truth = {};
  const lessons = new Table({ timeSpent: column.integer, completionPercentage: column.real }, { trackPrevious: { columns: ['timeSpent'] } });
  const folder = mkdtempSync(`${tmpdir()}/powersync-`);
  const devices = await Promise.all(['phone', 'tablet'].map(async device => {
    const database = new PowerSyncDatabase({ schema: new Schema({ lessons }), database: { dbFilename: `${device}.db`, dbLocation: folder } }), held = await open(rest, name, net);
    await database.init();
    return { ...held, database, upload: uploadTo({ ...held, tables: { lessons: { resourceType: 'lesson_progress' } } }) };
  }));
  for (let n = 0; n < 40; n++) {
    const { database, upload } = devices[n % 2], id = LESSONS[Math.floor(random() * LESSONS.length)], minutes = 1 + Math.floor(random() * 9);
    truth[id] = (truth[id] ?? 0) + minutes;
    const row = await database.getOptional('SELECT timeSpent FROM lessons WHERE id = ?', [id]);
    if (row) await database.execute('UPDATE lessons SET timeSpent = timeSpent + ? WHERE id = ?', [minutes * 60000, id]);
    else await database.execute('INSERT INTO lessons (id, timeSpent) VALUES (?, ?)', [id, minutes * 60000]);
    if (n === 10) await database.execute(`INSERT INTO lessons (id, completionPercentage) VALUES ('bad', 400)`);
    net.off = random() < 0.3;
    if (random() < 0.5) await upload(database).catch(() => {});
  }
  Object.assign(net, { off: false, weak: false });
  for (const { database, upload, client } of devices) {
    await upload(database);
    for (let turn = 0; turn < 3 && (await client.queue()).length; turn++) await client.sync();
    is([await database.getNextCrudTransaction(), (await client.queue()).length], [null, 0], 'PowerSync: nothing is left to send');
    await database.close();
  }
  is(stored(name), sums(truth), 'PowerSync: every minute once on the server');
  is((await devices[0].client.failed()).map(({ failure, item }) => [failure.code, item.resourceId]), [['out_of_range', 'bad']], 'PowerSync: the bad change is set aside, and what came after it went through');
  ok(net.lost > 3, 'PowerSync: the network lost some', net.lost);
  rmSync(folder, { recursive: true });
}

async function tanstack(rest) {
  const { createCollection } = await bring('@tanstack/db'), { startOfflineExecutor } = await bring('@tanstack/offline-transactions');
  const { learnsyncCollection, learnsyncTransaction, sendMutations } = await adapter('tanstack'), name = 'tanstack', random = dice(4), net = network(random), truth = {}, failed = [];
  const store = () => { const held = new Map(); return { get: async key => held.get(key) ?? null, set: async (key, value) => { held.set(key, value); }, delete: async key => { held.delete(key); }, keys: async () => [...held.keys()], clear: async () => held.clear() }; };
  const detector = { isOnline: () => true, subscribe: () => () => {}, notifyOnline() {}, dispose() {} };
  const devices = await Promise.all(['phone', 'tablet'].map(async () => {
    const { client } = await open(rest, name, net, true), lessons = createCollection(learnsyncCollection({ client, resourceType: 'lesson_progress', key: 'lessonId' }));
    await lessons.preload();
    const executor = startOfflineExecutor({ collections: { lessons }, storage: store(), onlineDetector: detector, leaderElection: { requestLeadership: async () => true, releaseLeadership() {}, isLeader: () => true, onLeadershipChange: () => () => {}, dispose() {} },
      mutationFns: { send: sendMutations({ client, onFailed: (item, failure) => failed.push(failure.code) }) }, jitter: false });
    await executor.waitForInit?.();
    return { client, lessons, executor };
  }));
  const study = ({ lessons, executor }, id, change) => {
    const transaction = learnsyncTransaction(executor, { mutationFnName: 'send', autoCommit: false });
    transaction.mutate(() => (lessons.has(id) ? lessons.update(id, row => { Object.assign(row, change(row)); }) : lessons.insert({ lessonId: id, ...change({}) })));
    return transaction.commit().catch(() => {});
  };
  const all = [];
  for (let n = 0; n < 24; n++) {
    const id = LESSONS[Math.floor(random() * LESSONS.length)], minutes = 1 + Math.floor(random() * 9);
    truth[id] = (truth[id] ?? 0) + minutes;
    all.push(study(devices[n % 2], id, row => ({ timeSpent: (row.timeSpent ?? 0) + minutes * 60000 })));
    if (n === 10) all.push(study(devices[0], 'bad', () => ({ completionPercentage: 400 })));
    if (random() < 0.4) await pause(20);
  }
  for (let turn = 0; turn < 200 && net.lost <= 3; turn++) await pause(100);
  net.weak = false;
  for (let turn = 0; turn < 200 && (await Promise.all(devices.map(({ executor }) => executor.peekOutbox()))).flat().length; turn++) await pause(100);
  await Promise.race([Promise.all(all), pause(5000)]);
  is(stored(name), sums(truth), 'TanStack: every minute once on the server');
  for (const { client, lessons } of devices) {
    await client.sync();
    await pause(50);
    is(Object.fromEntries([...lessons.entries()].map(([id, row]) => [id, String(row.timeSpent)])), sums(truth), 'TanStack: and on each device, without what the server never takes');
    ok([...lessons.values()].every(row => row.lastAccessedAt), 'TanStack: with what the server computes');
  }
  is(failed, ['out_of_range'], 'TanStack: the bad change is told, and undone');
  ok(net.lost > 3, 'TanStack: the network lost some', net.lost);
  for (const { executor } of devices) executor.dispose();
}

const ALL = { rxdb, watermelondb, powersync, tanstack };

export async function test(rest) {
  cpSync(`${ROOT}/clients`, `${FOLDER}/clients`, { recursive: true });
  writeFileSync(`${FOLDER}/bring.mjs`, 'export default name => import(name);\n');
  const only = process.env.ADAPTERS?.split(' ');
  for (const [name, run] of Object.entries(ALL)) {
    if (only && !only.includes(name)) continue;
    try { await run(rest); } catch (error) { ok(false, `${name} ran to its end`, error.stack); }
  }
}
