// A stand-in for the server: just enough of the public API to develop and test the widget alone. State is in memory
// and survives `restart`. Faults are set with POST /__faults, so that a browser test can ask for them too.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { answerTo } from './facts.mjs';

const DIST = join(dirname(fileURLToPath(import.meta.url)), '../dist');
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.map': 'application/json' };
const CSP = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const SITE_KEY = 'pk_standin';
/** A second site, for pages with two. */
const OTHER_KEY = 'pk_standinother';
const MONTH = 30 * 86_400;
const MAX_CHARS = 2000;
const KEEP_ALIVE = 15_000;

export function createStandIn({ pace = 30, chunk = 9, rooms = true } = {}) {
  const visitors = new Map();
  const conversations = new Map();
  const sockets = new Set();
  let faults = {};
  let ids = 0;
  let server = null;
  let port = 0;
  const counts = { sessions: 0, replays: 0, posts: 0, streams: 0, sockets: 0, sends: 0, cut: 0 };
  const frames = [];
  const upgrades = new WebSocketServer({ noServer: true, handleProtocols: () => 'frontdesk.v1' });
  const id = (prefix) => `${prefix}_${(ids += 1).toString(36).padStart(6, '0')}`;

  const emit = (conversation, event) => {
    if (event.kind === 'status.changed') conversation.mode = event.status;
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

  const problem = (response, status, detail, headers = {}, kind = 'any') => {
    response.writeHead(status, { 'content-type': 'application/problem+json', 'x-request-id': id('req'), ...headers });
    response.end(JSON.stringify({ type: `urn:frontdesk:problem:${kind}`, title: detail, status, detail, instance: '', request_id: '' }));
  };
  const json = (response, status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const describe = (conversation) => ({ id: conversation.id, mode: conversation.mode, status: 'open', epoch: 1, last_seq: conversation.events.length });

  const cutAfter = () => (typeof faults.cut === 'function' ? faults.cut() : (faults.cut ?? Infinity));

  /** What is stored, the answer so far, then what comes. Gives how to stop. */
  function listen(conversation, after, listener) {
    for (const event of conversation.events.slice(after)) listener(event);
    const { turn } = conversation;
    if (turn?.sent) listener({ kind: 'turn.delta', turn: turn.turn, offset: 0, text: turn.sent });
    conversation.listeners.add(listener);
    return () => conversation.listeners.delete(listener);
  }

  /** Stores a message, once. Gives the event, or why not. */
  function post(conversation, body) {
    if (typeof body.client_id !== 'string' || !body.text?.trim()) return { status: 422, detail: 'text is empty' };
    if (Array.from(body.text).length > MAX_CHARS) return { status: 413, detail: `text: at most ${MAX_CHARS} characters` };
    const known = conversation.events.find((event) => event.message?.client_id === body.client_id);
    if (known && known.message.text !== body.text) return { status: 422, detail: 'client_id was used with another text' };
    const message = { id: id('msg'), client_id: body.client_id, author: { kind: 'visitor' }, text: body.text, attachments: [], citations: [], note: false };
    const stored = known ?? emit(conversation, { kind: 'message.created', message });
    if (!known && conversation.mode === 'ai') runTurn(conversation, body.text);
    return { stored, deduplicated: Boolean(known) };
  }

  const failing = (path, method) => {
    const found = faults.fail?.find((fault) => fault.times !== 0 && path.includes(fault.path) && (!fault.method || fault.method === method));
    if (found?.times) found.times -= 1;
    return found;
  };

  /** Stored, and the client never hears of it: the case that idempotency is for. */
  const loses = () => faults.loseAck > 0 && (faults.loseAck -= 1) >= 0;

  function upgrade(request, raw, head) {
    raw.on('error', () => {});
    const { pathname } = new URL(request.url, 'http://local');
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    const token = offered.find((name) => name.startsWith('fd.'))?.slice(3);
    const conversation = conversations.get(/^\/api\/v1\/conversations\/([^/]+)\/socket$/.exec(pathname)?.[1]);
    const fault = failing(pathname, 'GET');
    const status = fault?.status ?? (!rooms ? 501 : !visitors.has(token) ? 401 : conversation?.token !== token ? 404 : 101);
    if (fault?.drop) return void raw.destroy();
    if (status !== 101) return void raw.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    upgrades.handleUpgrade(request, raw, head, (socket) => serveSocket(socket, conversation, token));
  }

  function serveSocket(socket, conversation, token) {
    counts.sockets += 1;
    let left = cutAfter();
    let leave = () => {};
    conversation.raw = (frame) => socket.send(JSON.stringify(frame));
    const send = (frame) => {
      const text = JSON.stringify(frame);
      left -= Buffer.byteLength(text);
      if (left >= 0) return void socket.send(text);
      if (socket.readyState === socket.OPEN) counts.cut += 1;
      leave();
      socket.terminate();
    };
    const refuse = (client_id, status, detail, retry_after, kind = 'any') => send({ t: 'error', client_id, type: `urn:frontdesk:problem:${kind}`, status, detail, retry_after, request_id: id('req') });
    socket.on('error', () => {});
    socket.on('close', () => leave());
    socket.on('message', (data) => {
      const frame = JSON.parse(data);
      frames.push(frame);
      if (!visitors.has(token)) return socket.close(4401);
      if (frame.t === 'ping' && !faults.deaf) return send({ t: 'pong' });
      if (frame.t === 'hello') {
        if (faults.deaf) return;
        leave();
        send({ t: 'welcome', conversation: conversation.id, last_seq: conversation.events.length, epoch: 1, participants: [] });
        leave = listen(conversation, frame.after, (event) => send({ t: 'event', ...event }));
      }
      if (frame.t !== 'send') return;
      counts.sends += 1;
      const fault = failing('/messages', 'POST');
      if (fault?.drop) return socket.terminate();
      if (fault) return refuse(frame.client_id, fault.status, fault.detail ?? 'A fault that was asked for', fault.retryAfter, fault.kind);
      const { status, detail, stored } = post(conversation, frame);
      if (status) return refuse(frame.client_id, status, detail);
      if (loses()) return socket.terminate();
      send({ t: 'ack', client_id: frame.client_id, seq: stored.seq });
    });
  }

  function openStream(response, conversation, after) {
    counts.streams += 1;
    let left = cutAfter();
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
    const alive = setInterval(() => write(': keep-alive\n\n'), KEEP_ALIVE);
    let leave = () => {};
    const close = () => {
      clearInterval(alive);
      leave();
    };
    response.on('close', close);
    leave = listen(conversation, after, (event) => left > 0 && write(`${event.seq ? `id: ${event.seq}\n` : ''}data: ${JSON.stringify(event)}\n\n`));
    if (left <= 0) close();
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
    const fault = failing(path, request.method);
    if (fault?.drop) return void request.socket.destroy();
    if (fault) return problem(response, fault.status, fault.detail ?? 'A fault that was asked for', fault.retryAfter ? { 'retry-after': String(fault.retryAfter) } : {}, fault.kind);
    if (path === '/api/v1/widget/sessions') {
      counts.sessions += 1;
      if (![SITE_KEY, OTHER_KEY].includes(body.site_key)) return problem(response, 422, 'no site has this key');
      // Only pages of 127.0.0.1 may use its sites.
      if (/null|localhost/.test(request.headers.origin) || faults.foreign) return problem(response, 403, "this origin is not one of the site's");
      const now = Math.floor(Date.now() / 1000);
      const claims = { sub: id('vis'), iat: now, exp: now + MONTH };
      const token = visitors.has(body.visitor_token) ? body.visitor_token : `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
      if (!visitors.has(token)) visitors.set(token, { id: id('vis') });
      const own = [...conversations.values()].filter((conversation) => conversation.token === token).pop();
      const russian = body.locale?.startsWith('ru');
      return json(response, 201, {
        visitor_token: token,
        visitor: visitors.get(token),
        site: {
          name: body.site_key === OTHER_KEY ? 'Thyme' : russian ? 'Ромашка' : 'Camomile',
          theme: { accent: body.site_key === OTHER_KEY ? '#7a3e9d' : '#2f6f5e', position: 'right', scheme: 'auto' },
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
    const [, conversationId, what] = /^\/api\/v1\/conversations\/([^/]+)\/(messages|events|read)$/.exec(path) ?? [];
    const conversation = conversations.get(conversationId);
    if (!conversation || conversation.token !== token) return problem(response, 404, 'No such conversation');
    if (what === 'events') {
      const after = Number(query.get('after') ?? 0);
      const limit = Number(query.get('limit') ?? 100);
      if (/event-stream/.test(request.headers.accept ?? '')) return openStream(response, conversation, after);
      counts.replays += 1;
      return json(response, 200, { events: conversation.events.slice(after, after + limit), last_seq: conversation.events.length, epoch: 1 });
    }
    if (what === 'read') {
      frames.push({ t: 'read', ...body });
      return void response.writeHead(204).end();
    }
    counts.posts += 1;
    const { status, detail, stored, deduplicated } = post(conversation, body);
    if (status) return problem(response, status, detail);
    if (loses()) return void request.socket.destroy();
    json(response, 202, { message: { ...stored.message, seq: stored.seq }, deduplicated });
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
    // Any page may call, and read why it may not.
    response.setHeader('access-control-allow-origin', request.headers.origin ?? '*');
    response.setHeader('access-control-expose-headers', 'x-request-id, retry-after');
    response.setHeader('cross-origin-resource-policy', 'cross-origin');
    if (request.method === 'OPTIONS') {
      response.setHeader('access-control-allow-headers', 'authorization, content-type, accept');
      return void response.writeHead(204).end();
    }
    const work = /^\/(api\/|__)/.test(url.pathname) ? api(request, response, url.pathname, url.searchParams) : file(response, url.pathname);
    work.catch(() => problem(response, 400, 'Unreadable'));
  };

  const start = (wanted) =>
    new Promise((resolve, reject) => {
      server = createServer(handle);
      server.on('upgrade', upgrade);
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
    otherKey: OTHER_KEY,
    counts,
    /** What clients said over sockets, and their read marks. */
    frames,
    conversations,
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    listen: (wanted = 0) => start(wanted),
    stop,
    /** Cuts every connection and comes back on the same port; conversations are kept, as a database would. */
    restart: async () => {
      await stop();
      await start(port);
    },
    setFaults: (next) => (faults = next),
    forgetVisitors: () => visitors.clear(),
    emit: (conversationId, event) => emit(conversations.get(conversationId), event),
    /** Any frame, to the socket that was opened last. */
    frame: (conversationId, frame) => conversations.get(conversationId).raw(frame),
    pass: (conversationId, event) => pass(conversations.get(conversationId), event),
  };
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}
