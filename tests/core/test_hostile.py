"""Files that no compiler wrote: refused by name, or run without harm. And files are used where they lie.

The sanitizers look at what happens in tests/fuzz, as C programs of their own.
"""

from __future__ import annotations

import mmap
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinywake.core import Listener, Model
from tinywake.errors import FormatError

ROOT = Path(__file__).parents[2]
FUZZ = ROOT / "tests" / "fuzz"
BAD = ROOT / "tests" / "vectors" / "bad"
OUT = ROOT / "build" / "fuzz"

sys.path[:0] = [str(FUZZ), str(ROOT / "tests" / "vectors")]
from assemble import GOOD, WEIGHTS, File, repaired, section_at  # noqa: E402
from make_bad import files  # noqa: E402

FUZZ_RUNS = 100_000  # about six seconds
DRIVER_RUNS = 150_000

builds_in_c = [
    pytest.mark.skipif("TINYWAKE_SANITIZED" in os.environ, reason="has sanitizers of its own"),
    pytest.mark.skipif(sys.platform != "linux" or not shutil.which("gcc") or not shutil.which("make"),
                       reason="needs gcc and make on Linux"),
]  # fmt: skip


def built(what: str) -> Path | None:
    """A program of tests/fuzz/Makefile, or the folder of seeds; None for a fuzzer where there is no libFuzzer."""
    command = ["make", "-s", "-C", str(FUZZ), what, f"PYTHON={sys.executable}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if "no libFuzzer here" in done.stderr:
        return None
    assert done.returncode == 0, done.stdout + done.stderr
    return OUT / what


def drive(folder: Path, *arguments: object) -> int:
    """Run the driver on files; return how many inputs it ran. What stops it is left as a file."""
    driver = built("driver")
    assert driver
    done = subprocess.run([driver, *map(str, arguments)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr[-4000:]}\nthe input is {folder}/crash.twm"
    return int(done.stdout.split()[0])


def opened(data: bytes) -> str:
    """What the core says to a file; what it takes is run, twice, and listens."""
    try:
        model = Model(data)
        model.verify()
    except FormatError as e:
        return str(e).split(": ")[1]
    for value in (0, 127):
        model.invoke(np.full(model.input_bytes, value, np.int8))
    if model.listens:
        Listener(model).listen(np.full(4000, -32768, np.int16))
    return "TW_OK"


def good_files(folder: Path) -> list[Path]:
    paths = []
    for name, make in GOOD.items():
        paths.append(folder / f"{name}.twm")
        paths[-1].write_bytes(make())
    return paths


# ---- refused by name


def test_every_bad_file_gets_its_error() -> None:
    wrong = {}
    for path in sorted(BAD.glob("*.twm")):
        expected, got = path.name.split(".")[1], opened(path.read_bytes())
        if got != expected:
            wrong[path.name] = got
    assert not wrong


def test_the_bad_files_are_those_that_the_script_makes() -> None:
    committed = {p.name: p.read_bytes() for p in BAD.glob("*.twm") if not p.name.startswith("crash-")}
    assert committed == files(), "run tests/vectors/make_bad.py"


def test_there_is_a_bad_file_for_every_error_of_a_file() -> None:
    headers = (ROOT / "firmware" / "core" / name for name in ("errors.h", "coded.h"))
    errors = {name for path in headers for name in re.findall(r"(TW_ERR_\w+) = ", path.read_text())}
    named = {path.name.split(".")[1] for path in BAD.glob("*.twm")}
    # A file cannot choose its address, an argument of a call, or the gate that it is put behind.
    assert named == errors - {"TW_ERR_ALIGN", "TW_ERR_RANGE", "TW_ERR_STATE"} | {"TW_OK"}


def test_good_files_are_taken() -> None:
    assert {name: opened(make()) for name, make in GOOD.items()} == dict.fromkeys(GOOD, "TW_OK")


@pytest.mark.parametrize("version", [0, 2, 255])
def test_older_and_newer_files_are_refused_with_a_way_out(tmp_path: Path, version: int) -> None:
    data = bytearray(GOOD["dense"]())
    data[4] = version
    path = tmp_path / "model.twm"
    path.write_bytes(repaired(bytes(data)))
    with pytest.raises(FormatError) as caught:
        Model.open(path)
    assert str(caught.value) == (
        f"{path}: TW_ERR_VERSION: written for another version of the format; compile it again with this tinywake"
    )


@pytest.mark.parametrize("offset", range(16))
def test_only_aligned_addresses_are_taken(offset: int) -> None:
    for name, make in GOOD.items():
        data = np.frombuffer(make(), np.uint8)
        room = np.zeros(len(data) + 32, np.uint8)
        start = -room.ctypes.data % 16 + offset
        room[start : start + len(data)] = data
        view = room[start : start + len(data)]
        if offset % 4:
            with pytest.raises(FormatError, match="TW_ERR_ALIGN"):
                Model(view)
        else:
            zeros = np.zeros(Model(view).input_bytes, np.int8)
            expected = Model(make()).invoke(zeros)
            np.testing.assert_array_equal(Model(view).invoke(zeros), expected, err_msg=name)


# ---- without harm


class TestUnderSanitizers:
    pytestmark = builds_in_c

    def test_the_bad_files(self, tmp_path: Path) -> None:
        paths = sorted(BAD.glob("*.twm"))
        assert drive(tmp_path, *paths) == len(paths)

    def test_every_length_and_every_byte(self, tmp_path: Path) -> None:
        """Cut off anywhere, any byte changed to any value with the checksums right: refused, or run safely."""
        assert drive(tmp_path, "every", *good_files(tmp_path)) > 500_000

    def test_mutations(self, tmp_path: Path) -> None:
        """The same every time; make fuzz goes on where this ends."""
        fuzzer, seeds = built("fuzzer"), built("seeds")
        assert seeds
        if fuzzer is None:
            paths = sorted(seeds.glob("*.twm"))
            assert drive(tmp_path, "random", DRIVER_RUNS, *paths) > DRIVER_RUNS / 2
            return
        (tmp_path / "corpus").mkdir()
        options = [f"-runs={FUZZ_RUNS}", "-seed=1", "-max_total_time=60", "-max_len=8192", "-timeout=10",
                   f"-artifact_prefix={OUT}/"]  # fmt: skip
        done = subprocess.run([fuzzer, *options, tmp_path / "corpus", seeds, BAD], capture_output=True, text=True,
                              errors="replace")  # fmt: skip
        assert done.returncode == 0, (
            f"{done.stderr[-4000:]}\nmend the core, then keep the file as tests/vectors/bad/crash-NAME.ERROR.twm"
        )


# ---- read where they lie


def wide() -> bytes:
    """16 kB of weights, 320 bytes of arena."""
    f = File()
    x, y = f.tensor(1, 1, 64), f.tensor(1, 1, 256)
    f.op(3, x, y, "3I2b2B2I", *f.filter(64 * 256, 256, 1), -128, 127, 0, 0, 0, 0)
    return f.bytes()


def test_a_read_only_mapping_is_used_in_place(tmp_path: Path) -> None:
    path = tmp_path / "wide.twm"
    path.write_bytes(wide())
    x = np.arange(64).astype(np.int8)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
        view = np.frombuffer(mapping, np.uint8)  # a write to these pages would end the process
        model = Model(view)
        model.verify()
        y = model.invoke(x).view(np.int8)
        # The core's struct begins with the file's address, its size, and the sections' addresses: all in the mapping.
        pointers = struct.unpack_from("@PI7P", bytes(model._state))
        assert pointers[0] == view.ctypes.data
        inside = [p - view.ctypes.data for p in pointers[2:6]]
        assert all(0 < at < len(view) for at in inside)
        assert inside[2] == section_at(wide(), WEIGHTS)
        del model, view
    weights = np.array([(i * 29 & 0xFF) - 128 for i in range(64 * 256)]).reshape(256, 64)
    sums = weights @ np.arange(64) + np.arange(-256, 256, 2)
    half = (sums + 1) >> 1  # times 0.5, ties up
    eighth = (half + 4 - (half < 0)) >> 3  # then / 8, ties away from zero
    np.testing.assert_array_equal(y, np.clip(eighth, -128, 127))
    assert path.read_bytes() == wide()


@pytest.mark.skipif("TINYWAKE_SANITIZED" in os.environ, reason="counts allocations, and the sanitizers have theirs")
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or not shutil.which("gcc"), reason="needs gcc and glibc")
def test_nothing_is_allocated_and_no_weights_are_copied(tmp_path: Path) -> None:
    """Beside the file, mapped read-only, there is one struct and the arena: together smaller than the weights."""
    program, path = tmp_path / "in_place", tmp_path / "wide.twm"
    core = ROOT / "firmware" / "core"
    sources = [*map(str, sorted(core.glob("*.c"))), str(FUZZ / "in_place.c")]
    subprocess.run(["gcc", "-O1", f"-I{core}", *sources, "-o", str(program)], check=True)
    path.write_bytes(wide())
    done = subprocess.run([program, path], capture_output=True, text=True, check=True)
    said = dict(line.split("=") for line in done.stdout.splitlines())
    assert said["error"] == "0"
    assert (said["counted"], said["allocations"]) == ("1", "0")
    assert said["inside"] == "4"
    assert (said["copied"], int(said["read"]) > 0) == ("0", True)  # kB of the mapping
    assert int(said["memory"]) < 600 < 16384 < int(said["weights"])
    assert bytes.fromhex(said["output"]) == Model(wide()).invoke(np.zeros(64, np.int8)).tobytes()
