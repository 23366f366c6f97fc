# SPDX-License-Identifier: MIT
"""A model that is in its slot, on into the RP2040's flash, where it is read in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tinywake.device.deploy.homes.xip import Space, left_beside, send, survey
from tinywake.device.deploy.models.opens import gates_of, way_out
from tinywake.device.deploy.models.place import second_choice, select_all
from tinywake.device.deploy.models.wanted import Placed, Wanted
from tinywake.device.deploy.slots import chosen, forget, select, try_listen
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["Bootsel", "into_flash"]

Bootsel = Callable[[str, bytes], None]  # gives a UF2 file to the board on a port


def into_flash(
    port: str, space: Space, model: Wanted, placed: Sequence[Placed], gate: str, bootsel: Bootsel | None
) -> Placed:
    """Move a model on from its slot into the RP2040's flash, where it is read in place; the slot is second choice.

    placed, gate: as place() gave and took them; a gate that was given is selected with the model, if it was not yet.
    Raises DeviceError; the slot stays selected.
    """
    lying = space.find(model.name, model.data)
    if lying is None:
        with RawRepl(port) as repl:
            left = {each.path for each in left_beside(space, len(model.data))}
            gone = [path for path in chosen(repl, model.role) if path.startswith("/flash/") and path not in left]
            forget(repl, [path.rpartition("/")[0] for path in gone])
        send(port, space, model.name, model.data, bootsel)
    with RawRepl(port) as repl:
        repl.reset()
        now = survey(repl)
        lying = now.find(model.name, model.data) if now else None
        if lying is None:
            raise DeviceError(f"{port}: {model.name} is not in flash after writing: try again, or leave --home out")
        *given, word = placed
        gates = [each.path for each in given] or gates_of(repl, gate)
        trouble = try_listen(repl, lying.path, gates)
        if trouble:
            way = way_out(gates) or ": try again, or leave --home out"
            raise DeviceError(f"{port}: {lying.path} does not open ({trouble}){way}")
        repl.reset()
        for each in given:
            select(repl, each.role, each.path)
        select_all(repl, {model: lying.path}, gate)
        return replace(word, path=lying.path, second=second_choice(repl, model.role, lying.path))
