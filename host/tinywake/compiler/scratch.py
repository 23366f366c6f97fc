# SPDX-License-Identifier: MIT
"""Scratch for kernels that unpack their input: bytes of the arena that nothing else needs while an operator runs.

A kernel takes what it is given, and computes more pixels for each weight that it unpacks where there is more. So
scratch is what the plan leaves free; only small networks get a larger arena for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tinywake.compiler.graph import Conv2D, DepthwiseConv2D, FullyConnected, FullyConnectedPart, Graph, Op
from tinywake.compiler.memory.lifetimes import padded
from tinywake.compiler.memory.plan import Plan, Scratch

__all__ = ["with_scratch"]

_PIXELS = range(22, 0, -2)  # of a group: more gain little
_STACK_TAPS = 128  # of packed weights that need no scratch
_UNITS = 2  # that scratch serves, at least
_STRIP_ROWS = 5  # of output, at most, that a depthwise convolution keeps until all of its channels are done
_TINY, _SMALL = 8 << 10, 16 << 10  # arena and state: by a fifth below the one, hardly above the other,
_MOST_GROWTH, _LEAST_GROWTH = 2592, 1280  # an arena may grow for scratch; between them by so much, for the least always


def with_scratch(graph: Graph, plan: Plan) -> Plan:
    """The plan with every operator's scratch, and the arena that holds it."""
    total = plan.arena_bytes + plan.state_bytes
    growth = total // 5 if total < _TINY else _MOST_GROWTH if total <= _SMALL else total // 128
    scratch = []
    for number, op in enumerate(graph.ops):
        wishes = _wishes(graph, op)
        granted = [place for wish in wishes for place in _places(plan, number, growth, wish)]
        if not granted and wishes and total <= _SMALL:
            granted = _places(plan, number, _LEAST_GROWTH, wishes[-1])
        scratch.append(granted[0] if granted else Scratch(0, 0))
    most = max((s.offset + s.bytes for s in scratch), default=0)
    return replace(plan, arena_bytes=max(plan.arena_bytes, most), scratch=tuple(scratch))


def _wishes(graph: Graph, op: Op) -> list[int]:
    """Sizes that the kernels of firmware/core/*_armv6m.c can use, the best first."""
    match op:
        case FullyConnectedPart():
            return []
        case DepthwiseConv2D():
            h, w, c = graph.tensors[op.output].hwc
            planes = (op.kernel, op.stride, op.dilation) == ((3, 3), (1, 1), (1, 1)) and h > 1 and w > 1
            strips = max(2, -(-h // _STRIP_ROWS))
            return [4 * w * _STRIP_ROWS + padded(-(-h // strips) * w * c)] if planes else []
        case Conv2D() | FullyConnected():
            units = len(op.bias)
            row = padded(op.weights.size // units)
            if isinstance(op, FullyConnected):
                return [6 * row] if units >= _UNITS else []
            pixels = graph.tensors[op.output].count // units
            weights = 2 * row if row > _STACK_TAPS else 0
            return [n * (2 * row + 4) + weights for n in _PIXELS if n <= max(pixels, 2)]
        case _:
            return []


def _places(plan: Plan, number: int, growth: int, wish: int) -> list[Scratch]:
    """Where that many bytes are free in an arena that may grow, below its present end if they are there."""
    gaps = _gaps(plan, number, plan.arena_bytes + growth)
    places = [Scratch(start, wish) for start, end in gaps if end - start >= wish]
    return sorted(places, key=lambda s: (max(s.offset + wish, plan.arena_bytes), s.offset))


def _gaps(plan: Plan, number: int, end: int) -> Iterator[tuple[int, int]]:
    """What lies between the storages that operator `number` finds or leaves, up to `end`."""
    at = 0
    for block in sorted(plan.blocks, key=lambda b: b.offset):
        if block.first <= number <= block.last:
            if block.offset > at:
                yield at, block.offset
            at = max(at, padded(block.offset + block.bytes))
    if end > at:
        yield at, end
