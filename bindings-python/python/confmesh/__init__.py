"""confmesh merges configuration from many places, explains every value, and keeps every instance in agreement."""

from typing import TYPE_CHECKING, Any

from . import _native, sequence
from ._errors import (
    ConflictError,
    Error,
    InputError,
    InputTypeError,
    InternalError,
    IoError,
    NotFoundError,
    PeerError,
    UsageError,
)
from ._following import Reports, Subscription
from ._live import Config, Mesh, open, watch_variables
from ._native import (
    Change,
    Explanation,
    Merged,
    Replica,
    Report,
    Schema,
    canonical,
    changes,
    diff,
    dump,
    hash,
    interpolate,
    matches,
    merge_patch,
    merge_patch_between,
    parse_path,
    patch,
    profiles,
    rebuild,
    resolve,
    restore,
    rewrite,
    three_way,
    version,
    view_deltas,
)
from ._options import checked
from ._pending import Pending
from ._sources import Source
from ._variables import VariableWatch

if TYPE_CHECKING:
    from ._types import (
        Absence,
        Adoption,
        Apart,
        Aside,
        Candidate,
        Check,
        Coerced,
        CompetingChange,
        Conflict,
        ConflictSide,
        Disagreement,
        DisagreementSide,
        DocumentStatus,
        Env,
        Health,
        Interpolated,
        Issue,
        Kept,
        Layer,
        LeftOut,
        Lost,
        Origin,
        PathParts,
        PeerStatus,
        Problem,
        Profile,
        Receipt,
        Resolution,
        Rule,
        SourceStatus,
        Status,
        ThreeWay,
        Versioned,
        View,
        Withheld,
        WriteConflict,
    )
else:

    def __getattr__(name: str) -> Any:
        """The shapes are for annotations, and take a fifth of what the package takes to import: when they are asked for."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import _types

        return getattr(_types, name)


# Those with options.
explain = checked(_native.explain)
merge = checked(_native.merge)
parse = checked(_native.parse)

__version__ = version()

__all__ = [
    "Absence",
    "Adoption",
    "Apart",
    "Aside",
    "Candidate",
    "Change",
    "Check",
    "Coerced",
    "CompetingChange",
    "Config",
    "Conflict",
    "ConflictError",
    "ConflictSide",
    "Disagreement",
    "DisagreementSide",
    "DocumentStatus",
    "Env",
    "Error",
    "Explanation",
    "Health",
    "InputError",
    "InputTypeError",
    "InternalError",
    "Interpolated",
    "IoError",
    "Issue",
    "Kept",
    "Layer",
    "LeftOut",
    "Lost",
    "Merged",
    "Mesh",
    "NotFoundError",
    "Origin",
    "PathParts",
    "PeerError",
    "PeerStatus",
    "Pending",
    "Problem",
    "Profile",
    "Receipt",
    "Replica",
    "Report",
    "Reports",
    "Resolution",
    "Rule",
    "Schema",
    "Source",
    "SourceStatus",
    "Status",
    "Subscription",
    "ThreeWay",
    "UsageError",
    "VariableWatch",
    "Versioned",
    "View",
    "Withheld",
    "WriteConflict",
    "__version__",
    "canonical",
    "changes",
    "diff",
    "dump",
    "explain",
    "hash",
    "interpolate",
    "matches",
    "merge",
    "merge_patch",
    "merge_patch_between",
    "open",
    "parse",
    "parse_path",
    "patch",
    "profiles",
    "rebuild",
    "resolve",
    "restore",
    "rewrite",
    "sequence",
    "three_way",
    "version",
    "view_deltas",
    "watch_variables",
]
