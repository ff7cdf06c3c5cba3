// The element in which a widget lives on a page that knows nothing of it: what the page's styles, scripts and navigation
// do to it is met here.
//
// - Its own `!important` rules win over the page's (CSS Cascade 5, "context"), so no reset reaches it.
// - It is in the top layer, over every z-index and out of every transform.
// - What is typed in it is taken at the window, before any shortcut of the page.
// - Where a page puts another body or document in its place it comes back.

import css from './view/launcher.css';
import { addStyles } from './view/style';

const TAG = 'frontdesk-widget';
const TYPED = ['keydown', 'keypress', 'keyup', 'beforeinput', 'input', 'compositionstart', 'compositionupdate', 'compositionend', 'paste', 'copy', 'cut'];
const SCROLLED = ['wheel', 'touchmove'];
/** Taken away this often within a second each time, it is not wanted. */
const MAX_RETURNS = 20;

export interface HostHooks {
  /** A key or an edit inside; the page does not see it. */
  typed(event: Event): void;
  /** It stands in the page anew. */
  attached(): void;
  /** The page took it away for good. */
  removed(): void;
}

export class Host {
  readonly node = document.createElement(TAG);
  /** Everything that is seen. The page's styles and variables end outside of it. */
  readonly frame = document.createElement('div');
  private readonly root: ShadowRoot;
  private readonly observer = new MutationObserver((records) => this.changed(records));
  private returns = 0;
  private returned = 0;

  constructor(
    private readonly script: HTMLScriptElement | null,
    private readonly hooks: HostHooks,
    signal: AbortSignal,
  ) {
    const { node, frame } = this;
    node.setAttribute('data-frontdesk', '');
    node.setAttribute('popover', 'manual');
    node.hidden = true;
    frame.className = 'frame';
    this.root = node.attachShadow({ mode: 'open' });
    addStyles(this.root, css);
    this.root.append(frame);
    for (const type of TYPED) {
      const taken = (event: Event) => {
        if (!event.composedPath().includes(node)) return;
        event.stopImmediatePropagation();
        hooks.typed(event);
      };
      window.addEventListener(type, taken, { capture: true, signal });
    }
    // A page that scrolls by itself would keep the messages from scrolling.
    for (const type of SCROLLED) node.addEventListener(type, (event) => event.stopPropagation(), { passive: true });
  }

  /** Puts it into the page, at the end of the body: there other scripts' elements do no harm to a page that hydrates. */
  attach(): void {
    // Copies from the cache of a page that navigates by itself.
    for (const copy of document.querySelectorAll(TAG)) if (!copy.shadowRoot) copy.remove();
    (document.body ?? document.documentElement).append(this.node);
    this.raise();
    this.observe();
    this.hooks.attached();
  }

  /** Over what came into the top layer later. */
  raise(): void {
    try {
      this.node.hidePopover();
      this.node.showPopover();
    } catch {
      // A browser without popovers: the z-index will do.
    }
  }

  remove(): void {
    this.observer.disconnect();
    this.node.remove();
  }

  private observe(): void {
    this.observer.disconnect();
    for (const parent of [document, document.documentElement, document.body]) if (parent) this.observer.observe(parent, { childList: true });
  }

  private changed(records: readonly MutationRecord[]): void {
    if (this.node.isConnected) return this.observe();
    const alone = records.some(({ removedNodes }) => removedNodes.length === 1 && removedNodes[0] === this.node);
    // A component that took away its script tag and this meant it; one that changed the whole page did not.
    if (alone && this.script && !this.script.isConnected) return this.hooks.removed();
    const now = performance.now();
    this.returns = now - this.returned < 1000 ? this.returns + 1 : 0;
    this.returned = now;
    if (this.returns < MAX_RETURNS) return this.attach();
    console.error('Frontdesk: the page keeps taking the widget away, so it stays away');
    this.hooks.removed();
  }
}
