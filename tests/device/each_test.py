# SPDX-License-Identifier: MIT
# ruff: noqa: UP031 - MicroPython
"""On a board: runs each function whose name begins with test_. The last line is the result."""

import gc
import sys

__all__ = ("each_test", "nothing")


def nothing():
    """What is to be done before or after a test, where it is nothing."""


def each_test(names, before=nothing, after=nothing):
    """`names`: the globals of the body. `before` and `after` each of its tests something may be done."""
    passed = failed = 0
    for name in sorted(name for name in names if name.startswith("test_")):
        gc.collect()
        before()
        try:
            names[name]()
            passed += 1
        except Exception as error:
            failed += 1
            print("FAIL", name)
            sys.print_exception(error)
        after()
    print("\nTINYWAKE-TEST: passed %d, failed %d" % (passed, failed))
