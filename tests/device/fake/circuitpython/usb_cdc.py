# SPDX-License-Identifier: MIT
"""A stand-in for CircuitPython's usb_cdc: the console's two buffers. A write takes what finds room, and never waits."""

SIZE = 256


class Serial:
    def __init__(self):
        self.timeout = self.write_timeout = None
        self.size = SIZE
        self.out = bytearray(4096)
        self.written = 0
        self.taken = 0  # by the host
        self.came = b""

    @property
    def out_waiting(self):
        return self.written - self.taken

    @property
    def in_waiting(self):
        return len(self.came)

    def write(self, buf, start, count):
        assert self.write_timeout == 0
        count = min(count, self.size - self.out_waiting)
        for i in range(count):
            self.out[(self.written + i) % len(self.out)] = buf[start + i]
        self.written += count
        return count

    def readinto(self, buf):
        assert self.timeout == 0
        count = min(len(buf), len(self.came))
        buf[:count] = self.came[:count]
        self.came = self.came[count:]
        return count

    def fetch(self):
        """The host reads all there is."""
        said = bytes(self.out[self.taken % len(self.out) : self.written % len(self.out)])
        self.taken = self.written
        return said


console = Serial()
data = None
