# SPDX-License-Identifier: MIT
"""A compiled network (.twm) from a path, a buffer of one's own, or flash that can be read in place."""

import _tinywake

from .port import port

__all__ = ("Model",)

_CODED = b"TWM\x1a\2"


class Model:
    """A network and its arena. Nothing is allocated after construction.

    `model`: path of a .twm (read in place from ROMFS, else one heap copy) or a buffer aligned to 4 bytes.
    `file`: its bytes; of a coded one those of the ordinary one that was made of it.
    `input`, `output`: shape, type, scale and zero point as integers (models/SPEC.md, IO).
    """

    def __init__(self, model):
        self.name = "buffer"
        self._digest = None
        if isinstance(model, str):
            self.name = model.rsplit("/", 1)[-1]
            if self.name.endswith(".twm"):
                self.name = self.name[:-4]
            model = port.read_file(model, self._coded)
        if bytes(memoryview(model)[:5]) == _CODED:
            from .coded import from_buffer

            model, self._digest = from_buffer(model)
        self.file = model
        self.native = _tinywake.Model(model)
        self.labels = self.native.labels
        self.input = self.native.input
        self.output = self.native.output
        self.ops = self.native.ops
        self._next = 0

    def digest(self):
        """SHA-256 in hex of the file as it came; of a coded one, of what was read when it was opened."""
        return self._digest or port.digest(self.file)

    @property
    def arena(self):
        """Read-only view of the working memory, streaming state first: between steps, what each operator computed.

        Where its tensors lie is in the index.json that `tinywake run --dump` writes.
        """
        return memoryview(self.native)

    def verify(self):
        """Raise ValueError where the file's checksum differs. Reads the whole file once."""
        self.native.verify()

    def reset(self):
        """Forget all streaming state and a run that step() has begun."""
        self._next = 0
        self.native.reset()

    def run(self, x, y):
        """One invoke: x and y are buffers of exactly the input's and the output's bytes."""
        self._next = 0
        self.native.load(x)
        self.native.run(0, self.ops)
        self.native.store(y)

    def load(self, x):
        """Begin an invoke that step() carries out."""
        self._next = 0
        self.native.load(x)

    def step(self, operators=1):
        """Run the next operators of the invoke; True once all have run: then store() has the output."""
        last = self._next + operators
        if last > self.ops:
            last = self.ops
        self.native.run(self._next, last)
        self._next = last
        return last == self.ops

    def store(self, y):
        """Copy the output into y."""
        self.native.store(y)

    def _coded(self, file):
        """What port.read_file() has to give for an open file: None where it is not coded."""
        head = file.read(5)
        file.seek(0)
        if head != _CODED:
            return None
        from .coded import from_file

        image, self._digest = from_file(file)
        return image
