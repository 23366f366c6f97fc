# SPDX-License-Identifier: MIT
"""A ready image: firmware and model in one UF2 file (ready), its blocks (uf2), the model's place in it (record)."""

__all__: list[str] = []
