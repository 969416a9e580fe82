// The page `docs/migrating.md`: what stood before and what stands after print the same, with the libraries themselves.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

const page = readFileSync(join(process.env.CONFMESH_VECTORS, "../../docs/migrating.md"), "utf8");

for (const [section, variables, printed] of [
  ["node-config", { DATABASE_HOST: "db.internal" }, "shop 500 db.internal 5432"],
  ["c12", {}, "500 db.internal 5432"],
]) {
  test(`both sides of the move from ${section} print the same`, () => {
    const [, text] = page.split(`\n## ${section}\n`);
    const files = [...text.split("\n## ")[0].matchAll(/^```\w+ (\S+)\n([^]*?)^```/gm)];
    // Beside the packages that they import.
    const folder = mkdtempSync(join(import.meta.dirname, "moved-"));
    for (const [, name, content] of files) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    for (const program of ["before.mjs", "after.mjs"]) {
      const done = spawnSync(process.execPath, [program], { cwd: folder, encoding: "utf8", env: { ...process.env, ...variables } });
      assert.deepEqual([done.status, done.stdout.trim()], [0, printed], `${program}: ${done.stderr}`);
    }
    assert.ok(page.includes(`\`${printed}\``));
  });
}
