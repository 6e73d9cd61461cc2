# SPDX-License-Identifier: MIT
"""
The engine inside the kernel as Python values: load, commit, attach, read, probe.

Knows programs and maps, not policies: an image is bytes with a header.
"""
