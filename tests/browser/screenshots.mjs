// npm run screenshots -- OUTDIR: desktop and phone, light and dark, English and Russian; the page, the empty panel, an
// answer, and a citation card.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openTarget, questions } from './target.mjs';
import { launchBrowser, WidgetPage } from './widget-page.mjs';

const out = process.argv[2];
if (!out) throw new Error('npm run screenshots -- OUTDIR');
await mkdir(out, { recursive: true });
const target = await openTarget();
const browser = await launchBrowser();
const devices = {
  desktop: { viewport: { width: 1280, height: 860 } },
  phone: { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
};
for (const [device, settings] of Object.entries(devices)) {
  for (const colorScheme of ['light', 'dark']) {
    for (const lang of ['en', 'ru']) {
      const visit = await WidgetPage.visit(browser, target.baseUrl, { lang, colorScheme, ...settings });
      const shot = (state) => visit.page.screenshot({ path: join(out, `${device}-${colorScheme}-${lang}-${state}.png`), animations: 'disabled' });
      await shot('page');
      await visit.open();
      await shot('empty');
      await visit.ask(questions[lang].question);
      await visit.answer();
      await visit.cites.first().waitFor();
      await shot('answer');
      await visit.cites.first().click();
      await visit.card.waitFor();
      await shot('citation');
      await visit.close();
    }
  }
}
await browser.close();
await target.stop();
console.log(`screenshots in ${out}`);
