import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMarkdown, plainText, safeHref, tied, type Block, type Inline } from '../src/markdown';
import { seeded } from './seeded';

const only = (text: string): Inline[] => {
  const [block] = parseMarkdown(text);
  assert.ok(block && 'c' in block && block.t === 'p');
  return block.c as Inline[];
};

function links(list: readonly Block[]): string[] {
  const found: string[] = [];
  JSON.stringify(list, (key: string, value: unknown) => {
    if (key === 'href') found.push(String(value));
    return value;
  });
  return found;
}

test('marks of emphasis, code and strike', () => {
  assert.deepEqual(only('**a** *b* `c*d` ~~e~~ __f__ _g_'), [
    { t: 'strong', c: [{ t: 'text', v: 'a' }] },
    { t: 'text', v: ' ' },
    { t: 'em', c: [{ t: 'text', v: 'b' }] },
    { t: 'text', v: ' ' },
    { t: 'code', v: 'c*d' },
    { t: 'text', v: ' ' },
    { t: 'del', c: [{ t: 'text', v: 'e' }] },
    { t: 'text', v: ' ' },
    { t: 'strong', c: [{ t: 'text', v: 'f' }] },
    { t: 'text', v: ' ' },
    { t: 'em', c: [{ t: 'text', v: 'g' }] },
  ]);
});

test('signs that are no marks stay as they are', () => {
  for (const text of ['2 * 3 * 4', 'snake_case_name', '5000 ₽ ** and', 'a ~ b', '300 ₽* (*см. условия', '[x](', '1 < 2 & 3 > 2']) {
    assert.equal(plainText(parseMarkdown(text)), text);
  }
});

test('citations are numbers in brackets, also several, and never the text of a link', () => {
  assert.deepEqual(only('a [1][2] b [3, 4]').filter((node) => node.t === 'cite'), [1, 2, 3, 4].map((n) => ({ t: 'cite', n })));
  assert.deepEqual(only('[1](https://a.example/)'), [{ t: 'link', href: 'https://a.example/', c: [{ t: 'text', v: '1' }] }]);
});

test('lists, nested lists, quotes, code blocks, tables and rules', () => {
  const kinds = (text: string) => parseMarkdown(text).map((block) => block.t);
  assert.deepEqual(kinds('# Title\ntext\n- a\n- b\n\n1. x\n2. y\n> q\n\n```\ncode\n```\n---\n| a | b |\n|---|---|\n| 1 | 2 |'), ['h', 'p', 'ul', 'ol', 'quote', 'pre', 'hr', 'table']);
  const [list] = parseMarkdown('- a\n  - b\n  - c\n- d');
  assert.ok(list?.t === 'ul');
  assert.equal(list.items.length, 2);
  assert.equal(list.items[0]?.[1]?.t, 'ul');
  const [numbered] = parseMarkdown('1. one\n\n2. two');
  assert.ok(numbered?.t === 'ol');
  assert.equal(numbered.items.length, 2);
});

test('while it is written, an open mark reaches to the end instead of showing its stars', () => {
  assert.deepEqual(parseMarkdown('It is **very go', true), [{ t: 'p', c: [{ t: 'text', v: 'It is ' }, { t: 'strong', c: [{ t: 'text', v: 'very go' }] }] }]);
  assert.equal(plainText(parseMarkdown('It is **very go')), 'It is **very go');
});

test('only http, https and mailto can be linked', () => {
  const attempts = [
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    ' javascript:alert(1)',
    'java\nscript:alert(1)',
    'java\tscript:alert(1)',
    '\u0001javascript:alert(1)',
    'javascript&colon;alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:null/1',
    '//evil.example',
    '/relative',
    '',
  ];
  for (const address of attempts) {
    assert.equal(safeHref(address), null, address);
    for (const text of [`[x](${address})`, `![x](${address})`, `[x](<${address}>)`, `<${address}>`, `[x](${address} "t")`]) assert.deepEqual(links(parseMarkdown(text)), [], text);
  }
  assert.equal(safeHref('mailto:tea@camomile.example'), 'mailto:tea@camomile.example');
});

test('markup is text', () => {
  for (const text of ['<img src=x onerror=alert(1)>', '<script>alert(1)</script>', '<b onclick="x">a</b>', '&lt;b&gt;', '<svg/onload=alert(1)>']) {
    assert.deepEqual(parseMarkdown(text), [{ t: 'p', c: [{ t: 'text', v: text }] }]);
  }
});

test('bare addresses are linked without the punctuation after them', () => {
  assert.deepEqual(links(parseMarkdown('See https://a.example/x?y=1. (https://b.example) «https://c.example»')), ['https://a.example/x?y=1', 'https://b.example/', 'https://c.example/']);
});

test('hostile and random text ends quickly and never throws', () => {
  const random = seeded(3);
  const pieces = ['**', '*', '_', '`', '```', '[', ']', '(', ')', '> ', '- ', '1. ', '\n', '|', '--', '# ', '~~', '\\', 'https://a', 'ж', '🫖', ' ', '[1]', '!['];
  for (let round = 0; round < 3000; round++) {
    const text = Array.from({ length: Math.floor(random() * 60) }, () => pieces[Math.floor(random() * pieces.length)]).join('');
    parseMarkdown(text, round % 2 === 0);
  }
  const began = Date.now();
  for (const piece of ['**a ', '*', '[', '> ', '- ', '`', '_a', '![x](', '|', '[1', '\\', '~~a ', '> - ', '*a ', 'a|\n-|\n']) {
    parseMarkdown(piece.repeat(20_000 / piece.length));
    parseMarkdown(piece.repeat(20_000 / piece.length), true);
  }
  assert.ok(Date.now() - began < 2000, `took ${Date.now() - began} ms`);
});

test('a text that was wrapped by hand is one line again, and a line that begins anew is not', () => {
  const [paragraph] = parseMarkdown('The courier comes after the\norder is confirmed.\nYou choose a slot.');
  assert.deepEqual(paragraph, { t: 'p', c: [{ t: 'text', v: 'The courier comes after the order is confirmed.' }, { t: 'br' }, { t: 'text', v: 'You choose a slot.' }] });
});

test('a number stays with its unit, and its thousands together', () => {
  assert.equal(tied('Доставка 1 490 ₽, 5 кг, 30 мин'), 'Доставка 1\u00a0490\u00a0₽, 5\u00a0кг, 30\u00a0мин');
  assert.equal(tied('300 ₽'), '300\u00a0₽');
  for (const text of ['in 2024 12 people', 'дом 5 корпус 2', '3 металла', 'a 5']) assert.equal(tied(text), text);
});
