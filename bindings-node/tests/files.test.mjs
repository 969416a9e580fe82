// Files as people have them: optional ones, directories and patterns, options, markers, and bound files with comments.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Mesh, open } from "confmesh";

async function until(condition, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "it never came true");
    await sleep(10);
  }
}

function folder(files) {
  const path = mkdtempSync(join(tmpdir(), "confmesh-"));
  mkdirSync(join(path, "conf.d"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

test("optional files, patterns and options are layers in their order", async () => {
  const path = folder({
    "base.yaml": "n: 0\ngone: 1\ndb: {host: h, port: 1}\n",
    "conf.d/20.yaml": "n: 20\n",
    "conf.d/10.yaml": "n: 10\ngone: !unset\n",
    ".env": "DB__PORT=2\n",
    rc: '{"rc": true} // ours\n',
  });
  const files = ["base.yaml", "conf.d/*.yaml;unset", "local.yaml;optional", ".env", "rc;format=jsonc"];
  const config = open(files.map((file) => `${path}/${file}`));
  assert.deepEqual(config.toObject(), { n: 20, db: { host: "h", port: 2 }, rc: true });
  writeFileSync(join(path, "conf.d", "30.yaml"), "n: 30\n");
  await until(() => config.get("n") === 30);
  writeFileSync(join(path, "local.yaml"), "local: 1\n");
  await until(() => config.get("local") === 1);
  config.close();
});

test("bound files keep comments and nest", async () => {
  const path = folder({ ".env": "# db\nDB__HOST=h # where\n", "app.json": '{"a": 1}\n' });
  const text = (name) => readFileSync(join(path, name), "utf8");
  const nested = await Mesh.start({ bind: join(path, ".env") });
  await until(() => nested.get("DB.HOST") === "h");
  await nested.set("DB.HOST", "g");
  await until(() => text(".env") === "# db\nDB__HOST=g # where\n");
  await nested.close();
  const mesh = await Mesh.start({ bind: join(path, "app.json") });
  await until(() => mesh.get("a") === 1);
  writeFileSync(join(path, "app.json"), '{\n  "a": 2, // two\n}\n');
  await until(() => mesh.get("a") === 2);
  await mesh.set("a", 3);
  await until(() => text("app.json") === '{\n  "a": 3, // two\n}\n');
  await mesh.close();
});
