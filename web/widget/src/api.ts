// The HTTP client: deadlines on every call, problem documents (RFC 9457) as typed errors, nothing else.

import { toJson } from './json';
import type { Conversation, Posted, Replay, SessionAnswer } from './wire';

/** An answer of the server that is not a success. `status` decides what the widget does. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
    /** Seconds, where the server sent Retry-After. */
    readonly retryAfter: number | null,
    readonly requestId: string | null,
  ) {
    super(`${status} ${detail}`);
  }
}

/** No answer at all: no network, refused, cut, or later than the deadline. */
export class Unreachable extends Error {}

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
  let detail = '';
  try {
    const body = (await response.json()) as { title?: unknown; detail?: unknown };
    for (const field of [body.detail, body.title]) if (!detail && typeof field === 'string') detail = field;
  } catch {
    // Something between the server and us answered with no problem document; the status says enough.
  }
  const headers = response.headers;
  return new Problem(response.status, detail, parseRetryAfter(headers.get('retry-after'), Date.now()), headers.get('x-request-id'));
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
    return this.call(`/conversations/${encodeURIComponent(conversation)}/messages`, { token, body });
  }

  markRead(token: string, conversation: string, seq: number): Promise<void> {
    return this.call(`/conversations/${encodeURIComponent(conversation)}/read`, { token, body: { seq } });
  }

  /** Null where there are no sockets. Why one cannot be opened is not told: ask for the events to learn it. */
  socket(token: string, conversation: string): WebSocket | null {
    const url = `${this.base.replace(/^http/, 'ws')}/api/v1/conversations/${encodeURIComponent(conversation)}/socket`;
    try {
      // Tokens never stand in a URL, and a page can set no header on a socket.
      return this.Socket ? new this.Socket(url, ['frontdesk.v1', `fd.${token}`]) : null;
    } catch {
      // A Content-Security-Policy of the page, for example.
      return null;
    }
  }

  /** The stored events after `after`, then live ones, until the body ends. `signal` also cuts the body. */
  async events(token: string, conversation: string, after: number, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const headers = { accept: 'text/event-stream', authorization: `Bearer ${token}` };
    const path = `/conversations/${encodeURIComponent(conversation)}/events?after=${after}`;
    const abort = new AbortController();
    const cut = () => abort.abort();
    if (signal.aborted) cut();
    signal.addEventListener('abort', cut);
    const timer = setTimeout(cut, STREAM_DEADLINE);
    try {
      const response = await this.fetch(path, { headers, cache: 'no-store', signal: abort.signal });
      if (!response.ok) throw await problemOf(response);
      const type = response.headers.get('content-type') ?? '';
      if (!response.body || !type.startsWith('text/event-stream')) throw new Unreachable('not an event stream');
      return response.body;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Up to `limit` stored events after `after`. */
  replay(token: string, conversation: string, after: number, limit: number): Promise<Replay> {
    return this.call(`/conversations/${encodeURIComponent(conversation)}/events?after=${after}&limit=${limit}`, { token });
  }

  /** GET without a body. */
  private async call<T>(path: string, { token, body }: { token?: string; body?: unknown }): Promise<T> {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (body) headers['content-type'] = 'application/json';
    if (token) headers['authorization'] = `Bearer ${token}`;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), CALL_DEADLINE);
    try {
      const response = await this.fetch(path, { method: body ? 'POST' : 'GET', headers, cache: 'no-store', signal: abort.signal, ...(body ? { body: toJson(body) } : {}) });
      if (!response.ok) throw await problemOf(response);
      return (response.status === 204 ? undefined : await response.json()) as T;
    } catch (cause) {
      // A body that is cut or late is as good as no answer.
      throw cause instanceof Problem ? cause : new Unreachable(String(cause));
    } finally {
      clearTimeout(timer);
    }
  }

  private async fetch(path: string, init: RequestInit): Promise<Response> {
    try {
      // No cookies: the visitor is who the token says, also on a page of the same origin.
      return await this.request(`${this.base}/api/v1${path}`, { ...init, credentials: 'omit' });
    } catch (cause) {
      throw new Unreachable(String(cause));
    }
  }
}
