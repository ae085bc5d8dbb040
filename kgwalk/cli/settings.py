"""``--set key=value``: changes to a configuration dataclass, checked against its types."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

Config = TypeVar("Config")


def apply_settings(config: Config, settings: Sequence[str]) -> Config:
    """A copy of a configuration with some fields changed.

    Args:
        config: A dataclass, possibly with dataclasses inside.
        settings: ``key=value``; ``policy.dim=64`` reaches inside; several values are separated by commas.

    Raises:
        ValueError: If a setting has no ``=``, names no field, or its value is not of the field's type.
    """
    changes: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--set {setting}: expected key=value")
        _collect(changes, config, key.strip().split("."), value.strip(), setting)
    # All at once: fields that only fit each other may be changed in any order.
    changed: Config = _changed(config, changes)
    return changed


def fields_of(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of all fields."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from fields_of(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


def _changed(config: Any, changes: Mapping[str, Any]) -> Any:
    """A copy with fields changed; a mapping is of the fields of a dataclass inside."""
    fields = {
        key: _changed(getattr(config, key), value) if isinstance(value, dict) else value
        for key, value in changes.items()
    }
    return dataclasses.replace(config, **fields)


def _collect(changes: dict[str, Any], config: Any, keys: Sequence[str], value: str, setting: str) -> None:
    """Enter a setting's parsed value into ``changes``."""
    hints = typing.get_type_hints(type(config))
    key, *inner = keys
    names = [field.name for field in dataclasses.fields(config)]
    if key not in names:
        near = difflib.get_close_matches(key, names, n=2) or names
        raise ValueError(f"--set {setting}: {type(config).__name__} has no field {key!r}; it has {', '.join(near)}")
    current = getattr(config, key)
    if dataclasses.is_dataclass(current) and not inner:
        raise ValueError(f"--set {setting}: {key} has fields of its own: {', '.join(n for n, _ in fields_of(current))}")
    if inner:
        if not dataclasses.is_dataclass(current):
            raise ValueError(f"--set {setting}: {key} has no fields")
        _collect(changes.setdefault(key, {}), current, inner, value, setting)
        return
    try:
        changes[key] = _parse(hints[key], value)
    except ValueError as error:
        raise ValueError(f"--set {setting}: expected {error}") from error


def _parse(hint: Any, text: str) -> Any:
    """The value of a text under a type hint; ValueError says what was expected."""
    # A union is one type or None: configurations need no others.
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if text.lower() == "none" and type(None) in arguments:
            return None
        return _parse(next(part for part in arguments if part is not type(None)), text)
    if origin is Literal:
        for choice in arguments:
            if str(choice) == text:
                return choice
        raise ValueError(" or ".join(str(choice) for choice in arguments))
    if origin in (tuple, list):
        inner = arguments[0] if arguments else str
        return origin(_parse(inner, part.strip()) for part in text.split(",") if part.strip())
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError("true or false")
        return text.lower() == "true"
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            raise ValueError({int: "a whole number", float: "a number"}[hint]) from None
    return text
