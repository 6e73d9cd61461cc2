# SPDX-License-Identifier: MIT
"""A policy as typed values, and what follows from these alone. Nothing here reads text or the machine."""
