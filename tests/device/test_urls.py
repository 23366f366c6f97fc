# SPDX-License-Identifier: MIT
"""A board at the other end of a network: all that commands one goes through socket:// and rfc2217:// too."""

from __future__ import annotations

import io
import json
import os
import runpy
import select
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from tinywake.device.deploy import Choices, deploy
from tinywake.device.line.hear import wav_bytes
from tinywake.device.monitor import monitor
from tinywake.device.record import Wanted, record
from tinywake.device.swap import swap, use
from tinywake.device.targets.unix import UnixBoard

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/host"))
from esp_lines import LineServer  # noqa: E402

lacking = UnixBoard.available()
pytestmark = [
    pytest.mark.skipif(lacking is not None, reason=str(lacking)),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:serial"),  # of its own thread
]


class RawServer(LineServer):
    """As ser2net in its raw mode: bytes and nothing else."""

    kind = "socket"

    def _connected(self, client: socket.socket) -> None:
        while not self._stop:
            ready = select.select([client, self._chip], [], [], 0.02)[0]
            if self._chip in ready:
                client.sendall(os.read(self._chip, 4096))
            if client in ready:
                data = client.recv(4096)
                if not data:
                    return
                while data:
                    data = data[os.write(self._chip, data) :]


@pytest.fixture(params=[LineServer, RawServer])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a board that has a minute of bursts to hear."""
    noise = np.random.default_rng(3).integers(-30000, 30000, 16000 * 60)
    noise[np.arange(len(noise)) // 8000 % 2 == 0] //= 64
    with UnixBoard() as board:
        (board.directory / "mic.wav").write_bytes(wav_bytes(noise.astype(np.int16)))
        with request.param(SimpleNamespace(port=board.port, boots="", stub=False)) as server:
            yield server.port.replace("rfc2217", getattr(server, "kind", "rfc2217"))


def model(folder: Path, name: str, threshold: int) -> Path:
    path = folder / f"{name}.twm"
    path.write_bytes(runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"](threshold=threshold, window=1))
    return path


def test_a_board_behind_a_network(url: str, tmp_path: Path) -> None:
    deploy(url, model(tmp_path, "one", 120), board="UNIX", choices=Choices(recorder=True))
    out = io.StringIO()
    assert monitor(url, json=True, seconds=3, console=Console(file=out)) > 1
    summary = json.loads(out.getvalue().splitlines()[-1])
    assert (summary["bad"], summary["lost"], summary["dropped"]) == (0, 0, 0)
    taken = swap(url, model(tmp_path, "two", 130))
    assert taken is not None
    assert (taken.changed, taken.lost, taken.breaks) == (True, 0, 0)
    (heard,) = record(url, tmp_path / "out", Wanted("noise", way="all", seconds=1.0), lambda text: None)
    assert (heard.seconds, heard.gaps) == (1.0, ())
    assert use(url, "one").path == "tinywake-models/model.a/one.twm"
