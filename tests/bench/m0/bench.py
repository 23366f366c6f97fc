"""Cortex-M0+ cycles of networks, operator by operator, on the bare metal of an emulated RP2040 (rp2040js).

    .venv/bin/python tests/bench/m0/bench.py NETWORK... [--profile] [--flags=-O2]

NETWORK is a .tflite or .twm; without one, some of TINYWAKE_REFERENCE. The same network gives the same figures every
time: zero wait states, no interpreter, inputs of a fixed generator. Outputs are compared with the host library's.
RP2040JS names the folder of the npm package, if not where `make targets-all` puts it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from tinywake.compiler.build import compile_tflite
from tinywake.compiler.twm.unpack import TwmFile, parse
from tinywake.core import Model

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[2]
REFERENCE = Path(os.environ.get("TINYWAKE_REFERENCE", REPO.parent / "shared" / "reference"))
NETWORKS = (
    "mlperf-tiny/kws_ref_model",
    "micro-wake-word/okay_nabu",
    "micro-wake-word/hey_jarvis",
    "mlperf-tiny/str_ww_ref_model",
    "micro-speech/micro_speech_quantized",
    "mlperf-tiny/vww_96_int8",
)
CORE = REPO / "firmware" / "core"
# As dynruntime.mk and natmod.mk build the native module, but file by file and with libgcc's division.
FLAGS = ["-std=c99", "-Os", "-mcpu=cortex-m0plus", "-mthumb", "-ffreestanding", "-fno-tree-loop-distribute-patterns",
         "-fpic", "-fno-common", "-ffunction-sections", "-Wall", "-Wextra", "-fno-inline-functions-called-once",
         "-fno-tree-loop-optimize", "-fno-move-loop-invariants", "-fno-ipa-sra", "-fno-tree-sink",
         "-fno-tree-tail-merge", "-fno-tree-dominator-opts"]  # fmt: skip


def rp2040js() -> Path | None:
    """The npm package's folder, where there are it and node to run it."""
    installed = REPO / "build" / "targets" / "rp2040" / "emulator" / "node_modules" / "rp2040js"
    place = Path(os.environ.get("RP2040JS", installed))
    return place if shutil.which("node") and (place / "package.json").is_file() else None


def build(folder: Path, program: Path, flags: list[str], sources: str = "*") -> Path:
    """Compile and link a program with those files of the core; return the .elf, beside which lies the .bin."""
    files = sorted({path for pattern in sources.split() for path in CORE.glob(f"{pattern}.c")})
    elf = folder / "program.elf"
    subprocess.run(
        ["arm-none-eabi-gcc", *FLAGS, *flags, f"-I{CORE}", f"-I{HERE}", "-nostartfiles", "-Wl,--gc-sections",
         "-Wl,--no-warn-rwx-segments", f"-T{HERE / 'm0.ld'}", str(program), *map(str, files),
         str(HERE / "libc.c"), "-lgcc", "-o", str(elf)],
        check=True,
    )  # fmt: skip
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", str(elf), str(elf.with_suffix(".bin"))], check=True)
    return elf


def run(elf: Path, job: bytes, profile: Path | None = None) -> tuple[list[int], bytes]:
    """Run a program on a job: the cycles of its laps, and what it sent."""
    path = elf.with_suffix(".job")
    path.write_bytes(job)
    library = rp2040js()
    if library is None:
        raise SystemExit("rp2040js is not here: make targets-all, or set RP2040JS to the folder of the npm package")
    command = ["node", str(HERE / "m0.mjs"), str(library), str(elf.with_suffix(".bin")), str(path)]
    done = subprocess.run([*command, *([str(profile)] if profile else [])], check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    if told["exit"]:
        raise SystemExit(f"the program ended with {told['exit']}")
    return told["cycles"], bytes.fromhex(told["output"])


def by_function(elf: Path, profile: Path) -> list[tuple[int, str]]:
    """Cycles by symbol, most first."""
    listing = subprocess.run(["arm-none-eabi-nm", "-n", str(elf)], check=True, capture_output=True, text=True).stdout
    symbols = [(int(at, 16), name) for at, kind, name in map(str.split, listing.splitlines()) if kind in "tT"]
    total: dict[str, int] = {}
    for at, cycles in json.loads(profile.read_text()).items():
        name = next((name for start, name in reversed(symbols) if start <= int(at)), "?")
        total[name] = total.get(name, 0) + cycles
    return sorted(((cycles, name) for name, cycles in total.items()), reverse=True)


def macs(file: TwmFile, number: int) -> int:
    """Multiply-accumulates of an operator, by its record."""
    op = file.ops[number]
    (h, w, c), y = file.tensors[op.inputs[0]].hwc, file.tensors[op.output]
    if op.kind == "CONV_2D":
        return y.count * op.kernel[0] * op.kernel[1] * c
    if op.kind == "DEPTHWISE_CONV_2D":
        return y.count * op.kernel[0] * op.kernel[1]
    if op.kind == "FULLY_CONNECTED":
        return h * w * c * y.hwc[2]
    return h * w * c * file.tensors[op.inputs[-1]].count // 4 if op.kind == "FULLY_CONNECTED_PART" else 0


def bench(elf: Path, path: Path, profile: bool) -> None:
    """Print one network's table."""
    blob = path.read_bytes() if path.suffix == ".twm" else compile_tflite(path).blob
    file, model = parse(blob), Model(blob)
    x = np.random.default_rng(1).integers(-128, 128, (3, model.input_bytes)).astype(np.int8)
    job = struct.pack("<II", len(blob), len(x)) + blob + bytes(-len(blob) % 4) + x.tobytes()
    counts = elf.with_suffix(".profile")
    cycles, output = run(elf, job, counts if profile else None)
    if output != b"".join(bytes(model.invoke(row)) for row in x):
        raise SystemExit(f"{path.name}: the output is not the host's")
    print(f"\n{path.stem}: opening {cycles[0]:,}, invoke {cycles[-1]:,} cycles")
    for number, (op, spent) in enumerate(zip(file.ops, cycles[1:-1], strict=True)):
        work = macs(file, number)
        shape = "x".join(map(str, file.tensors[op.output].hwc))
        print(f"  {number:3} {op.kind:20} {shape:>12} {spent:11,} {f'{spent / work:8.2f} a MAC' if work else ''}")
    if profile:
        for spent, name in by_function(elf, counts)[:16]:
            print(f"  {spent:11,} {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", type=Path)
    parser.add_argument("--profile", action="store_true", help="cycles by function, over all that is measured")
    parser.add_argument("--flags", action="append", default=[], help="for the compiler, behind a native module's")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tinywake-m0-"))
    try:
        elf = build(folder, HERE / "invoke.c", options.flags)
        for path in options.networks or [REFERENCE / f"{name}.tflite" for name in NETWORKS]:
            bench(elf, path, options.profile)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
