"""An Arm microcontroller that QEMU emulates, its microphone a wav file."""

BOARD = "QEMU_ARMV6M"  # name in the @boot line
# 16 kHz mono 16-bit; paced: at the speed of real time
MIC = {"kind": "wav", "path": "mic.wav", "paced": True}
