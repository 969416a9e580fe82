// Compiled, never run: the declarations fit what a program writes.
import {
  canonical, Config, ConfmeshError, diff, explain, merge, Mesh, open, openAsync, profiles, ready as nativeReady, Replica, resolve, Schema, sequence, version,
  viewDeltas,
} from "confmesh";
import type { Adoption, Change, Choice, Operation, Receipt, Reloaded, RepairPlan, Report, Resolution, Source, Step, Value } from "confmesh";
import { bindElements, ConfigWebSocketClient, ready, version as clientVersion } from "confmesh/client";
import type { Binding, ConfigLock } from "confmesh/client";
import { Replica as Apart } from "confmesh/replica";
import type { Disagreement } from "confmesh/replica";

const texts: string[] = [version(), clientVersion(), canonical({ a: 1n })];
const loaded: Promise<void>[] = [ready(new Uint8Array()), nativeReady()];
const merged: Value = merge([{ id: "base", value: { port: 80 } }], { rules: [{ pattern: "port", merge: "override" }] });
const operations: Operation[] = diff({ a: 1 }, merged);
const source: string = explain([{ id: "base", text: "{}" }], "port").source;

interface Settings {
  port: number;
}
const schema = new Schema({ fields: { port: "port" } }, { checks: { port: (port: number) => port > 1023 || "too low" } });
const settings: Settings = schema.load<Settings>({ port: 8080 });
const checked: Value = merge([{ id: "base", value: settings }], {
  schema, profiles: "dev", interpolate: { HOME: "/" }, rules: [{ pattern: "l", merge: "keyed_list", key: "name", atomic: true, conflict: "numeric_average" }],
});
const steps: Step[] = sequence.transform(sequence.between("ab", "b"), [1, { insert: "x" }], "left");
const settled: Resolution = resolve("k", [{ author: "ann", timestamp: 0, value: 1 }], "first_write_wins");
const names: string[] = [...profiles({}, []).map(({ name }) => name), ...viewDeltas([]).disagreements.map(({ path }) => path)];

const replica = new Replica([{ pattern: "*", conflict: "manual_resolution" }], { id: new Uint8Array(16) });
const written: boolean = replica.set("k", 1, { ifVersion: replica.version(), wallMs: 0 });
const changed: Change[] = Apart.load(replica.save()).apply(replica.fork().delta(replica.version()), { wallMs: 1 });
const undecided: Disagreement[] = replica.conflicts().filter((conflict) => conflict.is_open);
const either: Value | "none" = replica.get("k", "none");

const page: Config = open([{ id: "base", text: "{}" }], { schema, profiles: ["dev"], interpolate: { HOST: "h" } });

async function live(): Promise<Receipt> {
  const config: Config = open(["config.json"], { envPrefix: "MYAPP" });
  const following = config.subscribe("app.*", (change: Change) => console.log(change.path, change.cause));
  following.close();
  const limit: Value | undefined = config.get("limit");
  config.set("limit", limit);
  const either: Value | 5 = config.get("limit", 5 as const);
  const stopped = { aborted: false, addEventListener() {}, removeEventListener() {} };
  config.subscribe("*", async (change: Change) => console.log(change.path), { signal: stopped });
  for await (const { level, state, error } of config.reports()) console.log(level, state, error?.code, either);
  config.reports((report: Report) => console.log(report.message)).close();
  config[Symbol.dispose]();
  // @ts-expect-error a misspelt option
  open("config.json", { envprefix: "MYAPP" });
  const mesh = await Mesh.start({
    listen: "127.0.0.1:0", peers: ["ws://10.0.0.7:8765"], foundAfter: 50, oldAfter: 0, staleAfter: 60_000, settle: true,
  });
  for await (const change of mesh.subscribe("*")) console.log(change.new);
  const { version: seen } = await mesh.read("limit");
  await mesh.set("limit", 1, { ifVersion: seen, force: true, fence: 7n, user: "ann" });
  for (const conflict of await mesh.conflicts({ all: true })) {
    const choice: Choice = conflict.sides[0]?.inForce ? { take: 0 } : { value: 1, user: "ann" };
    await mesh.assign(conflict.id, null);
    await mesh.resolve(conflict.id, choice);
  }
  const { lost, done }: Adoption = await mesh.adopt("http://10.0.0.7:8765", { yes: false });
  console.log(done, lost.map((change) => [change.path, change.old, change.new]), await mesh.forceSync(), (await mesh.expel("3fd2a1")).length);
  for (const { id, why, text, file } of await mesh.kept()) console.log(why, text, file, await mesh.confirmKept(id));
  const { idle, undecided }: RepairPlan = await mesh.repairPlan();
  const { changed: paths, failed }: Reloaded = await mesh.reload();
  console.log(idle, undecided.length, paths, failed.map(({ source, error }) => [source, error.code]), (await mesh.members())[0]?.blocks);
  const status = await mesh.status();
  console.log(status.documents[0]?.apart?.[0]?.hint, status.out_of_step_ms, status.documents[0]?.sources[0]?.stale_ms);
  try {
    return await mesh.patch(operations, { ifHash: mesh.hash });
  } catch (error) {
    if (error instanceof ConfmeshError) console.log(error.code, error.origin?.line);
    throw error;
  }
}

declare const console: { log(...values: unknown[]): void };
export { changed, checked, either, live, loaded, names, undecided, settled, steps, source, texts, written };

export async function sourced(): Promise<void> {
  const own: Source = { load: async () => ({ limit: 1 }) };
  const config = await openAsync([], {
    dataDir: "data",
    sources: ["https://config.example/app;interval=10s", own, { source: () => null, priority: 35, optional: true, headers: { "x-team": "web" } }],
  });
  console.log((await config.status()).documents[0]?.sources[0]?.served_from);
}

export async function followed(page: { querySelectorAll(selectors: string): ArrayLike<object> }): Promise<string[]> {
  const client = new ConfigWebSocketClient("ws://h:8765", { maxReconnectAttempts: 5, jitter: false, keepEdits: "ada", store: {}, root: page });
  client.on("config_locked", ({ key, holder }: ConfigLock) => console.log(key, holder)).on("connected", ({ connectionId }) => console.log(connectionId));
  client.maxReconnectAttempts = Infinity;
  client.updateLocalConfig("a.b", undefined);
  client.updateUI("a.b", 1);
  const { changed } = await client.setConfig("a.b", 1, "ada");
  const bound: Binding[] = [bindElements(client, { root: page, write: true }), bindElements(open("app.yaml"), { root: page })];
  bound.forEach((binding) => binding.close());
  // @ts-expect-error no such event
  client.on("config_lock", () => {});
  return [...changed, ...client.subscriptions, client.url];
}
