# SPDX-License-Identifier: MIT
"""A model into the free slot of its role, opened there, and only then selected: docs/slots.md.

firmware/app/swap.py writes the record, here through the prompt and later from the board's own code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinywake.device.deploy.copy import check_room, copy, sha256
from tinywake.device.deploy.probe import HASH
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = [
    "Heap", "Slot", "chosen", "clear_role", "empty_slot", "fill_slot", "find_slot", "forget", "has_room",
    "heap_after_app", "select", "try_listen", "try_open",
]  # fmt: skip

# As tinywake.main.load() opens them: of the gates the first that opens by itself, then the model, then both together,
# with all that listening takes; what is wrong with the microphone, but for its memory, is no fault of the model's.
_OPENS = """
import gc, sys
def opens(path):
    return tried(lambda: verified(path))
def listens(path, gates):
    from tinywake.slots import level
    gate = None
    for each in gates:
        gate = level(each)
        if gate is None and not opens(each):
            gate = each
        if gate is not None:
            break
    return tried(lambda: ready(path, gate))
def tried(what):
    gc.collect()
    try:
        what()
        return ""
    except (OSError, ValueError, MemoryError) as error:
        failed = error
    if "tinywake.main" in sys.modules:
        sys.modules["tinywake.main"].listener = None  # to say it, too, takes room
    gc.collect()
    return "%s: %s" % (type(failed).__name__, failed)
def verified(path):
    import tinywake
    model = tinywake.Model(path)
    model.verify()
    return model
def ready(path, gate):
    from tinywake import main
    main.slots.digest = lambda path: ""  # the record's may be of what was called so before
    main.load(path, gate=gate)
    try:
        mic = main.port.microphone()
        mic.open()
        mic.close()
    except MemoryError:
        raise
    except Exception:
        pass
    bytearray(SPARE)
"""
_SPARE = 8192  # bytes of heap for what the user's own program does besides
_VERIFYING_S = 60.0  # the checksum and the SHA-256 of a whole model, on a slow board or a busy computer

_ROOM = """
import gc, struct, micropython
gc.collect()
print("word", struct.calcsize("P"), "free", gc.mem_free())
micropython.mem_info()
"""

# Of the paths in the record those that have the content, and the slot to write if none does.
_STATE = """
from tinywake import slots, swap
there = slots.paths(ROLE)
same = [p for p in there if p.startswith(slots.ROOT) and p.endswith("/" + NAME) and digest(p) == WANTED]
keep = None
if not same:
    for p in there:
        wrong = opens(p)  # one that is no file, too
        if not wrong or wrong.startswith("MemoryError"):  # here the heap is in pieces
            keep = p
            break
answer({"same": same, "free": swap.spare(ROLE, keep)})
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

    @property
    def directory(self) -> str:
        """On the board."""
        return self.path.rpartition("/")[0]


def find_slot(repl: RawRepl, role: str, name: str, data: bytes) -> Slot:
    """The slot of the role that has the file `name`, else the one that is to have it: nothing is written yet."""
    given = f"ROLE = {role!r}\nNAME = {name!r}\nWANTED = {sha256(data)!r}\n"
    state: dict[str, Any] = repl.ask(HASH + _OPENS + given + _STATE)
    if state["same"]:
        return Slot(state["same"][0], sent=False)
    return Slot(f"{state['free']}/{name}", sent=True)


def has_room(repl: RawRepl, files: Mapping[str, bytes]) -> None:
    """Raises DeviceError where these files, path in a slot -> content, have no room even in place of what is there."""
    check_room(repl, files, [path.rpartition("/")[0] for path in files])


def fill_slot(repl: RawRepl, slot: Slot, data: bytes) -> None:
    """Have the file in its slot, whole. What lay there is no longer second choice; the selected model is not touched.

    Raises DeviceError.
    """
    if slot.sent:
        forget(repl, [slot.directory])
        repl.exec(f"SLOT = {slot.directory!r}\n" + _CLEAR)
        copy(repl, {slot.path: data})


def forget(repl: RawRepl, directories: Sequence[str]) -> None:
    """Take out of the record what lies in directories that are about to be written. Raises DeviceError."""
    repl.exec(f"from tinywake import swap\nfor each in {list(directories)!r}:\n    swap.forget(each)")


def try_open(repl: RawRepl, path: str) -> str:
    """Open and verify a model as after a reset, then let go of it: empty where that works, else what the board says."""
    repl.reset()
    with repl.patient(_VERIFYING_S):
        said: str = repl.ask(_OPENS + f"answer(opens({path!r}))")
    return said


def try_listen(repl: RawRepl, path: str, gates: Sequence[str]) -> str:
    """As try_open, and with all that listening takes: beside it the first of the gates that opens, where one does."""
    trouble = try_open(repl, path)
    if trouble:
        return trouble
    repl.reset()
    if not repl.ask(f"import tinywake\nanswer(len(tinywake.Model({path!r}).labels))"):
        return ""  # it does not listen
    repl.reset()
    repl.exec("import tinywake.main")  # by itself, as at boot: what our code leaves on the heap comes after it
    with repl.patient(_VERIFYING_S):
        said: str = repl.ask(_OPENS + f"SPARE = {_SPARE}\nanswer(listens({path!r}, {list(gates)!r}))")
    return said


@dataclass(frozen=True)
class Heap:
    """What a board's heap has for models. Bytes."""

    free: int
    piece: int | None  # of it the largest; None: the board does not say
    grows: bool  # by more than is counted in `free`

    def lacks(self, sizes: Iterable[int]) -> bool:
        """Whether blocks of these sizes cannot all be allocated, for certain."""
        sizes = list(sizes)
        return (self.piece is not None and max(sizes) > self.piece) or (not self.grows and sum(sizes) > self.free)

    def words(self) -> str:
        """For people."""
        piece = "" if self.piece is None else f", {self.piece:,} in one piece"
        return f"with the app loaded {self.free:,} bytes of heap are free{piece}"


def heap_after_app(repl: RawRepl) -> Heap:
    """The heap once all of the app is loaded. The board is reset for that."""
    repl.reset()
    repl.exec("import tinywake.main")
    said = repl.exec(_ROOM).decode("utf-8", "replace")
    word, free = map(int, re.findall(r"word (\d+) free (\d+)", said)[0])
    # A heap of the ESP32 may grow by one more piece; a block of the heap is four words.
    pieces = [int(blocks) * 4 * word for blocks in re.findall(r"max free sz: (\d+)", said)]
    more = [int(count) for count in re.findall(r"max new split: (\d+)", said)]
    return Heap(free, max(pieces + more, default=None), bool(more))


def chosen(repl: RawRepl, role: str) -> list[str]:
    """Paths of a role, best first, as the record on the board says."""
    paths: list[str] = repl.ask(f"from tinywake import slots\nanswer(slots.paths({role!r}))")
    return paths


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
    had = bool(chosen(repl, role))
    if had:
        select(repl, role, None)
    return had


def empty_slot(repl: RawRepl, path: str) -> None:
    """Remove a file of a slot that turned out to be of no use, and all beside it; not one that the record names."""
    slot = path.rpartition("/")[0]
    used: list[str] = repl.ask("from tinywake import slots\nanswer(list(slots.chosen().values()))")
    if not any(each.startswith(slot + "/") for each in used):
        repl.exec(f"SLOT = {slot!r}\n" + _CLEAR)
