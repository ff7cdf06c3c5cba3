// Sites for the pages of an origin of its own: those of the stand-in, or two that an administrator makes over the API.

import { servePages } from './server.mjs';

/** `{url, site, stop}`: where the pages are, and what they are filled with. */
export async function embed(target) {
  const site = { server: target.baseUrl };
  const pages = await servePages(site);
  if (target.server) Object.assign(site, { key: target.server.siteKey, otherKey: target.server.otherKey });
  else {
    const { access_token: token } = await call(target.baseUrl, '/auth/login', target.admin);
    const make = (name, accent) => call(target.baseUrl, '/sites', { name, origins: [pages.url], theme: { accent, position: 'right', scheme: 'auto' }, greeting: { en: 'Hello! How can we help?' }, locale: 'en' }, token);
    const [first, second] = [await make('Camomile', '#2f6f5e'), await make('Thyme', '#7a3e9d')];
    Object.assign(site, { key: first.site_key, otherKey: second.site_key });
  }
  return { ...pages, site };
}

async function call(baseUrl, path, body, token) {
  const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(`${baseUrl}/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
