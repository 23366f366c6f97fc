# SPDX-License-Identifier: MIT
"""The arrays of a network after a stage -> its int8 files, and its row of the report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.dataset import Dataset
from tinywake.compiler.build import Compiled, compile_tflite
from tinywake.compiler.graph import Conv2D, FullyConnected
from tinywake.compiler.report import file_report
from tinywake.compiler.twm.unpack import unpack
from tinywake.config import Recipe
from tinywake.device.bill import make_bill
from tinywake.device.boards import load_board
from tinywake.files import write_beside
from tinywake.pipeline.benching import bench
from tinywake.pipeline.compression.row import Row, entropy_bytes, figures, weights_of
from tinywake.pipeline.listening import listening_of
from tinywake.pipeline.train import threshold_of

if TYPE_CHECKING:
    from tinywake.learn.compress.arrays import Arrays
    from tinywake.learn.judge import Judgement

__all__ = ["Scales", "compiled_of", "priced"]


@dataclass(frozen=True)
class Scales:
    """What all rows are measured by. provenance: for the .twm."""

    recipe: Recipe
    data: Dataset
    provenance: dict[str, str]

    def weigh(self, stage: str, arrays: Arrays, judged: Judgement, folder: Path) -> Row:
        """Write model.tflite and model.twm into `folder` and measure them; ``priced`` says the rest."""
        from tinywake.learn import convert, judge, networks
        from tinywake.learn.compress.arrays import cropped, model_of, network_of

        recipe, stride = self.recipe, self.recipe.network.stride
        net = network_of(arrays, stride)
        data = cropped(self.data, net)
        deployed = networks.deployed_network(
            net, data.outputs, model_of(arrays, stride, recipe.train.seed), judged.calibration
        )
        content = convert.convert(deployed, convert.windows_of(data, net.window, stride))
        scores = [convert.score_streams(content, part, stride) for part in (data.positives, data.negatives)]
        curve = judge.curve_of(scores[0], scores[1], data, judge.rule_of(recipe))
        threshold, budget = threshold_of(recipe, curve), recipe.detector.false_accepts_per_hour
        tflite = folder / "model.tflite"
        write_beside(tflite, lambda part: part.write_bytes(content))
        compiled = compiled_of(tflite, recipe, threshold, self.provenance)
        write_beside(folder / "model.twm", lambda part: part.write_bytes(compiled.blob))
        missed, counted = figures(curve, budget)
        weights = weights_of(compiled.graph)
        biases = [op.bias for op in compiled.graph.ops if isinstance(op, Conv2D | FullyConnected)]
        numbers: list[NDArray[Any]] = [*weights, *biases]
        return Row(
            stage=stage,
            network=net,
            parameters=sum(each.size for each in numbers),
            nonzero=sum(int(np.count_nonzero(each)) for each in numbers),
            file_bytes=len(compiled.blob),
            coded_bytes=len(compiled.blob) - sum(each.size for each in weights) + entropy_bytes(weights),
            macs=compiled.graph.macs(),
            missed=missed,
            missed_in_training=judged.curve.misses_at(budget),
            false_accepts_per_hour=counted,
            threshold=threshold,
            curve=curve,
        )


def priced(row: Row, model: Path, board: str, target: str | None) -> Row:
    """The row with a board's flash and RAM, and with the cycles, or what the target counts, of one step."""
    bill = make_bill(file_report(unpack(model)), model.read_bytes(), load_board(board))
    taken = bill.entries[2:4]  # the file, and what it computes
    flash, ram = sum(entry.flash for entry in taken), sum(entry.ram for entry in taken)
    if target is None:
        return replace(row, flash_bytes=flash, ram_bytes=ram, cycles=None, unit="")
    counts = bench(model, target).counts
    return replace(row, flash_bytes=flash, ram_bytes=ram, cycles=counts.network, unit=f"{counts.unit} on {target}")


def compiled_of(tflite: Path, recipe: Recipe, threshold: int, provenance: dict[str, str]) -> Compiled:
    """A stage's .tflite as a listener."""
    listening = listening_of(recipe, threshold)
    return compile_tflite(tflite, frames=recipe.network.stride, listening=listening, provenance=provenance)
