# SPDX-License-Identifier: MIT
"""The compiler's one entry: .tflite in, .twm and what was decided out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tinywake import __version__
from tinywake.compiler.channels import widenings
from tinywake.compiler.graph import Graph
from tinywake.compiler.memory.moves import insert_moves
from tinywake.compiler.memory.order import order
from tinywake.compiler.memory.plan import Plan, plan
from tinywake.compiler.memory.slabs import slabs
from tinywake.compiler.passes.branches import merge_branches
from tinywake.compiler.passes.copies import lower_copies
from tinywake.compiler.passes.groups import split_groups
from tinywake.compiler.passes.padding import fold_padding
from tinywake.compiler.passes.stream import stream
from tinywake.compiler.passes.tables import fold_tables
from tinywake.compiler.passes.variables import lower_variables
from tinywake.compiler.passes.views import lower_views
from tinywake.compiler.scratch import with_scratch
from tinywake.compiler.tflite.read import read_tflite
from tinywake.compiler.twm.filters import widened
from tinywake.compiler.twm.listening import Listening
from tinywake.compiler.twm.pack import pack
from tinywake.compiler.unused import remove_dead, remove_unused
from tinywake.core import Model
from tinywake.errors import CompileError, FormatError

__all__ = ["Compiled", "compile_tflite", "lower"]

_MOST_GROWTH = 1 / 16  # of file and of working memory, for speed


@dataclass(frozen=True)
class Compiled:
    """The file's bytes, the graph they hold, its memory plan, and what was chosen for speed."""

    blob: bytes
    graph: Graph
    plan: Plan
    choices: tuple[str, ...] = ()  # a line each

    @property
    def ram(self) -> int:
        """Bytes of arena and state."""
        return self.plan.arena_bytes + self.plan.state_bytes


def compile_tflite(
    path: Path,
    *,
    frames: int | None = None,
    listening: Listening | None = None,
    provenance: Mapping[str, str] | None = None,
) -> Compiled:
    """Compile an int8 .tflite.

    frames: rewrite it to take this many new frames an invoke (the streaming pass); None: as it is.
    listening: front end, input map and detector, for a network whose input is features.
    Raises ModelError or CompileError with one line.
    """
    graph = read_tflite(path)
    try:
        graph = lower(graph, frames)
        if listening is not None:
            _check_listening(graph, listening)
        origin = {"tinywake": __version__, "source": path.name, **(provenance or {})}
        finish = partial(_finished, listening=listening, origin=origin)
        compiled = _quickest(graph, finish, finish(graph))
        Model(compiled.blob, "the compiled file")  # a file that no board would open is never written
    except (CompileError, FormatError) as e:
        raise CompileError(f"{path}: {e}") from e
    return compiled


def lower(graph: Graph, frames: int | None = None) -> Graph:
    """From the .tflite's operators to the format's: every pass keeps what the network computes, bit for bit.

    frames: of `compile_tflite`. A streaming network's groups of channels are split when it streams: there they are
    views. Raises CompileError.
    """
    if frames is None:
        return _plain(split_groups(graph))
    return _views(split_groups(stream(_plain(graph), frames)))


def _plain(graph: Graph) -> Graph:
    """Passes that let a later operator read what an earlier one read come before variables become state: until then
    a variable's value is a tensor of its own, and only then is it known who reads it last."""
    for run in (fold_padding, merge_branches, fold_tables, lower_variables, remove_dead):
        graph = run(graph)
    return remove_unused(_views(graph))


def _views(graph: Graph) -> Graph:
    return lower_copies(lower_views(graph))


def _finished(graph: Graph, listening: Listening | None, origin: Mapping[str, str]) -> Compiled:
    """The file of a lowered network: its order, its memory, its bytes."""
    graph = widened(insert_moves(slabs(order(graph))))
    memory = with_scratch(graph, plan(graph))
    return Compiled(pack(graph, memory, listening, origin), graph, memory)


def _quickest(graph: Graph, finish: Callable[[Graph], Compiled], best: Compiled) -> Compiled:
    """The network, of which `best` was made, with more channels where that is quicker and costs little."""
    for wider in widenings(graph):
        made = finish(wider.graph)
        more_file, more_ram = len(made.blob) - len(best.blob), made.ram - best.ram
        if more_file <= len(best.blob) * _MOST_GROWTH and more_ram <= best.ram * _MOST_GROWTH:
            line = f"{wider.why}; file {more_file:+,} bytes, arena and state {more_ram:+,}"
            return _quickest(wider.graph, finish, replace(made, choices=(*best.choices, line)))
    return best


def _check_listening(graph: Graph, listening: Listening) -> None:
    x, y = graph.tensors[graph.input], graph.tensors[graph.output]
    listening.input_map.check(x.scale, x.zero_point)
    labels = len(listening.detector.labels)
    if y.count != labels:
        raise CompileError(f"the output {y.name!r} has {y.count} values but the detector has {labels} labels")
    lowest = {"int8": -128, "uint8": 0}[y.dtype]
    if (y.scale, y.zero_point) != (1 / 256, lowest):
        raise CompileError(
            f"the output {y.name!r} must be probabilities (scale 1/256, lowest value 0); end the network with "
            "a sigmoid or a softmax"
        )
