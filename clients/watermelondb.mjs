// watermelondb.mjs: syncs a WatermelonDB table with a resource type of learnsync. The record's id is the resource's, its columns
// are fields of the documents by the same names, unless toDocument and toColumns say others. The table has one column
// more, { name: 'learnsync_base', type: 'string', isOptional: true }: the server's document that a record stands on. Copy this
// file with learnsync.mjs and mirror.mjs of clients/js.
import { synchronize } from '@nozbe/watermelondb/sync/index.js';
import { Q } from '@nozbe/watermelondb';
import { Mirror } from './js/mirror.mjs';
import { difference, shown } from './js/learnsync.mjs';

const HIDDEN = ['id', '_status', '_changed', 'learnsync_base'];

/**
 * Answers a function that syncs; it breaks where the server cannot be reached, as synchronize does. client: one with pull:
 * false; storage: the client's. What the server never takes is in client.failed(), and blocks nothing.
 */
export function learnsyncTable({ database, table, resourceType, client, storage, toDocument = row => row, toColumns = document => document }) {
  const mirror = new Mirror(client, storage, resourceType), columns = Object.keys(database.schema.tables[table].columns).filter(name => !HIDDEN.includes(name));
  const documentOf = raw => toDocument(Object.fromEntries(columns.filter(name => raw[name] !== null && raw[name] !== undefined).map(name => [name, raw[name]])));
  const columnsOf = document => { const all = toColumns(document); return Object.fromEntries(columns.map(name => [name, all[name] ?? null])); };
  const view = document => documentOf(columnsOf(document));
  const base = raw => (raw.learnsync_base ? JSON.parse(raw.learnsync_base) : null);
  const rowOf = (id, document) => ({ id, ...columnsOf(document), learnsync_base: JSON.stringify(view(document)) });
  const held = async ids => new Map((await database.get(table).query(Q.where('id', Q.oneOf(ids))).fetch()).map(({ id, _raw }) => [id, documentOf(_raw)]));
  const place = `watermelondb ${resourceType}`;
  let rule, noted;

  /** WatermelonDB notes how far it is by a number: the cursors that belong to the last ones. */
  const pullChanges = async ({ lastPulledAt }) => {
    const cursors = await storage.get('meta', place) ?? {}, documents = new Map();
    let cursor = cursors[lastPulledAt ?? 0], page, dropped = !cursor;
    do {
      page = await mirror.changes(cursor, 500, held, view);
      if (page.reset) dropped = documents.clear() ?? true;
      for (const [id, document] of page.documents) documents.set(id, document);
      cursor = page.cursor;
    } while (page.hasMore);
    if (dropped && lastPulledAt) for (const { id, _raw } of await database.get(table).query().fetch()) if (_raw._status !== 'created' && !documents.has(id)) documents.set(id, null);
    const timestamp = Math.max(Date.now(), (lastPulledAt ?? 0) + 1);
    await storage.write([['meta', place, { ...lastPulledAt && { [lastPulledAt]: cursors[lastPulledAt] }, [timestamp]: cursor }]]);
    [rule, noted] = [await client.rule(resourceType), await mirror.noted()];
    return { timestamp, changes: { [table]: { created: [], updated: [...documents].filter(([, document]) => document).map(([id, document]) => rowOf(id, document)),
      deleted: [...documents].filter(([, document]) => !document).map(([id]) => id) } } };
  };

  /** What was changed here and is not yet queued comes on top of the server's document. */
  const conflictResolver = (name, local, remote, resolved) => {
    if (name !== table) return resolved;
    const unsent = difference(documentOf(local), mirror.standsOn(noted, local.id, base(local)), rule);
    const document = documentOf(remote);
    return { ...resolved, ...columnsOf(unsent ? shown(document, { data: unsent, clientTimestamp: '' }, rule) : document), learnsync_base: remote.learnsync_base };
  };

  const pushChanges = async ({ changes, lastPulledAt }) => {
    const { created, updated, deleted } = changes[table] ?? { created: [], updated: [], deleted: [] };
    for (const raw of [...created, ...updated]) await mirror.note(raw.id, documentOf(raw), base(raw));
    for (const id of deleted) await mirror.note(id, null, { lastPulledAt });
    await mirror.send();
  };

  return async () => {
    for (let turn = 0; turn < 2; turn++)                 // the second brings what the server made of what was sent
      await synchronize({ database, pullChanges, pushChanges, conflictResolver, sendCreatedAsUpdated: true });
  };
}
