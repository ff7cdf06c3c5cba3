// The main pages in Firefox, where there is one: FIREFOX_PATH, or that of Debian.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { looks } from '../embedding/looks.mjs';
import { embed } from '../embedding/site.mjs';
import { openTarget, questions } from '../target.mjs';
import { DEADLINE } from '../widget-page.mjs';

const executablePath = process.env.FIREFOX_PATH ?? '/usr/bin/firefox-esr';
const skip = existsSync(executablePath) ? false : `no Firefox at ${executablePath}`;
const { question, expect } = questions.en;
const shared = {};
before(async () => {
  if (skip) return;
  shared.target = await openTarget();
  shared.pages = await embed(shared.target);
  shared.browser = await puppeteer.launch({ browser: 'firefox', executablePath, headless: true, defaultViewport: { width: 1280, height: 860 } });
});
after(async () => {
  await shared.browser?.close();
  await shared.pages?.stop();
  await shared.target?.stop();
});

function onPage(name, title, body, host = '127.0.0.1') {
  test(title, { skip }, async () => {
    const context = await shared.browser.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(DEADLINE);
    const said = [];
    page.on('console', (message) => /Frontdesk/.test(message.text()) && said.push(message.text()));
    try {
      await page.goto(`${shared.pages.url.replace('127.0.0.1', host)}/${name}`);
      await body(page, said);
    } finally {
      await context.close();
    }
  });
}

const inside = (selector) => `frontdesk-widget >>> ${selector}`;
const seen = (page, selector) => page.waitForSelector(inside(selector), { visible: true });

async function open(page) {
  await (await seen(page, 'button.launcher')).click();
  await seen(page, 'section.panel');
  await seen(page, '.welcome');
  await page.mouse.move(5, 5);
  await page.waitForFunction(() => {
    const root = document.querySelector('frontdesk-widget').shadowRoot;
    return root.querySelector('.launcher').getBoundingClientRect().width === 60 && !root.querySelector('.frame').getAnimations({ subtree: true }).length;
  });
}

async function answers(page) {
  await page.type(inside('textarea'), question);
  await page.keyboard.press('Enter');
  const answer = await (await seen(page, '.item[aria-busy="false"] .row.ai .md')).evaluate((node) => node.textContent);
  for (const part of expect) assert.ok(answer.includes(part), answer);
}

let model;
onPage('plain', 'plain: it answers in Firefox', async (page) => {
  await open(page);
  model = await page.evaluate(looks);
  await answers(page);
});

for (const name of ['unset', 'unset-important', 'reset', 'hidden-children', 'backdrop', 'variables', 'transform', 'zoomed', 'rtl', 'zindex', 'quirks', 'csp', 'csp-nonce', 'csp-trusted-types', 'coep', 'module', 'prototypes', 'inherited', 'css-zoom', 'csp-sandbox', 'csp-strict-dynamic', 'xhtml', 'old-libraries', 'frozen', 'no-storage', 'editable', 'says-offline']) {
  onPage(name, `${name}: it looks as on a plain page, and answers, in Firefox`, async (page) => {
    await open(page);
    assert.deepEqual(await page.evaluate(looks), model);
    await answers(page);
  });
}

onPage('keys', 'what is typed in it reaches no shortcut of the page in Firefox', async (page) => {
  await open(page);
  await page.type(inside('textarea'), 'What? j/k');
  await page.keyboard.press('Escape');
  assert.doesNotMatch(await page.$eval('#log', (log) => log.textContent), /key|input/);
});

onPage('turbo-body1', 'it stays from page to page in Firefox', async (page) => {
  await open(page);
  await answers(page);
  await page.click('#link');
  await page.waitForFunction(() => document.querySelector('h1').textContent === 'Turbo two');
  await seen(page, '.row.mine .plain');
  assert.equal(await page.$$eval('frontdesk-widget', (all) => all.length), 1);
});

for (const [name, word, host] of [['nokey', /data-site-key/], ['wrongkey', /there is no site pk_unknown/], ['plain', /may not use the site/, 'localhost']]) {
  onPage(name, `${name}: it says why in the console, and shows nothing, in Firefox: ${word}`, async (page, said) => {
    const until = Date.now() + DEADLINE;
    while (!said.length && Date.now() < until) await page.evaluate(() => new Promise(requestAnimationFrame));
    assert.match(said.join(), word);
    assert.equal(said.length, 1);
    assert.equal(await page.$eval('body', () => document.querySelector('frontdesk-widget')?.checkVisibility() ?? false), false);
  }, host);
}
