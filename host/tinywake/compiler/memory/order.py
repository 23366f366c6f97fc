# SPDX-License-Identifier: MIT
"""The order of operators that needs the least memory at its fullest moment.

What is alive depends on which operators have run, not on their order: the search goes over the sets of operators that
can have run, each with the lowest peak at which it can be reached. The lowest is always continued first, the furthest
of equals, so the first complete set is the best. A network whose branches make too many sets is searched again, keeping
only a number of the best sets of each size.
"""

from __future__ import annotations

import heapq

from tinywake.compiler.graph import Graph
from tinywake.compiler.memory.plan import plan
from tinywake.compiler.memory.steps import Steps

__all__ = ["order"]

_SETS = 20_000  # visited one by one
_KEPT = 100  # of each size, where these do not suffice


def order(graph: Graph) -> Graph:
    """Return the graph with its operators in the order that needs the least arena; as it is, unless that saves some."""
    steps = Steps(graph)
    original = list(range(len(graph.ops)))
    limit = steps.peak(original)
    best = _exact(steps, limit)
    if best is None or best == original:
        return graph
    changed = graph.with_ops(graph.ops[number] for number in best)
    return changed if plan(changed).arena_bytes < plan(graph).arena_bytes else graph


def _exact(steps: Steps, limit: int) -> list[int] | None:
    """The order with the lowest peak, if that is below `limit`; from too many sets on what `_widest` finds."""
    everything = (1 << steps.count) - 1
    waiting: list[tuple[int, int, int, int, int]] = [(steps.start, 0, 0, 0, steps.start)]
    came: dict[int, tuple[int, int]] = {}  # of each set: the operator that ran last, the set before it
    reached = {0: steps.start}
    visited = ticket = 0
    while waiting:
        peak, size, _, done, alive = heapq.heappop(waiting)
        if done == everything:
            return _unwind(came, done)
        if peak > reached[done]:
            continue
        visited += 1
        if visited > _SETS:
            return _widest(steps, limit)
        for number in steps.ready(done):
            most, left = steps.run(done, alive, number)
            after, top = done | 1 << number, max(peak, most)
            if top < min(limit, reached.get(after, limit)):
                ticket += 1
                reached[after], came[after] = top, (number, done)
                heapq.heappush(waiting, (top, size - 1, ticket, after, left))
    return None


def _widest(steps: Steps, limit: int) -> list[int] | None:
    """The same, keeping of all sets of one size those with the lowest peaks, and of these those with the least left."""
    came: dict[int, tuple[int, int]] = {}
    level = {0: (steps.start, steps.start)}
    for _ in range(steps.count):
        following: dict[int, tuple[int, int]] = {}
        for done, (peak, alive) in level.items():
            for number in steps.ready(done):
                most, left = steps.run(done, alive, number)
                after, top = done | 1 << number, max(peak, most)
                if top < limit and (after not in following or top < following[after][0]):
                    following[after], came[after] = (top, left), (number, done)
        best = sorted(following, key=lambda done: (following[done], done))[:_KEPT]
        level = {done: following[done] for done in best}
    return _unwind(came, next(iter(level))) if level else None


def _unwind(came: dict[int, tuple[int, int]], done: int) -> list[int]:
    numbers = []
    while done:
        number, done = came[done]
        numbers.append(number)
    return numbers[::-1]
