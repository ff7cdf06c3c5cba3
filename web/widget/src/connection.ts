// Everything that goes between the page and the server: one socket, or one event stream where sockets do not get through,
// the outbox, and what to do when they fail.
// It knows no DOM; the page tells it when it is online, seen or open.

import type { Api } from './api';
import { Backoff } from './backoff';
import { emptyConversation, liveEntry, reduce, type Action, type ConversationState, type Entry } from './conversation';
import { Earlier } from './earlier';
import { isFinal, isMaintenance, isProblem, isStatus, isThrottled, type Problem } from './failure';
import type { Outbox } from './outbox';
import { Pauses } from './pauses';
import type { Session } from './session';
import { RoomSocket } from './socket';
import type { Box } from './storage';
import type { StreamModule } from './stream';
import { IDLE, POLL, pollAfter } from './watch';
import type { Conversation, ServerEvent, Site } from './wire';

export type Link = 'idle' | 'connecting' | 'live' | 'offline';
/** Why it waits: too many messages, a server that cannot take them now or is closed, or no way to reach it. */
export type WaitReason = 'rate' | 'busy' | 'closed' | 'network';

export interface Snapshot {
  conversation: ConversationState;
  link: Link;
  site: Site | null;
  /** The status with which the server refuses this page: a wrong site key, a foreign origin. Nothing will change until a reload. */
  refused: number | null;
  /** `until` is in milliseconds since 1970. */
  waiting: { reason: WaitReason; until: number } | null;
  /** A conversation exists, and its history has not arrived yet. */
  loading: boolean;
  outboxFull: boolean;
  /** Everything up to this `seq` was seen by the visitor. */
  read: number;
  /** What was said in conversations before this one, as far as it was asked for; `more` where there is more of it. */
  earlier: readonly Entry[];
  more: boolean;
  /** Milliseconds to add to this clock for that of the server, as far as it is known. */
  skew: number;
}

export interface Surroundings {
  now(): number;
  random(): number;
  newId(): string;
  online(): boolean;
  /** What reads an event stream. */
  stream(): Promise<Pick<StreamModule, 'readStream'>>;
  onChange(snapshot: Snapshot): void;
}

export interface ConnectionOptions {
  /** Milliseconds. */
  backoff?: { base: number; max: number };
  /** Milliseconds between two questions for news where there is no connection. */
  poll?: { min: number; max: number };
  /** Milliseconds in which the event stream is used after a socket that did not hold. */
  socketRest?: number;
}

/** A page in the background keeps its stream this long: browsers allow six connections to a host, tabs are many. A socket
 * is none of these, and stays. */
const HIDDEN = 60_000;
/** Events in one answer. */
const PAGE = 100;
/** Clocks that differ less than this agree. */
const SKEW = 30_000;
const TYPING = 6_000;
/** How often an author who writes says so. */
const TYPING_AGAIN = 3_000;
/** A browser that claims to be offline may be wrong; ask anyway now and then. */
const OFFLINE_PROBE = 20_000;
/** A connection that lived this long was a good one: the next failure starts counting anew. */
const STEADY = 5_000;
/** Something on the way that breaks sockets will go on to. */
const SOCKET_REST = 5 * 60_000;

export class Connection {
  private state: ConversationState = emptyConversation;
  private link: Link = 'idle';
  private waiting: Snapshot['waiting'] = null;
  private outboxFull = false;
  private skew = 0;
  private lastPoll = -Infinity;
  private toldActivity = 0;

  private readonly earlier: Earlier;

  private open = false;
  private closed = false;
  private hiddenSince: number | null = null;
  private lastActivity = 0;
  /** The conversation that `state` is of. */
  private followed: string | null = null;
  private stream: AbortController | null = null;
  /** Set while it is open. */
  private socket: RoomSocket | null = null;
  private socketsAfter = 0;
  private toldRead = 0;
  private toldTyping = 0;
  private streaming = false;
  private pumping = false;
  private typingTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly pauses = new Pauses();

  constructor(
    private readonly api: Api,
    private readonly session: Session,
    private readonly box: Box,
    private readonly outbox: Outbox,
    private readonly around: Surroundings,
    private readonly options: ConnectionOptions = {},
  ) {
    session.onSwitch = (conversation, first) => this.onSwitch(conversation, first);
    session.onChange = () => this.changed();
    this.earlier = new Earlier(api, session);
    // Where the session was before, this goes on.
    const { conversation, mode } = session;
    if (conversation) this.onSwitch({ id: conversation, ...(mode ? { mode } : {}) }, false);
  }

  snapshot(): Snapshot {
    const { state: conversation, link, outboxFull, skew } = this;
    const waiting = this.waiting ?? (this.session.shut ? { reason: 'closed', until: 0 } : null);
    const { site, refused, read, knownSeq } = this.session;
    const loading = this.session.conversation !== null && conversation.lastSeq < knownSeq && conversation.entries.length === 0;
    const { entries: earlier, more } = this.earlier;
    return { conversation, link, site, refused, waiting, loading, outboxFull, read, earlier, more, skew };
  }

  /** Opens the session and goes on with whatever was left undone. */
  async start(): Promise<void> {
    this.dispatch({ type: 'outbox', items: this.outbox.all() });
    // A tab that was open a while ago asks as if nothing had happened since: what did, the first poll says.
    const active = this.box.get<number>('active') ?? 0;
    this.lastActivity = Math.min(active, this.around.now() - IDLE);
    if (!this.around.online()) this.setLink('offline');
    if (this.session.ready || this.session.resume()) this.check();
    else await this.begin();
    void this.pump();
    void this.follow();
    void this.poll();
  }

  private async begin(): Promise<void> {
    const backoff = this.newBackoff();
    while (!this.closed && this.session.refused === null && !this.session.ready) {
      try {
        await this.session.open();
        if (!this.streaming) this.setLink(this.around.online() ? 'idle' : 'offline');
        this.changed();
      } catch (cause) {
        this.setLink(this.around.online() ? 'connecting' : 'offline');
        this.changed();
        await this.pauses.rest(this.delayAfter(cause, backoff), !isThrottled(cause));
      }
    }
  }

  /** The page itself keeps us from the server. */
  refuse(status: number): void {
    this.session.refuse(status);
    this.stream?.abort();
    this.pauses.wake();
  }

  /** Shows the conversation before the earliest one that is shown. */
  async loadEarlier(): Promise<void> {
    await this.earlier.load();
    this.changed();
  }

  /** Stops everything for good. */
  stop(): void {
    this.closed = true;
    this.stream?.abort();
    clearTimeout(this.typingTimer);
    this.pauses.stop();
  }

  setOpen(open: boolean): void {
    this.open = open;
    if (!open) return;
    this.check();
    this.resume();
  }

  /** Before anything is promised: is the server there, and is the site as it was? */
  private check(): void {
    if (!this.open || !this.session.ready || !this.session.stale) return;
    this.session.expire();
    void this.begin();
  }

  /** The page is seen, online, or back from the back-forward cache: try now instead of waiting. */
  resume(): void {
    this.hiddenSince = null;
    if (this.link === 'offline') this.setLink(this.streaming ? 'connecting' : 'idle');
    this.pauses.wake();
    void this.pump();
    void this.follow();
  }

  offline(): void {
    this.setLink('offline');
    this.stream?.abort();
  }

  hide(): void {
    this.hiddenSince = this.around.now();
  }

  /** The page is being left; a stream would keep it out of the back-forward cache. */
  suspend(): void {
    this.hiddenSince = 0;
    this.stream?.abort();
  }

  /** The visitor saw everything; the server is told of the last message, `seq`. */
  markRead(seq: number): void {
    this.session.markRead(this.state.lastSeq);
    const { token, conversation } = this.session;
    if (seq <= this.toldRead || !token || !conversation) return;
    this.toldRead = seq;
    if (this.socket) this.socket.say({ t: 'read', seq });
    // One that does not arrive is made up for by the next.
    else void this.api.markRead(token, conversation, seq).catch(() => {});
  }

  /** The visitor writes, or has taken back what was written. Only a colleague would look at it. */
  typing(on: boolean): void {
    const now = this.around.now();
    if (this.state.mode !== 'operator' || (on ? now - this.toldTyping < TYPING_AGAIN : this.toldTyping === 0)) return;
    this.toldTyping = on ? now : 0;
    this.socket?.say({ t: 'typing', on });
  }

  /** False where too many messages are waiting already. */
  send(text: string): boolean {
    const kept = this.outbox.add({ client_id: this.around.newId(), text, at: this.around.now() + this.skew });
    this.outboxFull = !kept;
    this.active();
    this.dispatch({ type: 'outbox', items: this.outbox.all() });
    this.pauses.wake();
    void this.pump();
    return kept;
  }

  /** Takes back a message that has not been sent. Gives its text. */
  takeBack(clientId: string): string | null {
    const item = this.outbox.all().find((other) => other.client_id === clientId);
    if (!item) return null;
    this.outbox.remove(clientId);
    this.dispatch({ type: 'outbox', items: this.outbox.all() });
    return item.text;
  }

  /** Another tab wrote into the shared storage. */
  storageChanged(key: string | null): void {
    if (key === this.box.key('outbox')) {
      this.dispatch({ type: 'outbox', items: this.outbox.all() });
      void this.pump();
    } else if (key === this.box.key('session') && this.session.catchUp()) {
      void this.follow();
    }
  }

  private onSwitch(conversation: Conversation | null, first: boolean): void {
    if (conversation && this.state.mode === 'closed' && this.followed) {
      this.earlier.keep(this.followed, this.state.entries);
    }
    this.followed = conversation?.id ?? null;
    // Into the first conversation goes what was written before it existed; any other begins empty.
    if (!first) this.dispatch({ type: 'reset', ...(conversation?.mode ? { mode: conversation.mode } : {}) });
    this.toldRead = this.session.read;
    if (this.session.knownSeq > this.session.read) this.active();
    this.stream?.abort();
  }

  // --- sending ------------------------------------------------------------------------------------------------

  private async pump(): Promise<void> {
    if (this.pumping || this.closed) return;
    this.pumping = true;
    const backoff = this.newBackoff();
    let strikes = 0;
    try {
      for (let item = this.outbox.next(); item && !this.closed && this.session.refused === null; item = this.outbox.next()) {
        const clientId = item.client_id;
        try {
          const { token, conversation } = await this.session.writable(this.state.mode === 'closed');
          this.dispatch({ type: 'sending', clientId });
          void this.follow();
          const seq = await this.post(token, conversation, { client_id: clientId, text: item.text });
          this.outbox.remove(clientId);
          this.outboxFull = false;
          this.waiting = null;
          this.active();
          this.toldTyping = 0;
          this.session.knownSeq = Math.max(this.session.knownSeq, seq);
          backoff.reset();
          strikes = 0;
          this.dispatch({ type: 'acknowledged', clientId, seq });
        } catch (cause) {
          this.dispatch({ type: 'not-sent', clientId });
          if (isProblem(cause) && (await this.answerTo(cause, clientId, strikes))) {
            strikes += 1;
            continue;
          }
          await this.wait(cause, backoff);
        }
      }
    } finally {
      this.pumping = false;
      this.waiting = null;
      this.changed();
    }
  }

  /** Gives the `seq` under which the message is stored. */
  private async post(token: string, conversation: string, body: { client_id: string; text: string }): Promise<number> {
    if (this.socket) return this.socket.send(body);
    return (await this.api.postMessage(token, conversation, body)).message.seq;
  }

  /** True where the same message may be tried again at once, or the next one. */
  private async answerTo(problem: Problem, clientId: string, strikes: number): Promise<boolean> {
    const { status, detail } = problem;
    if (status === 401 && strikes < 2) {
      this.session.expire();
      return true;
    }
    if ((status === 404 || status === 409) && strikes < 2) {
      // Gone or closed: the session knows which conversation is the visitor's now, if any.
      const before = this.session.conversation;
      this.session.expire();
      try {
        await this.session.open();
      } catch {
        return false;
      }
      if (this.session.conversation === before) this.session.leave();
      return true;
    }
    if (status === 403) this.session.refuse(status);
    else if (isFinal(problem)) {
      this.outbox.reject(clientId, status, detail);
      this.dispatch({ type: 'outbox', items: this.outbox.all() });
      return true;
    }
    return false;
  }

  private async wait(cause: unknown, backoff: Backoff): Promise<void> {
    const delay = this.delayAfter(cause, backoff);
    const reason: WaitReason = !isProblem(cause) ? 'network' : cause.status === 429 ? 'rate' : isMaintenance(cause) ? 'closed' : 'busy';
    this.waiting = { reason, until: this.around.now() + delay };
    this.changed();
    await this.pauses.rest(delay, !isThrottled(cause));
    this.waiting = null;
    this.changed();
  }

  // --- the events ---------------------------------------------------------------------------------------------

  private wanted(): boolean {
    if (this.closed || this.session.refused !== null || !this.session.conversation) return false;
    const now = this.around.now();
    const writing = liveEntry(this.state) !== undefined || this.state.outgoing.length > 0;
    if (this.hiddenSince === 0) return false;
    if (this.hiddenSince !== null && !this.socket && now - this.hiddenSince > HIDDEN) return writing;
    return this.open || writing || now - this.lastActivity < IDLE;
  }

  private async follow(): Promise<void> {
    if (this.streaming || !this.wanted()) return;
    this.streaming = true;
    const backoff = this.newBackoff();
    try {
      while (this.wanted()) {
        if (this.link !== 'offline') this.setLink('connecting');
        const began = this.around.now();
        const seq = this.state.lastSeq;
        try {
          const ended = await this.read();
          if (this.state.lastSeq > seq || this.around.now() - began > STEADY) backoff.reset();
          if (!this.wanted()) break;
          // Also after an orderly end there is a pause: the server may be ending every stream.
          await this.pauses.rest(ended ? Math.max(250, backoff.next()) : backoff.next(), true);
        } catch (cause) {
          if (this.closed) break;
          if (this.state.lastSeq > seq || this.around.now() - began > STEADY) backoff.reset();
          if (backoff.attempts < 3 || !isStatus(cause, 401, 404)) this.session.learn(cause);
          // The server has less than we do: it came back from a backup.
          if (isStatus(cause, 422)) this.dispatch({ type: 'reset', mode: this.state.mode });
          if (!this.around.online()) this.setLink('offline');
          else if (this.link === 'live' && backoff.attempts > 0) this.setLink('connecting');
          await this.pauses.rest(this.delayAfter(cause, backoff), !isThrottled(cause));
          await this.refreshSession();
        }
      }
    } finally {
      this.streaming = false;
      if (this.link !== 'offline') this.setLink('idle');
    }
  }

  /** Asks now and then whether something new is there, for as long as there is no connection that would say so. */
  private async poll(): Promise<void> {
    const { poll = POLL } = this.options;
    while (!this.closed && this.session.refused === null) {
      const now = this.around.now();
      if (!this.streaming && this.session.conversation && now - this.lastPoll >= poll.min && !this.session.pause()) {
        this.lastPoll = now;
        try {
          await this.ask();
        } catch (cause) {
          this.session.learn(cause);
          await this.refreshSession();
        }
        void this.follow();
      }
      const pause = this.session.pause();
      await this.pauses.rest(Math.max(pause, pollAfter(now - this.lastActivity, { ...POLL, ...poll })), !pause);
    }
  }

  private async ask(): Promise<void> {
    const { token, conversation, read } = this.session;
    if (!token || !conversation) return;
    const { lastSeq } = this.state;
    // What was seen before is not fetched again for the sake of a badge.
    const { events, last_seq } = await this.api.replay(token, conversation, lastSeq || read, PAGE);
    if (conversation !== this.session.conversation) return;
    this.session.knownSeq = Math.max(this.session.knownSeq, last_seq);
    if (last_seq > (lastSeq || read)) this.active();
    if (lastSeq) for (const event of events) this.onEvent(event);
  }

  private async refreshSession(): Promise<void> {
    if (this.session.ready || this.closed) return;
    try {
      await this.session.open();
    } catch {
      // The loop comes back here after its next pause.
    }
  }

  /** True where the server ended the events, false where we cut them; throws where they were cut. */
  private async read(): Promise<boolean> {
    if (!this.session.ready) await this.session.open();
    const { token, conversation } = this.session;
    if (!token || !conversation) return true;
    const abort = new AbortController();
    this.stream = abort;
    try {
      const sockets = this.around.now() >= this.socketsAfter;
      if (sockets && (await this.readSocket(token, conversation, abort))) return false;
      return await this.readStream(token, conversation, abort, sockets);
    } catch (cause) {
      if (abort.signal.aborted && !this.wanted()) return false;
      throw cause;
    } finally {
      abort.abort();
      if (this.stream === abort) this.stream = null;
    }
  }

  /** False where no socket could be opened; throws where one was cut. */
  private async readSocket(token: string, conversation: string, abort: AbortController): Promise<boolean> {
    const raw = this.api.socket(token, conversation);
    if (!raw) return false;
    const room = new RoomSocket(raw, this.state.lastSeq, abort.signal, {
      onEvent: (event) => {
        this.onEvent(event);
        if (this.state.gap || !this.wanted() || conversation !== this.session.conversation) abort.abort();
      },
      onGap: (seq) => this.dispatch({ type: 'lost', seq }),
    });
    if (!(await room.welcomed)) return abort.signal.aborted;
    const began = this.around.now();
    this.socket = room;
    this.connected();
    const cause = await room.ended;
    this.socket = null;
    if (abort.signal.aborted && !this.state.gap) return true;
    if (this.around.now() - began < STEADY) this.avoidSockets();
    throw cause;
  }

  private async readStream(token: string, conversation: string, abort: AbortController, instead: boolean): Promise<boolean> {
    const { readStream } = await this.around.stream();
    const body = await this.api.events(token, conversation, this.state.lastSeq, abort.signal);
    // The server is there, and only sockets do not reach it.
    if (instead) this.avoidSockets();
    this.connected();
    const take = (event: ServerEvent) => {
      this.onEvent(event);
      if (this.state.gap) throw new Error('a gap in the stream');
    };
    return readStream(body, () => abort.abort(), take, () => this.wanted() && conversation === this.session.conversation);
  }

  private connected(): void {
    this.dispatch({ type: 'connected' });
    this.setLink('live');
  }

  private avoidSockets(): void {
    this.socketsAfter = this.around.now() + (this.options.socketRest ?? SOCKET_REST);
  }

  /** Something happens in this conversation; tabs that are opened later know it, too. */
  private active(): void {
    const now = (this.lastActivity = this.around.now());
    if (now - this.toldActivity < POLL.min) return;
    this.toldActivity = now;
    this.box.set('active', now);
  }

  private onEvent(event: ServerEvent): void {
    this.active();
    if ('at' in event && event.at) {
      const ahead = Date.parse(event.at) - this.around.now();
      const mine = event.kind === 'message.created' && this.state.outgoing.some((out) => out.client_id === event.message.client_id && out.status !== 'queued');
      // What was just stored tells the server's time, and so does what comes from the future.
      if (mine || ahead > this.skew) this.skew = Math.abs(ahead) < SKEW ? 0 : ahead;
    }
    this.dispatch({ type: 'event', event });
    if (event.kind === 'message.created' && event.message.client_id) this.outbox.remove(event.message.client_id);
    if (event.kind === 'typing') {
      clearTimeout(this.typingTimer);
      this.typingTimer = setTimeout(() => this.dispatch({ type: 'typing-ended' }), TYPING);
    }
  }

  // --- the rest -----------------------------------------------------------------------------------------------

  private newBackoff(): Backoff {
    const { base, max } = this.options.backoff ?? { base: 800, max: 20_000 };
    return new Backoff({ base, max, random: () => this.around.random() });
  }

  /** Milliseconds until the next attempt after this failure. */
  private delayAfter(cause: unknown, backoff: Backoff): number {
    const pause = backoff.next();
    if (isProblem(cause)) return Math.max(pause, (cause.retryAfter ?? 0) * 1000);
    return this.around.online() ? pause : Math.max(pause, OFFLINE_PROBE);
  }

  private setLink(link: Link): void {
    if (this.link === link) return;
    this.link = link;
    this.changed();
  }

  private dispatch(action: Action): void {
    const next = reduce(this.state, action);
    if (next === this.state) return;
    this.state = next;
    this.changed();
  }

  private changed(): void {
    if (!this.closed) this.around.onChange(this.snapshot());
  }
}
