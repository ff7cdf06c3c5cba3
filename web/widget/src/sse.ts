// Server-sent events over fetch. EventSource cannot send an Authorization header, and tokens never stand in a URL.
// Follows the WHATWG "event stream" grammar: LF, CR or CRLF ends a line, a blank line dispatches, ':' begins a comment.

import type { ServerEvent } from './wire';

export interface Frame {
  /** The last `id:` of the stream so far, as EventSource's lastEventId. */
  id: string;
  /** `event:` of this frame, "message" where there was none. */
  event: string;
  data: string;
}

/** No event of the API comes near this; a stream that never ends a frame is cut instead of filling the memory. */
const MAX_FRAME_CHARS = 4 * 1024 * 1024;

export class FrameTooLarge extends Error {}

/** Feed it bytes in any pieces; it gives whole frames. A frame that the stream's end cut off is dropped, as the grammar says. */
export class SseDecoder {
  private text = new TextDecoder('utf-8');
  private line = '';
  private afterCr = false;
  private data: string[] = [];
  private size = 0;
  private event = '';
  private id = '';

  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let rest = this.text.decode(bytes, { stream: true });
    if (rest && this.afterCr) {
      // The CR ended a line in the piece before; its LF is not another line.
      if (rest.startsWith('\n')) rest = rest.slice(1);
      this.afterCr = false;
    }
    for (;;) {
      const at = rest.search(/[\r\n]/);
      if (at < 0) break;
      this.take(this.line + rest.slice(0, at), frames);
      this.line = '';
      let next = at + 1;
      if (rest[at] === '\r') {
        if (next === rest.length) this.afterCr = true;
        else if (rest[next] === '\n') next += 1;
      }
      rest = rest.slice(next);
    }
    this.line += rest;
    if (this.size + this.line.length > MAX_FRAME_CHARS) throw new FrameTooLarge('an event of the stream is too large');
    return frames;
  }

  private take(line: string, frames: Frame[]): void {
    if (line === '') {
      if (this.data.length) frames.push({ id: this.id, event: this.event || 'message', data: this.data.join('\n') });
      this.data = [];
      this.size = 0;
      this.event = '';
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'data') {
      this.data.push(value);
      this.size += value.length;
    } else if (field === 'event') this.event = value;
    else if (field === 'id' && !value.includes('\0')) this.id = value;
  }
}

/** Null where it is no event. */
export function parseEvent(data: string): ServerEvent | null {
  try {
    const event = JSON.parse(data) as ServerEvent | null;
    return event && typeof event === 'object' && typeof event.kind === 'string' ? event : null;
  } catch {
    return null;
  }
}
