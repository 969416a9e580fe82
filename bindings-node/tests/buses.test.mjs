// Instances that share a bus and are not connected to each other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Mesh } from "confmesh";

async function wait(condition, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await condition();
    if (found) return found;
    assert.ok(Date.now() < deadline, "it never came true");
    await sleep(10);
  }
}

test("instances on one bus agree, and the status names it", async () => {
  const [one, other] = [await Mesh.start({ buses: "memory://node" }), await Mesh.start({ buses: ["memory://node"] })];
  await one.set("limit", 7);
  await wait(() => other.get("limit") === 7);
  await other.set("name", "both");
  await wait(() => one.get("name") === "both");
  const [bus] = (await one.status()).buses;
  assert.deepEqual([bus.url, bus.state, bus.instances], ["memory://node", "connected", 1]);
  await Promise.all([one.close(), other.close()]);
});

test("what is no bus is refused, and its password is not told", async () => {
  await assert.rejects(Mesh.start({ buses: "amqp://ann:hunter2@127.0.0.1" }), (error) => {
    assert.equal(error.code, "usage");
    assert.match(error.message, /is no kind of bus/);
    return !error.message.includes("hunter2");
  });
});
