# SPDX-License-Identifier: MIT
# ruff: noqa: PT018, UP031, PTH107, PTH123 - MicroPython
"""CircuitPython's port under MicroPython, with stand-ins for what is CircuitPython's. The last line is the result."""

import asyncio
import gc
import os
import sys
import time
from array import array

import _tinywake
import audioi2sin
import micropython
import rp2pio
import storage
import supervisor
import usb_cdc
from _tinywake_pdm import decimate
from each_test import each_test
from tinywake.link import Link
from tinywake.port import port
from tinywake.port.circuit.i2s import I2SMicrophone
from tinywake.port.circuit.pdm import PdmMicrophone
from tinywake.report import Report

import tinywake
from tinywake import commands, main, miccheck, pins

I2S = {"kind": "i2s", "sck": "GP10", "ws": 11, "sd": "D12", "bits": 32}
PDM = {"kind": "pdm", "clk": "GP10", "data": 11}
PIECE = 32 * rp2pio.BYTES_MS
MODEL = "computer.twm"
CONSOLE = usb_cdc.console


def pass_ms(seconds):
    supervisor.advance(1)


port.sleep = pass_ms


def raises(kind, call, *args):
    try:
        call(*args)
    except kind as error:
        return str(error)
    raise AssertionError("%s expected" % kind.__name__)


def packed(slots, shift=16, late=0, constant=0):
    """What machine/pack32.py would make of them."""
    out = []
    for slot in slots:
        slot &= 0xFFFFFFFF
        if late:
            slot = slot << 1 & 0xFFFFFFFF
        value = (slot - (1 << 32) if slot >> 31 else slot) >> 8
        constant += ((value << 6) - constant) >> 9
        out.append(max(-32768, min(32767, (value - (constant >> 6)) >> (shift - 8))))
    return out, constant


def i2s(**options):
    mic = dict(I2S)
    mic.update(options)
    return I2SMicrophone(port, mic)


def read(mic, buffers, work=0, size=320):
    """Samples of so many buffers, between which the app is busy for so many ms."""
    out = array("h")
    buf = bytearray(2 * size)
    for _ in range(buffers):
        out.extend(array("h", buf[: mic.readinto(buf)]))
        supervisor.advance(work)
    return out


def test_ticks_wrap():
    supervisor.now = (1 << 29) - 3
    began, began_us = port.ticks_ms(), port.ticks_us()
    for passed in (0, 1, 2, 7, 5000, 200000):
        supervisor.now = (1 << 29) - 3 + passed
        assert 0 <= port.ticks_ms() < 1 << 29 and 0 <= port.ticks_us() < 1 << 29
        assert port.ticks_diff(port.ticks_ms(), began) == passed
        assert port.ticks_diff(began, port.ticks_ms()) == -passed
        assert port.ticks_diff(port.ticks_us(), began_us) == 1000 * passed
    supervisor.now = (1 << 29) - 3
    port.sleep_ms(10)
    assert port.ticks_ms() == 7


def test_the_console_never_waits_and_has_no_titles():
    assert (CONSOLE.timeout, CONSOLE.write_timeout) == (0, 0)
    assert supervisor.status_bar.console is False
    usb_cdc.console = None
    assert "boot.py" in raises(OSError, port._serial)
    usb_cdc.data = usb_cdc.Serial()
    assert port._serial() is usb_cdc.data
    usb_cdc.console, usb_cdc.data = CONSOLE, None


def test_a_line_goes_whole_or_is_dropped_and_counted():
    CONSOLE.fetch()
    link = Link(port.write)
    began = supervisor.now
    for _ in range(10):
        link.begin(b"@level peak=1 " + b"x" * 60)
        link.end()
    assert supervisor.now == began  # not a millisecond
    assert link.dropped == 7
    said = CONSOLE.fetch()
    assert said.count(b"\r\n") == 3 and said.endswith(b"\r\n")
    CONSOLE.fetch()
    link.wait_ms = 200
    for _ in range(4):
        link.begin(b"@boot " + b"x" * 60)
        link.end()
    assert supervisor.now == began + 200 and link.dropped == 8
    CONSOLE.size = 64  # of a firmware that keeps less: in parts, one after the other
    CONSOLE.fetch()
    link.begin(b"@x " + b"y" * 80)
    link.end()
    said = CONSOLE.fetch()
    link.begin(b"@x ")
    said += CONSOLE.fetch()
    CONSOLE.size = 256
    assert said.endswith(b"\r\n") and said.count(b"y") == 80


def test_a_link_that_waits_for_ever():
    CONSOLE.fetch()
    filled = bytearray(250)
    port.write(filled, 0, 250, 0)
    fetched = []

    def late(seconds):
        supervisor.advance(1)
        if not fetched and supervisor.now > began + 5000:
            fetched.append(CONSOLE.fetch())

    began = supervisor.now
    port.sleep = late
    assert port.write(filled, 10, 50, -1) == 40
    port.sleep = pass_ms
    assert supervisor.now - began in (5001, 5002)
    CONSOLE.fetch()


def test_bytes_that_have_come():
    assert port.read_byte() == -1
    CONSOLE.came = b"@s"
    assert [port.read_byte() for _ in range(3)] == [0x40, 0x73, -1]


def test_who_it_is():
    name, firmware, mpy = port.identity()
    assert (name, mpy) == (pins.BOARD, sys.implementation._mpy)
    assert firmware.startswith(sys.implementation.name + "-")
    assert port.stack_use() == 0
    port.restart()
    assert supervisor.reloads == 1


def test_a_hash():
    assert port.digest(b"abc") == b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_is_read_in_place_where_it_lies_in_one_run():
    with open("a.bin", "wb") as file:
        file.write(bytes(range(200)))
    flash = memoryview(bytes(range(200)))
    whole = flash[:]
    assert type(port.read_file("a.bin")) is bytearray  # 10.x: there is no map_file
    storage.map_file = lambda file: [whole]
    assert port.read_file("a.bin") is whole
    storage.map_file = lambda file: [flash[:100], flash[100:]]
    assert port.read_file("a.bin") == bytearray(range(200))
    storage.map_file = lambda file: raise_error(OSError(19))
    assert port.read_file("a.bin") == bytearray(range(200))
    del storage.map_file
    os.remove("a.bin")
    raises(OSError, port.read_file, "a.bin")


def raise_error(error):
    raise error


def answer(line):
    """What the app says to a command."""
    CONSOLE.fetch()
    line = line + b"*%04x" % _tinywake.crc16(line, 0, len(line))
    commands.do(line)
    return CONSOLE.fetch().decode()


def test_commands_that_write_say_what_to_do():
    put = b"@put id=7 name=x.twm size=10 sha=" + b"0" * 64
    for line in (put, b"@load id=7 path=" + MODEL.encode() + b" keep=1"):
        said = answer(line)
        assert said.startswith("@error where=command id=7 what=read-only%20to%20the%20board:%20tinywake%20deploy%20"), (
            said
        )
    storage.drive.readonly = False
    assert "@ok id=7 value=0" in answer(put)
    storage.drive.readonly = True


def test_no_background():
    listener = tinywake.Listener(MODEL, None, i2s())
    said = raises(RuntimeError, listener.start)
    for way in ("run()", "for hit in listener", "async for"):
        assert way in said
    assert not listener.listening and not audioi2sin.opened
    raises(RuntimeError, port.call_soon, print, 1)
    port.every(0, None)


def test_i2s_slots():
    for channel, slot in (("left", 0), ("right", 1)):
        for shift, late in ((16, 0), (13, 0), (16, 1)):
            mic = i2s(channel=channel, shift=shift, late=late)
            mic.open()
            (driver,) = audioi2sin.opened
            assert driver.pins == (10, 11, 12) and driver.mono == (slot == 0)
            heard = read(mic, 5)
            mic.close()
            said = [audioi2sin.frame(number, slot) for number in range(1, 1601)]
            assert list(heard) == packed(said, shift, late)[0]
            assert mic.lost == 0 and not audioi2sin.opened


def test_i2s_is_opened_afresh():
    mic = i2s()
    mic.open()
    first = read(mic, 2)
    mic.open()
    assert len(audioi2sin.opened) == 1
    assert read(mic, 2) == first
    mic.close()
    mic.close()
    assert mic.readinto(bytearray(640)) == 0


def test_i2s_clocks_are_neighbours():
    i2s(ws="GP9").open()
    audioi2sin.opened.clear()
    assert raises(ValueError, i2s(ws="D12", sd=9).open) == "pins.py: ws must be the pin after sck, or before it"
    assert raises(ValueError, i2s(ws="GP77").open) == "pins.py: this board has no pin GP77"
    assert raises(ValueError, i2s(ws=77).open) == "pins.py: this board has no pin 77"


def test_i2s_loses_nothing_and_counts_nothing_while_it_keeps_up():
    for ppm, work, buffers in ((0, 15, 500), (0, 0, 50), (0, 18, 50), (200, 15, 200), (-200, 15, 200), (200, 18, 50)):
        audioi2sin.ppm = ppm
        mic = i2s()
        mic.open()
        # A sawtooth of 4096 frames: one that is missing would be a step elsewhere.
        before, number = 0, 0
        for _ in range(buffers):
            for sample in read(mic, 1, work):
                assert number < 1000 or (abs(sample - before) > 300) == (number % 0x1000 == 0xFFF), (ppm, work, number)
                before = sample
                number += 1
        assert mic.lost == 0, (ppm, work, mic.lost)
        mic.close()
    audioi2sin.ppm = 0


def test_i2s_counts_every_hold_up():
    for tells in (True, False):
        audioi2sin.tells = tells
        for start in (0, 45):  # the driver begins anew at halves of its ring
            for hold in (60, 100, 180, 500):
                mic = i2s()
                mic.open()
                read(mic, 4, 5)
                supervisor.advance(start)
                before = mic.lost
                supervisor.advance(hold)
                read(mic, 20, 5)
                lost = mic.lost - before
                if tells:
                    assert lost > 0, (start, hold)
                # What is not there any more is at most what came, and at least what the ring cannot hold.
                assert lost <= (hold + start) * 16 + 200, (start, hold, lost)
                assert lost >= (hold + start - 90) * 16 - 200, (start, hold, lost)
                mic.close()
    audioi2sin.tells = True


def test_i2s_lags_that_the_driver_does_not_see():
    # 20 ms were read, and what came since was written over once.
    audioi2sin.tells = False
    for hold in (84, 90, 100, 116):
        mic = i2s()
        mic.open()
        read(mic, 10)
        supervisor.advance(hold)
        read(mic, 20, 5)
        assert 80 * 16 - 200 < mic.lost < 80 * 16 + 200, (hold, mic.lost)
        mic.close()
    audioi2sin.tells = True


def test_i2s_counts_what_an_app_that_is_too_slow_loses():
    mic = i2s()
    mic.open()
    began = supervisor.now
    heard = read(mic, 80, 25)
    missing = (supervisor.now - began) * 16 - len(heard)
    assert abs(mic.lost - missing) < 100 * 16 and mic.lost > 3000, (mic.lost, missing)
    mic.close()


def test_i2s_honours_a_short_count():
    mic = i2s(channel="right")
    mic.open()
    buf = bytearray(640)
    heard = []
    for short in (100, 640 - 2, -1, 2):
        audioi2sin.short = short
        count = mic.readinto(buf)
        assert count == (short if short > 0 else 640), (short, count)
        heard.extend(array("h", buf[:count]))
    assert heard == packed([audioi2sin.frame(number, 1) for number in range(1, len(heard) + 1)])[0]
    assert mic.lost == 0
    mic.close()


class ReloadException(BaseException):
    pass


def test_a_reload_comes_through_and_the_microphone_is_released():
    async def hear(listener):
        async for _ in listener:
            pass

    for error in (ReloadException(), KeyboardInterrupt()):
        for drive in (
            lambda listener: listener.run(),
            lambda listener: list(listener),
            lambda listener: asyncio.run(hear(listener)),
        ):
            listener = tinywake.Listener(MODEL, None, i2s())
            audioi2sin.error = error
            raises(type(error), drive, listener)
            assert not audioi2sin.opened and not listener.listening
        if isinstance(error, ReloadException):
            raises(type(error), lambda: main.run(model=MODEL))  # Bug to be: a loop that takes it for Ctrl-C
    audioi2sin.error = None
    CONSOLE.fetch()


def test_due_is_a_little_early():
    mic = i2s()
    mic.open()
    assert mic.due_ms(640) == 18
    supervisor.advance(5)
    assert mic.due_ms(640) == 13
    supervisor.advance(13)
    assert mic.due_ms(640) == 0
    read(mic, 1)
    assert mic.due_ms(640) == 18
    mic.close()


class Times:
    """When the other task ran, without allocating much."""

    longest = 0


def test_another_task_goes_on():
    core = asyncio.core
    kept = core.ticks
    supervisor.now = time.ticks_ms()  # which asyncio's C code gives tasks that are to run at once
    core.ticks = lambda: supervisor.now
    core._io_queue = Waiting()
    mic = i2s(shift=10)  # loud enough to be heard
    listener = tinywake.Listener(MODEL, None, mic)
    audioi2sin.waited = 0
    times = Times()

    async def other():
        last = supervisor.now
        while True:
            times.longest = max(times.longest, supervisor.now - last)
            last = supervisor.now
            await asyncio.sleep_ms(1)

    async def hear():
        task = asyncio.create_task(other())
        began = supervisor.now
        hits = 0
        async for _ in listener:
            hits += 1
            if supervisor.now > began + 900:
                break
        listener.stop()
        task.cancel()
        return hits

    hits = asyncio.run(hear())
    core.ticks = kept
    assert hits >= 2
    assert times.longest <= 4, times.longest
    assert audioi2sin.waited < 3 * 60, audioi2sin.waited  # in all, of some 50 buffers
    assert listener.lost == 0


class Waiting:
    """Where asyncio waits for files or time."""

    def __init__(self):
        asyncio.new_event_loop()

    def wait_io_event(self, ms):
        supervisor.advance(ms)


def test_every_way_hears_the_same():
    listener = tinywake.Listener(MODEL, None, i2s(shift=10))
    heard = []
    for hit in listener:
        heard.append((hit.t_ms, hit.score))
        if len(heard) == 2:
            listener.stop()
            break
    found = []

    def note(hit):
        found.append((hit.t_ms, hit.score))
        if len(found) == 2:
            raise ReloadException

    listener = tinywake.Listener(MODEL, note, i2s(shift=10))
    raises(ReloadException, listener.run)
    assert found == heard and not audioi2sin.opened


def test_no_allocation_while_listening():
    mic = i2s(channel="right")
    listener = tinywake.Listener(MODEL, None, mic)
    listener.report = Report(Link(port.write), listener.model, listener.native, "live")
    listener._open()
    turns = 0
    while turns < 30:
        if turns == 5:
            audioi2sin.allocates = False
            gc.collect()
            micropython.heap_lock()
        listener._fill()
        listener.drain()
        mic.due_ms(640)
        port.read_byte()
        port.ticks_us()
        if turns % 7 == 6:
            supervisor.advance(100)  # losses, too
        turns += 1
    micropython.heap_unlock()
    audioi2sin.allocates = True
    listener.stop()
    assert listener.lost > 0 and listener.report.steps > 20
    CONSOLE.fetch()


def pdm(**options):
    mic = dict(PDM)
    mic.update(options)
    return PdmMicrophone(port, mic)


def decimated(start, count, shift=16):
    """Of the stream's words from `start` on: so many samples."""
    stream = rp2pio.STREAM
    state, out, piece = bytearray(128), [], array("h", bytes(2 * 80))
    for at in range(start, start + 4 * count, 4 * 80):  # in pieces: the heap is small
        at %= len(stream)
        ring = stream[at : at + 4 * 80]
        ring.extend(stream[: 4 * 80 - len(ring)])
        decimate(state, ring, 0, 16 * 80, shift, piece)
        out.extend(piece)
    return out


def test_pdm_is_wired_as_it_should():
    for channel, level in (("left", 0), ("right", 1)):
        mic = pdm(channel=channel)
        mic.open()
        (sm,) = rp2pio.active
        on, off = level << 12, (1 - level) << 12
        assert sm.program == [0xA042 | on, 0x4001 | on, 0xA042 | off, 0xA042 | off]
        assert sm.frequency == 4 * 2048000 and sm.pins == (11, 10)
        assert sm.settings == {"auto_push": True, "push_threshold": 32, "in_shift_right": True}
        mic.open()
        assert len(rp2pio.active) == 1
        mic.close()
        mic.close()
        assert not rp2pio.active


def test_pdm_has_no_gaps():
    for size, work, shift in ((320, 0, 16), (320, 15, 14), (160, 7, 16), (480, 25, 16)):
        mic = pdm(shift=shift)
        mic.open()
        heard = read(mic, 3200 // size, work, size)
        assert mic.lost == 0, (size, work, mic.lost)
        assert list(heard) == decimated(PIECE // 4, len(heard), shift), (size, work)
        mic.close()


def test_pdm_counts_what_is_written_over():
    for hold in (40, 60, 64, 100, 250, 1000):
        mic = pdm()
        mic.open()
        read(mic, 10)
        supervisor.advance(hold)
        heard = read(mic, 20)
        (sm,) = rp2pio.active
        # All that the microphone has said was heard, lost, is waiting, or is in the piece that is being filled.
        said = (sm.number - PIECE // 4) // 4
        taken = 10 * 320 + len(heard) + mic.lost + mic._waiting // 16
        assert -16 <= said - taken <= 2 * 32 * 16, (hold, said - taken, mic.lost)
        assert mic.lost > 0 or hold <= 64, hold
        mic.close()


def test_pdm_tells_how_long_to_wait():
    mic = pdm()
    mic.open()
    wait = mic.due_ms(640)
    assert 32 <= wait <= 64
    read(mic, 1)
    assert mic.due_ms(640) > 0
    mic.close()


def test_pdm_allocates_nothing():
    mic = pdm()
    mic.open()
    buf = bytearray(640)
    mic.readinto(buf)
    rp2pio.allocates = False
    gc.collect()
    micropython.heap_lock()
    turns = 0
    while turns < 12:
        mic.readinto(buf)
        supervisor.advance(70 if turns == 6 else 5)
        turns += 1
    micropython.heap_unlock()
    rp2pio.allocates = True
    mic.close()


def test_the_microphone_that_the_pins_name():
    for mic, kind in ((I2S, I2SMicrophone), (PDM, PdmMicrophone)):
        pins.MIC = mic
        assert type(port.microphone()) is kind
    assert type(port.microphone("x.wav")).__name__ == "WavMicrophone"


def test_a_look_at_the_microphone():
    pins.MIC = dict(I2S)
    said = miccheck.measure(50)
    for slot, channel in enumerate(("left", "right")):
        facts = said["channels"][channel]
        assert facts["count"] == 800
        values = [audioi2sin.frame(number, slot) >> 8 for number in range(4801, 5601)]
        assert facts["sum"] == sum(values), (facts["sum"], sum(values))
    assert not audioi2sin.opened


def later():
    supervisor.now += 100


def clear():
    audioi2sin.opened.clear()
    rp2pio.active.clear()


each_test(globals(), later, clear)
