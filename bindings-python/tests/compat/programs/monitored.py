"""Seed 3, the last program, with a few lines that use it. Changed: what it leaves undefined is imported."""

import asyncio
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from confmesh.compat import RealtimeSyncManager, SyncEvent, SyncEventType

@dataclass
class SyncMetrics:
    """Real-time synchronization performance metrics"""
    total_events: int = 0
    successful_syncs: int = 0
    failed_syncs: int = 0
    conflicts_detected: int = 0
    conflicts_resolved: int = 0
    average_sync_latency: float = 0.0
    websocket_connections: int = 0
    kafka_messages_sent: int = 0
    kafka_messages_received: int = 0
    mqtt_messages_sent: int = 0
    mqtt_messages_received: int = 0
    redis_operations: int = 0
    locks_acquired: int = 0
    locks_released: int = 0
    lock_contentions: int = 0

class SyncPerformanceMonitor:
    """Monitor real-time synchronization performance"""

    def __init__(self, window_size=300):  # 5 minute window
        self.window_size = window_size
        self.metrics = SyncMetrics()
        self.latency_samples = deque(maxlen=1000)
        self.event_rates = defaultdict(lambda: deque(maxlen=window_size))
        self.error_counts = defaultdict(int)
        self.start_time = time.time()

    def record_sync_event(self, event_type: str, latency: float, success: bool):
        """Record synchronization event metrics"""
        current_time = time.time()

        self.metrics.total_events += 1

        if success:
            self.metrics.successful_syncs += 1
        else:
            self.metrics.failed_syncs += 1
            self.error_counts[event_type] += 1

        # Record latency
        self.latency_samples.append(latency)
        self._update_average_latency()

        # Record event rate
        self.event_rates[event_type].append(current_time)

    def record_conflict(self, resolved: bool):
        """Record conflict detection and resolution"""
        self.metrics.conflicts_detected += 1
        if resolved:
            self.metrics.conflicts_resolved += 1

    def record_connection_change(self, connection_type: str, delta: int):
        """Record connection count changes"""
        if connection_type == "websocket":
            self.metrics.websocket_connections += delta

    def record_message(self, transport: str, direction: str):
        """Record message transmission"""
        if transport == "kafka":
            if direction == "sent":
                self.metrics.kafka_messages_sent += 1
            else:
                self.metrics.kafka_messages_received += 1
        elif transport == "mqtt":
            if direction == "sent":
                self.metrics.mqtt_messages_sent += 1
            else:
                self.metrics.mqtt_messages_received += 1

    def record_lock_operation(self, operation: str, success: bool):
        """Record lock operations"""
        if operation == "acquire":
            if success:
                self.metrics.locks_acquired += 1
            else:
                self.metrics.lock_contentions += 1
        elif operation == "release":
            self.metrics.locks_released += 1

    def record_redis_operation(self):
        """Record Redis operation"""
        self.metrics.redis_operations += 1

    def get_current_metrics(self) -> Dict[str, Any]:
        """Get current performance metrics"""
        uptime = time.time() - self.start_time
        event_rate = self.metrics.total_events / uptime if uptime > 0 else 0

        return {
            'uptime_seconds': uptime,
            'total_events': self.metrics.total_events,
            'event_rate_per_second': event_rate,
            'success_rate': self._calculate_success_rate(),
            'average_latency_ms': self.metrics.average_sync_latency * 1000,
            'percentile_latencies': self._calculate_latency_percentiles(),
            'conflict_resolution_rate': self._calculate_conflict_resolution_rate(),
            'active_connections': {
                'websocket': self.metrics.websocket_connections
            },
            'message_throughput': {
                'kafka_sent': self.metrics.kafka_messages_sent,
                'kafka_received': self.metrics.kafka_messages_received,
                'mqtt_sent': self.metrics.mqtt_messages_sent,
                'mqtt_received': self.metrics.mqtt_messages_received
            },
            'lock_statistics': {
                'acquired': self.metrics.locks_acquired,
                'released': self.metrics.locks_released,
                'contentions': self.metrics.lock_contentions,
                'contention_rate': self._calculate_lock_contention_rate()
            },
            'error_breakdown': dict(self.error_counts),
            'redis_operations': self.metrics.redis_operations
        }

    def get_event_rates(self) -> Dict[str, float]:
        """Get event rates by type"""
        current_time = time.time()
        rates = {}

        for event_type, timestamps in self.event_rates.items():
            # Count events in the last window
            recent_events = [
                ts for ts in timestamps
                if current_time - ts <= self.window_size
            ]
            rates[event_type] = len(recent_events) / self.window_size

        return rates

    def _update_average_latency(self):
        """Update average latency calculation"""
        if self.latency_samples:
            self.metrics.average_sync_latency = sum(self.latency_samples) / len(self.latency_samples)

    def _calculate_success_rate(self) -> float:
        """Calculate success rate percentage"""
        total = self.metrics.successful_syncs + self.metrics.failed_syncs
        if total == 0:
            return 100.0
        return (self.metrics.successful_syncs / total) * 100.0

    def _calculate_latency_percentiles(self) -> Dict[str, float]:
        """Calculate latency percentiles"""
        if not self.latency_samples:
            return {'p50': 0, 'p95': 0, 'p99': 0}

        sorted_latencies = sorted(self.latency_samples)
        count = len(sorted_latencies)

        return {
            'p50': sorted_latencies[int(count * 0.50)] * 1000,  # Convert to ms
            'p95': sorted_latencies[int(count * 0.95)] * 1000,
            'p99': sorted_latencies[int(count * 0.99)] * 1000
        }

    def _calculate_conflict_resolution_rate(self) -> float:
        """Calculate conflict resolution rate"""
        if self.metrics.conflicts_detected == 0:
            return 100.0
        return (self.metrics.conflicts_resolved / self.metrics.conflicts_detected) * 100.0

    def _calculate_lock_contention_rate(self) -> float:
        """Calculate lock contention rate"""
        total_attempts = self.metrics.locks_acquired + self.metrics.lock_contentions
        if total_attempts == 0:
            return 0.0
        return (self.metrics.lock_contentions / total_attempts) * 100.0

    def reset_metrics(self):
        """Reset all metrics"""
        self.metrics = SyncMetrics()
        self.latency_samples.clear()
        self.event_rates.clear()
        self.error_counts.clear()
        self.start_time = time.time()

# Integration with sync manager
class MonitoredRealtimeSyncManager(RealtimeSyncManager):
    """RealtimeSyncManager with performance monitoring"""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.performance_monitor = SyncPerformanceMonitor()

    async def broadcast_sync_event(self, event: SyncEvent):
        """Override to add performance monitoring"""
        start_time = time.time()
        success = False

        try:
            await super().broadcast_sync_event(event)
            success = True
        except Exception as e:
            success = False
            raise
        finally:
            latency = time.time() - start_time
            self.performance_monitor.record_sync_event(
                event.event_type.value,
                latency,
                success
            )

    async def detect_and_resolve_conflicts(self, *args, **kwargs):
        """Override to monitor conflict resolution"""
        try:
            result = await super().detect_and_resolve_conflicts(*args, **kwargs)
            self.performance_monitor.record_conflict(result.resolved)
            return result
        except Exception:
            self.performance_monitor.record_conflict(False)
            raise

    async def acquire_config_lock(self, *args, **kwargs):
        """Override to monitor lock operations"""
        try:
            result = await super().acquire_config_lock(*args, **kwargs)
            self.performance_monitor.record_lock_operation("acquire", result)
            return result
        except Exception:
            self.performance_monitor.record_lock_operation("acquire", False)
            raise

    async def release_config_lock(self, *args, **kwargs):
        """Override to monitor lock operations"""
        result = await super().release_config_lock(*args, **kwargs)
        self.performance_monitor.record_lock_operation("release", result)
        return result

    def get_performance_metrics(self) -> Dict[str, Any]:
        """Get current performance metrics"""
        return self.performance_monitor.get_current_metrics()


async def monitoring_example():
    manager = MonitoredRealtimeSyncManager(node_id="node-1")
    await manager.initialize()
    await manager.broadcast_sync_event(SyncEvent(SyncEventType.CONFIG_CHANGED, "app.database.host", "db"))
    print(f"Set: {manager.mesh['app.database.host']}")
    print(f"Locked: {await manager.acquire_config_lock('app.database', 'ann', timeout=60)}")
    print(f"Locked twice: {await manager.acquire_config_lock('app.database', 'bob', timeout=60)}")
    print(f"Released: {await manager.release_config_lock('app.database', 'ann')}")
    changes = [{"new_value": "a", "timestamp": "2024-01-01T00:00:00Z"}, {"new_value": "b", "timestamp": "2024-01-02T00:00:00Z"}]
    await manager.detect_and_resolve_conflicts("app.name", changes)
    print(f"Settled: {manager.mesh['app.name']}")
    metrics = manager.get_performance_metrics()
    print(f"Events: {metrics['total_events']}, locks: {metrics['lock_statistics']['acquired']}")
    print(f"Contentions: {metrics['lock_statistics']['contentions']}, conflicts: {metrics['conflict_resolution_rate']}")
    await manager.close()

asyncio.run(monitoring_example())
