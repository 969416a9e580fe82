// The package over WebAssembly in Node, where no addon fits: the same functions and the same answers. What needs sockets, threads or
// a store is refused by name. Only ever bundled, so `__dirname` is that of the bundle.
import { readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { open as openLayers } from "../wasm/full/config.js";
import { initSync as initAlgebra } from "../wasm/full/confmesh_wasm.js";
import { initSync as initReplica } from "../wasm/replica/confmesh_wasm.js";
import { ConfmeshError } from "../wasm/values.js";

const moduleOf = (folder) => ({ module: readFileSync(join(__dirname, "../wasm", folder, "confmesh_wasm_bg.wasm")) });
initAlgebra(moduleOf("full"));
initReplica(moduleOf("replica"));

export * from "../wasm/full/algebra.js";
export { Config, Subscription } from "../wasm/full/config.js";
export { Replica } from "../wasm/replica/replica.js";
export { watchVariables } from "./variables.js";

/** Does nothing: the modules are loaded on import. */
export async function ready() {}

const here = `${process.platform}-${process.arch}`;
const missing = (name, hint) =>
  new ConfmeshError({ code: "usage", message: `\`${name}\` needs the native addon, and none fits here (${here})`, hint });

const FORMATS = { ".json": "json", ".jsonc": "jsonc", ".ini": "ini", ".cfg": "ini", ".env": "dotenv" };

function layerOf(file, at, all) {
  const path = file instanceof URL ? fileURLToPath(file) : file;
  const format = FORMATS[extname(path)] ?? (/(^|[/\\])\.env(\.|$)/.test(path) ? "dotenv" : undefined);
  if (!format) {
    const hint = "WebAssembly reads JSON, INI and .env; parse the file yourself and open its value as a layer";
    throw missing(`open("${path}")`, hint);
  }
  let text;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfmeshError({ code: "file", message: error.message, origin: { source: path } });
  }
  // Of files the last one wins.
  return { id: `file:${path}`, text, format, priority: 30 + all.length - 1 - at };
}

/** Layers, as in browsers, or files, which are read once. */
export function open(given, options = {}) {
  const list = typeof given === "string" || given instanceof URL ? [given] : [...given];
  const isFile = (one) => typeof one === "string" || one instanceof URL;
  if (!list.every(isFile)) return openLayers(list, options);
  const { envPrefix, watch = false, ...rest } = options ?? {};
  if (watch) throw missing("watch", "files are read once; open them again, or follow an instance with `ConfigWebSocketClient`");
  const layers = list.map(layerOf);
  if (envPrefix !== undefined) {
    layers.push({ id: `env:${envPrefix}`, env: { prefix: envPrefix, variables: { ...process.env } }, priority: 10 });
  }
  return openLayers(layers, rest);
}

const FOLLOW = "follow an instance with `ConfigWebSocketClient` of `confmesh/client`";
export class Mesh {
  constructor() {
    throw missing("Mesh", FOLLOW);
  }

  static async start() {
    throw missing("Mesh", FOLLOW);
  }
}

export class Reports {
  constructor() {
    throw missing("Reports", "a file that cannot be read throws where it is opened");
  }
}

export async function openAsync() {
  throw missing("openAsync", "await what is asked for, and hand it to `open` as a layer");
}

export class SyncPerformanceMonitor {
  constructor() {
    throw missing("SyncPerformanceMonitor", "count where instances run");
  }
}

export function restore() {
  throw missing("restore", "restore the store where the instance runs");
}

export function rebuild() {
  throw missing("rebuild", "rebuild the store where the instance runs");
}
