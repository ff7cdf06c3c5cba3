// widget-source.js: the card of one citation: which document, which version, and the words that were quoted.

import type { PanelLanguage } from '../i18n/en';
import type { Kit } from '../kit';
import type { langOf, safeHref, tied } from '../markdown';
import type { Citation } from '../wire';
import { el, icon } from './element';
import * as icons from './icons';
import css from './source.css';
import { addStyles } from './style';

/** What the messages give. */
export interface Sheet {
  language: PanelLanguage;
  /** The panel. */
  root: HTMLElement;
  kit: Kit;
  langOf: typeof langOf;
  safeHref: typeof safeHref;
  tied: typeof tied;
}

export interface SourceModule {
  version: string;
  makeCard(sheet: Sheet): CitationCard;
}

export class CitationCard {
  readonly node = el('div', { class: 'sheet', hidden: true });
  private from: HTMLElement | null = null;

  constructor(private readonly sheet: Sheet) {
    const { root } = sheet;
    addStyles(root.getRootNode() as ShadowRoot, css);
    root.append(this.node);
    this.node.addEventListener('click', (event) => {
      if (event.target === this.node) this.close();
    });
  }

  get isOpen(): boolean {
    return !this.node.hidden;
  }

  open(citation: Citation, from: HTMLElement): void {
    const { language, langOf, safeHref, tied } = this.sheet;
    const { messages, fill } = language;
    const href = citation.url ? safeHref(citation.url) : null;
    const version = citation.version === undefined || citation.version === '' ? null : fill(messages.version, { version: citation.version });
    // Lines of a text that was wrapped by hand are one paragraph.
    const quote = tied(citation.quote.replace(/\n(?=\p{Ll})/gu, ' '));
    const close = el('button', { type: 'button', class: 'round', 'aria-label': messages.closeSource, onclick: () => this.close() }, icon(icons.close));
    const card = el(
      'section',
      { class: 'card', role: 'dialog', 'aria-modal': 'true', 'aria-labelledby': 'card-title' },
      el(
        'div',
        { class: 'card-head' },
        el('span', { class: 'tile', 'aria-hidden': 'true' }, icon(icons.document)),
        el(
          'div',
          { class: 'head' },
          el('div', { class: 'kicker' }, [`${messages.source} ${citation.n}`, version].filter(Boolean).join(' · ')),
          el('h3', { id: 'card-title', dir: 'auto' }, citation.title),
        ),
        close,
      ),
      el('blockquote', { tabindex: 0, dir: 'auto', lang: langOf(quote) }, quote),
      href && el('a', { class: 'button', href, target: '_blank', rel: 'noopener noreferrer' }, messages.openDocument, icon(icons.out)),
    );
    this.node.replaceChildren(card);
    this.node.hidden = false;
    this.from = from;
    close.focus({ preventScroll: true });
  }

  /** Gives the focus back to what opened it. */
  close(): void {
    if (!this.isOpen) return;
    this.node.hidden = true;
    this.node.replaceChildren();
    if (this.from?.isConnected) this.from.focus({ preventScroll: true });
    this.from = null;
  }
}
