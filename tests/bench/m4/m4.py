"""Bare-metal programs on an emulated Cortex-M4: MPS2's image AN386 in QEMU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORE = HERE.parents[2] / "firmware" / "core"
# As dynruntime.mk and natmod.mk build the native module for armv7emsp, but file by file.
FLAGS = ["-std=c99", "-Os", "-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-ffreestanding",
         "-fno-tree-loop-distribute-patterns", "-fno-common", "-ffunction-sections", "-Wall", "-Wextra"]  # fmt: skip


def lacks() -> str | None:
    """None where such programs can be built and run, else what is missing."""
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            return f"needs {tool} (tools/setup.sh cross)"
    return None


def build(folder: Path, program: Path, sources: str) -> Path:
    """Compile and link a program with those files of the core; return the .elf."""
    files = sorted({path for pattern in sources.split() for path in CORE.glob(f"{pattern}.c")})
    elf = folder / "program.elf"
    subprocess.run(
        ["arm-none-eabi-gcc", *FLAGS, f"-I{CORE}", f"-I{HERE}", "-nostartfiles", "-Wl,--gc-sections",
         "-Wl,--no-warn-rwx-segments", f"-T{HERE / 'm4.ld'}", str(program), str(HERE / "reset.c"), *map(str, files),
         str(HERE.parent / "m0" / "libc.c"), "-lgcc", "-o", str(elf)],
        check=True,
    )  # fmt: skip
    return elf


def run(elf: Path, job: bytes, timeout_s: float = 300) -> bytes:
    """Run a program on a job: what it sent."""
    path = elf.with_suffix(".job")
    path.write_bytes(job)
    done = subprocess.run(
        ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none",
         "-nic", "none", "-semihosting-config", "enable=on,target=native", "-kernel", str(elf),
         "-device", f"loader,file={path},addr=0x200000,force-raw=on"],
        capture_output=True, timeout=timeout_s, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"the program ended with {done.returncode}: {done.stderr.decode()}")
    return done.stdout
