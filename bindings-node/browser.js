// The browser half of the package: the same names over WebAssembly. `await ready()` once before the first call.
import { ConfmeshError } from "./wasm/functions.js";

export { Config, open, Subscription } from "./wasm/config.js";
export * from "./wasm/functions.js";

function missing(name, hint) {
  return new ConfmeshError({ code: "usage", message: `\`${name}\` is not there in browsers`, hint });
}

const LIVE = "follow an instance with `ConfigWebSocketClient` of `confmesh/client`";
const WRITING = "texts are written in Node only; use `canonical` for JSON";

export function dump() {
  throw missing("dump", WRITING);
}

export function rewrite() {
  throw missing("rewrite", WRITING);
}

export class Mesh {
  constructor() {
    throw missing("Mesh", LIVE);
  }

  static async start() {
    throw missing("Mesh", LIVE);
  }
}
