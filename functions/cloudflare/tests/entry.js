// The Worker as it is deployed, with a door that only tests have: to its objects, to its clock, and to its rooms' end.
import worker, * as deployed from "../entry.js";

export * from "../entry.js";

const DOOR = "/__test/";
/** A room that is to end does so within this, in milliseconds: before, while or after it answers. */
const SOON = 60;
/** How often one room does: an answer that is begun too often is given up. */
const OFTEN = 2;

const settings = { clock: null, evictions: 0, ended: 0, panics: 0, overflows: 0 };

// Without a random source the core does not go on: it panics.
const random = crypto.getRandomValues.bind(crypto);
Object.defineProperty(crypto, "getRandomValues", {
  value: (bytes) => {
    if (settings.panics > 0) {
      settings.panics -= 1;
      throw new Error("no random source, for a test");
    }
    return random(bytes);
  },
});

// The core asks for the time from deep within. An overflow of the stack there goes through all of it.
function endless(depth) {
  return endless(depth + 1) + 1;
}

globalThis.Date = class extends Date {
  constructor(...when) {
    if (settings.overflows > 0 && when.length === 0 && new Error().stack.includes("wasm")) {
      settings.overflows -= 1;
      endless(0);
    }
    super(...(when.length > 0 || settings.clock === null ? when : [settings.clock]));
  }

  static now() {
    return settings.clock ?? super.now();
  }
};

export default class extends worker {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith(DOOR)) {
      return super.fetch(request);
    }
    const [what, binding, ...name] = pathname.slice(DOOR.length).split("/");
    const body = await request.text();
    if (what === "objects") {
      const object = this.env[binding].getByName(decodeURIComponent(name.join("/")));
      return object.fetch("https://object/", { method: "POST", body });
    }
    settings[what] = JSON.parse(body);
    return Response.json(settings);
  }
}

/** A room that loses its memory, at random and in the midst of anything, when it is told to. */
export class RoomObject {
  constructor(state, env) {
    this.state = state;
    this.room = new deployed.RoomObject(state, env);
  }

  #perhaps() {
    if (settings.evictions > 0 && Math.random() < 1 / settings.evictions) {
      setTimeout(() => this.#end(), Math.random() * SOON);
    }
  }

  async #end() {
    const { storage } = this.state;
    const times = (await storage.get("ended")) ?? 0;
    if (times < OFTEN) {
      await storage.put("ended", times + 1);
      await storage.sync();
      settings.ended += 1;
      this.state.abort("evicted by a test");
    }
  }

  fetch(request) {
    this.#perhaps();
    return this.room.fetch(request);
  }

  alarm() {
    this.#perhaps();
    return this.room.alarm();
  }

  webSocketMessage(socket, message) {
    this.#perhaps();
    return this.room.webSocketMessage(socket, message);
  }

  webSocketClose(...how) {
    return this.room.webSocketClose(...how);
  }

  webSocketError(...how) {
    return this.room.webSocketError(...how);
  }
}
