# SPDX-License-Identifier: MIT
"""A stand-in for CircuitPython's microcontroller: pins by the numbers of their GPIOs."""


class Pin:
    def __init__(self, number):
        self.number = number


class pin:  # noqa: N801 - a module there
    GPIO9 = Pin(9)
    GPIO10 = Pin(10)
    GPIO11 = Pin(11)
    GPIO12 = Pin(12)
