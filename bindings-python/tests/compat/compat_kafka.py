"""Events about configuration at a real Kafka, and instances that meet there, through `confmesh.compat`."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

import confmesh
from confmesh.compat import ConfigEventConsumer, ConfigEventProducer, RealtimeSyncManager

RUN = Path(__file__).parents[3] / "scripts" / "run-kafka.sh"
PROGRAM = Path(__file__).parent / "programs" / "events.py"


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class _Kafka:
    """A broker of its own; it ends with its input."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.controller = folder, _free(), _free()
        self.servers = f"127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [str(RUN), str(self.folder), str(self.port), str(self.controller)]
        self.log = self.folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while "Kafka Server started" not in self.log.read_text():
            assert time.monotonic() < deadline and self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        said = self.log.read_text()
        os.kill(int(said.split("broker ", 1)[1].split("\n", 1)[0]), signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)

    def make(self, topic: str, partitions: int) -> None:
        admin = AdminClient({"bootstrap.servers": self.servers})
        for made in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
            made.result(30)

    def compression(self, topic: str) -> int:
        """As the first batch on the disk says; 1 is gzip, 3 LZ4."""
        (file,) = (self.folder / "kafka" / f"{topic}-0").glob("*.log")
        return int.from_bytes(file.read_bytes()[21:23], "big") & 7


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Kafka]:
    folder = tmp_path_factory.mktemp("kafka")
    kafka = _Kafka(folder)
    yield kafka
    kafka.stop()
    shutil.rmtree(folder)


async def _until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)


def _topics() -> dict[str, Any]:
    """Topics that no other test has."""
    name = uuid.uuid4().hex
    return {"topics": {"app.database.": f"database-{name}"}, "default_topic": f"general-{name}"}


@contextlib.asynccontextmanager
async def _consuming(consumer: ConfigEventConsumer) -> AsyncIterator[ConfigEventConsumer]:
    await consumer.initialize()
    task = asyncio.create_task(consumer.consume_events())
    try:
        yield consumer
    finally:
        await consumer.close()
        await task


def _by_others(servers: str, topic: str, count: int) -> list[Any]:
    """What another library reads, without a group."""
    other = Consumer({"bootstrap.servers": servers, "group.id": "unused", "enable.auto.commit": False})
    partitions = other.list_topics(topic, 30).topics[topic].partitions
    other.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    found: list[Any] = []
    deadline = time.monotonic() + 30
    while len(found) < count and time.monotonic() < deadline:
        found += other.consume(count, 0.5)
    other.close()
    assert len(found) == count and not any(message.error() for message in found)
    return found


def the_printed_program_sends_and_hears_events(kafka: _Kafka) -> None:
    tree = ast.parse(PROGRAM.read_text())
    tree.body = [node for node in tree.body if getattr(node, "name", "") not in ("ConfigEventProducer", "ConfigEventConsumer")]
    ours = "import logging\nlogging.basicConfig(level=logging.INFO)\nfrom confmesh.compat import *\n"
    program = ours + ast.unparse(tree)
    environment = {**os.environ, "SERVERS": kafka.servers}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    said = ran.stdout.splitlines()
    assert [line for line in said if line.startswith("sent")] == [
        "sent to apg-config-database: True",
        "sent to apg-config-security: True",
        "sent to apg-config-features: True",
        "sent to apg-config-general: True",
    ]
    assert sorted(line for line in said if line.startswith("applied")) == [
        "applied app.database.pool.size = 20 of acme",
        "applied app.features.dark = False of acme",
        "applied app.security.mfa = True of acme",
        "applied ui = new of acme",
    ]
    assert said[-1] == "rollback of acme to 7"
    assert "Event sent to Kafka topic=apg-config-database partition=0 offset=0" in ran.stderr, ran.stderr


def what_a_producer_writes_is_read_by_any_client(kafka: _Kafka) -> None:
    routes = _topics()
    topic = routes["topics"]["app.database."]
    kafka.make(topic, 3)

    async def write() -> None:
        producer = ConfigEventProducer(kafka.servers, **routes, linger_ms=1, batch_size=1000)
        await producer.initialize()
        event = {"event_type": "config_changed", "tenant_id": "acme", "new_value": "grün"}
        sent = [producer.send_config_event({**event, "n": n}, "app.database.url") for n in range(20)]
        sent += [producer.send_config_event({"n": n}, f"app.database.k{n}") for n in range(20)]
        sent += [producer.send_config_event({"event_type": None, "tenant_id": None, "n": n}) for n in range(3)]
        assert all(await asyncio.gather(*sent))
        assert not await producer.send_config_event({"new_value": object()}), "JSON has no such thing"
        await producer.close()
        assert not await producer.send_config_event({"n": 0}), "it is closed"

    before = int(time.time())
    asyncio.run(write())
    found = _by_others(kafka.servers, topic, 40)
    of_one = [message for message in found if message.key() == b"acme:app.database.url"]
    assert [json.loads(message.value())["n"] for message in of_one] == list(range(20)), "in the order of sending"
    assert len({message.partition() for message in of_one}) == 1
    assert len({message.partition() for message in found}) > 1, "other keys go elsewhere"
    assert json.loads(of_one[0].value()) == {"event_type": "config_changed", "tenant_id": "acme", "new_value": "grün", "n": 0}
    headers = dict(of_one[0].headers())
    assert (headers["event_type"], headers["tenant_id"]) == (b"config_changed", b"acme")
    assert before <= int(headers["timestamp"]) <= int(time.time())
    (one, *_) = _by_others(kafka.servers, routes["default_topic"], 3)
    assert one.key() == b"default:system" and dict(one.headers())["event_type"] == b""
    assert kafka.compression(routes["default_topic"]) == 1


def a_broker_that_is_away_makes_a_send_false_and_one_that_comes_back_gets_each_event_once(tmp_path: Path) -> None:
    kafka = _Kafka(tmp_path)
    routes = _topics()

    async def through_a_crash() -> tuple[list[bool], bool]:
        producer = ConfigEventProducer(kafka.servers, **routes, request_timeout_ms=5000, retries=60, retry_backoff_ms=250)
        impatient = ConfigEventProducer(kafka.servers, **routes, request_timeout_ms=500, retries=0)
        await producer.initialize()
        await impatient.initialize()
        first = await producer.send_config_event({"n": 0}, "limit")
        kafka.kill()
        refused = await impatient.send_config_event({"n": "never"}, "limit")
        rest = [asyncio.create_task(producer.send_config_event({"n": n}, "limit")) for n in range(1, 10)]
        await asyncio.to_thread(kafka.start)
        sent = [first, *(await asyncio.gather(*rest))]
        await producer.close()
        with contextlib.suppress(confmesh.Error):
            await impatient.close()
        return sent, refused

    sent, refused = asyncio.run(through_a_crash())
    assert sent == [True] * 10 and refused is False
    found = _by_others(kafka.servers, routes["default_topic"], 10)
    assert [json.loads(message.value())["n"] for message in found] == list(range(10))
    kafka.stop()


def handlers_are_found_by_header_first_and_bad_messages_are_set_aside(
    kafka: _Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    routes = _topics()
    topic = routes["default_topic"]
    kafka.make(topic, 1)
    heard: list[tuple[str, Any]] = []

    async def consume() -> None:
        consumer = ConfigEventConsumer(kafka.servers, f"g-{topic}", node_id="node-1", topics=[topic], max_poll_records=2)

        def broken(event: dict[str, Any], _: dict[str, str]) -> None:
            raise RuntimeError(f"cannot take {event['n']}")

        async def changed(event: dict[str, Any], headers: dict[str, str]) -> None:
            heard.append((headers.get("event_type", "none"), event["n"]))

        consumer.register_handler("broken", broken)
        consumer.register_handler("changed", changed)
        other = Producer({"bootstrap.servers": kafka.servers})
        async with _consuming(consumer):
            def say(value: bytes | None, **headers: bytes) -> None:
                other.produce(topic, value, headers=list(headers.items()))

            say(b'{"n": 0, "event_type": "broken"}', event_type=b"changed")
            say(b'{"n": 1, "event_type": "changed"}', event_type=b"")
            say(b'{"n": 2, "event_type": "changed", "source_node": "node-1"}')
            say(b"no json")
            say(b"\xff\xfe")
            say(b"[]")
            say(None)
            say(b'{"n": 3, "event_type": "broken"}')
            say(b'{"n": 4}')
            say(b'{"n": 5, "event_type": "changed"}')
            other.flush(30)
            await _until(lambda: len(heard) == 3)
            await _until(lambda: consumer.lag == 0)
        why = [reason for _, reason in consumer.bad_messages]
        assert len(why) == 6 and why[4] == "RuntimeError: cannot take 3" and "config_key" in why[5], why
        assert consumer.bad_messages[0][0].offset == 3

    with caplog.at_level(logging.ERROR):
        asyncio.run(consume())
    assert heard == [("changed", 0), ("none", 1), ("none", 5)]
    assert caplog.text.count("Error processing Kafka message") == 6


def nodes_with_groups_of_their_own_get_every_event_also_what_came_while_they_were_away(kafka: _Kafka) -> None:
    routes = _topics()
    topic = routes["default_topic"]
    heard: dict[str, list[int]] = {"a": [], "b": [], "free": []}

    def node(name: str) -> ConfigEventConsumer:
        options: dict[str, Any] = {"session_timeout_ms": 6000, "heartbeat_interval_ms": 500, "auto_commit_interval_ms": 100}
        group = None if name == "free" else f"g-{topic}"
        consumer = ConfigEventConsumer(kafka.servers, group, node_id=name, topics=[topic], **options)
        consumer.register_handler("n", lambda event, _: heard[name].append(event["n"]))
        return consumer

    async def all_of_it() -> None:
        producer = ConfigEventProducer(kafka.servers, **routes, node_id="p")
        await producer.initialize()

        async def say(n: int) -> bool:
            return await producer.send_config_event({"event_type": "n", "n": n}, "limit")

        async with _consuming(node("a")), _consuming(node("free")):
            async with _consuming(node("b")):
                await asyncio.gather(*(say(n) for n in range(5)))
                await _until(lambda: all(len(numbers) == 5 for numbers in heard.values()))
            await say(5)
            await _until(lambda: len(heard["a"]) == 6 and len(heard["free"]) == 6)
        async with _consuming(node("b")):
            await _until(lambda: len(heard["b"]) == 6)
        await producer.close()

    asyncio.run(all_of_it())
    assert all(numbers == list(range(6)) for numbers in heard.values()), heard


def a_change_without_a_handler_is_written_to_the_instance(kafka: _Kafka) -> None:
    routes = _topics()

    async def apply() -> None:
        with confmesh.Mesh() as mesh:
            topics = [routes["default_topic"]]
            async with _consuming(ConfigEventConsumer(kafka.servers, None, topics=topics, mesh=mesh)):
                producer = ConfigEventProducer(kafka.servers, **routes)
                await producer.initialize()
                for tenant, value in (("acme", 7), (None, 8)):
                    event = {"event_type": "config_changed", "config_key": "limit", "new_value": value, "tenant_id": tenant}
                    assert await producer.send_config_event(event, "limit")
                await _until(lambda: mesh.get("acme.limit") == 7 and mesh.get("limit") == 8)
                assert await producer.send_config_event({"config_key": "limit", "new_value": None}, "limit")
                await _until(lambda: mesh.get("limit", None) is None)
                await producer.close()

    asyncio.run(apply())


def managers_meet_at_kafka_with_the_options_of_their_section(kafka: _Kafka) -> None:
    section = {
        "bootstrap_servers": [kafka.servers, f"127.0.0.1:{kafka.port}"],
        "security_protocol": "PLAINTEXT",
        "compression_type": "gzip",
        "batch_size": 1000,
        "linger_ms": 10,
    }

    async def meet() -> None:
        one, other = RealtimeSyncManager(kafka=section), RealtimeSyncManager(kafka=section)
        await one.initialize()
        await other.initialize()
        await one.mesh.set("limit", 7)
        await _until(lambda: other.mesh.get("limit", None) == 7)
        await one.close()
        await other.close()

    asyncio.run(meet())
    assert kafka.compression("confmesh.default") == 1


def options_that_kafka_does_not_have_are_refused_by_name() -> None:
    for options, words in (
        ({"security_config": {"security_protocol": "TLS"}}, "`TLS` is no security protocol"),
        ({"security_config": {"security_protocol": "SASL_SSL"}}, "`SASL_SSL` needs a user"),
        ({"security_config": {"sasl_mechanism": "GSSAPI"}}, "`GSSAPI` is no way to log in"),
        ({"security_config": {"ssl_context": object()}}, "no option `ssl_context`"),
        ({"acks": 0}, "`acks=0`"),
        ({"colour": "red"}, "no option `colour`"),
    ):
        with pytest.raises(confmesh.UsageError) as caught:
            ConfigEventProducer("127.0.0.1:1", **options)
        assert words in str(caught.value), caught.value
    with pytest.raises(confmesh.UsageError, match="no place to start at"):
        ConfigEventConsumer("127.0.0.1:1", "g", auto_offset_reset="middle")
    with pytest.raises(confmesh.UsageError, match="no option `colour`"):
        RealtimeSyncManager(kafka={"colour": "red"})
    secret = {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "ann", "sasl_password": "hunter2"}
    producer = ConfigEventProducer("127.0.0.1:1", secret, request_timeout_ms=500)
    with pytest.raises(confmesh.Error) as failed:
        asyncio.run(producer.initialize())
    assert "127.0.0.1:1" in str(failed.value) and "hunter2" not in str(failed.value)
