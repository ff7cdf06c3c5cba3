// The element in which a widget lives on a page that knows nothing of it: what the page's styles, scripts and navigation
// do to it is met here.
//
// - Its own `!important` rules win over the page's (CSS Cascade 5, "context"), so no reset reaches it.
// - It is in the top layer, over every z-index and out of every transform.
// - What is typed in it is taken at the window, before any shortcut of the page; that it has the focus, before what calls it back.
// - It is of its own size, however the page is zoomed.
// - Where a page puts another body or document in its place it comes back.

import css from './view/launcher.css';
import { addStyles } from './view/style';

const TAG = 'frontdesk-widget';
const TYPED = ['keydown', 'keypress', 'keyup', 'beforeinput', 'input', 'compositionstart', 'compositionupdate', 'compositionend', 'paste', 'copy', 'cut', 'focusin'];
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
  private readonly listeners: (() => void)[] = [];
  private returns = 0;
  private returned = 0;

  constructor(
    private readonly script: HTMLScriptElement | null,
    private readonly hooks: HostHooks,
    private readonly signal: AbortSignal,
  ) {
    const { node, frame } = this;
    node.setAttribute('data-frontdesk', '');
    node.setAttribute('popover', 'manual');
    node.hidden = true;
    frame.className = 'frame';
    this.root = node.attachShadow({ mode: 'open' });
    addStyles(this.root, css);
    this.root.append(frame);
    const taken = (event: Event) => {
      if (!event.composedPath().includes(node)) return;
      event.stopImmediatePropagation();
      hooks.typed(event);
    };
    for (const type of TYPED) this.listen(window, type, taken, true);
    // A page that scrolls by itself would keep the messages from scrolling.
    for (const type of SCROLLED) node.addEventListener(type, (event) => event.stopPropagation(), { passive: true });
  }

  /** Until it is taken away, also over a document that is written anew, which loses what listens to it. */
  listen(target: EventTarget, type: string, listener: (event: never) => void, capture = false): void {
    const add = () => target.addEventListener(type, listener as EventListener, { capture, signal: this.signal });
    this.listeners.push(add);
    add();
  }

  /** Puts it into the page, at the end of the body: there other scripts' elements do no harm to a page that hydrates. */
  attach(): void {
    // Copies from the cache of a page that navigates by itself.
    for (const copy of document.querySelectorAll(TAG)) if (!copy.shadowRoot) copy.remove();
    (document.body ?? document.documentElement).append(this.node);
    this.raise();
    this.observe();
    for (const add of this.listeners) add();
    this.hooks.attached();
  }

  /** Over what came into the top layer later. */
  raise(): void {
    const { node } = this;
    const zoom = (node.parentElement as { currentCSSZoom?: number } | null)?.currentCSSZoom ?? 1;
    node.style.setProperty('--frontdesk-zoom', String(1 / zoom));
    try {
      node.hidePopover();
      node.showPopover();
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
