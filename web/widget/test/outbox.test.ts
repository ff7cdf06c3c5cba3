import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outbox } from '../src/outbox';
import { openBox } from '../src/storage';
import { fakeStorage } from './fake-storage';

test('a message outlives the page until it is acknowledged', () => {
  const storage = fakeStorage();
  const before = new Outbox(openBox(() => storage, 'pk'));
  before.add({ client_id: 'a', text: 'first', at: 1 });
  before.add({ client_id: 'b', text: 'second', at: 2 });
  const after = new Outbox(openBox(() => storage, 'pk'));
  assert.deepEqual(after.all().map((item) => item.client_id), ['a', 'b']);
  assert.equal(after.next()?.client_id, 'a');
  after.remove('a');
  assert.equal(before.next()?.client_id, 'b');
});

test('a rejected message does not hold up the next one, and is kept', () => {
  const outbox = new Outbox(openBox(() => fakeStorage(), 'pk'));
  outbox.add({ client_id: 'a', text: 'too long', at: 1 });
  outbox.add({ client_id: 'b', text: 'fine', at: 2 });
  outbox.reject('a', 413, 'too long');
  assert.equal(outbox.next()?.client_id, 'b');
  assert.equal(outbox.all()[0]?.rejected?.status, 413);
});

test('each site key has its own', () => {
  const storage = fakeStorage();
  new Outbox(openBox(() => storage, 'pk_a')).add({ client_id: 'a', text: 'x', at: 1 });
  assert.deepEqual(new Outbox(openBox(() => storage, 'pk_b')).all(), []);
});

test('it is bounded, and says so', () => {
  const outbox = new Outbox(openBox(() => fakeStorage(), 'pk'));
  for (let n = 0; n < 50; n++) assert.ok(outbox.add({ client_id: String(n), text: 'x', at: n }));
  assert.equal(outbox.add({ client_id: 'one more', text: 'x', at: 51 }), false);
  assert.equal(outbox.all().length, 50);
});

test('broken or foreign storage is an empty outbox', () => {
  for (const text of ['', 'null', '{"a":1}', '[1,null,{"client_id":5}]', '[[', '"x"']) {
    const storage = fakeStorage();
    storage.setItem('frontdesk.pk.outbox', text);
    assert.deepEqual(new Outbox(openBox(() => storage, 'pk')).all(), []);
  }
});

test('storage that is full or forbidden loses nothing while the page lives', () => {
  const full = { ...fakeStorage(), setItem: () => { throw new Error('full'); } };
  const forbidden = () => { throw new Error('forbidden'); };
  for (const area of [() => full, forbidden]) {
    const outbox = new Outbox(openBox(area, 'pk'));
    outbox.add({ client_id: 'a', text: 'x', at: 1 });
    assert.equal(outbox.next()?.client_id, 'a');
    outbox.remove('a');
    assert.equal(outbox.next(), null);
  }
});
