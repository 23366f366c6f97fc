# SPDX-License-Identifier: MIT
"""What a host may ask of the app: the commands of firmware/SERIAL.md. Imported when the first one comes."""

import gc
from binascii import a2b_base64

import _tinywake

from . import inbox, main
from .link import escape
from .port import port

__all__ = ("Lines", "do", "reload", "say_failure", "say_ok")

MOST = 40  # lines that wait; what is more is dropped and counted
SHOWN = 80  # bytes of a path
_CHECK = 5  # '*' and four hex digits
_ENDS = (b"", b'")')  # after the check: nothing, or the end of the call at the prompt

bad = 0  # lines that began as a command and were none
label = ""  # of what is recorded


class Lines:
    """Takes lines as a Link does, and keeps them: each goes out when there is time for it."""

    def __init__(self):
        self.lines = []
        self._line = b""

    def begin(self, head):
        """See Link."""
        self._line = bytearray(head)

    def number(self, key, value):
        """See Link."""
        self._line += key + b"%d" % value

    def text(self, key, value):
        """See Link."""
        self._line += key + value

    def end(self):
        """See Link; the check comes when it is sent."""
        self.lines.append(bytes(self._line))

    def send(self):
        """Between two steps where the app listens, for a link has one line in hand at a time; else at once."""
        report = main.listener and main.listener.report
        if not (report and main.listener.listening):
            for line in self.lines:
                main.link.begin(line)
                main.link.end()
            return
        room = MOST - len(report.answers)
        report.answers.extend(self.lines[:room])
        main.link.dropped += max(0, len(self.lines) - room)
        if not main.listener.listening:  # it has ended meanwhile
            report.answer_all()


def do(line):
    """Carry out a command and answer, where the line's check is right; else count it. At the prompt, a call of this."""
    global bad
    if isinstance(line, str):
        line = line.encode()
    star = line.find(b"*")
    end = star + _CHECK
    if star < 0 or line[end:] not in _ENDS or line[star + 1 : end] != b"%04x" % _tinywake.crc16(line, 0, star):
        bad += 1
    else:
        _obey(line[:star])


def _obey(line):
    if not line.startswith(b"@piece "):
        gc.collect()  # what a command leaves behind is to lie low, and a large piece be left for a model
    out = Lines()
    number = 0
    try:
        name, fields = _parsed(line)
        number = int(fields.pop("id", "0"))
        command = _COMMANDS.get(name)
        if command is None:
            raise ValueError("unknown command")
        value = command(out, number, fields)
        if value is not False:  # else answered later
            say_ok(out, number, value)
    except Exception as error:
        say_failure(out, number, error)
    out.send()


def reload(path, number, then=None):
    """Load a model and answer; where it cannot be loaded the one before it is back. Whether it listened is kept.

    `then(error)` is called after either; after a success what it returns is the answer's value.
    """
    out = Lines()
    before = dict(main.options)
    listened = main.listener and main.listener.listening
    failed = False
    gc.collect()  # what is allocated from here on is not to lie where the old model lay, should it have to come back
    try:
        options = dict(before)
        options["model"] = path
        options["gate"] = main.opened[1] or options.get("gate")
        main.load(**options)
        say_ok(out, number, then and then(None))
    except Exception as error:
        say_failure(out, number, error)
        if then:
            then(error)
        failed = True
    if failed:  # and that error is gone
        _load_again(before, out)
    if listened:
        _listen()
    out.send()


def _load_again(options, out):
    """Where the heap is in too small pieces for that, or the file has gone, begin anew as after power-on."""
    try:
        main.load(**options)
    except (OSError, ValueError, MemoryError):
        out.send()
        port.restart()


def say_ok(out, number, value):
    """Command `number` has been carried out."""
    out.begin(b"@ok")
    out.number(b" id=", number)
    if value is not None:
        out.number(b" value=", value)
    out.end()


def say_failure(out, number, error):
    """Or has not."""
    out.begin(b"@error where=command")
    out.number(b" id=", number)
    out.text(b" what=", escape(str(error) or type(error).__name__, 80))
    out.end()


def _parsed(line):
    """Name and fields, as texts."""
    name, *parts = line[1:].decode().split(" ")
    fields = {}
    for part in parts:
        key, value = part.split("=", 1)
        fields[key] = value
    return name, fields


def _unescape(value):
    first, *parts = value.encode().split(b"%")
    return (first + b"".join(bytes([int(part[:2], 16)]) + part[2:] for part in parts)).decode()


def _opened():
    if main.listener is None:
        main.load(**main.options)
    return main.listener


def _listen():
    listener = _opened()
    listener.mic = port.microphone(*main.mic)
    listener.start()


def _start(out, number, fields):
    if inbox.looping:
        inbox.told = "start"
    elif not _opened().listening:
        _listen()


def _stop(out, number, fields):
    if inbox.looping:
        inbox.told = "stop"
    main.stop()


def _threshold(out, number, fields):
    value = int(fields["value"])
    _opened().report.native.threshold = value
    return value


def _report(out, number, fields):
    if fields["mode"] == "all":
        raise ValueError("all: only where audio can wait")
    _opened().report.set_mode(fields["mode"])
    main.options["score"] = fields["mode"]


def _heap(out, number, fields):
    gc.collect()
    _opened().report.say_heap(out)
    return bad


def _hash(out, number, fields):
    main.say_boot(out)
    main.say_model(out, _opened())


def _models(out, number, fields):
    paths = port.find_models()
    for path in paths:
        out.begin(b"@file role=model")
        out.text(b" path=", escape(path, SHOWN))
        out.text(b" sha=", main.slots.digest(path).encode())
        out.end()
    return len(paths)


def _load(out, number, fields):
    path = _unescape(fields["path"])
    keep = fields.get("keep") == "1"
    if keep:
        port.check_writable()
    then = (lambda error: error or _keep(path)) if keep else None
    if (
        inbox.looping and main.listener and main.listener.listening
    ):  # that loop holds the old model, which is to go first
        inbox.told = path, number, then
        main.stop()
    else:
        reload(path, number, then)
    return False


def _keep(path):
    from .swap import select

    select("model", path)


def _put(out, number, fields):
    from .incoming import put

    _check_idle()
    port.check_writable()
    return put(_unescape(fields["name"]), int(fields["size"]), fields["sha"])


def _piece(out, number, fields):
    from .incoming import drop, found

    transfer = found(fields["sha"])
    data = fields["data"].encode()
    data = a2b_base64(data + b"=" * (-len(data) % 4))
    try:
        transfer.take(int(fields["at"]), data)
    except OSError:
        drop(True)
        raise
    return transfer.have


def _swap(out, number, fields):
    from . import handover
    from .incoming import found, under_way

    head = fields["sha"]
    if main.listener and isinstance(main.listener.task, handover.Handover):
        return False  # it is answered when that is over
    if head and handover.done.startswith(head) and not under_way():
        return 1  # asked again
    transfer = found(head)
    if transfer.have < transfer.size:
        raise ValueError("%d of %d bytes are here" % (transfer.have, transfer.size))
    handover.begin(transfer, number)
    return False


def _check_idle():
    """Raise ValueError where a recording has the line or a model is about to take over."""
    if main.listener and main.listener.report.recorder:
        raise ValueError("busy: a recording has the line")
    if main.listener and main.listener.task:
        from .handover import Trial

        if not isinstance(main.listener.task, Trial):
            raise ValueError("busy: a model is about to take over")


def _profile(out, number, fields):
    from .profile import begin

    return begin(_opened(), int(fields.get("steps", "50")))


def _label(out, number, fields):
    global label
    label = _unescape(fields["text"])


def _record(out, number, fields):
    gc.collect()
    from .recorder import order

    return order(_opened(), main.link, fields, label)


_COMMANDS = {
    "start": _start,
    "stop": _stop,
    "threshold": _threshold,
    "report": _report,
    "heap": _heap,
    "hash": _hash,
    "models": _models,
    "load": _load,
    "profile": _profile,
    "label": _label,
    "record": _record,
    "put": _put,
    "piece": _piece,
    "swap": _swap,
}
