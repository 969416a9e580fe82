// Merging, comparing and hashing in Node, beside what people use today: `algebra.mjs DOCUMENTS`.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import canonicalize from "canonicalize";
import * as confmesh from "confmesh";
import deepmerge from "deepmerge";
import { defu } from "defu";
import fastJsonPatch from "fast-json-patch";
import stableStringify from "fast-json-stable-stringify";
import * as jsondiffpatch from "jsondiffpatch";
import lodashMerge from "lodash.merge";
import microdiff from "microdiff";
import * as rfc6902 from "rfc6902";
import { merge as tsDeepmerge } from "ts-deepmerge";
import { compare, SIZES } from "./timing.mjs";

const isMap = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const mergedPair = (below, above) => {
  const out = { ...below };
  for (const key in above) {
    out[key] = isMap(above[key]) && isMap(out[key]) ? mergedPair(out[key], above[key]) : above[key];
  }
  return out;
};
const naive = (layers) => layers.reduce(mergedPair);

const naiveChanges = (old, next, path = "", found = []) => {
  if (isMap(old) && isMap(next)) {
    for (const key in old) {
      if (key in next) naiveChanges(old[key], next[key], `${path}/${key}`, found);
      else found.push({ op: "remove", path: `${path}/${key}` });
    }
    for (const key in next) if (!(key in old)) found.push({ op: "add", path: `${path}/${key}`, value: next[key] });
  } else if (Array.isArray(old) && Array.isArray(next)) {
    const shared = Math.min(old.length, next.length);
    for (let at = 0; at < shared; at += 1) naiveChanges(old[at], next[at], `${path}/${at}`, found);
    for (let at = old.length - 1; at >= shared; at -= 1) found.push({ op: "remove", path: `${path}/${at}` });
    for (let at = shared; at < next.length; at += 1) found.push({ op: "add", path: `${path}/${at}`, value: next[at] });
  } else if (old !== next) {
    found.push({ op: "replace", path, value: next });
  }
  return found;
};
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

function merging(size, texts) {
  const layers = texts.map((text) => JSON.parse(text));
  // The first of the list is the lowest for the others; confmesh is told so by the priority.
  const values = layers.map((value, at) => ({ id: `layer${at}`, value, priority: 9 - at }));
  const sources = texts.map((text, at) => ({ id: `layer${at}.json`, text, priority: 9 - at }));
  assert.deepEqual(confmesh.merge(values), naive(layers));
  assert.deepEqual(confmesh.merge(sources), naive(layers));
  compare(`A. five layers, plain objects in and out, ${size}`, {
    "naive recursive merge": () => naive(layers),
    "confmesh.merge": () => confmesh.merge(values),
    "lodash.merge": [() => lodashMerge({}, ...layers), "lists merge by index"],
    deepmerge: () => deepmerge.all(layers, { arrayMerge: (_, above) => above }),
    defu: [() => defu({}, ...[...layers].reverse()), "lists are appended"],
    "ts-deepmerge": () => tsDeepmerge.withOptions({ mergeArrays: false }, ...layers),
  });
  compare(`A. five layers from JSON texts, ${size}`, {
    "JSON.parse + naive": () => naive(texts.map((text) => JSON.parse(text))),
    "confmesh.merge": () => confmesh.merge(sources),
    "JSON.parse + lodash.merge": () => lodashMerge(...texts.map((text) => JSON.parse(text))),
    "JSON.parse + defu": () => defu(...texts.map((text) => JSON.parse(text)).reverse()),
  });
}

function comparing(size, oldText, newText) {
  const [old, next, same] = [oldText, newText, oldText].map((text) => JSON.parse(text));
  assert.deepEqual(confmesh.patch(old, confmesh.diff(old, next)), next);
  compare(`B. what changed, 1 %, ${size}`, {
    naive: () => naiveChanges(old, next),
    "confmesh.diff": [() => confmesh.diff(old, next), "RFC 6902, minimal for lists"],
    "fast-json-patch": () => fastJsonPatch.compare(old, next),
    rfc6902: () => rfc6902.createPatch(old, next),
    microdiff: () => microdiff(old, next),
    jsondiffpatch: () => jsondiffpatch.diff(old, next),
    "nothing changed: naive": () => naiveChanges(old, same),
  });
  const patch = confmesh.diff(old, next);
  const other = fastJsonPatch.compare(old, next);
  compare(`B. apply 1 %, ${size}`, {
    "fast-json-patch": [() => fastJsonPatch.applyPatch(old, other, false, false).newDocument, "copies first"],
    "confmesh.patch": () => confmesh.patch(old, patch),
    "structuredClone only": () => structuredClone(old),
  });
  console.log(`  bytes of the patch: confmesh ${JSON.stringify(patch).length}, fast-json-patch ${JSON.stringify(other).length}`);
}

function hashing(size, text) {
  const value = JSON.parse(text);
  assert.equal(confmesh.canonical(value), canonicalize(value));
  compare(`C. canonical bytes and SHA-256, ${size}`, {
    "fast-json-stable-stringify + sha256": [() => sha256(stableStringify(value)), "not canonical"],
    "confmesh.hash": [() => confmesh.hash(value), "RFC 8785"],
    "canonicalize + sha256": () => sha256(canonicalize(value)),
  });
}

for (const size of SIZES) {
  const read = (name) => readFileSync(join(process.argv[2], size, name), "utf8");
  const texts = [0, 1, 2, 3, 4].map((at) => read(`layer${at}.json`));
  merging(size, texts);
  comparing(size, texts[0], read("changed1.json"));
  hashing(size, texts[0]);
}
