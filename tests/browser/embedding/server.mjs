// An origin of its own that serves the embedding pages.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PAGES } from './pages.mjs';

const PACKAGES = fileURLToPath(new URL('../node_modules', import.meta.url));
const HYDRATE_SAME = `const e = React.createElement; window.lost = []; window.hydrate = () => ReactDOM.hydrateRoot(document, e('html', { lang: 'en' }, e('head', null, e('title', null, 'T')),
  e('body', null, e('h1', null, 'The same'), ...[...document.body.querySelectorAll(':scope > script')].map((s) => e('script', { key: s.src, src: s.getAttribute('src'), async: s.async || undefined, 'data-site-key': s.dataset.siteKey })))),
  { onRecoverableError: (error) => window.lost.push(String(error)) });`;

/** Answers everything from its cache, once it has it. */
const WORKER = `self.addEventListener('install', () => self.skipWaiting()); self.addEventListener('activate', (event) => event.waitUntil(clients.claim()));
self.addEventListener('fetch', (event) => event.respondWith((async () => {
  const kept = await caches.match(event.request, { ignoreSearch: false });
  if (kept) return kept;
  const answer = await fetch(event.request);
  if (event.request.method === 'GET') caches.open('all').then((cache) => cache.put(event.request, answer.clone())).catch(() => {});
  return answer.clone();
})()));`;
const SCRIPTS = { 'hydrate-same.js': HYDRATE_SAME, 'worker.js': WORKER };

/** `{url, page(name), stop}`; `site` is what the pages are filled with: `{server, key, otherKey}`. */
export async function servePages(site) {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://local').pathname.slice(1);
    const page = PAGES[path]?.(site.current ?? site);
    if (page) {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...page.headers });
      return response.end(page.html);
    }
    const script = SCRIPTS[path] ?? (path.startsWith('npm/') ? await readFile(join(PACKAGES, normalize(`/${path.slice(4)}`)), 'utf8').catch(() => null) : null);
    response.writeHead(script === null ? 404 : 200, { 'content-type': 'text/javascript; charset=utf-8' });
    response.end(script ?? '');
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const url = `http://127.0.0.1:${server.address().port}`;
  return {
    url,
    stop: () => new Promise((stopped) => {
      server.closeAllConnections();
      server.close(stopped);
    }),
  };
}
