// mirror.mjs: what adapters of libraries that keep the documents themselves have in common. Such a library knows a document
// before and after a change; what was said in between is queued in a client with pull: false, once, however often the library
// tells of it: what was told is noted in the same write as the item.
import { difference, shown } from './learnsync.mjs';

const isSame = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

const sorted = document => document && Object.fromEntries(Object.entries(document).sort(([a], [b]) => (a < b ? -1 : 1)));

export class Mirror {
  #client; #storage; #type;

  constructor(client, storage, resourceType) {
    this.#client = client;
    this.#storage = storage;
    this.#type = resourceType;
  }

  #key(id) { return `mirror ${JSON.stringify([this.#type, id])}`; }

  /** What was noted of documents, by id. */
  async noted() { return new Map((await this.#rows()).map(row => [row.id, row])); }

  /** What a library that stands on before has already told of a document. */
  standsOn(noted, id, before) { return noted.has(id) && isSame(noted.get(id).before, before) ? noted.get(id).state : before; }

  async #rows() { return (await this.#storage.list('meta', `mirror ${JSON.stringify([this.#type]).slice(0, -1)},`)).map(([, row]) => row); }

  /** Queues what a document says now that it did not before. state null: it was deleted. */
  async note(id, state, before) {
    const known = await this.#storage.get('meta', this.#key(id));
    const from = this.standsOn(new Map(known && [[id, known]]), id, before);
    const also = [['meta', this.#key(id), { id, before, state, open: true }]];
    const data = state && difference(state, from, await this.#client.rule(this.#type));
    if (state ? data : from) await this.#client.record(this.#type, data ?? undefined, { resourceId: id, operation: state ? 'update' : 'delete', also });
    else await this.#storage.write(also);
  }

  send() { return this.#client.sync(); }

  /**
   * What changed after a cursor, whole, and besides what was sent from here and does not look like the server's yet: a library
   * that has unsent changes leaves aside what comes meanwhile. held(ids) answers what the
   * library has of them, view(document) what it would have of a document of the server's.
   */
  async changes(cursor, limit, held, view = document => document) {
    const page = await this.#client.call('sync_pull', { deviceId: this.#client.deviceId, cursor, limit, resourceTypes: [this.#type], scope: {} });
    const documents = new Map(page.changes.map(({ resourceId, operation, data }) => [resourceId, operation === 'delete' ? null : data]));
    const open = (await this.#rows()).filter(row => row.open);
    if (open.length && !page.hasMore) await this.#settle(open, documents, held, view);
    return { ...page, documents };
  }

  async #settle(open, documents, held, view) {
    const rows = open.slice(0, 500), ids = rows.map(({ id }) => id), theirs = await this.#fetch(ids), ours = await held(ids);
    const queue = (await this.#client.queue()).filter(({ item }) => item.resourceType === this.#type), rule = await this.#client.rule(this.#type);
    for (const row of rows) {
      const waits = queue.filter(({ item, resourceId }) => (resourceId ?? item.resourceId) === row.id), server = theirs.get(row.id) ?? null;
      if (!waits.length && isSame(sorted(ours.get(row.id)), sorted(server && view(server)))) await this.#storage.write([['meta', this.#key(row.id), { ...row, open: false }]]);
      else documents.set(row.id, waits.reduce((document, { item }) => shown(document, item, rule), server));
    }
  }

  /** The server's documents of these ids. */
  async #fetch(ids) {
    const [name, second] = (await this.#client.rule(this.#type))?.key ?? [], keys = ids.map(id => (second ? JSON.parse(id)[0] : id));
    const scope = name ? { [name]: [...new Set(keys.flatMap(key => (Number.isFinite(Number(key)) ? [key, Number(key)] : [key])))] } : {};
    const { changes } = await this.#client.call('sync_pull', { deviceId: this.#client.deviceId, resourceTypes: [this.#type], scope });
    return new Map(changes.filter(({ operation }) => operation !== 'delete').map(({ resourceId, data }) => [resourceId, data]));
  }
}
