"""Checks of a program: asked on a thread of their own, so that nothing but the checked document waits for them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import confmesh
import pytest
from confmesh import Error, Schema


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.002)
    raise AssertionError("not within 20 s")


@contextmanager
def gated(**options: Any) -> Iterator[tuple[confmesh.Mesh, threading.Event]]:
    """A mesh whose check waits for every document with `slow`, until it is let go."""
    let_go = threading.Event()

    def check(document: dict[str, Any]) -> str | None:
        if "slow" in document:
            let_go.wait()
        return "no port is 0" if document.get("port") == 0 else None

    with confmesh.Mesh(listen="127.0.0.1:0", schema=Schema({"fields": {}}, checks={"": check}), **options) as mesh:
        try:
            yield mesh, let_go
        finally:
            let_go.set()


def health(mesh: confmesh.Mesh) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{mesh.addresses[0]}/health", timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def a_check_that_hangs_stalls_nobody_and_stands_in_status() -> None:
    with gated(check_within=60_000) as (mesh, let_go):
        mesh.set("x", 1).wait()
        slow, behind = mesh.set("slow", True), mesh.set("y", 1)

        def waiting() -> Any:
            checking = mesh.status().wait()["documents"][0].get("checking")
            return checking if checking and checking["writes"] == 2 else None

        assert until(waiting)["within_ms"] == 60_000
        times = []
        for _ in range(20):
            since = time.monotonic()
            assert health(mesh)["status"] == "healthy"
            times.append(time.monotonic() - since)
        assert min(times) <= 0.05
        assert mesh["x"] == 1 and "slow" not in mesh
        let_go.set()
        slow.wait()
        behind.wait()
        assert mesh.to_dict() == {"x": 1, "slow": True, "y": 1}
        assert "checking" not in mesh.status().wait()["documents"][0]


def a_write_is_refused_in_time_and_the_late_answer_is_told() -> None:
    with gated(check_within=100) as (mesh, let_go):
        reports = iter(mesh.reports())
        with pytest.raises(Error, match="gave no answer within 100 ms") as refused:
            mesh.set("slow", True).wait()
        assert refused.value.code == "busy"
        assert "have not answered" in json.dumps(health(mesh))
        let_go.set()
        until(lambda: "answered after" in next(reports).message)
        mesh.set("slow", True).wait()
        assert mesh["slow"] is True


def a_check_that_sets_or_raises_refuses_its_document_and_nothing_hangs(tmp_path: Path) -> None:
    config: confmesh.Config | None = None

    def check(document: dict[str, Any]) -> None:
        if "raises" in document:
            raise RuntimeError("it broke")
        if "sets" in document and config is not None:
            config.set("other", 1)

    schema = Schema({"fields": {}}, checks={"": check})
    with confmesh.open(schema=schema) as config:
        with pytest.raises(Error, match="a check cannot write to the configuration that it checks"):
            config.set("sets", True)
        with pytest.raises(Error, match="a check of the program failed: RuntimeError: it broke"):
            config.set("raises", True)
        config.set("fine", True)
        assert config.to_dict() == {"fine": True}
    file = tmp_path / "a.json"
    file.write_text('{"raises": 1}')
    with pytest.raises(Error, match="it broke"):
        confmesh.open(file, schema=schema)


def a_program_ends_while_its_check_hangs() -> None:
    program = """
import threading, time, confmesh
asked = threading.Event()
def check(document):
    if "slow" in document:
        asked.set()
        time.sleep(60)
mesh = confmesh.Mesh(schema=confmesh.Schema({"fields": {}}, checks={"": check})).start()
mesh.set("slow", True)
asked.wait()
print("ends")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("ends\n", "", 0)
