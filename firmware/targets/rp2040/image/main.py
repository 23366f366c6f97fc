# SPDX-License-Identifier: MIT
# Frozen into the ready image. A main.py in the file system, the user's own, takes its place.
try:
    with open("/main.py") as file:
        own = file.read()
except OSError:
    own = None
if own is None:
    import tinywake.main

    tinywake.main.start()
else:
    exec(compile(own, "main.py", "exec"))
