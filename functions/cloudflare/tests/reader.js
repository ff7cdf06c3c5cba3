// The reader of files alone, called as the Worker calls it, for tests that send it files. With the answer comes how much
// memory its instance had in the end.
import { ReaderDied, read } from "../read.js";
import reader from "../build/frontdesk_extract_module.wasm";

let memory = null;

WebAssembly.Instance = class extends WebAssembly.Instance {
  constructor(...what) {
    super(...what);
    ({ memory } = this.exports);
  }
};

/** The size of the last instance's memory, which is then let go. */
function held() {
  const bytes = memory?.buffer.byteLength ?? 0;
  memory = null;
  return { "x-memory": `${bytes}` };
}

export default {
  async fetch(request) {
    const file = new Uint8Array(await request.arrayBuffer());
    try {
      return new Response(read(reader, file), { headers: held() });
    } catch (error) {
      if (!(error instanceof ReaderDied)) throw error;
      return new Response(error.reason, { status: 500, headers: held() });
    }
  },
};
