// Pages of strangers on which the widget has to work and to look the same: what their styles, scripts, policies and
// navigation do to it. Each is `({server, key, otherKey}) => ({html, headers?})`.

const LOREM = '<p>Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua.</p>'.repeat(24);

const tag = ({ server, key }, attributes = '') => `<script async src="${server}/widget.js" data-site-key="${key}" ${attributes}></script>`;

const document = (content, { head = '', html = 'lang="en"', doctype = '<!doctype html>' } = {}) =>
  `${doctype}<html ${html}><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>A page</title>${head}</head><body>${content}</body></html>`;

const plain = (site) => document(`<h1>A page</h1>${LOREM}${tag(site)}`);
const styled = (css, options) => (site) => ({ html: document(`<h1>A page</h1>${LOREM}${tag(site)}`, { head: `<style>${css}</style>`, ...options }) });
const under = (policy) => (site) => ({ html: plain(site), headers: { 'content-security-policy': policy(site.server, site.server.replace(/^http/, 'ws')) } });

const REACT = '<script src="/npm/react/umd/react.development.js"></script><script src="/npm/react-dom/umd/react-dom.development.js"></script>';
const TURBO = '<script src="/npm/@hotwired/turbo/dist/turbo.es2017-umd.js"></script>';

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

export const PAGES = { ...LOOKS, ...LOADED, ...ACTING };
