"""The exceptions of confmesh. The native module fills them; their fields are the same in every language."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._types import Origin


class Error(Exception):
    """What went wrong, where, and what to do about it. Branch on the class or on `code`, never on the text."""

    __module__ = "confmesh"

    code: str
    """The stable code, for example `syntax` or `not_found`."""
    message: str
    """The message alone, without place and hint."""
    hint: str | None
    """What you can do, where it is known."""
    path: str | None
    """The path in the document, in dotted form."""
    origin: Origin | None
    """Where the bad input came from: `source`, and where known `line`, `column` and `key`."""
    related: list[Error]
    """Errors that belong to this one."""

    def __init__(
        self,
        text: str,
        *,
        code: str = "internal",
        message: str | None = None,
        hint: str | None = None,
        path: str | None = None,
        origin: Origin | None = None,
        related: list[Error] | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.message = text if message is None else message
        self.hint = hint
        self.path = path
        self.origin = origin
        self.related = [] if related is None else related

    def __str__(self) -> str:
        """`origin: message (at path)`, and the hint on a line of its own."""
        text = str(self.args[0]) if self.args else self.message
        return text if self.hint is None else f"{text}\nhint: {self.hint}"


class InputError(Error, ValueError):
    """A document, file, argument or message is not what it should be."""

    __module__ = "confmesh"


class InputTypeError(InputError, TypeError):
    """A value has a type that a document cannot hold, or that does not belong there."""

    __module__ = "confmesh"


class NotFoundError(InputError, KeyError):
    """Nothing is at that path."""

    __module__ = "confmesh"


class ConflictError(Error):
    """A write collides with a newer one, a patch does not apply, or the document is not ready."""

    __module__ = "confmesh"


class IoError(Error, OSError):
    """A file, a socket or the store failed."""

    __module__ = "confmesh"


class PeerError(Error):
    """Another instance is missing, incompatible or misbehaves."""

    __module__ = "confmesh"


class UsageError(Error):
    """The call makes no sense, or not in this state."""

    __module__ = "confmesh"


class InternalError(Error):
    """A defect of confmesh."""

    __module__ = "confmesh"
