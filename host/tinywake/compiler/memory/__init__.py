# SPDX-License-Identifier: MIT
"""Working memory: what may overlap, how long what is needed, in which order to run, where everything lies."""

__all__: list[str] = []
