// Schemas as a program uses them: typed values, checks of its own, and every problem with its place; over the addon, and
// over the module that browsers run.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as addon from "confmesh";

const module = await import(new URL("wasm/full/algebra.node.js", import.meta.resolve("confmesh/package.json")));

/** Runs a test on both halves. */
function each(work) {
  for (const [name, half] of Object.entries({ addon, module })) {
    try {
      work(half);
    } catch (error) {
      error.message = `${name}: ${error.message}`;
      throw error;
    }
  }
}

const DEFINITION = {
  fields: {
    url: { type: "url", required: true },
    workers: { type: "integer", min: 1, default: 4 },
    tags: { type: "list", items: "string" },
  },
};

test("a plain object becomes a typed and validated one", () => each(({ ConfmeshError, Schema }) => {
  const schema = new Schema(DEFINITION);
  assert.deepEqual(schema.load({ url: "http://a" }), { url: "http://a", workers: 4 });
  assert.throws(() => schema.load({ workers: 0, tags: [1] }), (error) => {
    assert.ok(error instanceof ConfmeshError);
    const told = [error, ...error.related].map(({ path, code, hint }) => [path, code, typeof hint]);
    assert.deepEqual(told.sort(), [["tags.0", "type", "string"], ["url", "invalid", "string"], ["workers", "invalid", "string"]]);
    return true;
  });
}));

test("a missing required key is named, and nothing is returned", () => each(({ merge, Schema }) => {
  const layers = [{ id: "file:app.json", text: '{"workers": 2}' }];
  assert.throws(() => merge(layers, { schema: new Schema(DEFINITION) }), { path: "url", message: "required key is missing" });
  assert.throws(() => merge(layers, { schema: DEFINITION }), { code: "usage" });
}));

test("a merge has defaults, declared types, profiles and references", () => each(({ explain, interpolate, mergeWithProvenance, Schema }) => {
  const layers = [
    { id: "file", text: '{"url": "http://${env:HOST}", "profiles": {"big": {"workers": "${env:N}"}}}' },
    { env: { prefix: "APP", variables: { APP_TAGS: "a,b" } } },
  ];
  const options = { schema: new Schema(DEFINITION), profiles: "big", interpolate: { HOST: "h", N: "8", GONE: undefined } };
  const { value, provenance } = mergeWithProvenance(layers, options);
  assert.deepEqual(value, { url: "http://h", workers: 8, tags: ["a", "b"] });
  assert.equal(provenance.workers, "file#big");
  assert.equal(explain(layers, "workers", { profiles: ["big"] }).source, "file#big");
  assert.equal(interpolate({ path: "${env:PATH}" }, process.env).value.path, process.env.PATH);
}));

test("a check says what is wrong by a text, a bool or an error", () => each(({ merge, Schema }) => {
  const schema = new Schema(DEFINITION, {
    checks: {
      "tags.*": (tag) => (tag.length > 3 ? "tags have at most 3 letters" : undefined),
      url: (url) => { if (!url.startsWith("https:")) throw new Error("the URL is open to all"); },
      workers: (n) => n !== 13,
      "": (document) => !("x" in document),
    },
  });
  assert.deepEqual(schema.validate({ url: "https://a", tags: ["abc"], workers: 12 }), []);
  const errors = schema.validate({ url: "http://a", tags: ["abc", "abcd"], workers: 13, x: 1 });
  assert.deepEqual(Object.fromEntries(errors.map(({ path, message }) => [path, message])), {
    "tags.1": "tags have at most 3 letters", url: "the URL is open to all", workers: "the program refuses the value",
    "": "the program refuses the value",
  });
  assert.throws(() => merge([{ id: "a", value: { url: "https://a", workers: 13 } }], { schema }), { path: "workers" });
  assert.throws(() => new Schema(DEFINITION, { checks: { "a..b": () => undefined } }), { code: "pattern_syntax" });
  assert.throws(() => new Schema(DEFINITION, { checks: { a: 1 } }), { code: "usage" });
}));

test("a text is validated with lines and columns", () => each(({ Schema }) => {
  const [error] = new Schema(DEFINITION).validateText('{\n  "workers": "many",\n  "url": "http://a" }', "json", { source: "app.json" });
  assert.deepEqual([error.path, error.origin], ["workers", { source: "app.json", line: 2, column: 3 }]);
}));

test("the schema prints a reference and a file to start from", () => each(({ Schema }) => {
  const schema = new Schema(DEFINITION);
  assert.match(schema.reference(), /workers/);
  assert.match(schema.reference("markdown"), /\| `workers` \|/);
  assert.equal(JSON.parse(schema.initial()).workers, 4);
  assert.deepEqual(schema.toEnv("APP", { workers: 2, tags: ["a", "b"] }), { APP_WORKERS: "2", APP_TAGS: "a,b" });
  assert.deepEqual([schema.known({ workers: 1, x: 2 }), schema.defaults()], [{ workers: 1 }, { workers: 4 }]);
}));

test("whole JSON Schema documents are checked natively, refused by name in browsers, and unknown formats noted", () => {
  const definition = { patternProperties: { "^n_": { type: "integer" } }, dependentRequired: { user: ["password"] } };
  const found = new addon.Schema(definition).validate({ n_a: "x", user: "y" });
  assert.deepEqual(found.map(({ path, message }) => [path, message]).sort(), [
    ["n_a", 'expected integer, found string "x"'],
    ["password", "required key is missing"],
  ]);
  assert.throws(() => new module.Schema(definition), { path: "dependentRequired", message: /`dependentRequired` is not supported in this build/ });
  for (const { Schema } of [addon, module]) {
    const [note] = new Schema({ properties: { iban: { format: "iban" } } }).notes();
    assert.deepEqual([note.path, note.message], ["properties.iban.format", "the format `iban` is not checked"]);
  }
  assert.equal(JSON.parse(new addon.Schema(DEFINITION).reference("json-schema")).properties.workers.minimum, 1);
});
