"""Dataclasses of settings from plain values: names and types checked, nested dataclasses built the same way.

>>> from dataclasses import make_dataclass
>>> build(make_dataclass("Tokens", [("size", int)]), {"size": 300})
Tokens(size=300)
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tokengraft.errors import ConfigError

__all__ = ["build", "merged"]

T = TypeVar("T")


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` with `changes` laid over them, mapping by mapping.

    >>> merged({"tokens": {"size": 1, "method": "a"}}, {"tokens": {"size": 2}})
    {'tokens': {'size': 2, 'method': 'a'}}
    """
    result = dict(settings)
    for name, value in changes.items():
        old = result.get(name)
        result[name] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def build(kind: type[T], values: Any, where: str = "") -> T:
    """A dataclass from plain values, with nested dataclasses built the same way; `where` is the path shown in errors.

    Raises:
        ConfigError: a name is unknown or missing, or a value has the wrong type.
    """
    assert dataclasses.is_dataclass(kind)
    if not isinstance(values, Mapping):
        raise ConfigError(
            found=f"{where.rstrip('.') or 'settings'} = {values!r}",
            expected="settings by name",
            do=f"see {kind.__name__}",
        )
    hints = typing.get_type_hints(kind)
    for name in values:
        if name not in hints:
            _refuse_unknown(str(name), sorted(hints), where)
    missing = [f.name for f in dataclasses.fields(kind) if f.name not in values and _is_required(f)]
    if missing:
        raise ConfigError(
            found=f"no {where}{missing[0]}", expected=f"a value for {where}{missing[0]}", do="set it or pass its flag"
        )
    make: Callable[..., T] = kind
    return make(**{name: _convert(hints[name], value, f"{where}{name}") for name, value in values.items()})


def _is_required(entry: "dataclasses.Field[Any]") -> bool:
    return entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING


def _refuse_unknown(name: str, known: list[str], where: str) -> None:
    close = difflib.get_close_matches(name, known, n=1)
    raise ConfigError(
        found=f"unknown setting {where}{name}",
        expected=f"one of {', '.join(known)}",
        do=f"did you mean {where}{close[0]}?" if close else "remove it",
    )


def _convert(hint: Any, value: Any, where: str) -> Any:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    target = next(option for option in options if option is not type(None))
    if dataclasses.is_dataclass(target) and isinstance(target, type):
        return value if isinstance(value, target) else build(target, value, f"{where}.")
    if typing.get_origin(target) is tuple and isinstance(value, list | tuple):
        return tuple(
            _convert(typing.get_args(target)[0], item, f"{where}[{place}]") for place, item in enumerate(value)
        )
    if target is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        # YAML 1.1 reads 1e-4 (no dot) as text.
        try:
            return float(value)
        except ValueError:
            pass
    elif type(value) is target:
        return value
    name = getattr(target, "__name__", str(target))
    raise ConfigError(found=f"{where} = {value!r}", expected=f"a value of type {name}", do=f"change {where}")
