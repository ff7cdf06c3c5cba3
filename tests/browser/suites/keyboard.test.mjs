import assert from 'node:assert/strict';
import { questions } from '../target.mjs';
import { suite } from '../with-visitor.mjs';

const visitorTest = suite();

/** What has the focus, looked up through the shadow root: its tag and class. */
const focused = (page) =>
  page.evaluate(() => {
    let active = document.activeElement;
    while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
    return active ? `${active.localName}.${active.className}` : '';
  });

async function tabTo(page, wanted, key = 'Tab') {
  for (let n = 0; n < 60; n++) {
    if ((await focused(page)).includes(wanted)) return;
    await page.keyboard.press(key);
  }
  assert.fail(`${wanted} cannot be reached by ${key}; the focus is on ${await focused(page)}`);
}

visitorTest('everything can be done by keyboard alone', { lang: 'en' }, async (visit) => {
  const { keyboard } = visit.page;
  await tabTo(visit.page, 'launcher');
  await keyboard.press('Enter');
  await visit.panel.waitFor();
  assert.match(await focused(visit.page), /^textarea/);

  await keyboard.type(questions.en.question.slice(0, 3));
  await keyboard.press('Shift+Enter');
  await keyboard.press('Backspace');
  await keyboard.type(questions.en.question.slice(3));
  assert.equal(await visit.mine.count(), 0, 'Shift+Enter does not send');
  await keyboard.press('Enter');
  await visit.answer();
  await visit.cites.first().waitFor();
  assert.match(await focused(visit.page), /^textarea/, 'the focus stays where one writes');

  await tabTo(visit.page, 'cite', 'Shift+Tab');
  await keyboard.press('Enter');
  await visit.card.waitFor();
  assert.match(await focused(visit.page), /^button/);
  for (let n = 0; n < 5; n++) {
    await keyboard.press('Tab');
    assert.equal(await visit.card.evaluate((card) => card.contains(card.getRootNode().activeElement)), true, 'the focus stays in the card');
  }
  await keyboard.press('Escape');
  await visit.card.waitFor({ state: 'detached' });
  assert.match(await focused(visit.page), /cite/, 'the focus is back on what opened the card');

  await keyboard.press('Escape');
  await visit.panel.waitFor({ state: 'hidden' });
  assert.match(await focused(visit.page), /launcher/);
});
