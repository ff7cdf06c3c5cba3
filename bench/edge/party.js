// A room with `partyserver`: a message that is posted is stored in the object's SQLite and sent to every socket.
import { routePartykitRequest, Server } from "partyserver";

export class Party extends Server {
  static options = { hibernate: true };

  onStart() {
    this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, json TEXT NOT NULL)");
  }

  async onRequest(request) {
    const { client_id, text } = await request.json();
    const message = { id: `msg_${crypto.randomUUID()}`, client_id, author: { kind: "visitor" }, text };
    const sql = "INSERT INTO events (json) VALUES (?) RETURNING seq";
    const { seq } = this.ctx.storage.sql.exec(sql, JSON.stringify(message)).one();
    this.broadcast(JSON.stringify({ t: "event", seq, at: new Date().toISOString(), epoch: 1, kind: "message.created", message }));
    return Response.json({ message: { seq, ...message }, deduplicated: false }, { status: 202 });
  }

  onMessage(connection) {
    connection.send('{"t":"welcome"}');
  }
}

export default {
  async fetch(request, env) {
    return (await routePartykitRequest(request, env)) ?? new Response(null, { status: 404 });
  },
};
