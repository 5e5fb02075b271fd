// rxdb.mjs: replicates an RxDB collection with a resource type of learnsync. The collection's primary key is the resource's id,
// its other fields are those of the documents; fields that the server computes are not required by the schema. Copy this
// file with learnsync.mjs and mirror.mjs of clients/js.
import { replicateRxCollection } from 'rxdb/plugins/replication';
import { Mirror } from './js/mirror.mjs';

/**
 * client: opened with pull: false; storage: the client's. What the learner did is queued by the client before RxDB takes it
 * for sent, so a bad change blocks nothing: it is in client.failed(), and conflicts for a person in client.conflicts().
 */
export function replicateLearnsync({ collection, resourceType, client, storage, ...options }) {
  const primary = collection.schema.primaryPath, mirror = new Mirror(client, storage, resourceType);
  const documentOf = ({ [primary]: id, _deleted, ...fields }) => ({ id, document: _deleted ? null : fields });
  const known = new Set(Object.keys(collection.schema.jsonSchema.properties));
  const rowOf = (id, document) => ({ ...Object.fromEntries(Object.entries(document ?? {}).filter(([name]) => known.has(name))), [primary]: id, _deleted: !document });
  const held = async ids => new Map([...await collection.findByIds(ids).exec()].map(([id, row]) => [id, documentOf(row.toJSON()).document]));
  const view = document => Object.fromEntries(Object.entries(document).filter(([name]) => known.has(name) && name !== primary));

  const push = async rows => {
    for (const { assumedMasterState, newDocumentState } of rows) {
      const { id, document } = documentOf(newDocumentState);
      await mirror.note(id, document, assumedMasterState ? documentOf(assumedMasterState).document : null);
    }
    await mirror.send();
    setTimeout(() => replication.reSync(), 0);           // the server's documents are not what was sent
    return [];
  };

  const pull = async (checkpoint, limit) => {
    await mirror.send();
    const documents = new Map();
    let cursor = checkpoint?.cursor, page, dropped = false;
    do {
      page = await mirror.changes(cursor, limit, held, view);
      if (page.reset) dropped = documents.clear() ?? true;
      for (const [id, document] of page.documents) documents.set(id, document);
      cursor = page.cursor;
    } while (page.hasMore && (dropped || documents.size < limit));
    if (dropped) for (const row of await collection.find().exec()) if (!documents.has(row.primary)) documents.set(row.primary, null);
    return { checkpoint: { cursor }, documents: [...documents].map(([id, document]) => rowOf(id, document)) };
  };

  const replication = replicateRxCollection({ live: true, retryTime: 5000, ...options, collection,
    replicationIdentifier: `learnsync ${resourceType} ${client.deviceId}`, push: { batchSize: 100, handler: push }, pull: { batchSize: 500, handler: pull } });
  return replication;
}
