# SPDX-License-Identifier: MIT
# ruff: noqa: B905, PT018, UP031 - MicroPython
"""The microphones under MicroPython, with stand-ins for machine and rp2. The last line it prints is the result."""

import gc
from array import array

import machine
import micropython
import rp2
from _tinywake_pdm import decimate
from each_test import each_test
from tinywake.port.machine.i2s import I2SMicrophone
from tinywake.port.machine.pack32 import pack32
from tinywake.port.rp2.pdm import PdmMicrophone

from tinywake import miccheck, pins

I2S = {"kind": "i2s", "id": 0, "sck": 10, "ws": 11, "sd": 12, "bits": 32}
PDM = {"kind": "pdm", "clk": 23, "data": 22}
MS = 256  # bytes of PDM


class Clock:
    def __init__(self):
        self.now = 0
        self.callback = None
        self.period = 0

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, later, earlier):
        return later - earlier

    def sleep_ms(self, ms):
        self.now += ms
        if rp2.active:
            rp2.advance(ms * MS // 4)

    def every(self, period, callback):
        self.period, self.callback = period, callback


class Noise:
    """Bytes with no pattern, the same each time."""

    def __init__(self):
        self.seed = 1
        self.given = bytearray()

    def __call__(self, count):
        out = bytearray(count)
        for i in range(count):
            self.seed = (self.seed * 75 + 74) % 65537
            out[i] = self.seed >> 3 & 255
        self.given.extend(out)
        return out


def raises(kind, call, *args):
    try:
        call(*args)
    except kind as error:
        return str(error)
    raise AssertionError("%s expected" % kind.__name__)


def clamp(value):
    return max(-32768, min(32767, value))


def packed(slots, shift=16, late=0, constant=0):
    """What pack32 must give."""
    out = []
    for slot in slots:
        if late:
            slot = slot << 1 & 0xFFFFFFFF
        slot &= 0xFFFFFFFF
        value = (slot - (1 << 32) if slot >> 31 else slot) >> 8
        constant += ((value << 6) - constant) >> 9
        out.append(clamp((value - (constant >> 6)) >> (shift - 8)))
    return out, constant


def noise_slots(count, scale=30):
    seed = 3
    out = []
    for _ in range(count):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        out.append((seed - 0x40000000 << 1) >> (31 - scale))
    return out


def slot_bytes(slots):
    out = bytearray()
    for slot in slots:
        out.extend((slot & 0xFFFFFFFF).to_bytes(4, "little"))
    return out


def test_pack32():
    edges = [0, 1, -1, 255, 256, -256, -257, 65535, 65536, -65536, 0x7FFFFFFF, -0x80000000, 0x40000000, -0x40000001]
    for slots in (edges * 3, noise_slots(500), [-0x80000000] * 50 + [0x7FFFFFFF] * 50, [7]):
        raw = slot_bytes(slots)
        for shift in (8, 13, 16, 17):
            for late in (0, 1):
                for first in (0, -0x1FFFFFFF, 12345):
                    out = array("h", bytes(2 * len(slots)))
                    constant = pack32(out, raw, len(slots), 2, shift, late, first)
                    assert (list(out), constant) == packed(slots, shift, late, first), (shift, late, first)


def test_a_constant_part_goes():
    # An SPH0645 is 5 % off: with a gain of 8 that alone would be 40 % of the range.
    slots = [(1 << 31) // 20 + (1000 << 8) * (1 if i & 1 else -1) for i in range(8000)]
    out = array("h", bytes(16000))
    pack32(out, slot_bytes(slots), 8000, 2, 13, 0, 0)
    last = list(out)[-1000:]
    assert abs(sum(last)) // 1000 <= 8, sum(last)
    assert max(last) - min(last) in range(60, 66)  # 2 * 1000 >> 5


def i2s_microphone(clock=None, **options):
    mic = dict(I2S)
    mic.update(options)
    return I2SMicrophone(clock or Clock(), mic)


def frames(count=640):
    left, right = noise_slots(count, 28), noise_slots(2 * count, 27)[count:]
    machine.I2S.slots = slot_bytes([slot for pair in zip(left, right) for slot in pair])
    return left, right


def heard(mic, count=640, size=160):
    out = []
    buf = bytearray(2 * size)
    view = array("h", buf)
    mic.open()
    for _ in range(count // size):
        assert mic.readinto(buf) == len(buf)
        view = array("h", buf)
        out.extend(view)
    mic.close()
    return out


def test_i2s_channels():
    left, right = frames()
    assert heard(i2s_microphone()) == packed(left)[0]
    assert heard(i2s_microphone(channel="left", shift=13)) == packed(left, 13)[0]
    assert heard(i2s_microphone(channel="right")) == packed(right)[0]
    assert heard(i2s_microphone(channel="right", shift=12), 640, 40) == packed(right, 12)[0]
    late = [(slot & 0xFFFFFFFF) >> 1 for slot in left]
    machine.I2S.slots = slot_bytes([slot for slot in late for _ in range(2)])
    assert heard(i2s_microphone(late=1)) == packed([slot & ~1 for slot in left])[0]
    assert machine.I2S.opened == []


def test_i2s_is_opened_afresh():
    frames()
    mic = i2s_microphone()
    first = heard(mic)
    assert heard(mic) == first
    mic.open()
    mic.open()
    assert len(machine.I2S.opened) == 1
    mic.close()
    mic.close()
    assert machine.I2S.opened == []
    assert "sck+1" in raises(ValueError, i2s_microphone(ws=13).open)


def test_i2s_in_the_background():
    left, _ = frames()
    mic = i2s_microphone()
    mic.open()
    got = []
    buf = bytearray(320)
    mic.start(buf, lambda count: got.extend(array("h", buf[:count])))
    (i2s,) = machine.I2S.opened
    for _ in range(4):
        i2s.fill(i2s.buffer)
        i2s.callback(i2s)
    mic.close()
    assert got == packed(left)[0]


def test_i2s_allocates_nothing():
    frames()
    for options in ({}, {"channel": "right"}, {"late": 1, "shift": 13}):
        mic = i2s_microphone(**options)
        mic.open()
        buf = bytearray(640)
        mic.readinto(buf)
        i2s = mic._i2s
        i2s.fill = nothing  # the stand-in's part
        gc.collect()
        micropython.heap_lock()
        try:
            for _ in range(10):
                mic.readinto(buf)
                mic.due_ms(640)
        finally:
            micropython.heap_unlock()
        mic.close()


def nothing(_):
    pass


def pdm_microphone(**options):
    mic = dict(PDM)
    mic.update(options)
    rp2.source = Noise()
    clock = Clock()
    return PdmMicrophone(clock, mic), clock


def decimated(data, shift=16):
    out = bytearray(len(data) // 8)
    decimate(bytearray(128), data, 0, len(data), shift, out)
    return bytes(out)


def test_decimate():
    data = bytes(Noise()(3200))
    whole = decimated(data)
    for size in (16, 64, 1600):
        state, ring, out, at = bytearray(128), bytearray(1600), bytearray(size // 8), 0
        got = bytearray()
        for start in range(0, 3200, size):
            for i in range(size):
                ring[(at + i) % 1600] = data[start + i]
            at = decimate(state, ring, at, size, 16, out)
            assert at == (start + size) % 1600
            got.extend(out)
        assert bytes(got) == whole
    state, out = bytearray(128), bytearray(2)
    for wrong in (
        (bytearray(100), data, 0, 16, 16, out),
        (state, data, -1, 16, 16, out),
        (state, data, 3200, 16, 16, out),
        (state, data, 0, 3201, 16, bytearray(1000)),
        (state, data, 0, -1, 16, out),
        (state, data, 0, 32, 16, out),
        (state, data, 0, 16, 7, out),
        (state, data, 0, 16, 17, out),
        (state, b"", 0, 0, 16, out),
        (memoryview(state)[1:], data, 0, 16, 16, out),
    ):
        assert raises(ValueError, decimate, *wrong) == "TW_ERR_RANGE"


def test_pdm_is_wired_as_it_should():
    for channel, level, number in (("left", 0, 0), ("right", 1, 5)):
        mic, _ = pdm_microphone(channel=channel, sm=number)
        mic.open()
        (sm,) = rp2.active
        settings, program = sm.program
        assert program == [("nop", level), ("in pins, 1", level), ("nop", 1 - level), ("nop", 1 - level)]
        assert settings == {
            "sideset_init": 2, "in_shiftdir": 1, "autopush": True, "push_thresh": 32, "fifo_join": 2
        }  # fmt: skip
        assert (sm.number, sm.freq, sm.data, sm.clock) == (number, 4 * 2048000, 22, 23)
        assert len(rp2.channels) == 2
        mic.open()
        (again,) = rp2.active
        assert again.program is sm.program and len(rp2.channels) == 2
        mic.close()
        mic.close()
        assert not rp2.active and not rp2.channels


def test_pdm_goes_round_its_ring():
    mic, _ = pdm_microphone(ring_ms=50, shift=14)
    for size in (640, 320, 1280):
        rp2.source = Noise()
        mic.open()
        got = bytearray()
        buf = bytearray(size)
        while len(got) < 32 * 160:  # three times round
            assert mic.readinto(buf) == size
            got.extend(buf)
        assert mic.lost == 0
        assert bytes(got) == decimated(bytes(rp2.source.given[: 8 * len(got)]), 14)
        mic.close()


def test_pdm_counts_what_its_ring_cannot_hold():
    buf = bytearray(640)
    for late in (0, 30, 41, 60, 99, 100, 101, 333, 5000):
        mic, clock = pdm_microphone(ring_ms=50)
        rp2.source = bytearray
        mic.open()
        for _ in range(20):
            mic.readinto(buf)
        clock.sleep_ms(late)
        assert mic.due_ms(640) == max(0, 20 - late)
        mic.readinto(buf)
        lost = mic.lost
        assert lost == max(0, late - 42) * 16, (late, lost)
        # What it goes on with is the oldest that was still there: 42 ms behind, less what was read.
        assert (mic.ring.at() - mic._next) % (50 * MS) == (min(late, 42) - 20 if late > 20 else 0) * MS
        for _ in range(20):
            mic.readinto(buf)
        assert mic.lost == lost
        mic.open()
        assert mic.lost == 0
        mic.close()


def test_pdm_tells_how_long_to_wait():
    mic, clock = pdm_microphone()
    mic.open()
    assert mic.due_ms(640) == 20
    clock.sleep_ms(15)
    assert mic.due_ms(640) == 5
    clock.sleep_ms(5)
    assert mic.due_ms(640) == 0
    mic.close()


def test_pdm_in_the_background():
    mic, clock = pdm_microphone()
    mic.open()
    got = bytearray()
    buf = bytearray(640)
    mic.start(buf, lambda count: got.extend(buf[:count]))
    assert clock.period == 10
    for _ in range(20):
        clock.sleep_ms(10)
        clock.callback(None)
    assert bytes(got) == decimated(bytes(rp2.source.given)) and len(got) == 32 * 200
    tick = clock.callback
    mic.close()
    assert clock.period == 0
    tick(None)  # one that was pending
    assert len(got) == 32 * 200


def test_pdm_allocates_nothing():
    mic, clock = pdm_microphone()
    mic.open()
    buf = bytearray(640)
    mic.readinto(buf)
    clock.sleep_ms(80)
    gc.collect()
    micropython.heap_lock()
    try:
        for _ in range(4):
            mic.readinto(buf)
            mic.due_ms(640)
    finally:
        micropython.heap_unlock()
    mic.close()


def test_check_i2s():
    left, right = [256 * value for value in (100, -200, 0x7FFFFF, 5)], [256 * 300] * 4
    machine.I2S.slots = slot_bytes([slot for pair in zip(left, right) for slot in pair])
    pins.MIC = dict(I2S, shift=13)
    said = miccheck.measure(50)
    facts = said["channels"]["left"]
    assert said["kind"] == "i2s" and said["mic"]["shift"] == 13 and not said["levelled"]
    assert facts["count"] == 800
    assert facts["sum"] == 200 * (100 - 200 + 0x7FFFFF + 5)
    assert facts["squares"] == 200 * (100 * 100 + 200 * 200 + 0x7FFFFF * 0x7FFFFF + 25)
    assert (facts["low"], facts["high"], facts["full"], facts["torn"]) == (-200, 0x7FFFFF, 200, 200)
    assert (facts["any"], facts["all"]) == (0xFFFFFF, 0)
    facts = said["channels"]["right"]
    assert (facts["sum"], facts["low"], facts["high"], facts["any"], facts["all"]) == (800 * 300, 300, 300, 300, 300)
    assert machine.I2S.opened == []


def test_check_pdm():
    pins.MIC = dict(PDM, shift=13, channel="right")
    mic, _ = pdm_microphone(shift=13)
    pins_port, miccheck.port = miccheck.port, Port(mic)
    said = miccheck.measure(50)
    miccheck.port = pins_port
    facts, bits = said["channels"]["right"], said["bits"]
    assert said["levelled"] and facts["count"] == 800 and facts["squares"] > 0
    assert facts["low"] % 32 == 0  # int16, less the gain
    assert bits["count"] == 8 * 96 * MS and bits["any"] == 255 and bits["all"] == 0
    assert bits["ones"] == sum(bin(byte).count("1") for byte in mic.bits)
    assert not rp2.active


class Port:
    def __init__(self, mic):
        self.mic = mic

    def microphone(self, path=None, paced=None):
        return self.mic


def clear():
    rp2.active.clear()
    rp2.channels.clear()
    machine.I2S.opened.clear()


each_test(globals(), after=clear)
