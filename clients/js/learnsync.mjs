// learnsync.mjs: the offline client of learnsync. What the learner does is queued and cannot be lost; sync() sends it and
// brings what other devices did, and may fail or be killed at any point.
//
// All that must last is in the storage, in five tables:
//   queue      what is still to be sent, by item id        sent        what was taken, until it was pulled
//   documents  as the server has them                      failed      what the server will never take as it is
//   conflicts  what waits for a person                     meta        deviceId, learnerId, position, lists, wipe
// A storage has six methods (learnsync.d.ts says which); each write is all or nothing, and every step is one write. So
// there is nothing between two writes that a restart would have to mend: what was not noted is sent, or asked, again.

const TABLES = ['queue', 'sent', 'documents', 'failed', 'conflicts'];
const DAY = 86400e3;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/** What a refusal asks for, by its code. What is named nowhere passes by itself: the same again, later. */
const REFUSALS = {
  PT403: 'deactivated', PT410: 'erased', PT404: 'gone', PT409: 'moved', 28000: 'forbidden', 42501: 'forbidden', 22023: 'refused',
  54000: 'halve', PGRST102: 'halve', '22P02': 'halve', '22P05': 'halve', 22003: 'halve', 54001: 'halve', 57014: 'halve'
};
const STATES = { deactivated: 'deactivated', erased: 'erased', unauthorized: 'signed-out', forbidden: 'forbidden', refused: 'refused' };

/**
 * The shipped types, as far as a client needs their rules; those of your own go into the option rules. By them documents
 * look as they will before the server has said so, and nothing more: pages of a pull name the lists that they bring.
 */
export const RULES = {
  lesson_progress: { key: ['lessonId'], policy: 'merge', fields: {
    completionPercentage: { merge: 'max' }, timeSpent: { merge: 'sum' },
    status: { derive: 'completionPercentage', steps: [{ value: 'not-started' }, { value: 'in-progress', above: 0 }, { value: 'completed', from: 100 }] },
    startedAt: { merge: 'first_time' }, lastAccessedAt: { merge: 'last_time' },
    completedAt: { merge: 'first_time', when: { completionPercentage: { from: 100 } } } } },
  quiz_attempt: { key: ['quizId', 'attemptNumber'], policy: 'insert_only' },
  mastery: { key: ['competencyId'], policy: 'latest' },
  conversation: { policy: 'merge', fields: { messages: { merge: 'union', id: ['id', '_id'] } } },
  xapi_statement: { key: ['id'], policy: 'immutable' },
  module_progress: { key: ['moduleId'], policy: 'latest' },
  module_completion: { key: ['moduleId'], policy: 'merge', fields: { score: { merge: 'max' }, completedAt: { merge: 'first_time' } } },
  activity: { key: ['idempotency_key'], policy: 'immutable' }
};

/** A request that was not answered as it should be: kind is what to do about it. */
export class Refusal extends Error {
  constructor(kind, message, more = {}) {
    super(message);
    Object.assign(this, { name: 'Refusal', kind, status: 0, code: '', details: null, retryAfter: null }, more);
  }
}

const lost = (message, more) => new Refusal('later', message, more);

/** The refusal that an answer with an error status is. The code decides, as proxies and failovers have their own statuses. */
function refusalOf(status, text, retryAfter) {
  let body;
  try { body = JSON.parse(text) ?? {}; } catch { body = {}; }
  const kind = REFUSALS[body.code] ?? ({ 401: 'unauthorized', 413: 'halve' })[status] ?? 'later';
  return new Refusal(status === 401 ? 'unauthorized' : kind, body.message || `status ${status}`, { status, code: String(body.code ?? ''),
    details: body.details ?? null, hint: body.hint ?? null, retryAfter: retryAfter > 0 ? Number(retryAfter) : null });
}

let lastTime = 0, lastCount = 0;

/** A UUID of version 7: by time, those of one millisecond in the order in which they were made. */
export function uuid(now = Date.now()) {
  lastCount = now === lastTime ? lastCount + 1 : crypto.getRandomValues(new Uint16Array(1))[0] & 0x3ff;
  lastTime = now;
  const bytes = crypto.getRandomValues(new Uint8Array(16)), view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(now / 65536));
  view.setUint16(4, now % 65536);
  view.setUint16(6, 0x7000 | (lastCount & 0xfff));
  bytes[8] = bytes[8] & 0x3f | 0x80;
  return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

const keyOf = (type, id) => JSON.stringify([type, id]);

/** The id of the resource that an item is about, where it can be told without the server. */
function resourceOf({ resourceType, resourceId, data }, rules) {
  if (resourceId !== undefined) return resourceId;
  const values = rules[resourceType]?.key?.map(name => data?.[name]) ?? [];
  if (!values.length || values.some(value => value === undefined || value === null)) return null;
  return values.length > 1 ? JSON.stringify(values) : String(values[0]);
}

/** Lists of members, joined by what names them; of a delta, what was removed is said as such. */
function joinLists(known, news, { id = [], members: policy } = {}) {
  const named = member => [id].flat().map(name => member?.[name]).find(value => value !== undefined && value !== null);
  const members = new Map();
  for (const member of [...Array.isArray(known) ? known : [], ...Array.isArray(news) ? news : []]) {
    const name = named(member), key = name === undefined ? JSON.stringify(member) : `id ${name}`;
    if (policy === 'latest' && member?.deleted === true) members.delete(key); else members.set(key, member);
  }
  return [...members.values()];
}

/** A document as a page of a pull leaves it. */
function joined(known, { data, delta }, lists = {}) {
  if (!delta || !known) return data;
  return { ...data, ...Object.fromEntries(Object.entries(lists).map(([field, list]) => [field, joinLists(known.data[field], data[field], list)])
    .filter(([field, members]) => members.length || field in data)) };
}

const reaches = (value, { from, above }) => (from === undefined || value >= from) && (above === undefined || value > above);

/** How a field looks with one more item. The server decides; this is what it will most likely say. */
const MERGE = {
  max: (a, b) => (a > b ? a : b), min: (a, b) => (a < b ? a : b), sum: (a, b) => a + b, latest: (a, b) => b, first: a => a, counter: a => a,
  any: (a, b) => a || b, all: (a, b) => a && b, rank: (a, b, { values }) => (values.indexOf(b) > values.indexOf(a) ? b : a),
  union: joinLists, map_latest: (a, b) => Object.fromEntries(Object.entries({ ...a, ...b }).filter(([, value]) => value !== null))
};

/** The document as it will be once an item is merged into it. */
export function shown(document, { operation, data = {}, clientTimestamp: at }, rule = {}) {
  if (operation === 'delete') return null;
  if (['insert_only', 'immutable', 'manual', 'server_wins'].includes(rule.policy) && document) return document;
  if (['latest', 'client_wins', 'insert_only', 'immutable'].includes(rule.policy)) return data;
  const result = { ...document };
  for (const [name, value] of Object.entries(data)) {
    const field = rule.fields?.[name] ?? {};
    if (field.derive || /_time$/.test(field.merge)) continue;
    result[name] = result[name] === undefined || result[name] === null ? value : (MERGE[field.merge ?? 'latest'] ?? MERGE.latest)(result[name], value, field);
  }
  for (const [name, { merge, when = {}, derive, steps }] of Object.entries(rule.fields ?? {})) {
    if (derive) result[name] = steps.findLast(step => reaches(result[derive] ?? -Infinity, step))?.value;
    if (!/_time$/.test(merge) || !Object.entries(when).every(([other, bound]) => reaches(data[other] ?? -Infinity, bound))) continue;
    if (!result[name] || (merge === 'first_time' ? at < result[name] : at > result[name])) result[name] = at;
  }
  return result;
}

/** What a document says that another did not: sums as what was added, of lists the members that are new. Null where nothing. */
export function difference(document, before, rule = {}) {
  if (rule.policy && rule.policy !== 'merge') return isSame(document, before ?? undefined) ? null : document;
  const said = Object.entries(document).flatMap(([name, value]) => {
    const { merge, derive } = rule.fields?.[name] ?? {}, was = before?.[name];
    if (derive || /_time$/.test(merge) || isSame(value, was)) return [];
    if (merge === 'sum') return [[name, (value ?? 0) - (was ?? 0)]];
    return [[name, merge === 'union' && Array.isArray(was) ? value.filter(member => !was.some(other => isSame(member, other))) : value]];
  });
  return said.length || !before ? Object.fromEntries(said) : null;
}

const fnv = text => new TextEncoder().encode(text).reduce((hash, byte) => Math.imul(hash ^ byte, 16777619) >>> 0, 2166136261);
const sum = held => held.reduce((total, { hash }) => (total + hash) % 2 ** 32, 0);

export class Learnsync {
  #options; #storage; #device; #rules; #running = null; #failures = 0; #size; #limit; #listeners = new Set();

  constructor(options, device) {
    this.#options = { batch: 100, batchBytes: 1e6, page: 500, timeout: 30000, pull: true, selection: {}, now: Date.now, fetch: (...call) => fetch(...call), ...options };
    this.#storage = options.storage;
    this.#device = device;
    this.#rules = { ...RULES, ...options.rules };
    this.#size = this.#options.batch;
    this.#limit = this.#options.page;
    this.#storage.watch(() => this.#tell());
  }

  get deviceId() { return this.#device; }

  /** Queues what the learner did. Once the promise is kept, it lasts; where it breaks (a full disk), say so to the learner. */
  async record(resourceType, data, { operation = 'update', resourceId, id, ancestor, also = [] } = {}) {
    const now = this.#options.now();
    const { cursor } = await this.#storage.get('meta', 'position') ?? {};
    const item = JSON.parse(JSON.stringify({ id: id ?? uuid(now), operation, resourceType, resourceId, data,
      clientTimestamp: new Date(now).toISOString(), seen: cursor, ancestor }));
    await this.#write([['queue', item.id, { item, resourceId: resourceOf(item, this.#rules) }], ...also]);
    return item;
  }

  remove(resourceType, resourceId) { return this.record(resourceType, undefined, { operation: 'delete', resourceId }); }

  /** A document as the screen shows it: with what is queued, and with what was taken until it was pulled; null: there is none. */
  async document(resourceType, resourceId) {
    const row = await this.#storage.get('documents', keyOf(resourceType, resourceId));
    return this.#shown(await this.#rule(resourceType), row, (await this.#ours(resourceType)).get(resourceId));
  }

  /** All documents of a type, by id. */
  async documents(resourceType) {
    const rows = await this.#storage.list('documents', keyOf(resourceType, '').slice(0, -3)), ours = await this.#ours(resourceType);
    const all = new Map(rows.map(([, row]) => [row.id, row]));
    for (const id of ours.keys()) if (!all.has(id)) all.set(id, undefined);
    const rule = await this.#rule(resourceType);
    return new Map([...all].map(([id, row]) => [id, this.#shown(rule, row, ours.get(id))]).filter(([, data]) => data !== null));
  }

  async #ours(resourceType) {
    const ours = new Map();
    for (const [, row] of [...await this.#storage.list('sent'), ...await this.#storage.list('queue')]) {
      if (row.item.resourceType !== resourceType || row.resourceId === null) continue;
      ours.set(row.resourceId, [...ours.get(row.resourceId) ?? [], row]);
    }
    return ours;
  }

  /** The rule of a type as far as it is known: what the app says of it, and what pages have said of its lists. */
  async #rule(resourceType) {
    const rule = this.#rules[resourceType], lists = await this.#storage.get('meta', 'lists') ?? {};
    const named = Object.entries(lists[resourceType] ?? {}).map(([field, list]) => [field, { merge: 'union', ...list }]);
    return named.length ? { ...rule, fields: { ...rule?.fields, ...Object.fromEntries(named) } } : rule;
  }

  #shown(rule, { data: document = null, version = 0 } = {}, rows = []) {
    for (const row of rows) {
      if (row.version <= version) continue;              // the document has it
      if (row.shows !== undefined) [document, version] = [row.shows, row.version];
      else document = shown(document, row.item, rule);
    }
    return document;
  }

  /** What is queued; what failed for good, and why; what waits for a person. */
  async queue() { return (await this.#storage.list('queue')).map(([, row]) => row); }
  async failed() { return (await this.#storage.list('failed')).map(([, row]) => row); }
  async conflicts() { return (await this.#storage.list('conflicts')).map(([, row]) => row); }

  /** Puts a failed item back into the queue, corrected where data is given. A failed item has not used up its id. */
  async retry(id, data) {
    const row = await this.#storage.get('failed', id);
    if (!row) return false;
    const item = { ...row.item, id: row.failure.code === 'id_reused' ? uuid(this.#options.now()) : id, data: data ?? row.item.data };
    await this.#write([['failed', id, undefined], ['queue', item.id, { item, resourceId: resourceOf(item, this.#rules) }]]);
    return true;
  }

  discard(id) { return this.#write([['failed', id, undefined]]); }

  /** Decides a conflict: use_server, use_client, use_merged with mergedData, keep_both. Offline as well: it goes with the next sync. */
  async decide(conflictId, resolution, more = {}) {
    const row = await this.#storage.get('conflicts', conflictId);
    if (!row) return false;
    await this.#write([['conflicts', conflictId, { ...row, decision: { resolution, ...more } }]]);
    return true;
  }

  /** One call of the API, by a token that is renewed once. Breaks with a Refusal. */
  call(name, body) { return this.#call(name, body); }

  /** What is known of the rule of a type. */
  rule(resourceType) { return this.#rule(resourceType); }

  /** Sends and brings. Never breaks for what network or server say: the answer tells what came of it, and when to ask again. */
  sync() {
    this.#running ??= this.#storage.lock(() => this.#round()).finally(() => { this.#running = null; });
    return this.#running;
  }

  async #round() {
    const outcome = { state: 'ok', sent: 0, received: 0, wait: null, error: null };
    let again = true;
    for (let turn = 0; again && turn < 2; turn++) {        // a reset puts back into the queue what was taken and not pulled
      again = false;
      for (const step of [this.#confirm, this.#push, this.#decisions, ...this.#options.pull ? [this.#pull] : []]) {
        const { stop, requeued } = await this.#attempt(step, outcome);
        if (stop) return this.#finish(outcome);
        again ||= requeued > 0 && outcome.state === 'ok';
      }
    }
    return this.#finish(outcome);
  }

  #finish(outcome) {
    this.#failures = outcome.state === 'ok' ? 0 : this.#failures + 1;
    if (outcome.state !== 'ok') outcome.wait ??= Math.min(1000 * 2 ** this.#failures, 300e3) * (0.5 + Math.random() / 2);
    this.#tell();
    return outcome;
  }

  /** One step of a round. One that breaks does not keep the others from being tried, unless nobody is signed in any more. */
  async #attempt(step, outcome) {
    try {
      return { requeued: await step.call(this, outcome) };
    } catch (error) {
      if (error?.name !== 'QuotaExceededError' && !(error instanceof Refusal)) throw error;
      const state = error instanceof Refusal ? STATES[error.kind] ?? 'later' : 'full';
      if (outcome.state === 'ok' || outcome.state === 'later') Object.assign(outcome, { state, error });
      if (error.retryAfter) outcome.wait = Math.max(outcome.wait ?? 0, error.retryAfter * 1000);
      if (state === 'erased') await this.#forget();
      if (state === 'deactivated' && /"wipe"\s*:\s*true/.test(error.details)) {
        outcome.state = 'wiped';
        await this.#forget('tell');
        await this.#attempt(this.#confirm, {});
      }
      return { stop: !['later', 'full', 'refused'].includes(state) };
    }
  }

  async #push(outcome) {
    const now = this.#options.now();
    // A pause that is longer than any of ours was made by a clock that is right again.
    const rows = (await this.#storage.list('queue')).map(([, row]) => row).filter(({ after = 0 }) => after <= now || after > now + 2 * DAY);
    for (let i = 0; i < rows.length;) {
      const batch = this.#cut(rows, i);
      try {
        await this.#deliver(batch, outcome);
        this.#size = Math.min(this.#options.batch, this.#size * 2);
      } catch (error) {
        if (error instanceof Refusal && error.kind === 'later') await this.#shrink(batch, error);
        throw error;
      }
      i += batch.length;
    }
  }

  #cut(rows, start) {
    let bytes = 0, end = start;
    while (end < rows.length && end - start < this.#size && (end === start || bytes < this.#options.batchBytes))
      bytes += JSON.stringify(rows[end++].item).length;
    return rows.slice(start, end);
  }

  /** After a push that was not answered: less at once; and one item alone that the server cannot answer lets others go first. */
  async #shrink(batch, { status, retryAfter }) {
    this.#size = Math.max(1, this.#size >> 1);
    if (batch.length === 1 && status >= 500 && !retryAfter) await this.#write([this.#later(batch[0], 600e3)]);
  }

  #later(row, most = 3600e3) {
    const tries = (row.tries ?? 0) + 1;
    return ['queue', row.item.id, { ...row, tries, after: this.#options.now() + Math.min(1000 * 4 ** tries, most) }];
  }

  /** Sends rows. A request that is refused as a whole is halved, down to the one item that is the reason. */
  async #deliver(rows, outcome) {
    let answer;
    try {
      answer = await this.#call('sync_push', { deviceId: this.#device, deviceName: this.#options.deviceName, metadata: this.#options.metadata,
        items: rows.map(({ item }) => item), sentAt: new Date(this.#options.now()).toISOString() });
    } catch (refusal) {
      if (refusal.kind !== 'halve') throw refusal;
      if (rows.length === 1) return this.#isolate(rows[0], refusal);
      await this.#deliver(rows.slice(0, rows.length >> 1), outcome);
      return this.#deliver(rows.slice(rows.length >> 1), outcome);
    }
    if (!Array.isArray(answer.failedItems) || !Array.isArray(answer.conflicts) || answer.results?.length !== rows.length ||
        answer.results.some(({ id }, n) => id !== rows[n].item.id)) throw lost('the answer is not that of a push');
    const aborted = await this.#settle(rows, answer, outcome);
    if (aborted.length === rows.length) throw lost('the server took none of the items');
    return aborted.length ? this.#deliver(aborted, outcome) : undefined;
  }

  /** An item that is refused alone is set aside, where the server takes a push without it: else it is not the item's fault. */
  async #isolate(row, refusal) {
    if (refusal.code === '57014') return this.#write([this.#later(row)]);
    await this.#call('sync_push', { deviceId: this.#device, items: [] });
    const failure = { id: row.item.id, code: refusal.code || String(refusal.status), error: refusal.message, retryable: false };
    return this.#write([['queue', row.item.id, undefined], ['failed', row.item.id, { item: row.item, failure }]]);
  }

  /** Notes what became of the items of a push, in one write; answers those that were not looked at. */
  async #settle(rows, answer, outcome) {
    const failures = new Map(answer.failedItems.map(failure => [failure.id, failure]));
    const conflicts = new Map(answer.conflicts.map(conflict => [conflict.id, conflict]));
    const { version: pulled = 0 } = await this.#storage.get('meta', 'position') ?? {};
    const changes = [], aborted = [];
    rows.forEach((row, n) => {
      const { item } = row, result = answer.results[n], failure = failures.get(item.id);
      if (failure?.code === 'aborted') aborted.push(row);
      else if (result.status === 'failed') changes.push(...this.#failure(row, failure ?? { id: item.id, code: 'error', retryable: true }));
      else changes.push(['queue', item.id, undefined], ...this.#taken(row, result, conflicts.get(item.id), pulled));
    });
    outcome.sent += rows.length - aborted.length;
    try {
      await this.#write(changes);
    } catch (error) {
      if (error?.name !== 'QuotaExceededError') throw error;
      await this.#write(changes.filter(([table]) => table !== 'sent'));      // the server has them; what is left needs less room
    }
    return aborted;
  }

  #failure(row, failure) {
    const { item } = row;
    if (failure.retryable) return [this.#later(row)];
    if (failure.waiting) return [['queue', item.id, { ...row, waiting: true, after: this.#options.now() + DAY }]];   // the server has a copy
    if (failure.code === 'id_reused' && !UUID.test(item.id)) {            // a counted id, taken by a cloned device: it is another item
      const renamed = { ...item, id: uuid(this.#options.now()) };
      return [['queue', item.id, undefined], ['queue', renamed.id, { ...row, item: renamed, was: item.id }]];
    }
    return [['queue', item.id, undefined], ['failed', item.id, { item, failure }]];
  }

  #taken({ item }, { resourceId, version, serverVersion }, conflict, pulled) {
    const changes = [], current = Math.max(version, serverVersion ?? 0, conflict?.serverVersion ?? 0);
    if (this.#options.pull && (version > pulled || (conflict && current > pulled)))
      changes.push(['sent', item.id, { item, resourceId, version: current, shows: conflict && (conflict.serverData ?? null) }]);
    if (conflict?.resolution === 'manual_required')
      changes.push(['conflicts', conflict.conflictId, { ...conflict, resourceType: item.resourceType, resourceId, item, decision: null }]);
    return changes;
  }

  /** Carries out what a person decided. Of conflicts that were settled elsewhere the server knows nothing any more. */
  async #decisions() {
    for (const [id, row] of await this.#storage.list('conflicts')) {
      if (!row.decision) continue;
      let left;
      try {
        await this.#call('sync_resolve', { conflictId: id, ...row.decision });
      } catch (error) {
        if (!['gone', 'moved', 'refused', 'halve'].includes(error.kind)) throw error;
        if (error.kind !== 'gone') left = { ...row, decision: null, moved: error.kind === 'moved', error: error.message };
      }
      await this.#write([['conflicts', id, left]]);
    }
  }

  /** Brings pages until the run is over, each with its cursor in one write; answers how many items a reset put back. */
  async #pull(outcome) {
    for (let requeued = 0; ;) {
      const held = await this.#storage.get('meta', 'position');
      const page = await this.#page(held);
      // So a pull answers an erased learner's device; only a push says so.
      if (page.reset && !page.changes.length) await this.#call('sync_push', { deviceId: this.#device, items: [] });
      const { changes, back } = await this.#turned(page);
      // Another tab may have been faster, where tabs cannot wait for each other: then its pages stand.
      if (!await this.#write([...changes, ['meta', 'position', { cursor: page.cursor, version: page.syncVersion }]], ['meta', 'position', held]))
        return requeued;
      outcome.received += page.changes.length;
      requeued += back;
      if (!page.hasMore || page.behind) return requeued;
    }
  }

  async #page(held) {
    try {
      const page = await this.#call('sync_pull', { deviceId: this.#device, cursor: held?.cursor, limit: this.#limit, ...this.#options.selection });
      if (typeof page.cursor !== 'string' || !Array.isArray(page.changes)) throw lost('the answer is not that of a pull');
      this.#limit = Math.min(this.#options.page, this.#limit * 2);
      return page;
    } catch (error) {
      if (['later', 'halve'].includes(error.kind)) this.#limit = Math.max(1, this.#limit >> 1);
      throw error;
    }
  }

  /** Of each type that has documents here, the fields that are lists of members: of these a pull may bring only the new ones. */
  async #lists(more = {}) { return { ...await this.#storage.get('meta', 'lists'), ...more }; }

  /** What a page changes in the storage. */
  async #turned(page) {
    const arrived = new Map(), changes = page.reset ? [['documents', null]] : [], lists = await this.#lists(page.lists);
    if (page.lists) changes.push(['meta', 'lists', lists]);
    for (const change of page.changes) {
      const { resourceType: type, resourceId: id, version, operation } = change, key = keyOf(type, id);
      const known = page.reset ? undefined : await this.#storage.get('documents', key);
      changes.push(['documents', key, operation === 'delete' ? undefined : { type, id, version, data: joined(known, change, lists[type]) }]);
      arrived.set(key, version);
    }
    const isOver = !page.hasMore && !page.behind;
    const sent = (await this.#storage.list('sent')).map(([, row]) => row);
    for (const { item, resourceId, version } of page.reset ? [] : sent) {
      if (version <= (arrived.get(keyOf(item.resourceType, resourceId)) ?? 0) || (isOver && version <= page.syncVersion))
        changes.push(['sent', item.id, undefined]);
    }
    // In another life the server may never have heard of what it took. It counts once, however often it is sent.
    if (page.reset) changes.push(['sent', null], ...sent.map(({ item, resourceId }) => ['queue', item.id, { item, resourceId }]));
    return { changes, back: page.reset ? sent.length : 0 };
  }

  /** Whether the copy is as the server has it: the documents that differ, none where all is well; null: pull first, and ask again. */
  async verify() {
    const { cursor } = await this.#storage.get('meta', 'position') ?? {}, lists = await this.#lists();
    const held = (await this.#storage.list('documents')).map(([, { type, id, version, data }]) => {
      const members = Object.keys(lists[type] ?? {}).reduce((n, field) => n + (data[field]?.length ?? 0), 0);
      return { type, id, version, members, bucket: fnv(`${type}\n${id}`) % 64, hash: fnv([type, id, version, members].join('\n')) };
    });
    const buckets = Array.from({ length: 64 }, (_, n) => sum(held.filter(({ bucket }) => bucket === n)));
    const answer = await this.#call('sync_verify', { cursor, count: held.length, sum: sum(held), buckets, ...this.#options.selection });
    if (answer.equal || answer.behind) return answer.equal ? [] : null;
    const show = ({ type, id, version, members }) => JSON.stringify({ resourceType: type, resourceId: id, version, members });
    const ours = held.filter(({ bucket }) => answer.differing.includes(bucket)).map(show);
    const theirs = answer.resources.map(({ resourceType: type, resourceId: id, ...more }) => show({ type, id, ...more }));
    return [...theirs.filter(row => !ours.includes(row)), ...ours.filter(row => !theirs.includes(row))].map(row => JSON.parse(row));
  }

  /** Drops the documents, and has the next sync bring them anew. What is queued stays. */
  renew() { return this.#storage.lock(() => this.#write([['documents', null], ['meta', 'position', undefined]])); }

  /** Forgets all that is held, unsent work as well: for whoever signs out of a shared device. */
  wipe() { return this.#storage.lock(() => this.#forget()); }

  #forget(wipe) {
    return this.#write([...TABLES.map(table => [table, null]), ['meta', 'position', undefined], ['meta', 'wipe', wipe]]);
  }

  /** Tells the server that the device was wiped, as it had asked for. */
  async #confirm() {
    if (await this.#storage.get('meta', 'wipe') !== 'tell') return;
    await this.#call('sync_deactivate_device', { deviceId: this.#device, wiped: true });
    await this.#write([['meta', 'wipe', undefined]]);
  }

  /** One call. A token that has run out is renewed once. */
  async #call(name, body) {
    const call = this.#options.learnerId === undefined ? body : { ...body, learnerId: this.#options.learnerId };
    try {
      return await this.#ask(name, call, false);
    } catch (error) {
      if (error.kind !== 'unauthorized') throw error;
      return this.#ask(name, call, true);
    }
  }

  async #ask(name, body, renew) {
    const { url, token, timeout, fetch } = this.#options;
    const clock = new AbortController(), timer = setTimeout(() => clock.abort(), timeout);
    let response, text;
    try {
      const bearer = await token?.(renew);
      response = await fetch(`${url}/rpc/${name}`, { method: 'POST', signal: clock.signal, body: JSON.stringify(body),
        headers: { 'Content-Type': 'application/json', ...(bearer && { Authorization: `Bearer ${bearer}` }) } });
      text = await response.text();
    } catch (error) {
      throw lost(String(error?.message ?? error), { cause: error });
    } finally {
      clearTimeout(timer);
    }
    if (!response.ok) throw refusalOf(response.status, text, response.headers.get('Retry-After'));
    try {
      const answer = JSON.parse(text);
      if (answer !== null && typeof answer === 'object') return answer;
    } catch { /* half an answer, or the page of a captive portal */ }
    throw lost('the answer is no JSON object', { status: response.status });
  }

  async #write(changes, guard) {
    const done = await this.#storage.write(changes, guard);
    this.#tell();
    return done;
  }

  /** Calls back whenever something may look different, in other tabs as well; answers how to stop that. */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell() { for (const listener of this.#listeners) listener(); }

  /** Syncs now, when the network comes back, and every so often, sooner after a failure; answers how to stop that. */
  start({ every = 15 * 60e3 } = {}) {
    let timer, isOn = true;
    const go = async () => {
      clearTimeout(timer);
      const { wait } = await this.sync().catch(() => ({}));
      clearTimeout(timer);
      if (isOn) timer = setTimeout(go, Math.min(wait ?? every, every));
    };
    const visible = () => document.visibilityState === 'visible' && go();
    globalThis.addEventListener?.('online', go);
    globalThis.document?.addEventListener('visibilitychange', visible);
    go();
    return () => {
      isOn = false;
      clearTimeout(timer);
      globalThis.removeEventListener?.('online', go);
      globalThis.document?.removeEventListener('visibilitychange', visible);
    };
  }
}

/** Opens the client on its storage. The device's id is made here, once, whichever tab comes first. */
export async function open(options) {
  const { storage } = options;
  await storage.write([['meta', 'deviceId', uuid()]], ['meta', 'deviceId', undefined]);
  if (options.learnerId !== undefined) await storage.write([['meta', 'learnerId', options.learnerId]], ['meta', 'learnerId', undefined]);
  const owner = await storage.get('meta', 'learnerId');
  if (owner !== options.learnerId) throw new Error(`this storage is another learner's: "${owner}"`);
  return new Learnsync(options, await storage.get('meta', 'deviceId'));
}

const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** A storage in memory: for tests, and where nothing is to last. */
export function memory() {
  const tables = new Map(), table = name => tables.get(name) ?? tables.set(name, new Map()).get(name);
  let last = Promise.resolve();
  return {
    async get(name, key) { return structuredClone(table(name).get(key)); },
    async list(name, prefix = '') {
      return structuredClone([...table(name)].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)));
    },
    async write(changes, guard) {
      if (guard && !isSame(table(guard[0]).get(guard[1]), guard[2])) return false;
      for (const [name, key, value] of structuredClone(changes)) {
        if (key === null) table(name).clear();
        else if (value === undefined) table(name).delete(key);
        else table(name).set(key, value);
      }
      return true;
    },
    lock(work) { return (last = last.then(work, work)); },
    watch() {},
    close() {}
  };
}

/** A storage in IndexedDB, which the tabs of an app share. */
export async function indexedDb(name = 'learnsync') {
  const finished = request => new Promise((resolve, reject) => {
    request.onsuccess = request.oncomplete = () => resolve(request.result);
    request.onabort = () => reject(request.error);
    if (request instanceof IDBRequest) request.onerror = () => reject(request.error);
  });
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => [...TABLES, 'meta'].forEach(table => opening.result.createObjectStore(table));
  const database = await finished(opening), channel = globalThis.BroadcastChannel && new BroadcastChannel(name);
  let last = Promise.resolve();
  return {
    get: (table, key) => finished(database.transaction(table).objectStore(table).get(key)),
    async list(table, prefix = '') {
      const store = database.transaction(table).objectStore(table), range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      const [keys, values] = await Promise.all([finished(store.getAllKeys(range)), finished(store.getAll(range))]);
      return keys.map((key, n) => [key, values[n]]);
    },
    async write(changes, guard) {
      const tables = [...new Set([...changes.map(([table]) => table), ...guard ? [guard[0]] : []])];
      if (!tables.length) return true;
      const transaction = database.transaction(tables, 'readwrite', { durability: 'strict' }), done = finished(transaction);
      if (guard && !isSame(await finished(transaction.objectStore(guard[0]).get(guard[1])), guard[2])) return done.then(() => false);
      for (const [table, key, value] of changes) {
        const store = transaction.objectStore(table);
        if (key === null) store.clear();
        else if (value === undefined) store.delete(key);
        else store.put(value, key);
      }
      await done;
      channel?.postMessage(null);
      return true;
    },
    lock(work) { return globalThis.navigator?.locks ? navigator.locks.request(`learnsync ${name}`, work) : (last = last.then(work, work)); },
    watch(listener) { channel?.addEventListener('message', listener); },
    close() { channel?.close(); database.close(); }
  };
}
