# SPDX-License-Identifier: MIT
"""A trained network made smaller: taught by others, with fewer channels and weights, in few numbers of int8."""

__all__: list[str] = []
