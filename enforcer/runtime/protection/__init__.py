# SPDX-License-Identifier: MIT
"""A protected daemon: who may change the active policies, and which code it may still load."""
