# SPDX-License-Identifier: MIT
"""Print what a native .mpy costs: its size, and its RAM once loaded (code and constants are copied).

mpy_size.py FILE [ARCH]    exit status 1 where it is no module that every board of ARCH loads
"""

import sys
from pathlib import Path

__all__ = ["main"]

ABI = (6, 3)  # second byte, and bits 0 and 1 of the third
# Bits 2 to 5 of the third byte.
ARCHES = ("none", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa",
          "xtensawin", "rv32imc", "rv64imc", "", "", "")  # fmt: skip
NATIVE_VIPER = 2
ARCH_FLAGS = 0x40  # of the third byte: extensions that the board must have follow the header
HAS_RODATA, HAS_BSS = 0x20, 0x40


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def uint(self) -> int:
        value = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value = value << 7 | (byte & 0x7F)
            if byte < 0x80:
                return value


def main(path: str, wanted: str = "") -> None:
    """Print one line on the native module at ``path``."""
    data = Path(path).read_bytes()
    if len(data) < 6 or data[:1] not in (b"M", b"C"):
        sys.exit(f"{path}: not a .mpy")
    arch = ARCHES[data[2] >> 2 & 0x0F]
    if wanted and (arch, data[1], data[2] & 3) != (wanted, *ABI):
        sys.exit(f"{path}: is for {arch} and ABI {data[1]}.{data[2] & 3}, not for {wanted} and {ABI[0]}.{ABI[1]}")
    if wanted and data[2] & ARCH_FLAGS:
        sys.exit(f"{path}: names extensions of {arch}, and boards without them refuse it")
    reader = _Reader(data)
    reader.at = 4
    n_qstr = reader.uint()
    reader.uint()  # objects: none in a native module
    for _ in range(n_qstr):
        length = reader.uint()
        reader.at += 0 if length & 1 else (length >> 1) + 1
    kind_len = reader.uint()
    if kind_len & 3 != NATIVE_VIPER:
        sys.exit(f"{path}: not a native module")
    text = kind_len >> 3
    reader.at += text
    flags = reader.uint()
    rodata = reader.uint() if flags & HAS_RODATA else 0
    bss = reader.uint() if flags & HAS_BSS else 0
    ram = text + rodata + bss
    print(f"{Path(path).name} {arch}: {len(data)} bytes; {ram} bytes of RAM on load "
          f"(code {text}, constants {rodata}, zeroed {bss})")  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
