// The snippet as it is printed, on a page of an origin of its own.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { questions } from '../target.mjs';
import { DEADLINE, launchBrowser } from '../widget-page.mjs';

const { FRONTDESK_READY: readyFile } = process.env;
const ready = readyFile && JSON.parse(await readFile(readyFile, 'utf8'));
const skip = ready ? false : 'only a host with an administrator has sites';
const { question, expect } = questions.long;

let browser, shop, token;

/** A shop whose page holds a snippet, on a port of its own. */
async function openShop() {
  const state = { snippet: '' };
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><html lang="en"><title>Shop</title><h1>Shop</h1>${state.snippet}</html>`);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return { state, server, origin: `http://127.0.0.1:${server.address().port}` };
}

/** A call as the administrator. */
async function call(method, path, body) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(`${ready.base_url}${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text && JSON.parse(text);
}

/** The shop's page with a snippet; `said` collects what the console was told. */
async function visit(snippet) {
  shop.state.snippet = snippet;
  const context = await browser.newContext({ locale: 'en-GB' });
  context.setDefaultTimeout(DEADLINE);
  const page = await context.newPage();
  const said = [];
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(String(error)));
  await page.goto(shop.origin);
  return { page, said, close: () => context.close() };
}

async function answers(snippet) {
  const { page, said, close } = await visit(snippet);
  await page.locator('button.launcher').click();
  const panel = page.locator('section.panel');
  await panel.locator('textarea').fill(question);
  await panel.locator('textarea').press('Enter');
  const answer = panel.locator('.item[aria-busy="false"] .row.ai .md').first();
  await answer.waitFor().catch((error) => assert.fail(`${error}\n${said.join('\n')}`));
  const text = await answer.innerText();
  for (const part of expect) assert.ok(text.includes(part), text);
  assert.deepEqual(said.filter((text) => /CORS|Access-Control/.test(text)), []);
  await close();
}

before(async () => {
  if (!ready) return;
  browser = await launchBrowser();
  shop = await openShop();
  const login = await call('POST', '/api/v1/auth/login', { email: ready.admin_email, password: ready.admin_password });
  token = login.access_token;
});
after(async () => {
  await browser?.close();
  shop?.server.close();
});

test('a site that is made gives a snippet, and that answers on the page of another origin', { skip }, async () => {
  const site = await call('POST', '/api/v1/sites', { name: 'Shop', origins: [shop.origin] });
  await answers(site.snippet);
  await call('DELETE', `/api/v1/sites/${site.id}`);
});

test('the snippet that is printed at the start answers once its site has the origin', { skip }, async () => {
  const { items } = await call('GET', '/api/v1/sites');
  const site = items.find((site) => site.site_key === ready.site_key);
  assert.equal(ready.snippet, site.snippet);
  await call('PATCH', `/api/v1/sites/${site.id}`, { origins: [shop.origin] });
  await answers(ready.snippet);
  await call('PATCH', `/api/v1/sites/${site.id}`, { origins: site.origins });
});

test('a visitor of a site that is removed is told so, and keeps what was said', { skip, timeout: 180_000 }, async () => {
  const site = await call('POST', '/api/v1/sites', { name: 'Shop', origins: [shop.origin] });
  const { page, close } = await visit(site.snippet);
  await page.locator('button.launcher').click();
  const panel = page.locator('section.panel');
  await panel.locator('textarea').fill(question);
  await panel.locator('textarea').press('Enter');
  await panel.locator('.item[aria-busy="false"] .row.ai .md').first().waitFor();
  await call('DELETE', `/api/v1/sites/${site.id}`);
  await panel.getByText('This chat is no longer available here.').waitFor({ timeout: 120_000 });
  assert.equal(await panel.locator('.row.ai .md').count(), 1);
  await close();
});

test('a page whose origin is taken away from its site calls no more', { skip }, async () => {
  const site = await call('POST', '/api/v1/sites', { name: 'Shop', origins: [shop.origin] });
  const { page, close } = await visit('');
  const ask = ([base, body, path, token]) =>
    fetch(`${base}/api/v1${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) }, body: JSON.stringify(body) }).then(async (response) => ({ ...(await response.json()), status: response.status }));
  const { visitor_token: own } = await page.evaluate(ask, [ready.base_url, { site_key: site.site_key }, '/widget/sessions']);
  const begin = () => page.evaluate(ask, [ready.base_url, {}, '/conversations', own]);
  assert.equal((await begin()).status, 201);
  await call('PATCH', `/api/v1/sites/${site.id}`, { origins: ['https://elsewhere.example'] });
  const until = Date.now() + 90_000;
  let told = await begin();
  while (told.status !== 403 && Date.now() < until) told = await begin();
  assert.equal(told.status, 403);
  assert.match(told.detail, /origin/);
  await call('DELETE', `/api/v1/sites/${site.id}`);
  await close();
});

test('a page of an origin that is not the site’s reads why it is refused', { skip }, async () => {
  const { page, close } = await visit('');
  const told = await page.evaluate(async ([base, key]) => {
    const body = JSON.stringify({ site_key: key });
    const response = await fetch(`${base}/api/v1/widget/sessions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    return { status: response.status, id: response.headers.get('x-request-id'), ...(await response.json()) };
  }, [ready.base_url, ready.site_key]);
  assert.equal(told.status, 403);
  assert.match(told.detail, /origin/);
  assert.equal(told.id, told.request_id);
  await close();
});

test('a page reads what is told to those who may not do something', { skip }, async () => {
  const { page, close } = await visit('');
  const told = await page.evaluate(async (base) => {
    const headers = { authorization: 'Bearer none', 'content-type': 'application/json', 'if-match': '"1"', traceparent: '00-1-2-00' };
    const status = async (method, path) => (await fetch(`${base}${path}`, { method, headers, body: '{}' })).status;
    return [await status('POST', '/api/v1/conversations'), await status('PATCH', '/api/v1/conversations/conv_01h455vb4pex5vsknk084sn02q')];
  }, ready.base_url);
  assert.deepEqual(told, [401, 401]);
  await assert.rejects(page.evaluate((base) => fetch(`${base}/api/v1/settings`, { headers: { authorization: 'Bearer none' } }), ready.base_url), /Failed to fetch/);
  await close();
});

test('the widget is a module, too', { skip }, async () => {
  const { page, close } = await visit('');
  const kind = await page.evaluate(async (base) => {
    await import(`${base}/widget.js`);
    return 'module';
  }, ready.base_url);
  assert.equal(kind, 'module');
  await close();
});
