// Gets the other files, and goes on trying for as long as they are wanted.

import { Backoff } from './backoff';

/** Null once `wanted` says no. */
export async function loadFile<T extends { version: string }>(server: string, name: string, wanted: () => boolean): Promise<T | null> {
  const backoff = new Backoff({ base: 1000, max: 15_000, random: Math.random });
  for (;;) {
    try {
      // The number makes it another address: a browser may remember that one failed.
      const module = (await import(`${server}/widget-${name}.js?${VERSION}${backoff.attempts || ''}`)) as T;
      // This file is an old one from a cache; the next page is to have the new one.
      if (module.version !== VERSION) void fetch(`${server}/widget.js`, { cache: 'reload' }).catch(() => {});
      return module;
    } catch {
      const pause = backoff.next();
      await new Promise((resolve) => setTimeout(resolve, pause));
      if (!wanted()) return null;
    }
  }
}
