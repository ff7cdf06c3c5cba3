// Asks the questions of questions.json in a browser, one visitor each. See README.md.

import { readFile } from 'node:fs/promises';
import { launchBrowser, WidgetPage } from '../browser/widget-page.mjs';

const [baseUrl = 'http://127.0.0.1:8787', most = '20'] = process.argv.slice(2);
const questions = JSON.parse(await readFile(new URL('questions.json', import.meta.url), 'utf8'));
const browser = await launchBrowser();
let failed = 0;
for (const question of questions.slice(0, Number(most))) {
  const lang = /[а-я]/i.test(question) ? 'ru' : 'en';
  const visit = await WidgetPage.visit(browser, baseUrl, { lang });
  visit.page.setDefaultTimeout(400_000);
  try {
    await visit.open();
    const began = Date.now();
    await visit.ask(question);
    const answer = await visit.answer();
    const seconds = ((Date.now() - began) / 1000).toFixed(1);
    const labels = await visit.page.locator('.label').allInnerTexts();
    const cites = await visit.cites.count();
    const foreign = /<\|?[a-z_]+\|?>|<\/?think/i.test(answer);
    failed += Number(!answer.trim() || foreign);
    console.log(JSON.stringify({ question, seconds: Number(seconds), labels, cites, answer: answer.slice(0, 300), ...(foreign && { foreign }) }));
  } catch (error) {
    failed += 1;
    console.log(JSON.stringify({ question, error: String(error).split('\n')[0] }));
  } finally {
    await visit.close();
  }
}
await browser.close();
console.log(`${questions.length - failed} answered, ${failed} failed`);
process.exit(failed ? 1 : 0);
