"""Keywords that nobody knows are refused with the name that was meant."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def checked(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """The function, whose complaint about an unknown keyword names the nearest one. A call that is fine costs nothing."""

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return function(*args, **kwargs)
        except TypeError:
            message = _misspelt(function, kwargs)
            if message is None:
                raise
        raise TypeError(message)

    return call


def _misspelt(function: Callable[..., object], given: dict[str, object]) -> str | None:
    import inspect

    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"]
    unknown = next((name for name in given if name not in names), None)
    return None if unknown is None else misspelt(function.__qualname__.removesuffix(".__init__"), unknown, names)


def misspelt(called: str, unknown: str, names: list[str]) -> str:
    """What is said about an unknown keyword."""
    import difflib

    near = difflib.get_close_matches(unknown.lower(), names, n=1, cutoff=0.5)
    advice = f"did you mean '{near[0]}'?" if near else f"the options are {', '.join(names)}"
    return f"{called}() got an unexpected keyword argument '{unknown}': {advice}"


def check_callable(callback: Any, called: str, hint: str) -> None:
    """Refuses what cannot be called where it is given, and not on another thread when the first change comes."""
    if not callable(callback):
        from ._errors import UsageError

        message = f"the callback of `{called}` cannot be called: it is of the type `{type(callback).__name__}`"
        raise UsageError(message, code="usage", hint=hint)
