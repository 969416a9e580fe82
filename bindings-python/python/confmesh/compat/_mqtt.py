"""Values for programs that are no instances, over MQTT: published, and heard by patterns."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from .. import _native
from .._errors import Error, UsageError
from ._loading import get_logger

logger = get_logger(__name__)

PREFIX = "apg/config"
_TRIES = 3
"""How often a message is published that may not have arrived; each wait is twice the one before."""
_REMEMBERED = 1024
"""How many messages are known again."""

Handler = Callable[[str, Any, str, dict[str, Any]], object]


def _address(host: str, port: int, options: dict[str, Any]) -> str:
    is_secure = bool(options.pop("tls", port == 8883))
    user, password = options.pop("username", None), options.pop("password", None)
    who = "" if user is None and password is None else quote(str(user or ""), safe="")
    who += "" if password is None else f":{quote(str(password), safe='')}"
    names = {"ca": "ca", "keepalive": "keepalive", "plain": "plain", "password_file": "password-file"}
    more = {"keepalive": 60, **options}
    if unknown := set(more) - set(names):
        raise UsageError(
            f"there is no option `{sorted(unknown)[0]}`",
            code="usage",
            hint="there are `username`, `password`, `password_file`, `tls`, `ca`, `keepalive` and `plain=True`",
        )
    said = [f"{names[name]}={quote('yes' if value is True else str(value), safe='')}" for name, value in more.items()]
    return f"mqtt{'s' if is_secure else ''}://{who + '@' if who else ''}{host}:{port}?{'&'.join(said)}"


class _Client:
    def __init__(self, broker_host: str, broker_port: int, client_id: str | None, kind: str, options: dict[str, Any]) -> None:
        self.broker_host = broker_host
        self.broker_port = broker_port
        self.client_id = client_id or f"apg_config_{kind}_{uuid.uuid4().hex}"
        self.client: _native.Broker | None = None
        self._url = _address(broker_host, broker_port, options)

    def _running(self) -> _native.Broker:
        if self.client is None:
            raise UsageError("there is no connection to the broker", code="usage", hint="`await initialize()` first")
        return self.client

    async def close(self) -> None:
        """Says goodbye, and ends the connection."""
        client, self.client = self.client, None
        if client is not None:
            await asyncio.to_thread(client.close)


class MQTTConfigPublisher(_Client):
    """Publishes values. The broker says at `apg/config/status/<client_id>` whether it is there.

    `options` are `username`, `password`, `password_file`, `tls` (where the port is 8883), `ca`, `keepalive` (60), and `plain=True`
    for a broker on another machine without TLS; `retain=True`: the broker keeps each value for those who come later.
    """

    def __init__(
        self, broker_host: str, broker_port: int = 1883, client_id: str | None = None, *, retain: bool = False, **options: Any
    ) -> None:
        super().__init__(broker_host, broker_port, client_id, "pub", options)
        self.retain = retain

    async def initialize(self) -> None:
        """Begins to connect, and stays connected."""
        if self.client is None:
            status = f"{PREFIX}/status/{self.client_id}"
            self.client = await asyncio.to_thread(_native.Broker, self._url, client_id=self.client_id, status=status)

    async def publish_config_change(self, config_key: str, new_value: Any, tenant_id: str | None = None) -> None:
        """Publishes a value, and waits until it is at the broker."""
        client, topic = self._running(), self.build_topic(config_key, tenant_id)
        payload = {
            "config_key": config_key,
            "new_value": new_value,
            "timestamp": datetime.now(timezone.utc).isoformat(),
            "publisher_id": self.client_id,
        }
        message = json.dumps(payload).encode()
        for attempt in range(_TRIES):
            try:
                await asyncio.to_thread(client.publish, topic, message, qos=1, retain=self.retain)
                return
            except Error as error:
                # Twice the same value is once.
                if error.code != "unreachable" or attempt + 1 == _TRIES:
                    raise
                await asyncio.sleep(0.5 * 2**attempt)

    def build_topic(self, config_key: str, tenant_id: str | None) -> str:
        """`apg/config/<tenant or global>/app/database/host`; what means something to a broker is written as `%` and two digits."""
        return _native.value_topic(PREFIX, tenant_id, config_key)


class MQTTConfigSubscriber(_Client):
    """Hears values by patterns, of every tenant. `options` are those of `MQTTConfigPublisher`."""

    def __init__(self, broker_host: str, broker_port: int = 1883, client_id: str | None = None, **options: Any) -> None:
        super().__init__(broker_host, broker_port, client_id, "sub", options)
        self.subscriptions: list[str] = []
        self.message_handlers: dict[str, Handler] = {}
        self._patterns: list[str] = []
        self._recent: dict[tuple[str, ...], None] = {}

    async def initialize(self) -> None:
        """Begins to connect, and stays connected."""
        if self.client is None:
            self.client = await asyncio.to_thread(_native.Broker, self._url, client_id=self.client_id)

    async def subscribe_to_configs(self, patterns: Iterable[str]) -> None:
        """Listens to patterns, and hands on what is heard, until it is cancelled or closed."""
        client = self._running()
        for pattern in patterns:
            topic = self.pattern_to_mqtt_topic(pattern)
            self._patterns.append(pattern)
            await asyncio.to_thread(client.subscribe, topic)
            self.subscriptions.append(topic)
        while self.client is client:
            with contextlib.suppress(Error):
                heard = await asyncio.to_thread(client.next, 0.5)
                if heard is not None:
                    await self.handle_message(*heard[:2])

    def pattern_to_mqtt_topic(self, pattern: str) -> str:
        """`app.database.*` to `apg/config/+/app/database/#`. A filter may hear more than its pattern matches, which is left out."""
        _native.matches(pattern, "")
        return _native.value_filter(PREFIX, pattern)

    async def handle_message(self, topic: Any, payload: bytes | None = None) -> None:
        """Reads a message, a topic and bytes or an object that has both, and hands it on; what is wrong with it is logged."""
        if payload is None:
            topic, payload = str(topic.topic), topic.payload
        try:
            place = _native.value_place(PREFIX, str(topic))
            if place is None or not payload:
                return
            tenant_id, config_key = place
            if self._patterns and not any(_native.matches(pattern, config_key) for pattern in self._patterns):
                return
            message = json.loads(payload)
            if not isinstance(message, dict) or "new_value" not in message:
                raise ValueError("`new_value` is missing")
            if self._is_repeated(config_key, tenant_id or "", message):
                return
            await self.process_config_update(config_key, message["new_value"], tenant_id or "global", message)
        except Exception as error:
            logger.error(f"Error processing MQTT message: {error}")

    def _is_repeated(self, config_key: str, tenant_id: str, message: dict[str, Any]) -> bool:
        """A broker says what several filters match once for each, and may say anything twice."""
        if "timestamp" not in message:
            return False
        name = (config_key, tenant_id, str(message["timestamp"]), str(message.get("publisher_id")))
        if name in self._recent:
            return True
        self._recent[name] = None
        if len(self._recent) > _REMEMBERED:
            del self._recent[next(iter(self._recent))]
        return False

    async def process_config_update(
        self, config_key: str, new_value: Any, tenant_id: str, metadata: dict[str, Any]
    ) -> None:
        """Calls the handler of the key, else those whose patterns match, else `default_config_handler`."""
        logger.debug("MQTT config update", config_key=config_key, tenant=tenant_id)
        exact = self.message_handlers.get(config_key)
        matching = [
            handler for pattern, handler in self.message_handlers.items() if _native.matches(pattern, config_key)
        ]
        handlers = [exact] if exact is not None else matching
        for handler in handlers:
            outcome = handler(config_key, new_value, tenant_id, metadata)
            if inspect.isawaitable(outcome):
                await outcome
        if not handlers:
            await self.default_config_handler(config_key, new_value, tenant_id)

    def register_handler(self, config_key: str, handler: Handler) -> None:
        """Calls `handler(key, value, tenant, metadata)` for a key or a pattern; it may be `async`."""
        _native.matches(config_key, "")
        self.message_handlers[config_key] = handler

    async def default_config_handler(self, config_key: str, new_value: Any, tenant_id: str) -> None:
        """What is done where no handler is: nothing; for subclasses."""
