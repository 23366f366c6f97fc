# SPDX-License-Identifier: MIT
"""`tinywake data-report`: what a training would find in some recordings, before an hour of training."""

__all__: list[str] = []
