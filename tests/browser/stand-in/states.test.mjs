// States that a healthy server shows only by chance; the stand-in shows them when asked.

import assert from 'node:assert/strict';
import { suite } from '../with-visitor.mjs';

const visitorTest = suite();
const QUESTION = 'How much is delivery in Moscow?';

const say = (target, event) => fetch(`${target.baseUrl}/__emit`, { method: 'POST', body: JSON.stringify({ event }) });
const operator = (id, text) => ({ kind: 'message.created', message: { id, author: { kind: 'operator', name: 'Anna' }, text } });

visitorTest('a closed panel counts what was missed on its launcher', { lang: 'en' }, async (visit, target) => {
  await visit.open();
  await visit.ask(QUESTION);
  await visit.answer();
  await visit.page.keyboard.press('Escape');
  await say(target, operator('msg_a', 'Hello from Anna'));
  await say(target, operator('msg_b', 'Are you there?'));
  await visit.page.getByRole('button', { name: 'Open chat, 2 new messages' }).click();
  await visit.panel.getByText('Are you there?').last().waitFor();
  await visit.page.keyboard.press('Escape');
  await visit.page.getByRole('button', { name: 'Open chat', exact: true }).waitFor();
});

visitorTest('someone who reads further up is not pulled down', { lang: 'en', viewport: { width: 1000, height: 420 + 60 } }, async (visit, target) => {
  await visit.open();
  for (const n of [0, 1, 2]) {
    await visit.ask(QUESTION);
    await visit.answer(n);
  }
  const scroller = visit.panel.locator('.scroller');
  await scroller.evaluate((node) => node.scrollTo(0, 0));
  await scroller.evaluate((node) => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(node.scrollTop)))));
  await say(target, operator('msg_c', 'One more thing'));
  const pill = visit.page.getByRole('button', { name: 'New messages' });
  await pill.waitFor();
  assert.equal(await scroller.evaluate((node) => node.scrollTop), 0);
  await pill.click();
  await pill.waitFor({ state: 'hidden' });
  assert.ok(await scroller.evaluate((node) => node.scrollHeight - node.scrollTop - node.clientHeight < 4));
});

visitorTest('an answer that failed can be asked for again', { lang: 'en' }, async (visit) => {
  await visit.open();
  await visit.ask('fail please');
  await visit.panel.getByText('The answer did not come through.').first().waitFor();
  await visit.page.getByRole('button', { name: 'Try again' }).click();
  await visit.mine.nth(1).waitFor();
  assert.equal(await visit.mine.nth(1).innerText(), 'fail please');
});

visitorTest('too many messages: it says how long, and sends by itself', { lang: 'ru' }, async (visit, target) => {
  target.server.setFaults({ fail: [{ path: '/messages', method: 'POST', status: 429, retryAfter: 2, times: 1 }] });
  await visit.open();
  await visit.ask('Сколько стоит доставка?');
  await visit.panel.getByText(/Повторим через [12] секунд/).waitFor();
  await visit.answer();
});

visitorTest('a message that is too long is counted, kept, and not sent', { lang: 'en' }, async (visit) => {
  await visit.open();
  await visit.field.fill('x'.repeat(1900));
  await visit.panel.getByText('100 characters left').waitFor();
  await visit.field.fill('x'.repeat(2001));
  await visit.panel.getByText('1 character too many').waitFor();
  await visit.field.press('Enter');
  assert.equal(await visit.mine.count(), 0);
  assert.equal((await visit.field.inputValue()).length, 2001);
});

visitorTest('a message that is refused can be edited', { lang: 'en' }, async (visit, target) => {
  target.server.setFaults({ fail: [{ path: '/messages', method: 'POST', status: 422, times: 1 }] });
  await visit.open();
  await visit.ask(QUESTION);
  await visit.page.getByRole('button', { name: 'Edit' }).click();
  assert.equal(await visit.field.inputValue(), QUESTION);
  await visit.field.press('Enter');
  await visit.answer();
});

visitorTest('a colleague who takes over is announced, and shown typing', { lang: 'ru' }, async (visit, target) => {
  await visit.open();
  await visit.ask('operator, please');
  await visit.panel.getByText('К разговору подключился сотрудник').first().waitFor();
  await say(target, { kind: 'typing', on: true, by: { kind: 'operator' } });
  await visit.panel.locator('.typing').waitFor();
  await say(target, operator('msg_d', 'Добрый день!'));
  await visit.panel.getByText('Добрый день!').first().waitFor();
  await visit.panel.locator('.typing').waitFor({ state: 'hidden' });
});

visitorTest('a tab in the background tells in its title what came, and takes it back', { lang: 'en' }, async (visit, target) => {
  const background = (hidden) =>
    visit.page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { get: () => value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await visit.open();
  await visit.ask(QUESTION);
  await visit.answer();
  const title = await visit.page.title();
  await background(true);
  await say(target, operator('msg_t', 'Are you there?'));
  await visit.page.waitForFunction((own) => document.title === `(1) ${own}`, title);
  await visit.page.evaluate(() => (document.title = 'Another page'));
  await say(target, operator('msg_u', 'Hello?'));
  await visit.page.waitForFunction(() => document.title === '(2) Another page');
  await background(false);
  await visit.page.waitForFunction(() => document.title === 'Another page');
});

visitorTest('during maintenance it says so, and what was written goes out afterwards', { lang: 'ru' }, async (visit, target) => {
  target.server.setFaults({ fail: [{ path: '/messages', method: 'POST', status: 503, kind: 'maintenance', retryAfter: 2, times: 1 }] });
  await visit.open();
  await visit.ask('Сколько стоит доставка?');
  await visit.panel.getByText(/^Идут технические работы/).waitFor();
  await visit.answer();
  await visit.panel.locator('.banner').waitFor({ state: 'hidden' });
});

visitorTest('a new visitor during maintenance is told so, too', { lang: 'en' }, async (visit, target) => {
  target.server.setFaults({ fail: [{ path: '/widget/sessions', method: 'POST', status: 503, kind: 'maintenance', retryAfter: 2, times: 1 }] });
  await visit.page.evaluate(() => localStorage.clear());
  await visit.page.reload();
  await visit.open();
  await visit.panel.getByText('We are doing maintenance.', { exact: false }).waitFor();
  await visit.ask(QUESTION);
  await visit.answer();
});

visitorTest('that several messages wait is told once', { lang: 'en' }, async (visit) => {
  await visit.open();
  await visit.panel.getByText('Online, replies in seconds').waitFor();
  await visit.page.context().setOffline(true);
  await visit.panel.locator('.banner').waitFor();
  for (const text of ['one', 'two', 'three']) await visit.ask(text);
  await visit.panel.getByText('Waiting to be sent').waitFor();
  assert.equal(await visit.panel.locator('.mine .meta').count(), 1);
  assert.equal(await visit.panel.locator('.status').isVisible(), false, 'the banner says it');
});

visitorTest('that answers come in seconds is not said while a colleague answers, nor after one that failed', { lang: 'en' }, async (visit) => {
  const online = visit.panel.getByText('Online, replies in seconds');
  await visit.open();
  await online.waitFor();
  await visit.ask('fail please');
  await visit.panel.getByText('Answers may take longer').waitFor();
  assert.equal(await online.isVisible(), false);
  await visit.ask('operator, please');
  await visit.panel.getByText('A colleague is here').waitFor();
});

visitorTest('each message runs as its own script does, and says its language', { lang: 'en' }, async (visit) => {
  await visit.open();
  await visit.ask('كم سعر التوصيل؟');
  const mine = visit.mine.first();
  await visit.answer();
  assert.deepEqual(await mine.evaluate((node) => [getComputedStyle(node).direction, node.lang]), ['rtl', 'ar']);
  await visit.ask('Сколько стоит доставка?');
  await visit.answer(1);
  assert.equal(await visit.answers.nth(1).getAttribute('lang'), 'ru');
});

visitorTest('a wide table can be seen to go on, and is scrolled', { lang: 'en' }, async (visit, target) => {
  await visit.open();
  await visit.ask(QUESTION);
  await visit.answer();
  const row = `| ${'a long cell | '.repeat(12)}`;
  await say(target, { kind: 'message.created', message: { id: 'msg_w', author: { kind: 'ai' }, text: `${row}\n|${'---|'.repeat(12)}\n${row}` } });
  const table = visit.panel.locator('.md .table');
  await table.waitFor();
  assert.ok(await table.evaluate((node) => node.scrollWidth > node.clientWidth && getComputedStyle(node).backgroundImage.includes('gradient')));
});

visitorTest('what was said before is shown when it is asked for', { lang: 'en' }, async (visit, target) => {
  await visit.open();
  await visit.ask(QUESTION);
  await visit.answer();
  await say(target, { kind: 'status.changed', status: 'closed' });
  await visit.panel.getByText('This conversation is closed').first().waitFor();
  await visit.ask('When are you open?');
  await visit.answer(1);
  assert.equal(await visit.mine.count(), 2, 'what is on the screen stays on it');
  await visit.page.reload();
  await visit.panel.waitFor();
  await visit.panel.getByText('When are you open?').last().waitFor();
  assert.equal(await visit.mine.count(), 1);
  await visit.page.getByRole('button', { name: 'Earlier conversation' }).click();
  await visit.mine.nth(1).waitFor();
  assert.equal(await visit.mine.first().innerText(), QUESTION);
});

visitorTest('a panel that cannot be had yet comes when the network is back', { lang: 'en' }, async (visit) => {
  await visit.page.context().setOffline(true);
  await visit.launcher.click();
  await visit.page.locator('button.launcher[aria-busy="true"]').waitFor();
  await visit.page.context().setOffline(false);
  await visit.panel.waitFor();
});

visitorTest('a first file that is older than the panel works with it, and the next page gets the new one', { lang: 'en' }, async (visit) => {
  await visit.page.route('**/widget-en.js*', async (route) => {
    const response = await route.fetch();
    const version = new URL(route.request().url()).search.slice(1);
    const body = await response.text();
    assert.ok(body.includes(version));
    await route.fulfill({ response, body: body.replaceAll(version, 'another') });
  });
  const anew = visit.page.waitForRequest((request) => new URL(request.url()).pathname === '/widget.js');
  await visit.open();
  await anew;
  await visit.ask(QUESTION);
  await visit.answer();
});

visitorTest('a site that is removed says so in the panel that is open, which then goes', { lang: 'en' }, async (visit, target) => {
  await visit.open();
  await visit.ask(QUESTION);
  await visit.answer();
  target.server.setFaults({ foreign: true });
  target.server.forgetVisitors();
  await target.server.restart();
  await visit.panel.getByText('This chat is no longer available here.').waitFor();
  assert.equal(await visit.field.isVisible(), false, 'what cannot be sent is not written');
  assert.equal(await visit.answers.count(), 1, 'what was said can be read');
  assert.equal(visit.said.length, 1);
  await visit.page.keyboard.press('Escape');
  await visit.panel.waitFor({ state: 'hidden' });
  assert.equal(await visit.launcher.isVisible(), false);
  target.server.setFaults({});
});

visitorTest('a panel whose messages come late is open before, and shows them then', { lang: 'en' }, async (visit) => {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  await visit.page.route('**/widget-messages.js*', async (route) => {
    await held;
    await route.continue();
  });
  await visit.open();
  await visit.panel.locator('.welcome').waitFor();
  await visit.ask(QUESTION);
  await visit.panel.locator('.skeleton').waitFor();
  release();
  await visit.answer();
  assert.equal(await visit.mine.count(), 1);
  assert.equal(await visit.panel.locator('.skeleton').isVisible(), false);
});

visitorTest('the card of a source comes when one is pressed, and the last one pressed is shown', { lang: 'en' }, async (visit) => {
  let release;
  let asked = 0;
  const held = new Promise((resolve) => (release = resolve));
  await visit.page.route('**/widget-source.js*', async (route) => {
    asked += 1;
    await held;
    await route.continue();
  });
  await visit.open();
  await visit.ask(QUESTION);
  await visit.answer();
  assert.equal(asked, 0, 'who opens no source gets no file for it');
  await visit.cites.first().click();
  await visit.panel.locator('.cite[aria-busy="true"]').waitFor();
  await visit.panel.locator('.source').first().click();
  await visit.page.keyboard.press('Escape');
  await visit.panel.waitFor({ state: 'hidden' });
  release();
  await visit.launcher.click();
  await visit.panel.locator('.cite:not([aria-busy])').first().waitFor();
  assert.equal(await visit.card.count(), 0, 'what was asked for before it was closed is not shown');
  await visit.panel.locator('.source').first().click();
  await visit.card.waitFor();
  await visit.page.keyboard.press('Escape');
  await visit.card.waitFor({ state: 'hidden' });
  assert.ok(await visit.panel.locator('.source').first().evaluate((node) => node.getRootNode().activeElement === node));
});

visitorTest('a source whose file did not come is shown once it can be had', { lang: 'en' }, async (visit) => {
  let fails = 2;
  await visit.page.route('**/widget-source.js*', (route) => (fails-- > 0 ? route.abort() : route.continue()));
  await visit.open();
  await visit.ask(QUESTION);
  await visit.answer();
  await visit.cites.first().click();
  await visit.card.waitFor();
});

visitorTest('a page view loads one file; what was said meanwhile loads the others, and is counted', { lang: 'en' }, async (visit, target) => {
  const loaded = [];
  visit.page.on('request', (request) => /\/widget[^/]*\.js/.test(request.url()) && loaded.push(new URL(request.url()).pathname));
  await visit.open();
  await visit.ask(QUESTION);
  await visit.answer();
  await visit.page.keyboard.press('Escape');
  await visit.page.mouse.move(5, 5);
  loaded.length = 0;
  await visit.page.reload();
  await visit.launcher.waitFor();
  await visit.page.waitForLoadState('networkidle');
  assert.deepEqual(loaded, ['/widget.js']);
  await visit.page.goto('about:blank');
  await say(target, operator('msg_n', 'Are you there?'));
  loaded.length = 0;
  await visit.page.goBack();
  await visit.page.getByRole('button', { name: 'Open chat, 1 new message' }).click();
  await visit.panel.getByText('Are you there?').last().waitFor();
  assert.deepEqual([...new Set(loaded)].sort(), ['/widget-en.js', '/widget-messages.js', '/widget.js']);
});

visitorTest('a question of the page is kept until there is a chat, also over pages', { lang: 'en' }, async (visit) => {
  await visit.page.route('**/widget-en.js*', (route) => route.abort());
  await visit.page.evaluate((text) => window.Frontdesk.ask(text), QUESTION);
  await visit.page.locator('button.launcher[aria-busy="true"]').waitFor();
  await visit.page.unroute('**/widget-en.js*');
  await visit.page.evaluate(() => sessionStorage.clear());
  await visit.page.reload();
  await visit.launcher.click();
  await visit.answer();
  assert.equal(await visit.mine.count(), 1);
});

visitorTest('an unknown site key shows nothing at all', { lang: 'en' }, async (visit) => {
  await visit.page.route('**/demo/?lang=en', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replace(/pk_\w+/, 'pk_unknown') });
  });
  const told = visit.page.waitForEvent('console', (message) => message.text().includes('Frontdesk'));
  await visit.page.reload();
  await told;
  assert.equal(await visit.launcher.isVisible(), false);
});
