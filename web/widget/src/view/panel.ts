// The panel as a whole: header, welcome, composer; where the focus is, and how it fits a phone. The messages come behind it.

import type { Load } from '../chat';
import type { Snapshot } from '../connection';
import type { PanelLanguage, State } from '../i18n/en';
import { kit } from '../kit';
import type { MessagesModule, Shown } from '../messages';
import { Composer } from './composer';
import { el, icon } from './element';
import * as icons from './icons';

export interface PanelActions {
  setOpen(open: boolean): void;
  send(text: string): boolean;
  draft(text: string): void;
  takeBack(clientId: string): string | null;
  /** Shows what was said before this conversation. */
  earlier(): void;
}

export interface PanelOptions {
  language: PanelLanguage;
  /** The word for closing it. */
  close: string;
  suggestions: readonly string[];
  draft: string;
  /** Ends what listens to the page. */
  signal: AbortSignal;
  load: Load;
}

/** The same condition as in widget.css. */
const PHONE = '(max-width: 32.5em), (max-height: 26.25em)';
const FOCUSABLE = 'button:not([disabled]), textarea, a[href], [tabindex="0"]';

export class Panel {
  private readonly root: HTMLElement;
  private readonly title = el('h2');
  private readonly status = el('span', { class: 'status-text' });
  private readonly banner = el('div', { class: 'banner', role: 'status', hidden: true });
  private readonly greeting = el('h3');
  private readonly skeleton: HTMLElement;
  private readonly welcome: HTMLElement;
  private readonly scroller: HTMLElement;
  private readonly body: HTMLElement;
  private readonly foot: HTMLElement;
  private readonly composer: Composer;
  private shown: Shown | null = null;
  private readonly phone = matchMedia(PHONE);
  private snapshot: Snapshot | null = null;
  private opened = false;
  private pageOverflow = '';

  constructor(
    private readonly frame: HTMLElement,
    private readonly options: PanelOptions,
    private readonly actions: PanelActions,
  ) {
    const { language, signal } = options;
    const { messages } = language;
    this.composer = new Composer(language, { send: (text) => this.send(text), draft: (text) => actions.draft(text) }, options.draft);
    const chips = options.suggestions.map((text) =>
      el('li', {}, el('button', { type: 'button', class: 'chip', onclick: () => this.ask(text) }, el('span', {}, text), icon(icons.arrow))),
    );
    this.welcome = el(
      'div',
      { class: 'welcome', hidden: true },
      el('span', { class: 'mark', 'aria-hidden': 'true' }, icon(icons.spark)),
      this.greeting,
      el('p', {}, messages.welcome),
      chips.length > 0 && el('ul', { class: 'chips', 'aria-label': messages.suggestions }, ...chips),
    );
    this.skeleton = el('div', { class: 'skeleton', role: 'status', 'aria-label': messages.loading, hidden: true }, el('i'), el('i'), el('i'));
    this.scroller = el('div', { class: 'scroller', tabindex: 0, role: 'group', 'aria-label': messages.conversation }, el('div', {}, this.welcome, this.skeleton));
    this.body = el('div', { class: 'body' }, this.scroller);
    const close = el('button', { type: 'button', class: 'round', 'aria-label': options.close, title: options.close, onclick: () => actions.setOpen(false) }, icon(icons.down));
    const header = el(
      'div',
      { class: 'header' },
      el('span', { class: 'logo', 'aria-hidden': 'true' }, icon(icons.spark)),
      el('div', { class: 'head' }, this.title, el('div', { class: 'status' }, el('i', { 'aria-hidden': 'true' }), this.status)),
      close,
    );
    this.title.id = 'title';
    this.foot = el('div', { class: 'foot' }, this.composer.node, el('p', { class: 'disclaimer' }, messages.disclaimer));
    this.root = el('section', { class: 'panel', role: 'dialog', 'aria-labelledby': 'title', tabindex: -1, hidden: true }, header, this.banner, this.body, this.foot);
    frame.prepend(this.root);
    this.phone.addEventListener('change', () => this.fitPage(), { signal });
    for (const type of ['resize', 'scroll']) window.visualViewport?.addEventListener(type, () => this.fitViewport(), { signal });
  }

  /** A key or an edit in the widget. */
  typed(event: Event): void {
    const inside = event.composedPath();
    if (inside[0] === this.composer.field && this.composer.typed(event)) return;
    if (event.type === 'keydown' && inside.includes(this.root)) this.onKey(event as KeyboardEvent);
  }

  /** In the page anew: what had scrolled is at its top again. */
  attached(): void {
    this.shown?.attached();
  }

  /** The messages can be shown now. */
  mount(module: MessagesModule): void {
    const { options, actions, root, body, scroller, composer } = this;
    this.shown = module.showMessages({
      language: options.language,
      root,
      body,
      scroller,
      send: (text) => void this.send(text),
      bring: (text) => composer.bring(text),
      focus: () => composer.field.focus(),
      takeBack: (clientId) => actions.takeBack(clientId),
      earlier: () => actions.earlier(),
      kit,
      load: options.load,
    });
    if (this.snapshot) this.update(this.snapshot);
    if (this.opened) this.shown.toBottom();
  }

  /** `focus` is false where the panel is open from the start: a page that loads keeps its own focus. */
  setOpen(open: boolean, focus = true): void {
    if (open === this.opened) return;
    this.opened = open;
    this.root.hidden = !open;
    this.frame.toggleAttribute('data-open', open);
    this.fitPage();
    if (open) {
      this.composer.fit();
      this.shown?.toBottom();
      if (!focus) return;
      // On a touch screen the focus would bring the keyboard up over the greeting.
      if (matchMedia('(pointer: coarse)').matches) this.root.focus({ preventScroll: true });
      else this.composer.field.focus({ preventScroll: true });
    } else this.shown?.closeCard();
  }

  ask(text: string): void {
    this.send(text);
    this.composer.field.focus({ preventScroll: true });
  }

  update(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    const { language } = this.options;
    const { messages } = language;
    const { conversation, site } = snapshot;
    this.title.textContent = site?.name ?? messages.assistant;
    this.greeting.textContent = site?.greeting || messages.greeting;
    const state = stateOf(snapshot);
    this.root.dataset['link'] = state;
    // Each state is told in one place: in the header, or with what it means for the visitor in the banner.
    const banner = snapshot.outboxFull ? messages.outboxFull : state in messages.banners ? messages.banners[state as keyof typeof messages.banners] : '';
    setText(this.status, banner ? '' : (messages.states[state as keyof typeof messages.states] ?? ''));
    this.banner.hidden = !banner;
    setText(this.banner, banner);
    const empty = conversation.entries.length === 0 && conversation.outgoing.length === 0;
    this.skeleton.hidden = empty ? !snapshot.loading : this.shown !== null;
    this.welcome.hidden = !empty || snapshot.loading;
    this.composer.setLimit(site?.limits?.max_message_chars);
    this.composer.setPlaceholder(conversation.mode === 'closed' ? messages.placeholderClosed : messages.placeholder);
    this.shown?.update(snapshot, this.opened);
    // What cannot be sent any more is not written.
    if (state === 'gone' && !this.foot.hidden) {
      this.foot.hidden = true;
      if (this.opened) this.root.focus({ preventScroll: true });
    }
  }

  private send(text: string): boolean {
    const sent = this.actions.send(text);
    if (sent) this.shown?.toBottom();
    return sent;
  }

  private onKey(event: KeyboardEvent): void {
    const card = this.shown?.card();
    if (event.key === 'Escape' && !event.isComposing) {
      if (card) this.shown?.closeCard();
      else this.actions.setOpen(false);
    } else if (event.key === 'Tab' && (card || this.phone.matches)) this.keepFocus(event, card ?? this.root);
  }

  private keepFocus(event: KeyboardEvent, within: HTMLElement): void {
    const stops = [...within.querySelectorAll<HTMLElement>(FOCUSABLE)].filter((node) => node.getClientRects().length > 0);
    const first = stops[0];
    const last = stops[stops.length - 1];
    const active = (this.root.getRootNode() as ShadowRoot).activeElement;
    if (!first || !last) return;
    if (event.shiftKey ? active === first || active === this.root : active === last) {
      event.preventDefault();
      (event.shiftKey ? last : first).focus();
    }
  }

  /** On a phone the panel is the screen: the page behind it neither scrolls nor takes the focus. */
  private fitPage(): void {
    const modal = this.opened && this.phone.matches;
    if (modal) this.root.setAttribute('aria-modal', 'true');
    else this.root.removeAttribute('aria-modal');
    const { style } = document.documentElement;
    if (modal && this.pageOverflow === '') {
      this.pageOverflow = style.overflow || 'auto-restore';
      style.overflow = 'hidden';
    } else if (!modal && this.pageOverflow !== '') {
      style.overflow = this.pageOverflow === 'auto-restore' ? '' : this.pageOverflow;
      this.pageOverflow = '';
    }
    this.fitViewport();
  }

  /** With the keyboard up only the visual viewport says how much is left to see. */
  private fitViewport(): void {
    const view = window.visualViewport;
    if (!view || !this.opened || !this.phone.matches) return;
    this.frame.style.setProperty('--view-top', `${view.offsetTop}px`);
    this.frame.style.setProperty('--view-height', `${view.height}px`);
  }
}

/** What is true of the service now. That answers come in seconds is said only where the AI answers and the last one came. */
function stateOf({ conversation: { mode, entries }, site, link, waiting, refused }: Snapshot): State {
  if (refused !== null) return 'gone';
  if (link === 'offline') return 'offline';
  if (waiting?.reason === 'closed') return 'closed';
  if (waiting?.reason === 'busy') return 'busy';
  if (link === 'connecting' || !site) return 'connecting';
  if (mode === 'operator') return 'operator';
  const ended = entries.filter((entry) => entry.outcome);
  return ended[ended.length - 1]?.outcome === 'failed' ? 'busy' : 'online';
}

/** Setting the same words again would have them read out again. */
function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}
