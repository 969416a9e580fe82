"""The shapes of what goes in and comes out, for annotations: at run time they are plain dicts."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if sys.version_info >= (3, 11):
    from typing import NotRequired
elif TYPE_CHECKING:
    from typing_extensions import NotRequired

if TYPE_CHECKING:
    from ._errors import Error
    from ._native import _ConflictStrategy, _Format, _MergeStrategy


class Origin(TypedDict):
    """Where a value or an error comes from."""

    source: str
    line: NotRequired[int]
    column: NotRequired[int]
    key: NotRequired[str]


class Env(TypedDict):
    """Variables: `PREFIX_DB__HOST` sets `db.host`."""

    prefix: str
    variables: Mapping[str, str]


class Layer(TypedDict):
    """What one source holds: `value`, or `text` (with its `format`), or `env`. Lower priorities win."""

    id: NotRequired[str]
    priority: NotRequired[int]
    strategy: NotRequired[_MergeStrategy]
    unset: NotRequired[Sequence[str]]
    removals: NotRequired[bool]
    value: NotRequired[Mapping[str, Any]]
    text: NotRequired[str]
    format: NotRequired[_Format]
    env: NotRequired[Env]


class Rule(TypedDict):
    """What holds for the paths that a pattern matches."""

    pattern: str
    meanwhile: NotRequired[Literal["last", "first", "previous"]]
    stale: NotRequired[Literal["merge", "refuse"]]
    merge: NotRequired[_MergeStrategy]
    key: NotRequired[str]
    conflict: NotRequired[_ConflictStrategy]
    secret: NotRequired[bool]
    atomic: NotRequired[bool]
    quiet: NotRequired[bool]
    removals: NotRequired[bool]


class Candidate(TypedDict):
    """One layer's value for a path."""

    source: str
    priority: int
    value: Any
    origin: Origin
    state: Literal["wins", "contributes", "overridden", "removed"]
    loaded: NotRequired[str]


class Absence(TypedDict):
    """Why nothing is there: what removes or overrides it."""

    origin: Origin
    path: str
    unset: bool


class Conflict(TypedDict):
    """A path that both sides changed differently; a side that holds nothing is missing."""

    path: str
    base: NotRequired[Any]
    ours: NotRequired[Any]
    theirs: NotRequired[Any]


class ThreeWay(TypedDict):
    """The result of a three-way merge."""

    value: Any
    conflicts: list[Conflict]


class PathParts(TypedDict):
    """A path and its spellings."""

    segments: list[str]
    dotted: str
    pointer: str


class Withheld(TypedDict):
    """A path that shows what was in force before, because what was written there is invalid on this instance."""

    path: str
    value: NotRequired[Any]
    error: Problem


class Receipt(TypedDict):
    """What a write did; `shadowed_by` names the source that hides the new value, `withheld` what is invalid here."""

    revision: int
    digest: str
    changed: list[str]
    in_force: bool
    version: NotRequired[str]
    shadowed_by: NotRequired[str]
    withheld: NotRequired[list[Withheld]]
    left_out: NotRequired[list[LeftOut]]


class LeftOut(TypedDict):
    """A path that the instance's bound file cannot hold: it is in force, and stays out of that file."""

    path: str
    format: str
    reason: str


class Problem(TypedDict):
    """An error in a status, with the fields of `Error`."""

    code: str
    message: str
    hint: NotRequired[str]
    path: NotRequired[str]
    origin: NotRequired[Origin]
    related: NotRequired[list[Problem]]


class Issue(TypedDict):
    """What a check of the program says of something below its value: what is wrong, and where, seen from that value."""

    message: str
    path: NotRequired[str | Sequence[str | int]]


class Check(TypedDict):
    """One thing that health looks at."""

    name: str
    status: Literal["ok", "degraded", "failed"]
    reasons: NotRequired[list[Problem]]


class Health(TypedDict):
    """Whether requests may be sent to an instance, and what someone should look at."""

    status: Literal["healthy", "degraded", "not_ready"]
    checks: list[Check]
    # Over HTTP alone.
    instance_id: NotRequired[str]
    connected_clients: NotRequired[int]
    timestamp: NotRequired[str]
    version: NotRequired[str]


class PeerStatus(TypedDict):
    """Another instance: `link` is what the two have come to, `problems` what is wrong between them until it is over."""

    direction: Literal["dialed", "accepted"]
    address: str
    state: Literal["connected", "connecting", "waiting"]
    url: NotRequired[str]
    link: NotRequired[Literal["in_step", "behind", "joining", "greeting", "other_document", "refused", "itself"]]
    problems: NotRequired[list[Problem]]
    connected_since: NotRequired[str]
    instance_id: NotRequired[str]
    last_error: NotRequired[Problem]
    retry_in_ms: NotRequired[int]
    clock_offset_ms: NotRequired[int]
    stamps_ahead_ms: NotRequired[int]


class Lost(TypedDict):
    """A value that goes with its document; without `new` nothing is in its place."""

    path: str
    op: Literal["changed", "removed"]
    old: Any
    new: NotRequired[Any]


class Adoption(TypedDict):
    """A document that is given up for another one: that one's birth, what is lost here, and whether it is done."""

    genesis: str
    lost: list[Lost]
    done: bool


class Aside(TypedDict):
    """What an instance held before another document took its place; `left` counts writes whose authors are not here."""

    id: int
    at: str
    why: Literal["joined", "moved", "given-up"]
    genesis: NotRequired[str]
    left: NotRequired[int]
    file: NotRequired[str]


class Kept(Aside):
    """The same with its text."""

    format: str
    text: str


class Member(TypedDict):
    """A replica that has to be reached before the history of the document is dropped; `blocks` as seen from here."""

    replica: str
    own: bool
    connected: bool
    blocks: bool
    instance_id: NotRequired[str]
    acknowledged: NotRequired[str]


class Written(TypedDict):
    """A shared write that made what is at a path."""

    path: str
    timestamp: str
    author: str
    version: str
    instance_id: NotRequired[str]
    user: NotRequired[str]


class RepairPlan(TypedDict):
    """What a repair would remove: `idle` of the `authors`, and `members` that are not connected.

    Nothing is repaired while somebody has to decide the conflicts of `undecided`.
    """

    genesis: str
    authors: int
    idle: int
    idle_authors: list[dict[str, Any]]
    members: list[dict[str, Any]]
    orphaned: bool
    undecided: list[str]
    behind: list[str]


class Repaired(TypedDict):
    """What a repair removed, and the birth of the document that goes on."""

    genesis: str
    authors_removed: int
    members_removed: int


class Apart(TypedDict):
    """A connected instance with another document, which neither side gives up by itself."""

    genesis: str
    state: Literal["other document"]
    hint: str
    instance_id: NotRequired[str]


class SourceStatus(TypedDict):
    """A source of a document."""

    id: str
    priority: int
    state: Literal["fresh", "missing", "stale"]
    error: NotRequired[Problem]
    stale_ms: NotRequired[int]
    # Of those that are polled:
    optional: NotRequired[bool]
    served_from: NotRequired[Literal["source", "disk"]]
    loaded: NotRequired[str]
    age_ms: NotRequired[int]
    stale_after_ms: NotRequired[int]
    next_poll_ms: NotRequired[int]
    failures: NotRequired[int]
    interval_ms: NotRequired[int]
    circuit: NotRequired[Literal["closed", "open", "half_open"]]
    keep_error: NotRequired[Problem]


class Checking(TypedDict):
    """What waits for the checks of the program: for how long, how long it may, and how many questions are late."""

    for_ms: int
    within_ms: int
    writes: int
    late: int
    cause: NotRequired[str]


class DocumentStatus(TypedDict):
    """A document; further fields are there where something is rejected, withheld, or dropped from the history."""

    name: str
    revision: int
    hash: str
    founded: bool
    genesis: str | None
    view_hash: str | None
    keys: int
    secrets: list[str]
    sources: list[SourceStatus]
    conflicts: list[WriteConflict]
    rejected: NotRequired[dict[str, Any]]
    withheld: NotRequired[list[dict[str, Any]]]
    checking: NotRequired[Checking]
    settling: NotRequired[dict[str, Any]]
    bound_file: NotRequired[str]
    stamps_ahead_ms: NotRequired[int]
    age: NotRequired[Literal["young", "old"]]
    apart: NotRequired[list[Apart]]
    kept: NotRequired[list[Aside]]
    left_out: NotRequired[list[LeftOut]]
    warnings: NotRequired[list[Problem]]
    save_conflicts: NotRequired[list[dict[str, Any]]]


class ValueStatus(TypedDict):
    """What became of single values for programs at a broker."""

    prefix: str
    connected: bool
    published: int
    taken: int
    refused: int
    last_error: NotRequired[Problem]


class BusStatus(TypedDict):
    """A broker at which instances meet."""

    url: str
    state: str
    instances: int
    links: int
    missed_frames: int
    refused_frames: int
    connected_since: NotRequired[str]
    last_error: NotRequired[Problem]
    retry_in_ms: NotRequired[int]
    values: NotRequired[ValueStatus]


class Status(TypedDict):
    """How an instance is doing."""

    instance_id: str
    version: str
    uptime_seconds: int
    health: Health
    listen: list[str]
    peers: list[PeerStatus]
    connected_clients: int
    documents: list[DocumentStatus]
    buses: NotRequired[list[BusStatus]]
    out_of_step_ms: NotRequired[int]
    auth: NotRequired[dict[str, Any]]
    notify: NotRequired[list[dict[str, Any]]]
    rate_limit: NotRequired[dict[str, Any]]


class Versioned(TypedDict):
    """A value with its version; without `value` nothing is there."""

    value: NotRequired[Any]
    version: str


class ConflictSide(TypedDict):
    """One side of a conflict; without `value` it removed the path.

    `lost_updates` counts the conditional writes that are lost with it: itself, and those it was built on that the one in
    force had not seen; with `or_more` there may be others.
    """

    value: NotRequired[Any]
    in_force: bool
    timestamp: str
    author: str
    version: str
    instance_id: NotRequired[str]
    user: NotRequired[str]
    fence: NotRequired[str]
    lost_updates: NotRequired[int]
    or_more: NotRequired[bool]


class WriteConflict(TypedDict):
    """A path that was written at the same time in different ways; `shown` is what the document holds meanwhile.

    `closed`: by a later write, listed for what it cost; a side that is in force was so until then. `lost_updates` counts
    the conditional writes that are lost in it and in no other conflict; with `or_more` there may be others.
    """

    id: str
    document: str
    path: str
    strategy: str
    status: Literal["pending_manual_resolution", "decided", "closed"]
    created_at: str
    assigned_to: str | None
    shown: NotRequired[Any]
    lost_updates: NotRequired[int]
    or_more: NotRequired[bool]
    sides: list[ConflictSide]


class Interpolated(TypedDict):
    """A document with its references replaced; an error stands at the path of what could not be."""

    value: Any
    errors: list[Error]


class Profile(TypedDict):
    """The base of a document, or what one profile lays over it."""

    name: str
    value: dict[str, Any]


class Coerced(TypedDict):
    """Variables as a typed document; a warning stands at the path of what is nothing of its type."""

    value: dict[str, Any]
    warnings: list[Error]


class CompetingChange(TypedDict):
    """One of several changes of a key; the timestamp as RFC 3339 has it, or in milliseconds since 1970."""

    author: str
    timestamp: str | int
    value: Any
    base: NotRequired[Any]


class Resolution(TypedDict):
    """How competing changes were settled, and what only some methods have to say."""

    config_key: str
    resolved_value: Any
    resolution_method: Literal[
        "no_changes",
        "single_change",
        "last_write_wins",
        "first_write_wins",
        "dictionary_merge",
        "list_merge",
        "numeric_average",
        "operational_transform",
        "manual_resolution_pending",
    ]
    resolution_strategy: _ConflictStrategy
    competing_changes_count: int
    winning_change: NotRequired[CompetingChange]
    discarded_changes: NotRequired[list[CompetingChange]]
    merged_sources: NotRequired[list[str]]
    original_length: NotRequired[int]
    deduplicated_length: NotRequired[int]
    original_values: NotRequired[list[int | float]]
    min_value: NotRequired[int | float]
    max_value: NotRequired[int | float]
    operations_applied: NotRequired[int]
    base_value: NotRequired[Any]
    manual_resolution_pending: NotRequired[bool]
    requires_human_intervention: NotRequired[bool]
    conflict_id: NotRequired[str]
    competing_changes: NotRequired[list[CompetingChange]]
    created_at: NotRequired[str]
    status: NotRequired[str]
    assigned_to: NotRequired[None]


class DisagreementSide(TypedDict):
    """One of several concurrent writes; one without a value removed the path.

    `lost_updates` counts the conditional writes that are lost with it; with `or_more` there may be others.
    """

    author: str
    number: int
    timestamp: str
    in_force: bool
    value: NotRequired[Any]
    lost_updates: NotRequired[int]
    or_more: NotRequired[bool]


class Disagreement(TypedDict):
    """Concurrent writes of one path, the one in force first."""

    id: str
    path: str
    rule: _ConflictStrategy
    is_open: bool
    sides: list[DisagreementSide]


class View(TypedDict):
    """A replicated document, and what its writers disagree on."""

    value: dict[str, Any]
    disagreements: list[Disagreement]
