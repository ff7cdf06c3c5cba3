// Parsed Markdown as DOM nodes. While an answer is being written only the blocks that changed are made anew, so a
// selection in the part that is finished stays.

import { toJson } from '../json';
import { langOf, parseMarkdown, tied, type Block, type Inline } from '../markdown';
import type { Citation } from '../wire';
import { el } from './element';

export interface AnswerContext {
  citations: readonly Citation[];
  live: boolean;
  label(citation: Citation): string;
  onCite(citation: Citation, from: HTMLElement): void;
}

export class AnswerBody {
  readonly node = el('div', { class: 'md' });
  private shown: { key: string; node: HTMLElement }[] = [];

  update(text: string, context: AnswerContext): void {
    this.node.classList.toggle('live', context.live);
    this.node.lang = langOf(text) ?? '';
    const mark = toJson([context.live, context.citations.map((citation) => citation.n)]);
    const next = parseMarkdown(text, context.live).map((block) => ({ block, key: toJson(block) + (hasCitation(block) ? mark : '') }));
    let same = 0;
    while (same < next.length && next[same]?.key === this.shown[same]?.key) same += 1;
    for (const old of this.shown.splice(same)) old.node.remove();
    for (const { block, key } of next.slice(same)) {
      const node = renderBlock(block, context);
      this.shown.push({ key, node });
      this.node.append(node);
    }
  }
}

/** Each block runs as its own first letter does. */
const AUTO = { dir: 'auto' };

const hasCitation = (block: Block): boolean => toJson(block).includes('"t":"cite"');

function renderBlock(block: Block, context: AnswerContext): HTMLElement {
  const inline = (parent: HTMLElement, nodes: readonly Inline[]) => {
    for (const node of nodes) parent.append(renderInline(node, context));
    return parent;
  };
  switch (block.t) {
    case 'p':
      return inline(el('p', AUTO), block.c);
    case 'h':
      return inline(el('p', { class: 'heading', role: 'heading', 'aria-level': 3, ...AUTO }), block.c);
    case 'hr':
      return el('hr');
    case 'pre':
      return el('pre', { tabindex: 0, dir: 'ltr' }, el('code', {}, block.v));
    case 'quote':
      return el('blockquote', {}, ...block.c.map((inner) => renderBlock(inner, context)));
    case 'table': {
      const row = (cells: readonly Inline[][], tag: 'th' | 'td') => el('tr', {}, ...cells.map((cell) => inline(el(tag, AUTO), cell)));
      const table = el('table', {}, el('thead', {}, row(block.head, 'th')), el('tbody', {}, ...block.rows.map((cells) => row(cells, 'td'))));
      return el('div', { class: 'table', tabindex: 0, role: 'group' }, table);
    }
    default: {
      const start = block.t === 'ol' && block.start !== 1 ? block.start : null;
      return el(block.t, { start, ...AUTO }, ...block.items.map((item) => el('li', AUTO, ...item.map((inner) => renderBlock(inner, context)))));
    }
  }
}

function renderInline(node: Inline, context: AnswerContext): Node {
  switch (node.t) {
    case 'text':
      return document.createTextNode(tied(node.v));
    case 'br':
      return el('br');
    case 'code':
      return el('code', {}, node.v);
    case 'link':
      return el('a', { href: node.href, target: '_blank', rel: 'noopener noreferrer nofollow ugc' }, ...node.c.map((c) => renderInline(c, context)));
    case 'cite': {
      const citation = context.citations.find((other) => other.n === node.n);
      // Citations come with the end of an answer; until then the mark is only in its place.
      if (!citation) return context.live ? el('span', { class: 'cite', 'aria-hidden': 'true' }, String(node.n)) : document.createTextNode(`[${node.n}]`);
      const button = el('button', { type: 'button', class: 'cite', 'aria-label': context.label(citation), 'aria-haspopup': 'dialog' }, String(node.n));
      button.addEventListener('click', () => context.onCite(citation, button));
      return button;
    }
    default:
      return el(node.t, {}, ...node.c.map((c) => renderInline(c, context)));
  }
}
