"""Arduino Nano RP2040 Connect: its own PDM microphone (MP34DT06J), CLK GPIO23, DATA GPIO22."""

BOARD = "ARDUINO_NANO_RP2040_CONNECT"  # name in the @boot line
# Not yet tried on silicon. shift: a gain of 4; channel: the half of the clock in which the microphone speaks.
MIC = {"kind": "pdm", "clk": 23, "data": 22, "channel": "left", "shift": 14}
