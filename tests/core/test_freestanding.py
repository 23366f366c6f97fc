"""The core knows nothing: it includes four headers, calls mem* and named compiler helpers, and has no writable data."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HEADERS = {"stdbool.h", "stddef.h", "stdint.h", "string.h"}
MEMORY = {"memcpy", "memmove", "memset"}
# What each compiler may call for what its instruction set lacks: integer multiplication, division, shifts, switch
# tables and register saves. None is for floating point.
ARCHITECTURES = {
    "gcc": ([], {"_GLOBAL_OFFSET_TABLE_"}),
    "arm-none-eabi-gcc": (
        ["-mcpu=cortex-m0plus", "-mthumb"],
        {"__aeabi_lmul", "__aeabi_uidiv", "__aeabi_idiv", "__aeabi_uidivmod", "__aeabi_idivmod", "__aeabi_llsl",
         "__aeabi_llsr", "__aeabi_lasr", "__gnu_thumb1_case_uqi", "__gnu_thumb1_case_sqi", "__gnu_thumb1_case_uhi",
         "__gnu_thumb1_case_shi", "__gnu_thumb1_case_si"},
    ),
    "riscv64-unknown-elf-gcc": (
        ["--specs=picolibc.specs", "-march=rv32imc", "-mabi=ilp32"],
        {"__ashldi3", "__ashrdi3", "__lshrdi3",
         *(f"__riscv_{what}_{n}" for what in ("save", "restore") for n in range(13))},
    ),
}  # fmt: skip


def objects(repo: Path, folder: Path, compiler: str, flags: list[str]) -> list[Path]:
    core = repo / "firmware" / "core"
    out = []
    for source in sorted(core.glob("*.c")):
        out.append(folder / f"{source.stem}.o")
        subprocess.run(
            [compiler, "-std=c99", "-O2", "-ffreestanding", *flags, "-c", str(source), "-o", str(out[-1])], check=True
        )
    return out


@pytest.mark.parametrize("compiler", ARCHITECTURES)
def test_undefined_symbols(repo: Path, tmp_path: Path, compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    flags, helpers = ARCHITECTURES[compiler]
    files = objects(repo, tmp_path, compiler, flags)
    listing = subprocess.run(["nm", *map(str, files)], check=True, capture_output=True, text=True).stdout
    defined = set(re.findall(r"^[0-9a-f]+ [A-Za-z] (\S+)$", listing, re.M))
    undefined = set(re.findall(r"^ +U (\S+)$", listing, re.M)) - defined
    assert undefined <= MEMORY | helpers
    writable = re.findall(r"^[0-9a-f]+ ([bBdDcC]) (\S+)$", listing, re.M)
    assert not writable, "the core has no global variables"


def test_includes(repo: Path) -> None:
    core = repo / "firmware" / "core"
    own = {path.name for path in core.glob("*.h")}
    for path in sorted(core.glob("*.[ch]")):
        for header in re.findall(r"^#include [<\"](.+)[>\"]", path.read_text(), re.M):
            assert header in HEADERS | own, f"{path.name} includes {header}"


def test_no_floating_point(repo: Path) -> None:
    for path in sorted((repo / "firmware" / "core").glob("*.[ch]")):
        code = re.sub(r"//.*", "", path.read_text())
        assert not re.search(r"\b(float|double)\b", code), path.name
