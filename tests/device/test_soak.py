# SPDX-License-Identifier: MIT
"""A short soak: tests/bench/soak.py for some minutes of audio, with noise on the line, swaps and a reset."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinywake.device.deploy import deploy
from tinywake.device.targets.registry import TARGETS, open_target

SOAK: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "bench/soak.py"))


@pytest.fixture(params=[*TARGETS])
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("drop", [False, True])
def test_a_board_hears_what_it_should_for_long(target: str, drop: bool, tmp_path: Path) -> None:
    if lacking := TARGETS[target].available():
        pytest.skip(lacking)
    models = SOAK["small_models"]()
    path = tmp_path / "one.twm"
    path.write_bytes(models["one"])
    with open_target(target) as board:
        deploy(board.port, path, board=board.board, start=False)
        clip = SOAK["bursts"](6, 480)
        result = SOAK["soak"](board, models, clip, 0.1, swap_h=0.02, reset_h=0.07, look_s=0.05, drop=drop)
    assert result.faults == []
    assert (result.swaps >= 2, result.resets >= 1) == (True, True)
    assert result.hits > 100 * (1 - drop)
    assert drop or result.hits_dropped == result.lines_dropped == 0
    assert result.noise_bytes > 1000
    assert SOAK["grown"](result.heap) < 2000


def test_a_soak_finds_where_a_stretch_began_whose_first_line_was_dropped() -> None:
    # Bug: on a busy computer a board whose output was full could not say that another model had taken over.
    models = SOAK["small_models"]()
    clip = SOAK["bursts"](6, 480)
    taken = 480 * 77  # samples that the one before has had
    heard = SOAK["Listener"](SOAK["Model"](models["two"], "two")).push(np.concatenate([clip[taken:], clip]))
    at = np.flatnonzero(heard.events >= 0)
    hits = [SOAK["Hit"]("loud", int(heard.t_ms[i]), int(heard.scores[i, 0]), int(heard.means[i, 0])) for i in at]
    steps = len(heard.t_ms)
    end = SOAK["State"](1, "listening", "two", int(heard.t_ms[-1]), steps, len(hits), 2, 0)

    def checked(hits: list[Any], drop: bool = True) -> tuple[list[str], int, int]:
        it = object.__new__(SOAK["Soak"])
        it.models, it.clip, it.result, it.stretches = models, clip, SOAK["Result"]("none"), []
        it.drop, it._fresh = drop, True
        first = [SOAK["State"](1, "listening", "one", t, t // 30, 0, 0, 0) for t in (0, end.t + 30)]
        for event in (*first, *hits, end):
            it._one(event)
        for stretch in it.stretches[1:]:
            it.check(stretch)
        return it.result.faults, len(it.stretches), it.result.hits

    assert checked(hits) == ([], 2, len(hits))
    assert checked(hits[2:]) == ([], 2, len(hits) - 2)
    assert checked([hits[0], SOAK["Hit"]("loud", hits[0].t + 30, 9, 9), *hits[1:]])[0] == ["two at None: fits nowhere"]
    assert checked(hits[3:])[0] == ["two at None: 3 hits are missing, 2 lines dropped"]
    assert checked(hits, drop=False)[1] == 1  # there no line is dropped


def test_a_soak_sees_what_is_wrong() -> None:
    """Hits that are missing, or are not there, or late; heap that grows less within each boot."""
    models = SOAK["small_models"]()
    clip = SOAK["bursts"](6, 480)
    listener = SOAK["Listener"](SOAK["Model"](models["one"], "one"))
    heard = listener.push(clip)
    at = np.flatnonzero(heard.events >= 0)
    hits = [(int(heard.t_ms[i]), int(heard.scores[i, 0]), int(heard.means[i, 0])) for i in at]
    assert len(hits) > 3

    def faults(hits: list[tuple[int, int, int]], count: int, dropped: int = 0) -> list[str]:
        it = object.__new__(SOAK["Soak"])
        it.models, it.clip, it.result = models, clip, SOAK["Result"]("none")
        steps = len(heard.t_ms)
        state = SOAK["State"](1, "stopped", "one", int(heard.t_ms[-1]), steps, count, dropped, 0)
        it.check(SOAK["Stretch"]("one", 0, list(hits), state))
        found: list[str] = it.result.faults
        return found

    n = len(hits)
    assert faults(hits, n) == []
    assert faults(hits[1:], n, dropped=1) == []
    assert "1 hits are missing, 0 lines dropped" in faults(hits[1:], n)[0]
    assert "heard what is not there" in faults([*hits, (7, 1, 1)], n)[0]
    assert "heard what is not there" in faults([(hits[0][0] + 30, *hits[0][1:]), *hits[1:]], n)[0]
    assert f"counts {n - 1} hits of {n}" in faults(hits, n - 1)[0]
    assert SOAK["grown"]([100, 90, 80, 79, 0, 100, 50, 49, 48, 47]) == 2
