// powersync.mjs: the upload side of a PowerSync connector. Tables that have sums are defined with trackPrevious, so that what
// was added is known. Copy this file with learnsync.mjs of clients/js. Reads stay with PowerSync's own service.
import { difference } from './js/learnsync.mjs';

/**
 * An uploadData for a connector. tables: {table: {resourceType, toDocument?}}, the row's id being the resource's. client: one
 * with pull: false; storage: the client's. Each operation is queued in the client once, in one write with the note that it
 * was, and is PowerSync's no more: one that the server never takes is in client.failed(), and blocks nothing.
 */
export function uploadTo({ client, storage, tables }) {
  return async database => {
    const name = `powersync ${await database.getClientId()}`;
    for (let batch; (batch = await database.getCrudBatch(100));) {
      for (const { clientId, op, table, id, opData, previousValues } of batch.crud) {
        if (clientId <= (await storage.get('meta', name) ?? 0)) continue;
        const also = [['meta', name, clientId]], { resourceType, toDocument = row => row } = tables[table] ?? {};
        const data = op === 'DELETE' ? undefined : resourceType && difference(toDocument(opData ?? {}), op === 'PUT' ? null : toDocument(previousValues ?? {}), await client.rule(resourceType));
        if (resourceType && data !== null) await client.record(resourceType, data, { resourceId: id, operation: op === 'DELETE' ? 'delete' : 'update', also });
        else await storage.write(also);
      }
      await batch.complete();
    }
    const { state, error } = await client.sync();
    if (state === 'later' || state === 'signed-out') throw error;     // PowerSync asks again; nothing of it is sent twice
  };
}
