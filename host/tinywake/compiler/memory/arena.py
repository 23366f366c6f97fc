# SPDX-License-Identifier: MIT
"""Offsets in the arena: the smallest total for storages of which some must lie apart.

Placing storages one after the other, each at the lowest offset that those already placed allow, gives a best plan for
some order, as long as of two that must lie apart one can be called the lower without going round in a circle. So the
search is for an order: a few that are known to be good, then all ways to lay pairs apart (branch and bound, which needs
no order), then changes to the best order, until the bound is met or a fixed number of steps is done. Nothing is random
but a generator with a fixed seed: the same storages get the same places.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from tinywake.compiler.memory.lifetimes import Gap, Storage

__all__ = ["place"]

_BRANCH_PAIRS = 400  # beyond them branching does not come to an end, and would nest deeply
_BRANCH_STEPS = 1_000_000  # pairs looked at
_CHANGE_STEPS = 1_500_000  # neighbours looked at


def place(
    storages: Sequence[Storage], apart: Mapping[tuple[int, int], Gap], bound: int, *, thorough: bool = True
) -> list[int]:
    """Return an offset for each storage. The search ends when the total has come down to `bound`.

    apart: forbidden distances from a to b, by places in `storages`. thorough: False tries the known orders only.
    """
    search = _Search(storages, apart, bound)
    for order in _orders(storages):
        search.attempt(order)
    if thorough and not search.done():
        proved = len(apart) <= _BRANCH_PAIRS and _Branching(search, apart).run()
        if not proved and not search.done():
            search.change()
    return search.offsets


def _orders(storages: Sequence[Storage]) -> Iterator[list[int]]:
    """Orders in which to place, most promising first."""
    places = range(len(storages))
    s = storages
    end = max((x.last for x in s), default=0) + 1
    alive = [sum(x.bytes for x in s if x.first <= step <= x.last) for step in range(end)]
    crowd = [max(alive[x.first : x.last + 1]) for x in s]
    length = [x.last - x.first for x in s]
    yield sorted(places, key=lambda p: (-s[p].bytes, -length[p], s[p].first))
    yield sorted(places, key=lambda p: (-s[p].bytes, -length[p], -s[p].first))
    yield sorted(places, key=lambda p: (-crowd[p], -s[p].bytes, s[p].first))
    yield sorted(places, key=lambda p: (-crowd[p], -length[p], -s[p].first))
    yield sorted(places, key=lambda p: (-length[p], -s[p].bytes, s[p].first))
    yield sorted(places, key=lambda p: (-length[p] * s[p].bytes, s[p].first))
    yield sorted(places, key=lambda p: (s[p].first, -s[p].last, -s[p].bytes))
    yield sorted(places, key=lambda p: (-s[p].last, s[p].first, -s[p].bytes))
    yield sorted(places, key=lambda p: (-s[p].first, s[p].last, -s[p].bytes))
    for peak in (p for p in places if crowd[p] == max(crowd)):  # outwards from where it is tightest
        yield sorted(places, key=lambda p: (abs(s[p].first - s[peak].first), -s[p].bytes, s[p].first))
        yield sorted(places, key=lambda p: (s[p].first < s[peak].first, abs(s[p].first - s[peak].first), -s[p].bytes))


class _Search:
    """The best offsets so far, and placing in a given order."""

    def __init__(self, storages: Sequence[Storage], apart: Mapping[tuple[int, int], Gap], bound: int) -> None:
        self.sizes = [s.bytes for s in storages]
        self.near: list[list[tuple[int, int, int]]] = [[] for _ in storages]  # (other, forbidden distances from it)
        for (a, b), (low, high) in apart.items():
            self.near[b].append((a, low, high))
            self.near[a].append((b, -high, -low))
        self.bound = bound
        self.total = sum(self.sizes) + 1
        self.order: list[int] = []
        self.offsets: list[int] = []

    def done(self) -> bool:
        return self.total <= self.bound

    def attempt(self, order: list[int]) -> None:
        """Place in this order; keep the result if it is better."""
        if not self.done() and (offsets := self.lowest(order, self.total - 1)) is not None:
            self.keep(offsets, order)

    def keep(self, offsets: list[int], order: list[int]) -> None:
        self.total = max((o + size for o, size in zip(offsets, self.sizes, strict=True)), default=0)
        self.offsets, self.order = offsets, order

    def lowest(self, order: list[int], limit: int) -> list[int] | None:
        """Each at the lowest offset that those before it in `order` allow; None if that goes beyond `limit`."""
        offsets = [-1] * len(order)
        for place in order:
            taken = [(offsets[o] + low, offsets[o] + high) for o, low, high in self.near[place] if offsets[o] >= 0]
            taken.sort()
            at = 0
            for low, high in taken:
                if at <= low:
                    break
                at = max(at, high)
            if at + self.sizes[place] > limit:
                return None
            offsets[place] = at
        return offsets

    def change(self) -> None:
        """Move single storages in the order, those at the top of the arena above all; keep what is no worse."""
        dice = random.Random(0)
        offsets, order, total = self.offsets, sorted(range(len(self.sizes)), key=self.offsets.__getitem__), self.total
        steps = 0
        cost = len(order) + sum(len(n) for n in self.near)
        while not self.done() and steps < _CHANGE_STEPS and len(order) > 1:
            top = [p for p in order if offsets[p] + self.sizes[p] == total]
            moved = dice.choice(top if dice.random() < 0.5 else order)
            if dice.random() < 0.3 and self.near[moved]:
                moved = dice.choice(self.near[moved])[0]
            changed = [p for p in order if p != moved]
            changed.insert(dice.randrange(len(order)), moved)
            found = self.lowest(changed, total)
            steps += cost
            if found is not None:
                offsets, order = found, changed
                total = max(o + size for o, size in zip(found, self.sizes, strict=True))
                if total < self.total:
                    self.keep(found, changed)


class _Branching:
    """All ways to lay pairs apart: each pair that is too close is tried either way, from all offsets 0 upwards.

    The offsets of a branch are the least that its decisions allow, so a branch that reaches the best total is left.
    """

    def __init__(self, search: _Search, apart: Mapping[tuple[int, int], Gap]) -> None:
        self.search = search
        sizes = search.sizes
        largest_first = sorted(apart, key=lambda pair: (-sizes[pair[0]] - sizes[pair[1]], pair))
        self.pairs = [(a, b, *apart[a, b]) for a, b in largest_first]
        self.above: list[list[tuple[int, int]]] = [[] for _ in sizes]  # decisions: (other, least distance to it)
        self.steps = 0

    def run(self) -> bool:
        """Whether all ways were tried, so that what the search holds is the best there is."""
        self.descend([0] * len(self.search.sizes))
        return self.steps < _BRANCH_STEPS

    def descend(self, offsets: list[int]) -> None:
        ways = self.decide(offsets)
        if ways is None:
            self.search.keep(offsets, self.search.order)
            return
        for lower, upper, distance in ways:
            self.above[lower].append((upper, distance))
            raised = self.raised(offsets, lower)
            if raised is not None:
                self.descend(raised)
            self.above[lower].pop()
            if self.steps >= _BRANCH_STEPS or self.search.done():
                return

    def decide(self, offsets: list[int]) -> list[tuple[int, int, int]] | None:
        """The ways to part a pair that is too close: (lower, upper, least distance). None: there is no such pair."""
        sizes, total = self.search.sizes, self.search.total
        chosen: list[tuple[int, int, int]] | None = None
        for a, b, low, high in self.pairs:
            self.steps += 1
            if low < offsets[b] - offsets[a] < high:
                ends = (offsets[a] + high + sizes[b], a, b, high), (offsets[b] - low + sizes[a], b, a, -low)
                ways = [way[1:] for way in sorted(ends) if way[0] < total]
                if len(ways) < 2:
                    return ways  # no choice
                chosen = chosen or ways
        return chosen

    def raised(self, offsets: list[int], start: int) -> list[int] | None:
        """The least offsets that meet all decisions; None if they reach the best total."""
        result, waiting = offsets.copy(), [start]
        while waiting:
            lower = waiting.pop()
            for upper, distance in self.above[lower]:
                least = result[lower] + distance
                if least > result[upper]:
                    if least + self.search.sizes[upper] >= self.search.total:
                        return None
                    result[upper] = least
                    waiting.append(upper)
        return result
