"""Competing changes and how they are settled: `ConfigurationConflictResolver`, `OperationalTransform`."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Literal

from .. import _native, sequence
from .._errors import InputError, UsageError
from .._native import resolve
from .._types import CompetingChange
from ._declared import plain
from ._loading import get_logger
from ._manager import called

logger = get_logger("confmesh.compat")


class ConflictResolutionStrategy(enum.Enum):
    """How competing changes are settled."""

    LAST_WRITE_WINS = "last_write_wins"
    FIRST_WRITE_WINS = "first_write_wins"
    OPERATIONAL_TRANSFORM = "operational_transform"
    MERGE_STRATEGIES = "merge_strategies"
    MANUAL_RESOLUTION = "manual_resolution"


@dataclasses.dataclass
class Operation:
    """One edit of a text or list: `insert`, `delete`, `retain` (nothing), or `replace` (of the whole)."""

    op_type: str
    position: int
    content: Any = None
    length: int = 0
    timestamp: datetime | None = None
    author: str | None = None


class OperationalTransform:
    """Edits that follow one another, and what becomes of them after others that were made at the same time."""

    def __init__(self, operations: Sequence[Operation] = ()) -> None:
        self.operations: list[Operation] = list(operations)

    def transform_against(self, other_op: OperationalTransform) -> OperationalTransform:
        """These operations, for what the other ones have changed already.

        Whichever of both is carried over, the result is the same: of two insertions at one place that of the older comes
        first, and of the same age that of the lesser author.
        """
        if any(operation.op_type == "replace" for operation in (*self.operations, *other_op.operations)):
            return OperationalTransform(self.operations)
        is_list = self._is_list() or other_op._is_list()
        mine, over = self._steps(is_list), other_op._steps(is_list)
        side: Literal["left", "right"] = "left" if self._rank() <= other_op._rank() else "right"
        steps = sequence.transform(mine, over, side)
        return OperationalTransform(self._operations(steps))

    def apply(self, value: Any) -> Any:
        """A text or list with the operations applied; anything else only takes a `replace`."""
        for operation in self.operations:
            if operation.op_type == "replace":
                value = operation.content
            elif isinstance(value, (str, list)):
                value = sequence.apply(_step(operation, isinstance(value, list)), value)
        return value

    def _is_list(self) -> bool:
        inserted = (operation.content for operation in self.operations if operation.op_type == "insert")
        return any(not isinstance(content, str) for content in inserted)

    def _steps(self, is_list: bool) -> list[Any]:
        steps: list[Any] = []
        for operation in self.operations:
            steps = sequence.compose(steps, _step(operation, is_list))
        return steps

    def _rank(self) -> tuple[str, str, str]:
        first = self.operations[0] if self.operations else Operation("retain", 0)
        contents = [[one.op_type, one.position, one.length, one.content] for one in self.operations]
        return (_time(first.timestamp) or "", first.author or "", _native.canonical(contents))

    def _operations(self, steps: Sequence[Any]) -> list[Operation]:
        first = self.operations[0] if self.operations else Operation("retain", 0)
        made, at = [], 0
        for step in steps:
            if isinstance(step, int):
                at += step
            elif "insert" in step:
                made.append(Operation("insert", at, step["insert"], 0, first.timestamp, first.author))
                at += len(step["insert"])
            else:
                made.append(Operation("delete", at, None, step["delete"], first.timestamp, first.author))
        return made


def _step(operation: Operation, is_list: bool) -> list[Any]:
    keep: list[Any] = [operation.position] if operation.position > 0 else []
    if operation.op_type == "insert":
        content = operation.content
        if is_list and not isinstance(content, list):
            content = [content]
        return [*keep, {"insert": content}] if content else []
    if operation.op_type == "delete":
        return [*keep, {"delete": operation.length}] if operation.length > 0 else []
    if operation.op_type == "retain":
        return []
    raise InputError(f"`{operation.op_type}` is no operation", code="invalid", hint="they are insert, delete, retain, replace")


def _time(stamp: Any) -> str | None:
    if isinstance(stamp, datetime):
        aware = stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=timezone.utc)
        return aware.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return None if stamp is None else str(stamp)


class ConfigurationConflictResolver:
    """Settles competing changes of a key as `confmesh.resolve` does.

    A change is a map with `new_value`, and where known `old_value`, `timestamp` (RFC 3339; without a zone it is UTC) and
    `user_id`. What somebody has to decide is told to `on_manual`, and to the log.
    """

    def __init__(self, sync_manager: Any = None, on_manual: Callable[[dict[str, Any]], object] | None = None) -> None:
        self.sync_manager = sync_manager
        self._on_manual = on_manual

    async def resolve_conflict(
        self,
        config_key: str,
        competing_changes: Sequence[Mapping[str, Any]],
        strategy: ConflictResolutionStrategy = ConflictResolutionStrategy.LAST_WRITE_WINS,
        *,
        numeric_average: bool = False,
    ) -> dict[str, Any]:
        """What the changes come to, whatever their order; `numeric_average` takes the mean of numbers that would be merged."""
        if not isinstance(strategy, ConflictResolutionStrategy):
            raise ValueError(f"Unknown conflict resolution strategy: {strategy}")
        given = _ordered(competing_changes)
        missing = "9999-12-31T23:59:59Z" if strategy is ConflictResolutionStrategy.FIRST_WRITE_WINS else "1970-01-01T00:00:00Z"
        changes = [_change(change, number, missing) for number, change in enumerate(given)]
        name = strategy.value
        numbers = [change["value"] for change in changes]
        is_numeric = bool(numbers) and all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers)
        if numeric_average and is_numeric and strategy is ConflictResolutionStrategy.MERGE_STRATEGIES:
            name = "numeric_average"
        found: dict[str, Any] = dict(resolve(config_key, changes, name))
        _give_back(found, changes, given)
        logger.info(
            f"Conflict resolved for {config_key}: {found['resolution_method']}",
            event_type="conflict_resolved",
            config_key=config_key,
            resolution_strategy=strategy.value,
            competing_changes_count=len(changes),
            resolution_method=found["resolution_method"],
        )
        if found.get("requires_human_intervention"):
            logger.warning("A conflict has to be decided", config_key=config_key, conflict_id=found["conflict_id"])
            if self._on_manual is not None:
                await called(self._on_manual, dict(found))
        return found


def _ordered(changes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """In an order that does not depend on the one they came in: whoever settles the same changes says the same."""

    def key(change: Mapping[str, Any]) -> str:
        values = [plain(change.get(name)) for name in ("new_value", "old_value")]
        return _native.canonical([str(change.get("user_id")), str(change.get("timestamp")), values])

    for change in changes:
        if "new_value" not in change:
            raise UsageError("a competing change has no `new_value`", code="usage")
    return sorted(changes, key=key)


def _change(change: Mapping[str, Any], number: int, missing: str) -> CompetingChange:
    stamp = change.get("timestamp")
    if isinstance(stamp, str):
        try:
            stamp = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
        except ValueError as error:
            raise InputError(f"`{stamp}` is no time", code="invalid", hint="write it as RFC 3339 has it") from error
    made: CompetingChange = {
        "author": f"{change.get('user_id', 'unknown')}#{number}",
        "timestamp": _time(stamp) or missing,
        "value": change["new_value"],
    }
    if "old_value" in change:
        made["base"] = change["old_value"]
    return made


def _give_back(found: dict[str, Any], changes: Sequence[CompetingChange], given: Sequence[Mapping[str, Any]]) -> None:
    """The changes in an answer as they were given."""

    def original(change: Mapping[str, Any]) -> dict[str, Any]:
        number = next(at for at, one in enumerate(changes) if one["author"] == change["author"])
        return dict(given[number])

    if "merged_sources" in found:
        found["merged_sources"] = [author.rpartition("#")[0] for author in found["merged_sources"]]
    if "winning_change" in found:
        found["winning_change"] = original(found["winning_change"])
    for name in ("discarded_changes", "competing_changes"):
        if name in found:
            found[name] = [original(change) for change in found[name]]
