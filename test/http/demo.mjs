// The page of make demo-web in a headless Chromium: two phones apart, with a clock that is wrong and answers that are lost,
// come to the same, and to what the server has. Leaves the pictures that README shows in tmp/http.
import { createRequire } from 'node:module';
import { serve } from '../../demo/web/serve.mjs';
import { TMP, is, ok, psql } from './parts.mjs';

const { chromium } = createRequire(`${TMP}/`)('playwright-core');
const WHO = 'demo';

export async function test(rest) {
  const { port } = await serve(rest, undefined, WHO);
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } }), heard = [];
    page.on('pageerror', error => heard.push(error.message));
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.waitForSelector('body[data-ready]', { timeout: 30000 });
    const phone = id => ({
      choose: (label, value) => page.locator(`#${id}`).getByLabel(label).selectOption(value),
      press: (name, n = 0) => page.locator(`#${id}`).getByRole('button', { name }).nth(n).click(),
      badge: text => page.locator(`#${id} .badge`, { hasText: text }).waitFor({ timeout: 30000 }),
      ask: async text => { await page.locator(`#${id}`).getByLabel('Question').fill(text); await page.locator(`#${id}`).getByLabel('Question').press('Enter'); },
      queued: count => page.waitForFunction(([id, count]) => document.querySelectorAll(`#${id} > ul:last-child > li`).length === count, [id, count], { timeout: 30000 }),
      text: () => page.locator(`#${id}`).innerText()
    });
    const [left, right] = [phone('phone'), phone('tablet')];
    await left.press('+20 %');
    await left.badge('in sync');

    for (const one of [left, right]) await one.choose('Network', 'off');
    await right.choose('Clock', '3 hours ahead');
    await left.press('+5 min'); await left.queued(1);
    await left.press('+20 %', 1); await left.queued(2);
    await left.ask('Why is 1/2 = 2/4?'); await left.queued(3);
    await left.press('Take the quiz'); await left.queued(4);
    await right.press('+20 %'); await right.queued(1);
    await right.press('+5 min'); await right.queued(2);
    await right.ask('What is a tenth of a tenth?'); await right.queued(3);
    await right.press('Take the quiz'); await right.queued(4);
    await page.evaluate(() => document.activeElement.blur());
    await page.waitForFunction(() => document.querySelector('iframe').srcdoc.length > 1000);
    await page.screenshot({ path: `${TMP}/demo-offline.png` });
    ok(/offline/.test(await left.text()) && /offline/.test(await right.text()), 'both phones say that they are offline, and what they have queued');

    await left.choose('Network', 'lossy');
    await page.waitForTimeout(1500);
    await left.choose('Network', 'on');
    await left.badge('in sync');
    await right.press('Make a mistake');
    await right.choose('Network', 'on');
    await right.badge('in sync');
    await page.locator('#tablet', { hasText: 'TO DECIDE' }).waitFor({ timeout: 30000 });
    await left.badge('in sync');
    await page.waitForFunction(() => /Attempt 1/.test(document.getElementById('phone').innerText) && document.querySelectorAll('#server tbody tr').length >= 6, null, { timeout: 30000 });
    await page.waitForTimeout(16000);                    // the dashboard has heard of it
    await page.screenshot({ path: `${TMP}/demo-conflict.png` });
    ok(/Never taken/i.test(await right.text()) && /must be between 0 and 100/.test(await right.text()), 'a mistake is set aside with its reason');

    await right.press('Keep both');
    await page.waitForFunction(() => ['phone', 'tablet'].every(id => /Attempt 2/.test(document.getElementById(id).innerText)), null, { timeout: 30000 });
    const shown = await page.evaluate(async () => Promise.all(phones.map(async ({ client }) => [Object.fromEntries(await client.documents('lesson_progress')), (await client.document('conversation', 'chat')).messages.length, await client.verify(), await client.conflicts()])));
    is(shown[0], shown[1], 'both phones come to the same');
    is(shown[0].slice(1), [2, [], []], 'with both questions, and as the server has it');
    is(Number(psql(`SELECT sum((data ->> 'timeSpent')::bigint) / 60000 FROM learnsync_data.resource WHERE learner_id = '${WHO}' AND resource_type = 'lesson_progress'`)), 13, 'every minute once, though answers were lost and a clock was wrong');
    await page.screenshot({ path: `${TMP}/demo-together.png` });
    is(heard, [], 'nothing broke in the page');
  } finally {
    await browser.close();
  }
}
