import assert from 'node:assert/strict';
import { violations } from '../axe.mjs';
import { questions } from '../target.mjs';
import { suite } from '../with-visitor.mjs';

const visitorTest = suite();

for (const lang of ['en', 'ru']) {
  for (const colorScheme of ['light', 'dark']) {
    visitorTest(`axe finds nothing: ${lang}, ${colorScheme}; page, empty panel, answer, card`, { lang, colorScheme, reducedMotion: 'reduce' }, async (visit) => {
      assert.deepEqual(await violations(visit.page), []);
      await visit.open();
      assert.deepEqual(await violations(visit.page), []);
      await visit.ask(questions[lang].question);
      await visit.answer();
      await visit.cites.first().waitFor();
      assert.deepEqual(await violations(visit.page), []);
      await visit.cites.first().click();
      await visit.card.waitFor();
      assert.deepEqual(await violations(visit.page), []);
    });
  }
}

visitorTest('an answer is read out once, whole', { lang: 'en' }, async (visit) => {
  await visit.open();
  await visit.ask(questions.en.question);
  const answer = await visit.answer();
  const log = visit.panel.locator('[role="log"][aria-live="polite"]');
  await log.locator('p').first().waitFor({ state: 'attached' });
  assert.equal(await log.locator('p').count(), 1);
  for (const part of questions.en.expect) assert.ok((await log.textContent()).includes(part), answer);
});
