# SPDX-License-Identifier: MIT
"""docs/BENCHMARKS.md: what modules, app and networks cost on every target, counted by the targets themselves.

    make bench [ARGS="--target rp2040 --network okay_nabu"]

measures again what is named (default: everything) on the targets that can run here, prints what has changed since the
figures in docs/benchmarks.json, and writes both files. Networks come from TINYWAKE_REFERENCE (default
../shared/reference), tests/vectors/networks and build/demo, where make demo has been. QEMU counts instructions and
rp2040js cycles: the same in every run.
What takes long is to listen for ten minutes on each target; it is left out where six seconds give the figures that are
there. `--part heap --minutes 1` is quicker still; `--part modules` counts the bytes of the modules and no more.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tinywake.compiler.build import compile_tflite
from tinywake.compiler.manifest import read_manifest
from tinywake.device.firmware import ABI, built_module, read_native
from tinywake.device.targets.registry import TARGETS
from tinywake.errors import TinywakeError
from tinywake.pipeline.benching import bench

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO / "tests" / "device"), str(REPO / "tests" / "bench" / "m0")]

import bench as m0  # noqa: E402
from in_flash import listening_in_flash  # noqa: E402
from page import LAYERS, STREAMING, WHOLE, page, unit_of  # noqa: E402
from ram import homes_of, ram_of  # noqa: E402

REFERENCE = Path(os.environ.get("TINYWAKE_REFERENCE", REPO.parent / "shared" / "reference"))
PAGE, FIGURES = REPO / "docs" / "BENCHMARKS.md", REPO / "docs" / "benchmarks.json"

ARCHES = ("x64", "armv6m", "armv7m", "armv7emsp", "rv32imc", "xtensawin")
# Clocks of other targets are noise.
MEASURED = ("qemu-armv6m", "qemu-armv7em", "qemu-rv32imc", "qemu-xtensawin", "rp2040")
ALSO_HEAP = ("unix", "qemu-microbit", "circuitpython")
KWS = "keyword spotting"
NETWORKS = {
    "okay_nabu": REFERENCE / "micro-wake-word" / "okay_nabu.json",
    "hey_jarvis": REFERENCE / "micro-wake-word" / "hey_jarvis.json",
    "vad": REFERENCE / "micro-wake-word" / "vad.json",
    KWS: REFERENCE / "mlperf-tiny" / "kws_ref_model.tflite",
    "micro_speech": REFERENCE / "micro-speech" / "micro_speech_quantized.tflite",
    STREAMING: REPO / "build" / "demo" / "model.twm",
    WHOLE: REPO / "build" / "demo" / "model.tflite",
    "streaming (golden)": REPO / "tests" / "vectors" / "networks" / "streaming.tflite",
}
# The heap: this network, while it hears this clip over and over.
LISTENS, CLIP = "okay_nabu", REFERENCE / "micro-wake-word" / "clips" / "okay_nabu_2.wav"
SHORT, SOAK, SOAK_UNIX, UNIX_RUNS = 0.1, 10.0, 60.0, 5  # minutes, runs
HEAP = ("file_bytes", "arena_bytes", "reset", "module", "app", "model", "listener", "start", "low", "end", "after")
HEARD = ("samples", "hits", "line_bytes")
TOOLS = {
    "arm-none-eabi-gcc": "-dumpfullversion", "riscv64-unknown-elf-gcc": "-dumpfullversion",
    "xtensa-lx106-elf-gcc": "-dumpfullversion", "qemu-system-arm": "--version", "node": "--version",
}  # fmt: skip


def file_name(network: str) -> str:
    return re.sub(r"[^a-z_]+", "_", network) + ".twm"


def compiled(name: str, folder: Path) -> None:
    source = NETWORKS[name]
    if source.suffix == ".twm":
        blob = source.read_bytes()
    elif source.suffix == ".json":
        manifest = read_manifest(source)
        blob = compile_tflite(manifest.network, listening=manifest.listening()).blob
    else:
        blob = compile_tflite(source).blob
    (folder / file_name(name)).write_bytes(blob)


def modules() -> dict[str, Any]:
    """By architecture, CircuitPython's as "circuitpython armv6m"; beside each those that only some boards load."""
    figures = {}
    for interpreter, prefix in (("micropython", ""), ("circuitpython", "circuitpython ")):
        for arch in ARCHES:
            path = built_module(arch, interpreter)
            if path is not None and f"_{path.parent.name}".endswith(f"_{arch}_{ABI[0]}.{ABI[1]}"):
                others = sorted(path.parent.glob("_tinywake_*.mpy"))
                figures[prefix + arch] = _bytes(path) | {"beside": {other.stem: _bytes(other) for other in others}}
    return figures


def _bytes(path: Path) -> dict[str, Any]:
    native = read_native(path)
    return {"file": native.file_bytes, "ram": native.ram}


def versions() -> dict[str, str]:
    found = {"tinywake": version("tinywake"), "native ABI": ".".join(map(str, ABI)), "host": platform.machine()}
    mpy = subprocess.run([REPO / "firmware/targets/fetch.sh"], capture_output=True, text=True, check=True).stdout
    found["MicroPython"] = Path(mpy.strip()).name.removeprefix("micropython-")
    for tool, option in TOOLS.items():
        try:
            said = subprocess.run([tool, option], capture_output=True, text=True, check=True).stdout
        except OSError:
            continue
        number = re.search(r"\d+(\.\d+)+", said)
        found[tool] = number[0] if number else "?"
    lock = json.loads((REPO / "firmware/targets/rp2040/package-lock.json").read_text())
    found["rp2040js"] = lock["packages"]["node_modules/rp2040js"]["version"]
    return found


def changes(old: Any, new: Any, path: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in sorted({*old, *new}):
            lines += changes(old.get(key), new.get(key), f"{path} / {key}" if path else str(key))
        return lines
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = zip(old, new, strict=True)
        return [line for at, (a, b) in enumerate(pairs) for line in changes(a, b, f"{path} / {at}")]
    if old == new:
        return []
    if isinstance(old, int) and isinstance(new, int) and old:
        return [f"{path}: {old:,} -> {new:,} ({100 * (new - old) / old:+.1f} %)"]
    return [f"{path}: new" if old is None else f"{path}: gone" if new is None else f"{path}: {old} -> {new}"]


def costs(target: str, names: Iterable[str], folder: Path) -> dict[str, Any]:
    """By network, what `tinywake bench` says there."""
    rows = {}
    for name in names:
        row = bench(folder / file_name(name), target, layers=target == LAYERS).facts()
        rows[name] = {key: value for key, value in row.items() if key not in ("model", "target")}
        if "xip_misses" in row:
            rows[name]["xip_misses_in_flash"] = listening_in_flash(folder / file_name(name)).misses
        print(f"{target}, {name}: {row[unit_of(row)]:,} {unit_of(row)}")  # type: ignore[str-format]
    return rows


def alone(folder: Path) -> dict[str, int]:
    """Without an interpreter: cycles of opening a listener; a network on this computer, the quickest, two digits."""
    blob = (folder / file_name(LISTENS)).read_bytes()
    job = struct.pack("<II", len(blob), 0) + blob + bytes(-len(blob) % 4)  # no invoke
    cycles, _ = m0.run(m0.build(folder, m0.HERE / "invoke.c", []), job)
    runs = [bench(folder / file_name(KWS), "host").counts.network for _ in range(UNIX_RUNS)]
    return {"open_cycles": cycles[0], "host_ns": int(float(f"{min(runs):.1e}"))}


def unix_steps(names: Iterable[str], folder: Path) -> dict[str, float]:
    """By network that listens, steps a second on this computer, two digits of them: the quickest of some runs."""
    steps = {}
    for name in names:
        rows = [bench(folder / file_name(name), "unix").facts() for _ in range(UNIX_RUNS)]
        least = min((int(str(row.get("step_app_microseconds", 0))) for row in rows), default=0)
        if least:
            steps[name] = float(f"{1e6 / least:.1e}")
    return steps


def heap(target: str, old: dict[str, Any], model: Path, minutes: float) -> dict[str, Any]:
    """By home, tests/device/ram_body.py's figures. Those of a long run stand where a short one still gives the same."""
    clip = CLIP.read_bytes()
    homes = homes_of(target)

    def listened(length: float) -> dict[str, Any]:
        found = ram_of(target, model, clip, dict.fromkeys(homes, length))
        facts = {"network": LISTENS, "minutes": length}
        return {home: {**facts, **{key: said[key] for key in (*HEAP, *HEARD)}} for home, said in found.items()}

    short = listened(min(minutes, SHORT))
    same = all(old.get(home, {}).get(key) == short[home][key] for home in homes for key in HEAP)
    if minutes <= SHORT or (same and all(old[home]["minutes"] >= minutes for home in homes)):
        return old if same else short
    print(f"{target}: listens for {minutes:g} minutes in each home")
    return listened(minutes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", choices=(*ALSO_HEAP, *MEASURED))
    parser.add_argument("--network", action="append", choices=NETWORKS)
    parser.add_argument("--part", action="append", choices=("modules", "costs", "heap"), help="default: all")
    parser.add_argument("--minutes", type=float, help=f"of audio, for the heap; default: {SOAK:g}, unix {SOAK_UNIX:g}")
    wanted = parser.parse_args()
    old = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    new = {"versions": {}, "modules": {}, "ram": {}, "unix": {}, "alone": {}, "targets": {}, **copy.deepcopy(old)}
    new |= {"versions": versions(), "modules": modules()}
    failed = []
    pieces = [""] if wanted.part == ["modules"] else measure(new, wanted)
    for lack in pieces:  # what is measured is kept, whatever becomes of the rest
        failed += [lack] if lack else []
        FIGURES.write_text(json.dumps(new, indent=1) + "\n")
        PAGE.write_text(page(new))
    for line in changes(old, new) if old else []:
        print(line)
    if failed:
        sys.exit("\n".join(failed))


def measure(figures: dict[str, Any], wanted: argparse.Namespace) -> Iterator[str]:
    """Put what is wanted and can be had here into `figures`; after each piece, why it could not be measured, or "".

    Emulators count the same however busy this computer is.
    """
    parts = wanted.part or ("costs", "heap")
    jobs: dict[Future[dict[str, Any]], tuple[str, str]] = {}
    lacking = {target: TARGETS[target].available() for target in wanted.target or (*ALSO_HEAP, *MEASURED)}
    targets = [target for target, line in lacking.items() if line is None]
    names = [name for name in wanted.network or NETWORKS if NETWORKS[name].exists()]
    absent = [f"{name}: {NETWORKS[name]} is not here" for name in wanted.network or NETWORKS if name not in names]
    print("\n".join([*filter(None, lacking.values()), *absent]))
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        for name in {*names, *([LISTENS] if CLIP.exists() else [])}:
            compiled(name, folder)
        if "costs" in parts and "unix" in targets:
            figures["unix"] |= unix_steps(names, folder)
        if "costs" in parts and LAYERS in targets and {KWS, LISTENS} <= set(names):
            figures["alone"] = alone(folder)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for target in reversed(targets):  # the slowest first
                if "heap" in parts and CLIP.exists():
                    minutes = wanted.minutes or (SOAK_UNIX if target == "unix" else SOAK)
                    before = figures["ram"].get(target, {})
                    jobs[pool.submit(heap, target, before, folder / file_name(LISTENS), minutes)] = "ram", target
                if "costs" in parts and target in MEASURED:
                    jobs[pool.submit(costs, target, names, folder)] = "targets", target
            yield ""
            for job in as_completed(jobs):
                part, target = jobs[job]
                try:
                    figures[part][target] = {**figures[part].get(target, {}), **job.result()}
                except (TinywakeError, OSError) as error:
                    yield f"{target}, {part}: {error}"
                else:
                    put_in_order(figures)
                    yield ""


def put_in_order(figures: dict[str, Any]) -> None:
    """Of targets and networks, whatever came first."""
    figures["targets"] = {
        target: {name: figures["targets"][target][name] for name in NETWORKS if name in figures["targets"][target]}
        for target in MEASURED if target in figures["targets"]
    }  # fmt: skip
    figures["ram"] = {target: figures["ram"][target] for target in TARGETS if target in figures["ram"]}


if __name__ == "__main__":
    main()
