// Reads an untrusted file in a WebAssembly instance of its own. What goes wrong inside is an exception here, and the
// instance with its memory is gone.

/**
 * @param {WebAssembly.Module} module functions/extract
 * @param {Uint8Array} request what `frontdesk_extract::wire::request` gives
 * @returns {Uint8Array} what `frontdesk_extract::wire::outcome` takes
 */
export function read(module, request) {
  const { exports } = new WebAssembly.Instance(module, nothing(module));
  const at = exports.request(request.length);
  new Uint8Array(exports.memory.buffer, at, request.length).set(request);
  const length = exports.read();
  return new Uint8Array(exports.memory.buffer, exports.answer(), length).slice();
}

/** The readers' libraries name functions of the host that they never need here: calling one ends the instance. */
function nothing(module) {
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    imports[from][name] = () => {
      throw new Error("the reader of files asked for " + name);
    };
  }
  return imports;
}
