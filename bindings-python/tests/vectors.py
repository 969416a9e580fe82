"""Every case of the corpus, through the public functions: the same answers are owed in every language."""

import os
import tempfile
import time
from collections.abc import Callable
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


def _options(case: dict[str, Any]) -> dict[str, Any]:
    schema = confmesh.Schema(case["schema"]) if "schema" in case else None
    return {"rules": case.get("rules"), "schema": schema, "profiles": case.get("active"), "interpolate": case.get("env")}


def _run_merge(case: dict[str, Any]) -> str:
    merged = confmesh.merge(case["layers"], **_options(case))
    result: dict[str, Any] = {"value": merged.value}
    if case.get("provenance"):
        result["provenance"] = merged.provenance
    if case.get("warnings"):
        result["warnings"] = [warning.path for warning in merged.warnings]
    return confmesh.canonical(result)


def _fields(error: confmesh.Error) -> dict[str, Any]:
    given: dict[str, Any] = {"path": error.path, "origin": error.origin, "hint": error.hint}
    present = {name: field for name, field in given.items() if field is not None}
    return {"code": error.code, "message": error.message, **present}


def _problems(errors: list[confmesh.Error]) -> list[dict[str, Any]]:
    # Which of several problems is told first is not promised.
    return sorted(({"path": e.path or "", "code": e.code} for e in errors), key=lambda e: (e["path"], e["code"]))


def _run_coerce(case: dict[str, Any]) -> str:
    coerced = confmesh.Schema(case["schema"]).coerce(case["env"]["prefix"], case["env"]["variables"])
    return confmesh.canonical({"value": coerced["value"], "warnings": [error.path for error in coerced["warnings"]]})


def _run_interpolate(case: dict[str, Any]) -> str:
    done = confmesh.interpolate(case["doc"], case.get("env", {}))
    return confmesh.canonical({"value": done["value"], "errors": _problems(done["errors"])})


def _checked(case: dict[str, Any]) -> confmesh.Schema:
    # A check that a case can name in every language: texts must not hold this word.
    def free_of_word(value: Any) -> str | None:
        return f"`{case['word']}` is not wanted" if isinstance(value, str) and case["word"] in value else None

    return confmesh.Schema(case["schema"], checks={case["check"]: free_of_word} if "check" in case else {})


def _run_replica(case: dict[str, Any]) -> str:
    # `tests/src/replicas.rs` says what the steps are.
    rules = case.get("rules")
    replicas: dict[str, confmesh.Replica] = {}
    sent: list[dict[str, Any]] = []

    def id_of(step: dict[str, Any]) -> bytes:
        return bytes.fromhex(step["id"])

    def send(step: dict[str, Any]) -> None:
        at = replicas[step["at"]]
        delta = replicas[step["from"]].delta(at.version())
        changes = [change.to_dict() for change in at.apply(delta, wall_ms=step["ms"])]
        sent.append({"delta": delta.hex(), "changes": changes})

    make: dict[str, Any] = {
        "found": lambda s: confmesh.Replica(rules, id=id_of(s), genesis=bytes.fromhex(case["genesis"])),
        "fork": lambda s: replicas[s["from"]].fork(id=id_of(s)),
        "load": lambda s: confmesh.Replica.load(replicas[s["from"]].save(), rules, id=id_of(s)),
    }
    do: dict[str, Any] = {
        "set": lambda s: replicas[s["at"]].set(s["path"], s["value"], wall_ms=s["ms"]),
        "resolve": lambda s: replicas[s["at"]].resolve(s["path"], s["value"], wall_ms=s["ms"]),
        "unset": lambda s: replicas[s["at"]].unset(s["path"], wall_ms=s["ms"]),
        "settle": lambda s: replicas[s["at"]].settle(),
        "send": send,
    }
    for step in case["steps"]:
        if step["do"] in make:
            replicas[step["at"]] = make[step["do"]](step)
        else:
            do[step["do"]](step)
    states = {
        name: {
            "value": replica.value,
            "conflicts": replica.conflicts(),
            "version": replica.version().hex(),
            "saved": replica.save().hex(),
        }
        for name, replica in replicas.items()
    }
    return confmesh.canonical({"replicas": states, "sent": sent})


def _run_delta(case: dict[str, Any]) -> str:
    replica = confmesh.Replica.load(bytes.fromhex(case["saved"]), id=b"\xff" * 16)
    changes = [
        [change.to_dict() for change in replica.apply(bytes.fromhex(delta), wall_ms=case["ms"])] for delta in case["deltas"]
    ]
    conflicts: Any = replica.conflicts()
    return confmesh.canonical(
        {"value": replica.value, "conflicts": conflicts, "changes": changes, "saved": replica.save().hex()}
    )


def _run_running(case: dict[str, Any]) -> str:
    """A running configuration: real files, real variables; a state after each step, as soon as it is the expected one."""
    references = case.get("references", False)
    variables = {**case.get("env", {}).get("variables", {}), **(references if isinstance(references, dict) else {})}
    options: dict[str, Any] = {
        "rules": case.get("rules"),
        "schema": case.get("schema"),
        "profiles": case.get("active", ()),
        "interpolate": list(references) if isinstance(references, dict) else references,
        "env_prefix": case.get("env", {}).get("prefix"),
        "invalid_variables": case.get("invalid_variables", "refuse"),
    }
    with pytest.MonkeyPatch.context() as patched, tempfile.TemporaryDirectory() as folder:
        for name, text in variables.items():
            patched.setenv(name, text)
        files = [Path(folder) / file["name"] for file in case["files"]]
        for path, file in zip(files, case["files"]):
            path.write_text(file["text"])
        with confmesh.open(files, **options) as config:
            return _states(case, config, Path(folder))


def _states(case: dict[str, Any], config: confmesh.Config, folder: Path) -> str:
    def state(error: str | None) -> dict[str, Any]:
        found = {"value": config.to_dict(), "warned": sorted(str(warning.path) for warning in config.warnings)}
        return {**found, "error": error} if error else found

    def settled(want: dict[str, Any], ask: Callable[[], str | None]) -> dict[str, Any]:
        end = time.monotonic() + 20
        while (found := state(ask())) != want and time.monotonic() < end:
            time.sleep(0.002)
        return found

    def stale(name: str) -> str | None:
        sources = config.status()["documents"][0]["sources"]
        return next((one["error"]["code"] for one in sources if one["id"].endswith(name) and one["state"] == "stale"), None)

    states = [settled(case["expect"][0], lambda: None)]
    for step, want in zip(case.get("steps", ()), case["expect"][1:]):
        if "write" in step:
            name = step["write"]
            # In one piece: half of it would be a state of its own.
            (folder / "new").write_text(step["text"])
            (folder / "new").replace(folder / name)
            states.append(settled(want, lambda: stale(name)))
            continue
        try:
            config.set(step["set"], step["value"]) if "set" in step else config.unset(step["unset"])
            states.append(state(None))
        except confmesh.Error as error:
            states.append(state(error.code))
    return confmesh.canonical(states)


_OPS: dict[str, Any] = {
    "run": _run_running,
    "canonical": lambda case: confmesh.canonical(confmesh.parse(case["text"])),
    "hash": lambda case: confmesh.hash(confmesh.parse(case["text"])),
    "parse": lambda case: confmesh.canonical(confmesh.parse(case["text"], case["format"])),
    "print": lambda case: confmesh.dump(case["doc"], case["format"]),
    "rewrite": lambda case: confmesh.rewrite(case["text"], case["format"], case["doc"]),
    "merge": _run_merge,
    "explain": lambda case: confmesh.canonical(
        confmesh.explain(case["layers"], case["path"], **_options(case)).to_dict()
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
    "validate": lambda case: confmesh.canonical(_problems(_checked(case).validate(case["doc"]))),
    "validate_text": lambda case: confmesh.canonical(
        [_fields(e) for e in _checked(case).validate_text(case["text"], case["format"], source=case["source"])]
    ),
    "load": lambda case: confmesh.canonical(_checked(case).load(case["doc"])),
    "defaults": lambda case: confmesh.canonical(confmesh.Schema(case["schema"]).defaults(case["doc"])),
    "known": lambda case: confmesh.canonical(confmesh.Schema(case["schema"]).known(case["doc"])),
    "coerce": _run_coerce,
    "to_env": lambda case: confmesh.canonical(confmesh.Schema(case["schema"]).to_env(case["prefix"], case["doc"])),
    "initial": lambda case: confmesh.Schema(case["schema"]).initial(case["format"]),
    "reference": lambda case: confmesh.Schema(case["schema"]).reference(case["style"], **case.get("options", {})),
    "interpolate": _run_interpolate,
    "profiles": lambda case: confmesh.canonical(confmesh.profiles(case["doc"], case["active"])),
    "resolve": lambda case: confmesh.canonical(confmesh.resolve(case["key"], case["changes"], case["strategy"])),
    "view_deltas": lambda case: confmesh.canonical(confmesh.view_deltas(case["deltas"])),
    "sequence_between": lambda case: confmesh.canonical(confmesh.sequence.between(case["old"], case["new"])),
    "sequence_apply": lambda case: confmesh.canonical(confmesh.sequence.apply(case["operation"], case["doc"])),
    "sequence_compose": lambda case: confmesh.canonical(confmesh.sequence.compose(case["first"], case["second"])),
    "sequence_invert": lambda case: confmesh.canonical(confmesh.sequence.invert(case["operation"], case["doc"])),
    "sequence_transform": lambda case: confmesh.canonical(
        confmesh.sequence.transform(case["operation"], case["over"], case["side"])
    ),
    "replica": _run_replica,
    "delta": _run_delta,
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


def the_corpus_is_there_and_every_operation_is_used() -> None:
    # pytest runs each case, and one with an unknown operation fails: so all that the files hold were run.
    assert len(_CASES) >= 300
    assert {case["op"] for _, case in _CASES} == set(_OPS)
