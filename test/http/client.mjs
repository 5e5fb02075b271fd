// An offline client of a learning app on @supabase/postgrest-js. What happens is queued; sync() pushes the queue and
// pulls what other devices did, whenever there is network. It may fail at any point and be called again.
import { randomUUID } from 'node:crypto';

export class App {
  /** api: a PostgrestClient that is signed in as the learner. A real app keeps all of this in its local database. */
  constructor(api, deviceId) {
    Object.assign(this, { api, deviceId, queue: [], documents: new Map(), failed: [], waiting: [], conflicts: [], cursor: null });
  }

  /** Something happened. The item gets its id here, once, and keeps it until it is answered. */
  record(resourceType, data, more = {}) {
    this.queue.push({ id: randomUUID(), operation: 'update', resourceType, data, clientTimestamp: new Date().toISOString(), ...more });
  }

  /** What the server last said of a resource; a screen adds the items that are still queued. */
  document(resourceType, resourceId) {
    return this.documents.get(JSON.stringify([resourceType, resourceId]));
  }

  async sync() {
    await this.push();
    await this.pull();
  }

  /** Sync until it succeeds, as an app does with a growing pause; answers whether it did. */
  async syncPatiently(attempts = 10, pause = 10) {
    for (let n = 0; n < attempts; n++) {
      try {
        await this.sync();
        return true;
      } catch (error) {
        if (error.status >= 400 && error.status < 500 && error.status !== 429) throw error; // asking again would not help
        await new Promise(next => setTimeout(next, pause * 2 ** n * Math.random()));
      }
    }
    return false;
  }

  async push() {
    const queue = [...this.queue]; // what comes in meanwhile goes with the next sync
    for (let i = 0; i < queue.length; i += 100) {
      const items = queue.slice(i, i + 100);
      const answer = await this.call('sync_push', { deviceId: this.deviceId, items }); // throws: all stay queued, same ids
      answer.results.forEach((result, n) => this.answered(items[n], result, answer));
    }
  }

  /** One result per item, in the same order. */
  answered(item, result, answer) {
    const failure = answer.failedItems.find(f => f.id === result.id);
    const conflict = answer.conflicts.find(c => c.id === result.id);
    if (result.status === 'failed' && failure.retryable) return; // stays in the queue
    if (failure?.waiting) this.waiting.push(item); // the server has a copy
    else if (failure) this.failed.push({ item, failure });
    if (result.status === 'conflict') this.store(result, conflict.serverData);
    if (conflict?.resolution === 'manual_required') this.conflicts.push(conflict); // show both to a person
    this.queue.splice(this.queue.indexOf(item), 1);
  }

  async pull(limit = 500) {
    let page;
    do {
      page = await this.call('sync_pull', { deviceId: this.deviceId, cursor: this.cursor, limit });
      if (page.reset) this.documents.clear(); // drop what was synced, keep the queue
      for (const change of page.changes) this.store(change, change.operation === 'delete' ? null : this.joined(change));
      this.cursor = page.cursor; // in one local transaction with the page
    } while (page.hasMore);
  }

  /**
   * A change marked delta carries only the new members of its lists, and what was removed from those whose members
   * change; order them by what they say themselves.
   */
  joined(change) {
    const known = this.document(change.resourceType, change.resourceId) ?? {};
    if (!change.delta) return change.data;
    const id = member => member?.id ?? member?._id ?? JSON.stringify(member);
    return Object.fromEntries(Object.entries(change.data).map(([field, value]) => {
      if (!Array.isArray(value)) return [field, value];
      const fresh = new Set(value.map(id));
      const kept = Array.isArray(known[field]) ? known[field].filter(member => !fresh.has(id(member))) : [];
      return [field, [...kept, ...value.filter(member => member?.deleted !== true)]];
    }));
  }

  store({ resourceType, resourceId }, data) {
    const key = JSON.stringify([resourceType, resourceId]);
    if (data === null) this.documents.delete(key);
    else this.documents.set(key, data);
  }

  async call(name, body) {
    const { data, error, status } = await this.api.rpc(name, body);
    if (error) throw Object.assign(new Error(error.message), { status });
    return data;
  }
}
