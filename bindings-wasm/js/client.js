// The client over WebAssembly, for browsers. In Node, client.node.js loads the module first.
import init, { version } from "./confmesh_wasm.js";

let loading;

/** Loads the WebAssembly module from `source`, or from the file beside this script; later calls do nothing. */
export function ready(source) {
  loading ??= init(source === undefined ? undefined : { module_or_path: source }).then(() => undefined);
  return loading;
}

export { version };
