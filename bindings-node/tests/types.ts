// Compiled, never run: the declarations fit what a program writes.
import { canonical, Config, ConfmeshError, diff, explain, merge, Mesh, open, ready as nativeReady, version } from "confmesh";
import type { Change, Choice, Operation, Receipt, Value } from "confmesh";
import { ready, version as clientVersion } from "confmesh/client";

const texts: string[] = [version(), clientVersion(), canonical({ a: 1n })];
const loaded: Promise<void>[] = [ready(new Uint8Array()), nativeReady()];
const merged: Value = merge([{ id: "base", value: { port: 80 } }], { rules: [{ pattern: "port", merge: "override" }] });
const operations: Operation[] = diff({ a: 1 }, merged);
const source: string = explain([{ id: "base", text: "{}" }], "port").source;

async function live(): Promise<Receipt> {
  const config: Config = open(["config.json"], { envPrefix: "MYAPP" });
  const following = config.subscribe("app.*", (change: Change) => console.log(change.path, change.cause));
  following.close();
  const limit: Value | undefined = config.get("limit");
  config.set("limit", limit);
  const mesh = await Mesh.start({ listen: "127.0.0.1:0", peers: ["ws://10.0.0.7:8765"] });
  for await (const change of mesh.subscribe("*")) console.log(change.new);
  const { version: seen } = await mesh.read("limit");
  await mesh.set("limit", 1, { ifVersion: seen, force: true, fence: 7n, user: "ann" });
  for (const conflict of await mesh.conflicts({ all: true })) {
    const choice: Choice = conflict.sides[0]?.inForce ? { take: 0 } : { value: 1, user: "ann" };
    await mesh.assign(conflict.id, null);
    await mesh.resolve(conflict.id, choice);
  }
  try {
    return await mesh.patch(operations, { ifHash: mesh.hash });
  } catch (error) {
    if (error instanceof ConfmeshError) console.log(error.code, error.origin?.line);
    throw error;
  }
}

declare const console: { log(...values: unknown[]): void };
export { live, loaded, source, texts };
