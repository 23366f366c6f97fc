"""Bare-metal programs on an emulated Cortex-M4 or M3: MPS2's images AN386 and AN385 in QEMU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORE = HERE.parents[2] / "firmware" / "core"
# As dynruntime.mk and natmod.mk build the native modules for armv7emsp and armv7m, but file by file.
FLAGS = ["-std=c99", "-Os", "-mthumb", "-ffreestanding",
         "-fno-tree-loop-distribute-patterns", "-fno-common", "-ffunction-sections", "-Wall", "-Wextra"]  # fmt: skip
PROCESSORS = {  # the machine and the compiler's options
    "cortex-m4": ("mps2-an386", ["-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]),
    "cortex-m3": ("mps2-an385", ["-mcpu=cortex-m3"]),
}


def lacks() -> str | None:
    """None where such programs can be built and run, else what is missing."""
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            return f"needs {tool} (tools/setup.sh cross)"
    return None


def build(folder: Path, program: Path, sources: str, processor: str = "cortex-m4") -> Path:
    """Compile and link a program with those files of the core; return the .elf."""
    files = sorted({path for pattern in sources.split() for path in CORE.glob(f"{pattern}.c")})
    elf = folder / "program.elf"
    subprocess.run(
        ["arm-none-eabi-gcc", *FLAGS, *PROCESSORS[processor][1], f"-I{CORE}", f"-I{HERE}", "-nostartfiles",
         "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments", f"-T{HERE / 'm4.ld'}", str(program),
         str(HERE / "reset.c"), *map(str, files),
         str(HERE.parent / "m0" / "libc.c"), "-lgcc", "-o", str(elf)],
        check=True,
    )  # fmt: skip
    return elf


def run(elf: Path, job: bytes, timeout_s: float = 300, processor: str = "cortex-m4") -> bytes:
    """Run a program on a job: what it sent."""
    path = elf.with_suffix(".job")
    path.write_bytes(job)
    done = subprocess.run(
        ["qemu-system-arm", "-M", PROCESSORS[processor][0], "-display", "none", "-monitor", "none", "-serial", "none",
         "-nic", "none", "-semihosting-config", "enable=on,target=native", "-kernel", str(elf),
         "-device", f"loader,file={path},addr=0x200000,force-raw=on"],
        capture_output=True, timeout=timeout_s, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"the program ended with {done.returncode}: {done.stderr.decode()}")
    return done.stdout
