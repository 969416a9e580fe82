"""Instances that share a file, as programs of the module `sync` make them, through `confmesh.compat`."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import confmesh
from confmesh import compat
from confmesh.compat import (
    ConfigSyncClient,
    ConfigSyncManager,
    ConfigSyncServer,
    ConfigWatcher,
    SyncMessage,
)


async def _until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.01)


def _holds(path: Path, document: Any) -> bool:
    try:
        return bool(json.loads(path.read_text()) == document)
    except (OSError, ValueError):
        return False


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SYNC_PORT", "SYNC_PEERS", "SYNC_ENABLE_SERVER", "INSTANCE_ID", "LOG_LEVEL"):
        monkeypatch.delenv(f"AICLEANER_{name}", raising=False)


def a_server_and_a_client_share_what_either_of_them_changes() -> None:
    """The integration test that the documentation of `sync` prints, with a free port and an end."""
    told: list[Any] = []

    async def on_config_update(config: Any) -> None:
        told.append(config)

    def broken(config: Any) -> None:
        raise RuntimeError("the callback broke")

    async def program() -> None:
        server_manager = ConfigSyncManager(
            config_path="tmp/server_config.json", config_base_dir="tmp/server", sync_port=0, enable_server=True
        )
        await server_manager.start()
        port = server_manager.get_sync_status()["server_port"]
        client_manager = ConfigSyncManager(
            config_path="tmp/client_config.json",
            config_base_dir="tmp/client",
            peer_urls=[f"ws://localhost:{port}/sync"],
            enable_server=False,
            instance_id="my_instance",
        )
        client_manager.add_config_update_callback(broken)
        client_manager.add_config_update_callback(on_config_update)
        before = client_manager.get_sync_status()
        assert (before["running"], before["peer_count"], before["last_sync_time"]) == (False, 0, 0.0)
        await client_manager.start()
        await client_manager.start()
        here, there = Path("tmp/client_config.json"), Path("tmp/server_config.json")
        there.write_text('{"rate": 1, "zones": {"kitchen": true}}')
        await _until(lambda: _holds(here, {"rate": 1, "zones": {"kitchen": True}}))
        await _until(lambda: told and told[-1] == {"rate": 1, "zones": {"kitchen": True}})
        # Until the instance has seen its own file, which it made a moment ago.
        await _until(lambda: client_manager.mesh.status().wait()["documents"][0]["sources"][0]["state"] == "fresh")
        count = len(told)
        here.write_text('{"rate": 2, "zones": {"kitchen": true, "hall": false}}')
        await _until(lambda: _holds(there, {"rate": 2, "zones": {"kitchen": True, "hall": False}}))
        there.write_text('{"rate": 3, "zones": {"hall": false}}')
        await _until(lambda: told[-1] == {"rate": 3, "zones": {"hall": False}})
        # Once for what came, and not for what was changed here.
        assert len(told) == count + 1
        await _until(lambda: client_manager.get_sync_status()["last_sync_time"] > time.time() - 60)
        status = client_manager.get_sync_status()
        assert status["running"] and status["peer_count"] == 1 and status["server_port"] is None
        assert status["instance_id"] == "my_instance" and status["config_versions"] >= 2
        assert server_manager.get_sync_status()["peer_count"] == 1
        assert await client_manager.force_sync() == 1
        await server_manager.stop()
        await _until(lambda: client_manager.get_sync_status()["peer_count"] == 0)
        assert await client_manager.force_sync() == 0
        await client_manager.stop()
        await client_manager.stop()
        assert not client_manager.get_sync_status()["running"]
        await client_manager.start()
        assert client_manager.mesh["rate"] == 3
        await client_manager.stop()

    asyncio.run(program())


def versions_are_listed_newest_first_and_read_by_name() -> None:
    async def program() -> None:
        manager = compat.create_single_instance_sync(config_path="data/config.json", config_base_dir="data")
        with pytest.raises(confmesh.UsageError, match="not started"):
            manager.config_versioning.list_versions()
        Path("data").mkdir()
        file = Path("data/config.json")
        file.write_text('{"n": 0}')
        await manager.start()
        assert manager.mesh.addresses == [] and manager.get_sync_status()["peer_urls"] == []
        for number in range(1, 13):
            file.write_text(json.dumps({"n": number}))
            await _until(lambda number=number: manager.mesh.get("n") == number)  # type: ignore[misc]
        versioning = manager.config_versioning
        versions = versioning.list_versions()
        assert len(versions) == 10, "as many as the preset keeps"
        assert [version["is_latest"] for version in versions] == [True] + [False] * 9
        assert versions == sorted(versions, key=lambda version: str(version["timestamp"]), reverse=True)
        assert versioning.get_latest_version() == {"n": 12}
        assert versioning.get_version(versions[3]["filename"]) == {"n": 9}
        assert versions[3]["filename"].startswith("config_2") and versions[3]["filename"].endswith(".json")
        for nothing in ("config_20240101120000.json", "../config.json", "/etc/passwd", "nothing"):
            assert versioning.get_version(nothing) is None
        await manager.stop()

    asyncio.run(program())


def a_server_and_a_client_without_files_agree() -> None:
    async def program() -> None:
        server = ConfigSyncServer(port=0, instance_id="server1")
        await server.start()
        client = ConfigSyncClient(f"ws://localhost:{server.port}/sync", "client1")
        await client.start()
        assert server.mesh is not None and client.mesh is not None
        mesh = client.mesh
        await server.mesh.set("n", 1)
        await _until(lambda: mesh.get("n") == 1)
        await client.stop()
        await server.stop()
        await server.stop()
        again = ConfigSyncServer(port=server.port)
        await again.start()
        await again.stop()

    asyncio.run(program())


def a_watched_file_is_told_as_a_map_and_a_broken_one_is_not() -> None:
    told: list[Any] = []

    async def program() -> None:
        file = Path("config.json")
        watcher = ConfigWatcher(file, told.append)
        await watcher.stop_watching()
        await watcher.start_watching()
        file.write_text('{"a": 1, "b": 2}')
        await _until(lambda: told == [{"a": 1, "b": 2}])
        file.write_text('{"a": ')
        await asyncio.sleep(0)
        file.write_text('{"a": 2, "b": 3}')
        await _until(lambda: told[1:] == [{"a": 2, "b": 3}])
        await watcher.stop_watching()

    asyncio.run(program())


def an_addon_listens_and_connects_only_where_its_options_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = compat.create_ha_addon_sync(config_path="data/config.json", config_base_dir="data")
    assert (plain.sync_port, plain.peer_urls, plain.enable_server) == (8765, [], False)
    options = {"sync_port": 8766, "peer_urls": ["ws://127.0.0.1:8765/sync"], "enable_sync_server": True}
    told = compat.create_ha_addon_sync(config_path="data/config.json", config_base_dir="data", addon_options=options)
    assert (told.sync_port, told.peer_urls, told.enable_server) == (8766, ["ws://127.0.0.1:8765/sync"], True)
    developing = compat.create_development_sync(config_path="dev/config.json", config_base_dir="dev")
    assert (developing.sync_port, developing.peer_urls, developing.enable_server) == (8765, [], True)
    # Variables beat options, arguments beat variables.
    for name, value in {
        "SYNC_PORT": "9000",
        "SYNC_PEERS": "ws://localhost:1/sync,wss://b.example/sync",
        "SYNC_ENABLE_SERVER": "true",
        "INSTANCE_ID": "instance_001",
    }.items():
        monkeypatch.setenv(f"AICLEANER_{name}", value)
    varied = compat.create_ha_addon_sync("data/config.json", "data", options)
    assert (varied.sync_port, varied.instance_id, varied.enable_server) == (9000, "instance_001", True)
    assert varied.peer_urls == ["ws://localhost:1/sync", "wss://b.example/sync"]
    assert compat.create_sync_manager_from_config("a.json", "a", "development", {"sync_port": 2}, sync_port=3).sync_port == 3
    assert not compat.create_single_instance_sync("a.json", "a").enable_server
    monkeypatch.setenv("AICLEANER_SYNC_PORT", "many")
    with pytest.raises(confmesh.InputError, match="sync_port"):
        compat.create_ha_addon_sync("data/config.json", "data")


def options_as_text_are_read_and_wrong_ones_named() -> None:
    assert compat.validate_sync_config({"sync_port": "8765", "peer_urls": "ws://a:1/sync,wss://b/sync", "enable_sync_server": "true"}) == []
    cases: list[tuple[dict[str, object], str]] = [
        ({"sync_port": 0}, "sync_port"),
        ({"sync_port": 65536}, "sync_port"),
        ({"sync_port": "many"}, "sync_port"),
        ({"peer_urls": 3}, "peer_urls"),
        ({"peer_urls": ["http://a"]}, "peer_urls"),
        ({"enable_sync_server": "perhaps"}, "enable_sync_server"),
        ({"enable_sync_server": 3}, "enable_sync_server"),
        ({"syncport": 3}, "syncport"),
        ({"rate_limit_requests_per_minute": 0}, "rate_limit_requests_per_minute"),
    ]
    for options, named in cases:
        wrong = compat.validate_sync_config(options)
        assert len(wrong) == 1 and named in wrong[0], (options, wrong)
    with pytest.raises(confmesh.InputError, match="is no way to run"):
        compat.create_sync_manager_from_config("a.json", "a", "staging")
    with pytest.raises(confmesh.InputError, match="show a token"):
        compat.create_sync_manager_from_config("a.json", "a", "production")


def another_machine_without_tls_is_refused_before_it_is_dialled() -> None:
    async def program() -> None:
        manager = compat.create_ha_addon_sync("c.json", "c", {"peer_urls": ["ws://192.168.1.100:8765/sync"]})
        with pytest.raises(confmesh.UsageError, match="without TLS"):
            await manager.start()
        assert not manager.get_sync_status()["running"]

    asyncio.run(program())


def a_message_reads_what_it_knows_and_checks_its_hash() -> None:
    message = SyncMessage.of("config_update", "one", {"b": 1, "a": 2})
    other = {**json.loads(message.to_json()), "config_data": {"a": 2, "b": 1}, "unknown": 1}
    assert SyncMessage.from_json(json.dumps(other)) == message
    assert SyncMessage("heartbeat", 1.0, "one", "").conflict_resolution == "last_write_wins"
    with pytest.raises(confmesh.UsageError, match="hash"):
        SyncMessage.from_json(json.dumps({**other, "config_data": {}}))
    with pytest.raises(confmesh.UsageError, match="no `timestamp`"):
        SyncMessage.from_json('{"type": "heartbeat"}')


def the_level_of_the_log_is_set_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("confmesh")
    before = logger.level
    try:
        compat.setup_sync_logging("DEBUG")
        assert logger.level == logging.DEBUG
        monkeypatch.setenv("AICLEANER_LOG_LEVEL", "warning")
        compat.setup_sync_logging()
        assert logger.level == logging.WARNING
        with pytest.raises(confmesh.InputError, match="is no level"):
            compat.setup_sync_logging("LOUD")
    finally:
        logger.setLevel(before)
