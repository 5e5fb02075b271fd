// The dashboard through PostgREST in a browser: an empty, a busy and a troubled system, wide and on a phone, light and dark.
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { DATABASE, ROOT, TMP, is, ok, psql, token } from './parts.mjs';

const { chromium } = createRequire(`${TMP}/`)('playwright-core');
const DBA = token({ role: 'dba' });
const TABLES = ['learner', 'device', 'failed', 'conflict', 'progress', 'day_count'];
const WIDE = { width: 1280, height: 900 }, PHONE = { width: 360, height: 740 };

const clear = () => psql(`TRUNCATE ${TABLES.map(name => `learnsync_data.${name}`).join(', ')}; UPDATE learnsync_data.instance SET cleaned_at = NULL, cleaned_items = 0`);
function fill(trouble) {
  clear();
  execFileSync('psql', ['-qX', '-v', 'ON_ERROR_STOP=1', '-v', `trouble=${trouble}`, '-d', DATABASE, '-f', `${ROOT}/test/http/dashboard.sql`]);
}

/** What the page is made of, seen from within. */
function look() {
  const all = what => [...document.querySelectorAll(what)];
  const luminance = color => {
    const [r, g, b] = color.match(/[\d.]+/g).slice(0, 3).map(v => v / 255).map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = node => {
    for (; node; node = node.parentElement)
      if (!/, 0\)$|transparent/.test(getComputedStyle(node).backgroundColor)) return getComputedStyle(node).backgroundColor;
    return 'rgb(255, 255, 255)';
  };
  const contrast = node => {
    const style = getComputedStyle(node), [a, b] = [luminance(node instanceof SVGElement ? style.fill : style.color), luminance(behind(node))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const texts = all('body *').filter(node => [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()) && !node.closest('.hidden, style'));
  const levels = all('h1, h2, h3').map(node => +node.tagName[1]);
  return {
    title: document.title, active: all('script, img, iframe, object, link, [onerror], [onclick]').length,
    landmarks: ['header', 'main', 'footer'].map(name => all(`body > ${name}`).length).join(' '), h1: all('h1').length,
    skips: levels.some((level, n) => n > 0 && level > levels[n - 1] + 1),
    tables: all('table').length, captions: all('table > caption').filter(node => node.textContent.trim()).length,
    heads: all('table').filter(table => table.querySelector('th[scope=col]') && !table.querySelector('tbody tr:not(:has(th[scope=row], td[colspan]))')).length,
    pictures: all('svg[role=img]').length, described: all('svg[role=img]').filter(node => node.getAttribute('aria-label').length > 20).length,
    unnamed: all('svg:not([role=img]):not([aria-hidden=true])').length,
    pale: texts.filter(node => contrast(node) < 4.5).map(node => `${node.tagName} ${node.textContent.trim().slice(0, 30)} ${contrast(node).toFixed(2)}`),
    small: texts.filter(node => node.getBoundingClientRect().height > 0 && !(node instanceof SVGElement) && parseFloat(getComputedStyle(node).fontSize) < 12).length,
    overflows: document.scrollingElement.scrollWidth > innerWidth, broken: all('svg *').filter(node => /NaN|null/.test(node.outerHTML)).length,
    alerts: all('.alerts b').map(node => node.firstChild.data.replace(/: $/, '')), columns: all('svg[role=img] rect').length, text: document.body.innerText
  };
}

async function open(browser, url, viewport, colorScheme, name) {
  const context = await browser.newContext({ viewport, colorScheme, extraHTTPHeaders: { Authorization: `Bearer ${DBA}` } });
  const page = await context.newPage(), heard = [];
  page.on('console', message => heard.push(message.text()));
  page.on('dialog', dialog => { heard.push(dialog.message()); dialog.dismiss(); });
  page.on('request', request => request.url() === url || request.url().endsWith('/favicon.ico') || heard.push(request.url()));
  const response = await page.goto(url);
  const seen = await page.evaluate(look);
  await page.screenshot({ path: `${TMP}/dashboard-${name}.png`, fullPage: true });
  await context.close();
  return { ...seen, heard, status: response.status() };
}

/** What holds of the page whatever it shows. */
function check(seen, name) {
  is(seen, { status: 200, title: 'learnsync', active: 0, heard: list => list.length === 0 }, `${name}: one page that asks for nothing else and runs nothing`);
  is(seen, { landmarks: '1 1 1', h1: 1, skips: false, captions: seen.tables, heads: seen.tables, described: seen.pictures, unnamed: 0, broken: 0 },
    `${name}: landmarks, headings, captions, heads of tables and text for pictures`);
  is(seen.pale, list => list.length === 0, `${name}: contrast of all text is at least 4.5 to 1`);
  is(seen, { small: 0, overflows: false }, `${name}: readable at its width`);
}

async function without(browser, url) {
  const context = await browser.newContext({ viewport: PHONE, javaScriptEnabled: false, extraHTTPHeaders: { Authorization: `Bearer ${DBA}` } });
  const page = await context.newPage();
  await page.goto(url);
  ok(await page.getByRole('heading', { name: 'Success and conflict rate' }).isVisible() && await page.locator('svg[role=img]').first().isVisible(), 'it needs no scripts');
  await page.locator('summary').first().click();
  ok(await page.locator('details table').first().isVisible(), 'not even for the numbers of a chart');
  await context.close();
}

export async function test(rest) {
  const url = `http://127.0.0.1:${rest.port}/rpc/dashboard`;
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  try {
    for (const [system, make] of [['empty', clear], ['busy', () => fill(false)], ['troubled', () => fill(true)]]) {
      make();
      for (const [form, viewport, scheme] of [['wide', WIDE, 'light'], ['wide-dark', WIDE, 'dark'], ['phone', PHONE, 'light'], ['phone-dark', PHONE, 'dark']]) {
        const seen = await open(browser, url, viewport, scheme, `${system}-${form}`);
        check(seen, `${system}, ${form}`);
        if (form !== 'wide') continue;
        if (system === 'empty') is(seen, { alerts: [], columns: 0, text: /Nothing needs attention[^]*None\.[^]*Nothing yet/ }, 'an empty system is shown as one');
        if (system === 'busy') is(seen, { alerts: [], columns: 14 * 6, text: /99\.\d %[^]*1,200[^]*2\.4\.1[^]*progress_put/ }, 'a busy one has columns for each day, and no alerts');
        if (system === 'troubled') {
          is([...new Set(seen.alerts)].sort(), ['cleaning', 'conflict rate', 'device unseen', 'event log', 'failures', 'queue depth', 'refused'], 'a troubled one has every alert');
          ok(seen.text.includes('<script>alert("learner")</script>') && seen.text.includes('</title><script>alert(1)</script>&"\''), 'what clients say is shown as they say it');
        }
      }
    }
    await without(browser, url);
  } finally {
    await browser.close();
    clear();
  }
  console.log(`# pictures are in ${TMP}/dashboard-*.png`);
}
