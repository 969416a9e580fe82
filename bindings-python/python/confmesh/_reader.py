"""What `Config` and `Mesh` share: reading, explaining, following; and what becomes of them at an exit and in a fork."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from . import _following, _log, _native
from ._errors import Error, NotFoundError, UsageError
from ._following import Reports, Subscription
from ._options import checked

if TYPE_CHECKING:
    from ._native import Change, Explanation, Live, Report
    from ._types import Origin

_Self = TypeVar("_Self", bound="_Reader")
_T = TypeVar("_T")

if TYPE_CHECKING:
    from typing_extensions import TypeVar as _Defaulted

    _M = _Defaulted("_M", default=Any)
else:
    _M = TypeVar("_M")

_LOOKED_AT = 1000
"""How many keys a misspelt one is compared with."""

_EXIT_SECONDS = 2.0
"""How long the interpreter waits for callbacks that run when it exits."""

_LAST_SECONDS = 0.5
"""How long it waits at least for threads that are calling Python."""

_open: weakref.WeakSet[_Reader] = weakref.WeakSet()


class _Reader(Mapping[str, Any]):
    """A mapping from paths to values."""

    _survives_fork = False
    _started: Live | None = None
    _is_closed = False
    _is_forked = False
    _model: type[Any] | None = None
    _shown: tuple[int, Any] | None = None

    # What runs is equal to itself alone; `Mapping` would compare what it holds at the moment.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def _run(self, live: Live) -> None:
        _log.follow(live)
        self._started = live
        _open.add(self)

    @property
    def _live(self) -> Live:
        started = self._started
        return self._absent() if started is None else started

    def _absent(self) -> Live:
        raise NotImplementedError

    def _before_fork(self) -> None:
        """In the parent, while everything still runs."""

    def _stayed_behind(self) -> None:
        """In the child of a fork, where nothing of it runs. What was closed has nothing that runs, and can be read."""
        if not self._is_closed:
            self._started = None
            self._is_forked = True

    def __getitem__(self, path: str) -> Any:
        found = self._live.find(path)
        if found is None:
            raise NotFoundError(f"nothing is at `{path}`", code="not_found", path=path, hint=self._near(path))
        return found[0]

    def _near(self, path: str) -> str | None:
        """The key that was meant, among those that stand beside it."""
        import difflib

        try:
            *above, last = _native.parse_path(path)["segments"]
        except (Error, ValueError):
            return None
        around = (self._live.keys(),) if not above else self._live.find(_pointer(above))
        if around is None or not isinstance(around[0], (dict, list)):
            return None
        known = [key for key in around[0] if isinstance(key, str)]
        near = difflib.get_close_matches(last, known[:_LOOKED_AT], n=1)
        return f"did you mean `{_native.parse_path(_pointer([*above, *near]))['dotted']}`?" if near else None

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

    @checked
    def extract(self, model: type[_T], path: str = "") -> _T:
        """What stands at a path, or the whole document, as a model of the program.

        A model is a class of pydantic, msgspec or attrs, a dataclass, a typed dict, a type such as `list[int]`, or
        `types.SimpleNamespace`, whose attributes are whatever the document has. What does not fit raises an `InputError` with path, file and line, and the other problems in `related`. Nothing counts as None.
        """
        from . import _models

        live = self._live
        found = live.find(path)
        return _models.read(model, None if found is None else found[0], path, lambda at: _origin(live, at))

    @property
    def model(self) -> Any:
        """The document as the `model` that it was opened with: one object of one moment, until something changes."""
        if self._model is None:
            raise UsageError("this was opened without a model", code="usage", hint="give `model=`, or call `extract(Model)`")
        shown, revision = self._shown, self.revision
        if shown is None or shown[0] != revision:
            shown = self._shown = (revision, self.extract(self._model))
        return shown[1]

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

    @checked
    def subscribe(self, pattern: str, callback: Callable[[Change], object] | None = None) -> Subscription:
        """Follows the changes of paths that match a pattern such as `app.features.*`, from now on, until it is closed.

        The callback gets one `Change` at a time, on a thread of its own, or where it is `async` on the event loop that runs
        here. What it raises goes to `sys.unraisablehook`, or to the loop's exception handler, and the next change comes all
        the same. The context variables are those of this call.
        """
        return Subscription(self, lambda live: live.subscribe(pattern), callback)

    @checked
    def reports(self, callback: Callable[[Report], object] | None = None) -> Reports:
        """What an operator should know: a source that breaks or is in order again, an edit that was refused, a connection.

        From the start on, as far as it is kept (1,024 reports), and until it is closed. The logger `confmesh` gets the same.
        """
        return Reports(self, lambda live: live.reports(True), callback)

    def close(self) -> None:
        """Closes it, at most about five seconds long. The last document can still be read."""
        self._is_closed = True
        if self._started is not None:
            self._started.close()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        message = "a running configuration cannot be pickled"
        raise UsageError(message, code="usage", hint="open it in the other process, from the same files")


def _pointer(segments: Sequence[str]) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in segments)


def _origin(live: Live, path: str) -> Origin | None:
    """Where the value at a path comes from; where nothing is, what is around it."""
    segments = _native.parse_path(path)["segments"]
    while True:
        try:
            winner = live.explain(_pointer(segments)).winner
        except NotFoundError:
            winner = None
        if winner is not None or not segments:
            return None if winner is None else winner["origin"]
        segments.pop()


def _close_all() -> None:
    """Runs before the interpreter shuts down, so that no thread of ours meets a half-gone one."""
    for reader in list(_open):
        reader.close()
    deadline = time.monotonic() + _EXIT_SECONDS
    for follower in list(_following._running):
        follower.close()
        follower._join(max(0.0, deadline - time.monotonic()))
    _log.finish(deadline)
    _native.end(max(_LAST_SECONDS, deadline - time.monotonic()))


def _before_fork() -> None:
    for reader in list(_open):
        reader._before_fork()
    _log.pause()


def _in_child() -> None:
    """Runs in the child of a fork, which has none of our threads; any of their locks may be held for ever."""
    _native.forked()
    _log.forget()
    for reader in list(_open):
        reader._stayed_behind()
    for follower in list(_following._all):
        follower._stayed_behind(follower._reader._survives_fork)


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_log.resume, after_in_child=_in_child)
