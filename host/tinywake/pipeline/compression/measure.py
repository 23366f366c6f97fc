# SPDX-License-Identifier: MIT
"""The arrays of a network after a stage -> its int8 files, and its row of the report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.dataset import Dataset
from tinywake.compiler.build import Compiled, compile_tflite
from tinywake.compiler.coding.encode import coded
from tinywake.compiler.graph import Conv2D, FullyConnected
from tinywake.compiler.report import file_report
from tinywake.compiler.twm.unpack import unpack
from tinywake.config import Recipe
from tinywake.device.bill import make_bill
from tinywake.device.boards import load_board
from tinywake.files import write_beside
from tinywake.pipeline.benching import bench
from tinywake.pipeline.compression.people import People
from tinywake.pipeline.compression.row import Row, figures, weights_of
from tinywake.pipeline.listening import listening_of
from tinywake.pipeline.training.run import threshold_of

if TYPE_CHECKING:
    from tinywake.learn.compress.arrays import Arrays
    from tinywake.learn.judge import Judgement

__all__ = ["Prices", "Scales", "compiled_of"]


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
            coded_bytes=len(coded(compiled.blob)),
            macs=compiled.graph.macs(),
            missed=missed,
            missed_in_training=judged.curve.misses_at(budget),
            false_accepts_per_hour=counted,
            threshold=threshold,
            curve=curve,
        )


@dataclass(frozen=True)
class Prices:
    """What a row's file costs on a board, on a target that counts, and in misses of people; each but the first may be
    left out."""

    board: str
    target: str | None = None
    people: People | None = None

    @cached_property
    def known(self) -> list[str | None]:
        """What the figures depend on besides the file."""
        return [self.board, self.target, None if self.people is None else self.people.identity()]

    def of(self, row: Row, model: Path) -> Row:
        """The row with all that it costs."""
        bill = make_bill(file_report(unpack(model)), model.read_bytes(), load_board(self.board))
        ram, flash = bill.network
        heard = None if self.people is None else self.people.curve(model)
        row = replace(row, flash_bytes=flash, ram_bytes=ram, people=heard, cycles=None, unit="")
        if self.target is None:
            return row
        counts = bench(model, self.target).counts
        return replace(row, cycles=counts.network, unit=f"{counts.unit} on {self.target}")


def compiled_of(tflite: Path, recipe: Recipe, threshold: int, provenance: dict[str, str]) -> Compiled:
    """A stage's .tflite as a listener."""
    listening = listening_of(recipe, threshold)
    return compile_tflite(tflite, frames=recipe.network.stride, listening=listening, provenance=provenance)
