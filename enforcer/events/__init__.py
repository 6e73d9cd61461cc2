# SPDX-License-Identifier: MIT
"""What the kernel side reports: bytes to events, events to records that a reader understands."""
