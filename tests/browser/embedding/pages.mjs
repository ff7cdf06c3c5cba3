// Pages of strangers on which the widget has to work and to look the same: what their styles, scripts, policies and
// navigation do to it. Each is `({server, key, otherKey}) => ({html, headers?})`.

import { createHash } from 'node:crypto';

const LOREM = '<p>Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua.</p>'.repeat(24);

const tag = ({ server, key }, attributes = '') => `<script async src="${server}/widget.js" data-site-key="${key}" ${attributes}></script>`;

const document = (content, { head = '', html = 'lang="en"', doctype = '<!doctype html>' } = {}) =>
  `${doctype}<html ${html}><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>A page</title>${head}</head><body>${content}</body></html>`;

const plain = (site) => document(`<h1>A page</h1>${LOREM}${tag(site)}`);
const styled = (css, options) => (site) => ({ html: document(`<h1>A page</h1>${LOREM}${tag(site)}`, { head: `<style>${css}</style>`, ...options }) });
const under = (policy) => (site) => ({ html: plain(site), headers: { 'content-security-policy': policy(site.server, site.server.replace(/^http/, 'ws')) } });

const REACT = '<script src="/npm/react/umd/react.development.js"></script><script src="/npm/react-dom/umd/react-dom.development.js"></script>';
const TURBO = '<script src="/npm/@hotwired/turbo/dist/turbo.es2017-umd.js"></script>';

/** A page whose own script runs before. */
const before = (script) => (site) => ({ html: document(`<h1>A page</h1>${LOREM}${tag(site)}`, { head: `<script>${script}</script>` }) });

/** Looks that the page has, and the widget must not: compared with `plain`. */
export const LOOKS = {
  unset: styled('* { all: unset }'),
  'unset-important': styled('* { all: unset !important }'),
  reset: styled(`*, *::before, *::after { margin: 0 !important; padding: 9px !important; box-sizing: content-box !important; font: 30px/3 cursive !important; color: red !important;
    background: yellow !important; border: 3px dashed blue !important; text-transform: uppercase !important; letter-spacing: 4px !important; float: left !important; content: 'x' !important; }
    div, frontdesk-widget, [data-frontdesk] { display: inline !important; position: static !important; width: 50% !important; opacity: 0.5 !important; filter: blur(3px) !important; }
    svg { width: 10px !important } button { display: none !important }`),
  'hidden-children': styled('body > * { display: none !important }'),
  backdrop: styled('::backdrop { background: rgb(0 0 0 / 0.7) !important; display: block !important }'),
  variables: styled('* { --accent: red !important; --bg: lime !important; --text: red; --on-accent: blue; --line: red }'),
  transform: styled('body { transform: translateZ(0) scale(0.9); filter: sepia(1); opacity: 0.2; overflow: hidden; contain: paint }'),
  zoomed: styled('html { font-size: 31px; letter-spacing: 3px; word-spacing: 9px; text-align: center; text-indent: 40px; visibility: hidden; cursor: wait }'),
  rtl: (site) => ({ html: document(`<h1>مرحبا بكم في المتجر</h1><p>هذا نص تجريبي طويل.</p>${tag(site, 'data-locale="en"')}`, { html: 'lang="ar" dir="rtl"' }) }),
  zindex: (site) => ({
    html: document(
      `<div class="top">A header</div><h1>A page</h1>${LOREM}<div class="low">Cookies <button>Accept</button></div>${tag(site)}`,
      { head: '<style>.low, .top { position: fixed; z-index: 2147483647; background: #fdd; inset: auto 0 0 auto; width: 420px; height: 260px } .top { inset: 0 0 auto; width: auto; height: 60px }</style>' },
    ),
  }),
  quirks: (site) => ({ html: document(`<h1>A page</h1>${LOREM}${tag(site)}`, { doctype: '' }) }),
  inherited: styled(`html { pointer-events: none; user-select: none; -webkit-text-fill-color: red; -webkit-text-stroke: 2px blue; text-shadow: 2px 2px red; word-break: break-all; caret-color: transparent;
    color-scheme: dark; font: small-caps 62.5%/4 fantasy; tab-size: 1; white-space: pre; overflow-wrap: normal; hyphens: auto; text-align-last: right;
    accent-color: red; scrollbar-width: none; text-transform: full-width; font-variant-ligatures: none; zoom: normal; list-style: square inside; quotes: "<" ">"; border-collapse: separate; empty-cells: hide }`),
  'css-zoom': styled('html { zoom: 1.25 } body { zoom: 1.2 }'),
  'css-zoom-out': styled('body { zoom: 0.7 }'),
  'scroll-tall': styled('html { scroll-behavior: smooth; overflow-y: scroll } body { margin: 0; height: 3000px }'),
};

/** Policies and ways to load it. */
export const LOADED = {
  csp: under((server, sockets) => `default-src 'none'; script-src ${server}; connect-src ${server} ${sockets}; base-uri 'none'`),
  'csp-nonce': (site) => ({
    html: plain(site).replace('<script async', '<script async nonce="abc"'),
    headers: { 'content-security-policy': `default-src 'none'; script-src 'nonce-abc'; connect-src ${site.server} ${site.server.replace(/^http/, 'ws')}` },
  }),
  'csp-without-sockets': under((server) => `default-src 'self'; script-src ${server}; connect-src ${server}`),
  'csp-trusted-types': under((server) => `require-trusted-types-for 'script'; trusted-types 'none'; script-src ${server}`),
  coep: (site) => ({ html: plain(site), headers: { 'cross-origin-embedder-policy': 'require-corp', 'cross-origin-opener-policy': 'same-origin' } }),
  manager: ({ server, key }) => ({
    html: document(`<h1>A page</h1><script>setTimeout(() => { const s = document.createElement('script'); s.async = true; s.src = '${server}/widget.js'; s.dataset.siteKey = '${key}'; document.head.append(s) }, 300)</script>`),
  }),
  head: ({ server, key }) => ({ html: document(`<h1>A page</h1>${LOREM}`, { head: `<script src="${server}/widget.js" data-site-key="${key}"></script>` }) }),
  module: ({ server, key }) => ({ html: document(`<h1>A page</h1>${LOREM}<script type="module" src="${server}/widget.js" data-site-key="${key}"></script>`) }),
  'csp-strict-dynamic': ({ server, key }) => {
    const loader = `const s = document.createElement('script'); s.src = '${server}/widget.js'; s.dataset.siteKey = '${key}'; document.head.append(s)`;
    return {
      html: document(`<h1>A page</h1>${LOREM}<script>${loader}</script>`),
      headers: { 'content-security-policy': `default-src 'none'; script-src 'sha256-${createHash('sha256').update(loader).digest('base64')}' 'strict-dynamic'; connect-src ${server} ${server.replace(/^http/, 'ws')}` },
    };
  },
  'csp-sandbox': (site) => ({ html: plain(site), headers: { 'content-security-policy': 'sandbox allow-scripts allow-same-origin' } }),
  vertical: styled('html { writing-mode: vertical-rl; text-orientation: upright }'),
  base: (site) => ({ html: document(`<h1>A page</h1>${LOREM}${tag(site)}`, { head: '<base href="https://elsewhere.invalid/a/" target="_blank">' }) }),
  xhtml: (site) => ({
    html: `<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml" lang="en"><head><title>A page</title></head><body><h1>A page</h1>${LOREM}${tag(site).replace(' async', ' async="async"')}</body></html>`,
    headers: { 'content-type': 'application/xhtml+xml; charset=utf-8' },
  }),
  frozen: before(`for (const it of [Object, Array, Function, Promise, Error, String, Element, Node, Event, Map, Set]) { Object.freeze(it.prototype); Object.freeze(it) }`),
  polluted: before(`for (const name of ['each', 'extend', 'clone', 'size', 'open', 'sound', 'suggestions', 'incomplete']) Object.prototype[name] = function () { return this };
    Object.prototype.length2 = 1; Array.prototype.insert = function () {}; String.prototype.toArray = function () { return this.split('') }`),
  // What libraries of 2007 did to the names of today.
  'old-libraries': before(`
    Object.assign(Array.prototype, {
      reduce() { return this.length > 1 ? this : this[0] }, entries() { return this }, keys() { return [] }, values() { return [] },
      find(test) { for (let n = 0; n < this.length; n++) if (test(this[n], n)) return this[n] }, filter(test) { const found = []; for (let n = 0; n < this.length; n++) if (test(this[n], n)) found.push(this[n]); return found },
      first() { return this[0] }, last() { return this[this.length - 1] }, include() {}, invoke() {}, toJSON() { return '[]' } });
    Array.from = (item) => item == null ? [] : Array.isArray(item) ? item : [item];
    Element.prototype.remove = function () { this.parentNode.removeChild(this); return this };
    Element.prototype.update = Element.prototype.hide = Element.prototype.show = function () { return this };
    String.prototype.startsWith = function (start) { return this.indexOf(start) === 0 };
    Function.prototype.bind = function (self, ...first) { const bound = this; return function (...rest) { return bound.apply(self, first.concat(rest)) } };
    window.JSON.parse = ((native) => (text) => native(String(text)))(JSON.parse);`),
  // Promises, timers, listeners and calls are wrapped, as Angular and what watches pages do.
  wrapped: before(`
    const Native = Promise, later = setTimeout, send = fetch, listen = EventTarget.prototype.addEventListener;
    window.Promise = class Zoned { static resolve(v) { return new Zoned((ok) => ok(v)) } static reject(v) { return new Zoned((_, no) => no(v)) } static all(v) { return Zoned.resolve(Native.all(v)) } static race(v) { return Zoned.resolve(Native.race(v)) }
      constructor(run) { this.real = new Native(run) } then(a, b) { return Zoned.resolve(this.real.then(a, b)) } catch(b) { return this.then(undefined, b) } finally(f) { return Zoned.resolve(this.real.finally(f)) } };
    window.fetch = (...all) => Promise.resolve(send(...all).then((response) => { response.clone().text().catch(() => {}); return response }));
    window.setTimeout = (run, ...rest) => later.call(window, () => { try { return run() } finally {} }, ...rest);
    EventTarget.prototype.addEventListener = function (type, run, options) { return listen.call(this, type, typeof run === 'function' ? function (event) { return run.call(this, event) } : run, options) };`),
  'no-storage': before(`for (const name of ['localStorage', 'sessionStorage', 'indexedDB']) Object.defineProperty(window, name, { get() { throw new DOMException('The operation is insecure.', 'SecurityError') } });
    Object.defineProperty(Document.prototype, 'cookie', { get() { throw new DOMException('no', 'SecurityError') } }); Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })`),
  'full-storage': before(`Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }`),
  'says-offline': before(`Object.defineProperty(Navigator.prototype, 'onLine', { get: () => false })`),
  'own-names': (site) => ({ html: document(`<h1 id="Frontdesk">A page</h1><form id="frame"></form><div id="VERSION"></div>${LOREM}${tag(site)}`) }),
  editable: (site) => ({ html: document(`<h1>A page</h1>${LOREM}${tag(site)}`).replace('<body>', '<body contenteditable="true" spellcheck="false">') }),
  prototypes: (site) => ({
    html: document(`<h1>A page</h1>${tag(site)}`, {
      head: `<script>
        Array.prototype.toJSON = function () { return '[' + this.map((v) => JSON.stringify(v)).join(', ') + ']' };
        Array.from = (list) => list.toArray ? list.toArray() : [].slice.call(list); String.prototype.toArray = function () { return this.split('') };
        Array.prototype.each = Object.prototype.each = function () {};
      </script>`,
    }),
  }),
};

/** Pages that do something; each has a test of its own. */
export const ACTING = {
  plain: (site) => ({ html: plain(site) }),
  russian: (site) => ({ html: document(`<h1>Страница</h1>${LOREM}${tag(site)}`, { html: 'lang="ru"' }) }),
  nokey: ({ server }) => ({ html: document(`<h1>A page</h1><script async src="${server}/widget.js"></script>`) }),
  wrongkey: ({ server }) => ({ html: plain({ server, key: 'pk_unknown' }) }),
  'csp-without-calls': under((server) => `default-src 'self'; script-src ${server}`),
  keys: (site) => ({
    html: document(
      `<h1>Shortcuts</h1><pre id="log"></pre><input id="own"><script>
        for (const type of ['keydown', 'keypress', 'keyup', 'beforeinput', 'input', 'paste', 'copy', 'cut', 'wheel'])
          for (const [target, capture] of [[document, false], [document, true], [document.body, true]])
            target.addEventListener(type, (event) => { if (event.target.id !== 'own') log.textContent += type + ' ' }, capture);
      </script>${tag(site)}`,
    ),
  }),
  frames: () => ({ html: document('<h1>Frames</h1><iframe name="wide" src="plain" width="500" height="560"></iframe><iframe name="small" src="plain" width="200" height="180"></iframe><iframe name="shut" sandbox="allow-scripts" src="plain" width="420" height="400"></iframe>') }),
  spa: (site) => ({
    html: document(`<div id="app"></div><script>
      let n = 0;
      function nav() { n++; history.pushState({}, '', '?view=' + n); app.innerHTML = '<h1>View ' + n + '</h1>' }
      nav();
    </script>${tag(site)}`),
  }),
  react: ({ server, key }) => ({
    html: document(
      `<div id="root"></div><script>
      const e = React.createElement;
      function Chat() {
        React.useEffect(() => {
          const s = document.createElement('script'); s.src = '${server}/widget.js'; s.async = true; s.dataset.siteKey = '${key}'; document.body.append(s);
          return () => { s.remove(); document.querySelector('[data-frontdesk]')?.remove() };
        }, []);
        return null;
      }
      function App() {
        const [n, set] = React.useState(0); const [chat, setChat] = React.useState(true);
        return e('div', null, e('h1', null, 'View ' + n), e('button', { id: 'next', onClick: () => set(n + 1) }, 'next'), e('button', { id: 'toggle', onClick: () => setChat(!chat) }, 'chat'), chat && e(Chat));
      }
      ReactDOM.createRoot(document.getElementById('root')).render(e(React.StrictMode, null, e(App)));
      </script>`,
      { head: REACT },
    ),
  }),
  // The document of the server is another one than that of the client, so React throws it away whole.
  hydrate: (site) => ({
    html: document(`<h1>Of the server</h1>${tag(site)}<script>
      window.hydrate = () => { const e = React.createElement; ReactDOM.hydrateRoot(document, e('html', { lang: 'en' }, e('head', null, e('title', null, 'Hydrated')), e('body', null, e('h1', null, 'Of the client'))), { onRecoverableError() {} }) };
      </script>`, { head: REACT }),
  }),
  // The same on both sides: a strange element must not make React throw it away.
  'hydrate-same': (site) => ({
    html: `<!doctype html><html lang="en"><head><title>T</title></head><body><h1>The same</h1><script src="/npm/react/umd/react.development.js"></script><script src="/npm/react-dom/umd/react-dom.development.js"></script><script src="/hydrate-same.js"></script>${tag(site)}</body></html>`,
  }),
  turbo1: (site) => ({ html: document('<h1>Turbo one</h1><a id="link" href="turbo2">two</a>', { head: `${TURBO}${tag(site)}` }) }),
  turbo2: (site) => ({ html: document('<h1>Turbo two</h1><a id="link" href="turbo1">one</a>', { head: `${TURBO}${tag(site)}` }) }),
  'turbo-body1': (site) => ({ html: document(`<h1>Turbo one</h1><a id="link" href="turbo-body2">two</a>${tag(site)}`, { head: TURBO }) }),
  'turbo-body2': (site) => ({ html: document(`<h1>Turbo two</h1><a id="link" href="turbo-body1">one</a>${tag(site)}`, { head: TURBO }) }),
  'two-same': (site) => ({ html: document(`<h1>Two tags</h1>${tag(site)}${tag(site)}`) }),
  'two-different': (site) => ({ html: document(`<h1>Two sites</h1>${tag(site)}${tag({ ...site, key: site.otherKey })}`) }),
  api: (site) => ({ html: document(`<h1>Calls before it is loaded</h1><script>window.Frontdesk = window.Frontdesk || []; Frontdesk.push(['setTheme', 'dark'], ['open'], (frontdesk) => { window.ran = typeof frontdesk.ask })</script>${tag(site)}`) }),
  open: (site) => ({ html: document(`<h1>Open</h1><input autofocus id="own">${tag(site, 'data-open data-theme="dark" data-locale="ru" data-suggestions="A|B|C|D|E|F|G|H"')}`) }),
  dialog: (site) => ({ html: document(`<h1>A dialog</h1><dialog id="modal"><button autofocus>Fine</button></dialog>${tag(site)}`) }),
};

/** More of them. */
export const HARSH = {
  // A modal of another age: it calls the focus back whenever that leaves it.
  trap: (site) => ({
    html: document(`<h1>A page</h1><div id="modal" tabindex="-1"><input id="own"></div>${tag(site)}<script>
      document.addEventListener('focusin', (event) => { if (!modal.contains(event.target)) modal.querySelector('input').focus() }); own.focus();
    </script>`),
  }),
  rewritten: (site) => ({ html: document(`<h1>A page</h1>${tag(site)}`) }),
  shadow: ({ server, key }) => ({
    html: document(`<h1>A page</h1><div id="host"></div><script>
      const s = document.createElement('script'); s.src = '${server}/widget.js'; s.dataset.siteKey = '${key}'; host.attachShadow({ mode: 'open' }).append(s);
    </script>`),
  }),
  worker: (site) => ({ html: document(`<h1>A page</h1>${tag(site)}<script>navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready).then(() => { window.ready = true })</script>`) }),
  transitions: (site) => ({ html: document(`<div id="app"><h1>View 0</h1></div>${tag(site)}<script>let n = 0; function nav() { return document.startViewTransition(() => { n++; app.innerHTML = '<h1>View ' + n + '</h1>' }).finished }</script>`) }),
  fullscreen: (site) => ({ html: document(`<h1>A page</h1><button id="go" onclick="document.getElementById('film').requestFullscreen()">Film</button><div id="film"><p>Film</p></div>${tag(site)}`) }),
};

export const PAGES = { ...LOOKS, ...LOADED, ...ACTING, ...HARSH };
