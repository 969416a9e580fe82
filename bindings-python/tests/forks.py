"""Forks: a child works or says so at once, and leaves at once. With real servers that fork."""

import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import run

# Of every child: what it says, how it ends, and how long that takes.
_FORKED = """
def forked(child):
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            child()
        except SystemExit:
            raise
        except BaseException as error:
            print(type(error).__name__, error, flush=True)
            os._exit(1)
        if LEAVE == "exit":
            sys.exit(0)
        sys.stdout.flush()
        os._exit(0)
    done, status = os.waitpid(pid, 0)
    print("child", os.waitstatus_to_exitcode(status), "at once" if time.monotonic() - began < 8 else "late", flush=True)
"""


@pytest.mark.parametrize("leave", ["exit", "_exit"])
def a_forked_configuration_follows_its_files_and_is_written_to(tmp_path: Path, leave: str) -> None:
    code, out, err = run(
        tmp_path,
        f"LEAVE = {leave!r}\n{_FORKED}"
        """
warnings.simplefilter("ignore", DeprecationWarning)
seen, iterated = [], []
config = confmesh.open(FILE, env_prefix="OWN")
config.set("own.key", {"deep": [1]})
config.subscribe("a", lambda change: seen.append((os.getpid(), change.new)))
feed = config.subscribe("a")
pending = config._live.set("x", 1)
config.subscribe("a", print).close()

def child():
    assert config["a"] == 1 and config["own.key.deep.0"] == 1 and config.explain("own.key").source == "runtime"
    follower = iter(feed)
    threading.Thread(target=lambda: iterated.append(next(follower).new), daemon=True).start()
    # Whoever follows does so from now on, so it is written until it is heard.
    numbers = iter(range(2, 10_000))
    until(lambda: (write({"a": next(numbers)}), time.sleep(0.05), seen and iterated)[2])
    assert {pid for pid, _ in seen} == {os.getpid()}
    config.set("b", 5)
    assert config["b"] == 5 and config.status()["documents"][0]["name"] == "default"

    async def look():
        async for change in config.subscribe("c"):
            return change.new
    async def both():
        task = asyncio.create_task(look())
        await asyncio.sleep(0)
        config.set("c", 6)
        return await asyncio.wait_for(task, 20)
    assert asyncio.run(both()) == 6
    print("worked", flush=True)

forked(child)
write({"a": 99_999})
until(lambda: config["a"] == 99_999 and (os.getpid(), 99_999) in seen)
print("parent too")
""",
    )
    assert (code, out, err) == (0, "worked\nchild 0 at once\nparent too\n", "")


def a_child_of_a_child_works_as_well_and_a_closed_configuration_is_read(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        f"LEAVE = 'exit'\n{_FORKED}"
        """
warnings.simplefilter("ignore", DeprecationWarning)
config, closed = confmesh.open(FILE), confmesh.open(FILE)
closed.close()
def grandchild():
    config.set("b", 2)
    async def wait():
        mesh = confmesh.Mesh()
        async with mesh: await mesh.set("x", 1)
    asyncio.run(wait())
    print(config["a"], config["b"], closed["a"])
def child():
    config["a"]
    forked(grandchild)
forked(child)
""",
    )
    assert (code, out, err) == (0, "1 2 1\nchild 0 at once\nchild 0 at once\n", "")


def a_forked_mesh_says_at_once_that_it_runs_elsewhere_and_can_be_started_there(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        f"LEAVE = 'exit'\n{_FORKED}"
        """
warnings.simplefilter("ignore", DeprecationWarning)
mesh = confmesh.Mesh(files=[FILE]).start()
mesh.subscribe("a", print)
feed = mesh.subscribe("a")
pending = mesh.set("x", 1)
def child():
    uses = [lambda: mesh["a"], lambda: mesh.get("a"), lambda: mesh.set("a", 2), lambda: mesh.status(), lambda: next(iter(feed)),
            lambda: mesh.subscribe("a"), lambda: pending.wait(), lambda: asyncio.run(asyncio.wait_for(pending, 5))]
    for use in uses:
        try:
            use()
            print("silent")
        except confmesh.UsageError as error:
            assert "start" in str(error) or "ask again" in str(error), error
    mesh.start()
    print(mesh["a"], mesh.set("b", 3).wait()["changed"])
forked(child)
print(mesh.set("c", 1).wait()["changed"], pending.wait()["changed"])
""",
    )
    assert (code, out) == (0, "1 ['b']\nchild 0 at once\n['c'] ['x']\n"), err
    assert "does not live on in the child of a fork" in err and err.count("\n") == 1, err


def a_fork_amid_writes_and_changes_harms_neither_side(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        f"LEAVE = 'exit'\n{_FORKED}"
        """
warnings.simplefilter("ignore", DeprecationWarning)
config = confmesh.open(FILE)
config.subscribe("**", lambda change: config.get("a"))
stop = False
def busy():
    number = 0
    while not stop:
        number += 1
        config.set("n", number)
        config.subscribe("n").close()
threads = [threading.Thread(target=busy, daemon=True) for _ in range(4)]
for thread in threads: thread.start()
def child():
    assert config["a"] == 1
    config.set("m", 1)
for _ in range(10): forked(child)
stop = True
for thread in threads: thread.join()
""",
        seconds=120,
    )
    assert (code, out, err) == (0, "child 0 at once\n" * 10, "")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def a_configuration_of_a_module_works_in_the_processes_of_multiprocessing(tmp_path: Path, method: str) -> None:
    file = tmp_path / "app.json"
    file.write_text('{"a": 1}')
    (tmp_path / "settings.py").write_text(
        f"import confmesh, threading\nconfig = confmesh.open({str(file)!r})\nheard = threading.Event()\n"
        "config.subscribe('a', lambda change: heard.set())\n"
    )
    (tmp_path / "jobs.py").write_text(
        "import os, settings\nfrom pathlib import Path\n"
        "def job(number):\n"
        "    for _ in range(2000):\n"
        f"        part = Path({str(file)!r} + f'.{{os.getpid()}}')\n"
        "        part.write_text('{\"a\": %d}' % (100 + _)); part.replace(Path(" + repr(str(file)) + "))\n"
        "        if settings.heard.wait(0.05): break\n"
        "    return settings.config['a'] >= 100 and settings.heard.is_set()\n"
    )
    (tmp_path / "main.py").write_text(
        "import multiprocessing, pickle, time, warnings\nimport confmesh, jobs, settings\n"
        "if __name__ == '__main__':\n"
        "    warnings.simplefilter('ignore', DeprecationWarning)\n"
        f"    context = multiprocessing.get_context({method!r})\n"
        "    with context.Pool(2) as pool: print(pool.map(jobs.job, range(4)))\n"
        "    process = context.Process(target=jobs.job, args=(1,))\n"
        "    process.start(); process.join(60); print(process.exitcode)\n"
        "    try: pickle.dumps(settings.config)\n"
        "    except confmesh.UsageError as error: print(error.hint)\n"
    )
    done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    expected = "[True, True, True, True]\n0\nopen it in the other process, from the same files\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


_APP = """
import asyncio, os, confmesh, json
config = confmesh.open(FILE)
heard = []
config.subscribe("a", lambda change: heard.append(change.new))

def answer():
    return json.dumps({"pid": os.getpid(), "a": config["a"], "heard": heard[-1:]}).encode()

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json"), ("Connection", "close")])
    return [answer()]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": answer()})
"""


def _until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


@pytest.mark.parametrize(
    "server",
    [
        ["gunicorn", "--preload", "-w", "2", "-b", "127.0.0.1:{port}", "--graceful-timeout", "20", "app:wsgi"],
        ["gunicorn", "-w", "2", "-b", "127.0.0.1:{port}", "--graceful-timeout", "20", "app:wsgi"],
        ["uvicorn", "--workers", "2", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning", "app:asgi"],
    ],
    ids=["gunicorn --preload", "gunicorn", "uvicorn"],
)
def every_worker_of_a_server_that_forks_answers_what_the_file_says_and_leaves_at_once(tmp_path: Path, server: list[str]) -> None:
    file = tmp_path / "app.json"
    file.write_text('{"a": 1}')
    (tmp_path / "app.py").write_text(f"FILE = {str(file)!r}\n{_APP}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *(word.format(port=port) for word in server)]
    log = (tmp_path / "log").open("w")
    running = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)

    def ask() -> dict[str, object] | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
                return dict(json.load(response))
        except OSError:
            return None

    try:
        workers: dict[object, dict[str, object]] = {}

        def current(number: int) -> bool:
            part = tmp_path / "part"
            part.write_text(json.dumps({"a": number}))
            os.replace(part, file)
            # A worker takes a moment to see it, and on a quiet machine one of them answers whoever asks alone.
            for _ in range(20):
                with concurrent.futures.ThreadPoolExecutor(8) as askers:
                    answers = [answer for answer in askers.map(lambda _: ask(), range(16)) if answer]
                workers.update({answer["pid"]: answer for answer in answers})
                if len(workers) == 2 and all(one["a"] == number and one["heard"] for one in workers.values()):
                    return True
                time.sleep(0.02)
            return False

        numbers = iter(range(2, 100_000))
        _until(lambda: current(next(numbers)))
        began = time.monotonic()
        running.send_signal(signal.SIGTERM)
        running.wait(60)
        assert time.monotonic() - began < 8, (tmp_path / "log").read_text()
        assert "SIGKILL" not in (tmp_path / "log").read_text() and "Traceback" not in (tmp_path / "log").read_text()
    finally:
        running.kill()
        running.wait(60)
        log.close()


def a_configuration_that_is_broken_at_the_fork_says_so_at_each_use(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        f"LEAVE = 'exit'\n{_FORKED}"
        """
warnings.simplefilter("ignore", DeprecationWarning)
config = confmesh.open(FILE)
write('{"a": ')
until(lambda: any(source["state"] == "stale" for source in config.status()["documents"][0]["sources"]))
logging.getLogger("confmesh").setLevel("CRITICAL")
def child():
    for _ in range(2):
        try: config["a"]
        except confmesh.InputError as error: print(error.code, error.origin["line"])
    write({"a": 5})
    print(config["a"])
forked(child)
""",
    )
    assert (code, out) == (0, "syntax 1\nsyntax 1\n5\nchild 0 at once\n"), err


