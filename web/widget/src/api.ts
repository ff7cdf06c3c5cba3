// The HTTP client: deadlines on every call, problem documents (RFC 9457) as typed errors, nothing else.

import { Problem } from './failure';
import { toJson } from './json';
import type { Conversation, Posted, Replay, SessionAnswer } from './wire';

/** Milliseconds for a call whose answer is one small document. */
const CALL_DEADLINE = 15_000;
/** Milliseconds until the headers of an event stream are there. */
const STREAM_DEADLINE = 20_000;
const MAX_RETRY_AFTER = 3600;

/** Retry-After is seconds or an HTTP date. Null where it is absent or unreadable. */
export function parseRetryAfter(value: string | null, now: number): number | null {
  if (!value) return null;
  const seconds = /^\s*\d+\s*$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000;
  return Number.isFinite(seconds) ? Math.min(MAX_RETRY_AFTER, Math.max(0, Math.ceil(seconds))) : null;
}

async function problemOf(response: Response): Promise<Problem> {
  const said = { detail: '', title: '', type: '' };
  try {
    const body = (await response.json()) as Record<string, unknown>;
    for (const name of ['detail', 'title', 'type'] as const) if (typeof body[name] === 'string') said[name] = body[name];
  } catch {
    // Something between the server and us answered with no problem document; the status says enough.
  }
  return new Problem(response.status, said.detail || said.title, parseRetryAfter(response.headers.get('retry-after'), Date.now()), said.type);
}

interface Ask {
  token?: string;
  /** GET without one. */
  body?: unknown;
  accept?: string;
  deadline?: number;
  signal?: AbortSignal;
}

export class Api {
  /** `base` is an origin without a trailing slash. */
  constructor(
    private readonly base: string,
    private readonly request: typeof fetch = (input, init) => fetch(input, init),
    private readonly Socket: typeof WebSocket | undefined = globalThis.WebSocket,
  ) {}

  openSession(body: {
    site_key: string;
    visitor_token?: string;
    locale?: string;
    page_url?: string;
  }): Promise<SessionAnswer> {
    return this.call('/widget/sessions', { body });
  }

  createConversation(token: string): Promise<Conversation> {
    return this.call('/conversations', { token, body: {} });
  }

  /** Safe to repeat with the same `client_id` and text: the server stores it once. */
  postMessage(token: string, conversation: string, body: { client_id: string; text: string }): Promise<Posted> {
    return this.call(of(conversation, 'messages'), { token, body });
  }

  markRead(token: string, conversation: string, seq: number): Promise<void> {
    return this.call(of(conversation, 'read'), { token, body: { seq } });
  }

  /** Null where there are no sockets. Why one cannot be opened is not told: ask for the events to learn it. */
  socket(token: string, conversation: string): WebSocket | null {
    try {
      // Tokens never stand in a URL, and a page can set no header on a socket.
      return this.Socket ? new this.Socket(this.url(of(conversation, 'socket')).replace(/^http/, 'ws'), ['frontdesk.v1', `fd.${token}`]) : null;
    } catch {
      // A Content-Security-Policy of the page, for example.
      return null;
    }
  }

  /** The stored events after `after`, then live ones, until the body ends. `signal` also cuts the body. */
  events(token: string, conversation: string, after: number, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const accept = 'text/event-stream';
    return this.ask(of(conversation, `events?after=${after}`), { token, accept, deadline: STREAM_DEADLINE, signal }, ({ body, headers }) => {
      if (!body || !headers.get('content-type')?.startsWith(accept)) throw new Error('not an event stream');
      return body;
    });
  }

  /** Up to `limit` stored events after `after`. */
  replay(token: string, conversation: string, after: number, limit: number): Promise<Replay> {
    return this.call(of(conversation, `events?after=${after}&limit=${limit}`), { token });
  }

  private call<T>(path: string, ask: Ask): Promise<T> {
    // A body that is cut or late is as good as no answer.
    return this.ask(path, ask, (response) => (response.status === 204 ? undefined : response.json()) as T);
  }

  private url(path: string): string {
    return `${this.base}/api/v1${path}`;
  }

  private async ask<T>(path: string, { token, body, accept = 'application/json', deadline = CALL_DEADLINE, signal }: Ask, take: (response: Response) => T | Promise<T>): Promise<T> {
    const headers: Record<string, string> = { accept };
    if (body) headers['content-type'] = 'application/json';
    if (token) headers['authorization'] = `Bearer ${token}`;
    const abort = new AbortController();
    const cut = () => abort.abort();
    if (signal?.aborted) cut();
    signal?.addEventListener('abort', cut);
    const timer = setTimeout(cut, deadline);
    try {
      // No cookies: the visitor is who the token says, also on a page of the same origin.
      const response = await this.request(this.url(path), { method: body ? 'POST' : 'GET', headers, cache: 'no-store', credentials: 'omit', signal: abort.signal, ...(body ? { body: toJson(body) } : {}) });
      if (!response.ok) throw await problemOf(response);
      return await take(response);
    } finally {
      clearTimeout(timer);
    }
  }
}

const of = (conversation: string, what: string): string => `/conversations/${encodeURIComponent(conversation)}/${what}`;
