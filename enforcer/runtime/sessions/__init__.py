# SPDX-License-Identifier: MIT
"""The sessions of one daemon in the kernel: the one in force, those on their way out, and counts that outlive them."""
