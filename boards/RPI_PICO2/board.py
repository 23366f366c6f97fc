"""Raspberry Pi Pico 2 with an I2S microphone (INMP441, ICS-43434, SPH0645): SCK GP10, WS GP11, SD GP12, L/R to GND."""

BOARD = "RPI_PICO2"  # name in the @boot line
# Not yet tried on silicon. shift: a gain of 4 (docs/microphones.md). ws must be the pin after sck.
MIC = {"kind": "i2s", "id": 0, "sck": 10, "ws": 11, "sd": 12, "bits": 32, "shift": 14}
