# SPDX-License-Identifier: MIT
"""The functions and types of this machine's kernel, for rules on points of the kernel."""
