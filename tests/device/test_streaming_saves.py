# SPDX-License-Identifier: MIT
"""Streaming against the whole window at each step, counted on chips: what `compile --stream` is for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tinywake.compiler.build import _finished
from tinywake.compiler.graph import Graph
from tinywake.compiler.passes.stream import stream
from tinywake.config import Network
from tinywake.device.targets.registry import TARGETS
from tinywake.pipeline.benching import bench

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nets import Net


@pytest.fixture(params=[name for name in TARGETS if name != "unix"])
def target(request: pytest.FixtureRequest, runnable: Callable[[str], str]) -> str:
    return runnable(request.param)


def word() -> Graph:
    """As learn/networks.py makes it from a recipe that says nothing of it, models/demo's: a window of 1.25 s."""
    size = Network()
    net = Net(1, size.window, 1, 40)
    x = net.conv(net.input, size.first_filters, (size.first_kernel, 1), (size.stride, 1))
    for taps, channels in zip(size.kernels, size.filters, strict=True):
        x = net.conv(net.depthwise(x, (taps, 1)), channels)
    return net.graph(net.conv(x, 1, (size.head, 1)))


@pytest.mark.lean("qemu-armv6m")
def test_streaming_takes_a_tenth_of_the_whole_window(target: str, tmp_path: Path) -> None:
    costs = []
    for name, graph in (("whole", word()), ("streaming", stream(word(), Network().stride))):
        path = tmp_path / f"{name}.twm"
        path.write_bytes(_finished(graph, None, {}).blob)
        costs.append(bench(path, target).counts)
    whole, streaming = costs
    assert whole.unit == streaming.unit in ("instructions", "cycles")
    assert whole.network > 10 * streaming.network > 100_000
