# SPDX-License-Identifier: MIT
"""Boards that QEMU emulates, with our small port of MicroPython (firmware/targets/qemu)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tinywake.device import places
from tinywake.device.targets.process import ProcessTarget
from tinywake.errors import ToolError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["QemuArmv6m", "QemuArmv7em", "QemuBoard", "QemuMicrobit", "QemuRv32imc", "QemuXtensawin"]


class QemuBoard(ProcessTarget):
    """A machine of QEMU's. A subclass says which."""

    name: ClassVar[str]  # among the targets
    firmware: ClassVar[str]  # in build/targets/qemu/
    machine: ClassVar[tuple[str, ...]]  # QEMU and its options
    built_by: ClassVar[str] = "make targets"
    icount: ClassVar[str]  # that make qemu.instructions() on the board exact

    def __init__(self, *, counting: bool = False) -> None:
        """A board, not booted yet.

        `counting`: its clock goes by instructions executed, not by time, so that qemu.instructions() on it is exact
        and the same in every run.
        """
        super().__init__()
        self._counting = counting

    @classmethod
    def counting(cls) -> Self:
        """See __init__."""
        return cls(counting=True)

    @classmethod
    def _image(cls) -> Path | None:
        root = places.checkout()
        return root and root / "build" / "targets" / "qemu" / f"{cls.firmware}.elf"

    @classmethod
    def available(cls) -> str | None:
        """None where it can run, else one line: what is missing and how to get it."""
        image = cls._image()
        if os.name != "posix":
            return f"{cls.name}: needs a Unix; on Windows use WSL"
        if image is None:
            return f"{cls.name}: needs a checkout of the project, where {cls.built_by} builds it"
        if shutil.which(cls.machine[0]) is None:
            return f"{cls.name}: no {cls.machine[0]}: tools/setup.sh cross installs it where apt does"
        return None if image.exists() else f"{cls.name}: the firmware is not built: {cls.built_by}"

    def _command(self, line: int) -> list[str]:
        image = self._image()
        if image is None or not image.exists():
            raise ToolError(self.available() or f"{image} is missing: {self.built_by}")
        counting = ["-icount", self.icount] if self._counting else []
        # No monitor, no network, no access to files of this computer.
        return [*self.machine, "-kernel", str(image.resolve()), *counting, "-display", "none", "-monitor", "none",
                "-nic", "none", "-chardev", f"socket,id=line,fd={line}", "-serial", "chardev:line"]  # fmt: skip


class QemuArmv6m(QemuBoard):
    """Armv6-M code on a Cortex-M3 (MPS2 with image AN385). A Thumb-2 instruction that strayed in would pass here."""

    name = "qemu-armv6m"
    board = "QEMU_ARMV6M"
    firmware = "armv6m"
    machine = ("qemu-system-arm", "-M", "mps2-an385")
    icount = "shift=10,sleep=off"


class QemuArmv7em(QemuBoard):
    """A Cortex-M4 with its DSP instructions and floats (MPS2 with image AN386); it runs what a Cortex-M33 runs."""

    name = "qemu-armv7em"
    board = "QEMU_ARMV7EM"
    firmware = "armv7em"
    machine = ("qemu-system-arm", "-M", "mps2-an386")
    built_by = "make targets-all"
    icount = "shift=10,sleep=off"


class QemuMicrobit(QemuBoard):
    """A Cortex-M0, which knows no instructions but Armv6-M's. With more flash and RAM than a real micro:bit."""

    name = "qemu-microbit"
    board = "QEMU_ARMV6M"
    firmware = "microbit"
    machine = ("qemu-system-arm", "-M", "microbit", "-global", "nrf51-soc.flash-size=1048576",
               "-global", "nrf51-soc.sram-size=4194304")  # fmt: skip
    icount = "shift=10,sleep=off"


class QemuRv32imc(QemuBoard):
    """A RISC-V core of RV32IMC and no more, as the ESP32-C3 has."""

    name = "qemu-rv32imc"
    board = "QEMU_RV32IMC"
    firmware = "rv32imc"
    machine = ("qemu-system-riscv32", "-M", "virt", "-cpu", "rv32,a=false,f=false,d=false", "-bios", "none")
    icount = "shift=0,sleep=off"


class QemuXtensawin(QemuBoard):
    """An Xtensa core with register windows, as the ESP32 has, without floats and with half its multiplier."""

    name = "qemu-xtensawin"
    board = "QEMU_XTENSAWIN"
    firmware = "xtensawin"
    machine = ("qemu-system-xtensa", "-M", "kc705-nommu", "-cpu", "de212")
    built_by = "make targets-all"
    icount = "shift=10,sleep=off"
