import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameTooLarge, SseDecoder, type Frame } from '../src/sse';
import { seeded } from './seeded';

const STREAM = [
  '\uFEFF: hello\n',
  'id: 1\ndata: {"text":"Чай — 300 ₽ 🫖"}\n\n',
  ': keep-alive\r\n\r\n',
  'id: 2\r\ndata: first\r\ndata:second\r\n\r\n',
  'event: note\rdata:  one blank kept\r\r',
  'data\n\n',
  'id\nevent: lonely\n\n',
  'retry: 10\nunknown: x\ndata: last\n\n',
  'event: end\ndata: {"kind":"end"}\n\n',
  'data: torn off',
].join('');

const EXPECTED: Frame[] = [
  { id: '1', event: 'message', data: '{"text":"Чай — 300 ₽ 🫖"}' },
  { id: '2', event: 'message', data: 'first\nsecond' },
  { id: '2', event: 'note', data: ' one blank kept' },
  { id: '2', event: 'message', data: '' },
  { id: '', event: 'message', data: 'last' },
  { id: '', event: 'end', data: '{"kind":"end"}' },
];

const bytes = new TextEncoder().encode(STREAM);

function decode(pieces: Uint8Array[]): Frame[] {
  const decoder = new SseDecoder();
  return pieces.flatMap((piece) => decoder.push(piece));
}

test('a stream in one piece gives its frames', () => assert.deepEqual(decode([bytes]), EXPECTED));

test('a stream cut in two at any byte gives the same frames', () => {
  for (let at = 0; at <= bytes.length; at++) assert.deepEqual(decode([bytes.subarray(0, at), bytes.subarray(at)]), EXPECTED, `cut at ${at}`);
});

test('a stream cut in three at any two bytes gives the same frames', () => {
  for (let a = 0; a <= bytes.length; a++) {
    for (let b = a; b <= bytes.length; b += 3) {
      assert.deepEqual(decode([bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)]), EXPECTED, `cut at ${a} and ${b}`);
    }
  }
});

test('a stream byte by byte, and in random pieces, gives the same frames', () => {
  assert.deepEqual(decode(Array.from(bytes, (byte) => Uint8Array.of(byte))), EXPECTED);
  const random = seeded(7);
  for (let round = 0; round < 200; round++) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = Math.floor(random() * 12);
      pieces.push(bytes.subarray(at, at + size));
      at += size;
    }
    assert.deepEqual(decode(pieces), EXPECTED, `round ${round}`);
  }
});

test('a frame that never ends is refused instead of kept', () => {
  const decoder = new SseDecoder();
  const piece = new TextEncoder().encode('x'.repeat(1024 * 1024));
  assert.throws(() => {
    for (let n = 0; n < 6; n++) decoder.push(piece);
  }, FrameTooLarge);
});
