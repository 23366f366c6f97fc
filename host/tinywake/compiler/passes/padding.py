# SPDX-License-Identifier: MIT
"""PAD in front of a convolution becomes the convolution's own padding: both add the zero point, which adds nothing."""

from __future__ import annotations

from dataclasses import replace

from tinywake.compiler.graph import Conv2D, Graph, Op, Pad

__all__ = ["fold_padding"]


def fold_padding(graph: Graph) -> Graph:
    """Return an equivalent graph where convolutions read unpadded tensors."""
    pads = {op.output: op for op in graph.ops if isinstance(op, Pad)}
    ops: list[Op] = []
    for op in graph.ops:
        pad = pads.get(op.input) if isinstance(op, Conv2D) else None
        if isinstance(op, Conv2D) and pad is not None and _is_zeros(graph, pad):
            top, left = op.pad[0] + pad.before[1], op.pad[1] + pad.before[2]
            reach = [(k - 1) * d + 1 for k, d in zip(op.kernel, op.dilation, strict=True)]
            if top < reach[0] and left < reach[1] and max(top, left) < 256 and _reached(graph, op, pad, (top, left)):
                op = replace(op, inputs=pad.inputs, pad=(top, left))
        ops.append(op)
    return graph.with_ops(ops)


def _is_zeros(graph: Graph, pad: Pad) -> bool:
    """Zeros around height and width, and nothing else changed."""
    x, y = graph.tensors[pad.input], graph.tensors[pad.output]
    return (
        len(x.shape) == 4
        and pad.value == x.zero_point == y.zero_point
        and x.scale == y.scale
        and (x.shape[0], x.shape[3]) == (y.shape[0], y.shape[3])
    )


def _reached(graph: Graph, op: Conv2D, pad: Pad, before: tuple[int, int]) -> bool:
    """Some tap of the last window lies inside the input, as the format wants it."""
    sizes, outs = graph.tensors[pad.input].shape[1:3], graph.tensors[op.output].hwc[:2]
    return all((o - 1) * s < n + b for o, s, n, b in zip(outs, op.stride, sizes, before, strict=True))
