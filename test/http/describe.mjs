// What openapi(), json_schema() and typescript() say is true: every answer of the tests is as described, and with a member
// less it is not; what pushes were taken with is what items may be; and a field that is misspelt does not compile.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ROOT, TMP, answered, is, learner, ok, psql, request } from './parts.mjs';

const need = createRequire(`${TMP}/`), { default: Ajv } = need('ajv/dist/2020.js'), { default: formats } = need('ajv-formats');

/** A schema of calls that takes no member which it does not name. */
const closed = schema => (schema.properties && schema.additionalProperties === undefined ? { ...schema, additionalProperties: false } : schema);

function* without(value, schema, schemas, path = '') {
  const here = schema.$ref ? schemas[schema.$ref.split('/').pop()] : schema;
  if (Array.isArray(value)) { if (value.length && here.items) yield* without(value[0], here.items, schemas, `${path}[0]`); return; }
  if (value === null || typeof value !== 'object') return;
  for (const name of here.required ?? []) yield [`${path}.${name}`, root => { delete at(root, path)[name]; }];
  for (const [name, part] of Object.entries(here.properties ?? {})) if (name in value) yield* without(value[name], part, schemas, `${path}.${name}`);
}

const at = (root, path) => path.split(/[.[\]]+/).filter(Boolean).reduce((value, name) => value[name], root);

const EVENT = { eventId: 'e', occurredAt: '2026-01-08T10:00:00Z', clientId: 'c', type: 'content.progressed', payload: { contentId: 'x', status: 'passed', score: 9, interaction: { interactionId: 'i', state: { a: 1 } } } };
const MODULE = { idempotencyKey: 'k', deviceId: 'd', moduleId: 'm', progressPercent: 10, clientTimestamp: '2026-01-08T10:00:00Z', syncVersion: 1 };
const LESSON = { id: 'l', operation: 'update', resourceType: 'lesson_progress', data: { lessonId: 'l', timeSpent: 1 }, clientTimestamp: '2026-01-08T10:00:00Z' };

/** A call of each kind that other tests make by other paths, or not through nginx. */
async function callAll(rest) {
  const as = learner('described'), call = (name, body) => request(rest.port, { method: 'POST', path: `/rpc/${name}`, as, body });
  const quiz = (deviceId, score) => ({ deviceId, items: [{ ...LESSON, id: deviceId, resourceType: 'quiz_attempt', data: { quizId: 'q', attemptNumber: 1, score } }] });
  await call('sync_push', { deviceId: 'd', deviceName: 'D', metadata: { appVersion: '1' }, sentAt: new Date().toISOString(), items: [LESSON, { ...LESSON, id: 'bad', data: { lessonId: 'l', completionPercentage: 400 } }] });
  await call('sync_push', quiz('d', 1));
  const { body: { conflicts: [{ conflictId }] } } = await call('sync_push', quiz('e', 2));
  for (const name of ['sync_status', 'sync_devices', 'openapi']) await call(name, {});
  await call('sync_resolve', { conflictId, resolution: 'use_server' });
  const { body: { cursor } } = await call('sync_pull', { deviceId: 'd' });
  await call('sync_verify', { cursor, count: 0, sum: 0, buckets: Array(64).fill(0) });
  await call('sync_why', { resourceType: 'lesson_progress', resourceId: 'l' });
  await call('progress_put', { events: [EVENT, { ...EVENT, eventId: 'f', type: 'odd' }] });
  await call('progress_get', {});
  await call('sync_progress', { events: [MODULE, { ...MODULE, progressPercent: 200, idempotencyKey: 'l' }] });
  await call('sync_completions', { events: [{ ...MODULE, score: 3 }] });
  psql(`SELECT learnsync.add_profile('described kid', 'described')`);
  await call('progress_batch', { profile_id: 'described kid', items: [{ idempotency_key: 'a', activity_type: 't', content_id: 'c', score: 1, timestamp: '2026-01-08T10:00:00Z' }, { idempotency_key: 'b' }] });
  await call('set_learner', { timeZone: 'Europe/Berlin' });
  await call('sync_deactivate_device', { deviceId: 'e', wipe: true });
  await call('sync_devices', {});
}

async function answers(rest) {
  await callAll(rest);
  const { body: api, status } = await request(rest.port, { path: '/rpc/openapi', as: learner('someone') });
  is([status, api.openapi, Boolean(api.paths['/rpc/sync_push'].post.description)], [200, '3.1.0', true], 'PostgREST serves the description');
  const schemas = Object.fromEntries(Object.entries(api.components.schemas).map(([name, schema]) => [name, /^[A-Z]/.test(name) ? closed(schema) : schema]));
  const ajv = formats(new Ajv({ strict: false, validateFormats: true }));
  ajv.addSchema({ $id: 'api', components: { schemas } });
  const root = schema => JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"api#/components'));
  const checks = new Map(), check = (key, schema) => checks.get(key) ?? checks.set(key, ajv.compile(root(schema))).get(key);
  const wrong = new Map(), met = new Map(), tell = (key, text) => wrong.set(key, [...wrong.get(key) ?? [], text]);
  for (const { name, status, body, request: sent } of answered) {
    const call = api.paths[`/rpc/${name}`]?.post;
    if (!call || body.method) continue;                  // that is the test's own server
    const key = status === 200 ? name : 'an error', schema = (call.responses[status] ?? call.responses.default).content['application/json'].schema;
    const good = check(key, schema);
    if (!good(body)) tell(key, `${ajv.errorsText(good.errors)} in ${JSON.stringify(body).slice(0, 600)}`);
    else if (status === 200) met.set(key, [...(met.get(key) ?? []), body].slice(0, 50));
    if (name !== 'sync_push' || status !== 200 || !sent) continue;
    JSON.parse(sent).items?.forEach((item, n) => {
      const takes = check('item', { $ref: '#/components/schemas/Item' });
      if (['synced', 'conflict'].includes(body.results?.[n]?.status) && !takes(item)) tell('items that were taken', `${ajv.errorsText(takes.errors)} in ${JSON.stringify(item).slice(0, 400)}`);
    });
  }
  for (const key of new Set([...checks.keys(), ...wrong.keys()])) ok(!wrong.has(key), `as described: ${key}`, (wrong.get(key) ?? []).slice(0, 4).join('\n#   '));
  const passed = [];
  for (const [name, bodies] of met) {
    const schema = api.paths[`/rpc/${name}`].post.responses[200].content['application/json'].schema;
    for (const body of bodies) for (const [path, remove] of without(body, schema, schemas)) {
      const less = structuredClone(body);
      remove(less);
      if (checks.get(name)(less)) passed.push(`${name}${path}`);
    }
  }
  is([...new Set(passed)], [], 'an answer that lacks a member is not as described');
  is(Object.keys(api.paths).map(path => path.slice(5)).filter(name => !met.has(name) && !['sync_activate_device', 'sync_cleanup', 'xapi_export'].includes(name)), [], 'a call of each kind was answered');
}

function compiles(name, text) {
  writeFileSync(`${TMP}/types/${name}.ts`, text);
  try {
    execFileSync(process.execPath, [`${TMP}/node_modules/typescript/bin/tsc`, '--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2023,dom',
      `${TMP}/types/${name}.ts`], { encoding: 'utf8', stdio: 'pipe' });
    return '';
  } catch (error) { return error.stdout || String(error); }
}

function types() {
  mkdirSync(`${TMP}/types/node_modules`, { recursive: true });
  if (!existsSync(`${TMP}/types/node_modules/learnsync`)) symlinkSync(`${ROOT}/clients/js`, `${TMP}/types/node_modules/learnsync`);
  writeFileSync(`${TMP}/types/package.json`, '{"type": "module"}');
  psql(`SELECT learnsync.define_resource_type('badge', '{"key": ["badgeId"], "other": "refuse", "fields": {"level": {"merge": "rank", "values": ["bronze", "gold"]}, "points": {"merge": "sum"}}}')`);
  writeFileSync(`${TMP}/types/rules.d.ts`, psql('SELECT learnsync.typescript()'));
  const use = line => `import { open, memory } from 'learnsync';
    import type { Items, Documents, PushAnswer } from './rules.d.ts';
    const client = await open<Items, Documents>({ url: '', storage: memory() });
    const status: string | undefined = (await client.document('lesson_progress', 'l'))?.status;
    const answer: PushAnswer = await (await fetch('')).json();
    ${line}; export { status, answer };`;
  is(compiles('good', use(`await client.record('lesson_progress', { lessonId: 'l', timeSpent: 1 }); await client.record('badge', { badgeId: 'b', level: 'gold' }); await client.record('mastery', { competencyId: 'c', level: 3 })`)),
    '', 'what is right compiles');
  const bad = { 'a field that is misspelt': `await client.record('lesson_progress', { lessonId: 'l', timeSpend: 1 })`, 'a type that is not there': `await client.record('lesson', { lessonId: 'l' })`,
    'text for a number': `await client.record('lesson_progress', { lessonId: 'l', timeSpent: '1' })`, 'a value that is none of a rank': `await client.record('badge', { badgeId: 'b', level: 'silver' })`,
    'a computed field': `await client.record('lesson_progress', { lessonId: 'l', status: 'completed' })`, 'no key': `await client.record('lesson_progress', { timeSpent: 1 })`,
    'a member that no answer has': 'answer.result' };
  for (const [name, line] of Object.entries(bad)) ok(/error TS2/.test(compiles('bad', use(line))), `does not compile: ${name}`);
  const plain = `import { open, memory, indexedDb, uuid, shown, Refusal } from 'learnsync';
    const client = await open({ url: '/x', storage: memory(), token: renew => renew ? 'a' : 'b', rules: { note: { key: ['id'], fields: { n: { merge: 'sum' } } } } });
    const { state, wait } = await client.sync(); const stop: () => void = client.start({ every: 1 }); stop(); client.subscribe(stop)();
    for (const row of await client.conflicts()) await client.decide(row.conflictId, 'use_merged', { mergedData: row.serverData });
    await client.record('anything', { at: 'all' }); export { state, wait, indexedDb, uuid, shown, Refusal };`;
  is(compiles('plain', plain), '', 'the client compiles without types of rules');
  psql(`SELECT learnsync.drop_resource_type('badge')`);
}

export async function test(rest) {
  await answers(rest);
  types();
}
