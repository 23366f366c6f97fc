# SPDX-License-Identifier: MIT
"""A coded model for a board that listens: decoded beside the one it follows, known by the coded file's SHA-256."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from test_swap import WAYS, begin, boot, hear, listen, model, models, sha, swapped

from tinywake.compiler.coding.encode import coded
from tinywake.device.command.channel import Channel
from tinywake.device.line.events import State, Swap
from tinywake.device.line.port import open_port
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.swap import swap
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import DeviceError

lacking = UnixBoard.available()
pytestmark = pytest.mark.skipif(lacking is not None, reason=str(lacking))
MODULE = "lib/_tinywake_huf.mpy"


def coded_model(folder: Path, name: str, threshold: int) -> Path:
    path = model(folder, name, threshold)
    image = path.read_bytes()
    path.write_bytes(coded(image))
    assert len(path.read_bytes()) < len(image)
    return path


@pytest.fixture
def board(tmp_path: Path) -> Iterator[UnixBoard]:
    """It listens in real time with a coded model, so it has the decoder."""
    with UnixBoard(tmp_path / "board") as board:
        listen(board, coded_model(tmp_path, "old", 120))
        yield board


@WAYS
def test_one_coded_model_follows_another(board: UnixBoard, tmp_path: Path, way: str) -> None:
    new = coded_model(tmp_path, "new", 121)
    assert (board.directory / MODULE).is_file()
    begin(board, way)
    report = swapped(board, new)
    assert (report.before, report.sha256) == (sha(tmp_path / "old.twm")[:16], sha(new))
    assert (report.beside, report.changed, report.lost, report.breaks) == (True, True, 0, 0)
    with Channel(board.port) as channel:
        assert channel.listens(2)
        channel.order("hash")
        assert models(channel.events)[-1] == sha(new)[:16]
    assert swapped(board, model(tmp_path, "plain", 122)).beside  # and an ordinary one follows that
    with Channel(board.port) as channel:
        assert channel.listens(2)
        channel.order("stop")
        last = [event for event in channel.events if isinstance(event, State)][-1]
        assert (last.model, last.lost) == ("plain", 0)


def test_it_is_kept_and_boots(tmp_path: Path) -> None:
    new = coded_model(tmp_path, "new", 121)
    with UnixBoard(tmp_path / "board") as board:
        listen(board, coded_model(tmp_path, "old", 120), paced=False)
        assert swapped(board, new).changed
        with open_port(board.port) as port:
            events = hear(port, lambda event: isinstance(event, Swap) and event.state == "kept", 30)
        kept = [event for event in events if isinstance(event, Swap)][-1]
        assert kept.sha == sha(new)[:16]
        assert models(boot(board)) == [sha(new)[:16]]
        with RawRepl(board.port) as repl:
            assert repl.ask("import tinywake.main as m\nanswer(m.listener.native.threshold)") == 121


def test_a_damaged_one_is_refused_and_the_old_one_goes_on(board: UnixBoard, tmp_path: Path) -> None:
    bad = coded_model(tmp_path, "bad", 121)
    data = bytearray(bad.read_bytes())
    data[len(data) // 2] ^= 0x10
    bad.write_bytes(data)
    before = sorted(board.directory.rglob("*.twm"))
    with pytest.raises(DeviceError, match=r"bad\.twm: TW_ERR_.*was not taken, and the board keeps what it has"):
        swap(board.port, bad)
    assert sorted(board.directory.rglob("*.twm")) == before
    with Channel(board.port) as channel:
        assert channel.listens(2)
        channel.order("hash")
        assert models(channel.events)[-1] == sha(tmp_path / "old.twm")[:16]


def test_without_the_decoder_deploy_brings_it(tmp_path: Path) -> None:
    """The swap leaves it to deploy, and the board goes on with what it had."""
    new = coded_model(tmp_path, "new", 121)
    with UnixBoard(tmp_path / "board") as board:
        listen(board, model(tmp_path, "old", 120))
        assert not (board.directory / MODULE).exists()
        assert swap(board.port, new) is None
        with Channel(board.port) as channel:
            assert channel.listens(2)
            channel.order("hash")
            assert models(channel.events)[-1] == sha(tmp_path / "old.twm")[:16]
        listen(board, new)
        assert (board.directory / MODULE).is_file()
        assert models(boot(board)) == [sha(new)[:16]]
