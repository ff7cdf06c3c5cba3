// A browser, and the widget as a visitor meets it: everything is found by its role and name, as assistive technology
// finds it. Nothing here waits for time; it waits for what is to be seen.

import { chromium } from 'playwright-core';

/** Milliseconds for anything to be seen; generous, because it only costs time where something is broken. */
export const DEADLINE = 20_000;

const WORDS = {
  en: { open: /^Open chat/, close: 'Close chat', send: 'Send', closeSource: 'Close source' },
  ru: { open: /^Открыть чат/, close: 'Закрыть чат', send: 'Отправить', closeSource: 'Закрыть источник' },
};

/** `more`: further switches. */
export const launchBrowser = (...more) =>
  chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...more],
  });

export class WidgetPage {
  constructor(page, lang) {
    this.page = page;
    this.words = WORDS[lang];
    this.lang = lang;
    this.launcher = page.locator('button.launcher');
    this.panel = page.locator('section.panel');
    this.field = this.panel.locator('textarea');
    this.mine = this.panel.locator('.row.mine .plain');
    this.answers = this.panel.locator('.row.ai .md');
    /** Answers that are finished. */
    this.done = this.panel.locator('.item[aria-busy="false"] .row.ai .md');
    this.cites = this.panel.locator('.md button.cite');
    this.sources = this.panel.locator('button.source');
    this.card = this.panel.locator('section.card');
  }

  /** A new visitor on the demo page. */
  static async visit(browser, baseUrl, options) {
    const visit = await WidgetPage.arrive(browser, `${baseUrl}/demo/?lang=${options?.lang ?? 'en'}`, options);
    await visit.launcher.waitFor();
    return visit;
  }

  /** A new visitor on any page. `errors` collects what the page complained of, `said` what the widget wrote to the console. */
  static async arrive(browser, url, { lang = 'en', transport = 'socket', ...options } = {}) {
    const context = await browser.newContext({ locale: lang === 'ru' ? 'ru-RU' : 'en-GB', timezoneId: 'Europe/Moscow', viewport: { width: 1280, height: 860 }, ...options });
    context.setDefaultTimeout(DEADLINE);
    if (transport === 'stream') await context.addInitScript(() => delete window.WebSocket);
    const page = await context.newPage();
    const visit = new WidgetPage(page, lang);
    visit.errors = [];
    visit.said = [];
    page.on('pageerror', (error) => visit.errors.push(String(error)));
    page.on('console', (message) => /Content Security Policy|Refused to/.test(message.text()) && visit.errors.push(message.text()));
    page.on('console', (message) => /Frontdesk/.test(message.text()) && visit.said.push(message.text()));
    await page.goto(url);
    return visit;
  }

  async open() {
    await this.launcher.click();
    await this.panel.waitFor();
  }

  async ask(text) {
    await this.field.fill(text);
    await this.field.press('Enter');
  }

  /** The text of the nth finished answer. */
  async answer(n = 0) {
    const answer = this.done.nth(n);
    await answer.waitFor();
    return answer.innerText();
  }

  close() {
    return this.page.context().close();
  }
}
