# SPDX-License-Identifier: MIT
"""The sound devices of the computer: what its microphone hears, and clips out loud."""

__all__: list[str] = []
