# SPDX-License-Identifier: MIT
"""What the verbs share: the two streams, a bar, a result as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["err", "out", "print_json", "progress", "show", "stages"]

out = Console(highlight=False, soft_wrap=True, markup=False)  # names and paths may hold brackets
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar on standard error: none where that is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
               TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        yield bar


@contextmanager
def stages(first: str, until: str | None = None) -> Iterator[Callable[[str, float], None]]:
    """A bar that is told a stage and how much of it is done, 0..1. until: a stage that has the terminal to itself."""
    with progress() as bar:
        task = bar.add_task(first, total=1.0)

        def advance(stage: str, fraction: float) -> None:
            bar.update(task, description=stage, completed=fraction)
            if stage == until:
                bar.stop()

        yield advance


def print_json(value: Any) -> None:
    """One line of standard output, at once: whoever reads a pipe wants it now."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def show(result: Any, as_json: bool) -> None:
    """A result that has facts() and lines()."""
    if as_json:
        print_json(result.facts())
    else:
        for line in result.lines():
            out.print(line)
