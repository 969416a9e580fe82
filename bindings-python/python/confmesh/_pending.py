"""Answers of running configurations, for threads and for event loops."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    import asyncio

    from ._native import Answer

_T = TypeVar("_T")

_LOOK_FOR_SIGNALS = 0.05
"""How long a thread waits before the interpreter looks whether a signal came, Ctrl-C for example."""


def woken(notify: Callable[[Callable[[], None]], None], lost: Callable[[], None] = lambda: None) -> asyncio.Future[None]:
    """A future of the running loop that is done when what `notify` gets is called, on any thread.

    A loop that closed meanwhile has nobody left who waits: then `lost` is called.
    """
    import asyncio  # here and not above: half of what importing this package would cost

    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def settle() -> None:
        if not ready.done():
            ready.set_result(None)

    def wake() -> None:
        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            lost()

    notify(wake)
    return ready


class Pending(Generic[_T]):
    """A request on its way: `await` it, or block with `wait()`. Dropping it does not take the request back.

    Arguments that mean nothing (no path, no version, a number for a text) raised before there was one; here is raised what the
    instance makes of the request.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def wait(self, timeout: float | None = None) -> _T:
        """Blocks until the answer is there, and returns it or raises why the request was refused.

        After `timeout` seconds it raises `TimeoutError`, and Ctrl-C ends it at once; the request is on its way all the
        same, and can be waited for again.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        patience = _LOOK_FOR_SIGNALS
        while True:
            if deadline is not None:
                patience = max(0.0, min(patience, deadline - time.monotonic()))
            if self._answer.wait(patience):
                return cast(_T, self._answer.take())
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"no answer within {timeout} seconds; the request is still on its way")

    def __await__(self) -> Generator[Any, None, _T]:
        yield from woken(self._answer.notify).__await__()
        return cast(_T, self._answer.take())
