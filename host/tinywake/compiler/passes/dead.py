# SPDX-License-Identifier: MIT
"""Dead code: operators whose results nobody reads."""

from __future__ import annotations

from tinywake.compiler.graph import Graph

__all__ = ["remove_dead"]


def remove_dead(graph: Graph) -> Graph:
    """Return the graph without operators that affect neither the output nor the state that another operator reads."""
    tensors = graph.tensors
    wanted = {tensors[graph.output].storage}
    kept = set(range(len(graph.ops)))
    while True:
        # From the end on; once more as long as state, which is read in the next invoke, has made something wanted.
        before = set(wanted)
        kept = set()
        for place in range(len(graph.ops) - 1, -1, -1):
            op = graph.ops[place]
            if tensors[op.output].storage in wanted:
                kept.add(place)
                wanted.update(tensors[t].storage for t in op.inputs)
        if wanted == before:
            break
    return graph.with_ops(op for place, op in enumerate(graph.ops) if place in kept)
