import assert from 'node:assert/strict';
import { questions } from '../target.mjs';
import { suite } from '../with-visitor.mjs';

const visitorTest = suite();
const viewport = { width: 390, height: 780 };
const phone = { viewport, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

visitorTest('on a phone the panel is the screen, and the page behind it stays out of the way', { lang: 'ru', ...phone }, async (visit) => {
  await visit.launcher.tap();
  await visit.panel.waitFor();
  await visit.panel.evaluate((panel) => Promise.all(panel.getAnimations().map((animation) => animation.finished)));
  assert.deepEqual(await visit.panel.boundingBox(), { x: 0, y: 0, ...viewport });
  assert.equal(await visit.panel.getAttribute('aria-modal'), 'true');
  assert.equal(await visit.launcher.isVisible(), false);
  assert.equal(await visit.page.evaluate(() => getComputedStyle(document.documentElement).overflow), 'hidden');
  assert.ok((await visit.field.evaluate((field) => parseFloat(getComputedStyle(field).fontSize))) >= 16, 'smaller makes iOS zoom');
  await visit.ask(questions.ru.question);
  const answer = await visit.answer();
  for (const part of questions.ru.expect) assert.ok(answer.includes(part), answer);
  for (let n = 0; n < 12; n++) {
    await visit.page.keyboard.press('Tab');
    assert.equal(await visit.page.evaluate(() => document.activeElement?.hasAttribute('data-frontdesk')), true, 'the focus stays in the panel');
  }
  await visit.page.getByRole('button', { name: visit.words.close }).tap();
  await visit.panel.waitFor({ state: 'hidden' });
  assert.notEqual(await visit.page.evaluate(() => getComputedStyle(document.documentElement).overflow), 'hidden');
});

visitorTest('nothing is wider than a small phone', { lang: 'ru', ...phone, viewport: { width: 320, height: 560 } }, async (visit) => {
  const wide = () => visit.page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(await wide(), 320);
  await visit.launcher.tap();
  await visit.ask(`${questions.ru.question} ${'оченьдлинноеслово'.repeat(12)}`);
  await visit.mine.first().waitFor();
  const scroller = visit.panel.locator('.scroller');
  assert.equal(await scroller.evaluate((node) => node.scrollWidth - node.clientWidth), 0);
});
