"""Read a frozen dataclass from JSON values, strictly: no unknown key, no wrong type, no missing field."""

import dataclasses
import difflib
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from llm_core.errors import ConfigError

T = TypeVar("T")


def read_dataclass(kind: type[T], values: object, where: str) -> T:
    """Build a dataclass from a mapping of its field names, nested ones included.

    Args:
        kind: a dataclass whose fields are int, float, bool, str, Literal, X | None, tuple[X, ...] or such a dataclass.
        values: what JSON gave.
        where: the place that errors name, such as ``"run.json"`` or ``"run.json: train"``.

    Raises:
        ConfigError: naming the place and the mend: the nearest field for an unknown key.
    """
    assert dataclasses.is_dataclass(kind)
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} is {values!r}; it must be an object with the fields of {kind.__name__}")
    hints = get_type_hints(kind)
    known = {field.name: field for field in dataclasses.fields(kind)}
    for key in values:
        if key not in known:
            nearest = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)[0]
            raise ConfigError(f"{where} has no field {key!r}; did you mean {nearest!r}?")
    for name, field in known.items():
        if field.default is dataclasses.MISSING and name not in values:
            raise ConfigError(f"{where} lacks the field {name!r}; add it")
    built: T = kind(**{key: _read(hints[key], value, f"{where}: {key}") for key, value in values.items()})
    return built


def _read(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        inner = next(argument for argument in arguments if argument is not type(None))
        return None if value is None else _read(inner, value, where)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{where} is {value!r}; it must be one of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where} is {value!r}; it must be a list")
        return tuple(_read(arguments[0], item, f"{where}[{number}]") for number, item in enumerate(value))
    if dataclasses.is_dataclass(hint):
        return read_dataclass(hint, value, where)  # type: ignore[arg-type]
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ConfigError(f"{where} is {value!r}; it must be of type {hint.__name__}")
    return value
