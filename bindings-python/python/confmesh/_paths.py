"""Files as programs name them: paths, and resources of packages, which may lie in an archive."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

if TYPE_CHECKING:
    from contextlib import ExitStack


class Resource(Protocol):
    """What `importlib.resources.files(package) / name` gives."""

    @property
    def name(self) -> str: ...
    def read_bytes(self) -> bytes: ...


Path: TypeAlias = str | os.PathLike[str] | Resource

_unpacked: ExitStack | None = None
_unpacked_by = 0


def paths_of(given: Path | Iterable[Path]) -> list[str | os.PathLike[str]]:
    """The paths of files; one path or resource stands for itself."""
    if isinstance(given, (str, os.PathLike)) or (not isinstance(given, Iterable) and _is_resource(given)):
        return [path_of(given)]
    return [path_of(path) for path in cast("Iterable[Path]", given)]


def path_of(given: Path) -> str | os.PathLike[str]:
    """The path of a file. A resource in an archive is unpacked until the program ends."""
    if isinstance(given, (str, os.PathLike)) or not _is_resource(given):
        return cast("str | os.PathLike[str]", given)
    import atexit
    from contextlib import ExitStack
    from importlib.resources import as_file

    global _unpacked, _unpacked_by
    if _unpacked is None or _unpacked_by != os.getpid():
        # What a parent unpacked is the parent's to remove.
        _unpacked, _unpacked_by = ExitStack(), os.getpid()
        atexit.register(_remove, _unpacked, _unpacked_by)
    path: os.PathLike[str] = _unpacked.enter_context(as_file(cast(Any, given)))
    return path


def _is_resource(given: object) -> bool:
    return hasattr(given, "read_bytes") and hasattr(given, "name")


def _remove(unpacked: ExitStack, by: int) -> None:
    if by == os.getpid():
        unpacked.close()
