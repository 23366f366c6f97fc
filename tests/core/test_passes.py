"""Each pass, before and after: what it must do to a graph, what it must leave, and that no value changes."""

from __future__ import annotations

import numpy as np
import pytest
from interpret import interpret
from nets import Net

from tinywake.compiler.build import lower
from tinywake.compiler.graph import (
    Add,
    AssignVariable,
    AveragePool2D,
    Concat,
    Conv2D,
    Copy,
    DepthwiseConv2D,
    FullyConnected,
    FullyConnectedPart,
    Graph,
    MaxPool2D,
    Mul,
    Pad,
    ReadVariable,
    Reshape,
    Slice,
    StatePush,
    Table,
    Transpose,
)
from tinywake.compiler.memory.order import order
from tinywake.compiler.memory.plan import plan
from tinywake.compiler.memory.slabs import slabs
from tinywake.compiler.passes.branches import merge_branches
from tinywake.compiler.passes.copies import lower_copies
from tinywake.compiler.passes.padding import fold_padding
from tinywake.compiler.passes.stream import stream
from tinywake.compiler.passes.tables import fold_tables
from tinywake.compiler.passes.variables import lower_variables
from tinywake.compiler.passes.views import lower_views
from tinywake.compiler.twm.pack import pack
from tinywake.compiler.unused import remove_dead
from tinywake.core import Model
from tinywake.errors import CompileError


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def inputs(graph: Graph, count: int = 6, seed: int = 1) -> list[np.ndarray]:
    shape = graph.tensors[graph.input].shape
    return list(np.random.default_rng(seed).integers(-128, 128, (count, *shape)).astype(np.int8))


def same(before: Graph, after: Graph) -> None:
    """Values do not change: interpreted, and run by the core with the planned memory, twice from a reset."""
    xs = inputs(before)
    expected = interpret(before, xs)
    for x, y, z in zip(xs, expected, interpret(after, xs), strict=True):
        np.testing.assert_array_equal(np.ravel(y), np.ravel(z), err_msg=f"interpreted, {x.shape}")
    runs(before, after)


def runs(before: Graph, after: Graph) -> None:
    lowered = order(lower(after))
    model = Model(pack(lowered, plan(lowered)))
    xs = inputs(before)
    expected = interpret(before, xs)
    for _ in range(2):
        for x, y in zip(xs, expected, strict=True):
            np.testing.assert_array_equal(model.invoke(x), np.ravel(y).view(np.uint8))
        model.reset()


# ---- dead code


def test_what_nobody_reads_is_removed() -> None:
    net = Net(1, 4, 4, 3)
    x = net.conv(net.input, 4)
    unused = net.conv(x, 2)
    net.table(unused)
    graph = net.graph(net.conv(x, 5))
    assert kinds(graph) == ["Conv2D", "Conv2D", "RANDOM", "Conv2D"]
    assert kinds(remove_dead(graph)) == ["Conv2D", "Conv2D"]
    same(graph, remove_dead(graph))


def test_state_that_the_next_invoke_reads_is_not_dead() -> None:
    net = Net(1, 2, 1, 3)
    state = net.tensor(1, 2, 1, 3, fill=9)
    old = net.op(ReadVariable, (state,), net.tensor(1, 2, 1, 3))
    net.op(AssignVariable, (net.table(net.input),), state)
    forgotten = net.tensor(1, 2, 1, 3, fill=9)
    net.op(AssignVariable, (net.input,), forgotten)
    graph = net.graph(net.table(old))
    after = remove_dead(graph)
    assert kinds(after) == ["ReadVariable", "RANDOM", "AssignVariable", "RANDOM"]
    same(graph, after)


# ---- tables


def test_tables_in_a_row_become_one() -> None:
    net = Net(1, 3, 3, 2)
    graph = net.graph(net.table(net.table(net.table(net.input), scale=0.25), dtype="uint8", scale=1 / 256, zero=0))
    assert kinds(fold_tables(graph)) == ["RANDOM"]
    same(graph, fold_tables(graph))


def test_a_table_whose_input_others_read_stays() -> None:
    net = Net(1, 3, 3, 2)
    x = net.table(net.input)
    graph = net.graph(net.add(x, net.table(x)))
    assert kinds(fold_tables(graph)) == kinds(graph)
    same(graph, fold_tables(graph))


def test_an_identity_costs_nothing() -> None:
    net = Net(1, 3, 3, 2)
    graph = net.graph(net.table(net.conv(net.input, 4), "QUANTIZE", np.arange(256, dtype=np.uint8), scale=0.125))
    after = fold_tables(graph)
    assert [type(op) for op in after.ops] == [Conv2D, Reshape]
    same(graph, after)


@pytest.mark.parametrize("kind", ["conv", "add", "dense"])
def test_a_clamp_becomes_the_activation(kind: str) -> None:
    net = Net(1, 3, 3, 2)
    x = net.table(net.input)
    y = {"conv": lambda: net.conv(x, 4), "add": lambda: net.add(x, net.input), "dense": lambda: net.dense(x, 4)}[kind]()
    clamp = np.clip(np.arange(256).astype(np.uint8).view(np.int8), 3, 50).view(np.uint8)
    graph = net.graph(net.table(y, "RELU6", clamp))
    after = fold_tables(graph)
    assert kinds(after) == kinds(graph)[:-1]
    assert after.ops[-1].act == (3, 50)
    assert after.ops[-1].output == graph.output
    same(graph, after)


def test_a_table_that_does_more_than_clamp_stays() -> None:
    net = Net(1, 3, 3, 2)
    clamp = np.clip(np.arange(256).astype(np.uint8).view(np.int8), 3, 50).view(np.uint8)
    graph = net.graph(net.table(net.conv(net.input, 4), "RELU", clamp, scale=0.25))  # also another scale
    assert kinds(fold_tables(graph)) == ["Conv2D", "RELU"]


# ---- padding


def test_padding_goes_into_the_convolution() -> None:
    net = Net(1, 5, 6, 3)
    padded = net.op(Pad, (net.input,), net.tensor(1, 8, 9, 3), (0, 1, 2, 0), 3)
    graph = net.graph(net.conv(padded, 4, (3, 4), (2, 1)))
    after = remove_dead(fold_padding(graph))
    assert kinds(after) == ["Conv2D"]
    assert after.ops[0].pad == (1, 2)
    same(graph, after)


@pytest.mark.parametrize(("before", "value"), [((0, 1, 1, 0), 4), ((0, 1, 1, 1), 3), ((0, 3, 1, 0), 3)])
def test_other_padding_is_copied(before: tuple[int, ...], value: int) -> None:
    """Another value than the zero point, channels, more than a kernel."""
    net = Net(1, 5, 6, 3)
    padded = net.op(Pad, (net.input,), net.tensor(1, 9, 8, 4), before, value)
    graph = net.graph(net.conv(padded, 4, (3, 3)))
    after = remove_dead(fold_padding(graph))
    assert kinds(after) == ["Pad", "Conv2D"]
    assert kinds(lower(graph)) == ["Copy", "Conv2D"]
    same(graph, after)


# ---- variables


def window(net: Net, x: int, rows: int, *, style: str = "v2", fill: int = 7) -> int:
    """The last rows of x over time, as both versions of micro-wake-word keep them: [1, rows + new, w, c] in v2."""
    _, new, w, c = net.tensors[x].shape
    state = net.tensor(1, rows, w, c, fill=fill)
    old = net.op(ReadVariable, (state,), net.tensor(1, rows, w, c))
    if style == "v2":
        both = net.op(Concat, (old, x), net.tensor(1, rows + new, w, c), 1)
        tail = net.op(Slice, (both,), net.tensor(1, rows, w, c), (0, new, 0, 0), (1, 1, 1, 1))
        net.op(AssignVariable, (tail,), state)
    else:
        tail = net.op(Slice, (old,), net.tensor(1, rows - new, w, c), (0, new, 0, 0), (1, 1, 1, 1))
        both = net.op(Concat, (tail, x), net.tensor(1, rows, w, c), 1)
        net.op(AssignVariable, (both,), state)
    return both


@pytest.mark.parametrize("style", ["v1", "v2"])
@pytest.mark.parametrize(("new", "width"), [(1, 1), (2, 1), (1, 3)])
def test_a_window_over_time_is_one_push(style: str, new: int, width: int) -> None:
    net = Net(1, new, width, 3)
    both = window(net, net.input, 4, style=style)
    graph = net.graph(net.conv(both, 4, (3, 1)))
    after = lower_variables(graph)
    assert kinds(after) == ["StatePush", "Conv2D"]
    state = after.tensors[after.ops[0].output]
    assert (state.fill, state.shape[1]) == (7, 4 + new if style == "v2" else 4)
    same(graph, after)


def test_a_window_whose_tail_is_read_elsewhere_keeps_the_slice() -> None:
    net = Net(1, 1, 1, 3)
    both = window(net, net.input, 4)
    tail = net.ops[2].output
    graph = net.graph(net.add(net.conv(both, 3, (2, 1)), tail))
    after = lower_variables(graph)
    assert kinds(after) == ["StatePush", "Slice", "Conv2D", "Add"]
    same(graph, after)


@pytest.mark.parametrize("fault", ["half", "step", "axis", "twice", "order"])
def test_what_is_no_window_is_copied(fault: str) -> None:
    """Other uses of a variable, one step away from a window each."""
    net = Net(1, 1, 2, 3)
    rows = 4
    state = net.tensor(1, rows, 2, 3, fill=-5)
    old = net.op(ReadVariable, (state,), net.tensor(1, rows, 2, 3))
    if fault == "axis":
        both = net.op(Concat, (old, net.op(Copy, (net.input,), net.tensor(1, 4, 1, 3), 0, 0, (1, 1, 2), 6, (0, 0, 0),
                                           (0, 0, 6))), net.tensor(1, rows, 3, 3), 2)  # fmt: skip
        begin, step = (0, 0, 1, 0), (1, 1, 1, 1)
    else:
        parts = (net.input, old) if fault == "order" else (old, net.input)
        both = net.op(Concat, parts, net.tensor(1, rows + 1, 2, 3), 1)
        begin, step = ((0, 0, 0, 0) if fault == "half" else (0, 1, 0, 0)), (1, 1, 1, 1)
    tail = net.op(Slice, (both,), net.tensor(1, rows, 2, 3), begin, step)
    if fault == "step":
        tail = net.table(tail)
    net.op(AssignVariable, (tail,), state)
    y = net.conv(both, 4, (3, 2))
    if fault == "twice":
        y = net.add(net.dense(y, 5), net.dense(old, 5))
    graph = net.graph(y)
    after = lower_variables(graph)
    assert "StatePush" not in kinds(after)
    assert not {"ReadVariable", "AssignVariable"} & set(kinds(after))
    runs(graph, graph)


def test_what_is_read_before_it_changes_and_used_after_is_copied() -> None:
    net = Net(1, 1, 1, 6)
    state = net.tensor(1, 1, 1, 6, fill=1)
    old = net.op(ReadVariable, (state,), net.tensor(1, 1, 1, 6))
    net.op(AssignVariable, (net.input,), state)
    again = net.op(ReadVariable, (state,), net.tensor(1, 1, 1, 6))
    graph = net.graph(net.add(net.table(old), again))
    assert kinds(lower_variables(graph)) == ["Copy", "Copy", "RANDOM", "Add"]
    runs(graph, graph)


# ---- branches


def mixed(net: Net, x: int, kernels: tuple[int, ...], *, slices: bool = True) -> int:
    """Channels in groups, each with a kernel of its own over the last rows."""
    _, rows, _, c = net.tensors[x].shape
    group = c // len(kernels)
    parts = []
    for number, kernel in enumerate(kernels):
        begin = (0, 0, 0, number * group)
        part = net.op(Slice, (x,), net.tensor(1, rows, 1, group), begin, (1,) * 4)
        if slices:
            part = net.op(Slice, (part,), net.tensor(1, kernel, 1, group), (0, rows - kernel, 0, 0), (1,) * 4)
        parts.append(net.depthwise(part, (kernel, 1)))
    height = net.tensors[parts[0]].shape[1]
    return net.op(Concat, tuple(parts), net.tensor(1, height, 1, c), 3)


def test_mixed_kernels_become_one_depthwise() -> None:
    net = Net(1, 11, 1, 12)
    graph = net.graph(net.conv(mixed(net, net.input, (5, 7, 11)), 4))
    after = remove_dead(merge_branches(graph))
    assert kinds(after) == ["DepthwiseConv2D", "Conv2D"]
    assert after.ops[0].weights.shape == (1, 11, 1, 12)
    same(graph, after)


def test_mixed_kernels_with_same_padding_are_centred() -> None:
    net = Net(1, 9, 1, 8)
    parts = []
    for number, kernel in enumerate((3, 5)):
        part = net.op(Slice, (net.input,), net.tensor(1, 9, 1, 4), (0, 0, 0, 4 * number), (1,) * 4)
        parts.append(net.depthwise(part, (kernel, 1), pad=(kernel // 2, 0, kernel // 2, 0)))
    graph = net.graph(net.op(Concat, tuple(parts), net.tensor(1, 9, 1, 8), 3))
    after = remove_dead(merge_branches(graph))
    assert kinds(after) == ["DepthwiseConv2D"]
    assert after.ops[0].pad == (2, 0)
    same(graph, after)


@pytest.mark.parametrize("fault", ["gap", "act", "padded slice", "much larger", "read twice"])
def test_branches_that_differ_stay(fault: str) -> None:
    net = Net(1, 9, 1, 8)
    parts = []
    kernels = (3, 9) if fault == "much larger" else (3, 3)
    for number, kernel in enumerate(kernels):
        start = 4 * number if fault != "gap" else 0
        rows = 7 if fault == "padded slice" else 9
        part = net.op(Slice, (net.input,), net.tensor(1, rows, 1, 4), (0, 9 - rows, 0, start), (1,) * 4)
        act = (0, 100 + number) if fault == "act" else (-128, 127)
        pad = kernel // 2
        parts.append(net.depthwise(part, (kernel, 1), pad=(pad, 0, pad, 0), act=act))
    height = net.tensors[parts[0]].shape[1]
    y = net.op(Concat, tuple(parts), net.tensor(1, height, 1, 8), 3)
    if fault == "read twice":
        y = net.add(net.dense(y, 3), net.dense(parts[0], 3))
    graph = net.graph(y)
    after = merge_branches(graph)
    if fault == "much larger":
        assert sum(isinstance(op, DepthwiseConv2D) for op in after.ops) in (2, 3)
    else:
        assert kinds(after) == kinds(graph)
    runs(graph, graph)


# ---- views and copies


def test_reshapes_and_contiguous_slices_are_views() -> None:
    net = Net(1, 6, 2, 3)
    x = net.table(net.input)
    flat = net.op(Reshape, (x,), net.tensor(1, 36))
    part = net.op(Slice, (net.op(Reshape, (flat,), net.tensor(1, 6, 2, 3)),), net.tensor(1, 3, 2, 3), (0, 2, 0, 0),
                  (1,) * 4)  # fmt: skip
    graph = net.graph(net.conv(part, 4, (2, 2)))
    after = lower_views(graph)
    assert kinds(after) == ["RANDOM", "Conv2D"]
    view = after.tensors[after.ops[1].input]
    assert (view.storage, view.at) == (x, 12)
    runs(graph, graph)


def test_transpositions_of_ones_are_views_and_others_copies() -> None:
    net = Net(1, 6, 1, 3)
    turned = net.op(Transpose, (net.input,), net.tensor(1, 1, 6, 3), (0, 2, 1, 3))
    swapped = net.op(Transpose, (turned,), net.tensor(1, 1, 3, 6), (0, 1, 3, 2))
    graph = net.graph(net.conv(swapped, 4))
    assert kinds(lower_copies(lower_views(graph))) == ["Copy", "Conv2D"]
    runs(graph, graph)


def test_rows_are_computed_where_the_concatenation_has_them() -> None:
    net = Net(1, 2, 2, 3)
    a, b = net.conv(net.input, 3), net.conv(net.input, 3)
    rows = net.op(Concat, (a, b), net.tensor(1, 4, 2, 3), 1)
    graph = net.graph(net.conv(rows, 4, (3, 1)))
    after = lower_views(graph)
    assert kinds(after) == ["Conv2D", "Conv2D", "Conv2D"]
    assert [(after.tensors[t].storage, after.tensors[t].at) for t in (a, b)] == [(rows, 0), (rows, 12)]
    runs(graph, graph)


@pytest.mark.parametrize("parts", ["input", "twice", "constant", "channels", "state"])
def test_other_concatenations_are_copies(parts: str) -> None:
    net = Net(1, 2, 2, 3)
    a, b = net.conv(net.input, 3), net.conv(net.input, 3)
    axis = 3 if parts == "channels" else 1
    if parts == "input":
        b = net.input
    elif parts == "twice":
        b = a
    elif parts == "constant":
        b = net.constant(1, 2, 2, 3)
    elif parts == "state":
        b = window(net, a, 2)  # [1, 4, 2, 3]
    shape = (1, 2, 2, 6) if axis == 3 else (1, 2 + net.tensors[b].shape[1], 2, 3)
    graph = net.graph(net.conv(net.op(Concat, (a, b), net.tensor(*shape), axis), 4, (2, 1)))
    assert "Copy" in kinds(lower(graph))
    runs(graph, graph)


def test_concatenations_of_concatenations_are_views() -> None:
    net = Net(1, 1, 1, 3)
    a, b, c = (net.conv(net.input, n) for n in (2, 3, 4))
    inner = net.op(Concat, (b, c), net.tensor(1, 1, 1, 7), 3)
    graph = net.graph(net.conv(net.op(Concat, (a, inner), net.tensor(1, 1, 1, 9), 3), 5))
    assert kinds(lower(graph)) == ["Conv2D"] * 4
    runs(graph, graph)


def test_a_slice_of_state_that_changes_afterwards_is_copied() -> None:
    net = Net(1, 1, 1, 4)
    state = net.tensor(1, 3, 1, 4, fill=2)
    old = net.op(ReadVariable, (state,), net.tensor(1, 3, 1, 4))
    last = net.op(Slice, (old,), net.tensor(1, 1, 1, 4), (0, 2, 0, 0), (1,) * 4)
    rest = net.op(Slice, (old,), net.tensor(1, 2, 1, 4), (0, 0, 0, 0), (1,) * 4)
    turned = net.op(Concat, (net.input, rest), net.tensor(1, 3, 1, 4), 1)
    net.op(AssignVariable, (turned,), state)
    graph = net.graph(net.add(last, net.input))
    runs(graph, graph)


@pytest.mark.parametrize("seed", range(40))
def test_random_slices_paddings_transpositions(seed: int) -> None:
    """Shape operators in a row, of any axes: as many values as the interpreter says."""
    rng = np.random.default_rng(seed)
    net = Net(1, *(int(n) for n in rng.integers(2, 6, 3)), seed=seed)
    x = net.table(net.input)
    for _ in range(4):
        shape = net.tensors[x].shape
        kind = rng.integers(5)
        if kind == 0:
            begin = [0, *(int(rng.integers(n)) for n in shape[1:])]
            step = [1, *(int(rng.integers(1, 3)) for _ in shape[1:])]
            sizes = [1, *(int(rng.integers(1, -(-(n - b) // s) + 1)) for n, b, s in
                          zip(shape[1:], begin[1:], step[1:], strict=True))]  # fmt: skip
            x = net.op(Slice, (x,), net.tensor(*sizes), tuple(begin), tuple(step))
        elif kind == 1:
            before, behind = rng.integers(0, 3, (2, 3))
            sizes = [1, *(int(n + a + b) for n, a, b in zip(shape[1:], before, behind, strict=True))]
            x = net.op(Pad, (x,), net.tensor(*sizes), (0, *(int(b) for b in before)), int(rng.integers(-128, 128)))
        elif kind == 2:
            axes = (0, *(int(a) + 1 for a in rng.permutation(3)))
            x = net.op(Transpose, (x,), net.tensor(*(shape[a] for a in axes)), axes)
        elif kind == 3:
            axis = int(rng.integers(1, 4))
            sizes = [n * (2 if a == axis else 1) for a, n in enumerate(shape)]
            x = net.op(Concat, (x, net.table(x)), net.tensor(*sizes), axis)
        else:
            sizes = [1, *(int(n) for n in rng.permutation(shape[1:]))]
            x = net.op(Reshape, (x,), net.tensor(*sizes))
    graph = net.graph(net.dense(x, 5))
    runs(graph, graph)


@pytest.mark.parametrize(
    "shapes",
    [((1, 3, 4, 5), (5,)), ((1, 3, 4, 5), (1, 1, 4, 1)), ((1, 3, 1, 5), (1, 1, 4, 1)), ((1, 3, 4, 5), ()),
     ((1, 2, 3, 4, 5), (3, 4, 5)), ((1, 3, 4, 5), (1, 3, 4, 5)), ((1, 1, 8, 4), (4,))],
)  # fmt: skip
@pytest.mark.parametrize("kind", [Add, Mul])
def test_operands_repeat_as_numpy_has_it(shapes: tuple[tuple[int, ...], tuple[int, ...]], kind: type) -> None:
    net = Net(*shapes[0])
    other = net.constant(*shapes[1])
    y = net.add(net.input, other) if kind is Add else net.mul(other, net.input)
    graph = net.graph(y)
    runs(graph, graph)


def test_operands_that_repeat_along_too_many_axes_are_refused() -> None:
    net = Net(1, 2, 3, 4, 5)
    graph = net.graph(net.add(net.input, net.constant(3, 1, 5)))
    with pytest.raises(CompileError, match=r"operator 0 Add: shapes .* repeat along too many axes"):
        lower(graph)


def test_a_state_window_lowers_to_a_push_in_the_file() -> None:
    net = Net(1, 1, 1, 8)
    x = window(net, net.conv(net.input, 8), 4)
    x = window(net, mixed(net, x, (3, 5)), 6)
    graph = net.graph(net.dense(x, 1))
    lowered = lower(graph)
    assert [type(op) for op in lowered.ops].count(StatePush) == 2
    assert not any(isinstance(op, Copy | Table) for op in lowered.ops)
    runs(graph, graph)


# ---- reads that other passes would postpone past an assignment


@pytest.mark.parametrize("kind", ["tables", "padding", "branches"])
def test_a_variable_is_read_before_it_is_assigned_again(kind: str) -> None:
    # Bug: the later operator of a folded pair read the variable itself, after the assignment.
    net = Net(1, 5, 1, 4)
    state = net.tensor(1, 5, 1, 4, fill=7)
    old = net.op(ReadVariable, (state,), net.tensor(1, 5, 1, 4))
    if kind == "tables":
        first = (net.table(old),)
    elif kind == "padding":
        first = (net.op(Pad, (old,), net.tensor(1, 7, 1, 4), (0, 1, 0, 0), 3),)
    else:
        halves = [net.op(Slice, (old,), net.tensor(1, 5, 1, 2), (0, 0, 0, c), (1,) * 4) for c in (0, 2)]
        first = tuple(net.depthwise(half, (3, 1)) for half in halves)
    net.op(AssignVariable, (net.input,), state)
    if kind == "tables":
        y = net.table(first[0])
    elif kind == "padding":
        y = net.conv(first[0], 2, (3, 1))
    else:
        y = net.op(Concat, first, net.tensor(1, 3, 1, 4), 3)
    graph = net.graph(y)
    runs(graph, graph)


# ---- streaming


def test_a_streamed_output_may_be_a_part_of_a_tensor() -> None:
    # Bug: the network delivered the beginning of the tensor instead.
    net = Net(1, 4, 1, 3)
    dense = net.dense(net.input, 4)
    graph = lower(net.graph(net.op(Slice, (dense,), net.tensor(1, 2), (0, 2), (1, 1))))
    streamed = stream(graph, 1)
    window, model = Model(pack(graph, plan(graph))), Model(pack(streamed, plan(streamed)))
    frames = np.random.default_rng(2).integers(-128, 128, (9, 3)).astype(np.int8)
    for end in range(1, 10):
        y = model.invoke(frames[end - 1])
        if end >= 4:
            np.testing.assert_array_equal(y, window.invoke(frames[end - 4 : end]))


# ---- slabs


def split(graph: Graph) -> Graph:
    lowered = lower(graph)
    after = slabs(lowered)
    assert plan(after).arena_bytes < plan(lowered).arena_bytes
    return after


@pytest.mark.parametrize("seed", range(12))
def test_a_large_input_of_a_dense_layer_is_computed_in_slabs(seed: int) -> None:
    """Any kernel, stride, padding and dilation in front; the same sums in shares."""
    rng = np.random.default_rng(seed)
    net = Net(1, int(rng.integers(14, 20)), 6, 4, seed=seed)
    kernel, stride = (int(rng.integers(1, 5)), 2), (int(rng.integers(1, 3)), 1)
    pad = (int(rng.integers(kernel[0])), 1, int(rng.integers(kernel[0])), 0)
    if seed % 3 == 0:
        x = net.conv(net.input, 24, kernel, stride, pad, dilation=(2 if kernel[0] < 3 else 1, 1))
    elif seed % 3 == 1:
        x = net.depthwise(net.conv(net.input, 24), kernel, stride, pad)
    else:
        x = net.conv(net.input, 24)
        _, h, w, c = net.tensors[x].shape
        size = (h + pad[0] - 4) // stride[0] + 1
        kind = AveragePool2D if seed % 2 else MaxPool2D
        x = net.op(kind, (x,), net.tensor(1, size, w, c), (4, 1), (stride[0], 1), (pad[0], 0), (-128, 127))
    graph = net.graph(net.dense(x, 5))
    after = slabs(lower(graph))
    if seed % 3 == 0:
        assert sum(isinstance(op, FullyConnectedPart) for op in after.ops) > 1
    model, whole = Model(pack(after, plan(after))), interpret(graph, inputs(graph))
    for given, y in zip(inputs(graph), whole, strict=True):
        np.testing.assert_array_equal(model.invoke(given), np.ravel(y).view(np.uint8))


def test_the_layer_that_needs_slabs_may_be_the_second() -> None:
    # Bug: the search ended at the first layer, which gained nothing.
    net = Net(1, 4, 4, 4)
    x = net.dense(net.conv(net.input, 4), 64)
    x = net.conv(net.op(Reshape, (x,), net.tensor(1, 8, 8, 1)), 32)
    after = split(net.graph(net.dense(x, 4)))
    assert any(isinstance(op, FullyConnectedPart) for op in after.ops)


@pytest.mark.parametrize("other", ["reader", "output", "rows"])
def test_what_others_need_whole_is_not_split(other: str) -> None:
    net = Net(1, 16, 8, 4)
    x = net.conv(net.input, 32)
    y = net.dense(x, 4)
    if other == "reader":
        y = net.add(y, net.dense(x, 4))
    elif other == "output":
        y = x
    else:
        net.ops.pop()
        net.tensors[y] = net.tensors[y].__class__("rows", (1, 16, 8, 4), "int8", 0.5, 3, y)
        weights = net.rng.integers(-127, 128, (4, 32)).astype(np.int8)
        net.op(FullyConnected, (x,), y, weights, np.zeros(4, np.int32), net.requant(4, 32), (-128, 127))
    lowered = lower(net.graph(y))
    assert slabs(lowered).ops == lowered.ops
