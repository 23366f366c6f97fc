# SPDX-License-Identifier: MIT
"""Does a network fit a board: four things against its RAM and flash, where the model would live, and what limits it.

docs/memory.md says where the figures come from.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from tinywake.coded import is_coded
from tinywake.compiler.coding.encode import coded
from tinywake.compiler.report import Report, align
from tinywake.core import Listener, Model
from tinywake.device.boards import HOMES, Board, load_board
from tinywake.device.firmware import app_files, built_module, how_to_build, read_native
from tinywake.errors import ConfigError, ModelError

__all__ = ["Bill", "Entry", "Fit", "chosen_form", "fit", "make_bill"]

_BLOCK = 4096  # of flash, for files and for what UF2 writes
# Heap besides code, model, arena and buffers, by gc.mem_free() on the RPI_PICO firmware of MicroPython 1.25.0
# in rp2040js: after `import tinywake`, with tinywake.main as well, and what more a listener takes that runs
# (tests/bench/app_heap.py).
_APP, _APP_LISTENER, _RUNNING = 17_512, 29_320, 6_419
# The microphone: milliseconds of its ring and bytes of each, and of a sample in the app's buffers: int16, and before
# that the 32-bit slots where firmware/app/port/machine/i2s.py is the driver. With rp2/i2s.py the ring is all.
_RING, _SAMPLE = 128 * 128, 2 + 4
_RING_RP2, _SAMPLE_RP2 = 128 * 64, 2
# Heap besides _tinywake_huf's code while okay_nabu is decoded on qemu-rv32imc: app/coded.py, its buffers, the decoder,
# and what no collection has freed meanwhile (tests/bench/coding.py).
_DECODING = 768 + 7_780
_NAMED = 3  # tensors in a message
_MODULE, _WEIGHTS, _RESULTS = "interpreter module and app", "weights and graph", "intermediate results"
_DECODER = "decoder"


@dataclass(frozen=True)
class Entry:
    """One thing that takes memory. Bytes."""

    what: str
    ram: int
    flash: int
    note: str = ""


@dataclass(frozen=True)
class Bill:
    """What a network takes on one board. Bytes; what is left is negative where it does not fit."""

    board: Board
    home: str  # of the model, one of boards.HOMES
    entries: tuple[Entry, ...]
    ram_left: int  # of the heap
    front_left: int  # of the flash between firmware and file system; 0 where no model goes there
    storage_left: int  # of the file system
    limit: str  # what is nearest to its limit, and what decides that
    notes: tuple[str, ...]
    missing: tuple[str, ...]  # by how many bytes it does not fit, and what decides that

    @property
    def network(self) -> tuple[int, int]:
        """RAM and flash of the network alone: its file, decoding that, and what it computes."""
        own = [entry for entry in self.entries if entry.what in (_WEIGHTS, _RESULTS, _DECODER)]
        return sum(entry.ram for entry in own), sum(entry.flash for entry in own)

    def check(self, name: str) -> None:
        """Raise ModelError where it does not fit: by how many bytes, and which tensors decide it."""
        for lack in self.missing:
            raise ModelError(f"{name}: too large for {self.board.name} by {lack}")

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        assert self.board.memory is not None
        return {
            "board": self.board.name,
            "memory": asdict(self.board.memory),
            "home": self.home,
            "entries": [asdict(entry) for entry in self.entries],
            "ram_left": self.ram_left,
            "front_left": self.front_left,
            "storage_left": self.storage_left,
            "fits": not self.missing,
            "limit": self.limit,
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """For people."""
        rows = [(f"on {self.board.name}, {self.board.title}", "RAM", "flash", "")]
        rows += [(each.what, f"{each.ram:,}", f"{each.flash:,}", each.note) for each in self.entries]
        rows.append(("left", f"{self.ram_left:,}", f"{self.storage_left:,}", "in the file system"))
        if self.home == "xip":
            rows.append(("", "", f"{self.front_left:,}", "between firmware and file system"))
        return [*align(rows, left=(0, 3)), f"nearest to its limit: {self.limit}", *(f"note: {n}" for n in self.notes)]


@dataclass(frozen=True)
class Fit:
    """A network's costs and, where a board was named, its bill there."""

    report: Report
    bill: Bill | None
    coded_bytes: int | None = None  # of the file, where it is coded: the report's is what that becomes

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        small = {} if self.coded_bytes is None else {"coded_bytes": self.coded_bytes}
        return {**self.report.facts(), **small, **({"bill": self.bill.facts()} if self.bill else {})}

    def lines(self) -> list[str]:
        """For people."""
        small = [] if self.coded_bytes is None else [
            f"coded in {self.coded_bytes:,} bytes, which become {self.report.file_bytes:,} of RAM when it is opened"
        ]  # fmt: skip
        return [*self.report.lines(), *small, *(self.bill.lines() if self.bill else ())]

    def check(self, name: str) -> None:
        """Raise ModelError where there is a board and it is too small."""
        if self.bill:
            self.bill.check(name)


def chosen_form(report: Report, blob: bytes, board: str | None, huffman: bool | None) -> bytes:
    """An ordinary .twm in the form asked for (`huffman`), or that the board needs; None and None: as it is.

    A board needs it coded where it fits in no other form: decoding takes RAM, which is scarcer than flash.
    """
    if huffman:
        return coded(blob)
    if huffman is False or board is None:
        return blob
    there = load_board(board)
    if not make_bill(report, blob, there).missing:
        return blob
    small = coded(blob)
    return blob if make_bill(report, small, there).missing else small


def fit(report: Report, blob: bytes, board: str | None) -> Fit:
    """Set a .twm, its costs and its bytes, against the board of that name; None: against none."""
    stored = len(blob) if is_coded(blob) else None
    return Fit(report, None if board is None else make_bill(report, blob, load_board(board)), stored)


def make_bill(report: Report, blob: bytes, board: Board) -> Bill:
    """The bill of a .twm, whose bytes are `blob`, on a board. Raises ConfigError for a board without limits."""
    memory = board.memory
    if memory is None:
        raise ConfigError(f"{board.name} has no memory of its own to fill: name another board, see tinywake boards")
    heap = memory.heap
    if heap is None:
        raise ConfigError(f"the free heap of {board.name} is not known: name another board, see tinywake boards")
    listening = _listening_bytes(blob, board)
    module, lacking = _module(board, bool(listening))
    decoder, lacks = _decoder(board) if is_coded(blob) else (None, [])
    front = memory.flash - memory.storage
    gap = front - (memory.firmware or front)
    image = _blocks(len(blob))
    in_place = memory.home == "xip" and image <= gap and decoder is None
    home = "xip" if in_place else "heap"
    state = f"{report.state_bytes:,} of them streaming state" if report.state_bytes else ""
    how = f"{HOMES[home]}, decoded from {len(blob):,} bytes" if decoder else HOMES[home]
    weights = Entry(_WEIGHTS, 0 if in_place else report.file_bytes, image, how)
    entries = [
        Entry("MicroPython and its libraries", memory.ram - heap, front - gap if in_place else front),
        module,
        weights,
        Entry(_RESULTS, report.arena_bytes + report.state_bytes, 0, state),
    ]
    if decoder:
        entries.append(decoder)
    if listening:
        entries.append(Entry("front end, detector, microphone", listening, 0))
    heaviest = max(entries[1:], key=lambda each: each.ram)
    ram_left = heap - sum(entry.ram for entry in entries[1:])
    front_left = gap - image if in_place else 0
    storage_left = memory.storage - module.flash - (decoder.flash if decoder else 0) - (0 if in_place else image)
    ram = (ram_left, heap, "RAM", _decides(report, heaviest))
    flash = (front_left, gap, "flash", _decides(report, weights))
    storage = (storage_left, memory.storage, "the file system", _decides(report, weights))
    limits = [ram, flash, storage] if in_place else [ram, storage]
    left, whole, where, why = min(limits, key=lambda limit: limit[0] / limit[1])
    lacking = [*lacking, *lacks]
    floor = "at least " if lacking else ""
    return Bill(
        board=board,
        home=home,
        entries=tuple(entries),
        ram_left=ram_left,
        front_left=front_left,
        storage_left=storage_left,
        limit=f"{where}, {100 * (1 - left / whole):.0f} % used; most by {why}",
        notes=(*lacking, *_notes(report, board, home, ram_left)),
        missing=tuple(f"{floor}{-left:,} bytes of {where}: {why}" for left, _, where, why in limits if left < 0),
    )


def _blocks(count: int) -> int:
    return -(-count // _BLOCK) * _BLOCK


def _listening_bytes(blob: bytes, board: Board) -> int:
    """RAM of front end, detector and microphone; 0 for a network that does not listen."""
    model = Model(blob)
    if not model.listens:
        return 0
    listener = Listener(model)
    ring, sample = (_RING_RP2, _SAMPLE_RP2) if board.chip.startswith("RP2") else (_RING, _SAMPLE)
    return listener.ram_bytes + sample * listener.step_samples + ring + _RUNNING


def _module(board: Board, listens: bool) -> tuple[Entry, list[str]]:
    """The native module and the Python around it, and what is not known of them."""
    heap = _APP_LISTENER if listens else _APP
    flash = sum(_blocks(len(data)) for data in (*app_files().values(), board.pins.read_bytes()))
    path = built_module(board.arch)
    if path is None:
        note = f"the native module for {board.arch} is not built here and not counted: {how_to_build(board.arch)}"
        return Entry(_MODULE, heap, flash), [note]
    native = read_native(path)
    return Entry(_MODULE, native.ram + heap, _blocks(native.file_bytes) + flash, f"{native.ram:,} of them code"), []


def _decoder(board: Board) -> tuple[Entry, list[str]]:
    """What opening a coded model takes besides: the native module stays, the rest is free again afterwards."""
    main = built_module(board.arch)
    path = main.with_name("_tinywake_huf.mpy") if main else None
    if path is None or not path.is_file():
        note = f"_tinywake_huf for {board.arch} is not built here and not counted: {how_to_build(board.arch)}"
        return Entry(_DECODER, _DECODING, 0), [note]
    native = read_native(path)
    return Entry(_DECODER, native.ram + _DECODING, _blocks(native.file_bytes), f"{native.ram:,} of them code"), []


def _decides(report: Report, entry: Entry) -> str:
    """What an entry of the bill consists of: the tensors that decide its size."""
    if entry.what not in (_WEIGHTS, _RESULTS) or not report.ops:
        return f"{entry.what}, {entry.ram:,}"
    if entry.what == _WEIGHTS:
        heaviest = max(report.ops, key=lambda op: op.weight_bytes)
        made = f"operator {heaviest.index} {heaviest.kind}, which makes {heaviest.name!r}"
        return f"{_WEIGHTS}, {report.file_bytes:,}, of them {heaviest.weight_bytes:,} of {made}"
    if report.state_bytes > report.arena_bytes:
        longest = max(report.ops, key=lambda op: op.state_bytes)
        kept = f"{longest.state_bytes:,} the state at operator {longest.index} {longest.kind}, {longest.name!r}"
        return f"{_RESULTS}, {entry.ram:,}, of them {kept}"
    held = " and ".join(f"{report.name(block)!r} ({block.bytes:,})" for block in report.at(report.peak)[:_NAMED])
    return f"{_RESULTS}, {entry.ram:,}: operator {report.peak} {report.ops[report.peak].kind} needs {held}"


def _notes(report: Report, board: Board, home: str, left: int) -> list[str]:
    notes = []
    piece = board.memory.piece if board.memory else None
    if home == "xip":
        left -= report.file_bytes
        fits = f"{left:,} bytes would be left" if left >= 0 else f"{-left:,} bytes are missing for that"
        puts = "puts it there with --home xip, else" if board.chip == "RP2040" else "still"
        notes.append(f"tinywake deploy {puts} copies the model to the heap: {fits}")
    pieces = {"the arena": report.arena_bytes + report.state_bytes}
    if home == "heap":
        pieces["the file"] = report.file_bytes
    for what, count in pieces.items():
        if piece is not None and count > piece:
            notes.append(f"{what} is one piece of {count:,} bytes; this heap may have none over {piece:,}")
    return notes
