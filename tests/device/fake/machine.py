# SPDX-License-Identifier: MIT
"""A stand-in for MicroPython's machine, of what the microphones use: pins, a timer, an I2S receiver.

`I2S.slots` is what the microphone says, little-endian int32, left and right in turn, over and over. The receiver
keeps to what ports/rp2/machine_i2s.c of MicroPython 1.25 does: 32-bit stereo is received, and what was asked for is
picked out of that; ws must be the pin after sck.
"""

_MAPS = {(16, 0): (2, 3), (32, 0): (0, 1, 2, 3), (16, 1): (2, 3, 6, 7), (32, 1): (0, 1, 2, 3, 4, 5, 6, 7)}


class Pin:
    IN = 0

    def __init__(self, number, mode=-1):
        self.number = number


class Timer:
    def __init__(self, number, period, callback):
        self.period, self.callback = period, callback

    def deinit(self):
        pass


class I2S:
    RX = 0
    MONO = 0
    STEREO = 1
    slots = bytes(8)
    opened = []  # noqa: RUF012 - MicroPython

    def __init__(self, id, *, sck, ws, sd, mode, bits, format, rate, ibuf):
        if ws.number != sck.number + 1:
            raise ValueError("invalid ws (must be sck+1)")
        if ibuf < 256:  # two halves of a DMA buffer
            raise ValueError("invalid ibuf")
        assert (rate, mode) == (16000, self.RX)
        self.map = _MAPS[bits, format]
        self.ibuf = ibuf
        self.frames = 0
        self.callback = None
        self.buffer = None
        self.opened.append(self)

    def irq(self, callback):
        self.callback = callback

    def readinto(self, buf):
        if self.callback:
            self.buffer = buf
        else:
            self.fill(buf)
        return len(buf)

    def fill(self, buf):
        out = 0
        while out < len(buf):
            at = self.frames % (len(self.slots) // 8) * 8
            for byte in self.map:
                buf[out] = self.slots[at + byte]
                out += 1
            self.frames += 1

    def deinit(self):
        self.opened.remove(self)
