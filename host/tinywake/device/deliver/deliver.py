# SPDX-License-Identifier: MIT
"""Find the board that is meant, see what it runs, and choose the way by which it gets a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinywake.compiler.twm.unpack import unpack
from tinywake.device.circuitpy.deploy import CircuitReport
from tinywake.device.circuitpy.deploy import Order as CircuitOrder
from tinywake.device.circuitpy.deploy import deploy as put_circuitpy
from tinywake.device.circuitpy.find import Found, answers_at, find
from tinywake.device.deploy import Choices, DeployReport, check_choices, deploy, watched
from tinywake.device.swap import SwapReport, swap
from tinywake.device.usb.find import find_board
from tinywake.errors import ConfigError, TinywakeError

__all__ = ["Delivery", "Order", "Report"]

Report = SwapReport | DeployReport | CircuitReport


@dataclass(frozen=True)
class Order:
    """What the user asks for. None: whatever fits, or what the board has."""

    model: Path
    port: str | None = None
    drive: Path | None = None  # CircuitPython's
    board: str | None = None  # a name under boards/
    gate: str | None = None  # see gate.gate_named
    no_gate: bool = False
    home: str | None = None  # one of boards.HOMES
    recorder: bool = False
    main: bool = False  # CircuitPython: a code.py that listens
    reset: bool = False  # not by swap

    @property
    def choices(self) -> Choices:
        """As MicroPython's deploy has them."""
        return Choices(gate=self.gate, no_gate=self.no_gate, home=self.home, recorder=self.recorder)

    @property
    def for_model_alone(self) -> bool:
        """Whether nothing is asked for that a board which listens cannot have done while it goes on."""
        named = (self.board, self.gate, self.home, self.drive)
        return not (self.reset or self.no_gate or self.recorder or self.main or any(each is not None for each in named))


class Delivery:
    """An order, checked, and the board that it is for."""

    def __init__(self, order: Order) -> None:
        """Raises ConfigError, FormatError or DeviceError: for a name that is wrong, or where the board is not found."""
        self._order = order
        self._files = [order.model, *filter(None, (order.choices.gate_file,))]
        check_choices(order.board, order.choices)
        self._check()
        self._circuitpy = find(order.port, order.drive)
        self._port = (self._circuitpy.port or "") if self._circuitpy else order.port or find_board()

    def once(self, on_progress: Callable[[str, float], None]) -> Report:
        """Have the board listen for the model. on_progress: called with what is done, and how much of it, 0..1."""
        order = self._order
        if self._circuitpy is None and order.for_model_alone:
            taken = swap(self._port, order.model, lambda fraction: on_progress("sending", fraction))
            if taken is not None:
                return taken
        on_progress("deploying", 0.0)
        return self._put()

    def again(self) -> Iterator[Report | TinywakeError]:
        """Now and after each change of a file that goes there, without end: see deploy.watch."""
        return watched(self._put, self._files, self._order.board)

    def _check(self) -> None:
        for path in self._files:
            unpack(path)

    def _put(self) -> DeployReport | CircuitReport:
        self._check()  # a file that was written anew while we watched
        order = self._order
        at = self._circuitpy or (Found(None, self._port) if self._port and answers_at(self._port) else None)
        if at is None:
            if order.main:
                raise ConfigError("--main is for CircuitPython: on MicroPython a main.py is put where there is none")
            return deploy(self._port, order.model, board=order.board, choices=order.choices)
        if order.home not in (None, "heap"):
            raise ConfigError(f"--home {order.home}: on CircuitPython a model is copied to the heap")
        wanted = CircuitOrder(order.model, order.board, order.gate, order.no_gate, order.recorder, order.main)
        return put_circuitpy(at, wanted)
