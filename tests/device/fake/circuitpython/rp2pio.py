# SPDX-License-Identifier: MIT
"""A stand-in for CircuitPython's rp2pio: a state machine whose bits DMA puts into one buffer after the other.

As ports/raspberrypi has it: a buffer that is queued is begun when the one before it is full, and is filled over and
over until another has been queued; pending_read counts those that have not been begun. On the first call what is given
is begun at once, and counts until it is begun anew.
"""

from array import array

import supervisor

BYTES_MS = 256
active = []


def pins_are_sequential(pins):
    return all(pins[i].number == pins[0].number + i for i in range(len(pins)))


# The stream, over and over: of a prime number of words, so that no two pieces that follow each other are the same.
STREAM = array("I", [(number * 2654435761 + (number >> 3)) & 0xFFFFFFFF for number in range(10007)])
allocates = True  # which is quicker


class StateMachine:
    def __init__(self, program, frequency, *, first_in_pin, first_sideset_pin, **settings):
        self.program, self.frequency, self.settings = list(program), frequency, settings
        self.pins = first_in_pin.number, first_sideset_pin.number
        self.number = 0  # the word of the stream that comes next
        self.reading = False
        self._current = self._next = None
        self._pending = 0
        self._at = 0
        self._last = supervisor.now
        active.append(self)

    def background_read(self, *, loop):
        self._run()
        if self._current is None:
            self._current = loop
            self.reading = True
            self._last = supervisor.now
        assert not self._pending, "this would have waited"
        self._next = loop
        self._pending = 1

    @property
    def pending_read(self):
        self._run()
        return self._pending

    def stop_background_read(self):
        self.reading = False

    def deinit(self):
        assert not self.reading, "DMA goes on"
        active.remove(self)

    def _run(self):
        """What has come since: words, the first bit in the lowest place."""
        words = (supervisor.now - self._last) * BYTES_MS // 4
        self._last = supervisor.now
        while words and self.reading:
            number = self.number % len(STREAM)
            taken = 1
            if allocates:
                taken = min(words, len(self._current) - self._at, len(STREAM) - number)
                self._current[self._at : self._at + taken] = STREAM[number : number + taken]
            else:
                self._current[self._at] = STREAM[number]
            self.number += taken
            self._at += taken
            words -= taken
            if self._at == len(self._current):
                self._current, self._at = self._next, 0
                self._pending = 0
