"""Adafruit Feather ESP32-S3 with an I2S microphone (INMP441, ICS-43434, SPH0645), L/R to GND.

SCK (BCLK) on D9 (GPIO9), WS (LRCL) on D10 (GPIO10), SD on D11 (GPIO11).
"""

BOARD = "ADAFRUIT_FEATHER_ESP32S3"  # name in the @boot line
# Not yet tried on silicon. shift: a gain of 4 (docs/microphones.md). There are no timers with negative numbers here.
MIC = {"kind": "i2s", "id": 0, "sck": 9, "ws": 10, "sd": 11, "bits": 32, "shift": 14, "timer": 0}
