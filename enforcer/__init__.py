# SPDX-License-Identifier: MIT
"""enforcer: a runtime enforcement engine for Linux that decides inside the kernel."""

__version__ = "0.1.0"
