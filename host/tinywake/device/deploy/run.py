# SPDX-License-Identifier: MIT
"""Put module, app, pins and models onto a board that runs MicroPython, and start it: the steps, in their order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tinywake.coded import is_coded
from tinywake.device.boards import HOMES, load_board
from tinywake.device.deploy.copy import copy, prune
from tinywake.device.deploy.homes.choose import Home, beside_gate, beside_strangers, choose_home
from tinywake.device.deploy.homes.xip import survey
from tinywake.device.deploy.models.check import check_listens
from tinywake.device.deploy.models.flash import Bootsel, into_flash
from tinywake.device.deploy.models.place import place
from tinywake.device.deploy.models.rom import check_names, gate_in_rom
from tinywake.device.deploy.models.wanted import ANY, FITS, NONE, Placed, Wanted, read_model
from tinywake.device.deploy.plan import Plan, for_firmware, make_plan, twins, wanted_files
from tinywake.device.deploy.probe import APP, MODULES, PINS, Probe, look
from tinywake.device.deploy.report import DeployReport, measure
from tinywake.device.deploy.slots import chosen, clear_role, try_open
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.line.restart import Restarted, restart
from tinywake.errors import ConfigError, DeviceError
from tinywake.gate import gate_named

__all__ = ["Choices", "check_choices", "deploy"]

_NO_MEMORY = "memory allocation failed"  # MicroPython's words


@dataclass(frozen=True)
class Choices:
    """What deploy may be told besides port, model and board."""

    gate: Path | str | None = None  # tells when to look for the word, see gate.gate_named; None: leave that as it is
    no_gate: bool = False  # take the gate away that the board has
    home: str | None = None  # of the models, one of boards.HOMES; None: the best to be had without a restart
    bootsel: Bootsel | None = None  # None: by its drive
    recorder: bool = False  # what `tinywake record` needs goes onto the board
    alone: bool = False  # the model is there to be run, not to listen behind the gate that the board has
    before: Callable[[RawRepl], None] | None = None  # called before the models on the board are touched

    @property
    def gate_file(self) -> Path | None:
        """The gate's, where it is a model."""
        return None if self.gate is None else gate_named(self.gate).file

    @property
    def there(self) -> str:
        """A gate that is no model, or else what becomes of the one that the board has: see place()."""
        if self.gate is not None and self.gate_file is None:
            return gate_named(self.gate).text
        return NONE if self.no_gate else ANY if self.alone else FITS


def check_choices(board: str | None, choices: Choices) -> None:
    """Raises ConfigError for a board or a home of a model that there is not. Needs no board to be connected."""
    if board is not None:
        load_board(board)
    if choices.home is not None and choices.home not in HOMES:
        raise ConfigError(f"no home {choices.home!r} for a model; known: {', '.join(HOMES)}")


def deploy(
    port: str, model: Path, *, board: str | None = None, start: bool = True, choices: Choices | None = None
) -> DeployReport:
    """Make the board on `port` listen for `model`, now and whenever it is powered.

    `board`: a name under boards/, needed the first time only. `start`: give the board a main.py that listens, where
    it has none, and reset it at the end; otherwise it is left at its prompt.

    Raises DeviceError, ToolError or ConfigError with one line. Until module and app have arrived whole, the board has
    its old ones; until the model has opened there, the old one is selected (docs/slots.md).
    """
    choices = choices or Choices()
    check_choices(board, choices)
    # The gate first: it does the old model no harm, and the new one may need it.
    models = [read_model("gate", choices.gate_file)] if choices.gate_file else []
    models.append(read_model("model", model))
    if start:
        check_listens(models, choices.there)
    files = wanted_files(board, start)
    with RawRepl(port):
        pass  # quick to say that nothing answers; from here on there is a board to leave as it was
    try:
        probe, plan, removed, placed = _put(port, board, files, models, choices)
        with RawRepl(port) as repl:
            gate = None if len(placed) > 1 or choices.there in (NONE, ANY) else _gate_there(repl)
            repl.reset()
            ram = measure(repl, [*(each.path for each in placed), *([gate] if gate else [])])
            repl.reset()  # nothing of it stays open
    except BaseException:  # Ctrl-C too
        if start:
            with contextlib.suppress(DeviceError):
                restart(port, timeout=2.0)  # what it had goes on
        raise
    after = restart(port) if start else Restarted(False, "", "")
    listening = after.listening and placed[0].sha256.startswith(after.sha)
    if not listening and _NO_MEMORY in after.trouble:
        instead = "it listens with another" if after.listening else "it does not listen"
        raise DeviceError(
            f"{port}: {placed[0].name} is on the board, but {instead}: {after.trouble}; what boot.py or main.py does "
            f"besides takes too much of the {ram.left:,} bytes that the model leaves: make do with less there"
        )
    sent = [each for each in placed if each.sent]
    return DeployReport(
        port=port,
        firmware=probe.firmware,
        copied=(*plan.copies, *(each.path for each in sent)),
        unchanged=(*plan.unchanged, *(each.path for each in placed if not each.sent)),
        removed=removed,
        bytes_copied=sum(map(len, plan.copies.values())) + sum(each.bytes for each in sent),
        module_bytes=plan.module_bytes,
        models=placed,
        energy_gate=gate if gate is not None and gate_named(gate).file is None else None,
        ram=ram,
        other_models=probe.loose_models,
        own_main=plan.own_main,
        listening=listening,
        trouble=after.trouble,
    )


def _gate_there(repl: RawRepl) -> str | None:
    """Of the gates in the board's record the first that opens, or is no file."""
    gates = chosen(repl, "gate")
    return next((each for each in gates if gate_named(each).file is None or not try_open(repl, each)), None)


def _put(
    port: str, board: str | None, files: dict[str, bytes], models: Sequence[Wanted], choices: Choices
) -> tuple[Probe, Plan, tuple[str, ...], tuple[Placed, ...]]:
    """Everything onto the board and old code off it, each model in its home and selected: the one that hears first."""
    with RawRepl(port) as repl:
        repl.reset()  # what ran there is gone, and its memory free
        probe = look(repl, [*files, *twins(files), PINS, *MODULES.values()])
        files = for_firmware(files, probe)
        coded = any(is_coded(each.data) for each in models)
        plan = make_plan(port, files, probe, board, recorder=choices.recorder, coded=coded)
        space = survey(repl)
        blobs = {each.name: each.data for each in models}
        home = choose_home(port, choices.home, probe, space, blobs)
        if plan.copies:
            copy(repl, plan.copies)
        had = any(digest for path, digest in probe.digests.items() if path.startswith(f"{APP}/"))
        removed = prune(repl, APP, [*files, PINS]) if had else ()
        if choices.before:
            choices.before(repl)
        there = choices.there
        if choices.alone and home.name == "romfs":
            home = beside_strangers(home, probe, [path for role in ("model", "gate") for path in chosen(repl, role)])
        in_rom = gate_in_rom(repl, models, there)
        if home.name == "romfs":
            check_names(port, models, in_rom)
        home = beside_gate(port, choices.home, home, probe, blobs, in_rom)
        *gate, word = place(repl, models, home, there)
        if choices.no_gate:
            clear_role(repl, "gate")
    if home.name == "xip" and space is not None:
        word = into_flash(port, space, models[-1], (*gate, word), there, choices.bootsel)
        gate = [replace(each, home=Home("heap", "only the model is read in place there")) for each in gate]
    return probe, plan, removed, (word, *gate)
