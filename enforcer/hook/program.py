# SPDX-License-Identifier: MIT
"""
What files of runtimes run that an earlier version wrote: ``python3 -I -S program.py`` and the hook's arguments.

The hook was a program in Python. It makes way for the one that is beside it, so that an upgrade needs no new files;
``enforcer container-hook install`` writes them so that Python is not started. If that one is missing, which is half
an installation, no container starts.
"""

import os
import sys

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "container-hook")  # noqa: PTH100, PTH118, PTH120 - pathlib is slow to import

if __name__ == "__main__":
    os.execv(_PROGRAM, [_PROGRAM, *sys.argv[1:]])  # noqa: S606 - a path of ours
