# SPDX-License-Identifier: MIT
"""Put module, app, pins and models onto a board that runs CircuitPython, and start it: the steps, in their order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tinywake.coded import is_coded
from tinywake.device.circuitpy.deploy.models import Hash, place, put_whole
from tinywake.device.circuitpy.deploy.plan import MAIN, Plan, board_of, check_board, make_plan, stale, wanted_files
from tinywake.device.circuitpy.deploy.report import CircuitReport, Heap, Put
from tinywake.device.circuitpy.facts import Facts, ask_facts
from tinywake.device.circuitpy.files import DriveFiles, Files, PromptFiles, board_digests, parents
from tinywake.device.circuitpy.find import Found
from tinywake.device.deploy.models.check import check_listens
from tinywake.device.deploy.models.wanted import FITS, NONE, Wanted, read_model
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.line.restart import Restarted, restart
from tinywake.errors import ConfigError, DeviceError
from tinywake.gate import gate_named

__all__ = ["Done", "Order", "Session", "deploy", "models_of", "put_all"]

_OPENING_S = 60.0  # the checksum of a whole model, on a slow board

_OPEN = """
import gc
def free():
    gc.collect()
    return gc.mem_free()
said = [free()]
import tinywake
import tinywake.main
said.append(free())
kept = []
for path in PATHS:
    model = tinywake.Model(path)
    model.verify()
    kept.append(model)
said.append(free())
answer(said)
"""


@dataclass(frozen=True)
class Order:
    """What the user asks for."""

    model: Path
    board: str | None = None  # a name under boards/
    gate: Path | str | None = None  # see gate.gate_named; None: that of the board stays
    no_gate: bool = False
    recorder: bool = False
    main: bool = False  # a code.py that listens


@dataclass(frozen=True)
class Session:
    """A board that is ready to be written."""

    facts: Facts
    files: Files
    repl: RawRepl | None  # its prompt, which is held: auto-reload is suspended there

    @property
    def hashed(self) -> Hash:
        """By the board where it answers."""
        return self.files.digests if self.repl is None else partial(board_digests, self.repl)


def deploy(found: Found, order: Order) -> CircuitReport:
    """Have the board listen for a model. Raises DeviceError, ToolError or ConfigError with one line.

    Until app and module have arrived whole, the board has those that it had; until the record is written, so with the
    model.
    """
    models = models_of(order)
    try:
        with _opened(found) as session:
            done = put_all(session, order, models)
            port = session.repl.port if session.repl else None
    except BaseException:  # Ctrl-C too
        if found.port:
            with contextlib.suppress(DeviceError):
                restart(found.port, timeout=2.0)  # what it had goes on
        raise
    after = restart(port) if port else None
    return _report(found, session, done, after)


@dataclass(frozen=True)
class Done:
    """What was written."""

    plan: Plan
    removed: tuple[str, ...]
    models: tuple[Put, ...]
    heap: Heap | None


def put_all(session: Session, order: Order, models: Sequence[Wanted]) -> Done:
    """All that is written, in its order: app and module, models, their record, code.py."""
    files, facts = session.files, session.facts
    check_board(files.where, facts)
    board = board_of(files.where, facts, order.board)
    also = [*(["_rec"] if order.recorder else []), *(["_huf"] if any(is_coded(each.data) for each in models) else [])]
    wanted = wanted_files(files.where, facts, board, files, also)
    plan = make_plan(files, wanted, main=order.main)
    own = files.read(MAIN) if plan.kept_as else None
    extra = [plan.main or b"", own or b""]
    _check_room(files, [*plan.copies.values(), *(model.data for model in models), *extra], len(parents(plan.copies)))
    if plan.copies:
        put_whole(files, dict(plan.copies), session.hashed)
    removed = stale(files, wanted)
    for path in removed:
        files.remove(path)
    heap: Heap | None = None

    def opens(paths: list[str]) -> None:
        nonlocal heap
        heap = _open(session, paths)

    placed = place(files, models, "" if order.no_gate else _sound(order), session.hashed, opens)
    if own is not None and plan.kept_as and files.read(plan.kept_as) != own:
        put_whole(files, {plan.kept_as: own}, session.hashed)
    if plan.main is not None:
        put_whole(files, {MAIN: plan.main}, session.hashed)
    return Done(plan, tuple(path for path in removed if not path.endswith("~")), placed, heap)


def models_of(order: Order) -> list[Wanted]:
    """To be opened in this order. Raises DeviceError where they cannot listen together."""
    named = gate_named(order.gate) if order.gate is not None else None
    if named is not None and order.no_gate:
        raise ConfigError("--gate puts one on the board, --no-gate takes it away: name one of them")
    models = [read_model("gate", named.file)] if named and named.file else []
    models.append(read_model("model", order.model))
    check_listens(models, _sound(order) or (NONE if order.no_gate else FITS))
    return models


def _sound(order: Order) -> str | None:
    """Of a gate that is no file, its name in the record; None: there is none such."""
    named = gate_named(order.gate) if order.gate is not None else None
    return named.text if named and named.file is None else None


@contextlib.contextmanager
def _opened(found: Found) -> Iterator[Session]:
    drive = found.drive
    if found.port is None:
        assert drive is not None
        yield Session(drive.facts, _drive_files(found), None)
        return
    with RawRepl(found.port) as repl:
        repl.reset()  # what ran there is gone, and its memory free
        facts = ask_facts(repl)
        if facts is None:
            raise DeviceError(f"{found.port}: MicroPython answers, not CircuitPython: leave --drive and --main out")
        if drive is not None and facts.uid != drive.facts.uid:
            raise DeviceError(
                f"{found.port}: is another board (UID {facts.uid}) than the drive {drive.path} (UID {drive.facts.uid})"
            )
        if facts.read_only is False or (facts.read_only is None and drive is None):
            yield Session(facts, PromptFiles(repl), repl)
        elif drive is not None:
            yield Session(facts, _drive_files(found), repl)
        else:
            raise DeviceError(
                f"{found.port}: its files are on the drive CIRCUITPY, which is not mounted here: mount it, or name it "
                "with --drive"
            )


def _drive_files(found: Found) -> DriveFiles:
    assert found.drive is not None
    if found.drive.read_only:
        raise DeviceError(
            f"{found.drive.path}: is mounted read-only: mount it anew; if that does not help, boot.py keeps it for the "
            "board's own code (storage.remount): take that out and reset"
        )
    return DriveFiles(found.drive.path)


def _open(session: Session, paths: list[str]) -> Heap | None:
    """Open and verify models as after a reset; None where the board does not answer. Raises DeviceError."""
    if session.repl is None:
        return None
    session.repl.reset()
    with session.repl.patient(_OPENING_S):
        try:
            free, app, model = map(int, session.repl.ask(f"PATHS = {paths!r}\n" + _OPEN))
        except DeviceError as error:
            what = str(error).removeprefix(f"{session.repl.port}: ")
            raise DeviceError(
                f"{session.repl.port}: {paths[-1].rpartition('/')[2]} does not open on the board: {what}; "
                "what was selected stays so"
            ) from error
    session.repl.reset()  # nothing of it stays open
    return Heap(free, free - app, app - model)


def _check_room(files: Files, contents: Sequence[bytes], folders: int) -> None:
    room = files.room()
    if room is None:
        return
    block, free = room
    need = (sum(-(-len(data) // block) for data in contents) + folders) * block
    if need > block * free:
        raise DeviceError(
            f"{files.where}: {need:,} bytes are needed and {block * free:,} are free: remove something from the drive; "
            "nothing was changed"
        )


def _report(found: Found, session: Session, done: Done, after: Restarted | None) -> CircuitReport:
    plan = done.plan
    main = {MAIN: plan.main} if plan.main is not None else {}
    sent = {**plan.copies, **main}
    listening = None if after is None else after.listening and done.models[0].sha256.startswith(after.sha)
    return CircuitReport(
        where=session.files.where,
        facts_of=session.facts,
        copied=(*sent, *(each.path for each in done.models if each.sent)),
        unchanged=(*plan.unchanged, *(each.path for each in done.models if not each.sent)),
        removed=done.removed,
        bytes_copied=sum(map(len, sent.values())) + sum(each.bytes for each in done.models if each.sent),
        models=done.models,
        verified="hashed by the board" if session.repl else "read back by this computer: no port of the board is known",
        heap=done.heap,
        kept_as=plan.kept_as,
        notes=plan.notes,
        listening=listening,
        trouble="" if after is None else after.trouble,
    )
