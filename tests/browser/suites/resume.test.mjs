import assert from 'node:assert/strict';
import { questions } from '../target.mjs';
import { suite } from '../with-visitor.mjs';

const visitorTest = suite('socket', 'stream');
const { question, expect } = questions.long;

async function onceAndWhole(visit) {
  const answer = await visit.answer();
  for (const part of expect) assert.equal(answer.split(part).length, 2, `"${part}" once in: ${answer}`);
  assert.equal(await visit.answers.count(), 1);
  assert.equal(await visit.mine.count(), 1);
  return answer;
}

visitorTest('an answer survives a reload of the page in its middle: the text is there once', { lang: 'en' }, async (visit) => {
  await visit.open();
  await visit.ask(question);
  await visit.panel.locator('.row.ai').first().waitFor();
  await visit.page.reload();
  const first = await onceAndWhole(visit);
  await visit.page.reload();
  assert.equal(await onceAndWhole(visit), first);
});

visitorTest('a message sent at the moment of a reload is not lost and not doubled', { lang: 'en' }, async (visit) => {
  await visit.open();
  await visit.ask(question);
  await visit.page.reload();
  await onceAndWhole(visit);
});

visitorTest('offline a message waits, and it is sent and answered when the network is back', { lang: 'en' }, async (visit) => {
  await visit.open();
  await visit.panel.locator('[data-link="online"], .status-text').first().waitFor();
  await visit.page.context().setOffline(true);
  await visit.panel.locator('.banner').waitFor();
  await visit.ask(question);
  await visit.mine.first().waitFor();
  assert.equal(await visit.panel.locator('.row.mine.queued').count(), 1);
  await visit.page.context().setOffline(false);
  await onceAndWhole(visit);
  await visit.panel.locator('.banner').waitFor({ state: 'hidden' });
});

visitorTest('a draft survives a reload', { lang: 'ru' }, async (visit) => {
  await visit.open();
  await visit.field.fill('Хочу спросить про…');
  await visit.page.reload();
  await visit.panel.waitFor();
  assert.equal(await visit.field.inputValue(), 'Хочу спросить про…');
});

visitorTest('a second tab shows the same conversation', { lang: 'en' }, async (visit) => {
  await visit.open();
  await visit.ask(question);
  const answer = await visit.answer();
  const other = await visit.page.context().newPage();
  await other.goto(visit.page.url());
  await other.locator('button.launcher').click();
  const shown = other.locator('section.panel .item[aria-busy="false"] .row.ai .md');
  await shown.first().waitFor();
  assert.equal(await shown.first().innerText(), answer);
});
