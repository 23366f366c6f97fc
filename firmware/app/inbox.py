# SPDX-License-Identifier: MIT
"""The loop of main.run(): listens, and between two buffers of audio reads commands from the line.

They are found whatever else comes there: firmware/SERIAL.md, "Commands". Nothing is allocated before one is whole.
"""

import gc
import sys

from . import main
from .link import LIMIT
from .port import port

__all__ = ("Inbox", "loop")

MOST, FAST = 32, 128  # bytes taken between two buffers; while a model comes
QUICK = 500  # buffers after a piece of it: the next one is not far
_ROOM = LIMIT + 2  # for what closes the call at the prompt
_COMMANDS = __name__.rpartition(".")[0] + ".commands"
IDLE_MS = 20  # between two looks at the line, where the loop waits to be told to start again

looping = False  # loop() runs
quick = 0  # buffers for which FAST bytes are taken
told = None  # what it does when its listener has stopped: "start", "stop", what reload() takes; None: it ends


class Inbox:
    """`read()` gives a byte, or -1 where there is none. `obey(line)` gets what may be a command, its check unread."""

    def __init__(self, read, obey):
        self._read = read
        self._obey = obey
        self._buf = bytearray(_ROOM)
        self._len = 0  # 0: no command has begun

    def poll(self):
        """Take what has come, as far as one look may."""
        global quick
        left = MOST
        if quick:
            quick -= 1
            left = FAST
        while left:
            byte = self._read()
            if byte < 0:
                return
            self.take(byte)
            left -= 1

    def take(self, byte):
        """One byte. An '@' begins anew, wherever it stands; the end of the line ends; what is too long is none."""
        if byte == 0x0A or byte == 0x0D:
            if self._len:
                self._obey(bytes(memoryview(self._buf)[: self._len]))
            self._len = 0
        elif byte == 0x40:
            self._buf[0] = byte
            self._len = 1
        elif self._len == _ROOM:
            self._len = 0
        elif self._len:
            self._buf[self._len] = byte
            self._len += 1


def loop(mic, paced, options):
    """Run until Ctrl-C or the end of a file microphone. See main.run()."""
    global looping, told
    looping = True
    inbox = Inbox(port.read_byte, _obey)
    try:
        _run(main.with_mic(mic, paced, options), inbox)
        while told:
            while told == "stop":
                inbox.poll()
                port.sleep_ms(IDLE_MS)
            what, told = told, None
            if what != "start":
                from .commands import reload

                reload(*what)
            _run(main.with_mic(mic, paced, {}), inbox)
    except KeyboardInterrupt:
        pass
    finally:
        looping = False
        told = None


def _run(listener, inbox):
    listener.between = inbox.poll
    listener.run()


def _obey(line):
    if _COMMANDS not in sys.modules:
        gc.collect()  # see __init__.py
    try:
        from .commands import do
    except MemoryError:
        return
    do(line)
