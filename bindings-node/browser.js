// The browser half of the package: the same names over WebAssembly. `await ready()` once before the first call.
import { ConfmeshError } from "./wasm/full/algebra.js";

export { Config, open, Subscription } from "./wasm/full/config.js";
export * from "./wasm/full/algebra.js";

function missing(name, hint) {
  return new ConfmeshError({ code: "usage", message: `\`${name}\` is not there in browsers`, hint });
}

const APART = "it is a module of its own there: import it from `confmesh/replica`, which Node has as well";
export class Replica {
  constructor() {
    throw missing("Replica", APART);
  }

  static load() {
    throw missing("Replica", APART);
  }
}

/** There are none: what a program gives is read while it waits. */
export class Reports {
  constructor() {
    throw missing("Reports", "a layer that cannot be read throws where it is set");
  }
}

const LIVE = "follow an instance with `ConfigWebSocketClient` of `confmesh/client`";
export class Mesh {
  constructor() {
    throw missing("Mesh", LIVE);
  }

  static async start() {
    throw missing("Mesh", LIVE);
  }
}

export async function openAsync() {
  throw missing("openAsync", "await what is fetched, and hand its text to `open` as a layer");
}

export function watchVariables() {
  throw missing("watchVariables", "a page has no variables");
}

export class SyncPerformanceMonitor {
  constructor() {
    throw missing("SyncPerformanceMonitor", "count where instances run; a page shows what they count");
  }
}

export function restore() {
  throw missing("restore", "a browser keeps no store: restore it where the instance runs");
}

export function rebuild() {
  throw missing("rebuild", "a browser keeps no store: rebuild it where the instance runs");
}
