# SPDX-License-Identifier: MIT
"""Inputs from a file through a network to a file: what `tinywake run --target` does on a board."""

from .model import Model

__all__ = ("run",)


def run(path, source, sink):
    """Run the model at `path` on each input in the file `source`; write the outputs to `sink`, end to end.

    State is reset once, then carried from one to the next. Returns the number of runs.
    """
    model = Model(path)
    model.verify()
    model.reset()
    x = bytearray(_size(model.input))
    y = bytearray(_size(model.output))
    runs = 0
    with open(source, "rb") as given, open(sink, "wb") as out:
        while given.readinto(x) == len(x):
            model.run(x, y)
            out.write(y)
            runs += 1
    return runs


def _size(tensor):
    return tensor[0] * tensor[1] * tensor[2]
