// Sites for the pages of an origin of its own: those of the stand-in, or two that an administrator makes over the API.

import { servePages } from './server.mjs';

/** `{url, site, stop}`: where the pages are, and what they are filled with. */
export async function embed(target) {
  const site = { server: target.baseUrl };
  const pages = await servePages(site);
  if (target.server) Object.assign(site, { key: target.server.siteKey, otherKey: target.server.otherKey });
  else {
    const [first, second] = [await make(target, 'Camomile', '#2f6f5e', pages.url), await make(target, 'Thyme', '#7a3e9d', pages.url)];
    Object.assign(site, { key: first.site_key, otherKey: second.site_key });
  }
  return { ...pages, site };
}

async function make({ baseUrl, admin }, name, accent, origin) {
  const login = await call(baseUrl, '/auth/login', { email: admin.email, password: admin.password });
  const site = { name, origins: [origin], theme: { accent, position: 'right', scheme: 'auto' }, greeting: { en: 'Hello! How can we help?' }, locale: 'en' };
  return call(baseUrl, '/sites', site, login.access_token);
}

async function call(baseUrl, path, body, token) {
  const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(`${baseUrl}/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
