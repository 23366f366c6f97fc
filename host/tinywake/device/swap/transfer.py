# SPDX-License-Identifier: MIT
"""A model over the line in checked pieces. The board says how far it has got, so that any break is gone on from."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

from tinywake.device.command.channel import BrokenLineError, Channel, RefusedError
from tinywake.device.line.lines import LIMIT

__all__ = ["HEAD", "MOST", "PIECE", "digest", "transfer"]

HEAD = 8  # hex digits of the SHA-256 that tell a transfer from another
MOST = 999_999  # bytes of a model: each piece says where it belongs
PIECE = (LIMIT - len(f"@piece id=9999 at={MOST} sha={'0' * HEAD} data=*0000")) // 4 * 3
_STUCK = 8  # breaks without a byte between them
_LOST_TRACK = "put first"  # the board's words where it was reset


def digest(model: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(model).hexdigest()


def transfer(channel: Channel, name: str, model: bytes, on_progress: Callable[[float], None]) -> int:
    """Have it on the board, not yet checked there. Returns how much of it was there already.

    Raises RefusedError, and BrokenLineError where the line stays broken: called again, it goes on.
    """
    sha = digest(model)
    have = first = _put(channel, name, model, sha)
    stuck = 0
    while have < len(model):
        on_progress(have / len(model))
        data = base64.b64encode(model[have : have + PIECE]).decode().rstrip("=")
        before = have
        try:
            have = channel.order("piece", at=have, sha=sha[:HEAD], data=data)
        except RefusedError as error:
            if error.what != _LOST_TRACK:
                raise
            have = _put(channel, name, model, sha)
        except BrokenLineError:
            if stuck == _STUCK:
                raise
            channel.mend()
            have = _put(channel, name, model, sha)
        stuck = 0 if have > before else stuck + 1
        if stuck > _STUCK:
            raise BrokenLineError(
                f"{channel.port}: {name} does not get beyond {have:,} of {len(model):,} bytes: is another host on it?"
            )
    on_progress(1.0)
    return first


def _put(channel: Channel, name: str, model: bytes, sha: str) -> int:
    try:
        return channel.order("put", seconds=3.0, name=name, size=len(model), sha=sha)
    except BrokenLineError:
        channel.mend()
        return channel.order("put", seconds=3.0, name=name, size=len(model), sha=sha)
