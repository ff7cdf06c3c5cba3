// What a conversation looks like after the events seen so far. Pure: no clock, no network, no DOM.
//
// Guarantees, whatever the connection does:
// - an event with a known `seq` changes nothing; one that would leave a hole is not applied, and `gap` asks for a replay;
// - a delta is applied only where it fits to the byte, so a streamed answer is never doubled or torn;
// - a message that is on its way is one entry from the key press on: its key is the `client_id` until the end;
// - what only a newer server says changes nothing, or is taken as what does least harm; the log goes on.

import type { Pending } from './outbox';
import type { AuthorKind, Citation, Mode, Outcome, ServerEvent, StoredEvent } from './wire';

export type EntryKind = 'visitor' | 'ai' | 'operator' | 'system' | 'notice';
export type Notice = 'operator' | 'ai' | 'closed';

export interface Entry {
  /** Stays the same for as long as the entry is shown. */
  key: string;
  kind: EntryKind;
  text: string;
  /** Milliseconds since 1970; null while the server has not said. */
  at: number | null;
  /** 0 while nothing of it is stored. */
  seq: number;
  id?: string;
  name?: string;
  citations?: Citation[];
  suggestions?: string[];
  /** The turn that wrote it. */
  turn?: string;
  /** Still being written. */
  live?: boolean;
  outcome?: Outcome;
  /** It ends before its end. */
  incomplete?: boolean;
  notice?: Notice;
}

export interface Outgoing extends Pending {
  status: 'queued' | 'sending' | 'sent' | 'rejected';
}

export interface ConversationState {
  lastSeq: number;
  mode: Mode;
  entries: readonly Entry[];
  /** Messages of this visitor that no event has confirmed yet, in order. */
  outgoing: readonly Outgoing[];
  operatorTyping: boolean;
  /** Something is missing: reconnect with `after = lastSeq`. Cleared by `connected`. */
  gap: boolean;
}

export type Action =
  | { type: 'event'; event: ServerEvent }
  | { type: 'connected' }
  | { type: 'outbox'; items: readonly Pending[] }
  | { type: 'sending' | 'not-sent'; clientId: string }
  | { type: 'acknowledged'; clientId: string; seq: number }
  /** Events up to `seq` cannot be had any more. */
  | { type: 'lost'; seq: number }
  | { type: 'typing-ended' }
  | { type: 'reset'; mode?: Mode };

/** Older entries leave the screen; they are still on the server. */
export const MAX_ENTRIES = 500;

const encoder = new TextEncoder();
export const byteLength = (text: string): number => encoder.encode(text).length;

export const emptyConversation: ConversationState = {
  lastSeq: 0,
  mode: 'ai',
  entries: [],
  outgoing: [],
  operatorTyping: false,
  gap: false,
};

/** The turn being written now, if there is one. */
export const liveEntry = (state: ConversationState): Entry | undefined => state.entries.find((entry) => entry.live);

export function reduce(state: ConversationState, action: Action): ConversationState {
  switch (action.type) {
    case 'event':
      return onEvent(state, action.event);
    case 'connected':
      return state.gap ? { ...state, gap: false } : state;
    case 'typing-ended':
      return state.operatorTyping ? { ...state, operatorTyping: false } : state;
    case 'reset':
      return { ...emptyConversation, mode: action.mode ?? 'ai', outgoing: state.outgoing.filter((out) => out.status !== 'sent') };
    case 'outbox':
      return { ...state, outgoing: mergeOutbox(state, action.items) };
    case 'sending':
      return { ...state, outgoing: patchOutgoing(state, action.clientId, { status: 'sending' }) };
    case 'not-sent':
      return { ...state, outgoing: patchOutgoing(state, action.clientId, { status: 'queued' }) };
    case 'acknowledged': {
      // The event may have been faster.
      const shown = action.seq <= state.lastSeq;
      return {
        ...state,
        outgoing: shown
          ? state.outgoing.filter((out) => out.client_id !== action.clientId)
          : patchOutgoing(state, action.clientId, { status: 'sent' }),
      };
    }
    case 'lost':
      return { ...state, lastSeq: Math.max(state.lastSeq, action.seq) };
  }
}

function patchOutgoing(state: ConversationState, clientId: string, patch: Partial<Outgoing>): Outgoing[] {
  return state.outgoing.map((out) => (out.client_id === clientId ? { ...out, ...patch } : out));
}

function mergeOutbox(state: ConversationState, items: readonly Pending[]): Outgoing[] {
  const sent = state.outgoing.filter((out) => out.status === 'sent' && !items.some((item) => item.client_id === out.client_id));
  const waiting = items
    .filter((item) => !state.entries.some((entry) => entry.key === item.client_id))
    .map((item): Outgoing => {
      const before = state.outgoing.find((out) => out.client_id === item.client_id);
      return { ...item, status: item.rejected ? 'rejected' : before?.status === 'sending' ? 'sending' : 'queued' };
    });
  return [...sent, ...waiting];
}

function onEvent(state: ConversationState, event: ServerEvent): ConversationState {
  if (event.kind === 'turn.delta') return onDelta(state, event.turn, event.offset, event.text);
  if (event.kind === 'typing') {
    return event.by?.kind === 'operator' ? { ...state, operatorTyping: event.on } : state;
  }
  if (!('seq' in event) || !Number.isSafeInteger(event.seq)) return state;
  if (event.seq <= state.lastSeq) return state;
  if (event.seq !== state.lastSeq + 1) return { ...state, gap: true };
  return { ...onStored(state, event), lastSeq: event.seq };
}

function onDelta(state: ConversationState, turn: string, offset: number, text: string): ConversationState {
  const entry = state.entries.find((other) => other.turn === turn);
  if (entry && !entry.live) return state;
  if (offset === 0) {
    // The whole answer so far: what a (re)connecting client gets first.
    if (entry) return replace(state, entry.key, { text });
    // Shown at once; it finds its place in the order when its `turn.started` comes.
    return append(state, { key: turn, kind: 'ai', text, at: null, seq: 0, turn, live: true });
  }
  if (!entry || offset !== byteLength(entry.text)) return { ...state, gap: true };
  return replace(state, entry.key, { text: entry.text + text });
}

/** The values that this widget knows. */
const MODES: readonly Mode[] = ['ai', 'operator', 'closed'];
const AUTHORS: readonly AuthorKind[] = ['visitor', 'ai', 'operator', 'system'];
const OUTCOMES: readonly Outcome[] = ['answered', 'quoted', 'no_answer', 'handed_off', 'cancelled', 'failed'];

function onStored(state: ConversationState, event: StoredEvent): ConversationState {
  const at = timeOf(event.at);
  switch (event.kind) {
    case 'message.created':
      return onMessage(state, event, at);
    case 'turn.started': {
      const early = state.entries.find((entry) => entry.turn === event.turn);
      if (early && early.seq > 0) return state;
      // One turn runs at a time: an older one that never said it finished is over.
      const entries = state.entries
        .filter((entry) => entry !== early)
        .map((entry) => (entry.live ? { ...entry, live: false, text: '', outcome: 'cancelled' as const } : entry));
      const begun: Entry = { key: event.turn, kind: 'ai', text: early?.text ?? '', at, seq: event.seq, turn: event.turn, live: true };
      return append({ ...state, entries }, begun);
    }
    case 'turn.finished':
      return onFinished(state, event, at);
    case 'mode.changed':
      if (!event.mode || event.mode === state.mode) return state;
      // Who speaks now is not known here, so there is no announcement.
      if (!MODES.includes(event.mode)) return { ...state, mode: 'operator', operatorTyping: false };
      return append({ ...state, mode: event.mode, operatorTyping: false }, notice(event.seq, event.mode, at));
    case 'status.changed':
      if (event.status !== 'closed' || state.mode === 'closed') return state;
      return append({ ...state, mode: 'closed' }, notice(event.seq, 'closed', at));
    default:
      return state;
  }
}

function onMessage(
  state: ConversationState,
  { message, seq }: StoredEvent & { kind: 'message.created' },
  at: number | null,
): ConversationState {
  if (message.note) return state;
  const content: Partial<Entry> = { id: message.id, text: message.text, at, seq };
  if (message.citations?.length) content.citations = message.citations;
  if (message.incomplete === true) content.incomplete = true;
  if (message.author.name) content.name = message.author.name;
  const outgoing = state.outgoing.filter((out) => out.client_id !== message.client_id);
  const next = outgoing.length === state.outgoing.length ? state : { ...state, outgoing };
  const kind = AUTHORS.includes(message.author.kind) ? message.author.kind : 'system';
  if (kind === 'ai') {
    // The closing batch may tell of the message and of the end of its turn in either order.
    const turn = state.entries.find((entry) => entry.turn && entry.id === message.id) ?? liveEntry(state);
    if (turn) return replace(next, turn.key, { ...content, live: false });
  }
  const key = message.client_id ?? message.id;
  const entry: Entry = { key, kind, text: '', at: null, seq: 0, ...content };
  return append({ ...next, operatorTyping: kind === 'operator' ? false : state.operatorTyping }, entry);
}

function onFinished(
  state: ConversationState,
  event: StoredEvent & { kind: 'turn.finished' },
  at: number | null,
): ConversationState {
  const outcome = OUTCOMES.includes(event.outcome) ? event.outcome : event.message_id ? 'answered' : 'cancelled';
  const patch: Partial<Entry> = { outcome, live: false };
  if (event.citations?.length) patch.citations = event.citations;
  if (Array.isArray(event.suggestions) && event.suggestions.length) patch.suggestions = event.suggestions;
  const written =
    state.entries.find((entry) => entry.turn === event.turn) ??
    (event.message_id ? state.entries.find((entry) => entry.id === event.message_id) : undefined);
  if (!written) {
    const entry: Entry = { key: event.turn, kind: 'ai', text: '', at, seq: event.seq, turn: event.turn, ...patch };
    if (event.message_id) entry.id = event.message_id;
    return append(state, entry);
  }
  if (event.message_id) patch.id = event.message_id;
  // What was streamed but never stored is gone after a reload; it must not look like an answer before one.
  else if (!written.id) patch.text = '';
  return replace(state, written.key, patch);
}

const notice = (seq: number, kind: Notice, at: number | null): Entry => ({
  key: `notice-${seq}`,
  kind: 'notice',
  text: '',
  at,
  seq,
  notice: kind,
});

function timeOf(at: string | undefined): number | null {
  const time = at ? Date.parse(at) : NaN;
  return Number.isFinite(time) ? time : null;
}

function append(state: ConversationState, entry: Entry): ConversationState {
  const entries = [...state.entries, entry];
  return { ...state, entries: entries.length > MAX_ENTRIES ? entries.slice(-MAX_ENTRIES) : entries };
}

function replace(state: ConversationState, key: string, patch: Partial<Entry>): ConversationState {
  return { ...state, entries: state.entries.map((entry) => (entry.key === key ? { ...entry, ...patch } : entry)) };
}
