"""Adafruit Feather RP2040 with an I2S microphone (INMP441, ICS-43434, SPH0645), L/R to GND.

SCK (BCLK) on D10 (GPIO10), WS (LRCL) on D11 (GPIO11), SD on D12 (GPIO12).
"""

BOARD = "ADAFRUIT_FEATHER_RP2040"  # name in the @boot line
# Not yet tried on silicon. shift: a gain of 4 (docs/microphones.md). ws must be the pin after sck.
MIC = {"kind": "i2s", "id": 0, "sck": 10, "ws": 11, "sd": 12, "bits": 32, "shift": 14}
