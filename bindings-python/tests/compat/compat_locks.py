"""Locks on keys, through `confmesh.compat`."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timezone

import pytest

import confmesh
from confmesh import compat
from confmesh.compat import DistributedConfigLock, MonitoredRealtimeSyncManager, RealtimeSyncManager


async def _until_released(lock: DistributedConfigLock, key: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while await lock.get_lock_info(key) is not None:
        assert time.monotonic() < deadline, "it never ended"
        await asyncio.sleep(0.02)


def a_lock_belongs_to_one_object_and_one_user() -> None:
    async def program() -> None:
        manager = await compat.create_realtime_sync_manager()
        mine, other = DistributedConfigLock(manager), DistributedConfigLock(manager.mesh, default_timeout=60)
        assert await mine.acquire_lock("app.db.host", "ann", metadata={"why": "moving"})
        assert not await mine.acquire_lock("app.db.host", "bob")
        assert not await other.acquire_lock("app.db.host", "ann"), "another object of the same user"
        assert await mine.acquire_lock("app.db.host", "ann", timeout=120), "extended"
        info = await mine.get_lock_info("app.db.host")
        assert info is not None and (info["user_id"], info["metadata"]) == ("ann", {"why": "moving"})
        left = datetime.fromisoformat(info["expires_at"]) - datetime.now(timezone.utc)
        assert 100 < left.total_seconds() <= 121
        # Writes of others are refused meanwhile, and those with the token are not.
        with pytest.raises(confmesh.ConflictError, match="locked by `ann`"):
            await manager.mesh.set("app.db.host", "x")
        await manager.mesh.set("app.db.host", "y", fence=info["fence"])
        assert not await mine.release_lock("app.db.host", "bob") and not await other.release_lock("app.db.host", "ann")
        assert await mine.release_lock("app.db.host", "ann") and not await mine.release_lock("app.db.host", "ann")
        assert await mine.get_lock_info("app.db.host") is None
        assert await mine.acquire_lock("x", "anonymous") and not await mine.acquire_lock("x", "anonymous")
        await mine.close()
        await _until_released(other, "x")
        with pytest.raises(confmesh.UsageError, match="ttl_ms"):
            await mine.acquire_lock("x", "ann", timeout=0)
        await manager.close()

    asyncio.run(program())


def tenants_have_locks_of_their_own_and_an_operator_takes_any() -> None:
    async def program() -> None:
        first = RealtimeSyncManager()
        await first.initialize()
        second = RealtimeSyncManager(peers=[f"ws://{first.mesh.addresses[0]}/sync"])
        await second.initialize()
        here, there = DistributedConfigLock(first), DistributedConfigLock(second)
        assert await here.acquire_lock("limit", "ann", "a:b") and await here.acquire_lock("limit", "bob", "a.b")
        assert await here.acquire_lock("limit", "cid")
        assert [lock["user_id"] for lock in await here.list_active_locks("a:b")] == ["ann"]
        locks = await here.list_active_locks()
        assert len({lock["lock_key"] for lock in locks}) == len(locks) == 3
        deadline = time.monotonic() + 20
        while True:
            try:
                assert not await there.acquire_lock("limit", "cid"), "it is held on another instance"
                break
            except confmesh.Error as error:
                assert error.code == "not_ready" and time.monotonic() < deadline, error
                await asyncio.sleep(0.05)
        assert await there.force_release_lock("limit", "root", reason="he went home")
        assert not await there.force_release_lock("limit", "root")
        await _until_released(here, "limit")
        assert not await here.release_lock("limit", "cid")
        assert await there.acquire_lock("limit", "dan")
        await there.close()
        await second.close()
        await first.close()

    asyncio.run(program())


def a_lock_is_renewed_while_its_holder_lives_and_no_longer() -> None:
    async def program() -> None:
        manager = await compat.create_realtime_sync_manager()
        mine, other = DistributedConfigLock(manager), DistributedConfigLock(manager)
        assert await mine.acquire_lock("job", "ann", timeout=1)
        began = time.monotonic()
        while time.monotonic() < began + 2.5:
            assert not await other.acquire_lock("job", "bob", timeout=1)
            await asyncio.sleep(0.1)
        # As if its program had ended.
        for held in mine._held.values():
            assert held.renewing is not None
            held.renewing.cancel()
        await _until_released(other, "job")
        assert await other.acquire_lock("job", "bob", timeout=1)
        assert not await mine.release_lock("job", "ann")
        await other.close()
        await manager.close()

    asyncio.run(program())


def a_manager_locks_and_counts_it() -> None:
    async def program() -> None:
        manager = MonitoredRealtimeSyncManager()
        await manager.initialize()
        assert await manager.acquire_config_lock("a", "ann")
        assert not await manager.acquire_config_lock("a", "bob", timeout=60)
        assert await manager.release_config_lock("a", "ann")
        assert not await manager.release_config_lock("a", "ann")
        statistics = manager.get_performance_metrics()["lock_statistics"]
        assert statistics == {"acquired": 1, "released": 1, "contentions": 1, "contention_rate": 50.0}
        await manager.close()

    asyncio.run(program())
    with pytest.raises(confmesh.UsageError, match="granted by an instance"):
        DistributedConfigLock("redis://localhost")
