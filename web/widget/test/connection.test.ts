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
import { Session } from '../src/session';
import { openBox } from '../src/storage';
import { readStream } from '../src/stream';
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
  /** Milliseconds by which this clock is wrong. */
  shift = 0;
  latest: Snapshot | null = null;
  private readonly waiting = new Set<() => void>();
  watch: (snapshot: Snapshot) => void = () => {};

  constructor(server: StandIn, storage = fakeStorage(), { siteKey = server.siteKey, seed = 1, socketRest = 0, shift = 0, open = true, poll = undefined as { min: number; max: number } | undefined } = {}) {
    this.shift = shift;
    const random = seeded(seed);
    const box = openBox(() => storage, siteKey);
    let ids = 0;
    const api = new Api(server.url, undefined, WebSocket);
    const now = () => Date.now() + this.shift;
    this.connection = new Connection(
      api,
      new Session(api, box, { siteKey, locale: 'ru' }, { now, exclusively }),
      box,
      new Outbox(box),
      {
        now,
        random,
        newId: () => `client_${seed}_${(ids += 1)}`,
        online: () => this.online,
        stream: async () => ({ readStream }),
        onChange: (snapshot) => {
          this.latest = snapshot;
          this.watch(snapshot);
          for (const check of [...this.waiting]) check();
        },
      },
      { backoff: { base: 2, max: 6 }, socketRest, ...(poll ? { poll } : {}) },
    );
    this.connection.setOpen(open);
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
      const visitor = new Visitor(server, storage as ReturnType<typeof fakeStorage>, settings as { siteKey?: string; seed?: number; socketRest?: number; shift?: number; open?: boolean; poll?: { min: number; max: number } });
      visitors.push(visitor);
      return visitor;
    });
  } finally {
    for (const visitor of visitors) visitor.connection.stop();
    await server.stop();
  }
}

/** For what no snapshot tells. */
async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 2));
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
    await visitor.until((snapshot) => snapshot.refused === 422);
  }));

test('a page without permission is refused at once, also in the middle of a conversation', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    server.setFaults({ foreign: true });
    await visit().until((snapshot) => snapshot.refused === 403);
    server.setFaults({});
    const visitor = visit(undefined, { seed: 2 });
    visitor.connection.send(QUESTION);
    await visitor.until(answered(1));
    server.setFaults({ fail: [{ path: '/messages', method: 'POST', status: 403, times: -1 }] });
    visitor.connection.send('Доставка?');
    await visitor.until((snapshot) => snapshot.refused === 403);
  }));

test('a page view of a visitor who came before asks for no session, and learns with one call that something is new', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    const storage = fakeStorage();
    const before = visit(storage);
    before.connection.send(QUESTION);
    const { conversation } = await before.until(answered(1));
    before.connection.markRead(conversation.lastSeq);
    before.connection.stop();
    const { sessions, replays } = server.counts;
    const quiet = visit(storage, { open: false, seed: 2 });
    assert.equal(quiet.connection.snapshot().site?.name, 'Ромашка', 'it is shown at once');
    await until(() => server.counts.replays === replays + 1);
    quiet.connection.stop();
    const [room] = server.conversations.values();
    assert.ok(room);
    server.emit(room.id, { kind: 'message.created', message: { id: 'msg_op', author: { kind: 'operator' }, text: 'Добрый день!' } });
    const told = visit(storage, { open: false, seed: 3 });
    await told.until((snapshot) => snapshot.conversation.entries.some((entry) => entry.kind === 'operator'));
    assert.equal(told.connection.snapshot().read, conversation.lastSeq);
    assert.equal(server.counts.sessions, sessions);
  }));

test('a token that has ended, a clock that was set back, and a site that was asked for long ago are asked about', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    const DAY = 86_400_000;
    let rounds = 0;
    for (const [shift, open, asks] of [[0, true, 0], [DAY / 2, false, 0], [DAY / 2, true, 1], [29 * DAY, false, 1], [31 * DAY, false, 1], [-DAY, false, 1]] as const) {
      const storage = fakeStorage();
      const before = visit(storage);
      await before.until((snapshot) => snapshot.site !== null && snapshot.link === 'idle');
      before.connection.stop();
      const { sessions } = server.counts;
      const after = visit(storage, { shift, open, seed: 2 });
      after.connection.send(QUESTION);
      await after.until(answered(1));
      assert.equal(server.conversations.size, (rounds += 1));
      assert.equal(server.counts.sessions - sessions, asks, `${shift / DAY} days later, ${open ? 'open' : 'closed'}`);
    }
  }));

test('a tab in the background learns what comes: over its socket, or by asking now and then', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    const visitor = visit(undefined, { poll: { min: 5, max: 5 } });
    visitor.connection.send(QUESTION);
    await visitor.until(answered(1));
    visitor.connection.hide();
    // Two minutes later a stream is given up with the next word of the server, a socket is not.
    visitor.shift += 120_000;
    const [room] = server.conversations.values();
    assert.ok(room);
    const say = (text: string) => server.emit(room.id, { kind: 'message.created', message: { id: `msg_${text}`, author: { kind: 'operator' }, text } });
    const learns = (text: string) => visitor.until(({ conversation: { entries } }) => entries.some((entry) => entry.text === text));
    say('one');
    await learns('one');
    if (!rooms) await visitor.until((snapshot) => snapshot.link === 'idle');
    say('two');
    await learns('two');
    assert.equal(visitor.connection.snapshot().link, rooms ? 'live' : 'idle');
  }));

test('the clock of the server is known from what was just said, and a wrong one here changes no day', () =>
  withServer({ pace: 1 }, async (_, visit) => {
    for (const hours of [-30, 0, 30]) {
      const visitor = visit(undefined, { shift: hours * 3600_000, seed: hours + 31 });
      visitor.connection.send(QUESTION);
      const { skew } = await visitor.until(answered(1));
      assert.ok(Math.abs(skew + hours * 3600_000) < 10_000, `${hours}: ${skew}`);
    }
  }));

test('what was said in a conversation that is closed stays, and can be had back on another page', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    const storage = fakeStorage();
    const visitor = visit(storage);
    visitor.connection.send(QUESTION);
    await visitor.until(answered(1));
    const [room] = server.conversations.values();
    assert.ok(room);
    server.emit(room.id, { kind: 'status.changed', status: 'closed' });
    await visitor.until((snapshot) => snapshot.conversation.mode === 'closed');
    visitor.connection.send('Доставка?');
    const { earlier, more } = await visitor.until((snapshot) => answered(1)(snapshot) && snapshot.conversation.entries[0]?.text === 'Доставка?');
    assert.deepEqual(earlier.map(({ text }) => text), [QUESTION, ANSWER, '']);
    assert.equal(more, false);
    visitor.connection.stop();
    const later = visit(storage, { seed: 2 });
    const asked = await later.until((snapshot) => answered(1)(snapshot) && snapshot.more);
    assert.deepEqual(asked.earlier, []);
    await later.connection.loadEarlier();
    assert.deepEqual(later.connection.snapshot().earlier.map(({ text }) => text), [QUESTION, ANSWER, '']);
    assert.equal(later.connection.snapshot().more, false);
  }));

test('a service that is closed for maintenance is not called busy', () =>
  withServer({ pace: 1 }, async (server, visit) => {
    server.setFaults({ fail: [{ path: '/', method: 'POST', status: 503, kind: 'maintenance', retryAfter: 1, times: 1 }] });
    const visitor = visit();
    await visitor.until((snapshot) => snapshot.waiting?.reason === 'closed');
    await visitor.until((snapshot) => snapshot.site !== null && snapshot.waiting === null);
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
