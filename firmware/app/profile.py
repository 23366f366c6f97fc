# SPDX-License-Identifier: MIT
"""Where the time of a step goes, measured while the app listens: stand-ins between engine and native module.

A native module has no clock, so the operators run one at a time, and the app reads its own between them. Imported when
a host asks for it; the engine knows nothing of it.
"""

from .port import port

__all__ = ("begin",)

MOST = 500  # steps
_ENDED = -1  # of settle(): a step has ended; less: none has
_CALLS = 8  # of nothing, to see what a call costs by itself


def begin(engine, steps):
    """Measure so many steps of an engine, then let its report answer with them."""
    if not 1 <= steps <= MOST:
        raise ValueError("steps: 1 to %d" % MOST)
    if not engine.listening:
        raise ValueError("not listening")
    if isinstance(engine.native, _Listener):
        raise ValueError("a profile is under way")
    engine.native = _Listener(engine, steps)


class _Network:
    """A native Model that runs its operators one by one."""

    def __init__(self, native):
        self.us = [0] * native.ops
        self.runs = 0
        self._native = native
        self._ticks = port.ticks_us
        self._diff = port.ticks_diff
        self.run(0, 0)  # what is looked up for the first time
        began = port.ticks_us()
        for _ in range(_CALLS):
            native.run(0, 0)
            port.ticks_us()
        self.call_us = port.ticks_diff(port.ticks_us(), began) // _CALLS
        self.runs = 0

    def run(self, first, last):
        """As Model.run."""
        native, ticks, diff = self._native, self._ticks, self._diff
        at = ticks()
        while first < last:
            native.run(first, first + 1)
            now = ticks()
            self.us[first] += diff(now, at)
            at = now
            first += 1
        self.runs += 1


class _Listener:
    """A native Listener, as far as an engine uses it."""

    def __init__(self, engine, steps):
        self.front_us = self.settle_us = self.steps = 0
        self._engine = engine
        self._native = engine.native
        self._networks = engine._networks
        self._wanted = steps
        self._said = 0
        self.model = _Network(engine.model.native)
        other = self._networks[2]
        self.gate = other and _Network(other)
        engine._networks = (None, self.model, self.gate, None)

    @property
    def due(self):
        """As in Listener; so are the others."""
        return self._native.due

    @property
    def t_ms(self):
        return self._native.t_ms

    @property
    def step_samples(self):
        return self._native.step_samples

    @property
    def threshold(self):
        return self._native.threshold

    def reset(self):
        self._native.reset()

    def score(self, label):
        return self._native.score(label)

    def mean(self, label):
        return self._native.mean(label)

    def feed(self, pcm, start, end):
        at = port.ticks_us()
        start = self._native.feed(pcm, start, end)
        self.front_us += port.ticks_diff(port.ticks_us(), at)
        return start

    def settle(self):
        at = port.ticks_us()
        label = self._native.settle()
        self.settle_us += port.ticks_diff(port.ticks_us(), at)
        if label >= _ENDED and self._engine.native is self:
            self.steps += 1
            if self.steps == self._wanted:
                self._finish()
        return label

    def _finish(self):
        engine = self._engine
        engine.native = self._native
        engine._networks = self._networks
        report = engine.report
        for network in (self.model, self.gate):
            if network:
                for i, us in enumerate(network.us):
                    network.us[i] = max(0, us - network.call_us * network.runs)
        report.answers.append(self)

    def next_line(self):
        """For Report: one line at a time, in the order of the work; None after the last."""
        said, parts = self._said, len(self.model.us)
        self._said += 1
        if said == 0:
            return self._line(b"front", self.front_us)
        if said <= parts:
            return self._line(b"op", self.model.us[said - 1]) + b" i=%d" % (said - 1)
        said -= parts
        network, gate = sum(self.model.us), sum(self.gate.us) if self.gate else 0
        if said == 1:
            return self._line(b"network", network)
        if said == 2:
            return self._line(b"gate", gate)
        if said == 3:
            return self._line(b"settle", self.settle_us)
        if said == 4:
            total = self.front_us + network + gate + self.settle_us
            return self._line(b"step", total) + b" lines=%d" % (parts + 4)
        return None

    def _line(self, part, us):
        return b"@profile part=" + part + b" us=%d" % (us // self.steps)
