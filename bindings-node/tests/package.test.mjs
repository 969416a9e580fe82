// Runs in a clean folder that holds the packed tarball and nothing else.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import * as native from "confmesh";
import * as client from "confmesh/client";

const { version } = createRequire(import.meta.url)("confmesh/package.json");

test("the addon reports the version of its package", () => {
  assert.equal(native.version(), version);
});

test("the client answers like the addon", async () => {
  await client.ready();
  assert.equal(client.version(), native.version());
});

test("the package can be required as well as imported", () => {
  assert.equal(createRequire(import.meta.url)("confmesh").version(), version);
});
