"""The pure functions as a program uses them, and the fields of what they raise."""

import threading
from typing import Any

import pytest

import confmesh


def differences_apply_to_what_they_came_from() -> None:
    old, new = {"a": {"x": 1, "y": [1, 2]}, "b": 1}, {"a": {"x": 2, "y": [1, 3, 2]}, "c": None}
    assert confmesh.patch(old, confmesh.diff(old, new)) == new
    assert confmesh.diff({"a": 1}, {"a": 2}) == [{"op": "replace", "path": "/a", "value": 2}]
    assert confmesh.merge_patch({"a": 1, "b": 2}, {"a": None}) == {"b": 2}
    assert confmesh.merge_patch_between({"a": 1, "b": 2}, {"b": 2}) == {"a": None}


def changes_tell_path_kind_and_both_sides() -> None:
    (changed, removed) = confmesh.changes({"app": {"limit": 1, "old": None}}, {"app": {"limit": 2}})
    assert (changed.path, changed.op, changed.old, changed.new, changed.cause) == ("app.limit", "changed", 1, 2, None)
    assert (removed.path, removed.op, removed.old, removed.new) == ("app.old", "removed", None, None)
    assert removed.to_dict() == {"path": "app.old", "op": "removed", "old": None}
    assert repr(changed) == "<Change app.limit: 1 -> 2>"


def a_three_way_merge_names_its_conflicts() -> None:
    merged = confmesh.three_way({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 3, "b": 2})
    assert merged == {"value": {"a": 2, "b": 2}, "conflicts": [{"path": "a", "base": 1, "ours": 2, "theirs": 3}]}


def texts_of_every_format_are_read_and_written() -> None:
    document = {"name": "x", "server": {"port": 80}}
    for format in ("json", "jsonc", "yaml", "toml"):
        assert confmesh.parse(confmesh.dump(document, format), format) == document
        assert confmesh.parse(confmesh.rewrite(confmesh.dump(document, format), format, {"n": 1}), format) == {"n": 1}
    assert confmesh.dump({"A": "1"}, "dotenv") == "A=1\n"


def the_hash_is_that_of_the_canonical_text() -> None:
    assert confmesh.canonical({"b": 1, "a": [1.0, "x"]}) == '{"a":[1,"x"],"b":1}'
    assert confmesh.hash({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def paths_and_patterns_are_the_same_as_in_rules() -> None:
    assert confmesh.parse_path("/a/b.c") == {"segments": ["a", "b.c"], "dotted": "a.b\\.c", "pointer": "/a/b.c"}
    assert confmesh.matches("app.*", "app.limit") and not confmesh.matches("app.*", "other")


def an_explanation_has_the_winner_and_prints_as_a_table() -> None:
    layers: Any = [
        {"id": "file:app.json", "text": '{\n  "limit": 100\n}'},
        {"env": {"prefix": "APP", "variables": {"APP_LIMIT": "200", "HOME": "/"}}},
    ]
    explanation = confmesh.explain(layers, "limit")
    assert (explanation.value, explanation.source, explanation.rule) == (200, "env:APP", "deep_merge")
    assert explanation.winner is not None and explanation.winner["origin"] == {"source": "env:APP", "key": "APP_LIMIT"}
    assert explanation.others[0]["origin"] == {"source": "file:app.json", "line": 2, "column": 3}
    assert explanation.absence is None and explanation.pattern is None
    assert str(explanation).startswith("limit = 200\n") and "file:app.json:2:3" in str(explanation)
    with pytest.raises(KeyError) as caught:
        confmesh.explain(layers, "nothing")
    assert isinstance(caught.value, confmesh.NotFoundError) and caught.value.code == "not_found"


def secrets_are_masked_in_explanations() -> None:
    explanation = confmesh.merge(
        [{"id": "a", "value": {"password": "hunter2"}}], rules=[{"pattern": "password", "secret": True}]
    ).explain("password")
    assert "hunter2" not in str(explanation) + repr(explanation) + str(explanation.to_dict())


def errors_carry_all_fields() -> None:
    with pytest.raises(confmesh.InputError) as caught:
        confmesh.parse('{\n  "a": 1,\n  "a": 2\n}', source="app.json")
    error = caught.value
    assert isinstance(error, ValueError)
    assert error.code == "duplicate_key"
    assert error.origin == {"source": "app.json", "line": 3, "column": 3}
    assert str(error).startswith("app.json:3:3: ") and error.message in str(error)
    assert error.related == []


def warnings_are_errors_that_were_not_raised() -> None:
    merged = confmesh.merge(
        [
            {"id": "base", "priority": 30, "value": {"a": {"b": 1}}},
            {"id": "local", "priority": 10, "value": {"a": 1}},
        ]
    )
    (warning,) = merged.warnings
    assert isinstance(warning, confmesh.Error) and warning.path == "a" and warning.origin == {"source": "local"}
    assert warning.related[0].origin == {"source": "base"}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (lambda: confmesh.patch({}, [{"op": "remove", "path": "/a"}]), confmesh.ConflictError),
        (lambda: confmesh.merge([{"value": {}}]), confmesh.UsageError),
        (lambda: confmesh.merge([], rules=[{"pattern": "a..b", "secret": True}]), confmesh.InputError),
        (lambda: confmesh.parse("<a/>", "xml"), confmesh.InputError),
    ],
)
def each_kind_has_its_class(code: object, kind: type[confmesh.Error]) -> None:
    assert callable(code)
    with pytest.raises(kind):
        code()


def every_class_can_be_made_and_caught_as_one() -> None:
    for kind in (
        confmesh.InputError,
        confmesh.InputTypeError,
        confmesh.NotFoundError,
        confmesh.ConflictError,
        confmesh.IoError,
        confmesh.PeerError,
        confmesh.UsageError,
        confmesh.InternalError,
    ):
        error = kind("text", code="x", hint="do this")
        assert isinstance(error, confmesh.Error)
        assert (str(error), error.code, error.message) == ("text\nhint: do this", "x", "text")


def threads_can_merge_at_the_same_time() -> None:
    layers: Any = [{"id": "a", "value": {f"k{n}": n for n in range(500)}}]
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(len(confmesh.merge(layers).value))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [500] * 4
