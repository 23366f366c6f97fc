# SPDX-License-Identifier: MIT
"""What documents show of commands is what these print: in words exactly, in numbers nearly where the app counts."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
import typer

from tinywake.__main__ import main
from tinywake.cli import app
from tinywake.core import Model
from tinywake.device.firmware import built_module, how_to_build
from tinywake.pipeline.hearing import listener_of

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))
import session

_COMMAND = re.compile(r"(?:^ +(?:\$ )?|`|time )tinywake ([a-z][a-z-]*)((?:[^`\n#]|\\\n)*)", re.MULTILINE)
_OPTION = re.compile(r"(?<=[ \[|])--[a-z][a-z-]*")
_NUMBER = re.compile(r"\d[\d,]*")
_NEARLY = 0.04  # of a figure, and
_BLOCK = 8192  # bytes: what the app takes of a board's flash goes in blocks of 4096


@pytest.fixture(scope="module")
def folder(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    for path in (reference / "micro-wake-word").glob("[a-z]*.*"):
        shutil.copy(path, folder)
    shutil.copytree(reference / "micro-wake-word" / "v1", folder / "v1")
    shutil.copy(reference / "mlperf-tiny" / "ad01_int8.tflite", folder / "ad01.tflite")
    return folder


def printed(folder: Path, command: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Lines of either stream, without the spaces that align them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", command.split())
        with pytest.raises(SystemExit):
            main()
    said = capsys.readouterr()
    return [" ".join(line.split()) for line in (said.out + said.err).splitlines()]


def shown(document: Path, first: str, count: int) -> list[str]:
    """Lines of a document from the one that begins like this."""
    lines = [" ".join(line.split()) for line in document.read_text().splitlines()]
    begin = next(at for at, line in enumerate(lines) if line.startswith(first))
    return lines[begin : begin + count]


def nearly(one: str, other: str) -> bool:
    """Whether the words are the same, and no figure is far from the other's."""
    pairs = zip(*([int(text.replace(",", "")) for text in _NUMBER.findall(line)] for line in (one, other)), strict=True)
    return _NUMBER.sub("#", one) == _NUMBER.sub("#", other) and all(
        abs(a - b) <= max(_NEARLY * max(a, b), _BLOCK if a > _BLOCK else 1) for a, b in pairs
    )


def counted(arch: str) -> None:
    """Skip a test of a bill whose native module is not built here."""
    if built_module(arch) is None:
        pytest.skip(f"the bill counts the native module: {how_to_build(arch)}")


def test_what_compiling_a_manifest_prints(repo: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Bug: these figures and the table's were those of an older format.
    document = repo / "docs" / "micro-wake-word.md"
    command, *lines = shown(document, "$ tinywake compile okay_nabu.json -o okay_nabu.twm", 3)
    assert printed(folder, command.removeprefix("$ "), capsys) == lines
    names = {"okay_nabu, version 2": "okay_nabu", "hey_jarvis, version 2": "hey_jarvis", "vad, version 2": "vad",
             "hey_jarvis, version 1": "v1/hey_jarvis"}  # fmt: skip
    for title, name in names.items():
        (row,) = shown(document, f"| {title} |", 1)
        printed(folder, f"tinywake compile {name}.json -o {name}.twm", capsys)
        model = Model.open(folder / f"{name}.twm")
        sizes = (folder / f"{name}.tflite").stat().st_size, (folder / f"{name}.twm").stat().st_size, model.arena_bytes
        assert [cell.strip() for cell in row.split("|")[2:5]] == [f"{size:,}" for size in sizes]


@pytest.mark.parametrize("name", ["micro-wake-word.md", "memory.md"])
def test_the_bill_of_a_board(repo: Path, folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    counted("armv6m")
    lines = shown(repo / "docs" / name, "on RPI_PICO, Raspberry Pi Pico", 10)
    assert lines[-1].startswith("note: ")
    got = printed(folder, "tinywake compile okay_nabu.json -o okay_nabu.twm --report --board RPI_PICO", capsys)
    begin = got.index("on RPI_PICO, Raspberry Pi Pico RAM flash")
    for line, now in zip(lines, got[begin : begin + 10], strict=True):
        assert nearly(line, now), f"docs/{name}: {line!r} is now {now!r}"


def test_what_is_too_large(repo: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = " ".join(shown(repo / "docs" / "memory.md", "tinywake: ad01.tflite: too large", 2))
    counted("rv32imc")
    (got,) = printed(folder, "tinywake compile ad01.tflite -o ad01.twm --board ESP32_GENERIC_C3", capsys)
    assert nearly(said, got), got


def test_what_a_gate_takes(repo: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("okay_nabu", "vad"):
        printed(folder, f"tinywake compile {name}.json -o {name}.twm", capsys)
    word, vad = folder / "okay_nabu.twm", folder / "vad.twm"
    model = Model.open(vad)
    alone, behind = (listener_of(word, gate).gate_bytes for gate in ("energy", str(vad)))
    text = " ".join((repo / "docs" / "gate.md").read_text().split())
    assert (
        f"okay_nabu behind `energy`: {alone:,} bytes; behind `vad`: {behind + model.arena_bytes:,}, of which "
        f"{model.arena_bytes:,} are its arena and state, and its file of {vad.stat().st_size:,} bytes."
    ) in text


def test_the_commands_of_all_documents_have_those_options(repo: Path) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    known = {verb: {name for each in command.params for name in each.opts} for verb, command in commands.items()}
    seen = 0
    for path in (
        *repo.glob("*.md"),
        *repo.glob("docs/*.md"),
        *repo.glob("models/**/*.md"),
        repo / "firmware/SERIAL.md",
    ):
        for verb, rest in _COMMAND.findall(path.read_text()):
            options = set(_OPTION.findall(rest))
            if (path.name, verb) == ("slots.md", "slots"):  # the head of a file on a board
                continue
            assert verb in known, f"{path.name}: tinywake {verb}"
            assert options <= known[verb] | {"--help"}, f"{path.name}: tinywake {verb}{rest}"
            seen += len(options)
    assert seen > 100


def test_the_session_is_read_and_written_as_it_is(repo: Path) -> None:
    lines = (repo / "docs/session.md").read_text().splitlines()
    steps = session.steps_of(lines)
    for step in steps:
        step.said = [line.removeprefix(session.INDENT) for line in lines[step.line : step.until]]
    assert session.written(lines, steps) == lines
    said = {step.text.split()[1]: step for step in steps if step.text.startswith("tinywake ")}
    assert {"deploy", "monitor", "record", "mine", "eval", "targets", "data-report"} <= said.keys()
    assert [step.text.splitlines()[-1] for step in steps if "train recipe" in step.text]
    assert [step.section for step in steps if step.terminal and step.text != "kill %1"] == ["Deploy, watch"]
    assert all(step.said for step in said.values())
    long = session.Step("", 1, 2, "x", False, [str(i) for i in range(30)])
    assert session.written(["    $ x", "    old", "", "text"], [long])[-5:] == [
        "    ...",
        "    28",
        "    29",
        "",
        "text",
    ]
    assert session.steps_of(["    $ a \\", "    > b", "    c", "", "    d"])[0].text == "a \\\nb"
