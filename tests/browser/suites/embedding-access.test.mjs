// It can be used on the pages of strangers by every visitor: by keyboard, with large text, zoomed, in the system's own colours.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { violations } from '../axe.mjs';
import { answers, onPage, shared } from '../embedding/on-page.mjs';
import { launchBrowser, WidgetPage } from '../widget-page.mjs';

for (const name of ['plain', 'reset', 'unset-important', 'rtl', 'quirks', 'two-different']) {
  onPage(name, `${name}: axe finds nothing in it`, {}, async (visit, page) => {
    await visit.launcher.first().waitFor();
    assert.deepEqual(await violations(page, 'frontdesk-widget'), []);
    await visit.launcher.first().click();
    await visit.panel.first().waitFor();
    assert.deepEqual(await violations(page, 'frontdesk-widget'), []);
    if (name === 'two-different') return;
    await answers(visit);
    await visit.cites.first().click();
    await visit.card.waitFor();
    assert.deepEqual(await violations(page, 'frontdesk-widget'), []);
  });
}

onPage('plain', 'its headings begin under those of the page, and leave none out', {}, async (visit, page) => {
  await visit.open();
  const levels = await page.evaluate(() => [...document.querySelector('frontdesk-widget').shadowRoot.querySelectorAll('h1, h2, h3, h4, [role=heading]')].map((node) => Number(node.localName[1]) || Number(node.getAttribute('aria-level'))));
  assert.deepEqual(levels, [2, 3]);
});

onPage('reset', 'it is opened, used and closed by keyboard', {}, async (visit, page) => {
  await visit.launcher.waitFor();
  for (let n = 0; n < 9 && !(await page.evaluate(() => document.activeElement?.localName === 'frontdesk-widget')); n++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await visit.panel.waitFor();
  await page.waitForFunction(() => document.querySelector('frontdesk-widget').shadowRoot.activeElement?.localName === 'textarea');
  await page.keyboard.type('How much is delivery in Moscow?');
  await page.keyboard.press('Enter');
  await visit.answer();
  await page.keyboard.press('Escape');
  await visit.panel.waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.querySelector('frontdesk-widget').shadowRoot.activeElement.className), 'launcher');
});

/** Things that are cut off, or stand outside of the screen. */
const lost = (visit) =>
  visit.panel.evaluate((panel) => {
    const { clientWidth: width, clientHeight: height } = document.documentElement;
    const wide = [...panel.querySelectorAll('.header *, .foot *, .bubble, .chip, .welcome *')].filter((node) => {
      const box = node.getBoundingClientRect();
      return box.width > 0 && (box.left < -1 || box.right > width + 1 || (node.matches('.foot *, .header *') && (box.top < -1 || box.bottom > height + 1)));
    });
    return wide.map((node) => `${node.localName}.${node.getAttribute('class')}`);
  });

onPage('open', 'a first screen that is longer than the panel begins at its top', { viewport: { width: 320, height: 256 } }, async (visit) => {
  await visit.panel.locator('.chip').nth(5).waitFor();
  const [top, more] = await visit.panel.locator('.scroller').evaluate((node) => [node.scrollTop, node.scrollHeight - node.clientHeight]);
  assert.ok(more > 100);
  assert.equal(top, 0);
});

onPage('plain', 'at 400 % nothing is cut off', { viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 }, async (visit) => {
  await visit.open();
  assert.deepEqual(await lost(visit), []);
  assert.ok((await visit.panel.locator('.scroller').boundingBox()).height > 90, 'there is room to read');
  await answers(visit);
  assert.deepEqual(await lost(visit), []);
});

test('where the visitor set text of 200 % it is that large, and nothing is cut off', async () => {
  const browser = await launchBrowser('--blink-settings=defaultFontSize=32');
  try {
    for (const viewport of [{ width: 1280, height: 860 }, { width: 390, height: 780 }]) {
      const visit = await WidgetPage.arrive(browser, `${shared.pages.url}/plain`, { viewport, reducedMotion: 'reduce' });
      await visit.open();
      assert.equal(await visit.panel.locator('.welcome p').evaluate((node) => getComputedStyle(node).fontSize), '30px');
      assert.deepEqual(await lost(visit), []);
      await answers(visit);
      assert.deepEqual(await lost(visit), []);
      await visit.close();
    }
  } finally {
    await browser.close();
  }
});

onPage('plain', 'in the colours of the system everything that can be used has a border', { forcedColors: 'active' }, async (visit) => {
  const borders = (selector) => visit.page.locator(selector).evaluateAll((nodes) => nodes.map((node) => getComputedStyle(node).borderTopWidth));
  await visit.open();
  await answers(visit);
  await visit.sources.first().waitFor();
  for (const selector of ['.launcher', '.panel', '.round', '.bubble', '.box', '.send', '.source', 'button.cite']) {
    const found = await borders(selector);
    assert.ok(found.length > 0 && found.every((width) => parseFloat(width) >= 1), `${selector}: ${found}`);
  }
});
