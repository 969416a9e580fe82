// How synchronization performs: counters, percentiles and rates of what a program tells.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SyncPerformanceMonitor } from "confmesh";

test("a monitor counts each thing where it belongs, and begins anew but for connections", () => {
  const monitor = new SyncPerformanceMonitor({ windowSize: 60 });
  let metrics = monitor.getCurrentMetrics();
  assert.deepEqual(
    [metrics.success_rate, metrics.conflict_resolution_rate, metrics.lock_statistics.contention_rate, metrics.percentile_latencies.p99],
    [100, 100, 0, 0],
  );
  for (const latency of [0.1, 0.2]) monitor.recordSyncEvent("change", latency, true);
  monitor.recordSyncEvent("change", 0.3, false);
  monitor.recordConflict(true);
  monitor.recordConflict(false);
  monitor.recordConnectionChange("websocket", 2);
  monitor.recordMessage("kafka", "sent");
  monitor.recordLockOperation("acquire", false);
  monitor.recordLockOperation("acquire", true);
  monitor.recordRedisOperation();
  metrics = monitor.getCurrentMetrics();
  assert.equal(metrics.total_events, 3);
  assert.equal(metrics.conflict_resolution_rate, 50);
  assert.equal(Math.round(metrics.percentile_latencies.p50), 200);
  assert.equal(metrics.active_connections.websocket, 2);
  assert.equal(metrics.message_throughput.kafka_sent, 1);
  assert.equal(metrics.lock_statistics.contention_rate, 50);
  assert.deepEqual(metrics.error_breakdown, { change: 1 });
  assert.equal(metrics.redis_operations, 1);
  assert.equal(monitor.getEventRates().change, 3);
  monitor.resetMetrics();
  metrics = monitor.getCurrentMetrics();
  assert.deepEqual([metrics.total_events, metrics.active_connections.websocket], [0, 2]);
  assert.throws(() => new SyncPerformanceMonitor({ windowSize: 0 }), /a window is longer than nothing/);
  assert.throws(() => new SyncPerformanceMonitor({ window: 1 }), /no option `window`/);
});
