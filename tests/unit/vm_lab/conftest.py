# SPDX-License-Identifier: MIT
"""Make the laboratory importable: it is not a part of the installed package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "vm"))
