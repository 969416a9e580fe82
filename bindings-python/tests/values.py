"""Python objects to documents and back: nothing is lost, and what does not fit is named with its path."""

import enum
import math
from collections import OrderedDict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

import confmesh


def _round_trip(value: Any) -> Any:
    return confmesh.merge_patch(None, value)


class _Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -1, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 0.1, -2.5e-7, 1e300, "", "größe 😀", [], {}],
)
def scalars_and_empty_containers_come_back_as_they_went(value: Any) -> None:
    assert _round_trip(value) == value
    assert type(_round_trip(value)) is type(value)


def nested_documents_come_back_as_they_went() -> None:
    document = {"a": [1, {"b": [None, "x", 2**64 - 1]}], "c": {"d": {}}}
    assert _round_trip(document) == document


def subclasses_and_tuples_are_taken_for_what_they_are() -> None:
    assert _round_trip({"t": (1, 2), "e": _Level.HIGH, "o": OrderedDict(z=1)}) == {"t": [1, 2], "e": 3, "o": {"z": 1}}


def a_float_without_a_fraction_is_that_integer() -> None:
    assert confmesh.canonical([1.0, -0.0, 1e16]) == "[1,0,10000000000000000]"


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**40, math.nan, math.inf, -math.inf])
def numbers_that_do_not_fit_are_refused_with_their_path(number: float) -> None:
    with pytest.raises(confmesh.InputError) as caught:
        confmesh.canonical({"a": [0, number]})
    assert (caught.value.code, caught.value.path) == ("number_range", "a.1")
    assert caught.value.hint


@pytest.mark.parametrize("stranger", [{1, 2}, b"bytes", date(2026, 1, 1), Decimal(1), object(), len])
def strangers_are_refused_with_path_and_type(stranger: object) -> None:
    with pytest.raises(TypeError) as caught:
        confmesh.hash({"a": {"b": stranger}})
    assert isinstance(caught.value, confmesh.InputTypeError)
    assert (caught.value.code, caught.value.path) == ("type", "a.b")
    assert f"`{type(stranger).__name__}`" in caught.value.message


def keys_must_be_text() -> None:
    with pytest.raises(confmesh.InputTypeError) as caught:
        confmesh.canonical({"a": {7: 1}})
    assert caught.value.path == "a"
    assert "`7`" in caught.value.message and "`int`" in caught.value.message


@pytest.mark.parametrize("value", [{"a": "\ud800"}, {"a": {"\udfff": 1}}])
def lone_surrogates_are_refused(value: Any) -> None:
    with pytest.raises(confmesh.InputError) as caught:
        confmesh.canonical(value)
    assert (caught.value.code, caught.value.path) == ("invalid", "a")


def cycles_and_depth_are_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    deep: Any = 0
    for _ in range(128):
        deep = [deep]
    assert _round_trip(deep) == deep
    for value in (cycle, [deep]):
        with pytest.raises(confmesh.InputError) as caught:
            confmesh.canonical(value)
        assert caught.value.code == "too_large"


def results_are_fresh_objects() -> None:
    merged = confmesh.merge([{"id": "a", "value": {"l": [1]}}])
    merged.value["l"].append(2)
    assert merged.value == {"l": [1]}
