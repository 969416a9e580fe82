"""Loaders that are asked again and again, documents over HTTP, and webhooks, through `confmesh.compat`."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from attrs import define
from standardwebhooks import Webhook

import confmesh
from confmesh.compat import (
    AdaptivePollingManager,
    BaseConfig,
    ConfigWebhookServer,
    EtagHTTPLoader,
    EtagPollingManager,
    HashBasedLoader,
    HTTPConfigLoader,
    PollingConfigManager,
    RateLimitedPollingManager,
    RemoteAppConfig,
    ResilientPollingManager,
    WebhookConfigManager,
    field,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@define
class Limits(BaseConfig):
    api: int = field(description="requests a second")
    burst: int = field(default=10)


async def _until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.01)


class _Server:
    def __init__(self) -> None:
        self.bodies: dict[str, Any] = {}
        self.status, self.has_tags = 200, True
        self.asked: list[tuple[str, str | None, int]] = []
        self.headers: dict[str, str] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = outer.bodies.get(self.path)
                body = found if isinstance(found, bytes) else json.dumps(found).encode()
                tag = f'"{hash(body)}"'
                asked = self.headers.get("If-None-Match")
                status = 404 if found is None else outer.status
                if status == 200 and asked == tag and outer.has_tags:
                    status = 304
                outer.asked.append((self.path, asked, status))
                outer.headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(status)
                if outer.has_tags:
                    self.send_header("ETag", tag)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body) if status == 200 else 0))
                self.end_headers()
                if status == 200:
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def what_a_loader_gives_is_stored_and_changes_are_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "confmesh.compat")
    told: list[tuple[Any, Any]] = []
    held: list[Any] = [Limits(api=1)]

    def load() -> Any:
        if isinstance(held[0], Exception):
            raise held[0]
        return held[0]

    async def heard(new: Any, changes: Any) -> None:
        told.append((new, changes))

    def fails(new: Any, changes: Any) -> None:
        raise RuntimeError("the callback broke")

    async def program() -> None:
        manager = PollingConfigManager(poll_interval=0.1)
        manager.on_update("limits", fails)
        manager.on_update("limits", heard)
        await manager.start_polling("limits", load)
        await manager.start_polling("limits", load)
        assert caplog.text.count("Already polling limits") == 1
        await _until(lambda: manager.get_all().get("limits") == Limits(api=1))
        assert told == []
        held[0] = Limits(api=2)
        await _until(lambda: told)
        assert told == [(Limits(api=2), {"api": (1, 2)})] and "the callback broke" in caplog.text
        held[0] = RuntimeError("the backend is away")
        await _until(lambda: "the backend is away" in caplog.text)
        assert await manager.get("limits") == Limits(api=2)
        held[0] = {"api": 3, "burst": 10}
        await _until(lambda: len(told) == 2)
        assert told[1] == (Limits(api=3), {"api": (2, 3)})
        await manager.stop_polling("limits")
        await manager.stop_polling("limits")
        await manager.stop_polling("nobody")
        assert not [thread for thread in threading.enumerate() if thread.name == "confmesh-subscription"]
        await manager.start_polling("limits", load)
        held[0] = {"api": 4, "burst": 10}
        await _until(lambda: len(told) == 3)

    asyncio.run(program())


def several_are_polled_at_once_and_maps_are_compared_key_by_key() -> None:
    maps: dict[str, Any] = {"one": {"a": {"b": 1}}, "two": {"c": 1, "d": 1}}
    told: list[Any] = []

    async def program() -> None:
        manager = PollingConfigManager(poll_interval=0.1)
        for name in maps:

            async def load(name: str = name) -> Any:
                return maps[name]

            manager.on_update(name, lambda _, changes: told.append(changes))
            await manager.start_polling(name, load)
        await _until(lambda: manager.get_all() == maps)
        maps["one"] = {"a": {"b": 2}}
        await _until(lambda: told == [{"a.b": (1, 2)}])
        maps["two"] = {"c": 1}
        await _until(lambda: told[1:] == [{"d": (1, None)}])
        for name in maps:
            await manager.stop_polling(name)

    asyncio.run(program())


def an_update_that_is_refused_by_the_program_or_the_class_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    held: list[Any] = [{"api": 1}]
    applied: list[Any] = []

    class Careful(PollingConfigManager):
        async def _apply_config_update(self, config_name: str, new_config: Any) -> bool:
            applied.append(new_config)
            return new_config["api"] != 2 and await super()._apply_config_update(config_name, new_config)

    async def program() -> None:
        manager = Careful(poll_interval=0.1)
        await manager.register("limits", schema=Limits)
        told: list[Any] = []
        manager.on_update("limits", lambda new, _: told.append(new))
        await manager.start_polling("limits", lambda: held[0])
        await _until(lambda: manager.get_all()["limits"] == Limits(api=1))
        held[0] = {"api": 2}
        await _until(lambda: {"api": 2} in applied)
        held[0] = {"api": "many"}
        await _until(lambda: applied.count({"api": "many"}) > 2)
        assert caplog.text.count("Rejecting invalid configuration update") == 1
        assert await manager.get("limits") == Limits(api=1) and told == []
        held[0] = {"api": 3}
        await _until(lambda: told == [Limits(api=3)])
        await manager.stop_polling("limits")

    asyncio.run(program())


def loaders_that_keep_failing_are_told_and_the_last_configuration_stays(caplog: pytest.LogCaptureFixture) -> None:
    failing: list[bool] = [False]
    calls: list[float] = []

    async def load() -> Any:
        calls.append(time.monotonic())
        if failing[0]:
            raise OSError("no route")
        return Limits(api=1)

    async def program() -> None:
        manager = ResilientPollingManager(poll_interval=0.1, max_failures=2)
        await manager.start_polling("limits", load)
        await _until(lambda: "limits" in manager.get_all())
        failing[0] = True
        await _until(lambda: "Too many polling failures, using cached config" in caplog.text, 60)
        assert await manager.get("limits") == Limits(api=1)
        assert calls[-1] - calls[-2] >= 0.1, "never in a hot loop"
        failing[0] = False
        await _until(lambda: manager._failure_counts["limits"] == 0, 60)
        await manager.stop_polling("limits")

    asyncio.run(program())


def an_interval_shrinks_while_a_document_changes_and_grows_again() -> None:
    changing: list[bool] = [True]
    count = [0]

    def load() -> Any:
        count[0] += changing[0]
        return {"n": count[0]}

    async def program() -> None:
        manager = AdaptivePollingManager(base_interval=0.5, min_interval=0.1, max_interval=0.6)
        assert manager.current_interval("numbers") == 0.5
        await manager.start_polling("numbers", load)
        await _until(lambda: count[0] > 5)
        assert manager.current_interval("numbers") == 0.1
        changing[0] = False
        await _until(lambda: manager.current_interval("numbers") == 0.6)
        changing[0] = True
        await _until(lambda: manager.current_interval("numbers") < 0.6)
        await manager.stop_polling("numbers")

    asyncio.run(program())


def of_too_many_updates_only_so_many_are_taken_a_minute() -> None:
    count = [0]

    def load() -> Any:
        count[0] += 1
        return {"n": count[0]}

    async def program() -> None:
        manager = RateLimitedPollingManager(poll_interval=0.1, max_updates_per_minute=3)
        told: list[Any] = []
        manager.on_update("numbers", lambda new, _: told.append(new))
        await manager.start_polling("numbers", load)
        await _until(lambda: count[0] > 12)
        assert len(told) <= 3
        await manager.stop_polling("numbers")

    asyncio.run(program())


def a_document_is_fetched_when_it_changed_and_a_failure_costs_nothing(server: _Server) -> None:
    server.bodies = {"/a.json": {"n": 1}, "/b.json": {"n": 1}}

    async def program() -> None:
        loader = EtagHTTPLoader(server.url)
        assert await loader.load_if_changed("/a.json") == ({"n": 1}, True)
        assert await loader.load_if_changed("/a.json") == (None, False)
        assert await loader.load_if_changed("/b.json") == ({"n": 1}, True)
        assert [(path, status) for path, _, status in server.asked] == [("/a.json", 200), ("/a.json", 304), ("/b.json", 200)]
        server.bodies["/a.json"] = b'{"n": '
        for _ in range(2):
            with pytest.raises(confmesh.Error):
                await loader.load_if_changed("/a.json")
        server.bodies["/a.json"], server.status = {"n": 2}, 500
        with pytest.raises(confmesh.Error, match="500"):
            await loader.load_if_changed("/a.json")
        server.status = 200
        assert await loader.load_if_changed("/a.json") == ({"n": 2}, True)
        server.has_tags = False
        assert await loader.load_if_changed("/b.json") == (None, False)
        server.bodies["/b.json"] = {"n": 3}
        assert await loader.load_if_changed("/b.json") == ({"n": 3}, True)
        with pytest.raises(confmesh.NotFoundError):
            await loader.load_if_changed("/nothing.json")
        loader.close()

    asyncio.run(program())


def an_update_that_failed_is_tried_again_although_the_server_says_nothing_changed(server: _Server) -> None:
    server.bodies["/limits"] = {"api": 1}

    class Forgetful(EtagPollingManager):
        tries = 0

        async def _apply_config_update(self, config_name: str, new_config: Any) -> bool:
            self.tries += 1
            return self.tries not in (2, 3) and await super()._apply_config_update(config_name, new_config)

    async def program() -> None:
        loader = EtagHTTPLoader(server.url)
        manager = Forgetful(poll_interval=0.1, config_class=Limits)
        told: list[Any] = []
        manager.on_update("limits", lambda new, changes: told.append((new, changes)))
        await manager.start_polling("limits", lambda: loader.load_if_changed("/limits"))
        await _until(lambda: manager.get_all().get("limits") == Limits(api=1))
        server.bodies["/limits"] = {"api": 2}
        await _until(lambda: told)
        assert told == [(Limits(api=2), {"api": (1, 2)})] and manager.tries == 4
        await manager.stop_polling("limits")
        loader.close()

    asyncio.run(program())


def a_document_is_loaded_with_retries_but_not_where_there_is_none(server: _Server) -> None:
    server.bodies["/app"] = {"n": 1}

    async def program() -> None:
        loader = HTTPConfigLoader(server.url + "/", timeout=5, max_retries=2, retry_delay=0.01, headers={"X-Team": "a"}, auth="token")
        assert await loader.load("/app") == {"n": 1}
        assert (server.headers["authorization"], server.headers["x-team"]) == ("Bearer token", "a")
        server.asked.clear()
        with pytest.raises(confmesh.NotFoundError):
            await loader.load("/nothing")
        assert len(server.asked) == 1
        server.status = 503
        with pytest.raises(confmesh.Error, match="503"):
            await loader.load("/app")
        assert len(server.asked) == 4

    asyncio.run(program())


def a_hash_ignores_the_order_of_keys() -> None:
    held: list[Any] = [{"a": 1, "b": 1.0}]

    async def program() -> None:
        loader = HashBasedLoader(lambda: held[0])
        assert await loader.load_if_changed("x") == ({"a": 1, "b": 1.0}, True)
        held[0] = {"b": 1, "a": 1}
        assert await loader.load_if_changed("x") == (None, False)
        assert (await loader.load_if_changed("y"))[1] and not (await loader.load_if_changed("y"))[1]

    asyncio.run(program())


def _send(port: int, name: str, data: Any, id: str) -> tuple[int, str]:
    now, text = datetime.now(tz=timezone.utc), json.dumps({"config_name": name, "config_data": data})
    headers = {
        "webhook-id": id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(id, now, text),
    }
    request = Request(f"http://127.0.0.1:{port}/webhook/config", text.encode(), headers, method="POST")
    try:
        with urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def webhooks_patch_what_is_there_and_are_told_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONFMESH_WEBHOOK_SECRET", raising=False)
    payload = {"api_url": "https://new.example", "timeout_seconds": 45, "debug_mode": True}

    async def program() -> None:
        manager = WebhookConfigManager(RemoteAppConfig)
        manager.webhook_server.port = 0
        with pytest.raises(confmesh.UsageError, match="need a secret"):
            await manager.start_webhook_listener()
        monkeypatch.setenv("CONFMESH_WEBHOOK_SECRET", SECRET)
        await manager.start_webhook_listener()
        port = manager.webhook_server.port
        status, body = await asyncio.to_thread(_send, port, "myapp", payload, "1")
        assert status >= 400 and "max_retries" in body and await manager.get("myapp") is None
        whole = {**payload, "max_retries": 3, "enable_caching": True, "timeout_seconds": 30}
        assert (await asyncio.to_thread(_send, port, "myapp", whole, "2"))[0] == 200
        assert (await asyncio.to_thread(_send, port, "myapp", payload, "3"))[0] == 200
        stored = await manager.get("myapp")
        assert (stored.timeout_seconds, stored.max_retries) == (45, 3)
        await manager.stop()
        # The port is free again.
        server = ConfigWebhookServer(port=port, secret=SECRET)
        heard: list[Any] = []
        server.on_config_update("other", lambda name, data: heard.append((name, data)))
        await server.start()
        assert server.port == port
        assert (await asyncio.to_thread(_send, port, "myapp", {}, "4"))[0] == 404
        assert (await asyncio.to_thread(_send, port, "other", {"a": 1}, "5"))[0] == 200
        await server.stop()
        assert heard == [("other", {"a": 1})]

    # What a handler raises is told to the sender, and to this hook.
    monkeypatch.setattr("sys.unraisablehook", lambda _: None)
    asyncio.run(program())
