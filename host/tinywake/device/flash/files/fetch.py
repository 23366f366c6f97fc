# SPDX-License-Identifier: MIT
"""The pinned firmware of a board: downloaded once, kept in the cache, and used only where its SHA-256 is right."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from tinywake.device.boards import Board
from tinywake.errors import DeviceError, ToolError
from tinywake.files import cache_folder, write_beside

__all__ = ["pinned_firmware"]

_TIMEOUT_S = 20.0
_PIECE = 1 << 16
_MOST = 64 << 20  # bytes; the largest firmware has 4 MB


def pinned_firmware(board: Board, on_progress: Callable[[float], None]) -> Path:
    """The file in the cache, downloaded if need be. Raises DeviceError where none is pinned, ToolError offline."""
    release = board.firmware
    if release is None:
        raise DeviceError(f"{board.name}: cannot be flashed (its board.toml has no [firmware])")
    if release.url is None or release.sha256 is None:
        raise DeviceError(
            f"no firmware is pinned for {board.name}: download it from its page, {release.page}, "
            "and give --firmware FILE"
        )
    path = cache_folder() / "firmware" / release.sha256[:16] / PurePosixPath(urlsplit(release.url).path).name
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == release.sha256:
        return path
    data = _download(release.url, release.page, on_progress)
    found = hashlib.sha256(data).hexdigest()
    if found != release.sha256:
        raise ToolError(
            f"{release.url}: is not the file that is pinned for {board.name} (SHA-256 {found[:16]}..., "
            f"pinned {release.sha256[:16]}...); nothing was flashed; {_by_hand(release.page)}"
        )
    write_beside(path, lambda part: part.write_bytes(data))
    return path


def _download(url: str, page: str, on_progress: Callable[[float], None]) -> bytes:
    data = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            while piece := answer.read(_PIECE):
                data += piece
                if len(data) > _MOST:
                    raise ToolError(f"{url}: is larger than any firmware; {_by_hand(page)}")
                on_progress(len(data) / total if total else 0.0)
    except urllib.error.HTTPError as error:
        raise ToolError(f"{url}: the server says {error.code} {error.reason}; {_by_hand(page)}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ToolError(
            f"{url}: cannot be downloaded, is this computer offline? ({reason}); {_by_hand(page)}"
        ) from error
    return bytes(data)


def _by_hand(page: str) -> str:
    return f"or download it from {page} and give --firmware FILE"
