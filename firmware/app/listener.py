# SPDX-License-Identifier: MIT
"""The microphone drives the engine: in the background, in a loop of its own, or as an iterator."""

from .engine import Engine
from .port import port

__all__ = ("Listener",)


class Listener(Engine):
    """Hears the wake words of one model. Nothing is allocated between start and stop.

    `model`: a path, a buffer or a Model. `on_hit(hit)` is called at each hit, however it is driven.
    `mic`: a microphone of the port; default: the one that the board file names. Each start begins at time 0.
    `options`: `gate` and `hold_ms`, see Engine.
    """

    def __init__(self, model, on_hit=None, mic=None, report=None, **options):
        super().__init__(model, on_hit, report, **options)
        self.mic = mic
        self.listening = False
        self._more = False  # the microphone has not ended
        self.between = None  # what run() calls between two buffers
        self.task = None  # task(listener) is called between two buffers, however it is driven, and returns the next
        self._buffer = bytearray(2 * self.native.step_samples)
        self._callback = self._heard_audio  # bound once: taking a method allocates

    def run(self):
        """Own the loop until the microphone ends or an exception, Ctrl-C's included, comes through."""
        self._open()
        try:
            while self.listening and self._fill():
                self.drain()
                if self.between:
                    self.between()
        finally:
            self.stop()

    def start(self):
        """Listen in the background and return at once; an exception from on_hit ends it.

        RuntimeError where the interpreter has nothing to call back from: run(), iterate or feed() there.
        """
        self._open()
        try:
            self.mic.start(self._buffer, self._callback)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """End listening and release the microphone."""
        if self.listening:
            self.listening = self._more = False
            self.lost = self.mic.lost
            self.mic.close()
            self.report.state("stopped", self.lost)

    def feed(self, pcm):
        """Take samples from elsewhere instead of the microphone: see Engine.feed."""
        if self.listening:
            raise RuntimeError("the microphone is on: stop() first")
        return super().feed(pcm)

    def __iter__(self):
        self._open()
        return self

    def __next__(self):
        try:
            while not self.advance():
                if not self._fill():
                    raise StopIteration
        except BaseException:  # the end, or on_hit's, or Ctrl-C
            self.stop()
            raise
        return self.hit

    def __aiter__(self):
        import asyncio

        self._sleep_ms = asyncio.sleep_ms
        self._open()
        return self

    async def __anext__(self):
        try:
            while not self.advance():
                await self._sleep_ms(self.mic.due_ms(len(self._buffer)))
                if not self._fill():
                    raise StopAsyncIteration
        except BaseException:  # the end, or on_hit's, or the task is cancelled
            self.stop()
            raise
        return self.hit

    def _open(self):
        self.stop()
        if self.mic is None:
            self.mic = port.microphone()
        self.reset()
        self.mic.open()
        self.listening = self._more = True
        self.report.state("listening", 0)

    def _fill(self):
        """Wait for the next samples; False where the microphone has ended."""
        return self._got(self.mic.readinto(self._buffer))

    def _got(self, count):
        self.lost = self.mic.lost
        if self.task:
            self.task = self.task(self)
        self.take(self._buffer, count // 2)
        self._more = count > 0
        if count or self.native.due:  # at the end, what the network has not yet caught up with
            return True
        self.report.end(self.lost)
        return False

    def _pressed(self):
        return self._more and self.mic.due_ms(len(self._buffer)) == 0

    def _heard_audio(self, count):
        """The microphone has put `count` bytes into the buffer, or none, for ever."""
        if not self.listening:
            return  # stopped after this call was scheduled
        try:
            if self._got(count):
                self.drain()
            else:
                self.stop()
        except BaseException:
            self.stop()
            raise
