# SPDX-License-Identifier: MIT
"""Another model takes over between two steps, on trial for a minute: docs/swap.md.

Each task here is called between two buffers of audio (Listener.task), does a little, and returns the next one.
"""

import gc
import os
from binascii import hexlify

from . import commands, inbox, incoming, main, swap
from .engine import Engine
from .port import port
from .report import Report

__all__ = ("Handover", "Trial", "begin")

TRIAL_MS = 60000  # of listening without a reset
_PIECE, _PIECES = 512, 4  # bytes read at a time, and how often between two buffers
_PARTS = ("model", "gate", "native", "report", "_networks", "_ops")  # of an engine

done = ""  # SHA-256 of the model that took over last


def begin(transfer, number):
    """Have the model that has come take over. Command `number` is answered when it has, or cannot."""
    listener = main.listener
    if listener and listener.listening:
        listener.task = Handover(transfer, number)
        return
    task = Handover(transfer, number)
    while task:
        task = task(listener)


class Handover:
    """Hashed on the board, opened beside the model that listens, then in its place."""

    def __init__(self, transfer, number):
        self.transfer = transfer
        self._number = number
        self._file = open(transfer.source, "rb")
        self._hash = port.sha256()
        self._buf = bytearray(_PIECE)
        self._engine = None
        self._next = self._digest

    def __call__(self, listener):
        """See Listener.task."""
        try:
            return self._next(listener)
        except (OSError, ValueError, MemoryError) as error:
            self._file.close()
            self._refuse(error)

    def _digest(self, listener):
        view = memoryview(self._buf)
        for _ in range(_PIECES):
            count = self._file.readinto(self._buf)
            if not count:
                self._file.close()
                if hexlify(self._hash.digest()).decode() != self.transfer.sha:
                    if self.transfer.source == self.transfer.path:  # its file was whole once, and is to be replaced
                        swap.forget(self.transfer.path.rpartition("/")[0])
                    raise ValueError("SHA-256 differs: send it again")
                self._next = self._open
                break
            self._hash.update(view[:count])
        return self

    def _open(self, listener):
        path = self.transfer.path
        if self.transfer.source != path:
            os.rename(self.transfer.source, path)
            self.transfer.source = path
        if not (listener and listener.listening):
            return self._instead()
        gc.collect()
        try:
            model = main.whole(path)
            # A gate forgets what it has heard: the model that listens is behind it for some steps more.
            engine = Engine(model, gate=listener.gate)
            engine.report = Report(main.link, model, engine.native, main.options["score"])
        except MemoryError:
            return self._instead()
        swap.try_out("model", path, self.transfer.sha)
        self._engine = engine
        out = commands.Lines()
        main.say_boot(out)
        main.say_model(out, engine)
        out.send()
        self._next = self._take_over
        return self

    def _take_over(self, listener):
        if listener.report.answers:  # who it is comes before what it says
            return self
        self._engine.report.succeed(listener.report, listener.lost)
        for name in _PARTS:
            setattr(listener, name, getattr(self._engine, name))
        return self._succeeded(1)

    def _instead(self, listener=None):
        """No room beside the one that listens: it has to go first, and nobody may hold it then."""
        order = self.transfer.path, self._number, self._loaded
        if inbox.looping and main.listener.listening:
            inbox.told = order
            main.stop()
        elif main.listener and main.listener.listening:
            try:
                port.call_soon(_reload, order)
            except RuntimeError:  # others fill its queue: after the next buffer
                self._next = self._instead
                return self
        else:
            commands.reload(*order)
        return None

    def _loaded(self, error):
        """What commands.reload() calls: the model has been loaded, or not."""
        if error:
            swap.clean()
            incoming.drop(True)
            return None
        swap.try_out("model", self.transfer.path, self.transfer.sha)
        main.listener.task = self._succeeded(None)
        return 0

    def _succeeded(self, value):
        global done
        path, sha = self.transfer.path, self.transfer.sha
        done = sha
        incoming.drop(False)
        main.options["model"] = path
        main.opened = path, main.opened[1]
        out = commands.Lines()
        swap.say_swap(out, "trial", path, sha)
        if value is not None:
            commands.say_ok(out, self._number, value)
        out.send()
        return Trial(path, sha)

    def _refuse(self, error):
        incoming.drop(True)
        out = commands.Lines()
        commands.say_failure(out, self._number, error)
        out.send()


class Trial:
    """A minute later the board keeps it; a reset before that brings the one before back, for no record has changed."""

    def __init__(self, path, sha):
        self._path = path
        self._sha = sha

    def __call__(self, listener):
        """See Listener.task."""
        if listener.native.t_ms < TRIAL_MS:
            return self
        out = commands.Lines()
        try:
            swap.select("model", self._path, self._sha)
            swap.clean()
            swap.say_swap(out, "kept", self._path, self._sha)
        except (OSError, ValueError) as error:
            main.say_error(out, "swap", str(error))
        out.send()
        return None


def _reload(order):
    commands.reload(*order)
