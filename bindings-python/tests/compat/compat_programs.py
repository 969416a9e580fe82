"""The programs that the project started from, as they are printed: over `confmesh.compat`, each in a process of its own.

Each runs twice: with the classes that it prints, and with ours in their place. Its times are divided by one number.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from standardwebhooks import Webhook

import confmesh.compat

PROGRAMS = Path(__file__).parent / "programs"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TIMES = {"poll_interval", "debounce_delay", "base_interval", "min_interval", "max_interval"}
# By what the times of a program are divided.
DIVIDED = {"variables": 4, "polled": 100, "etag": 40, "hashed": 10, "adaptive": 100, "webhook": 600}
SAYS_MORE = "import logging\nlogging.basicConfig(level=logging.INFO, format='%(message)s')\n"


class _Shorter(ast.NodeTransformer):
    def __init__(self, by: int) -> None:
        self._by = by

    def _divided(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return ast.Constant(node.value / self._by)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "sleep":
            node.args = [self._divided(argument) for argument in node.args]
        for keyword in node.keywords:
            if keyword.arg in TIMES:
                keyword.value = self._divided(keyword.value)
        return node


def _program(name: str, *, ours: bool) -> str:
    tree = ast.parse((PROGRAMS / f"{name}.py").read_text())
    tree = _Shorter(DIVIDED.get(name, 1)).visit(tree)
    if ours:
        printed = {node.name for node in tree.body if isinstance(node, ast.ClassDef)} & set(confmesh.compat.__all__)
        assert printed or name == "webhook", "it prints a class that we have"
        tree.body = [node for node in tree.body if not isinstance(node, ast.ClassDef) or node.name not in printed]
        names = ", ".join(["BaseConfig", *sorted(printed)])
        tree.body.insert(1, ast.parse(f"from confmesh.compat import {names}").body[0])
    return SAYS_MORE + ast.unparse(ast.fix_missing_locations(tree))


class _Running:
    """A program that runs, in a fresh folder that has `tmp`."""

    def __init__(self, name: str, folder: Path, *, ours: bool, **variables: str) -> None:
        (folder / "tmp").mkdir(parents=True)
        self.folder = folder
        program = folder / f"{name}.py"
        program.write_text(_program(name, ours=ours))
        mine = {key: value for key, value in os.environ.items() if not key.startswith(("MYAPP_", "API_", "CONFMESH_"))}
        environment = {**mine, **variables, "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, str(program)]
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
            )

    def logged(self) -> str:
        return (self.folder / "log").read_text()

    def said(self) -> str:
        """All that it printed, when it has ended as it should."""
        output, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, self.logged()
        assert "Traceback" not in self.logged(), self.logged()
        assert not list((self.folder / "tmp").iterdir()), "it leaves nothing behind"
        return output


class _Server:
    """Serves one document, with an entity tag, and counts how it answered."""

    def __init__(self) -> None:
        self.document = {
            "api_url": "https://api-v1.example.com",
            "timeout_seconds": 30,
            "max_retries": 3,
            "enable_caching": True,
            "debug_mode": False,
        }
        self.answers: dict[str, list[int]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(outer.document).encode()
                tag = f'"{len(body)}-{outer.document["timeout_seconds"]}"'
                status = 304 if self.headers.get("If-None-Match") == tag else 200
                outer.answers.setdefault(self.path.split("/")[1], []).append(status)
                self.send_response(status)
                self.send_header("ETag", tag)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body) if status == 200 else 0))
                self.end_headers()
                if status == 200:
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{name}"

    def until_asked(self, name: str, times: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.answers.get(name, ())) < times:
            assert time.monotonic() < deadline, self.answers
            time.sleep(0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[_Server]:
    server = _Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


# Those that need nobody from outside all run at the same time.
LONE = [
    (name, ours)
    for name in (
        "sources",
        "strategies",
        "watched_file",
        "watched_files",
        "variables",
        "adaptive",
        "monitored",
    )
    for ours in (False, True)
]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], str]:
    folder = tmp_path_factory.mktemp("programs")
    running = {(name, ours): _Running(name, folder / f"{name}-{ours}", ours=ours) for name, ours in LONE}
    return {key: program.said() + program.logged() for key, program in running.items()}


def _lines(output: str) -> list[str]:
    return [line.rstrip() for line in output.splitlines()]


def _holds_in_order(output: str, expected: str) -> None:
    """That all these lines are there, one after the other; others may stand between them."""
    lines = iter(_lines(output))
    for wanted in (line.strip() for line in expected.strip().splitlines()):
        assert any(line.strip() == wanted for line in lines), f"no `{wanted}` in its place:\n{output}"


@pytest.mark.parametrize("ours", [False, True])
def variables_beat_the_second_file_and_that_the_first(said: dict[tuple[str, bool], str], ours: bool) -> None:
    output = said["sources", ours]
    for key, source in {
        "feature_enabled": "env:MYAPP",
        "api_version": "env:MYAPP",
        "rate_limit": "file:tmp/config_sync/overrides.json",
        "timeout_ms": "file:tmp/config_sync/overrides.json",
    }.items():
        assert _lines(output).count(f"  {key}: {source}") == 2, output
    _holds_in_order(
        output,
        """
        Performing initial synchronization...
        Synchronizing configuration from 3 sources
        Configuration sources:
        Final synchronized configuration:
          Feature enabled: True
          Rate limit: 200
          Timeout: 10000
          API version: v2
        Simulating configuration source changes...
        After file update:
          Feature enabled: True
          Rate limit: 500
          Timeout: 15000
          API version: v2
        """,
    )


@pytest.mark.parametrize("ours", [False, True])
def maps_of_three_sources_are_united(said: dict[tuple[str, bool], str], ours: bool) -> None:
    output = said["strategies", ours]
    _holds_in_order(
        output,
        """
        Syncing configuration from 3 sources...
        Loaded from local: 3 keys
        Loaded from environment: 4 keys
        Loaded from base: 5 keys
        Configuration resolution:
        Final merged configuration:
        Database URL: postgres://prod-db:5432/myapp
        Cache enabled: False
        Worker pool size: 8
        """,
    )
    for line in (
        "  cache_enabled: local",
        "  worker_pool_size: environment",
        "  database_url: environment",
        "  feature_toggles: base+environment+local",
        "  rate_limits: base+environment+local",
    ):
        assert line in _lines(output), output
    shown = dict(re.findall(r"^  (Feature toggles|Rate limits): (\{.*\})$", output, re.M))
    assert ast.literal_eval(shown["Feature toggles"]) == {
        "feature_a": True,
        "feature_b": True,
        "feature_c": True,
        "debug_mode": True,
    }
    assert ast.literal_eval(shown["Rate limits"]) == {"api": 1000, "uploads": 10, "debug": 5}


@pytest.mark.parametrize("ours", [False, True])
def each_save_of_a_followed_file_is_told_with_what_changed(said: dict[tuple[str, bool], str], ours: bool) -> None:
    output = said["watched_file", ours]
    _holds_in_order(
        output,
        """
        Watching configuration file: tmp/watched_config.json
        Initial configuration:
          API Key: initial-key
          Timeout: 30
          Enabled: True
        Simulating configuration changes...
        Configuration file changed: tmp/watched_config.json
        Configuration updated:
          api_key: initial-key -> updated-key-123
          timeout: 30 -> 60
          endpoints: ['http://api.example.com'] -> ['http://api.example.com', 'http://backup.example.com']
        Configuration file changed: tmp/watched_config.json
        Configuration updated:
          api_key: updated-key-123 -> final-key-456
          timeout: 60 -> 45
          enabled: True -> False
          endpoints: ['http://api.example.com', 'http://backup.example.com'] -> ['http://new-api.example.com']
        """,
    )
    assert output.count("Configuration updated:") == 2 and output.count("enabled:") == 1
    assert "No configuration changes detected" not in output


@pytest.mark.parametrize("ours", [False, True])
def of_three_followed_files_only_the_saved_one_is_read_again(said: dict[tuple[str, bool], str], ours: bool) -> None:
    output = said["watched_files", ours]
    start, changed = output.split("Simulating configuration changes...")
    assert start.count("N/A -> ") == 9
    _holds_in_order(
        changed,
        """
        App configuration reloaded:
          version: 1.0.0 -> 1.1.0
          debug: False -> True
        Feature flags reloaded:
          new_ui: False -> True
          caching: True -> False
          beta_features: N/A -> True
        Database configuration reloaded:
        """,
    )
    for line in ("host: localhost -> prod-db.example.com", "database: myapp -> myapp_prod", "ssl: N/A -> True"):
        assert f"  {line}" in _lines(changed), changed
    assert changed.count("reloaded:") == 3
    assert not re.search(r"^  (name|analytics|port):", changed, re.M)


@pytest.mark.parametrize("ours", [False, True])
def variables_that_change_are_told_once_a_look(said: dict[tuple[str, bool], str], ours: bool) -> None:
    output = said["variables", ours]
    assert output.count("Environment configuration changed:") == 3, output
    ticks = output.split("Environment configuration changed:")[1:]
    for tick, lines in zip(
        ticks,
        [
            ["DEBUG_ENABLED: false -> true", "LOG_LEVEL: INFO -> DEBUG", "API URL: http://localhost:8080", "Max workers: 4"],
            [
                "API_URL: http://localhost:8080 -> http://api.production.com",
                "MAX_WORKERS: 4 -> 8",
                "API URL: http://api.production.com",
                "Log level: DEBUG",
            ],
            ["LOG_LEVEL: DEBUG -> ERROR", "Max workers: 8", "Debug: True", "Log level: ERROR"],
        ],
    ):
        for line in lines:
            assert f"  {line}" in _lines(tick), output
    assert "Started environment watcher" in output and "Stopped environment watcher" in output


@pytest.mark.parametrize("ours", [False, True])
def an_adaptive_interval_runs_and_takes_what_changed(said: dict[tuple[str, bool], str], ours: bool) -> None:
    output = said["adaptive", ours]
    if ours:
        assert "Initial configuration loaded config_name=adaptive" in output
        assert "Stopped configuration polling config_name=adaptive" in output
    assert "Configuration updated" in output or "Configuration changed" in output


@pytest.mark.parametrize("ours", [False, True])
def a_monitored_manager_counts_events_locks_and_conflicts(said: dict[tuple[str, bool], str], ours: bool) -> None:
    _holds_in_order(
        said["monitored", ours],
        """
        Set: db
        Locked: True
        Locked twice: False
        Released: True
        Settled: b
        Events: 1, locks: 1
        Contentions: 1, conflicts: 100.0
        """,
    )


@pytest.mark.parametrize("ours", [False, True])
def a_polled_document_that_changes_is_told_field_by_field(server: _Server, tmp_path: Path, ours: bool) -> None:
    name = f"polled{ours}"
    running = _Running("polled", tmp_path / "run", ours=ours, CONFIG_URL=server.url(name))
    server.document = {**server.document, "timeout_seconds": 30, "debug_mode": False}
    server.until_asked(name, 2)
    server.document = {**server.document, "timeout_seconds": 45, "debug_mode": True}
    output = running.said()
    _holds_in_order(output, "Configuration updated!\n timeout_seconds: 30 -> 45\n debug_mode: False -> True")
    assert output.count("Configuration updated!") == 1 and "api_url:" not in output
    server.document = {**server.document, "timeout_seconds": 30, "debug_mode": False}


@pytest.mark.parametrize("ours", [False, True])
def a_server_sends_what_did_not_change_only_once(server: _Server, tmp_path: Path, ours: bool) -> None:
    name = f"etag{ours}"
    _Running("etag", tmp_path / "run", ours=ours, CONFIG_URL=server.url(name)).said()
    first, *others = server.answers[name]
    assert first == 200 and len(others) >= 3 and set(others) == {304}


@pytest.mark.parametrize("ours", [False, True])
def a_loader_by_hash_tells_of_the_first_and_of_what_changed(server: _Server, tmp_path: Path, ours: bool) -> None:
    name = f"hashed{ours}"
    running = _Running("hashed", tmp_path / "run", ours=ours, CONFIG_URL=server.url(name))
    output = running.said()
    _holds_in_order(
        output,
        """
        Check 1: Configuration changed
          New API URL: https://api-v1.example.com
        Check 2: No changes detected
        Check 5: No changes detected
        """,
    )


def a_signed_webhook_is_stored_and_an_unsigned_one_is_not(tmp_path: Path) -> None:
    refused = _Running("webhook", tmp_path / "closed", ours=True)
    assert refused.process.wait(60) == 1 and "webhooks need a secret" in refused.logged()

    running = _Running("webhook", tmp_path / "open", ours=True, CONFMESH_WEBHOOK_SECRET=SECRET)
    assert running.process.stdout is not None
    for line in running.process.stdout:
        if found := re.search(r"Webhook server listening on port (\d+)", line):
            break
    assert found is not None
    body = {
        "config_name": "myapp",
        "config_data": {"api_url": "https://new-api.example.com", "timeout_seconds": 45, "debug_mode": True},
    }
    assert _send(int(found[1]), body, "one") == 200
    with pytest.raises(OSError, match="401"):
        _send(int(found[1]), body, "two", secret="whsec_" + "A" * 32)
    running.said()
    assert running.logged().count("Received webhook update config_name=myapp") == 1


def _send(port: int, body: dict[str, Any], id: str, secret: str = SECRET) -> int:
    now, text = datetime.now(tz=timezone.utc), json.dumps(body)
    headers = {
        "webhook-id": id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(id, now, text),
    }
    request = Request(f"http://127.0.0.1:{port}/webhook/config", text.encode(), headers, method="POST")
    with urlopen(request) as answer:
        return int(answer.status)
