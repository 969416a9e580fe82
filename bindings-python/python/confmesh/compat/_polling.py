"""Managers that ask loaders again and again. The schedule, and what a failure costs, are those of polled sources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from .. import _native
from .._errors import Error
from .._live import Config
from .._live import open as open_config
from ._declared import BaseConfig, plain
from ._loading import get_logger
from ._manager import ConfigManager, called

logger = get_logger("confmesh.compat")

Changes = dict[str, tuple[Any, Any]]


class PollingConfigManager(ConfigManager):
    """A manager that polls: `poll_interval` seconds after an answer the loader is asked again, later after a failure.

    A loader is plain or `async`, and gives a configuration, a map, or a pair of one of them (or None) and whether it changed.
    Programs may override `_poll_loop`, `_apply_config_update` and `_notify_callbacks`.
    """

    def __init__(self, poll_interval: float = 60.0) -> None:
        super().__init__()
        self.poll_interval = poll_interval
        self._polling_tasks: dict[str, asyncio.Task[None]] = {}
        self._update_callbacks: dict[str, list[Callable[[Any, Changes], object]]] = {}
        self._polled: dict[str, Config] = {}
        self._failure_counts: dict[str, int] = {}
        self._rejected: dict[str, Any] = {}

    async def start_polling(self, config_name: str, loader_func: Callable[[], Any]) -> None:
        """Begins to poll a configuration; one that is polled already goes on as it was, with a warning."""
        running = self._polling_tasks.get(config_name)
        if running is not None and not running.done():
            logger.warning(f"Already polling {config_name}")
            return
        logger.info("Starting configuration polling", config_name=config_name, interval=self.poll_interval)
        task = asyncio.create_task(self._poll_loop(config_name, loader_func), name=f"polling {config_name}")
        task.add_done_callback(_say_why)
        self._polling_tasks[config_name] = task

    async def stop_polling(self, config_name: str) -> None:
        """Ends it; what was stored stays."""
        task = self._polling_tasks.pop(config_name, None)
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        logger.info("Stopped configuration polling", config_name=config_name)

    def on_update(self, config_name: str, callback: Callable[[Any, Changes], object]) -> None:
        """Calls `callback(new, {field: (old, new)})` after each update but the first; it may be `async`."""
        self._update_callbacks.setdefault(config_name, []).append(callback)

    async def _poll_loop(self, config_name: str, loader_func: Callable[[], Any]) -> None:
        poll = _Poll(self, config_name, loader_func)
        config = await asyncio.to_thread(poll.open)
        self._polled[config_name] = config
        try:
            with config.subscribe("*") as changes:
                if poll.has_answered:
                    await poll.take(config.to_dict())
                async for _ in changes:
                    await poll.take(config.to_dict())
        finally:
            self._polled.pop(config_name, None)
            poll.end()
            await asyncio.shield(asyncio.to_thread(config.close))

    async def _take(self, config_name: str, answer: Any) -> bool:
        """Whether an answer is in force now."""
        current = await self.get(config_name)
        if current is not None and plain(current) == plain(answer):
            return True
        if not await self._apply_config_update(config_name, answer):
            return False
        new = await self.get(config_name)
        if current is None:
            logger.info("Initial configuration loaded", config_name=config_name)
            return True
        changes = _differences(current, new)
        logger.info("Configuration updated", config_name=config_name, changes_count=len(changes))
        await self._notify_callbacks(config_name, new, changes)
        return True

    async def _apply_config_update(self, config_name: str, new_config: Any) -> bool:
        """Stores an update; False where it is refused, and the configuration stays as it was."""
        try:
            await self.set(config_name, new_config)
        except Error as error:
            # Said once of each, however often it comes.
            if self._rejected.get(config_name) != plain(new_config):
                logger.warning("Rejecting invalid configuration update", config_name=config_name, error=str(error))
            self._rejected[config_name] = plain(new_config)
            return False
        self._rejected.pop(config_name, None)
        return True

    async def _notify_callbacks(self, config_name: str, new_config: Any, changes: Changes) -> None:
        for callback in list(self._update_callbacks.get(config_name, ())):
            try:
                await called(callback, new_config, changes)
            except Exception as error:  # noqa: BLE001 - the others hear it all the same
                logger.error("Update callback failed", config_name=config_name, error=f"{type(error).__name__}: {error}")

    def _options(self) -> dict[str, Any]:
        """What the source of a poll is told besides its loader."""
        return {"interval": _milliseconds(self.poll_interval)}

    def _failed(self, config_name: str, count: int, error: BaseException) -> None:
        """Called on the loop when a loader raised, `count` times in a row."""
        logger.error("Polling error", config_name=config_name, error=f"{type(error).__name__}: {error}")


class _Poll:
    """A loader of the program as a polled source, which is asked on the event loop that began to poll."""

    def __init__(self, manager: PollingConfigManager, name: str, loader: Callable[[], Any]) -> None:
        self._manager = manager
        self._name = name
        self._loader = loader
        self._loop = asyncio.get_running_loop()
        self._asked: Any = None
        self._is_over = False
        self._latest: dict[str, Any] | None = None
        self._class: type[BaseConfig] | None = None
        self._taking = asyncio.Lock()
        self._owed: dict[str, Any] | None = None
        self._retry: asyncio.Task[None] | None = None
        self.has_answered = False

    def open(self) -> Config:
        source = {"source": self.load, "name": self._name, "optional": True, **self._manager._options()}
        return open_config(sources=source, watch=False)

    def load(self) -> dict[str, Any]:
        """Runs on a thread of the source."""
        if self._is_over or self._loop.is_closed():
            raise RuntimeError("the polling has ended")
        self._asked = asyncio.run_coroutine_threadsafe(self._ask(), self._loop)
        return dict(self._asked.result())

    async def _ask(self) -> dict[str, Any]:
        counts = self._manager._failure_counts
        try:
            document = self._document(await called(self._loader))
        except Exception as error:
            counts[self._name] = counts.get(self._name, 0) + 1
            self._manager._failed(self._name, counts[self._name], error)
            raise
        counts[self._name] = 0
        if self._owed is not None and self._owed == document and (self._retry is None or self._retry.done()):
            self._retry = self._loop.create_task(self.take(document))
        return document

    def _document(self, answer: Any) -> dict[str, Any]:
        if isinstance(answer, tuple):
            answer, has_changed = answer
            if not has_changed or answer is None:
                # The one before, which may not be in force yet: then it is tried again.
                return self._latest or {}
        if isinstance(answer, BaseConfig):
            self._class = type(answer)
        elif not isinstance(answer, Mapping):
            message = f"a loader gives a configuration or a map, not a `{type(answer).__name__}`"
            raise TypeError(message)
        self._latest = plain(answer)
        self.has_answered = True
        return self._latest

    async def take(self, document: dict[str, Any]) -> None:
        """Has the manager take what is in force here; what it refuses it is asked again, as long as the loader gives it."""
        async with self._taking:
            answer = document if self._class is None else self._class.from_dict(document)
            is_taken = self._is_over or await self._manager._take(self._name, answer)
            self._owed = None if is_taken else document

    def end(self) -> None:
        self._is_over = True
        if self._retry is not None:
            self._retry.cancel()
        if self._asked is not None:
            self._asked.cancel()


def _say_why(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error(f"{task.get_name()} ended: start it again", error=f"{type(error).__name__}: {error}")


def _differences(old: Any, new: Any) -> Changes:
    if isinstance(old, BaseConfig) and type(old) is type(new):
        return old.diff(new)
    return {change.path: (change.old, change.new) for change in _native.changes(plain(old), plain(new))}


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


class EtagPollingManager(PollingConfigManager):
    """A manager for loaders that tell whether anything changed, as `EtagHTTPLoader.load_if_changed` does.

    Maps become objects of the class that is registered under the name, or of `config_class`.
    """

    def __init__(self, poll_interval: float = 60.0, config_class: type[BaseConfig] | None = None) -> None:
        super().__init__(poll_interval)
        self._config_class = config_class

    async def set(self, name: str, config: Any) -> None:
        """Stores a configuration under a name; a map as an object of the class."""
        if isinstance(config, Mapping) and self.config_class(name) is None and self._config_class is not None:
            config = self._config_class.from_dict(config)
        await super().set(name, config)


class AdaptivePollingManager(PollingConfigManager):
    """A manager that asks more often what changes often, and seldom what does not: from `min_interval` up to `max_interval`.

    `base_interval` is what `current_interval` says of what is not polled.
    """

    def __init__(self, base_interval: float = 60.0, min_interval: float = 10.0, max_interval: float = 300.0) -> None:
        super().__init__(base_interval)
        self.min_interval = min_interval
        self.max_interval = max_interval

    def current_interval(self, config_name: str) -> float:
        """How many seconds lie between two polls now."""
        config = self._polled.get(config_name)
        if config is None:
            return self.poll_interval
        interval = config.status()["documents"][0]["sources"][0].get("interval_ms")
        return self.poll_interval if interval is None else interval / 1000

    def _options(self) -> dict[str, Any]:
        return {"adaptive": f"{_milliseconds(self.min_interval)}..{_milliseconds(self.max_interval)}"}


class ResilientPollingManager(PollingConfigManager):
    """A manager that says so when a loader has failed `max_failures` times in a row: the last configuration stays in use."""

    def __init__(self, poll_interval: float = 60.0, *, max_failures: int = 5) -> None:
        super().__init__(poll_interval)
        self.max_failures = max_failures

    def _failed(self, config_name: str, count: int, error: BaseException) -> None:
        super()._failed(config_name, count, error)
        if count == self.max_failures:
            logger.error("Too many polling failures, using cached config", config_name=config_name)


class RateLimitedPollingManager(PollingConfigManager):
    """A manager that takes so many updates a minute: of more the newest, when there is room."""

    def __init__(self, poll_interval: float = 60.0, *, max_updates_per_minute: int = 10) -> None:
        super().__init__(poll_interval)
        self.max_updates_per_minute = max_updates_per_minute

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "max-updates-per-minute": self.max_updates_per_minute}
