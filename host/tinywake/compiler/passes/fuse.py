# SPDX-License-Identifier: MIT
"""Passes that remove work: reshapes become a second view of the same bytes, element-wise operators run in place."""

from __future__ import annotations

from dataclasses import replace

from tinywake.compiler.graph import Graph, Logistic, Reshape, Softmax, Tensor

__all__ = ["fuse"]


def fuse(graph: Graph) -> Graph:
    """Return an equivalent graph with less to do."""
    return _share_element_wise(_drop_reshapes(graph))


def _merge(tensors: dict[int, Tensor], old: int, new: int) -> None:
    """Put every tensor that lies in storage `old`, views of it included, into storage `new`."""
    for number, tensor in tensors.items():
        if tensor.storage == old:
            tensors[number] = replace(tensor, storage=new)


def _drop_reshapes(graph: Graph) -> Graph:
    tensors = dict(graph.tensors)
    for op in graph.ops:
        if isinstance(op, Reshape):
            _merge(tensors, tensors[op.output].storage, tensors[op.input].storage)
    return graph.with_ops((op for op in graph.ops if not isinstance(op, Reshape)), tensors)


def _share_element_wise(graph: Graph) -> Graph:
    """LOGISTIC and SOFTMAX may overwrite an input that nobody reads after them, unless it is the network's input."""
    tensors = dict(graph.tensors)
    for place, op in enumerate(graph.ops):
        storage = tensors[op.input].storage
        read_later = any(tensors[later.input].storage == storage for later in graph.ops[place + 1 :])
        kept = {tensors[graph.input].storage, tensors[graph.output].storage}
        if isinstance(op, Logistic | Softmax) and not read_later and storage not in kept:
            _merge(tensors, tensors[op.output].storage, storage)
    return graph.with_ops(graph.ops, tensors)
