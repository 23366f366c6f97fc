# SPDX-License-Identifier: MIT
"""What a trial of [search] proposes, as a network that the recipe's streams can train."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tinywake.config import Network, Search

__all__ = ["parameters_of", "proposed"]

_WORD = 4  # channels: a Pico's kernels take so many at a time
_LEAST_WINDOW = 40  # frames, as in a recipe


def proposed(trial: Any, search: Search, net: Network) -> Network:
    """The network of an Optuna trial. net: the recipe's, whose stride it has.

    It sees at most as many frames as the recipe's, for which the streams were made, and no fewer than a recipe may:
    the longest part over time gives way, the head makes up.
    """
    blocks = range(trial.suggest_int("blocks", *search.blocks))
    made = replace(
        net,
        first_kernel=trial.suggest_int("first_kernel", *search.first_kernel),
        first_filters=_WORD * trial.suggest_int("first_filters / 4", *_words(search.first_filters)),
        filters=tuple(_WORD * trial.suggest_int(f"filters {n} / 4", *_words(search.filters)) for n in blocks),
        kernels=tuple(trial.suggest_int(f"kernel {n}", *search.kernels) for n in blocks),
        head=trial.suggest_int("head", *search.head),
    )
    while made.window > net.window:
        made = _shorter(made)
    while made.window < _LEAST_WINDOW:
        made = replace(made, head=made.head + 1)
    return made


def parameters_of(net: Network, search: Search) -> dict[str, int] | None:
    """What a trial must propose for a network; None where it is not in the space."""
    parts = [
        ("blocks", len(net.filters), search.blocks),
        ("first_kernel", net.first_kernel, search.first_kernel),
        ("head", net.head, search.head),
        *((f"kernel {n}", kernel, search.kernels) for n, kernel in enumerate(net.kernels)),
    ]
    widths = [("first_filters / 4", net.first_filters, search.first_filters)]
    widths += [(f"filters {n} / 4", width, search.filters) for n, width in enumerate(net.filters)]
    parts += [(name, width // _WORD, _words(ends)) for name, width, ends in widths]
    inside = all(low <= value <= high for _, value, (low, high) in parts)
    return {name: value for name, value, _ in parts} if inside and not any(w % _WORD for _, w, _ in widths) else None


def _words(ends: tuple[int, int]) -> tuple[int, int]:
    """Channels, lowest and highest, in words: at least one number."""
    low = -(-ends[0] // _WORD)
    return low, max(low, ends[1] // _WORD)


def _shorter(net: Network) -> Network:
    """With one step less of its longest kernel, or of the head where that is longer."""
    longest = max(net.kernels)
    if net.head >= longest:
        return replace(net, head=net.head - 1) if net.head > 1 else replace(net, first_kernel=net.first_kernel - 1)
    at = net.kernels.index(longest)
    return replace(net, kernels=(*net.kernels[:at], longest - 1, *net.kernels[at + 1 :]))
