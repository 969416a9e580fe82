"""Configurations that a class declares: `field`, `env_field`, `BaseConfig`, `RuntimeConfig`. They need attrs."""

from __future__ import annotations

import copy
import dataclasses
import enum
import os
import typing
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .. import _models, _native
from .._errors import InputError, UsageError
from .._live import open as open_config
from .._log import logger
from .._models import Misfit

_Self = TypeVar("_Self", bound="BaseConfig")

MASK = "***"
"""What is shown in the place of a secret."""
_NOTHING: Any = object()
_KEY = "confmesh"


class ConfigSource(enum.IntEnum):
    """Where a field has its value from; the higher one wins, here and nowhere else in confmesh."""

    DEFAULT = 0
    FILE = 10
    ENV = 20
    RUNTIME = 30


@dataclasses.dataclass(frozen=True)
class _Declared:
    description: str = ""
    env_var: str | None = None
    env_prefix: str | None = None
    sensitive: bool = False
    parser: Callable[[str], Any] | None = None
    converted: bool = False


def needed_attrs() -> Any:
    """The package attrs, or a sentence about how to get it."""
    try:
        import attrs
    except ImportError as error:
        message = "declared classes of `confmesh.compat` need the package attrs: pip install 'confmesh[compat]'"
        raise ImportError(message) from error
    return attrs


def field(
    *,
    default: Any = _NOTHING,
    factory: Callable[[], Any] | None = None,
    description: str = "",
    env_var: str | None = None,
    env_prefix: str | None = None,
    sensitive: bool = False,
    validator: Any = None,
    converter: Callable[[Any], Any] | None = None,
) -> Any:
    """A field of a `BaseConfig`. Without `default` and `factory` it is required, and given by its name, also after others."""
    declared = _Declared(description, env_var, env_prefix, sensitive, None, converter is not None)
    return _attribute(declared, default, factory, validator=validator, converter=converter)


def env_field(
    default: Any = _NOTHING,
    *,
    env_var: str | None = None,
    parser: Callable[[str], Any] | None = None,
    description: str = "",
) -> Any:
    """A field with a variable of its own; `parser` makes a value of its text, else the type of the field does."""
    return _attribute(_Declared(description, env_var, parser=parser), default, None)


def _attribute(declared: _Declared, default: Any, factory: Callable[[], Any] | None, **named: Any) -> Any:
    if default is not _NOTHING and factory is not None:
        raise UsageError("a field has either a `default` or a `factory`", code="usage")
    if default is not _NOTHING:
        named["default"] = default
    elif factory is not None:
        named["factory"] = factory
    else:
        named["kw_only"] = True
    if declared.sensitive:
        named["repr"] = lambda _: MASK
    return needed_attrs().field(metadata={_KEY: declared}, **named)


def declared(attribute: Any) -> _Declared:
    """What `field` said of an attribute of attrs; nothing much of one that attrs alone made."""
    return typing.cast(_Declared, attribute.metadata.get(_KEY) or _Declared())


class BaseConfig:
    """The base of a class that `@attrs.define` makes; attrs gives it `__init__`, `==` over its fields and a `repr`."""

    __slots__ = ()

    @classmethod
    def from_dict(cls: type[_Self], data: Mapping[str, Any], source: ConfigSource = ConfigSource.RUNTIME) -> _Self:
        """One of its kind, if every value has its type and nothing is missing; unknown keys are told and left out."""
        fields, given = attributes(cls), {}
        problems: list[tuple[tuple[str, ...], str]] = []
        hints = typing.get_type_hints(cls)
        for attribute in fields:
            if attribute.name not in data:
                if attribute.default is needed_attrs().NOTHING:
                    problems.append(((attribute.name,), "required key is missing"))
                continue
            hint = Any if declared(attribute).converted else hints.get(attribute.name, Any)
            try:
                value = copy.deepcopy(data[attribute.name])
                given[attribute.alias] = _models._build(hint, value, (attribute.name,))
            except Misfit as misfit:
                problems.extend(misfit.problems)
        _tell_unknown(cls, fields, data)
        if not problems:
            try:
                made = cls(**given)
            except (ValueError, TypeError, ArithmeticError) as error:
                problems.append(((), _told(error, fields, data)))
            else:
                remember(made, {attribute.name: source for attribute in fields if attribute.name in data})
                return made
        raise _misfits(cls, problems)

    def to_dict(self, include_sensitive: bool = False) -> dict[str, Any]:
        """Its fields as plain values, without sensitive ones unless they are asked for."""
        return {
            attribute.name: plain(getattr(self, attribute.name), include_sensitive)
            for attribute in attributes(type(self))
            if include_sensitive or not declared(attribute).sensitive
        }

    def diff(self, other: Any) -> dict[str, tuple[Any, Any]]:
        """`{field: (old, new)}` of the fields that differ."""
        if type(other) is not type(self):
            message = f"a `{type(self).__name__}` cannot be compared with a `{type(other).__name__}`"
            raise TypeError(message)
        pairs = ((a.name, getattr(self, a.name), getattr(other, a.name)) for a in attributes(type(self)))
        return {name: (old, new) for name, old, new in pairs if old != new}

    def clone(self: _Self) -> _Self:
        """A copy that shares nothing with it."""
        made = copy.deepcopy(self)
        remember(made, _sources.get(id(self), {}))
        return made

    def reset_to_defaults(self) -> None:
        """Gives every field its default back; a required one keeps what it has."""
        attrs = needed_attrs()
        for attribute in attributes(type(self)):
            default = attribute.default
            if isinstance(default, attrs.Factory):
                default = default.factory(self) if default.takes_self else default.factory()
            if default is not attrs.NOTHING:
                setattr(self, attribute.name, copy.deepcopy(default))
        remember(self, {})

    def get_source(self, field: str) -> ConfigSource:
        """Where a field has its value from."""
        if all(attribute.name != field for attribute in attributes(type(self))):
            raise KeyError(field)
        known = _sources.get(id(self))
        if known is not None:
            return known.get(field, ConfigSource.DEFAULT)
        return ConfigSource.RUNTIME

    def validate(self) -> None:
        """Raises an `InputError` that names every field whose value is not of its type, or that a validator refuses."""
        try:
            needed_attrs().validate(self)
        except (ValueError, TypeError) as error:
            said = _told(error, attributes(type(self)), self.to_dict(include_sensitive=True))
            raise _misfits(type(self), [((), said)]) from error
        type(self).from_dict(self.to_dict(include_sensitive=True))


_sources: dict[int, dict[str, ConfigSource]] = {}
"""By the identity of an object, as those that attrs makes cannot be hashed; gone with it."""


def remember(config: BaseConfig, sources: Mapping[str, ConfigSource]) -> None:
    """Notes where the fields of an object have their values from."""
    if id(config) not in _sources:
        weakref.finalize(config, _sources.pop, id(config), None)
    _sources[id(config)] = dict(sources)


def attributes(cls: type) -> list[Any]:
    """The fields of a class, as attrs describes them."""
    attrs = needed_attrs()
    if not attrs.has(cls):
        message = f"`{cls.__name__}` declares no fields: put `@attrs.define` before the class"
        raise UsageError(message, code="usage")
    return [attribute for attribute in attrs.fields(cls) if attribute.init]


def plain(value: Any, include_sensitive: bool = True) -> Any:
    """A value as documents hold it."""
    if isinstance(value, BaseConfig):
        return value.to_dict(include_sensitive)
    if isinstance(value, Mapping):
        return {str(key): plain(child, include_sensitive) for key, child in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(child, include_sensitive) for child in value]
    if isinstance(value, enum.Enum):
        return value.value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def schema_of(cls: type, names: Mapping[str, str] | None = None, *, reads: bool = True) -> _native.Schema:
    """What a class says of a document, with the variables that set its fields; where it reads, parsers get texts."""
    hints, fields = typing.get_type_hints(cls), {}
    for attribute in attributes(cls):
        said = declared(attribute)
        takes_text = reads and (said.parser is not None or said.converted)
        definition: dict[str, Any] = {"type": "string"} if takes_text else _models._definition(hints.get(attribute.name, Any))
        if said.description:
            definition["description"] = said.description
        if said.sensitive:
            definition["x-secret"] = True
        variable = (names or {}).get(attribute.name, said.env_var)
        if variable:
            definition["x-env"] = variable
        fields[attribute.name] = definition
    return _native.Schema({"type": "object", "properties": fields})


def _tell_unknown(cls: type, fields: list[Any], data: Mapping[str, Any]) -> None:
    names = {attribute.name for attribute in fields}
    for key in data:
        if key not in names:
            logger.warning("`%s` has no field `%s`: it is left out", cls.__name__, key)


def _told(error: Exception, fields: list[Any], data: Mapping[str, Any]) -> str:
    """What a validator says, which likes to repeat the value that it refuses, without those that are sensitive."""
    text = str(error.args[0]) if error.args else type(error).__name__
    secrets = (data.get(attribute.name) for attribute in fields if declared(attribute).sensitive)
    for secret in sorted((str(secret) for secret in secrets if secret not in (None, "")), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _misfits(cls: type, problems: list[tuple[tuple[str, ...], str]]) -> InputError:
    errors = []
    for at, message in problems:
        path = ".".join(at)
        text = f"{cls.__name__}: {message}" + (f" (at `{path}`)" if path else "")
        errors.append(InputError(text, code="invalid", message=message, path=path or None))
    errors[0].related = list(errors[1:])
    return errors[0]


class RuntimeConfig(BaseConfig):
    """A `BaseConfig` that is read from the environment."""

    __slots__ = ()

    @classmethod
    def from_env(
        cls: type[_Self], prefix: str = "", delimiter: str = "_", case_sensitive: bool = False
    ) -> _Self:
        """One of its kind from the variables that are set now; what is nothing of its type is refused with its name.

        A field has the variable that it names, else its name in capitals behind the prefix. A sensitive one may be
        `file://` and the path of a file that holds the secret.
        """
        names = _variables(cls, prefix, delimiter, case_sensitive)
        with open_config(schema=schema_of(cls, names), watch=False) as config:
            document = config.to_dict()
        for attribute in attributes(cls):
            parser = declared(attribute).parser
            if parser is None or attribute.name not in document:
                continue
            try:
                document[attribute.name] = parser(document[attribute.name])
            except (ValueError, TypeError, ArithmeticError) as error:
                message = f"the variable `{names[attribute.name]}` cannot be read: {type(error).__name__}"
                raise InputError(message, code="type", path=attribute.name) from error
        return cls.from_dict(document, ConfigSource.ENV)

    def to_env_dict(self, prefix: str = "", delimiter: str = "_") -> dict[str, str]:
        """The variables that `from_env` reads the same object from; fields that hold nothing have none."""
        names = _variables(type(self), prefix, delimiter, True)
        document = {key: value for key, value in self.to_dict(include_sensitive=True).items() if value is not None}
        return schema_of(type(self), names, reads=False).to_env("CONFMESH_COMPAT", document)


def _variables(cls: type, prefix: str, delimiter: str, case_sensitive: bool) -> dict[str, str]:
    """The variable of each field, spelled as it is set where the case does not matter."""
    found = {}
    for attribute in attributes(cls):
        said = declared(attribute)
        above = prefix if said.env_prefix is None else said.env_prefix
        name = said.env_var or (f"{above.rstrip(delimiter)}{delimiter}{attribute.name}" if above else attribute.name)
        if said.env_var is None and not (case_sensitive and name.isupper()):
            name = name.upper()
        if not case_sensitive and name not in os.environ:
            name = next((set_one for set_one in os.environ if set_one.upper() == name.upper()), name)
        found[attribute.name] = name
    return found
