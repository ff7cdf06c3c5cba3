import assert from 'node:assert/strict';
import { questions } from '../target.mjs';
import { suite } from '../with-visitor.mjs';

const visitorTest = suite('socket', 'stream');

for (const lang of ['en', 'ru']) {
  const { question, expect, quote } = questions[lang];
  visitorTest(`a question in ${lang} is answered with a citation, and its card shows the quote`, { lang }, async (visit) => {
    await visit.open();
    await visit.ask(question);
    const answer = await visit.answer();
    for (const part of expect) assert.ok(answer.includes(part), `"${part}" is in: ${answer}`);
    await visit.sources.first().waitFor();
    // The number in the text and the list below it open the same card.
    await visit.cites.first().click();
    await visit.card.waitFor();
    const words = await visit.card.locator('blockquote').innerText();
    for (const part of quote) assert.ok(words.includes(part), `"${part}" is in: ${words}`);
    const title = await visit.card.locator('h3').innerText();
    assert.ok(title.trim().length > 0);
    await visit.page.getByRole('button', { name: visit.words.closeSource }).click();
    await visit.card.waitFor({ state: 'detached' });
    await visit.sources.first().click();
    assert.equal(await visit.card.locator('h3').innerText(), title);
  });
}

visitorTest('a second question goes into the same conversation', { lang: 'en' }, async (visit) => {
  await visit.open();
  await visit.ask(questions.en.question);
  await visit.answer(0);
  await visit.ask(questions.second.question);
  const answer = await visit.answer(1);
  for (const part of questions.second.expect) assert.ok(answer.includes(part), answer);
  assert.equal(await visit.mine.count(), 2);
});

visitorTest('a suggested question is asked with one click', { lang: 'ru' }, async (visit) => {
  await visit.open();
  const chip = visit.panel.locator('.chip').first();
  const text = (await chip.innerText()).trim();
  await chip.click();
  await visit.mine.first().waitFor();
  assert.equal((await visit.mine.first().innerText()).trim(), text);
  await visit.answer();
});

visitorTest('markup in a message stays text', { lang: 'en' }, async (visit) => {
  await visit.open();
  const text = '<img src=x onerror="document.title=1"><script>document.title=2</script> delivery?';
  await visit.ask(text);
  await visit.mine.first().waitFor();
  assert.equal(await visit.mine.first().innerText(), text);
  await visit.panel.locator('.item[aria-busy="false"]').nth(1).waitFor();
  assert.equal(await visit.panel.locator('img, script, iframe').count(), 0);
  assert.notEqual(await visit.page.title(), '1');
});
