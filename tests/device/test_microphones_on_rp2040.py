"""The microphones' drivers on the emulated Pico: the real firmware's PIO, DMA and I2S, a microphone on its pins."""

from __future__ import annotations

import ctypes
import math
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.rp2040 import Microphone, PdmMicrophone, RP2040Board

sys.path.insert(0, str(Path(__file__).parent))
from sounds import as_driven, write_wav

ROOT = Path(__file__).parents[2]
APP = ROOT / "firmware/app"
MODULE = ROOT / "build/modules/armv6m_6.3/_tinywake_pdm.mpy"
CORE = ROOT / "firmware/core"
BITS_S = 2_048_000

lacking = RP2040Board.available()
pytestmark = [pytest.mark.on("rp2040"), pytest.mark.skipif(lacking is not None, reason=str(lacking))]

# `heard` is filled with the heap locked, so that a driver that allocates raises MemoryError.
RECORD = """
import binascii, gc, micropython, time
class Clock: pass
clock = Clock()
clock.ticks_ms, clock.ticks_diff, clock.sleep_ms = time.ticks_ms, time.ticks_diff, time.sleep_ms
buf = bytearray(320)
heard = bytearray(320 * 24)
def record(mic):
    mic.open()
    mic.readinto(buf)
    heard[:320] = buf
    gc.collect()
    micropython.heap_lock()
    at = 320
    while at < len(heard):
        mic.readinto(buf)
        i = 0
        while i < 320:
            heard[at + i] = buf[i]
            i += 1
        at += 320
    micropython.heap_unlock()
    return mic.lost
"""


def put(repl: RawRepl, *names: str) -> None:
    folders = ["lib", *(f"lib/tinywake{each}" for each in ("", "/port", "/port/machine", "/port/rp2"))]
    repl.exec(f"import os\nfor d in {folders}:\n    os.mkdir(d)")
    for name in ("__init__.py", "port/__init__.py"):
        repl.put(f"lib/tinywake/{name}", b"")
    for name in names:
        repl.put(f"lib/tinywake/port/{name}", (APP / "port" / name).read_bytes())


@pytest.fixture(scope="module")
def decimate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes, int], npt.NDArray[np.int16]]:
    """firmware/core/pdm.c on this computer."""
    path = tmp_path_factory.mktemp("pdm") / "pdm.so"
    subprocess.run(["cc", "-std=c99", "-O2", "-shared", "-fPIC", str(CORE / "pdm.c"), "-o", str(path)], check=True)
    push = ctypes.CDLL(str(path)).tw_pdm_push
    push.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_void_p]

    def run(bits: bytes, shift: int) -> npt.NDArray[np.int16]:
        state, out = (ctypes.c_uint32 * 32)(), np.zeros(len(bits) // 16, np.int16)
        push(state, bits, len(bits), shift, out.ctypes.data)
        return out

    return run


def modulated(seconds: float) -> npt.NDArray[np.uint8]:
    """Bits of a tone, from a second-order modulator: quick, and all that is needed to tell them apart."""
    first = second = 0.0
    out = bytearray(int(seconds * BITS_S))
    for i in range(len(out)):
        bit = 1.0 if second >= 0 else -1.0
        first += 0.5 * math.sin(i * 2 * math.pi * 1000 / BITS_S) - bit
        second += first - 2 * bit
        out[i] = bit > 0
    return np.frombuffer(bytes(out), np.uint8)


@pytest.mark.parametrize("right", [False, True])
def test_pdm_is_heard_bit_for_bit(tmp_path: Path, decimate: Callable[..., Any], right: bool) -> None:
    if not MODULE.exists():
        pytest.skip(f"{MODULE} is not built: make modules ARCH=armv6m")
    bits = modulated(0.3)
    (tmp_path / "bits").write_bytes(np.packbits(bits, bitorder="little").tobytes())
    mic = f"PdmMicrophone(clock, {{'clk': 23, 'data': 22, 'channel': {('left', 'right')[right]!r}, 'ring_ms': 32}})"
    with RP2040Board(mic=PdmMicrophone(tmp_path / "bits", right=right)) as board, RawRepl(board.port, 60) as repl:
        put(repl, "rp2/pdm.py", "rp2/ring.py")
        repl.put("lib/_tinywake_pdm.mpy", MODULE.read_bytes())
        lost = repl.ask(RECORD + f"from tinywake.port.rp2.pdm import PdmMicrophone\nmic = {mic}\nanswer(record(mic))")
        heard = np.array(repl.ask("import array\nanswer(list(array.array('h', heard)))"), np.int16)
        held_up = repl.ask(
            "before = mic.lost\nmic.readinto(buf)\nbefore = mic.lost\ntime.sleep_ms(80)\nmic.readinto(buf)\n"
            "after = mic.lost\nmic.close()\nmic.open()\nmic.readinto(buf)\nagain = mic.lost\nmic.close()\n"
            "answer([after - before, again])"
        )
    assert lost == 0
    # The first falling edge may come before or after the first sample, so the stream may begin one bit in.
    count = 128 * len(heard)
    expected = [decimate(np.packbits(bits[at : at + count], bitorder="little").tobytes(), 16) for at in (0, 1, 2)]
    assert any(np.array_equal(heard, each) for each in expected)
    assert np.abs(heard[200:]).max() > 16_000
    # 80 ms late, with what waited before, and room for 24 of the ring's 32.
    assert 16 * 52 < held_up[0] < 16 * 84
    assert held_up[1] == 0


@pytest.mark.parametrize("right", [False, True])
def test_i2s_channels_are_heard_sample_for_sample(tmp_path: Path, right: bool) -> None:
    said = (np.arange(8000) * 7 % 30_001 - 15_000).astype(np.int16)
    write_wav(tmp_path / "clip.wav", said)
    mic = (
        "I2SMicrophone(clock, {'id': 0, 'sck': 10, 'ws': 11, 'sd': 12, 'bits': 32, 'shift': 15, "
        f"'channel': {('left', 'right')[right]!r}}})"
    )
    wired = Microphone(tmp_path / "clip.wav", right=right, offset=400_000)  # 5 % of full scale: an SPH0645's
    with RP2040Board(mic=wired) as board, RawRepl(board.port, 60) as repl:
        put(repl, "machine/i2s.py", "machine/pack32.py")
        lost = repl.ask(RECORD + f"from tinywake.port.machine.i2s import I2SMicrophone\nanswer(record({mic}))")
        heard = np.array(repl.ask("import array\nanswer(list(array.array('h', heard)))"), np.int16)
    assert lost == 0
    constant, expected = 0, []
    for sample in said[: len(heard)].tolist():
        value = (sample << 8) + 400_000
        constant += ((value << 6) - constant) >> 9
        expected.append(max(-32768, min(32767, (value - (constant >> 6)) >> 7)))
    # The driver begins within a frame: what is left of that one takes a place, and moves the constant part a little.
    assert np.abs(heard[1:].astype(int) - expected[:-1])[600:].max() <= 2


@contextmanager
def listening(clip: Path, **wired: Any) -> Iterator[RawRepl]:
    """A board with the driver by PIO."""
    with RP2040Board(mic=Microphone(clip, **wired)) as board, RawRepl(board.port, 120) as repl:
        put(repl, "rp2/i2s.py", "rp2/ring.py", "rp2/pack_thumb.py")
        repl.exec(RECORD + BY_PIO)
        yield repl


BY_PIO = """
from tinywake.port.rp2.i2s import I2SMicrophone
def microphone(**options):
    mic = {'sck': 10, 'ws': 11, 'sd': 12, 'shift': 14}
    mic.update(options)
    return I2SMicrophone(clock, mic)
"""


@pytest.mark.parametrize(("right", "late"), [(False, 0), (True, 0), (False, 1)])
def test_i2s_by_pio_is_heard_bit_for_bit(tmp_path: Path, right: bool, late: int) -> None:
    said = np.concatenate(
        [np.arange(4000) * 7 % 30_001 - 15_000, np.random.default_rng(3).integers(-32768, 32768, 4000)]
    )
    offset = 400_000  # 5 % of full scale: an SPH0645's
    if late:  # each bit in the place below its own, the sign's twice: half of the value
        said, offset = said // 2, 200_000
    with listening(write_wav(tmp_path / "clip.wav", said), right=right, offset=offset) as repl:
        channel = ("left", "right")[right]
        lost = repl.ask(f"answer(record(microphone(shift=15, ring_ms=33, late={late}, channel={channel!r})))")
        heard = np.array(repl.ask("import array\nanswer(list(array.array('h', heard)))"), np.int16)
    assert lost == 0
    expected = as_driven(said << late, 15, offset << late)
    np.testing.assert_array_equal(heard, expected[: len(heard)])


TEN_SECONDS = """
mic = microphone()
mic.open()
crcs = []
piece = bytearray(960)
for _ in range(10 * 16000 // 480):
    mic.readinto(piece)
    crcs.append(binascii.crc32(piece))
answer([mic.lost, crcs])
"""


def test_i2s_by_pio_loses_nothing_in_ten_seconds(tmp_path: Path) -> None:
    said = np.random.default_rng(4).integers(-8000, 8000, 160_000)
    with listening(write_wav(tmp_path / "clip.wav", said)) as repl:
        lost, crcs = repl.ask(TEN_SECONDS)
    assert lost == 0
    expected = as_driven(said, 14)[: 480 * len(crcs)].reshape(-1, 480)
    assert crcs == [zlib.crc32(piece.astype("<i2").tobytes()) for piece in expected]


BEGINNINGS = """
import array
mic = microphone()
piece = bytearray(64)
heard = []
for i in range(40):
    mic.open()
    mic.readinto(piece)
    heard.append(list(array.array('h', piece)))
    time.sleep_us(37 * i)  # it stops at another place of a frame each time
    mic.close()
    time.sleep_ms(3)
answer(heard)
"""


def test_i2s_by_pio_begins_alike_wherever_it_stopped(tmp_path: Path) -> None:
    # Bug: the emulator made up for the time that a state machine had stood still, and told the pins late of what the
    # processor had one carry out, so that the first bit of the first sample was now and then that of an earlier one.
    said = np.random.default_rng(5).integers(-8000, 8000, 100)
    with listening(write_wav(tmp_path / "clip.wav", said)) as repl:
        heard = repl.ask(BEGINNINGS)
    np.testing.assert_array_equal(heard, [as_driven(said)[:32]] * 40)


HOLD_UP = """
mic = microphone()
mic.open()
piece = bytearray(640)
for _ in range(3):
    mic.readinto(piece)
time.sleep_ms({hold})
late = bytearray(6400)
view = memoryview(late)
for at in range(0, 6400, 640):
    mic.readinto(view[at : at + 640])
lost = mic.lost
mic.close()
import array
answer([lost, list(array.array('h', late))])
"""


def test_i2s_by_pio_counts_hold_ups_to_the_sample(tmp_path: Path) -> None:
    said = np.random.default_rng(5).integers(-8000, 8000, 20_000)
    with listening(write_wav(tmp_path / "clip.wav", said)) as repl:
        for hold in (0, 60, 100, 180, 500):
            lost, heard = repl.ask(HOLD_UP.format(hold=hold))
            # The ring holds 120 ms; some more go by before and after the sleep. The samples tell what is right.
            assert 0 <= lost - max(0, hold - 120) * 16 < 100, hold
            whole = np.concatenate([[0], said])
            at = 3 * 320
            expected = as_driven(np.concatenate([whole[1:at], whole[at + lost :]]), 14)
            np.testing.assert_array_equal(heard, expected[at : at + len(heard)], str(hold))


DROPPED = """
def ours():
    free, waiting = [], 0
    try:
        while True:
            free.append(rp2.DMA())
    except OSError:
        pass
    for dma in free:
        waiting += dma.active() and dma.unpack_ctrl(dma.ctrl)["treq_sel"] == 7
        dma.close()
    return waiting
def dropped():
    mic = microphone()
    mic.open()
    mic.readinto(buf)
    return mic.ring.start
import rp2, uctypes
where = dropped()
gc.collect()
pieces = []
spare = bytearray(16384)
try:
    while True:
        pieces.append(bytearray(512))
except MemoryError:
    spare = None
gc.collect()
taken = [1 for p in pieces if where <= uctypes.addressof(p) < where + 8192]
time.sleep_ms(200)
written = [1 for p in pieces if any(p)]
taken, written, pieces = len(taken), len(written), None
gc.collect()
other = rp2.DMA()
mic = microphone()
mic.open()  # ends the one that was dropped
mic.readinto(buf)
from tinywake.port.rp2 import ring
answer([taken, written, len(ring._running), mic.lost, any(buf)])
"""

AFTER_RESET = """
before = ours()
time.sleep_ms(200)
mic = microphone()
record(mic)
mic.close()
import array
answer([before, ours(), mic.lost, list(array.array('h', heard))])
"""


def test_i2s_by_pio_never_writes_to_memory_that_is_not_its_own(tmp_path: Path) -> None:
    said = np.random.default_rng(6).integers(-8000, 8000, 20_000)
    with listening(write_wav(tmp_path / "clip.wav", said)) as repl:
        # A microphone that nobody holds any more goes on, and so its ring is no garbage.
        assert repl.ask(DROPPED) == [0, 0, 1, 0, True]
        repl.reset()
        # The reset has left a channel that waits for the state machine: it would go on, or do for another purpose.
        repl.exec(RECORD + BY_PIO + DROPPED.partition("def dropped")[0] + "import rp2")
        *said_of_it, heard = repl.ask(AFTER_RESET)
    assert said_of_it == [1, 0, 0]
    np.testing.assert_array_equal(heard, as_driven(said, 14)[: len(heard)])
