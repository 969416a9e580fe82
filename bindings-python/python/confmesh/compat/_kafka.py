"""Configuration as events at Kafka: `ConfigEventProducer`, `ConfigEventConsumer`."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import enum
import json
import time
import uuid
import weakref
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from .. import _native
from .._errors import Error, UsageError
from ._loading import get_logger
from ._manager import called

logger = get_logger("confmesh.compat")

GENERAL = "apg-config-general"
TOPICS = {
    "app.database.": "apg-config-database",
    "app.security.": "apg-config-security",
    "app.features.": "apg-config-features",
}
_MECHANISMS = {"PLAIN": "plain", "SCRAM-SHA-256": "scram-256", "SCRAM-SHA-512": "scram-512"}
_SECURITY = (
    "security_protocol",
    "sasl_mechanism",
    "sasl_username",
    "sasl_password",
    "sasl_plain_username",
    "sasl_plain_password",
    "ssl_cafile",
)


def address(bootstrap_servers: str | Iterable[str], section: dict[str, Any]) -> str:
    """The address of a cluster; takes what says how it is spoken to out of the section."""
    servers = bootstrap_servers if isinstance(bootstrap_servers, str) else ",".join(bootstrap_servers)
    given = {name: section.pop(name) for name in _SECURITY if section.get(name) is not None}
    protocol = given.pop("security_protocol", None)
    if protocol not in (None, "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        hint = "they are PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL"
        raise UsageError(f"`{protocol}` is no security protocol of Kafka", code="usage", hint=hint)
    mechanism = given.pop("sasl_mechanism", "PLAIN")
    if mechanism not in _MECHANISMS:
        hint = f"they are {', '.join(_MECHANISMS)}"
        raise UsageError(f"`{mechanism}` is no way to log in at Kafka", code="usage", hint=hint)
    user = given.pop("sasl_username", None) or given.pop("sasl_plain_username", None)
    password = given.pop("sasl_password", None) or given.pop("sasl_plain_password", None)
    if str(protocol).startswith("SASL") and not user:
        raise UsageError(f"`{protocol}` needs a user", code="usage", hint="give `sasl_username` and `sasl_password`")
    options = {}
    if user and str(protocol).startswith("SASL"):
        options["sasl"] = _MECHANISMS[mechanism]
    else:
        user = password = None
    if ca := given.pop("ssl_cafile", None):
        options["ca"] = str(ca)
    if protocol in ("PLAINTEXT", "SASL_PLAINTEXT"):
        options["plain"] = "yes"  # somebody asked for it
    who = f"{quote(str(user), safe='')}:{quote(str(password or ''), safe='')}@" if user else ""
    scheme = "kafka+tls" if str(protocol).endswith("SSL") else "kafka"
    more = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
    return f"{scheme}://{who}{servers}{'?' if more else ''}{more}"


def bus(section: Mapping[str, Any]) -> str:
    """The address of a bus, of the section `kafka` of `RealtimeSyncManager`."""
    rest = dict(section)
    url = address(rest.pop("bootstrap_servers", "localhost:9092"), rest)
    names = {"compression_type": "compression", "batch_size": "batch-bytes", "linger_ms": "linger-ms"}
    for name, option in names.items():
        if (value := rest.pop(name, None)) is not None:
            url += f"{'&' if '?' in url else '?'}{option}={quote(str(value), safe='')}"
    _refuse("kafka", rest, ("bootstrap_servers", *_SECURITY, *names))
    return url


def _refuse(what: str, rest: Mapping[str, Any], known: Iterable[str]) -> None:
    if rest:
        hint = f"it has {', '.join(sorted(known))}"
        raise UsageError(f"`{what}` has no option `{next(iter(rest))}`", code="usage", hint=hint)


def _milliseconds(options: dict[str, Any], name: str, otherwise: float) -> float:
    return float(options.pop(name, otherwise)) / 1000


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"`{type(value).__name__}` is nothing that JSON has")


def _text(value: Any) -> str:
    return str(getattr(value, "value", value)) if value is not None else ""


class ConfigEventProducer:
    """Writes events about configuration to topics, as JSON: `{"config_key": …, "new_value": …, "tenant_id": …}`.

    An event goes to the topic of its key's beginning in `topics`, else to `default_topic`; events of one tenant and key keep
    their order. `security_config` has `security_protocol`, `sasl_mechanism`, `sasl_username`, `sasl_password`, `ssl_cafile`. The
    other options are those of Kafka's producers. `node_id` is who the events come from, where they do not say so themselves.
    """

    def __init__(
        self,
        bootstrap_servers: str | Iterable[str],
        security_config: Mapping[str, Any] | None = None,
        *,
        topics: Mapping[str, str] | None = None,
        default_topic: str = GENERAL,
        node_id: str | None = None,
        make_topics: bool = True,
        **options: Any,
    ) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.security_config = dict(security_config or {})
        self.topics = dict(TOPICS if topics is None else topics)
        self.default_topic = default_topic
        self.node_id = node_id
        self.producer: _native.KafkaWriter | None = None
        rest = {**self.security_config, **options}
        self._url = address(bootstrap_servers, rest)
        acks, idempotent = rest.pop("acks", "all"), rest.pop("enable_idempotence", True)
        if acks not in ("all", -1, 1):
            raise UsageError(f"events are not written with `acks={acks}`", code="usage", hint="it is `all` or 1")
        self._options: dict[str, Any] = {
            "acks_all": acks != 1,
            "idempotent": bool(idempotent) and acks != 1,
            "compression": rest.pop("compression_type", "gzip") or "none",
            "batch_bytes": int(rest.pop("batch_size", 16384)),
            "linger": _milliseconds(rest, "linger_ms", 0),
            "max_request_bytes": int(rest.pop("max_request_size", 10485760)),
            "request_timeout": _milliseconds(rest, "request_timeout_ms", 30000),
            "retry_backoff": _milliseconds(rest, "retry_backoff_ms", 1000),
            "retries": int(rest.pop("retries", 5)),
        }
        known = "acks batch_size compression_type enable_idempotence linger_ms max_request_size request_timeout_ms retries"
        _refuse("ConfigEventProducer", rest, (*_SECURITY, *known.split(), "retry_backoff_ms"))
        self._make_topics = make_topics
        # Whoever sends two events of one key at once gets them in that order.
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def initialize(self) -> None:
        """Connects, and makes the topics that are missing where the user may."""
        if self.producer is not None:
            return
        writer = await asyncio.to_thread(_native.KafkaWriter, self._url, **self._options)
        if self._make_topics:
            try:
                await asyncio.to_thread(writer.make, [*dict.fromkeys([self.default_topic, *self.topics.values()])])
            except Error as error:
                logger.warning("Topics cannot be made, so they have to be there", error=str(error))
        self.producer = writer

    async def send_config_event(self, event_data: Mapping[str, Any], config_key: str | None = None) -> bool:
        """Whether the event is written: all replicas in step have it, once."""
        topic = self.get_topic_for_config(config_key)
        key = self.get_partition_key(config_key, event_data)
        event = dict(event_data)
        if self.node_id is not None:
            event.setdefault("source_node", self.node_id)
        headers = {
            "event_type": _text(event.get("event_type")),
            "tenant_id": _text(event.get("tenant_id")),
            "timestamp": str(int(time.time())),
        }
        try:
            if self.producer is None:
                raise UsageError("it is not connected", code="usage", hint="`await producer.initialize()` first")
            value = json.dumps(event, default=_plain).encode()
            encoded = [(name, text.encode()) for name, text in headers.items()]
            async with self._turns.setdefault(key, asyncio.Lock()):
                write = self.producer.write
                partition, offset = await asyncio.to_thread(write, topic, key.encode(), value, encoded)
        except (Error, TypeError, ValueError) as error:
            logger.error("Failed to send event to Kafka", topic=topic, error=str(error))
            return False
        logger.info("Event sent to Kafka", topic=topic, partition=partition, offset=offset)
        return True

    def get_topic_for_config(self, config_key: str | None) -> str:
        """The topic of a key; may be overridden."""
        for beginning, topic in self.topics.items():
            if config_key and config_key.startswith(beginning):
                return topic
        return self.default_topic

    def get_partition_key(self, config_key: str | None, event_data: Mapping[str, Any]) -> str:
        """What keeps events in order: `tenant:key`; may be overridden."""
        return f"{event_data.get('tenant_id') or 'default'}:{config_key or 'system'}"

    async def close(self) -> None:
        """Ends the connection once all is written."""
        writer, self.producer = self.producer, None
        if writer is not None:
            await asyncio.to_thread(writer.close)


@dataclasses.dataclass(frozen=True)
class KafkaMessage:
    """A record as it was read."""

    topic: str
    partition: int
    offset: int
    key: str | None
    value: Any
    headers: list[tuple[str, bytes]]


class ConfigEventConsumer:
    """Reads events about configuration and gives them to handlers.

    Consumers of one `group_id` share the events between them. Where each is to get all: give each a `node_id` of its own, which
    has a group of its own then, `GROUP.NODE`, that knows where it was when it comes back; or leave `group_id` away, to read from
    now on, of nobody's group. Events whose `source_node` is the `node_id` are its own and left out. What has no handler goes to
    `apply_config_change`, which writes to `mesh` (a `Mesh` or a manager that has one) if there is one. A message that is no event,
    or whose handler fails, is logged and put into `bad_messages` (the last hundred), and the others go on.
    """

    def __init__(
        self,
        bootstrap_servers: str | Iterable[str],
        group_id: str | None = None,
        security_config: Mapping[str, Any] | None = None,
        *,
        node_id: str | None = None,
        topics: Iterable[str] = (GENERAL, *TOPICS.values()),
        mesh: Any = None,
        make_topics: bool = True,
        **options: Any,
    ) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.group_id = f"{group_id}.{node_id}" if group_id and node_id else group_id
        self.security_config = dict(security_config or {})
        self.node_id = node_id or uuid.uuid4().hex
        self.topics = list(topics)
        self.mesh = mesh
        self.consumer: _native.KafkaReader | None = None
        self.event_handlers: dict[str, Callable[..., object]] = {}
        self.bad_messages: collections.deque[tuple[KafkaMessage, str]] = collections.deque(maxlen=100)
        rest = {**self.security_config, **options}
        self._url = address(bootstrap_servers, rest)
        reset = rest.pop("auto_offset_reset", "latest")
        if reset not in ("latest", "earliest"):
            raise UsageError(f"`{reset}` is no place to start at", code="usage", hint="it is `latest` or `earliest`")
        self._commits = bool(rest.pop("enable_auto_commit", True)) and self.group_id is not None
        self._commit_every = _milliseconds(rest, "auto_commit_interval_ms", 1000)
        self._options: dict[str, Any] = {
            "group": self.group_id,
            "from_earliest": reset == "earliest",
            # Here, once what was handed out is dealt with.
            "auto_commit": False,
            "max_records": int(rest.pop("max_poll_records", 100)),
            "session_timeout": _milliseconds(rest, "session_timeout_ms", 30000),
            "heartbeat_interval": _milliseconds(rest, "heartbeat_interval_ms", 10000),
            "make_topics": make_topics,
        }
        known = "auto_offset_reset enable_auto_commit auto_commit_interval_ms max_poll_records session_timeout_ms"
        _refuse("ConfigEventConsumer", rest, (*_SECURITY, *known.split(), "heartbeat_interval_ms"))
        self._waiting: collections.deque[Any] = collections.deque()
        self._reading: asyncio.Future[list[Any]] | None = None
        self._committed = time.monotonic()

    async def initialize(self) -> None:
        """Connects; what is written from now on is read."""
        if self.consumer is not None:
            return
        reader = await asyncio.to_thread(_native.KafkaReader, self._url, self.topics, **self._options)
        deadline = time.monotonic() + self._options["session_timeout"] + 10
        is_assigned = False
        # Once more when it has its part, so that it knows where that ends.
        while True:
            self._waiting.extend(await asyncio.to_thread(reader.read, 0.05))
            if is_assigned or time.monotonic() > deadline:
                break
            is_assigned = await asyncio.to_thread(reader.is_assigned)
        self.consumer = reader

    async def consume_events(self) -> None:
        """Deals with events until it is closed. What ends it otherwise is logged and raised; called again it connects anew."""
        await self.initialize()
        try:
            while (reader := self.consumer) is not None:
                if self._waiting:
                    await self._deal_with(self._waiting.popleft())
                    continue
                await self._commit(reader)
                self._waiting.extend(await self._read(reader))
        except Error as error:
            if self.consumer is None:
                return
            logger.error("Kafka consumer error", error=str(error))
            reader, self.consumer = self.consumer, None
            with contextlib.suppress(Error):
                await asyncio.to_thread(reader.close)
            raise

    async def _read(self, reader: _native.KafkaReader) -> list[Any]:
        # Whoever is cancelled while it waits must not lose what comes meanwhile.
        if self._reading is None:
            self._reading = asyncio.ensure_future(asyncio.to_thread(reader.read, 0.5))
        reading = self._reading
        try:
            found = await asyncio.shield(reading)
        finally:
            if reading.done():
                self._reading = None
        return found

    async def _commit(self, reader: _native.KafkaReader, *, now: bool = False) -> None:
        # What is on its way here counts as handed out already.
        if self._commits and self._reading is None and (now or time.monotonic() - self._committed >= self._commit_every):
            await asyncio.to_thread(reader.commit)
            self._committed = time.monotonic()

    async def _deal_with(self, record: Any) -> None:
        topic, partition, offset, key, value, headers = record
        given = [(name, text or b"") for name, text in headers]
        message = KafkaMessage(topic, partition, offset, key and key.decode(errors="replace"), value, given)
        try:
            event = None if value is None else json.loads(value)
            if not isinstance(event, dict):
                raise TypeError("it is no object")
            message = dataclasses.replace(message, value=event)
            await self.process_event(message)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything, and the others go on
            why = f"{type(error).__name__}: {error}"
            self.bad_messages.append((message, why))
            logger.error("Error processing Kafka message", topic=topic, partition=partition, offset=offset, error=why)

    async def process_event(self, message: Any) -> None:
        """Gives an event to the handler of its type: of the header, or else of the event itself."""
        event = message.value
        headers = {name: text.decode() for name, text in message.headers or [] if text}
        if event.get("source_node") == self.node_id:
            return
        handler = self.event_handlers.get(headers.get("event_type") or event.get("event_type"))
        if handler is not None:
            await called(handler, event, headers)
        else:
            await self.handle_generic_config_event(event, headers)

    def register_handler(self, event_type: Any, handler: Callable[..., object]) -> None:
        """Calls `handler(event, headers)` for events of a type; it may be `async`."""
        self.event_handlers[_text(event_type)] = handler

    async def handle_generic_config_event(self, event_data: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """What becomes of an event without a handler."""
        config_key = event_data.get("config_key")
        if not config_key:
            raise ValueError("it names no `config_key`")
        tenant_id = event_data.get("tenant_id") or headers.get("tenant_id")
        logger.info("Received config event", config_key=config_key, tenant=tenant_id)
        await self.apply_config_change(config_key, event_data.get("new_value"), tenant_id)

    async def apply_config_change(self, config_key: str, new_value: Any, tenant_id: str | None) -> None:
        """Writes a change to `mesh`, below the name of the tenant where there is one; nothing where there is no mesh."""
        if self.mesh is None:
            return
        mesh = getattr(self.mesh, "mesh", self.mesh)
        path = f"{tenant_id}.{config_key}" if tenant_id and tenant_id != "default" else config_key
        await (mesh.unset(path) if new_value is None else mesh.set(path, new_value))

    @property
    def lag(self) -> int:
        """How many events are written and not read."""
        return 0 if self.consumer is None else self.consumer.lag()

    async def close(self) -> None:
        """Commits what was dealt with, and leaves the group."""
        reader, self.consumer = self.consumer, None
        if reader is None:
            return
        reading, self._reading = self._reading, None
        if reading is not None:
            await asyncio.wait([reading])
            if not reading.cancelled() and reading.exception() is None and reading.result():
                self._waiting.extend(reading.result())
        # What waits was handed out, and is to come again.
        if not self._waiting:
            with contextlib.suppress(Error):
                await self._commit(reader, now=True)
        self._waiting.clear()
        with contextlib.suppress(Error):
            await asyncio.to_thread(reader.close)
