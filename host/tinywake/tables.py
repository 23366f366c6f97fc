# SPDX-License-Identifier: MIT
"""TOML tables -> frozen dataclasses, each key with its type and range; anything else is refused with one line."""

from __future__ import annotations

import difflib
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, field, fields
from pathlib import Path
from typing import Any, TypeVar

from tinywake.errors import ConfigError
from tinywake.files import why_unread

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["entry", "read_table", "read_toml", "refuse_unknown"]

_T = TypeVar("_T")


def entry(default: Any = MISSING, low: float | None = None, high: float | None = None, least: int = 0) -> Any:
    """A key: its default, the range of its number (or of each number in it), the least number of entries."""
    return field(
        **({} if default is MISSING else {"default": default}), metadata={"low": low, "high": high, "least": least}
    )


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises ConfigError when it is missing or is not TOML."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {why_unread(error)}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: it is no text in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def read_table(cls: type[_T], table: object, path: Path, name: str) -> _T:
    """One TOML table as the dataclass `cls`, whose fields are made by ``entry``. Raises ConfigError."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{path}: {name} = {table!r} must be a table: write [{name}]")
    keys = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    refuse_unknown(path, name, table, list(keys))
    hints = typing.get_type_hints(cls)
    for key, spec in keys.items():
        if key not in table and spec.default is MISSING:
            raise ConfigError(f"{path}: {name}.{key} is missing")
    return cls(**{key: _value(value, hints[key], keys[key], path, f"{name}.{key}") for key, value in table.items()})


def refuse_unknown(path: Path, table: str, given: Mapping[str, Any], known: list[str]) -> None:
    """Raise ConfigError for a key that is not known, with what it may have been meant for."""
    for key in given:
        if key not in known:
            where = f"{table}.{key}" if table else f"[{key}]"
            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise ConfigError(f"{path}: {where} is unknown; {hint}known: {', '.join(known)}")


def _value(value: Any, hint: Any, spec: Field[Any], path: Path, where: str) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(arm for arm in typing.get_args(hint) if arm is not type(None))
    if typing.get_origin(hint) is not tuple:
        return _scalar(value, hint, spec, path, where)
    if not isinstance(value, list):
        raise ConfigError(f"{path}: {where} = {value!r} must be a list")
    arms = typing.get_args(hint)
    if arms[-1] is not Ellipsis and len(value) != len(arms):
        raise ConfigError(f"{path}: {where} = {value!r} must have {len(arms)} entries: lowest and highest")
    if len(value) < spec.metadata["least"]:
        raise ConfigError(f"{path}: {where} = {value!r} must have at least {spec.metadata['least']} entries")
    items = tuple(_scalar(item, arms[0], spec, path, where) for item in value)
    if arms[-1] is not Ellipsis and items[0] > items[1]:
        raise ConfigError(f"{path}: {where} = {value!r} is impossible: the lowest comes first")
    return items


def _scalar(value: Any, hint: Any, spec: Field[Any], path: Path, where: str) -> Any:
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(min(max(value, -(2**60)), 2**60))
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{path}: {where} = {value!r} must be {names[hint]}")
    if hint is str and not value.strip():
        raise ConfigError(f"{path}: {where} has an empty text")
    if hint is str and not value.isprintable():
        raise ConfigError(f"{path}: {where} = {value!r} has characters that cannot be printed")
    low, high = spec.metadata["low"], spec.metadata["high"]
    if low is not None and not low <= value <= high:
        raise ConfigError(f"{path}: {where} = {value!r} is impossible; allowed: {low:g} to {high:g}")
    return value
