// Subscriptions never die silently: each program runs in a process of its own, with Node's own ways of telling.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const PRELUDE = `
import { renameSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import * as confmesh from "confmesh";
const { open, Mesh } = confmesh;
const write = (value) => {
  writeFileSync(FILE + ".part", typeof value === "string" ? value : JSON.stringify(value));
  renameSync(FILE + ".part", FILE);
};
const until = async (condition) => {
  for (const end = Date.now() + 20_000; !(await condition()); await sleep(2)) {
    if (Date.now() > end) throw new Error("it never came true");
  }
};
`;

/** What became of a program that has the package, \`FILE\`, \`write\` and \`until\`. */
function run(program, { flags = [], seconds = 60 } = {}) {
  const file = join(mkdtempSync(join(tmpdir(), "confmesh-")), "app.json");
  writeFileSync(file, '{"a": 1}');
  const source = `const FILE = ${JSON.stringify(file)};\n${PRELUDE}\n${program}`;
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, "--input-type=module", "-e", source], {
    encoding: "utf8", timeout: seconds * 1000, cwd: new URL(".", import.meta.url),
  });
  return { status, stdout, stderr };
}

const EACH = "for (const a of [2, 3, 4]) { collect(); write({ a }); await until(() => told.includes(a)); }";

for (const [name, following] of [
  ["a configuration that nobody holds", "open(FILE).subscribe('a', ({ new: now }) => told.push(now));"],
  ["a configuration of a function", "(() => { const config = open(FILE); config.subscribe('a', ({ new: now }) => told.push(now)); })();"],
  ["an iterated subscription", "(async () => { for await (const { new: now } of open(FILE).subscribe('a')) told.push(now); })();"],
  ["a mesh that nobody holds", "await (async () => { const mesh = await Mesh.start({ files: [FILE] }); mesh.subscribe('a', ({ new: now }) => told.push(now)); })();"],
]) {
  test(`a collection leaves the subscription of ${name} alone`, () => {
    const program = `const told = []; const collect = () => gc();\n${following}\n${EACH}\nconsole.log(told.join()); process.exit(0);`;
    assert.deepEqual(run(program, { flags: ["--expose-gc"] }), { status: 0, stdout: "2,3,4\n", stderr: "" });
    const pressing = `const told = []; const collect = () => { for (let n = 0; n < 200; n++) new Array(100_000).fill({}); };\n${following}\n${EACH}\nconsole.log(told.join()); process.exit(0);`;
    assert.deepEqual(run(pressing, { flags: ["--max-old-space-size=64"] }), { status: 0, stdout: "2,3,4\n", stderr: "" });
  });
}

test("a started mesh that nobody holds goes on listening", () => {
  const program = `
    const addresses = await (async () => (await Mesh.start({ listen: "127.0.0.1:0" })).addresses)();
    for (let n = 0; n < 5; n++) { gc(); await sleep(20); }
    console.log((await fetch("http://" + addresses[0] + "/health")).status);
    process.exit(0);`;
  assert.deepEqual(run(program, { flags: ["--expose-gc"] }), { status: 0, stdout: "200\n", stderr: "" });
});

test("a callback that throws or rejects hears the next change, and the process is told", () => {
  const program = `
    const told = [], told2 = [], failures = [];
    process.on("warning", ({ name, code, message }) => failures.push([name, code, message.slice(-8)].join(" ")));
    const config = open(FILE);
    config.subscribe("a", ({ new: now }) => { told.push(now); throw new Error(now); });
    config.subscribe("a", async ({ new: now }) => { told2.push(now); await sleep(1); throw new Error(now); });
    for (const a of [2, 3]) { write({ a }); await until(() => told.includes(a) && told2.includes(a)); }
    await until(() => failures.length === 4);
    console.log(failures.sort().join());
    config.close();
  `;
  const { status, stdout, stderr } = run(program);
  const told = "ConfmeshWarning callback Error: 2";
  assert.deepEqual([status, stdout], [0, `${[told, told, told.replace("2", "3"), told.replace("2", "3")].join()}\n`]);
  // Where nobody listens Node prints it, and the program goes on.
  assert.match(stderr, /ConfmeshWarning: the callback of `subscribe` threw Error: 2/);
  const variables = `
    process.env.CALLED = "1";
    const watching = confmesh.watchVariables("CALLED", () => { told.push(process.env.CALLED); throw new Error("mine"); }, { interval: 5 }), told = [];
    for (const n of ["2", "3"]) { process.env.CALLED = n; await until(() => told.includes(n)); }
    watching.close();`;
  const watched = run(variables);
  assert.deepEqual([watched.status, watched.stderr.split("threw Error: mine").length], [0, 3], watched.stderr);
});

for (const [name, start] of [["open", "open(FILE)"], ["a mesh", "await Mesh.start({ files: [FILE] })"]]) {
  test(`a source of ${name} that breaks is a report, and so is its recovery`, () => {
    const program = `
      const config = ${start}, told = [];
      const reports = config.reports((report) => told.push(report));
      write('{"a": ');
      await until(() => told.some(({ state }) => state === "stale"));
      const { level, source, error, message } = told.find(({ state }) => state === "stale");
      console.log(level, source.endsWith("app.json"), error instanceof confmesh.ConfmeshError, error.code, error.origin.line, message.includes("app.json"), config.get("a"));
      write({ a: 2 });
      await until(() => told.at(-1).state === "fresh");
      reports.close();
      for await (const { state } of config.reports()) if (state === "fresh") break;
      await config.close();`;
    assert.deepEqual(run(program), { status: 0, stdout: "warning true true syntax 1 true 1\n", stderr: "" });
  });

  test(`a source of ${name} that breaks is a warning of the process where nobody asks for reports`, () => {
    const program = `
      const config = ${start}, warnings = [];
      process.on("warning", ({ name, code, message }) => warnings.push([name, code, message.includes("app.json")].join()));
      write('{"a": ');
      await until(() => warnings.length > 0);
      console.log(warnings.join());
      await config.close();`;
    const { status, stdout, stderr } = run(program);
    assert.deepEqual([status, stdout], [0, "ConfmeshWarning,syntax,true\n"]);
    assert.match(stderr, /\[syntax\] ConfmeshWarning: .*app\.json:1/);
  });
}

test("nothing but subscriptions, reports and meshes keeps the process alive", () => {
  assert.deepEqual(run("const config = open(FILE); config.set('a', 2);"), { status: 0, stdout: "", stderr: "" });
  assert.deepEqual(run("open(FILE).subscribe('a').close(); open(FILE).reports().close();"), { status: 0, stdout: "", stderr: "" });
  assert.deepEqual(run("const s = open(FILE).subscribe('a', () => {}); open(FILE).reports(() => {}, { signal: AbortSignal.timeout(50) }); s.close();"),
    { status: 0, stdout: "", stderr: "" });
});

test("a signal closes a subscription, and so does leaving its block", () => {
  const program = `
    const config = open(FILE), told = [], stop = new AbortController();
    config.subscribe("a", ({ new: now }) => { told.push(now); stop.abort(); }, { signal: stop.signal });
    config.subscribe("a", () => told.push("never"), { signal: AbortSignal.abort() });
    const iterated = (async () => { for await (const { new: now } of config.subscribe("a", null, { signal: stop.signal })) told.push("it " + now); })();
    const left = config.subscribe("a", () => told.push("left"));
    left[Symbol.dispose]();
    config.set("a", 2);
    await until(() => told.length > 0);
    config.set("a", 3);
    await iterated;
    console.log(told.includes(2), told.includes(3), told.includes("never"), told.includes("left"));`;
  assert.deepEqual(run(program), { status: 0, stdout: "true false false false\n", stderr: "" });
});

test("a million subscriptions come and go without growth", () => {
  const program = `
    const config = open(FILE);
    const rounds = async (count, follow) => {
      for (let n = 0; n < count; n++) { follow().close(); if (n % 1000 === 0) await sleep(0); }
      for (let n = 0; n < 5; n++) { gc(); await sleep(10); }
    };
    for (const [count, follow] of [[1_000_000, () => config.subscribe("a")], [20_000, () => config.subscribe("a", () => {})], [20_000, () => config.reports()]]) {
      await rounds(count / 10, follow);
      const before = process.memoryUsage().rss;
      await rounds(count, follow);
      const grown = process.memoryUsage().rss - before;
      if (grown > 40_000_000) console.log(count, grown);
    }
    config.close();`;
  assert.deepEqual(run(program, { flags: ["--expose-gc"], seconds: 280 }), { status: 0, stdout: "", stderr: "" });
});

test("workers follow, break and end on their own", () => {
  const program = `
    const start = async () => {
      const worker = new Worker("./worker.mjs", { workerData: FILE, execArgv: [] }), told = [], ended = [];
      worker.on("message", (word) => told.push(word)).on("error", (error) => ended.push(error.message)).on("exit", (code) => ended.push(code));
      await until(() => told.includes("ready"));
      return { worker, told, ended };
    };
    const workers = await Promise.all([start(), start(), start()]);
    write({ a: 2 });
    await until(() => workers.every(({ told }) => told.includes(2)));
    workers[0].worker.postMessage("throw");
    workers[1].worker.postMessage("exit");
    await until(() => workers[0].ended.length === 2 && workers[1].ended.length === 1);
    console.log(workers[0].ended.join(), workers[1].ended.join());
    write('{"a": ');
    await until(() => workers[2].told.includes("stale"));
    write({ a: 4 });
    await until(() => workers[2].told.includes(4));
    console.log(await workers[2].worker.terminate());
    const own = open(FILE);
    console.log(own.get("a"));`;
  assert.deepEqual(run(program), { status: 0, stdout: "mine,1 3\n1\n4\n", stderr: "" });
});

test("threads that end while they follow leave the process whole", () => {
  // Each ends at another moment of a change; what was freed too early shows as a broken heap within a few rounds.
  const program = `
    let n = 1, over = false;
    const writing = (async () => { while (!over) { write({ a: ++n }); await sleep(2); } })();
    const one = async (end) => {
      const worker = new Worker("./worker.mjs", { workerData: FILE, execArgv: [] });
      const gone = new Promise((resolve) => worker.on("exit", resolve));
      worker.on("error", () => {});
      await new Promise((resolve) => worker.on("message", (word) => word === "ready" && resolve()));
      await sleep(n % 7);
      if (end === "terminate") await worker.terminate();
      else worker.postMessage(end);
      await gone;
    };
    for (let round = 0; round < 8; round++) await Promise.all(["throw", "exit", "terminate"].map(one));
    over = true;
    await writing;
    console.log("whole");`;
  for (let run_ = 0; run_ < 3; run_++) assert.deepEqual(run(program), { status: 0, stdout: "whole\n", stderr: "" });
});

for (const ending of [
  "config.subscribe('a', () => {}); config.reports(() => {}); config.set('a', 2); process.exit(0);",
  "await Mesh.start({ listen: '127.0.0.1:0' }); config.subscribe('a'); process.exit(0);",
  "config.subscribe('a', () => {}); process.on('SIGTERM', () => process.exit(0)); process.kill(process.pid, 'SIGTERM'); await sleep(20_000);",
]) {
  test(`a process exits while it follows: ${ending}`, () => {
    assert.deepEqual(run(`const config = open(FILE); ${ending}`), { status: 0, stdout: "", stderr: "" });
  });
}

test("a configuration is printed without its values, and written as JSON with whole integers", () => {
  const program = `
    write('{"a": 12345678901234567890, "list": [9007199254740993], "password": "hidden"}');
    const config = open(FILE);
    console.log(config, new Mesh({}));
    console.log(JSON.stringify(config));
    console.log(config.get("nothing", 5), config.get("list.7", "none"), config.get("list.0", 0));`;
  const { status, stdout, stderr } = run(program);
  assert.deepEqual([status, stderr], [0, ""]);
  const [shown, json, got] = stdout.trim().split("\n");
  assert.match(shown, /^Config \{ revision: \d+, keys: \[ 'a', 'list', 'password' \] \} Mesh \{ not started \}$/);
  assert.match(json, /^\{"a":"?12345678901234567890"?,"list":\["?9007199254740993"?\],"password":"hidden"\}$/);
  assert.equal(got, "5 none 9007199254740993n");
});
