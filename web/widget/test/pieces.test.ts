import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRetryAfter } from '../src/api';
import { Backoff } from '../src/backoff';
import { en } from '../src/i18n/en';
import { languageOf as choose } from '../src/i18n/index';
import { LAUNCHER_WORDS } from '../src/i18n/launcher';
import { ru } from '../src/i18n/ru';
import { contrast, paletteOf } from '../src/theme';
import { seeded } from './seeded';

const languageOf = (wishes: readonly (string | null)[]) => choose(wishes, LAUNCHER_WORDS);

test('Russian counts in three forms', () => {
  const language = languageOf(['ru']);
  const say = (n: number) => language.plural(language.messages.unread, n);
  assert.deepEqual([1, 2, 5, 11, 21, 104].map(say), ['1 новое сообщение', '2 новых сообщения', '5 новых сообщений', '11 новых сообщений', '21 новое сообщение', '104 новых сообщения']);
});

test('the first wish that is spoken is taken, with the region of a more exact one', () => {
  assert.equal(languageOf(['xx', 'ru', 'en-GB']).locale, 'ru');
  assert.equal(languageOf(['en', 'ru-RU', 'en-GB']).locale, 'en-GB');
  assert.equal(languageOf(['ru_RU']).locale, 'ru-RU');
  for (const none of [[], [null, ''], ['constructor'], ['de-DE']]) assert.equal(languageOf(none).locale, 'en');
});

test('each language has every word and every place for a value', () => {
  const shape = (value: unknown): unknown => {
    if (typeof value === 'string') return [...value.matchAll(/\{\w+\}/g)].map(String).sort();
    const entries = Object.entries(value as Record<string, unknown>);
    return entries.some(([key]) => key === 'other') ? 'forms' : Object.fromEntries(entries.map(([key, inner]) => [key, shape(inner)]).sort());
  };
  assert.deepEqual(shape(ru), shape(en));
  assert.deepEqual(shape(LAUNCHER_WORDS.ru), shape(LAUNCHER_WORDS.en));
});

test('any accent gives readable text', () => {
  const random = seeded(11);
  const accents = ['#fff', '#000', '#ffff00', '#777777', '#2f6f5e', 'red', '', undefined, ...Array.from({ length: 400 }, () => `#${Math.floor(random() * 0x1000000).toString(16).padStart(6, '0')}`)];
  for (const accent of accents) {
    const palette = paletteOf(accent);
    assert.ok(contrast(palette.onAccent, palette.accent) >= 4.5, `${accent}: text on the accent`);
    for (const ground of ['#ffffff', '#f2f4f7', '#eceef1']) assert.ok(contrast(palette.accentTextLight, ground) >= 4.4, `${accent} on ${ground}`);
    for (const ground of ['#15181e', '#21262e', '#2b313b']) assert.ok(contrast(palette.accentTextDark, ground) >= 4.4, `${accent} on ${ground}`);
  }
});

test('waiting grows to its ceiling, is never zero, and starts anew after a success', () => {
  const random = seeded(5);
  const backoff = new Backoff({ base: 800, max: 20_000, random });
  for (let attempt = 0; attempt < 40; attempt++) {
    const delay = backoff.next();
    const ceiling = Math.min(20_000, 800 * 2 ** attempt);
    assert.ok(delay >= ceiling / 2 && delay <= ceiling, `attempt ${attempt}: ${delay}`);
  }
  backoff.reset();
  assert.ok(backoff.next() <= 800);
});

test('Retry-After in seconds and as a date', () => {
  const now = Date.parse('2025-01-01T00:00:00Z');
  assert.equal(parseRetryAfter('7', now), 7);
  assert.equal(parseRetryAfter('Wed, 01 Jan 2025 00:00:09 GMT', now), 9);
  assert.equal(parseRetryAfter('Tue, 31 Dec 2024 00:00:00 GMT', now), 0);
  assert.equal(parseRetryAfter('999999', now), 3600);
  for (const value of [null, '', 'soon', '-3x']) assert.equal(parseRetryAfter(value, now), null);
});
