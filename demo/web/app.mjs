// The page of make demo-web: two clients of clients/js in one page, each with a network and a clock of its own.
import { open, indexedDb, uuid } from '/app/learnsync.mjs';

const LESSONS = { fractions: 'Fractions', decimals: 'Decimals', powers: 'Powers of ten' };
const CLOCKS = { 'is right': 0, '3 hours ahead': 3 * 3600e3, '2 days behind': -2 * 86400e3, '10 years behind': -3652 * 86400e3 };
const NETWORKS = { on: 'on', off: 'off', lossy: 'loses every answer' };
const { run, token, admin } = await (await fetch('config.json')).json();
const minutes = ms => `${Math.round((ms ?? 0) / 60000)} min`;

/** An element, with what is in it; text is only ever text. */
function el(tag, more = {}, ...inside) {
  const node = Object.assign(document.createElement(tag), more);
  node.append(...inside.filter(part => part !== null));
  return node;
}
const button = (text, onclick, className = '') => el('button', { textContent: text, onclick, className });
const choice = (label, all, value, onchange) => {
  const field = el('select', { onchange: event => onchange(event.target.value) }, ...Object.entries(all).map(([key, text]) => el('option', { value: key, textContent: text, selected: key === value })));
  field.setAttribute('aria-label', label);
  return [el('span', { textContent: label }), field];
};
const list = (rows, none) => (rows.length ? el('ul', {}, ...rows) : el('p', { className: 'none', textContent: none }));

function inWords({ resourceType, data, operation }) {
  if (operation === 'delete') return `deletes a ${resourceType}`;
  if (resourceType === 'conversation') return `asks “${data.messages[0].text}”`;
  if (resourceType === 'quiz_attempt') return `quiz, attempt ${data.attemptNumber}: ${data.score} of 10`;
  return [LESSONS[data.lessonId], data.timeSpent && `${minutes(data.timeSpent)} more`, data.completionPercentage !== undefined && `up to ${data.completionPercentage} %`].filter(Boolean).join(', ');
}

class Phone {
  constructor(place, name) { Object.assign(this, { place: document.getElementById(place), id: place, name, network: 'on', clock: 'is right', draft: '', state: 'ok' }); }

  async start() {
    this.client = await open({ url: '/learnsync', token: () => token, deviceName: this.name, metadata: { appVersion: '2.4.0', platform: 'web' },
      storage: await indexedDb(`${run} ${this.id}`), now: () => Date.now() + CLOCKS[this.clock], fetch: (...call) => this.fetch(...call) });
    this.client.subscribe(() => this.show());
    setInterval(() => this.network !== 'off' && this.sync(), 4000);
    await this.sync();
    return this;
  }

  async fetch(...call) {
    if (this.network === 'off') throw new TypeError('there is no network');
    const answer = await fetch(...call);
    if (this.network === 'lossy') throw new TypeError('the answer was lost');
    return answer;
  }

  async sync() {
    this.state = (await this.client.sync()).state;
    await this.show();
  }

  async record(...what) {
    await this.client.record(...what);
    await this.sync();
  }

  study(lessonId, timeSpent, completionPercentage) { return this.record('lesson_progress', { lessonId, timeSpent, completionPercentage }); }

  async ask() {
    const text = this.draft.trim();
    this.draft = '';
    if (text) await this.record('conversation', { messages: [{ id: uuid(), from: this.name, text }] }, { resourceId: 'chat' });
  }

  async quiz(attempts) {
    const attemptNumber = Math.max(0, ...attempts.map(attempt => attempt.attemptNumber)) + 1;
    await this.record('quiz_attempt', { quizId: 'fractions-quiz', attemptNumber, score: 5 + Math.floor(Math.random() * 6) });
  }

  /** Draws the phone anew, one drawing at a time; the last change is always drawn. */
  show() {
    this.again = true;
    this.drawing ??= (async () => {
      while (this.again) { this.again = false; await this.draw(); }
      this.drawing = null;
    })();
    return this.drawing;
  }

  async draw() {
    const { client } = this, [lessons, attempts, chat, queue, failed, conflicts] = await Promise.all([client.documents('lesson_progress'), client.documents('quiz_attempt'),
      client.document('conversation', 'chat'), client.queue(), client.failed(), client.conflicts()]);
    const typing = document.activeElement?.closest('.phone') === this.place && document.activeElement.tagName;
    if (typing === 'SELECT') return;
    const [text, tone] = this.network === 'off' ? ['offline', 'off'] : queue.length ? [`${queue.length} to send`, 'wait'] : this.state === 'ok' ? ['in sync', 'ok'] : [this.state, 'wait'];
    const input = el('input', { value: this.draft, placeholder: 'Ask the tutor', oninput: event => { this.draft = event.target.value; }, onkeydown: event => event.key === 'Enter' && this.ask() });
    input.setAttribute('aria-label', 'Question');
    this.place.replaceChildren(...[
      el('div', {}, el('h2', { textContent: this.name }), el('span', { className: `badge ${tone}`, textContent: text })),
      el('div', { className: 'switches' }, ...choice('Network', NETWORKS, this.network, value => { this.network = value; document.activeElement.blur(); this.sync(); }),
        ...choice('Clock', Object.fromEntries(Object.keys(CLOCKS).map(key => [key, key])), this.clock, value => { this.clock = value; document.activeElement.blur(); this.show(); })),
      ...Object.entries(LESSONS).map(([id, title]) => {
        const { timeSpent, completionPercentage = 0, status = 'not-started' } = lessons.get(id) ?? {};
        return el('div', { className: 'lesson' }, el('div', {}, title, el('br'), el('small', { textContent: `${minutes(timeSpent)}, ${status}` })),
          button('+5 min', () => this.study(id, 300e3)), button('+20 %', () => this.study(id, 60e3, Math.min(100, completionPercentage + 20))),
          el('progress', { max: 100, value: completionPercentage }));
      }),
      el('h3', { textContent: 'Quiz and tutor' }),
      el('ul', {}, ...[...attempts.values()].sort((a, b) => a.attemptNumber - b.attemptNumber).map(a => el('li', { textContent: `Attempt ${a.attemptNumber}: ${a.score} of 10` })),
        ...(chat?.messages ?? []).map(message => el('li', { className: 'said' }, `${message.text} `, el('small', { textContent: message.from })))),
      el('div', { className: 'row' }, button('Take the quiz', () => this.quiz([...attempts.values()])), button('Make a mistake', () => this.study('powers', 1000, 130))),
      el('div', { className: 'row' }, input),
      conflicts.length ? el('h3', { textContent: 'To decide' }) : null,
      ...conflicts.length ? [list(conflicts.map(conflict => this.conflict(conflict)))] : [],
      failed.length ? el('h3', { textContent: 'Never taken' }) : null,
      ...failed.length ? [list(failed.map(({ item, failure }) => el('li', { className: 'bad' }, `${inWords(item)}: ${failure.error}`, el('div', { className: 'row' }, button('Discard', () => client.discard(item.id))))))] : [],
      el('h3', { textContent: 'Queued on this phone' }),
      list(queue.map(({ item }) => el('li', { className: 'warn' }, `${inWords(item)} `, el('small', { textContent: new Date(item.clientTimestamp).toLocaleString('en-GB', { dateStyle: 'short', timeStyle: 'short' }) }))), 'Nothing: all was sent.')].filter(part => part !== null));
    if (typing === 'INPUT') { const field = this.place.querySelector('input'); field.focus(); field.setSelectionRange(field.value.length, field.value.length); }
  }

  conflict({ conflictId, clientData, serverData, decision }) {
    const decide = resolution => async () => { await this.client.decide(conflictId, resolution, { force: true }); await this.sync(); };
    return el('li', { className: 'warn' }, `Both phones took attempt ${clientData.attemptNumber}: here ${clientData.score} of 10, on the server ${serverData?.score} of 10.`,
      decision ? el('p', { className: 'none', textContent: 'Decided; goes with the next sync.' })
        : el('div', { className: 'row' }, button('Keep both', decide('keep_both'), 'main'), button('Use this one', decide('use_client')), button('Use the server’s', decide('use_server'))));
  }
}

const versions = new Map();

/** The server's documents, as a backend reads them: by the views. */
async function server() {
  const view = async name => (await (await fetch(`/learnsync/${name}`, { headers: { Authorization: `Bearer ${token}` } })).json());
  const [lessons, attempts, messages, open] = await Promise.all(['lesson_progress?order=lesson_id', 'quiz_attempt?order=attempt_number', 'message?order=at', 'conflict?is_open=is.true'].map(view));
  const rows = [
    ...lessons.map(row => [`lesson ${row.lesson_id}`, `${minutes(row.time_spent)}, ${row.completion_percentage ?? 0} %, ${row.status}`, row.version]),
    ...attempts.map(row => [`quiz, attempt ${row.attempt_number}`, `${row.data.score} of 10`, row.version]),
    ...messages.map((row, n) => [`message ${n + 1}`, row.data.text, row.version ?? '']),
    ...open.map(row => ['conflict', `attempt ${row.client_data.attemptNumber} of the quiz waits for a person`, ''])];
  document.querySelector('#server tbody').replaceChildren(...rows.map(([what, text, version]) => {
    const isFresh = versions.has(what) && versions.get(what) !== version + text;
    versions.set(what, version + text);
    return el('tr', { className: isFresh ? 'fresh' : '' }, el('td', { textContent: what }), el('td', { textContent: text }), el('td', { textContent: version }));
  }));
}

async function dashboard() {
  const page = await fetch('/learnsync/rpc/dashboard', { headers: { Authorization: `Bearer ${admin}`, Accept: 'text/html' } });
  if (page.ok) document.querySelector('iframe').srcdoc = await page.text();
}

/** Runs work again and again, a while after it was done. */
const every = (ms, work) => work().catch(() => {}).finally(() => setTimeout(every, ms, ms, work));
window.phones = await Promise.all([new Phone('phone', 'Phone').start(), new Phone('tablet', 'Second phone').start()]);
every(1000, server);
every(15000, dashboard);
document.body.dataset.ready = 'true';
