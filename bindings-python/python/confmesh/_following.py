"""Following a configuration: changes and reports, by callback or by iteration, until they are closed.

A follower keeps its configuration alive, and nothing that a callback does ends it but `close()`.
"""

from __future__ import annotations

import contextvars
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from . import _native
from ._errors import UsageError
from ._log import logger
from ._options import check_callable
from ._pending import woken

if TYPE_CHECKING:
    import asyncio

    from ._reader import _Reader
    from ._native import Change, Feed, Live, Report

_E = TypeVar("_E")
_Self = TypeVar("_Self", bound="_Follower[Any]")

_WAY = "subscribe where an event loop runs, or iterate with `async for`"

_all: weakref.WeakSet[_Follower[Any]] = weakref.WeakSet()
_running: set[_Follower[Any]] = set()
"""Those with a callback: they live until they are closed, whether or not somebody holds them."""


class _Follower(Generic[_E]):
    _call_name = "subscribe"

    def __init__(self, reader: _Reader, begin: Callable[[Live], Feed], callback: Callable[[_E], object] | None) -> None:
        self._reader = reader
        self._begin = begin
        self._callback = callback
        self._ended = False
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        # Where awaitables of the callback run.
        self._loop = None if callback is None else _running_loop()
        if callback is not None:
            check_callable(callback, type(self)._call_name, "leave it out to iterate with `for` or `async for`")
        if callback is not None and _is_async(callback) and self._loop is None:
            message = "an `async` callback needs an event loop, and none runs in this thread"
            raise UsageError(message, code="usage", hint=_WAY)
        self._feed: Feed | None = begin(reader._live)
        _all.add(self)
        if callback is None:
            return
        self._context = contextvars.copy_context()
        _running.add(self)
        if self._loop is not None and _is_async(callback):
            self._task = self._loop.create_task(self._deliver_in_loop(self._loop), name="confmesh-subscription")
        else:
            self._start_thread()

    def _source(self) -> Feed:
        if self._feed is None:
            # The old one stayed with the parent of a fork.
            self._feed = self._begin(self._reader._live)
        return self._feed

    def _events(self, patience: float) -> Iterator[_E]:
        while not self._ended:
            feed = self._source()
            event = feed.take()
            if event is not None:
                yield cast(_E, event)
            elif feed.closed:
                return
            else:
                feed.wait(patience)

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._deliver, name="confmesh-subscription", daemon=True)
        self._thread.start()

    def _deliver(self) -> None:
        try:
            for event in self._events(patience=3600.0):
                self._call(event)
        except BaseException as error:  # noqa: BLE001 - in a child that cannot open the configuration
            if getattr(error, "code", None) == "closed":
                return  # it ends with the configuration, as at the exit of a program
            logger.error("a subscription ends: %s", error)
            _native.unraisable(error, self._callback)
        finally:
            self._end()

    def _call(self, event: _E) -> None:
        try:
            answer = self._context.run(cast("Callable[[_E], object]", self._callback), event)
            if answer is not None and hasattr(answer, "__await__"):
                self._context.run(self._finish_elsewhere, cast(Awaitable[object], answer))
        except BaseException as error:  # noqa: BLE001 - a broken callback hears the next change
            _native.unraisable(error, self._callback)

    def _finish_elsewhere(self, answer: Awaitable[object]) -> None:
        """Awaits what a plain function returned, on the loop that subscribed; the next change waits for it."""
        if self._loop is None or self._loop.is_closed():
            if hasattr(answer, "close"):
                answer.close()
            raise UsageError("a callback returned an awaitable, and no event loop awaits it", code="usage", hint=_WAY)
        import asyncio

        async def finish() -> None:
            await answer

        asyncio.run_coroutine_threadsafe(finish(), self._loop).result()

    async def _deliver_in_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        import asyncio

        async def call(event: _E) -> None:
            await cast("Callable[[_E], Awaitable[object]]", self._callback)(event)

        try:
            while (event := await self._next()) is not None:
                # A task of its own, so that what it cancels is not this one.
                task = loop.create_task(call(event))
                try:
                    await asyncio.wait([task])
                except asyncio.CancelledError:
                    task.cancel()
                    raise
                error = asyncio.CancelledError() if task.cancelled() else task.exception()
                if error is not None:
                    message = "Exception in a confmesh callback, which hears the next change all the same"
                    loop.call_exception_handler({"message": message, "exception": error, "task": task})
        finally:
            self.close()
            self._end()

    async def _next(self) -> _E | None:
        """The next one, and nothing after the last."""
        while not self._ended:
            feed = self._source()
            event = feed.take()
            if event is not None:
                return cast(_E, event)
            if feed.closed:
                break
            await woken(feed.notify, self._lost)
        return None

    def _lost(self) -> None:
        """The event loop is closed."""
        if not self._ended and self._callback is not None:
            logger.warning("the event loop of a subscription is closed: %r hears no more changes", self._callback)
        self.close()
        self._end()

    def _end(self) -> None:
        _running.discard(self)

    def _stayed_behind(self, survives: bool) -> None:
        """In the child of a fork: threads and loops run in the parent alone."""
        self._feed = None
        if self._ended or self not in _running:
            return
        if not survives or self._task is not None:
            logger.warning("a subscription does not live on in the child of a fork: subscribe there (%r)", self._callback)
            self._ended = True
            self._end()
        elif self._thread is not threading.current_thread():
            # The callback may have been running, and nobody leaves its context any more.
            self._context = self._context.copy()
            self._start_thread()

    def _taken(self) -> None:
        if self._callback is not None:
            raise UsageError("a subscription with a callback cannot be iterated", code="usage")

    def __iter__(self) -> Iterator[_E]:
        self._taken()
        # Often enough that Ctrl-C is noticed.
        return self._events(patience=0.2)

    def __aiter__(self: _Self) -> _Self:
        self._taken()
        return self

    async def __anext__(self) -> _E:
        event = await self._next()
        if event is None:
            raise StopAsyncIteration
        return event

    def close(self) -> None:
        """Ends it: a callback that runs now is the last one. May be called inside the callback."""
        self._ended = True
        if self._feed is not None:
            self._feed.close()

    def _join(self, seconds: float) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise UsageError("a subscription cannot be pickled", code="usage", hint="subscribe in the other process")


class Subscription(_Follower["Change"]):
    """Changes of the paths that match a pattern, until `close()`; keeps the configuration open so long.

    With a callback they come on a thread of its own, for an `async` one on the event loop that subscribed, one after
    another. Without one, iterate with `for` or `async for`; one taker at a time.
    """


class Reports(_Follower["Report"]):
    """What an operator should know, from the start of the configuration on; taken as a `Subscription` is."""

    _call_name = "reports"


def _running_loop() -> asyncio.AbstractEventLoop | None:
    import sys

    # Whoever runs a loop has imported it.
    if "asyncio" not in sys.modules:
        return None
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _is_async(callback: Callable[..., object]) -> bool:
    from functools import partial
    from inspect import iscoroutinefunction

    while isinstance(callback, partial):
        callback = callback.func
    return iscoroutinefunction(callback) or iscoroutinefunction(getattr(callback, "__call__", None))
