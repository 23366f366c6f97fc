"""The microphones' drivers on the emulated Pico: the real firmware's PIO, DMA and I2S, a microphone on its pins."""

from __future__ import annotations

import ctypes
import math
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.rp2040 import Microphone, PdmMicrophone, RP2040Board

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
    repl.exec("import os\nfor d in ('lib', 'lib/tinywake', 'lib/tinywake/port'):\n    os.mkdir(d)")
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
        put(repl, "pdm.py")
        repl.put("lib/_tinywake_pdm.mpy", MODULE.read_bytes())
        lost = repl.ask(RECORD + f"from tinywake.port.pdm import PdmMicrophone\nmic = {mic}\nanswer(record(mic))")
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
    with wave.open(str(tmp_path / "clip.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(said.tobytes())
    mic = (
        "I2SMicrophone(clock, {'id': 0, 'sck': 10, 'ws': 11, 'sd': 12, 'bits': 32, 'shift': 15, "
        f"'channel': {('left', 'right')[right]!r}}})"
    )
    wired = Microphone(tmp_path / "clip.wav", right=right, offset=400_000)  # 5 % of full scale: an SPH0645's
    with RP2040Board(mic=wired) as board, RawRepl(board.port, 60) as repl:
        put(repl, "i2s.py", "pack32.py")
        lost = repl.ask(RECORD + f"from tinywake.port.i2s import I2SMicrophone\nanswer(record({mic}))")
        heard = np.array(repl.ask("import array\nanswer(list(array.array('h', heard)))"), np.int16)
    assert lost == 0
    constant, expected = 0, []
    for sample in said[: len(heard)].tolist():
        value = (sample << 8) + 400_000
        constant += ((value << 6) - constant) >> 9
        expected.append(max(-32768, min(32767, (value - (constant >> 6)) >> 7)))
    # The driver begins within a frame: what is left of that one takes a place, and moves the constant part a little.
    assert np.abs(heard[1:].astype(int) - expected[:-1])[600:].max() <= 2
