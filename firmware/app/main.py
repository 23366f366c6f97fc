# SPDX-License-Identifier: MIT
"""What a board does at boot: finds the model, says who it is, listens and reports. See firmware/SERIAL.md.

Two ways:

    import tinywake.main
    tinywake.main.start()       # in the background: the prompt stays alive; stop() ends it
    tinywake.main.run()         # or: owns the loop until Ctrl-C

A host commands it in both: run() reads the line itself (inbox.py), and at the prompt a command is a call (commands.py).
"""

import gc

import _tinywake

from . import __version__, slots
from .link import Link, escape
from .listener import Listener
from .model import Model
from .port import port
from .report import Report

BOOT_WAIT_MS = 200  # for a slow reader, a line; an unread port must not hold up the board

__all__ = ("load", "run", "start", "stop")

listener = None  # the one that load() made
link = Link(port.write)
options = {}  # of the last load()
opened = (None, None)  # paths, or what was given, of the model and of its gate
mic = (None, None)  # what port.microphone() was given


def load(model=None, score="live", on_hit=None, gate=None):
    """Open the model, send the boot lines and return the listener. `gate`: see engine.Engine.

    Default: the best of port.find_models() that can be opened, behind the gate that the board has, if it can be; of all
    that cannot there is an error line each. A model that is named has no gate but one that is named too.
    """
    global listener, options, opened
    stop()
    listener = None  # before the new arena is allocated
    options = {"model": model, "score": score, "on_hit": on_hit, "gate": gate}
    link.wait_ms = BOOT_WAIT_MS
    link.dropped = 0
    say_boot(link)
    try:
        paths = [model] if model else port.find_models() or [port.find_model()]
    except OSError as error:
        say_error(link, "load", "model: %s" % error)
        raise
    own = None if model or gate else _found_gate()
    tries = [(path, each) for path in paths for each in ((own, None) if own else (gate,))]
    for path, each in tries:
        gc.collect()  # what the try before this one opened
        try:
            listener = _opened(path, on_hit, each, score)
            opened = path, each
            break
        except (OSError, ValueError, MemoryError) as error:
            say_error(link, "load", str(error))
            if (path, each) == tries[-1]:
                raise
    tried = None if model else slots.chosen().get("model.trial")
    if tried:  # it was reset before it was kept
        try:
            from .swap import say_swap, undo

            say_swap(link, "undone", tried, slots.digest(tried))
            undo("model")
        except (OSError, ValueError, MemoryError):
            pass  # it listens, which is more than to say so, or to say so once
    return listener


def _opened(path, on_hit, gate, score):
    """A listener that is whole. Where it is not to be had, no name holds on to what was opened for it."""
    model = whole(path)
    if isinstance(gate, str) and gate != "energy":
        gate = whole(gate)
    try:
        opened = Listener(model, on_hit, gate=gate)
    except MemoryError as error:
        raise _named(error, model.name if gate is None else model.name + " and its gate") from None
    say_model(link, opened)
    opened.report = Report(link, model, opened.native, score)
    return opened


def _found_gate():
    """The board's own, docs/slots.md; None where it has none that opens: better without than not at all.

    A path, not the gate: the heap may have room for the model only where nothing of the gate is left on it.
    """
    for path in port.find_models("gate"):
        loud = slots.level(path)
        if loud is not None:
            return loud
        try:
            whole(path)
            return path
        except (OSError, ValueError, MemoryError) as error:
            say_error(link, "load", str(error))
    return None


def whole(file):
    """A Model whose checksums are right. What is wrong with it is said by the path of the file, or "buffer"."""
    try:
        model = Model(file)
        model.verify()
        wanted = slots.digest(file) if isinstance(file, str) else ""
        if wanted and model.digest()[:16].decode() != wanted:
            raise ValueError("its SHA-256 is not " + wanted)
        return model
    except (OSError, ValueError, MemoryError) as error:
        raise _named(error, file if isinstance(file, str) else "buffer") from None


def _named(error, what):
    return type(error)("%s: %s" % (what, error))


def start(mic=None, paced=None, **options):
    """Listen in the background. `mic`: path of a wav file, else the board's own. `options`: load()'s."""
    with_mic(mic, paced, options).start()


def run(mic=None, paced=None, **options):
    """Listen until Ctrl-C or the end of a file microphone. Commanded to stop, it waits for the next command."""
    from .inbox import loop

    loop(mic, paced, options)


def stop():
    """End listening."""
    if listener:
        listener.stop()


def with_mic(path, paced, options):
    """The listener, ready to start or run."""
    global mic
    if listener is None or options:
        load(**options)
    listener.stop()
    mic = (path, paced)
    listener.mic = port.microphone(path, paced)
    return listener


def say_boot(link):
    """Who this is. `link`: what has its begin() to end()."""
    board, firmware, mpy = port.identity()
    link.begin(b"@boot v=1 app=" + escape(__version__))
    link.text(b" board=", escape(board, 24))
    link.text(b" fw=", escape(firmware, 30))
    link.number(b" mpy=", mpy)
    link.number(b" twm=", _tinywake.VERSION)
    link.end()


def say_model(link, listener):
    """What it listens with; the digest is taken anew."""
    model, native = listener.model, listener.model.native
    link.begin(b"@model name=" + escape(model.name))
    link.text(b" sha=", model.digest()[:16])
    link.number(b" arena=", native.arena_bytes)
    link.number(b" step=", listener.native.step_samples)
    link.number(b" threshold=", listener.native.threshold)
    link.end()
    for index, name in enumerate(model.labels):
        link.begin(b"@label")
        link.number(b" i=", index)
        link.text(b" name=", escape(name))
        link.number(b" wake=", int(native.wake[index]))
        link.end()


def say_error(link, where, what):
    """What the board cannot mend."""
    link.begin(b"@error where=" + where.encode())
    link.text(b" what=", escape(what, 120))
    link.end()
