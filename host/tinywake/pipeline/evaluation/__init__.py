# SPDX-License-Identifier: MIT
"""`tinywake eval`: models and clips in, curves, bounds, speakers, noise and latency out."""

__all__: list[str] = []
