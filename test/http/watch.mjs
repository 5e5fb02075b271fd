// What administrators watch over PostgREST: figures for Prometheus, judged by promtool where it is there, and a page.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { TMP, is, learner, ok, request, token } from './parts.mjs';

const DBA = token({ role: 'dba' });
// As they are sent, by Prometheus 2 and 3 and by a browser.
const PROMETHEUS = ['application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1'];
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';
const PROMTOOL = [`${TMP}/prometheus/usr/bin/promtool`, '/usr/bin/promtool', '/usr/local/bin/promtool'].find(existsSync);

async function metrics(port) {
  const body = { deviceId: 'phone "1"\\', metadata: { appVersion: '1.0 "beta"\\\n2' }, items: [{ id: 1 }, 5] };
  await request(port, { method: 'POST', path: '/rpc/sync_push', as: learner('watched'), body });
  let answer;
  for (const Accept of ['text/plain', ...PROMETHEUS]) {
    answer = await request(port, { path: '/rpc/metrics', as: DBA, headers: { Accept } });
    is({ status: answer.status, type: answer.headers['content-type'] }, { status: 200, type: /^text\/plain/ }, `metrics are text for ${Accept.slice(0, 20)}`);
  }
  ok(/^learnsync_calls_total\{channel="sync_push"\} [0-9]+$/m.test(answer.text), 'that has the counts', answer.text);
  is((await request(port, { path: '/rpc/metrics', as: learner('watched') })).status, 403, 'a learner does not read them');
  is((await request(port, { path: '/rpc/metrics' })).status, 401, 'nor does who is not signed in');
  if (!PROMTOOL)
    return console.log('# promtool is not installed (Debian package prometheus): what it says of metrics is not tested');
  const checked = spawnSync(PROMTOOL, ['check', 'metrics'], { input: answer.text, encoding: 'utf8' });
  ok(checked.status === 0 && !checked.stderr, 'promtool finds nothing wrong with them', checked.stderr);
}

async function dashboard(port) {
  const answer = await request(port, { path: '/rpc/dashboard', as: DBA, headers: { Accept: BROWSER } });
  is({ status: answer.status, type: answer.headers['content-type'] }, { status: 200, type: /^text\/html/ }, 'the dashboard is a page');
  ok(/^<!DOCTYPE html>.*<\/html>$/s.test(answer.text), 'that is whole', answer.text);
  is((await request(port, { path: '/rpc/dashboard', as: learner('watched') })).status, 403, 'a learner does not see it');
}

export async function test(rest) {
  await metrics(rest.port);
  await dashboard(rest.port);
}
