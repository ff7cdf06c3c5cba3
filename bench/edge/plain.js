// The measure: what the Worker does for a visitor, by hand in plain JavaScript and no more than that. The same routes, the
// same events on the wire, the same database and the same model; no guardrails, citations, copies, limits or logs.
import { DurableObject } from "cloudflare:workers";

const AUDIENCE = "plain:visitor";
const SESSION_FIELDS = ["site_key", "visitor_token", "locale", "page_url"];
const POST_FIELDS = ["client_id", "text", "attachments", "note"];
const PASSAGES = 6;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
let signing;

const json = (status, value, type = "application/json") =>
  new Response(JSON.stringify(value), { status, headers: { "content-type": type } });
const problem = (status, title, errors) =>
  json(status, { type: "about:blank", title, status, errors }, "application/problem+json");

function key(env) {
  signing ??= crypto.subtle.importKey(
    "raw", encoder.encode(env.JWT_SECRET), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
  return signing;
}

const toText = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));

async function sign(env, claims) {
  const part = (value) => toText(encoder.encode(JSON.stringify(value)));
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${toText(new Uint8Array(await crypto.subtle.sign("HMAC", await key(env), encoder.encode(signed))))}`;
}

async function visitor(env, request) {
  const token = request.headers.get("authorization")?.replace("Bearer ", "")
    ?? request.headers.get("sec-websocket-protocol")?.split("fd.")[1];
  const [header, payload, signature] = token?.split(".") ?? [];
  if (!signature) return null;
  const valid = await crypto.subtle.verify(
    "HMAC", await key(env), toBytes(signature), encoder.encode(`${header}.${payload}`));
  if (!valid) return null;
  const claims = JSON.parse(decoder.decode(toBytes(payload)));
  return claims.aud === AUDIENCE && claims.exp > Date.now() / 1000 ? claims.sub : null;
}

// The body, or the answer that refuses it.
async function body(request, fields) {
  if (!request.headers.get("content-type")?.startsWith("application/json")) return [null, problem(415, "not JSON")];
  let value;
  try {
    value = await request.json();
  } catch {
    return [null, problem(400, "unreadable")];
  }
  const unknown = Object.keys(value).filter((name) => !fields.includes(name));
  if (unknown.length > 0) {
    return [null, problem(422, "unprocessable", unknown.map((name) => ({ pointer: `/${name}`, detail: "unknown field" })))];
  }
  return [value, null];
}

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/health/live") return json(200, { status: "ok", version: "0.1.0" });
    if (pathname === "/api/v1/widget/sessions") {
      const [, refused] = await body(request, SESSION_FIELDS);
      if (refused) return refused;
      const id = `vis_${crypto.randomUUID()}`;
      const exp = Math.floor(Date.now() / 1000) + 30 * 24 * 3600;
      return json(201, { visitor_token: await sign(env, { aud: AUDIENCE, sub: id, exp }), visitor: { id } });
    }
    const who = await visitor(env, request);
    if (!who) return problem(401, "unauthenticated");
    if (pathname === "/api/v1/conversations") return json(201, { id: `conv_${crypto.randomUUID()}` });
    const [, id, what] = /^\/api\/v1\/conversations\/([^/]+)\/(messages|socket)$/.exec(pathname) ?? [];
    if (!id) return problem(404, "not found");
    const room = env.ROOMS.getByName(id);
    if (what === "socket") return room.fetch(request);
    const [message, refused] = await body(request, POST_FIELDS);
    if (refused) return refused;
    if (typeof message.text !== "string" || message.text.length > 4000 || !message.client_id) {
      return problem(422, "unprocessable", [{ pointer: "/text", detail: "at most 4000 characters" }]);
    }
    if (request.headers.get("accept")?.includes("text/event-stream")) {
      const events = await room.turn(who, message.client_id, message.text);
      return new Response(events, { headers: { "content-type": "text/event-stream", "cache-control": "no-store" } });
    }
    const { event, deduplicated } = await room.post(who, message.client_id, message.text);
    return json(202, { message: { seq: event.seq, ...event.message }, deduplicated });
  },
};

export class Room extends DurableObject {
  #sql;
  #seq;

  constructor(state, env) {
    super(state, env);
    this.#sql = state.storage.sql;
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, client_id TEXT UNIQUE, kind TEXT NOT NULL, json TEXT NOT NULL)");
    this.#seq = this.#sql.exec("SELECT coalesce(max(seq), 0) AS seq FROM events").one().seq;
  }

  // Stores an event and sends it to whoever listens on a socket.
  #append(kind, fields, client_id = null) {
    const event = { seq: ++this.#seq, at: new Date().toISOString(), epoch: 1, kind, ...fields };
    const text = JSON.stringify(event);
    this.#sql.exec("INSERT INTO events (seq, client_id, kind, json) VALUES (?, ?, ?, ?)", event.seq, client_id, kind, text);
    const sockets = this.ctx.getWebSockets();
    if (sockets.length > 0) {
      const frame = JSON.stringify({ t: "event", ...event });
      for (const socket of sockets) socket.send(frame);
    }
    return event;
  }

  #message(author, text, client_id) {
    const message = { id: `msg_${crypto.randomUUID()}`, client_id, author, text, attachments: [], citations: [], note: false };
    return this.#append("message.created", { message }, client_id);
  }

  post(visitor, client_id, text) {
    const [known] = this.#sql.exec("SELECT json FROM events WHERE client_id = ?", client_id);
    if (known) return { event: JSON.parse(known.json), deduplicated: true };
    return { event: this.#message({ kind: "visitor", id: visitor }, text, client_id), deduplicated: false };
  }

  // A message and its answer, as server-sent events.
  turn(visitor, client_id, text) {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    this.ctx.waitUntil(this.#answer(writer, visitor, client_id, text).finally(() => writer.close()));
    return readable;
  }

  async #answer(writer, visitor, client_id, question) {
    const write = (event) =>
      writer.write(encoder.encode(`${event.seq ? `id: ${event.seq}\n` : ""}data: ${JSON.stringify(event)}\n\n`));
    write(this.post(visitor, client_id, question).event);
    const turn = `turn_${crypto.randomUUID()}`;
    write(this.#append("turn.started", { turn, answers: this.#seq }));
    const passages = await this.#passages(question);
    const context = passages.map((passage, n) => `[${n + 1}] ${passage}`).join("\n\n");
    const answer = await fetch(`${this.env.OPENAI_BASE_URL}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${this.env.OPENAI_API_KEY}` },
      body: JSON.stringify({
        model: this.env.OPENAI_MODEL,
        stream: true,
        messages: [
          { role: "system", content: `Answer from these passages and cite them as [n].\n\n${context}` },
          { role: "user", content: question },
        ],
      }),
    });
    let whole = "", offset = 0, rest = "";
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data: ") || line.startsWith("data: [DONE]")) continue;
        const text = JSON.parse(line.slice(6)).choices[0]?.delta?.content;
        if (!text) continue;
        write({ kind: "turn.delta", at: new Date().toISOString(), epoch: 1, turn, offset, text });
        whole += text;
        offset += encoder.encode(text).length;
      }
    }
    const said = this.#message({ kind: "ai" }, whole, null);
    write(said);
    write(this.#append("turn.finished", { turn, outcome: "answered", message_id: said.message.id, citations: [], usage: null }));
    await writer.write(encoder.encode('event: end\ndata: {"kind":"end"}\n\n'));
  }

  // One round trip to the same database.
  async #passages(question) {
    const words = question.toLowerCase().match(/\p{L}{3,}/gu) ?? [];
    const sql = "SELECT text FROM passages WHERE text LIKE ? OR text LIKE ? LIMIT ?";
    const args = [words.at(-1) ?? "", words.at(-2) ?? ""].map((word) => ({ type: "text", value: `%${word}%` }));
    const answer = await fetch(`${this.env.DATABASE_URL}/v2/pipeline`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        requests: [
          { type: "execute", stmt: { sql, args: [...args, { type: "integer", value: String(PASSAGES) }] } },
          { type: "close" },
        ],
      }),
    });
    const { results } = await answer.json();
    return results[0].response.result.rows.map(([text]) => text.value);
  }

  async fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": "frontdesk.v1" } });
  }

  // The first frame of a client, `hello`.
  webSocketMessage(socket) {
    socket.send(JSON.stringify({ t: "welcome", last_seq: this.#seq, epoch: 1, participants: [] }));
  }
}
