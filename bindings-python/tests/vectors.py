"""Every case of the corpus, through the public functions: the same answers are owed in every language."""

import os
from pathlib import Path
from typing import Any

import pytest

import confmesh

_FOLDER = Path(os.environ.get("CONFMESH_VECTORS", Path(__file__).parents[2] / "tests" / "vectors"))


def _corpus() -> list[tuple[str, dict[str, Any]]]:
    # Read with confmesh itself: Python's own reader would lose what an integer beyond 64 bits means.
    files = sorted(_FOLDER.glob("*.json"))
    return [(file.name, case) for file in files for case in confmesh.parse(file.read_text("utf-8"))["cases"]]


_CASES = _corpus()


def _merged(case: dict[str, Any]) -> confmesh.Merged:
    return confmesh.merge(case["layers"], rules=case.get("rules"))


def _run_merge(case: dict[str, Any]) -> str:
    merged = _merged(case)
    result: dict[str, Any] = {"value": merged.value}
    if case.get("provenance"):
        result["provenance"] = merged.provenance
    if case.get("warnings"):
        result["warnings"] = [warning.path for warning in merged.warnings]
    return confmesh.canonical(result)


_OPS: dict[str, Any] = {
    "canonical": lambda case: confmesh.canonical(confmesh.parse(case["text"])),
    "hash": lambda case: confmesh.hash(confmesh.parse(case["text"])),
    "parse": lambda case: confmesh.canonical(confmesh.parse(case["text"], case["format"])),
    "merge": _run_merge,
    "explain": lambda case: confmesh.canonical(
        confmesh.explain(case["layers"], case["path"], rules=case.get("rules")).to_dict()
    ),
    "diff": lambda case: confmesh.canonical(confmesh.diff(case["old"], case["new"])),
    "changes": lambda case: confmesh.canonical(
        [change.to_dict() for change in confmesh.changes(case["old"], case["new"])]
    ),
    "patch": lambda case: confmesh.canonical(confmesh.patch(case["doc"], case["patch"])),
    "merge_patch": lambda case: confmesh.canonical(confmesh.merge_patch(case["doc"], case["patch"])),
    "merge_patch_between": lambda case: confmesh.canonical(confmesh.merge_patch_between(case["old"], case["new"])),
    "three_way": lambda case: confmesh.canonical(confmesh.three_way(case["base"], case["ours"], case["theirs"])),
    "path": lambda case: confmesh.canonical(confmesh.parse_path(case["text"])),
    "pattern": lambda case: confmesh.canonical(confmesh.matches(case["pattern"], case["path"])),
}


@pytest.mark.parametrize(("file", "case"), _CASES, ids=[f"{file}: {case['name']}" for file, case in _CASES])
def the_corpus_gets_the_same_answers_here(file: str, case: dict[str, Any]) -> None:
    run = _OPS[case["op"]]
    if "error" in case:
        with pytest.raises(confmesh.Error) as caught:
            run(case)
        assert caught.value.code == case["error"]
    else:
        want = case["expect_text"] if "expect_text" in case else confmesh.canonical(case["expect"])
        assert run(case) == want


def the_corpus_is_there() -> None:
    assert len(_CASES) >= 200
    assert {case["op"] for _, case in _CASES} == set(_OPS)
