// Pages that do to it what pages seldom do.

import assert from 'node:assert/strict';
import { answers, onPage } from '../embedding/on-page.mjs';
import { questions } from '../target.mjs';

onPage('trap', 'a page that calls the focus back lets it be written in', {}, async (visit, page) => {
  await page.locator('#own').focus();
  await visit.open();
  await visit.field.click();
  await page.keyboard.type(questions.en.question);
  await page.keyboard.press('Enter');
  await visit.answer();
  assert.equal(await page.locator('#own').inputValue(), '');
});

onPage('rewritten', 'it stays, and is used, where a page writes its document anew', {}, async (visit, page) => {
  await visit.open();
  await answers(visit);
  await page.evaluate(() => {
    document.open();
    document.write('<!doctype html><title>Anew</title><h1>Written anew</h1>');
    document.close();
  });
  await page.getByRole('heading', { name: 'Written anew' }).waitFor();
  await visit.panel.waitFor();
  await visit.ask(questions.second.question);
  await visit.answer(1);
});

onPage('shadow', 'a tag in a shadow tree is not seen by its script, which says so', {}, async (visit, page) => {
  if (!visit.said.length) await page.waitForEvent('console', (message) => message.text().includes('Frontdesk'));
  assert.match(visit.said[0], /Frontdesk\.boot/);
});

onPage('worker', 'a service worker that keeps all answers keeps none of its', {}, async (visit, page) => {
  await page.waitForFunction(() => window.ready);
  await page.reload();
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  await visit.open();
  await answers(visit);
  await page.reload();
  await visit.panel.waitFor();
  await visit.mine.first().waitFor();
  await visit.ask(questions.second.question);
  await visit.answer(1);
});

onPage('transitions', 'it is there and open after a transition of views', {}, async (visit, page) => {
  await visit.open();
  await answers(visit);
  await page.evaluate(() => window.nav());
  await page.getByRole('heading', { name: 'View 1' }).waitFor();
  await visit.ask(questions.second.question);
  await visit.answer(1);
});

onPage('fullscreen', 'it is back after a film that filled the screen', {}, async (visit, page) => {
  await visit.open();
  await answers(visit);
  await page.evaluate(() => document.querySelector('#film').requestFullscreen().catch(() => {}));
  await page.evaluate(() => document.fullscreenElement && document.exitFullscreen());
  await visit.field.click();
  await visit.ask(questions.second.question);
  await visit.answer(1);
});

onPage('csp-sandbox', 'in a sandbox without forms the button sends, too', { allowed: /sandbox/ }, async (visit) => {
  await visit.open();
  await visit.field.fill(questions.en.question);
  await visit.page.getByRole('button', { name: 'Send' }).click();
  await visit.answer();
});

onPage('plain', 'it goes on where it was when the visitor comes back to the page', {}, async (visit, page) => {
  await visit.open();
  await answers(visit);
  await page.goto('about:blank');
  await page.goBack();
  await visit.panel.waitFor();
  await visit.mine.first().waitFor();
  await visit.ask(questions.second.question);
  await visit.answer(1);
});

onPage('says-offline', 'a browser that is wrong about its network is not believed', {}, async (visit) => {
  await visit.open();
  await visit.panel.getByText('Online, replies in seconds').waitFor();
  assert.equal(await visit.panel.locator('.banner').isVisible(), false);
  await answers(visit);
  assert.equal(await visit.panel.locator('.banner').isVisible(), false);
});

onPage('editable', 'what is typed in it changes nothing on a page that can be edited', {}, async (visit, page) => {
  const text = () => page.evaluate(() => document.body.textContent);
  const before = await text();
  await visit.open();
  await answers(visit);
  assert.equal(await text(), before);
});

for (const name of ['frozen', 'old-libraries', 'wrapped']) {
  onPage(name, `${name}: it is taken away and put back`, {}, async (visit, page) => {
    await visit.open();
    await answers(visit);
    await page.evaluate(() => document.body.removeChild(document.querySelector('frontdesk-widget')));
    await visit.mine.first().waitFor();
    await page.evaluate(() => window.Frontdesk.destroy());
    assert.equal(await page.locator('frontdesk-widget').count(), 0);
    await page.evaluate(() => window.Frontdesk.boot());
    await visit.mine.first().waitFor();
  });
}
