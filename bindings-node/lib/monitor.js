// How synchronization performs: what a program tells, counted by the core.
import { options } from "../wasm/values.js";
import * as native from "../native/native.cjs";
import { calling } from "./native.js";

/** Counts what it is told, and rates of the last `windowSize` seconds. */
export class SyncPerformanceMonitor {
  #native;

  constructor(given) {
    const { windowSize = 300 } = options(given, ["windowSize"], "SyncPerformanceMonitor");
    this.#native = calling(() => new native.NativeMonitor(windowSize * 1_000));
  }

  recordSyncEvent(eventType, latency, success) {
    this.#native.syncEvent(eventType, latency, success);
  }

  recordConflict(resolved) {
    this.#native.conflict(resolved);
  }

  recordConnectionChange(connectionType, delta) {
    this.#native.connectionChange(connectionType, delta);
  }

  recordMessage(transport, direction) {
    this.#native.message(transport, direction);
  }

  recordLockOperation(operation, success) {
    this.#native.lockOperation(operation, success);
  }

  recordRedisOperation() {
    this.#native.redisOperation();
  }

  getCurrentMetrics() {
    return JSON.parse(this.#native.currentMetrics());
  }

  getEventRates() {
    return JSON.parse(this.#native.eventRates());
  }

  resetMetrics() {
    this.#native.reset();
  }
}
