"""ESP32-C3 with an I2S microphone (INMP441, ICS-43434, SPH0645): SCK GPIO4, WS GPIO5, SD GPIO6, L/R to GND."""

BOARD = "ESP32_GENERIC_C3"  # name in the @boot line
# Not yet tried on silicon. shift: a gain of 4 (docs/microphones.md). There are no timers with negative numbers here.
MIC = {"kind": "i2s", "id": 0, "sck": 4, "ws": 5, "sd": 6, "bits": 32, "shift": 14, "timer": 0}
