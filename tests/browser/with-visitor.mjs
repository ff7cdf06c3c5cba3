// One browser and one server for a suite, and a fresh visitor for each test. A test that leaves an error of the page
// or of its Content-Security-Policy behind is red.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openTarget } from './target.mjs';
import { launchBrowser, WidgetPage } from './widget-page.mjs';

/** `transports`: each test runs once over each; `stream` is a page without WebSockets. */
export function suite(...transports) {
  const shared = {};
  before(async () => {
    shared.target = await openTarget();
    shared.browser = await launchBrowser();
  });
  after(async () => {
    await shared.browser?.close();
    await shared.target?.stop();
  });
  /** `visitorTest(name, {lang, needsSockets, ...context options}, body(visit, target))` */
  return (name, { needsSockets = false, ...options }, body) => {
    for (const transport of transports.length ? transports : ['socket']) {
      test(transport === 'stream' ? `${name} (without WebSockets)` : name, async (t) => {
        if (needsSockets && shared.target.sockets === false) return t.skip('this host has no WebSockets');
        const visit = await WidgetPage.visit(shared.browser, shared.target.baseUrl, { transport, ...options });
        try {
          await body(visit, shared.target);
          assert.deepEqual(visit.errors, []);
        } finally {
          await visit.close();
        }
      });
    }
  };
}
