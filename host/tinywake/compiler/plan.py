# SPDX-License-Identifier: MIT
"""Where every tensor lies: arena offsets by best fit, largest first, and the bound that no plan can beat."""

from __future__ import annotations

from dataclasses import dataclass

from tinywake.compiler.graph import Graph

__all__ = ["Plan", "plan"]

_ALIGN = 4  # so that kernels may read words


@dataclass(frozen=True)
class Plan:
    """Byte offsets by storage number; arena_bytes counts activations only, without state."""

    arena: dict[int, int]
    state: dict[int, int]
    arena_bytes: int
    state_bytes: int
    lower_bound: int  # of arena_bytes: the largest sum of what is alive at one time


@dataclass(frozen=True)
class _Block:
    storage: int
    bytes: int
    first: int  # operators from first to last, both included, need it
    last: int


def _padded(count: int) -> int:
    return (count + _ALIGN - 1) // _ALIGN * _ALIGN


def plan(graph: Graph) -> Plan:
    """Return offsets such that no two tensors that are alive at the same time overlap."""
    blocks = _blocks(graph)
    placed: list[tuple[_Block, int]] = []
    for block in sorted(blocks, key=lambda b: (-b.bytes, b.first, b.storage)):
        neighbours = [(o, o + b.bytes) for b, o in placed if b.first <= block.last and block.first <= b.last]
        placed.append((block, _best_gap(neighbours, block.bytes)))
    alive = [sum(b.bytes for b in blocks if b.first <= step <= b.last) for step in range(len(graph.ops) + 1)]
    state, at = {}, 0
    for tensor in graph.tensors.values():
        if tensor.fill is not None:
            state[tensor.storage] = at
            at += _padded(tensor.count)
    return Plan(
        arena={b.storage: o for b, o in placed},
        state=state,
        arena_bytes=max((o + b.bytes for b, o in placed), default=0),
        state_bytes=at,
        lower_bound=max(alive, default=0),
    )


def _blocks(graph: Graph) -> list[_Block]:
    """Lifetimes. The input is there before the first operator, the output after the last one."""
    state = {t.storage for t in graph.tensors.values() if t.fill is not None}
    span: dict[int, tuple[int, int]] = {}
    size: dict[int, int] = {}

    def touch(tensor: int, step: int) -> None:
        t = graph.tensors[tensor]
        if t.storage not in state:
            first, last = span.get(t.storage, (step, step))
            span[t.storage] = min(first, step), max(last, step)
            size[t.storage] = max(size.get(t.storage, 0), _padded(t.count))

    touch(graph.input, 0)
    for step, op in enumerate(graph.ops):
        touch(op.input, step)
        touch(op.output, step)
    touch(graph.output, len(graph.ops))
    return [_Block(s, size[s], *span[s]) for s in span]


def _best_gap(taken: list[tuple[int, int]], bytes_needed: int) -> int:
    """The smallest hole between neighbours that is large enough; else behind the last of them."""
    best, best_size, end = None, None, 0
    for start, stop in sorted(taken):
        hole = start - end
        if hole >= bytes_needed and (best_size is None or hole < best_size):
            best, best_size = end, hole
        end = max(end, stop)
    return end if best is None else best
