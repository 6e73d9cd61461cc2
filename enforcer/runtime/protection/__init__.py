# SPDX-License-Identifier: MIT
"""What a protected daemon does about itself: who may change what is in force, and what code it still takes in."""
