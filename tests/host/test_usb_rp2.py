"""firmware/app/port/rp2/usb.py against a model of TinyUSB's buffer: it promises no more than there is."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

DRIVER = Path(__file__).parents[2] / "firmware/app/port/rp2/usb.py"
SIZE, PACKET, BUFFER_CONTROL = 256, 64, 0x50100090


class Usb:
    """A FIFO, and a packet on its way to the host until that fetches it."""

    def __init__(self) -> None:
        self.waiting = self.flying = 0

    def __getitem__(self, address: int) -> int:
        assert address == BUFFER_CONTROL
        return (0x8400 | self.flying) if self.flying else PACKET  # FULL and AVAILABLE; else the last length stays

    @property
    def room(self) -> int:
        return SIZE - self.waiting

    def write(self, count: int) -> None:
        assert count <= self.room, f"{count} bytes wait for half a second: there is room for {self.room}"
        self.waiting += count
        self._flush()

    def fetch(self) -> None:
        self.flying = 0
        self._flush()

    def _flush(self) -> None:
        if not self.flying:
            self.flying = min(PACKET, self.waiting)
            self.waiting -= self.flying


@pytest.fixture
def usb(monkeypatch: pytest.MonkeyPatch) -> Usb:
    usb = Usb()
    monkeypatch.setitem(sys.modules, "machine", SimpleNamespace(mem16=usb))  # type: ignore[arg-type]
    return usb


@pytest.fixture
def driver(usb: Usb) -> ModuleType:
    spec = importlib.util.spec_from_file_location("usb_rp2", DRIVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("reads", "least"), [(0.0, 1), (0.05, 1), (0.5, 500), (0.95, 4900)])
def test_it_promises_no_more_than_there_is(usb: Usb, driver: ModuleType, reads: float, least: int) -> None:
    """`reads`: how eagerly the host does; 0: not at all."""
    rng = random.Random(reads)
    whole = 0
    for _ in range(5000):
        while rng.random() < reads:
            usb.fetch()
        count = rng.randint(7, 162)
        if driver.takes(count):
            whole += 1
            usb.write(count)
        else:  # port.write, a byte at a time where poll says so
            for _ in range(min(count, usb.room)):
                usb.write(1)
                if rng.random() < reads / 20:
                    usb.fetch()
    assert whole >= least


def test_lines_of_one_step_go_whole(usb: Usb, driver: ModuleType) -> None:
    for _ in range(3):
        for count in (54, 38, 100):
            assert driver.takes(count)
            usb.write(count)
        while usb.flying:
            usb.fetch()
    assert not driver.takes(SIZE + 1)
