// Documents as models: zod, valibot, and whatever implements Standard Schema.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import * as v from "valibot";
import { z } from "zod";
import * as node from "confmesh";
import * as browser from "./node_modules/confmesh/browser.js";

const { Mesh, open, openAsync, Schema } = node;
await browser.ready(readFileSync(new URL("./node_modules/confmesh/wasm/full/confmesh_wasm_bg.wasm", import.meta.url)));

const written = (text, name = "app.json") => {
  const file = join(mkdtempSync(join(tmpdir(), "confmesh-")), name);
  writeFileSync(file, text);
  return file;
};
const until = async (condition) => {
  const end = Date.now() + 20_000;
  while (Date.now() < end) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail("it never came true");
};

const GOOD = '{\n  "name": "n",\n  "database": {"host": "h", "port": 5432}\n}';
const BAD = '{\n  "name": "n",\n  "database": {\n    "host": "h",\n    "port": "many"\n  }\n}';
const MISSING = '{\n  "name": "n",\n  "database": {"host": "h"}\n}';

const own = {
  "~standard": {
    version: 1,
    vendor: "own",
    validate: (value) => {
      const port = value?.database?.port;
      if (typeof port === "number") return { value: { ...value, seen: true } };
      return { issues: [{ message: "no port", path: ["database", { key: "port" }] }] };
    },
  },
};
const models = {
  zod: z.object({ name: z.string(), database: z.object({ host: z.string(), port: z.number().int().max(65_535) }), tags: z.array(z.string()).default([]) }),
  valibot: v.object({ name: v.string(), database: v.object({ host: v.string(), port: v.pipe(v.number(), v.maxValue(65_535)) }), tags: v.optional(v.array(v.string()), []) }),
  "a program's own schema": own,
};
const schemaOf = (name) => (name === "zod" ? {} : { schema: { fields: { database: { fields: { port: "any" } } } } });

for (const [name, model] of Object.entries(models)) {
  test(`a document is extracted by ${name}, and what does not fit has its place`, () => {
    const config = open(written(GOOD));
    const settings = config.extract(model);
    assert.equal(settings.database.port, 5432);
    if (model !== own) assert.deepEqual(settings.tags, []);
    config.close();
    for (const [text, line] of [[BAD, 5], [MISSING, 3]]) {
      const wrong = open(written(text));
      assert.throws(() => wrong.extract(model), (error) => {
        assert.deepEqual([error.code, error.path, error.origin.line], ["invalid", "database.port", line]);
        assert.ok(!String(error).includes("many"), String(error));
        assert.match(String(error), new RegExp(`app\\.json:${line}:\\d+: .+ \\(at \`database\\.port\`\\)`));
        return true;
      });
      wrong.close();
    }
  });

  test(`what ${name} refuses never comes into force, and the live model is of one moment`, async () => {
    const file = written(GOOD);
    for (const config of [open(file, { model, ...schemaOf(name) }), await openAsync(file, { model, ...schemaOf(name) })]) {
      const first = config.model;
      assert.equal(first.database.port, 5432);
      assert.equal(config.model, first);
      assert.throws(() => config.set("database.port", "many"), { code: /invalid|type/, path: "database.port" });
      assert.equal(config.model, first);
      config.set("database", { host: "other", port: 7 });
      assert.deepEqual([config.model.database, first.database.port], [{ host: "other", port: 7 }, 5432]);
      config.unset("database");
      writeFileSync(file, BAD);
      await until(async () => JSON.stringify(await config.status()).includes("stale") || JSON.stringify(await config.status()).includes("rejected"));
      assert.equal(config.model.database.port, 5432);
      writeFileSync(file, GOOD);
      await until(async () => (await config.status()).health.status === "healthy");
      config.close();
    }
    for (const [text, line] of [[BAD, 5], [MISSING, 3]]) {
      const refused = (error) => error.path.startsWith("database") && error.origin.line === line;
      assert.throws(() => open(written(text), { model, ...schemaOf(name) }), refused);
      await assert.rejects(openAsync(written(text), { model, ...schemaOf(name) }), refused);
    }
  });

  test(`a page holds its document to ${name}`, () => {
    const layers = [{ id: "base", text: GOOD, format: "json" }];
    const config = browser.open(layers, { model, ...schemaOf(name) });
    assert.equal(config.model.database.port, 5432);
    assert.equal(config.model, config.model);
    assert.throws(() => config.set("database.port", "many"), { path: "database.port" });
    assert.equal(config.extract(z.number(), "database.port"), 5432);
    assert.throws(() => config.extract(z.string(), "database.port"), { path: "database.port", origin: { source: "base", line: 3, column: 29 } });
    assert.throws(() => browser.open([{ id: "base", text: BAD, format: "json" }], { model, ...schemaOf(name) }), { path: "database.port" });
  });
}

test("variables take their types from what zod says of itself", () => {
  process.env.MODELLED_DATABASE__PORT = "6000";
  process.env.MODELLED_NAME = "0123";
  const config = open(written(GOOD), { model: models.zod, envPrefix: "MODELLED" });
  assert.deepEqual([config.get("database.port"), config.model.name], [6000, "0123"]);
  config.close();
  delete process.env.MODELLED_DATABASE__PORT;
  delete process.env.MODELLED_NAME;
});

test("a mesh has a model, and refuses what it refuses", async () => {
  const mesh = await Mesh.start({ bind: pathToFileURL(written(GOOD)), model: models.zod });
  await until(() => mesh.model.database.port === 5432);
  await assert.rejects(mesh.set("database.port", 70_000), { path: "database.port" });
  await mesh.set("database.port", 1);
  assert.equal(mesh.model.database.port, 1);
  await mesh.close();
});

test("what is wrong with the use of a model is said", () => {
  const file = written(GOOD);
  const config = open(pathToFileURL(file));
  assert.throws(() => config.model, { code: "usage", hint: /extract/ });
  assert.throws(() => config.extract({ parse() {} }), { code: "usage", hint: /Standard Schema/ });
  const later = { "~standard": { version: 1, vendor: "own", validate: async (value) => ({ value }) } };
  assert.throws(() => config.extract(later), { code: "usage", message: /answers later/ });
  assert.throws(() => open(file, { model: own, schema: new Schema({ fields: {} }) }), { code: "usage", hint: /definition alone/ });
  assert.throws(() => open(file, { modell: own }), { hint: "did you mean `model`?" });
  config.close();
});

test("a check tells several problems, each with its place", () => {
  const between = ({ from, to }) => (from > to ? [{ message: "is above `to`", path: ["from"] }, { message: "is below `from`", path: "to" }] : []);
  const text = '{\n "from": 5,\n "to": 3\n}';
  for (const { Schema: Each, open: opened, given } of [{ ...node, given: written(text) }, { ...browser, given: [{ id: "base", text, format: "json" }] }]) {
    const schema = new Each({ fields: { from: "integer", to: "integer" } }, { checks: { "": between } });
    assert.deepEqual(schema.validate({ from: 2, to: 1 }).map(({ path, message }) => [path, message]), [["from", "is above `to`"], ["to", "is below `from`"]]);
    assert.deepEqual(schema.validate({ from: 1, to: 1 }), []);
    assert.throws(() => opened(given, { schema }), (error) => {
      const all = [error, ...error.related].map(({ path, origin }) => [path, origin?.line]);
      assert.deepEqual(all, [["from", 2], ["to", 3]]);
      return true;
    });
  }
});

test("an explanation prints as the table that every language prints", () => {
  const file = written('{\n  "limit": 100,\n  "gone": {"a": 1}\n}');
  process.env.TABLED_LIMIT = "200";
  const config = open(file, { envPrefix: "TABLED" });
  delete process.env.TABLED_LIMIT;
  const told = config.explain("limit");
  const width = `${file}:2:3`.length;
  const table = [
    "limit = 200",
    "rule: deep_merge",
    `> ${"env:TABLED (TABLED_LIMIT)".padEnd(width)}  10  200  wins`,
    `  ${`${told.others[0].origin.source}:2:3`.padEnd(width)}  30  100  overridden`,
  ].join("\n");
  assert.equal(String(told).replaceAll(/ +/g, " "), table.replaceAll(/ +/g, " "));
  assert.equal(inspect(told), String(told));
  assert.deepEqual(JSON.parse(JSON.stringify(told)), { ...told });
  config.close();
  const layers = [{ id: "base", value: { a: { b: 1 } } }, { id: "top", priority: 1, value: { a: null }, unset: ["c"] }];
  for (const { explain } of [node, browser]) {
    assert.equal(String(explain(layers, "a.b")), "a.b is not set: top overrides `a`\nrule: deep_merge\n  base  30  1  overridden");
  }
});
