"""The unix board: MicroPython's unix port behind a pty, its microphone a wav file."""

BOARD = "UNIX"  # name in the @boot line
PORT = "unix"  # module of tinywake/port/ that serves this board
# 16 kHz mono 16-bit; paced: at the speed of real time
MIC = {"kind": "wav", "path": "mic.wav", "paced": True}
