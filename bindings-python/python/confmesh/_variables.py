"""Variables of the environment that a program follows by name."""

from __future__ import annotations

import threading
from collections.abc import Callable

from . import _native
from ._log import logger
from ._options import check_callable
from ._sources import finished

Changed = dict[str, tuple["str | None", "str | None"]]


class VariableWatch:
    """Calls back with what changed, until it is closed. Made by `watch_variables`."""

    def __init__(self, names: list[str], callback: Callable[[Changed], object], interval: float) -> None:
        check_callable(callback, "watch_variables", "give `lambda changed: …`")
        self._variables = _native.Variables(names, interval)
        self._callback = callback
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="confmesh-variables", daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._closed.is_set():
            try:
                changed = self._variables.wait(0.2)
            except _native_errors() as error:
                logger.error("variables are followed no more: %s", error)
                return
            if not changed or self._closed.is_set():
                continue
            try:
                finished(self._callback(changed))
            except BaseException as error:  # noqa: BLE001 - a broken callback hears the next change
                logger.error("the callback for %s raised %s: %s", ", ".join(changed), type(error).__name__, error)
                _native.unraisable(error, self._callback)

    def close(self) -> None:
        """Ends it: no call begins any more."""
        self._closed.set()
        if self._thread is not threading.current_thread():
            self._thread.join(2.0)

    def __enter__(self) -> VariableWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _native_errors() -> type[Exception]:
    from ._errors import Error

    return Error
