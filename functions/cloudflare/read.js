// Reads an untrusted file in a WebAssembly instance of its own. What goes wrong inside is an exception here, and the
// instance with its memory is gone.

/** The reader of a file died. `reason` is `memory` when it wanted more than it may have, else `broken`. */
export class ReaderDied extends Error {
  constructor(reason, cause) {
    super(`the reader of a file died: ${cause}`, { cause });
    this.name = "ReaderDied";
    this.reason = reason;
  }
}

/**
 * @param {WebAssembly.Module} module functions/extract
 * @param {Uint8Array} request what `frontdesk_extract::wire::request` gives
 * @returns {Uint8Array} what `frontdesk_extract::wire::outcome` takes
 * @throws {ReaderDied}
 */
export function read(module, request) {
  let reader;
  try {
    reader = new WebAssembly.Instance(module, {}).exports;
    // A call may replace the buffer, so it comes first.
    const at = reader.request(request.length);
    new Uint8Array(reader.memory.buffer, at, request.length).set(request);
    const length = reader.read();
    return new Uint8Array(reader.memory.buffer, reader.answer(), length).slice();
  } catch (cause) {
    // Without an instance there was no memory even for that.
    throw new ReaderDied(!reader || reader.out_of_memory() ? "memory" : "broken", cause);
  }
}
