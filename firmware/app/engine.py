# SPDX-License-Identifier: MIT
"""Samples in, hits out: the native module driven step by step. Nothing is allocated after construction."""

import _tinywake

from .model import Model

__all__ = ("Engine", "Hit", "Silent")

GATE_DB = 18  # how far a sound stands out of steady noise that opens the gate "energy"
HOLD_MS = 1000  # that a gate stays open

_NO_EVENT = -1  # of settle(): a step has ended; less: none has
_BYTES = (bytes, bytearray)  # made once: a tuple allocates


class Hit:
    """A heard word. The engine has one, and writes over it at the next hit: copy what must last."""

    def __init__(self):
        self.index = -1  # of the label in the model
        self.label = ""
        self.score = 0  # 0..255: the network's raw probability in the step that fired
        self.mean = 0  # 0..255: what the detector compared with the threshold
        self.t_ms = 0  # audio time since the last reset


class Silent:
    """What an engine tells report.Report, for one without a link: says nothing."""

    def state(self, name, lost):
        """Listening began or ended."""

    def step(self, lost):
        """The detector has seen one more step."""

    def hit(self, hit):
        """A word was heard."""

    def end(self, lost):
        """A file microphone has no more audio."""


class Engine:
    """One model's front end, network and detector.

    `model`: a path, a buffer or a Model. `on_hit(hit)` is called at each hit. `report`: see report.Report.
    `gate`: lets the model's network sleep where it has nothing to hear. A path, a buffer or a Model of a network with a
    detector of its own (a voice detector); or "energy", or the dB by which a sound must stand out of steady noise. It
    stays open for `hold_ms`.
    """

    def __init__(self, model, on_hit=None, report=None, gate=None, hold_ms=HOLD_MS):
        self.model = model if isinstance(model, Model) else Model(model)
        self.gate = _gate(gate)  # a Model, dB or None
        self.native = _native(self.model, self.gate, hold_ms)
        self.report = report or Silent()
        self.on_hit = on_hit
        self.hit = Hit()
        self.lost = 0  # samples that the source could not deliver, since the last reset
        other = self.gate if isinstance(self.gate, Model) else None
        self._networks = (None, self.model.native, other and other.native, None)  # by native.due
        self._ops = (0, self.model.ops, other and other.ops, 0)
        self._pcm = b""
        self._at = 0  # samples of _pcm taken
        self._len = 0  # and there

    def reset(self):
        """Forget all audio and start the time at 0."""
        self._at = self._len = 0
        self.lost = 0
        self.native.reset()

    def take(self, pcm, samples):
        """Hold the first int16 samples of a buffer for advance(). What it held before is forgotten."""
        self._pcm = pcm
        self._at = 0
        self._len = samples

    def advance(self):
        """Work through what take() holds up to the next hit; False where all of it is used up.

        A network that makes up for what it slept through may then still have steps to run: in a later call, where
        _pressed() says that there is something else to do. Each step is a native call of its own.
        """
        native = self.native
        while True:
            due = native.due
            if due:
                network = self._networks[due]
                if network:
                    network.run(0, self._ops[due])
                label = native.settle()
                if label >= _NO_EVENT:
                    self.report.step(self.lost)
                if label >= 0:
                    self._heard(label)
                    return True
                if self._at == self._len and native.due and self._pressed():
                    return False
            elif self._at == self._len:
                return False
            if self._at < self._len:
                self._at = native.feed(self._pcm, self._at, self._len)

    def drain(self):
        """Work through all that take() holds; return the number of hits."""
        hits = 0
        while self.advance():
            hits += 1
        return hits

    def feed(self, pcm):
        """Take int16 samples (bytes, bytearray or two-byte items). Return the number of hits.

        ValueError for half a sample: it and all that follows would be noise.
        """
        count = len(pcm)
        if isinstance(pcm, _BYTES):
            if count & 1:
                raise ValueError("%d bytes: a sample has two" % count)
            count >>= 1
        self.take(pcm, count)
        return self.drain()

    def _pressed(self):
        """Whether new samples are not to wait until the network has caught up."""
        return False

    def _heard(self, label):
        hit = self.hit
        hit.index = label
        hit.label = self.model.labels[label]
        hit.score = self.native.score(label)
        hit.mean = self.native.mean(label)
        hit.t_ms = self.native.t_ms
        self.report.hit(hit)
        if self.on_hit:
            self.on_hit(hit)


def _gate(gate):
    if gate == "energy":
        return GATE_DB
    return gate if gate is None or isinstance(gate, (int, Model)) else Model(gate)


def _native(model, gate, hold_ms):
    if gate is None:
        return _tinywake.Listener(model.native)
    other, name = (gate.native, gate.name) if isinstance(gate, Model) else (gate, "energy")
    try:
        return _tinywake.Listener(model.native, other, hold_ms)
    except ValueError as error:
        raise ValueError("%s behind %s: %s" % (model.name, name, error)) from None
