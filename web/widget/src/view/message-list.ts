// The messages: one row an entry, kept by key, so a streamed answer grows in place and nothing flickers.

import type { Snapshot } from '../connection';
import type { Entry, Outgoing } from '../conversation';
import type { PanelLanguage } from '../i18n/en';
import { langOf } from '../markdown';
import type { Citation } from '../wire';
import { AnswerBody } from './answer';
import { el, icon, type Child } from './element';
import * as icons from './icons';

export interface MessageListActions {
  cite(citation: Citation, from: HTMLElement): void;
  /** Asks again what this answer failed to answer. */
  retry(entry: Entry): void;
  /** Asks what was suggested. */
  ask(text: string): void;
  /** Puts the text of a message that was not accepted back to be edited. */
  edit(clientId: string): void;
  remove(clientId: string): void;
  /** Shows the conversation before. */
  earlier(): void;
}

/** Messages of one author within this many milliseconds are one group with one time. */
const GROUP = 5 * 60_000;
const NEAR_BOTTOM = 48;

interface Item {
  key: string;
  kind: Entry['kind'];
  at: number | null;
  entry?: Entry;
  outgoing?: Outgoing;
}

interface Row {
  node: HTMLElement;
  body: AnswerBody | null;
  content: HTMLElement;
  mark: string;
  source: unknown;
  growing: boolean;
}

export class MessageList {
  private readonly list = el('ol', { class: 'messages' });
  private readonly typing: HTMLElement;
  private readonly pill: HTMLElement;
  private readonly more: HTMLElement;
  private readonly rows = new Map<string, Row>();
  private stuck = true;
  private top = 0;
  private seen = '';
  private earlier = 0;
  private height = 0;

  /** `scroller` is what scrolls in `body`. */
  constructor(
    private readonly language: PanelLanguage,
    private readonly actions: MessageListActions,
    body: HTMLElement,
    private readonly scroller: HTMLElement,
  ) {
    const { messages } = language;
    this.typing = el('div', { class: 'row ai typing', hidden: true }, avatar('operator'), el('div', { class: 'bubble' }, dots(messages.typing)));
    this.more = el('button', { type: 'button', class: 'action more', hidden: true, onclick: () => actions.earlier() }, messages.earlier);
    scroller.prepend(this.more);
    scroller.append(this.list, this.typing);
    this.pill = el('button', { type: 'button', class: 'pill', hidden: true, onclick: () => this.toBottom() }, icon(icons.down), messages.newMessages);
    body.append(this.pill);
    scroller.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = scroller;
      // Taken out of the page, it scrolls to nothing.
      if (!clientHeight) return;
      this.top = scrollTop;
      this.stuck = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM;
      if (this.stuck) this.pill.hidden = true;
    });
    new ResizeObserver(() => this.stuck && this.toBottom()).observe(scroller);
  }

  attached(): void {
    if (this.stuck) this.toBottom();
    else this.scroller.scrollTop = this.top;
  }

  toBottom(): void {
    this.stuck = true;
    this.pill.hidden = true;
    // The first screen begins at its top.
    this.scroller.scrollTop = this.rows.size ? this.scroller.scrollHeight : 0;
  }

  update(snapshot: Snapshot, now: number): void {
    const { conversation } = snapshot;
    const items = itemsOf(snapshot);
    const keys = new Set(items.map((item) => item.key));
    for (const [key, row] of this.rows) {
      if (keys.has(key)) continue;
      row.node.remove();
      this.rows.delete(key);
    }
    let before: ChildNode | null = this.list.firstChild;
    const asked = items.map((item) => item.kind).lastIndexOf('visitor');
    items.forEach((item, index) => {
      // Asking again makes sense as long as nothing else was asked since.
      const retry = item.entry?.outcome === 'failed' && index > asked;
      const node = this.row(item, items[index - 1], items[index + 1], retry, snapshot, now);
      if (node === before) before = before.nextSibling;
      else this.list.insertBefore(node, before);
    });
    this.list.hidden = items.length === 0;
    this.typing.hidden = !conversation.operatorTyping;
    const last = items[items.length - 1];
    const seen = `${last?.key ?? ''} ${last?.entry?.text.length ?? 0}`;
    const { scrollHeight } = this.scroller;
    this.more.hidden = !snapshot.more;
    const grown = snapshot.earlier.length - this.earlier;
    this.earlier = snapshot.earlier.length;
    // What comes before what is read does not move it.
    if (grown > 0 && this.seen) this.scroller.scrollTop = this.top + scrollHeight - this.height;
    else if (this.stuck) this.toBottom();
    else if (seen !== this.seen && last?.kind !== 'visitor') this.pill.hidden = false;
    this.seen = seen;
    this.height = scrollHeight;
  }

  private row(item: Item, previous: Item | undefined, next: Item | undefined, retry: boolean, snapshot: Snapshot, now: number): HTMLElement {
    const first = !sameGroup(previous, item);
    const last = !sameGroup(item, next);
    const day = this.day(previous?.at ?? null, item.at ?? now, now, !previous);
    const waiting = item.outgoing && snapshot.waiting ? Math.max(1, Math.ceil((snapshot.waiting.until - now) / 1000)) : 0;
    const held = item.outgoing?.status === 'queued' && (waiting > 0 || snapshot.link === 'offline');
    const mark = JSON.stringify([first, last, day, retry, held, item.outgoing?.status, waiting, snapshot.waiting?.reason, snapshot.link === 'offline', item.outgoing && snapshot.conversation.outgoing.length]);
    let row = this.rows.get(item.key);
    if (!row) {
      const content = el('div', { class: 'content' });
      row = { node: el('li', { class: 'item' }), content, body: null, mark: '', source: null, growing: false };
      this.rows.set(item.key, row);
    }
    const source = item.entry ?? item.outgoing;
    if (row.source !== source || row.mark !== mark) {
      // While an answer grows only its new blocks are touched: a selection in it stays.
      if (row.growing && row.mark === mark && item.entry?.live && item.entry.text) this.body(row, item.entry);
      else this.fill(row, item, { first, last, day, waiting, held, retry }, snapshot);
      row.growing = item.entry?.live === true && item.entry.text !== '';
      row.source = source;
      row.mark = mark;
    }
    return row.node;
  }

  private fill(
    row: Row,
    item: Item,
    group: { first: boolean; last: boolean; day: string; waiting: number; held: boolean; retry: boolean },
    snapshot: Snapshot,
  ): void {
    const { messages } = this.language;
    const entry = item.entry;
    const day = group.day ? el('div', { class: 'day' }, group.day) : null;
    if (item.kind === 'notice' || item.kind === 'system') {
      const text = entry?.notice ? messages.notices[entry.notice] : (entry?.text ?? '');
      row.node.replaceChildren(...kept(day, el('div', { class: 'notice' }, text)));
      return;
    }
    const mine = item.kind === 'visitor';
    if (!mine && entry?.live !== true && !entry?.text) {
      row.node.replaceChildren(...kept(day, this.outcomeRow(entry, group.retry)));
      return;
    }
    row.content.replaceChildren(...kept(...(mine ? [this.plain(item)] : this.answer(row, entry, group.retry))));
    const meta = this.meta(item, group.last, group.waiting, snapshot);
    const side = mine ? null : group.last ? avatar(item.kind) : el('span', { class: 'avatar none' });
    const bubble = el('div', { class: 'stack' }, row.content, meta);
    const author = mine ? messages.you : (entry?.name ?? (item.kind === 'operator' ? messages.colleague : messages.assistant));
    const name = item.kind === 'operator' && group.first ? el('div', { class: 'name' }, author) : el('span', { class: 'sr' }, `${author}: `);
    row.content.classList.toggle('bubble', true);
    bubble.prepend(name);
    const classes = ['row', mine ? 'mine' : 'ai', group.first && 'first', group.last && 'last', item.outgoing?.status, group.held && 'held'];
    row.node.replaceChildren(...kept(day, el('div', { class: classes.filter(Boolean).join(' ') }, side, bubble)));
    row.node.setAttribute('aria-busy', String(entry?.live === true));
  }

  private plain(item: Item): HTMLElement {
    const text = item.entry?.text ?? item.outgoing?.text ?? '';
    return el('div', { class: 'plain', dir: 'auto', lang: langOf(text) }, text);
  }

  private answer(row: Row, entry: Entry | undefined, retry: boolean): Child[] {
    const { messages } = this.language;
    if (!entry || (entry.live && !entry.text)) return [dots(messages.thinking)];
    const citations = entry.citations ?? [];
    const body = this.body(row, entry);
    const outcome = entry.outcome && entry.outcome !== 'answered' ? messages.outcomes[entry.outcome] : null;
    return [
      outcome && el('div', { class: `label ${entry.outcome}` }, icon(entry.outcome === 'handed_off' ? icons.person : icons.document), outcome),
      body.node,
      entry.incomplete === true && el('div', { class: 'label' }, messages.incomplete),
      citations.length > 0 && this.sources(citations),
      Array.isArray(entry.suggestions) && this.topics(entry.suggestions),
      retry && this.retryButton(entry),
    ];
  }

  private body(row: Row, entry: Entry): AnswerBody {
    row.body ??= new AnswerBody();
    const label = (citation: Citation) => this.label(citation);
    row.body.update(entry.text, { citations: entry.citations ?? [], live: entry.live === true, label, onCite: this.actions.cite });
    return row.body;
  }

  private label(citation: Citation): string {
    return this.language.fill(this.language.messages.openSource, { n: citation.n, title: citation.title });
  }

  private sources(citations: readonly Citation[]): HTMLElement {
    const buttons = citations.map((citation) => {
      const text = el('span', { class: 'title' }, citation.title);
      const button = el('button', { type: 'button', class: 'source', 'aria-haspopup': 'dialog' });
      button.append(el('span', { class: 'n' }, String(citation.n)), ' ', text);
      button.addEventListener('click', () => this.actions.cite(citation, button));
      return el('li', {}, button);
    });
    return el('ul', { class: 'sources', 'aria-label': this.language.messages.sources }, ...buttons);
  }

  private topics(topics: readonly string[]): HTMLElement {
    const buttons = topics.map((topic) => {
      const button = el('button', { type: 'button', class: 'source', onclick: () => this.actions.ask(topic) });
      button.append(el('span', { class: 'title' }, topic));
      return el('li', {}, button);
    });
    return el('ul', { class: 'sources', 'aria-label': this.language.messages.suggestions }, ...buttons);
  }

  /** A turn that left no message: only how it ended. */
  private outcomeRow(entry: Entry | undefined, retry: boolean): HTMLElement {
    const text = entry?.outcome ? (this.language.messages.outcomes[entry.outcome] ?? '') : '';
    const failed = entry?.outcome === 'failed';
    return el('div', { class: `notice ${failed ? 'failed' : ''}`, hidden: !text }, text, entry && retry && this.retryButton(entry));
  }

  private retryButton(entry: Entry): HTMLElement {
    const { messages } = this.language;
    const onclick = (event: Event) => {
      (event.currentTarget as HTMLButtonElement).disabled = true;
      this.actions.retry(entry);
    };
    return el('button', { type: 'button', class: 'action', onclick }, icon(icons.retry), messages.retry);
  }

  private meta(item: Item, last: boolean, seconds: number, snapshot: Snapshot): HTMLElement | null {
    const { messages, plural } = this.language;
    const { outgoing } = item;
    if (outgoing && outgoing.status !== 'sent') {
      const id = outgoing.client_id;
      if (outgoing.status === 'rejected') {
        return el(
          'div',
          { class: 'meta rejected', role: 'alert' },
          outgoing.rejected?.status === 413 ? messages.rejectedLong : messages.rejected,
          el('button', { type: 'button', class: 'action', onclick: () => this.actions.edit(id) }, messages.edit),
          el('button', { type: 'button', class: 'action', onclick: () => this.actions.remove(id) }, messages.remove),
        );
      }
      // How they wait is told under the last one, and what the banner says not again.
      const { outgoing: all } = snapshot.conversation;
      if (outgoing !== all[all.length - 1]) return null;
      const reason = snapshot.waiting?.reason;
      const text =
        reason === 'rate' ? plural(messages.waitRate, seconds)
        : reason === 'busy' ? plural(messages.waitBusy, seconds)
        : snapshot.link === 'offline' || reason === 'closed' ? messages.queued
        : reason === 'network' ? messages.waitNetwork
        : outgoing.status === 'sending' ? messages.sending
        : messages.queued;
      return el('div', { class: `meta ${reason ? '' : 'late'}` }, text);
    }
    if (!last || item.at === null || item.entry?.live) return null;
    const time = new Intl.DateTimeFormat(this.language.locale, { timeStyle: 'short' }).format(item.at);
    return el('time', { class: 'meta', datetime: new Date(item.at).toISOString() }, time);
  }

  /** A heading where a day begins; none for a conversation of today alone. */
  private day(previous: number | null, at: number, now: number, first: boolean): string {
    const midnight = (time: number) => new Date(time).setHours(0, 0, 0, 0);
    if (first ? midnight(at) === midnight(now) : previous === null || midnight(previous) === midnight(at)) return '';
    const ago = Math.max(0, Math.round((midnight(now) - midnight(at)) / 86_400_000));
    const { locale } = this.language;
    if (ago < 2) {
      const text = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(-ago, 'day');
      return text.charAt(0).toLocaleUpperCase(locale) + text.slice(1);
    }
    return new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'long' }).format(at);
  }
}

function itemsOf({ earlier, conversation: state }: Snapshot): Item[] {
  const entries = [...earlier, ...state.entries].map((entry): Item => ({ key: entry.key, kind: entry.kind, at: entry.at, entry }));
  const outgoing = state.outgoing.map((out): Item => ({ key: out.client_id, kind: 'visitor', at: out.at, outgoing: out }));
  return [...entries, ...outgoing];
}

function sameGroup(a: Item | undefined, b: Item | undefined): boolean {
  if (!a || !b || a.kind !== b.kind || a.outgoing?.status === 'rejected') return false;
  return Math.abs((b.at ?? a.at ?? 0) - (a.at ?? b.at ?? 0)) < GROUP;
}

function avatar(kind: Entry['kind']): HTMLElement {
  return el('span', { class: `avatar ${kind}`, 'aria-hidden': 'true' }, icon(kind === 'operator' ? icons.person : icons.spark));
}

function dots(label: string): HTMLElement {
  return el('span', { class: 'dots', role: 'img', 'aria-label': label }, el('i'), el('i'), el('i'));
}

const kept = (...children: Child[]): (Node | string)[] =>
  children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false && child !== '');
