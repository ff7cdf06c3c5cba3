// The connection against the stand-in server, over real sockets on loopback: with cuts, restarts and refusals. Everything
// twice: over WebSockets, and over event streams where the server has none.

import assert from 'node:assert/strict';
import { test as once } from 'node:test';
import { WebSocket } from 'ws';
import { createStandIn, type StandIn } from '../../dev/stand-in.mjs';
import { Api } from '../src/api';
import { Connection, type Snapshot } from '../src/connection';
import { liveEntry } from '../src/conversation';
import { Outbox } from '../src/outbox';
import { openBox } from '../src/storage';
import { fakeStorage } from './fake-storage';
import { seeded } from './seeded';

const QUESTION = 'Возврат?';
const ANSWER = 'Возврат возможен **в течение 14 дней** со дня получения заказа [1]. Нужно, чтобы сохранились:\n\n1. товарный вид\n2. чек или номер заказа';

/** The one lock of the tabs of a browser. */
let lock: Promise<unknown> = Promise.resolve();
function exclusively<T>(_name: string, work: () => Promise<T>): Promise<T> {
  const run = lock.then(work);
  lock = run.catch(() => undefined);
  return run;
}

class Visitor {
  readonly connection: Connection;
  online = true;
  latest: Snapshot | null = null;
  private readonly waiting = new Set<() => void>();
  watch: (snapshot: Snapshot) => void = () => {};

  constructor(server: StandIn, storage = fakeStorage(), { siteKey = server.siteKey, seed = 1, socketRest = 0 } = {}) {
    const random = seeded(seed);
    const box = openBox(() => storage, siteKey);
    let ids = 0;
    this.connection = new Connection(
      new Api(server.url, undefined, WebSocket),
      box,
      new Outbox(box),
      {
        now: () => Date.now(),
        random,
        newId: () => `client_${seed}_${(ids += 1)}`,
        online: () => this.online,
        exclusively,
        onChange: (snapshot) => {
          this.latest = snapshot;
          this.watch(snapshot);
          for (const check of [...this.waiting]) check();
        },
      },
      { siteKey, locale: 'ru', backoff: { base: 2, max: 6 }, socketRest },
    );
    this.connection.setOpen(true);
    void this.connection.start();
  }

  until(what: (snapshot: Snapshot) => boolean): Promise<Snapshot> {
    return new Promise((resolve) => {
      const check = () => {
        const snapshot = this.connection.snapshot();
        if (!what(snapshot)) return;
        this.waiting.delete(check);
        resolve(snapshot);
      };
      this.waiting.add(check);
      check();
    });
  }

  texts(): string[] {
    return this.connection.snapshot().conversation.entries.map((entry) => entry.text);
  }
}

const answered = (n: number) => (snapshot: Snapshot) =>
  snapshot.conversation.entries.filter((entry) => entry.outcome).length === n && snapshot.conversation.outgoing.length === 0;

/** Whether the server has sockets, in the test that runs. */
let rooms = true;
function test(name: string, body: () => Promise<void>): void {
  for (const has of [true, false]) {
    once(`${name} (${has ? 'socket' : 'event stream'})`, () => {
      rooms = has;
      return body();
    });
  }
}

async function withServer(options: { pace?: number; chunk?: number }, body: (server: StandIn, visit: (...args: unknown[]) => Visitor) => Promise<void>): Promise<void> {
  const server = createStandIn({ ...options, rooms });
  await server.listen();
  const visitors: Visitor[] = [];
  try {
    await body(server, (storage, settings) => {
      const visitor = new Visitor(server, storage as ReturnType<typeof fakeStorage>, settings as { siteKey?: string; seed?: number; socketRest?: number });
      visitors.push(visitor);
      return visitor;
    });
  } finally {
    for (const visitor of visitors) visitor.connection.stop();
    await server.stop();
  }
}

const stored = (server: StandIn) => [...server.conversations.values()].flatMap((conversation) => conversation.events.flatMap((event) => (event.message ? [event.message] : [])));

test('a question is answered, in pieces, with its citation', () =>
  withServer({ pace: 1 }, async (_, visit) => {
    const visitor = visit();
    const partial = new Set<string>();
    visitor.watch = ({ conversation }) => partial.add(liveEntry(conversation)?.text ?? '');
    visitor.connection.send(QUESTION);
    const { conversation } = await visitor.until(answered(1));
    assert.deepEqual(visitor.texts(), [QUESTION, ANSWER]);
    assert.equal(conversation.entries[1]?.citations?.[0]?.title, 'Возврат товара');
    assert.ok(partial.size > 4, 'it was streamed');
  }));

test('more than 1,000 random cuts: every answer once and whole, and never torn on the way', () =>
  withServer({ pace: 1, chunk: 3 }, async (server, visit) => {
    const random = seeded(42);
    server.setFaults({ cut: () => (random() < 0.15 ? 3000 : 1 + Math.floor(random() * 500)) });
    for (let round = 1; server.counts.cut < 1000; round++) {
      const visitor = visit(undefined, { seed: round });
      visitor.watch = ({ conversation }) => {
        const text = liveEntry(conversation)?.text ?? '';
        assert.ok(ANSWER.startsWith(text), `torn: ${text}`);
      };
      visitor.connection.send(QUESTION);
      await visitor.until(answered(1));
      visitor.connection.send(QUESTION);
      await visitor.until(answered(2));
      assert.deepEqual(visitor.texts(), [QUESTION, ANSWER, QUESTION, ANSWER], `round ${round}`);
      visitor.connection.stop();
    }
  }));

test('an acknowledgement that is lost does not double the message', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    server.setFaults({ loseAck: 3 });
    const visitor = visit();
    visitor.connection.send(QUESTION);
    await visitor.until(answered(1));
    assert.equal(stored(server).filter((message) => message.author.kind === 'visitor').length, 1);
    assert.deepEqual(visitor.texts(), [QUESTION, ANSWER]);
  }));

test('a message that was not acknowledged before a reload is sent by the next page, under the same id', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    const storage = fakeStorage();
    server.setFaults({ fail: [{ path: '/messages', method: 'POST', drop: true, times: -1 }] });
    const before = visit(storage);
    before.connection.send(QUESTION);
    await before.until((snapshot) => snapshot.waiting?.reason === 'network');
    before.connection.stop();
    server.setFaults({});
    const after = visit(storage, { seed: 2 });
    await after.until(answered(1));
    assert.deepEqual(stored(server).filter((message) => message.author.kind === 'visitor').map((message) => message.client_id), ['client_1_1']);
  }));

test('a reload in the middle of an answer goes on with it', () =>
  withServer({ pace: 2, chunk: 2 }, async (_, visit) => {
    const storage = fakeStorage();
    const before = visit(storage);
    before.connection.send(QUESTION);
    await before.until(({ conversation }) => (liveEntry(conversation)?.text.length ?? 0) > 20);
    before.connection.stop();
    const after = visit(storage);
    await after.until(({ conversation }) => (liveEntry(conversation)?.text.length ?? 0) > 20);
    await after.until(answered(1));
    assert.deepEqual(after.texts(), [QUESTION, ANSWER]);
  }));

test('a server that restarts in the middle of an answer loses nothing', () =>
  withServer({ pace: 2, chunk: 2 }, async (server, visit) => {
    const visitor = visit();
    visitor.connection.send(QUESTION);
    await visitor.until(({ conversation }) => (liveEntry(conversation)?.text.length ?? 0) > 20);
    await server.restart();
    visitor.connection.send('Доставка?');
    await visitor.until(answered(2));
    const [first, second, third, fourth, ...more] = visitor.texts();
    assert.deepEqual([first, second, third, more.length], [QUESTION, ANSWER, 'Доставка?', 0]);
    assert.match(fourth ?? '', /300 ₽/);
  }));

test('a session that has expired is renewed, and the message arrives', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    const visitor = visit();
    visitor.connection.send(QUESTION);
    await visitor.until(answered(1));
    server.setFaults({ fail: [{ path: '/messages', method: 'POST', status: 401, times: 1 }] });
    visitor.connection.send('Доставка?');
    await visitor.until(answered(2));
    assert.equal(server.conversations.size, 1);
  }));

test('a visitor the server no longer knows begins anew, and what was written still arrives', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    const visitor = visit();
    visitor.connection.send(QUESTION);
    await visitor.until(answered(1));
    server.forgetVisitors();
    visitor.connection.send('Доставка?');
    await visitor.until((snapshot) => answered(1)(snapshot) && snapshot.conversation.entries[0]?.text === 'Доставка?');
    assert.equal(server.conversations.size, 2);
  }));

test('a conversation that is gone or closed gives way to a new one', () =>
  Promise.all(
    [404, 409].map((status) =>
      withServer({ pace: 1 }, async (server, visit) => {
        const visitor = visit();
        visitor.connection.send(QUESTION);
        await visitor.until(answered(1));
        server.setFaults({ fail: [{ path: '/messages', method: 'POST', status, times: 1 }] });
        visitor.connection.send('Доставка?');
        await visitor.until((snapshot) => answered(1)(snapshot) && snapshot.conversation.entries[0]?.text === 'Доставка?');
        assert.equal(server.conversations.size, 2);
      }),
    ),
  ).then(() => undefined));

test('429 and 503 wait as long as they say, and then it is sent by itself', () =>
  Promise.all(
    ([[429, 'rate'], [503, 'busy']] as const).map(([status, reason]) =>
      withServer({ pace: 1 }, async (server, visit) => {
        server.setFaults({ fail: [{ path: '/messages', method: 'POST', status, retryAfter: 1, times: 1 }] });
        const visitor = visit();
        const began = Date.now();
        visitor.connection.send(QUESTION);
        const { waiting, conversation } = await visitor.until((snapshot) => snapshot.waiting !== null);
        assert.equal(waiting?.reason, reason);
        assert.equal(conversation.outgoing[0]?.status, 'queued');
        visitor.connection.resume();
        await visitor.until(answered(1));
        assert.ok(Date.now() - began >= 1000, 'an impatient visitor does not shorten it');
      }),
    ),
  ).then(() => undefined));

test('a message that is refused is kept for its author, and does not stop the next', () =>
  withServer({ pace: 1 }, async (_, visit) => {
    const visitor = visit();
    visitor.connection.send('x'.repeat(2001));
    visitor.connection.send(QUESTION);
    const { conversation } = await visitor.until((snapshot) => snapshot.conversation.entries.some((entry) => entry.outcome));
    assert.equal(conversation.outgoing[0]?.status, 'rejected');
    assert.equal(conversation.outgoing[0]?.rejected?.status, 413);
    assert.equal(visitor.connection.takeBack('client_1_1'), 'x'.repeat(2001));
    assert.equal(visitor.connection.snapshot().conversation.outgoing.length, 0);
  }));

test('an unknown site key is refused once, without hammering', () =>
  withServer({}, async (_, visit) => {
    const visitor = visit(undefined, { siteKey: 'pk_other' });
    await visitor.until((snapshot) => snapshot.refused);
  }));

test('offline it says so, keeps what is written, and goes on when the network is back', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    const visitor = visit();
    await visitor.until((snapshot) => snapshot.site !== null);
    server.setFaults({ fail: [{ path: '/', drop: true, times: -1 }] });
    visitor.online = false;
    visitor.connection.offline();
    visitor.connection.send(QUESTION);
    await visitor.until((snapshot) => snapshot.link === 'offline' && snapshot.waiting?.reason === 'network');
    server.setFaults({});
    visitor.online = true;
    visitor.connection.resume();
    await visitor.until(answered(1));
    assert.deepEqual(visitor.texts(), [QUESTION, ANSWER]);
  }));

test('an answer to a request for a conversation that is lost makes no second one', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    const visitor = visit();
    server.setFaults({ loseConversation: 1 });
    visitor.connection.send(QUESTION);
    await visitor.until(answered(1));
    assert.equal(server.conversations.size, 1);
  }));

test('a tab learns of the conversation that another tab began', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    const storage = fakeStorage();
    const one = visit(storage);
    await one.until((snapshot) => snapshot.site !== null);
    const two = visit(storage, { seed: 2 });
    await two.until((snapshot) => snapshot.site !== null);
    one.connection.send(QUESTION);
    await one.until(answered(1));
    two.connection.storageChanged(`frontdesk.${server.siteKey}.session`);
    await two.until(answered(1));
    assert.deepEqual(two.texts(), [QUESTION, ANSWER]);
    assert.equal(server.conversations.size, 1);
  }));

test('words of an operator arrive while nothing is asked', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    const visitor = visit();
    visitor.connection.send(QUESTION);
    await visitor.until(answered(1));
    const [conversation] = server.conversations.values();
    assert.ok(conversation);
    server.emit(conversation.id, { kind: 'message.created', message: { id: 'msg_op', author: { kind: 'operator', name: 'Анна' }, text: 'Добрый день!' } });
    const { conversation: state } = await visitor.until(({ conversation: { entries } }) => entries.some((entry) => entry.kind === 'operator'));
    assert.equal(state.entries[2]?.name, 'Анна');
  }));

once('what is said goes over the socket once there is one, and nothing else does', () =>
  overSockets(async (server, visit) => {
    const visitor = visit();
    visitor.connection.send(QUESTION);
    await visitor.until(answered(1));
    const { posts, streams } = server.counts;
    visitor.connection.send('Доставка?');
    await visitor.until(answered(2));
    assert.deepEqual([server.counts.posts - posts, server.counts.sends, streams], [0, 1, 0]);
  }));

once('where sockets do not get through, the event stream is used for a while', () =>
  overSockets(async (server, visit) => {
    server.setFaults({ fail: [{ path: '/socket', status: 502, times: -1 }] });
    const visitor = visit(undefined, { socketRest: 60_000 });
    visitor.connection.send(QUESTION);
    await visitor.until(answered(1));
    server.setFaults({});
    await server.restart();
    visitor.connection.send('Доставка?');
    await visitor.until(answered(2));
    assert.equal(server.counts.sockets, 0);
    assert.ok(server.counts.streams >= 2);
  }));

once('a socket that breaks soon after it was opened is not trusted again at once', () =>
  overSockets(async (server, visit) => {
    const visitor = visit(undefined, { socketRest: 60_000 });
    visitor.connection.send(QUESTION);
    await visitor.until(answered(1));
    await server.restart();
    await visitor.until((snapshot) => snapshot.link === 'live' && server.counts.streams > 0);
    assert.equal(server.counts.sockets, 1);
  }));

once('a colleague is shown writing, and told that the visitor writes and has read', () =>
  overSockets(async (server, visit) => {
    const visitor = visit();
    visitor.connection.send('operator, please');
    await visitor.until((snapshot) => snapshot.conversation.mode === 'operator' && answered(1)(snapshot));
    const [conversation] = server.conversations.values();
    assert.ok(conversation);
    server.pass(conversation.id, { kind: 'typing', on: true, by: { kind: 'operator', name: 'Анна' } });
    const { conversation: state } = await visitor.until((snapshot) => snapshot.conversation.operatorTyping);
    for (const text of ['С', 'Сп', 'Спа']) visitor.connection.typing(text !== '');
    visitor.connection.typing(false);
    visitor.connection.markRead(state.lastSeq);
    visitor.connection.markRead(state.lastSeq);
    visitor.connection.send('Спасибо');
    await visitor.until((snapshot) => snapshot.conversation.outgoing.length === 0);
    const said = server.frames.filter(({ t }) => t === 'typing' || t === 'read');
    assert.deepEqual(said, [{ t: 'typing', on: true }, { t: 'typing', on: false }, { t: 'read', seq: state.lastSeq }]);
  }));

once('a gap that the server tells of is not waited for', () =>
  overSockets(async (server, visit) => {
    const visitor = visit();
    visitor.connection.send(QUESTION);
    await visitor.until(answered(1));
    const [conversation] = server.conversations.values();
    assert.ok(conversation);
    const { lastSeq } = visitor.connection.snapshot().conversation;
    server.frame(conversation.id, { t: 'gap', from: lastSeq + 1, to: lastSeq + 4 });
    const message = { id: 'msg_late', author: { kind: 'operator', name: 'Анна' }, text: 'Добрый день!' };
    server.frame(conversation.id, { t: 'event', seq: lastSeq + 5, kind: 'message.created', message });
    await visitor.until((snapshot) => snapshot.conversation.lastSeq === lastSeq + 5);
    assert.equal(server.counts.sockets, 1);
  }));

function overSockets(body: (server: StandIn, visit: (...args: unknown[]) => Visitor) => Promise<void>): Promise<void> {
  rooms = true;
  return withServer({ pace: 1 }, body);
}
