"""Running configurations: `Config` for one process, `Mesh` for several that agree."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from . import _native
from ._errors import Error, NotFoundError, UsageError

if TYPE_CHECKING:
    from ._native import Answer, Change, Explanation, Feed, Live, Receipt, Rule, Schema, Versioned, WriteConflict

_T = TypeVar("_T")
_Self = TypeVar("_Self", bound="_Reader")

_EXIT_SECONDS = 2.0
"""How long the interpreter waits for callbacks that run when it exits."""


def _woken(notify: Callable[[Callable[[], None]], None]) -> asyncio.Future[None]:
    """A future of the running loop that is done when what `notify` gets is called, on any thread."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def settle() -> None:
        if not ready.done():
            ready.set_result(None)

    def wake() -> None:
        # A loop that closed meanwhile has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle)

    notify(wake)
    return ready


class Pending(Generic[_T]):
    """A request on its way: `await` it, or block with `wait()`. Dropping it does not take the request back."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def wait(self) -> _T:
        """Blocks until the answer is there, and returns it or raises why the request was refused."""
        return cast(_T, self._answer.wait())

    def __await__(self) -> Generator[Any, None, _T]:
        yield from _woken(self._answer.notify).__await__()
        return self.wait()


class Subscription:
    """Changes of the paths that match a pattern, until `close()`.

    With a callback it runs on a thread of its own. Without one, iterate with `for` or `async for`; one taker at a time.
    """

    def __init__(self, feed: Feed, callback: Callable[[Change], object] | None) -> None:
        self._feed = feed
        self._callback = callback
        self._thread: threading.Thread | None = None
        if callback is not None:
            self._thread = threading.Thread(target=self._deliver, name="confmesh-subscription", daemon=True)
            _running.add(self)
            self._thread.start()

    def _deliver(self) -> None:
        assert self._callback is not None
        for change in self._changes(patience=3600.0):
            try:
                self._callback(change)
            except BaseException as error:  # noqa: BLE001 - a broken callback harms nobody else
                sys.unraisablehook(cast(Any, _Unraisable(error, self._callback)))

    def _changes(self, patience: float) -> Iterator[Change]:
        while True:
            change = self._feed.take()
            if change is not None:
                yield change
            elif self._feed.closed:
                return
            else:
                self._feed.wait(patience)

    def _taken(self) -> None:
        if self._callback is not None:
            raise UsageError("a subscription with a callback cannot be iterated", code="usage")

    def __iter__(self) -> Iterator[Change]:
        self._taken()
        # Often enough that Ctrl-C is noticed.
        return self._changes(patience=0.2)

    def __aiter__(self) -> Subscription:
        self._taken()
        return self

    async def __anext__(self) -> Change:
        while True:
            change = self._feed.take()
            if change is not None:
                return change
            if self._feed.closed:
                raise StopAsyncIteration
            await _woken(self._feed.notify)

    def close(self) -> None:
        """Ends it: a callback that runs now is the last one. May be called inside the callback."""
        self._feed.close()

    def _join(self, seconds: float) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Unraisable:
    """What `sys.unraisablehook` is given; the interpreter has no way to make its own from Python."""

    def __init__(self, error: BaseException, source: object) -> None:
        self.exc_type = type(error)
        self.exc_value = error
        self.exc_traceback: TracebackType | None = error.__traceback__
        self.err_msg = "Exception ignored in a confmesh callback"
        self.object = source


_running: weakref.WeakSet[Subscription] = weakref.WeakSet()
_open: weakref.WeakSet[_Reader] = weakref.WeakSet()


def _close_all() -> None:
    """Runs before the interpreter shuts down, so that no thread of ours meets a half-gone one."""
    for reader in list(_open):
        reader.close()
    deadline = time.monotonic() + _EXIT_SECONDS
    for subscription in list(_running):
        subscription.close()
        subscription._join(max(0.0, deadline - time.monotonic()))


atexit.register(_close_all)


class _Reader(Mapping[str, Any]):
    """What `Config` and `Mesh` share: reading, explaining, following. A mapping from paths to values."""

    _started: Live | None = None

    # What runs is equal to itself alone; `Mapping` would compare what it holds at the moment.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def _live(self) -> Live:
        if self._started is None:
            raise UsageError(
                "this mesh was not started", code="usage", hint="use `async with`, `with`, or call `start()`"
            )
        return self._started

    def __getitem__(self, path: str) -> Any:
        found = self._live.find(path)
        if found is None:
            raise NotFoundError(f"nothing is at `{path}`", code="not_found", path=path)
        return found[0]

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._live.find(path) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._live.keys())

    def __len__(self) -> int:
        return len(self._live.keys())

    def get(self, path: str, default: Any = None) -> Any:
        """The value at a path such as `app.database.host`, or `default` where nothing is."""
        found = self._live.find(path)
        return default if found is None else found[0]

    def snapshot(self) -> tuple[int, dict[str, Any]]:
        """The revision and the document of one moment; the document is a fresh dict."""
        revision, document = self._live.snapshot()
        return revision, document

    def to_dict(self) -> dict[str, Any]:
        """The document, a fresh dict."""
        return self.snapshot()[1]

    @property
    def revision(self) -> int:
        """One more for each visible change; counted by this instance alone."""
        return self._live.revision

    @property
    def hash(self) -> str:
        """The content hash: equal documents have equal hashes on every instance."""
        return self._live.hash

    @property
    def warnings(self) -> list[Error]:
        """Values that clash or have no fitting type, as exception objects that were not raised."""
        return self._live.warnings

    @property
    def provenance(self) -> dict[str, str]:
        """The source of every leaf: `{path: source}`."""
        return self._live.provenance

    def explain(self, path: str) -> Explanation:
        """Why the value at a path is what it is; prints as a table."""
        return self._live.explain(path)

    def subscribe(self, pattern: str, callback: Callable[[Change], object] | None = None) -> Subscription:
        """Follows the changes of paths that match a pattern such as `app.features.*`, from now on.

        The callback gets one `Change` at a time, on a thread of its own; what it raises goes to `sys.unraisablehook`.
        """
        return Subscription(self._live.subscribe(pattern), callback)

    def close(self) -> None:
        """Closes it, at most about five seconds long. The last document can still be read."""
        if self._started is not None:
            self._started.close()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Config(_Reader):
    """A configuration of this process: files, environment, and what the program sets. Made by `open`."""

    def __init__(self, live: Live) -> None:
        self._started = live
        _open.add(self)

    def set(self, path: str, value: Any) -> Receipt:
        """Sets a path for this process; it wins over every other source."""
        return Pending["Receipt"](self._live.set(path, value)).wait()

    def unset(self, path: str) -> Receipt:
        """Takes back what `set` did at a path."""
        return Pending["Receipt"](self._live.unset(path)).wait()

    def status(self) -> dict[str, Any]:
        """How the sources are doing."""
        return Pending[dict[str, Any]](self._live.status()).wait()

    def __repr__(self) -> str:
        return f"<Config at revision {self.revision}>"


def open(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    env_prefix: str | None = None,
    rules: Sequence[Rule] | None = None,
    watch: bool = True,
    schema: Schema | Mapping[str, Any] | None = None,
    profiles: str | Iterable[str] = (),
    interpolate: bool = False,
) -> Config:
    """Opens configuration files; a later one wins over an earlier one, variables of `env_prefix` over all of them.

    The files are watched unless `watch` is false: an edit shows at once, and a broken one changes nothing. With a `schema`
    (a `Schema` or its definition) its defaults hold where no file says anything, variables take its types, and what it
    refuses never comes into force. `profiles` are active maps below the key `profiles` of each file, the later one wins;
    `interpolate` replaces `${path}` and `${env:NAME}` in texts.
    """
    given = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    active = [profiles] if isinstance(profiles, str) else list(profiles)
    return Config(
        _native.open_files(
            given,
            env_prefix=env_prefix,
            rules=rules,
            watch=watch,
            schema=schema,
            profiles=active,
            interpolate=interpolate,
        )
    )


class Mesh(_Reader):
    """An instance whose document agrees with that of its peers. Use `async with`, `with`, or `start()` and `close()`.

    `bind` is the file that mirrors the shared document, both ways; `files` lie below it and are only read. `listen` is
    `host:port`, `peers` are `ws://host:port`, and `data_dir` keeps the document over restarts. Pages of `allow_origins` (`https://app.example`,
    `http://localhost:*`) may follow and change the document from a browser; `allow_hosts` are names with a domain that the
    instance is called by. `schema`, `profiles` and
    `interpolate` are those of `open`; what other instances write against the schema is held back until it is mended.
    """

    def __init__(
        self,
        *,
        bind: str | os.PathLike[str] | None = None,
        files: Iterable[str | os.PathLike[str]] = (),
        listen: str | Iterable[str] = (),
        peers: Iterable[str] = (),
        env_prefix: str | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        document: str = "default",
        rules: Sequence[Rule] | None = None,
        insecure: bool = False,
        allow_origins: str | Iterable[str] = (),
        allow_hosts: str | Iterable[str] = (),
        schema: Schema | Mapping[str, Any] | None = None,
        profiles: str | Iterable[str] = (),
        interpolate: bool = False,
    ) -> None:
        addresses = [listen] if isinstance(listen, str) else list(listen)
        sources, others = list(files), list(peers)
        origins = [allow_origins] if isinstance(allow_origins, str) else list(allow_origins)
        hosts = [allow_hosts] if isinstance(allow_hosts, str) else list(allow_hosts)
        active = [profiles] if isinstance(profiles, str) else list(profiles)

        def start() -> Live:
            return _native.start_mesh(
                bind=bind,
                files=sources,
                listen=addresses,
                peers=others,
                env_prefix=env_prefix,
                data_dir=data_dir,
                document=document,
                rules=rules,
                insecure=insecure,
                allow_origins=origins,
                allow_hosts=hosts,
                schema=schema,
                profiles=active,
                interpolate=interpolate,
            )

        self._start = start

    def start(self) -> Mesh:
        """Starts it, once; blocks while files and store are read."""
        if self._started is not None:
            raise UsageError("this mesh was started already", code="usage", hint="make another one")
        self._started = self._start()
        _open.add(self)
        return self

    @property
    def addresses(self) -> list[str]:
        """The addresses that are really listened on, `host:port`."""
        return self._live.addresses

    def set(
        self,
        path: str,
        value: Any,
        *,
        if_version: str | None = None,
        force: bool = False,
        fence: int = 0,
        user: str | None = None,
    ) -> Pending[Receipt]:
        """Sets a path of the shared document: `await mesh.set(…)`, or `mesh.set(…).wait()`.

        With `if_version` only if that is the version of the path (`read` tells it; `"none"` where nothing is), with
        `force` also over a first value that a rule keeps. `fence` is the token of a lock; `user` is shown in conflicts.
        """
        return Pending(self._live.set(path, value, if_version=if_version, force=force, fence=fence, user=user))

    def unset(
        self,
        path: str,
        *,
        if_version: str | None = None,
        force: bool = False,
        fence: int = 0,
        user: str | None = None,
    ) -> Pending[Receipt]:
        """Removes a path from the shared document, under the same terms as `set`."""
        return Pending(self._live.unset(path, if_version=if_version, force=force, fence=fence, user=user))

    def read(self, path: str) -> Pending[Versioned]:
        """The value at a path, if one is there, with its version: what `set` takes as `if_version`."""
        return Pending(self._live.read(path))

    def conflicts(self, *, all: bool = False) -> Pending[list[WriteConflict]]:
        """What instances wrote at the same time in different ways and waits for a decision.

        With `all` also what a rule decided, so that whatever lost can be seen.
        """
        return Pending(self._live.conflicts(all))

    def audit(self) -> Pending[list[dict[str, Any]]]:
        """How conflicts ended, and what came from elsewhere and became of it: the newest 1,024 entries, oldest first.

        Every entry has an `event` (`conflict_resolved`, `remote_applied` or `remote_rejected`) and a `timestamp`.
        """
        return Pending(self._live.audit())

    def assign(self, id: str, user: str | None) -> Pending[Receipt]:
        """Names for every instance who is to decide an open conflict; `None` withdraws the name."""
        return Pending(self._live.assign(id, user))

    def resolve(
        self,
        id: str,
        *,
        take: int | None = None,
        value: Any = ...,
        keep: bool = False,
        remove: bool = False,
        user: str | None = None,
    ) -> Pending[Receipt]:
        """Settles a conflict: `take` a side by its place in the list, write a `value`, `keep` what shows, or `remove`."""
        choice: dict[str, Any] = {}
        if take is not None:
            choice["take"] = take
        if value is not ...:
            choice["value"] = value
        if keep:
            choice["keep"] = True
        if remove:
            choice["remove"] = True
        return Pending(self._live.resolve(id, choice, user))

    def patch(self, patch: Sequence[Mapping[str, Any]], *, if_hash: str | None = None) -> Pending[Receipt]:
        """Applies a JSON Patch (RFC 6902), with `if_hash` only if that is the document's hash."""
        return Pending(self._live.patch(patch, if_hash=if_hash))

    def merge_patch(self, patch: Mapping[str, Any], *, if_hash: str | None = None) -> Pending[Receipt]:
        """Applies a JSON Merge Patch (RFC 7396), with `if_hash` only if that is the document's hash."""
        return Pending(self._live.merge_patch(patch, if_hash=if_hash))

    def replace(self, value: Mapping[str, Any], *, if_hash: str | None = None) -> Pending[Receipt]:
        """Makes the document this one, by writing what differs."""
        return Pending(self._live.replace(value, if_hash=if_hash))

    def status(self) -> Pending[dict[str, Any]]:
        """How the instance, its sources and its peers are doing."""
        return Pending(self._live.status())

    def __enter__(self) -> Mesh:
        return self.start()

    async def __aenter__(self) -> Mesh:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    def __repr__(self) -> str:
        return "<Mesh, not started>" if self._started is None else f"<Mesh at revision {self.revision}>"
