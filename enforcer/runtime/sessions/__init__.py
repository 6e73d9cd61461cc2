# SPDX-License-Identifier: MIT
"""The sessions of one daemon in the kernel: the active one, those on their way out, and counts that outlive them."""
