"""Instances that hold other documents, or are gone for good: with the other instance in a process of its own."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

import confmesh

_T = TypeVar("_T")

_PROGRAM = """
import sys, confmesh
mesh = confmesh.Mesh(old_after=0, **eval(sys.argv[1])).start()
print(mesh.addresses[0], flush=True)
sys.stdin.read()
mesh.close()
"""


def _wait(condition: Callable[[], _T | None], seconds: float = 20.0) -> _T:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
    return found


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextlib.contextmanager
def _elsewhere(**options: Any) -> Iterator[subprocess.Popen[str]]:
    """Another process with an instance; it ends with its stdin."""
    arguments = [sys.executable, "-c", _PROGRAM, repr(options)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline(), "it runs"
        yield process
        process.kill()


def _document(mesh: confmesh.Mesh) -> confmesh.DocumentStatus:
    return mesh.status().wait()["documents"][0]


def two_old_documents_stand_apart_until_one_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"who": "a", "token": "of a"}')
    (tmp_path / "b.json").write_text('{"who":"b","own":1,"token":"of b"}')
    address = f"127.0.0.1:{_free_port()}"
    ours = confmesh.Mesh(
        bind=tmp_path / "b.json",
        listen="127.0.0.1:0",
        peers=[f"ws://{address}"],
        rules=[{"pattern": "token", "secret": True}],
        old_after=0,
        found_after=50,
    )
    with ours:
        _wait(lambda: _document(ours).get("age") == "old")
        with _elsewhere(bind=str(tmp_path / "a.json"), listen=address, found_after=50):
            (apart,) = _wait(lambda: _document(ours).get("apart"))
            assert apart["state"] == "other document" and "confmesh join --adopt" in apart["hint"]
            assert ours.health().wait()["status"] == "degraded"
            shown = ours.adopt(f"http://{address}").wait()
            assert shown["genesis"] == apart["genesis"] and shown["done"] is False
            assert {change["path"]: (change["old"], change.get("new")) for change in shown["lost"]} == {
                "own": (1, None),
                "token": ("***", "of a"),
                "who": ("b", "a"),
            }
            assert ours["who"] == "b", "nothing is done yet"
            assert ours.adopt(f"ws://{address}/sync", yes=True).wait() == {**shown, "done": True}
            assert ours["who"] == "a" and ours.get("own") is None
            with pytest.raises(confmesh.UsageError, match="share one document"):
                ours.adopt(f"http://{address}", yes=True).wait()
            assert ours.force_sync().wait() == 1
            copied = _wait(lambda: [one for one in ours.kept().wait() if "file" in one])
            assert (copied[0]["why"], copied[0]["format"]) == ("given-up", "json")
            assert copied[0]["text"] == '{"who":"b","own":1,"token":"of b"}'
            listed = _document(ours)["kept"]
            assert [one["id"] for one in listed] == [copied[0]["id"]] and "text" not in listed[0]
            with pytest.raises(confmesh.NotFoundError):
                ours.confirm_kept(7).wait()
            ours.confirm_kept(copied[0]["id"]).wait()
            assert ours.kept().wait() == [] and "kept" not in _document(ours)


def a_url_where_no_instance_is_changes_nothing() -> None:
    with confmesh.Mesh() as mesh:
        with pytest.raises(confmesh.PeerError) as caught:
            mesh.adopt(f"http://127.0.0.1:{_free_port()}", yes=True).wait()
        assert caught.value.code == "unreachable"
        with pytest.raises(confmesh.UsageError):
            mesh.adopt("ftp://127.0.0.1", yes=True)
        with pytest.raises(TypeError, match="did you mean 'yes'"):
            mesh.adopt("http://127.0.0.1", Yes=True)  # type: ignore[call-arg]


def an_instance_that_is_gone_for_good_is_expelled(tmp_path: Path) -> None:
    with confmesh.Mesh(listen="127.0.0.1:0", settle=True, old_after=0, data_dir=tmp_path / "data") as mesh:
        mesh.set("limit", 1).wait()

        def members() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = _document(mesh)["settling"]["members"]
            return found

        data = str(tmp_path / "other")
        with _elsewhere(peers=[f"ws://{mesh.addresses[0]}"], listen="127.0.0.1:0", data_dir=data, found_after=60_000) as other:
            _wait(lambda: len(members()) == 2)
            other.kill()
            other.wait()
            (gone,) = _wait(lambda: [one for one in members() if not one["connected"]])
            with pytest.raises(confmesh.NotFoundError):
                mesh.expel("nobody").wait()
            assert mesh.expel(gone["replica"][:16]).wait() == gone["replica"]
            assert [one["own"] for one in members()] == [True]


def who_is_in_step_with_nobody_for_long_says_so() -> None:
    with confmesh.Mesh(peers=[f"ws://127.0.0.1:{_free_port()}"], found_after=0, stale_after=100) as mesh:

        def told() -> bool:
            (check,) = (check for check in mesh.health().wait()["checks"] if check["name"] == "peers")
            return any("`stale_after` (0.1 s)" in reason["message"] for reason in check.get("reasons", []))

        _wait(told)
        assert mesh.status().wait()["out_of_step_ms"] > 100
