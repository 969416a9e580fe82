"""Files and variables that are followed: `Observer` and its handlers, `EnvironmentWatcher`."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import os
import threading
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _native
from .._errors import Error, UsageError
from .._live import Config, watch_variables
from .._live import open as open_config
from .._log import logger
from .._variables import VariableWatch

if TYPE_CHECKING:
    from .._native import Feed

_LOOK_FOR_FILES = "500ms"
"""How often a folder is searched for files that are new; those that are known are followed by the events of the system."""


@dataclasses.dataclass(frozen=True)
class FileSystemEvent:
    """What happened to a file: `modified`, `created` or `deleted`."""

    event_type: str
    src_path: str
    dest_path: str = ""
    is_directory: bool = False


class FileSystemEventHandler:
    """What an `Observer` calls; override what you want to hear. A `modified` file has new content that has settled."""

    def dispatch(self, event: FileSystemEvent) -> None:
        """Calls `on_any_event`, and the method for the event."""
        self.on_any_event(event)
        getattr(self, f"on_{event.event_type}")(event)

    def _wanted(self) -> set[str] | None:
        """The files that alone are worth to be followed; None for all."""
        return None

    def on_any_event(self, event: Any) -> None:
        """Called for every event."""

    def on_modified(self, event: Any) -> None:
        """The file has other content: written in place, replaced by a rename, or there again."""

    def on_created(self, event: Any) -> None:
        """The file was not there before; `on_modified` follows."""

    def on_deleted(self, event: Any) -> None:
        """The file is gone."""

    def on_moved(self, event: Any) -> None:
        """Never called: a file that is moved onto another one modifies it."""

    def on_closed(self, event: Any) -> None:
        """Never called: what is written has settled before anybody is told."""


class _File:
    """A file that is followed, for one handler."""

    def __init__(self, observer: Observer, handler: Any, path: str, shown: str) -> None:
        self._observer = observer
        self._handler = handler
        self._path = path
        self._shown = shown
        self._looking = threading.Lock()
        self._content = _content(path)
        self._config: Config | None = None

    def open(self, loop: asyncio.AbstractEventLoop | None) -> bool:
        """Whether its events can be followed."""
        source = {"source": "file:" + self._path.replace(";", "\\;"), "optional": True}
        try:
            self._config = open_config(sources=source)
        except Error:
            # It is broken already: looked at again and again, and followed by events from its first good content on.
            return False
        live = self._config._live
        for feed in (live.subscribe("*"), live.reports(False)):
            self._follow(feed, loop)
        return True

    def _follow(self, feed: Feed, loop: asyncio.AbstractEventLoop | None) -> None:
        """Looks whenever something was said, on a thread of the source or on the loop; no thread waits for it."""

        def woken() -> None:
            if not self._observer._is_running or feed.closed:
                return
            while feed.take() is not None:
                pass
            if loop is None:
                self.look()
            else:
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(self.look)
            feed.notify(woken)

        feed.notify(woken)

    def close(self) -> None:
        if self._config is not None:
            self._config.close()

    def appear(self) -> None:
        """Tells of a file that was not there before."""
        self._tell("created")
        self._tell("modified")

    def look(self) -> None:
        """Tells once of each content, however many changes it brings."""
        with self._looking:
            content = _content(self._path)
            if content == self._content:
                return
            before, self._content = self._content, content
        if content is None:
            self._tell("deleted")
            return
        if before is None:
            self._tell("created")
        self._tell("modified")

    def _tell(self, kind: str) -> None:
        if not self._observer._is_running:
            return
        try:
            self._handler.dispatch(FileSystemEvent(kind, self._shown))
        except Exception as error:  # noqa: BLE001 - a broken handler hears the next event
            logger.error("the handler for %s raised %s: %s", self._shown, type(error).__name__, error)
            _native.unraisable(error, self._handler)


def _content(path: str) -> bytes | None:
    import hashlib

    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError:
        return None


class Observer:
    """Follows the configuration files of folders, in every format that confmesh reads, and tells handlers.

    Where an event loop runs at `start`, handlers are called on it, so that they may make tasks; else on a thread.
    """

    def __init__(self) -> None:
        self._scheduled: list[tuple[Any, str, bool]] = []
        self._files: dict[tuple[int, str], _File] = {}
        self._broken: dict[tuple[int, str], _File] = {}
        self._finder: Config | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_running = False
        self._was_started = False
        self._changing = threading.RLock()

    def schedule(self, handler: Any, path: str | os.PathLike[str], recursive: bool = False) -> None:
        """Adds a folder, or one file, for a handler; before or after `start`."""
        with self._changing:
            self._scheduled.append((handler, os.fspath(path), recursive))
            if self._is_running:
                self._find(is_new=False)

    def start(self) -> None:
        """Starts to follow, once."""
        if self._was_started:
            raise UsageError("this observer was started already", code="usage", hint="make another one")
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._was_started = self._is_running = True
        self._find(is_new=False)
        # A source that lists: it is asked on a thread of its own, again and again.
        source = {"source": self._listed, "interval": _LOOK_FOR_FILES, "name": "folders", "optional": True}
        self._finder = open_config(sources=source, watch=False)

    def _listed(self) -> dict[str, Any]:
        with self._changing:
            if self._is_running and self._new():
                if self._loop is None:
                    self._find(is_new=True)
                else:
                    self._loop.call_soon_threadsafe(self._find, True)
        return {}

    def _new(self) -> list[tuple[Any, str, str]]:
        found = []
        for handler, path, recursive in self._scheduled:
            wanted = handler._wanted() if isinstance(handler, FileSystemEventHandler) else None
            for name, shown in _files(path, recursive):
                if wanted is not None and name not in wanted:
                    continue
                if (id(handler), name) not in self._files:
                    found.append((handler, name, shown))
        return found

    def _find(self, is_new: bool) -> None:
        with self._changing:
            if not self._is_running:
                return
            for handler, name, shown in self._new():
                key = (id(handler), name)
                file = self._broken.pop(key, None)
                if file is not None:
                    file.look()
                else:
                    file = _File(self, handler, name, shown)
                    if is_new:
                        file.appear()
                (self._files if file.open(self._loop) else self._broken)[key] = file

    def stop(self) -> None:
        """Ends it: no handler is called any more."""
        self._is_running = False
        with self._changing:
            files, self._files = list(self._files.values()), {}
        closing = [file.close for file in files]
        if self._finder is not None:
            closing.append(self._finder.close)
        for close in closing:
            close()

    def join(self, timeout: float | None = None) -> None:
        """Waits for nothing: after `stop` nothing runs. It is there because programs call it."""

    def is_alive(self) -> bool:
        """Whether it follows."""
        return self._is_running


def _files(path: str, recursive: bool) -> Iterable[tuple[str, str]]:
    """The files of a folder, and how they are shown: with the folder as it was spelled."""
    if os.path.isfile(path):
        yield os.path.abspath(path), path
        return
    for folder, below, names in os.walk(path):
        if not recursive:
            below.clear()
        for name in sorted(names):
            shown = os.path.join(folder, name)
            if _has_format(name):
                yield os.path.abspath(shown), shown


def _has_format(name: str) -> bool:
    kind = os.path.basename(name).rpartition(".")[2].lower()
    return kind in _FORMATS


_FORMATS = {"json", "jsonc", "json5", "yaml", "yml", "toml", "ini", "cfg", "properties", "env", "dotenv"}


class ConfigFileWatcher(FileSystemEventHandler):
    """Calls back, without arguments, when a file has other content; for an `Observer` of its folder."""

    def __init__(self, file_path: str | os.PathLike[str], reload_callback: Callable[[], object]) -> None:
        self.file_path = Path(file_path)
        self.reload_callback = reload_callback
        self._tasks: set[asyncio.Future[Any]] = set()

    def _wanted(self) -> set[str] | None:
        return {os.path.abspath(self.file_path)}

    def on_modified(self, event: Any) -> None:
        """Calls back for the file; others count for nothing."""
        if not event.is_directory and _is_same(event.src_path, self.file_path):
            print(f"Configuration file changed: {self.file_path}")
            begin(self.reload_callback, self._tasks)


class MultiFileConfigWatcher(FileSystemEventHandler):
    """Calls back for each of several files, once it has rested for a while; for an `Observer` of their folder."""

    def __init__(self) -> None:
        self._files: list[tuple[Path, str, Callable[[], object], float]] = []
        self._waiting: dict[int, asyncio.TimerHandle | threading.Timer] = {}
        self._tasks: set[asyncio.Future[Any]] = set()

    @property
    def watched_files(self) -> dict[Path, str]:
        """The name of each file's configuration."""
        return {path: name for path, name, _, _ in self._files}

    def _wanted(self) -> set[str] | None:
        return {os.path.abspath(path) for path, _, _, _ in self._files}

    def add_file(
        self,
        file_path: str | os.PathLike[str],
        config_name: str,
        reload_callback: Callable[[], object],
        debounce_delay: float = 0.5,
    ) -> None:
        """Adds a file with a callback of its own, which is called when it was left alone for `debounce_delay` seconds."""
        self._files.append((Path(file_path), config_name, reload_callback, debounce_delay))

    def on_modified(self, event: Any) -> None:
        """Waits until the file rests; what comes meanwhile makes it wait again."""
        for number, (path, _, callback, delay) in enumerate(self._files):
            if event.is_directory or not _is_same(event.src_path, path):
                continue
            waiting = self._waiting.pop(number, None)
            if waiting is not None:
                waiting.cancel()
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                timer = threading.Timer(delay, begin, (callback, self._tasks))
                timer.daemon = True
                timer.start()
                self._waiting[number] = timer
            else:
                self._waiting[number] = loop.call_later(delay, begin, callback, self._tasks)


def _is_same(one: str, other: Path) -> bool:
    return os.path.abspath(one) == os.path.abspath(other)


def begin(callback: Callable[..., object], tasks: set[asyncio.Future[Any]], *arguments: Any) -> None:
    """Calls back; an `async` callback becomes a task of the loop that runs, or runs here where none does."""
    try:
        answer = callback(*arguments)
        if not inspect.isawaitable(answer):
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(_awaited(answer))
            return
        task = asyncio.ensure_future(_awaited(answer))
        tasks.add(task)
        task.add_done_callback(lambda done: _ended(done, tasks, callback))
    except Exception as error:  # noqa: BLE001 - a broken callback is called the next time
        _broken(error, callback)


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer


def _ended(task: asyncio.Future[Any], tasks: set[asyncio.Future[Any]], callback: Callable[..., object]) -> None:
    tasks.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        _broken(error, callback)


def _broken(error: BaseException, callback: Callable[..., object]) -> None:
    logger.error("a callback raised %s: %s", type(error).__name__, error)
    _native.unraisable(error, callback)


class EnvironmentWatcher:
    """Calls back with the variables of this process that changed between two looks: `{name: (old, new)}`.

    A variable that is not set is None. Those of another process cannot be seen: let it write a `.env` file, and follow that.
    """

    def __init__(self, poll_interval: float = 5.0) -> None:
        self.poll_interval = poll_interval
        self._callbacks: list[tuple[list[str], Callable[[Any], object]]] = []
        self._watches: list[VariableWatch] = []
        self._tasks: set[asyncio.Future[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch_var(self, var_name: str, callback: Callable[[Any], object]) -> None:
        """Follows one variable."""
        self.watch_vars([var_name], callback)

    def watch_vars(self, var_names: Iterable[str], callback: Callable[[Any], object]) -> None:
        """Follows several, with one call for all that changed."""
        entry = (list(var_names), callback)
        self._callbacks.append(entry)
        if self._loop is not None:
            self._watch(*entry)

    async def start(self) -> None:
        """Starts to look; what the variables are now is no change."""
        if self._loop is not None:
            return
        self._loop = asyncio.get_running_loop()
        by_callback: dict[Callable[[Any], object], list[str]] = {}
        for names, callback in self._callbacks:
            by_callback.setdefault(callback, []).extend(names)
        for callback, names in by_callback.items():
            self._watch(names, callback)
        print(f"Started environment watcher (poll interval: {self.poll_interval}s)")

    async def stop(self) -> None:
        """Ends it: no call begins any more."""
        watches, self._watches = self._watches, []
        was_running, self._loop = self._loop is not None, None
        for watch in watches:
            await asyncio.to_thread(watch.close)
        if was_running:
            print("Stopped environment watcher")

    def _watch(self, names: list[str], callback: Callable[[Any], object]) -> None:
        loop = self._loop
        assert loop is not None

        def tell(changes: Any) -> None:
            if self._loop is loop:
                print(f"Environment changes detected: {list(changes)}")
                begin(callback, self._tasks, changes)

        def heard(changes: Any) -> None:
            if self._loop is loop and not loop.is_closed():
                loop.call_soon_threadsafe(tell, changes)

        self._watches.append(watch_variables(names, heard, interval=self.poll_interval))
