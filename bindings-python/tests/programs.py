"""Programs in interpreters of their own: pytest replaces hooks, and so hides what they would do."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

_PRELUDE = """
import asyncio, gc, json, logging, os, signal, sys, threading, time, warnings
import confmesh

def write(value):
    part = FILE + ".part"
    with open(part, "w") as file:
        file.write(value if isinstance(value, str) else json.dumps(value))
    os.replace(part, FILE)

def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)
"""


def program(folder: Path, source: str, text: str = '{"a": 1}') -> list[str]:
    """The command that runs a program with a file `FILE`, `write` and `until`."""
    file = folder / "app.json"
    file.write_text(text)
    (folder / "program.py").write_text(f"FILE = {str(file)!r}\n{_PRELUDE}\n{textwrap.dedent(source)}")
    return [sys.executable, str(folder / "program.py")]


def run(folder: Path, source: str, *, text: str = '{"a": 1}', seconds: float = 60) -> tuple[int, str, str]:
    """What became of a program: its code, and what it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = program(folder, source, text)
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment, cwd=folder)
    return done.returncode, done.stdout, done.stderr


def interrupted(folder: Path, source: str, after: str) -> tuple[int, str, str, float]:
    """A program that gets Ctrl-C once it printed a line; and how long it took to end from then on."""

    def listen() -> None:
        # What runs in the background of a shell ignores Ctrl-C, and hands that down.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    pipe = subprocess.PIPE
    running = subprocess.Popen(program(folder, source), stdout=pipe, stderr=pipe, text=True, cwd=folder, preexec_fn=listen)
    assert running.stdout is not None
    for line in running.stdout:
        if line.strip() == after:
            break
    # Now it goes into the call that is to be interrupted; too early is found by what it prints.
    time.sleep(0.3)
    began = time.monotonic()
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    return running.returncode, out, err, time.monotonic() - began
