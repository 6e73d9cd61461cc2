# SPDX-License-Identifier: MIT
"""One daemon at a time: the lock, and a daemon that holds it and does not answer."""
