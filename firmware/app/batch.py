# SPDX-License-Identifier: MIT
"""Inputs from a file through a network to a file: what `tinywake run --target` does on a board."""

from binascii import b2a_base64

import _tinywake

from .model import Model

__all__ = ("run",)

_PIECE = 576  # bytes of a tensor in one line, a multiple of 3


def run(path, source, sink, tensors=()):
    """Run the model at `path` on each input in the file `source`; write the outputs to `sink`, end to end.

    State is reset once, then carried from one to the next. Returns the number of runs.

    `tensors`: what to print of every run, each (operators, start, end): after so many more operators, the bytes
    arena[start:end] in lines of base64, then a line "=" with their CRC-16. They need neither heap nor flash. Every
    run ends with a line ".": a sign of life.
    """
    model = Model(path)
    model.verify()
    model.reset()
    x = bytearray(_size(model.input))
    y = bytearray(_size(model.output))
    runs = 0
    with open(source, "rb") as given, open(sink, "wb") as out:
        while given.readinto(x) == len(x):
            model.load(x)
            for operators, start, end in tensors:
                model.step(operators)
                _print(model.arena, start, end)
            model.step(model.ops)
            model.store(y)
            out.write(y)
            runs += 1
            print(".")
    return runs


def _print(arena, start, end):
    for at in range(start, end, _PIECE):
        print(b2a_base64(arena[at : min(at + _PIECE, end)]).decode(), end="")
    print("=%04x" % _tinywake.crc16(arena, start, end))


def _size(tensor):
    return tensor[0] * tensor[1] * tensor[2]
