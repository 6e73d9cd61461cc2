# SPDX-License-Identifier: MIT
"""What a policy file is before it means anything: opened with care, parsed, with a place for every word."""
