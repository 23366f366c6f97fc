"""ESP32 with an I2S microphone (INMP441, ICS-43434, SPH0645): SCK GPIO14, WS GPIO15, SD GPIO32, L/R to GND."""

BOARD = "ESP32_GENERIC"  # name in the @boot line
# Not yet tried on silicon. shift: a gain of 4 (docs/microphones.md). There are no timers with negative numbers here.
MIC = {"kind": "i2s", "id": 0, "sck": 14, "ws": 15, "sd": 32, "bits": 32, "shift": 14, "timer": 0}
