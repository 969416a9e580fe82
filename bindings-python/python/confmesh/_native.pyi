"""The compiled half of confmesh; import from `confmesh` instead."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict, final, type_check_only

from typing_extensions import NotRequired

from ._errors import Error

__all__ = [
    "Answer",
    "Change",
    "Explanation",
    "Feed",
    "Live",
    "Merged",
    "canonical",
    "changes",
    "diff",
    "dump",
    "explain",
    "hash",
    "matches",
    "merge",
    "merge_patch",
    "merge_patch_between",
    "open_files",
    "parse",
    "parse_path",
    "patch",
    "rewrite",
    "start_mesh",
    "three_way",
    "version",
]

_Format: TypeAlias = Literal["json", "jsonc", "yaml", "yml", "toml", "ini", "cfg", "dotenv", "env"]
_MergeStrategy: TypeAlias = Literal["override", "merge_dict", "deep_merge", "append_list", "union_set", "keyed_list"]

@type_check_only
class Origin(TypedDict):
    """Where a value or an error comes from."""

    source: str
    line: NotRequired[int]
    column: NotRequired[int]
    key: NotRequired[str]

@type_check_only
class Env(TypedDict):
    """Variables: `PREFIX_DB__HOST` sets `db.host`."""

    prefix: str
    variables: Mapping[str, str]

@type_check_only
class Layer(TypedDict):
    """What one source holds: `value`, or `text` (with its `format`), or `env`. Lower priorities win."""

    id: NotRequired[str]
    priority: NotRequired[int]
    strategy: NotRequired[_MergeStrategy]
    unset: NotRequired[Sequence[str]]
    value: NotRequired[Mapping[str, Any]]
    text: NotRequired[str]
    format: NotRequired[_Format]
    env: NotRequired[Env]

@type_check_only
class Rule(TypedDict):
    """What holds for the paths that a pattern matches."""

    pattern: str
    meanwhile: NotRequired[Literal["last", "first", "previous"]]
    stale: NotRequired[Literal["merge", "refuse"]]
    merge: NotRequired[_MergeStrategy]
    key: NotRequired[str]
    conflict: NotRequired[str]
    secret: NotRequired[bool]

@type_check_only
class Candidate(TypedDict):
    """One layer's value for a path."""

    source: str
    priority: int
    value: Any
    origin: Origin
    state: Literal["wins", "contributes", "overridden", "removed"]

@type_check_only
class Absence(TypedDict):
    """Why nothing is there: what removes or overrides it."""

    origin: Origin
    path: str
    unset: bool

@type_check_only
class Conflict(TypedDict):
    """A path that both sides changed differently; a side that holds nothing is missing."""

    path: str
    base: NotRequired[Any]
    ours: NotRequired[Any]
    theirs: NotRequired[Any]

@type_check_only
class ThreeWay(TypedDict):
    """The result of a three-way merge."""

    value: Any
    conflicts: list[Conflict]

@type_check_only
class PathParts(TypedDict):
    """A path and its spellings."""

    segments: list[str]
    dotted: str
    pointer: str

@type_check_only
class Receipt(TypedDict):
    """What a write did; `shadowed_by` names the source that hides the new value."""

    revision: int
    hash: str
    changed: list[str]
    version: NotRequired[str]
    shadowed_by: NotRequired[str]

@type_check_only
class Versioned(TypedDict):
    """A value with its version; without `value` nothing is there."""

    value: NotRequired[Any]
    version: str

@type_check_only
class ConflictSide(TypedDict):
    """One side of a conflict; without `value` it removed the path."""

    value: NotRequired[Any]
    in_force: bool
    timestamp: str
    author: str
    version: str
    instance_id: NotRequired[str]
    user: NotRequired[str]
    fence: NotRequired[str]

@type_check_only
class WriteConflict(TypedDict):
    """A path that was written at the same time in different ways; `shown` is what the document holds meanwhile."""

    id: str
    document: str
    path: str
    strategy: str
    status: Literal["pending_manual_resolution", "decided"]
    created_at: str
    assigned_to: str | None
    shown: NotRequired[Any]
    sides: list[ConflictSide]

@final
class Change:
    """One difference between two documents."""

    @property
    def path(self) -> str:
        """Where, in dotted form."""
    @property
    def op(self) -> Literal["added", "changed", "removed", "lagged"]:
        """What happened; `lagged` where changes were left out because the subscriber was too slow."""
    @property
    def old(self) -> Any:
        """What was there; `None` also where nothing was, which `op` tells."""
    @property
    def new(self) -> Any:
        """What is there now; `None` also where nothing is, which `op` tells."""
    @property
    def cause(self) -> str | None:
        """What brought it: a source's id, or `None` where it is only a difference."""
    def to_dict(self) -> dict[str, Any]:
        """The change as a dict; `old` or `new` is missing where nothing was or is."""

@final
class Explanation:
    """Why a path has its value; prints as a table. Secrets are masked."""

    @property
    def path(self) -> str:
        """The path, in dotted form."""
    @property
    def value(self) -> Any:
        """The value in force; `None` also where nothing is, which `absence` tells."""
    @property
    def rule(self) -> _MergeStrategy:
        """The strategy that governs the path."""
    @property
    def pattern(self) -> str | None:
        """The pattern of the rule that says so; `None` where it is a layer's strategy."""
    @property
    def source(self) -> str:
        """The source as one text, `base+local` for what several make up."""
    @property
    def sources(self) -> list[str]:
        """The layers that the value is made of."""
    @property
    def winner(self) -> Candidate | None:
        """The highest layer that the value is made of."""
    @property
    def others(self) -> list[Candidate]:
        """Every other layer that holds the path, highest first."""
    @property
    def absence(self) -> Absence | None:
        """Why nothing is there, where nothing is."""
    def to_dict(self) -> dict[str, Any]:
        """The account as a dict; what there is none of is missing."""

@final
class Merged:
    """What layers merge to, and where each value comes from."""

    @property
    def value(self) -> dict[str, Any]:
        """The effective document, a fresh dict."""
    @property
    def provenance(self) -> dict[str, str]:
        """The source of every leaf, and of every key that `merge_dict` united: `{path: source}`."""
    @property
    def warnings(self) -> list[Error]:
        """Values that clash or have no fitting type, as exception objects that were not raised."""
    def explain(self, path: str) -> Explanation:
        """The account of the value at a path."""

@final
class Answer:
    """An answer that somebody waits for, in a thread or in an event loop."""

    def wait(self) -> Any:
        """Blocks until the answer is there; a second call is refused."""
    def notify(self, callback: Callable[[], object]) -> None:
        """Calls `callback` once, on another thread, when `wait` would not block."""

@final
class Feed:
    """Changes that wait to be taken; for one taker at a time."""

    def take(self) -> Change | None:
        """The next change, if one waits."""
    @property
    def closed(self) -> bool:
        """Whether no change waits and none will come."""
    def wait(self, seconds: float) -> None:
        """Blocks until a change waits, none will come, or that many seconds are over."""
    def notify(self, callback: Callable[[], object]) -> None:
        """Calls `callback` once, on another thread, when a change waits or none will come."""
    def close(self) -> None:
        """Ends it at once: what waits is dropped."""

@final
class Live:
    """A running configuration."""

    def find(self, path: str) -> tuple[Any] | None: ...
    def keys(self) -> list[str]: ...
    def snapshot(self) -> tuple[int, dict[str, Any]]: ...
    @property
    def revision(self) -> int: ...
    @property
    def hash(self) -> str: ...
    @property
    def warnings(self) -> list[Error]: ...
    @property
    def provenance(self) -> dict[str, str]: ...
    @property
    def addresses(self) -> list[str]: ...
    def explain(self, path: str) -> Explanation: ...
    def set(
        self,
        path: str,
        value: Any,
        *,
        if_version: str | None = None,
        force: bool = False,
        fence: int = 0,
        user: str | None = None,
    ) -> Answer: ...
    def unset(
        self,
        path: str,
        *,
        if_version: str | None = None,
        force: bool = False,
        fence: int = 0,
        user: str | None = None,
    ) -> Answer: ...
    def read(self, path: str) -> Answer: ...
    def conflicts(self, all: bool) -> Answer: ...
    def assign(self, id: str, user: str | None) -> Answer: ...
    def resolve(self, id: str, choice: dict[str, Any], user: str | None) -> Answer: ...
    def patch(self, patch: Any, *, if_hash: str | None) -> Answer: ...
    def merge_patch(self, patch: Any, *, if_hash: str | None) -> Answer: ...
    def replace(self, value: Any, *, if_hash: str | None) -> Answer: ...
    def status(self) -> Answer: ...
    def subscribe(self, pattern: str) -> Feed: ...
    def close(self) -> None: ...

def open_files(
    files: Sequence[str | os.PathLike[str]],
    *,
    env_prefix: str | None,
    rules: Sequence[Rule] | None,
    watch: bool,
) -> Live:
    """Opens files of one process."""

def start_mesh(
    *,
    bind: str | os.PathLike[str] | None,
    files: Sequence[str | os.PathLike[str]],
    listen: Sequence[str],
    peers: Sequence[str],
    env_prefix: str | None,
    data_dir: str | os.PathLike[str] | None,
    document: str,
    rules: Sequence[Rule] | None,
    insecure: bool,
) -> Live:
    """Starts an instance."""

def merge(layers: Iterable[Layer], *, rules: Sequence[Rule] | None = None) -> Merged:
    """Merges layers by priority and strategy."""

def explain(layers: Iterable[Layer], path: str, *, rules: Sequence[Rule] | None = None) -> Explanation:
    """Merges layers and accounts for the value at one path."""

def diff(old: Any, new: Any) -> list[dict[str, Any]]:
    """What turns one value into another, as a JSON Patch (RFC 6902)."""

def changes(old: Any, new: Any) -> list[Change]:
    """What differs between two values, key by key."""

def patch(doc: Any, patch: Any) -> Any:
    """Applies a JSON Patch (RFC 6902), all of it or nothing."""

def merge_patch(doc: Any, patch: Any) -> Any:
    """Applies a JSON Merge Patch (RFC 7396)."""

def merge_patch_between(old: Any, new: Any) -> Any:
    """What turns one value into another, as a JSON Merge Patch (RFC 7396)."""

def three_way(base: Any, ours: Any, theirs: Any) -> ThreeWay:
    """Merges two values that came from one base; ours stays where both changed a path differently."""

def canonical(value: Any) -> str:
    """The canonical text of a value (RFC 8785, integers of 64 bits in full)."""

def hash(value: Any) -> str:
    """The content hash of a value, `sha256:` and 64 hexadecimal digits."""

def parse(text: str, format: str = "json", *, source: str = "") -> Any:
    """Reads a text."""

def dump(value: Any, format: str = "json") -> str:
    """Writes a value as text."""

def rewrite(text: str, format: str, target: Any) -> str:
    """Changes a text so that it holds another value; what does not change stays as it is written."""

def parse_path(text: str) -> PathParts:
    """Reads a path into its segments and its two spellings."""

def matches(pattern: str, path: str) -> bool:
    """Whether a pattern matches a path."""

def version() -> str:
    """The version of confmesh, for example `0.1.0`."""
