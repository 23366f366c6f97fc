# SPDX-License-Identifier: MIT
"""The entry point: a user's, file's or device's fault is one line and exit 2; our own keeps its traceback."""

import os
import sys

from tinywake.errors import TinywakeError

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    from tinywake.cli import app

    try:
        app()
    except TinywakeError as e:
        print(f"tinywake: {e}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # `tinywake ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
