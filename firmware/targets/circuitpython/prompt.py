# SPDX-License-Identifier: MIT
"""The prompt of a board, on standard input and output, for a unix interpreter that has only a terminal's.

Of MicroPython's raw REPL as far as host/tinywake/device/line/rawrepl.py goes. Needs nothing beside sys and exec. Ctrl-C
is a byte like any other: it stops nothing that runs.
"""

import sys

FRIENDLY, RAW = 10, 11  # exit statuses: board.sh starts the interpreter again, with the same prompt
BANNER = b"raw REPL; CTRL-B to exit\r\n>"
WINDOW = 128  # bytes that may come before we ask for more

heard, said = sys.stdin.buffer, sys.stdout.buffer


def say(data):
    said.write(data)
    if hasattr(said, "flush"):
        said.flush()


def run(code):
    """What it raises is told between two Ctrl-D, as a last line."""
    failed = ""
    try:
        exec(code, names)
    except SystemExit:
        pass
    except BaseException as error:
        failed = f"{type(error).__name__}: {error}\r\n"
    say(b"\x04" + failed.encode() + b"\x04>")


def pasted():
    """A program, window by window, up to Ctrl-D."""
    code = bytearray()
    say(b"R\x01" + bytes((WINDOW & 255, WINDOW >> 8)))
    while True:
        byte = heard.read(1)
        if byte == b"\x04" or not byte:
            say(b"\x04")
            return code
        code += byte
        if len(code) % WINDOW == 0:
            say(b"\x01")


def talk(raw):
    line = bytearray()
    say(BANNER if raw else b">>> ")
    while True:
        byte = heard.read(1)
        if not byte:
            sys.exit(1)  # the line is cut
        if byte == b"\x01":
            raw = True
            line = bytearray()
            say(BANNER)
        elif byte == b"\x02":
            raw = False
            say(b"\r\n>>> ")
        elif byte == b"\x03":
            line = bytearray()
        elif byte == b"\x04" and not line:
            say(b"OK\r\n" if raw else b"\r\n")
            say(b"MPY: soft reboot\r\n")
            sys.exit(RAW if raw else FRIENDLY)
        elif raw and byte == b"\x04":
            say(b"OK")
            run(line.decode())
            line = bytearray()
        elif raw and byte == b"\x05":
            heard.read(2)  # A, Ctrl-A
            run(pasted().decode())
        elif raw:
            line += byte


sys.path[:] = ["", ".frozen", "lib"]
names = {"__name__": "__main__"}
talk(sys.argv[-1] == "raw")
