// The Worker's front: the module that worker-build made, supervised, and beside it the reader of files, which the core calls.
import core, * as made from "./build/index.js";
import { read } from "./read.js";
import reader from "./build/frontdesk_extract_module.wasm";
import { answered, supervised, supervisedObject } from "./supervise.js";

globalThis.frontdeskRead = (request) => read(reader, request);

export const RoomObject = supervisedObject(made.RoomObject);
export const LimiterObject = supervisedObject(made.LimiterObject);
export const JobsObject = supervisedObject(made.JobsObject);

export default class extends core {
  fetch(request) {
    return answered(() => super.fetch(request));
  }

  scheduled(event) {
    return supervised(() => super.scheduled(event));
  }
}
