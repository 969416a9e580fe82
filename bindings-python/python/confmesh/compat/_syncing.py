"""Instances that share a file: `ConfigSyncManager`, its server, client, watcher and versions."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import _native
from .._errors import NotFoundError, UsageError
from .._following import Subscription
from .._live import Config, Mesh
from .._live import open as open_config
from .._operations import Version
from ._loading import get_logger
from ._manager import called

logger = get_logger("confmesh.compat")


@dataclasses.dataclass
class SyncMessage:
    """What instances told each other before: `config_update`, `config_request`, `config_response` or `heartbeat`.

    Guests still speak it with an instance; instances among themselves say more.
    """

    type: str
    timestamp: float
    instance_id: str
    config_hash: str
    config_data: dict[str, Any] | None = None
    conflict_resolution: str = "last_write_wins"

    @classmethod
    def of(cls, type: str, instance_id: str, config_data: dict[str, Any] | None = None) -> SyncMessage:
        """A message of now, with the hash of its configuration."""
        return cls(type, time.time(), instance_id, _native.hash(config_data or {}), config_data)

    def to_json(self) -> str:
        """The message as text."""
        return _native.dump(dataclasses.asdict(self), "json")

    @classmethod
    def from_json(cls, text: str) -> SyncMessage:
        """Reads a message: fields that it does not know are left out, and a wrong hash is an error."""
        found = _native.parse(text, "json", source="message")
        names = [field.name for field in dataclasses.fields(cls)]
        missing = [name for name in names[:4] if not isinstance(found, Mapping) or name not in found]
        if missing:
            raise UsageError(f"the message has no `{missing[0]}`", code="message")
        message = cls(**{name: found[name] for name in names if name in found})
        if message.config_data is not None and message.config_hash != _native.hash(message.config_data):
            raise UsageError("the message's hash is not that of its configuration", code="message")
        return message


class ConfigVersioning:
    """The versions of what a manager shares, while it runs."""

    def __init__(self, manager: ConfigSyncManager) -> None:
        self._manager = manager

    def list_versions(self) -> list[dict[str, Any]]:
        """The newest first, each with `filename`, `timestamp`, `is_latest`, and what else `confmesh history` tells."""
        versions = self._manager.mesh.versions().wait()
        return [{**version, "filename": version["name"], "is_latest": at == 0} for at, version in enumerate(versions)]

    def get_latest_version(self) -> dict[str, Any] | None:
        """What was shared after the newest version; None where there is none. Secrets are masked."""
        newest = self._manager.mesh.versions(limit=1).wait()
        return self.get_version(newest[0]["name"]) if newest else None

    def get_version(self, filename: str) -> dict[str, Any] | None:
        """What was shared after a version, by its `filename` or number; None where there is no such version."""
        try:
            return self._manager.mesh.show_version(filename).wait()["document"]
        except NotFoundError:
            return None
        except UsageError:
            # A name of something else, which leads nowhere.
            return None


class ConfigSyncManager:
    """Shares a file with other instances: what changes in one is in all of them a moment later, also in memory.

    `config_base_dir` keeps what survives a restart, and is made where it is missing. With `enable_server` others reach it at
    `ws://127.0.0.1:sync_port/sync`; without, it reaches those of `peer_urls`. Other machines need TLS: see `confmesh.Mesh`,
    whose options `options` are.
    """

    def __init__(
        self,
        config_path: str | os.PathLike[str],
        config_base_dir: str | os.PathLike[str],
        sync_port: int = 8765,
        peer_urls: Iterable[str] = (),
        enable_server: bool = False,
        instance_id: str | None = None,
        **options: Any,
    ) -> None:
        self.config_path = Path(config_path)
        self.config_base_dir = Path(config_base_dir)
        self.sync_port = sync_port
        self.peer_urls = list(peer_urls)
        self.enable_server = enable_server
        self.instance_id = instance_id
        self.config_versioning = ConfigVersioning(self)
        self._options = options
        self._callbacks: list[Callable[[dict[str, Any]], object]] = []
        self._mesh: Mesh | None = None
        self._changes: Subscription | None = None
        self._told = 0
        self._last_sync_time = 0.0

    @property
    def mesh(self) -> Mesh:
        """The running instance."""
        if self._mesh is None:
            raise UsageError("the manager is not started", code="usage", hint="`await manager.start()` first")
        return self._mesh

    async def start(self) -> None:
        """Starts; a second time it does nothing, and after `stop` it starts again."""
        if self._mesh is not None:
            return
        listen = [f"127.0.0.1:{self.sync_port}"] if self.enable_server else []
        store = self.config_base_dir / ".confmesh"
        mesh = Mesh(bind=self.config_path, data_dir=store, listen=listen, peers=self.peer_urls, **self._options)

        def begin() -> None:
            self.config_path.parent.mkdir(parents=True, exist_ok=True)
            self.config_base_dir.mkdir(parents=True, exist_ok=True)
            mesh.start()

        await asyncio.to_thread(begin)
        self._mesh = mesh
        newest = await mesh.versions(limit=1)
        self._told = newest[0]["id"] if newest else 0
        self._changes = mesh.subscribe("*", self._heard)
        logger.info("Configuration synchronization started", config_path=str(self.config_path), peers=len(self.peer_urls))

    async def stop(self) -> None:
        """Ends it; what is on the disk stays."""
        mesh, self._mesh = self._mesh, None
        if mesh is not None:
            await asyncio.to_thread(mesh.close)
            logger.info("Configuration synchronization stopped", config_path=str(self.config_path))

    async def force_sync(self) -> int:
        """Compares with every connected instance now, and says how many they are; one that is away stops nobody."""
        return await self.mesh.force_sync()

    def add_config_update_callback(self, callback: Callable[[dict[str, Any]], object]) -> None:
        """Calls `callback(config)` with the whole configuration after each update that another instance made.

        It may be `async`, and runs on the event loop of `start`.
        """
        self._callbacks.append(callback)

    def get_sync_status(self) -> dict[str, Any]:
        """How it goes: `running`, `peer_count` (those connected), `last_sync_time` (seconds since 1970, 0 before the first)…"""
        status = None if self._mesh is None else self._mesh.status().wait()
        connected = [] if status is None else [peer for peer in status["peers"] if peer["state"] == "connected"]
        if status is not None and any(peer.get("link") == "in_step" for peer in connected):
            self._last_sync_time = time.time() - status.get("out_of_step_ms", 0) / 1000
        own = None if status is None else status["instance_id"]
        return {
            "running": status is not None,
            "instance_id": self.instance_id or own,
            "server_enabled": self.enable_server,
            "server_port": self._port() if self.enable_server else None,
            "peer_count": len(connected),
            "peer_urls": list(self.peer_urls),
            "last_sync_time": self._last_sync_time,
            "config_versions": 0 if self._mesh is None else len(self._mesh.versions().wait()),
            "status": None if status is None else status["health"]["status"],
        }

    def _port(self) -> int:
        addresses = [] if self._mesh is None else self._mesh.addresses
        return int(addresses[0].rpartition(":")[2]) if addresses else self.sync_port

    async def _heard(self, _: Any) -> None:
        """One change, of perhaps many that came at once: each version is told once."""
        mesh = self._mesh
        if mesh is None:
            return
        newer = [version for version in await mesh.versions(limit=100) if version["id"] > self._told]
        if not newer:
            return
        self._told = newer[0]["id"]
        if not any(_is_from_elsewhere(version) for version in newer):
            return
        config = mesh.to_dict()
        for callback in list(self._callbacks):
            try:
                await called(callback, dict(config))
            except Exception as error:  # noqa: BLE001 - the others hear it all the same
                logger.error("Configuration callback failed", error=f"{type(error).__name__}: {error}")


def _is_from_elsewhere(version: Version) -> bool:
    return version["cause"] == "peer"


class ConfigSyncServer:
    """An instance that listens on this machine and keeps nothing: `mesh` is it, while it runs."""

    def __init__(self, port: int = 8765, instance_id: str | None = None) -> None:
        self.port = port
        self.instance_id = instance_id
        self.mesh: Mesh | None = None

    async def start(self) -> None:
        """Starts to listen; `port` is then the one it really is."""
        if self.mesh is None:
            mesh = Mesh(listen=f"127.0.0.1:{self.port}")
            await asyncio.to_thread(mesh.start)
            self.mesh = mesh
            self.port = int(mesh.addresses[0].rpartition(":")[2])

    async def stop(self) -> None:
        """Ends it: the port is free again."""
        mesh, self.mesh = self.mesh, None
        if mesh is not None:
            await asyncio.to_thread(mesh.close)


class ConfigSyncClient:
    """An instance that connects to another one, again and again until it is stopped: `mesh` is it, while it runs."""

    def __init__(self, url: str, instance_id: str | None = None) -> None:
        self.url = url
        self.instance_id = instance_id
        self.mesh: Mesh | None = None

    async def start(self) -> None:
        """Begins to connect, in the background."""
        if self.mesh is None:
            mesh = Mesh(peers=[self.url])
            await asyncio.to_thread(mesh.start)
            self.mesh = mesh

    async def stop(self) -> None:
        """Ends it."""
        mesh, self.mesh = self.mesh, None
        if mesh is not None:
            await asyncio.to_thread(mesh.close)


class ConfigWatcher:
    """Calls `callback(config)` when a file holds something else; a file that breaks counts for nothing until it is mended."""

    def __init__(self, config_path: str | os.PathLike[str], callback: Callable[[dict[str, Any]], object]) -> None:
        self.config_path = Path(config_path)
        self.callback = callback
        self._config: Config | None = None
        self._told = 0

    async def start_watching(self) -> None:
        """Starts to follow the file, which may be missing; callbacks run on the event loop of this call."""
        if self._config is not None:
            return
        source = {"source": "file:" + str(self.config_path).replace(";", "\\;"), "optional": True}
        self._config = await asyncio.to_thread(lambda: open_config(sources=source))
        self._told = self._config.revision
        self._config.subscribe("*", self._heard)

    async def stop_watching(self) -> None:
        """Ends it: no call begins any more."""
        config, self._config = self._config, None
        if config is not None:
            await asyncio.to_thread(config.close)

    async def _heard(self, _: Any) -> None:
        if self._config is None:
            return
        revision, document = self._config.snapshot()
        if revision > self._told:
            self._told = revision
            await called(self.callback, document)
