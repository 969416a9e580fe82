// Runs in a clean folder that holds the packed tarball and nothing else.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import * as native from "confmesh";
import * as client from "confmesh/client";
import * as replica from "confmesh/replica";

/** The values that a declaration file of the package promises. */
async function declared(file) {
  const read = (name) => readFile(new URL(`./node_modules/confmesh/${name}`, import.meta.url), "utf8");
  let text = await read(file);
  for (const [, name] of text.matchAll(/^export \* from "\.\/(\w+)\.js"/gm)) text += await read(`${name}.d.ts`);
  return [...text.matchAll(/^export declare (?:function|class|const) (\w+)/gm)].map(([, name]) => name).filter((name, at, all) => all.indexOf(name) === at).sort();
}

const { version } = createRequire(import.meta.url)("confmesh/package.json");

test("the addon reports the version of its package", () => {
  assert.equal(native.version(), version);
});

test("the client answers like the addon", async () => {
  await client.ready();
  assert.equal(client.version(), native.version());
});

test("the package can be required as well as imported, and is the same then", () => {
  const required = createRequire(import.meta.url);
  assert.equal(required("confmesh").version(), version);
  for (const [name, imported] of [["confmesh", native], ["confmesh/client", client], ["confmesh/replica", replica]]) {
    const names = Object.keys(imported).sort();
    assert.deepEqual(Object.keys(required(name)).sort(), names);
    for (const name_ of names) assert.equal(required(name)[name_], imported[name_], name_);
  }
});

test("an error is one of the package, whichever half threw it", () => {
  const thrown = (call) => {
    try {
      return call();
    } catch (error) {
      return error;
    }
  };
  const [one, other] = [thrown(() => native.parse("{")), thrown(() => client.parsePath("a..b"))];
  for (const { ConfmeshError } of [native, client]) {
    assert.ok(one instanceof ConfmeshError && other instanceof ConfmeshError && !(new Error("") instanceof ConfmeshError));
    class Own extends ConfmeshError {}
    assert.deepEqual([one instanceof Own, new Own({ code: "usage", message: "" }) instanceof ConfmeshError], [false, true]);
  }
  assert.match(readFileSync(new URL("./node_modules/confmesh/cjs/index.cjs.map", import.meta.url), "utf8"), /lib\/following\.js/);
});

test("what is declared is what is exported, in Node and in browsers", async () => {
  const browser = await import("./node_modules/confmesh/browser.js");
  assert.ok((await declared("index.d.ts")).includes("version"));
  assert.deepEqual(Object.keys(native).sort(), await declared("index.d.ts"));
  assert.deepEqual(Object.keys(browser).sort(), await declared("index.d.ts"));
  assert.deepEqual(Object.keys(client).sort(), await declared("client.d.ts"));
});

const packed = (name) => readFileSync(new URL(`./node_modules/confmesh/${name}`, import.meta.url), "utf8");

test("the package carries its licences, its changelog and where it comes from", () => {
  assert.match(packed("LICENSE-MIT"), /MIT License|Permission is hereby granted/);
  assert.match(packed("LICENSE-APACHE"), /Apache License/);
  assert.match(packed("CHANGELOG.md"), /^# Changelog/);
  const told = JSON.parse(packed("package.json"));
  assert.ok(told.repository.url && told.homepage && told.bugs && told.keywords.includes("configuration"));
});
