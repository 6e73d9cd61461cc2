# SPDX-License-Identifier: MIT
"""Policy files as text: opened safely, parsed, with a place for every word."""
