// The example of the README, run as it is printed.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { test } from "node:test";

test("the README's example runs as printed", () => {
  const text = readFileSync(new URL("./node_modules/confmesh/README.md", import.meta.url), "utf8");
  const [, program] = /```js\n(.*?)```/s.exec(text);
  const cwd = new URL(".", import.meta.url);
  const { stdout, stderr, status } =
    spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8", timeout: 30_000, cwd });
  rmSync(new URL("config.json", cwd), { force: true });
  assert.deepEqual([stderr, status], ["", 0]);
  assert.deepEqual(stdout.trim().split("\n").sort(), ["200 env:MYAPP", "5", "app.beta false true"]);
});

test("the project README's examples run without a complaint", () => {
  const text = readFileSync(new URL(`file://${process.env.CONFMESH_VECTORS}/../../README.md`), "utf8");
  const programs = [...text.matchAll(/```js\n(.*?)```/gs)].map(([, program]) => program);
  assert.equal(programs.length, 3);
  const cwd = new URL(".", import.meta.url);
  const printed = programs.map((program) => {
    const { stdout, stderr, status } =
      spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8", timeout: 30_000, cwd });
    assert.deepEqual([stderr, status], ["", 0]);
    return stdout;
  });
  assert.match(printed[0], /rate_limit/);
  assert.match(printed[1], /^app\.json:1: ports below 1024 are for root \(at port\)$/m);
  assert.equal(printed[2], "{ limits: { rate: 250 } } { limits: { rate: 250 } }\n");
});
