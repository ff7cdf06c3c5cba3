// The small part of Markdown that answers use, parsed to plain data. It gives no HTML: the view makes DOM nodes of a
// fixed set of kinds, so whatever a model or a document says stays text. Links lead to http, https and mailto only,
// and pictures become links, because loading one would tell a stranger that it was looked at.

export type Inline =
  | { t: 'text'; v: string }
  | { t: 'code'; v: string }
  | { t: 'strong' | 'em' | 'del'; c: Inline[] }
  | { t: 'link'; href: string; c: Inline[] }
  | { t: 'cite'; n: number }
  | { t: 'br' };

export type Block =
  | { t: 'p' | 'h'; c: Inline[] }
  | { t: 'ul' | 'ol'; start: number; items: Block[][] }
  | { t: 'pre'; v: string }
  | { t: 'quote'; c: Block[] }
  | { t: 'table'; head: Inline[][]; rows: Inline[][][] }
  | { t: 'hr' };

/** Deeper nesting is shown as text: a hostile answer must not exhaust the stack. */
const MAX_DEPTH = 6;
/** Marks that turn out not to be the end of an emphasis; more of them is no text but an attack on the time of parsing. */
const MAX_TRIES = 24;

/** The address if it may be linked, else null. */
export function safeHref(address: string): string | null {
  try {
    const url = new URL(address.trim());
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** `open`: the text is still being written, so a mark without its end reaches to the end of the block. */
export function parseMarkdown(text: string, open = false): Block[] {
  return blocks(text.replace(/\r\n?/g, '\n').split('\n'), open, 0);
}

/** What a screen reader or a preview says. */
export function plainText(list: readonly Block[]): string {
  const inline = (nodes: readonly Inline[]): string =>
    nodes.map((node) => ('v' in node ? node.v : 'c' in node ? inline(node.c) : node.t === 'br' ? '\n' : '')).join('');
  return list
    .map((block): string => {
      switch (block.t) {
        case 'p':
        case 'h':
          return inline(block.c);
        case 'pre':
          return block.v;
        case 'quote':
          return plainText(block.c);
        case 'table':
          return [block.head, ...block.rows].map((row) => row.map(inline).join(', ')).join('\n');
        case 'hr':
          return '';
        default:
          return block.items.map(plainText).join('\n');
      }
    })
    .filter(Boolean)
    .join('\n');
}

const UNIT = /(\d) (?=\d{3}(?!\d)|[₽€£¥₴₸$%‰°]|(?:руб|коп|кг|г|км|м|см|мм|мл|л|шт|ч|мин|сек|RUB|USD|EUR|GBP|kg|g|km|m|cm|mm|ml|l|h|min|pcs)(?![\p{L}\p{N}]))/gu;

/** A number stays on one line with its unit, and in one piece. */
export const tied = (text: string): string => text.replace(UNIT, '$1\u00a0');

const SCRIPTS = { ru: 'Cyrillic', ar: 'Arabic', he: 'Hebrew', el: 'Greek', hi: 'Devanagari', th: 'Thai', ko: 'Hangul', ja: 'Hiragana', zh: 'Han', en: 'Latin' };

/** The language that a text is most likely in, by the script of its first letter; null where there is none. It is for voices and fonts. */
export function langOf(text: string): string | null {
  const letter = /\p{L}/u.exec(text)?.[0];
  const found = letter && Object.entries(SCRIPTS).find(([, script]) => new RegExp(`\\p{Script=${script}}`, 'u').test(letter));
  return found ? found[0] : null;
}

const BULLET = /^( {0,3})([-*+•])\s+(.*)$/;
const NUMBER = /^( {0,3})(\d{1,9})[.)]\s+(.*)$/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

function blocks(lines: readonly string[], open: boolean, depth: number): Block[] {
  const out: Block[] = [];
  let paragraph: string[] = [];
  const flush = (last = false) => {
    if (paragraph.length) out.push({ t: 'p', c: inlines(paragraph.join('\n'), open && last) });
    paragraph = [];
  };
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? '';
    const last = i === lines.length - 1;
    const fence = /^ {0,3}(```+|~~~+)/.exec(line);
    if (fence) {
      flush();
      const mark = fence[1] ?? '```';
      const code: string[] = [];
      for (i++; i < lines.length && !(lines[i] ?? '').trimStart().startsWith(mark); i++) code.push(lines[i] ?? '');
      out.push({ t: 'pre', v: code.join('\n') });
      continue;
    }
    if (!line.trim()) {
      flush();
      continue;
    }
    const heading = /^ {0,3}#{1,6}\s+(.*?)\s*#*$/.exec(line);
    if (heading) {
      flush();
      out.push({ t: 'h', c: inlines(heading[1] ?? '', open && last) });
      continue;
    }
    if (/^ {0,3}([-*_])(\s*\1){2,}\s*$/.test(line)) {
      flush();
      out.push({ t: 'hr' });
      continue;
    }
    if (/^ {0,3}>/.test(line) && depth < MAX_DEPTH) {
      flush();
      const inner: string[] = [];
      for (; i < lines.length && /^ {0,3}>/.test(lines[i] ?? ''); i++) inner.push((lines[i] ?? '').replace(/^ {0,3}> ?/, ''));
      out.push({ t: 'quote', c: blocks(inner, open && i >= lines.length, depth + 1) });
      i--;
      continue;
    }
    if (line.includes('|') && TABLE_RULE.test(lines[i + 1] ?? '') && (lines[i + 1] ?? '').includes('|')) {
      flush();
      const head = cells(line);
      const rows: Inline[][][] = [];
      for (i += 2; i < lines.length && (lines[i] ?? '').includes('|'); i++) rows.push(cells(lines[i] ?? '').slice(0, head.length));
      out.push({ t: 'table', head, rows });
      i--;
      continue;
    }
    const kind = BULLET.test(line) ? 'ul' : NUMBER.test(line) ? 'ol' : null;
    // A number in the middle of a paragraph ("since\n1998. …") does not begin a list.
    if (kind && depth < MAX_DEPTH && (kind === 'ul' || !paragraph.length || /^\s*1[.)]/.test(line))) {
      flush();
      const from = i;
      const marker = kind === 'ul' ? BULLET : NUMBER;
      const items: string[][] = [];
      const indent = marker.exec(line)?.[1]?.length ?? 0;
      for (; i < lines.length; i++) {
        const here = lines[i] ?? '';
        const item = marker.exec(here);
        if (item && (item[1]?.length ?? 0) <= indent + 1) items.push([item[3] ?? '']);
        else if (/^(\s{2,}|\t)\S/.test(here)) items[items.length - 1]?.push(here.replace(/^(\t| {2,4})/, ''));
        else if (here.trim() || !marker.test(lines[i + 1] ?? '')) break;
      }
      const start = kind === 'ol' ? Number(NUMBER.exec(lines[from] ?? '')?.[2] ?? 1) : 1;
      const over = open && i >= lines.length;
      out.push({ t: kind, start, items: items.map((item, n) => blocks(item, over && n === items.length - 1, depth + 1)) });
      i--;
      continue;
    }
    paragraph.push(line.trim());
  }
  flush(true);
  return out;
}

function cells(line: string): Inline[][] {
  const inner = line.trim().replace(/^\|/, '').replace(/\|$/, '');
  return inner.split(/(?<!\\)\|/).map((cell) => inlines(cell.trim(), false));
}

const CITE = /\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\](?!\()/y;
const LINK = /!?\[((?:[^[\]\\]|\\.){0,500})\]\(\s*<?([^\s()<>]{1,2000}(?:\([^\s()<>]*\)[^\s()<>]*)?)>?(?:\s+"[^"]*")?\s*\)/y;
const BARE = /https?:\/\/[^\s<>"'`|\\^{}]+/y;
const WORD = /[\p{L}\p{N}]/u;
const SMALL = /\p{Ll}/u;

function inlines(text: string, open: boolean, depth = 0): Inline[] {
  const out: Inline[] = [];
  let plain = '';
  const flush = () => {
    if (plain) out.push({ t: 'text', v: plain });
    plain = '';
  };
  const put = (node: Inline) => {
    flush();
    out.push(node);
  };
  const at = (pattern: RegExp, index: number) => {
    pattern.lastIndex = index;
    return pattern.exec(text);
  };
  for (let i = 0; i < text.length; ) {
    const c = text[i] ?? '';
    if (c === '\\' && /[!-/:-@[-`{-~]/.test(text[i + 1] ?? '')) {
      plain += text[i + 1];
      i += 2;
    } else if (c === '\n') {
      // A text that was wrapped by hand goes on in small letters.
      if (SMALL.test(text[i + 1] ?? '')) plain += ' ';
      else put({ t: 'br' });
      i += 1;
    } else if (c === '`') {
      const mark = /^`+/.exec(text.slice(i, i + 8))?.[0] ?? '`';
      const end = text.indexOf(mark, i + mark.length);
      if (end < 0 && !open) {
        plain += mark;
        i += mark.length;
      } else {
        put({ t: 'code', v: text.slice(i + mark.length, end < 0 ? text.length : end).trim() });
        i = end < 0 ? text.length : end + mark.length;
      }
    } else if (c === '[' || (c === '!' && text[i + 1] === '[')) {
      const cite = c === '[' ? at(CITE, i) : null;
      const link = cite || depth >= MAX_DEPTH ? null : at(LINK, i);
      const href = link && safeHref(link[2] ?? '');
      if (cite) {
        for (const n of (cite[1] ?? '').split(',')) put({ t: 'cite', n: Number(n) });
        i += cite[0].length;
      } else if (link && href) {
        put({ t: 'link', href, c: inlines(link[1] || href, false, MAX_DEPTH) });
        i += link[0].length;
      } else {
        plain += c;
        i += 1;
      }
    } else if ((c === '*' || c === '_' || c === '~') && depth < MAX_DEPTH) {
      const span = emphasis(text, i, c, open);
      if (span) {
        put({ t: span.t, c: inlines(text.slice(span.from, span.to), open && span.to === text.length, depth + 1) });
        i = span.next;
      } else {
        const run = /^([*_~])\1*/.exec(text.slice(i, i + 3))?.[0] ?? c;
        plain += run;
        i += run.length;
      }
    } else if (c === 'h' && !WORD.test(text[i - 1] ?? '')) {
      const bare = at(BARE, i)?.[0].replace(/[.,;:!?…»”*_~)\]]+$/, '');
      const href = bare ? safeHref(bare) : null;
      if (bare && href && depth < MAX_DEPTH) {
        put({ t: 'link', href, c: [{ t: 'text', v: bare }] });
        i += bare.length;
      } else {
        plain += c;
        i += 1;
      }
    } else {
      plain += c;
      i += 1;
    }
  }
  flush();
  return out;
}

interface Span {
  t: 'strong' | 'em' | 'del';
  from: number;
  to: number;
  next: number;
}

function emphasis(text: string, i: number, c: string, open: boolean): Span | null {
  const double = text[i + 1] === c;
  if (c === '~' && !double) return null;
  const mark = double ? c + c : c;
  const from = i + mark.length;
  if (!/\S/.test(text[from] ?? '') || (c === '_' && WORD.test(text[i - 1] ?? ''))) return null;
  const t = c === '~' ? 'del' : double ? 'strong' : 'em';
  let tries = 0;
  for (let end = text.indexOf(mark, from + 1); end >= 0 && tries < MAX_TRIES; end = text.indexOf(mark, end + 1), tries++) {
    const next = end + mark.length;
    if (!double && text[next] === c) {
      // That is a ** inside of a *…*, not its end.
      end = next;
      continue;
    }
    if (/\s/.test(text[end - 1] ?? '') || (c === '_' && WORD.test(text[next] ?? ''))) continue;
    return { t, from, to: end, next };
  }
  return open && double ? { t, from, to: text.length, next: text.length } : null;
}
