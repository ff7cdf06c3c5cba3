// Gets the second file, and goes on trying for as long as it is wanted.

import { Backoff } from './backoff';
import type { PanelModule } from './view/entry';

/** Null once `wanted` says no. */
export async function loadPanel(server: string, wanted: () => boolean): Promise<PanelModule | null> {
  const backoff = new Backoff({ base: 1000, max: 15_000, random: () => Math.random() });
  for (;;) {
    try {
      // The number makes it another address: a browser may remember that one failed.
      const module = (await import(`${server}/widget-panel.js?${VERSION}${backoff.attempts || ''}`)) as PanelModule;
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
