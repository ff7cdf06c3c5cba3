// What goes between the page and the server while there is no chat: the session is opened, and the server is asked now and then
// whether something new was said.

import type { Api } from './api';
import { Backoff } from './backoff';
import { isProblem } from './failure';
import { Pauses } from './pauses';
import type { Session } from './session';
import type { Box } from './storage';

/** Milliseconds between two questions for news: the longer nothing happened, the more. */
export const POLL = { min: 20_000, max: 5 * 60_000, share: 20 };
/** Milliseconds without an event after which a conversation rests. */
export const IDLE = 10 * 60_000;

/** Milliseconds until it is asked again, where nothing happened for `quiet`. */
export const pollAfter = (quiet: number, { min, max } = POLL): number => Math.min(max, Math.max(min, quiet / POLL.share));

export class Watch {
  private over = false;
  private asked = -Infinity;
  private readonly pauses = new Pauses();

  /** `news`: something was said that the visitor has not seen. */
  constructor(
    private readonly api: Api,
    private readonly session: Session,
    private readonly box: Box,
    private readonly news: () => void,
  ) {}

  async start(): Promise<void> {
    if (!this.session.resume()) await this.begin();
    while (!this.over && this.session.refused === null) {
      const quiet = Math.max(IDLE, Date.now() - (this.box.get<number>('active') ?? 0));
      if (Date.now() - this.asked >= POLL.min && !this.session.pause()) {
        this.asked = Date.now();
        if ((await this.ask()) && !this.over) this.news();
      }
      await this.pauses.rest(Math.max(pollAfter(quiet), this.session.pause()), !this.session.pause());
    }
  }

  /** The page is seen, or online: try now instead of waiting. */
  wake(): void {
    this.pauses.wake();
  }

  stop(): void {
    this.over = true;
    this.pauses.stop();
  }

  private async begin(): Promise<void> {
    const backoff = new Backoff({ base: 800, max: 20_000, random: Math.random });
    while (!this.over && this.session.refused === null && !this.session.ready) {
      try {
        await this.session.open();
      } catch (cause) {
        this.session.onChange();
        const asked = isProblem(cause) ? cause.retryAfter : null;
        await this.pauses.rest(Math.max(backoff.next(), (asked ?? 0) * 1000), asked === null);
      }
    }
  }

  private async ask(): Promise<boolean> {
    const { session } = this;
    const { token, conversation, read } = session;
    if (!token || !conversation) return false;
    try {
      const { last_seq } = await this.api.replay(token, conversation, read, 1);
      session.knownSeq = Math.max(session.knownSeq, last_seq);
      return last_seq > read;
    } catch (cause) {
      session.learn(cause);
      await this.begin();
      return false;
    }
  }
}
