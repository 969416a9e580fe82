"""What running configurations report, as records of the logger `confmesh`.

A thread of its own writes them: handlers may wait, and what tells us about reports also wakes event loops.
"""

from __future__ import annotations

import logging
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

from . import _native

if TYPE_CHECKING:
    from ._native import Feed, Live, Report

logger = logging.getLogger("confmesh")

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _Writer:
    """The thread, and what waits for it; started with the first record."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Report | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        # Held while a record is written: a fork amid that would leave the child with locks of streams that nobody opens.
        self._writing = threading.RLock()
        self._is_paused = False

    def write(self, report: Report) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="confmesh-log", daemon=True)
            self._thread.start()
        self._waiting.put(report)

    def _run(self) -> None:
        while (report := self._waiting.get()) is not None:
            try:
                with self._writing:
                    logger.log(_LEVELS[report.level], "%s", report.message, extra={"report": report})
            except BaseException as error:  # noqa: BLE001 - a broken handler harms no later record
                _native.unraisable(error, logger)

    def pause(self, seconds: float) -> None:
        self._is_paused = self._writing.acquire(timeout=seconds)

    def resume(self) -> None:
        if self._is_paused:
            self._writing.release()

    def finish(self, seconds: float) -> None:
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(seconds)
            self._thread = None


_writer = _Writer()


class _Followed:
    """What one configuration reports, on its way to the writer."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._taking = threading.Lock()

    def take(self) -> None:
        with self._taking:
            while (report := self._feed.take()) is not None:
                if logger.isEnabledFor(_LEVELS[report.level]):
                    _writer.write(report)

    def wake(self) -> None:
        self.take()
        if self._feed.closed:
            _followed.discard(self)
        else:
            self._feed.notify(self.wake)


_followed: set[_Followed] = set()


def follow(live: Live) -> None:
    """Writes what is reported, until that configuration closes; keeps nothing alive."""
    followed = _Followed(live.reports(False))
    _followed.add(followed)
    followed.wake()


def finish(deadline: float) -> None:
    """Waits until what was reported is written, or the deadline of `time.monotonic` has passed."""
    # A report of the last moment may not have woken anybody yet.
    for followed in list(_followed):
        followed.take()
    _writer.finish(max(0.0, deadline - time.monotonic()))


def pause() -> None:
    """Before a fork: waits for the record that is written now, unless that takes long."""
    _writer.pause(1.0)


def resume() -> None:
    """After a fork, in the parent."""
    _writer.resume()


def forget() -> None:
    """In the child of a fork: the thread stayed with the parent, and writes there what waits."""
    global _writer
    _followed.clear()
    _writer = _Writer()
