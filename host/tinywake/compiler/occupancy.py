# SPDX-License-Identifier: MIT
"""Who lies where in the arena, and how long: from the operators of a .twm, which holds places but no lifetimes.

A byte belongs to an occupant from the write that fills it to the last access before the next such write. What one
operator touches at once belongs together, so an occupant is what the compiler planned as a whole: a tensor and its
views. The input is there before the first operator, the output is kept behind the last one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tinywake.compiler.graph import Part
from tinywake.compiler.twm.unpack import TwmFile, TwmOp, TwmTensor

__all__ = ["Occupant", "covered", "occupants"]

_ALIGN = 4  # of occupants


@dataclass(frozen=True)
class Occupant:
    """`bytes` of the arena from `offset`, needed by operators `first` to `last`, both included.

    writer: the operator that begins to fill it; None: the caller, with the network's input. last: the number of
    operators where it is kept behind the last one.
    """

    writer: int | None
    offset: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class _Access:
    step: int
    start: int
    stop: int
    fresh: bool = False  # what was there before means nothing any more
    writer: int | None = None


def occupants(file: TwmFile) -> tuple[Occupant, ...]:
    """All of them, in the order in which they are first needed; state and constants lie elsewhere."""
    accesses = list(_accesses(file))
    cuts = sorted({edge for access in accesses for edge in (access.start, access.stop)})
    latest: list[int | None] = [None] * len(cuts)  # access of the bytes from each cut to the next
    joined = list(range(len(accesses)))

    def root(number: int) -> int:
        while joined[number] != number:
            joined[number] = number = joined[joined[number]]
        return number

    for number, access in enumerate(accesses):
        for piece in range(bisect_left(cuts, access.start), bisect_left(cuts, access.stop)):
            before = latest[piece]
            if before is not None and not access.fresh:
                joined[root(before)] = root(number)
            latest[piece] = number
    groups: dict[int, list[_Access]] = {}
    for number, access in enumerate(accesses):
        groups.setdefault(root(number), []).append(access)
    found = []
    for group in groups.values():
        start = min(access.start for access in group) // _ALIGN * _ALIGN
        size = -(-(max(access.stop for access in group) - start) // _ALIGN) * _ALIGN
        found.append(Occupant(group[0].writer, start, size, group[0].step, group[-1].step))
    return tuple(sorted(found, key=lambda each: (each.first, each.offset)))


def covered(spans: Iterable[Occupant]) -> int:
    """Bytes that they cover together: those that two share for one operator count once."""
    total = end = 0
    for span in sorted(spans, key=lambda each: each.offset):
        total += max(0, span.offset + span.bytes - max(end, span.offset))
        end = max(end, span.offset + span.bytes)
    return total


def _accesses(file: TwmFile) -> Iterator[_Access]:
    """In the order in which they happen."""

    def range_of(tensor: TwmTensor) -> tuple[int, int] | None:
        return (tensor.offset, tensor.offset + tensor.count) if tensor.place == "arena" else None

    if there := range_of(file.tensors[file.input]):
        yield _Access(0, *there, fresh=True)
    whole = _gathered(file)
    for step, op in enumerate(file.ops):
        begins = op.part is Part.FIRST  # of a sum: it reads none
        for number in op.inputs[: 1 if begins else None]:
            if there := range_of(file.tensors[number]):
                yield _Access(step, *there)
        if there := range_of(file.tensors[op.output]):
            yield _Access(step, *_written(op, there, whole.get(step)), writer=step)
    if there := range_of(file.tensors[file.output]):
        yield _Access(len(file.ops), *there)


def _written(op: TwmOp, there: tuple[int, int], begins: bool | None) -> tuple[int, int, bool]:
    """Start, stop and freshness of what an operator writes. begins: of a copy that gathers its output with others."""
    if op.kind != "COPY":
        return *there, op.part is not Part.MIDDLE  # a middle part adds to what is there
    copied = op.copied
    if copied.filled or begins is not None:
        return *there, bool(copied.filled or begins)
    steps = zip(copied.counts, copied.out_strides, strict=True)
    reach = copied.run + sum((count - 1) * stride for count, stride in steps)
    first = there[0] + copied.out_offset
    return first, first + reach, reach == copied.elements


def _gathered(file: TwmFile) -> dict[int, bool]:
    """Copies that together write all of a tensor, each a part: whether it is the first of them."""
    result: dict[int, bool] = {}
    open_: dict[int, list[int]] = {}  # output tensor: copies into it that nobody has read yet

    def close(output: int) -> None:
        steps = open_.pop(output)
        if sum(file.ops[step].copied.elements for step in steps) >= file.tensors[output].count:
            result.update({step: step == steps[0] for step in steps})

    for step, op in enumerate(file.ops):
        for output in [o for o in open_ if any(_overlap(file.tensors[o], file.tensors[i]) for i in op.inputs)]:
            close(output)
        if op.kind == "COPY":
            open_.setdefault(op.output, []).append(step)
    for output in list(open_):
        close(output)
    return result


def _overlap(a: TwmTensor, b: TwmTensor) -> bool:
    return a.place == b.place and a.offset < b.offset + b.count and b.offset < a.offset + a.count
