"""Running configurations: files that are edited, callbacks, meshes that agree, and clean exits."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import confmesh


def _until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def a_config_is_a_mapping_of_paths(tmp_path: Path) -> None:
    file = _write(tmp_path / "app.json", '{"rate_limit": 100, "app": {"database": {"host": "h", "ports": [1, 2]}}, "a.b": 1}')
    with confmesh.open(file) as cfg:
        assert cfg["rate_limit"] == 100 and cfg["app.database.host"] == "h" and cfg["app.database.ports.1"] == 2
        assert "app.database" in cfg and "nothing" not in cfg
        assert list(cfg) == ["a\\.b", "app", "rate_limit"] and len(cfg) == 3
        assert {key: cfg[key] for key in cfg}["a\\.b"] == 1 and dict(cfg)["rate_limit"] == 100
        assert cfg.get("nothing") is None and cfg.get("nothing", 7) == 7
        with pytest.raises(KeyError) as caught:
            cfg["nothing.here"]
        assert isinstance(caught.value, confmesh.NotFoundError) and caught.value.path == "nothing.here"
        with pytest.raises(confmesh.InputError):
            cfg["a..b"]
        assert cfg.to_dict()["a.b"] == 1 and cfg.hash == confmesh.hash(cfg.to_dict())


def what_the_program_sets_wins_until_it_is_unset(tmp_path: Path) -> None:
    with confmesh.open([_write(tmp_path / "app.json", '{"limit": 100}')]) as cfg:
        revision = cfg.revision
        receipt = cfg.set("limit", 5)
        assert receipt["changed"] == ["limit"] and receipt["revision"] == cfg.revision > revision
        assert cfg["limit"] == 5 and cfg.explain("limit").source == "runtime"
        cfg.unset("limit")
        assert cfg["limit"] == 100
        assert {source["state"] for source in cfg.status()["documents"][0]["sources"]} <= {"fresh", "missing"}


def an_edit_of_a_file_reaches_the_callback(tmp_path: Path) -> None:
    file = _write(tmp_path / "app.json", '{"app": {"limit": 1, "other": 1}}')
    got: list[confmesh.Change] = []
    with confmesh.open([file]) as cfg, cfg.subscribe("app.limit", got.append):
        file.write_text('{"app": {"limit": 2, "other": 2}}')
        _until(lambda: got)
        assert (got[0].path, got[0].op, got[0].old, got[0].new) == ("app.limit", "changed", 1, 2)
        assert got[0].cause and "app.json" in got[0].cause
        assert cfg["app.other"] == 2
    assert len(got) == 1


def print_works_as_a_callback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with confmesh.open(_write(tmp_path / "app.json", '{"limit": 1}')) as cfg:
        cfg.subscribe("*", print)
        cfg.set("limit", 2)
        printed: list[str] = []

        def is_printed() -> bool:
            printed.append(capsys.readouterr().out)
            return "<Change limit: 1 -> 2>" in "".join(printed)

        _until(is_printed)


def a_broken_file_is_an_error_at_first_and_changes_nothing_later(tmp_path: Path) -> None:
    file = _write(tmp_path / "app.json", '{"limit": }')
    with pytest.raises(confmesh.InputError) as caught:
        confmesh.open([file])
    assert caught.value.code == "syntax" and caught.value.origin is not None
    assert caught.value.origin["line"] == 1
    with pytest.raises(OSError) as missing:
        confmesh.open([tmp_path / "missing.json"])
    assert isinstance(missing.value, confmesh.IoError)
    file.write_text('{"limit": 1}')
    with confmesh.open([file]) as cfg:
        file.write_text('{"limit": ')
        _until(lambda: any(s["state"] == "stale" for s in cfg.status()["documents"][0]["sources"]))
        assert cfg["limit"] == 1


def a_callback_may_raise_and_may_close_its_own_subscription(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    with confmesh.open(_write(tmp_path / "app.json", '{"limit": 1}')) as cfg:
        good: list[Any] = []
        once: list[Any] = []

        def broken(change: confmesh.Change) -> None:
            raise ZeroDivisionError(change.path)

        def first_only(change: confmesh.Change) -> None:
            once.append(change.new)
            subscription.close()

        cfg.subscribe("*", broken)
        subscription = cfg.subscribe("*", first_only)
        cfg.subscribe("*", lambda change: good.append(change.new))
        for number in (2, 3, 4):
            cfg.set("limit", number)
        _until(lambda: len(good) == 3 and len(reported) == 3)
        assert good == [2, 3, 4] and once == [2]
        assert isinstance(reported[0].exc_value, ZeroDivisionError) and reported[0].object is broken


def other_threads_run_while_a_callback_reads_and_writes(tmp_path: Path) -> None:
    with confmesh.open(_write(tmp_path / "app.json", '{"limit": 1}')) as cfg:
        subscription = cfg.subscribe("limit", lambda change: cfg.set("seen", change.new))
        threads = [threading.Thread(target=cfg.set, args=("limit", number)) for number in range(2, 22)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _until(lambda: cfg.get("seen") == cfg["limit"])
        subscription.close()


def a_subscription_without_a_callback_is_iterated(tmp_path: Path) -> None:
    with confmesh.open(_write(tmp_path / "app.json", '{"limit": 1}')) as cfg:
        subscription = cfg.subscribe("limit")
        cfg.set("limit", 2)
        cfg.set("limit", 3)
        changes = iter(subscription)
        assert [next(changes).new, next(changes).new] == [2, 3]
        subscription.close()
        assert list(subscription) == []
        with pytest.raises(confmesh.UsageError):
            iter(cfg.subscribe("limit", print))


def a_closed_config_can_still_be_read_but_not_written(tmp_path: Path) -> None:
    cfg = confmesh.open(_write(tmp_path / "app.json", '{"limit": 1}'))
    cfg.close()
    cfg.close()
    assert cfg["limit"] == 1
    with pytest.raises(confmesh.UsageError) as caught:
        cfg.set("limit", 2)
    assert caught.value.code == "closed"


def two_meshes_agree(tmp_path: Path) -> None:
    bound = _write(tmp_path / "config.json", '{\n  "app": {"limit": 100}\n}\n')

    async def run() -> None:
        async with confmesh.Mesh(bind=bound, listen="127.0.0.1:0") as one:
            await asyncio.to_thread(_until, lambda: one.get("app.limit") == 100)
            peer = f"ws://{one.addresses[0]}/sync"
            async with confmesh.Mesh(listen="127.0.0.1:0", peers=[peer], data_dir=tmp_path / "data") as two:
                await asyncio.to_thread(_until, lambda: two.get("app.limit") == 100)
                changes = two.subscribe("app.*")
                receipt = await one.set("app.limit", 200)
                assert receipt["changed"] == ["app.limit"]
                change = await asyncio.wait_for(changes.__anext__(), 20)
                assert (change.path, change.old, change.new) == ("app.limit", 100, 200)
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(changes.__anext__(), 0.05)
                await two.patch([{"op": "add", "path": "/app/beta", "value": True}])
                await two.merge_patch({"app": {"gone": 1}})
                await two.unset("app.gone")
                await asyncio.to_thread(_until, lambda: one.hash == two.hash and one.get("app.beta") is True)
                with pytest.raises(confmesh.ConflictError):
                    await two.patch([{"op": "remove", "path": "/nothing"}])
                with pytest.raises(confmesh.ConflictError) as stale:
                    await two.merge_patch({"x": 1}, if_hash=confmesh.hash({}))
                assert stale.value.code == "stale"
                status = await two.status()
                assert status["peers"][0]["state"] == "connected"
                assert status["peers"][0]["direction"] == "dialed"
                assert (await two.health())["status"] == status["health"]["status"] == "healthy"
                assert len(await asyncio.gather(*(one.set(f"many.n{n}", n) for n in range(20)))) == 20
                changes.close()
                with pytest.raises(StopAsyncIteration):
                    await changes.__anext__()
            await asyncio.to_thread(_until, lambda: confmesh.parse(bound.read_text()) == one.to_dict())

    asyncio.run(run())


def a_mesh_works_without_an_event_loop(tmp_path: Path) -> None:
    mesh = confmesh.Mesh(data_dir=tmp_path / "data")
    with pytest.raises(confmesh.UsageError):
        mesh.get("a")
    with mesh:
        pending = mesh.set("a.b", 1)
        assert pending.wait()["changed"] == ["a.b"]
        with pytest.raises(confmesh.UsageError):
            pending.wait()
        mesh.replace({"c": 1}).wait()
        assert mesh.to_dict() == {"c": 1}
    with confmesh.Mesh(data_dir=tmp_path / "data") as again:
        assert again["c"] == 1


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "cfg.subscribe('*', lambda change: time.sleep(60)); cfg.set('limit', 2); time.sleep(0.05)",
        "sys.exit(0)",
        "threading.Thread(target=write_until_closed, daemon=True).start(); time.sleep(0.05)",
        "mesh.subscribe('*', print); mesh.set('x', 1).wait()",
    ],
)
def a_program_that_closes_nothing_ends_cleanly(tmp_path: Path, ending: str) -> None:
    file = _write(tmp_path / "app.json", '{"limit": 1}')
    program = f"""
import sys, threading, time, confmesh

def write_until_closed():
    try:
        for number in range(10**9):
            cfg.set("limit", number)
    except confmesh.UsageError:
        pass

cfg = confmesh.open({str(file)!r})
cfg.subscribe("*", lambda change: change.new)
mesh = confmesh.Mesh(listen="127.0.0.1:0").start()
cfg.set("limit", 7)
{ending}
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, env=os.environ)
    assert (ended.returncode, ended.stderr) == (0, "")


def a_write_on_an_old_version_is_refused(tmp_path: Path) -> None:
    with confmesh.Mesh(data_dir=tmp_path / "data") as mesh:
        receipt = mesh.set("limit", 1, if_version="none", user="ann").wait()
        read = mesh.read("limit").wait()
        assert read == {"value": 1, "version": receipt["version"]}
        mesh.set("limit", 2, if_version=read["version"]).wait()
        for write in (mesh.set("limit", 3, if_version=read["version"]), mesh.unset("limit", if_version=read["version"])):
            with pytest.raises(confmesh.ConflictError) as caught:
                write.wait()
            assert caught.value.code == "stale"
        assert mesh["limit"] == 2 and mesh.read("nothing").wait() == {"version": "none"}


def a_manual_conflict_is_listed_and_resolved(tmp_path: Path) -> None:
    rules: Any = [{"pattern": "app.*", "conflict": "manual_resolution", "meanwhile": "previous"}]
    directory = tmp_path / "first"
    first = confmesh.Mesh(listen="127.0.0.1:0", data_dir=directory, rules=rules).start()
    first.set("app.limit", 0).wait()
    port = first.addresses[0]
    with confmesh.Mesh(peers=[f"ws://{port}"], rules=rules) as second:
        _until(lambda: second.get("app.limit") == 0)
        first.close()
        second.set("app.limit", 2, user="ben").wait()
        # Apart from the second: nobody listens.
        with confmesh.Mesh(data_dir=directory, rules=rules) as apart:
            apart.set("app.limit", 1, user="ann").wait()
        with confmesh.Mesh(listen=port, data_dir=directory, rules=rules) as first:
            _until(lambda: second.conflicts().wait())
            (conflict,) = second.conflicts().wait()
            assert conflict["path"] == "app.limit" and conflict["shown"] == 0 and second["app.limit"] == 0
            assert {side["user"]: side["value"] for side in conflict["sides"]} == {"ann": 1, "ben": 2}
            with pytest.raises(confmesh.UsageError):
                second.resolve(conflict["id"])
            second.assign(conflict["id"], "eve").wait()
            _until(lambda: [one["assigned_to"] for one in first.conflicts().wait()] == ["eve"])
            second.resolve(conflict["id"], value=5).wait()
            _until(lambda: first["app.limit"] == 5)
            assert [one["status"] for one in first.conflicts(all=True).wait()] == ["closed"]
            for mesh in (first, second):
                (entry,) = [one for one in mesh.audit().wait() if one["event"] == "conflict_resolved"]
                assert (entry["config_key"], entry["resolved_value"]) == ("app.limit", 5)
                assert (entry["conflict_id"], entry["competing_changes_count"]) == (conflict["id"], 2)
            with pytest.raises(confmesh.NotFoundError):
                first.resolve(conflict["id"], keep=True).wait()


def a_schema_profiles_and_references_hold_in_a_running_configuration(tmp_path: Path) -> None:
    schema = {"fields": {"port": {"type": "integer", "min": 1, "default": 80}, "url": "string"}}
    file = _write(tmp_path / "app.json", '{"url": "http://h:${port}", "profiles": {"dev": {"port": 8080}}}')
    with confmesh.open(file, schema=schema, profiles="dev", interpolate=True) as config:
        assert config.to_dict() == {"port": 8080, "url": "http://h:8080"}
        with pytest.raises(confmesh.Error) as caught:
            config.set("port", 0)
        assert (caught.value.code, caught.value.path, config["port"]) == ("invalid", "port", 8080)

    def even(value: Any) -> str | None:
        return "ports are even" if value % 2 else None

    checked = confmesh.Schema(schema, checks={"port": even})
    with confmesh.open(_write(tmp_path / "b.json", "{}"), schema=checked) as config:
        assert config["port"] == 80
        with pytest.raises(confmesh.Error, match="ports are even"):
            config.set("port", 81)
    with pytest.raises(confmesh.Error) as caught:
        confmesh.open(_write(tmp_path / "c.json", '{"port": 0}'), schema=schema)
    assert caught.value.origin is not None and caught.value.origin["line"] == 1


def a_mesh_is_asked_for_what_the_list_of_operations_has(tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    base.write_text('{"limit": 1}')
    with confmesh.Mesh(files=[base], bind=tmp_path / "shared.json", settle=True) as mesh:
        mesh.set("app.name", "a", user="ann").wait()
        (written,) = mesh.written("app.name").wait()
        assert (written["path"], written.get("user")) == ("app.name", "ann")
        (member,) = mesh.members().wait()
        assert member["own"] and member["connected"]
        plan = mesh.repair_plan().wait()
        assert (plan["idle"], plan["members"], plan["orphaned"]) == (0, [], False)
        with pytest.raises(confmesh.UsageError, match="nothing to repair"):
            mesh.repair().wait()
        with pytest.raises(confmesh.UsageError, match="whole number"):
            mesh.confirm_kept("1")  # type: ignore[arg-type]


def a_reload_says_what_changed_and_what_failed(tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    base.write_text('{"limit": 1}')
    with confmesh.Mesh(files=[base]) as mesh:
        base.write_text('{"limit": }')
        reloaded = mesh.reload().wait()
        assert reloaded["changed"] == [] and mesh["limit"] == 1
        (failed,) = reloaded["failed"]
        assert failed["source"].endswith("base.json") and failed["error"]["code"] == "syntax"
        base.write_text('{"limit": 2}')
        assert mesh.reload().wait()["failed"] == [] and mesh["limit"] == 2


def a_rule_lets_markers_in_files_remove_what_lies_below(tmp_path: Path) -> None:
    files = [_write(tmp_path / "base.json", '{"app": {"x": 1, "y": 2}}'), _write(tmp_path / "over.json", '{"app": {"x": {"$unset": true}}}')]
    with confmesh.open(files, rules=[{"pattern": "app", "removals": True}]) as config:
        assert config.to_dict() == {"app": {"y": 2}}
    with confmesh.open(files) as config:
        assert config["app.x"] == {"$unset": True}


def arguments_that_mean_nothing_raise_at_the_call_and_what_an_instance_refuses_where_the_answer_is_taken() -> None:
    with confmesh.Mesh() as mesh:
        nobody = confmesh.hash({})
        calls: list[tuple[Callable[[], object], type[Exception]]] = [
            (lambda: mesh.set("a..b", 1), confmesh.InputError),
            (lambda: mesh.unset("a", if_version="?"), confmesh.UsageError),
            (lambda: mesh.patch([{"op": "nothing"}]), confmesh.InputError),
            (lambda: mesh.replace({}, if_hash="?"), confmesh.InputError),
            (lambda: mesh.read("a..b"), confmesh.InputError),
            (lambda: mesh.written("a..b"), confmesh.InputError),
            (lambda: mesh.confirm_kept("1"), confmesh.UsageError),  # type: ignore[arg-type]
            (lambda: mesh.adopt("ftp://127.0.0.1"), confmesh.UsageError),
            (lambda: mesh.assign("x", "eve"), confmesh.NotFoundError),
            (lambda: mesh.resolve("x", keep=True), confmesh.NotFoundError),
            (lambda: mesh.resolve(nobody, take=1, keep=True), confmesh.UsageError),
        ]
        for call, kind in calls:
            with pytest.raises(kind):
                call()
        for pending in (mesh.resolve(nobody, keep=True), mesh.assign(nobody, None), mesh.confirm_kept(7), mesh.expel("ff")):
            with pytest.raises(confmesh.NotFoundError):
                pending.wait()
        mesh.close()
        for late in (mesh.set("a", 1), mesh.read("a"), mesh.adopt("http://127.0.0.1")):
            with pytest.raises(confmesh.UsageError, match="is closed"):
                late.wait()
