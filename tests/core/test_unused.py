"""Channels that pruning left without a use leave the file, and no value changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from interpret import interpret
from nets import Net

from tinywake.compiler.build import _finished, lower
from tinywake.compiler.graph import Conv2D, FullyConnected, Graph
from tinywake.compiler.passes.stream import stream
from tinywake.compiler.unused import remove_unused
from tinywake.core import Model


def emptied(graph: Graph, number: int, made: tuple[int, ...] = (), read: tuple[int, ...] = ()) -> Graph:
    """With zeros for some channels that operator `number` makes, or reads."""
    op = graph.ops[number]
    assert isinstance(op, Conv2D | FullyConnected)
    weights = op.weights.copy()
    weights[list(made)] = 0
    weights[..., list(read)] = 0
    ops = list(graph.ops)
    ops[number] = replace(op, weights=weights)
    return graph.with_ops(ops)


def same(before: Graph, after: Graph) -> None:
    """Interpreted, and by the core."""
    xs = list(np.random.default_rng(1).integers(-128, 128, (6, *before.tensors[before.input].shape)).astype(np.int8))
    expected = interpret(before, xs)
    model = Model(_finished(after, None, {}).blob)
    for x, y, z in zip(xs, expected, interpret(after, xs), strict=True):
        np.testing.assert_array_equal(np.ravel(y), np.ravel(z))
        np.testing.assert_array_equal(model.invoke(x), np.ravel(y).view(np.uint8))


def separable(**padding: tuple[int, int, int, int]) -> Graph:
    """Convolution to 8 channels, depthwise, convolution to 6, dense."""
    net = Net(1, 12, 1, 5)
    x = net.depthwise(net.conv(net.input, 8, (3, 1)), (4, 1), **padding)
    return net.graph(net.dense(net.conv(x, 6), 3))


def counts(graph: Graph) -> list[int]:
    return [len(op.bias) for op in graph.ops if isinstance(op, Conv2D | FullyConnected)]


def test_nobody_reads_them() -> None:
    graph = emptied(separable(), 2, read=(1, 6))
    after = remove_unused(graph)
    assert counts(after) == [6, 6, 6, 3]
    same(graph, after)


def test_they_are_made_of_zeros() -> None:
    """What they are for ever, behind the depthwise convolution too, goes into the biases of those that read them."""
    graph = emptied(separable(), 0, made=(0, 3, 7))
    after = remove_unused(graph)
    assert counts(after) == [5, 5, 6, 3]
    assert any((a.bias != b.bias).any() for a, b in zip(graph.ops[2:3], after.ops[2:3], strict=True))
    same(graph, after)


def test_one_after_the_other() -> None:
    graph = emptied(emptied(separable(), 0, made=(2,)), 2, made=(0, 1), read=(5,))
    after = remove_unused(graph)
    assert counts(after) == [6, 6, 4, 3]
    same(graph, after)


def test_beside_padding_a_constant_is_none() -> None:
    graph = emptied(separable(pad=(2, 0, 1, 0)), 0, made=(0, 3))
    after = remove_unused(graph)
    assert counts(after) == counts(graph)
    assert counts(remove_unused(emptied(graph, 2, read=(0,)))) == [7, 7, 6, 3]


def test_one_channel_stays() -> None:
    graph = emptied(separable(), 0, made=tuple(range(8)))
    after = remove_unused(graph)
    assert counts(after)[0] == 1
    same(graph, after)


def test_what_others_share_stays() -> None:
    """A sum of two tensors: a channel leaves where it leaves both."""
    net = Net(1, 6, 1, 5)
    a, b = net.conv(net.input, 8), net.conv(net.input, 8)
    graph = net.graph(net.dense(net.add(a, b), 3))
    assert counts(remove_unused(emptied(graph, 0, made=(4,)))) == [8, 8, 3]


def test_input_and_output_keep_their_channels() -> None:
    net = Net(1, 6, 1, 5)
    graph = net.graph(net.conv(net.conv(net.input, 4), 3))
    graph = emptied(emptied(graph, 0, read=(2,)), 1, made=(1,))
    after = remove_unused(graph)
    assert counts(after) == [4, 3]
    assert after.tensors[after.input].shape == (1, 6, 1, 5)


@pytest.mark.parametrize("read", [False, True])
def test_in_a_stream(read: bool) -> None:
    """Removed before the streaming pass, which then keeps less state."""
    net = Net(1, 12, 1, 5)
    x = net.depthwise(net.conv(net.input, 8, (3, 1)), (4, 1))
    graph = net.graph(net.conv(x, 3, (7, 1)))
    graph = emptied(graph, 2, read=(1, 6)) if read else emptied(graph, 0, made=(1, 6))
    few, many = stream(lower(graph), 1), stream(graph, 1)
    assert _finished(few, None, {}).plan.state_bytes < _finished(many, None, {}).plan.state_bytes
    frames = list(np.random.default_rng(2).integers(-128, 128, (20, 1, 1, 1, 5)).astype(np.int8))
    for one, other in list(zip(interpret(few, frames), interpret(many, frames), strict=True))[few.warmup :]:
        np.testing.assert_array_equal(one, other)
