"""Webhooks, sent by the official sender of Standard Webhooks; and variables that change."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from standardwebhooks import Webhook

import confmesh

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def _until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)


def _send(mesh: confmesh.Mesh, body: dict[str, Any], *, id: str, late: float = 0.0, secret: str = SECRET) -> tuple[int, Any]:
    sent = datetime.now(tz=timezone.utc) - timedelta(seconds=late)
    text = json.dumps(body)
    headers = {
        "webhook-id": id,
        "webhook-timestamp": str(int(sent.timestamp())),
        "webhook-signature": Webhook(secret).sign(id, sent, text),
    }
    request = urllib.request.Request(
        f"http://{mesh.addresses[0]}/webhook/config", data=text.encode(), headers=headers, method="POST"
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def the_official_sender_writes_and_a_stranger_does_not() -> None:
    with confmesh.Mesh(listen="127.0.0.1:0", webhook_secrets=f"deploy={SECRET}", webhook_paths=["app.*"]) as mesh:
        body = {"config_name": "default", "config_data": {"app": {"limit": 7}}}
        assert _send(mesh, body, id="msg_1")[0] == 200
        assert mesh["app.limit"] == 7
        assert _send(mesh, body, id="msg_1")[1]["status"] == "repeated"
        assert _send(mesh, body, id="msg_2", late=400.0)[0] == 401
        assert _send(mesh, body, id="msg_3", secret="whsec_" + "A" * 32)[0] == 401
        assert _send(mesh, {"config_name": "default", "config_data": {"db": 1}}, id="msg_4")[0] == 403


def handlers_plain_and_async_are_called_and_one_that_raises_is_told() -> None:
    heard: list[tuple[str, Any]] = []
    tries: list[int] = []

    async def later(name: str, data: Any) -> None:
        heard.append((name, data))

    def fails(name: str, data: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("the pager is away")

    with confmesh.Mesh(listen="127.0.0.1:0", webhook_secrets=SECRET) as mesh:
        mesh.on_webhook("*", later)
        mesh.on_webhook("myapp", fails)
        body = {"config_name": "myapp", "config_data": {"debug_mode": True}}
        with _quiet():
            status, answer = _send(mesh, body, id="1")
        assert status == 500 and "raised RuntimeError: the pager is away" in json.dumps(answer)
        assert _send(mesh, body, id="1")[0] == 200
        assert heard == [("myapp", {"debug_mode": True})] and len(tries) == 2
    with confmesh.Mesh(listen="127.0.0.1:0") as closed, pytest.raises(confmesh.UsageError, match="no secret is set"):
        closed.on_webhook("*", fails)


class _quiet:
    """Keeps what a handler raises from failing the test that wants it."""

    def __enter__(self) -> None:
        import sys

        self._hook = sys.unraisablehook
        sys.unraisablehook = lambda _: None

    def __exit__(self, *_: object) -> None:
        import sys

        sys.unraisablehook = self._hook


def variables_that_change_come_into_force_and_are_told_once_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE_LEVEL", "info")
    monkeypatch.setenv("LIVE_HOST", "a")
    told: list[dict[str, tuple[str | None, str | None]]] = []
    arrived = threading.Event()

    def callback(changed: dict[str, tuple[str | None, str | None]]) -> None:
        told.append(changed)
        arrived.set()

    with (
        confmesh.open(sources="env:LIVE;interval=100ms") as config,
        confmesh.watch_variables(["LIVE_LEVEL", "LIVE_HOST", "LIVE_NEW"], callback, interval=0.1),
    ):
        assert config["level"] == "info"
        # Between two looks, most likely; what a look catches half-way comes as two.
        os.environ.update({"LIVE_LEVEL": "debug", "LIVE_NEW": ""})
        del os.environ["LIVE_HOST"]
        _until(lambda: config.get("level") == "debug" and "host" not in config and config.get("new") == "")
        assert arrived.wait(20.0)
        _until(lambda: len({name for one in told for name in one}) == 3)
        changed = {name: both for one in told for name, both in one.items()}
        assert changed == {"LIVE_LEVEL": ("info", "debug"), "LIVE_HOST": ("a", None), "LIVE_NEW": (None, "")}
    monkeypatch.delenv("LIVE_NEW")
