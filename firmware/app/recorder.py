# SPDX-License-Identifier: MIT
"""Sends what the microphone hears, on command alone: firmware/SERIAL.md, "Recording". Imported when a host asks for it.

Frames go out as lines, all other lines between them, no faster than 115200 baud takes them. Nothing is allocated
while it records.
"""

from .frames import LINE, WRAP, Frames, frames_in
from .link import LIMIT, escape

__all__ = ("Recorder", "order")

STREAM_MS = 1000  # of the ring, where it is only there for an output that halts
SLACK = 6  # frames of the ring besides those before a hit
LABEL = 24  # bytes of the label in a line
PIECE = 128  # bytes of a write: what a UART holds, half of what USB does
CREDIT = 512  # bytes that may go at once after a pause; where a step is long, those of two
QUEUE = 8 * (LIMIT + 2)
FLUSH_MS = 200  # that a piece waits for the output, where there is no audio to delay

_ON, _LAST, _SAID = range(3)


def order(listener, link, fields, label):
    """Carry out the command; return how many ms of audio the ring holds. mode=off: whether there was one to end."""
    report = listener.report
    recorder = report.recorder
    if fields["mode"] == "off":
        if recorder:
            recorder.end()
        return 1 if recorder else 0
    if recorder and recorder.fields == fields:  # the same, sent again
        return recorder.frames.ms
    if recorder:
        raise ValueError("it records already")
    if not listener.listening:
        raise ValueError("not listening")
    if link.wait_ms:
        raise ValueError("not in report mode all")
    report.recorder = recorder = Recorder(listener, link, fields, label)
    recorder.say()
    return recorder.frames.ms


class Recorder:
    """One recording of what a Listener hears, from construction on.

    `fields` of the command: mode = "stream" (all, or `ms` of it) or "hit" (`pre` ms before each hit and `post` after).
    """

    def __init__(self, listener, link, fields, label):
        self.fields = fields
        mode = fields["mode"]
        if mode not in ("stream", "hit"):
            raise ValueError("mode: stream, hit or off")
        self._on_hit = mode == "hit"
        pre, post = frames_in(int(fields.get("pre", "2000"))), frames_in(int(fields.get("post", "1000")))
        ms = 0 if self._on_hit else int(fields.get("ms", "0"))
        self.frames = Frames(pre + SLACK if self._on_hit else frames_in(STREAM_MS))
        self._pre = min(pre, self.frames.slots - 1)
        self._post = max(1, post)
        self._left = 16 * ms if ms else -1  # samples; -1: no end
        self._head = b" mode=" + mode.encode() + b" label=" + escape(label, LABEL)
        self._line = bytearray(LINE)
        self._sent = self._end = 0  # of _line
        self._queue = bytearray(QUEUE)  # lines of the link
        self._out = self._queued = 0  # of _queue
        self._next = 0  # the frame that is to go out
        self._until = 0 if self._on_hit else WRAP  # the frame that is not
        self._pieces = 0  # that are complete
        self._gone = self._dropped = 0  # frames
        self._budget = 0  # bytes
        self._state = _ON
        self._listener = listener
        self._lost = self._lost_before = listener.lost
        self._link = link
        self._write = link._write
        self._pass_on = listener.take
        link._write = self._take_line
        listener.take = self.take

    def end(self):
        """Take no more audio; what is in the ring still goes out."""
        self._left = 0
        self.frames.cut()
        self._until = min(self._until, self.frames.made)

    def close(self):
        """Now: the listener stops. There is no audio to delay, so the output is waited for."""
        self.end()
        self._budget = WRAP
        try:
            self._pump(FLUSH_MS)
        finally:  # Ctrl-C, too, leaves the line to the others
            self._detach()
            for at in range(self._out, self._queued):
                self._link.dropped += self._queue[at] == 0x0A
            if self._state != _SAID:
                self._dropped += max(0, self._until - self._next)
                self._state = _LAST
                self.say()

    def take(self, pcm, samples):
        """In the place of the listener's own, which goes on."""
        if self._left:
            self._record(pcm, samples)
        # 11,250 bytes a second: 115200 baud carry 11,520.
        earned = samples * 45 >> 6
        self._budget = min(self._budget + earned, max(CREDIT, 2 * earned))
        self._pump(0)
        self._pass_on(pcm, samples)

    def step(self):
        """Of the detector: the network has had its time, and the output may have room again."""
        self._pump(0)

    def hit(self):
        """A word was heard."""
        if self._on_hit and self._left:
            if self._next >= self._until:  # a new piece; what it has in common with the one before is sent again
                self._next = max(0, self.frames.made - self._pre)
            self._until = self.frames.made + self._post

    def say(self):
        """The event: that it records, and how far it is."""
        link = self._link
        link.begin(b"@rec state=on" if self._state == _ON else b"@rec state=off")
        link.text(b"", self._head)
        link.number(b" at=", self.frames.at)
        link.number(b" frames=", self._gone)
        link.number(b" lost=", self._lost - self._lost_before)
        link.number(b" dropped=", self._dropped)
        link.number(b" ring=", self.frames.ms)
        link.number(b" cuts=", self._pieces)
        return link.end()

    def _record(self, pcm, samples):
        lost = self._listener.lost
        if lost != self._lost:
            self.frames.skip(lost - self._lost)
            self._lost = lost
        if self._left > 0:
            samples = min(samples, self._left)
            self._left -= samples
        start = 0
        while start < samples:
            start = self.frames.take(pcm, start, samples)
        if not self._left:
            self.end()

    def _take_line(self, buf, start, end, wait_ms):
        """In the place of the port's write, for the link: whole lines, which wait for the end of a frame's."""
        if end - start > QUEUE - self._queued:
            return 0
        for at in range(start, end):
            self._queue[self._queued] = buf[at]
            self._queued += 1
        return end - start

    def _pump(self, wait_ms):
        """Write what is due, as far as it may and the output takes it."""
        while self._budget > 0 and (self._sent < self._end or self._out < self._queued or self._load()):
            if self._sent < self._end:
                count = self._write(self._line, self._sent, self._piece(self._sent, self._end), wait_ms)
                self._sent += count
            else:
                count = self._write(self._queue, self._out, self._piece(self._out, self._queued), wait_ms)
                self._out += count
                if self._out == self._queued:
                    self._out = self._queued = 0
            if not count:
                return
            self._budget -= count

    def _piece(self, start, end):
        return min(end, start + min(self._budget, PIECE))

    def _load(self):
        """Whether there is a line to send now: a frame, or the last word."""
        frames = self.frames
        oldest, end = min(frames.oldest, self._until), min(frames.made, self._until)
        if self._next < oldest:
            self._dropped += oldest - self._next
            self._next = oldest
            self._ended()
        if self._next < end:
            self._end = frames.line(self._next, self._pieces, self._line)
            self._sent = 0
            self._next += 1
            self._gone += 1
            self._ended()
        elif self._state == _SAID and self._out == self._queued:
            self._detach()
        elif not self._left and self._state != _SAID:
            self._state = _LAST
            if self.say():
                self._state = _SAID
        return self._sent < self._end or self._out < self._queued

    def _ended(self):
        """Tell it where that was the last frame of a piece."""
        if self._on_hit and self._next == self._until:
            self._pieces += 1
            self.say()

    def _detach(self):
        if self._listener.report.recorder is self:
            self._listener.report.recorder = None
            self._link._write = self._write
            del self._listener.take
