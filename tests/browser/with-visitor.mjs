// One browser and one server for a suite, and a fresh visitor for each test. A test that leaves an error of the page
// or of its Content-Security-Policy behind is red.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openTarget } from './target.mjs';
import { launchBrowser, WidgetPage } from './widget-page.mjs';

export function suite() {
  const shared = {};
  before(async () => {
    shared.target = await openTarget();
    shared.browser = await launchBrowser();
  });
  after(async () => {
    await shared.browser?.close();
    await shared.target?.stop();
  });
  /** `visitorTest(name, {lang, ...context options}, body(visit, target))` */
  return (name, options, body) =>
    test(name, async () => {
      const visit = await WidgetPage.visit(shared.browser, shared.target.baseUrl, options);
      try {
        await body(visit, shared.target);
        assert.deepEqual(visit.errors, []);
      } finally {
        await visit.close();
      }
    });
}
