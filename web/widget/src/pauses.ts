// Pauses that can be cut short.

export class Pauses {
  private closed = false;
  private readonly sleepers = new Set<() => void>();
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();

  /** `wakeable`: `wake` ends it. */
  rest(delay: number, wakeable: boolean): Promise<void> {
    if (this.closed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.timers.delete(timer);
        this.sleepers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, delay);
      this.timers.add(timer);
      if (wakeable) this.sleepers.add(done);
    });
  }

  wake(): void {
    for (const sleeper of [...this.sleepers]) sleeper();
  }

  /** For good. */
  stop(): void {
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.wake();
  }
}
