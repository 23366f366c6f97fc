# SPDX-License-Identifier: MIT
"""Another model for a board that listens: the steps, in their order."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tinywake import __version__
from tinywake.device.command.channel import BrokenLineError, Channel, RefusedError
from tinywake.device.deploy.models.check import check_listens
from tinywake.device.deploy.models.wanted import ANY, read_model
from tinywake.device.line.events import Boot, File, Model, escape
from tinywake.device.swap.report import SwapReport
from tinywake.device.swap.transfer import HEAD, MOST, digest, transfer
from tinywake.errors import DeviceError

__all__ = ["swap"]

_ANSWER_S, _TRIES = 10.0, 6  # of the swap: it is hashed and opened meanwhile
_RESETS = 3
_NAME = 40  # bytes, as they go over the line
_UNKNOWN = "unknown command"  # the board's words
_DECODER = "needs _tinywake_huf"  # of a coded model
_AGAIN = ("put first", "SHA-256 differs: send it again")  # it was reset meanwhile, or what it had is damaged


def swap(port: str, model: Path, on_progress: Callable[[float], None] = lambda fraction: None) -> SwapReport | None:
    """Have the board on `port` go on listening, with another model. None: it does not listen, does not obey, or its
    app is of another version, and nothing was done.

    Raises DeviceError with one line; the board then listens with what it had, as far as it is there.
    """
    wanted = read_model("model", model)
    check_listens([wanted], ANY)  # the gate there is the board's to judge
    sha = digest(wanted.data)
    with Channel(port) as channel:
        before = _listening_with(channel)
        if before is None or len(wanted.data) > MOST or len(escape(wanted.name)) > _NAME:
            return None
        began = time.monotonic()
        there, beside, seconds, home = len(wanted.data), True, 0.0, "heap"
        try:
            changed = not (sha.startswith(before) and _stays(channel, sha))
            if changed:
                there = transfer(channel, wanted.name, wanted.data, on_progress)
                seconds = time.monotonic() - began
                home = _home_before(channel)
                beside = _take_over(channel, wanted.name, wanted.data, sha)
        except RefusedError as error:
            if error.what == _UNKNOWN or _DECODER in error.what:  # which deploy brings
                return None
            raise DeviceError(f"{error}: {wanted.name} was not taken, and the board keeps what it has") from error
        except BrokenLineError as error:
            raise DeviceError(f"{error}; run this again, and it goes on where it was") from error
        return SwapReport(
            port=port,
            name=wanted.name,
            bytes=len(wanted.data),
            sha256=sha,
            before=before,
            there=there,
            seconds=seconds,
            breaks=channel.breaks,
            lost=channel.lost,
            beside=beside,
            home_before=home,
            changed=changed,
        )


def _listening_with(channel: Channel) -> str | None:
    """First digits of the SHA-256 of the model it listens with; None: there is nothing to be swapped by command."""
    try:
        if not channel.listens():
            return None
        channel.events.clear()
        channel.order("hash", tries=3)
    except (BrokenLineError, RefusedError):
        return None
    boots = [event for event in channel.events if isinstance(event, Boot)]
    models = [event for event in channel.events if isinstance(event, Model)]
    if not models or not boots or boots[-1].app != __version__:
        return None
    return models[-1].sha


def _stays(channel: Channel, sha: str) -> bool:
    """Whether the model that it listens with is what it boots with, or took over by command: it is kept then."""
    first = _first(channel)
    if first is None or not first.sha or sha.startswith(first.sha):
        return True
    try:
        channel.order("swap", seconds=3.0, sha=sha[:HEAD])  # asked again
    except RefusedError:
        return False
    return True


def _home_before(channel: Channel) -> str:
    """Of what the board boots with: romfs, xip or heap."""
    first = _first(channel)
    path = first.path if first else ""
    return "romfs" if path.startswith("/rom/") else "xip" if path.startswith("/flash/") else "heap"


def _first(channel: Channel) -> File | None:
    channel.events.clear()
    channel.order("models", seconds=3.0)
    return next((event for event in channel.events if isinstance(event, File)), None)


def _take_over(channel: Channel, name: str, model: bytes, sha: str) -> bool:
    """Whether it was opened beside the model before it."""
    for _ in range(_RESETS):
        channel.events.clear()
        try:
            value = channel.order("swap", seconds=_ANSWER_S, tries=_TRIES, sha=sha[:HEAD])
        except RefusedError as error:
            if error.what not in _AGAIN:
                raise
            transfer(channel, name, model, lambda fraction: None)
        except BrokenLineError:
            channel.mend()
        else:
            heard = [event.sha for event in channel.events if isinstance(event, Model)]
            if heard and not sha.startswith(heard[-1]):
                raise DeviceError(f"{channel.port}: the board listens with {heard[-1]}, not with {name}: try again")
            return value == 1
    raise BrokenLineError(f"{channel.port}: {name} is on the board, but does not take over")
