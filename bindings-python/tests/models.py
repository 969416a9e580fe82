"""Documents as models: pydantic, msgspec, attrs, dataclasses, typed dicts."""

import dataclasses
import datetime
import enum
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Optional, TypedDict

import attrs
import confmesh
import msgspec
import pydantic
import pytest


class _Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class _PydanticDatabase(pydantic.BaseModel):
    host: str
    port: int = pydantic.Field(ge=1, le=65535)


class _PydanticSettings(pydantic.BaseModel):
    name: str
    database: _PydanticDatabase
    tags: list[str] = []

    @pydantic.model_validator(mode="after")
    def _check(self) -> "_PydanticSettings":
        if self.name == "forbidden":
            raise ValueError("that name is taken")
        return self


class _MsgspecDatabase(msgspec.Struct):
    host: str
    port: int


class _MsgspecSettings(msgspec.Struct):
    name: str
    database: _MsgspecDatabase
    tags: list[str] = []


@attrs.define
class _AttrsDatabase:
    host: str
    port: int = attrs.field(validator=attrs.validators.instance_of(int))


@attrs.define
class _AttrsSettings:
    name: str
    database: _AttrsDatabase
    tags: list[str] = attrs.Factory(list)


@dataclasses.dataclass
class _DataDatabase:
    host: str
    port: int


@dataclasses.dataclass
class _DataSettings:
    name: str
    database: _DataDatabase
    tags: list[str] = dataclasses.field(default_factory=list)


class _DictDatabase(TypedDict):
    host: str
    port: int


class _DictSettingsNeeded(TypedDict):
    name: str
    database: _DictDatabase


class _DictSettings(_DictSettingsNeeded, total=False):
    tags: list[str]


_MODELS: list[Any] = [_PydanticSettings, _MsgspecSettings, _AttrsSettings, _DataSettings, _DictSettings]
_GOOD = '{\n  "name": "n",\n  "database": {"host": "h", "port": 5432},\n  "other": 1\n}'
_BAD = '{\n  "name": "n",\n  "database": {\n    "host": "h",\n    "port": "many"\n  }\n}'


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def _port(settings: Any) -> Any:
    return settings["database"]["port"] if isinstance(settings, dict) else settings.database.port


@pytest.mark.parametrize("model", _MODELS)
def a_document_is_extracted_as_a_model_and_what_does_not_fit_has_its_place(tmp_path: Path, model: Any) -> None:
    file = tmp_path / "app.json"
    file.write_text(_GOOD)
    with confmesh.open(file) as config:
        settings = config.extract(model)
        assert _port(settings) == 5432 and (isinstance(settings, dict) or isinstance(settings, model))
    file.write_text(_BAD)
    with confmesh.open(file) as config:
        with pytest.raises(confmesh.InputError) as caught:
            config.extract(model)
        assert caught.value.path == "database.port" and caught.value.code == "invalid"
        assert caught.value.origin is not None and caught.value.origin["line"] == 5
        assert "app.json:5:" in str(caught.value) and "many" not in str(caught.value)


@pytest.mark.parametrize("model", _MODELS)
def a_configuration_that_is_opened_with_a_model_is_always_one(tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "app.json"
    file.write_text(_GOOD)
    monkeypatch.setenv("MODELLED_DATABASE__PORT", "6000")
    with confmesh.open(file, model=model, env_prefix="MODELLED") as config:
        first = config.model
        assert _port(first) == 6000 and config.model is first
        with pytest.raises(confmesh.InputError) as caught:
            config.set("database.port", "many")
        assert caught.value.path == "database.port" and config.model is first
        config.set("database.port", 7)
        assert _port(config.model) == 7 and _port(first) == 6000
        file.write_text('{"name": 5, "database": {"host": "h", "port": 1}}')
        _until(lambda: config.status()["documents"][0].get("rejected"))
        assert _port(config.model) == 7
    file.write_text(_BAD)
    with pytest.raises(confmesh.InputError) as caught:
        confmesh.open(file, model=model)
    assert caught.value.path == "database.port"
    assert caught.value.origin is not None and caught.value.origin["line"] == 5
    file.write_text('{"name": "n"}')
    with pytest.raises(confmesh.InputError, match="database"):
        confmesh.open(file, model=model)


def what_a_validator_of_the_program_refuses_never_comes_into_force(tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text(_GOOD)
    with confmesh.open(file, model=_PydanticSettings) as config:
        with pytest.raises(confmesh.InputError, match="that name is taken"):
            config.set("name", "forbidden")
        assert config.model.name == "n"
    with confmesh.Mesh(bind=file, model=_PydanticSettings) as mesh:
        assert mesh.model.name == "n"
        with pytest.raises(confmesh.InputError):
            mesh.set("database.port", 70000).wait()


class _Odd(pydantic.BaseModel):
    ports: dict[str, int]
    deep: _PydanticDatabase

    @pydantic.field_validator("ports")
    @classmethod
    def _even(cls, ports: dict[str, int]) -> dict[str, int]:
        if any(port % 2 for port in ports.values()):
            raise ValueError("ports are even here")
        return ports


@attrs.define
class _AttrsOdd:
    port: int = attrs.field()

    @port.validator
    def _even(self, _: Any, port: int) -> None:
        if port % 2:
            raise ValueError("ports are even here")


@dataclasses.dataclass
class _AroundAttrs:
    inner: _AttrsOdd


@pytest.mark.parametrize(
    ("model", "text", "path", "line"),
    [
        (_Odd, '{\n "deep": {"host": "h", "port": 1},\n "ports": {"a": 3}\n}', "ports", 3),
        (_AroundAttrs, '{\n\n "inner": {\n  "port": 3}\n}', "inner", 3),
    ],
)
def what_a_validator_of_the_program_refuses_is_told_with_its_place(tmp_path: Path, model: Any, text: str, path: str, line: int) -> None:
    file = tmp_path / "app.json"
    file.write_text(text)
    for act in (lambda: confmesh.open(file, model=model), lambda: confmesh.open(file).extract(model)):
        with pytest.raises(confmesh.InputError, match="ports are even here") as caught:
            act()
        assert (caught.value.path, caught.value.origin and caught.value.origin.get("line")) == (path, line)
        assert f"app.json:{line}:" in str(caught.value)


def a_check_tells_several_problems_each_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text('{\n "from": 5,\n "to": 3\n}')

    def ordered(document: Any) -> list[confmesh.Issue]:
        wrong: list[confmesh.Issue] = [{"path": ["from"], "message": "is above `to`"}, {"path": "to", "message": "is below `from`"}]
        return wrong if document["from"] > document["to"] else []

    schema = confmesh.Schema({"fields": {"from": "integer", "to": "integer"}}, checks={"": ordered})
    with pytest.raises(confmesh.InputError) as caught:
        confmesh.open(file, schema=schema)
    assert [(error.path, error.origin and error.origin.get("line")) for error in [caught.value, *caught.value.related]] == [("from", 2), ("to", 3)]
    assert [error.path for error in schema.validate({"from": 2, "to": 1})] == ["from", "to"]
    assert schema.validate({"from": 1, "to": 2}) == []


def the_live_model_is_of_one_version_whoever_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text('{"low": 0, "high": 0}')
    with confmesh.open(file, model=_Range) as config:
        stop = threading.Event()

        def write() -> None:
            for number in range(1, 10_000):
                if stop.is_set():
                    return
                part = file.with_suffix(".part")
                part.write_text('{"low": %d, "high": %d}' % (number, number))
                part.replace(file)

        writer = threading.Thread(target=write)
        writer.start()
        seen: set[int] = set()
        try:
            deadline = time.monotonic() + 60
            while len(seen) < 5:
                view = config.model
                assert view.low == view.high
                seen.add(view.low)
                assert time.monotonic() < deadline, seen
        finally:
            stop.set()
            writer.join()


@dataclasses.dataclass(frozen=True)
class _Range:
    low: int
    high: int


@dataclasses.dataclass
class _Everything:
    level: _Level
    mode: Literal["fast", "safe"]
    start: datetime.date
    folder: Path
    limits: dict[str, int]
    pair: tuple[int, str]
    names: set[str]
    ratio: float
    maybe: Optional[int] = None
    either: "int | str" = 0
    nested: "Optional[_Everything]" = None

    def __post_init__(self) -> None:
        if self.ratio > 1:
            raise ValueError("a ratio is at most 1")


def types_of_the_standard_library_are_read_with_every_problem_told(tmp_path: Path) -> None:
    good = {
        "level": "low", "mode": "fast", "start": "2026-01-02", "folder": "/tmp", "limits": {"a": 1}, "pair": [1, "x"],
        "names": ["a", "a"], "ratio": 1, "either": "text",
    }  # fmt: skip
    with confmesh.open([], ) as config:
        config.set("good", good)
        read = config.extract(_Everything, "good")
        assert (read.level, read.start, read.folder) == (_Level.LOW, datetime.date(2026, 1, 2), Path("/tmp"))
        assert (read.limits, read.pair, read.names, read.ratio, read.either) == ({"a": 1}, (1, "x"), {"a"}, 1.0, "text")
        assert config.extract(int, "good.limits.a") == 1 and config.extract(dict[str, int], "good.limits") == {"a": 1}
        assert config.extract(Optional[int], "nothing") is None  # type: ignore[arg-type]
        config.set("bad", good | {"level": "none", "mode": "slow", "start": "soon", "limits": {"a": "b"}, "pair": [1], "nested": {"a": 1}})
        with pytest.raises(confmesh.InputError) as caught:
            config.extract(_Everything, "bad")
        paths = [error.path for error in [caught.value, *caught.value.related]]
        assert paths[:5] == ["bad.level", "bad.mode", "bad.start", "bad.limits.a", "bad.pair"]
        assert "bad.nested.level" in paths
        with pytest.raises(confmesh.InputError, match="at most 1"):
            config.set("good.ratio", 2)
            config.extract(_Everything, "good")
        with pytest.raises(confmesh.UsageError):
            config.extract(threading_lock, "good.ratio")
        with pytest.raises(confmesh.UsageError):
            config.model


def a_document_has_attributes_without_a_class_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text('{"database": {"host": "h", "ports": [{"n": 1}]}, "a-b": 2}')
    with confmesh.open(file, model=types.SimpleNamespace) as config:
        view = config.model
        assert (view.database.host, view.database.ports[0].n, getattr(view, "a-b")) == ("h", 1, 2)
        config.set("database.host", "g")
        assert (config.model.database.host, view.database.host) == ("g", "h")
        assert config.extract(types.SimpleNamespace, "database").host == "g"
        with pytest.raises(confmesh.InputError) as caught:
            config.extract(types.SimpleNamespace, "database.host")
        assert caught.value.path == "database.host"


threading_lock: Any = type(__import__("threading").Lock())


def a_model_and_a_schema_are_not_both_given(tmp_path: Path) -> None:
    with pytest.raises(confmesh.UsageError):
        confmesh.open([], model=_DataSettings, schema={"fields": {}})


def the_shapes_of_arguments_and_answers_can_be_imported() -> None:
    rule: confmesh.Rule = {"pattern": "a", "secret": True}
    layer: confmesh.Layer = {"id": "base", "value": {"a": 1}}
    assert confmesh.merge([layer], rules=[rule]).value == {"a": 1}
    assert confmesh.Receipt.__required_keys__ >= {"revision", "digest", "changed"}


def a_configuration_knows_the_type_of_its_model(tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text(_GOOD)
    # Read by mypy as well: without a type of its own it would have nothing to say about the last line.
    typed: confmesh.Config[_PydanticSettings] = confmesh.open(file, model=_PydanticSettings)
    port: int = typed.model.database.port
    untyped: confmesh.Config = confmesh.open(file)
    mesh: confmesh.Mesh[_DataSettings] = confmesh.Mesh(bind=file, model=_DataSettings)
    with typed, untyped, mesh:
        name: str = mesh.model.name
        assert (port, name, untyped["name"]) == (5432, "n", "n")
        with pytest.raises(AttributeError):
            typed.model.nothing  # type: ignore[attr-defined]
