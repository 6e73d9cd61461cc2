# SPDX-License-Identifier: MIT
"""The running daemon: one thread, one loop, orderly start and stop."""
