"""confmesh merges configuration from many places, explains every value, and keeps every instance in agreement."""

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
from ._live import Config, Mesh, open
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
    rewrite,
    three_way,
    version,
    view_deltas,
)
from ._options import checked
from ._pending import Pending

# Those with options.
explain = checked(_native.explain)
merge = checked(_native.merge)
parse = checked(_native.parse)

__version__ = version()

__all__ = [
    "Change",
    "Config",
    "ConflictError",
    "Error",
    "Explanation",
    "InputError",
    "InputTypeError",
    "InternalError",
    "IoError",
    "Merged",
    "Mesh",
    "NotFoundError",
    "PeerError",
    "Pending",
    "Replica",
    "Report",
    "Reports",
    "Schema",
    "Subscription",
    "UsageError",
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
    "rewrite",
    "sequence",
    "three_way",
    "version",
    "view_deltas",
]
