"""Signed requests that bring configurations: `ConfigWebhookServer`, `WebhookConfigManager`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from .. import _native
from .._errors import UsageError
from .._live import Mesh
from ._declared import BaseConfig, plain
from ._loading import get_logger
from ._manager import ConfigManager, called

logger = get_logger("confmesh.compat")

SECRET_VARIABLE = "CONFMESH_WEBHOOK_SECRET"


class ConfigWebhookServer:
    """Listens on this machine for `POST /webhook/config`, signed with `secret` or that in `CONFMESH_WEBHOOK_SECRET`.

    Handlers run on the event loop that started it. The sender hears of one that fails, sends again, and only what failed is
    called again.
    """

    def __init__(self, port: int = 8080, secret: str | None = None) -> None:
        self.port = port
        self._secret = secret
        self._callbacks: list[tuple[str, Callable[[str, Any], object]]] = []
        self._mesh: Mesh | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Starts to listen; `port` is then the one it really is."""
        if self._mesh is not None:
            return
        secret = self._secret or os.environ.get(SECRET_VARIABLE)
        if not secret:
            hint = f"give `secret`, or set {SECRET_VARIABLE}: who may not sign may not write"
            raise UsageError("webhooks need a secret", code="usage", hint=hint)
        self._loop = asyncio.get_running_loop()
        # Nothing is written but by handlers: no path of a document may be.
        mesh = Mesh(
            listen=f"127.0.0.1:{self.port}",
            document="confmesh-compat-webhooks",
            webhook_secrets=[one for one in secret.replace(",", "\n").split("\n") if one.strip()],
            webhook_paths=[],
        )
        await asyncio.to_thread(mesh.start)
        self._mesh = mesh
        self.port = int(mesh.addresses[0].rpartition(":")[2])
        for name, callback in self._callbacks:
            self._register(name, callback)
        print(f"Webhook server listening on port {self.port}")

    async def stop(self) -> None:
        """Ends it: the port is free again."""
        mesh, self._mesh = self._mesh, None
        if mesh is not None:
            await asyncio.to_thread(mesh.close)

    def on_config_update(self, config_name: str, callback: Callable[[str, Any], object]) -> None:
        """Calls `callback(name, data)` for that name, `"*"` for any; before or after `start`."""
        self._callbacks.append((config_name, callback))
        if self._mesh is not None:
            self._register(config_name, callback)

    def _register(self, config_name: str, callback: Callable[[str, Any], object]) -> None:
        assert self._mesh is not None and self._loop is not None
        loop = self._loop

        def heard(name: str, data: Any) -> None:
            try:
                asyncio.run_coroutine_threadsafe(called(callback, name, data), loop).result()
            except Exception as error:
                logger.error("Webhook callback failed", config_name=name, error=f"{type(error).__name__}: {error}")
                raise

        self._mesh.on_webhook(config_name, heard)


class WebhookConfigManager(ConfigManager):
    """A manager that stores what webhooks bring: a merge patch of what is there, or of nothing.

    It becomes an object of the class that is registered under its name, else of `config_class`, else a map.
    """

    def __init__(self, config_class: type[BaseConfig] | None = None) -> None:
        super().__init__()
        self.webhook_server = ConfigWebhookServer()
        self._config_class = config_class
        self._is_listening = False

    async def start_webhook_listener(self) -> None:
        """Starts the server."""
        if not self._is_listening:
            self.webhook_server.on_config_update("*", self._handle_webhook_update)
            self._is_listening = True
        await self.webhook_server.start()

    async def stop(self) -> None:
        """Ends the server; what was stored stays."""
        await self.webhook_server.stop()

    async def _handle_webhook_update(self, config_name: str, config_data: dict[str, Any]) -> None:
        logger.info("Received webhook update", config_name=config_name)
        current = await self.get(config_name)
        document = _native.merge_patch({} if current is None else plain(current), config_data)
        config_class = self.config_class(config_name) or self._config_class
        await self.set(config_name, document if config_class is None else config_class.from_dict(document))
        if current is not None:
            changed = [change.path for change in _native.changes(plain(current), document)]
            logger.info("Configuration changes from webhook", config_name=config_name, changes=changed)
