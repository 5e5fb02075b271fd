// The four systems' original HTTP paths through the nginx file that ships: where each request goes, and that the seeds'
// requests are answered as their documents say.
import { is, learner, ok, psql, request, run, startEcho, startNginx } from './parts.mjs';

const ANN = learner('seed learner'), OTHER = learner('another learner');

// What PostgREST is asked. A row: [method, path, body, method, path and query, id from the path, body, query].
const ROUTES = [
  ['POST', '/api/sync/push', '{"a":1}', 'POST', '/rpc/sync_push', null, '{"a":1}'],
  ['POST', '/api/sync/push?limit=0&select=x', '{"a":1}', 'POST', '/rpc/sync_push', null, '{"a":1}'],
  ['POST', '/api/sync/pull', '{"a":1}', 'POST', '/rpc/sync_pull', null, '{"a":1}'],
  ['POST', '/api/sync/pull?limit=0', '{"a":1}', 'POST', '/rpc/sync_pull', null, '{"a":1}'],
  ['GET', '/api/sync/status', undefined, 'GET', '/rpc/sync_status', null, ''],
  ['HEAD', '/api/sync/status', undefined],
  ['GET', '/api/sync/status?deviceId=a%20b&limit=0', undefined, 'GET', '/rpc/sync_status', null, '', 'deviceId=a%20b&limit=0'],
  ['GET', '/api/sync/devices', undefined, 'GET', '/rpc/sync_devices', null, ''],
  ['GET', '/api/sync/devices?limit=0', undefined, 'GET', '/rpc/sync_devices', null, ''],
  ['POST', '/api/sync/conflicts/1d983f88-65c1/resolve', '{"resolution":"use_server"}', 'POST', '/rpc/sync_resolve', '1d983f88-65c1', '{"resolution":"use_server"}'],
  ['POST', '/api/sync/conflicts/c/resolve?limit=0', '{}', 'POST', '/rpc/sync_resolve', 'c', '{}'],
  ['DELETE', '/api/sync/devices/device-uuid-1234', undefined, 'POST', '/rpc/sync_deactivate_device', 'device-uuid-1234', '{}'],
  ['DELETE', '/api/sync/devices/d?x=1', '', 'POST', '/rpc/sync_deactivate_device', 'd', '{}'],
  ['DELETE', '/api/sync/devices/d?x=1', '{"deviceId":"other"}', 'POST', '/rpc/sync_deactivate_device', 'd', '{"deviceId":"other"}'],
  ['GET', '/api/v1/learning/progress', undefined, 'GET', '/rpc/progress_get', null, ''],
  ['GET', '/api/v1/learning/progress?since=c', undefined, 'GET', '/rpc/progress_get', null, '', 'since=c'],
  ['PUT', '/api/v1/learning/progress', '{"events":[]}', 'POST', '/rpc/progress_put', null, '{"events":[]}'],
  ['PUT', '/api/v1/learning/progress?limit=0', '{"events":[]}', 'POST', '/rpc/progress_put', null, '{"events":[]}'],
  ['POST', '/api/v1/sync/progress?limit=0', '{"events":[]}', 'POST', '/rpc/sync_progress', null, '{"events":[]}'],
  ['POST', '/api/v1/sync/completions?limit=0', '{"events":[]}', 'POST', '/rpc/sync_completions', null, '{"events":[]}'],
  ['POST', '/api/v1/progress/batch?limit=0', '{"items":[]}', 'POST', '/rpc/progress_batch', null, '{"items":[]}'],
  ['POST', '/learnsync/rpc/sync_push', '{"a":1}', 'POST', '/rpc/sync_push', null, '{"a":1}'],
  ['GET', '/learnsync/rpc/sync_status?deviceId=in.co.school.tablet', undefined, 'GET', '/rpc/sync_status', null, '', 'deviceId=in.co.school.tablet'],
  ['GET', '/learnsync/rpc/progress_get?limit=2', undefined, 'GET', '/rpc/progress_get', null, '', 'limit=2'],
  ['GET', '/learnsync/lesson_progress?course_id=eq.c1&order=version', undefined, 'GET', '/lesson_progress?course_id=eq.c1&order=version', null, ''],
  ['PATCH', '/learnsync/lesson_progress', '{}', 'PATCH', '/lesson_progress', null, '{}'],
  ['GET', '/learnsync/', undefined, 'GET', '/', null, ''],
  // Ids with everything that an id may hold arrive as they were sent.
  ['DELETE', '/api/sync/devices/%C3%A9%20%2F%3F%25%0D%0AX-Evil:%201', undefined, 'POST', '/rpc/sync_deactivate_device', '%C3%A9%20%2F%3F%25%0D%0AX-Evil:%201', '{}'],
  ['POST', '/api/sync/conflicts/a%22b/resolve', '{}', 'POST', '/rpc/sync_resolve', 'a%22b', '{}'],
];
const ELSEWHERE = [
  ['GET', '/rpc/sync_devices', 404], ['GET', '/api/sync', 404], ['POST', '/api/sync/cleanup', 404], ['GET', '/api/sync/push/', 404], ['DELETE', '/api/sync/devices/', 404], ['DELETE', '/api/sync/devices/a/b', 404], ['POST', '/api/sync/conflicts/a', 404], ['POST', '/api/sync/conflicts//resolve', 404], ['POST', '/api/sync/conflicts/a/b/resolve', 404],
  ['GET', '/learnsync/error', 404], ['POST', '/learnsync/bodiless/rpc/sync_push', 404], ['GET', '/learnsync', 301],
];

async function routes() {
  const { port } = await startNginx((await startEcho()).port);
  const forged = { 'Learnsync-Id': 'forged', 'Learnsync-Query': 'deviceId=forged', 'Content-Type': 'application/json' };
  for (const [method, path, body, toMethod, url, id, toBody, query = null] of ROUTES)
    await run(port, [[`${method} ${path} ${body ?? ''}`, { method, path, body, as: ANN, headers: forged }, 200,
      toMethod ? { method: toMethod, url, id, query, body: toBody, authorization: `Bearer ${ANN}`, type: 'application/json' } : null]]);
  for (const [method, path, status] of ELSEWHERE)
    await run(port, [[`${method} ${path}`, { method, path, as: ANN }, status]]);
  await run(port, [
    ...[['count=planned', 'count=exact'], ['return=minimal, Count=Estimated', 'count=exact'], ['count=exact', 'count=exact'], ['return=minimal', 'return=minimal']].map(([sent, got]) =>
      [`Prefer: ${sent}`, { path: '/learnsync/device', headers: { Prefer: sent } }, 200, { prefer: got }]),
    ['a body of 7 MB passes', { method: 'POST', path: '/api/sync/push', body: 'x'.repeat(7e6) }, 200, { body: text => text.length === 7e6 }],
    ['a path that climbs', { method: 'POST', path: '/api/sync/x/../push', body: '{}' }, 200, { url: '/rpc/sync_push' }],
    ['an id that climbs is no id', { method: 'DELETE', path: '/api/sync/x/../devices/d' }, 404],
  ]);
}

// Seed 002: the request bodies and curl examples of the document, with ids filled in.
const lesson = { id: 'local-id-1', operation: 'create', resourceType: 'lesson_progress', clientTimestamp: '2024-01-08T10:30:00.000Z',
  data: { lessonId: 'LESSON_ID', courseId: 'COURSE_ID', completionPercentage: 50, timeSpent: 300000 } };
const quiz = { id: 'local-id-2', operation: 'create', resourceType: 'quiz_attempt', clientTimestamp: '2024-01-08T10:45:00.000Z',
  data: { quizId: 'QUIZ_ID', attemptNumber: 1, responses: [{ questionId: 'x', answer: 'y' }], score: { raw: 8, max: 10 } } };
const push = (deviceId, items) => ({ method: 'POST', path: '/api/sync/push', as: ANN, body: { deviceId, deviceName: 'iPhone 12', items, metadata: { appVersion: '1.0.0', platform: 'ios', networkType: 'wifi' } } });
const SEED_002 = [
  ['push', push('device-uuid-1234', [lesson, quiz]), 200, { syncedItems: ['local-id-1', 'local-id-2'], failedItems: [], conflicts: [], syncVersion: Number.isInteger, serverTimestamp: /Z$/ }],
  ['push, retried', push('device-uuid-1234', [lesson, quiz]), 200, { syncedItems: ['local-id-1', 'local-id-2'], results: [{ duplicate: true }, { duplicate: true }] }],
  ['the curl example', { method: 'POST', path: '/api/sync/push', as: ANN, body: { deviceId: 'test-device-1', deviceName: 'Test Device', items: [{ id: 'local-1', operation: 'update', resourceType: 'lesson_progress',
    data: { lessonId: 'LESSON_ID', courseId: 'COURSE_ID', completionPercentage: 75, timeSpent: 600000 }, clientTimestamp: '2024-01-08T10:30:00.000Z' }] } }, 200, { syncedItems: ['local-1'] }],
  ['scenario 1: a stale lesson', push('device-uuid-1234', [{ ...lesson, id: 'stale', operation: 'update', clientTimestamp: '2024-01-07T00:00:00Z', data: { ...lesson.data, completionPercentage: 10, timeSpent: 1 } }]), 200,
    { conflicts: [{ id: 'stale', clientData: { completionPercentage: 10 }, serverData: { completionPercentage: 75, timeSpent: 900001 }, resolution: 'server_wins' }] }],
  ['scenario 2: the same attempt again', push('device-uuid-1234', [{ ...quiz, id: 'again' }]), 200, { conflicts: [{ id: 'again', serverData: { quizId: 'QUIZ_ID' }, resolution: 'server_wins' }] }],
  ['scenario 3: progress on another device', push('device-B', [{ ...lesson, id: 'b', operation: 'update', clientTimestamp: '2024-01-09T00:00:00Z', data: { lessonId: 'LESSON_ID', completionPercentage: 60, timeSpent: 0 } }]), 200, { syncedItems: ['b'], conflicts: [] }],
  ['pull', { method: 'POST', path: '/api/sync/pull', as: ANN, body: { deviceId: 'device-uuid-1234', lastSyncVersion: 1, resourceTypes: ['lesson_progress', 'quiz_attempt'] } }, 200,
    { changes: list => list.some(c => c.resourceId === 'LESSON_ID' && c.data.completionPercentage === 75), syncVersion: Number.isInteger, hasMore: false }],
  ['another attempt 1', push('device-B', [{ ...quiz, id: 'other', data: { ...quiz.data, score: { raw: 1 } } }]), 200, { conflicts: [{ resolution: 'manual_required' }] }],
  ['status', { path: '/api/sync/status', as: ANN }, 200, { devices: list => list.length === 3, pendingCount: 0, conflictCount: 1, conflicts: [{ id: /^[0-9a-f-]{36}$/, resourceType: 'quiz_attempt', clientData: {}, serverData: {}, createdAt: /Z$/ }] }],
  ['status of a device', { path: '/api/sync/status?deviceId=device-uuid-1234', as: ANN }, 200, { devices: [{ deviceId: 'device-uuid-1234', deviceName: 'iPhone 12', metadata: { platform: 'ios' }, isActive: true, conflictCount: 0 }] }],
  ...['in.co.school.tablet', 'eq.d', 'not.is.null', 'a+b c&d=e/é', 'limit'].flatMap(id => [
    [`a device called ${id}`, { method: 'POST', path: '/api/sync/push', as: OTHER, body: { deviceId: id, items: [] } }, 200],
    [`the status of ${id}`, { path: `/api/sync/status?${new URLSearchParams({ deviceId: id })}`, as: OTHER }, 200, { devices: [{ deviceId: id }] }],
    [`the status of ${id}, not as a form`, { path: `/learnsync/rpc/sync_status?deviceId=${encodeURIComponent(id)}`, as: OTHER }, 200, { devices: [{ deviceId: id }] }]]),
  ['the status of a device that is none', { path: '/api/sync/status?deviceId=in.nobody', as: OTHER }, 200, { devices: [] }],
  ['a limit is the reader\'s', { path: '/api/sync/status?limit=0', as: OTHER }, 400, { code: '22023', message: 'limit must be a positive integer' }],
  ['a query cuts no answer', { method: 'POST', path: '/api/sync/push?limit=0&offset=7', as: OTHER, body: { deviceId: 'limit', items: [{ ...lesson, id: 'kept' }] } }, 200, { syncedItems: ['kept'] }],
  ['and the push was kept', { method: 'POST', path: '/api/sync/pull?select=nothing', as: OTHER, body: { deviceId: 'x' } }, 200, { changes: [{ resourceId: 'LESSON_ID' }] }],
  ['devices', { path: '/api/sync/devices', as: ANN }, 200, { devices: list => list.length === 3 && list.every(d => d.userId === 'seed learner' && d.isActive) }],
  ['without a token', { path: '/api/sync/devices' }, 401],
  ['no deviceId', { method: 'POST', path: '/api/sync/push', as: ANN, body: { items: [] } }, 400, { code: '22023' }],
];

// The same of functions that may not be there yet: as long as one is missing, its path says so.
const post = (path, body, as = ANN) => ({ method: 'POST', path, as, body });
const known = {}; // ids and cursors that answers gave
const keep = (name, value) => { known[name] = value; return true; };
const event = { clientUpdatedAt: '2025-12-22T20:36:50.595Z', events: [{ eventId: 'event-1', occurredAt: '2025-12-22T20:36:50.595Z', clientId: 'client-123', type: 'content.progressed', payload: { contentId: 'promises-vs-reality',
  status: 'passed', score: 100, contentVersion: 'v1', interaction: { interactionId: 'pattern-recognition-quiz', state: { kind: 'quiz', selectedOptionId: 'c' } } } }] };
const put = body => ({ method: 'PUT', path: '/api/v1/learning/progress', as: ANN, body });
const moduleEvent = (idempotencyKey, more) => ({ idempotencyKey, deviceId: 'd', moduleId: 'm1', clientTimestamp: '2026-04-27T10:00:00Z', ...more });
const progress = (key, progressPercent, syncVersion) => post('/api/v1/sync/progress', { events: [moduleEvent(key, { progressPercent, syncVersion })] });
const verdict = (status, reason = () => true) => ({ success: true, data: { results: [{ status, reason }] } });
const batch = (...keys) => post('/api/v1/progress/batch', { profile_id: 'profile of the seed', items: keys.map(idempotency_key => ({ idempotency_key, activity_type: 'letter', content_id: 'a', score: 90, duration_seconds: 12, meta_data: {}, timestamp: '2026-01-29T23:15:00+05:30' })) });
const conflict = more => () => post(`/api/sync/conflicts/${known.conflict}/resolve`, { resolution: 'use_server', ...more });

const SEEDS = {
  sync_resolve: [
    ['which conflict', { path: '/api/sync/status', as: ANN }, 200, { conflicts: list => keep('conflict', list[0].id) }],
    ['an id in the path and another in the body', conflict({ conflictId: '1d983f88-65c1-84d5-940b-0ed3d1c5c78c' }), 400, { code: '22023', message: 'conflictId differs from the id in the path' }],
    ['a resolution that is none', conflict({ resolution: 'nope' }), 400, { code: '22023' }],
    ['of another learner', () => ({ ...conflict()(), as: learner('somebody') }), 404, { code: 'PT404' }],
    ['an unknown one', post('/api/sync/conflicts/nope/resolve', { resolution: 'use_server' }), 404],
    ['resolve', conflict({ mergedData: null }), 200, { message: 'Conflict resolved successfully' }],
    ['once only', conflict(), 404, { code: 'PT404' }],
  ],
  sync_deactivate_device: [
    ['an unknown device', { method: 'DELETE', path: '/api/sync/devices/nope', as: ANN }, 404, { code: 'PT404' }],
    ['of another learner', { method: 'DELETE', path: '/api/sync/devices/device-B', as: learner('somebody') }, 404, { code: 'PT404' }],
    ['deactivate', { method: 'DELETE', path: '/api/sync/devices/device-B', as: ANN }, 200, { message: 'Device deactivated successfully' }],
    ['an id in the path and another in the body', { method: 'DELETE', path: '/api/sync/devices/device-B', as: ANN, body: { deviceId: 'test-device-1' } }, 400, { code: '22023', message: 'deviceId differs from the id in the path' }],
    ['it is refused from then on', push('device-B', []), 403, { code: 'PT403' }],
    ['and seen', { path: '/api/sync/status?deviceId=device-B', as: ANN }, 200, { devices: [{ isActive: false }] }],
  ],
  progress_put: [
    ['the example', put(event), 200, { ok: true }],
    ['again', put(event), 200, { ok: true }],
    ['no events', put({ clientUpdatedAt: '2025-12-22T20:36:50.595Z', events: [] }), 200, { ok: true }],
    ['no list', put({ events: 1 }), 400, { code: '22023' }],
  ],
  progress_get: [
    ['all', { path: '/api/v1/learning/progress', as: ANN }, 200, { ok: true, data: { snapshot: { content: { 'promises-vs-reality': { status: 'passed', score: 100 } } }, events: [event.events[0]], cursor: cursor => keep('cursor', cursor) } }],
    ['since', () => ({ path: `/api/v1/learning/progress?since=${encodeURIComponent(known.cursor)}`, as: ANN }), 200, { ok: true, data: { events: [] } }],
  ],
  sync_progress: [
    ['the example', progress('k1', 60, 2), 200, verdict('applied')],
    ['again', progress('k1', 60, 2), 200, verdict('skipped')],
    ['an older version', progress('k2', 70, 1), 200, verdict('skipped', /stale/i)],
    ['out of range', progress('k3', 101, 3), 200, verdict('rejected', /./)],
    ['no events', post('/api/v1/sync/progress', { events: [] }), 400, { code: '22023' }],
  ],
  sync_completions: [
    ['an unknown module', post('/api/v1/sync/completions', { events: [moduleEvent('c1', { moduleId: 'nowhere', score: 80 })] }), 200, verdict('rejected', /./)],
    ['no events', post('/api/v1/sync/completions', {}), 400, { code: '22023' }],
  ],
  progress_batch: [
    ['a profile that is nobody\'s', batch('x'), 404, { code: 'PT404' }],
    ['a profile', () => { psql("SELECT learnsync.add_profile('profile of the seed', 'seed learner')"); return batch('x', 'y'); }, 200, { results: [{ idempotency_key: 'x', status: 'ok', server_id: id => keep('record', id) }, { idempotency_key: 'y', status: 'ok' }] }],
    ['again', batch('x', 'z'), 200, { results: [{ idempotency_key: 'x', status: 'duplicate', server_id: id => id === known.record }, { idempotency_key: 'z', status: 'ok' }] }],
    ['nothing', batch(), 200, { results: [] }],
    ['no list', post('/api/v1/progress/batch', { profile_id: 'profile of the seed', items: null }), 200, { results: [] }],
    ['not even that', post('/api/v1/progress/batch', { profile_id: 'profile of the seed' }), 200, { results: [] }],
  ],
};

async function seeds(port) {
  for (const [name, cases] of Object.entries(SEEDS)) {
    const exists = psql(`SELECT to_regproc('learnsync_api.${name}') IS NOT NULL`) === 't';
    const ask = typeof cases[0][1] === 'function' ? cases[0][1]() : cases[0][1];
    await run(port, exists ? cases.map(([what, ...rest]) => [`${name}: ${what}`, ...rest]) : name === 'sync_resolve' ? [] : [[`${name} is not there yet`, ask, 404, { code: 'PGRST202' }]]);
  }
}

export async function test({ port }) {
  await routes();
  const nginx = await startNginx(port);
  await run(nginx.port, SEED_002);
  await seeds(nginx.port);
  ok(!/\[(warn|error|crit|alert|emerg)\]/.test(nginx.output().replace(/.*(client intended to send too large body|No such file or directory).*/g, '')), 'nginx has nothing to complain of', nginx.output());
}
