// The button in the corner: all that is there until a visitor asks for more.

import type { Language } from '../i18n/index';
import type { LauncherWords } from '../i18n/launcher';
import { el, icon } from './element';
import * as icons from './icons';

export class Launcher {
  private readonly badge = el('span', { class: 'badge', hidden: true });
  readonly node: HTMLButtonElement;

  /** `near`: the pointer or the focus is on it. */
  constructor(
    private readonly language: Language<LauncherWords>,
    toggle: () => void,
    near: () => void,
  ) {
    this.node = el('button', { type: 'button', class: 'launcher', 'aria-haspopup': 'dialog', onclick: toggle, onpointerenter: near, onfocus: near });
    this.node.append(el('span', { class: 'face' }, icon(icons.chat)), el('span', { class: 'face back' }, icon(icons.down)), this.badge);
  }

  update(open: boolean, busy: boolean, unread: number): void {
    const { messages, plural } = this.language;
    this.badge.hidden = unread === 0;
    this.badge.textContent = unread > 99 ? '99+' : String(unread);
    const label = open ? messages.close : unread ? `${messages.launcher}, ${plural(messages.unread, unread)}` : messages.launcher;
    this.node.setAttribute('aria-label', label);
    this.node.setAttribute('aria-expanded', String(open && !busy));
    this.node.setAttribute('aria-busy', String(busy));
  }
}
