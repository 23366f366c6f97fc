# SPDX-License-Identifier: MIT
"""What is said when: turns steps and hits into the lines of firmware/SERIAL.md, within its bandwidth."""

import gc

from .link import escape
from .port import port

__all__ = ("Report",)

LIVE_MS = 100  # audio time between the score lines of one label, "live"
LINE_MS = 25  # and between any two score lines, where there are more than four wake labels
LEVEL_MS = 200
LOST_MS = 200
STATE_MS = 5000
ANSWER_MS = 50
RECORDING_MS = 1500  # between losses or answers, while a recording has the line
HEAP_MS = 1000  # the first; then with each state
COUNT_MS = 5  # counting a heap of megabytes takes longer, and would delay audio: that is done when asked for


class Report:
    """Lines about one listener. `score` is SERIAL.md's mode: off, live, or all (waits, never drops)."""

    def __init__(self, link, model, native, score="live"):
        self._link = link
        self.native = native
        self.answers = []  # lines for a host that has asked; firmware/app/commands.py
        self.recorder = None  # recorder.Recorder, while one is on
        self._low = gc.mem_free()
        self._stack = 0
        began = port.ticks_ms()
        self._free()
        self._counts = port.ticks_diff(port.ticks_ms(), began) <= COUNT_MS
        self._wake = bytes([i for i, wake in enumerate(model.native.wake) if wake])
        names = [escape(name) for name in model.labels]
        if len(set(names)) < len(names):
            names = [b"~%d" % i for i in range(len(names))]
        self._score_head = [b"@score label=" + name for name in names]
        self._hit_head = [b"@hit label=" + name for name in names]
        self._model_name = escape(model.name)
        self.set_mode(score)
        self._state_head = {}
        for name in ("listening", "stopped"):
            self._state_head[name] = b"@state v=1 state=" + name.encode() + b" model=" + self._model_name
        self._begin()

    def set_mode(self, score):
        """From the next step on."""
        if score not in ("off", "live", "all"):
            raise ValueError("score: off, live or all")
        self._all = score == "all"
        self._link.wait_ms = -1 if self._all else 0
        self._score_ms = 0 if score == "off" else max(LIVE_MS, LINE_MS * len(self._wake))

    def _begin(self):
        self.steps = 0
        self.hits = 0
        self._dropped = self._link.dropped
        self._lost = 0
        self._score_at = 0
        self._level_at = 0
        self._lost_at = 0
        self._state_at = STATE_MS
        self._answer_at = 0
        self._heap_at = HEAP_MS
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
        elif self.recorder:
            self.recorder.close()
        self._state(name, lost)
        if name == "stopped":
            self.answer_all()

    def succeed(self, before, lost):
        """Go on for the report of a model that gives way between two steps."""
        if before.recorder:
            before.recorder.close()
        before._state("stopped", lost)
        self.answers = before.answers
        self._lost = before._lost  # what has not been said yet will be
        self._dropped = before._dropped
        self._state("listening", lost)

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
        native = self.native
        now = native.t_ms
        self.steps += 1
        if now < self._now:  # t starts over at 2^30
            self._score_at = self._level_at = self._lost_at = self._state_at = now
            self._answer_at = self._heap_at = now
        self._now = now
        self._peak = max(self._peak, native.level)
        self._clipped += native.clipped
        self._stack = max(self._stack, port.stack_use())
        if now >= self._lost_at and (lost != self._lost or self._link.dropped != self._dropped):
            self._losses(now, lost)
        recorder = self.recorder  # which has the line but for what follows
        if recorder:
            recorder.step()
        elif self._all or (self._score_ms and now >= self._score_at):
            self._score_at = now + self._score_ms
            for label in self._wake:
                self._score(now, label)
        if now >= self._level_at and not recorder:
            self._level(now)
        if now >= self._state_at:
            self._state_at = now + STATE_MS
            self._state("listening", lost)
            if recorder:
                recorder.say()
        if self._counts and not recorder and now >= self._heap_at:
            self._heap_at = now + STATE_MS
            self.say_heap(self._link)
        if self.answers and now >= self._answer_at:
            self._answer_at = now + (RECORDING_MS if recorder else ANSWER_MS)
            self._answer()

    def _answer(self):
        line = self.answers[0]
        if not isinstance(line, bytes):  # whatever makes its lines one by one
            line = line.next_line()
        else:
            self.answers.pop(0)
        if line is None:
            self.answers.pop(0)
        else:
            self._link.begin(line)
            self._link.end()

    def answer_all(self):
        """At once: there is no audio to delay."""
        while self.answers:
            self._answer()

    def say_heap(self, link):
        """Free heap, its least and the most of the stack that was seen here."""
        free = self._free()
        link.begin(b"@heap")
        link.number(b" free=", free)
        link.number(b" low=", self._low)
        link.number(b" stack=", self._stack)
        link.end()

    def _free(self):
        free = gc.mem_free()
        self._low = min(self._low, free)
        return free

    def _score(self, now, label):
        link = self._link
        link.begin(self._score_head[label])
        link.number(b" t=", now)
        link.number(b" score=", self.native.score(label))
        link.number(b" mean=", self.native.mean(label))
        if not self.native.ready:
            link.number(b" ready=", 0)
        if not self.native.awake:
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
            self._lost_at = now + (RECORDING_MS if self.recorder else LOST_MS)

    def hit(self, hit):
        """Always."""
        self.hits += 1
        link = self._link
        link.begin(self._hit_head[hit.index])
        link.number(b" t=", hit.t_ms)
        link.number(b" score=", hit.score)
        link.number(b" mean=", hit.mean)
        link.end()
        if self.recorder:
            self.recorder.hit()

    def end(self, lost):
        """Always."""
        link = self._link
        link.begin(b"@end")
        link.number(b" t=", self._now)
        link.number(b" steps=", self.steps)
        link.number(b" hits=", self.hits)
        link.number(b" lost=", lost)
        link.end()
