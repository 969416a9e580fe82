"""Sources that are polled: HTTP, commands, and classes and functions of the program."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import confmesh


def _until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


class _Server:
    def __init__(self) -> None:
        self.status, self.body, self.asked = 200, "{}", 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                body = outer.body.encode()
                self.send_response(outer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def _source(config: confmesh.Config) -> confmesh.SourceStatus:
    return config.status()["documents"][0]["sources"][0]


def an_http_source_keeps_its_last_good_document_and_recovers(server: _Server, tmp_path: Path) -> None:
    server.body = '{"limit": 1}'
    source = {"source": server.url, "interval": "100ms"}
    with confmesh.open(sources=[source], data_dir=tmp_path) as config:
        assert config["limit"] == 1
        server.body = '{"limit": '
        _until(lambda: _source(config)["state"] == "stale")
        assert config["limit"] == 1 and _source(config)["served_from"] == "source"
        server.body = '{"limit": 2}'
        _until(lambda: config["limit"] == 2)
        _until(lambda: _source(config)["state"] == "fresh")
    server.status = 503
    with confmesh.open(sources=source, data_dir=tmp_path) as config:
        assert config["limit"] == 2
        # Its status may name the first refusal already; the report of the start stays.
        assert _source(config)["served_from"] == "disk" and _source(config)["state"] == "stale"
        with config.reports() as reports:
            assert "from the disk" in next(iter(reports)).message
        winner = config.explain("limit")
        assert winner is not None and "loaded 20" in str(winner)
    with pytest.raises(confmesh.Error, match="answered 503"):
        confmesh.open(sources=server.url)


def classes_and_functions_are_sources_plain_and_async() -> None:
    class Plain:
        number = 0

        def load(self) -> dict[str, int]:
            self.number += 1
            return {"plain": self.number}

    class Later:
        async def load(self) -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"later": [True]}

    plain = Plain()
    own: list[Any] = [{"source": plain, "interval": "100ms", "name": "counted"}, Later(), lambda: {"function": "f"}]
    with confmesh.open(sources=own) as config:
        assert config["later.0"] is True and config["function"] == "f"
        _until(lambda: config["plain"] > 2)
        names = {source["id"] for source in config.status()["documents"][0]["sources"]}
        assert names >= {"counted", "custom:Later"}


def a_source_that_raises_hangs_or_gives_something_else_is_told_and_comes_back() -> None:
    behave: list[Callable[[], Any]] = [lambda: {"limit": 1}]
    running: list[int] = []

    def load() -> Any:
        assert not running, "never twice at once"
        running.append(1)
        try:
            return behave[0]()
        finally:
            running.pop()

    def fails() -> Any:
        raise RuntimeError("the backend is away")

    with confmesh.open(sources={"source": load, "interval": "100ms", "timeout": "200ms"}) as config:
        for broken, says in [
            (fails, "raised RuntimeError: the backend is away"),
            (lambda: time.sleep(1), "gave no answer within 0.2 s"),
            (lambda: 3, "of the type integer, not a map"),
            (lambda: {"limit": object()}, "a document cannot hold a `object`"),
        ]:
            behave[0] = broken
            _until(lambda: says in json.dumps(_source(config)))
            assert config["limit"] == 1
        behave[0] = lambda: {"limit": 2}
        _until(lambda: config["limit"] == 2 and _source(config)["state"] == "fresh")


def a_mesh_takes_sources_and_is_not_ready_without_a_needed_one(server: _Server) -> None:
    server.status = 404
    with confmesh.Mesh(sources=[server.url + ";interval=100ms"]) as mesh:
        assert mesh.health().wait()["status"] == "not_ready"
        server.status, server.body = 200, '{"limit": 7}'
        _until(lambda: mesh.get("limit") == 7 and mesh.health().wait()["status"] == "healthy")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("https://c.example/;intervall=3s", "`intervall` is no option"),
        ({"source": "https://c.example/", "prioritty": 3}, "`prioritty` is no option"),
        ({"source": 3}, "a `int` is no source"),
        ("exec:false", "failed: exit status 1"),
        ("http://c.example/;token-env=T", "in the clear"),
    ],
)
def a_wrong_source_is_refused_with_the_reason(source: Any, says: str) -> None:
    with pytest.raises(confmesh.Error) as caught:
        confmesh.open(sources=[source])
    assert says in str(caught.value)
