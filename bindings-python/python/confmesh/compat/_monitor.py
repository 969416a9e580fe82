"""How synchronization performs: `SyncMetrics`, `SyncPerformanceMonitor`."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

_SAMPLES = 1_000
_FRESH = {"websocket_connections"}
"""What is counted up and down: it stays where everything else begins anew."""


@dataclasses.dataclass
class SyncMetrics:
    """What was counted; `average_sync_latency` in seconds, over the newest 1,000 events."""

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
    """Counts what it is told, and rates of the last `window_size` seconds. Any thread may tell it.

    What an instance counts itself is `Mesh.metrics`, for Prometheus.
    """

    def __init__(self, window_size: float = 300) -> None:
        if window_size <= 0:
            raise ValueError("a window is longer than nothing")
        self.window_size = window_size
        self.metrics = SyncMetrics()
        self.latency_samples: deque[float] = deque(maxlen=_SAMPLES)
        self.error_counts: Counter[str] = Counter()
        self._counting = threading.RLock()
        self._seconds: dict[str, deque[tuple[int, int]]] = {}
        self._started = time.monotonic()

    def record_sync_event(self, event_type: str, latency: float, success: bool) -> None:
        """An event that took `latency` seconds."""
        second = int(time.monotonic())
        with self._counting:
            self.metrics.total_events += 1
            if success:
                self.metrics.successful_syncs += 1
            else:
                self.metrics.failed_syncs += 1
                self.error_counts[event_type] += 1
            self.latency_samples.append(latency)
            self.metrics.average_sync_latency = sum(self.latency_samples) / len(self.latency_samples)
            # A count a second: however many events there are, the window is no longer.
            seconds = self._seconds.setdefault(event_type, deque())
            count = seconds.pop()[1] if seconds and seconds[-1][0] == second else 0
            seconds.append((second, count + 1))
            self._forget(seconds, second)

    def record_conflict(self, resolved: bool) -> None:
        """A conflict that was found, and perhaps settled."""
        with self._counting:
            self.metrics.conflicts_detected += 1
            self.metrics.conflicts_resolved += bool(resolved)

    def record_connection_change(self, connection_type: str, delta: int) -> None:
        """So many connections more, or fewer."""
        if connection_type == "websocket":
            with self._counting:
                self.metrics.websocket_connections = max(0, self.metrics.websocket_connections + delta)

    def record_message(self, transport: str, direction: str) -> None:
        """A message of `kafka` or `mqtt` that was `sent` or `received`."""
        name = f"{transport}_messages_{'sent' if direction == 'sent' else 'received'}"
        with self._counting:
            if hasattr(self.metrics, name):
                setattr(self.metrics, name, getattr(self.metrics, name) + 1)

    def record_lock_operation(self, operation: str, success: bool) -> None:
        """A lock that was asked for (`acquire`) or given back (`release`); what was not given back counts nowhere."""
        with self._counting:
            if operation == "acquire" and success:
                self.metrics.locks_acquired += 1
            elif operation == "acquire":
                self.metrics.lock_contentions += 1
            elif operation == "release" and success:
                self.metrics.locks_released += 1

    def record_redis_operation(self) -> None:
        """Something that Redis was asked for."""
        with self._counting:
            self.metrics.redis_operations += 1

    def get_current_metrics(self) -> dict[str, Any]:
        """Everything as one map; latencies in milliseconds, rates of success in percent."""
        with self._counting:
            metrics = dataclasses.replace(self.metrics)
            samples, errors = sorted(self.latency_samples), dict(self.error_counts)
            uptime = time.monotonic() - self._started
        tries = metrics.locks_acquired + metrics.lock_contentions
        return {
            "uptime_seconds": uptime,
            "total_events": metrics.total_events,
            "event_rate_per_second": metrics.total_events / uptime if uptime > 0 else 0,
            "success_rate": _percent(metrics.successful_syncs, metrics.successful_syncs + metrics.failed_syncs, 100.0),
            "average_latency_ms": metrics.average_sync_latency * 1000,
            "percentile_latencies": {f"p{share}": _percentile(samples, share / 100) * 1000 for share in (50, 95, 99)},
            "conflict_resolution_rate": _percent(metrics.conflicts_resolved, metrics.conflicts_detected, 100.0),
            "active_connections": {"websocket": metrics.websocket_connections},
            "message_throughput": {
                "kafka_sent": metrics.kafka_messages_sent,
                "kafka_received": metrics.kafka_messages_received,
                "mqtt_sent": metrics.mqtt_messages_sent,
                "mqtt_received": metrics.mqtt_messages_received,
            },
            "lock_statistics": {
                "acquired": metrics.locks_acquired,
                "released": metrics.locks_released,
                "contentions": metrics.lock_contentions,
                "contention_rate": _percent(metrics.lock_contentions, tries, 0.0),
            },
            "error_breakdown": errors,
            "redis_operations": metrics.redis_operations,
        }

    def get_event_rates(self) -> dict[str, float]:
        """Events a second, by type, in the window, or since the start where that is later."""
        now = time.monotonic()
        with self._counting:
            length = max(1.0, min(float(self.window_size), now - self._started))
            for seconds in self._seconds.values():
                self._forget(seconds, int(now))
            return {name: sum(count for _, count in seconds) / length for name, seconds in self._seconds.items()}

    def reset_metrics(self) -> None:
        """Begins anew; connections that are there stay counted."""
        with self._counting:
            kept = {name: getattr(self.metrics, name) for name in _FRESH}
            self.metrics = SyncMetrics(**kept)
            self.latency_samples.clear()
            self._seconds.clear()
            self.error_counts.clear()
            self._started = time.monotonic()

    def _forget(self, seconds: deque[tuple[int, int]], now: int) -> None:
        while seconds and seconds[0][0] <= now - self.window_size:
            seconds.popleft()


def _percent(part: int, whole: int, of_nothing: float) -> float:
    return part / whole * 100.0 if whole else of_nothing


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Between two samples where it falls between them: the median of two is their mean."""
    if not ordered:
        return 0.0
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
