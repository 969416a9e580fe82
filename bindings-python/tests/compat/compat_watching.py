"""Files and variables that programs follow through `confmesh.compat`."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import confmesh
from confmesh.compat import (
    ConfigFileWatcher,
    EnvironmentWatcher,
    FileSystemEvent,
    FileSystemEventHandler,
    MultiFileConfigWatcher,
    Observer,
)


def _until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


async def _until_true(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.01)


class _Heard(FileSystemEventHandler):
    def __init__(self) -> None:
        self.events: list[FileSystemEvent] = []
        self.threads: set[int] = set()

    def on_any_event(self, event: FileSystemEvent) -> None:
        self.events.append(event)
        self.threads.add(threading.get_ident())

    def modified(self) -> list[str]:
        return [Path(event.src_path).name for event in self.events if event.event_type == "modified"]


def every_way_to_save_a_file_is_one_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("watched")
    folder.mkdir()
    file = folder / "app.json"
    file.write_text('{"n": 0}')
    handler, observer = _Heard(), Observer()
    observer.schedule(handler, str(folder))
    observer.start()
    try:
        assert observer.is_alive() and handler.events == []
        file.write_text('{"n": 1}')
        _until(lambda: len(handler.events) == 1)
        assert handler.events[0] == FileSystemEvent("modified", "watched/app.json")
        # Renamed over it, from the same folder and from another one.
        for number, above in ((2, folder), (3, tmp_path)):
            new = above / "new.tmp"
            new.write_text(f'{{"n": {number}}}')
            new.rename(file)
            _until(lambda: len(handler.modified()) == number)
        file.unlink()
        _until(lambda: handler.events[-1].event_type == "deleted")
        file.write_text('{"n": 4}')
        _until(lambda: len(handler.modified()) == 4)
        # Broken, and mended.
        file.write_text('{"n": ')
        _until(lambda: len(handler.modified()) == 5)
        file.write_text('{"n": 5}')
        _until(lambda: len(handler.modified()) == 6)
        # The same content once more is no event: what comes next is told next.
        file.write_text('{"n": 5}')
        (folder / "new.yaml").write_text("a: 1\n")
        _until(lambda: len(handler.modified()) == 7)
        assert handler.modified()[6] == "new.yaml"
        assert [event.event_type for event in handler.events[-2:]] == ["created", "modified"]
    finally:
        observer.stop()
        observer.join()
    count = len(handler.events)
    file.write_text('{"n": 6}')
    assert not observer.is_alive() and threading.get_ident() not in handler.threads
    with confmesh.open(str(file)) as config:
        file.write_text('{"n": 7}')
        _until(lambda: config["n"] == 7)
    assert len(handler.events) == count


def a_swapped_link_as_kubernetes_makes_it_is_an_event(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "app.yaml").write_text(f"n: {number}\n")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "app.yaml").symlink_to("..data/app.yaml")
    handler, observer = _Heard(), Observer()
    observer.schedule(handler, tmp_path)
    observer.start()
    try:
        (tmp_path / "..new").symlink_to("..2")
        (tmp_path / "..new").rename(tmp_path / "..data")
        _until(lambda: handler.modified() == ["app.yaml"])
    finally:
        observer.stop()


def a_file_that_is_broken_from_the_start_is_followed_and_folders_below_only_if_asked(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    broken = below / "app.json"
    broken.write_text("{")
    deep, flat, observer = _Heard(), _Heard(), Observer()
    observer.schedule(deep, str(tmp_path), recursive=True)
    observer.schedule(flat, str(tmp_path))
    observer.start()
    try:
        broken.write_text('{"a": 1}')
        _until(lambda: deep.modified() == ["app.json"])
        (below / "other.toml").write_text("a = 1\n")
        _until(lambda: deep.modified() == ["app.json", "other.toml"])
        assert flat.events == []
    finally:
        observer.stop()
    with pytest.raises(confmesh.UsageError, match="started already"):
        observer.start()


def a_handler_that_raises_hears_the_next_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    heard: list[int] = []

    class Broken(FileSystemEventHandler):
        def on_modified(self, event: Any) -> None:
            heard.append(1)
            raise RuntimeError("the handler broke")

    file = tmp_path / "a.json"
    file.write_text("{}")
    observer = Observer()
    observer.schedule(Broken(), tmp_path)
    observer.start()
    try:
        for number in (1, 2):
            file.write_text(f'{{"n": {number}}}')
            _until(lambda: len(heard) == number)
    finally:
        observer.stop()
    assert [str(one.exc_value) for one in told] == ["the handler broke"] * 2


def handlers_are_called_on_the_loop_and_bursts_end_in_one_call(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.write_text("{}")
    other.write_text("{}")
    seen: list[tuple[str, str]] = []

    async def program() -> None:
        def read(name: str, path: Path) -> Callable[[], Any]:
            async def callback() -> None:
                asyncio.get_running_loop()
                seen.append((name, path.read_text()))

            return callback

        # Two files of one name keep their callbacks; a plain one is called as well.
        watcher = MultiFileConfigWatcher()
        watcher.add_file(one, "app", read("one", one), debounce_delay=0.3)
        watcher.add_file(other, "app", lambda: seen.append(("other", other.read_text())), debounce_delay=0.05)
        observer = Observer()
        observer.schedule(watcher, str(tmp_path))
        observer.start()
        try:
            for number in range(20):
                one.write_text(f'{{"n": {number}}}')
                await asyncio.sleep(0.01)
            await _until_true(lambda: seen)
            assert seen == [("one", '{"n": 19}')]
            other.write_text('{"n": 1}')
            await _until_true(lambda: len(seen) == 2)
            assert seen[1] == ("other", '{"n": 1}')
        finally:
            observer.stop()
            observer.join()

    asyncio.run(program())


def a_file_watcher_calls_back_for_its_file_alone(tmp_path: Path) -> None:
    file, other = tmp_path / "mine.json", tmp_path / "other.json"
    file.write_text("{}")
    other.write_text("{}")
    called: list[str] = []
    observer = Observer()
    observer.schedule(ConfigFileWatcher(file, lambda: called.append(file.read_text())), tmp_path)
    heard = _Heard()
    observer.schedule(heard, tmp_path)
    observer.start()
    try:
        other.write_text('{"n": 1}')
        _until(lambda: heard.modified() == ["other.json"])
        file.write_text('{"n": 2}')
        _until(lambda: called == ['{"n": 2}'])
    finally:
        observer.stop()


def variables_are_told_to_plain_and_async_callbacks_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPAT_A", "1")
    monkeypatch.delenv("COMPAT_B", raising=False)
    broken: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", broken.append)
    plain: dict[str, Any] = {}
    later: dict[str, Any] = {}

    async def heard(changes: dict[str, Any]) -> None:
        later.update(changes)

    def fails(changes: dict[str, Any]) -> None:
        plain.update(changes)
        raise RuntimeError("the callback broke")

    async def program() -> None:
        watcher = EnvironmentWatcher(poll_interval=0.1)
        await watcher.stop()
        watcher.watch_vars(["COMPAT_A", "COMPAT_B"], fails)
        await watcher.start()
        await watcher.start()
        watcher.watch_var("COMPAT_B", heard)
        monkeypatch.setenv("COMPAT_A", "")
        monkeypatch.setenv("COMPAT_B", "2")
        await _until_true(lambda: len(plain) == 2 and later)
        assert plain == {"COMPAT_A": ("1", ""), "COMPAT_B": (None, "2")} and later == {"COMPAT_B": (None, "2")}
        monkeypatch.delenv("COMPAT_A")
        await _until_true(lambda: plain["COMPAT_A"] == ("", None))
        await watcher.stop()
        count = len(broken)
        monkeypatch.setenv("COMPAT_B", "3")
        seen = asyncio.Event()
        with confmesh.watch_variables("COMPAT_B", lambda _: None, interval=0.1):
            loop = asyncio.get_running_loop()
            loop.call_later(0.3, seen.set)
            await seen.wait()
        assert len(broken) == count >= 1 and later == {"COMPAT_B": (None, "2")}

    asyncio.run(program())
    assert os.environ["COMPAT_B"] == "3"
