// tanstack.mjs: TanStack DB with learnsync: a collection that shows a resource type, and a mutation function for
// @tanstack/offline-transactions that sends what the learner did. Copy this file with learnsync.mjs of clients/js.
import { NonRetriableError } from '@tanstack/offline-transactions';
import { difference } from './js/learnsync.mjs';

/** Options of createCollection: the documents of a type, with their id in the field key. client: one that pulls. */
export function learnsyncCollection({ client, resourceType, key }) {
  const rows = async () => new Map([...await client.documents(resourceType)].map(([id, data]) => [id, { ...data, [key]: id }]));
  return {
    id: resourceType,
    getKey: row => row[key],
    sync: { sync({ begin, write, commit, markReady }) {
      let shown = new Map(), last = Promise.resolve();
      const show = async () => {
        const now = await rows();
        begin();
        for (const [id, value] of now) {
          if (!shown.has(id)) write({ type: 'insert', value });
          else if (JSON.stringify(shown.get(id)) !== JSON.stringify(value)) write({ type: 'update', value });
        }
        for (const [id, value] of shown) if (!now.has(id)) write({ type: 'delete', value });
        commit();
        shown = now;
      };
      const again = () => { last = last.then(show, show); return last; };
      again().then(markReady);
      return client.subscribe(again);
    } }
  };
}

/** An offline transaction that knows when it was made: of one that is restored after a restart the library only says now. */
export const learnsyncTransaction = (executor, options) => executor.createOfflineTransaction({ ...options, metadata: { ...options.metadata, at: new Date().toISOString() } });

/**
 * A mutation function for transactions of learnsyncTransaction. Each change is an item whose id is made of the transaction's
 * key, so it counts once, however often the executor tries. What the server will never take goes to onFailed(item, failure)
 * and undoes its transaction; what became of the others comes with a pull, which is waited for.
 */
export function sendMutations({ client, resourceTypeOf = ({ collection }) => collection.id, onFailed = () => {}, onConflict = () => {} }) {
  return async ({ transaction, idempotencyKey }) => {
    const items = await Promise.all(transaction.mutations.map((mutation, n) => itemOf(client, mutation, resourceTypeOf(mutation), `${idempotencyKey} ${n}`, transaction.metadata.at)));
    let answer;
    try {
      answer = await client.call('sync_push', { deviceId: client.deviceId, items, sentAt: new Date().toISOString() });
    } catch (error) {
      if (['halve', 'refused', 'erased', 'deactivated'].includes(error.kind)) throw new NonRetriableError(error.message);
      throw new Error('not sent yet', { cause: error });   // the executor gives up where a message has 400 or 401 in it
    }
    if (answer.failedItems.some(({ retryable }) => retryable)) throw new Error('the server asks for some of it again');
    for (const conflict of answer.conflicts) onConflict(conflict);
    await client.sync();
    const failed = answer.failedItems.filter(({ waiting }) => !waiting);
    for (const failure of failed) onFailed(items.find(({ id }) => id === failure.id), failure);
    if (failed.length) throw new NonRetriableError(failed[0].error);
  };
}

async function itemOf(client, { type, key, original, modified }, resourceType, id, clientTimestamp) {
  const data = type === 'delete' ? undefined : difference(modified, type === 'insert' ? null : original, await client.rule(resourceType)) ?? {};
  return { id, resourceType, resourceId: String(key), operation: type === 'delete' ? 'delete' : 'update', data, clientTimestamp };
}
