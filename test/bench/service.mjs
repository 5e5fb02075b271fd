// The service that teams have: each item goes through a queue, a query at a time, as nothing of a batch is grouped. It reads
// lines {how, learner, request} from standard input and answers each with a line; "ours" is the one call of learnsync.
import { createInterface } from 'node:readline';
import pg from 'pg';

const TABLES = `
  CREATE SCHEMA service;
  CREATE TABLE service.device (user_id text, device_id text, device_name text, metadata jsonb, sync_version bigint NOT NULL, last_sync_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, device_id)) WITH (fillfactor = 70);
  CREATE TABLE service.queue (queue_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id text NOT NULL, device_id text NOT NULL, client_id text NOT NULL,
    operation text NOT NULL, resource_type text NOT NULL, data jsonb NOT NULL, client_at timestamptz NOT NULL, status text NOT NULL, synced_at timestamptz,
    UNIQUE (user_id, device_id, client_id)) WITH (fillfactor = 70);
  CREATE INDEX ON service.queue (user_id, status);
  CREATE TABLE service.resource (user_id text, resource_type text, resource_id text, data jsonb NOT NULL, at timestamptz NOT NULL,
    PRIMARY KEY (user_id, resource_type, resource_id)) WITH (fillfactor = 70);`;

const IDS = {
  lesson_progress: data => data.lessonId,
  mastery: data => data.competencyId,
  quiz_attempt: data => JSON.stringify([data.quizId, data.attemptNumber]),
  xapi_statement: data => data.id,
};

const client = new pg.Client({ database: process.env.PGDATABASE });
let trips = 0;

/** A prepared statement, a round trip. */
async function ask(name, text, ...values) {
  trips++;
  return (await client.query({ name, text, values })).rows;
}

const merged = {
  lesson_progress: (stored, data) => ({ ...stored, ...data, completionPercentage: Math.max(stored.completionPercentage, data.completionPercentage), timeSpent: stored.timeSpent + data.timeSpent }),
  mastery: (_, data) => data,
};

/** Six round trips for an item that is new: known? queued, in work, what is stored, what it comes to, done. */
async function item(user, device, { id, operation, resourceType, data, clientTimestamp }) {
  const [known] = await ask('known', 'SELECT queue_id, status FROM service.queue WHERE user_id = $1 AND device_id = $2 AND client_id = $3', user, device, id);
  if (known) return { id, status: known.status };
  const [{ queue_id }] = await ask('queue', `INSERT INTO service.queue (user_id, device_id, client_id, operation, resource_type, data, client_at, status)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending') RETURNING queue_id`, user, device, id, operation, resourceType, JSON.stringify(data), clientTimestamp);
  await ask('work', "UPDATE service.queue SET status = 'syncing' WHERE queue_id = $1", queue_id);
  const resource = IDS[resourceType](data);
  const [stored] = await ask('find', 'SELECT data, at FROM service.resource WHERE user_id = $1 AND resource_type = $2 AND resource_id = $3', user, resourceType, resource);
  const status = !stored ? 'synced' : merged[resourceType] && new Date(clientTimestamp) >= stored.at ? 'synced' : 'conflict';
  if (!stored)
    await ask('add', 'INSERT INTO service.resource VALUES ($1, $2, $3, $4, $5)', user, resourceType, resource, JSON.stringify(data), clientTimestamp);
  else if (status === 'synced')
    await ask('change', 'UPDATE service.resource SET data = $4, at = $5 WHERE user_id = $1 AND resource_type = $2 AND resource_id = $3', user, resourceType, resource,
      JSON.stringify(merged[resourceType](stored.data, data)), clientTimestamp);
  await ask('done', 'UPDATE service.queue SET status = $2, synced_at = now() WHERE queue_id = $1', queue_id, status);
  return { id, status, ...(status === 'conflict' && { serverData: stored.data }) };
}

const push = {
  async service(user, { deviceId, deviceName, metadata, items }) {
    await ask('device', 'SELECT sync_version FROM service.device WHERE user_id = $1 AND device_id = $2', user, deviceId);
    const results = [];
    for (const each of items) results.push(await item(user, deviceId, each));
    const [{ sync_version }] = await ask('touch', `INSERT INTO service.device AS d VALUES ($1, $2, $3, $4, 1, now())
      ON CONFLICT (user_id, device_id) DO UPDATE SET sync_version = d.sync_version + 1, last_sync_at = now(), device_name = $3, metadata = $4 RETURNING sync_version`, user, deviceId, deviceName, metadata);
    return { results, syncVersion: sync_version };
  },
  async ours(user, request) {
    const [{ answer }] = await ask('push', 'SELECT learnsync.sync_push($1, $2) AS answer', user, JSON.stringify(request));
    return answer;
  },
};

await client.connect();
const [{ pid }] = (await client.query(`${TABLES} SELECT pg_backend_pid() AS pid`)).at(-1).rows;
console.log(JSON.stringify({ pid }));
for await (const line of createInterface({ input: process.stdin })) {
  const { how, learner, request } = JSON.parse(line);
  trips = 0;
  const start = performance.now();
  const answer = await push[how](learner, request);
  const ms = performance.now() - start;
  console.log(JSON.stringify({ trips, ms, node: process.cpuUsage(), statuses: answer.results.map(({ status }) => status) }));
}
await client.end();
