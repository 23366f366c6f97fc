"""docs/BENCHMARKS.md: that it is what its figures say, and that a goal is called reached only where it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from goals import goals
from page import page

REPO = Path(__file__).resolve().parents[2]


def test_the_page_is_that_of_the_figures() -> None:
    figures = json.loads((REPO / "docs" / "benchmarks.json").read_text())
    assert (REPO / "docs" / "BENCHMARKS.md").read_text() == page(figures)


def test_goals_beside_what_is_reached() -> None:
    figures = {
        "targets": {"rp2040": {
            "okay_nabu": {"cycles": 143_000, "frontend_cycles": 120_000, "layers": [
                {"kind": "TABLE", "cycles": 250, "macs": 0}, {"kind": "CONV_2D", "cycles": 500, "macs": 100},
                {"kind": "CONV_2D", "cycles": 250, "macs": 50}]},
            "computer (demo)": {"cycles": 10}, "computer, whole window": {"cycles": 95},
        }},
        "modules": {"armv6m": {"file": 20_001}},
    }  # fmt: skip
    said = goals(figures)
    assert "a step, cycles | 130,000 | 143,000 | missed by 10% |" in said
    assert "10 ms, cycles | 120,000 | 120,000 | reached |" in said
    assert "at least | 10 | 9.5 | missed by 5% |" in said
    assert "bytes | 20,000 | 20,001 | missed by 0% |" in said
    assert "keyword spotting" not in said.split("\n\n", 2)[2]  # not measured
    assert "CONV_2D 750 (75%, 5.00 a MAC), TABLE 250 (25%)" in said
    assert goals({"targets": {}, "modules": {}}) == ""
