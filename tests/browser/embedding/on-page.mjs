// One browser, one server and one origin of pages for a suite, and a fresh visitor for each test.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openTarget, questions } from '../target.mjs';
import { launchBrowser, WidgetPage } from '../widget-page.mjs';
import { embed } from './site.mjs';

const { question, expect } = questions.en;
/** `{target, pages, browser}` */
export const shared = {};
before(async () => {
  shared.target = await openTarget();
  shared.pages = await embed(shared.target);
  shared.browser = await launchBrowser();
});
after(async () => {
  await shared.browser?.close();
  await shared.pages?.stop();
  await shared.target?.stop();
});

/** `allowed`: complaints of the browser that the page itself asks for. `host`: another name of this machine is another origin. */
export function onPage(name, title, { allowed, host = '127.0.0.1', ...options }, body) {
  test(title, async () => {
    const visit = await WidgetPage.arrive(shared.browser, `${shared.pages.url.replace('127.0.0.1', host)}/${name}`, { reducedMotion: 'reduce', ...options });
    try {
      await body(visit, visit.page);
      assert.deepEqual(visit.errors.filter((error) => !allowed?.test(error)), []);
    } finally {
      await visit.close();
    }
  });
}

/** A question that is answered. */
export async function answers(visit) {
  await visit.ask(question);
  const answer = await visit.answer();
  for (const part of expect) assert.ok(answer.includes(part), answer);
}

