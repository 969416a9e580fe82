"""Instances that tell sockets and handlers, competing changes and what is counted, through `confmesh.compat`."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import confmesh
from confmesh import compat
from confmesh.compat import (
    ConfigurationConflictResolver,
    ConflictResolutionStrategy,
    MonitoredRealtimeSyncManager,
    Operation,
    OperationalTransform,
    RealtimeSyncManager,
    SyncEvent,
    SyncEventType,
    SyncPerformanceMonitor,
    WebSocketHandler,
)


async def _until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.01)


class _Socket:
    """What a server's library hands to a handler."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue()

    async def send(self, text: str) -> None:
        self.sent.append(json.loads(text))

    def __aiter__(self) -> _Socket:
        return self

    async def __anext__(self) -> str:
        message = await self._waiting.get()
        if message is None:
            raise StopAsyncIteration
        return message

    def says(self, message: Any) -> None:
        self._waiting.put_nowait(message if message is None or isinstance(message, str) else json.dumps(message))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.sent if message["type"] == kind]


class _OtherSocket(_Socket):
    """The same in FastAPI's words."""

    send_text = _Socket.send
    iter_text = _Socket.__aiter__
    send = None  # type: ignore[assignment]
    __aiter__ = None  # type: ignore[assignment]

    async def _texts(self) -> Any:
        while (message := await self._waiting.get()) is not None:
            yield message

    def iter_text(self) -> Any:  # type: ignore[no-redef]
        return self._texts()


@pytest.mark.parametrize("socket_class", [_Socket, _OtherSocket])
def a_socket_of_any_library_is_a_guest(socket_class: type[_Socket]) -> None:
    async def program() -> None:
        manager = await compat.create_realtime_sync_manager(node_id="node-1")
        handler = WebSocketHandler(manager)
        here, there = socket_class(), socket_class()
        serving = [asyncio.create_task(handler.handle_connection(socket, "/")) for socket in (here, there)]
        await _until(lambda: here.sent and there.sent)
        assert here.sent[0]["type"] == "connection_established" and here.sent[0]["connection_id"].startswith("ws_")
        here.says({"type": "ping"})
        await _until(lambda: here.of("pong"))
        there.says({"type": "subscribe", "patterns": ["app.features.*"]})
        there.says({"type": "ping"})
        await _until(lambda: there.of("pong"))
        here.says({"type": "config_change", "config_key": "app.database.host", "new_value": "h", "user_id": "u"})
        await _until(lambda: here.of("config_change_response"))
        assert here.of("config_change_response")[0]["success"] is True
        assert manager.mesh["app.database.host"] == "h"
        await manager.mesh.set("app.features.a", True)
        await _until(lambda: there.of("config_sync"))
        assert [sync["config_key"] for sync in there.of("config_sync")] == ["app.features.a"]
        await _until(lambda: len(here.of("config_sync")) == 2)
        # What means nothing is answered, and the connection stays.
        for nonsense in ("no json", {"type": "unknown"}):
            count = len(here.of("error"))
            here.says(nonsense)
            await _until(lambda count=count: len(here.of("error")) > count)  # type: ignore[misc]
        (connection_id,) = [name for name, socket in handler.connections.items() if socket is here]
        await manager.update_subscription_patterns(connection_id, [])
        await handler.handle_message(connection_id, {"type": "ping"})
        await _until(lambda: len(here.of("pong")) == 2)
        await manager.mesh.set("app.features.a", False)
        await _until(lambda: len(there.of("config_sync")) == 2)
        assert len(here.of("config_sync")) == 2, "no pattern is nothing"
        await handler.send_message(connection_id, {"type": "mine"})
        assert here.of("mine") == [{"type": "mine"}]
        here.says(None)
        await serving[0]
        assert list(handler.connections.values()) == [there]
        await manager.close()
        there.says(None)
        await serving[1]
        assert handler.connections == {}

    asyncio.run(program())


def events_are_changes_that_every_instance_makes() -> None:
    heard: list[SyncEvent] = []

    async def later(event: SyncEvent) -> None:
        heard.append(event)

    def fails(event: SyncEvent) -> None:
        raise RuntimeError("the handler broke")

    async def program() -> None:
        manager = MonitoredRealtimeSyncManager()
        with pytest.raises(confmesh.UsageError, match="not running"):
            await manager.broadcast_sync_event(SyncEvent(SyncEventType.CONFIG_CHANGED, "a", 1))
        await manager.initialize()
        other = RealtimeSyncManager(peers=[f"ws://{manager.mesh.addresses[0]}/sync"])
        await other.initialize()
        other.on("*", fails)
        other.on(SyncEventType.CONFIG_DELETED, later)
        other.on("config_created", later)
        with pytest.raises(confmesh.UsageError, match="is no event"):
            other.on("config_chagned", later)
        await manager.broadcast_sync_event(SyncEvent(SyncEventType.CONFIG_CHANGED, "a.b", 1, user_id="u"))
        await _until(lambda: heard)
        assert (heard[0].config_key, heard[0].new_value, heard[0].event_type.value) == ("a.b", 1, "config_created")
        await manager.broadcast_sync_event(SyncEvent(SyncEventType.BATCH_UPDATE, new_value={"c": 1, "d": 2}))
        await _until(lambda: other.mesh.get("d") == 2 and len(heard) == 3)
        await manager.broadcast_sync_event(SyncEvent(SyncEventType.CONFIG_DELETED, "a"))
        await _until(lambda: heard[-1].event_type is SyncEventType.CONFIG_DELETED)
        with pytest.raises(confmesh.UsageError, match="config_key"):
            await manager.broadcast_sync_event(SyncEvent(SyncEventType.CONFIG_CHANGED))
        changes = [
            {"new_value": "x", "timestamp": "2024-01-01T00:00:00Z", "user_id": "a"},
            {"new_value": "y", "timestamp": "2024-01-01T00:00:01Z", "user_id": "b"},
        ]
        info = await manager.detect_and_resolve_conflicts("e", changes)
        assert info.resolved and manager.mesh["e"] == "y"
        manual = await manager.detect_and_resolve_conflicts("e", changes, ConflictResolutionStrategy.MANUAL_RESOLUTION)
        assert not manual.resolved and manager.mesh["e"] == "y"
        socket = _Socket()
        await manager.add_websocket_connection("one", socket, ["e"])
        metrics = manager.get_performance_metrics()
        assert metrics["active_connections"] == {"websocket": 1} and metrics["total_events"] == 5
        assert metrics["error_breakdown"] == {"config_changed": 2} and metrics["conflict_resolution_rate"] == 50.0
        await manager.remove_websocket_connection("one")
        await manager.remove_websocket_connection("one")
        assert manager.get_performance_metrics()["active_connections"] == {"websocket": 0}
        await other.close()
        await manager.close()

    asyncio.run(program())


_SECURED = {
    "bootstrap_servers": "k:1",
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "SCRAM-SHA-512",
    "sasl_username": "apg-config",
    "sasl_password": "p/w",
    "compression_type": "gzip",
    "batch_size": 1000,
    "linger_ms": 10,
}
_SECURED_URL = "kafka+tls://apg-config:p%2Fw@k:1?sasl=scram-512&compression=gzip&batch-bytes=1000&linger-ms=10"


def brokers_are_told_by_sections_and_by_a_client_of_redis() -> None:
    pool = SimpleNamespace(connection_kwargs={"host": "r", "port": 1, "password": "p/w", "db": 2}, connection_class=object)
    for made, buses in [
        (RealtimeSyncManager(SimpleNamespace(connection_pool=pool)), ["redis://:p%2Fw@r:1/2"]),
        (RealtimeSyncManager(redis={"host": "r", "ssl": True}), ["rediss://r:6379"]),
        (RealtimeSyncManager(mqtt={"broker_host": "m", "tls_enabled": True}), ["mqtts://m:8883"]),
        (RealtimeSyncManager(mqtt={"broker_host": "m", "username": "u", "keepalive": 60, "qos": 1}), ["mqtt://u@m:1883?keepalive=60&qos=1"]),
        (RealtimeSyncManager(kafka={"bootstrap_servers": ["k:1", "l:2"]}), ["kafka://k:1,l:2"]),
        (RealtimeSyncManager(kafka=_SECURED), [_SECURED_URL]),
        (RealtimeSyncManager(mqtt={"broker_host": "m"}, buses=["memory://x"]), ["mqtt://m:1883", "memory://x"]),
        (RealtimeSyncManager(), []),
    ]:
        assert made._options["buses"] == buses
    with pytest.raises(confmesh.UsageError, match="no client"):
        RealtimeSyncManager("localhost")


def a_monitor_counts_each_thing_where_it_belongs() -> None:
    monitor = SyncPerformanceMonitor(window_size=300)
    empty = monitor.get_current_metrics()
    assert (empty["success_rate"], empty["conflict_resolution_rate"]) == (100.0, 100.0)
    assert empty["percentile_latencies"] == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
    assert empty["lock_statistics"]["contention_rate"] == 0.0
    monitor.record_sync_event("config_changed", 0.1, True)
    monitor.record_sync_event("config_changed", 0.2, True)
    assert monitor.get_current_metrics()["percentile_latencies"]["p50"] == pytest.approx(150)
    for _ in range(5_000):
        monitor.record_sync_event("config_deleted", 0.0, False)
    monitor.record_conflict(True)
    monitor.record_conflict(False)
    monitor.record_connection_change("websocket", 2)
    for transport, direction in itertools.product(("kafka", "mqtt"), ("sent", "received", "received")):
        monitor.record_message(transport, direction)
    monitor.record_lock_operation("acquire", True)
    monitor.record_lock_operation("acquire", False)
    monitor.record_lock_operation("release", True)
    monitor.record_lock_operation("release", False)
    monitor.record_redis_operation()
    found = monitor.get_current_metrics()
    assert found["total_events"] == 5_002 and found["error_breakdown"] == {"config_deleted": 5_000}
    assert found["average_latency_ms"] == 0.0, "of the newest thousand"
    assert found["conflict_resolution_rate"] == 50.0 and found["active_connections"] == {"websocket": 2}
    assert found["message_throughput"] == {"kafka_sent": 1, "kafka_received": 2, "mqtt_sent": 1, "mqtt_received": 2}
    assert found["lock_statistics"] == {"acquired": 1, "released": 1, "contentions": 1, "contention_rate": 50.0}
    assert found["redis_operations"] == 1 and found["uptime_seconds"] >= 0 and found["event_rate_per_second"] > 0
    # Not as many as the window has seconds, and not spread over a window that has not been.
    assert monitor.get_event_rates()["config_deleted"] > 1_000 / 20
    monitor.reset_metrics()
    after = monitor.get_current_metrics()
    assert after["total_events"] == 0 and after["active_connections"] == {"websocket": 2}
    monitor.record_connection_change("websocket", -2)
    assert monitor.metrics.websocket_connections == 0


def operations_end_the_same_whichever_comes_first() -> None:
    made = [
        Operation("insert", 2, "XY", author="a"),
        Operation("insert", 2, "Z", author="b"),
        Operation("insert", 4, "W", author="c"),
        Operation("delete", 2, length=3, author="d"),
        Operation("delete", 3, length=3, author="e"),
        Operation("delete", 0, length=8, author="f"),
        Operation("retain", 5, author="g"),
    ]
    for one, other in itertools.product(made, repeat=2):
        a, b = OperationalTransform([one]), OperationalTransform([other])
        here = b.transform_against(a).apply(a.apply("abcdefgh"))
        assert here == a.transform_against(b).apply(b.apply("abcdefgh")), (one, other)
    a, b = OperationalTransform([made[3]]), OperationalTransform([made[4]])
    assert b.transform_against(a).apply(a.apply("abcdefgh")) == "abgh"
    many = OperationalTransform([made[0], made[3]])
    assert len(many.transform_against(OperationalTransform([made[1], made[2]])).operations) <= 2
    listed = [1, 2, 3]
    a, b = OperationalTransform([Operation("insert", 1, 7)]), OperationalTransform([Operation("delete", 1, length=1)])
    assert b.transform_against(a).apply(a.apply(listed)) == a.transform_against(b).apply(b.apply(listed)) == [1, 7, 3]
    assert listed == [1, 2, 3] and OperationalTransform([Operation("replace", 0, {"a": 1})]).apply(3) == {"a": 1}
    assert OperationalTransform([made[0]]).apply(3) == 3
    with pytest.raises(confmesh.InputError, match="is no operation"):
        OperationalTransform([Operation("shuffle", 0)]).apply("a")


def competing_changes_are_settled_alike_in_any_order(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "confmesh.compat")
    base = {"db": {"host": "x", "port": 0}}
    first = {"new_value": {"db": {"host": "a", "port": 0}}, "old_value": base, "user_id": "u", "timestamp": "2024-01-01T00:00:00"}
    second = {"new_value": {"db": {"host": "x", "port": 2}}, "old_value": base, "user_id": "u", "timestamp": "2024-01-01T00:00:00Z"}
    asked: list[Any] = []

    async def program() -> None:
        resolver = ConfigurationConflictResolver(on_manual=asked.append)
        for strategy in ConflictResolutionStrategy:
            one = await resolver.resolve_conflict("db", [first, second], strategy)
            other = await resolver.resolve_conflict("db", [second, first], strategy)
            assert one == other and one["resolution_strategy"] == strategy.value
        won = await resolver.resolve_conflict("db", [first, second])
        assert [won["winning_change"], *won["discarded_changes"]] in ([first, second], [second, first])
        united = await resolver.resolve_conflict("db", [first, second], ConflictResolutionStrategy.MERGE_STRATEGIES)
        assert united["resolved_value"] == {"db": {"host": "a", "port": 2}} and united["merged_sources"] == ["u", "u"]
        texts = [{**first, "old_value": "hello world", "new_value": text} for text in ("hello big world", "hello world!")]
        edited = await resolver.resolve_conflict("t", texts, ConflictResolutionStrategy.OPERATIONAL_TRANSFORM)
        assert edited["resolved_value"] == "hello big world!" and edited["operations_applied"] == 2
        ports = [{"new_value": 8080}, {"new_value": 8081}]
        merge = ConflictResolutionStrategy.MERGE_STRATEGIES
        assert (await resolver.resolve_conflict("p", ports, merge))["resolved_value"] in (8080, 8081)
        assert (await resolver.resolve_conflict("p", ports, merge, numeric_average=True))["resolved_value"] == 8080.5
        flags = [{"new_value": True}, {"new_value": False}]
        assert (await resolver.resolve_conflict("p", flags, merge, numeric_average=True))["resolved_value"] in (True, False)
        manual = await resolver.resolve_conflict("db", [first, second], ConflictResolutionStrategy.MANUAL_RESOLUTION)
        assert manual["resolved_value"] is None and manual["requires_human_intervention"]
        assert asked[-1]["conflict_id"] == manual["conflict_id"] and len(asked) == 3
        for count, method in ((0, "no_changes"), (1, "single_change")):
            found = await resolver.resolve_conflict("db", [first][:count], ConflictResolutionStrategy.FIRST_WRITE_WINS)
            assert found["resolution_method"] == method
        with pytest.raises(ValueError, match="Unknown conflict resolution strategy"):
            await resolver.resolve_conflict("db", [], "newest")  # type: ignore[arg-type]
        with pytest.raises(confmesh.InputError, match="is no time"):
            await resolver.resolve_conflict("db", [{"new_value": 1, "timestamp": "yesterday"}])

    asyncio.run(program())
    assert "Conflict resolved for db: dictionary_merge" in caplog.text
