# SPDX-License-Identifier: MIT
"""What int8 on the device's path costs people: the float network and its file in the C core, on the same clips.

    python tests/bench/float_path.py models/computer build/ship/computer [--stage 1-cluster] [--fold 0 --fold 1]

build/ship/NAME is what ship.py left: folds of people, and what a training without them made of each stage of
`tinywake compress`. Both hear every clip behind the same quiet, by the same front end; only the network differs: Keras
in float32 with the weights of the stage, or model.twm. The table has misses of all folds together.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from crossfit import BUDGETS, summed
from numpy.typing import NDArray

from tinywake.audio.clips import RATE, read_clip
from tinywake.audio.features import to_int8
from tinywake.compiler.graph import Conv2D
from tinywake.compiler.tflite.read import read_tflite
from tinywake.config import load_recipe
from tinywake.core import Frontend
from tinywake.evaluate.metrics import DetCurve, det
from tinywake.evaluate.sounds.clipset import rows_of
from tinywake.evaluate.sounds.quiet import framed
from tinywake.learn.compress.arrays import model_of, network_of, read_arrays
from tinywake.learn.judge import GAIN, score_bytes
from tinywake.pipeline.evaluation.contenders import contenders_of

Scores = NDArray[np.uint8]


def head_bias(tflite: Path) -> float:
    """The bias of the only output, as the converter has it."""
    graph = read_tflite(tflite)
    (head,) = (op for op in graph.ops if isinstance(op, Conv2D) and graph.tensors[op.output].shape[-1] == 1)
    step = float(head.requant.multiplier[0]) * 2.0 ** (int(head.requant.shift[0]) - 31)  # of the output's scale
    return float(head.bias[0]) * step * graph.tensors[head.output].scale


class Pair:
    """A stage's network in float and in the core, and what both make of a clip."""

    def __init__(self, folder: Path, stride: int) -> None:
        """folder: of the stage."""
        arrays = read_arrays(folder / "weights.npz", "weights.npz")
        self.ear = contenders_of([folder / "model.twm"])[0]
        self._model, self._stride = model_of(arrays, stride, 0), stride
        self._window = network_of(arrays, stride).window
        # The converter has the calibration, which is not kept elsewhere: gain * bias + shift.
        self._calibration = GAIN, head_bias(folder / "model.tflite") - GAIN * float(arrays["head.1"][0])
        self._frontend, self._listener = Frontend(), self.ear.listener()

    def hear(self, path: Path) -> tuple[Scores, Scores, float]:
        """Scores of every step that is ready, in float and in the core, and the seconds of the clip."""
        pcm = read_clip(path, silent_ok=True)
        sound = framed(pcm, self.ear.lead_ms).sound
        self._listener.reset()
        heard = self._listener.listen(sound)
        core = heard.scores[heard.ready][:, 0]
        features = to_int8(self._frontend.features(sound))[-self._window % self._stride :]  # as the core's steps end
        logits = self._model(features[None].astype(np.float32) + 128.0, training=False).numpy()[0, :, 0]
        return score_bytes(logits, self._calibration)[: len(core)], core, len(pcm) / RATE


def heard(folder: Path, fold: Path, stride: int) -> tuple[list[DetCurve], list[float]]:
    """Curves of the float network and of the core, and by how much the scores of each clip differ."""
    pair, apart, seconds = Pair(folder, stride), [], 0.0
    sides: list[list[list[Scores]]] = [[[], []], [[], []]]
    for kind, name in enumerate(("positives.csv", "negatives.csv")):
        for path in sorted(rows_of(fold / name)):
            exact, core, lasts = pair.hear(path)
            seconds += lasts if kind else 0.0
            apart.append(float(np.abs(exact.astype(int) - core.astype(int)).mean()))
            for side, scores in zip(sides, (exact, core), strict=True):
                side[kind].append(scores)
    return [det(side[0], side[1], seconds / 3600, pair.ear.rule) for side in sides], apart


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="models/NAME, with recipe.toml")
    parser.add_argument("shipped", type=Path)
    parser.add_argument("--stage", default="0-trained")
    parser.add_argument("--fold", action="append", help="default: 0 and 1")
    asked = parser.parse_args()
    stride, parts, apart = load_recipe(asked.model / "recipe.toml").network.stride, [], []
    for fold in asked.fold or ["0", "1"]:
        folder = asked.shipped / f"fold{fold}" / "small/stages" / asked.stage
        curves, each = heard(folder, asked.shipped / fold, stride)
        parts.append(curves)
        apart += each
    print(f"scores differ by {np.mean(apart):.2f} of 256 in the mean over {len(apart)} clips")
    print("| | " + " | ".join(f"{budget:g}/h" for budget in BUDGETS) + " |")
    for name, side in zip(("float", "int8, C core"), zip(*parts, strict=True), strict=True):
        whole = summed(side)
        print(f"| {name} | " + " | ".join(f"{100 * whole.misses_at(budget):.1f}" for budget in BUDGETS) + " |")


if __name__ == "__main__":
    main()
