// The pure functions, over the addon; the browser half has the same ones over WebAssembly.
import * as native from "../native/native.js";
import { calling, ConfmeshError, fromText, text } from "./native.js";

/** Calls a function of the addon and reads the JSON text that it gives. */
const ask = (call) => fromText(calling(call));

export const version = () => native.version();

export const merge = (layers, { rules = null } = {}) => ask(() => native.mergeText(text(layers), text(rules), true));

export function mergeWithProvenance(layers, { rules = null } = {}) {
  const merged = ask(() => native.mergeText(text(layers), text(rules), false));
  merged.warnings = merged.warnings.map((fields) => new ConfmeshError(fields));
  return merged;
}

export const explain = (layers, path, { rules = null } = {}) =>
  ask(() => native.explainText(text(layers), path, text(rules)));

export const diff = (old, new_) => ask(() => native.diffText(text(old), text(new_)));
export const changes = (old, new_) => ask(() => native.changesText(text(old), text(new_)));
export const patch = (document, operations) => ask(() => native.patchText(text(document), text(operations)));
export const mergePatch = (document, change) => ask(() => native.mergePatchText(text(document), text(change)));
export const mergePatchBetween = (old, new_) => ask(() => native.mergePatchBetweenText(text(old), text(new_)));
export const threeWay = (base, ours, theirs) =>
  ask(() => native.threeWayText(text(base), text(ours), text(theirs)));

export const parse = (source, format = "json", { source: name = "" } = {}) =>
  ask(() => native.parseText(source, format, name));
export const dump = (value, format = "json") => calling(() => native.dumpText(text(value), format));
export const rewrite = (source, format, target) => calling(() => native.rewriteText(source, format, text(target)));
export const canonical = (value) => calling(() => native.canonicalText(text(value)));
export const hash = (value) => calling(() => native.hashText(text(value)));
export const parsePath = (path) => ask(() => native.pathText(path));
export const joinPath = (segments) => calling(() => native.joinPath(text(segments)));
export const matches = (pattern, path) => calling(() => native.matches(pattern, path));
