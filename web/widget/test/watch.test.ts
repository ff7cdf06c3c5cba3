// What is asked of the server while there is no chat, with a clock of its own.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import type { Api } from '../src/api';
import { Problem } from '../src/failure';
import { Session } from '../src/session';
import { openBox } from '../src/storage';
import { Watch } from '../src/watch';
import { fakeStorage } from './fake-storage';

const exclusively = <T>(_name: string, work: () => Promise<T>): Promise<T> => work();

/** A token by its own words good for a day. */
const TOKEN = `a.${btoa(JSON.stringify({ iat: 0, exp: 24 * 3600 }))}.c`;

async function watched(answer: () => { last_seq: number }, body: (asked: () => number, after: (minutes: number) => Promise<void>, watch: Watch, session: Session) => Promise<void>, opened: () => void = () => {}): Promise<void> {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_700_000_000_000 });
  let asked = 0;
  const api = {
    openSession: async () => {
      opened();
      return { visitor_token: TOKEN, visitor: {}, site: { name: 'S' }, conversation: { id: 'c', last_seq: 0 } };
    },
    replay: async () => {
      asked += 1;
      return { events: [], ...answer() };
    },
  } as unknown as Api;
  const box = openBox(() => fakeStorage(), 'pk_a');
  const session = new Session(api, box, { siteKey: 'pk_a', locale: 'en' }, { now: () => Date.now(), exclusively });
  const watch = new Watch(api, session, box, () => {});
  const settle = async () => {
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  };
  try {
    void watch.start();
    await settle();
    await body(() => asked, async (minutes) => {
      for (let second = 0; second < minutes * 60; second++) {
        mock.timers.tick(1000);
        await settle();
      }
    }, watch, session);
  } finally {
    watch.stop();
    mock.timers.reset();
  }
}

test('the pause that the server wants is kept, also where the page is seen anew', () => {
  let busy = true;
  return watched(
    () => {
      if (busy) throw new Problem(429, 'later', 20 * 60);
      return { last_seq: 0 };
    },
    async (asked, after, watch) => {
      assert.equal(asked(), 1);
      busy = false;
      await after(1);
      watch.wake();
      await after(18);
      assert.equal(asked(), 1);
      await after(2);
      assert.equal(asked(), 2);
    },
  );
});

test('without such a wish it is asked by how long nothing happened', () =>
  watched(
    () => ({ last_seq: 0 }),
    async (asked, after, watch) => {
      await after(1);
      watch.wake();
      await after(0.1);
      assert.equal(asked(), 2, 'a page that is seen asks at once');
      await after(20);
      assert.ok(asked() >= 5 && asked() <= 8, `${asked()} in 20 minutes`);
    },
  ));

test('a session that is to be asked for later is not asked for before, by any caller', () => {
  let opened = 0;
  return watched(
    () => ({ last_seq: 0 }),
    async (asked, after, _watch, session) => {
      assert.equal(opened, 1);
      await after(1);
      await assert.rejects(session.open(), (cause: Problem) => cause.status === 429 && cause.retryAfter === 240);
      await after(3);
      assert.deepEqual([opened, asked()], [1, 0]);
      await after(2);
      assert.deepEqual([opened, asked()], [2, 1]);
    },
    () => {
      opened += 1;
      if (opened === 1) throw new Problem(429, 'later', 5 * 60);
    },
  );
});
