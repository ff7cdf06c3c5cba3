// One widget on a page: its settings, and the connection, the view and the page put together.

import { Api } from './api';
import { Attention } from './attention';
import { Connection, type Snapshot } from './connection';
import { Host } from './host';
import { languageOf, type Language } from './i18n/index';
import { LAUNCHER_WORDS, type LauncherWords } from './i18n/launcher';
import { Outbox } from './outbox';
import { openBox } from './storage';
import { paletteOf } from './theme';
import { loadPanel } from './panel-loader';
import { Launcher } from './view/launcher';
import type { Panel } from './view/panel';
import type { Scheme } from './wire';

/** The `data-` attributes of the script tag, as `dataset` names them. */
export interface Settings {
  siteKey?: string | undefined;
  /** The origin of the API; that of the script without it. */
  server?: string | undefined;
  locale?: string | undefined;
  theme?: string | undefined;
  open?: string | boolean | undefined;
  /** "off" for no sound. */
  sound?: string | undefined;
  /** Questions, separated by `|`; `suggestionsRu` wins where Russian is spoken. */
  suggestions?: string | undefined;
  [name: string]: string | boolean | undefined;
}

export interface WidgetHooks {
  /** It is seen, or not any more; `opened` says that its panel is. */
  arrange(opened: boolean): void;
  /** The page took it away. */
  removed(): void;
}

const MAX_SUGGESTIONS = 6;

function newId(): string {
  // randomUUID is missing where the page came over plain http.
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  let begun = false;
  const once = () => ((begun = true), work());
  try {
    return await (navigator.locks ? navigator.locks.request(name, once) : once());
  } catch (cause) {
    // Refused, in a frame without storage: there are no other tabs to wait for.
    if (begun) throw cause;
    return work();
  }
}

export class Widget {
  readonly siteKey: string;
  visible = false;
  private readonly host: Host;
  private panel: Panel | null = null;
  private loading = false;
  private readonly launcher: Launcher;
  private readonly language: Language<LauncherWords>;
  private readonly connection: Connection;
  private readonly attention: Attention;
  private readonly tab;
  private readonly over = new AbortController();
  private readonly dark = matchMedia('(prefers-color-scheme: dark)');
  private scheme: string | undefined;
  private latest: Snapshot;
  private open = false;
  private frame = 0;
  private refusalTold = false;
  /** The directive of the page's policy that keeps it from its server. */
  private blocked = '';

  constructor(
    private readonly settings: Settings,
    script: HTMLScriptElement | null,
    private readonly hooks: WidgetHooks,
  ) {
    const { signal } = this.over;
    const siteKey = (this.siteKey = settings.siteKey ?? '');
    const server = settings.server ?? '';
    this.language = languageOf<LauncherWords>([settings.locale, document.documentElement.lang, ...navigator.languages], LAUNCHER_WORDS);
    const base = this.language.locale.split('-')[0] ?? 'en';
    this.scheme = settings.theme;
    const local = openBox(() => localStorage, siteKey);
    this.tab = openBox(() => sessionStorage, siteKey);
    this.attention = new Attention(settings.sound !== 'off');

    this.host = new Host(script, { typed: (event) => this.panel?.typed(event), attached: () => this.panel?.attached(), removed: hooks.removed }, signal);
    const { frame } = this.host;
    frame.lang = base;
    frame.dir = 'ltr';
    this.connection = new Connection(
      new Api(server),
      local,
      new Outbox(local),
      {
        now: () => Date.now(),
        random: () => Math.random(),
        newId,
        online: () => navigator.onLine,
        exclusively,
        onChange: (snapshot) => {
          this.latest = snapshot;
          // A page in the background gets no animation frames, and its unread badge must still be right.
          if (!this.frame) this.frame = document.hidden ? window.setTimeout(() => this.paint(), 50) : requestAnimationFrame(() => this.paint());
        },
      },
      { siteKey, locale: base, pageUrl: location.origin + location.pathname },
    );
    this.latest = this.connection.snapshot();
    this.launcher = new Launcher(this.language, () => this.setOpen(!this.open), () => void this.load());
    frame.append(this.launcher.node);

    const on = (target: EventTarget, type: string, listener: (event: never) => void) => target.addEventListener(type, listener as EventListener, { signal });
    on(window, 'online', () => this.connection.resume());
    on(window, 'offline', () => this.connection.offline());
    on(window, 'pagehide', () => this.connection.suspend());
    on(window, 'pageshow', (event: PageTransitionEvent) => event.persisted && this.connection.resume());
    on(window, 'storage', (event: StorageEvent) => this.connection.storageChanged(event.key));
    on(document, 'visibilitychange', () => {
      if (document.hidden) this.connection.hide();
      else this.connection.resume();
      this.paint();
    });
    on(document, 'securitypolicyviolation', (event: SecurityPolicyViolationEvent) => {
      // Where only sockets are blocked the event stream is there.
      if (event.disposition !== 'enforce' || !event.blockedURI.startsWith(server)) return;
      this.blocked = event.effectiveDirective.replace('-elem', '');
      this.connection.refuse(0);
    });
    on(this.dark, 'change', () => this.paintTheme());
  }

  start(): void {
    if (document.hidden) this.connection.hide();
    this.host.attach();
    this.paint();
    void this.connection.start();
    const { open } = this.settings;
    if (this.tab.get<boolean>('open') ?? (open !== undefined && String(open) !== 'false')) this.setOpen(true, false);
  }

  get side(): 'left' | 'right' {
    return this.latest.site?.theme?.position === 'left' ? 'left' : 'right';
  }

  /** Which one from the corner it is. */
  place(n: number): void {
    this.host.node.style.setProperty('--frontdesk-place', String(n));
  }

  setOpen(next: boolean, focus = true): void {
    if (this.open === next) return;
    this.open = next;
    this.latest = this.connection.snapshot();
    this.tab.set('open', next);
    if (next) {
      this.host.raise();
      this.hooks.arrange(true);
    }
    this.panel?.setOpen(next, focus);
    if (!next && focus) this.launcher.node.focus({ preventScroll: true });
    this.connection.setOpen(next);
    this.paint();
    if (next) void this.load(focus);
  }

  ask(text: string): void {
    this.setOpen(true);
    if (this.panel) this.panel.ask(text);
    else this.connection.send(text);
  }

  setTheme(scheme: Scheme): void {
    this.scheme = scheme;
    this.paintTheme();
  }

  destroy(): void {
    this.panel?.setOpen(false, false);
    this.over.abort();
    this.connection.stop();
    this.attention.update(0);
    this.visible = false;
    this.host.remove();
  }

  /** The panel, once it is wanted; before, there is only its button. */
  private async load(focus = true): Promise<void> {
    if (this.panel || this.loading) return;
    this.loading = true;
    const { settings, tab, connection } = this;
    const module = await loadPanel(settings.server ?? '', () => this.open);
    this.loading = false;
    if (this.over.signal.aborted || !module) return;
    const { locale, messages } = this.language;
    const base = locale.split('-')[0] ?? '';
    const own = settings[`suggestions${base.charAt(0).toUpperCase()}${base.slice(1)}`];
    this.panel = module.openPanel(
      this.host.frame,
      {
        languages: [locale],
        close: messages.close,
        suggestions: String(own ?? settings.suggestions ?? '').split('|').map((text) => text.trim()).filter(Boolean).slice(0, MAX_SUGGESTIONS),
        draft: tab.get<string>('draft') ?? '',
        signal: this.over.signal,
      },
      {
        setOpen: (open) => this.setOpen(open),
        send: (text) => connection.send(text),
        draft: (text) => {
          connection.typing(text !== '');
          if (text) tab.set('draft', text);
          else tab.remove('draft');
        },
        takeBack: (clientId) => connection.takeBack(clientId),
        earlier: () => void connection.loadEarlier(),
      },
    );
    if (this.open) this.panel.setOpen(true, focus);
    this.paint();
  }

  private paint(): void {
    this.frame = 0;
    const { latest, open } = this;
    if (this.over.signal.aborted) return;
    if (latest.refused !== null && !this.refusalTold) {
      this.refusalTold = true;
      console.error(`Frontdesk: ${this.refusal(latest.refused)}`);
      // What an open panel did to the page is undone.
      if (this.open) return this.setOpen(false, false);
    }
    // Nothing is shown before it is known that there is a service.
    const visible = latest.refused === null && (latest.site !== null || latest.waiting?.reason === 'closed');
    const incoming = latest.conversation.entries.filter((entry) => entry.seq > 0 && entry.text && entry.kind !== 'visitor' && !entry.live);
    const seen = open && this.panel !== null && !document.hidden;
    if (seen) this.connection.markRead(incoming[incoming.length - 1]?.seq ?? 0);
    const unread = seen ? 0 : incoming.filter((entry) => entry.seq > latest.read).length;
    this.paintTheme();
    this.attention.update(unread);
    this.panel?.update(latest);
    this.launcher.update(open, open && !this.panel, unread);
    this.host.node.hidden = !visible;
    if (visible !== this.visible) {
      this.visible = visible;
      this.hooks.arrange(false);
    }
  }

  /** Why there is no widget, for who made the page. */
  private refusal(status: number): string {
    const { siteKey } = this;
    if (status === 0) return `the Content-Security-Policy of this page blocks it; add ${this.settings.server} to ${this.blocked}`;
    if (status === 403) return `pages of ${self.origin} may not use the site ${siteKey}; add this origin to the site's`;
    if (status === 422) return `there is no site ${siteKey}; take the snippet anew`;
    return `its server refuses the site ${siteKey} with status ${status}`;
  }

  private paintTheme(): void {
    const theme = this.latest.site?.theme;
    const palette = paletteOf(theme?.accent);
    const wish = this.scheme ?? theme?.scheme;
    const isDark = wish === 'dark' || (wish !== 'light' && this.dark.matches);
    const { frame, node } = this.host;
    frame.dataset['scheme'] = isDark ? 'dark' : 'light';
    node.dataset['side'] = frame.dataset['side'] = this.side;
    frame.style.setProperty('--accent', palette.accent);
    frame.style.setProperty('--on-accent', palette.onAccent);
    frame.style.setProperty('--accent-text', isDark ? palette.accentTextDark : palette.accentTextLight);
  }
}
