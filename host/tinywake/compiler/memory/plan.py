# SPDX-License-Identifier: MIT
"""Where everything lies in working memory: state packed one behind the other, the arena as small as can be found."""

from __future__ import annotations

from dataclasses import dataclass

from tinywake.compiler.graph import Graph
from tinywake.compiler.memory.arena import place
from tinywake.compiler.memory.lifetimes import apart, lifetimes, sizes
from tinywake.compiler.memory.steps import Steps

__all__ = ["Block", "Plan", "Scratch", "plan"]


@dataclass(frozen=True)
class Block:
    """A rectangle in the picture of the arena over time: `bytes` from `offset`, operators `first` to `last`.

    Where the last operator of one block is the first of another, the two may overlap; else they do not.
    """

    storage: int
    offset: int
    bytes: int
    first: int
    last: int  # the number of operators where it is kept behind the last one


@dataclass(frozen=True)
class Scratch:
    """Bytes of the arena that an operator's kernel may use; none where `bytes` is 0."""

    offset: int
    bytes: int


@dataclass(frozen=True)
class Plan:
    """Byte offsets by storage number; arena_bytes counts activations and scratch, without state."""

    arena: dict[int, int]
    state: dict[int, int]
    arena_bytes: int
    state_bytes: int
    lower_bound: int  # of arena_bytes, with the operators in this order
    blocks: tuple[Block, ...]
    scratch: tuple[Scratch, ...] = ()  # of each operator; empty: none has any


def plan(graph: Graph) -> Plan:
    """Return offsets such that whatever an operator reads is still there. The same graph gives the same plan."""
    storages = lifetimes(graph)
    bound = Steps(graph).peak(range(len(graph.ops)))
    offsets = place(storages, apart(graph, storages), bound)
    blocks = tuple(
        Block(s.number, offset, s.bytes, s.first, s.last) for s, offset in zip(storages, offsets, strict=True)
    )
    state, at = {}, 0
    for number, size in sizes(graph, state=True).items():
        state[number] = at
        at += size
    return Plan(
        arena={block.storage: block.offset for block in blocks},
        state=state,
        arena_bytes=max((block.offset + block.bytes for block in blocks), default=0),
        state_bytes=at,
        lower_bound=bound,
        blocks=blocks,
    )
