// The widget on pages of another origin: it works, and looks as on a plain page, whatever the page does.

import assert from 'node:assert/strict';
import { answers, onPage, shared } from '../embedding/on-page.mjs';
import { looks } from '../embedding/looks.mjs';
import { LOADED, LOOKS } from '../embedding/pages.mjs';
import { questions } from '../target.mjs';
import { WidgetPage } from '../widget-page.mjs';

const { question } = questions.en;

/** The pixels within the panel, where nothing of the page can be seen behind round corners. */
async function pixels(visit) {
  const box = await visit.panel.boundingBox();
  const clip = { x: box.x + 24, y: box.y + 24, width: box.width - 48, height: box.height - 48 };
  return (await visit.page.screenshot({ clip, animations: 'disabled' })).toString('base64');
}

/** By how much two pictures differ, 0 to 255 on the average. Edges of letters are smoothed as the layers of a page have it. */
async function difference(page, ...pictures) {
  const blank = await page.context().newPage();
  const found = await blank.evaluate(async (both) => {
    const [a, b] = await Promise.all(
      both.map(async (picture) => {
        const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${picture}`)).blob());
        const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
        context.drawImage(image, 0, 0);
        return context.getImageData(0, 0, image.width, image.height).data;
      }),
    );
    return a.length === b.length ? a.reduce((sum, value, n) => sum + Math.abs(value - b[n]), 0) / a.length : 255;
  }, pictures);
  await blank.close();
  return found;
}

async function portrait(visit) {
  await visit.launcher.waitFor();
  const closed = await visit.page.evaluate(looks);
  await visit.open();
  await visit.panel.locator('.welcome').waitFor();
  // The pointer is on the launcher still.
  await visit.page.mouse.move(5, 5);
  await visit.page.waitForFunction(() => document.querySelector('frontdesk-widget').shadowRoot.querySelector('.launcher').getBoundingClientRect().width === 60);
  return { closed, open: await visit.page.evaluate(looks), pixels: await pixels(visit) };
}

let model;
async function plainPortrait() {
  if (model) return model;
  const visit = await WidgetPage.arrive(shared.browser, `${shared.pages.url}/plain`, { reducedMotion: 'reduce' });
  model = await portrait(visit);
  await visit.close();
  return model;
}

for (const name of Object.keys(LOOKS)) {
  onPage(name, `${name}: it looks as on a plain page, and answers`, {}, async (visit) => {
    const expected = await plainPortrait();
    const found = await portrait(visit);
    assert.deepEqual(found.closed, expected.closed);
    assert.deepEqual(found.open, expected.open);
    assert.ok((await difference(visit.page, found.pixels, expected.pixels)) < 1, 'the panel is drawn the same');
    await answers(visit);
  });
}

for (const name of Object.keys(LOADED)) {
  onPage(name, `${name}: it looks as on a plain page, and answers`, { allowed: name === 'csp-without-sockets' ? /wss?:/ : undefined }, async (visit) => {
    const expected = await plainPortrait();
    assert.deepEqual((await portrait(visit)).open, expected.open);
    await answers(visit);
    assert.deepEqual(visit.said, []);
  });
}

onPage('backdrop', 'it lays nothing over the page, whatever the page lays under its own dialogs', {}, async (visit, page) => {
  await visit.open();
  const clip = { x: 0, y: 0, width: 780, height: 860 };
  const found = (await page.screenshot({ clip })).toString('base64');
  await page.evaluate(() => document.querySelector('frontdesk-widget').hidePopover());
  assert.ok((await difference(page, found, (await page.screenshot({ clip })).toString('base64'))) < 1);
});

async function saysAndShowsNothing(visit, word) {
  await visit.page.waitForFunction(() => document.readyState === 'complete');
  if (!visit.said.length) await visit.page.waitForEvent('console', (message) => message.text().includes('Frontdesk'));
  assert.equal(visit.said.length, 1, visit.said.join());
  assert.match(visit.said[0], word);
  assert.equal(await visit.page.locator('frontdesk-widget').isVisible(), false);
}

onPage('nokey', 'without a key it says so in the console, and nothing else', {}, (visit) => saysAndShowsNothing(visit, /^Frontdesk: .*data-site-key/));
onPage('csp-without-calls', 'where a policy blocks its calls it says so in the console', { allowed: /./ }, (visit) => saysAndShowsNothing(visit, /Content-Security-Policy of this page blocks it; add http:\/\/127\.0\.0\.1:\d+ to connect-src/));

onPage('wrongkey', 'with a wrong key it says so in the console, and nothing else', {}, (visit) => saysAndShowsNothing(visit, /there is no site pk_unknown/));
onPage('plain', 'on a page without permission it says so in the console, and nothing else', { host: 'localhost' }, (visit) => saysAndShowsNothing(visit, /pages of http:\/\/localhost:\d+ may not use the site pk_/));

onPage('open', 'a panel that was open on a phone leaves the page as it was when the page has no permission', { host: 'localhost', viewport: { width: 390, height: 780 } }, async (visit, page) => {
  await saysAndShowsNothing(visit, /may not use the site/);
  await page.waitForLoadState('networkidle');
  assert.equal(await page.evaluate(() => document.documentElement.style.overflow), '');
});

onPage('frames', 'in frames it works, also in a small one; a frame without an origin is told why it has none', {}, async (visit, page) => {
  const frame = (name) => page.frameLocator(`iframe[name=${name}]`);
  for (const name of ['wide', 'small']) {
    await frame(name).locator('button.launcher').click();
    const panel = frame(name).locator('section.panel');
    await panel.locator('textarea').fill(question);
    await panel.locator('textarea').press('Enter');
    await panel.locator('.item[aria-busy="false"] .row.ai .md').first().waitFor();
    await panel.getByRole('button', { name: 'Close chat' }).click();
  }
  await assert.doesNotReject(async () => visit.said.length || (await page.waitForEvent('console', (message) => message.text().includes('Frontdesk'))));
  assert.match(visit.said.join(), /pages of null may not use the site/);
  assert.equal(await frame('shut').locator('button.launcher').isVisible(), false);
});

onPage('keys', 'what is typed, pasted and scrolled in it reaches no shortcut of the page', {}, async (visit, page) => {
  const log = () => page.locator('#log').innerText();
  await visit.open();
  await visit.field.pressSequentially('What? j/k');
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Control+C');
  await page.keyboard.press('Control+X');
  await page.keyboard.press('Control+V');
  assert.equal(await visit.field.inputValue(), 'What? j/k');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.press('Escape');
  await visit.panel.waitFor({ state: 'hidden' });
  assert.doesNotMatch(await log(), /key|input|paste|copy|cut/);
  await page.locator('h1').click();
  await page.keyboard.press('x');
  assert.match(await log(), /keydown .*keypress .*keyup/, 'the page still has its own');
});

/** An answer that is open, before the page does something. */
async function answered(visit) {
  await visit.launcher.waitFor();
  await visit.open();
  await answers(visit);
}

async function stillThere(visit, n = 1) {
  await visit.panel.waitFor();
  await visit.mine.nth(n - 1).waitFor();
  assert.equal(await visit.mine.count(), n);
  assert.equal(await visit.page.locator('frontdesk-widget').count(), 1);
  assert.equal(await visit.page.locator('frontdesk-widget:popover-open').count(), 1, 'it is in the top layer');
}

onPage('spa', 'it stays where a page changes its address and the whole of its body', {}, async (visit, page) => {
  await answered(visit);
  await page.evaluate(() => window.nav());
  await stillThere(visit);
  await page.evaluate(() => (document.body.innerHTML = '<h1>Another body</h1>'));
  await stillThere(visit);
  await page.evaluate(() => {
    const body = document.createElement('body');
    body.innerHTML = '<h1>A new body</h1>';
    document.body.replaceWith(body);
  });
  await stillThere(visit);
  assert.ok(await visit.panel.locator('.scroller').evaluate((node) => node.scrollHeight - node.scrollTop - node.clientHeight < 4), 'it is where it was');
  await visit.ask(questions.second.question);
  await visit.answer(1);
});

onPage('react', 'a component may take it away and put it back, also twice at once', {}, async (visit, page) => {
  await answered(visit);
  await page.locator('#next').click();
  await stillThere(visit);
  await page.locator('#toggle').click();
  await page.locator('frontdesk-widget').waitFor({ state: 'detached' });
  await page.locator('#toggle').click();
  await stillThere(visit);
});

onPage('hydrate', 'it stays where React throws the document away', { allowed: /ydrat/ }, async (visit, page) => {
  await answered(visit);
  await page.evaluate(() => window.hydrate());
  await page.getByRole('heading', { name: 'Of the client' }).waitFor();
  await stillThere(visit);
});

onPage('hydrate-same', 'React may hydrate a document in which it stands', {}, async (visit, page) => {
  await answered(visit);
  await page.evaluate(() => window.hydrate());
  await page.waitForFunction(() => Object.keys(document.querySelector('h1')).some((name) => name.startsWith('__react')));
  assert.deepEqual(await page.evaluate(() => window.lost), []);
  await stillThere(visit);
});

for (const where of ['turbo', 'turbo-body']) {
  onPage(`${where}1`, `${where}: it stays open from page to page, and back`, {}, async (visit, page) => {
    await answered(visit);
    for (const heading of ['Turbo two', 'Turbo one']) {
      await page.locator('#link').click();
      await page.getByRole('heading', { name: heading }).waitFor();
      await stillThere(visit);
    }
    await page.goBack();
    await page.getByRole('heading', { name: 'Turbo two' }).waitFor();
    await stillThere(visit);
    await visit.ask(questions.second.question);
    await visit.answer(1);
  });
}

onPage('two-same', 'two tags of one site make one widget', {}, async (visit, page) => {
  await visit.launcher.waitFor();
  await page.waitForLoadState('networkidle');
  assert.equal(await page.locator('frontdesk-widget').count(), 1);
});

onPage('two-different', 'two sites stand beside each other, and one panel is open at a time', {}, async (visit, page) => {
  await page.locator('button.launcher').nth(1).waitFor();
  const [first, second] = await Promise.all([0, 1].map((n) => page.locator('button.launcher').nth(n).boundingBox()));
  assert.equal(first.y, second.y);
  assert.ok(Math.abs(first.x - second.x) >= 60, JSON.stringify([first, second]));
  const panels = page.locator('section.panel');
  for (const n of [0, 1, 0]) {
    await page.locator('button.launcher').nth(n).click();
    await panels.nth(n).waitFor();
    assert.equal(await panels.nth(1 - n).isVisible(), false);
  }
  await panels.nth(0).locator('textarea').fill(question);
  await panels.nth(0).locator('textarea').press('Enter');
  await panels.nth(0).locator('.item[aria-busy="false"] .row.ai .md').waitFor();
  assert.notEqual(await panels.nth(0).locator('h2').textContent(), await panels.nth(1).locator('h2').textContent());
});

onPage('api', 'what is called before it is loaded is done; it can be taken away and put back', {}, async (visit, page) => {
  await visit.panel.waitFor();
  assert.equal(await page.evaluate(() => window.ran), 'function');
  assert.equal(await visit.page.locator('.frame').getAttribute('data-scheme'), 'dark');
  await page.evaluate((text) => window.Frontdesk.ask(text), question);
  await visit.answer();
  await page.evaluate(() => window.Frontdesk.destroy());
  assert.equal(await page.locator('frontdesk-widget').count(), 0);
  await page.evaluate(() => window.Frontdesk.boot());
  await stillThere(visit);
  await page.evaluate(() => window.Frontdesk.push(['close']));
  await visit.panel.waitFor({ state: 'hidden' });
});

onPage('open', 'it may be open from the start, and then it takes no focus', {}, async (visit, page) => {
  await visit.panel.waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'own');
  assert.equal(await visit.panel.locator('.chip').count(), 6);
  await visit.panel.getByText('Здравствуйте', { exact: false }).or(visit.panel.getByText('Hello', { exact: false })).first().waitFor();
});

onPage('dialog', 'over what came into the top layer before, under a dialog that came later', {}, async (visit, page) => {
  await answered(visit);
  await page.evaluate(() => document.querySelector('#modal').showModal());
  const box = await visit.field.boundingBox();
  assert.equal(await page.evaluate(({ x, y }) => document.elementFromPoint(x, y)?.localName, { x: box.x + 9, y: box.y + 9 }), 'dialog');
  await page.keyboard.press('Escape');
  await visit.field.click();
});

onPage('plain', 'it is not printed', {}, async (visit, page) => {
  await visit.open();
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('frontdesk-widget').isVisible(), false);
});

