# SPDX-License-Identifier: MIT
"""What happens to speech before a device hears it. Every choice comes from the generator that is passed in."""

__all__: list[str] = []
