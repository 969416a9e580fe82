"""`ConfigManager`: configurations by name, over one running configuration of this process."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from .. import _native
from .._errors import InputError, NotFoundError, UsageError
from .._live import Config
from .._live import open as open_config
from ._declared import BaseConfig, ConfigSource, plain

Loader = Callable[[], Any]


async def called(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives, or what it gives in the end where it is `async`."""
    answer = function(*arguments)
    return await answer if inspect.isawaitable(answer) else answer


class _Entry:
    def __init__(self, config_class: type[BaseConfig] | None, schema: Any, loader: Loader | None, defaults: Any) -> None:
        self.config_class = config_class
        self.schema = schema
        self.loader = loader
        self.defaults = dict(defaults or {})
        self.config: Any = None


class ConfigManager:
    """Configurations by name: objects of a `BaseConfig`, or maps.

    `update` and `set` store a new object: one that was handed out before never changes. `documents` is the running
    configuration that holds them all, each under its name: it can be followed and explained.
    """

    def __init__(self) -> None:
        self._documents: Config | None = None
        self._entries: dict[str, _Entry] = {}

    @property
    def documents(self) -> Config:
        """What is registered, as one configuration; sensitive fields are in it as they are."""
        if self._documents is None:
            self._documents = open_config()
        return self._documents

    async def register(
        self,
        name: str,
        config: Any = None,
        schema: Any = None,
        loader: Loader | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        """Takes a configuration, or a `loader` for `load`, under a name; a `schema` is a class, a `Schema` or its definition.

        Without a `config` there is one where `defaults` make it, else `get` gives None until it is loaded.
        """
        if not name:
            raise UsageError("a configuration needs a name", code="usage")
        config_class = schema if isinstance(schema, type) else None
        if isinstance(config, BaseConfig):
            config_class = type(config)
        checked = None if schema is None or isinstance(schema, type) else _schema(schema)
        entry = _Entry(config_class, checked, loader, defaults)
        if config is None and defaults:
            config = entry.defaults
        stored = None if config is None else _made(entry, config)
        self._entries[name] = entry
        self._store(name, entry, stored)

    async def get(self, name: str) -> Any:
        """What is stored under a name; None where nothing is. A map is a copy of its own."""
        return self._get(name)

    async def set(self, name: str, config: Any) -> None:
        """Stores a configuration under a name, known or not."""
        entry = self._entries.get(name) or _Entry(type(config) if isinstance(config, BaseConfig) else None, None, None, None)
        if isinstance(config, BaseConfig):
            entry.config_class = type(config)
        stored = _made(entry, config)
        self._entries[name] = entry
        self._store(name, entry, stored)

    async def update(self, name: str, updates: Mapping[str, Any], source: ConfigSource = ConfigSource.RUNTIME) -> None:
        """Gives some fields other values; where one of them is refused, nothing changes."""
        entry = self._known(name)
        before = entry.config if isinstance(entry.config, BaseConfig) else None
        document = {**({} if entry.config is None else plain(entry.config)), **plain(updates)}
        stored = _made(entry, document)
        if isinstance(stored, BaseConfig):
            from ._declared import remember

            kept = {} if before is None else {field: before.get_source(field) for field in document if field not in updates}
            remember(stored, {**kept, **{field: source for field in updates}})
        self._store(name, entry, stored)

    async def load(self, name: str, loader: Loader | None = None) -> Any:
        """Asks the loader, stores what it gives and returns it; where it fails, what was there stays."""
        entry = self._known(name)
        loader = loader or entry.loader
        if loader is None:
            raise UsageError(f"`{name}` has no loader", code="usage", hint="give one to `register` or to `load`")
        found = await called(loader)
        if found is None:
            raise NotFoundError(f"the loader of `{name}` found nothing", code="not_found", path=name)
        entry.loader = loader
        self._store(name, entry, _made(entry, found))
        return self._get(name)

    async def reload(self, name: str) -> Any:
        """The same as `load`."""
        return await self.load(name)

    def unregister(self, name: str) -> bool:
        """Forgets a name; False where it is unknown."""
        if self._entries.pop(name, None) is None:
            return False
        self.documents.unset(_pointer(name))
        return True

    def remove(self, name: str) -> bool:
        """The same as `unregister`."""
        return self.unregister(name)

    def list_configs(self) -> list[str]:
        """The names, in the order of registration."""
        return list(self._entries)

    def get_all(self) -> dict[str, Any]:
        """What is stored, by name."""
        return {name: self._get(name) for name in self._entries}

    def clear(self) -> None:
        """Forgets every name."""
        for name in list(self._entries):
            self.unregister(name)

    def reset(self, name: str) -> None:
        """Gives every field its default back."""
        entry = self._known(name)
        if isinstance(entry.config, BaseConfig):
            fresh = entry.config.clone()
            fresh.reset_to_defaults()
            self._store(name, entry, fresh if not entry.defaults else _made(entry, {**plain(fresh), **entry.defaults}))
        else:
            self._store(name, entry, _made(entry, dict(entry.defaults)))

    def export(self, name: str, include_sensitive: bool = False) -> dict[str, Any]:
        """A configuration as plain values, without its sensitive fields unless they are asked for."""
        config = self._known(name).config
        return {} if config is None else dict(plain(config, include_sensitive))

    def validate_all(self) -> dict[str, str]:
        """What is wrong, by name: nothing where everything is as it should be."""
        wrong = {}
        for name, entry in self._entries.items():
            try:
                if isinstance(entry.config, BaseConfig):
                    entry.config.validate()
                elif entry.config is not None:
                    _made(entry, entry.config)
            except InputError as error:
                wrong[name] = error.message
        return wrong

    async def get_or_create(self, name: str, config_class: type[BaseConfig], **defaults: Any) -> Any:
        """What is stored under a name; where nothing is, one of the class from its defaults and these."""
        found = self._get(name)
        if found is None:
            await self.register(name, config=config_class.from_dict(defaults))
            found = self._get(name)
        return found

    def close(self) -> None:
        """Ends the configuration under it; the garbage collector does so as well."""
        if self._documents is not None:
            self._documents.close()

    def config_class(self, name: str) -> type[BaseConfig] | None:
        """The class of what is stored under a name, where it has one."""
        entry = self._entries.get(name)
        return None if entry is None else entry.config_class

    def _known(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None:
            hint = f"registered are: {', '.join(self._entries) or 'none'}"
            raise NotFoundError(f"no configuration is named `{name}`", code="not_found", path=name, hint=hint)
        return entry

    def _get(self, name: str) -> Any:
        entry = self._entries.get(name)
        if entry is None or entry.config is None:
            return None
        return plain(entry.config) if isinstance(entry.config, Mapping) else entry.config

    def _store(self, name: str, entry: _Entry, config: Any) -> None:
        if config is not None:
            self.documents.set(_pointer(name), plain(config))
        entry.config = config


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _schema(schema: Any) -> _native.Schema:
    return schema if isinstance(schema, _native.Schema) else _native.Schema(schema)


def _made(entry: _Entry, config: Any) -> Any:
    """What is stored: an object of the class, or a map that the schema takes."""
    if isinstance(config, BaseConfig):
        return config.clone()
    if not isinstance(config, Mapping):
        message = f"a `{type(config).__name__}` is no configuration"
        raise UsageError(message, code="usage", hint="give a map, or an object of a class made with `BaseConfig`")
    if entry.config_class is not None:
        return entry.config_class.from_dict({**entry.defaults, **config})
    document = {**entry.defaults, **plain(config)}
    if entry.schema is None:
        return document
    return entry.schema.load(document)
