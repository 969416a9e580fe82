// What following.test.mjs runs in threads: tells what it hears, and ends in the way it is told.
import { parentPort, workerData } from "node:worker_threads";
import { open } from "confmesh";

const config = open(workerData);
config.subscribe("a", ({ new: now }) => parentPort.postMessage(now));
config.reports(({ state }) => state === "stale" && parentPort.postMessage("stale"));
parentPort.postMessage("ready");
parentPort.on("message", (word) => {
  if (word === "throw") throw new Error("mine");
  if (word === "exit") process.exit(3);
});
