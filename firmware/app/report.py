# SPDX-License-Identifier: MIT
"""What is said when: turns steps and hits into the lines of firmware/SERIAL.md, within its bandwidth."""

from .link import escape

__all__ = ("Report",)

LIVE_MS = 100  # audio time between the score lines of one label, "live"
LINE_MS = 25  # and between any two score lines, where there are more than four wake labels
LEVEL_MS = 200
LOST_MS = 200
STATE_MS = 5000


class Report:
    """Lines about one listener. `score` is SERIAL.md's mode: off, live, or all (waits, never drops)."""

    def __init__(self, link, model, native, score="live"):
        if score not in ("off", "live", "all"):
            raise ValueError("score: off, live or all")
        self._link = link
        self._native = native
        self._wake = bytes([i for i, wake in enumerate(model.native.wake) if wake])
        names = [escape(name) for name in model.labels]
        if len(set(names)) < len(names):
            names = [b"~%d" % i for i in range(len(names))]
        self._score_head = [b"@score label=" + name for name in names]
        self._hit_head = [b"@hit label=" + name for name in names]
        self._model_name = escape(model.name)
        self._all = score == "all"
        link.wait_ms = -1 if self._all else 0
        self._score_ms = 0 if score == "off" else max(LIVE_MS, LINE_MS * len(self._wake))
        self._state_head = {}
        for name in ("listening", "stopped"):
            self._state_head[name] = b"@state v=1 state=" + name.encode() + b" model=" + self._model_name
        self._begin()

    def _begin(self):
        self.steps = 0
        self.hits = 0
        self._dropped = self._link.dropped
        self._lost = 0
        self._score_at = 0
        self._level_at = 0
        self._lost_at = 0
        self._state_at = STATE_MS
        self._now = 0  # of the last step: the native time begins with the part of a window that has no step
        self._peak = 0
        self._clipped = 0

    @property
    def dropped(self):
        """Lines that the link could not send since the model was loaded."""
        return self._link.dropped

    def state(self, name, lost):
        """Listening begins or ends."""
        if name == "listening":
            self._begin()
        self._state(name, lost)

    def _state(self, name, lost):
        link = self._link
        link.begin(self._state_head[name])
        link.number(b" t=", self._now)
        link.number(b" steps=", self.steps)
        link.number(b" hits=", self.hits)
        link.number(b" dropped=", link.dropped)
        link.number(b" lost=", lost)
        link.end()

    def step(self, lost):
        """Scores, level, losses and state, each when it is time."""
        native = self._native
        now = native.t_ms
        self.steps += 1
        if now < self._now:  # t starts over at 2^30
            self._score_at = self._level_at = self._lost_at = self._state_at = now
        self._now = now
        self._peak = max(self._peak, native.level)
        self._clipped += native.clipped
        if now >= self._lost_at and (lost != self._lost or self._link.dropped != self._dropped):
            self._losses(now, lost)
        if self._all or (self._score_ms and now >= self._score_at):
            self._score_at = now + self._score_ms
            for label in self._wake:
                self._score(now, label)
        if now >= self._level_at:
            self._level(now)
        if now >= self._state_at:
            self._state_at = now + STATE_MS
            self._state("listening", lost)

    def _score(self, now, label):
        link = self._link
        link.begin(self._score_head[label])
        link.number(b" t=", now)
        link.number(b" score=", self._native.score(label))
        link.number(b" mean=", self._native.mean(label))
        if not self._native.ready:
            link.number(b" ready=", 0)
        if not self._native.awake:
            link.number(b" awake=", 0)
        link.end()

    def _level(self, now):
        link = self._link
        link.begin(b"@level")
        link.number(b" t=", now)
        link.number(b" peak=", self._peak)
        link.number(b" clipped=", self._clipped)
        link.end()
        self._level_at = now + LEVEL_MS
        self._peak = 0
        self._clipped = 0

    def _losses(self, now, lost):
        link = self._link
        link.begin(b"@lost")
        link.number(b" t=", now)
        link.number(b" samples=", lost - self._lost)
        link.number(b" lines=", link.dropped - self._dropped)
        if link.end():
            self._lost = lost
            self._dropped = link.dropped
            self._lost_at = now + LOST_MS

    def hit(self, hit):
        """Always."""
        self.hits += 1
        link = self._link
        link.begin(self._hit_head[hit.index])
        link.number(b" t=", hit.t_ms)
        link.number(b" score=", hit.score)
        link.number(b" mean=", hit.mean)
        link.end()

    def end(self, lost):
        """Always."""
        link = self._link
        link.begin(b"@end")
        link.number(b" t=", self._now)
        link.number(b" steps=", self.steps)
        link.number(b" hits=", self.hits)
        link.number(b" lost=", lost)
        link.end()
