# SPDX-License-Identifier: MIT
"""`tinywake enrol`: a model's last layer learns its owner's voice from a few utterances."""

__all__: list[str] = []
