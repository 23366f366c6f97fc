# SPDX-License-Identifier: MIT
"""Firmware onto a board: the file, the ESP32's serial loader, the RP2's drive, and which of them it is."""

__all__: list[str] = []
