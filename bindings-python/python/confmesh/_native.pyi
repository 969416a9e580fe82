"""The compiled half of confmesh; import from `confmesh` instead."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

from ._errors import Error
from ._types import (
    Absence,
    Candidate,
    Coerced,
    CompetingChange,
    Disagreement,
    Interpolated,
    Issue,
    Layer,
    PathParts,
    Profile,
    Resolution,
    Rule,
    ThreeWay,
    View,
    Withheld,
)

__all__ = [
    "Answer",
    "Broker",
    "Change",
    "Explanation",
    "Feed",
    "KafkaReader",
    "KafkaWriter",
    "Live",
    "Merged",
    "Replica",
    "Report",
    "Schema",
    "Variables",
    "canonical",
    "changes",
    "diff",
    "dump",
    "end",
    "explain",
    "forked",
    "hash",
    "interpolate",
    "matches",
    "merge",
    "merge_patch",
    "merge_patch_between",
    "open_files",
    "parse",
    "parse_path",
    "patch",
    "profiles",
    "rebuild",
    "resolve",
    "restore",
    "rewrite",
    "sequence_apply",
    "sequence_between",
    "sequence_compose",
    "sequence_invert",
    "sequence_transform",
    "start_mesh",
    "three_way",
    "unraisable",
    "value_filter",
    "value_place",
    "value_topic",
    "version",
    "view_deltas",
]

_Format: TypeAlias = Literal[
    "json", "jsonc", "json5", "yaml", "yml", "toml", "ini", "cfg", "properties", "dotenv", "env"
]
_MergeStrategy: TypeAlias = Literal["override", "merge_dict", "deep_merge", "append_list", "union_set", "keyed_list"]
_ConflictStrategy: TypeAlias = Literal[
    "last_write_wins",
    "first_write_wins",
    "merge_strategies",
    "manual_resolution",
    "operational_transform",
    "numeric_average",
]
_Operation: TypeAlias = Sequence[int | Mapping[str, Any]]

@final
class Schema:
    """What a document has to look like.

    The definition is a JSON Schema document, or the compact form: a dict with `fields`. Checks are functions by pattern
    (`""` is the whole document) that get a value and return None, or what is wrong with it, by a text or a list of
    `{"path": […], "message": …}` about what is below it; a ValueError says so as well.
    """

    def __new__(
        cls,
        definition: Mapping[str, Any] | bool,
        *,
        checks: Mapping[str, Callable[[Any], str | bool | list[Issue] | None]] | None = None,
    ) -> Schema: ...
    def validate(self, document: Any) -> list[Error]:
        """Every problem of a document, as exception objects that were not raised; none if it is valid."""
    def validate_text(self, text: str, format: str = "json", *, source: str = "") -> list[Error]:
        """Every problem of the document in a text, each with its line and column."""
    def load(self, document: Any) -> Any:
        """The document with its defaults, if it is valid then; else the first problem is raised, with the others in `related`."""
    def defaults(self, document: Any | None = None) -> Any:
        """The document with every default filled in where it holds nothing."""
    def known(self, document: Any) -> Any:
        """The document without the keys that the schema does not declare."""
    def coerce(self, prefix: str, variables: Mapping[str, str]) -> Coerced:
        """Variables with a prefix as a typed document, and what is nothing of its type, as `{"value", "warnings"}`."""
    def to_env(self, prefix: str, document: Any) -> dict[str, str]:
        """The document as variables, whose texts read back as the same values."""
    def initial(self, format: str = "json") -> str:
        """The text of a file to start from: defaults, with every description as a comment where the format has comments."""
    def reference(
        self,
        style: Literal["human", "json", "yaml", "markdown", "json-schema"] = "human",
        *,
        category: str | None = None,
        env_only: bool = False,
        show_sensitive: bool = False,
        prefix: str | None = None,
    ) -> str:
        """Every field with its path, type, default, variable, rules and description, for people or programs to read."""
    def notes(self) -> list[Error]:
        """What the schema says and nobody checks, with its path in it: formats and keywords that are unknown."""

@final
class Replica:
    """A whole replica of a document: write to it alone, exchange deltas as bytes, and all replicas show the same.

    `Replica()` founds a document; its other replicas come of `fork` and `load`, as replicas that were founded apart never
    merge. Rules are for its own writes: the conflict strategy travels in each. Ids are 16 bytes, random where not given;
    an id must never have written before. `wall_ms` is the time of a call in milliseconds since 1970, the clock's where not
    given. Methods exclude each other, so any thread may call them.
    """

    def __new__(
        cls, rules: Sequence[Rule] | None = None, *, id: bytes | None = None, genesis: bytes | None = None
    ) -> Replica: ...
    @staticmethod
    def load(data: bytes, rules: Sequence[Rule] | None = None, *, id: bytes | None = None) -> Replica:
        """Another replica of the document that `save` wrote."""
    def fork(self, *, id: bytes | None = None) -> Replica:
        """A second replica that starts from what this one holds, with the same rules."""
    @property
    def id(self) -> bytes:
        """The author name of its writes, 16 bytes."""
    @property
    def genesis(self) -> bytes:
        """The document's birth, 16 bytes, which all its replicas share."""
    @property
    def value(self) -> dict[str, Any]:
        """The document, a fresh dict."""
    def get(self, path: str, default: Any = None) -> Any:
        """The value at a path, or `default`."""
    def set(self, path: str, value: Any, *, if_version: bytes | None = None, wall_ms: int | None = None) -> bool:
        """Writes a value; False where it was there already. With `if_version` only where nothing else was seen since."""
    def unset(self, path: str, *, if_version: bytes | None = None, wall_ms: int | None = None) -> bool:
        """Removes a path; False where nothing was there."""
    def resolve(self, path: str, value: Any, *, wall_ms: int | None = None) -> bool:
        """Decides what writers disagree on at a path: as `set`, also where this is the value that shows."""
    def version(self) -> bytes:
        """What it has seen, for `delta` of another replica and for `if_version`."""
    def delta(self, since: bytes | None = None) -> bytes:
        """What a replica lacks that has seen `since`; everything where none is given."""
    def apply(self, delta: bytes, *, wall_ms: int | None = None) -> list[Change]:
        """Takes in a delta, late, twice or in any order; gives what changed in the document.

        Raises, and takes nothing, where the bytes are no delta (`message`), others are missing before it (`not_ready`: ask
        for the delta since `version()`), it is of a document that was founded apart (`foreign_document`), or one side
        settled what the other had not seen (`stale`).
        """
    def save(self) -> bytes:
        """Everything, for `load`."""
    def conflicts(self) -> list[Disagreement]:
        """What writers disagree on, by path: decided by a rule, or open."""
    def settle(self) -> None:
        """Drops the history and keeps the value.

        Only when every replica has seen all that this one has, and wrote nothing since that is not here: writes of one that
        had not are refused here ever after.
        """

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
class Report:
    """Something that an operator should know: a source that broke or is in order again, an edit that was refused."""

    @property
    def level(self) -> Literal["info", "warning", "error"]:
        """`info`, `warning` or `error`."""
    @property
    def message(self) -> str:
        """What the log says, as one line."""
    @property
    def source(self) -> str | None:
        """The id of the source that it is about; `None` where it is about none."""
    @property
    def state(self) -> Literal["fresh", "missing", "stale"] | None:
        """How that source is now: `fresh`, `missing`, or `stale` where its last good content is in force."""
    @property
    def error(self) -> Error | None:
        """What went wrong, as an exception object that was not raised."""
    def to_dict(self) -> dict[str, Any]:
        """The report as a dict; what there is none of is missing."""

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
    @property
    def withheld(self) -> Withheld | None:
        """What was written there and is not in force."""
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

    def wait(self, seconds: float) -> bool:
        """Blocks until the answer is there, at most about so many seconds, and says whether it is."""
    def take(self) -> Any:
        """The answer, once: `wait` or `notify` told that it is there."""
    def notify(self, callback: Callable[[], object]) -> None:
        """Calls `callback` once, on another thread, when the answer can be taken."""

@final
class Broker:
    """A client of a broker for plain messages; it connects by itself, and again whenever it lost its connection."""

    def __new__(cls, url: str, *, client_id: str | None = None, status: str | None = None) -> Broker: ...
    @property
    def connected(self) -> bool:
        """Whether the broker is reached."""
    def publish(
        self, topic: str, payload: Sequence[int] | bytes, *, qos: int = 1, retain: bool = False, within: float = 10.0
    ) -> None:
        """Publishes, and waits until it is at the broker."""
    def subscribe(self, filter: str) -> None:
        """Listens to a filter."""
    def next(self, within: float) -> tuple[str, bytes, bool] | None:
        """The next message: topic, payload, and whether the broker kept it; None where the time is up."""
    def close(self) -> None:
        """Says goodbye, and ends the connection."""

@final
class Feed:
    """Changes or reports that wait to be taken; for one taker at a time."""

    def take(self) -> Any:
        """The next change or report, if one waits."""
    @property
    def closed(self) -> bool:
        """Whether nothing waits and nothing will come."""
    def wait(self, seconds: float) -> None:
        """Blocks until something waits, nothing will come, or that many seconds are over."""
    def notify(self, callback: Callable[[], object]) -> None:
        """Calls `callback` once, on another thread, when something waits or nothing will come."""
    def close(self) -> None:
        """Ends it at once: what waits is dropped."""

@final
class KafkaReader:
    """Reads records from topics."""

    def __new__(
        cls,
        url: str,
        topics: Sequence[str],
        *,
        group: str | None = None,
        from_earliest: bool = False,
        auto_commit: bool = True,
        auto_commit_interval: float = 1.0,
        max_records: int = 100,
        session_timeout: float = 30.0,
        heartbeat_interval: float = 10.0,
        make_topics: bool = True,
    ) -> KafkaReader: ...
    def read(
        self, within: float
    ) -> list[tuple[str, int, int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]]: ...
    def is_assigned(self) -> bool: ...
    def lag(self) -> int: ...
    def commit(self) -> None: ...
    def close(self) -> None: ...

@final
class KafkaWriter:
    """Writes records to topics."""

    def __new__(
        cls,
        url: str,
        *,
        acks_all: bool = True,
        idempotent: bool = True,
        compression: str = "gzip",
        batch_bytes: int = 16384,
        linger: float = 0.0,
        max_request_bytes: int = 10485760,
        request_timeout: float = 30.0,
        retry_backoff: float = 1.0,
        retries: int = 5,
    ) -> KafkaWriter: ...
    def make(self, topics: Sequence[str]) -> None: ...
    def write(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
    ) -> tuple[int, int | None]: ...
    def close(self) -> None: ...

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
        message: str | None = None,
    ) -> Answer: ...
    def unset(
        self,
        path: str,
        *,
        if_version: str | None = None,
        force: bool = False,
        fence: int = 0,
        user: str | None = None,
        message: str | None = None,
    ) -> Answer: ...
    def on_webhook(self, name: str, callback: Callable[[str, Any], object]) -> None: ...
    def call(self, operation: str, arguments: dict[str, Any]) -> Answer: ...
    def adopt(self, url: str, yes: bool) -> Answer: ...
    def patch(self, patch: Any, *, if_hash: str | None) -> Answer: ...
    def merge_patch(self, patch: Any, *, if_hash: str | None) -> Answer: ...
    def replace(self, value: Any, *, if_hash: str | None) -> Answer: ...
    def status(self) -> Answer: ...
    def subscribe(self, pattern: str) -> Feed: ...
    def reports(self, keeps_alive: bool) -> Feed: ...
    def own(self) -> dict[str, Any] | None: ...
    def set_again(self, own: dict[str, Any]) -> None: ...
    def close(self) -> None: ...

def end(seconds: float) -> None:
    """From now on no other thread of ours calls Python; waits for those that do, at most so long."""

def forked() -> None:
    """Says that this is the child of a fork."""

def unraisable(error: BaseException, object: object) -> None:
    """Tells what a callback raised, as the interpreter tells of exceptions that nobody can catch."""

def open_files(
    files: Sequence[str | os.PathLike[str]],
    *,
    sources: list[tuple[Any, tuple[str, Callable[[], Any]] | None]],
    data_dir: str | os.PathLike[str] | None,
    encrypt_key_file: str | os.PathLike[str] | None,
    env_prefix: str | None,
    rules: Sequence[Rule] | None,
    watch: bool,
    schema: Schema | Mapping[str, Any] | None,
    check_within: int,
    invalid_variables: str,
    profiles: Sequence[str],
    interpolate: bool,
    env_names: Sequence[str],
) -> Live:
    """Opens files of one process."""

def rebuild(data_dir: str | os.PathLike[str], *, force: bool = False) -> Path | None:
    """Gives a damaged store up: it is kept aside, and at its next start the instance takes the document from a peer.

    Until then it founds none, and a bound file that differs is kept as `<file>.before-join`. A store that is in order is
    left alone unless `force` says otherwise. Returns where the old store is; None where there was none.
    """

def restore(
    data_dir: str | os.PathLike[str], file: str | os.PathLike[str], *, force: bool = False
) -> dict[str, Any]:
    """Puts a backup into the data directory of an instance that is stopped, which comes back as another one.

    It has a new key and a new name, takes from its peers what was written since, and takes none of that back. What its bound
    file says is kept as `<file>.before-join` where it differs. A store that holds a document is set aside only where `force`
    says so. Returns what the backup holds, and where the old store is.
    """

def start_mesh(
    *,
    bind: str | os.PathLike[str] | None,
    files: Sequence[str | os.PathLike[str]],
    sources: list[tuple[Any, tuple[str, Callable[[], Any]] | None]],
    listen: Sequence[str],
    peers: Sequence[str],
    buses: Sequence[str],
    env_prefix: str | None,
    data_dir: str | os.PathLike[str] | None,
    document: str,
    rules: Sequence[Rule] | None,
    access: Mapping[str, Any],
    allow_origins: Sequence[str],
    allow_hosts: Sequence[str],
    schema: Schema | Mapping[str, Any] | None,
    check_within: int,
    invalid_variables: str,
    profiles: Sequence[str],
    interpolate: bool,
    env_names: Sequence[str],
    found_after: int,
    old_after: int,
    stale_after: int | None,
    settle: bool,
    history: tuple[int, int, int],
    encrypt_key_file: str | os.PathLike[str] | None,
    webhook_secrets: Sequence[str],
    webhook_secret_file: str | os.PathLike[str] | None,
    webhook_paths: Sequence[str] | None,
    notify: tuple[list[str], str | os.PathLike[str] | None, str | None],
) -> Live:
    """Starts an instance."""

@final
class Variables:
    """Changes of variables that a program follows by name."""

    def __new__(cls, names: Sequence[str], seconds: float) -> Variables: ...
    def wait(self, seconds: float) -> dict[str, tuple[str | None, str | None]] | None:
        """What changed, by name: what it was, and what it is. `None` where nothing did within so many seconds."""

def merge(
    layers: Iterable[Layer],
    *,
    rules: Sequence[Rule] | None = None,
    schema: Schema | None = None,
    profiles: str | Sequence[str] | None = None,
    interpolate: Mapping[str, str] | None = None,
    invalid_variables: Literal["refuse", "ignore"] = "refuse",
) -> Merged:
    """Merges layers by priority and strategy; with a schema, a document that breaks it is raised, not returned."""

def explain(
    layers: Iterable[Layer],
    path: str,
    *,
    rules: Sequence[Rule] | None = None,
    schema: Schema | None = None,
    profiles: str | Sequence[str] | None = None,
    interpolate: Mapping[str, str] | None = None,
    invalid_variables: Literal["refuse", "ignore"] = "refuse",
) -> Explanation:
    """Merges layers and accounts for the value at one path."""

def interpolate(document: Any, variables: Mapping[str, str]) -> Interpolated:
    """The document with its references replaced, and what could not be, as `{"value", "errors"}`."""

def profiles(document: Any, active: str | Sequence[str]) -> list[Profile]:
    """The base of a document with profiles and what is active, lowest first, as a list of `{"name", "value"}`."""

def resolve(key: str, changes: Iterable[CompetingChange], strategy: str = "last_write_wins") -> Resolution:
    """Settles competing changes of one key; the order of the changes does not matter."""

def view_deltas(deltas: Iterable[Mapping[str, Any]]) -> View:
    """What every instance shows that has seen these deltas, in any order, and what their writers disagree on."""

def sequence_between(old: Any, new: Any) -> list[Any]:
    """The operation that makes `new` of `old`, two lists or two texts: as small as it can be."""

def sequence_apply(operation: _Operation, value: Any) -> Any:
    """The list or text with an operation applied."""

def sequence_compose(first: _Operation, second: _Operation) -> list[Any]:
    """One operation for `first` and then `second`."""

def sequence_invert(operation: _Operation, before: Any) -> list[Any]:
    """The operation that takes one back; `before` is what that one was made for."""

def sequence_transform(operation: _Operation, over: _Operation, side: Literal["left", "right"]) -> list[Any]:
    """An operation for a sequence that `over`, made for the same one, has changed already. Of two insertions at one place
    that of the `left` side comes first."""

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

def value_topic(prefix: str, tenant: str | None, key: str) -> str:
    """The topic of a path's value at a broker."""

def value_place(prefix: str, topic: str) -> tuple[str | None, str] | None:
    """Tenant and path of a topic; None where it is that of no value."""

def value_filter(prefix: str, pattern: str) -> str:
    """The filter for what a pattern matches, of every tenant."""

def version() -> str:
    """The version of confmesh, for example `0.1.0`."""
