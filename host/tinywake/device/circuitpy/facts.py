# SPDX-License-Identifier: MIT
"""What a CircuitPython board says of itself: in boot_out.txt on its drive, and more at its prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tinywake.device.firmware import ABI, read_mpy
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["BOOT_OUT", "Facts", "answers", "ask_facts", "read_boot_out", "which_to_install", "why_no_modules"]

BOOT_OUT = "boot_out.txt"  # at the top of the drive; written at each start but one in safe mode
_FIRST = {"RP2": (10, 3, 1)}  # that loads native modules, by the beginning of the chip's name
_ELSEWHERE = (10, 4)  # and a pre-release of it will do
_CHIPS = {"RP2040": "armv6m", "RP2350": "armv7emsp", "ESP32": "xtensawin", "ESP32-S2": "xtensawin",
          "ESP32-S3": "xtensawin", "ESP32-C3": "rv32imc", "ESP32-C6": "rv32imc"}  # fmt: skip
_MICROPHONES = ("audioi2sin", "audiobusio", "rp2pio")  # modules of a build that has an input for one

_ASK = """
import gc, os, sys
gc.collect()
free = gc.mem_free()
def tried(what):
    try:
        return what()
    except (AttributeError, ImportError, NotImplementedError, OSError):
        return None
def uid():
    import microcontroller
    return "".join("%02X" % byte for byte in microcontroller.cpu.uid)
def held():
    import storage
    return storage.getmount("/").readonly
def safe():
    import supervisor
    return str(supervisor.runtime.safe_mode_reason).split(".")[-1]
def board_id():
    import board
    return board.board_id
def there(name):
    __import__(name)
    return True
named = os.uname()
answer({"name": sys.implementation[0], "version": named[3], "machine": named[4], "free": free,
        "mpy": getattr(sys.implementation, "_mpy", 0), "uid": tried(uid), "held": tried(held), "safe": tried(safe),
        "board": tried(board_id), "modules": [each for each in MODULES if tried(lambda: there(each))]})
"""


@dataclass(frozen=True)
class Facts:
    """A CircuitPython board. None: only its prompt says that, and it was not asked."""

    version: str  # "10.3.1", "10.4.0-alpha.2"
    board_id: str  # "raspberry_pi_pico"; empty: it does not say
    uid: str  # of the chip, in upper case hex, as its USB serial number; empty: it does not say
    machine: str  # "Raspberry Pi Pico with rp2040"
    mpy: int | None = None  # sys.implementation._mpy; 0: it loads no native modules
    read_only: bool | None = None  # to the board's own code; then a computer may write, and else not
    safe_mode: str = ""  # why it is in it, "BROWNOUT"; empty: it is not
    heap_free: int | None = None  # bytes, at the prompt
    modules: tuple[str, ...] | None = None  # of _MICROPHONES those that the build has

    def __str__(self) -> str:
        """For one line to people."""
        return f"CircuitPython {self.version} on {self.machine or self.board_id or 'a board that does not say'}"

    @property
    def chip(self) -> str:
        """As board.toml has it: RP2350, ESP32-S3; as the board says, where no board here has such a chip."""
        said = self.machine.rpartition(" with ")[2].strip()
        plain = said.upper().replace("-", "")
        longest = sorted(_CHIPS, key=len, reverse=True)
        return next((chip for chip in longest if plain.startswith(chip.replace("-", ""))), said)

    @property
    def arch(self) -> str:
        """Of the native modules that it loads; "none": it loads none, or is not known to."""
        return _CHIPS.get(self.chip, "none") if self.mpy is None else read_mpy(self.mpy)[0]


def read_boot_out(text: str) -> Facts | None:
    """What boot_out.txt says; None where it is not CircuitPython's."""
    first = re.search(r"CircuitPython (\S+) on [^;\n]*; ?([^\r\n]*)", text)
    if first is None:
        return None
    found = dict(re.findall(r"^(Board ID|UID): ?(\S+)", text, re.MULTILINE))
    return Facts(first[1], found.get("Board ID", ""), found.get("UID", "").upper(), first[2].strip())


def answers(repl: RawRepl) -> bool:
    """Whether it is CircuitPython. Raises DeviceError.

    One for tests has its name and native ABI, and is MicroPython in all else (firmware/targets/circuitpython).
    """
    said = repl.ask("import os, sys\nanswer([sys.implementation[0], hasattr(os, 'uname')])")
    return bool(said == ["circuitpython", True])


def ask_facts(repl: RawRepl) -> Facts | None:
    """Ask at the prompt, after a reset; None where it is no CircuitPython that answers. Raises DeviceError."""
    if not answers(repl):
        return None
    said: dict[str, Any] = repl.ask(f"MODULES = {_MICROPHONES!r}\n" + _ASK)
    safe = said["safe"] or ""
    return Facts(
        version=str(said["version"]).partition(" ")[0],
        board_id=said["board"] or "",
        uid=said["uid"] or "",
        machine=str(said["machine"]),
        mpy=int(said["mpy"]),
        read_only=said["held"],
        safe_mode="" if safe == "NONE" else safe,
        heap_free=int(said["free"]),
        modules=tuple(said["modules"]),
    )


def why_no_modules(facts: Facts) -> str | None:
    """Why it loads no native module of ours, and what to install, to go behind its name; None: no reason is known."""
    if _numbers(facts.version) < _needed(facts.chip):
        return f"loads no native modules: {which_to_install(facts.chip)}"
    if facts.arch == "none":
        return f"loads no native modules on {facts.chip or 'this chip'}: tinywake has none for it"
    if facts.mpy and read_mpy(facts.mpy)[1] != ABI:
        theirs, ours = (".".join(map(str, abi)) for abi in (read_mpy(facts.mpy)[1], ABI))
        return f"loads .mpy files of version {theirs}, tinywake's are {ours}: update tinywake"
    return None


def which_to_install(chip: str) -> str:
    """The first CircuitPython that serves a chip, in words."""
    version = ".".join(map(str, _needed(chip)))
    if chip.startswith("RP2"):
        return f"install CircuitPython {version} or later"
    return f"install CircuitPython {version} or later; in September 2026 that was a pre-release (alpha), not yet stable"


def _needed(chip: str) -> tuple[int, ...]:
    return next((version for start, version in _FIRST.items() if chip.startswith(start)), _ELSEWHERE)


def _numbers(version: str) -> tuple[int, ...]:
    """Of "10.4.0-alpha.2": (10, 4, 0). Pre-releases count as what they come before. Raises DeviceError."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    if found is None:
        raise DeviceError(f"CircuitPython {version!r}: this is no version; is {BOOT_OUT} damaged? Reset the board")
    return tuple(map(int, found[0].split(".")))
