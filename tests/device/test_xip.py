# SPDX-License-Identifier: MIT
"""Models in the RP2040's flash by deploy: on the emulated Pico, whose boot loader takes the UF2 file that is made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pico import Pico
from test_slots import heard_with, model, sha

from tinywake.device.deploy import Choices, deploy
from tinywake.device.deploy.homes import xip as xip_home
from tinywake.device.deploy.homes.xip import Lying, Space, address_for, left_beside
from tinywake.device.doctor import diagnose
from tinywake.device.doctor import models as model_checks
from tinywake.device.image.record import XIP_BASE
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.rp2040 import RP2040Board
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import DeviceError

lacking = RP2040Board.available()
STORAGE, END = XIP_BASE + 0xA0000, XIP_BASE + 0x50000


def test_the_record_goes_where_the_one_that_counts_is_not() -> None:
    empty = Space(STORAGE, END, ())
    first = address_for(empty, 20_000)
    assert (first + 256 + 20_000 + 4095) // 4096 * 4096 == STORAGE
    one = Space(STORAGE, END, (Lying(first, 1, 20_000, 0, "a.twm"),))
    second = address_for(one, 30_000)
    assert END <= second <= first - 30_256
    two = Space(STORAGE, END, (*one.records, Lying(second, 2, 30_000, 0, "b.twm")))
    assert address_for(two, 20_000) == first  # the older one's
    assert two.current == two.records[1]
    assert left_beside(one, 30_000) == list(one.records)
    assert left_beside(two, 20_000) == [two.records[1]]
    assert left_beside(two, STORAGE - END) == list(two.records)  # too large: it is not written
    large = address_for(one, 200_000)  # no second slot for it
    assert large + 256 + 200_000 <= STORAGE
    with pytest.raises(ValueError, match="too large"):
        address_for(empty, STORAGE - END)


def test_only_an_rp2040_has_that_home(tmp_path: Path) -> None:
    if UnixBoard.available():
        pytest.skip(str(UnixBoard.available()))
    with UnixBoard(tmp_path / "board") as board, pytest.raises(DeviceError, match="only an RP2040"):
        deploy(board.port, model(tmp_path, "w", 120), board="UNIX", start=False, choices=Choices(home="xip"))


@pytest.mark.skipif(UnixBoard.available() is not None, reason=str(UnixBoard.available()))
def test_a_model_in_flash_is_read_through_the_app(tmp_path: Path) -> None:
    # Bug: it was sought among the files, and the board called faulty and not started again.
    with UnixBoard(tmp_path / "board") as board:
        path = deploy(board.port, model(tmp_path, "word", 120), board="UNIX", start=False).model_path
        flash = """
import tinywake.port.unix as port
from tinywake import slots
file, read = PATH, port.read_file
there = {"/flash/10090000/word.twm": bytes(read(file)), "/flash/1": bytes(read(file)[:-1]), "/flash/2": b"junk"}
def read_file(path):
    if path in there: return there[path]
    raise OSError(2)
slots.paths = lambda role: sorted(there) + ["/flash/3"] if role == "model" else []
port.read_file = read_file
"""
        with RawRepl(board.port) as repl:
            repl.exec(f"PATH = {path!r}\n" + flash)
            assert [[which, wrong] for _, which, wrong, _ in repl.ask(model_checks._MODELS)] == [
                ["/flash/1", "is cut short"], ["/flash/10090000/word.twm", ""], ["/flash/2", "is no model"],
                ["/flash/3", "is missing"],
            ]  # fmt: skip


@pytest.mark.skipif(lacking is not None, reason=str(lacking))
@pytest.mark.parametrize("target", ["rp2040"])
def test_a_model_moves_into_flash_and_out_of_it(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = model(tmp_path, "old", 120), model(tmp_path, "new", 121)
    with Pico(tmp_path) as pico:
        xip = Choices(home="xip", bootsel=pico.bootsel)
        first = deploy(pico.port, old, board="RPI_PICO", start=False, choices=xip)
        placed = first.models[0]
        assert placed.home.name == "xip"
        assert placed.path.startswith("/flash/100")
        assert placed.path.endswith("/old.twm")
        assert placed.second == "tinywake-models/model.a/old.twm"
        assert first.ram.models[0] < first.ram.arenas[0] + 1500  # the arena, and no copy of the file
        looked = [(each.level, each.what) for each in diagnose(pico.port).findings if each.topic == "model"]
        where = f"old.twm in flash at 0x{placed.path.split('/')[2]}, read in place"
        assert looked[0][0] == "fine"  # Bug: sought among the files, it was missing
        assert re.fullmatch(rf"{re.escape(where)} \(.*\), is whole, SHA-256 {sha(old)[:16]}\.\.\.", looked[0][1])
        assert [level for level, _ in looked] == ["fine"] * 3
        again = deploy(pico.port, old, start=False)  # without --home: it stays where it is
        assert (again.models[0].home.name, again.model_path, again.copied) == ("xip", placed.path, ())
        second = deploy(pico.port, new, start=False, choices=xip)
        assert len(pico.written) == 2
        assert second.model_path != placed.path
        heap = deploy(pico.port, old, start=False, choices=Choices(home="heap"))
        assert heap.model_path.startswith("tinywake-models/")
        assert heap.ram.models[0] >= old.stat().st_size
        assert heard_with(pico) == sha(old)
        # Bug: a record that was written over stayed second choice where the new one did not get to be selected.
        monkeypatch.setattr(xip_home, "address_for", lambda space, size: space.current.address)
        monkeypatch.setattr(Space, "find", lambda *_: None)  # as if it did not lie there already

        def fails(port: str, uf2: bytes) -> None:
            pico.bootsel(port, uf2)
            raise DeviceError("no answer")

        named = "from tinywake import slots\nanswer(slots.paths())"
        with RawRepl(pico.port) as repl:
            assert repl.ask(named) == [heap.model_path, second.model_path]
        with pytest.raises(DeviceError, match="no answer"):
            deploy(pico.port, old, start=False, choices=Choices(home="xip", bootsel=fails))
        with RawRepl(pico.port) as repl:
            assert repl.ask(named) == [heap.model_path]
