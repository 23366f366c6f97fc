"""tinywake energy: its arithmetic against a calculation by hand, what it assumes, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tinywake.cli import app
from tinywake.device.boards import Board, Current, load_board
from tinywake.errors import ConfigError
from tinywake.pipeline.energy import BATTERIES, Battery, Supply, battery_named, estimate

CELL = Battery("cell", "a cell", 3.0, 1000, 100)


def board(*rows: tuple[str, float, float | None]) -> Board:
    power = tuple(Current(state, ma, 3.0, "as made up", "here", mhz) for state, ma, mhz in rows)
    return replace(load_board("RPI_PICO"), name="MADE_UP", power=power)


def test_by_hand() -> None:
    made = board(("busy", 21.0, 100.0), ("idle", 11.0, 100.0), ("deep sleep", 1.0, None))
    result = estimate("it", made, 25_000_000, 50.0, [CELL], Supply(2.0, 0.5))
    runs, lowest = result.points
    # At half the clock: busy 1 + 20 / 2 = 11 mA, idle 1 + 10 / 2 = 6; half of the time each, and 2 mA more.
    assert (runs.mhz, runs.share) == (50.0, 0.5)
    assert runs.ma == pytest.approx(0.5 * 11 + 0.5 * 6 + 2)
    assert runs.mw == pytest.approx(10.5 * 3)
    # 31.5 mW through a converter that halves them are 63 mW, 21 mA at 3 V.
    assert runs.days == {"cell": pytest.approx(1000 / 21 / 24)}
    # 25 MHz: always busy, at 1 + 20 / 4 = 6 mA, and 2 mA more.
    assert (lowest.mhz, lowest.share) == (25.0, 1.0)
    assert lowest.ma == pytest.approx(8)


def test_the_lowest_clock_is_one_that_can_be_set() -> None:
    # Bug: 21 MHz for an ESP32, whose machine.freq takes 20 or 40.
    esp = load_board("ESP32_GENERIC_S3")
    result = estimate("it", esp, 21_000_000, 160.0, [])
    assert [(point.mhz, point.share) for point in result.points] == [(160.0, 21 / 160), (40.0, 21 / 40)]
    # Each share of 54.6 mA, busy, and 42.3, idle, and of both but 0.007 a quarter.
    assert result.points[0].ma == pytest.approx((21 * 54.6 + 139 * 42.3) / 160)
    assert result.points[1].ma == pytest.approx(0.007 + (21 * 54.593 + 19 * 42.293) / 40 / 4)
    assert any("machine.freq takes 20, 40, 80, 160, 240 MHz" in text for text in result.assumptions)
    assert estimate("it", esp, 20_000_000, 160.0, []).points[1].mhz == 20
    assert estimate("it", esp, 81_000_000, 120.0, []).points[1].mhz == 120  # nothing between
    assert estimate("it", load_board("RPI_PICO"), 20_000_001, 125.0, []).points[1].mhz == 21
    assert estimate("it", load_board("RPI_PICO"), 20_100_000, 20.5, []).points[1].mhz == 20.5


def test_a_chip_without_a_figure_for_idling_is_always_busy() -> None:
    result = estimate("it", board(("busy", 20.0, 100.0)), 10_000_000, 100.0, [])
    assert [point.ma for point in result.points] == [pytest.approx(20), pytest.approx(2)]
    assert any("upper bound" in text for text in result.assumptions)
    assert not any("battery" in text for text in result.assumptions)


def test_a_battery_that_cannot_deliver_is_refused_by_name() -> None:
    made = board(("busy", 20.0, 100.0), ("idle", 1.0, 100.0))
    coin = battery_named("cr2032")
    with pytest.raises(
        ConfigError, match=r"^CR2032 cannot feed it on MADE_UP: a busy processor draws 23\.5 mA from it"
    ):
        estimate("it", made, 10_000_000, 100.0, [coin])
    # What counts is what it draws when it is busy: the mean, 1.1 mA here, would do.
    made = board(("busy", 20.0, 100.0), ("idle", 0.9, 100.0))
    with pytest.raises(ConfigError, match="CR2032"):
        estimate("it", made, 1_000_000, 100.0, [coin])
    assert estimate("it", board(("busy", 2.0, 100.0)), 10_000_000, 100.0, [coin]).points[0].days["CR2032"] > 3


@pytest.mark.parametrize(
    ("rows", "cycles", "mhz", "supply", "text"),
    [
        ((), 1, 1.0, Supply(), "no datasheet's current of a busy RP2040 is known here: add one to .*board.toml as"),
        ((("busy", 1.0, None),), 1, 1.0, Supply(), 'state = "busy" lacks mhz'),
        (
            (("busy", 1.0, 48.0),),
            1_000_001,
            1.0,
            Supply(),
            "1,000,001 cycles a second of sound are more than 1 MHz give",
        ),
        ((("busy", 1.0, 48.0),), 0, 1.0, Supply(), "more than 0"),
        ((("busy", 1.0, 48.0),), 1, 1.0, Supply(0.0, 1.1), "efficiency"),
        ((("busy", 1.0, 48.0),), 1, 1.0, Supply(-1.0), "below 0"),
    ],
)
def test_refused(
    rows: tuple[tuple[str, float, float | None], ...], cycles: int, mhz: float, supply: Supply, text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        estimate("it", board(*rows), cycles, mhz, [], supply)


def test_every_board_with_currents_can_be_estimated() -> None:
    for name in ("RPI_PICO", "RPI_PICO_W", "ESP32_GENERIC", "ESP32_GENERIC_C3", "ESP32_GENERIC_S3"):
        for battery in BATTERIES[:3]:
            assert estimate("it", load_board(name), 20_000_000, 125.0, [battery]).points[0].days[battery.name] > 0.1


def tinywake(*args: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["energy", *args])
    return done.exit_code, done.output, str(done.exception or "")


def test_the_verb(tmp_path: Path) -> None:
    given = ("--board", "RPI_PICO", "--cycles", "50000000", "--mhz", "125", "--battery", "AAA", "--battery", "18650")
    code, said, _ = tinywake(*given)
    assert code == 0, said
    for text in ("40.0%", "days on AAA", "days on 18650", "50 MHz", "assumed: idle as busy", "RP2040 datasheet"):
        assert text in " ".join(said.split()), text
    code, said, _ = tinywake(*given, "--json")
    facts = json.loads(said)
    # 0.18 + 11.82 * 125 / 48 mA at 3.3 V
    assert facts["points"][0]["mw"] == pytest.approx(102.17, abs=0.01)
    assert facts["points"][0]["days"]["AAA"] == pytest.approx(1000 * 2.4 * 0.85 / 102.17 / 24, rel=1e-3)
    for wrong, text in (
        (("--battery", "D"), "no battery 'D'; known: AA, AAA, 18650, CR2032"),
        (("--battery", "CR2032"), "CR2032 cannot feed"),
    ):
        code, _, error = tinywake(*given[:6], *wrong)
        assert code != 0
        assert text in error
    model = tmp_path / "m.twm"
    for wrong, text in (
        ((), "give a model to measure or --cycles"),
        ((str(model), "--cycles", "5"), "one of them"),
        (("--cycles", "5"), "--cycles needs --mhz"),
    ):
        assert text in tinywake("--board", "RPI_PICO", *wrong)[2]
    assert "no target counts cycles for ESP32_GENERIC" in tinywake(str(model), "--board", "ESP32_GENERIC")[2]
    assert "no board PICO" in tinywake("--board", "PICO", "--cycles", "5", "--mhz", "1")[2]
