# SPDX-License-Identifier: MIT
"""Print what a native .mpy costs: its size, and its RAM once loaded (code and constants are copied).

mpy_size.py FILE [ARCH [INTERPRETER]]    exit status 1 where it is no module that every board of ARCH loads
"""

import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Module", "main"]

ABI = (6, 3)  # second byte, and bits 0 and 1 of the third
# Bits 2 to 5 of the third byte.
ARCHES = ("none", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa",
          "xtensawin", "rv32imc", "rv64imc", "", "", "")  # fmt: skip
NATIVE_VIPER = 2
ARCH_FLAGS = 0x40  # of the third byte: extensions that the board must have follow the header
# By the first byte: the interpreter; its flags that relocations, constants and zeroed memory follow; and where in its
# table of functions the types and streams lie, all that is referred to by number. circuitpython.py says why.
FORMS = {
    b"M": ("micropython", (0x10, 0x20, 0x40), range(73, 87)),
    b"C": ("circuitpython", (0x20, 0x40, 0x80), range(74, 88)),
}
# What a place is relocated to: sections, the names and the objects of the module, the table, and from 9 on its entries.
TO_TEXT, TO_CONSTANTS, TO_ZEROED, TO_NAMES, TO_OBJECTS, TO_TABLE, TO_ENTRY = 0, 1, 2, 6, 7, 8, 9
END = 0xFF


class Module:
    """A native .mpy, read to its end. IndexError or ValueError: it is none."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 4
        if data[:1] not in FORMS:
            raise ValueError("not a .mpy")
        self.interpreter, marks, self.entries = FORMS[data[:1]]
        self.arch, self.abi = ARCHES[data[2] >> 2 & 0x0F], (data[1], data[2] & 3)
        n_qstr = self._uint()
        self._uint()  # objects: none in a native module
        for _ in range(n_qstr):
            length = self._uint()
            self.at += 0 if length & 1 else (length >> 1) + 1
        kind_len = self._uint()
        if kind_len & 3 != NATIVE_VIPER:
            raise ValueError("not a native module")
        self.text = kind_len >> 3
        self.at += self.text
        flags = self._uint()
        if flags & ~sum(marks) or not flags & marks[0]:
            raise ValueError(f"flags {flags:#x}, which {self.interpreter} takes for others")
        self.rodata = self._uint() if flags & marks[1] else 0
        self.bss = self._uint() if flags & marks[2] else 0
        self.at += self.rodata
        self.relocations = list(self._relocations())
        if self.at != len(data):
            raise ValueError("relocations do not end with the file")

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _uint(self) -> int:
        value = 0
        while True:
            byte = self._byte()
            value = value << 7 | (byte & 0x7F)
            if byte < 0x80:
                return value

    def _relocations(self) -> Iterator[int]:
        """What each place is relocated to; as mp_native_relocate in MicroPython's py/persistentcode.c."""
        word = 8 if self.arch == "x64" else 4
        place, room = 0, 0
        while (op := self._byte()) != END:
            if op & 1:
                where = self._uint()
                place, room = (where >> 1) * word, self.rodata if where & 1 else self.text
            to, count = op >> 1, 1
            if to < TO_NAMES:
                count = self._uint() if to & 1 else 1
                to >>= 1
            elif to >= TO_ENTRY and to - TO_ENTRY not in self.entries:
                raise ValueError(f"entry {to - TO_ENTRY} of the table, which is no type and no stream")
            place += count * word
            if place > room:
                raise ValueError(f"a relocation at {place - word:#x}, behind the {room:#x} bytes that are there")
            yield from [to] * count


def main(path: str, wanted: str = "", interpreter: str = "") -> None:
    """Print one line on the native module at ``path``."""
    data = Path(path).read_bytes()
    try:
        module = Module(data)
    except (IndexError, ValueError) as error:
        sys.exit(f"{path}: {error}")
    if wanted and (module.arch, module.abi) != (wanted, ABI):
        is_for = f"{module.arch} and ABI {module.abi[0]}.{module.abi[1]}"
        sys.exit(f"{path}: is for {is_for}, not for {wanted} and {ABI[0]}.{ABI[1]}")
    if interpreter and module.interpreter != interpreter:
        sys.exit(f"{path}: is for {module.interpreter}, not for {interpreter}")
    if wanted and data[2] & ARCH_FLAGS:
        sys.exit(f"{path}: names extensions of {module.arch}, and boards without them refuse it")
    name, ram = Path(path).name.replace(".native.mpy", ".mpy"), module.text + module.rodata + module.bss
    whose = f"{module.interpreter} " if module.interpreter != "micropython" else ""
    print(f"{name} {whose}{module.arch}: {len(data)} bytes; {ram} bytes of RAM on load "
          f"(code {module.text}, constants {module.rodata}, zeroed {module.bss})")  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
