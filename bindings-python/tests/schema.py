"""Schemas as a program uses them: typed values, checks of its own, and every problem with its place."""

import json
import os
from typing import Any

import pytest

import confmesh

_DEFINITION: dict[str, Any] = {
    "fields": {
        "url": {"type": "url", "required": True},
        "workers": {"type": "integer", "min": 1, "default": 4},
        "tags": {"type": "list", "items": "string"},
    }
}


def a_plain_dict_becomes_a_typed_and_validated_one() -> None:
    schema = confmesh.Schema(_DEFINITION)
    assert schema.load({"url": "http://a"}) == {"url": "http://a", "workers": 4}
    with pytest.raises(confmesh.InputError) as caught:
        schema.load({"workers": 0, "tags": [1]})
    told = [caught.value, *caught.value.related]
    assert {(error.path, error.code) for error in told} == {
        ("url", "invalid"),
        ("workers", "invalid"),
        ("tags.0", "type"),
    }
    assert all(error.hint for error in told)


def a_missing_required_key_is_named_and_nothing_is_returned() -> None:
    layers: Any = [{"id": "file:app.json", "text": '{"workers": 2}'}]
    with pytest.raises(confmesh.InputError) as caught:
        confmesh.merge(layers, schema=confmesh.Schema(_DEFINITION))
    assert (caught.value.path, caught.value.message) == ("url", "required key is missing")


def a_merge_has_defaults_declared_types_profiles_and_references() -> None:
    layers: Any = [
        {"id": "file", "text": '{"url": "http://${env:HOST}", "profiles": {"big": {"workers": "${env:N}"}}}'},
        {"env": {"prefix": "APP", "variables": {"APP_TAGS": "a,b"}}},
    ]
    merged = confmesh.merge(
        layers, schema=confmesh.Schema(_DEFINITION), profiles="big", interpolate={"HOST": "h", "N": "8"}
    )
    assert merged.value == {"url": "http://h", "workers": 8, "tags": ["a", "b"]}
    assert merged.provenance["workers"] == "file#big"
    origin = merged.explain("workers").winner
    assert origin is not None and origin["origin"] == {"source": "file#big", "line": 1, "column": 52}
    assert confmesh.explain(layers, "workers", profiles=["big"]).source == "file#big"
    assert confmesh.interpolate({"path": "${env:PATH}"}, os.environ)["value"] == {"path": os.environ["PATH"]}


def a_check_says_what_is_wrong_by_a_text_a_bool_or_a_value_error() -> None:
    def short(value: Any) -> str | None:
        return "tags have at most 3 letters" if len(value) > 3 else None

    def private(value: Any) -> None:
        if not value.startswith("https:"):
            raise ValueError("the URL is open to all")

    checks: Any = {"tags.*": short, "url": private, "workers": lambda n: n != 13, "": lambda doc: "x" not in doc}
    schema = confmesh.Schema(_DEFINITION, checks=checks)
    assert schema.validate({"url": "https://a", "tags": ["abc"], "workers": 12}) == []
    errors = schema.validate({"url": "http://a", "tags": ["abc", "abcd"], "workers": 13, "x": 1})
    assert {error.path: error.message for error in errors} == {
        "tags.1": "tags have at most 3 letters",
        "url": "the URL is open to all",
        "workers": "the program refuses the value",
        "": "the program refuses the value",
    }
    with pytest.raises(confmesh.InputError):
        confmesh.merge([{"id": "a", "value": {"url": "https://a", "workers": 13}}], schema=schema)


def what_else_a_check_raises_is_raised() -> None:
    def broken(value: Any) -> None:
        raise ZeroDivisionError(value)

    with pytest.raises(ZeroDivisionError):
        confmesh.Schema(_DEFINITION, checks={"workers": broken}).validate({"url": "http://a", "workers": 1})
    odd: Any = {"workers": lambda value: 7}
    with pytest.raises(TypeError):
        confmesh.Schema(_DEFINITION, checks=odd).validate({"url": "http://a", "workers": 1})


def a_text_is_validated_with_lines_and_columns() -> None:
    text = "workers: many\nurl: http://a\n"
    (error,) = confmesh.Schema(_DEFINITION).validate_text(text, "yaml", source="app.yaml")
    assert str(error).startswith('app.yaml:1:1: expected integer, found string "many" (at `workers`)')


def the_schema_prints_a_reference_and_a_file_to_start_from() -> None:
    schema = confmesh.Schema(_DEFINITION)
    assert "workers" in schema.reference() and "| `workers` |" in schema.reference("markdown")
    assert confmesh.parse(schema.initial("yaml"), "yaml")["workers"] == 4
    assert schema.to_env("APP", {"workers": 2, "tags": ["a", "b"]}) == {"APP_WORKERS": "2", "APP_TAGS": "a,b"}
    assert schema.known({"workers": 1, "x": 2}) == {"workers": 1}
    assert schema.defaults() == {"workers": 4}
    assert json.loads(schema.reference("json-schema"))["properties"]["workers"]["minimum"] == 1
    assert repr(schema).startswith("<Schema(")


def whole_json_schema_documents_are_checked_and_unknown_formats_noted() -> None:
    schema = confmesh.Schema(
        {
            "patternProperties": {"^n_": {"type": "integer"}},
            "dependentRequired": {"user": ["password"]},
            "properties": {"iban": {"format": "iban"}},
        }
    )
    assert schema.validate({"n_a": 1, "user": "x", "password": "y"}) == []
    found = {error.path: error.message for error in schema.validate({"n_a": "x", "user": "y"})}
    assert found == {"n_a": 'expected integer, found string "x"', "password": "required key is missing"}
    (note,) = schema.notes()
    assert (note.path, note.message) == ("properties.iban.format", "the format `iban` is not checked")
    with pytest.raises(confmesh.InputError, match="cannot be followed"):
        confmesh.Schema({"$ref": "https://example.org/a.json"})


def a_definition_that_is_none_is_refused_with_its_path() -> None:
    with pytest.raises(confmesh.InputError) as caught:
        confmesh.Schema({"fields": {"n": {"type": "integer", "minn": 1}}})
    assert caught.value.path is not None and caught.value.path.startswith("fields.n")
    with pytest.raises(confmesh.InputError):
        confmesh.Schema(_DEFINITION, checks={"a..b": lambda value: None})
