// What merges, compares, validates and explains documents: pure functions over plain objects, in browsers and in Node.
import * as wasm from "./confmesh_wasm.js";
import { algebraOver } from "./over.js";
import { calling, fromText, toText } from "./values.js";

export * from "./functions.js";
export const { dump, explain, interpolate, merge, mergeWithProvenance, profiles, resolve, rewrite, Schema, sequence, viewDeltas } =
  algebraOver(wasm, { calling, toText });

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

/** The content hash of a value, `sha256:…`: equal documents have equal hashes in every language. */
export function hash(value) {
  return calling(() => wasm.hashText(toText(value)));
}
