// Waiting times between attempts: exponential with full jitter, so that a server that comes back
// is not met by every widget in the same second.

export interface BackoffOptions {
  /** Milliseconds: the first attempt waits between half of this and this. */
  base: number;
  /** Milliseconds. */
  max: number;
  /** In [0, 1). */
  random: () => number;
}

export class Backoff {
  private attempt = 0;

  constructor(private readonly options: BackoffOptions) {}

  get attempts(): number {
    return this.attempt;
  }

  /** Milliseconds until the next attempt; grows with every call until `reset`. */
  next(): number {
    const { base, max, random } = this.options;
    const ceiling = Math.min(max, base * 2 ** Math.min(this.attempt, 16));
    this.attempt += 1;
    // Never under half of the ceiling: a jitter that can be zero would hammer.
    return ceiling / 2 + (random() * ceiling) / 2;
  }

  reset(): void {
    this.attempt = 0;
  }
}
