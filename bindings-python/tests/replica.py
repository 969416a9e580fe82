"""Whole replicas: what they agree on, and what they refuse."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

import confmesh
from confmesh import Replica


def meet(*replicas: Replica) -> None:
    for _ in range(2):
        for one, other in permutations(replicas, 2):
            other.apply(one.delta(other.version()))


def three(rules: list[Any], start: Any) -> tuple[Replica, Replica, Replica]:
    first = Replica(rules)
    first.set("k", start)
    return first, first.fork(), Replica.load(first.save(), rules)


@pytest.mark.parametrize(
    ("strategy", "start", "edits", "is_fine"),
    [
        ("last_write_wins", 0, [1, 2, 3], lambda value: value in (1, 2, 3)),
        ("first_write_wins", None, [1, 2, 3], lambda value: value in (1, 2, 3)),
        ("merge_strategies", [0], [[0, 1], [0, 2], [0, 3]], lambda value: sorted(value) == [0, 1, 2, 3]),
        ("manual_resolution", 0, [1, 2, 3], lambda value: value in (1, 2, 3)),
        ("operational_transform", "", ["a", "b", "c"], lambda value: sorted(value) == ["a", "b", "c"]),
        ("numeric_average", 0, [1, 2, 6], lambda value: value == 3),
    ],
)
def three_replicas_agree_on_concurrent_edits(
    strategy: str, start: Any, edits: list[Any], is_fine: Callable[[Any], bool]
) -> None:
    rules: list[Any] = [{"pattern": "**", "conflict": strategy}]
    if start is None:
        root = Replica(rules)
        replicas = root, root.fork(), Replica.load(root.save(), rules)
    else:
        replicas = three(rules, start)
    for replica, value in zip(replicas, edits):
        assert replica.set("k", value)
    meet(*replicas)
    (value,) = {confmesh.canonical(replica.value) for replica in replicas}
    assert is_fine(confmesh.parse(value)["k"]), value
    (conflicts,) = {confmesh.canonical(replica.conflicts()) for replica in replicas}
    assert ('"is_open":true' in conflicts) == (strategy == "manual_resolution")


def a_conflict_is_open_until_somebody_decides() -> None:
    one, two, other = three([{"pattern": "**", "conflict": "manual_resolution"}], 0)
    one.set("k", 1)
    two.set("k", 2)
    meet(one, two, other)
    (conflict,) = other.conflicts()
    assert (conflict["path"], conflict["is_open"], len(conflict["sides"])) == ("k", True, 2)
    assert other.resolve("k", other.get("k"))
    meet(one, two, other)
    assert one.conflicts() == two.conflicts() == other.conflicts() == []


def applying_tells_what_changed_and_twice_is_once() -> None:
    one, two, _ = three([], 0)
    one.set("app.limit", 7)
    delta = one.delta(two.version())
    (change,) = two.apply(delta)
    assert (change.path, change.op, change.new) == ("app", "added", {"limit": 7})
    assert two.apply(delta) == []
    assert two.get("app.limit") == 7
    assert two.get("app.none", "default") == "default"
    assert two.unset("app.limit")
    assert not two.unset("app.limit")


def a_delta_that_skips_something_is_refused() -> None:
    one, two, _ = three([], 0)
    one.set("a", 1)
    seen = one.version()
    one.set("b", 2)
    with pytest.raises(confmesh.ConflictError) as raised:
        two.apply(one.delta(seen))
    assert raised.value.code == "not_ready"
    assert two.value == {"k": 0}


@pytest.mark.parametrize("garbage", [b"", b"\xb1", b"\xb1\xff\xff", b"hello", b"\xb1\x21" + bytes(40)])
def bytes_that_are_no_delta_are_refused(garbage: bytes) -> None:
    one, _, _ = three([], 0)
    for take in (one.apply, one.delta, Replica.load):
        with pytest.raises(confmesh.PeerError) as raised:
            take(garbage)
        assert raised.value.code == "message"
    assert one.value == {"k": 0}


def any_bytes_flipped_or_missing_never_crash() -> None:
    one, _, _ = three([], {"a": [1, "x"]})
    state = one.save()
    for at in range(len(state)):
        for broken in (state[:at], state[:at] + bytes([state[at] ^ 0x55]) + state[at + 1 :]):
            try:
                Replica.load(broken)
            except confmesh.Error as error:
                assert error.code != "internal"


def documents_that_were_founded_apart_do_not_mix() -> None:
    one, apart = Replica(), Replica()
    apart.set("a", 1)
    with pytest.raises(confmesh.PeerError) as raised:
        one.apply(apart.save())
    assert raised.value.code == "foreign_document"
    shared = Replica(genesis=one.genesis, id=b"0123456789abcdef")
    shared.set("a", 1)
    one.apply(shared.save())
    assert (one.value, shared.id) == ({"a": 1}, b"0123456789abcdef")
    with pytest.raises(confmesh.UsageError):
        Replica(id=b"short")


def a_write_for_another_version_is_refused() -> None:
    one = Replica()
    born = one.version()
    assert one.set("a", 1, if_version=born)
    with pytest.raises(confmesh.ConflictError) as raised:
        one.set("a", 2, if_version=born)
    assert raised.value.code == "stale"
    assert one.get("a") == 1


def settling_keeps_the_value_and_refuses_who_had_not_seen_it() -> None:
    one, two, late = three([], 0)
    for at in range(50):
        one.set("k", at)
    meet(one, two)
    late.set("late", True)
    before = one.value
    one.settle()
    assert one.value == before
    with pytest.raises(confmesh.ConflictError) as raised:
        one.apply(late.save())
    assert raised.value.code == "stale"
    one.set("k", "after")
    two.apply(one.delta(two.version()))
    assert two.value == one.value == Replica.load(one.save()).value
