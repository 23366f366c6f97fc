# SPDX-License-Identifier: MIT
# ruff: noqa: D102 - port/__init__.py documents them
"""A wav file as the microphone: in real time, or as fast as it is asked. No allocation while it plays."""

__all__ = ("WavMicrophone",)

_PCM = (b"\x01", b"\xfe")  # fmt tag's low byte: PCM, extensible
_MONO_16K = b"\x01\x00\x80\x3e\x00\x00"  # uint16 channels, uint32 rate
_BITS_16 = b"\x10\x00"

_BYTES_MS = 32  # 16 kHz, two bytes
_PERIOD_MS = 10
_BURST = 8  # buffers a period, so that the prompt gets its turn


def _find_samples(file, path):
    """Seek to the samples and return their size in bytes. ValueError unless they are 16 kHz mono 16-bit."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise ValueError(path + ": not a wav file")
    at = 12
    right = False
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"fmt ":
            form = file.read(16)
            right = form[:1] in _PCM and form[2:8] == _MONO_16K and form[14:] == _BITS_16
        elif head[:4] == b"data":
            if not right:
                break
            return min(length or size, size - at - 8) & ~1  # a recorder that was cut off leaves 0 or -1
        at += 8 + length + (length & 1)
    raise ValueError(path + ": not 16 kHz mono 16-bit")


class WavMicrophone:
    """`clock` is a port: ticks_ms, ticks_diff, sleep_ms and every."""

    def __init__(self, clock, path, paced):
        self.lost = 0
        self._clock = clock
        self._path = path
        self._paced = paced
        self._file = None
        self._started = False  # in the background
        self._left = 0  # bytes to the end
        self._credit = 0  # bytes that real time allows
        self._last = 0
        self._ticking = self._tick  # bound once: taking a method allocates

    def open(self):
        self.close()
        try:
            file = open(self._path, "rb")
        except OSError:
            raise OSError("no %s to hear: mpremote fs cp CLIP.wav :%s" % (self._path, self._path)) from None
        try:
            self._left = _find_samples(file, self._path)
        except ValueError:
            file.close()
            raise
        self._file = file
        self._credit = 0
        self._last = self._clock.ticks_ms()

    def close(self):
        if self._file:
            if self._started:
                self._started = False
                self._clock.every(0, None)
            self._file.close()
            self._file = None

    def due_ms(self, count):
        if not self._paced:
            return 0
        now = self._clock.ticks_ms()
        self._credit += self._clock.ticks_diff(now, self._last) * _BYTES_MS
        self._last = now
        count = min(count, self._left) - self._credit
        return (count + _BYTES_MS - 1) // _BYTES_MS if count > 0 else 0

    def readinto(self, buf):
        wait = self.due_ms(len(buf))
        while wait:
            self._clock.sleep_ms(wait)
            wait = self.due_ms(len(buf))
        count = self._file.readinto(buf, min(len(buf), self._left)) & ~1
        self._left = self._left - count if count else 0  # a file cut while it plays ends here
        self._credit -= count
        return count

    def start(self, buf, callback):
        self._buf = buf
        self._callback = callback
        self._started = True  # first: close() must end what every() may have begun when it raises
        self._clock.every(_PERIOD_MS, self._ticking)

    def _tick(self, _):
        for _ in range(_BURST):
            if not self._file or self.due_ms(len(self._buf)):
                return
            self._callback(self.readinto(self._buf))
