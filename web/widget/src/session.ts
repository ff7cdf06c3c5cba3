// Who the visitor is and which conversation is theirs: opened once for a page, remembered between pages, shared by tabs.

import type { Api } from './api';
import { isFinal, isMaintenance, isProblem, isStatus, isThrottled, Problem } from './failure';
import type { Box } from './storage';
import type { Conversation, Mode, SessionAnswer, Site } from './wire';

export interface SessionOptions {
  siteKey: string;
  locale: string;
  pageUrl?: string;
}

export interface SessionHooks {
  now(): number;
  /** Runs `work` while no other tab of this origin runs something under the same name. */
  exclusively<T>(name: string, work: () => Promise<T>): Promise<T>;
}

interface Remembered {
  token: string;
  conversation: string | null;
  /** The token is good until then, and the server was asked then: milliseconds since 1970, by this clock. */
  until?: number;
  asked?: number;
}

interface RememberedSite {
  locale: string;
  site: Site;
}

/** A token is used up to this many milliseconds before its end. */
const MARGIN = 3600_000;
/** What is known of the site is asked for anew after this, when the panel is opened. */
const FRESH = 10 * 60_000;
/** And after this in any case: a site may have another look, or this page no permission any more. */
const KNOWN = 24 * 3600_000;
const MAX_EARLIER = 20;

/** Milliseconds for which a token is good from when it is issued: by its own words, so that a wrong clock does no harm. */
function lifetime(token: string): number {
  try {
    const { iat, exp } = JSON.parse(atob((token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/'))) as { iat: number; exp: number };
    return (exp - iat) * 1000 - MARGIN || 0;
  } catch {
    return 0;
  }
}

interface Seen {
  conversation: string;
  seq: number;
}

export class Session {
  token: string | null;
  conversation: string | null = null;
  /** The last `seq` the server told of; less than it in hand means that history is still to come. */
  knownSeq = 0;
  /** Everything up to this `seq` was seen by the visitor. */
  read = 0;
  site: Site | null = null;
  /** The status with which the server refuses this page; 0 where the page keeps us from asking. */
  refused: number | null = null;
  /** No session is given, because the service is closed. */
  shut = false;
  /** Who speaks in the conversation, where the server said so. */
  mode: Mode | undefined;
  /** The visitor's conversation is another one now, or none. `first` where there was none before. */
  onSwitch: (conversation: Conversation | null, first: boolean) => void = () => {};
  onChange: () => void = () => {};
  private opened = false;
  private until = 0;
  private asked = 0;
  private opening: Promise<void> | null = null;
  /** With what the server asked for a pause, and until when. */
  private held: Problem | null = null;
  private heldUntil = 0;
  private quietUntil = 0;
  /** A request for a conversation got no answer: it may exist all the same. */
  private doubtful = false;

  constructor(
    private readonly api: Api,
    private readonly box: Box,
    private readonly options: SessionOptions,
    private readonly hooks: SessionHooks,
  ) {
    const known = this.remembered();
    this.token = typeof known?.token === 'string' ? known.token : null;
    this.until = known?.until ?? 0;
    this.asked = known?.asked ?? 0;
    const site = box.get<RememberedSite>('site');
    if (site?.locale === options.locale) this.site = site.site;
  }

  /** Goes on where the page before was, without a word to the server: true where all that takes is remembered. */
  resume(): boolean {
    const now = this.hooks.now();
    this.opened = this.token !== null && this.site !== null && this.asked <= now && now < this.asked + KNOWN && now < this.until;
    const conversation = this.remembered()?.conversation;
    if (this.opened && conversation) this.switchTo({ id: conversation });
    return this.opened;
  }

  /** What is known of the site may have changed. */
  get stale(): boolean {
    const age = this.hooks.now() - this.asked;
    return age < 0 || age > FRESH;
  }

  /** The visitor's conversations before this one, the latest last. */
  get earlier(): string[] {
    const ids = this.box.get<unknown>('earlier');
    return Array.isArray(ids) ? ids.filter((id): id is string => typeof id === 'string' && id !== this.conversation) : [];
  }

  refuse(status: number): void {
    if (this.refused !== null) return;
    this.refused = status;
    this.onChange();
  }

  /** Milliseconds for which the server is not to be asked for news. */
  pause(): number {
    return Math.max(0, this.quietUntil - this.hooks.now());
  }

  get ready(): boolean {
    return this.token !== null && this.opened;
  }

  /** One at a time; every caller waits for the same one. While the server wants a pause it is not asked, and says so again. */
  open(): Promise<void> {
    const left = this.heldUntil - this.hooks.now();
    const { held } = this;
    if (held && left > 0) return Promise.reject(new Problem(held.status, held.detail, left / 1000, held.kind));
    this.opening ??= this.ask().finally(() => (this.opening = null));
    return this.opening;
  }

  /** The next call opens the session anew. */
  expire(): void {
    this.opened = false;
    this.onChange();
  }

  /** The conversation is gone or closed: the next message begins another. */
  leave(): void {
    this.switchTo(null);
    this.remember();
  }

  /** What a question for events failed with: this page may not ask, the session or the conversation is over, or a pause is wanted. */
  learn(cause: unknown): void {
    if (isStatus(cause, 403)) this.refuse(403);
    if (isStatus(cause, 401, 404)) this.expire();
    if (isStatus(cause, 404)) this.leave();
    if (isThrottled(cause)) this.quietUntil = this.hooks.now() + (cause.retryAfter ?? 0) * 1000;
  }

  /** The visitor saw everything up to `seq`. */
  markRead(seq: number): void {
    if (seq <= this.read || !this.conversation) return;
    this.read = seq;
    this.box.set('read', { conversation: this.conversation, seq } satisfies Seen);
  }

  /** Another tab wrote: true where it began the conversation that this one lacked. */
  catchUp(): boolean {
    const known = this.remembered();
    if (!known?.token || !known.conversation || this.conversation) return false;
    this.token = known.token;
    this.switchTo({ id: known.conversation });
    return true;
  }

  /** The conversation to write into; made at the first message, or when the old one is `closed`. */
  async writable(closed: boolean): Promise<{ token: string; conversation: string }> {
    if (!this.ready || this.doubtful) await this.open();
    this.doubtful = false;
    const { token, conversation: old } = this;
    if (!token) throw new Error('no session');
    if (old && !closed) return { token, conversation: old };
    const conversation = await this.hooks.exclusively(this.box.key('create'), async () => {
      const known = this.remembered();
      // Another tab was faster: one visitor, one conversation.
      if (known?.conversation && known.conversation !== old && known.token === token) return { id: known.conversation };
      try {
        const created = await this.api.createConversation(token);
        this.remember(created.id);
        return created;
      } catch (cause) {
        this.doubtful = !isProblem(cause);
        throw cause;
      }
    });
    this.switchTo(conversation);
    return { token, conversation: conversation.id };
  }

  private async ask(): Promise<void> {
    const { siteKey, locale, pageUrl } = this.options;
    const { token } = this;
    let answer: SessionAnswer;
    try {
      // A token that is not good any more begins a new visitor.
      answer = await this.api.openSession({ site_key: siteKey, ...(token ? { visitor_token: token } : {}), locale, ...(pageUrl ? { page_url: pageUrl } : {}) });
    } catch (cause) {
      this.shut = isMaintenance(cause);
      if (isThrottled(cause)) {
        this.held = cause;
        this.heldUntil = this.hooks.now() + (cause.retryAfter ?? 0) * 1000;
      }
      if (isFinal(cause)) this.refuse(cause.status);
      throw cause;
    }
    this.shut = false;
    this.opened = true;
    this.token = answer.visitor_token;
    this.asked = this.hooks.now();
    this.until = this.asked + lifetime(this.token);
    this.site = answer.site;
    this.box.set('site', { locale, site: answer.site } satisfies RememberedSite);
    if (answer.conversation?.id !== this.conversation) this.switchTo(answer.conversation);
    else if (answer.conversation) this.knownSeq = Math.max(this.knownSeq, answer.conversation.last_seq ?? 0);
    this.remember();
    this.onChange();
  }

  private switchTo(conversation: Conversation | null): void {
    const first = this.conversation === null && conversation !== null;
    const before = this.conversation ?? this.remembered()?.conversation;
    if (before && before !== conversation?.id) {
      this.box.set('earlier', [...this.earlier.filter((id) => id !== before), before].slice(-MAX_EARLIER));
    }
    this.conversation = conversation?.id ?? null;
    this.mode = conversation?.mode;
    this.knownSeq = conversation?.last_seq ?? 0;
    const seen = this.box.get<Seen>('read');
    this.read = seen && seen.conversation === this.conversation ? seen.seq : 0;
    this.onSwitch(conversation, first);
  }

  private remembered(): Remembered | null {
    return this.box.get<Remembered>('session');
  }

  private remember(conversation = this.conversation): void {
    const { token, until, asked } = this;
    if (token) this.box.set('session', { token, conversation, until, asked } satisfies Remembered);
  }
}
