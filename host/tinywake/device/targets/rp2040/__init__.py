# SPDX-License-Identifier: MIT
"""An emulated Raspberry Pi Pico and the microphones on its pins."""

from tinywake.device.targets.rp2040.board import RP2040Board
from tinywake.device.targets.rp2040.microphones import Microphone, PdmMicrophone

__all__ = ["Microphone", "PdmMicrophone", "RP2040Board"]
