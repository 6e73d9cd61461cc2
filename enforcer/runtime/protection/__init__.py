# SPDX-License-Identifier: MIT
"""What a protected daemon does about itself: who may change the active policies, and what code it still takes in."""
