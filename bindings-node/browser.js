// The browser half of the package: the same names over WebAssembly. `await ready()` once before the first call.
export * from "./wasm/functions.js";
