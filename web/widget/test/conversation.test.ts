import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteLength, emptyConversation, liveEntry, MAX_ENTRIES, reduce, type Action, type ConversationState } from '../src/conversation';
import type { ServerEvent, StoredEvent } from '../src/wire';
import { seeded } from './seeded';

const run = (events: readonly ServerEvent[], from: ConversationState = emptyConversation): ConversationState =>
  events.reduce((state, event) => reduce(state, { type: 'event', event }), from);

const visitor = (seq: number, text: string, clientId = `c${seq}`): StoredEvent => ({
  seq,
  kind: 'message.created',
  message: { id: `msg_${seq}`, client_id: clientId, author: { kind: 'visitor' }, text },
});
const started = (seq: number, turn: string): StoredEvent => ({ seq, kind: 'turn.started', turn });
const delta = (turn: string, offset: number, text: string): ServerEvent => ({ kind: 'turn.delta', turn, offset, text });
const reply = (seq: number, text: string): StoredEvent => ({
  seq,
  kind: 'message.created',
  message: { id: `msg_${seq}`, author: { kind: 'ai' }, text, citations: [{ n: 1, document_id: 'doc_1', title: 'Delivery', quote: '300 ₽' }] },
});
const finished = (seq: number, turn: string, messageId: string | null, outcome: 'answered' | 'failed' | 'cancelled' = 'answered'): StoredEvent => ({
  seq,
  kind: 'turn.finished',
  turn,
  outcome,
  message_id: messageId,
});

test('a known seq changes nothing', () => {
  const state = run([visitor(1, 'hi'), started(2, 't')]);
  assert.equal(reduce(state, { type: 'event', event: visitor(1, 'hi') }), state);
  assert.equal(reduce(state, { type: 'event', event: visitor(2, 'other') }), state);
});

test('a hole is not stepped over: it asks for a replay', () => {
  const state = run([visitor(1, 'hi'), visitor(3, 'later')]);
  assert.equal(state.gap, true);
  assert.equal(state.lastSeq, 1);
  assert.deepEqual(state.entries.map((entry) => entry.text), ['hi']);
  const healed = run([visitor(2, 'between'), visitor(3, 'later')], reduce(state, { type: 'connected' }));
  assert.equal(healed.gap, false);
  assert.deepEqual(healed.entries.map((entry) => entry.text), ['hi', 'between', 'later']);
});

test('deltas are counted in bytes, not in characters', () => {
  const state = run([started(1, 't'), delta('t', 0, 'Чай'), delta('t', 6, ' 🫖'), delta('t', 11, '!')]);
  assert.equal(liveEntry(state)?.text, 'Чай 🫖!');
  assert.equal(state.gap, false);
});

test('a delta that does not fit is not applied and asks for a replay', () => {
  for (const offset of [1, 5, 7, 100]) {
    const state = run([started(1, 't'), delta('t', 0, 'Чай'), delta('t', offset, 'x')]);
    assert.equal(state.gap, true, `offset ${offset}`);
    assert.equal(liveEntry(state)?.text, 'Чай');
  }
});

test('a delta from the beginning replaces the answer so far', () => {
  const state = run([started(1, 't'), delta('t', 0, 'Del'), delta('t', 0, 'Delivery is'), delta('t', 11, ' free')]);
  assert.equal(liveEntry(state)?.text, 'Delivery is free');
});

test('the stored answer takes the place of the streamed one, under the same key, in either order of the closing events', () => {
  const closing = [
    [reply(3, 'whole'), finished(4, 't', 'msg_3')],
    [finished(3, 't', 'msg_4'), reply(4, 'whole')],
  ];
  for (const events of closing) {
    const live = run([visitor(1, 'q'), started(2, 't'), delta('t', 0, 'who')]);
    const state = run(events, live);
    assert.deepEqual(state.entries.map((entry) => entry.text), ['q', 'whole']);
    assert.equal(state.entries[1]?.key, live.entries[1]?.key);
    assert.equal(state.entries[1]?.outcome, 'answered');
    assert.equal(state.entries[1]?.citations?.length, 1);
    assert.equal(liveEntry(state), undefined);
  }
});

test('what was streamed but not stored goes when the turn fails: a reload would not show it either', () => {
  const state = run([visitor(1, 'q'), started(2, 't'), delta('t', 0, 'half an ans'), finished(3, 't', null, 'failed')]);
  assert.equal(state.entries[1]?.text, '');
  assert.equal(state.entries[1]?.outcome, 'failed');
});

test('late deltas of a finished turn change nothing', () => {
  const state = run([started(1, 't'), reply(2, 'whole'), finished(3, 't', 'msg_2')]);
  assert.equal(reduce(state, { type: 'event', event: delta('t', 0, 'who') }), state);
});

test('a message is shown once, from the key press to the event, whichever of ack and event comes first', () => {
  const pending = { client_id: 'c1', text: 'hi', at: 1 };
  const begin = reduce(emptyConversation, { type: 'outbox', items: [pending] });
  const ack: Action = { type: 'acknowledged', clientId: 'c1', seq: 1 };
  const event: Action = { type: 'event', event: visitor(1, 'hi', 'c1') };
  const orders: Action[][] = [[ack, event], [event, ack], [ack, { type: 'outbox', items: [] }, event], [event, { type: 'outbox', items: [pending] }, ack]];
  for (const order of orders) {
    let state = begin;
    for (const action of order) {
      state = reduce(state, action);
      assert.equal(state.entries.length + state.outgoing.length, 1);
      assert.equal(state.entries[0]?.key ?? state.outgoing[0]?.client_id, 'c1');
    }
    assert.equal(state.outgoing.length, 0);
  }
});

test('private notes are not for the visitor', () => {
  const event = visitor(1, 'secret');
  if (event.kind === 'message.created') event.message.note = true;
  assert.equal(run([event]).entries.length, 0);
});

test('an operator who joins is said once, and ends the typing sign by writing', () => {
  const joined: StoredEvent = { seq: 1, kind: 'mode.changed', mode: 'operator' };
  const typing: ServerEvent = { kind: 'typing', on: true, by: { kind: 'operator' } };
  const wrote: StoredEvent = { seq: 2, kind: 'message.created', message: { id: 'm', author: { kind: 'operator', name: 'Анна' }, text: 'Добрый день' } };
  const state = run([joined, typing]);
  assert.equal(state.operatorTyping, true);
  const after = run([wrote], state);
  assert.equal(after.operatorTyping, false);
  assert.deepEqual(after.entries.map((entry) => entry.kind), ['notice', 'operator']);
});

test('unknown kinds of events keep the sequence going', () => {
  const state = run([visitor(1, 'a'), { seq: 2, kind: 'something.new' } as unknown as StoredEvent, visitor(3, 'b')]);
  assert.equal(state.lastSeq, 3);
  assert.equal(state.gap, false);
});

test('a very long conversation keeps its newest entries', () => {
  const state = run(Array.from({ length: MAX_ENTRIES + 20 }, (_, n) => visitor(n + 1, `m${n + 1}`)));
  assert.equal(state.entries.length, MAX_ENTRIES);
  assert.equal(state.entries[MAX_ENTRIES - 1]?.text, `m${MAX_ENTRIES + 20}`);
});

// A server in miniature: what is stored, and what is being written at each moment. It gives a client that connects at
// any moment exactly what the real one promises.
interface Moment {
  stored: StoredEvent[];
  live: { turn: string; text: string } | null;
  event: ServerEvent;
}

function history(random: () => number): Moment[] {
  const moments: Moment[] = [];
  const stored: StoredEvent[] = [];
  let live: Moment['live'] = null;
  const happen = (event: ServerEvent) => {
    if ('seq' in event) stored.push(event);
    moments.push({ stored: [...stored], live: live && { ...live }, event });
  };
  const alphabet = Array.from('чай 300 ₽ 🫖 tea\n');
  for (let n = 0; n < 4; n++) {
    happen(visitor(stored.length + 1, `question ${n}`));
    const turn = `turn_${n}`;
    happen(started(stored.length + 1, turn));
    live = { turn, text: '' };
    for (let pieces = Math.floor(random() * 12); pieces > 0; pieces--) {
      const piece = Array.from({ length: 1 + Math.floor(random() * 6) }, () => alphabet[Math.floor(random() * alphabet.length)] ?? '').join('');
      const offset: number = byteLength(live.text);
      live = { turn, text: live.text + piece };
      happen(delta(turn, offset, piece));
    }
    const { text } = live;
    live = null;
    if (random() < 0.2) happen(finished(stored.length + 1, turn, null, 'failed'));
    else {
      const seq = stored.length + 1;
      happen(reply(seq, text));
      happen(finished(stored.length + 1, turn, `msg_${seq}`));
    }
  }
  return moments;
}

test('1,500 conversations with random cuts, doubled, lost and reordered events end like the undisturbed one', () => {
  for (let seed = 1; seed <= 1500; seed++) {
    const random = seeded(seed);
    const moments = history(random);
    const undisturbed = run(moments.map((moment) => moment.event));
    let state = emptyConversation;
    let connects = 0;
    // A connection replays what is stored after `lastSeq`, then the answer so far.
    const connect = (moment: Moment) => {
      connects += 1;
      state = reduce(state, { type: 'connected' });
      state = run(moment.stored.slice(state.lastSeq), state);
      if (moment.live?.text) state = run([delta(moment.live.turn, 0, moment.live.text)], state);
      assert.equal(state.gap, false, `seed ${seed}: a replay leaves no gap`);
    };
    let held: ServerEvent | null = null;
    for (const moment of moments) {
      const fate = random();
      if (fate < 0.08) held = moment.event;
      else if (fate < 0.16) connect(moment);
      else if (fate < 0.24) state = run([moment.event, moment.event], state);
      else if (fate >= 0.3) state = run([moment.event], state);
      if (held && random() < 0.4) {
        state = run([held], state);
        held = null;
      }
      if (state.gap) connect(moment);
      // At no time is a torn or doubled answer shown.
      const shown = liveEntry(state);
      const truth = moment.live;
      if (shown && truth && shown.turn === truth.turn) assert.ok(truth.text.startsWith(shown.text), `seed ${seed}: ${shown.text} is not a beginning of ${truth.text}`);
    }
    const last = moments[moments.length - 1];
    assert.ok(last);
    connect(last);
    assert.deepEqual(state, undisturbed, `seed ${seed} after ${connects} connections`);
  }
});

test('what a newer server says is stepped over, and the log goes on', () => {
  const newer = (event: object): ServerEvent => event as ServerEvent;
  const before = run([visitor(1, 'hi'), started(2, 't')]);
  const after = run(
    [
      newer({ seq: 3, kind: 'tool.called', tool: 'order_status', message: 'not for display' }),
      newer({ seq: 4, kind: 'hidden', of_tomorrow: { level: 3 } }),
      newer({ kind: 'tool.progress', per_cent: 50 }),
    ],
    before,
  );
  assert.deepEqual({ ...after, lastSeq: before.lastSeq }, before);
  assert.equal(after.lastSeq, 4);
  const answered = run([newer({ ...reply(5, '300 ₽ [1]'), of_tomorrow: 1 }), finished(6, 't', 'msg_5')], after);
  assert.deepEqual(answered.entries.map((entry) => entry.text), ['hi', '300 ₽ [1]']);
  assert.equal(answered.gap, false);
});

test('a value of a newer server is taken as what does least harm', () => {
  const newer = (event: object): StoredEvent => event as StoredEvent;
  const begun = run([visitor(1, 'hi'), started(2, 't')]);
  const silent = run([newer({ seq: 3, kind: 'turn.finished', turn: 't', outcome: 'asked_back' })], begun);
  assert.equal(silent.entries[1]?.outcome, 'cancelled');
  const said = run([reply(3, 'ok'), newer({ seq: 4, kind: 'turn.finished', turn: 't', outcome: 'asked_back', message_id: 'msg_3' })], begun);
  assert.equal(said.entries[1]?.outcome, 'answered');
  const other = run([newer({ seq: 3, kind: 'mode.changed', mode: 'second_bot' })], begun);
  assert.equal(other.mode, 'operator');
  assert.equal(other.entries.length, begun.entries.length, 'without an announcement');
  const robot = run([newer({ seq: 3, kind: 'message.created', message: { id: 'msg_3', author: { kind: 'robot' }, text: 'beep' } })], begun);
  assert.equal(robot.entries[2]?.kind, 'system');
});
