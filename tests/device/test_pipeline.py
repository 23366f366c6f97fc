"""The whole path in one test: a recipe becomes a model, and the unix board hears the word."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tinywake.device.targets.registry import TARGETS

RECIPE = """
[word]
label = "computer"
near = ["commuter", "compute", "come here", "jupiter"]

[voices]
engines = ["espeak-ng", "flite"]
validation = ["espeak-ng/*+f3", "espeak-ng/*+m3"]
held_out = ["espeak-ng/*+f5", "espeak-ng/*+m5"]
accents = ["en-us", "en-gb"]

[counts]
positives = 150
near = 60
words = 60
sentences = 60
positive_streams = 400
negative_streams = 600
validation_positives = 40
validation_minutes = 2.0

[network]
first_filters = 16
filters = [16, 16, 16, 16]

[train]
steps = 250
batch = 64
"""


@pytest.mark.timeout(900)
def test_from_recipe_to_a_hit_on_micropython(tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("tensorflow is not installed (extra: train)")
    lacking = TARGETS["unix"].available()
    if lacking:
        pytest.skip(lacking)
    recipe, out = tmp_path / "recipe.toml", tmp_path / "out"
    recipe.write_text(RECIPE)

    def demo() -> dict[str, object]:
        command = [sys.executable, "-m", "tinywake", "demo", str(recipe), "-o", str(out), "--json"]
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        facts: dict[str, object] = json.loads(run.stdout)
        return facts

    facts = demo()
    assert facts["of"] == 10
    assert isinstance(facts["heard"], int)
    assert facts["heard"] >= 5, facts  # a tiny network after a minute of training: the path is tested, not the model
    assert isinstance(facts["model_bytes"], int)
    assert facts["model_bytes"] == (out / "model.twm").stat().st_size < 14_000
    before = (out / "model.twm").read_bytes()
    again = demo()
    assert {**again, "ms_a_step": 0} == {**facts, "ms_a_step": 0}
    assert (out / "model.twm").read_bytes() == before
    text = (out / "CARD.md").read_text()
    assert f"{len(before):,} bytes" in text
    assert str(tmp_path) not in text
    assert (out / "det.png").read_bytes().startswith(b"\x89PNG")
