// One WebSocket to a conversation, as the protocol "frontdesk.v1" has it: it brings events and takes messages.

import { Problem } from './failure';
import { toJson } from './json';
import type { ServerEvent, ServerFrame } from './wire';

/** Milliseconds until the server has to say welcome; longer than that, and the event stream is asked instead. */
const WELCOME = 8_000;
/** Milliseconds until a message has to be acknowledged. */
const ACKNOWLEDGE = 15_000;
/** A silent server is asked whether it is there after this, and given up after twice as long. */
const SILENCE = 20_000;
/** The server's code for a token that has ended. */
const EXPIRED = 4401;

interface Waiting {
  resolve(seq: number): void;
  reject(cause: unknown): void;
}

export interface SocketHooks {
  onEvent(event: ServerEvent): void;
  /** Events up to `seq` cannot be had any more. */
  onGap(seq: number): void;
}

export class RoomSocket {
  /** True once the server says welcome, false where the socket ends before. */
  readonly welcomed: Promise<boolean>;
  /** Why it ended. */
  readonly ended: Promise<Error>;
  private live = false;
  private broken: Error | null = null;
  private readonly waiting = new Map<string, Waiting>();
  private welcome: (welcomed: boolean) => void = () => {};
  private end: (cause: Error) => void = () => {};
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly socket: WebSocket,
    after: number,
    signal: AbortSignal,
    private readonly hooks: SocketHooks,
  ) {
    this.welcomed = new Promise((resolve) => (this.welcome = resolve));
    this.ended = new Promise((resolve) => (this.end = resolve));
    this.timer = setTimeout(() => this.cut('no welcome'), WELCOME);
    signal.addEventListener('abort', () => this.cut('not wanted any more'));
    socket.onopen = () => this.say({ t: 'hello', after });
    socket.onmessage = ({ data }) => this.take(data);
    // What went wrong is not told to pages, and `onclose` follows.
    socket.onerror = () => {};
    socket.onclose = ({ code }) => this.cut(`closed with ${code}`, code);
  }

  /** Gives the `seq` under which the message is stored. Safe to repeat with the same `client_id` and text. */
  send(body: { client_id: string; text: string }): Promise<number> {
    return new Promise<number>((resolve, reject) => {
      if (this.broken) return reject(this.broken);
      const late = setTimeout(() => this.cut('no acknowledgement'), ACKNOWLEDGE);
      const settled = () => {
        clearTimeout(late);
        this.waiting.delete(body.client_id);
      };
      this.waiting.set(body.client_id, {
        resolve: (seq) => (settled(), resolve(seq)),
        reject: (cause) => (settled(), reject(cause)),
      });
      this.say({ t: 'send', ...body });
    });
  }

  say(frame: object): void {
    if (this.socket.readyState === 1) this.socket.send(toJson(frame));
  }

  private take(data: unknown): void {
    const frame = parse(data);
    if (!frame) return;
    if (this.live) this.listen();
    switch (frame.t) {
      case 'welcome':
        this.live = true;
        this.listen();
        this.welcome(true);
        break;
      case 'event':
        this.hooks.onEvent(frame);
        break;
      case 'gap':
        this.hooks.onGap(frame.to);
        break;
      case 'ack':
        this.waiting.get(frame.client_id)?.resolve(frame.seq);
        break;
      case 'error':
        if (frame.client_id) this.waiting.get(frame.client_id)?.reject(new Problem(frame.status, frame.detail, frame.retry_after ?? null, frame.type));
        else if (!this.live) this.cut(frame.detail);
    }
  }

  private listen(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.say({ t: 'ping' });
      this.timer = setTimeout(() => this.cut('silence'), SILENCE);
    }, SILENCE);
  }

  private cut(why: string, code?: number): void {
    clearTimeout(this.timer);
    const { socket } = this;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.broken = code === EXPIRED ? new Problem(401, why, null) : new Error(why);
    this.welcome(false);
    this.end(this.broken);
    for (const waiting of [...this.waiting.values()]) waiting.reject(new Error(why));
  }
}

function parse(data: unknown): ServerFrame | null {
  try {
    const frame = JSON.parse(String(data)) as ServerFrame | null;
    return frame && typeof frame === 'object' ? frame : null;
  } catch {
    return null;
  }
}
