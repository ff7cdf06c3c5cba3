// A panic of the core is an abort: it ends the core's WebAssembly instance with all that ran in it, as an overflow of its stack
// does, and a new one is made with the next event. What ran would wait for ever for a promise that nothing settles. Here it is told:
// its event fails at once, so that the runtime tries an alarm again and a client comes back.

/** How many deaths are told to the next instance. */
const MOST_REMEMBERED = 100;

/** What to do when the core dies, for each event under way. */
const underway = new Set();

/** When the core died, in milliseconds since 1970, as text. The next instance takes them into its metrics and `/health`. */
globalThis.frontdeskDeaths = [];

/** The core died while an event was under way. */
export class CoreDied extends Error {
  constructor(cause) {
    super(`the core died: ${cause}`, { cause });
    this.name = "CoreDied";
  }
}

/** How often the core died: what was made before has to be made again. */
let deaths = 0;
/** Deaths that were seen, by their causes: some are seen from two sides. */
const seen = new WeakSet();

function died(cause) {
  if (seen.has(cause)) {
    return;
  }
  seen.add(cause);
  deaths += 1;
  globalThis.frontdeskDeaths.push(String(Date.now()));
  globalThis.frontdeskDeaths.splice(0, globalThis.frontdeskDeaths.length - MOST_REMEMBERED);
  const error = new CoreDied(cause);
  console.error(error.message);
  for (const end of underway) {
    end(error);
  }
  underway.clear();
}

/** Whether an error ended the core: a trap, or an overflow of the stack, which V8 throws through it as a RangeError. */
function endedTheCore(cause) {
  const overflow = cause instanceof RangeError && cause.message.includes("call stack");
  return overflow || cause instanceof WebAssembly.RuntimeError;
}

function perhapsDied(cause) {
  if (endedTheCore(cause)) {
    died(cause);
  }
}

addEventListener("error", ({ error }) => perhapsDied(error));
addEventListener("unhandledrejection", ({ reason }) => perhapsDied(reason));

/** A promise that is rejected when the core dies, and a function after which it is not. */
function death() {
  let end;
  const dead = new Promise((_, reject) => {
    end = reject;
    underway.add(end);
  });
  return { dead, over: () => underway.delete(end) };
}

/**
 * What `handle` gives, or a rejection when the core dies meanwhile.
 * @template T
 * @param {() => Promise<T>} handle
 * @returns {Promise<T>}
 */
export async function supervised(handle) {
  const { dead, over } = death();
  try {
    return await Promise.race([handle(), dead]);
  } catch (error) {
    over();
    perhapsDied(error);
    throw error;
  } finally {
    over();
  }
}

/** A stream of events that is cut when the core dies: a client that sees its end comes back with what it has. */
function cutWithTheCore(body) {
  const reader = body.getReader();
  const { dead, over } = death();
  dead.catch(() => {});
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await Promise.race([reader.read(), dead]);
        if (done) {
          over();
          controller.close();
        } else {
          controller.enqueue(value);
        }
      } catch (error) {
        over();
        controller.error(error);
      }
    },
    cancel(reason) {
      over();
      return reader.cancel(reason);
    },
  });
}

/**
 * Answers a request; when the core dies meanwhile, with a problem that says to come back.
 * @param {() => Promise<Response>} handle
 * @returns {Promise<Response>}
 */
export async function answered(handle) {
  try {
    const response = await supervised(handle);
    const streams = response.headers.get("content-type")?.startsWith("text/event-stream");
    // The answer to HEAD has no body.
    return streams && response.body ? new Response(cutWithTheCore(response.body), response) : response;
  } catch (error) {
    if (!(error instanceof CoreDied || endedTheCore(error))) {
      throw error;
    }
    const problem = {
      type: "urn:frontdesk:problem:unavailable",
      title: "Not available now",
      status: 503,
      detail: "Something broke while this was answered. Please try again.",
    };
    const headers = {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      "retry-after": "1",
      "access-control-allow-origin": "*",
      "access-control-expose-headers": "retry-after",
    };
    return new Response(JSON.stringify(problem), { status: 503, headers });
  }
}

/**
 * The same object, whose events fail when the core dies while they are under way, and which is there again afterwards.
 * @param {new (state: object, env: object) => object} made
 */
export function supervisedObject(made) {
  return class {
    #state;
    #env;
    #object;
    #madeAfter;

    constructor(state, env) {
      this.#state = state;
      this.#env = env;
    }

    /** An event, by its handler's name. */
    #event(name, ...what) {
      return supervised(() => {
        if (this.#madeAfter !== deaths) {
          this.#object = new made(this.#state, this.#env);
          this.#madeAfter = deaths;
        }
        return this.#object[name](...what);
      });
    }

    fetch(request) {
      return this.#event("fetch", request);
    }

    alarm() {
      return this.#event("alarm");
    }

    webSocketMessage(socket, message) {
      return this.#event("webSocketMessage", socket, message);
    }

    webSocketClose(...how) {
      return this.#event("webSocketClose", ...how);
    }

    webSocketError(...how) {
      return this.#event("webSocketError", ...how);
    }
  };
}
