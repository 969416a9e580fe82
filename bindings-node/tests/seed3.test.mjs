// The client program that the project started from, in Node against a running instance. Only the port and the import are ours.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Mesh } from "confmesh";

test("the client's printed program runs in Node", async (t) => {
  const mesh = await Mesh.start({ listen: "127.0.0.1:0" });
  t.after(() => mesh.close());
  const [address] = mesh.addresses;
  const printed = readFileSync(new URL("followed.mjs", import.meta.url), "utf8").replace("ws://localhost:8765", `ws://${address}`);
  const file = new URL("followed-run.mjs", import.meta.url);
  writeFileSync(file, printed.replace(/\n/, '\nglobalThis.updateFeatureFlags = () => console.log("flags updated");\nglobalThis.appConfig = {};\n'));
  // Node before 22 has the class behind a flag.
  const program = spawn(process.execPath, ["--experimental-websocket", "--no-warnings", file.pathname], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => program.kill());
  let said = "";
  program.stdout.setEncoding("utf8").on("data", (text) => (said += text));
  const tells = async (line, meanwhile = () => {}) => {
    while (!said.includes(line)) {
      assert.equal(program.exitCode, null, said);
      await meanwhile();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  // Until it follows, it is told of nothing.
  let round = 0;
  await tells("app.ui.round", () => mesh.set("app.ui.round", ++round));
  await mesh.set("other.key", 1);
  await mesh.set("app.database.host", "db");
  await mesh.set("app.features.beta", true);
  await tells("flags updated");
  const lines = said.split("\n").filter((line) => line && !line.includes("app.ui.round"));
  assert.deepEqual(lines, [
    "Configuration changed: app.database.host = db", "Database configuration changed, considering reconnection...",
    "Configuration changed: app.features.beta = true", "Feature flag changed, updating UI...", "flags updated",
  ]);
  program.kill();
  await once(program, "exit");
});
