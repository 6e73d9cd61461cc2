# SPDX-License-Identifier: MIT
"""The daemon in numbers for those who collect them: by HTTP, or in a file."""
