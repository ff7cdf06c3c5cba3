import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toJson } from '../src/json';

test('what is written is JSON, also where an old library put toJSON on the prototypes', () => {
  const value = { a: [1, 'two "2"', null, true, { b: [] }], c: undefined, 'd e': { f: 'ё' } };
  const plain = JSON.stringify(value);
  assert.equal(toJson(value), plain);
  const spoiled = [Array.prototype, Object.prototype] as { toJSON?: unknown }[];
  try {
    for (const prototype of spoiled) Object.defineProperty(prototype, 'toJSON', { value: () => 'spoiled', configurable: true });
    assert.notEqual(JSON.stringify(value), plain);
    assert.equal(toJson(value), plain);
  } finally {
    for (const prototype of spoiled) delete prototype.toJSON;
  }
});
