# SPDX-License-Identifier: MIT
"""Opening a serial port or pyserial URL; a port that cannot be had is one line that says why."""

import errno
import os
from typing import Any

import serial

from tinywake.errors import DeviceError

if os.name == "posix":
    import termios

    # What pyserial raises where the port goes away under it.
    GONE: tuple[type[Exception], ...] = (OSError, TypeError, termios.error)
else:
    GONE = (OSError, TypeError)

__all__ = ["GONE", "UNPLUGGED", "open_port"]

UNPLUGGED = "the board is gone; plug it in again"

_LIST = "python -m mpremote connect list shows those there are"


def open_port(port: str, baud: int = 115200, timeout: float = 0.05) -> Any:
    """Open a serial port or pyserial URL for us alone. `timeout`: seconds that a read waits at most."""
    options: dict[str, Any] = {"baudrate": baud, "timeout": timeout}
    try:
        try:
            return serial.serial_for_url(port, exclusive=True, **options)
        except (TypeError, ValueError) as error:
            if "://" not in port or "argument" not in str(error):
                raise
            return serial.serial_for_url(port, **options)  # a URL handler that knows no `exclusive`
    except ValueError as error:  # an unknown kind of URL
        raise DeviceError(f"{port}: {error}") from error
    except OSError as error:
        raise DeviceError(f"{port}: {_refusal(port, error)}") from error


def _refusal(port: str, error: OSError) -> str:
    cause = error.__context__  # pyserial often keeps only its text
    number = error.errno or (cause.errno if isinstance(cause, OSError) else None)
    if number in (errno.ENOENT, errno.ENOTDIR):
        return f"no such port; {_LIST}"
    if number == errno.EISDIR or os.strerror(errno.ENOTTY) in str(error):
        return f"is no serial port; {_LIST}"
    if number in (errno.EAGAIN, errno.EBUSY):
        return "in use by another program"
    if number in (errno.EACCES, errno.EPERM):
        return "no right to open it, or in use; on Linux: sudo usermod -a -G dialout $USER, then log in again"
    if isinstance(cause, OSError) and cause.strerror:
        return f"cannot be opened ({cause.strerror})"
    if "://" in port and cause is not None:
        return "not a whole URL, as socket://HOST:PORT is"
    return f"cannot be opened ({error.strerror or error})"
