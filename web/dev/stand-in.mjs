// A stand-in for the server: just enough of the public API to develop and test the widget alone. State is in memory
// and survives `restart`. Faults are set with POST /__faults, so that a browser test can ask for them too.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answerTo } from './facts.mjs';

const DIST = join(dirname(fileURLToPath(import.meta.url)), '../dist');
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.map': 'application/json' };
const CSP = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const SITE_KEY = 'pk_standin';
const MAX_CHARS = 2000;
const KEEP_ALIVE = 15_000;

export function createStandIn({ pace = 30, chunk = 9 } = {}) {
  const visitors = new Map();
  const conversations = new Map();
  const sockets = new Set();
  let faults = {};
  let ids = 0;
  let server = null;
  let port = 0;
  const counts = { posts: 0, streams: 0, cut: 0 };
  const id = (prefix) => `${prefix}_${(ids += 1).toString(36).padStart(6, '0')}`;

  const emit = (conversation, event) => {
    const stored = { seq: conversation.events.length + 1, at: new Date().toISOString(), epoch: 1, ...event };
    conversation.events.push(stored);
    for (const listener of conversation.listeners) listener(stored);
    return stored;
  };
  const pass = (conversation, event) => {
    for (const listener of conversation.listeners) listener(event);
  };

  function runTurn(conversation, question) {
    const turn = { turn: id('turn'), ...answerTo(question), sent: '' };
    conversation.queue = (conversation.queue ?? Promise.resolve()).then(
      () =>
        new Promise((finished) => {
          conversation.turn = turn;
          emit(conversation, { kind: 'turn.started', turn: turn.turn });
          const letters = Array.from(turn.text);
          const step = () => {
            if (faults.hold) return void setTimeout(step, 20);
            const piece = letters.splice(0, chunk).join('');
            if (piece) {
              const offset = Buffer.byteLength(turn.sent);
              turn.sent += piece;
              pass(conversation, { kind: 'turn.delta', turn: turn.turn, offset, text: piece });
              return void setTimeout(step, pace);
            }
            conversation.turn = null;
            const message = turn.text && { id: id('msg'), author: { kind: 'ai' }, text: turn.text, attachments: [], citations: turn.citations, note: false };
            if (message) emit(conversation, { kind: 'message.created', message });
            emit(conversation, { kind: 'turn.finished', turn: turn.turn, outcome: turn.outcome, message_id: message?.id ?? null, citations: turn.citations, usage: null });
            if (turn.outcome === 'handed_off') {
              emit(conversation, { kind: 'mode.changed', mode: 'operator' });
              conversation.mode = 'operator';
            }
            finished();
          };
          setTimeout(step, pace);
        }),
    );
  }

  const problem = (response, status, detail, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/problem+json', 'x-request-id': id('req'), ...headers });
    response.end(JSON.stringify({ type: 'about:blank', title: detail, status, detail, instance: '', request_id: '' }));
  };
  const json = (response, status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const describe = (conversation) => ({ id: conversation.id, mode: conversation.mode, status: 'open', epoch: 1, last_seq: conversation.events.length });

  function openStream(response, conversation, after) {
    counts.streams += 1;
    let left = typeof faults.cut === 'function' ? faults.cut() : (faults.cut ?? Infinity);
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.flushHeaders();
    const write = (text) => {
      const bytes = Buffer.from(text);
      if (left === Infinity) return void response.write(bytes);
      // The part before the cut must really arrive, or the client would see no torn frame.
      if (bytes.length >= left) {
        const last = bytes.subarray(0, left);
        left = 0;
        counts.cut += 1;
        close();
        return void response.write(last, () => response.destroy());
      }
      left -= bytes.length;
      response.write(bytes);
    };
    const listener = (event) => write(`${event.seq ? `id: ${event.seq}\n` : ''}data: ${JSON.stringify(event)}\n\n`);
    const alive = setInterval(() => write(': keep-alive\n\n'), KEEP_ALIVE);
    const close = () => {
      clearInterval(alive);
      conversation.listeners.delete(listener);
    };
    response.on('close', close);
    for (const event of conversation.events.slice(after)) if (left > 0) listener(event);
    const { turn } = conversation;
    if (turn?.sent && left > 0) listener({ kind: 'turn.delta', turn: turn.turn, offset: 0, text: turn.sent });
    if (left > 0) conversation.listeners.add(listener);
  }

  async function api(request, response, path, query) {
    const body = request.method === 'POST' ? JSON.parse((await read(request)) || '{}') : {};
    if (path === '/__faults') {
      faults = body;
      return json(response, 200, faults);
    }
    if (path === '/__emit') {
      for (const conversation of conversations.values()) (body.event.kind === 'typing' ? pass : emit)(conversation, body.event);
      return json(response, 200, {});
    }
    const failing = faults.fail?.find((fault) => fault.times !== 0 && path.includes(fault.path) && (!fault.method || fault.method === request.method));
    if (failing) {
      if (failing.times) failing.times -= 1;
      if (failing.drop) return void request.socket.destroy();
      return problem(response, failing.status, 'A fault that was asked for', failing.retryAfter ? { 'retry-after': String(failing.retryAfter) } : {});
    }
    if (path === '/api/v1/widget/sessions') {
      if (body.site_key !== SITE_KEY) return problem(response, 404, 'Unknown site key');
      if (body.visitor_token && !visitors.has(body.visitor_token)) return problem(response, 401, 'Unknown visitor');
      const token = body.visitor_token ?? id('token');
      if (!visitors.has(token)) visitors.set(token, { id: id('vis') });
      const own = [...conversations.values()].filter((conversation) => conversation.token === token).pop();
      const russian = body.locale?.startsWith('ru');
      return json(response, 201, {
        visitor_token: token,
        visitor: visitors.get(token),
        site: {
          name: russian ? 'Ромашка' : 'Camomile',
          theme: { accent: '#2f6f5e', position: 'right', scheme: 'auto' },
          greeting: russian ? 'Здравствуйте! Чем помочь?' : 'Hello! How can we help?',
          locale: russian ? 'ru' : 'en',
          limits: { max_message_chars: MAX_CHARS, max_upload_bytes: 1, upload_types: [] },
        },
        conversation: own ? describe(own) : null,
      });
    }
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (!visitors.has(token)) return problem(response, 401, 'The session has expired');
    if (path === '/api/v1/conversations' && request.method === 'POST') {
      const conversation = { id: id('conv'), token, mode: 'ai', events: [], listeners: new Set(), turn: null };
      conversations.set(conversation.id, conversation);
      if (faults.loseConversation > 0) {
        faults.loseConversation -= 1;
        return void request.socket.destroy();
      }
      return json(response, 201, describe(conversation));
    }
    const [, conversationId, what] = /^\/api\/v1\/conversations\/([^/]+)\/(messages|events)$/.exec(path) ?? [];
    const conversation = conversations.get(conversationId);
    if (!conversation || conversation.token !== token) return problem(response, 404, 'No such conversation');
    if (what === 'events') {
      const after = Number(query.get('after') ?? 0);
      if (/event-stream/.test(request.headers.accept ?? '')) return openStream(response, conversation, after);
      return json(response, 200, { events: conversation.events.slice(after), last_seq: conversation.events.length, epoch: 1 });
    }
    counts.posts += 1;
    if (typeof body.client_id !== 'string' || !body.text?.trim()) return problem(response, 422, 'text is empty');
    if (Array.from(body.text).length > MAX_CHARS) return problem(response, 413, `text: at most ${MAX_CHARS} characters`);
    const known = conversation.events.find((event) => event.message?.client_id === body.client_id);
    if (known && known.message.text !== body.text) return problem(response, 422, 'client_id was used with another text');
    const stored =
      known ??
      emit(conversation, {
        kind: 'message.created',
        message: { id: id('msg'), client_id: body.client_id, author: { kind: 'visitor' }, text: body.text, attachments: [], citations: [], note: false },
      });
    if (!known && conversation.mode === 'ai') runTurn(conversation, body.text);
    // Stored, and the client never hears of it: the case that idempotency is for.
    if (faults.loseAck > 0) {
      faults.loseAck -= 1;
      return void request.socket.destroy();
    }
    json(response, 202, { message: { ...stored.message, seq: stored.seq }, deduplicated: Boolean(known) });
  }

  async function file(response, path) {
    const name = path === '/' ? '/demo/index.html' : path.endsWith('/') ? `${path}index.html` : path;
    try {
      let content = await readFile(join(DIST, normalize(name)));
      if (name.endsWith('.html')) content = content.toString().replaceAll('__SITE_KEY__', SITE_KEY);
      response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream', 'content-security-policy': CSP });
      response.end(content);
    } catch {
      problem(response, 404, 'No such page');
    }
  }

  const handle = (request, response) => {
    const url = new URL(request.url, 'http://local');
    const work = /^\/(api\/|__)/.test(url.pathname) ? api(request, response, url.pathname, url.searchParams) : file(response, url.pathname);
    work.catch(() => problem(response, 400, 'Unreadable'));
  };

  const listen = (wanted) =>
    new Promise((resolve, reject) => {
      server = createServer(handle);
      server.on('connection', (socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
      });
      server.on('error', reject);
      server.listen(wanted, '127.0.0.1', () => {
        port = server.address().port;
        resolve();
      });
    });
  const stop = () =>
    new Promise((resolve) => {
      for (const socket of sockets) socket.destroy();
      server.close(() => resolve());
    });

  return {
    siteKey: SITE_KEY,
    counts,
    conversations,
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    listen: (wanted = 0) => listen(wanted),
    stop,
    /** Cuts every connection and comes back on the same port; conversations are kept, as a database would. */
    restart: async () => {
      await stop();
      await listen(port);
    },
    setFaults: (next) => (faults = next),
    forgetVisitors: () => visitors.clear(),
    emit: (conversationId, event) => emit(conversations.get(conversationId), event),
  };
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}
