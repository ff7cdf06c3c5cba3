// Messages that the visitor sent and the server has not acknowledged. They outlive the page and the server, and are
// sent again under the same `client_id`, which the server stores once.

import type { Box } from './storage';

export interface Pending {
  client_id: string;
  text: string;
  /** Milliseconds since 1970, by the visitor's clock. */
  at: number;
  /** Why the server will not take it as it is; it waits for the visitor's decision. */
  rejected?: { status: number; detail: string };
}

/** A visitor who keeps typing for a day without a network must not fill the storage. */
const MAX_PENDING = 50;
const NAME = 'outbox';

function isPending(value: unknown): value is Pending {
  const item = value as Pending | null;
  return typeof item === 'object' && item !== null && typeof item.client_id === 'string' && typeof item.text === 'string';
}

export class Outbox {
  constructor(private readonly box: Box) {}

  /** In the order in which they were written. Read anew each time: another tab may have changed it. */
  all(): Pending[] {
    const stored = this.box.get<unknown>(NAME);
    return Array.isArray(stored) ? stored.filter(isPending) : [];
  }

  /** The message to send next: the first that was not rejected. */
  next(): Pending | null {
    return this.all().find((item) => !item.rejected) ?? null;
  }

  /** False where the outbox is full; nothing was kept then. */
  add(item: Pending): boolean {
    const all = this.all();
    if (all.length >= MAX_PENDING) return false;
    this.save([...all.filter((other) => other.client_id !== item.client_id), item]);
    return true;
  }

  /** The server has it, or the visitor took it back. */
  remove(clientId: string): void {
    const all = this.all();
    const left = all.filter((item) => item.client_id !== clientId);
    if (left.length !== all.length) this.save(left);
  }

  reject(clientId: string, status: number, detail: string): void {
    this.save(this.all().map((item) => (item.client_id === clientId ? { ...item, rejected: { status, detail } } : item)));
  }

  private save(items: Pending[]): void {
    if (items.length) this.box.set(NAME, items);
    else this.box.remove(NAME);
  }
}
