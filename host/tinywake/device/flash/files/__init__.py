# SPDX-License-Identifier: MIT
"""What is flashed: firmware files, what they say of themselves, where they come from."""

__all__: list[str] = []
