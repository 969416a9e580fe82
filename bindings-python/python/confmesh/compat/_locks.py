"""Locks on configuration keys: `DistributedConfigLock`, over the locks of an instance."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from .. import _native
from .._errors import ConflictError, Error, NotFoundError, UsageError
from .._live import Mesh
from ._loading import get_logger

logger = get_logger("confmesh.compat")

_ANYBODY = "anonymous"


@dataclasses.dataclass
class _Held:
    token: str
    session: str
    ttl_ms: int
    acquired_at: datetime
    metadata: dict[str, Any]
    renewing: asyncio.Task[None] | None = None


class DistributedConfigLock:
    """Locks keys of an instance's document, for users: `instance` is a `Mesh`, or a manager that runs one.

    A lock belongs to this object and the user; another object, also on another instance, is refused, whatever it calls itself. It is
    renewed while this object's event loop runs, and ends by itself soon after. Of a tenant the keys are below its name.
    Writes of others are refused meanwhile; write with the `fence` of `get_lock_info`.
    """

    def __init__(self, instance: Any, default_timeout: float = 300) -> None:
        if not isinstance(instance, Mesh) and not hasattr(type(instance), "mesh"):
            hint = "give a `Mesh`, `RealtimeSyncManager` or `ConfigSyncManager`; its instances may meet at that Redis"
            raise UsageError(f"locks are granted by an instance, not by a `{type(instance).__name__}`", code="usage", hint=hint)
        self._instance = instance
        self.default_timeout = default_timeout
        self._held: dict[tuple[str, str], _Held] = {}

    @property
    def _mesh(self) -> Mesh:
        mesh: Mesh = self._instance if isinstance(self._instance, Mesh) else self._instance.mesh
        return mesh

    async def acquire_lock(
        self,
        config_key: str,
        user_id: str,
        tenant_id: str | None = None,
        timeout: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> bool:
        """Whether the lock is held now, for `timeout` seconds after it was renewed last.

        Once more for the same user it is renewed for as long; `anonymous` may be anybody, and is refused.
        """
        key, ttl_ms = _pattern(config_key, tenant_id), round((self.default_timeout if timeout is None else timeout) * 1000)
        held = self._held.get((key, user_id))
        if held is not None:
            if user_id == _ANYBODY:
                return False
            if await self._renew(key, user_id, held, ttl_ms):
                held.ttl_ms = ttl_ms
                held.metadata = dict(metadata) if metadata is not None else held.metadata
                return True
        try:
            lock = await self._mesh.lock(key, ttl_ms=ttl_ms, holder=user_id)
        except ConflictError as error:
            if error.code != "locked":
                raise
            logger.warning(f"Failed to acquire lock for {config_key} by {user_id}", error=error.message)
            return False
        held = _Held(lock["token"], lock["session"], ttl_ms, datetime.now(timezone.utc), dict(metadata or {}))
        self._held[key, user_id] = held
        held.renewing = asyncio.create_task(self._keep(key, user_id, held), name=f"lock {key}")
        logger.info(f"Lock acquired for {config_key} by {user_id}")
        return True

    async def release_lock(self, config_key: str, user_id: str, tenant_id: str | None = None) -> bool:
        """Whether it was held by this object for the user, and is no more."""
        key = _pattern(config_key, tenant_id)
        held = self._forget(key, user_id)
        if held is None:
            return False
        try:
            await self._mesh.release_lock(key, held.token, held.session)
        except (NotFoundError, ConflictError):
            return False
        logger.info(f"Lock released for {config_key} by {user_id}")
        return True

    async def get_lock_info(self, config_key: str, tenant_id: str | None = None) -> dict[str, Any] | None:
        """Who holds the lock of a key, until when, and its `fence`; None where nobody does."""
        key = _pattern(config_key, tenant_id)
        found = [lock for lock in (await self._mesh.locks())["locks"] if lock["key"] == key]
        return self._info(found[0], config_key, tenant_id) if found else None

    async def list_active_locks(self, tenant_id: str | None = None) -> list[dict[str, Any]]:
        """The locks of a tenant, or all where none is named, each with its `lock_key`."""
        below = "" if _is_global(tenant_id) else f"{_segment(str(tenant_id))}."
        found = []
        for lock in (await self._mesh.locks())["locks"]:
            if lock["key"].startswith(below):
                name = lock["key"].removeprefix(below)
                tenant = "global" if _is_global(tenant_id) else str(tenant_id)
                lock_key = f"config_lock:{json.dumps(tenant)[1:-1].replace(':', '%3A')}:{name}"
                found.append({**self._info(lock, name, tenant_id), "lock_key": lock_key})
        return found

    async def force_release_lock(
        self, config_key: str, admin_user_id: str, tenant_id: str | None = None, reason: str = "Administrative override"
    ) -> bool:
        """Takes a lock from whoever holds it, wherever that is; the instance writes down who did, and why."""
        key = _pattern(config_key, tenant_id)
        try:
            taken = await self._mesh.force_release_lock(key, f"{admin_user_id}: {reason}")
        except NotFoundError:
            return False
        for known, user in list(self._held):
            if known == key:
                self._forget(known, user)
        logger.warning(f"Lock forcibly released for {config_key} by admin {admin_user_id}. Reason: {reason}. Holder: {taken['holder']}")
        return True

    async def close(self) -> None:
        """Gives every lock back that this object holds."""
        for key, user in list(self._held):
            held = self._forget(key, user)
            if held is not None:
                try:
                    await self._mesh.release_lock(key, held.token, held.session)
                except Error as error:
                    logger.debug("A lock had ended", key=key, error=str(error))

    def _info(self, lock: Mapping[str, Any], config_key: str, tenant_id: str | None) -> dict[str, Any]:
        held = next((held for held in self._held.values() if held.token == lock["token"]), None)
        ends = datetime.now(timezone.utc) + timedelta(milliseconds=lock["expires_in_ms"])
        return {
            "config_key": config_key,
            "user_id": lock["holder"],
            "tenant_id": tenant_id,
            "acquired_at": None if held is None else held.acquired_at.isoformat(),
            "expires_at": ends.isoformat(),
            "heartbeat_interval": None if held is None else held.ttl_ms / 3000,
            "metadata": {} if held is None else dict(held.metadata),
            "fence": int(lock["token"]),
        }

    def _forget(self, key: str, user_id: str) -> _Held | None:
        held = self._held.pop((key, user_id), None)
        if held is not None and held.renewing is not None and held.renewing is not asyncio.current_task():
            held.renewing.cancel()
        return held

    async def _renew(self, key: str, user_id: str, held: _Held, ttl_ms: int) -> bool:
        try:
            await self._mesh.renew_lock(key, held.token, held.session, ttl_ms=ttl_ms)
        except Error as error:
            if error.code in ("not_ready", "busy", "unreachable"):
                return False
            logger.warning("A lock has ended", key=key, user_id=user_id, error=error.message)
            self._forget(key, user_id)
            return False
        return True

    async def _keep(self, key: str, user_id: str, held: _Held) -> None:
        while self._held.get((key, user_id)) is held:
            await asyncio.sleep(held.ttl_ms / 3000)
            if self._held.get((key, user_id)) is held:
                await self._renew(key, user_id, held, held.ttl_ms)


def _is_global(tenant_id: str | None) -> bool:
    return tenant_id is None or tenant_id in ("", "default")


def _segment(text: str) -> str:
    """One segment of a path, whatever is in it."""
    return _native.parse_path("/" + text.replace("~", "~0").replace("/", "~1"))["dotted"]


def _pattern(config_key: str, tenant_id: str | None) -> str:
    return config_key if _is_global(tenant_id) else f"{_segment(str(tenant_id))}.{config_key}"
