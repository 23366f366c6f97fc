"""Channels of zeros for the sake of fast kernels: no value changes, and what must keep its shape does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from interpret import interpret
from nets import Net

from tinywake.compiler import build, channels
from tinywake.compiler.build import _finished, _quickest, compile_tflite, lower
from tinywake.compiler.channels import widenings
from tinywake.compiler.graph import AveragePool2D, Concat, DepthwiseConv2D, Graph, MaxPool2D, Mean, Softmax, StatePush
from tinywake.compiler.report import compiled_report
from tinywake.compiler.tflite.quantise import mean_scaling, softmax_scaling
from tinywake.core import Model


def quickest(graph: Graph) -> tuple[Graph, tuple[str, ...]]:
    """As compiled, with the same outputs as before: interpreted, and by the core, twice from a reset."""
    found = _quickest(graph, lambda one: _finished(one, None, {}), _finished(graph, None, {}))
    rng = np.random.default_rng(3)
    xs = list(rng.integers(-128, 128, (6, *graph.tensors[graph.input].shape)).astype(np.int8))
    expected = interpret(graph, xs)
    for x, y in zip(interpret(found.graph, xs), expected, strict=True):
        np.testing.assert_array_equal(x.ravel(), y.ravel())
    model = Model(found.blob)
    for _ in range(2):
        for x, y in zip(xs, expected, strict=True):
            np.testing.assert_array_equal(model.invoke(x), y.ravel().view(np.uint8))
        model.reset()
    return found.graph, found.choices


def depthwise_channels(graph: Graph) -> list[int]:
    return [op.weights.shape[3] for op in graph.ops if isinstance(op, DepthwiseConv2D)]


def slow(graph: Graph) -> bool:
    found = [op for op in graph.ops if isinstance(op, DepthwiseConv2D)]
    return any(channels._slow(graph, op, op.weights.shape[3]) for op in found)


def pushed(net: Net, x: int, rows: int) -> int:
    state = net.tensor(1, rows, 1, net.tensors[x].shape[3], fill=-7)
    return net.op(StatePush, (x,), state)


def streaming(count: int) -> tuple[Net, int]:
    """With the output of a depthwise convolution over time."""
    net = Net(1, 1, 1, 200)
    return net, net.depthwise(pushed(net, net.conv(net.input, count), 5), (5, 1))


@pytest.mark.parametrize("count", [2, 30, 61])
def test_a_streaming_network(count: int) -> None:
    net, x = streaming(count)
    x = net.depthwise(pushed(net, net.conv(x, count), 9), (9, 1))
    graph, choices = quickest(net.graph(net.dense(pushed(net, x, 4), 3)))
    if count == 2:  # twice as many: too much of so small a network
        assert (depthwise_channels(graph), choices) == ([2, 2], ())
    else:
        more = count + -count % 4
        assert depthwise_channels(graph) == [more] * 2
        assert len(choices) == 2
        assert choices[0].startswith(f"operator 2 DepthwiseConv2D: {count} channels became {more}, ")
        assert list(widenings(graph)) == []


@pytest.mark.parametrize("seed", range(60))
def test_networks_by_lot(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it costs: chains with branches, whose channels are any number."""
    monkeypatch.setattr(channels, "_MAC", 0)
    monkeypatch.setattr(channels, "_OUTPUT", 0)
    monkeypatch.setattr(build, "_MOST_GROWTH", 100)
    dice = np.random.default_rng(seed)
    net = Net(1, 9, 4, int(dice.integers(1, 6)), seed=seed)
    x = net.conv(net.input, int(dice.integers(2, 12)))
    for _ in range(int(dice.integers(2, 7))):
        _, h, w, c = net.tensors[x].shape
        kind = dice.choice(["conv", "depthwise", "depthwise", "pool", "table", "add", "mul", "push"])
        kernel = int(dice.integers(1, min(h, 4) + 1)), int(dice.integers(1, min(w, 3) + 1))
        pad = tuple(int(dice.integers(k)) for k in (*kernel, *kernel))
        if kind in ("conv", "depthwise"):
            more = [int(dice.integers(2, 12))] if kind == "conv" else []
            x = getattr(net, kind)(x, *more, kernel, (int(dice.integers(1, 3)), 1), pad)
        elif kind == "pool":
            y = net.tensor(1, h - kernel[0] + 1, w - kernel[1] + 1, c)
            pool = MaxPool2D if dice.random() < 0.5 else AveragePool2D
            x = net.op(pool, (x,), y, kernel, (1, 1), (0, 0), (-128, 127))
        elif kind == "push":
            state = net.tensor(1, h + int(dice.integers(4)), w, c, fill=int(dice.integers(-9, 9)))
            x = net.op(StatePush, (x,), state)
        else:
            x = net.table(x) if kind == "table" else getattr(net, kind)(x, net.table(x))
    before = net.graph(net.dense(x, 3))
    after, choices = quickest(before)
    assert bool(choices) == slow(before)
    assert not slow(after)


def test_a_window_with_all_that_works_on_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paddings, strides, pools, sums, tables and means between the filters."""
    monkeypatch.setattr(build, "_MOST_GROWTH", 0.3)
    net = Net(1, 12, 7, 16)
    x = net.conv(net.input, 10, (3, 3), (1, 1), (1, 1, 1, 1))
    y = net.depthwise(x, (5, 3), pad=(2, 1, 2, 1))
    x = net.add(net.table(y), x)
    x = net.op(AveragePool2D, (x,), net.tensor(1, 6, 6, 10), (2, 2), (2, 1), (0, 0), (-128, 127))
    x = net.depthwise(net.mul(x, net.table(x)), (4, 2), (2, 2), dilation=(1, 2))
    x = net.op(Mean, (x,), net.tensor(1, 2, 1, 10), *mean_scaling(0.5, 0.5, net.tensors[x].hwc[1]))
    graph, choices = quickest(net.graph(net.dense(x, 4)))
    assert depthwise_channels(graph) == [12, 12]
    assert len(choices) == 1  # one group


def test_what_must_keep_its_channels() -> None:
    """The network's input and output, constants, and what other operators read."""
    net = Net(1, 9, 5, 30)
    x = net.depthwise(net.input, (5, 1))
    assert quickest(net.graph(net.dense(x, 5)))[1] == ()
    net, x = streaming(30)
    assert quickest(net.graph(x))[1] == ()
    net, x = streaming(30)
    x = net.add(x, net.constant(1, 1, 1, 30))
    assert quickest(net.graph(net.dense(x, 5)))[1] == ()
    net, x = streaming(30)
    x = net.op(Concat, (x, x), net.tensor(1, 1, 1, 60), 3)
    assert quickest(lower(net.graph(net.dense(x, 5))))[1] == ()
    net, x = streaming(30)
    x = net.op(Softmax, (x,), net.tensor(1, 1, 1, 30), *softmax_scaling(0.5, 1.0))
    assert quickest(net.graph(net.dense(x, 5)))[1] == ()


def test_what_is_quick_already_or_costs_too_much() -> None:
    for count in (1, 4, 32, 60):
        net, x = streaming(count)
        assert list(widenings(net.graph(net.dense(x, 5)))) == []
    net = Net(1, 9, 9, 30)  # 3 x 3 taps are computed channel by channel
    x = net.depthwise(net.conv(net.input, 30), (3, 3), pad=(1, 1, 1, 1))
    assert list(widenings(net.graph(net.dense(x, 5)))) == []
    net = Net(1, 1, 1, 2000)  # many weights for one tap
    x = net.depthwise(net.conv(net.input, 5), (1, 1))
    assert list(widenings(net.graph(net.dense(x, 400)))) == []
    net, x = streaming(5)  # it would be quicker, by many bytes
    graph = net.graph(net.dense(x, 5))
    assert len(list(widenings(graph))) == 1
    assert quickest(graph)[1] == ()


def test_the_report_says_it(reference: Path) -> None:
    compiled = compile_tflite(reference / "micro-wake-word" / "hey_jarvis.tflite")
    assert depthwise_channels(compiled.graph) == [32, 60, 60, 60]
    report = compiled_report(compiled)
    assert len(report.choices) == 1
    assert report.lines()[-1] == report.choices[0]
    assert report.facts()["choices"] == list(compiled.choices)
    assert "30 channels became 32" in report.choices[0]
    assert report.choices[0].endswith("file +440 bytes, arena and state +8")
