// Running configurations: edited files, callbacks, meshes that agree, and how a process ends.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { hash, Mesh, open, parse, Schema } from "confmesh";

const folder = () => mkdtempSync(join(tmpdir(), "confmesh-"));

async function until(condition, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "it never came true");
    await sleep(10);
  }
}

function written(text, name = "app.json") {
  const file = join(folder(), name);
  writeFileSync(file, text);
  return file;
}

test("a config is read by paths, and its objects are kept until something changes", () => {
  const config = open(written('{"limit": 100, "app": {"ports": [1, 2]}, "a.b": 9007199254740993}'));
  assert.equal(config.get("limit"), 100);
  assert.equal(config.get("app.ports.1"), 2);
  assert.equal(config.get("a\\.b"), 9007199254740993n);
  assert.equal(config.get("app.ports.length"), undefined);
  assert.equal(config.has("nothing"), false);
  assert.equal(config.toObject(), config.toObject());
  assert.ok(Object.isFrozen(config.get("app.ports")));
  assert.equal(config.hash, hash(config.toObject()));
  const before = config.toObject();
  assert.deepEqual(config.set("limit", 5).changed, ["limit"]);
  assert.notEqual(config.toObject(), before);
  assert.equal(config.explain("limit").source, "runtime");
  config.unset("limit");
  assert.equal(config.get("limit"), 100);
  config.close();
  assert.equal(config.get("limit"), 100);
  assert.throws(() => config.set("limit", 1), { code: "closed" });
});

test("an edit of a file reaches the callback", async () => {
  const file = written('{"app": {"limit": 1, "other": 1}}');
  const config = open([file]);
  const got = [];
  const subscription = config.subscribe("app.limit", (change) => got.push(change));
  writeFileSync(file, '{"app": {"limit": 2, "other": 2}}');
  await until(() => got.length > 0);
  const [{ cause, ...change }] = got;
  assert.deepEqual(change, { path: "app.limit", op: "changed", old: 1, new: 2 });
  assert.match(cause, /app\.json/);
  subscription.close();
  config.close();
});

test("a broken file names the place", () => {
  assert.throws(() => open(written('{"limit": }')), (error) => error.code === "syntax" && error.origin.line === 1);
  assert.throws(() => open(join(folder(), "missing.json")), { code: "file" });
});

test("two meshes agree", async () => {
  const bound = written('{\n  "app": {"limit": 100}\n}\n');
  const one = await Mesh.start({ bind: bound, listen: "127.0.0.1:0" });
  await until(() => one.get("app.limit") === 100);
  const two = await Mesh.start({ listen: "127.0.0.1:0", peers: [`ws://${one.addresses[0]}/sync`], dataDir: folder() });
  await until(() => two.get("app.limit") === 100);
  const changes = two.subscribe("app.*");
  await one.set("app.limit", 200);
  for await (const change of changes) {
    assert.deepEqual([change.path, change.old, change.new], ["app.limit", 100, 200]);
    break;
  }
  await two.patch([{ op: "add", path: "/app/beta", value: true }]);
  await two.mergePatch({ app: { gone: 1 } });
  await two.unset("app.gone");
  await until(() => one.hash === two.hash && one.get("app.beta") === true);
  await assert.rejects(two.mergePatch({ x: 1 }, { ifHash: hash({}) }), { code: "stale" });
  await assert.rejects(two.set("a", undefined), { code: "type" });
  const status = await two.status();
  assert.equal(status.peers[0].state, "connected");
  assert.equal(status.peers[0].direction, "dialed");
  assert.deepEqual((await two.health()).status, status.health.status);
  await until(() => hash(parse(readFileSync(bound, "utf8"))) === one.hash);
  await Promise.all([one.close(), two.close()]);
});

/** Runs a program that has the package and a file. */
function run(program) {
  const file = written('{"limit": 1}');
  const source = `import { open, Mesh } from "confmesh"; const config = open(${JSON.stringify(file)});\n${program}`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", source], {
    encoding: "utf8", timeout: 30_000, cwd: new URL(".", import.meta.url),
  });
  return { status, stdout, stderr };
}

test("a process ends by itself when nothing is followed any more", () => {
  assert.deepEqual(run("config.set('limit', 2);"), { status: 0, stdout: "", stderr: "" });
  const closing = "const s = config.subscribe('*', (c) => { console.log(c.new); s.close(); }); config.set('limit', 2);";
  assert.deepEqual(run(closing), { status: 0, stdout: "2\n", stderr: "" });
  const mesh = "const mesh = await Mesh.start({ listen: '127.0.0.1:0' }); setTimeout(() => mesh.close(), 50);";
  assert.deepEqual(run(mesh), { status: 0, stdout: "", stderr: "" });
});

test("a process may exit while a mesh runs and a subscription waits", () => {
  const program = "await Mesh.start({}); config.subscribe('*', () => {}); process.exit(0);";
  assert.deepEqual(run(program), { status: 0, stdout: "", stderr: "" });
});

test("what a callback throws is a warning of the process, and nobody misses a change", () => {
  const handled = `process.on("warning", ({ name, code, message }) => console.log(name, code, message));
    config.subscribe("*", () => { throw new Error("mine"); });
    const s = config.subscribe("*", (c) => { console.log(c.new); if (c.new === 3) setTimeout(() => process.exit(0), 50); });
    config.set("limit", 2); config.set("limit", 3);`;
  const { status, stdout } = run(handled);
  assert.equal(status, 0);
  const warning = "ConfmeshWarning callback the callback of `subscribe` threw Error: mine";
  assert.deepEqual(stdout.trim().split("\n").sort(), ["2", "3", warning, warning].sort());
});

test("a write on an old version is refused", async () => {
  const mesh = await Mesh.start({ dataDir: join(folder(), "data") });
  const receipt = await mesh.set("limit", 1, { ifVersion: "none", user: "ann" });
  const read = await mesh.read("limit");
  assert.deepEqual(read, { value: 1, version: receipt.version });
  await mesh.set("limit", 2, { ifVersion: read.version, fence: 7n });
  await assert.rejects(mesh.set("limit", 3, { ifVersion: read.version }), { code: "stale" });
  await assert.rejects(mesh.unset("limit", { ifVersion: read.version }), { code: "stale" });
  await assert.rejects(mesh.set("limit", 3, { fence: "x" }), { code: "usage" });
  assert.equal(mesh.get("limit"), 2);
  assert.deepEqual(await mesh.read("nothing"), { version: "none" });
  await mesh.close();
});

test("a manual conflict is listed and resolved", async () => {
  const rules = [{ pattern: "app.*", conflict: "manual_resolution", meanwhile: "previous" }];
  const dataDir = join(folder(), "first");
  let first = await Mesh.start({ listen: "127.0.0.1:0", dataDir, rules });
  await first.set("app.limit", 0);
  const [listen] = first.addresses;
  const second = await Mesh.start({ peers: [`ws://${listen}`], rules });
  await until(() => second.get("app.limit") === 0);
  await first.close();
  await second.set("app.limit", 2, { user: "ben" });
  // Apart from the second: nobody listens.
  const apart = await Mesh.start({ dataDir, rules });
  await apart.set("app.limit", 1, { user: "ann" });
  await apart.close();
  first = await Mesh.start({ listen, dataDir, rules });
  let found = [];
  while (found.length === 0) {
    found = await second.conflicts();
    await sleep(10);
  }
  assert.equal(found[0].path, "app.limit");
  assert.equal(found[0].shown, 0);
  const sides = Object.fromEntries(found[0].sides.map(({ user, value }) => [user, value]));
  assert.deepEqual(sides, { ann: 1, ben: 2 });
  await assert.rejects(second.resolve(found[0].id, {}), { code: "usage" });
  const at = found[0].sides.findIndex(({ user }) => user === "ann");
  await second.assign(found[0].id, "eve");
  assert.equal((await second.conflicts())[0].assignedTo, "eve");
  await second.resolve(found[0].id, { take: at, user: "eve" });
  await until(() => first.get("app.limit") === 1);
  assert.deepEqual((await first.conflicts({ all: true })).map(({ status }) => status), ["closed"]);
  for (const mesh of [first, second]) {
    const told = (await mesh.audit()).filter(({ event }) => event === "conflict_resolved");
    assert.equal(told.length, 1);
    assert.equal(told[0].config_key, "app.limit");
    assert.equal(told[0].resolved_value, 1);
    assert.equal(told[0].resolved_by.user, "eve");
  }
  await assert.rejects(first.resolve(found[0].id, { keep: true }), { code: "not_found" });
  await first.close();
  await second.close();
});

test("a schema, profiles and references hold in a running configuration", () => {
  const schema = { fields: { port: { type: "integer", min: 1, default: 80 }, url: "string" } };
  const file = written('{"url": "http://h:${port}", "profiles": {"dev": {"port": 8080}}}');
  const config = open(file, { schema, profiles: "dev", interpolate: true });
  assert.deepEqual(config.toObject(), { port: 8080, url: "http://h:8080" });
  assert.throws(() => config.set("port", 0), { code: "invalid", path: "port" });
  assert.equal(config.get("port"), 8080);
  config.close();
  const plain = open(written("{}"), { schema: new Schema(schema) });
  assert.equal(plain.get("port"), 80);
  plain.close();
  const even = new Schema(schema, { checks: { port: (port) => (port % 2 === 0 ? undefined : "a port is even here") } });
  open(written("{}"), { schema: even }).close();
  assert.throws(() => open(written('{"port": 81}'), { schema: even }), { path: "port", message: /a port is even here/ });
  assert.throws(() => open(written('{"port": 0}'), { schema }), { code: "invalid", path: "port" });
});

test("writes are made in the order of their calls, also where nobody waits between them", async () => {
  const mesh = await Mesh.start({});
  for (let round = 0; round < 40; round++) {
    const calls = Array.from({ length: 20 }, (_, at) => mesh.set("counter", round * 100 + at));
    const last = mesh.mergePatch({ order: round });
    await Promise.all([...calls, last]);
    assert.equal(mesh.get("counter"), round * 100 + 19);
  }
  await mesh.close();
});
