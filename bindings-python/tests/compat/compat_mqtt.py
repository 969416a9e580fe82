"""Values over MQTT, by the names that programs before confmesh use, at a real Mosquitto."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

import confmesh
from confmesh.compat import MQTTConfigPublisher, MQTTConfigSubscriber

T = TypeVar("T")
PATIENCE = 30.0


class Broker:
    """A Mosquitto of its own, whose messages `mosquitto_sub` shows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        (folder / "m.conf").write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\n")
        self.start()

    def start(self) -> None:
        path = f"{os.environ['PATH']}:/usr/sbin"
        program = shutil.which("mosquitto", path=path)
        assert program, "the brokers are there: scripts/install-brokers.sh installs them"
        self.process = subprocess.Popen([program, "-c", str(self.folder / "m.conf")], stderr=subprocess.DEVNULL)
        wait_for(self.answers)

    def answers(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def retained(self, topic: str) -> list[str]:
        command = ["mosquitto_sub", "-p", str(self.port), "-t", topic, "--retained-only", "-W", "1"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()

    def publish(self, topic: str, message: str) -> None:
        subprocess.run(["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t", topic, "-m", message], check=True)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    started = Broker(tmp_path)
    yield started
    started.stop()


def wait_for(found: Callable[[], T]) -> T:
    end = time.monotonic() + PATIENCE
    while not (value := found()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


async def reached(*clients: Any) -> None:
    await asyncio.to_thread(lambda: [wait_for(lambda: client.client.connected) for client in clients])


def the_printed_program_publishes_and_hears(broker: Broker) -> None:
    heard: list[tuple[str, Any, str]] = []

    async def handle_database_config_change(key: str, value: Any, tenant: str, metadata: dict[str, Any]) -> None:
        assert metadata["publisher_id"].startswith("apg_config_pub_") and metadata["config_key"] == key
        assert metadata["timestamp"]
        heard.append((key, value, tenant))

    def handle_feature_flag_change(key: str, value: Any, tenant: str, _: dict[str, Any]) -> None:
        heard.append((key, value, tenant))

    class Subscriber(MQTTConfigSubscriber):
        async def default_config_handler(self, config_key: str, new_value: Any, tenant_id: str) -> None:
            heard.append((f"default {config_key}", new_value, tenant_id))

    async def program() -> None:
        publisher = MQTTConfigPublisher("127.0.0.1", broker.port)
        await publisher.initialize()
        subscriber = Subscriber("127.0.0.1", broker.port)
        await subscriber.initialize()
        subscriber.register_handler("app.database.host", handle_database_config_change)
        subscriber.register_handler("app.features.*", handle_feature_flag_change)
        listening = asyncio.create_task(
            subscriber.subscribe_to_configs(["app.database.*", "app.features.*", "app.sec*"])
        )
        await reached(publisher, subscriber)
        await asyncio.to_thread(lambda: wait_for(lambda: len(subscriber.subscriptions) == 3))
        await asyncio.sleep(0)
        ready = MQTTConfigPublisher("127.0.0.1", broker.port)
        await ready.initialize()
        while not heard:
            # Subscribing has no answer that a program sees.
            await ready.publish_config_change("app.features.ready", True)
            await asyncio.sleep(0.05)
        heard.clear()
        broker.publish("apg/config/global/app/features/bad", "rubbish")
        broker.publish("apg/config/global/app/features/50%", '{"new_value": 1}')
        await publisher.publish_config_change("app.database.host", "new-db-server.internal", "company-tenant")
        await publisher.publish_config_change("app.database.pool.size", 5)
        await publisher.publish_config_change("app.features.dark/mode", True)
        await publisher.publish_config_change("app.server", "not subscribed to")
        await publisher.publish_config_change("app.secured", None)
        last = ("default app.secured", None, "global")
        await asyncio.to_thread(lambda: wait_for(lambda: last in heard))
        assert [item for item in heard if item[0] != "app.features.ready"] == [
            ("app.database.host", "new-db-server.internal", "company-tenant"),
            ("default app.database.pool.size", 5, "global"),
            ("app.features.dark/mode", True, "global"),
            last,
        ]
        assert not broker.retained("apg/config/company-tenant/#"), "unless it is asked for"
        for client in (publisher, subscriber, ready):
            await client.close()
        await asyncio.wait_for(listening, PATIENCE)

    asyncio.run(program())


def the_broker_says_whether_a_publisher_is_there_also_after_it_was_killed(broker: Broker) -> None:
    async def program() -> None:
        publisher = MQTTConfigPublisher("127.0.0.1", broker.port, "me", retain=True)
        await publisher.initialize()
        await publisher.publish_config_change("a.b", 1)
        assert json.loads(broker.retained("apg/config/global/a/b")[0])["new_value"] == 1
        assert broker.retained("apg/config/status/me") == ["online"]
        # It comes back by itself, and is there again.
        broker.stop()
        broker.start()
        await publisher.publish_config_change("a.b", 2)
        assert broker.retained("apg/config/status/me") == ["online"]
        await publisher.close()
        assert broker.retained("apg/config/status/me") == ["offline"]
        with pytest.raises(confmesh.UsageError, match="no connection"):
            await publisher.publish_config_change("a.b", 3)

    asyncio.run(program())
    code = (
        "import asyncio, sys\n"
        "from confmesh.compat import MQTTConfigPublisher\n"
        f"p = MQTTConfigPublisher('127.0.0.1', {broker.port}, 'killed')\n"
        "async def program():\n"
        "    await p.initialize()\n"
        "    await p.publish_config_change('a', 1)\n"
        "    print('there', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(program())\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "there\n"
    assert broker.retained("apg/config/status/killed") == ["online"]
    other.send_signal(signal.SIGKILL)
    other.wait()
    wait_for(lambda: broker.retained("apg/config/status/killed") == ["offline"])


def topics_and_patterns_are_those_of_the_broker() -> None:
    publisher, subscriber = MQTTConfigPublisher("m"), MQTTConfigSubscriber("m", 8883, "mine", username="ann", keepalive=5)
    assert publisher.build_topic("app.database.host", "company-tenant") == "apg/config/company-tenant/app/database/host"
    assert publisher.build_topic("app.a+b", None) == "apg/config/global/app/a%2Bb"
    assert publisher.build_topic("x", "status") == "apg/config/%73tatus/x"
    assert subscriber.pattern_to_mqtt_topic("app.database.*") == "apg/config/+/app/database/#"
    assert subscriber.pattern_to_mqtt_topic("app.feat*") == "apg/config/+/app/#"
    assert subscriber._url == "mqtts://ann@m:8883?keepalive=5" and subscriber.client_id == "mine"
    assert publisher._url == "mqtt://m:1883?keepalive=60"
    names = {MQTTConfigPublisher("m").client_id for _ in range(100)}
    assert len(names) == 100, "each its own"
    with pytest.raises(confmesh.UsageError, match="no option `colour`"):
        MQTTConfigPublisher("m", colour="red")
    with pytest.raises(confmesh.InputError):
        publisher.build_topic("a..b", None)
    with pytest.raises(confmesh.InputError):
        subscriber.register_handler("a..b", print)


def a_message_may_be_handed_over_as_an_object_and_a_bad_one_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[tuple[Any, ...]] = []
    subscriber = MQTTConfigSubscriber("m")
    subscriber.register_handler("a.*", lambda *told: heard.append(told))

    async def program() -> None:
        message = {"new_value": 1, "publisher_id": "x"}
        await subscriber.handle_message(SimpleNamespace(topic="apg/config/t/a/b", payload=json.dumps(message).encode()))
        for bad in (b"rubbish", b"[]", b'{"value": 1}', b"\xff"):
            await subscriber.handle_message("apg/config/t/a/b", bad)
        await subscriber.handle_message("apg/config/status/me", b"online")
        subscriber.register_handler("a.c", lambda *_: 1 / 0)
        await subscriber.handle_message("apg/config/t/a/c", b'{"new_value": 1}')

    asyncio.run(program())
    assert heard == [("a.b", 1, "t", {"new_value": 1, "publisher_id": "x"})]
    assert sum("Error processing MQTT message" in record.message for record in caplog.records) == 5
