# SPDX-License-Identifier: MIT
"""What running one operator after the other needs at least, in any order.

When an operator runs, all that it and later ones need is in memory. Two such storages share no byte, unless one ends
here, being read, and the other is the operator's output, which begins here. There is one such output, and those that
end share nothing among each other. So together they cover at least the sum of their sizes, less what each of those that
end can share with the output at the best distance, but not less by more than the output's size. An arena is at least as
large as what they cover: the largest of these numbers is a lower bound of every plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tinywake.compiler.graph import Graph, Tensor
from tinywake.compiler.memory.lifetimes import Gap, handover, sizes

__all__ = ["Steps", "saving"]


@dataclass(frozen=True)
class _Touched:
    """A storage of the arena that an operator touches."""

    bytes: int
    users: int  # operators that touch it, as bits; one more where it is kept to the end
    present: bool  # from the start: it holds the graph's input


class Steps:
    """What running an operator does to memory, for sets of operators as bits."""

    def __init__(self, graph: Graph) -> None:
        self.count = len(graph.ops)
        tensors = graph.tensors
        users: dict[int, int] = {}
        for number, op in enumerate(graph.ops):
            for t in (*op.inputs, op.output):
                users[tensors[t].storage] = users.get(tensors[t].storage, 0) | 1 << number
        source, sink = tensors[graph.input].storage, tensors[graph.output].storage
        users[sink] = users.get(sink, 0) | 1 << self.count
        size = sizes(graph)
        known = {s: _Touched(size[s], users.get(s, 0), s == source) for s in size}
        self.start = known[source].bytes if source in known and known[source].users else 0
        self.before = _before(graph)
        self.output: list[_Touched | None] = []
        self.inputs: list[list[tuple[_Touched, int]]] = []  # with the bytes that it may share with the output
        for op in graph.ops:
            y = tensors[op.output].storage
            gaps = handover(graph, op)
            self.output.append(known.get(y))
            read = dict.fromkeys(tensors[t].storage for t in op.inputs if tensors[t].storage in size)
            read.pop(y, None)
            shared = {s: saving(size[s], size[y], gaps[s]) if y in size and s in gaps else 0 for s in read}
            self.inputs.append([(known[s], shared[s]) for s in read])

    def run(self, done: int, alive: int, number: int) -> tuple[int, int]:
        """With `alive` bytes needed after the operators `done`: bytes that the next one needs, and that are left."""
        after = done | 1 << number
        y = self.output[number]
        born = y is not None and not y.present and not y.users & done
        most = alive + (y.bytes if born and y is not None else 0)
        left, shared = most, 0
        for x, share in self.inputs[number]:
            if not x.users & ~after:
                left -= x.bytes
                shared += share if born else 0
        if y is not None:
            most -= min(shared, y.bytes)
            if not y.users & ~after:
                left -= y.bytes
        return most, left

    def ready(self, done: int) -> list[int]:
        """Operators that can run next, in their original order."""
        return [n for n in range(self.count) if not done >> n & 1 and not self.before[n] & ~done]

    def peak(self, numbers: Iterable[int]) -> int:
        """Bytes that no plan of the operators in this order goes below."""
        done, alive, peak = 0, self.start, self.start
        for number in numbers:
            most, alive = self.run(done, alive, number)
            done |= 1 << number
            peak = max(peak, most)
        return peak


def saving(x: int, y: int, gap: Gap) -> int:
    """The most bytes that storages of x and y bytes may share, at the best distance that `gap` allows."""
    inside = sorted((0, x - y))  # from the one to the other of these distances, the smaller storage lies in the larger
    if gap[0] >= inside[0] or gap[1] <= inside[1]:
        return min(x, y)
    return max(0, gap[0] + y, x - gap[1])


def _before(graph: Graph) -> list[int]:
    """Of each operator, as bits, those that must run before it: both touch the same bytes, and one of them writes."""
    result = []
    reads = [[graph.tensors[t] for t in op.inputs] for op in graph.ops]
    writes = [graph.tensors[op.output] for op in graph.ops]
    for number in range(len(graph.ops)):
        bits = 0
        for earlier in range(number):
            read_after = any(_meet(writes[earlier], x) for x in reads[number])
            written_after = any(_meet(writes[number], x) for x in (*reads[earlier], writes[earlier]))
            if read_after or written_after:
                bits |= 1 << earlier
        result.append(bits)
    return result


def _meet(a: Tensor, b: Tensor) -> bool:
    return a.storage == b.storage and a.at < b.at + b.count and b.at < a.at + a.count
