// The third file, widget-messages.js: what is only needed when something was said, in any language. It comes behind the second.
//
// As with that one, `MessagesModule` and what it leads to only ever gets additions.

import type { Load } from './chat';
import type { Snapshot } from './connection';
import type { PanelLanguage } from './i18n/en';
import type { Kit } from './kit';
import { langOf, parseMarkdown, plainText, safeHref, tied } from './markdown';
import type { CitationCard, SourceModule } from './view/citation-card';
import { el } from './view/element';
import { MessageList } from './view/message-list';
import css from './view/messages.css';
import { addStyles } from './view/style';
import type { Citation } from './wire';

/** What the panel gives. */
export interface Place {
  language: PanelLanguage;
  /** The panel, what of it holds the messages, and what scrolls in that. */
  root: HTMLElement;
  body: HTMLElement;
  scroller: HTMLElement;
  send(text: string): void;
  /** Into the field, to be edited. */
  bring(text: string): void;
  focus(): void;
  takeBack(clientId: string): string | null;
  /** Shows what was said before this conversation. */
  earlier(): void;
  kit: Kit;
  load: Load;
}

/** What the panel gets. */
export interface Shown {
  /** `aloud`: the panel is open, so what is new is read out. */
  update(snapshot: Snapshot, aloud: boolean): void;
  toBottom(): void;
  /** In the page anew. */
  attached(): void;
  /** The card of a citation, while it is open. */
  card(): HTMLElement | null;
  closeCard(): void;
}

export interface MessagesModule {
  version: string;
  showMessages(place: Place): Shown;
}

export class Messages implements Shown {
  private readonly log = el('div', { class: 'sr', role: 'log', 'aria-live': 'polite', 'aria-relevant': 'additions' });
  private citation: CitationCard | null = null;
  /** The last one that was asked for. */
  private cited: Citation | null = null;
  private readonly list: MessageList;
  private announced: number | null = null;
  private snapshot: Snapshot | null = null;
  private ticker: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly place: Place) {
    const { language, root, body, scroller } = place;
    addStyles(root.getRootNode() as ShadowRoot, css);
    this.list = new MessageList(
      language,
      {
        cite: (citation, from) => void this.cite(citation, from),
        retry: (entry) => {
          const entries = this.snapshot?.conversation.entries ?? [];
          const question = entries.slice(0, entries.indexOf(entry)).filter((other) => other.kind === 'visitor').pop();
          if (question) place.send(question.text);
        },
        ask: (text) => place.send(text),
        edit: (clientId) => {
          const text = place.takeBack(clientId);
          if (text !== null) place.bring(text);
        },
        remove: (clientId) => {
          place.takeBack(clientId);
          place.focus();
        },
        earlier: () => place.earlier(),
      },
      body,
      scroller,
    );
    root.append(this.log);
  }

  update(snapshot: Snapshot, aloud: boolean): void {
    this.snapshot = snapshot;
    this.list.update(snapshot, Date.now() + snapshot.skew);
    this.announce(snapshot, aloud);
    this.tick(snapshot.waiting !== null && snapshot.waiting.until > 0);
  }

  toBottom(): void {
    this.list.toBottom();
  }

  attached(): void {
    this.list.attached();
  }

  card(): HTMLElement | null {
    return this.citation?.isOpen ? this.citation.node : null;
  }

  closeCard(): void {
    this.cited = null;
    this.citation?.close();
  }

  /** The card comes with a file of its own: most visitors open none. */
  private async cite(citation: Citation, from: HTMLElement): Promise<void> {
    const { language, root, kit, load } = this.place;
    this.cited = citation;
    const wanted = () => this.cited === citation && !root.hidden;
    if (!this.citation) {
      from.setAttribute('aria-busy', 'true');
      const module = await load<SourceModule>('source', wanted);
      from.removeAttribute('aria-busy');
      if (module) this.citation ??= module.makeCard({ language, root, kit, langOf, safeHref, tied });
    }
    if (wanted()) this.citation?.open(citation, from);
  }

  /** Only whole answers are read out, and only new ones: a stream of words would never let anyone listen. */
  private announce({ conversation, loading }: Snapshot, aloud: boolean): void {
    if (loading) return;
    const { messages } = this.place.language;
    const said = this.announced;
    this.announced = Math.max(said ?? 0, conversation.lastSeq);
    if (said === null || !aloud) return;
    for (const entry of conversation.entries) {
      if (entry.seq <= said || entry.kind === 'visitor' || entry.live) continue;
      const text = entry.notice ? messages.notices[entry.notice] : plainText(parseMarkdown(entry.text));
      const outcome = entry.outcome && entry.outcome !== 'answered' ? messages.outcomes[entry.outcome] : '';
      const line = [outcome, text].filter(Boolean).join('. ');
      if (line) this.log.append(el('p', {}, entry.kind === 'notice' ? line : `${entry.name ?? (entry.kind === 'operator' ? messages.colleague : messages.assistant)}: ${line}`));
    }
    while (this.log.childElementCount > 5) this.log.firstChild?.remove();
  }

  /** The countdown of a waiting message. */
  private tick(on: boolean): void {
    if (on === (this.ticker !== undefined)) return;
    if (on) {
      this.ticker = setInterval(() => this.snapshot && this.list.update(this.snapshot, Date.now() + this.snapshot.skew), 1000);
    } else {
      clearInterval(this.ticker);
      this.ticker = undefined;
    }
  }
}
