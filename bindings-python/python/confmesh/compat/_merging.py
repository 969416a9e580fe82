"""Configurations from several sources: `MultiSourceConfigSync`, `AdvancedConfigSync`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .. import _native
from .._errors import Error, UsageError
from .._log import logger
from .._native import merge
from .._types import Layer, Rule
from ._declared import BaseConfig, plain, schema_of
from ._manager import ConfigManager, called

STRATEGIES = ("override", "merge_dict", "deep_merge", "append_list", "union_set", "keyed_list")

_LOADED_WITHIN = 30.0
"""How many seconds an `async` loader has."""

# A key is taken whole from the highest source that has it.
_WHOLE: Rule = {"pattern": "*", "merge": "override"}


class MultiSourceConfigSync:
    """Makes one configuration of a manager from files and variables; the lower number wins, of equal ones the first.

    A file that is missing counts as no source. One that breaks keeps its last good content, and the log says so.
    """

    def __init__(self, config_name: str, manager: ConfigManager) -> None:
        self.config_name = config_name
        self.manager = manager
        self.sources: dict[str, dict[str, Any]] = {}
        self.last_sync_time: float = 0
        """When the last synchronization ended, in seconds since 1970; 0 before the first."""
        self.source_tracking: dict[str, str] = {}
        """The source of each key, since the last synchronization."""
        self._good: dict[str, Layer] = {}
        self._turn = asyncio.Lock()

    def add_file_source(self, file_path: str | os.PathLike[str], priority: int = 30) -> None:
        """Adds a file; its name tells its format. The same one again takes the place of the first."""
        self.sources[f"file:{file_path}"] = {"type": "file", "path": Path(file_path), "priority": priority}

    def add_env_source(self, env_prefix: str, priority: int = 10) -> None:
        """Adds the variables `PREFIX_FIELD`, with the types of the fields."""
        self.sources[f"env:{env_prefix}"] = {"type": "env", "prefix": env_prefix, "priority": priority}

    async def sync_configuration(self) -> Any:
        """Reads every source, stores what they come to and returns it; None where none of them could be read."""
        async with self._turn:
            return await self._synced()

    async def _synced(self) -> Any:
        print(f"Synchronizing configuration from {len(self.sources)} sources")
        config_class = self.manager.config_class(self.config_name)
        schema = None if config_class is None else schema_of(config_class)
        layers = await asyncio.to_thread(self._layers)
        if not layers:
            return None
        merged = merge(layers, rules=[_WHOLE], schema=schema, invalid_variables="ignore")
        for warning in merged.warnings:
            print(f"Error loading {warning}")
        keys = {key: merged.explain(_pointer(key)).source for key in merged.value}
        tracking = {key: keys[key] for key in _in_order(layers, keys) if keys[key] in self.sources}
        if tracking:
            print("Configuration sources:")
            for key, source in tracking.items():
                print(f"  {key}: {source}")
        values = {key: value for key, value in merged.value.items() if key in tracking}
        await self._take(values, config_class)
        self.source_tracking = tracking
        self.last_sync_time = time.time()
        return await self.manager.get(self.config_name)

    async def _take(self, values: dict[str, Any], config_class: type[BaseConfig] | None) -> None:
        if await self.manager.get(self.config_name) is None or config_class is None:
            await self.manager.set(self.config_name, values if config_class is None else config_class.from_dict(values))
            return
        # What no source holds any more falls back to the default, where there is one.
        current = await self.manager.get(self.config_name)
        fresh = current.clone()
        fresh.reset_to_defaults()
        await self.manager.set(self.config_name, config_class.from_dict({**plain(fresh), **values}))

    def _layers(self) -> list[Layer]:
        found = ((name, self._layer(name, source)) for name, source in self.sources.items())
        return [layer for _, layer in found if layer is not None]

    def _layer(self, name: str, source: Mapping[str, Any]) -> Layer | None:
        priority = source["priority"]
        if source["type"] == "env":
            variables = {key: value for key, value in os.environ.items() if key.startswith(source["prefix"])}
            if not any(key.startswith(f"{source['prefix']}_") for key in variables):
                return None
            return {"id": name, "priority": priority, "env": {"prefix": source["prefix"], "variables": variables}}
        path: Path = source["path"]
        try:
            text = path.read_text("utf-8")
            value = _native.parse(text, path.suffix.lstrip(".") or "json", source=str(path))
            if not isinstance(value, Mapping):
                raise UsageError(f"{path} holds no map", code="type")
        except FileNotFoundError:
            self._good.pop(name, None)
            return None
        except (OSError, UnicodeDecodeError, Error) as error:
            kept = self._good.get(name)
            print(f"Error loading from file {path}: {error}")
            logger.warning("%s cannot be read, %s: %s", path, "its last good content counts" if kept else "it is left out", error)
            return None if kept is None else {**kept, "priority": priority}
        layer: Layer = {"id": name, "priority": priority, "value": value}
        self._good[name] = layer
        return layer


class AdvancedConfigSync:
    """Makes one configuration from loaders, each with a strategy of its own; fields may have others.

    The result is of `config_class`; else of the class that `manager` has under the name; else a record with the keys as fields.
    """

    def __init__(
        self, config_name: str, config_class: type[BaseConfig] | None = None, manager: ConfigManager | None = None
    ) -> None:
        self.config_name = config_name
        self.config_class = config_class
        self.manager = manager
        self.sources: list[dict[str, Any]] = []
        self.field_strategies: dict[str, str] = {}
        self.source_tracking: dict[str, str] = {}

    def add_source(
        self, name: str, loader: Callable[[], Any], priority: int = 10, merge_strategy: str = "override"
    ) -> None:
        """Adds a loader, plain or `async`, that gives a map. The same name again takes the place of the first."""
        _known_strategy(merge_strategy)
        source = {"name": name, "loader": loader, "priority": priority, "merge_strategy": merge_strategy}
        self.sources = [other for other in self.sources if other["name"] != name] + [source]
        self.sources.sort(key=lambda one: one["priority"])

    def set_field_strategy(self, field_name: str, strategy: str) -> None:
        """Says how the values of a field are merged, whatever its sources say."""
        _known_strategy(strategy)
        config_class = self._class()
        if config_class is not None:
            from ._declared import attributes

            names = [attribute.name for attribute in attributes(config_class)]
            if field_name.split(".")[0] not in names:
                hint = f"its fields are {', '.join(names)}"
                raise UsageError(f"`{config_class.__name__}` has no field `{field_name}`", code="usage", hint=hint)
        self.field_strategies[field_name] = strategy

    async def sync_with_resolution(self) -> Any:
        """Asks every loader and returns what their answers come to; None where none of them gave one."""
        print(f"Syncing configuration from {len(self.sources)} sources...")
        loading = (asyncio.wait_for(called(source["loader"]), _LOADED_WITHIN) for source in self.sources)
        answers = await asyncio.gather(*loading, return_exceptions=True)
        layers: list[Layer] = []
        for source, answer in zip(self.sources, answers):
            if isinstance(answer, BaseException):
                if not isinstance(answer, Exception):
                    raise answer
                print(f"  Failed to load from {source['name']}: {str(answer) or type(answer).__name__}")
                logger.warning("the source `%s` failed: %s", source["name"], answer)
            elif answer is not None:
                value = plain(answer)
                print(f"  Loaded from {source['name']}: {len(value)} keys")
                layers.append(
                    {
                        "id": source["name"],
                        "priority": source["priority"],
                        "strategy": source["merge_strategy"],
                        "value": value,
                    }
                )
        if not layers:
            return None
        rules: list[Rule] = [{"pattern": name, "merge": strategy} for name, strategy in self.field_strategies.items()]  # type: ignore[typeddict-item]
        merged = merge(layers, rules=rules)
        for warning in merged.warnings:
            logger.warning("%s", warning)
        self.source_tracking = {key: merged.explain(_pointer(key)).source for key in _in_order(layers, merged.value)}
        print("Configuration resolution:")
        for key, sources in self.source_tracking.items():
            print(f"  {key}: {sources}")
        config_class = self._class()
        made: Any = merged.value if config_class is None else config_class.from_dict(merged.value)
        if self.manager is not None:
            await self.manager.set(self.config_name, made)
        return SimpleNamespace(**made) if isinstance(made, dict) else made

    def _class(self) -> type[BaseConfig] | None:
        if self.config_class is not None or self.manager is None:
            return self.config_class
        return self.manager.config_class(self.config_name)


def _known_strategy(strategy: str) -> None:
    if strategy not in STRATEGIES:
        raise UsageError(f"`{strategy}` is no merge strategy", code="usage", hint=f"they are {', '.join(STRATEGIES)}")


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _in_order(layers: list[Layer], keys: Mapping[str, Any]) -> list[str]:
    """Keys as the highest layer has them, then the next; those of variables last, in the order of their names."""
    ordered = sorted(layers, key=lambda layer: layer["priority"])
    named = [key for layer in ordered for key in layer.get("value", {}) if key in keys]
    return list(dict.fromkeys([*named, *keys]))
