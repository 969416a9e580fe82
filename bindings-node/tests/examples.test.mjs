// The folder `examples`, run as it is printed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createElement } from "react";
import TestRenderer, { act } from "react-test-renderer";
import { derived, get } from "svelte/store";
import { open } from "confmesh";
import { configStore } from "./examples/svelte/configStore.mjs";
import { useConfig } from "./examples/react/useConfig.mjs";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;

const until = async (condition) => {
  const end = Date.now() + 20_000;
  while (Date.now() < end) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail("it never came true");
};

test("the Express example follows its file, says why, and outlives a bad edit", async () => {
  // Beside the packages that it imports.
  const folder = mkdtempSync(join(import.meta.dirname, "express-"));
  cpSync(join(import.meta.dirname, "examples/express"), folder, { recursive: true });
  const server = spawn(process.execPath, ["server.mjs"], { cwd: folder, env: { ...process.env, PORT: "0", GREETER_RATE_LIMIT: "7" } });
  let out = "";
  let err = "";
  server.stdout.on("data", (data) => (out += data));
  server.stderr.on("data", (data) => (err += data));
  await until(() => out.includes("http://") || server.exitCode !== null);
  assert.equal(server.exitCode, null, err);
  const ask = async (path = "") => (await fetch(`${out.trim()}/${path}`)).text();
  assert.deepEqual(JSON.parse(await ask()), { greeting: "hello", rate_limit: 7 });
  assert.match(await ask("why/rate_limit"), /env:GREETER \(GREETER_RATE_LIMIT\).*wins/);
  const file = join(folder, "app.yaml");
  const good = readFileSync(file, "utf8");
  writeFileSync(file, good.replace("hello", "ahoy"));
  await until(async () => JSON.parse(await ask()).greeting === "ahoy");
  writeFileSync(file, good.replace("hello", "[1]"));
  await until(() => err.includes("app.yaml:1:"));
  assert.equal(JSON.parse(await ask()).greeting, "ahoy");
  const ended = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGTERM");
  assert.equal(await ended, 0, err);
});

const opened = () => {
  const folder = mkdtempSync(join(import.meta.dirname, "opened-"));
  const file = join(folder, "app.json");
  writeFileSync(file, '{"app": {"theme": {"name": "light"}, "other": 1}}');
  return open(file);
};

test("a React component is rendered again when its path changes, and for nothing else", async () => {
  const config = opened();
  const rendered = [];
  const Theme = () => {
    const theme = useConfig(config, "app.theme");
    const size = useConfig(config, "app.size", 12);
    rendered.push([theme?.name, size]);
    return null;
  };
  let root;
  await act(async () => (root = TestRenderer.create(createElement(Theme))));
  const first = rendered.length;
  assert.deepEqual(rendered.at(-1), ["light", 12]);
  for (let number = 0; number < 20; number++) await act(async () => config.set("app.other", number));
  // A change that is told after these was told last.
  await act(async () => {
    config.set("app.theme.name", "dark");
    await until(() => rendered.at(-1)[0] === "dark" || rendered.length > first);
  });
  await until(() => rendered.at(-1)[0] === "dark");
  assert.equal(rendered.length, first + 1, JSON.stringify(rendered));
  await act(async () => {
    config.set("app.size", 14);
    await until(() => rendered.length > first + 1 || config.get("app.size") === 14);
  });
  await act(() => until(() => rendered.at(-1)[1] === 14));
  await act(async () => root.unmount());
  const last = rendered.length;
  config.set("app.size", 16);
  let isTold = false;
  config.subscribe("app.size", () => (isTold = true));
  config.set("app.size", 17);
  await until(() => isTold);
  assert.equal(rendered.length, last, "an unmounted component follows nothing");
  config.close();
});

test("a Svelte store follows its path, derives and writes", async () => {
  const config = opened();
  const theme = configStore(config, "app.theme.name", "light");
  const seen = [];
  const loud = derived(theme, (name) => name.toUpperCase());
  const stop = loud.subscribe((name) => seen.push(name));
  assert.deepEqual(seen, ["LIGHT"]);
  theme.set("dark");
  await until(() => seen.at(-1) === "DARK");
  theme.update((name) => `${name}er`);
  await until(() => seen.at(-1) === "DARKER");
  assert.equal(get(theme), "darker");
  config.set("app.other", 2);
  stop();
  assert.deepEqual(seen, ["LIGHT", "DARK", "DARKER"]);
  config.close();
});

test("the glue of each example is short", () => {
  for (const file of ["express/server.mjs", "react/useConfig.mjs", "svelte/configStore.mjs"]) {
    const path = join(import.meta.dirname, "examples", file);
    assert.ok(existsSync(path) && readFileSync(path, "utf8").split("\n").length <= 41, file);
  }
});
