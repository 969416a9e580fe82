"""Sources: texts, maps, and classes or functions of the program."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol, Union

from ._errors import UsageError


class Source(Protocol):
    """A source of the program's own: `load` gives a dict, or None where there is no document. It may be `async`."""

    def load(self) -> Mapping[str, Any] | None | Awaitable[Mapping[str, Any] | None]:
        """The document as it is now."""


Given = Union[str, Mapping[str, Any], Source, Callable[[], Any]]


def given(sources: Given | Iterable[Given]) -> list[tuple[Any, tuple[str, Callable[[], Any]] | None]]:
    """What the native side takes: `(spec, None)`, or `(options, (name, load))`."""
    if isinstance(sources, (str, Mapping)) or callable(sources) or hasattr(sources, "load"):
        sources = [sources]  # type: ignore[list-item]
    return [_given(source) for source in sources]


def _given(source: Given) -> tuple[Any, tuple[str, Callable[[], Any]] | None]:
    if isinstance(source, str):
        return source, None
    options: dict[str, Any] = {}
    own: Any = source
    if isinstance(source, Mapping):
        options = dict(source)
        own = options.get("source")
        if own is None or isinstance(own, str):
            return options, None
        del options["source"]
    load = getattr(own, "load", own)
    if not callable(load):
        raise UsageError(
            f"a `{type(own).__name__}` is no source",
            code="usage",
            hint="a source is a text, a dict with `source`, an object with `load()`, or a function",
        )
    import inspect

    kind = own if inspect.isroutine(own) or inspect.isclass(own) else type(own)
    name = options.get("name") or getattr(kind, "__name__", "source")
    return options, (str(name), lambda: _loaded(load))


def finished(answer: Any) -> Any:
    """What a function of the program gives, or what it gives in the end where it is `async`."""
    if not hasattr(answer, "__await__"):
        return answer
    import asyncio

    return asyncio.run(_awaited(answer))


def _loaded(load: Callable[[], Any]) -> Any:
    found = finished(load())
    return dict(found) if isinstance(found, Mapping) else found


async def _awaited(found: Awaitable[Any]) -> Any:
    return await found
