# SPDX-License-Identifier: MIT
"""The stages of a recipe's [compress], one after the other, each measured; the last good network is what is left."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinywake.audio import sources
from tinywake.compiler.coding.encode import coded
from tinywake.config import Recipe, fingerprint, load_recipe
from tinywake.device.boards import load_board
from tinywake.errors import ConfigError
from tinywake.evaluate.plots import plot_det
from tinywake.files import cache_folder, check_writable, forget_oldest, write_beside
from tinywake.learn.diary import diary_in
from tinywake.pipeline.card import card
from tinywake.pipeline.compression.measure import Prices, Scales, compiled_of
from tinywake.pipeline.compression.people import People
from tinywake.pipeline.compression.picture import plot_stages
from tinywake.pipeline.compression.result import CompressResult
from tinywake.pipeline.compression.row import Row
from tinywake.pipeline.training.run import train
from tinywake.pipeline.training.streams import Progress, streams_of
from tinywake.pipeline.training.teaching import digest_of, ear_of, heads_of

if TYPE_CHECKING:
    from tinywake.learn.compress.arrays import Arrays
    from tinywake.learn.compress.stages import Workshop

__all__ = ["Asked", "compress"]

_FORMAT = 4  # change it when the same inputs give other networks
_FILES = ("weights.npz", "model.tflite", "model.twm")
_STAGES = 8  # runs, under way or interrupted, whose states stay in the cache
# The keys of [compress] that a stage alone depends on; on the others but `stages` and `limit` all of them do.
_OWN = {
    "distil": ("first_filters", "filters", "hints"), "blocks": ("blocks",), "channels": ("channels", "rounds"),
    "weights": ("sparsity",), "quantise": (), "cluster": ("values",), "code": (),
}  # fmt: skip
_COMMON = ("soft", "temperature", "steps", "learning_rate", "seed")


@dataclass(frozen=True)
class Asked:
    """What is to be done besides the recipe. trained: where `tinywake train` has left the network, or is to."""

    data: tuple[Path, ...] = ()
    trained: Path | None = None  # None: beside the recipe
    board: str = "RPI_PICO"  # whose flash and RAM are meant
    target: str | None = None  # that counts cycles
    positives: tuple[Path, ...] = ()  # clips of people who train nothing: they judge the stages
    negatives: tuple[Path, ...] = ()


def compress(
    recipe_path: Path,
    out: Path,
    asked: Asked,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> CompressResult:
    """Train the recipe's network where that has not been done, make it smaller stage by stage, and write the last good
    one into `out`: model.*, weights.npz, CARD.md, compress.json, compress.png, det.png.

    What every stage left stays in `out`/stages and is used again while nothing that decides it has changed; a stage
    that was interrupted goes on. Raises ConfigError, AudioError, DeviceError, ToolError.
    """
    recipe = load_recipe(recipe_path)
    trained_in = asked.trained or recipe_path.parent
    load_board(asked.board)  # what is not known is told before the training, not after
    prices = Prices(asked.board, asked.target, People.of(asked.positives, asked.negatives, len(recipe.words)))
    check_writable(out / "model.twm", new_folder=True)
    if out.resolve() == trained_in.resolve():
        raise ConfigError(f"{out}: holds the trained network, which would be lost; write to another folder")
    base = train(recipe_path, trained_in, asked.data, progress, warn)
    beside = recipe_path.parent
    sound = sources.identity(recipe, asked.data, digest_of(recipe, beside))
    with diary_in(cache_folder() / "tensorflow.log"):
        data = streams_of(recipe, asked.data, sound, progress, warn, partial(ear_of, recipe, beside))
        provenance = {"recipe": recipe_path.name, "inputs": base.key}
        heads = heads_of(recipe, data, sound, progress)
        run = _Run(beside, out, Scales(recipe, data, provenance), prices, [] if heads is None else list(heads))
        rows, stopped = run.all(trained_in / "weights.npz", base.key, progress or (lambda stage, done: None))
    kept = len(rows) - (2 if stopped else 1)
    uncounted = "" if asked.target else "cycles: not counted; --target rp2040 counts them on an emulated Pico"
    result = CompressResult(
        out / "model.twm", base.label, tuple(rows), kept, recipe.detector.false_accepts_per_hour, asked.board,
        stopped, uncounted,
    )  # fmt: skip
    _write(result, recipe, asked.data, run.folder(kept), run.scales)
    return result


class _Run:
    """The stages of one recipe, and where each of them leaves its network."""

    def __init__(
        self, beside: Path, out: Path, scales: Scales, prices: Prices, heads: Sequence[NDArray[np.float16]]
    ) -> None:  # fmt: skip
        """beside: the recipe's folder. heads: what the recipe's teacher says of the streams, if there is one."""
        self.recipe, self.scales = scales.recipe, scales
        self._names = ("trained", *scales.recipe.compress.stages)
        self._beside, self._out, self._prices, self._heads = beside, out, prices, heads

    def folder(self, number: int) -> Path:
        """Of a row."""
        return self._out / "stages" / f"{number}-{self._names[number]}"

    def all(self, weights: Path, key: str, progress: Progress) -> tuple[list[Row], str]:
        """The rows, and why it stopped before the last stage; empty: it did not."""
        from tinywake.learn import train as training
        from tinywake.learn.compress.arrays import read_arrays

        training.set_threads()
        arrays = read_arrays(weights, "weights.npz")
        teachers = [read_arrays(self._beside / name, "compress.teachers") for name in self.recipe.compress.teachers]
        for name, teacher in zip(self.recipe.compress.teachers, teachers, strict=True):
            self._check_teacher(name, teacher, arrays)
        teachers = [arrays, *teachers]
        key = fingerprint(_FORMAT, key, [_digest(each) for each in teachers])
        rows = [self._first(arrays, key)]
        config, budget = self.recipe.compress, self.recipe.detector.false_accepts_per_hour
        shop: Workshop | None = None
        steps = {"distil": self.recipe.train.steps, "code": 0}
        shares = [steps.get(name, config.steps) for name in config.stages]
        whole = max(1, sum(shares))
        for number, name in enumerate(config.stages, 1):
            key = fingerprint(key, name, [getattr(config, field) for field in (*_COMMON, *_OWN[name])])
            before, mine = sum(shares[: number - 1]) / whole, shares[number - 1] / whole
            label = f"{name}, {number} of {len(config.stages)}"

            def advance(done: float, label: str = label, before: float = before, mine: float = mine) -> None:
                progress(label, before + done * mine)

            row = self._finished(number, key)
            if row is None and name == "code":
                row = self._coded(number, key, rows[-1])
            elif row is None:
                kept = cache_folder() / "compress" / key[:40]
                shop = replace(shop, kept=kept) if shop else self._workshop(teachers, kept, advance)
                tuned = shop.run(name, arrays, advance)
                arrays = tuned.arrays
                row = self._leave(number, key, arrays, tuned.judgement)
                shutil.rmtree(kept, ignore_errors=True)  # not before: what fails after the training must not cost it
            else:
                arrays = read_arrays(self.folder(number) / "weights.npz", name)
            rows.append(row)
            lost = 100 * (row.judged(budget)[0] - rows[0].judged(budget)[0])
            if lost > config.limit + 1e-9:
                return rows, (
                    f"{name} was the last stage: {lost:.1f} points more are missed than by the trained network, the "
                    f"recipe allows {config.limit:g} (compress.limit); the network before it is kept"
                )
        return rows, ""

    def _workshop(self, teachers: list[Arrays], kept: Path, advance: Callable[[float], None]) -> Workshop:
        from tinywake.learn.compress.stages import Workshop

        advance(0.0)
        forget_oldest(kept.parent, _STAGES)
        return Workshop.of(self.scales.data, self.recipe, teachers, self._heads, kept)

    def _check_teacher(self, name: str, teacher: Arrays, own: Arrays) -> None:
        from tinywake.learn.compress.arrays import network_of

        window = network_of(teacher, self.recipe.network.stride).window
        if window > self.recipe.network.window:
            raise ConfigError(
                f"compress.teachers: {name} sees {window} frames, [network] {self.recipe.network.window}: "
                "a teacher must not see more"
            )
        if teacher["head.1"].shape != own["head.1"].shape:
            raise ConfigError(
                f"compress.teachers: {name} has {len(teacher['head.1'])} outputs, the recipe {len(own['head.1'])}"
            )

    def _first(self, arrays: Arrays, key: str) -> Row:
        """The trained network's row."""
        from tinywake.learn.compress.arrays import model_of
        from tinywake.learn.judge import judge

        row = self._finished(0, key)
        if row is not None:
            return row
        model = model_of(arrays, self.recipe.network.stride, self.recipe.train.seed)
        return self._leave(0, key, arrays, judge(model, model.get_weights(), self.scales.data, self.recipe))

    def _leave(self, number: int, key: str, arrays: Arrays, judged: Any) -> Row:
        """Write down a network and measure it; row.json comes last."""
        from tinywake.learn.compress.arrays import model_of
        from tinywake.learn.saved import save_weights

        folder = self.folder(number)
        (folder / "row.json").unlink(missing_ok=True)
        save_weights(folder / "weights.npz", model_of(arrays, self.recipe.network.stride, self.recipe.train.seed))
        row = self.scales.weigh(self._names[number], arrays, judged, folder)
        return self._noted(row, folder, key)

    def _coded(self, number: int, key: str, before: Row) -> Row:
        """The network of the stage before, its file in the smallest form."""
        folder, source = self.folder(number), self.folder(number - 1)
        (folder / "row.json").unlink(missing_ok=True)
        for name in _FILES:
            write_beside(folder / name, partial(shutil.copyfile, source / name))
        blob = coded((source / "model.twm").read_bytes())
        write_beside(folder / "model.twm", lambda part: part.write_bytes(blob))
        return self._noted(replace(before, stage="code", file_bytes=len(blob)), folder, key)

    def _noted(self, row: Row, folder: Path, key: str) -> Row:
        row = self._prices.of(row, folder / "model.twm")
        record = {"key": key, "sha256": _content(folder), "prices": self._prices.known, "row": row.record()}
        text = json.dumps(record, indent=1) + "\n"
        write_beside(folder / "row.json", lambda part: part.write_text(text, encoding="utf-8"))
        return row

    def _finished(self, number: int, key: str) -> Row | None:
        """What an earlier run left of a stage, if it is whole and of the same inputs."""
        folder = self.folder(number)
        try:
            record = json.loads((folder / "row.json").read_text(encoding="utf-8"))
            if record["key"] != key or record["sha256"] != _content(folder):
                return None
            row = Row.of(record["row"])
            if record["prices"] == self._prices.known:
                return row
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return self._noted(row, folder, key)


def _content(folder: Path) -> str:
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in _FILES)).hexdigest()


def _digest(arrays: Arrays) -> str:
    return hashlib.sha256(
        b"".join(name.encode() + value.tobytes() for name, value in sorted(arrays.items()))
    ).hexdigest()


def _write(result: CompressResult, recipe: Recipe, data_dirs: Sequence[Path], folder: Path, scales: Scales) -> None:
    """The kept network and all that is said of it; compress.json comes last."""
    out, row = result.model.parent, result.rows[result.kept]
    for name in _FILES:
        write_beside(out / name, partial(shutil.copyfile, folder / name))
    compiled = compiled_of(folder / "model.tflite", recipe, row.threshold, scales.provenance)
    compiled = replace(compiled, blob=(out / "model.twm").read_bytes())
    described = card(
        replace(recipe, network=row.network), data_dirs, compiled, row.curve, row.threshold, scales.data.voices
    )
    text = described.rstrip("\n") + "\n\n" + result.section()
    write_beside(out / "CARD.md", lambda part: part.write_text(text, encoding="utf-8"))
    curves = {each.stage: each.curve for each in (result.rows[0], row)}
    plot_det(curves, out / "det.png", result.label)
    plot_stages(result.rows, result.per_hour, out / "compress.png", result.label)
    facts = {name: value for name, value in result.facts().items() if name != "model"}
    write_beside(out / "compress.json", lambda part: part.write_text(json.dumps(facts, indent=1) + "\n"))
