// What the server's filter lets through of answers that are full of links and references (shared/domain/tests/shown_answers.rs):
// both read them by one grammar, so nothing foreign becomes a link or a reference here.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseMarkdown } from '../src/markdown';
import answers from './answers.json';

const KNOWN = ['pay.shop.example', 'help.shop.example'];

test('nothing that is foreign becomes a link or a reference', () => {
  let links = 0;
  const more = process.env.ANSWERS;
  for (const answer of more ? (JSON.parse(readFileSync(more, 'utf8')) as string[]) : (answers as string[])) {
    for (const open of [false, true]) {
      JSON.stringify(parseMarkdown(answer, open), (key: string, value: unknown) => {
        if (key === 'href') {
          links += 1;
          assert.ok(KNOWN.includes(new URL(String(value)).hostname), `${String(value)} in ${JSON.stringify(answer)}`);
        }
        if (key === 'n') assert.ok(Number(value) <= 2, `[${String(value)}] in ${JSON.stringify(answer)}`);
        return value;
      });
    }
  }
  assert.ok(links > 20, 'those that are known stay links');
});
