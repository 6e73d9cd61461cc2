# SPDX-License-Identifier: MIT
"""Records on their way from the ring buffers to the outputs: in the fast lane, or in the slow one."""
