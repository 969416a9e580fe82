// What the client and the algebra have: loading, texts, paths.
import * as wasm from "./confmesh_wasm.js";
import { calling, ConfmeshError, fromText, options, toText } from "./values.js";

export { ConfmeshError };
export { ready, version } from "./loading.js";

/** The document of a text: `json`, `jsonc` or `dotenv` here. Errors name `source`, with line and column. */
export function parse(text, format = "json", given = {}) {
  const { source = "" } = options(given, ["source"], "parse");
  return fromText(calling(() => wasm.parseText(text, format, source)));
}

/** The canonical text (RFC 8785) of a value. */
export function canonical(value) {
  return calling(() => wasm.canonicalText(toText(value)));
}

/** `{segments, dotted, pointer}` of a dotted path or a JSON Pointer. */
export function parsePath(path) {
  return fromText(calling(() => wasm.pathText(path)));
}

/** The dotted path of segments, escaped where they need it. */
export function joinPath(segments) {
  return calling(() => wasm.joinPath(toText(segments)));
}

/** Whether a pattern such as `app.features.*` matches a path. */
export function matches(pattern, path) {
  return calling(() => wasm.matches(pattern, path));
}
