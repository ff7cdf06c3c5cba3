// The Worker's front: the module that worker-build made, and beside it the reader of files, which the core calls.
import { read } from "./read.js";
import reader from "./build/frontdesk_extract_module.wasm";

export * from "./build/index.js";
export { default } from "./build/index.js";

globalThis.frontdeskRead = (request) => read(reader, request);
