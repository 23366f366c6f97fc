# SPDX-License-Identifier: MIT
"""firmware/module/_tinywake.pyi in plain Python, for testing the app without the C module. Allocates as
little as it.

The "network" is loudness: each wake label scores the step's peak, the first at full weight, the next at
half, and so on. The file is the text "FAKE label,*wake label,...": labels with a star are wake labels.
"""

VERSION = 1
STEP = 320
REFRACTORY = 25  # steps
READY = 3
BYTES = (bytes, bytearray)


class Model:
    def __init__(self, file):
        text = bytes(file)
        if text[:5] != b"FAKE ":
            raise ValueError("TW_ERR_MAGIC")
        names = text[5:].decode().strip().split(",")
        self._file = file
        self.arena_bytes = 1024
        self.state_bytes = 256
        self.ops = 3
        self.labels = tuple(name.lstrip("*") for name in names)
        self.wake = tuple(name[0] == "*" for name in names)
        self.input = (4,)
        self.output = (4,)
        self.warmup = READY
        self._x = bytearray(4)
        self._runs = 0

    def verify(self):
        if bytes(self._file[-3:]) == b"BAD":
            raise ValueError("TW_ERR_PAYLOAD")

    def reset(self):
        self._runs = 0

    def load(self, x):
        if len(x) != 4:
            raise ValueError("TW_ERR_SIZE")
        for i in range(4):
            self._x[i] = x[i]

    def run(self, first, last):
        if not 0 <= first <= last <= self.ops:
            raise ValueError("TW_ERR_RANGE")
        self._runs += last - first

    def store(self, y):
        for i in range(4):
            y[i] = (self._x[i] * 3 + self._runs) & 255


class Listener:
    """A gate that is an int is the peak that opens it for a step; one that is a model is open every other step."""

    def __init__(self, model, gate=None, hold_ms=0):
        self.model = model
        self.step_samples = STEP
        self.threshold = 80
        self._wake = model.wake.index(True)
        self._gate = gate
        if gate is model:
            raise ValueError("TW_ERR_RANGE")
        self.ram_bytes = 512
        self.reset()

    def reset(self):
        self.model.reset()
        self.due = 0
        self.ready = False
        self.awake = True
        self.t_ms = 0
        self.level = 0
        self.clipped = 0
        self._steps = 0
        self._have = 0
        self._peak = 0
        self._full = 0
        self._score = 0
        self._mean = 0
        self._deaf = 0

    def feed(self, pcm, start, end):
        while start < end and not self.due:
            if isinstance(pcm, BYTES):
                value = pcm[2 * start] | pcm[2 * start + 1] << 8
                if value >= 32768:
                    value -= 65536
            else:
                value = pcm[start]
            start += 1
            self._peak = max(self._peak, abs(value))
            self._full += value == 32767 or value == -32768
            self._have += 1
            if self._have == STEP:
                self.level, self.clipped = self._peak, self._full
                self._have = self._peak = self._full = 0
                self.t_ms += 20
                self._steps += 1
                self._begin()
        return start

    def _begin(self):
        if isinstance(self._gate, Model):
            self.due = 2
            return
        self.awake = self._gate is None or self.level > self._gate
        self.due = 1 if self.awake else 3

    def settle(self):
        if self.due == 2:
            self.awake = self._gate._runs // self._gate.ops % 2 == 1
            self.due = 1 if self.awake else 3
            return -2
        self._score = min(255, self.level >> 7) if self.due == 1 else 0
        self.due = 0
        self.ready = self._steps > READY
        self._mean = (3 * self._mean + self._score) >> 2
        self._deaf = max(0, self._deaf - 1)
        if not self.ready or self._deaf or self._mean < self.threshold:
            return -1
        self._deaf = REFRACTORY
        return self._wake

    def score(self, label):
        return self._score >> label

    def mean(self, label):
        return self._mean >> label


def crc16(data, start, end):
    crc = 0xFFFF
    while start < end:
        crc ^= data[start] << 8
        bit = 0
        while bit < 8:
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
            bit += 1
        start += 1
    return crc
