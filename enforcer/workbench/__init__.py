# SPDX-License-Identifier: MIT
"""What answers a person: why, what if, what would break, does it hold, and what happens now."""
