# SPDX-License-Identifier: MIT
"""A model into the free slot of its role, opened there, and only then selected: docs/slots.md.

firmware/app/swap.py writes the record, here through the prompt and later from the board's own code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tinywake.device.deploy.copy import copy, sha256
from tinywake.device.deploy.probe import HASH
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["Slot", "clear_role", "empty_slot", "fill_slot", "select", "try_open"]

_OPENS = """
import gc
def opens(path):
    gc.collect()
    try:
        import tinywake
        tinywake.Model(path).verify()
        return ""
    except (OSError, ValueError, MemoryError) as error:
        return "%s: %s" % (type(error).__name__, error)
"""

# Of the paths in the record those that have the content, and the slot to write if none does.
_STATE = """
from tinywake import slots, swap
there = slots.paths(ROLE)
same = [p for p in there if p.startswith(slots.ROOT) and p.endswith("/" + NAME) and digest(p) == WANTED]
keep = None
if not same:
    for p in there:
        wrong = opens(p)
        if not wrong or wrong.startswith("MemoryError"):  # here the heap is in pieces
            keep = p
            break
answer({"paths": there, "same": same, "free": swap.spare(ROLE, keep), "keep": keep})
"""

_CLEAR = """
import os
try:
    for name in os.listdir(SLOT):
        os.remove(SLOT + "/" + name)
except OSError:
    pass
"""


@dataclass(frozen=True)
class Slot:
    """A model's file in its slot."""

    path: str  # on the board
    sent: bool  # it was not there
    before: str | None  # the path that was selected until now; None: there was none


def fill_slot(repl: RawRepl, role: str, name: str, data: bytes) -> Slot:
    """Have the file `name` in a slot of the role, whole. What the board listens with is not touched.

    Raises DeviceError.
    """
    given = f"ROLE = {role!r}\nNAME = {name!r}\nWANTED = {sha256(data)!r}\n"
    state: dict[str, Any] = repl.ask(HASH + _OPENS + given + _STATE)
    before = next(iter(state["paths"]), None)
    if state["same"]:
        return Slot(state["same"][0], sent=False, before=before)
    path = f"{state['free']}/{name}"
    repl.exec(f"SLOT = {state['free']!r}\n" + _CLEAR)
    copy(repl, {path: data})
    return Slot(path, sent=True, before=before)


def try_open(repl: RawRepl, path: str) -> str:
    """Open and verify a model as after a reset, then let go of it: empty where that works, else what the board says."""
    repl.reset()
    said: str = repl.ask(_OPENS + f"answer(opens({path!r}))")
    return said


def select(repl: RawRepl, role: str, path: str | None) -> None:
    """Make it the model of its role, and remove what the slots of the role no longer need. Raises DeviceError."""
    paths: list[str] = repl.ask(
        f"from tinywake import slots, swap\nrole = {role!r}\nswap.select(role, {path!r})\nswap.clean(role)\n"
        "answer(slots.paths(role))"
    )
    if paths[:1] != ([path] if path else []):
        raise DeviceError(f"{repl.port}: {path} is not selected: the file system does not keep what is written")


def clear_role(repl: RawRepl, role: str) -> bool:
    """Take a role's model away. Whether it had one."""
    had = bool(repl.ask(f"from tinywake import slots\nanswer(slots.paths({role!r}))"))
    if had:
        select(repl, role, None)
    return had


def empty_slot(repl: RawRepl, path: str) -> None:
    """Remove a file of a slot that turned out to be of no use, and all beside it."""
    repl.exec(f"SLOT = {path.rpartition('/')[0]!r}\n" + _CLEAR)
