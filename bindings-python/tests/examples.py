"""The folder `examples`, run as it is printed: services that follow their file in every worker, and stay up through a bad edit."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_EXAMPLES = Path(os.environ["CONFMESH_VECTORS"]).parents[1] / "examples"


def _until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _ask(port: int, path: str = "/") -> str | None:
    try:
        # A connection each, so that every worker is met.
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return None


@contextmanager
def _served(folder: Path, example: str, command: list[str], variables: dict[str, str]) -> Iterator[int]:
    for file in (_EXAMPLES / example).iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    port = _free_port()
    filled = [sys.executable, "-m", *(word.replace("PORT", str(port)) for word in command)]
    log = (folder / "log").open("w")
    running = subprocess.Popen(filled, cwd=folder, env=os.environ | variables, stdout=log, stderr=log)
    try:
        _until(lambda: _ask(port) is not None or running.poll() is not None)
        assert running.poll() is None, (folder / "log").read_text()
        yield port
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=30) in (0, -signal.SIGTERM), (folder / "log").read_text()


def _always(port: int, wanted: Callable[[Any], bool]) -> bool:
    """Whether every worker answers so: 20 connections in a row meet each."""
    return all((text := _ask(port)) is not None and wanted(json.loads(text)) for _ in range(20))


_CASES = {
    "fastapi": (["uvicorn", "main:app", "--workers", "2", "--port", "PORT"], "greeting: hello\n", "greeting: ahoy\n", "greeting", ("hello", "ahoy")),
    "django": (["gunicorn", "--preload", "-w", "2", "-b", "127.0.0.1:PORT", "site_config:application"], "banner: welcome\n", "banner: closed today\n", "banner", ("welcome", "closed today")),
}


@pytest.mark.parametrize("example", list(_CASES))
def each_worker_of_an_example_follows_its_file_and_outlives_a_bad_edit(tmp_path: Path, example: str) -> None:
    command, old, new, key, (before, after) = _CASES[example]
    variables = {"GREETER_RATE_LIMIT": "7", "SITE_SECRET_KEY": "s"}
    with _served(tmp_path, example, command, variables) as port:
        assert _always(port, lambda answer: answer[key] == before)
        file = tmp_path / "app.yaml"
        good = file.read_text()
        assert old in good
        file.write_text(good.replace(old, new))
        _until(lambda: _always(port, lambda answer: answer[key] == after))
        file.write_text(good.replace(old, f"{key}: [no, text]\n"))
        _until(lambda: "app.yaml:" in (tmp_path / "log").read_text())
        # A worker that nobody met may have seen the two edits as one.
        assert _always(port, lambda answer: answer[key] in (before, after))
        file.write_text(good)
        _until(lambda: _always(port, lambda answer: answer[key] == before))
        if example == "fastapi":
            assert "env:GREETER (GREETER_RATE_LIMIT)" in (_ask(port, "/why/rate_limit") or "")
            assert all(answer["rate_limit"] == 7 for answer in [json.loads(_ask(port) or "")])


def the_glue_of_each_example_is_short() -> None:
    sources = [file for file in _EXAMPLES.rglob("*") if file.suffix in (".py", ".mjs", ".rs")]
    assert len(sources) >= 5
    for file in sources:
        assert len(file.read_text().splitlines()) <= 40, file
