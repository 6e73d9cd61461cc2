# SPDX-License-Identifier: MIT
"""Make the laboratory importable: it is not a part of the installed package."""

import sys
from pathlib import Path

_VM = Path(__file__).resolve().parents[2] / "vm"
sys.path[:0] = [str(_VM), str(_VM / "containers")]
