# SPDX-License-Identifier: MIT
"""The entry point: a user's, file's or device's fault is one line and exit 2; our own keeps its traceback."""

import os
import signal
import sys

from tinywake.errors import TinywakeError
from tinywake.files import why_unread

__all__ = ["main"]

_EXTRAS = {
    "scipy": "train",
    "tensorflow": "train",
    "optuna": "search",
    "esptool": "flash",
    "sounddevice": "mic",
}  # of pyproject.toml


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that boards and temporary files are cleaned up
    try:
        from tinywake.cli import app

        # Not standalone: typer would put a box of five lines around a mistyped option.
        sys.exit(app(sys.argv[1:] or ["--help"], standalone_mode=False))
    except TinywakeError as e:
        _refuse(str(e))
    except KeyboardInterrupt:  # while typer is loaded, too
        sys.exit(130)
    except ModuleNotFoundError as e:
        if e.name not in _EXTRAS:
            raise
        _refuse(f"{e.name} is missing: pip install 'tinywake[{_EXTRAS[e.name]}]'")
    except PermissionError as e:  # a path into a folder that is not for us, met where a verb looks whether it is there
        if e.filename is None:
            raise
        _refuse(f"{e.filename}: {why_unread(e)}")
    except BrokenPipeError:  # `tinywake ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as e:
        # typer's usage errors have a class of their own that it does not export; this method is what they share.
        if type(e).__name__ == "Abort":
            sys.exit(130)
        if not hasattr(e, "format_message"):
            raise
        _refuse(f"{e.format_message().rstrip('.')}; see {_help(sys.argv[1:])}")


def _help(arguments: list[str]) -> str:
    """Where to read on: of the verb, if one was named."""
    from tinywake.cli import VERBS

    return " ".join(["tinywake", *(verb for verb in arguments[:1] if verb in VERBS), "--help"])


def _refuse(message: str) -> None:
    print(f"tinywake: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
