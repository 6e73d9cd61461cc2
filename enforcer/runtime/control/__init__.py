# SPDX-License-Identifier: MIT
"""The control socket: what callers may ask and whether, what the daemon says of itself, and the side of those who ask."""
