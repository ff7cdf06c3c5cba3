// Puts the pieces together on a page: reads the script tag, makes the shadow root, and connects the view to the server.

import { Api } from './api';
import { Connection, type Snapshot } from './connection';
import { languageOf } from './i18n/index';
import { Outbox } from './outbox';
import { openBox } from './storage';
import { paletteOf } from './theme';
import { Panel } from './view/panel';
import css from './view/widget.css';
import type { Scheme } from './wire';

/** What the page can do with the widget: `window.Frontdesk`. */
export interface FrontdeskApi {
  open(): void;
  close(): void;
  /** Opens the panel and sends this question. */
  ask(text: string): void;
  setTheme(scheme: Scheme): void;
}

const MAX_SUGGESTIONS = 6;

function styleInto(root: ShadowRoot): void {
  try {
    // A constructed sheet needs no `style-src 'unsafe-inline'`.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
  } catch {
    const style = document.createElement('style');
    style.textContent = css;
    root.append(style);
  }
}

function newId(): string {
  // randomUUID is missing where the page came over plain http.
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  return navigator.locks ? (navigator.locks.request(name, work) as Promise<T>) : work();
}

export function mount(script: HTMLScriptElement): FrontdeskApi | null {
  const siteKey = script.dataset['siteKey'];
  if (!siteKey) {
    console.error('Frontdesk: the script tag has no data-site-key');
    return null;
  }
  const language = languageOf([script.dataset['locale'], document.documentElement.lang, ...navigator.languages]);
  const base = language.locale.split('-')[0] ?? 'en';
  // data-suggestions-ru wins over data-suggestions, so that a page in two languages needs one tag.
  const suggestions = script.getAttribute(`data-suggestions-${base}`) ?? script.dataset['suggestions'] ?? '';
  const local = openBox(() => localStorage, siteKey);
  const tab = openBox(() => sessionStorage, siteKey);

  const host = document.createElement('div');
  host.setAttribute('data-frontdesk', '');
  host.lang = base;
  const root = host.attachShadow({ mode: 'open' });
  styleInto(root);

  let open = false;
  let latest: Snapshot | null = null;
  let frame = 0;
  let refusalTold = false;

  const panel = new Panel(
    host,
    {
      language,
      suggestions: suggestions.split('|').map((text) => text.trim()).filter(Boolean).slice(0, MAX_SUGGESTIONS),
      draft: tab.get<string>('draft') ?? '',
    },
    {
      setOpen,
      send: (text) => connection.send(text),
      draft: (text) => {
        // The draft of the page before is handed out before there is a connection.
        if (latest) connection.typing(text !== '');
        if (text) tab.set('draft', text);
        else tab.remove('draft');
      },
      takeBack: (clientId) => connection.takeBack(clientId),
    },
  );

  const connection = new Connection(
    new Api(new URL(script.src, location.href).origin),
    local,
    new Outbox(local),
    {
      now: () => Date.now(),
      random: () => Math.random(),
      newId,
      online: () => navigator.onLine,
      exclusively,
      onChange: (snapshot) => {
        latest = snapshot;
        // A page in the background gets no animation frames, and its unread badge must still be right.
        if (!frame) frame = document.hidden ? window.setTimeout(paint, 50) : requestAnimationFrame(paint);
      },
    },
    { siteKey, locale: base, pageUrl: location.origin + location.pathname },
  );

  const dark = matchMedia('(prefers-color-scheme: dark)');
  let chosen = script.dataset['theme'] as Scheme | undefined;

  function scheme(): 'light' | 'dark' {
    const wish = chosen ?? latest?.site?.theme?.scheme ?? 'auto';
    if (wish === 'light' || wish === 'dark') return wish;
    return dark.matches ? 'dark' : 'light';
  }

  function paintTheme(): void {
    const theme = latest?.site?.theme;
    const palette = paletteOf(theme?.accent);
    const isDark = scheme() === 'dark';
    host.dataset['scheme'] = isDark ? 'dark' : 'light';
    host.dataset['position'] = theme?.position === 'left' ? 'left' : 'right';
    host.style.setProperty('--accent', palette.accent);
    host.style.setProperty('--on-accent', palette.onAccent);
    host.style.setProperty('--accent-text', isDark ? palette.accentTextDark : palette.accentTextLight);
  }

  function paint(): void {
    frame = 0;
    if (!latest) return;
    if (latest.refused && !refusalTold) {
      refusalTold = true;
      console.error('Frontdesk: this site key is unknown here, or it does not allow this page');
    }
    // Nothing is shown before it is known that someone is there to answer.
    host.hidden = latest.refused || !latest.site;
    const incoming = latest.conversation.entries.filter((entry) => entry.seq > 0 && entry.text && entry.kind !== 'visitor' && !entry.live);
    const newest = incoming[incoming.length - 1]?.seq ?? 0;
    const seen = open && !document.hidden;
    if (seen) connection.markRead(newest);
    const { read } = latest;
    paintTheme();
    panel.update(latest, seen ? 0 : incoming.filter((entry) => entry.seq > read).length);
  }

  function setOpen(next: boolean, focus = true): void {
    if (open === next) return;
    open = next;
    latest = connection.snapshot();
    tab.set('open', next);
    panel.setOpen(next, focus);
    connection.setOpen(next);
    paint();
  }

  root.append(...panel.nodes);
  host.hidden = true;
  latest = connection.snapshot();
  paint();
  document.body.append(host);

  window.addEventListener('online', () => connection.resume());
  window.addEventListener('offline', () => connection.offline());
  window.addEventListener('pagehide', () => connection.suspend());
  window.addEventListener('pageshow', (event) => event.persisted && connection.resume());
  window.addEventListener('storage', (event) => connection.storageChanged(event.key));
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) connection.hide();
    else {
      connection.resume();
      paint();
    }
  });
  dark.addEventListener?.('change', paintTheme);

  void connection.start();
  const remembered = tab.get<boolean>('open');
  if (remembered ?? 'open' in script.dataset) setOpen(true, false);

  return {
    open: () => setOpen(true),
    close: () => setOpen(false),
    ask: (text) => {
      setOpen(true);
      panel.ask(text);
    },
    setTheme: (next) => {
      chosen = next;
      paintTheme();
    },
  };
}
