# SPDX-License-Identifier: MIT
"""Remarks on policies that are valid but may not be meant: the checks, and what they ask."""
