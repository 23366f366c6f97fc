"""The unix board: MicroPython's unix port behind a pty, its microphone a wav file."""

BOARD = "UNIX"  # name in the @boot line
PORT = "unix"  # of tinywake/port/: the file that serves this board, where that is not its interpreter's own
# 16 kHz mono 16-bit; paced: at the speed of real time
MIC = {"kind": "wav", "path": "mic.wav", "paced": True}
