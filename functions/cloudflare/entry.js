// The Worker's front: the module that worker-build made, and beside it the reader of files, which the core calls through
// `frontdeskRead`.
export * from "./build/index.js";
export { default } from "./build/index.js";
