// What merges, compares and explains documents: pure functions over plain objects, in browsers and in Node.
import * as wasm from "./confmesh_wasm.js";
import { calling, ConfmeshError, fromText, toText } from "./values.js";

export { ConfmeshError };

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

/** The effective document of `layers`; of two layers the one with the lower `priority` wins. */
export function merge(layers, { rules = null } = {}) {
  return fromText(calling(() => wasm.mergeText(toText(layers), toText(rules), true)));
}

/** `{value, provenance, warnings}`: the effective document, which layers each leaf came from, and what did not fit. */
export function mergeWithProvenance(layers, { rules = null } = {}) {
  const merged = fromText(calling(() => wasm.mergeText(toText(layers), toText(rules), false)));
  merged.warnings = merged.warnings.map((fields) => new ConfmeshError(fields));
  return merged;
}

/** Why the value at `path` is what it is: the winner, its rule and place, and everything it overrode. */
export function explain(layers, path, { rules = null } = {}) {
  return fromText(calling(() => wasm.explainText(toText(layers), path, toText(rules))));
}

/** The JSON Patch (RFC 6902) that turns one value into another. */
export function diff(before, after) {
  return fromText(calling(() => wasm.diffText(toText(before), toText(after))));
}

/** What subscribers would be told: `{path, op, old?, new?}` for each difference. */
export function changes(before, after) {
  return fromText(calling(() => wasm.changesText(toText(before), toText(after))));
}

/** `document` with a JSON Patch (RFC 6902) applied, all or nothing. */
export function patch(document, operations) {
  return fromText(calling(() => wasm.patchText(toText(document), toText(operations))));
}

/** `document` with a JSON Merge Patch (RFC 7396) applied: null removes. */
export function mergePatch(document, change) {
  return fromText(calling(() => wasm.mergePatchText(toText(document), toText(change))));
}

/** The JSON Merge Patch (RFC 7396) that turns one value into another. */
export function mergePatchBetween(before, after) {
  return fromText(calling(() => wasm.mergePatchBetweenText(toText(before), toText(after))));
}

/** `{value, conflicts}`: what both sides changed since `base`; `ours` stays where they collide. */
export function threeWay(base, ours, theirs) {
  return fromText(calling(() => wasm.threeWayText(toText(base), toText(ours), toText(theirs))));
}

/** The document of a text: `json`, `jsonc` or `dotenv` here. Errors name `source`, with line and column. */
export function parse(text, format = "json", { source = "" } = {}) {
  return fromText(calling(() => wasm.parseText(text, format, source)));
}

/** The canonical text (RFC 8785) of a value. */
export function canonical(value) {
  return calling(() => wasm.canonicalText(toText(value)));
}

/** The content hash of a value, `sha256:…`: equal documents have equal hashes in every language. */
export function hash(value) {
  return calling(() => wasm.hashText(toText(value)));
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
