// Starts `confmesh` for the tests, and ends what it started.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { root } from "./stage.mjs";

const program = process.env.CONFMESH_BIN ?? join(root, "target/release/confmesh");

/** A port that is free now, and the one after it too. */
export async function freePorts() {
  for (;;) {
    const first = await listen(0);
    const { port } = first.address();
    const second = await listen(port + 1).catch(() => undefined);
    await Promise.all([first, second].filter(Boolean).map((server) => new Promise((closed) => server.close(closed))));
    if (second) return port;
  }
}

async function listen(port) {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** A folder that is gone after the test. */
export async function folder(t) {
  const path = await mkdtemp(join(tmpdir(), "confmesh-browser-"));
  t.after(() => rm(path, { recursive: true, force: true, maxRetries: 20 }));
  return path;
}

/** A process of `confmesh`; `t` ends it. `said(pattern)` waits for a line, `end(signal)` for the exit. */
export function start(t, args, env = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let look = () => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
      look();
    });
  }
  const exit = once(child, "exit");
  exit.then(() => look(), () => look());
  const end = async (signal = "SIGTERM") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exit;
  };
  t.after(() => end());
  const said = (pattern) => new Promise((found, failed) => {
    const timer = setTimeout(() => failed(new Error(`${pattern} was not said:\n${output}`)), 20_000);
    look = () => {
      if (!pattern.test(output)) {
        if (child.exitCode !== null || child.signalCode !== null) failed(new Error(`it ended:\n${output}`));
        return;
      }
      clearTimeout(timer);
      found();
    };
    look();
  });
  return { said, end };
}

/** Runs a command to its end and gives what it printed. */
export async function run(...args) {
  const { stdout } = await promisify(execFile)(program, args);
  return stdout;
}
