"""Where the firmware of a board comes from: pinned in its board.toml, downloaded once, right to the last byte."""

from __future__ import annotations

import hashlib
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tinywake.device import places
from tinywake.device.boards import board_names, load_board
from tinywake.device.flash.files.fetch import pinned_firmware
from tinywake.device.flash.flash import Order, flash
from tinywake.errors import ConfigError, ToolError

sys.path.insert(0, str(Path(__file__).parent))
from esp_loader import CHIPS, EspLoader
from firmwares import esp_firmware

PAGE = "https://example.org/board/"


class Server(ThreadingHTTPServer):
    data = esp_firmware("ESP32", size=10_000)
    asked = 0
    cut = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.path != "/v1/board.bin":
            self.send_error(404)
            return
        data = self.server.data
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if self.server.cut else data)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repo: Path) -> Iterator[Server]:
    """A server, an empty cache, and a boards/ in which nothing is pinned."""
    monkeypatch.setenv("TINYWAKE_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(repo / "boards", tmp_path / "boards")
    monkeypatch.setattr(places, "boards", lambda: tmp_path / "boards")
    with Server() as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield http
        http.shutdown()
        thread.join()


def pin(url: str, sha256: str = "", **more: str) -> None:
    """Pin the firmware of ESP32_GENERIC."""
    path = places.boards() / "ESP32_GENERIC" / "board.toml"
    keys = {"page": PAGE, "version": "1.25.0", "url": url, "sha256": sha256, **more}
    lines = "".join(f'{key} = "{value}"\n' for key, value in keys.items() if value)
    path.write_text(path.read_text().split("[firmware]")[0] + "[firmware]\n" + lines)


def fetch() -> Path:
    return pinned_firmware(load_board("ESP32_GENERIC"), lambda fraction: None)


def test_downloaded_once_and_flashed(server: Server) -> None:
    pin(f"{server.url}/v1/board.bin", hashlib.sha256(server.data).hexdigest())
    stages = set()
    for _ in range(2):
        with EspLoader(CHIPS["ESP32"]) as loader:
            done = flash(Order(loader.port), lambda stage, _: stages.add(stage))  # the board by its chip
            assert bytes(loader.flash[0x1000 : 0x1000 + len(server.data)]) == server.data
    assert server.asked == 1
    assert done.board == "ESP32_GENERIC"
    assert Path(done.firmware).name == "board.bin"
    assert stages == {"downloading", "connecting", "writing"}


def test_a_damaged_cache_is_fetched_again(server: Server) -> None:
    pin(f"{server.url}/v1/board.bin", hashlib.sha256(server.data).hexdigest())
    path = fetch()
    path.write_bytes(b"rotten")
    assert fetch().read_bytes() == server.data
    assert server.asked == 2


def test_another_file_than_the_pinned_one(server: Server, tmp_path: Path) -> None:
    pin(f"{server.url}/v1/board.bin", "0" * 64)
    with pytest.raises(ToolError, match=r"is not the file that is pinned for ESP32_GENERIC .*nothing was flashed"):
        fetch()
    assert not list(tmp_path.glob("cache/**/*.bin"))


@pytest.mark.parametrize("what", ["offline", "no name", "missing", "cut"])
def test_a_download_that_fails_says_what_to_do(server: Server, what: str) -> None:
    server.cut = what == "cut"
    pin({
        "offline": "http://127.0.0.1:1/board.bin", "no name": "http://no.such.host.invalid/board.bin",
        "missing": f"{server.url}/v2/board.bin", "cut": f"{server.url}/v1/board.bin",
    }[what], hashlib.sha256(server.data).hexdigest())  # fmt: skip
    says = "the server says 404" if what == "missing" else "is this computer offline\\?|is not the file that is pinned"
    with pytest.raises(ToolError, match=rf"({says}).*or download it from {PAGE} and give --firmware FILE") as told:
        fetch()
    assert "\n" not in str(told.value)


def test_half_a_pin_is_refused(server: Server) -> None:
    pin(f"{server.url}/v1/board.bin")
    with pytest.raises(
        ConfigError, match=r"firmware\.version, url and sha256 pin a file together; here is only version"
    ):
        load_board("ESP32_GENERIC")
    pin(f"{server.url}/v1/board.bin", "ABC")
    with pytest.raises(ConfigError, match=r"firmware\.sha256 must be 64 hexadecimal digits"):
        load_board("ESP32_GENERIC")
    pin("", "", version="", homepage="x")
    with pytest.raises(ConfigError, match=r"firmware\.homepage is unknown"):
        load_board("ESP32_GENERIC")


def test_every_board_that_can_be_flashed_says_where_its_firmware_is() -> None:
    for board in map(load_board, board_names()):
        assert board.flash in ("esptool", "uf2", "none"), board.name
        assert (board.firmware is None) == (board.flash == "none"), board.name
        if board.firmware is not None:
            assert board.firmware.page.startswith("https://"), board.name
