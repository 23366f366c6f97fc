# SPDX-License-Identifier: MIT
"""Do models open on the board, and if not: what to say, and what the board goes on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinywake.device.deploy.models.wanted import FITS, Slots, Wanted, by_sound
from tinywake.device.deploy.slots import chosen, empty_slot, heap_after_app, try_listen, try_open
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["OTHER_GATE", "gates_of", "refused", "trouble_with", "way_out"]

OTHER_GATE = ": deploy another gate, or none with --no-gate"
_TOO_LARGE = (
    "too large for its heap: a smaller model, a home in which it is read in place (--home) or another board; "
    "tinywake inspect --board NAME says what takes how much"
)


def gates_of(repl: RawRepl, gate: str) -> list[str]:
    """What the model must open behind, best first, where no gate is among the models: paths, "energy" or dB."""
    if by_sound(gate):
        return [gate]
    return chosen(repl, "gate") if gate == FITS else []


def trouble_with(repl: RawRepl, paths: Mapping[Wanted, str], gate: str) -> tuple[Wanted, str] | None:
    """What does not open, by itself or together with the others, and what the board says of it."""
    for model, path in paths.items():
        trouble = try_open(repl, path)
        if trouble:
            return model, trouble
    *given, word = paths
    gates = [paths[each] for each in given] or gates_of(repl, gate)
    trouble = try_listen(repl, paths[word], gates)
    return (word, trouble + way_out(gates)) if trouble else None


def way_out(gates: Sequence[str]) -> str:
    """What else to try where it is not the model alone."""
    return OTHER_GATE if gates else ""


def refused(repl: RawRepl, slots: Slots, model: Wanted, trouble: str) -> DeviceError:
    """Take back what was sent, and say why and what the board keeps."""
    repl.reset()
    for slot in slots.values():
        if slot.sent:
            empty_slot(repl, slot.path)
    before = chosen(repl, model.role)
    kept = next((path for path in before if not try_open(repl, path)), None)
    none = f"what it has as {model.role} does not open either" if before else f"it has no {model.role} yet"
    if trouble.startswith("MemoryError"):
        what, colon, way = trouble.partition(OTHER_GATE)
        trouble = f"{what}: {', '.join(map(_needs, slots))}; {heap_after_app(repl).words()}"
        trouble += colon + way if colon else f": {_TOO_LARGE}"
    return DeviceError(
        f"{repl.port}: {model.name} does not open on the board ({trouble}); {f'it keeps {kept}' if kept else none}"
    )


def _needs(model: Wanted) -> str:
    """In one piece each; the file none where it is read in place."""
    return f"{model.name} takes {len(model.data):,} bytes and an arena of {model.arena:,}"
