# SPDX-License-Identifier: MIT
"""What this machine's kernel says of its functions and types, for rules on points of the kernel."""
