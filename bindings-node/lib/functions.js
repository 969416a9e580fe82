// The pure functions, over the addon; the browser half has the same ones over WebAssembly.
import * as native from "../native/native.cjs";
import { algebraOver } from "../wasm/full/over.js";
import { replicaOver } from "../wasm/replica/over.js";
import { options } from "../wasm/values.js";
import { calling, fromText, text } from "./native.js";

/** Calls a function of the addon and reads the JSON text that it gives. */
const ask = (call) => fromText(calling(call));

export const version = () => native.version();

export const { dump, explain, interpolate, merge, mergeWithProvenance, profiles, resolve, rewrite, Schema, sequence, viewDeltas } =
  algebraOver(native, { calling, toText: text });
export const Replica = replicaOver(native, { calling, toText: text });

export const diff = (old, new_) => ask(() => native.diffText(text(old), text(new_)));
export const changes = (old, new_) => ask(() => native.changesText(text(old), text(new_)));
export const patch = (document, operations) => ask(() => native.patchText(text(document), text(operations)));
export const mergePatch = (document, change) => ask(() => native.mergePatchText(text(document), text(change)));
export const mergePatchBetween = (old, new_) => ask(() => native.mergePatchBetweenText(text(old), text(new_)));
export const threeWay = (base, ours, theirs) =>
  ask(() => native.threeWayText(text(base), text(ours), text(theirs)));

export function parse(source, format = "json", given = {}) {
  const { source: name = "" } = options(given, ["source"], "parse");
  return ask(() => native.parseText(source, format, name));
}
export const canonical = (value) => calling(() => native.canonicalText(text(value)));
export const hash = (value) => calling(() => native.hashText(text(value)));
export const parsePath = (path) => ask(() => native.pathText(path));
export const joinPath = (segments) => calling(() => native.joinPath(text(segments)));
export const matches = (pattern, path) => calling(() => native.matches(pattern, path));
