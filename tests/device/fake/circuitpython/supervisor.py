# SPDX-License-Identifier: MIT
"""A stand-in for CircuitPython's supervisor: a clock that a test moves, and what else the port touches."""

now = 0  # ms, of the 2^29 after which ticks begin anew
reloads = 0


class StatusBar:
    console = True


status_bar = StatusBar()


def ticks_ms():
    return now & 0x1FFFFFFF


def advance(ms):
    """Time passes."""
    global now
    now += ms


def reload():
    global reloads
    reloads += 1
