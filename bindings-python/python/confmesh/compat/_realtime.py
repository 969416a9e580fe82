"""Instances that tell programs and WebSockets of every change: `RealtimeSyncManager`, `WebSocketHandler`, their events."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from .. import _native
from .._errors import UsageError
from .._live import Mesh
from . import _kafka
from ._conflicts import ConfigurationConflictResolver, ConflictResolutionStrategy
from ._guest import Guest
from ._loading import get_logger
from ._locks import DistributedConfigLock
from ._manager import called
from ._monitor import SyncPerformanceMonitor

logger = get_logger("confmesh.compat")


class SyncEventType(enum.Enum):
    """What happened."""

    CONFIG_CHANGED = "config_changed"
    CONFIG_CREATED = "config_created"
    CONFIG_DELETED = "config_deleted"
    CONFIG_LOCKED = "config_locked"
    CONFIG_UNLOCKED = "config_unlocked"
    BATCH_UPDATE = "batch_update"
    SCHEMA_UPDATED = "schema_updated"
    ROLLBACK = "rollback"
    CONFLICT_DETECTED = "conflict_detected"


class SyncScope(enum.Enum):
    """Whom it is about."""

    GLOBAL = "global"
    TENANT = "tenant"
    USER = "user"
    SESSION = "session"


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclasses.dataclass
class SyncEvent:
    """A change, or something else that happened to a configuration."""

    event_type: SyncEventType
    config_key: str | None = None
    new_value: Any = None
    old_value: Any = None
    event_id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    timestamp: datetime = dataclasses.field(default_factory=_now)
    source_node: str | None = None
    tenant_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    version: int = 1
    checksum: str | None = None
    metadata: dict[str, Any] = dataclasses.field(default_factory=dict)
    requires_ack: bool = True
    retry_count: int = 0
    max_retries: int = 3


@dataclasses.dataclass
class ConflictInfo:
    """Competing versions of a key, and what they came to."""

    config_key: str
    competing_versions: list[dict[str, Any]]
    resolution_strategy: ConflictResolutionStrategy
    resolved: bool = False
    resolution_result: dict[str, Any] | None = None
    conflict_id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    created_at: datetime = dataclasses.field(default_factory=_now)
    resolved_at: datetime | None = None
    resolved_by: str | None = None


class _Connection:
    """A socket of the program, and the guest that speaks for it."""

    def __init__(self, socket: Any, guest: Guest) -> None:
        self.socket = socket
        self.guest = guest
        self.pump: asyncio.Task[None] | None = None


class RealtimeSyncManager:
    """An instance whose changes go to handlers and to WebSockets of the program, each of them a guest.

    `sync_config` has the sections `redis`, `mqtt` and `kafka` (brokers at which instances meet), `websocket` (`host` and `port` to listen
    at), `node_id`, and else the options of `Mesh`. A client of redis-py tells where its Redis is. Without brokers and peers it
    is alone.
    """

    def __init__(self, redis_client: Any = None, **sync_config: Any) -> None:
        config = dict(sync_config)
        self.node_id: str = config.pop("node_id", None) or f"node-{uuid.uuid4().hex}"
        buses = [] if redis_client is None else [_redis(redis_client)]
        if redis_client is None and "redis" in config:
            buses.append(_url("redis", config["redis"]))
        config.pop("redis", None)
        if mqtt := config.pop("mqtt", None):
            buses.append(_url("mqtt", mqtt))
        if kafka := config.pop("kafka", None):
            buses.append(_kafka.bus(kafka))
        websocket = config.pop("websocket", None) or {}
        settings = config.pop("sync_settings", None)
        if settings:
            logger.debug("`sync_settings` have no counterpart: instances set their own pace", settings=list(settings))
        config.setdefault("listen", f"{websocket.get('host', '127.0.0.1')}:{websocket.get('port', 0)}")
        secure = websocket.get("ssl_context") or {}
        if secure:
            config.setdefault("tls_cert", secure.get("certfile"))
            config.setdefault("tls_key", secure.get("keyfile"))
        self._options: dict[str, Any] = {**config, "buses": [*buses, *config.pop("buses", ())]}
        self._mesh: Mesh | None = None
        self._handlers: dict[str, list[Callable[[SyncEvent], object]]] = {}
        self._connections: dict[str, _Connection] = {}
        self._resolver = ConfigurationConflictResolver(self)
        self._locks = DistributedConfigLock(self, default_timeout=60)

    @property
    def mesh(self) -> Mesh:
        """The running instance."""
        if self._mesh is None:
            raise UsageError("the manager is not running", code="usage", hint="`await manager.initialize()` first")
        return self._mesh

    async def initialize(self) -> None:
        """Starts it."""
        if self._mesh is not None:
            return
        mesh = Mesh(**self._options)
        await asyncio.to_thread(mesh.start)
        self._mesh = mesh
        mesh.subscribe("*", self._heard)

    async def close(self) -> None:
        """Ends it, and every connection."""
        for connection_id in list(self._connections):
            await self.remove_websocket_connection(connection_id)
        if self._mesh is not None:
            await self._locks.close()
        mesh, self._mesh = self._mesh, None
        if mesh is not None:
            await asyncio.to_thread(mesh.close)

    def on(self, event: SyncEventType | str, handler: Callable[[SyncEvent], object]) -> None:
        """Calls `handler(event)` for a type of event, `"*"` for all: every change, wherever it was made. It may be `async`."""
        name = event.value if isinstance(event, SyncEventType) else event
        known = [kind.value for kind in SyncEventType]
        if name != "*" and name not in known:
            raise UsageError(f"`{name}` is no event", code="usage", hint=f"they are {', '.join(known)}")
        self._handlers.setdefault(name, []).append(handler)

    async def add_websocket_connection(
        self, connection_id: str, websocket: Any, subscription_patterns: Iterable[str] = ("*",)
    ) -> None:
        """Makes a socket a guest: it gets what a guest gets, of the paths that match. It needs `send` (or `send_text`)."""
        if connection_id in self._connections:
            raise UsageError(f"the connection `{connection_id}` is there already", code="usage")
        port = int(self.mesh.addresses[0].rpartition(":")[2])
        guest = await Guest.connect(port, self._options.get("token"), self._options.get("tls_cert"))
        connection = self._connections[connection_id] = _Connection(websocket, guest)
        patterns = list(subscription_patterns)
        if patterns != ["*"]:
            await guest.send(json.dumps({"type": "subscribe", "patterns": patterns}))
        connection.pump = asyncio.create_task(self._pump(connection_id, connection), name=f"guest {connection_id}")

    async def remove_websocket_connection(self, connection_id: str) -> None:
        """Ends it, known or not; the socket itself is the program's to close."""
        connection = self._connections.pop(connection_id, None)
        if connection is not None:
            await connection.guest.close()
            if connection.pump is not None and connection.pump is not asyncio.current_task():
                connection.pump.cancel()
                await asyncio.wait([connection.pump])

    async def update_subscription_patterns(self, connection_id: str, patterns: Iterable[str]) -> None:
        """Follows other paths from now on; no pattern is nothing."""
        await self.forward(connection_id, json.dumps({"type": "subscribe", "patterns": list(patterns)}))

    async def forward(self, connection_id: str, text: str) -> None:
        """Gives the instance a message of a connection; its answer goes to the socket."""
        connection = self._connections.get(connection_id)
        if connection is None:
            raise UsageError(f"no connection is named `{connection_id}`", code="usage")
        await connection.guest.send(text)

    async def send(self, connection_id: str, message: Mapping[str, Any]) -> None:
        """Sends the program's own message to a socket."""
        connection = self._connections.get(connection_id)
        if connection is not None:
            await _send(connection.socket, json.dumps(message))

    async def acquire_config_lock(self, config_key: str, user_id: str, timeout: float = 60) -> bool:
        """Whether the key is locked for the user now; see `DistributedConfigLock`."""
        return await self._locks.acquire_lock(config_key, user_id, timeout=timeout)

    async def release_config_lock(self, config_key: str, user_id: str) -> bool:
        """Whether it was, and is no more."""
        return await self._locks.release_lock(config_key, user_id)

    async def broadcast_sync_event(self, event: SyncEvent) -> None:
        """Makes the change that an event tells of, for every instance; other events go to this manager's handlers."""
        if event.event_type in (SyncEventType.CONFIG_CHANGED, SyncEventType.CONFIG_CREATED):
            await self.mesh.set(_key(event), event.new_value, user=event.user_id)
        elif event.event_type is SyncEventType.CONFIG_DELETED:
            await self.mesh.unset(_key(event), user=event.user_id)
        elif event.event_type is SyncEventType.BATCH_UPDATE:
            await self.mesh.merge_patch(event.new_value)
        else:
            await self._tell(event)

    async def detect_and_resolve_conflicts(
        self,
        config_key: str,
        competing_changes: Iterable[Mapping[str, Any]],
        strategy: ConflictResolutionStrategy = ConflictResolutionStrategy.LAST_WRITE_WINS,
    ) -> ConflictInfo:
        """Settles competing changes of a key and writes what they come to, unless somebody has to decide."""
        changes = [dict(change) for change in competing_changes]
        found = await self._resolver.resolve_conflict(config_key, changes, strategy)
        info = ConflictInfo(config_key, changes, strategy, resolution_result=found)
        if len(changes) > 1:
            await self._tell(SyncEvent(SyncEventType.CONFLICT_DETECTED, config_key, metadata=found, source_node=self.node_id))
        if changes and not found.get("requires_human_intervention"):
            await self.mesh.set(config_key, found["resolved_value"])
            info.resolved, info.resolved_at, info.resolved_by = True, _now(), self.node_id
        return info

    async def _heard(self, change: Any) -> None:
        kinds = {"added": SyncEventType.CONFIG_CREATED, "removed": SyncEventType.CONFIG_DELETED}
        kind = kinds.get(change.op, SyncEventType.CONFIG_CHANGED)
        await self._tell(SyncEvent(kind, change.path, change.new, change.old, source_node=self.node_id))

    async def _tell(self, event: SyncEvent) -> None:
        for handler in [*self._handlers.get(event.event_type.value, ()), *self._handlers.get("*", ())]:
            try:
                await called(handler, event)
            except Exception as error:  # noqa: BLE001 - the others hear it all the same
                logger.error("Event handler failed", event_type=event.event_type.value, error=f"{type(error).__name__}: {error}")

    async def _pump(self, connection_id: str, connection: _Connection) -> None:
        """What the instance says, to the socket."""
        try:
            while (text := await connection.guest.receive()) is not None:
                await _send(connection.socket, text)
        except Exception as error:  # noqa: BLE001 - a socket that is gone ends its guest
            logger.debug("A socket is gone", connection_id=connection_id, error=str(error))
        finally:
            if self._connections.get(connection_id) is connection:
                del self._connections[connection_id]
                await connection.guest.close()


def _key(event: SyncEvent) -> str:
    if not event.config_key:
        raise UsageError("the event names no `config_key`", code="usage")
    return event.config_key


async def _send(socket: Any, text: str) -> None:
    await called(getattr(socket, "send_text", None) or socket.send, text)


def _redis(client: Any) -> str:
    pool = getattr(client, "connection_pool", None)
    if pool is None:
        raise UsageError("this is no client of redis-py", code="usage", hint="give one, or `redis={'host': …}`")
    return _url("redis", {**pool.connection_kwargs, "ssl": "SSL" in getattr(pool, "connection_class", object).__name__})


def _url(kind: str, section: Mapping[str, Any]) -> str:
    is_secure = bool(section.get("ssl") or section.get("tls_enabled"))
    host = section.get("host") or section.get("broker_host") or "localhost"
    port = section.get("port") or section.get("broker_port") or {"redis": 6379, "mqtt": 8883 if is_secure else 1883}[kind]
    user, password = quote(str(section.get("username") or ""), safe=""), quote(str(section.get("password") or ""), safe="")
    who = f"{user}:{password}@" if password else f"{user}@" if user else ""
    database = f"/{section['db']}" if kind == "redis" and section.get("db") else ""
    more = "&".join(f"{name}={section[name]}" for name in ("keepalive", "qos") if kind == "mqtt" and name in section)
    return f"{kind}{'s' if is_secure else ''}://{who}{host}:{port}{database}{'?' if more else ''}{more}"


async def create_realtime_sync_manager(
    redis_client: Any = None,
    kafka_bootstrap_servers: Iterable[str] | None = None,
    mqtt_broker_host: str | None = None,
    node_id: str | None = None,
    **sync_config: Any,
) -> RealtimeSyncManager:
    """A manager that runs."""
    if mqtt_broker_host is not None:
        sync_config.setdefault("mqtt", {"broker_host": mqtt_broker_host})
    kafka = {"kafka": {"bootstrap_servers": list(kafka_bootstrap_servers)}} if kafka_bootstrap_servers else {}
    manager = RealtimeSyncManager(redis_client, node_id=node_id, **kafka, **sync_config)
    await manager.initialize()
    return manager


class MonitoredRealtimeSyncManager(RealtimeSyncManager):
    """A manager that counts what it does, in `performance_monitor`."""

    def __init__(self, redis_client: Any = None, **sync_config: Any) -> None:
        super().__init__(redis_client, **sync_config)
        self.performance_monitor = SyncPerformanceMonitor()

    async def broadcast_sync_event(self, event: SyncEvent) -> None:
        """The same, counted and timed."""
        began, is_done = time.perf_counter(), False
        try:
            await super().broadcast_sync_event(event)
            is_done = True
        finally:
            took = time.perf_counter() - began
            self.performance_monitor.record_sync_event(event.event_type.value, took, is_done)

    async def detect_and_resolve_conflicts(
        self,
        config_key: str,
        competing_changes: Iterable[Mapping[str, Any]],
        strategy: ConflictResolutionStrategy = ConflictResolutionStrategy.LAST_WRITE_WINS,
    ) -> ConflictInfo:
        """The same, counted."""
        is_resolved = False
        try:
            found = await super().detect_and_resolve_conflicts(config_key, competing_changes, strategy)
            is_resolved = found.resolved
            return found
        finally:
            self.performance_monitor.record_conflict(is_resolved)

    async def add_websocket_connection(
        self, connection_id: str, websocket: Any, subscription_patterns: Iterable[str] = ("*",)
    ) -> None:
        """The same, counted."""
        await super().add_websocket_connection(connection_id, websocket, subscription_patterns)
        self.performance_monitor.record_connection_change("websocket", 1)

    async def remove_websocket_connection(self, connection_id: str) -> None:
        """The same, counted."""
        is_known = connection_id in self._connections
        await super().remove_websocket_connection(connection_id)
        if is_known:
            self.performance_monitor.record_connection_change("websocket", -1)

    async def acquire_config_lock(self, config_key: str, user_id: str, timeout: float = 60) -> bool:
        """The same, counted; what failed for another reason than somebody's lock counts nowhere."""
        is_held = await super().acquire_config_lock(config_key, user_id, timeout)
        self.performance_monitor.record_lock_operation("acquire", is_held)
        return is_held

    async def release_config_lock(self, config_key: str, user_id: str) -> bool:
        """The same, counted."""
        is_released = await super().release_config_lock(config_key, user_id)
        self.performance_monitor.record_lock_operation("release", is_released)
        return is_released

    def get_performance_metrics(self) -> dict[str, Any]:
        """What `performance_monitor` has counted."""
        return self.performance_monitor.get_current_metrics()


class WebSocketHandler:
    """Serves sockets of any library as guests of a manager's instance: give `handle_connection` to the library.

    A socket has `send` and is iterated (`websockets`), or has `send_text` and `iter_text` (FastAPI, accepted before).
    """

    def __init__(self, sync_manager: RealtimeSyncManager) -> None:
        self.sync_manager = sync_manager
        self.connections: dict[str, Any] = {}

    async def handle_connection(self, websocket: Any, path: str | None = None) -> None:
        """Serves a socket until it ends."""
        connection_id = f"ws_{uuid.uuid4().hex}"
        await self.sync_manager.add_websocket_connection(connection_id, websocket)
        self.connections[connection_id] = websocket
        try:
            iterated = websocket.iter_text() if hasattr(websocket, "iter_text") else websocket
            async for message in iterated:
                await self.handle_message(connection_id, message)
        except Exception as error:  # noqa: BLE001 - every library has its own words for a socket that ended
            logger.debug("A socket ended", connection_id=connection_id, error=f"{type(error).__name__}: {error}")
        finally:
            self.connections.pop(connection_id, None)
            with contextlib.suppress(UsageError):
                await self.sync_manager.remove_websocket_connection(connection_id)

    async def handle_message(self, connection_id: str, message: str | bytes | Mapping[str, Any]) -> None:
        """Gives a message to the instance, which answers it."""
        if isinstance(message, Mapping):
            message = _native.dump(dict(message), "json")
        await self.sync_manager.forward(connection_id, message.decode() if isinstance(message, bytes) else message)

    async def send_message(self, connection_id: str, message: Mapping[str, Any]) -> None:
        """Sends the program's own message to a socket."""
        await self.sync_manager.send(connection_id, message)
