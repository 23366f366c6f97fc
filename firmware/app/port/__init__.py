# SPDX-License-Identifier: MIT
"""All that differs between interpreters and boards, behind one interface: a file here for each interpreter, or for
another that the board file names as its PORT. machine/ and rp2/ hold what MicroPython's has besides.

A port has:

    ticks_ms(), ticks_us() -> int, ticks_diff(later, earlier) -> int, sleep_ms(ms)
    write(buf, start, end, wait_ms) -> int  to the serial link: waits for room (-1: for ever); bytes taken
    read_byte() -> int                      what has come over the serial link, without waiting; -1: nothing
    stack_use() -> int                      bytes of the stack in use here; 0 where the interpreter does not say
    read_file(path, other=None) -> buffer   in place where the file system can, else other(file), if it gives any, or
                                            one heap copy
    find_models(role="model") -> [str]      paths to try, best first: docs/slots.md; the other role is "gate"
    find_model(role="model") -> str         the best of them; OSError where there is none
    digest(buf) -> bytes                    SHA-256 in hex
    sha256() -> hash                        with update(buf) and digest()
    check_writable()                        OSError, which says what to do, where the board cannot write its files
    restart()                               begin anew, as after power-on
    identity() -> (board, firmware, mpy)    for @boot: two strings and the number of the native ABI
    every(period_ms, callback)              background timer: callback(ignored); 0 stops; RuntimeError: none
    call_soon(callback, value)              callback(value) when what runs now has ended; RuntimeError: try again
    microphone(path=None, paced=None)       as the board file's MIC says, or a wav file
    open_slots()                            both slots of an I2S microphone, unchanged: readinto(buf) of int32, deinit()

and a microphone has:

    open(), close()                         may be repeated; open starts the time
    readinto(buf) -> int                    waits; bytes of int16 mono 16 kHz; short or 0 only at the end
    due_ms(count) -> int                    time until readinto of `count` bytes need not wait
    start(buf, callback)                    background: callback(count) when buf has been filled; 0: the end
    lost                                    samples missed since open
"""

import sys

from .. import pins

__all__ = ("port",)

port = __import__(__name__ + "." + getattr(pins, "PORT", sys.implementation.name), None, None, ("port",))
