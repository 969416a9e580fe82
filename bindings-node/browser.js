// The browser half of the package: the same names over WebAssembly. `await ready()` once before the first call.
export { ready, version } from "./wasm/client.js";
