"""Classes that declare fields, the manager that keeps their objects, and what several sources come to."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from attrs.validators import gt

import confmesh
from confmesh import compat
from confmesh.compat import (
    AdvancedConfigSync,
    BaseConfig,
    ConfigManager,
    ConfigSource,
    MultiSourceConfigSync,
    RemoteAppConfig,
    RuntimeConfig,
    env_field,
    field,
)


@define
class Service(RuntimeConfig):
    url: str = field(description="where it is")
    workers: int = field(default=4, validator=gt(0))
    tags: list[str] = field(factory=list)
    limits: dict[str, int] = field(factory=dict)
    token: str = field(default="none", sensitive=True, env_var="SERVICE_TOKEN")
    debug: bool = env_field(default=False, env_var="SERVICE_DEBUG", parser=lambda text: text == "very")


@define
class Numbers(BaseConfig):
    timeout: int = field(default=30)
    ratio: float = field(default=0.5)


def objects_are_made_of_maps_and_told_apart_field_by_field() -> None:
    service = Service.from_dict({"url": "a", "tags": ["x"]})
    assert service == Service(url="a", tags=["x"])
    assert (service.get_source("url"), service.get_source("workers")) == (ConfigSource.RUNTIME, ConfigSource.DEFAULT)
    other = service.clone()
    other.tags.append("y")
    other.workers = 5
    assert service.diff(other) == {"workers": (4, 5), "tags": (["x"], ["x", "y"])}
    assert service.diff(service.clone()) == {}
    other.reset_to_defaults()
    assert other == Service(url="a")
    with pytest.raises(TypeError, match="cannot be compared"):
        service.diff(Numbers())
    assert Service(url="a").tags is not Service(url="b").tags


def what_does_not_fit_is_refused_with_every_field(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(confmesh.InputError) as caught:
        Service.from_dict({"workers": "abc", "limits": {"api": True}})
    every = [caught.value, *caught.value.related]
    assert {(error.path, error.message) for error in every} == {
        ("url", "required key is missing"),
        ("workers", "expected integer, found a string"),
        ("limits.api", "expected integer, found a boolean"),
    }
    with pytest.raises(confmesh.InputError, match="must be > 0"):
        Service.from_dict({"url": "a", "workers": 0})
    broken = Service(url="a")
    broken.tags = ["a", 3]  # type: ignore[list-item]
    with pytest.raises(confmesh.InputError, match=r"tags\.1"):
        broken.validate()
    Service.from_dict({"url": "a", "wrokers": 3})
    assert "`Service` has no field `wrokers`" in caplog.text


def sensitive_fields_are_shown_to_nobody_by_accident() -> None:
    service = Service(url="a", token="hunter2")
    assert "hunter2" not in repr(service) and "token=***" in repr(service)
    assert "token" not in service.to_dict()
    assert service.to_dict(include_sensitive=True)["token"] == "hunter2"

    @define
    class Strict(BaseConfig):
        secret: str = field(sensitive=True, validator=lambda _, __, value: _refuse(value))

    with pytest.raises(confmesh.InputError) as caught:
        Strict.from_dict({"secret": "hunter2"})
    assert "hunter2" not in str(caught.value)


def _refuse(value: str) -> None:
    raise ValueError(f"{value} is too short")


def variables_make_an_object_and_an_object_makes_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("from the file\n")
    for name, value in {
        "APP_URL": "http://a",
        "app_workers": "8",
        "APP_TAGS": "a,b",
        "APP_LIMITS": "api=1,uploads=2",
        "SERVICE_TOKEN": f"file://{secret}",
        "SERVICE_DEBUG": "very",
    }.items():
        monkeypatch.setenv(name, value)
    service = Service.from_env("APP")
    want = {"url": "http://a", "workers": 8, "tags": ["a", "b"], "limits": {"api": 1, "uploads": 2}, "debug": True}
    assert service.to_dict() == want and service.token == "from the file"
    assert service.get_source("workers") == ConfigSource.ENV
    for name, value in service.to_env_dict("OTHER").items():
        monkeypatch.setenv(name, value if name != "SERVICE_DEBUG" else "very")
    assert Service.from_env("OTHER") == service
    monkeypatch.setenv("app_workers", "many")
    with pytest.raises(confmesh.InputError, match="workers"):
        Service.from_env("APP")
    assert Service.from_env("OTHER", case_sensitive=True).workers == 8


def a_manager_keeps_objects_that_never_change() -> None:
    async def program() -> None:
        manager = ConfigManager()
        first = Service(url="a")
        await manager.register("service", config=first)
        held = await manager.get("service")
        await manager.update("service", {"workers": 5})
        assert (held.workers, (await manager.get("service")).workers) == (4, 5)
        assert manager.documents["service.workers"] == 5
        with pytest.raises(confmesh.InputError, match="workers"):
            await manager.update("service", {"workers": "abc", "url": "b"})
        assert (await manager.get("service")).url == "a"
        assert await manager.get("nobody") is None
        with pytest.raises(confmesh.NotFoundError, match="registered are: service"):
            await manager.update("nobody", {})
        await manager.set("a/b", {"x": {"y": 1}})
        (await manager.get("a/b"))["x"]["y"] = 2
        assert manager.get_all()["a/b"] == {"x": {"y": 1}}
        assert manager.list_configs() == ["service", "a/b"]
        assert "token" not in manager.export("service") and manager.export("service", True)["token"] == "none"
        manager.reset("service")
        assert (await manager.get("service")).workers == 4
        assert (await manager.get_or_create("numbers", Numbers, timeout=3)).timeout == 3
        assert manager.remove("a/b") and not manager.unregister("a/b")
        manager.clear()
        assert manager.list_configs() == [] and manager.documents.to_dict() == {}

    asyncio.run(program())


def a_loader_that_fails_leaves_what_was_there() -> None:
    async def program() -> None:
        answers: list[Any] = [{"timeout": 1}, {"timeout": "abc"}, None, {"timeout": 2, "ratio": 1}]
        manager = ConfigManager()
        await manager.register("numbers", schema=Numbers, loader=lambda: answers.pop(0))
        assert await manager.get("numbers") is None
        assert (await manager.load("numbers")).timeout == 1
        for _ in range(2):
            with pytest.raises(confmesh.InputError):
                await manager.reload("numbers")
            assert (await manager.get("numbers")).timeout == 1
        assert (await manager.reload("numbers")) == Numbers(2, 1.0)
        assert manager.validate_all() == {}
        await manager.register("plain", schema={"fields": {"a": "int"}}, defaults={"a": 1})
        with pytest.raises(confmesh.InputError):
            await manager.set("plain", {"a": "x"})
        assert await manager.get("plain") == {"a": 1}

    asyncio.run(program())


def a_broken_file_keeps_its_last_good_content_and_a_removed_key_its_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, other = tmp_path / "a.json", tmp_path / "b.yaml"

    async def program() -> None:
        manager = ConfigManager()
        await manager.register("numbers", config=Numbers())
        sync = MultiSourceConfigSync("numbers", manager)
        sync.add_file_source(file, priority=10)
        sync.add_file_source(other)
        assert await sync.sync_configuration() is None and sync.last_sync_time == 0
        file.write_text(json.dumps({"timeout": 1, "ratio": 2}))
        assert await sync.sync_configuration() == Numbers(1, 2.0) and sync.last_sync_time > 1e9
        file.write_text('{"timeout": ')
        other.write_text("timeout: 7\n")
        assert await sync.sync_configuration() == Numbers(1, 2.0)
        assert "Error loading from file" in capsys.readouterr().out
        file.write_text("{}")
        assert await sync.sync_configuration() == Numbers(7, 0.5)
        assert sync.source_tracking == {"timeout": f"file:{other}"}
        file.write_text('{"timeout": "abc"}')
        with pytest.raises(confmesh.InputError, match="timeout"):
            await sync.sync_configuration()
        assert await manager.get("numbers") == Numbers(7, 0.5)

    asyncio.run(program())


def strategies_follow_their_rules_also_where_the_programs_had_defects(capsys: pytest.CaptureFixture[str]) -> None:
    async def program() -> None:
        sync = AdvancedConfigSync("lists")

        def fails() -> Any:
            raise RuntimeError("the backend is away")

        async def low() -> dict[str, Any]:
            return {"tags": ["b", 1, {"x": 1}], "names": ["b"], "kind": "a"}

        sync.add_source("low", low, priority=30)
        sync.add_source("high", lambda: {"tags": ["a", "b", True, {"x": 1}], "names": ["a", "a"], "kind": {"a": 1}}, priority=20)
        sync.add_source("away", fails, priority=10)
        sync.set_field_strategy("tags", "union_set")
        sync.set_field_strategy("names", "append_list")
        sync.set_field_strategy("kind", "merge_dict")
        made = await sync.sync_with_resolution()
        assert made.tags == ["a", "b", True, {"x": 1}, 1] and made.names == ["a", "a", "b"]
        assert made.kind == {"a": 1}
        assert "  Failed to load from away: the backend is away" in capsys.readouterr().out
        with pytest.raises(confmesh.UsageError, match="they are override, merge_dict"):
            sync.set_field_strategy("tags", "unoin_set")
        typed = AdvancedConfigSync("numbers", Numbers)
        assert await typed.sync_with_resolution() is None
        with pytest.raises(confmesh.UsageError, match="its fields are timeout, ratio"):
            typed.set_field_strategy("timeuot", "override")
        typed.add_source("one", lambda: {})
        assert await typed.sync_with_resolution() == Numbers()
        typed.add_source("one", lambda: {"timeout": "soon"})
        with pytest.raises(confmesh.InputError, match="timeout"):
            await typed.sync_with_resolution()

    asyncio.run(program())


def a_remote_configuration_is_looked_at_before_it_is_taken() -> None:
    given: dict[str, Any] = {"max_retries": 3, "enable_caching": True, "debug_mode": False}

    async def program() -> None:
        cases: list[tuple[str, Any, bool]] = [
            ("https://a.example", 30, True),
            ("http://", 30, False),
            ("ftp://a.example", 30, False),
            ("", 30, False),
            ("https://a.example", 0, False),
            ("https://a.example", 301, False),
            ("https://a.example", "30", False),
        ]
        for url, seconds, is_good in cases:
            config = RemoteAppConfig(api_url=url, timeout_seconds=seconds, **given)
            assert await compat.validate_config_consistency(config) is is_good, (url, seconds)

    asyncio.run(program())
    with pytest.raises(confmesh.InputError, match="api_url"):
        RemoteAppConfig.from_dict(given)
