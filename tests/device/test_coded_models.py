# SPDX-License-Identifier: MIT
"""Coded models on boards: decoded as they are opened, outputs equal to those of the uncoded file, refusals by name."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tinywake.compiler.build import compile_tflite
from tinywake.compiler.coding.encode import coded
from tinywake.compiler.twm.unpack import unpack
from tinywake.device.deploy.run import Choices, deploy
from tinywake.device.targets.registry import TARGETS
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import DeviceError
from tinywake.pipeline.hearing import hear
from tinywake.pipeline.running import run_network

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "core"),
                str(Path(__file__).parents[1] / "vectors")]  # fmt: skip
import soundfile  # noqa: E402
from make_coded import MALFORMED  # noqa: E402
from remote import execute  # noqa: E402
from tiny import listening_model  # noqa: E402

CHIPS = pytest.mark.lean("qemu-armv6m", "qemu-rv32imc")
REFUSALS = """
import gc, json, os
import tinywake
said = {}
for name in sorted(os.listdir("/bad")):
    with open("/bad/" + name, "rb") as file:
        data = file.read()
    for given in ("/bad/" + name, data):
        try:
            tinywake.Model(given).verify()
            said.setdefault(name, []).append("TW_OK")
        except ValueError as e:
            said.setdefault(name, []).append(str(e))
    gc.collect()
print(json.dumps(said))
"""


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, vectors: Path) -> tuple[Path, Path]:
    """A network as it is, and coded."""
    folder = tmp_path_factory.mktemp("coded")
    image = max((compile_tflite(path).blob for path in sorted((vectors / "networks").glob("*.tflite"))[:8]), key=len)
    file = coded(image)
    assert len(file) < len(image)
    (folder / "raw.twm").write_bytes(image)
    (folder / "coded.twm").write_bytes(file)
    return folder / "raw.twm", folder / "coded.twm"


@CHIPS
def test_outputs_are_those_of_the_uncoded_file(place: str, small: tuple[Path, Path]) -> None:
    raw, file = small
    x = np.random.default_rng(3).integers(-128, 128, (3, *unpack(raw).input_shape)).astype(np.int8)
    expected = run_network(raw, x)
    np.testing.assert_array_equal(run_network(file, x), expected)
    np.testing.assert_array_equal(run_network(file, x, place), expected)


@CHIPS
def test_the_reference_network_gives_the_same(place: str, reference: Path, tmp_path: Path) -> None:
    image = compile_tflite(reference / "mlperf-tiny" / "kws_ref_model.tflite").blob
    (tmp_path / "raw.twm").write_bytes(image)
    (tmp_path / "coded.twm").write_bytes(coded(image))
    assert (tmp_path / "coded.twm").stat().st_size < 26_200 < len(image)
    x = np.random.default_rng(4).integers(-128, 128, (2, *unpack(tmp_path / "raw.twm").input_shape)).astype(np.int8)
    expected = run_network(tmp_path / "raw.twm", x)
    np.testing.assert_array_equal(run_network(tmp_path / "coded.twm", x), expected)
    np.testing.assert_array_equal(run_network(tmp_path / "coded.twm", x, place), expected)


@CHIPS
def test_a_coded_listener_hears_the_same(place: str, tmp_path: Path) -> None:
    image = listening_model()
    for name, data in (("raw.twm", image), ("coded.twm", coded(image))):
        (tmp_path / name).write_bytes(data)
    assert (tmp_path / "coded.twm").stat().st_size < len(image)
    noise = np.random.default_rng(0).normal(0, 9000, 24_000) * np.sin(np.arange(24_000) / 3000) ** 2
    soundfile.write(tmp_path / "clip.wav", noise.clip(-32768, 32767).astype(np.int16), 16000)
    (here,) = hear(tmp_path / "raw.twm", [tmp_path / "clip.wav"])
    (there,) = hear(tmp_path / "coded.twm", [tmp_path / "clip.wav"], place)
    assert here.hits == there.hits
    np.testing.assert_array_equal(here.scores, there.scores)


def test_malformed_files_are_refused_as_on_the_host(tmp_path: Path, small: tuple[Path, Path]) -> None:
    if lacking := UnixBoard.available():
        pytest.skip(lacking)
    with UnixBoard(tmp_path) as board:
        deploy(board.port, small[1], board="UNIX", start=False, choices=Choices(alone=True))
        assert (tmp_path / "lib" / "_tinywake_huf.mpy").is_file()
        (tmp_path / "bad").mkdir()
        for name, (_, data) in MALFORMED.items():
            (tmp_path / "bad" / name).write_bytes(data)
        (tmp_path / "bad" / "good").write_bytes(small[1].read_bytes())
        said = json.loads(execute(board.port, REFUSALS, timeout=120).splitlines()[-1])
        assert execute(board.port, "print(6 * 7)").strip() == "42"
    expected = {name: [f"TW_ERR_{error}"] * 2 for name, (error, _) in MALFORMED.items()}
    assert said == {**expected, "good": ["TW_OK"] * 2}


def test_a_board_without_the_decoder_says_what_brings_it(tmp_path: Path, small: tuple[Path, Path]) -> None:
    if lacking := UnixBoard.available():
        pytest.skip(lacking)
    with UnixBoard(tmp_path) as board:
        deploy(board.port, small[0], board="UNIX", start=False, choices=Choices(alone=True))
        assert not (tmp_path / "lib" / "_tinywake_huf.mpy").exists()
        (tmp_path / "coded.twm").write_bytes(small[1].read_bytes())
        code = "import tinywake\ntry:\n tinywake.Model('/coded.twm')\nexcept ValueError as e:\n print(e)"
        said = execute(board.port, code).strip()
    assert said == "a coded model needs _tinywake_huf: tinywake deploy puts it there"


def test_no_board_reads_a_coded_model_in_place(tmp_path: Path, small: tuple[Path, Path]) -> None:
    if lacking := UnixBoard.available():
        pytest.skip(lacking)
    with UnixBoard(tmp_path) as board, pytest.raises(DeviceError, match="is coded, so no board reads it in place"):
        deploy(board.port, small[1], board="UNIX", start=False, choices=Choices(alone=True, home="romfs"))
