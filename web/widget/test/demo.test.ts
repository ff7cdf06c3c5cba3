// What the demo page says and what the documents say, from which the chat answers, is the same in both languages.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ru } from '../../demo/ru';

const page = readFileSync('demo/index.html', 'utf8');
const document = (name: string) => readFileSync(`../functions/local/demo/${name}`, 'utf8').replace(/\s+/g, ' ');
const english = (name: string): string => new RegExp(`data-t="${name}">([^<]*)<`).exec(page)?.[1] ?? '';
const LANGUAGES = { en: english, ru: (name: string) => ru[name] ?? '' };
const PRODUCTS = [['p1', 'p1p', 'per50'], ['p2', 'p2p', 'per100'], ['p3', 'p3p', 'l17'], ['p4', 'p4p', 'l025']];

for (const [language, say] of Object.entries(LANGUAGES)) {
  test(`every product of the page is in the price list under its name, price and size: ${language}`, () => {
    const rows = readFileSync(`../functions/local/demo/price-list-${language}.csv`, 'utf8').split('\n');
    assert.equal(page.split('<li class="product').length - 1, PRODUCTS.length);
    for (const names of PRODUCTS) {
      const words = names.map(say);
      assert.ok(words.every(Boolean), words.join());
      const row = rows.find((other) => other.startsWith(`${words[0]},`) || other.startsWith(`${words[0]};`));
      for (const word of words) assert.ok(row?.includes(word), `${word} in ${row}`);
    }
  });

  test(`what the page promises is in the documents: ${language}`, () => {
    for (const [name, numbers] of [['delivery', ['fact1', 'fact1b', 'lead']], ['opening-hours', ['fact3']]] as const) {
      const text = document(`${name}-${language}.${name === 'delivery' ? 'md' : 'txt'}`);
      const said = numbers.flatMap((key) => say(key).match(/\d[\d,:–]*(?: ₽)?/g) ?? []).flatMap((number) => (number.includes(':') ? number.split('–') : [number]));
      assert.ok(said.length > 0);
      for (const number of said) assert.ok(text.includes(number), `${number} in ${name}`);
    }
    assert.ok(document(language === 'ru' ? 'returns-ru.html' : 'returns-en.md').includes(say('fact2')));
  });
}

test('every text of the page has a Russian one', () => {
  const names = [...page.matchAll(/data-t(?:-label)?="(\w+)"/g)].map(([, name]) => name ?? '');
  assert.ok(names.length > 20);
  assert.deepEqual(names.filter((name) => !ru[name]), []);
});
