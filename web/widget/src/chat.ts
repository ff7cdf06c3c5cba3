// The second file, widget-LANGUAGE.js: what is only needed when a visitor opens the panel, or something was said.
//
// A browser may have kept the first file of another version, so what they say to each other, `ChatModule` and what it leads to
// (`Shell`, `Session`, `Api`, `Box`, `Outbox`), only ever gets additions.

import type { Api } from './api';
import { Connection } from './connection';
import type { Messages } from './i18n/en';
import type { Language } from './i18n/index';
import type { Kit } from './kit';
import type { Outbox } from './outbox';
import type { MessagesModule } from './messages';
import type { Session } from './session';
import type { Box } from './storage';
import type { StreamModule } from './stream';
import { Panel } from './view/panel';
import css from './view/panel.css';
import { addStyles } from './view/style';

/** What the first file gives. */
export interface Shell {
  frame: HTMLElement;
  api: Api;
  session: Session;
  /** What the tabs of this browser share, and what is this tab's. */
  box: Box;
  tab: Box;
  outbox: Outbox;
  language: Language<{ close: string }>;
  suggestions: readonly string[];
  /** Ends what listens to the page. */
  signal: AbortSignal;
  /** Until the widget is taken away. */
  listen(target: EventTarget, type: string, listener: (event: never) => void): void;
  newId(): string;
  /** Something is to be painted. */
  changed(): void;
  setOpen(open: boolean): void;
  /** The third file; null where it is not wanted any more. */
  messages: Promise<MessagesModule | null>;
  kit: Kit;
  load: Load;
}

/** Gets one of the files that few visitors need; null where it did not come and is not wanted any more. */
export type Load = <T extends { version: string }>(name: string, wanted: () => boolean) => Promise<T | null>;

/** What the first file gets. */
export interface Chatting {
  setOpen(open: boolean, focus: boolean): void;
  /** Sends this text as the visitor's. */
  ask(text: string): void;
  /** A key or an edit in the widget. */
  typed(event: Event): void;
  /** It stands in the page anew. */
  attached(): void;
  /** The page itself keeps us from the server. */
  refuse(status: number): void;
  /** `seen`: the panel is before the visitor's eyes. Gives how many messages are not. */
  paint(seen: boolean): number;
}

export interface ChatModule {
  version: string;
  openChat(shell: Shell): Chatting;
}

export class Chat implements Chatting {
  private readonly connection: Connection;
  private readonly panel: Panel;

  constructor(
    shell: Shell,
    messages: Messages,
  ) {
    const { frame, api, session, box, tab, outbox, language, signal } = shell;
    addStyles(frame.getRootNode() as ShadowRoot, css);
    const connection = (this.connection = new Connection(api, session, box, outbox, {
      now: () => Date.now(),
      random: () => Math.random(),
      newId: () => shell.newId(),
      online: () => navigator.onLine,
      stream: async () => {
        const module = await shell.load<StreamModule>('stream', () => false);
        if (!module) throw new Error('no event stream');
        return module;
      },
      onChange: () => shell.changed(),
    }));
    this.panel = new Panel(
      frame,
      { language: { ...language, messages }, close: language.messages.close, suggestions: shell.suggestions, draft: tab.get<string>('draft') ?? '', signal, load: shell.load },
      {
        setOpen: (open) => shell.setOpen(open),
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
    void shell.messages.then((module) => module && this.panel.mount(module));
    const on = shell.listen;
    on(window, 'online', () => connection.resume());
    on(window, 'offline', () => connection.offline());
    on(window, 'pagehide', () => connection.suspend());
    on(window, 'pageshow', (event: PageTransitionEvent) => event.persisted && connection.resume());
    on(window, 'storage', (event: StorageEvent) => connection.storageChanged(event.key));
    on(document, 'visibilitychange', () => (document.hidden ? connection.hide() : connection.resume()));
    signal.addEventListener('abort', () => connection.stop());
    if (document.hidden) connection.hide();
    void connection.start();
  }

  setOpen(open: boolean, focus: boolean): void {
    this.panel.setOpen(open, focus);
    this.connection.setOpen(open);
  }

  ask(text: string): void {
    this.panel.ask(text);
  }

  typed(event: Event): void {
    this.panel.typed(event);
  }

  attached(): void {
    this.panel.attached();
  }

  refuse(status: number): void {
    this.connection.refuse(status);
  }

  paint(seen: boolean): number {
    const snapshot = this.connection.snapshot();
    const incoming = snapshot.conversation.entries.filter((entry) => entry.seq > 0 && entry.text && entry.kind !== 'visitor' && !entry.live);
    if (seen) this.connection.markRead(incoming[incoming.length - 1]?.seq ?? 0);
    this.panel.update(snapshot);
    return seen ? 0 : incoming.filter((entry) => entry.seq > snapshot.read).length;
  }
}
