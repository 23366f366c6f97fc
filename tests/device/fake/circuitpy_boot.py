# SPDX-License-Identifier: MIT
# ruff: noqa: N805, UP031 - MicroPython, and modules that are classes
"""boot.py that makes MicroPython on a Pico answer as CircuitPython does: its drive, and the modules that it has.

The drive is FAT at DRIVE in flash, and cannot be written. The microphone is machine.I2S's. Native modules, bytecode and
the processor's time stay MicroPython's.
"""

import hashlib
import select
import sys
import time

import machine
import pack32
import uctypes
import vfs

DRIVE = 0x60000
BYTES = (2 << 20) - DRIVE


class Drive:
    def readblocks(self, block, buf):
        buf[:] = uctypes.bytearray_at(0x10000000 + DRIVE + 512 * block, len(buf))

    def ioctl(self, op, arg):
        return BYTES // 512 if op == 4 else 512 if op == 5 else 0


class Implementation(tuple):
    name = "circuitpython"
    version = (10, 3, 1)
    _mpy = sys.implementation._mpy
    _machine = "Raspberry Pi Pico with rp2040"


class Sys:
    platform = "RP2040"
    implementation = Implementation(("circuitpython", (10, 3, 1)))
    version = "3.4.0; Adafruit CircuitPython 10.3.1 on 2026-05-01"
    modules = sys.modules
    path = sys.path
    stdin = sys.stdin
    stdout = sys.stdout
    print_exception = sys.print_exception


class Hashlib:
    def new(name, data=b""):
        return getattr(hashlib, name)(data)


class Console:
    connected = True
    out_waiting = 0

    def __init__(self):
        self.poll = select.poll()
        self.poll.register(sys.stdin, select.POLLIN)
        self.write = sys.stdout.buffer.write

    @property
    def in_waiting(self):
        return len(self.poll.poll(0))

    def readinto(self, buf):
        return sys.stdin.buffer.readinto(buf, 1)


class UsbCdc:
    console = Console()
    data = None


class Supervisor:
    class status_bar:  # noqa: N801 - as CircuitPython has it
        console = True

    def ticks_ms():
        return time.ticks_ms() & 0x1FFFFFFF

    def reload():
        machine.soft_reset()


class Storage:
    def getmount(path):
        class Mount:
            readonly = True

        return Mount


class Pin:
    def __init__(self, number):
        self.number = number


class Pins:
    pass


for number in range(29):
    setattr(Pins, "GPIO%d" % number, Pin(number))


class Microcontroller:
    pin = Pins


class Board:
    board_id = "raspberry_pi_pico"


class Rp2pio:
    def pins_are_sequential(pins):
        return pins[0].number + 1 == pins[1].number


class I2SIn:
    def __init__(self, bit_clock, word_select, data, *, sample_rate, bit_depth, mono):
        i2s, pin = machine.I2S, machine.Pin
        self._i2s = i2s(
            0,
            sck=pin(bit_clock.number),
            ws=pin(word_select.number),
            sd=pin(data.number),
            mode=i2s.RX,
            bits=bit_depth,
            format=i2s.MONO if mono else i2s.STEREO,
            rate=sample_rate,
            ibuf=80 * 16 * 8,
        )
        self.overflow = False

    def record(self, buf, count):
        return self._i2s.readinto(memoryview(buf)[:count]) // 4

    def deinit(self):
        self._i2s.deinit()


class Audioi2sin:
    I2SIn = I2SIn


class TinywakeI2s:
    """The native module is CircuitPython's alone."""

    def pack(state, slots, first, step, count, buf):
        state[0] = pack32.pack32(buf, memoryview(slots)[first:], count, 2 * step, state[1], state[2], state[0])


vfs.umount("/")
vfs.mount(vfs.VfsFat(Drive()), "/", readonly=True)
for name, what in (
    ("sys", Sys),
    ("hashlib", Hashlib),
    ("usb_cdc", UsbCdc),
    ("supervisor", Supervisor),
    ("storage", Storage),
    ("microcontroller", Microcontroller),
    ("board", Board),
    ("rp2pio", Rp2pio),
    ("audioi2sin", Audioi2sin),
    ("_tinywake_i2s", TinywakeI2s),
):
    sys.modules[name] = what
