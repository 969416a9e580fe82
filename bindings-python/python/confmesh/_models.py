"""Documents as models of the program: pydantic, msgspec, attrs, dataclasses, typed dicts and namespaces. None of them is needed."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import pathlib
import sys
import types
import typing
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from . import _native
from ._errors import InputError, UsageError

if TYPE_CHECKING:
    from ._types import Issue

_T = TypeVar("_T")
_Segments = tuple[str, ...]

_TEXTS: dict[Any, Callable[[str], Any]] = {
    pathlib.Path: pathlib.Path,
    decimal.Decimal: decimal.Decimal,
    uuid.UUID: uuid.UUID,
    datetime.datetime: datetime.datetime.fromisoformat,
    datetime.date: datetime.date.fromisoformat,
    datetime.time: datetime.time.fromisoformat,
}
_SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


class Misfit(Exception):
    """What of a value does not fit, each with its place."""

    def __init__(self, problems: list[tuple[_Segments, str]]) -> None:
        super().__init__("; ".join(f"{'.'.join(at)}: {message}" if at else message for at, message in problems))
        self.problems = problems


def convert(model: type[_T], value: Any) -> _T:
    """The value as the model has it, or a `Misfit`."""
    if hasattr(model, "model_validate"):
        return cast(_T, _by_pydantic(model, cast(Any, model).model_validate, value))
    if hasattr(model, "__pydantic_validator__"):
        return cast(_T, _by_pydantic(model, sys.modules["pydantic"].TypeAdapter(model).validate_python, value))
    if hasattr(model, "__struct_fields__"):
        return cast(_T, _by_msgspec(model, value))
    return cast(_T, _build(model, value, ()))


def _by_pydantic(model: Any, validate: Callable[[Any], Any], value: Any) -> Any:
    try:
        return validate(value)
    except sys.modules["pydantic"].ValidationError as error:
        problems = [(tuple(str(step) for step in found["loc"]), found["msg"]) for found in error.errors(include_url=False)]
        raise Misfit(problems) from error


def _by_msgspec(model: Any, value: Any) -> Any:
    msgspec = sys.modules["msgspec"]
    try:
        return msgspec.convert(value, model)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `$")
        steps = at.rstrip("`").replace("[", ".").replace("]", "").split(".")
        raise Misfit([(tuple(step for step in steps if step and step != "..."), message)]) from error


def _fields(model: Any) -> Iterator[tuple[str, Any, bool]] | None:
    """Name, type and whether it is needed, of each field of a dataclass, an attrs class or a typed dict."""
    if dataclasses.is_dataclass(model):
        hints = typing.get_type_hints(model)
        nothing = dataclasses.MISSING
        return (
            (field.name, hints[field.name], field.default is nothing and field.default_factory is nothing)
            for field in dataclasses.fields(model)
            if field.init
        )
    if hasattr(model, "__attrs_attrs__"):
        hints = typing.get_type_hints(model)
        nothing = sys.modules["attr"].NOTHING
        return (
            (field.alias, hints.get(field.name, Any), field.default is nothing) for field in model.__attrs_attrs__ if field.init
        )
    if hasattr(model, "__required_keys__") and hasattr(model, "__total__"):
        hints = typing.get_type_hints(model)
        return ((name, hint, name in model.__required_keys__) for name, hint in hints.items())
    return None


def _named(model: Any) -> str:
    return getattr(model, "__name__", str(model)).removeprefix("typing.")


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else f"a {_SCALARS.get(type(value), type(value).__name__)}"


def _wrong(model: Any, value: Any, at: _Segments) -> Misfit:
    return Misfit([(at, f"expected {_SCALARS.get(model, _named(model))}, found {_kind(value)}")])


def _build(model: Any, value: Any, at: _Segments) -> Any:
    if model is Any or model is object:
        return value
    if model is None:
        model = type(None)
    if model is types.SimpleNamespace:
        if not isinstance(value, Mapping):
            raise _wrong(model, value, at)
        return _as_attributes(value)
    if model in _SCALARS:
        if type(value) is model:
            return value
        if model is float and type(value) is int:
            return float(value)
        raise _wrong(model, value, at)
    origin, arguments = typing.get_origin(model), typing.get_args(model)
    if origin is typing.Annotated or hasattr(model, "__supertype__"):
        return _build(arguments[0] if arguments else model.__supertype__, value, at)
    if origin is typing.Literal:
        if any(value == choice and type(value) is type(choice) for choice in arguments):
            return value
        raise Misfit([(at, f"expected one of {', '.join(map(repr, arguments))}")])
    if origin in (typing.Union, types.UnionType):
        return _one_of(arguments, value, at)
    if model in _TEXTS and isinstance(value, str):
        return _called(_TEXTS[model], (value,), {}, at)
    if isinstance(model, type) and issubclass(model, enum.Enum):
        return _called(model, (value,), {}, at)
    fields = _fields(model)
    if fields is not None:
        return _built(model, fields, value, at)
    if hasattr(model, "model_validate") or hasattr(model, "__struct_fields__"):
        try:
            return convert(model, value)
        except Misfit as misfit:
            raise Misfit([(at + below, message) for below, message in misfit.problems]) from misfit
    return _gathered(model, origin or model, arguments, value, at)


def _as_attributes(value: Any) -> Any:
    """Maps as objects with attributes, all the way down."""
    if isinstance(value, Mapping):
        return types.SimpleNamespace(**{key: _as_attributes(child) for key, child in value.items()})
    return [_as_attributes(item) for item in value] if isinstance(value, list) else value


def _one_of(choices: Sequence[Any], value: Any, at: _Segments) -> Any:
    misfits = []
    for choice in choices:
        try:
            return _build(choice, value, at)
        except Misfit as misfit:
            misfits.append(misfit)
    # The one that came furthest says most.
    raise max(misfits, key=lambda misfit: max(len(place) for place, _ in misfit.problems))


def _gathered(model: Any, origin: Any, arguments: Sequence[Any], value: Any, at: _Segments) -> Any:
    if not isinstance(origin, type):
        raise UsageError(f"a document cannot be read as `{_named(model)}`", code="usage")
    if issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong(model, value, at)
        of = arguments[1] if len(arguments) == 2 else Any
        return {key: _build(of, child, (*at, key)) for key, child in value.items()}
    if issubclass(origin, (list, tuple, set, frozenset)) or origin in (Sequence, typing.Iterable):
        if not isinstance(value, list):
            raise _wrong(model, value, at)
        if origin is tuple and arguments and arguments[-1] is not ...:
            if len(arguments) != len(value):
                raise Misfit([(at, f"expected {len(arguments)} items, found {len(value)}")])
            return tuple(_build(of, item, (*at, str(n))) for n, (of, item) in enumerate(zip(arguments, value)))
        of = arguments[0] if arguments else Any
        items = [_build(of, item, (*at, str(number))) for number, item in enumerate(value)]
        return items if origin in (list, Sequence) else _called(origin, (items,), {}, at)
    if isinstance(value, origin):
        return value
    if origin in _TEXTS:
        raise _wrong(model, value, at)
    raise UsageError(f"a document cannot be read as `{_named(model)}`", code="usage")


def _built(model: Any, fields: Iterator[tuple[str, Any, bool]], value: Any, at: _Segments) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(model, value, at)
    given: dict[str, Any] = {}
    problems: list[tuple[_Segments, str]] = []
    for name, hint, is_needed in fields:
        if name in value:
            try:
                given[name] = _build(hint, value[name], (*at, name))
            except Misfit as misfit:
                problems.extend(misfit.problems)
        elif is_needed:
            problems.append(((*at, name), "required key is missing"))
    if problems:
        raise Misfit(problems)
    return _called(model, (), given, at)


def _called(make: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any], at: _Segments) -> Any:
    """What a constructor makes; what it refuses, in `__post_init__` or a validator, is a misfit."""
    try:
        return make(*arguments, **named)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise Misfit([(at, str(error) or type(error).__name__)]) from error


def read(model: type[_T], value: Any, base: str, origin: Callable[[str], Any]) -> _T:
    """`convert`, whose misfits are an `InputError` with the place in the document and in its source."""
    try:
        return convert(model, value)
    except Misfit as misfit:
        above = tuple(_native.parse_path(base)["segments"])
        errors = []
        for at, message in misfit.problems:
            pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in above + at)
            path = _native.parse_path(pointer)["dotted"] if pointer else ""
            found = origin(path)
            place = "" if found is None else ":".join(str(found[key]) for key in ("source", "line", "column") if key in found) + ": "
            errors.append(
                InputError(f"{place}{message} (at `{path}`)", code="invalid", message=message, path=path, origin=found)
            )
        errors[0].related = list(errors[1:])
        raise errors[0] from misfit


def schema_of(model: Any) -> _native.Schema:
    """What the model says of a document, and the model itself as its check: what does not fit never comes into force."""
    if hasattr(model, "model_json_schema"):
        definition = model.model_json_schema()
    elif hasattr(model, "__pydantic_validator__"):
        definition = sys.modules["pydantic"].TypeAdapter(model).json_schema()
    elif hasattr(model, "__struct_fields__"):
        import msgspec.json

        definition = msgspec.json.schema(model)
    else:
        definition = _definition(model)

    def check(document: Any) -> list[Issue] | None:
        try:
            convert(model, document)
        except Misfit as misfit:
            return [{"path": list(at), "message": message} for at, message in misfit.problems]
        return None

    while True:
        try:
            return _native.Schema(definition, checks={"": check})
        except InputError as error:
            # A keyword or format that only the model knows: its check decides.
            if not error.path or not _without(definition, _native.parse_path(error.path)["segments"]):
                raise


def _without(definition: Any, segments: Sequence[str]) -> bool:
    *above, last = segments
    for step in above:
        definition = definition[int(step)] if isinstance(definition, list) else definition.get(step)
        if definition is None:
            return False
    return isinstance(definition, dict) and definition.pop(last, None) is not None


def _definition(model: Any, above: tuple[Any, ...] = ()) -> dict[str, Any]:
    """A JSON Schema of what types say; of others, and of those that hold themselves, it says nothing."""
    origin, arguments = typing.get_origin(model), typing.get_args(model)
    if model is None or model in _SCALARS:
        return {"type": "null" if model is None else _SCALARS[model]}
    if origin is typing.Annotated or hasattr(model, "__supertype__"):
        return _definition(arguments[0] if arguments else model.__supertype__, above)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        scalars = [_definition(choice, above) for choice in arguments]
        if all(list(choice) == ["type"] for choice in scalars):
            return {"type": [choice["type"] for choice in scalars]}
        return {"anyOf": scalars}
    if isinstance(model, type) and issubclass(model, enum.Enum):
        return {"enum": [member.value for member in model]}
    if model in _TEXTS:
        return {"type": "string"}
    fields = _fields(model)
    if model in above:
        return {}
    if fields is not None:
        given = list(fields)
        properties = {name: _definition(hint, (*above, model)) for name, hint, _ in given}
        return {"type": "object", "properties": properties, "required": [name for name, _, is_needed in given if is_needed]}
    if hasattr(model, "model_json_schema"):
        return {}
    kind = origin or model
    if isinstance(kind, type) and issubclass(kind, Mapping):
        of = _definition(arguments[1], above) if len(arguments) == 2 else {}
        return {"type": "object", "additionalProperties": of or True}
    if isinstance(kind, type) and issubclass(kind, (list, tuple, set, frozenset)):
        is_one = arguments and (kind is not tuple or (len(arguments) == 2 and arguments[1] is ...))
        return {"type": "array", "items": _definition(arguments[0], above)} if is_one else {"type": "array"}
    return {}
