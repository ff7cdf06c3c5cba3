// What was said in the conversations before this one. It is fetched when the visitor asks for it, one conversation at a time.

import type { Api } from './api';
import { emptyConversation, MAX_ENTRIES, reduce, type Entry } from './conversation';
import { isFinal } from './failure';
import type { Session } from './session';

/** Events in one answer. */
const PAGE = 100;

export class Earlier {
  entries: readonly Entry[] = [];
  private readonly shown = new Set<string>();

  constructor(
    private readonly api: Api,
    private readonly session: Session,
  ) {}

  get more(): boolean {
    return this.session.earlier.some((id) => !this.shown.has(id));
  }

  /** What is on the screen stays on it when another conversation begins. */
  keep(id: string, entries: readonly Entry[]): void {
    this.shown.add(id);
    this.entries = [...this.entries, ...entries].slice(-MAX_ENTRIES);
  }

  /** Fetches the conversation before the earliest one that is shown. */
  async load(): Promise<void> {
    const id = this.session.earlier.filter((other) => !this.shown.has(other)).pop();
    if (!id) return;
    this.shown.add(id);
    try {
      if (!this.session.ready) await this.session.open();
      const { token } = this.session;
      if (token) this.entries = [...(await this.fetch(token, id)), ...this.entries];
    } catch (cause) {
      // One that is gone is not asked for again; any other may be.
      if (!isFinal(cause)) this.shown.delete(id);
    }
  }

  private async fetch(token: string, id: string): Promise<Entry[]> {
    let past = emptyConversation;
    for (let before = -1, last = 1; before < past.lastSeq && past.lastSeq < last && past.entries.length < MAX_ENTRIES; ) {
      before = past.lastSeq;
      const page = await this.api.replay(token, id, before, PAGE);
      last = page.last_seq;
      past = page.events.reduce((state, event) => reduce(state, { type: 'event', event }), past);
    }
    return past.entries.map((entry) => ({ ...entry, key: `${id} ${entry.key}`, live: false }));
  }
}
