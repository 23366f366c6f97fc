# SPDX-License-Identifier: MIT
"""`tinywake record`: what a board's own microphone hears, as labelled wav files that `tinywake train --data` takes.

board: its line. frames: lines to samples. wav, take: samples to a file that is whole at any time, every loss marked.
folder: the files' names and their list. pieces: a recording to its files. record: the ways to record.
"""

from tinywake.device.record.folder import Recorded
from tinywake.device.record.record import Wanted, record

__all__ = ["Recorded", "Wanted", "record"]
