# SPDX-License-Identifier: MIT
"""The language as others want it told: a JSON Schema for editors, and the tables of its reference."""
