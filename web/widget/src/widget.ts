// One widget on a page: its settings, its button, the page, and the chat once it is wanted.

import { Api } from './api';
import { Attention } from './attention';
import type { Chatting, ChatModule } from './chat';
import { loadFile } from './files';
import { Host } from './host';
import { languageOf, type Language } from './i18n/index';
import { kit } from './kit';
import { LAUNCHER_WORDS, type LauncherWords } from './i18n/launcher';
import type { MessagesModule } from './messages';
import { Outbox } from './outbox';
import { Session } from './session';
import { openBox, type Box } from './storage';
import { paletteOf } from './theme';
import { Launcher } from './view/launcher';
import { Watch } from './watch';
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
  // Not randomUUID, which is missing where the page came over plain http.
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
  private readonly launcher: Launcher;
  private readonly language: Language<LauncherWords>;
  private readonly base: string;
  private readonly server: string;
  private readonly api: Api;
  private readonly box: Box;
  private readonly tab: Box;
  private readonly outbox: Outbox;
  private readonly session: Session;
  private readonly watch: Watch;
  private chat: Chatting | null = null;
  private loading = false;
  private readonly attention: Attention;
  private readonly over = new AbortController();
  private readonly dark = matchMedia('(prefers-color-scheme: dark)');
  private readonly listen = (target: EventTarget, type: string, listener: (event: never) => void) => this.host.listen(target, type, listener);
  private scheme: string | undefined;
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
    const server = (this.server = settings.server ?? '');
    this.language = languageOf<LauncherWords>([settings.locale, document.documentElement.lang, ...navigator.languages], LAUNCHER_WORDS);
    const base = (this.base = this.language.locale.split('-')[0] ?? 'en');
    this.scheme = settings.theme;
    const box = (this.box = openBox(() => localStorage, siteKey));
    this.tab = openBox(() => sessionStorage, siteKey);
    this.outbox = new Outbox(box);
    this.attention = new Attention(settings.sound !== 'off');

    this.host = new Host(script, { typed: (event) => this.chat?.typed(event), attached: () => this.chat?.attached(), removed: hooks.removed }, signal);
    const { frame } = this.host;
    frame.lang = base;
    frame.dir = 'ltr';
    this.api = new Api(server);
    this.session = new Session(this.api, box, { siteKey, locale: base, pageUrl: location.origin + location.pathname }, { now: () => Date.now(), exclusively });
    this.session.onChange = () => this.changed();
    this.watch = new Watch(this.api, this.session, box, () => void this.load());
    this.launcher = new Launcher(this.language, () => this.setOpen(!this.open), () => void this.load());
    frame.append(this.launcher.node);

    const on = this.listen;
    on(window, 'online', () => this.watch.wake());
    // Another tab began the conversation that this one lacked.
    on(window, 'storage', (event: StorageEvent) => !this.chat && event.key === box.key('session') && this.session.catchUp() && void this.load());
    on(document, 'visibilitychange', () => {
      if (!document.hidden) this.watch.wake();
      this.paint();
    });
    on(document, 'securitypolicyviolation', (event: SecurityPolicyViolationEvent) => {
      // Where only sockets are blocked the event stream is there.
      if (event.disposition !== 'enforce' || !event.blockedURI.startsWith(server)) return;
      this.blocked = event.effectiveDirective.replace('-elem', '');
      this.session.refuse(0);
      this.chat?.refuse(0);
    });
    on(this.dark, 'change', () => this.paintTheme());
  }

  start(): void {
    this.host.attach();
    this.paint();
    void this.watch.start();
    // What could not be sent on the page before goes on.
    if (this.outbox.next()) void this.load();
    const { open } = this.settings;
    if (this.tab.get<boolean>('open') ?? (open !== undefined && String(open) !== 'false')) this.setOpen(true, false);
  }

  get side(): 'left' | 'right' {
    return this.session.site?.theme?.position === 'left' ? 'left' : 'right';
  }

  /** Which one from the corner it is. */
  place(n: number): void {
    this.host.node.style.setProperty('--frontdesk-place', String(n));
  }

  setOpen(next: boolean, focus = true): void {
    if (this.open === next || (next && this.session.refused !== null)) return;
    this.open = next;
    this.tab.set('open', next);
    if (next) {
      this.host.raise();
      this.hooks.arrange(true);
    }
    this.chat?.setOpen(next, focus);
    if (!next && focus) this.launcher.node.focus({ preventScroll: true });
    this.paint();
    if (next) void this.load(focus);
  }

  ask(text: string): void {
    this.setOpen(true);
    if (this.chat) this.chat.ask(text);
    // It is kept until the chat is here, also over pages.
    else this.outbox.add({ client_id: newId(), text, at: Date.now() });
  }

  setTheme(scheme: Scheme): void {
    this.scheme = scheme;
    this.paintTheme();
  }

  destroy(): void {
    this.chat?.setOpen(false, false);
    this.over.abort();
    this.watch.stop();
    this.attention.update(0);
    this.visible = false;
    this.host.remove();
  }

  /** The chat, once it is wanted; before, there is only its button. */
  private async load(focus = true): Promise<void> {
    if (this.chat || this.loading) return;
    this.loading = true;
    const { settings, base, server, api, session, box, tab, outbox, language } = this;
    const { signal } = this.over;
    const messages = loadFile<MessagesModule>(server, 'messages', () => !signal.aborted && (this.loading || this.chat !== null));
    const module = await loadFile<ChatModule>(server, base, () => !signal.aborted && (this.open || outbox.next() !== null));
    this.loading = false;
    if (signal.aborted || !module) return;
    const own = settings[`suggestions${base.charAt(0).toUpperCase()}${base.slice(1)}`];
    const suggestions = String(own ?? settings.suggestions ?? '').split('|').map((text) => text.trim()).filter(Boolean).slice(0, MAX_SUGGESTIONS);
    this.watch.stop();
    this.chat = module.openChat({
      frame: this.host.frame,
      api,
      session,
      box,
      tab,
      outbox,
      language,
      suggestions,
      signal,
      listen: this.listen,
      newId,
      changed: () => this.changed(),
      setOpen: (open) => this.setOpen(open),
      messages,
      kit,
      load: (name, wanted) => loadFile(server, name, wanted),
    });
    if (this.open) this.chat.setOpen(true, focus);
    this.paint();
  }

  private changed(): void {
    // A page in the background gets no animation frames, and its unread badge must still be right.
    if (!this.frame) this.frame = document.hidden ? window.setTimeout(() => this.paint(), 50) : requestAnimationFrame(() => this.paint());
  }

  private paint(): void {
    this.frame = 0;
    const { session, open } = this;
    if (this.over.signal.aborted) return;
    if (session.refused !== null && !this.refusalTold) {
      this.refusalTold = true;
      console.error(`Frontdesk: ${this.refusal(session.refused)}`);
      // What is being read stays until it is closed; what an open panel did to a page that shows nothing is undone.
      if (open && !(this.visible && this.chat)) return this.setOpen(false, false);
    }
    // Nothing is shown before it is known that there is a service.
    const visible = session.refused === null ? session.site !== null || session.shut : open && this.visible;
    this.paintTheme();
    const unread = this.chat?.paint(open && !document.hidden) ?? 0;
    this.attention.update(unread);
    this.launcher.update(open, open && !this.chat, unread);
    this.host.node.hidden = !visible;
    if (visible !== this.visible) {
      this.visible = visible;
      this.hooks.arrange(false);
    }
  }

  /** Why there is no widget, for who made the page. */
  private refusal(status: number): string {
    const { siteKey } = this;
    if (status === 0) return `the Content-Security-Policy of this page blocks it; add ${this.server} to ${this.blocked}`;
    if (status === 403) return `pages of ${self.origin} may not use the site ${siteKey}; add this origin to the site's`;
    if (status === 422) return `there is no site ${siteKey}; take the snippet anew`;
    return `its server refuses the site ${siteKey} with status ${status}`;
  }

  private paintTheme(): void {
    const theme = this.session.site?.theme;
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
