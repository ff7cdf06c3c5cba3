// Where the visitor writes. Nothing typed is lost: every key press is handed out as a draft, and a text that is too
// long is counted and kept, never cut.

import type { PanelLanguage } from '../i18n/en';
import { el, icon } from './element';
import * as icons from './icons';

export interface ComposerActions {
  /** False keeps the text where it is. */
  send(text: string): boolean;
  draft(text: string): void;
}

/** In heights of a line. */
const MAX_LINES = 6;

/** Characters as the server counts them: Unicode code points. */
export const countChars = (text: string): number => [...text].length;

export class Composer {
  readonly node: HTMLElement;
  readonly field: HTMLTextAreaElement;
  private readonly button: HTMLButtonElement;
  private readonly counter: HTMLElement;
  private max = Infinity;

  constructor(
    private readonly language: PanelLanguage,
    private readonly actions: ComposerActions,
    draft: string,
  ) {
    const { messages } = language;
    this.counter = el('div', { class: 'counter', id: 'counter', role: 'status', hidden: true });
    this.field = el('textarea', { rows: 1, dir: 'auto', 'aria-label': messages.placeholder, placeholder: messages.placeholder, 'aria-describedby': 'counter', enterkeyhint: 'send', autocomplete: 'off' });
    this.button = el('button', { type: 'button', class: 'send', 'aria-label': messages.send, title: messages.send, onclick: () => this.submit() }, icon(icons.send));
    // No form: in a sandbox it may not be sent.
    this.node = el('div', { class: 'composer' }, this.counter, el('div', { class: 'box' }, this.field, this.button));
    this.field.value = draft;
    this.edited();
  }

  /** A key or an edit in the field; true where that was all it meant. */
  typed(event: Event): boolean {
    if (event.type === 'input') this.edited();
    const { key, shiftKey, isComposing, keyCode } = event as KeyboardEvent;
    // Enter that ends the composition of a character (Japanese, Chinese…) is not a wish to send.
    if (event.type !== 'keydown' || key !== 'Enter' || shiftKey || isComposing || keyCode === 229) return false;
    event.preventDefault();
    this.submit();
    return true;
  }

  setLimit(max: number | undefined): void {
    const limit = max && max > 0 ? max : Infinity;
    if (limit === this.max) return;
    this.max = limit;
    this.edited();
  }

  setPlaceholder(text: string): void {
    if (this.field.placeholder === text) return;
    this.field.placeholder = text;
    this.field.setAttribute('aria-label', text);
  }

  /** Adds to what is there: nothing typed meanwhile is overwritten. */
  bring(text: string): void {
    this.field.value = [text, this.field.value].filter(Boolean).join('\n');
    this.edited();
    this.field.focus();
  }

  /** The height of the field follows its text; also after it became visible. */
  fit(): void {
    const { style } = this.field;
    style.height = 'auto';
    if (this.field.scrollHeight) style.height = `${Math.min(MAX_LINES * parseFloat(getComputedStyle(this.field).lineHeight), this.field.scrollHeight)}px`;
  }

  private submit(): void {
    const text = this.field.value.trim();
    if (!text || countChars(text) > this.max || !this.actions.send(text)) return;
    this.field.value = '';
    this.edited();
  }

  private edited(): void {
    const text = this.field.value.trim();
    this.actions.draft(this.field.value);
    const left = this.max - countChars(text);
    const { messages, plural } = this.language;
    this.counter.hidden = left > Math.max(20, Math.min(200, this.max / 10));
    this.counter.textContent = this.counter.hidden ? '' : left < 0 ? plural(messages.over, -left) : plural(messages.left, left);
    this.counter.classList.toggle('over', left < 0);
    this.field.setAttribute('aria-invalid', String(left < 0));
    // aria-disabled, not disabled: the button keeps the focus when it was pressed by keyboard.
    this.button.setAttribute('aria-disabled', String(!text || left < 0));
    this.fit();
  }
}
