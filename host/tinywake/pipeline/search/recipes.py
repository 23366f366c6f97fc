# SPDX-License-Identifier: MIT
"""A recipe with another network in it; all else of its text stays as somebody wrote it."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from tinywake.config import Network, load_recipe
from tinywake.errors import ConfigError
from tinywake.files import why_unread, write_beside

__all__ = ["write_recipe"]

_TABLE = re.compile(r"^\[network\][^\n]*\n.*?(?=^\[|\Z)", re.MULTILINE | re.DOTALL)


def write_recipe(recipe: Path, net: Network, out: Path, why: str) -> None:
    """Write the recipe with this [network] to `out`. why: a line of comment. Raises ConfigError."""
    try:
        text = recipe.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{recipe}: cannot be read: {why_unread(error)}") from error
    keys = "".join(f"{name} = {list(v) if isinstance(v, tuple) else v}\n" for name, v in asdict(net).items())
    table = f"[network]\n# {why}\n{keys}\n"
    whole = _TABLE.sub(lambda _: table, text, count=1) if _TABLE.search(text) else f"{text.rstrip()}\n\n{table}"
    write_beside(out, lambda part: part.write_text(whole.rstrip() + "\n", encoding="utf-8"))
    if load_recipe(out).network != net:
        raise ConfigError(f"{recipe}: write its network as a table of its own, [network], with each key on a line")
