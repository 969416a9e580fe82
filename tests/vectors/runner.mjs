// The JavaScript runner of the corpus, for every build of the package: byte-equal to the Rust core.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { playReplicas, readDeltas } from "./replicas.mjs";

const folder = new URL("./", import.meta.url);

/**
 * Runs every case through `confmesh`; cases that need a format of `leftOut` are left out and counted. `play` runs
 * configurations.
 */
export function runCorpus(confmesh, { leftOut = [], play }) {
  const { canonical, parse } = confmesh;

  const options = ({ rules, schema, active, env }) =>
    ({ rules, schema: schema && new confmesh.Schema(schema), profiles: active, interpolate: env });

  /** The schema of a case. A check that a case can name in every language: texts must not hold a word. */
  function checked({ schema, check, word }) {
    const freeOfWord = (value) => (typeof value === "string" && value.includes(word) ? `\`${word}\` is not wanted` : undefined);
    return new confmesh.Schema(schema, { checks: check === undefined ? {} : { [check]: freeOfWord } });
  }

  /** Paths and codes, sorted: which of several problems is told first is not promised. */
  function problems(errors) {
    const key = ({ path, code }) => `${path}\u0000${code}`;
    return errors.map(({ path = "", code }) => ({ path, code })).sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }

  const fields = ({ code, message, path, origin, hint }) =>
    ({ code, message, ...(path !== undefined && { path }), ...(origin && { origin }), ...(hint !== undefined && { hint }) });

  const operations = {
    run: (input) => play(confmesh, input),
    canonical: (input) => canonical(parse(input.text)),
    hash: (input) => confmesh.hash(parse(input.text)),
    parse: (input) => canonical(parse(input.text, input.format)),
    print: (input) => confmesh.dump(input.doc, input.format),
    rewrite: (input) => confmesh.rewrite(input.text, input.format, input.doc),
    merge(input) {
      const { value, provenance, warnings } = confmesh.mergeWithProvenance(input.layers, options(input));
      assert.equal(canonical(confmesh.merge(input.layers, options(input))), canonical(value));
      const paths = warnings.map(({ path = null }) => path);
      return canonical({ value, ...(input.provenance && { provenance }), ...(input.warnings && { warnings: paths }) });
    },
    explain: (input) => canonical(confmesh.explain(input.layers, input.path, options(input))),
    diff: (input) => canonical(confmesh.diff(input.old, input.new)),
    changes: (input) => canonical(confmesh.changes(input.old, input.new)),
    patch: (input) => canonical(confmesh.patch(input.doc, input.patch)),
    merge_patch: (input) => canonical(confmesh.mergePatch(input.doc, input.patch)),
    merge_patch_between: (input) => canonical(confmesh.mergePatchBetween(input.old, input.new)),
    three_way: (input) => canonical(confmesh.threeWay(input.base, input.ours, input.theirs)),
    path: (input) => canonical(confmesh.parsePath(input.text)),
    pattern: (input) => String(confmesh.matches(input.pattern, input.path)),
    validate: (input) => canonical(problems(checked(input).validate(input.doc))),
    validate_text: (input) =>
      canonical(checked(input).validateText(input.text, input.format, { source: input.source }).map(fields)),
    load: (input) => canonical(checked(input).load(input.doc)),
    defaults: (input) => canonical(checked(input).defaults(input.doc)),
    known: (input) => canonical(checked(input).known(input.doc)),
    coerce(input) {
      const { value, warnings } = checked(input).coerce(input.env.prefix, input.env.variables);
      return canonical({ value, warnings: warnings.map(({ path }) => path) });
    },
    to_env: (input) => canonical(checked(input).toEnv(input.prefix, input.doc)),
    initial: (input) => checked(input).initial(input.format),
    reference(input) {
      const { category, env_only: envOnly, show_sensitive: showSensitive, prefix } = input.options ?? {};
      return checked(input).reference(input.style, { category, envOnly, showSensitive, prefix });
    },
    interpolate(input) {
      const { value, errors } = confmesh.interpolate(input.doc, input.env);
      return canonical({ value, errors: problems(errors) });
    },
    profiles: (input) => canonical(confmesh.profiles(input.doc, input.active)),
    resolve: (input) => canonical(confmesh.resolve(input.key, input.changes, input.strategy)),
    view_deltas: (input) => canonical(confmesh.viewDeltas(input.deltas)),
    sequence_between: (input) => canonical(confmesh.sequence.between(input.old, input.new)),
    sequence_apply: (input) => canonical(confmesh.sequence.apply(input.operation, input.doc)),
    sequence_compose: (input) => canonical(confmesh.sequence.compose(input.first, input.second)),
    sequence_invert: (input) => canonical(confmesh.sequence.invert(input.operation, input.doc)),
    sequence_transform: (input) => canonical(confmesh.sequence.transform(input.operation, input.over, input.side)),
    replica: (input) => canonical(playReplicas(confmesh.Replica, input)),
    delta: (input) => canonical(readDeltas(confmesh.Replica, input)),
  };

  /** The result of one operation as text. */
  function run(input) {
    if (!Object.hasOwn(operations, input.op)) throw new Error(`unknown op ${input.op}`);
    return operations[input.op](input);
  }

  /** Fails unless a case comes out as it says. */
  async function check(input) {
    const wanted = ["expect", "expect_text", "error"].filter((field) => Object.hasOwn(input, field));
    assert.equal(wanted.length, 1, "a case has exactly one of `expect`, `expect_text` and `error`");
    if (wanted[0] === "error") {
      await assert.rejects(async () => run(input), (error) => {
        assert.ok(error instanceof confmesh.ConfmeshError, String(error));
        assert.equal(error.code, input.error);
        return true;
      });
    } else {
      assert.equal(await run(input), wanted[0] === "expect" ? canonical(input.expect) : input.expect_text);
    }
  }

  let [ran, held] = [0, 0];
  const skipped = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".json")).sort()) {
    const { cases } = parse(readFileSync(new URL(file, folder), "utf8"));
    held += cases.length;
    test(`the cases of ${file} come out as in Rust`, async () => {
      assert.ok(cases.length > 0, "no cases");
      for (const input of cases) {
        const missing = (input.formats ?? []).filter((format) => leftOut.includes(format));
        if (missing.length > 0) {
          skipped.push(missing.join("+"));
          continue;
        }
        try {
          await check(input);
        } catch (error) {
          error.message = `${file}: ${input.name}: ${error.message}`;
          throw error;
        }
        ran += 1;
      }
    });
  }

  test("the whole corpus ran, but for the formats that this build has not", (t) => {
    const counts = leftOut.map((format) => `${skipped.filter((name) => name.includes(format)).length} ${format}`);
    t.diagnostic(`${ran} of ${held} cases ran; ${skipped.length} left out: ${counts.join(", ") || "none"}`);
    assert.equal(ran + skipped.length, held, "cases are missing");
    assert.ok(held >= 400, `only ${held} cases are there`);
    assert.ok(skipped.length < ran / 10, `${skipped.length} cases were left out`);
  });

  test("an unknown operation is noticed", async () => {
    await assert.rejects(check({ op: "no_such_op", text: "1", expect_text: "1" }), /unknown op/);
    await assert.rejects(check({ op: "toString", text: "1", expect_text: "1" }), /unknown op/);
  });

  test("a wrong expectation is noticed", async () => {
    for (const wrong of [
      { op: "canonical", text: "1", expect_text: "2" },
      { op: "canonical", text: "1", expect: "1" },
      { op: "canonical", text: "1", error: "syntax" },
      { op: "canonical", text: "x", error: "type" },
      { op: "canonical", text: "1" },
    ]) await assert.rejects(check(wrong), undefined, JSON.stringify(wrong));
  });
}
