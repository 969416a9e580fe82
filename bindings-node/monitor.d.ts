// How synchronization performs.
/** What {@link SyncPerformanceMonitor} counted; latencies in milliseconds, rates in percent, but for events, which are a second. */
export interface SyncMetrics {
  uptime_seconds: number;
  total_events: number;
  event_rate_per_second: number;
  success_rate: number;
  average_latency_ms: number;
  percentile_latencies: { p50: number; p95: number; p99: number };
  conflict_resolution_rate: number;
  active_connections: { websocket: number };
  message_throughput: { kafka_sent: number; kafka_received: number; mqtt_sent: number; mqtt_received: number };
  lock_statistics: { acquired: number; released: number; contentions: number; contention_rate: number };
  error_breakdown: { [eventType: string]: number };
  redis_operations: number;
}

/** Counts what it is told, and rates of the last `windowSize` seconds (300). What an instance counts itself is `Mesh.metrics`. */
export declare class SyncPerformanceMonitor {
  constructor(options?: { windowSize?: number });
  /** An event that took `latency` seconds. */
  recordSyncEvent(eventType: string, latency: number, success: boolean): void;
  /** A conflict that was found, and perhaps settled. */
  recordConflict(resolved: boolean): void;
  /** So many connections more, or fewer: of `"websocket"`. */
  recordConnectionChange(connectionType: string, delta: number): void;
  /** A message of `"kafka"` or `"mqtt"` that was `"sent"` or received. */
  recordMessage(transport: string, direction: string): void;
  /** A lock that was asked for (`"acquire"`) or given back (`"release"`). */
  recordLockOperation(operation: string, success: boolean): void;
  /** Something that Redis was asked for. */
  recordRedisOperation(): void;
  /** Everything that was counted. */
  getCurrentMetrics(): SyncMetrics;
  /** Events a second, by type, in the window. */
  getEventRates(): { [eventType: string]: number };
  /** Begins anew; connections that are there stay counted. */
  resetMetrics(): void;
}
