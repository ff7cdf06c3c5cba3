// Web storage that never throws: it may be full, switched off, or refused in a third-party frame.
// What could not be written is kept in memory for as long as the page lives.

import { toJson } from './json';

export interface Box {
  get<T>(name: string): T | null;
  set(name: string, value: unknown): void;
  remove(name: string): void;
  /** The full key of `name`, to recognise it in a `storage` event. */
  key(name: string): string;
}

type Area = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** `area` is a function because merely touching `localStorage` throws where it is forbidden. */
export function openBox(area: () => Area, siteKey: string): Box {
  const memory = new Map<string, string>();
  let store: Area | null = null;
  try {
    store = area();
  } catch {
    // Forbidden; memory it is.
  }
  const key = (name: string) => `frontdesk.${siteKey}.${name}`;
  return {
    key,
    get<T>(name: string): T | null {
      let text = memory.get(name) ?? null;
      try {
        text ??= store?.getItem(key(name)) ?? null;
        return text === null ? null : (JSON.parse(text) as T);
      } catch {
        return null;
      }
    },
    set(name, value) {
      const text = toJson(value);
      try {
        if (!store) throw new Error('no storage');
        store.setItem(key(name), text);
        memory.delete(name);
      } catch {
        memory.set(name, text);
      }
    },
    remove(name) {
      memory.delete(name);
      try {
        store?.removeItem(key(name));
      } catch {
        // Nothing was there to begin with.
      }
    },
  };
}
