# SPDX-License-Identifier: MIT
"""Other throats, pitches and rhythms for clips that exist: the WORLD vocoder."""

__all__: list[str] = []
