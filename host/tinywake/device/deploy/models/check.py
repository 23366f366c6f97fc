# SPDX-License-Identifier: MIT
"""All that can be known of models before a slot is written, whose model is then no longer to be had."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tinywake import core
from tinywake.device.deploy.homes.choose import Home
from tinywake.device.deploy.models.opens import OTHER_GATE, gates_of, refused
from tinywake.device.deploy.models.wanted import Slots, Wanted, by_sound, opened
from tinywake.device.deploy.slots import has_room, heap_after_app
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError, FormatError, ModelError
from tinywake.gate import gate_named

__all__ = ["check_fits", "check_listens"]

_NOT_COPIED = "MemoryError: it was not copied"  # as the board's own words begin


def check_listens(models: Sequence[Wanted], gate: str) -> None:
    """Raises DeviceError where models, the one that hears last, cannot listen together: no board is needed for that.

    gate: as place() takes it. What is damaged is left to check_fits(), which can say what the board keeps.
    """
    try:
        *given, word = (opened(model.name, model.data) for model in models)
    except FormatError:
        return
    behind = core.Gate(given[0]) if given else gate_named(gate).open() if by_sound(gate) else None
    try:
        core.Listener(word, behind)
    except ModelError as error:
        raise DeviceError(str(error)) from error


def check_fits(repl: RawRepl, slots: Slots, home: Home, gate: str) -> None:
    """Raises DeviceError for damage, front ends that differ, and want of room: on the file system, or the heap."""
    nothing = {model: replace(slot, sent=False) for model, slot in slots.items()}
    *given, word = slots
    whole = {}
    for model in slots:
        try:
            whole[model] = opened(model.name, model.data)
        except FormatError as error:
            raise refused(repl, nothing, model, str(error)) from error
    behind = core.Gate(whole[given[0]]) if given else _gate_there(repl, gate)
    if behind and whole[word].listens:
        try:
            core.Listener(whole[word], behind)
        except ModelError as error:
            raise refused(repl, nothing, word, str(error) + OTHER_GATE) from error
    has_room(repl, {slot.path: model.data for model, slot in slots.items() if slot.sent})
    if home.name == "heap":
        _check_heap(repl, slots, nothing)


def _check_heap(repl: RawRepl, slots: Slots, nothing: Slots) -> None:
    needs = {model: (len(model.data), model.arena) for model in slots}
    heap = heap_after_app(repl)
    for model, need in needs.items():
        if heap.lacks(need):
            raise refused(repl, nothing, model, _NOT_COPIED)
    if heap.lacks([size for need in needs.values() for size in need]):
        raise refused(repl, nothing, list(slots)[-1], _NOT_COPIED + OTHER_GATE)
    repl.reset()  # the app gives its room to what copies


def _gate_there(repl: RawRepl, gate: str) -> core.Gate | None:
    """The first of the board's gates that is whole, where one stays and counts; or the one that is no file."""
    for each in gates_of(repl, gate):
        named = gate_named(each)
        if named.file is None:
            return named.open()
        with contextlib.suppress(FormatError, DeviceError):
            return core.Gate(opened(Path(each).name, repl.get(each)))
    return None
