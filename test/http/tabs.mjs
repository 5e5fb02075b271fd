// Two tabs of a browser on one IndexedDB, with and without Web Locks: one device, every minute once, whichever tab syncs.
import { createRequire } from 'node:module';
import { ROOT, TMP, is, learner, ok, psql, startNginx } from './parts.mjs';

const { chromium } = createRequire(`${TMP}/`)('playwright-core');
const LOCKLESS = () => Object.defineProperty(navigator, 'locks', { value: undefined });

async function tab(context, port, name, hide) {
  const page = await context.newPage();
  if (hide) await page.addInitScript(LOCKLESS);
  await page.goto(`http://127.0.0.1:${port}/app/learnsync.mjs`);
  await page.evaluate(async ([who, token]) => {
    const { open, indexedDb } = await import('/app/learnsync.mjs');
    window.heard = 0;
    window.app = await open({ url: '/learnsync', token: () => token, storage: await indexedDb(who), learnerId: who, batch: 3, page: 2 });
    window.app.subscribe(() => window.heard++);
    window.study = async count => {
      for (let n = 0; n < count; n++) {
        await app.record('lesson_progress', { lessonId: `l${n % 7}`, timeSpent: 1000 });
        if (n % 4 === 0) app.sync();
      }
      return app.sync();
    };
  }, [name, learner(name)]);
  return page;
}

/** Syncs until all is sent: calls of two tabs at a time may be turned away by nginx. */
const finish = page => page.evaluate(async () => {
  for (let n = 0; n < 20; n++) {
    if ((await app.sync()).state === 'ok' && !(await app.queue()).length) return true;
    await new Promise(next => setTimeout(next, 100));
  }
  return false;
});

async function share(browser, port, name, hide) {
  const context = await browser.newContext(), tabs = [await tab(context, port, name, hide), await tab(context, port, name, hide)];
  const ids = await Promise.all(tabs.map(page => page.evaluate(() => app.deviceId)));
  ok(ids[0] === ids[1], `${name}: both tabs are one device`, ids);
  await tabs[0].evaluate(() => { window.heard = 0; });
  await tabs[1].evaluate(() => app.record('mastery', { competencyId: 'c', level: 1 }));
  await tabs[0].waitForFunction(() => window.heard > 0, null, { timeout: 5000 });
  is(await tabs[0].evaluate(() => app.document('mastery', 'c')), { level: 1 }, `${name}: a tab hears of the other and shows what it recorded`);

  await Promise.all(tabs.map(page => page.evaluate(() => study(20))));
  const third = await tab(context, port, name, hide);
  const cut = third.evaluate(() => study(8)).catch(() => {});
  await third.waitForFunction(async () => (await app.queue()).length > 0);
  await third.close();
  await cut;
  for (const page of tabs) ok(await finish(page), `${name}: all is sent, what a closed tab left as well`);
  const counted = await tabs[0].evaluate(async () => [...(await app.documents('lesson_progress')).values()].reduce((sum, { timeSpent }) => sum + timeSpent, 0));
  const stored = Number(psql(`SELECT sum((data ->> 'timeSpent')::bigint) FROM learnsync_data.resource WHERE learner_id = '${name}'`));
  const sent = Number(psql(`SELECT sum(item_count) - 1 FROM learnsync_data.push WHERE learner_id = '${name}'`));
  ok(counted === stored && stored === sent * 1000 && sent > 40 && sent <= 48, `${name}: every second once`, `${counted} shown, ${stored} stored, ${sent} items`);
  for (const page of tabs) is(await page.evaluate(() => app.verify()), [], `${name}: as the server has it`);
  is(await tabs[1].evaluate(async () => ((await app.wipe()), (await app.documents('lesson_progress')).size)), 0, `${name}: a wipe leaves nothing`);
  await context.close();
}

export async function test(rest) {
  const { port } = await startNginx(rest.port, { server: `include "${ROOT}/http/learnsync.conf"; location /app/ { types { text/javascript mjs; } alias "${ROOT}/clients/js/"; }` });
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  try {
    await share(browser, port, 'two tabs', false);
    await share(browser, port, 'two tabs without locks', true);
  } finally {
    await browser.close();
  }
}
