// widget-stream.js: how events are read where no socket gets through.

import { parseEvent, SseDecoder } from './sse';
import type { ServerEvent } from './wire';

/** The server says something at least every 15 s; two of these missed means a dead connection. */
const SILENCE = 40_000;

export interface StreamModule {
  version: string;
  readStream: typeof readStream;
}

/**
 * True where the server ended the events, false where `take` wants no more; throws where they were cut. `silent` is to cut a
 * stream in which nothing comes any more.
 */
export async function readStream(body: ReadableStream<Uint8Array>, silent: () => void, take: (event: ServerEvent) => void, wanted: () => boolean): Promise<boolean> {
  let silence: ReturnType<typeof setTimeout> | undefined;
  const listen = () => {
    clearTimeout(silence);
    silence = setTimeout(silent, SILENCE);
  };
  try {
    const decoder = new SseDecoder();
    const reader = body.getReader();
    listen();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error('the stream was cut');
      listen();
      for (const frame of decoder.push(value)) {
        if (frame.event === 'end') return true;
        const event = parseEvent(frame.data);
        if (event?.kind === 'end') return true;
        if (event) take(event);
      }
      if (!wanted()) return false;
    }
  } finally {
    clearTimeout(silence);
  }
}
