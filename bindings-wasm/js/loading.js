// What every module has: loading it, and its version.
import * as wasm from "./confmesh_wasm.js";

let loading;

/** Loads the WebAssembly module from `source`, or from the file beside this script; later calls do nothing. */
export function ready(source) {
  loading ??= wasm.default(source === undefined ? undefined : { module_or_path: source }).then(
    () => undefined,
    (error) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

/** The version of confmesh, for example `0.1.0`. */
export function version() {
  return wasm.version();
}
