// The package where no addon fits, required and imported: over WebAssembly, with the same answers, and refusing the rest by name.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as addon from "confmesh";

/** A folder with the package as it is on a machine that no addon fits. */
function without(t) {
  const folder = mkdtempSync(join(tmpdir(), "confmesh-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const installed = fileURLToPath(new URL("./node_modules/confmesh/", import.meta.url));
  cpSync(installed, join(folder, "node_modules/confmesh"), { recursive: true, filter: (file) => !file.endsWith(".node") });
  writeFileSync(join(folder, "package.json"), '{ "private": true }');
  return folder;
}

function run(cwd, program, type = "module", env = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`--input-type=${type}`, "-e", program], {
    encoding: "utf8", timeout: 60_000, cwd, env: { ...process.env, ...env },
  });
  return { status, stdout, stderr };
}

test("where no addon fits everything is there under its name, and what needs the addon says so", (t) => {
  const cwd = without(t);
  const { status, stdout, stderr } = run(cwd, `
    import * as confmesh from "confmesh";
    import { Replica } from "confmesh/replica";
    const told = (call) => Promise.resolve().then(call).then(() => "done", ({ name, code, message, hint }) => [name, code, message.split(" ")[0], Boolean(hint)].join());
    const { merge, Mesh, open, openAsync, rebuild, Reports, Schema } = confmesh;
    const calls = [() => new Mesh(), () => Mesh.start(), () => openAsync([]), () => rebuild("x"), () => new Reports(), () => open("a.yaml"), () => open("a.json", { watch: true })];
    console.log(JSON.stringify({
      names: Object.keys(confmesh).sort(), told: await Promise.all(calls.map(told)),
      merged: merge([{ id: "a", value: { port: 1 } }, { id: "b", value: { port: 2 } }]),
      replica: new confmesh.Replica().value, same: Replica === confmesh.Replica, version: confmesh.version(),
      schema: new Schema({ fields: { port: "port" } }).validate({ port: 0 }).map(({ path }) => path),
    }));`);
  assert.equal(status, 0, stderr);
  assert.match(stderr, new RegExp(`ConfmeshWarning: no addon of confmesh fits ${process.platform}-${process.arch}`));
  const refused = (name) => `ConfmeshError,usage,\`${name},true`;
  assert.deepEqual(JSON.parse(stdout), {
    names: Object.keys(addon).sort(),
    told: ["Mesh`", "Mesh`", "openAsync`", "rebuild`", "Reports`", 'open("a.yaml")`', "watch`"].map(refused),
    merged: addon.merge([{ id: "a", value: { port: 1 } }, { id: "b", value: { port: 2 } }]), replica: {}, same: true, version: addon.version(), schema: ["port"],
  });
});

test("files and variables are read as by the addon", (t) => {
  const cwd = without(t);
  writeFileSync(join(cwd, "base.json"), '{"port": 1, "name": "n", "deep": {"a": 1}}');
  writeFileSync(join(cwd, "local.ini"), "port = 2\n[deep]\nb = 2\n");
  const program = `
    const { open } = require("confmesh");
    const config = open(["base.json", "local.ini"], { envPrefix: "APP" });
    console.log(JSON.stringify([config.toObject(), config.explain("deep.b").source, config.explain("name").source]));
    try { open("missing.json"); } catch ({ code }) { console.log(code); }
    config.close();`;
  const env = { APP_NAME: "from the environment" };
  const here = run(cwd, program, "commonjs", env);
  symlinkSync(fileURLToPath(new URL("./node_modules/confmesh", import.meta.url)), join(cwd, "addon"));
  const there = run(cwd, program.replace('"confmesh"', '"./addon"'), "commonjs", env);
  assert.deepEqual([here.status, there.status], [0, 0], here.stderr + there.stderr);
  assert.equal(here.stdout, there.stdout);
});

test("the corpus comes out the same without the addon", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--test", "corpus.mjs"], {
    encoding: "utf8", timeout: 240_000, cwd: new URL(".", import.meta.url), env: { ...process.env, CONFMESH_WASM: "1", NODE_TEST_CONTEXT: undefined },
  });
  assert.equal(status, 0, stdout.split("\n").filter((line) => /^not ok|error:/.test(line)).join("\n") + stderr);
  assert.match(stdout, /^# fail 0$/m);
  assert.ok(Number(/^# pass (\d+)$/m.exec(stdout)[1]) > 20, stdout);
});
