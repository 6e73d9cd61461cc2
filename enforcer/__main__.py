# SPDX-License-Identifier: MIT
"""``python -m enforcer``."""

import sys

from enforcer.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
