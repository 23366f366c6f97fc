# SPDX-License-Identifier: MIT
"""A network of the search: trained as the recipe says, converted, and measured as a stage of `tinywake compress` is."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinywake.config import Network, fingerprint
from tinywake.errors import ConfigError
from tinywake.files import cache_folder
from tinywake.pipeline.compression.measure import Prices, Scales
from tinywake.pipeline.compression.row import Row

__all__ = ["Tries", "counts"]

_COUNTED = ("cycles", "instructions")


def counts(row: Row) -> int:
    """What a step costs. Raises ConfigError where the target cannot count it."""
    if row.cycles is None or not row.unit.startswith(_COUNTED):
        raise ConfigError(
            f"--target counts {row.unit or 'nothing'}, which is not the same twice: name one that counts cycles or "
            "instructions, such as rp2040 or qemu-armv6m"
        )
    return row.cycles


@dataclass(frozen=True)
class Tries:
    """scales: the recipe and the streams made for its [network]. key: of all that decides a training but its shape."""

    scales: Scales
    prices: Prices
    key: str
    heads: NDArray[np.float16] | None = None  # what the recipe's teacher says of the streams, if there is one

    def row(self, net: Network) -> Row:
        """Train it and measure it. An interrupted training goes on where it stopped."""
        from tinywake.learn.compress.arrays import arrays_of, cropped
        from tinywake.learn.teacher.heads import lessons_of
        from tinywake.learn.train import fit

        recipe = self.scales.recipe
        steps = recipe.search.steps or recipe.train.steps
        wanted = replace(recipe, network=net, train=replace(recipe.train, steps=steps))
        kept = cache_folder() / "search" / fingerprint(self.key, net)[:40]
        lessons = None if self.heads is None else lessons_of(self.scales.data, wanted, self.heads)
        trained = fit(cropped(self.scales.data, net), wanted, kept=kept / "0.npz", lessons=lessons)
        with tempfile.TemporaryDirectory(prefix="tinywake-search-") as folder:
            row = self.scales.weigh("", arrays_of(trained.model), trained.judgement, Path(folder))
            row = self.prices.of(row, Path(folder) / "model.twm")
        shutil.rmtree(kept, ignore_errors=True)
        return row
