// Compiled, never run: the declarations fit what a program writes.
import { ConfmeshError, diff, explain, merge, version, type Value } from "confmesh";
import { ConfigWebSocketClient, ready, version as clientVersion, type Receipt } from "confmesh/client";

const texts: string[] = [version(), clientVersion()];
const loaded: Promise<void> = ready(new Uint8Array());
const layers = [{ id: "base", value: { rate: 100 } }, { env: { prefix: "APP", variables: { APP_RATE: "200" } } }];
const merged: Value = merge(layers, { rules: [{ pattern: "tags", merge: "append_list" }] });
const winner: string | undefined = explain(layers, "rate").winner?.source;
const paths: string[] = diff({}, merged).map(({ path }) => path);

const client = new ConfigWebSocketClient("ws://127.0.0.1:8765/sync", { token: "t", maxDelay: 1_000 });
client.on("config_changed", ({ key, newValue }) => console.log(key, newValue)).on("error", (error) => console.log(error.hint));
const receipt: Promise<Receipt> = client.setConfig("app.rate", 9007199254740993n);
receipt.catch((error) => error instanceof ConfmeshError && console.log(error.code));
export { loaded, paths, receipt, texts, winner };

declare const console: { log(...values: unknown[]): void };
