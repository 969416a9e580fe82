// The JavaScript runner of the corpus, for every build of the package: byte-equal to the Rust core.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("./", import.meta.url);

/** Runs every case through `confmesh`; cases that need a format of `leftOut` are left out and counted. */
export function runCorpus(confmesh, { leftOut = [] } = {}) {
  const { canonical, parse } = confmesh;

  /** The result of one operation as text. */
  function run(input) {
    const { rules } = input;
    switch (input.op) {
      case "canonical": return canonical(parse(input.text));
      case "hash": return confmesh.hash(parse(input.text));
      case "parse": return canonical(parse(input.text, input.format));
      case "merge": {
        const { value, provenance, warnings } = confmesh.mergeWithProvenance(input.layers, { rules });
        assert.equal(canonical(confmesh.merge(input.layers, { rules })), canonical(value));
        const paths = warnings.map(({ path = null }) => path);
        return canonical({ value, ...(input.provenance && { provenance }), ...(input.warnings && { warnings: paths }) });
      }
      case "explain": return canonical(confmesh.explain(input.layers, input.path, { rules }));
      case "diff": return canonical(confmesh.diff(input.old, input.new));
      case "changes": return canonical(confmesh.changes(input.old, input.new));
      case "patch": return canonical(confmesh.patch(input.doc, input.patch));
      case "merge_patch": return canonical(confmesh.mergePatch(input.doc, input.patch));
      case "merge_patch_between": return canonical(confmesh.mergePatchBetween(input.old, input.new));
      case "three_way": return canonical(confmesh.threeWay(input.base, input.ours, input.theirs));
      case "path": return canonical(confmesh.parsePath(input.text));
      case "pattern": return String(confmesh.matches(input.pattern, input.path));
      default: throw new Error(`unknown op ${input.op}`);
    }
  }

  /** Fails unless a case comes out as it says. */
  function check(input) {
    const wanted = ["expect", "expect_text", "error"].filter((field) => Object.hasOwn(input, field));
    assert.equal(wanted.length, 1, "a case has exactly one of `expect`, `expect_text` and `error`");
    if (wanted[0] === "error") {
      assert.throws(() => run(input), (error) => {
        assert.ok(error instanceof confmesh.ConfmeshError, String(error));
        assert.equal(error.code, input.error);
        return true;
      });
    } else {
      assert.equal(run(input), wanted[0] === "expect" ? canonical(input.expect) : input.expect_text);
    }
  }

  let ran = 0;
  const skipped = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".json")).sort()) {
    const { cases } = parse(readFileSync(new URL(file, folder), "utf8"));
    test(`the cases of ${file} come out as in Rust`, () => {
      assert.ok(cases.length > 0, "no cases");
      for (const input of cases) {
        const missing = (input.formats ?? []).filter((format) => leftOut.includes(format));
        if (missing.length > 0) {
          skipped.push(missing.join("+"));
          continue;
        }
        try {
          check(input);
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
    t.diagnostic(`${ran} cases ran; ${skipped.length} left out: ${counts.join(", ") || "none"}`);
    assert.ok(ran >= 200, `only ${ran} cases ran`);
    assert.ok(skipped.length < ran / 10, `${skipped.length} cases were left out`);
  });

  test("a wrong expectation is noticed", () => {
    for (const wrong of [
      { op: "canonical", text: "1", expect_text: "2" },
      { op: "canonical", text: "1", expect: "1" },
      { op: "canonical", text: "1", error: "syntax" },
      { op: "canonical", text: "x", error: "type" },
      { op: "canonical", text: "1" },
    ]) assert.throws(() => check(wrong), JSON.stringify(wrong));
  });
}
