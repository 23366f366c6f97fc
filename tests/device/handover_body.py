# SPDX-License-Identifier: MIT
# ruff: noqa: B007, F821, I001, PTH123, RUF005, SIM105, UP031
"""A model comes by command to a flash chip whose power fails at every write. Goes behind slots_body.py.

The chip is that of slots_body.py. What runs is the app's own: incoming, handover, swap, slots. Of the network there
is only its file.
"""

import hashlib

from binascii import b2a_base64, hexlify
from tinywake import commands, handover, inbox, incoming, main

PIECE = 84
incoming.SYNC = BLOCK


class Native:
    """Of a listener's engine, what tasks ask for."""

    t_ms = 0


class Reporter:
    """Says nothing."""

    recorder = None

    def __init__(self, *of):
        self.answers = []

    def succeed(self, before, lost):
        """See Report."""


class Listening:
    """A listener, and an engine."""

    def __init__(self, model=None, gate=None):
        self.listening = True
        self.model = model
        self.gate = gate
        self.native = Native()
        self.report = Reporter()
        self.lost = 0
        self.task = None
        self._networks = self._ops = None


def whole(path):
    """A file whose content is that of some generation, be it only to be opened."""
    with open(path, "rb") as file:
        data = file.read()
    for generation in range(6):
        if data == content(generation):
            return data
    raise ValueError(path)


handover.Engine = Listening
handover.Report = Reporter
main.whole = whole
main.say_boot = main.say_model = lambda *of: None


def boots():
    """The board's power is back: nothing that was in RAM is there."""
    incoming.transfer = None
    handover.done = ""
    main.listener = Listening()
    main.options = {"model": None, "score": "off"}
    main.opened = (slots.paths() + [None])[0], None
    inbox.quick = 0
    if "model.trial" in slots.chosen():
        try:
            swap.undo("model")
        except OSError:
            pass  # as main.load() has it


def tell(line):
    """A host's command; the answer, as the app gives it to the link."""
    said = []
    taken = commands.Lines.send
    commands.Lines.send = lambda self: said.extend(self.lines)
    try:
        line = line.encode()
        commands.do(line + b"*%04x" % _crc(line))
        while main.listener.task and not isinstance(main.listener.task, handover.Trial):
            main.listener.task = main.listener.task(main.listener)
    finally:
        commands.Lines.send = taken
    for each in said:
        if each.startswith(b"@ok"):
            return int(each.rsplit(b"=", 1)[1])
        if each.startswith(b"@error"):
            raise OSError(each)
    raise OSError("no answer")


def _crc(line):
    import _tinywake

    return _tinywake.crc16(line, 0, len(line))


resumed = 0


def exchange(generation):
    """As exchange() of slots_body.py, by the protocol: put, pieces, swap, and a minute later it is kept."""
    global resumed
    boots()
    data = content(generation)
    sha = hexlify(hashlib.sha256(data).digest()).decode()
    have = tell("@put id=1 name=g%d.twm size=%d sha=%s" % (generation, len(data), sha))
    resumed += have
    while have < len(data):
        text = b2a_base64(data[have : have + PIECE]).decode().strip().rstrip("=")
        have = tell("@piece id=2 at=%d sha=%s data=%s" % (have, sha[:8], text))
    tell("@swap id=3 sha=" + sha[:8])
    trial = main.listener.task
    chip = main.chip
    if not chip.dead:
        before = slots.paths()
        assert slots.chosen()["model.trial"].endswith("/g%d.twm" % generation)
        assert not before or not before[0].endswith("/g%d.twm" % generation)  # what a reset brings back
        main.listener.native.t_ms = handover.TRIAL_MS
        assert trial(main.listener) is None
        if not chip.dead:
            assert slots.paths()[0].endswith("/g%d.twm" % generation)
            return
    raise OSError("power")


_on = on


def on(chip, kind, call, *args):
    """As in slots_body.py; exchange() asks the chip whether it lives."""
    main.chip = chip
    return _on(chip, kind, call, *args)


for TORN, kind, name in ((True, vfs.VfsLfs2, "lfs2"), (False, vfs.VfsLfs2, "lfs2"), (False, vfs.VfsFat, "fat")):
    print("%s: %d cuts, by command" % (name, run(kind)))
assert resumed > 10000, resumed
print("resumed at %d bytes in all" % resumed)
print("TINYWAKE-TEST: passed by command")
